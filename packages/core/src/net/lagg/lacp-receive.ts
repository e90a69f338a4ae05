/**
 * lacp-receive.ts — the receive machine: what the partner says, and what is assumed when he says nothing.
 * Read first: IEEE 802.3-2008 §43.4.12, figure 43-10.
 *
 *   CURRENT ── not heard for 3 or 90 s ──▶ EXPIRED ── not heard for 3 s more ──▶ DEFAULTED
 *      ◀──────────────────────── a PDU ──────┴────────────────────────────────────┘
 *
 * CURRENT is neither of the bits LACP_STATE_EXPIRED and LACP_STATE_DEFAULTED in the actor's state; a port that may not be aggregated
 * (PORT_DISABLED) hears nothing.
 *
 * The strict mode is FreeBSD's: a partner that has us right counts as in sync, and one that says nothing as one that cannot aggregate. Without it the
 * partner is in sync when he says so, and one that says nothing is assumed to agree to everything. A port that hears nothing selects no
 * aggregator in either mode (lacp-select.ts), so nothing is sent to whoever does not speak LACP.
 */
import { ETHER_HDR_LEN } from '../../wire/ether.js';
import {
  LACP_ACTOR, LACP_PARTNER, LACP_STATE_ACTIVITY, LACP_STATE_AGGREGATION, LACP_STATE_COLLECTING, LACP_STATE_DEFAULTED, LACP_STATE_DISTRIBUTING, LACP_STATE_EXPIRED,
  LACP_STATE_SYNC, LACP_STATE_TIMEOUT, LacpInfo, lacpCheck, lacpReadInfo,
} from '../../wire/lacp.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { lacpTransmit, lacpUpdateTimeout } from './lacp-periodic.js';
import { LACP_DEBUG_EVENTS, LACP_DEBUG_TEST, LACP_LONG_TIMEOUT_S, LACP_SHORT_TIMEOUT_S, lacpDebug, lacpInfoText } from './lacp-var.js';
import type { LacpPort } from './lacp-var.js';

const PRIO_NOBODY = 0xffff;
const OPTIMISTIC = LACP_STATE_SYNC | LACP_STATE_AGGREGATION | LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING;
/** What the partner must have right about us, or he is told again. */
const NTT_STATE = LACP_STATE_ACTIVITY | LACP_STATE_SYNC | LACP_STATE_AGGREGATION;

/** What a PDU says: one for each lagg, read into anew. */
export class LacpHeard {
  readonly actor = new LacpInfo();
  readonly partner = new LacpInfo();
}

/** What is assumed of a partner that does not speak LACP. */
function adminPartner(strict: boolean): LacpInfo {
  const info = new LacpInfo();
  info.sysPrio = PRIO_NOBODY;
  info.portPrio = PRIO_NOBODY;
  info.state = strict ? 0 : OPTIMISTIC;
  return info;
}

/** A LACPDU came in. Owns `m`. */
export function lacpPduInput(lp: LacpPort, m: PacketBuffer, heard: LacpHeard): void {
  const { lacp } = lp;
  const { stat } = lacp.lagg;
  const at = m.off + ETHER_HDR_LEN;
  if (lacpCheck(m.view, at, m.len - ETHER_HDR_LEN) !== 0) {
    stat.pdusBad++;
    lp.port.ifp.data.ierrors++;
    m.free();
    return;
  }
  lacpReadInfo(m.view, at + LACP_ACTOR, heard.actor);
  lacpReadInfo(m.view, at + LACP_PARTNER, heard.partner);
  m.free();
  stat.pdusIn++;
  if (lp.port.tun.lacpDebug !== 0) lacpDebug(lacp, lp, LACP_DEBUG_EVENTS, () => `lacpdu receive actor=${lacpInfoText(heard.actor)} partner=${lacpInfoText(heard.partner)}`);
  if (lacp.rxTest && lp.port.ifp.dunit === 0) lacpDebug(lacp, lp, LACP_DEBUG_TEST, () => 'Dropping RX PDU');
  else receive(lp, heard);
}

function receive(lp: LacpPort, heard: LacpHeard): void {
  const { actor, lacp } = lp;
  if ((actor.state & LACP_STATE_AGGREGATION) === 0) return;
  if (heard.actor.sameSystem(actor)) {
    lacp.lagg.stat.pdusLooped++;
    return;
  }
  lp.heardAt = lacp.lagg.engine.now;
  updateSelected(lp, heard.actor);
  if (!actor.samePort(heard.partner) || ((actor.state ^ heard.partner.state) & NTT_STATE) !== 0) lp.ntt = true;
  recordPdu(lp, heard);
  lp.currentWhile = (actor.state & LACP_STATE_TIMEOUT) !== 0 ? LACP_SHORT_TIMEOUT_S : LACP_LONG_TIMEOUT_S;
  actor.state &= ~LACP_STATE_EXPIRED;
  lacpTransmit(lp);
}

/** The partner is another one, or has changed his mind about aggregating: the port must select anew. */
function updateSelected(lp: LacpPort, info: LacpInfo): void {
  if (!lp.partner.samePort(info) || ((lp.partner.state ^ info.state) & LACP_STATE_AGGREGATION) !== 0) lp.selected = false;
}

function recordPdu(lp: LacpPort, heard: LacpHeard): void {
  const { actor, partner } = lp;
  const was = partner.state;
  const isActive = ((heard.actor.state | (actor.state & heard.partner.state)) & LACP_STATE_ACTIVITY) !== 0;
  const isAgreed = actor.samePort(heard.partner) && ((actor.state ^ heard.partner.state) & LACP_STATE_AGGREGATION) === 0;
  const isIndividual = (heard.partner.state & LACP_STATE_AGGREGATION) === 0;
  partner.copy(heard.actor);
  if (!isActive || !(isAgreed || isIndividual)) partner.state &= ~LACP_STATE_SYNC;
  else if (lp.lacp.strict) partner.state |= LACP_STATE_SYNC;
  actor.state &= ~LACP_STATE_DEFAULTED;
  lacpUpdateTimeout(lp, was);
}

/** The partner was not heard in time; also where a port begins. */
export function lacpExpire(lp: LacpPort): void {
  lp.partner.state = (lp.partner.state & ~LACP_STATE_SYNC) | LACP_STATE_TIMEOUT;
  lp.currentWhile = LACP_SHORT_TIMEOUT_S;
  lp.actor.state |= LACP_STATE_EXPIRED;
}

/** Assumes a partner that does not speak LACP. */
export function lacpRecordDefault(lp: LacpPort): void {
  const was = lp.partner.state;
  lp.partner.copy(adminPartner(lp.lacp.strict));
  lp.actor.state |= LACP_STATE_DEFAULTED;
  lacpUpdateTimeout(lp, was);
}

/** current_while has run out. */
export function lacpReceiveTimer(lp: LacpPort): void {
  if ((lp.actor.state & LACP_STATE_EXPIRED) === 0) {
    lacpDebug(lp.lacp, lp, LACP_DEBUG_EVENTS, () => 'CURRENT -> EXPIRED');
    lacpExpire(lp);
    return;
  }
  lacpDebug(lp.lacp, lp, LACP_DEBUG_EVENTS, () => 'EXPIRED -> DEFAULTED');
  updateSelected(lp, adminPartner(lp.lacp.strict));
  lacpRecordDefault(lp);
  lp.actor.state &= ~LACP_STATE_EXPIRED;
}
