/**
 * list.ts — ipfw list, show: rules, and the states they have made.
 * Read first: ipfw(8) "list", "show"; rule-text.ts.
 *
 * Counters have the width of the largest. States are listed by the number of their rule.
 */
import type { IpfwParent, IpfwRule, IpfwState } from '@netloom/core';
import { IPFW_DEFAULT_RULE, O_LIMIT } from '@netloom/core';
import { ip4Format, ip6Format, ip6OfWords } from '@netloom/core/wire';
import { strtol } from '../c-number.js';
import { ctimeText } from '../calendar.js';
import { ToolExit } from '../err.js';
import { protocolName } from '../protocols.js';
import { EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { ruleText } from './rule-text.js';

const US_PER_SEC = 1_000_000;
/** Columns of a ctime(3) without its newline. */
const CTIME_WIDTH = 24;
/** Bytes of the reply that FreeBSD would have: its head, and a state. */
const REPLY_HEAD = 16;
const REPLY_STATE = 136;
/** Bits of a state's TCP flags. */
const SYN = 0x02;
const FIN = 0x01;
const REVERSE = 8;
const ORPHANED = 0x4_0000;

interface Range {
  readonly first: number;
  readonly last: number;
}

interface Flow {
  readonly rule: IpfwRule;
  readonly text: string;
  readonly pcnt: number;
  readonly bcnt: number;
  /** Seconds. */
  readonly expire: number;
}

/** @param words behind `list` or `show` */
export function ipfwList(t: IpfwTool, words: readonly string[], counters: boolean): void {
  if (t.opts.testOnly) {
    t.p.err('Testing only, list disabled\n');
    return;
  }
  const lister = new Lister(t, words, counters);
  const exit = words.length === 0 ? lister.all() : lister.some(words);
  if (exit !== 0) throw new ToolExit(exit);
}

function rangeOf(word: string): { range: Range; rest: string } {
  const { value, rest } = strtol(word);
  if (!rest.startsWith('-')) return { range: { first: value, last: value }, rest };
  const to = strtol(rest.slice(1));
  return { range: { first: value, last: to.value }, rest: to.rest };
}

class Lister {
  private readonly t: IpfwTool;
  private readonly rules: readonly IpfwRule[];
  private readonly flows: readonly Flow[];
  private readonly pcWidth: number;
  private readonly bcWidth: number;

  constructor(t: IpfwTool, words: readonly string[], counters: boolean) {
    this.t = t;
    const ranges = words.map((word) => rangeOf(word).range);
    const asked: Range = ranges.length === 0 ? { first: 0, last: IPFW_DEFAULT_RULE } : { first: Math.min(...ranges.map((r) => r.first)), last: Math.max(...ranges.map((r) => r.last)) };
    const { opts, fw } = t;
    this.rules = opts.dynamic === 2 ? [] : fw.rules.filter((r) => inRange(r, asked) && (opts.set < 0 || r.set === opts.set));
    this.flows = opts.dynamic === 0 ? [] : flowsOf(t).filter(({ rule }) => opts.set < 0 || rule.set === opts.set);
    const shown = [...this.rules, ...this.flows];
    const width = (of: (x: IpfwRule | Flow) => number): number => (counters ? Math.max(0, ...shown.map((x) => String(of(x)).length)) : 0);
    this.pcWidth = width((x) => x.pcnt);
    this.bcWidth = width((x) => x.bcnt);
  }

  all(): number {
    const all = { first: 0, last: IPFW_DEFAULT_RULE };
    this.printRules(all);
    if (this.flows.length > 0) {
      this.t.out(`## Dynamic rules (${this.flows.length} ${REPLY_HEAD + REPLY_STATE * this.flows.length}):\n`);
      this.printFlows(all);
    }
    return 0;
  }

  some(words: readonly string[]): number {
    const { t } = this;
    let exit = 0;
    const ranges: Range[] = [];
    for (const word of words) {
      const { range, rest } = rangeOf(word);
      if (rest !== '') {
        exit = EX_USAGE;
        t.warnx(`invalid rule number: ${word}`);
        continue;
      }
      ranges.push(range);
      if (t.opts.dynamic === 2 || this.printRules(range) > 0) continue;
      if (exit === 0) exit = EX_UNAVAILABLE;
      t.warnx(range.first === range.last ? `rule ${range.first} does not exist` : `no rules in range ${range.first}-${range.last}`);
    }
    if (this.flows.length > 0) {
      t.out('## Dynamic rules:\n');
      for (const range of ranges) this.printFlows(range);
    }
    return exit;
  }

  private counters(pcnt: number, bcnt: number): string {
    return this.pcWidth === 0 ? '' : `${String(pcnt).padStart(this.pcWidth)} ${String(bcnt).padStart(this.bcWidth)} `;
  }

  /** How many there are. */
  private printRules(range: Range): number {
    const { t } = this;
    const rules = this.rules.filter((r) => inRange(r, range));
    for (const rule of rules) {
      const isDisabled = (t.fw.setDisable & (1 << rule.set)) !== 0;
      if (isDisabled && !t.opts.showSets) continue;
      t.out(`${isDisabled ? '# DISABLED ' : ''}${ruleText(t.p.vnet, t.opts, rule, `${this.counters(rule.pcnt, rule.bcnt)}${stamp(t, rule)}`)}\n`);
    }
    return rules.length;
  }

  private printFlows(range: Range): void {
    for (const { rule, text, pcnt, bcnt, expire } of this.flows.filter((flow) => inRange(flow.rule, range))) {
      const counters = this.pcWidth === 0 ? '' : ` ${this.counters(pcnt, bcnt)}(${expire}s)`;
      this.t.out(`${String(rule.rulenum).padStart(5, '0')}${counters}${text}\n`);
    }
  }
}

const inRange = (rule: IpfwRule, { first, last }: Range): boolean => rule.rulenum >= first && rule.rulenum <= last;

/** When the rule matched last. */
function stamp({ opts, p }: IpfwTool, rule: IpfwRule): string {
  if (opts.time === 'none') return '';
  const wallUs = rule.timestamp === 0 ? 0 : p.wallUs() - p.now() + rule.timestamp;
  if (opts.time === 'numeric') return `${String(Math.floor(wallUs / US_PER_SEC)).padStart(10)} `;
  return `${wallUs === 0 ? ''.padStart(CTIME_WIDTH) : ctimeText(wallUs)} `;
}

function flowsOf(t: IpfwTool): Flow[] {
  const { dyn } = t.fw;
  const { now } = dyn;
  const states = dyn.list().filter((s) => s.expire > now).map((s): Flow => {
    const kind = s.rule.cmd.some(({ op }) => op === O_LIMIT) ? ' LIMIT' : ' STATE';
    return { rule: s.rule, pcnt: s.pcnt, bcnt: s.bcnt, expire: s.expire - now, text: `${kind}${flowText(s)}${t.opts.verbose ? verboseText(s) : ''}` };
  });
  const parents = dyn.listParents().map((par): Flow => ({ rule: par.rule, pcnt: 0, bcnt: 0, expire: Math.max(0, par.expire - now), text: ` PARENT ${par.count}${flowText(par)}` }));
  return [...states, ...parents].sort((a, b) => a.rule.rulenum - b.rule.rulenum);
}

function flowText({ proto, is6, words, sport, dport, name }: IpfwState | IpfwParent): string {
  const addr = (at: number): string => (is6 ? ip6Format(ip6OfWords(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0)) : ip4Format((words[at] ?? 0) >>> 0));
  return ` ${protocolName(proto) ?? `proto ${proto}`} ${addr(0)} ${sport} <-> ${addr(4)} ${dport}${name === '' ? '' : ` :${name}`}`;
}

function verboseText({ state, orphan, ackFwd, ackRev }: IpfwState): string {
  const bits = state | (orphan ? ORPHANED : 0);
  const both = (flag: number, name: string): string => {
    const [f, r] = [(bits & flag) !== 0, (bits & (flag << REVERSE)) !== 0];
    return f && r ? `BOTH_${name},` : `${f ? `F_${name},` : ''}${r ? `R_${name},` : ''}`;
  };
  const hex = (n: number): string => (n >>> 0).toString(16);
  return ` state 0x${hex(bits).padStart(8, '0')}${bits === 0 ? ',' : ' '}${orphan ? 'ORPHANED,' : ''}${both(SYN, 'SYN')}${both(FIN, 'FIN')} f_ack 0x${hex(ackFwd)}, r_ack 0x${hex(ackRev)}`;
}
