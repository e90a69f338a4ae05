/**
 * stf.ts — `stfv4net ADDR/LEN` and `stfv4br ADDR`: the 6rd domain of an stf and its border relay.
 * Read first: stf(4); freebsd `sbin/ifconfig/ifstf.c`.
 */
import { stfParams, stfSetNet, stfSetRelay } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { inetAton, ip4Format } from '@netloom/core/wire';
import { errx } from '../err.js';
import { request } from './if-request.js';
import { word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const PLEN_MAX = 32;
const EX_WORD = 2;

/** What strtonum(3) has against a prefix length; 0 passes there, and then has no reason to print. */
function lengthComplaint(digits: string): string | null {
  if (!/^\s*[+-]?[0-9]+$/.test(digits)) return 'invalid';
  const n = Number(digits);
  if (n < 0) return 'too small';
  if (n > PLEN_MAX) return 'too large';
  return n === 0 ? '(null)' : null;
}

function setNet(cx: Invocation, text: string): void {
  const slash = text.lastIndexOf('/');
  if (slash < 0) errx(cx.p, EX_WORD, 'Wrong argument given');
  const complaint = lengthComplaint(text.slice(slash + 1));
  if (complaint !== null) cx.errx(`${text}: bad value (prefix length ${complaint})`);
  const name = text.slice(0, slash);
  const addr = inetAton(name) ?? cx.errx(`${name}: bad value`);
  cx.check(`STF6RD_SV4NET ${name}`, request(cx, (ifp) => stfSetNet(ifp, addr, Number(text.slice(slash + 1)))));
}

function setRelay(cx: Invocation, text: string): void {
  const addr = inetAton(text) ?? cx.errx(`${text}: bad value`);
  cx.check(`STF6RD_SBR${text}`, request(cx, (ifp) => stfSetRelay(ifp, addr)));
}

export const STF_COMMANDS: readonly Command[] = [word1('stfv4net', setNet), word1('stfv4br', setRelay)];

/** The parameters as text; null for what is no stf. */
export function shownStf(ifp: Ifnet): { readonly v4net: string; readonly v4br: string } | null {
  const params = stfParams(ifp);
  return params === null ? null : { v4net: `${ip4Format(params.srcv4)}/${params.plen4 || PLEN_MAX}`, v4br: ip4Format(params.relay) };
}

export function stfStatus(cx: Invocation, ifp: Ifnet): void {
  const stf = shownStf(ifp);
  if (stf !== null) cx.out(`\tv4net ${stf.v4net} -> tv4br ${stf.v4br}\n`);
}
