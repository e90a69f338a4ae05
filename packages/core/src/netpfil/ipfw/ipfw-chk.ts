/**
 * ipfw-chk.ts — IpfwChk: a packet goes through the rules.
 * Read first: ipfw(8) "PACKET FLOW", "RULE ACTIONS"; ipfw-insn.ts; FreeBSD's ipfw_chk.
 *
 * Theory of operation. Rules are asked in order until one ends the search. Of a rule first the instructions that match are run, alternatives (`or`) up to the
 * first that does; then what is done: modifiers (`log`, `tag`), and the action. Actions either give a verdict, or let the search go on: at the next rule, at
 * another (`skipto`, `call`, `return`), or at the action of the rule that made the packet's dynamic state.
 * A verdict that hands the packet to somebody else (netgraph, nat, reassembly) leaves in `slot`, `rulenum` and `ruleId` where the search is to go on
 * when the packet comes back.
 *
 * Invariants: every match of a rule is counted once. The search ends: a skipto leads forward only, calls are at most CALLS_MAX deep, and the number of
 * rules asked for one packet is bounded by what calls can make of that; the default rule matches everything.
 * Not here: what happens to the packet afterwards (ipfw-pfil.ts).
 */
import type { Ip } from '../../inet/ip.js';
import type { Ip6 } from '../../inet6/ip6.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import { fwdPut } from '../../net/fwd-tag.js';
import { cksumUpdate16 } from '../../wire/checksum.js';
import { IP4_SUM, ip4IsFragment } from '../../wire/ip4.js';
import type { IpfwArgs } from './ipfw-args.js';
import type { IpfwChain } from './ipfw-chain.js';
import { MATCH_REVERSE } from './ipfw-dyn.js';
import type { IpfwDyn } from './ipfw-dyn.js';
import {
  IP_FW_NAT44_GLOBAL, IP_FW_TARG, O_ACCEPT, O_CALLRETURN, O_CHECK_STATE, O_COUNT, O_DENY, O_FORWARD_IP, O_FORWARD_IP6, O_KEEP_STATE, O_LIMIT, O_LOG, O_NAT, O_NETGRAPH, O_NGTEE,
  O_PROBE_STATE, O_REASS, O_REJECT, O_SETDSCP, O_SETFIB, O_SETMARK, O_SKIPTO, O_SKIP_ACTION, O_TAG, O_TCPSETMSS, O_UNREACH6,
} from './ipfw-insn.js';
import type { IpfwInsn } from './ipfw-insn.js';
import { ipfwLog } from './ipfw-log.js';
import { MTAG_IPFW, insnMatches } from './ipfw-match.js';
import type { IpfwWorld } from './ipfw-match.js';
import type { IpfwNats } from './ipfw-nat.js';
import { mapUnreach, sendReject4, sendReject6 } from './ipfw-reject.js';
import type { IpfwRule } from './ipfw-rule.js';
import { tcpSetMss } from './ipfw-setmss.js';
import { NO_VALUE } from './ipfw-table-value.js';
import { IP_FW_DENY, IP_FW_NETGRAPH, IP_FW_NGTEE, IP_FW_PASS, IP_FW_REASS } from './ipfw-var.js';
import type { IpfwTunables } from './ipfw-var.js';

/** Tag with the rules that `call` has to return to; the id is how many. */
const MTAG_IPFW_CALL = 1_308_397_630;
const CALLS_MAX = 16;

/** The search goes on. */
const GO_ON = -1;
/** Of the instructions that match. */
const NO_MATCH = 0;
const MATCH = 1;
const REFUSED = 2;
const BY_STATE = 3;

export class IpfwChk {
  /** Where the search goes on when the packet comes back. */
  slot = 0;
  rulenum = 0;
  ruleId = 0;
  /** The hook of `netgraph`. */
  cookie = 0;
  /** Packets refused because calls were nested too deeply are let through to the next rule; how often. */
  callErrors = 0;
  private readonly kern: VnetKern;
  private readonly chain: IpfwChain;
  private readonly dyn: IpfwDyn;
  private readonly nats: IpfwNats;
  private readonly world: IpfwWorld;
  private readonly tun: IpfwTunables;
  private readonly ip: Ip;
  private readonly ip6: Ip6;
  /** The state's name that was looked up for this packet, null: none yet; the rule it has led to, and its place. */
  private looked: string | null = null;
  private stateRule: IpfwRule | null = null;
  private statePos = 0;
  /** Where the search goes on after an action that let it. */
  private next = 0;

  constructor(kern: VnetKern, chain: IpfwChain, dyn: IpfwDyn, nats: IpfwNats, world: IpfwWorld, tun: IpfwTunables, ip: Ip, ip6: Ip6) {
    this.kern = kern;
    this.chain = chain;
    this.dyn = dyn;
    this.nats = nats;
    this.world = world;
    this.tun = tun;
    this.ip = ip;
    this.ip6 = ip6;
  }

  /** The verdict on `a`, beginning at place `from`. */
  check(a: IpfwArgs, from: number): number {
    const { chain } = this;
    this.looked = null;
    this.stateRule = null;
    let pos = from;
    for (;;) {
      const rule = chain.rules[pos];
      if (rule === undefined) return IP_FW_DENY;
      if (chain.isDisabled(rule)) {
        pos++;
        continue;
      }
      this.world.tablearg = NO_VALUE;
      const step = this.matches(rule, a);
      if (step === NO_MATCH) {
        pos++;
        continue;
      }
      if (step === REFUSED) {
        this.count(rule, a);
        return IP_FW_DENY;
      }
      const byState = step === BY_STATE && this.stateRule !== null;
      const verdict = byState ? this.act(this.stateRule!, this.statePos, a, true) : this.act(rule, pos, a, false);
      if (verdict !== GO_ON) return verdict;
      pos = this.next;
    }
  }

  private count(rule: IpfwRule, a: IpfwArgs): void {
    rule.pcnt++;
    rule.bcnt += a.pktlen;
    rule.timestamp = this.kern.engine.now;
  }

  /** Runs the instructions before the action. */
  private matches(rule: IpfwRule, a: IpfwArgs): number {
    const { cmd, actOfs } = rule;
    let skip = false;
    for (let i = 0; i < actOfs; i++) {
      const insn = cmd[i]!;
      if (skip) {
        skip = insn.or;
        continue;
      }
      if (insn.op >= O_PROBE_STATE) {
        const step = this.stateStep(rule, a, insn);
        if (step !== MATCH) return step;
      } else if (insnMatches(this.world, a, insn) !== insn.not) skip = insn.or;
      else if (!insn.or) return NO_MATCH;
    }
    return MATCH;
  }

  private stateStep(rule: IpfwRule, a: IpfwArgs, insn: IpfwInsn): number {
    switch (insn.op) {
      case O_PROBE_STATE:
        return this.hasState(a, insn.name) ? BY_STATE : MATCH;
      case O_KEEP_STATE:
        return this.dyn.install(rule, a, insn.name, 0, 0) ? MATCH : REFUSED;
      case O_LIMIT: {
        const limit = insn.d[0] === IP_FW_TARG ? this.world.tablearg.limit : insn.d[0]!;
        return this.dyn.install(rule, a, insn.name, limit, insn.arg1) ? MATCH : REFUSED;
      }
      case O_SKIP_ACTION:
        return NO_MATCH;
      default:
        return NO_MATCH;
    }
  }

  /** Is there a state for the packet? Looked up once for each name that rules ask for. */
  private hasState(a: IpfwArgs, name: string): boolean {
    if (this.looked === null || (name !== '' && name !== this.looked)) {
      this.looked = name;
      const state = this.dyn.lookup(a, name);
      this.stateRule = state === null ? null : state.rule;
      if (state !== null) {
        const { rule } = state;
        // A rule that is gone is answered for at the end: what it lets go on meets the default rule.
        this.statePos = rule.live ? this.chain.find(rule.rulenum, rule.id) : Math.max(0, this.chain.rules.length - 2);
      }
      return state !== null;
    }
    return false;
  }

  /** Does what `rule`, at place `pos`, says. A verdict, or GO_ON with `next`. */
  private act(rule: IpfwRule, pos: number, a: IpfwArgs, byState: boolean): number {
    const { cmd } = rule;
    const last = cmd.length - 1;
    this.next = pos + 1;
    for (let i = rule.actOfs; i < last; i++) {
      const insn = cmd[i]!;
      if (insn.op === O_LOG) {
        if (this.tun.verbose !== 0) ipfwLog(this.kern, rule, insn, a, this.world.tablearg);
      } else if (insn.op === O_TAG) this.tag(a, insn);
    }
    const insn = cmd[last]!;
    switch (insn.op) {
      case O_ACCEPT:
        this.count(rule, a);
        return IP_FW_PASS;
      case O_DENY:
        this.count(rule, a);
        return IP_FW_DENY;
      case O_CHECK_STATE:
        if (!this.hasState(a, insn.name) || this.stateRule === null) return GO_ON;
        return this.act(this.stateRule, this.statePos, a, true);
      case O_COUNT:
        this.count(rule, a);
        return GO_ON;
      case O_SKIPTO:
        this.count(rule, a);
        this.next = this.jump(insn, pos, insn.arg1 === IP_FW_TARG ? this.world.tablearg.skipto : insn.arg1, false);
        return GO_ON;
      case O_CALLRETURN:
        this.callReturn(rule, pos, a, insn);
        return GO_ON;
      case O_REJECT:
      case O_UNREACH6:
        this.count(rule, a);
        this.reject(a, insn);
        return IP_FW_DENY;
      default:
        return this.handOver(rule, pos, a, insn, byState);
    }
  }

  /** Actions that change the packet, or give it to somebody. */
  private handOver(rule: IpfwRule, pos: number, a: IpfwArgs, insn: IpfwInsn, byState: boolean): number {
    const { op } = insn;
    if (op === O_SETFIB || op === O_SETDSCP || op === O_SETMARK || op === O_TCPSETMSS) {
      this.count(rule, a);
      this.set(a, insn);
      return GO_ON;
    }
    // What follows is for packets; frames go on to the next rule.
    if (a.ether) return GO_ON;
    switch (op) {
      case O_FORWARD_IP:
      case O_FORWARD_IP6:
        this.count(rule, a);
        return byState && this.dyn.direction === MATCH_REVERSE ? IP_FW_PASS : this.forward(a, insn);
      case O_NETGRAPH:
      case O_NGTEE:
        this.count(rule, a);
        this.remember(rule, pos);
        this.cookie = insn.arg1 === IP_FW_TARG ? this.world.tablearg.netgraph : insn.arg1;
        return op === O_NETGRAPH ? IP_FW_NETGRAPH : IP_FW_NGTEE;
      case O_NAT:
        this.count(rule, a);
        this.remember(rule, pos);
        return this.nat(a, insn);
      case O_REASS:
        if (!a.is4) return GO_ON;
        this.count(rule, a);
        if (!ip4IsFragment(a.m.view, a.l3)) return GO_ON;
        this.remember(rule, pos);
        return IP_FW_REASS;
      default:
        return GO_ON;
    }
  }

  private remember(rule: IpfwRule, pos: number): void {
    this.slot = pos + 1;
    this.rulenum = rule.rulenum;
    this.ruleId = rule.id + 1;
  }

  private tag(a: IpfwArgs, insn: IpfwInsn): void {
    const id = insn.arg1 === IP_FW_TARG ? this.world.tablearg.tag : insn.arg1;
    const there = a.m.tag(MTAG_IPFW, id);
    if (!insn.not) {
      if (there === null) a.m.addTag(MTAG_IPFW, id, 0);
    } else if (there !== null) a.m.deleteTag(there);
  }

  private jump(insn: IpfwInsn, pos: number, num: number, backwards: boolean): number {
    if (insn.arg1 === IP_FW_TARG) return this.chain.jumpTarget(pos, num, backwards);
    if (insn.jumpId !== this.chain.id) {
      insn.jumpPos = this.chain.jumpTarget(pos, num, backwards);
      insn.jumpId = this.chain.id;
    }
    return insn.jumpPos;
  }

  private callReturn(rule: IpfwRule, pos: number, a: IpfwArgs, insn: IpfwInsn): void {
    let tag = a.m.tags;
    while (tag !== null && tag.cookie !== MTAG_IPFW_CALL) tag = tag.next;
    if (insn.not) {
      if (tag === null || tag.id === 0) return;
      this.count(rule, a);
      tag.id--;
      this.next = this.chain.find(tag.view.getUint16(tag.id * 2) + 1, 0);
      return;
    }
    tag ??= a.m.addTag(MTAG_IPFW_CALL, 0, CALLS_MAX * 2);
    if (tag === null || tag.id >= CALLS_MAX) {
      this.callErrors++;
      return;
    }
    this.count(rule, a);
    tag.view.setUint16(tag.id * 2, rule.rulenum);
    tag.id++;
    this.next = this.jump(insn, pos, insn.arg1 === IP_FW_TARG ? this.world.tablearg.skipto : insn.arg1, true);
  }

  private reject(a: IpfwArgs, insn: IpfwInsn): void {
    if (a.is4 && insn.op === O_REJECT) sendReject4(this.ip, a, insn.arg1, insn.d[0] ?? 0);
    else if (a.is6) sendReject6(this.ip6, a, insn.op === O_REJECT ? mapUnreach(insn.arg1) : insn.arg1);
  }

  private set(a: IpfwArgs, insn: IpfwInsn): void {
    const targ = insn.arg1 === IP_FW_TARG;
    const { tablearg } = this.world;
    switch (insn.op) {
      case O_SETFIB: {
        const fib = (targ ? tablearg.fib : insn.arg1) & 0x7fff;
        a.m.fib = fib < this.ip.routes.fibs ? fib : 0;
        a.fib = a.m.fib;
        return;
      }
      case O_SETMARK:
        a.mark = targ ? tablearg.mark : insn.d[0]!;
        return;
      case O_TCPSETMSS:
        tcpSetMss(a, insn.arg1);
        return;
      default:
        setDscp(a, (targ ? tablearg.dscp : insn.arg1) & 0x3f);
    }
  }

  private forward(a: IpfwArgs, insn: IpfwInsn): number {
    const { d, arg1: port, op } = insn;
    const { tablearg } = this.world;
    const byTable = op === O_FORWARD_IP && d[0] === 0;
    if (op === O_FORWARD_IP6 || (byTable && a.is6)) {
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = byTable ? tablearg.nh6 : d;
      return fwdPut(a.m, w0, w1, w2, w3, port, this.ip6.in6Net.isLocal(w0, w1, w2, w3)) ? IP_FW_PASS : IP_FW_DENY;
    }
    const hop = byTable ? tablearg.nh4 | 0 : d[0]!;
    return fwdPut(a.m, hop, 0, 0, 0, port, this.ip.inNet.isLocal(hop)) ? IP_FW_PASS : IP_FW_DENY;
  }

  private nat(a: IpfwArgs, insn: IpfwInsn): number {
    if (!a.is4) return IP_FW_DENY;
    if (insn.arg1 === IP_FW_NAT44_GLOBAL) return this.nats.translateGlobal(a);
    const nat = this.nats.get(insn.arg1 === IP_FW_TARG ? this.world.tablearg.nat : insn.arg1);
    return nat === null ? IP_FW_DENY : this.nats.translate(nat, a);
  }
}

/** The code point of the packet; its header's checksum follows. */
function setDscp(a: IpfwArgs, dscp: number): void {
  const v = a.m.view;
  const was = v.getUint16(a.l3);
  if (a.is4) {
    const is = (was & 0xff03) | (dscp << 2);
    v.setUint16(a.l3, is);
    v.setUint16(a.l3 + IP4_SUM, cksumUpdate16(v.getUint16(a.l3 + IP4_SUM), was, is));
  } else if (a.is6) v.setUint16(a.l3, (was & ~0x0fc0) | (dscp << 6));
}
