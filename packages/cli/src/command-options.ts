/**
 * command-options.ts — what the commands of the command tree share: options that many have, examples under their help.
 * Read first: program.ts.
 */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';

export interface SocketOption {
  readonly socket?: string;
}

/** The socket's path that options and environment mean. */
export type SocketOf = (options: SocketOption) => string;

/** Examples under a command's help. */
export function examples(command: Command, ...lines: string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`);
}

export function socketOption(): Option {
  return new Option('--socket <path>', 'the daemon\'s socket (default: $NETLOOM_SOCKET, else netloom.sock in $XDG_RUNTIME_DIR or /tmp/netloom-$UID)');
}

export const jsonOption = (): Option => new Option('--json', 'print JSON');

/** Seconds, also parts of one. */
export function seconds(text: string): string {
  if (!/^\d{1,6}(\.\d{1,3})?$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('A number of seconds above 0 is needed.');
  return text;
}

/** How many datapath workers. */
export function workerCount(text: string): string {
  if (!/^(auto|\d{1,2})$/.test(text)) throw new InvalidArgumentError('A whole number from 0 on is needed, or "auto".');
  return text;
}

export function positive(text: string): string {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 on is needed.');
  return text;
}
