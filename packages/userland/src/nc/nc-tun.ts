/**
 * nc-tun.ts — `--tun DEVICE`: a tun interface in place of standard input and output.
 * Read first: nc(1), tuntap(4).
 *
 * Opening the device attaches this tool to the interface: packets the stack routes into it are read here, packets written
 * here are received by the stack. The device closes with the tool, however the tool ends: the interface then goes down and loses its addresses.
 *
 * Invariant: at most QUEUE_MAX packets wait; more are refused, and the interface counts them.
 */
import { deviceIfp, tunOf } from '@netloom/core';
import { errx } from '../err.js';
import type { Proc } from '../proc.js';

/** Packets read from the device and not sent yet. */
const QUEUE_MAX = 256;

export interface TunEnd {
  /** The interface was destroyed: nothing more will come, and nothing can be written. */
  readonly gone: boolean;
  /** The next packet the stack sent, or null. */
  read(): Uint8Array | null;
  /** Hands an IP packet to the stack. */
  write(packet: Uint8Array): void;
}

/** Opens `/dev/tunN`; leaves with nc's message when there is no such device in this vnet, or somebody has it open. The tool is woken by each packet. */
export function openTun(p: Proc, path: string): TunEnd {
  const found = deviceIfp(p.vnet.net, path);
  const sc = found === null || found.net !== p.vnet.net ? null : tunOf(found);
  if (found === null || sc === null) return errx(p, 1, `unable to open tun device ${path}`);
  const queue: Uint8Array[] = [];
  let ifp = found;
  let gone = false;
  const error = sc.attach({
    pid: p.pid,
    offload: { csum: false, gso: false },
    output: (m) => {
      if (queue.length >= QUEUE_MAX) return false;
      queue.push(m.bytes().slice());
      m.free();
      p.wake();
      return true;
    },
    moved: (now) => {
      ifp = now;
    },
    gone: () => {
      gone = true;
      p.wake();
    },
  });
  if (error !== 0) errx(p, 1, `unable to open tun device ${path}`);
  p.atExit(() => {
    if (!gone) sc.attach(null);
  });
  return {
    get gone() {
      return gone;
    },
    read: () => queue.shift() ?? null,
    write: (packet) => {
      const m = gone ? null : p.kernel.engine.pool.from(packet);
      if (m !== null) p.kernel.input(ifp, m, p.now());
    },
  };
}
