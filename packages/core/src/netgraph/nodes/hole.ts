/**
 * hole.ts — ng_hole(4): swallows what it gets, and counts it by hook.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import { ngDecode, ngHookBuf, ngStruct, ngUint64 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';

const NGM_HOLE_COOKIE = 915_433_206;

class HoleStats {
  frames = 0;
  octets = 0;
}

const statsType = ngStruct<HoleStats>({ frames: ngUint64, octets: ngUint64 });
const STATS = new NgStatsCmds({ get: 1, clr: 2, getclr: 3 }, statsType, ngHookBuf);

class HoleNode implements NgNodeOps {
  private readonly node: NgNode;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook): Errno {
    hook.data = new HoleStats();
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const stats = hook.data;
    if (stats instanceof HoleStats) {
      stats.frames++;
      stats.octets += ngWireLen(m);
    }
    return ngDrop(m, 0);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_HOLE_COOKIE || !STATS.has(msg.cmd)) return EINVAL;
    const { node } = this;
    const name = ngDecode(ngHookBuf, msg.args);
    if (name === null) return EINVAL;
    const hook = node.findHook(name);
    const stats = hook?.data;
    if (hook === null || !(stats instanceof HoleStats)) return ENOENT;
    return STATS.answer(node, msg, stats, () => (hook.data = new HoleStats()));
  }
}

export const holeType: NgType = {
  name: 'hole',
  cookie: NGM_HOLE_COOKIE,
  cmds: [
    ...STATS.cmds,
  ],
  construct: (node) => new HoleNode(node),
};
