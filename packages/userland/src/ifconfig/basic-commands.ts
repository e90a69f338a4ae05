/**
 * basic-commands.ts — words every interface understands: flags, capabilities, name, description, MTU, metric, PCP, FIB.
 * Read first: ifconfig(8); freebsd `sys/net/if.c` ifhwioctl.
 *
 * `descr` with an empty text removes the description, as `-descr` does. A capability the interface does not have is left alone
 * silently, in both directions; one that its driver lets nobody change is an error.
 */
import {
  EINVAL, ENXIO, IFF_DEBUG, IFF_LINK0, IFF_LINK1, IFF_LINK2, IFF_MONITOR, IFF_NOARP, IFF_PPROMISC, IFF_STATICARP, IFF_STICKYARP, IFF_UP, IFT_L2VLAN, ifRename, ifSetCaps,
  ifSetDescription, ifSetFlags, ifSetMtu,
} from '@netloom/core';
import { CAPS } from './capabilities.js';
import { checkFib, request } from './if-request.js';
import { atoi, parseUnsigned, word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const PCP_MAX = 7;
const ETHER_ADDR_LEN = 6;

function changeFlags(cx: Invocation, name: string, set: number, clear: number): void {
  if (cx.ifp === null) cx.perror('ioctl (SIOCGIFFLAGS)', ENXIO);
  const error = request(cx, (ifp) => ifSetFlags(ifp, (ifp.flags & ~clear) | set));
  if (error !== 0) cx.perror(name, error);
}

/** `name` sets the flag and `-name` clears it; with `negated`, the other way round. */
function flagWords(name: string, flag: number, negated = false): Command[] {
  const set = (on: boolean, as: string) => (cx: Invocation): void => changeFlags(cx, as, on ? flag : 0, on ? 0 : flag);
  return [word(name, set(!negated, name)), word(`-${name}`, set(negated, `-${name}`))];
}

function changeCaps(cx: Invocation, name: string, set: number, clear: number): void {
  if (cx.ifp === null) cx.perror('ioctl (SIOCGIFCAP)', ENXIO);
  const error = request(cx, (ifp) => {
    const wanted = (((ifp.capenable | set) & ~clear) & ifp.capabilities) >>> 0;
    return wanted === ifp.capenable ? 0 : ifSetCaps(ifp, wanted);
  });
  if (error !== 0) cx.perror(name, error);
}

function capWords(name: string, caps: number): Command[] {
  return [word(name, (cx) => changeCaps(cx, name, caps, 0)), word(`-${name}`, (cx) => changeCaps(cx, `-${name}`, 0, caps))];
}

function setMtu(cx: Invocation, value: string): void {
  cx.check('ioctl SIOCSIFMTU (set mtu)', request(cx, (ifp) => ifSetMtu(ifp, atoi(value))));
}

function setMetric(cx: Invocation, value: string): void {
  cx.check('ioctl SIOCSIFMETRIC (set metric)', request(cx, (ifp) => {
    ifp.metric = atoi(value);
    return 0;
  }));
}

function setName(cx: Invocation, value: string): void {
  cx.check('ioctl SIOCSIFNAME (set name)', request(cx, (ifp) => ifRename(ifp, value)));
  cx.rename(value);
}

function setDescription(cx: Invocation, text: string): void {
  cx.check('ioctl SIOCSIFDESCR (set descr)', request(cx, (ifp) => ifSetDescription(ifp, text)));
}

/** Of Ethernet interfaces; a vlan has a `vlanpcp`. */
function changePcp(cx: Invocation, pcp: number): void {
  cx.check('SIOCSLANPCP', request(cx, (ifp) => {
    if (ifp.lladdr.length !== ETHER_ADDR_LEN || ifp.type === IFT_L2VLAN) return EINVAL;
    ifp.pcp = pcp;
    return 0;
  }));
}

function setPcp(cx: Invocation, value: string): void {
  const pcp = parseUnsigned(value);
  if (pcp === null) cx.errx('invalid value for pcp');
  if (pcp < 0 || pcp > PCP_MAX) cx.errx('value for pcp out of range');
  changePcp(cx, pcp);
}

function setFib(cx: Invocation, value: string): void {
  const fib = parseUnsigned(value);
  if (fib === null || fib < 0) return cx.warn(`fib ${value} not valid`, EINVAL);
  const error = request(cx, (ifp) => {
    const refused = checkFib(cx, fib);
    if (refused === 0) ifp.fib = fib;
    return refused;
  });
  if (error !== 0) cx.warn('ioctl (SIOCSIFFIB)', error);
}

export const BASIC_COMMANDS: readonly Command[] = [
  word('up', (cx) => changeFlags(cx, 'up', IFF_UP, 0)),
  word('down', (cx) => changeFlags(cx, 'down', 0, IFF_UP)),
  ...flagWords('arp', IFF_NOARP, true),
  ...flagWords('debug', IFF_DEBUG),
  ...flagWords('promisc', IFF_PPROMISC),
  ...flagWords('link0', IFF_LINK0),
  ...flagWords('link1', IFF_LINK1),
  ...flagWords('link2', IFF_LINK2),
  ...flagWords('monitor', IFF_MONITOR),
  ...flagWords('staticarp', IFF_STATICARP),
  ...flagWords('stickyarp', IFF_STICKYARP),
  word('normal', (cx) => changeFlags(cx, 'normal', 0, IFF_LINK0)),
  word('compress', (cx) => changeFlags(cx, 'compress', IFF_LINK0, 0)),
  word('noicmp', (cx) => changeFlags(cx, 'noicmp', IFF_LINK1, 0)),
  ...CAPS.flatMap(([name, caps]) => capWords(name, caps)),
  word1('description', setDescription),
  word1('descr', setDescription),
  word('-description', (cx) => setDescription(cx, '')),
  word('-descr', (cx) => setDescription(cx, '')),
  word1('metric', setMetric),
  word1('mtu', setMtu),
  word1('name', setName),
  word1('pcp', setPcp),
  word('-pcp', (cx) => changePcp(cx, -1)),
  word1('fib', setFib),
];
