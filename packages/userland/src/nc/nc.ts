/**
 * nc.ts — nc(1): standard input to a connection or to datagrams, what comes back to standard output; or a tun device in their place.
 * Read first: nc(1); nc-stream.ts, nc-session.ts. Exit codes: 0, 1 when nothing could be connected or something was refused.
 *
 * A client tries each port in turn. Over UDP, with `-v` or `-z` it first sends four datagrams of one byte, as FreeBSD's does, to see whether an error
 * comes back; a scan gives that error time to arrive. A listener over TCP takes one connection at a time, with `-k` for ever, and listens anew after
 * each. Over UDP it takes its peer from the first datagram and then hears that peer only; with `-k` it hears everybody and never ends by itself.
 * Not here: SCTP, Unix sockets, proxies, passing of descriptors.
 */
import { MSG_PEEK } from '@netloom/core';
import type { RecvInfo, SockAddr, Socket, StreamSocket } from '@netloom/core';
import { openedBy } from '../descriptors.js';
import { errx, toolMain } from '../err.js';
import { lookUp } from '../known-names.js';
import type { Proc } from '../proc.js';
import { ncAddresses, ncPorts, parseNc } from './nc-options.js';
import type { NcOptions } from './nc-options.js';
import { NcSession } from './nc-session.js';
import { clientDatagram, clientStream, listenDatagram, listenStream, reportConnected, reportReceived } from './nc-socket.js';
import type { SocketSlot } from './nc-socket.js';
import { NcStream } from './nc-stream.js';
import { openTun } from './nc-tun.js';
import type { TunEnd } from './nc-tun.js';

/** Datagrams that see whether a port is there. */
const PROBES = 4;
/** How long a scan listens for an error after each of them. */
const PROBE_WAIT_US = 50_000;

export const nc = toolMain(async (p: Proc): Promise<number> => {
  const o = parseNc(p);
  if (!o.numeric) o.known = await lookUp(p, [o.host, o.sourceText], o.family);
  const tun = o.tunDevice === null ? null : openTun(p, o.tunDevice);
  const slot: SocketSlot = { so: null };
  p.atExit(() => slot.so?.close());
  if (!o.listen) return connect(p, o, slot, tun);
  return o.udp ? listenUdp(p, o, slot, tun) : listenTcp(p, o, slot);
});

async function listenTcp(p: Proc, o: NcOptions, slot: SocketSlot): Promise<number> {
  const accepted: SocketSlot = { so: null };
  p.atExit(() => accepted.so?.close());
  do {
    const listener = listenStream(p, o, slot);
    const so = await accept(p, listener);
    if (so === null) return 1;
    accepted.so = openedBy(p, so);
    if (o.verbose) {
      const { addr, port } = peerOf(so);
      reportReceived(p, o, addr, port);
    }
    await new NcStream(p, o, so).run();
    so.close();
    listener.close();
  } while (o.keep);
  return 0;
}

/** The next connection; null when the listener is gone. */
async function accept(p: Proc, listener: StreamSocket): Promise<StreamSocket | null> {
  listener.onReadable = () => p.wake();
  for (;;) {
    const so = listener.accept();
    if (so !== null || listener.closed) return so;
    await p.sleepUs(Infinity);
  }
}

function peerOf(so: StreamSocket): { readonly addr: SockAddr; readonly port: number } {
  const in6 = so.peer6();
  if (in6 !== null) return { addr: in6, port: in6.port };
  return so.peer() ?? { addr: 0, port: 0 };
}

async function listenUdp(p: Proc, o: NcOptions, slot: SocketSlot, tun: TunEnd | null): Promise<number> {
  const so = listenDatagram(p, o, slot);
  if (!o.keep && !(await awaitPeer(p, so, o, tun))) return 1;
  // With -k silence ends nothing: it would listen again at once.
  await new NcSession(p, o.keep ? { ...o, timeoutUs: Infinity } : o, so, tun).run();
  return 0;
}

/** Connects to whoever sends first; its datagram stays to be read. False: the socket or the device is gone. */
async function awaitPeer(p: Proc, so: Socket, o: NcOptions, tun: TunEnd | null): Promise<boolean> {
  const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  so.onReadable = () => p.wake();
  while (so.recv(new Uint8Array(0), info, MSG_PEEK) < 0) {
    if (so.closed || tun?.gone === true) return false;
    await p.sleepUs(Infinity);
  }
  const peer = info.in6 ?? info.addr;
  const error = so.connect(peer, info.port);
  if (error !== 0) return false;
  if (o.verbose) reportReceived(p, o, peer, info.port);
  return true;
}

async function connect(p: Proc, o: NcOptions, slot: SocketSlot, tun: TunEnd | null): Promise<number> {
  const addresses = ncAddresses(p, o, o.host ?? '');
  const ports = ncPorts(p, o.portText);
  if (o.randomPorts) shuffle(p, ports);
  let code = 1;
  for (const port of ports) {
    const talk = o.udp ? await connectUdp(p, o, slot, addresses, port, tun) : await connectTcp(p, o, slot, addresses, port);
    if (talk === null) continue;
    code = talk === 'refused' ? 1 : 0;
    if (talk === 'refused') continue;
    if (o.verbose || o.scan) reportConnected(p, o, port);
    if (!o.scan) await talk.run();
  }
  return code;
}

type Talk = NcSession | NcStream;

async function connectTcp(p: Proc, o: NcOptions, slot: SocketSlot, addresses: readonly SockAddr[], port: number): Promise<Talk | null> {
  const so = await clientStream(p, o, slot, addresses, port);
  return so === null ? null : new NcStream(p, o, so);
}

async function connectUdp(p: Proc, o: NcOptions, slot: SocketSlot, addresses: readonly SockAddr[], port: number, tun: TunEnd | null): Promise<Talk | 'refused' | null> {
  const so = clientDatagram(p, o, slot, addresses, port);
  if (so === null) return null;
  const there = (!o.verbose && !o.scan) || (await probe(p, so, o.scan));
  return there ? new NcSession(p, o, so, tun) : 'refused';
}

/** Does nobody object to a few datagrams? */
async function probe(p: Proc, so: Socket, scan: boolean): Promise<boolean> {
  for (let i = 0; i < PROBES; i++) {
    if (so.send(Uint8Array.of(0x58)) !== 0) return false;
    if (scan) for (let left = PROBE_WAIT_US; left > 0; ) left = await p.sleepUs(left);
  }
  return (so.getsockopt('SO_ERROR') ?? 0) === 0;
}

function shuffle(p: Proc, ports: number[]): void {
  const rng = p.kernel.engine.rng.split(`nc/${p.pid}`);
  for (let i = ports.length - 1; i > 0; i--) {
    const k = rng.below(i + 1);
    const port = ports[i] ?? errx(p, 1, 'port list');
    ports[i] = ports[k] ?? port;
    ports[k] = port;
  }
}
