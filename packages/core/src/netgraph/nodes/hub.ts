/**
 * hub.ts — ng_hub(4): what comes in by one hook goes out by all others.
 *
 * Theory of operation. Hooks may have any names. The last hook gets the packet itself, the others copies; nothing is learned. A hub may be
 * joined to itself, and hubs in a ring are a storm: each packet ends when it has crossed `net.graph.hopsmax` nodes.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOBUFS } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';

const NGM_HUB_COOKIE = 1_082_189_597;
const NGM_HUB_SET_PERSISTENT = 1;

class HubNode implements NgNodeOps {
  private readonly node: NgNode;
  private persistent = false;

  constructor(node: NgNode) {
    this.node = node;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const { graph, hooks } = this.node;
    let last: Hook | null = null;
    for (let i = hooks.length - 1; i >= 0; i--) {
      const h = hooks[i]!;
      if (h === hook || !h.isValid) continue;
      last = h;
      break;
    }
    let result = 0;
    for (const h of hooks) {
      if (h === hook || h === last || !h.isValid) continue;
      const copy = m.pool.copy(m);
      if (copy === null) return ngDrop(m, ENOBUFS);
      const error = graph.send(h, copy);
      if (error !== 0) result = error;
    }
    if (last === null) return ngDrop(m, result);
    const error = graph.send(last, m);
    return error === 0 ? result : error;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_HUB_COOKIE || msg.cmd !== NGM_HUB_SET_PERSISTENT) return EINVAL;
    this.persistent = true;
    return 0;
  }

  disconnect(): void {
    if (this.node.hooks.length === 0 && !this.persistent) this.node.graph.rmnodeSelf(this.node);
  }
}

export const hubType: NgType = {
  name: 'hub',
  cookie: NGM_HUB_COOKIE,
  cmds: [ngCmd(NGM_HUB_SET_PERSISTENT, 'setpersistent')],
  construct: (node) => new HubNode(node),
};
