/**
 * libxo.ts — machine-readable output of tools that have it in FreeBSD: `--libxo json` and, for short, `--json`.
 * Read first: libxo(3), xo_parse_args(3), xo_options(7).
 *
 * The names and the nesting are libxo's, so that a script written for FreeBSD reads ours. `--json` is `--libxo json,pretty`.
 * Not here: XML, HTML and the other styles.
 */

export type JsonStyle = 'none' | 'compact' | 'pretty';

export interface LibxoArgs {
  /** The words without libxo's. */
  readonly words: string[];
  readonly json: JsonStyle;
  /** A style there is none of here, in words; null when all is well. */
  readonly error: string | null;
}

/** Takes `--libxo STYLE`, `--libxo=STYLE`, `--libxo:LETTERS` and `--json` out of a command line. @param args argv without the tool's name */
export function takeLibxo(args: readonly string[]): LibxoArgs {
  const words: string[] = [];
  let json: JsonStyle = 'none';
  let error: string | null = null;
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? '';
    if (word === '--json') json = 'pretty';
    else if (word.startsWith('--libxo:')) json = word.includes('J') ? (word.includes('P') ? 'pretty' : 'compact') : json;
    else if (word === '--libxo' || word.startsWith('--libxo=')) {
      const style = word === '--libxo' ? (args[++i] ?? '') : word.slice('--libxo='.length);
      const parts = style.split(',');
      if (parts.includes('json')) json = parts.includes('pretty') ? 'pretty' : 'compact';
      else if (!parts.includes('text')) error = `--libxo ${style}: not built in; use json`;
    } else words.push(word);
  }
  return { words, json, error };
}

export function jsonText(value: unknown, style: JsonStyle): string {
  return `${style === 'pretty' ? JSON.stringify(value, null, 2) : JSON.stringify(value)}\n`;
}
