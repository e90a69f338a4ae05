/**
 * lab-gateway.ts — `gateway:` of a lab's vnet: the command that opens it, what a schema cannot say of it, and the command's words read again.
 * Read first: lab-plan.ts; docs/gateway.md.
 */
import { parseArgs } from 'node:util';
import { ForwardRuleError, parseForwardRules } from '../gateway/forward-rule.js';
import type { GatewayRequest } from '../gateway/gateways.js';
import { jailPath, many } from './lab-model.js';
import type { Lab, LabGateway, LabPath } from './lab-model.js';

/** `gateway: true` is one with nothing said; false and left out, none. */
export function gatewayOf(gateway: LabGateway | boolean | undefined): LabGateway | null {
  return gateway === true ? {} : gateway === false || gateway === undefined ? null : gateway;
}

/** `netloom gateway up`, for each vnet that has one. */
export function planGateways(lab: Lab): { readonly argv: readonly string[]; readonly path: LabPath }[] {
  return Object.entries(lab.vnets).flatMap(([name, vnet]) => {
    const gateway = gatewayOf(vnet?.gateway);
    if (gateway === null) return [];
    const words = Object.entries({ interface: gateway.interface, address: gateway.address, address6: gateway.address6 });
    const argv = [
      'netloom', 'gateway', 'up', jailPath(lab, name), ...words.flatMap(([word, value]) => (value === undefined ? [] : [`--${word}`, value])),
      ...(gateway.host_loopback === false ? ['--no-host-loopback'] : []), ...(gateway.restrict === true ? ['--restrict'] : []), ...(gateway.route === false ? ['--no-route'] : []),
      ...many(gateway.forward).flatMap((rule) => ['--forward', rule]), ...many(gateway.reverse).flatMap((rule) => ['--reverse', rule]),
    ];
    return [{ argv, path: ['vnets', name, 'gateway'] }];
  });
}

type Report = (path: LabPath, message: string, remedy: string) => void;

/** `known`: has the vnet that interface? */
export function checkGateway(path: LabPath, vnet: string, gateway: LabGateway, known: (ifname: string) => boolean, report: Report): void {
  if (gateway.interface !== undefined && !known(gateway.interface)) report([...path, 'interface'], `vnet "${vnet}" has no interface "${gateway.interface}"`, 'name the one that guests are on, or leave it out');
  for (const key of ['forward', 'reverse'] as const) {
    many(gateway[key]).forEach((text, i) => {
      try {
        parseForwardRules(text);
      } catch (error) {
        if (!(error instanceof ForwardRuleError)) throw error;
        report([...path, key, ...(typeof gateway[key] === 'string' ? [] : [i])], error.message.replace(/ \([^)]*\)$/, ''), 'write tcp:127.0.0.1:8022-10.0.2.15:22');
      }
    });
  }
}

const OPTIONS = {
  'interface': { type: 'string' }, 'address': { type: 'string' }, 'address6': { type: 'string' }, 'no-host-loopback': { type: 'boolean' }, 'restrict': { type: 'boolean' },
  'no-route': { type: 'boolean' }, 'forward': { type: 'string', multiple: true }, 'reverse': { type: 'string', multiple: true },
} as const;

/** What the words behind `netloom gateway up` ask for; of a plan, so they are right. */
export function gatewayRequest(words: readonly string[]): { readonly vnet: string; readonly request: GatewayRequest } {
  const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
  const { 'no-host-loopback': closed, 'no-route': noRoute, ...rest } = values;
  return { vnet: positionals[0] ?? '', request: { ...rest, hostLoopback: closed !== true, route: noRoute !== true } };
}
