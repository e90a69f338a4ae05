/**
 * rule-commands.ts — ipfw add, delete, flush, zero, resetlog.
 * Read first: ipfw(8); rule-parser.ts, rule-text.ts.
 */
import type { IpfwRange } from '@netloom/core';
import { IpfwInsn } from '@netloom/core';
import { ToolExit } from '../err.js';
import { isDigit, strtol } from '../c-number.js';
import { EX_DATAERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import { utf8Text } from '../utf8.js';
import type { IpfwTool } from './ipfw-tool.js';
import { natDelete } from './nat-commands.js';
import { RuleParser } from './rule-parser.js';
import { ruleText } from './rule-text.js';

const ALL: IpfwRange = { first: 0, last: 0, set: -1 };
const NUMBER_MAX = 0xffff;

/** @param words behind `add` */
export function ipfwAdd(t: IpfwTool, words: readonly string[]): void {
  const spec = new RuleParser(t, words).parse();
  let { rulenum } = spec;
  const { fw } = t;
  if (!t.opts.testOnly) {
    const { rule, error } = fw.add(spec);
    if (rule === null) return t.err(EX_UNAVAILABLE, 'getsockopt(IP_FW_XADD)', error);
    ({ rulenum } = rule);
  }
  if (t.opts.quiet) return;
  t.out(`${ruleText(t.p.vnet, t.opts, { rulenum, set: spec.set, flags: spec.flags, cmd: spec.insns.map((insn) => new IpfwInsn(insn)), actOfs: spec.actOfs })}\n`);
}

/** The numbers of `5` or `5-9`. */
function numbersOf(word: string): [number, number] {
  const { value, rest } = strtol(word);
  return [value & NUMBER_MAX, (rest.startsWith('-') ? strtol(rest.slice(1)).value : value) & NUMBER_MAX];
}

/** @param words behind `delete`; of nat instances when `nat` */
export function ipfwDelete(t: IpfwTool, words: readonly string[], nat: boolean): void {
  const av = [...words];
  t.need(av[0], 'missing rule specification');
  const sets = t.isWord(av[0], 'set');
  if (sets) {
    if (t.opts.set >= 0) return t.errx(EX_DATAERR, 'invalid syntax');
    av.shift();
  }
  let exit = 0;
  for (let word = av.shift(); word !== undefined && isDigit(word); word = av.shift()) {
    const code = nat ? natDelete(t, strtol(word).value) : sets ? deleteSet(t, strtol(word).value) : deleteRules(t, word);
    if (code !== 0) exit = code;
  }
  if (exit !== 0 && !t.opts.force) throw new ToolExit(exit);
}

function deleteSet(t: IpfwTool, n: number): number {
  const range = { ...ALL, set: n & 31 };
  if (t.opts.testOnly) return 0;
  if (t.opts.dynamic === 2) t.fw.deleteStates(range);
  else t.fw.delete(range);
  return 0;
}

function deleteRules(t: IpfwTool, word: string): number {
  const [first, last] = numbersOf(word);
  const range = { first, last, set: t.opts.set };
  if (t.opts.dynamic === 2) {
    if (!t.opts.testOnly) t.fw.deleteStates(range);
    return 0;
  }
  if (!t.opts.testOnly && t.fw.delete(range) > 0) return 0;
  if (t.opts.quiet) return EX_UNAVAILABLE;
  t.warnx(first === last ? `rule ${first} not found` : `no rules rules in ${first}-${last} range`);
  return EX_UNAVAILABLE;
}

/** @param words behind `zero` or, when `logs`, behind `resetlog` */
export function ipfwZero(t: IpfwTool, words: readonly string[], logs: boolean): void {
  const { opts } = t;
  const reset = (range: IpfwRange): number => (opts.testOnly ? 0 : logs ? t.fw.resetLog(range) : t.fw.zero(range));
  if (words.length === 0) {
    reset(ALL);
    if (!opts.quiet) t.out(logs ? 'Logging counts reset.\n' : 'Accounting cleared.\n');
    return;
  }
  let failed = 0;
  for (const word of words) {
    if (!isDigit(word)) t.errx(EX_USAGE, `invalid rule number \`\`${word}''`);
    const { value, rest } = strtol(word);
    if (rest !== '' || value > NUMBER_MAX) t.errx(EX_DATAERR, `invalid rule number ${word}\n`);
    if (reset({ first: value, last: value, set: opts.set }) === 0) {
      t.out(`Entry ${value} not found\n`);
      failed = EX_UNAVAILABLE;
    } else if (!opts.quiet) t.out(`Entry ${value} ${logs ? 'logging count reset' : 'cleared'}.\n`);
  }
  if (failed !== 0) throw new ToolExit(failed);
}

export async function ipfwFlush(t: IpfwTool): Promise<void> {
  const { opts } = t;
  if (!opts.force && !opts.quiet && !(await isSure(t))) return;
  if (!opts.testOnly) t.fw.delete({ ...ALL, set: opts.set });
  if (!opts.quiet) t.out('Flushed all rules.\n');
}

/** Asks until there is an answer: the first letter of a line. */
async function isSure(t: IpfwTool): Promise<boolean> {
  t.out('Are you sure? [yn] ');
  let text = '';
  for await (const block of t.p.stdin) {
    text += utf8Text(block);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const answer = text.charAt(0).toUpperCase();
      text = text.slice(end + 1);
      if (answer !== 'Y' && answer !== 'N') continue;
      t.out('\n');
      return answer === 'Y';
    }
  }
  return false;
}
