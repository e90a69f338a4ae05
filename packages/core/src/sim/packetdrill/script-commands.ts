/**
 * script-commands.ts — the commands in backticks. No shell runs them: a few are understood, and every other one is outside the subset.
 * Read first: docs/packetdrill.md, "Commands".
 *
 *     sysctl [-w] [-q] NAME=VALUE ...            sets a sysctl of the vnet
 *     sockstat ... | grep -c STATE | grep N      N connections are in a state; else the script fails
 *     tcpdrop -s TIME_WAIT                       ends the connections in TIME_WAIT
 *
 * Commands that set up a Linux or FreeBSD machine for a suite of scripts, and mean nothing to a vnet that has just been made, are taken and do nothing.
 */
import { EINVAL, ENOENT, EPERM } from '../../base/errno.js';
import { tcpClose } from '../../tcp/tcp-close.js';
import { TCPS_TIME_WAIT } from '../../tcp/tcp-state.js';
import type { TcpCb } from '../../tcp/tcpcb.js';
import type { Vnet } from '../../vnet/vnet.js';
import { ScriptError } from './script.js';

/** Sets up or restores a machine; the vnet is new and goes away. */
const NOTHING_TO_DO = [
  /^\S*\/defaults\.sh$/,
  /^\/tmp\/sysctl_restore_\S+\.sh$/,
  /^(?:\/\S*\/)?kldload\b/,
  /^setkey -F$/,
  /^(?:true|:)$/,
  /^ip tcp_metrics flush all\b/,
];

/** Sysctls of FreeBSD that we lack, with the value that describes what we do: a script that makes sure of it is right. */
const FIXED: ReadonlyMap<string, string> = new Map([
  ['net.inet.tcp.hostcache.purgenow', '1'],
  ['net.inet.tcp.ecn.enable', '2'],
  ['net.inet.tcp.insecure_rst', '0'],
  ['net.inet.tcp.insecure_syn', '0'],
  ['net.inet.tcp.icmp_may_rst', '1'],
  ['net.inet.tcp.syncookies', '1'],
  ['net.inet.tcp.syncookies_only', '0'],
  ['net.inet.tcp.rexmit_drop_options', '0'],
]);

/** Names of FreeBSD and Linux for what we have under another one. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['net.inet.tcp.rexmit_slop', 'net.inet.tcp.rexmit_min'],
  ['net.ipv4.tcp_sack', 'net.inet.tcp.sack.enable'],
  ['net.ipv4.tcp_ecn', 'net.inet.tcp.ecn.enable'],
  ['net.ipv4.tcp_syncookies', 'net.inet.tcp.syncookies'],
]);

/** How many connections of the vnet are in the state with FreeBSD's name (`TIME_WAIT`). */
export type StateCount = (state: string) => number;

/** Runs a command; null when it succeeded, else what failed. */
export function runCommand(vnet: Vnet, text: string, line: number, count: StateCount): string | null {
  const commands = text
    .replace(/\\\r?\n/g, ' ')
    .split(/\n|;|&&/)
    .map((c) => c.replace(/#.*$/, '').replace(/(?:&>|\d?>)\s*\S+/g, '').trim())
    .filter((c) => c !== '');
  for (const command of commands) {
    const failed = runOne(vnet, command, line, count);
    if (failed !== null) return failed;
  }
  return null;
}

function runOne(vnet: Vnet, command: string, line: number, count: StateCount): string | null {
  const words = command.split(/\s+/);
  if (words[0] === 'sysctl' || words[0]?.endsWith('/set_sysctls.py') === true) return setSysctls(vnet, command, line);
  const states = /^sockstat\b.*\| *grep -c ([A-Z_0-9]+) *\| *grep (?:-w )?(\d+)$/.exec(command);
  if (states !== null) {
    const have = count(states[1]!);
    return have === Number(states[2]) ? null : `${have} connections are in state ${states[1]}, not ${states[2]}`;
  }
  if (/^tcpdrop\b.* -s TIME_WAIT$/.test(command)) {
    dropTimeWaits(vnet);
    return null;
  }
  if (NOTHING_TO_DO.some((pattern) => pattern.test(command))) return null;
  throw new ScriptError(line, `the command "${command}" is not supported`);
}

function dropTimeWaits({ tcp }: Vnet): void {
  for (const inp of [...tcp.pcbs.list(), ...tcp.pcbs6.list()]) {
    const tp = inp.user as TcpCb;
    if (tp.state === TCPS_TIME_WAIT) tcpClose(tp, 0);
  }
}

/** `sysctl -w a.b=1 c.d="2"`, or paths below /proc/sys. */
function setSysctls(vnet: Vnet, command: string, line: number): string | null {
  for (const [, path, quoted, plain] of command.matchAll(/\s((?:\/proc\/sys\/)?[a-z][\w./]*)=(?:"([^"]*)"|(\S*))/g)) {
    const name = path!.replace(/^\/proc\/sys\//, '').replaceAll('/', '.');
    const failed = setSysctl(vnet, OTHER_NAMES.get(name) ?? name, quoted ?? plain ?? '', line);
    if (failed !== null) return failed;
  }
  if (!command.includes('=')) throw new ScriptError(line, `"${command}" sets nothing; write sysctl NAME=VALUE`);
  return null;
}

function setSysctl(vnet: Vnet, name: string, text: string, line: number): string | null {
  const node = vnet.kern.sysctl.find(name);
  if (node === null && FIXED.get(name) === text) return null;
  if (node === null) throw new ScriptError(line, `sysctl ${name}: there is none of this name`);
  const error = vnet.kern.sysctl.set(name, node.type === 'string' ? text : Number(text));
  if (error === 0) return null;
  return `sysctl ${name}=${text}: ${{ [ENOENT]: 'no such name', [EPERM]: 'read-only', [EINVAL]: `${node.min} to ${node.max} are allowed` }[error] ?? `errno ${error}`}`;
}
