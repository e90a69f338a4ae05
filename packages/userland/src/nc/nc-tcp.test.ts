/**
 * nc-tcp.test.ts — nc over TCP: both ways, the end of each, how long it waits, what a scan says, and how much it holds.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import type { Running, ShOptions } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
  await lab.ok('ping -c 1 192.0.2.2', inA);
});

async function begin(line: string, options: ShOptions): Promise<Running> {
  const running = lab.start(line, options);
  await lab.advance(10_000);
  return running;
}

async function end(running: Running): Promise<void> {
  running.proc.signal('KILL');
  await finish(running);
}

/** Lets it come to its end. */
async function finish(running: Running): ReturnType<ToolLab['sh']> {
  await lab.advance(100_000);
  expect(running.proc.exit).not.toBeNull();
  return running.done;
}

/** Nothing is left of connections but TIME_WAIT, which ends. */
async function expectQuiet(): Promise<void> {
  await lab.advance(120_000_000);
  expect([vnetOf(lab, 'a').kern.sockcnt, vnetOf(lab, 'b').kern.sockcnt]).toEqual([0, 0]);
  expect(await lab.ok('netstat -an -p tcp', inA)).toBe('');
  expect(await lab.ok('netstat -an -p tcp', inB)).toBe('');
}

describe('talking', () => {
  test('both ways; the client’s -N ends it', async () => {
    const server = await begin('nc -l 5000', { ...inB, stdin: 'pong' });
    expect(await lab.sh('nc -N 192.0.2.2 5000', { ...inA, stdin: 'ping' })).toEqual({ exit: 0, stdout: 'pong', stderr: '' });
    expect(await finish(server)).toEqual({ exit: 0, stdout: 'ping', stderr: '' });
    await expectQuiet();
  });

  test('without -N a client waits for the far end, which a listener ends with what it is sent', async () => {
    const server = await begin('nc -l 5000', inB);
    const client = await begin('nc 192.0.2.2 5000', { ...inA, stdin: 'x' });
    await lab.advance(60_000_000);
    expect([client.proc.exit, server.proc.exit, server.stdout]).toEqual([null, null, 'x']);
    await end(client);
    expect((await finish(server)).exit).toBe(0);
    await expectQuiet();
  });

  test('half a connection: the input has ended, the answer comes later', async () => {
    const server = await begin('nc -l -i 3 5000', { ...inB, stdin: 'answer' });
    const client = await lab.sh('nc -N 192.0.2.2 5000', { ...inA, stdin: 'question' });
    expect(client).toEqual({ exit: 0, stdout: 'answer', stderr: '' });
    expect((await finish(server)).stdout).toBe('question');
  });

  test('over IPv6, by address, by zone, by -6 and a name', async () => {
    for (const [listen, host] of [['-6 -l 5000', '::1'], ['-l fe80::1%lo0 5001', 'fe80::1%lo0'], ['-l ::1 5002', '-6 localhost']] as const) {
      const port = /5\d{3}$/.exec(listen)?.[0] ?? '';
      const server = await begin(`nc -v ${listen}`, { ...inB, stdin: 'pong' });
      expect(await lab.sh(`nc -N ${host} ${port}`, { ...inB, stdin: 'ping' })).toMatchObject({ exit: 0, stdout: 'pong' });
      const { stdout, stderr } = await finish(server);
      expect(stdout).toBe('ping');
      expect(stderr).toMatch(/^Connection from (localhost|fe80::1%lo0) \d+ received!\n$/);
    }
  });

  test('a megabyte arrives, and no more than the buffers is on its way to a reader that waits', async () => {
    const input = Buffer.alloc(1_000_000, 'netloom ');
    const server = await begin('nc -l 5000', inB);
    expect((await lab.sh('nc -N 192.0.2.2 5000', { ...inA, stdin: input })).exit).toBe(0);
    expect(Buffer.from((await finish(server)).stdout).equals(input)).toBe(true);
    const slow = await begin('nc -l -i 1 5000', inB);
    const client = await begin('nc -N 192.0.2.2 5000', { ...inA, stdin: Buffer.alloc(8_000_000) });
    await lab.advance(2_000_000);
    expect(client.proc.exit).toBeNull();
    await end(slow);
    expect((await finish(client)).exit).toBe(0);
    await expectQuiet();
  });

  test('-k takes one after the other', async () => {
    const server = await begin('nc -k -l -v 5000', inB);
    for (const text of ['a', 'b', 'c']) expect((await lab.sh('nc -N 192.0.2.2 5000', { ...inA, stdin: text })).exit).toBe(0);
    await lab.advance(10_000);
    expect(server.stdout).toBe('abc');
    await end(server);
    expect((await finish(server)).stderr).toMatch(/^(Connection from 192\.0\.2\.1 \d+ received!\n){3}$/);
  });

  test('-s, -p and -T', async () => {
    const server = await begin('nc -v -l 5000', inB);
    const dump = await begin('tcpdump -v -t -c 1 -i sim0 tcp', inB);
    await lab.sh('nc -N -s 192.0.2.1 -p 6001 -T ef 192.0.2.2 5000', { ...inA, stdin: 'x' });
    expect((await finish(server)).stderr).toBe('Connection from 192.0.2.1 6001 received!\n');
    expect((await dump.done).stdout).toContain('tos 0xb8');
  });

  test('-t turns TELNET’s offers down', async () => {
    const server = await begin('nc -l 5000', { ...inB, stdin: Uint8Array.of(255, 253, 24, 255, 251, 1, 104, 105) });
    await begin('nc -t 192.0.2.2 5000', { ...inA, stdin: '' });
    await lab.advance(1_000_000);
    const bytes = Buffer.concat(server.proc.sink.stdout);
    expect(bytes.toString('hex')).toBe('fffc18fffe01');
  });
});

describe('ending', () => {
  test('nobody listens: exit 1, and with -v a word', async () => {
    expect(await lab.sh('nc 192.0.2.2 5000', { ...inA, stdin: 'x' })).toEqual({ exit: 1, stdout: '', stderr: '' });
    expect(await lab.sh('nc -v 192.0.2.2 5000', inA)).toEqual({
      exit: 1, stdout: '', stderr: 'nc: connect to 192.0.2.2 port 5000 (tcp) failed: Connection refused\n',
    });
    expect((await lab.sh('nc -v 10.9.9.9 5000', inA)).stderr).toBe('nc: connect to 10.9.9.9 port 5000 (tcp) failed: Network is unreachable\n');
  });

  test('-w bounds the wait for a connection, and silence later', async () => {
    await lab.ok('ifconfig sim0 down', inB);
    const from = lab.kernel.now;
    expect((await lab.sh('nc -v -w 2 192.0.2.2 5000', inA)).stderr).toBe('nc: connect to 192.0.2.2 port 5000 (tcp) failed: Operation timed out\n');
    expect(lab.kernel.now - from).toBe(2_000_000);
    await lab.ok('ifconfig sim0 up', inB);
    const server = await begin('nc -l 5000', inB);
    const later = lab.kernel.now;
    expect((await lab.sh('nc -w 3 192.0.2.2 5000', { ...inA, stdin: 'x' })).exit).toBe(0);
    expect(Math.round((lab.kernel.now - later) / 1e6)).toBe(3);
    expect((await finish(server)).stdout).toBe('x');
  });

  test('a reset ends a client that waits, whatever its input does', async () => {
    const server = await begin('nc -l 5000', inB);
    const client = await begin('nc 192.0.2.2 5000', { ...inA, stdin: 'x' });
    expect(await lab.ok('tcpdrop -a', inB)).toMatch(/^192\.0\.2\.2 5000 192\.0\.2\.1 \d+: dropped$/);
    await lab.advance(10_000);
    expect([(await finish(client)).exit, (await finish(server)).exit]).toEqual([0, 0]);
    await expectQuiet();
  });

  test('INT and KILL close the connection', async () => {
    for (const signal of ['INT', 'KILL'] as const) {
      const server = await begin('nc -l 5000', inB);
      const client = await begin('nc 192.0.2.2 5000', { ...inA, stdin: 'x' });
      client.proc.signal(signal);
      expect((await finish(client)).exit).toBe(signal === 'INT' ? 130 : 137);
      expect((await finish(server)).exit).toBe(0);
    }
    await expectQuiet();
  });
});

describe('-z', () => {
  test('a range of ports', async () => {
    const server = await begin('nc -k -l 53', inB);
    expect(await lab.sh('nc -z 192.0.2.2 52-54', inA)).toEqual({ exit: 0, stdout: '', stderr: 'Connection to 192.0.2.2 53 port [tcp/domain] succeeded!\n' });
    expect(await lab.sh('nc -z -v -n -w 1 192.0.2.2 52-53', inA)).toEqual({
      exit: 0, stdout: '',
      stderr: 'nc: connect to 192.0.2.2 port 52 (tcp) failed: Connection refused\nConnection to 192.0.2.2 53 port [tcp/*] succeeded!\n',
    });
    expect((await lab.sh('nc -z 192.0.2.2 54', inA)).exit).toBe(1);
    await end(server);
  });
});
