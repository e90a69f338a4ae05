/**
 * ether.ts — prints an Ethernet frame: with -e its addresses, type and tags, then what it carries.
 * Read first: IEEE 802.3 §3.2, IEEE 802.1Q §9.
 *
 * A type nobody here knows prints the link-level header and the payload's bytes, as tcpdump does for types it does not know.
 * Not here, though tcpdump has them: LLDP, EAPOL, PPPoE, MPLS and other payloads that no stack of ours sends.
 */

import * as ether from '../ether.js';
import { arpPrint } from './arp.js';
import { llcPrint } from './llc.js';
import { ETHERTYPE_NAMES } from './names.js';
import type { Printer } from './printer.js';
import { slowPrint } from './slow.js';
import { hex } from './text.js';

function isTag(type: number): boolean {
  return ether.etherIsTagType(type) || type === ether.ETHERTYPE_8021Q9100 || type === ether.ETHERTYPE_8021Q9200;
}

function typeText(p: Printer, type: number): string {
  const name = ETHERTYPE_NAMES.get(type);
  if (p.flags.quiet) return name ?? `Unknown Ethertype (0x${hex(type, 4)})`;
  return `ethertype ${name ?? 'Unknown'} (0x${hex(type, 4)})`;
}

function tagText(tci: number): string {
  return `vlan ${ether.evlVlanOfTag(tci)}, p ${ether.evlPriOfTag(tci)}${ether.evlCfiOfTag(tci) !== 0 ? ', DEI' : ''}`;
}

/** Prints the frame at `at`, `wireLen` bytes on the wire. Answers the bytes of its headers. */
export function etherPrint(p: Printer, at: number, wireLen: number): number {
  p.proto = 'ether';
  if (wireLen < p.left(at)) {
    p.put(`[length ${wireLen} < caplen ${p.left(at)}]`);
    p.invalid();
    return wireLen;
  }
  if (p.left(at) < ether.ETHER_HDR_LEN) {
    p.trunc();
    return p.left(at);
  }
  const addrs = `${p.mac(at + ether.ETHER_SHOST)} > ${p.mac(at)}, `;
  if (p.flags.ether) p.put(addrs);
  let type = p.u16(at + ether.ETHER_TYPE);
  let body = at + ether.ETHER_HDR_LEN;
  let length = wireLen - ether.ETHER_HDR_LEN;
  let saidLength = false;
  while (isTag(type)) {
    if (p.left(body) < 4 || length < 4) {
      p.proto = 'vlan';
      p.trunc();
      return body - at + Math.min(p.left(body), length);
    }
    if (p.flags.ether) {
      p.put(`${typeText(p, type)}${saidLength ? ', ' : `, length ${wireLen}: `}${tagText(p.u16(body))}, `);
      saidLength = true;
    }
    type = p.u16(body + 2);
    body += 4;
    length -= 4;
  }
  if (type <= ether.ETHER_LENGTH_MAX || type === ether.ETHERTYPE_JUMBO) return body - at + llcBody(p, at, body, type, length, saidLength);
  if (p.flags.ether) p.put(`${typeText(p, type)}${saidLength ? ', ' : `, length ${wireLen}: `}`);
  if (!p.layers.ethertype(p, type, body, length)) {
    if (!p.flags.ether) p.put(`${addrs}${typeText(p, type)}, length ${wireLen}: `);
    p.unknown(body);
  }
  return body - at;
}

/** What follows a length field. Answers the bytes of the LLC header. */
function llcBody(p: Printer, macs: number, at: number, type: number, left: number, saidLength: boolean): number {
  let length = left;
  let was = p.snapend;
  if (type !== ether.ETHERTYPE_JUMBO) {
    if (type < length) length = type;
    was = p.cut(at, length);
    if (p.flags.ether) p.put(`802.3${saidLength ? '' : `, length ${length}: `}`);
  }
  const n = llcPrint(p, at, length, macs);
  if (n < 0) p.unknown(at);
  p.snapend = was;
  return Math.abs(n);
}

/** Prints the payload of an Ethernet type; false when the type is not known. */
export function ethertypePrint(p: Printer, type: number, at: number, length: number): boolean {
  switch (type) {
    case ether.ETHERTYPE_IP:
      p.layers.ip4(p, at, length);
      return true;
    case ether.ETHERTYPE_IPV6:
      p.layers.ip6(p, at, length);
      return true;
    case ether.ETHERTYPE_ARP:
    case ether.ETHERTYPE_REVARP:
      arpPrint(p, at, length);
      return true;
    case ether.ETHERTYPE_SLOW:
      slowPrint(p, at, length);
      return true;
    default:
      return false;
  }
}
