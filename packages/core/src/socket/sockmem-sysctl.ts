/**
 * sockmem-sysctl.ts — `kern.ipc`: how many packets there may be, and how much of them the sockets of a vnet may keep.
 * Read first: tuning(7) "kern.ipc.nmbclusters"; mbuf/packet-buffer.ts, kern/sock-mem.ts.
 *
 * What all vnets have in common is for the first one to change, and for all to read. FreeBSD's clusters of 4, 9 and 16 KB are one size here, which is
 * in the name as it is there.
 */
import type { SockMem } from '../kern/sock-mem.js';
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { LARGE_SLOT } from '../mbuf/packet-buffer.js';

const CLUSTERS_MIN = 256;
const CLUSTERS_MAX = 16 * 1024 * 1024;
const JUMBO_MIN = 16;
const JUMBO_MAX = 1024 * 1024;

/** A limit of the Kernel: its range, where it is kept, and how it is set. */
function limit(leaf: string, unit: string, min: number, max: number, help: string, get: (s: SockMem) => number, put: (s: SockMem, n: number) => void): SysctlOid<SockMem> {
  return {
    leaf, type: 'int', unit, min, max, help, get,
    set: (s, value) => {
      put(s, Number(value));
      return 0;
    },
  };
}

const LIMITS: readonly SysctlOid<SockMem>[] = [
  limit('nmbclusters', 'packets', CLUSTERS_MIN, CLUSTERS_MAX, 'Maximum number of mbuf clusters allowed', (s) => s.total.pool.smallMax, (s, n) => void (s.total.pool.smallMax = n)),
  limit('nmbjumbo65', 'packets', JUMBO_MIN, JUMBO_MAX, 'Maximum number of mbuf 65k jumbo clusters allowed', (s) => s.total.pool.largeMax, (s, n) => void (s.total.pool.largeMax = n)),
  limit('sockmem_max', 'bytes', LARGE_SLOT, Number.MAX_SAFE_INTEGER, 'Packet memory the sockets of one network stack may hold', (s) => s.total.vnetMax, (s, n) => void (s.total.vnetMax = n)),
];

const READINGS: readonly SysctlOid<SockMem>[] = [
  sysctlRead('sockmem', 'int', 'bytes', 'Packet memory the sockets of this network stack hold', (s) => s.bytes),
  sysctlRead('sockmem_peak', 'int', 'bytes', 'The most they have held', (s) => s.peak),
  sysctlRead('sockmem_denied', 'int', 'packets', 'Packets dropped because the sockets of this network stack held too much', (s) => s.denied),
];

const OF_THE_HOST: SysctlGroup<SockMem> = { prefix: 'kern.ipc', oids: [...LIMITS, ...READINGS] };
const OF_OTHERS: SysctlGroup<SockMem> = {
  prefix: 'kern.ipc',
  oids: [...LIMITS.map(({ leaf, unit, help, get }) => sysctlRead<SockMem>(leaf, 'int', unit, help, get)), ...READINGS],
};

export function sockMemSysctlAttach({ sysctl, sockmem, id }: VnetKern): void {
  sysctl.attach(id === 0 ? OF_THE_HOST : OF_OTHERS, sockmem);
}

export function sockMemSysctlDetach({ sysctl, sockmem }: VnetKern): void {
  sysctl.detach(sockmem);
}
