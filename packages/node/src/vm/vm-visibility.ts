/**
 * vm-visibility.ts — whose machines a tool in a jail may touch: the jail's own, and those of the jails below it.
 */
import type { Prison } from '@netloom/core';
import type { Vm } from './vm.js';

export function isSeenBy(prison: Prison, vm: Vm): boolean {
  for (let at: Prison | null = vm.prison; at !== null; at = at.parent) if (at === prison) return true;
  return false;
}
