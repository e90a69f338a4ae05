/**
 * lacp-select.ts — the selection logic: which ports belong together.
 * Read first: IEEE 802.3-2008 §43.4.14, §43.3.6 (keys), §43.3.9 (link aggregation groups).
 *
 * Ports with the same partner system, partner key and own key share an aggregator, unless one side says that the link stands alone. A port of
 * which nothing has been heard selects none. An aggregator lives as long as a port has selected it.
 */
import { assert } from '../../base/assert.js';
import { LACP_STATE_AGGREGATION, LACP_STATE_DEFAULTED } from '../../wire/lacp.js';
import type { LacpInfo } from '../../wire/lacp.js';
import { LACP_DEBUG_EVENTS, LacpAggregator, lacpDebug, lacpInfoText } from './lacp-var.js';
import type { LacpPort } from './lacp-var.js';
import { LAGG_MAX_PORTS } from './lagg-var.js';

/** Key of a link that stands alone: bit 15 and its interface's index. */
const KEY_INDIVIDUAL = 0x8000;
/** In the key of others: the lagg's index, above the rate. */
const KEY_LAGG = 0x7fe0;
const KEY_LAGG_SHIFT = 5;

/** The operational key of `lp`. */
export function lacpKey(lp: LacpPort): number {
  if ((lp.actor.state & LACP_STATE_AGGREGATION) === 0) return (lp.port.ifp.index & 0xffff) | KEY_INDIVIDUAL;
  return lp.media.subtype | (KEY_LAGG & (lp.lacp.lagg.ifp.index << KEY_LAGG_SHIFT));
}

/** Finds an aggregator for a port that has none, or makes one. */
export function lacpSelect(lp: LacpPort): void {
  if (lp.aggregator !== null || (lp.actor.state & LACP_STATE_DEFAULTED) !== 0) return;
  const { lacp } = lp;
  let la = lacp.aggregators.find((a) => isCompatible(a, lp));
  if (la === undefined) {
    la = new LacpAggregator();
    copyId(la.actor, lp.actor);
    copyId(la.partner, lp.partner);
    la.actor.state = lp.actor.state & LACP_STATE_AGGREGATION;
    lacp.aggregators = [...lacp.aggregators, la];
  } else {
    if (la.refs === LAGG_MAX_PORTS) return;
    la.refs++;
  }
  lp.aggregator = la;
  lp.selected = true;
  lacpDebug(lacp, lp, LACP_DEBUG_EVENTS, () => `selected [${lacpInfoText(lp.actor)},${lacpInfoText(lp.partner)}]`);
}

/** Lets go of the aggregator; the last one takes it along. */
export function lacpUnselect(lp: LacpPort): void {
  const { aggregator: la, lacp } = lp;
  assert(lp.waitWhile === 0, 'a port that waits to be attached lets go of its aggregator');
  if (la === null) return;
  lp.aggregator = null;
  if (--la.refs > 0) return;
  assert(lacp.active !== la, 'the active aggregator has no ports left');
  lacp.aggregators = lacp.aggregators.filter((a) => a !== la);
}

/** System and key only: what all ports of the aggregator have in common. */
function copyId(to: LacpInfo, from: LacpInfo): void {
  to.sysPrio = from.sysPrio;
  to.sysHi = from.sysHi;
  to.sysLo = from.sysLo;
  to.key = from.key;
}

function isCompatible(la: LacpAggregator, lp: LacpPort): boolean {
  const mayJoin = (lp.actor.state & lp.partner.state & la.actor.state & LACP_STATE_AGGREGATION) !== 0;
  return mayJoin && sameId(la.partner, lp.partner) && sameId(la.actor, lp.actor);
}

function sameId(a: LacpInfo, b: LacpInfo): boolean {
  return a.sameSystem(b) && a.key === b.key;
}
