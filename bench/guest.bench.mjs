/**
 * guest.bench.mjs — guest to guest: two Linux machines in QEMU, without KVM, on two stream ports of a bridge of ours; as the peers, the same two
 * machines joined by QEMU's own socket, with nothing between them, and by vde_switch.
 *
 *     guest ── stream, Unix socket ── tap, bridge0, tap (this process) ── stream, Unix socket ── guest
 *     guest ── stream, Unix socket ── guest
 *     guest ── vde_switch ── guest
 *
 * iperf3 and ping in the guests measure all alike. An emulated processor is slow: the guests themselves take most of the time, and on a machine with few
 * processors what is between them takes its part from them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withFolder } from './daemon.mjs';
import { STREAM, overBridge, rtt, tcp, untilThere, withPair } from './guest-pair.mjs';
import { lackingGuests } from './guests.mjs';

/** @typedef {import('./guest-pair.mjs').Run} Run */

const nic = (/** @type {string} */ netdev) => ({ nics: [{ netdev }] });

/** By QEMU's own socket. @param {Run} run */
const direct = (run) =>
  withFolder(async (folder) => {
    const path = join(folder, 'wire');
    return withPair([nic(`stream,server=on,addr.type=unix,addr.path=${path}`), nic(`stream,addr.type=unix,addr.path=${path}`)], run, () => untilThere(path));
  });

/** Over vde_switch. @param {Run} run */
const overVde = (run) =>
  withFolder(async (folder) => {
    const path = join(folder, 'switch');
    const vde = spawn('vde_switch', ['-s', path], { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      await untilThere(join(path, 'ctl'));
      return await withPair([nic(`vde,sock=${path}`), nic(`vde,sock=${path}`)], run);
    } finally {
      vde.kill('SIGKILL');
      await once(vde, 'close');
    }
  });

const lackingVde = () => lackingGuests('vde_switch', 'iperf3');
const lacking = () => lackingGuests('iperf3');

export const benchmarks = [
  { name: 'guest/stream-tcp', unit: 'Gbit/s', lacking, measure: () => overBridge(STREAM, tcp), peer: { name: 'QEMU\'s socket, direct', measure: () => direct(tcp) } },
  { name: 'guest/stream-tcp-vde', unit: 'Gbit/s', lacking, measure: () => overBridge(STREAM, tcp), peer: { name: 'vde_switch', lacking: lackingVde, measure: () => overVde(tcp) } },
  { name: 'guest/stream-rtt', unit: 'us', lacking, measure: () => overBridge(STREAM, rtt), peer: { name: 'QEMU\'s socket, direct', measure: () => direct(rtt) } },
];
