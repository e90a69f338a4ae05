/**
 * traceroute.ts — traceroute(8): the routers on the way to an IPv4 host.
 * Read first: traceroute(8); RFC 792; trace.ts. Exit codes: 0, 1 for the words and the sockets.
 *
 * Probes are whole packets (IP_HDRINCL) from one raw socket; ICMP comes in through another. The header line is on standard error.
 */
import { EPERM, PF_INET, SOCK_DGRAM, SOCK_RAW, strerror } from '@netloom/core';
import type { Socket } from '@netloom/core';
import {
  ICMP4_NEXTMTU, ICMP_ECHOREPLY, ICMP_MINLEN, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, ICMP_UNREACH, IP4_HDR_LEN, IPPROTO_ICMP, IPPROTO_RAW, IPPROTO_TCP,
  IPPROTO_UDP, IP_DF, icmp4Code, icmp4Type, inCksum, inCksum4, ip4Dst, ip4Emit, ip4Format, ip4Hl, ip4P, ip4Src, ip4Ttl,
} from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { err, errx, progname, toolMain } from '../err.js';
import { hostName } from '../host-address.js';
import { NO_NAMES, lookUp } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PROBE_SUM, isProbe, writeProbe } from './probe-packet.js';
import type { Probe } from './probe-packet.js';
import { trace } from './trace.js';
import type { Answer, Prober } from './trace.js';
import { hostOf, parseTraceroute, tracerouteHost } from './traceroute-options.js';
import type { TracerouteOptions } from './traceroute-options.js';

/** By code of an ICMP unreachable message: what is printed; a port that is closed is the end of the way. */
const UNREACH: Readonly<Record<number, string>> = {
  0: ' !N', 1: ' !H', 5: ' !S', 6: ' !U', 7: ' !W', 8: ' !I', 9: ' !A', 10: ' !Z', 11: ' !Q', 12: ' !T', 13: ' !X', 14: ' !V', 15: ' !C',
};
const CODE_PROTOCOL = 2;
const CODE_PORT = 3;
const CODE_NEEDFRAG = 4;
/** A port nobody listens on: connecting asks which source address is used. */
const DUMMY_PORT = 9;
const PROTOCOL = { udp: IPPROTO_UDP, icmp: IPPROTO_ICMP, tcp: IPPROTO_TCP, icmp6: 0, none: 0 } as const;
const TYPES: readonly string[] = [
  'Echo Reply', 'ICMP 1', 'ICMP 2', 'Dest Unreachable', 'Source Quench', 'Redirect', 'ICMP 6', 'ICMP 7', 'Echo', 'ICMP 9', 'ICMP 10', 'Time Exceeded',
  'Param Problem', 'Timestamp', 'Timestamp Reply', 'Info Request', 'Info Reply',
];

export const traceroute = toolMain(async (p: Proc): Promise<number> => {
  const o = parseTraceroute(p, await lookUp(p, tracerouteHost(p), 4));
  const icmp = open(p, SOCK_RAW, IPPROTO_ICMP, 'icmp socket');
  const raw = open(p, SOCK_RAW, IPPROTO_RAW, 'raw socket');
  raw.setsockopt('IP_HDRINCL', 1);
  raw.setsockopt('SO_SNDBUF', o.packetBytes);
  if (o.dontRoute) raw.setsockopt('SO_DONTROUTE', 1);
  const source = sourceOf(p, o);
  let error = raw.bind(source, 0);
  if (error !== 0) err(p, 1, 'bind', error);
  error = raw.connect(o.dst, 0);
  if (error !== 0) err(p, 1, 'connect', error);
  if (o.asPath) p.err(`${progname(p)}: as_setup failed, AS# lookups disabled\n`);
  const from = o.sourceText === null ? '' : ` from ${o.sourceText}`;
  p.err(`${progname(p)} to ${o.host} (${ip4Format(o.dst)})${from}, ${o.maxTtl} hops max, ${o.packetBytes} byte packets\n`);
  icmp.onReadable = () => p.wake();
  await trace(p, { ...o, unreachableEnough: o.probes - 1, breakAfterLoss: false }, new Prober4(p, o, source, icmp, raw));
  return 0;
});

function open(p: Proc, type: number, proto: number, what: string): Socket {
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, `${what}: the vnet is going down`);
  if (type === SOCK_RAW && !p.prison.ownsVnet && p.prison.params.get('allow.raw_sockets') !== 'true') return err(p, 1, what, EPERM);
  const { error, so } = sockets.socket(PF_INET, type, proto, p.fib);
  if (so === null) return err(p, 1, what, error);
  p.atExit(() => so.close());
  openedBy(p, so);
  return so;
}

/** -s, the address of -i, or the one the stack would choose. */
function sourceOf(p: Proc, o: TracerouteOptions): number {
  const ifp = o.interfaceName === null ? null : p.vnet.net.ifunit(o.interfaceName);
  if (o.interfaceName !== null && ifp === null) errx(p, 1, `Can't find interface ${o.interfaceName}`);
  if (o.sourceText !== null) {
    const addr = hostOf(p, o.sourceText, NO_NAMES);
    if (ifp !== null && p.vnet.inNet?.addrOf(addr)?.ifp !== ifp) errx(p, 1, `${o.sourceText} is not on interface ${ifp.xname}`);
    return addr;
  }
  if (ifp !== null) return p.vnet.inNet?.firstAddr(ifp)?.addr ?? errx(p, 1, `Can't find interface ${ifp.xname}`);
  const so = open(p, SOCK_DGRAM, 0, 'socket');
  if (so.connect(o.dst, DUMMY_PORT) !== 0) errx(p, 1, 'findsaddr: failed to connect to peer for src addr selection.');
  const { addr } = so.name();
  so.close();
  return addr;
}

class Prober4 implements Prober {
  private readonly p: Proc;
  private readonly o: TracerouteOptions;
  private readonly source: number;
  private readonly icmp: Socket;
  private readonly raw: Socket;
  private readonly probe: Probe;

  constructor(p: Proc, o: TracerouteOptions, source: number, icmp: Socket, raw: Socket) {
    this.p = p;
    this.o = o;
    this.source = source;
    this.icmp = icmp;
    this.raw = raw;
    this.probe = { kind: o.kind, ident: (p.pid & 0xffff) | 0x8000, port: o.port, fixedPort: o.fixedPort };
  }

  get gone(): boolean {
    return this.icmp.closed;
  }

  send(seq: number, ttl: number): void {
    const { o, p } = this;
    const bytes = new Uint8Array(o.packetBytes);
    const v = new DataView(bytes.buffer);
    const len = o.packetBytes - IP4_HDR_LEN;
    const proto = PROTOCOL[o.kind];
    ip4Emit(v, 0, IP4_HDR_LEN, o.tos, o.packetBytes, (this.probe.ident + seq) & 0xffff, o.dontFragment ? IP_DF : 0, ttl, proto, this.source, o.dst);
    writeProbe(v, IP4_HDR_LEN, len, this.probe, seq);
    if (o.checksums) {
      const sum = o.kind === 'icmp' ? inCksum(v, IP4_HDR_LEN, len) : inCksum4(v, IP4_HDR_LEN, len, this.source, o.dst, proto);
      v.setUint16(IP4_HDR_LEN + PROBE_SUM[o.kind], sum === 0 ? 0xffff : sum);
    }
    const error = this.raw.send(bytes);
    if (error === 0) return;
    p.err(`${progname(p)}: sendto: ${strerror(error)}\n`);
    p.out(`${progname(p)}: wrote ${o.host} ${o.packetBytes} chars, ret=-1\n`);
  }

  receive(seq: number): Answer | 'other' | null {
    const m = this.icmp.recvPacket();
    if (m === null) return null;
    const packet = m.bytes().slice();
    m.free();
    return this.look(new DataView(packet.buffer), packet.length, seq);
  }

  private look(v: DataView, len: number, seq: number): Answer | 'other' {
    const { o, p } = this;
    const hl = ip4Hl(v, 0);
    const cc = len - hl;
    const from = ip4Src(v, 0);
    if (cc < ICMP_MINLEN) {
      if (o.verbose) p.out(`packet too short (${len} bytes) from ${ip4Format(from)}\n`);
      return 'other';
    }
    const type = icmp4Type(v, hl);
    const code = icmp4Code(v, hl);
    const mark = this.markOf(v, hl, cc, type, code, seq);
    if (mark === null) {
      if (o.verbose) p.out(`\n${cc} bytes from ${ip4Format(from)} to ${ip4Format(ip4Dst(v, 0))}: icmp type ${type} (${TYPES[type] ?? 'OUT-OF-RANGE'}) code ${code}\n${words(v, hl + 8, cc)}`);
      return 'other';
    }
    const name = o.numeric ? ip4Format(from) : `${hostName(from) ?? ip4Format(from)} (${ip4Format(from)})`;
    const text = ` ${name}${o.verbose ? ` ${cc} bytes to ${ip4Format(ip4Dst(v, 0))}` : ''}`;
    return { from: ip4Format(from), text, ...mark };
  }

  /** What a message says of probe `seq`; null when it is about something else. */
  private markOf(v: DataView, hl: number, cc: number, type: number, code: number, seq: number): Pick<Answer, 'mark' | 'verdict'> | null {
    const short = ip4Ttl(v, 0) <= 1 ? ' !' : '';
    if (type === ICMP_ECHOREPLY) return this.probe.kind === 'icmp' && isProbe(v, hl, this.probe, seq) ? { mark: short, verdict: 'there' } : null;
    if (type !== ICMP_UNREACH && (type !== ICMP_TIMXCEED || code !== ICMP_TIMXCEED_INTRANS)) return null;
    const inner = hl + 8;
    if (cc < 8 + IP4_HDR_LEN + 8) return null;
    const ihl = ip4Hl(v, inner);
    if (cc < 8 + ihl + 8 || ip4P(v, inner) !== PROTOCOL[this.probe.kind] || !isProbe(v, inner + ihl, this.probe, seq)) return null;
    if (type === ICMP_TIMXCEED) return { mark: '', verdict: 'hop' };
    if (code === CODE_PORT) return { mark: short, verdict: 'there' };
    if (code === CODE_PROTOCOL) return { mark: ' !P', verdict: 'there' };
    if (code === CODE_NEEDFRAG) return { mark: ` !F-${v.getUint16(hl + ICMP4_NEXTMTU)}`, verdict: 'unreachable' };
    return { mark: UNREACH[code] ?? ` !<${code}>`, verdict: 'unreachable' };
  }
}

/** The words of a message behind its header, one a line. */
function words(v: DataView, at: number, cc: number): string {
  let out = '';
  for (let i = 4; i <= cc - ICMP_MINLEN; i += 4) {
    const word = at + i <= v.byteLength ? v.getUint32(at + i - 4) : 0;
    out += `${String(i).padStart(2)}: ${word.toString(16).padStart(8, '0')}\n`;
  }
  return out;
}
