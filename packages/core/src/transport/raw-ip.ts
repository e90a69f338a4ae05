/**
 * raw-ip.ts — raw IP: packets whole, to whoever asked for their protocol.
 * Read first: ip(4) "Raw IP sockets"; freebsd `sys/netinet/raw_ip.c`.
 *
 * Theory of operation. IP hands over packets no other protocol takes, ICMP hands over what the kernel does not answer itself
 * (echo replies, errors). Every pcb that matches protocol and addresses gets one, with `off` at the IP header; the last gets
 * the original. A pcb that has joined groups gets multicasts of those only; one that has not gets what the host gets.
 * Output builds the header unless the user brings it (IP_HDRINCL).
 * Raw pcbs have no ports, so they are a list and not a table; the list is replaced, never changed, because a user may close its
 * pcb while it is being walked.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENOBUFS } from '../base/errno.js';
import { IP_ALLOWBROADCAST, IP_RAWOUTPUT } from '../inet/ip-output.js';
import type { Ip, IpRawHook } from '../inet/ip.js';
import type { AuditRow } from '../kern/audit.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { IP4_HDR_LEN, IPVERSION, IP_MAXPACKET, ip4Dst, ip4Hl, ip4Len, ip4OptLen, ip4P, ip4Src, ip4Version } from '../wire/ip4.js';
import { INADDR_ANY, InPcb } from './inpcb.js';
import type { PcbUser } from './inpcb.js';
import { MCAST_PASS, pcbLeaveAll, pcbMemberships, pcbMulticast, pcbPurgeIf } from './pcb-multicast.js';
import { emitIpHeader, pcbOutput, pcbSource } from './pcb-output.js';

export class RawTunables {
  maxdgram = 9_216;
  recvspace = 9_216;
}

const RAW_SYSCTLS: SysctlGroup<RawTunables> = {
  prefix: 'net.inet.raw',
  oids: [
    sysctlInt('maxdgram', 'maxdgram', 'bytes', 1, IP_MAXPACKET, 'Maximum outgoing raw IP datagram size'),
    sysctlInt('recvspace', 'recvspace', 'bytes', 1, 16 * 1024 * 1024, 'Maximum space for incoming raw IP datagrams'),
  ],
};

const RAW_AUDIT: readonly AuditRow<RawIp>[] = [
  { name: 'raw IP pcbs', count: (r) => r.list().length },
  { name: 'multicast memberships of sockets', count: (r) => pcbMemberships(r.list()) },
];

export class RawIp implements IpRawHook {
  readonly ip: Ip;
  readonly tun = new RawTunables();
  private pcbs: readonly InPcb[] = [];

  constructor(ip: Ip) {
    this.ip = ip;
    ip.net.kern.audit.attach(RAW_AUDIT, this);
    ip.net.kern.sysctl.attach(RAW_SYSCTLS, this.tun);
    ip.registerRaw(this);
    ip.inNet.purgeUpperEvent.attach(this, RawIp.onPurge);
  }

  private static onPurge(this: void, raw: RawIp, ifp: Ifnet): void {
    for (const inp of raw.pcbs) pcbPurgeIf(inp, ifp);
  }

  destroy(): void {
    this.ip.inNet.purgeUpperEvent.detach(this);
    this.ip.registerRaw(null);
    this.ip.net.kern.sysctl.detach(this.tun);
  }

  list(): InPcb[] {
    return [...this.pcbs];
  }

  attach(user: PcbUser, fib: number, proto: number): InPcb {
    const inp = new InPcb(user);
    inp.fib = fib;
    inp.proto = proto;
    this.pcbs = [...this.pcbs, inp];
    return inp;
  }

  detach(inp: InPcb): void {
    inp.detached = true;
    pcbLeaveAll(this.ip.inNet, inp);
    this.pcbs = this.pcbs.filter((p) => p !== inp);
  }

  /** EADDRNOTAVAIL for an address that is not ours. May be repeated. */
  bind(inp: InPcb, laddr: number): Errno {
    if (!this.ip.mayBind(laddr) && !inp.bindAny) return EADDRNOTAVAIL;
    inp.laddr = laddr;
    return 0;
  }

  connect(inp: InPcb, faddr: number): Errno {
    inp.faddr = faddr;
    inp.connected = true;
    return 0;
  }

  disconnect(inp: InPcb): void {
    inp.faddr = INADDR_ANY;
    inp.connected = false;
  }

  /**
   * Sends the payload (or, with IP_HDRINCL, the packet) `m` to `faddr`, 0 for the connected end. Owns `m`. EDESTADDRREQ, EISCONN,
   * EMSGSIZE, EINVAL for a header that is wrong, and what IP output answers.
   */
  send(inp: InPcb, m: PacketBuffer, faddr: number): Errno {
    if (inp.connected && faddr !== INADDR_ANY) return this.refuse(m, EISCONN);
    const dst = inp.connected ? inp.faddr : faddr;
    if (dst === INADDR_ANY) return this.refuse(m, EDESTADDRREQ);
    if (inp.hdrIncl) return this.sendWithHeader(inp, m);
    if (m.len + IP4_HDR_LEN > IP_MAXPACKET) return this.refuse(m, EMSGSIZE);
    const src = inp.laddr === INADDR_ANY ? pcbSource(this.ip, inp, dst) : inp.laddr;
    if (src < 0) return this.refuse(m, -src);
    if (!emitIpHeader(inp, m, src, dst, inp.proto, this.ip)) return ENOBUFS;
    return pcbOutput(this.ip, inp, m, IP_ALLOWBROADCAST);
  }

  /** The packet goes where its header says; a source of 0 is filled in by IP. */
  private sendWithHeader(inp: InPcb, m: PacketBuffer): Errno {
    const v = m.view;
    if (m.len > IP_MAXPACKET) return this.refuse(m, EMSGSIZE);
    if (m.len < IP4_HDR_LEN || ip4Version(v, m.off) !== IPVERSION) return this.refuse(m, EINVAL);
    const hl = ip4Hl(v, m.off);
    if (hl < IP4_HDR_LEN || hl > m.len || ip4Len(v, m.off) !== m.len) return this.refuse(m, EINVAL);
    const twice = hl > IP4_HDR_LEN && inp.out !== null && inp.out.options !== null;
    if (twice || !optionsOk(v, m.off + IP4_HDR_LEN, m.off + hl)) return this.refuse(m, EINVAL);
    return pcbOutput(this.ip, inp, m, IP_RAWOUTPUT | IP_ALLOWBROADCAST);
  }

  private refuse(m: PacketBuffer, error: Errno): Errno {
    m.free();
    return error;
  }

  /** Delivers to every pcb that wants it; false when there is none (then `m` is still the caller's). */
  deliver(m: PacketBuffer): boolean {
    const v = m.view;
    const proto = ip4P(v, m.off);
    const src = ip4Src(v, m.off);
    const dst = ip4Dst(v, m.off);
    const { pcbs } = this;
    let last: InPcb | null = null;
    m.nhoff = m.off;
    for (let i = 0; i < pcbs.length; i++) {
      const inp = pcbs[i]!;
      if (!wants(inp, proto, src, dst, m.rcvif)) continue;
      if (last !== null) {
        const n = m.pool.copy(m);
        if (n !== null) last.user.pcbInput(n);
      }
      last = inp;
    }
    if (last === null) return false;
    last.user.pcbInput(m);
    return true;
  }
}

/** Do the options of a header hang together? */
function optionsOk(v: DataView, from: number, end: number): boolean {
  for (let at = from; ; ) {
    const len = ip4OptLen(v, at, end);
    if (len <= 0) return len === 0;
    at += len;
  }
}

function wants(inp: InPcb, proto: number, src: number, dst: number, rcvif: number): boolean {
  if (inp.proto !== 0 && inp.proto !== proto) return false;
  if (inp.laddr !== INADDR_ANY && inp.laddr !== dst) return false;
  if (inp.connected && inp.faddr !== INADDR_ANY && inp.faddr !== src) return false;
  return inp.groups === null || !ip4IsMulticast(dst) || pcbMulticast(inp, dst, src, rcvif) === MCAST_PASS;
}
