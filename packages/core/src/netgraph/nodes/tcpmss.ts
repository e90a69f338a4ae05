/**
 * tcpmss.ts — ng_tcpmss(4): lowers the segment size that TCP connections announce.
 *
 * Theory of operation. What comes in by a hook that `config` has given an `outHook` goes out there; the others drop. An IPv4 packet with a SYN whose
 * MSS option is larger than `maxMSS` gets that instead, and its checksum follows; one that is left for later has no need to. Packets begin with
 * the IP header; what is not IPv4 there is refused.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT } from '../../base/errno.js';
import { CSUM_L4 } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { cksumUpdate16 } from '../../wire/checksum.js';
import { IP4_HDR_LEN, IPVERSION, ip4Hl, ip4P, ip4Version } from '../../wire/ip4.js';
import { IPPROTO_TCP } from '../../wire/ipproto.js';
import { TCPOLEN_MAXSEG, TCPOPT_EOL, TCPOPT_MAXSEG, TCPOPT_NOP, TCP_HDR_LEN, TCP_SUM, TH_SYN, tcpFlags, tcpOff } from '../../wire/tcp.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngDecode, ngHookBuf, ngStruct, ngUint16, ngUint64 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';

const NGM_TCPMSS_COOKIE = 1_097_623_478;
const NGM_TCPMSS_CONFIG = 4;

/** `maxMSS` is among them, and is cleared with them; 0: nothing is lowered. */
class TcpmssStats {
  Octets = 0;
  Packets = 0;
  maxMSS = 0;
  SYNPkts = 0;
  FixedPkts = 0;
}

const statsType = ngStruct<TcpmssStats>({ Octets: ngUint64, Packets: ngUint64, maxMSS: ngUint16, SYNPkts: ngUint64, FixedPkts: ngUint64 });
const STATS = new NgStatsCmds({ get: 1, clr: 2, getclr: 3 }, statsType, ngHookBuf);
const configType = ngStruct({ inHook: ngHookBuf, outHook: ngHookBuf, maxMSS: ngUint16 });

class TcpmssHook {
  out: Hook | null = null;
  stats = new TcpmssStats();
}

class TcpmssNode implements NgNodeOps {
  private readonly node: NgNode;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook): Errno {
    hook.data = new TcpmssHook();
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const from = hook.data;
    if (!(from instanceof TcpmssHook) || from.out === null) return ngDrop(m, 0);
    const { stats } = from;
    stats.Octets += m.len;
    stats.Packets++;
    if (stats.maxMSS > 0) {
      const error = lower(m, stats);
      if (error !== 0) return ngDrop(m, error);
    }
    return this.node.graph.send(from.out, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_TCPMSS_COOKIE) return EINVAL;
    if (msg.cmd === NGM_TCPMSS_CONFIG) return this.configure(msg);
    return STATS.has(msg.cmd) ? this.statsMsg(msg) : EINVAL;
  }

  private configure(msg: NgMessage): Errno {
    const config = ngDecode(configType, msg.args);
    if (config === null) return EINVAL;
    const from = this.hookData(config.inHook);
    const out = this.node.findHook(config.outHook);
    if (from === null || out === null) return ENOENT;
    from.out = out;
    from.stats.maxMSS = config.maxMSS;
    return 0;
  }

  private statsMsg(msg: NgMessage): Errno {
    const name = ngDecode(ngHookBuf, msg.args);
    if (name === null) return EINVAL;
    const of = this.hookData(name);
    return of === null ? ENOENT : STATS.answer(this.node, msg, of.stats, () => (of.stats = new TcpmssStats()));
  }

  private hookData(name: string): TcpmssHook | null {
    const data = this.node.findHook(name)?.data;
    return data instanceof TcpmssHook ? data : null;
  }

  disconnect(hook: Hook): void {
    for (const { data } of this.node.hooks) if (data instanceof TcpmssHook && data.out === hook) data.out = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

/** EINVAL: it is not IPv4, or its headers are not what they say. */
function lower(m: PacketBuffer, stats: TcpmssStats): Errno {
  const v = m.view;
  const ip = m.off;
  if (m.len < IP4_HDR_LEN) return 0;
  if (ip4Version(v, ip) !== IPVERSION || ip4Hl(v, ip) < IP4_HDR_LEN || ip4Hl(v, ip) > m.len) return EINVAL;
  if (ip4P(v, ip) !== IPPROTO_TCP || m.len < ip4Hl(v, ip) + TCP_HDR_LEN) return 0;
  const tcp = ip + ip4Hl(v, ip);
  const len = tcpOff(v, tcp);
  if (len < TCP_HDR_LEN || tcp + len > ip + m.len) return EINVAL;
  if ((tcpFlags(v, tcp) & TH_SYN) === 0 || len === TCP_HDR_LEN) return 0;
  stats.SYNPkts++;
  if (lowerMss(m, tcp, tcp + len, stats.maxMSS)) stats.FixedPkts++;
  return 0;
}

/** True: there was a larger one among the options. */
function lowerMss(m: PacketBuffer, tcp: number, end: number, most: number): boolean {
  const v = m.view;
  let lowered = false;
  let len = 1;
  for (let at = tcp + TCP_HDR_LEN; at < end; at += len) {
    const kind = v.getUint8(at);
    len = 1;
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) continue;
    len = at + 1 < end ? v.getUint8(at + 1) : 0;
    if (len === 0 || at + len > end) break;
    if (kind !== TCPOPT_MAXSEG || len !== TCPOLEN_MAXSEG) continue;
    const mss = v.getUint16(at + 2);
    if (mss <= most) continue;
    v.setUint16(at + 2, most);
    if ((m.csumFlags & CSUM_L4) === 0) updateSum(v, tcp, at + 2, mss, most);
    lowered = true;
  }
  return lowered;
}

/** The checksum after the two bytes at `at` changed: at an odd place they belong to two words. */
function updateSum(v: DataView, tcp: number, at: number, was: number, is: number): void {
  const swapped = ((at - tcp) & 1) !== 0;
  const sum = v.getUint16(tcp + TCP_SUM);
  v.setUint16(tcp + TCP_SUM, swapped ? cksumUpdate16(sum, swap(was), swap(is)) : cksumUpdate16(sum, was, is));
}

function swap(n: number): number {
  return ((n & 255) << 8) | (n >> 8);
}

export const tcpmssType: NgType = {
  name: 'tcpmss',
  cookie: NGM_TCPMSS_COOKIE,
  cmds: [
    ...STATS.cmds,
    ngCmd(NGM_TCPMSS_CONFIG, 'config', configType),
  ],
  construct: (node) => new TcpmssNode(node),
};
