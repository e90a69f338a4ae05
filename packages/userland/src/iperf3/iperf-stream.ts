/**
 * iperf-stream.ts — what is counted of one stream of a test: bytes, datagrams, jitter, and what TCP says.
 * Read first: iperf_api.c of iperf 3.12 (iperf_stats_callback, iperf_reset_stats); RFC 1889 §6.3.1 and A.8 for jitter.
 *
 * Theory of operation. The data path (iperf-tcp.ts, iperf-udp.ts) adds to the counters; `endInterval` cuts an interval off them. At the end of the omitted time
 * `reset` makes everything so far not count. The other side's figures come with its results and are kept beside our own.
 *
 * Invariants: counters are those since `startUs`, but for `packetCount`, `cntError` and `outOfOrder`, which run from the first datagram and have `omitted*`
 * beside them, as the numbers in the datagrams do.
 */

/** What a connection says of itself (TCP_INFO), in bytes and microseconds. */
export interface TcpFigures {
  /** Segments sent again since the connection began. */
  readonly retransmits: number;
  readonly cwnd: number;
  readonly sndWnd: number;
  readonly rttUs: number;
  readonly rttvarUs: number;
  readonly pmtu: number;
}

/** A piece of a test between two reports. */
export interface IperfInterval {
  readonly startUs: number;
  readonly endUs: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly omitted: boolean;
  /** TCP senders. */
  readonly retransmits: number;
  readonly tcp: TcpFigures | null;
  /** UDP. */
  readonly packets: number;
  readonly lost: number;
  /** Seconds. */
  readonly jitter: number;
}

/** Which end of a socket is where, in words. */
export interface StreamEnds {
  readonly localHost: string;
  readonly localPort: number;
  readonly remoteHost: string;
  readonly remotePort: number;
}

const NO_FIGURES: TcpFigures = { retransmits: 0, cwnd: 0, sndWnd: 0, rttUs: 0, rttvarUs: 0, pmtu: 0 };

export class IperfStream {
  /** What the other side calls it: 1, 3, 4, ... iperf3 leaves out 2. */
  readonly id: number;
  /** What the reports call it; iperf3's is a file descriptor. */
  readonly socket: number;
  readonly sender: boolean;
  ends: StreamEnds = { localHost: '', localPort: 0, remoteHost: '', remotePort: 0 };
  startUs = 0;
  /** When the test began, omitted time included: what a bitrate is measured from. */
  startFixedUs = 0;
  endUs = 0;

  bytesSent = 0;
  bytesSentOmit = 0;
  bytesReceived = 0;
  intervalBytes = 0;
  last: IperfInterval | null = null;

  retransmits = 0;
  private retransmitsBefore = 0;
  maxCwnd = 0;
  maxSndWnd = 0;
  maxRttUs = 0;
  minRttUs = 0;
  private sumRttUs = 0;
  private rttSamples = 0;

  packetCount = 0;
  peerPacketCount = 0;
  cntError = 0;
  outOfOrder = 0;
  omittedPacketCount = 0;
  omittedCntError = 0;
  omittedOutOfOrder = 0;
  jitter = 0;
  private prevTransitSec = 0;
  private packetsBefore = 0;
  private errorsBefore = 0;

  /** Seconds the sender and the receiver were at it; 0: nobody has said. */
  senderTime = 0;
  receiverTime = 0;

  /** The figures of its connection; null for UDP. */
  figures: (() => TcpFigures) | null = null;

  constructor(index: number, sender: boolean) {
    this.id = index === 0 ? 1 : index + 2;
    this.socket = 5 + 2 * index;
    this.sender = sender;
  }

  get meanRttUs(): number {
    return this.rttSamples === 0 ? 0 : Math.trunc(this.sumRttUs / this.rttSamples);
  }

  /** Whole seconds of the test so far, in fractions. */
  get seconds(): number {
    return (this.endUs - this.startUs) / 1_000_000;
  }

  start(nowUs: number): void {
    this.startUs = nowUs;
    this.startFixedUs = nowUs;
    this.endUs = nowUs;
  }

  /** A datagram has arrived: its number, and when it was sent and came, in seconds of two clocks. */
  received(bytes: number, number: number, sentSec: number, arrivedSec: number): void {
    const first = this.bytesReceived === 0;
    this.bytesReceived += bytes;
    this.intervalBytes += bytes;
    if (number >= this.packetCount + 1) {
      this.cntError += number - 1 - this.packetCount;
      this.packetCount = number;
    } else {
      this.outOfOrder++;
      if (this.cntError > 0) this.cntError--;
    }
    const transit = arrivedSec - sentSec;
    if (first) this.prevTransitSec = transit;
    this.jitter += (Math.abs(transit - this.prevTransitSec) - this.jitter) / 16;
    this.prevTransitSec = transit;
  }

  /** Cuts an interval off: from the end of the one before (or the start) to now. */
  endInterval(nowUs: number, omitted: boolean, tcpSender: boolean): void {
    const startUs = this.last === null ? this.startUs : this.endUs;
    this.endUs = nowUs;
    const tcp = tcpSender && this.figures !== null ? this.figures() : null;
    let retransmits = 0;
    if (tcp !== null) {
      retransmits = tcp.retransmits - this.retransmitsBefore;
      this.retransmitsBefore = tcp.retransmits;
      this.retransmits += retransmits;
      this.sample(tcp);
    }
    this.last = {
      startUs, endUs: nowUs, seconds: (nowUs - startUs) / 1_000_000, bytes: this.intervalBytes, omitted, retransmits, tcp,
      packets: this.packetCount - this.packetsBefore, lost: this.cntError - this.errorsBefore, jitter: this.jitter,
    };
    this.packetsBefore = this.packetCount;
    this.errorsBefore = this.cntError;
    this.intervalBytes = 0;
  }

  private sample(tcp: TcpFigures): void {
    this.maxCwnd = Math.max(this.maxCwnd, tcp.cwnd);
    this.maxSndWnd = Math.max(this.maxSndWnd, tcp.sndWnd);
    this.maxRttUs = Math.max(this.maxRttUs, tcp.rttUs);
    this.minRttUs = this.minRttUs === 0 ? tcp.rttUs : Math.min(this.minRttUs, tcp.rttUs);
    this.sumRttUs += tcp.rttUs;
    this.rttSamples++;
  }

  /** The omitted time is over: what was counted does not count. */
  reset(nowUs: number): void {
    this.omittedPacketCount = this.packetCount;
    this.omittedCntError = this.cntError;
    this.omittedOutOfOrder = this.outOfOrder;
    this.jitter = 0;
    this.bytesSentOmit = this.bytesSent;
    this.bytesReceived = 0;
    this.intervalBytes = 0;
    this.retransmitsBefore = (this.figures?.() ?? NO_FIGURES).retransmits;
    this.retransmits = 0;
    this.startUs = nowUs;
    this.endUs = nowUs;
  }
}
