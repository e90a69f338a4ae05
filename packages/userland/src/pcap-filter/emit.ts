/**
 * emit.ts — a graph of tests to instructions.
 * Read first: flow-graph.ts, value.ts; bpf-filter.ts in @netloom/core.
 *
 * Theory of operation. A branch becomes a block: the instructions that bring the compared values into A and X, then the jump. Blocks are
 * placed so that every jump goes forward. What A and X hold when a branch is entered is what they hold on all ways to it, and what they hold already is not
 * computed again. An operand that needs the registers itself is kept in a memory word while the other is computed.
 * n words are enough for an expression of 2^n operands, so the machine's sixteen are more than the lexer lets through.
 * A conditional jump reaches 255 instructions; one that must go further jumps to a `ja` behind it.
 */
import type { BpfInsn } from '@netloom/core';
import {
  BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_LEN, BPF_MEM,
  BPF_MISC, BPF_MSH, BPF_NEG, BPF_RET, BPF_ST, BPF_TAX, BPF_TXA, BPF_W, BPF_X,
} from '@netloom/core';
import type { Branch, FlowNode } from './flow-graph.js';
import { branchesOf } from './flow-graph.js';
import type { LoadSize, Value } from './value.js';

const JUMP_MAX = 255;
const SIZES: Readonly<Record<LoadSize, number>> = { 1: BPF_B, 2: BPF_H, 4: BPF_W };

/** The values in A and X; null: not known. */
interface Registers {
  readonly a: Value | null;
  readonly x: Value | null;
}

/** A node as it will stand in the program: what runs, then where to go; without a jump a return. */
interface Block {
  readonly id: number;
  readonly body: readonly BpfInsn[];
  readonly code: number;
  readonly k: number;
  readonly jump: { readonly jt: Block; readonly jf: Block } | null;
}

/** Which sides of a block's jump are out of its reach and go by a `ja` behind it. */
interface Detour {
  readonly jt: boolean;
  readonly jf: boolean;
}

const NO_DETOUR: Detour = { jt: false, jf: false };

/** The program of a graph; accepting keeps `snaplen` bytes. */
export function emit(root: FlowNode, snaplen: number): BpfInsn[] {
  const order = placement(blocks(root, snaplen));
  const detours = new Map<Block, Detour>();
  const detourOf = (block: Block): Detour => detours.get(block) ?? NO_DETOUR;
  for (;;) {
    const starts = new Map<Block, number>();
    let at = 0;
    for (const block of order) {
      starts.set(block, at);
      const { jt, jf } = detourOf(block);
      at += block.body.length + 1 + (jt ? 1 : 0) + (jf ? 1 : 0);
    }
    const placed = (block: Block): number => starts.get(block) ?? 0;
    let reached = true;
    for (const block of order) {
      const needed = detourNeeded(block, placed);
      const { jt, jf } = detourOf(block);
      if ((needed.jt && !jt) || (needed.jf && !jf)) {
        detours.set(block, { jt: jt || needed.jt, jf: jf || needed.jf });
        reached = false;
      }
    }
    if (reached) return order.flatMap((block) => instructions(block, placed, detourOf(block)));
  }
}

/**
 * The blocks of a graph, answering the first. Blocks of the same instructions with the same targets are one, even when A holds different
 * values in them: `src port 80 or dst port 80` compares with 80 in one place.
 */
function blocks(root: FlowNode, snaplen: number): Block {
  const known = new Map<string, Block>();
  const intern = (body: readonly BpfInsn[], code: number, k: number, jump: Block['jump']): Block => {
    const key = `${body.join(';')} ${code} ${k} ${jump === null ? '' : `${jump.jt.id} ${jump.jf.id}`}`;
    const block = known.get(key) ?? { id: known.size, body, code, k, jump };
    known.set(key, block);
    return block;
  };
  const made = new Map<FlowNode, Block>();
  const blockOf = (node: FlowNode): Block => made.get(node) ?? intern([], BPF_RET | BPF_K, node.leaf && node.accept ? snaplen : 0, null);
  const bodies = computations(root);
  for (const [branch, body] of [...bodies].reverse()) {
    const { op, right } = branch.test;
    const jump = { jt: blockOf(branch.jt), jf: blockOf(branch.jf) };
    made.set(branch, right.kind === 'constant' ? intern(body, BPF_JMP | op | BPF_K, right.k, jump) : intern(body, BPF_JMP | op | BPF_X, 0, jump));
  }
  return blockOf(root);
}

/** For every branch, what must run before its jump; the root first. */
function computations(root: FlowNode): ReadonlyMap<Branch, readonly BpfInsn[]> {
  const bodies = new Map<Branch, readonly BpfInsn[]>();
  const entry = new Map<FlowNode, Registers>();
  for (const branch of branchesOf(root)) {
    const machine = new Machine(entry.get(branch) ?? { a: null, x: null });
    machine.compare(branch.test.left, branch.test.right);
    bodies.set(branch, machine.code);
    const after: Registers = { a: machine.a, x: machine.x };
    for (const next of [branch.jt, branch.jf]) {
      const other = entry.get(next);
      entry.set(next, other === undefined ? after : { a: other.a === after.a ? after.a : null, x: other.x === after.x ? after.x : null });
    }
  }
  return bodies;
}

/** The blocks in the order of the program: each before those it leads to, what follows when its test holds before what follows when not. */
function placement(first: Block): Block[] {
  const placed = new Set<Block>();
  const pending: { readonly block: Block; readonly entered: boolean }[] = [{ block: first, entered: false }];
  for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
    const { block, entered } = visit;
    if (placed.has(block)) continue;
    if (entered || block.jump === null) placed.add(block);
    else pending.push({ block, entered: true }, { block: block.jump.jt, entered: false }, { block: block.jump.jf, entered: false });
  }
  return [...placed].reverse();
}

/** The sides that are too far away in this placement. */
function detourNeeded(block: Block, placed: (block: Block) => number): Detour {
  if (block.jump === null) return NO_DETOUR;
  const behind = placed(block) + block.body.length + 1;
  return { jt: placed(block.jump.jt) - behind > JUMP_MAX, jf: placed(block.jump.jf) - behind > JUMP_MAX };
}

/** Behind the jump stands the `ja` for its true side, then that for its false side, where there are such. */
function instructions(block: Block, placed: (block: Block) => number, detour: Detour): readonly BpfInsn[] {
  const { body, code, k, jump } = block;
  if (jump === null) return [...body, [code, 0, 0, k]];
  const behind = placed(block) + body.length + 1;
  const trueAt = detour.jt ? behind : placed(jump.jt);
  const falseAt = detour.jf ? behind + (detour.jt ? 1 : 0) : placed(jump.jf);
  const insns: BpfInsn[] = [...body, [code, trueAt - behind, falseAt - behind, k]];
  if (detour.jt) insns.push([BPF_JMP | BPF_JA, 0, 0, placed(jump.jt) - trueAt - 1]);
  if (detour.jf) insns.push([BPF_JMP | BPF_JA, 0, 0, placed(jump.jf) - falseAt - 1]);
  return insns;
}

/** Writes the instructions of one branch, and knows what the registers hold after each. */
class Machine {
  readonly code: BpfInsn[] = [];
  a: Value | null;
  x: Value | null;
  private words = 0;

  constructor({ a, x }: Registers) {
    this.a = a;
    this.x = x;
  }

  /** Brings `left` into A and, unless it is a constant, `right` into X. */
  compare(left: Value, right: Value): void {
    if (right.kind === 'constant') this.toA(left);
    else this.toBoth(left, right);
  }

  private put(code: number, k = 0): void {
    this.code.push([code, 0, 0, k]);
  }

  private toA(value: Value): void {
    if (this.a === value) return;
    if (this.x === value) {
      this.put(BPF_MISC | BPF_TXA);
    } else {
      this.computeA(value);
    }
    this.a = value;
  }

  private computeA(value: Value): void {
    switch (value.kind) {
      case 'constant':
        return this.put(BPF_LD | BPF_IMM, value.k);
      case 'length':
        return this.put(BPF_LD | BPF_W | BPF_LEN);
      case 'load':
        if (value.base === null) return this.put(BPF_LD | BPF_ABS | SIZES[value.size], value.k);
        this.toX(value.base);
        return this.put(BPF_LD | BPF_IND | SIZES[value.size], value.k);
      case 'header-length':
        this.toX(value);
        return this.put(BPF_MISC | BPF_TXA);
      case 'negate':
        this.toA(value.operand);
        return this.put(BPF_ALU | BPF_NEG);
      case 'binary':
        if (value.right.kind === 'constant') {
          this.toA(value.left);
          return this.put(BPF_ALU | value.op | BPF_K, value.right.k);
        }
        this.toBoth(value.left, value.right);
        return this.put(BPF_ALU | value.op | BPF_X);
    }
  }

  private toX(value: Value): void {
    if (this.x === value) return;
    if (isDirect(value)) {
      this.loadX(value);
    } else {
      this.toA(value);
      this.put(BPF_MISC | BPF_TAX);
    }
    this.x = value;
  }

  /** A value that X takes without A. */
  private loadX(value: Value): void {
    if (value.kind === 'header-length') this.put(BPF_LDX | BPF_MSH | BPF_B, value.k);
    else if (value.kind === 'constant') this.put(BPF_LDX | BPF_IMM, value.k);
  }

  private toBoth(left: Value, right: Value): void {
    if (isDirect(right)) {
      this.toA(left);
      this.toX(right);
    } else if (!usesX(left)) {
      this.toX(right);
      this.toA(left);
    } else {
      this.toBothByMemory(left, right);
    }
  }

  /** One operand waits in memory while the other is computed; which one, is what needs fewer words in all. */
  private toBothByMemory(left: Value, right: Value): void {
    const word = this.words;
    if (Math.max(words(right), 1 + words(left)) <= Math.max(words(left), 1 + words(right))) {
      this.toA(right);
      this.put(BPF_ST, word);
      this.words = word + 1;
      this.toA(left);
      this.put(BPF_LDX | BPF_MEM, word);
      this.x = right;
    } else {
      this.toA(left);
      this.put(BPF_ST, word);
      this.words = word + 1;
      this.toX(right);
      this.put(BPF_LD | BPF_MEM, word);
      this.a = left;
    }
    this.words = word;
  }
}

/** Memory words that computing it takes. */
function words(value: Value): number {
  switch (value.kind) {
    case 'constant':
    case 'length':
    case 'header-length':
      return 0;
    case 'load':
      return value.base === null ? 0 : words(value.base);
    case 'negate':
      return words(value.operand);
    case 'binary': {
      if (isDirect(value.right)) return words(value.left);
      const [left, right] = [words(value.left), words(value.right)];
      return usesX(value.left) ? Math.min(Math.max(right, 1 + left), Math.max(left, 1 + right)) : right;
    }
  }
}

/** Can X be loaded with it while A keeps its value? */
function isDirect(value: Value): boolean {
  return value.kind === 'constant' || value.kind === 'header-length';
}

/** Does computing it change X? */
function usesX(value: Value): boolean {
  switch (value.kind) {
    case 'constant':
    case 'length':
      return false;
    case 'header-length':
      return true;
    case 'load':
      return value.base !== null;
    case 'negate':
      return usesX(value.operand);
    case 'binary':
      return value.right.kind !== 'constant' || usesX(value.left);
  }
}
