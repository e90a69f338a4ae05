/**
 * patch.ts — ng_patch(4): changes bytes of packets.
 * Read first: patch-op.ts, ng-transport.ts.
 *
 * Theory of operation. What comes in by `in` is changed and goes out by `out`, or back when nobody is joined there. What comes in by `out` goes out by
 * `in` as it is. Each change is at an offset from the packet's first byte or, with `relative_offset`, from what is behind the Ethernet
 * header and its tags; one that would reach beyond the packet is left out. Checksums named in `csum_flags` are then made to be computed on the way out.
 *
 * Offsets are those on a wire: before a packet is changed its tag is put in its bytes (and taken out again behind it), its checksums are finished, and
 * a super-segment is cut. Nobody vouches for the checksums of a packet that was changed.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOBUFS } from '../../base/errno.js';
import { CSUM_IP_VALID, CSUM_L4_VALID, M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { etherStripTag } from '../../net/ether.js';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN, etherIsTagType, etherType } from '../../wire/ether.js';
import { IPVERSION, ip4Hl, ip4PutSum } from '../../wire/ip4.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngSegment, ngWireForm } from '../ng-offload.js';
import { ngArray, ngDecode, ngDecodeHead, ngEncode, ngLengthField, ngStruct, ngUint32, ngUint64, ngUint8 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';
import {
  NG_CSUM_IP, NG_CSUM_IPV4_MASK, NG_CSUM_IPV6_MASK, NG_CSUM_SCTP, NG_CSUM_SCTP_IPV6, NG_DLT_EN10MB, NG_DLT_RAW, NgTransport, ngPayload,
} from '../ng-transport.js';
import { PatchOp, patchOpType } from './patch-op.js';

const NGM_PATCH_COOKIE = 1_262_445_509;
const NGM_PATCH_SETCONFIG = 1;
const NGM_PATCH_GETCONFIG = 2;
const NGM_PATCH_GETDLT = 6;
const NGM_PATCH_SETDLT = 7;

const ALL_FLAGS = NG_CSUM_IPV4_MASK | NG_CSUM_IPV6_MASK | NG_CSUM_SCTP | NG_CSUM_SCTP_IPV6;

const configType = ngStruct({ count: ngUint32, csum_flags: ngUint64, relative_offset: ngUint32, ops: ngArray(patchOpType, ngLengthField('count')) });
const statsType = ngStruct({ Received: ngUint64, Patched: ngUint64, Dropped: ngUint64 });
const STATS = new NgStatsCmds({ get: 3, clr: 4, getclr: 5 }, statsType);

interface PatchConfig {
  readonly csumFlags: number;
  readonly isRelative: boolean;
  readonly ops: readonly PatchOp[];
}

class PatchNode implements NgNodeOps {
  private readonly node: NgNode;
  private input: Hook | null = null;
  private output: Hook | null = null;
  private dlt = NG_DLT_RAW;
  private config: PatchConfig | null = null;
  private stats = { Received: 0, Patched: 0, Dropped: 0 };
  private readonly transport = new NgTransport();
  /** Of the super-segment that is being cut. */
  private cutError: Errno = 0;
  private readonly cut = (m: PacketBuffer): void => {
    const error = this.patch(m);
    if (error !== 0) this.cutError = error;
  };

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name.startsWith('in')) this.input = hook;
    else if (name.startsWith('out')) this.output = hook;
    else return EINVAL;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    this.stats.Received++;
    if (hook !== this.input) return this.send(hook === this.output ? this.input : null, m);
    if (m.gsoSize === 0 || this.config === null) return this.patch(m);
    this.cutError = 0;
    ngSegment(m, this.cut);
    return this.cutError;
  }

  private patch(m: PacketBuffer): Errno {
    const { config } = this;
    if (config !== null) {
      const tagged = (m.flags & M_VLANTAG) !== 0;
      if (!ngWireForm(m)) return this.lost(m, ENOBUFS);
      this.change(m, config);
      if (tagged && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN && etherIsTagType(etherType(m.view, m.off))) etherStripTag(m, etherType(m.view, m.off));
    }
    return this.send(this.output ?? this.input, m);
  }

  private change(m: PacketBuffer, config: PatchConfig): void {
    const base = config.isRelative ? ngPayload(m, this.dlt) : m.off;
    if (base < 0) return;
    const end = m.off + m.len;
    let patched = false;
    for (const op of config.ops) {
      const at = base + op.offset;
      if (at + op.length > end) continue;
      op.apply(m.view, at);
      patched = true;
    }
    if (patched) {
      this.stats.Patched++;
      m.csumFlags &= ~(CSUM_IP_VALID | CSUM_L4_VALID);
    }
    if (config.csumFlags !== 0) this.leaveChecksums(m, config.csumFlags);
  }

  private leaveChecksums(m: PacketBuffer, flags: number): void {
    const { transport } = this;
    if (transport.find(m, this.dlt) !== 0) return;
    if ((flags & NG_CSUM_IP) !== 0 && transport.version === IPVERSION) ip4PutSum(m.view, transport.l3, ip4Hl(m.view, transport.l3));
    if ((flags & transport.csumFlag) !== 0) transport.leave(m);
  }

  private send(to: Hook | null, m: PacketBuffer): Errno {
    return to === null ? this.lost(m, 0) : this.node.graph.send(to, m);
  }

  private lost(m: PacketBuffer, error: Errno): Errno {
    this.stats.Dropped++;
    return ngDrop(m, error);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_PATCH_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_PATCH_GETDLT:
        return node.graph.respond(node, msg, ngEncode(ngUint8, this.dlt));
      case NGM_PATCH_SETDLT: {
        const dlt = ngDecode(ngUint8, msg.args);
        if (dlt !== NG_DLT_EN10MB && dlt !== NG_DLT_RAW) return EINVAL;
        this.dlt = dlt;
        return 0;
      }
      case NGM_PATCH_GETCONFIG:
        return this.getConfig(msg);
      case NGM_PATCH_SETCONFIG:
        return this.setConfig(msg);
      default:
        if (!STATS.has(msg.cmd)) return EINVAL;
        return STATS.answer(node, msg, this.stats, () => (this.stats = { Received: 0, Patched: 0, Dropped: 0 }));
    }
  }

  private getConfig(msg: NgMessage): Errno {
    const { config, node } = this;
    if (config === null) return 0;
    const { csumFlags, isRelative, ops } = config;
    return node.graph.respond(node, msg, ngEncode(configType, { count: ops.length, csum_flags: csumFlags, relative_offset: isRelative ? 1 : 0, ops }));
  }

  private setConfig(msg: NgMessage): Errno {
    const args = ngDecodeHead(configType, msg.args);
    if (args === null) return EINVAL;
    const ops: PatchOp[] = [];
    for (const each of args.ops) {
      const op = PatchOp.of(each);
      if (op === null) return EINVAL;
      ops.push(op);
    }
    this.config = { csumFlags: args.csum_flags & ALL_FLAGS, isRelative: args.relative_offset !== 0, ops };
    return 0;
  }

  disconnect(hook: Hook): void {
    if (hook === this.input) this.input = null;
    if (hook === this.output) this.output = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const patchType: NgType = {
  name: 'patch',
  cookie: NGM_PATCH_COOKIE,
  cmds: [
    ngCmd(NGM_PATCH_GETDLT, 'getdlt', null, ngUint8),
    ngCmd(NGM_PATCH_SETDLT, 'setdlt', ngUint8),
    ngCmd(NGM_PATCH_GETCONFIG, 'getconfig', null, configType),
    ngCmd(NGM_PATCH_SETCONFIG, 'setconfig', configType),
    ...STATS.cmds,
  ],
  construct: (node) => new PatchNode(node),
};
