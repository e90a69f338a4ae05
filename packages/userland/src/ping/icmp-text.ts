/**
 * icmp-text.ts — an ICMP message in ping's words.
 * Read first: ping(8); RFC 792, 1191, 1812.
 */
import {
  ICMP_ECHOREPLY, ICMP_MASKREPLY, ICMP_PARAMPROB, ICMP_REDIRECT, ICMP_ROUTERADVERT, ICMP_ROUTERSOLICIT, ICMP_SOURCEQUENCH, ICMP_TIMXCEED,
  ICMP_TSTAMPREPLY, ICMP_UNREACH, ip4Format,
} from '@netloom/core/wire';

const UNREACH: readonly string[] = [
  'Destination Net Unreachable', 'Destination Host Unreachable', 'Destination Protocol Unreachable', 'Destination Port Unreachable',
  'frag needed and DF set', 'Source Route Failed', 'Destination Net Unknown', 'Destination Host Unknown', 'Source Host Isolated',
  'Destination Net Administratively Prohibited', 'Destination Host Administratively Prohibited',
  'Destination Net Unreachable for TOS', 'Destination Host Unreachable for TOS', 'Communication prohibited by filter',
  'Host Precedence Violation', 'Precedence cutoff in effect',
];

const REDIRECT: readonly string[] = ['Redirect Network', 'Redirect Host', 'Redirect Type of Service and Network', 'Redirect Type of Service and Host'];

/** @param at offset of the ICMP header. */
export function icmpText(view: DataView, at: number): string {
  const type = view.getUint8(at);
  const code = view.getUint8(at + 1);
  switch (type) {
    case ICMP_ECHOREPLY:
      return 'Echo Reply';
    case ICMP_UNREACH:
      if (code === 4) {
        const mtu = view.getUint16(at + 6);
        return `frag needed and DF set${mtu === 0 ? '' : ` (MTU ${mtu})`}`;
      }
      return UNREACH[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case ICMP_SOURCEQUENCH:
      return 'Source Quench';
    case ICMP_REDIRECT:
      return `${REDIRECT[code] ?? `Redirect, Bad Code: ${code}`}(New addr: ${ip4Format(view.getUint32(at + 4))})`;
    case ICMP_TIMXCEED:
      return code === 0 ? 'Time to live exceeded' : code === 1 ? 'Frag reassembly time exceeded' : `Time exceeded, Bad Code: ${code}`;
    case ICMP_PARAMPROB:
      return `Parameter problem: pointer = 0x${view.getUint8(at + 4).toString(16).padStart(2, '0')}`;
    case ICMP_TSTAMPREPLY:
      return 'Timestamp Reply';
    case ICMP_MASKREPLY:
      return 'Address Mask Reply';
    case ICMP_ROUTERADVERT:
      return 'Router Advertisement';
    case ICMP_ROUTERSOLICIT:
      return 'Router Solicitation';
    default:
      return `Bad ICMP type: ${type}`;
  }
}

/** The quoted IP header, as ping prints it below an error. @param at offset of the quoted header. */
export function quotedHeaderText(view: DataView, at: number): string {
  const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
  const off = view.getUint16(at + 6);
  const fields = [
    ` ${hex(view.getUint8(at) >> 4, 1)}`, ` ${hex(view.getUint8(at) & 15, 1)}`, ` ${hex(view.getUint8(at + 1), 2)}`, hex(view.getUint16(at + 2), 4),
    hex(view.getUint16(at + 4), 4), `  ${hex(off >> 13, 1)}`, hex(off & 0x1fff, 4), ` ${hex(view.getUint8(at + 8), 2)}`, ` ${hex(view.getUint8(at + 9), 2)}`,
    hex(view.getUint16(at + 10), 4),
  ];
  const [v, hl, tos, len, id, flg, fo, ttl, pro, cks] = fields;
  return `Vr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst\n${v} ${hl}  ${tos} ${len} ${id} ${flg} ${fo}  ${ttl}  ${pro} ${cks} ${ip4Format(view.getUint32(at + 12))}  ${ip4Format(view.getUint32(at + 16))}\n`;
}
