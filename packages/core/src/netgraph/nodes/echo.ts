/**
 * echo.ts — ng_echo(4): gives back what it gets, data by the hook it came in by, messages as answers to themselves.
 */
import type { Errno } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';

const NGM_ECHO_COOKIE = 884_298_942;

class EchoNode implements NgNodeOps {
  private readonly node: NgNode;

  constructor(node: NgNode) {
    this.node = node;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    return this.node.graph.send(hook, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    return this.node.graph.respond(this.node, msg, msg.args);
  }
}

export const echoType: NgType = { name: 'echo', cookie: NGM_ECHO_COOKIE, cmds: [], construct: (node) => new EchoNode(node) };
