/**
 * lacp-periodic.ts — when a PDU is sent, and sending it: the periodic transmission machine and the transmit machine.
 * Read first: IEEE 802.3-2008 §43.4.13, §43.4.16.
 *
 * The partner says how often he wants to hear from us: every second or every 30. Whatever else needs to be said asserts NTT; at most three
 * PDUs leave in a second, and one that may not leave yet waits for the next tick.
 */
import { ENOBUFS } from '../../base/errno.js';
import type { Errno } from '../../base/errno.js';
import { M_MCAST } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_SLOW, ETHER_HDR_LEN, etherEmit } from '../../wire/ether.js';
import {
  LACP_STATE_ACTIVITY, LACP_STATE_AGGREGATION, LACP_STATE_TIMEOUT, SLOW_DST_HI, SLOW_DST_LO, SLOW_PDU_LEN, lacpEmit,
} from '../../wire/lacp.js';
import { ifTransmit } from '../if-transmit.js';
import { LACP_DEBUG_EVENTS, LACP_DEBUG_TEST, LACP_FAST_PERIODIC_S, LACP_SLOW_PERIODIC_S, lacpDebug, lacpInfoText } from './lacp-var.js';
import type { LacpPort } from './lacp-var.js';

const US_PER_S = 1_000_000;
/** PDUs in a second (§43.4.16). */
const PDUS_PER_S_MAX = 3;

/** Somebody must be active for anything to be sent. */
function isAnybodyActive(lp: LacpPort): boolean {
  return ((lp.actor.state | lp.partner.state) & LACP_STATE_ACTIVITY) !== 0;
}

/** The partner's state has changed from `was`: does he want to hear from us more often, or less? */
export function lacpUpdateTimeout(lp: LacpPort, was: number): void {
  if (((was ^ lp.partner.state) & LACP_STATE_TIMEOUT) === 0) return;
  lp.periodicTimer = 0;
  if ((lp.partner.state & LACP_STATE_TIMEOUT) !== 0) lp.ntt = true;
}

/** Arms the periodic timer when it has run out. */
export function lacpSchedule(lp: LacpPort): void {
  if (!isAnybodyActive(lp)) lp.periodicTimer = 0;
  else if (lp.periodicTimer === 0) lp.periodicTimer = (lp.partner.state & LACP_STATE_TIMEOUT) !== 0 ? LACP_FAST_PERIODIC_S : LACP_SLOW_PERIODIC_S;
}

/** The transmit machine: sends what NTT asks for, if it may. */
export function lacpTransmit(lp: LacpPort): void {
  if ((lp.actor.state & LACP_STATE_AGGREGATION) === 0 || !isAnybodyActive(lp)) lp.ntt = false;
  if (!lp.ntt || !mayBeSent(lp)) return;
  const { lacp } = lp;
  let error = 0;
  if (lacp.txTest && lp.port.ifp.dunit === 0) lacpDebug(lacp, lp, LACP_DEBUG_TEST, () => 'Dropping TX PDU');
  else error = sendPdu(lp);
  if (error === 0) lp.ntt = false;
  else lacpDebug(lacp, lp, LACP_DEBUG_EVENTS, () => `lacpdu transmit failure, error ${error}`);
}

/** Counts the PDU in. */
function mayBeSent(lp: LacpPort): boolean {
  const { now } = lp.lacp.lagg.engine;
  if (now - lp.sentSince >= US_PER_S) {
    lp.sentSince = now;
    lp.sent = 0;
  }
  return ++lp.sent <= PDUS_PER_S_MAX;
}

/** Sends a frame of a slow protocol, written by `emit`, with the port's own address. */
export function lacpSendSlow(lp: LacpPort, emit: (view: DataView, off: number) => void): Errno {
  const { port } = lp;
  const m = port.lagg.engine.pool.alloc(ETHER_HDR_LEN + SLOW_PDU_LEN);
  if (m === null) return ENOBUFS;
  etherEmit(m.view, m.off, SLOW_DST_HI, SLOW_DST_LO, 0, 0, ETHERTYPE_SLOW);
  lacpPutSource(lp, m.buf, m.off);
  emit(m.view, m.off + ETHER_HDR_LEN);
  m.flags = M_MCAST;
  return ifTransmit(port.ifp, m);
}

/** Writes the port's own address as the source of the frame at `off`. */
export function lacpPutSource(lp: LacpPort, buf: Uint8Array, off: number): void {
  const { lladdr } = lp.port;
  for (let i = 0; i < lladdr.length; i++) buf[off + lladdr.length + i] = lladdr[i]!;
}

function sendPdu(lp: LacpPort): Errno {
  lacpDebug(lp.lacp, lp, LACP_DEBUG_EVENTS, () => `lacpdu transmit actor=${lacpInfoText(lp.actor)} partner=${lacpInfoText(lp.partner)}`);
  const error = lacpSendSlow(lp, (view, off) => lacpEmit(view, off, lp.actor, lp.partner, 0));
  if (error === 0) lp.lacp.lagg.stat.pdusOut++;
  return error;
}
