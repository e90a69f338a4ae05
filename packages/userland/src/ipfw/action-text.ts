/**
 * action-text.ts — the action of a rule, and its log and tag, in words.
 * Read first: rule-action.ts, which reads them.
 */
import type { IpfwInsn, Vnet } from '@netloom/core';
import {
  ICMP6_UNREACH_ABORT, ICMP6_UNREACH_RST, ICMP_REJECT_ABORT, ICMP_REJECT_RST, IP_FW_NAT44_GLOBAL, IP_FW_TARG, O_ACCEPT, O_CALLRETURN, O_CHECK_STATE, O_COUNT, O_DENY, O_FORWARD_IP,
  O_FORWARD_IP6, O_LOG, O_NAT, O_NETGRAPH, O_NGTEE, O_REASS, O_REJECT, O_SETDSCP, O_SETFIB, O_SETMARK, O_SKIPTO, O_UNREACH6,
} from '@netloom/core';
import { ip4Format, ip6OfWords } from '@netloom/core/wire';
import { zonedText6 } from '../host-address6.js';
import { DSCP, UNREACH6_CODES, UNREACH_CODES, wordOf } from './words.js';

const ICMP_UNREACH_HOST = 1;

const WORDS: ReadonlyMap<number, string> = new Map([[O_ACCEPT, 'allow'], [O_COUNT, 'count'], [O_DENY, 'deny'], [O_REASS, 'reass']]);
const NUMBERED: ReadonlyMap<number, string> = new Map([[O_SKIPTO, 'skipto'], [O_NETGRAPH, 'netgraph'], [O_NGTEE, 'ngtee']]);

export const uintText = (arg1: number): string => (arg1 === IP_FW_TARG ? 'tablearg' : String(arg1));

/** 0x1f; 0 is just 0. */
export const hexText = (n: number): string => (n === 0 ? '0' : `0x${(n >>> 0).toString(16)}`);

/** `log`, `tag N`, with a space before. */
export function modifierText({ op, arg1, not, d }: IpfwInsn): string {
  if (op === O_LOG) return (d[0] ?? 0) > 0 ? ` log logamount ${d[0] ?? 0}` : ' log';
  return ` ${not ? 'untag' : 'tag'} ${uintText(arg1)}`;
}

export function actionText(vnet: Vnet, insn: IpfwInsn): string {
  const { op, arg1, d, name, not } = insn;
  const word = WORDS.get(op);
  if (word !== undefined) return word;
  const numbered = NUMBERED.get(op);
  if (numbered !== undefined) return `${numbered} ${uintText(arg1)}`;
  switch (op) {
    case O_CHECK_STATE:
      return `check-state :${name === '' ? 'any' : name}`;
    case O_REJECT:
      return rejectText(arg1, d[0]);
    case O_UNREACH6:
      if (arg1 === ICMP6_UNREACH_RST) return 'reset6';
      return arg1 === ICMP6_UNREACH_ABORT ? 'abort6' : `unreach6 ${wordOf(UNREACH6_CODES, arg1) ?? String(arg1)}`;
    case O_FORWARD_IP:
      return `fwd ${d[0] === 0 ? 'tablearg' : ip4Format((d[0] ?? 0) >>> 0)}${arg1 === 0 ? '' : `,${arg1}`}`;
    case O_FORWARD_IP6:
      return `fwd ${zonedText6(vnet, ip6OfWords(d[0] ?? 0, d[1] ?? 0, d[2] ?? 0, d[3] ?? 0))}${arg1 === 0 ? '' : `,${arg1}`}`;
    case O_NAT:
      return arg1 === IP_FW_NAT44_GLOBAL ? 'nat global' : `nat ${uintText(arg1)}`;
    case O_SETFIB:
      return `setfib ${arg1 === IP_FW_TARG ? 'tablearg' : String(arg1 & 0x7fff)}`;
    case O_SETDSCP:
      return `setdscp ${arg1 === IP_FW_TARG ? 'tablearg' : (wordOf(DSCP, arg1 & 0x3f) ?? String(arg1 & 0x3f))}`;
    case O_CALLRETURN:
      return not ? 'return' : `call ${uintText(arg1)}`;
    case O_SETMARK:
      return `setmark ${arg1 === IP_FW_TARG ? 'tablearg' : hexText(d[0] ?? 0)}`;
    default:
      return `tcp-setmss ${arg1}`;
  }
}

function rejectText(code: number, mtu: number | undefined): string {
  if (code === ICMP_REJECT_RST) return 'reset';
  if (code === ICMP_REJECT_ABORT) return 'abort';
  if (code === ICMP_UNREACH_HOST) return 'reject';
  return `unreach ${wordOf(UNREACH_CODES, code) ?? String(code)}${mtu === undefined ? '' : ` ${mtu}`}`;
}
