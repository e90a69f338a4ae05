/**
 * kernel-nodes.ts — the names of sysctl(8) that belong to the kernel or to a prison, not to a vnet.
 * Read first: sysctl(8); freebsd `sys/kern/kern_jail.c` (security.jail).
 *
 * They are made anew for each run, for the prison that asks: `kern.hostname` and `security.jail.*` are that prison's.
 */
import { EINVAL, EPERM } from '@netloom/core';
import type { Errno, SysctlNode, SysctlValue } from '@netloom/core';
import { findJailParam, JAIL_PARAMS } from '../jail/param-table.js';
import { OSRELDATE, OSRELEASE, OSTYPE } from '../kernel-identity.js';
import type { Proc } from '../proc.js';

const HOSTNAME_BYTES_MAX = 255;
/** Room for the text of a jail's parameter, as `security.jail.param.*` reports it. */
const PARAM_BYTES_MAX = 1_024;
const US_PER_S = 1_000_000;

function reading(name: string, help: string, value: SysctlValue): SysctlNode {
  return {
    name, type: typeof value === 'number' ? 'int' : 'string', help, unit: '', min: 0, max: 0, writable: false,
    get: () => value,
    set: () => EPERM,
  };
}

/** The prison's name for itself; a jail may change it with allow.set_hostname. */
function hostname(p: Proc): SysctlNode {
  const { prison } = p;
  const set = (value: SysctlValue): Errno => {
    if (prison.parent !== null && findJailParam('allow.set_hostname')?.param.get(prison, prison) !== 'true') return EPERM;
    if (String(value).length > HOSTNAME_BYTES_MAX) return EINVAL;
    prison.hostname = String(value);
    return 0;
  };
  return { name: 'kern.hostname', type: 'string', help: 'Hostname', unit: '', min: 0, max: 0, writable: true, get: () => prison.hostname, set };
}

export function kernelNodes(p: Proc): SysctlNode[] {
  const { prison } = p;
  const bootSeconds = Math.floor((p.wallUs() - p.now()) / US_PER_S);
  return [
    reading('kern.ostype', 'Operating system type', OSTYPE),
    reading('kern.osrelease', 'Operating system release', OSRELEASE),
    reading('kern.osreldate', 'Kernel release date', OSRELDATE),
    reading('kern.version', 'Kernel version', `${OSTYPE} ${OSRELEASE}`),
    hostname(p),
    reading('kern.boottime', 'System boottime', `{ sec = ${bootSeconds}, usec = 0 }`),
    reading('kern.features.inet', 'Internet Protocol version 4', 1),
    reading('kern.features.vimage', 'VIMAGE kernel virtualization', 1),
    reading('hw.machine', 'Machine class', 'netloom'),
    reading('hw.ncpu', 'Number of active CPUs', 1),
    reading('security.jail.jailed', 'Process in jail?', prison.parent === null ? 0 : 1),
    reading('security.jail.vnet', 'Jail owns vnet?', prison.ownsVnet ? 1 : 0),
    reading('security.jail.children.cur', 'Current number of child jails', prison.childrenCur),
    reading('security.jail.children.max', 'Maximum number of child jails', prison.childrenMax),
    ...JAIL_PARAMS.map((q) => reading(`security.jail.param.${q.name}`, q.help, q.type === 'string' ? String(PARAM_BYTES_MAX) : 0)),
  ];
}
