/**
 * tcp-option-syntax.ts — TCP options as a script writes them, to bytes and back: `<mss 1460,nop,wscale 6,sackOK,TS val 100 ecr 0>`.
 * Read first: RFC 9293 §3.2, RFC 7323 §2 and §3, RFC 2018 §3, RFC 7413 §4.1, RFC 2385 §2.
 *
 * The text is exact: what pads an option list is written, as `nop` or `eol`. A list whose length is no multiple of four is refused.
 */
import {
  TCPOLEN_MAXSEG, TCPOLEN_SACK_BLOCK, TCPOLEN_SACK_PERMITTED, TCPOLEN_SIGNATURE, TCPOLEN_TIMESTAMP, TCPOLEN_WINDOW, TCPOPT_EOL, TCPOPT_EXPERIMENT2, TCPOPT_FAST_OPEN,
  TCPOPT_MAXSEG, TCPOPT_NOP, TCPOPT_SACK, TCPOPT_SACK_PERMITTED, TCPOPT_SIGNATURE, TCPOPT_TIMESTAMP, TCPOPT_WINDOW, TCP_MAXOLEN,
} from '../../wire/tcp.js';
import type { TokenReader } from './token-reader.js';

const U32 = 0xffffffff;
/** The magic number of Fast Open's experimental option (RFC 7413 §7). */
const FAST_OPEN_MAGIC = [0xf9, 0x89];

const be16 = (n: number): number[] => [n >>> 8, n & 255];
const be32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const get16 = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;
const get32 = (b: Uint8Array, at: number): number => ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** The bytes of `<...>` behind a TCP packet; null for `<...>` itself; none when nothing is there. */
export function parseTcpOptions(r: TokenReader, inbound: boolean): Uint8Array | null {
  if (!r.is('<')) return new Uint8Array(0);
  r.take();
  if (r.token.kind === 'ellipsis') {
    if (inbound) r.fail('<...> for TCP options can only be used with outbound packets');
    r.take();
    r.expect('>');
    return null;
  }
  const bytes: number[] = [];
  do bytes.push(...parseOption(r));
  while (r.accept(','));
  r.expect('>');
  if (bytes.length > TCP_MAXOLEN) r.fail(`TCP options of ${bytes.length} bytes do not fit; ${TCP_MAXOLEN} do`);
  if (bytes.length % 4 !== 0) r.fail(`TCP options are not padded: ${bytes.length} bytes are no multiple of 4; write nop or eol`);
  return Uint8Array.from(bytes);
}

function parseOption(r: TokenReader): number[] {
  const name = r.word('a TCP option');
  switch (name) {
    case 'nop':
      return [TCPOPT_NOP];
    case 'eol':
      return [TCPOPT_EOL];
    case 'mss':
      return [TCPOPT_MAXSEG, TCPOLEN_MAXSEG, ...be16(r.int('mss', 0, 0xffff))];
    case 'wscale':
      return [TCPOPT_WINDOW, TCPOLEN_WINDOW, r.int('wscale', 0, 255)];
    case 'sackOK':
      return [TCPOPT_SACK_PERMITTED, TCPOLEN_SACK_PERMITTED];
    case 'sack':
      return parseSack(r);
    case 'TS':
      return parseTimestamp(r);
    case 'FO': {
      const cookie = parseBlob(r);
      return [TCPOPT_FAST_OPEN, 2 + cookie.length, ...cookie];
    }
    case 'FOEXP': {
      const cookie = parseBlob(r);
      return [TCPOPT_EXPERIMENT2, 4 + cookie.length, ...FAST_OPEN_MAGIC, ...cookie];
    }
    case 'md5': {
      const digest = parseBlob(r);
      return [TCPOPT_SIGNATURE, 2 + digest.length, ...digest];
    }
    case 'md5_valid':
      return [TCPOPT_SIGNATURE, TCPOLEN_SIGNATURE, ...new Array<number>(16).fill(0)];
    default:
      return r.fail(`TCP option "${name}" is not supported`);
  }
}

function parseSack(r: TokenReader): number[] {
  const blocks: number[] = [];
  do {
    const left = r.int('left edge', 0, U32);
    r.expect(':');
    blocks.push(...be32(left), ...be32(r.int('right edge', 0, U32)));
  } while (r.token.kind === 'int');
  return [TCPOPT_SACK, 2 + blocks.length, ...blocks];
}

function parseTimestamp(r: TokenReader): number[] {
  r.expect('val');
  const val = r.int('TS val', 0, U32);
  r.expect('ecr');
  return [TCPOPT_TIMESTAMP, TCPOLEN_TIMESTAMP, ...be32(val), ...be32(r.int('TS ecr', 0, U32))];
}

/** Hexadecimal digits, or nothing. */
function parseBlob(r: TokenReader): number[] {
  if (r.token.kind !== 'word' && r.token.kind !== 'int') return [];
  const { text } = r.take();
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) return r.fail(`"${text}" is no whole number of hexadecimal bytes`);
  return (text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** One option on the wire: its kind, and where it is in the list. */
export interface OptionAt {
  readonly kind: number;
  readonly at: number;
  readonly length: number;
}

/** The options of a list; a length that leads out of it ends the walk with an option of kind -1. */
export function optionsOf(bytes: Uint8Array): OptionAt[] {
  const found: OptionAt[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!;
    const length = kind === TCPOPT_EOL || kind === TCPOPT_NOP ? 1 : (bytes[at + 1] ?? 0);
    if (length === 0 || at + length > bytes.length || (kind > TCPOPT_NOP && length < 2)) {
      found.push({ kind: -1, at, length: bytes.length - at });
      return found;
    }
    found.push({ kind, at, length });
    at += length;
  }
  return found;
}

/** The list as a script writes it, without the angle brackets. */
export function formatTcpOptions(bytes: Uint8Array): string {
  return optionsOf(bytes).map((option) => formatOption(option, bytes.subarray(option.at, option.at + option.length))).join(',');
}

function formatOption({ kind }: OptionAt, b: Uint8Array): string {
  if (kind === TCPOPT_EOL) return 'eol';
  if (kind === TCPOPT_NOP) return 'nop';
  if (kind === TCPOPT_MAXSEG && b.length === TCPOLEN_MAXSEG) return `mss ${get16(b, 2)}`;
  if (kind === TCPOPT_WINDOW && b.length === TCPOLEN_WINDOW) return `wscale ${b[2]}`;
  if (kind === TCPOPT_SACK_PERMITTED && b.length === TCPOLEN_SACK_PERMITTED) return 'sackOK';
  if (kind === TCPOPT_TIMESTAMP && b.length === TCPOLEN_TIMESTAMP) return `TS val ${get32(b, 2)} ecr ${get32(b, 6)}`;
  if (kind === TCPOPT_SACK && (b.length - 2) % TCPOLEN_SACK_BLOCK === 0) {
    const blocks: string[] = [];
    for (let at = 2; at < b.length; at += TCPOLEN_SACK_BLOCK) blocks.push(`${get32(b, at)}:${get32(b, at + 4)}`);
    return `sack ${blocks.join(' ')}`;
  }
  if (kind === TCPOPT_SIGNATURE) return `md5 ${hex(b.subarray(2))}`;
  if (kind === TCPOPT_FAST_OPEN) return b.length === 2 ? 'FO' : `FO ${hex(b.subarray(2))}`;
  if (kind === TCPOPT_EXPERIMENT2 && b[2] === FAST_OPEN_MAGIC[0] && b[3] === FAST_OPEN_MAGIC[1]) return `FOEXP ${hex(b.subarray(4))}`.trim();
  return kind < 0 ? `malformed ${hex(b)}` : `option ${kind} ${hex(b.subarray(2))}`.trim();
}
