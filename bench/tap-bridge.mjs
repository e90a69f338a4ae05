/**
 * tap-bridge.mjs — the peer in C that joins two TAPs by poll, read and write, with one thread or with one for each direction (peers/tap-bridge.c).
 */
import { spawn } from 'node:child_process';
import { builtPeer } from './c-peer.mjs';

/** Makes two TAPs and joins them; answers how to end that. @param {1 | 2} threads @returns {(a: string, b: string, vnetHdr: boolean) => Promise<() => Promise<void>>} */
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
