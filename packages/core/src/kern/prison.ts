/**
 * prison.ts — jails: who owns which vnet, who may see whom, how many children.
 * Read first: jail(2), jail(8); freebsd `sys/kern/kern_jail.c` for the order of the checks.
 *
 * Theory of operation. Prisons form a tree below prison 0 (the host). Each has the vnet it runs in: its parent's, or one of
 * its own when it was made with `vnet`. Names are local to the parent; `nameFrom` joins them with dots. A prison that is not
 * `persist` lives as long as something uses it: a process attached to it, or a child. Removal (prison-stop.ts) takes children
 * before parents and tells the processes attached to end (`Attached.kill`); sockets do not keep a prison alive.
 * What has to be waited for, because it is outside of the kernel's reach, holds the prison by name (`hold`). A prison that was
 * removed and is still held is dying: it keeps its jid and its place, its name may be taken by another, nothing new comes into
 * it, and it does not come back.
 * Jids are handed out ascending and start again at 1 after 999,999; a jid is free again when its prison is gone.
 * `children.max` limits what is created from inside a prison; the host may put a jail below any jail.
 *
 * Invariants: a prison's children list holds exactly the prisons whose parent it is; no two prisons have one jid, no two
 * siblings that live one name. A dying prison gets no children, and is found by its name only while no living one has it.
 * Not here: how a prison ends (prison-stop.ts); what a vnet is. The tree is generic in it; vnet/kernel.ts joins the two.
 */
import type { Errno } from '../base/errno.js';
import { EAGAIN, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, EPERM } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { utf8Encode } from '../wire/utf8.js';

/** What the tree tells of: made; renamed; asked to go; all below it is told to end; out of the tree. */
export type PrisonEvent = 'CREATE' | 'RENAME' | 'REMOVE' | 'DYING' | 'GONE';

/** Something that runs inside a prison and must end with it: a tool, a host program. */
export interface Attached {
  kill(): void;
}

/** Something outside that must be over before a prison can be gone. */
export interface PrisonHold {
  /** For people: `process 12 (sleep 60)`. */
  readonly what: string;
  /** The limit has come: make it end, it is not waited for any longer. */
  readonly force: () => void;
}

/** Highest jid handed out. */
const JAIL_MAX = 999_999;
const JID_MAX = 0x7fff_ffff;
/** Bytes a full name may have, its terminating zero included, as FreeBSD counts. */
const NAME_BYTES_MAX = 256;

export class Prison<V> {
  readonly jid: number;
  readonly parent: Prison<V> | null;
  /** Name relative to the parent; '0' for prison 0. */
  name: string;
  hostname: string;
  path: string;
  /** The vnet it runs in. */
  readonly vnet: V;
  /** Made with `vnet`: the vnet dies with the prison. */
  readonly ownsVnet: boolean;
  persist: boolean;
  dying = false;
  /** When it was removed; of a dying one. */
  stoppedUs: Micros = 0;
  /** Other parameters, as given (`allow.raw_sockets`, `host.domainname` …). */
  readonly params = new Map<string, string>();
  readonly children: Prison<V>[] = [];
  readonly attached = new Set<Attached>();
  readonly holds = new Set<PrisonHold>();
  /** Told of each hold that is let go; set while it is dying. */
  onLetGo: ((hold: PrisonHold) => void) | null = null;
  private childLimit: number;

  constructor(jid: number, parent: Prison<V> | null, name: string, vnet: V, ownsVnet: boolean) {
    this.jid = jid;
    this.parent = parent;
    this.name = name;
    this.hostname = '';
    this.path = '/';
    this.vnet = vnet;
    this.ownsVnet = ownsVnet;
    this.persist = false;
    this.childLimit = parent === null ? JAIL_MAX : 0;
  }

  /** Children its own processes may create, nested ones included (`children.max`). */
  get childrenMax(): number {
    return this.childLimit;
  }

  /** Lowering it lowers the limits below it: one less with each level. */
  set childrenMax(limit: number) {
    this.childLimit = Math.max(0, limit);
    for (const c of this.children) if (c.childLimit > limit - 1) c.childrenMax = limit - 1;
  }

  /** Name as seen from `viewer` (an ancestor): 'a.b'. */
  nameFrom(viewer: Prison<V>): string {
    if (this === viewer) return '0';
    return this.parent === null || this.parent === viewer ? this.name : `${this.parent.nameFrom(viewer)}.${this.name}`;
  }

  /** All descendants, parents before children. */
  descendants(): Prison<V>[] {
    return this.children.flatMap((c) => [c, ...c.descendants()]);
  }

  get childrenCur(): number {
    return this.children.reduce((n, c) => n + 1 + c.childrenCur, 0);
  }

  /**
   * Keeps the prison from being gone until the function returned is called, in thread context. Removing it is not prevented:
   * it is dying then, for as long as security.jail.stop_limit_s allows; `force` is called when that time is over.
   */
  hold(what: string, force: () => void = () => {}): () => void {
    const hold: PrisonHold = { what, force };
    this.holds.add(hold);
    return () => {
      if (this.holds.delete(hold)) this.onLetGo?.(hold);
    };
  }

  /** Nothing uses it any more. */
  get isReleasable(): boolean {
    return this.parent !== null && !this.persist && !this.dying && this.attached.size === 0 && this.children.length === 0;
  }
}

export interface PrisonCreate<V> {
  /** Local or dotted name; absent, or nothing behind the last dot: the jid becomes the name. */
  readonly name?: string;
  /** Above 0. Absent: a name of digits only is the jid, otherwise the next free one. */
  readonly jid?: number;
  readonly persist: boolean;
  /** A process will attach at once (jail -c … command=). */
  readonly attach: boolean;
  /** Builds the vnet of its own, given the prison's name from outside; absent: the parent's is shared. Called after every check has passed. */
  readonly newVnet?: (name: string) => V;
}

/** Outcome of a call that can fail with words, as jail(2) returns them in `errmsg`. */
export interface PrisonResult<V> {
  readonly error: Errno;
  readonly message: string;
  readonly prison: Prison<V> | null;
}

/** A name split at its last dot. */
interface SplitName {
  readonly parent: string | null;
  readonly local: string;
}

function splitName(name: string): SplitName {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? { parent: null, local: name } : { parent: name.slice(0, dot), local: name.slice(dot + 1) };
}

export class PrisonTree<V> {
  readonly prison0: Prison<V>;
  /** Told of each change, while the prison has its place in the tree; `was`: its name until now, from outside, for RENAME. */
  onEvent: ((event: PrisonEvent, prison: Prison<V>, was: string) => void) | null = null;
  private lastJid = 0;
  private readonly byJid = new Map<number, Prison<V>>();

  constructor(vnet0: V) {
    this.prison0 = new Prison<V>(0, null, '0', vnet0, true);
    this.prison0.persist = true;
    this.prison0.hostname = 'netloom';
  }

  /** The descendant of `viewer` with that jid or name (dotted for nested ones), or null. Digits only are a jid. A living one comes before a dying one. */
  find(viewer: Prison<V>, nameOrJid: string): Prison<V> | null {
    if (/^[0-9]+$/.test(nameOrJid)) {
      const prison = this.byJid.get(Number(nameOrJid)) ?? null;
      for (let p = prison; p !== null; p = p.parent) if (p.parent === viewer) return prison;
      return null;
    }
    let found: readonly Prison<V>[] = [viewer];
    for (const part of nameOrJid.split('.')) found = found.flatMap((p) => p.children.filter((c) => c.name === part));
    return found.find((p) => !p.dying) ?? found.at(-1) ?? null;
  }

  /**
   * Makes a prison below `viewer`, or below the jail its dotted name names. EINVAL, EEXIST, ENOENT, EPERM, EAGAIN, ENAMETOOLONG
   * with the words jail(8) prints; nothing has happened then.
   */
  create(viewer: Prison<V>, want: PrisonCreate<V>): PrisonResult<V> {
    if (!want.persist && !want.attach) return fail(EINVAL, 'new jail must persist or attach');
    if (viewer.dying) return fail(EAGAIN, '');
    const { parent: above, local } = splitName(want.name ?? '');
    const asked = want.jid ?? (/^[0-9]+$/.test(local) ? Number(local) : 0);
    if (asked < 0) return fail(EINVAL, 'negative jid');
    if (!Number.isInteger(asked) || asked > JID_MAX) return fail(EINVAL, '');
    if (this.byJid.has(asked)) return fail(EEXIST, `jail ${asked} already exists`);
    const parent = above === null ? viewer : this.find(viewer, above);
    if (parent === null) return fail(ENOENT, `jail "${above ?? ''}" not found`);
    if (parent.dying) return fail(ENOENT, `jail "${above ?? ''}" is dying`);
    if (local !== '' && isTaken(parent, local)) return fail(EEXIST, `jail "${want.name ?? ''}" already exists`);
    for (let p: Prison<V> | null = viewer; p !== null; p = p.parent) {
      if (p.childrenCur >= p.childrenMax) return fail(EPERM, 'prison limit exceeded');
    }
    const jid = asked !== 0 ? asked : this.nextJid();
    if (jid === 0) return fail(EAGAIN, 'no available jail IDs');
    const name = local === '' ? String(jid) : local;
    const refused = this.checkName(name, jid, parent, 0);
    return refused ?? this.make(parent, jid, name, want, asked === 0);
  }

  private make(parent: Prison<V>, jid: number, name: string, want: PrisonCreate<V>, assigned: boolean): PrisonResult<V> {
    const vnet = want.newVnet === undefined ? parent.vnet : want.newVnet(parent.parent === null ? name : `${parent.nameFrom(this.prison0)}.${name}`);
    const prison = new Prison<V>(jid, parent, name, vnet, want.newVnet !== undefined);
    prison.persist = want.persist;
    if (assigned) this.lastJid = jid;
    this.byJid.set(jid, prison);
    parent.children.push(prison);
    this.onEvent?.('CREATE', prison, '');
    return { error: 0, message: '', prison };
  }

  /** Checks a new local name for an existing prison and takes it; '' is its jid. */
  rename(prison: Prison<V>, name: string): PrisonResult<V> {
    const { parent } = prison;
    if (parent === null) return fail(EINVAL, 'prison 0 cannot be renamed');
    if (name.includes('.')) return fail(EINVAL, "cannot change jail's parent");
    const to = name === '' ? String(prison.jid) : name;
    if (to === prison.name) return { error: 0, message: '', prison };
    if (isTaken(parent, to)) return fail(EEXIST, `jail "${to}" already exists`);
    const below = Math.max(0, ...prison.descendants().map((d) => utf8Encode(d.nameFrom(prison)).length + 1));
    const refused = this.checkName(to, prison.jid, parent, below);
    if (refused !== null) return refused;
    const was = prison.nameFrom(this.prison0);
    prison.name = to;
    this.onEvent?.('RENAME', prison, was);
    return { error: 0, message: '', prison };
  }

  /** Marks `prison` and everything below it as dying; returns those that were not dying before, children first. */
  beginStop(prison: Prison<V>, now: Micros): Prison<V>[] {
    const all = [prison, ...prison.descendants()].filter((p) => !p.dying);
    if (all.length > 0) this.onEvent?.('REMOVE', prison, '');
    for (const p of all) {
      p.dying = true;
      p.persist = false;
      p.stoppedUs = now;
    }
    for (const p of all) this.onEvent?.('DYING', p, '');
    return all.reverse();
  }

  /** Takes a prison without children out of the tree; false when it is out already. */
  unlink(prison: Prison<V>): boolean {
    const siblings = prison.parent?.children ?? [];
    const at = siblings.indexOf(prison);
    if (at < 0) return false;
    this.onEvent?.('GONE', prison, '');
    siblings.splice(at, 1);
    this.byJid.delete(prison.jid);
    return true;
  }

  /** The next jid nobody has, after the last one handed out; 0 when there is none. */
  private nextJid(): number {
    for (let i = 0; i < JAIL_MAX; i++) {
      const jid = ((this.lastJid + i) % JAIL_MAX) + 1;
      if (!this.byJid.has(jid)) return jid;
    }
    return 0;
  }

  /** A name may be a number only when that is the jid, in its normal form. `below`: bytes the longest descendant adds. */
  private checkName(name: string, jid: number, parent: Prison<V>, below: number): PrisonResult<V> | null {
    if (/^[0-9]+$/.test(name) && name !== String(jid)) return fail(EINVAL, 'name cannot be numeric (unless it is the jid)');
    const prefix = parent.parent === null ? 0 : utf8Encode(parent.nameFrom(this.prison0)).length + 1;
    return prefix + utf8Encode(name).length + below >= NAME_BYTES_MAX ? fail(ENAMETOOLONG, '') : null;
  }
}

/** Has a living child of `parent` this name? */
function isTaken<V>(parent: Prison<V>, name: string): boolean {
  return parent.children.some((c) => c.name === name && !c.dying);
}

function fail<V>(error: Errno, message: string): PrisonResult<V> {
  return { error, message, prison: null };
}
