/**
 * node-gateway.ts — NodeGateway: a vnet's gateway with the sockets of this process.
 * Read first: docs/gateway.md; core/src/gateway/gateway.ts (which decides); tcp-pipe.ts, udp-end.ts, ping-end.ts (which carry).
 *
 *     const gateway = NodeGateway.open(vnet, {});
 *     await gateway.forward(parseForwardRule('tcp:127.0.0.1:8022-10.0.2.15:22'));
 *     gateway.close();
 *
 * Forwards come and go while it is open; connections that came by one stay. However it is closed, by `close`, with its interface or with its vnet, the
 * ports of the host that listen for it are closed, too.
 */
import { EALREADY, EEXIST, VNET0_NAME, strerror } from '@netloom/core';
import type { AuditRow, EchoFlowDoor, GatewayAddress, GatewayHost, HostEcho, HostEnd, HostTcp, HostUdp, TcpFlowDoor, UdpFlowDoor, Vnet } from '@netloom/core';
import { ip4ParsePrefix, ip6ParsePrefix } from '@netloom/core/wire';
import { VnetDoor } from '../net/vnet-door.js';
import type { PacketsOut } from './datagrams-out.js';
import { openForward } from './forward-listener.js';
import type { ForwardListener } from './forward-listener.js';
import { formatEnd, formatForwardRule } from './forward-rule.js';
import type { ForwardRule } from './forward-rule.js';
import { PingEnd } from './ping-end.js';
import { PipeShop, TcpPipe } from './tcp-pipe.js';
import { UdpEnd } from './udp-end.js';

/** What a gateway has when nothing else is said. */
export const GATEWAY_ADDRESS = '10.0.2.2/32';
export const GATEWAY_ADDRESS6 = 'fd00::2/128';

export interface GatewayOptions {
  /** Which interface of the vnet has the gateway's addresses; left out: its own. */
  readonly interface?: string | undefined;
  /** With prefix length. Neither: those of `interface`, or 10.0.2.2/32 and fd00::2/128 on its own. */
  readonly address?: string | undefined;
  readonly address6?: string | undefined;
  /** Do its addresses lead to the loopback of the host? */
  readonly hostLoopback?: boolean | undefined;
  /** Guests reach the host as far as rules lead there, and nothing beyond. */
  readonly restrict?: boolean | undefined;
  /** Is it to be the default route? */
  readonly route?: boolean | undefined;
}

/** A forward that is there. */
export interface ForwardView {
  readonly rule: string;
  readonly reverse: boolean;
}

/** What cannot be done, and what to do instead. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
}

const AUDIT: readonly AuditRow<PacketsOut>[] = [{ name: 'packets that the host sends for gateways', packets: true, count: (out) => out.count }];

export class NodeGateway implements GatewayHost {
  readonly vnet: Vnet;
  private readonly shop: PipeShop;
  /** By rule: what listens on the host. */
  private readonly listeners = new Map<string, ForwardListener>();
  private readonly reverse = new Map<string, ForwardRule>();
  private readonly onClosed: () => void;
  private isClosed = false;

  private constructor(vnet: Vnet, onClosed: () => void) {
    this.vnet = vnet;
    this.shop = new PipeShop(new VnetDoor(vnet));
    this.onClosed = onClosed;
  }

  /** Opens the gateway of `vnet`. `onClosed` is called once, whoever closes it. @throws GatewayError */
  static open(vnet: Vnet, options: GatewayOptions, onClosed: () => void = () => undefined): NodeGateway {
    const made = new NodeGateway(vnet, onClosed);
    const { hostLoopback = true, restrict = false, route = true } = options;
    const face = faceOf(vnet, options.interface);
    const addresses = addressesOf(options);
    const opened = made.shop.door.call(() => vnet.gateway.open(made, { ifp: face, addresses, loopback: hostLoopback, outbound: !restrict, defaultRoute: route }));
    if ('step' in opened) throw new GatewayError(whyNot(vnet, opened.error, opened.step));
    vnet.kern.engine.audit.attach(AUDIT, made.shop.out);
    return made;
  }

  close(): void {
    if (!this.isClosed) this.shop.door.call(() => this.vnet.gateway.close());
  }

  /** Adds a forward: a port of the host that leads to a guest, or in reverse a port on the guests' side that leads to a service of the host. @throws GatewayError */
  async forward(rule: ForwardRule, reverse = false): Promise<void> {
    const key = formatForwardRule(rule);
    if (this.isClosed) throw new GatewayError('the gateway is closed');
    if (reverse) return this.addReverse(key, rule);
    if (this.listeners.has(key)) throw new GatewayError(`${key} is there already`);
    let listener: ForwardListener;
    try {
      listener = await openForward(this.vnet.gateway, this.shop, rule);
    } catch (error) {
      throw new GatewayError(`the host cannot listen on ${formatEnd(rule.listen)} (${(error as NodeJS.ErrnoException).code ?? String(error)}); choose another address or port`, { cause: error });
    }
    // Somebody may have been faster.
    if (this.isClosed || this.listeners.has(key)) {
      listener.close();
      throw new GatewayError(this.isClosed ? 'the gateway is closed' : `${key} is there already`);
    }
    this.listeners.set(key, listener);
  }

  /** Takes a forward away; what came by it stays. @throws GatewayError */
  unforward(rule: ForwardRule, reverse = false): void {
    const key = formatForwardRule(rule);
    const listener = this.listeners.get(key);
    if (reverse ? !this.reverse.has(key) : listener === undefined) throw new GatewayError(`there is no forward ${key}${reverse ? ' in reverse' : ''}`);
    if (reverse) {
      this.reverse.delete(key);
      this.vnet.gateway.opened?.policy.remove({ proto: rule.proto, ...rule.listen });
      return;
    }
    this.listeners.delete(key);
    listener?.close();
  }

  forwards(): ForwardView[] {
    return [...[...this.listeners.keys()].map((rule) => ({ rule, reverse: false })), ...[...this.reverse.keys()].map((rule) => ({ rule, reverse: true }))];
  }

  private addReverse(key: string, rule: ForwardRule): void {
    const { listen, to, proto } = rule;
    if (listen.address.includes('%')) throw new GatewayError(`"${listen.address}" has a zone, and guests reach nothing of the host by its link; choose another address`);
    const error = this.vnet.gateway.opened?.policy.add({ proto, ...listen, to: { family: to.address.includes(':') ? 6 : 4, ...to } }) ?? EALREADY;
    if (error === EEXIST) throw new GatewayError(`${proto} ${formatEnd(listen)} leads somewhere already; take that forward away first`);
    this.reverse.set(key, rule);
  }

  // ---- GatewayHost

  connect(flow: TcpFlowDoor, to: HostEnd): HostTcp {
    return TcpPipe.connect(this.shop, flow, to);
  }

  open(flow: UdpFlowDoor, to: HostEnd): HostUdp {
    return new UdpEnd(this.shop.out, flow, to);
  }

  ping(flow: EchoFlowDoor, to: HostEnd): HostEcho | null {
    return PingEnd.open(this.shop.out, flow, to);
  }

  closed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const listener of this.listeners.values()) listener.close();
    this.listeners.clear();
    this.reverse.clear();
    const { out } = this.shop;
    // The host gives back what it is sending when it has sent it.
    out.whenNone(() => this.vnet.kern.engine.audit.detach(out));
    this.onClosed();
  }
}

function faceOf(vnet: Vnet, name: string | undefined): Vnet['net']['ifnets'][number] | null {
  if (name === undefined) return null;
  const ifp = vnet.net.ifunit(name);
  if (ifp === null) throw new GatewayError(`there is no interface "${name}" (there are: ${vnet.net.ifnets.map((i) => i.xname).join(', ')})`);
  return ifp;
}

function addressesOf(options: GatewayOptions): GatewayAddress[] {
  const own = options.interface === undefined && options.address === undefined && options.address6 === undefined;
  const inet = own ? GATEWAY_ADDRESS : options.address;
  const inet6 = own ? GATEWAY_ADDRESS6 : options.address6;
  const made: GatewayAddress[] = [];
  if (inet !== undefined) {
    const p = ip4ParsePrefix(inet);
    if (p === null) throw new GatewayError(`"${inet}" is no IPv4 address with a prefix length (such as ${GATEWAY_ADDRESS})`);
    made.push({ addr: p.addr, plen: p.len });
  }
  if (inet6 !== undefined) {
    const p = ip6ParsePrefix(inet6);
    if (p === null) throw new GatewayError(`"${inet6}" is no IPv6 address with a prefix length (such as ${GATEWAY_ADDRESS6})`);
    made.push({ addr6: p.addr, plen: p.len });
  }
  return made;
}

function whyNot(vnet: Vnet, error: number, step: string): string {
  const name = vnet.name === VNET0_NAME ? 'host' : vnet.name;
  if (step === 'gateway') return `vnet "${name}" has a gateway already ("netloom gateway down ${name}" closes it)`;
  if (step === 'route' && error === EEXIST) return `vnet "${name}" has a default route already; take that away, or open the gateway without one`;
  return `the gateway of vnet "${name}" gets no ${step}: ${strerror(error)}`;
}
