/**
 * control.ts — the control connection of a test: states, a cookie, JSON behind its length.
 * Read first: iperf_api.c of iperf 3.12 (JSON_write, JSON_read, iperf_set_send_state).
 *
 * A state is one signed byte. JSON stands behind four bytes of length, most significant first. Both sides know from the states whose turn it is.
 *
 * Invariant: nothing longer than JSON_MAX is read; whoever announces more is no iperf3.
 */
import { EAGAIN } from '@netloom/core';
import type { StreamSocket } from '@netloom/core';
import { asciiBytes } from '../ascii.js';
import { readStream, writeStream } from '../tcp-connect.js';
import type { ToolWait } from '../tool-wait.js';
import { utf8Text } from '../utf8.js';
import { iperfError } from './iperf-error.js';
import type { IperfErrorName } from './iperf-error.js';

export const COOKIE_BYTES = 37;
const JSON_MAX = 16_777_216;

export class ControlChannel {
  readonly so: StreamSocket;
  private readonly wait: ToolWait;
  private readonly peeked = new Uint8Array(1);
  private hasPeeked = false;
  /** Why nothing more can be read: 0 the end, else a negative Errno; null while it can. */
  private failed: number | null = null;

  constructor(wait: ToolWait, so: StreamSocket) {
    this.wait = wait;
    this.so = so;
    so.onReadable = wait.wake;
    so.onWritable = wait.wake;
    so.setsockopt('TCP_NODELAY', 1);
  }

  /** A state, the end, or an error is there to be read. */
  get ready(): boolean {
    if (this.hasPeeked || this.failed !== null) return true;
    const n = this.so.recv(this.peeked);
    if (n === -EAGAIN) return false;
    if (n > 0) this.hasPeeked = true;
    else this.failed = n;
    return true;
  }

  /** The next state; null at the end of the connection. @throws IperfError */
  async state(deadlineUs = Infinity): Promise<number | null> {
    if (!(await this.wait.until(() => this.ready, deadlineUs))) throw iperfError('NOMSG');
    if (this.failed !== null) {
      if (this.failed === 0) return null;
      throw iperfError('RECVMESSAGE', -this.failed);
    }
    this.hasPeeked = false;
    return (this.peeked[0] ?? 0) << 24 >> 24;
  }

  /** Exactly `length` bytes. @throws IperfError called `name` when they do not come. */
  async read(length: number, name: IperfErrorName, deadlineUs = Infinity): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let at = 0;
    if (this.hasPeeked && length > 0) {
      bytes[at++] = this.peeked[0] ?? 0;
      this.hasPeeked = false;
    }
    while (at < length) {
      const n = this.failed ?? (await readStream(this.wait, this.so, bytes.subarray(at), deadlineUs));
      if (n <= 0) throw n === 0 ? iperfError('CTRLCLOSE') : iperfError(name, -n);
      at += n;
    }
    return bytes;
  }

  async uint32(name: IperfErrorName): Promise<number> {
    const b = await this.read(4, name);
    return new DataView(b.buffer).getUint32(0);
  }

  /** @throws IperfError called `name`, also for what is no JSON. */
  async json(name: IperfErrorName): Promise<unknown> {
    const length = await this.uint32(name);
    if (length > JSON_MAX) throw iperfError(name, 0, `${length} bytes of JSON are announced, at most ${JSON_MAX} are read`);
    const text = utf8Text(await this.read(length, name));
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw iperfError(name, 0, 'this is no JSON');
    }
  }

  async sendState(state: number): Promise<void> {
    await this.write(Uint8Array.of(state & 0xff), 'SENDMESSAGE');
  }

  async sendJson(json: unknown, name: IperfErrorName): Promise<void> {
    const text = JSON.stringify(json).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length);
    bytes.set(asciiBytes(text), 4);
    await this.write(bytes, name);
  }

  async write(bytes: Uint8Array, name: IperfErrorName): Promise<void> {
    const error = await writeStream(this.wait, this.so, bytes);
    if (error !== 0) throw iperfError(name, error);
  }
}
