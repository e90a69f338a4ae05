/**
 * ip-demux.ts — from a protocol number to the printer of the protocol, for IPv4 and IPv6.
 *
 * Not here, though tcpdump has them: IPsec, SCTP, routing protocols. They print their number and length.
 */

import * as proto from '../ipproto.js';
import { carpOrVrrpPrint } from './carp.js';
import { grePrint } from './gre.js';
import { icmp4Print } from './icmp4.js';
import { icmp6Print } from './icmp6.js';
import { igmpPrint } from './igmp.js';
import type { IpPayload } from './ip-payload.js';
import { ipprotoName } from './names.js';
import type { Printer } from './printer.js';
import { tcpPrint } from './tcp.js';
import { udpPrint } from './udp.js';

export function ipDemuxPrint(p: Printer, ip: IpPayload): void {
  switch (ip.proto) {
    case proto.IPPROTO_TCP:
      tcpPrint(p, ip);
      break;
    case proto.IPPROTO_UDP:
      udpPrint(p, ip);
      break;
    case proto.IPPROTO_ICMP:
      if (wants(p, ip, 4)) icmp4Print(p, ip);
      break;
    case proto.IPPROTO_IGMP:
      if (wants(p, ip, 4)) igmpPrint(p, ip.at, ip.length);
      break;
    case proto.IPPROTO_ICMPV6:
      if (wants(p, ip, 6)) icmp6Print(p, ip);
      break;
    case proto.IPPROTO_ETHERNET:
      if (wants(p, ip, 6)) p.layers.ether(p, ip.at, ip.length);
      break;
    case proto.IPPROTO_IPV4:
      p.layers.ip4(p, ip.at, ip.length);
      break;
    case proto.IPPROTO_IPV6:
      p.layers.ip6(p, ip.at, ip.length);
      break;
    case proto.IPPROTO_GRE:
      grePrint(p, ip.at, ip.length);
      break;
    case proto.IPPROTO_CARP:
      carpOrVrrpPrint(p, ip);
      break;
    case proto.IPPROTO_NONE:
      p.put('no next header');
      break;
    default:
      p.put(` ip-proto-${ip.proto} ${ip.length}`);
  }
}

/** True when the protocol is carried by the version it belongs to, and says so when not. */
function wants(p: Printer, ip: IpPayload, version: 4 | 6): boolean {
  if (ip.version === version) return true;
  p.put(`[${ipprotoName(ip.proto)} requires IPv${version}]`);
  p.invalid();
  return false;
}
