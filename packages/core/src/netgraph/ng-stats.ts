/**
 * ng-stats.ts — NgStatsCmds: counters that are asked for with three commands: `getstats`, `clrstats`, and both at once, `getclrstats`.
 * Read first: ng-node.ts.
 *
 * A type has one of these. Its numbers are the type's own; its counters may be the node's, or those of what `of` names, a hook or a link.
 */
import type { Errno } from '../base/errno.js';
import type { NgMessage } from './ng-message.js';
import type { NgCmd, NgNode } from './ng-node.js';
import { ngCmd } from './ng-node.js';
import type { NgParseType } from './ng-parse.js';
import { ngEncode } from './ng-parse.js';

/** Numbers of the commands. */
export interface NgStatsNumbers {
  readonly get: number;
  readonly clr: number;
  readonly getclr: number;
}

/** `S`: the counters; `A`: what names whose they are. */
export class NgStatsCmds<S, A = null> {
  readonly cmds: readonly NgCmd[];
  private readonly numbers: NgStatsNumbers;
  private readonly type: NgParseType<S>;

  /** `of`: the commands' argument; null: they have none, the counters are the node's. */
  constructor(numbers: NgStatsNumbers, type: NgParseType<S>, of: NgParseType<A> | null = null) {
    this.numbers = numbers;
    this.type = type;
    this.cmds = [ngCmd(numbers.get, 'getstats', of, type), ngCmd(numbers.clr, 'clrstats', of), ngCmd(numbers.getclr, 'getclrstats', of, type)];
  }

  /** Is it one of them? */
  has(cmd: number): boolean {
    const { get, clr, getclr } = this.numbers;
    return cmd === get || cmd === clr || cmd === getclr;
  }

  /** Does what `msg` asks for: tells the counters, and has them cleared. */
  answer(node: NgNode, msg: NgMessage, stats: S, clear: () => void): Errno {
    const { get, clr } = this.numbers;
    const error = msg.cmd === clr ? 0 : node.graph.respond(node, msg, ngEncode(this.type, stats));
    if (msg.cmd !== get) clear();
    return error;
  }
}
