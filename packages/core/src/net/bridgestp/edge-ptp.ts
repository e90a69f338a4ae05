/**
 * edge-ptp.ts — what a port is plugged into: nothing, a link with two ends, a segment with many, or no bridge at all.
 * Read first: IEEE 802.1D-2004 §17.25 (bridge detection machine), §6.4.3 (point-to-point links); ifconfig(8) `edge`, `autoedge`, `ptp`, `autoptp`.
 *
 * A full-duplex medium has two ends. A port whose proposals nobody answers, on a link that any bridge would have answered on by now, is an
 * edge; the first BPDU proves it wrong (bpdu-receive.ts). An interface that has no medium to show is as its link state says.
 */
import { IFM_FDX, ifMedia } from '../if-media.js';
import { LINK_STATE_DOWN } from '../ifnet.js';
import { BSTP_ROLE_DESIGNATED, INFO_DISABLED } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import type { BstpState } from './bstp-state.js';
import { infoDisable, infoEnable } from './port-information.js';
import { setPortProto } from './protocol-migration.js';

/** The link of a port may have changed: follow it. */
export function portLinkCheck(bs: BstpState, bp: BstpPort): void {
  const { ifp } = bp;
  const media = ifMedia(ifp);
  const enabled = ifp.isRunning && (media === null ? ifp.linkState !== LINK_STATE_DOWN : media.active);
  if (enabled && bp.autoPtp && media !== null) setPtp(bs, bp, (media.effective & IFM_FDX) !== 0);
  if (enabled === (bp.infoIs !== INFO_DISABLED)) return;
  if (enabled) {
    infoEnable(bs, bp);
    return;
  }
  infoDisable(bs, bp);
  setPortProto(bp, bs.proto);
  bp.operEdge = bp.admEdge && bp.rapid;
}

export function setPtp(bs: BstpState, bp: BstpPort, on: boolean): void {
  if (bp.ptpLink === on) return;
  bp.ptpLink = on;
  bs.reselect = true;
}

/** Nobody answered: no bridge is there. */
export function edgeDetection(bs: BstpState, bp: BstpPort): void {
  if (bp.operEdge || !bp.autoEdge || !bp.rapid || !bp.proposing || bp.role !== BSTP_ROLE_DESIGNATED || bp.edgeDelayWhile.running) return;
  bp.operEdge = true;
  bs.moved = true;
}
