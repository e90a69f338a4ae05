/**
 * tunnel.ts — `tunnel SRC DST`, `-tunnel`, `tunnelfib N`: the outer addresses of a gif or gre, and the routing table they (or a vxlan's) are looked up in.
 * Read first: ifconfig(8) "tunnel", gif(4), gre(4).
 *
 * Not here: `ignore_source`, which gif refuses; what only a gre has (gre.ts).
 */
import { EINVAL, EOPNOTSUPP, tunnelDelete, tunnelPair, tunnelPair6, tunnelSet, tunnelSet6 } from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { inetAton, ip4Format, ip6ParseScoped, ip6Zoned } from '@netloom/core/wire';
import { zonedText6 } from '../host-address6.js';
import { checkFib, request } from './if-request.js';
import { parseUnsigned, word, word1, word2 } from './invocation.js';
import type { Command, Invocation, TunnelEnd } from './invocation.js';

const GIF = 'gif';
/** Kinds whose outer packets have a routing table of their own. */
const HAS_TUNNELFIB = [GIF, 'gre', 'vxlan'];

function parseEnd(cx: Invocation, text: string): TunnelEnd {
  const addr = inetAton(text);
  if (addr !== null) return { family: 'inet', addr };
  const scoped = ip6ParseScoped(text);
  if (scoped !== null) return { family: 'inet6', addr: 0, addr6: ip6Zoned(scoped.addr, zoneOf(cx, scoped.zone)) };
  return cx.errx('error in parsing address string: Name does not resolve');
}

/** Index of the interface that a zone names; 0: none. */
function zoneOf(cx: Invocation, zone: string): number {
  if (zone === '') return 0;
  const ifp = cx.net.ifunit(zone);
  return ifp === null ? cx.errx('error in parsing address string: Name does not resolve') : ifp.index;
}

function setTunnel(cx: Invocation, src: string, dst: string): void {
  const from = parseEnd(cx, src);
  const to = parseEnd(cx, dst);
  if (from.family !== to.family) cx.errx('source and destination address families do not match');
  const { settunnel, name } = cx.family;
  if (settunnel === undefined) return cx.warnx(`address family ${name} does not support tunnel setup`);
  settunnel(cx, from, to);
}

/** SIOCSIFPHYADDR; a refusal is told and is no failure of ifconfig's, as in FreeBSD. */
export function setInetTunnel(cx: Invocation, src: TunnelEnd, dst: TunnelEnd): void {
  const error = request(cx, (ifp) => (src.family === 'inet' ? tunnelSet(ifp, src.addr, dst.addr) : EINVAL));
  if (error !== 0) cx.warn('SIOCSIFPHYADDR', error);
}

/** SIOCSIFPHYADDR_IN6, in the same way. */
export function setInet6Tunnel(cx: Invocation, src: TunnelEnd, dst: TunnelEnd): void {
  const error = request(cx, (ifp) => (src.addr6 === undefined || dst.addr6 === undefined ? EINVAL : tunnelSet6(ifp, src.addr6, dst.addr6)));
  if (error !== 0) cx.warn('SIOCSIFPHYADDR_IN6', error);
}

function deleteTunnel(cx: Invocation): void {
  cx.check('SIOCDIFPHYADDR', request(cx, tunnelDelete));
}

function setTunnelFib(cx: Invocation, value: string): void {
  const fib = parseUnsigned(value);
  if (fib === null || fib < 0) return cx.warn(`fib ${value} not valid`, EINVAL);
  const error = request(cx, (ifp): Errno => {
    const refused = HAS_TUNNELFIB.includes(ifp.dname) ? checkFib(cx, fib) : EINVAL;
    if (refused === 0) ifp.tunnelFib = fib;
    return refused;
  });
  if (error !== 0) cx.warn('ioctl (SIOCSTUNFIB)', error);
}

function refuseOption(cx: Invocation): void {
  cx.warn('ioctl(GIFSOPTS)', request(cx, (ifp) => (ifp.dname === GIF ? EOPNOTSUPP : EINVAL)));
}

export const TUNNEL_COMMANDS: readonly Command[] = [
  word2('tunnel', setTunnel),
  word('-tunnel', deleteTunnel),
  word('deletetunnel', deleteTunnel),
  word1('tunnelfib', setTunnelFib),
  word('ignore_source', refuseOption),
  word('-ignore_source', () => {}),
];

export function tunnelStatus(cx: Invocation, ifp: Ifnet): void {
  const ends = tunnelPair(ifp);
  if (ends !== null) cx.out(`\ttunnel inet ${ip4Format(ends.src)} --> ${ip4Format(ends.dst)}\n`);
  const ends6 = tunnelPair6(ifp);
  if (ends6 !== null) cx.out(`\ttunnel inet6 ${zonedText6(cx, ends6.src)} --> ${zonedText6(cx, ends6.dst)}\n`);
}
