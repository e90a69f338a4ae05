/**
 * prison.ts — jails: who owns which vnet, who may see whom, how many children.
 * Read first: jail(2), jail(8); reference notes "Who owns a vnet".
 *
 * Theory of operation. Prisons form a tree below prison 0 (the host). Each has the vnet it runs in: its parent's, or one of
 * its own when it was made with `vnet`. Names are local to the parent; `fullName` joins them with dots. A prison that is not
 * `persist` lives as long as the processes attached to it. Removal takes children before parents; the processes attached
 * are told to end (`Attached.kill`), sockets do not keep a prison alive.
 *
 * Invariants: a prison's children list holds exactly the prisons whose parent it is; jids are never reused.
 * Not here: what a vnet is. The tree is generic in it; vnet/kernel.ts joins the two.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENOENT, EPERM } from '../base/errno.js';

/** Something that runs inside a prison and must end with it: a tool, a host program. */
export interface Attached {
  kill(): void;
}

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
  /** Children it may have, nested ones included (`children.max`). */
  childrenMax: number;
  dying = false;
  /** Other parameters, as given (`allow.raw_sockets`, `host.domainname` …). */
  readonly params = new Map<string, string>();
  readonly children: Prison<V>[] = [];
  readonly attached = new Set<Attached>();

  constructor(jid: number, parent: Prison<V> | null, name: string, vnet: V, ownsVnet: boolean) {
    this.jid = jid;
    this.parent = parent;
    this.name = name;
    this.hostname = '';
    this.path = '/';
    this.vnet = vnet;
    this.ownsVnet = ownsVnet;
    this.persist = false;
    this.childrenMax = parent === null ? 999_999 : 0;
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
}

export interface PrisonCreate<V> {
  /** Local or dotted name; absent: the jid becomes the name. */
  readonly name?: string;
  readonly jid?: number;
  readonly persist: boolean;
  /** A process will attach at once (jail -c … command=). */
  readonly attach: boolean;
  /** Builds the vnet of its own; absent: the parent's is shared. Called after every check has passed. */
  readonly newVnet?: (name: string) => V;
}

/** Outcome of a call that can fail with words, as jail(2) returns them in `errmsg`. */
export interface PrisonResult<V> {
  readonly error: Errno;
  readonly message: string;
  readonly prison: Prison<V> | null;
}

const NAME_BYTES_MAX = 256;

export class PrisonTree<V> {
  readonly prison0: Prison<V>;
  private lastJid = 0;

  constructor(vnet0: V) {
    this.prison0 = new Prison<V>(0, null, '0', vnet0, true);
    this.prison0.persist = true;
    this.prison0.hostname = 'netloom';
  }

  /** The descendant of `viewer` with that jid or name (dotted for nested ones), or null. Names win over nothing: digits are a jid. */
  find(viewer: Prison<V>, nameOrJid: string): Prison<V> | null {
    if (/^[0-9]+$/.test(nameOrJid)) {
      const jid = Number(nameOrJid);
      return viewer.descendants().find((p) => p.jid === jid) ?? null;
    }
    let at: Prison<V> | undefined = viewer;
    for (const part of nameOrJid.split('.')) at = at?.children.find((c) => c.name === part);
    return at ?? null;
  }

  create(viewer: Prison<V>, want: PrisonCreate<V>): PrisonResult<V> {
    if (!want.persist && !want.attach) return fail(EINVAL, 'new jail must persist or attach');
    const dot = want.name?.lastIndexOf('.') ?? -1;
    const parent = dot >= 0 && want.name !== undefined ? this.find(viewer, want.name.slice(0, dot)) : viewer;
    if (parent === null) return fail(ENOENT, `jail "${want.name?.slice(0, dot) ?? ''}" not found`);
    const local = dot >= 0 ? want.name?.slice(dot + 1) : want.name;
    const refused = this.checkName(local, want.jid, parent) ?? this.checkJid(want.jid) ?? this.checkLimits(parent);
    if (refused !== null) return refused;
    const jid = want.jid ?? this.lastJid + 1;
    this.lastJid = Math.max(this.lastJid, jid);
    const name = local ?? String(jid);
    const vnet = want.newVnet === undefined ? parent.vnet : want.newVnet(name);
    const prison = new Prison<V>(jid, parent, name, vnet, want.newVnet !== undefined);
    prison.persist = want.persist;
    prison.hostname = '';
    parent.children.push(prison);
    return { error: 0, message: '', prison };
  }

  /** Checks a new name for an existing prison and takes it. */
  rename(prison: Prison<V>, name: string): PrisonResult<V> {
    if (prison.parent === null) return fail(EINVAL, 'prison 0 cannot be renamed');
    if (name === prison.name) return { error: 0, message: '', prison };
    const refused = this.checkName(name, prison.jid, prison.parent);
    if (refused !== null) return refused;
    prison.name = name;
    return { error: 0, message: '', prison };
  }

  /**
   * Takes `prison` and everything below it out of the tree, children first. `stop` is called for each, after its processes
   * were told to end and while it still has its place in the tree; it takes the vnet down if the prison owns it.
   */
  remove(prison: Prison<V>, stop: (p: Prison<V>) => void): Errno {
    if (prison.parent === null) return EPERM;
    if (prison.dying) return EBUSY;
    prison.dying = true;
    for (const child of [...prison.children].reverse()) this.remove(child, stop);
    for (const a of [...prison.attached]) a.kill();
    prison.attached.clear();
    stop(prison);
    const at = prison.parent.children.indexOf(prison);
    if (at >= 0) prison.parent.children.splice(at, 1);
    return 0;
  }

  private checkName(name: string | undefined, jid: number | undefined, parent: Prison<V>): PrisonResult<V> | null {
    if (name === undefined) return null;
    if (name === '' || name.length >= NAME_BYTES_MAX || /[\s/*"']/.test(name)) return fail(EINVAL, `name "${name}" is not valid`);
    if (/^[0-9]+$/.test(name) && Number(name) !== jid) return fail(EINVAL, 'name cannot be numeric (unless it is the jid)');
    if (parent.children.some((c) => c.name === name)) return fail(EEXIST, `jail "${name}" already exists`);
    return null;
  }

  private checkJid(jid: number | undefined): PrisonResult<V> | null {
    if (jid === undefined) return null;
    if (!Number.isInteger(jid) || jid < 1 || jid > 999_999) return fail(EINVAL, `negative or zero jid, or above 999999: ${jid}`);
    const taken = this.prison0.descendants().some((p) => p.jid === jid);
    return taken ? fail(EEXIST, `jail ${jid} already exists`) : null;
  }

  private checkLimits(parent: Prison<V>): PrisonResult<V> | null {
    if (parent.dying) return fail(ENOENT, `jail "${parent.name}" is dying`);
    for (let p: Prison<V> | null = parent; p !== null; p = p.parent) {
      if (p.childrenCur >= p.childrenMax) return fail(EPERM, 'prison limit exceeded');
    }
    return null;
  }
}

function fail<V>(error: Errno, message: string): PrisonResult<V> {
  return { error, message, prison: null };
}
