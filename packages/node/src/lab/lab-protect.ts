/**
 * lab-protect.ts — protected machines of a lab: what is wrong with the wish, the command that protects one, and what it asks for.
 * Read first: lab-vms.ts; protect/protect-request.ts, which reads the values as it does when the command is run.
 *
 * A machine is protected when it runs; nobody waits until it is, because its backup may be up later.
 */
import type { ProtectRequest } from '../protect/protect-request.js';
import { ProtectRefusal, protectWish } from '../protect/protect-request.js';
import type { LabPath, LabProtect } from './lab-model.js';

type Report = (path: LabPath, message: string, remedy: string) => void;

/** What follows `netloom protect`. Paths are absolute. */
export function protectArgs(machine: string, { backup, interval, fence, via, key, timeout }: LabProtect): string[] {
  const word = (option: string, value: string | number | undefined): string[] => (value === undefined ? [] : [`--${option}`, String(value)]);
  return ['start', machine, '--backup', backup, ...word('interval', interval), ...word('fence', fence), ...word('via', via), ...word('key', key), ...word('timeout', timeout), '--no-wait'];
}

/** The request that those words are. */
export function protectRequestOf([, machine = '', ...words]: readonly string[]): ProtectRequest {
  const value = (option: string): string | undefined => words.find((_, i) => i % 2 === 1 && words[i - 1] === `--${option}`);
  const [interval, fence, via, key, timeout] = ['interval', 'fence', 'via', 'key', 'timeout'].map(value);
  return {
    machine, backup: value('backup') ?? '', ...(interval === undefined ? {} : { interval: interval === 'on-demand' ? interval : Number(interval) }), ...(fence === undefined ? {} : { fence }),
    ...(via === undefined ? {} : { via }), ...(key === undefined ? {} : { key }), ...(timeout === undefined ? {} : { timeoutMs: Number(timeout) }),
  };
}

/** With the paths taken from the folder of the lab file. */
export function withProtectFiles(protect: LabProtect, at: (path: string) => string): LabProtect {
  const inText = (text: string): string => text.replace(/^(unix:|lock:)(.+)$/s, (_, kind: string, path: string) => `${kind}${at(path)}`);
  const { backup, via, fence, key } = protect;
  return { ...protect, backup: inText(backup), ...(via === undefined ? {} : { via: inText(via) }), ...(fence === undefined ? {} : { fence: inText(fence) }), ...(key === undefined ? {} : { key: at(key) }) };
}

export function checkProtect(machine: string, protect: LabProtect, path: LabPath, report: Report): void {
  try {
    protectWish(protectRequestOf(protectArgs(machine, withProtectFiles(protect, (file) => (file.startsWith('/') ? file : `/${file}`)))));
  } catch (error) {
    if (!(error instanceof ProtectRefusal)) throw error;
    report(path, error.message, 'write backup: local, unix:PATH or HOST:PORT, and interval, fence, via, key, timeout as "netloom protect --help" has them');
  }
}
