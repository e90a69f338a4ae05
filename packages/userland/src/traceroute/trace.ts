/**
 * trace.ts — the loop of traceroute: probes with one hop more each time, until somebody at the end answers.
 * Read first: traceroute(8), traceroute6(8).
 *
 * Theory of operation. A probe is sent; the answer with its sequence number is awaited, anything else is not for us. A line is a hop; another
 * address within it begins another line. The run ends with the hop at which the destination answered, or enough probes were told that it cannot be
 * reached. What differs between the families is behind `Prober`.
 */
import type { Proc } from '../proc.js';

export interface Answer {
  /** The address it came from, to see whether it is another than before. */
  readonly from: string;
  /** What is printed of it, with a blank in front. */
  readonly text: string;
  /** What is behind the time: '' or ' !N' and the like. */
  readonly mark: string;
  readonly verdict: 'hop' | 'there' | 'unreachable';
}

export interface Prober {
  send(seq: number, ttl: number): void;
  /** The next message from the socket: null when there is none; 'other' when it is not the answer to `seq`. */
  receive(seq: number): Answer | 'other' | null;
  readonly gone: boolean;
}

export interface TraceOptions {
  firstTtl: number;
  maxTtl: number;
  probes: number;
  waitUs: number;
  pauseUs: number;
  /** How many probes of a hop being told that it is unreachable end the run. */
  unreachableEnough: number;
  /** A line that begins with `*` takes the first answer on a line of its own (traceroute6 does). */
  breakAfterLoss: boolean;
  /** -S: how many probes of the hop were lost. */
  showLoss: boolean;
}

export async function trace(p: Proc, o: TraceOptions, prober: Prober): Promise<void> {
  let seq = 0;
  for (let ttl = o.firstTtl; ttl <= o.maxTtl && !prober.gone; ttl++) {
    let last: string | null = null;
    let there = false;
    let unreachable = 0;
    let lost = 0;
    p.out(`${String(ttl).padStart(2)} `);
    for (let probe = 0; probe < o.probes; probe++) {
      if (probe > 0 && o.pauseUs > 0) await pause(p, o.pauseUs);
      const sentUs = p.now();
      prober.send(++seq, ttl);
      const answer = await wait(p, prober, seq, sentUs + o.waitUs);
      if (answer === null) {
        lost++;
        p.out(' *');
        continue;
      }
      if (answer.from !== last) p.out(`${last !== null || (probe > 0 && o.breakAfterLoss) ? '\n   ' : ''}${answer.text}`);
      last = answer.from;
      p.out(`  ${((p.now() - sentUs) / 1_000).toFixed(3)} ms${answer.mark}`);
      if (answer.verdict === 'there') there = true;
      else if (answer.verdict === 'unreachable') unreachable++;
    }
    if (o.showLoss) p.out(` (${Math.floor((lost * 100) / o.probes)}% loss)`);
    p.out('\n');
    await p.flush();
    if (there || (unreachable > 0 && unreachable >= o.unreachableEnough)) return;
  }
}

/** Sleeps the whole time, whatever wakes the tool. */
async function pause(p: Proc, us: number): Promise<void> {
  for (let left = us; left > 0; ) left = await p.sleepUs(left);
}

async function wait(p: Proc, prober: Prober, seq: number, untilUs: number): Promise<Answer | null> {
  for (;;) {
    const got = prober.receive(seq);
    if (got !== null && got !== 'other') return got;
    if (got === 'other') continue;
    if (prober.gone || p.now() >= untilUs) return null;
    await p.flush();
    await p.sleepUs(Math.max(untilUs - p.now(), 1));
  }
}
