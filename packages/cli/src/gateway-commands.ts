/**
 * gateway-commands.ts — `netloom gateway`: ways out of vnets through this machine's sockets.
 *
 * Read first: docs/gateway.md.
 *
 * Inside a jail what is the jail's is listed; opening a way to this machine's networks is for outside all jails.
 */
import { DaemonClient } from '@netloom/node/client';
import type { FlowView, GatewayView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE, json, table } from './cli-io.js';
import { isSeenFrom, jailAround } from './inside-jail.js';

export interface GatewayUpOptions {
  readonly interface?: string;
  readonly address?: string;
  readonly address6?: string;
  readonly hostLoopback?: boolean;
  readonly restrict?: boolean;
  readonly route?: boolean;
  readonly forward?: readonly string[];
  readonly reverse?: readonly string[];
  readonly json?: boolean;
}

export interface ForwardOptions {
  readonly reverse?: boolean;
}

function outsideOnly(io: CliIo): void {
  const jail = jailAround(io);
  if (jail !== '') throw new CliError(`a way to this machine's networks is not for the jail "${jail}" (NETLOOM_JAIL) to open; do it from outside`, EXIT_USAGE);
}

const place = (vnet: string): string => `/v1/gateways/${encodeURIComponent(vnet)}`;

export async function gatewayUp(vnet: string, options: GatewayUpOptions, socket: string, io: CliIo): Promise<void> {
  outsideOnly(io);
  const { json: asJson, interface: ifname, address, address6, hostLoopback, restrict, route, forward, reverse } = options;
  const view = await new DaemonClient(socket).post<GatewayView>('/v1/gateways', { vnet, interface: ifname, address, address6, hostLoopback, restrict, route, forward, reverse });
  io.out(asJson === true ? json(view) : `the gateway of ${vnet} is up: ${view.interface}${view.addresses.length === 0 ? '' : `, ${view.addresses.join(', ')} (${view.name})`}\n`);
}

export async function gatewayDown(vnet: string, socket: string, io: CliIo): Promise<void> {
  outsideOnly(io);
  await new DaemonClient(socket).delete(place(vnet));
  io.out(`the gateway of ${vnet} is down\n`);
}

export async function gatewayList(options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const jail = jailAround(io);
  const list = (await new DaemonClient(socket).get<GatewayView[]>('/v1/gateways')).filter((g) => isSeenFrom(jail, g.vnet));
  if (options.json === true) return io.out(json(list));
  const rows = list.map((g) => [
    g.vnet, g.interface, g.addresses.join(', ') || '-', `${g.flows.tcp} tcp, ${g.flows.udp} udp, ${g.flows.echo} echo`, g.restrict ? 'the host only' : 'anywhere', g.hostLoopback ? 'yes' : 'no',
    g.forwards.map((f) => `${f.rule}${f.reverse ? ' (reverse)' : ''}`).join(', ') || '-',
  ]);
  io.out(table(['VNET', 'INTERFACE', 'ADDRESSES', 'FLOWS', 'REACHES', 'LOOPBACK', 'FORWARDS'], rows));
}

export async function gatewayFlows(vnet: string, options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  if (!isSeenFrom(jailAround(io), vnet)) throw new CliError(`"${vnet}" is for outside the jail "${jailAround(io)}" (NETLOOM_JAIL)`, EXIT_USAGE);
  const flows = await new DaemonClient(socket).get<FlowView[]>(`${place(vnet)}/flows`);
  if (options.json === true) return io.out(json(flows));
  const rows = flows.map((f) => [f.proto, f.guest, f.direction === 'out' ? '->' : '<-', f.asked, f.host, f.state, `${(f.idleUs / 1e6).toFixed(1)}s`]);
  io.out(table(['PROTO', 'GUEST', '', 'ASKED', 'HOST', 'STATE', 'IDLE'], rows));
}

export async function gatewayForward(vnet: string, rules: readonly string[], options: ForwardOptions, socket: string, io: CliIo): Promise<void> {
  outsideOnly(io);
  for (const rule of rules) {
    await new DaemonClient(socket).post<GatewayView>(`${place(vnet)}/forwards`, { rules: rule, reverse: options.reverse === true });
    io.out(`${rule} is forwarded\n`);
  }
}

export async function gatewayUnforward(vnet: string, rules: readonly string[], options: ForwardOptions, socket: string, io: CliIo): Promise<void> {
  outsideOnly(io);
  for (const rule of rules) {
    const query = new URLSearchParams({ rules: rule, reverse: String(options.reverse === true) });
    await new DaemonClient(socket).delete<GatewayView>(`${place(vnet)}/forwards?${query.toString()}`);
    io.out(`${rule} is forwarded no more\n`);
  }
}
