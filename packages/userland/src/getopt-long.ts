/**
 * getopt-long.ts — getopt_long(3) as FreeBSD's C library has it: options may come after the words, and have long names.
 * Read first: getopt_long(3); getopt.ts.
 *
 * The words keep their order; `--` ends the options. A long name may be cut short as long as it is clear which is meant. Complaints are the
 * library's, which are not those of getopt(3).
 * Not here: long options with an argument that may be left out, which no tool has.
 */
import type { Getopt } from './getopt.js';

/** Long options: the name, and whether an argument follows. */
export type LongOptions = Readonly<Record<string, 'argument' | 'alone'>>;

/** Options of both kinds: letters, and long names in full. */
export function getoptLong(spec: string, longs: LongOptions, args: readonly string[]): Getopt {
  const options: [string, string][] = [];
  const rest: string[] = [];
  let i = 0;
  /** Takes the next word as an argument. */
  const next = (): string | undefined => args[++i];
  for (; i < args.length; i++) {
    const word = args[i] ?? '';
    if (word === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith('-')) {
      rest.push(word);
      continue;
    }
    const error = word.startsWith('--') ? takeLong(longs, word.slice(2), next, options) : takeLetters(spec, word, next, options);
    if (error !== null) return { options, rest, error };
  }
  return { options, rest, error: null };
}

function takeLong(longs: LongOptions, word: string, next: () => string | undefined, options: [string, string][]): string | null {
  const equals = word.indexOf('=');
  const typed = equals < 0 ? word : word.slice(0, equals);
  const meant = Object.keys(longs).filter((name) => name.startsWith(typed));
  const [name] = meant.includes(typed) ? [typed] : meant;
  if (name === undefined) return `unrecognized option \`--${word}'`;
  if (name !== typed && meant.length > 1) return `option \`--${typed}' is ambiguous`;
  if (longs[name] === 'alone') {
    if (equals >= 0) return `option \`--${typed}' doesn't allow an argument`;
    options.push([name, '']);
    return null;
  }
  const value = equals < 0 ? next() : word.slice(equals + 1);
  if (value === undefined) return `option \`--${word}' requires an argument`;
  options.push([name, value]);
  return null;
}

function takeLetters(spec: string, word: string, next: () => string | undefined, options: [string, string][]): string | null {
  for (let k = 1; k < word.length; k++) {
    const letter = word.charAt(k);
    const at = letter === ':' ? -1 : spec.indexOf(letter);
    if (at < 0) return `invalid option -- ${letter}`;
    if (spec.charAt(at + 1) !== ':') {
      options.push([letter, '']);
      continue;
    }
    const value = k + 1 < word.length ? word.slice(k + 1) : next();
    if (value === undefined) return `option requires an argument -- ${letter}`;
    options.push([letter, value]);
    return null;
  }
  return null;
}
