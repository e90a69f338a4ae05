/**
 * nc.ts — nc(1) for UDP: standard input to datagrams, datagrams to standard output, or a tun device in their place.
 * Read first: nc(1); nc-session.ts. Exit codes: 0, 1 when nothing could be connected or something was refused.
 *
 * A client tries each port in turn. With `-v` or `-z` it first sends four datagrams of one byte, as FreeBSD's does, to see whether an error comes
 * back; a scan gives that error time to arrive. A listener takes its peer from the first datagram and then hears that peer only; with `-k` it hears
 * everybody and never ends by itself.
 * Not here: TCP; SCTP, Unix sockets, proxies, passing of descriptors.
 */
import type { RecvInfo, Socket } from '@netloom/core';
import { errx, toolMain } from '../err.js';
import type { Proc } from '../proc.js';
import { ncAddresses, ncPorts, parseNc } from './nc-options.js';
import type { NcOptions } from './nc-options.js';
import { NcSession } from './nc-session.js';
import { clientSocket, listenSocket, reportConnected, reportReceived } from './nc-socket.js';
import type { SocketSlot } from './nc-socket.js';
import { openTun } from './nc-tun.js';
import type { TunEnd } from './nc-tun.js';

/** Datagrams that see whether a port is there. */
const PROBES = 4;
/** How long a scan listens for an error after each of them. */
const PROBE_WAIT_US = 50_000;

export const nc = toolMain(async (p: Proc): Promise<number> => {
  const o = parseNc(p);
  const tun = o.tunDevice === null ? null : openTun(p, o.tunDevice);
  const slot: SocketSlot = { so: null };
  p.atExit(() => slot.so?.close());
  return o.listen ? listen(p, o, slot, tun) : connect(p, o, slot, tun);
});

async function listen(p: Proc, o: NcOptions, slot: SocketSlot, tun: TunEnd | null): Promise<number> {
  const so = listenSocket(p, o, slot);
  if (!o.keep && !(await awaitPeer(p, so, o, tun))) return 1;
  // With -k silence ends nothing: it would listen again at once.
  await new NcSession(p, o.keep ? { ...o, timeoutUs: Infinity } : o, so, tun).run();
  return 0;
}

/** Connects to whoever sends first; its datagram stays to be read. False: the socket or the device is gone. */
async function awaitPeer(p: Proc, so: Socket, o: NcOptions, tun: TunEnd | null): Promise<boolean> {
  const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  so.onReadable = () => p.wake();
  while (so.recv(new Uint8Array(0), info, true) < 0) {
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
    const so = clientSocket(p, o, slot, addresses, port);
    if (so === null) continue;
    code = 0;
    const there = (!o.verbose && !o.scan) || (await probe(p, so, o.scan));
    if (there) {
      if (o.verbose || o.scan) reportConnected(p, o, port);
      if (!o.scan) await new NcSession(p, o, so, tun).run();
    } else code = 1;
  }
  return code;
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
