/**
 * gateway.test.ts — Linux, in a namespace or a virtual machine with a gateway for its default route, and servers of this machine on the other side.
 */
import { createHash, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import { withNetns } from './netns.js';
import type { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'python3'] as const;
const BYTES = 30_000_000;

/** A namespace behind vnet `r1`, whose gateway has the addresses on the cable. */
function behind(body: (d: TestDaemon, ns: Netns) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withDaemon(async (d) => {
        await d.vnet('r1');
        const { ifname, device } = await d.plug('r1', ns, { vnet: '10.0.2.2/24', linux: '10.0.2.15/24' });
        await d.ok('r1', 'ifconfig', ifname, 'inet6', 'fd00::2/64', 'no_dad');
        ns.ip('-6', 'addr', 'add', 'fd00::15/64', 'dev', device, 'nodad');
        ns.ip('route', 'add', 'default', 'via', '10.0.2.2');
        ns.ip('-6', 'route', 'add', 'default', 'via', 'fd00::2');
        await d.client.post('/v1/gateways', { vnet: 'r1', interface: ifname });
        await body(d, ns);
      }),
    );
}

/** A port of 127.0.0.1 that nobody has at the moment. */
async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Runs a Python program in the namespace; what it prints. */
async function python(ns: Netns, program: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ns.run('python3', '-c', program, ...args);
  expect([status, stderr]).toEqual([0, '']);
  return stdout.trim();
}

/** Sends its third argument's number of bytes, says that it is done, and tells the digest of what comes. */
const EXCHANGE = `
import hashlib, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sent = hashlib.sha256()
block = bytes(range(256)) * 256
for _ in range(int(sys.argv[3]) // len(block)):
    s.sendall(block)
    sent.update(block)
s.shutdown(socket.SHUT_WR)
got = hashlib.sha256()
while True:
    b = s.recv(1 << 20)
    if not b: break
    got.update(b)
print(sent.hexdigest(), got.hexdigest())
`;

/** Prints what connecting comes to. */
const CONNECT = `
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    print('connected')
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
`;

const UDP = `
import socket, sys
six = ':' in sys.argv[1]
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2])))
try:
    s.send(b'x' * int(sys.argv[3]))
    print(len(s.recv(65536)))
    s.send(b'again')
    print(s.recv(65536).decode())
except ConnectionRefusedError:
    print('refused')
`;

peer('guest')('a virtual machine fetches a file from a server of the host, and is reached by a forward', { timeout: 300_000 }, () => withDaemon(async (d) => {
  const data = randomBytes(5_000_000);
  const server = http.createServer((_request, response) => response.end(data)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await d.vnet('r1');
    const ifname = (await d.ok('r1', 'ifconfig', 'tap', 'create', 'inet', '10.0.2.2/24')).trim();
    await d.client.post('/v1/attachments', { vnet: 'r1', interface: ifname, device: `stream:unix:${d.path('a')},server` });
    const port = await freePort();
    await d.client.post('/v1/gateways', { vnet: 'r1', interface: ifname, forward: [`tcp:127.0.0.1:${port}-10.0.2.15:8000`] });
    const script = 'ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2';
    await withGuests([{ nics: [{ netdev: `stream,addr.type=unix,addr.path=${d.path('a')}` }], image: { script } }], async (guest) => {
      const from = `http://10.0.2.2:${(server.address() as AddressInfo).port}/file`;
      const sum = await guest.ok(`wget -q -O - ${from} | sha256sum`);
      expect(sum.split(' ')[0]).toBe(createHash('sha256').update(data).digest('hex'));
      await guest.ok('(echo hello from the guest | nc -l -p 8000 >/dev/null 2>&1) & until netstat -ltn | grep -q :8000; do :; done');
      const socket = net.connect(port, '127.0.0.1');
      expect(String((await once(socket, 'data'))[0])).toBe('hello from the guest\n');
      socket.destroy();
    });
  } finally {
    server.close();
  }
}));

describe('Linux behind a gateway', () => {
  peer(...NEEDS)('sends and gets megabytes, whole, and each half ends by itself, over IPv4 and IPv6', behind(async (_d, ns) => {
    for (const [host, listen] of [['10.0.2.2', '127.0.0.1'], ['fd00::2', '::1']] as const) {
      const data = randomBytes(BYTES);
      const got = createHash('sha256');
      const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('data', (part) => got.update(part)).on('end', () => socket.end(data));
      }).listen(0, listen);
      await once(server, 'listening');
      const [sent, heard] = (await python(ns, EXCHANGE, host, String((server.address() as AddressInfo).port), String(BYTES))).split(' ');
      server.close();
      expect(sent).toBe(got.digest('hex'));
      expect(heard).toBe(createHash('sha256').update(data).digest('hex'));
    }
  }));

  peer(...NEEDS)('hears that a port is refused, and of no way', behind(async (d, ns) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await python(ns, CONNECT, '10.0.2.2', String(port))).toBe('connected');
    server.close();
    expect(await python(ns, CONNECT, '10.0.2.2', String(port))).toBe('ECONNREFUSED');
    expect(await python(ns, CONNECT, 'fd00::2', '9')).toBe('ECONNREFUSED');
    // Where the host has no way to: a group, for TCP.
    const policy = d.daemon.kernel.vnets.find((v) => v.name === 'r1')!.gateway.opened!.policy;
    policy.target = (_proto, e) => ({ family: e.isV6 ? 6 : 4, address: e.isV6 ? 'ff02::1' : '224.0.0.1', port: 9 });
    expect(await python(ns, CONNECT, '198.51.100.1', '80')).toBe('ENETUNREACH');
    expect(await python(ns, CONNECT, '2001:db8::1', '80')).toBe('ENETUNREACH');
  }));

  peer(...NEEDS)('exchanges datagrams, large ones in fragments, and hears that nobody has a port', behind(async (_d, ns) => {
    for (const [host, listen, type] of [['10.0.2.2', '127.0.0.1', 'udp4'], ['fd00::2', '::1', 'udp6']] as const) {
      const server = dgram.createSocket(type, (data, from) => server.send(data, from.port, from.address)).bind(0, listen);
      await once(server, 'listening');
      const { port } = server.address();
      expect(await python(ns, UDP, host, String(port), '20000')).toBe('20000\nagain');
      server.close();
      await once(server, 'close');
      expect(await python(ns, UDP, host, String(port), '10')).toBe('refused');
    }
  }));

  peer(...NEEDS)('is reached by way of a forward', behind(async (d, ns) => {
    const port = await freePort();
    const child = ns.spawn('python3', '-uc', "import socket\ns = socket.create_server(('10.0.2.15', 8000))\nprint('up')\nc, a = s.accept()\nc.sendall(a[0].encode() + b' ' + c.recv(100))\nc.close()");
    await once(child.stdout!, 'data');
    await d.client.post('/v1/gateways/r1/forwards', { rules: `hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:8000` });
    const socket = net.connect(port, '127.0.0.1');
    socket.write('hello');
    let text = '';
    for await (const part of socket) text += String(part);
    expect(text).toBe('10.0.2.2 hello');
  }));
});

/** In a namespace of its own, where echo requests need no privilege: a vnet pings the loopback of that namespace, by way of its gateway. */
const PING = `
import { Kernel, quietEnv } from '@netloom/core';
import { HostLoop, NodeGateway } from '@netloom/node';
const loop = new HostLoop(console.error);
const kernel = new Kernel({ ...quietEnv(1), wake: () => loop.wake() });
loop.attach(kernel);
const { vnet0 } = kernel;
NodeGateway.open(vnet0, {});
const { policy } = vnet0.gateway.opened;
policy.target = (_proto, e) => ({ family: e.isV6 ? 6 : 4, address: e.isV6 ? '::1' : '127.0.0.1', port: 0 });
const [family, protocol, to] = process.argv[1] === '4' ? [2, 1, 0xc6336401] : [28, 58, { addr: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), scopeId: 0 }];
const { so } = vnet0.sockets.socket(family, 3, protocol);
const message = Buffer.from([process.argv[1] === '4' ? 8 : 128, 0, 0, 0, 0x12, 0x34, 0, 7, 1, 2, 3, 4]);
if (process.argv[1] === '4') message.writeUInt16BE(0xe1be, 2);
const into = Buffer.alloc(100);
so.onReadable = () => setImmediate(() => {
  const n = so.recv(into);
  const reply = into.subarray(process.argv[1] === '4' ? 20 : 0, n);
  if (n < 0 || (reply[0] !== 0 && reply[0] !== 129)) return;
  console.log(reply.subarray(4).toString('hex'));
  kernel.shutdown();
  loop.close();
});
kernel.call(loop.enter(), () => so.send(message, to, 0));
`;

describe('echo requests', () => {
  for (const family of ['4', '6']) {
    peer('root', 'netns', 'ip')(`go out by the host and come back: IPv${family}`, () =>
      withNetns(1, async (ns) => {
        expect((await ns.run('sh', '-c', 'echo 0 0 > /proc/sys/net/ipv4/ping_group_range')).status).toBe(0);
        const done = await ns.run(process.execPath, '--input-type=module', '-e', PING, family);
        expect(done).toEqual({ status: 0, stdout: '1234000701020304\n', stderr: '' });
      }));
  }
});
