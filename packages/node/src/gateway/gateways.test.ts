/**
 * gateways.test.ts — gateways of a daemon: over HTTP, and in lab files.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Daemon } from '../daemon/daemon.js';
import { startDaemon } from '../daemon/daemon.js';
import type { ExecResult } from '../daemon/exec-buffer.js';
import { DaemonClient } from '../daemon/http-client.js';
import { formatProblem, readLab } from '../lab/lab-file.js';
import { gatewayRequest } from '../lab/lab-gateway.js';
import { planLab, planScript } from '../lab/lab-plan.js';
import type { FlowView, GatewayView } from './gateways.js';

const LAB = `
name: out
vnets:
  r1:
    interfaces: { lan: { inet: 10.0.2.2/24 } }
    gateway: { interface: lan, reverse: "tcp:10.0.2.2:81-127.0.0.1:PORT" }
  guest:
    interfaces: { eth0: { inet: 10.0.2.15/24 } }
    routes: [{ to: default, via: 10.0.2.2 }]
links: [[r1:lan, guest:eth0]]
`;

let folder: string;
let daemon: Daemon;
let client: DaemonClient;
let server: Server;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-g-'));
  daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'silent', seed: 1 });
  client = new DaemonClient(daemon.socketPath);
  server = http.createServer((request, response) => response.end(`you want ${request.url ?? ''}\n`)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  await daemon.close();
  server.close();
  rmSync(folder, { recursive: true });
  expect(daemon.kernel.audit()).toMatchObject({ unaccounted: { packets: 0, timers: 0, interfaces: 0, deferred: 0 }, leaksFound: 0 });
});

const exec = (vnet: string, ...argv: string[]): Promise<ExecResult> => client.post<ExecResult>('/v1/exec', { argv, ...(vnet === 'host' ? {} : { vnet }) });

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return free;
}

describe('over HTTP', () => {
  test('the stack outside all jails gets a way out, and loses it again', async () => {
    const up = await client.post<GatewayView>('/v1/gateways', { vnet: 'host' });
    const view = { vnet: 'host', interface: 'gw0', addresses: ['10.0.2.2', 'fd00::2'], name: 'host.netloom.internal', hostLoopback: true, restrict: false, forwards: [], flows: { tcp: 0, udp: 0, echo: 0 } };
    expect(up).toEqual(view);
    expect(await client.get('/v1/gateways')).toEqual([view]);
    expect((await exec('host', 'fetch', '-qo', '-', `http://10.0.2.2:${port}/this`)).stdout).toBe('you want /this\n');
    expect(await exec('host', 'route', '-n', 'get', 'default')).toMatchObject({ stdout: expect.stringContaining('interface: gw0') as string });
    await expect(client.post('/v1/gateways', { vnet: 'host' })).rejects.toThrow('vnet "host" has a gateway already ("netloom gateway down host" closes it)');
    await client.delete('/v1/gateways/host');
    expect(await client.get('/v1/gateways')).toEqual([]);
    await expect(client.delete('/v1/gateways/host')).rejects.toThrow('vnet "host" has no gateway ("netloom gateway up host" opens one)');
    expect((await exec('host', 'ifconfig', '-l')).stdout).toBe('lo0\n');
  });

  test.each([
    [{ vnet: 'nobody' }, 'there is no vnet "nobody" ("netloom ps" lists them)'],
    [{ vnet: 'host', interface: 'em0' }, 'there is no interface "em0" (there are: lo0)'],
    [{ vnet: 'host', address: '10.0.2.2' }, '"10.0.2.2" is no IPv4 address with a prefix length (such as 10.0.2.2/32)'],
    [{ vnet: 'host', address6: 'fd00::2/129' }, '"fd00::2/129" is no IPv6 address with a prefix length (such as fd00::2/128)'],
    [{ vnet: 'host', address: '127.0.0.1/32' }, 'the gateway of vnet "host" gets no address: File exists'],
    [{ vnet: 'host', forward: ['tcp:127.0.0.1-10.0.2.15:22'] }, '"127.0.0.1" is not ADDRESS:PORT'],
  ])('%j is refused, and nothing is left', async (body, message) => {
    await expect(client.post('/v1/gateways', body)).rejects.toThrow(message);
    expect(await client.get('/v1/gateways')).toEqual([]);
    expect((await exec('host', 'ifconfig', '-l')).stdout).toBe('lo0\n');
  });

  test('a forward that cannot be had closes what was opened for it', async () => {
    await expect(client.post('/v1/gateways', { vnet: 'host', forward: [`tcp:127.0.0.1:${port}-10.0.2.15:22`] })).rejects.toThrow(`the host cannot listen on 127.0.0.1:${port} (EADDRINUSE)`);
    expect(await client.get('/v1/gateways')).toEqual([]);
    expect((await exec('host', 'sysctl', '-n', 'net.inet.ip.forwarding')).stdout).toBe('0\n');
  });
});

describe('in a lab', () => {
  const up = async (text = LAB): Promise<void> => {
    const { lab, problems } = readLab('lab.yaml', text.replace('PORT', String(port)));
    expect(problems).toEqual([]);
    await client.post('/v1/labs', { lab, file: 'lab.yaml' });
  };

  test('guests reach services of the host, and forwards are changed while it is up', async () => {
    await up();
    expect((await exec('guest', 'fetch', '-qo', '-', 'http://10.0.2.2:81/that')).stdout).toBe('you want /that\n');
    const rule = `tcp:127.0.0.1:${await freePort()}-10.0.2.15:7`;
    const rules = encodeURIComponent(rule);
    expect((await client.post<GatewayView>('/v1/gateways/r1/forwards', { rules: rule })).forwards).toEqual([{ rule, reverse: false }, { rule: `tcp:10.0.2.2:81-127.0.0.1:${port}`, reverse: true }]);
    await expect(client.post('/v1/gateways/r1/forwards', { rules: rule })).rejects.toThrow('is there already');
    expect((await client.delete<GatewayView>(`/v1/gateways/r1/forwards?rules=${rules}`)).forwards).toHaveLength(1);
    await expect(client.delete(`/v1/gateways/r1/forwards?rules=${rules}`)).rejects.toThrow(`there is no forward ${rule}`);
    await client.delete('/v1/labs/out');
    expect(await client.get('/v1/gateways')).toEqual([]);
  });

  test('flows are listed while they last', async () => {
    await up();
    const quiet = net.createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(quiet, 'listening');
    const to = `127.0.0.1:${(quiet.address() as AddressInfo).port}`;
    await client.post('/v1/gateways/r1/forwards', { rules: `tcp:10.0.2.2:82-${to}`, reverse: true });
    const calling = exec('guest', 'nc', '-w', '1', '-N', '10.0.2.2', '82');
    await once(quiet, 'connection');
    const flows = await client.get<FlowView[]>('/v1/gateways/r1/flows');
    expect(flows).toEqual([{ proto: 'tcp', direction: 'out', guest: expect.stringMatching(/^10\.0\.2\.15:\d+$/) as string, asked: '10.0.2.2:82', host: to, state: expect.stringMatching(/^(answered|joined)$/) as string, idleUs: expect.any(Number) as number }]);
    await client.delete('/v1/gateways/r1');
    await calling;
    quiet.close();
  });

  test('the commands say all that the file does, and are read back', () => {
    const { lab } = readLab('lab.yaml', 'name: x\nvnets: {a: {gateway: {address: 10.0.2.2/24, address6: "fd00::2/64", host_loopback: false, restrict: true, route: false, forward: ["tcp::1-10.0.2.15:2"], reverse: "udp:10.0.2.2:3-127.0.0.1:4"}}, b: {gateway: true}, c: {gateway: false}}\n');
    const script = planScript(planLab(lab!)).split('\n').filter((line) => line.startsWith('netloom'));
    expect(script).toEqual([
      'netloom gateway up a --address 10.0.2.2/24 --address6 fd00::2/64 --no-host-loopback --restrict --no-route --forward tcp::1-10.0.2.15:2 --reverse udp:10.0.2.2:3-127.0.0.1:4',
      'netloom gateway up b',
    ]);
    expect(gatewayRequest(script[0]!.split(' ').slice(3))).toEqual({
      vnet: 'a', request: { address: '10.0.2.2/24', address6: 'fd00::2/64', hostLoopback: false, restrict: true, route: false, forward: ['tcp::1-10.0.2.15:2'], reverse: ['udp:10.0.2.2:3-127.0.0.1:4'] },
    });
    expect(gatewayRequest(['b'])).toEqual({ vnet: 'b', request: { hostLoopback: true, route: true } });
  });

  test.each([
    ['name: x\nvnets: {host: {gateway: true}}\n', 'lab.yaml:2:25: a lab does not change "gateway" of the host, which it shares with others (use a vnet of its own)'],
    ['name: x\nvnets: {a: {gateway: {interface: lam}, interfaces: {lan: {}}}}\nlinks: [[a:lan, a:x]]\n', 'lab.yaml:2:34: vnet "a" has no interface "lam" (name the one that guests are on, or leave it out)'],
    ['name: x\nvnets: {a: {gateway: {forward: "tcp:1-2"}}}\n', 'lab.yaml:2:32: "tcp:1-2" is no rule for a forward: "1" is not ADDRESS:PORT (write tcp:127.0.0.1:8022-10.0.2.15:22)'],
    ['name: x\nvnets: {a: {gateway: {forward: ["tcp::1-10.0.0.1:1", "sctp::1-10.0.0.1:1"]}}}\n', 'lab.yaml:2:54: "sctp::1-10.0.0.1:1" is no rule for a forward: "sctp" is neither tcp nor udp (write tcp:127.0.0.1:8022-10.0.2.15:22)'],
  ])('refused: %s', (text, problem) => {
    expect(readLab('lab.yaml', text).problems.map((p) => formatProblem('lab.yaml', p))).toEqual([problem]);
  });
});
