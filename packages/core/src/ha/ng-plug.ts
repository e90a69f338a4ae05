/**
 * ng-plug.ts — ng_plug: a netgraph node that holds what goes one way, by Linux's commands or by epochs.
 * Read first: docs/plug.md, docs/netgraph-nodes.md; plug.ts, epoch-plug.ts.
 *
 * Theory of operation. What comes in by `in` is held, and goes out by `out` when it may; what comes in by `out` goes out by `in` at once. So `in` is where the protected machine is. A new node has Linux's plug, and
 * holds from the first; `setmode 1` makes it one of epochs, which lets everything through until the first is closed. Each mode has its own commands, the other's are EOPNOTSUPP.
 * When `out` is taken off, what is held is lost, as on an interface that goes down.
 *
 * A program in this process may use the plug itself: `ngPlugOf`.
 *
 * Invariant: what it holds is in `queued()`, and gone after `shutdown`.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EINVAL, EOPNOTSUPP } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHER_TXQUEUELEN } from '../net/ifb.js';
import type { NgMessage } from '../netgraph/ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../netgraph/ng-node.js';
import { ngCmd } from '../netgraph/ng-node.js';
import { ngDecode, ngEncode, ngStruct, ngUint32, ngUint64 } from '../netgraph/ng-parse.js';
import { ETHERMTU, ETHER_HDR_LEN } from '../wire/ether.js';
import { EPOCH_PACKETS_MAX, EpochPlug } from './epoch-plug.js';
import { PLUG_LIMIT_MAX, Plug, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from './plug.js';

export const NGM_PLUG_COOKIE = 1_793_520_000;
const NGM_PLUG_GET_STATS = 1;
const NGM_PLUG_BUFFER = 2;
const NGM_PLUG_RELEASE_ONE = 3;
const NGM_PLUG_RELEASE_INDEFINITE = 4;
const NGM_PLUG_SET_LIMIT = 5;
const NGM_PLUG_SET_MODE = 6;
const NGM_PLUG_CLOSE_EPOCH = 7;
const NGM_PLUG_RELEASE = 8;
const NGM_PLUG_ABANDON = 9;

/** `setmode` */
const MODE_LINUX = 0;
const MODE_EPOCHS = 1;
/** So many frames of Ethernet's MTU as Linux lets wait at an interface. */
const LINUX_LIMIT_BYTES = ETHER_TXQUEUELEN * (ETHERMTU + ETHER_HDR_LEN);

/** What `getstats` answers. `limitBytes` is what may be held; epochs are 0 in Linux's mode. */
interface NodeStats {
  readonly mode: number;
  readonly packets: number;
  readonly octets: number;
  readonly ageUs: number;
  readonly sentPackets: number;
  readonly sentOctets: number;
  readonly dropPackets: number;
  readonly dropOctets: number;
  readonly purgedPackets: number;
  readonly purgedOctets: number;
  readonly limitBytes: number;
  readonly openEpoch: number;
  readonly releasedEpoch: number;
  readonly closedEpochs: number;
}

const limitType = ngStruct({ bytes: ngUint64, packets: ngUint32 });
const statsType = ngStruct<NodeStats>({
  mode: ngUint32, packets: ngUint64, octets: ngUint64, ageUs: ngUint64, sentPackets: ngUint64, sentOctets: ngUint64, dropPackets: ngUint64, dropOctets: ngUint64, purgedPackets: ngUint64,
  purgedOctets: ngUint64, limitBytes: ngUint64, openEpoch: ngUint64, releasedEpoch: ngUint64, closedEpochs: ngUint64,
});

class PlugNode implements NgNodeOps {
  plug: Plug | EpochPlug;
  private readonly node: NgNode;
  private in: Hook | null = null;
  private out: Hook | null = null;
  private readonly send = (m: PacketBuffer): Errno => this.node.graph.send(this.out, m);

  constructor(node: NgNode) {
    this.node = node;
    this.plug = new Plug(node.graph.kern, this.send, LINUX_LIMIT_BYTES);
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'in') this.in = hook;
    else if (name === 'out') this.out = hook;
    else return EINVAL;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    return hook === this.in ? this.plug.output(m) : this.node.graph.send(this.in, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_PLUG_COOKIE) return EINVAL;
    const { node, plug } = this;
    switch (msg.cmd) {
      case NGM_PLUG_GET_STATS:
        return node.graph.respond(node, msg, ngEncode(statsType, this.stats()));
      case NGM_PLUG_SET_MODE:
        return this.setMode(ngDecode(ngUint32, msg.args));
      case NGM_PLUG_SET_LIMIT:
        return this.setLimit(ngDecode(limitType, msg.args));
      default:
        return plug instanceof Plug ? linuxCommand(plug, msg.cmd) : this.epochCommand(plug, msg);
    }
  }

  private epochCommand(plug: EpochPlug, msg: NgMessage): Errno {
    const { node } = this;
    switch (msg.cmd) {
      case NGM_PLUG_CLOSE_EPOCH:
        return node.graph.respond(node, msg, ngEncode(ngUint64, plug.closeEpoch()));
      case NGM_PLUG_RELEASE: {
        const upTo = ngDecode(ngUint64, msg.args);
        return upTo === null ? EINVAL : plug.release(upTo);
      }
      case NGM_PLUG_ABANDON:
        plug.abandon();
        return 0;
      default:
        return isLinux(msg.cmd) ? EOPNOTSUPP : EINVAL;
    }
  }

  /** EBUSY while frames are held: they are the old mode's. */
  private setMode(mode: number | null): Errno {
    const { plug, node } = this;
    if (mode !== MODE_LINUX && mode !== MODE_EPOCHS) return EINVAL;
    if ((plug instanceof EpochPlug) === (mode === MODE_EPOCHS)) return 0;
    if (plug.packets > 0) return EBUSY;
    plug.destroy();
    const { kern } = node.graph;
    this.plug = mode === MODE_EPOCHS ? new EpochPlug(kern, this.send) : new Plug(kern, this.send, LINUX_LIMIT_BYTES);
    return 0;
  }

  /** 0 leaves a limit as it is. Linux's mode has no limit of packets. */
  private setLimit(asked: { readonly bytes: number; readonly packets: number } | null): Errno {
    const { plug } = this;
    if (asked === null || asked.bytes > PLUG_LIMIT_MAX) return EINVAL;
    if (plug instanceof Plug) return asked.packets > 0 ? EOPNOTSUPP : asked.bytes > 0 ? plug.change(TCQ_PLUG_LIMIT, asked.bytes) : 0;
    if (asked.packets > EPOCH_PACKETS_MAX) return EINVAL;
    if (asked.bytes > 0) plug.limits.bytesMax = asked.bytes;
    if (asked.packets > 0) plug.limits.packetsMax = asked.packets;
    return 0;
  }

  private stats(): NodeStats {
    const { plug } = this;
    const { sentPackets, sentBytes, dropPackets, dropBytes, purgedPackets, purgedBytes } = plug.stats;
    const isEpochs = plug instanceof EpochPlug;
    return {
      mode: isEpochs ? MODE_EPOCHS : MODE_LINUX, packets: plug.packets, octets: plug.bytes, ageUs: plug.ageUs, sentPackets, sentOctets: sentBytes, dropPackets, dropOctets: dropBytes, purgedPackets,
      purgedOctets: purgedBytes, limitBytes: isEpochs ? plug.limits.bytesMax : plug.limitBytes,
      openEpoch: isEpochs ? plug.open : 0, releasedEpoch: isEpochs ? plug.released : 0, closedEpochs: isEpochs ? plug.closedEpochs : 0,
    };
  }

  disconnect(hook: Hook): void {
    if (hook === this.in) this.in = null;
    if (hook === this.out) {
      this.out = null;
      this.plug.reset();
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    this.plug.destroy();
    return false;
  }

  queued(): number {
    return this.plug.packets;
  }
}

const LINUX: Readonly<Record<number, number>> = {
  [NGM_PLUG_BUFFER]: TCQ_PLUG_BUFFER, [NGM_PLUG_RELEASE_ONE]: TCQ_PLUG_RELEASE_ONE, [NGM_PLUG_RELEASE_INDEFINITE]: TCQ_PLUG_RELEASE_INDEFINITE,
};

function isLinux(cmd: number): boolean {
  return LINUX[cmd] !== undefined;
}

function linuxCommand(plug: Plug, cmd: number): Errno {
  const action = LINUX[cmd];
  if (action !== undefined) return plug.change(action, 0);
  return cmd === NGM_PLUG_CLOSE_EPOCH || cmd === NGM_PLUG_RELEASE || cmd === NGM_PLUG_ABANDON ? EOPNOTSUPP : EINVAL;
}

/** The plug of a node of this type; null for another. */
export function ngPlugOf(node: NgNode): Plug | EpochPlug | null {
  return node.ops instanceof PlugNode ? node.ops.plug : null;
}

export const plugType: NgType = {
  name: 'plug',
  cookie: NGM_PLUG_COOKIE,
  cmds: [
    ngCmd(NGM_PLUG_GET_STATS, 'getstats', null, statsType),
    ngCmd(NGM_PLUG_BUFFER, 'buffer'),
    ngCmd(NGM_PLUG_RELEASE_ONE, 'releaseone'),
    ngCmd(NGM_PLUG_RELEASE_INDEFINITE, 'releaseindefinite'),
    ngCmd(NGM_PLUG_SET_LIMIT, 'setlimit', limitType),
    ngCmd(NGM_PLUG_SET_MODE, 'setmode', ngUint32),
    ngCmd(NGM_PLUG_CLOSE_EPOCH, 'closeepoch', null, ngUint64),
    ngCmd(NGM_PLUG_RELEASE, 'release', ngUint64),
    ngCmd(NGM_PLUG_ABANDON, 'abandon'),
  ],
  construct: (node) => new PlugNode(node),
};
