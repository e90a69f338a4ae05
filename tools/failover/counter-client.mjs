/**
 * counter-client.mjs — CounterClient: who asks the counter from outside, over one TCP connection and by UDP, and hands what it is told to the judge.
 * Read first: judge.mjs; docs/sockets.md.
 *
 * Theory of operation. By TCP one request is on its way at a time; the next follows a moment after the answer. By UDP one is sent every UDP_MS, whatever has been answered, so that many are on their way and some are
 * lost when a machine dies. The connection is made once and never again: if it ends before `stop`, that is a reset.
 * An answer's time is kept for each of the two, for gaps.mjs.
 *
 * Its sockets are shaped like Node's: a vnet's (`netOf`, `dgramOf`), or Node's own, which are Linux's (linux-client.mjs).
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAnswer } from './judge.mjs';

/** @typedef {'tcp' | 'udp'} Way */
/** @typedef {{ tcp: number, udp: number, udpLost: number }} Requests answered, and lost */
/** @typedef {import('node:stream').Duplex} Connection */
/** @typedef {{ send(text: string, port: number, address: string, done: () => void): void, on(event: 'message', heard: (data: Buffer) => void): unknown, close(): unknown }} UdpSocket */
/**
 * @typedef {object} Sockets
 * @property {(options: { host: string, port: number, noDelay: boolean }) => Connection} connect
 * @property {() => UdpSocket} udp
 */

const UDP_MS = 20;
const TCP_PAUSE_MS = 5;
const LAST_ANSWERS_MS = 5_000;
const LOOK_MS = 10;

export class CounterClient {
  /**
   * @param {Sockets} sockets
   * @param {{ address: string, port: number }} counter
   * @param {import('./judge.mjs').Judge} judge
   * @param {string} [name] that ids of requests begin with, where there is another client
   */
  constructor(sockets, counter, judge, name = '') {
    this.sockets = sockets;
    this.counter = counter;
    this.judge = judge;
    this.name = name;
    this.udp = sockets.udp();
    /** @type {Connection | null} */
    this.connection = null;
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

  /** Rejects when the counter is not there; may be called again then. */
  async start() {
    const { address, port } = this.counter;
    const connection = this.sockets.connect({ host: address, port, noDelay: true });
    await once(connection, 'connect');
    this.connection = connection;
    this.udp.on('message', (data) => this.heard('udp', data.toString().trimEnd()));
    this.loops = [this.askTcp(connection), this.askUdp()];
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
    const last = this.id('udp');
    for (let waited = 0; waited < LAST_ANSWERS_MS && !this.udpAnswered.has(last); waited += LOOK_MS) await delay(LOOK_MS);
    this.udp.close();
    this.connection?.destroy();
    await Promise.all(this.loops);
  }

  /** @param {Connection} connection */
  async askTcp(connection) {
    try {
      connection.write(`${this.request('tcp')}\n`);
      let rest = '';
      for await (const chunk of connection.setEncoding('utf8')) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          this.heard('tcp', line);
          await delay(TCP_PAUSE_MS);
          if (this.stopped) return;
          connection.write(`${this.request('tcp')}\n`);
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
      // What cannot be sent is lost, as on the way.
      this.udp.send(this.request('udp'), port, address, () => undefined);
      await delay(UDP_MS);
    }
  }

  /** Of the last request. @param {Way} way */
  id(way) {
    return `${this.name}${way === 'tcp' ? 't' : 'u'}${this.sent[way]}`;
  }

  /** @param {Way} way */
  request(way) {
    this.sent[way]++;
    const id = this.id(way);
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
