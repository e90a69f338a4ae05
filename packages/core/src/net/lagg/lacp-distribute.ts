/**
 * lacp-distribute.ts — collecting and distributing on a port, and which aggregator carries the lagg's frames.
 * Read first: IEEE 802.3-2008 §43.4.15, §43.2.4 (frame distributor).
 *
 * A lagg has one interface, so of its aggregators one is active: the one whose partner has the better priority, then the fastest. Whenever
 * the ports that distribute change, the lagg's map of ports is made anew, markers go out (lacp-marker.ts), and the link state follows.
 */
import { LACP_STATE_COLLECTING, LACP_STATE_DISTRIBUTING } from '../../wire/lacp.js';
import { ifLinkStateChange } from '../if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../ifnet.js';
import { lacpSuppressDistributing } from './lacp-marker.js';
import { LACP_DEBUG_EVENTS, lacpDebug } from './lacp-var.js';
import type { LacpAggregator, LacpPort, LacpShared } from './lacp-var.js';

export function lacpDisableCollecting(lp: LacpPort): void {
  lp.actor.state &= ~LACP_STATE_COLLECTING;
}

export function lacpEnableCollecting(lp: LacpPort): void {
  lp.actor.state |= LACP_STATE_COLLECTING;
}

export function lacpDisableDistributing(lp: LacpPort): void {
  const { aggregator: la, lacp } = lp;
  if (la === null || (lp.actor.state & LACP_STATE_DISTRIBUTING) === 0) return;
  la.ports = la.ports.filter((p) => p !== lp);
  lacp.lagg.active = la.ports.length;
  if (lacp.active === la) {
    lacpSuppressDistributing(lacp, la);
    selectActive(lacp);
    updatePortmap(lacp);
  }
  lp.actor.state &= ~LACP_STATE_DISTRIBUTING;
  linkState(lacp);
}

export function lacpEnableDistributing(lp: LacpPort): void {
  const { aggregator: la, lacp } = lp;
  if (la === null || (lp.actor.state & LACP_STATE_DISTRIBUTING) !== 0) return;
  la.ports = [lp, ...la.ports];
  lacp.lagg.active = la.ports.length;
  lp.actor.state |= LACP_STATE_DISTRIBUTING;
  if (lacp.active === la) {
    lacpSuppressDistributing(lacp, la);
    updatePortmap(lacp);
  } else {
    selectActive(lacp);
  }
  linkState(lacp);
}

function bitsPerS(la: LacpAggregator): number {
  return (la.ports[0]?.media.bitsPerS ?? 0) * la.ports.length;
}

function selectActive(lacp: LacpShared): void {
  let best: LacpAggregator | null = null;
  let bestSpeed = 0;
  for (const la of lacp.aggregators) {
    if (la.ports.length === 0) continue;
    const speed = bitsPerS(la);
    const isBetter = (best !== null && la.partner.sysPrio < best.partner.sysPrio) || speed > bestSpeed || (speed === bestSpeed && la === lacp.active);
    if (!isBetter) continue;
    best = la;
    bestSpeed = speed;
  }
  if (lacp.active === best) return;
  lacpDebug(lacp, null, LACP_DEBUG_EVENTS, () => 'active aggregator changed');
  lacp.active = best;
  updatePortmap(lacp);
  if (best !== null) lacpSuppressDistributing(lacp, best);
}

function updatePortmap(lacp: LacpShared): void {
  const la = lacp.active;
  lacp.portmap = la === null ? [] : la.ports;
  lacp.lagg.ifp.baudrate = la === null ? 0 : bitsPerS(la);
}

function linkState(lacp: LacpShared): void {
  ifLinkStateChange(lacp.lagg.ifp, lacp.lagg.active > 0 ? LINK_STATE_UP : LINK_STATE_DOWN);
}
