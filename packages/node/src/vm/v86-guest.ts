/**
 * v86-guest.ts — the process of a machine of v86: its monitor, its console, its network card's cable.
 * Read first: v86-command.ts; v86's docs/networking.md; qmp-client.ts (the other side).
 *
 * Theory of operation. Whoever started this speaks to it as to a QEMU: a monitor that greets and knows the few commands that are asked, a console that is
 * the first serial port, and a stream of frames with their lengths, which the network card's bus messages are turned into (`net0-send` is a frame from the
 * guest, `net0-receive` one for it). A halt with interrupts off is the end: that is how a guest without ACPI powers down.
 *
 * Frames that the far end does not take in time are dropped here at CABLE_MAX: a guest's card has no room to wait.
 */
import { readFileSync } from 'node:fs';
import { Socket, connect } from 'node:net';
import { FrameReader, STREAM_HEADER } from '../port/frame-reader.js';
import type { V86Config } from './v86-command.js';

/** The parts of v86's emulator that are used; the package has more. */
interface Emulator {
  run(): void;
  restart(): void;
  add_listener(event: string, listener: (value: unknown) => void): void;
  serial_send_bytes(port: number, bytes: Uint8Array): void;
  readonly bus: { send(event: string, value: unknown): void };
}

type EmulatorClass = new (options: Readonly<Record<string, unknown>>) => Emulator;

const CABLE_MAX = 4 * 1024 * 1024;
const VGA_BYTES = 8 * 1024 * 1024;

function bufferOf(path: string | null): { buffer: ArrayBuffer } | undefined {
  if (path === null) return undefined;
  return { buffer: Uint8Array.from(readFileSync(path)).buffer };
}

async function makeEmulator(config: V86Config): Promise<Emulator> {
  // Named apart: the package is there only for whoever wants it.
  const name = 'v86';
  const { V86 } = (await import(name)) as { V86: EmulatorClass };
  return new V86({
    wasm_path: config.wasm, memory_size: config.memoryBytes, vga_memory_size: VGA_BYTES, bios: bufferOf(config.bios), vga_bios: bufferOf(config.vgaBios), hda: bufferOf(config.hda), cdrom: bufferOf(config.cdrom),
    bzimage: bufferOf(config.kernel), initrd: bufferOf(config.initrd), cmdline: config.append, net_device: { type: 'ne2k' }, disable_speaker: true, disable_keyboard: true, disable_mouse: true, autostart: false,
  });
}

/** The monitor's side that answers. */
class Monitor {
  private readonly socket: Socket;
  private readonly emulator: Emulator;
  private rest = '';

  /** @param mac the card's address, which v86 makes up. */
  constructor(fd: number, emulator: Emulator, mac: string) {
    this.socket = new Socket({ fd });
    this.emulator = emulator;
    this.socket.setEncoding('utf8').on('data', (text: string) => this.heard(text));
    this.socket.on('close', () => process.exit(1));
    this.say({ event: 'NETLOOM_MAC', data: { mac } });
    this.say({ QMP: { version: {}, capabilities: [] } });
  }

  /** Tells of the end, and ends. */
  end(reason: string): void {
    this.say({ event: 'SHUTDOWN', data: { guest: reason.startsWith('guest-'), reason } });
    this.socket.end(() => process.exit(0));
  }

  private say(message: object): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  private heard(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      this.answer(execute, id);
    }
  }

  private answer(command: string, id: number): void {
    if (command === 'cont') this.emulator.run();
    else if (command === 'system_reset') this.emulator.restart();
    else if (command !== 'qmp_capabilities' && command !== 'quit') return this.say({ id, error: { class: 'CommandNotFound', desc: `${command}: v86 cannot` } });
    this.say({ id, return: {} });
    if (command === 'quit') this.end('host-qmp-quit');
  }
}

function joinConsole(fd: number, emulator: Emulator): void {
  const socket = new Socket({ fd });
  let said: number[] = [];
  emulator.add_listener('serial0-output-byte', (byte) => {
    if (said.length === 0) {
      setImmediate(() => {
        socket.write(Uint8Array.from(said));
        said = [];
      });
    }
    said.push(Number(byte));
  });
  socket.on('data', (bytes: Buffer) => emulator.serial_send_bytes(0, Uint8Array.from(bytes)));
  socket.on('error', () => undefined); // whoever listened is gone, and ends us
}

function joinCable(path: string, emulator: Emulator): void {
  const socket = connect(path);
  const reader = new FrameReader();
  const taker = { frame: (bytes: Uint8Array, off: number, len: number) => emulator.bus.send('net0-receive', bytes.slice(off, off + len)) };
  socket.on('data', (chunk: Buffer) => {
    if (reader.push(chunk, taker) !== 0) socket.destroy();
  });
  socket.on('error', () => undefined); // the card has no cable any more
  emulator.add_listener('net0-send', (frame) => {
    if (!(frame instanceof Uint8Array) || socket.destroyed || socket.writableLength > CABLE_MAX) return;
    const bytes = Buffer.alloc(STREAM_HEADER + frame.length);
    bytes.writeUInt32BE(frame.length, 0);
    bytes.set(frame, STREAM_HEADER);
    socket.write(bytes);
  });
}

async function main(): Promise<void> {
  const config = JSON.parse(process.argv[2] ?? '') as V86Config;
  process.title = 'netloom-v86';
  const emulator = await makeEmulator(config);
  joinConsole(config.consoleFd, emulator);
  if (config.cable !== null) joinCable(config.cable, emulator);
  let monitor: Monitor | null = null;
  let mac = '';
  emulator.add_listener('net0-mac', (made) => (mac = String(made)));
  emulator.add_listener('emulator-ready', () => (monitor ??= new Monitor(config.monitorFd, emulator, mac)));
  emulator.add_listener('cpu-event-halt', () => monitor?.end('guest-shutdown'));
}

await main();
