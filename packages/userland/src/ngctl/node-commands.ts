/**
 * node-commands.ts — the commands of ngctl that change the graph or speak to one node.
 * Read first: ngctl(8).
 */
import {
  EINVAL, NGM_CONNECT, NGM_MKPEER, NGM_NAME, NGM_RMHOOK, NGM_SHUTDOWN, NGM_TEXT_CONFIG, NGM_TEXT_STATUS, ngBytesText, ngConnectType, ngEncode, ngMkpeerType, ngNameType, ngRmhookType,
  ngTextBytes, strtol0,
} from '@netloom/core';
import type { Errno } from '@netloom/core';
import { warn, warnx } from '../err.js';
import { HostError } from '../proc.js';
import { CMDRTN_ERROR, CMDRTN_OK, CMDRTN_USAGE } from './command.js';
import type { NgctlCommand } from './command.js';
import { hexdump } from './hexdump.js';
import type { NgSession } from './ng-session.js';

/** Longest packet that `write` takes from a file, and longest sequence of bytes. */
const WRITE_MAX = 8_192;

function sent(s: NgSession, error: Errno, what = 'send msg'): number {
  if (error === 0) return CMDRTN_OK;
  warn(s.p, what, error);
  return CMDRTN_ERROR;
}

/** `count` words behind the command, with a path before them or `.`; null: there are too few or too many. */
function pathAnd(words: readonly string[], count: number): readonly [string, readonly string[]] | null {
  if (words.length === count + 1) return ['.', words.slice(1)];
  return words.length === count + 2 ? [words[1]!, words.slice(2)] : null;
}

export const mkpeerCommand: NgctlCommand = {
  synopsis: 'mkpeer [path] <type> <hook> <peerhook>',
  summary: 'Create and connect a new node to the node at "path"',
  help: 'Makes a node of type "type" and joins its hook "peerhook" to the hook "hook" of the node at "path", both or nothing. Without "path" it is ".", the node of this program.',
  aliases: [],
  run(s, words) {
    const args = pathAnd(words, 3);
    if (args === null) return CMDRTN_USAGE;
    const [path, [type = '', ourhook = '', peerhook = '']] = args;
    return sent(s, s.generic(path, NGM_MKPEER, ngEncode(ngMkpeerType, { type, ourhook, peerhook })));
  },
};

export const connectCommand: NgctlCommand = {
  synopsis: 'connect [path] <relpath> <hook> <peerhook>',
  summary: 'Connects hook <peerhook> of the node at <relpath> to <hook>',
  help: 'Joins the hook "hook" of the node at "path" to the hook "peerhook" of the node at "relpath", which is seen from "path" unless it names a node. Without "path" it is ".".',
  aliases: ['join'],
  run(s, words) {
    const args = pathAnd(words, 3);
    if (args === null) return CMDRTN_USAGE;
    const [from, [path = '', ourhook = '', peerhook = '']] = args;
    return sent(s, s.generic(from, NGM_CONNECT, ngEncode(ngConnectType, { path, ourhook, peerhook })));
  },
};

export const nameCommand: NgctlCommand = {
  synopsis: 'name <path> <name>',
  summary: 'Assign name <name> to the node at <path>',
  aliases: [],
  run(s, words) {
    const [, path, name] = words;
    if (path === undefined || name === undefined || words.length > 3) return CMDRTN_USAGE;
    return sent(s, s.generic(path, NGM_NAME, ngEncode(ngNameType, { name })));
  },
};

export const rmhookCommand: NgctlCommand = {
  synopsis: 'rmhook [path] <hook>',
  summary: 'Disconnect hook "hook" of the node at "path"',
  help: 'Takes the hook "hook" of the node at "path" away, if there is such a one, and with it the hook it was joined to. Without "path" it is ".".',
  aliases: ['disconnect'],
  run(s, words) {
    const args = pathAnd(words, 1);
    if (args === null) return CMDRTN_USAGE;
    const [path, [hook = '']] = args;
    return sent(s, s.generic(path, NGM_RMHOOK, ngEncode(ngRmhookType, { hook })));
  },
};

export const shutdownCommand: NgctlCommand = {
  synopsis: 'shutdown <path>',
  summary: 'Shutdown the node at <path>',
  aliases: ['kill', 'rmnode'],
  run(s, words) {
    const [, path] = words;
    return path === undefined || words.length > 2 ? CMDRTN_USAGE : sent(s, s.generic(path, NGM_SHUTDOWN), 'shutdown');
  },
};

export const msgCommand: NgctlCommand = {
  synopsis: 'msg path command [args ... ]',
  summary: 'Send a netgraph control message to the node at "path"',
  help: 'Sends the command with its arguments, which the node itself turns from text into the form it understands, and shows the answer, if one comes at once.',
  aliases: ['cmd'],
  run(s, words) {
    const [, path, ...command] = words;
    if (path === undefined || command.length === 0) return CMDRTN_USAGE;
    const error = s.ascii(path, command.join(' '));
    if (error !== 0) return sent(s, error);
    readMessage(s);
    return CMDRTN_OK;
  },
};

/** Shows the next message that has come; false: there is none. */
export function readMessage(s: NgSession): boolean {
  const received = s.recvMsg();
  if (received === null) return false;
  const { from, msg } = received;
  const kind = msg.isResponse ? 'response' : 'command';
  const ascii = s.toAscii(received);
  if (ascii === null) {
    s.p.out(`Rec'd ${kind} ${msg.cmd} from "${from}":\n${msg.args.length === 0 ? 'No arguments\n' : hexdump(msg.args)}`);
    return true;
  }
  const args = ngBytesText(ascii.args);
  s.p.out(`Rec'd ${kind} "${ascii.cmdstr}" (${ascii.cmd}) from "${from}":\n${args === '' ? 'No arguments\n' : `Args:\t${args}\n`}`);
  return true;
}

/** Shows the next packet that has come; false: there is none. */
export function readPacket(s: NgSession): boolean {
  const data = s.recvData();
  if (data === null) return false;
  s.p.out(`Rec'd data packet on hook "${data.hook}":\n${hexdump(data.bytes)}`);
  return true;
}

/** The text a node answers with; null: it has none. A number: how the command ends. */
function textOf(s: NgSession, path: string, cmd: number, args?: Uint8Array): string | null | number {
  const error = s.generic(path, cmd, args);
  if (error === EINVAL) return null;
  if (error !== 0) return sent(s, error);
  const answer = s.recvMsg();
  return answer !== null && answer.msg.isResponse ? ngBytesText(answer.msg.args) : null;
}

export const configCommand: NgctlCommand = {
  synopsis: 'config <path> [arguments]',
  summary: 'get or set configuration of node at <path>',
  aliases: [],
  run(s, words) {
    const [, path, ...args] = words;
    if (path === undefined) return CMDRTN_USAGE;
    const text = textOf(s, path, NGM_TEXT_CONFIG, args.length === 0 ? undefined : ngTextBytes(`${args.join(' ')}\0`));
    if (typeof text === 'number') return text;
    s.p.out(text === null ? `No config available for "${path}"\n` : `Config for "${path}":\n${text}\n`);
    return CMDRTN_OK;
  },
};

export const statusCommand: NgctlCommand = {
  synopsis: 'status <path>',
  summary: 'Get human readable status information from the node at <path>',
  aliases: [],
  run(s, words) {
    const [, path] = words;
    if (path === undefined || words.length > 2) return CMDRTN_USAGE;
    const text = textOf(s, path, NGM_TEXT_STATUS);
    if (typeof text === 'number') return text;
    s.p.out(text === null ? `No status available for "${path}"\n` : `Status for "${path}":\n${text}\n`);
    return CMDRTN_OK;
  },
};

export const writeCommand: NgctlCommand = {
  synopsis: 'write hook < -f file | byte ... >',
  summary: 'Send a data packet down the hook named by "hook".',
  help: 'The packet is what a file holds, or the bytes that are given, each as a number.',
  aliases: ['w'],
  async run(s, words) {
    const [, hook, ...rest] = words;
    if (hook === undefined || rest.length === 0 || (rest[0] === '-f' && rest.length !== 2)) return CMDRTN_USAGE;
    const bytes = rest[0] === '-f' ? await fileBytes(s, rest[1]!) : givenBytes(s, rest);
    if (bytes === null) return CMDRTN_ERROR;
    return sent(s, s.sendData(hook, bytes), `writing to hook "${hook}"`);
  },
};

async function fileBytes(s: NgSession, file: string): Promise<Uint8Array | null> {
  const { host } = s.p;
  if (host === null) {
    warnx(s.p, `can't read file "${file}": there are no files here`);
    return null;
  }
  try {
    const bytes = await host.readFile(file);
    if (bytes.length > 0) return bytes.subarray(0, WRITE_MAX);
    warnx(s.p, `file "${file}" is empty`);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    warnx(s.p, `can't read file "${file}": ${error.message}`);
  }
  return null;
}

function givenBytes(s: NgSession, words: readonly string[]): Uint8Array | null {
  const bytes: number[] = [];
  for (const word of words.slice(0, WRITE_MAX)) {
    const byte = strtol0(word);
    if (byte === null || byte < -128 || byte > 255) {
      warnx(s.p, `invalid byte "${word}"`);
      return null;
    }
    bytes.push(byte & 255);
  }
  return Uint8Array.from(bytes);
}
