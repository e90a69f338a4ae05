/**
 * nghook.ts — nghook(8): joins a hook of a node to standard input and output.
 * Read first: nghook(8). Exit codes: 64 wrong usage; 71 when the node cannot be joined, or when the input or the node has ended.
 *
 * Each block of standard input is a packet, each packet is written as it is, or with -a as a dump. With -l what comes goes back as well.
 */
import { NGM_CONNECT, ngConnectType, ngEncode } from '@netloom/core';
import { err, errx, toolMain, usage } from '../err.js';
import { getopt } from '../getopt.js';
import type { Proc } from '../proc.js';
import { StdinReader } from '../stdin-reader.js';
import { EX_OSERR, EX_USAGE } from '../sysexits.js';
import { hexdump } from './hexdump.js';
import { NgSession } from './ng-session.js';

const USAGE = `usage: nghook [-adlnsS] path [hookname]
   or: nghook -e [-n] [-m msg]* path hookname prog [args...]
`;
const DEFAULT_HOOK = 'debug';
const OUR_HOOK = 'hook';

interface NghookOptions {
  readonly ascii: boolean;
  readonly loop: boolean;
  readonly noInput: boolean;
}

export const nghook = toolMain(async (p: Proc): Promise<number> => {
  const parsed = getopt('aedlm:nsS', p.argv.slice(1));
  if (parsed.error !== null) usage(p, EX_USAGE, `nghook: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  if (has('e')) return errx(p, EX_USAGE, '-e: a program of this machine cannot have a hook for its standard input and output here; use a pipe on both sides of nghook');
  const [path, hook = DEFAULT_HOOK, ...more] = parsed.rest;
  if (path === undefined || more.length > 0) return usage(p, EX_USAGE, USAGE);
  const s = NgSession.open(p, null);
  if (typeof s === 'number') return errx(p, EX_OSERR, "can't get sockets");
  const error = s.generic('.', NGM_CONNECT, ngEncode(ngConnectType, { path, ourhook: OUR_HOOK, peerhook: hook }));
  if (error !== 0) return errx(p, EX_OSERR, "can't connect to node");
  for (const [letter, text] of parsed.options) {
    if (letter !== 'm') continue;
    const refused = s.ascii(path, text);
    if (refused !== 0) return err(p, EX_OSERR, `sending message '${text}'`, refused);
  }
  return relay(p, s, { ascii: has('a'), loop: has('l'), noInput: has('n') });
});

async function relay(p: Proc, s: NgSession, o: NghookOptions): Promise<number> {
  const input = o.noInput ? null : new StdinReader(p);
  s.socket.onData = () => p.wake();
  input?.start();
  for (;;) {
    if (!s.socket.isOpen) return errx(p, EX_OSERR, 'read EOF from hook?!');
    for (let data = s.recvData(); data !== null; data = s.recvData()) {
      p.out(o.ascii ? `${hexdump(data.bytes)}\n` : data.bytes);
      if (o.loop) send(p, s, data.bytes);
    }
    const block = input?.take() ?? null;
    if (block !== null) send(p, s, block);
    else if (input?.ended === true) return errx(p, EX_OSERR, 'EOF(stdin)');
    await p.flush();
    if (block === null) await p.sleepUs(Infinity);
  }
}

function send(p: Proc, s: NgSession, bytes: Uint8Array): void {
  const error = s.sendData(OUR_HOOK, bytes);
  if (error !== 0) err(p, EX_OSERR, 'write(hook)', error);
}
