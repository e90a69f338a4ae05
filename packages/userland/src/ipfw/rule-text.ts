/**
 * rule-text.ts — a rule in words, as ipfw lists it.
 * Read first: rule-parser.ts; insn-text.ts, action-text.ts.
 *
 *     00100 allow tcp from any to me 22 in keep-state :default
 *
 * Theory of operation. The words come in the order of the language, not of the instructions: chance, action, log and tag, protocol, addresses with their ports, and then
 * what has not been said yet. Of several protocols or addresses that are not alternatives the first is said in its place, the others as options.
 * What is printed can be read again by `ipfw add`, but for the names of extension headers.
 */
import type { IpfwInsn, Vnet } from '@netloom/core';
import {
  IPFW_RULE_JUSTOPTS, IPFW_RULE_NOOPT, O_CHECK_STATE, O_IP4, O_IP6, O_IP6_DST, O_IP6_DST_MASK, O_IP6_DST_ME, O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME, O_IP_DST, O_IP_DSTPORT,
  O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET, O_IP_SRC, O_IP_SRCPORT, O_IP_SRC_LOOKUP, O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET, O_NOP, O_PROB, O_PROTO,
} from '@netloom/core';
import { actionText, modifierText } from './action-text.js';
import { InsnPrinter } from './insn-text.js';
import type { IpfwOptions } from './ipfw-tool.js';

/** A rule to be shown. */
export interface ShownRule {
  readonly rulenum: number;
  readonly set: number;
  readonly flags: number;
  readonly cmd: readonly IpfwInsn[];
  readonly actOfs: number;
}

const SRC: readonly number[] = [O_IP_SRC, O_IP_SRC_LOOKUP, O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET, O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME];
const DST: readonly number[] = [O_IP_DST, O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET, O_IP6_DST, O_IP6_DST_MASK, O_IP6_DST_ME];

/** What follows the number (and what `before` says: counters, time, set). */
export function ruleText(vnet: Vnet, opts: IpfwOptions, rule: ShownRule, before = ''): string {
  return new RulePrinter(vnet, opts, rule).print(before);
}

class RulePrinter {
  private readonly vnet: Vnet;
  private readonly opts: IpfwOptions;
  private readonly rule: ShownRule;
  private readonly body: readonly IpfwInsn[];
  private readonly insns: InsnPrinter;

  constructor(vnet: Vnet, opts: IpfwOptions, rule: ShownRule) {
    this.vnet = vnet;
    this.opts = opts;
    this.rule = rule;
    this.body = rule.cmd.slice(0, rule.actOfs);
    this.insns = new InsnPrinter(opts);
  }

  print(before: string): string {
    const { rule, insns, opts } = this;
    let text = `${String(rule.rulenum).padStart(5, '0')} ${before}`;
    if (opts.showSets) text += `set ${rule.set} `;
    const prob = this.body.find(({ op }) => op === O_PROB);
    if (prob !== undefined) text += insns.print(prob);
    const actions = rule.cmd.slice(rule.actOfs);
    const action = actions.at(-1);
    if (action !== undefined) text += actionText(this.vnet, action);
    if (action?.op !== O_CHECK_STATE) {
      text += actions.slice(0, -1).map((insn) => modifierText(insn)).join('');
      if (!opts.commentOnly) text += this.bodyText();
    }
    const comment = this.body.find(({ op }) => op === O_NOP);
    if (comment !== undefined) text += insns.print(comment);
    else if (opts.commentOnly) text += ' // ...';
    return text;
  }

  private bodyText(): string {
    const { insns, rule, opts } = this;
    let text = '';
    if ((rule.flags & IPFW_RULE_JUSTOPTS) !== 0) insns.saidAll();
    else {
      text = this.protocols();
      if (!(opts.compact && (rule.flags & IPFW_RULE_NOOPT) !== 0)) text += ` from${this.addresses(SRC, O_IP_SRCPORT)}`;
      if (!(opts.compact && (rule.flags & IPFW_RULE_NOOPT) !== 0)) text += ` to${this.addresses(DST, O_IP_DSTPORT)}`;
    }
    for (const insn of this.body) if (insn.op !== O_NOP) text += insns.print(insn);
    return text;
  }

  /** ` ip`, ` tcp`, ` { tcp or udp }` */
  private protocols(): string {
    const { insns, body } = this;
    const families = body.filter(({ op }) => op === O_IP4 || op === O_IP6);
    const first = families.find(({ or }) => or) ?? families.find(({ op }) => op === O_IP6) ?? families[0];
    const protos = body.filter(({ op }) => op === O_PROTO);
    if (first === undefined && protos.length === 0) {
      insns.saidProtocol();
      return ' ip';
    }
    let text = '';
    let last = first;
    if (first !== undefined) {
      text += insns.print(first);
      const other = first.or ? families.find((insn) => insn !== first) : undefined;
      if (other !== undefined) {
        text += insns.print(other);
        last = other;
      }
    }
    if (last === undefined || last.or) {
      for (const insn of protos) {
        text += insns.print(insn);
        if (!insn.or) break;
      }
    }
    insns.saidProtocol();
    return text;
  }

  private addresses(ops: readonly number[], portOp: number): string {
    const { insns, body } = this;
    const addrs = body.filter(({ op }) => ops.includes(op));
    let text = addrs.length === 0 ? ' any' : '';
    for (const insn of addrs) {
      text += insns.print(insn);
      if (!insn.or) break;
    }
    const ports = body.filter(({ op }) => op === portOp);
    const [only] = ports;
    if (ports.length === 1 && only !== undefined && !only.or && body[body.indexOf(only) - 1]?.or !== true) text += insns.print(only);
    insns.saidAddress(ops === SRC);
    return text;
  }
}
