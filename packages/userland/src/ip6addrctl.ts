/**
 * ip6addrctl.ts — ip6addrctl(8): the policy table by which addresses are selected.
 * Read first: ip6addrctl(8), RFC 6724 §2.1; packages/core/src/inet6/in6-addrpolicy.ts.
 */
import type { Errno, Ip6 } from '@netloom/core';
import { EPERM } from '@netloom/core';
import { ip6Format, ip6ParsePrefix } from '@netloom/core/wire';
import { err, errx, toolMain, usage, warn } from './err.js';
import { ownsNetwork } from './jail/jail-id.js';
import type { Proc } from './proc.js';
import { utf8Text } from './utf8.js';

const USAGE = 'usage: ip6addrctl [show]\n       ip6addrctl add <prefix> <precedence> <label>\n       ip6addrctl delete <prefix>\n       ip6addrctl flush\n       ip6addrctl install <configfile>\n';

interface Prefix {
  readonly addr: Uint8Array;
  readonly len: number;
}

export const ip6addrctl = toolMain(async (p: Proc) => {
  const [verb = 'show', ...words] = p.argv.slice(1);
  const ip6 = p.vnet.ip6 ?? errx(p, 1, 'sysctl(IPV6CTL_ADDRCTLPOLICY): No such file or directory');
  switch (verb.toLowerCase()) {
    case 'show':
      show(p, ip6);
      return 0;
    case 'add':
      if (words.length < 3) return usage(p, 1, USAGE);
      check(p, 'SIOCAADDRCTL_POLICY', add(p, ip6, prefixOf(p, words[0]!), words[1]!, words[2]!));
      return 0;
    case 'delete': {
      if (words.length < 1) return usage(p, 1, USAGE);
      const { addr, len } = prefixOf(p, words[0]!);
      check(p, 'SIOCDADDRCTL_POLICY', mayChange(p) ? ip6.policies.remove(addr, len) : EPERM);
      return 0;
    }
    case 'flush':
      if (mayChange(p)) ip6.policies.flush();
      else check(p, 'SIOCDADDRCTL_POLICY', EPERM);
      return 0;
    case 'install':
      if (words.length < 1) return usage(p, 1, USAGE);
      await install(p, ip6, words[0]!);
      return 0;
    default:
      return usage(p, 1, USAGE);
  }
});

const mayChange = (p: Proc): boolean => ownsNetwork(p.prison);

function check(p: Proc, request: string, error: Errno): void {
  if (error !== 0) err(p, 1, `ioctl(${request})`, error);
}

function prefixOf(p: Proc, text: string): Prefix {
  return (text.includes('/') ? ip6ParsePrefix(text) : null) ?? errx(p, 1, `bad prefix: ${text}`);
}

/** atoi(3): what begins no number is 0. */
const atoi = (text: string): number => Number.parseInt(text, 10) || 0;

function add(p: Proc, ip6: Ip6, prefix: Prefix, prec: string, label: string): Errno {
  return mayChange(p) ? ip6.policies.add(prefix.addr, prefix.len, atoi(prec), atoi(label)) : EPERM;
}

function show(p: Proc, ip6: Ip6): void {
  const list = ip6.policies.list();
  if (list.length === 0) {
    p.out('no source-address-selection policy is installed\n');
    return;
  }
  p.out(`${'Prefix'.padEnd(30)} ${'Prec'.padStart(5)} ${'Label'.padStart(5)} ${'Use'.padStart(8)}\n`);
  for (const e of list) {
    p.out(`${`${ip6Format(e.prefix)}/${e.plen}`.padEnd(30)} ${String(e.prec).padStart(5)} ${String(e.label).padStart(5)} ${String(e.use).padStart(8)}\n`);
  }
}

async function textOf(p: Proc, file: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `fopen: ${file}: there are no files here`);
  return utf8Text(await p.host.readFile(file).catch(() => errx(p, 1, `fopen: ${file}: No such file or directory`)));
}

/** Lines of `prefix precedence label`; what is there already is told and passed over, as FreeBSD does. */
async function install(p: Proc, ip6: Ip6, file: string): Promise<void> {
  const text = await textOf(p, file);
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (line.trim() === '' || line.startsWith('#')) continue;
    const prefix = words.length >= 3 ? ip6ParsePrefix(words[0]!) : null;
    if (prefix === null) return errx(p, 1, `parse failed at line ${i + 1}`);
    const error = add(p, ip6, prefix, words[1]!, words[2]!);
    if (error !== 0) warn(p, 'ioctl(SIOCAADDRCTL_POLICY)', error);
  }
}
