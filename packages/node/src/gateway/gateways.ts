/**
 * gateways.ts — the gateways of a daemon: one for each vnet that has one.
 * Read first: node-gateway.ts; gateway-routes.ts and lab/lab-gateway.ts, who ask for them.
 *
 * A gateway is listed while it is open, however it comes to its end: closed here, with its interface, with its vnet.
 */
import type { HostEnd, Kernel, Prison, Vnet } from '@netloom/core';
import { EchoFlow, GATEWAY_HOST_NAME, TcpFlow, UdpFlow } from '@netloom/core';
import { ip4Format, ip6Format, ip6OfWords, ip6Plain } from '@netloom/core/wire';
import { HOST_VNET } from '../lab/lab-model.js';
import type { HostLoop } from '../loop.js';
import { formatEnd, parseForwardRules } from './forward-rule.js';
import { GatewayError, NodeGateway } from './node-gateway.js';
import type { ForwardView, GatewayOptions } from './node-gateway.js';

export interface GatewayRequest extends GatewayOptions {
  /** Forwards it begins with, as text. */
  readonly forward?: readonly string[] | undefined;
  readonly reverse?: readonly string[] | undefined;
}

export interface GatewayView {
  readonly vnet: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  /** What guests call it. */
  readonly name: string;
  readonly hostLoopback: boolean;
  readonly restrict: boolean;
  readonly forwards: readonly ForwardView[];
  /** Flows at the moment. */
  readonly flows: { readonly tcp: number; readonly udp: number; readonly echo: number };
}

export interface FlowView {
  readonly proto: 'tcp' | 'udp' | 'echo';
  /** Who began it: a guest, or somebody outside by way of a forward. */
  readonly direction: 'out' | 'in';
  readonly guest: string;
  /** What the guest takes its other end for. */
  readonly asked: string;
  /** What that is in the host's network. */
  readonly host: string;
  readonly state: string;
  readonly idleUs: number;
}

export class Gateways {
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly open = new Map<Vnet, NodeGateway>();

  constructor(kernel: Kernel, loop: HostLoop) {
    this.kernel = kernel;
    this.loop = loop;
  }

  list(): GatewayView[] {
    this.loop.enter();
    return this.prisons().flatMap(({ name, vnet }) => {
      const gateway = this.open.get(vnet);
      return gateway === undefined ? [] : this.viewOf(name, gateway);
    });
  }

  /** Opens the gateway of a vnet with its forwards: all of it, or nothing. @throws GatewayError, ForwardRuleError */
  async up(vnetName: string, request: GatewayRequest): Promise<GatewayView> {
    const rules = [...rulesOf(request.forward, false), ...rulesOf(request.reverse, true)];
    const vnet = this.find(vnetName);
    const gateway = NodeGateway.open(vnet, request, () => this.open.delete(vnet));
    this.open.set(vnet, gateway);
    try {
      for (const { rule, reverse } of rules) await gateway.forward(rule, reverse);
    } catch (error) {
      gateway.close();
      throw error;
    }
    return this.gatewayOf(vnetName).view;
  }

  /** @throws GatewayError */
  down(vnetName: string): void {
    this.gatewayOf(vnetName).gateway.close();
  }

  /** Adds forwards, or takes them away; `;` may be between several. @throws GatewayError, ForwardRuleError */
  async forward(vnetName: string, text: string, reverse: boolean): Promise<GatewayView> {
    const { gateway } = this.gatewayOf(vnetName);
    for (const rule of parseForwardRules(text)) await gateway.forward(rule, reverse);
    return this.gatewayOf(vnetName).view;
  }

  unforward(vnetName: string, text: string, reverse: boolean): GatewayView {
    const { gateway } = this.gatewayOf(vnetName);
    for (const rule of parseForwardRules(text)) gateway.unforward(rule, reverse);
    return this.gatewayOf(vnetName).view;
  }

  flows(vnetName: string): FlowView[] {
    const now = this.loop.enter();
    const opened = this.gatewayOf(vnetName).gateway.vnet.gateway.opened;
    if (opened === null) return [];
    return [...opened.tcp.waiting, ...opened.tcp.joined, ...opened.udp.flows, ...opened.echo.flows].map((flow) => flowView(flow, now));
  }

  close(): void {
    for (const gateway of [...this.open.values()]) gateway.close();
  }

  private viewOf(name: string, gateway: NodeGateway): GatewayView[] {
    const { opened } = gateway.vnet.gateway;
    if (opened === null) return [];
    const { tcp, udp, echo, config, addresses, ifp } = opened;
    return [{
      vnet: name, interface: ifp.xname, addresses, name: GATEWAY_HOST_NAME, hostLoopback: config.loopback, restrict: !config.outbound, forwards: gateway.forwards(),
      flows: { tcp: tcp.count, udp: udp.flows.size, echo: echo.flows.size },
    }];
  }

  private gatewayOf(name: string): { gateway: NodeGateway; view: GatewayView } {
    const gateway = this.open.get(this.find(name));
    const view = gateway === undefined ? undefined : this.viewOf(name, gateway)[0];
    if (gateway === undefined || view === undefined) throw new GatewayError(`vnet "${name}" has no gateway ("netloom gateway up ${name}" opens one)`);
    return { gateway, view };
  }

  private find(name: string): Vnet {
    this.loop.enter();
    const root = this.kernel.prisons.prison0;
    const prison = name === HOST_VNET ? root : this.kernel.prisons.find(root, name);
    if (prison === null) throw new GatewayError(`there is no vnet "${name}" ("netloom ps" lists them)`);
    if (prison.dying) throw new GatewayError(`jail "${name}" is dying ("netloom ps --dying" says what holds it)`);
    if (!prison.ownsVnet) throw new GatewayError(`jail "${name}" has no vnet of its own`);
    return prison.vnet;
  }

  private prisons(): { name: string; vnet: Vnet }[] {
    const root = this.kernel.prisons.prison0;
    const named = (p: Prison): { name: string; vnet: Vnet } => ({ name: p === root ? HOST_VNET : p.nameFrom(root), vnet: p.vnet });
    return [root, ...root.descendants()].filter((p) => p.ownsVnet).map(named);
  }
}

function rulesOf(texts: readonly string[] | undefined, reverse: boolean): { rule: ReturnType<typeof parseForwardRules>[number]; reverse: boolean }[] {
  return (texts ?? []).flatMap((text) => parseForwardRules(text).map((rule) => ({ rule, reverse })));
}

function flowView(flow: TcpFlow | UdpFlow | EchoFlow, now: number): FlowView {
  const { ends: e } = flow;
  const text = (w0: number, w1: number, w2: number, w3: number, port: number): string =>
    placeText({ family: e.isV6 ? 6 : 4, address: e.isV6 ? ip6Format(ip6Plain(ip6OfWords(w0, w1, w2, w3))) : ip4Format(w3 >>> 0), port: flow instanceof EchoFlow ? 0 : port });
  const isIn = flow instanceof TcpFlow ? flow.isForward : flow instanceof UdpFlow && flow.isForward;
  return {
    proto: flow instanceof TcpFlow ? 'tcp' : flow instanceof UdpFlow ? 'udp' : 'echo', direction: isIn ? 'in' : 'out',
    guest: text(e.f0, e.f1, e.f2, e.f3, e.fport), asked: text(e.l0, e.l1, e.l2, e.l3, e.lport), host: placeText(flow.to),
    state: flow instanceof TcpFlow ? flow.state : 'open', idleUs: now - flow.since,
  };
}

const placeText = ({ address, port }: HostEnd): string => (port === 0 ? address : formatEnd({ address, port }));
