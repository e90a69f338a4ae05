/**
 * tunnel.ts — `tunnel SRC DST`, `-tunnel`, `tunnelfib N`: the outer addresses of a gif or gre, and the routing table they (or a vxlan's) are looked up in.
 * Read first: ifconfig(8) "tunnel", gif(4), gre(4).
 *
 * Not here: outer IPv6 addresses, which are refused; `ignore_source`, which gif refuses; what only a gre has (gre.ts).
 */
import { EAFNOSUPPORT, EINVAL, EOPNOTSUPP, tunnelDelete, tunnelPair, tunnelSet } from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { inetAton, ip4Format, ip6ParseScoped } from '@netloom/core/wire';
import { checkFib, request } from './if-request.js';
import { parseUnsigned, word, word1, word2 } from './invocation.js';
import type { Command, Invocation, TunnelEnd } from './invocation.js';

const GIF = 'gif';
/** Kinds whose outer packets have a routing table of their own. */
const HAS_TUNNELFIB = [GIF, 'gre', 'vxlan'];

function parseEnd(cx: Invocation, text: string): TunnelEnd {
  const addr = inetAton(text);
  if (addr !== null) return { family: 'inet', addr };
  if (ip6ParseScoped(text) !== null) return { family: 'inet6', addr: 0 };
  return cx.errx('error in parsing address string: Name does not resolve');
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

/** SIOCSIFPHYADDR_IN6: no tunnel has outer IPv6 addresses. */
export function setInet6Tunnel(cx: Invocation): void {
  cx.warn('SIOCSIFPHYADDR_IN6', request(cx, () => EAFNOSUPPORT));
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
}
