/**
 * iperf-settings.ts — what a client and a server agree on before a test: the parameters, and their JSON.
 * Read first: iperf_api.c of iperf 3.12 (send_parameters, get_parameters).
 *
 * The client decides and sends; the server takes what it is sent, within its own bounds, because the other side is anybody.
 *
 * Invariant: everything `fromParameters` yields is a number within the bounds below.
 */

export const MAX_BLOCKSIZE = 1_048_576;
export const MIN_UDP_BLOCKSIZE = 16;
export const MAX_UDP_BLOCKSIZE = 65_507;
export const MAX_TCP_BUFFER = 536_870_912;
export const MAX_MSS = 9_216;
export const MAX_STREAMS = 128;
export const MAX_TIME = 86_400;
export const MAX_BURST = 1_000;
export const DEFAULT_UDP_BLKSIZE = 1_460;
const MAX_OMIT = 60;
const DURATION_SEC = 10;
const PACING_TIMER_US = 1_000;
const TEXT_MAX = 4_096;

/** The version of iperf3 whose protocol and output these are. */
export const IPERF_VERSION = '3.12';

export class IperfSettings {
  udp = false;
  omit = 0;
  /** Seconds; 0: until `bytes` or `blocks` have been sent. */
  duration = DURATION_SEC;
  bytes = 0;
  blocks = 0;
  mss = 0;
  noDelay = false;
  parallel = 1;
  reverse = false;
  bidir = false;
  /** Socket buffers in bytes; 0: as the stack has them. */
  window = 0;
  /** Bytes of a block; 0: UDP, chosen after the control connection's MSS. */
  blksize = 0;
  /** Bits per second; 0: as fast as it goes. */
  rate = 0;
  burst = 0;
  pacingTimerUs = PACING_TIMER_US;
  tos = 0;
  title: string | null = null;
  extraData: string | null = null;
  congestion: string | null = null;
  getServerOutput = false;
  udpCounters64 = false;
  repeatingPayload = false;
  dontFragment = false;

  get protocol(): 'TCP' | 'UDP' {
    return this.udp ? 'UDP' : 'TCP';
  }
}

/** As the client sends them. */
export function toParameters(s: IperfSettings): Record<string, unknown> {
  return {
    [s.udp ? 'udp' : 'tcp']: true, omit: s.omit, time: s.duration, num: s.bytes, blockcount: s.blocks,
    ...(s.mss > 0 && { MSS: s.mss }), ...(s.noDelay && { nodelay: true }), parallel: s.parallel, ...(s.reverse && { reverse: true }), ...(s.bidir && { bidirectional: true }),
    ...(s.window > 0 && { window: s.window }), len: s.blksize, ...(s.rate > 0 && { bandwidth: s.rate }), pacing_timer: s.pacingTimerUs, ...(s.burst > 0 && { burst: s.burst }),
    ...(s.tos > 0 && { TOS: s.tos }), ...(s.title !== null && { title: s.title }), ...(s.extraData !== null && { extra_data: s.extraData }),
    ...(s.congestion !== null && { congestion: s.congestion }), ...(s.getServerOutput && { get_server_output: 1 }), ...(s.udpCounters64 && { udp_counters_64bit: 1 }),
    ...(s.repeatingPayload && { repeating_payload: 1 }), ...(s.dontFragment && { dont_fragment: 1 }), client_version: IPERF_VERSION,
  };
}

function number(j: Readonly<Record<string, unknown>>, key: string, min: number, max: number, otherwise: number): number {
  const n = j[key];
  return typeof n === 'number' && n >= min && n <= max ? Math.trunc(n) : otherwise;
}

function text(j: Readonly<Record<string, unknown>>, key: string): string | null {
  const value = j[key];
  return typeof value === 'string' && value.length <= TEXT_MAX ? value : null;
}

/** What a server makes of a client's parameters; null: they are no test (no protocol, or a block of a size that cannot be). */
export function fromParameters(json: unknown): IperfSettings | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  const j = json as Readonly<Record<string, unknown>>;
  const s = new IperfSettings();
  if (j['udp'] === undefined && j['tcp'] === undefined) return null;
  s.udp = j['udp'] !== undefined;
  s.omit = number(j, 'omit', 0, MAX_OMIT, 0);
  s.duration = number(j, 'time', 0, MAX_TIME, 0);
  s.bytes = number(j, 'num', 0, Number.MAX_SAFE_INTEGER, 0);
  s.blocks = number(j, 'blockcount', 0, Number.MAX_SAFE_INTEGER, 0);
  s.mss = number(j, 'MSS', 0, MAX_MSS, 0);
  s.noDelay = j['nodelay'] !== undefined;
  s.parallel = number(j, 'parallel', 1, MAX_STREAMS, 1);
  s.reverse = j['reverse'] !== undefined;
  s.bidir = j['bidirectional'] !== undefined;
  s.window = number(j, 'window', 0, MAX_TCP_BUFFER, 0);
  s.blksize = number(j, 'len', s.udp ? MIN_UDP_BLOCKSIZE : 1, s.udp ? MAX_UDP_BLOCKSIZE : MAX_BLOCKSIZE, 0);
  s.rate = number(j, 'bandwidth', 0, Number.MAX_SAFE_INTEGER, 0);
  s.burst = number(j, 'burst', 0, MAX_BURST, 0);
  s.pacingTimerUs = number(j, 'pacing_timer', 1, 1_000_000, PACING_TIMER_US);
  s.tos = number(j, 'TOS', 0, 255, 0);
  s.title = text(j, 'title');
  s.extraData = text(j, 'extra_data');
  s.congestion = text(j, 'congestion');
  s.getServerOutput = j['get_server_output'] !== undefined;
  s.udpCounters64 = j['udp_counters_64bit'] !== undefined;
  s.repeatingPayload = j['repeating_payload'] !== undefined;
  s.dontFragment = j['dont_fragment'] !== undefined && j['dont_fragment'] !== 0;
  return s.blksize === 0 ? null : s;
}
