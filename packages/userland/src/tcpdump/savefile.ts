/**
 * savefile.ts — `tcpdump -r`: packets of a pcap or pcapng file, or of standard input as they come.
 * Read first: tcpdump(1); packages/core/src/wire/capture.ts.
 *
 * The first interface of the file decides the link type; packets of another link type (pcapng may have them) end the reading. What is broken is
 * said and is exit code 1; the packets before it have been printed by then.
 */
import { DLT_RAW, bpfFilter } from '@netloom/core';
import type { BpfProgram } from '@netloom/core';
import { LINKTYPE_RAW, captureDecoder } from '@netloom/core/wire';
import type { CaptureDecoder, CaptureFault, CaptureInterface, CaptureItem, CapturePacket } from '@netloom/core/wire';
import { errx, warnx } from '../err.js';
import { dumpProgram } from '../pcap-filter/index.js';
import type { Proc } from '../proc.js';
import { linkTypeName } from './devices.js';
import { compile, dumpStyle } from './expression.js';
import { openSinks } from './packet-sink.js';
import type { PacketSink } from './packet-sink.js';
import { SNAPLEN_MAX } from './tcpdump-options.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

/** Packets between two waits for the reader. */
const FLUSH_EVERY = 64;
const MAGIC_LEN = 4;

export async function readSavefile(p: Proc, o: TcpdumpOptions, path: string): Promise<number> {
  let interrupted = false;
  p.onSignal((signal) => {
    if (signal !== 'INT' && signal !== 'TERM' && signal !== 'HUP') return false;
    interrupted = true;
    return true;
  });
  const reader = new SavefileReader(p, path);
  const head = await reader.interface();
  const dlt = head.linktype === LINKTYPE_RAW ? DLT_RAW : head.linktype;
  const snaplen = head.snaplen === 0 ? SNAPLEN_MAX : head.snaplen;
  p.err(`reading from file ${path}, link-type ${linkTypeName(dlt)}, snapshot length ${snaplen}\n`);
  const program = compile(p, o, dlt);
  if (o.dump > 0) {
    p.out(dumpProgram(program, dumpStyle(o)));
    return 0;
  }
  const sink = await openSinks(p, o, { dlt, name: '', snaplen });
  let n = 0;
  let fault: string | null = null;
  for (let item = await reader.next(); item !== null && !interrupted; item = await reader.next()) {
    fault = faultOf(item, head.linktype);
    if (fault !== null) break;
    if (item.kind !== 'packet' || !accepts(program, item)) continue;
    sink.packet(item);
    if (++n % FLUSH_EVERY === 0) await sink.flush();
    if (n === o.count) break;
  }
  await finish(p, o, sink, n, fault, interrupted);
  return fault === null ? 0 : 1;
}

async function finish(p: Proc, o: TcpdumpOptions, sink: PacketSink, n: number, fault: string | null, interrupted: boolean): Promise<void> {
  if (interrupted && o.writeFile === null) p.out('\n');
  await sink.close();
  if (fault !== null) warnx(p, `pcap_loop: ${fault}`);
  if (o.onlyCount) p.out(`${n} packet${n === 1 ? '' : 's'}\n`);
}

function faultOf(item: CaptureItem, linktype: number): string | null {
  if (item.kind === 'fault') return `${item.message} (at byte ${item.offset})`;
  if (item.kind === 'packet' && item.linktype !== linktype) return `an interface has a type ${item.linktype} different from the type of the first interface`;
  return null;
}

function accepts(program: BpfProgram, { bytes, wireLen }: CapturePacket): boolean {
  return bpfFilter(program, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, wireLen, bytes.length) !== 0;
}

/** A file's bytes as items. */
class SavefileReader {
  private readonly p: Proc;
  private readonly source: AsyncIterator<Uint8Array>;
  private decoder: CaptureDecoder | null = null;
  /** Bytes that came before there were enough to know the format. */
  private first = new Uint8Array(0);
  private ended = false;

  constructor(p: Proc, path: string) {
    this.p = p;
    this.source = (path === '-' ? p.stdin : fileChunks(p, path))[Symbol.asyncIterator]();
  }

  /** The first interface, which both formats have before the first packet. */
  async interface(): Promise<CaptureInterface> {
    for (let item = await this.next(); item !== null; item = await this.next()) {
      if (item.kind === 'interface') return item;
      if (item.kind === 'fault') return errx(this.p, 1, item.message);
    }
    return errx(this.p, 1, 'the capture file has no Interface Description Blocks');
  }

  /** The next item, null at the end. */
  async next(): Promise<CaptureItem | null> {
    for (;;) {
      const item = this.decoder?.next() ?? null;
      if (item !== null) return item;
      const { value, done } = await this.source.next();
      if (done === true) return this.end();
      this.push(value);
    }
  }

  private push(chunk: Uint8Array): void {
    if (this.decoder !== null) return this.decoder.push(chunk);
    const first = new Uint8Array(this.first.length + chunk.length);
    first.set(this.first);
    first.set(chunk, this.first.length);
    this.first = first;
    if (first.length < MAGIC_LEN) return undefined;
    this.decoder = captureDecoder(first) ?? errx(this.p, 1, 'unknown file format');
    return this.decoder.push(first);
  }

  /** Null when the file ended where it may. */
  private end(): CaptureFault | null {
    if (this.ended) return null;
    this.ended = true;
    const words = `tried to read ${MAGIC_LEN} file header bytes, only got ${this.first.length}`;
    const fault = this.decoder === null ? { kind: 'fault' as const, offset: 0, message: words } : this.decoder.end();
    return fault === null ? null : { ...fault, message: `truncated dump file; ${fault.message}` };
  }
}

async function* fileChunks(p: Proc, path: string): AsyncGenerator<Uint8Array> {
  if (p.host === null) errx(p, 1, `${path}: there are no files here`);
  yield await p.host.readFile(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`));
}
