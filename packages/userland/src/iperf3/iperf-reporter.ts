/**
 * iperf-reporter.ts — what a test tells whoever started it: as text, or as JSON.
 * Read first: report-text.ts, report-json.ts.
 *
 * One object for each test. Lines of text are printed as they come; JSON is one document, printed by `finish`.
 */
import type { IperfStream } from './iperf-stream.js';
import type { IperfTest } from './iperf-test.js';

/** What is known once the control connection stands. */
export interface ConnectNews {
  readonly wallUs: number;
  /** The server, as the client named it and its port; or the client, as the server sees it. */
  readonly host: string;
  readonly port: number;
  /** MSS of the control connection. */
  readonly mss: number;
}

/** Sizes of the sockets' buffers. */
export interface BufferNews {
  readonly wanted: number;
  readonly send: number;
  readonly receive: number;
}

export interface IperfReporter {
  /** Before anything: version and system. */
  begin(): void;
  connected(test: IperfTest, news: ConnectNews): void;
  buffers(news: BufferNews): void;
  stream(stream: IperfStream): void;
  testStart(test: IperfTest): void;
  omitDone(test: IperfTest): void;
  interval(test: IperfTest): void;
  /** The last interval, and the summary. */
  results(test: IperfTest): void;
  warning(text: string): void;
  /** An error, as `error - ...` or a line of its own. */
  error(text: string): void;
  /** Everything has been said. */
  finish(test: IperfTest | null, completed: boolean): void;
  /** What a client that asked for it is sent: `server_output_text` or `server_output_json`. */
  serverOutput(): Readonly<Record<string, unknown>>;
}
