/**
 * rule-parser.ts — a rule from the words behind `ipfw add`.
 * Read first: ipfw(8) "RULE FORMAT"; rule-action.ts, rule-address.ts, rule-option.ts.
 *
 *     [number] [set N] [prob P] action [log [logamount N]] [tag N | untag N] [proto from src [ports] to dst [ports]] [options]
 *
 * Theory of operation. Words are taken from the front of a list; each pattern becomes an instruction (`emit`). `not` turns the one that follows round, braces
 * around patterns with `or` between them make them alternatives. In the finished rule the instructions stand in the order in which the filter needs them:
 * chance, the look at existing states, patterns, the state to be made; then log, tag and the action.
 */
import type { IpfwInsnSpec, IpfwRuleSpec } from '@netloom/core';
import {
  IPFW_ARG_MAX, IPFW_RULE_JUSTOPTS, IPFW_RULE_NOOPT, IP_FW_TARG, O_CHECK_STATE, O_IP4, O_IP6, O_IP_DSTPORT, O_IP_SRCPORT, O_LOG, O_NOP, O_PROB, O_PROBE_STATE, O_PROTO, O_SKIP_ACTION,
  O_TAG, RESVD_SET,
} from '@netloom/core';
import { IPPROTO_IP, IPPROTO_IPV6 } from '@netloom/core/wire';
import { atoi, isDigit, strtol } from '../c-number.js';
import { protocolNumber } from '../protocols.js';
import { EX_DATAERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { takeAction } from './rule-action.js';
import type { Side } from './rule-address.js';
import { addressOf, portsOf } from './rule-address.js';
import { takeOption } from './rule-option.js';
import { ACTION_PARAMETERS, OPTIONS } from './words.js';

/** Longest comment. */
const COMMENT_MAX = 84;
const PROB_MAX = 0x7fff_ffff;
const PORT_OPS: Readonly<Record<Side, number>> = { src: O_IP_SRCPORT, dst: O_IP_DSTPORT };

export type Draft = { -readonly [K in keyof IpfwInsnSpec]: IpfwInsnSpec[K] };

export class RuleParser {
  readonly t: IpfwTool;
  /** What is left of the words. */
  readonly av: string[];
  /** The protocol whose ports are meant. */
  proto = IPPROTO_IP;
  /** The instruction that makes a state, and whether states are looked at before the other patterns. */
  state: Draft | null = null;
  probes = false;
  defers = false;
  private readonly body: Draft[] = [];
  private not = false;
  /** What an `or` would follow. */
  private prev: Draft | null = null;
  private open = false;
  private log: IpfwInsnSpec | null = null;
  private tag: IpfwInsnSpec | null = null;

  constructor(t: IpfwTool, words: readonly string[]) {
    this.t = t;
    this.av = [...words];
  }

  parse(): IpfwRuleSpec {
    const { t, av } = this;
    const rulenum = isDigit(av[0]) ? atoi(av.shift() ?? '') : 0;
    const set = this.takeSet();
    const prob = this.takeProb();
    const action = takeAction(t, av);
    while (av[0] !== undefined && ACTION_PARAMETERS.has(av[0])) this.takeParameter(av.shift() ?? '');
    let flags = 0;
    if (action.op === O_CHECK_STATE) {
      if (OPTIONS.get(av[0] ?? '') === '//') this.takeComment(av.splice(0).slice(1));
    } else flags = this.takeBody();
    return this.assemble({ rulenum, set, flags }, prob, action);
  }

  private takeSet(): number {
    const { av, t } = this;
    if (av[1] === undefined || !t.isWord(av[0], 'set')) return 0;
    const [, word = ''] = av.splice(0, 2);
    const set = strtol(word).value;
    return set >= 0 && set <= RESVD_SET ? set : t.errx(EX_DATAERR, `illegal set ${word}`);
  }

  private takeProb(): IpfwInsnSpec | null {
    const { av, t } = this;
    if (av[1] === undefined || !t.isWord(av[0], 'prob')) return null;
    const [, word = ''] = av.splice(0, 2);
    const p = Number(word);
    if (!(p > 0 && p <= 1)) return t.errx(EX_DATAERR, `illegal match prob. ${word}`);
    return p === 1 ? null : { op: O_PROB, d: [Math.trunc(p * PROB_MAX)] };
  }

  /** log, tag, untag */
  private takeParameter(word: string): void {
    const { av, t } = this;
    if (word === 'altq') return t.errx(EX_UNAVAILABLE, 'altq: there is no ALTQ');
    if (word !== 'log') {
      if (this.tag !== null) return t.errx(EX_USAGE, 'tag and untag cannot be specified more than once');
      this.tag = { op: O_TAG, not: word === 'untag', arg1: this.takeUint(word) };
      return undefined;
    }
    if (this.log !== null) return t.errx(EX_DATAERR, 'log cannot be specified more than once');
    let lines = t.fw.tun.verboseLimit;
    if (t.isWord(av[0], 'logamount')) {
      av.shift();
      lines = atoi(this.take('logamount requires argument'));
      if (lines < 0) return t.errx(EX_DATAERR, 'logamount must be positive');
    }
    this.log = { op: O_LOG, d: [lines] };
    return undefined;
  }

  /** Patterns; the flags of the rule. */
  private takeBody(): number {
    if (!this.takeProtocols()) {
      this.takeOptions();
      return IPFW_RULE_JUSTOPTS;
    }
    const before = this.body.length;
    this.takeWord('from');
    this.takeAddresses('src', 'missing source address');
    this.takePorts('src');
    this.takeWord('to');
    this.takeAddresses('dst', 'missing dst address');
    this.takePorts('dst');
    const flags = this.body.length === before ? IPFW_RULE_NOOPT : 0;
    this.takeOptions();
    return flags;
  }

  /** False: the rule has options only. */
  private takeProtocols(): boolean {
    const { av, t } = this;
    let first = true;
    this.openBrace();
    do {
      this.takeNot();
      const word = t.need(av[0], 'missing protocol');
      if (!this.takeProtocol(word, true)) {
        if (!first) return t.errx(EX_DATAERR, `invalid protocol \`\`${word}''`);
        if (this.open) av.unshift('{');
        if (this.not) av.unshift('not');
        this.open = false;
        this.not = false;
        return false;
      }
      av.shift();
      first = false;
    } while (this.takeOr());
    return true;
  }

  /** `compat`: the names ipv4 and ipv6 are the protocols ip4 and ip6. False: nobody knows it. */
  takeProtocol(word: string, compat: boolean): boolean {
    if (word === 'ip' || this.t.isWord(word, 'all')) {
      this.refuseNot();
      this.proto = IPPROTO_IP;
      return true;
    }
    if (word === 'ip4' || (compat && word === 'ipv4')) {
      this.proto = IPPROTO_IP;
      this.emit({ op: O_IP4 });
      return true;
    }
    if (word === 'ip6' || (compat && word === 'ipv6')) {
      this.proto = IPPROTO_IPV6;
      this.emit({ op: O_IP6 });
      return true;
    }
    const { value, rest } = strtol(word);
    const proto = rest === '' && value > 0 ? value : protocolNumber(word);
    if (proto === null || proto > 255) return false;
    this.proto = proto;
    this.emit({ op: O_PROTO, arg1: proto });
    return true;
  }

  private takeWord(word: string): void {
    if (!this.t.isWord(this.av[0], word)) this.t.errx(EX_USAGE, `missing \`\`${word}''`);
    this.av.shift();
  }

  private takeAddresses(side: Side, complaint: string): void {
    this.openBrace();
    do {
      this.takeNot();
      this.emit(addressOf(this.t, this.take(complaint), side, this.proto));
    } while (this.takeOr());
  }

  private takePorts(side: Side): void {
    const { av, t } = this;
    this.takeNot();
    const [word] = av;
    if (word === undefined) return;
    if (t.isWord(word, 'any')) this.emit(null);
    else {
      const d = portsOf(t, word);
      if (d === null) {
        if (this.not) av.unshift('not');
        this.not = false;
        return;
      }
      this.emit({ op: PORT_OPS[side], d });
    }
    av.shift();
  }

  private openBrace(): void {
    const [word = ''] = this.av;
    if (!word.startsWith('{') && !word.startsWith('(')) return;
    this.open = true;
    this.prev = null;
    if (word.length === 1) this.av.shift();
    else this.av[0] = word.slice(1);
  }

  /** After an alternative: true: another follows; the brace is closed otherwise. */
  private takeOr(): boolean {
    const { av, t } = this;
    if (t.isWord(av[0], 'or')) {
      this.alternative(EX_DATAERR, 'invalid OR block');
      av.shift();
      return true;
    }
    if (!this.open) return false;
    if (av[0] !== '}' && av[0] !== ')') return t.errx(EX_USAGE, 'missing ")"\n');
    av.shift();
    this.prev = null;
    this.open = false;
    return false;
  }

  /** What comes next is an alternative to what came last. */
  private alternative(code: number, complaint: string): void {
    if (this.prev === null || !this.open) this.t.errx(code, complaint);
    else this.prev.or = true;
  }

  private takeNot(): void {
    if (!this.t.isWord(this.av[0], 'not')) return;
    this.av.shift();
    this.turn();
  }

  /** The next pattern is turned round. */
  turn(): void {
    if (this.not) this.t.errx(EX_USAGE, 'double "not" not allowed\n');
    this.not = true;
  }

  private refuseNot(): void {
    if (this.not) this.t.errx(EX_DATAERR, 'not any never matches');
  }

  private takeOptions(): void {
    const { av, t } = this;
    this.prev = null;
    while (av.length > 0) {
      let word = av.shift() ?? '';
      if (word.length > 1 && word.startsWith('!')) {
        this.turn();
        word = word.slice(1);
      }
      const option = OPTIONS.get(word) ?? t.errx(EX_USAGE, `unrecognised option [-1] ${word}\n`);
      switch (option) {
        case 'not':
          this.turn();
          break;
        case 'or':
          this.alternative(EX_USAGE, 'invalid "or" block\n');
          break;
        case '{':
          if (this.open) return t.errx(EX_USAGE, '+nested "(" not allowed\n');
          this.open = true;
          break;
        case '}':
          if (!this.open) return t.errx(EX_USAGE, '+missing ")"\n');
          this.open = false;
          this.prev = null;
          break;
        case '//':
          this.takeComment(av.splice(0));
          break;
        default:
          takeOption(this, option, word);
      }
    }
    if (this.open) t.errx(EX_USAGE, 'missing ")"\n');
    return undefined;
  }

  private takeComment(words: readonly string[]): void {
    const text = words.join(' ');
    if (text === '') return;
    if (text.length >= COMMENT_MAX) this.t.errx(EX_DATAERR, 'comment too long (max 80 chars)');
    this.emit({ op: O_NOP, name: text });
  }

  take(complaint: string): string {
    return this.t.need(this.av.shift(), complaint);
  }

  /** In the options: are alternatives being written? */
  get inBraces(): boolean {
    return this.open;
  }

  /** A number from 1 to IPFW_ARG_MAX, or `tablearg`. */
  takeUint(what: string): number {
    const { av, t } = this;
    const word = t.need(av.shift(), `${what}: missing argument`);
    if (t.isWord(word, 'tablearg')) return IP_FW_TARG;
    const { value, rest } = strtol(word);
    if (!isDigit(word) || rest !== '') return t.errx(EX_DATAERR, `${what}: invalid argument: ${word}`);
    return value >= 1 && value <= IPFW_ARG_MAX ? value : t.errx(EX_DATAERR, `${what}: argument is out of range (1..${IPFW_ARG_MAX}): ${word}`);
  }

  /** Adds an instruction, turned round if that was said; null: nothing needs to be asked. */
  emit(spec: Omit<IpfwInsnSpec, 'or'> | null): Draft | null {
    if (spec === null) {
      this.refuseNot();
      return null;
    }
    const draft: Draft = { ...spec, not: (spec.not ?? false) !== this.not, or: false };
    this.not = false;
    this.body.push(draft);
    this.prev = draft;
    return draft;
  }

  private assemble(head: Pick<IpfwRuleSpec, 'rulenum' | 'set' | 'flags'>, prob: IpfwInsnSpec | null, action: IpfwInsnSpec): IpfwRuleSpec {
    const { state, t, body, log, tag } = this;
    if (state === null && this.defers && action.op !== O_CHECK_STATE) {
      t.warnx('Rule contains "defer-immediate-action" and doesn\'t contain any state-related options.');
    }
    const insns: IpfwInsnSpec[] = prob === null ? [] : [prob];
    if (state !== null && this.probes) insns.push({ op: O_PROBE_STATE, name: state.name ?? '' });
    insns.push(...body.filter((insn) => insn !== state && insn.op !== O_SKIP_ACTION));
    if (state !== null) insns.push(state);
    if (this.defers) insns.push({ op: O_SKIP_ACTION });
    const actOfs = insns.length;
    for (const insn of [log, tag, action]) if (insn !== null) insns.push(insn);
    return { ...head, insns, actOfs };
  }
}
