/**
 * statistics.ts — `netstat -s`: the counters of the protocols; `netstat -rs`: those of routing.
 * Read first: netstat(1); packages/core/src/kern/counters.ts.
 *
 * Counters, their order and their words are those the protocols registered; this file prints them. `-s -s` leaves zeros out, `-z` sets
 * to zero what has been printed. The types of ICMP messages are a histogram: only those that occurred are lines.
 */
import { EPERM, ICMP6_IFIN_ROWS, ICMP6_IFOUT_ROWS, IN6_IFSTAT_ROWS, ROUTING_GROUP, TCP_STATE_NAMES, counterLines } from '@netloom/core';
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
  if (o.interfaces) return interfaceStatistics(p, vnet, o);
  const place = (g: BoundCounters): number => (ORDER.includes(g.name) ? ORDER.indexOf(g.name) : ORDER.length);
  const groups = vnet.kern.counters.list().filter((g) => (g.name === ROUTING_GROUP) === o.routes && isOfFamily(g.name, o.family) && (o.protocol === null || g.name === o.protocol));
  groups.sort((a, b) => place(a) - place(b));
  if (groups.length === 0 && o.protocol !== null) warnx(p, `${o.protocol}: no stats routine`);
  if (o.json !== 'none') p.out(jsonText({ statistics: Object.fromEntries(groups.map((g) => [g.name, { ...groupJson(g), ...(g.name === 'tcp' ? statesJson(vnet, o) : {}) }])) }, o.json));
  for (const g of groups) {
    if (o.json === 'none') p.out(`${g.name}:\n${groupText(vnet, g, o.statistics <= 1)}${g.name === 'tcp' ? statesText(vnet, o) : ''}`);
    if (!o.zero) continue;
    if (allowed) g.zero();
    else warn(p, `sysctl net.inet.${g.name}.stats`, EPERM);
  }
  return 0;
}

/** Protocols of one family; the others are both's. */
const INET = ['ip', 'icmp', 'igmp', 'arp'];
const INET6 = ['ip6', 'icmp6', 'rip6', 'pim6', 'mld6', 'nd6', 'nd6rtr'];
/** Of no family: the link's. */
const LINK = ['lacp'];

function isOfFamily(name: string, family: NetstatOptions['family']): boolean {
  if (family === 'any') return true;
  if (family !== 'inet' && family !== 'inet6') return false;
  return !(family === 'inet' ? INET6 : INET).includes(name) && !LINK.includes(name);
}

const isHistogram = (g: BoundCounters): boolean => g.name === 'icmp' || g.name === 'icmp6' || g.name === 'ip6';

/** A line that is the heading of a histogram: it has no number of its own in its text. */
const isHeading = (l: Line): boolean => l.text.endsWith(':');

/** Does the text continue the line before it? */
const continues = (l: Line | undefined): boolean => l?.text.startsWith(' (') === true;

function groupText(vnet: Vnet, g: BoundCounters, zeros: boolean): string {
  const lines = g.lines();
  // Two numbers on one line are there when either is not zero.
  const counts = (l: Line, i: number): boolean => l.value !== 0 || (continues(l) && lines[i - 1]?.value !== 0) || (continues(lines[i + 1]) && lines[i + 1]?.value !== 0);
  const shown = lines.filter((l, i) => (isHistogram(g) && (l.depth === HISTOGRAM_DEPTH || isHeading(l)) ? l.value !== 0 : zeros || counts(l, i)));
  return `${joined(shown)}${g.name === 'icmp' ? `\tICMP address mask responses are ${vnet.icmp?.tun.maskrepl === 1 ? 'en' : 'dis'}abled\n` : ''}`;
}

/** A text that starts with ' (' continues the line before it. */
function joined(lines: readonly Line[]): string {
  let out = '';
  for (const l of lines) {
    if (continues(l) && out.endsWith('\n')) out = `${out.slice(0, -1)}${l.text}\n`;
    else out += `${'\t'.repeat(l.depth)}${l.text.trimStart()}\n`;
  }
  return out;
}

/** How many connections and listeners are in each state; `-s -s` leaves out states nobody is in. */
function states(vnet: Vnet, o: NetstatOptions): (readonly [string, number])[] {
  return TCP_STATE_NAMES.map((name, i) => [name, vnet.tcp?.states[i] ?? 0] as const).filter(([, n]) => o.statistics <= 1 || n !== 0);
}

/** FreeBSD's singular has a space more. */
function statesText(vnet: Vnet, o: NetstatOptions): string {
  return `TCP connection count by state:\n${states(vnet, o).map(([name, n]) => `\t${n} ${n === 1 ? 'connection ' : 'connections'} in ${name} state\n`).join('')}`;
}

const statesJson = (vnet: Vnet, o: NetstatOptions): Record<string, unknown> => ({ 'TCP connection count by state': Object.fromEntries(states(vnet, o)) });

function groupJson(g: BoundCounters): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let histogram: { name: string; count: number }[] = [];
  for (const l of g.lines()) {
    if (isHistogram(g) && isHeading(l)) {
      histogram = [];
      // Errors have names of their own.
      if (l.text.endsWith('istogram:')) out[l.text.slice(0, -1).toLowerCase().replace(' ', '-')] = histogram;
    } else if (isHistogram(g) && l.depth === HISTOGRAM_DEPTH && counterName(g.name, l.key) === l.key) {
      if (l.value !== 0) histogram.push({ name: l.text.replace(/: [0-9]+$/, '').replace(/^[0-9]+ /, ''), count: l.value });
    } else putCounter(out, counterName(g.name, l.key), l.value);
  }
  return out;
}

/** A name `container/name` is inside a container. */
function putCounter(out: Record<string, unknown>, name: string, value: number): void {
  const [container, inside] = name.split('/');
  if (container === undefined || inside === undefined) out[name] = value;
  else out[container] = { ...(out[container] as object | undefined), [inside]: value };
}

/** `-I IFP -s`, `-i -s`: what IPv6 counts of interfaces; no other protocol counts of them. */
function interfaceStatistics(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const known = o.protocol === null ? ['ip6', 'icmp6'] : [o.protocol];
  if (o.protocol !== null && o.protocol !== 'ip6' && o.protocol !== 'icmp6') warnx(p, `${o.protocol}: no per-interface stats routine`);
  if (o.family !== 'any' && o.family !== 'inet6') return 0;
  const json: Record<string, unknown[]> = {};
  for (const ifp of vnet.net.ifnets) {
    const stats = o.interfaceName !== null && ifp.xname !== o.interfaceName ? null : (vnet.in6Net?.ifinfo(ifp)?.stats ?? null);
    if (stats === null) continue;
    for (const name of known) {
      const lines = name === 'ip6' ? counterLines(IN6_IFSTAT_ROWS, stats.ip6) : name === 'icmp6' ? [...counterLines(ICMP6_IFIN_ROWS, stats.icmp6In), ...counterLines(ICMP6_IFOUT_ROWS, stats.icmp6Out)] : [];
      if (lines.length === 0) continue;
      if (o.json === 'none') p.out(`${name} on ${ifp.xname}:\n${joined(lines.filter((l) => o.statistics <= 1 || l.value !== 0))}`);
      else (json[`${name}-interface-statistics`] ??= []).push({ name: ifp.xname, ...interfaceJson(`${name}-interface-statistics`, lines) });
    }
  }
  if (o.json !== 'none') p.out(jsonText({ statistics: json }, o.json));
  return 0;
}

/** ICMPv6's rows are there twice: received and sent. */
function interfaceJson(group: string, lines: readonly Line[]): Record<string, number> {
  const out: Record<string, number> = {};
  for (const l of lines) {
    const name = counterName(group, l.key);
    const way = group.startsWith('icmp6') ? (/ (total )?input /.test(l.text) ? 'received-' : 'sent-') : '';
    out[`${way}${name}`] = l.value;
  }
  return out;
}

/** `-p PROTOCOL` without -s: does it have sockets to show? */
export function warnWithoutSockets(p: Proc, protocol: string): void {
  if (!hasSockets(protocol)) warnx(p, `${protocol}: no PCB routine`);
}
