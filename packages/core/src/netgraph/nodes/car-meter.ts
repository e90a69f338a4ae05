/**
 * car-meter.ts — CarMeter: two token buckets, and the colour they give a packet.
 * Read first: RFC 2697 §3 (single rate, three colours), RFC 2698 §3 (two rates, three colours); ng_car(4).
 *
 * Theory of operation. `tc` holds tokens of the committed rate, at most `cbs`; what it has no room for goes to `te`, at most `ebs` (mode 0), or `te` has a rate
 * of its own (mode 1). Buckets are filled when a packet finds none. A packet that `tc` covers is green, one that `te` covers yellow, others red.
 * In mode RED `tc` may go below zero and `te` adds up by how much it has: when that passes `ebs` a packet is red and the sum begins anew, so that drops become
 * likelier and never come in rows. In mode SHAPE `te` does the same for the queue (car.ts).
 * A token is a byte; with COUNT_PACKETS a packet is 128 tokens, and rates and bursts are scaled so that they mean packets.
 *
 * Invariant: fractions of a token are carried to the next refill, so that a rate is exact however often that is.
 *
 * @rfc 2697 yes
 */
import type { Micros } from '../../base/time.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ngWireLen } from '../ng-offload.js';
import { QOS_COLOR_GREEN, QOS_COLOR_RED, QOS_COLOR_YELLOW } from '../qos-tag.js';

const CAR_SINGLE_RATE = 0;
const CAR_DOUBLE_RATE = 1;
const CAR_RED = 2;
export const CAR_SHAPE = 3;

/** Bits of `opt`. */
const CAR_COLOR_AWARE = 1;
const CAR_COUNT_PACKETS = 2;

const PACKET_TOKENS = 128;
const BITS_PER_TOKEN = 8;
const US_BITS_PER_TOKEN = 8_000_000;
const RATE_MAX = 1_000_000_000;
/** No more than so long is made up for at once. */
const REFILL_MAX_US = 1_000_000_000;

const BURST_DEFAULT = 8_192;
const CIR_DEFAULT = 10_240;

export interface CarConfig {
  readonly cbs: number;
  readonly ebs: number;
  readonly cir: number;
  readonly pir: number;
  readonly greenAction: number;
  readonly yellowAction: number;
  readonly redAction: number;
  readonly mode: number;
  readonly opt: number;
}

export function carDefaults(): CarConfig {
  return { cbs: BURST_DEFAULT, ebs: BURST_DEFAULT, cir: CIR_DEFAULT, pir: 0, greenAction: 1, yellowAction: 1, redAction: 2, mode: CAR_SINGLE_RATE, opt: 0 };
}

/** A configuration that counts packets, in tokens (`direction` 1), or in packets again (-1). */
export function carScale(config: CarConfig, direction: 1 | -1): CarConfig {
  if ((config.opt & CAR_COUNT_PACKETS) === 0) return config;
  const scaled = (n: number, by: number): number => (direction === 1 ? n * by : Math.floor(n / by));
  const { cbs, ebs, cir, pir } = config;
  const rate = PACKET_TOKENS * BITS_PER_TOKEN;
  return { ...config, cbs: scaled(cbs, PACKET_TOKENS), ebs: scaled(ebs, PACKET_TOKENS), cir: scaled(cir, rate), pir: scaled(pir, rate) };
}

export function carIsLegal({ cbs, ebs, cir, pir, mode }: CarConfig): boolean {
  return cir <= RATE_MAX && pir <= RATE_MAX && (cbs !== 0 || ebs !== 0) && (mode !== CAR_SHAPE || cir !== 0);
}

export class CarMeter {
  config = carDefaults();
  tc = 0;
  te = 0;
  private refilledAt: Micros = 0;
  /** Of a token, in bits times microseconds. */
  private tcRest = 0;
  private teRest = 0;

  configure(config: CarConfig, now: Micros): void {
    this.config = config;
    this.tc = config.cbs;
    this.te = config.mode === CAR_RED || config.mode === CAR_SHAPE ? 0 : config.ebs;
    this.tcRest = 0;
    this.teRest = 0;
    this.refilledAt = now;
  }

  get isColorAware(): boolean {
    return (this.config.opt & CAR_COLOR_AWARE) !== 0;
  }

  tokensOf(m: PacketBuffer): number {
    return (this.config.opt & CAR_COUNT_PACKETS) !== 0 ? PACKET_TOKENS : ngWireLen(m);
  }

  /** Colour of a packet that had the colour `before`; takes its tokens. In mode SHAPE whatever is not green is red. */
  color(m: PacketBuffer, before: number, now: Micros): number {
    const len = this.tokensOf(m);
    if (before <= QOS_COLOR_GREEN) {
      if (this.tc < len) this.refill(now);
      if (this.tc >= len) {
        this.tc -= len;
        return QOS_COLOR_GREEN;
      }
    } else {
      this.refill(now);
    }
    const { mode } = this.config;
    if (mode === CAR_SHAPE) return QOS_COLOR_RED;
    if (mode === CAR_RED) return this.redColor(len, before);
    if (this.te < len || before > QOS_COLOR_YELLOW) return QOS_COLOR_RED;
    this.te -= len;
    return QOS_COLOR_YELLOW;
  }

  /** The sums are unsigned: one that is below zero, which only a packet of another colour can make it, counts as too much. */
  private redColor(len: number, before: number): number {
    const { ebs } = this.config;
    const over = len - (this.tc - len);
    const sum = this.te + (len - this.tc);
    if (over < 0 || over > ebs || before >= QOS_COLOR_RED || sum < 0 || sum >= ebs) {
      this.te = 0;
      return QOS_COLOR_RED;
    }
    this.te = sum;
    this.tc -= len;
    return QOS_COLOR_YELLOW;
  }

  refill(now: Micros): void {
    const dt = Math.min(now - this.refilledAt, REFILL_MAX_US);
    const { cbs, ebs, cir, pir, mode } = this.config;
    this.refilledAt = now;
    const got = this.tcRest + cir * dt;
    const tokens = Math.floor(got / US_BITS_PER_TOKEN);
    this.tcRest = got - tokens * US_BITS_PER_TOKEN;
    this.tc += tokens;
    const spilt = this.tc - cbs;
    if (spilt > 0) this.tc = cbs;
    if (mode === CAR_SINGLE_RATE) {
      if (spilt > 0) this.te = Math.min(this.te + spilt, ebs);
    } else if (mode === CAR_DOUBLE_RATE) {
      const peak = this.teRest + pir * dt;
      const peakTokens = Math.floor(peak / US_BITS_PER_TOKEN);
      this.teRest = peak - peakTokens * US_BITS_PER_TOKEN;
      this.te = Math.min(this.te + peakTokens, ebs);
    }
  }

  /** How long until `tc` is not below zero any more. */
  usUntilTokens(): Micros {
    const { cir } = this.config;
    if (cir === 0) return REFILL_MAX_US;
    return Math.max(0, Math.ceil((-this.tc * US_BITS_PER_TOKEN - this.tcRest) / cir));
  }
}
