/**
 * fetch-formats.test.ts — URLs, answers of HTTP, dates, the line of progress.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fileOf, hostText, parseUrl, redirected } from './fetch-url.js';
import { httpDate } from './http-date.js';
import { HttpResponse } from './http-response.js';
import type { Proc } from '../proc.js';
import { TransferStat, bytesText, secondsText } from './transfer-stat.js';

const url = (text: string): string => {
  const u = parseUrl(text);
  return u === null ? 'none' : [u.scheme, u.user, u.password, u.host, u.port, u.doc].join(' ');
};

describe('URLs', () => {
  test.each([
    ['http://192.0.2.1', 'http   192.0.2.1 0 /'],
    ['http://192.0.2.1:8080/a/b?c=d', 'http   192.0.2.1 8080 /a/b?c=d'],
    ['HTTP://Host/A b', 'http   host 0 /A%20b'],
    ['http://h/a#part', 'http   h 0 /a'],
    ['http://user:p%40ss@h/', 'http user p@ss h 0 /'],
    ['http://[2001:db8::1]:81/', 'http   2001:db8::1 81 /'],
    ['http://[fe80::1%epair0a]/', 'http   fe80::1%epair0a 0 /'],
    ['http://[fe80::1%25epair0a]/', 'http   fe80::1%epair0a 0 /'],
    ['www.h/x', 'http   www.h 0 /x'],
    ['ftp.h/x', 'ftp   ftp.h 0 /x'],
    ['h/x', '   h 0 /x'],
    ['file', '    0 /file'],
    ['/tmp/file', '    0 /tmp/file'],
    ['https://h', 'https   h 0 /'],
    ['http://h:0/', 'none'], ['http://h:70000/', 'none'], ['http://h:x/', 'none'], ['http://[::1/', 'none'], ['http://u:%zz@h/', 'none'], ['http://a b/', 'none'], ['http://[::1%a/b]/', 'none'],
  ])('%s', (text, parts) => {
    expect(url(text)).toBe(parts);
  });

  test('a document is kept under its own name', () => {
    expect(['http://h/a/b.txt', 'http://h/a/', 'x'].map(fileOf)).toEqual(['b.txt', 'fetch.out', 'x']);
  });

  test('the server is not told of a zone', () => {
    expect(hostText(parseUrl('http://[fe80::1%lo0]/')!)).toBe('[fe80::1]');
  });

  test.each([
    ['/new', 'http u p h 81 /new'], ['new?x', 'http u p h 81 /dir/new?x'], ['http://h/z', 'http u p h 0 /z'], ['http://other/z', 'http   other 0 /z'], ['//other/z', 'http   other 0 /z'],
    ['https://h/z', 'https u p h 0 /z'], ['mailto:x', 'none'],
  ])('a redirect to %s', (location, parts) => {
    const to = redirected(parseUrl('http://u:p@h:81/dir/doc?q')!, location);
    expect(to === null ? 'none' : [to.scheme, to.user, to.password, to.host, to.port, to.doc].join(' ')).toBe(parts);
  });
});

/** Feeds an answer in pieces of the lengths `cuts`, and answers with what came of it. */
function answer(text: string, cuts: readonly number[] = [], toHead = false): { r: HttpResponse; body: string } {
  const r = new HttpResponse(toHead);
  const bytes = Buffer.from(text, 'latin1');
  let body = '';
  for (let at = 0, k = 0; at < bytes.length; k++) {
    const piece = bytes.subarray(at, at + Math.max(1, cuts[k % Math.max(1, cuts.length)] ?? bytes.length));
    at += piece.length;
    const from = r.headDone ? 0 : r.head(piece, 0);
    if (r.headDone) r.body(piece, from, (part) => (body += Buffer.from(part).toString('latin1')));
  }
  return { r, body };
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n6;x=y\r\nefghij\r\n0\r\nTrailer: z\r\n\r\nmore';

describe('answers', () => {
  test('a length, and what follows it is not the document', () => {
    const { r, body } = answer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhellomore');
    expect([r.status, r.done, r.broken, r.contentLength, r.lastModified, body]).toEqual([200, true, false, 5, 'Sun, 06 Nov 1994 08:49:37 GMT', 'hello']);
  });

  test('chunks, cut anywhere', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (cuts) => {
      const { r, body } = answer(CHUNKED, cuts);
      expect([r.done, r.broken, body]).toEqual([true, false, 'abcdefghij']);
    }));
  });

  test('no length: until the end', () => {
    const { r, body } = answer('HTTP/1.0 200 OK\n\nhello', [3]);
    expect([r.done, r.broken, body]).toEqual([false, false, 'hello']);
  });

  test('a range', () => {
    const { r } = answer('HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-199/300\r\n\r\n');
    expect([r.rangeOffset, r.rangeLength, r.rangeSize]).toEqual([100, 100, 300]);
  });

  test('to a HEAD, 304, 100 Continue before the answer, a refusal with two challenges', () => {
    expect(answer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', [], true).r.done).toBe(true);
    expect(answer('HTTP/1.1 304 Not Modified\r\n\r\n').r.done).toBe(true);
    expect(answer('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi').body).toBe('hi');
    expect(answer('HTTP/1.1 401 No\r\nWWW-Authenticate: Digest x\r\nWWW-Authenticate: Basic realm="a"\r\n\r\n').r.challenges).toEqual(['Digest x', 'Basic realm="a"']);
  });

  test.each([
    'SSH-2.0-x\r\n', 'HTTP/2.0 200 OK\r\n', 'HTTP/1.1 2 OK\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(300)}\r\n`, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n',
  ])('%j is broken', (text) => {
    expect(answer(text.slice(0, 40_000)).r.broken).toBe(true);
  });

  test('any bytes at all, without an exception', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (text, cuts) => {
      answer(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`, cuts);
      answer(text, cuts);
    }));
  });
});

test.each([['Sun, 06 Nov 1994 08:49:37 GMT', 784_111_777], ['Thu, 29 Feb 2024 00:00:00 GMT', 1_709_164_800], ['Thu, 01 Jan 1970 00:00:00 GMT', 0], ['yesterday', 0]])('%s', (text, seconds) => {
  expect(httpDate(text)).toBe(seconds);
});

test('amounts and times of a transfer', () => {
  expect([0, 9_999, 10_000, 10_240_000, 5e9].map(bytesText)).toEqual(['   0  B', '9999  B', '   9 kB', '   9 MB', '4768 MB']);
  expect([0, 59, 61, 3_700, 90_000].map(secondsText)).toEqual(['   00s', '   59s', '01m01s', '01h01m', '01d01h']);
});

test('on a terminal one line is written over once a second, with the time left from the fourth second on', () => {
  let wallUs = 1_700_000_000_000_000;
  let said = '';
  const p: Pick<Proc, 'isTty' | 'wallUs' | 'err'> = { isTty: true, wallUs: () => wallUs, err: (text) => void (said += String(text)) };
  const stat = new TransferStat(p, 'big.iso', 10_000_000, 0, 1);
  for (let tenths = 1; tenths <= 50; tenths++) {
    wallUs += 100_000;
    stat.update(tenths * 100_000);
  }
  wallUs += 1_000_000;
  stat.update(10_000_000);
  stat.end();
  const name = 'big.iso'.padEnd(46);
  expect(said.split('\r').slice(1)).toEqual([
    `${name}  0% of 9765 kB ?? Bps`, `${name} 10% of 9765 kB  976 kBps`, `${name} 20% of 9765 kB  976 kBps`, `${name} 30% of 9765 kB  976 kBps    07s`,
    `${name} 40% of 9765 kB  976 kBps    06s`, `${name} 50% of 9765 kB  976 kBps    05s`, `${name}        9765 kB 4882 kBps    06s`, `${name}        9765 kB 1627 kBps    06s\n`,
  ]);
});
