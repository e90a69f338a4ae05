/**
 * offload.test.ts — bytes through a vnet's router between two namespaces, with and without checksum and segmentation offload on either side
 * of the taps: they arrive as they were sent, and nobody on the way counts a damaged packet.
 * Read first: src/tap/vnet-hdr.ts; routed-pair.ts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { withRouter } from './routed-pair.js';
import type { RoutedPair, RouterOptions } from './routed-pair.js';
import { damaged, UNDAMAGED } from './snmp.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'nc', 'ethtool', 'ss'] as const;
const STREAM_BYTES = 4 * 1024 * 1024;

interface Variant extends RouterOptions {
  readonly name: string;
  /** Do the devices in the namespaces leave checksums and segments to the tap? */
  readonly linuxOffload: boolean;
}

const VARIANTS: readonly Variant[] = [
  { name: 'with virtio headers and all offloads', linuxOffload: true },
  { name: 'with virtio headers, Linux offloading nothing', linuxOffload: false },
  { name: 'without virtio headers', vnetHdr: false, linuxOffload: true },
  { name: 'with virtio headers, over a link of MTU 1300', mtuB: 1300, linuxOffload: true },
];

function withVariant(variant: Variant, body: (pair: RoutedPair) => Promise<void>): () => Promise<void> {
  return () =>
    withRouter(variant, async (pair) => {
      const { a, b, cableA, cableB } = pair;
      if (!variant.linuxOffload) {
        for (const [ns, device] of [[a, cableA.device], [b, cableB.device]] as const) {
          const done = await ns.run('ethtool', '-K', device, 'tx', 'off', 'sg', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off');
          expect(done.stderr).toBe('');
        }
      }
      await body(pair);
      expect([await damaged(a), await damaged(b)]).toEqual([UNDAMAGED, UNDAMAGED]);
      expect(await pair.d.counter('r1', 'ip', 'bad header checksums?')).toBe(0);
    });
}

/** Starts a server in `ns` and waits until it has the port. */
async function listening(ns: Netns, kind: 'tcp' | 'udp', port: number, ...argv: string[]): Promise<{ readonly ended: Promise<unknown> }> {
  const server = ns.spawn(argv[0]!, ...argv.slice(1));
  const ended = new Promise((resolve) => server.once('close', resolve));
  await Netns.until(`${argv.join(' ')} listens`, async () => (await ns.run('ss', '-H', '-n', kind === 'tcp' ? '-lt' : '-lu', `sport = :${port}`)).stdout !== '');
  return { ended };
}

/** Bytes without a pattern, the same in each run: a linear congruential generator's. */
function noise(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0, x = 1; i < words.length; i++) words[i] = x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
  return Buffer.from(words.buffer);
}

async function stream({ d }: RoutedPair, from: Netns, to: Netns, address: string): Promise<void> {
  const [sent, got] = [d.path('sent'), d.path('got')];
  writeFileSync(sent, noise(STREAM_BYTES));
  const { ended } = await listening(to, 'tcp', 5001, 'sh', '-c', `nc -l 5001 > ${got}`);
  const client = await from.run('sh', '-c', `nc -N ${address} 5001 < ${sent}`);
  expect(client).toMatchObject({ status: 0, stderr: '' });
  await ended;
  expect(readFileSync(got).equals(readFileSync(sent))).toBe(true);
}

interface IperfReport {
  readonly error?: string;
  readonly end: { readonly sum_received?: { readonly bytes: number }; readonly sum?: { readonly bytes: number; readonly packets: number; readonly lost_packets: number } };
}

async function iperf({ a, b }: RoutedPair, ...args: string[]): Promise<IperfReport['end']> {
  const { ended } = await listening(b, 'tcp', 5201, 'iperf3', '-s', '-1');
  const client = await a.run('timeout', '8', 'iperf3', '-c', '10.2.0.2', '-J', ...args);
  const report = JSON.parse(client.stdout) as IperfReport;
  expect(report.error).toBeUndefined();
  // The next server needs the port.
  await ended;
  return report.end;
}

describe.each(VARIANTS.map((v) => [v.name, v] as const))('a router %s', (_, variant) => {
  peer(...NEEDS)('carries a TCP stream each way, byte for byte', withVariant(variant, async (pair) => {
    const { a, b, cableB } = pair;
    await stream(pair, a, b, '10.2.0.2');
    const frame = b.counter(cableB.device, 'rx_bytes') / b.counter(cableB.device, 'rx_packets');
    await stream(pair, b, a, '10.1.0.2');
    // Whether segments cross uncut shows in the size of what Linux gets.
    if (variant.vnetHdr !== false && variant.linuxOffload) expect(frame).toBeGreaterThan(2_000);
    else expect(frame).toBeLessThanOrEqual(1_514);
  }));

  peer(...NEEDS, 'iperf3')('carries iperf3’s TCP and UDP', withVariant(variant, async (pair) => {
    expect((await iperf(pair, '-t', '1')).sum_received!.bytes).toBeGreaterThan(0);
    for (const length of ['1200', '8000']) {
      const { sum } = await iperf(pair, '-u', '-b', '20M', '-n', '1M', '-l', length);
      expect(sum!.packets - sum!.lost_packets).toBeGreaterThan(0);
    }
  }));

  peer(...NEEDS)('carries datagrams to and from the vnet itself', withVariant(variant, async ({ d, b }) => {
    const text = noise(2_000).toString('hex');
    const sent = text.slice(0, variant.mtuB === undefined ? 1_400 : 3_000);
    const got = d.path('datagram');
    await listening(b, 'udp', 5002, 'sh', '-c', `nc -u -l 5002 > ${got}`);
    const call = await d.client.post('/v1/exec', { argv: ['nc', '-u', '-w', '1', '10.2.0.2', '5002'], vnet: 'r1', stdin: sent });
    expect(call).toMatchObject({ exitCode: 0, stderr: '' });
    await Netns.until('the datagram has come', () => readFileSync(got, 'utf8') === sent);

    const server = d.netloom('exec', 'r1', 'nc', '-u', '-l', '5003');
    await Netns.until('nc runs in the vnet', () => d.daemon.service.table.list().some(({ argv }) => argv.includes('nc')));
    writeFileSync(d.path('question'), sent);
    await b.run('sh', '-c', `nc -u -q 0 10.2.0.1 5003 < ${d.path('question')}`);
    await Netns.until('the datagram has come', () => server.heard.stdout.toString() === sent);
    server.child.kill('SIGINT');
    await server.ended;
  }));
});
