/**
 * places.mjs — where the protected machine lives, and how it dies: LocalPlace, one daemon that has the standby too; PairPlace, two daemons that are each other's backup in turn.
 * Read first: daemon-child.mjs; docs/protect.md.
 *
 *     local   SIGKILL for QEMU; the daemon runs the standby in its place and protects it again
 *     pair    SIGKILL for the whole daemon, whose watcher ends QEMU; the other daemon takes over, the dead one is started anew as its backup
 *
 * Not here: when (proof.mjs).
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { JOURNAL_BYTES } from './counter-guest.mjs';
import { DaemonChild } from './daemon-child.mjs';
import { until } from './until.mjs';

/** @typedef {import('@netloom/node/client').VmView} VmView */
/** @typedef {import('@netloom/node/client').VmRequest} VmRequest */
/** @typedef {import('./outside.mjs').Outside} Outside */
/** @typedef {{ intervalMs: number, unplugged: boolean }} Wish how it is to be protected */
/** @typedef {import('@netloom/node/client').ProtectionView} ProtectionView */
/** @typedef {LocalPlace | PairPlace} Place */

export const MACHINE = 'ward';
const TAKEN_MS = 60_000;
/** The output waits for the backup: the machine is protected. */
const PROTECTED = 'holding';

/** A daemon with the machine's place in it. @param {string} name @param {string} folder @param {string} uplink */
async function daemonWithPlace(name, folder, uplink) {
  const daemon = await DaemonChild.start(name, folder);
  await daemon.makePlace(uplink);
  return daemon;
}

/** The machine in a daemon. @param {DaemonChild} daemon @returns {Promise<VmView | undefined>} */
async function machineIn(daemon) {
  const views = /** @type {VmView[]} */ (await daemon.client.get('/v1/vms'));
  return views.find(({ name, state, pid }) => name === MACHINE && state === 'running' && pid !== 0);
}

/** What both kinds have: the daemon that the machine is in now. */
class ProtectedPlace {
  /** @param {string} folder @param {DaemonChild} primary @param {Readonly<Record<string, string>>} words of POST /v1/protections, besides how */
  constructor(folder, primary, words) {
    this.folder = folder;
    this.primary = primary;
    this.words = words;
  }

  /** Makes the file that the machine's journal is to be in, of zeros. */
  makeJournal() {
    const path = join(this.folder, 'journal.img');
    const fd = openSync(path, 'w');
    ftruncateSync(fd, JOURNAL_BYTES);
    closeSync(fd);
    return path;
  }

  /** @param {VmRequest} request */
  async run(request) {
    await this.primary.client.post('/v1/vms', request);
  }

  /** @param {Wish} wish */
  async protect({ intervalMs, unplugged }) {
    await this.primary.client.post('/v1/protections', { machine: MACHINE, ...this.words, interval: intervalMs, unplugged });
  }

  /** The protection, once the output waits for the backup. */
  async protection() {
    const views = /** @type {ProtectionView[]} */ (await this.primary.client.get('/v1/protections'));
    return views.find(({ machine, side, phase }) => machine === MACHINE && side === 'primary' && phase === PROTECTED);
  }

  /** The same, with what its last epochs have cost. @returns {Promise<ProtectionView>} */
  figures() {
    return this.primary.client.get(`/v1/protections/${MACHINE}?side=primary`);
  }

  /** Takes the machine's power; the file its journal is in. */
  async stop() {
    const view = await machineIn(this.primary);
    await this.primary.client.delete(`/v1/vms/${MACHINE}?seconds=0`);
    return view?.disks[0]?.path;
  }
}

export class LocalPlace extends ProtectedPlace {
  /** @param {string} folder @param {Outside} outside */
  static async open(folder, outside) {
    return new LocalPlace(folder, await daemonWithPlace('a', folder, await outside.port('a')), { backup: 'local' });
  }

  /** Kills the machine, and resolves when its successor runs. @param {() => void} killing called when it dies */
  async failover(killing) {
    const before = await machineIn(this.primary);
    if (before === undefined) throw new Error('there is no machine to be killed');
    killing();
    process.kill(before.pid, 'SIGKILL');
    await until('the standby runs', TAKEN_MS, async () => {
      const now = await machineIn(this.primary);
      return now !== undefined && now.pid !== before.pid;
    });
  }

  /** The daemon protects it again by itself. @param {Wish} _wish */
  async protectAgain(_wish) {}

  get logs() {
    return [this.primary.log];
  }

  async close() {
    await this.primary.end();
  }
}

export class PairPlace extends ProtectedPlace {
  /** @param {string} folder @param {DaemonChild} primary @param {DaemonChild} backup @param {Readonly<Record<string, string>>} uplinks by the daemon's name */
  constructor(folder, primary, backup, uplinks) {
    super(folder, primary, { backup: `unix:${backup.socket}`, fence: 'lock' });
    this.backup = backup;
    this.uplinks = uplinks;
  }

  /** @param {string} folder @param {Outside} outside */
  static async open(folder, outside) {
    const uplinks = { a: await outside.port('a'), b: await outside.port('b') };
    return new PairPlace(folder, await daemonWithPlace('a', folder, uplinks.a), await daemonWithPlace('b', folder, uplinks.b), uplinks);
  }

  /** @param {() => void} killing */
  async failover(killing) {
    killing();
    await this.primary.kill();
    await until('the backup runs the machine', TAKEN_MS, async () => (await machineIn(this.backup)) !== undefined);
  }

  /** Starts the dead daemon anew, as the backup. @param {Wish} wish */
  async protectAgain(wish) {
    const { name } = this.primary;
    const anew = await daemonWithPlace(name, this.folder, this.uplinks[name] ?? '');
    [this.primary, this.backup] = [this.backup, anew];
    this.words = { ...this.words, backup: `unix:${anew.socket}` };
    await this.protect(wish);
  }

  get logs() {
    return [this.primary.log, this.backup.log];
  }

  async close() {
    await Promise.all([this.primary.end(), this.backup.end()]);
  }
}
