/**
 * tcp-options.test.ts — the bytes of packed options, order and limits.
 */
import { describe, expect, it } from 'vitest';
import { TcpOptionsOut, tcpPackOptions } from './tcp-options.js';
import { TCP_HDR_LEN, TCP_MAXOLEN, TH_ACK, TH_SYN, TOF_MSS, TOF_SACK, TOF_SACKPERM, TOF_SCALE, TOF_SIGNATURE, TOF_TS, TcpOptions, tcpEmit } from './tcp.js';

const MSS = '02 04 05 b4';
const WS = '01 03 03 07';
const SACKP = '04 02';
const TS = '08 0a 11 22 33 44 55 66 77 88';
const MD5 = `13 12 ${'00 '.repeat(16).trim()}`;
const block = (i: number): string => `00 00 ${i}0 00 00 00 ${i}1 00`;

interface Want {
  syn?: boolean;
  noSackPermitted?: boolean;
  ts?: boolean;
  md5?: boolean;
  sacks?: number;
  cookie?: number;
  uto?: number;
}

/** The options of a segment that wants these, as hex; the bytes behind them must be untouched. */
function pack(w: Want): { hex: string; len: number; out: TcpOptionsOut } {
  const o = new TcpOptionsOut();
  if (w.syn === true) {
    o.mss = 1460;
    o.wscale = 7;
    o.sackPermitted = w.noSackPermitted !== true;
  }
  o.ts = w.ts === true;
  o.tsval = 0x11223344;
  o.tsecr = 0x55667788;
  o.signature = w.md5 === true;
  o.nsacks = w.sacks ?? 0;
  for (let i = 0; i < o.nsacks; i++) {
    o.sacks[2 * i] = (i + 1) * 0x1000;
    o.sacks[2 * i + 1] = (i + 1) * 0x1000 + 0x100;
  }
  o.fastopenLen = w.cookie ?? -1;
  o.fastopenCookie.fill(0xc0);
  o.uto = w.uto ?? 0;
  const bytes = new Uint8Array(TCP_MAXOLEN + 8).fill(0xee);
  const len = tcpPackOptions(new DataView(bytes.buffer), 4, o);
  const hex = (from: number, to: number): string => [...bytes.subarray(from, to)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  expect([bytes.subarray(0, 4), bytes.subarray(4 + len)].every((part) => part.every((b) => b === 0xee))).toBe(true);
  return { hex: hex(4, 4 + len), len, out: o };
}

describe('options of a segment', () => {
  const vectors: [string, Want, string, number][] = [
    ['SYN, everything', { syn: true, ts: true }, `${MSS} ${WS} ${SACKP} ${TS}`, 20],
    ['SYN, everything and MD5', { syn: true, ts: true, md5: true }, `${MSS} ${WS} ${SACKP} ${TS} ${MD5} 00 00`, 40],
    ['SYN without SACK-permitted', { syn: true, noSackPermitted: true, ts: true }, `${MSS} ${WS} 01 01 ${TS}`, 20],
    ['SYN without timestamps', { syn: true }, `${MSS} ${WS} ${SACKP} 00 00`, 12],
    ['data', { ts: true }, `01 01 ${TS}`, 12],
    ['data, MD5', { ts: true, md5: true }, `01 01 ${TS} ${MD5} 00 00`, 32],
    ['data, 1 block', { ts: true, sacks: 1 }, `01 01 ${TS} 01 01 05 0a ${block(1)}`, 24],
    ['data, 2 blocks', { ts: true, sacks: 2 }, `01 01 ${TS} 01 01 05 12 ${block(1)} ${block(2)}`, 32],
    ['data, 3 blocks', { ts: true, sacks: 3 }, `01 01 ${TS} 01 01 05 1a ${block(1)} ${block(2)} ${block(3)}`, 40],
    ['data, a fourth block does not fit', { ts: true, sacks: 4 }, `01 01 ${TS} 01 01 05 1a ${block(1)} ${block(2)} ${block(3)}`, 40],
    ['no timestamps, 4 blocks', { sacks: 4 }, `01 01 05 22 ${block(1)} ${block(2)} ${block(3)} ${block(4)}`, 36],
    ['data, MD5, 1 block', { ts: true, md5: true, sacks: 1 }, `01 01 ${TS} ${MD5} 05 0a ${block(1)}`, 40],
    ['data, MD5, a second block does not fit', { ts: true, md5: true, sacks: 2 }, `01 01 ${TS} ${MD5} 05 0a ${block(1)}`, 40],
    ['MD5 alone', { md5: true }, `${MD5} 00 00`, 20],
    ['MD5, 2 blocks', { md5: true, sacks: 2 }, `${MD5} 05 12 ${block(1)} ${block(2)}`, 36],
    ['SYN asks for a cookie', { syn: true, ts: true, cookie: 0 }, `${MSS} ${WS} ${SACKP} ${TS} 22 02 00 00`, 24],
    ['SYN with a cookie', { syn: true, ts: true, cookie: 8 }, `${MSS} ${WS} ${SACKP} ${TS} 22 0a ${'c0 '.repeat(8)}00 00`, 32],
    ['SYN, the longest cookie', { syn: true, ts: true, cookie: 16 }, `${MSS} ${WS} ${SACKP} ${TS} 22 12 ${'c0 '.repeat(16)}00 00`, 40],
    ['SYN, MD5, no room for a cookie', { syn: true, ts: true, md5: true, cookie: 4 }, `${MSS} ${WS} ${SACKP} ${TS} ${MD5} 00 00`, 40],
    ['user timeout', { ts: true, uto: 0x8005 }, `01 01 ${TS} 1c 04 80 05`, 16],
    ['user timeout, no room', { ts: true, sacks: 3, uto: 0x8005 }, `01 01 ${TS} 01 01 05 1a ${block(1)} ${block(2)} ${block(3)}`, 40],
    ['nothing', {}, '', 0],
  ];
  it.each(vectors)('%s', (_name, want, hex, len) => {
    const got = pack(want);
    expect(got.hex).toBe(hex);
    expect(got.len).toBe(len);
  });

  it('says where the digest goes and how many blocks went', () => {
    expect([pack({ syn: true, ts: true, md5: true }).out.signatureAt, pack({ ts: true, md5: true }).out.signatureAt, pack({ md5: true }).out.signatureAt]).toEqual([22, 14, 2]);
    expect([1, 2, 3, 4].map((sacks) => pack({ ts: true, sacks }).out.nsacksSent)).toEqual([1, 2, 3, 3]);
  });

  it('are read back', () => {
    const o = new TcpOptionsOut();
    const read = new TcpOptions();
    const bytes = new Uint8Array(TCP_HDR_LEN + TCP_MAXOLEN);
    const view = new DataView(bytes.buffer);
    const roundTrip = (flags: number): TcpOptions => {
      const n = tcpPackOptions(view, TCP_HDR_LEN, o);
      tcpEmit(view, 0, 1, 2, 3, 4, TCP_HDR_LEN + n, flags, 5, 0);
      read.parse(view, 0);
      return read;
    };
    Object.assign(o, { mss: 8960, wscale: 14, sackPermitted: true, ts: true, tsval: 0xfffffffe, tsecr: 7, signature: true });
    expect(roundTrip(TH_SYN)).toMatchObject({ flags: TOF_MSS | TOF_SCALE | TOF_SACKPERM | TOF_TS | TOF_SIGNATURE, mss: 8960, wscale: 14, tsval: 0xfffffffe, tsecr: 7, signatureOff: TCP_HDR_LEN + o.signatureAt });
    o.clear();
    Object.assign(o, { ts: true, nsacks: 3 });
    o.sacks.set([-1, 100, 200, 300, 400, 500]);
    expect(roundTrip(TH_ACK)).toMatchObject({ flags: TOF_TS | TOF_SACK, nsacks: 3 });
    expect([0, 4, 20].map((at) => view.getInt32(read.sackOff + at))).toEqual([-1, 100, 500]);
  });
});
