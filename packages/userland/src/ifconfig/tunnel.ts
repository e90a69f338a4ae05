/**
 * tunnel.ts — `tunnel SRC DST`, `-tunnel`, `tunnelfib N`: the outer addresses of a gif, and the routing table they (or a vxlan's) are looked up in.
 * Read first: ifconfig(8) "tunnel", gif(4).
 *
 * Not here: outer IPv6 addresses; `ignore_source`, which gif refuses.
 */
import { EINVAL, EOPNOTSUPP, gifDeleteTunnel, gifSetTunnel, gifTunnel } from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { inetAton, ip4Format } from '@netloom/core/wire';
import { checkFib, request } from './if-request.js';
import { parseUnsigned, word, word1, word2 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const GIF = 'gif';
/** Kinds whose outer packets have a routing table of their own. */
const HAS_TUNNELFIB = [GIF, 'vxlan'];

function parseEnd(cx: Invocation, text: string): number {
  return inetAton(text) ?? cx.errx('error in parsing address string: Name does not resolve');
}

function setTunnel(cx: Invocation, src: string, dst: string): void {
  const { settunnel, name } = cx.family;
  if (settunnel === undefined) return cx.warnx(`address family ${name} does not support tunnel setup`);
  settunnel(cx, parseEnd(cx, src), parseEnd(cx, dst));
}

/** SIOCSIFPHYADDR; a refusal is told and is no failure of ifconfig's, as in FreeBSD. */
export function setInetTunnel(cx: Invocation, src: number, dst: number): void {
  const error = request(cx, (ifp) => gifSetTunnel(ifp, src, dst));
  if (error !== 0) cx.warn('SIOCSIFPHYADDR', error);
}

function deleteTunnel(cx: Invocation): void {
  cx.check('SIOCDIFPHYADDR', request(cx, gifDeleteTunnel));
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
  const ends = gifTunnel(ifp);
  if (ends !== null) cx.out(`\ttunnel inet ${ip4Format(ends.src)} --> ${ip4Format(ends.dst)}\n`);
}
