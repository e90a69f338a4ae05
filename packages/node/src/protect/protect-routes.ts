/**
 * protect-routes.ts — protected machines over HTTP: /v1/protections.
 * Read first: protect-view.ts, protect-request.ts; protections.ts, which is the door.
 *
 * A machine whose both sides are here is two of the list. Asked for by its name it is the side that runs it, unless the question says which.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ProtectRefusal } from './protect-request.js';
import type { ProtectRequest } from './protect-request.js';
import type { ProtectionView } from './protect-view.js';

/** What is done with protected machines. What cannot be done is a ProtectRefusal. */
export interface ProtectDoor {
  list(): ProtectionView[];
  protect(request: ProtectRequest): Promise<ProtectionView>;
  unprotect(machine: string): Promise<void>;
  handOver(machine: string): Promise<void>;
  force(machine: string): void;
  forget(machine: string): Promise<void>;
}

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const NUMBER = { type: 'number' } as const;
const BOOLEAN = { type: 'boolean' } as const;
const NUMBER_OR_NULL = { type: ['number', 'null'] } as const;
const SIDE = { enum: ['primary', 'backup'] } as const;
const ABSOLUTE = { ...STRING, pattern: '^/' } as const;
const ERROR = { type: 'object', required: ['error'], properties: { error: { type: 'object', required: ['message'], properties: { message: STRING } } } } as const;
const FAILURES = { 400: ERROR, 404: ERROR, 409: ERROR, 500: ERROR } as const;

const FIGURE = {
  type: 'object',
  properties: {
    epoch: INTEGER, takenUs: { ...NUMBER, description: 'When the machine ran again, by the daemon\'s clock' }, pauseUs: { ...NUMBER, description: 'How long it stood still' }, deviceUs: NUMBER, imageUs: NUMBER, pages: INTEGER,
    bytes: { ...NUMBER_OR_NULL, description: 'What went to the backup for it; null: not yet' }, commitUs: { ...NUMBER_OR_NULL, description: 'From when it was due until it was safe; null: not yet' },
  },
} as const;
const TOTALS = { type: 'object', properties: { checkpoints: INTEGER, commits: INTEGER, pauseUs: NUMBER, commitUs: NUMBER, bytes: NUMBER } } as const;
const HELD = {
  type: 'object',
  properties: {
    frames: INTEGER, bytes: INTEGER, ageUs: { ...NUMBER, description: 'How long the oldest has waited' }, drops: INTEGER, diskBytes: INTEGER,
    byEpoch: { type: 'array', items: { type: 'object', properties: { epoch: INTEGER, packets: INTEGER, bytes: INTEGER } } },
  },
} as const;
const LISTED = {
  machine: STRING, vnet: STRING, side: SIDE, phase: STRING, peer: { ...STRING, description: 'Where the other side is' }, fence: STRING, interval: { type: ['number', 'string', 'null'], description: 'Milliseconds, or on-demand' },
  epoch: { ...INTEGER, description: 'The last checkpoint that was taken; -1: none' }, committed: { ...INTEGER, description: 'The last that is safe; -1: none' }, ageUs: { ...NUMBER_OR_NULL, description: 'How old that one is' },
  epochsPerSecond: NUMBER, pauseUs: NUMBER_OR_NULL, commitUs: NUMBER_OR_NULL, pages: NUMBER_OR_NULL, bytes: NUMBER_OR_NULL, copiedBytes: { ...NUMBER_OR_NULL, description: 'What was copied to this backup ahead of the first checkpoint; null at the backup' }, totals: TOTALS, held: HELD,
  paths: { type: 'object', properties: { stream: BOOLEAN, beat: BOOLEAN } }, why: { ...STRING, description: 'Why it is as it is; empty: all is well' }, takeOverUs: NUMBER_OR_NULL,
} as const;
const IN_LIST = { type: 'object', properties: LISTED } as const;
const ONE = { type: 'object', properties: { ...LISTED, recent: { type: 'array', items: FIGURE, description: 'The last checkpoints, oldest first' } } } as const;
const DONE = { type: 'object', properties: { machine: STRING, side: SIDE } } as const;

const BODY = {
  type: 'object',
  required: ['machine', 'backup'],
  additionalProperties: false,
  properties: {
    machine: STRING, backup: { ...STRING, description: 'local, unix:PATH or HOST:PORT' }, via: { ...STRING, description: 'Where the second path goes; left out: the same' },
    interval: { anyOf: [NUMBER, { enum: ['on-demand'] }], description: 'Milliseconds, or on-demand' }, fence: { ...STRING, description: 'none, lock, lock:PATH, command:PROGRAM or lease:MS' }, key: { ...ABSOLUTE, description: 'A file with the key of the backup\'s daemon' },
    timeoutMs: { ...NUMBER, description: 'How long the other side may be silent' }, unplugged: { ...BOOLEAN, description: 'Output is not held: for tests' },
  },
} as const;
const FORCE = { type: 'object', required: ['force'], additionalProperties: false, properties: { force: { const: true, description: 'The other copy is dead' } } } as const;
const WHICH = { type: 'object', additionalProperties: false, properties: { side: SIDE } } as const;

type Side = ProtectionView['side'];
type Place = { machine: string };

/** Answers with what `work` gives, or with why it cannot be done. */
async function answer<T>(reply: FastifyReply, work: () => T | Promise<T>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProtectRefusal) return reply.code(error.status).send({ error: { message: error.message } });
    throw error;
  }
}

/** One side of a machine; of both, the one that runs it. @throws ProtectRefusal */
function viewOf(door: ProtectDoor, machine: string, side?: Side): ProtectionView {
  const sides = door.list().filter((view) => view.machine === machine && (side === undefined || view.side === side));
  const view = sides.find((one) => one.side === 'primary') ?? sides[0];
  if (view === undefined) throw new ProtectRefusal(404, `no machine called "${machine}" is ${side === 'primary' ? 'protected' : side === 'backup' ? 'kept' : 'protected or kept'} here ("netloom protect ls" lists them)`);
  return view;
}

export function addProtectRoutes(app: FastifyInstance, door: ProtectDoor): void {
  app.get('/v1/protections', { schema: { summary: 'Machines that are protected, and that are kept for others', response: { 200: { type: 'array', items: IN_LIST } } } }, () => door.list());
  app.get<{ Params: Place; Querystring: { side?: Side } }>('/v1/protections/:machine', { schema: { summary: 'One of them, with its last checkpoints', querystring: WHICH, response: { 200: ONE, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => viewOf(door, request.params.machine, request.query.side)));
  app.post<{ Body: ProtectRequest }>('/v1/protections', { schema: { summary: 'Protect a machine that runs; it is being copied when this answers', body: BODY, response: { 201: ONE, ...FAILURES } } }, (request, reply) =>
    answer(reply, async () => {
      const view = await door.protect(request.body);
      void reply.code(201);
      return view;
    }));
  app.delete<{ Params: Place }>('/v1/protections/:machine', { schema: { summary: 'End the protection of a machine; forget one that is kept', response: { 200: DONE, ...FAILURES } } }, (request, reply) =>
    answer(reply, async () => {
      const { machine, side } = viewOf(door, request.params.machine);
      await (side === 'primary' ? door.unprotect(machine) : door.forget(machine));
      return { machine, side };
    }));
  app.post<{ Params: Place }>('/v1/protections/:machine/switch', { schema: { summary: 'Let the backup run a machine, as planned', response: { 200: DONE, ...FAILURES } } }, (request, reply) =>
    answer(reply, async () => {
      await door.handOver(request.params.machine);
      return { machine: request.params.machine, side: 'primary' };
    }));
  app.post<{ Params: Place; Body: { force: true } }>('/v1/protections/:machine/failover', { schema: { summary: 'Say that the other copy of a machine is dead: what is here goes on', body: FORCE, response: { 200: DONE, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => {
      const { machine, side } = viewOf(door, request.params.machine);
      door.force(machine);
      return { machine, side };
    }));
}
