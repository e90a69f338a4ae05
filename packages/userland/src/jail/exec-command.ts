/**
 * exec-command.ts — the words of a command a jail's parameter asks for.
 * Read first: jail(8) "Pseudo-Parameters".
 *
 * Interfaces and addresses are done by ifconfig. Text without characters of the shell's is cut at spaces; with them, or when it is to
 * run in the background (`&` at its end), it goes to the host's shell.
 */
import type { CfJail } from './cf-jail.js';
import type { Step } from './jail-job.js';

export interface ExecCommand {
  readonly argv: readonly string[];
  /** For messages. */
  readonly shown: string;
}

const IFCONFIG = '/sbin/ifconfig';
const SHELL = '/bin/sh';
/** Nothing for the shell but the wish not to wait. */
const BACKGROUND = /^[^!"$&'()*;<>?[\\\]`{|}~]*&$/;
const SHELL_CHARACTERS = /[!"$&'()*;<>?[\\\]`{|}~]/;

/** @param down undoing the step, or stopping. Null when there is nothing to run. */
export function commandOf(j: CfJail, step: Step, value: string, down: boolean): ExecCommand | null {
  const argv = argvOf(j, step, value, down);
  if (argv.length === 0) return null;
  const isBackground = argv[0] === SHELL && argv[2] === value && BACKGROUND.test(value);
  return { argv, shown: isBackground ? words(value.slice(0, -1)).join(' ') : argv.join(' ') };
}

function argvOf(j: CfJail, step: Step, value: string, down: boolean): readonly string[] {
  if (step === 'addresses') return addressArgv(j, value, down);
  if (step === 'vnet.interface') return [IFCONFIG, value, down ? '-vnet' : 'vnet', j.string('jid') ?? j.string('name') ?? ''];
  if (step === 'command' && j.name === null) return j.list('command');
  if (SHELL_CHARACTERS.test(value)) return [SHELL, '-c', value];
  return words(value);
}

function words(text: string): string[] {
  return text.split(/[ \t\f\v\r\n]+/).filter((word) => word !== '');
}

/** `em0|10.0.0.1/24 vhid 1`, `em0|2001:db8::1/64`: interface, address, more words for ifconfig. */
function addressArgv(j: CfJail, value: string, down: boolean): readonly string[] {
  const [first = '', ...extra] = value.split(' ').filter((word) => word !== '');
  const bar = first.indexOf('|');
  const ifname = bar >= 0 ? first.slice(0, bar) : (j.string('interface') ?? '');
  const address = first.slice(bar + 1);
  const slash = address.indexOf('/');
  if (address.includes(':')) return [IFCONFIG, ifname, 'inet6', address, ...(slash < 0 ? ['prefixlen', '128'] : []), ...(down ? [] : extra), down ? '-alias' : 'alias'];
  const mask = slash < 0 ? ['netmask', '255.255.255.255'] : address.includes('.', slash) ? ['netmask', address.slice(slash + 1)] : [];
  const bare = mask.length > 0 && slash >= 0 ? address.slice(0, slash) : address;
  return [IFCONFIG, ifname, 'inet', bare, ...mask, ...(down ? [] : extra), down ? '-alias' : 'alias'];
}
