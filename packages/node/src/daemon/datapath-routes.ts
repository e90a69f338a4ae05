/**
 * datapath-routes.ts — the workers of the datapath over HTTP: /v1/datapath.
 * Read first: datapath/datapath-view.ts.
 */
import type { FastifyInstance } from 'fastify';
import type { DatapathView } from '../datapath/datapath-view.js';

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const NUMBER = { type: 'number' } as const;
const COUNTS = { type: 'object', additionalProperties: INTEGER, description: 'By reason; reasons that have occurred' } as const;
const NULLABLE = { type: ['string', 'null'] } as const;

const WORKER = {
  type: 'object',
  properties: {
    worker: INTEGER, state: { enum: ['starting', 'up', 'empty', 'ending'] }, io: { ...STRING, description: 'How it reads and writes' }, ioWhy: { ...STRING, description: 'Why not in a better way' },
    ports: { type: 'array', items: STRING, description: 'Ports of which it reads a queue' }, busyMs: { ...NUMBER, description: 'How long it was awake' }, turns: INTEGER, batches: INTEGER,
    frames: { ...INTEGER, description: 'Frames read' }, punts: { ...INTEGER, description: 'Of those, given to the control thread' }, bells: INTEGER, sleeps: INTEGER,
  },
} as const;
const PORT = {
  type: 'object',
  properties: {
    port: INTEGER, device: STRING, vnet: NULLABLE, interface: NULLABLE, workers: { type: 'array', items: { type: ['integer', 'null'] }, description: 'The worker that reads each of its queues' },
    rxFrames: INTEGER, rxOctets: INTEGER, forwardedFrames: { ...INTEGER, description: 'Written for other ports, by workers alone' }, forwardedOctets: INTEGER,
    sentFrames: { ...INTEGER, description: 'Written for the control thread' }, sentOctets: INTEGER, txFull: INTEGER, txErrors: INTEGER, puntsLost: INTEGER, noPort: INTEGER, punts: COUNTS, drops: COUNTS,
  },
} as const;
const VIEW = {
  type: 'object',
  properties: {
    atMs: { ...NUMBER, description: 'When the counts were taken, milliseconds since 1970' }, configured: { ...INTEGER, description: 'Workers asked for; they start with the first port' },
    deaths: { ...INTEGER, description: 'Threads that ended by themselves' },
    noRoom: { type: 'object', properties: { interfaces: INTEGER, neighbours: INTEGER }, description: 'Without room in the tables: interfaces at present, and how often a neighbour was' },
    workers: { type: 'array', items: WORKER }, ports: { type: 'array', items: PORT },
  },
} as const;

export function addDatapathRoutes(app: FastifyInstance, view: () => DatapathView): void {
  app.get('/v1/datapath', { schema: { summary: 'Datapath workers and their ports: counts since they were made', response: { 200: VIEW } } }, () => view());
}
