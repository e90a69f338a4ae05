/**
 * rtadvctl.ts — rtadvctl(8): what rtadvd has set up in this vnet, shown, read again, or ended.
 * Read first: rtadvctl(8), rtadvd.ts.
 *
 *     rtadvctl [-v] show [interface ...]      rtadvctl reload [interface ...]      rtadvctl shutdown [interface ...]
 *
 * `shutdown` says farewell on every interface, or on those named, which is what FreeBSD calls `disable`. `-v` adds routes, prefixes and DNS, `-vv` counters.
 * `reload` reads the file that rtadvd was given. `--json` shows everything.
 */
import { ND6_IFF_ACCEPT_RTADV, rtadvPrefixes } from '@netloom/core';
import type { RtadvIf, Rtadvd } from '@netloom/core';
import { ip6Format } from '@netloom/core/wire';
import { ctimeText } from '../calendar.js';
import { toolMain, usage } from '../err.js';
import { getopt } from '../getopt.js';
import { jsonText, takeLibxo } from '../libxo.js';
import type { Proc } from '../proc.js';
import { advertise, readConf, rtadvdOf } from './rtadvd.js';
import { confEntry } from './rtadvd-conf.js';

const USAGE = 'usage: rtadvctl [-v] subcommand [interface ...]\n';
const INFINITE = 0xffff_ffff;
const US_PER_SEC = 1_000_000;

/** `3m20s` */
function duration(seconds: number): string {
  if (seconds === INFINITE) return 'infinity';
  const parts = [[86_400, 'd'], [3_600, 'h'], [60, 'm'], [1, 's']] as const;
  let left = seconds;
  let out = '';
  for (const [unit, name] of parts) {
    const n = Math.floor(left / unit);
    left -= n * unit;
    if (n > 0) out += `${n}${name}`;
  }
  return out === '' ? '0s' : out;
}

function preference(flags: number): string {
  return (flags & 0x18) === 0x08 ? 'high' : (flags & 0x18) === 0x18 ? 'low' : 'medium';
}

const letters = (flags: number, l: string, a: string): string => ((flags & 0x80) !== 0 ? l : '') + ((flags & 0x40) !== 0 ? a : '') || '<none>';

function stateOf(p: Proc, r: RtadvIf): string {
  const flags = p.vnet.in6Net.ifinfo(r.ifp)?.ndFlags ?? 0;
  if (!r.ifp.isUp) return 'INACTIVE';
  return (flags & ND6_IFF_ACCEPT_RTADV) !== 0 ? 'RA_RECV' : p.vnet.ip6.tun.forwarding !== 0 ? 'RA_SEND' : 'INACTIVE';
}

function show(p: Proc, r: RtadvIf, verbose: number): void {
  const { ifp, conf } = r;
  const at = (us: number): string => `${ctimeText(p.wallUs() + us - p.now())}\n`;
  p.out(`${ifp.xname}: flags=<${ifp.isUp ? 'UP' : 'DOWN'},${r.finals > 0 ? 'TRANSITIVE' : 'CONFIGURED'},PERSIST> status=<${stateOf(p, r)}> mtu ${ifp.mtu}\n`);
  p.out(`\tDefaultLifetime: ${duration(conf.rltime)}\n`);
  p.out(`\tMinAdvInterval/MaxAdvInterval: ${duration(conf.mininterval)}/${duration(conf.maxinterval)}\n`);
  p.out(`\tAdvLinkMTU: ${conf.mtu === 0 ? '<none>' : conf.mtu}, Flags: ${letters(conf.raflags, 'M', 'O')}, Preference: ${preference(conf.raflags)}\n`);
  p.out(`\tReachableTime: ${duration(Math.floor(conf.rtime / 1000))}, RetransTimer: ${duration(Math.floor(conf.retrans / 1000))}, CurHopLimit: ${conf.chlim}\n`);
  p.out(`\tAdvIfPrefixes: ${conf.noifprefix ? 'no' : 'yes'}\n`);
  p.out(`\tNext RA send: ${at(r.nextAt)}`);
  p.out(`\tLast RA send: ${r.lastAt < 0 ? 'never\n' : at(r.lastAt)}`);
  if (verbose > 0) details(p, r);
  if (verbose > 1) p.out(`\n\tOutputs\n\t RA: ${r.sent}\n\tInputs\n\t RA: ${p.vnet.rtr.stats.inconsistent} (inconsistent)\n\t RS: ${r.solicited}\n\n`);
}

function details(p: Proc, r: RtadvIf): void {
  const { conf } = r;
  const prefixes = rtadvPrefixes(p.vnet.rtr, r.ifp, conf);
  if (conf.routes.length > 0) p.out('\tRoute Info:\n');
  for (const route of conf.routes) p.out(`\t  ${ip6Format(route.addr)}/${route.plen} (pref: ${preference(route.flags)}, ltime: ${duration(route.ltime)})\n`);
  if (prefixes.length > 0) p.out(`\tPrefixes (${prefixes.length}):\n`);
  const origin = conf.prefixes.length > 0 ? 'CONFIG' : 'KERNEL';
  for (const x of prefixes) p.out(`\t  ${ip6Format(x.addr)}/${x.plen} (${origin}, vltime=${duration(x.vltime)}, pltime=${duration(x.pltime)}, flags=${letters(x.flags, 'L', 'A')})\n`);
  if (conf.rdnss.length > 0) p.out('\tRDNSS entries:\n');
  for (const d of conf.rdnss) for (const a of d.addrs) p.out(`\t  ${ip6Format(a)} (ltime=${duration(d.ltime)})\n`);
  if (conf.dnssl.length > 0) p.out('\tDNSSL entries:\n');
  for (const d of conf.dnssl) for (const name of d.domains) p.out(`\t  ${name} (ltime=${duration(d.ltime)})\n`);
}

function json(p: Proc, r: RtadvIf): Record<string, unknown> {
  const { conf } = r;
  return {
    name: r.ifp.xname, status: stateOf(p, r), ending: r.finals > 0, rltime: conf.rltime, mininterval: conf.mininterval, maxinterval: conf.maxinterval, mtu: conf.mtu, managed: (conf.raflags & 0x80) !== 0,
    other: (conf.raflags & 0x40) !== 0, preference: preference(conf.raflags), rtime: conf.rtime, retrans: conf.retrans, chlim: conf.chlim,
    prefixes: rtadvPrefixes(p.vnet.rtr, r.ifp, conf).map((x) => ({ prefix: `${ip6Format(x.addr)}/${x.plen}`, vltime: x.vltime, pltime: x.pltime, onlink: (x.flags & 0x80) !== 0, autonomous: (x.flags & 0x40) !== 0 })),
    routes: conf.routes.map((x) => ({ prefix: `${ip6Format(x.addr)}/${x.plen}`, preference: preference(x.flags), ltime: x.ltime })),
    rdnss: conf.rdnss.flatMap((d) => d.addrs.map((a) => ({ address: ip6Format(a), ltime: d.ltime }))), dnssl: conf.dnssl.flatMap((d) => d.domains.map((name) => ({ domain: name, ltime: d.ltime }))),
    'next-in': Math.max(0, Math.round((r.nextAt - p.now()) / US_PER_SEC)), sent: r.sent, solicitations: r.solicited,
  };
}

/** FreeBSD's words for a subcommand that could not be done. */
function failed(p: Proc, command: string, why: string): never {
  return usage(p, 1, `${command} failed: ${why}.\n`);
}

async function reload(p: Proc, d: Rtadvd, chosen: readonly RtadvIf[]): Promise<void> {
  if (d.confFile === '') failed(p, 'reload', 'rtadvd was given no file (-c)');
  const text = await readConf(p, d.confFile);
  for (const r of chosen) advertise(p, r.ifp, confEntry(text, r.ifp.xname));
}

async function runRtadvctl(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('Dv', xo.words);
  const [command = '', ...names] = rest;
  if (xo.error !== null || error !== null || !['show', 'reload', 'shutdown', 'disable'].includes(command)) usage(p, 1, USAGE);
  const d = rtadvdOf(p.vnet);
  for (const name of names) if (p.vnet.net.ifunit(name) === null) failed(p, command, `invalid interface ${name}`);
  const chosen = (d?.interfaces ?? []).filter((r) => names.length === 0 || names.includes(r.ifp.xname));
  if (command === 'show') {
    if (xo.json !== 'none') p.out(jsonText({ rtadvd: { interfaces: chosen.map((r) => json(p, r)) } }, xo.json));
    else for (const r of chosen) show(p, r, options.filter(([letter]) => letter === 'v').length);
    return 0;
  }
  if (d === null || chosen.length === 0) failed(p, command, 'rtadvd is not running');
  if (command === 'reload') await reload(p, d, chosen);
  else p.kernel.call(p.now(), () => chosen.forEach((r) => void d.stop(r.ifp)));
  return 0;
}

export const rtadvctl = toolMain(runRtadvctl);
