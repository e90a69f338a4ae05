/**
 * iperf-results.ts — what both sides tell each other when a test is over.
 * Read first: iperf_api.c of iperf 3.12 (send_results, get_results).
 *
 * Both sides hold the same streams under the same ids; each tells what it saw, and keeps what the other saw beside it.
 */
import { printable } from '../printable.js';
import { iperfError } from './iperf-error.js';
import type { IperfTest } from './iperf-test.js';

/** Utilization is not told: a vnet has no processor of its own. */
const CPU = { cpu_util_total: 0, cpu_util_user: 0, cpu_util_system: 0 };

export function toResults(test: IperfTest): Record<string, unknown> {
  const receiver = test.sides.length === 1 && test.sides[0] === false;
  const output = test.role === 'server' && test.settings.getServerOutput ? test.reporter.serverOutput() : {};
  return {
    ...CPU,
    sender_has_retransmits: receiver ? -1 : test.senderHasRetransmits,
    ...(test.congestionUsed !== null && { congestion_used: test.congestionUsed }),
    ...output,
    streams: test.streams.map((sp) => ({
      id: sp.id,
      bytes: sp.sender ? sp.bytesSent - sp.bytesSentOmit : sp.bytesReceived,
      retransmits: sp.sender && test.senderHasRetransmits !== 0 ? sp.retransmits : -1,
      jitter: sp.jitter,
      errors: sp.cntError,
      packets: sp.packetCount,
      start_time: 0,
      end_time: sp.seconds,
    })),
  };
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (j: unknown): j is Json => typeof j === 'object' && j !== null && !Array.isArray(j);

/** The number called `key`. @throws IperfError for a number that is not there: these are no results. */
function number(j: Json, key: string): number {
  const n = j[key];
  if (typeof n !== 'number') throw iperfError('RECVRESULTS', 0, `no ${key}`);
  return n;
}

/** @throws IperfError when `json` is not the results of this test. */
export function takeResults(test: IperfTest, json: unknown): void {
  if (!isObject(json)) throw iperfError('RECVRESULTS', 0, 'no JSON object');
  test.remoteCpu = [number(json, 'cpu_util_total'), number(json, 'cpu_util_user'), number(json, 'cpu_util_system')];
  const retransmits = number(json, 'sender_has_retransmits');
  if (test.sides.length === 2) test.otherSideHasRetransmits = retransmits;
  else if (test.sides[0] === false) test.senderHasRetransmits = retransmits;
  const streams = json['streams'];
  if (!Array.isArray(streams)) throw iperfError('RECVRESULTS', 0, 'no streams');
  for (const j of streams as unknown[]) {
    if (!isObject(j)) throw iperfError('RECVRESULTS', 0, 'a stream that is none');
    takeStream(test, j);
  }
  const congestion = json['congestion_used'];
  if (typeof congestion === 'string') test.remoteCongestionUsed = printable(congestion);
  if (test.role === 'client' && test.settings.getServerOutput) {
    const text = json['server_output_text'];
    if (isObject(json['server_output_json'])) test.serverOutputJson = json['server_output_json'];
    else if (typeof text === 'string') test.serverOutputText = printable(text);
  }
}

function takeStream(test: IperfTest, j: Json): void {
  const id = number(j, 'id');
  const sp = test.streams.find((s) => s.id === id);
  if (sp === undefined) throw iperfError('STREAMID');
  const seconds = typeof j['start_time'] === 'number' && typeof j['end_time'] === 'number' ? j['end_time'] - j['start_time'] : 0;
  const bytes = number(j, 'bytes');
  const [jitter, errors, packets, retransmits] = [number(j, 'jitter'), number(j, 'errors'), number(j, 'packets'), number(j, 'retransmits')];
  sp.peerPacketCount = packets;
  if (sp.sender) {
    sp.jitter = jitter;
    sp.cntError = errors;
    sp.bytesReceived = bytes;
    sp.receiverTime = seconds;
  } else {
    sp.bytesSent = bytes;
    sp.bytesSentOmit = 0;
    sp.retransmits = retransmits;
    sp.senderTime = seconds;
  }
}
