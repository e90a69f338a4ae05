/**
 * daemon.mjs — a daemon for one measurement: in this process, with a folder of its own, ended when the measurement is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';

/** @typedef {(...argv: string[]) => Promise<void>} Tool runs a tool that must succeed */
/** @typedef {{ daemon: import('@netloom/node').Daemon, client: DaemonClient, tool: Tool, folder: string }} BenchDaemon */

/** Runs `body` with a fresh folder, and deletes it. @template T @param {(folder: string) => Promise<T>} body @returns {Promise<T>} */
export async function withFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-bench-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `body` with a fresh daemon, and ends it. @template T @param {(daemon: BenchDaemon) => Promise<T>} body @param {number} [workers] of its datapath @returns {Promise<T>} */
export const withDaemon = (body, workers = 0) =>
  withFolder(async (folder) => {
    const daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'error', seed: 1, workers });
    try {
      const client = new DaemonClient(daemon.socketPath);
      /** @type {Tool} */
      const tool = async (...argv) => {
        const { exitCode, stderr } = /** @type {{ exitCode: number, stderr: string }} */ (await client.post('/v1/exec', { argv }));
        if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
      };
      return await body({ daemon, client, tool, folder });
    } finally {
      await daemon.close();
    }
  });
