/**
 * capture-tool.ts — `netloom capture`: packets of an interface as pcapng on standard output.
 *
 * Read first: draft-ietf-opsawg-pcapng; core/src/net/bpf.ts.
 *
 * A tool like the others, so that it runs in a vnet, is ended with its client and stops while its reader is slow; it is the daemon's own, because
 * FreeBSD has none of its kind (tcpdump writes the older format and prints). Arguments: INTERFACE [-c COUNT] [-s SNAPLEN] [-p] [FILTER...].
 * The interface going away ends the capture with its statistics block, as does SIGINT or SIGTERM.
 *
 * Not here: printing packets (tcpdump).
 */
import { BPF_D_IN, bpfDlt, bpfOpen, strerror } from '@netloom/core';
import type { BpfListener } from '@netloom/core';
import { pcapngInterface, pcapngPacket, pcapngSection, pcapngStats } from '@netloom/core/wire';
import { compileFilter } from '@netloom/userland';
import type { Proc, Tool } from '@netloom/userland';
import { version } from './version.js';

const SNAPLEN = 262_144;
const EX_USAGE = 64;

interface CaptureOptions {
  ifname: string;
  count: number;
  snaplen: number;
  promisc: boolean;
  filter: string;
}

export const captureTool: Tool = { summary: 'capture packets of an interface as pcapng', main: capture };

async function capture(p: Proc): Promise<number> {
  const options = parse(p.argv.slice(1));
  if (typeof options === 'string') return fail(p, EX_USAGE, options);
  const net = p.vnet.net;
  const ifp = net.ifunit(options.ifname);
  if (ifp === null) return fail(p, 1, `there is no interface "${options.ifname}" in this vnet (there are: ${net.ifnets.map((i) => i.xname).join(', ')})`);
  const compiled = compileFilter(options.filter, { linktype: bpfDlt(ifp), snaplen: options.snaplen });
  if (!compiled.ok) return fail(p, EX_USAGE, `filter "${options.filter}": ${compiled.error}`);
  const { error, listener } = bpfOpen(net, options.ifname, { program: options.filter === '' ? null : compiled.program, snaplen: options.snaplen, promisc: options.promisc });
  if (listener === null) return fail(p, 1, `${options.ifname}: ${strerror(error)}`);
  p.atExit(() => listener.close());
  p.out(pcapngSection({ os: 'FreeBSD dialect', application: `Netloom ${version}` }));
  p.out(pcapngInterface({ linktype: bpfDlt(ifp), snaplen: options.snaplen, name: options.ifname, ...(ifp.lladdr.length === 6 ? { mac: ifp.lladdr } : {}) }));
  const startUs = p.wallUs();
  const written = await record(p, listener, options.count);
  p.out(pcapngStats({ interfaceId: 0, timeUs: p.wallUs(), startUs, endUs: p.wallUs(), received: listener.received, dropped: listener.dropped }));
  await p.flush();
  p.err(`${written} packets captured, ${listener.dropped} dropped\n`);
  return 0;
}

function fail(p: Proc, code: number, message: string): number {
  p.err(`netloom: ${message}\n`);
  return code;
}

function parse(args: readonly string[]): CaptureOptions | string {
  const options: CaptureOptions = { ifname: '', count: Infinity, snaplen: SNAPLEN, promisc: true, filter: '' };
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '-p') options.promisc = false;
    else if (arg === '-c' || arg === '-s') {
      const value = Number(args[++i]);
      if (!Number.isInteger(value) || value < 1 || value > 2 ** 31) return `${arg} needs a whole number from 1 on, not "${args[i] ?? ''}"`;
      if (arg === '-c') options.count = value;
      else options.snaplen = Math.min(value, SNAPLEN);
    } else words.push(arg);
  }
  options.ifname = words.shift() ?? '';
  options.filter = words.join(' ');
  return options.ifname === '' ? 'which interface? Usage: netloom capture VNET INTERFACE [FILTER]' : options;
}

/** Writes packets until a signal, the count, or the interface's end; how many. */
async function record(p: Proc, listener: BpfListener, count: number): Promise<number> {
  let asked = false;
  p.onSignal((signal) => {
    if (signal !== 'INT' && signal !== 'TERM') return false;
    asked = true;
    p.wake();
    return true;
  });
  listener.onReadable = () => p.wake();
  let written = 0;
  while (!asked) {
    for (let packet = listener.read(); packet !== null; packet = listener.read()) {
      const timeUs = p.wallUs() - (p.now() - packet.time);
      p.out(pcapngPacket({ interfaceId: 0, timeUs, bytes: packet.bytes, wireLen: packet.wireLen, direction: packet.direction === BPF_D_IN ? 'in' : 'out' }));
      if (++written >= count) return written;
    }
    await p.flush();
    if (listener.waiting > 0) continue;
    if (listener.detached) return written;
    await p.sleepUs(Infinity);
  }
  return written;
}
