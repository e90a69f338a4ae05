/**
 * u32.ts — the classifier u32: words of a packet, under masks.
 * Read first: tc-u32(8); Linux's `net/sched/cls_u32.c`.
 *
 * A selector is a list of keys. A key is a word at a multiple of four from the network header on (before it: the link header), or from behind the IPv4 header (`nexthdr+`), compared under a mask. All keys must
 * match. A packet too short for a key ends the search in this filter's whole list, as on Linux, so `match u32 0 0` wants four bytes of payload.
 *
 * Not here: hash tables, links and offsets from fields. A filter's list is the default table, `800:`.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';

/** Keys of one selector. */
export const U32_KEYS_MAX = 128;

export interface U32Key {
  readonly val: number;
  readonly mask: number;
  /** Bytes from the network header. */
  readonly off: number;
  /** … and from the end of the IPv4 header that is there. */
  readonly nexthdr: boolean;
}

export class U32Match {
  readonly keys: readonly U32Key[];
  /** Packets looked at, and those that matched; for each key. */
  rcnt = 0;
  rhit = 0;
  readonly kcnts: number[];

  constructor(keys: readonly U32Key[]) {
    this.keys = keys;
    this.kcnts = keys.map(() => 0);
  }

  /** 1: it matches; 0: it does not; -1: the packet is too short. `nh`: where the network header is in the slot. */
  match(m: PacketBuffer, nh: number): number {
    const { keys, kcnts } = this;
    const end = m.off + m.len;
    this.rcnt++;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      let at = nh + key.off;
      if (key.nexthdr) {
        if (nh >= end) return -1;
        at += (m.buf[nh]! & 15) * 4;
      }
      if (at < m.off || at + 4 > end) return -1;
      if (((m.view.getUint32(at) ^ key.val) & key.mask) !== 0) return 0;
      kcnts[i] = kcnts[i]! + 1;
    }
    this.rhit++;
    return 1;
  }
}
