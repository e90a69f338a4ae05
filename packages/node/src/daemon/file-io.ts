/**
 * file-io.ts — a process's outputs in a file (`exec.consolelog`); input and host programs are those of the connection around it.
 *
 * A host program writes for itself: the client starts it through the shell, which opens the file.
 */
import type { ProcSignal } from '@netloom/userland';
import type { BufferedFile } from './host-files.js';
import type { ProcIo } from './tool-proc.js';

const SHELL = '/bin/sh';
/** Where the shell finds the file's name. */
const FILE_VARIABLE = 'NETLOOM_OUTPUT_FILE';

export class FileIo implements ProcIo {
  readonly tty = false;
  readonly buffered = 0;
  readonly spawn: ProcIo['spawn'];
  columns = 80;
  private readonly around: ProcIo;
  private readonly file: BufferedFile;

  /** @param path of `file`, absolute. */
  constructor(around: ProcIo, file: BufferedFile, path: string) {
    this.around = around;
    this.file = file;
    const { spawn } = around;
    const script = `exec "$0" "$@" >>"$${FILE_VARIABLE}" 2>&1`;
    this.spawn = spawn === null ? null : (id, argv, env) => spawn(id, [SHELL, '-c', script, ...argv], { ...env, [FILE_VARIABLE]: path });
  }

  write(_fd: 1 | 2, bytes: Uint8Array): void {
    this.file.write(bytes);
  }

  drained(): Promise<void> {
    return this.file.flush();
  }

  read(): Promise<Uint8Array | null> {
    return this.around.read();
  }

  killChild(id: number, signal: ProcSignal): void {
    this.around.killChild(id, signal);
  }

  /** What could not be written is lost, as with any console log. */
  close(): Promise<void> {
    return this.file.close().catch(() => undefined);
  }
}
