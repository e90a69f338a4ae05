/**
 * packet-tag.ts — PacketTag: what a filter or a node wants to remember of a packet while it is in this vnet.
 * Read first: mbuf_tags(9).
 *
 * A tag has a cookie (whose it is), an id (what it says), and a few bytes. Tags hang on their packet in a list, the latest first; they go with it from
 * hand to hand, are copied with it and freed with it, and end where it crosses a link (`ifInput`).
 *
 * Tags with up to TAG_DATA bytes are pooled; TAGS_MAX of a kernel may be out at once, then nobody gets another.
 * Invariant: a tag is on one packet, or in the pool.
 */

/** Cookie of the kernel's own tags, and their ids. */
export const MTAG_ABI_COMPAT = 0;
/** The packet goes to another next hop than its destination's (net/fwd-tag.ts). */
export const PACKET_TAG_IPFORWARD = 18;

/** Bytes of a pooled tag. */
const TAG_DATA = 32;
/** Tags that may be out at once. */
export const TAGS_MAX = 65_536;

export class PacketTag {
  cookie = 0;
  id = 0;
  /** Bytes in use. */
  len = 0;
  readonly data: Uint8Array;
  readonly view: DataView;
  next: PacketTag | null = null;

  constructor(size: number) {
    this.data = new Uint8Array(size);
    this.view = new DataView(this.data.buffer);
  }
}

/** Where a kernel's tags come from. */
export class TagPool {
  inUse = 0;
  /** Tags refused. */
  denied = 0;
  private free: PacketTag | null = null;

  /** A tag with `len` bytes of zeros; null when there are too many. */
  alloc(cookie: number, id: number, len: number): PacketTag | null {
    if (this.inUse >= TAGS_MAX) {
      this.denied++;
      return null;
    }
    this.inUse++;
    let tag = len <= TAG_DATA ? this.free : null;
    if (tag === null) tag = new PacketTag(Math.max(len, TAG_DATA));
    else {
      this.free = tag.next;
      tag.data.fill(0);
    }
    tag.cookie = cookie;
    tag.id = id;
    tag.len = len;
    tag.next = null;
    return tag;
  }

  /** Takes back a tag that is on no packet. */
  release(tag: PacketTag): void {
    this.inUse--;
    if (tag.data.length !== TAG_DATA) return;
    tag.next = this.free;
    this.free = tag;
  }

  releaseAll(first: PacketTag): void {
    for (let tag: PacketTag | null = first; tag !== null; ) {
      const next: PacketTag | null = tag.next;
      this.release(tag);
      tag = next;
    }
  }

  /** A list of the same tags in the same order, as far as there are tags. */
  copyAll(first: PacketTag): PacketTag | null {
    let head: PacketTag | null = null;
    let last: PacketTag | null = null;
    for (let tag: PacketTag | null = first; tag !== null; tag = tag.next) {
      const copy = this.alloc(tag.cookie, tag.id, tag.len);
      if (copy === null) break;
      for (let i = 0; i < tag.len; i++) copy.data[i] = tag.data[i]!;
      if (last === null) head = copy;
      else last.next = copy;
      last = copy;
    }
    return head;
  }
}
