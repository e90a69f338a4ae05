/**
 * tcp.sim.mjs — one to eight TCP connections of every kind over a small network that delays, loses, reorders, doubles and changes frames, becomes narrower,
 * loses interfaces, and loses vnets.
 *
 * Whatever happens: bytes arrive once and in order, all of them unless the path was gone for good; every invariant of every connection holds after
 * every turn; what is sent again is within reason; it ends; and afterwards nothing is left.
 *
 * The network is in tcp-network.mjs, the programs are in tcp-flow.mjs.
 */
import { checkTcpCb } from '@netloom/core/sim';
import { Flow } from './tcp-flow.mjs';
import { must } from './oracle.mjs';
import { TcpNetwork } from './tcp-network.mjs';

const SECOND = 1_000_000;
/** Virtual time in which all must have ended; when the path is gone for good the rest is given up then. */
const LIMIT = 3 * 3_600 * SECOND;
const LIMIT_DEAD = 1_800 * SECOND;
/** Longer than FIN_WAIT_2, TIME_WAIT and an orphan's last timeouts take. */
const AFTERWARDS = 1_200 * SECOND;
const TURNS_MAX = 3_000_000;

/** @typedef {import('@netloom/core').TcpCb} TcpCb */

/** Sysctls below net.inet.tcp, the values they may have, and how often it is not the default. @type {readonly [string, readonly number[], number][]} */
const SYSCTLS = [
  ['sack.enable', [0], 0.2], ['rfc1323', [0], 0.2], ['ecn.enable', [0, 1], 0.5], ['rack.enable', [0], 0.3], ['rack.tlp', [0], 0.2], ['delayed_ack', [0], 0.2], ['tso', [0], 0.3],
  ['sendspace', [2_048, 4_096, 16_384], 0.2], ['recvspace', [2_048, 4_096, 16_384], 0.2], ['sendbuf_auto', [0], 0.2], ['recvbuf_auto', [0], 0.2], ['msl', [10, 1_000], 0.3],
  ['pmtud_blackhole_detection', [1], 0.5], ['path_mtu_discovery', [0], 0.1], ['syncookies_only', [1], 0.1], ['hostcache.enable', [0], 0.2], ['nolocaltimewait', [1], 0.1],
  ['cc.hystartplusplus.enable', [0, 1], 0.3], ['initcwnd_segments', [1, 3, 30], 0.2], ['reass.maxqueuelen', [20, 50], 0.1], ['rexmit_min', [1, 200], 0.2], ['cc.abe', [1], 0.2],
];

export class World {
  /** @param {number} seed */
  constructor(seed) {
    this.network = new TcpNetwork(seed);
    this.rng = this.network.rng.split('world');
    const { rng } = this;
    this.cookiesOnly = false;
    for (const v of [this.network.first, this.network.last]) {
      for (const [name, values, p] of SYSCTLS) {
        if (!rng.chance(p)) continue;
        this.set(v, name, values[rng.below(values.length)] ?? 0);
        this.cookiesOnly ||= name === 'syncookies_only';
      }
      this.set(v, 'fastopen.client_enable', 1);
      this.set(v, 'fastopen.server_enable', 1);
    }
    /** @type {import('@netloom/core').StreamSocket[]} */
    this.listeners = [];
    /** @type {Set<TcpCb>} */
    this.connections = new Set();
    /** What the programs will do, and the network: sorted by time. @type {{ at: number, run: () => void }[]} */
    this.agenda = [];
    this.flows = Array.from({ length: 1 + rng.below(rng.chance(0.3) ? 8 : 3) }, (_, n) => new Flow(this, n, rng.split(`flow${n}`)));
    /** What was done to the network, for whoever reads a failure. @type {string[]} */
    this.story = [];
    this.turns = 0;
  }

  /** @param {import('@netloom/core').Vnet} v @param {string} name @param {number} value */
  set(v, name, value) {
    const error = v.kern.sysctl.set(`net.inet.tcp.${name}`, value);
    must(error === 0, `net.inet.tcp.${name}=${value}: errno ${error}`);
  }

  /** @param {number} side */
  host(side) {
    return side === 0 ? this.network.first : this.network.last;
  }

  /** @param {TcpCb} tp */
  watch(tp) {
    this.connections.add(tp);
  }

  /** A program does something. @param {number} us @param {() => void} run */
  later(us, run) {
    this.plan(this.network.net.now + us, () => this.network.call(run));
  }

  /** Something is done from outside. @param {number} at @param {() => void} run */
  plan(at, run) {
    let i = this.agenda.length;
    while (i > 0 && (this.agenda[i - 1]?.at ?? 0) > at) i--;
    this.agenda.splice(i, 0, { at, run });
  }

  /** Programs begin, and what is to happen is put on the agenda. */
  begin() {
    const { network, rng } = this;
    for (const f of this.flows) this.later(rng.below(2) * rng.below(2 * SECOND), () => f.open());
    for (const d of network.disturb(this.flows.some((f) => f.six))) {
      this.plan(d.at, () => {
        this.story.push(`${(network.net.now / SECOND).toFixed(3)} ${d.what}`);
        d.run();
      });
    }
  }

  /** One turn: of the network, or of a program. False: there is nothing to come. */
  step() {
    const { net } = this.network;
    const next = net.kernel.nextDeadline();
    const first = this.agenda[0];
    if (first !== undefined && first.at <= next) {
      this.agenda.shift();
      if (net.now < first.at) net.kernel.tick(first.at);
      first.run();
    } else if (!net.step()) return false;
    if (++this.turns % 256 === 0) this.census();
    for (const tp of this.connections) {
      checkTcpCb(tp);
      if (tp.state === 0) this.connections.delete(tp);
    }
    must(this.turns < TURNS_MAX, `no end after ${TURNS_MAX} turns`);
    return true;
  }

  /** Connections that no program of ours knows: those that wait to be accepted. */
  census() {
    for (const v of [this.network.first, this.network.last]) {
      for (const inp of [...v.tcp.pcbs.list(), ...v.tcp.pcbs6.list()]) this.watch(/** @type {TcpCb} */ (inp.user));
    }
  }

  get isOver() {
    return this.flows.every((f) => f.isOver) && this.agenda.length === 0;
  }
}

/** Runs until all is over, or nothing can come any more. @param {World} world */
function play(world) {
  const { network } = world;
  const { net } = network;
  const start = net.now;
  while (!world.isOver && net.now - start < (network.isDead ? LIMIT_DEAD : LIMIT)) if (!world.step()) break;
  for (const f of world.flows.filter((f) => !f.isOver)) {
    must(network.isDead || f.wasReset, `${f.text} does not end: ${f.ends.map((e) => `side ${e.side} wrote ${e.sent} of ${e.toSend}, read ${e.got}, ${e.so === null ? 'no socket' : `state ${e.so.tp.state}`}`).join('; ')}`);
  }
  for (const f of world.flows) f.verify();
  network.call(() => {
    for (const f of world.flows) for (const e of f.ends) e.so?.close();
    for (const l of world.listeners) l.close();
  });
}

/** After the last program has gone, its connections end by themselves. @param {World} world */
function settle(world) {
  const { net } = world.network;
  const until = net.now + AFTERWARDS;
  while (net.kernel.nextDeadline() <= until) if (!world.step()) break;
  net.run(Math.max(0, until - net.now));
  if (world.network.isDead) return;
  for (const v of [world.network.first, world.network.last]) {
    const left = v.tcp.states.reduce((sum, n) => sum + n, 0);
    must(left === 0, `${v.name} has ${left} connections left: ${v.tcp.states.join(' ')}`);
    must(v.tcp.ranges.inUse === 0, `${v.name} has ${v.tcp.ranges.inUse} ranges left`);
    must(v.kern.sockmem.bytes === 0, `${v.name} has ${v.kern.sockmem.bytes} bytes of packets left in sockets`);
  }
}

/** What was sent again is within reason: none on a path that loses nothing. @param {World} world */
function checkRetransmissions(world) {
  const { network } = world;
  let sent = 0;
  let again = 0;
  for (const { tcp } of [network.first, network.last]) {
    sent += tcp.stats.sndpack;
    again += tcp.stats.sndrexmitpack;
  }
  const few = 100 * world.flows.length;
  must(again <= 4 * sent + few, `${again} segments were sent again, ${sent} for the first time`);
  return `${sent} segments, ${again} again`;
}

/** @param {number} seed */
function run(seed) {
  const world = new World(seed);
  try {
    world.begin();
    play(world);
    settle(world);
    const line = checkRetransmissions(world);
    world.network.end();
    const bytes = world.flows.reduce((sum, f) => sum + f.ends.reduce((n, e) => n + e.got, 0), 0);
    return `${world.network.hops.length} hops, ${world.flows.length} connections, ${bytes} bytes, ${line}, ${world.turns} turns`;
  } catch (error) {
    if (error instanceof Error) error.message += `\n  ${world.flows.map((f) => f.text).join('\n  ')}\n  ${world.story.join('\n  ')}\n  at ${world.network.net.now} us`;
    throw error;
  }
}

export const scenarios = [{ name: 'tcp', run }];
