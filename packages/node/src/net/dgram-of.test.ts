/**
 * dgram-of.test.ts — a program for node:dgram runs on two vnets.
 */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ADDR6_A, ADDR6_B, ADDR_A, ADDR_B, hostPair } from '../../test/vnet-pair.js';
import type { HostPair } from '../../test/vnet-pair.js';
import { dgramOf } from './dgram-of.js';
import type { VnetDgramSocket } from './vnet-dgram-socket.js';

let pair: HostPair;

beforeEach(() => {
  pair = hostPair();
});

afterEach(() => {
  expect(pair.close()).toEqual([0, []]);
});

async function bound(socket: VnetDgramSocket, at: number | { readonly port?: number; readonly address?: string }): Promise<VnetDgramSocket> {
  if (typeof at === 'number') socket.bind(at);
  else socket.bind(at);
  await once(socket, 'listening');
  return socket;
}

describe('udp4', () => {
  it('answers whoever sends', async () => {
    const server = await bound(dgramOf(pair.b).createSocket('udp4', (data, from) => server.send(`${data.toString()} back`, from.port, from.address)), 7);
    expect(server.address()).toEqual({ address: '0.0.0.0', family: 'IPv4', port: 7 });
    const client = dgramOf(pair.a).createSocket('udp4');
    const sent = new Promise((resolve) => client.send(['he', Buffer.from('llo')], 7, ADDR_B, (error, bytes) => resolve([error, bytes])));
    const [data, from] = (await once(client, 'message')) as [Buffer, unknown];
    expect(await sent).toEqual([null, 5]);
    expect(data.toString()).toBe('hello back');
    expect(from).toEqual({ address: ADDR_B, family: 'IPv4', port: 7, size: 10 });
    server.close();
    client.close();
  });

  it('connects, sends slices and parts, and disconnects', async () => {
    const server = await bound(dgramOf(pair.b).createSocket({ type: 'udp4' }), { port: 7, address: ADDR_B });
    const client = dgramOf(pair.a).createSocket('udp4');
    client.connect(7, ADDR_B);
    await once(client, 'connect');
    expect(client.remoteAddress()).toEqual({ address: ADDR_B, family: 'IPv4', port: 7 });
    const got = once(server, 'message');
    client.send(Buffer.from('xxhixx'), 2, 2);
    expect(((await got)[0] as Buffer).toString()).toBe('hi');
    expect(() => client.send('x', 7)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' }));
    client.disconnect();
    expect(() => client.remoteAddress()).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' }));
    server.close();
    client.close();
  });

  it('tells what a peer that is not there says', async () => {
    const client = dgramOf(pair.a).createSocket('udp4');
    client.connect(9, ADDR_B);
    await once(client, 'connect');
    client.send('x');
    const [error] = (await once(client, 'error')) as [Error];
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'recvmsg' });
    client.close();
  });

  it('hears groups, by the name of an interface or by an address of it', async () => {
    const [end] = [pair.ends[1]];
    const members = await Promise.all([end.xname, ADDR_B].map(async (by) => {
      const member = await bound(dgramOf(pair.b).createSocket({ type: 'udp4', reuseAddr: true, reusePort: true }), 5000);
      member.addMembership('224.0.0.99', by);
      return member;
    }));
    const sender = dgramOf(pair.a).createSocket('udp4');
    sender.setMulticastInterface(ADDR_A);
    sender.setMulticastTTL(1);
    sender.setMulticastLoopback(false);
    const heard = Promise.all(members.map((m) => once(m, 'message')));
    sender.send('all', 5000, '224.0.0.99');
    expect((await heard).map(([data]) => (data as Buffer).toString())).toEqual(['all', 'all']);
    members[0]?.dropMembership('224.0.0.99', ADDR_B);
    expect(() => members[0]?.addMembership('224.0.0.99', 'em9')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    for (const socket of [...members, sender]) socket.close();
  });

  it('says what is wrong as Node does', async () => {
    const dgram = dgramOf(pair.a);
    const one = await bound(dgram.createSocket('udp4'), 7);
    const two = dgram.createSocket('udp4');
    two.bind(7);
    expect((await once(two, 'error'))[0]).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind', port: 7, errno: expect.any(Number) });
    expect(() => one.bind(8)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_ALREADY_BOUND' }));
    expect(() => one.send('x', 70_000, ADDR_B)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }));
    expect(() => dgram.createSocket('tcp' as 'udp4')).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_TYPE' }));
    const unknown = new Promise((resolve) => one.send('x', 7, 'example.com', resolve));
    expect(await unknown).toMatchObject({ code: 'ENOTFOUND', hostname: 'example.com' });
    one.close();
    two.close();
    expect(() => one.send('x', 7, ADDR_B)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' }));
  });

  it('is told all of a datagram that comes while another one is looked at', async () => {
    const [server, client] = [await bound(dgramOf(pair.b).createSocket('udp4'), 7), dgramOf(pair.a).createSocket('udp4')];
    const got: string[] = [];
    const both = new Promise<void>((resolve) => {
      server.on('message', (data: Buffer) => {
        got.push(data.toString());
        if (got.length === 1) client.send('second', 7, ADDR_B);
        else resolve();
      });
    });
    client.send('first', 7, ADDR_B);
    await both;
    expect(got).toEqual(['first', 'second']);
    server.close();
    client.close();
  });

  it('ends with its vnet', async () => {
    const socket = await bound(dgramOf(pair.a).createSocket('udp4'), 7);
    const ended = once(socket, 'error');
    pair.kernel.jailRemove(pair.kernel.prisons.find(pair.kernel.prisons.prison0, 'a')!);
    expect((await ended)[0]).toMatchObject({ code: 'ECONNABORTED' });
    expect(() => socket.close()).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' }));
  });

  it('resolves names with the lookup it is given', async () => {
    const server = await bound(dgramOf(pair.b).createSocket('udp4'), 7);
    const client = dgramOf(pair.a).createSocket({ type: 'udp4', lookup: (_name, _options, callback) => callback(null, ADDR_B, 4) });
    const got = once(server, 'message');
    client.send('x', 7, 'b.example');
    expect((await got)[1]).toMatchObject({ address: ADDR_A });
    server.close();
    client.close();
  });
});

describe('udp6', () => {
  it('sends and receives', async () => {
    const server = await bound(dgramOf(pair.b).createSocket('udp6', (data, from) => server.send(data, from.port, from.address)), 7);
    expect(server.address()).toEqual({ address: '::', family: 'IPv6', port: 7 });
    const client = await bound(dgramOf(pair.a).createSocket('udp6'), { address: ADDR6_A });
    client.send('six', 7, ADDR6_B);
    const [data, from] = (await once(client, 'message')) as [Buffer, unknown];
    expect([data.toString(), from]).toEqual(['six', { address: ADDR6_B, family: 'IPv6', port: 7, size: 3 }]);
    server.close();
    client.close();
  });
});
