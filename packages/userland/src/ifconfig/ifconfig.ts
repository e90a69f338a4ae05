/**
 * ifconfig.ts — ifconfig(8): show and configure network interfaces.
 * Read first: ifconfig(8); invocation.ts.
 *
 *     ifconfig [-j jail] [-f type:format] [-aCdDklLmnuv] [-g group] [-G group] [interface [family] [words …]]
 *     ifconfig --json [interface]
 *
 * Everything happens in one turn of the kernel: a run of ifconfig is atomic for packets, timers and other tools. When a word fails, what
 * the words before it did stays done, as with FreeBSD's; the name of a clone made is printed nevertheless.
 * `--json` is ours: a JSON array with one object per interface listed (json.ts).
 *
 * Not here: kernel modules (everything is built in; `-n` has no effect), 802.11, pfsync, IPsec.
 */
import { EINVAL, ENOENT, IFF_UP } from '@netloom/core';
import type { Ifnet, Prison } from '@netloom/core';
import { err, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { jailGetid } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';
import { AF_INET_FAMILY } from './af-inet.js';
import { listCloners } from './clone.js';
import { findFamily } from './commands.js';
import { groupMember, printGroup } from './group.js';
import { Invocation } from './invocation.js';
import type { IfconfigArgs } from './invocation.js';
import { interfaceJson } from './json.js';
import { runWords } from './run-words.js';
import { status } from './status.js';

const OPTIONS = 'G:adDf:j:klmnuvLCg:';
const IFNAMSIZ = 16;

const USAGE = `usage: ifconfig [-j jail] [-f type:format] [-g groupname] [-C] [-L] interface address_family
                [address [dest_address]] [parameters]
       ifconfig [-j jail] interface create
       ifconfig [-j jail] -a [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v] [address_family]
       ifconfig [-j jail] -l [-d] [-u] [address_family]
       ifconfig [-j jail] [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v]
       ifconfig [-j jail] --json [interface]
`;

/** What is to be done instead of configuring: `-C`, `-g GROUP`. */
type Query = (cx: Invocation) => void;

function setFormat(p: Proc, args: IfconfigArgs, text: string): void {
  for (const part of text.split(',')) {
    const colon = part.indexOf(':');
    if (colon < 0 || colon === part.length - 1) warnx(p, `Skipping invalid format specification: ${part}\n`);
    else args.format.set(part.slice(0, colon), part.slice(colon + 1));
  }
}

/** Options that are a plain yes. */
const SWITCHES: Readonly<Record<string, (args: IfconfigArgs) => void>> = {
  a: (args) => void (args.all = true),
  d: (args) => void (args.downOnly = true),
  D: (args) => void (args.driverName = true),
  k: (args) => void (args.printKeys = true),
  l: (args) => void (args.namesOnly = true),
  m: (args) => void (args.supportedMedia = true),
  u: (args) => void (args.upOnly = true),
  v: (args) => void args.verbose++,
};

/** Parses the options; answers with the words behind them, or with the question that an option asks: what stands behind that one is not looked at. */
function parseOptions(p: Proc, args: IfconfigArgs): readonly string[] | Query {
  const { options, rest, error } = getopt(OPTIONS, takeJson(p, args));
  for (const [letter, value] of options) {
    SWITCHES[letter]?.(args);
    if (letter === 'C') return listCloners;
    else if (letter === 'f') setFormat(p, args, value);
    else if (letter === 'j') args.jail = value;
    else if (letter === 'G' && args.all) args.noGroup = value;
    else if (letter === 'G') usage(p, 1, USAGE);
    else if (letter === 'g' && args.all) args.matchGroup = value;
    else if (letter === 'g') return (cx) => printGroup(cx, value);
  }
  if (error !== null) {
    warnx(p, error);
    usage(p, 1, USAGE);
  }
  return rest;
}

/** Takes `--json` out of the words before the interface. */
function takeJson(p: Proc, args: IfconfigArgs): readonly string[] {
  const words = p.argv.slice(1);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '--json') {
      args.json = true;
      return [...words.slice(0, i), ...words.slice(i + 1)];
    }
    if (!word.startsWith('-')) break;
    if (/^-[fGgj]$/.test(word)) i++;
  }
  return words;
}

/** Checks which options go together, and takes the family of a listing. */
function settleArgs(p: Proc, args: IfconfigArgs, rest: readonly string[]): readonly string[] {
  if (args.namesOnly && (args.all || args.supportedMedia)) usage(p, 1, USAGE);
  if (args.upOnly && args.downOnly) usage(p, 1, USAGE);
  if (!args.namesOnly && rest.length === 0) args.all = true;
  if (!args.all && !args.namesOnly) return rest;
  if (rest.length > 1) usage(p, 1, USAGE);
  const name = rest[0];
  if (name === undefined) return [];
  args.family = findFamily(name) ?? null;
  if (args.family === null) {
    warnx(p, `Address family '${name}' unknown.`);
    usage(p, 1, USAGE);
  }
  return [];
}

/** Is the interface one that a listing shows? */
function isListed(args: IfconfigArgs, ifp: Ifnet): boolean {
  const up = (ifp.flags & IFF_UP) !== 0;
  if ((args.downOnly && up) || (args.upOnly && !up)) return false;
  return groupMember(ifp, args.matchGroup, args.noGroup) && (args.family === null || args.family.lists(ifp));
}

function list(cx: Invocation, ifps: readonly Ifnet[]): void {
  const listed = ifps.filter((ifp) => isListed(cx.args, ifp));
  if (cx.args.json) cx.out(`${JSON.stringify(listed.map((ifp) => interfaceJson(ifp, cx.args.supportedMedia)), null, 2)}\n`);
  else if (cx.args.namesOnly) cx.out(`${listed.map((ifp) => ifp.xname).join(' ')}\n`);
  else for (const ifp of listed) status(cx, ifp);
}

function isCreate(text: string | undefined): boolean {
  return text === 'create' || text === 'plumb';
}

/** The interface is not in this vnet: make it, take it back, or complain. */
function absent(cx: Invocation, words: readonly string[]): void {
  const creating = isCreate(words[0]);
  if (!creating && words[0] !== '-vnet') cx.errx(`interface ${cx.ifname} does not exist`);
  if (cx.ifname.length >= IFNAMSIZ) cx.errx(`${cx.ifname}: ${creating ? 'cloning name too long' : 'interface name too long'}`);
  runWords(cx, words, creating);
}

/** The interface is there: configure it, or show it. */
function present(cx: Invocation, args: IfconfigArgs, given: readonly string[]): void {
  let words = given;
  if (isCreate(words[0])) {
    if (words.length === 1) cx.errx(`interface ${cx.ifname} already exists`);
    words = words.slice(1);
  }
  const family = findFamily(words[0] ?? '');
  if (family !== undefined) {
    words = words.slice(1);
    args.family = family;
    cx.family = family;
  }
  const { ifp } = cx;
  if (ifp === null) return;
  if (words.length === 0) return list(cx, [ifp]);
  const up = (ifp.flags & IFF_UP) !== 0;
  if ((args.downOnly && up) || (args.upOnly && !up)) return;
  runWords(cx, words, false);
}

function attach(p: Proc, args: IfconfigArgs): Prison {
  if (args.jail === null) return p.prison;
  const id = jailGetid(p, p.prison, args.jail);
  if (id.jid < 0) err(p, 1, 'jail not found', ENOENT);
  return id.prison ?? err(p, 1, 'cannot attach to jail', EINVAL);
}

function runIfconfig(p: Proc): number {
  const args: IfconfigArgs = {
    all: false, downOnly: false, upOnly: false, namesOnly: false, printKeys: false, supportedMedia: false, driverName: false, verbose: 0, matchGroup: null, noGroup: null, jail: null,
    json: false, format: new Map(), family: null,
  };
  const envFormat = p.env['IFCONFIG_FORMAT'];
  if (envFormat !== undefined) setFormat(p, args, envFormat);
  const options = parseOptions(p, args);
  const rest = typeof options === 'function' ? [] : settleArgs(p, args, options);
  const cx = new Invocation(p, args, attach(p, args), AF_INET_FAMILY);
  if (typeof options === 'function') options(cx);
  else if (args.all || args.namesOnly) list(cx, cx.net.ifnets);
  else configure(cx, rest);
  return cx.exitCode;
}

function configure(cx: Invocation, rest: readonly string[]): void {
  const [name = '', ...words] = rest;
  cx.ifname = name;
  try {
    if (cx.ifp === null) absent(cx, words);
    else present(cx, cx.args, words);
  } finally {
    if (cx.nameToPrint !== '') cx.out(`${cx.nameToPrint}\n`);
  }
}

export const ifconfig = toolMain((p) => p.kernel.call(p.now(), () => runIfconfig(p)));
