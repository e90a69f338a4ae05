/**
 * ip6-over-ip4.test.ts — IPv4 addresses taken out of IPv6 addresses, against the examples of the RFCs.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip4Format, ip4MaskOf, ip4Parse } from './addr.js';
import { ip6Parse } from './addr6.js';
import { ip4IsNoTunnelEnd, ip4Of6rd, ip4Of6to4, ip6Bits, ip6Is6to4, ip6IsV4Compat } from './ip6-over-ip4.js';

const v6 = (text: string): Uint8Array => ip6Parse(text)!;
const v4 = (text: string): number => ip4Parse(text)!;

describe('ip6-over-ip4', () => {
  it('finds the address of a 6to4 prefix', () => {
    expect([ip6Is6to4(v6('2002:c000:201::1')), ip6Is6to4(v6('2003:c000:201::1'))]).toEqual([true, false]);
    expect(ip4Format(ip4Of6to4(v6('2002:c058:6301::')))).toBe('192.88.99.1');
  });

  it('finds the address of a 6rd prefix, with the part that its domain has in common', () => {
    const of = (addr: string, plen: number, domain: string, plen4: number): string => {
      const found = ip4Of6rd(v6(addr), 0, plen, v4(domain), plen4);
      return found < 0 ? 'none' : ip4Format(found);
    };
    expect([
      of('2001:db8:c000:201::1', 32, '192.0.2.9', 32), of('2001:db8:c000:201::1', 32, '0.0.0.0', 0), of('2001:db8:1900::1', 32, '192.0.2.1', 24),
      of('2001:db8:6400:a::', 32, '10.0.0.0', 8), of('2001:201::1', 16, '192.0.2.1', 16), of('2001:db8::1', 33, '0.0.0.0', 32), of('2001:db8::1', 57, '192.0.2.1', 24),
      of('2001:db8:0:25::1', 56, '192.0.2.1', 24), of('2001:db8:0:1::', 63, '192.0.2.0', 31),
    ]).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.25', '10.100.0.0', '192.0.2.1', 'none', 'none', '192.0.2.37', '192.0.2.1']);
  });

  it('finds what was put in', () => {
    fc.assert(fc.property(fc.nat(0xffffffff), fc.integer({ min: 1, max: 31 }), fc.nat(64), (addr, plen4, at) => {
      const n = 32 - plen4;
      fc.pre(at + n <= 64);
      const bytes = new Uint8Array(16).fill(0x5a);
      for (let i = 0; i < n; i++) {
        const bit = (addr >>> (n - 1 - i)) & 1;
        const [byte, mask] = [(at + i) >>> 3, 0x80 >>> ((at + i) & 7)];
        bytes[byte] = bit === 1 ? bytes[byte]! | mask : bytes[byte]! & ~mask;
      }
      expect(ip4Of6rd(bytes, 0, at, (addr & ip4MaskOf(plen4)) >>> 0, plen4)).toBe(addr);
      expect(ip6Bits(bytes, 0, at, n)).toBe((addr & ~ip4MaskOf(plen4)) >>> 0);
    }));
  });

  it('knows what cannot be an end of a tunnel', () => {
    expect(['0.0.0.1', '127.0.0.1', '224.0.0.1', '239.9.9.9', '255.0.0.1', '1.0.0.1', '240.0.0.1', '223.255.255.255'].map((a) => ip4IsNoTunnelEnd(v4(a))))
      .toEqual([true, true, true, true, true, false, false, false]);
    expect(['::', '::1', '::2', '::192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1'].map((a) => ip6IsV4Compat(v6(a)))).toEqual([false, false, true, true, false, false]);
  });
});
