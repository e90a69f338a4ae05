/**
 * pre-shared-key.ts — the key that two daemons have in common, and how TLS is spoken with it.
 * Read first: RFC 4279, RFC 5489 (ECDHE_PSK); tls in Node's manual, "Pre-shared keys".
 *
 * A key is a file of hexadecimal digits that its owner alone can read: `umask 077; openssl rand -hex 32 > FILE`, and the same file on both hosts. Each side shows the
 * other that it has it, so neither talks to a stranger, and what is said is encrypted with keys of that connection alone. No certificates, so nothing expires.
 * TLS 1.2, because Node has pre-shared keys there only; one suite: forward secrecy, and a cipher that authenticates.
 */
import { readFileSync, statSync } from 'node:fs';

/** Who a client says it is: there is one key, so one name. */
export const PSK_IDENTITY = 'netloom-protect';
export const PSK_TLS = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' } as const;

const DIGITS_MIN = 32;
const DIGITS_MAX = 512;
const FILE_MAX = 4_096;

/** A key that cannot be used: the file, what is wrong, and what is right. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/** @throws KeyFileError */
export function readKeyFile(path: string): Buffer {
  const wrong = (why: string): KeyFileError => new KeyFileError(`the key "${path}" ${why}`);
  let text: string;
  try {
    const { mode, size, uid } = statSync(path);
    const self = process.getuid?.() ?? 0;
    if ((mode & 0o077) !== 0) throw wrong(`has mode ${(mode & 0o777).toString(8)}, so others than its owner can use it (chmod 600 "${path}")`);
    if (uid !== self && uid !== 0) throw wrong(`belongs to user ${uid}, who can change it: it must be of user ${self} or of root`);
    if (size > FILE_MAX) throw wrong(`is of ${size} bytes, and holds more than a key`);
    text = readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw wrong(`cannot be read (${(error as NodeJS.ErrnoException).code}); make one with: umask 077; openssl rand -hex 32 > "${path}"`);
  }
  if (!/^[0-9a-fA-F]*$/.test(text)) throw wrong('has something else than hexadecimal digits in it');
  if (text.length < DIGITS_MIN || text.length > DIGITS_MAX || text.length % 2 !== 0) throw wrong(`has ${text.length} hexadecimal digits: an even number from ${DIGITS_MIN} to ${DIGITS_MAX} is needed`);
  return Buffer.from(text, 'hex');
}
