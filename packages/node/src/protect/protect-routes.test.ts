/**
 * protect-routes.test.ts — /v1/protections with a door of a test behind it: what is asked of it, what is answered, and what is refused before it is asked.
 */
import fastify from 'fastify';
import type { FastifyError, FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProtectRefusal } from './protect-request.js';
import type { ProtectRequest } from './protect-request.js';
import { addProtectRoutes } from './protect-routes.js';
import type { ProtectDoor } from './protect-routes.js';
import type { ProtectionView } from './protect-view.js';
import { BACKUP_VIEW, PRIMARY_VIEW } from './test-views.js';

/** Notes what it is asked for; refuses a machine called `no`. */
class NotingDoor implements ProtectDoor {
  readonly asked: unknown[] = [];
  views: ProtectionView[] = [];

  list(): ProtectionView[] {
    return this.views;
  }

  protect(request: ProtectRequest): Promise<ProtectionView> {
    this.note('protect', request.machine, request);
    return Promise.resolve({ ...PRIMARY_VIEW, machine: request.machine, phase: 'syncing' });
  }

  unprotect(machine: string): Promise<void> {
    return Promise.resolve(this.note('unprotect', machine));
  }

  handOver(machine: string): Promise<void> {
    return Promise.resolve(this.note('handOver', machine));
  }

  force(machine: string): void {
    this.note('force', machine);
  }

  forget(machine: string): Promise<void> {
    return Promise.resolve(this.note('forget', machine));
  }

  private note(what: string, machine: string, request?: ProtectRequest): void {
    this.asked.push(request ?? `${what} ${machine}`);
    if (machine === 'no') throw new ProtectRefusal(409, `"${machine}" cannot: ${what}`);
  }
}

let app: FastifyInstance;
let door: NotingDoor;

beforeEach(() => {
  app = fastify();
  // As the daemon words what a schema refuses.
  app.setErrorHandler((error: FastifyError, _request, reply) => reply.code(error.statusCode ?? 500).send({ error: { message: error.message } }));
  door = new NotingDoor();
  addProtectRoutes(app, door);
});

afterEach(() => app.close());

async function call(method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object): Promise<{ status: number; body: unknown }> {
  const response = await app.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
  return { status: response.statusCode, body: response.json() };
}

test('the list has all but the last epochs; one has them, too', async () => {
  door.views = [PRIMARY_VIEW, { ...PRIMARY_VIEW, machine: 'db', interval: 'on-demand', ageUs: null, bytes: null }];
  const { recent, ...listed } = PRIMARY_VIEW;
  expect(await call('GET', '/v1/protections')).toEqual({ status: 200, body: [listed, { ...listed, machine: 'db', interval: 'on-demand', ageUs: null, bytes: null }] });
  expect(await call('GET', '/v1/protections/web')).toEqual({ status: 200, body: { ...listed, recent } });
});

test('of a machine whose both sides are here the one that runs it is answered, unless it is asked for the other', async () => {
  door.views = [BACKUP_VIEW, PRIMARY_VIEW];
  expect((await call('GET', '/v1/protections/web')).body).toMatchObject({ side: 'primary', interval: 50 });
  expect((await call('GET', '/v1/protections/web?side=backup')).body).toMatchObject({ side: 'backup', interval: null, recent: [] });
  expect((await call('GET', '/v1/protections/web?side=other')).status).toBe(400);
});

test('a machine that is not there', async () => {
  door.views = [PRIMARY_VIEW];
  expect(await call('GET', '/v1/protections/x')).toEqual({ status: 404, body: { error: { message: 'no machine called "x" is protected or kept here ("netloom protect ls" lists them)' } } });
  expect(await call('GET', '/v1/protections/web?side=backup')).toMatchObject({ status: 404, body: { error: { message: 'no machine called "web" is kept here ("netloom protect ls" lists them)' } } });
  expect((await call('DELETE', '/v1/protections/x')).status).toBe(404);
  expect((await call('POST', '/v1/protections/x/failover', { force: true })).status).toBe(404);
  expect(door.asked).toEqual([]);
});

test('protect takes what it is told as it is', async () => {
  const wish: ProtectRequest = { machine: 'web', backup: '192.0.2.7:7700', via: '198.51.100.7:7700', interval: 'on-demand', fence: 'lease:5000', key: '/k', timeoutMs: 500, unplugged: true };
  expect(await call('POST', '/v1/protections', wish)).toMatchObject({ status: 201, body: { machine: 'web', phase: 'syncing' } });
  await call('POST', '/v1/protections', { machine: 'db', backup: 'local', interval: 25 });
  expect(door.asked).toEqual([wish, { machine: 'db', backup: 'local', interval: 25 }]);
});

test.each<[string, object]>([
  ['without a backup', { machine: 'web' }],
  ['an interval that is a word', { machine: 'web', backup: 'local', interval: 'often' }],
  ['a key that is not an absolute path', { machine: 'web', backup: 'h:1', key: 'k' }],
])('protect: %s is refused before anybody is asked', async (_, wish) => {
  expect((await call('POST', '/v1/protections', wish)).status).toBe(400);
  expect(door.asked).toEqual([]);
});

test('end: a machine of ours is protected no more, a kept one is forgotten', async () => {
  door.views = [BACKUP_VIEW, PRIMARY_VIEW, { ...BACKUP_VIEW, machine: 'kept' }];
  expect(await call('DELETE', '/v1/protections/web')).toEqual({ status: 200, body: { machine: 'web', side: 'primary' } });
  expect(await call('DELETE', '/v1/protections/kept')).toEqual({ status: 200, body: { machine: 'kept', side: 'backup' } });
  expect(door.asked).toEqual(['unprotect web', 'forget kept']);
});

test('switch and failover; a failover needs the word', async () => {
  door.views = [PRIMARY_VIEW];
  expect(await call('POST', '/v1/protections/web/switch')).toEqual({ status: 200, body: { machine: 'web', side: 'primary' } });
  expect(await call('POST', '/v1/protections/web/failover', { force: true })).toEqual({ status: 200, body: { machine: 'web', side: 'primary' } });
  expect((await call('POST', '/v1/protections/web/failover', { force: false })).status).toBe(400);
  expect((await call('POST', '/v1/protections/web/failover', {})).status).toBe(400);
  expect(door.asked).toEqual(['handOver web', 'force web']);
});

test('what is refused behind the door is answered with its status and words', async () => {
  door.views = [{ ...PRIMARY_VIEW, machine: 'no' }];
  const refusal = (what: string): object => ({ status: 409, body: { error: { message: `"no" cannot: ${what}` } } });
  expect(await call('POST', '/v1/protections', { machine: 'no', backup: 'local' })).toEqual(refusal('protect'));
  expect(await call('DELETE', '/v1/protections/no')).toEqual(refusal('unprotect'));
  expect(await call('POST', '/v1/protections/no/switch')).toEqual(refusal('handOver'));
  expect(await call('POST', '/v1/protections/no/failover', { force: true })).toEqual(refusal('force'));
});
