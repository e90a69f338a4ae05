/**
 * probe-packet.ts — what probes are made of, and how a quoted one is known again: UDP, ICMP echo, TCP SYN, and nothing at all.
 * Read first: traceroute(8) -P.
 *
 * A probe says who sent it and which it is in eight bytes, the part of a packet every ICMP error quotes: ports, or identifier and sequence number.
 */
import { ICMP6_ECHO_REQUEST, ICMP_ECHO, TH_SYN, UDP_HDR_LEN, udpEmit } from '@netloom/core/wire';

export type ProbeKind = 'udp' | 'icmp' | 'icmp6' | 'tcp' | 'none';

/** First destination port; the sequence number is added. */
export const PROBE_PORT = 32_768 + 666;

export const PROBE_HDR_LEN: Readonly<Record<ProbeKind, number>> = { udp: UDP_HDR_LEN, icmp: 8, icmp6: 8, tcp: 20, none: 0 };
/** Where the checksum is; -1: none. */
export const PROBE_SUM: Readonly<Record<ProbeKind, number>> = { udp: 6, icmp: 2, icmp6: 2, tcp: 16, none: -1 };

export interface Probe {
  readonly kind: ProbeKind;
  readonly ident: number;
  readonly port: number;
  /** -e: the destination port stays, the source port counts. */
  readonly fixedPort: boolean;
}

const sourcePort = (probe: Probe, seq: number): number => (probe.ident + (probe.fixedPort && probe.kind === 'udp' ? seq : 0)) & 0xffff;
const targetPort = (probe: Probe, seq: number): number => (probe.port + (probe.fixedPort ? 0 : seq)) & 0xffff;

/** Writes the header of probe `seq` at `at`, `len` bytes with what follows, the checksum field zero. */
export function writeProbe(v: DataView, at: number, len: number, probe: Probe, seq: number): void {
  switch (probe.kind) {
    case 'udp':
      udpEmit(v, at, sourcePort(probe, seq), targetPort(probe, seq), len, 0);
      return;
    case 'icmp':
    case 'icmp6':
      v.setUint16(at, (probe.kind === 'icmp' ? ICMP_ECHO : ICMP6_ECHO_REQUEST) << 8);
      v.setUint16(at + 2, 0);
      v.setUint16(at + 4, probe.ident);
      v.setUint16(at + 6, seq & 0xffff);
      return;
    case 'tcp':
      v.setUint16(at, sourcePort(probe, seq));
      v.setUint16(at + 2, targetPort(probe, seq));
      v.setUint32(at + 4, ((sourcePort(probe, seq) << 16) | targetPort(probe, seq)) >>> 0);
      v.setUint32(at + 8, 0);
      v.setUint16(at + 12, (5 << 12) | TH_SYN);
      v.setUint32(at + 14, 0);
      return;
    case 'none':
  }
}

/** Are the eight bytes at `at` those of probe `seq`? */
export function isProbe(v: DataView, at: number, probe: Probe, seq: number): boolean {
  if (probe.kind === 'none') return true;
  if (at + 8 > v.byteLength) return false;
  if (probe.kind === 'icmp' || probe.kind === 'icmp6') return v.getUint16(at + 4) === probe.ident && v.getUint16(at + 6) === (seq & 0xffff);
  return v.getUint16(at) === sourcePort(probe, seq) && v.getUint16(at + 2) === targetPort(probe, seq);
}
