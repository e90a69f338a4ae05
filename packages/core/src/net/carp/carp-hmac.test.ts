/**
 * carp-hmac.test.ts — the bytes of the HMAC: another implementation's, whatever the addresses, their order and the password.
 */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ip4 } from '../../sim/craft.js';
import { ip6Parse } from '../../wire/addr6.js';
import { CARP_COUNTER, CARP_HDR_LEN, CARP_MD, carpEmit } from '../../wire/carp.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import { CarpHmac } from './carp-hmac.js';
import { bytes, hmacSha1, messageOf } from '../../../test/carp-bench.js';

const inet = (text: string): IfAddr => ({ af: AF_INET, addr: ip4(text), carp: null }) as unknown as IfAddr;
const inet6 = (text: string, zone = 0): IfAddr => {
  const addr = ip6Parse(text) ?? expect.fail(text);
  addr[3] = zone === 0 ? addr[3]! : zone;
  return { af: AF_INET6, addr, carp: null } as unknown as IfAddr;
};
const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** What CarpHmac writes into an advertisement. */
function ours(key: string, vhid: number, ifas: readonly IfAddr[], counter: bigint): string {
  const hmac = new CarpHmac();
  const v = new DataView(new ArrayBuffer(CARP_HDR_LEN));
  hmac.prepare(vhid, bytes(key), ifas);
  carpEmit(v, 0, vhid, 1, 0);
  v.setBigUint64(CARP_COUNTER, counter);
  hmac.put(v, 0);
  expect(hmac.verify(v, 0)).toBe(true);
  return hex(new Uint8Array(v.buffer).subarray(CARP_MD));
}

const theirs = (key: string, message: Uint8Array): string => createHmac('sha1', Buffer.concat([bytes(key)], 20)).update(message).digest('hex');

describe('the HMAC', () => {
  it('covers version, type, vhid, IPv4 addresses ascending and the counter', () => {
    const addrs = ['192.0.2.200', '10.0.0.1', '192.0.2.1'];
    const message = messageOf(7, addrs, 0x0123_4567_89ab_cdefn);
    expect(hex(message)).toBe('020107' + '0a000001' + 'c0000201' + 'c00002c8' + '0123456789abcdef');
    expect(ours('s3cret', 7, addrs.map(inet), 0x0123_4567_89ab_cdefn)).toBe(theirs('s3cret', message));
    expect(hex(hmacSha1(bytes('s3cret'), message))).toBe(theirs('s3cret', message));
  });

  it('then IPv6 addresses, ascending, without their zone, each once', () => {
    const ifas = [inet6('2001:db8::2'), inet6('fe80::1', 9), inet('192.0.2.1'), inet6('2001:db8::1'), inet6('2001:db8::2')];
    const message = Buffer.from('020101' + 'c0000201' + '20010db8000000000000000000000001' + '20010db8000000000000000000000002' + 'fe800000000000000000000000000001' + '0000000000000001', 'hex');
    expect(ours('x', 1, ifas, 1n)).toBe(theirs('x', message));
  });

  it.each(['', 'a', 'twenty bytes exactly', 'twenty bytes exactly and more'])('with the password "%s"', (key) => {
    const cut = key.slice(0, 20);
    expect(ours(cut, 1, [inet('192.0.2.1')], 5n)).toBe(theirs(cut, messageOf(1, ['192.0.2.1'], 5n)));
  });

  it('is of one message only: another counter, vhid, password or address has another', () => {
    const one = ours('k', 1, [inet('192.0.2.1')], 1n);
    const others = [ours('k', 1, [inet('192.0.2.1')], 2n), ours('k', 2, [inet('192.0.2.1')], 1n), ours('K', 1, [inet('192.0.2.1')], 1n), ours('k', 1, [inet('192.0.2.2')], 1n)];
    expect(new Set([one, ...others]).size).toBe(5);
  });
});
