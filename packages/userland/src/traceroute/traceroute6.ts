/**
 * traceroute6.ts — traceroute6(8): the routers on the way to an IPv6 host.
 * Read first: traceroute6(8); RFC 4443 §3; trace.ts. Exit codes: 0, 1 for the words and the way, 5 for the sockets, 7 for the traffic class.
 *
 * Probes leave by a raw socket of their protocol, whose hop limit is set for each; ICMPv6 comes in through another. The header line is on standard error.
 */
import { EPERM, PF_INET6, RecvInfo6, SOCK_DGRAM, SOCK_RAW, strerror } from '@netloom/core';
import type { Ip6Name, RecvInfo, Socket } from '@netloom/core';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, ICMP6_ECHO_REPLY, ICMP6_HDR_LEN, ICMP6_PARAMPROB_NEXTHEADER, ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED,
  ICMP6_TIME_EXCEED_TRANSIT, IP6_HDR_LEN, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_TCP, IPPROTO_UDP, icmp6Code, icmp6Type, inCksum6, ip6ExtLen, ip6Format, ip6IsExt, ip6Nxt,
} from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { toolMain } from '../err.js';
import { address6Text, hostName6 } from '../host-address6.js';
import { lookUp } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PROBE_SUM, isProbe, writeProbe } from './probe-packet.js';
import type { Probe } from './probe-packet.js';
import { trace } from './trace.js';
import type { Answer, Prober } from './trace.js';
import { complain, parseTraceroute6, traceroute6Host } from './traceroute6-options.js';
import type { Traceroute6Options } from './traceroute6-options.js';

/** By code of a destination-unreachable message; a port that is closed is the end of the way. */
const UNREACH: readonly string[] = [' !N', ' !P', ' !S', ' !A'];
const DUMMY_PORT = 10_010;
const PACKET_MAX = 65_535;
const PROTOCOL = { udp: IPPROTO_UDP, icmp6: IPPROTO_ICMPV6, tcp: IPPROTO_TCP, none: IPPROTO_NONE, icmp: 0 } as const;
const TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'Destination Unreachable'], [2, 'Packet Too Big'], [3, 'Time Exceeded'], [4, 'Parameter Problem'], [128, 'Echo Request'], [129, 'Echo Reply'],
  [130, 'Group Membership Query'], [131, 'Group Membership Report'], [132, 'Group Membership Reduction'], [133, 'Router Solicitation'],
  [134, 'Router Advertisement'], [135, 'Neighbor Solicitation'], [136, 'Neighbor Advertisement'], [137, 'Redirect'],
]);

export const traceroute6 = toolMain(async (p: Proc): Promise<number> => {
  const icmp = open(p, SOCK_RAW, IPPROTO_ICMPV6, 5, 'socket(ICMPv6)');
  const o = parseTraceroute6(p, await lookUp(p, traceroute6Host(p), 6));
  const raw = open(p, SOCK_RAW, PROTOCOL[o.kind], 5, 'socket(SOCK_RAW)');
  if (o.tclass >= 0) must(p, raw.setsockopt('IPV6_TCLASS', o.tclass), 'setsockopt(IPV6_TCLASS)', 7);
  if (o.dontRoute) raw.setsockopt('SO_DONTROUTE', 1);
  raw.setsockopt('SO_SNDBUF', Math.max(o.dataBytes, 1));
  const source = o.source ?? sourceOf(p, o);
  must(p, raw.bind(source, 0), 'bind', 1);
  if (o.asPath) p.err('traceroute6: as_setup failed, AS# lookups disabled\n');
  const bytes = o.dataBytes + (o.kind === 'udp' ? 8 : 0);
  p.err(`traceroute6 to ${o.host} (${address6Text(p.vnet, o.dst)}) from ${o.sourceText ?? address6Text(p.vnet, source)}, ${o.maxTtl} hops max, ${bytes} byte packets\n`);
  if (o.firstTtl > 1) p.out(`Skipping ${o.firstTtl - 1} intermediate hops\n`);
  must(p, raw.connect(o.dst, 0), 'connect', 1);
  icmp.onReadable = () => p.wake();
  const spec = { ...o, pauseUs: 0, unreachableEnough: Math.floor((o.probes + 1) / 2), breakAfterLoss: true, showLoss: false };
  await trace(p, spec, new Prober6(p, o, source, icmp, raw));
  return 0;
});

function must(p: Proc, error: number, what: string, code: number): void {
  if (error !== 0) complain(p, code, `${what}: ${strerror(error)}`);
}

function open(p: Proc, type: number, proto: number, code: number, what: string): Socket {
  const { sockets } = p.vnet;
  if (sockets === null) return complain(p, code, `${what}: the vnet is going down`);
  if (type === SOCK_RAW && !p.prison.ownsVnet && p.prison.params.get('allow.raw_sockets') !== 'true') return complain(p, code, `${what}: ${strerror(EPERM)}`);
  const { error, so } = sockets.socket(PF_INET6, type, proto, p.fib);
  if (so === null) return complain(p, code, `${what}: ${strerror(error)}`);
  p.atExit(() => so.close());
  openedBy(p, so);
  return so;
}

/** The address the stack would choose; nothing is sent for that. */
function sourceOf(p: Proc, o: Traceroute6Options): Ip6Name {
  const so = open(p, SOCK_DGRAM, 0, 1, 'socket');
  must(p, so.connect(o.dst, DUMMY_PORT), 'connect', 1);
  const name = so.name6();
  so.close();
  return name ?? o.dst;
}

class Prober6 implements Prober {
  private readonly p: Proc;
  private readonly o: Traceroute6Options;
  private readonly source: Ip6Name;
  private readonly icmp: Socket;
  private readonly raw: Socket;
  private readonly probe: Probe;
  private readonly packet = new Uint8Array(PACKET_MAX);
  private readonly in6 = new RecvInfo6();
  private readonly info: RecvInfo;

  constructor(p: Proc, o: Traceroute6Options, source: Ip6Name, icmp: Socket, raw: Socket) {
    this.p = p;
    this.o = o;
    this.source = source;
    this.icmp = icmp;
    this.raw = raw;
    this.probe = { kind: o.kind, ident: p.pid & 0xffff, port: o.port, fixedPort: false };
    this.info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0, in6: this.in6 };
  }

  get gone(): boolean {
    return this.icmp.closed;
  }

  send(seq: number, ttl: number): void {
    const { o, p } = this;
    // In front of the probe the addresses, which its checksum covers.
    const bytes = new Uint8Array(32 + o.dataBytes);
    bytes.set(this.source.addr, 0);
    bytes.set(o.dst.addr, 16);
    const v = new DataView(bytes.buffer);
    writeProbe(v, 32, o.dataBytes, this.probe, seq);
    const at = PROBE_SUM[o.kind];
    if (at >= 0) {
      const sum = inCksum6(v, 32, o.dataBytes, 0, 16, PROTOCOL[o.kind]);
      v.setUint16(32 + at, sum === 0 ? 0xffff : sum);
    }
    let error = this.raw.setsockopt('IPV6_UNICAST_HOPS', ttl);
    if (error !== 0) p.err(`setsockopt IPV6_UNICAST_HOPS: ${strerror(error)}\n`);
    error = this.raw.send(bytes.subarray(32));
    if (error === 0) return;
    p.err(`send: ${strerror(error)}\n`);
    p.out(`traceroute6: wrote ${o.host} ${o.dataBytes} chars, ret=-1\n`);
  }

  receive(seq: number): Answer | 'other' | null {
    const cc = this.icmp.recv(this.packet, this.info);
    if (cc < 0) return null;
    const { o, p } = this;
    const from = address6Text(p.vnet, this.in6);
    if (cc < ICMP6_HDR_LEN) {
      if (o.verbose) p.out(`data too short (${cc} bytes) from ${from}\n`);
      return 'other';
    }
    const v = new DataView(this.packet.buffer, 0, cc);
    const mark = this.markOf(v, cc, seq);
    const to = ip6Format(this.in6.dstAddr);
    if (mark === null) {
      if (o.verbose) p.out(`\n${cc} bytes of data from ${from} to ${to}: icmp type ${icmp6Type(v, 0)} (${TYPES.get(icmp6Type(v, 0)) ?? 'Unknown'}) code ${icmp6Code(v, 0)}\n`);
      return 'other';
    }
    const name = hostName6(this.in6) ?? from;
    const who = o.numeric ? from : o.both ? `${name} (${from})` : name;
    return { from, text: ` ${who}${o.verbose ? ` ${cc} bytes of data to ${to}` : ''}`, ...mark };
  }

  /** What a message says of probe `seq`; null when it is about something else. */
  private markOf(v: DataView, cc: number, seq: number): Pick<Answer, 'mark' | 'verdict'> | null {
    const type = icmp6Type(v, 0);
    const code = icmp6Code(v, 0);
    const short = this.in6.hops <= 1 ? ' !' : '';
    if (type === ICMP6_ECHO_REPLY) return this.probe.kind === 'icmp6' && isProbe(v, 0, this.probe, seq) ? { mark: short, verdict: 'there' } : null;
    const expired = type === ICMP6_TIME_EXCEEDED && code === ICMP6_TIME_EXCEED_TRANSIT;
    const unwanted = type === ICMP6_PARAM_PROB && code === ICMP6_PARAMPROB_NEXTHEADER;
    if (!expired && !unwanted && type !== ICMP6_DST_UNREACH) return null;
    if (!isProbe(v, this.quotedUpper(v, cc), this.probe, seq)) return null;
    if (expired) return { mark: '', verdict: 'hop' };
    if (unwanted) return { mark: ' !H', verdict: 'there' };
    if (code === ICMP6_DST_UNREACH_NOPORT) return { mark: short, verdict: 'there' };
    return { mark: UNREACH[code] ?? '', verdict: 'unreachable' };
  }

  /** Where what the quoted packet carries begins; behind the end when that is not ours or not there. */
  private quotedUpper(v: DataView, cc: number): number {
    let at = ICMP6_HDR_LEN + IP6_HDR_LEN;
    if (cc < at) return cc;
    let nxt = ip6Nxt(v, ICMP6_HDR_LEN);
    while (ip6IsExt(nxt)) {
      const n = ip6ExtLen(v, at, cc, nxt);
      if (n < 0) return cc;
      nxt = v.getUint8(at);
      at += n;
    }
    return nxt === PROTOCOL[this.probe.kind] ? at : cc;
  }
}
