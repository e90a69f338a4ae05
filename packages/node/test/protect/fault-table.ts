/**
 * fault-table.ts — the rows of docs/protect-faults.md, from those that are injected: which places and fences have the same outcome.
 * Read first: fault-rows.ts. tools/protect-faults-page.test.ts compares.
 */
import { FAULT_ROWS } from './fault-rows.js';

/** A row of the page: | fault | where | fence | it comes to | is told |. */
export function faultTable(): string[] {
  // The places of each outcome and fence; then the fences that have the same ones.
  const places = new Map<string, Map<string, string[]>>();
  for (const { fault, where, fence, command, ends, told } of FAULT_ROWS) {
    const fences = getOr(places, `| ${fault} | ? | ${ends} | ${told.join(', ')} |`, () => new Map<string, string[]>());
    getOr(fences, fence === 'command' && command === 'no' ? 'command that says no' : fence, () => []).push(where);
  }
  return [...places].flatMap(([row, byFence]) => {
    const alike = new Map<string, string[]>();
    for (const [fence, where] of byFence) getOr(alike, where.join(', '), () => []).push(fence);
    return [...alike].map(([where, fences]) => row.replace('?', `${where} | ${fences.join(', ')}`));
  });
}

function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
