/**
 * ping.ts — ping(8): ask a host whether it is there.
 * Read first: ping(8). Exit codes: 0 an answer came, 2 none came, 64 usage, 68 no such host, 71 the system refused.
 *
 * Not here: IPv6 (`ping -6`, `ping6` say so), names (there is no resolver: addresses only).
 */
import { IPPROTO_ICMP, inetAton } from '@netloom/core/wire';
import { PF_INET, SOCK_RAW, strerror } from '@netloom/core';
import type { Socket } from '@netloom/core';
import type { Proc } from '../proc.js';
import { EX_USAGE, PING_USAGE, parsePing } from './ping-options.js';
import type { PingOptions } from './ping-options.js';
import { PingSession } from './ping-session.js';

const EX_NOHOST = 68;
const EX_OSERR = 71;

/** Room for the answers of a flood or a big `-s`. */
const RCVBUF_BYTES = 256 * 1024;
/** A record-route option: type, length, pointer and room for nine addresses. */
const IPOPT_RR = 7;
const RR_BYTES = 39;
const RR_POINTER = 4;

export async function ping(p: Proc): Promise<number> {
  const six = p.argv[0] === 'ping6' || p.argv.includes('-6');
  if (six) return fail(p, EX_USAGE, 'IPv6 is not built in; give an IPv4 address');
  const parsed = parsePing(p.argv);
  if ('error' in parsed) {
    p.err(parsed.error === null ? PING_USAGE : `ping: ${parsed.error}\n`);
    if (parsed.error?.includes(' -- ') === true) p.err(PING_USAGE);
    return parsed.error === null || parsed.error.includes(' -- ') ? 1 : EX_USAGE;
  }
  const { options } = parsed;
  const dst = inetAton(options.host);
  if (dst === null) return fail(p, EX_NOHOST, `cannot resolve ${options.host}: Host name lookup failure (give an address: there is no resolver here)`);
  const { sockets } = p.vnet;
  if (sockets === null) return fail(p, EX_OSERR, 'ssend socket: Protocol not supported');
  const { error, so } = sockets.socket(PF_INET, SOCK_RAW, IPPROTO_ICMP, p.fib);
  if (so === null) return fail(p, EX_OSERR, `ssend socket: ${strerror(error)}`);
  p.atExit(() => so.close());
  const refused = configure(so, options);
  if (refused !== null) {
    so.close();
    return fail(p, refused.code, refused.text);
  }
  const code = await new PingSession(p, options, so, dst).run();
  so.close();
  return code;
}

function fail(p: Proc, code: number, text: string): number {
  p.err(`ping: ${text}\n`);
  return code;
}

function recordRoute(): Uint8Array {
  const bytes = new Uint8Array(RR_BYTES + 1);
  bytes.set([IPOPT_RR, RR_BYTES, RR_POINTER]);
  return bytes;
}

/** Puts the options on the socket; what was refused, or null. */
function configure(so: Socket, o: PingOptions): { readonly code: number; readonly text: string } | null {
  so.rcv.hiwat = RCVBUF_BYTES;
  so.setsockopt('SO_BROADCAST', 1);
  if (o.dontRoute) so.setsockopt('SO_DONTROUTE', 1);
  if (o.dontFragment) so.setsockopt('IP_DONTFRAG', 1);
  if (o.ttl >= 0) so.setsockopt('IP_TTL', o.ttl);
  if (o.tos >= 0) so.setsockopt('IP_TOS', o.tos);
  if (o.pcp >= 0) so.setsockopt('IP_VLAN_PCP', o.pcp);
  if (o.recordRoute) so.setIpOptions(recordRoute());
  if (o.multicastTtl >= 0) so.setsockopt('IP_MULTICAST_TTL', o.multicastTtl);
  if (o.noLoop) so.setsockopt('IP_MULTICAST_LOOP', 0);
  if (o.source === null) return null;
  const src = inetAton(o.source);
  if (src === null) return { code: EX_NOHOST, text: `cannot resolve ${o.source}: Host name lookup failure` };
  const error = so.bind(src, 0);
  return error === 0 ? null : { code: 1, text: `bind: ${strerror(error)}` };
}
