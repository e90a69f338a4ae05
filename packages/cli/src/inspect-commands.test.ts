/**
 * inspect-commands.test.ts — `netloom audit` and `netloom sysinit` against a daemon in this process: what they print, and how they end; what
 * commands show inside a jail.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Callout, ifCloneCreate, ifVmoveLoan, in6Aifaddr } from '@netloom/core';
import { ip6Parse } from '@netloom/core/wire';
import { startDaemon } from '@netloom/node';
import type { Daemon } from '@netloom/node';
import type { AuditAnswer, SysinitAnswer } from '@netloom/node/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CliIo } from './cli-io.js';
import { runProgram } from './run-program.js';

let folder: string;
let daemon: Daemon;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-i-'));
  daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'silent', seed: 1 });
});

afterEach(async () => {
  await daemon.close();
  rmSync(folder, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const netloom = (...args: string[]): Promise<Ran> => netloomIn('', ...args);

/** Inside a jail. */
async function netloomIn(jailName: string, ...args: string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const io: CliIo = { env: { NETLOOM_SOCKET: daemon.socketPath, NETLOOM_JAIL: jailName }, out: (t) => void (out += t), err: (t) => void (err += t), exitCode: 0 };
  const code = await runProgram(args, '1.2.3', io);
  return { code, out, err };
}

function jail(name: string): void {
  const { kernel, loop } = daemon;
  const [last, ...above] = name.split('.').reverse();
  const parent = above.length === 0 ? kernel.prisons.prison0 : kernel.prisons.find(kernel.prisons.prison0, above.reverse().join('.'))!;
  const made = kernel.call(loop.enter(), () => kernel.jailCreate(parent, { name: last!, persist: true, attach: false, vnet: true }));
  expect(made.error).toBe(0);
  made.prison!.childrenMax = 9;
}

function remove(name: string): void {
  const { kernel, loop } = daemon;
  const prison = kernel.prisons.find(kernel.prisons.prison0, name);
  if (prison !== null) kernel.call(loop.enter(), () => kernel.jailRemove(prison));
}

test('audit prints what is there and ends well', async () => {
  jail('r1');
  const all = await netloom('audit');
  expect(all).toMatchObject({ code: 0, err: '' });
  expect(all.out).toMatch(/^VNET {2}WHAT +COUNT\nhost {2}interfaces +1\n/);
  expect(all.out).toContain('\nr1    interfaces ');
  expect(all.out).toMatch(/\n\nkernel: 2 vnets, 2 interfaces, 0 timers, 0 deferred work, 0 packets\nunaccounted for: nothing\nleft by vnets that are gone: nothing\n$/);
  const one = JSON.parse((await netloom('audit', 'r1', '--json')).out) as AuditAnswer;
  expect(one.vnets.map((v) => v.name)).toEqual(['r1']);
  expect(one.vnets[0]?.rows).toContainEqual({ name: 'sockets', count: 0, packets: false });
});

test('audit of a vnet that is not there is refused by name', async () => {
  expect(await netloom('audit', 'nope')).toEqual({ code: 1, out: '', err: 'netloom: no vnet is called "nope" ("netloom ps" lists them)\n' });
});

test('audit ends with 1 and names what a vnet left behind', async () => {
  jail('bad');
  const bad = daemon.kernel.vnets[0];
  if (bad === undefined) throw new Error('no vnet');
  daemon.kernel.engine.calloutReset(new Callout(bad.kern, () => undefined), 3_600_000_000);
  remove('bad');
  const { code, out } = await netloom('audit');
  expect([code, out.split('\n').at(-2)]).toEqual([1, 'left by vnets that are gone: 1 timers of "bad"']);
  const { leaks, leaksFound } = JSON.parse((await netloom('audit', '--json')).out) as AuditAnswer;
  expect([leaks, leaksFound]).toEqual([[{ vnet: 'bad', name: 'timers', count: 1 }], 1]);
});

test('audit ends with 1 when a packet is nobody\'s', async () => {
  const m = daemon.kernel.engine.pool.alloc(10);
  const { code, out } = await netloom('audit');
  expect([code, out.split('\n').at(-3)]).toEqual([1, 'unaccounted for: 1 packets']);
  m?.free();
  expect((await netloom('audit')).code).toBe(0);
});

test('sysinit prints both tables and the last teardown with the time of each step', async () => {
  expect((await netloom('sysinit')).out).toMatch(/\nno vnet has been taken down yet\n$/);
  jail('r1');
  jail('r2');
  remove('r1');
  remove('r2');
  const { code, out } = await netloom('sysinit');
  expect(code).toBe(0);
  expect(out).toMatch(/^built, in this order:\nVALUE +SUBSYSTEM +ORDER +FUNCTION\n(.+\n)*0x3000000 +SI_SUB_INIT_IF +SI_ORDER_SECOND +vnet_if_init\n/);
  expect(out).toMatch(/\ntaken down, in this order:\nVALUE .*\n0xdc00000 +SI_SUB_VNET_DONE +SI_ORDER_ANY +vnet_if_return\n/);
  expect(out).toMatch(/\nthe last teardown: vnet "r2", [0-9]+\.[0-9] us\nSTATE +SUBSYSTEM +FUNCTION +US\n0xdc00000 +SI_SUB_VNET_DONE +vnet_if_return +[0-9]+\.[0-9]\n/);
  const { constructors, destructors, teardowns } = JSON.parse((await netloom('sysinit', '--json')).out) as SysinitAnswer;
  expect(constructors.map((r) => r.value)).toEqual(constructors.map((r) => r.value).sort((a, b) => a - b));
  expect(teardowns.map((t) => t.vnet)).toEqual(['r1', 'r2']);
  for (const t of teardowns) {
    expect(t.steps.map((s) => [s.function, s.state])).toEqual(destructors.map((r) => [r.function, r.value]));
    expect(t.steps.reduce((us, s) => us + s.us, 0)).toBeLessThanOrEqual(t.us + t.steps.length);
  }
});

test('sysinit keeps the last teardowns, not all', async () => {
  for (let i = 0; i < 40; i++) {
    jail(`j${i}`);
    remove(`j${i}`);
  }
  const { teardowns } = JSON.parse((await netloom('sysinit', '--json')).out) as SysinitAnswer;
  expect([teardowns.length, teardowns[0]?.vnet, teardowns.at(-1)?.vnet]).toEqual([32, 'j8', 'j39']);
});

test('ps names addresses of both families, but for the link-local ones that interfaces give themselves', async () => {
  jail('r1');
  const { kernel, loop } = daemon;
  const { vnet } = kernel.prisons.find(kernel.prisons.prison0, 'r1')!;
  kernel.call(loop.enter(), () => {
    const { ifp } = ifCloneCreate(vnet.net, 'epair0');
    expect(in6Aifaddr(vnet.in6Net!, ifp!, { addr: ip6Parse('2001:db8::1')!, plen: 64 })).toBe(0);
    expect(in6Aifaddr(vnet.in6Net!, ifp!, { addr: ip6Parse('fe80::1')!, plen: 64 })).toBe(0);
  });
  const { out } = await netloom('ps');
  expect(out).toMatch(/ r1 +\d+ +epair0a +\S+ +2001:db8::1\/64, fe80::1\/64\s*\n/);
  expect(out).toMatch(/ r1 +\d+ +epair0b +\S+ +-\s*\n/);
});

describe('inside a jail', () => {
  beforeEach(() => {
    for (const name of ['mine', 'other', 'mine.below', 'minette', 'other.kept']) jail(name);
    const { kernel, loop } = daemon;
    kernel.call(loop.enter(), () => {
      const { ifp } = ifCloneCreate(kernel.vnet0.net, 'epair0');
      const { vnet0, prisons } = kernel;
      const lent = (name: string, to: string): number => ifVmoveLoan(vnet0.net, name, prisons.find(prisons.prison0, to)!.vnet.net);
      expect([ifp?.xname, lent('epair0a', 'mine'), lent('epair0b', 'other')]).toEqual(['epair0a', 0, 0]);
    });
    remove('other.kept');
  });

  test.each(['ps', 'ps --json', 'ps --procs --json', 'ps --dying', 'audit', 'audit --json', 'sysinit', 'sysinit --json', 'names vnets', 'names interfaces other'])('netloom %s shows nobody else', async (words) => {
    const { code, out, err } = await netloomIn('mine', ...words.split(' '));
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toMatch(/\bother|\bhost\b|minette|epair0b/);
  });

  test('its own, and what is below it', async () => {
    expect((await netloomIn('mine', 'names', 'vnets')).out).toBe('mine\nmine.below\n');
    expect((await netloomIn('mine', 'ps')).out.split('\n').map((line) => line.split(/ +/).slice(1, 4).join(' '))).toEqual(['VNET JID INTERFACE', 'mine 1 lo0', 'mine 1 epair0a', 'mine.below 3 lo0', '']);
    expect((await netloomIn('mine', 'audit', 'mine.below')).code).toBe(0);
    expect((await netloom('names', 'vnets')).out).toBe('host\nmine\nmine.below\nother\nminette\n');
  });

  test('what cannot be shown is refused', async () => {
    const from = 'names all vnets and is not for the jail "mine" (NETLOOM_JAIL); look at it from outside\n';
    expect(await netloomIn('mine', 'graph')).toEqual({ code: 2, out: '', err: `netloom: the picture of what runs ${from}` });
    expect(await netloomIn('mine', 'moves')).toEqual({ code: 2, out: '', err: `netloom: the journal of moves ${from}` });
    for (const vnet of ['other', 'nosuch']) expect(await netloomIn('mine', 'audit', vnet)).toEqual({ code: 2, out: '', err: `netloom: "${vnet}" is for outside all jails: in the jail "mine" (NETLOOM_JAIL) there are only it and the jails below it\n` });
  });
});
