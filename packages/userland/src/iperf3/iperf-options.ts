/**
 * iperf-options.ts — iperf3's command line.
 * Read first: iperf3(1), version 3.12; iperf-settings.ts.
 *
 * Options that need what a vnet does not have (files, processors, SCTP, RSA keys) are refused by name. A value that is no number is refused too; iperf3 takes it
 * for 0.
 */
import { warnx } from '../err.js';
import { getoptLong } from '../getopt-long.js';
import type { LongOption } from '../getopt-long.js';
import type { Proc } from '../proc.js';
import { dscp } from './iperf-dscp.js';
import { MAX_BLOCKSIZE, MAX_BURST, MAX_MSS, MAX_STREAMS, MAX_TCP_BUFFER, MAX_TIME, MAX_UDP_BLOCKSIZE, MIN_UDP_BLOCKSIZE, IperfSettings } from './iperf-settings.js';
import { parseRate, parseSize } from './iperf-units.js';

const SPEC = 'p:f:i:D1VJvsc:ub:t:n:k:l:P:Rw:B:M:N46S:L:ZO:F:A:T:C:dI:hX:';
const DEFAULT_PORT = 5201;
const DEFAULT_TCP_BLKSIZE = 131_072;
const UDP_RATE = 1_048_576;
const RCV_TIMEOUT_MS = 120_000;
const RCV_TIMEOUT_MIN_MS = 100;
const INTERVAL_MIN_SEC = 0.1;
const INTERVAL_MAX_SEC = 60;

export interface IperfOptions {
  readonly settings: IperfSettings;
  role: 'client' | 'server' | null;
  host: string;
  port: number;
  /** -4, -6; null: as the address is, and on a server both. */
  family: 4 | 6 | null;
  bind: string | null;
  cport: number;
  /** -f: `a` for the unit that suits. */
  format: string;
  /** 0: no interval reports. */
  intervalSec: number;
  verbose: boolean;
  json: boolean;
  oneOff: boolean;
  /** -Z, which changes nothing here. */
  zerocopy: boolean;
  /** Infinity: as long as TCP tries. */
  connectTimeoutMs: number;
  rcvTimeoutMs: number;
  /** Infinity: an idle server waits for ever. */
  idleTimeoutSec: number;
  /** --help, --version */
  show: 'help' | 'version' | null;
}

/** What is wrong with a command line, in iperf3's words; `usage`: getopt(3) has said it, and the summary follows. */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
  readonly usage: boolean;

  constructor(text: string, usage = false) {
    super(text);
    this.usage = usage;
  }
}

const fail = (text: string): never => {
  throw new ParameterError(text);
};

function int(option: string, text: string): number {
  return /^\s*[+-]?[0-9]+$/.test(text) ? Number(text) : fail(`bogus value for ${option}: ${text}`);
}

function size(option: string, text: string): number {
  const n = parseSize(text);
  return n === null || n < 0 ? fail(`bogus value for ${option}: ${text}`) : n;
}

function port(text: string): number {
  const n = /^[0-9]+$/.test(text) ? Number(text) : 0;
  return n < 1 || n > 65_535 ? fail('port number must be between 1 and 65535 inclusive') : n;
}

function bounded(n: number, max: number, text: string): number {
  return n > max ? fail(text) : n;
}

/** 'c': of a client only; 's': of a server only; '': both. */
type Whose = 'c' | 's' | '';
type Setter = readonly [Whose, (o: IperfOptions, value: string) => void];

const refuse = (option: string, why: string): Setter => ['', () => fail(`${option}: ${why}`)];

function bitrate(o: IperfOptions, value: string): void {
  const [rate = '', burst] = value.split('/');
  if (burst !== undefined) {
    const n = /^[0-9]+$/.test(burst) ? Number(burst) : 0;
    o.settings.burst = n < 1 || n > MAX_BURST ? fail(`invalid burst count (maximum = ${MAX_BURST})`) : n;
  }
  o.settings.rate = parseRate(rate) ?? fail(`bogus value for -b: ${value}`);
}

function interval(o: IperfOptions, value: string): void {
  const n = /^[0-9]*\.?[0-9]+$|^[0-9]+\.$/.test(value) ? Number(value) : Number.NaN;
  const good = n === 0 || (n >= INTERVAL_MIN_SEC && n <= INTERVAL_MAX_SEC);
  o.intervalSec = good ? n : fail(`invalid report interval (min = ${INTERVAL_MIN_SEC}, max = ${INTERVAL_MAX_SEC} seconds)`);
}

function role(o: IperfOptions, wanted: 'client' | 'server'): void {
  if (o.role !== null && o.role !== wanted) fail('cannot be both server and client');
  o.role = wanted;
}

function direction(o: IperfOptions, which: 'reverse' | 'bidir'): void {
  o.settings[which] = true;
  if (o.settings.reverse && o.settings.bidir) fail('cannot be both reverse and bidirectional');
}

function tos(value: string): number {
  const n = /^0x[0-9a-f]+$/i.test(value) ? Number(value) : /^0[0-7]*$/.test(value) ? Number.parseInt(value, 8) : /^[0-9]+$/.test(value) ? Number(value) : -1;
  return n < 0 || n > 255 ? fail('bad TOS value (must be between 0 and 255 inclusive)') : n;
}

function rcvTimeout(value: string): number {
  const n = int('--rcv-timeout', value);
  return n < RCV_TIMEOUT_MIN_MS || n > MAX_TIME * 1000 ? fail('receive timeout value is incorrect or not in range') : n;
}

const NO_FILES = 'files are not sent or written here: redirect the output, and send files with nc(1)';
const NO_KEYS = 'there is no authentication of users here';

const SETTERS: Readonly<Record<string, Setter>> = {
  p: ['', (o, v) => { o.port = port(v); }],
  f: ['', (o, v) => { o.format = /^[kmgt]$/i.test(v) ? v : fail('bad format specifier (valid formats are in the set [kmgtKMGT])'); }],
  i: ['', interval],
  D: refuse('-D', 'the server runs where it is started: put it in the background with the shell (&)'),
  1: ['s', (o) => { o.oneOff = true; }],
  V: ['', (o) => { o.verbose = true; }],
  J: ['', (o) => { o.json = true; }],
  v: ['', (o) => { o.show = 'version'; }],
  s: ['', (o) => role(o, 'server')],
  c: ['', (o, v) => { role(o, 'client'); o.host = v; }],
  u: ['c', (o) => { o.settings.udp = true; }],
  b: ['c', bitrate],
  t: ['c', (o, v) => { o.settings.duration = bounded(int('-t', v), MAX_TIME, `test duration too long (maximum = ${MAX_TIME} seconds)`); }],
  n: ['c', (o, v) => { o.settings.bytes = size('-n', v); }],
  k: ['c', (o, v) => { o.settings.blocks = size('-k', v); }],
  l: ['c', (o, v) => { o.settings.blksize = size('-l', v); }],
  P: ['c', (o, v) => { o.settings.parallel = bounded(Math.max(1, int('-P', v)), MAX_STREAMS, `number of parallel streams too large (maximum = ${MAX_STREAMS})`); }],
  R: ['c', (o) => direction(o, 'reverse')],
  bidir: ['c', (o) => direction(o, 'bidir')],
  w: ['c', (o, v) => { o.settings.window = bounded(size('-w', v), MAX_TCP_BUFFER, `socket buffer size too large (maximum = ${MAX_TCP_BUFFER} bytes)`); }],
  B: ['', (o, v) => { o.bind = v; }],
  M: ['c', (o, v) => { o.settings.mss = bounded(int('-M', v), MAX_MSS, `TCP MSS too large (maximum = ${MAX_MSS} bytes)`); }],
  N: ['c', (o) => { o.settings.noDelay = true; }],
  4: ['', (o) => { o.family = 4; }],
  6: ['', (o) => { o.family = 6; }],
  S: ['c', (o, v) => { o.settings.tos = tos(v); }],
  dscp: ['c', (o, v) => { o.settings.tos = dscp(v) ?? fail('bad TOS value (must be between 0 and 255 inclusive)'); }],
  L: refuse('-L', 'flow labels are chosen by the stack'),
  Z: ['c', (o) => { o.zerocopy = true; }],
  O: ['c', (o, v) => { const n = int('-O', v); o.settings.omit = n < 0 || n > 60 ? fail('bogus value for --omit') : n; }],
  F: refuse('-F', NO_FILES),
  A: refuse('-A', 'all vnets run on one processor'),
  T: ['c', (o, v) => { o.settings.title = v; }],
  C: ['c', (o, v) => { o.settings.congestion = v; }],
  d: refuse('-d', 'there is no debugging output: look at the packets with tcpdump(1)'),
  I: refuse('-I', NO_FILES),
  h: ['', (o) => { o.show = 'help'; }],
  X: refuse('-X', 'no SCTP support available'),
  sctp: refuse('--sctp', 'no SCTP support available'),
  nstreams: refuse('--nstreams', 'no SCTP support available'),
  logfile: refuse('--logfile', NO_FILES),
  timestamps: refuse('--timestamps', 'lines carry no stamps here'),
  'bind-dev': refuse('--bind-dev', 'bind to an address of the interface with -B'),
  'server-bitrate-limit': refuse('--server-bitrate-limit', 'limit the client, with -b'),
  'fq-rate': refuse('--fq-rate', 'there is no fair queueing: -b paces'),
  'snd-timeout': refuse('--snd-timeout', 'TCP gives up what is not acknowledged by its own timers'),
  username: refuse('--username', NO_KEYS),
  'rsa-public-key-path': refuse('--rsa-public-key-path', NO_KEYS),
  'rsa-private-key-path': refuse('--rsa-private-key-path', NO_KEYS),
  'authorized-users-path': refuse('--authorized-users-path', NO_KEYS),
  'time-skew-threshold': refuse('--time-skew-threshold', NO_KEYS),
  cport: ['c', (o, v) => { o.cport = port(v); }],
  'extra-data': ['c', (o, v) => { o.settings.extraData = v; }],
  'repeating-payload': ['c', (o) => { o.settings.repeatingPayload = true; }],
  forceflush: ['', () => {}],
  'get-server-output': ['c', (o) => { o.settings.getServerOutput = true; }],
  'udp-counters-64bit': ['', (o) => { o.settings.udpCounters64 = true; }],
  'dont-fragment': ['c', (o) => { o.settings.dontFragment = true; }],
  'pacing-timer': ['c', (o, v) => { o.settings.pacingTimerUs = size('--pacing-timer', v); }],
  'connect-timeout': ['c', (o, v) => { o.connectTimeoutMs = size('--connect-timeout', v); }],
  'idle-timeout': ['s', (o, v) => { const n = int('--idle-timeout', v); o.idleTimeoutSec = n < 1 || n > MAX_TIME ? fail('idle timeout parameter is not positive or larger than allowed limit') : n; }],
  'rcv-timeout': ['', (o, v) => { o.rcvTimeoutMs = rcvTimeout(v); }],
};

const LETTERED: Readonly<Record<string, string>> = {
  port: 'p', format: 'f', interval: 'i', daemon: 'D', 'one-off': '1', verbose: 'V', json: 'J', version: 'v', server: 's', client: 'c', udp: 'u', bitrate: 'b', bandwidth: 'b',
  time: 't', bytes: 'n', blockcount: 'k', length: 'l', parallel: 'P', reverse: 'R', window: 'w', bind: 'B', 'set-mss': 'M', 'no-delay': 'N', version4: '4', version6: '6',
  tos: 'S', flowlabel: 'L', zerocopy: 'Z', omit: 'O', file: 'F', affinity: 'A', title: 'T', congestion: 'C', 'linux-congestion': 'C', debug: 'd', pidfile: 'I', help: 'h',
  xbind: 'X',
};
const WITHOUT_VALUE = new Set(['bidir', 'sctp', 'forceflush', 'get-server-output', 'udp-counters-64bit', 'dont-fragment', 'repeating-payload']);

function longOptions(): LongOption[] {
  const lettered = Object.entries(LETTERED).map(([name, letter]): LongOption => {
    const takes = SPEC.charAt(SPEC.indexOf(letter) + 1) === ':';
    return { name, letter, argument: letter === 'd' ? 'optional' : takes ? 'required' : 'none' };
  });
  const others = Object.keys(SETTERS).filter((name) => name.length > 1);
  return [...lettered, ...others.map((name): LongOption => ({ name, argument: WITHOUT_VALUE.has(name) ? 'none' : name === 'timestamps' ? 'optional' : 'required' }))];
}

export function parseIperf(p: Proc): IperfOptions {
  const o: IperfOptions = {
    settings: new IperfSettings(), role: null, host: '', port: DEFAULT_PORT, family: null, bind: null, cport: 0, format: 'a', intervalSec: 1, verbose: false, json: false,
    oneOff: false, zerocopy: false, connectTimeoutMs: Infinity, rcvTimeoutMs: RCV_TIMEOUT_MS, idleTimeoutSec: Infinity, show: null,
  };
  const parsed = getoptLong(SPEC, longOptions(), p.argv.slice(1));
  const whose = new Set<Whose>();
  const given = new Set<string>();
  for (const [name, value] of parsed.options) {
    const [of, set] = SETTERS[name] ?? ['', () => fail(`${name}: an option you are trying to set is not implemented yet`)];
    set(o, value);
    if (o.show !== null) return o;
    whose.add(of);
    given.add(name);
  }
  if (parsed.error !== null) throw new ParameterError(parsed.error, true);
  if (o.role === 'client' && whose.has('s')) fail('some option you are trying to set is server only');
  if (o.role === 'server' && whose.has('c')) fail('some option you are trying to set is client only');
  finish(p, o, given);
  return o;
}

/** What depends on several options: sizes, rates, ends. */
function finish(p: Proc, o: IperfOptions, given: ReadonlySet<string>): void {
  const s = o.settings;
  if (o.role === 'client' && given.has('rcv-timeout') && !s.reverse && !s.bidir) fail('client receive timeout is valid only in receiving mode');
  if (!given.has('l') && !s.udp) s.blksize = DEFAULT_TCP_BLKSIZE;
  if ((!s.udp && s.blksize <= 0) || s.blksize > MAX_BLOCKSIZE) fail(`block size too large (maximum = ${MAX_BLOCKSIZE} bytes)`);
  if (s.udp && s.blksize > 0 && (s.blksize < MIN_UDP_BLOCKSIZE || s.blksize > MAX_UDP_BLOCKSIZE)) {
    fail(`block size invalid (minimum = ${MIN_UDP_BLOCKSIZE} bytes, maximum = ${MAX_UDP_BLOCKSIZE} bytes)`);
  }
  if (!given.has('b')) s.rate = s.udp ? UDP_RATE : 0;
  const limits = [given.has('t'), s.bytes !== 0, s.blocks !== 0].filter(Boolean).length;
  if (limits > 1) fail('only one test end condition (-t, -n, -k) may be specified');
  if ((s.bytes !== 0 || s.blocks !== 0) && !given.has('t')) s.duration = 0;
  if (o.role === null) fail('must either be a client (-c) or server (-s)');
  if (o.json && o.format !== 'a') warnx(p, 'warning: Report format (-f) flag ignored with JSON output (-J)');
  if (o.zerocopy) warnx(p, 'note: -Z changes nothing, blocks are never copied on their way into the socket');
}

export const IPERF_USAGE = `Usage: iperf3 [-s|-c host] [options]
       iperf3 [-h|--help] [-v|--version]

Server or Client:
  -p, --port      #         server port to listen on/connect to
  -f, --format   [kmgtKMGT] format to report: Kbits, Mbits, Gbits, Tbits
  -i, --interval  #         seconds between periodic throughput reports
  -B, --bind      <host>    bind to the address <host>
  -V, --verbose             more detailed output
  -J, --json                output in JSON format
  --forceflush              accepted: every line is flushed
  --rcv-timeout #           idle timeout for receiving data (default ${RCV_TIMEOUT_MS} ms)
  -v, --version             show version information and quit
  -h, --help                show this message and quit
Server specific:
  -s, --server              run in server mode
  -1, --one-off             handle one client connection then exit
  --idle-timeout #          restart idle server after # seconds
Client specific:
  -c, --client    <host>    run in client mode, connecting to <host>
  -u, --udp                 use UDP rather than TCP
  --connect-timeout #       timeout for control connection setup (ms)
  -b, --bitrate #[KMG][/#]  target bitrate in bits/sec (0 for unlimited)
                            (default 1 Mbit/sec for UDP, unlimited for TCP)
                            (optional slash and packet count for burst mode)
  --pacing-timer #[KMG]     set the timing for pacing, in microseconds (default 1000)
  -t, --time      #         time in seconds to transmit for (default 10 secs)
  -n, --bytes     #[KMG]    number of bytes to transmit (instead of -t)
  -k, --blockcount #[KMG]   number of blocks (packets) to transmit (instead of -t or -n)
  -l, --length    #[KMG]    length of buffer to read or write
                            (default 128 KB for TCP, dynamic or 1460 for UDP)
  --cport         <port>    bind to a specific client port (TCP and UDP, default: ephemeral port)
  -P, --parallel  #         number of parallel client streams to run
  -R, --reverse             run in reverse mode (server sends, client receives)
  --bidir                   run in bidirectional mode.
                            Client and server send and receive data.
  -w, --window    #[KMG]    set send/receive socket buffer sizes
  -C, --congestion <algo>   set TCP congestion control algorithm
  -M, --set-mss   #         set TCP maximum segment size (MTU - 40 bytes)
  -N, --no-delay            set TCP no delay, disabling Nagle's Algorithm
  -4, --version4            only use IPv4
  -6, --version6            only use IPv6
  -S, --tos N               set the IP type of service, 0-255.
  --dscp N or --dscp val    set the IP dscp value, either 0-63 or symbolic.
  -Z, --zerocopy            accepted: nothing is copied anyway
  -O, --omit N              perform pre-test for N seconds and omit the pre-test statistics
  -T, --title str           prefix every output line with this string
  --extra-data str          data string to include in client and server JSON
  --get-server-output       get results from server
  --udp-counters-64bit      use 64-bit counters in UDP test packets
  --repeating-payload       use repeating pattern in payload
  --dont-fragment           set IPv4 Don't Fragment flag

[KMG] indicates options that support a K/M/G suffix for kilo-, mega-, or giga-
`;
