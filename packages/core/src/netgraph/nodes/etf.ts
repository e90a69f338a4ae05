/**
 * etf.ts — ng_etf(4): sorts frames by their ethertype.
 *
 * Theory of operation. A frame that comes in by `downstream` goes out by the hook that a filter names for its type, or by `nomatch`. What comes in
 * by another hook goes out by `downstream`, if it is of a type that would come back by that hook. A tagged frame has the type of its outermost
 * tag, wherever that travels.
 */
import type { Errno } from '../../base/errno.js';
import { EEXIST, EINVAL, ENOENT, EPROTOTYPE } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN, etherType } from '../../wire/ether.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngDecode, ngEncode, ngHookBuf, ngInt32, ngStruct, ngUint16, ngUint32 } from '../ng-parse.js';

const NGM_ETF_COOKIE = 983_084_516;
const NGM_ETF_SET_FLAG = 1;
const NGM_ETF_GET_STATUS = 2;
const NGM_ETF_SET_FILTER = 3;

const statusType = ngStruct({ packets_in: ngUint32, packets_out: ngUint32 });
const filterType = ngStruct({ matchhook: ngHookBuf, ethertype: ngUint16 });

class EtfNode implements NgNodeOps {
  private readonly node: NgNode;
  private downstream: Hook | null = null;
  private nomatch: Hook | null = null;
  private packetsIn = 0;
  private packetsOut = 0;
  /** By ethertype. */
  private readonly filters = new Map<number, Hook>();

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'downstream') {
      this.downstream = hook;
      this.packetsIn = 0;
      this.packetsOut = 0;
    } else if (name === 'nomatch') {
      this.nomatch = hook;
    }
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const { graph } = this.node;
    if (m.len < ETHER_HDR_LEN) return ngDrop(m, EINVAL);
    const match = this.filters.get((m.flags & M_VLANTAG) !== 0 ? m.vproto : etherType(m.view, m.off)) ?? this.nomatch;
    if (hook === this.downstream) {
      this.packetsIn++;
      return graph.send(match, m);
    }
    if (match !== hook) return ngDrop(m, EPROTOTYPE);
    const error = graph.send(this.downstream, m);
    if (error === 0) this.packetsOut++;
    return error;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_ETF_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_ETF_SET_FLAG:
        // Flags that mean nothing, to the original neither.
        return ngDecode(ngInt32, msg.args) === null ? EINVAL : 0;
      case NGM_ETF_GET_STATUS:
        return node.graph.respond(node, msg, ngEncode(statusType, { packets_in: this.packetsIn, packets_out: this.packetsOut }));
      case NGM_ETF_SET_FILTER:
        return this.setFilter(msg);
      default:
        return EINVAL;
    }
  }

  private setFilter(msg: NgMessage): Errno {
    const filter = ngDecode(filterType, msg.args);
    if (filter === null) return EINVAL;
    const hook = this.node.findHook(filter.matchhook);
    if (hook === null) return ENOENT;
    if (hook === this.downstream) return EINVAL;
    if (this.filters.has(filter.ethertype)) return EEXIST;
    this.filters.set(filter.ethertype, hook);
    return 0;
  }

  disconnect(hook: Hook): void {
    for (const [type, to] of this.filters) if (to === hook) this.filters.delete(type);
    if (hook === this.downstream) this.downstream = null;
    else if (hook === this.nomatch) this.nomatch = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const etfType: NgType = {
  name: 'etf',
  cookie: NGM_ETF_COOKIE,
  cmds: [
    ngCmd(NGM_ETF_GET_STATUS, 'getstatus', null, statusType),
    ngCmd(NGM_ETF_SET_FLAG, 'setflag', ngInt32),
    ngCmd(NGM_ETF_SET_FILTER, 'setfilter', filterType),
  ],
  construct: (node) => new EtfNode(node),
};
