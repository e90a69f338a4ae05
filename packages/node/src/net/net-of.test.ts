/**
 * net-of.test.ts — a program for node:net runs on two vnets: its bytes, its events and their order, its errors.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PFIL_DROPPED } from '@netloom/core';
import { DNS_NXDOMAIN, DNS_QR, DNS_TYPE_A, dnsA, dnsEmit, dnsNameKey, dnsParse, ip4Parse, ip6Parse } from '@netloom/core/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ADDR6_B, ADDR_A, ADDR_B, hostPair, simPair } from '../../test/vnet-pair.js';
import type { HostPair } from '../../test/vnet-pair.js';
import { dgramOf } from './dgram-of.js';
import type { LookupFunction } from './lookup.js';
import { netOf } from './net-of.js';
import type { VnetServer } from './vnet-server.js';
import type { VnetSocket } from './vnet-socket.js';

let pair: HostPair;
const servers: VnetServer[] = [];
/** Both ends of all connections. */
const sockets: VnetSocket[] = [];

beforeEach(() => {
  pair = hostPair();
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
  expect(pair.close()).toEqual([0, []]);
});

async function serve(listener: (socket: VnetSocket) => void, options: { readonly allowHalfOpen?: boolean } = {}, port = 7): Promise<VnetServer> {
  const server = netOf(pair.b).createServer(options, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    listener(socket);
  });
  servers.push(server);
  server.listen(port);
  await once(server, 'listening');
  return server;
}

function dial(port: number, options: { readonly allowHalfOpen?: boolean; readonly host?: string; readonly lookup?: LookupFunction } = {}): VnetSocket {
  const socket = netOf(pair.a).connect({ port, host: ADDR_B, ...options });
  sockets.push(socket);
  return socket;
}

/** All of a stream as text; leaves the stream as it is, which `for await` would destroy. */
function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer | string) => chunks.push(Buffer.from(chunk as string)));
    stream.on('error', reject).on('end', () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** Bytes whose place tells their value. */
function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 4) bytes.writeUInt32LE((i * 2_654_435_761) % 2 ** 32 & 0x7fff_ffff, Math.min(i, length - 4));
  return bytes;
}

describe('a connection', () => {
  it('has the events and properties of Node\'s', async () => {
    const seen: string[] = [];
    const server = await serve((s) => s.end('hello'));
    const socket = dial(7);
    for (const event of ['lookup', 'connect', 'ready', 'end', 'finish', 'close']) socket.on(event, (arg: unknown) => seen.push(event === 'close' ? `close ${String(arg)}` : event));
    expect([socket.connecting, socket.pending, socket.readyState, socket.remoteAddress]).toEqual([true, true, 'opening', undefined]);
    await once(socket, 'connect');
    expect([socket.connecting, socket.pending, socket.readyState]).toEqual([false, false, 'open']);
    expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily, socket.localAddress]).toEqual([ADDR_B, 7, 'IPv4', ADDR_A]);
    expect(socket.address()).toEqual({ address: ADDR_A, family: 'IPv4', port: socket.localPort });
    expect(await text(socket)).toBe('hello');
    if (!socket.closed) await once(socket, 'close');
    expect(seen).toEqual(['connect', 'ready', 'end', 'finish', 'close false']);
    expect([socket.bytesRead, socket.bytesWritten, socket.readyState, socket.destroyed]).toEqual([5, 0, 'closed', true]);
    expect(server.address()).toMatchObject({ port: 7 });
  });

  it('carries 20 MB both ways, and every byte in its place', async () => {
    await serve((s) => void pipeline(s, s));
    const sent = pattern(20_000_000);
    const socket = dial(7);
    socket.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    expect([socket.bytesWritten, socket.bytesRead]).toEqual([sent.length, sent.length]);
  });

  it('carries 2 MB both ways through loss, reordering and duplication, in virtual time', async () => {
    const sim = simPair(11, { delayUs: 5_000, loss: 0.01, reorder: 0.02, duplicate: 0.01 });
    const server = netOf(sim.b).createServer((s) => void pipeline(s, s)).listen(7, ADDR_B);
    const sent = pattern(2_000_000);
    const socket = netOf(sim.a).connect(7, ADDR_B);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).end(sent);
    await sim.during(once(socket, 'close'));
    server.close();
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    sim.kernel.shutdown();
    expect(sim.kernel.engine.pool.inUse).toBe(0);
  });

  it('gathers what is written before it is there', async () => {
    let got = '';
    await serve((s) => void text(s).then((t) => (got = t)));
    const socket = dial(7);
    socket.setEncoding('utf8');
    for (const word of ['one ', 'two ', 'thrée']) socket.write(word);
    expect(socket.bytesWritten).toBe(14);
    socket.end();
    await once(socket, 'close');
    expect(got).toBe('one two thrée');
  });

  it('ends one half and goes on with the other', async () => {
    await serve((s) => void text(s).then((t) => s.end(t.toUpperCase())), { allowHalfOpen: true });
    const socket = dial(7, { allowHalfOpen: true });
    socket.end('half');
    await once(socket, 'finish');
    expect(socket.readyState).toBe('readOnly');
    expect(await text(socket)).toBe('HALF');
  });

  it('refuses writes behind the end that the peer brought', async () => {
    await serve((s) => s.end());
    const socket = dial(7);
    const failed = once(socket, 'error');
    socket.resume().on('end', () => socket.write('late'));
    expect((await failed)[0]).toMatchObject({ code: 'EPIPE' });
  });

  it('stops the writer when the reader does not read', async () => {
    let peer: VnetSocket | null = null;
    await serve((s) => (peer = s.pause()));
    const socket = dial(7);
    await once(socket, 'connect');
    const chunk = Buffer.alloc(65_536);
    let taken = 0;
    let stopped = false;
    while (!stopped) {
      socket.write(chunk, () => taken++);
      // A hundred rounds of the loop without an answer: it waits for the reader.
      const before = taken;
      for (let i = 0; i < 100 && taken === before; i++) await new Promise(setImmediate);
      stopped = taken === before;
      expect(taken).toBeLessThan(256);
    }
    expect(pair.kernel.engine.pool.inUse).toBeLessThan(1_000);
    const drained = once(socket, 'drain');
    peer!.resume();
    await drained;
    socket.destroy();
  });

  it('emits timeout when nothing moves, and not before', async () => {
    await serve((s) => s.write('x'));
    const socket = dial(7);
    socket.setTimeout(30);
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toBe('x');
    await once(socket, 'timeout');
    expect([socket.timeout, socket.destroyed]).toEqual([30, false]);
    socket.destroy();
  });

  it('is destroyed in the middle of a transfer', async () => {
    const closed = new Promise<[boolean, string | undefined]>((resolve) => {
      void serve((s) => {
        let code: string | undefined;
        s.on('error', (e: NodeJS.ErrnoException) => (code = e.code)).on('close', (had: boolean) => resolve([had, code]));
        s.write(Buffer.alloc(50_000_000));
      });
    });
    await new Promise(setImmediate);
    const socket = dial(7);
    await once(socket, 'data');
    socket.destroy();
    await once(socket, 'close');
    const [had, code] = await closed;
    expect([had, code === 'ECONNRESET' || code === 'EPIPE']).toEqual([true, true]);
  });

  it('sends a reset, and the peer hears ECONNRESET', async () => {
    const accepted = new Promise<VnetSocket>((resolve) => void serve((s) => resolve(s.resume())));
    await new Promise(setImmediate);
    const socket = dial(7);
    const heard = once(await accepted, 'error').catch((error: unknown) => [error]);
    socket.resetAndDestroy();
    expect((await heard)[0]).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
  });

  it('ends with its vnet', async () => {
    await serve((s) => s.resume());
    const socket = dial(7);
    await once(socket, 'connect');
    const failed = once(socket, 'error');
    pair.kernel.jailRemove(pair.kernel.prisons.find(pair.kernel.prisons.prison0, 'a')!);
    expect((await failed)[0]).toMatchObject({ code: 'ECONNABORTED' });
  });
});

describe('errors', () => {
  it('ECONNREFUSED has the address, the port, and the host\'s number', async () => {
    const socket = dial(9);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error).toMatchObject({ message: `connect ECONNREFUSED ${ADDR_B}:9`, code: 'ECONNREFUSED', syscall: 'connect', address: ADDR_B, port: 9 });
    expect(error.errno).toBeLessThan(0);
  });

  it('ETIMEDOUT, after as long as TCP tries: in virtual time no time at all', async () => {
    const sim = simPair(3);
    sim.b.ip.pfil.link({ name: 'silence', check: () => PFIL_DROPPED });
    const socket = netOf(sim.a).connect(7, ADDR_B);
    const [error] = (await sim.during(once(socket, 'error').catch((e: unknown) => [e]))) as [Error];
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect', address: ADDR_B, port: 7 });
    expect(Math.round(sim.net.now / 1e6)).toBe(75);
    sim.kernel.shutdown();
  });

  it('ENETUNREACH when there is no route', async () => {
    const socket = netOf(pair.a).connect(7, '203.0.113.1');
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ENETUNREACH', address: '203.0.113.1' });
  });

  it('EADDRINUSE, and a server that is closed twice', async () => {
    const server = await serve(() => undefined);
    const other = netOf(pair.b).createServer().listen(7);
    expect((await once(other, 'error'))[0]).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', port: 7 });
    expect(() => server.listen(8)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }));
    await new Promise((resolve) => server.close(resolve));
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' });
  });

  it('arguments are refused with Node\'s codes, and what to do', async () => {
    const net = netOf(pair.a);
    expect(() => net.connect(70_000, ADDR_B)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }));
    expect(() => net.connect({ path: '/tmp/x' } as never)).toThrow(/a vnet has no local sockets.*connect needs a port, not \/tmp\/x/);
    expect(() => net.createServer().listen('/tmp/x' as never)).toThrow(/listen needs a port, not \/tmp\/x/);
    const lost = net.connect(80, 'example.com');
    expect((await once(lost, 'error'))[0]).toMatchObject({ code: 'ENOTFOUND', hostname: 'example.com' });
  });
});

describe('options', () => {
  it('reach the stack, before the connection and after', async () => {
    const accepted = new Promise<VnetSocket>((resolve) => void serve(resolve));
    await new Promise(setImmediate);
    const socket = dial(7).setNoDelay().setKeepAlive(true, 30_000);
    await once(socket, 'connect');
    await accepted;
    const option = (name: string): number | null | undefined => socket.streamSocket?.getsockopt(name);
    expect([option('TCP_NODELAY'), option('SO_KEEPALIVE'), option('TCP_KEEPIDLE')]).toEqual([1, 1, 30]);
    socket.setNoDelay(false);
    expect(option('TCP_NODELAY')).toBe(0);
  });
});

describe('a process', () => {
  /** A server that somebody `unref`s or not; a timer that nobody waits for closes it. */
  const program = (after: string): string => `
    import { Kernel, quietEnv } from '@netloom/core';
    import { HostLoop } from '@netloom/node';
    import { netOf } from '@netloom/node/net';
    const loop = new HostLoop(console.error);
    const kernel = new Kernel({ ...quietEnv(1), wake: () => loop.wake() });
    loop.attach(kernel);
    const server = netOf(kernel.vnet0).createServer().listen(7);
    setTimeout(() => { console.log('was kept'); server.close(); }, 50).unref();
    ${after}`;
  const run = (after: string): string => execFileSync(process.execPath, ['--input-type=module', '-e', program(after)], { cwd: import.meta.dirname, encoding: 'utf8', timeout: 40_000 });

  it('is kept alive by an open server, and not by one that is not to', () => {
    expect(run('')).toBe('was kept\n');
    expect(run('server.unref();')).toBe('');
  }, 90_000);
});

describe('IPv6', () => {
  it('has zones, as names of interfaces', async () => {
    const server = netOf(pair.b).createServer((s) => s.end(`${s.remoteAddress} ${s.localAddress}`)).listen(7, 'fe80::1%lo0');
    servers.push(server);
    await once(server, 'listening');
    expect(server.address()).toEqual({ address: 'fe80::1%lo0', family: 'IPv6', port: 7 });
    const socket = netOf(pair.b).connect(7, 'fe80::1%lo0');
    expect(await text(socket)).toBe('fe80::1%lo0 fe80::1%lo0');
    const both = [once(netOf(pair.b).connect(7, '::1'), 'error'), once(netOf(pair.b).connect(7, 'fe80::1%em9'), 'error')];
    expect((await Promise.all(both)).map(([e]) => (e as NodeJS.ErrnoException).code)).toEqual(['ECONNREFUSED', 'EINVAL']);
  });
});

describe('names', () => {
  it('are looked up, and their addresses tried in turn', async () => {
    await serve((s) => s.end('found'));
    const looked: unknown[] = [];
    const both = [{ address: ADDR_A, family: 4 }, { address: ADDR_B, family: 4 }];
    const socket = dial(7, { host: 'b.example', lookup: (_name, _options, callback) => process.nextTick(callback, null, both) });
    socket.on('lookup', (_e: unknown, address: string, family: number, host: string) => looked.push([address, family, host]));
    expect(await text(socket)).toBe('found');
    expect(looked).toEqual([[ADDR_A, 4, 'b.example'], [ADDR_B, 4, 'b.example']]);
    expect(socket.autoSelectFamilyAttemptedAddresses).toEqual([`${ADDR_A}:7`, `${ADDR_B}:7`]);
  });

  it('are asked of the vnet\'s name servers when nobody gives a lookup', async () => {
    pair.kernel.call(pair.loop.enter(), () => pair.a.resolver.conf.set({ key: 'test', nameservers: [ADDR_B], search: ['example'] }));
    await serve((s) => s.end('found'));
    const dns = dgramOf(pair.b).createSocket('udp4', (data, { port, address }) => {
      const query = dnsParse(data)!;
      const [q] = query.questions;
      const answers = dnsNameKey(q!.name) !== 'b.example' ? [] : q!.type === DNS_TYPE_A ? [{ ...q!, ttl: 1, rdata: dnsA(ip4Parse(ADDR_B)!) }] : [{ ...q!, ttl: 1, rdata: ip6Parse(ADDR6_B)! }];
      dns.send(dnsEmit({ ...query, flags: DNS_QR | (answers.length > 0 ? 0 : DNS_NXDOMAIN), answers, edns: null })!, port, address);
    }).bind(53);
    await once(dns, 'listening');
    const looked: unknown[] = [];
    const socket = dial(7, { host: 'b' }).on('lookup', (_e: unknown, address: string, family: number) => looked.push([address, family]));
    expect(await text(socket)).toBe('found');
    expect(looked).toEqual([[ADDR_B, 4], [ADDR6_B, 6]]);
    expect((await once(dial(7, { host: 'c.example' }), 'error'))[0]).toMatchObject({ code: 'ENOTFOUND', message: 'getaddrinfo ENOTFOUND c.example', errno: -3008 });
    dns.close();
    // A server that is not there says nothing of the name.
    expect((await once(dial(7, { host: 'b' }), 'error'))[0]).toMatchObject({ code: 'EAI_AGAIN', syscall: 'getaddrinfo', hostname: 'b' });
    pair.kernel.call(pair.loop.enter(), () => pair.a.resolver.conf.delete('test'));
    expect((await once(dial(7, { host: 'b' }), 'error'))[0]).toMatchObject({ code: 'ENOTFOUND', message: 'getaddrinfo ENOTFOUND b (the vnet has no name servers: see resolvconf(8), or give a `lookup`)' });
  });
});

describe('a server', () => {
  it('counts its connections and drops those above the limit', async () => {
    const server = await serve((s) => s.resume());
    server.maxConnections = 1;
    const dropped = once(server, 'drop');
    const [one, two] = [dial(7), dial(7)];
    await Promise.all([once(one, 'connect'), once(two, 'connect')]);
    expect((await dropped)[0]).toMatchObject({ localPort: 7, remoteAddress: `::ffff:${ADDR_A}` });
    expect(await new Promise((resolve) => server.getConnections((_e, n) => resolve(n)))).toBe(1);
    const closed = new Promise((resolve) => server.close(resolve));
    one.end();
    two.resume().end();
    await closed;
    expect([server.listening, server.address()]).toEqual([false, null]);
  });

  it('makes sockets of its module', async () => {
    const net = netOf(pair.b);
    expect(netOf(pair.b)).toBe(net);
    const made = new Promise<VnetSocket>((resolve) => void serve(resolve));
    await new Promise(setImmediate);
    const socket = dial(7);
    const [accepted] = await Promise.all([made, once(socket, 'connect')]);
    expect([accepted instanceof net.Socket, accepted.server === servers[0], accepted.remotePort === socket.localPort]).toEqual([true, true, true]);
    socket.destroy();
    accepted.destroy();
  });
});
