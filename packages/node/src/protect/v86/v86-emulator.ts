/**
 * v86-emulator.ts — v86 in this process: made, run, stopped, and its state taken and put.
 * Read first: v86.d.ts; v86's src/state.js and src/cpu.js, `pack_memory`.
 *
 * Theory of operation. `save_state` looks at all memory, leaves zero pages out, and copies the rest twice. That costs more than the checkpoint itself, and moves all that is behind a page that was
 * zero and is not any more. So v86 is made with its program's functions in our hands (`wasm_fn`): while a state is taken, `is_memory_zeroed` says that all of memory is, so
 * there is none in it; while one is put, `zero_memory` does nothing, so what is in memory stays. Memory itself is read and written where it lies.
 *
 * A turn of v86's loop is some milliseconds, then it lets the process do other things. `stop` asks for a turn at once, for one that halts would be as late as its next
 * timer; then the loop is over and nothing moves but the network card, which takes frames.
 *
 * Invariant: everything here that takes or puts state does so in one go, so it is of one moment even when the machine runs.
 */
import { readFileSync } from 'node:fs';
import type { V86Config } from '../../vm/v86-command.js';

/** The parts of v86's emulator that are used; the package has more. */
interface Emulator {
  run(): Promise<void>;
  stop(): Promise<void>;
  restart(): void;
  save_state(): Promise<ArrayBuffer>;
  restore_state(state: ArrayBuffer): Promise<void>;
  read_memory(from: number, bytes: number): Uint8Array;
  add_listener(event: string, listener: (value: unknown) => void): void;
  serial_send_bytes(port: number, bytes: Uint8Array): void;
  readonly bus: { send(event: string, value: unknown): void };
  readonly v86: { readonly cpu: { readonly devices: { readonly ide: { readonly pci_bars: (Bar | undefined)[] } } } };
}

/** A register of a device on the PCI bus that says where its ports are. */
interface Bar {
  readonly size: number;
  readonly original_bar: number;
}

type EmulatorClass = new (options: Readonly<Record<string, unknown>>) => Emulator;
type WasmFunction = (...args: readonly number[]) => number;

/** What is used of it; Node's types have none. */
interface Wasm {
  instantiate(program: Uint8Array, imports: object): Promise<{ readonly instance: { readonly exports: Exports } }>;
}
type Exports = Readonly<Record<string, unknown>>;

/** The disk controller has no ports for a channel without disks, and `restore_state` trips over that. */
const NO_PORTS: Bar = { size: 0, original_bar: 1 };

/** Nobody sees the screen, and all of it is in each state. Enough for 1024x768 in 256 colours. */
const VGA_BYTES = 1024 * 1024;

export class V86Emulator {
  private readonly emulator: Emulator;
  private readonly memoryBytes: number;
  private readonly hands: MemoryHands;
  private running = false;
  private stoppedAt = 0;

  private constructor(emulator: Emulator, config: V86Config, hands: MemoryHands) {
    this.emulator = emulator;
    this.memoryBytes = config.memoryBytes;
    this.hands = hands;
  }

  static async make(config: V86Config): Promise<V86Emulator> {
    // Named apart: the package is there only for whoever wants it.
    const name = 'v86';
    const { V86 } = (await import(name)) as { V86: EmulatorClass };
    const hands = new MemoryHands(config.wasm);
    const emulator = new V86({
      wasm_fn: (imports: object) => hands.load(imports), memory_size: config.memoryBytes, vga_memory_size: VGA_BYTES, bios: bufferOf(config.bios), vga_bios: bufferOf(config.vgaBios), hda: bufferOf(config.hda),
      cdrom: bufferOf(config.cdrom), bzimage: bufferOf(config.kernel), initrd: bufferOf(config.initrd), cmdline: config.append, net_device: { type: 'ne2k' }, preserve_mac_from_state_image: true,
      disable_speaker: true, disable_keyboard: true, disable_mouse: true, autostart: false,
    });
    return new V86Emulator(emulator, config, hands);
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** Of the machine, where it lies; until the process does other things. */
  get memory(): Uint8Array {
    return this.emulator.read_memory(0, this.memoryBytes);
  }

  /** How long it has stood still. Again: nothing. */
  run(): number {
    if (this.running) return 0;
    const stoppedUs = Math.round((performance.now() - this.stoppedAt) * 1000);
    this.running = true;
    void this.emulator.run();
    return stoppedUs;
  }

  /** Resolves when it stands still. Again: nothing. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.running = false;
    void this.emulator.run(); // a turn at once
    await this.emulator.stop();
    this.stoppedAt = performance.now();
  }

  reset(): void {
    this.emulator.restart();
  }

  /** All but its memory, as v86 writes it. */
  async takeState(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.overlooking(() => this.emulator.save_state()));
  }

  /** Puts a state of `takeState`; its memory stays as it is. */
  async putState(state: Uint8Array<ArrayBuffer>): Promise<void> {
    const { pci_bars: bars } = this.emulator.v86.cpu.devices.ide;
    const missing = [...bars.keys()].filter((i) => bars[i] === undefined);
    for (const i of missing) bars[i] = NO_PORTS;
    try {
      await this.overlooking(() => this.emulator.restore_state(state.buffer));
    } finally {
      for (const i of missing) bars[i] = undefined;
    }
  }

  /** v86 has done its work when it answers with a promise. */
  private overlooking<T>(work: () => T): T {
    this.hands.overlook = true;
    try {
      return work();
    } finally {
      this.hands.overlook = false;
    }
  }

  on(event: string, listener: (value: unknown) => void): void {
    this.emulator.add_listener(event, listener);
  }

  toCard(frame: Uint8Array): void {
    this.emulator.bus.send('net0-receive', frame);
  }

  toSerial(bytes: Uint8Array): void {
    this.emulator.serial_send_bytes(0, bytes);
  }
}

/** v86's program, two of whose functions can be made to overlook memory. */
class MemoryHands {
  overlook = false;
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async load(imports: object): Promise<Exports> {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: Wasm };
    const { exports } = (await WebAssembly.instantiate(readFileSync(this.path), imports)).instance;
    const isZeroed = functionOf(exports, 'is_memory_zeroed');
    const zero = functionOf(exports, 'zero_memory');
    return {
      ...exports,
      is_memory_zeroed: (...args: readonly number[]) => (this.overlook ? 1 : isZeroed(...args)),
      zero_memory: (...args: readonly number[]) => (this.overlook ? 0 : zero(...args)),
    };
  }
}

function functionOf(exports: Exports, name: string): WasmFunction {
  const value = exports[name];
  if (typeof value !== 'function') throw new Error(`this v86 has no ${name}: install the version that docs/vm.md names`);
  return value as WasmFunction;
}

function bufferOf(path: string | null): { buffer: ArrayBuffer } | undefined {
  if (path === null) return undefined;
  return { buffer: Uint8Array.from(readFileSync(path)).buffer };
}
