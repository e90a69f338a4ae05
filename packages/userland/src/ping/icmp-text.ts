/**
 * icmp-text.ts — an ICMP message, and the IP header it quotes, in ping's words.
 * Read first: ping(8); RFC 792, RFC 1191.
 */
import {
  ICMP4_GWADDR, ICMP4_NEXTMTU, ICMP4_PPTR, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_IREQ, ICMP_IREQREPLY, ICMP_MASKREPLY, ICMP_MASKREQ, ICMP_PARAMPROB,
  ICMP_REDIRECT, ICMP_ROUTERADVERT, ICMP_ROUTERSOLICIT, ICMP_SOURCEQUENCH, ICMP_TIMXCEED, ICMP_TSTAMP, ICMP_TSTAMPREPLY, ICMP_UNREACH,
  ICMP_UNREACH_NEEDFRAG, IP4_HDR_LEN, icmp4Code, icmp4Type, ip4Dst, ip4Format, ip4Hl, ip4Id, ip4Len, ip4Off, ip4P, ip4Src, ip4Sum, ip4Tos, ip4Ttl,
} from '@netloom/core/wire';

const UNREACH: Readonly<Record<number, string>> = {
  0: 'Destination Net Unreachable', 1: 'Destination Host Unreachable', 2: 'Destination Protocol Unreachable', 3: 'Destination Port Unreachable',
  5: 'Source Route Failed', 13: 'Communication prohibited by filter',
};

const REDIRECT: readonly string[] = ['Redirect Network', 'Redirect Host', 'Redirect Type of Service and Network', 'Redirect Type of Service and Host'];

const TIMXCEED: readonly string[] = ['Time to live exceeded', 'Frag reassembly time exceeded'];

/** Messages that are their type and nothing else. */
const PLAIN: ReadonlyMap<number, string> = new Map([
  [ICMP_ECHOREPLY, 'Echo Reply'], [ICMP_ECHO, 'Echo Request'], [ICMP_TSTAMP, 'Timestamp'], [ICMP_TSTAMPREPLY, 'Timestamp Reply'],
  [ICMP_IREQ, 'Information Request'], [ICMP_IREQREPLY, 'Information Reply'], [ICMP_MASKREQ, 'Address Mask Request'], [ICMP_MASKREPLY, 'Address Mask Reply'],
  [ICMP_ROUTERADVERT, 'Router Advertisement'], [ICMP_ROUTERSOLICIT, 'Router Solicitation'],
]);

/**
 * The message whose header is at `at`, with the quoted IP header below it where there is one; ends with a newline.
 * The caller has checked that `quoted` bytes of a quoted packet, header and options included, follow.
 */
export function icmpText(view: DataView, at: number): string {
  const plain = PLAIN.get(icmp4Type(view, at));
  if (plain !== undefined) return `${plain}\n`;
  const text = errorText(view, at);
  return text === null ? `Bad ICMP type: ${icmp4Type(view, at)}\n` : `${text}\n${quotedHeader(view, at + 8)}`;
}

function errorText(view: DataView, at: number): string | null {
  const code = icmp4Code(view, at);
  switch (icmp4Type(view, at)) {
    case ICMP_UNREACH:
      if (code === ICMP_UNREACH_NEEDFRAG) return `frag needed and DF set (MTU ${view.getUint16(at + ICMP4_NEXTMTU)})`;
      return UNREACH[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case ICMP_SOURCEQUENCH:
      return 'Source Quench';
    case ICMP_REDIRECT:
      return `${REDIRECT[code] ?? `Redirect, Bad Code: ${code}`}(New addr: ${ip4Format(view.getUint32(at + ICMP4_GWADDR))})`;
    case ICMP_TIMXCEED:
      return TIMXCEED[code] ?? `Time exceeded, Bad Code: ${code}`;
    case ICMP_PARAMPROB:
      return `Parameter problem: pointer = 0x${hex(view.getUint8(at + ICMP4_PPTR), 2)}`;
    default:
      return null;
  }
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** Two lines: titles and values. */
function quotedHeader(view: DataView, at: number): string {
  const src = ip4Format(ip4Src(view, at));
  const dst = ip4Format(ip4Dst(view, at));
  const hlen = ip4Hl(view, at);
  let options = '';
  for (let i = IP4_HDR_LEN; i < hlen; i++) options += hex(view.getUint8(at + i), 2);
  const vhl = view.getUint8(at);
  const off = ip4Off(view, at);
  const titles = `Vr HL TOS  Len   ID Flg  off TTL Pro  cks ${'Src'.padStart(src.length)} ${'Dst'.padStart(dst.length)}${options === '' ? '' : ' Opts'}`;
  const values = [
    ` ${hex(vhl >> 4, 1)}  ${hex(vhl & 15, 1)}  ${hex(ip4Tos(view, at), 2)} ${hex(ip4Len(view, at), 4)} ${hex(ip4Id(view, at), 4)}`,
    `   ${hex(off >> 13, 1)} ${hex(off & 0x1fff, 4)}  ${hex(ip4Ttl(view, at), 2)}  ${hex(ip4P(view, at), 2)} ${hex(ip4Sum(view, at), 4)}`,
    ` ${src} ${dst}${options === '' ? '' : ` ${options}`}`,
  ];
  return `${titles}\n${values.join('')}\n`;
}
