/**
 * ip.ts — ip(8), `ip link`: interfaces made, shown, brought up and down and taken away, in iproute2's dialect.
 * Read first: ip-link(8); tc/tc.ts; docs/tools.md.
 *
 * So much of it is here as sequences around an ifb want. Addresses, routes and neighbours have FreeBSD's tools; asked for them, this one says so.
 */
import { toolMain } from '../err.js';
import type { Proc } from '../proc.js';
import { EXIT_USAGE, EXIT_WRONG, TcArgs, matches } from '../tc/tc-args.js';
import { IP_USAGE, linkCommand } from './link-commands.js';
import type { LinkContext } from './link-show.js';

/** Where what is not here is. */
const ELSEWHERE: readonly (readonly [object: string, tool: string])[] = [
  ['address', 'ifconfig'], ['route', 'route, netstat -r'], ['neighbour', 'arp, ndp'], ['neighbor', 'arp, ndp'], ['netns', 'jail, jexec'], ['maddress', 'ifmcstat'], ['mroute', 'mcast'], ['tunnel', 'ifconfig'],
];

function runIp(p: Proc): number {
  const words = p.argv.slice(1);
  let stats = false;
  let json = false;
  let pretty = false;
  while (words[0]?.startsWith('-') === true) {
    const given = words.shift() ?? '';
    const word = given.startsWith('--') ? given.slice(1) : given;
    if (matches(word, '-stats') || matches(word, '-statistics')) stats = true;
    else if (matches(word, '-json')) json = true;
    else if (matches(word, '-pretty')) pretty = true;
    else if (matches(word, '-Version')) {
      p.out('ip utility, netloom\n');
      return 0;
    } else if (matches(word, '-help')) {
      p.err(IP_USAGE);
      return EXIT_USAGE;
    } else if (!matches(word, '-details')) {
      p.err(`Option "${given}" is unknown, try "ip -help".\n`);
      return EXIT_USAGE;
    }
  }
  const cx: LinkContext = { p, stats, json, pretty };
  const args = new TcArgs(p, words);
  const object = args.take();
  if (object === null || matches(object, 'help')) {
    p.err(IP_USAGE);
    return EXIT_USAGE;
  }
  if (matches(object, 'link')) return linkCommand(cx, args);
  const other = ELSEWHERE.find(([name]) => matches(object, name));
  p.err(other === undefined ? `Object "${object}" is unknown, try "ip help".\n` : `Object "${object}" is not built in: use ${other[1]}\n`);
  return EXIT_WRONG;
}

export const ip = toolMain(runIp);
