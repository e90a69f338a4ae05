/**
 * device-state.ts — what both ends of a machine's state agree on with QEMU: a migration that leaves the memory where it is.
 * Read first: QEMU's docs/devel/migration.rst; qemu-checkpointer.ts (takes it), vm/vm-standby.ts (brings it).
 *
 * With the capability `x-ignore-shared` a migration has no memory in it that is a shared file, so what is left is the state of the devices and of the processors, some hundred kilobytes. QEMU writes it to a Unix socket
 * that we listen at, and reads it from one that it listens at.
 */
import type { QmpClient } from '../../vm/qmp-client.js';

/** A state takes milliseconds; a machine that is so late is not going to. */
const STATE_MS = 30_000;
/** As fast as it can. */
const BANDWIDTH_MAX = 1e12;

/** Said once to each QEMU, before anything else here. @throws QmpError */
export async function leaveMemory(qmp: QmpClient): Promise<void> {
  await qmp.run('migrate-set-capabilities', { capabilities: ['events', 'x-ignore-shared'].map((capability) => ({ capability, state: true })) });
  await qmp.run('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH_MAX });
}

/** Is heard when the state has been taken or brought. Asked for before the migration begins. Rejects with why it failed. */
export function migrationEnds(qmp: QmpClient): Promise<void> {
  const ends = qmp.waitFor('MIGRATION', ({ status }) => status === 'completed' || status === 'failed' || status === 'cancelled', STATE_MS).then(async ({ data: { status } }) => {
    if (status === 'completed') return;
    const { 'error-desc': why } = (await qmp.run('query-migrate')) as { 'error-desc'?: string };
    throw new Error(why ?? `QEMU's migration has ${String(status)}`);
  });
  ends.catch(() => undefined); // whoever waits is told
  return ends;
}
