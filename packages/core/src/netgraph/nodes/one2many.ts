/**
 * one2many.ts — ng_one2many(4): one cable over many: in turn, over all of them, or over the first that is alive.
 *
 * Theory of operation. What comes in by `one` goes out by the links `many0` to `many63` that are active: in turn, by all, or by the first. What
 * comes in by any of them goes out by `one`. A link is active while it is joined and enabled; it is enabled when it is joined, then the
 * administrator's `enabledLinks` say so, or, when asked to listen, the link's own messages of being up and down. Whoever is joined at `one` is told
 * when the last link goes and the first one comes.
 *
 * Invariant: `active` are the active links by number, `next` is one of them or 0.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOBUFS, ENOTCONN } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import { ngArray, ngDecode, ngEncode, ngInt32, ngStruct, ngUint32, ngUint64, ngUint8 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';

const NGM_ONE2MANY_COOKIE = 1_100_897_444;
const NGM_ONE2MANY_SET_CONFIG = 0;
const NGM_ONE2MANY_GET_CONFIG = 1;

const MAX_LINKS = 64;
const ONE_LINKNUM = -1;

const XMIT_ROUNDROBIN = 1;
const XMIT_ALL = 2;
const XMIT_FAILOVER = 3;
const FAIL_MANUAL = 1;
const FAIL_NOTIFY = 2;

class LinkStats {
  recvOctets = 0;
  recvPackets = 0;
  xmitOctets = 0;
  xmitPackets = 0;
  memoryFailures = 0;
}

const configType = ngStruct({ xmitAlg: ngUint32, failAlg: ngUint32, enabledLinks: ngArray(ngUint8, MAX_LINKS) });
const statsType = ngStruct<LinkStats>({ recvOctets: ngUint64, recvPackets: ngUint64, xmitOctets: ngUint64, xmitPackets: ngUint64, memoryFailures: ngUint64 });
const STATS = new NgStatsCmds({ get: 2, clr: 3, getclr: 4 }, statsType, ngInt32);

class Link {
  readonly number: number;
  hook: Hook | null = null;
  enabled = false;
  stats = new LinkStats();

  constructor(number: number) {
    this.number = number;
  }
}

class One2manyNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly one = new Link(ONE_LINKNUM);
  private readonly many = Array.from({ length: MAX_LINKS }, (_, i) => new Link(i));
  private xmitAlg = XMIT_ROUNDROBIN;
  private failAlg = FAIL_MANUAL;
  private active: readonly Link[] = [];
  private next = 0;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    const digits = /^many(0|[1-9][0-9]*)$/.exec(name)?.[1];
    const link = digits === undefined ? (name === 'one' ? this.one : undefined) : this.many[Number(digits)];
    if (link === undefined) return EINVAL;
    hook.data = link;
    link.hook = hook;
    link.stats = new LinkStats();
    if (link !== this.one) this.enable(link, true);
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const from = hook.data;
    if (!(from instanceof Link)) return ngDrop(m, EINVAL);
    from.stats.recvPackets++;
    from.stats.recvOctets += ngWireLen(m);
    if (from !== this.one) return this.xmit(this.one, m);
    const { active } = this;
    if (active.length === 0) return ngDrop(m, ENOTCONN);
    if (this.xmitAlg === XMIT_ROUNDROBIN) {
      const link = active[this.next]!;
      this.next = (this.next + 1) % active.length;
      return this.xmit(link, m);
    }
    if (this.xmitAlg === XMIT_ALL && !this.copies(active, m)) return ngDrop(m, ENOBUFS);
    return this.xmit(active[0]!, m);
  }

  /** Copies for all but the first. False: there was no room for one. */
  private copies(active: readonly Link[], m: PacketBuffer): boolean {
    for (let i = 1; i < active.length; i++) {
      const link = active[i]!;
      const copy = m.pool.copy(m);
      if (copy === null) {
        link.stats.memoryFailures++;
        return false;
      }
      this.xmit(link, copy);
    }
    return true;
  }

  private xmit(link: Link, m: PacketBuffer): Errno {
    link.stats.xmitPackets++;
    link.stats.xmitOctets += ngWireLen(m);
    return this.node.graph.send(link.hook, m);
  }

  rcvmsg(msg: NgMessage, lasthook: Hook | null): Errno {
    if (msg.typecookie === NGM_FLOW_COOKIE) {
      const link = lasthook?.data;
      if (this.failAlg !== FAIL_NOTIFY || !(link instanceof Link) || link === this.one) return 0;
      if (msg.cmd === NGM_LINK_IS_UP || msg.cmd === NGM_LINK_IS_DOWN) this.enable(link, msg.cmd === NGM_LINK_IS_UP);
      return 0;
    }
    if (msg.typecookie !== NGM_ONE2MANY_COOKIE) return EINVAL;
    const { node, xmitAlg, failAlg } = this;
    switch (msg.cmd) {
      case NGM_ONE2MANY_SET_CONFIG:
        return this.setConfig(msg);
      case NGM_ONE2MANY_GET_CONFIG: {
        const enabledLinks = this.many.map((link) => (link.enabled ? 1 : 0));
        return node.graph.respond(node, msg, ngEncode(configType, { xmitAlg, failAlg, enabledLinks }));
      }
      default:
        return STATS.has(msg.cmd) ? this.statsMsg(msg) : EINVAL;
    }
  }

  private setConfig(msg: NgMessage): Errno {
    const config = ngDecode(configType, msg.args);
    if (config === null || config.xmitAlg < XMIT_ROUNDROBIN || config.xmitAlg > XMIT_FAILOVER) return EINVAL;
    if (config.failAlg !== FAIL_MANUAL && config.failAlg !== FAIL_NOTIFY) return EINVAL;
    this.xmitAlg = config.xmitAlg;
    this.failAlg = config.failAlg;
    config.enabledLinks.forEach((enabled, i) => {
      this.many[i]!.enabled = enabled !== 0;
    });
    this.update();
    return 0;
  }

  private statsMsg(msg: NgMessage): Errno {
    const number = ngDecode(ngInt32, msg.args);
    const link = number === ONE_LINKNUM ? this.one : number === null ? undefined : this.many[number];
    return link === undefined ? EINVAL : STATS.answer(this.node, msg, link.stats, () => (link.stats = new LinkStats()));
  }

  private enable(link: Link, enabled: boolean): void {
    link.enabled = enabled;
    this.update();
  }

  /** A link came or went. */
  private update(): void {
    const before = this.active.length;
    this.active = this.many.filter((link) => link.enabled && link.hook !== null);
    const now = this.active.length;
    this.next = now === 0 ? 0 : this.next % now;
    if (this.one.hook === null || (before === 0) === (now === 0)) return;
    this.node.graph.sendMsgHook(this.one.hook, new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd: now === 0 ? NGM_LINK_IS_DOWN : NGM_LINK_IS_UP }));
  }

  disconnect(hook: Hook): void {
    const link = hook.data;
    if (link instanceof Link && link.hook === hook) {
      link.hook = null;
      if (link !== this.one) this.enable(link, false);
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const one2manyType: NgType = {
  name: 'one2many',
  cookie: NGM_ONE2MANY_COOKIE,
  cmds: [
    ngCmd(NGM_ONE2MANY_SET_CONFIG, 'setconfig', configType),
    ngCmd(NGM_ONE2MANY_GET_CONFIG, 'getconfig', null, configType),
    ...STATS.cmds,
  ],
  construct: (node) => new One2manyNode(node),
};
