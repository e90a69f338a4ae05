/**
 * neighbours.ts — ndp -a -A -c -d -s -f, and one host: the neighbour cache.
 * Read first: ndp(8) for the columns; RFC 4861 §7.3.2 for the letters of the states: I R S D P, F for one that does not answer.
 */
import { ENOENT, EPERM, nd6Delete, nd6InterfaceOf, nd6List, nd6Set, strerror } from '@netloom/core';
import type { NdEntry } from '@netloom/core';
import { ip6Equals, ip6Plain, ip6ZoneOf, ip6Zoned, macFormat, macParse } from '@netloom/core/wire';
import { errx, warnx } from '../err.js';
import { address6Text, hostAddress6, hostName6 } from '../host-address6.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText } from '../libxo.js';
import { utf8Text } from '../utf8.js';
import type { Proc } from '../proc.js';
import { sec2str } from './expire-text.js';
import type { Call } from './ndp.js';

/** Widths of the columns; a wide address takes from the next ones. */
const W_ADDR = 36;
const W_LL = 17;
const W_IF = 6;
const W_EXPIRE = 9;
/** Words of a line of a file. */
const FILE_WORDS_MAX = 5;
const US_PER_S = 1_000_000;
const DAY = 86_400;

const STATES: Readonly<Record<NdEntry['state'], string>> = { incomplete: 'I', failed: 'F', reachable: 'R', stale: 'S', delay: 'D', probe: 'P' };

/** The host's address in zoned form, or null after a complaint. */
function addressOf(p: Proc, host: string): Uint8Array | null {
  const found = hostAddress6(p.vnet, host);
  if (found !== null) return ip6Zoned(found.addr, found.scopeId);
  warnx(p, `${host}: Name does not resolve`);
  return null;
}

/** `-n` shows addresses, otherwise names where there are. */
function nameOf(call: Call, addr: Uint8Array): string {
  const name = { addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) };
  return (call.numeric ? null : hostName6(name)) ?? address6Text(call.p.vnet, name);
}

/** -a; -A shows the list again every `wait` seconds. */
export async function showAll(call: Call, wait: number): Promise<number> {
  const { p } = call;
  if (!call.stamped && call.json === 'none') p.out(`${heading()}\n`);
  for (;;) {
    show(call, nd6List(p.vnet.nd6));
    if (wait === 0) return 0;
    p.out('\n');
    await p.sleepUs(wait * US_PER_S);
  }
}

export function showHost(call: Call, host: string): number {
  const addr = addressOf(call.p, host);
  if (addr === null) return 1;
  const found = nd6List(call.p.vnet.nd6).filter((e) => ip6Equals(e.addr, addr));
  if (!call.stamped && call.json === 'none') call.p.out(`${heading()}\n`);
  show(call, found);
  return found.length > 0 ? 0 : errx(call.p, 1, `${host} (${nameOf(call, addr)}) -- no entry`);
}

function heading(): string {
  return `${'Neighbor'.padEnd(W_ADDR)} ${'Linklayer Address'.padEnd(W_LL)} ${'Netif'.padStart(W_IF)} ${'Expire'.padEnd(W_EXPIRE)} S Flags`;
}

function show(call: Call, entries: readonly NdEntry[]): void {
  if (call.json === 'none') call.p.out(entries.map((e) => `${stamp(call)}${line(call, e)}\n`).join(''));
  else call.p.out(jsonText({ __version: '1', ndp: { 'neighbor-cache': entries.map((e) => entryJson(call, e)) } }, call.json));
}

/** `15:00:00.000001 `: the time since the kernel was booted, of whose day nothing is known. */
function stamp(call: Call): string {
  if (!call.stamped) return '';
  const us = call.p.now();
  const s = Math.floor(us / US_PER_S) % DAY;
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${String(Math.floor(us % US_PER_S)).padStart(6, '0')} `;
}

const macOfEntry = (e: NdEntry): string => (e.lladdr === null ? '(incomplete)' : macFormat(e.lladdr));
const flagsOf = (e: NdEntry): string => `${e.router ? 'R' : ''}${e.published ? 'p' : ''}`;

function line(call: Call, e: NdEntry): string {
  const host = nameOf(call, e.addr);
  const ll = macOfEntry(e);
  const addrWidth = Math.max(W_ADDR, host.length);
  const llWidth = Math.max(ll.length, W_ADDR + W_LL - addrWidth);
  const ifWidth = Math.max(e.ifp.xname.length, W_ADDR + W_LL + W_IF - addrWidth - llWidth);
  const left = e.expiresIn ?? 0;
  const life = e.permanent ? 'permanent' : left > 0 ? sec2str(left).slice(0, W_EXPIRE) : 'expired';
  const probes = e.asked > 0 ? ` ${e.asked}` : '';
  return `${host.padEnd(addrWidth)} ${ll.padEnd(llWidth)} ${e.ifp.xname.padStart(ifWidth)} ${life.padEnd(W_EXPIRE)} ${STATES[e.state]} ${flagsOf(e)}${probes}`;
}

function entryJson(call: Call, e: NdEntry): object {
  return {
    address: nameOf(call, e.addr), 'mac-address': macOfEntry(e), interface: e.ifp.xname, ...(e.permanent ? { permanent: true } : { expires_sec: e.expiresIn ?? 0 }),
    'neighbor-state': STATES[e.state], 'nd-flags': flagsOf(e), ...(e.asked > 0 ? { probes: e.asked } : {}), own: e.own,
  };
}

/** -d. Prints what was deleted. */
export function removeHost(call: Call, host: string): number {
  const addr = addressOf(call.p, host);
  return addr === null ? 1 : remove(call, host, addr);
}

function remove(call: Call, host: string, addr: Uint8Array): number {
  const { p } = call;
  const { nd6 } = p.vnet;
  const error = ownsNetwork(p.prison) ? nd6Delete(nd6, addr) : EPERM;
  if (error === 0) {
    p.out(`${host} (${nameOf(call, addr)}) deleted\n`);
    return 0;
  }
  warnx(p, error === ENOENT && nd6InterfaceOf(nd6, addr, p.fib) === null ? `delete: cannot locate ${host}` : `delete ${host}: ${strerror(error)}`);
  return 1;
}

/** -c: everything but own addresses. */
export function removeAll(call: Call): number {
  let code = 0;
  for (const e of nd6List(call.p.vnet.nd6)) if (!e.own && remove(call, nameOf({ ...call, numeric: true }, e.addr), e.addr) !== 0) code = 1;
  return code;
}

/** -s: `host ether_addr [temp] [proxy]` */
export function add(call: Call, words: readonly string[]): number {
  const { p } = call;
  const { nd6 } = p.vnet;
  const [host = '', ether = '', ...rest] = words;
  const addr = addressOf(p, host);
  if (addr === null) return 1;
  const unknown = rest.find((word) => !word.startsWith('temp') && !word.startsWith('proxy'));
  const mac = macParse(ether);
  if (mac === null || unknown !== undefined) {
    warnx(p, mac === null ? `invalid Ethernet address '${ether}'` : `${unknown ?? ''}: neither temp nor proxy`);
    return 1;
  }
  const ifp = nd6InterfaceOf(nd6, addr, p.fib);
  if (ifp === null) {
    warnx(p, `cannot intuit interface index and type for ${host}`);
    return 1;
  }
  const temporary = rest.some((word) => word.startsWith('temp'));
  const proxy = rest.some((word) => word.startsWith('proxy'));
  const error = ownsNetwork(p.prison) ? nd6Set(nd6, addr, mac, { ifp, temporary, proxy }) : EPERM;
  if (error !== 0) warnx(p, `set ${host}: ${strerror(error)}`);
  return error === 0 ? 0 : 1;
}

/** -f: a file of `host ether_addr …` lines. */
export async function addFile(call: Call, path: string): Promise<number> {
  const { p } = call;
  if (p.host === null) errx(p, 1, `cannot open ${path}: there are no files here`);
  const bytes = await p.host.readFile(path).catch((e: Error) => errx(p, 1, `cannot open ${path}: ${e.message}`));
  let code = 0;
  for (const row of utf8Text(bytes).split('\n')) {
    const words = row.replace(/#.*/, '').trim().split(/\s+/).filter((w) => w !== '').slice(0, FILE_WORDS_MAX);
    if (words.length === 1) warnx(p, `bad line: ${row}`);
    if (words.length === 1 || (words.length > 1 && add(call, words) !== 0)) code = 1;
  }
  return code;
}
