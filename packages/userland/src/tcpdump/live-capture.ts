/**
 * live-capture.ts — tcpdump on an interface, until INT, `-c`, or the interface's end.
 * Read first: tcpdump(1), bpf(4); packages/core/src/net/bpf.ts.
 *
 * Theory of operation. The listener's bounded buffer wakes the tool, which prints or writes what is there and sleeps again. A reader that
 * does not keep up makes the tool wait in `flush`, the buffer fill, and packets be lost and counted; nothing else is held up.
 * INFO reports the counts so far. Writing with -v reports once a second how many there are.
 */
import { BPF_D_IN, bpfOpen, strerror } from '@netloom/core';
import type { BpfListener } from '@netloom/core';
import { errx, warnx } from '../err.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { dumpProgram } from '../pcap-filter/index.js';
import type { Proc, ProcSignal } from '../proc.js';
import { chooseDevice, linkTypeName, linktypeOfDevice } from './devices.js';
import { compile, dumpStyle } from './expression.js';
import { openSinks } from './packet-sink.js';
import type { PacketSink } from './packet-sink.js';
import type { TcpdumpOptions } from './tcpdump-options.js';
import { LINK_TYPES } from './tcpdump-options.js';

const PROGRESS_US = 1_000_000;
const STOPS: ReadonlySet<ProcSignal> = new Set<ProcSignal>(['INT', 'TERM', 'HUP', 'PIPE']);

export async function liveCapture(p: Proc, o: TcpdumpOptions): Promise<number> {
  const ifp = chooseDevice(p, o);
  if (!ownsNetwork(p.prison)) errx(p, 1, `${ifp.xname}: You don't have permission to perform this capture on that device`);
  const dlt = linktypeOfDevice(ifp);
  if (o.listLinkTypes) {
    p.err(`Data link types for ${ifp.xname} (use option -y to set):\n  ${linkTypeName(dlt)}\n`);
    return 0;
  }
  if (o.linktype !== null) {
    const name = LINK_TYPES.get(o.linktype)?.[0] ?? '';
    if (o.linktype !== dlt) errx(p, 1, `${name} is not one of the DLTs supported by this device`);
    warnx(p, `data link type ${name}`);
  }
  const program = compile(p, o, dlt);
  if (o.dump > 0) {
    p.out(dumpProgram(program, dumpStyle(o)));
    return 0;
  }
  const { error, listener } = bpfOpen(p.vnet.net, ifp.xname, {
    program: o.expression === '' ? null : program, snaplen: o.snaplen, promisc: o.promiscuous, direction: o.direction,
    ...(o.bufferBytes === null ? {} : { bufferBytes: o.bufferBytes }),
  });
  if (listener === null) return errx(p, 1, `${ifp.xname}: ${strerror(error)}`);
  p.atExit(() => listener.close());
  const sink = await openSinks(p, o, { dlt, name: ifp.xname, snaplen: o.snaplen });
  const terse = o.dissect.verbose === 0 && o.writeFile === null;
  p.err(terse ? 'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n' : 'tcpdump: ');
  p.err(`listening on ${ifp.xname}, link-type ${linkTypeName(dlt)}, snapshot length ${o.snaplen} bytes\n`);
  return new LiveCapture(p, o, listener, sink).run();
}

const count = (n: number, what: string): string => `${n} packet${n === 1 ? '' : 's'} ${what}`;

class LiveCapture {
  private readonly p: Proc;
  private readonly o: TcpdumpOptions;
  private readonly listener: BpfListener;
  private readonly sink: PacketSink;
  private captured = 0;
  private interrupted = false;
  private reported = -1;

  constructor(p: Proc, o: TcpdumpOptions, listener: BpfListener, sink: PacketSink) {
    this.p = p;
    this.o = o;
    this.listener = listener;
    this.sink = sink;
  }

  async run(): Promise<number> {
    const { p, o, listener, sink } = this;
    listener.onReadable = () => p.wake();
    p.onSignal((signal) => this.signal(signal));
    await this.pump();
    listener.close();
    if (this.interrupted && o.writeFile === null) p.out('\n');
    await sink.close();
    if (listener.detached) warnx(p, 'pcap_loop: The interface disappeared');
    p.err(`${this.counts().join('\n')}\n`);
    return listener.detached ? 1 : 0;
  }

  private counts(): string[] {
    const { received, dropped } = this.listener;
    return [count(this.captured, 'captured'), count(received, 'received by filter'), count(dropped, 'dropped by kernel')];
  }

  private signal(signal: ProcSignal): boolean {
    if (signal === 'INFO') this.p.err(`tcpdump: ${this.counts().join(', ')}\n`);
    else if (STOPS.has(signal)) this.interrupted = true;
    else return false;
    return true;
  }

  private async pump(): Promise<void> {
    const { p, o, listener, sink } = this;
    const epochUs = p.wallUs() - p.now();
    const progress = o.writeFile !== null && o.dissect.verbose > 0 && !o.print;
    for (let reportUs = p.now() + PROGRESS_US; ; ) {
      // What came before the end is taken along.
      const last = this.interrupted || listener.detached;
      for (let r = listener.read(); r !== null; r = listener.read()) {
        this.captured++;
        sink.packet({ timeUs: epochUs + r.time, bytes: r.bytes, wireLen: r.wireLen, direction: r.direction === BPF_D_IN ? 'in' : 'out' });
        if (this.captured === o.count) return;
      }
      await sink.flush();
      if (last) return;
      if (this.interrupted || listener.detached) continue;
      if (progress && p.now() >= reportUs) {
        reportUs = p.now() + PROGRESS_US;
        if (this.captured !== this.reported) p.err(`Got ${this.captured}\r`);
        this.reported = this.captured;
      }
      await p.sleepUs(progress ? reportUs - p.now() : Infinity);
    }
  }
}
