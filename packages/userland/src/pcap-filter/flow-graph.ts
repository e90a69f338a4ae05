/**
 * flow-graph.ts — a condition to a graph of tests, and the graph made small.
 * Read first: McCanne & Jacobson, "The BSD Packet Filter", §3.1 (filters as control flow graphs); condition.ts.
 *
 * Theory of operation. A branch is one test with a node for each answer; two leaves accept and reject. `build` turns a condition into
 * branches from the end towards the start, one branch per test of the expression. Then three steps repeat until none changes
 * anything:
 * - thread: on the way to a branch, earlier tests may already have given its answer (this packet is IPv4, so it is not ARP); such a way
 *   goes on to where the answer leads. What is known at a branch is what all ways to it have in common.
 * - merge: branches that ask the same and lead to the same places become one; a branch that leads to one place disappears, unless
 *   asking may reject whatever the answer (a division by zero does).
 * - group: in a row of alternatives (or of conditions) those about the same value stand together, so that it is loaded once.
 * No step adds a load to a way through the graph, so no packet that was long enough becomes too short.
 *
 * Invariants: a branch leads to nodes with smaller ids only; ids order the graph. Branches are equal when they are the same object.
 */
import { BPF_JEQ } from '@netloom/core';
import type { Condition, Test } from './condition.js';
import { answer } from './condition.js';
import { FilterError } from './filter-error.js';
import type { Value } from './value.js';

/** Branches a graph may start with. */
const BRANCHES_MAX = 8192;
const ROUNDS_MAX = 100;

export interface Leaf {
  readonly leaf: true;
  readonly id: 0 | 1;
  readonly accept: boolean;
}

export interface Branch {
  readonly leaf: false;
  readonly id: number;
  test: Test;
  /** Where to go when the test holds, and when not. */
  jt: FlowNode;
  jf: FlowNode;
}

export type FlowNode = Leaf | Branch;

export const REJECT: Leaf = { leaf: true, id: 0, accept: false };
export const ACCEPT: Leaf = { leaf: true, id: 1, accept: true };

/** The smallest graph we know for `condition`. Throws FilterError when there are too many tests. */
export function flowGraph(condition: Condition): FlowNode {
  let root = new Interner().build(condition, ACCEPT, REJECT);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const threaded = thread(root);
    const merged = new Interner().copy(threaded.root);
    const grouped = group(merged.root);
    root = merged.root;
    if (!threaded.changed && !merged.changed && !grouped) break;
  }
  return root;
}

/** Every branch that can be reached, the root first, each before those it leads to. */
export function branchesOf(root: FlowNode): Branch[] {
  const seen = new Set<Branch>();
  const pending: FlowNode[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.leaf || seen.has(node)) continue;
    seen.add(node);
    pending.push(node.jt, node.jf);
  }
  return [...seen].sort((a, b) => b.id - a.id);
}

/** Makes branches so that equal ones are one. */
class Interner {
  private readonly known = new Map<string, Branch>();

  build(condition: Condition, jt: FlowNode, jf: FlowNode): FlowNode {
    switch (condition.kind) {
      case 'always':
        return condition.answer ? jt : jf;
      case 'test':
        return this.branch(condition.test, jt, jf);
      case 'not':
        return this.build(condition.operand, jf, jt);
      case 'and':
        return condition.operands.reduceRight((next, operand) => this.build(operand, next, jf), jt);
      case 'or':
        return condition.operands.reduceRight((next, operand) => this.build(operand, jt, next), jf);
    }
  }

  /** The same graph with equal branches merged and pointless ones left out. */
  copy(root: FlowNode): { readonly root: FlowNode; readonly changed: boolean } {
    const copies = new Map<FlowNode, FlowNode>();
    const copyOf = (node: FlowNode): FlowNode => copies.get(node) ?? node;
    const branches = branchesOf(root);
    for (const node of branches.reverse()) copies.set(node, this.branch(node.test, copyOf(node.jt), copyOf(node.jf)));
    return { root: copyOf(root), changed: this.known.size !== branches.length };
  }

  private branch(test: Test, jt: FlowNode, jf: FlowNode): FlowNode {
    if (jt === jf && !mayReject(test)) return jt;
    const key = `${test.id} ${jt.id} ${jf.id}`;
    const found = this.known.get(key);
    if (found !== undefined) return found;
    if (this.known.size >= BRANCHES_MAX) throw new FilterError('filter is too complex to optimize');
    const made: Branch = { leaf: false, id: this.known.size + 2, test, jt, jf };
    this.known.set(key, made);
    return made;
  }
}

const mayReject = ({ left, right }: Test): boolean => left.mayReject || right.mayReject;

/** An answer that is known, and those that were known before it. */
interface Fact {
  readonly test: Test;
  readonly holds: boolean;
  readonly before: Fact | null;
  readonly depth: number;
}

/** Sends every way past the branches whose answer is known on it. */
function thread(root: FlowNode): { readonly root: FlowNode; readonly changed: boolean } {
  const knownAt = new Map<FlowNode, Fact | null>([[root, null]]);
  let changed = false;
  const follow = (start: FlowNode, facts: Fact): FlowNode => {
    let node = start;
    while (!node.leaf) {
      const known = knownAnswer(node.test, facts);
      if (known === null) break;
      node = known ? node.jt : node.jf;
    }
    changed ||= node !== start;
    const other = knownAt.get(node);
    knownAt.set(node, other === undefined ? facts : inCommon(other, facts));
    return node;
  };
  for (const node of branchesOf(root)) {
    const before = knownAt.get(node);
    if (before === undefined) continue;
    const depth = (before?.depth ?? 0) + 1;
    node.jt = follow(node.jt, { test: node.test, holds: true, before, depth });
    node.jf = follow(node.jf, { test: node.test, holds: false, before, depth });
  }
  return { root, changed };
}

/** The answer of `test` after `facts`, null when they do not tell. */
function knownAnswer(test: Test, facts: Fact | null): boolean | null {
  for (let fact = facts; fact !== null; fact = fact.before) {
    if (fact.test === test) return fact.holds;
    const is = equalTo(fact);
    if (is !== null && fact.test.left === test.left && test.right.kind === 'constant') return answer(test.op, is, test.right.k);
  }
  return null;
}

/** The constant that the tested value is known to be. */
function equalTo({ test, holds }: Fact): number | null {
  return holds && test.op === BPF_JEQ && test.right.kind === 'constant' ? test.right.k : null;
}

/** The facts two ways share: those from before they parted, and those that both learned since. */
function inCommon(a: Fact | null, b: Fact | null): Fact | null {
  const sinceA: Fact[] = [];
  const sinceB = new Set<number>();
  let shared = a;
  for (let other = b; shared !== other; ) {
    if (shared !== null && shared.depth >= (other?.depth ?? 0)) {
      sinceA.push(shared);
      shared = shared.before;
    } else if (other !== null) {
      sinceB.add(keyOf(other));
      other = other.before;
    }
  }
  for (const fact of sinceA.reverse()) {
    if (sinceB.has(keyOf(fact))) shared = { test: fact.test, holds: fact.holds, before: shared, depth: (shared?.depth ?? 0) + 1 };
  }
  return shared;
}

const keyOf = ({ test, holds }: Fact): number => 2 * test.id + (holds ? 1 : 0);

/** Brings tests of the same value together in rows where their order is free. */
function group(root: FlowNode): boolean {
  const branches = branchesOf(root);
  const predecessors = new Map<FlowNode, Branch[]>();
  for (const node of branches) {
    for (const next of [node.jt, node.jf]) predecessors.set(next, [...(predecessors.get(next) ?? []), node]);
  }
  let changed = false;
  for (const way of ['jf', 'jt'] as const) {
    const seen = new Set<Branch>();
    for (const head of branches) {
      if (seen.has(head)) continue;
      const row = rowFrom(head, way, predecessors);
      for (const node of row) seen.add(node);
      if (row.length > 1) changed = regroup(row, loadedBefore(predecessors.get(head) ?? [])) || changed;
    }
  }
  return changed;
}

/** The branches that are asked one after another as long as each answers `way`, and that otherwise all lead to the same node. */
function rowFrom(head: Branch, way: 'jt' | 'jf', predecessors: ReadonlyMap<FlowNode, readonly Branch[]>): Branch[] {
  const out = way === 'jf' ? head.jt : head.jf;
  const row = [head];
  for (let next = head[way]; !next.leaf && predecessors.get(next)?.length === 1; next = next[way]) {
    if ((way === 'jf' ? next.jt : next.jf) !== out) break;
    row.push(next);
  }
  return row;
}

/** The value every predecessor has tested last, null when they differ. */
function loadedBefore(predecessors: readonly Branch[]): Value | null {
  const [first] = predecessors;
  if (first === undefined || predecessors.some((node) => node.test.left !== first.test.left)) return null;
  return first.test.left;
}

/** Reorders the tests of a row, not its branches: groups in order of first appearance, the value loaded already before all. */
function regroup(row: readonly Branch[], loaded: Value | null): boolean {
  const values: Value[] = row.map((node) => node.test.left);
  const rank = (test: Test): number => (test.left === loaded ? -1 : values.indexOf(test.left));
  const tests = row.map((node) => node.test).sort((a, b) => rank(a) - rank(b));
  let changed = false;
  row.forEach((node, i) => {
    const test = tests[i] ?? node.test;
    changed ||= test !== node.test;
    node.test = test;
  });
  return changed;
}
