/**
 * forward-lab.mjs — a router and switch of 32 ports as flat tables, and frames for it: what forward.bench.mjs measures.
 * Read first: packages/core/src/fwd/fwd-tables.ts.
 *
 *     ports 0-15    routed: 1,000,000 IPv4 and 200,000 IPv6 prefixes, 256 next hops over 16 interfaces
 *     ports 16-31   members of one bridge that knows 4,096 addresses
 *
 * Frames are made for a pool of 4,096 slots, in batches of 64, each from one port. Destinations are Zipf distributed over 100,000 addresses that have a route. The routers next door
 * have this router's own link address, so a frame that was sent on can come in again.
 * Not here: the pool, and who forwards (forward-pool.mjs, peers/forward.c).
 */
import { Prng } from '@netloom/core';
import {
  AddrSet, AddrSet6, FWD_CELL_SHIFT, FWD_FDB, FWD_FDB_LOCAL, FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_FWD4, FWD_IF_FWD6, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_MEMBER, FWD_IF_OUT, FWD_NEIGH4, FWD_NEIGH6,
  Fib4, Fib6, FwdAdjacencies, FwdIfs, FwdMap, NHOP_GATEWAY, NHOP_VALID, NhopTable, fdbKey, fib4Shape, fib6Shape, fwdCounters, fwdMapMessage, fwdMemory,
} from '@netloom/core/fwd';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ip4Emit, ip6Emit } from '@netloom/core/wire';
import { zipf } from './draws.mjs';
import { routes4, routes6 } from './forward-routes.mjs';

/** @typedef {import('@netloom/core/fwd').FwdMessage} FwdMessage */
/** @typedef {{ first: number, frames: Uint8Array }} Load frames of all fillings, one behind the other, and the first of the 16 ports that they come from */
/** @typedef {Omit<import('@netloom/core/fwd').FwdMemory, 'counters'>} Fixed */

/** Slots of the pool, and how often it can be filled with other frames. */
export const SLOTS = 4_096;
export const FILLINGS = 32;
export const FRAME = 64;
export const BATCH = 64;
/** Ports that route, and ports of the bridge. */
export const PORTS = 16;
const OUR_HI = 0x0200;
const OUR_LO = 1;
const HOST_HI = 0x0a00;
const HOSTS = 4_096;
const BRIDGE = 100;
const HOPS = 256;
const DESTINATIONS = 100_000;
const ROUTES_4 = 1_000_000;
const ROUTES_6 = 200_000;
const ROUTED = FWD_IF_IN | FWD_IF_OUT | FWD_IF_FWD4 | FWD_IF_FWD6;
const MEMBER = FWD_IF_IN | FWD_IF_OUT | FWD_IF_MEMBER | FWD_IF_LEARN | FWD_IF_BRFWD;

/** Interface of a port; both are numbers of the tables. @param {number} port */
const ifOf = (port) => port + 1;

/** Frames for 16 ports from `first` on: `emit` writes one that comes from a port and is to leave by another, or says false. @param {number} first @param {(view: DataView, at: number, port: number) => boolean} emit */
function load(first, emit) {
  const frames = new Uint8Array(new SharedArrayBuffer(FILLINGS * SLOTS * FRAME));
  const view = new DataView(frames.buffer);
  for (let i = 0; i < FILLINGS * SLOTS; i++) while (!emit(view, i * FRAME, first + (((i % SLOTS) / BATCH) & (PORTS - 1))));
  return { first, frames };
}

/** @param {DataView} view @param {number} at @param {number} dst last word of its link address @param {number} src @param {number} hi first words @param {number} type */
function etherEmit(view, at, hi, dst, src, type) {
  view.setUint16(at, hi);
  view.setInt32(at + 2, dst);
  view.setUint16(at + 6, HOST_HI);
  view.setInt32(at + 8, src);
  view.setUint16(at + 12, type);
}

/** IPv4 routes, and frames for them. @param {NhopTable} hops */
function router4(hops) {
  const rng = new Prng(4);
  const fib = new Fib4(fib4Shape(ROUTES_4, null), true);
  const prefixes = routes4(rng, fib, ROUTES_4, () => 1 + (rng.u32() % HOPS));
  const own = new AddrSet(true);
  for (let port = 0; port < PORTS; port++) own.add(0xc0000201 + port);
  const dsts = Uint32Array.from({ length: DESTINATIONS }, () => (prefixes[rng.u32() % ROUTES_4] ?? 0) | (rng.u32() & 0xff));
  const draw = zipf(rng, DESTINATIONS);
  const frames = load(0, (view, at, port) => {
    const dst = dsts[draw()] ?? 0;
    etherEmit(view, at, OUR_HI, OUR_LO, port, ETHERTYPE_IP);
    ip4Emit(view, at + 14, 20, 0, FRAME - 14, 1, 0, 64, 17, 0xc6336401, dst);
    return hops.ifIndex(fib.lookup(dst)) !== ifOf(port);
  });
  return { fib, own, frames };
}

/** IPv6 routes, and frames for them. @param {NhopTable} hops */
function router6(hops) {
  const rng = new Prng(6);
  const fib = new Fib6(fib6Shape(ROUTES_6, null), true);
  const prefixes = routes6(rng, fib, ROUTES_6, () => 1 + HOPS + (rng.u32() % HOPS));
  const own = new AddrSet6(true);
  for (let port = 0; port < PORTS; port++) own.add(0x20010db8, port, 0, 1);
  const of = Uint32Array.from({ length: DESTINATIONS }, () => rng.u32() % ROUTES_6);
  const draw = zipf(rng, DESTINATIONS);
  const frames = load(0, (view, at, port) => {
    const dst = draw();
    const [w0, w1] = [prefixes[2 * (of[dst] ?? 0)] ?? 0, prefixes[2 * (of[dst] ?? 0) + 1] ?? 0];
    etherEmit(view, at, OUR_HI, OUR_LO, port, ETHERTYPE_IPV6);
    ip6Emit(view, at + 14, 0, 0, FRAME - 54, 17, 64);
    [0x20010db8, 0xff, 0, 7, w0, w1, 0, dst].forEach((word, i) => void view.setInt32(at + 22 + 4 * i, word));
    return hops.ifIndex(fib.lookup(w0, w1, 0, dst)) !== ifOf(port);
  });
  return { fib, own, frames };
}

/** Hosts behind the ports of the bridge, and frames between them. @param {FwdMap} fdb */
function bridge(fdb) {
  const rng = new Prng(1);
  fdb.set(BRIDGE, OUR_LO, fdbKey(OUR_HI, FWD_FDB_LOCAL), BRIDGE);
  for (let host = 0; host < HOSTS; host++) fdb.set(ifOf(PORTS + (host & (PORTS - 1))), host, fdbKey(HOST_HI, 0), BRIDGE);
  const draw = zipf(rng, HOSTS);
  return load(PORTS, (view, at, port) => {
    const dst = draw();
    etherEmit(view, at, HOST_HI, dst, (rng.u32() % (HOSTS / PORTS)) * PORTS + (port - PORTS), ETHERTYPE_IP);
    return (dst & (PORTS - 1)) !== port - PORTS;
  });
}

/** The tables and the frames: all in shared memory, and fit for postMessage. */
export function makeLab() {
  const ifs = new FwdIfs();
  const adjacencies = new FwdAdjacencies();
  const maps = /** @type {const} */ ([new FwdMap(3, 0x5bd1e995), new FwdMap(5, 0x1b873593), new FwdMap(3, 0x2545f491), new FwdMap(3, 0x6c078965)]);
  const hops = new NhopTable(true);
  for (let port = 0; port < 2 * PORTS; port++) {
    const index = ifOf(port);
    ifs.publish(index, [port < PORTS ? ROUTED : MEMBER, index, port, OUR_HI, port < PORTS ? OUR_LO : 0x100 + port, 0, 0, 0, port < PORTS ? 0 : BRIDGE, index]);
    ifs.ofPort[port] = index;
  }
  ifs.publish(BRIDGE, [ROUTED | FWD_IF_BRIDGE, BRIDGE, -1, OUR_HI, OUR_LO, 0, 0, 0, 0, BRIDGE]);
  // Behind the IPv4 next hops are the IPv6 ones, of the same routers.
  for (let hop = 1; hop <= HOPS; hop++) {
    const index = ifOf(hop & (PORTS - 1));
    hops.setHop(hop, NHOP_VALID | NHOP_GATEWAY, index, 1500, 0x0a000000 | hop);
    hops.setHop(HOPS + hop, NHOP_VALID | NHOP_GATEWAY, index, 1500, 0xfe800000 | 0, 0, 0, hop);
    maps[FWD_NEIGH4].set(adjacencies.add(OUR_HI, OUR_LO), index, 0x0a000000 | hop, 0);
    maps[FWD_NEIGH6].set(adjacencies.add(OUR_HI, OUR_LO), index, 0xfe800000 | 0, 0, 0, hop);
  }
  const ip4 = router4(hops);
  const ip6 = router6(hops);
  const frames = bridge(maps[FWD_FDB]);
  const round = new Int32Array(new SharedArrayBuffer(4)).fill(7);
  const { counters: _, ...fixed } = fwdMemory(ifs, adjacencies, round, fwdCounters());
  /** @type {FwdMessage[]} */
  const messages = [
    ...maps.map((m, i) => fwdMapMessage(i, m)),
    {
      kind: 'set', set: 0,
      tables: {
        fib4: ip4.fib.t, shape4: { rootBits: ip4.fib.rootBits, stride: ip4.fib.stride }, fib6: ip6.fib.t, shape6: { rootBits: ip6.fib.rootBits, plainBits: ip6.fib.plainBits },
        hops: hops.hops, groups: hops.groups, members: hops.members, own4: ip4.own.words, own6: ip6.own.words, flowSalt: 1, multipath: false, cell: 200 << FWD_CELL_SHIFT,
      },
    },
  ];
  return { fixed, messages, loads: { ip4: ip4.frames, ip6: ip6.frames, bridge: frames } };
}
