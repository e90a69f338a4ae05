/**
 * inet6-words.ts — words about an IPv6 address that is to be set: its flags, its lifetimes, `prefixlen`, `eui64`.
 * Read first: ifconfig(8) "inet6"; af-inet6.ts, which sets the address.
 */
import { IN6_IFF_ANYCAST, IN6_IFF_AUTOCONF, IN6_IFF_DEPRECATED, IN6_IFF_PREFER_SOURCE, IN6_IFF_TENTATIVE, ND6_INFINITE_LIFETIME } from '@netloom/core';
import { parseUnsigned, word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const PLEN_MAX = 128;

/** A prefix length; leaves with `x: bad value` when it is none. */
export function setPrefixlen(cx: Invocation, text: string): void {
  const plen = /^[0-9]+$/.test(text) ? Number(text) : -1;
  if (plen < 0 || plen > PLEN_MAX) cx.errx(`${text}: bad value`);
  cx.inet6.plen = plen;
}

function flagWords(name: string, flag: number, negative = true): Command[] {
  const set = (on: boolean) => (cx: Invocation): void => {
    if (cx.family.name !== 'inet6') cx.errx('address flags can be set only for inet6 addresses');
    cx.inet6.flags = on ? cx.inet6.flags | flag : cx.inet6.flags & ~flag;
  };
  return negative ? [word(name, set(true)), word(`-${name}`, set(false))] : [word(name, set(true))];
}

function lifetime(name: 'pltime' | 'vltime'): Command {
  return word1(name, (cx, text) => {
    const seconds = /^inf(ty|inite|inity)?$/.test(text) ? ND6_INFINITE_LIFETIME : parseUnsigned(text);
    if (seconds === null || seconds < 0 || seconds > ND6_INFINITE_LIFETIME) return cx.errx(`invalid ${name}`);
    if (cx.family.name !== 'inet6') cx.errx(`${name} not allowed for the AF`);
    cx.inet6[name] = seconds;
  });
}

/** The low half of the address becomes that of the interface's link-local address. */
function eui64(cx: Invocation): void {
  if (cx.family.name !== 'inet6') cx.errx('eui64 not allowed for the AF');
  const { addr } = cx.inet6.add;
  if (addr.subarray(8).some((byte) => byte !== 0)) cx.errx('interface index is already filled');
  const ll = cx.ifp === null ? null : cx.vnet.in6Net.linkLocalOf(cx.ifp, 0);
  if (ll === null) return cx.errx('could not determine link local address');
  cx.inet6.add.addr = Uint8Array.from([...addr.subarray(0, 8), ...ll.addr.subarray(8)]);
}

export const INET6_WORDS: readonly Command[] = [
  word1('prefixlen', setPrefixlen),
  ...flagWords('anycast', IN6_IFF_ANYCAST, false),
  ...flagWords('tentative', IN6_IFF_TENTATIVE),
  ...flagWords('deprecated', IN6_IFF_DEPRECATED),
  ...flagWords('autoconf', IN6_IFF_AUTOCONF),
  ...flagWords('prefer_source', IN6_IFF_PREFER_SOURCE),
  lifetime('pltime'),
  lifetime('vltime'),
  word('eui64', eui64),
];
