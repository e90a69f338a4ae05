/**
 * ng-parse.ts — NgParseType: one description of a value that reads and writes its ASCII and its binary form.
 * Read first: netgraph(4), ng_parse(9) in `sys/netgraph/ng_parse.h` for the vocabulary.
 *
 * Theory of operation. A type turns text into a value and back, and a value into bytes and back, so a node type works with plain values
 * and never with offsets. Fields may be given in any order; what is left out takes its default, and what equals its default is left out
 * when it is written. A value without a default (a link address) has to be given, and is always written.
 * An array's length may depend on a field before it: it is asked for with the fields converted so far (`parent`).
 *
 * Invariant: for every value v of a type, decode(encode(v)) and parse(format(v)) are v again.
 * Deliberately as in the original: what follows a whole value is not looked at.
 */
import type { Errno } from '../base/errno.js';
import { E2BIG, EALREADY, EINVAL, ENOENT, EOPNOTSUPP, ERANGE } from '../base/errno.js';
import { NgReader, NgWriter } from './ng-bytes.js';
import { NgScanner, quoteBytes } from './ng-scanner.js';

/** Longest text a conversion gives, bytes. */
export const NG_TEXT_MAX = 20_480;

/** The fields of the structure around a value that have been converted already. */
export type NgParent = Readonly<Record<string, unknown>>;

export interface NgParseType<T> {
  /** Of the binary form. */
  readonly align: number;
  parse(s: NgScanner, parent: NgParent): T;
  format(value: T): string;
  encode(value: T, w: NgWriter): void;
  decode(r: NgReader, parent: NgParent): T;
  /** What is meant when it is left out; null: it may not be. */
  initial(parent: NgParent): T | null;
  /** May it be left out when it is written? */
  isDefault(value: T): boolean;
}

/** The value a type stands for. */
export type NgValue<P> = P extends NgParseType<infer T> ? T : never;

const NO_PARENT: NgParent = {};

export type NgConverted<T> = { readonly error: 0; readonly value: T } | { readonly error: Errno; readonly value: null };

const failed = (error: Errno): { readonly error: Errno; readonly value: null } => ({ error, value: null });

/** Text to value. */
export function ngParse<T>(type: NgParseType<T>, text: string): NgConverted<T> {
  const s = new NgScanner(text);
  const value = type.parse(s, NO_PARENT);
  return s.error === 0 ? { error: 0, value } : failed(s.error);
}

/** Value to text. ERANGE: longer than NG_TEXT_MAX. */
export function ngFormat<T>(type: NgParseType<T>, value: T): NgConverted<string> {
  const text = type.format(value);
  return text.length < NG_TEXT_MAX ? { error: 0, value: text } : failed(ERANGE);
}

/** Value to bytes. */
export function ngEncode<T>(type: NgParseType<T>, value: T): Uint8Array {
  const w = new NgWriter();
  type.encode(value, w);
  return w.take();
}

/** Bytes to value; null when there are too few, or more than it takes. */
export function ngDecode<T>(type: NgParseType<T>, bytes: Uint8Array): T | null {
  const r = new NgReader(bytes);
  const value = type.decode(r, NO_PARENT);
  return r.short || r.pos !== bytes.length ? null : value;
}

/** What bytes begin with, whatever follows; null when there are too few. */
export function ngDecodeHead<T>(type: NgParseType<T>, bytes: Uint8Array): T | null {
  const r = new NgReader(bytes);
  const value = type.decode(r, NO_PARENT);
  return r.short ? null : value;
}

/** Bytes to text, as far as the bytes go. EINVAL: there are too few. */
export function ngUnparse<T>(type: NgParseType<T>, bytes: Uint8Array): NgConverted<string> {
  const r = new NgReader(bytes);
  const value = type.decode(r, NO_PARENT);
  return r.short ? failed(EINVAL) : ngFormat(type, value);
}

const NUMBER = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/;
const WHOLE_NUMBER = /^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;

/** C's strtol with base 0: the number a text begins with, null when it begins with none. */
export function strtol0(text: string): number | null {
  const digits = NUMBER.exec(text);
  if (digits === null) return null;
  const [, sign, body = ''] = digits;
  const value = /^0[0-7]/.test(body) ? parseInt(body, 8) : Number(body);
  return sign === '-' ? -value : value;
}

/** The same in 64 bits: the nearest number there is for one that has no place, signed or not. */
function strtoq0(text: string): bigint | null {
  const digits = NUMBER.exec(text);
  if (digits === null) return null;
  const [, sign, body = ''] = digits;
  const value = BigInt(/^0[0-7]/.test(body) ? `0o${body.slice(1)}` : body);
  const [least, most] = [-(1n << 63n), (1n << 64n) - 1n];
  if (sign === '-') return -value < least ? least : -value;
  return value > most ? most : value;
}

interface IntShape {
  readonly size: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  readonly hex: boolean;
}

const INT_MIN = { 1: -128, 2: -32_768, 4: -2_147_483_648, 8: -Infinity } as const;
const INT_MAX = { 1: 255, 2: 65_535, 4: 4_294_967_295, 8: Infinity } as const;

function int({ size, signed, hex }: IntShape): NgParseType<number> {
  return {
    align: size,
    parse(s) {
      const value = strtol0(s.word());
      if (s.error !== 0) return 0;
      if (value === null || value < INT_MIN[size] || value > INT_MAX[size]) {
        s.fail(EINVAL);
        return 0;
      }
      return wrap(value, size, signed);
    },
    format: (value) => (hex ? `0x${value.toString(16)}` : String(value)),
    encode: (value, w) => w.uint(size, value),
    decode: (r) => exact(r.uint(size, signed)),
    initial: () => 0,
    isDefault: (value) => value === 0,
  };
}

/** Numbers of 64 bits are kept within what a number says exactly. */
function exact(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER));
}

/** The number a C variable of that size would hold; of 64 bits, the nearest that is exact. */
function wrap(value: number, size: number, signed: boolean): number {
  if (size === 8) return exact(value < 0 && !signed ? Infinity : value);
  const shift = 32 - 8 * size;
  return signed ? (value << shift) >> shift : (value << shift) >>> shift;
}

export const ngInt8 = int({ size: 1, signed: true, hex: false });
export const ngUint8 = int({ size: 1, signed: false, hex: false });
export const ngHint8 = int({ size: 1, signed: false, hex: true });
export const ngInt16 = int({ size: 2, signed: true, hex: false });
export const ngUint16 = int({ size: 2, signed: false, hex: false });
export const ngHint16 = int({ size: 2, signed: false, hex: true });
export const ngInt32 = int({ size: 4, signed: true, hex: false });
export const ngUint32 = int({ size: 4, signed: false, hex: false });
export const ngHint32 = int({ size: 4, signed: false, hex: true });
export const ngInt64 = int({ size: 8, signed: true, hex: false });
export const ngUint64 = int({ size: 8, signed: false, hex: false });
export const ngHint64 = int({ size: 8, signed: false, hex: true });

/** 64 bits whose every bit matters; the types above stay within 2^53. */
export const ngUint64Exact: NgParseType<bigint> = {
  align: 8,
  parse(s) {
    const value = strtoq0(s.word());
    if (value === null) s.fail(EINVAL);
    return BigInt.asUintN(64, value ?? 0n);
  },
  format: String,
  encode: (value, w) => w.uint64(value),
  decode: (r) => r.uint64(),
  initial: () => 0n,
  isDefault: (value) => value === 0n,
};

/** Six bytes, written `00:11:22:33:44:55`. There is no default. */
export const ngEnaddr: NgParseType<Uint8Array> = {
  align: 1,
  parse(s) {
    const parts = s.word().split(':');
    const octets = parts.slice(0, 6).map((part) => parseInt(part, 16));
    if (parts.length < 6 || parts.slice(0, 5).some((p) => !/^[0-9a-fA-F]+$/.test(p)) || octets.some((octet) => !(octet >= 0 && octet <= 255))) s.fail(EINVAL);
    return octets.length === 6 ? Uint8Array.from(octets) : new Uint8Array(6);
  },
  format: (mac) => [...mac].map((b) => b.toString(16).padStart(2, '0')).join(':'),
  encode: (mac, w) => w.bytes(mac),
  decode: (r) => fixed(r.bytes(6), 6),
  initial: () => null,
  isDefault: () => false,
};

/** An IPv4 address as a number, written with dots; in network byte order in memory. */
export const ngIpaddr: NgParseType<number> = {
  align: 4,
  parse(s) {
    const parts = s.word().split('.').map((part) => strtol0(part));
    if (parts.length !== 4 || parts.some((p) => p === null || p < 0 || p > 255)) s.fail(EINVAL);
    const [a, b, c, d] = parts;
    return (((a ?? 0) << 24) | ((b ?? 0) << 16) | ((c ?? 0) << 8) | (d ?? 0)) >>> 0;
  },
  format: (ip) => `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`,
  encode(ip, w) {
    w.align(4);
    w.bytes(Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip));
  },
  decode(r) {
    r.align(4);
    const [a = 0, b = 0, c = 0, d = 0] = r.bytes(4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  },
  initial: () => 0,
  isDefault: (ip) => ip === 0,
};

function fixed(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  const whole = new Uint8Array(length);
  whole.set(bytes.subarray(0, length));
  return whole;
}

/** Text in bytes as it is: names of hooks and nodes are bytes to the original. */
export function ngTextBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 255);
}

export function ngBytesText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  let text = '';
  for (const b of end < 0 ? bytes : bytes.subarray(0, end)) text += String.fromCharCode(b);
  return text;
}

/** A text in a field of `size` bytes, its final zero included. E2BIG: too long. */
export function ngFixedString(size: number): NgParseType<string> {
  return {
    align: 1,
    parse(s) {
      const bytes = s.quoted();
      if (bytes.length >= size) s.fail(E2BIG);
      return ngBytesText(bytes);
    },
    format: (text) => quoteBytes(ngTextBytes(text)),
    encode: (text, w) => {
      const bytes = ngTextBytes(text).subarray(0, size - 1);
      w.bytes(bytes);
      w.skip(size - bytes.length);
    },
    decode: (r) => ngBytesText(r.bytes(size).subarray(0, size - 1)),
    initial: () => '',
    isDefault: (text) => text === '',
  };
}

/** A text up to its final zero. */
export const ngString: NgParseType<string> = {
  align: 1,
  parse: (s) => ngBytesText(s.quoted()),
  format: (text) => quoteBytes(ngTextBytes(text)),
  encode: (text, w) => {
    w.bytes(ngTextBytes(text));
    w.skip(1);
  },
  decode(r) {
    const bytes = r.bytes(r.left);
    const end = bytes.indexOf(0);
    if (end < 0) r.short = true;
    return ngBytesText(bytes);
  },
  initial: () => '',
  isDefault: (text) => text === '',
};

/** Sixteen bits of length and so many bytes. */
export const ngSizedString: NgParseType<string> = {
  align: 2,
  parse(s) {
    const bytes = s.quoted();
    if (bytes.length > 65_535) s.fail(E2BIG);
    return String.fromCharCode(...bytes.subarray(0, 65_535));
  },
  format: (text) => quoteBytes(ngTextBytes(text)),
  encode(text, w) {
    w.uint(2, text.length);
    w.bytes(ngTextBytes(text));
  },
  decode: (r) => String.fromCharCode(...r.bytes(r.uint(2, false))),
  initial: () => '',
  isDefault: (text) => text === '',
};

export const NG_HOOKSIZ = 32;
export const NG_NODESIZ = 32;
export const NG_TYPESIZ = 32;
export const NG_CMDSTRSIZ = 32;
export const NG_PATHSIZ = 512;
export const ngHookBuf = ngFixedString(NG_HOOKSIZ);
export const ngNodeBuf = ngFixedString(NG_NODESIZ);
export const ngTypeBuf = ngFixedString(NG_TYPESIZ);
export const ngPathBuf = ngFixedString(NG_PATHSIZ);
export const ngCmdBuf = ngFixedString(NG_CMDSTRSIZ);

type Fields = Readonly<Record<string, NgParseType<never>>>;
type FieldTypes<V> = { readonly [K in keyof V]: NgParseType<V[K]> };

/** A structure: its fields in order. `{ name=value … }`. */
export function ngStruct<V extends object>(fields: FieldTypes<V>): NgParseType<V> {
  const entries = Object.entries(fields) as [string & keyof V, NgParseType<V[keyof V]>][];
  const align = entries.reduce((most, [, type]) => Math.max(most, type.align), 1);
  const build = (parent: NgParent, fieldOf: (type: NgParseType<V[keyof V]>, name: string & keyof V, soFar: NgParent) => V[keyof V]): V => {
    const value: Record<string, unknown> = {};
    const soFar = Object.assign(Object.create(parent) as Record<string, unknown>, {});
    for (const [name, type] of entries) {
      value[name] = fieldOf(type, name, soFar);
      soFar[name] = value[name];
    }
    return value as V;
  };
  return {
    align,
    parse(s, parent) {
      const places = structPlaces(s, new Set<string>(entries.map(([name]) => name)));
      return build(parent, (type, name, soFar) => parseElement(s, type, places.get(name), soFar));
    },
    format: (value) => bracketed('{', '}', entries.filter(([name, type]) => !type.isDefault(value[name])).map(([name, type]) => `${name}=${type.format(value[name])}`)),
    encode(value, w) {
      w.align(align);
      for (const [name, type] of entries) type.encode(value[name], w);
      w.align(align);
    },
    decode(r, parent) {
      r.align(align);
      const value = build(parent, (type, _name, soFar) => type.decode(r, soFar));
      r.align(align);
      return value;
    },
    initial: (parent) => {
      let whole = true;
      const value = build(parent, (type, _name, soFar) => {
        const initial = type.initial(soFar);
        if (initial === null) whole = false;
        return initial as V[keyof V];
      });
      return whole ? value : null;
    },
    isDefault: (value) => entries.every(([name, type]) => type.isDefault(value[name])),
  };
}

export type { Fields };

function bracketed(open: string, close: string, elements: readonly string[]): string {
  return elements.length === 0 ? `${open}${close}` : `${open} ${elements.join(' ')} ${close}`;
}

/** Where the value of each field given begins; the scanner is left behind the structure. */
function structPlaces(s: NgScanner, names: ReadonlySet<string>): Map<string, number> {
  const places = new Map<string, number>();
  s.expect('{');
  while (s.error === 0 && s.peek() !== '}') {
    const name = s.word();
    if (s.error !== 0) break;
    if (!names.has(name)) s.fail(ENOENT);
    s.expect('=');
    if (places.has(name)) s.fail(EALREADY);
    s.peek();
    places.set(name, s.pos);
    s.skipValue();
  }
  s.take();
  return places;
}

/** The element whose text begins at `place`, or its default. */
function parseElement<T>(s: NgScanner, type: NgParseType<T>, place: number | undefined, parent: NgParent): T {
  if (place === undefined) {
    const initial = type.initial(parent);
    if (initial === null) s.fail(EOPNOTSUPP);
    return initial as T;
  }
  const inner = new NgScanner(s.text, place);
  const value = type.parse(inner, parent);
  if (inner.error !== 0) s.fail(inner.error);
  return value;
}

/** How many elements an array has. */
export type NgLength = number | ((parent: NgParent) => number);

/** The numeric field `name` of the structure around: what most arrays' lengths are. */
export function ngLengthField(name: string): (parent: NgParent) => number {
  return (parent) => {
    const value = parent[name];
    return typeof value === 'number' ? value : 0;
  };
}

/** A length that a message names is not believed beyond what a message can hold. */
const lengthOf = (length: NgLength, parent: NgParent): number => (typeof length === 'number' ? length : Math.max(0, Math.min(length(parent), NG_TEXT_MAX + 1)));

/** Elements of one type. `[ value 5=value … ]`: an index is given where elements are left out before it. */
export function ngArray<T>(element: NgParseType<T>, length: NgLength): NgParseType<readonly T[]> {
  return {
    align: element.align,
    parse(s, parent) {
      const count = lengthOf(length, parent);
      const places = arrayPlaces(s, count);
      const values: T[] = [];
      for (let i = 0; i < count && s.error === 0; i++) values.push(parseElement(s, element, places.get(i), parent));
      return values;
    },
    format: (values) => formatIndexed(values.map((v) => (element.isDefault(v) ? null : element.format(v)))),
    encode(values, w) {
      for (const value of values) element.encode(value, w);
    },
    decode(r, parent) {
      const count = lengthOf(length, parent);
      const values: T[] = [];
      for (let i = 0; i < count && !r.short; i++) values.push(element.decode(r, parent));
      return values;
    },
    initial(parent) {
      const values: T[] = [];
      for (let i = lengthOf(length, parent); i > 0; i--) {
        const value = element.initial(parent);
        if (value === null) return null;
        values.push(value);
      }
      return values;
    },
    isDefault: (values) => values.every((v) => element.isDefault(v)),
  };
}

function formatIndexed(texts: readonly (string | null)[]): string {
  const shown: string[] = [];
  let expected = 0;
  texts.forEach((text, i) => {
    if (text === null) return;
    shown.push(i === expected ? text : `${i}=${text}`);
    expected = i + 1;
  });
  return bracketed('[', ']', shown);
}

function arrayPlaces(s: NgScanner, count: number): Map<number, number> {
  const places = new Map<number, number>();
  s.expect('[');
  for (let next = 0; s.error === 0 && s.peek() !== ']'; next++) {
    next = explicitIndex(s) ?? next;
    if (next >= count) s.fail(E2BIG);
    if (places.has(next)) s.fail(EALREADY);
    s.peek();
    places.set(next, s.pos);
    s.skipValue();
  }
  s.take();
  return places;
}

/** Takes `index=` when that is next. */
function explicitIndex(s: NgScanner): number | null {
  const before = s.pos;
  const token = s.take();
  if (/^[^{}[\]="]/.test(token) && s.peek() === '=') {
    s.take();
    const index = strtol0(token);
    if (index !== null && index >= 0 && WHOLE_NUMBER.test(token)) return index;
    s.fail(EINVAL);
    return 0;
  }
  if (s.error === 0) s.pos = before;
  return null;
}

/** Bytes: given as a quoted string or as an array, written as an array of hexadecimal numbers. */
export function ngByteArray(length: NgLength): NgParseType<Uint8Array> {
  const asArray = ngArray(ngHint8, length);
  return {
    align: 1,
    parse(s, parent) {
      if (!s.atString) return Uint8Array.from(asArray.parse(s, parent));
      const count = lengthOf(length, parent);
      const bytes = s.quoted();
      if (bytes.length > count) s.fail(E2BIG);
      return fixed(bytes, count);
    },
    format: (bytes) => asArray.format([...bytes]),
    encode: (bytes, w) => w.bytes(bytes),
    decode: (r, parent) => {
      const count = lengthOf(length, parent);
      return count > r.left ? shortBytes(r) : r.bytes(count);
    },
    initial: (parent) => new Uint8Array(lengthOf(length, parent)),
    isDefault: (bytes) => bytes.every((b) => b === 0),
  };
}

function shortBytes(r: NgReader): Uint8Array {
  r.short = true;
  return new Uint8Array(0);
}
