/**
 * tap-bridge.mjs — two namespaces with nothing between them but who joins two TAPs; and the peer in C that does so by poll, read and write, with one thread or with one for each
 * direction (peers/tap-bridge.c).
 */
import { spawn } from 'node:child_process';
import { builtPeer } from './c-peer.mjs';
import { uniqueDevice, withNetns } from './netns.mjs';
import { joined } from './switches.mjs';

/** @typedef {(a: string, b: string, vnetHdr: boolean) => Promise<() => Promise<void>>} Bridge opens two TAPs and joins them; how to end that */

/** Two namespaces joined by `bridge`. @param {Bridge} bridge @param {boolean} vnetHdr @param {(ends: import('./iperf.mjs').Ends) => Promise<number>} body */
export const throughTaps = (bridge, vnetHdr, body) =>
  withNetns(2, async (a, b) => {
    const devices = /** @type {[string, string]} */ ([uniqueDevice(), uniqueDevice()]);
    const end = await bridge(...devices, vnetHdr);
    try {
      return await body(joined([a, b], devices));
    } finally {
      await end();
    }
  });

/** By the peer. @param {1 | 2} threads @returns {Bridge} */
export const tapBridge = (threads) => async (a, b, vnetHdr) => {
  const child = spawn(builtPeer('tap-bridge.c'), [a, b, vnetHdr ? '1' : '0', String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    void ended.then(() => reject(new Error('tap-bridge ended')));
  });
  return async () => {
    child.stdin.end();
    await ended;
  };
};
