/**
 * script-packets.ts — a script's packets on the link: what it sends into the stack, and what it expects from it.
 *
 * Which connection a packet belongs to follows packetdrill: an inbound packet to a listener, or when there is no socket, makes a new one with the
 * next port of the far end; the SYN of a connect() is recognised by where it goes; everything else is about the last connection.
 */
import type { Micros } from '../../base/time.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TH_ACK, TH_FIN, TH_PUSH, TH_SYN, TH_URG } from '../../wire/tcp.js';
import { UDP_HDR_LEN, udpDport, udpEmit, udpSport } from '../../wire/udp.js';
import { Connection } from './connection.js';
import { icmpNumbers } from './icmp-names.js';
import { emitIpPacket, viewOf } from './ip-frame.js';
import type { IpHead, IpPacket } from './ip-frame.js';
import { checkIp, checkTcp } from './packet-check.js';
import { ipEquals } from './peer-address.js';
import { ScriptError, ScriptFailure } from './script.js';
import type { IcmpSpec, PacketSpec, TcpSpec, UdpSpec } from './script.js';
import type { ScriptHost } from './script-host.js';
import type { SentPacket } from './script-net.js';
import { emitTcp, formatTcp, readTcp } from './tcp-segment.js';
import type { TcpSegment } from './tcp-segment.js';

/** How much longer than the script says a packet is waited for, to say when it came. */
const PATIENCE_US = 2_000_000;
/** First port of the far end, for connections that it opens. */
const FIRST_PORT = 40_000;
/** What an ICMP error of a router quotes behind the IP header. */
const QUOTED_BYTES = 8;

/** Any packet of the connection. */
const ANY_PACKET: PacketSpec = {
  inbound: false,
  ip: { tosCheck: 'none', tos: 0, ttl: 0, flowLabel: 0 },
  body: { proto: 'udp', srcPort: 0, dstPort: 0, payload: 0 },
  text: '',
};

const seconds = (us: number): string => (us / 1e6).toFixed(6);

export class ScriptPackets {
  readonly patienceUs = PATIENCE_US;
  private readonly host: ScriptHost;
  private readonly log: (text: string) => void;
  private nextPort = FIRST_PORT;

  constructor(host: ScriptHost, log: (text: string) => void) {
    this.host = host;
    this.log = log;
  }

  /** Sends a packet of the script into the stack. */
  inject(spec: PacketSpec, line: number): void {
    const { body } = spec;
    this.log(`inbound  ${spec.text}`);
    if (body.proto === 'tcp') this.injectTcp(spec, body, line);
    else if (body.proto === 'udp') this.injectUdp(spec, body, line);
    else this.injectIcmp(spec, body, line);
  }

  private head(spec: PacketSpec, proto: number): IpHead {
    const { ip } = spec;
    return { src: this.host.config.remote, dst: this.host.config.local, proto, tos: ip.tosCheck === 'none' ? 0 : ip.tos, ttl: ip.ttl, flowLabel: ip.flowLabel };
  }

  private connection(line: number): Connection {
    return this.host.connection ?? this.none(line);
  }

  private none(line: number): never {
    throw new ScriptError(line, 'no matching socket for script packet');
  }

  /** The connection an inbound packet is for; a new one when it goes to a listener or to nobody. */
  private inboundConnection(body: TcpSpec): Connection {
    const have = this.host.connection;
    if (have !== null && have.protocol === 'tcp' && have.phase !== 'listening' && have.phase !== 'new') return have;
    const { config } = this.host;
    const made = new Connection('tcp');
    made.local = { ip: config.local, port: config.bindPort };
    made.remote = { ip: config.remote, port: this.nextPort++ };
    made.received(body);
    this.host.connection = made;
    return made;
  }

  private injectTcp(spec: PacketSpec, body: TcpSpec, line: number): void {
    const c = this.inboundConnection(body);
    if (c.phase === 'syn sent' && (body.flags & TH_SYN) !== 0) c.answered(body);
    if ((body.flags & TH_URG) !== 0) this.host.inIsPattern = false;
    const segment = c.toLive(body, this.host.config.tsEcrScaled);
    if (typeof segment === 'string') throw new ScriptError(line, segment);
    this.host.inject(this.head(spec, IPPROTO_TCP), emitTcp(segment));
  }

  private injectUdp(spec: PacketSpec, body: UdpSpec, line: number): void {
    const { config } = this.host;
    const c = this.connection(line);
    c.local ??= { ip: config.local, port: this.host.datagramPort ?? config.bindPort };
    c.remote ??= { ip: config.remote, port: config.connectPort };
    const out = new Uint8Array(UDP_HDR_LEN + body.payload);
    udpEmit(viewOf(out), 0, body.srcPort || c.remote.port, body.dstPort || c.local.port, out.length, 0);
    this.host.inject(this.head(spec, IPPROTO_UDP), out);
  }

  private injectIcmp(spec: PacketSpec, body: IcmpSpec, line: number): void {
    const { ipv6 } = this.host.config;
    const numbers = icmpNumbers(ipv6, body.type, body.code);
    if (typeof numbers === 'string') throw new ScriptError(line, numbers);
    const quote = body.type.startsWith('echo_') ? new Uint8Array(0) : this.quoted(body, line);
    const message = new Uint8Array(8 + quote.length);
    message.set(quote, 8);
    message[0] = numbers.type;
    message[1] = numbers.code;
    viewOf(message).setUint32(4, body.mtu >= 0 ? body.mtu : body.id << 16);
    this.host.inject(this.head(spec, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP), message);
  }

  /** The beginning of a packet of ours, as a router would send it back. */
  private quoted({ quoted }: IcmpSpec, line: number): Uint8Array {
    const c = this.connection(line);
    const { local, remote } = c;
    if (local === null || remote === null) return this.none(line);
    const proto = quoted.proto === 'tcp' ? IPPROTO_TCP : IPPROTO_UDP;
    const head: IpHead = { src: local.ip, dst: remote.ip, proto, tos: 0, ttl: 0, flowLabel: 0 };
    let packet: Uint8Array;
    if (quoted.proto === 'tcp') {
      const empty = new Uint8Array(0);
      const segment = { sport: local.port, dport: remote.port, seq: c.liveSeq(quoted.seq), ack: 0, flags: 0, win: 0, urp: 0, options: empty, data: new Uint8Array(quoted.payload) };
      packet = emitIpPacket(head, emitTcp(segment));
    } else {
      const out = new Uint8Array(UDP_HDR_LEN + quoted.payload);
      udpEmit(viewOf(out), 0, local.port, remote.port, out.length, 0);
      packet = emitIpPacket(head, out);
    }
    return packet.slice(0, (local.ip.length === 16 ? 40 : 20) + QUOTED_BYTES);
  }

  /** Waits for the next packet of the connection, and compares it; returns when it was sent. `advance` lets time pass until its argument says so. */
  expect(spec: PacketSpec, line: number, advance: (stop: () => boolean) => void): Micros {
    const c = this.connection(line);
    const found = this.take(c, spec, advance);
    if (found === null) throw new ScriptFailure(line, `expected ${spec.text}\n  the stack has sent nothing by ${seconds(this.host.nowUs)}`);
    const { body } = spec;
    const problem = checkIp(spec.ip, found.ip);
    if (body.proto === 'tcp') this.expectTcp(c, spec, body, found, line, problem, advance);
    else if (body.proto === 'udp') this.expectUdp(spec, body, found, line, problem);
    else this.expectIcmp(spec, body, found, line, problem);
    return found.time;
  }

  private expectTcp(c: Connection, spec: PacketSpec, body: TcpSpec, first: SentPacket, line: number, ipProblem: string | null, advance: (stop: () => boolean) => void): void {
    const live = readTcp(first.ip.payload);
    if (live === null) throw new ScriptFailure(line, 'the TCP header is not whole');
    this.learn(c, body, live, first.ip);
    const whole = this.host.config.strictSegments ? live : this.joined(c, body, live, spec, advance);
    const got = c.toScript(whole, body);
    this.log(`outbound > ${formatTcp(got)}`);
    const { config } = this.host;
    const toleranceUs = Math.max(config.toleranceUs, (config.tolerancePercent / 100) * this.host.nowUs);
    const place = this.host.outIsPattern && body.payload > 0 && !body.absolute ? c.placeOf(got.flags, got.seq) : -1;
    const problem = ipProblem ?? checkTcp(body, got, place, { anyInSyn: config.anySynOptions, tickUs: config.tsTickUs, toleranceUs, echoes: config.strict });
    if (problem !== null) throw new ScriptFailure(line, `${problem}\n  script packet: ${spec.text}\n  actual packet: > ${formatTcp(got)} (at ${seconds(first.time)})`);
  }

  /** What the first packet of a connection tells about it. */
  private learn(c: Connection, body: TcpSpec, live: TcpSegment, ip: IpPacket): void {
    const syn = live.flags & (TH_SYN | TH_ACK);
    if (c.phase === 'connecting' && syn === TH_SYN) {
      c.local = { ip: ip.src, port: live.sport };
      c.sent(body.seq ?? 0, live.seq);
      c.phase = 'syn sent';
    } else if (c.phase === 'packet received' && syn === (TH_SYN | TH_ACK)) {
      c.sent(body.seq ?? 0, live.seq);
      c.phase = 'syn-ack sent';
    }
  }

  /** Segments that follow each other, up to the length that the script writes as one. */
  private joined(c: Connection, body: TcpSpec, first: TcpSegment, spec: PacketSpec, advance: (stop: () => boolean) => void): TcpSegment {
    let whole = first;
    while (whole.data.length > 0 && whole.data.length < body.payload) {
      const next = this.peek(c, spec, advance);
      const more = next === null ? null : readTcp(next.ip.payload);
      if (more === null || more.seq !== ((whole.seq + whole.data.length) >>> 0) || more.data.length === 0 || more.ack !== whole.ack) break;
      this.host.sent.splice(this.host.sent.indexOf(next!), 1);
      const data = new Uint8Array(whole.data.length + more.data.length);
      data.set(whole.data);
      data.set(more.data, whole.data.length);
      whole = { ...more, seq: whole.seq, flags: whole.flags | (more.flags & (TH_FIN | TH_PUSH)), data };
    }
    return whole;
  }

  private expectUdp(spec: PacketSpec, body: UdpSpec, { ip, time }: SentPacket, line: number, ipProblem: string | null): void {
    const got = ip.payload.length - UDP_HDR_LEN;
    const { connection } = this.host;
    if (connection !== null) connection.local ??= { ip: ip.src, port: udpSport(viewOf(ip.payload), 0) };
    this.log(`outbound > udp (${got})`);
    const problem = ipProblem ?? (got === body.payload ? null : `payload: expected ${body.payload} bytes, got ${got}`);
    if (problem !== null) throw new ScriptFailure(line, `${problem}\n  script packet: ${spec.text}\n  actual packet: > udp (${got}) (at ${seconds(time)})`);
  }

  private expectIcmp(spec: PacketSpec, body: IcmpSpec, { ip, time }: SentPacket, line: number, ipProblem: string | null): void {
    const numbers = icmpNumbers(this.host.config.ipv6, body.type, body.code);
    if (typeof numbers === 'string') throw new ScriptError(line, numbers);
    const [type, code] = ip.payload;
    this.log(`outbound > icmp type ${type} code ${code}`);
    const problem = ipProblem ?? (type === numbers.type && code === numbers.code ? null : `expected type ${numbers.type} code ${numbers.code}, got type ${type} code ${code}`);
    if (problem !== null) throw new ScriptFailure(line, `${problem}\n  script packet: ${spec.text} (at ${seconds(time)})`);
  }

  private take(c: Connection, spec: PacketSpec, advance: (stop: () => boolean) => void): SentPacket | null {
    const found = this.peek(c, spec, advance);
    if (found === null) return null;
    const { sent } = this.host;
    sent.splice(0, sent.indexOf(found) + 1);
    return found;
  }

  private peek(c: Connection, spec: PacketSpec, advance: (stop: () => boolean) => void): SentPacket | null {
    const mine = (): SentPacket | undefined => this.host.sent.find(({ ip }) => this.isFor(c, spec, ip));
    this.host.settle();
    if (mine() === undefined) advance(() => mine() !== undefined);
    return mine() ?? null;
  }

  /** Whether a packet of the stack can be the one that `spec` is about. */
  private isFor(c: Connection, spec: PacketSpec, ip: IpPacket): boolean {
    const { remote, local } = c;
    if (spec.body.proto === 'icmp') return ip.proto === IPPROTO_ICMP || ip.proto === IPPROTO_ICMPV6;
    if (remote === null || !ipEquals(ip.dst, remote.ip) || ip.proto !== (c.protocol === 'tcp' ? IPPROTO_TCP : IPPROTO_UDP)) return false;
    const view = viewOf(ip.payload);
    const [sport, dport] = [udpSport(view, 0), udpDport(view, 0)]; // the ports of TCP are in the same place
    const { srcPort, dstPort } = spec.body;
    if (c.protocol === 'tcp' && c.phase === 'connecting') return dport === remote.port && ((readTcp(ip.payload)?.flags ?? 0) & TH_SYN) !== 0;
    return dport === (dstPort || remote.port) && sport === (srcPort || (local?.port ?? sport));
  }

  /** Packets of the connection that the script has said nothing about; null when there are none. */
  leftOver(): string | null {
    const c = this.host.connection;
    if (c === null || c.protocol !== 'tcp' || c.local === null) return null;
    const found = this.host.sent.find(({ ip }) => this.isFor(c, ANY_PACKET, ip));
    const live = found === undefined ? null : readTcp(found.ip.payload);
    return live === null ? null : `> ${formatTcp(c.toScript(live, null))} (at ${seconds(found!.time)})`;
  }
}
