/**
 * event-routes.ts — GET /v1/events: what happened, and what happens from now on.
 *
 * Read first: docs/events.md; event-records.ts for the shape of a line.
 */
import { pipeline } from 'node:stream';
import type { DevctlItem, DevctlQueue, Kernel } from '@netloom/core';
import type { FastifyInstance } from 'fastify';
import type { HostLoop } from '../loop.js';
import { EVENT_SYSTEMS, EventRecords, hasEventOf, prisonCalled } from './event-records.js';
import { EventStream } from './event-stream.js';
import { vnetName } from './kernel-topology.js';

/** Number of the newest event at the time of the call. */
const NOW = 'now';
/** Names of vnets that a refusal tells. */
const NAMES_SHOWN = 10;

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const ERROR = { type: 'object', required: ['error'], properties: { error: { type: 'object', required: ['message'], properties: { message: STRING } } } } as const;

const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    follow: { type: 'boolean', default: false, description: 'Stay, and tell of events as they happen; otherwise the answer ends with the newest' },
    since: { type: 'string', pattern: '^(\\d{1,15}|now)$', default: '0', description: 'Only events behind this number; "now": only what is still to come' },
    vnet: { ...STRING, description: 'Only events of the vnet with this name ("host": outside all jails)' },
    system: { ...STRING, description: `Only events of this system: ${EVENT_SYSTEMS.join(', ')}` },
    steps: { type: 'boolean', default: false, description: 'The steps of teardowns too (STEP_BEGIN, STEP_END of the system VNET); system=VNET has them without' },
    inside: { ...STRING, description: 'As a reader inside this jail: its vnet\'s own events, numbered for it alone, and no names of vnets' },
  },
} as const;

const RECORD = {
  type: 'object',
  required: ['seq', 'system'],
  properties: {
    seq: { ...INTEGER, description: 'Number of the event; of a gap, of the last event that was lost' },
    time: { ...STRING, format: 'date-time' },
    vnet: STRING,
    system: { ...STRING, description: 'GAP: the reader was too slow and has lost events' },
    subsystem: STRING,
    type: STRING,
    data: { type: 'object', additionalProperties: STRING },
    lost: { ...INTEGER, description: 'Of a gap: how many' },
  },
} as const;

interface EventsQuery {
  readonly follow: boolean;
  readonly since: string;
  readonly vnet?: string;
  readonly system?: string;
  readonly steps: boolean;
  readonly inside?: string;
}

export function addEventRoutes(app: FastifyInstance, kernel: Kernel, loop: HostLoop): void {
  const content = { 'application/x-ndjson': { schema: RECORD } };
  const schema = {
    summary: 'Events, a JSON object a line', querystring: QUERY,
    description: 'Interfaces, addresses, vnets, jails and moves, oldest first. The daemon keeps a bounded number; a client that does not read in time is told how many it has lost, in a record of system GAP.',
    response: { 200: { description: 'One record a line', content }, 400: ERROR, 404: ERROR },
  };
  app.get<{ Querystring: EventsQuery }>('/v1/events', { schema }, (request, reply) => {
    const { follow, since, inside, system, vnet } = request.query;
    if (system !== undefined && !(EVENT_SYSTEMS as readonly string[]).includes(system)) return reply.code(400).send({ error: { message: `there is no system "${system}" (there are: ${EVENT_SYSTEMS.join(', ')})` } });
    const queue = queueOf(kernel, inside);
    if (queue === null) return reply.code(404).send({ error: { message: `there is no jail "${inside}" ("jls" lists them)` } });
    const stranger = vnet === undefined || inside !== undefined ? null : refuseStranger(kernel, queue, vnet);
    if (stranger !== null) return reply.code(404).send({ error: { message: stranger } });
    const from = since === NOW ? queue.last : Number(since);
    if (from > queue.last) return reply.code(400).send({ error: { message: `there has been no event ${from} yet, the newest is ${queue.last} (was the daemon started anew? leave "since" out to see all there is)` } });
    const records = new EventRecords(kernel, loop.bootWallUs, request.query, inside !== undefined);
    const stream = new EventStream(queue.open(from), (item: DevctlItem) => records.of(item), follow ? Infinity : queue.last);
    // The head goes out at once: a follower may wait long for the first line.
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    reply.raw.flushHeaders();
    pipeline(stream, reply.raw, (error) => {
      if (error) request.log.debug({ err: error }, 'a reader of events went away');
    });
    return reply;
  });
}

/** What is wrong with the name of a vnet that neither lives nor has left events; null: nothing. */
function refuseStranger(kernel: Kernel, queue: DevctlQueue, name: string): string | null {
  const { prison0 } = kernel.prisons;
  const names = [prison0, ...prison0.descendants()].filter((p) => p.ownsVnet).map((p) => vnetName(p, prison0));
  if (names.includes(name) || hasEventOf(queue, name)) return null;
  const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : '';
  return `no vnet is called "${name}", and no event that is kept is of one (there are: ${names.slice(0, NAMES_SHOWN).join(', ')}${more})`;
}

/** The host's queue, or that of a jail's vnet; null when there is no such jail. */
function queueOf(kernel: Kernel, inside: string | undefined): DevctlQueue | null {
  if (inside === undefined) return kernel.engine.devctl;
  return prisonCalled(kernel, inside)?.vnet.kern.devctl ?? null;
}
