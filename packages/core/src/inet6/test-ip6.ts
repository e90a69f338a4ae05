/**
 * test-ip6.ts — a bench for IPv6: a stack up to ICMPv6 and neighbour discovery in virtual time, wires that are captured, frames as lines of text.
 *
 * An Ip6Bench is one vnet with lo0, routing tables, addresses, IPv6, ICMPv6 and ND. A Wire6 is an Ethernet interface whose driver records what
 * is sent (`lines`) and whose `inject` puts in a frame: bytes, or a line. Every frame recorded is checked: lengths and ICMPv6 checksums must be
 * right. Lines, the same in both directions, read
 *
 *    `ns fe80::1 > ff02::1:ff00:2 who has fe80::2 sll 02:00:00:00:00:01`     solicitation; also `nonce 0011…`, `hlim 64`
 *    `na fe80::2 > fe80::1 fe80::2 is at 02:00:00:00:00:02 RSO`              advertisement, its flags; `is at …` may be missing
 *    `redirect fe80::1 > 2001:db8::2 2001:db8:9::1 via fe80::3 tll 02:…`     the destination is better reached via; `tll …` may be missing
 *    `echo 2001:db8::2 > 2001:db8::1 seq 1`, `reply …`                       echo; `len 8` bytes of data
 *    `ip6 2001:db8::1 > 2001:db8::2 proto 17 len 48 hlim 64`                 anything else, only out
 *
 * `lines()` adds ` > MAC` of the link destination; groups' (33:33:…) must fit the group and are left out.
 * Not here: transport protocols, sockets (tests of those layers use whole Kernels).
 */
import { assert } from '../base/assert.js';
import { quietEnv } from '../env/env.js';
import { CTX_IDLE, CTX_THREAD } from '../kern/context.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherIfattach } from '../net/ether.js';
import { ifCloneCreate, ifcAttach, ifcDetach } from '../net/if-clone.js';
import { ifUp } from '../net/if.js';
import { ifDetach } from '../net/if-detach.js';
import { ifInput } from '../net/if-transmit.js';
import { IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, LINK_STATE_UP } from '../net/ifnet.js';
import type { IfDriver } from '../net/ifnet.js';
import { loCloner } from '../net/lo.js';
import { Net, NetShared } from '../net/net.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import { RouteTables } from '../net/route/route-tables.js';
import { Rtsock } from '../net/rtsock.js';
import { macFormat, macParse } from '../wire/addr.js';
import { ip6Format, ip6LinkLocalOfMac, ip6Parse, ip6ParsePrefix, ip6Zoned } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ETHERTYPE_IPV6, ETHER_HDR_LEN } from '../wire/ether.js';
import {
  ICMP6_CKSUM, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN, ND_NA_FLAG_OVERRIDE, ND_NA_FLAG_ROUTER, ND_NA_FLAG_SOLICITED, ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT, ND_NS_LEN, ND_OPT_NONCE, ND_OPT_SOURCE_LINKADDR, ND_OPT_TARGET_LINKADDR, ND_RD_DST, ND_RD_LEN, ND_REDIRECT, ND_TARGET, icmp6IsError,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC } from '../wire/ip6.js';
import { IPPROTO_ICMPV6, IPPROTO_UDP } from '../wire/ipproto.js';
import { Icmp6 } from './icmp6.js';
import { in6Aifaddr, in6Difaddr } from './in6-control.js';
import type { In6Aliasreq } from './in6-control.js';
import { In6Net } from './in6-net.js';
import { Ip6 } from './ip6.js';
import { nd6List, nd6Set } from './nd6-control.js';
import { Nd6 } from './nd6.js';
import { ndFindOpt } from './nd6-msg.js';

/** The address in `text`. */
export function addr6(text: string): Uint8Array {
  const a = ip6Parse(text);
  if (a === null) throw new Error(`not an address: ${text}`);
  return a;
}

export function mac(text: string): Uint8Array {
  const m = macParse(text);
  if (m === null) throw new Error(`not a link address: ${text}`);
  return m;
}

/** `02:00:00:00:00:NN` */
export const macN = (n: number): string => `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`;
/** The link-local address that goes with `macN(n)`. */
export const llN = (n: number): string => ip6Format(ip6LinkLocalOfMac(mac(macN(n))));

/** An Ethernet interface that leads to the test. */
export class Wire6 implements IfDriver {
  readonly ifp: Ifnet;
  readonly bench: Ip6Bench;
  sent: Uint8Array[] = [];
  /** What `transmit` answers; the packet is dropped when not 0. */
  error = 0;
  /** Given every frame that is sent, instead of recording it. */
  onSend: ((m: PacketBuffer) => void) | null = null;

  constructor(bench: Ip6Bench, name: string, unit: number, lladdr: string) {
    this.bench = bench;
    this.ifp = new Ifnet(this, name, unit, `${name}${unit}`, IFT_ETHER, IFF_SIMPLEX | IFF_RUNNING | IFF_MULTICAST, 1500);
    this.ifp.linkState = LINK_STATE_UP;
    etherIfattach(this.ifp, bench.net, mac(lladdr));
  }

  transmit(_ifp: Ifnet, m: PacketBuffer): number {
    if (this.onSend !== null) {
      this.onSend(m);
      return 0;
    }
    if (this.error === 0) this.sent.push(m.bytes().slice());
    m.free();
    return this.error;
  }

  /** A frame arrives: bytes, or a line (link source: its `sll`, `is at`, else 02:00:00:00:00:99; link destination: the group's, else this interface's). */
  inject(frame: Uint8Array | string): void {
    const m = this.bench.engine.pool.from(typeof frame === 'string' ? frame6(frame, macFormat(this.ifp.lladdr)) : frame);
    if (m === null) throw new Error('packet pool is empty');
    const previous = this.bench.engine.enter(CTX_IDLE);
    ifInput(this.ifp, m);
    this.bench.engine.leave(previous);
    this.bench.turn();
  }

  /** What was sent since the last call, as lines. */
  lines(): string[] {
    return this.sent.splice(0).map((f) => frameLine6(f));
  }

  /** The same as bytes. */
  take(): Uint8Array[] {
    return this.sent.splice(0);
  }

  /** Injects, and answers what is sent in turn. */
  ask(...frames: string[]): string[] {
    this.take();
    for (const f of frames) this.inject(f);
    return this.lines();
  }

  /** A neighbour `text` with link address `lladdr`, known for good. */
  neighbour(text: string, lladdr: string): void {
    const error = nd6Set(this.bench.nd6, addr6(text), mac(lladdr), { ifp: this.ifp });
    if (error !== 0) throw new Error(`neighbour ${text}: errno ${error}`);
  }

  /** The neighbours of this interface but own addresses, as `ADDR MAC STATE [router]`. */
  neighbours(): string[] {
    return nd6List(this.bench.nd6, this.ifp).filter((e) => !e.own).map((e) => {
      const plain = e.addr.slice();
      if (plain[0] === 0xfe) plain.fill(0, 2, 4);
      return `${ip6Format(plain)} ${e.lladdr === null ? '-' : macFormat(e.lladdr)} ${e.permanent ? 'permanent' : e.state}${e.router ? ' router' : ''}`;
    });
  }
}

export class Ip6Bench {
  readonly engine: Engine;
  readonly net: Net;
  readonly routes: RouteTables;
  readonly in6Net: In6Net;
  readonly ip6: Ip6;
  readonly icmp6: Icmp6;
  readonly nd6: Nd6;
  readonly lo0: Ifnet;
  readonly wires: Wire6[] = [];
  /** Kernel messages, `level: text`. */
  readonly log: string[] = [];

  /** @param dad false: no duplicate address detection, addresses are used at once. */
  constructor(seed = 1, dad = false, pool = new PacketPool()) {
    this.engine = new Engine({ ...quietEnv(seed), log: (level, _vnet, text) => void this.log.push(`${level}: ${text}`) }, pool);
    this.engine.enter(CTX_THREAD);
    this.net = new Net(new VnetKern(this.engine, 1, 'v'), new NetShared('test-host'));
    this.net.rtsock = new Rtsock(this.net);
    ifcAttach(this.net, loCloner);
    const lo0 = ifCloneCreate(this.net, 'lo0').ifp;
    assert(lo0 !== null, 'a vnet has a loopback interface');
    this.lo0 = lo0;
    this.net.loif = lo0;
    this.routes = new RouteTables(this.net);
    this.net.routes = this.routes;
    this.in6Net = new In6Net(this.net, this.routes);
    this.ip6 = new Ip6(this.in6Net, this.routes);
    this.icmp6 = new Icmp6(this.ip6);
    this.nd6 = new Nd6(this.ip6, this.icmp6);
    if (!dad) this.sysctl('net.inet6.ip6.dad_count', 0);
    ifUp(lo0);
    this.turn();
  }

  /** An interface `em<n>` with link address 02:00:00:00:00:0<n+1>; with an address it is up and has its link-local one. */
  wire(prefix: string | null = null, name = 'em'): Wire6 {
    const w = new Wire6(this, name, this.wires.length, macN(this.wires.length + 1));
    this.wires.push(w);
    if (prefix !== null) {
      this.addr(w.ifp, prefix);
      this.turn();
      w.sent = [];
    }
    return w;
  }

  /** `ifconfig IFP inet6 ADDR/N alias` */
  addr(ifp: Ifnet, prefix: string, more: Partial<In6Aliasreq> = {}): void {
    const p = ip6ParsePrefix(prefix);
    const error = p === null ? -1 : in6Aifaddr(this.in6Net, ifp, { addr: p.addr, plen: p.len, ...more });
    if (error !== 0) throw new Error(`${prefix} on ${ifp.xname}: errno ${error}`);
  }

  delAddr(ifp: Ifnet, text: string): void {
    const error = in6Difaddr(this.in6Net, ifp, addr6(text));
    if (error !== 0) throw new Error(`${text} on ${ifp.xname}: errno ${error}`);
  }

  /** `route -6 add PREFIX GATEWAY`; a link-local gateway is one of `ifp`. */
  route(prefix: string, gateway: string, ifp: Ifnet): void {
    const p = ip6ParsePrefix(prefix);
    if (p === null) throw new Error(`not a prefix: ${prefix}`);
    const error = this.routes.add({ fib: 0, family: 'inet6', dst: p.addr, plen: p.len, gateway: ip6Zoned(addr6(gateway), ifp.index), ifp, flags: RTF_STATIC | RTF_GATEWAY });
    if (error !== 0) throw new Error(`route ${prefix}: errno ${error}`);
  }

  sysctl(name: string, value: number | string): void {
    const error = this.net.kern.sysctl.set(name, value);
    if (error !== 0) throw new Error(`sysctl ${name}=${value}: errno ${error}`);
  }

  /** A packet from bytes that begin with the IPv6 header. */
  packet(bytes: Uint8Array): PacketBuffer {
    const m = this.engine.pool.from(bytes);
    if (m === null) throw new Error('packet pool is empty');
    return m;
  }

  /** Sends a packet of this host; the Errno. */
  send(spec: Ip6Spec): number {
    return this.ip6.output(this.packet(ip6Bytes(spec)));
  }

  /** Lets virtual time pass and serves everything that becomes due, deadline by deadline. */
  turn(us = 0): void {
    const previous = this.engine.enter(CTX_IDLE);
    const until = this.engine.now + us;
    for (;;) {
      const next = this.engine.nextDeadline();
      if (next > until) break;
      this.engine.runTurn(Math.max(next, this.engine.now));
    }
    this.engine.runTurn(until);
    this.engine.leave(previous);
  }

  /** Takes everything down, in the order of vnet/vnet.ts. */
  destroy(): void {
    for (const ifp of [...this.net.ifnets]) this.in6Net.purgeAddrs(ifp);
    this.nd6.destroy();
    this.icmp6.destroy();
    this.ip6.destroy();
    for (const w of this.wires) ifDetach(w.ifp);
    for (const c of [...this.net.cloners]) ifcDetach(c);
    this.in6Net.destroy();
    this.routes.destroy();
    this.turn();
  }

  /** What must be zero after `destroy`. */
  leftovers(): Record<string, number> {
    const { net, engine } = this;
    return {
      packets: engine.pool.inUse, callouts: net.kern.calloutsArmed, sysctls: net.kern.sysctl.count, counters: net.kern.counters.list().length,
      interfaces: net.kern.ifcnt, held: this.nd6.params.held, neighbours: this.nd6.params.entries,
      handlers: net.ifaddrEvent.count + net.lladdrEvent.count + net.upDownEvent.count + net.linkEvent.count + net.departureEvent.count,
      protos: this.ip6.protos.count,
    };
  }
}

export const NOTHING_LEFT6 = { packets: 0, callouts: 0, sysctls: 0, counters: 0, interfaces: 0, held: 0, neighbours: 0, handlers: 0, protos: 0 };

export interface Ip6Spec {
  readonly src: string;
  readonly dst: string;
  readonly proto?: number;
  readonly hlim?: number;
  /** Traffic class and flow label, as they stand in the first word. */
  readonly flow?: number;
  /** Everything behind the fixed header. */
  readonly payload?: Uint8Array;
}

/** An IPv6 packet. */
export function ip6Bytes(s: Ip6Spec): Uint8Array {
  const { proto = IPPROTO_UDP, hlim = 64, flow = 0, payload = new Uint8Array(8) } = s;
  const p = new Uint8Array(IP6_HDR_LEN + payload.length);
  const v = new DataView(p.buffer);
  v.setUint32(0, 0x6000_0000 + flow);
  v.setUint16(IP6_PLEN, payload.length);
  v.setUint8(IP6_NXT, proto);
  v.setUint8(IP6_HLIM, hlim);
  p.set(addr6(s.src), IP6_SRC);
  p.set(addr6(s.dst), IP6_DST);
  p.set(payload, IP6_HDR_LEN);
  return p;
}

/** The same in an Ethernet frame from `from` to `to` (null: that of the group), padded to 60 bytes. */
export function ip6Frame(to: string | null, from: string, packet: Uint8Array | Ip6Spec): Uint8Array {
  const bytes = packet instanceof Uint8Array ? packet : ip6Bytes(packet);
  const f = new Uint8Array(Math.max(60, ETHER_HDR_LEN + bytes.length));
  f.set(to === null ? Uint8Array.of(0x33, 0x33, ...bytes.subarray(IP6_DST + 12, IP6_DST + 16)) : mac(to));
  f.set(mac(from), 6);
  f[12] = ETHERTYPE_IPV6 >> 8;
  f[13] = ETHERTYPE_IPV6 & 255;
  f.set(bytes, ETHER_HDR_LEN);
  return f;
}

/** An ICMPv6 packet with a right checksum. `rest`: bytes 4 to 7. */
export function icmp6Packet(src: string, dst: string, type: number, code: number, rest: number, data: Uint8Array, hlim = 255): Uint8Array {
  const payload = new Uint8Array(ICMP6_HDR_LEN + data.length);
  payload[0] = type;
  payload[1] = code;
  new DataView(payload.buffer).setUint32(4, rest);
  payload.set(data, ICMP6_HDR_LEN);
  const p = ip6Bytes({ src, dst, proto: IPPROTO_ICMPV6, hlim, payload });
  icmp6Sum(p);
  return p;
}

/** Writes the checksum of the ICMPv6 message behind the fixed header. */
export function icmp6Sum(p: Uint8Array): void {
  const v = new DataView(p.buffer, p.byteOffset, p.length);
  v.setUint16(IP6_HDR_LEN + ICMP6_CKSUM, 0);
  v.setUint16(IP6_HDR_LEN + ICMP6_CKSUM, inCksum6(v, IP6_HDR_LEN, p.length - IP6_HDR_LEN, IP6_SRC, IP6_DST, IPPROTO_ICMPV6));
}

/** A link-layer address option. */
export function lladdrOpt(type: number, lladdr: string): Uint8Array {
  return Uint8Array.of(type, 1, ...mac(lladdr));
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((p) => [...p]));
}

/** The frame a line of the file header describes. */
export function frame6(line: string, self: string): Uint8Array {
  const w = line.split(/\s+/);
  const after = (word: string): string | null => (w.includes(word) ? (w[w.indexOf(word) + 1] ?? null) : null);
  const [kind, src, , dst] = w as [string, string, string, string];
  const hlim = Number(after('hlim') ?? (kind === 'ns' || kind === 'na' ? 255 : 64));
  const to = dst.startsWith('ff') ? null : self;
  const nonce = after('nonce');
  const code = Number(after('code') ?? 0);
  if (kind === 'ns') {
    const sll = after('sll');
    const data = concat(
      addr6(after('has') ?? ''), sll === null ? new Uint8Array(0) : lladdrOpt(ND_OPT_SOURCE_LINKADDR, sll),
      nonce === null ? new Uint8Array(0) : Uint8Array.of(ND_OPT_NONCE, 1, ...(nonce.match(/../g) ?? []).map((h) => parseInt(h, 16))),
    );
    return ip6Frame(to, after('from') ?? sll ?? macN(0x99), icmp6Packet(src, dst, ND_NEIGHBOR_SOLICIT, code, 0, data, hlim));
  }
  if (kind === 'na') {
    const at = after('at');
    const flags = w.find((x) => /^R?S?O?$/.test(x)) ?? '';
    const bits = (flags.includes('R') ? ND_NA_FLAG_ROUTER : 0) + (flags.includes('S') ? ND_NA_FLAG_SOLICITED : 0) + (flags.includes('O') ? ND_NA_FLAG_OVERRIDE : 0);
    const data = concat(addr6(w[4] ?? ''), at === null ? new Uint8Array(0) : lladdrOpt(ND_OPT_TARGET_LINKADDR, at));
    return ip6Frame(to, after('from') ?? at ?? macN(0x99), icmp6Packet(src, dst, ND_NEIGHBOR_ADVERT, code, bits, data, hlim));
  }
  if (kind === 'redirect') {
    const tll = after('tll');
    const data = concat(addr6(after('via') ?? ''), addr6(w[4] ?? ''), tll === null ? new Uint8Array(0) : lladdrOpt(ND_OPT_TARGET_LINKADDR, tll));
    return ip6Frame(to, after('from') ?? macN(0x99), icmp6Packet(src, dst, ND_REDIRECT, code, 0, data, Number(after('hlim') ?? 255)));
  }
  if (kind === 'echo' || kind === 'reply') {
    const data = Uint8Array.from({ length: Number(after('len') ?? 8) }, (_, i) => i & 255);
    const packet = icmp6Packet(src, dst, kind === 'echo' ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY, 0, 0x1234_0000 + Number(after('seq') ?? 1), data, hlim);
    return ip6Frame(to, after('from') ?? macN(0x99), packet);
  }
  throw new Error(`not a line of the bench: ${line}`);
}

/** A frame as a line; see the file header. Throws when a length or checksum is wrong. */
export function frameLine6(f: Uint8Array): string {
  const v = new DataView(f.buffer, f.byteOffset, f.length);
  const type = v.getUint16(12);
  const to = macFormat(f);
  if (type !== ETHERTYPE_IPV6) return `type ${type} > ${to}`;
  const p = f.subarray(ETHER_HDR_LEN);
  if (!to.startsWith('33:33:')) return `${ip6Line(p)} > ${to}`;
  assert(v.getUint32(2) === v.getUint32(ETHER_HDR_LEN + IP6_DST + 12), 'link group fits the IPv6 group');
  return ip6Line(p);
}

/** An IPv6 packet as a line. */
export function ip6Line(p: Uint8Array): string {
  const v = new DataView(p.buffer, p.byteOffset, p.length);
  const plen = v.getUint16(IP6_PLEN);
  assert(plen + IP6_HDR_LEN === p.length, 'IPv6 length is the length of the packet');
  const ends = `${ip6Format(p, IP6_SRC)} > ${ip6Format(p, IP6_DST)}`;
  const proto = v.getUint8(IP6_NXT);
  const hlim = v.getUint8(IP6_HLIM);
  if (proto !== IPPROTO_ICMPV6) return `ip6 ${ends} proto ${proto} len ${p.length} hlim ${hlim}`;
  assert(inCksum6(v, IP6_HDR_LEN, plen, IP6_SRC, IP6_DST, IPPROTO_ICMPV6) === 0, 'ICMPv6 checksum is right');
  return icmp6Line(p, v, ends, hlim);
}

function icmp6Line(p: Uint8Array, v: DataView, ends: string, hlim: number): string {
  const at = IP6_HDR_LEN;
  const type = v.getUint8(at);
  const hop = hlim === 255 ? '' : ` hlim ${hlim}`;
  const lladdr = (opt: number): string => {
    const o = ndFindOpt(v, at + ND_NS_LEN, p.length, opt);
    return o === 0 ? '' : macFormat(p.subarray(o + 2, o + 8));
  };
  if (type === ND_NEIGHBOR_SOLICIT) {
    const sll = lladdr(ND_OPT_SOURCE_LINKADDR);
    const n = ndFindOpt(v, at + ND_NS_LEN, p.length, ND_OPT_NONCE);
    const nonce = n === 0 ? '' : ` nonce ${[...p.subarray(n + 2, n + 8)].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
    return `ns ${ends} who has ${ip6Format(p, at + ND_TARGET)}${sll === '' ? '' : ` sll ${sll}`}${nonce}${hop}`;
  }
  if (type === ND_NEIGHBOR_ADVERT) {
    const bits = v.getUint32(at + 4);
    const flags = `${(bits & ND_NA_FLAG_ROUTER) !== 0 ? 'R' : ''}${(bits & ND_NA_FLAG_SOLICITED) !== 0 ? 'S' : ''}${(bits & ND_NA_FLAG_OVERRIDE) !== 0 ? 'O' : ''}`;
    const tll = lladdr(ND_OPT_TARGET_LINKADDR);
    return `na ${ends} ${ip6Format(p, at + ND_TARGET)}${tll === '' ? '' : ` is at ${tll}`}${flags === '' ? '' : ` ${flags}`}${hop}`;
  }
  if (type === ND_REDIRECT) {
    const o = ndFindOpt(v, at + ND_RD_LEN, p.length, ND_OPT_TARGET_LINKADDR);
    return `redirect ${ends} ${ip6Format(p, at + ND_RD_DST)} via ${ip6Format(p, at + ND_TARGET)}${o === 0 ? '' : ` tll ${macFormat(p.subarray(o + 2, o + 8))}`}${hop}`;
  }
  if (type === ICMP6_ECHO_REQUEST || type === ICMP6_ECHO_REPLY) {
    return `${type === ICMP6_ECHO_REQUEST ? 'echo' : 'reply'} ${ends} seq ${v.getUint16(at + 6)}${hlim === 64 ? '' : ` hlim ${hlim}`}`;
  }
  return `icmp6 ${ends} type ${type} code ${v.getUint8(at + 1)}${icmp6IsError(type) ? ` arg ${v.getUint32(at + 4)}` : ''}${hop}`;
}
