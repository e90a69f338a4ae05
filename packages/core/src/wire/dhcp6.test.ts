/**
 * dhcp6.test.ts — messages of DHCP for IPv6: what is read is what was written, byte for byte, and what is malformed is not read.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip6Parse } from './addr6.js';
import {
  D6O_IAADDR, D6O_IA_NA, D6O_ORO, D6O_STATUS_CODE, DHCP6_NO_BINDING, DHCP6_RELAY_FORW, DHCP6_SOLICIT, dhcp6AddrsOf, dhcp6Domains, dhcp6DomainsOf, dhcp6Emit, dhcp6EmitRelay, dhcp6Find, dhcp6Ia, dhcp6IaAddr,
  dhcp6IaAddrOf, dhcp6IaOf, dhcp6OroOf, dhcp6Parse, dhcp6ParseRelay, dhcp6Status, dhcp6StatusOf, duidLl, duidMac,
} from './dhcp6.js';

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g)?.map((b) => parseInt(b, 16)) ?? []);
const MAC = hex('020000000001');
const ADDR = ip6Parse('2001:db8::1000') ?? new Uint8Array(16);

describe('messages', () => {
  it('a solicit, byte for byte', () => {
    const bytes = hex('01 abcdef  0001 000a 0003 0001 020000000001  0003 0028 00000007 00000000 00000000  0005 0018 20010db8000000000000000000001000 00000708 00000e10  0006 0004 0017 0018');
    const m = dhcp6Parse(bytes);
    expect(m).toMatchObject({ type: DHCP6_SOLICIT, xid: 0xabcdef });
    expect(dhcp6OroOf(m?.options ?? [])).toEqual([23, 24]);
    const ia = dhcp6IaOf(dhcp6Find(m?.options ?? [], D6O_IA_NA) ?? MAC);
    expect(dhcp6IaAddrOf(dhcp6Find(ia?.options ?? [], D6O_IAADDR) ?? MAC)).toEqual({ addr: ADDR, preferred: 1800, valid: 3600, options: [] });
    expect(m === null ? null : dhcp6Emit(m)).toEqual(bytes);
  });

  it('whatever is read is written the same, relayed or not', () => {
    const options = fc.array(fc.record({ code: fc.nat(0xffff), data: fc.uint8Array({ maxLength: 30 }) }), { maxLength: 6 });
    fc.assert(fc.property(fc.integer({ min: 1, max: 11 }), fc.nat(0xff_ffff), options, (type, xid, list) => {
      expect(dhcp6Parse(dhcp6Emit({ type, xid, options: list }))).toEqual({ type, xid, options: list });
      const relay = { type: DHCP6_RELAY_FORW, hops: 3, link: ADDR, peer: ADDR, options: list } as const;
      expect(dhcp6ParseRelay(dhcp6EmitRelay(relay))).toEqual(relay);
    }));
  });

  it.each([['too short', '01 0000'], ['an option beyond the end', '01 000000 0001 0002 00'], ['half an option', '01 000000 0001 00'], ['a relay’s type', '0c 000000'], ['type 0', '00 000000']])('is none: %s', (_what, text) => {
    expect(dhcp6Parse(hex(text))).toBeNull();
  });
});

describe('options', () => {
  it('associations, addresses, statuses', () => {
    const address = { addr: ADDR, preferred: 1, valid: 2, options: [{ code: D6O_STATUS_CODE, data: dhcp6Status(DHCP6_NO_BINDING, 'who?') }] };
    const ia = { iaid: 0xdeadbeef, t1: 3, t2: 4, options: [{ code: D6O_IAADDR, data: dhcp6IaAddr(address) }] };
    expect(dhcp6IaOf(dhcp6Ia(ia))).toEqual(ia);
    expect(dhcp6IaAddrOf(dhcp6IaAddr(address))).toEqual(address);
    expect(dhcp6StatusOf(address.options)).toEqual({ code: DHCP6_NO_BINDING, text: 'who?' });
    expect(dhcp6StatusOf([])).toEqual({ code: 0, text: '' });
    expect([dhcp6IaOf(hex('00')), dhcp6IaAddrOf(hex('00')), dhcp6AddrsOf(hex('00')), dhcp6AddrsOf(hex(''))]).toEqual([null, null, null, null]);
    expect(dhcp6OroOf([{ code: D6O_ORO, data: hex('0017 00') }])).toEqual([23]);
  });

  it('names, without compression', () => {
    expect(dhcp6DomainsOf(dhcp6Domains(['lab.example', 'b']))).toEqual(['lab.example', 'b']);
    expect(dhcp6DomainsOf(hex('0161 00 c000'))).toBeNull();
  });

  it('DUIDs that have an Ethernet address', () => {
    expect(duidMac(duidLl(MAC))).toEqual(MAC);
    expect(duidMac(hex('0001 0001 00000005 020000000001'))).toEqual(MAC);
    expect([hex('0002 00000009 01'), hex('0003 0006 020000000001'), hex('00'), hex('0003 0001 0200')].map((d) => duidMac(d))).toEqual([null, null, null, null]);
  });
});
