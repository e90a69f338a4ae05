/**
 * dns.test.ts — names, messages and records: what is read is what was written, and what is malformed is not read.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DNS_NAME_MAX, DnsNameWriter, dnsNameEncode, dnsNameIsIn, dnsNameKey, dnsNameOf, dnsNameOfLabels, dnsNameParent, dnsNameRead } from './dns-name.js';
import { dnsA, dnsRdataOf, dnsRdataText, dnsSoa, dnsSoaOf, dnsTtlOf } from './dns-rdata.js';
import { DNS_CLASS_IN, DNS_TYPE_A, DNS_TYPE_CNAME, DNS_TYPE_MX, DNS_TYPE_SOA, DNS_TYPE_SRV, DNS_TYPE_TXT, dnsClassOf, dnsTypeName, dnsTypeOf } from './dns-types.js';
import { DNS_QR, DNS_RD, DNS_TC, dnsEmit, dnsParse } from './dns.js';
import type { DnsMessage, DnsRecord } from './dns.js';

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g)?.map((b) => parseInt(b, 16)) ?? []);
const ascii = (text: string): string => [...text].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
const A = { type: DNS_TYPE_A, cls: DNS_CLASS_IN, ttl: 300, rdata: dnsA(0xc0000201) };
const message = (more: Partial<DnsMessage>): DnsMessage => ({ id: 7, flags: DNS_QR | DNS_RD, questions: [], answers: [], authority: [], additional: [], edns: null, ...more });
const name = fc.array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 4 }).filter((l) => l.reduce((n, x) => n + x.length + 1, 1) <= DNS_NAME_MAX).map((l) => dnsNameOfLabels(l));

describe('names', () => {
  it('read as they were written, whatever bytes are in them', () => {
    fc.assert(fc.property(fc.array(name, { maxLength: 6 }), (names) => {
      const out: number[] = [];
      const writer = new DnsNameWriter();
      for (const n of names) expect(writer.write(out, n)).toBe(true);
      const bytes = Uint8Array.from(out);
      let at = 0;
      for (const n of names) {
        const got = dnsNameRead(bytes, at, bytes.length);
        // Compression may give back another name's letters.
        expect(dnsNameKey(got?.name ?? '')).toBe(dnsNameKey(n));
        at = got?.next ?? 0;
      }
      expect(at).toBe(bytes.length);
    }));
  });

  it.each([
    ['a pointer to itself', `c000`],
    ['a pointer forward', 'c00200'],
    ['two pointers in a circle', `0161 c004 0162 c000`],
    ['a label that goes on', `0561`],
    ['an extended label', '4161 00'],
    ['no end', '0161'],
    ['half a pointer', '0161 c0'],
    ['more than 255 bytes', `${`3f${'61'.repeat(63)}`.repeat(4)}00`],
  ])('refused: %s', (_what, text) => {
    expect(dnsNameRead(hex(text), text.includes('c004') ? 4 : 0, hex(text).length)).toBeNull();
  });

  it('a chain of pointers that only goes back is followed, and costs no more than its bytes', () => {
    // n names of one byte's pointer each, the last points to the one before it, and so on.
    const chain = hex(`00${Array.from({ length: 200 }, (_, i) => (0xc000 | (i === 0 ? 0 : 1 + 2 * (i - 1))).toString(16)).join('')}`);
    expect(dnsNameRead(chain, chain.length - 2, chain.length)).toEqual({ name: '.', next: chain.length });
  });

  it('text', () => {
    expect(dnsNameOf('Example.COM.')).toBe('Example.COM');
    expect(dnsNameOf('.')).toBe('.');
    expect(dnsNameOf('a\\.b.c')).toBe('a\\.b.c');
    expect(dnsNameOf('\\065\\032.c')).toBe('A\\032.c');
    expect(['', 'a..b', '.a', 'a\\', 'a\\25x', 'a\\256', 'ä', 'x'.repeat(64)].map((t) => dnsNameOf(t))).toEqual([null, null, null, null, null, null, null, null].map((_, i) => (i === 4 ? 'a25x' : null)));
    expect(dnsNameEncode('a.bc')).toEqual(hex('0161 026263 00'));
    expect([dnsNameParent('a\\.b.c.d'), dnsNameParent('c'), dnsNameParent('.')]).toEqual(['c.d', '.', null]);
    expect([dnsNameIsIn('a.b', 'b'), dnsNameIsIn('b', 'b'), dnsNameIsIn('ab', 'b'), dnsNameIsIn('a\\.b', 'b'), dnsNameIsIn('a\\\\.b', 'b'), dnsNameIsIn('x', '.')]).toEqual([true, true, false, false, true, true]);
  });
});

describe('messages', () => {
  it('a query and its answer, byte for byte', () => {
    const query = hex(`0007 0100 0001 0000 0000 0001 03${ascii('www')}07${ascii('example')}03${ascii('com')}00 0001 0001 00 0029 04d0 00 00 8000 0000`);
    const m = dnsParse(query);
    expect(m).toEqual(message({ flags: DNS_RD, questions: [{ name: 'www.example.com', type: 1, cls: 1 }], edns: { udpSize: 1232, rcodeHi: 0, version: 0, flags: 0x8000, options: new Uint8Array(0) } }));
    expect(dnsEmit(m as DnsMessage)).toEqual(query);
  });

  it('names of known types are compressed when sent and written out when read', () => {
    const cname = { name: 'www.example.com', type: DNS_TYPE_CNAME, cls: 1, ttl: 60, rdata: dnsNameEncode('web.example.com') as Uint8Array };
    const srv = { name: '_s._tcp.example.com', type: DNS_TYPE_SRV, cls: 1, ttl: 60, rdata: Uint8Array.from([0, 1, 0, 2, 0, 80, ...(dnsNameEncode('web.example.com') ?? [])]) };
    const m = message({ questions: [{ name: 'www.example.com', type: 1, cls: 1 }], answers: [cname, { ...A, name: 'web.example.com' }, srv] });
    const bytes = dnsEmit(m) as Uint8Array;
    expect(bytes.length).toBe(12 + 21 + (2 + 10 + 6) + (2 + 10 + 4) + (10 + 10 + 6 + 17));
    expect(dnsParse(bytes)).toEqual(m);
  });

  it('what does not fit is left out, and the client is told so', () => {
    const answers = Array.from({ length: 40 }, (_, i) => ({ ...A, name: `h${i}.example.com` }));
    const edns = { udpSize: 512, rcodeHi: 0, version: 0, flags: 0, options: new Uint8Array(0) };
    const bytes = dnsEmit(message({ questions: [{ name: 'example.com', type: 1, cls: 1 }], answers, edns }), 512) as Uint8Array;
    const m = dnsParse(bytes);
    expect(bytes.length).toBeLessThanOrEqual(512);
    expect([(m?.flags ?? 0) & DNS_TC, m?.answers.length, m?.edns]).toEqual([DNS_TC, 24, edns]);
    expect((dnsParse(dnsEmit(message({ questions: [{ name: 'example.com', type: 1, cls: 1 }], additional: answers }), 512) as Uint8Array)?.flags ?? 0) & DNS_TC).toBe(0);
  });

  it.each([
    ['too short', '0007 0100 0001 0000 0000'],
    ['more counted than there is', '0007 0100 0001 0000 0000 0000'],
    ['bytes behind the end', '0007 0100 0000 0000 0000 0000 00'],
    ['an address of three bytes', '0007 8100 0000 0001 0000 0000 00 0001 0001 00000000 0003 010203'],
    ['an address of five', '0007 8100 0000 0001 0000 0000 00 0001 0001 00000000 0005 0102030405'],
    ['data beyond the end', '0007 8100 0000 0001 0000 0000 00 0010 0001 00000000 0005 01'],
    ['two OPT records', '0007 8100 0000 0000 0000 0002 00 0029 0200 00000000 0000 00 0029 0200 00000000 0000'],
    ['an OPT record among the answers', '0007 8100 0000 0001 0000 0000 00 0029 0200 00000000 0000'],
  ])('refused: %s', (_what, text) => {
    expect(dnsParse(hex(text))).toBeNull();
  });

  it('a truncated answer may end where a record would begin', () => {
    const bytes = dnsEmit(message({ flags: DNS_QR | DNS_TC, questions: [{ name: 'a', type: 1, cls: 1 }] })) as Uint8Array;
    bytes[7] = 3;
    expect(dnsParse(bytes)?.answers).toEqual([]);
    expect(dnsParse(bytes.slice(0, -1))).toBeNull();
  });

  it('whatever is read can be written and read again, and any bytes are answered', () => {
    const record: fc.Arbitrary<DnsRecord> = fc.record({ name, type: fc.constantFrom(16, 99, 1234), cls: fc.nat(0xffff), ttl: fc.nat(0x7fffffff), rdata: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(fc.property(fc.array(record, { maxLength: 5 }), fc.array(record, { maxLength: 3 }), (answers, additional) => {
      const m = message({ answers, additional });
      const again = dnsParse(dnsEmit(m) as Uint8Array);
      expect(again?.answers.map((r) => ({ ...r, name: dnsNameKey(r.name) }))).toEqual(answers.map((r) => ({ ...r, name: dnsNameKey(r.name) })));
      expect(again?.additional.length).toBe(additional.length);
    }));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void dnsParse(bytes)));
  });
});

describe('records in words', () => {
  const absolute = (t: string): string | null => dnsNameOf(t.endsWith('.') ? t : `${t}.example.com`);
  it.each([
    [DNS_TYPE_A, '192.0.2.1', '192.0.2.1'],
    [28, '2001:DB8::1', '2001:db8::1'],
    [DNS_TYPE_CNAME, 'web', 'web.example.com.'],
    [DNS_TYPE_MX, '10 mail.example.net.', '10 mail.example.net.'],
    [DNS_TYPE_SRV, '1 2 80 web', '1 2 80 web.example.com.'],
    [DNS_TYPE_TXT, 'hello a\\"b', '"hello" "a\\"b"'],
    [DNS_TYPE_SOA, 'ns admin 1 1h 2m 3w 60', 'ns.example.com. admin.example.com. 1 3600 120 1814400 60'],
    [257, '\\# 3 010203', '\\# 3 010203'],
    [DNS_TYPE_A, '\\# 3 010203', '\\# 3 010203'],
  ])('%i %s', (type, words, text) => {
    const rdata = dnsRdataOf(type, words.split(' ').map((w) => ({ text: w, quoted: false })), absolute);
    expect(typeof rdata === 'string' ? rdata : dnsRdataText(type, rdata)).toBe(text);
  });

  it.each([
    [DNS_TYPE_A, '192.0.2', '192.0.2: not an IPv4 address'],
    [28, 'x', 'x: not an IPv6 address'],
    [DNS_TYPE_CNAME, 'a..b', 'a..b: not a domain name'],
    [DNS_TYPE_MX, 'mail', 'mail: a number and a name are wanted'],
    [DNS_TYPE_SRV, '1 2 99999 web', '99999: not a number from 0 to 65535'],
    [DNS_TYPE_SOA, 'ns admin 1 x 2 3 4', 'x: not a number of seconds'],
    [257, '0 issue x', 'data of this type is written as \\# LENGTH HEX'],
    [257, '\\# 2 01', '\\# 2 01: a length and so many bytes in hexadecimal are wanted'],
  ])('%i refuses %s', (type, words, complaint) => {
    expect(dnsRdataOf(type, words.split(' ').map((w) => ({ text: w, quoted: false })), absolute)).toBe(complaint);
  });

  it('numbers of types, classes and times', () => {
    expect([dnsTypeOf('aaaa'), dnsTypeOf('TYPE65280'), dnsTypeOf('TYPE70000'), dnsTypeOf('X'), dnsTypeName(65_280), dnsClassOf('in'), dnsClassOf('CLASS9')]).toEqual([28, 65_280, null, null, 'TYPE65280', 1, 9]);
    expect([dnsTtlOf('1h30m'), dnsTtlOf('60'), dnsTtlOf('h'), dnsTtlOf('5000w0'), dnsTtlOf('4294967296')]).toEqual([5_400, 60, null, null, null]);
    const soa = { mname: 'ns', rname: 'a.b', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 };
    expect(dnsSoaOf(dnsSoa(soa) as Uint8Array)).toEqual(soa);
  });
});
