/**
 * outside.mjs — Outside: the network that the counter's client is in, in this process: a bridge, with a port for each daemon that the machine may run in.
 * Read first: daemon-child.mjs.
 *
 * The ports listen, and outlive the daemons behind them.
 */
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';
import { dgramOf, netOf } from '@netloom/node/net';

const CLIENT = '10.9.0.1/24';

export class Outside {
  /** @param {import('@netloom/node').Daemon} daemon @param {string} folder */
  constructor(daemon, folder) {
    this.daemon = daemon;
    this.client = new DaemonClient(daemon.socketPath);
    this.folder = folder;
    this.ports = 0;
  }

  /** @param {string} folder @param {number} seed */
  static async open(folder, seed) {
    const outside = new Outside(await startDaemon({ socketPath: join(folder, 'outside.sock'), logLevel: 'error', seed }), folder);
    await outside.tool('ifconfig', 'bridge0', 'create', 'inet', CLIENT, 'up');
    return outside;
  }

  /** The client's stack, by sockets like Node's. @returns {import('./counter-client.mjs').Sockets} */
  get sockets() {
    const { vnet0 } = this.daemon.kernel;
    return { connect: (options) => netOf(vnet0).connect(options), udp: () => dgramOf(vnet0).createSocket('udp4') };
  }

  /** A new port; what the other end of its cable is attached to. @param {string} name */
  async port(name) {
    const path = join(this.folder, `${name}.uplink`);
    await this.bind(`stream:unix:${path},server`);
    return `stream:unix:${path}`;
  }

  /** A new port of the bridge, at a device in the words of `netloom attach`. @param {string} device */
  async bind(device) {
    const tap = `tap${this.ports++}`;
    await this.tool('ifconfig', tap, 'create', 'up');
    await this.tool('ifconfig', 'bridge0', 'addm', tap);
    await this.client.post('/v1/attachments', { vnet: 'host', interface: tap, device });
  }

  /** @param {...string} argv */
  async tool(...argv) {
    const { exitCode, stdout, stderr } = /** @type {import('@netloom/node').ExecResult} */ (await this.client.post('/v1/exec', { argv }));
    if (exitCode !== 0) throw new Error(`outside: ${argv.join(' ')}: ${stderr}${stdout}`);
  }

  close() {
    return this.daemon.close();
  }
}
