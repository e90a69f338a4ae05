/**
 * ether-echo.ts — ng_ether_echo(4): as echo.ts, and turns the addresses of frames round.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN, ETHER_SHOST, etherDhostHi, etherDhostLo, etherPutAddr, etherShostHi, etherShostLo } from '../../wire/ether.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngDrop } from '../ng-node.js';

const NGM_ETHER_ECHO_COOKIE = 1_230_155_201;

class EtherEchoNode implements NgNodeOps {
  private readonly node: NgNode;

  constructor(node: NgNode) {
    this.node = node;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    if (m.len < ETHER_HDR_LEN) return ngDrop(m, EINVAL);
    const { view, off } = m;
    const hi = etherDhostHi(view, off);
    const lo = etherDhostLo(view, off);
    etherPutAddr(view, off, etherShostHi(view, off), etherShostLo(view, off));
    etherPutAddr(view, off + ETHER_SHOST, hi, lo);
    return this.node.graph.send(hook, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    return this.node.graph.respond(this.node, msg, msg.args);
  }
}

export const etherEchoType: NgType = { name: 'ether_echo', cookie: NGM_ETHER_ECHO_COOKIE, cmds: [], construct: (node) => new EtherEchoNode(node) };
