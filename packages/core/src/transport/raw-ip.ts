/**
 * raw-ip.ts — raw IP: packets whole, to whoever asked for their protocol.
 * Read first: ip(4) "Raw IP sockets"; freebsd `sys/netinet/raw_ip.c`.
 *
 * Theory of operation. IP hands over packets no other protocol takes, ICMP hands over what the kernel does not answer itself
 * (echo replies, errors). Every pcb that matches protocol and addresses gets one, with `off` at the IP header; the last gets
 * the original. Output builds the header unless the user brings it (IP_HDRINCL).
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { IP4_HDR_LEN, IP4_SRC, IP_MAXPACKET, ip4Dst, ip4Hl, ip4Len, ip4P, ip4Src } from '../wire/ip4.js';
import type { Ifnet } from '../net/ifnet.js';
import { IP_RAWOUTPUT } from '../inet/ip-output.js';
import type { Ip, IpProto } from '../inet/ip.js';
import type { InPcb, PcbUser } from './inpcb.js';
import { INADDR_ANY, InPcbTable, PortRange } from './inpcb.js';
import { emitIpHeader, pcbOutput } from './pcb-output.js';

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

export class RawIp implements IpProto {
  readonly tun = new RawTunables();
  private readonly ip: Ip;
  private readonly pcbs: InPcbTable;

  constructor(ip: Ip) {
    this.ip = ip;
    const kern = ip.net.kern;
    this.pcbs = new InPcbTable(new PortRange(), kern.engine.rng);
    kern.sysctl.attach(RAW_SYSCTLS, this.tun);
    ip.registerRaw(this);
  }

  destroy(): void {
    this.ip.registerRaw(null);
    this.ip.net.kern.sysctl.detach(this.tun);
  }

  list(): InPcb[] {
    return this.pcbs.list();
  }

  attach(user: PcbUser, fib: number, proto: number): InPcb {
    const inp = this.pcbs.attach(user, fib);
    inp.proto = proto;
    return inp;
  }

  detach(inp: InPcb): void {
    this.pcbs.detach(inp);
  }

  /** EADDRNOTAVAIL for an address that is not ours. */
  bind(inp: InPcb, laddr: number): Errno {
    if (!this.ip.mayBind(laddr) && !inp.bindAny) return EADDRNOTAVAIL;
    inp.laddr = laddr;
    return 0;
  }

  connect(inp: InPcb, faddr: number): Errno {
    if (inp.connected) return EISCONN;
    inp.faddr = faddr;
    inp.connected = true;
    return 0;
  }

  disconnect(inp: InPcb): void {
    inp.faddr = INADDR_ANY;
    inp.connected = false;
  }

  /** Sends the payload (or, with IP_HDRINCL, the packet) `m` to `faddr`. Owns `m`. */
  send(inp: InPcb, m: PacketBuffer, faddr: number): Errno {
    const dst = inp.connected ? inp.faddr : faddr;
    if (inp.connected && faddr !== INADDR_ANY && faddr !== inp.faddr) return this.refuse(m, EISCONN);
    if (inp.hdrIncl) return this.sendWithHeader(inp, m);
    if (dst === INADDR_ANY) return this.refuse(m, EDESTADDRREQ);
    if (m.len + IP4_HDR_LEN > IP_MAXPACKET) return this.refuse(m, EMSGSIZE);
    // Source 0 is filled in by output, which knows the interface: the multicast one, or the route's.
    if (!emitIpHeader(inp, m, inp.laddr, dst, inp.proto, this.ip)) return EMSGSIZE;
    return pcbOutput(this.ip, inp, m);
  }

  private sendWithHeader(inp: InPcb, m: PacketBuffer): Errno {
    const v = m.view;
    if (m.len < IP4_HDR_LEN) return this.refuse(m, EINVAL);
    const hl = ip4Hl(v, m.off);
    if (hl < IP4_HDR_LEN || hl > m.len || ip4Len(v, m.off) !== m.len) return this.refuse(m, EINVAL);
    if (ip4Src(v, m.off) === INADDR_ANY) {
      const chosen = this.ip.sourceFor(ip4Dst(v, m.off), inp.fib);
      if (chosen.error !== 0) return this.refuse(m, chosen.error);
      v.setUint32(m.off + IP4_SRC, chosen.addr);
    }
    return pcbOutput(this.ip, inp, m, IP_RAWOUTPUT);
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
    m.nhoff = m.off;
    let last: InPcb | null = null;
    for (const inp of this.pcbs.all) {
      if (inp.proto !== 0 && inp.proto !== proto) continue;
      if (inp.laddr !== INADDR_ANY && inp.laddr !== dst) continue;
      if (inp.connected && inp.faddr !== src) continue;
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

  input(_ifp: Ifnet, m: PacketBuffer): void {
    if (!this.deliver(m)) m.free();
  }
}
