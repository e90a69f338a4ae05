/**
 * poll-calls.ts — poll(2) over the sockets of a script.
 * Read first: poll(2); freebsd `sopoll_generic` in `sys/kern/uipc_socket.c`.
 */
import { NEVER } from '../../base/time.js';
import { TF_NEEDFIN } from '../../tcp/tcpcb.js';
import type { CallArgs } from './call-args.js';
import type { CallHost, ScriptCall } from './call-host.js';
import { value } from './call-host.js';
import type { CallRun } from './process.js';
import type { ScriptFd } from './script-fd.js';
import { POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, POLLRDNORM } from './symbols.js';

interface PollEntry {
  readonly n: number;
  readonly fd: ScriptFd | null;
  readonly events: number;
  readonly wanted: number;
}

/** What poll says about a descriptor. */
function revents({ fd, events }: PollEntry): number {
  if (fd === null) return POLLNVAL;
  if (fd.kind === 'datagram') return events & ((fd.so.rcv.count > 0 ? POLLIN | POLLRDNORM : 0) | POLLOUT);
  const { so } = fd;
  let now = 0;
  if (so.readable > 0 || so.eof || so.acceptQueue.length > 0) now |= POLLIN | POLLRDNORM;
  const cantSend = (so.tp.flags & TF_NEEDFIN) !== 0 || (so.eof && !so.isConnected);
  if (so.isConnected ? cantSend || so.writable > 0 : so.eof) now |= POLLOUT;
  if (so.eof) now |= POLLRDHUP;
  if (so.eof && cantSend) now |= POLLHUP;
  return now & (events | POLLHUP);
}

function entries(host: CallHost, args: CallArgs): PollEntry[] {
  const list = args.at(0);
  if (list.kind !== 'list') return args.fail('expected an array of {fd=..., events=..., revents=...}');
  return list.items.map((e) => {
    const [fd, events, wanted] = [args.field(e, 'fd'), args.field(e, 'events'), args.field(e, 'revents')];
    if (fd === null || events === null) return args.fail('expected {fd=..., events=..., revents=...}');
    const n = args.number(fd);
    return { n, fd: host.process.fds.get(n) ?? null, events: args.number(events), wanted: wanted === null ? 0 : args.number(wanted) };
  });
}

const hex = (n: number): string => `0x${n.toString(16)}`;

function* poll(host: CallHost, args: CallArgs): CallRun {
  args.count(3);
  const polled = entries(host, args);
  const timeoutMs = args.int(2);
  const deadline = timeoutMs < 0 ? NEVER : host.now() + timeoutMs * 1_000;
  for (;;) {
    const got = polled.map(revents);
    const ready = got.filter((r) => r !== 0).length;
    if (ready > 0 || host.now() >= deadline) {
      const bad = polled.findIndex(({ wanted }, i) => wanted !== got[i]);
      return value(ready, bad < 0 ? null : `revents of descriptor ${polled[bad]!.n}: expected ${hex(polled[bad]!.wanted)}, got ${hex(got[bad]!)}`);
    }
    yield deadline;
  }
}

export const POLL_CALLS: readonly (readonly [string, ScriptCall])[] = [['poll', poll]];
