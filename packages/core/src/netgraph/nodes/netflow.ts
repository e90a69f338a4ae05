/**
 * netflow.ts — ng_netflow(4): counts packets that pass by flow, and exports flows that have ended, as NetFlow version 5 and 9.
 * Read first: ng_netflow(4); netflow-packet.ts, netflow-cache.ts, netflow-export.ts.
 *
 * Theory of operation. What comes in by `ifaceN` is counted and goes out by `outN`, and the other way round (counted only when that is configured), unchanged.
 * Without the other hook it ends here: copies of a tee are counted so. `export` and `export9` are usually joined to a UDP ksocket. A datagram goes when it is
 * full, and when the node ends.
 *
 * A super-segment counts as the packets and bytes that it becomes. Unlike the original: templates of version 9 are in the first datagram, however long the
 * kernel has been up, and `packets` of settemplate counts.
 * Not here: the dump of the cache for flowctl(8) (`show`, which has no ASCII form): EINVAL.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, EISCONN, ENOTCONN } from '../../base/errno.js';
import { US_PER_SEC } from '../../base/time.js';
import { Callout } from '../../kern/callout.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { PacketBuffer, PacketPool } from '../../mbuf/packet-buffer.js';
import { RTF_GATEWAY } from '../../net/route/nexthop.js';
import type { Rtentry } from '../../net/route/rtentry.js';
import { ip6NeedsZone, ip6OfWords, ip6Plain, ip6Word, ip6Zoned } from '../../wire/addr6.js';
import { NGM_HASREPLY, NGM_READONLY } from '../ng-message.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngPackets } from '../ng-offload.js';
import { ngDecode, ngEncode, ngStruct, ngUint16, ngUint32, ngUint64, ngUint8 } from '../ng-parse.js';
import { NG_DLT_EN10MB, NG_DLT_RAW } from '../ng-transport.js';
import { NetflowCache } from './netflow-cache.js';
import type { NetflowCacheUser, NetflowEntry } from './netflow-cache.js';
import { NetflowExport } from './netflow-export.js';
import type { NetflowExportUser } from './netflow-export.js';
import { NETFLOW_BAD4, NETFLOW_BAD6, NETFLOW_IP4, NETFLOW_IP6, NetflowKey } from './netflow-packet.js';

const NGM_NETFLOW_COOKIE = 1_365_756_954;
const RO_REPLY = NGM_READONLY | NGM_HASREPLY;
const NGM_NETFLOW_INFO = 1 | RO_REPLY;
const NGM_NETFLOW_IFINFO = 2 | RO_REPLY;
const NGM_NETFLOW_SETDLT = 4;
const NGM_NETFLOW_SETIFINDEX = 5;
const NGM_NETFLOW_SETTIMEOUTS = 6;
const NGM_NETFLOW_SETCONFIG = 7;
const NGM_NETFLOW_SETTEMPLATE = 8;
const NGM_NETFLOW_SETMTU = 9;
const NGM_NETFLOW_V9INFO = 10 | RO_REPLY;

const MAX_IFACES = 65_535;

/** Bits of an interface's configuration. */
const CONF_INGRESS = 0x01;
const CONF_EGRESS = 0x02;
const CONF_ONCE = 0x04;
const CONF_THISONCE = 0x08;
const CONF_NOSRCLOOKUP = 0x10;
const CONF_NODSTLOOKUP = 0x20;

/** Tag of a packet that a node has counted: the node's number. */
const MTAG_NETFLOW = 1_221_656_444;
const MTAG_NETFLOW_CALLED = 0;

const INACTIVE_TIMEOUT = 15;
const ACTIVE_TIMEOUT = 30 * 60;
const TEMPLATE_SECONDS = 600;
const TEMPLATE_PACKETS = 500;
const MTU_DEFAULT = 1_500;
const MTU_MIN = 24;
const MTU_MAX = 16_384;

const infoType = ngStruct({
  'IPv4 bytes': ngUint64, 'IPv4 packets': ngUint64, 'IPv6 bytes': ngUint64, 'IPv6 packets': ngUint64,
  'IPv4 skipped bytes': ngUint64, 'IPv4 skipped packets': ngUint64, 'IPv6 skipped bytes': ngUint64, 'IPv6 skipped packets': ngUint64,
  'Active expiries': ngUint64, 'Inactive expiries': ngUint64, 'IPv4 records used': ngUint32, 'IPv6 records used': ngUint32, 'Failed allocations': ngUint32,
  'V5 failed exports': ngUint32, 'V9 failed exports': ngUint32, 'mbuf reallocations': ngUint32, 'fibs allocated': ngUint32, 'Inactive timeout': ngUint32, 'Active timeout': ngUint32,
});
const ifinfoType = ngStruct({ packets: ngUint32, 'data link type': ngUint8, index: ngUint16, conf: ngUint32 });
const setdltType = ngStruct({ iface: ngUint16, dlt: ngUint8 });
const setifindexType = ngStruct({ iface: ngUint16, index: ngUint16 });
const settimeoutsType = ngStruct({ inactive: ngUint32, active: ngUint32 });
const setconfigType = ngStruct({ iface: ngUint16, conf: ngUint32 });
const settemplateType = ngStruct({ time: ngUint16, packets: ngUint16 });
const setmtuType = ngStruct({ mtu: ngUint16 });
const v9infoType = ngStruct({ 'v9 template packets': ngUint16, 'v9 template time': ngUint16, 'v9 MTU': ngUint16 });

/** The limits of a vnet's netflow nodes. */
class NetflowLimits {
  maxFlows = 262_144;

  static of(graph: NgGraph): NetflowLimits {
    const limits = graph.state.get('netflow');
    return limits instanceof NetflowLimits ? limits : new NetflowLimits();
  }
}

const NETFLOW_SYSCTLS: SysctlGroup<NetflowLimits> = {
  prefix: 'net.graph.netflow',
  oids: [sysctlInt('maxflows', 'maxFlows', 'flows', 1, 1_048_576, 'Flows of a version of IP that a netflow node remembers')],
};

class Iface {
  hook: Hook | null = null;
  out: Hook | null = null;
  packets = 0;
  dlt = 0;
  index = 0;
  conf = CONF_INGRESS;
}

class NetflowNode implements NgNodeOps, NetflowCacheUser, NetflowExportUser {
  readonly pool: PacketPool;
  inactiveSeconds = INACTIVE_TIMEOUT;
  activeSeconds = ACTIVE_TIMEOUT;
  templateSeconds = TEMPLATE_SECONDS;
  templatePackets = TEMPLATE_PACKETS;
  mtu = MTU_DEFAULT;
  private readonly node: NgNode;
  private readonly limits: NetflowLimits;
  private readonly ifaces = new Map<number, Iface>();
  private export5: Hook | null = null;
  private export9: Hook | null = null;
  private readonly cache4 = new NetflowCache(this);
  private readonly cache6 = new NetflowCache(this);
  private readonly exports: (NetflowExport | undefined)[] = [];
  private readonly key = new NetflowKey();
  /** Bits of the interface whose packet begins a flow. */
  private lookups = 0;
  private readonly second: Callout;
  private readonly counts = { bytes: 0, packets: 0, bytes6: 0, packets6: 0, sbytes: 0, spackets: 0, sbytes6: 0, spackets6: 0, failed5: 0, failed9: 0, fibs: 0 };

  constructor(node: NgNode) {
    const { kern } = node.graph;
    this.node = node;
    this.pool = kern.engine.pool;
    this.limits = NetflowLimits.of(node.graph);
    const tick = (): void => this.tick();
    this.second = new Callout(kern, () => node.graph.enter(node, tick));
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'export' || name === 'export9') {
      if (name === 'export') this.export5 = hook;
      else this.export9 = hook;
      this.arm();
      return 0;
    }
    const [, kind = '', digits = ''] = /^(iface|out)(0|[1-9]\d*)$/.exec(name) ?? [];
    const number = Number(digits);
    if (kind === '' || number >= MAX_IFACES) return EINVAL;
    const iface = this.iface(number);
    if ((kind === 'iface' ? iface.hook : iface.out) !== null) return EISCONN;
    hook.data = iface;
    if (kind === 'out') {
      iface.out = hook;
    } else {
      iface.hook = hook;
      iface.dlt = NG_DLT_EN10MB;
    }
    return 0;
  }

  private iface(number: number): Iface {
    let iface = this.ifaces.get(number);
    if (iface === undefined) {
      iface = new Iface();
      this.ifaces.set(number, iface);
    }
    return iface;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const iface = hook.data;
    if (!(iface instanceof Iface)) {
      m.free();
      return EINVAL;
    }
    const isIn = hook === iface.hook;
    const out = isIn ? iface.out : iface.hook;
    const { conf } = iface;
    const counts = (conf & (isIn ? CONF_INGRESS : CONF_EGRESS)) !== 0 && ((conf & (CONF_ONCE | CONF_THISONCE)) === 0 || this.mark(m, conf));
    const error = counts ? this.account(iface, isIn, m) : out === null ? ENOTCONN : 0;
    if (out !== null) return this.node.graph.send(out, m);
    m.free();
    return error;
  }

  /** Marks a packet as counted; false when it has been already. */
  private mark(m: PacketBuffer, conf: number): boolean {
    const { id } = this.node;
    for (let tag = m.tags; tag !== null; tag = tag.next) {
      if (tag.cookie !== MTAG_NETFLOW || tag.id !== MTAG_NETFLOW_CALLED) continue;
      if ((conf & CONF_ONCE) !== 0 || tag.view.getUint32(0) === id) return false;
    }
    m.addTag(MTAG_NETFLOW, MTAG_NETFLOW_CALLED, 4)?.view.setUint32(0, id);
    return true;
  }

  private account(iface: Iface, isIn: boolean, m: PacketBuffer): Errno {
    const { key, counts } = this;
    iface.packets += ngPackets(m);
    const version = key.read(m, iface.dlt);
    key.fib = m.fib;
    key.inputIf = !isIn || iface.index === 0 ? m.rcvif : iface.index;
    const skipped = version === NETFLOW_IP6 && this.export9 === null ? NETFLOW_BAD6 : version;
    this.lookups = iface.conf;
    if (skipped > 0) this.exporter(m.fib);
    if (skipped === NETFLOW_IP4) {
      counts.packets += key.packets;
      counts.bytes += key.bytes;
      this.cache4.add(key, this.seconds);
    } else if (skipped === NETFLOW_IP6) {
      counts.packets6 += key.packets;
      counts.bytes6 += key.bytes;
      this.cache6.add(key, this.seconds);
    } else if (skipped === NETFLOW_BAD4) {
      counts.spackets++;
      counts.sbytes += m.len;
    } else if (skipped === NETFLOW_BAD6) {
      counts.spackets6++;
      counts.sbytes6 += m.len;
    }
    return skipped < 0 ? EINVAL : 0;
  }

  // For the caches and the exporters.

  get seconds(): number {
    return Math.floor(this.node.graph.kern.engine.now / US_PER_SEC);
  }

  get wallUs(): number {
    const { engine } = this.node.graph.kern;
    return (engine.env.bootWallUs ?? 0) + engine.now;
  }

  get maxFlows(): number {
    return this.limits.maxFlows;
  }

  route(e: NetflowEntry): void {
    const { key } = e;
    const to = (this.lookups & CONF_NODSTLOOKUP) === 0 ? this.lookup(key, false) : null;
    const from = (this.lookups & CONF_NOSRCLOOKUP) === 0 ? this.lookup(key, true) : null;
    if (from !== null) e.srcMask = from.plen;
    const nh = to?.nexthops[0]?.nh;
    if (to === null || nh === undefined) return;
    e.dstMask = to.plen;
    e.outputIf = nh.ifp.index;
    if ((nh.flags & RTF_GATEWAY) === 0) return;
    const gw6 = nh.gw6 === null ? null : ip6Plain(nh.gw6);
    e.n3 = gw6 === null ? nh.gw4 : ip6Word(gw6, 3) >>> 0;
    if (gw6 === null || key.version === NETFLOW_IP4) return;
    e.n0 = ip6Word(gw6, 0);
    e.n1 = ip6Word(gw6, 1);
    e.n2 = ip6Word(gw6, 2);
  }

  private lookup(key: NetflowKey, src: boolean): Rtentry | null {
    const { routes } = this.node.graph.net;
    if (routes === null) return null;
    if (key.version === NETFLOW_IP4) return routes.get4(key.fib, src ? key.s3 : key.d3);
    const plain = src ? ip6OfWords(key.s0, key.s1, key.s2, key.s3) : ip6OfWords(key.d0, key.d1, key.d2, key.d3);
    return routes.get6(key.fib, ip6NeedsZone(plain) ? ip6Zoned(plain, key.inputIf) : plain);
  }

  ended(e: NetflowEntry): void {
    const { fib, version } = e.key;
    const exporter = this.exporter(fib);
    if (this.export5 !== null && version === NETFLOW_IP4) exporter.add5(e);
    if (this.export9 !== null) exporter.add9(e);
  }

  private exporter(fib: number): NetflowExport {
    let exporter = this.exports[fib];
    if (exporter === undefined) {
      exporter = new NetflowExport(this, fib);
      this.exports[fib] = exporter;
      this.counts.fibs++;
    }
    return exporter;
  }

  send5(m: PacketBuffer): void {
    this.node.graph.send(this.export5, m);
  }

  send9(m: PacketBuffer): void {
    this.node.graph.send(this.export9, m);
  }

  failed5(): void {
    this.counts.failed5++;
  }

  failed9(): void {
    this.counts.failed9++;
  }

  /** Once a second, while somebody wants exports. */
  private tick(): void {
    this.cache4.scan(this.seconds);
    this.cache6.scan(this.seconds);
    this.arm();
  }

  private arm(): void {
    if (this.export5 !== null || this.export9 !== null) this.node.graph.kern.engine.calloutReset(this.second, US_PER_SEC);
  }

  // Messages.

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_NETFLOW_COOKIE) return EINVAL;
    const { node } = this;
    switch (msg.cmd) {
      case NGM_NETFLOW_INFO:
        return node.graph.respond(node, msg, ngEncode(infoType, this.info));
      case NGM_NETFLOW_IFINFO: {
        const iface = this.ifaces.get(ngDecode(ngUint16, msg.args) ?? -1);
        if (iface === undefined || iface.hook === null) return EINVAL;
        const { packets, dlt, index, conf } = iface;
        return node.graph.respond(node, msg, ngEncode(ifinfoType, { packets, 'data link type': dlt, index, conf }));
      }
      case NGM_NETFLOW_V9INFO: {
        const args = { 'v9 template packets': this.templatePackets, 'v9 template time': this.templateSeconds, 'v9 MTU': this.mtu };
        return node.graph.respond(node, msg, ngEncode(v9infoType, args));
      }
      default:
        return this.set(msg);
    }
  }

  private get info(): Parameters<typeof infoType.encode>[0] {
    const { counts: c, cache4, cache6 } = this;
    return {
      'IPv4 bytes': c.bytes, 'IPv4 packets': c.packets, 'IPv6 bytes': c.bytes6, 'IPv6 packets': c.packets6,
      'IPv4 skipped bytes': c.sbytes, 'IPv4 skipped packets': c.spackets, 'IPv6 skipped bytes': c.sbytes6, 'IPv6 skipped packets': c.spackets6,
      'Active expiries': cache4.activeExpiries + cache6.activeExpiries, 'Inactive expiries': cache4.inactiveExpiries + cache6.inactiveExpiries,
      'IPv4 records used': cache4.used, 'IPv6 records used': cache6.used, 'Failed allocations': cache4.allocFailed + cache6.allocFailed,
      'V5 failed exports': c.failed5, 'V9 failed exports': c.failed9, 'mbuf reallocations': 0, 'fibs allocated': c.fibs,
      'Inactive timeout': this.inactiveSeconds, 'Active timeout': this.activeSeconds,
    };
  }

  private set(msg: NgMessage): Errno {
    const { args } = msg;
    switch (msg.cmd) {
      case NGM_NETFLOW_SETDLT: {
        const set = ngDecode(setdltType, args);
        return set === null || (set.dlt !== NG_DLT_EN10MB && set.dlt !== NG_DLT_RAW) ? EINVAL : this.setIface(set.iface, (iface) => (iface.dlt = set.dlt));
      }
      case NGM_NETFLOW_SETIFINDEX: {
        const set = ngDecode(setifindexType, args);
        return set === null ? EINVAL : this.setIface(set.iface, (iface) => (iface.index = set.index));
      }
      case NGM_NETFLOW_SETTIMEOUTS: {
        const set = ngDecode(settimeoutsType, args);
        if (set === null) return EINVAL;
        this.inactiveSeconds = set.inactive;
        this.activeSeconds = set.active;
        return 0;
      }
      case NGM_NETFLOW_SETCONFIG: {
        const set = ngDecode(setconfigType, args);
        if (set === null || set.iface >= MAX_IFACES) return EINVAL;
        this.iface(set.iface).conf = set.conf;
        return 0;
      }
      case NGM_NETFLOW_SETTEMPLATE: {
        const set = ngDecode(settemplateType, args);
        if (set === null) return EINVAL;
        this.templateSeconds = set.time;
        this.templatePackets = set.packets;
        return 0;
      }
      case NGM_NETFLOW_SETMTU: {
        const set = ngDecode(setmtuType, args);
        if (set === null || set.mtu < MTU_MIN || set.mtu > MTU_MAX) return EINVAL;
        this.mtu = set.mtu;
        return 0;
      }
      default:
        return EINVAL;
    }
  }

  /** EINVAL: the interface is not joined. */
  private setIface(number: number, set: (iface: Iface) => void): Errno {
    const iface = this.ifaces.get(number);
    if (iface === undefined || iface.hook === null) return EINVAL;
    set(iface);
    return 0;
  }

  // Ends.

  disconnect(hook: Hook): void {
    const iface = hook.data;
    if (iface instanceof Iface) {
      if (iface.hook === hook) iface.hook = null;
      if (iface.out === hook) iface.out = null;
    }
    if (this.export5 === hook) this.export5 = null;
    if (this.export9 === hook) this.export9 = null;
    if (this.export5 === null && this.export9 === null) this.node.graph.kern.engine.calloutStop(this.second);
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }

  /** What was counted is not lost: it is exported now. */
  close(): void {
    this.node.graph.kern.engine.calloutStop(this.second);
    this.cache4.flush();
    this.cache6.flush();
    for (const exporter of this.exports) exporter?.close();
  }

  shutdown(): boolean {
    this.node.graph.kern.engine.calloutStop(this.second);
    for (const exporter of this.exports) exporter?.purge();
    return false;
  }

  queued(): number {
    let n = 0;
    for (const exporter of this.exports) n += exporter?.held ?? 0;
    return n;
  }
}

export const netflowType: NgType = {
  name: 'netflow',
  cookie: NGM_NETFLOW_COOKIE,
  cmds: [
    ngCmd(NGM_NETFLOW_INFO, 'info', null, infoType),
    ngCmd(NGM_NETFLOW_IFINFO, 'ifinfo', ngUint16, ifinfoType),
    ngCmd(NGM_NETFLOW_SETDLT, 'setdlt', setdltType),
    ngCmd(NGM_NETFLOW_SETIFINDEX, 'setifindex', setifindexType),
    ngCmd(NGM_NETFLOW_SETTIMEOUTS, 'settimeouts', settimeoutsType),
    ngCmd(NGM_NETFLOW_SETCONFIG, 'setconfig', setconfigType),
    ngCmd(NGM_NETFLOW_SETTEMPLATE, 'settemplate', settemplateType),
    ngCmd(NGM_NETFLOW_SETMTU, 'setmtu', setmtuType),
    ngCmd(NGM_NETFLOW_V9INFO, 'v9info', null, v9infoType),
  ],
  construct: (node) => new NetflowNode(node),
  attach: (graph) => {
    const limits = new NetflowLimits();
    graph.state.set('netflow', limits);
    graph.kern.sysctl.attach(NETFLOW_SYSCTLS, limits);
  },
  detach: (graph) => graph.kern.sysctl.detach(NetflowLimits.of(graph)),
};
