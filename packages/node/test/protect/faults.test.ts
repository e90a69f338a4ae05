/**
 * faults.test.ts — each fault of the table, put in where it says, and what comes of it: who runs the machine, what is told; and that nothing is lost, nothing runs twice and nothing is left.
 * Read first: fault-rows.ts; docs/protect-faults.md.
 */
import { expect, test } from 'vitest';
import { FaultRig } from './fault-rig.js';
import { FAULT_ROWS } from './fault-rows.js';

test.each(FAULT_ROWS.map((row) => [`${row.fault}, ${row.where} (${row.fence}${row.command === undefined ? '' : `: ${row.command}`})`, row] as const))('%s', async (_name, { fence, command, inject, ends, told }) => {
  const rig = new FaultRig(command === undefined ? { fence } : { fence, command });
  try {
    await inject(rig);
    await rig.until(`${ends}, after ${told.join(', ')}`, () => rig.state() === ends && isWithin(told, rig.told));
    const seen = rig.answers;
    if (rig.running() !== 'nobody') await rig.until('it answers', () => rig.answers > seen + 5);
    expect(await rig.end()).toEqual([]);
  } finally {
    rig.close();
  }
});

/** Are they there, in this order? */
function isWithin(some: readonly string[], all: readonly string[]): boolean {
  let at = 0;
  for (const one of all) if (one === some[at]) at++;
  return at === some.length;
}
