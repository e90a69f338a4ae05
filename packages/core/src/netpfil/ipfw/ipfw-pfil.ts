/**
 * ipfw-pfil.ts — the places where packets meet the rules, and what becomes of them.
 * Read first: pfil(9); ipfw(8) "PACKET FLOW"; FreeBSD's sys/netpfil/ipfw/ip_fw_pfil.c.
 *
 *                ^     to upper layers     V
 *                |                         |
 *                +------------>------------+
 *                ^                         V
 *          [ip(6)_input]             [ip(6)_output]     net.inet(6).ip(6).fw.enable=1
 *                |                         |
 *                ^                         V
 *          [ether_demux]         [ether_output_frame]   net.link.ether.ipfw=1
 *                ^     to devices          V
 *
 * Theory of operation. A verdict of the rules is turned into pfil's. A packet that goes to netgraph gets a tag that says where the search goes on and which way
 * it was going; when it comes back (`comeBack`) it is put in where it left, meets the rules again, and they find the tag. With `one_pass` that is all
 * the rules do then. Nat answers at once, so the search goes on in the same call; a reassembled datagram is another packet, and goes in again like one
 * that comes back.
 *
 * Netgraph's ipfw node fills `door`; without it what is for netgraph is dropped.
 * Invariant: IpfwArgs is in use from `fill` to the verdict, and not while a packet is with somebody else.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { Ip } from '../../inet/ip.js';
import type { Ip6 } from '../../inet6/ip6.js';
import { M_SKIP_FIREWALL } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { PacketTag } from '../../mbuf/packet-tag.js';
import type { Ifnet } from '../../net/ifnet.js';
import { PFIL_CONSUMED, PFIL_DROPPED, PFIL_PASS } from '../../net/pfil.js';
import type { PfilHook, PfilVerdict } from '../../net/pfil.js';
import { ip4Version } from '../../wire/ip4.js';
import { ARGS_OK, IpfwArgs } from './ipfw-args.js';
import type { IpfwChain } from './ipfw-chain.js';
import type { IpfwChk } from './ipfw-chk.js';
import { IP_FW_NAT, IP_FW_NETGRAPH, IP_FW_NGTEE, IP_FW_PASS, IP_FW_REASS } from './ipfw-var.js';
import type { IpfwTunables } from './ipfw-var.js';

/** What netgraph's ipfw node does for the filter. */
export interface IpfwNgDoor {
  /** A packet for the hook with this number; `m.off` is at the IP header. Owns `m`. ESRCH: there is no such hook. */
  input(m: PacketBuffer, cookie: number): Errno;
}

/** The tag of a packet that is somewhere else: where the search goes on. */
export const MTAG_IPFW_RULE = 1_262_273_568;
const RULE_LEN = 24;
const AT_CHAIN = 0;
const AT_SLOT = 4;
const AT_RULENUM = 8;
const AT_RULEID = 12;
const AT_IFINDEX = 16;
/** PFIL_* it was going. */
const AT_DIR = 20;
/** No rule is asked again. */
const AT_ONEPASS = 21;

export class IpfwPfil {
  /** Filled by netgraph; null without it. */
  door: IpfwNgDoor | null = null;
  readonly hook4: PfilHook;
  readonly hook6: PfilHook;
  readonly hookEther: PfilHook;
  private readonly chain: IpfwChain;
  private readonly chk: IpfwChk;
  private readonly tun: IpfwTunables;
  private readonly ip: Ip;
  private readonly ip6: Ip6;
  private readonly args = new IpfwArgs();

  constructor(chain: IpfwChain, chk: IpfwChk, tun: IpfwTunables, ip: Ip, ip6: Ip6) {
    this.chain = chain;
    this.chk = chk;
    this.tun = tun;
    this.ip = ip;
    this.ip6 = ip6;
    const packet = (m: PacketBuffer, ifp: Ifnet, dir: number): PfilVerdict => this.check(m, ifp, dir, false);
    this.hook4 = { name: 'ipfw:default', check: packet };
    this.hook6 = { name: 'ipfw:default6', check: packet };
    this.hookEther = { name: 'ipfw:default-link', check: (m, ifp, dir) => this.check(m, ifp, dir, true) };
  }

  private check(m: PacketBuffer, ifp: Ifnet, dir: number, ether: boolean): PfilVerdict {
    if ((m.flags & M_SKIP_FIREWALL) !== 0) return PFIL_PASS;
    let from = 0;
    if (m.tags !== null) {
      const tag = m.tag(MTAG_IPFW_RULE, 0);
      if (tag !== null) {
        const done = tag.view.getUint8(AT_ONEPASS) !== 0;
        from = this.resume(tag);
        m.deleteTag(tag);
        if (done) return PFIL_PASS;
      }
    }
    this.args.mark = 0;
    return this.judge(m, ifp, dir, ether, from);
  }

  /** Where the search goes on, if the rules are still the same; else behind the rule that stopped it, wherever that is. */
  private resume(tag: PacketTag): number {
    const v = tag.view;
    if (v.getUint32(AT_CHAIN) === this.chain.id) return v.getUint32(AT_SLOT);
    return this.chain.find(v.getUint32(AT_RULENUM), v.getUint32(AT_RULEID));
  }

  private judge(m: PacketBuffer, ifp: Ifnet, dir: number, ether: boolean, start: number): PfilVerdict {
    const { args, chk, tun } = this;
    let from = start;
    for (;;) {
      if (args.fill(m, ifp, dir, ether, tun.denyUnknownExthdrs !== 0, tun.permitSingleFrag6 !== 0) !== ARGS_OK) return PFIL_DROPPED;
      const verdict = chk.check(args, from);
      switch (verdict) {
        case IP_FW_PASS:
          return PFIL_PASS;
        case IP_FW_NAT:
          if (tun.onePass !== 0) return PFIL_PASS;
          from = chk.slot;
          break;
        case IP_FW_REASS:
          this.reassemble(m, ifp, dir);
          return PFIL_CONSUMED;
        case IP_FW_NETGRAPH:
          return this.toNetgraph(m, ifp, dir);
        case IP_FW_NGTEE: {
          from = chk.slot;
          const { cookie } = chk;
          const copy = this.door === null ? null : m.pool.copy(m);
          if (copy !== null) this.door?.input(copy, cookie);
          break;
        }
        default:
          return PFIL_DROPPED;
      }
    }
  }

  private remember(m: PacketBuffer, ifp: Ifnet, dir: number, onePass: boolean): boolean {
    const tag = m.addTag(MTAG_IPFW_RULE, 0, RULE_LEN);
    if (tag === null) return false;
    const v = tag.view;
    v.setUint32(AT_CHAIN, this.chain.id);
    v.setUint32(AT_SLOT, this.chk.slot);
    v.setUint32(AT_RULENUM, this.chk.rulenum);
    v.setUint32(AT_RULEID, this.chk.ruleId);
    v.setUint32(AT_IFINDEX, ifp.index);
    v.setUint8(AT_DIR, dir);
    v.setUint8(AT_ONEPASS, onePass ? 1 : 0);
    return true;
  }

  private toNetgraph(m: PacketBuffer, ifp: Ifnet, dir: number): PfilVerdict {
    if (this.door === null || !this.remember(m, ifp, dir, this.tun.onePass !== 0)) return PFIL_DROPPED;
    this.door.input(m, this.chk.cookie);
    return PFIL_CONSUMED;
  }

  /** Owns `m`, a fragment. */
  private reassemble(m: PacketBuffer, ifp: Ifnet, dir: number): void {
    const { slot, rulenum, ruleId } = this.chk;
    const whole = this.ip.reass.input(ifp, m);
    if (whole === null) return;
    this.chk.slot = slot;
    this.chk.rulenum = rulenum;
    this.chk.ruleId = ruleId;
    if (this.remember(whole, ifp, dir, false)) this.ip.reinject(ifp, whole, dir);
    else whole.free();
  }

  /**
   * A packet comes back from netgraph, at its IP header. EINVAL: it never went there by a rule, or its interface is gone; it is freed. Owns `m`.
   */
  comeBack(m: PacketBuffer): Errno {
    const tag = m.tag(MTAG_IPFW_RULE, 0);
    const ifp = tag === null ? null : this.ip.net.ifByIndex(tag.view.getUint32(AT_IFINDEX));
    if (tag === null || ifp === null || m.len === 0) {
      m.free();
      return EINVAL;
    }
    const dir = tag.view.getUint8(AT_DIR);
    if (ip4Version(m.view, m.off) === 4) this.ip.reinject(ifp, m, dir);
    else this.ip6.reinject(ifp, m, dir);
    return 0;
  }
}
