/**
 * pcap-filter.interop.test.ts — our filters against tcpdump's own programs, run in our machine on the same frames.
 *
 * `tcpdump -ddd` prints the program libpcap compiles. On whole frames the verdicts must be equal for every expression of the table. On
 * random expressions, and on frames cut short, libpcap's optimized and unoptimized programs differ from each other now and then:
 * the optimizer leaves out a load whose value does not matter, and with it the rejection of a packet that does not have it. There, ours agrees with one
 * of the two, or accepts a packet that the unoptimized one accepts with any bytes in place of those that are missing.
 *
 * Not compared, because libpcap 1.10 does not do what its manual page says: `x & 0xffffffff != 0` (always true there), `byte i & v` (reads no byte).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bpfFilter, BpfProgram } from '@netloom/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFilter } from '../src/pcap-filter/compile-filter.js';
import { dumpProgram } from '../src/pcap-filter/dump-program.js';
import { EXPRESSIONS, MISTAKES, randomExpressions } from './pcap-expressions.js';
import type { FrameLink } from './pcap-frames.js';
import { brokenFrames, wholeFrames } from './pcap-frames.js';

/** System programs may be where a user's PATH does not lead. */
const SPAWN = { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } } as const;
const LACKS = spawnSync('tcpdump', ['--version'], SPAWN).error === undefined ? null : 'tcpdump is not installed';
const REQUIRED = process.env['NETLOOM_REQUIRE_PEERS'] === '1';
const LINKS: readonly (readonly [FrameLink, linktype: number, inFiles: number])[] = [['ethernet', 1, 1], ['raw', 12, 101], ['null', 0, 0]];
/** What libpcap finds out while it optimizes, and so not always. */
const ARITHMETIC = /by zero|shift by more/;
const REJECTS_ALL = 'expression rejects all packets';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-pcap-'));
  for (const [link, , inFiles] of LINKS) {
    const header = new DataView(new ArrayBuffer(24));
    [0xa1b2c3d4, 0x00040002, 0, 0, 262_144, inFiles].forEach((word, i) => header.setUint32(4 * i, word, true));
    writeFileSync(join(folder, link), new Uint8Array(header.buffer));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Compiled = { readonly program: BpfProgram; readonly error: null } | { readonly program: null; readonly error: string };

/** What tcpdump makes of `text` for an empty capture file of this link type. */
function tcpdump(link: FrameLink, text: string, ...options: readonly string[]): Compiled {
  const ran = spawnSync('tcpdump', [...options, '-ddd', '-r', join(folder, link), '--', text], SPAWN);
  if (ran.status !== 0) return { program: null, error: ran.stderr.replace(/^reading from file.*\n/, '').replace(/^tcpdump: /, '').trimEnd() };
  const rows = ran.stdout.trim().split('\n').slice(1).map((row) => row.split(' ').map(Number));
  return { program: new BpfProgram(rows.map(([code = 0, jt = 0, jf = 0, k = 0]) => [code, jt, jf, k])), error: null };
}

function ours(linktype: number, text: string): Compiled {
  const result = compileFilter(text, { linktype });
  return result.ok ? { program: result.program, error: null } : { program: null, error: result.error };
}

/** `present` of the frame's bytes are there. */
const verdict = (program: BpfProgram, frame: Uint8Array, present = frame.length): boolean =>
  bpfFilter(program, new DataView(frame.buffer, frame.byteOffset, present), 0, frame.length, present) !== 0;

/** Does the program accept the frame whatever stands behind its end? */
function acceptsAnyEnd(program: BpfProgram, frame: Uint8Array): boolean {
  return [0, 255, 1, 6, 77, 128].every((fill) => {
    const longer = new Uint8Array(400).fill(fill);
    longer.set(frame.subarray(0, 400));
    return bpfFilter(program, new DataView(longer.buffer), 0, frame.length, 400) !== 0;
  });
}

/** Registers a test that needs tcpdump: elsewhere it is skipped and says why, on the build machine it fails. */
function peerTest(name: string, body: () => void): void {
  if (LACKS !== null && !REQUIRED) return test.skip(`${name} (${LACKS})`, () => undefined);
  test(name, { timeout: 120_000 }, () => {
    expect(LACKS).toBeNull();
    body();
  });
}

describe.each(LINKS)('%s', (link, linktype) => {
  const whole = wholeFrames(link, 500, 7);
  const broken = brokenFrames(whole, 9);

  /** Where ours and theirs part: '' when they do not. `strict`: only the optimized program counts on whole frames. */
  function difference(text: string, strict: boolean): string {
    const a = ours(linktype, text);
    const b = tcpdump(link, text);
    if (a.program === null || b.program === null) return refusal(a, b);
    let unoptimized: BpfProgram | null = null;
    const agrees = (frame: Uint8Array, isWhole: boolean): boolean => {
      const mine = verdict(a.program, frame);
      if (mine === verdict(b.program, frame)) return true;
      unoptimized ??= tcpdump(link, text, '-O').program;
      if (unoptimized === null || (strict && isWhole)) return false;
      return mine === verdict(unoptimized, frame) || (!isWhole && mine && acceptsAnyEnd(unoptimized, frame));
    };
    const wrong = [...whole.filter((frame) => !agrees(frame, true)), ...broken.filter((frame) => !agrees(frame, false))];
    return wrong.length === 0 ? '' : `${text}: ${wrong.length} frames, such as ${Buffer.from(wrong[0] ?? []).toString('hex')}\n${dumpProgram(a.program)}`;
  }

  function refusal(a: Compiled, b: Compiled): string {
    if (a.error === b.error) return '';
    if ([a.error, b.error].some((error) => error !== null && ARITHMETIC.test(error))) return '';
    const program = a.program ?? b.program;
    if (program !== null && [a.error, b.error].includes(REJECTS_ALL)) return whole.some((frame) => verdict(program, frame)) ? `not all rejected by ${dumpProgram(program)}` : '';
    return `ours: ${a.error ?? 'compiles'}; tcpdump: ${b.error ?? 'compiles'}`;
  }

  peerTest('the table: verdicts equal tcpdump\'s', () => {
    expect(EXPRESSIONS.map((text) => [text, difference(text, true)]).filter(([, found]) => found !== '')).toEqual([]);
  });

  peerTest('random expressions (seed 5)', () => {
    expect(randomExpressions(200, 5).map((text) => [text, difference(text, false)]).filter(([, found]) => found !== '')).toEqual([]);
  });
});

test('the frames meet the table: nearly every expression accepts some of them and rejects others', () => {
  const frames = wholeFrames('ethernet', 3000, 7);
  const oneSided = EXPRESSIONS.filter((text) => {
    const { program } = ours(1, text);
    const accepted = program === null ? 0 : frames.filter((frame) => verdict(program, frame)).length;
    return program !== null && (accepted === 0 || accepted === frames.length);
  });
  expect(oneSided.length / EXPRESSIONS.length, oneSided.join('\n')).toBeLessThan(0.08);
});

peerTest('mistakes: the messages are tcpdump\'s', () => {
  const found = MISTAKES.map((text) => [text, ours(1, text).error]);
  expect(found).toEqual(MISTAKES.map((text) => [text, tcpdump('ethernet', text).error]));
});

peerTest('listings: the common filters are tcpdump\'s, instruction by instruction', () => {
  const same = EXPRESSIONS.filter((text) => {
    const [a, b] = [ours(1, text).program, tcpdump('ethernet', text).program];
    return a === null || b === null || dumpProgram(a) === dumpProgram(b);
  });
  expect(same.length / EXPRESSIONS.length).toBeGreaterThan(0.85);
});
