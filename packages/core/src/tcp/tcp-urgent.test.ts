/**
 * tcp-urgent.test.ts — urgent data and its mark, user timeouts of two ends, and what a neighbour gains from acknowledgements.
 */
import { describe, expect, it } from 'vitest';
import { EAGAIN, EINVAL, ETIMEDOUT } from '../base/errno.js';
import { LLE_REACHABLE, LLE_STALE } from '../net/llentry.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { MSG_OOB } from '../socket/socket-type.js';

class Pair {
  readonly net = new SimNet(5);
  readonly a = this.net.vnet('a');
  readonly b = this.net.vnet('b');
  readonly ends = this.net.epair(this.a, this.b);
  readonly client: StreamSocket;
  readonly server: StreamSocket;

  constructor(before: (listener: StreamSocket, client: StreamSocket) => void = () => undefined) {
    const { net } = this;
    net.addr(this.a, this.ends[0], '10.0.0.1/24');
    net.addr(this.b, this.ends[1], '10.0.0.2/24');
    const listener = net.listen(this.b, 80);
    this.client = net.stream(this.a);
    before(listener, this.client);
    net.kernel.call(net.now, () => this.client.connect(ip4('10.0.0.2'), 80));
    net.run(10_000);
    const server = listener.accept();
    if (server === null) throw new Error('no connection');
    this.server = server;
  }
}

const text = (t: string): Uint8Array => Uint8Array.from(t, (c) => c.charCodeAt(0));

function read(so: StreamSocket): string {
  const into = new Uint8Array(100);
  const n = so.recv(into);
  return n < 0 ? String(n) : String.fromCharCode(...into.subarray(0, n));
}

describe('urgent data', () => {
  it('stays in line, and a read stops before its last byte', () => {
    const { client, net, server } = new Pair();
    expect(client.send(text('abc'))).toBe(3);
    expect(client.send(text('!'), MSG_OOB)).toBe(1);
    expect(client.send(text('def'))).toBe(3);
    net.run(100_000);
    expect(server.atMark).toBe(false);
    expect(read(server)).toBe('abc');
    expect(server.atMark).toBe(true);
    expect(read(server)).toBe('!def');
    expect(server.atMark).toBe(false);
    expect(server.recv(new Uint8Array(1), MSG_OOB)).toBe(-EINVAL);
    expect(read(server)).toBe(String(-EAGAIN));
  });

  it('is told before it has come, and the latest mark counts', () => {
    const { client, net, server } = new Pair();
    client.send(text('a!'), MSG_OOB);
    client.send(text('b?'), MSG_OOB);
    net.run(100_000);
    expect(read(server)).toBe('a!b');
    expect(server.atMark).toBe(true);
    expect(read(server)).toBe('?');
  });
});

describe('the user timeout', () => {
  it('is announced and taken over, within bounds, unless the program chose one', () => {
    const { client, server } = new Pair((listener, c) => {
      for (const so of [listener, c]) expect(so.setsockopt('TCP_UTO', 1)).toBe(0);
      c.setsockopt('TCP_USER_TIMEOUT', 30_000);
    });
    expect(client.getsockopt('TCP_USER_TIMEOUT')).toBe(30_000);
    expect(server.getsockopt('TCP_USER_TIMEOUT')).toBe(100_000); // no less than net.inet.tcp.uto_min
  });

  it('ends a connection whose peer is silent', () => {
    const { b, client, ends, net } = new Pair();
    client.setsockopt('TCP_USER_TIMEOUT', 5_000);
    net.kernel.call(net.now, () => b.inNet.purgeAddrs(ends[1]));
    client.send(text('anybody?'));
    net.run(4_000_000);
    expect(client.isConnected).toBe(true);
    net.run(10_000_000);
    expect(client.isConnected).toBe(false);
    expect(client.getsockopt('SO_ERROR')).toBe(ETIMEDOUT);
  });
});

it('acknowledgements keep a neighbour reachable that would have to be asked', () => {
  const { a, client, ends, net, server } = new Pair();
  const state = (): number | undefined => a.arp.tableOf(ends[0])?.lookup(ip4('10.0.0.2'))?.state;
  for (let s = 0; s < 60; s++) {
    client.send(text('x'));
    net.run(1_000_000);
    server.recv(new Uint8Array(10));
    expect(state()).toBe(LLE_REACHABLE);
  }
  net.run(60_000_000);
  expect(state()).toBe(LLE_STALE);
});
