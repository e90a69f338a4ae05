/**
 * address-text.ts — addresses of a rule in words.
 * Read first: rule-address.ts, which reads them.
 */
import type { IpfwInsn } from '@netloom/core';
import { O_IP6_DST, O_IP6_DST_ME, O_IP6_SRC, O_IP6_SRC_ME, O_IP_DST, O_IP_DST_LOOKUP, O_IP_DST_ME, O_IP_DST_SET, O_IP_SRC, O_IP_SRC_LOOKUP, O_IP_SRC_ME, O_IP_SRC_SET } from '@netloom/core';
import { ip4Format, ip6Format, ip6OfWords } from '@netloom/core/wire';
import { hostName } from '../host-address.js';
import { hostName6 } from '../host-address6.js';
import type { IpfwOptions } from './ipfw-tool.js';

/** How many bits from the left are set; -1: there are others too. */
export function contigMask(words: readonly number[], bits: number): number {
  let n = 0;
  const isSet = (i: number): boolean => ((words[i >>> 5] ?? 0) & (0x8000_0000 >>> (i & 31))) !== 0;
  while (n < bits && isSet(n)) n++;
  for (let i = n; i < bits; i++) if (isSet(i)) return -1;
  return n;
}

export function address4Text(insn: IpfwInsn, opts: IpfwOptions): string {
  const { op, d } = insn;
  if (op === O_IP_SRC_ME || op === O_IP_DST_ME) return 'me';
  if (op === O_IP_SRC_LOOKUP || op === O_IP_DST_LOOKUP) return tableText(insn);
  if (op === O_IP_SRC_SET || op === O_IP_DST_SET) return setText(insn);
  if (op === O_IP_SRC || op === O_IP_DST) return hostText(d[0] ?? 0, opts);
  const text: string[] = [];
  for (let i = 0; i < d.length; i += 2) {
    const mask = d[i + 1] ?? 0;
    const plen = contigMask([mask], 32);
    if (plen === 32) text.push(hostText(d[i] ?? 0, opts));
    else text.push(`${ip4Format((d[i] ?? 0) >>> 0)}${plen < 0 ? `:${ip4Format(mask >>> 0)}` : `/${plen}`}`);
  }
  return text.join(',');
}

export function tableText({ name, d }: IpfwInsn): string {
  return `table(${name}${d.length === 0 ? '' : `,${(d[0] ?? 0) >>> 0}`})`;
}

function hostText(addr: number, opts: IpfwOptions): string {
  return (opts.resolve ? hostName(addr >>> 0) : null) ?? ip4Format(addr >>> 0);
}

/** 1.2.3.0/24{1,5-9}: three neighbours and more are a range. */
function setText({ d, arg1 }: IpfwInsn): string {
  const base = (d[0] ?? 0) >>> 0;
  const low = base & 0xff;
  const has = (i: number): boolean => i < arg1 && ((d[1 + (i >>> 5)] ?? 0) & (1 << (i & 31))) !== 0;
  const text: string[] = [];
  for (let i = 0; i < arg1; i++) {
    if (!has(i)) continue;
    let j = i + 1;
    while (has(j)) j++;
    if (j > i + 2) {
      text.push(`${i + low}-${j - 1 + low}`);
      i = j - 1;
    } else text.push(String(i + low));
  }
  return `${ip4Format(base)}/${contigMask([~(arg1 - 1)], 32)}{${text.join(',')}}`;
}

export function address6Text({ op, d }: IpfwInsn, opts: IpfwOptions): string {
  if (op === O_IP6_SRC_ME || op === O_IP6_DST_ME) return 'me6';
  const isOne = op === O_IP6_SRC || op === O_IP6_DST;
  const text: string[] = [];
  for (let i = 0; i < d.length; i += isOne ? 4 : 8) {
    const addr = ip6OfWords(d[i] ?? 0, d[i + 1] ?? 0, d[i + 2] ?? 0, d[i + 3] ?? 0);
    const mask = [...d.slice(i + 4, i + 8)];
    const plen = isOne ? 128 : contigMask(mask, 128);
    const name = plen === 128 && opts.resolve ? hostName6({ addr, scopeId: 0 }) : null;
    if (name !== null || plen === 128) text.push(name ?? ip6Format(addr));
    else text.push(`${ip6Format(addr)}/${plen < 0 ? ip6Format(ip6OfWords(mask[0] ?? 0, mask[1] ?? 0, mask[2] ?? 0, mask[3] ?? 0)) : String(plen)}`);
  }
  return text.join(',');
}

/** Destination and source of `MAC dst src`: three words, and three of masks. */
export function macText(d: Int32Array): string {
  const bytes = new Uint8Array(24);
  const v = new DataView(bytes.buffer);
  d.forEach((word, i) => v.setInt32(i * 4, word));
  return [0, 6].map((at) => oneMac(bytes.subarray(at, at + 6), bytes.subarray(at + 12, at + 18))).join(' ');
}

const colons = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':');

function oneMac(addr: Uint8Array, mask: Uint8Array): string {
  const [m0 = 0, m1 = 0, m2 = 0, m3 = 0, m4 = 0, m5 = 0] = mask;
  const bits = contigMask([(m0 << 24) | (m1 << 16) | (m2 << 8) | m3, (m4 << 24) | (m5 << 16)], 48);
  if (bits === 0) return 'any';
  return `${colons(addr)}${bits < 0 ? `&${colons(mask)}` : bits < 48 ? `/${bits}` : ''}`;
}
