/**
 * tap.test.ts — TapPort and the Linux kernel: a namespace pings a responder, frames are counted on both sides, segments cross uncut,
 * a TAP is taken away, many are opened and closed. The worker is the built one (dist/).
 */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openTapPort } from '../../src/tap/tap-port.js';
import type { TapPort } from '../../src/tap/tap-port.js';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { ip, Netns, uniqueDevice, withNetns } from './netns.js';
import { respond } from './tap-responder.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;

/** Opens a TAP for `body` and closes it whatever happens. */
async function withTap<T>(options: { vnetHdr?: boolean; mtu?: number }, body: (port: TapPort) => Promise<T>): Promise<T> {
  const port = openTapPort({ name: uniqueDevice(), ...options });
  try {
    return await body(port);
  } finally {
    await port.close();
  }
}

/** Puts a TAP into a namespace as its interface with that address, without IPv6's own chatter. */
function attach(ns: Netns, port: TapPort, cidr: string): void {
  ns.adopt(port.name);
  ns.ip('link', 'set', 'dev', port.name, 'addrgenmode', 'none');
  ns.address(port.name, cidr);
  ns.up(port.name);
}

describe('Linux in a namespace', () => {
  peer(...NEEDS, 'ping')('pings a responder behind a TAP', async () => {
    await withTap({}, (port) =>
      withNetns(1, async (ns) => {
        const responder = respond(port, 0x0a_4d_00_02);
        attach(ns, port, '10.77.0.1/24');
        const ping = await linuxPing(ns, '10.77.0.2', 3);
        expect(ping.received, ping.text).toBe(3);
        expect(responder.echoReplies).toBe(ping.sent);
        expect(responder.arpReplies).toBeGreaterThanOrEqual(1);
        expect(port.stats).toMatchObject({ rxErrors: 0, rxWaits: 0, txFull: 0, txErrors: 0, txInvalid: 0, txDown: 0 });
      }),
    );
  });

  peer(...NEEDS, 'ping')('pings with a full MTU of 9000, and with virtio headers on the TAP', async () => {
    for (const options of [{ mtu: 9000 }, { vnetHdr: true, mtu: 9000 }]) {
      await withTap(options, (port) =>
        withNetns(1, async (ns) => {
          respond(port, 0x0a_4d_00_02);
          expect(port.mtu).toBe(9000);
          attach(ns, port, '10.77.0.1/24');
          const ping = await linuxPing(ns, '10.77.0.2', 2, '-M', 'do', '-s', '8972');
          expect(ping.received, ping.text).toBe(2);
        }),
      );
    }
  });

  peer(...NEEDS, 'ping')('answers a flood of 5000 without a loss', async () => {
    await withTap({}, (port) =>
      withNetns(1, async (ns) => {
        const responder = respond(port, 0x0a_4d_00_02);
        attach(ns, port, '10.77.0.1/24');
        const ping = await ns.run('ping', '-n', '-q', '-f', '-c', '5000', '10.77.0.2');
        expect(ping.stdout).toContain(' 0% packet loss');
        expect(responder.echoReplies).toBeGreaterThanOrEqual(5000);
      }),
    );
  });

  peer(...NEEDS)('receives every frame that was sent, and says so itself', async () => {
    await withTap({}, (port) =>
      withNetns(1, async (ns) => {
        attach(ns, port, '10.77.0.1/24');
        const frame = new Uint8Array(1514).fill(0xff, 0, 6);
        frame.set([0x02, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
        const before = ns.counter(port.name, 'rx_packets');
        const count = 20_000;
        for (let sent = 0; sent < count; ) {
          while (sent < count && port.send(frame, 0, sent % 2 === 0 ? 60 : 1514)) sent++;
          port.flush();
          await new Promise(setImmediate);
        }
        await Netns.until('all frames are written', () => port.stats.txFrames === count);
        expect(ns.counter(port.name, 'rx_packets') - before).toBe(count);
        expect(port.stats.txOctets).toBe((count / 2) * (60 + 1514));
        expect(port.stats.txErrors).toBe(0);
      }),
    );
  });

  peer(...NEEDS)('has its TAP taken away: the port says so, and closes', async () => {
    await withTap({}, async (port) => {
      const gone = new Promise<Error>((resolve) => port.onGone(resolve));
      ip('link', 'delete', 'dev', port.name);
      expect(await gone).toMatchObject({ name: 'TapError', dev: port.name, message: expect.stringContaining(`device '${port.name}' went away: `) as string, code: expect.stringMatching(/^(ENODEV|EBADFD)$/) as string });
      expect(port.send(new Uint8Array(60), 0, 60)).toBe(false);
      expect(port.stats.txDown).toBe(1);
    });
  });

  peer(...NEEDS)('is told nothing by a TAP that is down, and counts it', async () => {
    await withTap({}, async (port) => {
      port.send(new Uint8Array(60), 0, 60);
      port.flush();
      await Netns.until('the frame is refused', () => port.stats.txErrors === 1);
      expect(port.stats.txFrames).toBe(0);
    });
  });
});

describe('two namespaces over a switch of two TAPs', () => {
  /** Moves a file-sized TCP stream from one namespace to the other; what the switch saw. */
  async function stream(vnetHdr: boolean): Promise<{ longest: number; segments: number; octets: number }> {
    const seen = { longest: 0, segments: 0, octets: 0 };
    await withTap({ vnetHdr }, (left) =>
      withTap({ vnetHdr }, (right) =>
        withNetns(2, async (a, b) => {
          for (const [from, to] of [[left, right], [right, left]] as const) {
            from.onFrames((batch) => {
              while (batch.next()) {
                seen.longest = Math.max(seen.longest, batch.len);
                if (batch.gsoSize > 0) seen.segments++;
                seen.octets += batch.len;
                to.send(batch.bytes, batch.off, batch.len, vnetHdr ? batch : null);
              }
              to.flush();
            });
          }
          attach(a, left, '10.77.0.1/24');
          attach(b, right, '10.77.0.2/24');
          const server = b.spawn('iperf3', '-s', '-1', '--forceflush');
          let heard = '';
          server.stdout!.setEncoding('utf8').on('data', (text: string) => (heard += text));
          await Netns.until('iperf3 listens', () => heard.includes('listening'));
          const client = await a.run('iperf3', '-c', '10.77.0.2', '-n', '20M', '-J');
          const report = JSON.parse(client.stdout) as { end: { sum_received: { bytes: number } }; error?: string };
          // The client ends the test when it has written 20 MiB; what is still under way then is not counted as received.
          expect(report.error).toBeUndefined();
          expect(report.end.sum_received.bytes).toBeGreaterThan(10 * 1024 * 1024);
        }),
      ),
    );
    return seen;
  }

  peer(...NEEDS, 'iperf3')('carries a TCP stream in frames of the MTU', async () => {
    const seen = await stream(false);
    expect(seen).toMatchObject({ longest: 1514, segments: 0 });
  });

  peer(...NEEDS, 'iperf3')('carries it in segments of up to 64 KB where the TAPs have virtio headers', async () => {
    const seen = await stream(true);
    expect(seen.longest).toBeGreaterThan(30_000);
    expect(seen.segments).toBeGreaterThan(100);
    expect(seen.octets).toBeGreaterThan(10 * 1024 * 1024);
  });
});

describe('opening TAPs', () => {
  peer('root', 'tun')('twenty times leaves no descriptor, no thread and no interface', async () => {
    const count = (): object => ({
      fds: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length,
      // Other test files make interfaces of their own at the same time.
      interfaces: readdirSync('/sys/class/net').filter((name) => name.startsWith(`nlt${process.pid.toString(36)}x`)),
    });
    // The first start makes threads and descriptors that stay: V8's and libuv's pools.
    await withTap({}, () => Promise.resolve());
    const before = count();
    for (let i = 0; i < 20; i++) await withTap({ vnetHdr: i % 2 === 0 }, () => Promise.resolve());
    // A thread that has ended is seen for a moment longer.
    await expect.poll(count).toEqual(before);
  });

  peer('root', 'tun')('twice is refused: the kernel lets one program attach', async () => {
    await withTap({}, (port) => {
      expect(() => openTapPort({ name: port.name })).toThrow(expect.objectContaining({ code: 'EBUSY' }) as Error);
      return Promise.resolve();
    });
  });

  peer('root', 'tun', 'ip')('under the name of an interface of another kind is refused', () => {
    const dev = uniqueDevice();
    ip('link', 'add', 'dev', dev, 'type', 'bridge');
    try {
      expect(() => openTapPort({ name: dev })).toThrow(expect.objectContaining({ code: 'EINVAL', message: expect.stringContaining('not a TAP') as string }) as Error);
    } finally {
      ip('link', 'delete', 'dev', dev);
    }
  });

  peer('root', 'tun', 'ip')('takes the kernel’s number for %d, brings the interface up, and can leave it behind', async () => {
    const port = openTapPort({ name: 'nltest%d', up: true, persist: true });
    await port.close();
    try {
      expect(port.name).toMatch(/^nltest\d+$/);
      expect(ip('-oneline', 'link', 'show', 'dev', port.name)).toMatch(/<[A-Z,_-]*\bUP\b/);
      const again = openTapPort({ name: port.name, persist: false });
      await again.close();
      expect(() => ip('link', 'show', 'dev', port.name)).toThrow('does not exist');
    } finally {
      try {
        ip('link', 'delete', 'dev', port.name);
      } catch {
        // It is gone, as it should be.
      }
    }
  });

  test('a bad name is refused before the system is asked', () => {
    expect(() => openTapPort({ name: 'not/a/name' })).toThrow(RangeError);
  });
});
