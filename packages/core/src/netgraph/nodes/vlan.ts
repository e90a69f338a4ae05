/**
 * vlan.ts — ng_vlan(4): one cable with tagged frames, and a hook for each VLAN.
 * Read first: ng_vlan(4); IEEE 802.1Q §9; net/ether.ts for where the outermost tag of a frame travels.
 *
 * Theory of operation. `downstream` is the tagged side. A frame that comes in there loses its outermost tag and goes out by the hook whose filter
 * has that VLAN; all others go out by `nomatch`. A frame that comes in by a hook with a filter gets the filter's tag and goes out by
 * `downstream`; what comes in by `nomatch` goes out there as it is. A tag counts when its type is `encapproto`, and may be in the
 * bytes or beside them: frames of an interface have it beside, those of a program in the bytes. Two nodes with different types one after the other
 * make Q-in-Q.
 *
 * `encap` says where the tag is put that a frame gets: in the bytes, as an interface without offload has it, or beside them. A tag that a frame
 * had beside it then goes into the bytes first, for it is the inner one now.
 *
 * Invariant: a filter has one hook and one VLAN, and neither is in another filter.
 */
import type { Errno } from '../../base/errno.js';
import { EEXIST, EINVAL, ENETDOWN, ENOENT, ENOMEM, EOPNOTSUPP } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { etherInsertTag } from '../../net/ether.js';
import {
  ETHERTYPE_VLAN, ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, etherTagPop, etherTci, etherType, evlCfiOfTag, evlMakeTag, evlPriOfTag,
} from '../../wire/ether.js';
import { NGM_FLOW_COOKIE } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import type { NgParseType } from '../ng-parse.js';
import { ngArray, ngDecode, ngEncode, ngHint16, ngHint32, ngHookBuf, ngLengthField, ngStruct, ngUint16, ngUint32, ngUint8 } from '../ng-parse.js';

const NGM_VLAN_COOKIE = 1_068_486_472;
const NGM_VLAN_ADD_FILTER = 1;
const NGM_VLAN_DEL_FILTER = 2;
const NGM_VLAN_GET_TABLE = 3;
const NGM_VLAN_DEL_VID_FLT = 4;
const NGM_VLAN_GET_DECAP = 5;
const NGM_VLAN_SET_DECAP = 6;
const NGM_VLAN_GET_ENCAP = 7;
const NGM_VLAN_SET_ENCAP = 8;
const NGM_VLAN_GET_ENCAP_PROTO = 9;
const NGM_VLAN_SET_ENCAP_PROTO = 10;

/** `encap`: tags go into the bytes of what comes from a filter's hook, and from `nomatch`. */
const ENCAP_FROM_FILTER = 1;
const ENCAP_FROM_NOMATCH = 2;

/** `vlan` is what `vid` was called once. */
const filterType = ngStruct({ hook: ngHookBuf, vlan: ngUint16, vid: ngUint16, pcp: ngUint8, cfi: ngUint8 });
const tableType = ngStruct({ n: ngUint32, filter: ngArray(filterType, ngLengthField('n')) });

class VlanFilter {
  readonly hook: Hook;
  readonly vid: number;
  readonly tci: number;

  constructor(hook: Hook, vid: number, pcp: number, cfi: number) {
    this.hook = hook;
    this.vid = vid;
    this.tci = evlMakeTag(vid, pcp, cfi);
  }
}

class VlanNode implements NgNodeOps {
  private readonly node: NgNode;
  private downstream: Hook | null = null;
  private nomatch: Hook | null = null;
  private decap = 0;
  private encap = ENCAP_FROM_FILTER;
  private encapProto = ETHERTYPE_VLAN;
  /** By VLAN. */
  private readonly filters = new Map<number, VlanFilter>();

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'downstream') this.downstream = hook;
    else if (name === 'nomatch') this.nomatch = hook;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    if (m.len < ETHER_HDR_LEN) return ngDrop(m, EINVAL);
    if (hook === this.downstream) return this.fromDownstream(m);
    if (this.downstream === null) return ngDrop(m, ENETDOWN);
    return hook === this.nomatch ? this.fromNomatch(m, this.downstream) : this.fromFilter(hook, m, this.downstream);
  }

  private fromDownstream(m: PacketBuffer): Errno {
    const { graph } = this.node;
    const { view, off } = m;
    const beside = (m.flags & M_VLANTAG) !== 0;
    if ((beside ? m.vproto : etherType(view, off)) !== this.encapProto) return graph.send(this.nomatch, m);
    if (!beside && m.len < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) return ngDrop(m, EINVAL);
    const tci = beside ? m.vtag : etherTci(view, off);
    const filter = this.filters.get(tci & EVL_VLID_MASK);
    if (beside) {
      if (filter !== undefined) m.flags &= ~M_VLANTAG;
    } else if (filter !== undefined || this.decap !== 0) {
      etherTagPop(view, off);
      m.adj(ETHER_VLAN_ENCAP_LEN);
      if (filter === undefined) putBeside(m, tci, this.encapProto);
    }
    return graph.send(filter === undefined ? this.nomatch : filter.hook, m);
  }

  private fromFilter(hook: Hook, m: PacketBuffer, to: Hook): Errno {
    const filter = hook.data;
    if (!(filter instanceof VlanFilter)) return ngDrop(m, EOPNOTSUPP);
    if (!etherInsertTag(m)) return ngDrop(m, ENOMEM);
    putBeside(m, filter.tci, this.encapProto);
    if ((this.encap & ENCAP_FROM_FILTER) !== 0 && !etherInsertTag(m)) return ngDrop(m, ENOMEM);
    return this.node.graph.send(to, m);
  }

  private fromNomatch(m: PacketBuffer, to: Hook): Errno {
    if ((this.encap & ENCAP_FROM_NOMATCH) !== 0 && !etherInsertTag(m)) return ngDrop(m, ENOMEM);
    return this.node.graph.send(to, m);
  }

  rcvmsg(msg: NgMessage, lasthook: Hook | null): Errno {
    const { node } = this;
    if (msg.typecookie === NGM_FLOW_COOKIE) {
      if (lasthook === null || lasthook !== this.downstream) return 0;
      let error = 0;
      for (const { hook } of this.sorted()) error = node.graph.sendMsgHook(hook, msg);
      return error;
    }
    if (msg.typecookie !== NGM_VLAN_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_VLAN_ADD_FILTER:
        return this.addFilter(msg);
      case NGM_VLAN_DEL_FILTER: {
        const name = ngDecode(ngHookBuf, msg.args);
        if (name === null) return EINVAL;
        return this.delFilter(node.findHook(name)?.data ?? null);
      }
      case NGM_VLAN_DEL_VID_FLT: {
        const vid = ngDecode(ngUint16, msg.args);
        if (vid === null || vid > EVL_VLID_MASK) return EINVAL;
        return this.delFilter(this.filters.get(vid) ?? null);
      }
      default:
        return this.settingMsg(msg);
    }
  }

  private settingMsg(msg: NgMessage): Errno {
    const { node } = this;
    const answer = <T>(type: NgParseType<T>, value: T): Errno => node.graph.respond(node, msg, ngEncode(type, value));
    const set = (value: number | null, put: (value: number) => void): Errno => {
      if (value !== null) put(value);
      return value === null ? EINVAL : 0;
    };
    switch (msg.cmd) {
      case NGM_VLAN_GET_TABLE:
        return answer(tableType, this.table());
      case NGM_VLAN_GET_DECAP:
        return answer(ngHint32, this.decap);
      case NGM_VLAN_SET_DECAP:
        return set(ngDecode(ngHint32, msg.args), (v) => (this.decap = v));
      case NGM_VLAN_GET_ENCAP:
        return answer(ngHint32, this.encap);
      case NGM_VLAN_SET_ENCAP:
        return set(ngDecode(ngHint32, msg.args), (v) => (this.encap = v));
      case NGM_VLAN_GET_ENCAP_PROTO:
        return answer(ngHint16, this.encapProto);
      case NGM_VLAN_SET_ENCAP_PROTO:
        return set(ngDecode(ngHint16, msg.args), (v) => (this.encapProto = v));
      default:
        return EINVAL;
    }
  }

  private addFilter(msg: NgMessage): Errno {
    const args = ngDecode(filterType, msg.args);
    if (args === null || (args.vid !== 0 && args.vlan !== 0 && args.vid !== args.vlan)) return EINVAL;
    const vid = args.vid === 0 ? args.vlan : args.vid;
    if (vid > EVL_VLID_MASK || args.pcp > 7 || args.cfi > 1) return EINVAL;
    const hook = this.node.findHook(args.hook);
    if (hook === null) return ENOENT;
    if (hook === this.downstream || hook === this.nomatch) return EINVAL;
    if (hook.data !== null || this.filters.has(vid)) return EEXIST;
    const filter = new VlanFilter(hook, vid, args.pcp, args.cfi);
    hook.data = filter;
    this.filters.set(vid, filter);
    return 0;
  }

  private delFilter(filter: object | null): Errno {
    if (!(filter instanceof VlanFilter)) return ENOENT;
    filter.hook.data = null;
    this.filters.delete(filter.vid);
    return 0;
  }

  private sorted(): VlanFilter[] {
    return [...this.filters.values()].sort((a, b) => a.vid - b.vid);
  }

  private table(): { readonly n: number; readonly filter: readonly { hook: string; vlan: number; vid: number; pcp: number; cfi: number }[] } {
    const filter = this.sorted().map(({ hook, vid, tci }) => ({ hook: hook.name, vlan: vid, vid, pcp: evlPriOfTag(tci), cfi: evlCfiOfTag(tci) }));
    return { n: filter.length, filter };
  }

  disconnect(hook: Hook): void {
    if (hook === this.downstream) this.downstream = null;
    else if (hook === this.nomatch) this.nomatch = null;
    else this.delFilter(hook.data);
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

function putBeside(m: PacketBuffer, tci: number, proto: number): void {
  m.vtag = tci;
  m.vproto = proto;
  m.flags |= M_VLANTAG;
}

export const vlanType: NgType = {
  name: 'vlan',
  cookie: NGM_VLAN_COOKIE,
  cmds: [
    ngCmd(NGM_VLAN_ADD_FILTER, 'addfilter', filterType),
    ngCmd(NGM_VLAN_DEL_FILTER, 'delfilter', ngHookBuf),
    ngCmd(NGM_VLAN_GET_TABLE, 'gettable', null, tableType),
    ngCmd(NGM_VLAN_DEL_VID_FLT, 'delvidflt', ngUint16),
    ngCmd(NGM_VLAN_GET_DECAP, 'getdecap', null, ngHint32),
    ngCmd(NGM_VLAN_SET_DECAP, 'setdecap', ngHint32),
    ngCmd(NGM_VLAN_GET_ENCAP, 'getencap', null, ngHint32),
    ngCmd(NGM_VLAN_SET_ENCAP, 'setencap', ngHint32),
    ngCmd(NGM_VLAN_GET_ENCAP_PROTO, 'getencapproto', null, ngHint16),
    ngCmd(NGM_VLAN_SET_ENCAP_PROTO, 'setencapproto', ngHint16),
  ],
  construct: (node) => new VlanNode(node),
};
