/**
 * tcp-flow.mjs — the programs of tcp.sim.mjs: the two ends of one connection, how they write, read and finish, and what they must have seen in the end.
 *
 * Every byte of a direction is a function of its place, so that one that is lost, comes twice or comes late is seen where it is read. An end writes
 * what it has to write, at its own pace, and not before it has read what must come first (`gates`); then it says that it is done, or waits for the
 * other to do so; it reads, sometimes slowly, to the end; then it closes. Some ends give up in the middle.
 */
import { EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, EINPROGRESS, ENETDOWN, ENETUNREACH, EPIPE, ETIMEDOUT, MSG_OOB, PF_INET, PF_INET6, SHUT_WR, SOCK_STREAM, strerror } from '@netloom/core';
import { must } from './oracle.mjs';

/** A prime, so that a segment that is somewhere else by any usual amount is seen. */
const PERIOD = 65_521;
const PATTERN = new Uint8Array(PERIOD + 65_536);
for (let i = 0; i < PATTERN.length; i++) {
  const k = i % PERIOD;
  PATTERN[i] = (Math.imul(k ^ (k >>> 7), 0x9e3779b1) >>> 24) & 255;
}
const INTO = new Uint8Array(65_536);

/** What a connection may end with when the network was cut, or its neighbour went. */
const CUT = [ETIMEDOUT, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN, ECONNABORTED, ECONNREFUSED, EPIPE];

/** @typedef {import('@netloom/core').StreamSocket} StreamSocket */
/** @typedef {import('@netloom/core').Prng} Prng */

/** One end of a connection. */
export class FlowEnd {
  /** @param {Flow} flow @param {number} side @param {number} toSend */
  constructor(flow, side, toSend) {
    const { rng } = flow;
    this.flow = flow;
    this.side = side;
    this.toSend = toSend;
    this.sent = 0;
    this.got = 0;
    this.error = 0;
    this.done = false;
    this.sawEof = false;
    this.shut = false;
    /** @type {StreamSocket | null} */
    this.so = null;
    /** Every socket it had, for the invariants. */
    this.chunk = 1 + rng.below(rng.chance(0.3) ? 200 : 65_536);
    /** Small and slow: bytes for each read, µs between reads; 0: at once. */
    this.readUs = 0;
    this.readMax = INTO.length;
    /** µs between writes; 0: at once. */
    this.writeUs = rng.chance(0.1) ? 1 + rng.below(20_000) : 0;
    /** Bytes after which it gives up; -1: it does not. */
    this.resetAt = -1;
    this.urgent = rng.chance(0.1);
    this.owned = rng.chance(0.2);
    this.packets = rng.chance(0.3);
    this.readWaits = false;
    this.writeWaits = false;
    this.wantsFirst = false;
  }

  /** @returns {FlowEnd} */
  get other() {
    return this.flow.ends[1 - this.side] ?? this;
  }

  /** @param {StreamSocket} so */
  adopt(so) {
    this.so = so;
    this.flow.world.watch(so.tp);
    so.onReadable = () => this.readable();
    so.onWritable = () => this.write();
    this.readable();
    this.write();
  }

  /** How much may be written by now: a request waits for the answer before. */
  allowed() {
    const { step } = this.flow;
    if (step === 0) return this.wantsFirst && !this.sawEof && this.got < this.other.toSend ? 0 : this.toSend;
    // Turn by turn: side 0 begins.
    const rounds = Math.floor(this.got / step) + (this.side === 0 ? 1 : 0);
    return this.got >= this.other.toSend ? this.toSend : Math.min(this.toSend, rounds * step);
  }

  write() {
    const { so } = this;
    if (so === null || this.done || this.shut || this.writeWaits || so.tp.state < 4) return;
    const { world } = this.flow;
    while (this.sent < this.toSend) {
      const room = Math.min(this.allowed() - this.sent, this.chunk);
      if (room <= 0) return;
      const at = this.flow.at(this.side, this.sent);
      const bytes = PATTERN.subarray(at, at + room);
      const took = this.owned ? so.sendOwned(bytes) : so.send(bytes, this.urgent && world.rng.chance(0.1) ? MSG_OOB : 0);
      if (took === -EAGAIN) return;
      if (took < 0) return this.fail(-took);
      this.sent += took;
      if (this.writeUs > 0) {
        this.writeWaits = true;
        return world.later(this.writeUs, () => {
          this.writeWaits = false;
          this.write();
        });
      }
    }
    // The one that has read everything first, or has nothing to wait for, is done.
    if (this.flow.polite && this.side === 1 && !this.sawEof) return;
    this.shut = true;
    const error = so.shutdown(SHUT_WR);
    if (error !== 0 && !this.done) this.fail(error);
    this.finish();
  }

  readable() {
    if (this.readUs === 0) return this.read();
    if (this.readWaits) return;
    this.readWaits = true;
    this.flow.world.later(this.readUs, () => {
      this.readWaits = false;
      this.read();
    });
  }

  read() {
    const { so } = this;
    if (so === null || this.done) return;
    for (;;) {
      const n = this.take(so);
      if (n === -EAGAIN) break;
      if (n < 0) return this.fail(-n);
      if (n === 0) {
        this.sawEof = true;
        break;
      }
      if (this.resetAt >= 0 && this.got >= this.resetAt) return this.giveUp();
      if (this.readUs > 0) {
        this.readable();
        break;
      }
    }
    this.write();
    this.finish();
  }

  /** Reads once. @param {StreamSocket} so */
  take(so) {
    if (this.packets && so.readable > 0 && this.readUs === 0) {
      const m = so.recvPacket();
      if (m === null) return -EAGAIN;
      this.check(m.buf.subarray(m.off, m.off + m.len));
      const n = m.len;
      m.free();
      return n;
    }
    const n = so.recv(INTO.subarray(0, this.readMax));
    if (n > 0) this.check(INTO.subarray(0, n));
    return n;
  }

  /** @param {Uint8Array} bytes */
  check(bytes) {
    const at = this.flow.at(1 - this.side, this.got);
    if (Buffer.compare(bytes, PATTERN.subarray(at, at + bytes.length)) !== 0) {
      const k = bytes.findIndex((b, i) => b !== PATTERN[at + i]);
      throw new Error(`${this.flow.text}: byte ${this.got + k} that side ${this.side} reads is wrong`);
    }
    this.got += bytes.length;
    must(this.got <= this.other.toSend, `${this.flow.text}: side ${this.side} reads more than was written`);
  }

  giveUp() {
    this.flow.wasReset = true;
    this.done = true;
    if (this.flow.world.rng.chance(0.5)) this.so?.reset();
    else this.so?.close();
  }

  finish() {
    if (this.done || !this.sawEof || !this.shut) return;
    const error = this.so?.getsockopt('SO_ERROR') ?? 0;
    if (error !== 0) return this.fail(error);
    this.done = true;
    this.so?.close();
  }

  /** @param {number} error */
  fail(error) {
    this.error = error;
    this.done = true;
    this.so?.close();
  }
}

/** A connection between the hosts. */
export class Flow {
  /** @param {import('./tcp.sim.mjs').World} world @param {number} n @param {Prng} rng */
  constructor(world, n, rng) {
    this.world = world;
    this.n = n;
    this.rng = rng;
    this.six = rng.chance(0.5);
    this.port = 5_000 + n;
    this.salt = rng.below(PERIOD);
    /** Which host begins. */
    this.from = rng.below(2);
    this.wasReset = false;
    this.simultaneous = rng.chance(0.1);
    this.fastopen = !this.simultaneous && rng.chance(0.15);
    /** Side 1 is done when side 0 is. */
    this.polite = rng.chance(0.5);
    /** Request and response: bytes of each; 0: both write at once. */
    this.step = rng.chance(0.3) ? 1 + rng.below(3_000) : 0;
    const [a = 0, b = 0] = this.step > 0 ? this.turns() : [this.size(), rng.chance(0.5) ? 0 : this.size()];
    this.ends = [new FlowEnd(this, 0, a), new FlowEnd(this, 1, b)];
    const [first, second] = /** @type {[FlowEnd, FlowEnd]} */ (this.ends);
    if (this.step === 0 && rng.chance(0.2)) second.wantsFirst = true;
    if (rng.chance(0.15)) {
      // Reads so slowly that the window closes; not for longer than ten minutes.
      const slow = rng.chance(0.5) ? first : second;
      const total = slow.other.toSend;
      slow.readUs = 1 + rng.below(200_000);
      slow.readMax = Math.max(1 + rng.below(4_000), Math.ceil((total * slow.readUs) / 600_000_000));
    }
    if (rng.chance(0.08)) {
      const rude = rng.chance(0.5) ? first : second;
      rude.resetAt = rng.below(rude.other.toSend + 1);
    }
    this.cc = ['newreno', 'cubic', 'dctcp'][rng.below(3)] ?? 'cubic';
    this.options = Object.entries({ TCP_NODELAY: 0.3, TCP_NOPUSH: 0.05, SO_KEEPALIVE: 0.2, TCP_NOOPT: 0.05 }).filter(([, p]) => rng.chance(p)).map(([name]) => name);
    /** 0: as the vnet has it. */
    this.rcvbuf = rng.chance(0.2) ? 512 + rng.below(8_000) : 0;
    this.sndbuf = rng.chance(0.2) ? 512 + rng.below(8_000) : 0;
  }

  get text() {
    const [a, b] = this.ends;
    return `flow ${this.n} (IPv${this.six ? 6 : 4}, ${this.cc}, ${a?.toSend} and ${b?.toSend} bytes${this.step > 0 ? `, in turns of ${this.step}` : ''}${this.simultaneous ? ', both connect' : ''}${this.fastopen ? ', fast open' : ''}${this.options.map((o) => `, ${o}`).join('')})`;
  }

  size() {
    const { rng } = this;
    if (rng.chance(0.1)) return rng.below(10);
    return rng.below(rng.chance(0.1) ? 400_000 : 40_000);
  }

  turns() {
    const bytes = this.step * (1 + this.rng.below(20));
    return [bytes, bytes];
  }

  /** Where in the pattern byte `k` of a direction is. @param {number} side @param {number} k */
  at(side, k) {
    return (k + this.salt + side * 12_345) % PERIOD;
  }

  /** @param {number} side */
  socket(side) {
    const { so } = this.world.host(side ^ this.from).sockets.socket(this.six ? PF_INET6 : PF_INET, SOCK_STREAM);
    if (so === null) throw new Error('no socket');
    for (const o of this.options) must(so.setsockopt(o, 1) === 0, o);
    if (this.rcvbuf > 0) so.setsockopt('SO_RCVBUF', this.rcvbuf);
    if (this.sndbuf > 0) so.setsockopt('SO_SNDBUF', this.sndbuf);
    so.setCongestion(this.cc);
    return so;
  }

  open() {
    if (this.world.network.isDead) {
      // Its host may be gone already.
      for (const e of this.ends) e.done = true;
      return;
    }
    if (this.simultaneous) return this.openBoth();
    const listener = this.socket(1);
    if (this.fastopen) must(listener.setsockopt('TCP_FASTOPEN', 1) === 0, 'TCP_FASTOPEN');
    must((listener.bind(0, this.port) || listener.listen(5)) === 0, 'listen');
    listener.onReadable = () => {
      const so = listener.accept();
      if (so === null) return;
      if (this.ends[1]?.so === null) this.ends[1].adopt(so);
      else so.reset();
    };
    this.world.listeners.push(listener);
    this.connect(0, false);
  }

  /** Both connect to each other; a packet cannot be there before its port is. */
  openBoth() {
    this.connect(0, true);
    this.connect(1, true);
  }

  /** @param {number} side @param {boolean} bound */
  connect(side, bound) {
    const end = this.ends[side];
    if (end === undefined || end.done) return;
    if (this.world.network.isDead) return end.fail(ECONNABORTED);
    const so = this.socket(side);
    if (bound) {
      so.setsockopt('SO_REUSEADDR', 1);
      must(so.bind(0, this.port) === 0, 'bind');
    }
    if (this.fastopen) so.setsockopt('TCP_FASTOPEN', 1);
    const to = this.world.network.address(1 ^ side ^ this.from, this.six);
    let error = 0;
    if (this.fastopen && end.toSend > 0 && end.allowed() > 0) {
      const at = this.at(side, 0);
      const took = so.sendTo(PATTERN.subarray(at, at + Math.min(end.chunk, end.allowed())), to, this.port);
      if (took > 0) end.sent = took;
      error = took < 0 ? -took : EINPROGRESS;
    } else error = so.connect(to, this.port);
    if (error === EINPROGRESS) return end.adopt(so);
    so.close();
    must(this.world.network.isDisturbed, `${this.text}: connect: ${strerror(error)}`);
    if (bound || this.world.network.isDead) return end.fail(error);
    this.world.later(500_000, () => this.connect(side, bound));
  }

  get isOver() {
    const [a, b] = this.ends;
    return a?.done === true && (b?.done === true || (b?.so === null && (a.error !== 0 || this.wasReset)));
  }

  /** What must have been seen by now. */
  verify() {
    const { network } = this.world;
    for (const e of this.ends) {
      if (e.error !== 0) {
        must(this.mayEnd(e), `${this.text}: side ${e.side} ended with "${strerror(e.error)}" after ${e.got} of ${e.other.toSend} bytes read, ${e.sent} of ${e.toSend} written`);
        continue;
      }
      if (this.wasReset || network.isCut || e.other.error !== 0 || e.so === null) continue;
      must(e.got === e.other.toSend, `${this.text}: side ${e.side} read ${e.got} of ${e.other.toSend} bytes and was told that this was all`);
    }
  }

  /** Is the error of `e` one that it may end with? @param {FlowEnd} e */
  mayEnd(e) {
    const { network } = this.world;
    if (network.isCut || this.wasReset) return CUT.includes(e.error);
    // While it is made: what is said of a path that is gone, and of one that loses a fifth.
    const young = e.got === 0;
    if (young && network.isDisturbed) return CUT.includes(e.error);
    // A cookie is in the first segment; when another one comes before it, the server knows nothing of it.
    if (young && this.world.cookiesOnly && e.error === ECONNRESET) return true;
    if (young && network.loss >= 0.05) return e.error === ETIMEDOUT || e.error === ECONNRESET || e.error === ECONNREFUSED;
    // The other end had to give up for a reason of its own.
    return e.error === ECONNRESET && e.other.error !== 0;
  }
}
