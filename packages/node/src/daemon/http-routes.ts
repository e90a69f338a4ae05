/**
 * http-routes.ts — the daemon's HTTP interface: what can be asked, in what shape it is answered.
 *
 * Read first: docs/exec-protocol.md; /v1/openapi.json of a running daemon.
 *
 * Every route's schema is the source of the OpenAPI document. Failures are answered as `{ error: { message } }` with one line that names the
 * value and the remedy. Routes hold no state: they ask the DaemonContext.
 *
 * Not here: the streaming form of /v1/exec (exec-stream.ts), which is no HTTP after its upgrade.
 */
import type { FastifyInstance } from 'fastify';
import type { ExecService } from './exec-service.js';
import { execBuffered } from './exec-buffer.js';
import type { Attachments } from './attachments.js';
import type { Labs } from './labs.js';
import { LabConflict, LabFailure } from './labs.js';
import { auditAnswer, sysinitAnswer } from './kernel-instruments.js';
import type { TeardownTraces } from './teardown-traces.js';
import { HOST_VNET } from '../lab/lab-model.js';
import type { Topology } from '../lab/topology.js';
import { netgraphTopology } from './netgraph-topology.js';
import type { Lab } from '../lab/lab-model.js';

export interface DaemonContext {
  readonly service: ExecService;
  readonly labs: Labs;
  readonly attachments: Attachments;
  readonly traces: TeardownTraces;
  readonly version: string;
  topology(): Topology;
}

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const STRINGS = { type: 'array', items: STRING } as const;
const ANY_OBJECT = { type: 'object', additionalProperties: true } as const;
const ERROR = { type: 'object', required: ['error'], properties: { error: { type: 'object', required: ['message'], properties: { message: STRING }, additionalProperties: true } } } as const;
const FAILURES = { 400: ERROR, 404: ERROR, 409: ERROR, 500: ERROR } as const;

function listOf(item: object): object {
  return { type: 'array', items: item };
}

const EXEC_BODY = {
  type: 'object',
  required: ['argv'],
  additionalProperties: false,
  properties: {
    argv: { ...STRINGS, minItems: 1, description: 'The tool and its arguments' },
    vnet: { ...STRING, description: 'Jail to run in, dotted for nested ones; left out: the host\'s own vnet' },
    fib: { ...INTEGER, minimum: 0, maximum: 65_535 },
    cwd: { ...STRING, pattern: '^/' },
    env: { type: 'object', additionalProperties: STRING },
    stdin: STRING,
  },
} as const;

interface ExecBody {
  readonly argv: readonly string[];
  readonly vnet?: string;
  readonly fib?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** A jail that was removed and is held, as /v1/dying lists it. */
export interface DyingJail {
  readonly name: string;
  readonly jid: number;
  /** What holds it: processes, devices, jails below it. */
  readonly holders: readonly string[];
  /** How long it has been dying. */
  readonly dyingUs: number;
  /** When it will be gone at the latest, from now. */
  readonly leftUs: number;
}

const DYING = { type: 'object', properties: { name: STRING, jid: INTEGER, holders: STRINGS, dyingUs: INTEGER, leftUs: INTEGER } } as const;
const PROC = { type: 'object', properties: { pid: INTEGER, kind: STRING, vnet: STRING, argv: STRINGS, ageUs: INTEGER } } as const;

export function addRoutes(app: FastifyInstance, context: DaemonContext): void {
  addStateRoutes(app, context);
  addInstrumentRoutes(app, context);
  addExecRoute(app, context);
  addLabRoutes(app, context);
  addAttachmentRoutes(app, context);
}

function addStateRoutes(app: FastifyInstance, { service, topology, version }: DaemonContext): void {
  const health = { type: 'object', properties: { status: STRING, version: STRING, pid: INTEGER, uptimeUs: INTEGER, vnets: INTEGER, procs: INTEGER } };
  app.get('/v1/health', { schema: { summary: 'Is the daemon well', response: { 200: health } } }, () => ({
    status: 'ok', version, pid: process.pid, uptimeUs: service.loop.enter(), vnets: service.kernel.vnets.length, procs: service.table.size,
  }));
  app.get('/v1/topology', { schema: { summary: 'All vnets, their interfaces and what joins them', response: { 200: ANY_OBJECT } } }, () => topology());
  const inVnet = { type: 'object', properties: { vnet: { ...STRING, description: 'Its name; left out: the host\'s' } } };
  app.get<{ Querystring: { vnet?: string } }>('/v1/netgraph', { schema: { summary: 'The netgraph of a vnet: nodes, and their hooks as interfaces', querystring: inVnet, response: { 200: ANY_OBJECT, ...FAILURES } } }, (request, reply) => {
    const { vnet = HOST_VNET } = request.query;
    const root = service.kernel.prisons.prison0;
    const prison = vnet === HOST_VNET ? root : service.kernel.prisons.find(root, vnet);
    if (prison === null || !prison.ownsVnet) return reply.code(404).send({ error: { message: `no vnet is called "${vnet}" ("netloom ps" lists them)` } });
    return netgraphTopology(prison.vnet.netgraph.base);
  });
  app.get('/v1/vnets', { schema: { summary: 'All vnets', response: { 200: listOf(ANY_OBJECT) } } }, () =>
    topology().vnets.map(({ interfaces, ...vnet }) => ({ ...vnet, interfaces: interfaces.map((i) => i.name) })));
  const query = { type: 'object', properties: { vnet: STRING } };
  app.get<{ Querystring: { vnet?: string } }>('/v1/interfaces', { schema: { summary: 'Interfaces, of one vnet or of all', querystring: query, response: { 200: listOf(ANY_OBJECT) } } }, (request) => {
    const { vnet } = request.query;
    return topology().vnets.filter((v) => vnet === undefined || v.name === vnet).flatMap((v) => v.interfaces.map((i) => ({ vnet: v.name, ...i })));
  });
  app.get('/v1/dying', { schema: { summary: 'Jails that were removed and are still held, and by what', response: { 200: listOf(DYING) } } }, (): DyingJail[] => {
    service.loop.enter();
    const root = service.kernel.prisons.prison0;
    return service.kernel.dyingJails().map(({ prison, ...dying }) => ({ name: prison.nameFrom(root), jid: prison.jid, ...dying }));
  });
  app.get('/v1/procs', { schema: { summary: 'Running tools, and host programs running for them', response: { 200: listOf(PROC) } } }, () => {
    const now = service.loop.enter();
    const root = service.kernel.prisons.prison0;
    return service.table.list().map((p) => ({ pid: p.pid, kind: p.kind, vnet: p.prison === root ? 'host' : p.prison.nameFrom(root), argv: p.argv, ageUs: now - p.startedUs }));
  });
}

const COUNT = { type: 'object', properties: { name: STRING, count: INTEGER, packets: { type: 'boolean' } } } as const;
const AUDIT = {
  type: 'object',
  properties: {
    vnets: listOf({ type: 'object', properties: { name: STRING, jid: INTEGER, rows: listOf(COUNT) } }),
    kernel: listOf(COUNT),
    unaccounted: { type: 'object', properties: { packets: INTEGER, timers: INTEGER, interfaces: INTEGER, deferred: INTEGER } },
    leaks: listOf({ type: 'object', properties: { vnet: STRING, name: STRING, count: INTEGER } }),
    leaksFound: INTEGER,
  },
};
const SYSINIT_ROW = { type: 'object', properties: { value: INTEGER, subsystem: STRING, orderValue: INTEGER, order: STRING, function: STRING } } as const;
const TEARDOWN_STEP = { type: 'object', properties: { function: STRING, state: INTEGER, subsystem: STRING, us: { type: 'number' } } } as const;
const SYSINIT = {
  type: 'object',
  properties: {
    constructors: listOf(SYSINIT_ROW),
    destructors: listOf(SYSINIT_ROW),
    teardowns: listOf({ type: 'object', properties: { vnet: STRING, atUs: INTEGER, us: { type: 'number' }, steps: listOf(TEARDOWN_STEP) } }),
  },
};

function addInstrumentRoutes(app: FastifyInstance, { service, traces }: DaemonContext): void {
  const querystring = { type: 'object', properties: { vnet: { ...STRING, description: 'Rows of this vnet only' } } };
  app.get<{ Querystring: { vnet?: string } }>('/v1/audit', { schema: { summary: 'What vnets hold, what is unaccounted for, what dead vnets left', querystring, response: { 200: AUDIT, ...FAILURES } } }, (request, reply) => {
    service.loop.enter();
    const { vnet } = request.query;
    return auditAnswer(service.kernel, vnet) ?? reply.code(404).send({ error: { message: `no vnet is called "${vnet ?? ''}" ("netloom ps" lists them)` } });
  });
  app.get('/v1/sysinit', { schema: { summary: 'The order in which vnets are built and taken down, and the last teardowns', response: { 200: SYSINIT } } }, () => sysinitAnswer(service.kernel, traces));
}

function addExecRoute(app: FastifyInstance, { service }: DaemonContext): void {
  const result = { type: 'object', properties: { stdout: STRING, stderr: STRING, exitCode: INTEGER, signal: { type: ['string', 'null'] } } };
  const description = 'Runs a tool to its end. With `Upgrade: netloom-exec` the call becomes a stream with input, signals and host programs (docs/exec-protocol.md).';
  app.post<{ Body: ExecBody }>('/v1/exec', { schema: { summary: 'Run a tool', description, body: EXEC_BODY, response: { 200: result, ...FAILURES } } }, async (request, reply) => {
    const { argv, vnet, fib, cwd = '/', env = {}, stdin = '' } = request.body;
    const placed = { ...env, ...(vnet === undefined ? {} : { NETLOOM_JAIL: vnet }), ...(fib === undefined ? {} : { NETLOOM_FIB: String(fib) }) };
    const call = execBuffered(service, { argv, cwd, env: placed, tty: false, stdinTty: false, columns: 80, ignored: [] }, stdin);
    // A client that goes away takes its tool with it.
    reply.raw.once('close', () => call.cancel());
    return call.result;
  });
}

function addLabRoutes(app: FastifyInstance, { labs }: DaemonContext): void {
  const body = { type: 'object', required: ['lab'], properties: { lab: ANY_OBJECT, file: STRING } };
  app.get('/v1/labs', { schema: { summary: 'The labs that are up', response: { 200: listOf(ANY_OBJECT) } } }, () => labs.list());
  app.post<{ Body: { lab: unknown; file?: string } }>('/v1/labs', { schema: { summary: 'Bring a lab up', body, response: { 201: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    try {
      const up = await labs.up(request.body.lab as Lab, request.body.file ?? '');
      return await reply.code(201).send(up);
    } catch (error) {
      if (error instanceof LabConflict) return reply.code(409).send({ error: { message: error.message } });
      if (error instanceof LabFailure) return reply.code(400).send({ error: { message: error.message, command: error.command, path: error.path, left: error.left } });
      throw error;
    }
  });
  app.delete<{ Params: { name: string } }>('/v1/labs/:name', { schema: { summary: 'Take a lab down', response: { 200: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    const down = await labs.down(request.params.name);
    if (down === null) return reply.code(404).send({ error: { message: `no lab is called "${request.params.name}" ("netloom ps" lists them)` } });
    return down;
  });
}

function addAttachmentRoutes(app: FastifyInstance, { attachments }: DaemonContext): void {
  const body = { type: 'object', required: ['vnet', 'interface', 'device'], properties: { vnet: STRING, interface: STRING, device: STRING }, additionalProperties: false };
  type Body = { vnet: string; interface: string; device: string };
  app.get('/v1/attachments', { schema: { summary: 'Taps bound to host devices', response: { 200: listOf(ANY_OBJECT) } } }, () => attachments.list());
  app.post<{ Body: Body }>('/v1/attachments', { schema: { summary: 'Bind a tap to a host device', body, response: { 201: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    const { vnet, interface: ifname, device } = request.body;
    const error = await attachments.attach(vnet, ifname, device);
    if (error !== null) return reply.code(400).send({ error: { message: error } });
    return reply.code(201).send(request.body);
  });
  app.delete<{ Params: { vnet: string; ifname: string } }>('/v1/attachments/:vnet/:ifname', { schema: { summary: 'Unbind a tap', response: { 200: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    const { vnet, ifname } = request.params;
    const error = await attachments.detach(vnet, ifname);
    if (error !== null) return reply.code(404).send({ error: { message: error } });
    return { vnet, interface: ifname };
  });
}
