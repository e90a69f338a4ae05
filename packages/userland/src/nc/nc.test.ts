/**
 * nc.test.ts — nc over UDP: who talks to whom, when it ends, what it says; and a tunnel made of two of them.
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
  await running.done;
}

describe('talking', () => {
  test('a client’s input is a listener’s output, and the way back', async () => {
    const server = await begin('nc -u -l 5000', { ...inB, stdin: 'pong' });
    const client = await begin('nc -u 192.0.2.2 5000', { ...inA, stdin: 'ping' });
    expect(server.stdout).toBe('ping');
    expect(client.stdout).toBe('pong');
    await end(client);
    await end(server);
  });

  test('the same over IPv6, by address, by zone, by -6 and a name', async () => {
    for (const [listen, host] of [['-6 -l 5000', '::1'], ['-l fe80::1%lo0 5001', 'fe80::1%lo0'], ['-l ::1 5002', '-6 localhost']] as const) {
      const port = /5\d{3}$/.exec(listen)?.[0] ?? '';
      const server = await begin(`nc -u -v ${listen}`, { ...inB, stdin: 'pong' });
      const client = await begin(`nc -u -v ${host} ${port}`, { ...inB, stdin: 'ping' });
      expect(server.stdout).toContain('ping');
      expect(client.stdout).toBe('pong');
      await end(client);
      await end(server);
    }
  });

  test('a listener does not read its input before it knows its peer', async () => {
    const server = await begin('nc -u -l 5000', { ...inB, stdin: 'early' });
    await lab.advance(5_000_000);
    const client = await begin('nc -u 192.0.2.2 5000', { ...inA, stdin: 'x' });
    expect(client.stdout).toBe('early');
    await end(client);
    await end(server);
  });

  test('a listener hears its first peer only; with -k everybody', async () => {
    const one = await begin('nc -u -l 5000', inB);
    const all = await begin('nc -u -k -l 5001', inB);
    for (const [port, text] of [[5000, 'a'], [5000, 'b'], [5001, 'c'], [5001, 'd']] as const) {
      expect((await lab.sh(`nc -u -w 1 192.0.2.2 ${port}`, { ...inA, stdin: text })).exit).toBe(0);
    }
    expect(one.stdout).toBe('a');
    expect(all.stdout).toBe('cd');
    await end(one);
    await end(all);
  });

  test('a big input goes in datagrams of what nc reads at a time', async () => {
    const server = await begin('nc -u -l 5000', inB);
    const input = 'x'.repeat(16_384) + 'y'.repeat(100);
    await lab.ok('sysctl net.inet.udp.maxdgram=20000', inA);
    const client = await begin('nc -u 192.0.2.2 5000', { ...inA, stdin: input });
    await lab.advance(100_000);
    expect(server.stdout === input).toBe(true);
    expect(vnetOf(lab, 'b').udp?.stats.ipackets).toBe(2);
    await end(client);
    await end(server);
  });

  test('a datagram the socket is too small for ends the sending, without a word, as with FreeBSD’s', async () => {
    const server = await begin('nc -u -l 5000', inB);
    const client = await begin('nc -u 192.0.2.2 5000', { ...inA, stdin: 'x'.repeat(9_217) });
    expect([client.proc.exit, server.stdout]).toEqual([null, '']);
    await end(client);
    await end(server);
  });

  test('bytes arrive as they are', async () => {
    const server = await begin('nc -u -l 5000', inB);
    await lab.sh('nc -u -w 1 192.0.2.2 5000', { ...inA, stdin: Uint8Array.of(0, 255, 128, 10) });
    expect(Buffer.concat(server.proc.sink.stdout)).toEqual(Buffer.from([0, 255, 128, 10]));
    await end(server);
  });

  test('-p and -s choose the near end, -T and -V the way', async () => {
    await lab.ok('sysctl net.fibs=2', inA);
    await lab.ok('route add 192.0.2.0/24 -iface sim0 -fib 1', inA);
    const server = await begin('nc -u -v -l 5000', inB);
    await lab.sh('nc -u -w 1 -s 192.0.2.1 -p 6000 -T ef -V 1 192.0.2.2 5000', { ...inA, stdin: 'x' });
    await end(server);
    expect(await server.done).toMatchObject({ stderr: 'Connection from 192.0.2.1 6000 received!\n' });
  });

  test('-i pauses before each round', async () => {
    const server = await begin('nc -u -l 5000', inB);
    const client = lab.start('nc -u -i 2 192.0.2.2 5000', { ...inA, stdin: 'x' });
    await lab.advance(1_900_000);
    expect(server.stdout).toBe('');
    await lab.advance(2_200_000);
    expect(server.stdout).toBe('x');
    await end(client);
    await end(server);
  });
});

describe('ending', () => {
  test('-w ends after that much silence, not after the end of the input', async () => {
    const server = await begin('nc -u -l 5000', inB);
    const from = lab.kernel.now;
    expect((await lab.sh('nc -u -w 3 192.0.2.2 5000', { ...inA, stdin: 'x' })).exit).toBe(0);
    expect(lab.kernel.now - from).toBe(3_000_000);
    await end(server);
  });

  test('a listener waits for its peer however long -w is, then ends with exit 0', async () => {
    const server = await begin('nc -u -w 2 -l 5000', inB);
    await lab.advance(10_000_000);
    expect(server.proc.exit).toBeNull();
    await lab.sh('nc -u -w 1 192.0.2.2 5000', { ...inA, stdin: 'x' });
    await lab.advance(3_000_000);
    expect(await server.done).toMatchObject({ exit: 0, stdout: 'x' });
  });

  test('a port that is not there ends a client whose input has ended', async () => {
    const from = lab.kernel.now;
    expect(await lab.sh('nc -u 192.0.2.2 5999', { ...inA, stdin: 'x' })).toEqual({ exit: 0, stdout: '', stderr: '' });
    expect(lab.kernel.now - from).toBeLessThan(100_000);
  });

  test('-d reads nothing', async () => {
    const server = await begin('nc -u -l 5000', inB);
    await lab.sh('nc -u -d -w 1 192.0.2.2 5000', { ...inA, stdin: 'x' });
    expect(server.stdout).toBe('');
    await end(server);
  });

  test('INT and KILL give the socket back', async () => {
    for (const signal of ['INT', 'KILL'] as const) {
      const server = await begin('nc -u -l 5000', inB);
      expect(vnetOf(lab, 'b').kern.sockcnt).toBe(1);
      server.proc.signal(signal);
      expect((await server.done).exit).toBe(signal === 'INT' ? 130 : 137);
      expect(vnetOf(lab, 'b').kern.sockcnt).toBe(0);
    }
  });

  test('a client that cannot connect is exit 1, and says why with -v', async () => {
    expect(await lab.sh('nc -u 10.9.9.9 5000', { ...inA, stdin: 'x' })).toEqual({ exit: 1, stdout: '', stderr: '' });
    expect(await lab.sh('nc -u -v 10.9.9.9 5000', inA)).toMatchObject({ exit: 1, stderr: 'nc: connect to 10.9.9.9 port 5000 (udp) failed: Network is unreachable\n' });
  });
});

describe('-v and -z', () => {
  test('a scan tells which ports are there', async () => {
    const server = await begin('nc -u -k -l 53', inB);
    expect(await lab.sh('nc -u -z 192.0.2.2 52-54', inA)).toEqual({
      exit: 1, stdout: '', stderr: 'Connection to 192.0.2.2 53 port [udp/domain] succeeded!\n',
    });
    expect(await lab.sh('nc -u -z -n -r 192.0.2.2 53', inA)).toMatchObject({ exit: 0, stderr: 'Connection to 192.0.2.2 53 port [udp/*] succeeded!\n' });
    await end(server);
  });

  test('-v of a client sends four probes, as FreeBSD’s does', async () => {
    const server = await begin('nc -u -l 5000', inB);
    const ran = await lab.sh('nc -u -v -w 1 192.0.2.2 5000', { ...inA, stdin: 'data' });
    expect(ran).toMatchObject({ exit: 0, stderr: 'Connection to 192.0.2.2 5000 port [udp/*] succeeded!\n' });
    expect(server.stdout).toBe('XXXXdata');
    await end(server);
  });
});

describe('words', () => {
  test.each([
    ['-x proxy 192.0.2.2 80', '-x: proxies are not built in'],
    ['-l -x proxy 80', 'no proxy support for listen'],
    ['-X 6 192.0.2.2 80', 'unsupported proxy protocol'],
    ['--sctp 192.0.2.2 80', '--sctp: SCTP is not built in'],
    ['-M 192.0.2.2 80', '-M requires stats(3) support'],
    ['192.0.2.2 80 -O 0', 'TCP send window too small: 0'],
    ['--tun /dev/tun0 192.0.2.2 80', 'must use --tun with -u'],
    ['-u --tun /dev/tun9 192.0.2.2 80', 'unable to open tun device /dev/tun9'],
    ['-u -l -s 192.0.2.2 80', 'cannot use -s and -l'],
    ['-u -l -p 80 80', 'cannot use -p and -l'],
    ['-u -l -z 80', 'cannot use -z and -l'],
    ['-u -k 192.0.2.2 80', 'must use -l with -k'],
    ['-u -x proxy 192.0.2.2 80', 'no proxy support for UDP mode'],
    ['-u --sctp 192.0.2.2 80', 'cannot use -u and --sctp'],
    ['-u 192.0.2.2 domain', 'port number invalid: domain'],
    ['-u 192.0.2.2 0', 'port number too small: 0'],
    ['-u 192.0.2.2 1-70000', 'port number too large: 70000'],
    ['-u -w x 192.0.2.2 80', 'timeout invalid: x'],
    ['-u -i -1 192.0.2.2 80', 'interval too small: -1'],
    ['-u -V 1 192.0.2.2 80', 'rtable too large: 1'],
    ['-u -T 256 192.0.2.2 80', 'illegal tos value 256'],
    ['-u nobody 80', 'getaddrinfo: Name does not resolve'],
    ['-u -l nosuchservice', 'getaddrinfo: Service was not recognized for socket type'],
    ['-u -l 192.0.2.99 80', "Can't assign requested address"],
    ['-u -6 10.0.0.1 80', 'getaddrinfo: Name does not resolve'],
    ['-u -4 ::1 80', 'getaddrinfo: Name does not resolve'],
    ['-u fe80::1%em9 80', 'getaddrinfo: Name does not resolve'],
    ['-U /tmp/socket', 'Unix sockets are not built in: use the machine\'s nc: /usr/bin/nc -U PATH'],
  ])('nc %s: exit 1', async (words, message) => {
    expect(await lab.sh(`nc ${words}`, inA)).toEqual({ exit: 1, stdout: '', stderr: `nc: ${message}\n` });
  });

  test.each(['', '192.0.2.2', '-q', '-u -w', '-h'])('nc %s: usage', async (words) => {
    const ran = await lab.sh(`nc ${words}`, inA);
    expect([ran.exit, ran.stdout]).toEqual([1, '']);
    expect(ran.stderr).toContain('usage: nc [-46DdFhklNnrStUuvz] [-I length] [-i interval] [-O length]\n');
  });

  test('options may come after the words, and have long names', async () => {
    expect((await lab.sh('nc 192.0.2.2 80 -u -x proxy', inA)).stderr).toBe('nc: no proxy support for UDP mode\n');
    expect((await lab.sh('nc 192.0.2.2 80 --tu', inA)).stderr).toContain("nc: option `--tu' requires an argument\nusage: nc ");
    expect((await lab.sh('nc -q', inA)).stderr).toContain('nc: invalid option -- q\nusage: nc ');
  });

  test('a listener takes a service by its name', async () => {
    const server = await begin('nc -u -l syslog', inB);
    await lab.sh('nc -u -w 1 192.0.2.2 514', { ...inA, stdin: 'x' });
    expect(server.stdout).toBe('x');
    await end(server);
  });
});

describe('--tun', () => {
  /** As FreeBSD's tests/sys/net/if_tun_test.sh, "basic". */
  async function tunnel(): Promise<readonly [Running, Running]> {
    const epair = (await lab.ok('ifconfig epair create')).slice(0, -1);
    const duke = await lab.ok('ifconfig tun create');
    const bass = await lab.ok('ifconfig tun create');
    await lab.ok(`jail -c name=duke persist vnet vnet.interface=${epair}a vnet.interface=${duke}`);
    await lab.ok(`jail -c name=bass persist vnet vnet.interface=${epair}b vnet.interface=${bass}`);
    await lab.ok(`jexec duke ifconfig ${epair}a inet 10.0.0.1/24 up`);
    await lab.ok(`jexec bass ifconfig ${epair}b inet 10.0.0.2/24 up`);
    const ends = [
      await begin(`nc -u -l --tun /dev/${duke} 10.0.0.1 2600`, { jail: 'duke' }),
      await begin(`nc -u --tun /dev/${bass} 10.0.0.1 2600`, { jail: 'bass' }),
    ] as const;
    await lab.ok(`jexec duke ifconfig ${duke} inet 10.100.0.1/24 10.100.0.2 up`);
    await lab.ok(`jexec bass ifconfig ${bass} inet 10.100.0.2/24 10.100.0.1 up`);
    return ends;
  }

  test('a ping crosses two tuns, two ncs and an epair', async () => {
    const [duke, bass] = await tunnel();
    const out = await lab.ok('jexec bass ping -c 3 -i 0.1 10.100.0.1');
    expect(out).toContain('3 packets transmitted, 3 packets received, 0.0% packet loss');
    expect(await lab.ok('jexec duke ping -c 1 -s 1400 10.100.0.2')).toContain('1408 bytes from 10.100.0.2');
    for (const running of [duke, bass]) await end(running);
    expect(await lab.ok('jexec bass ifconfig tun1')).not.toContain('inet ');
  });

  test('the device can be opened once, and again after its nc has ended', async () => {
    const [duke, bass] = await tunnel();
    expect(await lab.sh('jexec bass nc -u --tun /dev/tun1 10.0.0.1 2600')).toMatchObject({ exit: 1, stderr: 'nc: unable to open tun device /dev/tun1\n' });
    await end(bass);
    const again = await begin('nc -u --tun /dev/tun1 10.0.0.1 2600', { jail: 'bass' });
    expect(again.proc.exit).toBeNull();
    await end(again);
    await end(duke);
  });

  test('nc ends with its interface', async () => {
    const [duke, bass] = await tunnel();
    await lab.ok('jexec bass ifconfig tun1 destroy');
    await lab.advance(1_000);
    expect((await bass.done).exit).toBe(0);
    await end(duke);
  });
});
