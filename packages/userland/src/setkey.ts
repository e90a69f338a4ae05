/**
 * setkey.ts — setkey(8), as far as TCP needs it: the keys of TCP MD5 signatures (TCP_MD5SIG, `nc -S`).
 * Read first: setkey(8), tcp(4) TCP_MD5SIG; RFC 2385; packages/core/src/tcp/tcp-md5.ts. Exit codes: 0; 1 for wrong words or what was refused.
 *
 *     add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 "secret" ;
 *
 * Commands end with `;`, `#` begins a comment. A key is the vnet's and counts for one peer in both directions, so of the two lines that FreeBSD wants for
 * a peer, one for each direction, one is enough; the peer is the address that is not this vnet's own.
 * Not here: IPsec. Its commands and algorithms are refused by name.
 */
import type { SockAddr, StreamSocket } from '@netloom/core';
import { EINVAL, ENOENT, PF_INET, PF_INET6, SOCK_STREAM, in6Recover, strerror } from '@netloom/core';
import { INADDR_LOOPBACK, ip4Format, ip6OfWords, ip6Word, ip6Zoned, utf8Encode } from '@netloom/core/wire';
import { err, errx, toolMain, usage } from './err.js';
import { getopt } from './getopt.js';
import { hostAddress } from './host-address.js';
import { address6Text, hostAddress6 } from './host-address6.js';
import { ownsNetwork } from './jail/jail-id.js';
import type { Proc } from './proc.js';
import { HostError } from './proc.js';
import { utf8Text } from './utf8.js';

const USAGE = `usage: setkey [-v] -c
       setkey [-v] -f filename
       setkey [-v] -e "<script>"
       setkey [-Pagltv] -D
       setkey [-Pv] -F
       setkey [-h] -x
`;
/** The one SPI that TCP's keys have. */
const SPI_TCP = 0x1000;
/** Word 2 of a v4-mapped address. */
const V4_MAPPED = 0xffff;

interface Command {
  readonly words: readonly string[];
  /** Where it ends. */
  readonly line: number;
}

export const setkey = toolMain(async (p: Proc): Promise<number> => {
  const parsed = getopt('acDe:Ff:hlPgtvx', p.argv.slice(1));
  if (parsed.error !== null) usage(p, 1, `setkey: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const value = (letter: string): string => parsed.options.find(([l]) => l === letter)?.[1] ?? '';
  if (has('x')) errx(p, 1, '-x: there is no key socket to watch');
  if (has('D')) return dump(p);
  if (has('F')) return flush(p);
  const text = has('e') ? value('e') : has('f') ? await fileText(p, value('f')) : has('c') ? await inputText(p) : usage(p, 1, USAGE);
  let code = 0;
  for (const command of commandsOf(p, text)) code = Math.max(code, run(p, command));
  return code;
});

async function fileText(p: Proc, name: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `fopen ${name}: there are no files here`);
  try {
    return utf8Text(await p.host.readFile(name));
  } catch (error) {
    return error instanceof HostError ? errx(p, 1, `fopen: ${error.message}`) : Promise.reject(error as Error);
  }
}

async function inputText(p: Proc): Promise<string> {
  const bytes: number[] = [];
  for await (const block of p.stdin) for (const byte of block) bytes.push(byte);
  return utf8Text(Uint8Array.from(bytes));
}

/** Words, strings in quotes kept with their first quote, and the line each command ends on. */
function commandsOf(p: Proc, text: string): Command[] {
  const found: Command[] = [];
  let words: string[] = [];
  text.split('\n').forEach((row, i) => {
    for (const [word] of row.matchAll(/"[^"]*"|;|#.*|[^\s;#"]+/g)) {
      if (word.startsWith('#')) break;
      if (word === ';') {
        if (words.length > 0) found.push({ words, line: i + 1 });
        words = [];
      } else words.push(word.startsWith('"') ? word.slice(0, -1) : word);
    }
  });
  const [first] = words;
  return first === undefined ? found : syntaxError(p, text.split('\n').length, first);
}

function syntaxError(p: Proc, line: number, word: string): never {
  return errx(p, 1, `line ${line}: syntax error at [${word.replace(/^"/, '')}]`);
}

function run(p: Proc, { words, line }: Command): number {
  const [name = ''] = words;
  if (name === 'flush') return flush(p);
  if (name === 'dump') return dump(p);
  if (name === 'spdflush' || name === 'spddump') return 0;
  if (name !== 'add' && name !== 'delete' && name !== 'deleteall') return errx(p, 1, `line ${line}: ${name}: IPsec is not built in; keys are for tcp-md5 only`);
  const [src = '', dst = '', protocol, ...rest] = words.slice(1).filter((word) => !/^-[46n]+$/.test(word));
  const peer = peerOf(p, src, dst, line);
  if (protocol !== 'tcp') return errx(p, 1, `line ${line}: ${protocol ?? ''}: IPsec is not built in; keys are for tcp only`);
  const key = name === 'add' ? keyOf(p, rest, line) : null;
  if (name === 'delete' && Number(rest[0]) !== SPI_TCP) return complain(p, line, 'No entry');
  return store(p, peer, key, line);
}

/** The end that is not ours. */
function peerOf(p: Proc, src: string, dst: string, line: number): SockAddr {
  const read = (text: string): SockAddr => hostAddress(text) ?? hostAddress6(p.vnet, text) ?? syntaxError(p, line, text);
  const [from, to] = [read(src), read(dst)];
  if (typeof from !== typeof to) return errx(p, 1, `line ${line}: ${src} and ${dst} are of different families`);
  return isOurs(p, to) && !isOurs(p, from) ? from : to;
}

function isOurs({ vnet }: Proc, addr: SockAddr): boolean {
  if (typeof addr === 'number') return addr === INADDR_LOOPBACK || vnet.inNet.isLocal(addr);
  const z = ip6Zoned(addr.addr, addr.scopeId);
  return vnet.in6Net.isLocal(ip6Word(z, 0), ip6Word(z, 1), ip6Word(z, 2), ip6Word(z, 3));
}

/** `0x1000 -A tcp-md5 "secret"`, the key also as 0x and digits. */
function keyOf(p: Proc, [spi = '', option = '', algorithm = '', key = '', ...more]: readonly string[], line: number): Uint8Array {
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(spi)) return syntaxError(p, line, spi);
  if (Number(spi) !== SPI_TCP) return errx(p, 1, `line ${line}: invalid SPI at [${spi}]: it is 0x1000 for TCP`);
  if (option !== '-A') return syntaxError(p, line, option);
  if (algorithm !== 'tcp-md5') return errx(p, 1, `line ${line}: unsupported algorithm at [${algorithm}]`);
  if (more[0] !== undefined) return syntaxError(p, line, more[0]);
  if (key.startsWith('"')) return utf8Encode(key.slice(1));
  const digits = /^0x((?:[0-9a-f]{2})+)$/i.exec(key)?.[1] ?? syntaxError(p, line, key);
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function store(p: Proc, peer: SockAddr, key: Uint8Array | null, line: number): number {
  const so = keySocket(p, typeof peer === 'number' ? PF_INET : PF_INET6);
  const error = so.setMd5Key(peer, key);
  so.close();
  if (error === 0) return 0;
  return complain(p, line, error === ENOENT ? 'No entry' : error === EINVAL ? 'Invalid argument: a key has 1 to 80 bytes' : strerror(error));
}

function complain(p: Proc, line: number, what: string): number {
  p.out(`The result of line ${line}: ${what}.\n`);
  return 1;
}

/** The door to the keys. Leaves when the network is somebody else's. */
function keySocket(p: Proc, domain: number): StreamSocket {
  if (!ownsNetwork(p.prison)) return errx(p, 1, 'pfkey_open: Operation not permitted');
  const { error, so } = p.vnet.sockets.socket(domain, SOCK_STREAM);
  return so ?? err(p, 1, 'pfkey_open', error);
}

interface PeerKey {
  readonly peer: SockAddr;
  readonly key: Uint8Array;
}

function keysOf(p: Proc): PeerKey[] {
  return p.vnet.tcp.md5.list().map(({ f0, f1, f2, f3, key }) => {
    const isV4 = f0 === 0 && f1 === 0 && f2 === V4_MAPPED;
    return { peer: isV4 ? f3 >>> 0 : in6Recover(ip6OfWords(f0, f1, f2, f3)), key };
  });
}

function flush(p: Proc): number {
  for (const { peer } of keysOf(p)) store(p, peer, null, 0);
  return 0;
}

function dump(p: Proc): number {
  const keys = keysOf(p);
  if (keys.length === 0) p.out('No SAD entries.\n');
  for (const { peer, key } of keys) {
    const [any, text] = typeof peer === 'number' ? ['0.0.0.0', ip4Format(peer)] : ['::', address6Text(p.vnet, peer)];
    const digits = Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('').replace(/.{8}(?=.)/g, '$& ');
    p.out(`${any} ${text} \n\ttcp mode=any spi=${SPI_TCP}(0x00001000) reqid=0(0x00000000)\n\tA: tcp-md5  ${digits}\n\tseq=0x00000000 replay=0 flags=0x00000040 state=mature \n`);
  }
  return 0;
}
