/**
 * dump-program.test.ts — the three listings of tcpdump, instruction by instruction.
 */
import { BpfProgram } from '@netloom/core';
import type { BpfInsn } from '@netloom/core';
import { expect, test } from 'vitest';
import { dumpProgram } from './dump-program.js';

test.each<[BpfInsn, string]>([
  [[0x20, 0, 0, 26], '(000) ld       [26]'],
  [[0x28, 0, 0, 12], '(000) ldh      [12]'],
  [[0x30, 0, 0, 23], '(000) ldb      [23]'],
  [[0x30, 0, 0, 0xffffffff], '(000) ldb      [-1]'],
  [[0x40, 0, 0, 14], '(000) ld       [x + 14]'],
  [[0x48, 0, 0, 14], '(000) ldh      [x + 14]'],
  [[0x50, 0, 0, 27], '(000) ldb      [x + 27]'],
  [[0x80, 0, 0, 0], '(000) ld       #pktlen'],
  [[0x00, 0, 0, 255], '(000) ld       #0xff'],
  [[0x01, 0, 0, 5], '(000) ldx      #0x5'],
  [[0xb1, 0, 0, 14], '(000) ldxb     4*([14]&0xf)'],
  [[0x60, 0, 0, 3], '(000) ld       M[3]'],
  [[0x61, 0, 0, 3], '(000) ldx      M[3]'],
  [[0x02, 0, 0, 3], '(000) st       M[3]'],
  [[0x03, 0, 0, 3], '(000) stx      M[3]'],
  [[0x05, 0, 0, 3], '(000) ja       4'],
  [[0x15, 0, 5, 0x800], '(000) jeq      #0x800           jt 1\tjf 6'],
  [[0x25, 1, 0, 0xffffffff], '(000) jgt      #0xffffffff      jt 2\tjf 1'],
  [[0x35, 1, 0, 5], '(000) jge      #0x5             jt 2\tjf 1'],
  [[0x45, 255, 0, 0x1fff], '(000) jset     #0x1fff          jt 256\tjf 1'],
  [[0x1d, 1, 0, 0], '(000) jeq      x                jt 2\tjf 1'],
  [[0x04, 0, 0, 0xffffffff], '(000) add      #-1'],
  [[0x1c, 0, 0, 0], '(000) sub      x'],
  [[0x24, 0, 0, 4], '(000) mul      #4'],
  [[0x3c, 0, 0, 0], '(000) div      x'],
  [[0x94, 0, 0, 3], '(000) mod      #3'],
  [[0x44, 0, 0, 16], '(000) or       #0x10'],
  [[0x54, 0, 0, 0xffffff00], '(000) and      #0xffffff00'],
  [[0xa4, 0, 0, 16], '(000) xor      #0x10'],
  [[0x64, 0, 0, 2], '(000) lsh      #2'],
  [[0x74, 0, 0, 2], '(000) rsh      #2'],
  [[0x84, 0, 0, 0], '(000) neg      '],
  [[0x07, 0, 0, 0], '(000) tax      '],
  [[0x87, 0, 0, 0], '(000) txa      '],
  [[0x06, 0, 0, 262144], '(000) ret      #262144'],
  [[0x16, 0, 0, 0], '(000) ret      '],
  [[0xff, 0, 0, 0], '(000) unimp    0xff'],
])('%j is %j', (insn, image) => {
  expect(dumpProgram(new BpfProgram([insn]))).toBe(`${image}\n`);
});

const PROGRAM = new BpfProgram([
  [0x28, 0, 0, 12],
  [0x15, 0, 1, 0x800],
  [0x06, 0, 0, 262144],
  [0x06, 0, 0, 0],
]);

test('-dd: an array in C', () => {
  expect(dumpProgram(PROGRAM, 2)).toBe('{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n{ 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n');
});

test('-ddd: decimal numbers after their count', () => {
  expect(dumpProgram(PROGRAM, 3)).toBe('4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n');
});

test('instructions are numbered with three digits and more', () => {
  const lines = dumpProgram(new BpfProgram(Array.from({ length: 1001 }, () => [0x06, 0, 0, 0] as const))).split('\n');
  expect([lines[9], lines[999], lines[1000]]).toEqual(['(009) ret      #0', '(999) ret      #0', '(1000) ret      #0']);
});
