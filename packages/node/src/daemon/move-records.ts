/**
 * move-records.ts — GET /v1/moves: the journal of moves, as the daemon's clients get it.
 *
 * Read first: packages/core/src/net/move-journal.ts; docs/events.md, "Moves".
 */
import type { Kernel, MoveRecord } from '@netloom/core';
import { errnoName, strerror } from '@netloom/core';
import type { FastifyInstance } from 'fastify';
import { HOST_VNET } from '../lab/lab-model.js';
import type { HostLoop } from '../loop.js';
import { wallTime } from './event-records.js';

/** A move that was asked for. Names of vnets are those of jails from outside all jails, or 'host'. */
export interface MoveView {
  readonly seq: number;
  readonly time: string;
  readonly how: 'loan' | 'reclaim' | 'return';
  readonly interface: string;
  /** Its name afterwards. */
  readonly name: string;
  readonly index: number;
  readonly from: string;
  readonly to: string;
  readonly home: string;
  /** Was a new instance made, or did the same object go? */
  readonly by: 'instance' | 'classic';
  /** Name and words of the error; null when it moved. */
  readonly error: string | null;
  readonly message: string | null;
}

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const NULLABLE = { type: ['string', 'null'] } as const;

const MOVE = {
  type: 'object',
  properties: {
    seq: INTEGER, time: { ...STRING, format: 'date-time' }, how: { ...STRING, enum: ['loan', 'reclaim', 'return'] }, interface: STRING, name: STRING, index: INTEGER,
    from: STRING, to: STRING, home: STRING, by: { ...STRING, enum: ['instance', 'classic'] }, error: NULLABLE, message: NULLABLE,
  },
} as const;

export function addMoveRoutes(app: FastifyInstance, kernel: Kernel, loop: HostLoop): void {
  const schema = { summary: 'Moves of interfaces between vnets, refused ones too, oldest first', response: { 200: { type: 'array', items: MOVE } } };
  app.get('/v1/moves', { schema }, () => kernel.shared.moves.list().map((r) => viewOf(r, kernel.vnet0.name, loop.bootWallUs)));
}

function viewOf(r: MoveRecord, vnet0: string, bootWallUs: number): MoveView {
  const called = (vnet: string): string => (vnet === vnet0 ? HOST_VNET : vnet);
  return {
    seq: r.seq, time: wallTime(bootWallUs + r.at), how: r.how, interface: r.name, name: r.newName, index: r.index, from: called(r.from), to: called(r.to), home: called(r.home), by: r.by,
    error: r.error === 0 ? null : errnoName(r.error), message: r.error === 0 ? null : strerror(r.error),
  };
}
