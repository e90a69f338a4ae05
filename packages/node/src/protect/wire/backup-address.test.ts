/**
 * backup-address.test.ts — addresses of backups, and what is said of those that are none.
 */
import { expect, test } from 'vitest';
import { BackupAddressError, formatBackupAddress, parseBackupAddress } from './backup-address.js';

test.each([
  ['local', { kind: 'local' }],
  ['unix:/run/a b.sock', { kind: 'unix', path: '/run/a b.sock' }],
  ['backup.example:7070', { kind: 'tcp', host: 'backup.example', port: 7070 }],
  ['192.0.2.1:1', { kind: 'tcp', host: '192.0.2.1', port: 1 }],
  ['[fd00::2]:65535', { kind: 'tcp', host: 'fd00::2', port: 65_535 }],
])('%s is an address, and written as it was', (text, address) => {
  expect(parseBackupAddress(text)).toEqual(address);
  expect(formatBackupAddress(parseBackupAddress(text))).toBe(text);
});

test.each([
  ['', 'there must be a port'],
  ['unix:netloom.sock', '"netloom.sock" is no path from the root'],
  ['unix:', '"" is no path from the root'],
  ['host', 'there must be a port'],
  ['host:', 'there must be a port'],
  ['host:0', '0 is no port (1 to 65535)'],
  ['host:65536', '65536 is no port'],
  [':7070', '"" is no name'],
  ['-x:1', '"-x" is no name'],
  ['fd00::2', 'an IPv6 address is written in brackets'],
  ['[fd00::x]:7070', '"fd00::x" is no IPv6 address'],
])('"%s" is none: %s', (text, why) => {
  expect(() => parseBackupAddress(text)).toThrow(BackupAddressError);
  expect(() => parseBackupAddress(text)).toThrow(`"${text}" is no place for a backup: ${why}`);
});
