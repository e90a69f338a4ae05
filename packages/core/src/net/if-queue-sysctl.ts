/**
 * if-queue-sysctl.ts — `net.interfaces.IF.rcvq.drops` and `net.interfaces.IF.sndq.{len,maxlen,drops}`: the queues of each interface.
 * Read first: NetBSD's `sys/net/if.c` (sysctl_sndq_setup); kern/sysctl.ts.
 *
 * The names are made when somebody asks, from the interfaces there are: they come and go with these, follow a rename, and cost an interface nothing.
 * `rcvq` is what an interface has received and nobody has looked at: frames of a program outside (if-percpuq.ts), and with an epair or a tunnel what crossed
 * the virtual link. `sndq` is there where sent packets wait: for whoever has the tap open, or to come back through a loopback.
 */
import { EINVAL } from '../base/errno.js';
import { bindNode, sysctlRead } from '../kern/sysctl.js';
import type { SysctlNode, SysctlOid, SysctlSource } from '../kern/sysctl.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

const PREFIX = 'net.interfaces';
const QUEUE_MAX = 65_536;

const RCVQ: SysctlOid<Ifnet> = sysctlRead('drops', 'int', 'packets', 'Packets dropped before anybody looked at them', (ifp) => (ifp.percpuq?.queue.drops ?? 0) + (ifp.driver.rcvq?.(ifp).drops ?? 0));

const SNDQ: readonly SysctlOid<PacketQueue>[] = [
  sysctlRead('len', 'int', 'packets', 'Packets that wait to be sent', (q) => q.length),
  {
    leaf: 'maxlen', type: 'int', unit: 'packets', min: 1, max: QUEUE_MAX, help: 'Packets that may wait to be sent',
    get: (q) => q.limit,
    set: (q, value) => {
      if (typeof value !== 'number') return EINVAL;
      q.limit = value;
      return 0;
    },
  },
  sysctlRead('drops', 'int', 'packets', 'Packets dropped because too many waited', (q) => q.drops),
];

/** Names of one vnet's interfaces. */
export const IF_QUEUE_SYSCTLS: SysctlSource<Net> = {
  prefix: PREFIX,
  find: ({ ifnets }, name) => ifnets.filter((ifp) => name.startsWith(`${PREFIX}.${ifp.xname}.`)).flatMap(nodesOf).find((node) => node.name === name) ?? null,
  nodes: ({ ifnets }) => ifnets.flatMap(nodesOf),
};

function nodesOf(ifp: Ifnet): SysctlNode[] {
  const at = `${PREFIX}.${ifp.xname}`;
  const sndq = ifp.driver.sndq?.(ifp);
  return [bindNode(`${at}.rcvq`, RCVQ, ifp), ...(sndq === undefined ? [] : SNDQ.map((oid) => bindNode(`${at}.sndq`, oid, sndq)))];
}
