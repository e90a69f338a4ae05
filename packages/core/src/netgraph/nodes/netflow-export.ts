/**
 * netflow-export.ts — NetflowExport: datagrams of NetFlow version 5 and 9 for the flows of one FIB.
 * Read first: RFC 3954 §5 (formats), §7 (templates); Cisco's format of version 5.
 *
 * Theory of operation. A flow that has ended is written into the datagram that is open, which goes when it is full: version 5 has thirty records of IPv4, version 9
 * as many as the MTU lets in. Version 9 says in templates what its records are: in the first datagram, and again after so much time, or so many datagrams.
 *
 * Invariant: `open5` and `open9` are packets of the pool, or null; `close` sends them, `purge` frees them.
 *
 * @rfc 3954 partial "exporter; templates 256 (IPv4) and 259 (IPv6), no options templates"
 */
import { US_PER_SEC } from '../../base/time.js';
import { HEADROOM } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer, PacketPool } from '../../mbuf/packet-buffer.js';
import type { NetflowEntry } from './netflow-cache.js';

const V5_HDR_LEN = 24;
const V5_RECORD_LEN = 48;
const V5_RECORDS = 30;

const V9_HDR_LEN = 20;
const V9_FLOWSET_HDR_LEN = 4;
const V9_RECORD4_LEN = 57;
const V9_RECORD6_LEN = 93;
export const NETFLOW_TEMPLATE4 = 256;
export const NETFLOW_TEMPLATE6 = 259;
/** What IPv6, UDP and options take of the MTU. */
const V9_MTU_TAKEN = 64;
/** Room beside the MTU for what a datagram holds at least: templates and a record. */
const V9_SPARE = 512;

/** Fields of the templates: number in RFC 3954, and bytes. */
const COMMON_FIELDS: readonly (readonly [number, number])[] = [
  [10, 2], [14, 2], [2, 4], [1, 4], [24, 4], [23, 4], [22, 4], [21, 4], [7, 2], [11, 2], [6, 1], [4, 1], [5, 1], [16, 4], [17, 4], [9, 1], [13, 1],
];
const FIELDS4: readonly (readonly [number, number])[] = [[8, 4], [12, 4], [15, 4], ...COMMON_FIELDS];
const FIELDS6: readonly (readonly [number, number])[] = [[27, 16], [28, 16], [62, 16], ...COMMON_FIELDS];

/** What all exporters of a node are told. */
export interface NetflowExportUser {
  readonly pool: PacketPool;
  /** Since the kernel began. */
  readonly seconds: number;
  /** Unix time, microseconds. */
  readonly wallUs: number;
  readonly mtu: number;
  readonly templateSeconds: number;
  readonly templatePackets: number;
  send5(m: PacketBuffer): void;
  send9(m: PacketBuffer): void;
  /** No packet was to be had for a record. */
  failed5(): void;
  failed9(): void;
}

export class NetflowExport {
  readonly fib: number;
  private readonly user: NetflowExportUser;
  private open5: PacketBuffer | null = null;
  private count5 = 0;
  private seq5 = 0;
  private open9: PacketBuffer | null = null;
  private count9 = 0;
  private seq9 = 0;
  /** Length that the open datagram may have. */
  private max9 = 0;
  /** Where the open flowset begins, from the datagram's first byte, and its template; 0: none is open. */
  private flowset = 0;
  private template = 0;
  /** When templates were sent last, and how many datagrams had been sent then; -1: never. */
  private templatesAt = -1;
  private templatesSent = 0;

  constructor(user: NetflowExportUser, fib: number) {
    this.user = user;
    this.fib = fib;
  }

  /** Datagrams that are not full yet. */
  get held(): number {
    return (this.open5 === null ? 0 : 1) + (this.open9 === null ? 0 : 1);
  }

  // Version 5.

  add5(e: NetflowEntry): void {
    const m = this.open5 ?? this.user.pool.alloc(V5_HDR_LEN + V5_RECORDS * V5_RECORD_LEN);
    this.open5 = m;
    if (m === null) {
      this.user.failed5();
      return;
    }
    const { view: v } = m;
    const at = m.off + V5_HDR_LEN + this.count5 * V5_RECORD_LEN;
    const { key } = e;
    v.setUint32(at, key.s3);
    v.setUint32(at + 4, key.d3);
    v.setUint32(at + 8, e.n3);
    v.setUint16(at + 12, key.inputIf);
    v.setUint16(at + 14, e.outputIf);
    v.setUint32(at + 16, e.packets);
    v.setUint32(at + 20, e.bytes);
    v.setUint32(at + 24, e.first * 1_000);
    v.setUint32(at + 28, e.last * 1_000);
    v.setUint16(at + 32, key.sport);
    v.setUint16(at + 34, key.dport);
    v.setUint8(at + 36, 0);
    v.setUint8(at + 37, e.tcpFlags);
    v.setUint8(at + 38, key.proto);
    v.setUint8(at + 39, key.tos);
    v.setUint32(at + 40, 0);
    v.setUint8(at + 44, e.srcMask);
    v.setUint8(at + 45, e.dstMask);
    v.setUint16(at + 46, 0);
    if (++this.count5 === V5_RECORDS) this.send5();
  }

  private send5(): void {
    const m = this.open5;
    if (m === null) return;
    const { user, count5 } = this;
    const { view: v, off } = m;
    m.len = V5_HDR_LEN + count5 * V5_RECORD_LEN;
    v.setUint16(off, 5);
    v.setUint16(off + 2, count5);
    v.setUint32(off + 4, user.seconds * 1_000);
    v.setUint32(off + 8, Math.floor(user.wallUs / US_PER_SEC));
    v.setUint32(off + 12, (user.wallUs % US_PER_SEC) * 1_000);
    v.setUint32(off + 16, this.seq5);
    v.setUint8(off + 20, 0);
    v.setUint8(off + 21, this.fib);
    v.setUint16(off + 22, 0);
    this.seq5 = (this.seq5 + count5) >>> 0;
    this.open5 = null;
    this.count5 = 0;
    user.send5(m);
  }

  // Version 9.

  add9(e: NetflowEntry): void {
    const m = this.open9 ?? this.begin9();
    if (m === null) {
      this.user.failed9();
      return;
    }
    const isIp4 = e.key.version === 4;
    const template = isIp4 ? NETFLOW_TEMPLATE4 : NETFLOW_TEMPLATE6;
    if (template !== this.template) this.beginFlowset(m, template);
    const at = m.off + m.len;
    m.len += isIp4 ? V9_RECORD4_LEN : V9_RECORD6_LEN;
    putRecord9(m.view, isIp4 ? putAddrs4(m.view, at, e) : putAddrs6(m.view, at, e), e);
    this.count9++;
    if (m.len + V9_RECORD6_LEN + V9_FLOWSET_HDR_LEN >= this.max9) this.send9();
  }

  private begin9(): PacketBuffer | null {
    const { user } = this;
    const m = user.pool.alloc(user.mtu + V9_SPARE, HEADROOM);
    if (m === null) return null;
    this.open9 = m;
    this.count9 = 0;
    this.template = 0;
    this.max9 = user.mtu - V9_MTU_TAKEN;
    m.len = V9_HDR_LEN;
    const { seconds } = user;
    if (this.templatesAt >= 0 && seconds < this.templatesAt + user.templateSeconds && this.seq9 < this.templatesSent + user.templatePackets) return m;
    this.templatesAt = seconds;
    this.templatesSent = this.seq9;
    putTemplates(m);
    this.count9 = 2;
    return m;
  }

  private beginFlowset(m: PacketBuffer, template: number): void {
    this.endFlowset(m);
    this.template = template;
    this.flowset = m.len;
    m.view.setUint16(m.off + m.len, template);
    m.len += V9_FLOWSET_HDR_LEN;
  }

  /** A flowset is a multiple of four bytes long. */
  private endFlowset(m: PacketBuffer): void {
    if (this.template === 0) return;
    while ((m.len - this.flowset) % 4 !== 0) m.view.setUint8(m.off + m.len++, 0);
    m.view.setUint16(m.off + this.flowset + 2, m.len - this.flowset);
  }

  private send9(): void {
    const m = this.open9;
    if (m === null) return;
    const { user } = this;
    this.endFlowset(m);
    const { view: v, off } = m;
    v.setUint16(off, 9);
    v.setUint16(off + 2, this.count9);
    v.setUint32(off + 4, user.seconds * 1_000);
    v.setUint32(off + 8, Math.floor(user.wallUs / US_PER_SEC));
    v.setUint32(off + 12, this.seq9);
    v.setUint32(off + 16, this.fib);
    this.seq9 = (this.seq9 + 1) >>> 0;
    this.open9 = null;
    user.send9(m);
  }

  /** Sends what is open. */
  close(): void {
    this.send5();
    this.send9();
  }

  purge(): void {
    this.open5?.free();
    this.open9?.free();
    this.open5 = null;
    this.open9 = null;
  }
}

function putTemplates(m: PacketBuffer): void {
  const v = m.view;
  const start = m.off + m.len;
  let at = start + V9_FLOWSET_HDR_LEN;
  for (const [id, fields] of [[NETFLOW_TEMPLATE4, FIELDS4], [NETFLOW_TEMPLATE6, FIELDS6]] as const) {
    v.setUint16(at, id);
    v.setUint16(at + 2, fields.length);
    at += 4;
    for (const [field, length] of fields) {
      v.setUint16(at, field);
      v.setUint16(at + 2, length);
      at += 4;
    }
  }
  v.setUint16(start, 0);
  v.setUint16(start + 2, at - start);
  m.len = at - m.off;
}

/** Both answer where the rest of the record begins. */
function putAddrs4(v: DataView, at: number, e: NetflowEntry): number {
  v.setUint32(at, e.key.s3);
  v.setUint32(at + 4, e.key.d3);
  v.setUint32(at + 8, e.n3);
  return at + 12;
}

function putAddrs6(v: DataView, at: number, e: NetflowEntry): number {
  const { key } = e;
  v.setUint32(at, key.s0);
  v.setUint32(at + 4, key.s1);
  v.setUint32(at + 8, key.s2);
  v.setUint32(at + 12, key.s3);
  v.setUint32(at + 16, key.d0);
  v.setUint32(at + 20, key.d1);
  v.setUint32(at + 24, key.d2);
  v.setUint32(at + 28, key.d3);
  v.setUint32(at + 32, e.n0);
  v.setUint32(at + 36, e.n1);
  v.setUint32(at + 40, e.n2);
  v.setUint32(at + 44, e.n3);
  return at + 48;
}

function putRecord9(v: DataView, at: number, e: NetflowEntry): void {
  const { key } = e;
  v.setUint16(at, key.inputIf);
  v.setUint16(at + 2, e.outputIf);
  v.setUint32(at + 4, e.packets);
  v.setUint32(at + 8, e.bytes);
  v.setUint32(at + 12, 0);
  v.setUint32(at + 16, 0);
  v.setUint32(at + 20, e.first * 1_000);
  v.setUint32(at + 24, e.last * 1_000);
  v.setUint16(at + 28, key.sport);
  v.setUint16(at + 30, key.dport);
  v.setUint8(at + 32, e.tcpFlags);
  v.setUint8(at + 33, key.proto);
  v.setUint8(at + 34, key.tos);
  v.setUint32(at + 35, 0);
  v.setUint32(at + 39, 0);
  v.setUint8(at + 43, e.srcMask);
  v.setUint8(at + 44, e.dstMask);
}
