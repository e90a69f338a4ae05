/**
 * carp6.test.ts — CARP over IPv6: what a host of a group sends and answers as a backup and as the master.
 */
import { describe, expect, it } from 'vitest';
import { CarpBench, MAC, VMAC } from '../../test/carp-bench.js';
import { craftEther } from '../sim/craft.js';
import { macFormat } from '../wire/addr.js';
import { ip6Format, ip6Parse, ip6SolicitedNode, ip6Word } from '../wire/addr6.js';
import { CARP_HDR_LEN, CARP_VHID, carpCksum } from '../wire/carp.js';
import { inCksum6 } from '../wire/checksum.js';
import { IPPROTO_CARP, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { in6Aifaddr, in6Difaddr } from './in6-control.js';

const VIP = ip6Parse('2001:db8::1')!;
const NEIGHBOUR = '02:00:00:00:00:09';
const ND_SOLICIT = 135;
const ND_ADVERT = 136;

/** A frame of CARP or neighbour discovery as text; null for others. */
function lineOf(frame: Uint8Array): string | null {
  const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (v.getUint16(12) !== 0x86dd) return null;
  const head = `${ip6Format(frame, 22)} > ${ip6Format(frame, 38)}`;
  const from = `from ${macFormat(frame.subarray(6, 12))}`;
  if (frame[20] === IPPROTO_CARP) return `carp ${head} vhid ${v.getUint8(54 + CARP_VHID)}${carpCksum(v, 54) === 0 && frame.length === 54 + CARP_HDR_LEN ? '' : ' bad'} ${from}`;
  if (frame[20] !== IPPROTO_ICMPV6 || frame[54] !== ND_ADVERT) return null;
  return `advert ${ip6Format(frame, 62)} is at ${macFormat(frame.subarray(80, 86))} to ${ip6Format(frame, 38)} ${from}`;
}

/** A neighbour at 2001:db8::9 asks for the shared address. */
function solicit(): Uint8Array {
  const body = new Uint8Array(40 + 32);
  const v = new DataView(body.buffer);
  const target = ip6SolicitedNode(VIP);
  v.setUint32(0, 0x6000_0000);
  v.setUint16(4, 32);
  v.setUint16(6, (IPPROTO_ICMPV6 << 8) | 255);
  body.set(ip6Parse('2001:db8::9')!, 8);
  body.set(target, 24);
  body[40] = ND_SOLICIT;
  body.set(VIP, 48);
  body.set([1, 1, 2, 0, 0, 0, 0, 9], 64);
  v.setUint16(42, inCksum6(v, 40, 32, 8, 24, IPPROTO_ICMPV6));
  return craftEther({ src: NEIGHBOUR, dst: '33:33:ff:00:00:01' }, 0x86dd, body);
}

class Bench6 extends CarpBench {
  constructor() {
    super();
    const add = (text: string, vhid = 0): void => {
      const error = this.net.kernel.call(this.net.now, () => in6Aifaddr(this.v.in6Net, this.ifp, { addr: ip6Parse(text)!, plen: 64, vhid }));
      if (error !== 0) throw new Error(`errno ${error}`);
    };
    add('2001:db8::2');
    this.at(5);
    this.set({ pass: 's3cret' });
    add('2001:db8::1', 1);
    this.wire.take();
  }

  lines6(): string[] {
    return this.wire.take().map((f) => lineOf(f.bytes)).filter((l) => l !== null);
  }

  get isLocal(): boolean {
    return this.v.in6Net.isLocal(ip6Word(VIP, 0), ip6Word(VIP, 1), ip6Word(VIP, 2), ip6Word(VIP, 3));
  }
}

const LINK_LOCAL = 'fe80::ff:fe00:2';
const AD = `carp ${LINK_LOCAL} > ff02::12 vhid 1 from ${VMAC}`;

describe('an IPv6 address of a vhid', () => {
  it("is verified by nobody, and nobody's on a backup", () => {
    const b = new Bench6();
    b.wire.in(solicit());
    expect([b.state(), b.isLocal, b.lines6(), b.v.in6Net.addrsOf(b.ifp).find((ia) => ia.vhid === 1)?.isTentative]).toEqual(['BACKUP', false, [], false]);
  });

  it("is this host's as the master: advertised to all nodes and to who asks, with the virtual link address, from it", () => {
    const b = new Bench6();
    b.at(8.5);
    expect([b.state(), b.isLocal, b.lines6()]).toEqual(['MASTER', true, [AD, `advert 2001:db8::1 is at ${VMAC} to ff02::1 from ${VMAC}`]]);
    b.wire.in(solicit());
    expect(b.lines6()).toEqual([`advert 2001:db8::1 is at ${VMAC} to 2001:db8::9 from ${VMAC}`]);
    expect(b.v.carp.stats.opackets6).toBe(1);
    b.set({ state: 1 });
    b.wire.in(solicit());
    expect([b.state(), b.isLocal, b.lines6()]).toEqual(['BACKUP', false, []]);
  });

  it('is advertised to a peer from an address of its scope, with the link address of the interface', () => {
    const b = new Bench6();
    b.set({ peer6: ip6Parse('2001:db8::3')! });
    b.at(9.5);
    expect([b.state(), b.v.carp.stats.opackets6 > 0, b.lines6().filter((l) => l.startsWith('carp'))]).toEqual(['MASTER', true, []]); // it waits for the peer's link address
    b.set({ peer6: ip6Parse('ff02::12')! });
    b.at(10.5);
    expect(b.lines6()).toContain(AD);
  });

  it('goes, and the group and the vhid with it', () => {
    const b = new Bench6();
    b.at(9);
    b.net.kernel.call(b.net.now, () => in6Difaddr(b.v.in6Net, b.ifp, VIP));
    const group = ip6Parse('ff02::12')!;
    expect([b.ifp.carp, b.isLocal, b.v.in6Net.isMember(b.ifp, ip6Word(group, 0) | b.ifp.index, 0, 0, 0x12), b.ifp.promiscCount]).toEqual([null, false, false, 0]);
    expect(macFormat(b.ifp.lladdr)).toBe(MAC);
  });
});
