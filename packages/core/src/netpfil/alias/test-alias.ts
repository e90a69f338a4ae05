/**
 * test-alias.ts — a bench for packet aliasing: an instance with a clock of its own, packets as lines of text.
 *
 * A line is `PROTO SRC > DST`, ends written `10.0.0.2:1000`; for ICMP the number behind the source is the identifier. `show` says what a packet is by
 * now and throws when one of its checksums is wrong, pending ones included.
 */
import { Prng } from '../../base/prng.js';
import { CSUM_L4, GSO_TCPV4, GSO_UDP_L4, PacketPool } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ip4Format, ip4Parse } from '../../wire/addr.js';
import { cksumFold, cksumPseudo4, inCksum, inCksum4 } from '../../wire/checksum.js';
import { ICMP4_CKSUM, ICMP_ECHO, ICMP_ECHOREPLY, icmp4Emit, icmp4Id, icmp4Type } from '../../wire/icmp4.js';
import { IP4_HDR_LEN, IP_OFFMASK, ip4Cksum, ip4Dst, ip4Emit, ip4Hl, ip4Len, ip4Off, ip4P, ip4Src } from '../../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, TH_ACK, tcpEmit } from '../../wire/tcp.js';
import { UDP_HDR_LEN, UDP_SUM, udpEmit, udpSum } from '../../wire/udp.js';
import { AliasInstance } from './alias.js';

/** The number of a dotted quad. */
export function quad(text: string): number {
  const a = ip4Parse(text);
  if (a === null) throw new Error(`not an address: ${text}`);
  return a;
}

export interface PacketOptions {
  readonly data?: Uint8Array;
  /** The transport checksum is left pending. */
  readonly pending?: boolean;
  /** A super-segment of pieces of so many bytes; its checksum is pending. */
  readonly gso?: number;
  /** Flags and fragment offset field, identification. */
  readonly off?: number;
  readonly id?: number;
  /** TH_* */
  readonly flags?: number;
  readonly seq?: number;
  readonly ack?: number;
  /** No UDP checksum. */
  readonly noSum?: boolean;
  /** Bytes of IP options, a multiple of four. */
  readonly optionBytes?: number;
  /** ICMP type and code. */
  readonly type?: number;
  readonly code?: number;
}

interface End {
  readonly addr: number;
  readonly port: number;
}

function end(text: string): End {
  const [addr = '', port = '0'] = text.split(':');
  return { addr: quad(addr), port: Number(port) };
}

const NO_DATA = new Uint8Array(0);

export class AliasBench {
  readonly clock = { now: 0 };
  readonly pool = new PacketPool();
  readonly la: AliasInstance;

  constructor(address: string | null = '198.51.100.1', seed = 1) {
    this.la = new AliasInstance(this.clock, new Prng(seed));
    if (address !== null) this.la.setAddress(quad(address));
  }

  pass(seconds: number): void {
    this.clock.now += seconds * 1_000_000;
  }

  /** `udp 10.0.0.2:1000 > 192.0.2.1:53` */
  packet(line: string, o: PacketOptions = {}): PacketBuffer {
    const [proto = '', from = '', , to = ''] = line.split(' ');
    const number = proto === 'tcp' ? IPPROTO_TCP : proto === 'udp' ? IPPROTO_UDP : proto === 'icmp' ? IPPROTO_ICMP : Number(proto);
    const data = o.data ?? NO_DATA;
    const body = l4Bytes(number, end(from), end(to), data, o);
    const hl = IP4_HDR_LEN + (o.optionBytes ?? 0);
    const m = this.pool.alloc(hl + body.length);
    if (m === null) throw new Error('packet pool is empty');
    m.buf.fill(1, m.off + IP4_HDR_LEN, m.off + hl); // options: all NOP
    m.buf.set(body, m.off + hl);
    ip4Emit(m.view, m.off, hl, 0, m.len, o.id ?? 7, o.off ?? 0, 64, number, end(from).addr, end(to).addr);
    if (o.pending === true || o.gso !== undefined) {
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off + hl;
      m.csumOffset = number === IPPROTO_TCP ? TCP_SUM : number === IPPROTO_UDP ? UDP_SUM : ICMP4_CKSUM;
    }
    if (o.gso !== undefined) {
      m.gsoSize = o.gso;
      m.gsoType = number === IPPROTO_TCP ? GSO_TCPV4 : GSO_UDP_L4;
    }
    return m;
  }

  /** A packet goes out; what it is then. With a result other than 1 that stands in front. */
  out(line: string, o: PacketOptions = {}): string {
    return this.through(this.packet(line, o), false);
  }

  in(line: string, o: PacketOptions = {}): string {
    return this.through(this.packet(line, o), true);
  }

  through(m: PacketBuffer, incoming: boolean): string {
    const result = incoming ? this.la.aliasIn(m) : this.la.aliasOut(m);
    const text = show(m);
    m.free();
    return result === 1 ? text : `${result} ${text}`;
  }
}

function l4Bytes(proto: number, from: End, to: End, data: Uint8Array, o: PacketOptions): Uint8Array {
  const hdr = proto === IPPROTO_TCP ? TCP_HDR_LEN : proto === IPPROTO_UDP || proto === IPPROTO_ICMP ? UDP_HDR_LEN : 0;
  const body = new Uint8Array(hdr + data.length);
  const v = new DataView(body.buffer);
  body.set(data, hdr);
  const pseudo = cksumFold(cksumPseudo4(from.addr, to.addr, proto, body.length));
  const left = o.pending === true || o.gso !== undefined;
  if (proto === IPPROTO_TCP) {
    tcpEmit(v, 0, from.port, to.port, o.seq ?? 1000, o.ack ?? 0, TCP_HDR_LEN, o.flags ?? TH_ACK, 65_535, 0);
    v.setUint16(TCP_SUM, left ? pseudo : inCksum4(v, 0, body.length, from.addr, to.addr, proto));
  } else if (proto === IPPROTO_UDP) {
    udpEmit(v, 0, from.port, to.port, body.length, 0);
    if (o.noSum !== true) v.setUint16(UDP_SUM, left ? pseudo : inCksum4(v, 0, body.length, from.addr, to.addr, proto) || 0xffff);
  } else if (proto === IPPROTO_ICMP) {
    icmp4Emit(v, 0, body.length, o.type ?? ICMP_ECHO, o.code ?? 0, ((from.port << 16) | 1) >>> 0);
    if (left) v.setUint16(ICMP4_CKSUM, 0);
  }
  return body;
}

/** The packet as a line; throws when a checksum is wrong. */
export function show(m: PacketBuffer): string {
  const v = m.view;
  const hl = ip4Hl(v, m.off);
  if (ip4Cksum(v, m.off, hl) !== 0) throw new Error(`bad header checksum: ${describe(m)}`);
  if (ip4Len(v, m.off) !== m.len) throw new Error(`length ${ip4Len(v, m.off)} in the header, ${m.len} in the packet`);
  if ((ip4Off(v, m.off) & ~0x4000) === 0 && !sumOk(m, m.off + hl)) throw new Error(`bad transport checksum: ${describe(m)}`);
  return describe(m);
}

function sumOk(m: PacketBuffer, l4: number): boolean {
  const v = m.view;
  const proto = ip4P(v, m.off);
  const len = m.off + m.len - l4;
  const pending = (m.csumFlags & CSUM_L4) !== 0;
  if (proto === IPPROTO_ICMP) return pending || inCksum(v, l4, len) === 0;
  if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP) return true;
  if (proto === IPPROTO_UDP && udpSum(v, l4) === 0 && !pending) return true;
  if (pending) {
    // Zero has two representations in a sum.
    const is = v.getUint16(l4 + (proto === IPPROTO_TCP ? TCP_SUM : UDP_SUM)) % 0xffff;
    return is === cksumFold(cksumPseudo4(ip4Src(v, m.off), ip4Dst(v, m.off), proto, len)) % 0xffff;
  }
  return inCksum4(v, l4, len, ip4Src(v, m.off), ip4Dst(v, m.off), proto) === 0;
}

function describe(m: PacketBuffer): string {
  const v = m.view;
  const l4 = m.off + ip4Hl(v, m.off);
  const proto = ip4P(v, m.off);
  const src = ip4Format(ip4Src(v, m.off));
  const dst = ip4Format(ip4Dst(v, m.off));
  const later = (ip4Off(v, m.off) & IP_OFFMASK) !== 0;
  if (later) return `frag ${src} > ${dst}`;
  if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) return `${proto === IPPROTO_TCP ? 'tcp' : 'udp'} ${src}:${v.getUint16(l4)} > ${dst}:${v.getUint16(l4 + 2)}`;
  if (proto !== IPPROTO_ICMP) return `${proto} ${src} > ${dst}`;
  const type = icmp4Type(v, l4);
  if (type === ICMP_ECHO || type === ICMP_ECHOREPLY) return `icmp ${src}:${icmp4Id(v, l4)} > ${dst}`;
  return `icmp-${type} ${src} > ${dst}`;
}
