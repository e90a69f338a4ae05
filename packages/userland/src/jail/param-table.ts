/**
 * param-table.ts — the parameters a jail has in the kernel: name, type, when it may be set, and its present value.
 * Read first: jail(8) "Jail Parameters"; jail(2); freebsd `sys/kern/kern_jail.c` (SYSCTL_JAIL_PARAM).
 *
 * Theory of operation. Values cross this table as text: numbers in decimal, booleans as `true` and `false`, jailsys values as `disable`,
 * `new` and `inherit`, address lists with commas, '' for an empty list. What the stack acts upon (name, vnet, hostname, children.max, persist)
 * lives in the Prison; everything else is kept in `prison.params` and reported back, because there is nothing here it could govern: a jail has no file
 * system, no users and no System V IPC of its own. Restrictions (`allow.*`) follow FreeBSD's rule that a jail gets no more than its parent has.
 *
 * Not here: parameters of jail(8) itself, such as exec.start (internal-params.ts).
 */
import type { Prison } from '@netloom/core';
import { OSRELDATE, OSRELEASE } from '../kernel-identity.js';

/** Lists of addresses of one family. */
export type JailAddrType = 'ip4' | 'ip6';
export type JailParamType = 'int' | 'bool' | 'string' | 'jailsys' | JailAddrType;
/** rd: a reading; rdtun: set at creation only. */
export type JailParamAccess = 'rw' | 'rdtun' | 'rd';

export interface JailParam {
  readonly name: string;
  readonly type: JailParamType;
  readonly access: JailParamAccess;
  readonly help: string;
  /** Present value, as `viewer` (an ancestor, or itself) sees it. */
  get(prison: Prison, viewer: Prison): string;
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const bool = (value: boolean): string => (value ? 'true' : 'false');

function reading(name: string, type: JailParamType, access: JailParamAccess, help: string, get: (prison: Prison, viewer: Prison) => string): JailParam {
  return { name, type, access, help, get };
}

/** A parameter kept in `prison.params`. */
function kept(name: string, type: JailParamType, access: JailParamAccess, help: string, initial: (prison: Prison) => string): JailParam {
  return { name, type, access, help, get: (prison) => prison.params.get(name) ?? initial(prison) };
}

/** `allow.*`: prison 0 may everything, others what `initial` says, if their parent may. */
function allow(leaf: string, help: string, initial = false): JailParam {
  const name = `allow.${leaf}`;
  const get = (prison: Prison): string => {
    if (prison.parent === null) return 'true';
    return prison.params.get(name) ?? bool(initial && get(prison.parent) === 'true');
  };
  return { name, type: 'bool', access: 'rw', help, get };
}

/** Without addresses of a family a jail that shares a stack has none of it. */
const restricted = (family: JailAddrType) => (prison: Prison): string => {
  if (prison.ownsVnet) return 'inherit';
  return jailAddrs(prison, family).length === 0 ? 'disable' : 'new';
};

/** `ip4.addr`, `ip6.addr` */
export function jailAddrs(prison: Prison, family: JailAddrType): string[] {
  return (prison.params.get(`${family}.addr`) ?? '').split(',').filter((addr) => addr !== '');
}

export const isAddrList = (param: JailParam): boolean => param.type === 'ip4' || param.type === 'ip6';

const TOP: readonly JailParam[] = [
  kept('devfs_ruleset', 'int', 'rw', 'Ruleset for in-jail devfs mounts', () => '0'),
  reading('dying', 'bool', 'rd', 'Jail is in the process of shutting down', (p) => bool(p.dying)),
  kept('enforce_statfs', 'int', 'rw', 'Jail cannot see all mounted file systems', () => '2'),
  kept('host', 'jailsys', 'rw', 'Jail host info', () => 'new'),
  kept('ip4', 'jailsys', 'rdtun', 'Jail IPv4 address virtualization', restricted('ip4')),
  kept('ip6', 'jailsys', 'rdtun', 'Jail IPv6 address virtualization', restricted('ip6')),
  reading('jid', 'int', 'rdtun', 'Jail ID', (p) => String(p.jid)),
  reading('name', 'string', 'rw', 'Jail name', (p, viewer) => p.nameFrom(viewer)),
  kept('osreldate', 'int', 'rdtun', 'Jail value for kern.osreldate and uname -K', () => String(OSRELDATE)),
  kept('osrelease', 'string', 'rdtun', 'Jail value for kern.osrelease and uname -r', () => OSRELEASE),
  reading('parent', 'int', 'rd', 'Jail parent ID', (p, viewer) => (p.parent === null || p.parent === viewer ? '0' : String(p.parent.jid))),
  reading('path', 'string', 'rdtun', 'Jail root path', (p) => p.path),
  reading('persist', 'bool', 'rw', 'Jail persistence', (p) => bool(p.persist)),
  kept('securelevel', 'int', 'rw', 'Jail secure level', () => '-1'),
  kept('sysvmsg', 'jailsys', 'rw', 'SYSV message queues', () => 'disable'),
  kept('sysvsem', 'jailsys', 'rw', 'SYSV semaphores', () => 'disable'),
  kept('sysvshm', 'jailsys', 'rw', 'SYSV shared memory', () => 'disable'),
  reading('vnet', 'jailsys', 'rdtun', 'Virtual network stack', (p) => (p.ownsVnet ? 'new' : 'inherit')),
];

const DOTTED: readonly JailParam[] = [
  allow('chflags', 'Jail may alter system file flags'),
  allow('mlock', 'Jail may lock (unlock) physical pages in memory'),
  allow('mount', 'Jail may mount/unmount jail-friendly file systems in general'),
  ...['devfs', 'fdescfs', 'linprocfs', 'linsysfs', 'nullfs', 'procfs', 'tmpfs', 'zfs'].map((fs) => allow(`mount.${fs}`, `Jail may mount the ${fs} file system`)),
  allow('nfsd', 'Mountd/nfsd may run in the jail'),
  allow('quotas', 'Jail may set file quotas'),
  allow('raw_sockets', 'Jail may create raw sockets'),
  allow('read_msgbuf', 'Jail may read the kernel message buffer'),
  allow('reserved_ports', 'Jail may bind sockets to reserved ports', true),
  allow('set_hostname', 'Jail may set hostname', true),
  allow('socket_af', 'Jail may create sockets other than just UNIX/IPv4/IPv6/route'),
  allow('suser', 'Processes in jail with uid 0 have privilege', true),
  allow('sysvipc', 'Jail may use SYSV IPC'),
  allow('unprivileged_proc_debug', 'Unprivileged processes may use process debugging facilities', true),
  reading('children.cur', 'int', 'rd', 'Current number of child jails', (p) => String(p.childrenCur)),
  reading('children.max', 'int', 'rw', 'Maximum number of child jails', (p) => String(p.childrenMax)),
  reading('cpuset.id', 'int', 'rd', 'Jail cpuset ID', () => '1'),
  kept('host.domainname', 'string', 'rw', 'Jail NIS domainname', () => ''),
  kept('host.hostid', 'int', 'rw', 'Jail host ID', () => '0'),
  reading('host.hostname', 'string', 'rw', 'Jail hostname', (p) => p.hostname),
  kept('host.hostuuid', 'string', 'rw', 'Jail host UUID', () => NIL_UUID),
  kept('ip4.addr', 'ip4', 'rw', 'Jail IPv4 addresses', () => ''),
  kept('ip4.saddrsel', 'bool', 'rw', 'Do (not) use IPv4 source address selection rather than the primary jail IPv4 address.', () => 'true'),
  kept('ip6.addr', 'ip6', 'rw', 'Jail IPv6 addresses', () => ''),
  kept('ip6.saddrsel', 'bool', 'rw', 'Do (not) use IPv6 source address selection rather than the primary jail IPv6 address.', () => 'true'),
];

/** Every parameter, in the order jls(8) lists them: names without a dot first. */
export const JAIL_PARAMS: readonly JailParam[] = [...TOP, ...DOTTED];

const BY_NAME: ReadonlyMap<string, JailParam> = new Map(JAIL_PARAMS.map((p) => [p.name, p]));

/** `foo` → `nofoo`, `a.foo` → `a.nofoo`. */
export function negatedName(name: string): string {
  return name.replace(/[^.]*$/, (leaf) => `no${leaf}`);
}

export interface FoundParam {
  readonly param: JailParam;
  /** It was named `nofoo`. */
  readonly negated: boolean;
}

/** The parameter of this name, or the boolean (or vnet) its `no` form negates; null when there is none. */
export function findJailParam(name: string): FoundParam | null {
  const exact = BY_NAME.get(name);
  if (exact !== undefined) return { param: exact, negated: false };
  const leaf = name.slice(name.lastIndexOf('.') + 1);
  if (!leaf.startsWith('no')) return null;
  const param = BY_NAME.get(name.slice(0, name.length - leaf.length) + leaf.slice(2));
  return param !== undefined && (param.type === 'bool' || param.name === 'vnet') ? { param, negated: true } : null;
}
