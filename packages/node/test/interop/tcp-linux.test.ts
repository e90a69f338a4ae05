/**
 * tcp-linux.test.ts — a vnet's TCP and Linux's: what they agree on in the handshake, how connections end on either side, ECN, keepalives, resets.
 * Read first: linux-python.ts (Linux's side of the dialogue); tcp-neighbour.ts.
 *
 * Bytes that go one way are compared with what came the other way, by length and SHA-256; states and options with what both stacks say of the same connection.
 */
import { createHash } from 'node:crypto';
import { TCPS_CLOSE_WAIT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_2 } from '@netloom/core';
import type { TcpInfo } from '@netloom/core';
import { connect, listen } from '@netloom/core/promises';
import type { Stream } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import type { LinuxTcpInfo } from './linux-python.js';
import { startTcpdump } from './linux-tcpdump.js';
import { Netns } from './netns.js';
import { FAMILIES, LIMIT, LINUX, TCP_PEERS, VNET, accepted, exactly, finish, fromLinux, toLinux, withNeighbour, withRoutedNeighbour, write } from './tcp-neighbour.js';

const BULK = 1_000_000;
/** Linux's numbers of states. */
const LINUX_ESTABLISHED = 1;
const LINUX_FIN_WAIT2 = 5;
const LINUX_CLOSE_WAIT = 8;

const bulk = Buffer.alloc(BULK, 'warp and weft, ');
const BULK_SENT = [BULK, createHash('sha256').update(bulk).digest('hex')];

/** All that comes until the end, as `to_end` of LinuxPython tells of it. */
async function toEnd(stream: Stream): Promise<unknown> {
  const hash = createHash('sha256');
  let total = 0;
  for await (const chunk of stream.readable) {
    total += chunk.length;
    hash.update(chunk);
  }
  return [total, hash.digest('hex')];
}

const WAYS = [['Linux connects', fromLinux], ['the vnet connects', toLinux]] as const;

/** What both say of the options of one connection. */
const agreed = (ours: TcpInfo, linux: LinuxTcpInfo): unknown => ({
  ours: [ours.timestamps, ours.sack, ours.wscale], linux: ['timestamps', 'sack', 'wscale'].map((o) => linux.options.includes(o)),
  scales: [ours.sndWscale === linux.rcv_wscale, ours.rcvWscale === linux.snd_wscale, ours.sndWscale > 0 && ours.rcvWscale > 0], mss: [ours.sndMss, linux.snd_mss],
});

describe.each(WAYS)('%s', (_, way) => {
  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`timestamps, SACK and window scales are agreed, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const stream = await way(n, family);
      const linux = await n.py.run<LinuxTcpInfo>('info(s)');
      const ours = stream.socket.info();
      // The MSS is of data alone: without the 12 bytes of timestamps.
      const mss = 1500 - (family === 4 ? 40 : 60) - 12;
      expect(agreed(ours, linux)).toEqual({ ours: [true, true, true], linux: [true, true, true], scales: [true, true, true], mss: [mss, mss] });
      await Promise.all([n.py.run('s.sendall(b"knock")'), write(stream, 'who is there')]);
      expect([await exactly(stream, 5), await n.py.run('exactly(s, 12)')]).toEqual(['knock', 'who is there']);
    }));
  }

  peer(...TCP_PEERS)('what either lacks is not used', LIMIT, () => withNeighbour(async (n) => {
    for (const [name, lacks] of [['timestamps', 'timestamps'], ['sack', 'sack'], ['window_scaling', 'wscale']] as const) {
      await n.py.run(`sysctl('net.ipv4.tcp_${name}', 0)`);
      const stream = await way(n, 4);
      const linux = await n.py.run<LinuxTcpInfo>('info(s)');
      const rest = ['timestamps', 'sack', 'wscale'].filter((o) => o !== lacks);
      const ours = stream.socket.info();
      expect({ lacks, linux: linux.options.filter((o) => ['timestamps', 'sack', 'wscale'].includes(o)), ours: ['timestamps', 'sack', 'wscale'].filter((o) => ours[o as 'sack']) }).toEqual({ lacks, linux: rest, ours: rest });
      await Promise.all([write(stream, bulk), expect(n.py.run(`exactly(s, ${BULK})`)).resolves.toHaveLength(BULK)]);
      await stream.close();
      await n.py.run('s.close()');
      await n.py.run(`sysctl('net.ipv4.tcp_${name}', 1)`);
    }
  }));

  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`Linux is done first, the vnet goes on, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const stream = await way(n, family);
      await n.py.run('s.sendall(b"question"); s.shutdown(SHUT_WR)');
      expect(await exactly(stream, 8)).toBe('question');
      await Netns.until('the FIN has come', () => stream.socket.eof);
      expect([stream.socket.info().state, (await n.py.run<LinuxTcpInfo>('info(s)')).state]).toEqual([TCPS_CLOSE_WAIT, LINUX_FIN_WAIT2]);
      const heard = n.py.run('to_end(s)');
      await write(stream, bulk);
      await finish(stream);
      expect(await heard).toEqual(BULK_SENT);
    }));

    peer(...TCP_PEERS)(`the vnet is done first, Linux goes on, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const stream = await way(n, family);
      await write(stream, 'question');
      await finish(stream);
      expect(await n.py.run('to_end(s)')).toEqual([8, createHash('sha256').update('question').digest('hex')]);
      await Netns.until('the FIN is acknowledged', () => stream.socket.info().state === TCPS_FIN_WAIT_2);
      expect((await n.py.run<LinuxTcpInfo>('info(s)')).state).toBe(LINUX_CLOSE_WAIT);
      const heard = toEnd(stream);
      const sent = await n.py.run(`send_noise(s, ${BULK})`);
      await n.py.run('s.close()');
      expect(await heard).toEqual(sent);
      await stream.closed;
    }));
  }
});

describe('resets', () => {
  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`a port nobody listens on refuses, both ways, IPv${family}`, LIMIT, () => withNeighbour(async ({ py, vnet }) => {
      expect(await py.fails(`create_connection(('${VNET[family]}', 7))`)).toBe('ECONNREFUSED');
      await expect(connect(vnet, { address: LINUX[family], port: 7 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      const { connattempt, connects, closed, drops, conndrops, sndctrl } = vnet.tcp.stats;
      expect({ connattempt, connects, closed, drops, conndrops, sndctrl }).toEqual({ connattempt: 1, connects: 0, closed: 1, drops: 0, conndrops: 1, sndctrl: 2 });
    }));

    peer(...TCP_PEERS)(`either breaks off in the middle of a transfer, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const { d, py, vnet } = n;
      // Linux, with SO_LINGER 0, while the vnet sends.
      const first = await fromLinux(n, family);
      const sending = (async () => {
        for (;;) await write(first, bulk);
      })();
      sending.catch(() => undefined);
      await py.run(`exactly(s, ${BULK})`);
      await py.run("s.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); s.close()");
      await expect(sending).rejects.toMatchObject({ code: 'ECONNRESET' });
      await expect(first.closed).rejects.toMatchObject({ code: 'ECONNRESET' });
      // The vnet, with SO_LINGER 0, while Linux sends.
      const second = await fromLinux(n, family);
      const linux = py.fails('send_noise(s, 1 << 40)');
      await exactly(second, BULK);
      second.socket.setsockopt('SO_LINGER', 0);
      await second.close();
      expect(await linux).toBe('ECONNRESET');
      // abort() is the same.
      const third = await toLinux(n, family);
      third.abort();
      expect(await py.fails('s.recv(1)')).toBe('ECONNRESET');
      const { connects, badrst, drops, closed } = vnet.tcp.stats;
      expect({ connects, badrst, drops, closed }).toEqual({ connects: 3, badrst: 0, drops: 3, closed: 3 });
      expect(await d.ok('v1', 'netstat', '-n')).not.toContain('tcp');
    }));
  }

  peer(...TCP_PEERS)('Linux closes with unread data, and says so with a reset', LIMIT, () => withNeighbour(async (n) => {
    const stream = await toLinux(n, 4);
    await write(stream, 'unread');
    await Netns.until('it has arrived', async () => (await n.ns.run('ss', '-Htn', 'sport = :6004')).stdout.split(/\s+/)[1] === '6');
    await n.py.run('s.close()');
    await expect(toEnd(stream)).rejects.toMatchObject({ code: 'ECONNRESET' });
  }));
});

describe('keepalives', () => {
  peer(...TCP_PEERS)('Linux asks, the vnet answers; when it is gone, Linux gives up', LIMIT, () => withNeighbour(async (n) => {
    const { py, d, cable } = n;
    const stream = await fromLinux(n, 4);
    const asked = async (): Promise<number> => (await py.run<Record<string, number>>('netstat()'))['TCPKeepAlive']!;
    await py.run('s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)');
    for (const [name, value] of [['IDLE', 1], ['INTVL', 1], ['CNT', 2]]) await py.run(`s.setsockopt(IPPROTO_TCP, TCP_KEEP${name}, ${value})`);
    // More unanswered ones would have ended it.
    await Netns.until('Linux has asked four times', async () => (await asked()) >= 4, 20);
    expect((await py.run<LinuxTcpInfo>('info(s)')).state).toBe(LINUX_ESTABLISHED);
    await py.run('s.sendall(b"here")');
    expect(await exactly(stream, 4)).toBe('here');
    // With an answer everything is acknowledged: Linux is to ask, and not to send again.
    await write(stream, 'too');
    expect(await py.run('exactly(s, 3)')).toBe('too');
    await d.ok('v1', 'ifconfig', cable.ifname, 'down');
    expect(await py.fails('s.recv(1)')).toBe('ETIMEDOUT');
  }));

  peer(...TCP_PEERS)('the vnet asks, Linux answers; when it is gone, the vnet gives up', LIMIT, () => withNeighbour(async (n) => {
    const { py, ns, vnet, cable } = n;
    const stream = await toLinux(n, 6, { SO_KEEPALIVE: 1, TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 2 });
    const { stats } = vnet.tcp;
    await Netns.until('the vnet has asked four times', () => stats.keepprobe >= 4, 20);
    expect(stream.socket.info().state).toBe(TCPS_ESTABLISHED);
    await write(stream, 'here');
    expect(await py.run('exactly(s, 4)')).toBe('here');
    ns.ip('link', 'set', 'dev', cable.device, 'down');
    await expect(stream.closed).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(stats).toMatchObject({ keepdrops: 1, rexmttimeo: 0 });
  }));
});

describe('ECN', () => {
  /** The flags of the SYN and of its answer, as Linux's tcpdump shows them. */
  const flagsOf = (lines: string): string[] => [...lines.matchAll(/Flags (\[[^\]]*\])/g)].map((m) => m[1]!).slice(0, 2);

  for (const family of FAMILIES) {
    peer(...TCP_PEERS, 'tcpdump')(`is agreed when both want it, and only then, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const { ns, d, py, cable } = n;
      // Who connects, what Linux and the vnet are set to (1: asks and accepts, 2: accepts, 0: neither), the flags, and whether it is on.
      const table = [
        [fromLinux, 1, 2, ['[SEW]', '[S.E]'], true], [fromLinux, 1, 0, ['[SEW]', '[S.]'], false], [fromLinux, 2, 1, ['[S]', '[S.]'], false],
        [toLinux, 2, 1, ['[SEW]', '[S.E]'], true], [toLinux, 0, 1, ['[SEW]', '[S.]'], false], [toLinux, 1, 2, ['[S]', '[S.]'], false],
      ] as const;
      for (const [way, linuxEcn, vnetEcn, flags, on] of table) {
        await py.run(`sysctl('net.ipv4.tcp_ecn', ${linuxEcn})`);
        await d.ok('v1', 'sysctl', `net.inet.tcp.ecn.enable=${vnetEcn}`);
        const before = { ...n.vnet.tcp.stats };
        const tcpdump = await startTcpdump(ns, cable.device, '-t', family === 4 ? 'tcp[tcpflags] & tcp-syn != 0' : 'ip6[53] & 2 != 0');
        const stream = await way(n, family);
        await Promise.all([write(stream, bulk), py.run(`exactly(s, ${BULK})`)]);
        await Netns.until('both are seen', () => flagsOf(tcpdump.heard.stdout.toString()).length === 2);
        await tcpdump.stop();
        const linux = await py.run<LinuxTcpInfo>('info(s)');
        const after = n.vnet.tcp.stats;
        expect({ linuxEcn, vnetEcn, flags: flagsOf(tcpdump.heard.stdout.toString()), linux: linux.options.includes('ecn'), seen: linux.options.includes('ecn_seen'), ours: after.ecn_shs - before.ecn_shs, ect: after.ecn_sndect0 > before.ecn_sndect0 })
          .toEqual({ linuxEcn, vnetEcn, flags, linux: on, seen: on, ours: on ? 1 : 0, ect: on });
        stream.abort();
        await py.run('s.close()');
      }
    }));
  }

  peer(...TCP_PEERS)('marks of a router slow down whoever sends, both ways', LIMIT, () => withRoutedNeighbour({ delayUs: 1_000 }, null, async ({ py, vnet, ends }) => {
    await py.run("sysctl('net.ipv4.tcp_ecn', 1)");
    const listener = listen(vnet, { address: '::', port: 5000 });
    await py.run("s = create_connection(('fd78::2', 5000))");
    const stream = await accepted(listener);
    // From v1: Linux echoes, the vnet lowers its window and says so.
    const marked = markEvery(ends[0], 50);
    const heard = py.run(`exactly(s, ${4 * BULK})[-1]`);
    for (let i = 0; i < 4; i++) await write(stream, bulk);
    await heard;
    const { stats } = vnet.tcp;
    expect(marked.count).toBeGreaterThan(0);
    expect({ reduced: stats.ecn_rcwnd > 0, retransmitted: stats.sndrexmitpack, timeouts: stats.rexmttimeo }).toEqual({ reduced: true, retransmitted: 0, timeouts: 0 });
    expect(await py.run("int(dict(line.split() for line in open('/proc/net/snmp6'))['Ip6InCEPkts'])")).toBe(marked.count);
    // From Linux: the vnet echoes, and Linux counts what was delivered with a mark.
    const back = markEvery(ends[1], 50);
    await Promise.all([exactly(stream, 2 * BULK), py.run(`send_noise(s, ${2 * BULK})`)]);
    expect(stats.ecn_rcvce).toBe(back.count);
    expect((await py.run<LinuxTcpInfo>('info(s)')).delivered_ce).toBeGreaterThan(0);
    listener.close();
    stream.abort();
  }));
});

/** Marks each nth IPv6 packet with data that leaves through `end`, as a router with a long queue would. */
function markEvery(end: { transmit: TransmitFn }, n: number): { count: number } {
  const marked = { count: 0 };
  let seen = 0;
  const pass = end.transmit.bind(end);
  end.transmit = (ifp, m) => {
    const ip = m.off + 14;
    const ect = m.view.getUint16(m.off + 12) === 0x86dd && (m.view.getUint8(ip + 1) & 0x30) !== 0;
    if (ect && seen++ % n === n - 1) {
      m.view.setUint8(ip + 1, m.view.getUint8(ip + 1) | 0x30);
      marked.count += Math.max(1, Math.ceil((m.len - 86) / (m.gsoSize || m.len)));
    }
    return pass(ifp, m);
  };
  return marked;
}

type TransmitFn = Parameters<Parameters<typeof withRoutedNeighbour>[2]>[0]['ends'][0]['transmit'];
