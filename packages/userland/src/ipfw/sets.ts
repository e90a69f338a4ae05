/**
 * sets.ts — ipfw set: groups of rules that are switched, moved and swapped at once; ipfw enable and disable.
 * Read first: ipfw(8) "SETS OF RULES".
 */
import { IPFW_DEFAULT_RULE, RESVD_SET } from '@netloom/core';
import { atoi, isDigit } from '../c-number.js';
import { EX_DATAERR, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';

/** @param words behind `set` */
export function ipfwSet(t: IpfwTool, words: readonly string[]): void {
  const [word, ...rest] = words;
  if (word === undefined) return t.errx(EX_USAGE, 'set needs command');
  if (t.isWord(word, 'show')) return show(t);
  if (t.isWord(word, 'swap')) return swap(t, rest);
  if (t.isWord(word, 'move')) return move(t, rest);
  if (t.isWord(word, 'disable') || t.isWord(word, 'enable')) return turn(t, words);
  return t.errx(EX_USAGE, `invalid set command ${word}\n`);
}

function show(t: IpfwTool): void {
  const disabled = t.fw.setDisable;
  const sets = (off: boolean): string => Array.from({ length: RESVD_SET }, (_, i) => i).filter((i) => ((disabled & (1 << i)) !== 0) === off).map((i) => ` ${i}`).join('');
  const off = sets(true);
  t.out(`${off === '' ? '' : `disable${off} `}enable${sets(false)}\n`);
}

const isSet = (word: string | undefined): boolean => isDigit(word) && atoi(word ?? '') <= RESVD_SET;

function swap(t: IpfwTool, [a, b]: readonly string[]): void {
  if (a === undefined || b === undefined) return t.errx(EX_USAGE, 'set swap needs 2 set numbers\n');
  if (!isSet(a)) return t.errx(EX_DATAERR, `invalid set number ${a}\n`);
  if (!isSet(b)) return t.errx(EX_DATAERR, `invalid set number ${b}\n`);
  if (!t.opts.testOnly) t.fw.swapSets(atoi(a), atoi(b));
}

function move(t: IpfwTool, words: readonly string[]): void {
  const rule = words[0] !== undefined && t.isWord(words[0], 'rule');
  const [what, to, set, more] = rule ? words.slice(1) : words;
  if (what === undefined || to === undefined || set === undefined || more !== undefined || !t.isWord(to, 'to')) return t.errx(EX_USAGE, 'syntax: set move [rule] X to Y\n');
  if (!isDigit(what) || (rule ? atoi(what) === IPFW_DEFAULT_RULE : atoi(what) > RESVD_SET)) return t.errx(EX_DATAERR, `invalid source number ${what}\n`);
  if (!isSet(set)) return t.errx(EX_DATAERR, `invalid dest. set ${set}\n`);
  if (t.opts.testOnly) return;
  if (rule) t.fw.moveRules({ first: atoi(what), last: atoi(what), set: -1 }, atoi(set));
  else t.fw.moveSet(atoi(what), atoi(set));
}

/** `disable 1 2 enable 3` */
function turn(t: IpfwTool, words: readonly string[]): void {
  const masks = { enable: 0, disable: 0 };
  let which: keyof typeof masks = 'enable';
  for (const word of words) {
    if (isDigit(word)) {
      if (!isSet(word)) return t.errx(EX_DATAERR, `invalid set number ${atoi(word)}\n`);
      masks[which] |= 1 << atoi(word);
    } else if (t.isWord(word, 'disable')) which = 'disable';
    else if (t.isWord(word, 'enable')) which = 'enable';
    else return t.errx(EX_DATAERR, `invalid set command ${word}\n`);
  }
  if ((masks.enable & masks.disable) !== 0) return t.errx(EX_DATAERR, 'cannot enable and disable the same set\n');
  if (!t.opts.testOnly) t.fw.enableSets(masks.disable, masks.enable);
}

/** What `enable` and `disable` turn: sysctls. */
const SWITCHES: readonly (readonly [string, readonly string[]])[] = [
  ['firewall', ['net.inet.ip.fw.enable', 'net.inet6.ip6.fw.enable']], ['one_pass', ['net.inet.ip.fw.one_pass']], ['verbose', ['net.inet.ip.fw.verbose']],
  ['dyn_keepalive', ['net.inet.ip.fw.dyn_keepalive']],
];

/** @param words behind `enable` or `disable` */
export function ipfwSwitch(t: IpfwTool, words: readonly string[], on: boolean): void {
  const [word] = words;
  if (word === undefined) return t.warnx('missing keyword to enable/disable\n');
  const names = SWITCHES.find(([keyword]) => t.isWord(word, keyword))?.[1];
  if (names === undefined) return t.warnx(`unrecognize enable/disable keyword: ${word}\n`);
  const { sysctl } = t.vnet.kern;
  for (const name of names) sysctl.set(name, on ? 1 : 0);
}
