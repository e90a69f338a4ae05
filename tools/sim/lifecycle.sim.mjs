/**
 * lifecycle.sim.mjs — interfaces and jails that are made, used, moved and unmade in random order, also inside each other's events: the books
 * are right after every operation, and nothing is left at the end.
 */
import { Lifecycle } from './lifecycle.mjs';

const OPERATIONS = 150;

/** @param {number} seed */
function lifecycle(seed) {
  const life = new Lifecycle(seed);
  for (let i = 0; i < OPERATIONS; i++) life.step();
  life.end();
  return life.summary;
}

export const scenarios = [{ name: 'lifecycle', run: lifecycle }];
