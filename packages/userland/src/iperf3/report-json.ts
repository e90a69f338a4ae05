/**
 * report-json.ts — a test as iperf3's JSON document.
 * Read first: iperf_api.c of iperf 3.12 (the same functions as for report-text.ts).
 *
 * The document has `start`, `intervals`, `end`, and `error` when the test failed. It is printed when everything has been said, so a client that is interrupted prints what there is.
 */
import { rfc1123Text } from '../calendar.js';
import type { Proc } from '../proc.js';
import type { BufferNews, ConnectNews, IperfReporter } from './iperf-reporter.js';
import { IPERF_VERSION } from './iperf-settings.js';
import type { IperfInterval, IperfStream } from './iperf-stream.js';
import type { IperfTest } from './iperf-test.js';
import { directionSummary, shortAndEmpty } from './summary.js';
import type { DirectionSummary } from './summary.js';
import { systemInfo } from './system-info.js';

type Json = Record<string, unknown>;

/** Streams of all intervals that a document keeps; a client decides how many streams a server has, and for how long. */
const INTERVAL_STREAMS_MAX = 200_000;

export class JsonReporter implements IperfReporter {
  private readonly p: Proc;
  private readonly connectedStreams: Json[] = [];
  private readonly start: Json = { connected: this.connectedStreams };
  private readonly intervals: Json[] = [];
  private readonly end: Json = {};
  private readonly top: Json = { start: this.start, intervals: this.intervals, end: this.end };
  private title: string | null = null;
  private intervalStreams = 0;

  constructor(p: Proc) {
    this.p = p;
  }

  setTitle(title: string | null): void {
    this.title = title;
  }

  begin(): void {
    this.start['version'] = `iperf ${IPERF_VERSION}`;
    this.start['system_info'] = systemInfo(this.p);
  }

  connected(test: IperfTest, news: ConnectNews): void {
    const s = test.settings;
    this.start['timestamp'] = { time: rfc1123Text(news.wallUs), timesecs: Math.floor(news.wallUs / 1_000_000) };
    this.start[test.role === 'client' ? 'connecting_to' : 'accepted_connection'] = { host: news.host, port: news.port };
    this.start['cookie'] = test.cookie;
    if (!s.udp) this.start[s.mss > 0 ? 'tcp_mss' : 'tcp_mss_default'] = s.mss > 0 ? s.mss : news.mss;
    this.start['target_bitrate'] = s.rate;
    if (this.title !== null) this.top['title'] = this.title;
    if (s.extraData !== null) this.top['extra_data'] = s.extraData;
  }

  buffers(news: BufferNews): void {
    this.start['sock_bufsize'] = news.wanted;
    this.start['sndbuf_actual'] = news.send;
    this.start['rcvbuf_actual'] = news.receive;
  }

  stream(sp: IperfStream): void {
    const e = sp.ends;
    this.connectedStreams.push({ socket: sp.socket, local_host: e.localHost, local_port: e.localPort, remote_host: e.remoteHost, remote_port: e.remotePort });
  }

  testStart(test: IperfTest): void {
    const s = test.settings;
    this.start['test_start'] = {
      protocol: s.protocol, num_streams: s.parallel, blksize: s.blksize, omit: s.omit, duration: s.duration, bytes: s.bytes, blocks: s.blocks, reverse: s.reverse ? 1 : 0,
      tos: s.tos, target_bitrate: s.rate,
    };
  }

  omitDone(): void {}

  interval(test: IperfTest): void {
    if (shortAndEmpty(test) || this.intervalStreams >= INTERVAL_STREAMS_MAX) return;
    this.intervalStreams += test.streams.length;
    const streams: Json[] = [];
    const interval: Json = { streams };
    for (const sending of test.sides) {
      const side = test.streams.filter((sp) => sp.sender === sending && sp.last !== null);
      for (const sp of side) streams.push(intervalOf(test, sp, sp.last!));
      const first = test.streams[0];
      if (first !== undefined && first.last !== null) interval[sumName(test, sending, 'sum')] = intervalSum(test, sending, side, first, first.last);
    }
    this.intervals.push(interval);
  }

  results(test: IperfTest): void {
    this.interval(test);
    const streams: Json[] = [];
    this.end['streams'] = streams;
    for (const sending of test.sides) {
      const d = directionSummary(test, sending);
      streams.push(...d.streams.map((sp) => (test.settings.udp ? udpStream(sp, d) : tcpStream(sp, d))));
      if (test.settings.udp) this.udpSums(test, d);
      else this.tcpSums(test, d);
    }
    const [total, user, system] = test.remoteCpu;
    this.end['cpu_utilization_percent'] = { host_total: 0, host_user: 0, host_system: 0, remote_total: total, remote_user: user, remote_system: system };
    if (!test.settings.udp) {
      const last = test.sides.at(-1) === true;
      const [snd, rcv] = last ? [test.congestionUsed, test.remoteCongestionUsed] : [test.remoteCongestionUsed, test.congestionUsed];
      if (snd !== null) this.end['sender_tcp_congestion'] = snd;
      if (rcv !== null) this.end['receiver_tcp_congestion'] = rcv;
    }
    if (test.serverOutputJson !== null) this.top['server_output_json'] = test.serverOutputJson;
    if (test.serverOutputText !== null) this.top['server_output_text'] = test.serverOutputText;
  }

  private tcpSums(test: IperfTest, d: DirectionSummary): void {
    this.end[sumName(test, d.sending, 'sum_sent')] = { ...total(d.bytesSent, d.senderTime), ...(d.hasRetransmits && { retransmits: d.retransmits }), sender: d.sending };
    this.end[sumName(test, d.sending, 'sum_received')] = { ...total(d.bytesReceived, d.receiverTime), sender: d.sending };
  }

  private udpSums(test: IperfTest, d: DirectionSummary): void {
    const percent = d.packets > 0 ? (100 * d.lost) / d.packets : 0;
    const losses = { jitter_ms: d.jitter * 1000, lost_packets: d.lost };
    this.end[sumName(test, d.sending, 'sum')] = { ...total(d.bytesSent, d.receiverTime), ...losses, packets: d.packets, lost_percent: percent, sender: d.sending };
    this.end[sumName(test, d.sending, 'sum_sent')] = {
      ...total(d.bytesSent, d.senderTime), jitter_ms: 0, lost_packets: 0, packets: d.senderPackets, lost_percent: 0, sender: true,
    };
    this.end[sumName(test, d.sending, 'sum_received')] = {
      ...total(d.bytesReceived, d.receiverTime), ...losses, packets: d.receiverPackets, lost_percent: percent, sender: false,
    };
  }

  warning(text: string): void {
    this.p.err(`warning: ${text}\n`);
  }

  error(text: string): void {
    this.top['error'] = text;
  }

  finish(): void {
    this.p.out(`${JSON.stringify(this.top, null, '\t')}\n`);
  }

  serverOutput(): Readonly<Record<string, unknown>> {
    return { server_output_json: this.top };
  }
}

const perSec = (bytes: number, seconds: number): number => (seconds > 0 ? (8 * bytes) / seconds : 0);

/** What the server sends in a test of both directions has a name of its own, the same on both sides. */
function sumName(test: IperfTest, sending: boolean, name: string): string {
  return test.bidirectional && (test.role === 'client') !== sending ? `${name}_bidir_reverse` : name;
}

function total(bytes: number, seconds: number): Json {
  return { start: 0, end: seconds, seconds, bytes, bits_per_second: perSec(bytes, seconds) };
}

function span(sp: IperfStream, irp: IperfInterval, bytes: number): Json {
  return {
    start: Math.abs(irp.startUs - sp.startUs) / 1_000_000, end: (irp.endUs - sp.startUs) / 1_000_000, seconds: irp.seconds, bytes, bits_per_second: perSec(bytes, irp.seconds),
  };
}

function intervalOf(test: IperfTest, sp: IperfStream, irp: IperfInterval): Json {
  const head = { socket: sp.socket, ...span(sp, irp, irp.bytes) };
  const tail = { omitted: irp.omitted, sender: sp.sender };
  if (test.settings.udp) {
    if (sp.sender) return { ...head, packets: irp.packets, ...tail };
    return { ...head, jitter_ms: irp.jitter * 1000, lost_packets: irp.lost, packets: irp.packets, lost_percent: irp.packets > 0 ? (100 * irp.lost) / irp.packets : 0, ...tail };
  }
  if (irp.tcp === null) return { ...head, ...tail };
  const { cwnd, sndWnd, rttUs, rttvarUs, pmtu } = irp.tcp;
  return { ...head, retransmits: irp.retransmits, snd_cwnd: cwnd, snd_wnd: sndWnd, rtt: rttUs, rttvar: rttvarUs, pmtu, ...tail };
}

function intervalSum(test: IperfTest, sending: boolean, side: readonly IperfStream[], first: IperfStream, irp: IperfInterval): Json {
  const sum = (of: (i: IperfInterval) => number): number => side.reduce((n, sp) => n + (sp.last === null ? 0 : of(sp.last)), 0);
  const head = span(first, irp, sum((i) => i.bytes));
  const tail = { omitted: irp.omitted, sender: sending };
  const packets = sum((i) => i.packets);
  if (!test.settings.udp) return { ...head, ...(test.senderHasRetransmits === 1 && sending && { retransmits: sum((i) => i.retransmits) }), ...tail };
  if (sending) return { ...head, packets, ...tail };
  const lost = sum((i) => i.lost);
  const jitter = sum((i) => i.jitter) / test.settings.parallel;
  return { ...head, jitter_ms: jitter * 1000, lost_packets: lost, packets, lost_percent: packets > 0 ? (100 * lost) / packets : 0, ...tail };
}

function tcpStream(sp: IperfStream, d: DirectionSummary): Json {
  const tcp = {
    retransmits: sp.retransmits, max_snd_cwnd: sp.maxCwnd, max_snd_wnd: sp.maxSndWnd, max_rtt: sp.maxRttUs, min_rtt: sp.minRttUs, mean_rtt: sp.meanRttUs,
  };
  return {
    sender: { socket: sp.socket, ...total(sp.bytesSent - sp.bytesSentOmit, d.senderTime), ...(d.hasRetransmits && tcp), sender: d.sending },
    receiver: { socket: sp.socket, ...total(sp.bytesReceived, d.receiverTime), sender: d.sending },
  };
}

function udpStream(sp: IperfStream, d: DirectionSummary): Json {
  const [sent, got] = sp.sender ? [sp.packetCount, sp.peerPacketCount] : [sp.peerPacketCount, sp.packetCount];
  const lost = sp.cntError - sp.omittedCntError;
  const packets = (sent || got) - sp.omittedPacketCount;
  return {
    udp: {
      socket: sp.socket, ...total(sp.bytesSent - sp.bytesSentOmit, d.senderTime), jitter_ms: sp.jitter * 1000, lost_packets: lost, packets,
      lost_percent: sent - sp.omittedPacketCount > 0 ? (100 * lost) / (sent - sp.omittedPacketCount) : 0, out_of_order: sp.outOfOrder - sp.omittedOutOfOrder, sender: d.sending,
    },
  };
}
