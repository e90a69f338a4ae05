/**
 * insn-text.ts — InsnPrinter: patterns of a rule in words, each once.
 * Read first: rule-option.ts, rule-address.ts, which read them; rule-text.ts for the order.
 *
 * The words of a pattern depend on what has been said before: an address after both addresses of the rule is `src-ip ADDR`, a protocol after the protocol `proto NAME`.
 */
import type { IpfwInsn } from '@netloom/core';
import {
  IFACE_ADDR, IFACE_TABLE, IP_FW_TARG, O_ANTISPOOF, O_DSCP, O_ESTAB, O_EXT_HDR, O_FIB, O_FLOW6ID, O_FRAG, O_ICMP6TYPE, O_ICMPTYPE, O_IN, O_IP4, O_IP6, O_IP6_DST, O_IP6_DST_MASK,
  O_IP6_DST_ME, O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME, O_IPOPT, O_IPPRECEDENCE, O_IPTOS, O_IPVER, O_IP_DST, O_IP_DSTPORT, O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET,
  O_IP_FLOW_LOOKUP, O_IP_SRC, O_IP_SRCPORT, O_IP_SRC_LOOKUP, O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET, O_KEEP_STATE, O_LAYER2, O_LIMIT, O_LOOKUP, O_MACADDR2, O_MAC_DST_LOOKUP,
  O_MAC_SRC_LOOKUP, O_MAC_TYPE, O_MARK, O_NOP, O_PROB, O_PROBE_STATE, O_PROTO, O_RECV, O_SKIP_ACTION, O_TAGGED, O_TCPACK, O_TCPFLAGS, O_TCPOPTS, O_TCPSEQ, O_VERREVPATH,
  O_VERSRCREACH, O_VIA, O_XMIT,
} from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { protocolName } from '../protocols.js';
import { serviceName } from '../services.js';
import { hexText, uintText } from './action-text.js';
import { address4Text, address6Text, macText, tableText } from './address-text.js';
import type { IpfwOptions } from './ipfw-tool.js';
import type { Words } from './words.js';
import { DSCP, ETHER_TYPES, EXT_HEADER_NAMES, IP_OFF, IP_OPTIONS, IP_TOS, LIMIT_MASKS, LOOKUP_KEYS, RANGE_NAMES, TCP_FLAGS, TCP_OPTIONS, flagsText, wordOf } from './words.js';

const SRC4: readonly number[] = [O_IP_SRC, O_IP_SRC_LOOKUP, O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET];
const DST4: readonly number[] = [O_IP_DST, O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET];
const SRC6: readonly number[] = [O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME];
const DST6: readonly number[] = [O_IP6_DST, O_IP6_DST_MASK, O_IP6_DST_ME];

const PLAIN: ReadonlyMap<number, string> = new Map([
  [O_PROBE_STATE, ''], [O_LAYER2, ' layer2'], [O_ESTAB, ' established'], [O_VERREVPATH, ' verrevpath'], [O_VERSRCREACH, ' versrcreach'], [O_ANTISPOOF, ' antispoof'],
  [O_SKIP_ACTION, ' defer-immediate-action'],
]);

const FLAGS: ReadonlyMap<number, readonly [string, Words]> = new Map<number, readonly [string, Words]>([
  [O_FRAG, ['frag', IP_OFF]], [O_IPOPT, ['ipoptions', IP_OPTIONS]], [O_IPTOS, ['iptos', IP_TOS]], [O_TCPFLAGS, ['tcpflags', TCP_FLAGS]], [O_TCPOPTS, ['tcpoptions', TCP_OPTIONS]],
]);

const INTERFACES: ReadonlyMap<number, string> = new Map([[O_VIA, 'via'], [O_RECV, 'recv'], [O_XMIT, 'xmit']]);

const SYN = 2;
const ACK = 0x10;
const PROB_MAX = 0x7fff_ffff;

export class InsnPrinter {
  private readonly opts: IpfwOptions;
  private readonly printed = new Set<IpfwInsn>();
  private haveProto = false;
  private haveSrc = false;
  private haveDst = false;
  private haveProbe = false;
  private inBraces = false;

  constructor(opts: IpfwOptions) {
    this.opts = opts;
  }

  saidProtocol(): void {
    this.haveProto = true;
  }

  saidAddress(src: boolean): void {
    if (src) this.haveSrc = true;
    else this.haveDst = true;
  }

  saidAll(): void {
    this.haveProto = true;
    this.haveSrc = true;
    this.haveDst = true;
  }

  /** The words of `insn`, with a space before; '' when they have been said. */
  print(insn: IpfwInsn): string {
    if (this.printed.has(insn)) return '';
    this.printed.add(insn);
    let text = insn.or && !this.inBraces ? ' {' : '';
    if (insn.op !== O_IN && insn.not) text += ' not';
    text += this.words(insn);
    if (insn.or) {
      this.inBraces = true;
      return `${text} or`;
    }
    if (!this.inBraces) return text;
    this.inBraces = false;
    return `${text} }`;
  }

  private words(insn: IpfwInsn): string {
    const { op, arg1, name } = insn;
    const plain = PLAIN.get(op);
    if (plain !== undefined) {
      if (op === O_PROBE_STATE) this.haveProbe = true;
      return plain;
    }
    const flags = FLAGS.get(op);
    if (flags !== undefined) return flagWords(op, flags, arg1);
    const iface = INTERFACES.get(op);
    if (iface !== undefined) return ` ${iface} ${interfaceText(insn)}`;
    if (SRC4.includes(op)) return `${this.haveSrc ? ' src-ip' : ''} ${address4Text(insn, this.opts)}`;
    if (DST4.includes(op)) return `${this.haveDst ? ' dst-ip' : ''} ${address4Text(insn, this.opts)}`;
    if (SRC6.includes(op)) return `${this.haveSrc ? ' src-ip6' : ''} ${address6Text(insn, this.opts)}`;
    if (DST6.includes(op)) return `${this.haveDst ? ' dst-ip6' : ''} ${address6Text(insn, this.opts)}`;
    switch (op) {
      case O_PROB:
        return `prob ${((insn.d[0] ?? 0) / PROB_MAX).toFixed(6)} `;
      case O_PROTO:
        return `${this.haveProto ? ' proto' : ''} ${protocolName(arg1) ?? String(arg1)}`;
      case O_IP4:
        return `${this.haveProto ? ' proto' : ''} ip4`;
      case O_IP6:
        return `${this.haveProto ? ' proto' : ''} ip6`;
      case O_IP_SRCPORT:
      case O_IP_DSTPORT:
        return this.ranges(insn, this.haveSrc && this.haveDst);
      case O_KEEP_STATE:
        return ` ${this.haveProbe ? 'keep-state' : 'record-state'} :${name}`;
      case O_LIMIT:
        return ` ${this.haveProbe ? 'limit' : 'set-limit'} ${limitText(arg1)} ${uintText(insn.d[0] ?? 0)} :${name}`;
      case O_NOP:
        return ` // ${name}`;
      default:
        return this.more(insn);
    }
  }

  private more(insn: IpfwInsn): string {
    const { op, arg1, name, d, not } = insn;
    switch (op) {
      case O_IN:
        return not ? ' out' : ' in';
      case O_MACADDR2:
        return ` MAC ${macText(d)}`;
      case O_MAC_SRC_LOOKUP:
        return ` src-mac ${tableText(insn)}`;
      case O_MAC_DST_LOOKUP:
        return ` dst-mac ${tableText(insn)}`;
      case O_IP_FLOW_LOOKUP:
        return ` flow ${tableText(insn)}`;
      case O_LOOKUP:
        return ` lookup ${wordOf(LOOKUP_KEYS, arg1) ?? String(arg1)} ${name}`;
      case O_FIB:
        return ` fib ${arg1}`;
      case O_IPVER:
        return ` ipver ${arg1}`;
      case O_IPPRECEDENCE:
        return ` ipprecedence ${arg1 >>> 5}`;
      case O_DSCP:
        return ` dscp ${bitsText(d, (i) => wordOf(DSCP, i) ?? String(i))}`;
      case O_ICMPTYPE:
        return ` icmptypes ${bitsText(d, String)}`;
      case O_ICMP6TYPE:
        return ` icmp6types ${bitsText(d, String)}`;
      case O_TCPACK:
        return ` tcpack ${d[0] ?? 0}`;
      case O_TCPSEQ:
        return ` tcpseq ${d[0] ?? 0}`;
      case O_EXT_HDR:
        return ` extension header: ${flagsText(EXT_HEADER_NAMES, { set: arg1, clear: 0 })}`;
      case O_FLOW6ID:
        return ` flow-id ${d.join(',')} `;
      case O_TAGGED:
        return d.length === 0 ? ` tagged ${uintText(arg1)}` : this.ranges(insn, true);
      case O_MARK:
        return ` mark ${arg1 === IP_FW_TARG ? 'tablearg' : hexText(d[0] ?? 0)}${d[1] === -1 ? '' : `:${hexText(d[1] ?? 0)}`}`;
      default:
        return d.length === 0 ? ` ${wordOf(RANGE_NAMES, op) ?? `[opcode ${op}]`} ${arg1}` : this.ranges(insn, true);
    }
  }

  private ranges({ op, d }: IpfwInsn, named: boolean): string {
    const one = (n: number): string => {
      if (op === O_MAC_TYPE) return (this.opts.resolve ? wordOf(ETHER_TYPES, n) : null) ?? `0x${n.toString(16).padStart(4, '0')}`;
      return (this.opts.resolve ? serviceName(n) : null) ?? String(n);
    };
    const text: string[] = [];
    for (let i = 0; i < d.length; i += 2) text.push(d[i] === d[i + 1] ? one(d[i] ?? 0) : `${one(d[i] ?? 0)}-${one(d[i + 1] ?? 0)}`);
    return `${named ? ` ${wordOf(RANGE_NAMES, op) ?? '???'}` : ''} ${text.join(',')}`;
  }
}

function flagWords(op: number, [word, words]: readonly [string, Words], arg1: number): string {
  const flags = { set: arg1 & 0xff, clear: arg1 >>> 8 };
  if (op === O_TCPFLAGS && flags.set === SYN && flags.clear === ACK) return ' setup';
  return ` ${word} ${flagsText(words, flags)}`;
}

function interfaceText({ arg1, d, name }: IpfwInsn): string {
  if (arg1 === IFACE_ADDR) return ip4Format((d[0] ?? 0) >>> 0);
  return arg1 === IFACE_TABLE ? `table(${name})` : name;
}

function limitText(mask: number): string {
  const text: string[] = [];
  let left = mask;
  for (const [word, bits] of LIMIT_MASKS) {
    if ((left & bits) !== bits || left === 0) continue;
    text.push(word);
    left &= ~bits;
  }
  return text.join(',');
}

/** The numbers of the bits that are set. */
function bitsText(d: Int32Array, word: (i: number) => string): string {
  const text: string[] = [];
  for (let i = 0; i < d.length * 32; i++) if (((d[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0) text.push(word(i));
  return text.join(',');
}
