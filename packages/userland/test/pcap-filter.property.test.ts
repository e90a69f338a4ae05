/**
 * pcap-filter.property.test.ts — programs of random expressions against what the expressions mean.
 *
 * The model evaluates the condition that the generator made, test by test, with no graph, registers or instructions. On frames padded far
 * beyond every offset no load fails, and the program must answer as the model does.
 */
import { bpfFilter, bpfValidate, BPF_ADD, BPF_AND, BPF_DIV, BPF_LSH, BPF_MAXINSNS, BPF_MOD, BPF_MUL, BPF_OR, BPF_RSH, BPF_SUB } from '@netloom/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter } from '../src/pcap-filter/compile-filter.js';
import type { Condition } from '../src/pcap-filter/condition.js';
import { answer } from '../src/pcap-filter/condition.js';
import { FilterContext } from '../src/pcap-filter/context.js';
import { generate } from '../src/pcap-filter/generate.js';
import { tokenize } from '../src/pcap-filter/lexer.js';
import { parse } from '../src/pcap-filter/parser.js';
import type { Value } from '../src/pcap-filter/value.js';
import { randomExpressions } from './pcap-expressions.js';
import type { FrameLink } from './pcap-frames.js';
import { brokenFrames, wholeFrames } from './pcap-frames.js';

const WORD = 0xffffffffn;
const LINKS: readonly (readonly [FrameLink, linktype: number])[] = [['ethernet', 1], ['raw', 12], ['null', 0]];

/** Thrown by the model for what rejects a packet. */
class Rejected extends Error {}

/** The value as an exact unsigned integer. */
function evaluate(value: Value, frame: Uint8Array): bigint {
  switch (value.kind) {
    case 'constant':
      return BigInt(value.k);
    case 'length':
      return BigInt(frame.length);
    case 'header-length':
      return BigInt((octet(frame, BigInt(value.k)) & 15) * 4);
    case 'negate':
      return -evaluate(value.operand, frame) & WORD;
    case 'load': {
      const at = (value.base === null ? 0n : evaluate(value.base, frame)) + BigInt(value.k);
      return Array.from({ length: value.size }, (_, i) => BigInt(octet(frame, at + BigInt(i)))).reduce((sum, byte) => sum * 256n + byte, 0n);
    }
    case 'binary':
      return calculate(value.op, evaluate(value.left, frame), evaluate(value.right, frame)) & WORD;
  }
}

function octet(frame: Uint8Array, at: bigint): number {
  const byte = frame[Number(at)];
  if (byte === undefined) throw new Rejected();
  return byte;
}

function calculate(op: number, a: bigint, b: bigint): bigint {
  if ((op === BPF_DIV || op === BPF_MOD) && b === 0n) throw new Rejected();
  switch (op) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_MUL:
      return a * b;
    case BPF_DIV:
      return a / b;
    case BPF_MOD:
      return a % b;
    case BPF_AND:
      return a & b;
    case BPF_OR:
      return a | b;
    case BPF_LSH:
      return b < 32n ? a << b : 0n;
    case BPF_RSH:
      return b < 32n ? a >> b : 0n;
    default:
      return a ^ b;
  }
}

function holds(condition: Condition, frame: Uint8Array): boolean {
  switch (condition.kind) {
    case 'always':
      return condition.answer;
    case 'test':
      return answer(condition.test.op, Number(evaluate(condition.test.left, frame)), Number(evaluate(condition.test.right, frame)));
    case 'not':
      return !holds(condition.operand, frame);
    case 'and':
      return condition.operands.every((operand) => holds(operand, frame));
    case 'or':
      return condition.operands.some((operand) => holds(operand, frame));
  }
}

function meaning(condition: Condition, frame: Uint8Array): boolean | 'rejected' {
  try {
    return holds(condition, frame);
  } catch (error) {
    if (error instanceof Rejected) return 'rejected';
    throw error;
  }
}

/** Values that meet in X, in A and in memory, which random expressions seldom bring together. */
const CROWDED: readonly string[] = [
  '(udp[0:2] > 60 or ip[ip[8]] > 5) and udp[2:2] > 60',
  '(ip[ip[8]] > 2 or ip[ip[9]] > 2) and ip[ip[9]] < 100',
  'ip[ip[8]] + ip[ip[9]] - ip[ip[8]:2] > 3',
  'ip[ip[8]] > ip[ip[9]] or ip[ip[9]] > ip[0] or ip[ip[8]] > 7',
  'ip[ip[8]] + ip[ip[9]] > 3 and ip[ip[ip[8]]] > 2',
  'ip[ip[8]] + ip[ip[9]] > ip[ip[0] & 7] and ip[ip[0] & 7] > 2',
  '(len > 60 or ether[12:2] = 0x800) and ether[12:2] > 5',
  '(ether[13] = 0 or ether[14] > 60) and ether[13] != ether[14]',
  '(ip[8] + ip[9]) * (ip[9] - ip[8]) > (ip[8] ^ ip[9]) * (ip[2] | ip[8])',
];

/** Expressions with their programs and conditions; those that are refused are left out, except such as reject everything. */
function compiled(count: number, seed: number, linktype: number) {
  return [...CROWDED, ...randomExpressions(count, seed)].flatMap((text) => {
    const result = compileFilter(text, { linktype });
    if (!result.ok && result.error !== 'expression rejects all packets') return [];
    const tree = parse(tokenize(text));
    const condition: Condition = tree === null ? { kind: 'always', answer: true } : generate(new FilterContext(linktype, 0), tree);
    return [{ text, condition, program: result.ok ? result.program : null, negation: compileFilter(`not (${text})`, { linktype }) }];
  });
}

const verdict = (program: ReturnType<typeof compiled>[number]['program'], frame: Uint8Array): boolean =>
  program !== null && bpfFilter(program, new DataView(frame.buffer, frame.byteOffset, frame.length), 0, frame.length, frame.length) !== 0;

const padded = (frame: Uint8Array): Uint8Array => Uint8Array.from({ length: 400 }, (_, i) => frame[i] ?? 0);

/** One line for every frame on which `verdictOf` is not what the condition says; frames the condition rejects half-way are left out. */
function differences(expressions: ReturnType<typeof compiled>, frames: readonly Uint8Array[], verdictOf: (of: (typeof expressions)[number], frame: Uint8Array) => boolean): string[] {
  return expressions.flatMap((expression) =>
    frames.flatMap((frame) => {
      const expected = meaning(expression.condition, frame);
      // A test whose answer does not matter may be left out, and then cannot reject.
      if (expected === 'rejected' || verdictOf(expression, frame) === expected) return [];
      return [`${expression.text} is ${expected} for ${frame.join(' ')}`];
    }),
  );
}

describe.each(LINKS)('on %s frames (seeds 1 to 4)', (link, linktype) => {
  const whole = wholeFrames(link, 150, 1).map(padded);
  const broken = brokenFrames(whole, 2);
  const cut = brokenFrames(wholeFrames(link, 150, 1), 4);
  const expressions = compiled(300, 3, linktype);

  test('a program answers as its condition does', () => {
    expect(differences(expressions, [...whole, ...broken.map(padded)], ({ program }, frame) => verdict(program, frame))).toEqual([]);
    expect(expressions.length).toBeGreaterThan(150);
  });

  test('`not` is the complement', () => {
    const complement = ({ negation }: (typeof expressions)[number], frame: Uint8Array): boolean => !verdict(negation.ok ? negation.program : null, frame);
    expect(differences(expressions, whole, complement)).toEqual([]);
  });

  test('also where bytes are missing that are not asked for', () => {
    expect(differences(expressions, cut, ({ program }, frame) => verdict(program, frame))).toEqual([]);
  });

  test('programs are valid, unless they are too long for the kernel', () => {
    const invalid = expressions.filter(({ program }) => program !== null && program.length <= BPF_MAXINSNS && !bpfValidate(program));
    expect(invalid.map(({ text }) => text)).toEqual([]);
  });
});

test('any text compiles to a valid program or a message', () => {
  const words = 'host net port src dst or and not ! ( ) [ ] : 10.0.0.1 80 tcp ip ether vlan len 2 = > & + - % / foo fe80::1 02:00:00:00:00:01 mask less'.split(' ');
  const text = fc.oneof(fc.string({ maxLength: 60 }), fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join(' ')));
  fc.assert(
    fc.property(text, fc.constantFrom(0, 1, 12, 101), (written, linktype) => {
      const result = compileFilter(written, { linktype });
      expect(result.ok ? bpfValidate(result.program) : result.error.length > 0).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

test('any bytes are judged without a throw', () => {
  const programs = compiled(60, 9, 1).flatMap(({ program }) => program ?? []);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      for (const program of programs) verdict(program, bytes);
    }),
    { numRuns: 300 },
  );
});
