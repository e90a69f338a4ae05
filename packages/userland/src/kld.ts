/**
 * kld.ts — kldstat(8), kldload(8), kldunload(8): what the kernel has built in, in the words of scripts that load modules first.
 * Read first: kldstat(8), kldload(8), kldunload(8).
 *
 * Nothing is ever loaded or unloaded. Each cloner of the vnet counts as a file `if_NAME.ko` with a module of the same name, so that the list
 * grows with the kernel; each kind of netgraph node is an `ng_NAME.ko`; so are CARP, as `carp.ko`, and the firewall and its address translation; tun, tap and vmnet are one driver and come under its name too. Addresses and sizes are 0, as FreeBSD shows them to users
 * without privilege.
 */
import type { Proc } from './proc.js';
import { EBUSY, ENOENT, EPERM } from '@netloom/core';
import { err, errx, toolMain, usage, warn, warnx } from './err.js';
import { getopt } from './getopt.js';

const EX_USAGE = 64;
const TUNTAP = ['tun', 'tap', 'vmnet'];
const ADDRESS_COLUMNS = 18;

/** A linker file and its one module. */
interface Kld {
  readonly id: number;
  readonly file: string;
  readonly module: string;
}

function builtIn(p: Proc): Kld[] {
  const cloners = p.vnet.net.cloners.map((c) => c.name);
  const nodes = p.vnet.netgraph.types.map((type) => `ng_${type.name}`);
  const names = ['carp', 'ipfw', 'ipfw_nat', 'libalias', 'netgraph', ...nodes, ...cloners.map((name) => `if_${name}`), ...(cloners.some((name) => TUNTAP.includes(name)) ? ['if_tuntap'] : [])];
  const modules = names.sort().map((name, i) => ({ id: i + 2, file: `${name}.ko`, module: name }));
  return [{ id: 1, file: 'kernel', module: 'ether' }, ...modules];
}

/** A file by name, with or without path and `.ko`. */
function kldFind(p: Proc, name: string): Kld | undefined {
  const base = name.slice(name.lastIndexOf('/') + 1);
  return builtIn(p).find(({ file }) => file === base || file === `${base}.ko`);
}

function printFile({ id, file, module }: Kld, verbose: boolean): string {
  const line = `${String(id).padStart(2)} ${'1'.padStart(4)} ${'0x0'.padStart(ADDRESS_COLUMNS)} ${'0'.padStart(8)} ${file}`;
  return verbose ? `${line} (${file})\n\tContains modules:\n\t\t Id Name\n\t\t${String(id).padStart(3)} ${module}\n` : `${line}\n`;
}

function runKldstat(p: Proc): number {
  const { options, rest, error } = getopt('dhi:m:n:qv', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  const given = new Map(options);
  const byId = given.get('i');
  if (error !== null || rest.length > 0 || (byId !== undefined && !/^[0-9]+$/.test(byId))) usage(p, 1, 'usage: kldstat [-dhqv] [-i id] [-n filename]\n       kldstat [-dq] [-m modname]\n');
  const quiet = given.has('q');
  const module = given.get('m');
  if (module !== undefined) {
    const found = builtIn(p).find((k) => k.module === module);
    if (found === undefined) {
      if (!quiet) warn(p, `can't find module ${module}`, ENOENT);
      return 1;
    }
    if (!quiet) p.out(`Id  Refs Name\n${String(found.id).padStart(3)} ${'1'.padStart(4)} ${found.module}\n`);
    return 0;
  }
  const name = given.get('n');
  const file = name === undefined ? undefined : kldFind(p, name);
  if (name !== undefined && file === undefined) {
    if (!quiet) warn(p, `can't find file ${name}`, ENOENT);
    return 1;
  }
  if (name !== undefined && quiet) return 0;
  const wanted = file !== undefined ? [file] : builtIn(p).filter((k) => byId === undefined || k.id === Number(byId));
  p.out(`Id Refs Address${' '.repeat(ADDRESS_COLUMNS - 7)} ${'Size'.padStart(8)} Name\n`);
  if (byId !== undefined && wanted.length === 0) err(p, 1, `can't stat file id ${byId}`, ENOENT);
  for (const kld of wanted) p.out(printFile(kld, given.has('v')));
  return 0;
}

function runKldload(p: Proc): number {
  const { options, rest, error } = getopt('nqv', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  if (error !== null || rest.length === 0) usage(p, 1, 'usage: kldload [-nqv] file ...\n');
  const given = new Map(options);
  let errors = 0;
  for (const name of rest) {
    const known = kldFind(p, name) !== undefined;
    if (known && given.has('n')) {
      if (given.has('v')) p.out(`${name} is already loaded\n`);
      continue;
    }
    errors++;
    if (given.has('q')) continue;
    if (known) warnx(p, `can't load ${name}: module already loaded or in kernel`);
    else warn(p, `can't load ${name}`, p.prison.parent === null ? ENOENT : EPERM);
  }
  return errors > 0 ? 1 : 0;
}

function runKldunload(p: Proc): number {
  const { options, rest, error } = getopt('finv', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  if (error !== null || rest.length === 0) usage(p, EX_USAGE, 'usage: kldunload [-fv] -i id ...\n       kldunload [-fv] [-n] name ...\n');
  const byId = options.some(([letter]) => letter === 'i');
  for (const name of rest) {
    const known = byId ? builtIn(p).find((k) => k.id === Number(name)) : kldFind(p, name);
    if (known === undefined) errx(p, 1, byId ? "can't unload file: No such file or directory" : `can't find file ${name}`);
    err(p, 1, "can't unload file", p.prison.parent === null ? EBUSY : EPERM);
  }
  return 0;
}

export const kldstat = toolMain(runKldstat);
export const kldload = toolMain(runKldload);
export const kldunload = toolMain(runKldunload);
