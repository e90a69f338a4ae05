/**
 * tcp-peer.ts — a vnet with TCP, and a peer whose every segment the test writes.
 *
 * A TestPeer is the other end of a wire: `send` puts a segment in, from any address (the vnet's default route is the peer), `heard` takes what the
 * vnet sent since the last call. Segments are told in the words of tcpdump: `S`, `S.`, `.`, `P.`, `R`, `F.`
 *
 *     const p = new TestPeer();
 *     p.send({ flags: 'S', seq: 100, sport: 4000, dport: 80, options: 'mss sack ts=7 ws=3' });
 *     p.heard()   →   [{ text: 'S. ack 101', … }]
 */
import { SimNet } from './sim-net.js';
import { Wire } from './wire-script.js';
import { craftIp, ip4 } from './craft.js';
import { PF_INET, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4Format, macParse } from '../wire/addr.js';
import { inCksum4 } from '../wire/checksum.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { ICMP_UNREACH, icmp4Emit } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Dst, ip4P, ip4Src } from '../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP } from '../wire/ipproto.js';
import { TcpOptionsOut, tcpPackOptions } from '../wire/tcp-options.js';
import {
  TCP_HDR_LEN, TCP_MAXOLEN, TCP_SUM, TH_ACK, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TOF_FASTOPEN, TOF_SACKPERM, TOF_SCALE, TOF_SIGNATURE, TOF_TS, TcpOptions, tcpAck, tcpDport,
  tcpEmit, tcpFlags, tcpOff, tcpSeq, tcpSport, tcpWin,
} from '../wire/tcp.js';
import type { TcpEnds } from '../tcp/tcp-ends.js';
import type { TcpMd5 } from '../tcp/tcp-md5.js';

export const HOST = '192.0.2.1';
export const PEER = '192.0.2.2';
const HOST_MAC = '02:00:00:00:00:01';
const PEER_MAC = '02:00:00:00:00:02';
const FLAGS: readonly (readonly [number, string])[] = [[TH_FIN, 'F'], [TH_SYN, 'S'], [TH_RST, 'R'], [TH_PUSH, 'P'], [TH_ACK, '.']];

/** A segment to send. */
export interface Said {
  readonly flags: string;
  readonly seq: number;
  readonly ack?: number;
  readonly src?: string;
  readonly sport: number;
  readonly dport: number;
  readonly win?: number;
  /** `mss=1400 ws=3 sack ts=7 ecr=5 tfo tfo=0011…` */
  readonly options?: string;
  readonly data?: string;
  /** Signs it: the keys, and the ends as the peer sees them. */
  readonly md5?: { readonly keys: TcpMd5; readonly inc: TcpEnds };
  /** Breaks the digest. */
  readonly badDigest?: boolean;
}

/** A segment that the vnet sent. */
export interface Heard {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly win: number;
  readonly mss: number;
  readonly wscale: number;
  readonly sack: boolean;
  readonly tsval: number;
  readonly tsecr: number;
  readonly signed: boolean;
  /** The Fast Open cookie, hex; null without the option. */
  readonly cookie: string | null;
  readonly data: string;
  /** The IP packet. */
  readonly packet: Uint8Array;
}

export class TestPeer {
  readonly net: SimNet;
  readonly vnet: Vnet;
  readonly wire: Wire;

  constructor(seed = 1, mtu = 1_500) {
    this.net = new SimNet(seed);
    this.vnet = this.net.vnet('host');
    this.wire = new Wire(this.net, this.vnet, { mac: HOST_MAC, mtu });
    this.net.addr(this.vnet, this.wire.ifp, `${HOST}/24`);
    this.net.route(this.vnet, 'default', PEER);
    const mac = macParse(PEER_MAC);
    const error = mac === null ? -1 : this.call(() => this.vnet.arp.set(ip4(PEER), mac));
    if (error !== 0) throw new Error(`arp: ${error}`);
    this.wire.take();
  }

  get stats(): Vnet['tcp']['stats'] {
    return this.vnet.tcp.stats;
  }

  sysctl(name: string, value: number): void {
    const error = this.vnet.kern.sysctl.find(name)?.set(value);
    if (error !== 0) throw new Error(`sysctl ${name}=${value}: ${String(error)}`);
  }

  socket(): StreamSocket {
    const { so } = this.vnet.sockets.socket(PF_INET, SOCK_STREAM);
    if (so === null) throw new Error('no socket');
    return so;
  }

  listen(port: number, backlog = 10, ...options: string[]): StreamSocket {
    const so = this.socket();
    for (const o of options) if (so.setsockopt(o, 1) !== 0) throw new Error(o);
    const error = this.call(() => so.bind(0, port) || so.listen(backlog));
    if (error !== 0) throw new Error(`listen: ${error}`);
    return so;
  }

  /** Runs `work` as a program would. */
  call<T>(work: () => T): T {
    const result = this.net.kernel.call(this.net.now, work);
    this.net.kernel.settle();
    return result;
  }

  /** Virtual time passes. */
  pass(ms: number): this {
    this.net.run(ms * 1_000);
    return this;
  }

  send(s: Said): this {
    const th = segment(s);
    this.wire.in(craftIp({ src: PEER_MAC, dst: HOST_MAC }, { src: s.src ?? PEER, dst: HOST, proto: IPPROTO_TCP }, th));
    return this;
  }

  /** An ICMP error of `code` about `packet`, which the vnet sent. */
  unreach(packet: Uint8Array, code: number, mtu = 0): this {
    const quoted = packet.subarray(0, IP4_HDR_LEN + 8);
    const body = new Uint8Array(8 + quoted.length);
    body.set(quoted, 8);
    icmp4Emit(new DataView(body.buffer), 0, body.length, ICMP_UNREACH, code, mtu);
    this.wire.in(craftIp({ src: PEER_MAC, dst: HOST_MAC }, { src: PEER, dst: HOST, proto: IPPROTO_ICMP }, body));
    return this;
  }

  /** What TCP sent since the last call. */
  heard(): Heard[] {
    return this.wire.take().map((f) => f.bytes.subarray(ETHER_HDR_LEN)).filter((ip) => ip[0] === 0x45 && ip4P(new DataView(ip.buffer, ip.byteOffset), 0) === IPPROTO_TCP).map(heardOf);
  }

  /** The only segment TCP sent since the last call. */
  one(): Heard {
    const all = this.heard();
    if (all.length !== 1) throw new Error(`${all.length} segments instead of one: ${all.map(line).join('; ')}`);
    return all[0]!;
  }

  /** The same as lines. */
  lines(): string[] {
    return this.heard().map(line);
  }
}

/** `S. 1:1 ack 2 win 65535 <mss 1460,sackOK,...>` without the parts that are not there. */
export function line(h: Heard): string {
  const options = [
    h.mss > 0 ? `mss ${h.mss}` : '', h.wscale >= 0 ? `wscale ${h.wscale}` : '', h.sack ? 'sackOK' : '', h.tsval >= 0 ? 'TS' : '', h.signed ? 'md5' : '',
    h.cookie === null ? '' : `tfo ${h.cookie === '' ? 'request' : 'cookie'}`,
  ].filter((t) => t !== '').join(',');
  return `${h.flags}${options === '' ? '' : ` <${options}>`} length ${h.data.length}`;
}

function segment(s: Said): Uint8Array {
  const bytes = new Uint8Array(TCP_HDR_LEN + TCP_MAXOLEN + (s.data?.length ?? 0));
  const v = new DataView(bytes.buffer);
  const o = new TcpOptionsOut();
  for (const word of (s.options ?? '').split(' ')) option(o, word);
  o.signature = s.md5 !== undefined;
  const hl = TCP_HDR_LEN + tcpPackOptions(v, TCP_HDR_LEN, o);
  const flags = FLAGS.reduce((f, [bit, letter]) => (s.flags.includes(letter) ? f | bit : f), 0);
  tcpEmit(v, 0, s.sport, s.dport, s.seq, s.ack ?? 0, hl, flags, s.win ?? 65_535, 0);
  for (let i = 0; i < (s.data?.length ?? 0); i++) bytes[hl + i] = s.data!.charCodeAt(i);
  const len = hl + (s.data?.length ?? 0);
  if (s.md5 !== undefined) s.md5.keys.sign(v, 0, len, TCP_HDR_LEN + o.signatureAt, s.md5.inc);
  if (s.badDigest === true) v.setUint8(TCP_HDR_LEN + o.signatureAt, v.getUint8(TCP_HDR_LEN + o.signatureAt) ^ 1);
  v.setUint16(TCP_SUM, inCksum4(v, 0, len, ip4(s.src ?? PEER), ip4(HOST), IPPROTO_TCP));
  return bytes.subarray(0, len);
}

function option(o: TcpOptionsOut, word: string): void {
  const [name, value = ''] = word.split('=');
  if (name === 'mss') o.mss = Number(value || 1_460);
  else if (name === 'ws') o.wscale = Number(value);
  else if (name === 'sack') o.sackPermitted = true;
  else if (name === 'ts') [o.ts, o.tsval] = [true, Number(value)];
  else if (name === 'ecr') o.tsecr = Number(value);
  else if (name === 'tfo') {
    o.fastopenLen = value.length / 2;
    for (let i = 0; i < o.fastopenLen; i++) o.fastopenCookie[i] = parseInt(value.slice(2 * i, 2 * i + 2), 16);
  }
}

function heardOf(ip: Uint8Array): Heard {
  const v = new DataView(ip.buffer, ip.byteOffset, ip.length);
  const th = IP4_HDR_LEN;
  const o = new TcpOptions();
  o.parse(v, th);
  const bits = tcpFlags(v, th);
  const has = (bit: number): boolean => (o.flags & bit) !== 0;
  const hex = [...ip.subarray(o.fastopenOff, o.fastopenOff + o.fastopenLen)].map((b) => b.toString(16).padStart(2, '0')).join('');
  return {
    src: ip4Format(ip4Src(v, 0)), dst: ip4Format(ip4Dst(v, 0)), sport: tcpSport(v, th), dport: tcpDport(v, th),
    flags: FLAGS.filter(([bit]) => (bits & bit) !== 0).map(([, letter]) => letter).join(''), seq: tcpSeq(v, th), ack: tcpAck(v, th), win: tcpWin(v, th),
    mss: o.mss, wscale: has(TOF_SCALE) ? o.wscale : -1, sack: has(TOF_SACKPERM), tsval: has(TOF_TS) ? o.tsval : -1, tsecr: o.tsecr, signed: has(TOF_SIGNATURE),
    cookie: has(TOF_FASTOPEN) ? hex : null, data: String.fromCharCode(...ip.subarray(th + tcpOff(v, th), v.getUint16(2))), packet: ip.slice(),
  };
}
