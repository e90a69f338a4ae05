/**
 * if-sysctl.ts — tunables of interfaces in general: how many a vnet has and may have, how long their descriptions may be.
 * Read first: ifmib(4).
 */
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { IF_QUEUE_SYSCTLS } from './if-queue-sysctl.js';
import { IFNETS_MAX } from './net.js';
import type { Net, NetShared } from './net.js';

const IF_SYSCTLS: SysctlGroup<Net> = {
  prefix: 'net.link.generic.system',
  oids: [
    sysctlRead('ifcount', 'int', '', 'Interfaces of this network stack', (net) => net.kern.ifcnt),
    sysctlInt('ifcount_max', 'ifMax', '', 1, IFNETS_MAX, 'Interfaces that may be made here or move in; those that come home always may'),
  ],
};

const U32_MAX = 0xffff_ffff;
const IFDESCR_HELP = 'Longest description of an interface, the zero at its end included';
/** What all vnets have in common is for the first one to change, and for all to read. */
const SHARED_SYSCTLS: SysctlGroup<NetShared> = {
  prefix: 'net',
  oids: [sysctlInt('ifdescr_maxlen', 'ifdescrBytesMax', 'bytes', 0, U32_MAX, IFDESCR_HELP)],
};
const SHARED_READINGS: SysctlGroup<NetShared> = {
  prefix: 'net',
  oids: [sysctlRead<NetShared>('ifdescr_maxlen', 'int', 'bytes', IFDESCR_HELP, (shared) => shared.ifdescrBytesMax)],
};

/** Gives the tunables of `net` their names. */
export function ifSysctlAttach(net: Net): void {
  const { sysctl, id } = net.kern;
  sysctl.attach(IF_SYSCTLS, net);
  sysctl.attach(IF_QUEUE_SYSCTLS, net);
  sysctl.attach(id === 0 ? SHARED_SYSCTLS : SHARED_READINGS, net.shared);
}

/** Takes the names away again. */
export function ifSysctlDetach(net: Net): void {
  net.kern.sysctl.detach(net);
  net.kern.sysctl.detach(net.shared);
}
