/**
 * rule-option.ts — one option of a rule, from words.
 * Read first: ipfw(8) "RULE OPTIONS (MATCH PATTERNS)"; rule-parser.ts.
 *
 * Packets have no user, no jail and no divert socket here; options that ask for one are refused by name.
 */
import {
  IFACE_ADDR, IFACE_NAME, IFACE_TABLE, IP_FW_TARG, O_ANTISPOOF, O_DSCP, O_ESTAB, O_EXT_HDR, O_FIB, O_FLOW6ID, O_FRAG, O_ICMP6TYPE, O_ICMPTYPE, O_IN, O_IP4, O_IP6, O_IPID, O_IPLEN, O_IPOPT,
  O_IPPRECEDENCE, O_IPTOS, O_IPTTL, O_IPVER, O_IP_DSTPORT, O_IP_FLOW_LOOKUP, O_IP_SRCPORT, O_KEEP_STATE, O_LAYER2, O_LIMIT, O_LOOKUP, O_MACADDR2, O_MAC_DST_LOOKUP, O_MAC_SRC_LOOKUP,
  O_MAC_TYPE, O_MARK, O_RECV, O_SKIP_ACTION, O_TAGGED, O_TCPACK, O_TCPDATALEN, O_TCPFLAGS, O_TCPMSS, O_TCPOPTS, O_TCPSEQ, O_TCPWIN, O_VERREVPATH, O_VERSRCREACH, O_VIA, O_XMIT,
} from '@netloom/core';
import { IPPROTO_IPV6, inetAton } from '@netloom/core/wire';
import { isDigit, strtol } from '../c-number.js';
import { EX_DATAERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import { ARG_IS_VALUE, DEFAULT_STATE, dscpCode, takeStateName } from './rule-action.js';
import { address4, address6, macOf, portsOf, tableOf } from './rule-address.js';
import type { RuleParser } from './rule-parser.js';
import type { Words } from './words.js';
import { EXT_HEADERS, IP_OFF, IP_OPTIONS, IP_TOS, LIMIT_MASKS, LOOKUP_KEYS, TCP_FLAGS, TCP_OPTIONS, flagsOf, isObjectName, wordValue } from './words.js';

const ICMP_TYPES = 32;
const ICMP6_MAXTYPE = 201;
const FLOW_MAX = 0xf_ffff;
/** SYN without ACK. */
const SETUP = 0x02 | (0x10 << 8);

const PLAIN: ReadonlyMap<string, number> = new Map([
  ['in', O_IN], ['layer2', O_LAYER2], ['established', O_ESTAB], ['verrevpath', O_VERREVPATH], ['versrcreach', O_VERSRCREACH], ['antispoof', O_ANTISPOOF], ['ip4', O_IP4], ['ip6', O_IP6],
]);

interface Ranges {
  readonly op: number;
  readonly missing: string;
  readonly invalid: string;
}

/** A number, or ranges. */
const RANGES: ReadonlyMap<string, Ranges> = new Map([
  ['ipttl', { op: O_IPTTL, missing: 'ipttl requires TTL', invalid: 'ipttl' }],
  ['ipid', { op: O_IPID, missing: 'ipid requires id', invalid: 'ipid' }],
  ['iplen', { op: O_IPLEN, missing: 'iplen requires length', invalid: 'ip len' }],
  ['tcpdatalen', { op: O_TCPDATALEN, missing: 'tcpdatalen requires length', invalid: 'tcpdata len' }],
  ['tcpmss', { op: O_TCPMSS, missing: 'tcpmss/tcpwin requires size', invalid: 'tcpmss size' }],
  ['tcpwin', { op: O_TCPWIN, missing: 'tcpmss/tcpwin requires size', invalid: 'tcpwin size' }],
]);

interface FlagOption {
  readonly op: number;
  readonly words: Words;
}

const FLAGS: ReadonlyMap<string, FlagOption> = new Map([
  ['ipoptions', { op: O_IPOPT, words: IP_OPTIONS }], ['iptos', { op: O_IPTOS, words: IP_TOS }], ['tcpflags', { op: O_TCPFLAGS, words: TCP_FLAGS }],
  ['tcpoptions', { op: O_TCPOPTS, words: TCP_OPTIONS }],
]);

const INTERFACES: ReadonlyMap<string, number> = new Map([['via', O_VIA], ['recv', O_RECV], ['xmit', O_XMIT]]);

const ABSENT: ReadonlyMap<string, string> = new Map([
  ['uid', 'packets have no users here'], ['gid', 'packets have no users here'], ['jail', 'a jail with a network of its own has a firewall of its own'],
  ['diverted', 'there are no divert sockets'], ['diverted-loopback', 'there are no divert sockets'], ['diverted-output', 'there are no divert sockets'],
  ['sockarg', 'sockets have no user cookie'], ['ipsec', 'there is no IPsec'],
]);

/** Takes what belongs to `option`, which was written as `word`. */
export function takeOption(r: RuleParser, option: string, word: string): void {
  const { t } = r;
  const absent = ABSENT.get(option);
  if (absent !== undefined) return t.errx(EX_UNAVAILABLE, `${word}: ${absent}`);
  const op = PLAIN.get(option);
  if (op !== undefined) return void r.emit({ op });
  const ranges = RANGES.get(option);
  if (ranges !== undefined) return takeRanges(r, ranges);
  const flags = FLAGS.get(option);
  if (flags !== undefined) return takeFlags(r, flags, option);
  const iface = INTERFACES.get(option);
  if (iface !== undefined) return takeInterface(r, iface);
  return takeAddressOption(r, option) || takeStateOption(r, option) ? undefined : takeOther(r, option);
}

function takeRanges(r: RuleParser, { op, missing, invalid }: Ranges): void {
  const word = r.take(missing);
  if (!/[-,]/.test(word)) return void r.emit({ op, arg1: strtol(word, 0).value & 0xffff });
  const d = portsOf(r.t, word) ?? r.t.errx(EX_DATAERR, `invalid ${invalid} ${word}`);
  return void r.emit({ op, d });
}

function takeFlags(r: RuleParser, { op, words }: FlagOption, option: string): void {
  const flags = flagsOf(words, r.take(`missing argument for ${option}`));
  if (typeof flags === 'string') return r.t.errx(EX_DATAERR, `invalid flag ${flags}`);
  return void r.emit({ op, arg1: (flags.set & 0xff) | ((flags.clear & 0xff) << 8) });
}

function takeInterface(r: RuleParser, op: number): void {
  const { t } = r;
  const word = r.take('recv, xmit, via require interface name or address');
  if (word === 'any') return void r.emit(null);
  if (word.startsWith('table(')) return void r.emit({ op, arg1: IFACE_TABLE, name: tableOf(t, word).name });
  if (!isDigit(word)) return void r.emit({ op, arg1: IFACE_NAME, name: word });
  const addr = inetAton(word) ?? t.errx(EX_DATAERR, `bad ip address \`\`${word}''`);
  return void r.emit({ op, arg1: IFACE_ADDR, d: [addr | 0] });
}

/** Addresses, ports and tables. False: it is none of them. */
function takeAddressOption(r: RuleParser, option: string): boolean {
  const { t } = r;
  switch (option) {
    case 'src-ip':
      return done(r.emit(address4(t, r.take('missing source IP'), 'src')));
    case 'dst-ip':
      return done(r.emit(address4(t, r.take('missing destination IP'), 'dst')));
    case 'src-ip6':
      return done(r.emit(address6(t, r.take('missing source IP6'), 'src')));
    case 'dst-ip6':
      return done(r.emit(address6(t, r.take('missing destination IP6'), 'dst')));
    case 'src-port':
      return done(takePort(r, O_IP_SRCPORT, 'source'));
    case 'dst-port':
      return done(takePort(r, O_IP_DSTPORT, 'destination'));
    case 'src-mac':
      return done(takeMacTable(r, O_MAC_SRC_LOOKUP, 'missing source MAC'));
    case 'dst-mac':
      return done(takeMacTable(r, O_MAC_DST_LOOKUP, 'missing destination MAC'));
    case 'mac':
      return done(takeMac(r));
    case 'mac-type': {
      const word = r.take('missing mac type');
      const d = word === 'any' ? null : portsOf(t, word, true);
      return done(r.emit({ op: O_MAC_TYPE, d: d ?? t.errx(EX_DATAERR, `invalid mac type ${word}`) }));
    }
    case 'proto': {
      const word = r.take('missing protocol');
      return r.takeProtocol(word, false) || t.errx(EX_DATAERR, `invalid protocol \`\`${word}''`);
    }
    case 'lookup':
      return done(takeLookup(r));
    case 'flow': {
      const word = r.take('missing table name');
      if (!word.startsWith('table(')) return t.errx(EX_DATAERR, 'enclose table name into "table()"');
      return done(r.emit({ op: O_IP_FLOW_LOOKUP, ...tableOf(t, word) }));
    }
    default:
      return false;
  }
}

function done(_taken: unknown): true {
  return true;
}

function takePort(r: RuleParser, op: number, what: string): void {
  const word = r.take(`missing ${what} port`);
  if (r.t.isWord(word, 'any')) return void r.emit(null);
  const d = portsOf(r.t, word) ?? r.t.errx(EX_DATAERR, `invalid ${what} port ${word}`);
  return void r.emit({ op, d });
}

function takeMacTable(r: RuleParser, op: number, missing: string): void {
  const word = r.take(missing);
  if (!word.startsWith('table(')) return r.t.errx(EX_DATAERR, `only mac table lookup is supported ${word}`);
  return void r.emit({ op, ...tableOf(r.t, word) });
}

function takeMac(r: RuleParser): void {
  const { av, t } = r;
  if (av[1] === undefined) return t.errx(EX_DATAERR, 'MAC dst src');
  const [dst, src] = av.splice(0, 2).map((word) => macOf(t, word));
  const words = (part: 'addr' | 'mask'): number[] => {
    const bytes = new Uint8Array(12);
    bytes.set(dst?.[part] ?? []);
    bytes.set(src?.[part] ?? [], 6);
    const v = new DataView(bytes.buffer);
    return [0, 4, 8].map((at) => v.getInt32(at));
  };
  return void r.emit({ op: O_MACADDR2, d: [...words('addr'), ...words('mask')] });
}

function takeLookup(r: RuleParser): void {
  const { av, t } = r;
  if (av[1] === undefined) return t.errx(EX_USAGE, 'format: lookup argument tablenum');
  const [key = '', name = ''] = av.splice(0, 2);
  if (key === 'uid' || key === 'jail') return t.errx(EX_UNAVAILABLE, `lookup ${key}: packets have no ${key} here`);
  const arg1 = wordValue(LOOKUP_KEYS, key) ?? t.errx(EX_USAGE, `format: cannot lookup on ${key}`);
  if (!isObjectName(name) || name === 'all') return t.errx(EX_DATAERR, `Invalid table name: ${name}`);
  return void r.emit({ op: O_LOOKUP, arg1, name });
}

/** keep-state, limit and the like. */
function takeStateOption(r: RuleParser, option: string): boolean {
  const { t, av } = r;
  const isKeep = option === 'keep-state' || option === 'record-state';
  if (!isKeep && option !== 'limit' && option !== 'set-limit') return false;
  if (r.inBraces) return t.errx(EX_USAGE, `${isKeep ? 'keep-state or record-state' : 'limit or set-limit'} cannot be part of an or block`);
  if (r.state !== null) return t.errx(EX_USAGE, 'only one of keep-state, record-state,  limit and set-limit is allowed');
  r.probes = option === 'keep-state' || option === 'limit';
  if (isKeep) {
    r.state = r.emit({ op: O_KEEP_STATE, name: takeStateName(t, av, DEFAULT_STATE) });
    return true;
  }
  let mask = 0;
  for (let bits = limitMask(av[0]); bits !== 0; bits = limitMask(av[0])) {
    mask |= bits;
    av.shift();
  }
  if (mask === 0) return t.errx(EX_USAGE, 'limit: missing limit mask');
  const limit = r.takeUint('limit');
  r.state = r.emit({ op: O_LIMIT, arg1: mask, d: [limit], name: takeStateName(t, av, DEFAULT_STATE) });
  return true;
}

/** `src-addr`, or with commas as it is listed; 0: it is neither. */
function limitMask(word = ''): number {
  const bits = word.split(',').map((part) => wordValue(LIMIT_MASKS, part) ?? 0);
  return bits.includes(0) ? 0 : bits.reduce((all, bit) => all | bit, 0);
}

function takeOther(r: RuleParser, option: string): void {
  const { t, av } = r;
  const number = (missing: string): number => strtol(r.take(missing), 0).value;
  switch (option) {
    case 'out':
      return void r.emit({ op: O_IN, not: true });
    case 'setup':
      return void r.emit({ op: O_TCPFLAGS, arg1: SETUP });
    case 'frag':
      return takeFrag(r);
    case 'icmptypes':
      return takeTypes(r, O_ICMPTYPE, ICMP_TYPES - 1, 1, 'ICMP');
    case 'icmp6types':
      return takeTypes(r, O_ICMP6TYPE, ICMP6_MAXTYPE, 8, 'ICMP6');
    case 'ipversion':
      return void r.emit({ op: O_IPVER, arg1: number('ipver requires version') & 0xffff });
    case 'ipprecedence':
      return void r.emit({ op: O_IPPRECEDENCE, arg1: (number('ipprecedence requires value') & 7) << 5 });
    case 'dscp':
      return takeDscps(r);
    case 'tcpseq':
      return void r.emit({ op: O_TCPSEQ, d: [number('tcpseq/tcpack requires argument') | 0] });
    case 'tcpack':
      return void r.emit({ op: O_TCPACK, d: [number('tcpseq/tcpack requires argument') | 0] });
    case 'fib':
      return void r.emit({ op: O_FIB, arg1: number('fib requires fib number') & 0xffff });
    case 'ext6hdr':
      return takeExtHeaders(r);
    case 'flow-id':
      return takeFlowIds(r);
    case 'tagged': {
      if (!/[-,]/.test(av[0] ?? '')) return void r.emit({ op: O_TAGGED, arg1: r.takeUint('tagged') });
      const word = r.take('');
      return void r.emit({ op: O_TAGGED, arg1: ARG_IS_VALUE, d: portsOf(t, word) ?? t.errx(EX_DATAERR, `tagged: invalid tag list: ${word}`) });
    }
    case 'mark':
      return takeMark(r);
    default:
      if (r.defers) return t.errx(EX_USAGE, 'only one defer-action is allowed');
      r.defers = true;
      return void r.emit({ op: O_SKIP_ACTION });
  }
}

/** Without flags behind it, `frag` means later fragments. */
function takeFrag(r: RuleParser): void {
  const [word] = r.av;
  const flags = word === undefined ? '' : flagsOf(IP_OFF, word);
  if (typeof flags === 'string') return void r.emit({ op: O_FRAG, arg1: 1 });
  r.av.shift();
  return void r.emit({ op: O_FRAG, arg1: (flags.set & 0xff) | ((flags.clear & 0xff) << 8) });
}

function takeTypes(r: RuleParser, op: number, max: number, words: number, what: string): void {
  const { t } = r;
  const d = Array.from({ length: words }, () => 0);
  for (const part of r.take('icmptypes requires list of types').split(',')) {
    const { value, rest } = strtol(part, 0);
    if (rest !== '' || part === '') return t.errx(EX_DATAERR, `invalid ${what} type`);
    if (value > max || value < 0) return t.errx(EX_DATAERR, `${what} type out of range`);
    d[value >>> 5] = (d[value >>> 5] ?? 0) | (1 << (value & 31));
  }
  return void r.emit({ op, d });
}

function takeDscps(r: RuleParser): void {
  const d = [0, 0];
  for (const part of r.take('missing DSCP code').split(',')) {
    const code = dscpCode(r.t, part);
    d[code >>> 5] = (d[code >>> 5] ?? 0) | (1 << (code & 31));
  }
  return void r.emit({ op: O_DSCP, d });
}

function takeExtHeaders(r: RuleParser): void {
  let arg1 = 0;
  for (const part of r.take('missing extension header').split(',')) arg1 |= wordValue(EXT_HEADERS, part) ?? r.t.errx(EX_DATAERR, 'invalid option for ipv6 exten header');
  return void r.emit({ op: O_EXT_HDR, arg1 });
}

function takeFlowIds(r: RuleParser): void {
  const { t } = r;
  if (r.proto !== IPPROTO_IPV6) return t.errx(EX_USAGE, 'flow-id filter is active only for ipv6 protocol\n');
  const d = r.take('missing flow-id').split(',').map((part) => {
    const { value, rest } = strtol(part, 0);
    if (rest !== '' || part === '') return t.errx(EX_DATAERR, `invalid ipv6 flow number ${rest}`);
    return value >= 0 && value <= FLOW_MAX ? value : t.errx(EX_DATAERR, `flow number out of range ${rest}`);
  });
  return void r.emit({ op: O_FLOW6ID, d });
}

/** `VALUE[:MASK]`, `tablearg[:MASK]` */
function takeMark(r: RuleParser): void {
  const [text = '', maskText] = r.take('missing mark value:mask').split(':', 2);
  const mask = maskText === undefined ? 0xffff_ffff : strtol(maskText, 0).value >>> 0;
  const value = text === 'tablearg' ? 0 : strtol(text, 0).value >>> 0;
  const kept = (value & mask) >>> 0;
  const hex = (n: number): string => (n === 0 ? '0' : `0x${n.toString(16)}`);
  if (kept !== value) {
    return r.t.errx(EX_DATAERR, `Static mark value: some bits in value are set that will be masked out by mask (${hex(value)} & ${hex(mask)}) = ${hex(kept)} != ${hex(value)}`);
  }
  return void r.emit({ op: O_MARK, arg1: text === 'tablearg' ? IP_FW_TARG : ARG_IS_VALUE, d: [value | 0, mask | 0] });
}
