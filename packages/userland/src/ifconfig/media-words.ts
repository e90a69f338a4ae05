/**
 * media-words.ts — media by name: `10Gbase-T`, `full-duplex`; and as `media:` prints them.
 * Read first: ifconfig(8) "media", ifmedia(4); freebsd `sys/net/if_media.h` for the names.
 *
 * Every medium of Ethernet has a name here, whether an interface of this kernel has it or not: a word that names none is a mistake in the
 * command line, one that names another medium is refused by the interface. Names are found in any case. Ethernet has no modes.
 */
import { IFM_ETHER, IFM_FDX, IFM_HDX, IFM_INST_SHIFT, IFM_TYPE_MASK, ifmSubtype, ifmSubtypeBits } from '@netloom/core';

const IFM_FLOW = 0x400000;
const IFM_ETH_MASTER = 0x100;

/** Subtypes by number. */
const SUBTYPES: readonly string[] = [
  'autoselect', 'manual', 'none', '10baseT/UTP', '10base2/BNC', '10base5/AUI', '100baseTX', '100baseFX', '100baseT4', '100baseVG', '100baseT2', '1000baseSX',
  '10baseSTP', '10baseFL', '1000baseLX', '1000baseCX', '1000baseT', 'homePNA', '10Gbase-LR', '10Gbase-SR', '10Gbase-CX4', '2500BaseSX', '10Gbase-Twinax',
  '10Gbase-Twinax-Long', '10Gbase-LRM', 'Unknown', '10Gbase-T', '40Gbase-CR4', '40Gbase-SR4', '40Gbase-LR4', '1000Base-KX', 'Other', '10GBase-KX4', '10GBase-KR',
  '10GBase-CR1', '20GBase-KR2', '2500Base-KX', '2500Base-T', '5000Base-T', 'PCIExpress-50G', 'PCIExpress-25G', '1000Base-SGMII', '10GBase-SFI', '40GBase-XLPPI',
  '1000Base-CX-SGMII', '40GBase-KR4', '10GBase-ER', '100GBase-CR4', '100GBase-SR4', '100GBase-KR4', '100GBase-LR4', '56GBase-R4', '100BaseT', '25GBase-CR',
  '25GBase-KR', '25GBase-SR', '50GBase-CR2', '50GBase-KR2', '25GBase-LR', '10GBase-AOC', '25GBase-ACC', '25GBase-AOC', '100M-SGMII', '2500Base-X', '5000Base-KR',
  '25GBase-T', '25GBase-CR-S', '25GBase-CR1', '25GBase-KR-S', '5000Base-KR-S', '5000Base-KR1', '25G-AUI', '40G-XLAUI', '40G-XLAUI-AC', '40GBase-ER4', '50GBase-SR2',
  '50GBase-LR2', '50G-LAUI2-AC', '50G-LAUI2', '50G-AUI2-AC', '50G-AUI2', '50GBase-CP', '50GBase-SR', '50GBase-LR', '50GBase-FR', '50GBase-KR-PAM4', '25GBase-KR1',
  '50G-AUI1-AC', '50G-AUI1', '100G-CAUI4-AC', '100G-CAUI4', '100G-AUI4-AC', '100G-AUI4', '100GBase-CR-PAM4', '100GBase-KR-PAM4', '100GBase-CP2', '100GBase-SR2',
  '100GBase-DR', '100GBase-KR2-PAM4', '100G-CAUI2-AC', '100G-CAUI2', '100G-AUI2-AC', '100G-AUI2', '200GBase-CR4-PAM4', '200GBase-SR4', '200GBase-FR4',
  '200GBase-LR4', '200GBase-DR4', '200GBase-KR4-PAM4', '200G-AUI4-AC', '200G-AUI4', '200G-AUI8-AC', '200G-AUI8', '400GBase-FR8', '400GBase-LR8', '400GBase-DR4',
  '400G-AUI8-AC', '400G-AUI8', '50GBase-KR4', '40GBase-LM4',
];

/** Other names of subtypes, some with options. */
const ALIASES: readonly (readonly [alias: string, subtype: string, options: number])[] = [
  ['auto', 'autoselect', 0], ['auto-flow', 'autoselect', IFM_FLOW], ['10baseT', '10baseT/UTP', 0], ['UTP', '10baseT/UTP', 0], ['10UTP', '10baseT/UTP', 0],
  ['BNC', '10base2/BNC', 0], ['10BNC', '10base2/BNC', 0], ['AUI', '10base5/AUI', 0], ['10AUI', '10base5/AUI', 0], ['100TX', '100baseTX', 0], ['100T4', '100baseT4', 0],
  ['100VG', '100baseVG', 0], ['100T2', '100baseT2', 0], ['10STP', '10baseSTP', 0], ['10FL', '10baseFL', 0], ['1000SX', '1000baseSX', 0], ['1000LX', '1000baseLX', 0],
  ['1000CX', '1000baseCX', 0], ['1000baseTX', '1000baseT', 0], ['1000TX', '1000baseT', 0], ['1000T', '1000baseT', 0], ['2500SX', '2500BaseSX', 0],
  ['10baseT-FDX', '10baseT/UTP', IFM_FDX], ['10baseT-FDX-flow', '10baseT/UTP', IFM_FDX | IFM_FLOW], ['100baseTX-FDX', '100baseTX', IFM_FDX],
  ['100baseTX-FDX-flow', '100baseTX', IFM_FDX | IFM_FLOW], ['1000baseT-FDX', '1000baseT', IFM_FDX], ['1000baseT-FDX-flow', '1000baseT', IFM_FDX | IFM_FLOW],
  ['1000baseT-FDX-flow-master', '1000baseT', IFM_FDX | IFM_FLOW | IFM_ETH_MASTER], ['1000baseT-FDX-master', '1000baseT', IFM_FDX | IFM_ETH_MASTER],
  ['1000baseT-master', '1000baseT', IFM_ETH_MASTER],
];

/** Options in the order they are printed in. */
const OPTIONS: readonly (readonly [name: string, bit: number])[] = [
  ['full-duplex', IFM_FDX], ['half-duplex', IFM_HDX], ['flowcontrol', IFM_FLOW], ['flag0', 0x1000000], ['flag1', 0x2000000], ['flag2', 0x4000000],
  ['hw-loopback', 0x8000000], ['master', IFM_ETH_MASTER], ['rxpause', 0x200], ['txpause', 0x400],
];
const OPTION_ALIASES: readonly (readonly [name: string, bit: number])[] = [
  ['fdx', IFM_FDX], ['hdx', IFM_HDX], ['flow', IFM_FLOW], ['loop', 0x8000000], ['loopback', 0x8000000],
];

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Subtype and options that a name means, as bits of a word; null when it is none. */
export function mediaSubtype(name: string): number | null {
  const at = SUBTYPES.findIndex((s) => same(s, name));
  if (at >= 0) return ifmSubtypeBits(at);
  const alias = ALIASES.find(([a]) => same(a, name));
  return alias === undefined ? null : ifmSubtypeBits(SUBTYPES.indexOf(alias[1])) | alias[2];
}

/** The bit of one option; null when it is none. */
export function mediaOption(name: string): number | null {
  return [...OPTIONS, ...OPTION_ALIASES].find(([option]) => same(option, name))?.[1] ?? null;
}

function optionNames(word: number): string[] {
  return OPTIONS.filter(([, bit]) => (word & bit) !== 0).map(([name]) => name);
}

/** A word as `media:` shows it; `top` puts the type before it and the instance behind. */
export function mediaText(word: number, top: boolean): string {
  if ((word & IFM_TYPE_MASK) !== IFM_ETHER) return '<unknown type>';
  const subtype = SUBTYPES[ifmSubtype(word)];
  if (subtype === undefined) return `${top ? 'Ethernet' : ''}<unknown subtype>`;
  const options = optionNames(word);
  const instance = word >>> IFM_INST_SHIFT;
  return `${top ? 'Ethernet ' : ''}${subtype}${options.length === 0 ? '' : ` <${options.join(',')}>`}${top && instance !== 0 ? ` instance ${instance}` : ''}`;
}

/** A word as arguments for ifconfig, in `supported media:`. */
export function mediaArguments(word: number): string {
  if ((word & IFM_TYPE_MASK) !== IFM_ETHER) return '<unknown type>';
  const subtype = SUBTYPES[ifmSubtype(word)];
  if (subtype === undefined) return '<unknown subtype>';
  const options = optionNames(word);
  const instance = word >>> IFM_INST_SHIFT;
  return `media ${subtype}${options.length === 0 ? '' : ` mediaopt ${options.join(',')}`}${instance === 0 ? '' : ` instance ${instance}`}`;
}
