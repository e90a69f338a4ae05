/**
 * ipfw-chain.ts — IpfwChain: the rules of a filter in order, and the sets they are in.
 * Read first: ipfw(8) "RULE FORMAT", "SETS OF RULES"; FreeBSD's sys/netpfil/ipfw/ip_fw_sockopt.c.
 *
 * Theory of operation. An array sorted by number, then by age. The last rule is the default rule, 65535, in set 31: it always matches and cannot be
 * deleted. Every change makes a new number (`id`), by which those who remember a place in the array notice that it may have moved.
 * A range of a request is rules from one number to another, a set, or all; "all" leaves set 31 alone.
 *
 * There are at most RULES_MAX rules.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOSPC } from '../../base/errno.js';
import { IPFW_DEFAULT_RULE, O_ACCEPT, O_DENY, RESVD_SET, insnsCheck } from './ipfw-insn.js';
import { IpfwRule, makeInsns } from './ipfw-rule.js';
import type { IpfwRuleSpec } from './ipfw-rule.js';
import type { IpfwTables } from './ipfw-tables.js';

/** Rules of one vnet. */
export const RULES_MAX = 65_536;
/** Sets a request may name. */
const SETS = 32;

/** Which rules a request is about. */
export interface IpfwRange {
  /** Rules with numbers from `first` to `last`; both 0: all numbers. */
  readonly first: number;
  readonly last: number;
  /** Only those in this set; -1: in any. */
  readonly set: number;
}

export class IpfwChain {
  /** Sorted; the default rule is the last. */
  rules: readonly IpfwRule[];
  /** Changes with every change. */
  id = 1;
  /** Bit n: rules of set n are not asked. */
  setDisable = 0;
  private readonly tables: IpfwTables;
  private nextId = 1;

  constructor(tables: IpfwTables, accept: boolean) {
    this.tables = tables;
    this.rules = [this.defaultRule(accept)];
  }

  private defaultRule(accept: boolean): IpfwRule {
    const insns = [{ op: accept ? O_ACCEPT : O_DENY }];
    return new IpfwRule({ rulenum: IPFW_DEFAULT_RULE, set: RESVD_SET, flags: 0, insns, actOfs: 0 }, IPFW_DEFAULT_RULE, 0, makeInsns(insns));
  }

  /** The default rule says something else now. Its counters begin anew. */
  setDefault(accept: boolean): void {
    this.change([...this.rules.slice(0, -1), this.defaultRule(accept)]);
  }

  get last(): IpfwRule {
    return this.rules.at(-1)!;
  }

  /** Adds a rule behind those of its number; its number is that of the last rule and `step` when it has none. EINVAL, ENOSPC. */
  add(spec: IpfwRuleSpec, step: number): { readonly rule: IpfwRule | null; readonly error: Errno } {
    if (!isWhole(spec.rulenum, 0, IPFW_DEFAULT_RULE - 1) || !isWhole(spec.set, 0, RESVD_SET)) return { rule: null, error: EINVAL };
    const cmd = makeInsns(spec.insns);
    if (!insnsCheck(cmd, spec.actOfs)) return { rule: null, error: EINVAL };
    if (this.rules.length >= RULES_MAX) return { rule: null, error: ENOSPC };
    const error = this.tables.bind(cmd);
    if (error !== 0) return { rule: null, error };
    const rulenum = spec.rulenum === 0 ? this.nextNumber(step) : spec.rulenum;
    const rule = new IpfwRule(spec, rulenum, this.nextId++, cmd);
    const at = this.find(rulenum, rule.id);
    this.change([...this.rules.slice(0, at), rule, ...this.rules.slice(at)]);
    return { rule, error: 0 };
  }

  private nextNumber(step: number): number {
    const before = this.rules.at(-2)?.rulenum ?? 0;
    return before + step < IPFW_DEFAULT_RULE ? before + step : before || step;
  }

  /** Place of the first rule at or behind (number, id). */
  find(rulenum: number, id: number): number {
    const { rules } = this;
    let low = 0;
    let high = rules.length - 1;
    while (low < high) {
      const mid = (low + high) >>> 1;
      const rule = rules[mid]!;
      if (rule.rulenum < rulenum || (rule.rulenum === rulenum && rule.id < id)) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** The rules a request is about. */
  select(range: IpfwRange): IpfwRule[] {
    const all = range.first === 0 && range.last === 0;
    return this.rules.filter((r) => {
      if (range.set >= 0 && r.set !== range.set) return false;
      if (all) return range.set >= 0 || r.set !== RESVD_SET;
      return r.rulenum >= range.first && r.rulenum <= range.last;
    });
  }

  /** Deletes the rules; the default rule stays. Returns them. */
  delete(range: IpfwRange): IpfwRule[] {
    const gone = this.select(range).filter((r) => r.rulenum !== IPFW_DEFAULT_RULE);
    for (const rule of gone) {
      rule.live = false;
      this.tables.unbind(rule.cmd);
    }
    if (gone.length > 0) this.change(this.rules.filter((r) => r.live));
    return gone;
  }

  /** Rules move to another set; how many. */
  moveRules(range: IpfwRange, set: number): number {
    const rules = this.select(range).filter((r) => r.rulenum !== IPFW_DEFAULT_RULE);
    for (const rule of rules) rule.set = set;
    return rules.length;
  }

  moveSet(from: number, to: number): void {
    for (const rule of this.rules) if (rule.set === from && rule.rulenum !== IPFW_DEFAULT_RULE) rule.set = to;
  }

  swapSets(a: number, b: number): void {
    for (const rule of this.rules) {
      if (rule.rulenum === IPFW_DEFAULT_RULE) continue;
      if (rule.set === a) rule.set = b;
      else if (rule.set === b) rule.set = a;
    }
  }

  /** `disable` and `enable` are masks of sets. Set 31 stays on. */
  enableSets(disable: number, enable: number): void {
    this.setDisable = (this.setDisable | disable) & ~enable & ~(1 << (SETS - 1));
  }

  isDisabled(rule: IpfwRule): boolean {
    return (this.setDisable & (1 << rule.set)) !== 0;
  }

  /** Where a `skipto` or `call` in the rule at `from` leads: to the first rule with a number of at least `num`; a skipto never back, nor to its own number. */
  jumpTarget(from: number, num: number, backwards: boolean): number {
    const { rulenum } = this.rules[from]!;
    return this.find(!backwards && num <= rulenum ? rulenum + 1 : num, 0);
  }

  private change(rules: readonly IpfwRule[]): void {
    this.rules = rules;
    this.id++;
  }
}

function isWhole(n: number, min: number, max: number): boolean {
  return Number.isInteger(n) && n >= min && n <= max;
}
