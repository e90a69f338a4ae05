/**
 * icmp6-text.ts — an ICMPv6 message in ping's words.
 * Read first: ping(8) -v; RFC 4443 §3.
 */
import {
  ICMP6_DST_UNREACH, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_MTU, ICMP6_PACKET_TOO_BIG, ICMP6_PARAM_PROB, ICMP6_PPTR, ICMP6_TIME_EXCEEDED,
  IP6_DST, IP6_FRAG_HDR_LEN, IP6_HDR_LEN, IP6_SRC, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ICMPV6, IPPROTO_ROUTING, IPPROTO_TCP, IPPROTO_UDP,
  MLD_LISTENER_DONE, MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_RD_DST, ND_REDIRECT, ND_ROUTER_ADVERT,
  ND_ROUTER_SOLICIT, ND_TARGET, icmp6Code, icmp6Type, ip6Class, ip6Flow, ip6Format, ip6Hlim, ip6Nxt, ip6Plen,
} from '@netloom/core/wire';

const UNREACH: readonly string[] = [
  'No Route to Destination', 'Destination Administratively Unreachable', 'Destination Unreachable Beyond Scope', 'Destination Host Unreachable',
  'Destination Port Unreachable',
];
const TIMXCEED: readonly string[] = ['Time to live exceeded', 'Frag reassembly time exceeded'];
const PARAM: readonly string[] = ['Erroneous Header ', 'Unknown Nextheader ', 'Unrecognized Option '];

/** Messages that are their type and nothing else. */
const PLAIN: ReadonlyMap<number, string> = new Map([
  [ICMP6_ECHO_REQUEST, 'Echo Request'], [ICMP6_ECHO_REPLY, 'Echo Reply'], [MLD_LISTENER_QUERY, 'Listener Query'], [MLD_LISTENER_REPORT, 'Listener Report'],
  [MLD_LISTENER_DONE, 'Listener Done'], [ND_ROUTER_SOLICIT, 'Router Solicitation'], [ND_ROUTER_ADVERT, 'Router Advertisement'],
  [ND_NEIGHBOR_SOLICIT, 'Neighbor Solicitation'], [ND_NEIGHBOR_ADVERT, 'Neighbor Advertisement'],
]);

/** The message of `len` bytes at `at`; an error is followed by the header it quotes, which ends with a newline. */
export function icmp6Text(bytes: Uint8Array, at: number, len: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = icmp6Type(view, at);
  const plain = PLAIN.get(type);
  if (plain !== undefined) return plain;
  if (type === ND_REDIRECT) {
    if (len < ND_RD_DST + 16) return 'Redirect\nDestination: ? New Target: ?';
    return `Redirect\nDestination: ${ip6Format(bytes, at + ND_RD_DST)} New Target: ${ip6Format(bytes, at + ND_TARGET)}`;
  }
  const text = errorText(view, at, type);
  return text === null ? `Bad ICMP type: ${type}` : `${text}\n${quoted(bytes, view, at + 8, at + len)}`;
}

function errorText(view: DataView, at: number, type: number): string | null {
  const code = icmp6Code(view, at);
  switch (type) {
    case ICMP6_DST_UNREACH:
      return UNREACH[code] ?? `Destination Unreachable, Bad Code: ${code}`;
    case ICMP6_PACKET_TOO_BIG:
      return `Packet too big mtu = ${view.getInt32(at + ICMP6_MTU)}`;
    case ICMP6_TIME_EXCEEDED:
      return TIMXCEED[code] ?? `Time exceeded, Bad Code: ${code}`;
    case ICMP6_PARAM_PROB:
      return `Parameter problem: ${PARAM[code] ?? `Bad code(${code}) `}pointer = 0x${hex(view.getUint32(at + ICMP6_PPTR), 2)}`;
    default:
      return null;
  }
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

const EXTENSION: ReadonlyMap<number, string> = new Map([
  [IPPROTO_HOPOPTS, 'HBH '], [IPPROTO_DSTOPTS, 'DSTOPT '], [IPPROTO_FRAGMENT, 'FRAG '], [IPPROTO_ROUTING, 'RTHDR '],
]);

/** The quoted packet: its header, its extension headers by name, what it carried. */
function quoted(bytes: Uint8Array, view: DataView, at: number, end: number): string {
  if (end - at < IP6_HDR_LEN) return 'IP6...\n';
  const fields = ` 6 ${hex(ip6Class(view, at), 2)} ${hex(ip6Flow(view, at), 5)} ${hex(ip6Plen(view, at), 4)}  ${hex(ip6Nxt(view, at), 2)}   ${hex(ip6Hlim(view, at), 2)}`;
  let out = `Vr TC  Flow Plen Nxt Hlim\n${fields}\n${ip6Format(bytes, at + IP6_SRC)}->${ip6Format(bytes, at + IP6_DST)}\n`;
  let nxt = ip6Nxt(view, at);
  for (let p = at + IP6_HDR_LEN; end - p >= 8; ) {
    const name = EXTENSION.get(nxt);
    if (name === undefined) return `${out}${upper(view, p, nxt)}\n`;
    out += name;
    const hlen = nxt === IPPROTO_FRAGMENT ? IP6_FRAG_HDR_LEN : (view.getUint8(p + 1) + 1) << 3;
    nxt = view.getUint8(p);
    p += hlen;
  }
  return `${out}...\n`;
}

function upper(view: DataView, at: number, nxt: number): string {
  switch (nxt) {
    case IPPROTO_ICMPV6:
      return `ICMP6: type = ${view.getUint8(at)}, code = ${view.getUint8(at + 1)}`;
    case IPPROTO_TCP:
      return `TCP: from port ${view.getUint16(at)}, to port ${view.getUint16(at + 2)} (decimal)`;
    case IPPROTO_UDP:
      return `UDP: from port ${view.getUint16(at)}, to port ${view.getUint16(at + 2)} (decimal)`;
    default:
      return `Unknown Header(${nxt})`;
  }
}
