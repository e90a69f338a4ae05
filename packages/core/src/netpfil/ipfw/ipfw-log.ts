/**
 * ipfw-log.ts — the line that a rule with `log` writes about a packet.
 * Read first: ipfw(8) "log"; FreeBSD's sys/netpfil/ipfw/ip_fw_log.c, whose words these are.
 *
 *     ipfw: 100 Deny ICMP:8.0 192.0.2.1 192.0.2.2 in via epair0a
 *
 * Only while `net.inet.ip.fw.verbose` is 1; there is no ipfw0 to capture on otherwise. A rule writes as many lines as it may (`logamount`), says once that it
 * is done, and begins anew after `ipfw resetlog`.
 */
import type { VnetKern } from '../../kern/vnet-kern.js';
import { ip4Format } from '../../wire/addr.js';
import { ip6Format } from '../../wire/addr6.js';
import { IP4_DST, IP4_SRC, IP_MF, IP_OFFMASK, ip4Hl, ip4Id, ip4Len, ip4Off } from '../../wire/ip4.js';
import { IP6_DST, IP6_SRC, ip6Plen } from '../../wire/ip6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../wire/ipproto.js';
import type { IpfwArgs } from './ipfw-args.js';
import {
  ICMP6_UNREACH_ABORT, ICMP6_UNREACH_RST, ICMP_REJECT_ABORT, ICMP_REJECT_RST, IP_FW_TARG, O_ACCEPT, O_CALLRETURN, O_COUNT, O_DENY, O_FORWARD_IP, O_FORWARD_IP6, O_NAT, O_NETGRAPH,
  O_NGTEE, O_REASS, O_REJECT, O_SETDSCP, O_SETFIB, O_SETMARK, O_SKIPTO, O_TCPSETMSS, O_UNREACH6,
} from './ipfw-insn.js';
import type { IpfwInsn } from './ipfw-insn.js';
import type { IpfwRule } from './ipfw-rule.js';
import type { IpfwTableValue } from './ipfw-table-value.js';

const ICMP_UNREACH_HOST = 1;

/** Writes the line for `rule`, whose `log` is `insn`. */
export function ipfwLog(kern: VnetKern, rule: IpfwRule, insn: IpfwInsn, a: IpfwArgs, tablearg: IpfwTableValue): void {
  const limit = insn.d[0] ?? 0;
  if (limit !== 0) {
    if (insn.logLeft === 0) return;
    insn.logLeft--;
  }
  const action = rule.cmd.at(-1);
  const mark = a.mark === 0 ? '' : ` mark:0x${(a.mark >>> 0).toString(16)}`;
  const way = a.isIn ? 'in' : 'out';
  kern.log('info', `ipfw: ${rule.rulenum} ${action === undefined ? 'UNKNOWN' : actionText(action, tablearg)} ${packetText(a)}${mark} ${way} via ${a.ifp.xname}${fragmentText(a)}`);
  if (limit !== 0 && insn.logLeft === 0) kern.log('notice', `ipfw: limit ${limit} reached on entry ${rule.rulenum}`);
}

function actionText(insn: IpfwInsn, value: IpfwTableValue): string {
  const { op, arg1, d, not } = insn;
  const targ = (n: number): number => (arg1 === IP_FW_TARG ? n : arg1);
  switch (op) {
    case O_ACCEPT:
      return 'Accept';
    case O_COUNT:
      return 'Count';
    case O_DENY:
      return 'Deny';
    case O_REJECT:
      return rejectText(arg1, ICMP_REJECT_RST, ICMP_REJECT_ABORT, ICMP_UNREACH_HOST);
    case O_UNREACH6:
      return rejectText(arg1, ICMP6_UNREACH_RST, ICMP6_UNREACH_ABORT, -1);
    case O_SKIPTO:
      return `SkipTo ${targ(value.skipto)}`;
    case O_NETGRAPH:
      return `Netgraph ${arg1}`;
    case O_NGTEE:
      return `Ngtee ${arg1}`;
    case O_FORWARD_IP:
      return `Forward to ${ip4Format((d[0] === 0 ? value.nh4 : d[0]!) >>> 0)}${arg1 === 0 ? '' : `:${arg1}`}`;
    case O_FORWARD_IP6:
      return `Forward to [${wordsText(d)}]${arg1 === 0 ? '' : `:${arg1}`}`;
    case O_NAT:
      return 'Nat';
    case O_SETFIB:
      return `SetFib ${targ(value.fib) & 0x7fff}`;
    case O_SETDSCP:
      return `SetDscp ${targ(value.dscp) & 0x3f}`;
    case O_SETMARK:
      return `SetMark 0x${((arg1 === IP_FW_TARG ? value.mark : d[0]!) >>> 0).toString(16)}`;
    case O_REASS:
      return 'Reass';
    case O_CALLRETURN:
      return not ? 'Return' : `Call ${arg1}`;
    case O_TCPSETMSS:
      return 'Eaction tcp-setmss';
    default:
      return 'UNKNOWN';
  }
}

function rejectText(code: number, reset: number, abort: number, host: number): string {
  if (code === reset) return 'Reset';
  if (code === abort) return 'Abort';
  return code === host ? 'Reject' : `Unreach ${code}`;
}

function wordsText(d: Int32Array): string {
  const bytes = new Uint8Array(16);
  const v = new DataView(bytes.buffer);
  d.forEach((w, i) => v.setInt32(i * 4, w));
  return ip6Format(bytes, 0);
}

function packetText(a: IpfwArgs): string {
  if (a.hlen === 0) return 'MAC';
  const { m } = a;
  const src = a.is6 ? `[${ip6Format(m.buf, a.l3 + IP6_SRC)}]` : ip4Format(m.view.getUint32(a.l3 + IP4_SRC));
  const dst = a.is6 ? `[${ip6Format(m.buf, a.l3 + IP6_DST)}]` : ip4Format(m.view.getUint32(a.l3 + IP4_DST));
  const ports = a.offset === 0;
  switch (a.proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE: {
      const name = a.proto === IPPROTO_TCP ? 'TCP' : a.proto === IPPROTO_UDP ? 'UDP' : 'UDPLite';
      return ports ? `${name} ${src}:${a.sport} ${dst}:${a.dport}` : `${name} ${src} ${dst}`;
    }
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6: {
      const name = a.proto === IPPROTO_ICMP ? 'ICMP' : 'ICMPv6';
      return ports && a.ulp !== 0 ? `${name}:${m.view.getUint8(a.ulp)}.${m.view.getUint8(a.ulp + 1)} ${src} ${dst}` : `${name} ${src} ${dst}`;
    }
    default:
      return `P:${a.proto} ${src} ${dst}`;
  }
}

function fragmentText(a: IpfwArgs): string {
  const v = a.m.view;
  if (a.is6) {
    if (a.offset === 0 && !a.mf6) return '';
    return ` (frag ${a.fragId.toString(16).padStart(8, '0')}:${ip6Plen(v, a.l3) - a.hlen}@${a.offset}${a.mf6 ? '+' : ''})`;
  }
  if (!a.is4) return '';
  const off = ip4Off(v, a.l3);
  if ((off & (IP_MF | IP_OFFMASK)) === 0) return '';
  return ` (frag ${ip4Id(v, a.l3)}:${ip4Len(v, a.l3) - ip4Hl(v, a.l3)}@${a.offset << 3}${(off & IP_MF) !== 0 ? '+' : ''})`;
}
