/**
 * frame-train.ts — FrameTrain: frames of one TCP connection that leave by the same port one after the other, as the one segment that they are pieces of.
 * Read first: frame-io.ts; docs/offload.md; virtio 1.2 §5.1.6.2 (what a receiver does with a segment that is still to be cut); RFC 6864 (when identifications matter).
 *
 *     [ headers | payload ][ headers | payload ][ headers | payload ]      three frames: the first begins a train, two join it
 *     [ headers' | payload ][ payload ][ payload ]                         what is written: headers of the first, made right; nothing has moved
 *
 * Theory of operation. Whoever writes frames asks `begins` about each; as long as a port's train is `open` it asks `joins` about the next one for that port. A frame that joins is not
 * written by itself: its payload follows that of the train. When all are to be written `finish` puts into the first one's virtio header that it is to be cut into pieces of `size`, and its
 * length where it is said. The receiver has a segment, and one way through its stack, where it had dozens of frames; if that has to cut it, it makes the frames that they were.
 *
 * That is what decides who may join: cutting must give them back bit by bit. So they are alike but for length, identification, sequence number and checksum, which follow from each
 * other; only the last one is shorter, or has PSH. Where fragmenting is forbidden identifications mean nothing, and may be any.
 * Only frames join whose checksum nobody has computed yet: it is left to be done for all of them at once. A frame that comes with a checksum keeps it, so that whoever looks at it sees
 * what was sent, an error in it included.
 *
 * Invariants: allocates nothing, throws nothing. Nothing but the first frame's headers is written, and these by `finish` alone.
 * Not here: frames with tags, IPv4 options, IPv6 extension headers, UDP; waiting for frames that may come.
 */
import * as wire from '@netloom/core/wire';

// Every frame passes here, and V8 makes literals of a module's own constants alone.
const { ETHER_HDR_LEN, ETHER_TYPE, ETHERTYPE_IP, ETHERTYPE_IPV6, cksumFold } = wire;
const { IP4_HDR_LEN, IP4_ID, IP4_LEN, IP4_OFF, IP4_P, IP4_SRC, IP_DF, IP_MF, IP_OFFMASK, ip4PutSum } = wire;
const { IP6_HDR_LEN, IP6_NXT, IP6_PLEN, IP6_SRC, IPPROTO_TCP } = wire;
const { TCP_ACK, TCP_FLAGS, TCP_HDR_LEN, TCP_OFF, TCP_SEQ, TCP_SUM, TCP_URP, TH_ACK, TH_PUSH } = wire;
const {
  VIRTIO_NET_CSUM_OFFSET, VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_NONE, VIRTIO_NET_GSO_SIZE, VIRTIO_NET_GSO_TCPV4, VIRTIO_NET_GSO_TCPV6, VIRTIO_NET_GSO_TYPE,
  VIRTIO_NET_HDR_LEN, VIRTIO_NET_HDR_LEN_AT,
} = wire;

/** Frames of a train at most: as many as segments of 1,398 bytes and more are in 64 KB. */
export const TRAIN_FRAMES_MAX = 47;
/** Bytes of an IP packet; IPv6 does not count its header, and is kept to the same. */
const PACKET_MAX = 65_535;
/** PSH in the word of TCP's header that has its length, flags and window. */
const PUSH_IN_WORD = TH_PUSH << 16;
const SHIFT_TO_WORD = 2;

/** One port's train. Positions are of a frame's first byte, its virtio header. */
export class FrameTrain {
  /** A frame may still join. */
  open = false;
  /** Of the whole train; less than two: it is an ordinary frame. */
  frames = 0;
  /** Bytes of the headers that all of them repeat, with the virtio header: where a frame's payload begins. */
  front = 0;
  private view: DataView = NO_BYTES;
  private at = 0;
  /** Of the first frame, and of all others but the last. */
  private size = 0;
  private payload = 0;
  private nextSeq = 0;
  private pushed = false;

  /** Is the frame the first of a train? It is written, or what it has become if others join. */
  begins(view: DataView, at: number, len: number): boolean {
    const front = frontOf(view, at, len);
    this.open = false;
    this.frames = 1;
    if (front === 0) return false;
    const l4 = at + view.getUint16(at + VIRTIO_NET_CSUM_START, true) + VIRTIO_NET_HDR_LEN;
    this.view = view;
    this.at = at;
    this.front = front;
    this.size = len - front;
    this.payload = this.size;
    this.nextSeq = (view.getInt32(l4 + TCP_SEQ) + this.size) | 0;
    this.pushed = false;
    this.open = view.getUint8(l4 + TCP_FLAGS) === TH_ACK;
    return this.open;
  }

  /** Does the frame join? Then it is not written: its bytes from `front` on are the train's. Only of an open train. */
  joins(view: DataView, at: number, len: number): boolean {
    const size = len - this.front;
    if (size <= 0 || size > this.size || this.frames === TRAIN_FRAMES_MAX || this.front + this.payload + size > PACKET_MAX || frontOf(view, at, len) !== this.front || !this.isNext(view, at)) return false;
    const l4 = at + view.getUint16(at + VIRTIO_NET_CSUM_START, true) + VIRTIO_NET_HDR_LEN;
    this.frames++;
    this.payload += size;
    this.nextSeq = (this.nextSeq + size) | 0;
    this.pushed = (view.getUint8(l4 + TCP_FLAGS) & TH_PUSH) !== 0;
    this.open = size === this.size && !this.pushed;
    return true;
  }

  /** No other joins. Makes the first frame's headers those of all. */
  finish(): void {
    this.open = false;
    if (this.frames < 2) return;
    const { view, at } = this;
    const start = view.getUint16(at + VIRTIO_NET_CSUM_START, true);
    const l3 = at + VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN;
    const l4 = at + VIRTIO_NET_HDR_LEN + start;
    const isIp4 = l4 - l3 === IP4_HDR_LEN;
    const more = this.payload - this.size;
    view.setUint8(at + VIRTIO_NET_GSO_TYPE, isIp4 ? VIRTIO_NET_GSO_TCPV4 : VIRTIO_NET_GSO_TCPV6);
    view.setUint16(at + VIRTIO_NET_HDR_LEN_AT, this.front - VIRTIO_NET_HDR_LEN, true);
    view.setUint16(at + VIRTIO_NET_GSO_SIZE, this.size, true);
    const lengthAt = isIp4 ? l3 + IP4_LEN : l3 + IP6_PLEN;
    view.setUint16(lengthAt, view.getUint16(lengthAt) + more);
    if (isIp4) ip4PutSum(view, l3, IP4_HDR_LEN);
    // The sum of the pseudo-header is there already, with the first one's length in it.
    view.setUint16(l4 + TCP_SUM, cksumFold(view.getUint16(l4 + TCP_SUM) + more));
    if (this.pushed) view.setUint8(l4 + TCP_FLAGS, TH_ACK | TH_PUSH);
    this.frames = 0;
  }

  /** Is the frame, which is fit for some train, alike to the first in all that is not to follow from it? */
  private isNext(view: DataView, at: number): boolean {
    const first = this.view;
    const to = this.at;
    if (first.getInt32(to + VIRTIO_NET_CSUM_START) !== view.getInt32(at + VIRTIO_NET_CSUM_START)) return false;
    const frame = VIRTIO_NET_HDR_LEN;
    const l3 = frame + ETHER_HDR_LEN;
    const l4 = frame + view.getUint16(at + VIRTIO_NET_CSUM_START, true);
    // Link addresses, type, version, traffic class and half of a flow label.
    if (!isAlike(first, to, view, at, frame, l3 + SHIFT_TO_WORD)) return false;
    if (l4 - l3 === IP4_HDR_LEN) {
      if (view.getInt32(at + l3 + IP4_OFF) !== first.getInt32(to + l3 + IP4_OFF)) return false;
      const off = view.getUint16(at + l3 + IP4_OFF);
      if ((off & IP_DF) === 0 && view.getUint16(at + l3 + IP4_ID) !== ((first.getUint16(to + l3 + IP4_ID) + this.frames) & 0xffff)) return false;
      if (!isAlike(first, to, view, at, l3 + IP4_SRC, l4 + TCP_SEQ)) return false;
    } else {
      if (view.getUint16(at + l3 + SHIFT_TO_WORD) !== first.getUint16(to + l3 + SHIFT_TO_WORD) || view.getUint16(at + l3 + IP6_NXT) !== first.getUint16(to + l3 + IP6_NXT)) return false;
      if (!isAlike(first, to, view, at, l3 + IP6_SRC, l4 + TCP_SEQ)) return false;
    }
    return view.getInt32(at + l4 + TCP_SEQ) === this.nextSeq && view.getInt32(at + l4 + TCP_ACK) === first.getInt32(to + l4 + TCP_ACK)
      && ((view.getInt32(at + l4 + TCP_OFF) ^ first.getInt32(to + l4 + TCP_OFF)) & ~PUSH_IN_WORD) === 0
      && view.getUint16(at + l4 + TCP_URP) === first.getUint16(to + l4 + TCP_URP) && isAlike(first, to, view, at, l4 + TCP_HDR_LEN, this.front);
  }
}

const NO_BYTES = new DataView(new ArrayBuffer(0));

/** Have both frames the same words from `from` to `to`? */
function isAlike(a: DataView, atA: number, b: DataView, atB: number, from: number, to: number): boolean {
  for (let i = from; i < to; i += 4) if (a.getInt32(atA + i) !== b.getInt32(atB + i)) return false;
  return true;
}

/** Where the payload of a frame begins that is fit for a train: data of TCP, plainly, with nothing but its checksum undone; 0: it is none. */
function frontOf(view: DataView, at: number, len: number): number {
  const l3 = at + VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN;
  if (len < VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN || view.getUint8(at + VIRTIO_NET_FLAGS) !== VIRTIO_NET_F_NEEDS_CSUM || view.getUint8(at + VIRTIO_NET_GSO_TYPE) !== VIRTIO_NET_GSO_NONE) return 0;
  const type = view.getUint16(l3 - ETHER_HDR_LEN + ETHER_TYPE);
  const header = type === ETHERTYPE_IP ? plain4(view, l3) : type === ETHERTYPE_IPV6 ? plain6(view, l3, len) : 0;
  if (header === 0 || view.getUint16(at + VIRTIO_NET_CSUM_START, true) !== ETHER_HDR_LEN + header || view.getUint16(at + VIRTIO_NET_CSUM_OFFSET, true) !== TCP_SUM) return 0;
  const total = type === ETHERTYPE_IP ? view.getUint16(l3 + IP4_LEN) : IP6_HDR_LEN + view.getUint16(l3 + IP6_PLEN);
  const l4 = l3 + header;
  const front = l4 - at + ((view.getUint8(l4 + TCP_OFF) >>> 4) << 2);
  // Bytes behind the packet would become data.
  if (l3 + total !== at + len || front < l4 - at + TCP_HDR_LEN || front >= len) return 0;
  return (view.getUint8(l4 + TCP_FLAGS) & ~TH_PUSH) === TH_ACK ? front : 0;
}

/** Length of an IPv4 header without options, of no fragment, before TCP; 0. */
function plain4(view: DataView, l3: number): number {
  return view.getUint8(l3) === 0x45 && (view.getUint16(l3 + IP4_OFF) & (IP_MF | IP_OFFMASK)) === 0 && view.getUint8(l3 + IP4_P) === IPPROTO_TCP ? IP4_HDR_LEN : 0;
}

/** Length of an IPv6 header with TCP's behind it; 0. */
function plain6(view: DataView, l3: number, len: number): number {
  return len >= VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN + IP6_HDR_LEN + TCP_HDR_LEN && view.getUint8(l3) >>> 4 === 6 && view.getUint8(l3 + IP6_NXT) === IPPROTO_TCP ? IP6_HDR_LEN : 0;
}
