/**
 * outside.mjs — Outside: the network that the counter's client is in, in this process: a bridge, with a port for each daemon that the machine may run in.
 * Read first: daemon-child.mjs.
 *
 * The ports listen, and outlive the daemons behind them.
 */
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';

const CLIENT = '10.9.0.1/24';

export class Outside {
  /** @param {import('@netloom/node').Daemon} daemon @param {string} folder */
  constructor(daemon, folder) {
    this.daemon = daemon;
    this.folder = folder;
    this.ports = 0;
  }

  /** @param {string} folder @param {number} seed */
  static async open(folder, seed) {
    const outside = new Outside(await startDaemon({ socketPath: join(folder, 'outside.sock'), logLevel: 'error', seed }), folder);
    await outside.tool('ifconfig', 'bridge0', 'create', 'inet', CLIENT, 'up');
    return outside;
  }

  /** The client's stack. */
  get vnet() {
    return this.daemon.kernel.vnet0;
  }

  /** A new port; what the other end of its cable is attached to. @param {string} name */
  async port(name) {
    const tap = `tap${this.ports++}`;
    const path = join(this.folder, `${name}.uplink`);
    await this.tool('ifconfig', tap, 'create', 'up');
    await this.tool('ifconfig', 'bridge0', 'addm', tap);
    await new DaemonClient(this.daemon.socketPath).post('/v1/attachments', { vnet: 'host', interface: tap, device: `stream:unix:${path},server` });
    return `stream:unix:${path}`;
  }

  /** @param {...string} argv */
  async tool(...argv) {
    const { exitCode, stdout, stderr } = /** @type {import('@netloom/node').ExecResult} */ (await new DaemonClient(this.daemon.socketPath).post('/v1/exec', { argv }));
    if (exitCode !== 0) throw new Error(`outside: ${argv.join(' ')}: ${stderr}${stdout}`);
  }

  close() {
    return this.daemon.close();
  }
}
