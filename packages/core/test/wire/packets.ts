/**
 * packets.ts — builds packets for tests, layer by layer, with correct lengths and checksums unless told otherwise.
 */
import * as w from '../../src/wire/index.js';

/** Bytes of hexadecimal text; everything that is not a digit is ignored. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/[^0-9a-fA-F]/g, '').match(/../g) ?? [], (h) => parseInt(h, 16));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** A copy with some bytes changed: `patch(b, 8, 63)` sets byte 8 to 63. */
export function patch(bytes: Uint8Array, ...changes: readonly number[]): Uint8Array {
  const out = bytes.slice();
  for (let i = 0; i < changes.length; i += 2) out[changes[i]!] = changes[i + 1]!;
  return out;
}

/** `n` bytes with a pattern that is not all printable. */
export const data = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7 + 33) & 255);

/** 192.0.2.1 and 192.0.2.2 */
export const A = 0xc0000201;
export const B = 0xc0000202;

/** Ethernet II from 02:00:00:00:00:01. */
export function eth(type: number, payload: Uint8Array, dst = 'ffffffffffff'): Uint8Array {
  return concat(hex(`${dst}020000000001`), Uint8Array.of(type >>> 8, type & 255), payload);
}

/** Inserts a tag into a frame. */
export function vlan(tpid: number, tci: number, frame: Uint8Array): Uint8Array {
  return concat(frame.subarray(0, 12), Uint8Array.of(tpid >>> 8, tpid & 255, tci >>> 8, tci & 255), frame.subarray(12));
}

/** An 802.3 frame: `length` defaults to the payload's. */
export function llc(payload: Uint8Array, length = payload.length): Uint8Array {
  return concat(hex('ffffffffffff020000000001'), Uint8Array.of(length >>> 8, length & 255), payload);
}

/** A BPDU behind LLC, padded to 60 bytes. */
export function bpdu(text: string): Uint8Array {
  const body = concat(hex('424203'), hex(text));
  return concat(hex('0180c2000000020000000001'), Uint8Array.of(0, body.length), body, new Uint8Array(Math.max(0, 46 - body.length)));
}

export interface Ip4Fields {
  readonly opts?: Uint8Array;
  readonly tos?: number;
  /** Total length, when it should be wrong. */
  readonly len?: number;
  /** Flags and fragment offset. */
  readonly off?: number;
  readonly ttl?: number;
  readonly src?: number;
  readonly dst?: number;
}

export function ip4(proto: number, payload: Uint8Array, f: Ip4Fields = {}): Uint8Array {
  const opts = f.opts ?? new Uint8Array(0);
  const out = concat(new Uint8Array(20), opts, payload);
  const hl = 20 + opts.length;
  w.ip4Emit(viewOf(out), 0, hl, f.tos ?? 0, f.len ?? out.length, 1234, f.off ?? 0, f.ttl ?? 64, proto, f.src ?? A, f.dst ?? B);
  return out;
}

/** UDP with its checksum over IPv4 between `src` and `dst`. */
export function udp(sport: number, dport: number, payload: Uint8Array, src = A, dst = B): Uint8Array {
  const out = udpNoSum(sport, dport, payload);
  viewOf(out).setUint16(6, w.udpSumOf(w.inCksum4(viewOf(out), 0, out.length, src, dst, w.IPPROTO_UDP)));
  return out;
}

export function udpNoSum(sport: number, dport: number, payload: Uint8Array): Uint8Array {
  const out = concat(new Uint8Array(8), payload);
  w.udpEmit(viewOf(out), 0, sport, dport, out.length, 0);
  return out;
}

export interface TcpFields {
  readonly opts?: Uint8Array;
  readonly sport?: number;
  readonly dport?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly urp?: number;
}

/** TCP with its checksum over IPv4 between A and B. */
export function tcp(flags: number, payload: Uint8Array, f: TcpFields = {}): Uint8Array {
  const opts = f.opts ?? new Uint8Array(0);
  const out = concat(new Uint8Array(20), opts, payload);
  const ack = f.ack ?? ((flags & w.TH_ACK) !== 0 ? 5000 : 0);
  const v = viewOf(out);
  w.tcpEmit(v, 0, f.sport ?? 1234, f.dport ?? 9999, f.seq ?? 1000, ack, 20 + opts.length, flags, 65535, f.urp ?? 0);
  v.setUint16(w.TCP_SUM, w.inCksum4(v, 0, out.length, A, B, w.IPPROTO_TCP));
  return out;
}

export function icmp(type: number, code: number, rest: number, payload: Uint8Array): Uint8Array {
  const out = concat(new Uint8Array(8), payload);
  w.icmp4Emit(viewOf(out), 0, out.length, type, code, rest);
  return out;
}

/** Bytes with the Internet checksum over all of them at offset 2. */
export function summed(text: string): Uint8Array {
  const out = hex(text);
  const v = viewOf(out);
  v.setUint16(2, 0);
  v.setUint16(2, w.inCksum(v, 0, out.length));
  return out;
}

/** An IPv6 address as hexadecimal digits. */
export const t6 = (text: string): string => Array.from(w.ip6Parse(text)!, (b) => b.toString(16).padStart(2, '0')).join('');

export interface Ip6Fields {
  readonly tclass?: number;
  readonly flow?: number;
  /** Payload length, when it should be wrong. */
  readonly plen?: number;
  readonly hlim?: number;
  readonly src?: string;
  readonly dst?: string;
}

export function ip6(nxt: number, payload: Uint8Array, f: Ip6Fields = {}): Uint8Array {
  const out = concat(new Uint8Array(40), payload);
  w.ip6Emit(viewOf(out), 0, f.tclass ?? 0, f.flow ?? 0, f.plen ?? payload.length, nxt, f.hlim ?? 64);
  out.set(w.ip6Parse(f.src ?? '2001:db8::1')!, w.IP6_SRC);
  out.set(w.ip6Parse(f.dst ?? 'fe80::2')!, w.IP6_DST);
  return out;
}

/** IPv6 with a transport checksum at `sumOff` of the payload. */
export function ip6Summed(nxt: number, payload: Uint8Array, sumOff: number, f: Ip6Fields = {}): Uint8Array {
  const out = ip6(nxt, payload, f);
  const v = viewOf(out);
  v.setUint16(40 + sumOff, 0);
  v.setUint16(40 + sumOff, w.inCksum6(v, 40, payload.length, w.IP6_SRC, w.IP6_DST, nxt));
  return out;
}

export const icmp6 = (text: string, f: Ip6Fields = {}): Uint8Array => ip6Summed(w.IPPROTO_ICMPV6, hex(text), 2, f);
