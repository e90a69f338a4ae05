/**
 * ifinfo.ts — ndp -i: flags and times of neighbour discovery on one interface.
 * Read first: ndp(8) "-i"; ifconfig(8) inet6, which has the same flags by other words.
 *
 * FreeBSD ignores words it does not know; here they are refused. `reachable` is the base time: each entry has its own random one.
 */
import {
  ENXIO, EPERM, ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_PREFER_IFACE, ND6_IFF_PERFORMNUD, nd6SetFlags, strerror,
} from '@netloom/core';
import type { In6Ifinfo } from '@netloom/core';
import { err, errx } from '../err.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText } from '../libxo.js';
import type { Call } from './ndp.js';

/** In the order they are shown. */
const FLAGS: readonly (readonly [string, number])[] = [
  ['disabled', ND6_IFF_IFDISABLED], ['nud', ND6_IFF_PERFORMNUD], ['accept_rtadv', ND6_IFF_ACCEPT_RTADV], ['auto_linklocal', ND6_IFF_AUTO_LINKLOCAL],
  ['no_prefer_iface', ND6_IFF_NO_PREFER_IFACE],
];
const MS = 1_000;
const MS_MAX = 3_600_000;
const HOPS_MAX = 255;

export function ifinfo(call: Call, name: string, words: readonly string[]): number {
  const { p } = call;
  const ifp = p.vnet.net.ifunit(name);
  const ii = ifp === null ? null : p.vnet.in6Net.ifinfo(ifp);
  if (ifp === null || ii === null) err(p, 1, 'ioctl(SIOCGIFINFO_IN6)', ENXIO);
  if (words.length > 0 && !ownsNetwork(p.prison)) err(p, 1, 'ioctl(SIOCSIFINFO_IN6)', EPERM);
  for (const word of words) {
    if (word.includes('=')) {
      setValue(call, ii, word);
      continue;
    }
    const clear = word.startsWith('-');
    const flag = FLAGS.find(([text]) => text === (clear ? word.slice(1) : word))?.[1] ?? errx(p, 1, `${word}: not a flag; flags are ${FLAGS.map(([t]) => t).join(', ')}`);
    const error = nd6SetFlags(p.vnet.in6Net, ifp, clear ? ii.ndFlags & ~flag : ii.ndFlags | flag);
    if (error !== 0) errx(p, 1, `ioctl(SIOCSIFINFO_IN6): ${strerror(error)}`);
  }
  show(call, name, ii);
  return 0;
}

/** `basereachable=`, `retrans=` (milliseconds), `curhlim=`; 0 changes nothing. */
function setValue(call: Call, ii: In6Ifinfo, word: string): void {
  const [key = '', text = ''] = word.split('=');
  if (!['basereachable', 'retrans', 'curhlim'].includes(key)) errx(call.p, 1, `${word}: not a value; values are basereachable, retrans, curhlim`);
  const max = key === 'curhlim' ? HOPS_MAX : MS_MAX;
  const value = /^[0-9]+$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > max) errx(call.p, 1, `syntax error in ${key}'s value: ${text} is not a number from 0 to ${max}`);
  if (value === 0) return;
  if (key === 'curhlim') ii.chlim = value;
  else if (key === 'retrans') ii.retrans = value;
  else ii.basereachable = value;
}

function show(call: Call, name: string, ii: In6Ifinfo): void {
  const flags = FLAGS.filter(([, bit]) => (ii.ndFlags & bit) !== 0).map(([text]) => text);
  const reachable = Math.floor(ii.basereachable / MS);
  if (call.json !== 'none') {
    const info = {
      interface: name, linkmtu: ii.mtu, maxmtu: ii.ifp.mtu, curhlim: ii.chlim, basereachable_ms: ii.basereachable, reachable_ms: reachable * MS, retrans_ms: ii.retrans,
      flags: ii.ndFlags, flags_pretty: flags,
    };
    call.p.out(jsonText({ __version: '1', ndp: { ifinfo: info } }, call.json));
    return;
  }
  const ms = (n: number): string => `${Math.floor(n / MS)}s${n % MS}ms`;
  call.p.out(`linkmtu=${ii.mtu}, maxmtu=${ii.ifp.mtu}, curhlim=${ii.chlim}, basereachable=${ms(ii.basereachable)}, reachable=${reachable}s, retrans=${ms(ii.retrans)}`);
  if (ii.ndFlags !== 0) call.p.out(`\nFlags: ${flags.map((f) => `${f} `).join('')}`);
  call.p.out('\n');
}
