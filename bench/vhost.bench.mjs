/**
 * vhost.bench.mjs — vhost-user ports: guest to guest over a bridge against the same guests on stream ports, and rings without guests.
 *
 *     guest ── its memory ── tap, bridge0, tap (this process) ── its memory ── guest
 *
 * `ring-*` takes a batch of frames out of one virtqueue into packets and puts them into another, as such a port does; the drivers do
 * nothing but offer their buffers again. The peer is the same in C. 64 KB lie in 17 buffers behind an indirect table and go into merged buffers of 4 KB, as with Linux's driver.
 */
import { performance } from 'node:perf_hooks';
import { PacketPool, PacketQueue } from '@netloom/core';
import { DescriptorChain } from '../packages/node/dist/vhost-user/descriptor-chain.js';
import { GuestMemory, MemoryWindow } from '../packages/node/dist/vhost-user/guest-memory.js';
import { Receiveq } from '../packages/node/dist/vhost-user/receiveq.js';
import { Transmitq } from '../packages/node/dist/vhost-user/transmitq.js';
import {
  VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, vringAvailBytes, vringDescBytes, vringUsedBytes,
} from '../packages/node/dist/vhost-user/virtio-net.js';
import { Vring } from '../packages/node/dist/vhost-user/vring.js';
import { cPeer } from './c-peer.mjs';
import { STREAM, overBridge, rtt, tcp } from './guest-pair.mjs';
import { lackingGuests } from './guests.mjs';

/** @typedef {import('@netloom/core').PacketBuffer} PacketBuffer */
/** @typedef {{ frame: number, pieces: number, buffer: number, batch: number }} Shape frames, how they lie in the transmit ring, receive buffers, frames a publication */

const MEMORY_MB = 192;
const NUM = 256;
const HDR = 12;
const SLOT = 2 ** 18;
const TABLE = 80_000;
const MEASURED_MS = 300;
const TURNS = 16;

/** @type {import('./guest-pair.mjs').Port} */
const VHOST_USER = {
  device: (path) => `vhost-user:${path}`,
  spec: (path) => ({
    memoryMb: MEMORY_MB,
    machine: 'pc,memory-backend=mem',
    nics: [{ netdev: 'vhost-user,chardev=wire', device: 'virtio-net-pci,vectors=0' }],
    args: ['-object', `memory-backend-memfd,id=mem,size=${MEMORY_MB}M,share=on`, '-chardev', `socket,id=wire,path=${path}`],
  }),
};

/**
 * A ring and its buffers, in memory of their own from `start` on: each descriptor is offered again and again, so that all a driver has to do is `offer`.
 * @param {number} start @param {number} pieces buffers of a chain @param {number} length bytes of a chain @param {boolean} writable
 */
function makeRing(start, pieces, length, writable) {
  const memory = new ArrayBuffer(2 ** 16 + NUM * SLOT);
  const window = new MemoryWindow(start, new Uint8Array(memory));
  const [desc, avail, used] = [new Uint8Array(memory, 0, vringDescBytes(NUM)), new Uint8Array(memory, 8_192, vringAvailBytes(NUM)), new Uint8Array(memory, 16_384, vringUsedBytes(NUM))];
  const describe = (/** @type {number} */ at, /** @type {number} */ address, /** @type {number} */ bytes, /** @type {number} */ flags, /** @type {number} */ next) => {
    window.view.setBigUint64(at, BigInt(start + address), true);
    window.view.setUint32(at + 8, bytes, true);
    window.view.setUint16(at + 12, flags, true);
    window.view.setUint16(at + 14, next, true);
  };
  const words = new Uint16Array(memory, 8_192, 3 + NUM);
  const part = Math.floor(length / pieces);
  for (let i = 0; i < NUM; i++) {
    words[2 + i] = i;
    const slot = 2 ** 16 + i * SLOT;
    const table = slot + TABLE;
    if (pieces === 1) describe(i * 16, slot, length, writable ? VRING_DESC_F_WRITE : 0, 0);
    else describe(i * 16, table, pieces * 16, VRING_DESC_F_INDIRECT, 0);
    for (let j = 0; pieces > 1 && j < pieces; j++) {
      const last = j === pieces - 1;
      describe(table + j * 16, slot + j * part, last ? length - j * part : part, last ? 0 : VRING_DESC_F_NEXT, j + 1);
    }
  }
  let offered = 0;
  return {
    ring: new Vring(NUM, { desc, avail, used }, { eventIdx: true, indirect: true }),
    chain: new DescriptorChain(new GuestMemory([window])),
    offer: (/** @type {number} */ chains) => void Atomics.store(words, 1, (offered = (offered + chains) & 0xffff)),
  };
}

/** Frames a second. @param {Shape} shape */
function ringRate({ frame, pieces, buffer, batch }) {
  const from = makeRing(0x1_0000_0000, pieces, HDR + frame, false);
  const to = makeRing(0x2_0000_0000, 1, buffer, true);
  const pool = new PacketPool();
  const transmitq = new Transmitq();
  const receiveq = new Receiveq();
  const packets = new PacketQueue(batch);
  const target = { alloc: (/** @type {number} */ len) => pool.alloc(len), input: (/** @type {PacketBuffer} */ m) => void packets.enqueue(m) };
  const per = Math.ceil((HDR + frame) / buffer);
  const turn = () => {
    from.offer(batch);
    to.offer(batch * per);
    transmitq.take(from.ring, from.chain, HDR, target, batch);
    from.ring.publish();
    for (let m = packets.dequeue(); m !== null; m = packets.dequeue()) {
      if (receiveq.put(to.ring, to.chain, HDR, true, m) !== 'done') throw new Error(to.ring.broken);
      m.free();
    }
    to.ring.publish();
  };
  const run = (/** @type {number} */ ms) => {
    const begun = performance.now();
    let frames = 0;
    while (performance.now() - begun < ms) {
      for (let i = 0; i < TURNS; i++) turn();
      frames += TURNS * batch;
    }
    return (frames / (performance.now() - begun)) * 1e3;
  };
  run(MEASURED_MS / 2);
  return run(MEASURED_MS);
}

/** A row. @param {string} name @param {string} unit @param {Shape} shape @param {(framesPerSecond: number) => number} value */
function ringRow(name, unit, shape, value) {
  const peer = cPeer('C', 'vring.c', [shape.frame, shape.pieces, shape.buffer, shape.batch].map(String));
  return { name: `vhost/${name}`, unit, measure: () => value(ringRate(shape)), peer: { ...peer, measure: () => value(peer.measure()) } };
}

const lacking = () => lackingGuests('iperf3');
const gbits = (/** @type {number} */ bytes) => (/** @type {number} */ rate) => (rate * bytes * 8) / 1e9;

export const benchmarks = [
  ringRow('ring-64', 'Mpps', { frame: 64, pieces: 1, buffer: 1_536, batch: 32 }, (rate) => rate / 1e6),
  ringRow('ring-1514', 'Gbit/s', { frame: 1_514, pieces: 1, buffer: 1_536, batch: 32 }, gbits(1_514)),
  ringRow('ring-64k', 'Gbit/s', { frame: 65_226, pieces: 17, buffer: 4_096, batch: 8 }, gbits(65_226)),
  { name: 'vhost/guest-tcp', unit: 'Gbit/s', lacking, measure: () => overBridge(VHOST_USER, tcp), peer: { name: 'stream ports', measure: () => overBridge(STREAM, tcp) } },
  { name: 'vhost/guest-rtt', unit: 'us', lacking, measure: () => overBridge(VHOST_USER, rtt), peer: { name: 'stream ports', measure: () => overBridge(STREAM, rtt) } },
];
