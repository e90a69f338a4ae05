/**
 * connection.ts — the connection that a script is about, and the difference between what the script says and what is on the wire.
 * Read first: `run_packet.c` of packetdrill, for what its scripts may take for granted.
 *
 * Theory of operation. A script counts sequence numbers from the initial ones, leaves ports and addresses out, and has timestamps
 * of its own. The Connection learns the real ones from the first packets and translates: `toLive` for what the script sends,
 * `toScript` for what the stack sent. A SYN's own number is taken as it is on the way in, and defines the script's on the way out.
 * A script is about one connection at a time: the last one that was made.
 *
 * Timestamps: the value of an outbound packet is remembered under the value that the script gave it, so that an inbound echo of the one
 * becomes an echo of the other.
 */
import { TCPOPT_SACK, TCPOPT_TIMESTAMP, TH_ACK, TH_SYN } from '../../wire/tcp.js';
import { viewOf } from './ip-frame.js';
import type { IpBytes } from './peer-address.js';
import type { TcpSpec } from './script.js';
import { streamBytes } from './stream-pattern.js';
import { optionsOf } from './tcp-option-syntax.js';
import type { TcpSegment } from './tcp-segment.js';

/** How far a connection is, as far as the script's packets tell. */
export type ConnectionPhase = 'new' | 'listening' | 'connecting' | 'syn sent' | 'packet received' | 'syn-ack sent' | 'open';

export interface Endpoint {
  readonly ip: IpBytes;
  readonly port: number;
}

const TS_VAL = 2;
const TS_ECR = 6;

export class Connection {
  readonly protocol: 'tcp' | 'udp';
  phase: ConnectionPhase = 'new';
  local: Endpoint | null = null;
  remote: Endpoint | null = null;
  private localIsn = 0;
  private scriptLocalIsn = 0;
  private remoteIsn = 0;
  private readonly tsVals = new Map<number, number>();
  private firstScriptVal = 0;
  private firstLiveVal = 0;

  constructor(protocol: 'tcp' | 'udp') {
    this.protocol = protocol;
  }

  /** The script's first packet to a listener, or to nobody: it says which number it starts from. */
  received(spec: TcpSpec): void {
    this.phase = 'packet received';
    this.remoteIsn = spec.seq ?? 0;
  }

  /** The stack's first packet of this connection was `live`, and the script calls its number `seq`. */
  sent(seq: number, live: number): void {
    this.scriptLocalIsn = seq;
    this.localIsn = live;
  }

  /** The answer to our SYN is about to arrive. */
  answered(spec: TcpSpec): void {
    this.phase = 'open';
    this.remoteIsn = spec.seq ?? 0;
  }

  private localOffset(flags: number): number {
    return (flags & TH_SYN) === 0 ? this.localIsn : this.localIsn - this.scriptLocalIsn;
  }

  private remoteOffset(flags: number): number {
    return (flags & TH_SYN) === 0 ? this.remoteIsn : 0;
  }

  /** The segment that `spec` means, as it goes onto the wire; a text when it cannot be made. */
  toLive(spec: TcpSpec, scaledEcr: boolean): TcpSegment | string {
    const options = (spec.options ?? new Uint8Array(0)).slice();
    const isAck = (spec.flags & TH_ACK) !== 0;
    const seq = spec.seq ?? 0;
    const absolute = spec.absolute;
    for (const { kind, at, length } of optionsOf(options)) {
      if (kind === TCPOPT_SACK && !absolute) shiftBlocks(options, at, length, this.localOffset(spec.flags));
      if (kind !== TCPOPT_TIMESTAMP || !isAck) continue;
      const view = viewOf(options);
      const ecr = view.getUint32(at + TS_ECR);
      const live = this.tsVals.get(ecr);
      if (live === undefined && !scaledEcr) return `no outbound packet had the timestamp ${ecr} that this one echoes`;
      view.setUint32(at + TS_ECR, live ?? ecr - this.firstScriptVal + this.firstLiveVal);
    }
    return {
      sport: spec.srcPort === 0 ? (this.remote?.port ?? 0) : spec.srcPort,
      dport: spec.dstPort === 0 ? (this.local?.port ?? 0) : spec.dstPort,
      seq: (absolute ? seq : seq + this.remoteOffset(spec.flags)) >>> 0,
      ack: (isAck && !absolute ? spec.ack + this.localOffset(spec.flags) : spec.ack) >>> 0,
      flags: spec.flags,
      win: spec.win ?? 0,
      urp: spec.urp,
      options,
      data: streamBytes(this.placeOf(spec.flags, seq), spec.payload),
    };
  }

  /** A segment of the stack in the numbers of the script. `spec`, when there is one, is the packet the script expects now. */
  toScript(live: TcpSegment, spec: TcpSpec | null): TcpSegment {
    const options = live.options.slice();
    const absolute = spec?.absolute === true;
    for (const { kind, at, length } of optionsOf(options)) {
      if (kind === TCPOPT_SACK && !absolute) shiftBlocks(options, at, length, -this.remoteOffset(live.flags));
      if (kind === TCPOPT_TIMESTAMP) {
        const view = viewOf(options);
        const val = view.getUint32(at + TS_VAL);
        if (spec?.options !== null && spec !== null) this.learnVal(spec.options, val);
        if (this.tsVals.size > 0) view.setUint32(at + TS_VAL, val - this.firstLiveVal + this.firstScriptVal);
      }
    }
    return {
      ...live,
      seq: (absolute ? live.seq : live.seq - this.localOffset(live.flags)) >>> 0,
      ack: (live.flags & TH_ACK) === 0 || absolute ? live.ack : (live.ack - this.remoteOffset(live.flags)) >>> 0,
      options,
    };
  }

  private learnVal(expected: Uint8Array, live: number): void {
    const ts = optionsOf(expected).find(({ kind }) => kind === TCPOPT_TIMESTAMP);
    if (ts === undefined) return;
    const val = viewOf(expected).getUint32(ts.at + TS_VAL);
    if (this.tsVals.size === 0) {
      this.firstScriptVal = val;
      this.firstLiveVal = live;
    }
    this.tsVals.set(val, live);
  }

  /** The place in its stream of the first data byte of a segment with the script's number `seq`. */
  placeOf(flags: number, seq: number): number {
    return (flags & TH_SYN) === 0 ? seq - 1 : 0;
  }

  /** A sequence number of ours, from the script's to the wire's: for what ICMP errors quote. */
  liveSeq(seq: number): number {
    return (seq + this.localIsn) >>> 0;
  }
}

function shiftBlocks(options: Uint8Array, at: number, length: number, offset: number): void {
  const view = viewOf(options);
  for (let edge = at + 2; edge + 4 <= at + length; edge += 4) view.setUint32(edge, view.getUint32(edge) + offset);
}
