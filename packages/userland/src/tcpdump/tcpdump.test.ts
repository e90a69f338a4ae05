/**
 * tcpdump.test.ts — tcpdump as its users see it: what it says around the packets, what it writes and reads back, when it ends.
 * The lines for packets are compared with tcpdump's own in test/tcpdump.interop.test.ts.
 */
import { PcapDecoder, captureFormat, PcapngDecoder } from '@netloom/core/wire';
import type { CaptureItem } from '@netloom/core/wire';
import { beforeEach, describe, expect, test } from 'vitest';
import { BinaryLab } from '../../test/binary-lab.js';
import { twoJails, vnetOf } from '../../test/test-links.js';
import type { Running } from '../../test/test-proc.js';

let lab: BinaryLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };
const TERSE = 'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n';
const LISTENING = 'listening on sim0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n';

beforeEach(async () => {
  lab = new BinaryLab();
  await twoJails(lab);
  await lab.ok('ping -c 1 192.0.2.2', inA);
});

async function begin(line: string, jail = 'a'): Promise<Running> {
  const running = lab.start(line, { jail });
  await lab.advance(1_000);
  return running;
}

async function interrupt(running: Running): Promise<{ readonly stdout: string; readonly stderr: string; readonly exit: number }> {
  running.proc.signal('INT');
  await lab.advance(1);
  return running.done;
}

function items(bytes: Uint8Array): CaptureItem[] {
  const decoder = captureFormat(bytes) === 'pcapng' ? new PcapngDecoder() : new PcapDecoder();
  decoder.push(bytes);
  const out: CaptureItem[] = [];
  for (let item = decoder.next(); item !== null; item = decoder.next()) out.push(item);
  expect(decoder.end()).toBeNull();
  return out;
}

describe('capturing', () => {
  test('both directions, with time, until INT; the counts are the last words', async () => {
    const dump = await begin('tcpdump -i sim0');
    await lab.ok('ping -c 1 192.0.2.2', inA);
    expect(dump.stdout).toMatch(/^22:13:20\.\d{6} IP 192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request, id \d+, seq 0, length 64\n22:13:20\.\d{6} IP 192\.0\.2\.2 > 192\.0\.2\.1: ICMP echo reply, id \d+, seq 0, length 64\n$/);
    expect(await interrupt(dump)).toEqual({
      exit: 0, stdout: `${dump.stdout}\n`.replace(/\n\n+$/, '\n\n'),
      stderr: `${TERSE}${LISTENING}2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n`,
    });
  });

  test('a filter, -c, -e, -n, -t, -#', async () => {
    const dump = await begin('tcpdump -#tne -i sim0 -c 2 icmp and src 192.0.2.2');
    await lab.ok('ping -c 3 -i 0.1 192.0.2.2', inA);
    const ran = await dump.done;
    expect(ran.exit).toBe(0);
    expect(ran.stdout).toMatch(/^ {4}1 {2}02:[0-9a-f:]+ > 02:[0-9a-f:]+, ethertype IPv4 \(0x0800\), length 98: 192\.0\.2\.2 > 192\.0\.2\.1: ICMP echo reply, id \d+, seq 0, length 64\n {4}2 {2}.*seq 1, length 64\n$/);
    expect(ran.stderr).toContain('2 packets captured\n');
    expect(ran.stderr).toMatch(/\n[34] packets received by filter\n/);
  });

  test('-Q in and out', async () => {
    const both = await Promise.all([begin('tcpdump -t -Q in -i sim0'), begin('tcpdump -t -Q out -i sim0')]);
    await lab.ok('ping -c 1 192.0.2.2', inA);
    expect(both.map((d) => /echo (\w+)/.exec(d.stdout)?.[1])).toEqual(['reply', 'request']);
    for (const d of both) await interrupt(d);
  });

  test('-v, -x and -X show more; -s less', async () => {
    const dumps = await Promise.all(['-v', '-x', '-X', '-A', '-s 40'].map((o) => begin(`tcpdump -tn ${o} -c 1 -i sim0 icmp`)));
    await lab.ok('ping -c 1 -p 414243 192.0.2.2', inA);
    const [v, x, X, A, s] = await Promise.all(dumps.map(async (d) => (await d.done).stdout));
    expect(v).toMatch(/^IP \(tos 0x0, ttl 64, id \d+, offset 0, flags \[none\], proto ICMP \(1\), length 84\)\n {4}192\.0\.2\.1 > 192\.0\.2\.2: ICMP/);
    expect(x).toMatch(/\n\t0x0000: {2}4500 0054/);
    expect(X).toContain('ABCABCABCABCABCA');
    expect(A).toContain('ABCABCABCABCABCABCABC');
    expect(s).toContain('[|icmp]');
  });

  test('TERM and HUP end it as INT does; INFO reports and goes on', async () => {
    for (const signal of ['TERM', 'HUP'] as const) {
      const dump = await begin('tcpdump -i sim0');
      dump.proc.signal(signal);
      await lab.advance(1);
      expect(await dump.done).toMatchObject({ exit: 0, stderr: expect.stringContaining('0 packets captured\n') as string });
    }
    const dump = await begin('tcpdump -i sim0');
    await lab.ok('ping -c 1 192.0.2.2', inA);
    dump.proc.signal('INFO');
    await lab.ok('ping -c 1 192.0.2.2', inA);
    const ran = await interrupt(dump);
    expect(ran.stderr).toContain('tcpdump: 2 packets captured, 2 packets received by filter, 0 packets dropped by kernel\n');
    expect(ran.stderr).toContain('\n4 packets captured\n');
  });

  test('the interface goes away', async () => {
    await lab.ok('ifconfig bridge0 create up', inA);
    const dump = await begin('tcpdump -i bridge0');
    await lab.ok('ifconfig bridge0 destroy', inA);
    await lab.advance(1);
    const ran = await dump.done;
    expect(ran.exit).toBe(1);
    expect(ran.stderr).toContain('tcpdump: pcap_loop: The interface disappeared\n0 packets captured\n');
  });

  test('the listener and promiscuous mode go with the process', async () => {
    const ifp = vnetOf(lab, 'a').net.ifunit('sim0');
    const dump = await begin('tcpdump -i sim0');
    expect([ifp?.bpf?.count, ifp?.promiscCount]).toEqual([1, 1]);
    dump.proc.signal('KILL');
    await dump.done;
    expect([ifp?.bpf, ifp?.promiscCount]).toEqual([null, 0]);
    const polite = await begin('tcpdump -p -i sim0');
    expect(ifp?.promiscCount).toBe(0);
    await interrupt(polite);
  });

  test('a slow reader loses packets and counts them; the stack goes on', async () => {
    const dump = lab.start('tcpdump -B 1 -i sim0', inA);
    let open = (): void => {};
    dump.proc.flush = () => new Promise<void>((resolve) => (open = resolve));
    await lab.advance(1_000);
    await lab.ok('ping -c 20 -i 0.01 -s 200 192.0.2.2', inA);
    dump.proc.flush = () => Promise.resolve();
    open();
    const ran = await interrupt(dump);
    expect(ran.stderr).toMatch(/\n3 packets captured\n40 packets received by filter\n37 packets dropped by kernel\n/);
  });

  test('on the loopback interface and on a tun: raw IP', async () => {
    await lab.ok('ifconfig lo0 127.0.0.1/8 up', inA);
    const dump = await begin('tcpdump -tn -i lo0 -c 1 icmp');
    await lab.ok('ping -c 1 127.0.0.1', inA);
    expect(await dump.done).toMatchObject({
      stdout: expect.stringMatching(/^IP 127\.0\.0\.1 > 127\.0\.0\.1: ICMP echo request/) as string,
      stderr: expect.stringContaining('listening on lo0, link-type RAW (Raw IP)') as string,
    });
  });
});

describe('savefiles', () => {
  /** A capture of two pings, as written by `tcpdump -w FILE`. */
  async function capture(file: string, options = ''): Promise<Uint8Array> {
    const dump = await begin(`tcpdump ${options} -i sim0 -c 4 -w ${file} icmp`);
    await lab.ok('ping -c 2 -i 0.25 192.0.2.2', inA);
    const ran = await dump.done;
    expect(ran.exit).toBe(0);
    return file === '-' ? new Uint8Array(Buffer.concat(dump.proc.sink.stdout)) : (lab.bytes.get(file) ?? new Uint8Array(0));
  }

  test('pcap: packets as they were, times of the wall clock', async () => {
    const all = items(await capture('/tmp/x.pcap'));
    expect(all.map((i) => i.kind)).toEqual(['section', 'interface', 'packet', 'packet', 'packet', 'packet']);
    expect(all[1]).toMatchObject({ linktype: 1, snaplen: 262_144 });
    const packets = all.filter((i) => i.kind === 'packet');
    expect(packets.map((i) => i.wireLen)).toEqual([98, 98, 98, 98]);
    expect((packets[2]?.timeUs ?? 0) - (packets[0]?.timeUs ?? 0)).toBe(250_000);
    expect(packets[0]?.timeUs).toBeGreaterThan(1_700_000_000_000_000);
  });

  test('pcapng when the name says so: with the interface’s name and the directions', async () => {
    const all = items(await capture('/tmp/x.pcapng'));
    expect(all[0]).toMatchObject({ kind: 'section', application: 'netloom tcpdump' });
    expect(all[1]).toMatchObject({ kind: 'interface', name: 'sim0', linktype: 1 });
    expect(all.flatMap((i) => (i.kind === 'packet' ? [i.direction] : []))).toEqual(['out', 'in', 'out', 'in']);
  });

  test('- is standard output, byte for byte what a file gets, and standard input', async () => {
    const bytes = await capture('-');
    expect(items(bytes)).toHaveLength(6);
    const ran = await lab.sh('tcpdump -tnr - icmp[icmptype] = 8', { stdin: bytes });
    expect(ran.stdout).toMatch(/^(IP 192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request.*\n){2}$/);
    expect(ran.stderr).toBe('reading from file -, link-type EN10MB (Ethernet), snapshot length 262144\n');
  });

  test('what a capture printed live, its file prints again', async () => {
    const live = await begin('tcpdump -ve -i sim0 -c 4 icmp');
    await capture('/tmp/x.pcap');
    const { stdout } = await live.done;
    expect(await lab.sh('tcpdump -ve -r /tmp/x.pcap')).toMatchObject({ exit: 0, stdout });
    expect(await lab.sh('tcpdump -r /tmp/x.pcap -w /tmp/y.pcap icmp')).toMatchObject({ exit: 0, stdout: '' });
    expect(Buffer.from(lab.bytes.get('/tmp/y.pcap') ?? [])).toEqual(Buffer.from(lab.bytes.get('/tmp/x.pcap') ?? []));
  });

  test('-c, --count, --print, -w with -v', async () => {
    await capture('/tmp/x.pcap');
    expect((await lab.sh('tcpdump -c 3 -r /tmp/x.pcap')).stdout.split('\n')).toHaveLength(4);
    expect(await lab.sh('tcpdump --count -r /tmp/x.pcap src 192.0.2.2')).toMatchObject({ stdout: '2 packets\n' });
    expect(await lab.sh('tcpdump --count -r /tmp/x.pcap tcp')).toMatchObject({ stdout: '0 packets\n' });
    const dump = await begin('tcpdump -t --print -c 1 -i sim0 -w /tmp/z.pcap icmp');
    await lab.ok('ping -c 1 192.0.2.2', inA);
    expect((await dump.done).stdout).toContain('ICMP echo request');
    expect(items(lab.bytes.get('/tmp/z.pcap') ?? new Uint8Array(0))).toHaveLength(3);
    const verbose = await begin('tcpdump -v -i sim0 -w /tmp/z.pcap');
    await lab.ok('ping -c 1 192.0.2.2', inA);
    await lab.advance(3_500_000);
    expect((await interrupt(verbose)).stderr).toContain('snapshot length 262144 bytes\nGot 2\r2 packets captured\n');
  });

  test('-F takes the expression from a file', async () => {
    await capture('/tmp/x.pcap');
    lab.files.set('/tmp/filter', '# only questions\nicmp[0] = 8 # echo\n  and src 192.0.2.1\n');
    expect((await lab.sh('tcpdump -F /tmp/filter -r /tmp/x.pcap')).stdout.split('\n')).toHaveLength(3);
    expect(await lab.sh('tcpdump -F /tmp/nosuch -r /tmp/x.pcap')).toMatchObject({ exit: 1, stderr: "tcpdump: can't open /tmp/nosuch: No such file or directory\n" });
  });

  test('broken files: what is whole is printed, then the fault, exit 1', async () => {
    const whole = await capture('/tmp/x.pcap');
    lab.bytes.set('/tmp/cut', whole.slice(0, whole.length - 5));
    const ran = await lab.sh('tcpdump -tr /tmp/cut');
    expect(ran.exit).toBe(1);
    expect(ran.stdout.split('\n')).toHaveLength(4);
    expect(ran.stderr).toMatch(/\ntcpdump: pcap_loop: truncated dump file; the file ends inside a record \(at byte \d+\)\n$/);
    lab.bytes.set('/tmp/empty', new Uint8Array(0));
    lab.bytes.set('/tmp/text', new Uint8Array(Buffer.from('hello, world')));
    expect(await lab.sh('tcpdump -r /tmp/empty')).toEqual({ exit: 1, stdout: '', stderr: 'tcpdump: truncated dump file; tried to read 4 file header bytes, only got 0\n' });
    expect(await lab.sh('tcpdump -r /tmp/text')).toEqual({ exit: 1, stdout: '', stderr: 'tcpdump: unknown file format\n' });
    expect(await lab.sh('tcpdump -r /tmp/nosuch')).toEqual({ exit: 1, stdout: '', stderr: 'tcpdump: /tmp/nosuch: No such file or directory\n' });
  });
});

describe('without packets', () => {
  test('-D lists the best first; -i takes their numbers', async () => {
    await lab.ok('ifconfig tun create', inA);
    await lab.ok('ifconfig epair create', inA);
    expect(await lab.ok('tcpdump -D', inA)).toBe('1.sim0 [Up, Running]\n2.lo0 [Up, Running, Loopback]\n3.epair0a [Running, Connected]\n4.epair0b [Running, Connected]\n5.tun0');
    const dump = await begin('tcpdump -i 1');
    expect((await interrupt(dump)).stderr).toContain('listening on sim0,');
    const first = await begin('tcpdump');
    expect((await interrupt(first)).stderr).toContain('listening on sim0,');
    expect((JSON.parse(await lab.ok('tcpdump -D --json', inA)) as { name: string }[])[0]).toEqual({ name: 'sim0', up: true, running: true, loopback: false, connection: null });
  });

  test('-L', async () => {
    expect(await lab.sh('tcpdump -L -i sim0', inA)).toEqual({ exit: 0, stdout: '', stderr: 'Data link types for sim0 (use option -y to set):\n  EN10MB (Ethernet)\n' });
  });

  test('-d, -dd, -ddd, for the link type there is', async () => {
    expect(await lab.sh('tcpdump -d ip', inA)).toEqual({
      exit: 0, stderr: 'Warning: assuming Ethernet\n', stdout: '(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #262144\n(003) ret      #0\n',
    });
    expect(await lab.sh('tcpdump -ddd -y RAW ip', inA)).toMatchObject({ stderr: '', stdout: '5\n48 0 0 0\n84 0 0 240\n21 0 1 64\n6 0 0 262144\n6 0 0 0\n' });
    expect(await lab.sh('tcpdump -dd -s 96 -i sim0', inA)).toMatchObject({ stderr: '', stdout: '{ 0x6, 0, 0, 0x00000060 },\n' });
  });
});

describe('refusals', () => {
  test.each([
    ['-i nosuch0', 'nosuch0: No such device exists'],
    ['-i any', 'any: No such device exists\n(a capture is about one interface here: see -D)'],
    ['-i 99', 'Invalid adapter index'],
    ['-i 0', 'Invalid adapter index'],
    ['-c 0 -i sim0', 'invalid packet count 0'],
    ['-s 262145 -i sim0', 'invalid snaplen 262145 (must be >= 0 and <= 262144)'],
    ['-Q sideways -i sim0', "unknown capture direction `sideways'"],
    ['-y FOO -i sim0', 'invalid data link type FOO'],
    ['-y RAW -i sim0', 'RAW is not one of the DLTs supported by this device'],
    ['-tttttt -i sim0', 'only -t, -tt, -ttt, -tttt and -ttttt are supported'],
    ['-i sim0 frob', "can't parse filter expression: syntax error"],
    ['-C 1 -w x -i sim0', '-C: savefiles are not rotated here'],
    ['-I -i sim0', "-I: that device doesn't support monitor mode"],
  ])('tcpdump %s: exit 1', async (words, message) => {
    expect(await lab.sh(`tcpdump ${words}`, inA)).toEqual({ exit: 1, stdout: '', stderr: `tcpdump: ${message}\n` });
  });

  test('usage', async () => {
    expect(await lab.sh('tcpdump -Y', inA)).toMatchObject({ exit: 1, stderr: expect.stringMatching(/^tcpdump: illegal option -- Y\nUsage: tcpdump \[/) as string });
    expect(await lab.sh('tcpdump --frob', inA)).toMatchObject({ exit: 1, stderr: expect.stringMatching(/^tcpdump: unrecognized option `--frob'\nUsage/) as string });
    expect(await lab.sh('tcpdump --help', inA)).toMatchObject({ exit: 0, stdout: expect.stringContaining('Usage: tcpdump [') as string });
  });

  test('a jail without a network of its own does not listen to its host', async () => {
    await lab.ok('jail -c name=n persist');
    expect(await lab.sh('jexec n tcpdump -i lo0')).toMatchObject({ exit: 1, stderr: "tcpdump: lo0: You don't have permission to perform this capture on that device\n" });
  });
});

test('a vnet sees its own side only', async () => {
  const dump = await begin('tcpdump -tn -i sim0 icmp', 'b');
  await lab.ok('ping -c 1 192.0.2.2', inA);
  expect((await interrupt(dump)).stdout).toMatch(/^IP 192\.0\.2\.1 > .*request.*\nIP 192\.0\.2\.2 > .*reply/);
  expect(await lab.sh('tcpdump -i nosuch', inB)).toMatchObject({ exit: 1 });
});
