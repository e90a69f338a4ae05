/**
 * bridge.ts — ng_bridge(4): an Ethernet bridge of hooks.
 * Read first: ng_bridge(4); bridge-link.ts, bridge-hosts.ts.
 *
 * Theory of operation. A frame's source is remembered with the link it came in by; its destination, if known, gets it alone. What nobody
 * knows goes to all links but those that do not want it: a bridge whose first hook is an uplink sends unknown unicast to uplinks only.
 * Learning is a message of the node to itself, so that the tables change between frames and never in the middle of one; frames that come
 * behind it find the host there. A host that is seen on another link moves when it has been where it was for `minStableAge`; if it has not, the
 * two links are joined outside the bridge, and the new one is muted for `loopTimeout`.
 *
 * Invariants: a frame is never sent back where it came from. A frame that a link refused is not counted as sent.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ELOOP, ENOBUFS, ENOENT, ENOTCONN } from '../../base/errno.js';
import { Callout } from '../../kern/callout.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN } from '../../wire/ether.js';
import { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import {
  ngArray, ngDecode, ngEnaddr, ngEncode, ngHookBuf, ngInt32, ngLengthField, ngStruct, ngUint16, ngUint32, ngUint8,
} from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';
import { BridgeHost, BridgeHosts } from './bridge-hosts.js';
import { BridgeLink, BridgeStats, bridgeLinkName, bridgeStatsType } from './bridge-link.js';

const NGM_BRIDGE_COOKIE = 1_569_321_993;
const NGM_BRIDGE_SET_CONFIG = 1;
const NGM_BRIDGE_GET_CONFIG = 2;
const NGM_BRIDGE_RESET = 3;
const NGM_BRIDGE_GET_TABLE = 7;
const NGM_BRIDGE_SET_PERSISTENT = 8;
const NGM_BRIDGE_MOVE_HOST = 9;

const configType = ngStruct({ debugLevel: ngUint8, loopTimeout: ngUint32, maxStaleness: ngUint32, minStableAge: ngUint32 });
const hostType = ngStruct({ addr: ngEnaddr, hook: ngHookBuf, age: ngUint16, staleness: ngUint16 });
const tableType = ngStruct({ numHosts: ngUint32, hosts: ngArray(hostType, ngLengthField('numHosts')) });
const moveHostType = ngStruct({ addr: ngEnaddr, hook: ngHookBuf });
const STATS = new NgStatsCmds({ get: 4, clr: 5, getclr: 6 }, bridgeStatsType, ngInt32);

const SECOND_US = 1_000_000;

class BridgeNode implements NgNodeOps {
  private readonly node: NgNode;
  private config = { debugLevel: 1, loopTimeout: 60, maxStaleness: 15 * 60, minStableAge: 1 };
  private persistent = false;
  /** Do links that come now get frames for unknown hosts? */
  private sendUnknown = true;
  private readonly links = new Map<string, BridgeLink>();
  private readonly hosts: BridgeHosts;
  private readonly second: Callout;

  constructor(node: NgNode) {
    const { engine } = node.graph.kern;
    this.node = node;
    this.hosts = new BridgeHosts(engine.rng.split(`ng_bridge ${node.graph.kern.id} ${node.id}`).u32());
    this.second = new Callout(node.graph.kern, () => node.graph.enter(node, () => this.tick()));
  }

  newhook(hook: Hook, name: string): Errno {
    const wanted = bridgeLinkName(name);
    if (wanted === null) return EINVAL;
    if (hook.peer?.node === this.node) return ELOOP;
    const { isUplink } = wanted;
    if (wanted.number < 0) hook.name = this.freeName(isUplink);
    if (isUplink && this.links.size === 0) this.sendUnknown = false;
    const link = new BridgeLink(hook, isUplink, this.sendUnknown);
    hook.data = link;
    this.links.set(hook.name, link);
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const link = hook.data;
    if (!(link instanceof BridgeLink)) return ngDrop(m, EINVAL);
    const { stats } = link;
    if (m.len < ETHER_HDR_LEN) {
      stats.recvRunts++;
      return ngDrop(m, EINVAL);
    }
    const { view, off } = m;
    if ((view.getUint8(off + 6) & 1) !== 0) {
      stats.recvInvalid++;
      return ngDrop(m, EINVAL);
    }
    if (link.muted > 0) {
      stats.loopDrops++;
      return ngDrop(m, ELOOP);
    }
    stats.recvPackets++;
    stats.recvOctets += ngWireLen(m);
    const dstHi = view.getUint16(off);
    const dstLo = view.getInt32(off + 2);
    const multicast = (dstHi & 0x100) !== 0;
    if (multicast) {
      if (dstHi === 0xffff && dstLo === -1) stats.recvBroadcast++;
      else stats.recvMulticast++;
    }
    const srcHi = view.getUint16(off + 6);
    const srcLo = view.getInt32(off + 8);
    const source = this.hosts.find(srcHi, srcLo);
    if (source === null) {
      if (link.learns) this.learn(srcHi, srcLo, link);
    } else {
      source.staleness = 0;
      if (source.link !== link) {
        this.learn(srcHi, srcLo, link);
        if (source.age < this.config.minStableAge) {
          stats.loopDrops++;
          return ngDrop(m, ELOOP);
        }
      }
    }
    if (multicast) return this.flood(link, m, true, dstHi === 0xffff && dstLo === -1, false);
    const dest = this.hosts.find(dstHi, dstLo);
    if (dest !== null) return dest.link === link ? ngDrop(m, 0) : this.forward(dest.link, m, false, false);
    stats.recvUnknown++;
    return this.flood(link, m, false, false, true);
  }

  private forward(link: BridgeLink, m: PacketBuffer, multicast: boolean, broadcast: boolean): Errno {
    const len = ngWireLen(m);
    const error = this.node.graph.send(link.hook, m);
    if (error !== 0) return error;
    const { stats } = link;
    stats.xmitPackets++;
    stats.xmitOctets += len;
    if (broadcast) stats.xmitBroadcasts++;
    else if (multicast) stats.xmitMulticasts++;
    return 0;
  }

  /** To all links but `from`, the newest first; the first that is found gets the frame itself, last. */
  private flood(from: BridgeLink, m: PacketBuffer, multicast: boolean, broadcast: boolean, unknown: boolean): Errno {
    let first: BridgeLink | null = null;
    let result = 0;
    for (const { data: link } of this.node.hooks) {
      if (!(link instanceof BridgeLink) || link === from || (unknown && !link.sendUnknown)) continue;
      if (first === null) {
        first = link;
        continue;
      }
      const copy = m.pool.copy(m);
      if (copy === null) {
        link.stats.memoryFailures++;
        return ngDrop(m, ENOBUFS);
      }
      const error = this.forward(link, copy, multicast, broadcast);
      if (error !== 0) result = error;
    }
    if (first === null) return ngDrop(m, 0);
    const error = this.forward(first, m, multicast, broadcast);
    return error === 0 ? result : error;
  }

  private learn(hi: number, lo: number, link: BridgeLink): void {
    const addr = Uint8Array.of(hi >> 8, hi, lo >> 24, lo >> 16, lo >> 8, lo);
    const msg = new NgMessage({ typecookie: NGM_BRIDGE_COOKIE, cmd: NGM_BRIDGE_MOVE_HOST, cmdstr: 'movehost' }, ngEncode(moveHostType, { addr, hook: link.hook.name }));
    this.node.graph.sendMsg(this.node, msg, null, true);
  }

  rcvmsg(msg: NgMessage, lasthook: Hook | null): Errno {
    if (msg.typecookie !== NGM_BRIDGE_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_BRIDGE_SET_CONFIG: {
        const config = ngDecode(configType, msg.args);
        if (config === null) return EINVAL;
        this.config = config;
        return 0;
      }
      case NGM_BRIDGE_GET_CONFIG:
        return node.graph.respond(node, msg, ngEncode(configType, this.config));
      case NGM_BRIDGE_RESET:
        this.hosts.forget(() => true);
        for (const link of this.links.values()) {
          link.stats = new BridgeStats();
          link.muted = 0;
        }
        return 0;
      case NGM_BRIDGE_GET_TABLE: {
        const hosts = this.hosts.list().map(({ hi, lo, link, age, staleness }) => (
          { addr: Uint8Array.of(hi >> 8, hi, lo >> 24, lo >> 16, lo >> 8, lo), hook: link.hook.name, age, staleness }));
        return node.graph.respond(node, msg, ngEncode(tableType, { numHosts: hosts.length, hosts }));
      }
      case NGM_BRIDGE_SET_PERSISTENT:
        this.persistent = true;
        return 0;
      case NGM_BRIDGE_MOVE_HOST: {
        const move = ngDecode(moveHostType, msg.args);
        return move === null ? EINVAL : this.moveHost(move.addr, move.hook === '' ? lasthook : node.findHook(move.hook));
      }
      default:
        return STATS.has(msg.cmd) ? this.statsMsg(msg) : EINVAL;
    }
  }

  private statsMsg(msg: NgMessage): Errno {
    const number = ngDecode(ngInt32, msg.args);
    if (number === null) return EINVAL;
    const link = this.links.get(number < 0 ? `uplink${-number}` : `link${number}`);
    return link === undefined ? ENOTCONN : STATS.answer(this.node, msg, link.stats, () => (link.stats = new BridgeStats()));
  }

  private moveHost(addr: Uint8Array, hook: Hook | null): Errno {
    const link = hook?.data;
    if (!(link instanceof BridgeLink) || link.hook.node !== this.node) return ENOENT;
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = addr;
    const hi = (a << 8) | b;
    const lo = (c << 24) | (d << 16) | (e << 8) | f;
    const host = this.hosts.find(hi, lo);
    if (host === null) {
      if (!this.hosts.insert(new BridgeHost(hi, lo, link))) {
        link.stats.memoryFailures++;
        return ENOBUFS;
      }
      this.arm();
      return 0;
    }
    if (host.link === link) return 0;
    if (host.age >= this.config.minStableAge) {
      host.link = link;
      host.age = 0;
      return 0;
    }
    this.loopDetected(link, hook);
    return ELOOP;
  }

  private loopDetected(link: BridgeLink, hook: Hook | null): void {
    const { graph, name, id } = this.node;
    if (this.config.debugLevel > 0) graph.kern.log('warning', `ng_bridge: ${name ?? `[${id.toString(16)}]:`}: loop detected on ${hook?.name ?? ''}: muted for ${this.config.loopTimeout} s`);
    link.muted = this.config.loopTimeout;
    link.stats.loopDetects++;
    this.hosts.forget((host) => host.link === link);
    this.arm();
  }

  disconnect(hook: Hook): void {
    const link = hook.data;
    if (link instanceof BridgeLink) {
      this.hosts.forget((host) => host.link === link);
      if (this.links.get(hook.name) === link) this.links.delete(hook.name);
    }
    if (this.node.hooks.length === 0 && !this.persistent) this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    this.node.graph.kern.engine.calloutStop(this.second);
    return false;
  }

  /** Once a second, while there is something that ages. */
  private tick(): void {
    this.hosts.tick(this.config.maxStaleness);
    for (const link of this.links.values()) if (link.muted > 0) link.muted--;
    this.arm();
  }

  private arm(): void {
    if (this.second.pending || !this.node.isValid) return;
    if (this.hosts.count === 0 && ![...this.links.values()].some((link) => link.muted > 0)) return;
    this.node.graph.kern.engine.calloutReset(this.second, SECOND_US);
  }

  private freeName(isUplink: boolean): string {
    const prefix = isUplink ? 'uplink' : 'link';
    let n = isUplink ? 1 : 0;
    while (this.links.has(`${prefix}${n}`)) n++;
    return `${prefix}${n}`;
  }
}

export const bridgeType: NgType = {
  name: 'bridge',
  cookie: NGM_BRIDGE_COOKIE,
  cmds: [
    ngCmd(NGM_BRIDGE_SET_CONFIG, 'setconfig', configType),
    ngCmd(NGM_BRIDGE_GET_CONFIG, 'getconfig', null, configType),
    ngCmd(NGM_BRIDGE_RESET, 'reset'),
    ...STATS.cmds,
    ngCmd(NGM_BRIDGE_GET_TABLE, 'gettable', null, tableType),
    ngCmd(NGM_BRIDGE_SET_PERSISTENT, 'setpersistent'),
    ngCmd(NGM_BRIDGE_MOVE_HOST, 'movehost', moveHostType),
  ],
  construct: (node) => new BridgeNode(node),
};
