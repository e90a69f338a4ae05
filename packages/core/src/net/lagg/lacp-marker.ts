/**
 * lacp-marker.ts — markers: before conversations move to other ports, is everything that was sent through? And: answering who asks us.
 * Read first: IEEE 802.3-2008 §43.2.5, §43.5.
 *
 * Theory of operation. When the ports frames are sent on change, sending stops and a marker goes out on every port. A partner sends it
 * back behind the frames it came with; when all are back, or after three seconds, sending begins again: no frame of a conversation overtakes
 * another. A marker that somebody else sends goes back at once, in the same buffer.
 */
import { ETHER_HDR_LEN } from '../../wire/ether.js';
import { MARKER_TLV_INFO, MARKER_TLV_RESPONSE, MARKER_TYPE, markerAnswers, markerCheck, markerEmit } from '../../wire/lacp.js';
import { M_MCAST } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ifTransmit } from '../if-transmit.js';
import { lacpPutSource, lacpSendSlow } from './lacp-periodic.js';
import { LACP_DEBUG_EVENTS, lacpDebug } from './lacp-var.js';
import type { LacpAggregator, LacpPort, LacpShared } from './lacp-var.js';

/** Stops sending until the markers are back, when `la` is what carries frames. */
export function lacpSuppressDistributing(lacp: LacpShared, la: LacpAggregator): void {
  if (lacp.active !== la) return;
  lacp.suppressDistributing = true;
  for (const lp of lacp.ports) lp.markPending = sendMarker(lp);
  lacp.armTransit();
}

function sendMarker(lp: LacpPort): boolean {
  const { actor } = lp;
  lp.markerXid = (lp.markerXid + 1) >>> 0;
  const error = lacpSendSlow(lp, (view, off) => markerEmit(view, off, MARKER_TLV_INFO, actor.port, actor.sysHi, actor.sysLo, lp.markerXid));
  if (error === 0) lp.lacp.lagg.stat.markersOut++;
  return error === 0;
}

/** A marker frame came in. Owns `m`. */
export function lacpMarkerInput(lp: LacpPort, m: PacketBuffer): void {
  const { stat } = lp.lacp.lagg;
  const at = m.off + ETHER_HDR_LEN;
  if (markerCheck(m.view, at, m.len - ETHER_HDR_LEN) !== 0) {
    stat.markersBad++;
    lp.port.ifp.data.ierrors++;
    m.free();
  } else if (m.view.getUint8(at + MARKER_TYPE) === MARKER_TLV_INFO) {
    stat.markersIn++;
    m.view.setUint8(at + MARKER_TYPE, MARKER_TLV_RESPONSE);
    lacpPutSource(lp, m.buf, m.off);
    m.flags = M_MCAST;
    ifTransmit(lp.port.ifp, m);
  } else {
    responseInput(lp, m, at);
  }
}

function responseInput(lp: LacpPort, m: PacketBuffer, at: number): void {
  const { lacp, actor } = lp;
  const isOurs = markerAnswers(m.view, at, actor.port, actor.sysHi, actor.sysLo, lp.markerXid);
  m.free();
  if (!isOurs) {
    lacp.lagg.stat.markersBad++;
    return;
  }
  lacp.lagg.stat.responsesIn++;
  lp.markPending = false;
  if (!lacp.suppressDistributing || lacp.ports.some((p) => p.markPending)) return;
  lacpDebug(lacp, null, LACP_DEBUG_EVENTS, () => 'queue flush complete');
  lacp.suppressDistributing = false;
}
