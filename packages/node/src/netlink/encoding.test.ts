/**
 * encoding.test.ts — requests byte by byte, against layouts written by hand from the kernel's headers; iproute2 6.1 sends the same fields.
 */
import { describe, expect, test } from 'vitest';
import { bytesOf, hexOf } from '../../test/netlink/bytes.js';
import { ackOf, ScriptTransport } from '../../test/netlink/script-transport.js';
import { attribute, Attributes, nestedAttribute, textAttribute, u32Attribute, words } from './attributes.js';
import { addLink, deleteLink, getLink, listLinks, setLink } from './link.js';
import { decodeMessages, encodeMessage } from './message.js';
import { NetlinkSocket } from './netlink-socket.js';
import { plugOptions, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from './plug-options.js';
import { addQdisc, changeQdisc, deleteQdisc, INGRESS_HANDLE, listQdiscs, replaceQdisc, TC_H_INGRESS, TC_H_ROOT } from './qdisc.js';
import type { QdiscSpec } from './qdisc.js';
import { addRedirect, deleteFilters, listFilters } from './redirect-filter.js';

const ifb = { index: 2, name: 'ifb0' };
const vif = { index: 0x103, name: 'vif1.0' };
const plug: QdiscSpec = { kind: 'plug', parent: TC_H_ROOT, handle: 0x4e4c_0000 };
const place = { parent: INGRESS_HANDLE, preference: 10 };

/** What is sent by `act`, of which every request is granted. */
function sent(act: (socket: NetlinkSocket) => unknown): string {
  const transport = new ScriptTransport(ackOf(0));
  act(new NetlinkSocket(transport));
  return hexOf(transport.sent[0]!);
}

const hex = (text: string): string => hexOf(bytesOf(text));

/** The attributes of `mirred egress redirect dev ifb0`, as the value of TCA_*_ACT. */
const MIRRED = `3400 0100  0b00 0100 6d697272656400 00
  2400 0200  2000 0200  00000000 00000000 04000000 00000000 00000000 01000000 02000000`;

describe('requests', () => {
  test.each<[string, (socket: NetlinkSocket) => unknown, string]>([
    ['link up', (s) => setLink(s, ifb, { up: true }), '20000000 1000 0500 01000000 00000000  00 00 0000 02000000 01000000 01000000'],
    ['link down', (s) => setLink(s, ifb, { up: false }), '20000000 1000 0500 01000000 00000000  00 00 0000 02000000 00000000 01000000'],
    ['link up, txqlen 77', (s) => setLink(s, ifb, { up: true, txqlen: 77 }), '28000000 1000 0500 01000000 00000000  00 00 0000 02000000 01000000 01000000  0800 0d00 4d000000'],
    ['txqlen alone', (s) => setLink(s, ifb, { txqlen: 1 }), '28000000 1000 0500 01000000 00000000  00 00 0000 02000000 00000000 00000000  0800 0d00 01000000'],
    ['link removed', (s) => deleteLink(s, vif), '20000000 1100 0500 01000000 00000000  00 00 0000 03010000 00000000 00000000'],
    ['a link by name', (s) => getLink(s, 'ifb0'), '2c000000 1200 0500 01000000 00000000  00 00 0000 00000000 00000000 00000000  0900 0300 6966623000 000000'],
    ['a link by number', (s) => getLink(s, 259), '20000000 1200 0500 01000000 00000000  00 00 0000 03010000 00000000 00000000'],
    ['qdisc plug, limit 4 MiB', (s) => addQdisc(s, ifb, { ...plug, options: plugOptions(TCQ_PLUG_BUFFER, 4 << 20) }),
      '3c000000 2400 0506 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 00000000 00004000'],
    ['qdisc plug in another\'s place', (s) => replaceQdisc(s, ifb, { ...plug, handle: 0x4e4d_0000, options: plugOptions(TCQ_PLUG_BUFFER, 1) }),
      '3c000000 2400 0505 01000000 00000000  00 00 0000 02000000 00004d4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 00000000 01000000'],
    ['plug: BUFFER', (s) => changeQdisc(s, ifb, { ...plug, options: plugOptions(TCQ_PLUG_BUFFER) }),
      '3c000000 2400 0500 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 00000000 00000000'],
    ['plug: RELEASE_ONE', (s) => changeQdisc(s, ifb, { ...plug, options: plugOptions(TCQ_PLUG_RELEASE_ONE) }),
      '3c000000 2400 0500 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 01000000 00000000'],
    ['plug: RELEASE_INDEFINITE', (s) => changeQdisc(s, ifb, { ...plug, options: plugOptions(TCQ_PLUG_RELEASE_INDEFINITE) }),
      '3c000000 2400 0500 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 02000000 00000000'],
    ['plug: LIMIT, all 32 bits', (s) => changeQdisc(s, ifb, { ...plug, options: plugOptions(TCQ_PLUG_LIMIT, 0xffff_ffff) }),
      '3c000000 2400 0500 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000  0c00 0200 03000000 ffffffff'],
    ['plug removed', (s) => deleteQdisc(s, ifb, plug), '30000000 2500 0500 01000000 00000000  00 00 0000 02000000 00004c4e ffffffff 00000000  0900 0100 706c756700 000000'],
    ['qdisc ingress', (s) => addQdisc(s, vif, { kind: 'ingress', parent: TC_H_INGRESS, handle: INGRESS_HANDLE }),
      '30000000 2400 0506 01000000 00000000  00 00 0000 03010000 0000ffff f1ffffff 00000000  0c00 0100 696e677265737300'],
    ['u32 that matches all, and redirects', (s) => addRedirect(s, vif, place, ifb, 'u32'),
      `8c000000 2c00 0506 01000000 00000000  00 00 0000 03010000 00000000 0000ffff 0003 0a00  0800 0100 75333200
       6000 0200  2400 0500  01 00 01 00 0000 0000 0000 0000 00000000  00000000 00000000 00000000 00000000  3800 0700 ${MIRRED}`],
    ['matchall that redirects', (s) => addRedirect(s, vif, place, ifb, 'matchall'),
      `70000000 2c00 0506 01000000 00000000  00 00 0000 03010000 00000000 0000ffff 0003 0a00  0d00 0100 6d61746368616c6c00 000000
       3c00 0200  3800 0200 ${MIRRED}`],
    ['filters removed', (s) => deleteFilters(s, vif, place), '24000000 2d00 0500 01000000 00000000  00 00 0000 03010000 00000000 0000ffff 0003 0a00'],
  ])('%s', (_, act, expected) => expect(sent(act)).toBe(hex(expected)));

  test('a link that is made is looked up', () => {
    const transport = new ScriptTransport(ackOf(0), (sequence) => Buffer.concat([encodeMessage(16, 0, sequence, LINK), ackOf(0)(sequence)]));
    expect(addLink(new NetlinkSocket(transport), 'ifb0', 'ifb')).toEqual({ index: 7, name: 'ifb0', kind: 'ifb', isUp: true, mtu: 1500, txqlen: 32 });
    expect(hexOf(transport.sent[0]!)).toBe(hex('38000000 1000 0506 01000000 00000000  00 00 0000 00000000 00000000 00000000  0900 0300 6966623000 000000  0c00 1200 0800 0100 69666200'));
  });
});

/** struct ifinfomsg, IFNAME, MTU, TXQLEN, LINKINFO with NLA_F_NESTED. */
const LINK = bytesOf('00 00 0100 07000000 03100100 00000000  0900 0300 6966623000 000000  0800 0400 dc050000  0800 0d00 20000000  0c00 1280 0800 0100 69666200');
/** struct tcmsg, KIND, STATS2 with BASIC (u64 bytes, u32 packets) and QUEUE (qlen, backlog, drops, requeues, overlimits). */
const QDISC = bytesOf(`00 00 0000 07000000 00004c4e ffffffff 02000000  0900 0100 706c756700 000000
  3000 0700  1400 0100 0500000001000000 09000000 00000000  1800 0300 03000000 e8030000 02000000 00000000 00000000`);
const FILTER = bytesOf(`00 00 0000 03010000 00080080 0000ffff 0003 0a00  0800 0100 75333200  5c00 0200  3800 0700 ${MIRRED}  0800 0b00 00000000  1800 0500 010001000000000000000000 0000000000000000`);

describe('answers', () => {
  const dumped = (...bodies: readonly Uint8Array[]): ScriptTransport => new ScriptTransport((sequence) => Buffer.concat([
    ...bodies.map((body) => encodeMessage(16, 2, sequence, body)), encodeMessage(3, 2, sequence, words(0)),
  ]));

  test('interfaces', () => {
    expect(listLinks(new NetlinkSocket(dumped(LINK)))).toEqual([{ index: 7, name: 'ifb0', kind: 'ifb', isUp: true, mtu: 1500, txqlen: 32 }]);
  });

  test('qdiscs, of one interface where the kernel lists all', () => {
    const list = listQdiscs(new NetlinkSocket(dumped(QDISC, QDISC.map((byte, i) => (i === 4 ? 8 : byte)))), { index: 7, name: 'ifb0' });
    expect(list).toEqual([{
      ifindex: 7, kind: 'plug', handle: 0x4e4c_0000, parent: TC_H_ROOT, packets: 9, bytes: 2 ** 32 + 5, queuedPackets: 3, queuedBytes: 1_000, drops: 2,
    }]);
  });

  test('filters: where they redirect to; of an action that is another, nowhere', () => {
    const drop = FILTER.slice();
    drop.set(Buffer.from('gact\0\0\0'), drop.findIndex((_, i) => hexOf(drop.subarray(i, i + 6)) === hex('6d6972726564')));
    const expected = { kind: 'u32', handle: 0x8000_0800, parent: INGRESS_HANDLE, preference: 10 };
    expect(listFilters(new NetlinkSocket(dumped(FILTER, drop)), vif, INGRESS_HANDLE)).toEqual([{ ...expected, redirectIndex: 2 }, { ...expected, redirectIndex: null }]);
  });
});

describe('attributes', () => {
  test('are filled to a word, and read back', () => {
    const bytes = Buffer.concat([textAttribute(3, 'abcd'), u32Attribute(9, 0xffff_fffe), nestedAttribute(4, u32Attribute(1, 5)), attribute(7, new Uint8Array(0))]);
    expect(hexOf(bytes)).toBe(hex('0900 0300 6162636400 000000  0800 0900 feffffff  0c00 0400 0800 0100 05000000  0400 0700'));
    const read = new Attributes(bytes);
    expect([read.text(3), read.u32(9), read.nested(4).u32(1), read.bytes(7)?.length]).toEqual(['abcd', 0xffff_fffe, 5, 0]);
    expect([read.text(1), read.u32(1), read.u32(7), read.nested(1).u32(1)]).toEqual([null, null, null, null]);
  });

  test.each<[string, string]>([['a length that is too long', '0c00 0100 05000000'], ['one that is too short', '0300 0100 05000000'], ['half a header', '0800']])('%s ends the list', (_, text) => {
    expect(new Attributes(bytesOf(text)).bytes(1)).toBeNull();
  });

  test.each<[string, string]>([['longer than the datagram', '14000000 0200 0000 01000000 00000000'], ['shorter than a header', '0f000000 0200 0000 01000000 00000000'], ['half a header', '10000000 0200']])('a message %s is none', (_, text) => {
    expect(decodeMessages(bytesOf(text))).toEqual([]);
  });
});
