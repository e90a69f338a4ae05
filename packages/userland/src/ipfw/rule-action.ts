/**
 * rule-action.ts — the action of a rule, from words.
 * Read first: ipfw(8) "RULE ACTIONS".
 *
 * What this kernel has nothing for is refused by name with what there is instead: pipes and queues, divert sockets, NAT64, NPTv6.
 */
import type { IpfwInsnSpec } from '@netloom/core';
import {
  ICMP6_UNREACH_ABORT, ICMP6_UNREACH_RST, ICMP_REJECT_ABORT, ICMP_REJECT_RST, IPFW_ARG_MAX, IP_FW_NAT44_GLOBAL, IP_FW_TARG, O_ACCEPT, O_CALLRETURN, O_CHECK_STATE, O_COUNT, O_DENY,
  O_FORWARD_IP, O_FORWARD_IP6, O_NAT, O_NETGRAPH, O_NGTEE, O_REASS, O_REJECT, O_SETDSCP, O_SETFIB, O_SETMARK, O_SKIPTO, O_TCPSETMSS, O_UNREACH6,
} from '@netloom/core';
import { ip6Zoned } from '@netloom/core/wire';
import { isDigit, strtol } from '../c-number.js';
import { hostAddress } from '../host-address.js';
import { hostAddress6 } from '../host-address6.js';
import { servicePort } from '../services.js';
import { EX_DATAERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { words6 } from './rule-address.js';
import type { Words } from './words.js';
import { ACTIONS, DSCP, OPTIONS, UNREACH6_CODES, UNREACH_CODES, isObjectName, wordValue } from './words.js';

/** That arg1 is a value and not the table's. */
export const ARG_IS_VALUE = 0x8000;
export const DEFAULT_STATE = 'default';

const ICMP_UNREACH_HOST = 1;
const ICMP_UNREACH_NEEDFRAG = 4;
const MTU_MIN = 68;
const MTU_MAX = 65_534;

/** Actions without an argument. */
const PLAIN: ReadonlyMap<string, IpfwInsnSpec> = new Map<string, IpfwInsnSpec>([
  ['allow', { op: O_ACCEPT }],
  ['deny', { op: O_DENY }],
  ['count', { op: O_COUNT }],
  ['//', { op: O_COUNT }],
  ['reject', { op: O_REJECT, arg1: ICMP_UNREACH_HOST }],
  ['reset', { op: O_REJECT, arg1: ICMP_REJECT_RST }],
  ['abort', { op: O_REJECT, arg1: ICMP_REJECT_ABORT }],
  ['reset6', { op: O_UNREACH6, arg1: ICMP6_UNREACH_RST }],
  ['abort6', { op: O_UNREACH6, arg1: ICMP6_UNREACH_ABORT }],
  ['reass', { op: O_REASS }],
  ['return', { op: O_CALLRETURN, not: true }],
]);

/** Actions with a number, or the table's. */
const NUMBERED: ReadonlyMap<string, number> = new Map([['skipto', O_SKIPTO], ['netgraph', O_NETGRAPH], ['ngtee', O_NGTEE], ['call', O_CALLRETURN], ['nat', O_NAT]]);

const ABSENT: ReadonlyMap<string, string> = new Map([
  ['pipe', 'there is no dummynet; shape traffic with the netgraph node pipe'], ['queue', 'there is no dummynet; shape traffic with the netgraph node pipe'],
  ['divert', 'there are no divert sockets; use netgraph'], ['tee', 'there are no divert sockets; use ngtee'], ['eaction', 'the one external action is tcp-setmss'],
  ['nat64clat', 'NAT64 is not built in'], ['nat64lsn', 'NAT64 is not built in'], ['nat64stl', 'NAT64 is not built in'], ['nptv6', 'NPTv6 is not built in'],
]);

/** Takes the action and its argument from the front of `av`. */
export function takeAction(t: IpfwTool, av: string[]): IpfwInsnSpec {
  const word = t.need(av[0], 'missing action');
  const action = ACTIONS.get(word);
  if (action === undefined) return t.errx(EX_DATAERR, `invalid action ${word}\n`);
  const absent = ABSENT.get(action);
  if (absent !== undefined) return t.errx(EX_UNAVAILABLE, `${word}: ${absent}`);
  if (action !== '//') av.shift();
  const plain = PLAIN.get(action);
  if (plain !== undefined) return plain;
  const op = NUMBERED.get(action);
  if (op !== undefined) return takeNumber(t, av, word, op);
  switch (action) {
    case 'check-state':
      return takeState(t, av);
    case 'unreach':
      return takeUnreach(t, av, word);
    case 'unreach6':
      return { op: O_UNREACH6, arg1: unreachCode(t, UNREACH6_CODES, take(t, av, 'missing unreach code'), 'ICMPv6') };
    case 'fwd':
      return takeForward(t, take(t, av, 'missing forward address[:port]'));
    case 'setfib':
      return takeFib(t, av);
    case 'setdscp':
      return takeDscp(t, take(t, av, 'missing DSCP code'));
    case 'setmark':
      return takeMark(take(t, av, 'missing mark'));
    default:
      return takeMss(t, take(t, av, 'Missing MSS value'));
  }
}

function take(t: IpfwTool, av: string[], complaint: string): string {
  return t.need(av.shift(), complaint);
}

function takeNumber(t: IpfwTool, av: string[], action: string, op: number): IpfwInsnSpec {
  if (op === O_NAT && t.isWord(av[0], 'global')) {
    av.shift();
    return { op, arg1: IP_FW_NAT44_GLOBAL };
  }
  const arg = take(t, av, `missing argument for ${action}`);
  if (!isDigit(arg) && t.isWord(arg, 'tablearg')) return { op, arg1: IP_FW_TARG };
  const n = isDigit(arg) ? strtol(arg).value : -1;
  return n > 0 && n <= IPFW_ARG_MAX ? { op, arg1: n } : t.errx(EX_DATAERR, `illegal argument ${arg}(${n >>> 0}) for ${action}`);
}

/** The name of a state behind its colon, if there is one; else `otherwise`. */
export function takeStateName(t: IpfwTool, av: string[], otherwise: string): string {
  const [word] = av;
  if (word === undefined || !word.startsWith(':')) return otherwise;
  av.shift();
  const name = word.slice(1);
  return isObjectName(name) && name !== 'any' ? name : t.errx(EX_DATAERR, `Invalid state name ${word}`);
}

function takeState(t: IpfwTool, av: string[]): IpfwInsnSpec {
  const [word] = av;
  if (word === undefined || OPTIONS.get(word) === '//') return { op: O_CHECK_STATE, name: DEFAULT_STATE };
  if (word === ':any') {
    av.shift();
    return { op: O_CHECK_STATE, name: '' };
  }
  return word.startsWith(':') ? { op: O_CHECK_STATE, name: takeStateName(t, av, DEFAULT_STATE) } : t.errx(EX_DATAERR, `Invalid state name ${word}`);
}

function unreachCode(t: IpfwTool, codes: Words, word: string, protocol: string): number {
  const { value, rest } = strtol(word, 0);
  if (rest === '' && value >= 0 && value < 0x100) return value;
  return wordValue(codes, word) ?? t.errx(EX_DATAERR, `unknown ${protocol} unreachable code \`\`${word}''`);
}

function takeUnreach(t: IpfwTool, av: string[], action: string): IpfwInsnSpec {
  const arg1 = unreachCode(t, UNREACH_CODES, take(t, av, 'missing reject code'), 'ICMP');
  if (arg1 !== ICMP_UNREACH_NEEDFRAG || !isDigit(av[0])) return { op: O_REJECT, arg1 };
  const mtu = strtol(av.shift() ?? '').value;
  return mtu >= MTU_MIN && mtu <= MTU_MAX ? { op: O_REJECT, arg1, d: [mtu] } : t.errx(EX_DATAERR, `illegal argument for ${action}`);
}

/** `ADDR[,PORT]`, `1.2.3.4:PORT`, `[2001:db8::1]:PORT`, `tablearg[,PORT]` */
function takeForward(t: IpfwTool, word: string): IpfwInsnSpec {
  const bracketed = /^\[([^\]]*)\](?:[:,](.*))?$/.exec(word);
  const isV6 = bracketed === null && word.indexOf(':') !== word.lastIndexOf(':');
  const plain = isV6 ? /^([^,]*)(?:,(.*))?$/.exec(word) : /^([^,:]*)(?:[,:](.*))?$/.exec(word);
  const [, host = '', service] = bracketed ?? plain ?? [];
  const port = service === undefined ? 0 : isDigit(service) ? strtol(service, 0).value & 0xffff : (servicePort(service) ?? t.errx(EX_DATAERR, `illegal forwarding port \`\`${service}''`));
  if (host === 'tablearg') return { op: O_FORWARD_IP, arg1: port, d: [0] };
  const v4 = hostAddress(host);
  if (v4 !== null) return { op: O_FORWARD_IP, arg1: port, d: [v4 | 0] };
  const v6 = hostAddress6(t.p.vnet, host);
  if (v6 === null) return t.errx(EX_DATAERR, `illegal forwarding address \`\`${host}''`);
  return { op: O_FORWARD_IP6, arg1: port, d: words6(ip6Zoned(v6.addr, v6.scopeId)) };
}

function takeFib(t: IpfwTool, av: string[]): IpfwInsnSpec {
  const word = take(t, av, 'missing fib number');
  if (t.isWord(word, 'tablearg')) return { op: O_SETFIB, arg1: IP_FW_TARG };
  const fib = strtol(word).value;
  return isDigit(word) && fib < t.p.vnet.routes.fibs ? { op: O_SETFIB, arg1: fib | ARG_IS_VALUE } : t.errx(EX_DATAERR, 'fib too large.\n');
}

export function dscpCode(t: IpfwTool, word: string): number {
  if (/^[A-Za-z]/.test(word)) return wordValue(DSCP, word) ?? t.errx(EX_DATAERR, 'Unknown DSCP code');
  const { value, rest } = strtol(word);
  return isDigit(word) && rest === '' && value <= 63 ? value : t.errx(EX_DATAERR, 'Invalid DSCP value');
}

function takeDscp(t: IpfwTool, word: string): IpfwInsnSpec {
  return t.isWord(word, 'tablearg') ? { op: O_SETDSCP, arg1: IP_FW_TARG } : { op: O_SETDSCP, arg1: dscpCode(t, word) | ARG_IS_VALUE };
}

function takeMark(word: string): IpfwInsnSpec {
  return word === 'tablearg' ? { op: O_SETMARK, arg1: IP_FW_TARG, d: [0] } : { op: O_SETMARK, arg1: ARG_IS_VALUE, d: [strtol(word, 0).value | 0] };
}

function takeMss(t: IpfwTool, word: string): IpfwInsnSpec {
  const mss = strtol(word).value;
  return mss > 0 && mss < 0x1_0000 ? { op: O_TCPSETMSS, arg1: mss } : t.errx(EX_USAGE, `invalid MSS value ${word}`);
}
