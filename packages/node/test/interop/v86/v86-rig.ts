/**
 * v86-rig.ts — processes of machines of v86 as the daemon starts them, with a cable whose far end is the test.
 * Read first: src/vm/v86-guest.ts, src/vm/vm-process.ts, echo-rom.ts.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { FrameReader } from '../../../src/port/frame-reader.js';
import type { V86Process } from '../../../src/protect/v86/state-link.js';
import { QmpClient } from '../../../src/vm/qmp-client.js';
import type { V86Config } from '../../../src/vm/v86-command.js';
import { echoRequest, echoRom, readEcho } from './echo-rom.js';
import type { Echo } from './echo-rom.js';

const MONITOR_FD = 4;
const CONSOLE_FD = 5;
const PROGRAM = join(import.meta.dirname, '../../../dist/vm/v86-guest.js');

export class V86Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'netloom-v86-'));
  private readonly guests: V86Guest[] = [];

  constructor() {
    writeFileSync(join(this.folder, 'rom'), echoRom());
  }

  /** A machine that does not run yet. */
  async start(config: Partial<V86Config> = {}): Promise<V86Guest> {
    const name = `guest${this.guests.length}`;
    const cable = await Cable.open(join(this.folder, `${name}.cable`));
    const whole: V86Config = {
      wasm: createRequire(import.meta.url).resolve('v86/build/v86.wasm'), memoryBytes: 16 * 1024 * 1024, bios: join(this.folder, 'rom'), vgaBios: null, hda: null, cdrom: null, kernel: null,
      initrd: null, append: '', cable: cable.path, monitorFd: MONITOR_FD, consoleFd: CONSOLE_FD, ...config,
    };
    const guest = new V86Guest(whole, cable);
    this.guests.push(guest);
    await guest.ready;
    return guest;
  }

  async end(): Promise<void> {
    for (const guest of this.guests) {
      guest.kill();
      await guest.ended;
      guest.cable.close();
    }
    rmSync(this.folder, { recursive: true });
  }
}

export class V86Guest implements V86Process {
  readonly ended: Promise<void>;
  readonly ready: Promise<unknown>;
  readonly cable: Cable;
  /** Addresses that its card has had. */
  readonly macs: string[] = [];
  console = '';
  readonly monitor: Duplex;
  readonly line: Duplex;
  private readonly child: ChildProcess;
  private readonly qmp: QmpClient;

  constructor(config: V86Config, cable: Cable) {
    this.cable = cable;
    this.child = spawn(process.execPath, [PROGRAM, JSON.stringify(config)], { stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'pipe', 'pipe'] });
    const pipes: readonly unknown[] = this.child.stdio;
    const [monitor, line] = [pipes[MONITOR_FD], pipes[CONSOLE_FD]];
    if (!(monitor instanceof Duplex) || !(line instanceof Duplex)) throw new Error('no pipes');
    this.monitor = monitor;
    this.line = line;
    this.qmp = new QmpClient(monitor);
    this.qmp.onEvent = ({ event, data }) => event === 'NETLOOM_MAC' && this.macs.push(String(data.mac));
    line.on('data', (bytes: Buffer) => (this.console += bytes.toString('latin1'))).on('error', () => undefined);
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve()));
    this.ready = this.qmp.greeted;
  }

  async run(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.qmp.run(command, args);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Asks the guest until it answers: its card is deaf before it is set up. */
  async ask(pages = 0): Promise<Echo> {
    for (;;) {
      this.cable.send(echoRequest(pages));
      const frame = await this.cable.next(500);
      if (frame !== null) return readEcho(frame);
    }
  }
}

/** The far end of a machine's cable. */
export class Cable {
  readonly path: string;
  private readonly server: Server;
  private socket: Socket | null = null;
  private readonly frames: Buffer[] = [];
  private heard: () => void = () => undefined;

  private constructor(path: string) {
    this.path = path;
    this.server = createServer((socket) => this.joined(socket));
  }

  static async open(path: string): Promise<Cable> {
    const cable = new Cable(path);
    await new Promise<void>((resolve) => cable.server.listen(path, resolve));
    return cable;
  }

  send(frame: Buffer): void {
    const bytes = Buffer.alloc(4 + frame.length);
    bytes.writeUInt32BE(frame.length);
    frame.copy(bytes, 4);
    this.socket?.write(bytes);
  }

  /** The next frame from the guest; null: none in that time. */
  async next(ms: number): Promise<Buffer | null> {
    if (this.frames.length === 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.heard = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    }
    return this.frames.shift() ?? null;
  }

  close(): void {
    this.server.close();
    this.socket?.destroy();
  }

  private joined(socket: Socket): void {
    this.socket = socket;
    const reader = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk, { frame: (bytes, off, len) => void this.frames.push(Buffer.from(bytes.slice(off, off + len))) });
      this.heard();
    });
  }
}
