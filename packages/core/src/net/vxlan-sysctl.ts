/**
 * vxlan-sysctl.ts — a vxlan's readings: `net.link.vxlan.N.ftable.*` and `net.link.vxlan.N.stats.*`.
 * Read first: vxlan(4); kern/sysctl.ts.
 *
 * `loops` is ours; what there is nothing to count of (locks, tunnel offloads of hardware) reads 0. The
 * addresses of hosts are shown in the vnet whose network carries the tunnel alone.
 */
import type { SysctlGroup } from '../kern/sysctl.js';
import { sysctlRead } from '../kern/sysctl.js';
import { ip4Format, macFormatPair } from '../wire/addr.js';
import type { VxlanEnd } from './vxlan-end.js';
import type { FtableEntry } from './vxlan-ftable.js';
import { VXLAN_FE_DYNAMIC } from './vxlan-ftable.js';

const US_PER_S = 1_000_000;
/** What `dump` may be long; a line that does not fit whole is not there. */
const DUMP_MAX = 4_096;
const ADDR_WIDTH = 15;
const EXPIRE_DIGITS = 8;

export class VxlanStats {
  /** Addresses not learned because the table was full. */
  ftableNospace = 0;
  /** Packets that went in circles. */
  loops = 0;
}

/** What the readings are of. */
export interface VxlanReadable {
  readonly end: VxlanEnd;
  readonly stats: VxlanStats;
}

const nothing = (leaf: string, help: string) => sysctlRead<VxlanReadable>(leaf, 'int', 'packets', help, () => 0);

/** The groups of unit `unit`. */
export function vxlanSysctls(unit: number): readonly SysctlGroup<VxlanReadable>[] {
  return [
    {
      prefix: `net.link.vxlan.${unit}.ftable`,
      oids: [
        sysctlRead('count', 'int', 'addresses', 'Number of entries in forwarding table', (o) => o.end.ftable.count),
        sysctlRead('max', 'int', 'addresses', 'Maximum number of entries allowed in forwarding table', (o) => o.end.ftable.max),
        sysctlRead('timeout', 'int', 's', 'Time after which silent addresses are forgotten', (o) => o.end.timeoutS),
        { ...sysctlRead<VxlanReadable>('dump', 'string', '', 'The entries of the forwarding table', (o) => (o.end.isElsewhere ? '' : dump(o.end.ftable.list()))), skip: true },
      ],
    },
    {
      prefix: `net.link.vxlan.${unit}.stats`,
      oids: [
        sysctlRead('ftable_nospace', 'int', 'addresses', 'Forwarding table reached maximum entries', (o) => o.stats.ftableNospace),
        nothing('ftable_lock_upgrade_failed', 'Forwarding table update required lock upgrade'),
        nothing('txcsum', 'Times hardware assisted with tx checksum'),
        nothing('tso', 'Times hardware assisted with TSO'),
        nothing('rxcsum', 'Times hardware assisted with rx checksum'),
        sysctlRead('loops', 'int', 'packets', 'Packets dropped because they went in circles', (o) => o.stats.loops),
      ],
    },
  ];
}

/** One line for each entry, behind an empty one; nothing when there is none. */
function dump(entries: readonly FtableEntry[]): string {
  let text = '\n';
  for (const e of entries) {
    const line = `${e.type === VXLAN_FE_DYNAMIC ? 'D' : 'S'} 0x0${e.type} ${macFormatPair(e.hi, e.lo).toUpperCase()} ${ip4Format(e.addr).padStart(ADDR_WIDTH)} ${seconds(e.expire)}\n`;
    if (text.length + line.length >= DUMP_MAX) break;
    text += line;
  }
  return text === '\n' ? '' : text;
}

function seconds(expire: number): string {
  return String(expire === Infinity ? 0 : Math.floor(expire / US_PER_S)).padStart(EXPIRE_DIGITS, '0');
}
