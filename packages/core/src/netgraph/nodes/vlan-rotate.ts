/**
 * vlan-rotate.ts — ng_vlan_rotate(4): changes the order of a frame's tags, whole stacks of them.
 *
 * Theory of operation. What comes in by `ordered` has the first `rot` tags of its stack put behind the others and goes out by `original`; what comes in
 * by `original` is rotated back and goes out by `ordered`. A frame with too many tags goes out by `excessive` as it is, one with too few to
 * rotate, or fewer than wanted, by `incomplete`; what comes in by these goes out by `original`.
 *
 * The stack is what is on the wire: a tag that travels beside the frame (`m.vtag`) is its first, and the slot keeps whatever tag is first then.
 */
import type { Errno } from '../../base/errno.js';
import { EADDRINUSE, EINVAL, ENETDOWN, ENOSYS } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_8021Q9100, ETHERTYPE_8021Q9200, ETHERTYPE_QINQ, ETHERTYPE_VLAN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN } from '../../wire/ether.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngArray, ngDecode, ngEncode, ngInt8, ngStruct, ngUint64, ngUint8 } from '../ng-parse.js';

const NGM_VLANROTATE_COOKIE = 1_568_378_766;
const NGM_VLANROTATE_GET_CONF = 1;
const NGM_VLANROTATE_SET_CONF = 2;
const NGM_VLANROTATE_GET_STAT = 3;
const NGM_VLANROTATE_CLR_STAT = 4;
const NGM_VLANROTATE_GETCLR_STAT = 5;

const MAX_VLANS = 10;
const ETHERTYPE_8021Q9300 = 0x9300;

const confType = ngStruct({ rot: ngInt8, min: ngUint8, max: ngUint8 });

class RotateStats {
  drops = 0;
  excessive = 0;
  incomplete = 0;
  /** Frames rotated by the number of their tags. */
  readonly histogram: number[] = new Array<number>(MAX_VLANS).fill(0);
}

const statType = ngStruct<{ drops: number; excessive: number; incomplete: number; histogram: readonly number[] }>({
  drops: ngUint64, excessive: ngUint64, incomplete: ngUint64, histogram: ngArray(ngUint64, MAX_VLANS),
});

class VlanRotateNode implements NgNodeOps {
  private readonly node: NgNode;
  private original: Hook | null = null;
  private ordered: Hook | null = null;
  private excessive: Hook | null = null;
  private incomplete: Hook | null = null;
  private conf = { rot: 0, min: 0, max: MAX_VLANS };
  private stats = new RotateStats();

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    switch (name) {
      case 'original':
        if (this.original !== null) return EADDRINUSE;
        this.original = hook;
        return 0;
      case 'ordered':
        if (this.ordered !== null) return EADDRINUSE;
        this.ordered = hook;
        return 0;
      case 'excessive':
        if (this.excessive !== null) return EADDRINUSE;
        this.excessive = hook;
        return 0;
      case 'incomplete':
        if (this.incomplete !== null) return EADDRINUSE;
        this.incomplete = hook;
        return 0;
      default:
        return EINVAL;
    }
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const { conf, stats } = this;
    if (hook !== this.ordered && hook !== this.original) return this.send(this.original, m);
    const to = hook === this.ordered ? this.original : this.ordered;
    if (to === null) return this.lost(m, ENETDOWN);
    const vlans = tagCount(m);
    if (vlans < 0) return this.lost(m, EINVAL);
    if (vlans > conf.max || vlans >= MAX_VLANS) {
      stats.excessive++;
      return this.send(this.excessive, m);
    }
    if (vlans < conf.min || vlans <= Math.abs(conf.rot)) {
      stats.incomplete++;
      return this.send(this.incomplete, m);
    }
    stats.histogram[vlans]!++;
    const left = hook === this.ordered ? conf.rot : -conf.rot;
    if (left !== 0) rotateLeft(m, left > 0 ? left : vlans + left, vlans);
    return this.send(to, m);
  }

  /** What becomes of it behind the next hook is not told. */
  private send(to: Hook | null, m: PacketBuffer): Errno {
    if (to === null) return this.lost(m, ENOSYS);
    this.node.graph.send(to, m);
    return 0;
  }

  private lost(m: PacketBuffer, error: Errno): Errno {
    this.stats.drops++;
    return ngDrop(m, error);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_VLANROTATE_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_VLANROTATE_GET_CONF:
        return node.graph.respond(node, msg, ngEncode(confType, this.conf));
      case NGM_VLANROTATE_SET_CONF:
        return this.setConf(msg);
      case NGM_VLANROTATE_GET_STAT:
      case NGM_VLANROTATE_CLR_STAT:
      case NGM_VLANROTATE_GETCLR_STAT: {
        const error = msg.cmd === NGM_VLANROTATE_CLR_STAT ? 0 : node.graph.respond(node, msg, ngEncode(statType, this.stats));
        if (msg.cmd !== NGM_VLANROTATE_GET_STAT) this.stats = new RotateStats();
        return error;
      }
      default:
        return EINVAL;
    }
  }

  private setConf(msg: NgMessage): Errno {
    const conf = ngDecode(confType, msg.args);
    if (conf === null) return EINVAL;
    const { rot, min } = conf;
    const max = conf.max === 0 ? this.conf.max : conf.max;
    if (max > MAX_VLANS || min > max || Math.abs(rot) >= max) return EINVAL;
    this.conf = { rot, min, max };
    return 0;
  }

  disconnect(hook: Hook): void {
    if (hook === this.original) this.original = null;
    else if (hook === this.ordered) this.ordered = null;
    else if (hook === this.excessive) this.excessive = null;
    else this.incomplete = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

function isTagType(type: number): boolean {
  return type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ || type === ETHERTYPE_8021Q9100 || type === ETHERTYPE_8021Q9200 || type === ETHERTYPE_8021Q9300;
}

/** Tags of the frame, not more than one above the most; -1: it ends in the middle of one. */
function tagCount(m: PacketBuffer): number {
  const beside = (m.flags & M_VLANTAG) !== 0 ? 1 : 0;
  for (let n = beside; n <= MAX_VLANS; n++) {
    const at = ETHER_TYPE + (n - beside) * ETHER_VLAN_ENCAP_LEN;
    if (m.len < at + ETHER_VLAN_ENCAP_LEN) return -1;
    if (!isTagType(m.view.getUint16(m.off + at))) return n;
  }
  return MAX_VLANS + 1;
}

/** The first `by` of `n` tags go behind the others. By the three reversals. */
function rotateLeft(m: PacketBuffer, by: number, n: number): void {
  reverse(m, 0, by);
  reverse(m, by, n);
  reverse(m, 0, n);
}

function reverse(m: PacketBuffer, from: number, to: number): void {
  for (let i = from, j = to - 1; i < j; i++, j--) {
    const tag = tagAt(m, i);
    putTag(m, i, tagAt(m, j));
    putTag(m, j, tag);
  }
}

/** Type and tag control information of tag `i`, as one signed word. */
function tagAt(m: PacketBuffer, i: number): number {
  if ((m.flags & M_VLANTAG) === 0) return m.view.getInt32(m.off + ETHER_TYPE + i * ETHER_VLAN_ENCAP_LEN);
  return i === 0 ? (m.vproto << 16) | m.vtag : m.view.getInt32(m.off + ETHER_TYPE + (i - 1) * ETHER_VLAN_ENCAP_LEN);
}

function putTag(m: PacketBuffer, i: number, tag: number): void {
  if ((m.flags & M_VLANTAG) !== 0 && i === 0) {
    m.vproto = tag >>> 16;
    m.vtag = tag & 0xffff;
  } else {
    m.view.setInt32(m.off + ETHER_TYPE + (i - ((m.flags & M_VLANTAG) !== 0 ? 1 : 0)) * ETHER_VLAN_ENCAP_LEN, tag);
  }
}

export const vlanRotateType: NgType = {
  name: 'vlan_rotate',
  cookie: NGM_VLANROTATE_COOKIE,
  cmds: [
    ngCmd(NGM_VLANROTATE_GET_CONF, 'getconf', null, confType),
    ngCmd(NGM_VLANROTATE_SET_CONF, 'setconf', confType),
    ngCmd(NGM_VLANROTATE_GET_STAT, 'getstat', null, statType),
    ngCmd(NGM_VLANROTATE_CLR_STAT, 'clrstat', null, statType),
    ngCmd(NGM_VLANROTATE_GETCLR_STAT, 'getclrstat', null, statType),
  ],
  construct: (node) => new VlanRotateNode(node),
};
