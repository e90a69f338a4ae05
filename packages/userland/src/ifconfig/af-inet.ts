/**
 * af-inet.ts — IPv4 addresses: `inet A/len [alias] [netmask M] [broadcast B]`, `inet A DST`, `inet A delete`, and how they are shown.
 * Read first: ifconfig(8).
 *
 * Theory of operation. An address without `alias` takes the place of the interface's first one: that is removed, then the new one is set.
 * A mask may come as `/len` or as `netmask`; without either it is that of the address's historical class, with a warning unless the interface
 * is a loopback or point-to-point one. `delete` (`-alias`, `remove`) removes the address given, or the first one when none was.
 *
 * Not here: names of hosts. An address is written in digits, in any form inet_aton(3) takes; `localhost` alone is known.
 */
import {
  AF_INET, EADDRNOTAVAIL, ENXIO, IFF_BROADCAST, IFF_LOOPBACK, IFF_POINTOPOINT, InIfaddr, inAifaddr, inDifaddr,
} from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { INADDR_LOOPBACK, inetAton, ip4Format, ip4MaskOf } from '@netloom/core/wire';
import { request } from './if-request.js';
import type { AddressFamily, AddressRole, InetWord, Invocation } from './invocation.js';
import { setInetTunnel } from './tunnel.js';

const PLEN_MAX = 32;
/** What `netmask` a class has: 8, 16 or 24 bits; D and E count as C here, as in ifconfig. */
const CLASS_B = 0x80000000;
const CLASS_C = 0xc0000000;

/** IPv4 addresses of an interface, in order of addition. */
export function inetAddrs(ifp: Ifnet): InIfaddr[] {
  return ifp.addrs.filter((ifa): ifa is InIfaddr => ifa instanceof InIfaddr);
}

/** The text after an address that says how large its network is. */
function maskText(cx: Invocation, ia: InIfaddr): string {
  const format = cx.args.format.get('inet');
  if (format === 'cidr') return `/${ia.plen}`;
  if (format === 'dotted') return ` netmask ${ip4Format(ia.mask)}`;
  return ` netmask 0x${ia.mask.toString(16)}`;
}

/** The address as `-f addr:` wants it. The one name that is known is this host's own. */
function addrText(cx: Invocation, addr: number): string {
  const format = cx.args.format.get('addr');
  return (format === 'fqdn' || format === 'host') && addr === INADDR_LOOPBACK ? 'localhost' : ip4Format(addr);
}

function status(cx: Invocation, ifp: Ifnet): void {
  for (const ia of inetAddrs(ifp)) {
    let line = `\tinet ${addrText(cx, ia.addr)}`;
    if ((ifp.flags & IFF_POINTOPOINT) !== 0) line += ` --> ${ip4Format(ia.dstaddr ?? 0)}`;
    line += maskText(cx, ia);
    if ((ifp.flags & IFF_BROADCAST) !== 0 && ia.plen !== 0 && ia.broadcast !== null) line += ` broadcast ${ip4Format(ia.broadcast)}`;
    if (ia.vhid !== 0) line += ` vhid ${ia.vhid}`;
    cx.out(`${line}\n`);
  }
}

/** An address word; leaves with `x: bad value` when it is none. */
export function parseInet(cx: Invocation, text: string): number {
  const addr = inetAton(text) ?? (text === 'localhost' ? INADDR_LOOPBACK : null);
  return addr ?? cx.errx(`${text}: bad value`);
}

/** Splits `A/len`, notes the length, answers with A. */
function takePrefix(cx: Invocation, text: string): string {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return text;
  const digits = text.slice(slash + 1);
  const plen = /^[0-9]+$/.test(digits) ? Number(digits) : -1;
  if (plen < 0) cx.errx(`${text}: bad value (width invalid)`);
  if (plen > PLEN_MAX) cx.errx(`${text}: bad value (width too large)`);
  cx.inet.plen = plen;
  cx.inet.maskset = true;
  return text.slice(0, slash);
}

function bitCount(value: number): number {
  let n = 0;
  for (let v = value; v !== 0; v = (v & (v - 1)) >>> 0) n++;
  return n;
}

function getaddr(cx: Invocation, text: string, role: AddressRole): void {
  const { inet } = cx;
  if (role === 'mask') {
    inet.plen = bitCount(parseInet(cx, text));
    inet.maskset = true;
    return;
  }
  const target: InetWord = role === 'ridaddr' ? inet.del : role === 'addr' ? inet.add : role === 'dstaddr' ? inet.dst : inet.brd;
  target.addr = parseInet(cx, role === 'addr' ? takePrefix(cx, text) : text);
  target.set = true;
}

function postproc(cx: Invocation): void {
  const { inet } = cx;
  if (!inet.add.set || inet.maskset || !cx.newaddr) return;
  if (((cx.ifp?.flags ?? 0) & (IFF_POINTOPOINT | IFF_LOOPBACK)) === 0) {
    cx.warnx('WARNING: setting interface address without mask is deprecated,\ndefault mask may not be correct.');
  }
  inet.plen = inet.add.addr < CLASS_B ? 8 : inet.add.addr < CLASS_C ? 16 : 24;
  inet.maskset = true;
}

function remove(cx: Invocation): Errno {
  const { del } = cx.inet;
  const ifp = cx.ifp;
  if (ifp === null) return del.set ? ENXIO : EADDRNOTAVAIL;
  if (!del.set && inetAddrs(ifp).length === 0) return 0;
  return request(cx, (target) => inDifaddr(cx.vnet.inNet, target, del.set ? del.addr : null));
}

function add(cx: Invocation): Errno {
  const { add: word, plen, maskset, brd, dst } = cx.inet;
  return request(cx, (ifp) => inAifaddr(cx.vnet.inNet, ifp, {
    addr: word.addr,
    ...(maskset ? { mask: ip4MaskOf(plen) } : {}),
    ...(brd.set ? { broadcast: brd.addr } : {}),
    ...(dst.set ? { dstaddr: dst.addr } : {}),
    ...(cx.carp === null ? {} : { vhid: cx.carp.vhid }),
  }));
}

export const AF_INET_FAMILY: AddressFamily = {
  name: 'inet',
  af: AF_INET,
  lists: (ifp) => inetAddrs(ifp).length > 0,
  status,
  getaddr,
  copyaddr: (cx) => Object.assign(cx.inet.del, cx.inet.add),
  postproc,
  remove,
  add,
  hasVhids: true,
  settunnel: setInetTunnel,
};
