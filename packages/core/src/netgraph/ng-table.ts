/**
 * ng-table.ts — NgTable: the nodes of a graph by number and by name, and the order in which they are listed.
 * Read first: `sys/netgraph/ng_base.c`, whose two hash tables this follows, because lists show their order.
 *
 * Both tables have 16 chains at first and twice as many whenever they hold more than half as many nodes; who comes is first in his chain, and when a table
 * grows its chains are gone through from the front. Nodes are found through maps; the chains are for lists only.
 */
import type { NgNode } from './ng-node.js';

const CHAINS_MIN = 16;

class NgChains {
  private chains: NgNode[][] = Array.from({ length: CHAINS_MIN }, () => []);
  private readonly hashOf: (node: NgNode) => number;

  constructor(hashOf: (node: NgNode) => number) {
    this.hashOf = hashOf;
  }

  insert(node: NgNode): void {
    this.chainOf(node).unshift(node);
  }

  remove(node: NgNode): void {
    const chain = this.chainOf(node);
    const at = chain.indexOf(node);
    if (at >= 0) chain.splice(at, 1);
  }

  /** Makes room for `count` nodes. */
  grow(count: number): void {
    if (count * 2 <= this.chains.length - 1) return;
    const nodes = this.chains.flat();
    this.chains = Array.from({ length: this.chains.length * 2 }, () => []);
    for (const node of nodes) this.insert(node);
  }

  list(): NgNode[] {
    return this.chains.flat();
  }

  private chainOf(node: NgNode): NgNode[] {
    return this.chains[this.hashOf(node) % this.chains.length]!;
  }
}

/** hash32_str of `sys/hash.h`. */
function nameHash(name: string): number {
  let hash = 5_381;
  for (let i = 0; i < name.length; i++) hash = ((hash << 5) + hash + name.charCodeAt(i)) >>> 0;
  return hash;
}

export class NgTable {
  private readonly ids = new Map<number, NgNode>();
  private readonly names = new Map<string, NgNode>();
  private readonly idChains = new NgChains((node) => node.id);
  private readonly nameChains = new NgChains((node) => nameHash(node.name ?? ''));

  get size(): number {
    return this.ids.size;
  }

  byId(id: number): NgNode | null {
    return this.ids.get(id) ?? null;
  }

  byName(name: string): NgNode | null {
    return this.names.get(name) ?? null;
  }

  add(node: NgNode): void {
    this.ids.set(node.id, node);
    this.idChains.grow(this.ids.size);
    this.idChains.insert(node);
  }

  remove(node: NgNode): void {
    this.ids.delete(node.id);
    this.idChains.remove(node);
    this.unname(node);
  }

  /** The node has another name from now on; nobody else has it. */
  rename(node: NgNode, name: string): void {
    this.nameChains.grow(this.names.size);
    this.unname(node);
    node.name = name;
    this.names.set(name, node);
    this.nameChains.insert(node);
  }

  all(): IterableIterator<NgNode> {
    return this.ids.values();
  }

  /** Those that are valid, as they are listed. */
  list(): NgNode[] {
    return this.idChains.list().filter((node) => node.isValid);
  }

  listNamed(): NgNode[] {
    return this.nameChains.list().filter((node) => node.isValid);
  }

  private unname(node: NgNode): void {
    if (node.name === null) return;
    if (this.names.get(node.name) === node) this.names.delete(node.name);
    this.nameChains.remove(node);
  }
}
