/**
 * list-commands.ts — ngctl list, show, types: what there is. Scripts take these columns apart, so they are FreeBSD's to the blank.
 */
import type { NgNodeinfo } from '@netloom/core';
import { warn } from '../err.js';
import { getopt } from '../getopt.js';
import { CMDRTN_ERROR, CMDRTN_OK, CMDRTN_USAGE } from './command.js';
import type { NgctlCommand } from './command.js';
import type { NgSession } from './ng-session.js';

const UNNAMED = '<unnamed>';
const HEAD = ['Local hook', 'Peer name', 'Peer type', 'Peer ID', 'Peer hook'] as const;
const RULE = ['----------', '---------', '---------', '-------', '---------'] as const;
const WIDTHS = [15, 15, 12, 15, 15] as const;

const id8 = (id: number): string => id.toString(16).padStart(8, '0');
const nameOf = ({ name }: NgNodeinfo): string => (name === '' ? UNNAMED : name);

function nodeLine(info: NgNodeinfo): string {
  return `  Name: ${nameOf(info).padEnd(15)} Type: ${info.type.padEnd(15)} ID: ${id8(info.id)}   Num hooks: ${info.hooks}\n`;
}

function row(cells: readonly string[]): string {
  return `  ${cells.map((cell, i) => cell.padEnd(WIDTHS[i]!)).join(' ')}\n`;
}

/** Says what went wrong with a question, in the words of the command that asked. */
export function complain(s: NgSession, failed: { readonly error: number; readonly sent: boolean }): number {
  warn(s.p, failed.sent ? 'recv msg' : 'send msg', failed.error);
  return CMDRTN_ERROR;
}

function show(s: NgSession, path: string, withHooks: boolean): number {
  const asked = s.hooks(path);
  if (!('value' in asked)) return complain(s, asked);
  const { nodeinfo, linkinfo } = asked.value;
  s.p.out(nodeLine(nodeinfo));
  if (!withHooks || linkinfo.length === 0) return CMDRTN_OK;
  s.p.out(row(HEAD) + row(RULE));
  for (const link of linkinfo) s.p.out(row([link.ourhook, nameOf(link.nodeinfo), link.nodeinfo.type, id8(link.nodeinfo.id), link.peerhook]));
  return CMDRTN_OK;
}

export const listCommand: NgctlCommand = {
  synopsis: 'list [-ln]',
  summary: 'Show information about all nodes',
  help: 'Shows every node there is: its name, type, number and how many hooks it has. With -n only nodes that have a name are shown, with -l their hooks as well.',
  aliases: ['ls'],
  run(s, words) {
    const parsed = getopt('ln', words.slice(1));
    if (parsed.error !== null) s.p.err(`ngctl: ${parsed.error}\n`);
    if (parsed.error !== null || parsed.rest.length > 0) return CMDRTN_USAGE;
    const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
    const asked = s.nodes(has('n'));
    if (!('value' in asked)) return complain(s, asked);
    const { nodeinfo } = asked.value;
    s.p.out(`There are ${nodeinfo.length} total ${has('n') ? 'named ' : ''}nodes:\n`);
    for (const [i, info] of nodeinfo.entries()) {
      if (!has('l')) {
        s.p.out(nodeLine(info));
        continue;
      }
      const shown = show(s, `[${info.id.toString(16)}]:`, true);
      if (shown !== CMDRTN_OK) return shown;
      if (i < nodeinfo.length - 1) s.p.out('\n');
    }
    return CMDRTN_OK;
  },
};

export const showCommand: NgctlCommand = {
  synopsis: 'show [-n] <path>',
  summary: 'Show information about the node at <path>',
  help: 'With -n its hooks are not listed.',
  aliases: ['inquire', 'info'],
  run(s, words) {
    const parsed = getopt('n', words.slice(1));
    if (parsed.error !== null) s.p.err(`ngctl: ${parsed.error}\n`);
    const [path] = parsed.rest;
    if (parsed.error !== null || path === undefined || parsed.rest.length > 1) return CMDRTN_USAGE;
    return show(s, path, parsed.options.length === 0);
  },
};

export const typesCommand: NgctlCommand = {
  synopsis: 'types',
  summary: 'Show information about all installed node types',
  aliases: [],
  run(s, words) {
    if (words.length !== 1) return CMDRTN_USAGE;
    const asked = s.types();
    if (!('value' in asked)) return complain(s, asked);
    const { typeinfo } = asked.value;
    s.p.out(`There are ${typeinfo.length} total types:\n`);
    if (typeinfo.length > 0) s.p.out(`${'Type name'.padStart(15)}   Number of living nodes\n${'---------'.padStart(15)}   ----------------------\n`);
    for (const { typename, numnodes } of typeinfo) s.p.out(`${typename.padStart(15)}   ${String(numnodes).padStart(5)}\n`);
    return CMDRTN_OK;
  },
};
