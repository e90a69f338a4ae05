/**
 * if-clone.ts — interfaces made on request: `ifconfig epair create`.
 * Read first: freebsd `sys/net/if_clone.c`.
 *
 * Theory of operation. Each vnet has a list of cloners, most recently attached first. A cloner matches names, allocates unit
 * numbers and makes interfaces; the interfaces it made are on its list and in the group of its name. Destruction looks the
 * cloner up in the interface's *home* vnet, because that is where its unit is reserved; the interface is destroyed where it
 * is now. Units are freed on destroy only: renaming or moving an interface keeps its unit taken at home, and the cloner there goes on
 * answering for whatever instance it is by then.
 *
 * Not here: what each kind does (epair.ts, vlan.ts …) and moving between vnets (if-vmove.ts).
 */
import type { Errno } from '../base/errno.js';
import { EEXIST, EINVAL, ENOSPC, ENXIO } from '../base/errno.js';
import { ifAddGroup, ifDelGroup } from './if.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import type { Ifnet } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import { IFNAMSIZ } from './ifnet.js';
import type { Net } from './net.js';

/** Highest unit a cloner hands out. */
export const IF_MAXUNIT = 0x7fff;
/** Longest name of a cloner, so that five digits fit behind it. */
const CLONER_NAME_MAX = IFNAMSIZ - 6;

/** Create even what is protected, destroy even lo0: the vnet is going. */
export const IFC_F_FORCE = 0x08;
/** `spec.flags`: its interfaces move as the same object (vmove-classic.ts). */
export const IFC_F_NOMOVE = 0x20;

/** Parameters given with the creation (SIOCIFCREATE2), by cloner: `{ vlan: 5, vlandev: 'em0' }`. */
export type CloneParams = Readonly<Record<string, string | number>>;

export type CloneResult = { readonly error: 0; readonly ifp: Ifnet } | { readonly error: Errno; readonly ifp: null };

export interface IfClonerSpec {
  readonly name: string;
  /** IFC_F_NOMOVE, or nothing. */
  readonly flags?: number;
  readonly maxUnit?: number;
  /** Does this cloner make interfaces called `name`? Absent: the cloner's name, alone or followed by digits. */
  match?(name: string): boolean;
  /** False: the name carries no unit (vlan's "em0.5") and `create` is given -1. */
  needsUnit?(name: string): boolean;
  /**
   * Makes and attaches the interface. `unit` is reserved already; on error nothing is left behind. `xname` is the name to
   * give it (epair appends its own letter). The interface returned is linked to the cloner's list and group afterwards. `like` is handed
   * on to `ifAttach`: not null when an interface moves and this is its new instance (vmove-simple.ts).
   */
  create(net: Net, cloner: IfCloner, xname: string, unit: number, params: CloneParams | null, like: IfVparams | null): CloneResult;
  /** Detaches and frees it; an error leaves it as it was. */
  destroy(ifp: Ifnet, cloner: IfCloner, flags: number): Errno;
  /** Moves one to another vnet. Absent: `ifVmoveSimple`, with the next two for what it keeps beyond the properties of every interface. */
  readonly vmove?: (cloner: IfCloner, move: IfMove) => IfMoveResult;
  saveParams?(ifp: Ifnet): object;
  applyParams?(ifp: Ifnet, saved: object): Errno;
  /** The cloner was attached to `net`, or is about to go: where a driver makes and undoes its per-vnet state (tunables). */
  attach?(net: Net): void;
  detach?(net: Net): void;
  /** Is unit `unit` unusable in `net` for a reason the cloner knows (a second name is taken)? */
  unitTaken?(net: Net, unit: number): boolean;
}

const NO_INTERFACES: readonly Ifnet[] = [];

export class IfCloner {
  readonly spec: IfClonerSpec;
  readonly net: Net;
  /** Interfaces made here and alive, oldest first. */
  interfaces: readonly Ifnet[] = NO_INTERFACES;
  /** Units that are taken; null while none ever was, because a vnet has a dozen cloners and uses few. */
  private units: Set<number> | null = null;
  private lowestFree = 0;

  constructor(spec: IfClonerSpec, net: Net) {
    this.spec = spec;
    this.net = net;
  }

  get name(): string {
    return this.spec.name;
  }

  matches(name: string): boolean {
    return this.spec.match?.(name) ?? defaultMatch(this.name, name);
  }

  /** Reserves `unit` (at most `maxUnit`), or the lowest free one for -1. EEXIST, ENOSPC. */
  allocUnit(unit: number): { readonly error: Errno; readonly unit: number } {
    const max = this.spec.maxUnit ?? IF_MAXUNIT;
    if (unit >= 0) {
      if (this.unitInUse(unit)) return { error: EEXIST, unit: -1 };
      this.taken.add(unit);
      return { error: 0, unit };
    }
    while (this.taken.has(this.lowestFree)) this.lowestFree++;
    for (let u = this.lowestFree; u <= max; u++) {
      if (this.unitInUse(u)) continue;
      this.taken.add(u);
      return { error: 0, unit: u };
    }
    return { error: ENOSPC, unit: -1 };
  }

  freeUnit(unit: number): void {
    if (unit < 0) return;
    this.units?.delete(unit);
    if (unit < this.lowestFree) this.lowestFree = unit;
  }

  /** Puts an interface it made on its list and into its group. */
  link(ifp: Ifnet): void {
    ifp.cloner = this.name;
    this.interfaces = this.interfaces.concat(ifp);
    ifAddGroup(ifp, this.name);
  }

  /** `by` is what `ifp` was: in its place, and in no group but those of the vnet it was attached to. */
  replace(ifp: Ifnet, by: Ifnet): void {
    const at = this.interfaces.indexOf(ifp);
    if (at >= 0) this.interfaces = this.interfaces.map((other, i) => (i === at ? by : other));
  }

  unlink(ifp: Ifnet): boolean {
    const at = this.interfaces.indexOf(ifp);
    if (at < 0) return false;
    this.interfaces = this.interfaces.filter((_, i) => i !== at);
    return true;
  }

  /** Units that are taken. */
  get unitsTaken(): number {
    return this.units?.size ?? 0;
  }

  private get taken(): Set<number> {
    return (this.units ??= new Set());
  }

  private unitInUse(unit: number): boolean {
    return this.taken.has(unit) || this.net.ifunit(`${this.name}${unit}`) !== null || (this.spec.unitTaken?.(this.net, unit) ?? false);
  }
}

function defaultMatch(cloner: string, name: string): boolean {
  return name.startsWith(cloner) && /^[0-9]*$/.test(name.slice(cloner.length));
}

/** Attaches a cloner to `net`; null when one of that name is there already or the name is too long. */
export function ifcAttach(net: Net, spec: IfClonerSpec): IfCloner | null {
  if (spec.name.length > CLONER_NAME_MAX || net.cloners.some((c) => c.name === spec.name)) return null;
  const cloner = new IfCloner(spec, net);
  net.cloners.unshift(cloner);
  spec.attach?.(net);
  return cloner;
}

/** Takes a cloner away and destroys what it made, youngest first, wherever it is now. */
export function ifcDetach(cloner: IfCloner): void {
  const at = cloner.net.cloners.indexOf(cloner);
  if (at >= 0) cloner.net.cloners.splice(at, 1);
  for (let ifp = cloner.interfaces.at(-1); ifp !== undefined; ifp = cloner.interfaces.at(-1)) {
    if (ifcDestroyOne(cloner, ifp, IFC_F_FORCE) !== 0) cloner.unlink(ifp);
  }
  cloner.spec.detach?.(cloner.net);
}

/** Beyond an int a number is no number. */
const INT_MAX = 0x7fff_ffff;

/**
 * The unit in a name: the digits from the first digit on. -1 for none; EINVAL for a leading zero, for anything behind the
 * digits and for a number beyond an int; ENOSPC above `max`.
 */
export function ifcNameToUnit(name: string, max: number): { readonly error: Errno; readonly unit: number } {
  const at = name.search(/[0-9]/);
  if (at < 0) return { error: 0, unit: -1 };
  const digits = name.slice(at);
  const unit = Number(digits);
  if (!/^(0|[1-9][0-9]*)$/.test(digits) || unit > INT_MAX) return { error: EINVAL, unit: -1 };
  return unit > max ? { error: ENOSPC, unit: -1 } : { error: 0, unit };
}

/** SIOCIFCREATE2. EINVAL: no cloner makes such a name; EEXIST: it is taken; ENOSPC: units or letters are used up; ENXIO: somebody who was told of it destroyed it. */
export function ifCloneCreate(net: Net, name: string, params: CloneParams | null = null): CloneResult {
  net.kern.engine.assertThread();
  const cloner = net.cloners.find((c) => c.matches(name));
  if (cloner === undefined || name.length >= IFNAMSIZ) return { error: EINVAL, ifp: null };
  if (net.ifunit(name) !== null) return { error: EEXIST, ifp: null };
  if (net.kern.ifcnt >= net.ifMax) return { error: ENOSPC, ifp: null };
  let unit = -1;
  let xname = name;
  if (cloner.spec.needsUnit?.(name) ?? true) {
    const parsed = ifcNameToUnit(name.slice(cloner.name.length), cloner.spec.maxUnit ?? IF_MAXUNIT);
    if (parsed.error !== 0) return { error: parsed.error, ifp: null };
    const got = cloner.allocUnit(parsed.unit);
    if (got.error !== 0) return { error: got.error, ifp: null };
    unit = got.unit;
    xname = `${cloner.name}${unit}`;
  }
  const at = unit;
  return net.shared.lifecycle(() => make(net, cloner, xname, at, params));
}

function make(net: Net, cloner: IfCloner, xname: string, unit: number, params: CloneParams | null): CloneResult {
  const made = cloner.spec.create(net, cloner, xname, unit, params, null);
  if (made.ifp === null) {
    cloner.freeUnit(unit);
    return made;
  }
  // Whoever was told of it destroyed it (and freed the unit), or took the cloner away, and what that made goes with it.
  if (made.ifp.net === null) return { error: ENXIO, ifp: null };
  cloner.link(made.ifp);
  if (net.cloners.includes(cloner)) return made;
  ifcDestroyOne(cloner, made.ifp, IFC_F_FORCE);
  return { error: ENXIO, ifp: null };
}

/** SIOCIFDESTROY by name in `net`. ENXIO: no such interface; EINVAL: not cloned, or protected. */
export function ifCloneDestroy(net: Net, name: string): Errno {
  net.kern.engine.assertThread();
  const ifp = net.ifunit(name);
  if (ifp === null) return ENXIO;
  return ifCloneDestroyIfp(ifp, 0);
}

/** Destroys an interface through the cloner of its home vnet. */
export function ifCloneDestroyIfp(ifp: Ifnet, flags: number): Errno {
  const cloner = ifcOf(ifp);
  return cloner === null ? EINVAL : ifcDestroyOne(cloner, ifp, flags);
}

/** Is `ifp` being made at this moment, and not on its cloner's list yet? */
export function ifcIsMaking(ifp: Ifnet): boolean {
  return ifp.cloner === '' && (ifp.homeNet?.cloners.some((c) => c.name === ifp.dname) ?? false);
}

/** The cloner that answers for `ifp`: the one of its kind in its home vnet; null for what no cloner made. */
export function ifcOf(ifp: Ifnet): IfCloner | null {
  return ifp.homeNet?.cloners.find((c) => c.name === ifp.cloner) ?? null;
}

function ifcDestroyOne(cloner: IfCloner, ifp: Ifnet, flags: number): Errno {
  const inGroup = ifp.groups.includes(cloner.name);
  const unit = ifp.dunit;
  if (!cloner.unlink(ifp)) return ENXIO;
  if (inGroup) ifDelGroup(ifp, cloner.name);
  ifp.busy = true;
  const error = cloner.net.shared.lifecycle(() => cloner.spec.destroy(ifp, cloner, flags));
  if (error !== 0) {
    ifp.busy = false;
    cloner.interfaces = cloner.interfaces.concat(ifp);
    if (inGroup) ifAddGroup(ifp, cloner.name);
    return error;
  }
  cloner.freeUnit(unit);
  return 0;
}
