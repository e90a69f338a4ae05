/**
 * lease6-text.ts — the leases of a DHCPv6 server, for people and for programs.
 */
import { duidText, ip6Format, ip6OfBig } from '@netloom/core/wire';
import type { Dhcp6Server } from './dhcp6-server.js';
import type { Lease6 } from './lease6-table.js';

const US_PER_SEC = 1_000_000;

/** Seconds until a lease ends; null: never. */
function left(l: Lease6, now: number): number | null {
  return l.endUs === Infinity ? null : Math.max(0, Math.ceil((l.endUs - now) / US_PER_SEC));
}

function duration(seconds: number | null): string {
  if (seconds === null) return 'never';
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}h${m}m${s}s` : m > 0 ? `${m}m${s}s` : `${s}s`;
}

export function lease6Text(server: Dhcp6Server, now: number): string {
  const rows = server.leases.list(now).map((l) => [
    ip6Format(ip6OfBig(l.addr)), l.duid === null ? '-' : duidText(l.duid), l.duid === null ? '-' : String(l.iaid), l.state + (l.fixed ? ' (fixed)' : ''),
    l.state === 'active' || l.state === 'abandoned' ? duration(left(l, now)) : '-',
  ]);
  const all = [['Address', 'Client (DUID)', 'IAID', 'State', 'Expires'], ...rows];
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((r) => (r[i] ?? '').length)));
  return all.map((r) => `${r.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()}\n`).join('');
}

export function leases6Json(server: Dhcp6Server, now: number, wallUs: number): object {
  return {
    dhcp6d: {
      leases: server.leases.list(now).map((l) => ({
        address: ip6Format(ip6OfBig(l.addr)), duid: l.duid === null ? null : duidText(l.duid), iaid: l.duid === null ? null : l.iaid, state: l.state, fixed: l.fixed, subnet: l.subnet, expire: left(l, now),
        ends: l.endUs === Infinity ? null : Math.floor((wallUs + l.endUs - now) / US_PER_SEC),
      })),
      statistics: { ...server.stats },
    },
  };
}
