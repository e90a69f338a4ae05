/**
 * command-line.mjs — the words after `npm run VERB --`: options and names, or what is wrong with them and how it is used; with --help that alone, and the end.
 */
import { parseArgs } from 'node:util';

/**
 * @template {NonNullable<import('node:util').ParseArgsConfig['options']>} T
 * @param {string} verb for the message
 * @param {string} usage
 * @param {T} options
 * @returns {ReturnType<typeof parseArgs<{ options: T, allowPositionals: true }>> | null} null when it is wrong, which has been said
 */
export function commandLine(verb, usage, options) {
  if (process.argv.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    console.error(`${verb}: ${error instanceof Error ? error.message : error}\n${usage}`);
    return null;
  }
}
