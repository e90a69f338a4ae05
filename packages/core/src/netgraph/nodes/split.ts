/**
 * split.ts — ng_split(4): joins two one-way cables to one that goes both ways.
 *
 * Theory of operation. What comes in by `in` goes out by `mixed`, what comes in by `mixed` goes out by `out`. Nothing may come in by `out`.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngDrop } from '../ng-node.js';

const NG_SPLIT_COOKIE = 949_409_402;

class SplitNode implements NgNodeOps {
  private readonly node: NgNode;
  private input: Hook | null = null;
  private output: Hook | null = null;
  private mixed: Hook | null = null;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'in') this.input = hook;
    else if (name === 'out') this.output = hook;
    else if (name === 'mixed') this.mixed = hook;
    else return EINVAL;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    if (hook === this.output) return ngDrop(m, EINVAL);
    const to = hook === this.input ? this.mixed : this.output;
    return to === null ? ngDrop(m, 0) : this.node.graph.send(to, m);
  }

  disconnect(hook: Hook): void {
    if (hook === this.input) this.input = null;
    else if (hook === this.output) this.output = null;
    else this.mixed = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const splitType: NgType = { name: 'split', cookie: NG_SPLIT_COOKIE, cmds: [], construct: (node) => new SplitNode(node) };
