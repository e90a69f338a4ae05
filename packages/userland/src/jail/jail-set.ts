/**
 * jail-set.ts — making a jail and changing one: jail_set(2) over a list of parameters.
 * Read first: jail(2); freebsd `sys/kern/kern_jail.c` kern_jail_set.
 *
 * Every check is made before anything changes. A refusal carries jail_set's own words; where it has none, `jail_set: ` and strerror.
 */
import { EEXIST, EINVAL, ENAMETOOLONG, ENOENT, EPERM, strerror } from '@netloom/core';
import type { Errno, JailCreate, Prison } from '@netloom/core';
import type { Proc } from '../proc.js';
import { findJailParam } from './param-table.js';

/** Parameter to value, in the form of param-table.ts. */
export type JailValues = ReadonlyMap<string, string>;

export interface JailSet {
  readonly prison: Prison | null;
  readonly error: Errno;
  /** '' on success. */
  readonly message: string;
}

function refuse(error: Errno, message = ''): JailSet {
  return { prison: null, error, message: message === '' ? `jail_set: ${strerror(error)}` : message };
}

const RANGES: readonly (readonly [name: string, min: number, max: number, error: Errno])[] = [
  ['enforce_statfs', 0, 2, EINVAL],
  ['devfs_ruleset', 0, 65_535, EINVAL],
  ['children.max', 0, 999_998, EINVAL],
];

/** Bytes of the texts that have room for no more. */
const LENGTHS: Readonly<Record<string, number>> = { path: 1_023, 'host.hostname': 255, 'host.domainname': 255, 'host.hostuuid': 63 };

/** Values the parent does not permit. */
function checkValues(values: JailValues, parent: Prison): JailSet | null {
  for (const [name, min, max, error] of RANGES) {
    const value = Number(values.get(name) ?? min);
    if (value < min || value > max) return refuse(error);
  }
  for (const [name, value] of values) {
    if (value.length > (LENGTHS[name] ?? Infinity)) return refuse(ENAMETOOLONG);
  }
  const childrenMax = values.get('children.max');
  if (childrenMax !== undefined && Number(childrenMax) >= parent.childrenMax) return refuse(EPERM);
  for (const [name, value] of values) {
    if (!name.startsWith('allow.') || value !== 'true') continue;
    if (findJailParam(name)?.param.get(parent, parent) !== 'true') return refuse(EPERM);
  }
  return null;
}

function checkNetwork(values: JailValues, ownsVnet: boolean): JailSet | null {
  const restricts = ['ip4', 'ip6', 'ip4.addr', 'ip6.addr'].some((name) => values.has(name) && values.get(name) !== 'inherit');
  return ownsVnet && restricts ? refuse(EINVAL, 'vnet jails cannot have IP address restrictions') : null;
}

/** Stores what the checks let through. */
function store(prison: Prison, values: JailValues): void {
  for (const [name, value] of values) {
    switch (name) {
      case 'jid':
      case 'name':
      case 'vnet':
        break;
      case 'path':
        prison.path = value === '' ? '/' : value;
        break;
      case 'persist':
        prison.persist = value === 'true';
        break;
      case 'host.hostname':
        prison.hostname = value;
        break;
      case 'children.max':
        prison.childrenMax = Number(value);
        break;
      default:
        prison.params.set(name, value);
    }
  }
  if (values.get('host') === 'inherit' && prison.parent !== null) prison.hostname = prison.parent.hostname;
}

/** JAIL_CREATE below the caller's prison. */
export function jailCreate(p: Proc, values: JailValues): JailSet {
  const viewer = p.prison;
  if (viewer.parent !== null && viewer.childrenMax === 0) return refuse(EPERM);
  const ownsVnet = values.get('vnet') === 'new';
  const name = values.get('name');
  const dot = name?.lastIndexOf('.') ?? -1;
  const parent = dot > 0 && name !== undefined ? p.kernel.prisons.find(viewer, name.slice(0, dot)) : viewer;
  const refused = checkNetwork(values, ownsVnet) ?? (parent === null ? null : checkValues(values, parent));
  if (refused !== null) return refused;
  const jid = Number(values.get('jid') ?? 0);
  if (jid < 0) return refuse(EINVAL, 'negative jid');
  const want: JailCreate = {
    ...(name !== undefined && name !== '' ? { name } : {}),
    ...(jid !== 0 ? { jid } : {}),
    persist: values.get('persist') === 'true',
    attach: false,
    vnet: ownsVnet,
  };
  const made = p.kernel.call(p.now(), () => p.kernel.jailCreate(viewer, want));
  if (made.prison === null) return refuse(made.error, made.error === EEXIST && name !== undefined ? made.message.replace(/"[^"]*"/, `"${name}"`) : made.message);
  store(made.prison, values);
  return { prison: made.prison, error: 0, message: '' };
}

/**
 * JAIL_UPDATE of a jail below the caller's prison. A dying one is changed with `mayDie` (JAIL_DYING) only, and never made persistent: its
 * stack has been stopped, it does not come back.
 */
export function jailUpdate(p: Proc, prison: Prison, values: JailValues, mayDie = false): JailSet {
  if (prison.dying && (!mayDie || values.get('persist') === 'true')) return refuse(ENOENT, `jail ${prison.jid} is dying`);
  const refused = checkNetwork(values, prison.ownsVnet) ?? checkValues(values, prison.parent ?? p.prison);
  if (refused !== null) return refused;
  if (values.has('vnet')) return refuse(EINVAL, 'vnet cannot be changed after creation');
  const name = values.get('name');
  if (name !== undefined && name !== prison.nameFrom(p.prison)) {
    const renamed = renameJail(p, prison, name);
    if (renamed.error !== 0) return renamed;
  }
  store(prison, values);
  if (values.get('persist') === 'false') p.kernel.call(p.now(), () => p.kernel.prisonRelease(prison));
  return { prison, error: 0, message: '' };
}

/** A new name has the same parent. */
function renameJail(p: Proc, prison: Prison, name: string): JailSet {
  const dot = name.lastIndexOf('.');
  const full = prison.nameFrom(p.prison);
  if (dot >= 0 && name.slice(0, dot) !== full.slice(0, Math.max(0, full.lastIndexOf('.')))) return refuse(EINVAL, "cannot change jail's parent");
  const renamed = p.kernel.prisons.rename(prison, name.slice(dot + 1));
  return renamed.error === 0 ? { prison, error: 0, message: '' } : refuse(renamed.error, renamed.message);
}
