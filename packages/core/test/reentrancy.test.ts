/**
 * reentrancy.test.ts — whoever hears of an event may do anything: make, destroy, move, rename and bind interfaces, open devices, detach
 * cloners, stop jails, let go of what holds them. Random operations, each event of which may lead to another, three deep.
 *
 * After every operation each interface is in one vnet, on the list of the cloner that answers for it, under a name and an index of its
 * own, and nothing is unaccounted for; at the end nothing is left.
 */
import { expect, it } from 'vitest';
import { Prng } from '../src/base/prng.js';
import { inAifaddr } from '../src/inet/in-control.js';
import { bridgeAdd } from '../src/net/bridge-control.js';
import { ifCloneCreate, ifCloneDestroyIfp, ifcDetach, ifcOf } from '../src/net/if-clone.js';
import { ifDown, ifRename, ifSetMtu, ifUp } from '../src/net/if.js';
import { ifVmove } from '../src/net/if-vmove.js';
import type { FrameSink } from '../src/net/host-port.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { laggAddPort } from '../src/net/lagg/lagg-control.js';
import { tapOf } from '../src/net/tap.js';
import { tunOf } from '../src/net/tun.js';
import { vlanConfig } from '../src/net/vlan.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import type { Prison } from '../src/vnet/kernel.js';
import type { Vnet } from '../src/vnet/vnet.js';

const SEEDS = 60;
const OPERATIONS = 60;
const DEPTH_MAX = 3;
const CHANCE = 0.15;
/** Kinds that hang on others come more often. */
const KINDS = ['epair', 'epair', 'vlan', 'vlan', 'tap', 'tun', 'bridge', 'lagg', 'gif', 'gre', 'vxlan', 'lo', 'disc', 'stf', 'gw'];
const SINK: FrameSink = { offload: { csum: false, gso: false }, output: (m) => (m.free(), true) };

class Storm {
  readonly net: SimNet;
  readonly trace: string[] = [];
  private readonly rng: Prng;
  private readonly holds: (() => void)[] = [];
  /** What listens to each vnet. */
  private readonly ears = new Map<Vnet, readonly (() => void)[]>();
  private depth = 0;
  private jails = 0;

  constructor(seed: number) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed);
    // What listens until a vnet's last step would be its leak.
    this.net.kernel.onTeardown = (vnet, step, when) => {
      if (when === 'after' && step.name === 'vnet_if_uninit') this.deafen(vnet);
    };
    this.listen(this.net.kernel.vnet0);
    for (let i = 0; i < 3; i++) this.jail();
  }

  /** An operation from outside, and a little time. */
  step(): void {
    const { net, rng } = this;
    net.kernel.call(net.now, () => (rng.chance(0.07) ? this.jail() : this.operate()));
    net.run(rng.chance(0.1) ? 3_000_000 : 1_000);
  }

  /** Nobody reacts any more, and everything ends. */
  end(): void {
    for (const vnet of [...this.ears.keys()]) this.deafen(vnet);
    for (const letGo of this.holds.splice(0)) this.net.kernel.call(this.net.now, letGo);
    this.net.kernel.shutdown();
  }

  private listen(vnet: Vnet): void {
    const { net } = vnet;
    const react = (): void => {
      if (this.depth >= DEPTH_MAX || !this.rng.chance(CHANCE)) return;
      this.depth++;
      try {
        this.operate();
      } finally {
        this.depth--;
      }
    };
    this.ears.set(vnet, [
      net.arrivalEvent.register(react), net.departureEvent.register(react), net.linkEvent.register(react), net.upDownEvent.register(react), net.lladdrEvent.register(react),
      net.mtuEvent.register(react), net.vlanConfigEvent.register(react), net.vlanUnconfigEvent.register(react), net.ifaddrEvent.register(react),
    ]);
  }

  private deafen(vnet: Vnet): void {
    for (const off of this.ears.get(vnet) ?? []) off();
    this.ears.delete(vnet);
  }

  private jail(): void {
    const { kernel } = this.net;
    const { prison0 } = kernel.prisons;
    const parent = this.rng.chance(0.3) ? this.pick(this.prisons().filter((p) => !p.dying)) : undefined;
    const name = `${parent === undefined ? '' : `${parent.nameFrom(prison0)}.`}j${this.jails++}`;
    this.say(`jail ${name}`);
    const { prison } = kernel.jailCreate(prison0, { name, persist: true, attach: false, vnet: true });
    if (prison !== null) this.listen(prison.vnet);
  }

  private operate(): void {
    const { kernel } = this.net;
    const vnet = this.pick(kernel.vnets);
    const ifp = this.pick(kernel.vnets.flatMap((v) => v.net.ifnets));
    const prison = this.pick(this.prisons());
    const what = this.rng.below(13);
    if (what === 0 && prison !== undefined) this.stop(prison);
    else if (what === 1 && prison !== undefined) this.holds.push(prison.hold('somebody'));
    else if (what === 2) this.holds.splice(this.rng.below(Math.max(1, this.holds.length)), 1)[0]?.();
    else if (what <= 4 && vnet !== undefined) this.create(vnet);
    else if (ifp !== undefined && vnet !== undefined) this.change(what, ifp, vnet);
  }

  private stop(prison: Prison): void {
    this.say(`stop ${prison.name}`);
    this.net.kernel.jailRemove(prison);
  }

  private create(vnet: Vnet): void {
    const kind = this.pick(KINDS) ?? 'lo';
    this.say(`create ${kind} in ${vnet.name}`);
    const { ifp } = ifCloneCreate(vnet.net, kind);
    if (ifp !== null) ifUp(ifp);
  }

  private change(what: number, ifp: Ifnet, vnet: Vnet): void {
    const { rng } = this;
    this.say(`${what}: ${ifp.xname} of ${ifp.net?.kern.name ?? ''}, ${vnet.name}`);
    if (what === 5) ifCloneDestroyIfp(ifp, 0);
    else if (what <= 8) {
      const moved = ifVmove(ifp, vnet.net).ifp;
      if (moved !== null) ifUp(moved);
    } else if (what === 9) ifRename(ifp, rng.chance(0.5) ? `n${rng.below(4)}` : `${ifp.dname}${rng.below(3)}`);
    else if (what === 10) this.bind(ifp);
    else if (what === 11) this.use(ifp);
    else if (rng.chance(0.15)) this.detach(vnet);
    else this.address(ifp);
  }

  private bind(ifp: Ifnet): void {
    const other = this.pick(ifp.net?.ifnets ?? []);
    if (other === undefined) return;
    if (ifp.dname === 'vlan') vlanConfig(ifp, other.xname, 1 + this.rng.below(2));
    else if (ifp.dname === 'bridge') bridgeAdd(ifp, other.xname);
    else if (ifp.dname === 'lagg') laggAddPort(ifp, other.xname);
  }

  private use(ifp: Ifnet): void {
    if (this.rng.chance(0.3)) ifSetMtu(ifp, 1_300 + this.rng.below(200));
    else if (ifp.isUp) ifDown(ifp);
    else ifUp(ifp);
    (tapOf(ifp) ?? tunOf(ifp))?.attach(this.rng.chance(0.5) ? null : SINK);
  }

  private detach(vnet: Vnet): void {
    const cloner = this.pick(vnet.net.cloners.filter((c) => c.name !== 'lo'));
    if (cloner !== undefined) ifcDetach(cloner);
  }

  private address(ifp: Ifnet): void {
    const vnet = this.net.kernel.vnetOf(ifp);
    if (vnet !== null) inAifaddr(vnet.inNet, ifp, { addr: ip4('10.0.0.1') + this.rng.below(5), plen: 24 });
  }

  private prisons(): Prison[] {
    return this.net.kernel.prisons.prison0.descendants();
  }

  private pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.rng.below(list.length)];
  }

  private say(text: string): void {
    this.trace.push(`${'  '.repeat(this.depth)}${text}`);
  }
}

/** What is wrong; empty when nothing is. */
function faults({ kernel }: SimNet): string[] {
  const bad: string[] = [];
  const indexes = new Set<number>();
  for (const { net, name } of kernel.vnets) {
    if (new Set(net.ifnets.map((i) => i.xname)).size !== net.ifnets.length) bad.push(`${name} has two interfaces of one name`);
    for (const i of net.ifnets) {
      if (i.net !== net || i.busy || kernel.shared.byIndex(i.index) !== i || indexes.has(i.index)) bad.push(`${i.xname} in ${name}: vnet, busy or index`);
      if (ifcOf(i)?.interfaces.includes(i) !== true) bad.push(`${i.xname} in ${name} is no cloner's`);
      indexes.add(i.index);
    }
    for (const c of net.cloners) for (const i of c.interfaces) if (i.net === null) bad.push(`${c.name} of ${name} has ${i.xname}, which is gone`);
  }
  const { leaks, unaccounted } = kernel.audit();
  for (const l of leaks) bad.push(`${l.vnet} left ${l.count} ${l.name}`);
  if (Object.values(unaccounted).some((n) => n !== 0)) bad.push(`unaccounted ${JSON.stringify(unaccounted)}`);
  return bad;
}

it(`nothing is lost in ${SEEDS} storms`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const storm = new Storm(seed);
    const { kernel } = storm.net;
    const said = (): string => `seed ${seed}\n${storm.trace.slice(-20).join('\n')}`;
    for (let i = 0; i < OPERATIONS; i++) {
      storm.step();
      expect(faults(storm.net), said()).toEqual([]);
    }
    storm.end();
    const left = [kernel.shared.attached, kernel.engine.callouts.armed, kernel.engine.pool.inUse, kernel.shared.devices.size, ...kernel.audit().leaks];
    expect(left, said()).toEqual([0, 0, 0, 0]);
  }
});
