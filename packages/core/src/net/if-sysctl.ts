/**
 * if-sysctl.ts — `net.link.generic.system.*`: how many interfaces a vnet has and may have.
 * Read first: ifmib(4).
 */
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { IFNETS_MAX } from './net.js';
import type { Net } from './net.js';

export const IF_SYSCTLS: SysctlGroup<Net> = {
  prefix: 'net.link.generic.system',
  oids: [
    sysctlRead('ifcount', 'int', '', 'Interfaces of this network stack', (net) => net.kern.ifcnt),
    sysctlInt('ifcount_max', 'ifMax', '', 1, IFNETS_MAX, 'Interfaces that may be made here or move in; those that come home always may'),
  ],
};
