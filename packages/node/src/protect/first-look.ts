/**
 * first-look.ts — firstLook: sends the image and the disks of a running machine to its backup, so that the first checkpoint is a small one.
 * Read first: checkpoint.ts (`scan`); held-disks.ts (`copy`).
 */
import type { BackupSession } from './backup-session.js';
import type { ProtectedParts } from './protected-parts.js';

/** Pages of a look at the image of a running machine; looks at all of it. */
const SCAN_PAGES = 2_048;
const SCAN_ROUNDS = 4;
/** With so few different ones the machine may be stopped. */
const SCAN_ENOUGH_PAGES = 1_024;

/** Rejects with one line: the machine, or the backup, is gone. */
export async function firstLook({ checkpointer, disks, copiesDisks }: ProtectedParts, session: BackupSession, goesOn: () => boolean): Promise<void> {
  await checkpointer.begin();
  if (copiesDisks) await disks.copy((piece) => session.sendDisk(piece, true), goesOn);
  for (let round = 0; round < SCAN_ROUNDS && goesOn(); round++) {
    let found = 0;
    for (let from: number | null = 0; from !== null && goesOn(); ) {
      const scan = await checkpointer.scan(from, SCAN_PAGES);
      found += scan.delta.pages.length;
      await session.sendImage(scan.delta, true);
      from = scan.next;
    }
    if (found <= SCAN_ENOUGH_PAGES) return;
  }
}
