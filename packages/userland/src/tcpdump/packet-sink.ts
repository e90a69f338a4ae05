/**
 * packet-sink.ts — where tcpdump's packets go: to the terminal as text, to a file as they are, or both.
 * Read first: tcpdump(1); packages/core/src/wire/pcap.ts.
 *
 * A file is classic pcap, or pcapng when its name ends in `.pcapng`; `-` is standard output. What is printed and written is bounded by the process's
 * output; whoever fills a sink calls `flush` now and then.
 */
import { DLT_RAW } from '@netloom/core';
import { Dissector, LINKTYPE_RAW, TimestampPrinter, pcapHeader, pcapRecord, pcapngInterface, pcapngPacket, pcapngSection } from '@netloom/core/wire';
import { errx } from '../err.js';
import type { HostFile, Proc } from '../proc.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

export interface SunkPacket {
  /** Microseconds since 1970. */
  readonly timeUs: number;
  readonly bytes: Uint8Array;
  readonly wireLen: number;
  readonly direction: 'in' | 'out' | '';
}

export interface PacketSink {
  packet(packet: SunkPacket): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What is captured from. */
export interface SinkSource {
  /** DLT_* */
  readonly dlt: number;
  /** Name of the interface, '' for a file. */
  readonly name: string;
  readonly snaplen: number;
}

/** The sinks the options ask for. Leaves when the file cannot be written. */
export async function openSinks(p: Proc, o: TcpdumpOptions, source: SinkSource): Promise<PacketSink> {
  const file = o.writeFile === null ? null : await fileSink(p, o.writeFile, source);
  if (file === null) return printerSink(p, o, source);
  return o.print ? both(file, printerSink(p, o, source)) : file;
}

function both(a: PacketSink, b: PacketSink): PacketSink {
  return {
    packet: (packet) => {
      a.packet(packet);
      b.packet(packet);
    },
    flush: async () => {
      await a.flush();
      await b.flush();
    },
    close: async () => {
      await a.close();
      await b.close();
    },
  };
}

function printerSink(p: Proc, o: TcpdumpOptions, source: SinkSource): PacketSink {
  const printer = new Dissector({ ...o.dissect, linktype: fileLinktype(source.dlt) });
  const stamps = new TimestampPrinter(o.timestamps);
  let n = 0;
  return {
    packet: ({ timeUs, bytes, wireLen }) => {
      n++;
      if (!o.onlyCount) p.out(`${o.number ? `${String(n).padStart(5)}  ` : ''}${stamps.print(timeUs)}${printer.print(bytes, wireLen)}\n`);
    },
    flush: () => p.flush(),
    close: () => p.flush(),
  };
}

/** Files number raw IP in their own way. */
function fileLinktype(dlt: number): number {
  return dlt === DLT_RAW ? LINKTYPE_RAW : dlt;
}

async function fileSink(p: Proc, path: string, source: SinkSource): Promise<PacketSink> {
  const file = path === '-' ? standardOutput(p) : await openFile(p, path);
  const linktype = fileLinktype(source.dlt);
  const failed = (e: Error): never => errx(p, 1, `Unable to write packet to file: ${e.message}`);
  const ng = path.endsWith('.pcapng');
  if (ng) {
    file.write(pcapngSection({ application: 'netloom tcpdump' }));
    file.write(pcapngInterface({ linktype, name: source.name, snaplen: source.snaplen }));
  } else file.write(pcapHeader(linktype, source.snaplen));
  return {
    packet: ({ timeUs, bytes, wireLen, direction }) => {
      file.write(ng ? pcapngPacket({ interfaceId: 0, timeUs, bytes, wireLen, ...(direction === '' ? {} : { direction }) }) : pcapRecord(timeUs, bytes, wireLen));
    },
    flush: () => file.flush().catch(failed),
    close: () => file.close().catch(failed),
  };
}

async function openFile(p: Proc, path: string): Promise<HostFile> {
  if (p.host === null) return errx(p, 1, `${path}: there are no files here`);
  return p.host.openWrite(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`));
}

function standardOutput(p: Proc): HostFile {
  return { write: (data) => p.out(data), flush: () => p.flush(), close: () => p.flush() };
}
