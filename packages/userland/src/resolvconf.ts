/**
 * resolvconf.ts — resolvconf(8): the name servers and search domains of the vnet, by who told them.
 * Read first: resolvconf(8), resolv.conf(5); socket/resolv-conf.ts of the core.
 *
 *     resolvconf [-O text] -a key            a record of resolv.conf's lines, from -O or standard input
 *     resolvconf [-f] -d key                 takes one away
 *     resolvconf -l [--json] [pattern], -i   all of them; their keys
 *
 * Records of dhclient have the key INTERFACE:dhcp4, those of IPv6's routers INTERFACE:slaac:ROUTER. A key without a colon is a person's, and comes first. `-O` is ours; `-u` has nothing to do,
 * because programs look here.
 */
import { RESOLV_VALUES_MAX, serverAddress } from '@netloom/core';
import type { ResolvRecord } from '@netloom/core';
import { dnsNameOf } from '@netloom/core/wire';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import { ownsNetwork } from './jail/jail-id.js';
import { jsonText, takeLibxo } from './libxo.js';
import type { Proc } from './proc.js';
import { utf8Text } from './utf8.js';

const USAGE = `usage: resolvconf [-O text] -a key
       resolvconf [-f] -d key
       resolvconf -l [--json] [pattern]
       resolvconf -i | -u
`;
const INPUT_MAX = 65_536;

async function input(p: Proc): Promise<string> {
  let text = '';
  for await (const block of p.stdin) {
    text += utf8Text(block);
    if (text.length > INPUT_MAX) errx(p, 1, 'standard input: too long');
  }
  return text;
}

function parse(p: Proc, key: string, text: string): ResolvRecord {
  const nameservers: string[] = [];
  const search: string[] = [];
  for (const line of text.split('\n')) {
    const [word = '', ...values] = line.replace(/[#;].*$/, '').trim().split(/\s+/);
    if (word === 'nameserver') {
      const [server = ''] = values;
      if (serverAddress(p.vnet.resolver, server) === null) errx(p, 1, `nameserver ${server}: not an address`);
      nameservers.push(server);
    } else if (word === 'search' || word === 'domain') {
      for (const domain of values) search.push(dnsNameOf(domain) ?? errx(p, 1, `${word} ${domain}: not a domain name`));
    } else if (word !== '' && word !== 'options' && word !== 'sortlist') errx(p, 1, `${word}: unknown word (nameserver, search)`);
  }
  if (nameservers.length > RESOLV_VALUES_MAX || search.length > RESOLV_VALUES_MAX) errx(p, 1, `more than ${RESOLV_VALUES_MAX} name servers or domains`);
  return { key, nameservers, search };
}

function recordText(r: ResolvRecord): string {
  return `# resolv.conf from ${r.key}\n${r.search.length === 0 ? '' : `search ${r.search.join(' ')}\n`}${r.nameservers.map((s) => `nameserver ${s}\n`).join('')}\n`;
}

/** A pattern of the shell, with `*` and `?`. */
function matches(pattern: string, key: string): boolean {
  const words = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${words}$`).test(key);
}

async function runResolvconf(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('adfilO:u', xo.words);
  if (xo.error !== null) errx(p, 1, xo.error);
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const verbs = ['a', 'd', 'i', 'l', 'u'].filter(has);
  const [word = ''] = rest;
  if (error !== null || verbs.length !== 1 || rest.length > 1 || ((has('a') || has('d')) && word === '')) usage(p, 1, USAGE);
  const { conf } = p.vnet.resolver;
  if (has('u')) return 0;
  if (has('i')) {
    p.out(`${conf.list().map((r) => r.key).join(' ')}\n`);
    return 0;
  }
  if (has('l')) {
    const records = conf.list().filter((r) => word === '' || matches(word, r.key));
    p.out(xo.json === 'none' ? records.map((r) => recordText(r)).join('') : jsonText({ resolvconf: { records } }, xo.json));
    return 0;
  }
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  if (has('d')) {
    if (!conf.delete(word) && !has('f')) errx(p, 1, `No resolv.conf for interface ${word}`);
    return 0;
  }
  const text = options.findLast(([l]) => l === 'O')?.[1];
  const refused = conf.set(parse(p, word, text ?? (await input(p))));
  return refused === 0 ? 0 : errx(p, 1, `${word}: too many records`);
}

export const resolvconf = toolMain(runResolvconf);
