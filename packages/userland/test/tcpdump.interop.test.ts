/**
 * tcpdump.interop.test.ts — our tcpdump and tcpdump's own, reading the same file: the same lines, the same words around them.
 *
 * The file is a capture of vnets at work: ARP, pings with options, fragments and errors, UDP, vlans. Both read it as pcap and as pcapng; ours also
 * reads what tcpdump wrote.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BinaryLab } from './binary-lab.js';
import { joinJails } from './test-links.js';

const LACKS = spawnSync('tcpdump', ['--version']).error === undefined ? null : 'tcpdump is not installed';
const REQUIRED = process.env['NETLOOM_REQUIRE_PEERS'] === '1';

const OPTIONS = [
  '-n', '-ne', '-nv', '-nvv', '-nvvve', '-nq', '-nt', '-ntt', '-nttt', '-ntttt', '-nttttt', '-n#', '-n --number -c 3', '-nx', '-nxx', '-nX', '-nXX', '-nA',
  '-nAA', '-nxXA', '-neX', '-nvK', '-n --count', '-n -c 2', '-n icmp', '-ne vlan', '-n arp or udp', '-n -c 4 ip[6:2] & 0x3fff != 0', '-n icmp[icmptype] = icmp-unreach',
  '-nv host 192.0.2.1 and not icmp',
];

let folder = '';
const lab = new BinaryLab();
const path = (name: string): string => join(folder, name);

/** Traffic of all kinds the stack makes, through router r; captured on both sides of it. */
async function capture(): Promise<void> {
  for (const jail of ['a', 'r', 'b']) await lab.ok(`jail -c name=${jail} persist vnet`);
  joinJails(lab, 'a', 'r', 'sim1', { delayUs: 150 });
  joinJails(lab, 'r', 'b', 'sim2', { delayUs: 250 });
  const inside = (jail: string) => (line: string) => lab.sh(line, { jail });
  const [a, r, b] = [inside('a'), inside('r'), inside('b')];
  for (const line of ['ifconfig sim1 192.0.2.254/24', 'ifconfig sim2 198.51.100.254/24', 'sysctl net.inet.ip.forwarding=1']) await r(line);
  for (const line of ['ifconfig sim2 198.51.100.1/24', 'route add default 198.51.100.254']) await b(line);
  const dumps = ['pcap', 'pcapng'].map((kind) => lab.start(`tcpdump -i sim1 -w /x.${kind}`, { jail: 'r' }));
  await lab.advance(1_000);
  for (const line of ['ifconfig sim1 192.0.2.1/24', 'route add default 192.0.2.254', 'ifconfig vlan7 create vlandev sim1 vlan 7', 'ifconfig vlan7 vlanpcp 3', 'ifconfig vlan7 inet 10.7.0.1/24']) await a(line);
  await r('ifconfig vlan7 create vlandev sim1 vlan 7 inet 10.7.0.2/24');
  const server = lab.start('nc -u -k -l 5000', { jail: 'b' });
  for (const line of [
    'ping -c 2 -i 0.01 198.51.100.1', 'ping -c 1 -R 192.0.2.254', 'ping -c 1 -s 3000 198.51.100.1', 'ping -c 1 -t 1 -m 1 198.51.100.1', 'ping -c 1 -t 1 203.0.113.5',
    'ping -c 1 -M time 192.0.2.254', 'ping -c 1 -t 1 192.0.2.77', 'ping -c 1 -z 0x10 -D -s 100 198.51.100.1', 'ping -c 1 10.7.0.2', 'ping -c 1 -t 1 192.0.2.255',
  ]) await a(line);
  for (const [port, input] of [[5000, 'hello, world\n'], [5999, 'nobody'], [5000, 'x'.repeat(4_000)]] as const) {
    await lab.sh(`nc -u -w 1 198.51.100.1 ${port}`, { jail: 'a', stdin: input });
  }
  server.proc.signal('KILL');
  for (const dump of dumps) dump.proc.signal('INT');
  await lab.advance(1);
  for (const dump of dumps) expect((await dump.done).exit).toBe(0);
  for (const [name, bytes] of lab.bytes) writeFileSync(path(name.slice(1)), bytes);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-tcpdump-'));
  await capture();
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

function theirs(file: string, words: readonly string[]): Ran {
  const { stdout, stderr } = spawnSync('tcpdump', ['-r', path(file), ...words], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' }, maxBuffer: 1 << 26 });
  return { stdout, stderr };
}

async function ours(file: string, words: readonly string[]): Promise<Ran> {
  lab.bytes.set(path(file), readFileSync(path(file)));
  const { stdout, stderr } = await lab.sh(['tcpdump', '-r', path(file), ...words]);
  return { stdout, stderr };
}

test.runIf(REQUIRED)('tcpdump is there', () => {
  expect(LACKS).toBeNull();
});

describe.skipIf(LACKS !== null)(`beside tcpdump${LACKS === null ? '' : `: ${LACKS}`}`, () => {
  test('the capture has a bit of everything', () => {
    const { stdout } = theirs('x.pcap', ['-nev']);
    for (const what of ['ARP', 'echo request', 'time exceeded', 'unreachable', 'RR ', 'offset 1480', 'vlan 7, p 3', 'time stamp query', 'UDP', 'unreach', 'tos 0x10', '[DF]']) {
      expect(stdout).toContain(what);
    }
  });

  describe.each(['x.pcap', 'x.pcapng'])('%s', (file) => {
    test.each(OPTIONS)('tcpdump -r %s', async (words) => {
      const list = words.split(' ');
      const own = await ours(file, list);
      const real = theirs(file, list);
      expect(own.stdout).toBe(real.stdout);
      expect(own.stderr).toBe(real.stderr);
      expect(own.stdout).not.toBe('');
    });
  });

  test('what each of them writes, the other reads, and it is the same', async () => {
    spawnSync('tcpdump', ['-r', path('x.pcap'), '-w', path('theirs.pcap'), 'icmp']);
    await lab.sh(['tcpdump', '-r', path('x.pcap'), '-w', '/ours.pcap', 'icmp']);
    expect(Buffer.compare(Buffer.from(lab.bytes.get('/ours.pcap') ?? []), readFileSync(path('theirs.pcap')))).toBe(0);
    expect((await ours('theirs.pcap', ['-nv'])).stdout).toBe(theirs('theirs.pcap', ['-nv']).stdout);
  });

  test.each([['-c', '0'], ['-s', '262145'], ['-y', 'FOO'], ['-tttttt'], ['frob']])('tcpdump %s %s is refused in the same words', async (...words) => {
    const given = words.filter((w) => w !== undefined);
    const last = (text: string): string | undefined => text.split('\n').findLast((line) => line.startsWith('tcpdump:'));
    expect(last((await ours('x.pcap', given)).stderr)).toBe(last(theirs('x.pcap', given).stderr));
  });
});
