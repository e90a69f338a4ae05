/**
 * lacp-mux.ts — the mux machine: how far a port is attached to its aggregator.
 * Read first: IEEE 802.3-2008 §43.4.15, figure 43-13 (independent control).
 *
 *                 selected          waited, nobody else waits     partner in sync      partner collects
 *   DETACHED ───────────────▶ WAITING ─────────────────▶ ATTACHED ────────────▶ COLLECTING ──────────▶ DISTRIBUTING
 *       ◀───────────────────────── unselected ───────────────┘ ◀── not in sync ────┘ ◀── does not collect ──┘
 *
 * A port waits two seconds before it is attached, so that ports that come up together are attached together.
 */
import { assert } from '../../base/assert.js';
import { LACP_STATE_COLLECTING, LACP_STATE_SYNC } from '../../wire/lacp.js';
import { lacpDisableCollecting, lacpDisableDistributing, lacpEnableCollecting, lacpEnableDistributing } from './lacp-distribute.js';
import { lacpUnselect } from './lacp-select.js';
import {
  LACP_AGGREGATE_WAIT_S, LACP_DEBUG_EVENTS, LACP_DEBUG_MUX, LACP_MUX_ATTACHED, LACP_MUX_COLLECTING, LACP_MUX_DETACHED, LACP_MUX_DISTRIBUTING, LACP_MUX_WAITING, lacpDebug,
} from './lacp-var.js';
import type { LacpMuxState, LacpPort } from './lacp-var.js';

/** Where `lp` should be next; where it is, when nothing moves it. */
function nextState(lp: LacpPort): LacpMuxState {
  const { selected, muxState, aggregator: la } = lp;
  const inSync = (lp.partner.state & LACP_STATE_SYNC) !== 0;
  const collects = (lp.partner.state & LACP_STATE_COLLECTING) !== 0;
  switch (muxState) {
    case LACP_MUX_DETACHED:
      return selected ? LACP_MUX_WAITING : muxState;
    case LACP_MUX_WAITING:
      if (!selected) return LACP_MUX_DETACHED;
      return la !== null && la.pending === 0 ? LACP_MUX_ATTACHED : muxState;
    case LACP_MUX_ATTACHED:
      if (!selected) return LACP_MUX_DETACHED;
      return inSync ? LACP_MUX_COLLECTING : muxState;
    case LACP_MUX_COLLECTING:
      if (!selected || !inSync) return LACP_MUX_ATTACHED;
      return collects ? LACP_MUX_DISTRIBUTING : muxState;
    case LACP_MUX_DISTRIBUTING:
      return selected && inSync && collects ? muxState : LACP_MUX_COLLECTING;
  }
}

/** Moves `lp` as far as it goes. */
export function lacpMux(lp: LacpPort): void {
  for (let next = nextState(lp); next !== lp.muxState; next = nextState(lp)) {
    if (lp.muxState === LACP_MUX_DISTRIBUTING) {
      lp.port.kern.log('notice', `${lp.port.ifp.xname}: Interface stopped DISTRIBUTING, possible flapping`);
      lp.lacp.lagg.flapping++;
    }
    lacpSetMux(lp, next);
  }
}

/** Enters `state`. */
export function lacpSetMux(lp: LacpPort, state: LacpMuxState): void {
  if (lp.muxState === state) return;
  const { aggregator: la } = lp;
  switch (state) {
    case LACP_MUX_DETACHED:
      lp.actor.state &= ~LACP_STATE_SYNC;
      lacpDisableDistributing(lp);
      lacpDisableCollecting(lp);
      lp.ntt = true;
      lacpStopWaiting(lp);
      lacpUnselect(lp);
      break;
    case LACP_MUX_WAITING:
      assert(la !== null, 'a selected port has an aggregator');
      lp.waitWhile = LACP_AGGREGATE_WAIT_S;
      la.pending++;
      break;
    case LACP_MUX_ATTACHED:
      lp.actor.state |= LACP_STATE_SYNC;
      lacpDisableCollecting(lp);
      lp.ntt = true;
      break;
    case LACP_MUX_COLLECTING:
      lacpEnableCollecting(lp);
      lacpDisableDistributing(lp);
      lp.ntt = true;
      break;
    case LACP_MUX_DISTRIBUTING:
      lacpEnableDistributing(lp);
      break;
  }
  lacpDebug(lp.lacp, lp, LACP_DEBUG_EVENTS | LACP_DEBUG_MUX, () => `mux_state ${lp.muxState} -> ${state}`);
  lp.muxState = state;
}

/** The wait is over, or given up. */
export function lacpStopWaiting(lp: LacpPort): void {
  if (lp.waitWhile > 0 && lp.aggregator !== null) lp.aggregator.pending--;
  lp.waitWhile = 0;
}
