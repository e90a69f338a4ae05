/**
 * file-link.ts — joins a tap of a vnet to capture files: the frames of one come in as if off a cable, what the vnet sends is recorded in another.
 *
 * Read first: pcap/capture-replay.ts, pcap/pcapng-file.ts; core/src/net/tap.ts; tap-link.ts does the same with a device.
 *
 * Theory of operation. `openFileLink` opens both files and looks at the first bytes, so that a wrong file is refused at once; `open` opens the
 * tap and begins the replay. A frame comes in when it is due by the host loop's time, each as a batch of its own; many due at a
 * time give way to the host's other business after every BURST. After the last frame the link stays, and records. Damage in the middle
 * of the input, and a recording that cannot be written, close the link as a device that goes away would.
 *
 * Invariants: whatever is recorded is whole: segments cut, checksums finished. `close` runs once, whichever side goes first; afterwards
 * nothing reaches the kernel. Nothing the vnet sends waits for the disk: what cannot be recorded is dropped, and counted.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Errno, FrameSink, Ifnet, Kernel, PacketBuffer } from '@netloom/core';
import { ENXIO, tapOf } from '@netloom/core';
import { captureDecoder, LINKTYPE_ETHERNET } from '@netloom/core/wire';
import type { CapturePacket } from '@netloom/core/wire';
import type { HostLoop } from '../loop.js';
import { replay } from '../pcap/capture-replay.js';
import type { ReplayClock } from '../pcap/capture-replay.js';
import { recordToFile } from '../pcap/pcapng-file.js';
import type { PcapngRecorder } from '../pcap/pcapng-file.js';
import { errnoText } from './errno-text.js';
import { formatFileDevice, parseFileDevice, relativePath } from './file-device.js';
import type { FileDevice } from './file-device.js';
import { version } from './version.js';

const CHUNK = 65_536;
/** Frames that come in before the event loop has its turn. */
const BURST = 64;

/** How far a link is. */
export interface FileProgress {
  /** Frames that came in, and of these those that found no memory. */
  readonly replayed: number;
  readonly lost: number;
  /** Is the input at its end (or is there none)? */
  readonly ended: boolean;
  /** Frames in the recording, and those that could not be written. */
  readonly recorded: number;
  readonly dropped: number;
}

/** Where a link belongs, and whom it tells. */
export interface FileLinkPlace {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly ifp: Ifnet;
  /** Told once, with why if a file failed. */
  readonly onClose: (link: FileLink, reason: Error | null) => void;
}

/** Opens the files that `text` names. @throws Error, with one line that names the file and what is wrong. */
export async function openFileLink(text: string, place: FileLinkPlace): Promise<FileLink> {
  const device = parseFileDevice(text);
  if (typeof device === 'string') throw new Error(device);
  const relative = relativePath(device);
  if (relative !== null) throw new Error(`"${relative}" is not an absolute path, and the daemon is not in your folder`);
  const input = device.input === null ? null : await openInput(device.input);
  try {
    const recorder = device.record === null ? null : await openRecorder(device.record);
    return new FileLink(device, place, input, recorder);
  } catch (error) {
    await input?.handle.close();
    throw error;
  }
}

/** An open capture file and what has been read of it. */
interface Input {
  readonly name: string;
  readonly handle: FileHandle;
  readonly first: Uint8Array;
}

async function openInput(name: string): Promise<Input> {
  const handle = await open(name, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read "${name}": ${errnoText(error.code ?? 'EIO')}`);
  });
  try {
    if (!(await handle.stat()).isFile()) throw new Error(`"${name}" is not a file`);
    const first = await readChunk(handle);
    if (captureDecoder(first) === null) throw new Error(`"${name}" is neither a pcapng nor a pcap file`);
    return { name, handle, first };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readChunk(handle: FileHandle): Promise<Uint8Array> {
  const { bytesRead, buffer } = await handle.read(new Uint8Array(CHUNK), 0, CHUNK, null);
  return buffer.subarray(0, bytesRead);
}

async function* chunksOf({ handle, first }: Input): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let chunk = first; chunk.length > 0; chunk = await readChunk(handle)) yield chunk;
  } finally {
    await handle.close();
  }
}

async function openRecorder(path: string): Promise<PcapngRecorder> {
  return recordToFile(path, { application: `Netloom ${version}` }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot write "${path}": ${errnoText(error.code ?? 'EIO')}`);
  });
}

export class FileLink implements FrameSink {
  /** The daemon's. */
  readonly pid = process.pid;
  /** Files hold whole frames. */
  readonly offload = { csum: false, gso: false };
  readonly device: string;
  readonly files: FileDevice;
  ifp: Ifnet;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly onClose: FileLinkPlace['onClose'];
  private readonly input: Input | null;
  private readonly recorder: PcapngRecorder | null;
  private readonly recordId: number;
  private readonly abort = new AbortController();
  private readonly clock: ReplayClock = {
    now: () => this.loop.enter(),
    sleepUntil: (timeUs, signal) =>
      new Promise((resolve) => {
        const done = (): void => {
          timer.cancel();
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = this.loop.after(timeUs - this.loop.now, done);
        signal?.addEventListener('abort', done);
      }),
  };
  private replaying: Promise<void> | null = null;
  private closing: Promise<void> | null = null;
  private replayed = 0;
  private lost = 0;
  private ended: boolean;

  /** `open` opens the tap and begins the replay. */
  constructor(files: FileDevice, place: FileLinkPlace, input: Input | null, recorder: PcapngRecorder | null) {
    this.files = files;
    this.device = formatFileDevice(files);
    this.kernel = place.kernel;
    this.loop = place.loop;
    this.ifp = place.ifp;
    this.onClose = place.onClose;
    this.input = input;
    this.recorder = recorder;
    this.ended = input === null;
    const mac = this.ifp.lladdr;
    this.recordId = recorder?.addInterface({ linktype: LINKTYPE_ETHERNET, name: this.ifp.xname, ...(mac.length === 6 ? { mac } : {}) }) ?? 0;
    recorder?.onFailure((error) => void this.close(error));
  }

  state(): { readonly files: FileProgress } {
    return { files: this.progress };
  }

  private get progress(): FileProgress {
    const { written, dropped } = this.recorder?.counts(this.recordId) ?? { written: 0, dropped: 0 };
    return { replayed: this.replayed, lost: this.lost, ended: this.ended, recorded: written, dropped };
  }

  /** Begins the replay. */
  private start(): void {
    if (this.input === null || this.closing !== null) return;
    const { speed } = this.files;
    const pace = speed === Infinity ? {} : { clock: this.clock, speed };
    this.replaying = replay({ name: this.input.name, chunks: chunksOf(this.input) }, { deliver: (packet) => this.receive(packet), signal: this.abort.signal, ...pace }).then(
      () => void (this.ended = true),
      (error: Error) => {
        this.ended = true;
        if (this.closing === null) void this.close(error);
      },
    );
  }

  /** Opens the tap, wherever it is by now, with this link as its sink. On an error `discard` it. */
  open(): Errno {
    const tap = tapOf(this.ifp);
    const error = tap === null ? ENXIO : this.kernel.call(this.loop.enter(), () => tap.attach(this));
    if (tap === null || error !== 0) return error;
    this.ifp = tap.port.ifp;
    this.start();
    return 0;
  }

  /** Lets go of the files; the tap's own end is closed if it still has one. */
  close(reason: Error | null = null): Promise<void> {
    if (this.closing === null) {
      const closing = this.discard();
      if (this.ifp.net !== null) this.kernel.call(this.loop.enter(), () => tapOf(this.ifp)?.attach(null));
      this.onClose(this, reason);
      return closing;
    }
    return this.closing;
  }

  /** Lets go of the files alone, for a tap that could not be opened. */
  discard(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  output(m: PacketBuffer): boolean {
    if (this.closing !== null) return false;
    const { recorder, loop } = this;
    if (recorder !== null && !recorder.packet(this.recordId, loop.bootWallUs + loop.now, m.buf, m.off, m.len, 'out')) return false;
    m.free();
    return true;
  }

  moved(ifp: Ifnet): void {
    this.ifp = ifp;
  }

  gone(): void {
    void this.close();
  }

  /** A frame of the input is due. */
  private receive(packet: CapturePacket): void | Promise<void> {
    this.loop.batch((now) => {
      const { kernel, ifp } = this;
      if (this.closing !== null || ifp.net === null) return;
      this.replayed++;
      const m = kernel.engine.pool.from(packet.bytes, 0, packet.bytes.length);
      if (m === null) {
        ifp.data.iqdrops++;
        this.lost++;
        return;
      }
      kernel.input(ifp, m, now);
    });
    return this.replayed % BURST === 0 ? new Promise((resolve) => void setImmediate(resolve)) : undefined;
  }

  private async shut(): Promise<void> {
    this.abort.abort();
    if (this.replaying === null) await this.input?.handle.close();
    await this.replaying;
    // A recording that failed has said so.
    await this.recorder?.close().catch(() => undefined);
  }
}
