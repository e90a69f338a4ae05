/**
 * test-ip.ts — a bench for IPv4: whole stacks up to ICMP in virtual time, wires that are captured, frames as lines of text.
 *
 * An IpBench is one vnet with lo0, routing tables, addresses, IP, ARP and ICMP. A Wire is an Ethernet interface whose driver
 * records what is sent (`sent`, `lines`) and whose `inject` puts a frame in. Every frame recorded is checked: IPv4 header and ICMP
 * checksums must be right. Lines read
 *
 *    `arp request 192.0.2.1 is at 02:00:00:00:00:01 wants 192.0.2.2 > broadcast`
 *    `ip 192.0.2.1 > 192.0.2.2 icmp echo reply len 84 ttl 64 > 02:00:00:00:00:02`
 *
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
import { IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, LINK_STATE_UP } from '../net/ifnet.js';
import type { IfDriver } from '../net/ifnet.js';
import { loCloner } from '../net/lo.js';
import { Net, NetShared } from '../net/net.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import { RouteTables } from '../net/route/route-tables.js';
import { Rtsock } from '../net/rtsock.js';
import { ip4Format, ip4Parse, ip4ParsePrefix, macFormat, macFormatPair, macHi, macLo, macParse } from '../wire/addr.js';
import { ARPOP_REPLY, ARPOP_REQUEST, ARP_LEN, arpEmit } from '../wire/arp.js';
import { inCksum } from '../wire/checksum.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHER_HDR_LEN } from '../wire/ether.js';
import { ICMP_ECHO, icmp4Emit } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Cksum, ip4Emit } from '../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_UDP } from '../wire/ipproto.js';
import { Arp } from './arp.js';
import { Icmp } from './icmp.js';
import { inAifaddr, inDifaddr } from './in-control.js';
import { InNet } from './in-net.js';
import { Ip } from './ip.js';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** The address in `text`. */
export function addr(text: string): number {
  const a = ip4Parse(text);
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

/** An Ethernet interface that leads to the test. */
export class Wire implements IfDriver {
  readonly ifp: Ifnet;
  readonly bench: IpBench;
  sent: Uint8Array[] = [];
  /** Metadata of the last packet sent. */
  lastGso = 0;
  /** What `transmit` answers; the packet is dropped when not 0. */
  error = 0;
  /** False: frames are dropped without being looked at (benchmarks). */
  record = true;
  /** Given every frame that is sent, instead of recording it. */
  onSend: ((m: PacketBuffer) => void) | null = null;

  constructor(bench: IpBench, name: string, unit: number, lladdr: string) {
    this.bench = bench;
    this.ifp = new Ifnet(this, name, unit, `${name}${unit}`, IFT_ETHER, IFF_SIMPLEX | IFF_RUNNING, 1500);
    this.ifp.linkState = LINK_STATE_UP;
    etherIfattach(this.ifp, bench.net, mac(lladdr));
  }

  transmit(_ifp: Ifnet, m: PacketBuffer): number {
    if (this.onSend !== null) {
      this.onSend(m);
      return 0;
    }
    if (this.record && this.error === 0) {
      this.lastGso = m.gsoSize;
      this.sent.push(m.bytes().slice());
    }
    m.free();
    return this.error;
  }

  /** A frame arrives. */
  inject(frame: Uint8Array): void {
    const m = this.bench.engine.pool.from(frame);
    if (m === null) throw new Error('packet pool is empty');
    const previous = this.bench.engine.enter(CTX_IDLE);
    ifInput(this.ifp, m);
    this.bench.engine.leave(previous);
    this.bench.turn();
  }

  /** What was sent since the last call, as lines. */
  lines(): string[] {
    return this.sent.splice(0).map((f) => frameLine(f));
  }

  /** The same as bytes. */
  take(): Uint8Array[] {
    return this.sent.splice(0);
  }

  /** A neighbour `text` with link address `lladdr`, known for good. */
  neighbour(text: string, lladdr: string): void {
    const error = this.bench.arp.set(addr(text), mac(lladdr), { ifp: this.ifp });
    if (error !== 0) throw new Error(`neighbour ${text}: errno ${error}`);
  }
}

export class IpBench {
  readonly engine: Engine;
  readonly net: Net;
  readonly routes: RouteTables;
  readonly inNet: InNet;
  readonly ip: Ip;
  readonly arp: Arp;
  readonly icmp: Icmp;
  readonly lo0: Ifnet;
  readonly wires: Wire[] = [];
  /** Kernel messages, `level: text`. */
  readonly log: string[] = [];

  constructor(seed = 1, pool = new PacketPool()) {
    this.engine = new Engine({ ...quietEnv(seed), log: (level, _vnet, text) => void this.log.push(`${level}: ${text}`) }, pool);
    this.engine.enter(CTX_THREAD);
    this.net = new Net(new VnetKern(this.engine, 1, 'v'), new NetShared('test-host'));
    this.net.rtsock = new Rtsock(this.net);
    ifcAttach(this.net, loCloner);
    const lo0 = ifCloneCreate(this.net, 'lo0').ifp;
    assert(lo0 !== null, 'a vnet has a loopback interface');
    this.lo0 = lo0;
    this.routes = new RouteTables(this.net);
    this.net.routes = this.routes;
    this.inNet = new InNet(this.net, this.routes);
    this.ip = new Ip(this.inNet, this.routes);
    this.ip.id.attach(this.net.kern.sysctl);
    this.arp = new Arp(this.ip);
    this.icmp = new Icmp(this.ip);
    this.icmp.limits.attach();
    ifUp(lo0);
  }

  /** An interface `em<n>` with link address 02:00:00:00:00:0<n+1>; with an address it is up. */
  wire(prefix: string | null = null, name = 'em'): Wire {
    const w = new Wire(this, name, this.wires.length, macN(this.wires.length + 1));
    this.wires.push(w);
    if (prefix !== null) {
      this.addr(w.ifp, prefix);
      this.turn();
      w.sent = [];
    }
    return w;
  }

  /** `ifconfig IFP inet A.B.C.D/N alias` */
  addr(ifp: Ifnet, prefix: string): void {
    const p = ip4ParsePrefix(prefix);
    const error = p === null ? -1 : inAifaddr(this.inNet, ifp, { addr: p.addr, plen: p.len });
    if (error !== 0) throw new Error(`${prefix} on ${ifp.xname}: errno ${error}`);
  }

  delAddr(ifp: Ifnet, text: string): void {
    const error = inDifaddr(this.inNet, ifp, addr(text));
    if (error !== 0) throw new Error(`${text} on ${ifp.xname}: errno ${error}`);
  }

  /** `route add PREFIX GATEWAY` */
  route(prefix: string, gateway: string | null, more: object = {}): void {
    const p = ip4ParsePrefix(prefix);
    if (p === null) throw new Error(`not a prefix: ${prefix}`);
    const flags = RTF_STATIC | (gateway === null ? 0 : RTF_GATEWAY);
    const error = this.routes.add({ fib: 0, family: 'inet', dst: p.addr, plen: p.len, flags, ...(gateway === null ? {} : { gateway: addr(gateway) }), ...more });
    if (error !== 0) throw new Error(`route ${prefix}: errno ${error}`);
  }

  sysctl(name: string, value: number | string): void {
    const error = this.net.kern.sysctl.set(name, value);
    if (error !== 0) throw new Error(`sysctl ${name}=${value}: errno ${error}`);
  }

  /** A packet from bytes that begin with the IP header. */
  packet(bytes: Uint8Array): PacketBuffer {
    const m = this.engine.pool.from(bytes);
    if (m === null) throw new Error('packet pool is empty');
    return m;
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
    for (const ifp of [...this.net.ifnets]) this.inNet.purgeAddrs(ifp);
    this.arp.destroy();
    this.ip.destroy();
    this.ip.id.detach(this.net.kern.sysctl);
    this.icmp.limits.detach();
    this.icmp.destroy();
    for (const w of this.wires) ifDetach(w.ifp);
    for (const c of [...this.net.cloners]) ifcDetach(c);
    this.inNet.destroy();
    this.routes.destroy();
    this.turn();
  }

  /** What must be zero after `destroy`. */
  leftovers(): Record<string, number> {
    const { net, engine } = this;
    return {
      packets: engine.pool.inUse, callouts: net.kern.calloutsArmed, sysctls: net.kern.sysctl.count, counters: net.kern.counters.list().length,
      interfaces: net.kern.ifcnt, held: this.arp.params.held,
      handlers: net.ifaddrEvent.count + net.lladdrEvent.count + net.upDownEvent.count + net.departureEvent.count,
      protos: this.ip.protos.count + (net.ipInput === null ? 0 : 1) + (net.arpInput === null ? 0 : 1),
    };
  }
}

export const NOTHING_LEFT = { packets: 0, callouts: 0, sysctls: 0, counters: 0, interfaces: 0, held: 0, handlers: 0, protos: 0 };

export interface ArpSpec {
  readonly op?: 'request' | 'reply' | number;
  readonly sha: string;
  readonly spa: string;
  readonly tha?: string;
  readonly tpa: string;
  /** Link destination; broadcast for requests. */
  readonly to?: string;
}

/** An Ethernet frame with an ARP message, padded to 60 bytes. */
export function arpFrame(s: ArpSpec): Uint8Array {
  const f = new Uint8Array(60);
  const op = s.op === 'reply' ? ARPOP_REPLY : typeof s.op === 'number' ? s.op : ARPOP_REQUEST;
  putEther(f, s.to ?? (op === ARPOP_REPLY ? (s.tha ?? BROADCAST) : BROADCAST), s.sha, ETHERTYPE_ARP);
  const sha = mac(s.sha);
  const tha = s.tha === undefined ? new Uint8Array(6) : mac(s.tha);
  arpEmit(new DataView(f.buffer), ETHER_HDR_LEN, op, macHi(sha), macLo(sha), addr(s.spa), macHi(tha), macLo(tha), addr(s.tpa));
  return f;
}

function putEther(f: Uint8Array, dst: string, src: string, type: number): void {
  f.set(mac(dst));
  f.set(mac(src), 6);
  f[12] = type >> 8;
  f[13] = type & 255;
}

export interface IpSpec {
  readonly src: string;
  readonly dst: string;
  readonly proto?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and fragment offset as they stand in the header. */
  readonly off?: number;
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
}

/** An IPv4 packet with a right checksum. */
export function ipBytes(s: IpSpec): Uint8Array {
  const options = s.options ?? new Uint8Array(0);
  const payload = s.payload ?? new Uint8Array(8);
  const hl = IP4_HDR_LEN + options.length;
  const p = new Uint8Array(hl + payload.length);
  p.set(options, IP4_HDR_LEN);
  p.set(payload, hl);
  const { tos = 0, id = 1, off = 0, ttl = 64, proto = IPPROTO_UDP } = s;
  ip4Emit(new DataView(p.buffer), 0, hl, tos, p.length, id, off, ttl, proto, addr(s.src), addr(s.dst));
  return p;
}

/** The same in an Ethernet frame from `from` to `to`, padded to 60 bytes. */
export function ipFrame(to: string, from: string, packet: Uint8Array | IpSpec): Uint8Array {
  const bytes = packet instanceof Uint8Array ? packet : ipBytes(packet);
  const f = new Uint8Array(Math.max(60, ETHER_HDR_LEN + bytes.length));
  putEther(f, to, from, ETHERTYPE_IP);
  f.set(bytes, ETHER_HDR_LEN);
  return f;
}

/** An ICMP message with a right checksum. */
export function icmpBytes(type: number, code: number, rest: number, data: Uint8Array): Uint8Array {
  const p = new Uint8Array(8 + data.length);
  p.set(data, 8);
  icmp4Emit(new DataView(p.buffer), 0, p.length, type, code, rest);
  return p;
}

/** An echo request as payload of an IpSpec. */
export function echoRequest(seq: number, len = 56): { readonly proto: number; readonly payload: Uint8Array } {
  return { proto: IPPROTO_ICMP, payload: icmpBytes(ICMP_ECHO, 0, 0x1234_0000 + seq, Uint8Array.from({ length: len }, (_, i) => i & 255)) };
}

const ICMP_TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'echo reply', 3: 'unreachable', 5: 'redirect', 8: 'echo', 11: 'time exceeded', 12: 'parameter problem', 14: 'timestamp reply', 18: 'mask reply',
};

/** A frame as a line; see the file header. Throws when a checksum is wrong; with `headerOnly` the payload's may be (a router passes it on). */
export function frameLine(f: Uint8Array, headerOnly = false): string {
  const v = new DataView(f.buffer, f.byteOffset, f.length);
  const to = macFormat(f) === BROADCAST ? 'broadcast' : macFormat(f);
  const type = v.getUint16(12);
  if (type === ETHERTYPE_ARP) return `${arpLine(v)} > ${to}`;
  if (type !== ETHERTYPE_IP) return `type ${type} > ${to}`;
  return `${ipLine(f.subarray(ETHER_HDR_LEN), headerOnly)} > ${to}`;
}

function arpLine(v: DataView): string {
  const a = ETHER_HDR_LEN;
  assert(v.byteLength >= a + ARP_LEN, 'ARP message is whole');
  const sha = macFormatPair(v.getUint16(a + 8), v.getUint32(a + 10));
  const spa = ip4Format(v.getUint32(a + 14));
  const tpa = ip4Format(v.getUint32(a + 24));
  const op = v.getUint16(a + 6);
  if (op === ARPOP_REQUEST) return `arp request ${spa} is at ${sha} wants ${tpa}`;
  return `arp ${op === ARPOP_REPLY ? 'reply' : `op ${op}`} ${spa} is at ${sha} for ${tpa}`;
}

/** An IPv4 packet as a line: addresses, what it is, length, TTL, flags. */
export function ipLine(p: Uint8Array, headerOnly = false): string {
  const v = new DataView(p.buffer, p.byteOffset, p.length);
  const hl = (v.getUint8(0) & 15) * 4;
  assert(ip4Cksum(v, 0, hl) === 0, 'IPv4 header checksum is right');
  const len = v.getUint16(2);
  assert(len === p.length, 'IPv4 length is the length of the packet');
  const off = v.getUint16(6);
  const proto = v.getUint8(9);
  const flags = `${(off & 0x4000) !== 0 ? ' DF' : ''}${(off & 0x2000) !== 0 ? ' MF' : ''}${(off & 0x1fff) !== 0 ? ` off ${(off & 0x1fff) * 8}` : ''}`;
  const what = proto === IPPROTO_ICMP && (off & 0x3fff) === 0 && !headerOnly ? icmpLine(p.subarray(hl, len)) : `proto ${proto}`;
  return `ip ${ip4Format(v.getUint32(12))} > ${ip4Format(v.getUint32(16))} ${what} len ${len} ttl ${v.getUint8(8)}${flags}`;
}

function icmpLine(p: Uint8Array): string {
  const v = new DataView(p.buffer, p.byteOffset, p.length);
  assert(inCksum(v, 0, p.length) === 0, 'ICMP checksum is right');
  const type = v.getUint8(0);
  const code = v.getUint8(1);
  const name = `icmp ${ICMP_TYPE_NAMES[type] ?? type}`;
  if (type === 3 && code === 4) return `${name} 4 mtu ${v.getUint16(6)}`;
  if (type === 5) return `${name} ${code} to ${ip4Format(v.getUint32(4))}`;
  if (type === 12) return `${name} at ${v.getUint8(4)}`;
  return type === 3 || type === 11 ? `${name} ${code}` : name;
}
