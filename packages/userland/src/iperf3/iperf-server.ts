/**
 * iperf-server.ts — iperf3 as a server: one test at a time, for whoever comes.
 * Read first: iperf_server_api.c of iperf 3.12; iperf-test.ts, control.ts.
 *
 * Theory of operation. A server without an address listens on IPv4 and on IPv6. The first to connect while no test runs has the control connection, and names the test by a cookie; its streams come
 * over the same port and say the cookie, others are told that the server is busy. What a client sends is held against bounds, and the time it may take is bounded: a client that falls silent costs its
 * own test only.
 */
import { EAGAIN, PF_INET, PF_INET6 } from '@netloom/core';
import type { Errno, RecvInfo, SockAddr, Socket, StreamSocket } from '@netloom/core';
import { openedBy } from '../descriptors.js';
import { printable } from '../printable.js';
import { addressesOf, domainOf, streamSocket } from '../tcp-connect.js';
import { COOKIE_BYTES, ControlChannel } from './control.js';
import { IperfError, iperfError } from './iperf-error.js';
import { roomFor } from './iperf-client.js';
import { takeResults, toResults } from './iperf-results.js';
import { commonOptions, endsOf, must, reportBuffers, tcpOptions, udpSocket } from './iperf-run.js';
import type { IperfRun } from './iperf-run.js';
import { fromParameters } from './iperf-settings.js';
import type { IperfSettings } from './iperf-settings.js';
import { IperfStream } from './iperf-stream.js';
import { TcpPump } from './iperf-tcp.js';
import {
  ACCESS_DENIED, CLIENT_TERMINATE, CREATE_STREAMS, DISPLAY_RESULTS, EXCHANGE_RESULTS, IPERF_DONE, IperfTest, PARAM_EXCHANGE, SERVER_ERROR, TEST_END, TEST_RUNNING, TEST_START,
} from './iperf-test.js';
import { UdpPump, udpWelcome } from './iperf-udp.js';

const BACKLOG = 128;
const LINE = '-----------------------------------------------------------\n';
/** How long a client may take for its next word before and after a test, and a stream for its cookie. */
const PATIENCE_US = 30_000_000;
const ANY6: SockAddr = { addr: new Uint8Array(16), scopeId: 0 };

export class IperfServer {
  private readonly run: IperfRun;
  private readonly newReporter: () => IperfRun['reporter'];
  private listeners: StreamSocket[] = [];
  private tests = 0;

  constructor(run: IperfRun, newReporter: () => IperfRun['reporter']) {
    this.run = run;
    this.newReporter = newReporter;
  }

  /** Serves until a signal comes, or with `-1` one test. The exit code. @throws IperfError when nothing can be listened on */
  async serve(): Promise<number> {
    const { o } = this.run;
    for (;;) {
      const error = await this.serveOne();
      if (error !== null) this.run.reporter.error(`error - ${error.message}`);
      this.run.reporter.finish(this.run.test, error === null);
      this.run.test = null;
      this.run.control = null;
      if (o.oneOff) return 0;
    }
  }

  /** One test; the error that ended it, or null. */
  private async serveOne(): Promise<IperfError | null> {
    const { run } = this;
    run.reporter = this.newReporter();
    run.reporter.begin();
    if (this.listeners.length === 0) this.listen(null);
    this.banner();
    await run.p.flush();
    const so = await this.accept();
    let failed: IperfError | null = null;
    try {
      await this.test(so);
    } catch (error) {
      if (!(error instanceof IperfError)) throw error;
      failed = error;
    }
    run.test?.closeStreams();
    so.close();
    return failed;
  }

  private banner(): void {
    const { p, o } = this.run;
    if (o.json) return;
    this.tests++;
    p.out(`${LINE}Server listening on ${o.port} (test #${this.tests})\n${LINE}`);
  }

  /** Opens the listeners, with the options that connections inherit. */
  private listen(settings: IperfSettings | null): void {
    const { o, wait, p } = this.run;
    for (const so of this.listeners.splice(0)) so.close();
    const addresses: readonly SockAddr[] = o.bind === null ? ([0, ANY6] as const).filter((a) => o.family === null || (typeof a === 'number') === (o.family === 4)) : addressesOf(p.vnet, o.bind, o.family);
    let failed: Errno = 0;
    for (const address of addresses) {
      const so = streamSocket(wait, domainOf(address));
      if (typeof so === 'number') {
        failed = so;
        continue;
      }
      if (settings !== null) commonOptions(so, settings);
      if (domainOf(address) === PF_INET6) so.setsockopt('IPV6_V6ONLY', 1);
      so.setsockopt('SO_REUSEADDR', 1);
      const error = so.bind(address, o.port) || so.listen(BACKLOG);
      if (error !== 0) {
        so.close();
        failed = error;
        continue;
      }
      so.onReadable = wait.wake;
      this.listeners.push(so);
    }
    if (this.listeners.length === 0) throw addresses.length === 0 ? iperfError('LISTEN', 0, `no such address: ${o.bind ?? ''}`) : iperfError('LISTEN', failed);
  }

  private nextConnection(): StreamSocket | null {
    for (const listener of this.listeners) {
      const so = listener.accept();
      if (so !== null) return openedBy(this.run.p, so);
    }
    return null;
  }

  /** The control connection of the next test. */
  private async accept(): Promise<StreamSocket> {
    const { p, o, wait } = this.run;
    let so: StreamSocket | null = null;
    for (;;) {
      const came = await wait.until(() => (so = this.nextConnection()) !== null, p.now() + o.idleTimeoutSec * 1_000_000);
      if (came && so !== null) break;
    }
    return wait.keep<StreamSocket>(so);
  }

  private async test(so: StreamSocket): Promise<void> {
    const { run } = this;
    const { p, o, wait } = run;
    const control = new ControlChannel(wait, so);
    run.control = control;
    const cookie = await control.read(COOKIE_BYTES, 'RECVCOOKIE', p.now() + PATIENCE_US);
    await control.sendState(PARAM_EXCHANGE);
    const settings = fromParameters(await control.json('RECVPARAMS'));
    if (settings === null) throw iperfError('RECVPARAMS', 0, 'these describe no test');
    const test = new IperfTest('server', settings, run.reporter, o.intervalSec);
    test.cookie = printable(String.fromCharCode(...cookie.subarray(0, COOKIE_BYTES - 1)));
    test.wake = wait.wake;
    run.test = test;
    let udp: Socket | null = null;
    try {
      udp = await this.prepare(so, settings, control);
      const ends = endsOf(so);
      await control.sendState(CREATE_STREAMS);
      run.reporter.connected(test, { wallUs: p.wallUs(), host: ends.remoteHost, port: ends.remotePort, mss: so.getsockopt('TCP_MAXSEG') ?? 0 });
      const block = new Uint8Array(settings.blksize).fill(0x30);
      if (udp === null) await this.acceptTcp(test, control, cookie, block);
      else udp = await this.acceptUdp(test, control, udp, block);
    } finally {
      udp?.close();
    }
    await control.sendState(TEST_START);
    test.start(p.now());
    await control.sendState(TEST_RUNNING);
    await this.running(test, control);
    if (settings.window > 0) this.listen(null);
  }

  /** What streams come to: the listeners as they are, or with the options of the test, or a UDP socket, which is the answer. The client is told what fails. */
  private async prepare(so: StreamSocket, settings: IperfSettings, control: ControlChannel): Promise<Socket | null> {
    try {
      if (settings.udp) return this.udpListener(so, settings);
      if (settings.window > 0) this.listen(settings);
      return null;
    } catch (error) {
      if (!(error instanceof IperfError)) throw error;
      await control.sendState(SERVER_ERROR);
      const numbers = new Uint8Array(8);
      const v = new DataView(numbers.buffer);
      v.setUint32(0, error.number);
      v.setUint32(4, error.errno);
      await control.write(numbers, 'CTRLWRITE');
      throw error;
    }
  }

  private udpListener(control: StreamSocket, settings: IperfSettings): Socket {
    const { run } = this;
    const v4 = control.domain === PF_INET;
    const [bound] = run.o.bind === null ? [v4 ? 0 : ANY6] : addressesOf(run.p.vnet, run.o.bind, v4 ? 4 : 6);
    const address = bound ?? (v4 ? 0 : ANY6);
    const so = udpSocket(run, address, 'STREAMLISTEN');
    so.setsockopt('SO_REUSEADDR', 1);
    commonOptions(so, settings);
    roomFor(so, settings.blksize);
    must(so.bind(address, run.o.port), 'STREAMLISTEN');
    so.onReadable = run.wait.wake;
    return so;
  }

  /** Directions in the order their streams come: first those on which the client sends. */
  private streamsToCome(test: IperfTest): boolean[] {
    const senders = test.bidirectional ? [false, true] : [test.sides[0] === true];
    return senders.flatMap((sender) => Array.from({ length: test.settings.parallel }, () => sender));
  }

  /** Waits for something of a stream, while the client is there. */
  private async stream<T>(control: ControlChannel, next: () => T | null): Promise<T> {
    const { p, wait } = this.run;
    let found: T | null = null;
    const came = await wait.until(() => (found = next()) !== null || control.ready, p.now() + PATIENCE_US);
    if (found !== null) return found;
    throw iperfError(came ? 'CTRLCLOSE' : 'STREAMACCEPT', 0, 'no stream came');
  }

  private async acceptTcp(test: IperfTest, control: ControlChannel, cookie: Uint8Array, block: Uint8Array): Promise<void> {
    const { run } = this;
    const s = test.settings;
    const strangers: Stranger[] = [];
    for (const sender of this.streamsToCome(test)) {
      const so = await this.authentic(control, cookie, strangers);
      commonOptions(so, s);
      tcpOptions(so, s);
      if (s.congestion !== null && so.setCongestion(s.congestion) !== 0) run.reporter.warning('TCP congestion control algorithm not supported');
      const stream = new IperfStream(test.streams.length, sender);
      stream.ends = endsOf(so);
      if (test.streams.length === 0) {
        reportBuffers(run, so, s);
        test.congestionUsed = so.info().congestion || null;
      }
      test.streams.push(stream);
      test.pumps.push(new TcpPump(run.p, test, stream, so, block));
      run.reporter.stream(stream);
    }
    for (const stranger of strangers) deny(stranger.so);
  }

  /** The next connection that knows the cookie; others are turned away, or stay strangers until they have said it. */
  private authentic(control: ControlChannel, cookie: Uint8Array, strangers: Stranger[]): Promise<StreamSocket> {
    const { wait } = this.run;
    return this.stream(control, () => {
      for (let so = this.nextConnection(); so !== null; so = this.nextConnection()) {
        so.onReadable = wait.wake;
        strangers.push({ so: wait.keep(so), said: new Uint8Array(COOKIE_BYTES), at: 0 });
      }
      for (const [i, stranger] of strangers.entries()) {
        const knows = saysCookie(stranger, cookie);
        if (knows === null) continue;
        strangers.splice(i, 1);
        if (knows) return stranger.so;
        deny(stranger.so);
        return null;
      }
      return null;
    });
  }

  private async acceptUdp(test: IperfTest, control: ControlChannel, first: Socket, block: Uint8Array): Promise<Socket> {
    const { run } = this;
    let listener = first;
    for (const sender of this.streamsToCome(test)) {
      const so = listener;
      const from = await this.stream(control, () => peerOf(so));
      must(so.connect(from.address, from.port), 'STREAMACCEPT');
      listener = this.udpListener(control.so, test.settings);
      const stream = new IperfStream(test.streams.length, sender);
      stream.ends = endsOf(so);
      if (test.streams.length === 0) reportBuffers(run, so, test.settings);
      if (test.settings.dontFragment && so.domain === PF_INET) so.setsockopt('IP_DONTFRAG', 1);
      test.streams.push(stream);
      test.pumps.push(new UdpPump(run.p, test, stream, so, block));
      must(udpWelcome(so), 'STREAMWRITE');
      run.reporter.stream(stream);
    }
    return listener;
  }

  /** From TEST_RUNNING to the client's last word. */
  private async running(test: IperfTest, control: ControlChannel): Promise<void> {
    const { p, o, wait, reporter } = this.run;
    test.run(p.now());
    const receives = test.sides.includes(false);
    while (!control.ready) {
      if (test.failure !== null) throw test.failure;
      test.runTimers(p.now());
      if (test.done) throw iperfError('NOMSG');
      const silentUs = receives ? test.heardUs + o.rcvTimeoutMs * 1000 : Infinity;
      if (p.now() >= silentUs) throw iperfError('NOMSG');
      for (let so = this.nextConnection(); so !== null; so = this.nextConnection()) deny(so);
      await p.flush();
      await wait.until(() => test.failure !== null || control.ready || this.listeners.some((so) => so.acceptQueue.length > 0), Math.min(test.nextUs, silentUs));
    }
    const state = await control.state();
    if (state !== TEST_END && state !== CLIENT_TERMINATE && state !== null) throw iperfError('MESSAGE');
    test.end(p.now());
    test.closeStreams();
    if (state === null) return reporter.error('the client has unexpectedly closed the connection');
    reporter.results(test);
    if (state === CLIENT_TERMINATE) return reporter.error('the client has terminated');
    await control.sendState(EXCHANGE_RESULTS);
    takeResults(test, await control.json('RECVRESULTS'));
    await control.sendJson(toResults(test), 'SENDRESULTS');
    await control.sendState(DISPLAY_RESULTS);
    const last = await control.state(p.now() + PATIENCE_US);
    if (last === CLIENT_TERMINATE) reporter.error('the client has terminated');
    else if (last !== IPERF_DONE && last !== null) throw iperfError('MESSAGE');
  }
}

/** A connection that has not said its cookie yet. */
interface Stranger {
  readonly so: StreamSocket;
  readonly said: Uint8Array;
  at: number;
}

/** Reads on: does it know the cookie? Null while it has not said it. */
function saysCookie(stranger: Stranger, cookie: Uint8Array): boolean | null {
  const n = stranger.so.recv(stranger.said.subarray(stranger.at));
  if (n <= 0) return n === -EAGAIN ? null : false;
  stranger.at += n;
  if (stranger.at < COOKIE_BYTES) return null;
  return stranger.said.every((byte, i) => byte === cookie[i]);
}

/** Tells a connection that the server is busy. */
function deny(so: StreamSocket): void {
  so.send(Uint8Array.of(ACCESS_DENIED & 0xff));
  so.close();
}

/** Who has sent the oldest datagram, which is taken; null: none is there. */
function peerOf(so: Socket): { readonly address: SockAddr; readonly port: number } | null {
  const m = so.recvPacket();
  if (m === null) return null;
  const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ifIndex: 0, ttl: 0, length: 0 };
  so.describe(m, info);
  m.free();
  return { address: info.in6 === undefined ? info.addr : { addr: info.in6.addr, scopeId: info.in6.scopeId }, port: info.port };
}
