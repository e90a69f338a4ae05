/**
 * stream.test.ts — TCP as WHATWG streams: bytes, halves, backpressure, ends and errors, in virtual time.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { IN6_IFF_NODAD } from '../inet6/in6-ifaddr.js';
import { SimNet } from '../sim/sim-net.js';
import type { SimLinkEnd } from '../sim/sim-link.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6Parse } from '../wire/addr6.js';
import { connect, listen } from './index.js';
import type { ByteReadable, Listener, Stream } from './index.js';

const A = '192.0.2.1';
const B = '192.0.2.2';

let net: SimNet;
let a: Vnet;
let b: Vnet;
let ends: readonly [SimLinkEnd, SimLinkEnd];
let open: (Stream | Listener)[] = [];

beforeEach(() => {
  net = new SimNet(5);
  [a, b] = [net.vnet('a'), net.vnet('b')];
  ends = net.link(a, b, { delayUs: 1_000 });
  net.addr(a, ends[0].ifp, `${A}/24`);
  net.addr(b, ends[1].ifp, `${B}/24`);
});

afterEach(() => {
  for (const o of open) void o.close();
  open = [];
  net.kernel.shutdown();
  expect(net.kernel.engine.pool.inUse).toBe(0);
});

/** Lets virtual time pass until `promise` settles. */
async function during<T>(promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = promise.finally(() => (settled = true));
  done.catch(() => undefined);
  for (let turns = 0; !settled; turns++) {
    if (turns > 100_000) throw new Error(`no end at ${net.now} us`);
    net.step();
    await new Promise(setImmediate);
  }
  return done;
}

/** What happens without anybody asking, for `us`. */
async function pass(us: number): Promise<void> {
  for (const until = net.now + us; net.now < until; await new Promise(setImmediate)) net.run(Math.min(1_000, until - net.now));
}

async function joined(): Promise<readonly [Stream, Stream]> {
  const listener = listen(b, { port: 7 });
  open.push(listener);
  const both = await during(Promise.all([connect(a, { address: B, port: 7 }), listener.accept()]));
  open.push(both[0], both[1]!);
  return [both[0], both[1]!];
}

const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

async function text(readable: ByteReadable): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readable) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function write(stream: Stream, bytes: Uint8Array, close = true): Promise<void> {
  const writer = stream.writable.getWriter();
  await writer.write(bytes);
  if (close) await writer.close();
  writer.releaseLock();
}

describe('a stream', () => {
  it('knows its ends, carries bytes, and is closed when both halves are', async () => {
    const [client, server] = await joined();
    expect(client.remote).toEqual({ address: B, family: 'IPv4', port: 7 });
    expect(server.remote).toEqual(client.local);
    const served = server.readable.pipeTo(server.writable);
    void write(client, utf8('warp and weft'));
    expect(await during(text(client.readable))).toBe('warp and weft');
    await during(Promise.all([served, client.closed, server.closed]));
    expect([client.socket.closed, server.socket.closed]).toEqual([true, true]);
  });

  it('closes one half and goes on with the other', async () => {
    const [client, server] = await joined();
    void write(client, utf8('question'));
    expect(await during(text(server.readable))).toBe('question');
    void write(server, utf8('answer'));
    expect(await during(text(client.readable))).toBe('answer');
    await during(Promise.all([client.closed, server.closed]));
  });

  it('fills the buffers that a reader brings', async () => {
    const [client, server] = await joined();
    void write(server, utf8('abcdef'));
    const reader = client.readable.getReader({ mode: 'byob' });
    await pass(20_000);
    const first = await during(reader.read(new Uint8Array(4)));
    expect(first).toEqual({ done: false, value: utf8('abcd') });
    expect((await during(reader.read(new Uint8Array(4)))).value).toEqual(utf8('ef'));
    expect((await during(reader.read(new Uint8Array(4)))).done).toBe(true);
  });

  it('takes no more from a writer than a slow reader lets through', async () => {
    const [client, server] = await joined();
    const writer = client.writable.getWriter();
    const chunk = new Uint8Array(100_000).fill(7);
    let written = 0;
    const writing = (async () => {
      for (let i = 0; i < 200; i++) {
        await writer.write(chunk);
        written += chunk.length;
      }
      await writer.close();
    })();
    await pass(10_000_000);
    const stopped = written;
    expect(stopped).toBeLessThan(8_000_000);
    await pass(10_000_000);
    expect(written).toBe(stopped);
    let got = 0;
    const reading = (async () => {
      for await (const bytes of server.readable) got += bytes.length;
    })();
    await during(Promise.all([writing, reading]));
    expect(got).toBe(200 * chunk.length);
  });

  it('refuses what is no bytes', async () => {
    const [client] = await joined();
    await expect(client.writable.getWriter().write('text' as never)).rejects.toThrow('writable takes Uint8Arrays, not a string');
  });

  it('is broken by abort, and the peer hears ECONNRESET', async () => {
    const [client, server] = await joined();
    const reading = text(server.readable);
    client.abort();
    await expect(client.closed).rejects.toMatchObject({ name: 'NetError', code: 'ECONNABORTED' });
    await expect(during(reading)).rejects.toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
    await expect(server.closed).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('hears of a reset also when nobody reads', async () => {
    const [client, server] = await joined();
    client.abort();
    await expect(during(server.closed)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('tells a write that waits for room what broke the connection', async () => {
    const [client, server] = await joined();
    const writing = client.writable.getWriter().write(new Uint8Array(20_000_000));
    writing.catch(() => undefined);
    await pass(1_000_000);
    server.abort();
    await expect(during(writing)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('stops a write that waits for room when it is aborted', async () => {
    const [client] = await joined();
    const writer = client.writable.getWriter();
    const writing = writer.write(new Uint8Array(20_000_000));
    writing.catch(() => undefined);
    await pass(1_000_000);
    await writer.abort(new Error('enough'));
    await expect(writing).rejects.toBeDefined();
    await expect(client.closed).rejects.toMatchObject({ code: 'ECONNABORTED' });
  });

  it('ends with its vnet', async () => {
    const [client] = await joined();
    const reading = text(client.readable);
    net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'a')!);
    await expect(reading).rejects.toMatchObject({ code: 'ECONNABORTED' });
  });
});

describe('connect', () => {
  it('says who refused', async () => {
    await expect(during(connect(a, { address: B, port: 9 }))).rejects.toMatchObject({ code: 'ECONNREFUSED', message: `connect ECONNREFUSED: Connection refused (${B}:9)` });
    expect(a.sockets.count).toBe(0);
  });

  it('gives up when nobody answers', async () => {
    ends[1].ifp.flags &= ~1;
    await expect(during(connect(a, { address: B, port: 7 }))).rejects.toMatchObject({ code: expect.stringMatching(/^(ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN)$/) });
    expect(a.sockets.count).toBe(0);
  });

  it('gives up by a signal', async () => {
    const controller = new AbortController();
    const attempt = connect(a, { address: '192.0.2.99', port: 7, signal: controller.signal });
    controller.abort(new Error('too slow'));
    await expect(during(attempt)).rejects.toThrow('too slow');
    expect(a.sockets.count).toBe(0);
  });

  it('has no route, a bad address, or an address that is not here', async () => {
    await expect(during(connect(a, { address: '203.0.113.1', port: 7 }))).rejects.toMatchObject({ code: 'ENETUNREACH' });
    await expect(connect(a, { address: 'b.example', port: 7 })).rejects.toThrow("address 'b.example'");
    await expect(connect(a, { address: B, port: 7, localAddress: '192.0.2.77' })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'bind' });
  });
});

describe('listen', () => {
  it('is iterated, until it is closed', async () => {
    const listener = listen(b, { port: 0, address: B });
    expect(listener.address).toEqual({ address: B, family: 'IPv4', port: expect.any(Number) });
    let served = 0;
    const serving = (async () => {
      for await (const stream of listener) {
        open.push(stream);
        if (++served === 3) listener.close();
      }
    })();
    const clients = await during(Promise.all([1, 2, 3].map(() => connect(a, { address: B, port: listener.address.port }))));
    await during(serving);
    open.push(...clients);
    expect(served).toBe(3);
    expect(await listener.accept()).toBe(null);
  });

  it('refuses a port that is taken', () => {
    open.push(listen(b, { port: 7 }));
    expect(() => listen(b, { port: 7 })).toThrow(/EADDRINUSE.*0\.0\.0\.0:7/);
  });

  it('speaks IPv6', async () => {
    net.kernel.call(net.now, () => {
      in6Aifaddr(a.in6Net, ends[0].ifp, { addr: ip6Parse('2001:db8::1')!, plen: 64, flags: IN6_IFF_NODAD });
      in6Aifaddr(b.in6Net, ends[1].ifp, { addr: ip6Parse('2001:db8::2')!, plen: 64, flags: IN6_IFF_NODAD });
    });
    const listener = listen(b, { address: '::', port: 7 });
    open.push(listener);
    const [client, server] = await during(Promise.all([connect(a, { address: '2001:db8::2', port: 7 }), listener.accept()]));
    open.push(client, server!);
    expect([client.remote, server!.remote.address]).toEqual([{ address: '2001:db8::2', family: 'IPv6', port: 7 }, '2001:db8::1']);
  });
});
