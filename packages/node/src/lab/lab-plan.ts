/**
 * lab-plan.ts — turns a lab into the commands that build it, in order, with what undoes each.
 *
 * Read first: docs/lab-file.md; ifconfig(8), jail(8), route(8).
 *
 * Theory of operation. A lab is built with the tools, so there is one way into the kernel and a dry run prints a script that does the same.
 * Order: jails, parents first; bridges; links (an epair made outside all jails, its ends moved and named); VLANs and taps, those that
 * carry others first; settings and addresses; sysctl; routes; gateways; services; host devices; virtual machines. A command's output may be kept in a variable (`epair create`
 * prints the name it chose), which later arguments refer to.
 * Undo commands are kept by the thing they undo: when an interface has been moved or renamed, what destroys it changes.
 * What is inside a jail needs none, it goes with the jail.
 *
 * Invariants: the lab has passed lab-check.ts. Running the undo commands of all steps so far, last thing first, leaves nothing.
 * Not here: running them (lab-run.ts).
 */
import type { Endpoint, Lab, LabBridge, LabCarp, LabInterface, LabPath, LabRoute, Link } from './lab-model.js';
import { planGateways } from './lab-gateway.js';
import { planServiceWaits, planServices } from './lab-services.js';
import type { ServiceStep } from './lab-services.js';
import { HOST_VNET, LOOPBACK, carriers, isRoute6, jailPath, labLinks, many } from './lab-model.js';
import { protectArgs } from './lab-protect.js';
import { labVms, tapsToMake, vmRunArgs } from './lab-vms.js';

/** An argument: text, or the value of a variable; `peer` is the other end of the epair in it. */
export type PlanArg = string | { readonly variable: string; readonly peer: boolean };

export interface PlanStep {
  readonly argv: readonly PlanArg[];
  /** Variable that keeps what the command prints. */
  readonly keep: string | null;
  /** What undoes `subject` once this step has succeeded; null: nothing any more. Left out: as before. */
  readonly undo?: { readonly subject: string; readonly argv: readonly PlanArg[] };
  /** The part of the lab this step comes from. */
  readonly path: LabPath;
}

/** Where an interface is: its vnet and the name it has there. */
interface Place {
  readonly vnet: string;
  readonly name: PlanArg;
}

export function planLab(lab: Lab): PlanStep[] {
  const builder = new PlanBuilder(lab);
  builder.jails();
  builder.bridges();
  labLinks(lab).forEach((link, i) => builder.link(link, i));
  builder.vmTaps();
  builder.interfaces();
  builder.bridgeMembers();
  builder.sysctls();
  builder.advertising();
  builder.routes();
  builder.multicast();
  for (const { argv, path } of planGateways(lab)) builder.add(path, argv, {});
  builder.services(planServices(lab));
  builder.hostDevices();
  builder.vms();
  builder.services(planServiceWaits(lab));
  return builder.steps;
}

class PlanBuilder {
  readonly steps: PlanStep[] = [];
  private readonly lab: Lab;
  private variables = 0;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  jails(): void {
    for (const name of this.vnetsParentsFirst()) {
      const vnet = this.lab.vnets[name] ?? {};
      const path = jailPath(this.lab, name);
      const below = this.descendants(name);
      const options = [...(vnet.hostname === undefined ? [] : [`host.hostname=${vnet.hostname}`]), ...(below === 0 ? [] : [`children.max=${below}`])];
      this.add(['vnets', name], ['jail', '-c', `name=${path}`, 'persist', 'vnet', ...options], { undo: { subject: `jail ${path}`, argv: ['jail', '-r', path] } });
    }
  }

  bridges(): void {
    for (const [name, bridge] of Object.entries(this.lab.bridges ?? {})) {
      const path = ['bridges', name];
      this.create(path, bridge?.vnet ?? HOST_VNET, 'bridge', name, []);
    }
  }

  link(link: Link, index: number): void {
    // The first end of an epair stays where it was made if one of the two may, so that one place destroys both.
    const [first, second] = this.vnetOf(link.ends[0]) !== HOST_VNET && this.vnetOf(link.ends[1]) === HOST_VNET ? [link.ends[1], link.ends[0]] : link.ends;
    const variable = `link${index + 1}`;
    const a: PlanArg = { variable, peer: false };
    const b: PlanArg = { variable, peer: true };
    const subject = `link ${index}`;
    this.add(link.path, ['ifconfig', 'epair', 'create'], { keep: variable, undo: { subject, argv: ['ifconfig', a, 'destroy'] } });
    const placeA = this.place(link, first, a, subject);
    const placeB = this.place(link, second, b, null);
    for (const [place, end, other] of [[placeA, first, second], [placeB, second, first]] as const) this.linkEnd(link, place, end, other);
  }

  interfaces(): void {
    for (const [vnet, { interfaces = {} }] of this.configured()) {
      // What rc(8) does in a jail. Blackhole and reject routes need it.
      if (vnet !== HOST_VNET && interfaces.lo0 === undefined) this.at(['vnets', vnet], vnet, ['ifconfig', 'lo0', 'inet', LOOPBACK]);
      for (const name of carriersFirst(interfaces)) this.configureInterface(vnet, name, interfaces[name] ?? {});
    }
    for (const [name, bridge] of Object.entries(this.lab.bridges ?? {})) {
      this.configure(['bridges', name], { vnet: bridge?.vnet ?? HOST_VNET, name }, bridge ?? {}, [...bridgeSettings(bridge ?? {})]);
    }
  }

  bridgeMembers(): void {
    for (const [name, bridge] of Object.entries(this.lab.bridges ?? {})) {
      const members = (bridge?.members ?? []).flatMap((member) => ['addm', member, ...((bridge?.private ?? []).includes(member) ? ['private', member] : [])]);
      if (members.length > 0) this.at(['bridges', name, 'members'], bridge?.vnet ?? HOST_VNET, ['ifconfig', name, ...members]);
    }
  }

  sysctls(): void {
    for (const [name, vnet] of this.configured()) {
      const settings = Object.entries(vnet.sysctl ?? {}).map(([key, value]) => `${key}=${typeof value === 'boolean' ? Number(value) : value}`);
      if (vnet.forwarding !== undefined) this.at(['vnets', name, 'forwarding'], name, ['sysctl', `net.inet.ip.forwarding=${Number(vnet.forwarding)}`, `net.inet6.ip6.forwarding=${Number(vnet.forwarding)}`]);
      if (settings.length > 0) this.at(['vnets', name, 'sysctl'], name, ['sysctl', ...settings]);
    }
  }

  /** Routers of IPv6, when they forward. */
  advertising(): void {
    for (const [name, { interfaces = {} }] of this.configured()) {
      for (const [ifname, ifc] of Object.entries(interfaces)) {
        const rtadv = ifc?.rtadv ?? false;
        if (rtadv === false) continue;
        const undo = name === HOST_VNET ? { undo: { subject: `advertising on ${ifname}`, argv: ['rtadvctl', 'shutdown', ifname] } } : {};
        this.at(['vnets', name, 'interfaces', ifname, 'rtadv'], name, ['rtadvd', ...(typeof rtadv === 'string' ? ['-O', rtadv] : []), ifname], undo);
      }
    }
  }

  routes(): void {
    for (const [name, vnet] of this.configured()) {
      vnet.routes?.forEach((route, i) => {
        const undo = name === HOST_VNET ? { undo: { subject: `route ${i}`, argv: ['route', 'delete', ...routeArgs(route)] } } : {};
        this.at(['vnets', name, 'routes', i], name, ['route', 'add', ...routeArgs(route)], undo);
      });
    }
  }

  multicast(): void {
    for (const [name, { multicast }] of this.configured()) {
      const path = ['vnets', name, 'multicast'];
      multicast?.querier?.forEach((ifname, i) => this.at([...path, 'querier', i], name, ['mcast', 'querier', ifname]));
      if (multicast?.proxy !== undefined) this.at([...path, 'proxy'], name, ['mcast', 'proxy', multicast.proxy.upstream, ...multicast.proxy.downstream]);
      multicast?.routes?.forEach((route, i) => {
        const source = route.source === undefined ? [] : ['source', route.source];
        this.at([...path, 'routes', i], name, ['mcast', 'route', 'add', route.group, ...source, 'in', route.in, 'out', ...route.out]);
      });
    }
  }

  services(list: readonly ServiceStep[]): void {
    for (const { vnet, argv, path, undo } of list) this.at(path, vnet, argv, undo === undefined ? {} : { undo: { subject: undo.subject, argv: this.inside(vnet, undo.argv) } });
  }

  hostDevices(): void {
    for (const [vnet, { interfaces = {} }] of this.configured()) {
      for (const [name, ifc] of Object.entries(interfaces)) {
        if (ifc?.host === undefined) continue;
        this.add(['vnets', vnet, 'interfaces', name, 'host'], ['netloom', 'attach', `${jailPath(this.lab, vnet) || HOST_VNET}:${name}`, ifc.host], {});
      }
    }
  }

  /** Where machines are plugged in. */
  vmTaps(): void {
    for (const { vnet, tap, path } of tapsToMake(this.lab)) this.create(path, vnet, tap.startsWith('vmnet') ? 'vmnet' : 'tap', tap, []);
  }

  /** Last of all, and the first to be undone. */
  vms(): void {
    for (const [name, vm] of labVms(this.lab)) {
      this.add(['vms', name], ['netloom', 'vm', 'run', ...vmRunArgs(this.lab, name, vm)], { undo: { subject: `machine ${name}`, argv: ['netloom', 'vm', 'stop', name] } });
      if (vm.protect !== undefined) this.add(['vms', name, 'protect'], ['netloom', 'protect', ...protectArgs(name, vm.protect)], {});
    }
  }

  private configureInterface(vnet: string, name: string, ifc: LabInterface): void {
    const path = ['vnets', vnet, 'interfaces', name];
    if (ifc.vlan !== undefined && ifc.vlandev !== undefined) {
      const options = ['vlan', String(ifc.vlan), 'vlandev', ifc.vlandev, ...(ifc.vlanproto === undefined ? [] : ['vlanproto', ifc.vlanproto]), ...(ifc.vlanpcp === undefined ? [] : ['vlanpcp', String(ifc.vlanpcp)])];
      this.create(path, vnet, 'vlan', name, options);
    } else if (ifc.laggport !== undefined) {
      const options = [...(ifc.laggproto === undefined ? [] : ['laggproto', ifc.laggproto]), ...(ifc.lagghash === undefined ? [] : ['lagghash', ifc.lagghash])];
      this.create(path, vnet, 'lagg', name, [...options, ...many(ifc.laggport).flatMap((port) => ['laggport', port])]);
    } else if (ifc.vxlan !== undefined) {
      this.create(path, vnet, 'vxlan', name, vxlanArgs(ifc));
    } else if (ifc.host !== undefined) {
      this.create(path, vnet, 'tap', name, []);
    } else if (/^lo\d+$/.test(name) && name !== 'lo0') {
      this.create(path, vnet, 'lo', name, []);
    }
    this.configure(path, { vnet, name }, ifc, [...(ifc.fib === undefined ? [] : ['fib', String(ifc.fib)]), ...(ifc.group === undefined ? [] : ['group', ifc.group])]);
  }

  /** Creates an interface of a cloner under any name: directly when the name is the cloner's own, else by renaming what it chose. */
  private create(path: LabPath, vnet: string, cloner: string, name: string, options: readonly string[]): void {
    const destroy = (now: PlanArg): { undo?: PlanStep['undo'] & object } => (vnet === HOST_VNET ? { undo: { subject: `${cloner} ${name}`, argv: ['ifconfig', now, 'destroy'] } } : {});
    if (new RegExp(`^${cloner}\\d+$`).test(name)) return this.at(path, vnet, ['ifconfig', name, 'create', ...options], destroy(name));
    const variable = `if${++this.variables}`;
    const chosen: PlanArg = { variable, peer: false };
    this.at(path, vnet, ['ifconfig', cloner, 'create', ...options], { keep: variable, ...destroy(chosen) });
    this.at(path, vnet, ['ifconfig', chosen, 'name', name], destroy(name));
  }

  /** Moves one end of an epair to its vnet and gives it its name. `subject`: the end whose destruction undoes the link. */
  private place(link: Link, end: Endpoint, arg: PlanArg, subject: string | null): Place {
    const vnet = this.vnetOf(end);
    const undo = (at: Place): { undo?: PlanStep['undo'] & object } => (subject === null ? {} : { undo: { subject, argv: this.inside(at.vnet, ['ifconfig', at.name, 'destroy']) } });
    let place: Place = { vnet: HOST_VNET, name: arg };
    if (vnet !== HOST_VNET) {
      place = { vnet, name: arg };
      this.add(link.path, ['ifconfig', arg, 'vnet', jailPath(this.lab, vnet)], undo(place));
    }
    if (end.bridge !== null) return place;
    const named = { vnet, name: end.ifname };
    this.at(link.path, vnet, ['ifconfig', place.name, 'name', end.ifname], undo(named));
    return named;
  }

  /** MTU, description, bridge membership and UP of one end. What the vnet says of the interface comes later and wins. */
  private linkEnd(link: Link, place: Place, end: Endpoint, other: Endpoint): void {
    const description = link.description ?? (end.bridge === null ? null : `to ${endName(other)}`);
    const settings = [...(link.mtu === null ? [] : ['mtu', String(link.mtu)]), ...(description === null ? [] : ['description', description])];
    const listed = end.bridge === null && this.lab.vnets[end.vnet]?.interfaces?.[end.ifname] !== undefined;
    if (settings.length > 0 || !listed) this.at(link.path, place.vnet, ['ifconfig', place.name, ...settings, ...(listed ? [] : ['up'])]);
    if (end.bridge === null) return;
    const isPrivate = (this.lab.bridges?.[end.bridge]?.private ?? []).includes(endName(other));
    this.at(link.path, place.vnet, ['ifconfig', end.bridge, 'addm', place.name, ...(isPrivate ? ['private', place.name] : [])]);
  }

  private configure(path: LabPath, place: Place, ifc: LabInterface | LabBridge, extra: readonly string[]): void {
    const state = 'up' in ifc && ifc.up === false ? 'down' : 'up';
    const settings = [
      ...(ifc.ether === undefined ? [] : ['ether', ifc.ether]),
      ...(ifc.mtu === undefined ? [] : ['mtu', String(ifc.mtu)]),
      ...(ifc.description === undefined ? [] : ['description', ifc.description]),
      ...extra,
    ];
    this.at(path, place.vnet, ['ifconfig', place.name, ...settings, state]);
    many(ifc.inet).forEach((address, i) => this.at([...path, 'inet'], place.vnet, ['ifconfig', place.name, 'inet', address, ...(i === 0 ? [] : ['alias'])]));
    many(ifc.inet6).forEach((address) => this.at([...path, 'inet6'], place.vnet, ['ifconfig', place.name, 'inet6', address]));
    if ('accept_rtadv' in ifc && ifc.accept_rtadv === true) this.at([...path, 'accept_rtadv'], place.vnet, ['ifconfig', place.name, 'inet6', 'accept_rtadv', '-ifdisabled']);
    ifc.carp?.forEach((vhid, i) => this.carp([...path, 'carp', i], place, vhid));
    // The first address brings an interface up.
    if (state === 'down' && (many(ifc.inet).length > 0 || many(ifc.inet6).length > 0 || ifc.carp !== undefined)) this.at(path, place.vnet, ['ifconfig', place.name, 'down']);
  }

  /** The first address carries what the vhid is; the others only name it. */
  private carp(path: LabPath, place: Place, vh: LabCarp): void {
    const { vhid, advbase, advskew, pass, peer, peer6 } = vh;
    const words = Object.entries({ vhid, advbase, advskew, pass, peer, peer6 }).flatMap(([word, value]) => (value === undefined ? [] : [word, String(value)]));
    const addresses = [...many(vh.inet).map((a) => ['inet', a] as const), ...many(vh.inet6).map((a) => ['inet6', a] as const)];
    addresses.forEach(([family, address], i) => {
      this.at(path, place.vnet, ['ifconfig', place.name, family, ...(i === 0 ? words : ['vhid', String(vhid)]), address, 'alias']);
    });
  }

  add(path: LabPath, argv: readonly PlanArg[], more: { keep?: string; undo?: PlanStep['undo'] & object }): void {
    this.steps.push({ argv, path, keep: more.keep ?? null, ...(more.undo === undefined ? {} : { undo: more.undo }) });
  }

  private at(path: LabPath, vnet: string, argv: readonly PlanArg[], more: { keep?: string; undo?: PlanStep['undo'] & object } = {}): void {
    this.add(path, this.inside(vnet, argv), more);
  }

  private inside(vnet: string, argv: readonly PlanArg[]): readonly PlanArg[] {
    return vnet === HOST_VNET ? argv : ['jexec', jailPath(this.lab, vnet), ...argv];
  }

  private vnetOf(end: Endpoint): string {
    return end.bridge === null ? end.vnet : (this.lab.bridges?.[end.bridge]?.vnet ?? HOST_VNET);
  }

  private configured(): [string, NonNullable<Lab['vnets'][string]>][] {
    return Object.entries(this.lab.vnets).map(([name, vnet]) => [name, vnet ?? {}]);
  }

  private vnetsParentsFirst(): string[] {
    const depth = (name: string): number => jailPath(this.lab, name).split('.').length;
    return Object.keys(this.lab.vnets).filter((name) => name !== HOST_VNET).sort((a, b) => depth(a) - depth(b));
  }

  private descendants(name: string): number {
    const prefix = `${jailPath(this.lab, name)}.`;
    return Object.keys(this.lab.vnets).filter((other) => jailPath(this.lab, other).startsWith(prefix)).length;
  }
}

function endName(end: Endpoint): string {
  return end.bridge ?? `${end.vnet}:${end.ifname}`;
}

/** Deeper than VLANs can be stacked. */
const BEHIND_ALL = 1_000;

/** Interfaces in an order in which whatever carries a VLAN, a lagg or a tunnel is made before it. */
function carriersFirst(interfaces: Readonly<Record<string, LabInterface | null>>): string[] {
  const depth = (name: string): number => {
    // A tunnel needs the addresses of all that are not in one.
    if (interfaces[name]?.vxlan !== undefined) return BEHIND_ALL;
    return Math.max(0, ...carriers(interfaces[name]).map((carrier) => 1 + depth(carrier)));
  };
  return Object.keys(interfaces).sort((a, b) => depth(a) - depth(b));
}

function vxlanArgs(ifc: LabInterface): string[] {
  const { vxlan, vxlanlocal, vxlanremote, vxlangroup, vxlandev } = ifc;
  const words = Object.entries({ vxlanid: vxlan, vxlanlocal, vxlanremote, vxlangroup, vxlandev });
  return words.flatMap(([word, value]) => (value === undefined ? [] : [word, String(value)]));
}

function bridgeSettings(bridge: LabBridge): string[] {
  return [...(bridge.maxaddr === undefined ? [] : ['maxaddr', String(bridge.maxaddr)]), ...(bridge.timeout === undefined ? [] : ['timeout', String(bridge.timeout)]), ...(bridge.mcsnoop === undefined ? [] : [bridge.mcsnoop ? 'mcsnoop' : '-mcsnoop'])];
}

function routeArgs(route: LabRoute): string[] {
  const v6 = isRoute6(route);
  const whole = v6 ? '/128' : '/32';
  const fib = route.fib === undefined ? [] : ['-fib', String(route.fib)];
  const kind = route.to.includes('/') && !route.to.endsWith(whole) ? '-net' : '-host';
  const to = route.to === 'default' ? ['default'] : [kind, route.to.endsWith(whole) ? route.to.slice(0, -whole.length) : route.to];
  const dst = v6 ? ['-6', ...to] : to;
  const mtu = route.mtu === undefined ? [] : ['-mtu', String(route.mtu)];
  if (route.type !== undefined) return [...dst, v6 ? '::1' : '127.0.0.1', `-${route.type}`, ...mtu, ...fib];
  return [...dst, ...(route.interface === undefined ? [route.via ?? ''] : ['-iface', route.interface]), ...mtu, ...fib];
}

/** The plan as a script for sh(1): what a dry run prints. With the tools on PATH it builds the same lab. */
export function planScript(steps: readonly PlanStep[]): string {
  return steps.map((step) => (step.keep === null ? '' : `${step.keep}=$(`) + step.argv.map(shellWord).join(' ') + (step.keep === null ? '' : ')')).map((line) => `${line}\n`).join('');
}

function shellWord(arg: PlanArg): string {
  if (typeof arg !== 'string') return arg.peer ? `"\${${arg.variable}%a}b"` : `"$${arg.variable}"`;
  return /^[A-Za-z0-9_.,:=/@%+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`;
}

/** The argument with its variable's value. `ifconfig epair create` prints the name of the end that ends in `a`. */
export function resolveArg(arg: PlanArg, variables: ReadonlyMap<string, string>): string {
  if (typeof arg === 'string') return arg;
  const value = variables.get(arg.variable) ?? '';
  return arg.peer ? `${value.replace(/a$/, '')}b` : value;
}
