/**
 * proof.mjs — what `npm run failover` does: a counter in a protected machine is asked from outside, over one TCP connection and by UDP, while the machine is killed again and again.
 * Read first: docs/protect.md; counter.pl, counter-client.mjs, judge.mjs (who decides), places.mjs (where the machine lives, and how it dies).
 *
 * Theory of operation. The moment of a kill is the seed's, evenly spread over some epochs from when the machine is protected; which part of an epoch that is, is the machine's doing. After a kill
 * everything goes on when the machine is protected again and both ways have answered requests that were sent since. With a journal its disk is read in the end.
 *
 * The control is the same with output that is not held: then the judge must find regressions, or it would find none at all.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Prng } from '@netloom/core';
import { CounterClient } from './counter-client.mjs';
import { ADDRESS, PORT, counterRequest } from './counter-guest.mjs';
import { MACHINE_TAP } from './daemon-child.mjs';
import { gapsOf, longestGap } from './gaps.mjs';
import { checkJournalFile } from './journal.mjs';
import { Judge } from './judge.mjs';
import { Outside } from './outside.mjs';
import { LinuxOutside } from './linux-outside.mjs';
import { LocalPlace, MACHINE, PairPlace } from './places.mjs';
import { until } from './until.mjs';

/** @typedef {'local' | 'pair'} Mode */
/** @typedef {{ kills: number, mode: Mode, intervalMs: number, unplugged: boolean, seed: number, memory: string, disk: boolean, pages: number, linux: boolean }} Options */
/** @typedef {{ min: number, median: number, max: number } | null} Range */
/** @typedef {{ committed: number, pauseMs: Range, commitMs: Range, pages: Range }} Epochs how many; and of the last before each kill how long the machine stood still, how long until the backup had it, and how much of it was new */
/**
 * @typedef {object} Report
 * @property {number} failovers
 * @property {number} regressions
 * @property {number} connectionResets
 * @property {import('./gaps.mjs').Gaps | null} gapMs how long nobody was answered, around each kill
 * @property {import('./gaps.mjs').Gaps | null} tcpGapMs
 * @property {import('./gaps.mjs').Gaps | null} udpGapMs
 * @property {import('./counter-client.mjs').Requests} requests
 * @property {Epochs} epochs
 * @property {import('./journal.mjs').JournalReport | null} journal
 * @property {Omit<import('./linux-client.mjs').LinuxFindings, 'given'> | null} linux what the second client saw
 * @property {string[]} problems why it has failed; none: it has not
 */

/** Without a plug, TCP is stuck after the first failover: its peer knows of bytes that its successor has never sent. */
const WAYS = /** @type {const} */ (['tcp', 'udp']);
/** How long the client asks a machine that nobody protects. */
const UNPROTECTED_MS = 5_000;
const COUNTER = { address: ADDRESS, port: PORT };
const BOOT_MS = 180_000;
const PROTECTED_MS = 120_000;
const ANSWER_MS = 60_000;
/** A kill comes so many epochs after the machine is protected, at least and at most. */
const EPOCHS_MIN = 3;
const EPOCHS_MAX = 8;
const TOLD_MAX = 5;
const LOG_TAIL = 2_000;

export class Proof {
  /**
   * @param {Options} options
   * @param {Outside} outside
   * @param {import('./places.mjs').Place} place
   * @param {(line: string) => void} say
   */
  constructor(options, outside, place, say) {
    this.options = options;
    this.outside = outside;
    this.place = place;
    this.say = say;
    this.rng = new Prng(options.seed);
    this.judge = new Judge();
    this.client = new CounterClient(outside.sockets, COUNTER, this.judge);
    /** @type {LinuxOutside | null} */
    this.linux = null;
    /** @type {import('./linux-client.mjs').LinuxFindings | null} */
    this.linuxFindings = null;
    /** @type {{ all: number[], tcp: number[], udp: number[] }} */
    this.gaps = { all: [], tcp: [], udp: [] };
    this.failovers = 0;
    this.commits = 0;
    /** @type {import('./places.mjs').ProtectionView['recent'][number][]} */
    this.figures = [];
    /** @type {string[]} */
    this.problems = [];
    /** @type {import('./journal.mjs').JournalReport | null} */
    this.journal = null;
  }

  /** Runs the machine, and the client as soon as the counter answers. */
  async start() {
    const { memory, pages, disk } = this.options;
    const request = await counterRequest({ name: MACHINE, nic: MACHINE_TAP, memory, pages, ...(disk ? { disk: this.place.makeJournal() } : {}) });
    await this.place.run({ ...request, protectable: this.options.kills > 0 });
    await until('the counter answers', BOOT_MS, () => this.client.start().then(() => true, () => false));
    if (!this.options.linux) return;
    const linux = await LinuxOutside.start(this.outside, COUNTER);
    this.linux = linux;
    await until('the client in Linux is answered', ANSWER_MS, () => WAYS.every((way) => linux.answeredSince(way, 0)));
  }

  /** Kills until there were enough, or `enough` says so. @param {() => boolean} enough */
  async killAll(enough) {
    if (this.options.kills === 0) return void (await delay(UNPROTECTED_MS));
    await this.place.protect(this.options);
    while (this.failovers < this.options.kills && !enough()) {
      const { committed } = await this.protected();
      await this.committed(committed + EPOCHS_MIN);
      await delay((EPOCHS_MAX - EPOCHS_MIN) * this.options.intervalMs * (this.rng.u32() / 2 ** 32));
      this.count(await this.place.figures());
      await this.killOnce();
    }
    await this.protected();
    this.count(await this.place.figures());
  }

  /** Figures of a protection that is about to end. @param {import('./places.mjs').ProtectionView} view */
  count({ totals, recent }) {
    this.commits += totals.commits;
    this.figures.push(...recent);
  }

  async killOnce() {
    let killedAt = 0;
    await this.place.failover(() => (killedAt = performance.now()));
    this.failovers++;
    await this.place.protectAgain(this.options);
    await this.protected();
    const now = performance.now();
    for (const way of this.options.unplugged ? WAYS.slice(1) : WAYS) {
      await until(`kill ${this.failovers}: an answer by ${way.toUpperCase()}`, ANSWER_MS, () => this.client.answeredSince(way, now) || this.client.resets.length > 0);
      await until(`kill ${this.failovers}: an answer by ${way.toUpperCase()} in Linux`, ANSWER_MS, () => this.linux?.answeredSince(way, now) !== false);
    }
    const { times, allTimes } = this.client;
    const gaps = { all: longestGap(allTimes, killedAt, now), tcp: longestGap(times.tcp, killedAt, now), udp: longestGap(times.udp, killedAt, now) };
    for (const way of /** @type {const} */ (['all', ...WAYS])) this.gaps[way].push(gaps[way]);
    this.say(`kill ${this.failovers}: nobody was answered for ${gaps.all.toFixed(0)} ms (TCP ${gaps.tcp.toFixed(0)}, UDP ${gaps.udp.toFixed(0)}); ${this.judge.regressions.length} regressions`);
  }

  protected() {
    return until('the machine is protected', PROTECTED_MS, () => this.place.protection());
  }

  /** @param {number} epoch */
  committed(epoch) {
    return until(`epoch ${epoch} is committed`, PROTECTED_MS, async () => ((await this.place.protection())?.committed ?? -1) >= epoch);
  }

  async end() {
    await this.client.stop();
    this.linuxFindings = (await this.linux?.stop()) ?? null;
    const given = new Map([...(this.linuxFindings?.given ?? []), ...this.judge.given]);
    const twice = this.judge.given.size + (this.linuxFindings?.given.length ?? 0) - given.size;
    if (twice > 0) this.problems.push(`${twice} values were given to both clients`);
    const path = await this.place.stop();
    if (this.options.disk) this.journal = path === undefined ? null : checkJournalFile(path, given);
  }

  /** @returns {Epochs} */
  get epochs() {
    const range = (/** @type {(number | null)[]} */ values) => {
      const gaps = gapsOf(values.filter((value) => value !== null));
      return gaps === null ? null : { min: gaps.min, median: gaps.median, max: gaps.max };
    };
    const ms = (/** @type {number | null} */ us) => (us === null ? null : us / 1000);
    return {
      committed: this.commits, pauseMs: range(this.figures.map(({ pauseUs }) => ms(pauseUs))), commitMs: range(this.figures.map(({ commitUs }) => ms(commitUs))), pages: range(this.figures.map(({ pages }) => pages)),
    };
  }

  /** @returns {Report} */
  report() {
    const { judge, client, gaps, journal, linuxFindings: linux } = this;
    const problems = [
      ...this.problems,
      ...(this.failovers < this.options.kills ? [`${this.failovers} failovers instead of ${this.options.kills}`] : []),
      ...[...judge.regressions, ...(linux?.regressions ?? [])].slice(0, TOLD_MAX).map(({ id, value, what }) => `regression: ${id} was answered ${value}: ${what}`),
      ...[...client.resets, ...(linux?.resets ?? [])].map((why) => `the connection ended: ${why}`),
      ...(journal?.problems.slice(0, TOLD_MAX) ?? (this.options.disk ? ['the journal could not be read'] : [])),
    ];
    return {
      failovers: this.failovers, regressions: judge.regressions.length, connectionResets: client.resets.length,
      gapMs: gapsOf(gaps.all), tcpGapMs: gapsOf(gaps.tcp), udpGapMs: gapsOf(gaps.udp),
      requests: client.requests, epochs: this.epochs, journal, problems,
      linux: linux === null ? null : { requests: linux.requests, regressions: linux.regressions, resets: linux.resets },
    };
  }
}

/** @param {unknown} error */
const text = (error) => (error instanceof Error ? error.message : String(error));

/**
 * @param {Options} options
 * @param {(line: string) => void} say
 * @param {(proof: Proof) => boolean} [enough] before there were as many kills as asked for
 * @returns {Promise<Report>}
 */
export async function prove(options, say, enough = () => false) {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-failover-'));
  const outside = await Outside.open(folder, options.seed);
  const place = await (options.mode === 'pair' ? PairPlace : LocalPlace).open(folder, outside);
  const proof = new Proof(options, outside, place, say);
  try {
    await proof.start();
    await proof.killAll(() => enough(proof));
    await proof.end();
  } catch (error) {
    proof.problems.push(text(error), ...place.logs.map((path) => readFileSync(path, 'utf8').slice(-LOG_TAIL).trim()).filter((log) => log !== ''));
  } finally {
    proof.linux?.close();
    await place.close().catch((error) => proof.problems.push(text(error)));
    await outside.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return proof.report();
}
