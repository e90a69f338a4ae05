/**
 * daemon.test.ts — the daemon through its socket: who may connect, what is answered, how it ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Proc, Tool } from '@netloom/userland';
import { ProcKilled } from '@netloom/userland';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Daemon } from './daemon.js';
import { startDaemon } from './daemon.js';
import { FRAME_EXIT, FRAME_KILL, FRAME_MAX, FRAME_SIGNAL, FRAME_SPAWN, FRAME_SPAWNED, FRAME_START, FRAME_STDERR, FRAME_STDIN, FRAME_STDOUT, FrameParser, encodeFrame } from './exec-protocol.js';
import type { ExecResult } from './exec-buffer.js';
import { DaemonClient, DaemonError, DaemonUnreachable } from './http-client.js';
import { SocketClaimError, claimSocket } from './socket-claim.js';

let folder: string;
let path: string;
let daemon: Daemon | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-d-'));
  path = join(folder, 'n.sock');
});

afterEach(async () => {
  await daemon?.close();
  daemon = null;
  rmSync(folder, { recursive: true });
});

const tool = (main: (p: Proc) => Promise<number>): Tool => ({ summary: 'for tests', main });

async function start(tools: Record<string, Tool> = {}): Promise<DaemonClient> {
  daemon = await startDaemon({ socketPath: path, logLevel: 'silent', tools, seed: 1 });
  return new DaemonClient(path);
}

describe('the socket', () => {
  test('is the owner\'s alone, and goes with the daemon', async () => {
    const umask = process.umask(0);
    try {
      await start();
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(umask);
    }
    await daemon!.close();
    expect(existsSync(path)).toBe(false);
  });

  test('of a daemon that was killed is taken over', async () => {
    const child = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(path)).toBe(true);
    const client = await start();
    expect(await client.get('/v1/health')).toMatchObject({ status: 'ok' });
  });

  test('of a living daemon is left alone', async () => {
    const client = await start();
    await expect(startDaemon({ socketPath: path, logLevel: 'silent' })).rejects.toThrow(`a daemon is already running at "${path}"`);
    expect(await client.get('/v1/health')).toMatchObject({ status: 'ok' });
  });

  test('a file that is no socket is left alone', async () => {
    writeFileSync(path, 'precious');
    await expect(claimSocket(path)).rejects.toThrow(SocketClaimError);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  test('a path that is too long is refused by name', async () => {
    await expect(claimSocket(`/tmp/${'x'.repeat(120)}`)).rejects.toThrow('is longer than');
  });

  test('a folder that cannot be made is refused by name', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(claimSocket(join(folder, 'file', 'n.sock'))).rejects.toThrow(`cannot make the socket's folder "${join(folder, 'file')}"`);
  });
});

describe('HTTP', () => {
  test('health, vnets, interfaces, processes, topology, labs', async () => {
    const client = await start();
    expect(await client.get('/v1/health')).toMatchObject({ status: 'ok', pid: process.pid, vnets: 1, procs: 0 });
    expect(await client.get('/v1/vnets')).toEqual([{ name: 'host', jid: 0, hostname: 'netloom', forwarding: false, interfaces: ['lo0'] }]);
    expect(await client.get('/v1/interfaces?vnet=host')).toMatchObject([{ vnet: 'host', name: 'lo0', kind: 'lo', up: true }]);
    expect(await client.get('/v1/interfaces?vnet=none')).toEqual([]);
    expect(await client.get('/v1/procs')).toEqual([]);
    expect(await client.get('/v1/labs')).toEqual([]);
    expect(await client.get('/v1/attachments')).toEqual([]);
  });

  test('the OpenAPI document lists every route', async () => {
    const client = await start();
    const { openapi, paths } = await client.get<{ openapi: string; paths: Record<string, object> }>('/v1/openapi.json');
    expect(openapi).toBe('3.1.0');
    expect(Object.entries(paths).flatMap(([p, methods]) => Object.keys(methods).map((m) => `${m} ${p}`)).sort()).toEqual([
      'delete /v1/attachments/{vnet}/{ifname}', 'delete /v1/gateways/{vnet}', 'delete /v1/gateways/{vnet}/forwards', 'delete /v1/labs/{name}', 'delete /v1/protections/{machine}', 'delete /v1/vms/{name}',
      'get /v1/attachments', 'get /v1/audit', 'get /v1/datapath', 'get /v1/dying', 'get /v1/events', 'get /v1/gateways', 'get /v1/gateways/{vnet}/flows', 'get /v1/health', 'get /v1/interfaces', 'get /v1/labs', 'get /v1/metrics', 'get /v1/moves',
      'get /v1/netgraph', 'get /v1/procs', 'get /v1/protections', 'get /v1/protections/{machine}', 'get /v1/sysinit', 'get /v1/topology', 'get /v1/vms', 'get /v1/vnets',
      'post /v1/attachments', 'post /v1/exec', 'post /v1/gateways', 'post /v1/gateways/{vnet}/forwards', 'post /v1/labs', 'post /v1/protections', 'post /v1/protections/{machine}/failover', 'post /v1/protections/{machine}/switch', 'post /v1/vms',
    ]);
  });

  test('a tool call without a stream', async () => {
    const client = await start({
      greet: tool(async (p) => {
        for await (const block of p.stdin) p.out(block);
        p.out(` ${p.argv[1]} ${p.cwd} ${p.env.X} ${p.fib}`);
        p.err('warned');
        return 4;
      }),
    });
    const call = { argv: ['greet', 'you'], cwd: '/tmp', env: { X: 'x' }, fib: 2, stdin: 'hello' };
    expect(await client.post('/v1/exec', call)).toEqual({ stdout: 'hello you /tmp x 2', stderr: 'warned', exitCode: 4, signal: null });
  });

  test('host programs need a stream', async () => {
    const client = await start({ run: tool(async (p) => p.run(['true'])) });
    expect(await client.post('/v1/exec', { argv: ['run'] })).toMatchObject({ exitCode: 70, stderr: 'run: internal error: Operation not supported\n' });
  });

  test('refusals have one line that names the value', async () => {
    const client = await start();
    const refusal = async (call: Promise<unknown>): Promise<[number, string]> => {
      const error = await call.catch((e: unknown) => e);
      if (!(error instanceof DaemonError)) throw new Error('not refused');
      return [error.status, error.message];
    };
    expect(await refusal(client.get('/v1/nothing'))).toEqual([404, 'there is no GET /v1/nothing (/v1/openapi.json tells what there is)']);
    expect(await refusal(client.post('/v1/exec', { argv: [] }))).toEqual([400, 'body/argv must NOT have fewer than 1 items']);
    expect(await refusal(client.post('/v1/exec', { argv: ['a'], cwd: 'b' }))).toEqual([400, 'body/cwd must match pattern "^/"']);
    expect(await refusal(client.delete('/v1/labs/x'))).toEqual([404, 'no lab is called "x" ("netloom ps" lists them)']);
    expect(await refusal(client.post('/v1/attachments', { vnet: 'x', interface: 'tap0', device: 'tap0' }))).toEqual([400, 'there is no vnet "x" ("netloom ps" lists them)']);
    expect(await client.post('/v1/exec', { argv: ['nope'] })).toMatchObject({ exitCode: 127, stderr: 'netloom: no tool is called "nope" ("netloom tools list" names them)\n' });
  });

  test('nobody there', async () => {
    await expect(new DaemonClient(path).get('/v1/health')).rejects.toThrow(DaemonUnreachable);
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')).listen(path);
    await once(server, 'listening');
    await expect(new DaemonClient(path).get('/v1/health')).rejects.toThrow('not JSON');
    server.close();
  });
});

/** A client of the stream that sends what it likes. */
class Raw {
  readonly socket: Socket;
  private readonly parser = new FrameParser();
  private head = '';
  readonly frames: [number, string][] = [];
  /** The daemon has said all it has to say. */
  onEnd = (): void => void this.socket.end();

  constructor(start: string | null) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('end', () => this.onEnd());
    this.socket.write('POST /v1/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: netloom-exec\r\n\r\n');
    if (start !== null) this.socket.write(encodeFrame(FRAME_START, start));
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => {
      let rest = chunk;
      if (!this.head.includes('\r\n\r\n')) {
        this.head += chunk.toString('latin1');
        const end = this.head.indexOf('\r\n\r\n');
        if (end < 0) return;
        rest = Buffer.from(this.head.slice(end + 4), 'latin1');
      }
      for (const { type, payload } of this.parser.push(rest)) this.frames.push([type, payload.toString('latin1')]);
    });
  }

  async closed(): Promise<[number, string][]> {
    if (!this.socket.destroyed) await once(this.socket, 'close');
    return this.frames;
  }
}

const exit = (code: number, signal = ''): [number, string] => [FRAME_EXIT, String.fromCharCode(code) + signal];

describe('the stream', () => {
  test.each<[string, (raw: Raw) => void, string]>([
    ['a frame before the start', (raw) => raw.socket.write(encodeFrame(FRAME_SIGNAL, 'INT')), 'frame type 4 before the start frame'],
    ['a start that is no JSON', (raw) => raw.socket.write(encodeFrame(FRAME_START, '{')), 'the start frame is not JSON'],
    ['an endless frame', (raw) => raw.socket.write(Buffer.from([FRAME_STDIN, 0xff, 0xff, 0xff, 0xff])), `a frame of 4294967295 bytes: at most ${FRAME_MAX} are allowed`],
  ])('%s is told and cut off', async (_, send, message) => {
    await start();
    const raw = new Raw(null);
    send(raw);
    expect(await raw.closed()).toEqual([[FRAME_STDERR, `netloom: protocol error: ${message}\n`], exit(1)]);
  });

  test.each<[string, Buffer, string]>([
    ['input nobody asked for', encodeFrame(FRAME_STDIN, 'x'), 'standard input that was not asked for'],
    ['an unknown type', encodeFrame(0x0f), 'unknown frame type 15'],
    ['an unknown signal', encodeFrame(FRAME_SIGNAL, 'FOO'), 'unknown signal "FOO"'],
    ['a child that is not there', encodeFrame(0x06, Buffer.alloc(8)), 'there is no child 0'],
    ['a short window', encodeFrame(0x05, 'x'), 'a window frame has 4 bytes'],
  ])('%s ends the tool', async (_, frame, message) => {
    await start({ wait: tool(async (p) => p.sleepUs(Infinity)) });
    const raw = new Raw('{"argv":["wait"]}');
    raw.socket.write(frame);
    expect(await raw.closed()).toEqual([[FRAME_STDERR, `netloom: protocol error: ${message}\n`], exit(1)]);
    expect(daemon!.service.table.size).toBe(0);
  });

  test.each<[string, (raw: Raw) => void]>([
    ['says that it has ended', (raw) => raw.socket.write(encodeFrame(FRAME_SPAWNED, Buffer.from([0, 0, 0, 2, 0, 0, 0, 137])))],
    ['goes away', (raw) => raw.socket.destroy()],
  ])('a program at a client outlives its tool, and holds its jail until the client %s', async (_, letGo) => {
    await start({ outer: tool(async (p) => p.run(['server', 'x'])) });
    const { kernel, service } = daemon!;
    const box = kernel.call(kernel.now, () => kernel.jailCreate(kernel.prisons.prison0, { name: 'box', persist: true, attach: false, vnet: true })).prison!;
    const raw = new Raw('{"argv":["outer"],"env":{"NETLOOM_JAIL":"box"}}');
    raw.onEnd = () => {};
    await expect.poll(() => raw.frames.length).toBe(1);
    kernel.call(kernel.now, () => kernel.jailRemove(box));
    await expect.poll(() => raw.frames.map(([type]) => type)).toEqual([FRAME_SPAWN, FRAME_KILL, FRAME_EXIT]);
    expect(raw.frames.at(-1)).toEqual(exit(137, 'KILL'));
    expect(kernel.dyingJails().map((d) => d.holders)).toEqual([['process 2 (server x)']]);
    expect(service.table.list().map((entry) => entry.kind)).toEqual(['host']);
    expect(await new DaemonClient(path).post('/v1/exec', { argv: ['outer'], vnet: 'box' })).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^outer: jail "box" is dying/) as string });
    letGo(raw);
    await expect.poll(() => kernel.dyingJails().length + service.table.size).toBe(0);
    raw.socket.destroy();
  });

  test('another upgrade is refused', async () => {
    await start();
    const socket = connect(path);
    socket.write('GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 400 /);
  });

  test('a client that does not read stops the tool, and the memory', async () => {
    let written = 0;
    await start({
      flood: tool(async (p) => {
        for (;;) {
          p.out('x'.repeat(65_536));
          written += 65_536;
          await p.flush();
        }
      }),
    });
    const raw = new Raw('{"argv":["flood"]}');
    raw.socket.pause();
    await expect.poll(() => written).toBeGreaterThan(0);
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(written).toBeLessThan(4 * 1024 * 1024);
    raw.socket.resume();
    await expect.poll(() => written).toBeGreaterThan(8 * 1024 * 1024);
    raw.socket.destroy();
    await expect.poll(() => daemon!.service.table.size).toBe(0);
  });

  test('a tool that writes without waiting is ended at the limit', async () => {
    await start({
      burst: tool(async (p) => {
        for (let i = 0; i < 200; i++) p.out('x'.repeat(1024 * 1024));
        return 0;
      }),
    });
    const raw = new Raw('{"argv":["burst"]}');
    const frames = await raw.closed();
    expect(frames.at(-1)).toEqual(exit(1));
    expect(frames.filter(([type]) => type === FRAME_STDOUT).length).toBeLessThan(70);
    expect(frames.at(-2)![1]).toContain('too much output waits');
  });

  test('the daemon ending ends the tools with KILL', async () => {
    await start({ wait: tool(async (p) => p.sleepUs(Infinity)) });
    const raw = new Raw('{"argv":["wait"]}');
    await expect.poll(() => daemon!.service.table.size).toBe(1);
    await daemon!.close();
    expect(await raw.closed()).toEqual([exit(137, 'KILL')]);
  });
});

describe('a process', () => {
  async function outcome(main: (p: Proc) => Promise<number>, more: Record<string, Tool> = {}): Promise<ExecResult> {
    const client = await start({ t: tool(main), ...more });
    return client.post('/v1/exec', { argv: ['t'] });
  }

  test('sleeps, wakes early, and keeps a wake for later', async () => {
    const left: number[] = [];
    const { exitCode } = await outcome(async (p) => {
      const before = p.now();
      left.push(await p.sleepUs(2_000));
      expect(p.now() - before).toBeGreaterThanOrEqual(2_000);
      p.wake();
      left.push(await p.sleepUs(1_000_000));
      setTimeout(() => p.wake(), 5);
      left.push(await p.sleepUs(10_000_000));
      return 0;
    });
    expect(exitCode).toBe(0);
    expect(left[0]).toBe(0);
    expect(left[1]).toBe(1_000_000);
    expect(left[2]).toBeGreaterThan(9_000_000);
  });

  test('atExit runs newest first, also when the body crashes, and a crash there is contained', async () => {
    const order: number[] = [];
    const result = await outcome(async (p) => {
      p.atExit(() => order.push(1));
      p.atExit(() => {
        throw new Error('in atExit');
      });
      p.atExit(() => order.push(3));
      throw new Error('body');
    });
    expect(order).toEqual([3, 1]);
    expect(result).toMatchObject({ exitCode: 70, stderr: 't: internal error: body\n' });
  });

  test('ended from outside: waits reject with ProcKilled, what it still does is dropped', async () => {
    const seen: unknown[] = [];
    const { exitCode, stdout, signal } = await outcome(async (p) => {
      p.atExit(() => seen.push('exit'));
      setTimeout(() => daemon!.service.table.list()[0]!.signal('TERM'), 5);
      try {
        await p.sleepUs(Infinity);
      } catch (error) {
        seen.push(error instanceof ProcKilled && error.signal);
        p.out('too late');
        await p.sleepUs(0).catch((e: unknown) => seen.push(e instanceof ProcKilled));
      }
      return 9;
    });
    expect({ exitCode, stdout, signal }).toEqual({ exitCode: 143, stdout: '', signal: 'TERM' });
    await expect.poll(() => seen).toEqual(['exit', 'TERM', true]);
  });

  test('a stopped process does not go on until it is continued', async () => {
    let rounds = 0;
    const { exitCode } = await outcome(async (p) => {
      const entry = daemon!.service.table.list()[0]!;
      setTimeout(() => {
        entry.signal('TSTP');
        const at = rounds;
        setTimeout(() => {
          expect(rounds).toBe(at);
          entry.signal('CONT');
        }, 20);
      }, 10);
      const end = p.now() + 50_000;
      // On a busy machine a round may take longer than the time; it goes on until there were some.
      while (p.now() < end || (rounds <= 5 && p.now() < end + 10_000_000)) {
        rounds++;
        await p.sleepUs(1_000);
      }
      return rounds > 5 ? 0 : 1;
    });
    expect(exitCode).toBe(0);
  });

  test('children share output and place; a prison\'s processes can be signalled together', async () => {
    const result = await outcome(
      async (p) => {
        p.out(`[${await p.run(['child', 'a'], { fib: 3, env: { E: 'e' } })}]`);
        setTimeout(() => p.killPrison(p.prison, 'TERM'), 5);
        p.out(`[${await p.run(['child', 'wait'])}]`);
        return 0;
      },
      {
        child: tool(async (p) => {
          p.out(`${p.argv[1]} ${p.fib} ${p.env.E}`);
          if (p.argv[1] === 'wait') await p.sleepUs(Infinity);
          return 5;
        }),
      },
    );
    expect(result).toMatchObject({ stdout: 'a 3 e[5]wait 0 undefined[143]', exitCode: 0 });
  });

  test('a daemon has left its caller: exit code 0, no input, output in the log, and an end with its prison', async () => {
    const log: string[] = [];
    const seen: unknown[] = [];
    const main = async (p: Proc): Promise<number> => {
      p.out('ready\n');
      p.daemon();
      p.daemon();
      p.out('one\ntw');
      p.err('o\n');
      for await (const block of p.stdin) seen.push(block);
      p.atExit(() => seen.push('exit'));
      await p.sleepUs(Infinity);
      return 9;
    };
    daemon = await startDaemon({ socketPath: path, logLevel: 'info', logTo: { write: (line) => void log.push(line) }, seed: 1, tools: { t: tool(main), outer: tool((p) => p.run(['t'])) } });
    const client = new DaemonClient(path);
    const { kernel } = daemon.service;
    const box = kernel.call(kernel.now, () => kernel.jailCreate(kernel.prisons.prison0, { name: 'box', persist: true, attach: false, vnet: true })).prison!;
    const raw = new Raw('{"argv":["t"],"env":{"NETLOOM_JAIL":"box"}}');
    expect(await raw.closed()).toEqual([[FRAME_STDOUT, 'ready\n'], exit(0)]);
    expect(await client.post('/v1/exec', { argv: ['outer'], vnet: 'box', stdin: 'x' })).toEqual({ stdout: 'ready\n', stderr: '', exitCode: 0, signal: null });
    expect(await client.get('/v1/procs')).toMatchObject([{ vnet: 'box', argv: ['t'] }, { vnet: 'box', argv: ['t'] }]);
    expect(log.map((line) => JSON.parse(line) as { tool?: string; vnet: string; msg: string }).filter((l) => l.tool === 't').map((l) => `${l.vnet}: ${l.msg}`)).toEqual(['box: one', 'box: two', 'box: one', 'box: two']);
    expect(seen).toEqual([]);
    kernel.call(kernel.now, () => kernel.jailRemove(box));
    expect([daemon.service.table.size, seen]).toEqual([0, ['exit', 'exit']]);
  });

  test('files: read, written in order, refused in strerror\'s words', async () => {
    const file = join(folder, 'out');
    const result = await outcome(async (p) => {
      const out = await p.host!.openWrite(file);
      for (let i = 0; i < 100; i++) out.write(`${i}\n`);
      await out.close();
      p.out(await p.host!.readFile(file));
      for (const path_ of ['/nonexistent/x', '/tmp']) await p.host!.readFile(path_).catch((e: Error) => p.err(`${e.message}\n`));
      return 0;
    });
    expect(result.stdout).toBe(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''));
    expect(result.stderr).toBe('No such file or directory\nIs a directory\n');
  });
});

test('the log tells by default what no tool does: a vxlan that cannot start, an interface that comes home under another name', async () => {
  const log: string[] = [];
  daemon = await startDaemon({ socketPath: path, logTo: { write: (line) => void log.push(line) }, seed: 1 });
  const client = new DaemonClient(path);
  for (const words of ['ifconfig vxlan0 create', 'ifconfig vxlan0 up', 'jail -c name=r1 vnet persist', 'ifconfig lo7 create', 'ifconfig lo7 vnet r1', 'ifconfig lo8 create name lo7', 'jail -r r1', 'jail -c name=r2 vnet persist', 'ifconfig lo7 vnet r2', 'ifconfig lo9 create name lo7']) {
    expect(await client.post('/v1/exec', { argv: words.split(' ') }), words).toMatchObject({ exitCode: 0 });
  }
  await daemon.close(); // r2's lo7 would be renamed as well, on its way home to its end
  expect(log.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 40, vnet: 'host', msg: 'vxlan0: cannot initialize interface: invalid virtual network identifier specified' },
    { level: 40, vnet: 'host', msg: expect.stringMatching(/^lo7: returned as lo\d+, because lo7 exists already$/) as string },
  ]);
});
