/**
 * tcpdump-options.ts — tcpdump's command line.
 * Read first: tcpdump(1).
 *
 * Letters that only change how a name or a rare protocol is printed are taken and have no effect (everything is numeric here); letters that ask for
 * what is not built in are refused by name.
 */
import type { DissectOptions, HexStyle, TimestampStyle } from '@netloom/core/wire';
import { BPF_D_IN, BPF_D_INOUT, BPF_D_OUT, DLT_EN10MB, DLT_NULL, DLT_RAW } from '@netloom/core';
import { errx, usage } from '../err.js';
import { getopt } from '../getopt.js';
import type { Proc } from '../proc.js';

const OPTSTRING = '#aAbB:c:C:dDeE:fF:G:hHi:Ij:JKlLm:M:nNOpqQ:r:s:StT:uUvV:w:W:xXy:z:Z:';
export const SNAPLEN_MAX = 262_144;
const INT_MAX = 2_147_483_647;

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
  /** --print: also while writing. */
  print: boolean;
  snaplen: number;
  /** Bytes of the capture's buffer, null for the kernel's choice. */
  bufferBytes: number | null;
  /** -y: DLT_*; null for the interface's own. */
  linktype: number | null;
  timestamps: TimestampStyle;
  /** --count: of a file, only how many. */
  onlyCount: boolean;
  /** --json: of -D. */
  json: boolean;
  dissect: DissectOptions & { verbose: number };
  expression: string;
}

/** Names of link types, as -y takes and -L shows them. */
export const LINK_TYPES: ReadonlyMap<number, readonly [name: string, description: string]> = new Map([
  [DLT_EN10MB, ['EN10MB', 'Ethernet']],
  [DLT_NULL, ['NULL', 'BSD loopback']],
  [DLT_RAW, ['RAW', 'Raw IP']],
]);

const STYLES: readonly TimestampStyle[] = ['time', 'none', 'epoch', 'delta', 'date', 'elapsed'];

const LONG: Readonly<Record<string, string>> = {
  '--buffer-size': '-B', '--list-interfaces': '-D', '--help': '-h', '--interface': '-i', '--monitor-mode': '-I', '--time-stamp-type': '-j',
  '--list-time-stamp-types': '-J', '--dont-verify-checksums': '-K', '--list-data-link-types': '-L', '--no-optimize': '-O', '--no-promiscuous-mode': '-p',
  '--direction': '-Q', '--snapshot-length': '-s', '--absolute-tcp-sequence-numbers': '-S', '--packet-buffered': '-U', '--linktype': '-y',
  '--relinquish-privileges': '-Z', '--number': '-#',
};
/** Long options without a letter. */
const BARE = ['--count', '--print', '--version', '--micro', '--immediate-mode', '--json'] as const;

const REFUSED: Readonly<Record<string, string>> = {
  C: 'savefiles are not rotated here', G: 'savefiles are not rotated here', W: 'savefiles are not rotated here', z: 'savefiles are not rotated here',
  E: 'ESP is not decrypted here', I: "that device doesn't support monitor mode", j: 'there is one clock here', J: 'there is one clock here',
  M: 'TCP-MD5 signatures are not checked here', T: 'protocols are known by their ports only', V: 'lists of files are not read here',
};

interface Words {
  readonly words: string[];
  readonly bare: ReadonlySet<string>;
}

/** Long names become letters. */
function shorten(p: Proc): Words {
  const words: string[] = [];
  const bare = new Set<string>();
  for (const [i, w] of p.argv.slice(1).entries()) {
    if (w === '--') return { words: [...words, ...p.argv.slice(i + 1)], bare };
    const [name = '', value] = w.startsWith('--') ? w.split('=', 2) : [w];
    if (BARE.some((b) => b === name)) bare.add(name);
    else if (name.startsWith('--') && LONG[name] === undefined) refuse(p, `unrecognized option \`${w}'`);
    else if (name.startsWith('--')) words.push(LONG[name] ?? '', ...(value === undefined ? [] : [value]));
    else words.push(w);
  }
  return { words, bare };
}

function refuse(p: Proc, complaint: string): never {
  return usage(p, 1, `tcpdump: ${complaint}\n${TCPDUMP_USAGE}`);
}

/** Leaves with tcpdump's complaint when the words are wrong. */
export function parseTcpdump(p: Proc): TcpdumpOptions {
  const { words, bare } = shorten(p);
  const parsed = getopt(OPTSTRING, words);
  const times = (letter: string): number => parsed.options.filter(([l]) => l === letter).length;
  const has = (letter: string): boolean => times(letter) > 0;
  const value = (letter: string): string | null => parsed.options.findLast(([l]) => l === letter)?.[1] ?? null;
  for (const [letter, word] of parsed.options) {
    if (letter === 'T' && word === 'carp') continue; // what its packets look like decides
    if (REFUSED[letter] !== undefined) errx(p, 1, `-${letter}: ${REFUSED[letter]}`);
  }
  if (parsed.error !== null) refuse(p, parsed.error);
  if (bare.has('--version') || has('h')) {
    p.out(`tcpdump version 4.99 (netloom)\n${has('h') ? TCPDUMP_USAGE : ''}`);
    usage(p, 0, '');
  }
  return {
    interfaceName: value('i'), count: atLeastOne(p, value('c'), 'packet count') ?? 0, dump: times('d'), listInterfaces: has('D'), listLinkTypes: has('L'),
    filterFile: value('F'), number: has('#'), promiscuous: !has('p'), direction: directionOf(p, value('Q')), readFile: value('r'), writeFile: value('w'),
    print: bare.has('--print'), snaplen: snaplenOf(p, value('s')), bufferBytes: bufferOf(p, value('B')), linktype: linktypeOf(p, value('y')),
    timestamps: STYLES[times('t')] ?? errx(p, 1, 'only -t, -tt, -ttt, -tttt and -ttttt are supported'), onlyCount: bare.has('--count'),
    json: bare.has('--json'),
    dissect: {
      verbose: Math.min(times('v'), 3), ether: has('e'), quiet: has('q'), absoluteSeq: has('S'), noCksum: has('K'), hex: hexStyle(times('x'), times('X'), times('A')),
    },
    expression: parsed.rest.join(' '),
  };
}

function atLeastOne(p: Proc, text: string | null, what: string): number | null {
  if (text === null) return null;
  const n = Number(/^\s*\+?[0-9]+/.exec(text)?.[0] ?? 0);
  return n >= 1 && n <= INT_MAX ? n : errx(p, 1, `invalid ${what} ${text}`);
}

function bufferOf(p: Proc, text: string | null): number | null {
  const kilobytes = atLeastOne(p, text, 'packet buffer size');
  return kilobytes === null ? null : kilobytes * 1_024;
}

function snaplenOf(p: Proc, text: string | null): number {
  const n = text === null ? 0 : /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1;
  if (n < 0 || n > SNAPLEN_MAX) errx(p, 1, `invalid snaplen ${text ?? ''} (must be >= 0 and <= ${SNAPLEN_MAX})`);
  return n === 0 ? SNAPLEN_MAX : n;
}

function directionOf(p: Proc, text: string | null): number {
  const directions: Readonly<Record<string, number>> = { in: BPF_D_IN, out: BPF_D_OUT, inout: BPF_D_INOUT };
  return directions[(text ?? 'inout').toLowerCase()] ?? errx(p, 1, `unknown capture direction \`${text ?? ''}'`);
}

function linktypeOf(p: Proc, text: string | null): number | null {
  if (text === null) return null;
  for (const [dlt, [name]] of LINK_TYPES) if (name === text.toUpperCase().replace(/^DLT_/, '')) return dlt;
  return errx(p, 1, `invalid data link type ${text}`);
}

/** -X comes before -x, and that before -A; twice shows the link-level header too. */
function hexStyle(x: number, X: number, A: number): HexStyle {
  if (X > 0) return X > 1 ? 'XX' : 'X';
  if (x > 0) return x > 1 ? 'xx' : 'x';
  return A > 1 ? 'AA' : A > 0 ? 'A' : '';
}

export const TCPDUMP_USAGE = `Usage: tcpdump [-AdDehKlLnNOpqStUvxX#] [ -B size ] [ -c count ] [--count]
		[ -F file ] [ -i interface ] [ --number ] [ --print ]
		[ -Q in|out|inout ] [ -r file ] [ -s snaplen ] [ --version ]
		[ -w file ] [ -y datalinktype ] [ expression ]
`;
