/**
 * linux-outside.mjs — LinuxOutside: a second client in Linux, in a network namespace with a TAP device on the bridge of the outside.
 * Read first: outside.mjs, linux-client.mjs (the program there); packages/node/test/interop/netns.ts.
 *
 * Needs root, network namespaces and /dev/net/tun. netns.ts is TypeScript that nothing builds; the hook that compiles it is counter-guest.mjs's.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** @typedef {import('./linux-client.mjs').LinuxFindings} LinuxFindings */
/** @typedef {import('./linux-client.mjs').LinuxNews} LinuxNews */

const PROGRAM = fileURLToPath(new URL('linux-client.mjs', import.meta.url));
const ADDRESS = '10.9.0.3/24';

export class LinuxOutside {
  /** @param {import('../../packages/node/test/interop/netns.js').Netns} ns @param {import('node:child_process').ChildProcess} child */
  constructor(ns, child) {
    this.ns = ns;
    this.child = child;
    /** @type {LinuxNews['latest']} */
    this.latest = { tcp: 0, udp: 0 };
    /** @type {LinuxFindings | null} */
    this.findings = null;
    this.said = '';
    child.stderr?.setEncoding('utf8').on('data', (text) => (this.said += text));
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => {
      const said = /** @type {LinuxNews | LinuxFindings} */ (JSON.parse(line));
      if ('latest' in said) this.latest = said.latest;
      else this.findings = said;
    });
  }

  /** @param {import('./outside.mjs').Outside} outside @param {{ address: string, port: number }} counter */
  static async start(outside, { address, port }) {
    const { Netns, uniqueDevice } = await import('../../packages/node/test/interop/netns.js');
    const ns = new Netns();
    const device = uniqueDevice();
    await outside.bind(device);
    ns.adopt(device);
    ns.address(device, ADDRESS);
    ns.up(device);
    return new LinuxOutside(ns, ns.converse(process.execPath, PROGRAM, address, String(port)));
  }

  /** Has a request that was sent after `time`, by performance.now() here, been answered? @param {import('./counter-client.mjs').Way} way @param {number} time */
  answeredSince(way, time) {
    return this.latest[way] > performance.timeOrigin + time;
  }

  /** What it has found. */
  async stop() {
    const ended = this.child.exitCode === null ? once(this.child, 'close') : null;
    this.child.stdin?.end();
    await ended;
    if (this.findings === null) throw new Error(`the client in Linux has said nothing in the end: ${this.said}`);
    return this.findings;
  }

  close() {
    this.ns.destroy();
  }
}
