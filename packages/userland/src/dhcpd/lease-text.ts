/**
 * lease-text.ts — the leases of a server, for people and for programs.
 */
import { duidText, ip4Format, macFormat, MAC_LEN } from '@netloom/core/wire';
import type { DhcpServer } from './dhcp-server.js';
import type { Lease } from './lease-table.js';

const US_PER_SEC = 1_000_000;

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => (r[i] ?? '').length)));
  return rows.map((r) => `${r.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()}\n`).join('');
}

const macText = (l: Lease): string => (l.mac.length === MAC_LEN ? macFormat(l.mac) : duidText(l.mac));

/** Seconds until a lease ends; null: never. */
function left(l: Lease, now: number): number | null {
  return l.endUs === Infinity ? null : Math.max(0, Math.ceil((l.endUs - now) / US_PER_SEC));
}

function duration(seconds: number | null): string {
  if (seconds === null) return 'never';
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}h${m}m${s}s` : m > 0 ? `${m}m${s}s` : `${s}s`;
}

export function leaseTable(server: DhcpServer, now: number): string {
  const rows = server.leases.list(now).map((l) => [ip4Format(l.addr), macText(l), l.state + (l.fixed ? ' (fixed)' : ''), l.state === 'active' || l.state === 'offered' || l.state === 'abandoned' ? duration(left(l, now)) : '-', l.hostname === '' ? '-' : printable(l.hostname)]);
  return columns([['Address', 'Hardware Address', 'State', 'Expires', 'Name'], ...rows]);
}

/** A name comes from outside: what is not a printable character is not printed. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');

export function leasesJson(server: DhcpServer, now: number, wallUs: number): object {
  return {
    dhcpd: {
      leases: server.leases.list(now).map((l) => ({
        address: ip4Format(l.addr), 'hardware-address': macText(l), 'client-identifier': l.clientId === null ? null : duidText(l.clientId), hostname: l.hostname === '' ? null : l.hostname, state: l.state,
        fixed: l.fixed, network: l.network, expire: left(l, now), ends: l.endUs === Infinity ? null : Math.floor((wallUs + l.endUs - now) / US_PER_SEC),
        'agent-information': l.agent === null ? null : duidText(l.agent),
      })),
      statistics: { ...server.stats },
    },
  };
}
