/**
 * ng-path.ts — addresses: `bridge0:link3.ether`, `[1f]:`, `.`, `upper`.
 * Read first: netgraph(4) "Node addresses".
 *
 *     address := [ node ":" ] [ path ]      node := "." | name | "[" hex "]"      path := hook { "." hook }
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOENT, ENXIO } from '../base/errno.js';
import type { Hook, NgGraph, NgNode } from './ng-node.js';
import { NG_NODESIZ, NG_PATHSIZ } from './ng-parse.js';

const ID_MAX = 0xffff_ffff;

/** The number in `[1f]`; 0 when the text is not such. */
export function ngDecodeIdname(name: string): number {
  const digits = /^\[(?:0[xX])?([0-9a-fA-F]+)\]$/.exec(name);
  if (digits === null) return 0;
  const id = parseInt(digits[1]!, 16);
  return id < ID_MAX ? id : 0;
}

/** May a node have that name? */
export function ngNameIsLegal(name: string): boolean {
  return name !== '' && name.length < NG_NODESIZ && !/[.:]/.test(name) && ngDecodeIdname(name) === 0;
}

export interface NgAddress {
  /** '' or '.': here. */
  readonly node: string;
  readonly hooks: readonly string[];
}

/** Takes an address apart; null when it is none. */
export function ngPathParse(address: string): NgAddress | null {
  const text = address.slice(0, NG_PATHSIZ - 1);
  const colon = text.indexOf(':');
  const node = colon < 0 ? '' : text.slice(0, colon);
  let path = colon < 0 ? text : text.slice(colon + 1);
  if (colon === 0 || path.includes(':') || (node !== '.' && node.includes('.')) || path.includes('..')) return null;
  if (path.startsWith('.')) path = path.slice(1);
  if (path.endsWith('.')) path = path.slice(0, -1);
  return { node, hooks: path === '' ? [] : path.split('.') };
}

export type NgFound = { readonly error: 0; readonly node: NgNode; readonly lasthook: Hook | null } | { readonly error: Errno; readonly node: null };

/** What `address` names, seen from `here`; `lasthook` is the hook the last step came in by. */
export function ngPath2Node(graph: NgGraph, here: NgNode | null, address: string): NgFound {
  const parsed = ngPathParse(address);
  if (parsed === null) return { error: EINVAL, node: null };
  let node = parsed.node === '' || parsed.node === '.' ? here : ngName2Node(graph, parsed.node);
  if (node === null) return { error: parsed.node === '' || parsed.node === '.' ? EINVAL : ENOENT, node: null };
  let lasthook: Hook | null = null;
  for (const name of parsed.hooks) {
    const hook: Hook | null = node.findHook(name);
    if (hook === null || !hook.isValid || hook.peer === null) return { error: ENOENT, node: null };
    lasthook = hook.peer;
    node = lasthook.node;
    if (!node.isValid) return { error: ENXIO, node: null };
  }
  return { error: 0, node, lasthook };
}

/** The node called `name`, or with the number in `[1f]`; one that the system has under that name is made when it is asked for. */
export function ngName2Node(graph: NgGraph, name: string): NgNode | null {
  const id = ngDecodeIdname(name);
  if (id !== 0) return graph.byId(id);
  const node = graph.byName(name);
  if (node !== null) return node;
  for (const type of graph.types) {
    const made = type.wanted?.(graph, name) ?? null;
    if (made !== null) return made;
  }
  return null;
}
