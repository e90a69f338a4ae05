/**
 * udp.ts — prints UDP: `IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 10`.
 * Read first: RFC 768.
 *
 * What the datagram carries tcpdump guesses from the port. Of that only VXLAN is here, whose port is assigned and whose content is a frame;
 * a guess about any other port of the lab says little.
 */

import * as udp from '../udp.js';
import { VXLAN_PORT } from '../vxlan.js';
import type { IpPayload } from './ip-payload.js';
import { cksumNote, endpoints, ipDst, ipSrc, payloadCksum } from './ip-payload.js';
import type { Printer } from './printer.js';
import { vxlanPrint } from './vxlan.js';

export function udpPrint(p: Printer, ip: IpPayload): void {
  p.proto = 'udp';
  const at = ip.at;
  if (!p.has(at, 4)) {
    if (endpointsAreShown(p, ip)) p.put(`${ipSrc(p, ip)} > ${ipDst(p, ip)}: `);
    p.trunc();
    return;
  }
  const sport = p.u16(at);
  const dport = p.u16(at + udp.UDP_DPORT);
  p.put(endpoints(p, ip, sport, dport));
  if (ip.length < udp.UDP_HDR_LEN) {
    p.put(`truncated-udp ${ip.length}`);
    return;
  }
  if (!p.has(at + udp.UDP_ULEN, 2)) {
    p.trunc();
    return;
  }
  let ulen = p.u16(at + udp.UDP_ULEN);
  if (ulen === 0 && ip.length > 65535) ulen = ip.length;
  if (ulen < udp.UDP_HDR_LEN) {
    p.put(`truncated-udplength ${ulen}`);
    return;
  }
  if (!p.has(at, udp.UDP_HDR_LEN)) {
    p.trunc();
    return;
  }
  const dataLen = ulen - udp.UDP_HDR_LEN;
  const length = Math.min(dataLen, ip.length - udp.UDP_HDR_LEN);
  sumPrint(p, ip, length + udp.UDP_HDR_LEN);
  if (!p.flags.quiet && (sport === VXLAN_PORT || dport === VXLAN_PORT)) vxlanPrint(p, at + udp.UDP_HDR_LEN, length);
  else if (dataLen > length && !ip.fragmented) p.put(`UDP, bad length ${dataLen} > ${length}`);
  else p.put(`UDP, length ${dataLen}`);
}

/** The addresses belong to this line unless an extension header printed them. */
function endpointsAreShown(p: Printer, ip: IpPayload): boolean {
  return ip.version === 4 || p.u8(ip.ip + 6) === ip.proto;
}

/** The checksum's verdict: over IPv6 with -v, over IPv4, where it is optional, with -vv. */
function sumPrint(p: Printer, ip: IpPayload, covered: number): void {
  if (p.flags.verbose < (ip.version === 6 ? 1 : 2) || p.flags.noCksum || ip.fragmented) return;
  const field = p.u16(ip.at + udp.UDP_SUM);
  if (ip.version === 4 && field === 0) p.put('[no cksum] ');
  else if (p.has(ip.at, covered)) p.put(cksumNote('udp', field, payloadCksum(p, ip, covered)));
}
