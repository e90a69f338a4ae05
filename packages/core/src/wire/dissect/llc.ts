/**
 * llc.ts — prints IEEE 802.2 LLC and SNAP, and what is behind them: BPDUs, IP, Ethernet types.
 * Read first: IEEE 802.2 §5 (control field), RFC 1042.
 */

import * as llc from '../llc.js';
import { ETHERTYPE_NAMES, OUI_NAMES } from './names.js';
import type { Printer } from './printer.js';
import { stpPrint } from './stp.js';
import { hex } from './text.js';

const SAP_NAMES: ReadonlyMap<number, string> = new Map([
  [llc.LLC_NULL_LSAP, 'Null'],
  [llc.LLC_GLOBAL_LSAP, 'Global'],
  [0x02, '802.1B I'],
  [0x03, '802.1B G'],
  [llc.LLC_IP_LSAP, 'IP'],
  [0x04, 'SNA'],
  [0x0e, 'ProWay NM'],
  [llc.LLC_8021D_LSAP, 'STP'],
  [0x4e, 'RS511'],
  [0x7e, 'ISO8208'],
  [0x8e, 'ProWay'],
  [llc.LLC_SNAP_LSAP, 'SNAP'],
  [llc.LLC_IPX_LSAP, 'IPX'],
  [llc.LLC_NETBEUI_LSAP, 'NetBeui'],
  [llc.LLC_ISO_LSAP, 'OSI'],
]);

const CMD_NAMES: ReadonlyMap<number, string> = new Map([
  [llc.LLC_UI, 'ui'],
  [llc.LLC_TEST, 'test'],
  [llc.LLC_XID, 'xid'],
  [0x63, 'ua'],
  [0x43, 'disc'],
  [0x0f, 'dm'],
  [0x6f, 'sabme'],
  [0x87, 'frmr'],
]);

const SUPERVISORY_NAMES: readonly string[] = ['Receiver Ready', 'Receiver not Ready', 'Reject', '?'];

const CISCO_PID_NAMES: ReadonlyMap<number, string> = new Map([
  [0x2000, 'CDP'],
  [0x2003, 'VTP'],
  [0x2004, 'DTP'],
  [0x0111, 'UDLD'],
  [0x010b, 'PVST'],
  [0x010c, 'VLAN Bridge'],
]);

const OUI_CISCO = 0x00000c;
const OUI_CISCO_90 = 0x0000f8;
const OUI_RFC2684 = 0x0080c2;
const PID_RFC2684_BPDU = 0x000e;
/** Group bit of the destination access point, response bit of the source's. */
const LLC_IG = 1;
const LLC_GSAP = 1;
const LLC_U_POLL = 0x10;
const LLC_XID_FI = 0x81;

function sapName(sap: number, unknown: string): string {
  return SAP_NAMES.get(sap) ?? `${unknown} 0x${hex(sap, 2)}`;
}

function flagName(response: number, poll: boolean): string {
  if (response !== 0) return poll ? 'Final' : 'Response';
  return poll ? 'Poll' : 'Command';
}

/**
 * Prints LLC at `at`; `macs` is where the frame's two addresses are, or -1. Answers the bytes of the header, negative when the
 * payload is unknown and the caller should show it raw.
 */
export function llcPrint(p: Printer, at: number, length: number, macs: number): number {
  p.proto = 'llc';
  const caplen = Math.min(p.left(at), length);
  if (caplen < llc.LLC_UFRAMELEN) return tooShort(p, at, caplen);
  const dsapField = p.u8(at);
  const ssapField = p.u8(at + 1);
  const unnumbered = (p.u8(at + llc.LLC_CTRL) & 3) === 3;
  if (!unnumbered && caplen < 4) return tooShort(p, at, caplen);
  const control = unnumbered ? p.u8(at + llc.LLC_CTRL) : p.le16(at + llc.LLC_CTRL);
  const hlen = unnumbered ? 3 : 4;
  const dsap = dsapField & ~LLC_IG;
  const ssap = ssapField & ~LLC_GSAP;
  if (p.flags.ether) {
    p.put(`LLC, dsap ${SAP_NAMES.get(dsap) ?? 'Unknown'} (0x${hex(dsap, 2)}) ${(dsapField & LLC_IG) !== 0 ? 'Group' : 'Individual'}`);
    p.put(`, ssap ${SAP_NAMES.get(ssap) ?? 'Unknown'} (0x${hex(ssap, 2)}) ${flagName(ssapField & LLC_GSAP, false)}`);
    p.put(`, ctrl 0x${hex(control, unnumbered ? 2 : 4)}: `);
  }
  const body = at + hlen;
  const left = length - hlen;
  if (ssap === dsap && control === llc.LLC_UI) {
    if (ssap === llc.LLC_SNAP_LSAP) return snapPrint(p, body, left, macs) ? hlen + 5 : -(hlen + 5);
    if (ssap === llc.LLC_8021D_LSAP) {
      stpPrint(p, body, left);
      return hlen;
    }
    if (ssap === llc.LLC_IP_LSAP) {
      p.layers.ip4(p, body, left);
      return hlen;
    }
  }
  if (!p.flags.ether) p.put(addresses(p, macs, dsap, ssap));
  return controlPrint(p, body, left, control, unnumbered, ssapField);
}

function tooShort(p: Printer, at: number, caplen: number): number {
  p.trunc();
  p.raw(at, caplen);
  return caplen;
}

/** Who speaks to whom about what, when -e has not said so. */
function addresses(p: Printer, macs: number, dsap: number, ssap: number): string {
  const to = sapName(dsap, 'Unknown DSAP');
  const from = sapName(ssap, 'Unknown SSAP');
  if (macs < 0) return ssap === dsap ? `${to} ` : `${from} > ${to} `;
  const src = p.mac(macs + 6);
  const dst = p.mac(macs);
  return ssap === dsap ? `${src} > ${dst} ${to} ` : `${src} ${from} > ${dst} ${to} `;
}

/** The control field of frames that are not datagrams of a known protocol. */
function controlPrint(p: Printer, at: number, left: number, control: number, unnumbered: boolean, ssapField: number): number {
  const hlen = unnumbered ? 3 : 4;
  const response = ssapField & LLC_GSAP;
  if (!unnumbered) {
    const tail = `rcv seq ${(control >>> 9) & 0x7f}, Flags [${flagName(response, (control & 0x0100) !== 0)}], length ${left + hlen}`;
    if ((control & 1) === 0) {
      p.put(`Information, send seq ${(control >>> 1) & 0x7f}, ${tail}`);
      return -hlen;
    }
    p.put(`Supervisory, ${SUPERVISORY_NAMES[(control >>> 2) & 3]!}, ${tail}`);
    return hlen;
  }
  const cmd = control & ~LLC_U_POLL;
  p.put(`Unnumbered, ${CMD_NAMES.get(cmd) ?? hex(cmd, 2)}, Flags [${flagName(response, (control & LLC_U_POLL) !== 0)}], length ${left + hlen}`);
  if (cmd !== llc.LLC_XID) return -hlen;
  if (left === 0) return hlen;
  const caplen = Math.min(left, p.left(at));
  if (caplen < 1) {
    p.trunc();
    return hlen;
  }
  if (p.u8(at) !== LLC_XID_FI) return -hlen;
  if (caplen < 3) {
    p.trunc();
    p.raw(at, caplen);
  } else {
    p.put(`: ${hex(p.u8(at + 1), 2)} ${hex(p.u8(at + 2), 2)}`);
  }
  return hlen;
}

/** Name of a SNAP protocol identifier under its organisation. */
function pidName(oui: number, pid: number): string {
  if (oui === OUI_CISCO) return CISCO_PID_NAMES.get(pid) ?? 'Unknown';
  if (oui === OUI_RFC2684) return pid === PID_RFC2684_BPDU ? 'BPDU' : 'Unknown';
  if (oui === 0 || oui === OUI_CISCO_90 || oui === 0x080007) return ETHERTYPE_NAMES.get(pid) ?? 'Unknown';
  return 'Unknown';
}

/** Prints SNAP behind LLC; false when the payload is unknown. */
function snapPrint(p: Printer, at: number, length: number, macs: number): boolean {
  p.proto = 'snap';
  if (!p.has(at, 5) || length < 5) {
    p.trunc();
    return true;
  }
  const oui = p.u24(at);
  const pid = p.u16(at + 3);
  const left = length - 5;
  const pidText = `${pidName(oui, pid)} (0x${hex(pid, 4)}), length ${left}: `;
  const ouiText = `oui ${OUI_NAMES.get(oui) ?? 'Unknown'} (0x${hex(oui, 6)})`;
  if (p.flags.ether) p.put(`${ouiText}, ${oui === 0 ? 'ethertype' : 'pid'} ${pidText}`);
  if (oui === 0 || oui === OUI_CISCO_90) {
    if (p.layers.ethertype(p, pid, at + 5, left)) return true;
  } else if ((oui === OUI_CISCO && (pid === 0x010b || pid === 0x010c)) || (oui === OUI_RFC2684 && pid === PID_RFC2684_BPDU)) {
    stpPrint(p, at + 5, left);
    return true;
  }
  if (!p.flags.ether) {
    if (macs >= 0) p.put(`${p.mac(macs + 6)} > ${p.mac(macs)} `);
    p.put(oui === 0 ? `SNAP, ethertype ${pidText}` : `SNAP, ${ouiText}, pid ${pidText}`);
  }
  return false;
}
