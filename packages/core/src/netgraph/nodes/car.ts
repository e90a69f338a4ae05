/**
 * car.ts — ng_car(4): committed access rate: colours packets by token buckets, and forwards, drops or marks them by their colour.
 * Read first: ng_car(4), RFC 2697 (mode 0), RFC 2698 (mode 1); car-meter.ts.
 *
 * Theory of operation. What comes in by `upper` goes out by `lower` if the meter of that direction (downstream) lets it, and the other way round. A packet is
 * green, yellow or red, and what becomes of it is configured for each colour. In mode SHAPE packets that are not green wait instead, at most 99 of them, and
 * go when there are tokens; the fuller the queue, the likelier a drop.
 * A super-segment is cut first, because each of its packets has its own colour. A mark stays with the packet as long as it is in this process, and a
 * colour-aware meter begins with it.
 *
 * Invariant: a timer is armed while a queue is not empty.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import { Callout } from '../../kern/callout.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngSegment } from '../ng-offload.js';
import { ngDecode, ngEncode, ngStruct, ngUint64, ngUint8 } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';
import { QOS_COLOR_GREEN, QOS_COLOR_RED, QOS_COLOR_YELLOW, qosColor, qosMark } from '../qos-tag.js';
import { CAR_SHAPE, CarMeter, carDefaults, carIsLegal, carScale } from './car-meter.js';
import type { CarConfig } from './car-meter.js';

const NGM_CAR_COOKIE = 1_173_648_034;
const NGM_CAR_GET_CONF = 4;
const NGM_CAR_SET_CONF = 5;

const ACTION_FORWARD = 1;
const ACTION_MARK = 3;

/** Packets that wait are one fewer than that. */
const QUEUE_SIZE = 100;
/** Packets that wait without making a drop likelier. */
const QUEUE_MIN_TH = 8;

interface CarStats {
  passed: number;
  dropped: number;
  green: number;
  yellow: number;
  red: number;
  errors: number;
}

const hookStatsType = ngStruct<CarStats>({ passed: ngUint64, dropped: ngUint64, green: ngUint64, yellow: ngUint64, red: ngUint64, errors: ngUint64 });
const statsType = ngStruct({ upstream: hookStatsType, downstream: hookStatsType });
const STATS = new NgStatsCmds({ get: 1, clr: 2, getclr: 3 }, statsType);
const hookConfType = ngStruct<CarConfig>({
  cbs: ngUint64, ebs: ngUint64, cir: ngUint64, pir: ngUint64, greenAction: ngUint8, yellowAction: ngUint8, redAction: ngUint8, mode: ngUint8, opt: ngUint8,
});
const confType = ngStruct({ upstream: hookConfType, downstream: hookConfType });

const noStats = (): CarStats => ({ passed: 0, dropped: 0, green: 0, yellow: 0, red: 0, errors: 0 });

/** What comes in by a hook: its meter, and the queue of mode SHAPE. */
class CarSide {
  hook: Hook | null = null;
  readonly meter = new CarMeter();
  stats = noStats();
  /** The hook it goes out by is that of this one. */
  across: CarSide = this;
  readonly queue: (PacketBuffer | null)[] = [];
  private head = 0;
  length = 0;
  readonly timer: Callout;

  constructor(node: NgNode, due: (side: CarSide) => void) {
    const run = (): void => due(this);
    this.timer = new Callout(node.graph.kern, () => node.graph.enter(node, run));
  }

  push(m: PacketBuffer): void {
    this.queue[(this.head + this.length++) % QUEUE_SIZE] = m;
  }

  first(): PacketBuffer | null {
    return this.length === 0 ? null : this.queue[this.head]!;
  }

  shift(): PacketBuffer | null {
    const m = this.first();
    if (m === null) return null;
    this.queue[this.head] = null;
    this.head = (this.head + 1) % QUEUE_SIZE;
    this.length--;
    return m;
  }

  purge(): void {
    for (let m = this.shift(); m !== null; m = this.shift()) m.free();
  }
}

class CarNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly upper: CarSide;
  private readonly lower: CarSide;
  /** Of the super-segment that is being cut. */
  private cutting: CarSide | null = null;
  private cutError: Errno = 0;
  private readonly cut = (m: PacketBuffer): void => {
    if (this.cutting === null) m.free();
    else this.cutError = this.meter(this.cutting, m);
  };

  constructor(node: NgNode) {
    const due = (side: CarSide): void => this.due(side);
    this.node = node;
    this.upper = new CarSide(node, due);
    this.lower = new CarSide(node, due);
    this.upper.across = this.lower;
    this.lower.across = this.upper;
    for (const { meter } of [this.upper, this.lower]) meter.configure(carDefaults(), this.now);
  }

  private get now(): number {
    return this.node.graph.kern.engine.now;
  }

  newhook(hook: Hook, name: string): Errno {
    const side = name === 'upper' ? this.upper : name === 'lower' ? this.lower : null;
    if (side === null) return EINVAL;
    side.hook = hook;
    side.stats = noStats();
    hook.data = side;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const side = hook.data;
    if (!(side instanceof CarSide)) {
      m.free();
      return 0;
    }
    if (m.gsoSize === 0) return this.meter(side, m);
    const outer = this.cutting;
    this.cutting = side;
    this.cutError = 0;
    ngSegment(m, this.cut);
    this.cutting = outer;
    return this.cutError;
  }

  private meter(side: CarSide, m: PacketBuffer): Errno {
    const { meter, stats } = side;
    const before = meter.isColorAware ? qosColor(m) : QOS_COLOR_GREEN;
    if (side.length > 0) return this.enqueue(side, m, before);
    const color = meter.color(m, before, this.now);
    const { config } = meter;
    if (color === QOS_COLOR_GREEN) stats.green++;
    else if (config.mode === CAR_SHAPE) return this.enqueue(side, m, before);
    else if (color === QOS_COLOR_YELLOW) stats.yellow++;
    else stats.red++;
    const action = color === QOS_COLOR_GREEN ? config.greenAction : color === QOS_COLOR_YELLOW ? config.yellowAction : config.redAction;
    if (action === ACTION_MARK) {
      qosMark(m, color);
    } else if (action !== ACTION_FORWARD) {
      stats.dropped++;
      m.free();
      return 0;
    }
    return this.pass(side, m);
  }

  private pass(side: CarSide, m: PacketBuffer): Errno {
    const error = this.node.graph.send(side.across.hook, m);
    if (error !== 0) side.stats.errors++;
    side.stats.passed++;
    return error;
  }

  private enqueue(side: CarSide, m: PacketBuffer, before: number): Errno {
    const { meter, stats, length } = side;
    if (length >= QUEUE_SIZE - 1 || meter.te + length >= QUEUE_SIZE || before >= QOS_COLOR_RED) {
      stats.red++;
      stats.dropped++;
      meter.te = 0;
      m.free();
      return 0;
    }
    stats.yellow++;
    side.push(m);
    if (length > QUEUE_MIN_TH) meter.te += length - QUEUE_MIN_TH;
    if (length === 0) {
      meter.tc -= meter.tokensOf(m);
      this.schedule(side);
    }
    return 0;
  }

  private schedule({ meter, timer }: CarSide): void {
    this.node.graph.kern.engine.calloutReset(timer, meter.usUntilTokens());
  }

  /** There are tokens for the first packet that waits. */
  private due(side: CarSide): void {
    const { meter } = side;
    meter.refill(this.now);
    // A rate of nothing would keep them for ever.
    while (meter.tc >= 0 || meter.config.cir === 0) {
      const m = side.shift();
      if (m === null) return;
      this.pass(side, m);
      const next = side.first();
      if (next === null) return;
      meter.tc -= meter.tokensOf(next);
    }
    this.schedule(side);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_CAR_COOKIE) return EINVAL;
    const { node, upper, lower } = this;
    switch (msg.cmd) {
      case NGM_CAR_GET_CONF:
        return node.graph.respond(node, msg, ngEncode(confType, { upstream: carScale(lower.meter.config, -1), downstream: carScale(upper.meter.config, -1) }));
      case NGM_CAR_SET_CONF: {
        const asked = ngDecode(confType, msg.args);
        if (asked === null) return EINVAL;
        const down = carScale(asked.downstream, 1);
        const up = carScale(asked.upstream, 1);
        if (!carIsLegal(down) || !carIsLegal(up)) return EINVAL;
        upper.meter.configure(down, this.now);
        lower.meter.configure(up, this.now);
        return 0;
      }
      default:
        if (!STATS.has(msg.cmd)) return EINVAL;
        return STATS.answer(node, msg, { upstream: lower.stats, downstream: upper.stats }, () => {
          for (const side of [upper, lower]) side.stats = noStats();
        });
    }
  }

  disconnect(hook: Hook): void {
    const side = hook.data;
    if (side instanceof CarSide && side.hook === hook) {
      side.hook = null;
      side.purge();
      this.node.graph.kern.engine.calloutStop(side.timer);
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    for (const side of [this.upper, this.lower]) {
      side.purge();
      this.node.graph.kern.engine.calloutStop(side.timer);
    }
    return false;
  }

  queued(): number {
    return this.upper.length + this.lower.length;
  }
}

export const carType: NgType = {
  name: 'car',
  cookie: NGM_CAR_COOKIE,
  cmds: [
    ...STATS.cmds,
    ngCmd(NGM_CAR_GET_CONF, 'getconf', null, confType),
    ngCmd(NGM_CAR_SET_CONF, 'setconf', confType),
  ],
  construct: (node) => new CarNode(node),
};
