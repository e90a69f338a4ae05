/**
 * statistics.ts — `netstat -s`: the counters of the protocols; `netstat -rs`: those of routing.
 * Read first: netstat(1); packages/core/src/kern/counters.ts.
 *
 * Counters, their order and their words are those the protocols registered; this file prints them. `-s -s` leaves zeros out, `-z` sets
 * to zero what has been printed. The types of ICMP messages are a histogram: only those that occurred are lines.
 */
import { EPERM, ROUTING_GROUP } from '@netloom/core';
import type { BoundCounters, Vnet } from '@netloom/core';
import { errx, warn, warnx } from '../err.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { counterName } from './counter-names.js';
import type { NetstatOptions } from './options.js';
import { hasSockets } from './sockets.js';

/** The order netstat prints protocols in; groups it does not know come last. */
const ORDER = ['tcp', 'udp', 'sctp', 'divert', 'ip', 'icmp', 'igmp', 'ipsec', 'ah', 'esp', 'ipcomp', 'pim', 'carp', 'pfsync', 'arp', 'ip6', 'icmp6', 'rip6'];
const HISTOGRAM_DEPTH = 2;

type Line = ReturnType<BoundCounters['lines']>[number];

/** Is this the name of a protocol, whether it is built in or not? Leaves when it is not. */
export function checkProtocol(p: Proc, vnet: Vnet, name: string): void {
  if (!ORDER.includes(name) && vnet.kern.counters.find(name) === null) errx(p, 1, `${name}: unknown or uninstrumented protocol`);
}

export function netstatStatistics(p: Proc, vnet: Vnet, allowed: boolean, o: NetstatOptions): number {
  if (o.interfaces) {
    if (o.protocol !== null) warnx(p, `${o.protocol}: no per-interface stats routine`);
    return 0;
  }
  const place = (g: BoundCounters): number => (ORDER.includes(g.name) ? ORDER.indexOf(g.name) : ORDER.length);
  const groups = vnet.kern.counters.list().filter((g) => (g.name === ROUTING_GROUP) === o.routes && isOfFamily(g.name, o.family) && (o.protocol === null || g.name === o.protocol));
  groups.sort((a, b) => place(a) - place(b));
  if (groups.length === 0 && o.protocol !== null) warnx(p, `${o.protocol}: no stats routine`);
  if (o.json !== 'none') p.out(jsonText({ statistics: Object.fromEntries(groups.map((g) => [g.name, groupJson(g)])) }, o.json));
  for (const g of groups) {
    if (o.json === 'none') p.out(`${g.name}:\n${groupText(vnet, g, o.statistics <= 1)}`);
    if (!o.zero) continue;
    if (allowed) g.zero();
    else warn(p, `sysctl net.inet.${g.name}.stats`, EPERM);
  }
  return 0;
}

/** Protocols of one family; the others are both's. */
const INET = ['ip', 'icmp', 'igmp', 'arp'];
const INET6 = ['ip6', 'icmp6', 'rip6', 'pim6'];

function isOfFamily(name: string, family: NetstatOptions['family']): boolean {
  if (family === 'any') return true;
  if (family !== 'inet' && family !== 'inet6') return false;
  return !(family === 'inet' ? INET6 : INET).includes(name);
}

const isHistogram = (g: BoundCounters): boolean => g.name === 'icmp' || g.name === 'icmp6';

/** A line that is the heading of a histogram: it has no number of its own in its text. */
const isHeading = (l: Line): boolean => l.text.endsWith('histogram:');

function groupText(vnet: Vnet, g: BoundCounters, zeros: boolean): string {
  const shown = g.lines().filter((l) => (isHistogram(g) && (l.depth === HISTOGRAM_DEPTH || isHeading(l)) ? l.value !== 0 : zeros || l.value !== 0));
  return `${joined(shown)}${g.name === 'icmp' ? `\tICMP address mask responses are ${vnet.icmp?.tun.maskrepl === 1 ? 'en' : 'dis'}abled\n` : ''}`;
}

/** A text that starts with ' (' continues the line before it. */
function joined(lines: readonly Line[]): string {
  let out = '';
  for (const l of lines) {
    if (l.text.startsWith(' (') && out.endsWith('\n')) out = `${out.slice(0, -1)}${l.text}\n`;
    else out += `${'\t'.repeat(l.depth)}${l.text.trimStart()}\n`;
  }
  return out;
}

function groupJson(g: BoundCounters): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let histogram: { name: string; count: number }[] = [];
  for (const l of g.lines()) {
    if (isHistogram(g) && isHeading(l)) {
      histogram = [];
      out[l.text.slice(0, -1).toLowerCase().replace(' ', '-')] = histogram;
    } else if (isHistogram(g) && l.depth === HISTOGRAM_DEPTH) {
      if (l.value !== 0) histogram.push({ name: l.text.replace(/: [0-9]+$/, ''), count: l.value });
    } else out[counterName(g.name, l.key)] = l.value;
  }
  return out;
}

/** `-p PROTOCOL` without -s: does it have sockets to show? */
export function warnWithoutSockets(p: Proc, protocol: string): void {
  if (!hasSockets(protocol)) warnx(p, `${protocol}: no PCB routine`);
}
