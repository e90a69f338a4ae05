/**
 * hole.ts — ng_hole(4): swallows what it gets, and counts it by hook.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import { ngDecode, ngEncode, ngHookBuf, ngStruct, ngUint64 } from '../ng-parse.js';

const NGM_HOLE_COOKIE = 915_433_206;
const NGM_HOLE_GET_STATS = 1;
const NGM_HOLE_CLR_STATS = 2;
const NGM_HOLE_GETCLR_STATS = 3;

class HoleStats {
  frames = 0;
  octets = 0;
}

const statsType = ngStruct<HoleStats>({ frames: ngUint64, octets: ngUint64 });

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
    if (msg.typecookie !== NGM_HOLE_COOKIE || msg.cmd < NGM_HOLE_GET_STATS || msg.cmd > NGM_HOLE_GETCLR_STATS) return EINVAL;
    const { node } = this;
    const name = ngDecode(ngHookBuf, msg.args);
    if (name === null) return EINVAL;
    const hook = node.findHook(name);
    const stats = hook?.data;
    if (hook === null || !(stats instanceof HoleStats)) return ENOENT;
    const error = msg.cmd === NGM_HOLE_CLR_STATS ? 0 : node.graph.respond(node, msg, ngEncode(statsType, stats));
    if (msg.cmd !== NGM_HOLE_GET_STATS) hook.data = new HoleStats();
    return error;
  }
}

export const holeType: NgType = {
  name: 'hole',
  cookie: NGM_HOLE_COOKIE,
  cmds: [
    ngCmd(NGM_HOLE_GET_STATS, 'getstats', ngHookBuf, statsType),
    ngCmd(NGM_HOLE_CLR_STATS, 'clrstats', ngHookBuf),
    ngCmd(NGM_HOLE_GETCLR_STATS, 'getclrstats', ngHookBuf, statsType),
  ],
  construct: (node) => new HoleNode(node),
};
