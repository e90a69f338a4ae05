/**
 * test-tcp-frames.ts — for tests of trains: frames of a TCP connection as a device with virtio headers hands them over, and how whoever gets a segment cuts it.
 * Read first: frame-train.ts; virtio 1.2 §5.1.6.2.
 *
 * `cut` and `sum` are written from the standards and know nothing of the code that they are to judge.
 */
import {
  ETHER_HDR_LEN, ETHERTYPE_IP, ETHERTYPE_IPV6, IP4_HDR_LEN, IP4_ID, IP4_LEN, IP6_DST, IP6_HDR_LEN, IP6_PLEN, IP6_SRC, IPPROTO_TCP, TCP_FLAGS, TCP_HDR_LEN, TCP_SEQ, TCP_SUM, TH_ACK, VIRTIO_NET_CSUM_OFFSET,
  VIRTIO_NET_CSUM_START, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_SIZE, VIRTIO_NET_GSO_TYPE, VIRTIO_NET_HDR_LEN, VIRTIO_NET_HDR_LEN_AT, cksumPseudo4, cksumPseudo6, etherEmit, inCksum, ip4Emit, ip4PutSum,
  ip6Emit, tcpEmit,
} from '@netloom/core/wire';

/** What a frame is unless a test says otherwise: 1,000 bytes of data over IPv4, don't fragment, timestamps. */
export interface TcpFrame {
  readonly family: 4 | 6;
  readonly id: number;
  /** Of IPv4: IP_DF and fragments. */
  readonly off: number;
  readonly tos: number;
  readonly ttl: number;
  readonly dst: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly win: number;
  readonly urp: number;
  /** Twelve bytes of options: the value of the timestamp among them. */
  readonly stamp: number;
  readonly size: number;
  /** Bytes behind the packet. */
  readonly padding: number;
  /** False: its checksum is there already. */
  readonly undone: boolean;
}

export const DATA: TcpFrame = { family: 4, id: 100, off: 0x4000, tos: 0, ttl: 64, dst: 2, seq: 1, ack: 1, flags: TH_ACK, win: 500, urp: 0, stamp: 7, size: 1_000, padding: 0, undone: true };

const TCP_LEN = TCP_HDR_LEN + 12;

/** The frame's bytes, its virtio header first. Data is what its sequence numbers say. */
export function frameOf(f: TcpFrame): Uint8Array {
  const ip = f.family === 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
  const l3 = VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN;
  const l4 = l3 + ip;
  const tcp = TCP_LEN + f.size;
  const bytes = new Uint8Array(l4 + tcp + f.padding);
  const view = new DataView(bytes.buffer);
  etherEmit(view, VIRTIO_NET_HDR_LEN, 0x0200, f.dst, 0x0200, 1, f.family === 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
  if (f.family === 4) {
    ip4Emit(view, l3, IP4_HDR_LEN, f.tos, ip + tcp, f.id, f.off, f.ttl, IPPROTO_TCP, 0x0a000001, 0x0a000000 | f.dst);
  } else {
    ip6Emit(view, l3, f.tos, 0x12345, tcp, IPPROTO_TCP, f.ttl);
    view.setUint32(l3 + IP6_SRC, 0x20010db8);
    view.setUint32(l3 + IP6_DST, 0x20010db8);
    view.setUint32(l3 + IP6_DST + 12, f.dst);
  }
  tcpEmit(view, l4, 4_000, 80, f.seq, f.ack, TCP_LEN, f.flags, f.win, f.urp);
  view.setUint32(l4 + TCP_HDR_LEN, 0x0101080a);
  view.setUint32(l4 + TCP_HDR_LEN + 4, f.stamp);
  for (let i = 0; i < f.size; i++) bytes[l4 + TCP_LEN + i] = (f.seq + i) * 7;
  view.setUint16(l4 + TCP_SUM, pseudo(view, f.family, tcp));
  if (f.undone) {
    view.setUint8(0, VIRTIO_NET_F_NEEDS_CSUM);
    view.setUint16(VIRTIO_NET_CSUM_START, ETHER_HDR_LEN + ip, true);
    view.setUint16(VIRTIO_NET_CSUM_OFFSET, TCP_SUM, true);
  } else {
    sum(bytes.subarray(0, l4 + tcp), ETHER_HDR_LEN + ip);
  }
  return bytes;
}

function pseudo(view: DataView, family: 4 | 6, tcpLen: number): number {
  const l3 = VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN;
  return family === 4 ? cksumPseudo4(view.getUint32(l3 + 12), view.getUint32(l3 + 16), IPPROTO_TCP, tcpLen) : cksumPseudo6(view, l3 + IP6_SRC, l3 + IP6_DST, IPPROTO_TCP, tcpLen);
}

/** Does what NEEDS_CSUM says. */
function sum(bytes: Uint8Array, start: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const l4 = VIRTIO_NET_HDR_LEN + start;
  view.setUint16(l4 + TCP_SUM, inCksum(view, l4, bytes.length - l4));
}

/** What is on the wire when the frame has been cut and summed: frames without virtio headers. */
export function cut(frame: Uint8Array): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const start = view.getUint16(VIRTIO_NET_CSUM_START, true);
  const gso = view.getUint8(VIRTIO_NET_GSO_TYPE);
  if (gso === 0) {
    const whole = frame.slice();
    if (view.getUint8(0) === VIRTIO_NET_F_NEEDS_CSUM) sum(whole, start);
    return [whole.subarray(VIRTIO_NET_HDR_LEN)];
  }
  const headers = VIRTIO_NET_HDR_LEN + view.getUint16(VIRTIO_NET_HDR_LEN_AT, true);
  const size = view.getUint16(VIRTIO_NET_GSO_SIZE, true);
  const pieces: Uint8Array[] = [];
  for (let at = headers; at < frame.length; at += size) pieces.push(piece(frame, headers, at - headers, frame.subarray(at, at + size), start, pieces.length, at + size >= frame.length));
  return pieces;
}

/** The piece number `n`, `data` of a segment from byte `from` of its payload on. */
function piece(frame: Uint8Array, headers: number, from: number, data: Uint8Array, start: number, n: number, isLast: boolean): Uint8Array {
  const bytes = new Uint8Array(headers + data.length);
  bytes.set(frame.subarray(0, headers));
  bytes.set(data, headers);
  const view = new DataView(bytes.buffer);
  const l3 = VIRTIO_NET_HDR_LEN + ETHER_HDR_LEN;
  const l4 = VIRTIO_NET_HDR_LEN + start;
  const tcpLen = bytes.length - l4;
  const family = l4 - l3 === IP4_HDR_LEN ? 4 : 6;
  if (family === 4) {
    view.setUint16(l3 + IP4_LEN, bytes.length - l3);
    view.setUint16(l3 + IP4_ID, view.getUint16(l3 + IP4_ID) + n);
    ip4PutSum(view, l3, IP4_HDR_LEN);
  } else {
    view.setUint16(l3 + IP6_PLEN, tcpLen);
  }
  view.setUint32(l4 + TCP_SEQ, view.getUint32(l4 + TCP_SEQ) + from);
  if (!isLast) view.setUint8(l4 + TCP_FLAGS, view.getUint8(l4 + TCP_FLAGS) & ~0x09);
  view.setUint16(l4 + TCP_SUM, pseudo(view, family, tcpLen));
  sum(bytes, start);
  return bytes.subarray(VIRTIO_NET_HDR_LEN);
}
