/**
 * link.ts — interfaces of Linux: one, all, up and down, how long their queues are; made and removed.
 * Read first: rtnetlink(7), "RTM_NEWLINK"; netlink-socket.ts.
 */
import { ENODEV } from '../tap/libc.js';
import { Attributes, nestedAttribute, textAttribute, u32Attribute } from './attributes.js';
import { NLM_F_CREATE, NLM_F_EXCL, viewOf } from './message.js';
import { EOPNOTSUPP, isErrno } from './netlink-error.js';
import type { NetlinkSocket } from './netlink-socket.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const IFF_UP = 0x1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_TXQLEN = 13;
export const IFLA_LINKINFO = 18;
export const IFLA_INFO_KIND = 1;
const IFINFOMSG_SIZE = 16;
/** IFNAMSIZ without its NUL. */
const NAME_MAX = 15;

/** An interface as requests name it: the number is what counts, the name is for people. */
export interface LinkRef {
  readonly index: number;
  readonly name: string;
}

export interface Link extends LinkRef {
  /** 'ifb', 'veth'; null for hardware and others that have none. */
  readonly kind: string | null;
  readonly isUp: boolean;
  readonly mtu: number;
  readonly txqlen: number;
}

export interface LinkChange {
  readonly up?: boolean;
  /** Packets. */
  readonly txqlen?: number;
}

/** struct ifinfomsg: family, ARPHRD, index, flags, which of them are meant. */
export function ifinfomsg(index: number, flags = 0, change = 0): Uint8Array {
  const bytes = new Uint8Array(IFINFOMSG_SIZE);
  const view = viewOf(bytes);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

function linkOf(body: Uint8Array): Link {
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(IFINFOMSG_SIZE));
  return {
    index: view.getInt32(4, true), name: attributes.text(IFLA_IFNAME) ?? '', kind: attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND),
    isUp: (view.getUint32(8, true) & IFF_UP) !== 0, mtu: attributes.u32(IFLA_MTU) ?? 0, txqlen: attributes.u32(IFLA_TXQLEN) ?? 0,
  };
}

/** Can an interface have that name? */
export function isLinkName(name: string): boolean {
  return name.length > 0 && Buffer.byteLength(name) <= NAME_MAX && name !== '.' && name !== '..' && !/[\s/:\0]/.test(name);
}

/** The interface of that name or number; null when there is none. @throws NetlinkError */
export function getLink(socket: NetlinkSocket, which: string | number): Link | null {
  if (typeof which === 'string' && !isLinkName(which)) return null;
  const asked = { doing: 'look for', device: typeof which === 'string' ? which : `interface ${which}` };
  const parts = typeof which === 'string' ? [ifinfomsg(0), textAttribute(IFLA_IFNAME, which)] : [ifinfomsg(which)];
  try {
    const [body] = socket.request(asked, RTM_GETLINK, 0, ...parts);
    return body === undefined ? null : linkOf(body);
  } catch (error) {
    if (isErrno(error, ENODEV)) return null;
    throw error;
  }
}

/** All interfaces, in the order in which they were made. @throws NetlinkError */
export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.dump({ doing: 'list', device: 'interfaces' }, RTM_GETLINK, ifinfomsg(0)).map(linkOf).sort((a, b) => a.index - b.index);
}

/** @throws NetlinkError */
export function setLink(socket: NetlinkSocket, link: LinkRef, { up, txqlen }: LinkChange): void {
  const doing = up === undefined ? 'change' : up ? 'bring up' : 'bring down';
  const parts = [ifinfomsg(link.index, up === true ? IFF_UP : 0, up === undefined ? 0 : IFF_UP), ...(txqlen === undefined ? [] : [u32Attribute(IFLA_TXQLEN, txqlen)])];
  socket.request({ doing, device: link.name }, RTM_NEWLINK, 0, ...parts);
}

/** Makes an interface of a kind that needs nothing but a name (ifb, dummy). @throws NetlinkError */
export function addLink(socket: NetlinkSocket, name: string, kind: string): Link {
  const advice = (errno: number): string | null => (errno === EOPNOTSUPP ? `Load the module: sudo modprobe ${kind}` : null);
  const info = nestedAttribute(IFLA_LINKINFO, textAttribute(IFLA_INFO_KIND, kind));
  socket.request({ doing: `make the ${kind}`, device: name, advice }, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg(0), textAttribute(IFLA_IFNAME, name), info);
  const link = getLink(socket, name);
  if (link === null) throw new Error(`${name} was made and is gone again`);
  return link;
}

/** @throws NetlinkError */
export function deleteLink(socket: NetlinkSocket, link: LinkRef): void {
  socket.request({ doing: 'remove', device: link.name }, RTM_DELLINK, 0, ifinfomsg(link.index));
}
