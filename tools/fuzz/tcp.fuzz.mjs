/**
 * tcp.fuzz.mjs — segments with a right checksum and anything else in them, for listeners and for connections in every state; options there and back.
 *
 * An input is a program of eight-byte steps: a segment for one of eight connections, with numbers that are counted from what the connection itself knows
 * (the edges of both windows, the beginning, anything), options and data made of the input's own bytes; a call of the program's; some time. The world stays,
 * so that connections grow old; what is too many is closed. Nothing throws, the invariants of every connection hold after every step, memory is
 * bounded, and when all is closed nothing is left.
 */
import { PF_INET, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM } from '@netloom/core';
import { SimNet, Wire, checkTcpCb, craftIp, ip4, parseScript } from '@netloom/core/sim';
import {
  TCP_HDR_LEN, TCP_MAXOLEN, TCP_SUM, TOF_FASTOPEN, TOF_MSS, TOF_SACK, TOF_SACKPERM, TOF_SCALE, TOF_SIGNATURE, TOF_TS, TOF_UTO, TcpOptions, TcpOptionsOut, inCksum4, macParse, tcpAck, tcpEmit, tcpFlags, tcpOff, tcpPackOptions, tcpSeq, tcpSport,
} from '@netloom/core/wire';

const HOST = '192.0.2.1';
const PEER = '192.0.2.2';
const LINK = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };
const TCP_PROTO = 6;
const STEP = 8;
const PEERS = 8;
const SOCKETS_MAX = 24;
/** Packets that a world of so many sockets may hold. */
const PACKETS_MAX = 8_000;
const EDGES = [0, 1, -1, 2, 100, -100, 1_448, 65_535, -65_536, 0x4000_0000, 0x7fff_ffff, -0x8000_0000];

/** @typedef {import('@netloom/core').StreamSocket} StreamSocket */
/** @typedef {import('@netloom/core').TcpCb} TcpCb */

class World {
  constructor() {
    this.net = new SimNet(1);
    this.vnet = this.net.vnet('target');
    this.wire = new Wire(this.net, this.vnet, { mac: LINK.dst });
    this.net.addr(this.vnet, this.wire.ifp, `${HOST}/24`);
    this.net.kernel.call(0, () => this.vnet.arp.set(ip4(PEER), macParse(LINK.src) ?? new Uint8Array(6)));
    this.wire.take();
    for (const [name, value] of Object.entries({ 'fastopen.server_enable': 1, 'fastopen.client_enable': 1, msl: 500, 'ecn.enable': 1 })) this.vnet.kern.sysctl.set(`net.inet.tcp.${name}`, value);
    /** @type {StreamSocket[]} */
    this.sockets = [];
    this.into = new Uint8Array(4_096);
    /** What the host has sent last to each of the ports: seq, ack. */
    this.said = Array.from({ length: PEERS }, () => ({ seq: 0, ack: 0, port: 80 }));
    this.listener = this.socket();
    this.net.kernel.call(0, () => {
      this.listener.setsockopt('TCP_FASTOPEN', 1);
      this.listener.bind(0, 80);
      this.listener.listen(4);
    });
    this.listener.onReadable = () => {
      for (let so = this.listener.accept(); so !== null; so = this.listener.accept()) this.sockets.push(so);
    };
  }

  /** @returns {StreamSocket} */
  socket() {
    const { so } = this.vnet.sockets.socket(PF_INET, SOCK_STREAM);
    if (so === null) throw new Error('no socket');
    return so;
  }

  /** @param {number} n */
  pick(n) {
    return this.sockets[n % Math.max(1, this.sockets.length)];
  }

  /** @param {Uint8Array} bytes */
  run(bytes) {
    for (let at = 0; at + STEP <= bytes.length && at < 32 * STEP; at += STEP) this.step(bytes.subarray(at, at + STEP), bytes.subarray(at + STEP));
    this.check();
  }

  /** @param {Uint8Array} b @param {Uint8Array} rest */
  step(b, rest) {
    const [op = 0, x = 0, y = 0, z = 0] = b;
    if (op < 160) this.segment(b, rest);
    else if (op < 240) this.net.kernel.call(this.net.now, () => this.call(op - 160, x, y, rest));
    else this.net.run(((x << 8) | y) * (z > 250 ? 1_000 : 20));
    this.net.kernel.settle();
    this.listen();
  }

  /** What the host says is heard, and remembered. */
  listen() {
    for (const { bytes } of this.wire.take()) {
      const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      if (bytes.length < 54 || v.getUint16(12) !== 0x0800 || v.getUint8(23) !== TCP_PROTO) continue;
      const said = this.said[(v.getUint16(36) - 4_000) % PEERS];
      if (said === undefined) continue;
      said.seq = tcpSeq(v, 34);
      said.ack = tcpAck(v, 34);
      said.port = tcpSport(v, 34);
      if ((tcpFlags(v, 34) & 2) !== 0 && (tcpFlags(v, 34) & 16) === 0) said.ack = 1_000;
    }
    while (this.sockets.length > SOCKETS_MAX) {
      const so = this.sockets.shift();
      this.net.kernel.call(this.net.now, () => (this.sockets.length % 2 === 0 ? so?.close() : so?.reset()));
    }
  }

  /** @param {number} port @returns {TcpCb | null} */
  connection(port) {
    const said = this.said[port];
    const inp = said === undefined ? null : this.vnet.tcp.pcbs.list().find((i) => i.fport === 4_000 + port && i.lport === said.port);
    return inp === undefined || inp === null ? null : /** @type {TcpCb} */ (inp.user);
  }

  /** @param {Uint8Array} b @param {Uint8Array} rest */
  segment(b, rest) {
    const [op = 0, flags = 0, seqMode = 0, ackMode = 0, olen = 0, dlen = 0, win = 0, more = 0] = b;
    const port = op % PEERS;
    const said = this.said[port];
    if (said === undefined) return;
    const tp = this.connection(port);
    const seqs = tp === null ? [said.ack, said.ack, 1_000, 0] : [tp.rcvNxt, tp.rcvAdv, tp.irs, tp.lastAckSent];
    const acks = tp === null ? [said.seq + 1, said.seq, 0, 1] : [tp.sndNxt, tp.sndUna, tp.iss, (tp.sndUna + tp.sndWnd) | 0];
    const edge = (/** @type {number} */ mode) => ((mode & 3) === 3 ? EDGES[(mode >> 4) % EDGES.length] ?? 0 : (mode & 3) === 2 ? (mode >> 4) - 8 : 0);
    const seq = ((seqs[(seqMode >> 2) & 3] ?? 0) + edge(seqMode)) >>> 0;
    const ack = ((acks[(ackMode >> 2) & 3] ?? 0) + edge(ackMode)) >>> 0;
    const hl = TCP_HDR_LEN + Math.min(TCP_MAXOLEN, (olen & 0x80) !== 0 ? (olen & 15) * 4 : 0);
    const data = dlen < 128 ? 0 : dlen < 240 ? dlen - 127 : 1_448;
    const bytes = new Uint8Array(hl + data);
    const v = new DataView(bytes.buffer);
    for (let i = TCP_HDR_LEN; i < bytes.length; i++) bytes[i] = rest[i % Math.max(1, rest.length)] ?? 0;
    const what = more < 200 ? (more < 100 ? 0x10 : 0x18) : flags;
    tcpEmit(v, 0, 4_000 + port, op < 8 ? 80 : said.port, seq, ack, hl, what, win === 255 ? 65_535 : win * 16, more);
    v.setUint16(TCP_SUM, inCksum4(v, 0, bytes.length, ip4(PEER), ip4(HOST), TCP_PROTO));
    const m = this.net.kernel.engine.pool.from(craftIp(LINK, { src: PEER, dst: HOST, proto: TCP_PROTO, tos: op & 3 }, bytes));
    if (m === null) throw new Error('the pool is exhausted: packets are lost');
    this.net.kernel.input(this.wire.ifp, m, this.net.now);
  }

  /** @param {number} op @param {number} x @param {number} y @param {Uint8Array} rest */
  call(op, x, y, rest) {
    const so = this.pick(x);
    if (op < 8) {
      const made = this.socket();
      this.sockets.push(made);
      made.setCongestion(['newreno', 'cubic', 'dctcp'][x % 3] ?? 'cubic');
      if ((y & 1) !== 0) made.setsockopt('TCP_FASTOPEN', 1);
      if ((y & 2) !== 0) made.sendTo(rest, ip4(PEER), 4_000 + (x % PEERS));
      else made.connect(ip4(PEER), 4_000 + (x % PEERS));
      return;
    }
    if (so === undefined) return;
    if (op < 30) so.send(rest, y & 1);
    else if (op < 50) so.recv(this.into.subarray(0, 1 + y * 8), y & 2);
    else if (op < 54) so.shutdown([SHUT_RD, SHUT_WR, SHUT_RDWR][y % 3] ?? SHUT_WR);
    else if (op < 58) so.setsockopt(['TCP_NODELAY', 'TCP_NOPUSH', 'SO_KEEPALIVE', 'SO_RCVBUF', 'SO_SNDBUF'][y % 5] ?? '', (y >> 3) * ((y % 5) > 2 ? 512 : 1));
    else if (op < 60) so.info();
    else if (op < 64) {
      this.sockets.splice(this.sockets.indexOf(so), 1);
      if ((y & 1) !== 0) so.close();
      else so.reset();
    }
  }

  check() {
    const list = this.vnet.tcp.pcbs.list();
    for (const inp of list) checkTcpCb(/** @type {TcpCb} */ (inp.user));
    if (list.length > 4 * SOCKETS_MAX + 4_000) throw new Error(`${list.length} connections`);
    const { inUse } = this.net.kernel.engine.pool;
    if (inUse > PACKETS_MAX) throw new Error(`${inUse} packets are held`);
  }

  /** Everything is closed, and ends. */
  settle() {
    for (const so of this.sockets.splice(0)) this.net.kernel.call(this.net.now, () => so.reset());
    this.net.run(4 * 3_600_000_000);
    this.listen();
    const { tcp } = this.vnet;
    const { unaccounted } = this.net.kernel.audit();
    return { packets: this.net.kernel.engine.pool.inUse, ranges: tcp.ranges.inUse, states: tcp.states, memory: this.vnet.kern.sockmem.bytes, pcbs: tcp.pcbs.list().length, unaccounted };
  }
}

/** @type {World | null} */
let world = null;

/** @param {...number} steps */
const program = (...steps) => Uint8Array.from(steps);
const SYN = [0, 2, 0, 0, 0x85, 0, 255, 255];
const ACK = [8, 16, 0, 0, 0, 0, 255, 0];
const DATA = [8, 24, 0, 0, 0, 200, 255, 150];
const FIN = [8, 17, 0, 0, 0, 0, 255, 250];
const RST = [8, 4, 0, 0, 0, 0, 0, 250];
const LATER = [8, 24, 0x43, 0, 0, 240, 255, 150];
const SACK = [8, 16, 0, 0x04, 0x83, 0, 255, 0];
const PASS = [250, 2, 0, 0, 0, 0, 0, 0];
const LONG = [250, 4, 0, 255, 0, 0, 0, 0];
const CONNECT = [160, 0, 0, 0, 0, 0, 0, 0];
const SYNACK = [8, 18, 0, 0, 0, 0, 255, 255];
const SEND = [170, 0, 0, 0, 0, 0, 0, 0];
const READ = [190, 0, 200, 0, 0, 0, 0, 0];
const CLOSE = [220, 0, 1, 0, 0, 0, 0, 0];
const SHUT = [210, 0, 1, 0, 0, 0, 0, 0];

const programs = [
  program(...SYN, ...ACK, ...DATA, ...READ, ...SEND, ...ACK, ...FIN, ...CLOSE, ...ACK, ...PASS),
  program(...SYN, ...ACK, ...LATER, ...LATER, ...DATA, ...READ, ...SHUT, ...ACK, ...FIN, ...DATA, ...FIN, ...LONG),
  program(...CONNECT, ...SYNACK, ...SEND, ...SEND, ...SACK, ...SACK, ...SACK, ...SACK, ...PASS, ...ACK, ...CLOSE, ...FIN, ...PASS, ...ACK),
  program(...SYN, ...SYN, ...RST, ...SYN, ...ACK, ...RST, ...PASS, ...SYN, ...LONG),
];

/** Options as they were read, to be written again. @param {DataView} v @param {TcpOptions} o */
function outOf(v, o) {
  const out = new TcpOptionsOut();
  const has = (/** @type {number} */ bit) => (o.flags & bit) !== 0;
  if (has(TOF_MSS)) out.mss = o.mss;
  if (has(TOF_SCALE)) out.wscale = o.wscale;
  out.sackPermitted = has(TOF_SACKPERM);
  out.ts = has(TOF_TS);
  out.tsval = o.tsval;
  out.tsecr = o.tsecr;
  out.signature = has(TOF_SIGNATURE);
  if (has(TOF_SACK)) {
    out.nsacks = Math.min(o.nsacks, 4);
    for (let i = 0; i < 2 * out.nsacks; i++) out.sacks[i] = v.getInt32(o.sackOff + 4 * i);
  }
  if (has(TOF_FASTOPEN)) {
    out.fastopenLen = o.fastopenLen;
    for (let i = 0; i < o.fastopenLen; i++) out.fastopenCookie[i] = v.getUint8(o.fastopenOff + i);
  }
  if (has(TOF_UTO)) out.uto = o.uto;
  return out;
}

/** What is read, written and read again is what was read; or less, where it does not fit any more. @param {Uint8Array} bytes */
function optionsThereAndBack(bytes) {
  const area = Math.min(TCP_MAXOLEN, bytes.length & ~3);
  const buf = new Uint8Array(TCP_HDR_LEN + TCP_MAXOLEN);
  const v = new DataView(buf.buffer);
  tcpEmit(v, 0, 1, 2, 3, 4, TCP_HDR_LEN + area, (bytes.length & 1) !== 0 ? 2 : 16, 5, 0);
  buf.set(bytes.subarray(0, area), TCP_HDR_LEN);
  const first = new TcpOptions();
  first.parse(v, 0);
  const out = outOf(v, first);
  const again = new Uint8Array(TCP_HDR_LEN + TCP_MAXOLEN);
  const w = new DataView(again.buffer);
  const olen = tcpPackOptions(w, TCP_HDR_LEN, out);
  if ((olen & 3) !== 0 || olen > TCP_MAXOLEN) throw new Error(`${olen} bytes of options`);
  tcpEmit(w, 0, 1, 2, 3, 4, TCP_HDR_LEN + olen, tcpFlags(v, 0), 5, 0);
  if (tcpOff(w, 0) !== TCP_HDR_LEN + olen) throw new Error('the header is not as long as its options');
  const second = new TcpOptions();
  second.parse(w, 0);
  if ((second.flags & ~first.flags) !== 0) throw new Error(`options 0x${(second.flags & ~first.flags).toString(16)} come from nowhere`);
  const has = (/** @type {number} */ bit) => (second.flags & bit) !== 0;
  const same = (!has(TOF_MSS) || second.mss === first.mss) && (!has(TOF_SCALE) || second.wscale === first.wscale) && (!has(TOF_TS) || (second.tsval === first.tsval && second.tsecr === first.tsecr)) && (!has(TOF_UTO) || second.uto === first.uto) && second.nsacks <= first.nsacks;
  if (!same) throw new Error(`read ${JSON.stringify(first)}, and again ${JSON.stringify(second)}`);
}

const texts = [
  '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 3>\n+0 > S. 0:0(0) ack 1 <...>\n+.1 < . 1:1(0) ack 1 win 257\n',
  '--tolerance_usecs=10000\n`sysctl -w net.inet.tcp.sack.enable=1`\n0 `true`\n0.1...0.2 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n*  > P. 1:1001(1000) ack 1\n',
].map((t) => new TextEncoder().encode(t));

export const targets = [
  {
    name: 'tcp-segments',
    corpus: programs,
    /** @param {Uint8Array} bytes */
    run: (bytes) => (world ??= new World()).run(bytes),
    balance: () => (world ??= new World()).settle(),
  },
  {
    name: 'tcp-options',
    corpus: [[2, 4, 5, 180, 1, 3, 3, 6, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4], [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 28, 4, 0x80, 5, 0, 0, 0], [19, 18, ...new Uint8Array(16)]].map((o) => Uint8Array.from(o)),
    run: optionsThereAndBack,
  },
  {
    name: 'packetdrill-parser',
    corpus: texts,
    /** Either it is a script, or it is told in which line it is none. @param {Uint8Array} bytes */
    run(bytes) {
      try {
        parseScript(String.fromCharCode(...bytes));
      } catch (error) {
        if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
      }
    },
  },
];
