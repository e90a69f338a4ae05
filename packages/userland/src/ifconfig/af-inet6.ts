/**
 * af-inet6.ts — what ifconfig answers about IPv6 in a kernel that does not have it.
 * Read first: ifconfig(8), "inet6" and the neighbour discovery flags.
 *
 * Words that switch IPv6 behaviour of an interface (`ifdisabled`, `auto_linklocal` …) succeed without effect: scripts set them on every
 * interface, and with no IPv6 there is nothing to disable. An address is refused with its reason. A listing finds none.
 */
import { AF_INET6, EAFNOSUPPORT } from '@netloom/core';
import type { AddressFamily, Command } from './invocation.js';
import { word, word1 } from './invocation.js';
import { setInet6Tunnel } from './tunnel.js';

const FLAG_WORDS = [
  'accept_rtadv', 'no_radr', 'defaultif', 'ifdisabled', 'nud', 'auto_linklocal', 'no_prefer_iface', 'no_dad', 'ipv6_only', 'anycast', 'tentative', 'deprecated',
  'autoconf', 'prefer_source',
];

export const INET6_COMMANDS: readonly Command[] = [
  ...FLAG_WORDS.flatMap((name) => [word(name, () => {}), word(`-${name}`, () => {})]),
  word('eui64', () => {}),
  ...['prefixlen', 'pltime', 'vltime'].map((name) => word1(name, () => {})),
];

export const AF_INET6_FAMILY: AddressFamily = {
  name: 'inet6',
  af: AF_INET6,
  lists: () => false,
  status: () => {},
  getaddr: (cx, text) => cx.errx(`${text}: IPv6 addresses are not available: this kernel is built without INET6`),
  add: () => EAFNOSUPPORT,
  settunnel: setInet6Tunnel,
};
