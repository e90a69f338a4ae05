/**
 * cpio.ts — the archive that a Linux kernel unpacks as its first root: cpio, format "newc".
 * Read first: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * The same files give the same bytes: inode numbers count up, all times are 0, everything belongs to root.
 */
import { posix } from 'node:path';

export interface CpioFile {
  /** Absolute. Folders on the way are made. */
  readonly path: string;
  readonly data: Uint8Array;
  readonly executable: boolean;
}

const FOLDER = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;
const ALIGN = 4;

function padding(length: number): Uint8Array {
  return new Uint8Array((ALIGN - (length % ALIGN)) % ALIGN);
}

/** One member: header, name and data, each padded. */
function member(ino: number, mode: number, name: string, data: Uint8Array): Uint8Array[] {
  const nameBytes = Buffer.from(`${name}\0`);
  const numbers = [ino, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0];
  const header = Buffer.from(`070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}`);
  return [header, nameBytes, padding(header.length + nameBytes.length), data, padding(data.length)];
}

/** The folders that `path` lies in, outermost first. */
function foldersOf(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === '/' ? [] : [...foldersOf(folder), folder];
}

/** The archive of `files` and of empty `folders`. */
export function cpioArchive(files: readonly CpioFile[], folders: readonly string[]): Buffer {
  const all = new Set([...folders, ...files.map((file) => file.path)].flatMap((path) => foldersOf(path)));
  for (const folder of folders) all.add(folder);
  let ino = 1;
  const parts = [...all].flatMap((folder) => member(ino++, FOLDER, folder.slice(1), new Uint8Array(0)));
  for (const file of files) parts.push(...member(ino++, file.executable ? PROGRAM : FILE, file.path.slice(1), file.data));
  parts.push(...member(0, 0, 'TRAILER!!!', new Uint8Array(0)));
  return Buffer.concat(parts);
}
