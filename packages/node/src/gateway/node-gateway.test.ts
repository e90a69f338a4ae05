/**
 * node-gateway.test.ts — guests of a vnet reach this machine's loopback and are reached from it, over real sockets.
 */
import { createHash, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import type { Readable } from 'node:stream';
import type { StreamSocket } from '@netloom/core';
import { afterEach, describe, expect, it } from 'vitest';
import { GATEWAY, GATEWAY6, GUEST, GatewayLab } from '../../test/gateway-lab.js';
import { dgramOf } from '../net/dgram-of.js';
import { netOf } from '../net/net-of.js';
import type { VnetSocket } from '../net/vnet-socket.js';
import { parseForwardRule } from './forward-rule.js';

let lab: GatewayLab;

afterEach(async () => {
  expect(await lab.close()).toEqual({ packets: 0, errors: [], leaks: [] });
});

/** All that a socket brings until its end, which is not the end of what it sends. */
async function readAll(socket: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part)).resume();
  await once(socket, 'end');
  return Buffer.concat(parts);
}

/** Has the peer no room for another segment? */
const isShut = (so: StreamSocket): boolean => so.isConnected && so.info().sndWnd < so.info().sndMss;

const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
/** A guest's connection; what a test leaves open ends with an error when its vnet ends. */
const dialled = (port: number, host = GATEWAY): VnetSocket => netOf(lab.guest).connect({ port, host, allowHalfOpen: true }).on('error', () => undefined);

describe('TCP', () => {
  it('a guest fetches from a server of the host', async () => {
    lab = new GatewayLab();
    const port = await lab.adopt(http.createServer((request, response) => response.end(`${request.method} ${request.url}`)));
    const [response] = (await once(http.get({ host: GATEWAY, port, path: '/loom', createConnection: () => dialled(port) }), 'response')) as [http.IncomingMessage];
    expect(String(await readAll(response))).toBe('GET /loom');
  });

  it('a port that nobody has is refused', async () => {
    lab = new GatewayLab();
    const port = await lab.serve(() => undefined);
    const [error] = await once(dialled(port + 1 > 65_535 ? port - 1 : port + 1), 'error') as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it.each([['down', 3_000_000], ['up', 3_000_000], ['both ways', 1_000_000]])('megabytes come whole: %s', async (way, size) => {
    lab = new GatewayLab();
    const data = randomBytes(size);
    const got: Promise<Buffer>[] = [];
    const port = await lab.serve((socket) => {
      got.push(readAll(socket));
      socket.end(way === 'up' ? '' : data);
    });
    const socket = dialled(port);
    socket.end(way === 'down' ? '' : data);
    const [down, up] = [await readAll(socket), await got[0]!];
    expect(sha(down)).toBe(sha(way === 'up' ? Buffer.alloc(0) : data));
    expect(sha(up)).toBe(sha(way === 'down' ? Buffer.alloc(0) : data));
  });

  it('the same over IPv6', async () => {
    lab = new GatewayLab();
    const port = await lab.serve((socket) => socket.pipe(socket), '::1');
    const data = randomBytes(500_000);
    const socket = dialled(port, GATEWAY6);
    socket.end(data);
    expect(sha(await readAll(socket))).toBe(sha(data));
  });

  it('each half ends by itself, whichever ends first', async () => {
    lab = new GatewayLab();
    const port = await lab.serve(async (socket) => {
      const question = await readAll(socket);
      socket.end(`${question.toString()}, answered`);
    });
    const asking = dialled(port);
    asking.end('question');
    expect(String(await readAll(asking))).toBe('question, answered');
    const heard: string[] = [];
    const greeting = await lab.serve((socket) => {
      socket.end('bye');
      socket.on('data', (data) => heard.push(String(data)));
    });
    const listening = dialled(greeting);
    expect(String(await readAll(listening))).toBe('bye');
    listening.end('still here');
    await lab.until(() => heard.join('') === 'still here');
    await lab.until(() => lab.router.gateway.flowCount === 0);
  });

  it('a reset of either end is a reset of the other', async () => {
    lab = new GatewayLab();
    const accepted: net.Socket[] = [];
    const port = await lab.serve((socket) => {
      accepted.push(socket);
    });
    const first = dialled(port);
    await lab.until(() => accepted.length === 1);
    accepted[0]?.resetAndDestroy();
    const [error] = await once(first, 'error') as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    const second = dialled(port);
    await lab.until(() => accepted.length === 2);
    const closed = once(accepted[1]!, 'error') as Promise<[NodeJS.ErrnoException]>;
    second.resetAndDestroy();
    expect((await closed)[0].code).toBe('ECONNRESET');
    await lab.until(() => lab.router.gateway.flowCount === 0);
  });

  it('whoever reads slowly stops whoever writes, and no byte is kept in between', async () => {
    lab = new GatewayLab();
    const waiting: net.Socket[] = [];
    const port = await lab.serve((socket) => void waiting.push(socket.pause()));
    const up = dialled(port);
    const data = randomBytes(40_000_000);
    let taken = false;
    up.end(data, () => (taken = true));
    await lab.until(() => up.streamSocket !== null && isShut(up.streamSocket)); // the gateway's window is closed
    expect(taken).toBe(false);
    expect(lab.kernel.engine.pool.largeInUse).toBeLessThan(200);
    expect(sha(await readAll(waiting[0]!))).toBe(sha(data));
    const down = dialled(await lab.serve((socket) => void socket.end(data))).pause();
    await once(down, 'connect');
    const { so } = [...lab.router.gateway.opened!.tcp.joined].at(-1)!;
    await lab.until(() => so?.writable === 0 && isShut(so)); // the guest's is
    expect(lab.kernel.engine.pool.largeInUse).toBeLessThan(200);
    expect(sha(await readAll(down))).toBe(sha(data));
  });

  it('a hundred connections at a time', async () => {
    lab = new GatewayLab();
    const port = await lab.serve((socket) => socket.pipe(socket));
    const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const socket = dialled(port);
      socket.end(`${i}:${'x'.repeat(i * 100)}`);
      return String(await readAll(socket)).length;
    }));
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => `${i}:`.length + i * 100));
    expect(lab.router.gateway.stats.tcpflows).toBe(100);
    await lab.until(() => lab.router.gateway.flowCount === 0);
  });

  it.each([['IPv4', '198.51.100.1', '224.0.0.1'], ['IPv6', '2001:db8::1', 'ff02::1']])('where the host has no way, the guest is told: %s', async (family, address, nowhere) => {
    lab = new GatewayLab();
    // The host has no way to connect to a group, whatever its routes are.
    lab.router.gateway.opened!.policy.target = () => ({ family: family === 'IPv4' ? 4 : 6, address: nowhere, port: 9 });
    const socket = dialled(9, address);
    const { icmp, icmp6 } = lab.guest;
    await lab.until(() => icmp.stats.in3 + icmp6.stats.in1 === 1);
    expect(lab.router.icmp6.stats.odstUnreachNoroute).toBe(family === 'IPv4' ? 0 : 1);
    expect(lab.router.gateway.stats).toMatchObject({ tcpunreach: 1, tcprefused: 0 });
    socket.destroy();
  });
});

describe('UDP', () => {
  it('echoes, and forgets what nobody has', async () => {
    lab = new GatewayLab();
    const server = dgram.createSocket('udp4', (data, from) => server.send(Buffer.concat([data, Buffer.from('!')]), from.port, from.address)).bind(0, '127.0.0.1');
    await once(server, 'listening');
    const client = dgramOf(lab.guest).createSocket('udp4');
    const answers: string[] = [];
    client.on('message', (data: Buffer, from: { address: string; port: number }) => answers.push(`${String(data)} ${from.address} ${from.port === server.address().port}`));
    for (const word of ['one', 'two', 'three']) client.send(word, server.address().port, GATEWAY);
    await lab.until(() => answers.length === 3);
    expect(answers).toEqual(['one!', 'two!', 'three!'].map((a) => `${a} ${GATEWAY} true`));
    client.send(Buffer.alloc(9_000, 7), server.address().port, GATEWAY); // in fragments both ways
    await lab.until(() => answers.length === 4);
    expect(answers[3]?.length).toBe(`! ${GATEWAY} true`.length + 9_000);
    client.close();
    server.close();
  });

  it('a port that nobody has is unreachable', async () => {
    lab = new GatewayLab();
    const server = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    const client = dgramOf(lab.guest).createSocket('udp4');
    client.connect(port, GATEWAY);
    await once(client, 'connect');
    const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
    client.send('anybody?');
    expect((await failed)[0].code).toBe('ECONNREFUSED');
    expect(lab.router.gateway.stats.udprefused).toBe(1);
    client.close();
  });
});

const PING_RANGE = '/proc/sys/net/ipv4/ping_group_range';

/** May this process send echo requests without privilege? Not the first group above the second: then nobody. */
function mayPing(): boolean {
  try {
    const [from = 1, to = 0] = readFileSync(PING_RANGE, 'utf8').trim().split(/\s+/).map(Number);
    return [process.getgid?.() ?? -1, ...(process.getgroups?.() ?? [])].some((gid) => gid >= from && gid <= to);
  } catch {
    return false;
  }
}

describe('echo', () => {
  it(`goes out where the host lets it, and is prohibited elsewhere (here: ${mayPing() ? 'it does' : 'it does not'})`, async () => {
    lab = new GatewayLab();
    const { so } = lab.guest.sockets.socket(2, 3, 1);
    const message = Buffer.from([8, 0, 0, 0, 0x12, 0x34, 0, 1, 1, 2, 3, 4]);
    let sum = 0;
    for (let i = 0; i < message.length; i += 2) sum += message.readUInt16BE(i);
    message.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 2);
    const policy = lab.router.gateway.opened!.policy;
    policy.target = () => ({ family: 4, address: '127.0.0.1', port: 0 }); // somewhere that answers
    lab.kernel.call(lab.loop.enter(), () => so?.send(message, 0x5db8_d822));
    const icmp = lab.guest.icmp.stats;
    await lab.until(() => icmp.in0 + icmp.in3 > 0);
    expect([icmp.in0, icmp.in3]).toEqual(mayPing() ? [1, 0] : [0, 1]);
    so?.close();
  });
});

describe('forwards', () => {
  it('come and go while traffic flows', async () => {
    lab = new GatewayLab();
    const listener = netOf(lab.guest).createServer((socket) => socket.pipe(socket)).listen(22);
    await once(listener, 'listening');
    const free = await lab.serve(() => undefined);
    const port = free + 1 > 65_535 ? free - 1 : free + 1;
    const rule = parseForwardRule(`tcp:127.0.0.1:${port}-${GUEST}:22`);
    await lab.gateway.forward(rule);
    const first = net.connect(port, '127.0.0.1');
    first.write('before');
    expect(String((await once(first, 'data'))[0])).toBe('before');
    await expect(lab.gateway.forward(rule)).rejects.toThrow('is there already');
    lab.gateway.unforward(rule);
    expect(lab.gateway.forwards()).toEqual([]);
    const refused = net.connect(port, '127.0.0.1');
    expect(((await once(refused, 'error')) as [NodeJS.ErrnoException])[0].code).toBe('ECONNREFUSED');
    first.write('after'); // what came by it stays
    expect(String((await once(first, 'data'))[0])).toBe('after');
    await lab.gateway.forward(rule);
    const data = randomBytes(2_000_000);
    const again = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    again.end(data);
    expect(sha(await readAll(again))).toBe(sha(data));
    first.destroy();
    await new Promise((resolve) => listener.close(resolve));
    const late = net.connect(port, '127.0.0.1'); // nobody listens in the guest
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('lead guests to services of the host, with its loopback closed otherwise', async () => {
    lab = new GatewayLab({ hostLoopback: false });
    const port = await lab.serve((socket) => void socket.end('service'));
    const closed = dialled(port);
    expect(((await once(closed, 'error')) as [NodeJS.ErrnoException])[0].code).toBe('ECONNREFUSED');
    const rule = parseForwardRule(`tcp:${GATEWAY}:5432-127.0.0.1:${port}`);
    await lab.gateway.forward(rule, true);
    expect(String(await readAll(dialled(5432)))).toBe('service');
    expect(lab.gateway.forwards()).toEqual([{ rule: `tcp:${GATEWAY}:5432-127.0.0.1:${port}`, reverse: true }]);
    lab.gateway.unforward(rule, true);
    expect(((await once(dialled(5432), 'error')) as [NodeJS.ErrnoException])[0].code).toBe('ECONNREFUSED');
    await expect(lab.gateway.forward(parseForwardRule(`tcp:[fe80::2%lan]:5432-127.0.0.1:${port}`), true)).rejects.toThrow('"fe80::2%lan" has a zone');
    expect(lab.gateway.forwards()).toEqual([]);
  });

  it('of datagrams have a flow for each sender', async () => {
    lab = new GatewayLab();
    const echo = dgramOf(lab.guest).createSocket('udp4', (data: Buffer, from: { address: string; port: number }) => echo.send(data, from.port, from.address)).bind(7);
    await once(echo, 'listening');
    const probe = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    await once(probe, 'close');
    await lab.gateway.forward(parseForwardRule(`udp:127.0.0.1:${port}-${GUEST}:7`));
    const clients = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
    for (const [i, client] of clients.entries()) {
      client.send(`from ${i}`, port, '127.0.0.1');
      expect(String((await once(client, 'message'))[0])).toBe(`from ${i}`);
    }
    expect(lab.router.gateway.flowCount).toBe(2);
    for (const client of clients) client.close();
    echo.close();
  });

  it('of datagrams that are taken away leave the guest without a way back, and nothing behind', async () => {
    lab = new GatewayLab();
    const server = dgramOf(lab.guest).createSocket('udp4').bind(7);
    await once(server, 'listening');
    const taken = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address();
    const rule = parseForwardRule(`udp:127.0.0.1:${port}-${GUEST}:7`);
    const fds = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
    const before = fds();
    await expect(lab.gateway.forward(rule)).rejects.toThrow('EADDRINUSE');
    expect(fds()).toBe(before);
    taken.close();
    await once(taken, 'close');
    await lab.gateway.forward(rule);
    const client = dgram.createSocket('udp4');
    client.send('question', port, '127.0.0.1');
    const [, from] = (await once(server, 'message')) as [Buffer, { address: string; port: number }];
    lab.gateway.unforward(rule);
    server.send('too late', from.port, from.address);
    await lab.until(() => lab.router.gateway.stats.udpdropped === 1);
    lab.gateway.close();
    expect(lab.kernel.engine.audit.counts().filter((row) => row.name.includes('for gateways'))).toEqual([]);
    client.close();
    server.close();
  });

  it('tell which port the host cannot give', async () => {
    lab = new GatewayLab();
    const port = await lab.serve(() => undefined);
    await expect(lab.gateway.forward(parseForwardRule(`tcp:127.0.0.1:${port}-${GUEST}:22`))).rejects.toThrow(`the host cannot listen on 127.0.0.1:${port} (EADDRINUSE)`);
  });
});

describe('closing', () => {
  it('leaves nothing, in the middle of transfers, and opens again', async () => {
    lab = new GatewayLab();
    const port = await lab.serve((socket) => socket.pipe(socket));
    const sockets = Array.from({ length: 5 }, () => dialled(port));
    for (const socket of sockets) socket.write(randomBytes(1_000_000));
    const client = dgramOf(lab.guest).createSocket('udp4');
    client.send('x', 9, GATEWAY);
    await lab.gateway.forward(parseForwardRule(`tcp:127.0.0.1:${port - 1 || port + 1}-${GUEST}:22`)).catch(() => undefined);
    await lab.until(() => lab.router.gateway.stats.tcpflows === 5);
    lab.gateway.close();
    expect(lab.gateway.forwards()).toEqual([]);
    await lab.until(() => lab.kernel.engine.pool.inUse < 50);
    for (const socket of sockets) socket.destroy();
    client.close();
    await lab.until(() => JSON.stringify(lab.left()) === '[]');
    lab.reopen();
    expect(String(await readAll(dialled(await lab.serve((socket) => void socket.end('again')))))).toBe('again');
  });

  it('comes with the end of the vnet', async () => {
    lab = new GatewayLab();
    const port = await lab.serve((socket) => socket.pipe(socket));
    const socket = dialled(port);
    await once(socket, 'connect');
    const { kernel } = lab;
    kernel.jailRemove(kernel.prisons.find(kernel.prisons.prison0, 'router')!);
    await expect(lab.gateway.forward(parseForwardRule(`tcp:127.0.0.1:1-${GUEST}:22`))).rejects.toThrow('the gateway is closed');
    socket.destroy();
  });
});
