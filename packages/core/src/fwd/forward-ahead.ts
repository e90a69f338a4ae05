/**
 * forward-ahead.ts — asks memory early for what the short path will need of a batch of frames.
 * Read first: forward-frame.ts, fib4.ts.
 *
 * What becomes of a packet waits for memory twice: for its header, and for the first word of its route, which in a large table is often in no cache. Who has several frames of a port at
 * hand calls `lookAhead` before it forwards the first. These loads do not wait for each other, so the processor has them under way at the same time, where `forwardFrame` would
 * begin the next frame's only when most of the present one is done. It changes nothing, and the order of frames stays what it is. What is no IPv4 packet is taken for one,
 * which costs a useless load.
 *
 * Datapath workers are handed one frame after the other, and do not call it; a driver that has batches in memory may. `npm run bench -- forward` measures with and without.
 *
 * Invariants: those of forward-frame.ts. Not here: IPv6, whose look-up is a chain of loads of which the first is the cheapest.
 */
import * as ether from '../wire/ether.js';
import * as ip4 from '../wire/ip4.js';
import * as virtio from '../wire/virtio-net.js';
import * as fwdIf from './fwd-if.js';
import type { FwdView } from './fwd-tables.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN } = ether;
const { IP4_DST } = ip4;
const { VIRTIO_NET_HDR_LEN } = virtio;
const { FIF_FLAGS, FIF_SET, FWD_IF_FWD4, FWD_IF_SHIFT, FWD_IF_VNET_HDR } = fwdIf;

/** The frames at `ats[from]` to `ats[to - 1]` have come in on `port`, and are going to be forwarded. */
export function lookAhead(v: FwdView, port: number, view: DataView, ats: Int32Array, from: number, to: number): void {
  const words = v.ifWords;
  const rec = v.ifAt[v.ifOfPort[port]!]! << FWD_IF_SHIFT;
  const flags = words[rec + FIF_FLAGS]!;
  const set = v.sets[words[rec + FIF_SET]!];
  if ((flags & FWD_IF_FWD4) === 0 || set === undefined || set === null) return;
  const { fib4 } = set;
  const dst = ((flags & FWD_IF_VNET_HDR) === 0 ? 0 : VIRTIO_NET_HDR_LEN) + ETHER_HDR_LEN + IP4_DST;
  // What would lie behind the memory is sought at its end.
  const last = view.byteLength - dst - 4;
  if (last < 0) return;
  let seen = 0;
  let i = from;
  // Eight at a time: V8 checks once what it would check for each, and more loads are under way.
  for (const whole = to - ((to - from) & 7); i < whole; i += 8) {
    const e0 = fib4.first(view.getInt32(Math.min(ats[i]!, last) + dst));
    const e1 = fib4.first(view.getInt32(Math.min(ats[i + 1]!, last) + dst));
    const e2 = fib4.first(view.getInt32(Math.min(ats[i + 2]!, last) + dst));
    const e3 = fib4.first(view.getInt32(Math.min(ats[i + 3]!, last) + dst));
    const e4 = fib4.first(view.getInt32(Math.min(ats[i + 4]!, last) + dst));
    const e5 = fib4.first(view.getInt32(Math.min(ats[i + 5]!, last) + dst));
    const e6 = fib4.first(view.getInt32(Math.min(ats[i + 6]!, last) + dst));
    const e7 = fib4.first(view.getInt32(Math.min(ats[i + 7]!, last) + dst));
    seen ^= e0 ^ e1 ^ e2 ^ e3 ^ e4 ^ e5 ^ e6 ^ e7;
  }
  for (; i < to; i++) seen ^= fib4.first(view.getInt32(Math.min(ats[i]!, last) + dst));
  // Kept, so that the loads are not left out.
  v.ahead = seen;
}
