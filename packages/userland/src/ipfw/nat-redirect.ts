/**
 * nat-redirect.ts — redirect_addr, redirect_port, redirect_proto: what comes in from outside and whom it is for, from words and back.
 * Read first: ipfw(8) "redirect_port"; natd(8).
 *
 *     redirect_addr   LOCAL[,LOCAL..] PUBLIC
 *     redirect_port   tcp|udp LOCAL:PORT[-PORT][,LOCAL:PORT..] [PUBLIC:]PORT[-PORT] [REMOTE[:PORT[-PORT]]]
 *     redirect_proto  PROTO LOCAL [PUBLIC [REMOTE]]
 *
 * Several local addresses share what comes in (RFC 2391).
 */
import type { IpfwRedirect } from '@netloom/core';
import { IPPROTO_TCP, IPPROTO_UDP, ip4Format } from '@netloom/core/wire';
import { isDigit, strtol } from '../c-number.js';
import { hostAddress } from '../host-address.js';
import { protocolName, protocolNumber } from '../protocols.js';
import { servicePort } from '../services.js';
import { EX_DATAERR } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';

interface Ports {
  readonly first: number;
  readonly count: number;
}

const NOTHING: IpfwRedirect = { kind: 'addr', proto: 0, local: 0, localPort: 0, ports: 1, alias: 0, aliasPort: 0, remote: 0, remotePort: 0, remotePorts: 1, servers: [] };

/** Takes the words of a redirection; null when `word` begins none. */
export function takeRedirect(t: IpfwTool, word: string, av: string[]): IpfwRedirect | null {
  switch (word) {
    case 'redirect_addr':
      return takeAddr(t, av);
    case 'redirect_port':
      return takePort(t, av);
    case 'redirect_proto':
      return takeProto(t, av);
    default:
      return null;
  }
}

function addr(t: IpfwTool, text: string): number {
  return hostAddress(text) ?? t.errx(1, `unknown host ${text}`);
}

function enough(t: IpfwTool, what: string, av: readonly string[], n: number): void {
  if (av.length < n) t.errx(EX_DATAERR, `${what}: not enough arguments`);
}

function takeAddr(t: IpfwTool, av: string[]): IpfwRedirect {
  enough(t, 'redirect_addr', av, 2);
  const [locals = '', alias = ''] = av.splice(0, 2);
  const servers = locals.includes(',') ? locals.split(',').map((text) => ({ addr: addr(t, text), port: 0 })) : [];
  return { ...NOTHING, kind: 'addr', local: servers.length > 0 ? 0 : addr(t, locals), alias: addr(t, alias), servers };
}

function portsOf(t: IpfwTool, text: string, proto: string): Ports {
  const service = servicePort(text);
  if (service !== null) return { first: service, count: 1 };
  const [from = '', to] = text.split('-', 2);
  if (!isDigit(from)) return t.errx(EX_DATAERR, `${text}/${proto}: unknown service`);
  const first = strtol(from).value;
  const last = to === undefined ? first : strtol(to).value;
  return first <= last && last <= 0xffff ? { first, count: last - first + 1 } : t.errx(EX_DATAERR, `invalid port range ${text}`);
}

function addrAndPorts(t: IpfwTool, text: string, proto: string): Ports & { readonly addr: number } {
  const at = text.indexOf(':');
  if (at < 0) return t.errx(EX_DATAERR, `${text} is missing port number`);
  return { addr: addr(t, text.slice(0, at)), ...portsOf(t, text.slice(at + 1), proto) };
}

function takePort(t: IpfwTool, av: string[]): IpfwRedirect {
  enough(t, 'redirect_port', av, 3);
  const [name = '', locals = '', outside = ''] = av.splice(0, 3);
  const proto = name === 'tcp' ? IPPROTO_TCP : name === 'udp' ? IPPROTO_UDP : t.errx(EX_DATAERR, `unknown protocol ${name}. Expected sctp, tcp or udp`);
  const pool = locals.includes(',') ? locals.split(',').map((text) => addrAndPorts(t, text, name)) : [];
  if (pool.some(({ count }) => count !== 1)) return t.errx(EX_DATAERR, 'redirect_port: local port must be single in this context');
  const local = pool.length > 0 ? { addr: 0, first: 0, count: 1 } : addrAndPorts(t, locals, name);
  const alias = outside.includes(':') ? addrAndPorts(t, outside, name) : { addr: 0, ...portsOf(t, outside, name) };
  const far = isDigit(av[0]) ? (av.shift() ?? '') : '';
  const remote = far.includes(':') ? addrAndPorts(t, far, name) : { addr: far === '' ? 0 : addr(t, far), first: 0, count: 1 };
  if (local.count !== alias.count) return t.errx(EX_DATAERR, 'redirect_port: port ranges must be equal in size');
  if (remote.count !== local.count && (remote.count !== 1 || remote.first !== 0)) return t.errx(EX_DATAERR, 'redirect_port: remote port mustbe 0 or equal to local port range in size');
  return {
    kind: 'port', proto, local: local.addr, localPort: local.first, ports: local.count, alias: alias.addr, aliasPort: alias.first, remote: remote.addr, remotePort: remote.first,
    remotePorts: remote.count, servers: pool.map((s) => ({ addr: s.addr, port: s.first })),
  };
}

function takeProto(t: IpfwTool, av: string[]): IpfwRedirect {
  enough(t, 'redirect_proto', av, 2);
  const [name = '', local = ''] = av.splice(0, 2);
  const proto = protocolNumber(name) ?? t.errx(EX_DATAERR, `redirect_proto: unknown protocol ${name}`);
  const more = (): number => (isDigit(av[0]) ? addr(t, av.shift() ?? '') : 0);
  return { ...NOTHING, kind: 'proto', proto, local: addr(t, local), alias: more(), remote: more() };
}

const range = (first: number, count: number): string => (count > 1 ? `${first}-${first + count - 1}` : String(first));

/** As `nat show config` has it, with a space before. */
export function redirectText(r: IpfwRedirect): string {
  const far = r.remote === 0 ? '' : ` ${ip4Format(r.remote)}`;
  if (r.kind === 'addr') {
    const locals = r.servers.length === 0 ? ip4Format(r.local) : r.servers.map((s) => ip4Format(s.addr)).join(',');
    return ` redirect_addr ${locals} ${ip4Format(r.alias)}`;
  }
  if (r.kind === 'proto') {
    return ` redirect_proto ${protocolName(r.proto) ?? String(r.proto)} ${ip4Format(r.local)}${r.alias === 0 ? '' : ` ${ip4Format(r.alias)}${far}`}`;
  }
  const locals = r.servers.length === 0 ? `${ip4Format(r.local)}:${range(r.localPort, r.ports)}` : r.servers.map((s) => `${ip4Format(s.addr)}:${s.port}`).join(',');
  const outside = `${r.alias === 0 ? '' : `${ip4Format(r.alias)}:`}${range(r.aliasPort, r.ports)}`;
  const farPorts = r.remote === 0 || r.remotePort === 0 ? '' : `:${range(r.remotePort, r.remotePorts)}`;
  return ` redirect_port ${protocolName(r.proto) ?? String(r.proto)} ${locals} ${outside}${far}${farPorts}`;
}
