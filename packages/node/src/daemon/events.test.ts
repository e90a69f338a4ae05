/**
 * events.test.ts — events through the daemon: over HTTP, and at the socket for devd's clients.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ifCloneCreate, ifRename, ifVmoveLoan, inAifaddr } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Daemon } from './daemon.js';
import { startDaemon } from './daemon.js';
import { DEVD_CLIENTS_MAX } from './devd-socket.js';
import type { EventRecord, GapRecord } from './event-records.js';
import { DaemonClient } from './http-client.js';
import type { MoveView } from './move-records.js';

let folder: string;
let daemon: Daemon;
let client: DaemonClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-ev-'));
  daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'silent', seed: 1 });
  client = new DaemonClient(daemon.socketPath);
});

afterEach(async () => {
  await daemon.close();
  rmSync(folder, { recursive: true });
});

const call = <T>(fn: () => T): T => daemon.kernel.call(daemon.loop.enter(), fn);

function jail(name: string): void {
  const { kernel } = daemon;
  expect(call(() => kernel.jailCreate(kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true })).error).toBe(0);
}

function loopback(name: string, jailName = ''): Ifnet {
  const { prisons } = daemon.kernel;
  const prison = jailName === '' ? prisons.prison0 : prisons.find(prisons.prison0, jailName)!;
  return call(() => ifCloneCreate(prison.vnet.net, name)).ifp!;
}

/** As many RENAME events. */
function rename(ifp: Ifnet, times: number): void {
  call(() => {
    for (let i = 0; i < times; i++) ifRename(ifp, `r${i}`);
  });
}

/** Lines of an answer that has an end. */
async function lines(query = ''): Promise<(EventRecord | GapRecord)[]> {
  const got: (EventRecord | GapRecord)[] = [];
  for await (const line of client.lines(`/v1/events${query}`)) got.push(JSON.parse(line) as EventRecord);
  return got;
}

const brief = (r: EventRecord | GapRecord): string => ('lost' in r ? `GAP ${r.lost}` : `${r.vnet ?? '-'} ${r.system} ${r.subsystem} ${r.type}`);

describe('GET /v1/events', () => {
  test('all there is, or what is asked for', async () => {
    jail('r1');
    loopback('lo7', 'r1');
    const all = await lines();
    expect(all[0]).toMatchObject({ seq: 1, vnet: 'host', system: 'VNET', subsystem: 'host', type: 'CREATE', data: { id: '0' }, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string });
    expect(all.map(brief).slice(-7)).toEqual(['r1 VNET r1 CREATE', 'r1 IFNET lo0 ATTACH', 'r1 IFNET lo0 LINK_UP', 'r1 IFNET lo0 ADDR_ADD', 'r1 IFNET lo0 ADDR_ADD', 'r1 JAIL r1 CREATE', 'r1 IFNET lo7 ATTACH']);
    expect((await lines('?vnet=host')).every((r) => 'vnet' in r && r.vnet === 'host')).toBe(true);
    expect((await lines('?system=JAIL')).map(brief)).toEqual(['r1 JAIL r1 CREATE']);
    expect((await lines(`?since=${all.at(-2)!.seq}`)).map(brief)).toEqual(['r1 IFNET lo7 ATTACH']);
    expect(await lines('?since=now')).toEqual([]);
  });

  test('inside a jail: its own, numbered for it, no names of vnets', async () => {
    jail('r1');
    loopback('lo7', 'r1');
    loopback('lo8');
    const inside = await lines('?inside=r1');
    expect(inside.map((r) => `${r.seq} ${brief(r)}`)).toEqual(['1 - IFNET lo0 ATTACH', '2 - IFNET lo0 LINK_UP', '3 - IFNET lo0 ADDR_ADD', '4 - IFNET lo0 ADDR_ADD', '5 - IFNET lo7 ATTACH']);
    expect(JSON.stringify(inside)).not.toContain('r1');
  });

  test('steps of teardowns are for who asks; a gap counts them all the same', async () => {
    jail('r1');
    const { kernel } = daemon;
    const since = kernel.engine.devctl.last;
    call(() => kernel.jailRemove(kernel.prisons.find(kernel.prisons.prison0, 'r1')!));
    const steps = kernel.sysinit.destructors.length * 2;
    const plain = ['r1 JAIL r1 REMOVE', 'r1 JAIL r1 DYING', 'r1 IFNET lo0 ADDR_DEL', 'r1 IFNET lo0 ADDR_DEL', 'r1 IFNET lo0 LINK_DOWN', 'r1 VNET r1 GONE', 'r1 JAIL r1 GONE'];
    expect((await lines(`?since=${since}&vnet=r1`)).map(brief)).toEqual(plain);
    expect(await lines(`?since=${since}&vnet=r1&steps=true`)).toHaveLength(plain.length + steps);
    expect(await lines(`?since=${since}&system=VNET`)).toHaveLength(1 + steps);
    rename(loopback('lo7'), kernel.engine.devctl.limit);
    const { first } = kernel.engine.devctl;
    const [gap, next] = await lines(`?since=${since}`);
    expect([gap, next?.seq]).toEqual([{ seq: first - 1, system: 'GAP', lost: first - 1 - since }, first]);
    expect(first - 1 - since).toBeGreaterThan(steps);
  });

  test('following: what happens, until the jail is gone', async () => {
    jail('r1');
    const got: string[] = [];
    const reading = (async () => {
      for await (const line of client.lines('/v1/events?inside=r1&follow=true&since=now')) got.push(brief(JSON.parse(line) as EventRecord));
    })();
    await expect.poll(() => daemon.kernel.prisons.find(daemon.kernel.prisons.prison0, 'r1')!.vnet.kern.devctl.readerCount).toBe(1);
    loopback('lo7', 'r1');
    await expect.poll(() => got).toEqual(['- IFNET lo7 ATTACH']);
    call(() => daemon.kernel.jailRemove(daemon.kernel.prisons.find(daemon.kernel.prisons.prison0, 'r1')!));
    await reading;
  });

  test('a client that does not read loses events and is told; one that goes away leaves nothing', async () => {
    const ifp = loopback('lo7');
    const response = await new Promise<IncomingMessage>((resolve) => void request({ socketPath: daemon.socketPath, path: '/v1/events?follow=true&since=now&system=IFNET', agent: false }, resolve).end());
    response.pause();
    const { devctl } = daemon.kernel.engine;
    await expect.poll(() => devctl.readerCount).toBe(1);
    for (let i = 0; i < 8; i++) {
      rename(ifp, 8_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.resume();
    await expect.poll(() => text).toMatch(new RegExp(`"seq":${devctl.last},.*\n$`));
    const records = text.trim().split('\n').map((line) => JSON.parse(line) as EventRecord | GapRecord);
    const gaps = records.filter((r) => 'lost' in r);
    expect(gaps.length).toBeGreaterThan(0);
    expect(records.length - gaps.length + gaps.reduce((n, gap) => n + gap.lost, 0)).toBe(64_000);
    response.destroy();
    await expect.poll(() => devctl.readerCount).toBe(0);
  });

  test('refusals name the value', async () => {
    await expect(lines('?inside=nowhere')).rejects.toThrow('there is no jail "nowhere" ("jls" lists them)');
    await expect(lines('?since=99999')).rejects.toThrow(/^there has been no event 99999 yet, the newest is \d+ /);
    await expect(lines('?system=NET')).rejects.toThrow('there is no system "NET" (there are: IFNET, ETHERNET, CARP, VNET, JAIL, MOVE, VM, DATAPATH, PROTECT)');
    jail('r1');
    jail('r2');
    await expect(lines('?vnet=nosuch')).rejects.toThrow('no vnet is called "nosuch", and no event that is kept is of one (there are: host, r1, r2)');
    call(() => daemon.kernel.jailRemove(daemon.kernel.prisons.find(daemon.kernel.prisons.prison0, 'r2')!));
    expect((await lines('?vnet=r2')).map(brief).at(-1)).toBe('r2 JAIL r2 GONE');
    await expect(lines('?since=x')).rejects.toThrow('querystring/since must match pattern');
  });

  test('the daemon ending ends a follower', async () => {
    const reading = lines('?follow=true');
    await expect.poll(() => daemon.kernel.engine.devctl.readerCount).toBe(1);
    await Promise.all([daemon.close(), expect(reading).rejects.toThrow('cannot reach the Netloom daemon')]);
  });
});

test('GET /v1/moves: where interfaces went, and what was refused', async () => {
  jail('r1');
  loopback('lo7');
  const { kernel } = daemon;
  const r1 = kernel.prisons.find(kernel.prisons.prison0, 'r1')!.vnet;
  call(() => ifVmoveLoan(kernel.vnet0.net, 'lo7', r1.net));
  call(() => ifVmoveLoan(kernel.vnet0.net, 'lo0', r1.net));
  const list = await client.get<MoveView[]>('/v1/moves');
  expect(list).toMatchObject([
    { seq: 1, how: 'loan', interface: 'lo7', name: 'lo7', from: 'host', to: 'r1', home: 'host', by: 'instance', error: null, message: null },
    { seq: 2, how: 'loan', interface: 'lo0', from: 'host', to: 'r1', error: 'EEXIST', message: 'File exists' },
  ]);
  const events = (await lines('?system=MOVE')) as EventRecord[];
  expect(events.map((e) => [e.vnet, e.subsystem, e.type, e.data.from, e.data.to, e.data.error])).toEqual([['r1', 'lo7', 'COMMITTED', 'host', 'r1', undefined], ['r1', 'lo0', 'FAILED', 'host', 'r1', 'EEXIST']]);
  expect(await lines('?system=MOVE&vnet=host')).toEqual(events);
});

describe('devd\'s socket', () => {
  const path = (): string => join(folder, 'devd.pipe');

  interface Devd {
    readonly socket: Socket;
    text(): string;
  }

  async function devdClient(): Promise<Devd> {
    const socket = connect({ path: path(), allowHalfOpen: true });
    let text = '';
    socket.on('error', () => {}).on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'connect');
    return { socket, text: () => text };
  }

  /** Creates an interface until the client hears of it: then the daemon knows the client. */
  async function settled(devd: Devd): Promise<void> {
    let n = 100;
    await expect.poll(() => {
      if (devd.text() === '') loopback(`lo${n++}`);
      return devd.text();
    }).not.toBe('');
  }

  test('has FreeBSD\'s lines of the host\'s vnet and no other', async () => {
    const umask = process.umask(0);
    await daemon.serveDevd(path());
    process.umask(umask);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const devd = await devdClient();
    await settled(devd);
    const from = devd.text().length;
    jail('r1');
    loopback('lo5', 'r1');
    const ifp = call(() => ifCloneCreate(daemon.kernel.vnet0.net, 'bridge0')).ifp!;
    call(() => inAifaddr(daemon.kernel.vnet0.inNet, ifp, { addr: 0x0a000001, plen: 24 }));
    call(() => ifRename(ifp, 'lan'));
    await expect.poll(() => devd.text()).toContain('name=lan\n');
    expect(devd.text().slice(from)).toBe([
      '!system=IFNET subsystem=bridge0 type=ATTACH\n', '!system=ETHERNET subsystem=bridge0 type=IFATTACH\n', '!system=IFNET subsystem=bridge0 type=ADDR_ADD address=10.0.0.1\n',
      '!system=IFNET subsystem=bridge0 type=RENAME name=lan\n',
    ].join(''));
    await daemon.close();
    expect(existsSync(path())).toBe(false);
  });

  test('drops a client that does not read, and serves the others', async () => {
    await daemon.serveDevd(path());
    const [lazy, busy] = [await devdClient(), await devdClient()];
    await settled(busy);
    lazy.socket.pause();
    const ifp = loopback('lo7');
    const from = busy.text().length;
    for (let i = 0; i < 40; i++) {
      rename(ifp, 500);
      await expect.poll(() => busy.text().slice(from).match(/RENAME/g)?.length).toBe(500 * (i + 1));
    }
    lazy.socket.resume();
    await once(lazy.socket, 'end');
    expect(lazy.text().length).toBeLessThan(busy.text().length);
    busy.socket.destroy();
  });

  test('has a bounded number of places; who has shut its side gives way', async () => {
    await daemon.serveDevd(path());
    const clients = [];
    for (let i = 0; i < DEVD_CLIENTS_MAX; i++) clients.push(await devdClient());
    const refused = await devdClient();
    await once(refused.socket, 'end');
    clients[3]!.socket.end();
    await settled(clients[3]!);
    const ended = once(clients[3]!.socket, 'end');
    const next = await devdClient();
    await ended;
    await settled(next);
    for (const { socket } of [...clients, next]) socket.destroy();
  });

  test('a place that cannot be had is refused by name', async () => {
    writeFileSync(path(), 'precious');
    await expect(daemon.serveDevd(path())).rejects.toThrow(`"${path()}" exists and is not a socket; choose another with --devd, or move it away`);
    await expect(daemon.serveDevd(daemon.socketPath)).rejects.toThrow(`somebody is listening at "${daemon.socketPath}" already; choose another path with --devd`);
  });
});
