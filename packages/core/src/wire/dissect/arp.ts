/**
 * arp.ts — prints ARP and reverse ARP: `ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28`.
 * Read first: RFC 826, RFC 903.
 *
 * The lengths in the message say where its addresses are, so a message with odd lengths prints as far as they reach.
 * Not here: ATM and frame relay, whose addresses have another shape.
 */

import * as arp from '../arp.js';
import { ETHERTYPE_IP, ETHERTYPE_TRAIL } from '../ether.js';
import { ETHERTYPE_NAMES } from './names.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

const HRD_NAMES: ReadonlyMap<number, string> = new Map([
  [arp.ARPHRD_ETHER, 'Ethernet'],
  [arp.ARPHRD_IEEE802, 'TokenRing'],
  [arp.ARPHRD_ARCNET, 'ArcNet'],
  [arp.ARPHRD_FRELAY, 'FrameRelay'],
  [23, 'Strip'],
  [arp.ARPHRD_IEEE1394, 'IEEE 1394'],
  [19, 'ATM'],
  [arp.ARPHRD_INFINIBAND, 'InfiniBand'],
]);

const OP_NAMES: ReadonlyMap<number, string> = new Map([
  [arp.ARPOP_REQUEST, 'Request'],
  [arp.ARPOP_REPLY, 'Reply'],
  [arp.ARPOP_REVREQUEST, 'Reverse Request'],
  [arp.ARPOP_REVREPLY, 'Reverse Reply'],
  [arp.ARPOP_INVREQUEST, 'Inverse Request'],
  [arp.ARPOP_INVREPLY, 'Inverse Reply'],
  [10, 'NACK Reply'],
]);

/** A hardware address of any length. */
function hwAddr(p: Printer, at: number, len: number): string {
  return len === 0 ? '<empty>' : p.hexBytes(at, len, ':');
}

function protoAddr(p: Printer, at: number, pro: number, pln: number): string {
  if (pro !== ETHERTYPE_IP && pro !== ETHERTYPE_TRAIL) return '<wrong proto type>';
  return pln === 4 ? p.ip4(at) : '<wrong len>';
}

function isNonzero(p: Printer, at: number, len: number): boolean {
  for (let i = 0; i < len; i++) if (p.u8(at + i) !== 0) return true;
  return false;
}

export function arpPrint(p: Printer, at: number, length: number): void {
  p.proto = 'arp';
  p.need(at, arp.ARP_HDR_LEN);
  const hrd = p.u16(at + arp.ARP_HRD);
  const pro = p.u16(at + arp.ARP_PRO);
  const hln = p.u8(at + arp.ARP_HLN);
  const pln = p.u8(at + arp.ARP_PLN);
  const op = p.u16(at + arp.ARP_OP);
  const sha = at + arp.ARP_HDR_LEN;
  const spa = sha + hln;
  const tha = spa + pln;
  const tpa = tha + hln;
  p.need(tpa, pln);
  if (!p.flags.ether) p.put('ARP, ');
  const strange = (pro !== ETHERTYPE_IP && pro !== ETHERTYPE_TRAIL) || pln !== 4 || hln === 0;
  if (strange || p.flags.verbose > 0) {
    const hrdName = HRD_NAMES.get(hrd) ?? `Unknown Hardware (${hrd})`;
    const proName = ETHERTYPE_NAMES.get(pro) ?? `Unknown Protocol (0x${hex(pro, 4)})`;
    p.put(`${hrdName} (len ${hln}), ${proName} (len ${pln})`);
    if (p.flags.verbose === 0) {
      p.put(`, length ${length}`);
      return;
    }
    p.put(', ');
  }
  p.put(`${OP_NAMES.get(op) ?? `Unknown (${op})`} `);
  switch (op) {
    case arp.ARPOP_REQUEST:
      p.put(`who-has ${protoAddr(p, tpa, pro, pln)}`);
      if (isNonzero(p, tha, hln)) p.put(` (${hwAddr(p, tha, hln)})`);
      p.put(` tell ${protoAddr(p, spa, pro, pln)}`);
      break;
    case arp.ARPOP_REPLY:
      p.put(protoAddr(p, spa, pro, pln));
      p.put(` is-at ${hwAddr(p, sha, hln)}`);
      break;
    case arp.ARPOP_REVREQUEST:
    case arp.ARPOP_INVREQUEST:
      p.put(`who-is ${hwAddr(p, tha, hln)} tell ${hwAddr(p, sha, hln)}`);
      break;
    case arp.ARPOP_REVREPLY:
      p.put(`${hwAddr(p, tha, hln)} at ${protoAddr(p, tpa, pro, pln)}`);
      break;
    case arp.ARPOP_INVREPLY:
      p.put(`${hwAddr(p, sha, hln)} at ${protoAddr(p, spa, pro, pln)}`);
      break;
    default:
      p.raw(at, p.left(at));
      return;
  }
  p.put(`, length ${length}`);
}
