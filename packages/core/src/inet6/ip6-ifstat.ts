/**
 * ip6-ifstat.ts — what IPv6 and ICMPv6 count of one interface: `netstat -I IF -s -f inet6`.
 * Read first: RFC 2465, RFC 2466 (where the counters come from); FreeBSD's netinet6/in6_var.h, struct in6_ifstat, struct icmp6_ifstat.
 *
 * The objects are made with the first packet: most interfaces of most vnets never see one.
 */
import type { CounterRow } from '../kern/counters.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_PACKET_TOO_BIG, ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED, MLDV2_LISTENER_REPORT,
  MLD_LISTENER_DONE, MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_REDIRECT, ND_ROUTER_ADVERT, ND_ROUTER_SOLICIT,
  icmp6IsError,
} from '../wire/icmp6.js';

/** `struct in6_ifstat`, without its prefix. */
export class In6Ifstat {
  receive = 0;
  hdrerr = 0;
  toobig = 0;
  noroute = 0;
  addrerr = 0;
  protounknown = 0;
  truncated = 0;
  discard = 0;
  deliver = 0;
  outForward = 0;
  outRequest = 0;
  outDiscard = 0;
  outFragok = 0;
  outFragfail = 0;
  outFragcreat = 0;
  reassReqd = 0;
  reassOk = 0;
  reassFail = 0;
  mcast = 0;
  outMcast = 0;
}

export const IN6_IFSTAT_ROWS: readonly CounterRow<In6Ifstat>[] = [
  { key: 'receive', text: '{} total input datagram{s}' },
  { key: 'hdrerr', text: '{} datagram{s} with invalid header received' },
  { key: 'toobig', text: '{} datagram{s} exceeded MTU received' },
  { key: 'noroute', text: '{} datagram{s} with no route received' },
  { key: 'addrerr', text: '{} datagram{s} with invalid dst received' },
  { key: 'protounknown', text: '{} datagram{s} with unknown proto received' },
  { key: 'truncated', text: '{} truncated datagram{s} received' },
  { key: 'discard', text: '{} input datagram{s} discarded' },
  { key: 'deliver', text: '{} datagram{s} delivered to an upper layer protocol' },
  { key: 'outForward', text: '{} datagram{s} forwarded to this interface' },
  { key: 'outRequest', text: '{} datagram{s} sent from an upper layer protocol' },
  { key: 'outDiscard', text: '{} total discarded output datagram{s}' },
  { key: 'outFragok', text: '{} output datagram{s} fragmented' },
  { key: 'outFragfail', text: '{} output datagram{s} failed on fragment' },
  { key: 'outFragcreat', text: '{} output datagram{s} succeeded on fragment' },
  { key: 'reassReqd', text: '{} incoming datagram{s} fragmented' },
  { key: 'reassOk', text: '{} datagram{s} reassembled' },
  { key: 'reassFail', text: '{} datagram{s} failed on reassembly' },
  { key: 'mcast', text: '{} multicast datagram{s} received' },
  { key: 'outMcast', text: '{} multicast datagram{s} sent' },
];

/** `struct icmp6_ifstat`: one direction is one of these. */
export class Icmp6Ifdir {
  msg = 0;
  error = 0;
  dstunreach = 0;
  adminprohib = 0;
  timeexceed = 0;
  paramprob = 0;
  pkttoobig = 0;
  echo = 0;
  echoreply = 0;
  routersolicit = 0;
  routeradvert = 0;
  neighborsolicit = 0;
  neighboradvert = 0;
  redirect = 0;
  mldquery = 0;
  mldreport = 0;
  mlddone = 0;
}

/** Counts one message of this type and code. */
export function icmp6IfCount(dir: Icmp6Ifdir, type: number, code: number): void {
  dir.msg++;
  if (icmp6IsError(type)) dir.error++;
  switch (type) {
    case ICMP6_DST_UNREACH:
      dir.dstunreach++;
      if (code === ICMP6_DST_UNREACH_ADMIN) dir.adminprohib++;
      return;
    case ICMP6_PACKET_TOO_BIG:
      dir.pkttoobig++;
      return;
    case ICMP6_TIME_EXCEEDED:
      dir.timeexceed++;
      return;
    case ICMP6_PARAM_PROB:
      dir.paramprob++;
      return;
    case ICMP6_ECHO_REQUEST:
      dir.echo++;
      return;
    case ICMP6_ECHO_REPLY:
      dir.echoreply++;
      return;
    default:
      countNd(dir, type);
  }
}

function countNd(dir: Icmp6Ifdir, type: number): void {
  if (type === ND_NEIGHBOR_SOLICIT) dir.neighborsolicit++;
  else if (type === ND_NEIGHBOR_ADVERT) dir.neighboradvert++;
  else if (type === ND_ROUTER_SOLICIT) dir.routersolicit++;
  else if (type === ND_ROUTER_ADVERT) dir.routeradvert++;
  else if (type === ND_REDIRECT) dir.redirect++;
  else if (type === MLD_LISTENER_QUERY) dir.mldquery++;
  else if (type === MLD_LISTENER_REPORT || type === MLDV2_LISTENER_REPORT) dir.mldreport++;
  else if (type === MLD_LISTENER_DONE) dir.mlddone++;
}

const rows = (way: string): CounterRow<Icmp6Ifdir>[] => [
  { key: 'msg', text: `{} total ${way} message{s}` },
  { key: 'error', text: `{} total ${way} error message{s}` },
  { key: 'dstunreach', text: `{} ${way} destination unreachable error{s}` },
  { key: 'adminprohib', text: `{} ${way} administratively prohibited error{s}` },
  { key: 'timeexceed', text: `{} ${way} time exceeded error{s}` },
  { key: 'paramprob', text: `{} ${way} parameter problem error{s}` },
  { key: 'pkttoobig', text: `{} ${way} packet too big error{s}` },
  { key: 'echo', text: `{} ${way} echo request{s}` },
  { key: 'echoreply', text: `{} ${way} echo repl{ies}` },
  { key: 'routersolicit', text: `{} ${way} router solicitation{s}` },
  { key: 'routeradvert', text: `{} ${way} router advertisement{s}` },
  { key: 'neighborsolicit', text: `{} ${way} neighbor solicitation{s}` },
  { key: 'neighboradvert', text: `{} ${way} neighbor advertisement{s}` },
  { key: 'redirect', text: `{} ${way} redirect{s}` },
  { key: 'mldquery', text: `{} ${way} MLD quer{ies}` },
  { key: 'mldreport', text: `{} ${way} MLD report{s}` },
  { key: 'mlddone', text: `{} ${way} MLD done{s}` },
];

export const ICMP6_IFIN_ROWS: readonly CounterRow<Icmp6Ifdir>[] = rows('input');
export const ICMP6_IFOUT_ROWS: readonly CounterRow<Icmp6Ifdir>[] = rows('output');

/** Everything IPv6 counts of one interface. */
export class Ip6Ifstats {
  readonly ip6 = new In6Ifstat();
  readonly icmp6In = new Icmp6Ifdir();
  readonly icmp6Out = new Icmp6Ifdir();
}
