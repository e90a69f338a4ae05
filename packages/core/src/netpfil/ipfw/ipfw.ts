/**
 * ipfw.ts — class Ipfw: the firewall of one vnet. What `ipfw` works on, and who sees that packets meet it.
 * Read first: ipfw(8); ipfw-chk.ts for what the rules do; ipfw-pfil.ts for where.
 *
 * Theory of operation. A vnet has a firewall, and its default rule accepts. It costs nothing while it has nothing to say: its hooks are linked while it is
 * enabled and has rules besides the default one, or the default rule denies (`net.inet.ip.fw.default_to_accept`). Its parts are made with the first call
 * that needs them.
 * What is changed is changed in thread context, at once and whole; the packet after it sees the new rules.
 *
 * Invariants: the hooks are linked exactly while `isActive`; `destroy` leaves no rule, no state, no link, no table and no timer.
 * Not here: pipes and queues (dummynet), divert sockets, layer-2 bridging, users and jails of packets: rules that want them are refused by the tool.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { InNet } from '../../inet/in-net.js';
import type { Ip } from '../../inet/ip.js';
import type { Ip6 } from '../../inet6/ip6.js';
import type { AuditRow } from '../../kern/audit.js';
import { sysctlRead } from '../../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../../kern/sysctl.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { IfaddrEvent, IfnetEvent } from '../../net/net.js';
import type { PfilHead, PfilHook } from '../../net/pfil.js';
import { IpfwChain } from './ipfw-chain.js';
import type { IpfwRange } from './ipfw-chain.js';
import { IpfwChk } from './ipfw-chk.js';
import { IpfwDyn } from './ipfw-dyn.js';
import { sendKeepalives } from './ipfw-keepalive.js';
import { IpfwNats } from './ipfw-nat.js';
import { IpfwPfil } from './ipfw-pfil.js';
import type { IpfwNgDoor } from './ipfw-pfil.js';
import type { IpfwRule, IpfwRuleSpec } from './ipfw-rule.js';
import { IpfwTables } from './ipfw-tables.js';
import { IPFW6_SYSCTLS, IPFW_DYN_SYSCTLS, IPFW_SYSCTLS, IpfwDynTunables, IpfwTunables } from './ipfw-var.js';
import { IpfwVnet } from './ipfw-world.js';

/** Everything but the switches; made when it is needed. */
interface Parts {
  readonly tables: IpfwTables;
  readonly chain: IpfwChain;
  readonly dyn: IpfwDyn;
  readonly nats: IpfwNats;
  readonly pfil: IpfwPfil;
}

/** A switch that decides which hooks are linked. */
function switchOid(leaf: string, key: 'enable4' | 'enable6' | 'enableLink' | 'accept', help: string): SysctlOid<Ipfw> {
  return {
    leaf, type: 'int', help, unit: 'bool', min: 0, max: 1,
    get: (fw) => fw[key],
    set: (fw, value) => {
      fw.turn(key, Number(value));
      return 0;
    },
  };
}

const TABLES_LIMIT = 65_536;

const IPFW_SWITCHES: SysctlGroup<Ipfw> = {
  prefix: 'net.inet.ip.fw',
  oids: [
    switchOid('enable', 'enable4', 'Enable ipfw'),
    switchOid('default_to_accept', 'accept', 'Make the default rule accept all packets'),
    sysctlRead('static_count', 'int', '', 'Number of static rules', (fw) => fw.ruleCount),
    sysctlRead('dyn_count', 'int', '', 'Current number of dynamic states', (fw) => fw.stateCount),
    sysctlRead('dyn_parent_count', 'int', '', 'Current number of parent states', (fw) => fw.parentCount),
    sysctlRead('dyn_refused', 'int', '', 'Dynamic states refused because there was no room', (fw) => fw.statesRefused),
    sysctlRead('nat_links', 'int', '', 'Links of all nat instances', (fw) => fw.linkCount),
    sysctlRead('nat_refused', 'int', '', 'Links refused because there was no room', (fw) => fw.linksRefused),
    {
      leaf: 'tables_max', type: 'int', unit: '', min: 1, max: TABLES_LIMIT, help: 'Maximum number of concurrently used tables',
      get: (fw) => fw.tables.tablesMax,
      set: (fw, value) => {
        fw.tables.tablesMax = Number(value);
        return 0;
      },
    },
  ],
};

const IPFW6_SWITCHES: SysctlGroup<Ipfw> = { prefix: 'net.inet6.ip6.fw', oids: [switchOid('enable', 'enable6', 'Enable ipfw+6')] };

const IPFW_LINK_SWITCHES: SysctlGroup<Ipfw> = { prefix: 'net.link.ether', oids: [switchOid('ipfw', 'enableLink', 'Pass ether pkts through firewall')] };

const IPFW_AUDIT: readonly AuditRow<Ipfw>[] = [
  { name: 'firewall rules', count: (fw) => fw.ruleCount - 1 },
  { name: 'firewall states', count: (fw) => fw.stateCount + fw.parentCount },
  { name: 'firewall tables', count: (fw) => fw.tableCount },
  { name: 'nat instances', count: (fw) => fw.natCount },
  { name: 'nat links', count: (fw) => fw.linkCount },
];

export class Ipfw {
  readonly tun = new IpfwTunables();
  readonly dynTun = new IpfwDynTunables();
  /** Which hooks may be linked: IPv4, IPv6, frames. */
  enable4 = 1;
  enable6 = 1;
  enableLink = 0;
  /** What the default rule says. */
  accept = 1;
  private readonly kern: VnetKern;
  private readonly inNet: InNet;
  private readonly ip: Ip;
  private readonly ip6: Ip6;
  private made: Parts | null = null;
  private ngDoor: IpfwNgDoor | null = null;
  private dead = false;

  constructor(ip: Ip, ip6: Ip6) {
    this.ip = ip;
    this.ip6 = ip6;
    this.inNet = ip.inNet;
    this.kern = ip.net.kern;
    const { sysctl, audit } = this.kern;
    audit.attach(IPFW_AUDIT, this);
    sysctl.attach(IPFW_SYSCTLS, this.tun);
    sysctl.attach(IPFW6_SYSCTLS, this.tun);
    sysctl.attach(IPFW_DYN_SYSCTLS, this.dynTun);
    sysctl.attach(IPFW_SWITCHES, this);
    sysctl.attach(IPFW6_SWITCHES, this);
    sysctl.attach(IPFW_LINK_SWITCHES, this);
    ip.net.ifaddrEvent.attach(this, Ipfw.onIfaddr);
    ip.net.arrivalEvent.attach(this, Ipfw.onArrival);
  }

  /** Packets meet nobody any more; everything is forgotten. IP is still there. */
  destroy(): void {
    this.dead = true;
    this.link();
    const { made, kern } = this;
    if (made !== null) {
      made.dyn.clear();
      made.nats.clear();
      made.chain.delete({ first: 0, last: 0, set: -1 });
      made.chain.delete({ first: 0, last: 0, set: 31 });
      made.tables.clear();
    }
    this.ngDoor = null;
    this.ip.net.ifaddrEvent.detach(this);
    this.ip.net.arrivalEvent.detach(this);
    for (const o of [this, this.dynTun, this.tun]) kern.sysctl.detach(o);
  }

  private get parts(): Parts {
    return (this.made ??= this.make());
  }

  private make(): Parts {
    const { kern, ip, ip6, inNet, tun } = this;
    const rng = kern.engine.rng.split(`ipfw/${kern.id}/${kern.name}`);
    const tables = new IpfwTables();
    const chain = new IpfwChain(tables, this.accept !== 0);
    const dyn = new IpfwDyn(kern, this.dynTun, rng.u32(), (state) => sendKeepalives(ip, ip6, kern.engine.pool, state));
    const nats = new IpfwNats(kern, inNet, () => tun.natLinksMax);
    const world = new IpfwVnet(inNet, ip6.in6Net, rng);
    const pfil = new IpfwPfil(chain, new IpfwChk(kern, chain, dyn, nats, world, tun, ip, ip6), tun, ip, ip6);
    pfil.door = this.ngDoor;
    return { tables, chain, dyn, nats, pfil };
  }

  get tables(): IpfwTables {
    return this.parts.tables;
  }

  get dyn(): IpfwDyn {
    return this.parts.dyn;
  }

  get nats(): IpfwNats {
    return this.parts.nats;
  }

  get rules(): readonly IpfwRule[] {
    return this.parts.chain.rules;
  }

  /** Bit n: set n is disabled. */
  get setDisable(): number {
    return this.made === null ? 0 : this.made.chain.setDisable;
  }

  get ruleCount(): number {
    return this.made === null ? 1 : this.made.chain.rules.length;
  }

  get stateCount(): number {
    return this.made === null ? 0 : this.made.dyn.count;
  }

  get parentCount(): number {
    return this.made === null ? 0 : this.made.dyn.parentCount;
  }

  get statesRefused(): number {
    return this.made === null ? 0 : this.made.dyn.refused;
  }

  get tableCount(): number {
    return this.made === null ? 0 : this.made.tables.count;
  }

  get natCount(): number {
    return this.made === null ? 0 : this.made.nats.count;
  }

  get linkCount(): number {
    return this.made === null ? 0 : this.made.nats.links;
  }

  get linksRefused(): number {
    return this.made === null ? 0 : this.made.nats.refused;
  }

  /** Has it something to say? */
  get isActive(): boolean {
    return !this.dead && (this.ruleCount > 1 || this.accept === 0);
  }

  /** A switch is turned; hooks follow. */
  turn(key: 'enable4' | 'enable6' | 'enableLink' | 'accept', value: number): void {
    const was = this[key];
    this[key] = value;
    if (key === 'accept' && was !== value) this.made?.chain.setDefault(value !== 0);
    this.link();
  }

  /** Links the hooks that are to be linked, and takes the others off. */
  private link(): void {
    const { made, isActive } = this;
    if (made === null && !isActive) return;
    const { pfil } = this.parts;
    set(this.ip.pfil, pfil.hook4, isActive && this.enable4 !== 0);
    set(this.ip6.pfil, pfil.hook6, isActive && this.enable6 !== 0);
    set(this.ip.net.linkPfil, pfil.hookEther, isActive && this.enableLink !== 0);
  }

  /** Netgraph opens its door, or with null closes it. What rules send there without one is dropped. */
  setNgDoor(door: IpfwNgDoor | null): void {
    this.ngDoor = door;
    if (this.made !== null) this.made.pfil.door = door;
  }

  /** A packet comes back from netgraph. EINVAL: it did not go there by a rule of this firewall. Owns `m`. */
  comeBack(m: PacketBuffer): Errno {
    return this.parts.pfil.comeBack(m);
  }

  /** EINVAL: not a rule; ENOSPC. */
  add(spec: IpfwRuleSpec): { readonly rule: IpfwRule | null; readonly error: Errno } {
    if (this.dead) return { rule: null, error: EINVAL };
    const added = this.parts.chain.add(spec, this.tun.autoincStep);
    if (added.error === 0) this.link();
    return added;
  }

  /** Deletes rules and what they have remembered; how many. */
  delete(range: IpfwRange): number {
    if (this.made === null) return 0;
    const gone = this.made.chain.delete(range);
    this.made.dyn.rulesGone(gone);
    this.link();
    return gone.length;
  }

  /** Forgets what rules of the range have remembered. */
  deleteStates(range: IpfwRange): void {
    const all = range.first === 0 && range.last === 0;
    this.made?.dyn.remove(({ rule }) => (range.set < 0 || rule.set === range.set) && (all || (rule.rulenum >= range.first && rule.rulenum <= range.last)));
  }

  /** Counters begin anew; how many rules. */
  zero(range: IpfwRange): number {
    const rules = this.parts.chain.select(range);
    for (const rule of rules) rule.zero();
    return rules.length;
  }

  /** Rules may log anew; how many. */
  resetLog(range: IpfwRange): number {
    const rules = this.parts.chain.select(range);
    for (const rule of rules) rule.resetLog();
    return rules.length;
  }

  moveRules(range: IpfwRange, set: number): number {
    return this.parts.chain.moveRules(range, set);
  }

  moveSet(from: number, to: number): void {
    this.parts.chain.moveSet(from, to);
  }

  swapSets(a: number, b: number): void {
    this.parts.chain.swapSets(a, b);
  }

  /** Masks of sets. */
  enableSets(disable: number, enable: number): void {
    this.parts.chain.enableSets(disable, enable);
  }

  private static onIfaddr(this: void, fw: Ipfw, e: IfaddrEvent): void {
    fw.made?.nats.addressChanged(e.ifa.ifp.xname);
  }

  private static onArrival(this: void, fw: Ipfw, e: IfnetEvent): void {
    fw.made?.nats.addressChanged(e.ifp.xname);
  }
}

function set(head: PfilHead, hook: PfilHook, linked: boolean): void {
  if (head.hooks.includes(hook) === linked) return;
  if (linked) head.link(hook);
  else head.unlink(hook);
}
