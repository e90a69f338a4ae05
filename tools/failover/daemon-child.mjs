/**
 * daemon-child.mjs — a daemon as a process of its own, which can be killed, for `npm run failover`; and with it the machine's place: a bridge with the machine's tap and a cable to the outside.
 *
 *     machine ── tap0 ┐
 *                     ├ bridge0 of this daemon      bridge of the outside (outside.mjs) ── client
 *      uplink ── tap1 ┘
 *         └────────────── stream, Unix socket ───────────────┘
 *
 * A daemon ends, as on SIGTERM, when the process that started it is gone (with-parent.mjs).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DaemonClient } from '@netloom/node/client';

const CLI = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url));
const WITH_PARENT = new URL('with-parent.mjs', import.meta.url).href;
const START_MS = 60_000;
const END_MS = 30_000;
const LOOK_MS = 20;
/** The machine's cable ends here. */
export const MACHINE_TAP = 'tap0';
const UPLINK_TAP = 'tap1';

export class DaemonChild {
  /**
   * @param {string} name @param {string} folder its socket and log are in it @param {import('node:child_process').ChildProcess} child
   */
  constructor(name, folder, child) {
    this.name = name;
    this.socket = socketOf(folder, name);
    this.log = join(folder, `${name}.log`);
    this.child = child;
    this.client = new DaemonClient(this.socket);
  }

  /** Starts one, which answers when this resolves. @param {string} name @param {string} folder */
  static async start(name, folder) {
    const log = openSync(join(folder, `${name}.log`), 'a');
    const child = spawn(process.execPath, ['--import', WITH_PARENT, CLI, 'daemon', '--socket', socketOf(folder, name), '--no-devd'], { cwd: folder, env: { ...process.env, NETLOOM_DISK_DIR: join(folder, name) }, stdio: ['ignore', log, log] });
    closeSync(log);
    const daemon = new DaemonChild(name, folder, child);
    for (const end = performance.now() + START_MS; !(await daemon.answers()); await delay(LOOK_MS)) {
      if (child.exitCode !== null || performance.now() > end) throw new Error(`daemon ${name} does not answer:\n${readFileSync(daemon.log, 'utf8')}`);
    }
    return daemon;
  }

  async answers() {
    return this.client.get('/v1/vms').then(() => true, () => false);
  }

  /** Runs a tool that must succeed. @param {...string} argv */
  async tool(...argv) {
    const { exitCode, stdout, stderr } = /** @type {import('@netloom/node').ExecResult} */ (await this.client.post('/v1/exec', { argv }));
    if (exitCode !== 0) throw new Error(`${this.name}: ${argv.join(' ')}: ${stderr}${stdout}`);
  }

  /** Makes the machine's place. @param {string} uplink a port of the outside, in the words of `netloom attach` */
  async makePlace(uplink) {
    await this.tool('ifconfig', 'bridge0', 'create', 'up');
    for (const tap of [MACHINE_TAP, UPLINK_TAP]) {
      await this.tool('ifconfig', tap, 'create', 'up');
      await this.tool('ifconfig', 'bridge0', 'addm', tap);
    }
    await this.client.post('/v1/attachments', { vnet: 'host', interface: UPLINK_TAP, device: uplink });
  }

  /** Ends it as a power failure would. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.gone();
  }

  /** Ends it in order. Rejects when it does not end; then it is killed. */
  async end() {
    if (this.isGone) return;
    this.child.kill('SIGTERM');
    const killer = setTimeout(() => this.child.kill('SIGKILL'), END_MS);
    await this.gone();
    clearTimeout(killer);
    if (this.child.signalCode === 'SIGKILL') throw new Error(`daemon ${this.name} has not ended within ${END_MS / 1000} s`);
  }

  get isGone() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async gone() {
    if (!this.isGone) await once(this.child, 'exit');
  }
}

/** @param {string} folder @param {string} name */
function socketOf(folder, name) {
  return join(folder, `${name}.sock`);
}
