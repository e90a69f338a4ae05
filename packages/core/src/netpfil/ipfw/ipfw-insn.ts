/**
 * ipfw-insn.ts — IpfwInsn: one instruction of a rule.
 * Read first: FreeBSD's netinet/ip_fw.h, "struct ipfw_insn".
 *
 *     op     what it does: O_*
 *     not    its match is turned round; of O_IN that is "out", of O_TAG "untag", of O_CALLRETURN "return"
 *     or     the next instruction is an alternative
 *     arg1   a small number: a protocol, a rule, a pipe; 0 may stand for the value of the last table entry found (IP_FW_TARG)
 *     d      words, signed: addresses and masks, ranges of ports in pairs
 *     name   a table, an interface, a state, a comment
 *
 * A rule is a list of them: first what must match, then, from `actOfs` on, what is done. `ipfw` writes such lists (userland/src/ipfw) and prints them; the
 * filter runs them (ipfw-match.ts). All have one shape, whoever made them, so that the loop that runs them stays fast.
 * `insnCheck` refuses what could not be run; a rule that was accepted never makes the filter throw.
 */
import type { IpfwTable } from './ipfw-table.js';

export const O_NOP = 0;
export const O_IP_SRC = 1;
export const O_IP_SRC_MASK = 2;
export const O_IP_SRC_ME = 3;
export const O_IP_SRC_SET = 4;
export const O_IP_SRC_LOOKUP = 5;
export const O_IP_DST = 6;
export const O_IP_DST_MASK = 7;
export const O_IP_DST_ME = 8;
export const O_IP_DST_SET = 9;
export const O_IP_DST_LOOKUP = 10;
export const O_IP_SRCPORT = 11;
export const O_IP_DSTPORT = 12;
export const O_PROTO = 13;
export const O_MACADDR2 = 14;
export const O_MAC_TYPE = 15;
export const O_LAYER2 = 16;
export const O_IN = 17;
export const O_FRAG = 18;
export const O_RECV = 19;
export const O_XMIT = 20;
export const O_VIA = 21;
export const O_IPOPT = 22;
export const O_IPLEN = 23;
export const O_IPID = 24;
export const O_IPTOS = 25;
export const O_IPPRECEDENCE = 26;
export const O_IPTTL = 27;
export const O_IPVER = 28;
export const O_DSCP = 29;
export const O_ESTAB = 30;
export const O_TCPFLAGS = 31;
export const O_TCPWIN = 32;
export const O_TCPSEQ = 33;
export const O_TCPACK = 34;
export const O_TCPOPTS = 35;
export const O_TCPMSS = 36;
export const O_TCPDATALEN = 37;
export const O_ICMPTYPE = 38;
export const O_ICMP6TYPE = 39;
export const O_EXT_HDR = 40;
export const O_FLOW6ID = 41;
export const O_IP4 = 42;
export const O_IP6 = 43;
export const O_IP6_SRC = 44;
export const O_IP6_SRC_ME = 45;
export const O_IP6_SRC_MASK = 46;
export const O_IP6_DST = 47;
export const O_IP6_DST_ME = 48;
export const O_IP6_DST_MASK = 49;
export const O_VERREVPATH = 50;
export const O_VERSRCREACH = 51;
export const O_ANTISPOOF = 52;
export const O_PROB = 53;
export const O_FIB = 54;
export const O_TAGGED = 55;
export const O_MARK = 56;
export const O_IP_FLOW_LOOKUP = 57;
export const O_MAC_SRC_LOOKUP = 58;
export const O_MAC_DST_LOOKUP = 59;
/** `lookup KEY TABLE`: arg1 is the key, LOOKUP_*. */
export const O_LOOKUP = 60;
export const O_PROBE_STATE = 61;
export const O_KEEP_STATE = 62;
export const O_LIMIT = 63;
export const O_SKIP_ACTION = 64;

/** What follows belongs to the action. */
export const O_ACTIONS = 100;
/** d[0]: so many lines at most; 0 or none: without a limit. */
export const O_LOG = 100;
export const O_TAG = 101;
export const O_CHECK_STATE = 102;
export const O_ACCEPT = 103;
export const O_COUNT = 104;
export const O_DENY = 105;
export const O_REJECT = 106;
export const O_UNREACH6 = 107;
export const O_SKIPTO = 108;
export const O_NETGRAPH = 109;
export const O_NGTEE = 110;
export const O_FORWARD_IP = 111;
export const O_FORWARD_IP6 = 112;
export const O_NAT = 113;
export const O_SETFIB = 114;
export const O_SETDSCP = 115;
export const O_REASS = 116;
export const O_CALLRETURN = 117;
export const O_SETMARK = 118;
export const O_TCPSETMSS = 119;

/** arg1: the value of the table entry that was found last ("tablearg"). */
export const IP_FW_TARG = 0;
/** arg1 of O_NAT: whatever instance knows the packet. */
export const IP_FW_NAT44_GLOBAL = 65_535;
/** Largest arg1 that names something. */
export const IPFW_ARG_MAX = 65_534;
export const IPFW_DEFAULT_RULE = 65_535;
/** Sets are 0..31; the last one is the default rule's, and cannot be disabled. */
export const RESVD_SET = 31;

/** arg1 of O_REJECT and O_UNREACH6 beside the codes of ICMP. */
export const ICMP_REJECT_RST = 0x100;
export const ICMP_REJECT_ABORT = 0x101;
export const ICMP6_UNREACH_RST = 0x100;
export const ICMP6_UNREACH_ABORT = 0x101;

/** arg1 of O_LIMIT: what makes a session one of many. */
export const DYN_SRC_ADDR = 0x1;
export const DYN_SRC_PORT = 0x2;
export const DYN_DST_ADDR = 0x4;
export const DYN_DST_PORT = 0x8;

/** Bits of arg1 of O_EXT_HDR. */
export const EXT_FRAGMENT = 0x01;
export const EXT_HOPOPTS = 0x02;
export const EXT_ROUTING = 0x04;
export const EXT_AH = 0x08;
export const EXT_ESP = 0x10;
export const EXT_DSTOPTS = 0x20;
export const EXT_RTHDR0 = 0x40;
export const EXT_RTHDR2 = 0x80;

/** Bits of O_IPOPT and O_TCPOPTS. */
export const IP_FW_IPOPT_LSRR = 0x01;
export const IP_FW_IPOPT_SSRR = 0x02;
export const IP_FW_IPOPT_RR = 0x04;
export const IP_FW_IPOPT_TS = 0x08;
export const IP_FW_TCPOPT_MSS = 0x01;
export const IP_FW_TCPOPT_WINDOW = 0x02;
export const IP_FW_TCPOPT_SACK = 0x04;
export const IP_FW_TCPOPT_TS = 0x08;
export const IP_FW_TCPOPT_CC = 0x10;

/** arg1 of O_LOOKUP. */
export const LOOKUP_DST_IP = 0;
export const LOOKUP_SRC_IP = 1;
export const LOOKUP_DST_PORT = 2;
export const LOOKUP_SRC_PORT = 3;
export const LOOKUP_DSCP = 6;
export const LOOKUP_DST_MAC = 7;
export const LOOKUP_SRC_MAC = 8;
export const LOOKUP_MARK = 9;

/** arg1 of O_RECV, O_XMIT and O_VIA: `name` is an interface or a pattern; it is a table; d[0] is an address of the interface. */
export const IFACE_NAME = 0;
export const IFACE_TABLE = 1;
export const IFACE_ADDR = 2;

/** An instruction as a tool writes it. */
export interface IpfwInsnSpec {
  readonly op: number;
  readonly not?: boolean;
  readonly or?: boolean;
  readonly arg1?: number;
  readonly d?: readonly number[];
  readonly name?: string;
}

/** How many bytes two names may have (FreeBSD: IF_NAMESIZE, object names). */
const NAME_MAX = 84;
/** Words of one instruction, and instructions of one rule. */
const WORDS_MAX = 62;
const INSNS_MAX = 255;

const NO_WORDS = new Int32Array(0);

export class IpfwInsn {
  readonly op: number;
  readonly not: boolean;
  readonly or: boolean;
  readonly arg1: number;
  readonly d: Int32Array;
  readonly name: string;
  /** The table called `name`, of those that look into one. */
  table: IpfwTable | null = null;
  /** The pattern `name` is, of an interface. */
  readonly pattern: RegExp | null;
  /** Lines left to log. */
  logLeft = 0;
  /** Where a jump leads, while the chain is the one with number `jumpId`. */
  jumpId = -1;
  jumpPos = 0;

  constructor(spec: IpfwInsnSpec) {
    this.op = spec.op;
    this.not = spec.not ?? false;
    this.or = spec.or ?? false;
    this.arg1 = spec.arg1 ?? 0;
    this.d = spec.d === undefined || spec.d.length === 0 ? NO_WORDS : Int32Array.from(spec.d, (n) => n | 0);
    this.name = spec.name ?? '';
    this.pattern = isInterface(this.op) && this.arg1 === IFACE_NAME && /[*?[]/.test(this.name) ? fnmatch(this.name) : null;
  }
}

const isInterface = (op: number): boolean => op === O_RECV || op === O_XMIT || op === O_VIA;

/** The pattern of fnmatch(3): `*`, `?`, and sets of characters. One that is not closed stands for itself. */
function fnmatch(pattern: string): RegExp {
  const text = pattern.replaceAll(/\[([!^]?)(\]?[^\]]*)\]|[*?]|[^*?[]+|\[/g, (part: string, turned: string | undefined, set: string | undefined) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (set === undefined || set === '') return part.replaceAll(/[^\w]/g, String.raw`\$&`);
    return `[${turned === '' ? '' : '^'}${set.replaceAll(/[\]\\^[]/g, String.raw`\$&`)}]`;
  });
  try {
    return new RegExp(`^${text}$`, 's');
  } catch {
    return /[]/;
  }
}

/** Which instructions look into a table. */
export function insnUsesTable(insn: IpfwInsn): boolean {
  switch (insn.op) {
    case O_IP_SRC_LOOKUP:
    case O_IP_DST_LOOKUP:
    case O_IP_FLOW_LOOKUP:
    case O_MAC_SRC_LOOKUP:
    case O_MAC_DST_LOOKUP:
    case O_LOOKUP:
      return true;
    default:
      return isInterface(insn.op) && insn.arg1 === IFACE_TABLE;
  }
}

/** Does O_IPLEN and its like have one value (arg1), or ranges? */
function isRangesOrArg(insn: IpfwInsn): boolean {
  return insn.d.length % 2 === 0;
}

/** May the filter run it? */
export function insnCheck(insn: IpfwInsn): boolean {
  const { op, d, arg1, name } = insn;
  if (!Number.isInteger(arg1) || arg1 < 0 || arg1 > 0x1_ffff || d.length > WORDS_MAX || name.length > NAME_MAX) return false;
  switch (op) {
    case O_NOP: case O_IP_SRC_ME: case O_IP_DST_ME: case O_IP6_SRC_ME: case O_IP6_DST_ME: case O_LAYER2: case O_IN: case O_FRAG: case O_ESTAB: case O_TCPFLAGS: case O_TCPOPTS:
    case O_IPOPT: case O_IPTOS: case O_IPPRECEDENCE: case O_IPVER: case O_IP4: case O_IP6: case O_EXT_HDR: case O_VERREVPATH: case O_VERSRCREACH: case O_ANTISPOOF: case O_FIB:
    case O_SKIP_ACTION: case O_CHECK_STATE: case O_PROBE_STATE: case O_KEEP_STATE: case O_ACCEPT: case O_COUNT: case O_DENY: case O_UNREACH6: case O_REASS:
      return d.length === 0;
    case O_PROTO:
      return d.length === 0 && arg1 > 0 && arg1 < 256;
    case O_IP_SRC: case O_IP_DST: case O_PROB: case O_ICMPTYPE: case O_TCPSEQ: case O_TCPACK: case O_SETMARK: case O_FORWARD_IP:
      return d.length === 1;
    case O_IP_SRC_MASK: case O_IP_DST_MASK: case O_IP_SRCPORT: case O_IP_DSTPORT: case O_MAC_TYPE:
      return d.length > 0 && d.length % 2 === 0;
    case O_IP_SRC_SET: case O_IP_DST_SET:
      return arg1 > 0 && arg1 <= 256 && d.length === 1 + Math.ceil(arg1 / 32);
    case O_IPLEN: case O_IPID: case O_IPTTL: case O_TCPWIN: case O_TCPMSS: case O_TCPDATALEN: case O_TAGGED:
      return isRangesOrArg(insn);
    case O_MACADDR2:
      return d.length === 6;
    case O_DSCP: case O_MARK:
      return d.length === 2;
    case O_ICMP6TYPE:
      return d.length === 8;
    case O_FLOW6ID:
      return d.length > 0;
    case O_IP6_SRC: case O_IP6_DST: case O_FORWARD_IP6:
      return d.length === 4;
    case O_IP6_SRC_MASK: case O_IP6_DST_MASK:
      return d.length > 0 && d.length % 8 === 0;
    case O_IP_SRC_LOOKUP: case O_IP_DST_LOOKUP: case O_IP_FLOW_LOOKUP: case O_MAC_SRC_LOOKUP: case O_MAC_DST_LOOKUP:
      return name !== '' && d.length <= 1;
    case O_LOOKUP:
      return name !== '' && d.length === 0 && [LOOKUP_DST_IP, LOOKUP_SRC_IP, LOOKUP_DST_PORT, LOOKUP_SRC_PORT, LOOKUP_DSCP, LOOKUP_DST_MAC, LOOKUP_SRC_MAC, LOOKUP_MARK].includes(arg1);
    case O_RECV: case O_XMIT: case O_VIA:
      return arg1 === IFACE_ADDR ? d.length === 1 : arg1 <= IFACE_TABLE && name !== '' && d.length === 0;
    default:
      return actionCheck(insn);
  }
}

function actionCheck({ op, d, arg1 }: IpfwInsn): boolean {
  switch (op) {
    case O_LIMIT:
      return d.length === 1 && arg1 > 0 && arg1 < 16;
    case O_SKIPTO: case O_NETGRAPH: case O_NGTEE: case O_NAT: case O_SETFIB: case O_SETDSCP: case O_CALLRETURN: case O_TAG:
      return d.length === 0;
    case O_LOG:
      return d.length === 0 || (d.length === 1 && d[0]! >= 0);
    case O_REJECT:
      return d.length <= 1;
    case O_TCPSETMSS:
      return d.length === 0 && arg1 > 0 && arg1 < 0x1_0000;
    default:
      return false;
  }
}

/** Are these the instructions of a rule: what matches, modifiers, one action? */
export function insnsCheck(insns: readonly IpfwInsn[], actOfs: number): boolean {
  if (insns.length === 0 || insns.length > INSNS_MAX || actOfs < 0 || actOfs >= insns.length) return false;
  if (!insns.every((insn, i) => insnCheck(insn) && insn.op >= O_ACTIONS === i >= actOfs)) return false;
  const action = insns.slice(actOfs);
  const last = action.at(-1);
  if (last === undefined || last.op === O_LOG || last.op === O_TAG) return false;
  return action.slice(0, -1).every(({ op }) => op === O_LOG || op === O_TAG) && insns[actOfs - 1]?.or !== true;
}
