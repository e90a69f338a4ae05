/**
 * linux.mjs — Linux asks: a tap of a vnet is joined to a TAP device, the device goes to a network namespace, and Node in there is the client.
 *
 * Linux's TCP is the peer then, and nothing of this machine's own network is touched. It takes root, /dev/net/tun and iproute2.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { attachTap } from '@netloom/node';

const run = promisify(execFile);
const CLIENT = 'require("https").get(process.argv[1], { ca: process.env.CERT }, (r) => r.pipe(process.stdout))';

/** Why it cannot be done here, or null. */
function lacking() {
  if (process.getuid?.() !== 0) return 'that takes root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'there is no iproute2';
  }
}

/**
 * @param {import('@netloom/core').Kernel} kernel @param {import('@netloom/node').HostLoop} loop @param {import('@netloom/core').Ifnet} tap
 * @param {string} address Linux's, of 24 bits @param {string} url @param {string} cert
 * @returns {Promise<{ answer: string | null, skipped: string | null }>}
 */
export async function askFromLinux(kernel, loop, tap, address, url, cert) {
  const skipped = lacking();
  if (skipped !== null) return { answer: null, skipped };
  const name = `nl09-${process.pid}`;
  /** @type {import('@netloom/node').AttachedTap} */
  let device;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    device = await attachTap(kernel, loop, tap, 'nltap%d');
  } catch (error) {
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' });
    return { answer: null, skipped: String(error) };
  }
  try {
    execFileSync('ip', ['link', 'set', device.device, 'netns', name]);
    for (const command of [['addr', 'add', `${address}/24`, 'dev', device.device], ['link', 'set', device.device, 'up']]) execFileSync('ip', ['-netns', name, ...command]);
    // Not waited for in place: this process is the one that answers.
    const { stdout } = await run('ip', ['netns', 'exec', name, process.execPath, '-e', CLIENT, url], { env: { ...process.env, CERT: cert } });
    return { answer: stdout.trimEnd(), skipped: null };
  } finally {
    await device.close();
    execFileSync('ip', ['netns', 'delete', name]);
  }
}
