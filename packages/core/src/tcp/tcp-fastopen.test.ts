/**
 * tcp-fastopen.test.ts — which cookies a server believes, and which a client remembers.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { US_PER_SEC } from '../base/time.js';
import { quietEnv } from '../env/env.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { TcpEnds } from './tcp-ends.js';
import { TFO_SEND, TFO_VALID, TcpFastopen } from './tcp-fastopen.js';

const client = (n: number, port = 40_000): TcpEnds => new TcpEnds().set4(0x0a000000 + n, port, 0x0a0000fe, 80);
const server = (n: number, port = 80): TcpEnds => new TcpEnds().set4(0x0a000000 + n, port, 0x0a0000fe, 40_000);
const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

class Bench {
  readonly engine = new Engine(quietEnv(1));
  readonly kern = new VnetKern(this.engine, 1, 'v');
  readonly tfo = new TcpFastopen(this.kern, new Prng(1));

  at(seconds: number): void {
    this.engine.runTurn(seconds * US_PER_SEC);
  }

  /** The cookie that client `n` is given now. */
  cookie(n: number): Uint8Array {
    expect(this.tfo.check(client(n), view(new Uint8Array(0)), 0, 0)).toBe(TFO_SEND);
    return this.tfo.latest.slice();
  }

  ask(n: number, cookie: Uint8Array): number {
    return this.tfo.check(client(n), view(cookie), 0, cookie.length);
  }

  sysctl(leaf: string, value: number): void {
    expect(this.kern.sysctl.find(`net.inet.tcp.fastopen.${leaf}`)?.set(value)).toBe(0);
  }
}

describe('cookies of a server', () => {
  it('are believed from the address they were given to, whatever the port', () => {
    const y = new Bench();
    const cookie = y.cookie(1);
    expect(y.tfo.check(client(1, 50_000), view(cookie), 0, 8)).toBe(TFO_VALID);
    expect([y.ask(2, cookie), y.ask(1, cookie.map((b, i) => (i === 7 ? b ^ 1 : b))), y.ask(1, cookie.slice(0, 6)), y.ask(1, new Uint8Array(16))])
      .toEqual([TFO_SEND, TFO_SEND, TFO_SEND, TFO_SEND]);
  });

  it('are good for as long as one of two keys lasts, and are replaced by newer ones', () => {
    const y = new Bench();
    const first = y.cookie(1);
    y.at(119);
    expect([y.ask(1, first), y.tfo.numkeys]).toEqual([TFO_VALID, 1]);
    y.at(121);
    expect([y.ask(1, first), y.tfo.numkeys]).toEqual([TFO_VALID, 2]);
    const second = y.tfo.latest.slice();
    expect(second).not.toEqual(first);
    y.at(242);
    expect([y.ask(1, second), y.ask(1, first)]).toEqual([TFO_VALID, TFO_SEND]);
    y.at(2_000);
    expect([y.ask(1, y.tfo.latest.slice()), y.tfo.numkeys]).toEqual([TFO_SEND, 1]);
  });

  it('any are believed when it is told so, and none of old when it was switched off', () => {
    const y = new Bench();
    y.sysctl('acceptany', 1);
    expect([y.ask(1, new Uint8Array(8)), y.ask(1, new Uint8Array(4))]).toEqual([TFO_VALID, TFO_VALID]);
    y.sysctl('acceptany', 0);
    const cookie = y.cookie(1);
    y.sysctl('server_enable', 1);
    y.sysctl('server_enable', 0);
    expect([y.tfo.numkeys, y.ask(1, cookie)]).toEqual([0, TFO_SEND]);
  });
});

describe('cookies of a client', () => {
  const COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  it('are kept by path', () => {
    const y = new Bench();
    expect([y.tfo.mayTry(server(1)), y.tfo.path(server(1))]).toEqual([true, null]);
    y.tfo.learn(server(1), 1_460, view(COOKIE), 0, 8);
    expect(y.tfo.path(server(1))).toMatchObject({ cookie: COOKIE, mss: 1_460 });
    expect([y.tfo.path(server(1, 81)), y.tfo.path(server(2)), y.tfo.path(new TcpEnds().set4(0x0a000001, 80, 0x0a0000fd, 1))]).toEqual([null, null, null]);
    y.tfo.learn(server(1), 1_400, view(COOKIE), 2, 6);
    expect(y.tfo.path(server(1))).toMatchObject({ cookie: COOKIE.slice(2), mss: 1_400 });
  });

  it('are forgotten, and the path left alone for a while, after a failure', () => {
    const y = new Bench();
    y.tfo.learn(server(1), 1_460, view(COOKIE), 0, 8);
    y.tfo.disable(server(1));
    y.at(100);
    y.tfo.disable(server(1));
    y.at(899);
    expect(y.tfo.mayTry(server(1))).toBe(false);
    y.at(900);
    expect([y.tfo.mayTry(server(1)), y.tfo.path(server(1))?.cookie]).toEqual([true, null]);
  });

  it('are listed as FreeBSD lists them, the oldest giving way', () => {
    const y = new Bench();
    y.sysctl('ccache_limit', 2);
    for (const n of [1, 2, 3]) y.tfo.learn(server(n), 1_460, view(COOKIE), 0, 8);
    y.tfo.disable(server(2));
    y.at(100);
    expect(y.kern.sysctl.find('net.inet.tcp.fastopen.ccache_list')?.get()).toBe([
      '',
      'Local IP address     Remote IP address     Port   MSS Disabled Cookie',
      '10.0.0.254           10.0.0.2                80     0     800s ',
      '10.0.0.254           10.0.0.3                80  1460       No 0102030405060708',
      '',
    ].join('\n'));
    expect(y.tfo.ccacheEvicted).toBe(1);
    y.sysctl('client_enable', 0);
    y.tfo.learn(server(1), 1_460, view(COOKIE), 0, 8);
    expect([y.tfo.ccacheCount, y.tfo.mayTry(server(1)), y.tfo.path(server(3))]).toEqual([0, false, null]);
    y.tfo.destroy();
    expect(y.kern.sysctl.count).toBe(0);
  });
});
