/**
 * option-calls.ts — setsockopt, getsockopt and ioctl.
 *
 * Options go to the socket under their names; the level is for the reader. TCP_INFO is read by the checks between `%{` and `}%`, and getsockopt of
 * it succeeds when the connection has one.
 */
import { EINVAL, ENOPROTOOPT } from '../../base/errno.js';
import type { CallArgs } from './call-args.js';
import type { CallHost, ScriptCall } from './call-host.js';
import { errno, fdArg, value } from './call-host.js';
import { streamArg } from './control-calls.js';
import type { CallRun } from './process.js';
import type { ScriptFd } from './script-fd.js';

/** Names that other systems' scripts use for options of ours. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['TCP_CORK', 'TCP_NOPUSH'],
]);

function* setsockopt(host: CallHost, args: CallArgs): CallRun {
  args.count(5);
  const fd = fdArg(host, args);
  const name = ALIASES.get(args.word(2)) ?? args.word(2);
  const e = args.at(3);
  if (name === 'TCP_CONGESTION') {
    if (fd.kind !== 'stream' || e.kind !== 'string') return args.fail('TCP_CONGESTION takes a string, on a stream');
    return errno(fd.so.setCongestion(e.text));
  }
  if (name === 'SO_LINGER') return errno(setLinger(args, fd));
  return errno(fd.so.setsockopt(name, args.element(e) ?? args.fail('expected [value]')));
}

/** `{onoff=1, linger=0}`: our sockets take the seconds, -1 for "off". */
function setLinger(args: CallArgs, fd: ScriptFd): number {
  const e = args.at(3);
  const [on, linger] = [args.field(e, 'onoff') ?? args.field(e, 'l_onoff'), args.field(e, 'linger') ?? args.field(e, 'l_linger')];
  if (on === null || linger === null) return args.fail('expected {onoff=..., linger=...}');
  return fd.so.setsockopt('SO_LINGER', args.number(on) === 0 ? -1 : args.number(linger));
}

function* getsockopt(host: CallHost, args: CallArgs): CallRun {
  args.count(5);
  const fd = fdArg(host, args);
  const name = ALIASES.get(args.word(2)) ?? args.word(2);
  if (name === 'TCP_INFO') return fd.kind === 'stream' ? value(0) : errno(EINVAL);
  if (name === 'TCP_CONGESTION') {
    const want = args.at(3);
    if (fd.kind !== 'stream' || want.kind !== 'string') return args.fail('TCP_CONGESTION gives a string, on a stream');
    const have = fd.so.info().congestion;
    return value(0, have === want.text ? null : `TCP_CONGESTION is "${have}", not "${want.text}"`);
  }
  const have = fd.so.getsockopt(name);
  if (have === null) return errno(ENOPROTOOPT);
  const want = args.element(args.at(3));
  return value(0, want === null || want === have ? null : `${name} is ${have}, not ${want}`);
}

/** SIOCINQ and FIONREAD: bytes that can be read; SIOCOUTQ and FIONWRITE: bytes that are not acknowledged. */
function* ioctl(host: CallHost, args: CallArgs): CallRun {
  args.count(3);
  const { so } = streamArg(host, args);
  const request = args.word(1);
  let have: number;
  if (request === 'SIOCINQ' || request === 'FIONREAD') have = so.readable;
  else if (request === 'SIOCOUTQ' || request === 'FIONWRITE') have = so.info().sndBytes;
  else return args.fail(`${request} is not supported; FIONREAD, SIOCINQ, FIONWRITE and SIOCOUTQ are`);
  const want = args.element(args.at(2));
  return value(0, want === null || want === have ? null : `${request} is ${have}, not ${want}`);
}

export const OPTION_CALLS: readonly (readonly [string, ScriptCall])[] = [
  ['setsockopt', setsockopt],
  ['getsockopt', getsockopt],
  ['ioctl', ioctl],
];
