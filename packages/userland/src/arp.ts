/**
 * arp.ts — arp(8): show, add and remove IPv4 neighbours.
 * Read first: arp(8). Exit codes: 0, 1 when there is no such entry or something was refused.
 *
 * Not here: host names (there is no resolver: addresses only).
 */
import { ENOENT, EPERM, ESRCH, IFT_BRIDGE, IFT_ETHER, IFT_L2VLAN, strerror } from '@netloom/core';
import type { Arp, ArpEntry, Ifnet } from '@netloom/core';
import { inetAton, ip4Format, macFormat, macParse } from '@netloom/core/wire';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import type { Proc } from './proc.js';

const USAGE = `usage: arp [-n] [-i interface] hostname
       arp [-n] [-i interface] -a
       arp -d hostname [pub]
       arp -d [-i interface] -a
       arp -s hostname ether_addr [temp] [reject | blackhole] [pub [only]]
       arp -S hostname ether_addr [temp] [reject | blackhole] [pub [only]]
       arp -f filename
`;

const TYPES: ReadonlyMap<number, string> = new Map([[IFT_ETHER, 'ethernet'], [IFT_L2VLAN, 'vlan'], [IFT_BRIDGE, 'bridge']]);

export const arp = toolMain(async (p: Proc): Promise<number> => {
  const json = p.argv.includes('--json');
  const parsed = getopt('andfsSi:', p.argv.slice(1).filter((w) => w !== '--json'));
  if (parsed.error !== null) usage(p, 1, `arp: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const { arp: table } = p.vnet;
  if (table === null) errx(p, 1, 'the vnet is going down');
  const name = parsed.options.find(([l]) => l === 'i')?.[1] ?? null;
  const ifp = name === null ? null : p.vnet.net.ifunit(name);
  if (name !== null && ifp === null) errx(p, 1, `interface ${name} does not exist`);
  const [host, ...rest] = parsed.rest;
  if (has('d')) return has('a') ? removeAll(p, table, ifp) : remove(p, table, host, ifp);
  if (has('s') || has('S')) {
    if (name !== null) errx(p, 1, '-i not applicable to this operation');
    if (has('S') && host !== undefined) remove(p, table, host, null, true);
    return add(p, table, host, rest);
  }
  if (has('f')) return addFile(p, table, host);
  if (has('a')) return show(p, table.list(ifp), json);
  if (host === undefined || rest.length > 0) usage(p, 1, USAGE);
  return showOne(p, table, host, ifp, json);
});

function addressOf(p: Proc, host: string): number {
  return inetAton(host) ?? errx(p, 1, `${host}: Unknown host (give an address: there is no resolver here)`);
}

function show(p: Proc, entries: readonly ArpEntry[], json: boolean): number {
  if (json) p.out(`${JSON.stringify(entries.map(toJson), null, 2)}\n`);
  else for (const e of entries) p.out(`${line(e)}\n`);
  return 0;
}

function showOne(p: Proc, table: Arp, host: string, ifp: Ifnet | null, json: boolean): number {
  const addr = addressOf(p, host);
  const found = table.list(ifp).filter((e) => e.addr === addr);
  show(p, found, json);
  if (found.length === 0 && !json) p.out(`${host} (${ip4Format(addr)}) -- no entry${ifp === null ? '' : ` on ${ifp.xname}`}\n`);
  return found.length === 0 ? 1 : 0;
}

function line(e: ArpEntry): string {
  const at = e.lladdr === null ? '(incomplete)' : macFormat(e.lladdr);
  const life = e.permanent ? ' permanent' : (e.expiresIn ?? 0) > 0 ? ` expires in ${e.expiresIn ?? 0} seconds` : ' expired';
  const type = TYPES.get(e.ifp.type);
  return `? (${ip4Format(e.addr)}) at ${at} on ${e.ifp.xname}${life}${e.published ? ' published' : ''}${type === undefined ? '' : ` [${type}]`}`;
}

function toJson(e: ArpEntry): object {
  return {
    address: ip4Format(e.addr), mac: e.lladdr === null ? null : macFormat(e.lladdr), interface: e.ifp.xname, state: e.state, permanent: e.permanent,
    published: e.published, own: e.own, expiresSec: e.expiresIn,
  };
}

function remove(p: Proc, table: Arp, host: string | undefined, ifp: Ifnet | null, quiet = false): number {
  if (host === undefined) usage(p, 1, USAGE);
  const addr = addressOf(p, host);
  const error = table.delete(addr, ifp);
  if (error === 0) {
    if (!quiet) p.out(`${host} (${ip4Format(addr)}) deleted\n`);
    return 0;
  }
  if (!quiet) warnx(p, error === ENOENT ? `delete: cannot locate ${host}` : error === EPERM ? `${host}: Operation not permitted` : `${host}: ${strerror(error)}`);
  return 1;
}

function removeAll(p: Proc, table: Arp, ifp: Ifnet | null): number {
  for (const e of table.list(ifp)) {
    if (e.own) continue;
    if (table.delete(e.addr, e.ifp) === 0) p.out(`${ip4Format(e.addr)} (${ip4Format(e.addr)}) deleted\n`);
  }
  return 0;
}

/** `host ether_addr [temp] [pub [only]]` */
function add(p: Proc, table: Arp, host: string | undefined, words: readonly string[]): number {
  const [ether, ...modifiers] = words;
  if (host === undefined || ether === undefined) usage(p, 1, USAGE);
  const addr = addressOf(p, host);
  const temporary = modifiers.includes('temp');
  const published = modifiers.includes('pub');
  for (const word of modifiers) {
    if (word === 'reject' || word === 'blackhole') errx(p, 1, `${word}: neighbours of that kind are not supported; use route add -${word}`);
    if (word !== 'temp' && word !== 'pub' && word !== 'only') {
      warnx(p, `Invalid parameter '${word}'`);
      return 1;
    }
  }
  const mac = lladdrFor(p, table, ether, addr);
  if (mac === null) {
    warnx(p, ether === 'auto' ? `no interface found for ${host}` : `invalid Ethernet address '${ether}'`);
    return 1;
  }
  const error = table.set(addr, mac, { temporary, published });
  if (error === 0) return 0;
  warnx(p, error === ESRCH ? `cannot intuit interface index and type for ${host}` : `${host}: ${strerror(error)}`);
  return 1;
}

/** A MAC address, or with `auto` that of the interface on whose network the address is. */
function lladdrFor(p: Proc, table: Arp, text: string, addr: number): Uint8Array | null {
  if (text !== 'auto') return macParse(text);
  return table.interfaceOf(addr, p.fib)?.lladdr ?? null;
}

/** A file of `host ether_addr …` lines. */
async function addFile(p: Proc, table: Arp, path: string | undefined): Promise<number> {
  if (path === undefined) usage(p, 1, USAGE);
  if (p.host === null) errx(p, 1, `cannot open ${path}: there are no files here`);
  const bytes = await p.host.readFile(path).catch((e: Error) => errx(p, 1, `cannot open ${path}: ${e.message}`));
  let code = 0;
  for (const row of String.fromCharCode(...bytes).split('\n')) {
    const words = row.replace(/#.*/, '').trim().split(/\s+/).filter((w) => w !== '');
    const [host, ...rest] = words;
    if (host === undefined) continue;
    if (rest.length === 0) {
      warnx(p, `bad line: ${row}`);
      code = 1;
    } else if (add(p, table, host, rest) !== 0) code = 1;
  }
  return code;
}
