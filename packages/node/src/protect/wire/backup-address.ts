/**
 * backup-address.ts — BackupAddress: where the backup of a machine is, as text.
 *
 *     local                     this daemon keeps it
 *     unix:/run/netloom.sock    the daemon behind that socket, of this host or forwarded to it (ssh -L)
 *     backup.example:7070       a daemon that was started with --backup-listen; IPv6 addresses in brackets: [fd00::2]:7070
 */
import { isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';

export type BackupAddress =
  | { readonly kind: 'local' }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** An address that cannot be read: the value at fault, and what is right. */
export class BackupAddressError extends Error {
  override readonly name = 'BackupAddressError';
}

/** What an address looks like. */
export const ADDRESS_FORM = 'local, unix:/PATH/OF/A/DAEMON.sock, HOST:PORT or [IPV6]:PORT';
const PORT_MAX = 65_535;
/** A name of DNS, or an IPv4 address. */
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** @throws BackupAddressError */
export function parseBackupAddress(text: string): BackupAddress {
  if (text === 'local') return { kind: 'local' };
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (!isAbsolute(path)) throw bad(text, `"${path}" is no path from the root`);
    if (path.includes('\0')) throw bad(text, 'a path has no NUL');
    return { kind: 'unix', path };
  }
  return { kind: 'tcp', ...parseHostPort(text, 1, (why) => bad(text, why)) };
}

/** The two parts of HOST:PORT, the host without brackets. `least` is the least port. @throws what `wrong` makes of the reason */
export function parseHostPort(text: string, least: 0 | 1, wrong: (why: string) => Error): { readonly host: string; readonly port: number } {
  const [, six, name = '', digits = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? [];
  if (digits === '') throw wrong(isIPv6(text) ? 'an IPv6 address is written in brackets, and a port after them' : 'there must be a port behind the last ":"');
  const port = Number(digits);
  if (port < least || port > PORT_MAX) throw wrong(`${digits} is no port (${least} to ${PORT_MAX})`);
  if (six !== undefined && !isIPv6(six)) throw wrong(`"${six}" is no IPv6 address`);
  if (six === undefined && !HOST.test(name)) throw wrong(`"${name}" is no name and no address of a host`);
  return { host: six ?? name, port };
}

/** The address as text; `parseBackupAddress` reads it. */
export function formatBackupAddress(address: BackupAddress): string {
  if (address.kind === 'local') return 'local';
  return address.kind === 'unix' ? `unix:${address.path}` : formatHostPort(address.host, address.port);
}

export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function bad(text: string, why: string): BackupAddressError {
  return new BackupAddressError(`"${text}" is no place for a backup: ${why} (${ADDRESS_FORM})`);
}
