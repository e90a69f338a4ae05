/**
 * filter-commands.ts — tc filter add, change, replace and del, and the words of the classifiers.
 * Read first: tc(8), tc-u32(8), tc-matchall(8); iproute2's `tc/tc_filter.c`.
 */
import { ETH_P_ALL, NLM_F_CREATE, NLM_F_EXCL, TC_H_INGRESS_FILTERS, TC_H_ROOT, TC_H_UNSPEC, filterDelete, filterModify } from '@netloom/core';
import type { TcActionSpec, U32Key } from '@netloom/core';
import { showFilters } from './filter-show.js';
import { parseActions } from './tc-action-words.js';
import { EXIT_USAGE, EXIT_WRONG, matches, parseU32 } from './tc-args.js';
import type { TcArgs } from './tc-args.js';
import { EXIT_KERNEL, talk } from './tc-context.js';
import type { TcContext } from './tc-context.js';
import { FILTER_USAGE, MATCHALL_USAGE, U32_USAGE } from './tc-help.js';
import { parseClassid, parseProtocol, parseU32Handle } from './tc-id.js';
import { U32Selector, parseSelector } from './u32-words.js';

/** What the words before the classifier have said. */
export class FilterWanted {
  dev = '';
  parent = TC_H_UNSPEC;
  prio = 0;
  protocol = 0;
  handle: string | null = null;
  kind: string | null = null;
}

/** The classifier's words. `handle`: the number that was asked for. */
interface Classifier {
  handle: number;
  keys: readonly U32Key[] | null;
  actions: TcActionSpec[];
  classid: number;
}

const COMMANDS: readonly (readonly [name: string, flags: number | 'delete'])[] = [
  ['add', NLM_F_CREATE | NLM_F_EXCL], ['change', 0], ['replace', NLM_F_CREATE], ['delete', 'delete'],
];

export function filterCommand(cx: TcContext, args: TcArgs): number {
  const word = args.take() ?? 'show';
  const found = COMMANDS.find(([name]) => matches(word, name));
  if (found !== undefined) return modify(cx, args, found[1]);
  if (['list', 'show', 'lst'].some((name) => matches(word, name))) {
    const w = parseFilterWanted(args);
    return typeof w === 'number' ? w : showFilters(cx, w);
  }
  if (matches(word, 'help')) {
    cx.p.err(FILTER_USAGE);
    return 0;
  }
  cx.p.err(`Command "${word}" is unknown, try "tc filter help".\n`);
  return EXIT_USAGE;
}

/** Reads up to the classifier's words; a number is the exit code. */
function parseFilterWanted(args: TcArgs): FilterWanted | number {
  const w = new FilterWanted();
  const { p } = args;
  const once = (isSet: boolean, key: string, text: string): string => (isSet ? args.duplicate(key, text) : text);
  while (args.left > 0) {
    const { word } = args;
    if (word === 'dev') w.dev = once(w.dev !== '', 'dev', args.value());
    else if (word === 'root' || word === 'ingress' || word === 'egress') {
      if (w.parent !== TC_H_UNSPEC) {
        p.err(`Error: "${word}" is duplicate parent ID\n`);
        return EXIT_USAGE;
      }
      w.parent = word === 'root' ? TC_H_ROOT : TC_H_INGRESS_FILTERS + (word === 'ingress' ? 0 : 1);
      args.skip();
    } else if (word === 'parent') {
      const text = once(w.parent !== TC_H_UNSPEC, 'parent', args.value());
      w.parent = parseClassid(text) ?? args.wrong('Invalid parent ID', text);
    } else if (word === 'handle') w.handle = once(w.handle !== null, 'handle', args.value());
    else if (matches(word, 'preference') || matches(word, 'priority')) {
      const text = once(w.prio !== 0, 'priority', args.value());
      const prio = parseU32(text);
      w.prio = prio === null || prio > 0xffff ? args.wrong('invalid priority value', text) : prio;
    } else if (matches(word, 'protocol')) {
      const text = once(w.protocol !== 0, 'protocol', args.value());
      w.protocol = parseProtocol(text) ?? args.wrong('invalid protocol', text);
    } else if (matches(word, 'chain')) {
      const text = args.value();
      if (parseU32(text) !== 0) args.wrong('chains are not built in, there is chain 0', text);
    } else if (matches(word, 'help')) {
      p.err(FILTER_USAGE);
      return 0;
    } else {
      w.kind = word;
      args.skip();
      return w;
    }
  }
  return w;
}

/** Reads the classifier's words; null: complained. */
function parseClassifier(args: TcArgs, w: FilterWanted): Classifier | null {
  const { p } = args;
  const isU32 = w.kind === 'u32';
  const c: Classifier = { handle: 0, keys: null, actions: [], classid: 0 };
  if (w.handle !== null) {
    const handle = isU32 ? parseU32Handle(w.handle) : parseU32(w.handle);
    if (handle === null) {
      p.err(isU32 ? 'Illegal filter ID\n' : `Illegal handle "${w.handle}", must be numeric.\n`);
      return null;
    }
    c.handle = handle;
  }
  const selector = new U32Selector();
  while (args.left > 0) {
    const { word } = args;
    if (isU32 && matches(word, 'match')) {
      args.next();
      if (!parseSelector(args, selector)) return illegal(args, 'match');
      c.keys = selector.keys;
    } else if (matches(word, 'classid') || word === 'flowid') {
      const id = parseClassid(args.value());
      if (id === null) return illegal(args, 'classid');
      c.classid = id;
    } else if (matches(word, 'action')) {
      args.next();
      const actions = parseActions(args, p.vnet.net);
      if (actions === null) return illegal(args, 'action');
      c.actions = actions;
    } else {
      const usage = isU32 ? U32_USAGE : MATCHALL_USAGE;
      p.err(word === 'help' ? usage : `What is "${word}"?\n${usage}`);
      return null;
    }
  }
  return c;
}

function illegal(args: TcArgs, what: string): null {
  args.p.err(`Illegal "${what}"\n`);
  return null;
}

function modify(cx: TcContext, args: TcArgs, flags: number | 'delete'): number {
  const { p } = cx;
  const w = parseFilterWanted(args);
  if (typeof w === 'number') return w;
  const ifp = p.vnet.net.ifunit(w.dev);
  if (w.dev !== '' && ifp === null) {
    p.err(`Cannot find device "${w.dev}"\n`);
    return EXIT_WRONG;
  }
  let c: Classifier | null = { handle: 0, keys: null, actions: [], classid: 0 };
  if (w.kind === 'u32' || w.kind === 'matchall') c = parseClassifier(args, w);
  else if (w.kind === null && w.handle !== null) {
    p.err('Must specify filter type when using "handle"\n');
    return EXIT_USAGE;
  } else if (w.kind !== null && args.left > 0) {
    p.err(`Unknown filter "${w.kind}", hence option "${args.word}" is unparsable\n`);
    c = null;
  }
  if (c === null) return EXIT_WRONG;
  if (ifp === null) {
    p.err('RTNETLINK answers: No such device\nWe have an error talking to the kernel\n');
    return EXIT_KERNEL;
  }
  const isNew = flags !== 'delete' && (flags & NLM_F_CREATE) !== 0;
  const { handle, keys, actions, classid } = c;
  const request = { ifp, parent: w.parent, prio: w.prio, protocol: w.protocol === 0 && isNew ? ETH_P_ALL : w.protocol, handle, kind: w.kind, keys, actions, classid };
  const exit = talk(p, () => (flags === 'delete' ? filterDelete(p.vnet.net, request) : filterModify(p.vnet.net, request, flags)));
  if (exit !== 0) p.err('We have an error talking to the kernel\n');
  return exit;
}
