/**
 * io-calls.ts — reading and writing: read, recv, recvfrom, recvmsg, readv, write, send, sendto, sendmsg, writev.
 *
 * Without a string of its own a script sends the bytes of the stream pattern, and what it reads is compared with it (stream-pattern.ts).
 * A blocking call ends as FreeBSD's does: reading, when there is something (all of it for MSG_WAITALL); writing, when everything is in the buffer.
 */
import { EAGAIN } from '../../base/errno.js';
import { NEVER } from '../../base/time.js';
import { utf8Encode } from '../../wire/utf8.js';
import type { CallArgs } from './call-args.js';
import type { CallHost, ScriptCall } from './call-host.js';
import { errno, fdArg, value } from './call-host.js';
import { endpointArg } from './control-calls.js';
import type { CallRun } from './process.js';
import type { Expr } from './script.js';
import type { DatagramFd, ScriptFd, StreamFd } from './script-fd.js';
import { streamBytes } from './stream-pattern.js';
import { MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_WAITALL } from './symbols.js';

function* readStream(host: CallHost, fd: StreamFd, bytes: number, flags: number): CallRun {
  const into = new Uint8Array(bytes);
  let done = 0;
  for (;;) {
    const n = fd.so.recv(into.subarray(done), flags);
    const waits = !fd.nonblocking && (flags & MSG_DONTWAIT) === 0;
    if (n === -EAGAIN && waits) {
      yield NEVER;
      continue;
    }
    if (n < 0) return done > 0 ? value(done) : value(n);
    if ((flags & MSG_OOB) !== 0) return value(n);
    const problem = host.checkRead(into.subarray(done, done + n), fd.readPlace);
    if ((flags & MSG_PEEK) === 0) fd.readPlace += n;
    done += n;
    const more = (flags & (MSG_WAITALL | MSG_PEEK)) === MSG_WAITALL && n > 0 && done < bytes;
    if (problem !== null || !more || !waits) return value(done, problem);
  }
}

function* readDatagram(fd: DatagramFd, bytes: number, flags: number): CallRun {
  for (;;) {
    const n = fd.so.recv(new Uint8Array(bytes), undefined, flags);
    if (n !== -EAGAIN || fd.nonblocking || (flags & MSG_DONTWAIT) !== 0) return value(Math.min(n, bytes));
    yield NEVER;
  }
}

const receive = (host: CallHost, fd: ScriptFd, bytes: number, flags: number): CallRun => (fd.kind === 'stream' ? readStream(host, fd, bytes, flags) : readDatagram(fd, bytes, flags));

function* writeStream(host: CallHost, fd: StreamFd, text: Uint8Array | null, bytes: number, flags: number): CallRun {
  if (text !== null) host.wroteText();
  const data = text ?? streamBytes(fd.writePlace, bytes);
  let done = 0;
  for (;;) {
    const n = fd.so.send(data.subarray(done), flags);
    if (n < 0 && n !== -EAGAIN) return done > 0 ? value(done) : value(n);
    if (n > 0) {
      fd.writePlace += n;
      done += n;
    }
    if (done === data.length) return value(done);
    if (fd.nonblocking || (flags & MSG_DONTWAIT) !== 0) return done > 0 ? value(done) : errno(EAGAIN);
    yield NEVER;
  }
}

/** The contents that argument `i` gives; null for `...`. */
function textArg(args: CallArgs, i: number): Uint8Array | null {
  const e = args.at(i);
  if (e.kind === 'string') return utf8Encode(e.text);
  return e.kind === 'ellipsis' ? null : args.fail('expected ... or a string for the buffer');
}

function write(host: CallHost, args: CallArgs): CallRun {
  const fd = fdArg(host, args);
  const flags = args.call.name === 'write' ? 0 : args.int(3);
  const bytes = args.int(2);
  const text = textArg(args, 1)?.subarray(0, bytes) ?? null;
  return fd.kind === 'stream' ? writeStream(host, fd, text, bytes, flags) : sendDatagram(host, args, fd, text ?? new Uint8Array(bytes));
}

function* sendDatagram(host: CallHost, args: CallArgs, fd: DatagramFd, data: Uint8Array): CallRun {
  host.connecting(fd);
  const to = args.call.name === 'sendto' && (fd.so.peer() === null || !args.isEllipsis(4)) ? endpointArg(host, args, 4, host.config.remote, host.config.connectPort) : { addr: 0, port: 0 };
  const error = fd.so.send(data, to.addr, to.port);
  return error === 0 ? value(data.length) : errno(error);
}

/** sendto() of a stream that is not connected connects it, and what is written goes first; with Fast Open in the SYN. */
function sendto(host: CallHost, args: CallArgs): CallRun {
  const fd = fdArg(host, args);
  return fd.kind === 'stream' && fd.so.peer() === null && fd.so.peer6() === null ? connectSending(host, args, fd) : write(host, args);
}

function* connectSending(host: CallHost, args: CallArgs, fd: StreamFd): CallRun {
  const bytes = args.int(2);
  const text = textArg(args, 1)?.subarray(0, bytes) ?? null;
  if (text !== null) host.wroteText();
  const { addr, port } = endpointArg(host, args, 4, host.config.remote, host.config.connectPort);
  host.connecting(fd);
  const n = fd.so.sendTo(text ?? streamBytes(0, bytes), addr, port);
  if (n > 0) fd.writePlace += n;
  return value(n);
}

function read(host: CallHost, args: CallArgs): CallRun {
  return receive(host, fdArg(host, args), args.int(2), args.call.name === 'read' ? 0 : args.int(3));
}

/** The iovec of readv(), or of a message. */
function iovec(args: CallArgs, message: boolean): Expr | null {
  return message ? args.field(args.at(1), 'msg_iov') : args.at(1);
}

function vectored(message: boolean, sends: boolean): ScriptCall {
  return (host, args) => {
    const fd = fdArg(host, args);
    if (message && args.field(args.at(1), 'msg_control') !== null) args.fail('msg_control is not supported');
    const bytes = args.iovecBytes(iovec(args, message));
    const flags = message ? args.int(2) : 0;
    if (!sends) return receive(host, fd, bytes, flags);
    return fd.kind === 'stream' ? writeStream(host, fd, null, bytes, flags) : sendDatagram(host, args, fd, new Uint8Array(bytes));
  };
}

export const IO_CALLS: readonly (readonly [string, ScriptCall])[] = [
  ['read', read],
  ['recv', read],
  ['recvfrom', read],
  ['readv', vectored(false, false)],
  ['recvmsg', vectored(true, false)],
  ['write', write],
  ['send', write],
  ['sendto', sendto],
  ['writev', vectored(false, true)],
  ['sendmsg', vectored(true, true)],
];
