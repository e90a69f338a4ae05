/**
 * source-embed.ts — what a source node writes into the packets it sends: up to four counters, and the time.
 * Read first: ng_source(4).
 */
import type { Micros } from '../../base/time.js';
import { US_PER_SEC } from '../../base/time.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ngHint16, ngHint8, ngInt32, ngStruct, ngUint32, ngUint8 } from '../ng-parse.js';
import type { NgValue } from '../ng-parse.js';

export const SOURCE_COUNTERS = 4;

/** `flags`: it is written at all; it counts once for all packets of the queue. */
const EMBED_ENABLE = 1;
const INC_CNT_PER_LIST = 2;

export const embedType = ngStruct({ offset: ngHint16, flags: ngHint8 });
export const counterType = ngStruct({
  offset: ngHint16, flags: ngHint8, width: ngUint8, next_val: ngUint32, min_val: ngUint32, max_val: ngUint32, increment: ngInt32, index: ngUint8,
});

type Counter = { -readonly [K in keyof NgValue<typeof counterType>]: NgValue<typeof counterType>[K] };

const NO_COUNTER: Counter = { offset: 0, flags: 0, width: 0, next_val: 0, min_val: 0, max_val: 0, increment: 0, index: 0 };
/** Seconds and microseconds, each in the first half of a word of eight bytes. */
const TIMESTAMP_LEN = 16;

export class SourceEmbed {
  timestamp: NgValue<typeof embedType> = { offset: 0, flags: 0 };
  readonly counters: Counter[] = Array.from({ length: SOURCE_COUNTERS }, (_, index) => ({ ...NO_COUNTER, index }));

  /** False: there is no such counter, or none of that width. */
  setCounter(counter: NgValue<typeof counterType>): boolean {
    const { index, width } = counter;
    if (index >= SOURCE_COUNTERS || (width !== 1 && width !== 2 && width !== 4)) return false;
    this.counters[index] = { ...counter };
    return true;
  }

  /** Writes into `m`; `isLast`: it is the last of the queue. What would reach beyond the packet is left out. */
  write(m: PacketBuffer, now: Micros, isLast: boolean): void {
    for (const counter of this.counters) if ((counter.flags & EMBED_ENABLE) !== 0) writeCounter(counter, m, isLast);
    const { offset, flags } = this.timestamp;
    if ((flags & EMBED_ENABLE) === 0 || offset + TIMESTAMP_LEN > m.len) return;
    const at = m.off + offset;
    m.view.setUint32(at, Math.floor(now / US_PER_SEC));
    m.view.setUint32(at + 4, 0);
    m.view.setUint32(at + 8, now % US_PER_SEC);
    m.view.setUint32(at + 12, 0);
  }
}

function writeCounter(counter: Counter, m: PacketBuffer, isLast: boolean): void {
  const { offset, width, flags } = counter;
  if (offset + width <= m.len) {
    const at = m.off + offset;
    if (width === 1) m.view.setUint8(at, counter.next_val);
    else if (width === 2) m.view.setUint16(at, counter.next_val);
    else m.view.setUint32(at, counter.next_val);
  }
  if ((flags & INC_CNT_PER_LIST) === 0 || isLast) advance(counter);
}

/** On to the next value: past the last one it goes on from the other end. In 32 bits, as in the original. */
function advance(counter: Counter): void {
  const { increment, min_val: min, max_val: max } = counter;
  let next = (counter.next_val + increment) >>> 0;
  if (increment > 0 && next > max) {
    next = (min - 1 + (next - max)) >>> 0;
    if (next > max) next = max;
  } else if (increment < 0 && next < min) {
    next = (max + 1 + (next - min)) >>> 0;
    if (next < min) next = max;
  }
  counter.next_val = next;
}
