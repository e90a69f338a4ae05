/**
 * arp.ts — arp(8): show, add and remove IPv4 neighbours.
 * Read first: arp(8). Exit codes: 0, 1 when there is no such entry or something was refused.
 *
 * Where FreeBSD 14's arp forgets to fail (no interface leads to the host: it says so and exits 0), this one exits 1, as 13's did.
 * Not here: host names beyond host-address.ts; entries that reject or swallow packets (`route add -reject` and `-blackhole` are).
 */
import { ENOENT, EPERM, IFF_BROADCAST, IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT, IFF_UP, IFT_BRIDGE, IFT_ETHER, IFT_L2VLAN, InIfaddr, strerror } from '@netloom/core';
import type { Arp, ArpEntry, Ifnet } from '@netloom/core';
import { ip4Format, macFormat, macParse } from '@netloom/core/wire';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import { hostAddress, hostName } from './host-address.js';
import { ownsNetwork } from './jail/jail-id.js';
import { jsonText, takeLibxo } from './libxo.js';
import type { JsonStyle } from './libxo.js';
import type { Proc } from './proc.js';
import { utf8Text } from './utf8.js';

const USAGE = `usage: arp [-n] [-i interface] hostname
       arp [-n] [-i interface] -a
       arp -d hostname [pub]
       arp -d [-i interface] -a
       arp -s hostname ether_addr [temp] [reject | blackhole] [pub [only]]
       arp -S hostname ether_addr [temp] [reject | blackhole] [pub [only]]
       arp -f filename
`;

const TYPES: ReadonlyMap<number, string> = new Map([[IFT_ETHER, 'ethernet'], [IFT_L2VLAN, 'vlan'], [IFT_BRIDGE, 'bridge']]);
/** Words after the host and its address in a line of a file. */
const FILE_WORDS_MAX = 5;

/** One run: the table and how to show it. */
interface Call {
  readonly p: Proc;
  readonly table: Arp;
  readonly ifp: Ifnet | null;
  readonly numeric: boolean;
  readonly json: JsonStyle;
}

export const arp = toolMain((p: Proc) => {
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  const parsed = getopt('andfsSi:', xo.words);
  if (parsed.error !== null) usage(p, 1, `arp: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const functions = parsed.options.map(([l]) => l).filter((l) => 'dfsS'.includes(l));
  if (functions.length > 1) usage(p, 1, USAGE);
  const [func = 'get'] = functions;
  const name = parsed.options.findLast(([l]) => l === 'i')?.[1] ?? null;
  if (name !== null && func !== 'get' && !(func === 'd' && has('a'))) errx(p, 1, '-i not applicable to this operation');
  const ifp = name === null ? null : (p.vnet.net.ifunit(name) ?? errx(p, 1, `interface ${name} does not exist`));
  const table = p.vnet.arp ?? errx(p, 1, 'the vnet is going down');
  return dispatch({ p, table, ifp, numeric: has('n'), json: xo.json }, func, has('a'), parsed.rest);
});

function dispatch(call: Call, func: string, all: boolean, words: readonly string[]): Promise<number> | number {
  const { p } = call;
  const [host] = words;
  if (func === 's' || func === 'S') {
    if (words.length < 2 || words.length > 6) usage(p, 1, USAGE);
    if (func === 'S') remove(call, host ?? '');
    return add(call, words);
  }
  if (func !== 'f' && all) {
    if (words.length > 0) usage(p, 1, USAGE);
    return func === 'd' ? removeAll(call) : show(call, call.table.list(call.ifp));
  }
  if (host === undefined || words.length > (func === 'd' && words[1] === 'pub' ? 2 : 1)) usage(p, 1, USAGE);
  if (func === 'f') return addFile(call, host);
  return func === 'd' ? remove(call, host) : showOne(call, host);
}

/** The host's address, or null after a complaint. */
function addressOf(p: Proc, host: string): number | null {
  const addr = hostAddress(host);
  if (addr === null) warnx(p, `${host}: Unknown host`);
  return addr;
}

function show(call: Call, entries: readonly ArpEntry[]): number {
  if (call.json !== 'none') call.p.out(jsonText({ __version: '1', arp: { 'arp-cache': entries.map((e) => entryJson(call, e)) } }, call.json));
  else call.p.out(entries.map((e) => `${entryLine(call, e)}\n`).join(''));
  return 0;
}

function showOne(call: Call, host: string): number {
  const addr = addressOf(call.p, host);
  if (addr === null) return 1;
  const found = call.table.list(call.ifp).filter((e) => e.addr === addr);
  show(call, found);
  if (found.length > 0) return 0;
  if (call.json === 'none') call.p.out(`${host} (${ip4Format(addr)}) -- no entry${call.ifp === null ? '' : ` on ${call.ifp.xname}`}\n`);
  return 1;
}

const nameOf = (call: Call, e: ArpEntry): string => (call.numeric ? null : hostName(e.addr)) ?? '?';

function entryLine(call: Call, e: ArpEntry): string {
  const at = e.lladdr === null ? '(incomplete)' : macFormat(e.lladdr);
  const left = e.expiresIn ?? 0;
  const life = e.permanent ? ' permanent' : left > 0 ? ` expires in ${left} seconds` : ' expired';
  const type = TYPES.get(e.ifp.type);
  return `${nameOf(call, e)} (${ip4Format(e.addr)}) at ${at} on ${e.ifp.xname}${life}${e.published ? ' published' : ''}${type === undefined ? '' : ` [${type}]`}`;
}

function entryJson(call: Call, e: ArpEntry): object {
  const left = e.expiresIn ?? 0;
  const type = TYPES.get(e.ifp.type);
  return {
    hostname: nameOf(call, e), 'ip-address': ip4Format(e.addr), ...(e.lladdr === null ? { incomplete: true } : { 'mac-address': macFormat(e.lladdr) }),
    interface: e.ifp.xname, ...(e.permanent ? { permanent: true } : left > 0 ? { expires: left } : { expired: true }),
    ...(e.published ? { published: true } : {}), ...(type === undefined ? {} : { type }), state: e.state, own: e.own,
  };
}

/** `-d`. Prints what was deleted. */
function remove(call: Call, host: string): number {
  const { p, table } = call;
  const addr = addressOf(p, host);
  if (addr === null) return 1;
  const error = ownsNetwork(p.prison) ? table.delete(addr) : EPERM;
  if (error === 0) {
    p.out(`${host} (${ip4Format(addr)}) deleted\n`);
    return 0;
  }
  warnx(p, error === ENOENT && table.interfaceOf(addr, p.fib) === null ? `delete: cannot locate ${host}` : `delete ${host}: ${strerror(error)}`);
  return 1;
}

function removeAll(call: Call): number {
  for (const e of call.table.list(call.ifp)) if (!e.own) remove(call, ip4Format(e.addr));
  return 0;
}

interface Modifiers {
  readonly temporary: boolean;
  readonly published: boolean;
}

/** `[temp] [pub [only]]` */
function modifiers(p: Proc, words: readonly string[]): Modifiers {
  words.forEach((word, i) => {
    if (word === 'temp' || word === 'pub' || (word === 'only' && words[i - 1] === 'pub')) return;
    if (word === 'reject' || word === 'blackhole') errx(p, 1, `${word}: neighbours of that kind are not built in; use route add -${word}`);
    warnx(p, `Invalid parameter '${word}'`);
    usage(p, 1, USAGE);
  });
  return { temporary: words.includes('temp'), published: words.includes('pub') };
}

/** `host ether_addr [temp] [pub [only]]` */
function add(call: Call, words: readonly string[]): number {
  const { p, table } = call;
  const [host = '', ether = '', ...rest] = words;
  const addr = addressOf(p, host);
  if (addr === null) return 1;
  const { temporary, published } = modifiers(p, rest);
  const mac = published && ether === 'auto' ? ownLladdr(p, addr) : macParse(ether);
  if (mac === null) {
    warnx(p, published && ether === 'auto' ? `no interface found for ${ip4Format(addr)}` : `invalid Ethernet address '${ether}'`);
    return 1;
  }
  const ifp = table.interfaceOf(addr, p.fib);
  if (ifp === null) {
    warnx(p, `cannot intuit interface index and type for ${host}`);
    return 1;
  }
  const error = ownsNetwork(p.prison) ? table.set(addr, mac, { ifp, temporary, published }) : EPERM;
  if (error !== 0) warnx(p, `set ${host}: ${strerror(error)}`);
  return error === 0 ? 0 : 1;
}

/** `auto`: the link address of the interface on whose network the host is; says which. */
function ownLladdr(p: Proc, addr: number): Uint8Array | null {
  for (const ifp of p.vnet.net.ifnets) {
    if ((ifp.flags & (IFF_UP | IFF_BROADCAST | IFF_POINTOPOINT | IFF_LOOPBACK | IFF_NOARP)) !== (IFF_UP | IFF_BROADCAST)) continue;
    if (!ifp.addrs.some((ia) => ia instanceof InIfaddr && ((ia.addr ^ addr) & ia.mask) === 0)) continue;
    p.out(`using interface ${ifp.xname} for proxy with address ${macFormat(ifp.lladdr)}\n`);
    return ifp.lladdr;
  }
  return null;
}

/** A file of `host ether_addr …` lines. */
async function addFile(call: Call, path: string): Promise<number> {
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
