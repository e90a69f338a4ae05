/**
 * golden.test.ts — the dissector against tcpdump itself: frozen lines for every frame of `frames.ts`, and digests of the lines
 * for every truncation of every frame.
 *
 * `golden/*.txt` is what tcpdump 4.99.3 printed, one block per packet behind a line with the packet's name. To make them again
 * after adding a frame, with tcpdump installed: NETLOOM_GOLDEN=write npx vitest run packages/core/test/wire
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fnv1a } from '../../src/base/prng.js';
import type { DissectOptions } from '../../src/wire/index.js';
import { Dissector, LINKTYPE_ETHERNET, LINKTYPE_NULL, LINKTYPE_RAW, pcapHeader, pcapRecord } from '../../src/wire/index.js';
import type { Frame } from './frames.js';
import { FRAMES, NULL_FRAMES, RAW_FRAMES } from './frames.js';
import { concat } from './packets.js';

const WRITE = process.env['NETLOOM_GOLDEN'] === 'write';

/** A captured packet: fewer bytes than it had on the wire, when truncated. */
interface Captured {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly wireLen: number;
}

interface Run {
  readonly file: string;
  readonly flags: readonly string[];
  readonly options: DissectOptions;
}

const RUNS: readonly Run[] = [
  { file: 'plain', flags: [], options: {} },
  { file: 'v', flags: ['-v'], options: { verbose: 1 } },
  { file: 'vvv', flags: ['-vvv'], options: { verbose: 3 } },
  { file: 'e', flags: ['-e'], options: { ether: true } },
  { file: 'q', flags: ['-q', '-S'], options: { quiet: true, absoluteSeq: true } },
];

const whole = (frames: readonly Frame[]): Captured[] => frames.map(([name, bytes]) => ({ name, bytes, wireLen: bytes.length }));

/** Every proper prefix of every frame, as a snaplen would leave it. */
function truncations(frames: readonly Frame[]): Captured[] {
  return frames.flatMap(([name, bytes]) =>
    Array.from({ length: bytes.length - 1 }, (_, i) => ({ name: `${name} cut at ${i + 1}`, bytes: bytes.subarray(0, i + 1), wireLen: bytes.length })),
  );
}

function ours(packets: readonly Captured[], options: DissectOptions): string[] {
  const dissector = new Dissector(options);
  return packets.map((packet) => dissector.print(packet.bytes, packet.wireLen));
}

/** What tcpdump prints: -tt numbers the packets, because their times are their indices. */
function theirs(packets: readonly Captured[], linktype: number, flags: readonly string[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    const file = join(dir, 'golden.pcap');
    writeFileSync(file, concat(pcapHeader(linktype), ...packets.map((p, i) => pcapRecord(i * 1_000_000, p.bytes, p.wireLen))));
    const text = execFileSync('tcpdump', ['-n', '-tt', ...flags, '-r', file], { encoding: 'latin1', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });
    const blocks: string[] = [];
    for (const line of text.replace(/\n$/, '').split('\n')) {
      const stamp = `${blocks.length}.000000 `;
      if (line.startsWith(stamp)) blocks.push(line.slice(stamp.length));
      else blocks[blocks.length - 1] += `\n${line}`;
    }
    return blocks;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const path = (file: string): URL => new URL(`./golden/${file}.txt`, import.meta.url);
const MARK = '# ';

function writeBlocks(file: string, packets: readonly Captured[], blocks: readonly string[]): void {
  writeFileSync(path(file), packets.map((p, i) => `${MARK}${p.name}\n${blocks[i]!}\n`).join(''));
}

function readBlocks(file: string): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const block of readFileSync(path(file), 'utf8').replace(/\n$/, '').split(`\n${MARK}`)) {
    const name = block.slice(0, block.indexOf('\n')).replace(/^# /, '');
    blocks.set(name, block.slice(block.indexOf('\n') + 1));
  }
  return blocks;
}

/** Lines for all packets of one link type under all flags. */
function golden(group: string, linktype: number, frames: readonly Frame[], runs: readonly Run[]): void {
  const packets = whole(frames);
  describe(group, () => {
    it.each(runs)('$file $flags', ({ file, flags, options }) => {
      const name = `${group}-${file}`;
      if (WRITE) writeBlocks(name, packets, theirs(packets, linktype, flags));
      const expected = readBlocks(name);
      const lines = ours(packets, { ...options, linktype });
      expect([...expected.keys()]).toEqual(packets.map((p) => p.name));
      packets.forEach((p, i) => expect(lines[i], p.name).toBe(expected.get(p.name)));
    });
  });
}

golden('ether', LINKTYPE_ETHERNET, FRAMES, RUNS);
golden('raw', LINKTYPE_RAW, RAW_FRAMES, RUNS.filter((run) => ['plain', 'e'].includes(run.file)));
golden('null', LINKTYPE_NULL, NULL_FRAMES, RUNS.filter((run) => ['plain', 'e', 'q'].includes(run.file)));

describe('hexadecimal', () => {
  const packets = whole(FRAMES.filter(([name]) => ['arp: hln 5', 'icmp: type 10', 'tcp: push', 'link: unknown type', 'link: snap cisco', 'link: five bytes'].includes(name)));
  it.each(['x', 'xx', 'X', 'XX', 'A', 'AA'] as const)('-%s', (style) => {
    const name = `hex-${style}`;
    if (WRITE) writeBlocks(name, packets, theirs(packets, LINKTYPE_ETHERNET, [`-${style}`]));
    const expected = readBlocks(name);
    const lines = ours(packets, { hex: style });
    packets.forEach((p, i) => expect(lines[i], p.name).toBe(expected.get(p.name)));
  });
});

describe('truncations', () => {
  const packets = truncations(FRAMES);
  const runs: readonly Run[] = [
    ...RUNS,
    { file: 'eX', flags: ['-eX'], options: { ether: true, hex: 'X' } },
  ];
  it.each(runs)('$file $flags', ({ file, flags, options }) => {
    const name = `truncated-${file}`;
    const lines = ours(packets, options);
    if (WRITE) {
      const expected = theirs(packets, LINKTYPE_ETHERNET, flags);
      packets.forEach((p, i) => expect(lines[i], p.name).toBe(expected[i]));
      writeFileSync(path(name), `${expected.length} ${digest(expected)}\n`);
    }
    expect(`${lines.length} ${digest(lines)}\n`).toBe(readFileSync(path(name), 'utf8'));
  });
});

/** FNV-1a over all lines. */
function digest(lines: readonly string[]): string {
  return lines.reduce((h, line) => fnv1a(`${line}\0`, h), 0x811c9dc5).toString(16);
}
