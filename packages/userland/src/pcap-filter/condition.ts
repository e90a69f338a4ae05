/**
 * condition.ts — what a filter asks of a packet: comparisons of values, and how they combine.
 * Read first: value.ts.
 *
 * Theory of operation. A test is one conditional jump of the machine: equal, greater, greater or equal (unsigned), any bit set.
 * `compare` brings every relation into one form, so that equal questions are the same object: constants stand on the
 * right, `x & m = 0` is "no bit of m set", a comparison of constants is an answer. Conditions keep the order in which the
 * expression asks: an earlier test may reject a packet that is too short for a later one.
 */
import { BPF_AND, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JSET } from '@netloom/core';
import type { Value, ValueTable } from './value.js';

/** One conditional jump. `op`: BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET. `left` is not a constant, unless `right` is none either. */
export interface Test {
  readonly id: number;
  readonly op: number;
  readonly left: Value;
  readonly right: Value;
}

export type Condition =
  | { readonly kind: 'always'; readonly answer: boolean }
  | { readonly kind: 'test'; readonly test: Test }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[] };

export const TRUE: Condition = { kind: 'always', answer: true };
export const FALSE: Condition = { kind: 'always', answer: false };

/** Both, `left` asked first. */
export function and(left: Condition, right: Condition): Condition {
  if (left.kind === 'always') return left.answer ? right : FALSE;
  if (right.kind === 'always' && right.answer) return left;
  return { kind: 'and', operands: [...operandsOf('and', left), right] };
}

/** Either, `left` asked first. */
export function or(left: Condition, right: Condition): Condition {
  if (left.kind === 'always') return left.answer ? TRUE : right;
  if (right.kind === 'always' && !right.answer) return left;
  return { kind: 'or', operands: [...operandsOf('or', left), right] };
}

export function not(operand: Condition): Condition {
  if (operand.kind === 'always') return operand.answer ? FALSE : TRUE;
  return operand.kind === 'not' ? operand.operand : { kind: 'not', operand };
}

function operandsOf(kind: 'and' | 'or', condition: Condition): readonly Condition[] {
  return condition.kind === kind ? condition.operands : [condition];
}

/** The answer of a jump when both sides are known. */
export function answer(op: number, left: number, right: number): boolean {
  switch (op) {
    case BPF_JEQ:
      return left === right;
    case BPF_JGT:
      return left > right;
    case BPF_JGE:
      return left >= right;
    default:
      return (left & right) !== 0;
  }
}

export class TestTable {
  private readonly values: ValueTable;
  private readonly known = new Map<string, Test>();

  constructor(values: ValueTable) {
    this.values = values;
  }

  /** `left OP right`, OP one of the jumps. */
  compare(op: number, left: Value, right: Value): Condition {
    if (left.kind === 'constant' && right.kind === 'constant') return answer(op, left.k, right.k) ? TRUE : FALSE;
    if (left.kind === 'constant') return this.mirrored(op, left, right);
    if (right.kind === 'constant' && right.k === 0) {
      if (op === BPF_JSET) return FALSE;
      if (op === BPF_JEQ && left.kind === 'binary' && left.op === BPF_AND && left.right.kind === 'constant') {
        return not(this.test(BPF_JSET, left.left, left.right));
      }
    }
    return this.test(op, left, right);
  }

  /** k OP v, asked of v. */
  private mirrored(op: number, left: Value, right: Value): Condition {
    if (op === BPF_JGT) return not(this.compare(BPF_JGE, right, left));
    if (op === BPF_JGE) return not(this.compare(BPF_JGT, right, left));
    return this.compare(op, right, left);
  }

  private test(op: number, left: Value, right: Value): Condition {
    const key = `${left.id} ${op} ${right.id}`;
    const found = this.known.get(key) ?? { id: this.known.size, op, left, right };
    this.known.set(key, found);
    return { kind: 'test', test: found };
  }

  /** The bytes at `base + offset` compared with a constant under a mask. */
  field(op: number, value: Value, k: number, mask = 0xffffffff): Condition {
    const masked = mask === 0xffffffff ? value : this.values.binary(BPF_AND, value, this.values.constant(mask));
    return this.compare(op, masked, this.values.constant(k));
  }
}
