/**
 * bpf-filter.test.ts — the BPF machine: every instruction against a model in exact integers, what the validator refuses, and
 * that no program and no packet can make the machine throw or stay.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BpfInsn } from './bpf-filter.js';
import * as bpf from './bpf-filter.js';
import { BPF_MAXINSNS, BpfProgram, bpfFilter, bpfValidate } from './bpf-filter.js';

const PACKET = Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + 11) & 255);
const RET_A: BpfInsn = [bpf.BPF_RET | bpf.BPF_A, 0, 0, 0];
const RET = (k: number): BpfInsn => [bpf.BPF_RET | bpf.BPF_K, 0, 0, k];
const LD = (k: number): BpfInsn => [bpf.BPF_LD | bpf.BPF_IMM, 0, 0, k];
const LDX = (k: number): BpfInsn => [bpf.BPF_LDX | bpf.BPF_IMM, 0, 0, k];

function run(insns: readonly BpfInsn[], packet = PACKET, wirelen = packet.length): number {
  return bpfFilter(new BpfProgram(insns), new DataView(packet.buffer, packet.byteOffset, packet.length), 0, wirelen, packet.length);
}

describe('loads', () => {
  const u16 = (at: number): number => PACKET[at]! * 256 + PACKET[at + 1]!;
  const u32 = (at: number): number => u16(at) * 65536 + u16(at + 2);
  test.each<[string, readonly BpfInsn[], number]>([
    ['ld [k]', [[0x20, 0, 0, 7]], u32(7)],
    ['ld [k], last word', [[0x20, 0, 0, 60]], u32(60)],
    ['ldh [k], last half word', [[0x28, 0, 0, 62]], u16(62)],
    ['ldb [k], last byte', [[0x30, 0, 0, 63]], PACKET[63]!],
    ['ld [x + k]', [LDX(20), [0x40, 0, 0, 3]], u32(23)],
    ['ldh [x + k]', [LDX(20), [0x48, 0, 0, 42]], u16(62)],
    ['ldb [x + k]', [LDX(1), [0x50, 0, 0, 62]], PACKET[63]!],
    ['ldxb 4*([k]&0xf)', [[0xb1, 0, 0, 5], [0x87, 0, 0, 0]], (PACKET[5]! & 15) * 4],
    ['ld #pktlen', [[0x80, 0, 0, 0]], 1500],
    ['ldx #pktlen', [[0x81, 0, 0, 0], [0x87, 0, 0, 0]], 1500],
    ['ld #k keeps 32 bits', [LD(0xfedcba98)], 0xfedcba98],
    ['st, ld M', [LD(9), [0x02, 0, 0, 15], LD(0), [0x60, 0, 0, 15]], 9],
    ['stx, ldx M', [LDX(0x80000001), [0x03, 0, 0, 0], LDX(0), [0x61, 0, 0, 0], [0x87, 0, 0, 0]], 0x80000001],
    ['tax, txa', [LD(77), [0x07, 0, 0, 0], LD(0), [0x87, 0, 0, 0]], 77],
  ])('%s', (_name, insns, expected) => {
    expect(run([...insns, RET_A], PACKET, 1500)).toBe(expected);
  });

  test.each<[string, readonly BpfInsn[]]>([
    ['ld [k]', [[0x20, 0, 0, 61]]],
    ['ldh [k]', [[0x28, 0, 0, 63]]],
    ['ldb [k]', [[0x30, 0, 0, 64]]],
    ['ldb [-1]', [[0x30, 0, 0, 0xffffffff]]],
    ['ld [x + k]', [LDX(60), [0x40, 0, 0, 1]]],
    ['ldb [x + k] does not wrap', [LDX(0xffffffff), [0x50, 0, 0, 2]]],
    ['ldxb', [[0xb1, 0, 0, 64]]],
  ])('outside the packet rejects: %s', (_name, insns) => {
    expect(run([...insns, RET(1)])).toBe(0);
  });

  test('only the captured part at `off` is read', () => {
    const program = new BpfProgram([[0x30, 0, 0, 3], RET_A]);
    const view = new DataView(PACKET.buffer);
    expect(bpfFilter(program, view, 10, 4, 4)).toBe(PACKET[13]);
    expect(bpfFilter(program, view, 10, 4, 3)).toBe(0);
    expect(bpfFilter(program, view, 62, 4, 4)).toBe(0);
  });

  test('memory words are zero for every packet', () => {
    const program = new BpfProgram([[0x60, 0, 0, 2], [0x15, 0, 3, 0], LD(5), [0x02, 0, 0, 2], RET(1), RET(0)]);
    const view = new DataView(PACKET.buffer);
    expect([bpfFilter(program, view, 0, 64, 64), bpfFilter(program, view, 0, 64, 64)]).toEqual([1, 1]);
  });
});

const WORD = 0xffffffffn;
/** Arithmetic in exact integers; null is a division by zero. */
const ALU: readonly (readonly [string, number, (a: bigint, b: bigint) => bigint | null])[] = [
  ['add', bpf.BPF_ADD, (a, b) => a + b],
  ['sub', bpf.BPF_SUB, (a, b) => a - b],
  ['mul', bpf.BPF_MUL, (a, b) => a * b],
  ['div', bpf.BPF_DIV, (a, b) => (b === 0n ? null : a / b)],
  ['mod', bpf.BPF_MOD, (a, b) => (b === 0n ? null : a % b)],
  ['or', bpf.BPF_OR, (a, b) => a | b],
  ['and', bpf.BPF_AND, (a, b) => a & b],
  ['xor', bpf.BPF_XOR, (a, b) => a ^ b],
  ['lsh', bpf.BPF_LSH, (a, b) => (b < 32n ? a << b : 0n)],
  ['rsh', bpf.BPF_RSH, (a, b) => (b < 32n ? a >> b : 0n)],
];
const JUMPS: readonly (readonly [string, number, (a: bigint, b: bigint) => boolean])[] = [
  ['jeq', bpf.BPF_JEQ, (a, b) => a === b],
  ['jgt', bpf.BPF_JGT, (a, b) => a > b],
  ['jge', bpf.BPF_JGE, (a, b) => a >= b],
  ['jset', bpf.BPF_JSET, (a, b) => (a & b) !== 0n],
];
const word = fc.oneof(fc.constantFrom(0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff), fc.nat({ max: 0xffffffff }));

describe('arithmetic is unsigned, 32 bits, exact', () => {
  test.each(ALU)('%s', (_name, op, model) => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const exact = model(BigInt(a), BigInt(b));
        const expected = exact === null ? 0 : Number(exact & WORD);
        expect(run([LD(a), [bpf.BPF_ALU | op | bpf.BPF_K, 0, 0, b], RET_A])).toBe(expected);
        expect(run([LD(a), LDX(b), [bpf.BPF_ALU | op | bpf.BPF_X, 0, 0, 0], RET_A])).toBe(expected);
      }),
    );
  });

  test('neg', () => {
    fc.assert(
      fc.property(word, (a) => {
        expect(run([LD(a), [0x84, 0, 0, 0], RET_A])).toBe(Number(-BigInt(a) & WORD));
      }),
    );
  });

  test('a division by zero rejects, whatever comes after', () => {
    expect(run([LD(8), LDX(0), [0x3c, 0, 0, 0], RET(1)])).toBe(0);
    expect(run([LD(8), LDX(0), [0x9c, 0, 0, 0], RET(1)])).toBe(0);
  });
});

describe('jumps', () => {
  test.each(JUMPS)('%s compares without sign', (_name, op, model) => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const expected = model(BigInt(a), BigInt(b)) ? 1 : 2;
        expect(run([LD(a), [bpf.BPF_JMP | op | bpf.BPF_K, 0, 1, b], RET(1), RET(2)])).toBe(expected);
        expect(run([LD(a), LDX(b), [bpf.BPF_JMP | op | bpf.BPF_X, 0, 1, 0], RET(1), RET(2)])).toBe(expected);
      }),
    );
  });

  test('ja counts from the next instruction', () => {
    expect(run([[0x05, 0, 0, 1], RET(1), RET(2)])).toBe(2);
  });
});

describe('bpfValidate', () => {
  const valid = (insns: readonly BpfInsn[]): boolean => bpfValidate(new BpfProgram(insns));
  const many = (n: number): BpfInsn[] => [...Array.from({ length: n - 1 }, () => LD(0)), RET(1)];

  test('the empty program is valid and keeps everything', () => {
    expect(valid([])).toBe(true);
    expect(run([])).toBe(0xffffffff);
  });

  test.each<[string, readonly BpfInsn[]]>([
    ['one return', [RET(1)]],
    ['ret a', [RET_A]],
    ['as long as allowed', many(BPF_MAXINSNS)],
    ['a jump to the last instruction', [LD(0), [0x15, 1, 0, 0], RET(0), RET(1)]],
    ['ja to the last instruction', [[0x05, 0, 0, 1], RET(0), RET(1)]],
    ['a shift by 32 and more', [[0x64, 0, 0, 40], RET_A]],
    ['division by X', [[0x3c, 0, 0, 0], RET_A]],
  ])('accepts %s', (_name, insns) => {
    expect(valid(insns)).toBe(true);
  });

  test.each<[string, readonly BpfInsn[]]>([
    ['one instruction too many', many(BPF_MAXINSNS + 1)],
    ['an end that is not a return', [RET(1), LD(0)]],
    ['a true branch outside', [[0x15, 2, 0, 0], RET(0), RET(1)]],
    ['a false branch outside', [[0x15, 0, 2, 0], RET(0), RET(1)]],
    ['ja outside', [[0x05, 0, 0, 2], RET(0), RET(1)]],
    ['ja backwards', [LD(0), [0x05, 0, 0, 0xfffffffe], RET(1)]],
    ['division by constant zero', [[0x34, 0, 0, 0], RET(1)]],
    ['modulus by constant zero', [[0x94, 0, 0, 0], RET(1)]],
    ['st M[16]', [[0x02, 0, 0, 16], RET(1)]],
    ['stx M[16]', [[0x03, 0, 0, 16], RET(1)]],
    ['ld M[16]', [[0x60, 0, 0, 16], RET(1)]],
    ['ldx M[-1]', [[0x61, 0, 0, 0xffffffff], RET(1)]],
    ['an ALU operation that does not exist', [[0xb4, 0, 0, 0], RET(1)]],
    ['a load mode that does not exist', [[0xa0, 0, 0, 0], RET(1)]],
    ['ldx from the packet', [[0x21, 0, 0, 0], RET(1)]],
    ['ret x', [[0x0e, 0, 0, 0]]],
    ['a code above one byte', [[0x128, 0, 0, 0], RET(1)]],
  ])('refuses %s', (_name, insns) => {
    expect(valid(insns)).toBe(false);
  });

  test('knows exactly the codes of bpf(4)', () => {
    const known = Array.from({ length: 256 }, (_, code) => code).filter((code) => valid([[code, 0, 0, 1], RET(0), RET(0)]));
    expect(known.map((code) => code.toString(16)).join(' ')).toBe(
      '0 1 2 3 4 5 6 7 c 14 15 16 1c 1d 20 24 25 28 2c 2d 30 34 35 3c 3d 40 44 45 48 4c 4d 50 54 5c 60 61 64 6c 74 7c 80 81 84 87 94 9c a4 ac b1',
    );
  });
});

describe('robustness', () => {
  const codes = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 0x15, 0x20, 0x25, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x61, 0xb1, 0x87), fc.nat({ max: 0x1ff }));
  const anyInsn = fc.tuple(codes, fc.nat({ max: 300 }), fc.nat({ max: 300 }), fc.oneof(fc.nat({ max: 70 }), word));
  const anyPacket = fc.uint8Array({ maxLength: 80 });

  test('any instructions end, without a throw, with the same unsigned word each time', () => {
    fc.assert(
      fc.property(fc.array(anyInsn, { maxLength: 40 }), anyPacket, fc.nat({ max: 0xffff }), (insns, packet, wirelen) => {
        const program = new BpfProgram(insns);
        const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
        const verdict = bpfFilter(program, view, 0, wirelen, packet.length);
        expect(verdict >>> 0).toBe(verdict);
        expect(bpfFilter(program, view, 0, wirelen, packet.length)).toBe(verdict);
      }),
      { numRuns: 2000 },
    );
  });

  test('lengths and offsets that are not inside the view reject', () => {
    const program = new BpfProgram([[0x30, 0, 0, 0], RET(1)]);
    const view = new DataView(new ArrayBuffer(8));
    for (const [off, caplen] of [[-1, 4], [0, 9], [8, 1], [0, -1], [NaN, 4], [0, NaN], [0, Infinity]] as const) {
      expect(bpfFilter(program, view, off, 8, caplen), `${off} ${caplen}`).toBe(0);
    }
  });

  test('an instruction reads back as it was given', () => {
    const insn: BpfInsn = [0x15, 3, 255, 0xfffffff0];
    const program = new BpfProgram([insn, RET(1)]);
    expect(program.insn(0)).toEqual(insn);
    expect(program.insn(2)).toBeNull();
  });
});
