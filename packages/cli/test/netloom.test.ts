/**
 * netloom.test.ts — the netloom command as it is installed, with a daemon of its own and the real tools: a day's work, from up to stop.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { captureDecoder } from '@netloom/core/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const LAB = fileURLToPath(new URL('../../../examples/quickstart.yaml', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'netloom-e2e-'));
const socket = join(folder, 'n.sock');
const env = { ...process.env, NETLOOM_SOCKET: socket, NETLOOM_JAIL: '', PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}` };

interface Ran {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

async function command(argv: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(argv[0]!, argv.slice(1), { env, cwd: folder });
  let out = '';
  let err = '';
  child.stdout.on('data', (d: Buffer) => (out += d.toString('latin1')));
  child.stderr.on('data', (d: Buffer) => (err += d.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, out, err };
}

const netloom = (...args: string[]): Promise<Ran> => command([process.execPath, PROGRAM, ...args]);

beforeAll(() => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: build first (npm run build)`);
});

afterAll(async () => {
  await netloom('stop');
  rmSync(folder, { recursive: true });
});

describe('a day with netloom', () => {
  test('up starts a daemon, says so, and builds the lab', async () => {
    const { code, out, err } = await netloom('up', LAB);
    expect({ code, out }).toEqual({ code: 0, out: 'lab "quickstart" is up: client, router, server\n' });
    expect(err).toMatch(new RegExp(`^netloom: started a daemon in the background \\(process \\d+, socket ${socket}, log ${join(folder, 'n.log')}\\); "netloom stop" ends it\n$`));
  });

  test('up again is refused', async () => {
    expect(await netloom('up', LAB)).toMatchObject({ code: 1, err: 'netloom: lab "quickstart" is up already ("netloom down quickstart" takes it down)\n' });
  });

  test('a second daemon there is refused', async () => {
    expect(await netloom('daemon')).toMatchObject({ code: 1, err: `netloom: a daemon is already running at "${socket}"; use it, stop it ("netloom stop"), or choose another socket with --socket\n` });
  });

  test('ps', async () => {
    const { out } = await netloom('ps');
    expect(out).toMatch(/^LAB +VNET +JID +INTERFACE +STATE +ADDRESS +DESCRIPTION\n/);
    expect(out).toMatch(/^quickstart +router +2 +wan\.20 +up +10\.0\.20\.1\/24$/m);
    const { vnets, labs } = JSON.parse((await netloom('ps', '--json')).out) as { vnets: { name: string }[]; labs: unknown[] };
    expect(vnets.map((v) => v.name)).toEqual(['host', 'client', 'router', 'server']);
    expect(labs).toEqual([{ name: 'quickstart', description: 'A client and a server with a bridge, a router and a VLAN between them', file: LAB, vnets: ['client', 'router', 'server'] }]);
  });

  test('the running picture is the file\'s', async () => {
    const running = (await netloom('graph')).out;
    expect(running).toBe((await netloom('graph', LAB)).out);
  });

  test('exec ends as the tool does', async () => {
    expect(await netloom('exec', 'client', 'ping', '-c', '2', '-i', '0.1', '10.0.20.10')).toMatchObject({ code: 0, err: '' });
    expect(await netloom('exec', 'client', 'ping', '-c', '1', '-t', '1', '10.0.1.99')).toMatchObject({ code: 2 });
    expect(await netloom('exec', 'nowhere', 'ifconfig')).toMatchObject({ code: 1, err: 'jexec: jail "nowhere" not found\n' });
    expect(await netloom('exec', 'host', 'ifconfig', '-l')).toMatchObject({ code: 0, out: 'lo0 lan0 epair0a epair1a\n' });
  });

  test('capture writes pcapng', async () => {
    const recording = netloom('capture', 'router', 'wan', '-f', 'icmp', '-c', '4', '-w', 'wan.pcapng');
    await netloom('exec', 'client', 'ping', '-c', '10', '-i', '0.2', '10.0.2.10');
    expect(await recording).toMatchObject({ code: 0, err: '4 packets captured, 0 dropped\n' });
    const bytes = new Uint8Array(readFileSync(join(folder, 'wan.pcapng')));
    const decoder = captureDecoder(bytes)!;
    decoder.push(bytes);
    const kinds: string[] = [];
    for (let item = decoder.next(); item !== null; item = decoder.next()) kinds.push(item.kind);
    expect(kinds.filter((kind) => kind === 'packet')).toHaveLength(4);
    expect(await netloom('capture', 'router', 'wan', '-f', 'icmp or', '-w', '/dev/null')).toMatchObject({ code: 64 });
    expect(await netloom('capture', 'router', 'nosuch', '-w', 'none.pcapng')).toMatchObject({ code: 1, err: 'netloom: there is no interface "nosuch" in this vnet (there are: lo0, lan, wan, wan.20)\n' });
    expect(existsSync(join(folder, 'none.pcapng'))).toBe(false);
    expect(await netloom('capture', 'nowhere', 'lo0', '-w', 'none.pcapng')).toMatchObject({ code: 1, err: 'netloom: there is no vnet "nowhere" ("netloom ps" lists them)\n' });
  });

  test('a filter fits the first capture of a loopback', async () => {
    const recording = netloom('capture', 'client', 'lo0', '-f', 'icmp', '-c', '1', '-w', 'lo.pcapng');
    await netloom('exec', 'client', 'ping', '-c', '10', '-i', '0.2', '127.0.0.1');
    expect(await recording).toMatchObject({ code: 0, err: expect.stringMatching(/^1 packets? captured, 0 dropped\n$/) as string });
  });

  test('the dry run is a script that does the same', async () => {
    await netloom('down');
    await netloom('tools', 'install', join(folder, 'bin'));
    const script = (await netloom('up', LAB, '--dry-run')).out;
    expect(await command(['sh', '-e'], script)).toMatchObject({ code: 0, err: '' });
    expect((await netloom('graph')).out).toBe((await netloom('graph', LAB)).out);
    for (const ifc of ['lan0', 'epair0a', 'epair1a']) await command(['ifconfig', ifc, 'destroy']);
    await command(['jexec', 'router', 'ifconfig', 'wan', 'destroy']);
    for (const jail of ['client', 'router', 'server']) await command(['jail', '-r', jail]);
    expect((await netloom('exec', 'host', 'ifconfig', '-l')).out).toBe('lo0\n');
  });

  test('a lab whose command fails leaves nothing, and says which line', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'name: bad\nvnets:\n  a:\n    interfaces:\n      e0: { inet: 10.0.0.1/24 }\n    routes:\n      - { to: 10.9.0.0/16, via: 192.0.2.1 }\n  b: {}\nlinks: [[a:e0, b:e0]]\n');
    expect(await netloom('up', 'bad.yaml')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^netloom: bad\.yaml:7:9: add net 10\.9\.0\.0\/16: gateway 192\.0\.2\.1.*: Network is unreachable \(from: jexec a route add -net 10\.9\.0\.0\/16 192\.0\.2\.1\); everything made before is gone again\n$/) as string,
    });
    expect((await netloom('exec', 'host', 'ifconfig', '-l')).out).toBe('lo0\n');
    expect((await command(['jls', '-n', 'name'])).out).toBe('');
  });

  test('jexec J sh: the shell\'s tools address that vnet; removing the jail ends it', async () => {
    await command(['jail', '-c', 'name=box', 'persist', 'vnet']);
    expect(await command(['jexec', 'box', 'sh', '-c', 'ifconfig -l; ifconfig epair create; sysctl -n security.jail.vnet'])).toMatchObject({ code: 0, out: 'lo0\nepair0a\n1\n', err: '' });
    const shell = command(['jexec', 'box', 'sh', '-c', 'sleep 60; echo not reached']);
    await expect.poll(async () => JSON.parse((await netloom('ps', '--procs', '--json')).out) as unknown[]).toHaveLength(2);
    expect(await command(['jail', '-r', 'box'])).toMatchObject({ code: 0 });
    expect(await shell).toMatchObject({ out: '' });
  });

  test('events: what happened, filtered, from where one was; in a jail its own alone', async () => {
    await command(['jail', '-c', 'name=ev', 'persist', 'vnet']);
    await command(['ifconfig', 'lo8', 'create', 'inet', '10.8.0.1/32']);
    await command(['ifconfig', 'lo8', 'vnet', 'ev']);
    await command(['ifconfig', 'lo0', 'vnet', 'ev']);
    const { out } = await netloom('events', '--vnet', 'ev');
    expect(out).toMatch(/^ {3}SEQ {2}TIME {21}VNET {8}SYSTEM {4}SUBSYSTEM {3}TYPE {8}DATA\n/);
    expect(out.trim().split('\n').slice(1).map((line) => line.trim().replace(/^\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}/, '').replace(/ +/g, ' '))).toEqual([
      expect.stringMatching(/^ev VNET ev CREATE id=\d+$/), 'ev IFNET lo0 ATTACH', 'ev IFNET lo0 LINK_UP', 'ev IFNET lo0 ADDR_ADD address=::1', 'ev IFNET lo0 ADDR_ADD address=fe80::1', expect.stringMatching(/^ev JAIL ev CREATE jid=\d+ vnet=new$/), 'ev IFNET lo8 ATTACH',
      expect.stringMatching(/^ev MOVE lo8 COMMITTED how=loan from=host to=ev home=host index=\d+$/), expect.stringMatching(/^ev MOVE lo0 FAILED how=loan from=host to=ev home=host index=\d+ error=EEXIST$/),
    ]);
    const records = (await netloom('events', '--json', '--system', 'ifnet')).out.trim().split('\n').map((line) => JSON.parse(line) as { seq: number; vnet: string; type: string });
    const { seq } = records.find((r) => r.vnet === 'host' && r.type === 'ADDR_DEL')!;
    expect((await netloom('events', '--since', String(seq), '--vnet', 'host', '--system', 'IFNET')).out).toMatch(/host {8}IFNET {5}lo8 {9}DETACH\n/);
    const inside = await command(['jexec', 'ev', process.execPath, PROGRAM, 'events', '--json']);
    expect(inside.out.trim().split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([{ seq: 1, subsystem: 'lo0' }, { seq: 2 }, { seq: 3 }, { seq: 4 }, { seq: 5, subsystem: 'lo8', type: 'ATTACH' }]);
    expect(inside.out).not.toContain('vnet');
    expect(await command(['jexec', 'ev', process.execPath, PROGRAM, 'moves'])).toMatchObject({ code: 2, err: 'netloom: the journal of moves names all vnets and is not for the jail "ev" (NETLOOM_JAIL); look at it from outside\n' });
  });

  test('events -f goes on until it is ended', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'events', '-f', '--since', 'now'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d: Buffer) => (out += d.toString()));
    for (let n = 1; !out.includes('lo9') && n < 200; n++) await command(['ifconfig', 'lo9', n % 2 === 1 ? 'create' : 'destroy']);
    expect(out).toMatch(/ {2}host {8}IFNET {5}lo9 {9}(ATTACH|DETACH)\n/);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([null, 'SIGINT']);
  });

  test('moves: what went where, and why something did not', async () => {
    const rows = (await netloom('moves')).out.trim().split('\n').map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(['SEQ', 'TIME', 'HOW', 'INTERFACE', 'FROM', 'TO', 'HOME', 'RESULT']);
    expect(rows.slice(-2).map((row) => row.slice(2))).toEqual([['loan', 'lo8', 'host', 'ev', 'host', 'moved'], ['loan', 'lo0', 'host', 'ev', 'host', 'EEXIST: File exists']]);
    await command(['jail', '-r', 'ev']);
    const list = JSON.parse((await netloom('moves', '--json')).out) as object[];
    expect(list.at(-1)).toMatchObject({ how: 'return', interface: 'lo8', from: 'ev', to: 'host', error: null });
  });

  test('devd\'s clients have a socket beside the daemon\'s', async () => {
    const socketOfDevd = connect(join(folder, 'n.devd.pipe'));
    let text = '';
    socketOfDevd.on('data', (d: Buffer) => (text += d.toString()));
    await once(socketOfDevd, 'connect');
    for (let n = 0; text === '' && n < 200; n++) await command(['ifconfig', 'lo11', n % 2 === 0 ? 'create' : 'destroy']);
    expect(text).toMatch(/^!system=IFNET subsystem=lo11 type=(ATTACH|DETACH)\n/);
    socketOfDevd.destroy();
  });

  test('stop', async () => {
    expect(await netloom('stop')).toMatchObject({ code: 0, out: expect.stringMatching(/^the daemon \(process \d+\) has ended\n$/) as string });
    expect(existsSync(socket)).toBe(false);
    expect(existsSync(join(folder, 'n.devd.pipe'))).toBe(false);
    expect(readFileSync(join(folder, 'n.log'), 'utf8')).toBe('');
    expect(await netloom('ps')).toMatchObject({ code: 3 });
  });
});

test('quickstart --once', { timeout: 60_000 }, async () => {
  const { code, out, err } = await netloom('quickstart', '--once');
  expect({ code, err }, out).toEqual({ code: 0, err: '' });
  expect(out.match(/ ok {2}/g)).toHaveLength(7);
});
