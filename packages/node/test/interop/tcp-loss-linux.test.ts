/**
 * tcp-loss-linux.test.ts — transfers between a vnet and Linux over a link of ours that loses 1 % of the frames each way, and a hundred connections at once.
 * Read first: tcp-neighbour.ts (withRoutedNeighbour).
 *
 * What is compared: length and SHA-256 of what one sent and the other got. NETLOOM_TRANSFER_BYTES says how much goes each way: 16 MB, so that it
 * takes seconds on a busy machine; 1000000000 for the whole proof, with what it took printed.
 */
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { listen } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import type { LinuxTcpInfo } from './linux-python.js';
import { FAMILIES, LIMIT, LINUX, ROUTED_VNET, TCP_PEERS, VNET, accepted, connectWith, finish, withNeighbour, withRoutedNeighbour } from './tcp-neighbour.js';
import type { RoutedNeighbour } from './tcp-neighbour.js';

const BYTES = Number(process.env['NETLOOM_TRANSFER_BYTES'] ?? 16_000_000);
const LOSS = 0.01;
/** Seconds without a byte are a failure, however much is to be sent. */
const TRANSFER_LIMIT = { timeout: 60_000 + BYTES / 500 };
const PARALLEL = 100;
const PARALLEL_BYTES = 100_000;

/** What a transfer took, for whoever asked for the whole of it. */
function tell({ ends, vnet }: RoutedNeighbour, what: string, from: number): void {
  if (process.env['NETLOOM_TRANSFER_BYTES'] === undefined) return;
  const seconds = (performance.now() - from) / 1000;
  const lost = ends.map(({ stats }) => `${stats.lost} of ${stats.sent}`).join(' and ');
  const { sndrexmitpack, sndrexmitbad, rexmttimeo, tlpprobes, rcvoopack } = vnet.tcp.stats;
  console.log(`${what}: ${BYTES} bytes in ${seconds.toFixed(1)} s, ${((BYTES * 8) / seconds / 1e6).toFixed(0)} Mbit/s; lost ${lost} frames;`, { sndrexmitpack, sndrexmitbad, rexmttimeo, tlpprobes, rcvoopack });
}

/** Blocks that differ from one another, sent over `stream`; length and digest. */
async function sendNoise(stream: Awaited<ReturnType<typeof accepted>>, total: number): Promise<[number, string]> {
  const hash = createHash('sha256');
  const block = Buffer.alloc(65_536);
  for (let i = 0, x = 1; i < block.length; i += 4) block.writeUInt32BE((x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0), i);
  const writer = stream.writable.getWriter();
  for (let at = 0; at < total; at += block.length) {
    block.writeBigUInt64BE(BigInt(at));
    const part = block.subarray(0, Math.min(block.length, total - at));
    hash.update(part);
    await writer.write(part);
  }
  writer.releaseLock();
  return [total, hash.digest('hex')];
}

async function toEnd(stream: Awaited<ReturnType<typeof accepted>>): Promise<[number, string]> {
  const hash = createHash('sha256');
  let total = 0;
  for await (const chunk of stream.readable) {
    hash.update(chunk);
    total += chunk.length;
  }
  return [total, hash.digest('hex')];
}

describe(`${BYTES} bytes through a link that loses 1 %`, () => {
  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`the vnet sends, IPv${family}`, TRANSFER_LIMIT, () => withRoutedNeighbour({ loss: LOSS }, null, async (n) => {
      const { py, vnet, ends } = n;
      await py.run(`l = server(5001, AF_INET${family === 6 ? '6' : ''})`);
      const stream = await connectWith(vnet, {}, LINUX[family], 5001);
      await py.run('s, _ = l.accept(); s.settimeout(60)');
      const from = performance.now();
      const heard = py.run('to_end(s)');
      const sent = await sendNoise(stream, BYTES);
      await finish(stream);
      expect(await heard).toEqual(sent);
      tell(n, 'the vnet sent', from);
      expect(ends[0].stats.lost).toBeGreaterThan(BYTES / 1500 / 200);
      expect(vnet.tcp.stats.sndrexmitpack).toBeGreaterThan(0);
      await py.run('s.close()');
      await stream.readable.cancel();
    }));

    peer(...TCP_PEERS)(`Linux sends, IPv${family}`, TRANSFER_LIMIT, () => withRoutedNeighbour({ loss: LOSS }, null, async (n) => {
      const { py, vnet, ends } = n;
      const listener = listen(vnet, { address: family === 6 ? '::' : '0.0.0.0', port: 5001 });
      await py.run(`s = create_connection(('${ROUTED_VNET[family]}', 5001)); s.settimeout(60)`);
      const stream = await accepted(listener);
      const from = performance.now();
      const heard = toEnd(stream);
      const sent = await py.run(`send_noise(s, ${BYTES})`);
      const { retrans } = await py.run<LinuxTcpInfo>('info(s)');
      await py.run('s.close()');
      expect(await heard).toEqual(sent);
      tell(n, `Linux sent, ${retrans} segments again`, from);
      expect([retrans > 0, ends[1].stats.lost > BYTES / 1500 / 200, vnet.tcp.stats.rcvoopack > 0]).toEqual([true, true, true]);
      await finish(stream);
      listener.close();
    }));
  }
});

/** Each thread has a connection of its own, and sends and reads at once. */
const ECHOES = `
results = []
def one(i):
    try:
        c = create_connection((HOST, 7))
        reader = []
        t = threading.Thread(target=lambda: reader.append(to_end(c)))
        t.start()
        sent = send_noise(c, ${PARALLEL_BYTES}, i)
        c.shutdown(SHUT_WR)
        t.join()
        results.append(reader[0] == sent)
    except Exception as e:
        results.append(repr(e))
threads = [threading.Thread(target=one, args=(i,)) for i in range(${PARALLEL})]
for t in threads: t.start()
for t in threads: t.join()`;

describe(`${PARALLEL} connections at once`, () => {
  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`the vnet echoes what each has sent, IPv${family}`, LIMIT, () => withNeighbour(async ({ py, vnet }) => {
      const listener = listen(vnet, { address: family === 6 ? '::' : '0.0.0.0', port: 7 });
      const echoing = (async () => {
        for await (const stream of listener) void stream.readable.pipeTo(stream.writable).catch(() => undefined);
      })();
      await py.run(`HOST = '${VNET[family]}'`);
      await py.run(ECHOES);
      expect(await py.run('results')).toEqual(Array.from({ length: PARALLEL }, () => true));
      expect(vnet.tcp.stats).toMatchObject({ accepts: PARALLEL, listendrop: 0, rcvbadsum: 0 });
      listener.close();
      await echoing;
    }));
  }
});
