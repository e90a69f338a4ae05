/**
 * tc-ingress.ts — class TcIngress: the ingress discipline of an interface, `ffff:`, and the filters on it.
 * Read first: tc(8) "ingress", tc-u32(8), tc-matchall(8); docs/plug.md; Linux's `net/sched/cls_api.c`.
 *
 * Theory of operation. It holds nothing back; it shows each packet that came in to its filters. Those are in lists (TcProto), one for a priority, tried in ascending order; a list is for one protocol, or for all, and
 * has one classifier. The first filter that matches and whose action has an opinion decides: the packet goes elsewhere, is dropped, or goes on. A packet that no filter wants goes on.
 *
 * A tagged frame is of protocol 802.1Q, whatever is behind the tag, so `protocol ip` lets it past; so it does ARP and IPv6. `protocol all` is every packet.
 *
 * Invariant: `protos` is sorted by priority; it is replaced as a whole, so a filter may come or go while a packet is shown to them.
 */
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, etherIsTagType } from '../../wire/ether.js';
import { IPVERSION } from '../../wire/ip4.js';
import { IPV6_VERSION } from '../../wire/ip6.js';
import type { IfIngressHook, Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { TC_ACT_OK, TC_ACT_PIPE, TC_ACT_SHOT, TC_ACT_STOLEN, TC_ACT_UNSPEC } from './tc-action.js';
import type { TcAction } from './tc-action.js';
import type { U32Match } from './u32.js';

/** `protocol all` */
export const ETH_P_ALL = 3;

export type TcFilterKind = 'u32' | 'matchall';

/** A filter. */
export interface TcFilter {
  readonly handle: number;
  /** u32: what it looks at; null: it matches everything. */
  readonly match: U32Match | null;
  readonly actions: readonly TcAction[];
  readonly classid: number;
}

/** The filters of a priority. */
export interface TcProto {
  readonly prio: number;
  readonly protocol: number;
  readonly kind: TcFilterKind;
  /** In the order in which they are tried. */
  filters: readonly TcFilter[];
}

export class TcIngress implements IfIngressHook {
  readonly ifp: Ifnet;
  readonly packets = 0;
  protos: readonly TcProto[] = [];
  /** Packets that filters were shown, their bytes without link header, and those that were dropped. */
  sentPackets = 0;
  sentBytes = 0;
  dropPackets = 0;
  private readonly net: Net;

  constructor(ifp: Ifnet, net: Net) {
    this.ifp = ifp;
    this.net = net;
  }

  input(m: PacketBuffer): boolean {
    const { protos } = this;
    if (protos.length === 0) return false;
    let nh = m.off;
    let protocol = 0;
    if (this.ifp.lladdr.length > 0) {
      if (m.len < ETHER_HDR_LEN) return false;
      protocol = m.view.getUint16(m.off + ETHER_TYPE);
      nh += ETHER_HDR_LEN;
      if ((m.flags & M_VLANTAG) !== 0) protocol = m.vproto;
      else if (etherIsTagType(protocol) && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) nh += ETHER_VLAN_ENCAP_LEN;
    } else if (m.len > 0) protocol = versionProtocol(m.buf[m.off]! >> 4);
    const len = m.off + m.len - nh;
    this.sentPackets++;
    this.sentBytes += len;
    const verdict = this.classify(m, nh, protocol, len);
    if (verdict === TC_ACT_STOLEN) return true;
    if (verdict !== TC_ACT_SHOT) return false;
    this.dropPackets++;
    m.free();
    return true;
  }

  private classify(m: PacketBuffer, nh: number, protocol: number, len: number): number {
    for (const proto of this.protos) {
      if (proto.protocol !== protocol && proto.protocol !== ETH_P_ALL) continue;
      for (const filter of proto.filters) {
        const hit = filter.match === null ? 1 : filter.match.match(m, nh);
        if (hit < 0) break;
        if (hit === 0) continue;
        const verdict = this.act(filter, m, len);
        if (verdict !== TC_ACT_UNSPEC) return verdict;
      }
    }
    return TC_ACT_OK;
  }

  private act({ actions }: TcFilter, m: PacketBuffer, len: number): number {
    const { now } = this.net.kern.engine;
    for (const action of actions) {
      const verdict = action.run(m, len, now);
      if (verdict !== TC_ACT_PIPE) return verdict;
    }
    return TC_ACT_OK;
  }

  /** It holds nothing. */
  reset(): void {}

  forget(ifp: Ifnet): void {
    for (const { filters } of this.protos) for (const { actions } of filters) for (const action of actions) if (action.to === ifp) action.to = null;
  }

  destroy(): void {
    this.protos = [];
  }
}

function versionProtocol(version: number): number {
  return version === IPVERSION ? ETHERTYPE_IP : version === IPV6_VERSION ? ETHERTYPE_IPV6 : 0;
}
