/**
 * tcpdump-options.ts — tcpdump's command line.
 * Read first: tcpdump(1).
 */
import type { DissectOptions, HexStyle, TimestampStyle } from '@netloom/core/wire';
import { BPF_D_IN, BPF_D_INOUT, BPF_D_OUT } from '@netloom/core';
import { getopt } from '../getopt.js';

const OPTSTRING = '#AB:c:dDeF:hi:KlLnNOpqQ:r:s:StUvw:xXy:';

export interface TcpdumpOptions {
  interfaceName: string | null;
  /** Packets to stop after, 0 for no end. */
  count: number;
  /** -d, -dd, -ddd: print the program and stop. */
  dump: number;
  listInterfaces: boolean;
  listLinkTypes: boolean;
  filterFile: string | null;
  number: boolean;
  promiscuous: boolean;
  direction: number;
  readFile: string | null;
  writeFile: string | null;
  snaplen: number;
  timestamps: TimestampStyle;
  unbuffered: boolean;
  onlyCount: boolean;
  dissect: DissectOptions & { verbose: number };
  expression: string;
}

export type ParsedTcpdump = { readonly options: TcpdumpOptions } | { readonly error: string };

const STYLES: readonly TimestampStyle[] = ['time', 'none', 'epoch', 'delta', 'date', 'elapsed'];
const SNAPLEN_MAX = 262_144;
const LONG: Readonly<Record<string, string>> = {
  '--interface': '-i', '--list-interfaces': '-D', '--number': '-#', '--direction': '-Q', '--snapshot-length': '-s', '--absolute-tcp-sequence-numbers': '-S',
  '--dont-verify-checksums': '-K', '--no-optimize': '-O', '--no-promiscuous-mode': '-p', '--packet-buffered': '-U', '--list-data-link-types': '-L', '--linktype': '-y', '--help': '-h',
};

/** Long names become letters; `--count` has none. */
function shorten(argv: readonly string[]): { readonly words: string[]; readonly count: boolean } {
  const words: string[] = [];
  let count = false;
  for (const w of argv) {
    const [name = '', value] = w.startsWith('--') ? w.split('=', 2) : [w];
    if (name === '--count') count = true;
    else if (LONG[name] !== undefined) words.push(LONG[name], ...(value === undefined ? [] : [value]));
    else words.push(w);
  }
  return { words, count };
}

export function parseTcpdump(argv: readonly string[]): ParsedTcpdump {
  const { words, count } = shorten(argv.slice(1));
  const parsed = getopt(OPTSTRING, words);
  if (parsed.error !== null) return { error: parsed.error };
  const letters = parsed.options.map(([l]) => l);
  const times = (letter: string): number => letters.filter((l) => l === letter).length;
  const value = (letter: string): string | null => parsed.options.findLast(([l]) => l === letter)?.[1] ?? null;
  const style = STYLES[times('t')];
  if (style === undefined) return { error: 'only -t, -tt, -ttt, -tttt, and -ttttt are supported' };
  const number = (letter: string, min: number, max: number, what: string): number | string => {
    const text = value(letter);
    if (text === null) return 0;
    const n = /^[0-9]+$/.test(text) ? Number(text) : -1;
    return n < min || n > max ? `invalid ${what} ${text}` : n;
  };
  const c = number('c', 1, 2_147_483_647, 'packet count');
  const s = number('s', 0, SNAPLEN_MAX, 'snaplen');
  if (typeof c === 'string') return { error: c };
  if (typeof s === 'string') return { error: `${s} (must be >= 0 and <= ${SNAPLEN_MAX})` };
  const direction = DIRECTIONS[value('Q') ?? 'inout'];
  if (direction === undefined) return { error: `unknown capture direction '${value('Q') ?? ''}'` };
  return {
    options: {
      interfaceName: value('i'), count: c, dump: times('d'), listInterfaces: times('D') > 0, listLinkTypes: times('L') > 0, filterFile: value('F'),
      number: times('#') > 0, promiscuous: times('p') === 0, direction, readFile: value('r'), writeFile: value('w'), snaplen: s === 0 ? SNAPLEN_MAX : s,
      timestamps: style, unbuffered: times('U') > 0 || times('l') > 0, onlyCount: count,
      dissect: {
        verbose: Math.min(times('v'), 3), ether: times('e') > 0, quiet: times('q') > 0, absoluteSeq: times('S') > 0, noCksum: times('K') > 0,
        hex: hexStyle(times('x'), times('X'), times('A')),
      },
      expression: parsed.rest.join(' '),
    },
  };
}

const DIRECTIONS: Readonly<Record<string, number>> = { in: BPF_D_IN, out: BPF_D_OUT, inout: BPF_D_INOUT };

function hexStyle(x: number, X: number, A: number): HexStyle {
  if (A > 0) return A > 1 ? 'AA' : 'A';
  if (X > 0) return X > 1 ? 'XX' : 'X';
  if (x > 0) return x > 1 ? 'xx' : 'x';
  return '';
}

export const TCPDUMP_USAGE = `Usage: tcpdump [-AdDeKlLnNOpqStUvxX#] [ -c count ] [--count] [ -F file ]
		[ -i interface ] [ -Q in|out|inout ] [ -r file ] [ -s snaplen ]
		[ -w file ] [ -y datalinktype ] [ expression ]
`;
