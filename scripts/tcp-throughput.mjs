/**
 * tcp-throughput.mjs — `node scripts/tcp-throughput.mjs [--write]`: what one TCP connection gets of a link that loses packets.
 * Read first: Mathis, Semke, Mahdavi, Ott, "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm" (1997).
 *
 * Two vnets, a link of 10 Mbit/s, a drop-tail queue of 100 frames, packets lost at random in both directions; the client writes all it can for 20 s of
 * virtual time, its slow start among them. Everything is drawn from the seed, so that two runs print the same bytes. With --write the table goes
 * into docs/tcp-throughput.md; tools/tcp-throughput.test.ts compares rows of it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SimNet } from '@netloom/core/sim';
import { root } from './steps.mjs';

export const PAGE = join(root, 'docs/tcp-throughput.md');
export const LOSSES = [0, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.1];
export const RTTS_MS = [1, 10, 100];
export const ALGORITHMS = ['newreno', 'cubic', 'dctcp'];
const BITS_PER_SEC = 10_000_000;
const SECONDS = 20;
const SEED = 1;
const MSS = 1_448;
/** √(3/2): every segment acknowledged, or counted in bytes. */
const MATHIS = Math.sqrt(1.5);
const FENCE = /(```text\n)[^`]*(```)/;

/** Goodput, % of the link. @param {string} algorithm @param {number} rttMs @param {number} loss */
export function goodput(algorithm, rttMs, loss) {
  const net = new SimNet(SEED);
  const a = net.vnet('a');
  const b = net.vnet('b');
  const [left, right] = net.link(a, b, { delayUs: (rttMs * 1_000) / 2, loss, bitsPerSec: BITS_PER_SEC, queueMax: 100 });
  net.addr(a, left.ifp, '192.0.2.1/24');
  net.addr(b, right.ifp, '192.0.2.2/24');
  for (const v of [a, b]) v.kern.sysctl.set('net.inet.tcp.cc.algorithm', algorithm);
  let got = 0;
  const listener = net.listen(b, 5_001);
  listener.onReadable = () => {
    const server = listener.accept();
    if (server === null) return;
    server.onReadable = () => {
      for (let m = server.recvPacket(); m !== null; m = server.recvPacket()) {
        got += m.len;
        m.free();
      }
    };
  };
  const client = net.connect(a, '192.0.2.2', 5_001);
  const chunk = new Uint8Array(65_536);
  client.onWritable = () => {
    while (client.writable > 0 && client.sendOwned(chunk) > 0);
  };
  net.run(SECONDS * 1_000_000);
  return (got * 8 * 100) / (BITS_PER_SEC * SECONDS);
}

/** The formula's answer, % of the link; NaN without loss. @param {number} rttMs @param {number} loss */
export function mathis(rttMs, loss) {
  if (loss === 0) return Number.NaN;
  return (MSS * 8 * 1_000 * MATHIS * 100) / (rttMs * Math.sqrt(loss) * BITS_PER_SEC);
}

/** @param {number} percent */
const cell = (percent) => (Number.isNaN(percent) ? '-' : percent >= 1_000 ? Math.round(percent).toString() : percent.toFixed(1)).padStart(8);

/** One line of the table. @param {number} rttMs @param {number} loss */
export function row(rttMs, loss) {
  return `${`${rttMs} ms`.padStart(7)}${`${loss * 100} %`.padStart(9)} ${ALGORITHMS.map((cc) => cell(goodput(cc, rttMs, loss))).join('')}${cell(mathis(rttMs, loss))}`;
}

export const HEAD = `${'RTT'.padStart(7)}${'loss'.padStart(9)} ${[...ALGORITHMS, 'Mathis'].map((t) => t.padStart(8)).join('')}`;

function main() {
  const lines = [HEAD];
  console.log(HEAD);
  for (const rtt of RTTS_MS) {
    for (const loss of LOSSES) {
      const line = row(rtt, loss);
      console.log(line);
      lines.push(line);
    }
  }
  if (!process.argv.includes('--write')) return;
  writeFileSync(PAGE, readFileSync(PAGE, 'utf8').replace(FENCE, `$1${lines.join('\n')}\n$2`));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
