/**
 * qdisc-commands.ts — tc qdisc add, change, replace, del and show.
 * Read first: tc(8); iproute2's `tc/tc_qdisc.c`.
 */
import {
  NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE, TC_H_INGRESS, TC_H_ROOT, TC_H_UNSPEC, TC_INGRESS_HANDLE,
  qdiscDelete, qdiscList, qdiscModify,
} from '@netloom/core';
import type { Ifnet, QdiscOptions, QdiscView } from '@netloom/core';
import { EXIT_USAGE, EXIT_WRONG, matches, parseSize, sizeText } from './tc-args.js';
import type { TcArgs } from './tc-args.js';
import { EXIT_KERNEL, printJson, talk } from './tc-context.js';
import type { TcContext } from './tc-context.js';
import { INGRESS_USAGE, PLUG_USAGE, QDISC_USAGE } from './tc-help.js';
import { classidText, parseClassid, parseQdiscHandle, qdiscHandleText } from './tc-id.js';

/** What the words before the kind have said. */
class Wanted {
  dev = '';
  handle = TC_H_UNSPEC;
  parent = TC_H_UNSPEC;
  kind: string | null = null;
}

const ADD = NLM_F_CREATE | NLM_F_EXCL;

const COMMANDS: readonly (readonly [name: string, flags: number | 'delete'])[] = [
  ['add', ADD], ['change', 0], ['replace', NLM_F_CREATE | NLM_F_REPLACE], ['delete', 'delete'],
];

export function qdiscCommand(cx: TcContext, args: TcArgs): number {
  const word = args.take() ?? 'show';
  const found = COMMANDS.find(([name]) => matches(word, name));
  if (found !== undefined) return modify(cx, args, found[1]);
  if (['list', 'show', 'lst'].some((name) => matches(word, name))) return show(cx, args);
  if (matches(word, 'help')) {
    cx.p.err(QDISC_USAGE);
    return 0;
  }
  cx.p.err(`Command "${word}" is unknown, try "tc qdisc help".\n`);
  return EXIT_USAGE;
}

/** Reads up to the kind's options; a number is the exit code. */
function parseWanted(args: TcArgs): Wanted | number {
  const w = new Wanted();
  const { p } = args;
  const parentIs = (id: number, name: string): boolean => {
    if (w.parent !== TC_H_UNSPEC) p.err(`Error: "${name}" is ${name === 'root' ? '' : 'a '}duplicate parent ID\n`);
    const free = w.parent === TC_H_UNSPEC;
    w.parent = id;
    return free;
  };
  while (args.left > 0) {
    const { word } = args;
    if (word === 'dev') {
      const dev = args.value();
      if (w.dev !== '') args.duplicate('dev', dev);
      w.dev = dev;
    } else if (word === 'handle') {
      const text = args.value();
      w.handle = parseQdiscHandle(text) ?? args.wrong('invalid qdisc ID', text);
    } else if (word === 'root') {
      if (!parentIs(TC_H_ROOT, word)) return EXIT_USAGE;
      args.skip();
    } else if (word === 'ingress') {
      if (!parentIs(TC_H_INGRESS, word)) return EXIT_USAGE;
      w.kind = 'ingress';
      w.handle = TC_INGRESS_HANDLE;
      args.skip();
      return w;
    } else if (word === 'parent') {
      const text = args.value();
      if (w.parent !== TC_H_UNSPEC) args.duplicate('parent', text);
      w.parent = parseClassid(text) ?? args.wrong('invalid parent ID', text);
    } else if (matches(word, 'help')) {
      p.err(QDISC_USAGE);
      return EXIT_USAGE;
    } else {
      w.kind = word;
      args.skip();
      return w;
    }
  }
  return w;
}

const PLUG_ACTIONS: Readonly<Record<string, number>> = { block: TCQ_PLUG_BUFFER, release: TCQ_PLUG_RELEASE_ONE, release_indefinite: TCQ_PLUG_RELEASE_INDEFINITE };

/** The plug's words; null options: there are none. */
function plugOptions(args: TcArgs): { readonly options: QdiscOptions | null; readonly exit: number } {
  const { p } = args;
  let options: { action: number; limit: number } | null = null;
  while (args.left > 0) {
    const { word } = args;
    const action = PLUG_ACTIONS[word];
    options ??= { action: 0, limit: 0 };
    if (action !== undefined) {
      options.action = action;
      args.skip();
    } else if (word === 'limit') {
      const text = args.value();
      const limit = parseSize(text);
      if (limit === null) {
        p.err(`Illegal value for "limit": "${text}"\n`);
        return { options: null, exit: EXIT_WRONG };
      }
      options = { action: TCQ_PLUG_LIMIT, limit };
    } else {
      p.err(word === 'help' ? PLUG_USAGE : `plug: unknown parameter "${word}"\n${PLUG_USAGE}`);
      return { options: null, exit: EXIT_WRONG };
    }
  }
  return { options, exit: 0 };
}

function modify(cx: TcContext, args: TcArgs, flags: number | 'delete'): number {
  const { p } = cx;
  const w = parseWanted(args);
  if (typeof w === 'number') return w;
  const { options, exit } = w.kind === 'plug' ? plugOptions(args) : { options: null, exit: 0 };
  if (exit !== 0) return exit;
  if (args.left > 0) {
    if (matches(args.word, 'help')) p.err(QDISC_USAGE);
    else if (w.kind === 'ingress') p.err(`What is "${args.word}"?\n${INGRESS_USAGE}`);
    else p.err(`Unknown qdisc "${w.kind}", hence option "${args.word}" is unparsable\n`);
    return EXIT_WRONG;
  }
  const ifp = w.dev === '' ? null : p.vnet.net.ifunit(w.dev);
  if (w.dev !== '' && ifp === null) {
    p.err(`Cannot find device "${w.dev}"\n`);
    return EXIT_WRONG;
  }
  if (ifp === null) {
    p.err('RTNETLINK answers: No such device\n');
    return EXIT_KERNEL;
  }
  const { parent, handle, kind } = w;
  const request = { ifp, parent, handle, kind, options };
  return talk(p, () => (flags === 'delete' ? qdiscDelete(p.vnet.net, request) : qdiscModify(p.vnet.net, request, flags)));
}

function show(cx: TcContext, args: TcArgs): number {
  const { p } = cx;
  let dev: Ifnet | null = null;
  let parent = TC_H_UNSPEC;
  let handle = TC_H_UNSPEC;
  while (args.left > 0) {
    const { word } = args;
    const id = (): void => {
      if (parent !== TC_H_UNSPEC) args.wrong('parent is already specified', word);
      if (handle !== TC_H_UNSPEC) args.wrong('handle is already specified', word);
    };
    if (word === 'dev') {
      const name = args.value();
      dev = p.vnet.net.ifunit(name);
      if (dev !== null) continue;
      p.err(`Cannot find device "${name}"\n`);
      return EXIT_WRONG;
    }
    if (word === 'root' || word === 'ingress' || word === 'clsact') {
      id();
      parent = word === 'root' ? TC_H_ROOT : TC_H_INGRESS;
      args.skip();
    } else if (matches(word, 'parent')) {
      id();
      const text = args.value();
      parent = parseClassid(text) ?? args.wrong('invalid parent ID', text);
    } else if (matches(word, 'handle')) {
      id();
      const text = args.value();
      handle = parseQdiscHandle(text) ?? args.wrong('invalid handle ID', text);
    } else if (matches(word, 'help')) {
      p.err(QDISC_USAGE);
      return EXIT_USAGE;
    } else {
      p.err(`What is "${word}"? Try "tc qdisc help".\n`);
      return EXIT_USAGE;
    }
  }
  const ifps = dev === null ? [...p.vnet.net.ifnets].sort((a, b) => a.index - b.index) : [dev];
  const rows = ifps.flatMap((ifp) => qdiscList(ifp).map((view) => ({ ifp, view })))
    .filter(({ view }) => (parent === TC_H_UNSPEC || view.parent === parent) && (handle === TC_H_UNSPEC || view.handle === handle));
  if (cx.json) printJson(cx, rows.map(({ ifp, view }) => qdiscJson(cx, dev === null ? ifp.xname : null, view)));
  else for (const { ifp, view } of rows) p.out(qdiscText(cx, dev === null ? ifp.xname : null, view));
  return 0;
}

/** Users of a root that an interface with one queue shows; an ingress has one, which is not shown. */
const ROOT_REFCNT = 2;

function qdiscText({ stats }: TcContext, dev: string | null, view: QdiscView): string {
  const isRoot = view.parent === TC_H_ROOT;
  const of = dev === null ? '' : `dev ${dev} `;
  const line = `qdisc ${view.kind} ${qdiscHandleText(view.handle)} ${of}${isRoot ? `root refcnt ${ROOT_REFCNT} ` : `parent ${classidText(view.parent)} ---------------- `}\n`;
  return stats ? `${line}${statsText(view, ' ')}\n` : line;
}

/** Counters as everything in tc shows them. */
export function statsText(s: { sentBytes: number; sentPackets: number; dropPackets: number; overlimits?: number; bytes: number; packets: number }, prefix: string): string {
  return `${prefix}Sent ${s.sentBytes} bytes ${s.sentPackets} pkt (dropped ${s.dropPackets}, overlimits ${s.overlimits ?? 0} requeues 0) \n`
    + `${prefix}backlog ${sizeText(s.bytes)} ${s.packets}p requeues 0`;
}

export function statsJson(s: { sentBytes: number; sentPackets: number; dropPackets: number; overlimits?: number; bytes: number; packets: number }): object {
  return { bytes: s.sentBytes, packets: s.sentPackets, drops: s.dropPackets, overlimits: s.overlimits ?? 0, requeues: 0, backlog: s.bytes, qlen: s.packets };
}

function qdiscJson({ stats }: TcContext, dev: string | null, view: QdiscView): object {
  const isRoot = view.parent === TC_H_ROOT;
  return {
    kind: view.kind, handle: qdiscHandleText(view.handle), ...(dev === null ? {} : { dev }), ...(isRoot ? { root: true, refcnt: ROOT_REFCNT } : { parent: classidText(view.parent) }), options: {},
    ...(stats ? statsJson(view) : {}),
  };
}
