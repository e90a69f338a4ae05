/**
 * program.test.ts — the command line without a daemon: usage, help, exit codes, completion.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import type { CliIo } from './cli-io.js';
import { EXIT_FAILURE, EXIT_LAB, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE } from './cli-io.js';
import { SHELLS, completionScript } from './completion.js';
import { createProgram } from './program.js';
import { runProgram } from './run-program.js';
import { TOOL_SUMMARIES } from './tool-names.js';

const folder = mkdtempSync(join(tmpdir(), 'netloom-cli-'));
const nobody = join(folder, 'nobody.sock');
afterAll(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(...args: string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const io: CliIo = { env: { NETLOOM_SOCKET: nobody, PATH: process.env.PATH }, out: (t) => void (out += t), err: (t) => void (err += t), exitCode: 0 };
  const code = await runProgram(args, '1.2.3', io);
  return { code, out, err };
}

const program = (): Command => createProgram({ env: {}, out: () => {}, err: () => {}, exitCode: 0 }, '1.2.3');

/** Every command with its words: ['tools', 'install']. */
function commands(at: Command, path: string[] = []): [string[], Command][] {
  return at.commands.flatMap((sub) => [[[...path, sub.name()], sub] as [string[], Command], ...commands(sub, [...path, sub.name()])]);
}

test.each<[string, string[], number, string]>([
  ['an unknown command', ['nosuch'], EXIT_USAGE, "netloom: unknown command 'nosuch'\n(\"netloom --help\" tells more)\n"],
  ['a near one', ['grap'], EXIT_USAGE, "netloom: unknown command 'grap'\n(Did you mean graph?)\n(\"netloom --help\" tells more)\n"],
  ['a missing argument', ['up'], EXIT_USAGE, "netloom: missing required argument 'file'\n(\"netloom up --help\" tells more)\n"],
  ['an unknown option', ['ps', '--colour'], EXIT_USAGE, "netloom: unknown option '--colour'\n(\"netloom ps --help\" tells more)\n"],
  ['a bad choice', ['daemon', '--log-level', 'loud'], EXIT_USAGE, "netloom: option '--log-level <level>' argument 'loud' is invalid. Allowed choices are trace, debug, info, warn, error, fatal, silent.\n(\"netloom daemon --help\" tells more)\n"],
  ['a bad count', ['capture', 'a', 'b', '-c', 'x'], EXIT_USAGE, "netloom: option '-c, --count <n>' argument 'x' is invalid. A whole number from 1 on is needed.\n(\"netloom capture --help\" tells more)\n"],
  ['a bad place', ['attach', 'tap0', 'tap0'], EXIT_USAGE, 'netloom: "tap0" is not VNET:INTERFACE (such as r1:tap0; "host:tap0" outside all jails)\n'],
  ['a bad event number', ['events', '--since', 'noon'], EXIT_USAGE, "netloom: option '--since <seq>' argument 'noon' is invalid. The number of an event is needed, or \"now\".\n(\"netloom events --help\" tells more)\n"],
  ['a system that is none', ['events', '--system', 'net'], EXIT_USAGE, "netloom: option '--system <system>' argument 'net' is invalid. Allowed choices are IFNET, ETHERNET, CARP, VNET, JAIL, MOVE, VM, DATAPATH, PROTECT.\n(\"netloom events --help\" tells more)\n"],
  ['no daemon', ['ps'], EXIT_UNREACHABLE, `netloom: cannot reach the Netloom daemon at ${nobody}: No such file or directory (start it with "netloom daemon" or "netloom up LAB.yaml", or let NETLOOM_SOCKET name its socket)\n`],
  ['a lab file that is not there', ['up', '/nonexistent.yaml'], EXIT_FAILURE, 'netloom: cannot read the lab file "/nonexistent.yaml" (there is no such file); give the path of a YAML file\n'],
  ['a host program outside all jails', ['exec', 'host', 'ls'], EXIT_FAILURE, 'netloom: "ls" is not one of the tools ("netloom tools list"); a program of this machine needs no "netloom exec host"\n'],
])('%s', async (_, args, code, err) => {
  expect(await run(...args)).toEqual({ code, out: '', err });
});

test('a lab file with problems: each on a line, with a place', async () => {
  const file = join(folder, 'bad.yaml');
  writeFileSync(file, 'name: x\nvnets: {a: {mtu: 3}}\nlinks: [[a:e0]]\n');
  const { code, err } = await run('up', file);
  expect(code).toBe(EXIT_LAB);
  expect(err.split('\n')).toEqual([
    `${file}:2:13: unknown key "mtu" in a vnet (known: description, parent, hostname, forwarding, interfaces, routes, multicast, gateway, dns, resolver, sysctl)`,
    `${file}:3:9: a list of 1 is not two endpoints: [r1:eth0, r2:eth0] (give "links" two endpoints: [r1:eth0, r2:eth0])`,
    `netloom: "${file}" has 2 problems; nothing was done`,
    '',
  ]);
});

test('a picture of a lab file, to a file', async () => {
  const lab = join(folder, 'lab.yaml');
  writeFileSync(lab, 'name: x\nvnets: {a: {}, b: {}}\nlinks: [[a:e0, b:e0]]\n');
  expect((await run('graph', lab)).out).toContain('├───┐');
  expect((await run('graph', lab, '--svg', '-o', join(folder, 'x.svg'))).code).toBe(EXIT_OK);
  expect(readFileSync(join(folder, 'x.svg'), 'utf8')).toMatch(/^<svg /);
  expect(JSON.parse((await run('graph', lab, '--json')).out)).toMatchObject({ vnets: [{ name: 'host' }, { name: 'a' }, { name: 'b' }] });
  expect((await run('graph', lab, '-o', '/nonexistent/x')).err).toBe('netloom: cannot write "/nonexistent/x" (ENOENT); choose another file\n');
});

test('every command has a description, and help with examples', async () => {
  for (const [path, command] of commands(program())) {
    if (command.name() === 'names') continue;
    const { code, out } = await run(...path, '--help');
    expect(code, path.join(' ')).toBe(EXIT_OK);
    expect(out, path.join(' ')).toContain(`Usage: netloom ${path.join(' ')} `);
    if (command.commands.length === 0) expect(out, path.join(' ')).toContain('\nExamples:\n  $ ');
    expect(command.description(), path.join(' ')).toMatch(/\.$/);
  }
});

test('docs/cli.md has every command and every exit code', () => {
  const text = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  for (const [path, command] of commands(program())) {
    if (command.name() === 'names' || command.commands.length > 0) continue;
    expect(text).toContain(`netloom ${path.join(' ')}`);
    for (const option of command.options) if (option.long !== null && option.long !== undefined) expect(text, `${path.join(' ')} ${option.long}`).toContain(option.long);
  }
  for (const code of [EXIT_OK, EXIT_FAILURE, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_LAB]) expect(text).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
});

describe('tools', () => {
  test('install writes an executable per tool, and says how to use them', async () => {
    const at = join(folder, 'bin');
    const { code, out } = await run('tools', 'install', at);
    expect(code).toBe(EXIT_OK);
    expect(out).toContain(`export PATH="${at}:$PATH"`);
    for (const tool of Object.keys(TOOL_SUMMARIES)) {
      expect(statSync(join(at, tool)).mode & 0o777, tool).toBe(0o755);
      expect(readFileSync(join(at, tool), 'utf8')).not.toContain('@TOOL@');
    }
    expect((await run('tools', 'install', at, '--runtime', 'node')).code).toBe(EXIT_OK);
    expect(readFileSync(join(at, Object.keys(TOOL_SUMMARIES)[0]!), 'utf8')).toMatch(`#!${process.execPath}\n`);
  });

  test('install overwrites nothing of others', async () => {
    const at = join(folder, 'others');
    await run('tools', 'install', at);
    const victim = join(at, Object.keys(TOOL_SUMMARIES).at(-1)!);
    writeFileSync(victim, '#!/bin/sh\n');
    expect(await run('tools', 'install', at)).toEqual({ code: EXIT_FAILURE, out: '', err: `netloom: "${victim}" exists and is not a launcher; choose another folder\n` });
    expect(readFileSync(victim, 'utf8')).toBe('#!/bin/sh\n');
  });

  test('list', async () => {
    expect(JSON.parse((await run('tools', 'list', '--json')).out)).toEqual(Object.entries(TOOL_SUMMARIES).map(([name, summary]) => ({ name, summary })));
  });
});

describe('completion', () => {
  const scripts = Object.fromEntries(SHELLS.map((shell) => [shell, completionScript(program(), shell)]));

  test.each(SHELLS)('%s: names every command and option; the shell accepts it', (shell) => {
    const script = scripts[shell]!;
    for (const [path, command] of commands(program())) {
      if (command.name() === 'names') continue;
      expect(script).toContain(path.at(-1)!);
      for (const option of command.options) expect(script).toContain(option.long!.replace(/^--/, ''));
    }
    const checker = { bash: ['bash', '-n'], zsh: ['zsh', '-n'], fish: ['fish', '--no-execute'] }[shell];
    const file = join(folder, `completion.${shell}`);
    writeFileSync(file, script);
    const { status, stderr, error } = spawnSync(checker[0]!, [...checker.slice(1), file], { encoding: 'utf8' });
    if (error === undefined) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  const complete = (...words: string[]): string[] => {
    const ask = `netloom() { [ "$1 $2 $3" = "names interfaces r1" ] && printf 'eth0\\neth1\\n'; [ "$1 $2" = "names vnets" ] && printf 'r1\\nr2\\nhost\\n'; [ "$1 $2" = "names labs" ] && echo demo; [ "$1 $2" = "names vms" ] && printf 'web\\nlogs\\n'; [ "$1 $2" = "names machines" ] && echo db; }
COMP_WORDS=(${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _netloom; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', `${scripts.bash}\n${ask}`], { encoding: 'utf8', cwd: folder });
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  };

  test.runIf(existsSync('/bin/bash'))('bash completes', () => {
    expect(complete('netloom', 'd')).toEqual(['daemon', 'down', 'detach']);
    expect(complete('netloom', 'tools', '')).toEqual(['install', 'list']);
    expect(complete('netloom', 'tools', 'install', '--r')).toEqual(['--runtime']);
    expect(complete('netloom', 'exec', 'r')).toEqual(['r1', 'r2']);
    expect(complete('netloom', 'capture', 'r1', '')).toEqual(['eth0', 'eth1']);
    expect(complete('netloom', 'down', '')).toEqual(['demo']);
    expect(complete('netloom', 'graph', '--s')).toEqual(['--socket', '--svg']);
    expect(complete('netloom', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(complete('netloom', 'events', '--vnet', 'r')).toEqual(['r1', 'r2']);
    expect(complete('netloom', 'events', '--system', '')).toEqual(['IFNET', 'ETHERNET', 'CARP', 'VNET', 'JAIL', 'MOVE', 'VM', 'DATAPATH', 'PROTECT']);
    expect(complete('netloom', 'tools', 'install', '--runtime', 'p')).toEqual(['perl']);
    expect(complete('netloom', 'm')).toEqual(['moves']);
    expect(complete('netloom', 'protect', 'l')).toEqual(['ls', 'logs']);
    expect(complete('netloom', 'protect', 'web', '--b')).toEqual(['--backup']);
    expect(complete('netloom', 'protect', 'start', '')).toEqual(['web', 'logs']);
    expect(complete('netloom', 'protect', 'end', '')).toEqual(['db']);
  });
});
