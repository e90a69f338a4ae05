/**
 * icmp-names.ts — ICMP types and codes by the names that packet scripts use, for IPv4 and IPv6.
 * Read first: RFC 792, RFC 4443.
 *
 * One script runs over both families, so a name that one of them lacks is an error there and not in the other.
 */
import {
  ICMP_ECHO, ICMP_ECHOREPLY, ICMP_PARAMPROB, ICMP_REDIRECT, ICMP_SOURCEQUENCH, ICMP_TIMXCEED, ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB, ICMP_UNREACH_HOST,
  ICMP_UNREACH_HOST_PRECEDENCE, ICMP_UNREACH_HOST_PROHIB, ICMP_UNREACH_HOST_UNKNOWN, ICMP_UNREACH_ISOLATED, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_NET,
  ICMP_UNREACH_NET_PROHIB, ICMP_UNREACH_NET_UNKNOWN, ICMP_UNREACH_PORT, ICMP_UNREACH_PRECEDENCE_CUTOFF, ICMP_UNREACH_PROTOCOL, ICMP_UNREACH_SRCFAIL,
  ICMP_UNREACH_TOSHOST, ICMP_UNREACH_TOSNET,
} from '../../wire/icmp4.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_BEYONDSCOPE, ICMP6_DST_UNREACH_NOPORT, ICMP6_DST_UNREACH_NOROUTE,
  ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_PACKET_TOO_BIG, ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED,
} from '../../wire/icmp6.js';

interface IcmpType {
  readonly type: number;
  readonly codes: Readonly<Record<string, number>>;
}

const TYPES4: ReadonlyMap<string, IcmpType> = new Map<string, IcmpType>([
  ['echo_reply', { type: ICMP_ECHOREPLY, codes: {} }],
  ['echo_request', { type: ICMP_ECHO, codes: {} }],
  ['source_quench', { type: ICMP_SOURCEQUENCH, codes: {} }],
  ['redirect', { type: ICMP_REDIRECT, codes: {} }],
  ['time_exceeded', { type: ICMP_TIMXCEED, codes: { ttl_exceeded_in_transit: 0, frag_reass_exceeded: 1 } }],
  ['parameter_problem', { type: ICMP_PARAMPROB, codes: {} }],
  [
    'unreachable',
    {
      type: ICMP_UNREACH,
      codes: {
        net_unreachable: ICMP_UNREACH_NET,
        host_unreachable: ICMP_UNREACH_HOST,
        protocol_unreachable: ICMP_UNREACH_PROTOCOL,
        port_unreachable: ICMP_UNREACH_PORT,
        frag_needed: ICMP_UNREACH_NEEDFRAG,
        source_route_failed: ICMP_UNREACH_SRCFAIL,
        net_unknown: ICMP_UNREACH_NET_UNKNOWN,
        host_unknown: ICMP_UNREACH_HOST_UNKNOWN,
        source_host_isolated: ICMP_UNREACH_ISOLATED,
        net_prohibited: ICMP_UNREACH_NET_PROHIB,
        host_prohibited: ICMP_UNREACH_HOST_PROHIB,
        net_unreachable_for_tos: ICMP_UNREACH_TOSNET,
        host_unreachable_for_tos: ICMP_UNREACH_TOSHOST,
        packet_filtered: ICMP_UNREACH_FILTER_PROHIB,
        precedence_violation: ICMP_UNREACH_HOST_PRECEDENCE,
        precedence_cutoff: ICMP_UNREACH_PRECEDENCE_CUTOFF,
      },
    },
  ],
]);

const TYPES6: ReadonlyMap<string, IcmpType> = new Map<string, IcmpType>([
  ['echo_request', { type: ICMP6_ECHO_REQUEST, codes: {} }],
  ['echo_reply', { type: ICMP6_ECHO_REPLY, codes: {} }],
  ['packet_too_big', { type: ICMP6_PACKET_TOO_BIG, codes: {} }],
  ['time_exceeded', { type: ICMP6_TIME_EXCEEDED, codes: { exceeded_hop_limit: 0, exceeded_frag_time: 1 } }],
  ['parameter_problem', { type: ICMP6_PARAM_PROB, codes: { header_field: 0, unknown_next_header: 1, unknown_option: 2 } }],
  [
    'unreachable',
    {
      type: ICMP6_DST_UNREACH,
      codes: {
        net_unreachable: ICMP6_DST_UNREACH_NOROUTE,
        no_route: ICMP6_DST_UNREACH_NOROUTE,
        admin_prohibited: ICMP6_DST_UNREACH_ADMIN,
        not_neighbour: ICMP6_DST_UNREACH_BEYONDSCOPE,
        address_unreachable: ICMP6_DST_UNREACH_ADDR,
        port_unreachable: ICMP6_DST_UNREACH_NOPORT,
      },
    },
  ],
]);

/** What a name is on the wire, or the text of what is wrong with it. */
export function icmpNumbers(ipv6: boolean, type: string, code: string): { readonly type: number; readonly code: number } | string {
  const family = ipv6 ? 'ICMPv6' : 'ICMP';
  const known = (ipv6 ? TYPES6 : TYPES4).get(type);
  if (known === undefined) return `${family} has no type "${type}"`;
  const plain = /^code_(\d+)$/.exec(code);
  const number = code === '' ? 0 : plain === null ? known.codes[code] : Number(plain[1]);
  return number === undefined ? `${family} "${type}" has no code "${code}"` : { type: known.type, code: number };
}
