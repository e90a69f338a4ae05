/**
 * lacp-var.ts — LACP's variables: a port, an aggregator, and what the ports of a lagg have in common.
 * Read first: IEEE 802.3-2008 §43.4.7 (variables), 802.1AX-2014 §6.4.7; freebsd `sys/net/ieee8023ad_lacp.h`.
 *
 * The machines are functions over these, a file each:
 *
 *   lacp-receive.ts    §43.4.12  what the partner says, and when he was last heard
 *   lacp-periodic.ts   §43.4.13  when to say something (periodic machine), §43.4.16 saying it (transmit machine)
 *   lacp-select.ts     §43.4.14  which ports belong together (selection logic)
 *   lacp-mux.ts        §43.4.15  attaching a port to its aggregator (mux machine, coupled control aside)
 *   lacp-distribute.ts §43.4.15, §43.2.4  which aggregator carries frames, and on which ports
 *   lacp-marker.ts     §43.2.5, §43.5    markers: asking whether a conversation may move, answering who asks
 *   lacp.ts            ties them together, once a second
 *
 * Timers count whole seconds down in one tick for all ports, 0 when they are not armed.
 * Churn detection (§43.4.17) is not there, as in FreeBSD; `flapping` counts ports that stopped distributing.
 */
import { LACP_STATE_COLLECTING, LACP_STATE_DISTRIBUTING, LacpInfo } from '../../wire/lacp.js';
import { LAGG_PORT_ACTIVE, LAGG_PORT_COLLECTING, LAGG_PORT_DISTRIBUTING } from './lagg-var.js';
import type { LaggPort, LaggPortData, LaggShared } from './lagg-var.js';
import { NO_MEDIA } from './lacp-media.js';
import type { LacpMedia } from './lacp-media.js';

/** Periods and timeouts (§43.4.4), in seconds. */
export const LACP_FAST_PERIODIC_S = 1;
export const LACP_SLOW_PERIODIC_S = 30;
export const LACP_SHORT_TIMEOUT_S = 3;
export const LACP_LONG_TIMEOUT_S = 90;
export const LACP_AGGREGATE_WAIT_S = 2;

/** Priorities of system and ports. */
export const LACP_SYSTEM_PRIO = 0x8000;
export const LACP_PORT_PRIO = 0x8000;

/** Bits of net.link.lagg.lacp.debug. */
export const LACP_DEBUG_EVENTS = 1;
export const LACP_DEBUG_MUX = 2;
export const LACP_DEBUG_TEST = 4;

/** States of the mux machine. */
export const LACP_MUX_DETACHED = 0;
export const LACP_MUX_WAITING = 1;
export const LACP_MUX_ATTACHED = 2;
export const LACP_MUX_COLLECTING = 3;
export const LACP_MUX_DISTRIBUTING = 4;
export type LacpMuxState = 0 | 1 | 2 | 3 | 4;

/** Ports that have the same partner and key, and so are one link. */
export class LacpAggregator {
  readonly actor = new LacpInfo();
  readonly partner = new LacpInfo();
  /** Ports that selected it. */
  refs = 1;
  /** Ports that distribute, the newest first. */
  ports: readonly LacpPort[] = [];
  /** Ports that wait to be attached: none is attached alone while others may follow. */
  pending = 0;
}

/** A port as LACP sees it. */
export class LacpPort implements LaggPortData {
  readonly port: LaggPort;
  readonly lacp: LacpShared;
  /** What we say of ourselves, and what we know of, or assume about, the other end. */
  readonly actor = new LacpInfo();
  readonly partner = new LacpInfo();
  muxState: LacpMuxState = LACP_MUX_DETACHED;
  selected = false;
  aggregator: LacpAggregator | null = null;
  media: LacpMedia = NO_MEDIA;
  /** A PDU is to be sent (NTT). */
  ntt = false;
  /** Timers, in seconds. */
  currentWhile = 0;
  periodicTimer = 0;
  waitWhile = 0;
  /** When the last PDU came, in microseconds. */
  heardAt = Number.NEGATIVE_INFINITY;
  /** Beginning of the second in which PDUs are counted, and how many were sent in it. */
  sentSince = Number.NEGATIVE_INFINITY;
  sent = 0;
  /** Number of the last marker sent; whether its answer is awaited. */
  markerXid = 0;
  markPending = false;

  constructor(port: LaggPort, lacp: LacpShared) {
    this.port = port;
    this.lacp = lacp;
  }

  get isActive(): boolean {
    return this.aggregator !== null && this.aggregator === this.lacp.active;
  }

  get flags(): number {
    const { state } = this.actor;
    return (this.isActive ? LAGG_PORT_ACTIVE : 0) | ((state & LACP_STATE_COLLECTING) !== 0 ? LAGG_PORT_COLLECTING : 0)
      | ((state & LACP_STATE_DISTRIBUTING) !== 0 ? LAGG_PORT_DISTRIBUTING : 0);
  }

  get passes(): boolean {
    return (this.actor.state & LACP_STATE_COLLECTING) !== 0 && this.isActive;
  }
}

/** What the ports of a lagg have in common. */
export interface LacpShared {
  readonly lagg: LaggShared;
  /** The newest first. */
  ports: readonly LacpPort[];
  aggregators: readonly LacpAggregator[];
  /** The aggregator that carries frames. */
  active: LacpAggregator | null;
  /** Ports frames are sent on. */
  portmap: readonly LacpPort[];
  /** Nothing is sent while markers are on their way. */
  suppressDistributing: boolean;
  /** A partner that does not speak LACP is not trusted with frames. */
  strict: boolean;
  /** We ask the partner for a PDU every second. */
  fastTimeout: boolean;
  /** PDUs of unit 0 are not heard, not sent. */
  rxTest: boolean;
  txTest: boolean;
  /** Forget about markers after a while. */
  armTransit(): void;
}

/** Logs an event of `lp`, in its vnet, or of the whole, when net.link.lagg.lacp.debug there says so. The text is only made then. */
export function lacpDebug(lacp: LacpShared, lp: LacpPort | null, bit: number, text: () => string): void {
  const { tun, kern } = lp?.port ?? lacp.lagg;
  if ((tun.lacpDebug & bit) === 0) return;
  kern.log('debug', lp === null ? text() : `${lp.port.ifp.xname}: ${text()}`);
}

/** `(8000,02-00-00-00-00-01,0000,8000,0003)` */
export function lacpInfoText(info: LacpInfo): string {
  const h = (x: number, digits: number): string => x.toString(16).toUpperCase().padStart(digits, '0');
  const mac = (h(info.sysHi, 4) + h(info.sysLo, 8)).replace(/(..)(?=.)/g, '$1-');
  return `(${h(info.sysPrio, 4)},${mac},${h(info.key, 4)},${h(info.portPrio, 4)},${h(info.port, 4)})`;
}
