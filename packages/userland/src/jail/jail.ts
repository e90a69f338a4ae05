/**
 * jail.ts — jail(8): start, change and stop jails.
 * Read first: jail(8), jail.conf(5).
 *
 *     jail -[cmr] param=value … [command=command …]     one jail, described on the command line
 *     jail [-f file] -[cmr] [jail]                      jails of a configuration file: one, a pattern, or all
 *     jail [-f file] -[rR] jail …                       stop; -R without looking at the file
 *     jail [-n name] [-s level] path hostname ip command …
 *     jail [-f file] -e separator                       list what the file describes
 *
 * A jail here is a network stack with a name: it has no file system and no users. Parameters about those are accepted and reported back.
 * A path is not looked for: no program is confined to it.
 */
import { ip6Parse } from '@netloom/core/wire';
import type { HostFile, Proc } from '../proc.js';
import { HostError } from '../proc.js';
import { errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { CfJail, isWild, parseLeadingInt, wildMatch } from './cf-jail.js';
import { CommandSlots } from './command-slots.js';
import { loadConf } from './conf.js';
import { ADDRESSES } from './internal-params.js';
import { quoted } from './jail-job.js';
import type { JailOptions } from './jail-job.js';
import { JailOrder } from './jail-order.js';
import type { JailOp } from './jail-order.js';

const CONF_FILE = '/etc/jail.conf';
const USAGE = `usage: jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            -[cmr] param=value ... [command=command ...]
       jail [-dqv] [-f file] -[cmr] [jail]
       jail [-qv] [-f file] -[rR] ['*' | jail ...]
       jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            [-n jailname] [-s securelevel]
            path hostname ip[,...] command ...
       jail [-f file] -e separator
`;

/** The command line, parsed. */
interface Line {
  op: { start: boolean; set: boolean; stop: boolean };
  removeOnly: boolean;
  separator: string | null;
  file: string;
  jidFile: string | null;
  verbose: number;
  printJid: boolean;
  dying: boolean;
  /** Commands at a time; Infinity: any number. */
  limit: number;
  /** Options that describe a jail: it is not in a file then. */
  readonly words: (readonly [name: string, value: string | null])[];
  args: readonly string[];
}

type Apply = (line: Line, value: string) => void;
const describes = (...words: (readonly [string, string | null])[]): Apply => (line) => void line.words.push(...words);

const OPTIONS: Readonly<Record<string, Apply>> = {
  c: (line) => void (line.op.start = true),
  m: (line) => void (line.op.set = true),
  r: (line) => void (line.op.stop = true),
  R: (line) => {
    line.op.stop = true;
    line.removeOnly = true;
  },
  d: (line) => void (line.dying = true),
  e: (line, value) => void (line.separator = value),
  f: (line, value) => void (line.file = value),
  h: describes(['ip_hostname', null]),
  i: (line) => {
    line.printJid = true;
    line.verbose = -1;
  },
  J: (line, value) => void (line.jidFile = value),
  l: describes(['exec.clean', null]),
  n: (line, value) => void line.words.push(['name', value]),
  p: (line, value) => void (line.limit = Math.max(0, parseLeadingInt(value)) || Infinity),
  q: (line) => void (line.verbose = -1),
  s: (line, value) => void line.words.push(['securelevel', value]),
  u: (line, value) => void line.words.push(['exec.jail_user', value], ['exec.system_jail_user', null]),
  U: (line, value) => void line.words.push(['exec.jail_user', value], ['exec.system_jail_user', 'false']),
  v: (line) => void (line.verbose = 1),
};

function parseLine(p: Proc): Line {
  const line: Line = {
    op: { start: false, set: false, stop: false }, removeOnly: false, separator: null, file: CONF_FILE, jidFile: null, verbose: 0, printJid: false, dying: false, limit: Infinity,
    words: [], args: [],
  };
  const { options, rest, error } = getopt('cde:f:hiJ:lmn:p:qrRs:u:U:v', p.argv.slice(1));
  for (const [letter, value] of options) OPTIONS[letter]?.(line, value);
  if (error !== null) {
    warnx(p, error);
    usage(p, 1, USAGE);
  }
  line.args = rest;
  return line;
}

/** The jail of the command line, from options and `param=value` words. */
function lineJail(p: Proc, line: Line): CfJail {
  const j = new CfJail(p, null);
  for (const [name, value] of line.words) j.addText(name, value);
  for (let i = 0; i < line.args.length; i++) {
    const word = line.args[i] ?? '';
    if (word === 'command' || word.startsWith('command=')) {
      if (word !== 'command') j.addText('command', word.slice('command='.length));
      for (const more of line.args.slice(i + 1)) j.addText('command', more);
      break;
    }
    const list = ADDRESSES.find((name) => word.startsWith(`${name}=`)) ?? null;
    if (list === null) j.addWord(word);
    else for (const addr of word.slice(list.length + 1).split(',')) j.addText(list, addr);
  }
  return j;
}

/** `jail path hostname ip command …` */
function oldStyleJail(p: Proc, line: Line): CfJail {
  const [path = '', hostname = '', addrs = '', ...command] = line.args;
  if (command.length === 0 || !path.startsWith('/')) usage(p, 1, USAGE);
  const j = new CfJail(p, null);
  for (const [name, value] of line.words) j.addText(name, value);
  j.addText('path', path);
  j.addText('host.hostname', hostname);
  if (addrs !== '') for (const addr of addrs.split(',')) j.addText(ip6Parse(addr) === null ? 'ip4.addr' : 'ip6.addr', addr);
  for (const word of command) j.addText('command', word);
  return j;
}

async function fileExists(p: Proc, file: string): Promise<boolean> {
  if (file === '-') return true;
  try {
    await p.host?.readFile(file);
    return p.host !== null;
  } catch (error) {
    if (error instanceof HostError) return false;
    throw error;
  }
}

/** Names of running jails below the caller's prison. */
function runningNames(p: Proc): string[] {
  return p.prison.descendants().filter((prison) => !prison.dying).map((prison) => prison.nameFrom(p.prison));
}

/** What is to be worked on: the jails known, those meant, and whether they were meant as a whole. */
interface Targets {
  readonly known: CfJail[];
  readonly meant: Set<CfJail>;
  all: boolean;
  missing: boolean;
}

/** A running jail that no file describes, or one that is dying. */
function addRunning(p: Proc, targets: Targets, name: string, isDying = false): void {
  const known = targets.known.find((j) => j.name === name);
  const j = known ?? new CfJail(p, name);
  if (known === undefined) {
    j.addText('name', name);
    j.isDying = isDying;
    targets.known.push(j);
  }
  targets.meant.add(j);
}

function aim(p: Proc, targets: Targets, target: string, line: Line): void {
  if (isWild(target)) {
    targets.all = true;
    if (line.removeOnly) for (const name of runningNames(p).filter((n) => wildMatch(n, target))) addRunning(p, targets, name);
    else for (const j of targets.known) if (target === '*' || wildMatch(j.name ?? '', target)) targets.meant.add(j);
    return;
  }
  const known = targets.known.find((j) => j.name === target);
  const running = known === undefined && line.op.stop && !line.op.start && !line.op.set ? p.kernel.prisons.find(p.prison, target) : null;
  if (known !== undefined) targets.meant.add(known);
  else if (running !== null) addRunning(p, targets, running.nameFrom(p.prison), running.dying);
  else {
    warnx(p, `"${target}" not found`);
    targets.missing = true;
  }
}

/** Jails of the command line, of the file, or running ones. */
async function findTargets(p: Proc, line: Line): Promise<{ readonly targets: Targets; readonly noteRemove: boolean }> {
  const { args, op } = line;
  const onlyStop = op.stop && !op.start && !op.set;
  if (onlyStop) {
    if (args.length === 0 || line.words.length > 0 || (!line.removeOnly && args.some((a) => a.includes('=')))) usage(p, 1, USAGE);
    const inFile = !line.removeOnly && (await fileExists(p, line.file));
    const targets: Targets = { known: inFile ? await loadConf(p, line.file) : [], meant: new Set(), all: false, missing: false };
    for (const target of args) aim(p, targets, target, line);
    return { targets, noteRemove: inFile || args.length > 1 || isWild(args[0] ?? '') };
  }
  if (line.removeOnly) usage(p, 1, USAGE);
  if (!op.start && !op.set) return { targets: single(oldStyleJail(p, line)), noteRemove: false };
  if (args.length > 1 || (args[0] ?? '').includes('=')) return { targets: single(lineJail(p, line)), noteRemove: false };
  if (line.words.length > 0) usage(p, 1, USAGE);
  const targets: Targets = { known: await loadConf(p, line.file), meant: new Set(), all: false, missing: false };
  aim(p, targets, args[0] ?? '*', line);
  return { targets, noteRemove: true };
}

function single(j: CfJail): Targets {
  return { known: [j], meant: new Set([j]), all: false, missing: false };
}

/** `-e`: one line a jail, `name=value` with the separator between. */
async function show(p: Proc, line: Line, separator: string): Promise<number> {
  for (const j of await loadConf(p, line.file)) p.out(`${describe(j).join(separator)}\n`);
  return 0;
}

function describe(j: CfJail): string[] {
  return j.params.map(({ name, values }) => (values.length === 0 ? name : `${name}=${j.list(name).map(quoted).join(',')}`));
}

/** A line of the -J file: the number, and the parameters it was started with. */
function record(j: CfJail, jid: number): string {
  return [`jid=${jid}`, ...describe(j).filter((word) => !/^jid(=|$)/.test(word))].join('\t');
}

/** The same for `jail path hostname ip command`. */
function oldStyleRecord(j: CfJail, jid: number): string {
  const [path, hostname, addrs, addrs6, command] = ['path', 'host.hostname', ...ADDRESSES, 'command'].map((name) => j.list(name).map(quoted));
  return [String(jid), path?.join(','), hostname?.join(','), [...(addrs ?? []), ...(addrs6 ?? [])].join(','), command?.join(' ')].join('\t');
}

async function openJidFile(p: Proc, file: string): Promise<HostFile> {
  try {
    if (p.host === null) throw new HostError('ENOENT', 'No such file or directory');
    return await p.host.openWrite(file);
  } catch (error) {
    if (error instanceof HostError) return errx(p, 1, `open ${file}: ${error.message}`);
    throw error;
  }
}

async function runJail(p: Proc): Promise<number> {
  const line = parseLine(p);
  if (line.separator !== null) return show(p, line, line.separator);
  const { targets, noteRemove } = await findTargets(p, line);
  const isOldStyle = !line.op.start && !line.op.set && !line.op.stop;
  const op: JailOp = isOldStyle ? { start: true, set: false, stop: false } : line.op;
  if (targets.missing && !op.stop) return 1;
  if (line.dying) for (const j of targets.known) j.addText('allow.dying', null);
  const jidFile = line.jidFile === null ? null : await openJidFile(p, line.jidFile);
  const options: JailOptions = { verbose: line.verbose, printJid: line.printJid, noteRemove, slots: new CommandSlots(line.limit) };
  const order = new JailOrder(p, targets.known, options);
  order.onStarted = (j, jid) => jidFile?.write(`${isOldStyle ? oldStyleRecord(j, jid) : record(j, jid)}\n`);
  await order.run([...targets.meant], op, targets.all);
  await jidFile?.close();
  return targets.missing || order.failed ? 1 : 0;
}

export const jail = toolMain(runJail);
