/**
 * gre.ts — `grekey`, `udpport`, `enable_csum`, `enable_seq`, `udpencap`: what the header of a gre's packets has.
 * Read first: gre(4); freebsd `sbin/ifconfig/ifgre.c`.
 *
 * Numbers are read as strtol(3) reads them: as far as they go, a word without digits is 0, and 32 bits are kept. A refusal is told and is no
 * failure of ifconfig's; one of options is told as `GIFSOPTS`, as in FreeBSD.
 */
import { EINVAL, GRE_ENABLE_CSUM, GRE_ENABLE_SEQ, GRE_UDPENCAP, greParams, greSetKey, greSetOptions, greSetUdpport } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { bitList } from './capabilities.js';
import { request } from './if-request.js';
import { word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** Names of options by bit. */
export const GRE_OPTION_NAMES: readonly string[] = ['ENABLE_CSUM', 'ENABLE_SEQ', 'UDPENCAP'];

const OPTIONS: readonly (readonly [word: string, bit: number])[] = [['enable_csum', GRE_ENABLE_CSUM], ['enable_seq', GRE_ENABLE_SEQ], ['udpencap', GRE_UDPENCAP]];

const LONG_MAX = 0x7fff_ffff_ffff_ffffn;

/** The low 32 bits of strtol(3) with base 0. */
function strtol32(text: string): number {
  const [, sign = '', digits = '0'] = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)/.exec(text) ?? [];
  const octal = /^0([0-7]*)/.exec(digits);
  const isHex = /^0[xX]/.test(digits);
  const decimal = /^[0-9]+/.exec(digits)?.[0] ?? '0';
  const value = isHex ? BigInt(digits) : octal !== null ? BigInt(`0o0${octal[1] ?? ''}`) : BigInt(decimal);
  const signed = sign === '-' ? -value : value;
  const held = signed > LONG_MAX ? LONG_MAX : signed < -LONG_MAX - 1n ? -LONG_MAX - 1n : signed;
  return Number(BigInt.asUintN(32, held));
}

function setKey(cx: Invocation, text: string): void {
  const error = request(cx, (ifp) => greSetKey(ifp, strtol32(text)));
  if (error !== 0) cx.warn('ioctl (set grekey)', error);
}

function setUdpport(cx: Invocation, text: string): void {
  const error = request(cx, (ifp) => greSetUdpport(ifp, strtol32(text)));
  if (error !== 0) cx.warn('ioctl (set udpport)', error);
}

function setOption(cx: Invocation, bit: number, on: boolean): void {
  const params = cx.ifp === null ? null : greParams(cx.ifp);
  if (params === null) return cx.warn('ioctl(GREGOPTS)', EINVAL);
  const error = request(cx, (ifp) => greSetOptions(ifp, on ? params.options | bit : params.options & ~bit));
  if (error !== 0) cx.warn('ioctl(GIFSOPTS)', error);
}

export const GRE_COMMANDS: readonly Command[] = [
  word1('grekey', setKey),
  word1('udpport', setUdpport),
  ...OPTIONS.flatMap(([name, bit]) => [
    word(name, (cx) => {
      setOption(cx, bit, true);
    }),
    word(`-${name}`, (cx) => {
      setOption(cx, bit, false);
    }),
  ]),
];

export function greStatus(cx: Invocation, ifp: Ifnet): void {
  const params = greParams(ifp);
  if (params === null) return;
  const { key, options, udpport } = params;
  if (key !== 0) cx.out(`\tgrekey: 0x${key.toString(16)} (${key})\n`);
  if (options === 0) return;
  if (udpport !== 0) cx.out(`\tudpport: ${udpport}\n`);
  cx.out(`\toptions=${options.toString(16)}${bitList(options, GRE_OPTION_NAMES, 'GRE')}\n`);
}
