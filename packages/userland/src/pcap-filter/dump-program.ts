/**
 * dump-program.ts — programs as text: what tcpdump prints for -d, -dd and -ddd.
 * Read first: tcpdump(1), -d.
 */
import type { BpfInsn, BpfProgram } from '@netloom/core';
import {
  BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_DIV, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET,
  BPF_LD, BPF_LDX, BPF_LEN, BPF_LSH, BPF_MEM, BPF_MISC, BPF_MOD, BPF_MSH, BPF_MUL, BPF_NEG, BPF_OR, BPF_RET, BPF_RSH, BPF_ST, BPF_STX,
  BPF_SUB, BPF_TAX, BPF_TXA, BPF_W, BPF_X, BPF_XOR, BPF_A,
} from '@netloom/core';

/** Writes the operand of an instruction, k being unsigned and `at` its place in the program. */
type Operand = (k: number, at: number) => string;

const none: Operand = () => '';
const x: Operand = () => 'x';
const decimal: Operand = (k) => `#${k | 0}`;
const hex: Operand = (k) => `#0x${k.toString(16)}`;
const absolute: Operand = (k) => `[${k | 0}]`;
const indexed: Operand = (k) => `[x + ${k | 0}]`;
const word: Operand = (k) => `M[${k | 0}]`;

const LOADS = [['ld', BPF_W], ['ldh', BPF_H], ['ldb', BPF_B]] as const;
const ARITHMETIC = [
  ['add', BPF_ADD, decimal], ['sub', BPF_SUB, decimal], ['mul', BPF_MUL, decimal], ['div', BPF_DIV, decimal], ['mod', BPF_MOD, decimal],
  ['or', BPF_OR, hex], ['and', BPF_AND, hex], ['xor', BPF_XOR, hex], ['lsh', BPF_LSH, decimal], ['rsh', BPF_RSH, decimal],
] as const;
const JUMPS = [['jeq', BPF_JEQ], ['jgt', BPF_JGT], ['jge', BPF_JGE], ['jset', BPF_JSET]] as const;

/** Mnemonic and operand of every instruction code. */
const IMAGES: ReadonlyMap<number, readonly [name: string, operand: Operand]> = new Map<number, readonly [string, Operand]>([
  [BPF_RET, ['ret', decimal]],
  [BPF_RET | BPF_A, ['ret', none]],
  ...LOADS.flatMap(([name, size]) => [
    [BPF_LD | BPF_ABS | size, [name, absolute]] as const,
    [BPF_LD | BPF_IND | size, [name, indexed]] as const,
  ]),
  [BPF_LD | BPF_LEN, ['ld', () => '#pktlen']],
  [BPF_LD | BPF_IMM, ['ld', hex]],
  [BPF_LDX | BPF_IMM, ['ldx', hex]],
  [BPF_LDX | BPF_MSH | BPF_B, ['ldxb', (k) => `4*([${k | 0}]&0xf)`]],
  [BPF_LD | BPF_MEM, ['ld', word]],
  [BPF_LDX | BPF_MEM, ['ldx', word]],
  [BPF_ST, ['st', word]],
  [BPF_STX, ['stx', word]],
  [BPF_JMP | BPF_JA, ['ja', (k, at) => String((at + 1 + k) | 0)]],
  ...JUMPS.flatMap(([name, op]) => [[BPF_JMP | op, [name, hex]] as const, [BPF_JMP | op | BPF_X, [name, x]] as const]),
  ...ARITHMETIC.flatMap(([name, op, operand]) => [[BPF_ALU | op, [name, operand]] as const, [BPF_ALU | op | BPF_X, [name, x]] as const]),
  [BPF_ALU | BPF_NEG, ['neg', none]],
  [BPF_MISC | BPF_TAX, ['tax', none]],
  [BPF_MISC | BPF_TXA, ['txa', none]],
]);

/**
 * The program as tcpdump lists it, every line ended. `style`: 1 for people (-d), 2 as an array in C (-dd), 3 as decimal numbers
 * after their count (-ddd).
 */
export function dumpProgram(program: BpfProgram, style: 1 | 2 | 3 = 1): string {
  const insns = Array.from({ length: program.length }, (_, i) => program.insn(i) ?? [0, 0, 0, 0] as const);
  const lines = insns.map((insn, at) => (style === 1 ? image(insn, at) : style === 2 ? cInitializer(insn) : insn.join(' ')));
  return [...(style === 3 ? [String(insns.length)] : []), ...lines].map((line) => `${line}\n`).join('');
}

function image([code, jt, jf, k]: BpfInsn, at: number): string {
  const [name, operand] = IMAGES.get(code) ?? ['unimp', () => `0x${code.toString(16)}`];
  const start = `(${String(at).padStart(3, '0')}) ${name.padEnd(8)} `;
  const isBranch = (code & 7) === BPF_JMP && code !== (BPF_JMP | BPF_JA);
  return isBranch ? `${start}${operand(k, at).padEnd(16)} jt ${at + 1 + jt}\tjf ${at + 1 + jf}` : start + operand(k, at);
}

function cInitializer([code, jt, jf, k]: BpfInsn): string {
  return `{ 0x${code.toString(16)}, ${jt}, ${jf}, 0x${k.toString(16).padStart(8, '0')} },`;
}
