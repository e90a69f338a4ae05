/**
 * u32-words.ts — `match u32 VALUE MASK at OFF`, `match ip dport 80 0xffff`: the selectors of u32 as keys.
 * Read first: tc-u32(8); iproute2's `tc/f_u32.c`.
 *
 * Values are decimal or C's, masks are hexadecimal. Matches of 16 and 8 bits become keys of 32; matches of the same word are one key, and are refused when they contradict each other.
 */
import { U32_KEYS_MAX } from '@netloom/core';
import type { U32Key } from '@netloom/core';
import { ip4ParsePrefix, ip6ParsePrefix } from '@netloom/core/wire';
import { matches, parseU32 } from './tc-args.js';
import type { TcArgs } from './tc-args.js';

/** Where a match looks when it does not say. */
interface Place {
  readonly off: number;
  readonly nexthdr: boolean;
}

export class U32Selector {
  readonly keys: U32Key[] = [];

  /** Adds a key, or makes it part of one; false: that cannot be. */
  pack(value: number, mask: number, { off, nexthdr }: Place): boolean {
    const val = value & mask;
    const at = this.keys.findIndex((k) => k.off === off && k.nexthdr === nexthdr);
    if (at >= 0) {
      const key = this.keys[at]!;
      if (((val ^ key.val) & mask & key.mask) !== 0) return false;
      this.keys[at] = { ...key, val: key.val | val, mask: key.mask | mask };
      return true;
    }
    if (this.keys.length >= U32_KEYS_MAX || off % 4 !== 0) return false;
    this.keys.push({ val, mask: mask | 0, off, nexthdr });
    return true;
  }

  /** `bits` wide, at any place of its word. */
  packBits(value: number, mask: number, place: Place, bits: 8 | 16 | 32): boolean {
    if (bits === 32) return this.pack(value, mask, place);
    if (value >= 1 << bits || mask >= 1 << bits) return false;
    const inWord = place.off & 3;
    const shift = bits === 16 ? (inWord === 0 ? 16 : 0) : 24 - 8 * inWord;
    return this.pack(value << shift, mask << shift, { ...place, off: place.off & ~3 });
  }
}

/** `at OFF`, `at nexthdr+OFF`; null: not a number. */
function place(args: TcArgs, otherwise: Place): Place | null {
  if (args.word !== 'at') return otherwise;
  let word = args.next();
  let { nexthdr } = otherwise;
  if (word.startsWith('nexthdr+') && word.length > 'nexthdr+'.length) {
    nexthdr = true;
    word = word.slice('nexthdr+'.length);
  } else if (matches(word, 'nexthdr+')) {
    nexthdr = true;
    word = args.next();
  }
  const sign = word.startsWith('-') ? -1 : 1;
  const off = parseU32(word.replace(/^-/, ''));
  args.skip();
  return off === null || off > 0xffff ? null : { off: sign * off, nexthdr };
}

/** `VALUE MASK [at OFF]` */
function word(args: TcArgs, selector: U32Selector, bits: 8 | 16 | 32, at: Place): boolean {
  const value = parseU32(args.take() ?? '');
  const mask = parseU32(args.take() ?? '', 16);
  if (value === null || mask === null) return false;
  const where = place(args, at);
  return where !== null && selector.packBits(value, mask, where, bits);
}

function address4(args: TcArgs, selector: U32Selector, off: number): boolean {
  const text = args.take() ?? '';
  const prefix = text === 'any' || text === 'all' || text === 'default' ? { addr: 0, len: 0 } : ip4ParsePrefix(text.includes('/') ? text : `${text}/32`);
  if (prefix === null) return false;
  const where = place(args, { off, nexthdr: false });
  return where !== null && selector.pack(prefix.addr, prefix.len === 0 ? 0 : -1 << (32 - prefix.len), where);
}

function address6(args: TcArgs, selector: U32Selector, off: number): boolean {
  const text = args.take() ?? '';
  const prefix = ip6ParsePrefix(text.includes('/') ? text : `${text}/128`);
  if (prefix === null) return false;
  const where = place(args, { off, nexthdr: false });
  if (where === null) return false;
  const view = new DataView(prefix.addr.buffer, prefix.addr.byteOffset, prefix.addr.byteLength);
  for (let bit = 0; bit < prefix.len; bit += 32) {
    const mask = prefix.len - bit >= 32 ? -1 : -1 << (32 - (prefix.len - bit));
    if (!selector.pack(view.getUint32(bit / 8), mask, { ...where, off: where.off + bit / 8 })) return false;
  }
  return true;
}

type Field = readonly [name: string, parse: (args: TcArgs, selector: U32Selector) => boolean];

const value = (name: string, bits: 8 | 16 | 32, off: number, nexthdr = false): Field => [name, (args, selector) => word(args, selector, bits, { off, nexthdr })];
const flag = (name: string, set: number, mask: number): Field => [name, (_args, selector) => selector.packBits(set, mask, { off: 6, nexthdr: false }, 16)];

/** Fields by the word behind `match`. */
const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  ip: [
    ['src', (args, selector) => address4(args, selector, 12)], ['dst', (args, selector) => address4(args, selector, 16)],
    value('tos', 8, 1), value('dsfield', 8, 1), value('precedence', 8, 1), value('ihl', 8, 0), value('protocol', 8, 9),
    flag('nofrag', 0, 0x3fff), flag('firstfrag', 0x2000, 0x3fff), flag('df', 0x4000, 0x4000), flag('mf', 0x2000, 0x2000),
    value('dport', 16, 22), value('sport', 16, 20), value('icmp_type', 8, 20), value('icmp_code', 8, 21),
  ],
  ip6: [
    ['src', (args, selector) => address6(args, selector, 8)], ['dst', (args, selector) => address6(args, selector, 24)],
    value('protocol', 8, 6), value('flowlabel', 32, 0), value('dport', 16, 42), value('sport', 16, 40), value('icmp_type', 8, 40), value('icmp_code', 8, 41),
  ],
  tcp: [value('src', 16, 0, true), value('dst', 16, 2, true)],
  udp: [value('src', 16, 0, true), value('dst', 16, 2, true)],
  icmp: [value('type', 8, 0, true), value('code', 8, 1, true)],
};

const WIDTHS: Readonly<Record<string, 8 | 16 | 32>> = { u32: 32, u16: 16, u8: 8 };

/** What is behind `match`; false: it cannot be understood. */
export function parseSelector(args: TcArgs, selector: U32Selector): boolean {
  const kind = args.take() ?? '';
  const bits = WIDTHS[kind];
  if (bits !== undefined) return word(args, selector, bits, { off: 0, nexthdr: false });
  const name = args.word;
  const field = FIELDS[kind]?.find(([of]) => of === name);
  if (field === undefined) return false;
  args.skip();
  return field[1](args, selector);
}
