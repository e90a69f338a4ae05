/**
 * binary-lab.ts — a ToolLab whose host files hold bytes: for tools that write captures.
 */
import type { HostFile } from '../src/proc.js';
import { ToolLab } from './test-proc.js';

export class BinaryLab extends ToolLab {
  readonly bytes = new Map<string, Uint8Array>();

  override readFile(path: string): Promise<Uint8Array> {
    const content = this.bytes.get(path);
    return content === undefined ? super.readFile(path) : Promise.resolve(content);
  }

  override openWrite(path: string): HostFile {
    const chunks: Uint8Array[] = [];
    const put = (): void => void this.bytes.set(path, new Uint8Array(Buffer.concat(chunks)));
    put();
    return {
      write: (data) => void chunks.push(typeof data === 'string' ? Buffer.from(data) : data.slice()),
      flush: () => Promise.resolve(put()),
      close: () => Promise.resolve(put()),
    };
  }
}
