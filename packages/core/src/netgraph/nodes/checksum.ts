/**
 * checksum.ts — ng_checksum(4): makes the checksums of packets right.
 * Read first: ng-transport.ts.
 *
 * Theory of operation. What comes in by `in` gets the checksums that `csum_flags` asks for, and those that were left for later, and goes out by `out`,
 * or back when nobody is joined there. What comes in by `out` goes out by `in` as it is. A transport checksum named in `csum_offload` is left
 * for whoever sends the packet away: the sum of its pseudo header is put in its place. Packets that are not IP, or shorter than they say, pass.
 *
 * A super-segment whose checksum is to be computed here is cut first; one that may leave it for later stays whole.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import { CSUM_IP, CSUM_L4 } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { IPVERSION, ip4Hl, ip4PutSum } from '../../wire/ip4.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngSegment } from '../ng-offload.js';
import { ngDecode, ngEncode, ngStruct, ngUint64, ngUint8 } from '../ng-parse.js';
import type { NgValue } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';
import { NG_CSUM_IP, NG_CSUM_IPV4_MASK, NG_CSUM_IPV6_MASK, NG_DLT_EN10MB, NG_DLT_RAW, NgTransport } from '../ng-transport.js';

const NGM_CHECKSUM_COOKIE = 439_419_912;
const NGM_CHECKSUM_GETDLT = 1;
const NGM_CHECKSUM_SETDLT = 2;
const NGM_CHECKSUM_GETCONFIG = 3;
const NGM_CHECKSUM_SETCONFIG = 4;

const ALL_FLAGS = NG_CSUM_IPV4_MASK | NG_CSUM_IPV6_MASK;

const configType = ngStruct({ csum_flags: ngUint64, csum_offload: ngUint64 });
const statsType = ngStruct({ Received: ngUint64, Processed: ngUint64, Dropped: ngUint64 });
const STATS = new NgStatsCmds({ get: 6, clr: 7, getclr: 5 }, statsType);

class ChecksumNode implements NgNodeOps {
  private readonly node: NgNode;
  private input: Hook | null = null;
  private output: Hook | null = null;
  private dlt = NG_DLT_RAW;
  private config: NgValue<typeof configType> | null = null;
  private stats = { Received: 0, Processed: 0, Dropped: 0 };
  private readonly transport = new NgTransport();
  /** Of the super-segment that is being cut. */
  private cutError: Errno = 0;
  private readonly cut = (m: PacketBuffer): void => {
    const error = this.process(m);
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
    if (this.config === null) return this.send(this.output ?? this.input, m);
    if (m.gsoSize === 0 || this.transport.find(m, this.dlt) !== 0 || (this.config.csum_offload & this.transport.csumFlag) !== 0) return this.process(m);
    this.cutError = 0;
    ngSegment(m, this.cut);
    return this.cutError;
  }

  private process(m: PacketBuffer): Errno {
    const { config, transport } = this;
    if (config !== null && transport.find(m, this.dlt) === 0 && this.sum(m, config.csum_flags, config.csum_offload)) this.stats.Processed++;
    return this.send(this.output ?? this.input, m);
  }

  /** Does what is to be done to the packet that `transport` has found; false: that was nothing. */
  private sum(m: PacketBuffer, flags: number, offload: number): boolean {
    const { transport } = this;
    let done = false;
    if (transport.version === IPVERSION && ((flags & NG_CSUM_IP) !== 0 || (m.csumFlags & CSUM_IP) !== 0)) {
      ip4PutSum(m.view, transport.l3, ip4Hl(m.view, transport.l3));
      m.csumFlags &= ~CSUM_IP;
      done = true;
    }
    // What of a fragment has been done is not counted, as in the original.
    if (transport.isFragment) return false;
    const flag = transport.csumFlag;
    const pending = (m.csumFlags & CSUM_L4) !== 0;
    if (flag === 0 || ((flags & flag) === 0 && !pending)) return done;
    if ((offload & flag) === 0) transport.finish(m);
    else if (!pending) transport.leave(m);
    return true;
  }

  private send(to: Hook | null, m: PacketBuffer): Errno {
    if (to !== null) return this.node.graph.send(to, m);
    this.stats.Dropped++;
    return ngDrop(m, 0);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_CHECKSUM_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_CHECKSUM_GETDLT:
        return node.graph.respond(node, msg, ngEncode(ngUint8, this.dlt));
      case NGM_CHECKSUM_SETDLT: {
        const dlt = ngDecode(ngUint8, msg.args);
        if (dlt !== NG_DLT_EN10MB && dlt !== NG_DLT_RAW) return EINVAL;
        this.dlt = dlt;
        return 0;
      }
      case NGM_CHECKSUM_GETCONFIG:
        return this.config === null ? 0 : node.graph.respond(node, msg, ngEncode(configType, this.config));
      case NGM_CHECKSUM_SETCONFIG: {
        const config = ngDecode(configType, msg.args);
        if (config === null) return EINVAL;
        this.config = { csum_flags: config.csum_flags & ALL_FLAGS, csum_offload: config.csum_offload & ALL_FLAGS };
        return 0;
      }
      default:
        if (!STATS.has(msg.cmd)) return EINVAL;
        return STATS.answer(node, msg, this.stats, () => (this.stats = { Received: 0, Processed: 0, Dropped: 0 }));
    }
  }

  disconnect(hook: Hook): void {
    if (hook === this.input) this.input = null;
    if (hook === this.output) this.output = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const checksumType: NgType = {
  name: 'checksum',
  cookie: NGM_CHECKSUM_COOKIE,
  cmds: [
    ngCmd(NGM_CHECKSUM_GETDLT, 'getdlt', null, ngUint8),
    ngCmd(NGM_CHECKSUM_SETDLT, 'setdlt', ngUint8),
    ngCmd(NGM_CHECKSUM_GETCONFIG, 'getconfig', null, configType),
    ngCmd(NGM_CHECKSUM_SETCONFIG, 'setconfig', configType),
    ...STATS.cmds,
  ],
  construct: (node) => new ChecksumNode(node),
};
