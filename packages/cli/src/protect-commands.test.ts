/**
 * protect-commands.test.ts — `netloom protect` against a daemon of a test: what it is asked, how long `start` waits, what is printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EpochFigure, ProtectionView } from '@netloom/node/client';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from './cli-io.js';
import { runProgram } from './run-program.js';

const FIGURES: readonly EpochFigure[] = [0, 1, 2, 3, 4].map((i) => ({
  epoch: 10 + i, takenUs: 1_000_000 + i * 50_000, pauseUs: 10_000 + i * 1_000, deviceUs: 4_000, imageUs: 9_000, pages: 20 * (i + 1), bytes: i === 4 ? null : 100_000 * (i + 1), commitUs: i === 4 ? null : 30_000,
}));
const WEB: ProtectionView = {
  machine: 'web', vnet: 'r1', side: 'primary', phase: 'holding', peer: 'local', fence: 'lock', interval: 50, epoch: 14, committed: 13, ageUs: 62_000, epochsPerSecond: 20, pauseUs: 14_000, commitUs: 30_000, pages: 100, bytes: 400_000, copiedBytes: 90_000_000,
  totals: { checkpoints: 15, commits: 14, pauseUs: 180_000, commitUs: 450_000, bytes: 84_000_000 },
  held: { frames: 3, bytes: 4_500, ageUs: 62_000, drops: 0, diskBytes: 0, byEpoch: [{ epoch: 14, packets: 1, bytes: 1_500 }, { epoch: 15, packets: 2, bytes: 3_000 }] },
  paths: { stream: true, beat: true }, why: '', takeOverUs: null, recent: FIGURES,
};
const KEPT: ProtectionView = {
  ...WEB, machine: 'db', vnet: '', side: 'backup', phase: 'refused', peer: '/run/a.sock', interval: null, epoch: 13, epochsPerSecond: 0, pauseUs: null, commitUs: null, pages: null, bytes: null, copiedBytes: null, why: 'the lock is held by process 42',
  held: { frames: 0, bytes: 0, ageUs: 0, drops: 0, diskBytes: 0, byEpoch: [] }, paths: { stream: false, beat: true }, recent: [],
};

const folder = mkdtempSync(join(tmpdir(), 'netloom-protect-'));
const socket = join(folder, 'n.sock');
let server: Server;
let asked: string[];
/** What is answered to a question; several are answered one after the other, the last one again and again. A number with it is its status. */
let answers: Record<string, readonly unknown[]>;

class Refused {
  readonly status: number;
  readonly message: string;

  constructor(status: number, message: string) {
    this.status = status;
    this.message = message;
  }
}

beforeEach(async () => {
  asked = [];
  answers = {};
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const question = `${request.method} ${request.url}`;
      asked.push(body === '' ? question : `${question} ${body}`);
      const [answer, ...later] = answers[question] ?? [new Refused(404, `there is no ${question}`)];
      if (later.length > 0) answers[question] = later;
      response.writeHead(answer instanceof Refused ? answer.status : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer instanceof Refused ? { error: { message: answer.message } } : answer));
    });
  });
  await new Promise<void>((done) => server.listen(socket, done));
});

afterEach(async () => {
  await new Promise((done) => server.close(done));
  rmSync(socket, { force: true });
});

afterAll(() => rmSync(folder, { recursive: true }));

async function run(env: Record<string, string>, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runProgram(['protect', ...args], '1.2.3', { env: { NETLOOM_SOCKET: socket, ...env }, out: (t) => void (out += t), err: (t) => void (err += t), exitCode: 0 });
  return { code, out, err };
}

const protect = (...args: string[]): ReturnType<typeof run> => run({}, ...args);

describe('netloom protect VM', () => {
  const SYNCING: ProtectionView = { ...WEB, phase: 'syncing', epoch: -1, committed: -1, recent: [] };
  const LOOK = 'GET /v1/protections/web?side=primary';
  const begun = (...looks: unknown[]): void => void (answers = { 'POST /v1/protections': [SYNCING], [LOOK]: looks });

  test('waits until it holds, and says how far it is', async () => {
    begun(SYNCING, SYNCING, WEB);
    expect(await protect('web', '--backup', 'local')).toEqual({ code: EXIT_OK, out: 'web: protected by local: copied 90 MB, first checkpoint 100 kB, epochs of 50 ms\n', err: 'web: copying to local\n' });
    expect(asked).toEqual(['POST /v1/protections {"machine":"web","backup":"local"}', LOOK, LOOK, LOOK]);
  });

  test('asks for all it is told, with paths from the root', async () => {
    begun(WEB);
    await protect('web', '--backup', 'unix:b.sock', '--via', '198.51.100.7:7700', '--interval', '25', '--fence', 'lock:web.lock', '--key', 'web.key', '--timeout', '500');
    expect(JSON.parse(asked[0]!.replace('POST /v1/protections ', ''))).toEqual({
      machine: 'web', backup: `unix:${resolve('b.sock')}`, via: '198.51.100.7:7700', interval: 25, fence: `lock:${resolve('web.lock')}`, key: resolve('web.key'), timeoutMs: 500,
    });
  });

  test('without waiting, on demand, as JSON; a machine that is called like a command', async () => {
    answers = { 'POST /v1/protections': [SYNCING] };
    expect(await protect('start', 'ls', '--backup', 'local', '--interval', 'on-demand', '--no-wait')).toEqual({ code: EXIT_OK, out: 'ls is being copied to local ("netloom protect ls" tells when it is protected)\n', err: '' });
    expect(asked).toEqual(['POST /v1/protections {"machine":"ls","backup":"local","interval":"on-demand"}']);
    expect(JSON.parse((await protect('web', '--backup', 'local', '--no-wait', '--json')).out)).toMatchObject({ phase: 'syncing' });
  });

  test('a backup that is lost while it is copied', async () => {
    begun(SYNCING, { ...SYNCING, phase: 'alone', why: 'no space left' });
    expect(await protect('web', '--backup', 'local')).toMatchObject({ code: EXIT_FAILURE, out: '', err: 'web: copying to local\nnetloom: "web" is not protected yet: it is alone: no space left ("netloom protect ls" tells on, "netloom protect end web" gives up)\n' });
  });

  test('a protection that ends while it is waited for', async () => {
    begun(SYNCING, new Refused(404, 'gone'));
    expect((await protect('web', '--backup', 'local')).err).toBe('web: copying to local\nnetloom: the protection of "web" has ended before it began ("netloom events --system PROTECT" tells why)\n');
  });

  test('a refusal is the daemon\'s', async () => {
    answers = { 'POST /v1/protections': [new Refused(400, '"web" was not started so that it can be protected')] };
    expect(await protect('web', '--backup', 'local')).toEqual({ code: EXIT_FAILURE, out: '', err: 'netloom: "web" was not started so that it can be protected\n' });
  });

  test.each<[string, string[], string]>([
    ['no backup', ['web'], "required option '--backup <where>' not specified"],
    ['an interval', ['web', '--backup', 'local', '--interval', 'often'], "option '--interval <ms>' argument 'often' is invalid. A number of milliseconds is needed, or \"on-demand\"."],
    ['a time-out', ['web', '--backup', 'local', '--timeout', '0'], "option '--timeout <ms>' argument '0' is invalid. A whole number from 1 on is needed."],
  ])('%s', async (_, args, line) => {
    const { code, err } = await protect(...args);
    expect([code, err.split('\n')[0]]).toEqual([EXIT_USAGE, `netloom: ${line}`]);
    expect(asked).toEqual([]);
  });
});

describe('netloom protect ls, show, watch', () => {
  const LIST = 'GET /v1/protections';
  const TABLE = `\
MACHINE  VNET  SIDE     PHASE    PEER         EPOCH  LAG  AGE   EPOCHS/S  PAUSE  COMMIT  BYTES  HELD
web      r1    primary  holding  local        14     1    62ms  20.0      14ms   30ms    400k   3/4.5k
db       -     backup   refused  /run/a.sock  13     -    62ms  -         -      -       -      -
`;
  const NOTES = `
db (backup): refused: the lock is held by process 42
db (backup): nothing is heard on the path of the stream
`;

  test('the list; below, what is not well', async () => {
    answers = { [LIST]: [[WEB, KEPT]] };
    expect(await protect('ls')).toEqual({ code: EXIT_OK, out: TABLE + NOTES, err: '' });
    expect(JSON.parse((await protect('ls', '--json')).out)).toEqual(JSON.parse(JSON.stringify([WEB, KEPT])));
    answers = { [LIST]: [[]] };
    expect((await protect('ls')).out).toBe('MACHINE  VNET  SIDE  PHASE  PEER  EPOCH  LAG  AGE  EPOCHS/S  PAUSE  COMMIT  BYTES  HELD\n');
  });

  test('the table fits 120 columns with large values', async () => {
    const large = { ...WEB, machine: 'webserver1', vnet: 'site1', phase: 'deciding', peer: '192.0.2.7:7700', epoch: 9_999_999, committed: 9_999_997, held: { ...WEB.held, frames: 4_096, bytes: 4e6 }, ageUs: 999_000, pauseUs: 999_000, commitUs: 999_000, bytes: 999e6 };
    answers = { [LIST]: [[large]] };
    expect(Math.max(...(await protect('ls')).out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test('in a jail: its own', async () => {
    answers = { [LIST]: [[WEB, KEPT]] };
    expect((await run({ NETLOOM_JAIL: 'r2' }, 'ls', '--json')).out).toBe('[]\n');
    expect((JSON.parse((await run({ NETLOOM_JAIL: 'r1' }, 'ls', '--json')).out) as ProtectionView[]).map(({ machine }) => machine)).toEqual(['web']);
    expect((await run({ NETLOOM_JAIL: 'r2' }, 'show', 'web')).code).toBe(EXIT_FAILURE);
  });

  const SHOWN = `\
web (r1): primary, holding
  backup      local; heard on both paths
  fence       lock
  epochs      every 50 ms, 20.0 a second; 14 was taken last, 13 is safe
  safe state  62 ms old
  in all      15 checkpoints, 14 of them safe, 84 MB; on average it stood still for 12 ms, and was safe after 32 ms
  held        3 frames, 4.5 kB, the oldest for 62 ms

epochs 10 to 14            least    median      most
  pause   ▆▇▇██            10 ms     12 ms     14 ms
  commit  ████             30 ms     30 ms     30 ms
  bytes   ▃▅▇█            100 kB    300 kB    400 kB
  pages   ▂▄▅▇█               20        60       100

output that waits, by epoch
        14  ███████████████                 1 frame, 1.5 kB
        15  ██████████████████████████████  2 frames, 3.0 kB
`;

  test('one of them, with its epochs and what waits', async () => {
    answers = { [LIST]: [[WEB]], 'GET /v1/protections/web?side=primary': [WEB] };
    expect((await protect('show', 'web')).out).toBe(SHOWN);
  });

  test('both sides, when both are here; one that took over', async () => {
    const taken: ProtectionView = { ...KEPT, machine: 'web', phase: 'live', takeOverUs: 812_000, why: '', peer: '' };
    answers = { [LIST]: [[WEB, taken]], 'GET /v1/protections/web?side=primary': [WEB], 'GET /v1/protections/web?side=backup': [taken] };
    expect((await protect('show', 'web')).out).toBe(`${SHOWN}
web: backup, live
  fence       lock
  safe state  epoch 13, 62 ms old
  in all      15 checkpoints, 84 MB
  took over   in 812 ms
`);
    expect((JSON.parse((await protect('show', 'web', '--json')).out) as ProtectionView[]).map(({ side }) => side)).toEqual(['primary', 'backup']);
  });

  test('one that was never copied', async () => {
    const alone: ProtectionView = { ...WEB, phase: 'alone', why: 'nobody listens', epoch: -1, committed: -1, ageUs: null, epochsPerSecond: 0, recent: [], totals: { checkpoints: 0, commits: 0, pauseUs: 0, commitUs: 0, bytes: 0 }, held: KEPT.held, paths: { stream: false, beat: false } };
    answers = { [LIST]: [[alone]], 'GET /v1/protections/web?side=primary': [alone] };
    expect((await protect('show', 'web')).out).toBe(`\
web (r1): primary, alone
  why         nobody listens
  backup      local; not heard
  fence       lock
  epochs      every 50 ms, 0.0 a second; none was taken
  held        0 frames, 0 B
`);
  });

  test('one that is not there', async () => {
    answers = { [LIST]: [[WEB]] };
    expect(await protect('show', 'x')).toEqual({ code: EXIT_FAILURE, out: '', err: 'netloom: no machine called "x" is protected or kept here ("netloom protect ls" lists them)\n' });
  });

  test('watch: one picture after the other', async () => {
    answers = { [LIST]: [[WEB, KEPT]] };
    expect((await protect('watch', '-n', '2', '-d', '0.01')).out).toBe(`${TABLE}${NOTES}\n${TABLE}${NOTES}`);
  });
});

describe('netloom protect switch, failover, end', () => {
  test('switch hands over to where its backup is', async () => {
    answers = { 'GET /v1/protections/web': [{ ...WEB, peer: '192.0.2.7:7700' }, WEB], 'POST /v1/protections/web/switch': [{ machine: 'web', side: 'primary' }] };
    expect((await protect('switch', 'web')).out).toBe('web runs at 192.0.2.7:7700 now\n');
    expect((await protect('switch', 'web')).out).toBe('web runs in its other process now\n');
  });

  test('failover needs the word', async () => {
    answers = { 'POST /v1/protections/web/failover': [{ machine: 'web', side: 'backup' }] };
    expect(await protect('failover', 'web')).toMatchObject({ code: EXIT_USAGE, err: 'netloom: failover says that the other copy of "web" is dead; if you are sure, add --force ("netloom protect switch web" hands over a machine that is well)\n' });
    expect(asked).toEqual([]);
    expect(await protect('failover', 'web', '--force')).toMatchObject({ code: EXIT_OK, out: 'web goes on here\n' });
    expect(asked).toEqual(['POST /v1/protections/web/failover {"force":true}']);
  });

  test('end of several, in words and as JSON', async () => {
    answers = { 'DELETE /v1/protections/web': [{ machine: 'web', side: 'primary' }], 'DELETE /v1/protections/db': [{ machine: 'db', side: 'backup' }] };
    expect((await protect('end', 'web', 'db')).out).toBe('web is protected no more\ndb is kept here no more\n');
    expect(JSON.parse((await protect('end', 'db', '--json')).out)).toEqual([{ machine: 'db', side: 'backup' }]);
  });
});
