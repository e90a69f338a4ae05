/**
 * sockmem-sysctl.ts — `kern.ipc`: how many packets there may be, and how much of them the sockets of a vnet may keep.
 * Read first: tuning(7) "kern.ipc.nmbclusters"; mbuf/packet-buffer.ts, kern/sock-mem.ts.
 *
 * The pool is one for all vnets, and its limits are the first vnet's to change. FreeBSD's clusters of 4, 9 and 16 KB are one size here, which is
 * in the name as it is there.
 */
import type { SockMem } from '../kern/sock-mem.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { LARGE_SLOT } from '../mbuf/packet-buffer.js';
import type { PacketPool } from '../mbuf/packet-buffer.js';

const CLUSTERS_MIN = 256;
const CLUSTERS_MAX = 16 * 1024 * 1024;
const JUMBO_MIN = 16;
const JUMBO_MAX = 1024 * 1024;

const POOL_SYSCTLS: SysctlGroup<PacketPool> = {
  prefix: 'kern.ipc',
  oids: [
    sysctlInt('nmbclusters', 'smallMax', 'packets', CLUSTERS_MIN, CLUSTERS_MAX, 'Maximum number of mbuf clusters allowed'),
    sysctlInt('nmbjumbo65', 'largeMax', 'packets', JUMBO_MIN, JUMBO_MAX, 'Maximum number of mbuf 65k jumbo clusters allowed'),
  ],
};

const LIMIT_HELP = 'Packet memory the sockets of one network stack may hold';

const READINGS: readonly SysctlOid<SockMem>[] = [
  sysctlRead('sockmem', 'int', 'bytes', 'Packet memory the sockets of this network stack hold', (s) => s.bytes),
  sysctlRead('sockmem_peak', 'int', 'bytes', 'The most they have held', (s) => s.peak),
  sysctlRead('sockmem_denied', 'int', 'packets', 'Packets dropped because the sockets of this network stack held too much', (s) => s.denied),
];

const SOCKMEM_SYSCTLS: SysctlGroup<SockMem> = {
  prefix: 'kern.ipc',
  oids: [
    ...READINGS,
    {
      leaf: 'sockmem_max', type: 'int', unit: 'bytes', min: LARGE_SLOT, max: Number.MAX_SAFE_INTEGER, help: LIMIT_HELP,
      get: (s) => s.total.vnetMax,
      set: (s, value) => {
        s.total.vnetMax = Number(value);
        return 0;
      },
    },
  ],
};

const SOCKMEM_READINGS: SysctlGroup<SockMem> = {
  prefix: 'kern.ipc',
  oids: [...READINGS, sysctlRead<SockMem>('sockmem_max', 'int', 'bytes', LIMIT_HELP, (s) => s.total.vnetMax)],
};

export function sockMemSysctlAttach({ sysctl, sockmem, engine, id }: VnetKern): void {
  if (id === 0) sysctl.attach(POOL_SYSCTLS, engine.pool);
  sysctl.attach(id === 0 ? SOCKMEM_SYSCTLS : SOCKMEM_READINGS, sockmem);
}

export function sockMemSysctlDetach({ sysctl, sockmem, engine, id }: VnetKern): void {
  sysctl.detach(sockmem);
  if (id === 0) sysctl.detach(engine.pool);
}
