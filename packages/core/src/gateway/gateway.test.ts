/**
 * gateway.test.ts — a guest on a cable, a router with a gateway, and a host that does what it is told; in virtual time.
 */
import { describe, expect, it } from 'vitest';
import { EACCES, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import { snapshot } from '../kern/counters.js';
import { ifCloneDestroyIfp } from '../net/if-clone.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET6, SHUT_WR, SOCK_DGRAM, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { IN6_IFF_NODAD } from '../inet6/in6-ifaddr.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import { ip6Parse } from '../wire/addr6.js';
import { FakeHost } from '../../test/fake-gateway-host.js';
import { GatewayStats } from './gateway-var.js';
import type { GatewayConfig } from './gateway.js';

const OUTSIDE = '93.184.216.34';
const OUTSIDE6 = '2606:2800:220:1::5';
const GUEST6 = 'fd00::15';
const GATEWAY6 = 'fd00::2';
const SERVICE = { family: 4, address: '127.0.0.1', port: 5432 } as const;

const v6 = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

class Lab {
  readonly net = new SimNet(1);
  readonly guest: Vnet;
  readonly router: Vnet;
  readonly host: FakeHost;
  private readonly due: (() => void)[] = [];

  constructor(config: Partial<GatewayConfig> = {}) {
    const { net } = this;
    this.guest = net.vnet('guest');
    this.router = net.vnet('router');
    const [g, r] = net.epair(this.guest, this.router);
    net.addr(this.guest, g, '10.0.2.15/24');
    net.addr(this.router, r, '10.0.2.2/24');
    net.kernel.call(net.now, () => {
      in6Aifaddr(this.guest.in6Net, g, { addr: v6(GUEST6), plen: 64, flags: IN6_IFF_NODAD });
      in6Aifaddr(this.router.in6Net, r, { addr: v6(GATEWAY6), plen: 64, flags: IN6_IFF_NODAD });
      this.guest.routes.add({ fib: 0, family: 'inet6', dst: new Uint8Array(16), plen: 0, gateway: v6(GATEWAY6), flags: RTF_GATEWAY | RTF_STATIC });
    });
    net.route(this.guest, 'default', '10.0.2.2');
    net.run(US_PER_SEC);
    this.host = new FakeHost((fn) => this.due.push(fn));
    const opened = net.kernel.call(net.now, () => this.router.gateway.open(this.host, { ifp: r, addresses: [], loopback: true, outbound: true, defaultRoute: true, ...config }));
    expect(opened).toEqual({ error: 0 });
  }

  /** A tenth of a second; what the host had to say is said in between. */
  run(us = US_PER_SEC / 10): void {
    this.net.run(us / 2);
    for (const fn of this.due.splice(0)) fn();
    this.net.run(us / 2);
  }

  connect6(addr: string, port: number): StreamSocket {
    const { so } = this.guest.sockets.socket(PF_INET6, SOCK_STREAM);
    if (so === null) throw new Error('no socket');
    this.net.kernel.call(this.net.now, () => so.connect({ addr: v6(addr), scopeId: 0 }, port));
    return so;
  }

  /** A connection from the guest to the outside, with both ends. */
  joined(port = 80): { so: StreamSocket; host: FakeHost['tcp'][number] } {
    const so = this.net.connect(this.guest, OUTSIDE, port);
    this.run();
    const host = this.host.tcp.at(-1);
    if (host === undefined || host.so === null) throw new Error('not connected');
    return { so, host };
  }

  counted(): Partial<GatewayStats> {
    const zero = new GatewayStats();
    return Object.fromEntries(Object.entries(snapshot(this.router.gateway.stats)).filter(([key, n]) => n !== zero[key as keyof GatewayStats]));
  }

  close(): void {
    this.net.kernel.call(this.net.now, () => this.router.gateway.close());
  }
}

function readAll(so: StreamSocket): string {
  const into = new Uint8Array(65_536);
  const n = so.recv(into);
  return n < 0 ? `error ${-n}` : String.fromCharCode(...into.subarray(0, n));
}

describe('TCP through a gateway', () => {
  it('connects where the guest wants to go, and passes bytes and ends both ways', () => {
    const lab = new Lab();
    const { so, host } = lab.joined();
    expect(host.to).toEqual({ family: 4, address: OUTSIDE, port: 80 });
    expect(so.isConnected).toBe(true);
    so.send(bytes('question'));
    lab.run();
    expect(host.text()).toBe('question');
    so.shutdown(SHUT_WR);
    lab.run();
    expect(host.so?.eof).toBe(true);
    host.so?.send(bytes('answer')); // the other way is still open
    host.so?.shutdown(SHUT_WR);
    lab.run();
    expect(readAll(so)).toBe('answer');
    expect(so.eof).toBe(true);
    host.so?.close();
    host.flow.ended();
    expect(lab.counted()).toEqual({ tcpflows: 1 });
    expect(lab.router.gateway.flowCount).toBe(0);
  });

  it('answers nothing before the other side has answered, whatever is said again', () => {
    const lab = new Lab();
    lab.host.answer = null;
    const so = lab.net.connect(lab.guest, OUTSIDE, 80);
    lab.run(10 * US_PER_SEC);
    expect(so.isConnected).toBe(false);
    expect(so.info().segsOut).toBeGreaterThan(2); // the SYN came again
    expect(lab.host.tcp.length).toBe(1);
    lab.host.tcp[0]?.flow.connected();
    lab.run();
    expect(so.isConnected).toBe(true);
  });

  it.each([
    ['a reset for a refusal', ECONNREFUSED, ECONNREFUSED, { tcprefused: 1 }],
    ['a reset for a connection broken at once', ECONNRESET, ECONNREFUSED, { tcprefused: 1 }],
  ])('gives the guest %s', (_what, said, heard, counted) => {
    const lab = new Lab();
    lab.host.answer = said;
    const so = lab.net.connect(lab.guest, OUTSIDE, 81);
    lab.run();
    expect(so.getsockopt('SO_ERROR')).toBe(heard);
    expect(lab.counted()).toEqual(counted);
    expect(lab.router.gateway.flowCount).toBe(0);
  });

  it('tells by ICMP that there is no way', () => {
    const lab = new Lab();
    lab.host.answer = ENETUNREACH;
    lab.net.connect(lab.guest, OUTSIDE, 81);
    lab.run();
    expect(snapshot(lab.router.icmp.stats).out3).toBe(1);
    expect(snapshot(lab.guest.icmp.stats).in3).toBe(1);
    expect(lab.counted()).toEqual({ tcpunreach: 1 });
  });

  it('does the same over IPv6', () => {
    const lab = new Lab();
    const so = lab.connect6(OUTSIDE6, 443);
    lab.run();
    expect(lab.host.tcp[0]?.to).toEqual({ family: 6, address: OUTSIDE6, port: 443 });
    expect(so.isConnected).toBe(true);
    so.send(bytes('six'));
    lab.run();
    expect(lab.host.tcp[0]?.text()).toBe('six');
    lab.host.answer = ENETUNREACH;
    lab.connect6(OUTSIDE6, 444);
    lab.run();
    expect(lab.router.icmp6.stats.odstUnreachNoroute).toBe(1);
    expect(lab.counted()).toEqual({ tcpflows: 1, tcpunreach: 1 });
    lab.host.answer = ECONNREFUSED;
    const refused = lab.connect6(OUTSIDE6, 445);
    lab.run();
    expect(refused.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
  });

  it('leads to the loopback of the host by its own address, unless something here listens', () => {
    const lab = new Lab();
    lab.net.listen(lab.router, 22);
    lab.net.connect(lab.guest, '10.0.2.2', 22);
    lab.run();
    expect(lab.host.tcp.length).toBe(0);
    const so = lab.net.connect(lab.guest, '10.0.2.2', 8000);
    lab.run();
    expect(lab.host.tcp[0]?.to).toEqual({ family: 4, address: '127.0.0.1', port: 8000 });
    expect(so.isConnected).toBe(true);
    lab.connect6(GATEWAY6, 8000);
    lab.run();
    expect(lab.host.tcp[1]?.to).toEqual({ family: 6, address: '::1', port: 8000 });
  });

  it('keeps the loopback of the host to itself when it is told to', () => {
    const lab = new Lab({ loopback: false });
    const so = lab.net.connect(lab.guest, '10.0.2.2', 8000);
    lab.run();
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
    expect(lab.host.tcp.length).toBe(0);
  });

  it('does not take a listener of the router for the one outside', () => {
    const lab = new Lab();
    lab.net.listen(lab.router, 80);
    lab.joined(80);
    expect(lab.host.tcp.length).toBe(1);
  });

  it('carries what its own vnet sends', () => {
    const lab = new Lab();
    const so = lab.net.connect(lab.router, OUTSIDE, 80);
    lab.run();
    expect(so.isConnected).toBe(true);
    so.send(bytes('from the router'));
    lab.run();
    expect(lab.host.tcp[0]?.text()).toBe('from the router');
  });

  it('lets nobody out when it is restricted', () => {
    const lab = new Lab({ outbound: false });
    lab.net.connect(lab.guest, OUTSIDE, 80);
    lab.run();
    expect(lab.host.tcp.length).toBe(0);
    expect(snapshot(lab.guest.icmp.stats).in3).toBe(1);
    expect(lab.counted()).toEqual({ prohibited: 1 });
    const so = lab.net.connect(lab.guest, '10.0.2.2', 80); // the host itself is no outside
    lab.run();
    expect(so.isConnected).toBe(true);
  });

  it('serves a port here by a service of the host, while there is a rule', () => {
    const lab = new Lab({ loopback: false });
    const policy = lab.router.gateway.opened?.policy;
    policy?.add({ proto: 'tcp', address: '10.0.2.2', port: 5433, to: SERVICE });
    const so = lab.net.connect(lab.guest, '10.0.2.2', 5433);
    lab.run();
    expect(lab.host.tcp[0]?.to).toEqual(SERVICE);
    expect(so.isConnected).toBe(true);
    policy?.remove({ proto: 'tcp', address: '10.0.2.2', port: 5433 });
    const late = lab.net.connect(lab.guest, '10.0.2.2', 5433);
    lab.run();
    expect(late.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
    expect(so.isConnected).toBe(true); // what there is stays
  });

  it('brings connections of the host in', () => {
    const lab = new Lab();
    const listener = lab.net.listen(lab.guest, 22);
    const tcp = lab.router.gateway.opened?.tcp;
    const made: FakeHost['tcp'][number][] = [];
    const forward = (port: number): void => {
      const host = lab.host.connect({ connected() {}, failed() {}, ended() {} }, SERVICE);
      made.push(lab.host.tcp.at(-1)!);
      lab.net.kernel.call(lab.net.now, () => tcp?.forward(host, { family: 4, address: '127.0.0.1', port: 50_000 }, ip4('10.0.2.15'), port));
    };
    lab.host.answer = null;
    forward(22);
    lab.run();
    const accepted = listener.accept();
    made[0]?.so?.send(bytes('hello'));
    lab.run();
    expect(accepted === null ? null : readAll(accepted)).toBe('hello');
    forward(23);
    lab.run();
    expect(made[1]?.aborted).toBe(1);
    expect(lab.counted()).toEqual({ tcpin: 2 });
    expect(lab.router.gateway.flowCount).toBe(1);
  });

  it('gives up in time: what is not answered, what is idle', () => {
    const lab = new Lab();
    lab.router.gateway.tun.tcpConnectS = 30;
    lab.host.answer = null;
    const so = lab.net.connect(lab.guest, OUTSIDE, 80);
    lab.run(29 * US_PER_SEC);
    expect(lab.router.gateway.flowCount).toBe(1);
    so.close();
    lab.run(3 * US_PER_SEC);
    expect(lab.router.gateway.flowCount).toBe(0);
    expect(lab.host.tcp[0]?.aborted).toBe(1);
    lab.host.answer = 0;
    const { so: idle, host } = lab.joined();
    lab.run(7_000 * US_PER_SEC);
    idle.send(bytes('still here'));
    lab.run(7_000 * US_PER_SEC);
    expect(lab.router.gateway.flowCount).toBe(1);
    lab.run(500 * US_PER_SEC);
    expect(host.aborted).toBe(1);
    expect(idle.getsockopt('SO_ERROR')).toBe(ECONNRESET);
    expect(lab.counted()).toEqual({ tcpflows: 1, tcpidle: 1, tcptimeout: 1 });
  });

  it('keeps count of several that wait, whichever ends first', () => {
    const lab = new Lab();
    lab.host.answer = null;
    for (let port = 1; port <= 4; port++) lab.net.connect(lab.guest, OUTSIDE, port);
    lab.run();
    const tcp = lab.router.gateway.opened?.tcp;
    const count = (): unknown => [tcp?.waiting.size, tcp?.joined.size, tcp === undefined ? 0 : [...tcp.waiting].length];
    expect(count()).toEqual([4, 0, 4]);
    lab.host.tcp[1]?.flow.failed(ECONNREFUSED); // neither the first nor the last
    expect(count()).toEqual([3, 0, 3]);
    lab.host.tcp[2]?.flow.connected();
    lab.run();
    expect(count()).toEqual([2, 1, 2]);
    lab.host.tcp[3]?.flow.failed(ECONNREFUSED);
    lab.host.tcp[0]?.flow.failed(ECONNREFUSED);
    expect(count()).toEqual([0, 1, 0]);
    lab.close();
    expect(lab.router.gateway.flowCount).toBe(0);
  });

  it('has limits', () => {
    const lab = new Lab();
    lab.router.gateway.tun.tcpPendingMax = 2;
    lab.host.answer = null;
    for (let port = 1; port <= 3; port++) lab.net.connect(lab.guest, OUTSIDE, port);
    lab.run();
    expect(lab.host.tcp.map((t) => t.to.port)).toEqual([1, 2]);
    expect(lab.counted()).toEqual({ tcplimit: 1 });
    for (const t of lab.host.tcp) t.flow.connected();
    lab.run(4 * US_PER_SEC); // the third asks again
    expect(lab.host.tcp.map((t) => t.to.port)).toEqual([1, 2, 3]);
  });
});

describe('UDP through a gateway', () => {
  it('carries datagrams both ways, of one flow each pair of ends', () => {
    const lab = new Lab();
    const so = lab.net.udp(lab.guest, 5000);
    so.send(bytes('one'), ip4(OUTSIDE), 53);
    so.send(bytes('two'), ip4(OUTSIDE), 53);
    so.send(bytes('other'), ip4(OUTSIDE), 123);
    lab.run();
    expect(lab.host.udp.map((u) => u.to)).toEqual([{ family: 4, address: OUTSIDE, port: 53 }, { family: 4, address: OUTSIDE, port: 123 }]);
    expect(lab.host.udp[0]?.sent.map((b) => String.fromCharCode(...b))).toEqual(['one', 'two']);
    lab.host.udp[0]?.flow.input(bytes('answer'));
    lab.run();
    const into = new Uint8Array(100);
    const info = { addr: 0, port: 0, dstAddr: 0, ifIndex: 0, ttl: 0, tos: 0, length: 0 };
    const n = so.recv(into, info);
    expect(String.fromCharCode(...into.subarray(0, n))).toBe('answer');
    expect(info).toMatchObject({ addr: ip4(OUTSIDE), port: 53 });
    expect(lab.counted()).toEqual({ udpflows: 2 });
  });

  it('forgets what is quiet, a question of names sooner', () => {
    const lab = new Lab();
    const so = lab.net.udp(lab.guest, 5000);
    so.send(bytes('name?'), ip4(OUTSIDE), 53);
    so.send(bytes('time?'), ip4(OUTSIDE), 123);
    lab.run(9 * US_PER_SEC);
    expect(lab.router.gateway.flowCount).toBe(2);
    lab.run(2 * US_PER_SEC);
    expect(lab.host.udp.map((u) => u.closed)).toEqual([true, false]);
    lab.run(110 * US_PER_SEC);
    expect(lab.host.udp.map((u) => u.closed)).toEqual([true, true]);
    expect(lab.net.kernel.nextDeadline()).toBeGreaterThan(lab.net.now + 3 * US_PER_SEC); // no timer without flows
    expect(lab.counted()).toEqual({ udpflows: 2, udpidle: 2 });
  });

  it('says port unreachable when the other side does, and begins anew', () => {
    const lab = new Lab();
    const so = lab.net.udp(lab.guest, 5000);
    lab.net.kernel.call(lab.net.now, () => so.connect(ip4(OUTSIDE), 9));
    so.send(bytes('hello?'));
    lab.run();
    lab.host.udp[0]?.flow.failed(ECONNREFUSED);
    lab.run();
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
    expect(lab.host.udp[0]?.closed).toBe(true);
    so.send(bytes('hello?'));
    lab.run();
    expect(lab.host.udp.length).toBe(2);
    expect(lab.counted()).toEqual({ udpflows: 2, udprefused: 1 });
  });

  it('lets the quietest flow give way at the limit, but none that is busy', () => {
    const lab = new Lab();
    lab.router.gateway.tun.udpMax = 2;
    const so = lab.net.udp(lab.guest, 5000);
    for (const port of [1, 2, 3]) so.send(bytes('x'), ip4(OUTSIDE), port);
    lab.run();
    expect(lab.host.udp.length).toBe(2);
    lab.run(2 * US_PER_SEC);
    so.send(bytes('x'), ip4(OUTSIDE), 1);
    so.send(bytes('x'), ip4(OUTSIDE), 3);
    lab.run();
    expect(lab.host.udp.map((u) => u.closed)).toEqual([false, true, false]);
    expect(lab.counted()).toEqual({ udpflows: 3, udplimit: 2 });
  });

  it('counts what the host does not take', () => {
    const lab = new Lab();
    const so = lab.net.udp(lab.guest, 5000);
    so.send(bytes('1'), ip4(OUTSIDE), 9);
    lab.run();
    lab.host.udp[0]!.takes = false;
    so.send(bytes('2'), ip4(OUTSIDE), 9);
    lab.run();
    expect(lab.counted()).toEqual({ udpflows: 1, udpdropped: 1 });
  });

  it('does the same over IPv6, and brings datagrams of the host in', () => {
    const lab = new Lab();
    const { so } = lab.guest.sockets.socket(PF_INET6, SOCK_DGRAM);
    lab.net.kernel.call(lab.net.now, () => so?.bind({ addr: new Uint8Array(16), scopeId: 0 }, 7));
    so?.send(bytes('six'), { addr: v6(OUTSIDE6), scopeId: 0 }, 9);
    lab.run();
    expect(lab.host.udp[0]?.to).toEqual({ family: 6, address: OUTSIDE6, port: 9 });
    lab.host.udp[0]?.flow.input(bytes('back'));
    lab.run();
    const into = new Uint8Array(10);
    expect(so?.recv(into)).toBe(4);
    const host = lab.host.open({ input() {}, failed() {} }, SERVICE);
    const flow = lab.net.kernel.call(lab.net.now, () => lab.router.gateway.opened?.udp.forward(host, SERVICE, { addr: v6(GUEST6), scopeId: 0 }, 7));
    if (typeof flow !== 'object') throw new Error('no flow');
    flow.input(bytes('from outside'));
    lab.run();
    const got = new Uint8Array(20);
    expect(String.fromCharCode(...got.subarray(0, so?.recv(got) ?? 0))).toBe('from outside');
    expect(lab.counted()).toEqual({ udpflows: 1, udpin: 1 });
  });
});

describe('echo through a gateway', () => {
  const request = (lab: Lab, seq: number): void => {
    const so = lab.net.raw(lab.guest, 1);
    const message = Uint8Array.of(8, 0, 0, 0, 0x12, 0x34, 0, seq, 1, 2, 3);
    const sum = [...message].reduce((n, b, i) => n + (i % 2 === 0 ? b << 8 : b), 0);
    const folded = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
    message[2] = folded >> 8;
    message[3] = folded & 255;
    so.send(message, ip4(OUTSIDE));
    lab.run();
  };

  it('asks by the host, and makes a reply of the answer', () => {
    const lab = new Lab();
    request(lab, 1);
    expect(lab.host.echo[0]?.to).toEqual({ family: 4, address: OUTSIDE, port: 0 });
    expect(lab.host.echo[0]?.asked).toEqual([{ seq: 1, data: Uint8Array.of(1, 2, 3) }]);
    lab.host.echo[0]?.flow.reply(1, Uint8Array.of(1, 2, 3));
    lab.run();
    expect(snapshot(lab.guest.icmp.stats).in0).toBe(1);
    expect(snapshot(lab.guest.icmp.stats).checksum).toBe(0);
    request(lab, 2);
    expect(lab.host.echo.length).toBe(1);
    lab.run(12 * US_PER_SEC);
    expect(lab.host.echo[0]?.closed).toBe(true);
    expect(lab.counted()).toEqual({ echoes: 2, echoreplies: 1 });
  });

  it('says that it is prohibited where the host may not', () => {
    const lab = new Lab();
    lab.host.pings = false;
    request(lab, 1);
    expect(snapshot(lab.guest.icmp.stats).in3).toBe(1);
    expect(lab.counted()).toEqual({ echodenied: 1 });
  });

  it('passes on that there is no way', () => {
    const lab = new Lab();
    request(lab, 1);
    lab.host.echo[0]?.flow.failed(EHOSTUNREACH);
    lab.host.echo[0]?.flow.failed(EACCES);
    lab.run();
    expect(snapshot(lab.guest.icmp.stats).in3).toBe(2);
  });

  it('answers for itself', () => {
    const lab = new Lab();
    const so = lab.net.raw(lab.guest, 1);
    so.send(Uint8Array.of(8, 0, 0xf7, 0xfe, 0, 1, 0, 0), ip4('10.0.2.2'));
    lab.run();
    expect(snapshot(lab.guest.icmp.stats).in0).toBe(1);
    expect(lab.host.echo.length).toBe(0);
  });
});

describe('a gateway that is closed', () => {
  /** What the router holds; neighbours come and go with any packet. */
  const held = (lab: Lab): { name: string; count: number }[] => {
    const router = lab.net.kernel.audit().vnets.find((v) => v.vnet === 'router');
    if (router === undefined) throw new Error('there is no router');
    return router.rows.filter((r) => r.count !== 0 && !/neighbours|being verified/.test(r.name));
  };

  it('leaves nothing, whatever was going on', () => {
    const lab = new Lab();
    lab.close();
    lab.run();
    const before = held(lab);
    lab.net.kernel.call(lab.net.now, () => lab.router.gateway.open(lab.host, { ifp: null, addresses: [{ addr: ip4('10.9.9.9'), plen: 32 }], loopback: true, outbound: true, defaultRoute: true }));
    const { so, host } = lab.joined();
    const closing = lab.joined(81);
    closing.host.so?.close(); // finishes on its own
    closing.host.flow.ended();
    lab.host.answer = null;
    lab.net.connect(lab.guest, OUTSIDE, 82);
    lab.net.udp(lab.guest, 5000).send(bytes('x'), ip4(OUTSIDE), 53);
    lab.run();
    expect(lab.router.gateway.flowCount).toBe(3);
    lab.close();
    lab.run();
    expect(host.aborted).toBe(1);
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNRESET);
    expect(lab.host.tcp.at(-1)?.aborted).toBe(1);
    expect(lab.host.udp.at(-1)?.closed).toBe(true);
    expect(lab.host.ends).toBe(2);
    expect(held(lab)).toEqual(before);
    expect(lab.router.net.ifunit('gw0')).toBeNull();
    expect(lab.router.ip.tun.forwarding).toBe(0);
    expect(lab.net.kernel.audit().unaccounted).toEqual({ packets: 0, timers: 0, interfaces: 0, deferred: 0 });
  });

  it('closes with its interface', () => {
    const lab = new Lab();
    const { so } = lab.joined();
    const gw0 = lab.router.net.ifunit('gw0');
    lab.net.kernel.call(lab.net.now, () => gw0 !== null && ifCloneDestroyIfp(gw0, 0));
    lab.run();
    expect(lab.router.gateway.isOpen).toBe(false);
    expect(lab.host.ends).toBe(1);
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNRESET);
  });

  it('ends with its vnet', () => {
    const lab = new Lab();
    const { host } = lab.joined();
    lab.host.answer = null;
    lab.net.connect(lab.guest, OUTSIDE, 82);
    lab.run();
    const { kernel } = lab.net;
    const jail = kernel.prisons.find(kernel.prisons.prison0, 'router');
    if (jail !== null) kernel.jailRemove(jail);
    expect(host.aborted).toBe(1);
    expect(lab.host.ends).toBe(1);
    expect(kernel.audit().leaks).toEqual([]);
    expect(kernel.audit().unaccounted).toEqual({ packets: 0, timers: 0, interfaces: 0, deferred: 0 });
  });

  it('does not open half: a default route that is there stays', () => {
    const net = new SimNet(2);
    const v = net.vnet('v');
    const lo1 = net.clone(v, 'lo1');
    net.addr(v, lo1, '192.0.2.1/24');
    net.route(v, 'default', '192.0.2.1');
    const opened = net.kernel.call(net.now, () => v.gateway.open(new FakeHost(() => {}), { ifp: null, addresses: [{ addr: ip4('10.0.2.2'), plen: 32 }], loopback: true, outbound: true, defaultRoute: true }));
    expect(opened).toMatchObject({ step: 'route' });
    expect(v.net.ifunit('gw0')).toBeNull();
    expect(v.inNet.isLocal(ip4('10.0.2.2'))).toBe(false);
  });

  it('has an interface that says so', () => {
    const net = new SimNet(3);
    const v = net.vnet('v');
    const gw = net.clone(v, 'gw');
    net.addr(v, gw, '10.0.2.2/24');
    const so = net.udp(v);
    expect(so.send(bytes('x'), ip4('10.0.2.9'), 9)).not.toBe(0);
  });
});
