/**
 * iperf-client.ts — iperf3 as a client: connects, does what the server says, and sends or receives.
 * Read first: iperf_client_api.c of iperf 3.12; iperf-test.ts, control.ts.
 *
 * Theory of operation. The server leads: each byte on the control connection says what comes next. While the test runs the client waits for its end, which it declares itself, or for a word of the
 * server.
 */
import type { SockAddr } from '@netloom/core';
import { asciiBytes } from '../ascii.js';
import { lookUp } from '../known-names.js';
import { addressesOf, connectStream, domainOf, streamSocket } from '../tcp-connect.js';
import { COOKIE_BYTES, ControlChannel } from './control.js';
import { iperfError, serverError } from './iperf-error.js';
import { takeResults, toResults } from './iperf-results.js';
import { bindAddress, commonOptions, endsOf, must, reportBuffers, tcpOptions, udpSocket } from './iperf-run.js';
import type { IperfRun } from './iperf-run.js';
import { DEFAULT_UDP_BLKSIZE, MAX_UDP_BLOCKSIZE, toParameters } from './iperf-settings.js';
import { IperfStream } from './iperf-stream.js';
import { TcpPump } from './iperf-tcp.js';
import {
  ACCESS_DENIED, CREATE_STREAMS, DISPLAY_RESULTS, EXCHANGE_RESULTS, IPERF_DONE, IperfTest, PARAM_EXCHANGE, SERVER_ERROR, SERVER_TERMINATE, TEST_END, TEST_RUNNING, TEST_START,
} from './iperf-test.js';
import { UdpPump, udpGreet } from './iperf-udp.js';

const COOKIE_LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

/** 36 letters that name a test, and a zero byte. */
function makeCookie(run: IperfRun): string {
  const rng = run.p.kernel.engine.rng.split(`iperf3.${run.p.pid}`);
  return Array.from({ length: COOKIE_BYTES - 1 }, () => COOKIE_LETTERS.charAt(rng.below(COOKIE_LETTERS.length))).join('');
}

/** Connects the control connection to the first of the server's addresses that answers. */
async function connectControl(run: IperfRun): Promise<SockAddr> {
  const { p, o, wait } = run;
  const known = await lookUp(p, [o.host], o.family);
  const addresses = addressesOf(p.vnet, o.host, o.family, known);
  let failed = addresses.length === 0 ? iperfError('CONNECT', 0, known.why(o.host)) : iperfError('CONNECT');
  for (const address of addresses) {
    const so = streamSocket(wait, domainOf(address));
    if (typeof so === 'number') {
      failed = iperfError('CONNECT', so);
      continue;
    }
    const bind = bindAddress(run, address, 'CONNECT');
    let error = bind === null ? 0 : so.bind(bind, 0);
    if (error === 0) error = await connectStream(wait, so, address, o.port, p.now() + o.connectTimeoutMs * 1000);
    if (error === 0) {
      run.control = new ControlChannel(wait, so);
      return address;
    }
    so.close();
    failed = iperfError('CONNECT', error);
  }
  throw failed;
}

/** UDP blocks are as large as the path takes them in one piece, unless somebody has said how large. */
function chooseBlock(run: IperfRun, mss: number): void {
  const s = run.o.settings;
  if (!s.udp) return;
  if (s.blksize === 0) {
    s.blksize = mss > 0 ? Math.min(mss, MAX_UDP_BLOCKSIZE) : DEFAULT_UDP_BLKSIZE;
    if (run.o.verbose && !run.o.json) run.p.out(`Setting UDP block size to ${s.blksize}\n`);
  }
  if (mss > 0 && s.blksize > mss) run.reporter.warning(`UDP block size ${s.blksize} exceeds TCP MSS ${mss}, may result in fragmentation / drops`);
}

export async function runClient(run: IperfRun): Promise<void> {
  const { p, o } = run;
  run.reporter.begin();
  const test = new IperfTest('client', o.settings, run.reporter, o.intervalSec);
  test.cookie = makeCookie(run);
  test.wake = run.wait.wake;
  run.test = test;
  const address = await connectControl(run);
  const control = run.control!;
  await control.write(asciiBytes(`${test.cookie}\0`), 'SENDCOOKIE');
  const mss = control.so.getsockopt('TCP_MAXSEG') ?? 0;
  if (o.verbose && !o.json) p.out(`Control connection MSS ${mss}\n`);
  chooseBlock(run, mss);
  for (;;) {
    const state = await control.state();
    if (state === null) throw iperfError('CTRLCLOSE');
    if (state === PARAM_EXCHANGE) {
      await control.sendJson(toParameters(o.settings), 'SENDPARAMS');
      run.reporter.connected(test, { wallUs: p.wallUs(), host: o.host, port: o.port, mss });
    } else if (state === CREATE_STREAMS) {
      await createStreams(run, test, address);
    } else if (state === TEST_START) {
      test.start(p.now());
    } else if (state === TEST_RUNNING) {
      await runTest(run, test, control);
    } else if (state === EXCHANGE_RESULTS) {
      await control.sendJson(toResults(test), 'SENDRESULTS');
      takeResults(test, await control.json('RECVRESULTS'));
    } else if (state === DISPLAY_RESULTS) {
      test.closeStreams();
      run.reporter.results(test);
      await control.sendState(IPERF_DONE);
      control.so.close();
      return;
    } else {
      await refused(run, test, control, state);
    }
  }
}

/** The server does not go on. @throws IperfError always */
async function refused(run: IperfRun, test: IperfTest, control: ControlChannel, state: number): Promise<never> {
  if (state === SERVER_TERMINATE) {
    if (!test.done) test.end(run.p.now());
    run.reporter.results(test);
    throw iperfError('SERVERTERM');
  }
  if (state === ACCESS_DENIED) throw iperfError('ACCESSDENIED');
  if (state === SERVER_ERROR) throw serverError(await control.uint32('CTRLREAD'), await control.uint32('CTRLREAD'));
  throw iperfError('MESSAGE');
}

async function createStreams(run: IperfRun, test: IperfTest, address: SockAddr): Promise<void> {
  const s = test.settings;
  const block = new Uint8Array(s.blksize);
  const rng = run.p.kernel.engine.rng.split(`iperf3.block.${run.p.pid}`);
  for (let i = 0; i < block.length; i++) block[i] = s.repeatingPayload ? 0x30 + (i % 10) : rng.below(256);
  for (const sender of test.sides) {
    for (let i = 0; i < s.parallel; i++) {
      const index = test.streams.length;
      const stream = new IperfStream(index, sender);
      const cport = run.o.cport === 0 ? 0 : run.o.cport + index;
      if (s.udp) await createUdp(run, test, stream, address, cport, block);
      else await createTcp(run, test, stream, address, cport, block);
      test.streams.push(stream);
      run.reporter.stream(stream);
    }
  }
}

async function createTcp(run: IperfRun, test: IperfTest, stream: IperfStream, address: SockAddr, cport: number, block: Uint8Array): Promise<void> {
  const { wait, o } = run;
  const s = test.settings;
  const so = streamSocket(wait, domainOf(address));
  if (typeof so === 'number') throw iperfError('STREAMCONNECT', so);
  commonOptions(so, s);
  if (s.congestion !== null && so.setCongestion(s.congestion) !== 0) throw iperfError('SETCONGESTION');
  const bind = bindAddress(run, address, 'STREAMCONNECT');
  if (bind !== null || cport !== 0) must(so.bind(bind ?? anyLike(address), cport), 'STREAMCONNECT');
  must(await connectStream(wait, so, address, o.port), 'STREAMCONNECT');
  tcpOptions(so, s);
  const cookie = asciiBytes(`${test.cookie}\0`);
  if (so.send(cookie) !== cookie.length) throw iperfError('SENDCOOKIE');
  if (test.streams.length === 0) {
    reportBuffers(run, so, s);
    test.congestionUsed = so.info().congestion || null;
  }
  stream.ends = endsOf(so);
  test.pumps.push(new TcpPump(run.p, test, stream, so, block));
}

async function createUdp(run: IperfRun, test: IperfTest, stream: IperfStream, address: SockAddr, cport: number, block: Uint8Array): Promise<void> {
  const { wait, o } = run;
  const s = test.settings;
  const so = udpSocket(run, address, 'STREAMCONNECT');
  commonOptions(so, s);
  roomFor(so, s.blksize);
  if (s.dontFragment) must(so.setsockopt('IP_DONTFRAG', 1), 'SETDONTFRAGMENT');
  const bind = bindAddress(run, address, 'STREAMCONNECT');
  if (bind !== null || cport !== 0) must(so.bind(bind ?? anyLike(address), cport), 'STREAMCONNECT');
  must(so.connect(address, o.port), 'STREAMCONNECT');
  if (test.streams.length === 0) reportBuffers(run, so, s);
  stream.ends = endsOf(so);
  await udpGreet(wait, so);
  test.pumps.push(new UdpPump(run.p, test, stream, so, block));
}

/** A UDP socket whose buffers take a block. */
export function roomFor(so: { getsockopt(name: string): number | null; setsockopt(name: string, value: number): number }, blksize: number): void {
  for (const name of ['SO_SNDBUF', 'SO_RCVBUF']) {
    if ((so.getsockopt(name) ?? 0) < blksize) must(so.setsockopt(name, blksize), 'SETBUF');
  }
}

const anyLike = (address: SockAddr): SockAddr => (typeof address === 'number' ? 0 : { addr: new Uint8Array(16), scopeId: 0 });

/** From TEST_RUNNING to TEST_END. @throws IperfError */
async function runTest(run: IperfRun, test: IperfTest, control: ControlChannel): Promise<void> {
  const { p, o, wait } = run;
  test.run(p.now());
  const receives = test.sides.includes(false);
  for (;;) {
    if (test.failure !== null) throw test.failure;
    test.runTimers(p.now());
    if (test.done) break;
    if (control.ready) return;
    await p.flush();
    const silentUs = receives ? test.heardUs + o.rcvTimeoutMs * 1000 : Infinity;
    if (p.now() >= silentUs) throw iperfError('NOMSG');
    await wait.until(() => test.failure !== null || test.reached || control.ready, Math.min(test.nextUs, silentUs));
  }
  test.end(p.now());
  await control.sendState(TEST_END);
}

