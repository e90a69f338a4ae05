/**
 * vxlan.ts — `vxlanid N`, `vxlanlocal A`, `vxlanremote A`, `vxlangroup G` and their kin, before and after a vxlan is made.
 * Read first: ifconfig(8) "VXLAN Parameters", vxlan(4).
 *
 * While there is no vxlan of the name, the words collect for its making, and come to nothing when none is made, as in FreeBSD.
 * Not here: outer IPv6 addresses; names instead of addresses; `vxlanhwcsum` and `vxlanhwtso`, which no interface here could do.
 */
import {
  vxlanConfig, vxlanFlush, vxlanSetLearn, vxlanSetLocal, vxlanSetLocalPort, vxlanSetMaxaddr, vxlanSetMulticastIf, vxlanSetPortRange, vxlanSetRemote, vxlanSetRemotePort,
  vxlanSetTimeout, vxlanSetTtl, vxlanSetVni,
} from '@netloom/core';
import type { CloneParams, Errno, Ifnet } from '@netloom/core';
import { VXLAN_VNI_MAX, inetAton, ip4Format, ip4IsMulticast, ip6Parse } from '@netloom/core/wire';
import { request } from './if-request.js';
import { parseUnsigned, word, word1, word2 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const PORT_BOUND = 0xffff;
const TTL_BOUND = 256;
const U32_MAX = 0xffff_ffff;
const IFNAME_MAX = 15;

/** Sets something on the vxlan, or keeps it for the one that is to be made. */
function setOrKeep(cx: Invocation, params: CloneParams, command: string, set: (ifp: Ifnet) => Errno): void {
  if (cx.ifp?.dname !== 'vxlan') Object.assign(cx.vxlan, params);
  else cx.check(`VXLAN_CMD_${command}`, request(cx, set));
}

/** A number of at most `max`; complains in the words of `what` about anything else. */
function numberOf(cx: Invocation, what: string, text: string, max: number): number {
  const value = parseUnsigned(text);
  return value !== null && value >= 0 && value <= max ? value : cx.errx(`invalid ${what}: ${text}`);
}

function addressOf(cx: Invocation, what: string, text: string): number {
  const addr = inetAton(text);
  if (addr !== null) return addr;
  return cx.errx(ip6Parse(text) === null ? `error in parsing ${what} address string: Name does not resolve` : `${what} address ${text} not supported`);
}

function setVni(cx: Invocation, text: string): void {
  const vxlanid = numberOf(cx, 'network identifier', text, VXLAN_VNI_MAX - 1);
  setOrKeep(cx, { vxlanid }, 'SET_VNI', (ifp) => vxlanSetVni(ifp, vxlanid));
}

function setLocal(cx: Invocation, text: string): void {
  const vxlanlocal = addressOf(cx, 'local', text);
  if (ip4IsMulticast(vxlanlocal)) cx.errx('local address cannot be multicast');
  setOrKeep(cx, { vxlanlocal }, 'SET_LOCAL_ADDR', (ifp) => vxlanSetLocal(ifp, vxlanlocal));
}

function setRemote(cx: Invocation, text: string): void {
  const vxlanremote = addressOf(cx, 'remote', text);
  if (ip4IsMulticast(vxlanremote)) cx.errx('remote address cannot be multicast');
  setOrKeep(cx, { vxlanremote }, 'SET_REMOTE_ADDR', (ifp) => vxlanSetRemote(ifp, vxlanremote));
}

function setGroup(cx: Invocation, text: string): void {
  const vxlanremote = addressOf(cx, 'group', text);
  if (!ip4IsMulticast(vxlanremote)) cx.errx('group address must be multicast');
  setOrKeep(cx, { vxlanremote }, 'SET_REMOTE_ADDR', (ifp) => vxlanSetRemote(ifp, vxlanremote));
}

function setLocalPort(cx: Invocation, text: string): void {
  const vxlanlocalport = numberOf(cx, 'local port', text, PORT_BOUND - 1);
  setOrKeep(cx, { vxlanlocalport }, 'SET_LOCAL_PORT', (ifp) => vxlanSetLocalPort(ifp, vxlanlocalport));
}

function setRemotePort(cx: Invocation, text: string): void {
  const vxlanremoteport = numberOf(cx, 'remote port', text, PORT_BOUND - 1);
  setOrKeep(cx, { vxlanremoteport }, 'SET_REMOTE_PORT', (ifp) => vxlanSetRemotePort(ifp, vxlanremoteport));
}

function setPortRange(cx: Invocation, first: string, last: string): void {
  const vxlanportmin = numberOf(cx, 'port range minimum', first, PORT_BOUND - 1);
  const vxlanportmax = numberOf(cx, 'port range maximum', last, PORT_BOUND - 1);
  if (vxlanportmax < vxlanportmin) cx.errx('invalid port range');
  setOrKeep(cx, { vxlanportmin, vxlanportmax }, 'SET_PORT_RANGE', (ifp) => vxlanSetPortRange(ifp, vxlanportmin, vxlanportmax));
}

function setTimeout(cx: Invocation, text: string): void {
  const vxlantimeout = numberOf(cx, 'timeout value', text, U32_MAX);
  setOrKeep(cx, { vxlantimeout }, 'SET_FTABLE_TIMEOUT', (ifp) => vxlanSetTimeout(ifp, vxlantimeout));
}

function setMaxaddr(cx: Invocation, text: string): void {
  const vxlanmaxaddr = numberOf(cx, 'maxaddr value', text, U32_MAX);
  setOrKeep(cx, { vxlanmaxaddr }, 'SET_FTABLE_MAX', (ifp) => vxlanSetMaxaddr(ifp, vxlanmaxaddr));
}

function setDevice(cx: Invocation, text: string): void {
  const vxlandev = text.slice(0, IFNAME_MAX);
  setOrKeep(cx, { vxlandev }, 'SET_MULTICAST_IF', (ifp) => vxlanSetMulticastIf(ifp, vxlandev));
}

function setTtl(cx: Invocation, text: string): void {
  // 256 passes here and arrives as 0: the request has a byte for it.
  const vxlanttl = numberOf(cx, 'TTL value', text, TTL_BOUND) & 0xff;
  setOrKeep(cx, { vxlanttl }, 'SET_TTL', (ifp) => vxlanSetTtl(ifp, vxlanttl));
}

function learn(on: boolean): (cx: Invocation) => void {
  return (cx) => setOrKeep(cx, { vxlanlearn: on ? 1 : 0 }, 'SET_LEARN', (ifp) => vxlanSetLearn(ifp, on));
}

function flush(all: boolean): (cx: Invocation) => void {
  return (cx) => cx.check('VXLAN_CMD_FLUSH', request(cx, (ifp) => vxlanFlush(ifp, all)));
}

/** Words that count while a clone is being asked for. */
export const VXLAN_CLONE_COMMANDS: readonly Command[] = [
  word1('vni', setVni),
  word1('vxlanid', setVni),
  word1('vxlanlocal', setLocal),
  word1('vxlanremote', setRemote),
  word1('vxlangroup', setGroup),
  word1('vxlanlocalport', setLocalPort),
  word1('vxlanremoteport', setRemotePort),
  word2('vxlanportrange', setPortRange),
  word1('vxlantimeout', setTimeout),
  word1('vxlanmaxaddr', setMaxaddr),
  word1('vxlandev', setDevice),
  word1('vxlanttl', setTtl),
  word('vxlanlearn', learn(true)),
  word('-vxlanlearn', learn(false)),
];

export const VXLAN_COMMANDS: readonly Command[] = [...VXLAN_CLONE_COMMANDS, word('vxlanflush', flush(false)), word('vxlanflushall', flush(true))];

/** Parameters for making a vxlan, null for none. */
export function vxlanCloneParams(cx: Invocation): CloneParams | null {
  return Object.keys(cx.vxlan).length === 0 ? null : { ...cx.vxlan };
}

/** Addresses with ports as text: nothing at all for an address that is not set, as getnameinfo(3) has no name for it. */
function endpoint(addr: number, port: number): string {
  return addr === 0 ? ':' : `${ip4Format(addr)}:${port}`;
}

export function vxlanStatus(cx: Invocation, ifp: Ifnet): void {
  const c = vxlanConfig(ifp);
  if (c === null || c.vni >= VXLAN_VNI_MAX) return;
  cx.out(`\tvxlan vni ${c.vni} local ${endpoint(c.local, c.localPort)} ${ip4IsMulticast(c.remote) ? 'group' : 'remote'} ${endpoint(c.remote, c.remotePort)}`);
  if (cx.args.verbose > 0) {
    cx.out(`\n\t\tconfig: ${c.learn ? '' : 'no'}learning portrange ${c.portMin}-${c.portMax} ttl ${c.ttl}`);
    cx.out(`\n\t\tftable: cnt ${c.ftableCount} max ${c.ftableMax} timeout ${c.ftableTimeout}`);
  }
  cx.out('\n');
}
