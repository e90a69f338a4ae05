/**
 * tee.ts — ng_tee(4): passes `right` to `left` and back, and shows copies to whoever listens.
 *
 * Theory of operation. What comes in by `right` goes out by `left`, and a copy by `right2left`; the other way round by `left2right`. What
 * comes in by `right2left` goes out by `left`, by `left2right` out by `right`, as if it had been seen on the way. A tee that is shut down
 * joins its two neighbours.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { NGM_FLOW_COOKIE } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import { ngStruct, ngUint64 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';

const NGM_TEE_COOKIE = 916_107_047;

class HookStats {
  inOctets = 0;
  inFrames = 0;
  outOctets = 0;
  outFrames = 0;
}

const hookStatsType = ngStruct<HookStats>({ inOctets: ngUint64, inFrames: ngUint64, outOctets: ngUint64, outFrames: ngUint64 });
const statsType = ngStruct({ right: hookStatsType, left: hookStatsType, right2left: hookStatsType, left2right: hookStatsType });
const STATS = new NgStatsCmds({ get: 1, clr: 2, getclr: 3 }, statsType);

/** One of the four places of a hook. */
class TeePort {
  hook: Hook | null = null;
  stats = new HookStats();
  /** Where data goes that comes in here, and where its copy goes. */
  dest: TeePort | null = null;
  copy: TeePort | null = null;
}

class TeeNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly ports = { right: new TeePort(), left: new TeePort(), right2left: new TeePort(), left2right: new TeePort() };

  constructor(node: NgNode) {
    this.node = node;
    const { right, left, right2left, left2right } = this.ports;
    right.dest = left;
    right.copy = right2left;
    left.dest = right;
    left.copy = left2right;
    right2left.dest = left;
    left2right.dest = right;
  }

  newhook(hook: Hook, name: string): Errno {
    const port = this.portNamed(name);
    if (port === null) return EINVAL;
    port.hook = hook;
    hook.data = port;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const port = hook.data;
    if (!(port instanceof TeePort)) return ngDrop(m, 0);
    port.stats.inOctets += ngWireLen(m);
    port.stats.inFrames++;
    const { copy, dest } = port;
    if (copy !== null && copy.hook !== null) {
      const dup = m.pool.copy(m);
      if (dup !== null) this.forward(copy, dup);
    }
    return dest === null || dest.hook === null ? ngDrop(m, 0) : this.forward(dest, m);
  }

  rcvmsg(msg: NgMessage, lasthook: Hook | null): Errno {
    const { node, ports } = this;
    if (msg.typecookie === NGM_FLOW_COOKIE) {
      const port = lasthook?.data;
      const dest = port instanceof TeePort ? port.dest : null;
      return dest === null || dest.hook === null ? 0 : node.graph.sendMsgHook(dest.hook, msg);
    }
    if (msg.typecookie !== NGM_TEE_COOKIE || !STATS.has(msg.cmd)) return EINVAL;
    const { right, left, right2left, left2right } = ports;
    const stats = { right: right.stats, left: left.stats, right2left: right2left.stats, left2right: left2right.stats };
    return STATS.answer(node, msg, stats, () => {
      for (const port of Object.values(ports)) port.stats = new HookStats();
    });
  }

  disconnect(hook: Hook): void {
    if (hook.data instanceof TeePort) hook.data.hook = null;
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }

  close(): void {
    const { left, right } = this.ports;
    if (left.hook !== null && right.hook !== null) this.node.graph.bypass(left.hook, right.hook);
  }

  private forward(port: TeePort, m: PacketBuffer): Errno {
    port.stats.outOctets += ngWireLen(m);
    port.stats.outFrames++;
    return this.node.graph.send(port.hook, m);
  }

  private portNamed(name: string): TeePort | null {
    const { right, left, right2left, left2right } = this.ports;
    return name === 'right' ? right : name === 'left' ? left : name === 'right2left' ? right2left : name === 'left2right' ? left2right : null;
  }
}

export const teeType: NgType = {
  name: 'tee',
  cookie: NGM_TEE_COOKIE,
  cmds: [
    ...STATS.cmds,
  ],
  construct: (node) => new TeeNode(node),
};
