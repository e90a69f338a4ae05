/**
 * counter-client.mjs — CounterClient: who asks the counter from outside, over one TCP connection and by UDP, and hands what it is told to the judge.
 * Read first: judge.mjs; docs/sockets.md.
 *
 * Theory of operation. By TCP one request is on its way at a time; the next follows a moment after the answer. By UDP one is sent every UDP_MS, whatever has been answered, so that many are on their way and some are
 * lost when a machine dies. The connection is made once and never again: if it ends before `stop`, that is a reset.
 * An answer's time is kept for each of the two, for gaps.mjs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, dgram } from '@netloom/core/promises';
import { parseAnswer } from './judge.mjs';

/** @typedef {'tcp' | 'udp'} Way */
/** @typedef {{ tcp: number, udp: number, udpLost: number }} Requests answered, and lost */

const UDP_MS = 20;
const TCP_PAUSE_MS = 5;
const LAST_ANSWERS_MS = 5_000;
const LOOK_MS = 10;
const encoder = new TextEncoder();

export class CounterClient {
  /**
   * @param {import('@netloom/core').Vnet} vnet
   * @param {{ address: string, port: number }} counter
   * @param {import('./judge.mjs').Judge} judge
   */
  constructor(vnet, counter, judge) {
    this.counter = counter;
    this.judge = judge;
    this.udp = dgram(vnet);
    this.vnet = vnet;
    /** @type {import('@netloom/core/promises').Stream | null} */
    this.stream = null;
    /** Times of answers, ascending. @type {Record<Way, number[]>} */
    this.times = { tcp: [], udp: [] };
    this.sent = { tcp: 0, udp: 0 };
    /** When requests were sent that wait for their answers. @type {Map<string, number>} */
    this.asked = new Map();
    /** When the latest request was sent that has been answered. @type {Record<Way, number>} */
    this.latest = { tcp: 0, udp: 0 };
    /** UDP requests that have been answered. @type {Set<string>} */
    this.udpAnswered = new Set();
    /** Why the connection ended. @type {string[]} */
    this.resets = [];
    this.stopped = false;
    /** @type {Promise<void>[]} */
    this.loops = [];
  }

  /** Rejects with NetError when the counter is not there. */
  async start() {
    const { address, port } = this.counter;
    this.stream = await connect(this.vnet, { address, port, noDelay: true });
    this.loops = [this.askTcp(this.stream), this.askUdp(), this.hearUdp()];
  }

  /** Answers of both ways, ascending. */
  get allTimes() {
    return [...this.times.tcp, ...this.times.udp].sort((a, b) => a - b);
  }

  /** @returns {Requests} */
  get requests() {
    return { tcp: this.times.tcp.length, udp: this.udpAnswered.size, udpLost: this.sent.udp - this.udpAnswered.size };
  }

  /** Has a request that was sent after `time` been answered? @param {Way} way @param {number} time */
  answeredSince(way, time) {
    return this.latest[way] > time;
  }

  /** Asks no more, waits a while for what has been asked last, and lets go. */
  async stop() {
    this.stopped = true;
    const last = `u${this.sent.udp}`;
    for (let waited = 0; waited < LAST_ANSWERS_MS && !this.udpAnswered.has(last); waited += LOOK_MS) await delay(LOOK_MS);
    this.udp.close();
    this.stream?.abort();
    await Promise.all(this.loops);
  }

  /** @param {import('@netloom/core/promises').Stream} stream */
  async askTcp(stream) {
    const writer = stream.writable.getWriter();
    const ask = () => writer.write(encoder.encode(`${this.request('tcp')}\n`));
    try {
      await ask();
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of stream.readable) {
        const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          this.heard('tcp', line);
          await delay(TCP_PAUSE_MS);
          if (this.stopped) return;
          await ask();
        }
      }
      throw new Error('the counter has ended the connection');
    } catch (error) {
      if (!this.stopped) this.resets.push(error instanceof Error ? error.message : String(error));
    }
  }

  async askUdp() {
    const { address, port } = this.counter;
    while (!this.stopped) {
      this.udp.send(this.request('udp'), port, address);
      await delay(UDP_MS);
    }
  }

  async hearUdp() {
    const decoder = new TextDecoder();
    for await (const { data } of this.udp) this.heard('udp', decoder.decode(data).trimEnd());
  }

  /** @param {Way} way */
  request(way) {
    const id = `${way === 'tcp' ? 't' : 'u'}${++this.sent[way]}`;
    this.judge.sent(id);
    this.asked.set(id, performance.now());
    return id;
  }

  /** @param {Way} way @param {string} line */
  heard(way, line) {
    this.judge.answered(line);
    this.times[way].push(performance.now());
    const id = parseAnswer(line)?.id ?? '';
    this.latest[way] = Math.max(this.latest[way], this.asked.get(id) ?? 0);
    this.asked.delete(id);
    if (way === 'udp') this.udpAnswered.add(id);
  }
}
