/**
 * tcpdump.ts — tcpdump(1): show, save and read packets.
 * Read first: tcpdump(1), pcap-filter(7). Exit codes: 0, 1 for anything refused, 2 for a broken savefile.
 *
 * Theory of operation. A live capture is a listener on an interface (bpf) with the compiled filter; its bounded buffer wakes
 * the tool, which prints or writes what is there and waits again, so a slow reader loses packets (counted) and nothing else.
 * A file is read packet by packet through the same filter and printer.
 * `-w` writes classic pcap, as tcpdump does, and pcapng when the name ends in `.pcapng`. `-` is standard output or input.
 */
import { BPF_D_IN, DLT_EN10MB, bpfDlt, bpfFilter, bpfOpen, strerror } from '@netloom/core';
import type { BpfListener, BpfProgram, Ifnet } from '@netloom/core';
import {
  Dissector, LINKTYPE_ETHERNET, LINKTYPE_NULL, LINKTYPE_RAW, TimestampPrinter, captureDecoder, pcapHeader, pcapRecord, pcapngInterface, pcapngPacket,
  pcapngSection,
} from '@netloom/core/wire';
import type { CaptureDecoder, CapturePacket } from '@netloom/core/wire';
import { errx, toolMain } from '../err.js';
import { compileFilter, dumpProgram } from '../pcap-filter/index.js';
import type { HostFile, Proc } from '../proc.js';
import { TCPDUMP_USAGE, parseTcpdump } from './tcpdump-options.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

export const tcpdump = toolMain(async (p: Proc): Promise<number> => {
  const parsed = parseTcpdump(p.argv);
  if ('error' in parsed) {
    p.err(`tcpdump: ${parsed.error}\n${TCPDUMP_USAGE}`);
    return 1;
  }
  const o = parsed.options;
  if (o.listInterfaces) return listInterfaces(p);
  if (o.filterFile !== null) o.expression = await readText(p, o.filterFile);
  if (o.readFile !== null) return readCapture(p, o);
  return liveCapture(p, o);
});

async function readText(p: Proc, path: string): Promise<string> {
  if (p.host === null) errx(p, 1, `can't open ${path}: there are no files here`);
  const bytes = await p.host.readFile(path).catch((e: Error) => errx(p, 1, `can't open ${path}: ${e.message}`));
  return String.fromCharCode(...bytes).trim();
}

function listInterfaces(p: Proc): number {
  p.vnet.net.ifnets.forEach((ifp, i) => {
    const words = [...(ifp.isUp ? ['Up'] : []), ...(ifp.isRunning ? ['Running'] : []), ...(ifp === p.vnet.net.loif ? ['Loopback'] : [])];
    p.out(`${i + 1}.${ifp.xname}${words.length > 0 ? ` [${words.join(', ')}]` : ''}\n`);
  });
  return 0;
}

/** The interface asked for; without one, the first that is up and not loopback. */
function chooseInterface(p: Proc, o: TcpdumpOptions): Ifnet {
  const { net } = p.vnet;
  if (o.interfaceName !== null) {
    const ifp = net.ifunit(o.interfaceName) ?? (/^[0-9]+$/.test(o.interfaceName) ? (net.ifnets[Number(o.interfaceName) - 1] ?? null) : null);
    if (ifp === null) errx(p, 1, `${o.interfaceName}: No such device exists (No such device exists)`);
    return ifp;
  }
  const ifp = net.ifnets.find((i) => i.isUp && i !== net.loif) ?? net.loif;
  if (ifp === null) errx(p, 1, 'no suitable device found');
  return ifp;
}

function compile(p: Proc, o: TcpdumpOptions, linktype: number): BpfProgram | null {
  if (o.expression === '' && o.dump === 0) return null;
  const result = compileFilter(o.expression, { linktype, snaplen: o.snaplen });
  if (!result.ok) errx(p, 1, result.error);
  return result.program;
}

const linkName = (linktype: number): string => (linktype === LINKTYPE_ETHERNET ? 'EN10MB (Ethernet)' : linktype === LINKTYPE_NULL ? 'NULL (BSD loopback)' : 'RAW (Raw IP)');

async function liveCapture(p: Proc, o: TcpdumpOptions): Promise<number> {
  const ifp = chooseInterface(p, o);
  const linktype = bpfDlt(ifp) === DLT_EN10MB ? LINKTYPE_ETHERNET : LINKTYPE_RAW;
  if (o.listLinkTypes) {
    p.err(`Data link types for ${ifp.xname} (use option -y to set):\n  ${linkName(linktype)}\n`);
    return 0;
  }
  const program = compile(p, o, linktype);
  if (o.dump > 0 && program !== null) {
    p.out(dumpProgram(program, o.dump === 1 ? 1 : o.dump === 2 ? 2 : 3));
    return 0;
  }
  const { error, listener } = bpfOpen(p.vnet.net, ifp.xname, { program, snaplen: o.snaplen, promisc: o.promiscuous, direction: o.direction });
  if (listener === null) errx(p, 1, `${ifp.xname}: ${strerror(error)}`);
  p.atExit(() => listener.close());
  const sink = await openSink(p, o, linktype, ifp.xname);
  if (o.writeFile === null && o.dissect.verbose === 0) p.err('tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n');
  p.err(`${o.writeFile === null && o.dissect.verbose === 0 ? '' : 'tcpdump: '}listening on ${ifp.xname}, link-type ${linkName(linktype)}, snapshot length ${o.snaplen} bytes\n`);
  const captured = await pump(p, o, listener, sink);
  await sink.close();
  p.err(`${captured} packet${captured === 1 ? '' : 's'} captured\n${listener.received} packet${listener.received === 1 ? '' : 's'} received by filter\n${listener.dropped} packet${listener.dropped === 1 ? '' : 's'} dropped by kernel\n`);
  if (listener.detached) {
    p.err(`tcpdump: ${ifp.xname}: The interface disappeared\n`);
    return 1;
  }
  return 0;
}

async function pump(p: Proc, o: TcpdumpOptions, listener: BpfListener, sink: Sink): Promise<number> {
  let captured = 0;
  let ended = false;
  listener.onReadable = () => p.wake();
  p.onSignal((signal) => {
    if (signal === 'INFO') {
      p.err(`tcpdump: ${captured} packets captured, ${listener.received} packets received by filter, ${listener.dropped} packets dropped by kernel\n`);
      return true;
    }
    if (signal !== 'INT' && signal !== 'TERM') return false;
    ended = true;
    p.wake();
    return true;
  });
  const epoch = p.wallUs() - p.now();
  for (;;) {
    for (let r = listener.read(); r !== null; r = listener.read()) {
      captured++;
      sink.packet(epoch + r.time, r.bytes, r.wireLen, r.direction === BPF_D_IN ? 'in' : 'out');
      if (captured === o.count) return captured;
    }
    if (ended || listener.detached) return captured;
    await sink.flush();
    await p.sleepUs(Number.POSITIVE_INFINITY);
  }
}

/** Where packets go: the terminal or a file. */
interface Sink {
  packet(timeUs: number, bytes: Uint8Array, wireLen: number, direction: 'in' | 'out' | ''): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

async function openSink(p: Proc, o: TcpdumpOptions, linktype: number, ifname: string): Promise<Sink> {
  if (o.writeFile !== null) return fileSink(p, o, linktype, ifname, o.writeFile);
  const printer = new Dissector({ ...o.dissect, linktype });
  const stamps = new TimestampPrinter(o.timestamps);
  let n = 0;
  return {
    packet: (timeUs, bytes, wireLen) => {
      n++;
      if (o.onlyCount) return;
      p.out(`${o.number ? `${String(n).padStart(5)}  ` : ''}${stamps.print(timeUs)}${printer.print(bytes, wireLen)}\n`);
    },
    flush: () => p.flush(),
    close: async () => {
      if (o.onlyCount) p.out(`${n} packet${n === 1 ? '' : 's'}\n`);
      await p.flush();
    },
  };
}

async function fileSink(p: Proc, o: TcpdumpOptions, linktype: number, ifname: string, path: string): Promise<Sink> {
  const file = path === '-' ? standardOutput(p) : await openFile(p, path);
  const ng = path.endsWith('.pcapng');
  if (ng) {
    file.write(pcapngSection({ application: 'netloom tcpdump' }));
    file.write(pcapngInterface({ linktype, name: ifname, snaplen: o.snaplen }));
  } else {
    file.write(pcapHeader(linktype, o.snaplen));
  }
  return {
    packet: (timeUs, bytes, wireLen, direction) => {
      file.write(ng ? pcapngPacket({ interfaceId: 0, timeUs, bytes, wireLen, ...(direction === '' ? {} : { direction }) }) : pcapRecord(timeUs, bytes, wireLen));
    },
    flush: () => file.flush(),
    close: () => file.close(),
  };
}

async function openFile(p: Proc, path: string): Promise<HostFile> {
  if (p.host === null) errx(p, 1, `${path}: there are no files here`);
  return p.host.openWrite(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`));
}

function standardOutput(p: Proc): HostFile {
  return { write: (data) => p.out(data), flush: () => p.flush(), close: () => p.flush() };
}

async function readCapture(p: Proc, o: TcpdumpOptions): Promise<number> {
  const path = o.readFile ?? '';
  const bytes = path === '-' ? await readAll(p) : await readFile(p, path);
  const decoder = captureDecoder(bytes);
  if (decoder === null) errx(p, 1, `${path}: unknown file format`);
  decoder.push(bytes);
  let program: BpfProgram | null | undefined;
  let sink: Sink | null = null;
  let n = 0;
  for (const packet of packets(p, path, decoder)) {
    program ??= compile(p, o, packet.linktype);
    sink ??= await openSink(p, o, packet.linktype, 'file');
    const view = new DataView(packet.bytes.buffer, packet.bytes.byteOffset, packet.bytes.length);
    if (program !== null && bpfFilter(program, view, 0, packet.wireLen, packet.bytes.length) === 0) continue;
    sink.packet(packet.timeUs, packet.bytes, packet.wireLen, packet.direction);
    await sink.flush();
    if (++n === o.count) break;
  }
  if (sink === null && o.onlyCount) p.out('0 packets\n');
  await sink?.close();
  return 0;
}

function* packets(p: Proc, path: string, decoder: CaptureDecoder): Generator<CapturePacket> {
  p.err(`reading from file ${path}\n`);
  for (let item = decoder.next(); item !== null; item = decoder.next()) {
    if (item.kind === 'packet') yield item;
    if (item.kind === 'fault') errx(p, 2, `${path}: ${item.message} (at byte ${item.offset})`);
  }
  const fault = decoder.end();
  if (fault !== null) errx(p, 2, `${path}: ${fault.message} (at byte ${fault.offset})`);
}

async function readFile(p: Proc, path: string): Promise<Uint8Array> {
  if (p.host === null) errx(p, 1, `${path}: there are no files here`);
  return p.host.readFile(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`));
}

async function readAll(p: Proc): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of p.stdin) {
    chunks.push(chunk);
    length += chunk.length;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const c of chunks) {
    all.set(c, at);
    at += c.length;
  }
  return all;
}
