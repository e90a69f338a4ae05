/**
 * stp.ts — prints spanning tree BPDUs: `STP 802.1d, Config, Flags [none], bridge-id 8000.02:00:00:00:00:01.8001, length 35`.
 * Read first: IEEE 802.1D-2004 §9.3, IEEE 802.1Q §14.6 for the fields of MSTP.
 */

import * as stp from '../stp.js';
import type { Printer } from './printer.js';
import { bitNames, hex, visibleChar } from './text.js';

const VERS_NAMES: ReadonlyMap<number, string> = new Map([
  [stp.BSTP_PROTO_STP, '802.1d'],
  [stp.BSTP_PROTO_RSTP, '802.1w'],
  [stp.BSTP_PROTO_MSTP, '802.1s'],
  [stp.BSTP_PROTO_SPB, '802.1aq'],
]);

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [stp.BSTP_MSGTYPE_CFG, 'Config'],
  [stp.BSTP_MSGTYPE_RSTP, 'Rapid STP'],
  [stp.BSTP_MSGTYPE_TCN, 'Topology Change'],
]);

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [stp.BSTP_PDU_F_TC, 'Topology change'],
  [stp.BSTP_PDU_F_P, 'Proposal'],
  [stp.BSTP_PDU_F_L, 'Learn'],
  [stp.BSTP_PDU_F_F, 'Forward'],
  [stp.BSTP_PDU_F_A, 'Agreement'],
  [stp.BSTP_PDU_F_TCA, 'Topology change ACK'],
];

const ROLE_NAMES: readonly string[] = ['Unknown', 'Alternate', 'Root', 'Designated'];

/** Offsets of MSTP behind the fields it shares with RSTP, and inside one instance. */
const MST_V3_LEN = 36;
const MST_NAME = 39;
const MST_NAME_LEN = 32;
const MST_REVISION = MST_NAME + MST_NAME_LEN;
const MST_DIGEST = 73;
const MST_INT_COST = 89;
const MST_BRIDGE = 93;
const MST_HOPS = 101;
const MST_INSTANCES = 102;
const MST_MIN_LEN = 102;
const MST_INSTANCE_LEN = 16;
/** Part of the version 3 length that is not instances. */
const MST_CONFIG_LEN = 64;

function bridgeId(p: Printer, at: number): string {
  return `${hex(p.u16(at), 4)}.${p.mac(at + 2)}`;
}

function role(flags: number): string {
  return ROLE_NAMES[(flags & stp.BSTP_PDU_F_ROLE) >>> 2]!;
}

/** A time in 1/256 s with two decimals. */
function seconds(p: Printer, at: number): string {
  return `${(p.u16(at) / stp.BSTP_TICKS_PER_SEC).toFixed(2)}s`;
}

function times(p: Printer, at: number): string {
  return (
    `\n\tmessage-age ${seconds(p, at + stp.BPDU_MESSAGE_AGE)}, max-age ${seconds(p, at + stp.BPDU_MAX_AGE)}` +
    `, hello-time ${seconds(p, at + stp.BPDU_HELLO_TIME)}, forwarding-delay ${seconds(p, at + stp.BPDU_FORWARD_DELAY)}`
  );
}

export function stpPrint(p: Printer, at: number, length: number): void {
  p.proto = 'stp';
  if (length < stp.BPDU_TCN_LEN) {
    p.invalid();
    return;
  }
  if (p.u16(at + stp.BPDU_PROTO) !== 0) {
    p.put(`unknown STP version, length ${length}`);
    return;
  }
  const vers = p.u8(at + stp.BPDU_VERS);
  const versName = VERS_NAMES.get(vers);
  p.put(`STP ${versName ?? `Unknown STP protocol (0x${hex(vers, 2)})`}`);
  if (versName === undefined) return;
  const type = p.u8(at + stp.BPDU_TYPE);
  p.put(`, ${TYPE_NAMES.get(type) ?? `Unknown BPDU Type (0x${hex(type, 2)})`}`);
  if (type === stp.BSTP_MSGTYPE_CFG) {
    configOrInvalid(p, at, length, stp.BPDU_CFG_LEN);
  } else if (type === stp.BSTP_MSGTYPE_RSTP) {
    if (vers === stp.BSTP_PROTO_RSTP) configOrInvalid(p, at, length, stp.BPDU_RSTP_LEN);
    else if (vers === stp.BSTP_PROTO_MSTP || vers === stp.BSTP_PROTO_SPB) mstpPrint(p, at, length);
  }
}

function configOrInvalid(p: Printer, at: number, length: number, min: number): void {
  if (length < min) p.invalid();
  else configPrint(p, at, length);
}

function configPrint(p: Printer, at: number, length: number): void {
  const flags = p.u8(at + stp.BPDU_FLAGS);
  p.put(`, Flags [${bitNames(FLAG_NAMES, flags, 'none')}]`);
  p.put(`, bridge-id ${bridgeId(p, at + stp.BPDU_BRIDGE)}.${hex(p.u16(at + stp.BPDU_PORT), 4)}, length ${length}`);
  if (p.flags.verbose === 0) return;
  p.put(times(p, at));
  p.put(`\n\troot-id ${bridgeId(p, at + stp.BPDU_ROOT)}, root-pathcost ${p.u32(at + stp.BPDU_ROOT_COST)}`);
  if (p.u8(at + stp.BPDU_VERS) === stp.BSTP_PROTO_RSTP) p.put(`, port-role ${role(flags)}`);
}

function mstpPrint(p: Printer, at: number, length: number): void {
  if (length < MST_MIN_LEN || p.u8(at + stp.BPDU_V1_LEN) !== 0) {
    p.invalid();
    return;
  }
  const v3len = p.u16(at + MST_V3_LEN);
  if (length < stp.BPDU_RSTP_LEN + v3len + 2) {
    p.invalid();
    return;
  }
  const flags = p.u8(at + stp.BPDU_FLAGS);
  p.put(`, CIST Flags [${bitNames(FLAG_NAMES, flags, 'none')}], length ${length}`);
  if (p.flags.verbose === 0) return;
  p.put(`\n\tport-role ${role(flags)}, `);
  p.put(`CIST root-id ${bridgeId(p, at + stp.BPDU_ROOT)}, CIST ext-pathcost ${p.u32(at + stp.BPDU_ROOT_COST)}`);
  p.put(`\n\tCIST regional-root-id ${bridgeId(p, at + stp.BPDU_BRIDGE)}, `);
  p.put(`CIST port-id ${hex(p.u16(at + stp.BPDU_PORT), 4)},`);
  p.put(times(p, at));
  p.put(`\n\tv3len ${v3len}, MCID Name `);
  for (let i = 0; i < MST_NAME_LEN && p.u8(at + MST_NAME + i) !== 0; i++) p.put(visibleChar(p.u8(at + MST_NAME + i)));
  p.put(`, rev ${p.u16(at + MST_REVISION)},\n\t\tdigest ${p.hexBytes(at + MST_DIGEST, 16)}, `);
  p.put(`CIST int-root-pathcost ${p.u32(at + MST_INT_COST)},`);
  p.put(`\n\tCIST bridge-id ${bridgeId(p, at + MST_BRIDGE)}, `);
  p.put(`CIST remaining-hops ${p.u8(at + MST_HOPS)}`);
  let left = v3len - MST_CONFIG_LEN;
  for (let i = at + MST_INSTANCES; left >= MST_INSTANCE_LEN; i += MST_INSTANCE_LEN, left -= MST_INSTANCE_LEN) {
    const f = p.u8(i);
    p.put(`\n\tMSTI ${p.u16(i + 1) & 0x0fff}, Flags [${bitNames(FLAG_NAMES, f, 'none')}], port-role ${role(f)}`);
    p.put(`\n\t\tMSTI regional-root-id ${bridgeId(p, i + 1)}, pathcost ${p.u32(i + 9)}`);
    p.put(`\n\t\tMSTI bridge-prio ${p.u8(i + 13) >>> 4}, port-prio ${p.u8(i + 14) >>> 4}, hops ${p.u8(i + 15)}`);
  }
}
