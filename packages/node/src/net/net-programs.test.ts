/**
 * net-programs.test.ts — other people's programs run on two vnets: Node's http, https, http2 and tls, undici and ws.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { Readable } from 'node:stream';
import tls from 'node:tls';
import { Agent as UndiciAgent, fetch as undiciFetch } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority } from '../../test/certificate.js';
import type { Authority, Certificate } from '../../test/certificate.js';
import { lacking, peer } from '../../test/peers.js';
import { ADDR6_B, ADDR_A, ADDR_B, hostPair } from '../../test/vnet-pair.js';
import type { HostPair } from '../../test/vnet-pair.js';
import { netOf } from './net-of.js';
import type { Connect } from './net-of.js';
import type { VnetServer } from './vnet-server.js';
import type { VnetSocket } from './vnet-socket.js';

const MB = 1_000_000;
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let pair: HostPair;
let doors: VnetServer[] = [];
let served: VnetSocket[] = [];

beforeEach(() => {
  pair = hostPair();
});

afterEach(() => {
  for (const socket of served) socket.destroy();
  for (const door of doors) door.close();
  doors = [];
  served = [];
  expect(pair.close()).toEqual([0, []]);
});

async function opens(server: http.Server | http2.Http2Server, port: number): Promise<VnetServer> {
  const door = netOf(pair.b).serve(server).listen(port);
  doors.push(door);
  door.on('connection', (socket: VnetSocket) => served.push(socket));
  await once(door, 'listening');
  return door;
}

async function bytes(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Node's `createConnection`, in vnet a; what it makes is gone after the test. */
const dial: Connect = (...args: unknown[]) => {
  const socket = (netOf(pair.a).createConnection as (...args: unknown[]) => VnetSocket)(...args);
  served.push(socket);
  return socket;
};

/** Answers GET with as many bytes as the path says, POST with a digest of what came. */
const answer: http.RequestListener = (request, response) => {
  if (request.method === 'POST') void bytes(request).then((body) => response.end(sha(body)));
  else if (request.url === '/who') response.end(`${request.socket.remoteAddress} ${request.socket.localPort}`);
  else response.end(Buffer.alloc(Number(request.url?.slice(1)), 'loom'));
};

async function request(options: http.RequestOptions, body?: Buffer): Promise<Buffer> {
  const req = http.request({ host: ADDR_B, port: 80, ...options });
  req.end(body);
  const [response] = (await once(req, 'response')) as [http.IncomingMessage];
  expect(response.statusCode).toBe(200);
  return bytes(response);
}

/** An agent of `Agent`'s kind whose connections are vnet a's. */
function agentOn(options: http.AgentOptions): http.Agent {
  const agent = new http.Agent(options);
  return Object.assign(agent, { createConnection: dial });
}

describe('http', () => {
  it('gets and posts 10 MB', async () => {
    await opens(http.createServer(answer), 80);
    const agent = agentOn({});
    expect(sha(await request({ agent, path: `/${10 * MB}` }))).toBe(sha(Buffer.alloc(10 * MB, 'loom')));
    const body = Buffer.alloc(10 * MB, 'heddle');
    expect((await request({ agent, method: 'POST' }, body)).toString()).toBe(sha(body));
  });

  it('keeps connections and uses them again', async () => {
    const server = http.createServer(answer);
    const door = await opens(server, 80);
    let connections = 0;
    door.on('connection', () => connections++);
    const agent = agentOn({ keepAlive: true, maxSockets: 2 });
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all([1, 2, 3, 4].map((n) => request({ agent, path: `/${n}` })));
      expect(all.map((b) => b.length)).toEqual([1, 2, 3, 4]);
    }
    expect(connections).toBe(2);
    agent.destroy();
  });

  it('listens and closes by the server itself, as a framework would', async () => {
    const server = http.createServer(answer);
    netOf(pair.b).serve(server).on('connection', (socket: VnetSocket) => served.push(socket));
    await new Promise<void>((resolve) => server.listen({ port: 80, host: ADDR_B }, resolve));
    expect([server.listening, server.address()]).toEqual([true, { address: ADDR_B, family: 'IPv4', port: 80 }]);
    const agent = agentOn({ keepAlive: true });
    expect((await request({ agent, path: '/3' })).length).toBe(3);
    const closed = once(server, 'close');
    await new Promise((resolve) => server.close(resolve)); // the idle connection does not keep it
    await closed;
    expect([server.listening, server.address()]).toEqual([false, null]);
    const taken = http.createServer();
    netOf(pair.b).serve(taken);
    const other = await opens(http.createServer(), 80);
    taken.listen(80);
    expect((await once(taken, 'error'))[0]).toMatchObject({ code: 'EADDRINUSE' });
    other.close();
  });

  it('works without an agent, and over IPv6', async () => {
    await opens(http.createServer(answer), 80);
    const got = await request({ host: ADDR6_B, path: '/6', createConnection: dial });
    expect(got.length).toBe(6);
  });

  it('reports a refused connection with Node\'s code', async () => {
    await expect(request({ agent: agentOn({}), port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED', address: ADDR_B, port: 81 });
  });
});

describe('http2', () => {
  it('has many streams on one connection', async () => {
    const server = http2.createServer((req, res) => res.end(Buffer.alloc(Number(req.url.slice(1)), 'loom')));
    await opens(server, 80);
    let connections = 0;
    const session = http2.connect(`http://${ADDR_B}`, { createConnection: () => (connections++, dial({ port: 80, host: ADDR_B, noDelay: true })) });
    const lengths = await Promise.all(Array.from({ length: 20 }, async (_, i) => (await bytes(session.request({ ':path': `/${i * 100_000}` }))).length));
    expect(lengths).toEqual(Array.from({ length: 20 }, (_, i) => i * 100_000));
    expect(connections).toBe(1);
    session.close();
    await once(session, 'close');
  });
});

describe('undici', () => {
  it('fetches 10 MB by its connect hook', async () => {
    await opens(http.createServer(answer), 80);
    const dispatcher = new UndiciAgent({
      connect: (options, callback) => {
        const socket = dial({ host: options.hostname, port: options.port === '' ? 80 : options.port });
        socket.once('connect', () => callback(null, socket as never)).once('error', (error) => callback(error, null));
      },
    });
    const got = await undiciFetch(`http://${ADDR_B}/${10 * MB}`, { dispatcher });
    expect((await got.arrayBuffer()).byteLength).toBe(10 * MB);
    const posted = await undiciFetch(`http://${ADDR_B}/`, { dispatcher, method: 'POST', body: Buffer.alloc(MB, 'x') });
    expect(await posted.text()).toBe(sha(Buffer.alloc(MB, 'x')));
    await expect(undiciFetch(`http://${ADDR_B}:81/`, { dispatcher })).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await dispatcher.close();
  });
});

describe('ws', () => {
  it('echoes messages of 1 MB', async () => {
    const server = http.createServer();
    const echo = new WebSocketServer({ server });
    echo.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
    await opens(server, 80);
    const client = new WebSocket(`ws://${ADDR_B}/`, { createConnection: dial as never, perMessageDeflate: false });
    await once(client, 'open');
    for (const message of [Buffer.alloc(MB, 'warp'), 'weft']) {
      client.send(message);
      const [data] = (await once(client, 'message')) as [Buffer];
      expect(data.equals(Buffer.from(message))).toBe(true);
    }
    client.close();
    await once(client, 'close');
    echo.close();
  });
});

describe('tls', () => {
  let ca: Authority | null = null;
  let server: Certificate;
  let client: Certificate;
  if (lacking('openssl') === null) {
    ca = authority();
    server = ca.issue('server', `IP:${ADDR_B}`);
    client = ca.issue('client', 'DNS:client.test');
  }
  afterAll(() => ca?.close());

  peer('openssl')('https gets 10 MB, and knows the server', async () => {
    await opens(https.createServer(server, answer), 443);
    const agent = Object.assign(new https.Agent({ ca: ca!.ca }), {
      createConnection: (o: tls.ConnectionOptions & { port: number }) => tls.connect({ ...o, socket: dial(o) }),
    });
    const req = https.get({ host: ADDR_B, path: `/${10 * MB}`, agent });
    const [response] = (await once(req, 'response')) as [http.IncomingMessage];
    expect(sha(await bytes(response))).toBe(sha(Buffer.alloc(10 * MB, 'loom')));
    const [who] = (await once(https.get({ host: ADDR_B, path: '/who', agent }), 'response')) as [http.IncomingMessage];
    expect((await bytes(who)).toString()).toBe(`::ffff:${ADDR_A} 443`);
  });

  peer('openssl')('both sides show certificates, and end their halves', async () => {
    const names: unknown[] = [];
    const door = netOf(pair.b).createServer((raw: VnetSocket) => {
      const socket = new tls.TLSSocket(raw, { isServer: true, ...server, ca: ca!.ca, requestCert: true, rejectUnauthorized: true });
      socket.once('secure', () => names.push(socket.getPeerCertificate().subject.CN));
      void bytes(socket).then((b) => names.push(b.length));
      served.push(raw);
    });
    doors.push(door.listen(443));
    const socket = tls.connect({ socket: dial(443, ADDR_B), ca: ca!.ca, host: ADDR_B, ...client });
    await once(socket, 'secureConnect');
    names.push(socket.getPeerCertificate().subject.CN);
    socket.end(Buffer.alloc(MB));
    socket.resume();
    await once(socket, 'close');
    expect(names.sort()).toEqual([MB, 'client', 'server']);
  });

  peer('openssl')('http2 over tls, and a websocket over https', async () => {
    const secure = http2.createSecureServer({ ...server, allowHTTP1: true }, (req, res) => void res.end(`over ${req.httpVersion}`));
    const echo = new WebSocketServer({ noServer: true });
    secure.on('upgrade', (req, raw, head) => echo.handleUpgrade(req, raw, head, (ws) => ws.on('message', (data) => ws.send(data))));
    await opens(secure as unknown as http2.Http2Server, 443);
    const session = http2.connect(`https://${ADDR_B}`, { createConnection: () => tls.connect({ socket: dial(443, ADDR_B), ALPNProtocols: ['h2'], ca: ca!.ca, host: ADDR_B }) });
    expect((await bytes(session.request({ ':path': '/' }))).toString()).toBe('over 2.0');
    session.close();
    const ws = new WebSocket(`wss://${ADDR_B}/`, { createConnection: ((o: tls.ConnectionOptions & { port: number }) => tls.connect({ ...o, socket: dial(o), ca: ca!.ca })) as never });
    await once(ws, 'open');
    ws.send('shuttle');
    expect(String(((await once(ws, 'message')) as [Buffer])[0])).toBe('shuttle');
    ws.close();
    await once(ws, 'close');
  });
});
