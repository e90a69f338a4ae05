/**
 * linux-client.mjs — a program for a network namespace: the counter's client over Linux's own TCP and UDP, with a judge of its own.
 * Read first: counter-client.mjs, linux-outside.mjs (who starts it, and reads what it says).
 *
 *     node linux-client.mjs ADDRESS PORT
 *
 * When it is connected it says again and again, a line each, when the latest requests were sent that have been answered. When its input ends it stops, and says its findings.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CounterClient } from './counter-client.mjs';
import { Judge } from './judge.mjs';

/** @typedef {{ latest: Record<import('./counter-client.mjs').Way, number> }} LinuxNews in milliseconds of the system's clock */
/**
 * @typedef {object} LinuxFindings
 * @property {import('./judge.mjs').Regression[]} regressions
 * @property {string[]} resets
 * @property {import('./counter-client.mjs').Requests} requests
 * @property {[number, string][]} given
 */

const NEWS_MS = 50;
const TRY_MS = 200;

const [, , address = '', port = ''] = process.argv;
const judge = new Judge();
const client = new CounterClient({ connect, udp: () => createSocket('udp4') }, { address, port: Number(port) }, judge, 'l');
const say = (/** @type {object} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);

while (!(await client.start().then(() => true, () => false))) await delay(TRY_MS);
const news = setInterval(() => {
  const { tcp, udp } = client.latest;
  say(/** @satisfies {LinuxNews} */ ({ latest: { tcp: performance.timeOrigin + tcp, udp: performance.timeOrigin + udp } }));
}, NEWS_MS);
await once(process.stdin.resume(), 'end');
clearInterval(news);
await client.stop();
say(/** @satisfies {LinuxFindings} */ ({ regressions: judge.regressions, resets: client.resets, requests: client.requests, given: [...judge.given] }));
