/**
 * getopt-long.ts — getopt_long(3): letters and long names, options anywhere among the words.
 * Read first: getopt_long(3); getopt.ts.
 *
 * A long name may be cut short where it stays unique, and takes its argument behind `=` or as the next word. Words that are no options are
 * collected in order; `--` ends the options. Errors come in getopt_long's own words, without the tool's name,
 * and quote the word as it was typed.
 */
import type { Getopt } from './getopt.js';

export interface LongOption {
  readonly name: string;
  readonly argument: 'none' | 'required' | 'optional';
  /** What the option is called in the answer; absent: its name. */
  readonly letter?: string;
}

/** @param spec as getopt's. @param longs all long options. @param args argv without the tool's name. */
export function getoptLong(spec: string, longs: readonly LongOption[], args: readonly string[]): Getopt {
  const options: [string, string][] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? '';
    if (word === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith('-')) {
      rest.push(word);
      continue;
    }
    const next = args[i + 1];
    const taken = word.startsWith('--') ? longWord(longs, word.slice(2), next, options) : letterWord(spec, word, next, options);
    if (typeof taken === 'string') return { options, rest, error: taken };
    i += taken;
  }
  return { options, rest, error: null };
}

/** How many further words were taken, or an error. */
function longWord(longs: readonly LongOption[], text: string, next: string | undefined, options: [string, string][]): number | string {
  const eq = text.indexOf('=');
  const name = eq < 0 ? text : text.slice(0, eq);
  const fits = longs.filter((o) => o.name.startsWith(name));
  const option = fits.find((o) => o.name === name) ?? (fits.length === 1 ? fits[0] : undefined);
  if (option === undefined) return fits.length > 1 ? `option \`--${name}' is ambiguous` : `unrecognized option \`--${text}'`;
  const called = option.letter ?? option.name;
  if (option.argument === 'none' && eq >= 0) return `option \`--${name}' doesn't allow an argument`;
  if (option.argument !== 'required' || eq >= 0) {
    options.push([called, eq < 0 ? '' : text.slice(eq + 1)]);
    return 0;
  }
  if (next === undefined) return `option \`--${name}' requires an argument`;
  options.push([called, next]);
  return 1;
}

function letterWord(spec: string, word: string, next: string | undefined, options: [string, string][]): number | string {
  for (let k = 1; k < word.length; k++) {
    const letter = word.charAt(k);
    const at = letter === ':' ? -1 : spec.indexOf(letter);
    if (at < 0) return `invalid option -- ${letter}`;
    if (spec.charAt(at + 1) !== ':') {
      options.push([letter, '']);
      continue;
    }
    const value = word.slice(k + 1);
    if (value !== '') {
      options.push([letter, value]);
      return 0;
    }
    if (next === undefined) return `option requires an argument -- ${letter}`;
    options.push([letter, next]);
    return 1;
  }
  return 0;
}
