/**
 * iperf-test.ts — one test: its settings, its streams, and when it is over.
 * Read first: iperf-settings.ts, iperf-stream.ts, iperf-reporter.ts.
 *
 * Theory of operation. Client and server (iperf-client.ts, iperf-server.ts) drive a test through its states by the bytes on the control connection. While it runs, the data path works in
 * the sockets' callbacks, and `nextUs` and `runTimers` are what the waiting tool does beside it: the end of the omitted time, of the test, of an interval, and the
 * senders' pacing.
 *
 * Invariant: streams that send and streams that receive are numbered in the same order on both sides: first those on which the client sends.
 */
import type { IperfError } from './iperf-error.js';
import type { IperfReporter } from './iperf-reporter.js';
import type { IperfSettings } from './iperf-settings.js';
import type { IperfStream } from './iperf-stream.js';

/** The bytes of the control connection. */
export const TEST_START = 1;
export const TEST_RUNNING = 2;
export const TEST_END = 4;
export const PARAM_EXCHANGE = 9;
export const CREATE_STREAMS = 10;
export const SERVER_TERMINATE = 11;
export const CLIENT_TERMINATE = 12;
export const EXCHANGE_RESULTS = 13;
export const DISPLAY_RESULTS = 14;
export const IPERF_START = 15;
export const IPERF_DONE = 16;
export const ACCESS_DENIED = -1;
export const SERVER_ERROR = -2;

const US_PER_SEC = 1_000_000;
/** How long past its time a server waits for a client to end its test. */
const GRACE_SEC = 40;

/** A stream whose data path can be moved on from outside its socket's callbacks. */
export interface Pump {
  readonly stream: IperfStream;
  /** Sends what may be sent now. */
  pump(): void;
  /** Has nothing to wait for but the clock: UDP, or a rate. */
  readonly paced: boolean;
  close(): void;
}

export class IperfTest {
  readonly role: 'client' | 'server';
  readonly settings: IperfSettings;
  readonly reporter: IperfReporter;
  readonly streams: IperfStream[] = [];
  readonly pumps: Pump[] = [];
  /** Whether we send, for each direction, in the order they are reported in. */
  readonly sides: readonly boolean[];
  state: number = IPERF_START;
  cookie = '';
  omitting = false;
  done = false;
  bytesSent = 0;
  bytesReceived = 0;
  blocksSent = 0;
  blocksReceived = 0;
  /** 1: yes, 0: no, -1: the other side does not say. */
  senderHasRetransmits: number;
  otherSideHasRetransmits = 0;
  congestionUsed: string | null = null;
  remoteCongestionUsed: string | null = null;
  remoteCpu: readonly [number, number, number] = [0, 0, 0];
  serverOutputText: string | null = null;
  serverOutputJson: object | null = null;
  /** When something last came in. */
  heardUs = 0;
  /** What broke in the data path; whoever waits for the test throws it. */
  failure: IperfError | null = null;
  /** Wakes whoever waits for the test. */
  wake: () => void = () => {};

  private readonly intervalUs: number;
  private omitUs = Infinity;
  private endUs = Infinity;
  private reportUs = Infinity;
  private paceUs = Infinity;

  constructor(role: 'client' | 'server', settings: IperfSettings, reporter: IperfReporter, intervalSec: number) {
    this.role = role;
    this.settings = settings;
    this.reporter = reporter;
    this.intervalUs = intervalSec * US_PER_SEC;
    const client = role === 'client';
    this.sides = settings.bidir ? [client, !client] : [settings.reverse !== client];
    this.senderHasRetransmits = !settings.udp && this.sides.includes(true) ? 1 : 0;
  }

  /** Interval of the reports in seconds, 0 for none. */
  get intervalSec(): number {
    return this.intervalUs / US_PER_SEC;
  }

  get bidirectional(): boolean {
    return this.sides.length === 2;
  }

  /** Everything the client wanted has been sent, or received. */
  get reached(): boolean {
    const { bytes, blocks } = this.settings;
    return !this.omitting && ((bytes !== 0 && Math.max(this.bytesSent, this.bytesReceived) >= bytes) || (blocks !== 0 && Math.max(this.blocksSent, this.blocksReceived) >= blocks));
  }

  /** TEST_START: the clocks begin. */
  start(nowUs: number): void {
    const { duration, omit } = this.settings;
    for (const sp of this.streams) sp.start(nowUs);
    this.omitting = omit > 0;
    if (omit > 0) this.omitUs = nowUs + omit * US_PER_SEC;
    if (duration > 0) this.endUs = nowUs + (duration + omit + (this.role === 'client' ? 0 : GRACE_SEC)) * US_PER_SEC;
    this.armInterval(nowUs);
    this.heardUs = nowUs;
    this.reporter.testStart(this);
  }

  /** TEST_RUNNING: the senders begin. */
  run(nowUs: number): void {
    this.state = TEST_RUNNING;
    this.pumpAll();
    this.armPace(nowUs);
  }

  /** When `runTimers` has something to do. */
  get nextUs(): number {
    return Math.min(this.omitUs, this.endUs, this.reportUs, this.paceUs);
  }

  /** Does what is due. */
  runTimers(nowUs: number): void {
    if (nowUs >= this.endUs || (this.role === 'client' && this.reached)) {
      this.endUs = Infinity;
      this.done = true;
      return;
    }
    if (nowUs >= this.reportUs) {
      while (this.reportUs <= nowUs) this.reportUs += this.intervalUs;
      this.endInterval(nowUs);
      this.reporter.interval(this);
    }
    if (nowUs >= this.omitUs) this.endOmit(nowUs);
    if (nowUs >= this.paceUs) {
      this.pumpAll();
      this.armPace(nowUs);
    }
  }

  private endOmit(nowUs: number): void {
    this.omitUs = Infinity;
    this.omitting = false;
    this.bytesSent = 0;
    this.blocksSent = 0;
    for (const sp of this.streams) sp.reset(nowUs);
    this.armInterval(nowUs);
    this.reporter.omitDone(this);
  }

  /** Cuts an interval off every stream. */
  endInterval(nowUs: number): void {
    for (const sp of this.streams) sp.endInterval(nowUs, this.omitting, sp.sender && this.senderHasRetransmits === 1);
  }

  /** The test is over: nothing is sent any more, what still comes is not counted. */
  end(nowUs: number): void {
    this.done = true;
    this.endInterval(nowUs);
    this.state = TEST_END;
    this.omitUs = this.endUs = this.reportUs = this.paceUs = Infinity;
  }

  /** The data path cannot go on. */
  fail(error: IperfError): void {
    this.failure ??= error;
    this.wake();
  }

  closeStreams(): void {
    for (const pump of this.pumps) pump.close();
  }

  private armInterval(nowUs: number): void {
    this.reportUs = this.intervalUs > 0 ? nowUs + this.intervalUs : Infinity;
  }

  private pumpAll(): void {
    for (const pump of this.pumps) pump.pump();
  }

  private armPace(nowUs: number): void {
    this.paceUs = this.pumps.some((pump) => pump.paced) ? nowUs + (this.settings.rate > 0 ? this.settings.pacingTimerUs : 1) : Infinity;
  }
}
