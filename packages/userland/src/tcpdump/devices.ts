/**
 * devices.ts — what there is to capture on: `tcpdump -D`, and the interface a capture is about.
 * Read first: tcpdump(1), pcap_findalldevs(3).
 *
 * The best come first: running before not running, up before down, connected before disconnected, loopback last; among equals the older one. Without
 * `-i` the first is taken, and `-i 2` is the second.
 */
import { DLT_EN10MB, DLT_RAW, IFF_LOOPBACK, IFF_RUNNING, bpfDlt, ifMedia } from '@netloom/core';
import type { Ifnet, Net } from '@netloom/core';
import { errx } from '../err.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { LINK_TYPES } from './tcpdump-options.js';
import type { TcpdumpOptions } from './tcpdump-options.js';

const isRunning = (ifp: Ifnet): boolean => (ifp.flags & IFF_RUNNING) !== 0;
const isLoopback = (ifp: Ifnet): boolean => (ifp.flags & IFF_LOOPBACK) !== 0;

/** 'Connected' or 'Disconnected'; null for interfaces without a carrier to speak of. */
function connection(ifp: Ifnet): 'Connected' | 'Disconnected' | null {
  const media = isLoopback(ifp) ? null : ifMedia(ifp);
  return media === null ? null : media.active ? 'Connected' : 'Disconnected';
}

function merit(ifp: Ifnet): number {
  return (isRunning(ifp) ? 0 : 8) + (ifp.isUp ? 0 : 4) + (connection(ifp) === 'Disconnected' ? 2 : 0) + (isLoopback(ifp) ? 1 : 0);
}

export function devices(net: Net): Ifnet[] {
  return [...net.ifnets].sort((a, b) => merit(a) - merit(b));
}

export function listDevices(p: Proc, json: boolean): number {
  const all = devices(p.vnet.net);
  if (json) {
    p.out(jsonText(all.map((ifp) => ({ name: ifp.xname, up: ifp.isUp, running: isRunning(ifp), loopback: isLoopback(ifp), connection: connection(ifp) })), 'pretty'));
    return 0;
  }
  all.forEach((ifp, i) => p.out(`${i + 1}.${ifp.xname}${statusOf(ifp)}\n`));
  return 0;
}

function statusOf(ifp: Ifnet): string {
  const flags = [...(ifp.isUp ? ['Up'] : []), ...(isRunning(ifp) ? ['Running'] : []), ...(isLoopback(ifp) ? ['Loopback'] : [])];
  const media = connection(ifp);
  if (flags.length === 0 && media === null) return '';
  return ` [${[flags.length === 0 ? 'none' : flags.join(', '), ...(media === null ? [] : [media])].join(', ')}]`;
}

/** The interface asked for. Leaves when there is none. */
export function chooseDevice(p: Proc, o: TcpdumpOptions): Ifnet {
  const { net } = p.vnet;
  const name = o.interfaceName;
  if (name === null) return devices(net)[0] ?? errx(p, 1, 'no interfaces available for capture');
  const named = net.ifunit(name);
  if (named !== null) return named;
  if (name === 'any') return errx(p, 1, 'any: No such device exists\n(a capture is about one interface here: see -D)');
  if (!/^-?[0-9]+$/.test(name)) return errx(p, 1, `${name}: No such device exists`);
  return devices(net)[Number(name) - 1] ?? errx(p, 1, 'Invalid adapter index');
}

/** DLT_* of what is captured on `ifp`. */
export function linktypeOfDevice(ifp: Ifnet): number {
  return bpfDlt(ifp) === DLT_EN10MB ? DLT_EN10MB : DLT_RAW;
}

/** 'EN10MB (Ethernet)'; '147' for one that has no name here. */
export function linkTypeName(dlt: number): string {
  const known = LINK_TYPES.get(dlt);
  return known === undefined ? String(dlt) : `${known[0]} (${known[1]})`;
}
