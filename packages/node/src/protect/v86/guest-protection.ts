/**
 * guest-protection.ts — the commands of a machine of v86 that have to do with its state, and the socket that its state goes over.
 * Read first: state-message.ts, guest-checkpoints.ts, guest-standby.ts, vm/v86-monitor.ts.
 *
 *     netloom-state {path}           connects to the socket; a former one is let go
 *     netloom-begin                  forgets the image               -> {imageBytes}
 *     netloom-scan {from, pagesMax}  one message                     -> {next}
 *     netloom-take {stay}            stops; one message              -> {deviceUs, imageUs}
 *     netloom-standby                messages that come go into this machine, which does not run
 *     netloom-restore {messages}     is the other one as it was with the last of so many messages, whose device state this is
 *
 * A message is written before its command is answered, and may arrive later.
 *
 * Invariant: a machine that `netloom-take` has stopped runs again by `cont`, or when the socket closes; unless it is to stay.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { GuestCheckpoints } from './guest-checkpoints.js';
import type { GuestClock } from './guest-clock.js';
import { GuestStandby } from './guest-standby.js';
import { StateReader, deltaFault, messageParts } from './state-message.js';
import type { StateMessage } from './state-message.js';
import type { V86Emulator } from './v86-emulator.js';

export type Arguments = Readonly<Record<string, unknown>>;
type Command = (args: Arguments) => Promise<object>;

export class GuestProtection {
  readonly commands: Readonly<Record<string, Command>> = {
    'netloom-state': (args) => this.connect(String(args.path)),
    'netloom-begin': () => this.begin(),
    'netloom-scan': (args) => this.scan(countIn(args, 'from'), countIn(args, 'pagesMax')),
    'netloom-take': (args) => this.take(args.stay === true),
    'netloom-standby': () => this.waitForMessages(),
    'netloom-restore': (args) => this.restore(countIn(args, 'messages')),
  };

  private readonly emulator: V86Emulator;
  private readonly clock: GuestClock;
  private readonly checkpoints: GuestCheckpoints;
  private socket: Socket | null = null;
  private standby: GuestStandby | null = null;
  /** Messages that have been put into the standby, and the last one's device state. */
  private messages = 0;
  private device = new Uint8Array(0);
  private fault: string | null = null;
  private heard: () => void = () => undefined;
  /** Stopped by `take`, and nobody has said that it stays so. */
  private paused = false;

  constructor(emulator: V86Emulator, clock: GuestClock) {
    this.emulator = emulator;
    this.clock = clock;
    this.checkpoints = new GuestCheckpoints(emulator, clock);
  }

  /** A machine that waits has nothing to run on. */
  get mayRun(): boolean {
    return this.standby === null;
  }

  /** It has been told to run, or to stop: that holds whatever happens to the socket. */
  told(): void {
    this.paused = false;
  }

  private async connect(path: string): Promise<object> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', (error) => reject(new Error(`its state socket: ${error.message}`))));
    this.socket?.destroy();
    this.socket = socket;
    const reader = new StateReader((message) => this.takeIn(message));
    socket.on('data', (chunk: Buffer) => this.read(reader, chunk, socket));
    socket.on('error', () => undefined); // "close" follows
    socket.on('close', () => this.closed(socket));
    return {};
  }

  private read(reader: StateReader, chunk: Buffer, socket: Socket): void {
    try {
      reader.push(chunk);
    } catch (error) {
      this.fault = (error as Error).message;
      socket.destroy();
    }
  }

  private closed(socket: Socket): void {
    if (socket !== this.socket) return;
    this.socket = null;
    this.heard();
    if (!this.paused) return;
    this.paused = false;
    this.emulator.run();
  }

  private async begin(): Promise<object> {
    this.mustRunItself('netloom-begin');
    return { imageBytes: await this.checkpoints.begin() };
  }

  private async scan(from: number, pagesMax: number): Promise<object> {
    this.mustRunItself('netloom-scan');
    this.mustBeConnected();
    const { message, next } = await this.checkpoints.scan(from, pagesMax);
    this.send(message);
    return { next };
  }

  private async take(stay: boolean): Promise<object> {
    this.mustRunItself('netloom-take');
    this.mustBeConnected();
    const ran = this.emulator.isRunning;
    await this.emulator.stop();
    try {
      const { message, deviceUs, imageUs } = await this.checkpoints.take();
      this.send(message);
      this.paused = ran && !stay;
      return { deviceUs, imageUs };
    } catch (error) {
      if (ran) this.emulator.run();
      throw error;
    }
  }

  private async waitForMessages(): Promise<object> {
    this.mustRunItself('netloom-standby');
    if (this.emulator.isRunning) throw new Error('a machine that runs cannot wait to be another one');
    this.standby = await GuestStandby.make(this.emulator, this.clock);
    this.messages = 0;
    return {};
  }

  private async restore(messages: number): Promise<object> {
    while (this.messages < messages && this.socket !== null) await new Promise<void>((resolve) => (this.heard = resolve));
    if (this.standby === null) throw new Error('this machine does not wait to be another one');
    if (this.messages !== messages) throw new Error(`${this.fault ?? 'its state socket is closed'}: it has ${this.messages} of ${messages} messages`);
    await this.standby.restore(this.device);
    this.standby = null;
    return {};
  }

  private takeIn(message: StateMessage): void {
    const fault = this.standby === null ? 'nothing waits for a state' : deltaFault(message.delta);
    if (fault !== null) throw new Error(fault);
    this.standby?.apply(message.delta);
    this.device = Uint8Array.from(message.device);
    this.messages++;
    this.heard();
  }

  private send(message: StateMessage): void {
    this.mustBeConnected();
    for (const part of messageParts(message)) this.socket?.write(part);
  }

  private mustBeConnected(): void {
    if (this.socket === null) throw new Error('its state socket is closed');
  }

  private mustRunItself(command: string): void {
    if (this.standby !== null) throw new Error(`${command}: this machine waits to be another one`);
  }
}

function countIn(args: Arguments, name: string): number {
  const value = args[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`${name}=${JSON.stringify(value)} is no count`);
}
