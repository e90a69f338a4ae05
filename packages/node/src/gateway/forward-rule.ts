/**
 * forward-rule.ts — ForwardRule: which port leads where, as text.
 *
 *     tcp:127.0.0.1:8022-10.0.2.15:22        udp:[::1]:5353-[fd00::15]:53        tcp::8080-10.0.2.15:80
 *
 * QEMU's and bhyve's hostfwd: protocol, where it is listened, where that leads. An address may be left out on the left: all of the host's, and in a
 * rule in reverse all of the gateway's. `hostfwd=` may be in front of a rule, and `;` between several, as bhyve has them in one argument.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { GatewayProto } from '@netloom/core';

export interface ForwardEnd {
  /** '' on the left: every address. */
  readonly address: string;
  readonly port: number;
}

export interface ForwardRule {
  readonly proto: GatewayProto;
  /** Where it is listened. */
  readonly listen: ForwardEnd;
  /** Where what comes there leads. */
  readonly to: ForwardEnd;
}

/** A rule that cannot be read: the value at fault, and what is right. */
export class ForwardRuleError extends Error {
  override readonly name = 'ForwardRuleError';
}

/** What a rule looks like. */
export const FORWARD_FORM = 'tcp|udp:[ADDRESS]:PORT-ADDRESS:PORT, such as tcp:127.0.0.1:8022-10.0.2.15:22; IPv6 addresses in brackets';

const PORT_MAX = 65_535;

/** @throws ForwardRuleError */
export function parseForwardRule(text: string): ForwardRule {
  const bad = (why: string): ForwardRuleError => new ForwardRuleError(`"${text}" is no rule for a forward: ${why} (${FORWARD_FORM})`);
  const rule = text.replace(/^hostfwd=/, '');
  const proto = rule.split(':', 1)[0] ?? '';
  if (proto !== 'tcp' && proto !== 'udp') throw bad(`"${proto}" is neither tcp nor udp`);
  const ends = rule.slice(proto.length + 1).split('-');
  if (ends.length !== 2) throw bad('there must be one "-" between the two ends');
  const [listen, to] = ends.map((end) => parseEnd(end));
  if (typeof listen !== 'object') throw bad(listen ?? '');
  if (typeof to !== 'object') throw bad(to ?? '');
  if (to.address === '') throw bad('the right end has no address');
  if (to.address.includes('%')) throw bad(`the right end, "${to.address}", has a zone, and nothing is reached by its link`);
  return { proto, listen, to };
}

/** bhyve's way to write several. @throws ForwardRuleError */
export function parseForwardRules(text: string): ForwardRule[] {
  return text.split(';').filter((rule) => rule !== '').map((rule) => parseForwardRule(rule));
}

/** An end, or what is wrong with it. */
function parseEnd(text: string): ForwardEnd | string {
  const parsed = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text);
  if (parsed === null) return `"${text}" is not ADDRESS:PORT`;
  const [, six, four = '', digits = ''] = parsed;
  const port = Number(digits);
  if (port < 1 || port > PORT_MAX) return `${digits} is no port (1 to ${PORT_MAX})`;
  if (six !== undefined) return isIPv6(six) ? { address: six, port } : `"${six}" is no IPv6 address`;
  return four === '' || isIPv4(four) ? { address: four, port } : `"${four}" is no IPv4 address`;
}

/** The rule as text; `parseForwardRule` reads it. */
export function formatForwardRule({ proto, listen, to }: ForwardRule): string {
  return `${proto}:${formatEnd(listen)}-${formatEnd(to)}`;
}

export function formatEnd({ address, port }: ForwardEnd): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
