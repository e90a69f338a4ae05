/**
 * ng-parse.test.ts — arguments in their ASCII form: what is written is read again, and every mistake has its errno.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { E2BIG, EALREADY, EINVAL, ENOENT, EOPNOTSUPP, ERANGE } from '../base/errno.js';
import {
  ngArray, ngByteArray, ngDecode, ngEnaddr, ngEncode, ngFixedString, ngFormat, ngHint16, ngHint32, ngHint8, ngInt16, ngInt32, ngInt64, ngInt8, ngIpaddr, ngLengthField, ngParse,
  ngSizedString, ngString, ngStruct, ngUint16, ngUint32, ngUint64, ngUint64Exact, ngUint8, ngUnparse,
} from './ng-parse.js';
import type { NgParseType } from './ng-parse.js';

const SAFE = Number.MAX_SAFE_INTEGER;
// A hexadecimal escape takes every digit behind it, as in the original: such texts are read as others.
const text = fc.string({ unit: fc.constantFrom(...' az{}[]="\\\t\n\r\v\f.:'), maxLength: 31 });

const pairType = ngStruct({ mac: ngEnaddr, port: ngUint16 });
const wholeType = ngStruct({
  a: ngInt8, b: ngUint8, c: ngHint8, d: ngInt16, e: ngHint16, f: ngInt32, g: ngUint32, h: ngHint32, i: ngInt64, j: ngUint64, big: ngUint64Exact, ip: ngIpaddr, name: ngFixedString(32),
  sized: ngSizedString, n: ngUint8, pairs: ngArray(pairType, ngLengthField('n')), three: ngArray(ngUint16, 3), len: ngUint8, bytes: ngByteArray(ngLengthField('len')), tail: ngString,
});

const whole = fc.record({
  a: fc.integer({ min: -128, max: 127 }), b: fc.nat(255), c: fc.nat(255), d: fc.integer({ min: -32_768, max: 32_767 }), e: fc.nat(65_535),
  f: fc.integer(), g: fc.nat(0xffff_ffff), h: fc.nat(0xffff_ffff), i: fc.integer({ min: -SAFE, max: SAFE }), j: fc.integer({ min: 0, max: SAFE }),
  big: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), ip: fc.nat(0xffff_ffff), name: text, sized: text,
  pairs: fc.array(fc.record({ mac: fc.uint8Array({ minLength: 6, maxLength: 6 }), port: fc.nat(65_535) }), { maxLength: 4 }),
  three: fc.tuple(fc.nat(65_535), fc.constantFrom(0, 7), fc.nat(65_535)), bytes: fc.uint8Array({ maxLength: 9 }), tail: text,
}).map((value) => ({ ...value, n: value.pairs.length, len: value.bytes.length }));

test('what is written is read again, in both forms', () => {
  fc.assert(fc.property(whole, (value) => {
    const bytes = ngEncode(wholeType, value);
    const ascii = ngUnparse(wholeType, bytes);
    expect(ascii.error).toBe(0);
    expect(ngDecode(wholeType, bytes)).toEqual(value);
    const parsed = ngParse(wholeType, ascii.value ?? '');
    expect(parsed).toEqual({ error: 0, value });
    expect(ngEncode(wholeType, parsed.value!)).toEqual(bytes);
  }), { seed: 11, numRuns: 300 });
});

test.each([
  ['integers', ngStruct({ a: ngInt32, b: ngUint32, c: ngHint32 }), { a: -1, b: 7, c: 255 }, '{ a=-1 b=7 c=0xff }'],
  ['what equals its default is left out', ngStruct({ a: ngInt32, s: ngFixedString(8), ip: ngIpaddr }), { a: 0, s: '', ip: 0 }, '{}'],
  ['a link address never is', ngStruct({ mac: ngEnaddr, a: ngInt8 }), { mac: new Uint8Array(6), a: 0 }, '{ mac=00:00:00:00:00:00 }'],
  ['indices are told behind a gap', ngArray(ngUint8, 5), [0, 7, 8, 0, 9], '[ 1=7 8 4=9 ]'],
  ['bytes are hexadecimal', ngByteArray(4), Uint8Array.of(1, 0, 255, 0), '[ 0x1 2=0xff ]'],
  ['escapes', ngString, '"\\\t\n\r\v\f\x01\xff', '"\\"\\\\\\t\\n\\r\\v\\f\\x01\\xff"'],
] as [string, NgParseType<unknown>, unknown, string][])('%s', (_, type, value, wanted) => {
  expect(ngFormat(type, value)).toEqual({ error: 0, value: wanted });
});

const struct = ngStruct({ a: ngUint8, s: ngFixedString(4), mac: ngStruct({ m: ngUint8 }), list: ngArray(ngUint8, 3) });

test.each([
  ['{ a=1 }', { a: 1 }],
  ['{a=0x1f s="abc"}', { a: 31, s: 'abc' }],
  ['  {  s = "x"   a  =  017 }  ', { a: 15, s: 'x' }],
  ['{ a=12abc }', { a: 12 }],
  ['{ a=-128 }', { a: 128 }],
  ['{ a=255 } and whatever follows', { a: 255 }],
  ['{ list=[ 1 2=3 ] }', { list: [1, 0, 3] }],
  ['{ list=[ 1=5 6 ] mac={ m=2 } }', { list: [0, 5, 6], mac: { m: 2 } }],
])('%s is taken', (ascii, wanted) => {
  expect(ngParse(struct, ascii)).toMatchObject({ error: 0, value: wanted });
});

describe('mistakes', () => {
  test.each([
    ['', EINVAL], ['a=1', EINVAL], ['{ a=1', EINVAL], ['{ a 1 }', EINVAL], ['{ a= }', EINVAL], ['{ a=x }', EINVAL], ['{ a=256 }', EINVAL], ['{ a=-129 }', EINVAL], ['{ =1 }', EINVAL],
    ['{ s="abc }', EINVAL], ['{ s=abc }', EINVAL], ['{ list=[ 1 }', EINVAL], ['{ list=[ x=1 ] }', EINVAL], ['{ list=[ 1x=1 ] }', EINVAL], ['{ list=[ -1=1 ] }', EINVAL], ['{ mac=7 }', EINVAL], ['{ a=1 ] }', EINVAL],
    ['{ b=1 }', ENOENT], ['{ a=1 a=2 }', EALREADY], ['{ list=[ 0=1 0=2 ] }', EALREADY],
    ['{ list=[ 1 2 3 4 ] }', E2BIG], ['{ list=[ 3=1 ] }', E2BIG], ['{ s="abcd" }', E2BIG],
  ])('%s: %i', (ascii, error) => {
    expect(ngParse(struct, ascii)).toEqual({ error, value: null });
  });

  test.each([
    [ngEnaddr, '1:2:3:4:5'], [ngEnaddr, '1:2:3:4:5:100'], [ngEnaddr, '1:2:x:4:5:6'], [ngIpaddr, '1.2.3'], [ngIpaddr, '1.2.3.256'], [ngIpaddr, '1..2.3'], [ngInt16, '65536'], [ngInt32, '4294967296'], [ngString, 'abc'],
  ] as [NgParseType<unknown>, string][])('of scalars: %#', (type, ascii) => {
    expect(ngParse(type, ascii).error).toBe(EINVAL);
  });

  test('a link address that is left out, bytes that are too many, a text that is too long', () => {
    expect(ngParse(pairType, '{ port=1 }').error).toBe(EOPNOTSUPP);
    expect(ngParse(ngByteArray(2), '"abc"').error).toBe(E2BIG);
    expect(ngParse(ngByteArray(2), '[ 1 2 3 ]').error).toBe(E2BIG);
    expect(ngFormat(ngString, 'x'.repeat(20_480)).error).toBe(ERANGE);
  });

  test('numbers, addresses and bytes in other forms', () => {
    expect([ngParse(ngIpaddr, '0x7f.0.0.1').value, ngParse(ngEnaddr, 'A:0b:c:D:e:f').value, ngParse(ngByteArray(3), '"a"').value]).toEqual(
      [0x7f000001, Uint8Array.of(10, 11, 12, 13, 14, 15), Uint8Array.of(97, 0, 0)]);
    expect([ngParse(ngString, '"\\x41\\101\\q"').value, ngParse(ngUint64, '-1').value, ngParse(ngUint64Exact, '-1').value]).toEqual(['AAq', SAFE, (1n << 64n) - 1n]);
  });
});

test('structures are laid out as in C', () => {
  const type = ngStruct({ a: ngUint8, b: ngUint32, c: ngUint16, d: ngUint64, e: ngUint8 });
  expect(ngEncode(type, { a: 1, b: 2, c: 3, d: 4, e: 5 })).toEqual(Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0));
  expect(ngDecode(type, new Uint8Array(31))).toBeNull();
  expect(ngDecode(type, new Uint8Array(33))).toBeNull();
  expect(ngDecode(ngFixedString(4), Uint8Array.of(97, 98, 99, 100))).toBe('abc');
});
