/**
 * alias-var.ts — numbers of packet aliasing: modes, results, kinds of links, how long they live.
 * Read first: libalias(3); FreeBSD's netinet/libalias/alias.h, alias_db.h.
 *
 * Modes have libalias's numbers. ng_nat(4) has numbers of its own for the same flags and translates.
 */

/** A line with the number of links is kept whenever one comes or goes (`AliasInstance.statsLine`). */
export const PKT_ALIAS_LOG = 0x01;
/** What comes in and belongs to no link is ignored, instead of making one. */
export const PKT_ALIAS_DENY_INCOMING = 0x02;
/** The alias port is the port itself where that is free. */
export const PKT_ALIAS_SAME_PORTS = 0x04;
/** Accepted and without effect, as in FreeBSD's kernel: alias ports are not bound. */
export const PKT_ALIAS_USE_SOCKETS = 0x08;
/** Only sources of RFC 1918 are aliased. */
export const PKT_ALIAS_UNREGISTERED_ONLY = 0x10;
/** Another default address ends every link that is not permanent. */
export const PKT_ALIAS_RESET_ON_ADDR_CHANGE = 0x20;
/** No aliasing at all, but for what is made transparent by a proxy. */
export const PKT_ALIAS_PROXY_ONLY = 0x40;
/** In is out and out is in. */
export const PKT_ALIAS_REVERSE = 0x80;
/** Not looked at by `ipfw nat global`. */
export const PKT_ALIAS_SKIP_GLOBAL = 0x200;
/** As UNREGISTERED_ONLY, with the addresses of RFC 6598 (100.64/10). */
export const PKT_ALIAS_UNREGISTERED_CGN = 0x400;

/** Results of aliasIn and aliasOut. The packet must not go on. */
export const PKT_ALIAS_ERROR = -1;
/** It was aliased, or rightly left alone. */
export const PKT_ALIAS_OK = 1;
/** It is none that aliasing knows what to do with; it is unchanged. */
export const PKT_ALIAS_IGNORED = 2;
/** A fragment that came in before the one with the header. */
export const PKT_ALIAS_UNRESOLVED_FRAGMENT = 3;
/** The fragment with the header: it was aliased, and its followers will be. */
export const PKT_ALIAS_FOUND_HEADER_FRAGMENT = 4;
export type AliasResult = -1 | 1 | 2 | 3 | 4;

/** Kinds of links beside the protocols, which are their own kind. */
export const LINK_FRAGMENT_ID = 257;
export const LINK_ADDR = 259;

/** Stands for a port where a protocol has none; 0 means that the port is unknown. */
export const NO_PORT = 1;

/** Flags of a link. */
export const LINK_UNKNOWN_DEST_PORT = 0x01;
export const LINK_UNKNOWN_DEST_ADDR = 0x02;
export const LINK_PARTIALLY_SPECIFIED = 0x03;
export const LINK_PERMANENT = 0x04;

/** Seconds without a packet after which a link is gone. */
export const ICMP_EXPIRE_TIME = 60;
export const UDP_EXPIRE_TIME = 60;
export const PROTO_EXPIRE_TIME = 60;
export const FRAGMENT_ID_EXPIRE_TIME = 10;
/** … of TCP: both ends are done; one is; before both have said SYN; established. */
export const TCP_EXPIRE_DEAD = 10;
export const TCP_EXPIRE_SINGLEDEAD = 90;
export const TCP_EXPIRE_INITIAL = 300;
export const TCP_EXPIRE_CONNECTED = 86_400;

/** What each side of a TCP connection has said so far. */
export const ALIAS_TCP_NOT_CONNECTED = 0;
export const ALIAS_TCP_CONNECTED = 1;
export const ALIAS_TCP_DISCONNECTED = 2;

/** Alias ports nobody asked for come from here upwards. */
export const ALIAS_PORT_BASE = 0x8000;
/** So many ports are tried before a link is refused. */
export const GET_NEW_PORT_MAX_ATTEMPTS = 20;
/** Links of one instance, unless its owner says otherwise. */
export const ALIAS_LINKS_MAX = 65_536;

/**
 * Must a packet with this result be dropped, as natd, ng_nat and ipfw do? Outgoing: only errors. Incoming: an unresolved fragment too, and what
 * was ignored while incoming packets are denied.
 */
export function aliasDrops(result: AliasResult, incoming: boolean, mode: number): boolean {
  if (result === PKT_ALIAS_ERROR) return true;
  if (!incoming) return false;
  return result === PKT_ALIAS_UNRESOLVED_FRAGMENT || (result === PKT_ALIAS_IGNORED && (mode & PKT_ALIAS_DENY_INCOMING) !== 0);
}
