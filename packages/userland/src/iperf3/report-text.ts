/**
 * report-text.ts — a test in iperf3's lines.
 * Read first: iperf_locale.c and iperf_api.c of iperf 3.12 (iperf_print_intermediate, iperf_print_results).
 *
 * A client prints every line behind its title; a server keeps a copy of its lines for a client that wants them.
 */
import { warnx } from '../err.js';
import { rfc1123Text } from '../calendar.js';
import type { Proc } from '../proc.js';
import type { ConnectNews, IperfReporter } from './iperf-reporter.js';
import { IPERF_VERSION } from './iperf-settings.js';
import type { IperfInterval, IperfStream } from './iperf-stream.js';
import type { IperfTest } from './iperf-test.js';
import { percentText, rateText, sizeText } from './iperf-units.js';
import { directionSummary, shortAndEmpty } from './summary.js';
import type { DirectionSummary } from './summary.js';
import { systemInfo } from './system-info.js';

const SEPARATOR = '- - - - - - - - - - - - - - - - - - - - - - - - -\n';
const COLUMNS = 'Interval           Transfer     Bitrate';
const UDP_COLUMNS = '         Jitter    Lost/Total Datagrams';
/** Characters kept for a client that wants a server's output. */
const KEPT_MAX = 1_048_576;
/** What stands where a two-way test's senders have no jitter. */
const NO_JITTER = '          ';

interface UdpFigures {
  readonly jitter: number;
  readonly lost: number;
  readonly total: number;
  readonly percent: number;
}

export class TextReporter implements IperfReporter {
  private readonly p: Proc;
  private readonly format: string;
  private readonly verbose: boolean;
  private title = '';
  private headed = false;
  private keep = false;
  private kept = '';

  constructor(p: Proc, format: string, verbose: boolean) {
    this.p = p;
    this.format = format;
    this.verbose = verbose;
  }

  /** The title stands before every line from the start. */
  setTitle(title: string | null): void {
    this.title = title === null ? '' : `${title}:  `;
  }

  begin(): void {
    if (!this.verbose) return;
    this.print(`iperf ${IPERF_VERSION}\n`);
    this.print(`${systemInfo(this.p)}\n`);
  }

  connected(test: IperfTest, news: ConnectNews): void {
    const s = test.settings;
    this.keep = test.role === 'server' && s.getServerOutput;
    if (this.verbose) this.print(`Time: ${rfc1123Text(news.wallUs)}\n`);
    if (test.role === 'client') {
      this.print(`Connecting to host ${news.host}, port ${news.port}\n`);
      if (s.reverse) this.print(`Reverse mode, remote host ${news.host} is sending\n`);
    } else {
      this.print(`Accepted connection from ${news.host}, port ${news.port}\n`);
    }
    if (!this.verbose) return;
    this.print(`      Cookie: ${test.cookie}\n`);
    if (!s.udp) this.print(s.mss > 0 ? `      TCP MSS: ${s.mss}\n` : `      TCP MSS: ${news.mss} (default)\n`);
    if (s.rate > 0) this.print(`      Target Bitrate: ${s.rate}\n`);
  }

  buffers(): void {}

  stream(sp: IperfStream): void {
    const { localHost, localPort, remoteHost, remotePort } = sp.ends;
    this.print(`[${number(sp.socket, 3)}] local ${localHost} port ${localPort} connected to ${remoteHost} port ${remotePort}\n`);
  }

  testStart(test: IperfTest): void {
    if (!this.verbose) return;
    const s = test.settings;
    const until = s.bytes > 0 ? `${s.bytes} bytes to send` : s.blocks > 0 ? `${s.blocks} blocks to send` : `${s.duration} second test`;
    this.print(`Starting Test: protocol: ${s.protocol}, ${s.parallel} streams, ${s.blksize} byte blocks, omitting ${s.omit} seconds, ${until}, tos ${s.tos}\n`);
  }

  omitDone(test: IperfTest): void {
    if (this.verbose && test.intervalSec === 0) this.print('Finished omit period, starting real test\n');
  }

  interval(test: IperfTest): void {
    if (shortAndEmpty(test)) return;
    if (!this.headed) this.print(this.intervalHeader(test));
    else if (test.settings.parallel > 1) this.print(SEPARATOR);
    this.headed = true;
    for (const sending of test.sides) this.intervalSide(test, sending);
  }

  private intervalHeader(test: IperfTest): string {
    const role = test.bidirectional ? '[ ID][Role]' : '[ ID]';
    const s = test.settings;
    if (!s.udp) return `${role} ${COLUMNS}${test.senderHasRetransmits === 1 ? '         Retr  Cwnd' : ''}\n`;
    return `${role} ${COLUMNS}${test.sides[0] === true && !test.bidirectional ? '         Total Datagrams' : UDP_COLUMNS}\n`;
  }

  private intervalSide(test: IperfTest, sending: boolean): void {
    const mark = roleMark(test, sending);
    const streams = test.streams.filter((sp) => sp.sender === sending);
    const sum = { bytes: 0, retransmits: 0, packets: 0, lost: 0, jitter: 0 };
    for (const sp of streams) {
      const irp = sp.last;
      if (irp === null) continue;
      this.print(`[${number(sp.socket, 3)}]${mark} ${this.span(sp, irp, irp.bytes)}${this.intervalTail(test, sp, irp)}\n`);
      sum.bytes += irp.bytes;
      sum.retransmits += irp.retransmits;
      sum.packets += irp.packets;
      sum.lost += irp.lost;
      sum.jitter += irp.jitter;
    }
    const first = test.streams[0];
    if (test.settings.parallel < 2 || first === undefined || first.last === null) return;
    const omitted = first.last.omitted ? '(omitted)' : '';
    const head = `[SUM]${mark} ${this.span(first, first.last, sum.bytes)}`;
    if (!test.settings.udp) {
      const retr = test.senderHasRetransmits === 1 && sending ? `  ${number(sum.retransmits, 3)}             ` : TCP_BLANK;
      this.print(`${head}${retr}${omitted}\n`);
    } else if (sending) {
      this.print(`${head} ${test.bidirectional ? NO_JITTER : ''} ${sum.packets}  ${omitted}\n`);
    } else {
      this.print(`${head}${udpTail({ jitter: sum.jitter / test.settings.parallel, lost: sum.lost, total: sum.packets, percent: percent(sum.lost, sum.packets) })}${omitted}\n`);
    }
  }

  private span(sp: IperfStream, irp: IperfInterval, bytes: number): string {
    const rate = irp.seconds > 0 ? bytes / irp.seconds : 0;
    return this.amounts(Math.abs(irp.startUs - sp.startUs) / 1_000_000, (irp.endUs - sp.startUs) / 1_000_000, bytes, rate);
  }

  private amounts(startSec: number, endSec: number, bytes: number, bytesPerSec: number): string {
    return `${startSec.toFixed(2).padStart(6)}-${endSec.toFixed(2).padEnd(6)} sec  ${sizeText(bytes)}s  ${rateText(bytesPerSec, this.format)}s/sec`;
  }

  private intervalTail(test: IperfTest, sp: IperfStream, irp: IperfInterval): string {
    const omitted = irp.omitted ? '(omitted)' : '';
    if (test.settings.udp) {
      if (sp.sender) return ` ${test.bidirectional ? NO_JITTER : ''} ${irp.packets}  ${omitted}`;
      return `${udpTail({ jitter: irp.jitter, lost: irp.lost, total: irp.packets, percent: percent(irp.lost, irp.packets) })}${omitted}`;
    }
    if (irp.tcp === null) return `${TCP_BLANK}${omitted}`;
    return `  ${number(irp.retransmits, 3)}   ${sizeText(irp.tcp.cwnd)}s       ${omitted}`;
  }

  results(test: IperfTest): void {
    this.interval(test);
    this.print(SEPARATOR);
    if (this.verbose) this.print('Test Complete. Summary Results:\n');
    const role = test.bidirectional ? '[ ID][Role]' : '[ ID]';
    const retransmits = test.senderHasRetransmits !== 0 || test.otherSideHasRetransmits !== 0;
    this.print(`${role} ${COLUMNS}${test.settings.udp ? UDP_COLUMNS : retransmits ? '         Retr' : ''}\n`);
    for (const sending of test.sides) this.resultsSide(test, directionSummary(test, sending));
    if (this.verbose) this.verboseEnd(test);
    if (test.serverOutputJson !== null) this.print(`\nServer JSON output:\n${JSON.stringify(test.serverOutputJson, null, '\t')}\n`);
    if (test.serverOutputText !== null) this.print(`\nServer output:\n${test.serverOutputText}\n`);
  }

  private resultsSide(test: IperfTest, d: DirectionSummary): void {
    const mark = roleMark(test, d.sending);
    for (const sp of d.streams) {
      const bytesSent = sp.bytesSent - sp.bytesSentOmit;
      const head = `[${number(sp.socket, 3)}]`;
      const sent = `${head}${mark} ${this.amounts(0, d.senderTime, bytesSent, perSec(bytesSent, d.senderTime))}`;
      const got = `${head}${mark} ${this.amounts(0, d.receiverTime, sp.bytesReceived, perSec(sp.bytesReceived, d.receiverTime))}`;
      const [sentPackets, gotPackets] = sp.sender ? [sp.packetCount, sp.peerPacketCount] : [sp.peerPacketCount, sp.packetCount];
      const total = gotPackets - sp.omittedPacketCount;
      const lost = sp.cntError - sp.omittedCntError;
      const udp: UdpFigures = { jitter: sp.jitter, lost, total, percent: percent(lost, total) };
      this.endLines(test, d, head, {
        sent, got, retransmits: sp.retransmits, sentUdp: { jitter: 0, lost: 0, total: sentPackets - sp.omittedPacketCount, percent: 0 }, gotUdp: udp,
      });
      const outOfOrder = sp.outOfOrder - sp.omittedOutOfOrder;
      if (test.settings.udp && outOfOrder > 0) this.print(`[SUM]${mark}  0.0-${d.senderTime.toFixed(1).padStart(4)} sec  ${outOfOrder} datagrams received out-of-order\n`);
    }
    if (test.settings.parallel < 2) return;
    this.endLines(test, d, '[SUM]', {
      sent: `[SUM]${mark} ${this.amounts(0, d.senderTime, d.bytesSent, perSec(d.bytesSent, d.senderTime))}`,
      got: `[SUM]${mark} ${this.amounts(0, d.receiverTime, d.bytesReceived, perSec(d.bytesReceived, d.receiverTime))}`,
      retransmits: d.retransmits,
      sentUdp: { jitter: 0, lost: 0, total: d.senderPackets, percent: 0 },
      gotUdp: { jitter: d.jitter, lost: d.lost, total: d.receiverPackets, percent: percent(d.lost, d.packets) },
    });
  }

  /** The sender's line and the receiver's; a server has not been told the other side's. */
  private endLines(test: IperfTest, d: DirectionSummary, head: string, line: EndLines): void {
    const server = test.role === 'server';
    if (server && !d.sending) {
      if (this.verbose) this.print(`${head} (sender statistics not available)\n`);
    } else if (test.settings.udp) {
      this.print(`${line.sent}${udpTail(line.sentUdp)}sender\n`);
    } else {
      this.print(`${line.sent}${d.hasRetransmits ? `  ${number(line.retransmits, 3)}             ` : TCP_BLANK}sender\n`);
    }
    if (server && d.sending) {
      if (this.verbose) this.print(`${head} (receiver statistics not available)\n`);
    } else {
      this.print(`${line.got}${test.settings.udp ? udpTail(line.gotUdp) : TCP_BLANK}receiver\n`);
    }
  }

  private verboseEnd(test: IperfTest): void {
    const [total, user, system] = test.remoteCpu;
    for (const sending of test.sides) {
      const [here, there] = sending ? ['sender', 'receiver'] : ['receiver', 'sender'];
      if (sending || test.bidirectional) {
        this.print(`CPU Utilization: local/${here} 0.0% (0.0%u/0.0%s), remote/${there} ${total.toFixed(1)}% (${user.toFixed(1)}%u/${system.toFixed(1)}%s)\n`);
      }
    }
    const [snd, rcv] = test.sides[0] === true ? [test.congestionUsed, test.remoteCongestionUsed] : [test.remoteCongestionUsed, test.congestionUsed];
    if (snd !== null) this.print(`snd_tcp_congestion ${snd}\n`);
    if (rcv !== null) this.print(`rcv_tcp_congestion ${rcv}\n`);
  }

  warning(text: string): void {
    this.p.err(`warning: ${text}\n`);
  }

  error(text: string): void {
    warnx(this.p, text);
  }

  finish(test: IperfTest | null, completed: boolean): void {
    if (!completed || test?.role !== 'client') return;
    this.print('\n');
    this.print('iperf Done.\n');
  }

  serverOutput(): Readonly<Record<string, unknown>> {
    return { server_output_text: this.kept };
  }

  private print(text: string): void {
    this.p.out(this.title + text);
    if (this.keep && this.kept.length < KEPT_MAX) this.kept += text;
  }
}

interface EndLines {
  readonly sent: string;
  readonly got: string;
  readonly retransmits: number;
  readonly sentUdp: UdpFigures;
  readonly gotUdp: UdpFigures;
}

/** What a line of TCP has where a sender's has Retr and Cwnd. */
const TCP_BLANK = '                  ';

const number = (n: number, width: number): string => String(n).padStart(width);

const perSec = (bytes: number, seconds: number): number => (seconds > 0 ? bytes / seconds : 0);

const percent = (lost: number, total: number): number => (total > 0 ? (100 * lost) / total : 0);

function udpTail(u: UdpFigures): string {
  return `  ${(u.jitter * 1000).toFixed(3).padStart(5)} ms  ${u.lost}/${u.total} (${percentText(u.percent)}%)  `;
}

/** `[TX-C]` and the like, in a test of both directions. */
function roleMark(test: IperfTest, sending: boolean): string {
  return test.bidirectional ? `[${sending ? 'TX' : 'RX'}-${test.role === 'client' ? 'C' : 'S'}]` : '';
}
