/**
 * run-words.ts — the argument loop: the words behind an interface's name, one after the other.
 * Read first: ifconfig(8); invocation.ts.
 *
 * Order of things at the end of the line: the family's own finish (a default mask), callbacks newest first (the clone, if nothing has made
 * it yet; checks of what must come together), the address to remove, the address to set.
 */
import { addressWord, applyAddresses } from './address-words.js';
import { findCommand, findFamily } from './commands.js';
import type { Command, Invocation } from './invocation.js';
import { vlanBothGiven } from './vlan.js';

/** Runs one word with its arguments; answers with how many words it took. */
function runCommand(cx: Invocation, command: Command, words: readonly string[]): number {
  const [, a = '', b = ''] = words;
  if (command.words === 1 && words.length < 2) cx.errx(`'${command.name}' requires argument`);
  if (command.words === 2 && words.length < 3) cx.errx(`'${command.name}' requires 2 arguments`);
  command.run(cx, a, b);
  return 1 + (command.words === 'optional' ? Math.min(1, words.length - 1) : command.words);
}

/** @param creating the first word is `create`. */
export function runWords(cx: Invocation, args: readonly string[], creating: boolean): void {
  let words = args;
  let isCreating = creating;
  cx.callbacks.push(vlanBothGiven);
  while (words.length > 0) {
    const name = words[0] ?? '';
    const command = findCommand(name, isCreating);
    if (isCreating && command === undefined) {
      cx.callbacks.shift()?.(cx);
      isCreating = false;
      const family = findFamily(name);
      if (family !== undefined) {
        cx.family = family;
        words = words.slice(1);
      }
      continue;
    }
    if (command === undefined) {
      addressWord(cx, name);
      words = words.slice(1);
      continue;
    }
    words = words.slice(runCommand(cx, command, words));
  }
  cx.family.postproc?.(cx);
  for (const callback of cx.callbacks) callback(cx);
  applyAddresses(cx);
}
