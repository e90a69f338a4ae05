/**
 * equivalence-world.ts — World: a router and switch configured at random, with the commands that an administrator has, while frames pass.
 * Read first: equivalence-bench.ts.
 *
 * Every interface with addresses has a segment S of its own: it is 10.S.0.1/24 and fd00:S::1/64 there, and the hosts 10.S.0.2 and following have link addresses that say
 * S and their number; two of them share one. Behind them are networks 10.(100+N)/16 and fd01:N::/32, to which routes of all kinds are made.
 *
 * A command may be refused, as any may: what matters is that both paths see the same configuration, whatever it is. Interfaces live in vnet0 and in one jail; a command about an
 * interface runs where that is.
 */
import type { Ifnet, Prng } from '@netloom/core';
import { bpfOpen, bridgeMembers } from '@netloom/core';
import { macFormat } from '@netloom/core/wire';
import type { EquivalenceBench } from './equivalence-bench.js';

/** Hosts of a segment: 2 to this and one. The last two have one link address. */
export const HOSTS = 6;
/** Networks behind hosts. */
export const REMOTES = 5;
const JAIL = 'j0';
const TAPS_MAX = 5;

export const hostMac = (seg: number, host: number): Uint8Array => new Uint8Array([0x02, 0xaa, 0, 0, seg, host === HOSTS + 1 ? HOSTS : host]);
/** A host's link address that nobody was told of. */
export const gatewayMac = (seg: number): Uint8Array => new Uint8Array([0x02, 0xab, 0, 0, seg, 1]);

/** A bridge and its members. */
export interface BridgeView {
  readonly ifp: Ifnet;
  readonly order: readonly { readonly ifp: Ifnet }[];
}

export class World {
  readonly bench: EquivalenceBench;
  /** Commands since the beginning, with what they answered. */
  readonly history: string[] = [];
  private readonly rng: Prng;
  private readonly segments = new Map<string, number>();
  private bridges: BridgeView[] = [];
  private taps = 0;

  constructor(bench: EquivalenceBench, rng: Prng) {
    this.bench = bench;
    this.rng = rng;
  }

  /** What there is at first: taps, some with vlans, perhaps a bridge, addresses, routes and neighbours. */
  async build(): Promise<void> {
    const { rng } = this;
    this.taps = 2 + rng.below(TAPS_MAX - 1);
    const headers = rng.chance(0.6);
    for (let i = 0; i < this.taps; i++) {
      await this.run(`ifconfig tap${i} create up`);
      this.bench.open(`tap${i}`, headers && rng.chance(0.75));
    }
    if (rng.chance(0.9)) await this.run('sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1');
    if (rng.chance(0.3)) await this.run('sysctl net.fibs=3');
    if (rng.chance(0.3)) await this.run('sysctl net.route.multipath=1');
    if (rng.chance(0.15)) await this.run('sysctl net.link.vlan.mtag_pcp=1');
    for (let i = 0; i < this.taps; i++) if (rng.chance(0.4)) await this.makeVlan();
    if (rng.chance(0.6)) await this.makeBridge();
    const routed = this.ethernets().filter((ifp) => this.bridgeAbove(ifp) === null);
    for (const ifp of routed) if (rng.chance(0.9)) await this.address(ifp.xname);
    await this.pass(3_000_000);
    for (let i = 0; i < 10; i++) await this.route();
    for (const seg of this.segments.values()) for (let host = 2; host < 2 + HOSTS; host++) for (const six of [false, true]) if (rng.chance(0.5)) await this.neighbour(seg, host, six);
  }

  /** One change at random. */
  async change(): Promise<void> {
    const { rng } = this;
    if (this.ethernets().length === 0) return this.reopen();
    const some = (n: number, f: () => Promise<void> | void) => Array.from({ length: n }, () => f);
    await this.pick([
      ...some(3, () => this.makeVlan()), ...some(2, () => this.makeBridge()), ...some(6, () => this.route()), ...some(4, () => this.member()), ...some(4, () => this.interfaceWord()),
      ...some(3, () => this.address(this.pick(this.ethernets()).xname)), ...some(4, () => this.neighbour(this.anySegment(), 2 + rng.below(HOSTS))),
      ...some(3, () => this.run(this.pick(SYSCTLS))), ...some(1, () => this.capture()), ...some(2, () => this.filter()), ...some(2, () => this.move()), ...some(2, () => this.destroy()), ...some(3, () => this.reopen()),
      ...some(7, () => this.repair()),
      ...some(3, () => this.pass(this.pick([100_000, 2_000_000, 16_000_000, 40_000_000, 700_000_000]))),
      ...some(2, () => this.run(this.pick(['arp -d -a', 'ndp -c', 'route -q flush', 'ifconfig bridge0 flushall', 'ifconfig bridge0 flush', 'netstat -i']))),
    ])();
  }

  /** The bridge that `ifp` is a member of, or is. */
  bridgeAbove(ifp: Ifnet): BridgeView | null {
    for (const b of this.bridges) for (const { ifp: member } of b.order) if (member === ifp) return b;
    return null;
  }

  /** Ethernet interfaces of all vnets: taps, vlans, bridges. */
  ethernets(): readonly Ifnet[] {
    return this.bench.kernel.vnets.flatMap((v) => v.net.ifnets.filter((i) => i.lladdr.length === 6));
  }

  segmentOf(xname: string): number {
    const have = this.segments.get(xname);
    if (have !== undefined) return have;
    const seg = this.segments.size + 1;
    if (seg < 90) this.segments.set(xname, seg);
    return Math.min(seg, 90);
  }

  /** Segments of interfaces that were given addresses, without `seg`. */
  segmentsBut(seg: number): readonly number[] {
    return [...this.segments.values()].filter((s) => s !== seg);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.rng.below(list.length)]!;
  }

  /** A command, where interface `about` is. */
  private async run(line: string, about = '', fib = 0): Promise<void> {
    const inside = this.jailed();
    const jail = inside !== null && (about === '' ? this.rng.chance(0.3) : inside.includes(about)) ? JAIL : undefined;
    const { exit, stderr } = await this.bench.lab.sh(line, { ...(jail === undefined ? {} : { jail }), fib });
    this.history.push(`${jail === undefined ? '' : `[${jail}] `}${fib === 0 ? '' : `[fib ${fib}] `}${line}${exit === 0 ? '' : `   # ${stderr.trim().slice(0, 60)}`}`);
    this.look();
  }

  /** Lets time pass: neighbours become stale, spanning trees change their minds. */
  private async pass(us: number): Promise<void> {
    this.history.push(`# ${us / 1e6} s`);
    await this.bench.lab.advance(us);
    this.look();
  }

  /** Looks anew at who is in which bridge. */
  private look(): void {
    this.bridges = this.ethernets().flatMap((ifp) => {
      const members = ifp.dname === 'bridge' ? bridgeMembers(ifp) : null;
      return members === null ? [] : [{ ifp, order: members.flatMap((m) => ifp.net?.ifunit(m.name) ?? []).map((member) => ({ ifp: member })) }];
    });
  }

  private jailed(): readonly string[] | null {
    const { prisons } = this.bench.kernel;
    return prisons.find(prisons.prison0, JAIL)?.vnet.net.ifnets.map((i) => i.xname) ?? null;
  }

  private anySegment(): number {
    return this.segments.size === 0 ? 1 : this.pick([...this.segments.values()]);
  }

  private tap(): string {
    return `tap${this.rng.below(this.taps)}`;
  }

  private async makeVlan(): Promise<void> {
    const { rng } = this;
    const vid = 1 + rng.below(4);
    const parents = this.ethernets().filter((i) => i.dname !== 'bridge' || rng.chance(0.2));
    const parent = parents.length === 0 ? this.tap() : this.pick(parents).xname;
    if (rng.chance(0.75)) await this.run(`ifconfig ${parent}.${vid} create up${rng.chance(0.3) ? ` vlanpcp ${rng.below(8)}` : ''}`, parent);
    else await this.run(`ifconfig vlan${rng.below(3)} create vlandev ${parent} vlan ${vid} vlanproto ${this.pick(['802.1q', '802.1ad'])} up`, parent);
  }

  private async makeBridge(): Promise<void> {
    const { rng } = this;
    const name = `bridge${rng.chance(0.8) ? 0 : 1}`;
    await this.run(`ifconfig ${name} create`, name);
    for (let n = 2 + rng.below(3); n > 0; n--) {
      const member = this.pick(this.ethernets().filter((i) => i.dname !== 'bridge' || rng.chance(0.05)))?.xname ?? this.tap();
      await this.run(`ifconfig ${name} addm ${member}`, name);
    }
    await this.run(`ifconfig ${name} up`, name);
    for (const { ifp: member } of this.bridges.find((b) => b.ifp.xname === name)?.order ?? []) {
      for (const [word, share] of MEMBER_WORDS) if (rng.chance(share)) await this.run(`ifconfig ${name} ${word} ${member.xname}${word === 'static' ? ` ${macFormat(this.staticMac(name, member))}` : ''}`, name);
    }
    if (rng.chance(0.6)) await this.address(name);
  }

  /** A host's, or the member's own. */
  private staticMac(bridge: string, member: Ifnet): Uint8Array {
    return this.rng.chance(0.8) ? hostMac(this.segmentOf(bridge), 2 + this.rng.below(HOSTS)) : member.lladdr;
  }

  private async address(name: string): Promise<void> {
    const { rng } = this;
    const seg = this.segmentOf(name);
    const away = rng.chance(0.12);
    if (rng.chance(0.85)) await this.run(away ? `ifconfig ${name} inet 10.${seg}.0.1 -alias` : `ifconfig ${name} inet 10.${seg}.0.1/24${rng.chance(0.1) ? ' alias' : ''}`, name);
    if (rng.chance(0.85)) await this.run(away ? `ifconfig ${name} inet6 fd00:${seg.toString(16)}::1 -alias` : `ifconfig ${name} inet6 fd00:${seg.toString(16)}::1/64`, name);
    if (rng.chance(0.1)) await this.run(`ifconfig ${name} inet 10.${seg}.0.99/32 alias`, name);
  }

  private async route(): Promise<void> {
    const { rng } = this;
    const six = rng.chance(0.4);
    const n = rng.below(REMOTES);
    const seg = this.anySegment();
    const host = 2 + rng.below(HOSTS);
    const gateway = six ? `fd00:${seg.toString(16)}::${host}` : `10.${seg}.0.${host}`;
    const to = six ? this.pick([`fd01:${n.toString(16)}::/32`, `fd01:${n.toString(16)}::101/128`, 'default', `fd00:${seg.toString(16)}::99/128`]) : this.pick([`10.${100 + n}.0.0/16`, `10.${100 + n}.1.1/32`, 'default', `10.${seg}.0.99/32`]);
    const af = six ? '-6' : '-4';
    const extra = `${rng.chance(0.15) ? ` -mtu ${this.pick([1280, 1400, 1000, 600])}` : ''}${rng.chance(0.3) ? ` -weight ${1 + rng.below(4)}` : ''}`;
    const verb = rng.chance(0.7) ? 'add' : this.pick(['change', 'delete', 'delete']);
    const kind = verb !== 'delete' && rng.chance(0.12) ? this.pick([' -blackhole', ' -reject']) : '';
    await this.run(`route -q ${verb} ${af} ${to} ${verb === 'delete' && rng.chance(0.5) ? '' : gateway}${kind}${verb === 'delete' ? '' : extra}`, '', rng.chance(0.15) ? 1 + rng.below(2) : 0);
  }

  private async neighbour(seg: number, host: number, six = this.rng.chance(0.4)): Promise<void> {
    const { rng } = this;
    const mac = macFormat(rng.chance(0.95) ? hostMac(seg, host) : gatewayMac(seg));
    if (rng.chance(0.2)) await this.run(!six ? `arp -d 10.${seg}.0.${host}` : `ndp -d fd00:${seg.toString(16)}::${host}`);
    else if (!six) await this.run(`arp -s 10.${seg}.0.${host} ${mac}${rng.chance(0.1) ? ' temp' : ''}${rng.chance(0.05) ? ' blackhole' : rng.chance(0.05) ? ' reject' : ''}`);
    else await this.run(`ndp -s fd00:${seg.toString(16)}::${host} ${mac}`);
  }

  /** Members of bridges come and go, and are told how to behave. */
  private async member(): Promise<void> {
    const { rng } = this;
    const bridge = this.bridges.length === 0 ? 'bridge0' : this.pick(this.bridges).ifp.xname;
    const member = this.pick(this.bridges.find((b) => b.ifp.xname === bridge)?.order ?? [])?.ifp.xname ?? this.tap();
    const seg = this.segmentOf(bridge);
    await this.run(`ifconfig ${bridge} ${this.pick([
      `addm ${this.pick(this.ethernets()).xname}`, `addm ${this.tap()}`, `deletem ${member}`, `private ${member}`, `-private ${member}`, `learn ${member}`, `-learn ${member}`, `discover ${member}`, `-discover ${member}`,
      `sticky ${member}`, `-sticky ${member}`, `stp ${member}`, `-stp ${member}`, `edge ${member}`, `ifmaxaddr ${member} ${rng.below(4)}`, `maxaddr ${this.pick([4, 100, 2000])}`, `timeout ${this.pick([10, 1200])}`,
      `static ${member} ${macFormat(hostMac(seg, 2 + rng.below(HOSTS)))}`, `deladdr ${macFormat(hostMac(seg, 2 + rng.below(HOSTS)))}`, `span ${this.tap()}`, `-span ${this.tap()}`, `static ${member} ${macFormat(this.pick(this.ethernets()).lladdr)}`,
    ])}`, bridge);
  }

  private async interfaceWord(): Promise<void> {
    const { rng } = this;
    const { xname } = this.pick(this.ethernets());
    await this.run(`ifconfig ${xname} ${this.pick([
      'down', 'up', 'up', 'up', `mtu ${this.pick([1500, 1400, 1280, 1000, 9000])}`, `mtu 1500`, `fib ${rng.below(3)}`, 'fib 0', `vlanpcp ${rng.below(8)}`, `pcp ${rng.below(8)}`, '-pcp', 'promisc', '-promisc', 'monitor', '-monitor', '-arp', 'arp',
      'staticarp', '-staticarp', 'inet6 ifdisabled', 'inet6 -ifdisabled', 'inet6 -nud', `ether ${macFormat(new Uint8Array([0x02, 0xdd, 0, 0, 0, rng.below(6)]))}`, '-txcsum', 'txcsum', '-tso', 'tso', '-txcsum6', 'txcsum6',
      `vlan ${1 + rng.below(4)} vlandev ${this.tap()}`, '-vlandev', 'inet vhid 1 pass x 10.1.0.50/32', 'vhid 1 -inet', 'name odd0',
    ])}`, xname);
  }

  private capture(): void {
    const { captures, kernel } = this.bench;
    if (captures.length > 0 && this.rng.chance(0.8)) {
      this.history.push('# a capture ends');
      kernel.call(kernel.now, () => captures.pop()?.close());
      return;
    }
    const ifp = this.pick(this.ethernets());
    if (ifp.net === null) return;
    this.history.push(`# a capture begins on ${ifp.xname}`);
    const { listener } = kernel.call(kernel.now, () => bpfOpen(ifp.net!, ifp.xname, {}));
    if (listener !== null) captures.push(listener);
  }

  /** Everything works again: up, forwarding, without captures, filters and what else takes frames away. */
  private async repair(): Promise<void> {
    const { captures, kernel, lab } = this.bench;
    this.history.push('# all captures end; everything up, without filters, forwarding');
    kernel.call(kernel.now, () => captures.splice(0).forEach((c) => c.close()));
    for (const jail of this.jailed() === null ? [undefined] : [undefined, JAIL]) {
      const where = jail === undefined ? {} : { jail };
      await lab.sh('sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1 net.link.ether.ipfw=0 net.link.vlan.mtag_pcp=0', where);
      await lab.sh('ipfw -q -f flush', where);
    }
    for (const { xname, net } of this.ethernets()) await lab.sh(`ifconfig ${xname} up -monitor`, net === kernel.vnet0.net ? {} : { jail: JAIL });
    this.look();
  }

  private async filter(): Promise<void> {
    await this.run(this.pick(['ipfw -q add 100 allow ip from any to any', 'ipfw -q add 90 deny ip from any to 10.102.0.0/16', 'ipfw -q -f flush', 'sysctl net.link.ether.ipfw=1', 'sysctl net.link.ether.ipfw=0', 'sysctl net.link.ether.ipfw=0']));
  }

  private async move(): Promise<void> {
    const inside = this.jailed();
    if (inside === null) {
      await this.bench.lab.sh(`jail -c name=${JAIL} persist vnet`);
      await this.bench.lab.sh('sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1', { jail: JAIL });
      this.history.push(`jail -c name=${JAIL} persist vnet   # forwards`);
      return;
    }
    const { xname } = this.pick(this.ethernets());
    if (inside.includes(xname)) {
      const { exit } = await this.bench.lab.sh(`ifconfig ${xname} -vnet ${JAIL}`);
      this.history.push(`ifconfig ${xname} -vnet ${JAIL}   # ${exit}`);
    } else if (this.rng.chance(0.9)) await this.run(`ifconfig ${xname} vnet ${JAIL}`, xname);
    else {
      await this.bench.lab.sh(`jail -r ${JAIL}`);
      this.history.push(`jail -r ${JAIL}`);
    }
    this.look();
  }

  private async destroy(): Promise<void> {
    const { xname } = this.pick(this.ethernets());
    if (this.ethernets().length < 3) return;
    if (xname.startsWith('tap') && !xname.includes('.') && this.rng.chance(0.6)) return;
    await this.run(`ifconfig ${xname} destroy`, xname);
  }

  /** Taps that were destroyed come again, at once or later, and ports are given back. */
  private async reopen(): Promise<void> {
    for (const [port, { name, vnetHdr, out }] of this.bench.ports.entries()) {
      if (!out.isGone) continue;
      this.bench.close(port);
      const { exit } = await this.bench.lab.sh(`ifconfig ${name} create up`);
      const opened = exit === 0 && this.bench.open(name, vnetHdr, port);
      this.history.push(`ifconfig ${name} create up   # port ${port}${opened ? '' : ' stays closed'}`);
      if (opened) await this.address(name);
    }
  }
}

/** What members are told when they join, and how often. */
const MEMBER_WORDS = [['private', 0.2], ['stp', 0.12], ['-learn', 0.12], ['-discover', 0.06], ['sticky', 0.06], ['static', 0.3]] as const;

const SYSCTLS: readonly string[] = [
  'sysctl net.inet.ip.forwarding=0', 'sysctl net.inet.ip.forwarding=1', 'sysctl net.inet.ip.forwarding=1', 'sysctl net.inet6.ip6.forwarding=0', 'sysctl net.inet6.ip6.forwarding=1', 'sysctl net.inet6.ip6.forwarding=1',
  'sysctl net.link.vlan.mtag_pcp=1', 'sysctl net.link.vlan.mtag_pcp=0', 'sysctl net.inet.ip.redirect=0', 'sysctl net.inet6.ip6.redirect=0', 'sysctl net.route.multipath=1', 'sysctl net.fibs=3', 'sysctl net.add_addr_allfibs=1',
  'sysctl net.inet.ip.source_address_validation=0', 'sysctl net.inet.ip.source_address_validation=1',
];
