/**
 * dnsd.ts — dnsd: the name server of a vnet: names of what lives here, zones of its own, and others' answers.
 * Read first: docs/dns.md; responder.ts for what it answers, dnsd-conf.ts for the words.
 *
 *     dnsd [-dfq] [-j jail] [-c file] [-O statements] [-D domain] [-u server] ... [-z zone=file] ... [-r record] ...
 *     dnsd [-j jail] -s [--json]        what it knows, and what it has counted
 *     dnsd [-j jail] -k                 ends it
 *
 * `-j` serves in another jail's vnet, and knows the names that whoever started it may know: a server that is started inside a jail knows the jails below it only. FreeBSD has `local-unbound` in
 * this place; the name and the words are ours.
 */
import type { Vnet } from '@netloom/core';
import { dnsNameOf, ip4Format, ip6Format } from '@netloom/core/wire';
import { errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { attachJail, ownsNetwork } from '../jail/jail-id.js';
import { jsonText, takeLibxo } from '../libxo.js';
import type { Proc } from '../proc.js';
import { ServiceEnd, servicesIn, stopServices } from '../service-proc.js';
import { utf8Text } from '../utf8.js';
import { DnsCache } from './dns-cache.js';
import { DnsSockets } from './dns-sockets.js';
import { DnsdConfError, dnsdConf, dnsdDefaults } from './dnsd-conf.js';
import type { DnsdConf } from './dnsd-conf.js';
import { Forwarder } from './forwarder.js';
import { LiveNames } from './live-names.js';
import { Responder } from './responder.js';
import { ZoneError, readZone } from './zone-file.js';
import type { Zone } from './zone.js';

const USAGE = `usage: dnsd [-dfq] [-j jail] [-c file] [-O statements] [-D domain] [-u server] ... [-z zone=file] ... [-r record] ...
       dnsd [-j jail] -s [--json]
       dnsd [-j jail] -k
`;

export class DnsdEnd extends ServiceEnd {
  readonly responder: Responder;

  constructor(p: Proc, responder: Responder) {
    super(p, 'dnsd');
    this.responder = responder;
  }
}

async function readFile(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `${path}: there are no files here`);
  return utf8Text(await p.host.readFile(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`)));
}

async function configuration(p: Proc, vnet: Vnet, options: readonly (readonly [string, string])[]): Promise<DnsdConf> {
  const conf = dnsdDefaults();
  const lines = (letter: string, word: string): string => options.filter(([l]) => l === letter).map(([, value]) => `${word} ${value}`).join('\n');
  const files = await Promise.all(options.filter(([l]) => l === 'c').map(async ([, path]) => [path, await readFile(p, path)] as const));
  const texts: (readonly [string, string])[] = [
    ...files, ...options.filter(([l]) => l === 'O').map(([, text]) => ['-O', text] as const), ['-D', lines('D', 'domain')], ['-u', lines('u', 'upstream')], ['-r', lines('r', 'record')],
    ['-z', lines('z', 'zone').replace(/=/g, ' ')],
  ];
  for (const [source, text] of texts) {
    try {
      dnsdConf(conf, text, vnet);
    } catch (e) {
      if (e instanceof DnsdConfError) errx(p, 1, `${source} ${e.message}`);
      throw e;
    }
  }
  return conf;
}

async function zonesOf(p: Proc, conf: DnsdConf): Promise<Zone[]> {
  const zones: Zone[] = [];
  for (const { origin, file } of conf.zones) {
    const text = await readFile(p, file);
    try {
      zones.push(readZone(text, dnsNameOf(origin) ?? origin));
    } catch (e) {
      if (e instanceof ZoneError) errx(p, 1, `${file} ${e.message}`);
      throw e;
    }
  }
  return zones;
}

async function serve(p: Proc, vnet: Vnet, options: readonly (readonly [string, string])[]): Promise<number> {
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const conf = await configuration(p, vnet, options);
  const zones = await zonesOf(p, conf);
  if (servicesIn(vnet, DnsdEnd).length > 0) errx(p, 1, 'there is a name server in this vnet already (dnsd -k ends it)');
  const host = conf.host.v4.length + conf.host.v6.length === 0 ? [] : [{ name: `host.${conf.domain}`, v4: conf.host.v4, v6: conf.host.v6 }];
  const parts = { cache: new DnsCache(conf.cacheBytes), forwarder: new Forwarder(p, vnet, conf.upstreams), live: new LiveNames(p, vnet, conf.domain, conf.names, host) };
  const responder = new Responder(vnet, conf, zones, parts, () => p.now());
  const sockets = new DnsSockets(p, vnet, responder);
  const end = new DnsdEnd(p, responder);
  end.offer(vnet);
  if (!has('d') && !has('f')) p.daemon();
  while (!end.stopped && sockets.open) {
    const until = sockets.round();
    await p.sleepUs(until === Infinity ? Infinity : Math.max(0, until - p.now()));
  }
  return 0;
}

function status(p: Proc, { responder: r }: DnsdEnd, json: 'none' | 'compact' | 'pretty'): void {
  const { cache, forwarder, live, stats } = r;
  const names = live.list().map((h) => ({ name: h.name, addresses: [...h.v4.map((a) => ip4Format(a)), ...h.v6.map((a) => ip6Format(a))] }));
  if (json !== 'none') {
    p.out(jsonText({ dnsd: { names, statistics: { ...stats, pending: forwarder.pending }, cache: { entries: cache.size, ...cache.stats }, forwarder: { ...forwarder.stats } } }, json));
    return;
  }
  for (const { name, addresses } of names) p.out(`${name} ${addresses.join(' ')}\n`);
  p.out(`${stats.queries} queries: ${stats.local} answered from here, ${stats.cached} from the cache, ${stats.forwarded} forwarded, ${stats.refused} refused\n`);
  p.out(`${stats.malformed} malformed, ${stats.dropped} from networks that may not ask\n`);
  p.out(`${cache.size} answers in the cache, ${forwarder.pending} questions under way, ${forwarder.stats.failed} without an answer\n`);
}

async function runDnsd(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('c:D:dfj:kO:qr:su:z:', xo.words);
  if (xo.error !== null) errx(p, 1, xo.error);
  if (error !== null) warnx(p, error);
  if (error !== null || rest.length > 0) usage(p, 1, USAGE);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const jail = options.findLast(([l]) => l === 'j')?.[1];
  const prison = jail === undefined ? p.prison : attachJail(p, jail);
  if (!ownsNetwork(prison)) errx(p, 1, 'Operation not permitted');
  const { vnet } = prison;
  const [running] = servicesIn(vnet, DnsdEnd);
  if (!has('s') && !has('k')) return serve(p, vnet, options);
  if (running === undefined) return errx(p, 1, 'there is no name server in this vnet');
  if (has('s')) status(p, running, xo.json);
  else await stopServices(p, vnet, [running]);
  return 0;
}

export const dnsd = toolMain(runDnsd);
