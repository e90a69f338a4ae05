/**
 * forward-peer.mjs — the C program beside the rows of forward.bench.mjs: it gets the tables and frames in a file, and then measures a filling of the pool whenever it is asked.
 * Read first: peers/forward.c (what is in the file).
 */
import { FWD_FDB, FWD_NEIGH4, FWD_NEIGH6 } from '@netloom/core/fwd';
import { builtPeer, peerFile } from './c-peer.mjs';
import { residentPeer } from './resident-peer.mjs';

/** @typedef {ReturnType<typeof import('./forward-lab.mjs').makeLab>} Lab */

/** The sections of the file. @param {Lab} lab */
function sections({ fixed, messages, loads }) {
  /** @param {number} map */
  const mapOf = (map) => {
    const found = messages.find((m) => m.kind === 'map' && m.map === map);
    if (found?.kind !== 'map') throw new Error(`no map ${map}`);
    return found;
  };
  const set = messages.find((m) => m.kind === 'set');
  if (set?.kind !== 'set' || set.tables === null) throw new Error('no set of tables');
  const { fib4, shape4, fib6, shape6, hops, own4, own6 } = set.tables;
  const [neigh4, neigh6, fdb] = [mapOf(FWD_NEIGH4), mapOf(FWD_NEIGH6), mapOf(FWD_FDB)];
  const scalars = Int32Array.of(shape4.rootBits, shape4.stride, shape6.rootBits, fixed.round[0] ?? 0, neigh4.key, neigh6.key, fdb.key, fib4.BYTES_PER_ELEMENT);
  return [
    scalars, fixed.ifAt, fixed.ifWords, fixed.ifOfPort, fixed.adjacencies, hops, neigh4.words, neigh6.words, fdb.words, fdb.marks, fib4, fib6, own4, own6,
    loads.ip4.frames, loads.ip6.frames, loads.bridge.frames,
  ];
}

/** @param {Lab} lab */
function imageOf(lab) {
  const parts = sections(lab).map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  const table = new Int32Array(1 + 2 * parts.length);
  table[0] = parts.length;
  let at = table.length;
  /** @type {Uint8Array[]} */
  const out = [new Uint8Array(table.buffer)];
  parts.forEach((part, i) => {
    // Every section on a cache line.
    const gap = -at & 15;
    out.push(new Uint8Array(gap * 4), part);
    table[1 + 2 * i] = at + gap;
    table[2 + 2 * i] = part.byteLength / 4;
    at += gap + part.byteLength / 4;
  });
  return Buffer.concat(out);
}

/** Starts the program. Answers how to ask it for the ns a frame of `kind` takes in C with a filling of the pool. @param {Lab} lab @returns {(kind: '4' | '6' | 'b', filling: number) => Promise<number>} */
export function forwardPeer(lab) {
  const ask = residentPeer(builtPeer('forward.c'), [peerFile('forward-image', imageOf(lab))]);
  return async (kind, filling) => Number(await ask(`${kind} ${filling}`));
}
