/**
 * getopt.ts — getopt(3) as the BSD tools use it: options first, clustered letters, `--` ends them.
 * Read first: getopt(3).
 *
 * Parsing stops at the first word that is not an option. An argument that may be left out (`::`) is what follows the letter in its word. An unknown letter or a missing argument yields an error text in
 * getopt's own words, without the tool's name; the tool prints it and its usage.
 */

export interface Getopt {
  /** Options in order: letter and argument ('' for one without). */
  readonly options: readonly (readonly [string, string])[];
  /** Words after the options. */
  readonly rest: readonly string[];
  /** 'illegal option -- x' or 'option requires an argument -- x'; null when all is well. */
  readonly error: string | null;
}

/** @param spec letters, each followed by ':' when it takes an argument, '::' when it may. @param args argv without the tool's name. */
export function getopt(spec: string, args: readonly string[]): Getopt {
  const options: [string, string][] = [];
  let i = 0;
  for (; i < args.length; i++) {
    const word = args[i] ?? '';
    if (word === '--') {
      i++;
      break;
    }
    if (word.length < 2 || !word.startsWith('-')) break;
    for (let k = 1; k < word.length; k++) {
      const letter = word.charAt(k);
      const at = letter === ':' ? -1 : spec.indexOf(letter);
      if (at < 0) return { options, rest: args.slice(i), error: `illegal option -- ${letter}` };
      if (spec.charAt(at + 1) !== ':') {
        options.push([letter, '']);
        continue;
      }
      const rest = word.slice(k + 1);
      if (spec.charAt(at + 2) === ':') {
        options.push([letter, rest]);
        break;
      }
      const value = rest !== '' ? rest : args[++i];
      if (value === undefined) return { options, rest: [], error: `option requires an argument -- ${letter}` };
      options.push([letter, value]);
      break;
    }
  }
  return { options, rest: args.slice(i), error: null };
}
