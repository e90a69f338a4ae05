/**
 * bridge.ts — the words of bridges: members, their flags and parameters, addresses, parameters of the bridge.
 * Read first: ifconfig(8) "Bridge Interface Parameters".
 *
 * Every word is one request of the bridge (core's net/bridge-control.ts) and complains under the name of FreeBSD's request.
 */
import {
  EINVAL, ENXIO, IFBIF_BSTP_AUTOEDGE, IFBIF_BSTP_AUTOPTP, IFBIF_BSTP_EDGE, IFBIF_BSTP_PTP, IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE, IFBIF_STICKY, IFBIF_STP,
  bridgeAdd, bridgeAddSpan, bridgeAddrs, bridgeDelete, bridgeDeleteAddr, bridgeDeleteSpan, bridgeFlush, bridgeSetFlags, bridgeSetMemberParam,
  bridgeSetParam, bridgeSetStatic,
} from '@netloom/core';
import type { BridgeParamName, Errno, Ifnet } from '@netloom/core';
import { macParse } from '@netloom/core/wire';
import { bridgeAddressLine } from './bridge-status.js';
import { request } from './if-request.js';
import { parseUnsigned, word, word1, word2 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const U32_MAX = 0xffff_ffff;
const U16_MAX = 0xffff;
const U8_MAX = 0xff;
const PROTO_STP = 0;
const PROTO_RSTP = 2;

/** A word that takes a member's name. */
function memberWord(name: string, ioctl: string, change: (ifp: Ifnet, member: string) => Errno): Command {
  return word1(name, (cx, member) => cx.check(`${ioctl} ${member}`, request(cx, (ifp) => change(ifp, member))));
}

/** `name IF` and `-name IF`: a flag of a member. Changing nothing tells whether it is one. */
function flagWords(name: string, flag: number): Command[] {
  const change = (set: number, clear: number) => (cx: Invocation, member: string): void => {
    const { ifp } = cx;
    if (ifp === null) return cx.err('unable to get bridge flags', ENXIO);
    cx.check('unable to get bridge flags', bridgeSetFlags(ifp, member, 0, 0));
    cx.check('unable to set bridge flags', request(cx, () => bridgeSetFlags(ifp, member, set, clear)));
  };
  return [word1(name, change(flag, 0)), word1(`-${name}`, change(0, flag))];
}

function number(cx: Invocation, text: string, max: number): number {
  const value = parseUnsigned(text);
  if (value === null || value < 0 || value > max) return cx.errx(`invalid value: ${text}`);
  return value;
}

/** A word that sets a parameter of the bridge. */
function paramWord(name: BridgeParamName, ioctl: string, max: number): Command {
  return word1(name, (cx, text) => {
    const value = number(cx, text, max);
    cx.check(`${ioctl} ${text}`, request(cx, (ifp) => bridgeSetParam(ifp, name, value)));
  });
}

/** A word that sets a parameter of a member. */
function memberParamWord(name: 'ifmaxaddr' | 'ifpriority' | 'ifpathcost', ioctl: string, max: number): Command {
  return word2(name, (cx, member, text) => {
    const value = number(cx, text, max);
    cx.check(`${ioctl} ${text}`, request(cx, (ifp) => bridgeSetMemberParam(ifp, member, name, value)));
  });
}

function setProto(cx: Invocation, text: string): void {
  const proto = { stp: PROTO_STP, rstp: PROTO_RSTP }[text.toLowerCase()];
  if (proto === undefined) return cx.errx('unknown stp protocol');
  cx.check(`BRDGSPROTO ${text}`, request(cx, (ifp) => bridgeSetParam(ifp, 'proto', proto)));
}

function setStatic(cx: Invocation, member: string, text: string): void {
  const mac = macParse(text);
  if (mac === null) return cx.errx(`${member}: invalid address: ${text}`);
  cx.check(`BRDGSADDR ${member}`, request(cx, (ifp) => bridgeSetStatic(ifp, member, mac)));
}

function deleteAddr(cx: Invocation, text: string): void {
  const mac = macParse(text);
  if (mac === null) return cx.errx(`invalid address: ${text}`);
  cx.check(`BRDGDADDR ${text}`, request(cx, (ifp) => bridgeDeleteAddr(ifp, mac)));
}

/** `addr`: the table, one address a line. */
function printAddrs(cx: Invocation): void {
  const { ifp } = cx;
  const addrs = ifp === null ? null : bridgeAddrs(ifp);
  if (addrs === null) return cx.err('unable to get address cache', ifp === null ? ENXIO : EINVAL);
  for (const a of addrs) cx.out(`${bridgeAddressLine(a)}\n`);
}

function flush(all: boolean): (cx: Invocation) => void {
  return (cx) => cx.check('BRDGFLUSH', request(cx, (ifp) => bridgeFlush(ifp, all)));
}

export const BRIDGE_COMMANDS: readonly Command[] = [
  memberWord('addm', 'BRDGADD', bridgeAdd),
  memberWord('deletem', 'BRDGDEL', bridgeDelete),
  memberWord('span', 'BRDGADDS', bridgeAddSpan),
  memberWord('-span', 'BRDGDELS', bridgeDeleteSpan),
  ...flagWords('discover', IFBIF_DISCOVER),
  ...flagWords('learn', IFBIF_LEARNING),
  ...flagWords('sticky', IFBIF_STICKY),
  ...flagWords('private', IFBIF_PRIVATE),
  ...flagWords('stp', IFBIF_STP),
  ...flagWords('edge', IFBIF_BSTP_EDGE),
  ...flagWords('autoedge', IFBIF_BSTP_AUTOEDGE),
  ...flagWords('ptp', IFBIF_BSTP_PTP),
  ...flagWords('autoptp', IFBIF_BSTP_AUTOPTP),
  word('flush', flush(false)),
  word('flushall', flush(true)),
  word2('static', setStatic),
  word1('deladdr', deleteAddr),
  word('addr', printAddrs),
  paramWord('maxaddr', 'BRDGSCACHE', U32_MAX),
  paramWord('timeout', 'BRDGSTO', U32_MAX),
  paramWord('hellotime', 'BRDGSHT', U8_MAX),
  paramWord('fwddelay', 'BRDGSFD', U8_MAX),
  paramWord('maxage', 'BRDGSMA', U8_MAX),
  paramWord('holdcnt', 'BRDGSTXHC', U8_MAX),
  paramWord('priority', 'BRDGSPRI', U16_MAX),
  word1('proto', setProto),
  memberParamWord('ifpriority', 'BRDGSIFPRIO', U8_MAX),
  memberParamWord('ifpathcost', 'BRDGSIFCOST', U32_MAX),
  memberParamWord('ifmaxaddr', 'BRDGSIFAMAX', U32_MAX),
];
