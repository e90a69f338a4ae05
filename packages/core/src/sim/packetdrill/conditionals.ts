/**
 * conditionals.ts — `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif`: parts of a script for one system.
 *
 * Suites that run on several systems go through the C preprocessor first. Of what it does, only this is here. We are `FreeBSD`; other names
 * come from the command line. Lines that do not count become empty, so that the others keep their numbers.
 */
import { ScriptError } from './script.js';

/** What is defined everywhere: whose behaviour ours is. */
const DEFINED = ['FreeBSD', '__FreeBSD__'];

export function conditionalLines(source: string, defines: readonly string[]): string {
  if (!/^[ \t]*#[ \t]*ifn?def\b/m.test(source)) return source;
  const known = new Set([...DEFINED, ...defines]);
  /** Whether the lines of each open condition count. */
  const open: boolean[] = [];
  const lines = source.split('\n').map((line, i) => {
    const [, word = '', name = ''] = /^[ \t]*#[ \t]*(ifdef|ifndef|else|endif)\b[ \t]*(\w*)/.exec(line) ?? [];
    if (word === 'ifdef' || word === 'ifndef') open.push(known.has(name) === (word === 'ifdef'));
    else if (word !== '' && open.length === 0) throw new ScriptError(i + 1, `#${word} without #ifdef`);
    else if (word === 'else') open.push(open.pop() === false);
    else if (word === 'endif') open.pop();
    return word === '' && open.every(Boolean) ? line : '';
  });
  if (open.length > 0) throw new ScriptError(lines.length, '#ifdef without #endif');
  return lines.join('\n');
}
