/**
 * dhcp4.test.ts — messages of DHCP: what is read is what was written, options in parts and in the fields of names, and what is malformed.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DHO_MESSAGE_TYPE, DHO_OVERLOAD, DHO_RELAY_AGENT, dho8, dhoAddrsOf, dhoRoutes, dhoRoutesOf, dhoSearch, dhoSearchOf, dhoSubOptions, dhoSubOptionsOf, dhoTextOf,
} from './dhcp4-options.js';
import { DHCP4_HDR_LEN, DHCP4_LEN_MIN, dhcp4Emit, dhcp4MessageType, dhcp4Parse } from './dhcp4.js';
import type { Dhcp4Message } from './dhcp4.js';

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g)?.map((b) => parseInt(b, 16)) ?? []);
const base: Dhcp4Message = {
  op: 1, htype: 1, hops: 0, xid: 0xdeadbeef, secs: 3, flags: 0x8000, ciaddr: 0, yiaddr: 0x0a000105, siaddr: 0, giaddr: 0x0a000101, chaddr: hex('020000000001'), sname: 'srv', file: 'boot',
  options: new Map([[DHO_MESSAGE_TYPE, dho8(1)]]),
};

/** A whole message with these bytes of options. */
function raw(options: string): Uint8Array {
  const bytes = dhcp4Emit({ ...base, sname: '', file: '', options: new Map() }).slice(0, DHCP4_HDR_LEN);
  return Uint8Array.from([...bytes, ...hex(options)]);
}

describe('a message', () => {
  it('reads as it was written', () => {
    const bytes = dhcp4Emit(base);
    expect(bytes.length).toBe(DHCP4_LEN_MIN);
    expect(dhcp4Parse(bytes)).toEqual(base);
    expect(dhcp4MessageType(base)).toBe(1);
  });

  it('any options come back in order, long ones too, in messages that are large enough', () => {
    const options = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 254 }).filter((c) => c !== DHO_OVERLOAD && c !== DHO_RELAY_AGENT), fc.uint8Array({ maxLength: 600 })), { maxLength: 6, selector: ([c]) => c });
    fc.assert(fc.property(options, (list) => {
      expect([...(dhcp4Parse(dhcp4Emit({ ...base, options: new Map(list) }, 10_000))?.options ?? [])]).toEqual(list);
    }));
  });

  it('leaves out what does not fit, but never what the relay said, which is last', () => {
    const options = new Map([[DHO_RELAY_AGENT, dhoSubOptions([[1, hex('0102')]])], [53, dho8(2)], [200, new Uint8Array(250)], [201, new Uint8Array(200)], [6, new Uint8Array(4)]]);
    const bytes = dhcp4Emit({ ...base, options }, 548);
    expect([...(dhcp4Parse(bytes)?.options.keys() ?? [])]).toEqual([53, 200, DHO_RELAY_AGENT]);
    expect(bytes.length).toBeLessThanOrEqual(548);
  });

  it('options in the fields of names (option 52), in their order, and parts joined', () => {
    const bytes = raw('34 01 03 0c 02 6161 ff');
    bytes.set(hex('0c 01 62 ff'), 108);
    bytes.set(hex('0c 01 63 ff'), 44);
    const m = dhcp4Parse(bytes);
    expect([dhoTextOf(m?.options.get(12)), m?.sname, m?.file]).toEqual(['aabc', '', '']);
  });

  it('the end of the message ends the options', () => {
    expect(dhcp4MessageType(dhcp4Parse(raw('00 00 35 01 05')) as Dhcp4Message)).toBe(5);
  });

  it.each([
    ['an option beyond the end', raw('35 02 01')],
    ['an option without a length', raw('35')],
    ['options beyond the field of the name', (() => {
      const b = raw('34 01 02 ff');
      b.set(hex('0c 40'), 44);
      return b;
    })()],
    ['a short header', new Uint8Array(DHCP4_HDR_LEN - 1)],
    ['another cookie', (() => {
      const b = raw('ff');
      b[236] = 0;
      return b;
    })()],
    ['a hardware address longer than its field', (() => {
      const b = raw('ff');
      b[2] = 17;
      return b;
    })()],
    ['neither request nor reply', (() => {
      const b = raw('ff');
      b[0] = 3;
      return b;
    })()],
  ])('is none: %s', (_what, bytes) => {
    expect(dhcp4Parse(bytes)).toBeNull();
  });

  it('any bytes are answered', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => void dhcp4Parse(Uint8Array.from([...raw(''), ...tail]))));
  });
});

describe('options', () => {
  it('classless routes, as in RFC 3442', () => {
    const routes = [{ net: 0, plen: 0, router: 0x0a000001 }, { net: 0x0a110000, plen: 16, router: 0x0a000002 }, { net: 0x0a1b8100, plen: 25, router: 0 }];
    expect(dhoRoutes(routes)).toEqual(hex('00 0a000001  10 0a11 0a000002  19 0a1b8100 00000000'));
    expect(dhoRoutesOf(dhoRoutes(routes))).toEqual(routes);
    expect(dhoRoutesOf(hex('08 ff 0a000001'))).toEqual([{ net: 0xff000000, plen: 8, router: 0x0a000001 }]);
    expect(dhoRoutesOf(hex('09 ffff 0a000001'))?.[0]?.net).toBe(0xff800000);
    expect([hex('21 00000000 00000000'), hex('08 0a 0a0000'), hex('')].map((b) => dhoRoutesOf(b))).toEqual([null, null, null]);
  });

  it('search lists are compressed, as in RFC 3397', () => {
    const names = ['eng.apple.com', 'marketing.apple.com'];
    expect(dhoSearch(names)).toEqual(hex('03656e67 056170706c65 03636f6d 00 096d61726b6574696e67 c004'));
    expect(dhoSearchOf(dhoSearch(names))).toEqual(names);
    expect(dhoSearchOf(hex('c000'))).toBeNull();
  });

  it('the relay agent’s', () => {
    expect(dhoSubOptionsOf(hex('0102aabb 0500'))).toEqual(new Map([[1, hex('aabb')], [5, hex('')]]));
    expect([hex('01'), hex('0103aabb')].map((b) => dhoSubOptionsOf(b))).toEqual([null, null]);
  });

  it('lists of addresses and texts', () => {
    expect([dhoAddrsOf(hex('0a000001 0a000002')), dhoAddrsOf(hex('0a0000')), dhoAddrsOf(hex('')), dhoAddrsOf(undefined)]).toEqual([[0x0a000001, 0x0a000002], null, null, null]);
    expect([dhoTextOf(hex('6100')), dhoTextOf(hex('00')), dhoTextOf(hex('61'))]).toEqual(['a', null, 'a']);
  });
});
