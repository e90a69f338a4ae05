/**
 * alias-link.ts — AliasLink `lnk`: who talks to whom under which alias.
 * Read first: libalias(3) "CONCEPTUAL BACKGROUND".
 *
 *     src:srcPort   the host inside, its port (an ICMP identifier; NO_PORT for protocols without)
 *     alias:aliasPort  what the world sees; address 0: the instance's address, whatever that is by then
 *     dst:dstPort   the host outside; 0: any
 *
 * A link is *full* when the far end is known, else *partial*: a redirection that waits for somebody to come. The first packet that a partial
 * link matches makes a full one of its own; a permanent partial link stays.
 *
 * Addresses are signed numbers. Invariant: `hash` values are those of the addresses and ports, which never change.
 */
import type { ChainLinks } from '../../base/chain.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import {
  ALIAS_TCP_CONNECTED, ALIAS_TCP_DISCONNECTED, ALIAS_TCP_NOT_CONNECTED, FRAGMENT_ID_EXPIRE_TIME, ICMP_EXPIRE_TIME, LINK_FRAGMENT_ID, LINK_PARTIALLY_SPECIFIED,
  LINK_UNKNOWN_DEST_ADDR, LINK_UNKNOWN_DEST_PORT, PROTO_EXPIRE_TIME, TCP_EXPIRE_CONNECTED, TCP_EXPIRE_DEAD, TCP_EXPIRE_INITIAL, TCP_EXPIRE_SINGLEDEAD, UDP_EXPIRE_TIME,
} from './alias-var.js';
import type { SeqDeltas } from './alias-seq.js';

/** A server of a pool that shares a redirection (LSNAT). */
export interface AliasServer {
  /** Signed. */
  readonly addr: number;
  readonly port: number;
}

/** A server that an administrator added. */
export interface AliasPool {
  readonly servers: AliasServer[];
  next: number;
}

export class AliasLink implements ChainLinks<AliasLink> {
  /** The IP protocol, or LINK_*. */
  readonly type: number;
  readonly src: number;
  readonly srcPort: number;
  readonly dst: number;
  readonly dstPort: number;
  readonly alias: number;
  readonly aliasPort: number;
  flags: number;
  /** Of the latest packet, and how long it is worth, in seconds. */
  stamp: number;
  expire: number;
  /** Who answers instead of `src`; null for the ordinary link. */
  pool: AliasPool | null = null;
  /** Where the fragments of a datagram go (LINK_FRAGMENT_ID). */
  fragAddr = 0;
  /** TCP: what has been heard from outside, and from inside. */
  stateIn = ALIAS_TCP_NOT_CONNECTED;
  stateOut = ALIAS_TCP_NOT_CONNECTED;
  /** TCP: text in the stream was rewritten to another length; null while it was not. */
  seq: SeqDeltas | null = null;
  /** In a table. */
  live = false;
  outHash = 0;
  inHash = 0;
  outNext: AliasLink | null = null;
  inNext: AliasLink | null = null;
  chainNext: AliasLink | null = null;
  chainPrev: AliasLink | null = null;

  constructor(type: number, src: number, srcPort: number, dst: number, dstPort: number, alias: number, aliasPort: number, now: number) {
    this.type = type;
    this.src = src;
    this.srcPort = srcPort;
    this.dst = dst;
    this.dstPort = dstPort;
    this.alias = alias;
    this.aliasPort = aliasPort;
    this.flags = (dst === 0 ? LINK_UNKNOWN_DEST_ADDR : 0) | (dstPort === 0 ? LINK_UNKNOWN_DEST_PORT : 0);
    this.stamp = now;
    this.expire = initialExpire(type);
  }

  /** Is somebody outside still to come? */
  get partial(): boolean {
    return (this.flags & LINK_PARTIALLY_SPECIFIED) !== 0;
  }

  /** A TCP segment with these flags came from outside (or from inside). */
  sawTcp(incoming: boolean, syn: boolean, fin: boolean, rst: boolean): void {
    const was = incoming ? this.stateIn : this.stateOut;
    if (was === ALIAS_TCP_NOT_CONNECTED) {
      if (rst) this.setState(incoming, ALIAS_TCP_DISCONNECTED);
      else if (syn) this.setState(incoming, ALIAS_TCP_CONNECTED);
    } else if (was === ALIAS_TCP_CONNECTED && (fin || rst)) this.setState(incoming, ALIAS_TCP_DISCONNECTED);
  }

  private setState(incoming: boolean, state: number): void {
    const other = incoming ? this.stateOut : this.stateIn;
    if (state === ALIAS_TCP_DISCONNECTED) this.expire = other === ALIAS_TCP_CONNECTED ? TCP_EXPIRE_SINGLEDEAD : TCP_EXPIRE_DEAD;
    else if (other === ALIAS_TCP_CONNECTED) this.expire = TCP_EXPIRE_CONNECTED;
    if (incoming) this.stateIn = state;
    else this.stateOut = state;
  }
}

function initialExpire(type: number): number {
  switch (type) {
    case IPPROTO_ICMP:
      return ICMP_EXPIRE_TIME;
    case IPPROTO_UDP:
      return UDP_EXPIRE_TIME;
    case IPPROTO_TCP:
      return TCP_EXPIRE_INITIAL;
    case LINK_FRAGMENT_ID:
      return FRAGMENT_ID_EXPIRE_TIME;
    default:
      return PROTO_EXPIRE_TIME;
  }
}
