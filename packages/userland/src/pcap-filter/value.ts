/**
 * value.ts — the numbers a filter computes, as expressions over the packet.
 * Read first: bpf-filter.ts in @netloom/core (the machine that will compute them).
 *
 * Theory of operation. A value says what is computed, not how: no registers, no order. Equal expressions are the same object, so
 * "is this already in A?" and "did we test this before?" are comparisons of references. Constants are folded as values are made.
 *
 * Invariants: all values of one compilation come from one ValueTable. A value has no effect other than that computing a
 * load outside the packet, or a division by zero, rejects the packet. Folding may drop such a load (`ip[99] * 0`), as libpcap does.
 */
import { BPF_ADD, BPF_AND, BPF_DIV, BPF_LSH, BPF_MOD, BPF_MUL, BPF_OR, BPF_RSH, BPF_SUB, BPF_XOR } from '@netloom/core';
import { FilterError } from './filter-error.js';

/** Bytes of a load. */
export type LoadSize = 1 | 2 | 4;

interface ValueBase {
  readonly id: number;
  /** May computing it reject a packet of any length: by a division by zero, or a load from where the packet says? */
  readonly mayReject: boolean;
}

export type Value = ValueBase &
  (
    | { readonly kind: 'constant'; readonly k: number }
    /** Length of the packet on the wire. */
    | { readonly kind: 'length' }
    /** `size` bytes at `base + k`, big endian; base null is 0. The sum is not cut to 32 bits. */
    | { readonly kind: 'load'; readonly size: LoadSize; readonly base: Value | null; readonly k: number }
    /** 4 * (P[k] & 15): the length of the IPv4 header at k. */
    | { readonly kind: 'header-length'; readonly k: number }
    | { readonly kind: 'negate'; readonly operand: Value }
    /** `op`: BPF_ADD … BPF_XOR. */
    | { readonly kind: 'binary'; readonly op: number; readonly left: Value; readonly right: Value }
  );

const COMMUTATIVE: ReadonlySet<number> = new Set([BPF_ADD, BPF_MUL, BPF_AND, BPF_OR, BPF_XOR]);

export class ValueTable {
  private readonly known = new Map<string, Value>();

  constant(k: number): Value {
    const unsigned = k >>> 0;
    return this.intern(`#${unsigned}`, (id) => ({ kind: 'constant', id, mayReject: false, k: unsigned }));
  }

  length(): Value {
    return this.intern('len', (id) => ({ kind: 'length', id, mayReject: false }));
  }

  /** A load; with a constant base an absolute one. `k` is taken as unsigned. */
  load(size: LoadSize, base: Value | null, k: number): Value {
    if (base?.kind === 'constant') return this.load(size, null, base.k + (k >>> 0));
    const offset = k >>> 0;
    return this.intern(`P${size}[${base?.id ?? ''}+${offset}]`, (id) => ({ kind: 'load', id, mayReject: base !== null && base.kind !== 'header-length', size, base, k: offset }));
  }

  headerLength(k: number): Value {
    const offset = k >>> 0;
    return this.intern(`H${offset}`, (id) => ({ kind: 'header-length', id, mayReject: false, k: offset }));
  }

  negate(operand: Value): Value {
    if (operand.kind === 'constant') return this.constant(-operand.k);
    return this.intern(`-${operand.id}`, (id) => ({ kind: 'negate', id, mayReject: operand.mayReject, operand }));
  }

  /** Throws FilterError for a division by constant zero and a shift by more than 31 bits. */
  binary(op: number, left: Value, right: Value): Value {
    if (right.kind === 'constant') refuseUndefined(op, right.k);
    if (left.kind === 'constant' && right.kind === 'constant') return this.constant(compute(op, left.k, right.k));
    if (left.kind === 'constant' && COMMUTATIVE.has(op)) return this.binary(op, right, left);
    const simple = this.simplified(op, left, right);
    if (simple !== null) return simple;
    const mayReject = left.mayReject || right.mayReject || ((op === BPF_DIV || op === BPF_MOD) && right.kind !== 'constant');
    return this.intern(`${left.id} ${op} ${right.id}`, (id) => ({ kind: 'binary', id, mayReject, op, left, right }));
  }

  /** Operations with a constant 0 that need no instruction. */
  private simplified(op: number, left: Value, right: Value): Value | null {
    if (right.kind === 'constant' && right.k === 0) {
      return op === BPF_MUL || op === BPF_AND ? right : left;
    }
    return left.kind === 'constant' && left.k === 0 && op !== BPF_SUB ? left : null;
  }

  private intern(key: string, make: (id: number) => Value): Value {
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const value = make(this.known.size);
    this.known.set(key, value);
    return value;
  }
}

function refuseUndefined(op: number, right: number): void {
  if (op === BPF_DIV && right === 0) throw new FilterError('division by zero');
  if (op === BPF_MOD && right === 0) throw new FilterError('modulus by zero');
  if ((op === BPF_LSH || op === BPF_RSH) && right > 31) throw new FilterError('shift by more than 31 bits');
}

/** As the machine computes it: unsigned, 32 bits. The result is made unsigned by the caller. */
function compute(op: number, a: number, b: number): number {
  switch (op) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_MUL:
      return Math.imul(a, b);
    case BPF_DIV:
      return a / b;
    case BPF_MOD:
      return a % b;
    case BPF_AND:
      return a & b;
    case BPF_OR:
      return a | b;
    case BPF_XOR:
      return a ^ b;
    case BPF_LSH:
      return a << b;
    default:
      return a >>> b;
  }
}
