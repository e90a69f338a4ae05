/**
 * dot.ts — ngctl dot: the whole graph in GraphViz's language.
 */
import type { NgHooklist, NgNodeinfo } from '@netloom/core';
import { warn, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import type { HostFile } from '../proc.js';
import { HostError } from '../proc.js';
import { CMDRTN_ERROR, CMDRTN_OK, CMDRTN_USAGE } from './command.js';
import type { NgctlCommand } from './command.js';
import type { NgSession } from './ng-session.js';

const hex = (id: number): string => id.toString(16);

export const dotCommand: NgctlCommand = {
  synopsis: 'dot [-c] [outputfile]',
  summary: 'Produce a GraphViz (.dot) of the entire netgraph.',
  help: 'Writes to the file, or to standard output. With -c hooks have no shapes of their own, which makes a smaller picture.',
  aliases: ['graphviz', 'confdot'],
  async run(s, words) {
    const parsed = getopt('c', words.slice(1));
    if (parsed.error !== null) s.p.err(`ngctl: ${parsed.error}\n`);
    const [path] = parsed.rest;
    if (parsed.error !== null || parsed.rest.length > 1) return CMDRTN_USAGE;
    const file = path === undefined ? null : await openFile(s, path);
    if (file === undefined) return CMDRTN_ERROR;
    const text = graphText(s, parsed.options.length > 0);
    if (text === null) return CMDRTN_ERROR;
    if (file === null) {
      s.p.out(text);
      return CMDRTN_OK;
    }
    file.write(text);
    await file.close();
    return CMDRTN_OK;
  },
};

/** Undefined after a complaint. */
async function openFile(s: NgSession, path: string): Promise<HostFile | undefined> {
  try {
    if (s.p.host !== null) return await s.p.host.openWrite(path);
    warnx(s.p, `Could not open ${path} for writing: there are no files here`);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    warnx(s.p, `Could not open ${path} for writing: ${error.message}`);
  }
  return undefined;
}

function graphText(s: NgSession, compact: boolean): string | null {
  const listed = s.nodes(false);
  if (!('value' in listed)) {
    warn(s.p, listed.sent ? 'recv listnodes msg' : 'send listnodes msg', listed.error);
    return null;
  }
  const { nodeinfo } = listed.value;
  let text = compact ? 'digraph netgraph {\n\tedge [ dir = "none", fontsize = 10 ];\n' : 'graph netgraph {\n\tedge [ weight = 1.0 ];\n';
  text += '\tnode [ shape = record, fontsize = 12 ] {\n';
  for (const { id, name, type } of nodeinfo) text += `\t\t"${hex(id)}" [ label = "{${name === '' ? '\\<unnamed\\>' : name}:|{${type}|[${hex(id)}]:}}" ];\n`;
  text += '\t};\n\tsubgraph cluster_disconnected {\n\t\tbgcolor = pink;\n';
  for (const { id, hooks } of nodeinfo) if (hooks === 0) text += `\t\t"${hex(id)}";\n`;
  text += '\t};\n';
  for (const info of nodeinfo) {
    const asked = s.hooks(`[${hex(info.id)}]:`);
    if (!('value' in asked)) {
      warn(s.p, asked.sent ? 'recv listhooks msg' : 'send listhooks msg', asked.error);
      return null;
    }
    text += nodeText(info, asked.value, compact);
  }
  return `${text}}\n`;
}

function nodeText({ id }: NgNodeinfo, { linkinfo }: NgHooklist, compact: boolean): string {
  if (linkinfo.length === 0) return '';
  const me = hex(id);
  let text = '';
  if (!compact) {
    text += '\tnode [ shape = octagon, fontsize = 10 ] {\n';
    for (const { ourhook } of linkinfo) text += `\t\t"${me}.${ourhook}" [ label = "${ourhook}" ];\n`;
    text += '\t};\n\t{\n\t\tedge [ weight = 2.0, style = bold ];\n';
    for (const { ourhook } of linkinfo) text += `\t\t"${me}" -- "${me}.${ourhook}";\n`;
    text += '\t};\n';
  }
  for (const { ourhook, peerhook, nodeinfo: peer } of linkinfo) {
    if (peer.id > id) continue;
    text += compact
      ? `\t"${hex(peer.id)}" -> "${me}" [ headlabel = "${ourhook}", taillabel = "${peerhook}" ] ;\n`
      : `\t"${me}.${ourhook}" -- "${hex(peer.id)}.${peerhook}";\n`;
  }
  return text;
}
