/**
 * dhcp-client.test.ts — the states of a DHCP client: what it says, when, and what it does about the answers.
 */
import { describe, expect, it } from 'vitest';
import {
  DHCPACK, DHCPNAK, DHCPOFFER, DHO_LEASE_TIME, DHO_MESSAGE, DHO_MESSAGE_TYPE, DHO_REBINDING_TIME, DHO_RENEWAL_TIME, DHO_REQUESTED_ADDRESS, DHO_SERVER_ID, DHO_SUBNET_MASK, dhcp4MessageName,
  dhcp4MessageType, dho32, dho32Of, dho8, ip4Format, ip4Parse, utf8Encode,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { DhcpClient } from './dhcp-client.js';
import type { DhcpClientIo } from './dhcp-client.js';
import { dhclientConf } from './dhclient-conf.js';

const SECOND = 1_000_000;
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const ip = (text: string): number => ip4Parse(text) ?? 0;

/** A client whose interface is this object: everything it does is a line, everything it hears is said by the test. */
class Bench implements DhcpClientIo {
  readonly ifname = 'em0';
  readonly mac = MAC;
  readonly hostname = 'desk';
  readonly lines: string[] = [];
  readonly client: DhcpClient;
  now = 0;
  last: Dhcp4Message | null = null;
  bindError: string | null = null;

  constructor(conf = '') {
    this.client = new DhcpClient(this, dhclientConf(conf, 'em0'));
    this.client.start(0);
  }

  send(m: Dhcp4Message, server: number | null): void {
    this.last = m;
    const wished = dho32Of(m.options.get(DHO_REQUESTED_ADDRESS));
    const id = dho32Of(m.options.get(DHO_SERVER_ID));
    const parts = [`${this.now / SECOND}`, dhcp4MessageName(dhcp4MessageType(m)).slice(4), server === null ? 'all' : ip4Format(server)];
    if (wished !== null) parts.push(`wants ${ip4Format(wished)}`);
    if (id !== null) parts.push(`of ${ip4Format(id)}`);
    if (m.ciaddr !== 0) parts.push(`has ${ip4Format(m.ciaddr)}`);
    this.lines.push(parts.join(' '));
  }

  probe(addr: number): void {
    this.lines.push(`${this.now / SECOND} probe ${ip4Format(addr)}`);
  }

  bind(): string | null {
    this.lines.push(`${this.now / SECOND} bind`);
    return this.bindError;
  }

  unbind(): void {
    this.lines.push(`${this.now / SECOND} unbind`);
  }

  log(): void {
    // What is said is seen in the tool's tests.
  }

  random(n: number): number {
    return n > 1_000 ? 7 : 0;
  }

  /** A server's answer to the last message. */
  answer(type: number, more: readonly (readonly [number, Uint8Array])[] = [], about: Partial<Dhcp4Message> = {}): void {
    const base: [number, Uint8Array][] = [[DHO_MESSAGE_TYPE, dho8(type)], [DHO_SERVER_ID, dho32(ip('10.0.0.1'))], [DHO_LEASE_TIME, dho32(1_000)], [DHO_SUBNET_MASK, dho32(0xffffff00)]];
    if (this.last === null) throw new Error('nothing was asked');
    this.client.input({ ...this.last, op: 2, yiaddr: type === DHCPNAK ? 0 : ip('10.0.0.5'), ciaddr: 0, options: new Map([...base, ...more]), ...about }, this.now);
  }

  /** Lets time pass, a deadline after the other. */
  until(seconds: number): void {
    while (this.client.deadlineUs <= seconds * SECOND) {
      this.now = Math.max(this.now, this.client.deadlineUs);
      this.client.tick(this.now);
    }
    this.now = seconds * SECOND;
  }

  bound(): this {
    this.answer(DHCPOFFER);
    this.answer(DHCPACK);
    this.client.probed(false, this.now);
    this.lines.length = 0;
    return this;
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

describe('getting a lease', () => {
  it('discover, offer, request, acknowledgement, probe, bound', () => {
    const b = new Bench();
    b.answer(DHCPOFFER);
    b.answer(DHCPACK);
    b.client.probed(false, b.now);
    expect(b.take()).toEqual(['0 DISCOVER all', '0 REQUEST all wants 10.0.0.5 of 10.0.0.1', '0 probe 10.0.0.5', '0 bind']);
    expect([b.client.state, b.client.settled, b.client.deadlineUs, b.client.lease?.rebindUs, b.client.lease?.expireUs]).toEqual(['bound', true, 500 * SECOND, 875 * SECOND, 1_000 * SECOND]);
    expect(b.last?.chaddr).toEqual(MAC);
  });

  it('asks again, later and later, gives up for a while, and begins again', () => {
    const b = new Bench('timeout 20; retry 100;');
    b.until(130);
    expect(b.take()).toEqual(['0 DISCOVER all', ...[3, 6, 9, 12, 15, 18].map((t) => `${t} DISCOVER all`), ...[120, 123, 126, 129].map((t) => `${t} DISCOVER all`)]);
    expect([b.client.settled, b.client.lease]).toEqual([true, null]);
  });

  it('a request that nobody answers is repeated, and then it begins anew', () => {
    const b = new Bench('timeout 7;');
    b.answer(DHCPOFFER);
    b.until(9);
    expect(b.take()).toEqual(['0 DISCOVER all', ...[0, 3, 6].map((t) => `${t} REQUEST all wants 10.0.0.5 of 10.0.0.1`), '9 DISCOVER all']);
  });

  it('waits for a better offer when it is told to, and takes the first', () => {
    const b = new Bench('select-timeout 2;');
    b.answer(DHCPOFFER);
    b.answer(DHCPOFFER, [[DHO_SERVER_ID, dho32(ip('10.0.0.9'))]]);
    expect(b.take()).toEqual(['0 DISCOVER all']);
    b.until(2);
    expect(b.take()).toEqual(['2 REQUEST all wants 10.0.0.5 of 10.0.0.1']);
  });

  it.each<[string, string, (b: Bench) => void]>([
    ['another exchange', '', (b) => b.answer(DHCPOFFER, [], { xid: 1 })],
    ['another client', '', (b) => b.answer(DHCPOFFER, [], { chaddr: Uint8Array.of(2, 0, 0, 0, 0, 2) })],
    ['a request', '', (b) => b.answer(DHCPOFFER, [], { op: 1 })],
    ['a server that is rejected', 'reject 10.0.0.1;', (b) => b.answer(DHCPOFFER)],
    ['an option that is required is missing', 'require routers;', (b) => b.answer(DHCPOFFER)],
    ['no address', '', (b) => b.answer(DHCPOFFER, [], { yiaddr: 0 })],
    ['a group for an address', '', (b) => b.answer(DHCPOFFER, [], { yiaddr: ip('224.0.0.1') })],
    ['an acknowledgement of nothing', '', (b) => b.answer(DHCPACK)],
    ['a refusal of nothing', '', (b) => b.answer(DHCPNAK)],
  ])('is not impressed by %s', (_what, conf, say) => {
    const b = new Bench(conf);
    b.take();
    say(b);
    expect([b.take(), b.client.state]).toEqual([[], 'selecting']);
  });

  it('an acknowledgement without a lease in it is none', () => {
    const b = new Bench('arp-check false;');
    b.answer(DHCPOFFER);
    b.answer(DHCPACK, [[DHO_LEASE_TIME, dho32(0)]]);
    b.answer(DHCPACK, [[DHO_SUBNET_MASK, dho32(0xff00ff00)]]);
    expect(b.client.state).toBe('requesting');
    b.answer(DHCPACK);
    expect(b.client.state).toBe('bound');
  });

  it('declines an address that somebody has, and waits', () => {
    const b = new Bench();
    b.answer(DHCPOFFER);
    b.answer(DHCPACK);
    b.take();
    b.now = SECOND;
    b.client.probed(true, b.now);
    b.until(11);
    expect(b.take()).toEqual(['1 DECLINE all wants 10.0.0.5 of 10.0.0.1', '11 DISCOVER all']);
  });

  it('an address that cannot be set is not held', () => {
    const b = new Bench('arp-check false;');
    b.bindError = 'File exists';
    b.answer(DHCPOFFER);
    b.answer(DHCPACK);
    b.take();
    b.until(64);
    expect([b.take(), b.client.lease, b.client.settled]).toEqual([['64 DISCOVER all'], null, true]);
  });
});

describe('keeping a lease', () => {
  it('renews at T1 with the server, after T2 with anybody, and lets go at the end', () => {
    const b = new Bench().bound();
    b.until(1_000);
    // 500 s: half of what is left to T2 (875), a minute at least; from 875 on half of what is left of the lease.
    expect(b.take()).toEqual([
      '500 REQUEST 10.0.0.1 has 10.0.0.5', '687.5 REQUEST 10.0.0.1 has 10.0.0.5', '781.25 REQUEST 10.0.0.1 has 10.0.0.5', '841.25 REQUEST 10.0.0.1 has 10.0.0.5', '875 REQUEST all has 10.0.0.5',
      '937.5 REQUEST all has 10.0.0.5', '997.5 REQUEST all has 10.0.0.5', '1000 unbind', '1000 DISCOVER all',
    ]);
  });

  it('goes on with what it has when the server renews, without a probe', () => {
    const b = new Bench().bound();
    b.until(500);
    b.answer(DHCPACK);
    expect([b.take(), b.client.state, b.client.lease?.expireUs]).toEqual([['500 REQUEST 10.0.0.1 has 10.0.0.5', '500 bind'], 'bound', 1_500 * SECOND]);
    b.until(1_375);
    b.take();
    b.answer(DHCPACK, [[DHO_SERVER_ID, dho32(ip('10.0.0.2'))]]);
    expect([b.client.state, b.client.lease?.server]).toEqual(['bound', ip('10.0.0.2')]);
  });

  it('uses the server’s T1 and T2, and never renews a lease that never ends', () => {
    const b = new Bench('arp-check false;');
    b.answer(DHCPOFFER);
    b.answer(DHCPACK, [[DHO_RENEWAL_TIME, dho32(100)], [DHO_REBINDING_TIME, dho32(50)]]);
    expect([b.client.lease?.renewUs, b.client.lease?.rebindUs]).toEqual([50 * SECOND, 50 * SECOND]);
    const c = new Bench('arp-check false;');
    c.answer(DHCPOFFER);
    c.answer(DHCPACK, [[DHO_LEASE_TIME, dho32(0xffffffff)]]);
    expect(c.client.deadlineUs).toBe(Infinity);
  });

  it('a refusal takes the address away; the next ones are waited for longer and longer', () => {
    const b = new Bench().bound();
    b.until(500);
    b.answer(DHCPNAK, [[DHO_MESSAGE, utf8Encode('no\u0007')]]);
    expect([b.take(), b.client.state, b.client.deadlineUs]).toEqual([['500 REQUEST 10.0.0.1 has 10.0.0.5', '500 unbind'], 'init', 500 * SECOND]);
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      b.client.tick(b.now);
      b.answer(DHCPOFFER);
      b.answer(DHCPNAK);
      waits.push((b.client.deadlineUs - b.now) / SECOND);
      b.now = b.client.deadlineUs;
    }
    expect(waits).toEqual([1, 3, 7, 15, 31, 63, 64, 64, 64]);
  });

  it('asks whether the lease is still good when the link comes back, and goes on when nobody objects', () => {
    const b = new Bench().bound();
    b.now = 100 * SECOND;
    b.client.linkUp(b.now);
    b.until(112);
    expect([b.take(), b.client.state, b.client.deadlineUs]).toEqual([[100, 103, 106, 109].map((t) => `${t} REQUEST all wants 10.0.0.5`), 'bound', 500 * SECOND]);
    b.client.linkUp(b.now);
    b.answer(DHCPNAK);
    expect(b.take()).toEqual(['112 REQUEST all wants 10.0.0.5', '112 unbind']);
  });

  it('gives the address back when it is asked to', () => {
    const b = new Bench().bound();
    b.client.release(b.now);
    expect([b.take(), b.client.state, b.client.deadlineUs]).toEqual([['0 RELEASE 10.0.0.1 of 10.0.0.1 has 10.0.0.5', '0 unbind'], 'stopped', Infinity]);
    const c = new Bench();
    c.take();
    c.client.release(0);
    expect([c.take(), c.client.state]).toEqual([[], 'stopped']);
  });
});

describe('dhclient.conf', () => {
  it('an interface has its own block; options are superseded, completed, defaulted', () => {
    const text = `timeout 5; interface "em1" { timeout 6; } interface "em0" { timeout 7; send host-name "x"; request routers, domain-name-servers; }
      supersede domain-name "a"; prepend domain-name-servers 10.0.0.3; append domain-search "z"; default routers 10.0.0.4; # a comment`;
    const conf = dhclientConf(text, 'em0');
    expect([conf.times.timeout, conf.request, conf.send.get(12)]).toEqual([7, [3, 6], utf8Encode('x')]);
    expect(dhclientConf(text, 'em2').times.timeout).toBe(5);
  });

  it.each([
    ['frob 1;', 'line 1: frob: unknown statement'],
    ['timeout 0;', 'line 1: timeout 0: a number from 1 to 86400 is needed'],
    ['\nrequest frob;', 'line 2: option frob: unknown (option-NUMBER with bytes is any option)'],
    ['send routers x;', 'line 1: routers: x: not an IPv4 address'],
    ['reject x;', 'line 1: reject x: an IPv4 address is wanted'],
    ['lease { }', 'line 1: lease: a block is not wanted here'],
    ['timeout 5', 'line 1: "timeout 5": a semicolon is missing'],
    ['send host-name "x;', 'line 1: a text without a closing quote'],
    ['}', 'line 1: a closing brace without a block'],
    ['interface "x" {', 'line 1: a block without a closing brace'],
    ['request routers,;', 'line 1: a comma with nothing beside it'],
  ])('refuses %s', (text, complaint) => {
    expect(() => dhclientConf(text, 'em0')).toThrow(complaint);
  });
});
