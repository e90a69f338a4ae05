/**
 * connect-options.ts — the arguments of `net.connect` and `server.listen`, in all the ways Node takes them.
 * Read first: Node's net.Socket#connect and net.Server#listen.
 */
import { nodeError, portOf } from './node-error.js';
import type { LookupFunction } from './lookup.js';

/** Called without arguments when the connection is there; http's agents pass a function of more. */
export type OnConnect = (...args: never[]) => void;

/** What `connect` is given: Node's options, and whatever else its caller keeps beside them. */
export interface ConnectArgs {
  readonly port?: number | string | null | undefined;
  readonly host?: string | null | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly family?: number | undefined;
  readonly hints?: number | undefined;
  readonly lookup?: LookupFunction | undefined;
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  readonly timeout?: number | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  readonly highWaterMark?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `listen` is given, likewise. */
export interface ListenArgs {
  readonly port?: number | string | undefined;
  readonly host?: string | undefined;
  readonly backlog?: number | undefined;
  readonly ipv6Only?: boolean | undefined;
  readonly reusePort?: boolean | undefined;
  readonly exclusive?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `connect` was given, checked. */
export interface ConnectOptions {
  readonly port: number;
  readonly host: string;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly family: number;
  readonly hints?: number;
  readonly lookup?: LookupFunction;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  /** Milliseconds. */
  readonly keepAliveInitialDelay?: number;
  readonly timeout?: number;
}

export interface ListenOptions {
  readonly port: number;
  /** Absent: all addresses of both families. */
  readonly host?: string;
  readonly backlog: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
  readonly signal?: AbortSignal;
}

type Callback = OnConnect;
type Loose = Readonly<Record<string, unknown>>;

const BACKLOG = 511;

/** connect(options[, cb]), connect(port[, host][, cb]). */
export function connectOptions(args: readonly unknown[]): { readonly options: ConnectOptions; readonly callback: Callback | null } {
  const { words, callback } = split(args);
  const [first, host] = words;
  const loose: Loose = typeof first === 'object' && first !== null ? (first as Loose) : { port: first, host };
  if (loose['port'] === undefined || loose['port'] === null) throw noPort(loose['path'] ?? first, 'connect');
  const port = portOf(loose['port'], 'Port', false);
  return {
    callback,
    options: {
      ...(loose as Partial<ConnectOptions>),
      port,
      host: typeof loose['host'] === 'string' && loose['host'] !== '' ? bare(loose['host']) : 'localhost',
      family: loose['family'] === 4 || loose['family'] === 6 ? loose['family'] : 0,
      ...(loose['localPort'] === undefined || loose['localPort'] === null ? {} : { localPort: portOf(loose['localPort'], 'localPort') }),
    },
  };
}

/** listen([port[, host[, backlog]]][, cb]), listen(options[, cb]). */
export function listenOptions(args: readonly unknown[]): { readonly options: ListenOptions; readonly callback: Callback | null } {
  const { words, callback } = split(args);
  const [first] = words;
  const given = typeof first === 'object' && first !== null;
  const loose: Loose = given
    ? (first as Loose)
    : { port: first ?? 0, host: typeof words[1] === 'string' ? words[1] : undefined, backlog: words.slice(1).find((w) => typeof w === 'number') };
  if (loose['port'] === undefined || (typeof first === 'string' && Number.isNaN(Number(first)))) throw noPort(loose['path'] ?? first, 'listen');
  const { host, backlog, signal } = loose;
  return {
    callback,
    options: {
      port: portOf(loose['port'] ?? 0, 'options.port'),
      backlog: typeof backlog === 'number' && backlog > 0 ? backlog : BACKLOG,
      ipv6Only: loose['ipv6Only'] === true,
      reusePort: loose['reusePort'] === true,
      ...(typeof host === 'string' && host !== '' ? { host: bare(host) } : {}),
      ...(signal instanceof AbortSignal ? { signal } : {}),
    },
  };
}

function split(args: readonly unknown[]): { readonly words: readonly unknown[]; readonly callback: Callback | null } {
  const last = args.at(-1);
  const words = args.filter((a) => typeof a !== 'function');
  return { words, callback: typeof last === 'function' ? (last as Callback) : null };
}

/** A URL has an IPv6 address in brackets. */
function bare(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function noPort(what: unknown, verb: string): Error {
  return nodeError('ERR_INVALID_ARG_VALUE', `a vnet has no local sockets and no file descriptors: ${verb} needs a port${what === undefined ? '' : `, not ${String(what)}`}`, TypeError);
}
