/**
 * tc-action-words.ts — `action mirred egress redirect dev ifb0`, `action drop`: what a filter does, from the command line.
 * Read first: tc-actions(8), tc-mirred(8); iproute2's `tc/m_action.c`, `m_mirred.c`.
 *
 * Built in: mirred's `egress redirect` and `egress mirror`, and `drop`, `pass` and their other names. Whatever else is an action of Linux is refused by its name.
 */
import { TC_ACT_OK, TC_ACT_SHOT } from '@netloom/core';
import type { Net, TcActionSpec } from '@netloom/core';
import { matches } from './tc-args.js';
import type { TcArgs } from './tc-args.js';

const PASS = ['pass', 'ok'];
const DROP = ['drop', 'shot'];
/** Words behind which another part of the filter begins. */
const ENDS = ['flowid', 'classid'];

/** The actions behind the word `action`; null: complained. */
export function parseActions(args: TcArgs, net: Net): TcActionSpec[] | null {
  const list: TcActionSpec[] = [];
  for (;;) {
    if (args.word === 'action') args.skip();
    const { left, word } = args;
    if (left <= 0 || ENDS.includes(word)) break;
    const spec = parseOne(args, net);
    if (spec === null) {
      args.p.err(`bad action parsing\nparse_action: bad value (${left}:${word})!\n`);
      return null;
    }
    list.push(spec);
    if (args.word !== 'action') break;
  }
  if (list.length > 0) return list;
  args.p.err(`bad action empty 1\nparse_action: bad value (0:(null))!\n`);
  return null;
}

function parseOne(args: TcArgs, net: Net): TcActionSpec | null {
  if (matches(args.word, 'gact') && args.word.length > 1) args.next();
  const { word } = args;
  if (PASS.some((name) => matches(word, name)) || DROP.some((name) => matches(word, name))) {
    args.skip();
    return { kind: 'gact', verdict: DROP.some((name) => matches(word, name)) ? TC_ACT_SHOT : TC_ACT_OK };
  }
  if (matches(word, 'mirred') && word.length > 1) return parseMirred(args, net);
  args.p.err(`Action "${word}" is not built in: there are mirred, drop and pass\n`);
  return null;
}

function parseMirred(args: TcArgs, net: Net): TcActionSpec | null {
  const direction = args.next();
  if (matches(direction, 'ingress')) {
    args.p.err('mirred ingress is not built in: use egress\n');
    return null;
  }
  if (!matches(direction, 'egress')) {
    args.p.err(`mirred option not supported ${direction}\n`);
    return null;
  }
  const how = args.next();
  const redirect = matches(how, 'redirect');
  if (!redirect && !matches(how, 'mirror')) {
    args.p.err(`was expecting redirect or mirror (${how})\n`);
    return null;
  }
  if (!matches(args.next(), 'dev')) return null;
  const name = args.value();
  const to = net.ifunit(name);
  if (to === null) {
    args.p.err(`Cannot find device "${name}"\n`);
    return null;
  }
  // What follows the packet it takes; there is one answer to it.
  if (matches(args.word, 'pipe') && args.word !== '') args.skip();
  return { kind: 'mirred', redirect, to };
}
