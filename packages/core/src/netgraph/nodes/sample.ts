/**
 * sample.ts — ng_sample: the template of a node type. Copy it, and say here what yours does.
 * Read first: ng_sample(4) is FreeBSD's; ng-node.ts has what a node may do and what it is told.
 *
 * Theory of operation. This one passes data between its hooks `left` and `right`, counts it, and answers `getstats`. Everything a type needs
 * is here: a cookie that nobody else has, commands with their ASCII forms, one object per node, one object per hook.
 *
 *  1. `construct` makes the inside of a node. It may refuse with an Errno; then there is no node.
 *  2. `newhook` sees the name of a hook before it is joined, and may refuse it. What belongs to the hook goes to `hook.data`.
 *  3. `rcvdata` owns the packet: it sends it on, or frees it. What `send` answers is the sender's answer.
 *  4. `rcvmsg` gets what is not generic. EINVAL for what it does not know, or when the arguments have the wrong size.
 *  5. `disconnect` hears that a hook is gone. A node that has nothing else to live for ends itself when it was the last.
 *  6. `shutdown` gives back what the node holds outside the graph: timers, interfaces, sockets.
 *
 * Invariant: a node keeps no packet beyond its `rcvdata`, unless its type says where, and frees it in `shutdown`.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngEncode, ngStruct, ngUint64 } from '../ng-parse.js';

const NGM_SAMPLE_COOKIE = 916_107_001;
const NGM_SAMPLE_GET_STATS = 1;
const NGM_SAMPLE_CLR_STATS = 2;

/** The argument of a command, or of its answer: fields in the order of the C structure. */
const statsType = ngStruct({ packets: ngUint64, octets: ngUint64 });

class SampleNode implements NgNodeOps {
  private readonly node: NgNode;
  private left: Hook | null = null;
  private right: Hook | null = null;
  private packets = 0;
  private octets = 0;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'left') this.left = hook;
    else if (name === 'right') this.right = hook;
    else return EINVAL;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    this.packets++;
    this.octets += m.len;
    return this.node.graph.send(hook === this.left ? this.right : this.left, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_SAMPLE_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_SAMPLE_GET_STATS:
        return this.node.graph.respond(this.node, msg, ngEncode(statsType, { packets: this.packets, octets: this.octets }));
      case NGM_SAMPLE_CLR_STATS:
        this.packets = 0;
        this.octets = 0;
        return 0;
      default:
        return EINVAL;
    }
  }

  disconnect(hook: Hook): void {
    if (hook === this.left) this.left = null;
    if (hook === this.right) this.right = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const sampleType: NgType = {
  name: 'sample',
  cookie: NGM_SAMPLE_COOKIE,
  cmds: [
    ngCmd(NGM_SAMPLE_GET_STATS, 'getstats', null, statsType),
    ngCmd(NGM_SAMPLE_CLR_STATS, 'clrstats'),
  ],
  construct: (node) => new SampleNode(node),
};
