/**
 * dnsd-conf.ts — what dnsd is told, in a file or on the command line: one thing a line.
 * Read first: docs/dns.md.
 *
 *     domain netloom.internal
 *     upstream 9.9.9.9 192.0.2.53:5353 host
 *     host 10.0.2.2                              # the address that host.DOMAIN has
 *     name desk router.desk                      # desk.DOMAIN is that jail
 *     record www.example.test 60 IN A 10.0.0.7   # one record more, whoever else has the rest of its domain
 *     zone example.test /etc/example.zone
 *     allow 10.0.0.0/8                           # who may ask; else the networks of the vnet's own interfaces
 *     cache 4000000                              # bytes
 */
import { serverAddress } from '@netloom/core';
import type { Vnet } from '@netloom/core';
import { dnsNameKey, dnsNameOf, ip4Parse, ip4ParsePrefix, ip6Parse, ip6ParsePrefix } from '@netloom/core/wire';
import type { DnsRecord, Ip4Prefix, Ip6Prefix } from '@netloom/core/wire';
import { UPSTREAM_PORT } from './forwarder.js';
import type { Upstream } from './forwarder.js';
import { ZoneError, zoneRecords } from './zone-file.js';

export const DOMAIN_DEFAULT = 'netloom.internal';
const CACHE_BYTES_DEFAULT = 4_000_000;
const CACHE_BYTES_MAX = 1_000_000_000;
const UPSTREAMS_MAX = 16;
const NETWORKS_MAX = 256;

/** What is wrong with the configuration; with the line, without the tool's name. */
export class DnsdConfError extends Error {
  override readonly name = 'DnsdConfError';
}

export interface DnsdConf {
  domain: string;
  readonly upstreams: Upstream[];
  readonly host: { readonly v4: number[]; readonly v6: Uint8Array[] };
  /** Labels under the domain, and the jails they name; null: all jails. */
  names: Map<string, string> | null;
  readonly records: DnsRecord[];
  /** Origins, and the files of their zones. */
  readonly zones: { readonly origin: string; readonly file: string }[];
  /** Null: the networks of the vnet's interfaces. */
  allow: { readonly v4: Ip4Prefix[]; readonly v6: Ip6Prefix[] } | null;
  cacheBytes: number;
}

export function dnsdDefaults(): DnsdConf {
  return { domain: DOMAIN_DEFAULT, upstreams: [], host: { v4: [], v6: [] }, names: null, records: [], zones: [], allow: null, cacheBytes: CACHE_BYTES_DEFAULT };
}

type Setter = (c: DnsdConf, words: readonly string[], vnet: Vnet, rest: string) => string | null;

/** Each answers with what is wrong, or null. */
const WORDS: Readonly<Record<string, Setter>> = {
  domain: (c, [name = '', ...more]) => {
    const domain = dnsNameOf(name);
    if (domain === null || domain === '.' || more.length > 0) return 'a domain name is wanted';
    c.domain = dnsNameKey(domain);
    return null;
  },
  upstream: (c, words, vnet) => {
    for (const word of words) {
      const upstream = upstreamOf(vnet, word);
      if (upstream === null) return `${word}: an address, ADDRESS:PORT, or host is wanted`;
      if (c.upstreams.length >= UPSTREAMS_MAX) return `more than ${UPSTREAMS_MAX} servers`;
      c.upstreams.push(upstream);
    }
    return words.length === 0 ? 'a server is missing' : null;
  },
  host: (c, words) => {
    for (const word of words) {
      const v4 = ip4Parse(word);
      const v6 = v4 === null ? ip6Parse(word) : null;
      if (v4 !== null) c.host.v4.push(v4);
      else if (v6 !== null) c.host.v6.push(v6);
      else return `${word}: not an address`;
    }
    return words.length === 0 ? 'an address is missing' : null;
  },
  name: (c, [label = '', jail = label, ...more]) => {
    if (more.length > 0 || dnsNameOf(label) === null || label === '.') return 'a name and a jail are wanted';
    c.names ??= new Map();
    c.names.set(dnsNameKey(label), jail);
    return null;
  },
  record: (c, _words, _vnet, rest) => {
    try {
      c.records.push(...zoneRecords(rest, '.'));
      return null;
    } catch (e) {
      if (e instanceof ZoneError) return e.message.replace(/^line 1: /, '');
      throw e;
    }
  },
  zone: (c, [origin = '', file = '', ...more]) => {
    if (dnsNameOf(origin) === null || file === '' || more.length > 0) return 'a domain name and a file are wanted';
    c.zones.push({ origin, file });
    return null;
  },
  allow: (c, words) => {
    const allow = (c.allow ??= { v4: [], v6: [] });
    for (const word of words) {
      const v4 = ip4ParsePrefix(word.includes('/') ? word : `${word}/32`);
      const v6 = v4 === null ? ip6ParsePrefix(word.includes('/') ? word : `${word}/128`) : null;
      if (v4 !== null) allow.v4.push(v4);
      else if (v6 !== null) allow.v6.push(v6);
      else return `${word}: not a network`;
    }
    if (allow.v4.length + allow.v6.length > NETWORKS_MAX) return `more than ${NETWORKS_MAX} networks`;
    return words.length === 0 ? 'a network is missing' : null;
  },
  cache: (c, [bytes = '', ...more]) => {
    if (!/^[0-9]{1,10}$/.test(bytes) || Number(bytes) > CACHE_BYTES_MAX || more.length > 0) return `a number of bytes up to ${CACHE_BYTES_MAX} is wanted`;
    c.cacheBytes = Number(bytes);
    return null;
  },
};

function upstreamOf(vnet: Vnet, text: string): Upstream | null {
  if (text === 'host') return { kind: 'host' };
  const bracket = /^\[(.+)\]:([0-9]{1,5})$/.exec(text) ?? (text.split(':').length === 2 ? /^(.+):([0-9]{1,5})$/.exec(text) : null);
  const addr = serverAddress(vnet.resolver, bracket?.[1] ?? text);
  const port = bracket === null ? UPSTREAM_PORT : Number(bracket[2]);
  return addr === null || port < 1 || port > 0xffff ? null : { kind: 'server', addr, port };
}

/** Adds what a text says. @throws DnsdConfError */
export function dnsdConf(c: DnsdConf, text: string, vnet: Vnet): void {
  text.split('\n').forEach((raw, i) => {
    const line = raw.replace(/(^|\s)#.*$/, '').trim();
    const [word = '', ...words] = line.split(/\s+/);
    if (word === '') return;
    const set = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    const problem = set === undefined ? `unknown word (${Object.keys(WORDS).join(', ')})` : set(c, words, vnet, line.slice(word.length).trim());
    if (problem !== null) throw new DnsdConfError(`line ${i + 1}: ${word}: ${problem}`);
  });
}
