/**
 * lagg-var.ts — what the parts of lagg(4) share: a port, what a protocol is, and what a protocol sees of the aggregate.
 * Read first: lagg(4); freebsd `sys/net/if_lagg.h`.
 *
 * A LaggPort is the hook on its interface (`ifp.lagg`) and remembers what the interface was before it joined. It outlives a move of the
 * lagg to another vnet: it knows the aggregate, not the interface that stands for it at the moment.
 */
import type { Errno } from '../../base/errno.js';
import type { Engine } from '../../kern/engine.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ifTransmit } from '../if-transmit.js';
import { IFF_UP, IfData, LINK_STATE_UP, TRANSMIT_COUNTED } from '../ifnet.js';
import type { IfLaggHook, Ifnet } from '../ifnet.js';
import type { LacpStat, LaggTunables } from './lagg-tunables.js';

/** Ports of one lagg. */
export const LAGG_MAX_PORTS = 32;

/** Protocols, FreeBSD's numbers. */
export const LAGG_PROTO_NONE = 0;
export const LAGG_PROTO_ROUNDROBIN = 1;
export const LAGG_PROTO_FAILOVER = 2;
export const LAGG_PROTO_LOADBALANCE = 3;
export const LAGG_PROTO_LACP = 4;
export const LAGG_PROTO_BROADCAST = 5;
export const LAGG_PROTO_DEFAULT = LAGG_PROTO_FAILOVER;
export type LaggProtoNumber = 0 | 1 | 2 | 3 | 4 | 5;

/** Flags of a port as ifconfig shows them. */
export const LAGG_PORT_MASTER = 0x01;
export const LAGG_PORT_ACTIVE = 0x04;
export const LAGG_PORT_COLLECTING = 0x08;
export const LAGG_PORT_DISTRIBUTING = 0x10;

/** Bits of `opts`, and of what `ifconfig -v` shows. */
export const LAGG_OPT_USE_FLOWID = 0x01;
export const LAGG_OPT_USE_NUMA = 0x04;
export const LAGG_OPT_LACP_STRICT = 0x10;
export const LAGG_OPT_LACP_TXTEST = 0x20;
export const LAGG_OPT_LACP_RXTEST = 0x40;
export const LAGG_OPT_LACP_FAST_TIMO = 0x80;

/** What a protocol keeps with a port. */
export interface LaggPortData {
  /** What the port shows of the protocol (LAGG_PORT_*). */
  readonly flags: number;
  /** Frames that come in are for the lagg. */
  readonly passes: boolean;
}

/** A port of a lagg. */
export class LaggPort implements IfLaggHook {
  readonly ifp: Ifnet;
  readonly lagg: LaggShared;
  /** What the interface was, to be given back. */
  readonly lladdr: Uint8Array;
  readonly iftype: number;
  readonly capenable: number;
  /** Its vnet's, where it and the lagg were when it joined: what names it is logged there, also when the lagg has moved. */
  readonly kern: VnetKern;
  readonly tun: LaggTunables;
  /** Its counters when it joined: only what it has carried since is the lagg's. */
  readonly countersAtJoin = new IfData();
  /** IFF_PROMISC and IFF_ALLMULTI as far as this lagg has asked for them. */
  pflags = 0;
  /** The lagg's multicast groups that were joined here for it. */
  multi: Uint8Array[] = [];
  /** The interface is leaving its vnet: nothing of it is restored. */
  detaching = false;
  psc: LaggPortData | null = null;
  /** Takes the event handlers off again. */
  unwatch: (() => void)[] = [];

  constructor(ifp: Ifnet, lagg: LaggShared, counters: IfData) {
    this.ifp = ifp;
    this.lagg = lagg;
    this.lladdr = ifp.lladdr.slice();
    this.iftype = ifp.type;
    this.capenable = ifp.capenable;
    this.kern = lagg.kern;
    this.tun = lagg.tun;
    this.countFrom(counters);
  }

  /** Link up and administratively up: frames may be sent on it. */
  get isActive(): boolean {
    return this.ifp.linkState === LINK_STATE_UP && (this.ifp.flags & IFF_UP) !== 0;
  }

  /** Only what it carries from now on is the lagg's. */
  countFrom(counters: IfData): void {
    Object.assign(this.countersAtJoin, counters);
  }

  input(m: PacketBuffer): Ifnet | null {
    return this.lagg.input(this, m);
  }

  capsChanged(): void {
    this.lagg.capabilities();
  }
}

/** What a protocol, or a port, sees of its aggregate. */
export interface LaggShared {
  /** The interface that stands for it now. */
  readonly ifp: Ifnet;
  readonly kern: VnetKern;
  readonly engine: Engine;
  readonly tun: LaggTunables;
  readonly stat: LacpStat;
  /** In the order of their interface indexes. */
  readonly ports: readonly LaggPort[];
  readonly primary: LaggPort | null;
  /** Salt of the flow hash; layers that are hashed, LAGG_F_*; LAGG_OPT_*. */
  readonly hashKey: number;
  readonly hashFlags: number;
  readonly opts: number;
  readonly flowidShift: number;
  /** Ports that send, and how often one stopped; LACP counts them. */
  active: number;
  flapping: number;
  /** Errors that ports have counted and that `send` handed on. */
  portErrors: number;
  input(port: LaggPort, m: PacketBuffer): Ifnet | null;
  capabilities(): void;
}

/** An aggregation protocol: who sends what, and whose frames count. */
export interface LaggProtocol {
  readonly number: LaggProtoNumber;
  /** Sends `m` on a port, or more. Owns `m`. */
  start(m: PacketBuffer): Errno;
  /** A frame came in on `port`: true when it is the lagg's, false when it was consumed. */
  input(port: LaggPort, m: PacketBuffer): boolean;
  /** What `port` shows (LAGG_PORT_*). */
  portFlags(port: LaggPort): number;
  /** A port joined, is about to leave, has another link state. */
  addPort?(port: LaggPort): Errno;
  removePort?(port: LaggPort): void;
  portLinkState?(port: LaggPort): void;
  /** The lagg went up, went down, has another link address. */
  init?(): void;
  stop?(): void;
  lladdr?(): void;
  /** The lagg's interface is in another vnet now. */
  moved?(): void;
  /** Another protocol takes over, or the lagg ends: give back everything. */
  detach?(): void;
}

/** The first active port from `port` on: itself, its neighbour in the list, any. Null when none is. */
export function laggLinkActive(ports: readonly LaggPort[], port: LaggPort | null): LaggPort | null {
  if (port !== null) {
    if (port.isActive) return port;
    const next = ports[ports.indexOf(port) + 1];
    if (next !== undefined && next.isActive) return next;
  }
  for (let i = 0; i < ports.length; i++) {
    const p = ports[i]!;
    if (p.isActive) return p;
  }
  return null;
}

/** Sends `m` on `port`, whose counters say so. Owns `m`. */
export function laggSend(lagg: LaggShared, port: LaggPort, m: PacketBuffer): Errno {
  const error = ifTransmit(port.ifp, m);
  if (error === 0) return TRANSMIT_COUNTED;
  lagg.portErrors++;
  return error;
}

/** LAGG_PORT_ACTIVE for a protocol that uses every active port alike. */
export function laggActiveFlag(port: LaggPort): number {
  return port.isActive ? LAGG_PORT_ACTIVE : 0;
}
