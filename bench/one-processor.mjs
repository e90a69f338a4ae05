/**
 * one-processor.mjs — has this process and the peers that stay run on the same processor.
 * Read first: sched_setaffinity(2), taskset(1).
 *
 * Processors that others use too are not equally fast: one may have half of the other's caches. Left alone Linux keeps this process on one and a resident peer on another for minutes, and
 * a ratio then says more about these two than about two programs. Benchmarks of one thread (`oneProcessor`) are measured on each processor in turn, with their peers.
 * What makes garbage is not: V8's threads that collect it would wait for each other on one processor.
 * Without taskset, or where it is refused, everything stays where it was.
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

/** Processes that are moved together. */
const pids = new Set([process.pid]);
/** The list of processors they are on; '': wherever they were. */
let present = '';

/** The process `pid` goes where this one does. @param {number} pid */
export function joinsUs(pid) {
  pids.add(pid);
  if (present !== '') move(pid, present);
}

/** It has ended. @param {number} pid */
export const leavesUs = (pid) => void pids.delete(pid);

/** From here on all run on one processor, another one with each `turn`. @param {number} turn */
export function runOnOne(turn) {
  const count = cpus().length;
  moveAll(String(((turn % count) + count) % count));
}

/** From here on they run on all. */
export function runOnAll() {
  if (present !== '') moveAll(`0-${cpus().length - 1}`);
}

/** @param {string} list */
function moveAll(list) {
  present = list;
  for (const pid of pids) move(pid, list);
}

/** With all of its threads. @param {number} pid @param {string} list */
function move(pid, list) {
  if (process.platform === 'linux') spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(pid)], { stdio: 'ignore' });
}
