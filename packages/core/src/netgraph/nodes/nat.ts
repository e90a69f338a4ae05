/**
 * nat.ts — ng_nat(4): translates addresses of IPv4 packets between its hooks.
 * Read first: ng_nat(4), libalias(3); netpfil/alias/alias.ts, which does the work.
 *
 * Theory of operation. What comes in by `out` leaves the inside and goes out by `in` with the alias as its source; what comes in by `in` comes from outside and goes
 * out by `out`. Everything that is no IPv4 passes, and all of it before the alias address is set. Redirections have numbers, which are not used again.
 *
 * Invariants: the node is entered by one at a time. Each redirection in the list is a link of the instance.
 * Not here: `proxyrule` (libalias's transparent proxies): EOPNOTSUPP. Unlike the original, `getdlt` answers.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT, ENOMEM, ENOTTY, ENXIO, EOPNOTSUPP } from '../../base/errno.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { AliasInstance } from '../../netpfil/alias/alias.js';
import type { AliasLink } from '../../netpfil/alias/alias.js';
import { ALIAS_LINKS_MAX, PKT_ALIAS_SAME_PORTS, PKT_ALIAS_UNREGISTERED_CGN, aliasDrops } from '../../netpfil/alias/alias-var.js';
import { ETHERTYPE_IP, ETHER_HDR_LEN, ETHER_TYPE } from '../../wire/ether.js';
import { IP4_HDR_LEN, IPVERSION, ip4Len, ip4Version } from '../../wire/ip4.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { NG_FORCE_WRITER, ngCmd, ngDrop } from '../ng-node.js';
import { ngArray, ngDecode, ngEncode, ngFixedString, ngIpaddr, ngLengthField, ngString, ngStruct, ngUint16, ngUint32, ngUint8 } from '../ng-parse.js';
import type { NgParseType, NgValue } from '../ng-parse.js';
import { NG_DLT_EN10MB, NG_DLT_RAW } from '../ng-transport.js';

const NGM_NAT_COOKIE = 1_107_718_711;
const NGM_NAT_SET_IPADDR = 1;
const NGM_NAT_SET_MODE = 2;
const NGM_NAT_SET_TARGET = 3;
const NGM_NAT_REDIRECT_PORT = 4;
const NGM_NAT_REDIRECT_ADDR = 5;
const NGM_NAT_REDIRECT_PROTO = 6;
const NGM_NAT_REDIRECT_DYNAMIC = 7;
const NGM_NAT_REDIRECT_DELETE = 8;
const NGM_NAT_ADD_SERVER = 9;
const NGM_NAT_LIST_REDIRECTS = 10;
const NGM_NAT_PROXY_RULE = 11;
const NGM_NAT_LIBALIAS_INFO = 12;
const NGM_NAT_SET_DLT = 13;
const NGM_NAT_GET_DLT = 14;

/** Modes: all but this one have libalias's numbers. */
const NG_NAT_MODES = 0x1f7;
const NG_NAT_UNREGISTERED_CGN = 0x100;

const NG_NAT_DESC_LENGTH = 64;
/** `proto` of a redirected address in the list. */
const NG_NAT_REDIRPROTO_ADDR = 259;
const PROXY_RULE_MIN = 6;

const description = ngFixedString(NG_NAT_DESC_LENGTH);
const modeType = ngStruct({ flags: ngUint32, mask: ngUint32 });
const redirectPortType = ngStruct({
  local_addr: ngIpaddr, alias_addr: ngIpaddr, remote_addr: ngIpaddr, local_port: ngUint16, alias_port: ngUint16, remote_port: ngUint16, proto: ngUint8, description,
});
const redirectAddrType = ngStruct({ local_addr: ngIpaddr, alias_addr: ngIpaddr, description });
const redirectProtoType = ngStruct({ local_addr: ngIpaddr, alias_addr: ngIpaddr, remote_addr: ngIpaddr, proto: ngUint8, description });
const addServerType = ngStruct({ id: ngUint32, addr: ngIpaddr, port: ngUint16 });
const redirectType = ngStruct({
  id: ngUint32, local_addr: ngIpaddr, alias_addr: ngIpaddr, remote_addr: ngIpaddr, local_port: ngUint16, alias_port: ngUint16, remote_port: ngUint16, proto: ngUint16, lsnat: ngUint16, description,
});
const redirectsType = ngStruct({ total_count: ngUint32, redirects: ngArray(redirectType, ngLengthField('total_count')) });
const infoType = ngStruct({
  icmpLinkCount: ngUint32, udpLinkCount: ngUint32, tcpLinkCount: ngUint32, sctpLinkCount: ngUint32, pptpLinkCount: ngUint32, protoLinkCount: ngUint32,
  fragmentIdLinkCount: ngUint32, fragmentPtrLinkCount: ngUint32, sockCount: ngUint32,
});

/** A redirection, and the link that it is. */
interface Redirect {
  readonly link: AliasLink;
  readonly shown: NgValue<typeof redirectType>;
  servers: number;
}

/** The limits of a vnet's nat nodes. */
class NatLimits {
  maxLinks = ALIAS_LINKS_MAX;

  static of(graph: NgGraph): NatLimits {
    const limits = graph.state.get('nat');
    return limits instanceof NatLimits ? limits : new NatLimits();
  }
}

const NAT_SYSCTLS: SysctlGroup<NatLimits> = {
  prefix: 'net.graph.nat',
  oids: [sysctlInt('maxlinks', 'maxLinks', 'links', 1, 1_000_000, 'Connections that a nat node remembers; for nodes made from now on')],
};

/** Structures may be longer than they have to be. */
function decodeFirst<T>(type: NgParseType<T>, initial: T, args: Uint8Array): T | null {
  const size = ngEncode(type, initial).length;
  return args.length < size ? null : ngDecode(type, args.subarray(0, size));
}

const NO_REDIRECT: NgValue<typeof redirectType> = {
  id: 0, local_addr: 0, alias_addr: 0, remote_addr: 0, local_port: 0, alias_port: 0, remote_port: 0, proto: 0, lsnat: 0, description: '',
};

class NatNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly alias: AliasInstance;
  private in: Hook | null = null;
  private out: Hook | null = null;
  private hasAddress = false;
  private dlt = NG_DLT_RAW;
  private readonly redirects: Redirect[] = [];
  private nextId = 1;

  constructor(node: NgNode) {
    const { kern } = node.graph;
    this.node = node;
    this.alias = new AliasInstance(kern.engine, kern.engine.rng.split(`ng_nat ${kern.id} ${node.id}`));
    this.alias.linksMax = NatLimits.of(node.graph).maxLinks;
    this.alias.setMode(PKT_ALIAS_SAME_PORTS, PKT_ALIAS_SAME_PORTS);
    node.flags |= NG_FORCE_WRITER;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'in') this.in = hook;
    else if (name === 'out') this.out = hook;
    else return EINVAL;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const incoming = hook === this.in;
    if (this.in === null || this.out === null) return ngDrop(m, ENXIO);
    const error = this.hasAddress ? this.translate(m, incoming) : 0;
    return error === 0 ? this.node.graph.send(incoming ? this.out : this.in, m) : ngDrop(m, error);
  }

  /** ENXIO, EINVAL: it must not go on. */
  private translate(m: PacketBuffer, incoming: boolean): Errno {
    if (this.dlt === NG_DLT_RAW) return this.translateIp(m, incoming);
    if (m.len < ETHER_HDR_LEN) return ENXIO;
    if (m.view.getUint16(m.off + ETHER_TYPE) !== ETHERTYPE_IP) return 0;
    m.adj(ETHER_HDR_LEN);
    const error = this.translateIp(m, incoming);
    m.prepend(ETHER_HDR_LEN);
    return error;
  }

  private translateIp(m: PacketBuffer, incoming: boolean): Errno {
    const { alias } = this;
    if (m.len < IP4_HDR_LEN || ip4Version(m.view, m.off) !== IPVERSION || m.len < ip4Len(m.view, m.off)) return 0;
    const result = incoming ? alias.aliasIn(m) : alias.aliasOut(m);
    if (aliasDrops(result, incoming, alias.mode)) return EINVAL;
    m.len = ip4Len(m.view, m.off);
    return 0;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_NAT_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_NAT_REDIRECT_PORT:
      case NGM_NAT_REDIRECT_ADDR:
      case NGM_NAT_REDIRECT_PROTO:
        return this.redirectMsg(msg);
      case NGM_NAT_REDIRECT_DYNAMIC:
      case NGM_NAT_REDIRECT_DELETE:
      case NGM_NAT_ADD_SERVER:
        return this.changeMsg(msg);
      case NGM_NAT_LIST_REDIRECTS:
      case NGM_NAT_LIBALIAS_INFO:
      case NGM_NAT_GET_DLT:
        return this.answer(msg);
      default:
        return this.set(msg);
    }
  }

  private set(msg: NgMessage): Errno {
    const { args } = msg;
    switch (msg.cmd) {
      case NGM_NAT_SET_IPADDR:
      case NGM_NAT_SET_TARGET: {
        const addr = decodeFirst(ngIpaddr, 0, args);
        if (addr === null) return EINVAL;
        if (msg.cmd === NGM_NAT_SET_TARGET) {
          this.alias.setTarget(addr);
        } else {
          this.alias.setAddress(addr);
          this.hasAddress = true;
        }
        return 0;
      }
      case NGM_NAT_SET_MODE: {
        const mode = decodeFirst(modeType, { flags: 0, mask: 0 }, args);
        if (mode === null) return EINVAL;
        this.alias.setMode(aliasMode(mode.flags), aliasMode(mode.mask));
        return 0;
      }
      case NGM_NAT_PROXY_RULE:
        return args.length < PROXY_RULE_MIN ? EINVAL : EOPNOTSUPP;
      case NGM_NAT_SET_DLT: {
        const dlt = ngDecode(ngUint8, args);
        if (dlt !== NG_DLT_EN10MB && dlt !== NG_DLT_RAW) return EINVAL;
        this.dlt = dlt;
        return 0;
      }
      default:
        return EINVAL;
    }
  }

  private redirectMsg(msg: NgMessage): Errno {
    const made = this.redirect(msg.cmd, msg.args);
    if (made === null) return EINVAL;
    if (made.link === null) return ENOMEM;
    const id = this.nextId++;
    this.redirects.push({ link: made.link, shown: { ...NO_REDIRECT, ...made.shown, id }, servers: 0 });
    return this.node.graph.respond(this.node, msg, ngEncode(ngUint32, id));
  }

  /** Null: the arguments are too short. `link` null: there is no such redirection, or no room. */
  private redirect(cmd: number, args: Uint8Array): { readonly link: AliasLink | null; readonly shown: Partial<NgValue<typeof redirectType>> } | null {
    const { alias } = this;
    if (cmd === NGM_NAT_REDIRECT_PORT) {
      const r = decodeFirst(redirectPortType, NO_REDIRECT, args);
      if (r === null) return null;
      const ends = { proto: r.proto, local: r.local_addr, localPort: r.local_port, alias: r.alias_addr, aliasPort: r.alias_port, remote: r.remote_addr, remotePort: r.remote_port };
      return { link: alias.redirectPort(ends), shown: r };
    }
    if (cmd === NGM_NAT_REDIRECT_ADDR) {
      const r = decodeFirst(redirectAddrType, NO_REDIRECT, args);
      return r === null ? null : { link: alias.redirectAddr(r.local_addr, r.alias_addr), shown: { ...r, proto: NG_NAT_REDIRPROTO_ADDR } };
    }
    const r = decodeFirst(redirectProtoType, NO_REDIRECT, args);
    return r === null ? null : { link: alias.redirectProto(r.local_addr, r.remote_addr, r.alias_addr, r.proto), shown: r };
  }

  private changeMsg(msg: NgMessage): Errno {
    const { alias, redirects } = this;
    const server = msg.cmd === NGM_NAT_ADD_SERVER ? decodeFirst(addServerType, { id: 0, addr: 0, port: 0 }, msg.args) : null;
    const id = msg.cmd === NGM_NAT_ADD_SERVER ? (server?.id ?? null) : decodeFirst(ngUint32, 0, msg.args);
    if (id === null) return EINVAL;
    const at = redirects.findIndex((r) => r.shown.id === id);
    const redirect = redirects[at];
    if (redirect === undefined) return ENOENT;
    if (server !== null) {
      alias.addServer(redirect.link, server.addr, server.port);
      redirect.servers++;
      return 0;
    }
    if (msg.cmd === NGM_NAT_REDIRECT_DELETE) alias.redirectDelete(redirect.link);
    else if (!alias.redirectDynamic(redirect.link)) return ENOTTY;
    redirects.splice(at, 1);
    return 0;
  }

  private answer(msg: NgMessage): Errno {
    const { node, redirects } = this;
    switch (msg.cmd) {
      case NGM_NAT_LIST_REDIRECTS: {
        const list = redirects.map(({ shown, servers }) => ({ ...shown, lsnat: servers }));
        return node.graph.respond(node, msg, ngEncode(redirectsType, { total_count: list.length, redirects: list }));
      }
      case NGM_NAT_LIBALIAS_INFO:
        return node.graph.respond(node, msg, ngEncode(infoType, this.alias.counts));
      default:
        return node.graph.respond(node, msg, ngEncode(ngUint8, this.dlt));
    }
  }

  disconnect(hook: Hook): void {
    if (hook === this.in) this.in = null;
    if (hook === this.out) this.out = null;
    if (this.in === null && this.out === null) this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    this.alias.destroy();
    return false;
  }
}

function aliasMode(mode: number): number {
  return (mode & NG_NAT_MODES & ~NG_NAT_UNREGISTERED_CGN) | ((mode & NG_NAT_UNREGISTERED_CGN) !== 0 ? PKT_ALIAS_UNREGISTERED_CGN : 0);
}

export const natType: NgType = {
  name: 'nat',
  cookie: NGM_NAT_COOKIE,
  cmds: [
    ngCmd(NGM_NAT_SET_IPADDR, 'setaliasaddr', ngIpaddr),
    ngCmd(NGM_NAT_SET_MODE, 'setmode', modeType),
    ngCmd(NGM_NAT_SET_TARGET, 'settarget', ngIpaddr),
    ngCmd(NGM_NAT_REDIRECT_PORT, 'redirectport', redirectPortType, ngUint32),
    ngCmd(NGM_NAT_REDIRECT_ADDR, 'redirectaddr', redirectAddrType, ngUint32),
    ngCmd(NGM_NAT_REDIRECT_PROTO, 'redirectproto', redirectProtoType, ngUint32),
    ngCmd(NGM_NAT_REDIRECT_DYNAMIC, 'redirectdynamic', ngUint32),
    ngCmd(NGM_NAT_REDIRECT_DELETE, 'redirectdelete', ngUint32),
    ngCmd(NGM_NAT_ADD_SERVER, 'addserver', addServerType),
    ngCmd(NGM_NAT_LIST_REDIRECTS, 'listredirects', null, redirectsType),
    ngCmd(NGM_NAT_PROXY_RULE, 'proxyrule', ngString),
    ngCmd(NGM_NAT_LIBALIAS_INFO, 'libaliasinfo', null, infoType),
    ngCmd(NGM_NAT_SET_DLT, 'setdlt', ngUint8),
    ngCmd(NGM_NAT_GET_DLT, 'getdlt', null, ngUint8),
  ],
  construct: (node) => new NatNode(node),
  attach: (graph) => {
    const limits = new NatLimits();
    graph.state.set('nat', limits);
    graph.kern.sysctl.attach(NAT_SYSCTLS, limits);
  },
  detach: (graph) => graph.kern.sysctl.detach(NatLimits.of(graph)),
};
