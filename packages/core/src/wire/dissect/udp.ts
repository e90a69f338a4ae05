/**
 * udp.ts — prints UDP: `IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 10`.
 * Read first: RFC 768.
 *
 * What the datagram carries tcpdump guesses from the port. Of that DNS, DHCP and VXLAN are here; a guess about any other port of the lab says little.
 */

import { DHCP4_CLIENT_PORT, DHCP4_SERVER_PORT } from '../dhcp4.js';
import { DHCP6_CLIENT_PORT, DHCP6_SERVER_PORT } from '../dhcp6.js';
import { DNS_PORT } from '../dns.js';
import * as udp from '../udp.js';
import { VXLAN_PORT } from '../vxlan.js';
import { dhcp4Print } from './dhcp4.js';
import { dhcp6Print } from './dhcp6.js';
import { dnsPrint } from './dns.js';
import type { IpPayload } from './ip-payload.js';
import { cksumNote, endpoints, ipDst, ipSrc, payloadCksum } from './ip-payload.js';
import type { Printer } from './printer.js';
import { vxlanPrint } from './vxlan.js';

const MDNS_PORT = 5353;

/** Who prints what is inside, by either port, in the order in which tcpdump asks. */
const CONTENTS: readonly (readonly [ports: readonly number[], print: (p: Printer, at: number, length: number) => void])[] = [
  [[DNS_PORT], (p, at, length) => dnsPrint(p, at, length, false)],
  [[DHCP4_SERVER_PORT, DHCP4_CLIENT_PORT], dhcp4Print],
  [[MDNS_PORT], (p, at, length) => dnsPrint(p, at, length, true)],
  [[DHCP6_SERVER_PORT, DHCP6_CLIENT_PORT], dhcp6Print],
  [[VXLAN_PORT], vxlanPrint],
];

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
  const content = p.flags.quiet ? undefined : CONTENTS.find(([ports]) => ports.includes(sport) || ports.includes(dport));
  if (content !== undefined) content[1](p, at + udp.UDP_HDR_LEN, length);
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
