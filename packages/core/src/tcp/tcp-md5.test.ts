/**
 * tcp-md5.test.ts — digests as another implementation makes them, and whose key is used.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOBUFS, ENOENT } from '../base/errno.js';
import { quietEnv } from '../env/env.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { TcpOptionsOut, tcpPackOptions } from '../wire/tcp-options.js';
import { TCP_HDR_LEN, TCP_SUM, TH_ACK, TcpOptions, tcpEmit } from '../wire/tcp.js';
import { TcpEnds } from './tcp-ends.js';
import { TcpMd5 } from './tcp-md5.js';

const KEY = Uint8Array.from('Peter Piper'.split('').map((c) => c.charCodeAt(0)));
const A = 0x0a000001;
const B = 0x0a000002;
/** The same connection as its two ends see it. */
const atA = new TcpEnds().set4(B, 179, A, 40_000);
const atB = new TcpEnds().set4(A, 40_000, B, 179);
const LL = 0xfe80_0000 | 0;
const atA6 = new TcpEnds().setForeign6(LL | 3, 0, 0, 2, 179).setLocal6(LL | 3, 0, 0, 1, 40_000);
const atB6 = new TcpEnds().setForeign6(LL | 7, 0, 0, 1, 40_000).setLocal6(LL | 7, 0, 0, 2, 179);

function bench(): { md5: TcpMd5; kern: VnetKern; stats: Record<string, number> } {
  const stats = { sig_rcvgoodsig: 0, sig_rcvbadsig: 0, sig_err_buildsig: 0, sig_err_sigopt: 0, sig_err_nosigopt: 0 };
  const kern = new VnetKern(new Engine(quietEnv(1)), 1, 'v');
  return { md5: new TcpMd5(kern, { stats }), kern, stats };
}

/** A segment of A's with `n` bytes of data at offset 3, unsigned, and where the digest goes. */
function segment(n: number): { v: DataView; len: number; sigAt: number } {
  const v = new DataView(new ArrayBuffer(3 + TCP_HDR_LEN + 40 + n));
  const o = new TcpOptionsOut();
  Object.assign(o, { ts: true, tsval: 1, tsecr: 2, signature: true });
  const hl = TCP_HDR_LEN + tcpPackOptions(v, 3 + TCP_HDR_LEN, o);
  tcpEmit(v, 3, 40_000, 179, 100, 200, hl, TH_ACK, 1_000, 0);
  for (let i = 0; i < n; i++) v.setUint8(3 + hl + i, i);
  return { v, len: hl + n, sigAt: 3 + TCP_HDR_LEN + o.signatureAt };
}

/** What RFC 2385 says, by another hash. */
function reference(pseudo: number[], v: DataView, len: number): string {
  const bytes = new Uint8Array(v.buffer, 3, len).slice();
  bytes.fill(0, TCP_SUM, TCP_SUM + 2);
  const hl = (bytes[12]! >>> 4) * 4;
  return createHash('md5').update(Uint8Array.from(pseudo)).update(bytes.subarray(0, 20)).update(bytes.subarray(hl)).update(KEY).digest('hex');
}

const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

describe('signatures', () => {
  it.each([0, 1, 100, 1_400])('of %i bytes are what RFC 2385 says, and what the other end expects', (n) => {
    const y = bench();
    expect([y.md5.setKey(atA, KEY), y.md5.setKey(atB, KEY)]).toEqual([0, 0]);
    const { v, len, sigAt } = segment(n);
    expect(y.md5.sign(v, 3, len, sigAt, atA)).toBe(true);
    v.setUint16(3 + TCP_SUM, 0xbeef);
    expect(hex(new Uint8Array(v.buffer, sigAt, 16))).toBe(reference([10, 0, 0, 1, 10, 0, 0, 2, 0, 6, len >>> 8, len & 255], v, len));
    const read = new TcpOptions();
    read.parse(v, 3);
    expect(read.signatureOff).toBe(sigAt);
    expect(y.md5.verify(v, 3, len, sigAt, atB)).toBe(true);
    const changed = n === 0 ? 3 + 7 : 3 + len - 1;
    v.setUint8(changed, v.getUint8(changed) ^ 1);
    expect(y.md5.verify(v, 3, len, sigAt, atB)).toBe(false);
    expect(y.stats).toMatchObject({ sig_rcvgoodsig: 1, sig_rcvbadsig: 1, sig_err_buildsig: 0 });
  });

  it('over IPv6 are about addresses without their zone', () => {
    const y = bench();
    expect([y.md5.setKey(atA6, KEY), y.md5.setKey(atB6, KEY)]).toEqual([0, 0]);
    const { v, len, sigAt } = segment(10);
    expect(y.md5.sign(v, 3, len, sigAt, atA6)).toBe(true);
    const addr = (last: number): number[] => [0xfe, 0x80, ...new Array<number>(13).fill(0), last];
    expect(hex(y.md5.digest)).toBe(reference([...addr(1), ...addr(2), 0, 0, 0, len, 0, 0, 0, 6], v, len));
    expect(y.md5.verify(v, 3, len, sigAt, atB6)).toBe(true);
  });

  it('need a key of the peer', () => {
    const y = bench();
    const { v, len, sigAt } = segment(0);
    expect([y.md5.sign(v, 3, len, sigAt, atA), y.md5.verify(v, 3, len, sigAt, atB), y.stats['sig_err_buildsig']]).toEqual([false, false, 2]);
    expect([y.md5.setKey(atA, new Uint8Array(0)), y.md5.setKey(atA, new Uint8Array(81)), y.md5.setKey(atA, null)]).toEqual([EINVAL, EINVAL, ENOENT]);
    y.md5.limit = 1;
    expect([y.md5.setKey(atA, KEY), y.md5.setKey(atB, KEY), y.md5.setKey(atA, KEY.slice(1)), y.md5.hasKey(atA), y.md5.hasKey(atB)]).toEqual([0, ENOBUFS, 0, true, false]);
    expect([y.md5.setKey(atA, null), y.md5.hasKey(atA), y.md5.count]).toEqual([0, false, 0]);
    y.md5.setKey(atA, KEY);
    y.md5.destroy();
    expect([y.md5.count, y.kern.sysctl.count]).toEqual([0, 0]);
  });
});
