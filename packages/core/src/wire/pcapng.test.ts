/**
 * pcapng.test.ts — capture files: what is written is read back, in chunks of any size and either byte order; damage is a fault
 * with its offset, never an exception.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex, viewOf } from '../../test/wire/packets.js';
import type { CaptureDecoder, CaptureItem, CapturePacket } from './pcapng.js';
import {
  PcapDecoder,
  PcapngDecoder,
  captureDecoder,
  captureFormat,
  pcapHeader,
  pcapRecord,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
  pcapngStats,
} from './pcapng.js';
import { utf8Decode, utf8Encode } from './utf8.js';

/** All items, the fault of an unfinished file included. */
function decode(decoder: CaptureDecoder, file: Uint8Array, chunk = file.length): CaptureItem[] {
  const items: CaptureItem[] = [];
  for (let at = 0; at < file.length || at === 0; at += Math.max(1, chunk)) {
    decoder.push(file.subarray(at, at + Math.max(1, chunk)));
    for (let item = decoder.next(); item !== null; item = decoder.next()) {
      items.push(item);
      if (item.kind === 'fault') return items;
    }
  }
  const end = decoder.end();
  return end === null ? items : [...items, end];
}

const bytes = hex('000102030405060708090a0b0c0d0800');
const T = 1_700_000_000_123_456;

/** Reverses the byte order of every block: what a big-endian machine would have written. */
function bigEndian(file: Uint8Array): Uint8Array {
  const out = file.slice();
  const v = viewOf(out);
  const swap16 = (at: number): void => v.setUint16(at, v.getUint16(at, true));
  const swap32 = (at: number): void => v.setUint32(at, v.getUint32(at, true));
  /** Options with the given codes hold numbers: of 8 bytes, or of words of 4. */
  const options = (from: number, end: number, wide: readonly number[], words: readonly number[]): void => {
    for (let at = from; at < end; ) {
      swap16(at);
      swap16(at + 2);
      const code = v.getUint16(at);
      const n = v.getUint16(at + 2);
      if (code === 0) return;
      if (wide.includes(code)) v.setBigUint64(at + 4, v.getBigUint64(at + 4, true));
      else if (words.includes(code)) for (let i = 4; i < 4 + n; i += 4) swap32(at + i);
      at += 4 + ((n + 3) & ~3);
    }
  };
  for (let at = 0; at < out.length; ) {
    const type = v.getUint32(at, true);
    const length = v.getUint32(at + 4, true);
    const end = at + length - 4;
    swap32(at);
    swap32(at + 4);
    swap32(end);
    if (type === 0x0a0d0d0a) {
      swap32(at + 8);
      swap16(at + 12);
      swap16(at + 14);
      options(at + 24, end, [], []);
    } else if (type === 1) {
      swap16(at + 8);
      swap32(at + 12);
      options(at + 16, end, [], []);
    } else if (type === 6) {
      for (let i = 8; i < 28; i += 4) swap32(at + i);
      options(at + 28 + ((v.getUint32(at + 20) + 3) & ~3), end, [4], [2]);
    } else if (type === 5) {
      for (let i = 8; i < 20; i += 4) swap32(at + i);
      options(at + 20, end, [4, 5], [2, 3]);
    }
    at += length;
  }
  return out;
}

const FILE = concat(
  pcapngSection({ application: 'netloom', os: 'vnet', hardware: 'x', comment: 'späte Grüße' }),
  pcapngInterface({ linktype: 1, snaplen: 65535, name: 'epair0a', description: 'left end' }),
  pcapngInterface({ linktype: 101, name: 'gif0', mac: hex('020000000001') }),
  pcapngPacket({ interfaceId: 0, timeUs: T, bytes, direction: 'in', comment: 'first' }),
  pcapngPacket({ interfaceId: 1, timeUs: T + 1, bytes: bytes.subarray(0, 5), wireLen: 1500, direction: 'out', dropCount: 3 }),
  pcapngPacket({ interfaceId: 0, timeUs: T + 2, bytes: new Uint8Array(0), wireLen: 60 }),
  pcapngStats({ interfaceId: 0, timeUs: T + 3, startUs: T, endUs: T + 3, received: 2, dropped: 2 ** 33 }),
);

const ITEMS: CaptureItem[] = [
  { kind: 'section', bigEndian: false, application: 'netloom', comment: 'späte Grüße' },
  { kind: 'interface', id: 0, linktype: 1, snaplen: 65535, name: 'epair0a', description: 'left end' },
  { kind: 'interface', id: 1, linktype: 101, snaplen: 0, name: 'gif0', description: '' },
  { kind: 'packet', interfaceId: 0, linktype: 1, timeUs: T, wireLen: 16, bytes, direction: 'in', comment: 'first' },
  { kind: 'packet', interfaceId: 1, linktype: 101, timeUs: T + 1, wireLen: 1500, bytes: bytes.slice(0, 5), direction: 'out', comment: '' },
  { kind: 'packet', interfaceId: 0, linktype: 1, timeUs: T + 2, wireLen: 60, bytes: new Uint8Array(0), direction: '', comment: '' },
  { kind: 'stats', interfaceId: 0, timeUs: T + 3, received: 2, dropped: 2 ** 33 },
];

describe('pcapng', () => {
  it('blocks are laid out as the draft draws them', () => {
    expect(pcapngSection()).toEqual(hex('0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffff ffffffff 1c000000'));
    expect(pcapngPacket({ interfaceId: 1, timeUs: 2 ** 32 + 5, bytes: hex('aabbcc'), wireLen: 9, direction: 'out' })).toEqual(
      hex('06000000 30000000 01000000 01000000 05000000 03000000 09000000 aabbcc00 0200 0400 02000000 0000 0000 30000000'),
    );
  });

  it('reads what was written', () => {
    expect(decode(new PcapngDecoder(), FILE)).toEqual(ITEMS);
  });

  it.each([1, 3, 7, 64])('in chunks of %i bytes', (chunk) => {
    expect(decode(new PcapngDecoder(), FILE, chunk)).toEqual(ITEMS);
  });

  it('in the other byte order', () => {
    expect(decode(new PcapngDecoder(), bigEndian(FILE), 5)).toEqual([{ ...ITEMS[0], bigEndian: true }, ...ITEMS.slice(1)]);
  });

  it('sections follow each other and forget the interfaces before them', () => {
    expect(decode(new PcapngDecoder(), concat(FILE, bigEndian(FILE)))).toEqual([...ITEMS, { ...ITEMS[0], bigEndian: true }, ...ITEMS.slice(1)]);
    const orphan = concat(FILE, pcapngSection(), pcapngPacket({ interfaceId: 0, timeUs: T, bytes }));
    expect(decode(new PcapngDecoder(), orphan).at(-1)).toEqual({ kind: 'fault', offset: FILE.length + 28, message: 'a packet belongs to interface 0, which was not described' });
  });

  it('any packets survive', () => {
    const packet = fc.record({ bytes: fc.uint8Array({ maxLength: 90 }), timeUs: fc.nat(Number.MAX_SAFE_INTEGER), more: fc.nat(100), comment: fc.string() });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (packets, chunk) => {
        const file = concat(
          pcapngSection(),
          pcapngInterface({ linktype: 1 }),
          ...packets.map((p) => pcapngPacket({ interfaceId: 0, timeUs: p.timeUs, bytes: p.bytes, wireLen: p.bytes.length + p.more, comment: p.comment })),
        );
        const read = decode(new PcapngDecoder(), file, chunk).filter((item): item is CapturePacket => item.kind === 'packet');
        expect(read.map((p) => [p.bytes, p.timeUs, p.wireLen, p.comment])).toEqual(packets.map((p) => [p.bytes, p.timeUs, p.bytes.length + p.more, p.comment]));
      }),
    );
  });

  it('resolutions and offsets of time', () => {
    const idb = (options: string): Uint8Array => {
      const body = hex(`0100 0000 00000000 ${options} 0000 0000`);
      const len = body.length + 12;
      return concat(hex(`01000000 ${len.toString(16)}000000`), body, hex(`${len.toString(16)}000000`));
    };
    const time = (options: string, hi: string, lo: string): number => {
      const epb = hex(`06000000 20000000 00000000 ${hi} ${lo} 00000000 00000000 20000000`);
      const packet = decode(new PcapngDecoder(), concat(pcapngSection(), idb(options), epb))[2] as CapturePacket;
      return packet.timeUs;
    };
    expect(time('', '01000000', '02000000')).toBe(2 ** 32 + 2);
    expect(time('0900 0100 09000000', '00000000', 'ff0f0000')).toBe(4); // 4095 ns
    expect(time('0900 0100 03000000', '00000000', '07000000')).toBe(7000);
    expect(time('0900 0100 00000000', '00000000', '07000000')).toBe(7_000_000);
    expect(time('0900 0100 94000000', '00000000', '00001000')).toBe(1_000_000); // 2^-20
    expect(time('0900 0100 06000000 0e00 0800 0a00000000000000', '00000000', '01000000')).toBe(10_000_001);
    expect(time('0e00 0800 ffffffffffffffff', '00000000', '80841e00')).toBe(1_000_000);
  });

  it('blocks nobody knows are skipped and counted, simple packets are read', () => {
    const unknown = hex('0b000000 10000000 01020304 10000000');
    const simple = hex('03000000 14000000 06000000 01020304 14000000');
    const decoder = new PcapngDecoder();
    const file = concat(pcapngSection(), unknown, pcapngInterface({ linktype: 1, snaplen: 4 }), simple, unknown);
    expect(decode(decoder, file)[2]).toEqual({ kind: 'packet', interfaceId: 0, linktype: 1, timeUs: -1, wireLen: 6, bytes: hex('01020304'), direction: '', comment: '' });
    expect(decoder.skipped).toBe(2);
  });

  const SHB = pcapngSection();
  const IDB = pcapngInterface({ linktype: 1 });
  it.each<[string, Uint8Array, number, string]>([
    ['not a capture', hex('00112233 00000000 00000000'), 0, 'not a pcapng file'],
    ['a packet before a section', pcapngPacket({ interfaceId: 0, timeUs: 0, bytes }), 0, 'not a pcapng file'],
    ['byte-order magic', hex('0a0d0d0a 1c000000 4d3c2b00 0100 0000'), 0, 'a section header has an unknown byte-order magic'],
    ['version', hex('0a0d0d0a 1c000000 4d3c2b1a 0200 0000 ffffffff ffffffff 1c000000'), 0, 'pcapng version 2.0 is not supported'],
    ['length 13', concat(SHB, hex('01000000 0d000000 00000000')), 28, 'a block has the impossible length 13'],
    ['length 8', concat(SHB, hex('01000000 08000000 00000000')), 28, 'a block has the impossible length 8'],
    ['huge', concat(SHB, hex('01000000 00000010 00000000')), 28, 'a block of 268435456 bytes is longer than 16777216'],
    ['lengths disagree', concat(SHB, IDB.subarray(0, IDB.length - 4), hex('24000000')), 28, `a block begins with length ${IDB.length} and ends with 36`],
    ['no interface', concat(SHB, hex('06000000 20000000 05000000 00000000 00000000 00000000 00000000 20000000')), 28, 'a packet belongs to interface 5, which was not described'],
    ['packet too long', concat(SHB, IDB, hex('06000000 20000000 00000000 00000000 00000000 01000000 01000000 20000000')), 28 + IDB.length, 'a packet of 1 bytes leaves its block'],
    ['caplen near 2^32', concat(SHB, IDB, hex('06000000 20000000 00000000 00000000 00000000 ffffffff 01000000 20000000')), 28 + IDB.length, 'a packet of 4294967295 bytes leaves its block'],
    ['option too long', concat(SHB, hex('01000000 18000000 0100 0000 00000000 0200 0900 18000000')), 28, 'an option leaves its interface description'],
    ['short packet block', concat(SHB, IDB, hex('06000000 10000000 00000000 10000000')), 28 + IDB.length, 'a packet block is too short'],
    ['cut', concat(SHB, IDB.subarray(0, 10)), 28, 'the file ends inside a block'],
    ['empty', new Uint8Array(0), 0, 'the file is empty'],
  ])('damage: %s', (_name, file, offset, message) => {
    expect(decode(new PcapngDecoder(), file).at(-1)).toEqual({ kind: 'fault', offset, message });
  });

  it('after a fault nothing else comes, and a loop over the items ends', () => {
    const decoder = new PcapngDecoder();
    decoder.push(hex('00112233 00000000 00000000'));
    const fault = decoder.next();
    decoder.push(FILE);
    expect(fault).toMatchObject({ kind: 'fault' });
    expect([decoder.next(), decoder.next(), decoder.end()]).toEqual([null, null, fault]);
  });

  it('any bytes give items or a fault, every prefix of a file too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(FILE.length - 1), fc.integer({ min: 1, max: 40 }), (b, at, chunk) => {
        decode(new PcapngDecoder(), concat(SHB, b), chunk);
        const damaged = FILE.slice();
        damaged.set(b.subarray(0, FILE.length - at), at);
        decode(new PcapngDecoder(), damaged, chunk);
        expect(decode(new PcapngDecoder(), FILE.subarray(0, at), chunk).length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('pcap', () => {
  const file = concat(pcapHeader(1, 96), pcapRecord(T, bytes), pcapRecord(T + 1, bytes.subarray(0, 3), 1500));
  const items: CaptureItem[] = [
    { kind: 'section', bigEndian: false, application: '', comment: '' },
    { kind: 'interface', id: 0, linktype: 1, snaplen: 96, name: '', description: '' },
    { kind: 'packet', interfaceId: 0, linktype: 1, timeUs: T, wireLen: 16, bytes, direction: '', comment: '' },
    { kind: 'packet', interfaceId: 0, linktype: 1, timeUs: T + 1, wireLen: 1500, bytes: bytes.slice(0, 3), direction: '', comment: '' },
  ];

  it('has the header of pcap-savefile(5)', () => {
    expect(pcapHeader(1)).toEqual(hex('d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000'));
  });

  it.each([1, 5, 1000])('reads what was written, in chunks of %i bytes', (chunk) => {
    expect(decode(new PcapDecoder(), file, chunk)).toEqual(items);
  });

  it('other byte order, nanoseconds', () => {
    const big = concat(hex('a1b23c4d 0002 0004 00000000 00000000 00000060 14000001'), hex('00000001 3b9ac9ff 00000002 00000009 abcd'));
    expect(decode(new PcapDecoder(), big)).toEqual([
      { kind: 'section', bigEndian: true, application: '', comment: '' },
      { kind: 'interface', id: 0, linktype: 1, snaplen: 96, name: '', description: '' },
      { kind: 'packet', interfaceId: 0, linktype: 1, timeUs: 1_999_999, wireLen: 9, bytes: hex('abcd'), direction: '', comment: '' },
    ]);
  });

  it.each<[string, Uint8Array, number, string]>([
    ['not a capture', hex('00'.repeat(24)), 0, 'not a pcap file'],
    ['version', hex(`d4c3b2a1 0200 0300 ${'00'.repeat(16)}`), 0, 'pcap version 2.3 is not supported'],
    ['empty', new Uint8Array(0), 0, 'the file is empty'],
    ['header cut', pcapHeader(1).subarray(0, 20), 0, 'the file ends inside a file header'],
    ['record cut', concat(pcapHeader(1), pcapRecord(T, bytes).subarray(0, 20)), 24, 'the file ends inside a record'],
    ['more captured than sent', concat(pcapHeader(1), pcapRecord(T, bytes, 15)), 24, 'a record holds 16 bytes of a packet of 15'],
    ['huge', concat(pcapHeader(1), hex('00000000 00000000 00000010 00000010')), 24, 'a record of 268435456 bytes is longer than 16777216'],
    ['time', concat(pcapHeader(1), hex('00000000 40420f00 00000000 00000000')), 24, 'a timestamp has 1000000 in its fraction of a second'],
  ])('damage: %s', (_name, damaged, offset, message) => {
    expect(decode(new PcapDecoder(), damaged).at(-1)).toEqual({ kind: 'fault', offset, message });
  });

  it('formats are told apart by their first bytes', () => {
    expect(captureFormat(FILE)).toBe('pcapng');
    expect(captureFormat(file)).toBe('pcap');
    expect(captureFormat(hex('a1b23c4d'))).toBe('pcap');
    expect(captureFormat(hex('0a0d0d'))).toBeNull();
    expect(captureFormat(hex('01020304'))).toBeNull();
    expect(decode(captureDecoder(FILE)!, FILE)).toEqual(ITEMS);
    expect(decode(captureDecoder(file)!, file)).toEqual(items);
    expect(captureDecoder(hex('01020304'))).toBeNull();
  });
});

describe('UTF-8', () => {
  it('agrees with the host', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text));
        expect(utf8Decode(utf8Encode(text))).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(utf8Encode(text)));
      }),
    );
  });

  it.each(['c080', 'e08080', 'f0808080', 'eda080', 'f4908080', 'f5808080', 'ff', '80', 'c3', 'e282', 'c328'])('%s is not valid', (bad) => {
    expect(utf8Decode(hex(bad))).toMatch(/^�+\(?$/);
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (b) => void utf8Decode(b)), { numRuns: 2000 });
  });
});
