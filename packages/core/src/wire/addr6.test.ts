/**
 * addr6.test.ts — texts of IPv6 addresses after RFC 4291 and RFC 5952, prefixes, scopes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { macFormatPair, macParse } from './addr.js';
import {
  IP6_SCOPE_GLOBAL,
  IP6_SCOPE_INTFACELOCAL,
  IP6_SCOPE_LINKLOCAL,
  IP6_SCOPE_SITELOCAL,
  MAC_HI_IP6_GROUP,
  ip6Compare,
  ip6Equals,
  ip6Format,
  ip6InPrefix,
  ip6IsDocumentation,
  ip6IsLinkLocal,
  ip6IsLoopback,
  ip6IsMulticast,
  ip6IsSiteLocal,
  ip6IsUniqueLocal,
  ip6IsUnspecified,
  ip6IsV4Mapped,
  ip6LinkLocalOfMac,
  ip6LowWord,
  ip6MaskOf,
  ip6NeedsZone,
  ip6OfIp4,
  ip6Parse,
  ip6ParsePrefix,
  ip6ParseScoped,
  ip6PrefixLen,
  ip6Scope,
  ip6SolicitedNode,
  macLoOfIp6Group,
} from './addr6.js';

const ip6 = (text: string): Uint8Array => ip6Parse(text)!;
const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Addresses with many zero groups, where the choice of `::` matters. */
const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 0xabcd), { minLength: 8, maxLength: 8 }).map((w) => Uint8Array.from(w.flatMap((n) => [n >>> 8, n & 255])));

describe('text', () => {
  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:1:0:0:0:0:0', '0:0:1::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['fe80::0204:61ff:fe9d:f156', 'fe80::204:61ff:fe9d:f156'],
  ])('reads %s, writes %s', (text, written) => {
    expect(ip6Format(ip6(text))).toBe(written);
  });

  it.each([
    '', ':', ':::', '1', '1:2', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '1:2:3:4:5:6:7::8', '::1:2:3:4:5:6:7:8', 'g::', '12345::', ':1', '1:',
    ':1:2:3:4:5:6:7', '1.2.3.4', '::1.2.3', '::1.2.3.256', '::1.2.3.4:5', '1.2.3.4::', '::01.2.3.4', '1:2:3:4:5:6:7:1.2.3.4', 'fe80::1%em0', '::1/64', ' ::1', '::1 ',
  ])('refuses %j', (text) => {
    expect(ip6Parse(text)).toBeNull();
  });

  it('parse and format are inverse', () => {
    fc.assert(fc.property(fc.oneof(address, sparse), (addr) => ip6Equals(ip6Parse(ip6Format(addr))!, addr)));
  });

  it('formats in place', () => {
    const packet = Uint8Array.of(9, 9, ...ip6('2001:db8::7'), 9);
    expect(ip6Format(packet, 2)).toBe('2001:db8::7');
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:.%/]{0,40}$/), (text) => void ip6Parse(text)), { numRuns: 2000 });
  });

  it('zones', () => {
    expect(ip6ParseScoped('fe80::1%epair0a')).toEqual({ addr: ip6('fe80::1'), zone: 'epair0a' });
    expect(ip6ParseScoped('fe80::1')).toEqual({ addr: ip6('fe80::1'), zone: '' });
    expect(ip6ParseScoped('fe80::1%')).toBeNull();
  });
});

describe('prefixes', () => {
  it('masks and lengths are inverse', () => {
    for (let len = 0; len <= 128; len++) expect(ip6PrefixLen(ip6MaskOf(len))).toBe(len);
    expect(ip6PrefixLen(ip6('ffff::1'))).toBe(-1);
    expect(ip6Format(ip6MaskOf(57))).toBe('ffff:ffff:ffff:ff80::');
  });

  it('text', () => {
    expect(ip6ParsePrefix('2001:db8::1/64')).toEqual({ addr: ip6('2001:db8::1'), len: 64 });
    for (const bad of ['2001:db8::1', '2001:db8::/129', '2001:db8::/064', '2001:db8::/']) expect(ip6ParsePrefix(bad)).toBeNull();
  });

  it('membership agrees with masking', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 127 }), fc.integer({ min: 0, max: 128 }), (addr, flip, len) => {
        const other = addr.slice();
        other[flip >>> 3]! ^= 0x80 >>> (flip & 7);
        return ip6InPrefix(addr, other, len) === flip >= len;
      }),
    );
  });
});

describe('kinds and scopes', () => {
  it.each([
    ['::', [ip6IsUnspecified], IP6_SCOPE_GLOBAL, false],
    ['::1', [ip6IsLoopback], IP6_SCOPE_INTFACELOCAL, false],
    ['fe80::1', [ip6IsLinkLocal], IP6_SCOPE_LINKLOCAL, true],
    ['febf::1', [ip6IsLinkLocal], IP6_SCOPE_LINKLOCAL, true],
    ['fec0::1', [ip6IsSiteLocal], IP6_SCOPE_SITELOCAL, false],
    ['fd00::1', [ip6IsUniqueLocal], IP6_SCOPE_GLOBAL, false],
    ['2001:db8::1', [ip6IsDocumentation], IP6_SCOPE_GLOBAL, false],
    ['::ffff:10.0.0.1', [ip6IsV4Mapped], IP6_SCOPE_GLOBAL, false],
    ['ff01::1', [ip6IsMulticast], IP6_SCOPE_INTFACELOCAL, true],
    ['ff02::1', [ip6IsMulticast], IP6_SCOPE_LINKLOCAL, true],
    ['ff05::2', [ip6IsMulticast], IP6_SCOPE_SITELOCAL, false],
    ['2600::1', [], IP6_SCOPE_GLOBAL, false],
  ] as [string, ((a: Uint8Array) => boolean)[], number, boolean][])('%s', (text, kinds, scope, zone) => {
    const all = [ip6IsUnspecified, ip6IsLoopback, ip6IsLinkLocal, ip6IsSiteLocal, ip6IsUniqueLocal, ip6IsDocumentation, ip6IsV4Mapped, ip6IsMulticast];
    const addr = ip6(text);
    expect(all.filter((is) => is(addr)).map((is) => is.name)).toEqual(kinds.map((is) => is.name));
    expect(ip6Scope(addr)).toBe(scope);
    expect(ip6NeedsZone(addr)).toBe(zone);
  });

  it('derived addresses', () => {
    expect(ip6Format(ip6SolicitedNode(ip6('2001:db8::1:2:abcd')))).toBe('ff02::1:ff02:abcd');
    expect(ip6Format(ip6LinkLocalOfMac(macParse('00:04:61:9d:f1:56')!))).toBe('fe80::204:61ff:fe9d:f156');
    expect(ip6Format(ip6OfIp4(0xc0000201))).toBe('::ffff:192.0.2.1');
    expect(ip6LowWord(ip6OfIp4(0xc0000201))).toBe(0xc0000201);
    expect(macFormatPair(MAC_HI_IP6_GROUP, macLoOfIp6Group(ip6('ff02::1:ff02:abcd')))).toBe('33:33:ff:02:ab:cd');
    expect(ip6Compare(ip6('::1'), ip6('::2'))).toBeLessThan(0);
    expect(ip6Compare(ip6('8000::'), ip6('7fff::'))).toBeGreaterThan(0);
  });
});
