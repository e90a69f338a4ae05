/**
 * ngctl.ts — ngctl(8): looks at a vnet's netgraph and changes it.
 * Read first: ngctl(8); command.ts. Exit codes: 0; 64 wrong usage; 66 a file that cannot be read; 71 an operation failed.
 *
 * One command from the words it is called with, commands from a file, or from a terminal. It has a socket node of its own, `ngctl<pid>`, which is what `.`
 * means, and which goes when it ends, with every node that nobody else holds: a bridge made by `ngctl mkpeer bridge x link0` is gone at once.
 */
import { err, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import type { Proc } from '../proc.js';
import { HostError } from '../proc.js';
import { EX_NOINPUT, EX_OSERR, EX_USAGE } from '../sysexits.js';
import { utf8Text } from '../utf8.js';
import { CMDRTN_ERROR, CMDRTN_OK, CMDRTN_QUIT, CMDRTN_USAGE, commandName, findCommand } from './command.js';
import type { NgctlCommand } from './command.js';
import { dotCommand } from './dot.js';
import { interact } from './interactive.js';
import { listCommand, showCommand, typesCommand } from './list-commands.js';
import { NgSession } from './ng-session.js';
import { configCommand, connectCommand, mkpeerCommand, msgCommand, nameCommand, rmhookCommand, shutdownCommand, statusCommand, writeCommand } from './node-commands.js';

const USAGE = 'usage: ngctl [-d] [-f file] [-n name] [command ...]\n';
/** Words of a line, its command included. */
const WORDS_MAX = 511;
/** How wide a description is written by `help`. */
const HELP_WIDTH = 64;
const NAME_MAX = 31;

const debugCommand: NgctlCommand = {
  synopsis: 'debug [level]',
  summary: 'Get/set debugging verbosity level',
  help: 'Shows the level, or sets it to a number, or with + and - makes it one more or less. Nothing more is said at any level.',
  aliases: [],
  run(s, words) {
    const [, level] = words;
    if (words.length > 2) return CMDRTN_USAGE;
    if (level === undefined) {
      s.p.out(`Current debug level is ${s.debugLevel}\n`);
      return CMDRTN_OK;
    }
    const set = level === '+' ? s.debugLevel + 1 : level === '-' ? s.debugLevel - 1 : parseInt(level, 10) || 0;
    if (set < 0) return CMDRTN_USAGE;
    s.debugLevel = set;
    return CMDRTN_OK;
  },
};

const quitCommand: NgctlCommand = { synopsis: 'quit', summary: 'Exit program', aliases: ['exit'], run: () => CMDRTN_QUIT };

const readCommand: NgctlCommand = {
  synopsis: 'read <filename>',
  summary: 'Read and execute commands from a file',
  aliases: ['source', '.'],
  async run(s, words) {
    const [, path] = words;
    if (path === undefined || words.length > 2) return CMDRTN_USAGE;
    const text = await fileText(s.p, path);
    if (typeof text === 'string') return runFile(s, text);
    warnx(s.p, `${path}: ${text.message}`);
    return CMDRTN_ERROR;
  },
};

const helpCommand: NgctlCommand = {
  synopsis: 'help [command]',
  summary: 'Show command summary or get more help on a specific command',
  aliases: ['?'],
  run(s, words) {
    const [, topic] = words;
    if (topic === undefined) {
      s.p.out('Available commands:\n');
      for (const command of COMMANDS) s.p.out(`  ${commandName(command).padEnd(10)} ${command.summary}\n`);
      return CMDRTN_OK;
    }
    const command = findCommand(s.p, COMMANDS, topic);
    if (command !== null) s.p.out(helpText(command));
    return CMDRTN_OK;
  },
};

const COMMANDS: readonly NgctlCommand[] = [
  configCommand, connectCommand, debugCommand, dotCommand, helpCommand, listCommand, mkpeerCommand, msgCommand, nameCommand, readCommand, rmhookCommand, showCommand,
  shutdownCommand, statusCommand, typesCommand, writeCommand, quitCommand,
];

function helpText({ synopsis, aliases, summary, help }: NgctlCommand): string {
  let text = `usage:    ${synopsis}\n`;
  if (aliases.length > 0) text += `Aliases:  ${aliases.join(', ')}\n`;
  text += `Summary:  ${summary}\n`;
  if (help === undefined) return text;
  text += 'Description:\n';
  let line = '';
  for (const word of help.split(' ')) {
    if (line.length + word.length + 1 > HELP_WIDTH) {
      text += `  ${line}\n`;
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return `${text}  ${line}\n`;
}

export const ngctl = toolMain(async (p: Proc): Promise<number> => {
  const parsed = getopt('df:n:', p.argv.slice(1));
  let name = `ngctl${p.pid}`;
  let debug = 0;
  let script: string | null = null;
  for (const [letter, value] of parsed.options) {
    if (letter === 'd') debug++;
    else if (letter === 'n') name = value.slice(0, NAME_MAX);
    else script = await scriptText(p, value);
  }
  if (parsed.error !== null) usage(p, EX_USAGE, `ngctl: ${parsed.error}\n${USAGE}`);
  const s = NgSession.open(p, name);
  if (typeof s === 'number') return err(p, EX_OSERR, "can't create node", s);
  s.debugLevel = debug;
  const ended = await body(s, parsed.rest, script);
  s.close();
  return ended === CMDRTN_USAGE ? EX_USAGE : ended === CMDRTN_ERROR ? EX_OSERR : 0;
});

async function body(s: NgSession, words: readonly string[], script: string | null): Promise<number> {
  if (words.length > 0) return runCommand(s, words);
  if (script !== null) return runFile(s, script);
  if (!s.p.isTty || !s.p.stdinIsTty) return usage(s.p, EX_USAGE, `ngctl: no command specified\n${USAGE}`);
  await helpCommand.run(s, ['help']);
  return interact(s, COMMANDS, (line) => runCommand(s, line));
}

async function runCommand(s: NgSession, words: readonly string[]): Promise<number> {
  const [word] = words;
  if (word === undefined || word === '') return CMDRTN_OK;
  const command = findCommand(s.p, COMMANDS, word);
  if (command === null) return CMDRTN_ERROR;
  const ended = await command.run(s, words);
  if (ended === CMDRTN_USAGE) warnx(s.p, `usage: ${command.synopsis}`);
  await s.p.flush();
  return ended;
}

/** A command a line; the first that does not end well ends it. */
async function runFile(s: NgSession, text: string): Promise<number> {
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    const ended = await runCommand(s, line.split(/\s+/).filter((word) => word !== '').slice(0, WORDS_MAX));
    if (ended === CMDRTN_OK) continue;
    warnx(s.p, `line ${i + 1}: error in file`);
    return ended;
  }
  return CMDRTN_OK;
}

async function scriptText(p: Proc, path: string): Promise<string> {
  if (path === '-') {
    let text = '';
    for await (const block of p.stdin) for (const byte of block) text += String.fromCharCode(byte);
    return text;
  }
  const text = await fileText(p, path);
  if (typeof text === 'string') return text;
  return usage(p, EX_NOINPUT, `ngctl: ${path}: ${text.message}\n`);
}

async function fileText(p: Proc, path: string): Promise<string | { readonly message: string }> {
  if (p.host === null) return { message: 'there are no files here' };
  try {
    return utf8Text(await p.host.readFile(path));
  } catch (error) {
    if (error instanceof HostError) return error;
    throw error;
  }
}
