/**
 * guest-device.ts — the words `stream:unix:/run/vm0.sock,server` and the like that name a guest's port in a device's place.
 * Read first: docs/guest-ports.md.
 *
 * Not here: what is behind the words (stream-wire.ts and its neighbours, made in open-guest-wire.ts).
 */
import { isAbsolute, resolve } from 'node:path';

export interface HostPortName {
  readonly host: string;
  readonly port: number;
}

export type StreamAddress = { readonly path: string } | HostPortName;

export interface StreamDevice {
  readonly kind: 'stream';
  readonly address: StreamAddress;
  /** Do we listen, rather than the guest's program? */
  readonly server: boolean;
}

export interface UdpDevice {
  readonly kind: 'udp';
  readonly local: HostPortName;
  readonly remote: HostPortName;
}

export interface UnixDgramDevice {
  readonly kind: 'unix-dgram';
  readonly local: string;
  readonly remote: string;
}

export interface VdeDevice {
  readonly kind: 'vde';
  /** The switch's folder. */
  readonly path: string;
}

export interface VhostUserDevice {
  readonly kind: 'vhost-user';
  readonly path: string;
  /** Does the guest's program listen, rather than we? */
  readonly client: boolean;
  /** Is memory taken that the guest's program could cut short? Then it can end this process. */
  readonly unsealed: boolean;
}

export type GuestDevice = StreamDevice | UdpDevice | UnixDgramDevice | VdeDevice | VhostUserDevice;

const FORMS: Readonly<Record<string, string>> = {
  stream: 'stream:unix:/PATH[,server] or stream:tcp:HOST:PORT[,server]',
  dgram: 'dgram:udp:LOCALHOST:PORT,REMOTEHOST:PORT or dgram:unix:/LOCAL,/REMOTE',
  vde: 'vde:/PATH, the folder of a vde_switch',
  'vhost-user': 'vhost-user:/PATH[,client][,unsealed]',
};

const PORT_MAX = 65_535;

/** Do these words name a guest's port, rather than a device of the host? */
export function isGuestDevice(text: string): boolean {
  return FORMS[kindOf(text)] !== undefined && text.includes(':');
}

/** What the words say, or one line that says what is wrong with them. Paths are as written: a comma cannot be in one. */
export function parseGuestDevice(text: string): GuestDevice | string {
  const kind = kindOf(text);
  const rest = text.slice(kind.length + 1);
  const device = parseKind(kind, rest);
  return typeof device === 'string' ? `"${text}" ${device}; write ${FORMS[kind] ?? Object.values(FORMS).join(', ')}` : device;
}

export function formatGuestDevice(device: GuestDevice): string {
  switch (device.kind) {
    case 'stream':
      return `stream:${'path' in device.address ? `unix:${device.address.path}` : `tcp:${formatHostPort(device.address)}`}${device.server ? ',server' : ''}`;
    case 'udp':
      return `dgram:udp:${formatHostPort(device.local)},${formatHostPort(device.remote)}`;
    case 'unix-dgram':
      return `dgram:unix:${device.local},${device.remote}`;
    case 'vde':
      return `vde:${device.path}`;
    case 'vhost-user':
      return `vhost-user:${device.path}${device.client ? ',client' : ''}${device.unsealed ? ',unsealed' : ''}`;
  }
}

export function formatHostPort({ host, port }: HostPortName): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The same words with the paths made absolute from here, for a daemon that is somewhere else. Words that are wrong, or name another device, stay as they are. */
export function absoluteGuestDevice(text: string): string {
  const device = isGuestDevice(text) ? parseGuestDevice(text) : '';
  if (typeof device === 'string') return text;
  switch (device.kind) {
    case 'stream':
      return formatGuestDevice('path' in device.address ? { ...device, address: { path: resolve(device.address.path) } } : device);
    case 'unix-dgram':
      return formatGuestDevice({ ...device, local: resolve(device.local), remote: resolve(device.remote) });
    case 'vde':
    case 'vhost-user':
      return formatGuestDevice({ ...device, path: resolve(device.path) });
    case 'udp':
      return text;
  }
}

/** The first path that a daemon, which runs anywhere, could not find; or null. */
export function relativeGuestPath(device: GuestDevice): string | null {
  return pathsOf(device).find((path) => !isAbsolute(path)) ?? null;
}

function pathsOf(device: GuestDevice): string[] {
  switch (device.kind) {
    case 'stream':
      return 'path' in device.address ? [device.address.path] : [];
    case 'unix-dgram':
      return [device.local, device.remote];
    case 'vde':
    case 'vhost-user':
      return [device.path];
    case 'udp':
      return [];
  }
}

function parseKind(kind: string, rest: string): GuestDevice | string {
  switch (kind) {
    case 'stream':
      return parseStream(rest);
    case 'dgram':
      return parseDgram(rest);
    case 'vde':
      return parseVde(rest);
    case 'vhost-user':
      return parseVhostUser(rest);
    default:
      return 'is not a port of a guest';
  }
}

function kindOf(text: string): string {
  return text.split(':', 1)[0] ?? '';
}

function parseStream(rest: string): StreamDevice | string {
  const [where = '', ...options] = rest.split(',');
  const [, family, address = ''] = /^(unix|tcp):(.*)$/.exec(where) ?? [];
  if (family === undefined) return 'does not say whether it is "unix" or "tcp"';
  const unknown = options.find((option, i) => option !== 'server' || i > 0);
  if (unknown !== undefined) return unknown === 'server' ? 'says "server" twice' : `has the option "${unknown}", which there is not`;
  const server = options.length > 0;
  if (family === 'unix') return address === '' ? 'names no path' : { kind: 'stream', address: { path: address }, server };
  const name = parseHostPort(address);
  return typeof name === 'string' ? name : { kind: 'stream', address: name, server };
}

function parseDgram(rest: string): UdpDevice | UnixDgramDevice | string {
  const [, family, pair = ''] = /^(unix|udp):(.*)$/.exec(rest) ?? [];
  if (family === undefined) return 'does not say whether it is "udp" or "unix"';
  const [first = '', second = '', ...more] = pair.split(',');
  if (first === '' || second === '' || more.length > 0) return 'does not name two ends, ours and the guest\'s';
  if (family === 'unix') return first === second ? 'names one path twice' : { kind: 'unix-dgram', local: first, remote: second };
  const [local, remote] = [parseHostPort(first), parseHostPort(second)];
  if (typeof local === 'string') return local;
  return typeof remote === 'string' ? remote : { kind: 'udp', local, remote };
}

function parseVde(rest: string): VdeDevice | string {
  if (rest === '') return 'names no folder';
  return rest.includes(',') ? 'has options, which there are none of' : { kind: 'vde', path: rest };
}

function parseVhostUser(rest: string): VhostUserDevice | string {
  const [path = '', ...options] = rest.split(',');
  if (path === '') return 'names no path';
  for (const [i, option] of options.entries()) {
    if (option !== 'client' && option !== 'unsealed') return `has the option "${option}", which there is not`;
    if (options.indexOf(option) !== i) return `says "${option}" twice`;
  }
  return { kind: 'vhost-user', path, client: options.includes('client'), unsealed: options.includes('unsealed') };
}

function parseHostPort(text: string): HostPortName | string {
  const [, bracketed, plain, digits = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  if (host === '') return `has "${text}" where HOST:PORT is wanted (an IPv6 address in brackets, [::1]:5000)`;
  const port = Number(digits);
  return port >= 1 && port <= PORT_MAX ? { host, port } : `has the port ${digits}, which is not between 1 and ${PORT_MAX}`;
}
