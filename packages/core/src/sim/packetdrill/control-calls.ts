/**
 * control-calls.ts — making, connecting and ending sockets: socket, bind, listen, accept, connect, shutdown, close, fcntl.
 */
import { EAGAIN, EINPROGRESS } from '../../base/errno.js';
import { NEVER } from '../../base/time.js';
import type { SockAddr } from '../../socket/socket-in6.js';
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_STREAM } from '../../socket/socket-type.js';
import type { StreamSocket } from '../../socket/stream-socket.js';
import { ip6OfIp4 } from '../../wire/addr6.js';
import type { CallArgs } from './call-args.js';
import type { CallHost, ScriptCall } from './call-host.js';
import { errno, fdArg, value } from './call-host.js';
import type { IpBytes } from './peer-address.js';
import { ipBytesParse, ipNumber } from './peer-address.js';
import type { CallRun } from './process.js';
import { datagramFd, streamFd } from './script-fd.js';
import type { ScriptFd, StreamFd } from './script-fd.js';
import { F_GETFL, F_SETFL, O_NONBLOCK, O_RDWR, SOCK_CLOEXEC, SOCK_NONBLOCK } from './symbols.js';

/** An address as sockets of the run's family take it. */
export function sockAddrOf(host: CallHost, ip: IpBytes): SockAddr {
  if (host.config.ipVersion === 'ipv4') return ipNumber(ip);
  return { addr: ip.length === 4 ? ip6OfIp4(ipNumber(ip)) : ip, scopeId: 0 };
}

/** The address argument `i`; `...` is `fallback`. */
export function endpointArg(host: CallHost, args: CallArgs, i: number, fallback: IpBytes, port: number): { addr: SockAddr; port: number } {
  const given = args.address(i);
  if (given === null) return { addr: sockAddrOf(host, fallback), port };
  const ip = ipBytesParse(given.text) ?? args.fail(`"${given.text}" is no address`);
  return { addr: sockAddrOf(host, ip), port: given.port };
}

/** The number that the script wants a new descriptor to have; -1 when it wants an error. */
function wantedFd(args: CallArgs): number {
  const { result, error } = args.call;
  return error !== '' || result.kind !== 'int' ? -1 : result.value;
}

function install(host: CallHost, args: CallArgs, fd: ScriptFd): number {
  const n = wantedFd(args);
  if (n < 0) return 0;
  if (host.process.fds.has(n)) args.fail(`the script has a descriptor ${n} already`);
  host.process.fds.set(n, fd);
  host.process.watch(fd);
  return n;
}

export function streamArg(host: CallHost, args: CallArgs): StreamFd {
  const fd = fdArg(host, args);
  return fd.kind === 'stream' ? fd : args.fail('not supported on a datagram socket');
}

function* socket(host: CallHost, args: CallArgs): CallRun {
  args.count(3);
  const flags = args.int(1);
  const type = flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const domain = args.isEllipsis(0) ? (host.config.ipVersion === 'ipv4' ? PF_INET : PF_INET6) : args.int(0);
  const nonblocking = (flags & SOCK_NONBLOCK) !== 0;
  let fd: ScriptFd;
  if (type === SOCK_STREAM) {
    const { error, so } = host.vnet.sockets.socket(domain, SOCK_STREAM, args.int(2));
    if (so === null) return errno(error);
    if (host.config.ipVersion === 'ipv4-mapped-ipv6') so.setsockopt('IPV6_V6ONLY', 0);
    fd = streamFd(so, nonblocking);
  } else {
    const { error, so } = host.vnet.sockets.socket(domain, SOCK_DGRAM, args.int(2));
    if (so === null) return errno(error);
    if (host.config.ipVersion === 'ipv4-mapped-ipv6') so.setsockopt('IPV6_V6ONLY', 0);
    fd = datagramFd(so, nonblocking);
  }
  host.opened(fd);
  return value(install(host, args, fd));
}

function* bind(host: CallHost, args: CallArgs): CallRun {
  const fd = fdArg(host, args);
  const { addr, port } = endpointArg(host, args, 1, host.config.local, host.config.bindPort);
  return errno(fd.so.bind(addr, port));
}

function* listen(host: CallHost, args: CallArgs): CallRun {
  args.count(2);
  const error = streamArg(host, args).so.listen(args.int(1));
  if (error === 0) host.listening();
  return errno(error);
}

function* accept(host: CallHost, args: CallArgs): CallRun {
  const fd = streamArg(host, args);
  const flags = args.call.name === 'accept4' ? args.int(3) : 0;
  for (;;) {
    const so = fd.so.accept();
    if (so !== null) {
      const made = streamFd(so, (flags & SOCK_NONBLOCK) !== 0);
      host.accepted(made);
      return value(install(host, args, made));
    }
    const error = fd.so.getsockopt('SO_ERROR') ?? 0;
    if (error !== 0) return errno(error);
    if (fd.nonblocking) return errno(EAGAIN);
    yield NEVER;
  }
}

function* connect(host: CallHost, args: CallArgs): CallRun {
  const fd = fdArg(host, args);
  const { addr, port } = endpointArg(host, args, 1, host.config.remote, host.config.connectPort);
  host.connecting(fd);
  const error = fd.so.connect(addr, port);
  if (fd.kind === 'datagram' || error !== EINPROGRESS || fd.nonblocking) return errno(error);
  while (!settled(fd.so)) yield NEVER;
  return errno(fd.so.isConnected ? 0 : (fd.so.getsockopt('SO_ERROR') ?? 0));
}

/** A connection attempt has ended, one way or the other. */
function settled(so: StreamSocket): boolean {
  return so.isConnected || so.eof;
}

function* shutdown(host: CallHost, args: CallArgs): CallRun {
  args.count(2);
  return errno(streamArg(host, args).so.shutdown(args.int(1)));
}

function* close(host: CallHost, args: CallArgs): CallRun {
  args.count(1);
  const fd = fdArg(host, args);
  host.process.fds.delete(args.int(0));
  return errno(fd.so.close());
}

function* fcntl(host: CallHost, args: CallArgs): CallRun {
  const fd = fdArg(host, args);
  const request = args.int(1);
  if (request === F_GETFL) return value(O_RDWR | (fd.nonblocking ? O_NONBLOCK : 0));
  if (request !== F_SETFL) args.fail('only F_GETFL and F_SETFL are supported');
  fd.nonblocking = (args.int(2) & O_NONBLOCK) !== 0;
  return value(0);
}

export const CONTROL_CALLS: readonly (readonly [string, ScriptCall])[] = [
  ['socket', socket],
  ['bind', bind],
  ['listen', listen],
  ['accept', accept],
  ['accept4', accept],
  ['connect', connect],
  ['shutdown', shutdown],
  ['close', close],
  ['fcntl', fcntl],
];
