/**
 * snmp.ts — what Linux has counted in a network namespace: /proc/net/snmp by protocol and name (`Ip.InHdrErrors`, `Tcp.InCsumErrors`).
 * Read first: RFC 1213; proc(5).
 */
import type { Netns } from './netns.js';

export type SnmpCounters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** All counters of the namespace `ns`. */
export async function snmp(ns: Netns): Promise<SnmpCounters> {
  const { stdout } = await ns.run('cat', '/proc/net/snmp');
  const rows = stdout.trim().split('\n').map((line) => line.split(/:? /));
  const counters: Record<string, Record<string, number>> = {};
  for (let i = 0; i + 1 < rows.length; i += 2) {
    const [[protocol, ...names], [, ...values]] = [rows[i]!, rows[i + 1]!] as [string[], string[]];
    counters[protocol!] = Object.fromEntries(names.map((name, k) => [name, Number(values[k])]));
  }
  return counters;
}

/** Counts that say a packet came damaged: wrong checksums, wrong headers. All are zero on a network that carries bytes as they are. */
export async function damaged(ns: Netns): Promise<Readonly<Record<string, number>>> {
  const { Ip, Icmp, Tcp, Udp } = await snmp(ns);
  return {
    ipHeader: Ip!['InHdrErrors']!, icmpChecksum: Icmp!['InCsumErrors']!, icmp: Icmp!['InErrors']!, tcpChecksum: Tcp!['InCsumErrors']!, tcp: Tcp!['InErrs']!, udpChecksum: Udp!['InCsumErrors']!,
  };
}

export const UNDAMAGED: Readonly<Record<string, number>> = { ipHeader: 0, icmpChecksum: 0, icmp: 0, tcpChecksum: 0, tcp: 0, udpChecksum: 0 };
