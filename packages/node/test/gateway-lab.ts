/**
 * gateway-lab.ts — a guest, a router with a gateway, and this machine's loopback, for tests of gateways on real sockets.
 *
 * `close` takes everything down and answers with what was left, which is to be nothing.
 */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import net from 'node:net';
import { IN6_IFF_NODAD, Kernel, RTF_GATEWAY, RTF_STATIC, ifCloneCreate, ifUp, ifVmove, in6Aifaddr, inAifaddr, quietEnv } from '@netloom/core';
import type { Ifnet, Vnet } from '@netloom/core';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import { NodeGateway } from '../src/gateway/node-gateway.js';
import type { GatewayOptions } from '../src/gateway/node-gateway.js';
import { HostLoop } from '../src/loop.js';

export const GUEST = '10.0.2.15';
export const GATEWAY = '10.0.2.2';
export const GUEST6 = 'fd00::15';
export const GATEWAY6 = 'fd00::2';

export class GatewayLab {
  readonly errors: unknown[] = [];
  readonly loop = new HostLoop((error) => this.errors.push(error));
  readonly kernel = new Kernel({ ...quietEnv(1), wake: () => this.loop.wake() });
  readonly guest: Vnet;
  readonly router: Vnet;
  gateway: NodeGateway;
  private readonly servers = new Set<Server>();
  private readonly options: GatewayOptions;
  private readonly before: unknown;

  constructor(options: GatewayOptions = {}) {
    this.loop.attach(this.kernel);
    this.guest = this.jail('guest');
    this.router = this.jail('router');
    this.kernel.call(this.loop.enter(), () => {
      const { net: host } = this.kernel.vnet0;
      const a = ifCloneCreate(host, 'epair').ifp!;
      const b = host.ifunit(`${a.xname.slice(0, -1)}b`)!;
      const [g, r] = [ifVmove(a, this.guest.net).ifp!, ifVmove(b, this.router.net).ifp!];
      addresses(this.guest, g, GUEST, GUEST6);
      addresses(this.router, r, GATEWAY, GATEWAY6);
      this.guest.routes.add({ fib: 0, family: 'inet', dst: 0, plen: 0, gateway: ip4Parse(GATEWAY)!, flags: RTF_GATEWAY | RTF_STATIC });
      this.guest.routes.add({ fib: 0, family: 'inet6', dst: new Uint8Array(16), plen: 0, gateway: ip6Parse(GATEWAY6)!, flags: RTF_GATEWAY | RTF_STATIC });
    });
    this.before = this.held();
    this.options = { interface: this.router.net.ifnets.find((i) => i.cloner === 'epair')!.xname, ...options };
    this.gateway = NodeGateway.open(this.router, this.options);
  }

  /** The same gateway again, after it has been closed. */
  reopen(): void {
    this.gateway = NodeGateway.open(this.router, this.options);
  }

  /** A server of this machine on its loopback; its port. */
  async serve(handler: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined); // of those that a test leaves behind
      handler(socket);
    }).listen(0, host);
    this.servers.add(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** Lets `server` go with the lab; its port. */
  async adopt(server: Server, host = '127.0.0.1'): Promise<number> {
    this.servers.add(server);
    server.listen(0, host);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** What the router holds beyond what it held before there was a gateway. */
  left(): unknown {
    const now = this.held();
    return JSON.stringify(now) === JSON.stringify(this.before) ? [] : now;
  }

  /** Waits until `is` holds, however many turns of the event loop that takes. */
  async until(is: () => boolean): Promise<void> {
    while (!is()) await new Promise(setImmediate);
  }

  async close(): Promise<{ packets: number; errors: readonly unknown[]; leaks: readonly unknown[] }> {
    this.gateway.close();
    for (const server of this.servers) server.close();
    this.kernel.shutdown();
    const { pool } = this.kernel.engine;
    await this.until(() => pool.inUse === 0);
    this.loop.close();
    return { packets: pool.inUse, errors: this.errors, leaks: this.kernel.audit().leaks };
  }

  private jail(name: string): Vnet {
    return this.kernel.jailCreate(this.kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true }).prison!.vnet;
  }

  private held(): { name: string; count: number }[] {
    const rows = this.kernel.audit().vnets.find((v) => v.vnet === 'router')?.rows;
    if (rows === undefined) throw new Error('there is no router');
    // Neighbours and what is learned of paths stay, with or without a gateway.
    return rows.filter((r) => r.count !== 0 && !/neighbour|hostcache|timers|ARP|TIME_WAIT/.test(r.name)).map(({ name, count }) => ({ name, count }));
  }
}

function addresses(v: Vnet, ifp: Ifnet, four: string, six: string): void {
  ifUp(ifp);
  inAifaddr(v.inNet, ifp, { addr: ip4Parse(four)!, plen: 24 });
  in6Aifaddr(v.in6Net, ifp, { addr: ip6Parse(six)!, plen: 64, flags: IN6_IFF_NODAD });
}
