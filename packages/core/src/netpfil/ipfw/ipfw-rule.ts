/**
 * ipfw-rule.ts — IpfwRule: a numbered rule, its counters, and its place among the sets.
 * Read first: ipfw(8) "RULE FORMAT", "SETS OF RULES".
 *
 * Several rules may have one number; they are asked in the order in which they were added.
 */
import { IpfwInsn, O_LOG, O_NOP } from './ipfw-insn.js';
import type { IpfwInsnSpec } from './ipfw-insn.js';

/** The rule was written as options only, without "from" and "to". */
export const IPFW_RULE_JUSTOPTS = 0x1;
/** The rule has neither addresses nor ports. */
export const IPFW_RULE_NOOPT = 0x2;

/** A rule as a tool writes it. */
export interface IpfwRuleSpec {
  /** 1..65534; 0: the next one behind the last. */
  readonly rulenum: number;
  /** 0..31 */
  readonly set: number;
  /** IPFW_RULE_* */
  readonly flags: number;
  readonly insns: readonly IpfwInsnSpec[];
  /** Where the action begins in `insns`. */
  readonly actOfs: number;
}

export class IpfwRule {
  readonly rulenum: number;
  /** Which one of all rules of this vnet it is. */
  readonly id: number;
  set: number;
  readonly flags: number;
  readonly cmd: readonly IpfwInsn[];
  readonly actOfs: number;
  pcnt = 0;
  bcnt = 0;
  /** Microseconds since boot of the last match; 0: none yet. */
  timestamp = 0;
  /** In the chain. */
  live = true;

  constructor(spec: IpfwRuleSpec, rulenum: number, id: number, cmd: readonly IpfwInsn[]) {
    this.rulenum = rulenum;
    this.id = id;
    this.set = spec.set;
    this.flags = spec.flags;
    this.cmd = cmd;
    this.actOfs = spec.actOfs;
    this.resetLog();
  }

  zero(): void {
    this.pcnt = 0;
    this.bcnt = 0;
    this.timestamp = 0;
    this.resetLog();
  }

  resetLog(): void {
    for (const insn of this.cmd) if (insn.op === O_LOG) insn.logLeft = insn.d[0] ?? 0;
  }

  /** What was said about the rule when it was added, or ''. */
  get comment(): string {
    return this.cmd.find((insn) => insn.op === O_NOP)?.name ?? '';
  }
}

/** The instructions that `specs` describe. */
export const makeInsns = (specs: readonly IpfwInsnSpec[]): IpfwInsn[] => specs.map((spec) => new IpfwInsn(spec));
