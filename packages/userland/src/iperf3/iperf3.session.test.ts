/**
 * iperf3.session.test.ts — iperf3 against itself between two jails: what it measures, what it prints, how it ends.
 *
 * The link carries 10 Mbit/s, so that a second of a test is a thousand packets.
 */
import { SOCK_STREAM, PF_INET } from '@netloom/core';
import type { StreamSocket } from '@netloom/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import type { Ran, Running } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

async function link(queueMax = 4_096): Promise<void> {
  lab = new ToolLab();
  await lab.ok('jail -c name=a persist vnet');
  await lab.ok('jail -c name=b persist vnet');
  joinJails(lab, 'a', 'b', 'sim0', { delayUs: 1_000, bitsPerSec: 10_000_000, queueMax });
  await lab.ok('ifconfig sim0 192.0.2.1/24', inA);
  await lab.ok('ifconfig sim0 192.0.2.2/24', inB);
  await lab.ok('ifconfig sim0 inet6 2001:db8::1/64 no_dad', inA);
  await lab.ok('ifconfig sim0 inet6 2001:db8::2/64 no_dad', inB);
  await lab.advance(3_000_000);
}

beforeEach(() => link());

async function serve(line = 'iperf3 -s -1'): Promise<Running> {
  const running = lab.start(line, inB);
  await lab.advance(10_000);
  return running;
}

/** A server in b and a client in a, each to its end. */
async function measure(client: string, server?: string): Promise<{ client: Ran; server: Ran }> {
  const running = await serve(server);
  const ran = await lab.sh(`iperf3 ${client}`, inA);
  await lab.advance(5_000_000);
  return { client: ran, server: await running.done };
}

/** Congestion windows are the stack's business. */
const noCwnd = (text: string): string => text.replace(/(\d+) {3}[ .\d]{4} [KM]?Bytes {7}/g, '$1   CWND       ');

describe('text', () => {
  test('TCP', async () => {
    const { client, server } = await measure('-c 192.0.2.2 -t 2 -b 1M -l 4K');
    expect({ ...client, stdout: noCwnd(client.stdout).replace(/(port) \d{5}/, '$1 PORT') }).toEqual({
      exit: 0, stderr: '', stdout: `Connecting to host 192.0.2.2, port 5201
[  5] local 192.0.2.1 port PORT connected to 192.0.2.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec   124 KBytes  1.02 Mbits/sec    0   CWND       
[  5]   1.00-2.00   sec   124 KBytes  1.02 Mbits/sec    0   CWND       
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-2.00   sec   248 KBytes  1.02 Mbits/sec    0             sender
[  5]   0.00-2.00   sec   248 KBytes  1.01 Mbits/sec                  receiver

iperf Done.
` });
    expect(server.stdout).toMatch(/^-{59}\nServer listening on 5201 \(test #1\)\n-{59}\nAccepted connection from 192\.0\.2\.1, port \d+\n\[ {2}5\] local 192\.0\.2\.2 port 5201 connected to 192\.0\.2\.1 port \d+\n/);
    expect(server.stdout).toMatch(/\n- - [- ]*\n\[ ID\] Interval {11}Transfer {5}Bitrate\n\[ {2}5\] {3}0\.00-2\.00 {3}sec {3}248 KBytes {2}1\.01 Mbits\/sec {18}receiver\n$/);
    expect([server.exit, server.stderr]).toEqual([0, '']);
  });

  test('UDP both ways, with a title', async () => {
    const { client, server } = await measure('-c 192.0.2.2 -u --bidir -t 1 -b 500K -T run');
    expect(client.stdout.replace(/(port) \d{5}/g, '$1 PORT').replace(/0\.00\d ms/g, 'JITTER')).toBe(`run:  Connecting to host 192.0.2.2, port 5201
run:  [  5] local 192.0.2.1 port PORT connected to 192.0.2.2 port 5201
run:  [  7] local 192.0.2.1 port PORT connected to 192.0.2.2 port 5201
run:  [ ID][Role] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
run:  [  5][TX-C]   0.00-1.00   sec  62.2 KBytes   510 Kbits/sec            44  
run:  [  7][RX-C]   0.00-1.00   sec  62.2 KBytes   510 Kbits/sec  JITTER  0/44 (0%)  
run:  - - - - - - - - - - - - - - - - - - - - - - - - -
run:  [ ID][Role] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
run:  [  5][TX-C]   0.00-1.00   sec  62.2 KBytes   510 Kbits/sec  JITTER  0/44 (0%)  sender
run:  [  5][TX-C]   0.00-1.00   sec  62.2 KBytes   509 Kbits/sec  JITTER  0/44 (0%)  receiver
run:  [  7][RX-C]   0.00-1.00   sec  62.2 KBytes   509 Kbits/sec  JITTER  0/44 (0%)  sender
run:  [  7][RX-C]   0.00-1.00   sec  62.2 KBytes   510 Kbits/sec  JITTER  0/44 (0%)  receiver
run:  
run:  iperf Done.
`);
    expect(server.stdout).toContain('[  7][TX-S]   0.00-1.00   sec  62.2 KBytes   509 Kbits/sec  0.000 ms  0/44 (0%)  sender\n');
  });

  test('-P sums up, -V says more, -O omits, --get-server-output shows the other side', async () => {
    const { client } = await measure('-c 2001:db8::2 -t 2 -P 2 -V -O 1 --get-server-output -b 100K -l 1K -S 0x20');
    expect(client.stdout).toContain('      TCP MSS: 1428 (default)\n      Target Bitrate: 100000\n');
    expect(client.stdout).toContain('Starting Test: protocol: TCP, 2 streams, 1024 byte blocks, omitting 1 seconds, 2 second test, tos 32\n');
    expect(client.stdout.match(/\(omitted\)/g)).toHaveLength(6);
    expect(client.stdout).toMatch(/\[SUM\] {3}0\.00-2\.00 {3}sec {2}48\.0 KBytes {3}197 Kbits\/sec {4}0 {13}sender\n\[SUM\] {3}0\.00-2\.\d\d {3}sec .* receiver\nCPU Utilization: local\/sender 0\.0% \(0\.0%u\/0\.0%s\), remote/);
    expect(client.stdout).toMatch(/snd_tcp_congestion \w+\nrcv_tcp_congestion \w+\n\nServer output:\nAccepted connection from 2001:db8::1, port \d+\n/);
  });
});

interface Sum {
  readonly bytes: number;
  readonly packets: number;
  readonly lost_packets: number;
  readonly lost_percent: number;
}

interface Doc {
  readonly error?: string;
  readonly intervals: readonly { readonly streams: readonly object[]; readonly sum: object }[];
  readonly end: Readonly<Record<string, Sum>>;
}

describe('JSON', () => {
  test.each([
    '', '-R', '-P 3', '--bidir', '-n 300K', '-n 300K -R', '-k 5', '-t 2 -O 1', '-u', '-u -R', '-u -P 2 -b 2M', '-u --bidir -b 400K', '-u -k 20', '-6', '-u -6 --udp-counters-64bit',
    '-w 64K -l 10K -N -M 500', '-B 192.0.2.1 --cport 7000 -P 2', '-u -b 1M/10 -l 500 --dont-fragment',
  ])('both sides tell the same: %s', async (options) => {
    const time = /-[nkt] /.test(options) ? '' : '-t 1';
    const host = options.includes('-6') ? '2001:db8::2' : '192.0.2.2';
    const { client, server } = await measure(`-c ${host} ${time} -J ${options}`, 'iperf3 -s -1 -J');
    expect([client.exit, client.stderr, server.exit, server.stderr]).toEqual([0, '', 0, '']);
    const [ours, theirs] = [JSON.parse(client.stdout) as Doc, JSON.parse(server.stdout) as Doc];
    const parallel = Number(/-P (\d)/.exec(options)?.[1] ?? 1) * (options.includes('--bidir') ? 2 : 1);
    expect(ours.intervals[0]!.streams).toHaveLength(parallel);
    for (const way of options.includes('--bidir') ? ['', '_bidir_reverse'] : ['']) {
      const what = way !== '' || options.includes('-R') ? 'sum_sent' : 'sum_received';
      expect(ours.end[what + way]!.bytes).toBe(theirs.end[what + way]!.bytes);
      expect(ours.end[what + way]!.bytes).toBeGreaterThan(5_000);
    }
  });

  test('lost datagrams are counted', async () => {
    await link(20);
    const { client } = await measure('-c 192.0.2.2 -u -t 2 -b 12M -J');
    const { end, error } = JSON.parse(client.stdout) as Doc;
    expect(error).toBeUndefined();
    const [sum, sent, received] = [end['sum']!, end['sum_sent']!, end['sum_received']!];
    expect(sum.lost_packets).toBeGreaterThan(300);
    expect(sum.lost_packets).toBeLessThan(700);
    // Those behind the last that came are not known to be lost.
    expect((sent.bytes - received.bytes) / (sent.bytes / sent.packets)).toBe(sent.packets - received.packets + sum.lost_packets);
    expect(sum.lost_percent).toBeCloseTo((100 * sum.lost_packets) / sent.packets, 9);
  });

  test('a failed test has its error in the document', async () => {
    const { exit, stdout, stderr } = await lab.sh('iperf3 -c 192.0.2.2 -J', inA);
    expect([exit, stderr]).toEqual([1, '']);
    expect(JSON.parse(stdout)).toMatchObject({ error: 'unable to connect to server: Connection refused', intervals: [], end: {} });
  });
});

describe('refusals', () => {
  test.each([
    ['', 'parameter error - must either be a client (-c) or server (-s)'],
    ['-s -c a', 'parameter error - cannot be both server and client'],
    ['-s -t 3', 'parameter error - some option you are trying to set is client only'],
    ['-c a -1', 'parameter error - some option you are trying to set is server only'],
    ['-c a -R --bidir', 'parameter error - cannot be both reverse and bidirectional'],
    ['-c a -t x', 'parameter error - bogus value for -t: x'],
    ['-c a -t 3 -n 3', 'parameter error - only one test end condition (-t, -n, -k) may be specified'],
    ['-c a -l 2M', 'parameter error - block size too large (maximum = 1048576 bytes)'],
    ['-c a -u -l 8', 'parameter error - block size invalid (minimum = 16 bytes, maximum = 65507 bytes)'],
    ['-c a -P 200', 'parameter error - number of parallel streams too large (maximum = 128)'],
    ['-c a -p 0', 'parameter error - port number must be between 1 and 65535 inclusive'],
    ['-c a -i 0.01', 'parameter error - invalid report interval (min = 0.1, max = 60 seconds)'],
    ['-c a -f x', 'parameter error - bad format specifier (valid formats are in the set [kmgtKMGT])'],
    ['-c a -S 300', 'parameter error - bad TOS value (must be between 0 and 255 inclusive)'],
    ['-c a --sctp', 'parameter error - --sctp: no SCTP support available'],
    ['-c a -F file', 'parameter error - -F: files are not sent or written here: redirect the output, and send files with nc(1)'],
    ['-c a -Q', 'invalid option -- Q'],
    ['-c a --no', "option `--no-delay' doesn't allow an argument"],
  ])('%s', async (options, text) => {
    const { exit, stderr } = await lab.sh(`iperf3 ${options === '-c a --no' ? '-c a --no-delay=1' : options}`, inA);
    expect([exit, stderr.split('\n')[0]]).toEqual([1, `iperf3: ${text}`]);
    expect(stderr).toContain('Usage: iperf3 [-s|-c host] [options]\n');
  });

  test.each([
    ['-c 192.0.2.2', 'unable to connect to server: Connection refused'],
    ['-c nowhere', 'unable to connect to server: Name does not resolve'],
    ['-c 192.0.2.2 -B 192.0.2.77', "unable to connect to server: Can't assign requested address"],
    ['-c 203.0.113.1', 'unable to connect to server: Network is unreachable'],
    ['-c 192.0.2.99 --connect-timeout 100', 'unable to connect to server: Operation timed out'],
  ])('%s', async (options, text) => {
    expect(await lab.sh(`iperf3 ${options}`, inA)).toEqual({ exit: 1, stdout: '', stderr: `iperf3: error - ${text}\n` });
  });

  test('-C chooses on both sides, and what is not there is refused here and only said there', async () => {
    const { client } = await measure('-c 192.0.2.2 -n 10K -V -C newreno');
    expect(client.stdout).toContain('snd_tcp_congestion newreno\nrcv_tcp_congestion newreno\n');
    const server = await serve();
    expect(await lab.sh('iperf3 -c 192.0.2.2 -C reno2000', inA)).toMatchObject({
      exit: 1, stderr: 'iperf3: error - unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host\n',
    });
    await lab.advance(1_000_000);
    expect((await server.done).exit).toBe(0);
  });

  test('a second server, a busy server', async () => {
    const server = await serve();
    expect((await lab.sh('iperf3 -s', inB)).stderr).toBe('iperf3: error - unable to start listener for connections: Address already in use\n');
    const first = lab.start('iperf3 -c 192.0.2.2 -t 2 -b 1M', inA);
    await lab.advance(1_000_000);
    expect((await lab.sh('iperf3 -c 192.0.2.2', inA)).stderr).toBe('iperf3: error - the server is busy running a test. try again later\n');
    await lab.advance(5_000_000);
    expect([(await first.done).exit, (await server.done).exit]).toEqual([0, 0]);
  });
});

describe('ends', () => {
  async function running(): Promise<{ client: Running; server: Running }> {
    const server = await serve('iperf3 -s');
    const client = lab.start('iperf3 -c 192.0.2.2 -t 30 -b 1M', inA);
    await lab.advance(1_500_000);
    return { client, server };
  }

  const sockets = (jail: string): number => vnetOf(lab, jail).kern.sockcnt;

  test('a client that is interrupted says what it has, and tells the server', async () => {
    const { client, server } = await running();
    client.proc.signal('INT');
    await lab.advance(1_000_000);
    const ran = await client.done;
    expect([ran.exit, ran.stderr]).toEqual([1, 'iperf3: interrupt - the client has terminated\n']);
    expect(ran.stdout).toMatch(/sender\n.*receiver\n$/);
    expect(server.stdout).toMatch(/receiver\n-{59}\nServer listening on 5201 \(test #2\)\n-{59}\n$/);
    server.proc.signal('INT');
    await lab.advance(1_000);
    expect((await server.done).stderr).toBe('iperf3: the client has terminated\niperf3: interrupt - the server has terminated\n');
    expect([sockets('a'), sockets('b')]).toEqual([0, 0]);
  });

  test('a server that is interrupted says so to its client', async () => {
    const { client, server } = await running();
    server.proc.signal('TERM');
    await lab.advance(1_000_000);
    expect([(await server.done).exit, (await client.done).exit]).toEqual([1, 1]);
    expect((await client.done).stderr).toBe('iperf3: error - the server has terminated\n');
    expect((await client.done).stdout).toMatch(/sender\n.*receiver\n$/);
  });

  test('a client that is gone costs its test only', async () => {
    const { client, server } = await running();
    client.proc.signal('KILL');
    await lab.advance(1_000_000);
    expect(sockets('a')).toBe(0);
    expect((await lab.sh('iperf3 -c 192.0.2.2 -n 1K', inA)).exit).toBe(0);
    server.proc.signal('KILL');
    expect((await server.done).stderr).toBe('iperf3: the client has unexpectedly closed the connection\n');
    await lab.advance(1_000);
    expect(sockets('b')).toBe(0);
  });

  /** Connects from a and says `bytes`; the socket. */
  async function stranger(bytes: Uint8Array): Promise<StreamSocket> {
    const { so } = vnetOf(lab, 'a').sockets!.socket(PF_INET, SOCK_STREAM);
    so!.connect(0xc0000202, 5201);
    await lab.advance(10_000);
    so!.send(bytes);
    await lab.advance(10_000);
    return so!;
  }

  test('a stream must know the cookie, and one that says nothing holds nobody up', async () => {
    const server = await serve();
    const params = Buffer.from(JSON.stringify({ tcp: true, omit: 0, time: 1, num: 0, blockcount: 0, parallel: 1, len: 1_000 }));
    const cookie = Buffer.from(`${'a'.repeat(36)}\0`);
    const control = await stranger(Buffer.concat([cookie, Buffer.from([0, 0, 0, params.length]), params]));
    const heard = new Uint8Array(100);
    const hear = (so: StreamSocket): number[] => [...heard.subarray(0, Math.max(0, so.recv(heard)))];
    expect(hear(control)).toEqual([9, 10]);
    const silent = await stranger(Buffer.from('a'));
    const wrong = await stranger(Buffer.alloc(37, 0x62));
    expect(hear(wrong)).toEqual([0xff]);
    const right = await stranger(cookie);
    expect(hear(control)).toEqual([1, 2]);
    expect(hear(silent)).toEqual([0xff]);
    right.send(Buffer.alloc(5_000));
    await lab.advance(100_000);
    control.send(Uint8Array.of(4));
    await lab.advance(100_000);
    expect(hear(control)).toEqual([13]);
    for (const so of [control, right, wrong, silent]) so.close();
    await lab.advance(1_000_000);
    expect((await server.done).stdout).toContain('4.88 KBytes');
    expect(sockets('b')).toBe(0);
  });

  test('whoever is no iperf3 is told nothing, and others are served', async () => {
    const server = await serve('iperf3 -s');
    const cookie = new Uint8Array(37).fill(0x61);
    const junk = [
      Buffer.concat([cookie, Buffer.from([0xff, 0xff, 0xff, 0xff])]), Buffer.concat([cookie, Buffer.from([0, 0, 0, 3]), Buffer.from('{x}')]),
      Buffer.concat([cookie, Buffer.from([0, 0, 0, 2]), Buffer.from('[]')]),
    ];
    for (const bytes of junk) (await stranger(bytes)).close();
    const silent = await stranger(new Uint8Array(5));
    await lab.advance(40_000_000);
    silent.close();
    expect((await lab.sh('iperf3 -c 192.0.2.2 -n 1K', inA)).exit).toBe(0);
    server.proc.signal('KILL');
    expect((await server.done).stderr).toBe(`iperf3: error - unable to receive parameters from client: 4294967295 bytes of JSON are announced, at most 16777216 are read
iperf3: error - unable to receive parameters from client: this is no JSON
iperf3: error - unable to receive parameters from client: these describe no test
iperf3: error - unable to receive cookie at server: Operation timed out
`);
  });
});
