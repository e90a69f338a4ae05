/**
 * plug-rows.ts — what a plug of Linux's does, as a table: the rows that the kernel's and core's in its compatible mode must both give.
 * Read first: docs/netbuf.md ("What the plug does"); core's ha/plug.ts for the hazards.
 *
 * A row is a plug with a limit, told and given things in turn; after each, how many frames have left since the one before, how many are held, and how many were not taken. Frames have FRAME bytes.
 *
 * Not here: hazard C, which needs BUFFER to come before a kernel has sent what it was just told to send; core's plug.test.ts has it.
 */

/** Bytes of a frame, its Ethernet header included. */
export const FRAME = 1_000;

/** `send` frames; one of the commands; a new `limit`; the interface `down` and up again. */
export type PlugAct = { readonly send: number } | { readonly limit: number } | 'buffer' | 'release' | 'release-all' | 'down';

/** What is seen after an act: [left since the last, held, not taken since the last]. */
export type Seen = readonly [left: number, held: number, refused: number];

export interface PlugRow {
  readonly name: string;
  readonly limitBytes: number;
  readonly script: readonly (readonly [PlugAct, Seen])[];
}

const MUCH = 1_000_000;

export const PLUG_ROWS: readonly PlugRow[] = [
  { name: 'plugged from the first', limitBytes: MUCH, script: [[{ send: 3 }, [0, 3, 0]], [{ send: 1 }, [0, 4, 0]]] },
  { name: 'one epoch closed and released', limitBytes: MUCH, script: [[{ send: 3 }, [0, 3, 0]], ['buffer', [0, 3, 0]], ['release', [3, 0, 0]]] },
  {
    name: 'two epochs in the pipeline',
    limitBytes: MUCH,
    script: [[{ send: 3 }, [0, 3, 0]], ['buffer', [0, 3, 0]], [{ send: 2 }, [0, 5, 0]], ['release', [3, 2, 0]], ['buffer', [0, 2, 0]], [{ send: 1 }, [0, 3, 0]], ['release', [2, 1, 0]]],
  },
  { name: 'RELEASE_ONE without a closed epoch', limitBytes: MUCH, script: [[{ send: 2 }, [0, 2, 0]], ['release', [0, 2, 0]], ['buffer', [0, 2, 0]], ['release', [2, 0, 0]], ['release', [0, 0, 0]]] },
  { name: 'an empty epoch', limitBytes: MUCH, script: [['buffer', [0, 0, 0]], ['release', [0, 0, 0]], [{ send: 1 }, [0, 1, 0]], ['buffer', [0, 1, 0]], ['release', [1, 0, 0]]] },
  {
    name: 'RELEASE_INDEFINITE until the next BUFFER',
    limitBytes: MUCH,
    script: [
      [{ send: 2 }, [0, 2, 0]], ['buffer', [0, 2, 0]], [{ send: 1 }, [0, 3, 0]], ['release-all', [3, 0, 0]], [{ send: 4 }, [4, 0, 0]], ['buffer', [0, 0, 0]], [{ send: 1 }, [0, 1, 0]], ['release', [0, 1, 0]],
      ['buffer', [0, 1, 0]], ['release', [1, 0, 0]],
    ],
  },
  { name: 'the limit is in bytes, and the newest is not taken', limitBytes: 2 * FRAME + 1, script: [[{ send: 4 }, [0, 2, 2]], ['buffer', [0, 2, 0]], ['release', [2, 0, 0]], [{ send: 1 }, [0, 1, 0]]] },
  { name: 'exactly the limit fits', limitBytes: 3 * FRAME, script: [[{ send: 3 }, [0, 3, 0]], [{ send: 1 }, [0, 3, 1]]] },
  { name: 'a smaller limit takes nothing away', limitBytes: MUCH, script: [[{ send: 5 }, [0, 5, 0]], [{ limit: 100 }, [0, 5, 0]], [{ send: 1 }, [0, 5, 1]], ['buffer', [0, 5, 0]], ['release', [5, 0, 0]], [{ send: 1 }, [0, 0, 1]]] },
  { name: 'a larger limit takes more', limitBytes: FRAME, script: [[{ send: 2 }, [0, 1, 1]], [{ limit: 3 * FRAME }, [0, 1, 0]], [{ send: 3 }, [0, 3, 1]]] },
  { name: 'what was not taken is in no epoch', limitBytes: 2 * FRAME, script: [[{ send: 3 }, [0, 2, 1]], ['buffer', [0, 2, 0]], [{ limit: MUCH }, [0, 2, 0]], [{ send: 1 }, [0, 3, 0]], ['release', [2, 1, 0]]] },
  {
    name: 'hazard A: BUFFER twice forgets the older epoch',
    limitBytes: MUCH,
    script: [
      [{ send: 3 }, [0, 3, 0]], ['buffer', [0, 3, 0]], [{ send: 1 }, [0, 4, 0]], ['buffer', [0, 4, 0]], [{ send: 1 }, [0, 5, 0]], ['release', [1, 4, 0]], ['buffer', [0, 4, 0]], ['release', [1, 3, 0]], ['release-all', [3, 0, 0]],
    ],
  },
  {
    name: 'hazard B: down and up keep the count, and frames of the open epoch leave',
    limitBytes: MUCH,
    script: [[{ send: 3 }, [0, 3, 0]], ['buffer', [0, 3, 0]], ['down', [0, 0, 0]], [{ send: 4 }, [0, 4, 0]], ['release', [3, 1, 0]]],
  },
];
