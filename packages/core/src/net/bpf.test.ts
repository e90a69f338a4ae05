/**
 * bpf.test.ts — captures: what is shown to whom, how much is kept, how they end.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENXIO } from '../base/errno.js';
import { CSUM_IP, CSUM_L4, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, inCksum4 } from '../wire/checksum.js';
import { ETHERTYPE_IP, ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '../wire/ether.js';
import { ip4Cksum, ip4Emit } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { udpEmit } from '../wire/udp.js';
import { BPF_D_IN, BPF_D_INOUT, BPF_D_OUT, BPF_RECORD_BYTES, DLT_EN10MB, DLT_RAW, bpfDlt, bpfOpen } from './bpf.js';
import type { BpfListener, BpfOptions } from './bpf.js';
import { BpfProgram } from './bpf-filter.js';
import { epairCloner } from './epair.js';
import { ifRename } from './if.js';
import { ifCloneDestroy } from './if-clone.js';
import { ifInput, ifTransmit } from './if-transmit.js';
import { IFF_PROMISC } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import { loCloner } from './lo.js';
import type { Net } from './net.js';
import { TestLab, mac, testFrame } from './test-net.js';

const DST = mac('02:00:00:00:00:02');
const SRC = mac('02:00:00:00:00:01');
const FRAME = testFrame(DST, SRC, 'payload', 60);

interface Bench { lab: TestLab; net: Net; a: Ifnet; b: Ifnet; open: (options?: BpfOptions) => BpfListener }

function bench(): Bench {
  const lab = new TestLab();
  const net = lab.net('v', [epairCloner, loCloner]);
  const [a, b] = lab.epair(net);
  return {
    lab, net, a, b,
    open: (options = {}) => {
      const { error, listener } = bpfOpen(net, a.xname, options);
      if (listener === null) throw new Error(`bpfOpen: ${error}`);
      return listener;
    },
  };
}

/** Programs: accept `n` bytes; accept all frames whose ethertype is `type`. */
const accept = (n: number): BpfProgram => new BpfProgram([[0x06, 0, 0, n]]);
const etherType = (type: number): BpfProgram => new BpfProgram([
  [0x28, 0, 0, 12], [0x15, 0, 1, type], [0x06, 0, 0, 0xffff], [0x06, 0, 0, 0],
]);

describe('a capture', () => {
  it('sees what goes out and what comes in, with time, direction and bytes', () => {
    const { lab, a, b, open } = bench();
    const l = open();
    lab.engine.advance(1_234);
    lab.send(a, FRAME);
    lab.engine.advance(2_000);
    lab.send(b, FRAME.slice(0, 40));
    expect([l.received, l.captured, l.dropped, l.waiting]).toEqual([2, 2, 0, 2]);
    expect(l.read()).toEqual({ time: 1_234, direction: BPF_D_OUT, wireLen: 60, bytes: FRAME });
    expect(l.read()).toEqual({ time: 2_000, direction: BPF_D_IN, wireLen: 40, bytes: FRAME.slice(0, 40) });
    expect([l.read(), l.waiting, l.ifname]).toEqual([null, 0, 'epair0a']);
  });

  it.each([[BPF_D_IN, 1, BPF_D_IN], [BPF_D_OUT, 1, BPF_D_OUT], [BPF_D_INOUT, 2, BPF_D_OUT]])('of direction %i', (direction, n, first) => {
    const { lab, a, b, open } = bench();
    const l = open({ direction });
    lab.send(a, FRAME);
    lab.send(b, FRAME);
    expect([l.received, l.captured, l.read()?.direction]).toEqual([n, n, first]);
  });

  it.each<[string, BpfOptions, number, number]>([
    ['no filter', {}, 1, 60], ['a filter that wants nothing', { program: accept(0) }, 0, 0], ['a filter that wants 20 bytes', { program: accept(20) }, 1, 20],
    ['a snaplen of 30', { snaplen: 30 }, 1, 30], ['a filter of 40 and a snaplen of 30', { program: accept(40) ?? null, snaplen: 30 }, 1, 30],
    ['a filter of 20 and a snaplen of 30', { program: accept(20) ?? null, snaplen: 30 }, 1, 20], ['no program', { program: null }, 1, 60],
  ])('with %s', (_what, options, captured, len) => {
    const { lab, a, open } = bench();
    const l = open(options);
    lab.send(a, FRAME);
    const r = l.read();
    expect([l.received, l.captured, r?.bytes.length ?? 0]).toEqual([1, captured, len]);
    if (r !== null) expect([r.wireLen, [...r.bytes]]).toEqual([60, [...FRAME.slice(0, len)]]);
  });

  it('is bounded in bytes, a header for each counted, drops what is newest and goes on when read', () => {
    const { lab, a, open } = bench();
    const l = open({ bufferBytes: 3 * (60 + BPF_RECORD_BYTES) });
    for (let i = 0; i < 5; i++) lab.send(a, Uint8Array.from(FRAME, (v, k) => (k === 59 ? i : v)));
    expect([l.captured, l.dropped, l.waiting]).toEqual([3, 2, 3]);
    expect(l.read()?.bytes[59]).toBe(0);
    lab.send(a, FRAME);
    lab.send(a, FRAME);
    expect([l.captured, l.dropped, l.waiting]).toEqual([4, 3, 3]);
    const snapped = open({ snaplen: 1, bufferBytes: 10 * (1 + BPF_RECORD_BYTES) });
    for (let i = 0; i < 20; i++) lab.send(a, FRAME);
    expect([snapped.captured, snapped.dropped]).toEqual([10, 10]);
  });

  it('keeps order and count over many reads and writes', () => {
    const { lab, a, open } = bench();
    const l = open();
    let wrote = 0;
    let read = 0;
    const number = (r: { bytes: Uint8Array } | null): number => (r === null ? -1 : r.bytes[14]! * 256 + r.bytes[15]!);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 700; i++, wrote++) lab.send(a, testFrame(DST, SRC, Uint8Array.of(wrote >> 8, wrote & 255)));
      for (let i = 0; i < 500 + round; i++, read++) expect(number(l.read())).toBe(read);
      expect(l.waiting).toBe(wrote - read);
    }
    for (; read < wrote; read++) expect(number(l.read())).toBe(read);
    expect(l.read()).toBeNull();
  });

  it('tells its reader when something waits where nothing did', () => {
    const { lab, a, open } = bench();
    const l = open();
    let told = 0;
    l.onReadable = () => void told++;
    lab.send(a, FRAME);
    lab.send(a, FRAME);
    expect(told).toBe(1);
    l.read();
    l.read();
    lab.send(a, FRAME);
    expect(told).toBe(2);
  });

  it('shows every listener its own choice, and allocates nothing when nobody listens', () => {
    const { lab, a, b, open } = bench();
    expect(a.bpf).toBeNull();
    const [all, none, arp] = [open(), open({ program: accept(0) }), open({ program: etherType(0x0806) })];
    lab.send(a, FRAME);
    lab.send(a, testFrame(DST, SRC, 'x', 60, 0x0806));
    expect([all.captured, none.captured, arp.captured]).toEqual([2, 0, 1]);
    expect([a.bpf?.count, b.bpf]).toEqual([3, null]);
    all.close();
    all.close();
    none.close();
    expect(a.bpf?.count).toBe(1);
    arp.close();
    expect(a.bpf).toBeNull();
    lab.send(a, FRAME);
    expect([all.waiting, all.captured, arp.captured]).toEqual([2, 2, 1]);
  });

  it('counts requests for promiscuous mode', () => {
    const { a, open } = bench();
    const [x, y] = [open({ promisc: true }), open({ promisc: true })];
    open();
    const state = (): number[] => [a.promiscCount, a.flags & IFF_PROMISC];
    expect(state()).toEqual([2, IFF_PROMISC]);
    x.close();
    x.close();
    expect(state()).toEqual([1, IFF_PROMISC]);
    y.close();
    expect(state()).toEqual([0, 0]);
  });

  it.each(['moves to another vnet', 'is destroyed'])('ends when its interface %s: the reader is told and sees nothing more', (what) => {
    const { lab, net, a, b, open } = bench();
    const away = lab.net('away', [epairCloner]);
    const [l, quiet] = [open({ promisc: true }), open()];
    lab.send(a, FRAME);
    lab.send(b, FRAME);
    let told = 0;
    l.onReadable = () => {
      told++;
      expect(l.detached).toBe(true);
    };
    if (what === 'is destroyed') expect(ifCloneDestroy(net, a.xname)).toBe(0);
    const there = what === 'is destroyed' ? null : lab.move(a, away);
    expect([told, quiet.detached, a.promiscCount, a.flags & IFF_PROMISC, a.bpf]).toEqual([1, true, 0, 0, null]);
    lab.turn();
    if (there !== null) {
      expect([there.promiscCount, there.flags & IFF_PROMISC, there.bpf]).toEqual([0, 0, null]);
      expect(bpfOpen(net, 'epair0a', {})).toEqual({ error: ENXIO, listener: null });
      const theirs = bpfOpen(away, 'epair0a', {}).listener;
      there.flags |= 1;
      lab.send(there, FRAME);
      expect([theirs?.captured, quiet.captured]).toEqual([1, 2]);
      quiet.close();
      expect(there.bpf?.count).toBe(1);
    }
    expect(quiet.waiting).toBe(2);
  });

  it('stays with an interface that is renamed', () => {
    const { lab, a, open } = bench();
    const l = open();
    ifRename(a, 'other');
    lab.send(a, FRAME);
    expect([l.captured, l.detached, l.ifname]).toEqual([1, false, 'epair0a']);
  });

  it('has the link type of its interface', () => {
    const { lab, net, a } = bench();
    const lo = lab.create(net, 'lo1');
    expect([bpfDlt(a), bpfDlt(lo)]).toEqual([DLT_EN10MB, DLT_RAW]);
    bpfOpen(net, 'lo1', {});
    expect(lo.bpf?.dlt).toBe(DLT_RAW);
  });

  it('is refused on an interface that is not there, and with a program that is not one', () => {
    const { net, a } = bench();
    expect(bpfOpen(net, 'nosuch0', {})).toEqual({ error: ENXIO, listener: null });
    expect(bpfOpen(net, a.xname, { program: new BpfProgram([[0x05, 0, 0, 1]]) })).toEqual({ error: EINVAL, listener: null });
    expect(a.bpf).toBeNull();
  });
});

describe('the picture of a frame', () => {
  const [A, B] = [0xc000_0201, 0xc000_0202];

  /** A UDP datagram, its checksums pending, with `link` in front. */
  function pending(lab: TestLab, link: Uint8Array, optionWords = 0): PacketBuffer {
    const hl = 20 + optionWords * 4;
    const bytes = new Uint8Array(link.length + hl + 8 + 5);
    bytes.set(link);
    const v = new DataView(bytes.buffer);
    const ip = link.length;
    bytes.fill(1, ip + 20, ip + hl);
    ip4Emit(v, ip, hl, 0, hl + 13, 7, 0, 64, IPPROTO_UDP, A, B);
    v.setUint16(ip + 10, 0xbeef);
    udpEmit(v, ip + hl, 1_000, 2_000, 13, 0);
    bytes.set([1, 2, 3, 4, 5], ip + hl + 8);
    v.setUint16(ip + hl + 6, cksumFold(cksumPseudo4(A, B, IPPROTO_UDP, 13)));
    const m = lab.packet(bytes);
    Object.assign(m, { csumFlags: CSUM_IP | CSUM_L4, csumStart: m.off + ip + hl, csumOffset: 6 });
    return m;
  }

  const header = (...types: number[]): Uint8Array => {
    const bytes = [...DST, ...SRC];
    types.forEach((t, i) => {
      bytes.push(t >> 8, t & 255);
      if (i < types.length - 1) bytes.push(0, 5);
    });
    return Uint8Array.from(bytes);
  };

  it.each<[string, Uint8Array, number, number]>([
    ['plain', header(ETHERTYPE_IP), 14, 0], ['with options', header(ETHERTYPE_IP), 14, 3], ['tagged in the bytes', header(ETHERTYPE_VLAN, ETHERTYPE_IP), 18, 0],
    ['tagged twice in the bytes', header(ETHERTYPE_QINQ, ETHERTYPE_VLAN, ETHERTYPE_IP), 22, 0],
  ])('has its checksums finished: %s, and with one more tag out of band', (_what, link, ip, optionWords) => {
    const { lab, a, open } = bench();
    const l = open();
    for (const outOfBand of [false, true]) {
      const m = pending(lab, link, optionWords);
      if (outOfBand) Object.assign(m, { flags: M_VLANTAG, vtag: 0x2007, vproto: ETHERTYPE_QINQ });
      const before = [...m.bytes()];
      a.bpf?.tap(a, m, BPF_D_OUT);
      expect([...m.bytes()]).toEqual(before);
      m.free();
      const { bytes } = l.read()!;
      const at = ip + (outOfBand ? 4 : 0);
      const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const hl = 20 + optionWords * 4;
      expect(ip4Cksum(v, at, hl)).toBe(0);
      expect(inCksum4(v, at + hl, 13, A, B, IPPROTO_UDP)).toBe(0);
      if (outOfBand) expect([...bytes.slice(12, 18)]).toEqual([0x88, 0xa8, 0x20, 0x07, link[12], link[13]]);
    }
  });

  it('leaves alone what is not IPv4, however much it looks like it', () => {
    const { lab, a, open } = bench();
    const l = open();
    for (const link of [header(0x86dd), header(ETHERTYPE_VLAN, 0x0806)]) {
      const m = pending(lab, link);
      m.csumFlags = CSUM_IP;
      a.bpf?.tap(a, m, BPF_D_OUT);
      expect([...l.read()!.bytes]).toEqual([...m.bytes()]);
      m.free();
    }
  });

  it('is that of a bare packet on an interface without a link header', () => {
    const { lab, net } = bench();
    const lo = lab.create(net, 'lo1');
    const l = bpfOpen(net, 'lo1', {}).listener!;
    const m = pending(lab, new Uint8Array(0));
    lo.bpf?.tap(lo, m, BPF_D_OUT);
    m.free();
    const { bytes } = l.read()!;
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    expect([ip4Cksum(v, 0, 20), inCksum4(v, 20, 13, A, B, IPPROTO_UDP)]).toEqual([0, 0]);
  });

  it('does not read or write outside a frame that is too short for what its metadata says', () => {
    const { lab, a, open } = bench();
    const l = open();
    for (const len of [0, 5, 11, 12, 13, 14, 20, 33, 34, 40]) {
      const m = pending(lab, header(ETHERTYPE_IP));
      m.trim(len);
      Object.assign(m, { flags: M_VLANTAG, vtag: 1, vproto: ETHERTYPE_VLAN });
      a.bpf?.tap(a, m, BPF_D_OUT);
      m.free();
      expect(l.read()?.wireLen).toBe(len + (len >= 12 ? 4 : 0));
    }
    for (const versionAndLength of [0x4f, 0x44, 0x65]) {
      const odd = pending(lab, header(ETHERTYPE_IP));
      odd.view.setUint8(odd.off + 14, versionAndLength);
      odd.csumFlags = CSUM_IP;
      a.bpf?.tap(a, odd, BPF_D_OUT);
      expect([...l.read()!.bytes]).toEqual([...odd.bytes()]);
      odd.free();
    }
  });
});

describe('the path of a packet', () => {
  it('takes one branch where nobody listens', () => {
    const { lab, a } = bench();
    let taps = 0;
    const m = lab.packet(FRAME);
    Object.defineProperty(a, 'bpf', { get: () => (taps++, null), set: () => {} });
    ifTransmit(a, m);
    const n = lab.packet(FRAME);
    ifInput(a, n);
    lab.turn();
    expect(taps).toBe(2);
  });
});
