/**
 * v86-guest.ts — the process of a machine of v86: its monitor, its console, its network card's cable.
 * Read first: v86-command.ts; v86's docs/networking.md; v86-monitor.ts.
 *
 * Theory of operation. Whoever started this speaks to it as to a QEMU: a monitor that greets and knows the few commands that are asked, a console that is
 * the first serial port, and a stream of frames with their lengths, which the network card's bus messages are turned into (`net0-send` is a frame from the
 * guest, `net0-receive` one for it). A halt with interrupts off is the end: that is how a guest without ACPI powers down.
 *
 * Frames that the far end does not take in time are dropped here at CABLE_MAX: a guest's card has no room to wait.
 */
import { Socket, connect } from 'node:net';
import { FrameReader, STREAM_HEADER } from '../port/frame-reader.js';
import { GuestClock } from '../protect/v86/guest-clock.js';
import { V86Emulator } from '../protect/v86/v86-emulator.js';
import type { V86Config } from './v86-command.js';
import { V86Monitor } from './v86-monitor.js';

const CABLE_MAX = 4 * 1024 * 1024;

function joinConsole(fd: number, emulator: V86Emulator): void {
  const socket = new Socket({ fd });
  let said: number[] = [];
  emulator.on('serial0-output-byte', (byte) => {
    if (said.length === 0) {
      setImmediate(() => {
        socket.write(Uint8Array.from(said));
        said = [];
      });
    }
    said.push(Number(byte));
  });
  socket.on('data', (bytes: Buffer) => emulator.toSerial(Uint8Array.from(bytes)));
  socket.on('error', () => undefined); // whoever listened is gone, and ends us
}

function joinCable(path: string, emulator: V86Emulator): void {
  const socket = connect(path);
  const reader = new FrameReader();
  const taker = { frame: (bytes: Uint8Array, off: number, len: number) => emulator.toCard(bytes.slice(off, off + len)) };
  socket.on('data', (chunk: Buffer) => {
    if (reader.push(chunk, taker) !== 0) socket.destroy();
  });
  socket.on('error', () => undefined); // the card has no cable any more
  emulator.on('net0-send', (frame) => {
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
  const clock = new GuestClock();
  const emulator = await V86Emulator.make(config);
  joinConsole(config.consoleFd, emulator);
  if (config.cable !== null) joinCable(config.cable, emulator);
  let monitor: V86Monitor | null = null;
  let mac = '';
  emulator.on('net0-mac', (made) => {
    mac = String(made);
    monitor?.sayMac(mac);
  });
  emulator.on('emulator-ready', () => (monitor ??= new V86Monitor(config.monitorFd, emulator, clock, mac)));
  emulator.on('cpu-event-halt', () => monitor?.end('guest-shutdown'));
}

await main();
