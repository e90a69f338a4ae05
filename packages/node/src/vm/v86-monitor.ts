/**
 * v86-monitor.ts — the monitor of a machine of v86: what answers as QEMU's does, in the machine's process.
 * Read first: v86-guest.ts; qmp-client.ts (the other side); protect/v86/guest-protection.ts (the commands of its state).
 *
 * One command at a time, in the order they come, but `quit`, which does not wait. What cannot be done answers with an error of one line, and the machine is as it was.
 */
import { Socket } from 'node:net';
import { GuestProtection } from '../protect/v86/guest-protection.js';
import type { Arguments } from '../protect/v86/guest-protection.js';
import type { GuestClock } from '../protect/v86/guest-clock.js';
import type { V86Emulator } from '../protect/v86/v86-emulator.js';

interface Request {
  readonly execute: string;
  readonly id: unknown;
  readonly arguments?: Arguments;
}

export class V86Monitor {
  private readonly socket: Socket;
  private readonly emulator: V86Emulator;
  private readonly protection: GuestProtection;
  private readonly commands: Readonly<Record<string, (args: Arguments) => Promise<object> | object>>;
  private turn: Promise<void> = Promise.resolve();
  private rest = '';

  /** @param mac the card's address, which v86 makes up. */
  constructor(fd: number, emulator: V86Emulator, clock: GuestClock, mac: string) {
    this.socket = new Socket({ fd });
    this.emulator = emulator;
    this.protection = new GuestProtection(emulator, clock);
    this.commands = {
      ...this.protection.commands, qmp_capabilities: () => ({}), cont: () => this.cont(), stop: () => this.stop(), system_reset: () => this.reset(), quit: () => ({}),
    };
    this.socket.setEncoding('utf8').on('data', (text: string) => this.heard(text));
    this.socket.on('close', () => process.exit(1));
    this.sayMac(mac);
    this.say({ QMP: { version: {}, capabilities: [] } });
  }

  sayMac(mac: string): void {
    this.say({ event: 'NETLOOM_MAC', data: { mac } });
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
    for (const line of lines) this.heardLine(line);
  }

  private heardLine(line: string): void {
    let request: Request;
    try {
      request = JSON.parse(line) as Request;
    } catch {
      return this.say({ error: { class: 'GenericError', desc: 'a command is a line of JSON' } });
    }
    if (request.execute === 'quit') this.quit(request.id);
    else this.turn = this.turn.then(async () => this.answer(request));
  }

  private quit(id: unknown): void {
    this.say({ id, return: {} });
    this.end('host-qmp-quit');
  }

  private async answer({ execute, id, arguments: args }: Request): Promise<void> {
    const command = Object.hasOwn(this.commands, execute) ? this.commands[execute] : undefined;
    if (command === undefined) return this.say({ id, error: { class: 'CommandNotFound', desc: `${execute}: v86 cannot` } });
    try {
      this.say({ id, return: await command(args ?? {}) });
    } catch (error) {
      this.say({ id, error: { class: 'GenericError', desc: (error as Error).message } });
    }
  }

  /** `stoppedUs`: how long it stood still; 0: it ran. */
  private cont(): object {
    if (!this.protection.mayRun) throw new Error('this machine waits to be another one');
    this.protection.told();
    if (!this.emulator.isRunning) this.say({ event: 'RESUME', data: {} });
    return { stoppedUs: this.emulator.run() };
  }

  private async stop(): Promise<object> {
    this.protection.told();
    await this.emulator.stop();
    return {};
  }

  private reset(): object {
    if (!this.protection.mayRun) throw new Error('this machine waits to be another one');
    this.emulator.reset();
    return {};
  }
}
