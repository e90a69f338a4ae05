/**
 * netns.mjs — Linux network namespaces for benchmarks: made, used, deleted, also when a measurement fails or the process ends.
 * Read first: ip-netns(8). Needs root and iproute2: see `lackingNetns`.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';

/** @type {Set<Netns>} */
const living = new Set();
const counters = { namespaces: 0, devices: 0 };

/**
 * Why this machine has no namespaces, or lacks one of the programs; or null.
 * @param {...string} programs
 */
export function lackingNetns(...programs) {
  if (process.platform !== 'linux') return 'this needs Linux';
  if (process.getuid?.() !== 0) return 'this needs root';
  const missing = ['ip', ...programs].filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  if (missing.length > 0) return `no program ${missing.join(', ')}`;
  return spawnSync('unshare', ['--net', 'true']).status === 0 ? null : 'no network namespaces';
}

/** An interface name that nobody else uses. */
export const uniqueDevice = () => `nlb${process.pid.toString(36)}x${(counters.devices++).toString(36)}`;

/** @param {...string} args */
export const ip = (...args) => execFileSync('ip', args, { encoding: 'utf8' });

export class Netns {
  constructor() {
    /** @type {string} */
    this.name = `nlbench-${process.pid}-${counters.namespaces++}`;
    if (living.size === 0) process.on('exit', destroyAll);
    ip('netns', 'add', this.name);
    living.add(this);
    this.ip('link', 'set', 'dev', 'lo', 'up');
  }

  /** @param {...string} args */
  ip(...args) {
    return ip('-netns', this.name, ...args);
  }

  /**
   * Brings an interface up with an address, and a default route.
   * @param {string} device @param {string} address with prefix length @param {string} [gateway]
   */
  join(device, address, gateway) {
    this.ip('link', 'set', 'dev', device, 'addrgenmode', 'none');
    this.ip('addr', 'add', address, 'dev', device);
    this.ip('link', 'set', 'dev', device, 'up');
    if (gateway !== undefined) this.ip('route', 'add', 'default', 'via', gateway);
  }

  /**
   * The same with an IPv6 address, and the link-local one that a router asks for neighbours with, usable at once; the interface is up.
   * @param {string} device @param {string} address with prefix length @param {string} [gateway]
   */
  join6(device, address, gateway) {
    for (const each of [`fe80::${gateway === undefined ? 1 : 2}/64`, address]) this.ip('-6', 'addr', 'add', each, 'dev', device, 'nodad');
    if (gateway !== undefined) this.ip('-6', 'route', 'add', 'default', 'via', gateway, 'dev', device);
  }

  /** @param {...string} argv */
  spawn(...argv) {
    return spawn('ip', ['netns', 'exec', this.name, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /**
   * Runs a program to its end without holding up this process; its standard output.
   * @param {...string} argv
   * @returns {Promise<string>}
   */
  run(...argv) {
    return new Promise((resolve, reject) => {
      const child = this.spawn(...argv);
      let [out, err] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
      child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
      child.once('error', reject);
      child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${argv.join(' ')}: exit ${code}: ${err}${out}`))));
    });
  }

  destroy() {
    if (!living.delete(this)) return;
    if (living.size === 0) process.off('exit', destroyAll);
    for (const pid of ip('netns', 'pids', this.name).split('\n').filter(Boolean)) spawnSync('kill', ['-9', pid]);
    ip('netns', 'delete', this.name);
  }
}

function destroyAll() {
  for (const ns of [...living]) ns.destroy();
}

/**
 * Runs `body` with `count` fresh namespaces, and deletes them.
 * @template T
 * @param {number} count @param {(...namespaces: Netns[]) => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function withNetns(count, body) {
  /** @type {Netns[]} */
  const made = [];
  try {
    while (made.length < count) made.push(new Netns());
    return await body(...made);
  } finally {
    for (const ns of made) ns.destroy();
  }
}
