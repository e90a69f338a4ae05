/**
 * tcp-md5-linux.test.ts — signed connections (RFC 2385) with Linux's TCP_MD5SIG: messages in BGP's form both ways, and what a wrong key or none does.
 * Read first: docs/tools.md setkey; linux-python.ts (md5sig); RFC 4271 §4 for the messages.
 *
 * Both kernels count: Linux what it did not take for its signature (TcpExt TCPMD5Failure and others), the vnet what it took and did not.
 */
import { spawnSync } from 'node:child_process';
import { listen } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { FAMILIES, LIMIT, LINUX, TCP_PEERS, VNET, accepted, connectWith, exactly, listenWith, withNeighbour, write } from './tcp-neighbour.js';
import type { Family, TcpNeighbour } from './tcp-neighbour.js';

const KEY = 'between routers';
const SIGNED = { TCP_MD5SIG: 1 };
const BGP = 179;
const MARKER = '\xff'.repeat(16);
const OPEN = `${MARKER}\x00\x1d\x01\x04\xfd\xe8\x00\x5a\x0a\x4d\x00\x02\x00`;
const KEEPALIVE = `${MARKER}\x00\x13\x04`;
const PREFIXES = 2_000;
/** UPDATEs with a prefix each, and nothing else. */
const UPDATES = Array.from({ length: PREFIXES }, (_, i) => `${MARKER}\x00\x1b\x02\x00\x00\x00\x00\x18\x0a${String.fromCharCode(i >> 8, i & 0xff)}`).join('');
const UPDATE_BYTES = 27;

/** A kernel may have been built without signatures. */
const REFUSED = /ENOPROTOOPT/;

const socketOf = (family: Family): string => (family === 6 ? 'socket(AF_INET6)' : 'socket()');
const literal = (text: string): string => `bytes.fromhex('${Buffer.from(text, 'latin1').toString('hex')}')`;

/** Why Linux signs nothing here, or null. */
function lacksMd5sig(): string | null {
  const asked = spawnSync('python3', ['-c', `from socket import *
import struct
socket().setsockopt(IPPROTO_TCP, 14, struct.pack('=HH4s', AF_INET, 0, inet_aton('10.0.0.1')).ljust(128, b'\\0') + struct.pack('=BBHi', 0, 0, 1, 0) + b'k'.ljust(80, b'\\0'))`], { encoding: 'utf8' });
  return REFUSED.test(asked.stderr) || /\[Errno 92\]/.test(asked.stderr) ? 'the kernel has no TCP_MD5SIG (ENOPROTOOPT)' : null;
}

async function share(n: TcpNeighbour, family: Family): Promise<void> {
  await n.d.ok('v1', 'setkey', '-e', `add ${VNET[family]} ${LINUX[family]} tcp 0x1000 -A tcp-md5 "${KEY}" ;`);
}

/** What Linux counted of signatures. */
async function refusedByLinux({ py }: TcpNeighbour): Promise<Record<string, boolean>> {
  const counted = await py.run<Record<string, number>>('netstat()');
  return { missing: counted['TCPMD5NotFound']! > 0, unexpected: counted['TCPMD5Unexpected']! > 0, wrong: counted['TCPMD5Failure']! > 0 };
}

describe('TCP_MD5SIG', () => {
  const lacks = lacksMd5sig();
  const signed: typeof peer = (...needs) => (lacks === null ? peer(...needs) : (name, ...rest) => peer(...needs, lacks)(name, ...rest));

  for (const family of FAMILIES) {
    signed(...TCP_PEERS)(`a session that the vnet opens, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const { py, vnet } = n;
      await share(n, family);
      await py.run(`l = server(${BGP}, AF_INET${family === 6 ? '6' : ''}); md5sig(l, '${VNET[family]}', b'${KEY}')`);
      const stream = await connectWith(vnet, SIGNED, LINUX[family], BGP);
      await py.run('s, _ = l.accept()');
      await write(stream, OPEN + KEEPALIVE);
      expect(await py.run(`exactly(s, ${OPEN.length + KEEPALIVE.length})`)).toBe(OPEN + KEEPALIVE);
      await py.run(`s.sendall(${literal(OPEN + KEEPALIVE)})`);
      expect(await exactly(stream, OPEN.length + KEEPALIVE.length)).toBe(OPEN + KEEPALIVE);
      await Promise.all([write(stream, UPDATES), expect(py.run(`exactly(s, ${PREFIXES * UPDATE_BYTES})`)).resolves.toBe(UPDATES)]);
      // Large segments are cut and signed one by one.
      const [, heard] = await Promise.all([py.run(`s.sendall(${literal(UPDATES)})`), exactly(stream, UPDATES.length)]);
      expect(heard).toBe(UPDATES);
      const { stats } = vnet.tcp;
      expect(stats.sig_rcvgoodsig).toBeGreaterThan(40);
      expect([stats.sig_rcvbadsig, stats.sig_err_nosigopt, stats.sndrexmitpack, await refusedByLinux(n)]).toEqual([0, 0, 0, { missing: false, unexpected: false, wrong: false }]);
      stream.abort();
    }));

    signed(...TCP_PEERS)(`a session that Linux opens, IPv${family}`, LIMIT, () => withNeighbour(async (n) => {
      const { py, vnet } = n;
      await share(n, family);
      const listener = listenWith(vnet, SIGNED, { address: family === 6 ? '::' : '0.0.0.0', port: BGP });
      await py.run(`s = ${socketOf(family)}; s.settimeout(20); md5sig(s, '${VNET[family]}', b'${KEY}'); s.connect(('${VNET[family]}', ${BGP}))`);
      const stream = await accepted(listener);
      await py.run(`s.sendall(${literal(OPEN + KEEPALIVE)})`);
      expect(await exactly(stream, OPEN.length + KEEPALIVE.length)).toBe(OPEN + KEEPALIVE);
      await Promise.all([write(stream, UPDATES), expect(py.run(`exactly(s, ${PREFIXES * UPDATE_BYTES})`)).resolves.toBe(UPDATES)]);
      await py.run('s.close()');
      for await (const chunk of stream.readable) throw new Error(`${chunk.length} bytes too many`);
      expect(await refusedByLinux(n)).toEqual({ missing: false, unexpected: false, wrong: false });
      listener.close();
    }));
  }

  signed(...TCP_PEERS)('Linux takes no connection with another key, nor without', LIMIT, () => withNeighbour(async (n) => {
    const { py, d, vnet } = n;
    await d.ok('v1', 'setkey', '-e', `add ${VNET[4]} ${LINUX[4]} tcp 0x1000 -A tcp-md5 "another" ;`);
    await py.run(`l = server(${BGP}); md5sig(l, '${VNET[4]}', b'${KEY}')`);
    await expect(connectWith(vnet, SIGNED, LINUX[4], BGP, 2)).rejects.toThrow('still not');
    expect(await refusedByLinux(n)).toEqual({ missing: false, unexpected: false, wrong: true });
    await expect(connectWith(vnet, {}, LINUX[4], BGP, 2)).rejects.toThrow('still not');
    expect(await refusedByLinux(n)).toEqual({ missing: true, unexpected: false, wrong: true });
  }));

  signed(...TCP_PEERS)('the vnet takes no connection with another key, nor without', LIMIT, () => withNeighbour(async (n) => {
    const { py, vnet } = n;
    await share(n, 4);
    const listener = listenWith(vnet, SIGNED, { port: BGP });
    const { stats } = vnet.tcp;
    expect(await py.fails(`s = socket(); s.settimeout(2); md5sig(s, '${VNET[4]}', b'another'); s.connect(('${VNET[4]}', ${BGP}))`)).toBe('TimeoutError');
    expect([stats.sig_rcvbadsig > 0, stats.sig_err_nosigopt > 0, stats.accepts]).toEqual([true, false, 0]);
    expect(await py.fails(`create_connection(('${VNET[4]}', ${BGP}), timeout=2)`)).toBe('TimeoutError');
    expect([stats.sig_err_nosigopt > 0, stats.accepts]).toEqual([true, 0]);
    listener.close();
  }));

  signed(...TCP_PEERS)('a listener without it answers a peer that signs with nothing', LIMIT, () => withNeighbour(async ({ py, vnet }) => {
    const listener = listen(vnet, { port: BGP });
    expect(await py.fails(`s = socket(); s.settimeout(2); md5sig(s, '${VNET[4]}', b'${KEY}'); s.connect(('${VNET[4]}', ${BGP}))`)).toBe('TimeoutError');
    expect(vnet.tcp.stats.accepts).toBe(0);
    listener.close();
  }));
});
