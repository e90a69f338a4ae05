/**
 * host.ts — host(1): asks the name servers of the vnet, or another, and says what they answer, in bind's words.
 * Read first: host(1); socket/stub-resolver.ts of the core. Exit codes: 0, 1 when there is no answer, or a bad one.
 *
 *     host [-46aCdrTv] [-c class] [-N ndots] [-p port] [-R number] [-t type] [-W wait] name [server]
 *
 * Without -t the addresses of the name and who takes its mail; of an address its name. -v and -a print whole messages. `-p` is ours.
 * Not here: -l and -C, which need a transfer of a zone or its servers, -m, -s.
 */
import { DnsLookup, ECONNREFUSED, ETIMEDOUT, candidateNames, serverAddress, strerror } from '@netloom/core';
import type { LookupOptions, LookupResult, SockAddr } from '@netloom/core';
import {
  DNS_CLASS_IN, DNS_NOERROR, DNS_NXDOMAIN, DNS_PORT, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_ANY, DNS_TYPE_CNAME, DNS_TYPE_MX, DNS_TYPE_PTR, dnsClassOf, dnsEmit, dnsNameKey, dnsNameOf, dnsRcode,
  dnsRcodeName, dnsTargetOf, dnsTypeName, dnsTypeOf, ip4Format, ip4Parse, ip6Parse,
} from '@netloom/core/wire';
import type { DnsMessage } from '@netloom/core/wire';
import { errx, progname, toolMain, usage } from '../err.js';
import { getopt } from '../getopt.js';
import { address6Text } from '../host-address6.js';
import { lookUp } from '../known-names.js';
import type { Proc } from '../proc.js';
import { messageText, sentence } from './host-text.js';
import { reverseName } from './reverse-name.js';

const USAGE = 'Usage: host [-46aCdrTv] [-c class] [-N ndots] [-p port] [-R number] [-t type] [-W wait] name [server]\n';
const US_PER_SEC = 1_000_000;

interface HostCall {
  readonly p: Proc;
  readonly verbose: boolean;
  readonly cls: number;
  /** Null: the usual ones. */
  readonly type: number | null;
  readonly o: LookupOptions;
}

function number(p: Proc, letter: string, text: string, min: number, max: number): number {
  const n = /^[0-9]{1,6}$/.test(text) ? Number(text) : -1;
  return n < min || n > max ? errx(p, 1, `-${letter} ${text}: a number from ${min} to ${max} is wanted`) : n;
}

/** One question to the end, whoever answers it. */
async function ask(c: HostCall, name: string, type: number): Promise<{ readonly result: LookupResult; readonly lookup: DnsLookup; readonly tookUs: number }> {
  const { p } = c;
  const from = p.now();
  let result: LookupResult | null = null;
  const lookup = p.kernel.call(from, () => new DnsLookup(p.vnet.resolver, { name, type, cls: c.cls }, c.o, (r) => {
    result = r;
    p.wake();
  }));
  p.atExit(() => lookup.cancel());
  for (;;) {
    if (result !== null) return { result, lookup, tookUs: p.now() - from };
    await p.sleepUs(Infinity);
  }
}

const serverText = (p: Proc, server: SockAddr): string => (typeof server === 'number' ? ip4Format(server) : address6Text(p.vnet, server));

/** Prints an answer; true when it was a good one. */
function show(c: HostCall, name: string, type: number, m: DnsMessage): boolean {
  const { p } = c;
  if (c.verbose) p.out(messageText(m));
  const rcode = dnsRcode(m);
  if (rcode !== DNS_NOERROR) {
    if (!c.verbose) p.out(`Host ${name} not found: ${rcode}(${dnsRcodeName(rcode)})\n`);
    return false;
  }
  if (c.verbose) return true;
  const said = m.answers.filter((r) => type === DNS_TYPE_ANY || r.type === type || r.type === DNS_TYPE_CNAME);
  for (const r of said) p.out(sentence(r));
  if (said.length === 0 && c.type !== null) p.out(`${name} has no ${dnsTypeName(type)} record\n`);
  return said.length > 0 || c.type === null;
}

/** Tries the names that `name` may mean, for one type. The name that there is, or null. */
async function query(c: HostCall, name: string, names: readonly string[], type: number): Promise<string | null> {
  const { p } = c;
  const port = c.o.port ?? DNS_PORT;
  for (const [i, candidate] of names.entries()) {
    if (c.verbose) p.out(`Trying "${candidate}"\n`);
    const { result, lookup, tookUs } = await ask(c, candidate, type);
    for (const f of lookup.failures) {
      const why = f.error === ETIMEDOUT ? 'timed out' : f.error === ECONNREFUSED ? 'connection refused' : strerror(f.error).toLowerCase();
      p.out(`;; communications error to ${serverText(p, f.server)}#${port}: ${why}\n`);
    }
    if (result.message === null) {
      p.out(';; no servers could be reached\n');
      return null;
    }
    if (dnsRcode(result.message) === DNS_NXDOMAIN && i < names.length - 1) continue;
    const good = show(c, dnsRcode(result.message) === DNS_NOERROR ? candidate : name, type, result.message);
    if (c.verbose) p.out(`\nReceived ${dnsEmit(result.message)?.length ?? 0} bytes from ${serverText(p, result.server)}#${port} in ${Math.round(tookUs / 1_000)} ms\n`);
    return good ? endOfAliases(result.message, candidate) : null;
  }
  return null;
}

/** The name that an answer's aliases lead to. */
function endOfAliases(m: DnsMessage, name: string): string {
  let at = name;
  for (let i = 0; i < m.answers.length; i++) {
    const alias = m.answers.find((r) => r.type === DNS_TYPE_CNAME && dnsNameKey(r.name) === dnsNameKey(at));
    if (alias === undefined) break;
    at = dnsTargetOf(alias.rdata);
  }
  return at;
}

async function serversOf(p: Proc, text: string, family: 4 | 6 | null): Promise<SockAddr[]> {
  const literal = serverAddress(p.vnet.resolver, text);
  if (literal !== null) return [literal];
  const known = await lookUp(p, [text], family);
  const all = known.addresses(text);
  if (all.length === 0) {
    p.err(`${progname(p)}: couldn't get address for '${text}': not found\n`);
    return errx(p, 1, `couldn't get address for '${text}'`);
  }
  return [...all];
}

async function runHost(p: Proc): Promise<number> {
  const parsed = getopt('46aCc:dlN:p:R:rst:TUvVW:w', p.argv.slice(1));
  const given = new Map(parsed.options);
  const [text, serverWord, ...more] = parsed.rest;
  if (parsed.error !== null) usage(p, 1, `${progname(p)}: ${parsed.error}\n${USAGE}`);
  if (text === undefined || more.length > 0) usage(p, 1, USAGE);
  if (given.has('l') || given.has('C')) errx(p, 1, `-${given.has('l') ? 'l' : 'C'}: transfers of zones are not built in`);
  const family = given.has('4') ? 4 : given.has('6') ? 6 : null;
  const typeWord = given.get('t');
  const type = given.has('a') ? DNS_TYPE_ANY : typeWord === undefined ? null : (dnsTypeOf(typeWord) ?? errx(p, 1, `invalid type: ${typeWord}`));
  const classWord = given.get('c');
  const cls = classWord === undefined ? DNS_CLASS_IN : (dnsClassOf(classWord) ?? errx(p, 1, `invalid class: ${classWord}`));
  const servers = serverWord === undefined ? undefined : await serversOf(p, serverWord, family);
  const own = servers ?? p.vnet.resolver.conf.nameservers.map((s) => serverAddress(p.vnet.resolver, s)).filter((s) => s !== null);
  const asked = own.filter((s) => family === null || (typeof s === 'number') === (family === 4));
  if (asked.length === 0) errx(p, 1, serverWord === undefined ? 'this vnet has no name servers (resolvconf -l lists them)' : `${serverWord}: no address of this family`);
  const c: HostCall = {
    p, verbose: given.has('v') || given.has('a') || given.has('d'), cls, type,
    o: {
      servers: asked, fib: p.fib, tcp: given.has('T') || type === DNS_TYPE_ANY, norecurse: given.has('r'), port: number(p, 'p', given.get('p') ?? String(DNS_PORT), 1, 65_535),
      retry: number(p, 'R', given.get('R') ?? '1', 0, 100) + 1, timeoutUs: given.has('w') ? Infinity : number(p, 'W', given.get('W') ?? '5', 1, 86_400) * US_PER_SEC,
    },
  };
  if (serverWord !== undefined) p.out(`Using domain server:\nName: ${serverWord}\nAddress: ${serverText(p, asked[0] ?? 0)}#${c.o.port ?? DNS_PORT}\nAliases: \n\n`);
  return lookupAll(c, text, number(p, 'N', given.get('N') ?? '1', 0, 15));
}

async function lookupAll(c: HostCall, text: string, ndots: number): Promise<number> {
  const { p } = c;
  const addr = ip4Parse(text) ?? ip6Parse(text);
  if (addr !== null && c.type === null) {
    const reverse = reverseName(addr);
    return (await query({ ...c, type: DNS_TYPE_PTR }, `${reverse}.`, [reverse], DNS_TYPE_PTR)) === null ? 1 : 0;
  }
  const full = dnsNameOf(text);
  if (full === null) errx(p, 1, `'${text}' is not a legal name`);
  const names = text === '.' ? ['.'] : orderedNames(text, full, p.vnet.resolver.conf.search, ndots);
  if (c.type !== null) return (await query(c, text, names, c.type)) === null ? 1 : 0;
  const found = await query(c, text, names, DNS_TYPE_A);
  if (found === null) return 1;
  // What an alias stands for is asked about, and the alias is said once.
  for (const type of [DNS_TYPE_AAAA, DNS_TYPE_MX]) await query(c, text, [found], type);
  return 0;
}

/** The name as it is comes first when it has so many dots. */
function orderedNames(text: string, full: string, search: readonly string[], ndots: number): string[] {
  const all = candidateNames(text, search);
  const dots = full.split('.').length - 1;
  const key = dnsNameKey(full);
  const others = all.filter((n) => dnsNameKey(n) !== key);
  return dots >= ndots ? [full, ...others] : [...others, full];
}

export const host = toolMain(runHost);
