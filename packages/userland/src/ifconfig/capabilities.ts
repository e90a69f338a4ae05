/**
 * capabilities.ts — IFCAP_*: the words that toggle them and the names `options=` shows.
 * Read first: ifconfig(8); freebsd `sys/net/if.h`, `sys/net/if_strings.h`.
 */

/** Names by bit, from bit 0. */
export const CAP_NAMES: readonly string[] = [
  'RXCSUM', 'TXCSUM', 'NETCONS', 'VLAN_MTU', 'VLAN_HWTAGGING', 'JUMBO_MTU', 'POLLING', 'VLAN_HWCSUM', 'TSO4', 'TSO6', 'LRO', 'WOL_UCAST', 'WOL_MCAST',
  'WOL_MAGIC', 'TOE4', 'TOE6', 'VLAN_HWFILTER', 'NV', 'VLAN_HWTSO', 'LINKSTATE', 'NETMAP', 'RXCSUM_IPV6', 'TXCSUM_IPV6', 'HWSTATS', 'TXRTLMT', 'HWRXTSTMP',
  'MEXTPG', 'TXTLS4', 'TXTLS6', 'VXLAN_HWCSUM', 'VXLAN_HWTSO', 'TXTLS_RTLMT',
];

/** The bits of these names. */
function bits(...names: readonly string[]): number {
  return names.reduce((sum, name) => (sum | (1 << CAP_NAMES.indexOf(name))) >>> 0, 0);
}

/** Word of the command line to capabilities; each has a `-word` too. */
export const CAPS: readonly (readonly [word: string, caps: number])[] = [
  ['rxcsum', bits('RXCSUM')],
  ['txcsum', bits('TXCSUM')],
  ['rxcsum6', bits('RXCSUM_IPV6')],
  ['txcsum6', bits('TXCSUM_IPV6')],
  ['netcons', bits('NETCONS')],
  ['polling', bits('POLLING')],
  ['tso4', bits('TSO4')],
  ['tso6', bits('TSO6')],
  ['tso', bits('TSO4', 'TSO6')],
  ['toe', bits('TOE4', 'TOE6')],
  ['lro', bits('LRO')],
  ['mextpg', bits('MEXTPG')],
  ['txtls', bits('TXTLS4', 'TXTLS6')],
  ['txtlsrtlmt', bits('TXTLS_RTLMT')],
  ['txrtlmt', bits('TXRTLMT')],
  ['hwrxtstmp', bits('HWRXTSTMP')],
  ['wol', bits('WOL_UCAST', 'WOL_MCAST', 'WOL_MAGIC')],
  ['wol_ucast', bits('WOL_UCAST')],
  ['wol_mcast', bits('WOL_MCAST')],
  ['wol_magic', bits('WOL_MAGIC')],
  ['vlanmtu', bits('VLAN_MTU')],
  ['vlanhwtag', bits('VLAN_HWTAGGING')],
  ['vlanhwfilter', bits('VLAN_HWFILTER')],
  ['vlanhwtso', bits('VLAN_HWTSO')],
  ['vlanhwcsum', bits('VLAN_HWCSUM')],
  ['vxlanhwcsum', bits('VXLAN_HWCSUM')],
  ['vxlanhwtso', bits('VXLAN_HWTSO')],
];

/** `<A,B>` for the bits set, '' for none: the form of `flags=` and `options=`. */
export function bitList(value: number, names: readonly string[], prefix: string): string {
  const set: string[] = [];
  for (let i = 0; i < 32; i++) if (((value >>> i) & 1) === 1) set.push(names[i] ?? `${prefix}_${i}`);
  return set.length === 0 ? '' : `<${set.join(',')}>`;
}
