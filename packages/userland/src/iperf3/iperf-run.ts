/**
 * iperf-run.ts — what a running iperf3 has at hand, as client and as server; and the sockets of streams.
 * Read first: iperf-test.ts; tcp-connect.ts.
 */
import { ECONNABORTED, PF_INET6, SOCK_DGRAM } from '@netloom/core';
import type { Errno, SockAddr, Socket, StreamSocket } from '@netloom/core';
import { ip4Format, ip6Format } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import type { Proc } from '../proc.js';
import { addressesOf, domainOf } from '../tcp-connect.js';
import type { ToolWait } from '../tool-wait.js';
import { iperfError } from './iperf-error.js';
import type { IperfErrorName } from './iperf-error.js';
import type { IperfOptions } from './iperf-options.js';
import type { IperfReporter } from './iperf-reporter.js';
import type { IperfSettings } from './iperf-settings.js';
import type { StreamEnds } from './iperf-stream.js';
import type { IperfTest } from './iperf-test.js';
import type { ControlChannel } from './control.js';

export interface IperfRun {
  readonly p: Proc;
  readonly o: IperfOptions;
  readonly wait: ToolWait;
  reporter: IperfReporter;
  /** The test under way, for whoever ends it. */
  test: IperfTest | null;
  control: ControlChannel | null;
}

/** A UDP socket of this process. @throws IperfError called `name` */
export function udpSocket(run: IperfRun, address: SockAddr, name: IperfErrorName): Socket {
  const { p } = run;
  const { sockets } = p.vnet;
  if (sockets === null) throw iperfError(name, ECONNABORTED);
  const { error, so } = sockets.socket(domainOf(address), SOCK_DGRAM, 0, p.fib);
  if (so === null) throw iperfError(name, error);
  return openedBy(p, run.wait.keep(so));
}

/** The address of `-B` in the family of `like`; null: none was asked for. @throws IperfError called `name` */
export function bindAddress(run: IperfRun, like: SockAddr, name: IperfErrorName): SockAddr | null {
  if (run.o.bind === null) return null;
  const [address] = addressesOf(run.p.vnet, run.o.bind, typeof like === 'number' ? 4 : 6);
  if (address === undefined) throw iperfError(name, 0, `no address of this family: ${run.o.bind}`);
  return address;
}

/** A call that must succeed. @throws IperfError called `name` */
export function must(error: Errno, name: IperfErrorName): void {
  if (error !== 0) throw iperfError(name, error);
}

/** The options both kinds of sockets have. */
export function commonOptions(so: Socket | StreamSocket, s: IperfSettings): void {
  const v6 = so.domain === PF_INET6;
  if (s.tos > 0) must(so.setsockopt(v6 ? 'IPV6_TCLASS' : 'IP_TOS', s.tos), v6 ? 'SETCOS' : 'SETTOS');
  if (s.window > 0) {
    must(so.setsockopt('SO_RCVBUF', s.window), 'SETBUF');
    must(so.setsockopt('SO_SNDBUF', s.window), 'SETBUF');
  }
}

/** The options of a TCP stream that is connected. MSS can only be made smaller than what both sides have agreed on. */
export function tcpOptions(so: StreamSocket, s: IperfSettings): void {
  if (s.noDelay) must(so.setsockopt('TCP_NODELAY', 1), 'SETNODELAY');
  if (s.mss > 0 && s.mss < (so.getsockopt('TCP_MAXSEG') ?? 0)) must(so.setsockopt('TCP_MAXSEG', s.mss), 'SETMSS');
}

/** An address in words, without its zone; one that is IPv4's in IPv4's words. */
export function addressText(address: SockAddr): string {
  return typeof address === 'number' ? ip4Format(address) : ip6Format(address.addr).replace(/^::ffff:(?=[0-9]+\.)/, '');
}

/** Both ends of a connected socket. */
export function endsOf(so: Socket | StreamSocket): StreamEnds {
  const [name6, peer6] = [so.name6(), so.peer6()];
  if (name6 !== null) {
    return { localHost: addressText(name6), localPort: name6.port, remoteHost: peer6 === null ? '' : addressText(peer6), remotePort: peer6?.port ?? 0 };
  }
  const [name, peer] = [so.name(), so.peer()];
  return { localHost: ip4Format(name.addr), localPort: name.port, remoteHost: peer === null ? '' : ip4Format(peer.addr), remotePort: peer?.port ?? 0 };
}

/** Sizes of a socket's buffers, for the reports. */
export function reportBuffers(run: IperfRun, so: Socket | StreamSocket, s: IperfSettings): void {
  run.reporter.buffers({ wanted: s.window, send: so.getsockopt('SO_SNDBUF') ?? 0, receive: so.getsockopt('SO_RCVBUF') ?? 0 });
}
