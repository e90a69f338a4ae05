/**
 * summary.ts — the figures of a whole test, one direction at a time.
 * Read first: iperf_api.c of iperf 3.12 (iperf_print_results).
 *
 * Each side knows its own time; the other side's came with its results, and where it did not our own stands in.
 */
import type { IperfStream } from './iperf-stream.js';
import type { IperfTest } from './iperf-test.js';

/** The part of an interval below which one without data is not worth a line. */
const SHORT = 0.1;

export interface DirectionSummary {
  readonly sending: boolean;
  readonly streams: readonly IperfStream[];
  readonly hasRetransmits: boolean;
  /** Seconds. */
  readonly senderTime: number;
  readonly receiverTime: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly retransmits: number;
  readonly senderPackets: number;
  readonly receiverPackets: number;
  /** As the sender counts them, where it has said. */
  readonly packets: number;
  readonly lost: number;
  /** Mean, seconds. */
  readonly jitter: number;
}

/** The last interval is a remainder in which nothing came. */
export function shortAndEmpty(test: IperfTest): boolean {
  return test.streams.every((sp) => sp.last === null || (sp.last.seconds < test.intervalSec * SHORT && sp.last.bytes === 0));
}

export function directionSummary(test: IperfTest, sending: boolean): DirectionSummary {
  const streams = test.streams.filter((sp) => sp.sender === sending);
  const sum = (of: (sp: IperfStream) => number): number => streams.reduce((n, sp) => n + of(sp), 0);
  const first = streams[0];
  const here = first?.seconds ?? 0;
  const [senderTime, receiverTime] = sending ? [here, first?.receiverTime || here] : [first?.senderTime || here, here];
  const sent = (sp: IperfStream): number => (sp.sender ? sp.packetCount : sp.peerPacketCount);
  const got = (sp: IperfStream): number => (sp.sender ? sp.peerPacketCount : sp.packetCount);
  return {
    sending,
    streams,
    hasRetransmits: (test.bidirectional && !sending ? test.otherSideHasRetransmits : test.senderHasRetransmits) !== 0,
    senderTime,
    receiverTime,
    bytesSent: sum((sp) => sp.bytesSent - sp.bytesSentOmit),
    bytesReceived: sum((sp) => sp.bytesReceived),
    retransmits: sum((sp) => sp.retransmits),
    senderPackets: sum((sp) => sent(sp) - sp.omittedPacketCount),
    receiverPackets: sum((sp) => got(sp) - sp.omittedPacketCount),
    packets: sum((sp) => (sent(sp) || got(sp)) - sp.omittedPacketCount),
    lost: sum((sp) => sp.cntError - sp.omittedCntError),
    jitter: sum((sp) => sp.jitter) / Math.max(1, test.settings.parallel),
  };
}
