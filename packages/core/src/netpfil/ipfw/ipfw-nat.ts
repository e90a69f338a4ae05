/**
 * ipfw-nat.ts — IpfwNats: the instances of `ipfw nat N`.
 * Read first: ipfw(8) "NETWORK ADDRESS TRANSLATION (NAT)"; alias/alias.ts; FreeBSD's sys/netpfil/ipfw/ip_fw_nat.c.
 *
 * Theory of operation. An instance is an AliasInstance and what the administrator said about it, so that it can be shown again. One that follows an interface has that
 * interface's first address as its alias, whatever that is by now. Configuring an instance again replaces its redirections and keeps its links.
 * A packet that comes in is aliased by `aliasIn`, one that goes out by `aliasOut`; `global` asks, for what goes out, all instances that have not said otherwise whether
 * they have a link for it.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT, ENOSPC } from '../../base/errno.js';
import { LazyMap } from '../../base/lazy-map.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { InNet } from '../../inet/in-net.js';
import { AliasInstance } from '../alias/alias.js';
import type { AliasLink } from '../alias/alias.js';
import { PKT_ALIAS_OK, PKT_ALIAS_SKIP_GLOBAL, aliasDrops } from '../alias/alias-var.js';
import { IPFW_ARG_MAX } from './ipfw-insn.js';
import type { IpfwArgs } from './ipfw-args.js';
import { IP_FW_DENY, IP_FW_NAT } from './ipfw-var.js';

/** Instances of a vnet. */
const NATS_MAX = 1_024;

/** A redirection, as the administrator said it. Addresses are unsigned. */
export interface IpfwRedirect {
  readonly kind: 'addr' | 'port' | 'proto';
  readonly proto: number;
  readonly local: number;
  /** First port of a range, and how many there are. */
  readonly localPort: number;
  readonly ports: number;
  readonly alias: number;
  readonly aliasPort: number;
  readonly remote: number;
  readonly remotePort: number;
  /** The remote ports are a range like the others. */
  readonly remotePorts: number;
  /** Servers that share it; none: `local` alone. */
  readonly servers: readonly { readonly addr: number; readonly port: number }[];
}

export interface IpfwNatConfig {
  readonly id: number;
  /** The alias, or the interface that has it ('' when `ip` was said). */
  readonly ip: number;
  readonly ifName: string;
  /** PKT_ALIAS_* */
  readonly mode: number;
  readonly redirects: readonly IpfwRedirect[];
  /** 0: the usual range. */
  readonly portLow: number;
  readonly portHigh: number;
}

export class IpfwNat {
  config: IpfwNatConfig;
  readonly la: AliasInstance;
  links: readonly AliasLink[] = [];

  constructor(config: IpfwNatConfig, la: AliasInstance) {
    this.config = config;
    this.la = la;
  }
}

export class IpfwNats {
  private readonly linksMax: () => number;
  private readonly kern: VnetKern;
  private readonly inNet: InNet;
  private readonly byId = new LazyMap<number, IpfwNat>();

  constructor(kern: VnetKern, inNet: InNet, linksMax: () => number) {
    this.kern = kern;
    this.inNet = inNet;
    this.linksMax = linksMax;
  }

  get count(): number {
    return this.byId.size;
  }

  /** Links of all instances. */
  get links(): number {
    let n = 0;
    for (const nat of this.byId.values()) n += nat.la.count;
    return n;
  }

  /** Links refused because an instance was full. */
  get refused(): number {
    let n = 0;
    for (const nat of this.byId.values()) n += nat.la.refused;
    return n;
  }

  /** By number. */
  list(): IpfwNat[] {
    return [...this.byId.values()].sort((a, b) => a.config.id - b.config.id);
  }

  get(id: number): IpfwNat | null {
    return this.byId.get(id) ?? null;
  }

  /** Makes an instance, or configures one anew. EINVAL, ENOSPC. */
  configure(config: IpfwNatConfig): Errno {
    if (!Number.isInteger(config.id) || config.id < 1 || config.id > IPFW_ARG_MAX) return EINVAL;
    let nat = this.byId.get(config.id);
    if (nat === undefined) {
      if (this.byId.size >= NATS_MAX) return ENOSPC;
      const { engine, name } = this.kern;
      nat = new IpfwNat(config, new AliasInstance(engine, engine.rng.split(`ipfw-nat/${name}/${config.id}`)));
      this.byId.set(config.id, nat);
    }
    nat.la.linksMax = this.linksMax();
    for (const lnk of nat.links) nat.la.redirectDelete(lnk);
    nat.config = config;
    nat.la.setMode(config.mode, ~0);
    nat.la.setPortRange(config.portLow, config.portHigh);
    nat.la.setAddress(config.ifName === '' ? config.ip : this.addressOf(config.ifName));
    nat.links = config.redirects.flatMap((r) => install(nat.la, r));
    return 0;
  }

  /** ENOENT */
  destroy(id: number): Errno {
    const nat = this.byId.get(id);
    if (nat === undefined) return ENOENT;
    nat.la.destroy();
    this.byId.delete(id);
    return 0;
  }

  clear(): void {
    for (const nat of this.byId.values()) nat.la.destroy();
    this.byId.clear();
  }

  /** Addresses of the interface called `name` have changed. */
  addressChanged(name: string): void {
    for (const nat of this.byId.values()) if (nat.config.ifName === name) nat.la.setAddress(this.addressOf(name));
  }

  private addressOf(name: string): number {
    const ifp = this.inNet.net.ifunit(name);
    return ifp === null ? 0 : (this.inNet.firstAddr(ifp)?.addr ?? 0);
  }

  /** Aliases the packet; IP_FW_NAT: it may go on. Packet path. */
  translate(nat: IpfwNat, a: IpfwArgs): number {
    const { m } = a;
    const result = a.isIn ? nat.la.aliasIn(m) : nat.la.aliasOut(m);
    return aliasDrops(result, a.isIn, nat.la.mode) ? IP_FW_DENY : IP_FW_NAT;
  }

  /** `nat global`: an outgoing packet is aliased by the instance that knows it, if one does. Packet path. */
  translateGlobal(a: IpfwArgs): number {
    if (a.isIn) return IP_FW_NAT;
    for (const nat of this.byId.values()) {
      if ((nat.la.mode & PKT_ALIAS_SKIP_GLOBAL) === 0 && nat.la.aliasOut(a.m, false) === PKT_ALIAS_OK) return IP_FW_NAT;
    }
    return IP_FW_NAT;
  }
}

/** The links of one redirection: one, or one for each port of a range. */
function install(la: AliasInstance, r: IpfwRedirect): AliasLink[] {
  if (r.kind !== 'port') {
    const lnk = r.kind === 'addr' ? la.redirectAddr(r.local, r.alias) : la.redirectProto(r.local, r.remote, r.alias, r.proto);
    for (const s of r.servers) if (lnk !== null) la.addServer(lnk, s.addr, s.port);
    return lnk === null ? [] : [lnk];
  }
  const made: AliasLink[] = [];
  for (let i = 0; i < r.ports; i++) {
    const remotePort = r.remotePort === 0 ? 0 : r.remotePort + (r.remotePorts === 1 ? 0 : i);
    const lnk = la.redirectPort({ proto: r.proto, local: r.local, localPort: r.localPort + i, alias: r.alias, aliasPort: r.aliasPort + i, remote: r.remote, remotePort });
    if (lnk === null) break;
    for (const s of r.servers) la.addServer(lnk, s.addr, s.port);
    made.push(lnk);
  }
  return made;
}
