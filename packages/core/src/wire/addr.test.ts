/**
 * addr.test.ts — texts of IPv4 and MAC addresses: tables of what is accepted, refused and written.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INADDR_ALLRPTS_GROUP,
  inetAton,
  ip4BroadcastOf,
  ip4ClassMask,
  ip4Format,
  ip4FormatPrefix,
  ip4InPrefix,
  ip4IsBroadcast,
  ip4IsDocumentation,
  ip4IsExperimental,
  ip4IsLinkLocal,
  ip4IsLocalGroup,
  ip4IsLoopback,
  ip4IsMulticast,
  ip4IsPrivate,
  ip4IsShared,
  ip4IsThisNet,
  ip4MaskOf,
  ip4Parse,
  ip4ParsePrefix,
  ip4PrefixLen,
  macCompare,
  macEquals,
  macFormat,
  macFormatPair,
  macHi,
  macIsBroadcast,
  macIsLocal,
  macIsMulticast,
  macIsZero,
  macLo,
  macLoOfIp4Group,
  macOf,
  macParse,
} from './addr.js';

const u32 = fc.integer({ min: 0, max: 0xffffffff });

describe('IPv4 text', () => {
  it.each([
    ['0.0.0.0', 0],
    ['192.0.2.1', 0xc0000201],
    ['255.255.255.255', 0xffffffff],
    ['128.0.0.1', 0x80000001],
    ['10.0.0.200', 0x0a0000c8],
  ])('reads %s', (text, addr) => {
    expect(ip4Parse(text)).toBe(addr);
    expect(ip4Format(addr)).toBe(text);
  });

  it.each(['', '1', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.04', '01.2.3.4', '1..2.3', '.1.2.3', '1.2.3.', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4', '0x1.2.3.4', '1.2.3.4/8', '1.2.3.1000', '00.0.0.0'])(
    'refuses %j',
    (text) => {
      expect(ip4Parse(text)).toBeNull();
    },
  );

  it('parse and format are inverse', () => {
    fc.assert(fc.property(u32, (addr) => ip4Parse(ip4Format(addr)) === addr));
  });

  it('accepts nothing that it would not write', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9.]{0,16}$/), (text) => {
        const addr = ip4Parse(text);
        return addr === null || ip4Format(addr) === text;
      }),
      { numRuns: 2000 },
    );
  });
});

describe('inet_aton forms', () => {
  it.each<[string, number | null]>([
    ['10.1', 0x0a000001],
    ['10.1.2', 0x0a010002],
    ['10.1.2.3', 0x0a010203],
    ['0x7f000001', 0x7f000001],
    ['2130706433', 0x7f000001],
    ['0x7f.1', 0x7f000001],
    ['010.0.0.1', 0x08000001],
    ['127.65535', 0x7f00ffff],
    ['127.16777215', 0x7fffffff],
    ['4294967295', 0xffffffff],
    ['037777777777', 0xffffffff],
    ['0', 0],
    ['10.1 and more', 0x0a000001],
    ['127.16777216', null],
    ['4294967296', null],
    ['256.1', null],
    ['1.2.3.256', null],
    ['1.2.3.4.5', null],
    ['08', null],
    ['0x', null],
    ['1.', null],
    ['.1', null],
    ['', null],
    [' 1', null],
    ['a', null],
    ['1a', null],
  ])('%j', (text, addr) => {
    expect(inetAton(text)).toBe(addr);
  });
});

describe('prefixes', () => {
  it('masks and lengths are inverse', () => {
    for (let len = 0; len <= 32; len++) {
      const mask = ip4MaskOf(len);
      expect(mask).toBe(len === 0 ? 0 : 2 ** 32 - 2 ** (32 - len));
      expect(ip4PrefixLen(mask)).toBe(len);
    }
  });

  it.each([0xff00ff00, 0x00ffffff, 0x80000001, 0xfffffffd, 1])('%i is not contiguous', (mask) => {
    expect(ip4PrefixLen(mask)).toBe(-1);
  });

  it('keeps host bits', () => {
    expect(ip4ParsePrefix('10.1.2.3/8')).toEqual({ addr: 0x0a010203, len: 8 });
    expect(ip4FormatPrefix(0x0a010203, 8)).toBe('10.1.2.3/8');
  });

  it.each(['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0/8', '10.0.0.0/-1', '10.0.0.0/8/8', '/8', '10.0.0.0/1e1'])('refuses %j', (text) => {
    expect(ip4ParsePrefix(text)).toBeNull();
  });

  it('membership agrees with masking', () => {
    fc.assert(
      fc.property(u32, u32, fc.integer({ min: 0, max: 32 }), (a, b, len) => {
        const mask = ip4MaskOf(len);
        return ip4InPrefix(a, b, len) === ((a & mask) === (b & mask));
      }),
    );
    expect(ip4InPrefix(0xc0000201, 0xc00002ff, 24)).toBe(true);
    expect(ip4InPrefix(0xc0000301, 0xc00002ff, 24)).toBe(false);
  });

  it('broadcast and class', () => {
    expect(ip4Format(ip4BroadcastOf(0xc0000201, 0xffffff00))).toBe('192.0.2.255');
    expect([0x0a000000, 0x80000000, 0xc0000000, 0xe0000000].map(ip4ClassMask)).toEqual([0xff000000, 0xffff0000, 0xffffff00, 0]);
  });
});

describe('classes of IPv4 addresses', () => {
  const cases: [string, (a: number) => boolean, string[], string[]][] = [
    ['multicast', ip4IsMulticast, ['224.0.0.0', '239.255.255.255'], ['223.255.255.255', '240.0.0.0']],
    ['local group', ip4IsLocalGroup, ['224.0.0.0', '224.0.0.255'], ['224.0.1.0', '223.255.255.255']],
    ['experimental', ip4IsExperimental, ['240.0.0.0', '255.255.255.255'], ['239.255.255.255']],
    ['broadcast', ip4IsBroadcast, ['255.255.255.255'], ['255.255.255.254', '192.0.2.255']],
    ['loopback', ip4IsLoopback, ['127.0.0.1', '127.255.255.255'], ['126.255.255.255', '128.0.0.0']],
    ['this net', ip4IsThisNet, ['0.0.0.0', '0.255.255.255'], ['1.0.0.0']],
    ['link-local', ip4IsLinkLocal, ['169.254.0.0', '169.254.255.255'], ['169.253.255.255', '169.255.0.0']],
    ['private', ip4IsPrivate, ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'], ['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0']],
    ['shared', ip4IsShared, ['100.64.0.0', '100.127.255.255'], ['100.63.255.255', '100.128.0.0']],
    ['documentation', ip4IsDocumentation, ['192.0.2.0', '198.51.100.9', '203.0.113.255'], ['192.0.3.0', '198.51.101.0']],
  ];
  it.each(cases)('%s', (_name, is, yes, no) => {
    expect(yes.filter((a) => !is(ip4Parse(a)!))).toEqual([]);
    expect(no.filter((a) => is(ip4Parse(a)!))).toEqual([]);
  });
});

describe('MAC addresses', () => {
  it.each([
    ['02:00:00:00:00:0a', '02:00:00:00:00:0a'],
    ['2:0:0:0:0:A', '02:00:00:00:00:0a'],
    ['FF:ff:Ff:fF:ff:ff', 'ff:ff:ff:ff:ff:ff'],
    ['00:0:12:9:ab:c', '00:00:12:09:ab:0c'],
  ])('reads %s', (text, written) => {
    expect(macFormat(macParse(text)!)).toBe(written);
  });

  it.each(['', '02:00:00:00:00', '02:00:00:00:00:0a:0b', '02:00:00:00:00:', '02:00:00:00:00:0ab', '02-00-00-00-00-0a', '02:00:00:00:00:0g', ' 2:0:0:0:0:a', '020000000 00a'])(
    'refuses %j',
    (text) => {
      expect(macParse(text)).toBeNull();
    },
  );

  it('the pair carries all six octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (mac) => {
        expect(macOf(macHi(mac), macLo(mac))).toEqual(mac);
        expect(macFormatPair(macHi(mac), macLo(mac))).toBe(macFormat(mac));
        expect(macParse(macFormat(mac))).toEqual(mac);
      }),
    );
  });

  it('compares as an unsigned number', () => {
    const a = macParse('02:00:00:00:00:0a')!;
    const b = macParse('82:00:00:00:00:00')!;
    expect(macCompare(a, b)).toBeLessThan(0);
    expect(macCompare(b, a)).toBeGreaterThan(0);
    expect(macEquals(a, macParse('2:0:0:0:0:a')!)).toBe(true);
    expect(macEquals(a, b)).toBe(false);
  });

  it('kinds', () => {
    const kinds = (text: string): boolean[] => [macIsMulticast, macIsBroadcast, macIsZero, macIsLocal].map((is) => is(macParse(text)!));
    expect(kinds('00:00:00:00:00:00')).toEqual([false, false, true, false]);
    expect(kinds('ff:ff:ff:ff:ff:ff')).toEqual([true, true, false, true]);
    expect(kinds('01:00:5e:00:00:01')).toEqual([true, false, false, false]);
    expect(kinds('02:00:00:00:00:01')).toEqual([false, false, false, true]);
    expect(macFormatPair(0x0100, macLoOfIp4Group(INADDR_ALLRPTS_GROUP))).toBe('01:00:5e:00:00:16');
    // Bit 23 of the group is lost: 32 groups share each Ethernet address.
    expect(macLoOfIp4Group(ip4Parse('239.129.2.3')!)).toBe(macLoOfIp4Group(ip4Parse('224.1.2.3')!));
  });
});
