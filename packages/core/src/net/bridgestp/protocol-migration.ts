/**
 * protocol-migration.ts — which version of the protocol a port speaks: the bridge's, or the old one to a neighbour that knows no other.
 * Read first: IEEE 802.1D-2004 §17.24 (port protocol migration machine).
 *
 * A port keeps to a version for the migration time after it was chosen, so that two neighbours do not drive each other to and fro.
 * A bridge that was told to speak the old protocol never leaves it. When the link goes the port starts over.
 */
import { BSTP_PROTO_RSTP, BSTP_PROTO_STP } from '../../wire/stp.js';
import { BSTP_STP_PATH_COST_MAX } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import { BSTP_MIGRATE_TIME } from './bstp-state.js';
import type { BstpState } from './bstp-state.js';

/** The port speaks `proto` from now on; with the old protocol there are no edges, and costs have 16 bits. */
export function setPortProto(bp: BstpPort, proto: number): void {
  bp.proto = proto;
  bp.mdelayWhile.start(BSTP_MIGRATE_TIME);
  if (proto !== BSTP_PROTO_STP) return;
  bp.operEdge = false;
  bp.adminCost = Math.min(bp.adminCost, BSTP_STP_PATH_COST_MAX);
}

/** A BPDU of the rapid protocol, or of the old one, came in. */
export function protocolSeen(bs: BstpState, bp: BstpPort, rapid: boolean): void {
  if (bs.proto !== BSTP_PROTO_RSTP || bp.rapid === rapid || bp.mdelayWhile.running) return;
  setPortProto(bp, rapid ? BSTP_PROTO_RSTP : BSTP_PROTO_STP);
  bp.newInfo = true;
  bs.reselect = true;
}
