/**
 * ksocket-opt.ts — socket options by their numbers and bytes, as messages have them.
 * Read first: setsockopt(2), ng_ksocket(4) "setopt"; socket/sockopt.ts for what they do.
 *
 * A value is a C `int` in this machine's byte order unless its option says otherwise: memberships and interfaces of groups are addresses, SO_LINGER is two
 * numbers, TCP_CONGESTION is a text. Written in ASCII, a value is as long as the text of the whole message has characters more than eight, zeros behind what was
 * given: that is what the original does, so that `value=[ 2 ]` is a number.
 */
import type { Errno } from '../../base/errno.js';
import { EADDRNOTAVAIL, EINVAL, ENOPROTOOPT } from '../../base/errno.js';
import type { Ifnet } from '../../net/ifnet.js';
import type { Net } from '../../net/net.js';
import { InIfaddr } from '../../inet/in-ifaddr.js';
import { Socket } from '../../socket/socket.js';
import type { AnySocket } from '../../socket/socket-layer.js';
import { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP } from '../../wire/ipproto.js';
import { ngByteArray, ngBytesText, ngInt32, ngStruct, ngTextBytes } from '../ng-parse.js';
import type { NgParseType } from '../ng-parse.js';

const SOL_SOCKET = 0xffff;
const SO_LINGER = 0x80;
const IP_MULTICAST_IF = 9;
const IP_ADD_MEMBERSHIP = 12;
const IP_DROP_MEMBERSHIP = 13;
const IPV6_MULTICAST_IF = 9;
const IPV6_JOIN_GROUP = 12;
const IPV6_LEAVE_GROUP = 13;
const TCP_CONGESTION = 64;

const INT_LEN = 4;
const SOCKOPT_LEN = 8;

/** Options whose value is an int, by level. */
const NAMES: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [SOL_SOCKET, new Map([
    [0x2, 'SO_ACCEPTCONN'], [0x4, 'SO_REUSEADDR'], [0x8, 'SO_KEEPALIVE'], [0x10, 'SO_DONTROUTE'], [0x20, 'SO_BROADCAST'], [0x100, 'SO_OOBINLINE'], [0x200, 'SO_REUSEPORT'],
    [0x1_0000, 'SO_REUSEPORT_LB'], [0x1001, 'SO_SNDBUF'], [0x1002, 'SO_RCVBUF'], [0x1003, 'SO_SNDLOWAT'], [0x1004, 'SO_RCVLOWAT'], [0x1007, 'SO_ERROR'], [0x1008, 'SO_TYPE'],
    [0x1014, 'SO_SETFIB'], [0x1016, 'SO_PROTOCOL'], [0x1019, 'SO_DOMAIN'],
  ])],
  [IPPROTO_IP, new Map([
    [2, 'IP_HDRINCL'], [3, 'IP_TOS'], [4, 'IP_TTL'], [10, 'IP_MULTICAST_TTL'], [11, 'IP_MULTICAST_LOOP'], [24, 'IP_BINDANY'], [67, 'IP_DONTFRAG'], [75, 'IP_VLAN_PCP'],
  ])],
  [IPPROTO_IPV6, new Map([
    [4, 'IPV6_UNICAST_HOPS'], [10, 'IPV6_MULTICAST_HOPS'], [11, 'IPV6_MULTICAST_LOOP'], [26, 'IPV6_CHECKSUM'], [27, 'IPV6_V6ONLY'], [42, 'IPV6_USE_MIN_MTU'], [44, 'IPV6_PATHMTU'],
    [59, 'IPV6_AUTOFLOWLABEL'], [61, 'IPV6_TCLASS'], [62, 'IPV6_DONTFRAG'], [63, 'IPV6_PREFER_TEMPADDR'], [64, 'IPV6_BINDANY'], [75, 'IPV6_VLAN_PCP'],
  ])],
  [IPPROTO_TCP, new Map([
    [1, 'TCP_NODELAY'], [2, 'TCP_MAXSEG'], [4, 'TCP_NOPUSH'], [8, 'TCP_NOOPT'], [16, 'TCP_MD5SIG'], [128, 'TCP_KEEPINIT'], [256, 'TCP_KEEPIDLE'], [512, 'TCP_KEEPINTVL'],
    [1024, 'TCP_KEEPCNT'], [1025, 'TCP_FASTOPEN'],
  ])],
]);

export interface KsocketOpt {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array;
}

const givenValue = (text: string): NgParseType<Uint8Array> => ngByteArray(Math.max(0, text.length + 1 - SOCKOPT_LEN));

const valueType: NgParseType<Uint8Array> = {
  align: 1,
  parse: (s, parent) => givenValue(s.text).parse(s, parent),
  format: (value) => ngByteArray(value.length).format(value),
  encode: (value, w) => w.bytes(value),
  decode: (r) => r.bytes(r.left),
  initial: () => new Uint8Array(0),
  isDefault: (value) => value.every((b) => b === 0),
};

export const sockoptType = ngStruct<KsocketOpt>({ level: ngInt32, name: ngInt32, value: valueType });

const intOf = (value: Uint8Array, at = 0): number => new DataView(value.buffer, value.byteOffset, value.length).getInt32(at, true);
const addrOf = (value: Uint8Array, at: number): number => new DataView(value.buffer, value.byteOffset, value.length).getUint32(at);

export function ksocketSetopt(so: AnySocket, net: Net, { level, name, value }: KsocketOpt): Errno {
  if (level === IPPROTO_TCP && name === TCP_CONGESTION) return so instanceof Socket ? ENOPROTOOPT : so.setCongestion(ngBytesText(value));
  if (so instanceof Socket && level === IPPROTO_IP && (name === IP_ADD_MEMBERSHIP || name === IP_DROP_MEMBERSHIP || name === IP_MULTICAST_IF)) return setGroup4(so, net, name, value);
  if (so instanceof Socket && level === IPPROTO_IPV6 && (name === IPV6_JOIN_GROUP || name === IPV6_LEAVE_GROUP || name === IPV6_MULTICAST_IF)) return setGroup6(so, net, name, value);
  if (level === SOL_SOCKET && name === SO_LINGER) return value.length < 2 * INT_LEN ? EINVAL : so.setsockopt('SO_LINGER', intOf(value) === 0 ? -1 : intOf(value, INT_LEN));
  const option = NAMES.get(level)?.get(name);
  if (option === undefined) return ENOPROTOOPT;
  return value.length < INT_LEN ? EINVAL : so.setsockopt(option, intOf(value));
}

/** `struct ip_mreq`: the group, and an address of the interface; or for IP_MULTICAST_IF that alone. */
function setGroup4(so: Socket, net: Net, name: number, value: Uint8Array): Errno {
  const at = name === IP_MULTICAST_IF ? 0 : INT_LEN;
  if (value.length < at + INT_LEN) return EINVAL;
  const local = addrOf(value, at);
  const ifp = local === 0 ? null : ifpOf(net, local);
  if (local !== 0 && ifp === null) return EADDRNOTAVAIL;
  if (name === IP_MULTICAST_IF) return so.setMulticastIf(ifp);
  return name === IP_ADD_MEMBERSHIP ? so.joinGroup(addrOf(value, 0), ifp) : so.leaveGroup(addrOf(value, 0), ifp);
}

function ifpOf(net: Net, addr: number): Ifnet | null {
  return net.ifnets.find((ifp) => ifp.addrs.some((ifa) => ifa instanceof InIfaddr && ifa.addr === addr)) ?? null;
}

/** `struct ipv6_mreq`: the group, and the index of the interface; or for IPV6_MULTICAST_IF that alone. */
function setGroup6(so: Socket, net: Net, name: number, value: Uint8Array): Errno {
  const at = name === IPV6_MULTICAST_IF ? 0 : 16;
  if (value.length < at + INT_LEN) return EINVAL;
  const index = intOf(value, at);
  const ifp = index === 0 ? null : net.ifByIndex(index);
  if (index !== 0 && ifp === null) return EADDRNOTAVAIL;
  if (name === IPV6_MULTICAST_IF) return so.setMulticastIf(ifp);
  const group = value.slice(0, 16);
  return name === IPV6_JOIN_GROUP ? so.joinGroup6(group, ifp) : so.leaveGroup6(group, ifp);
}

/** The value of an option; null: there is no such option. */
export function ksocketGetopt(so: AnySocket, level: number, name: number): Uint8Array | null {
  if (level === IPPROTO_TCP && name === TCP_CONGESTION) return so instanceof Socket ? null : ngTextBytes(`${so.tp.ccAlgorithm?.name ?? so.info().congestion}\0`);
  if (level === SOL_SOCKET && name === SO_LINGER) {
    const linger = so.getsockopt('SO_LINGER');
    return linger === null ? null : bytesOf(linger < 0 ? 0 : SO_LINGER, Math.max(0, linger));
  }
  const option = NAMES.get(level)?.get(name);
  const value = option === undefined ? null : so.getsockopt(option);
  return value === null ? null : bytesOf(value);
}

function bytesOf(...ints: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(ints.length * INT_LEN);
  const v = new DataView(bytes.buffer);
  ints.forEach((n, i) => v.setInt32(i * INT_LEN, n, true));
  return bytes;
}
