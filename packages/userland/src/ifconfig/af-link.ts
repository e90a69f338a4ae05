/**
 * af-link.ts — link addresses: `ether`, `link` and `lladdr`, three names of one family.
 * Read first: ifconfig(8), link_addr(3).
 *
 * As an argument of a listing, `ether` shows Ethernet-like interfaces, `link` and `lladdr` all that have a link address.
 * `ether random` draws a locally administered individual address.
 */
import { AF_LINK, IFT_BRIDGE, IFT_ETHER, IFT_IEEE8023ADLAG, IFT_L2VLAN, ifSetLladdr } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { macEquals, macFormat } from '@netloom/core/wire';
import { request } from './if-request.js';
import type { AddressFamily, AddressRole, Invocation } from './invocation.js';

const ETHER_ADDR_LEN = 6;
/** What a request has room for. */
const ADDR_BYTES_MAX = 14;

/** Does it have an Ethernet address that is shown as `ether`? */
export function isEtherLike(ifp: Ifnet): boolean {
  return ifp.lladdr.length === ETHER_ADDR_LEN && (isNic(ifp) || ifp.type === IFT_L2VLAN || ifp.type === IFT_BRIDGE);
}

/** An Ethernet interface proper, a port of a lagg among them. */
function isNic(ifp: Ifnet): boolean {
  return ifp.type === IFT_ETHER || ifp.type === IFT_IEEE8023ADLAG;
}

/** The address it was made with, when that is another one and not that of a lagg, which has none. */
function shownHwaddr(ifp: Ifnet): Uint8Array | null {
  const { hwaddr } = ifp;
  const isShown = isNic(ifp) && hwaddr.length === ETHER_ADDR_LEN && !macEquals(hwaddr, ifp.lladdr) && hwaddr.some((byte) => byte !== 0);
  return isShown ? hwaddr : null;
}

/** An Ethernet address in the form of `-f ether:`: colons, dashes, or dotted quads of digits. */
export function etherText(cx: Invocation, mac: Uint8Array): string {
  const text = macFormat(mac);
  const format = cx.args.format.get('ether');
  if (format === 'dash') return text.replaceAll(':', '-');
  if (format === 'dotted') return text.replaceAll(':', '').replace(/^(....)(....)(....)$/, '$1.$2.$3');
  return text;
}

/** Prints `ether`, `hwaddr` when it differs, and `pcp`. */
function status(cx: Invocation, ifp: Ifnet): void {
  if (ifp.lladdr.length > 0) {
    if (isEtherLike(ifp)) cx.out(`\tether ${etherText(cx, ifp.lladdr)}\n`);
    else cx.out(`\tlladdr ${[...ifp.lladdr].map((b) => b.toString(16).padStart(2, '0')).join('.')}\n`);
    const hwaddr = shownHwaddr(ifp);
    if (hwaddr !== null) cx.out(`\thwaddr ${etherText(cx, hwaddr)}\n`);
  }
  if (isNic(ifp) && ifp.pcp >= 0) cx.out(`\tpcp ${ifp.pcp}\n`);
}

/** Hexadecimal digits, two a byte, groups of them separated by `:`, `.` or `-`. */
function parseLink(cx: Invocation, text: string): Uint8Array {
  const groups = text.split(/[:.-]/);
  const bytes: number[] = [];
  for (const group of groups) {
    if (!/^[0-9a-fA-F]+$/.test(group)) cx.errx('malformed link-level address');
    const even = group.length % 2 === 0 ? group : `0${group}`;
    for (let i = 0; i < even.length; i += 2) bytes.push(parseInt(even.slice(i, i + 2), 16));
  }
  if (bytes.length > ADDR_BYTES_MAX) cx.errx('malformed link-level address');
  return Uint8Array.from(bytes);
}

function randomMac(cx: Invocation): Uint8Array {
  const { rng } = cx.p.kernel.engine;
  const mac = Uint8Array.from({ length: ETHER_ADDR_LEN }, () => rng.below(256));
  mac[0] = ((mac[0] ?? 0) & 0xfc) | 0x02;
  return mac;
}

function getaddr(cx: Invocation, text: string, role: AddressRole): void {
  if (role !== 'addr') cx.errx("can't set link-level netmask or broadcast");
  cx.lladdr = text === 'random' ? randomMac(cx) : parseLink(cx, text);
}

function family(name: string, lists: (ifp: Ifnet) => boolean): AddressFamily {
  return { name, af: AF_LINK, lists, status, getaddr, add: (cx) => request(cx, (ifp) => ifSetLladdr(ifp, cx.lladdr)) };
}

export const LINK_FAMILIES: readonly AddressFamily[] = [
  family('link', (ifp) => ifp.lladdr.length > 0),
  family('ether', isEtherLike),
  family('lladdr', (ifp) => ifp.lladdr.length > 0),
];
