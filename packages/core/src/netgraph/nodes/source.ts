/**
 * source.ts — ng_source(4): a generator of traffic: sends a queue of packets over and over.
 * Read first: source-embed.ts.
 *
 * Theory of operation. What comes in by `input` is put on the queue. `start N` sends N packets out of `output`, each a copy of the first of the queue, which
 * then goes to its end. It sends once in a tick (a millisecond): as many as `maxPps` allows for the time that has passed, not more than there are
 * in the queue, or, when an interface is behind `output`, as its queue would hold. The first error of a tick ends it. Whether an interface is behind
 * `output` is asked when it is joined, as ng_ether answers it, or told with `setiface`.
 *
 * Packets are kept as on a wire: whole, with their tags in the bytes, so that offsets of counters mean what they say. Unlike the original, a rate below one
 * packet in a tick is kept, too; times are those of the kernel, which begin with it.
 *
 * Invariant: the timer is armed while the node is active. Not here: what is written into the packets (source-embed.ts).
 */
import type { Errno } from '../../base/errno.js';
import { EBUSY, EINVAL, ENOBUFS, ENXIO } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { US_PER_SEC } from '../../base/time.js';
import { Callout } from '../../kern/callout.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngSegment, ngWireForm } from '../ng-offload.js';
import { ngBytesText, ngDecode, ngEncode, ngInt64, ngString, ngStruct, ngUint32, ngUint64, ngUint8 } from '../ng-parse.js';
import { NGM_ETHER_COOKIE, NGM_ETHER_GET_IFNAME, NGM_ETHER_SET_AUTOSRC } from './ether.js';
import { SourceEmbed, counterType, embedType } from './source-embed.js';

const NGM_SOURCE_COOKIE = 1_110_646_684;
const NGM_SOURCE_GET_STATS = 1;
const NGM_SOURCE_CLR_STATS = 2;
const NGM_SOURCE_GETCLR_STATS = 3;
const NGM_SOURCE_START = 4;
const NGM_SOURCE_STOP = 5;
const NGM_SOURCE_CLR_DATA = 6;
const NGM_SOURCE_SETIFACE = 7;
const NGM_SOURCE_SETPPS = 8;
const NGM_SOURCE_SET_TIMESTAMP = 9;
const NGM_SOURCE_GET_TIMESTAMP = 10;
const NGM_SOURCE_SET_COUNTER = 11;
const NGM_SOURCE_GET_COUNTER = 12;

const TICK_US = 1_000;
/** Packets it keeps, and packets it sends to an interface in a tick. */
const QUEUE_MAX = 2_048;
const IFQ_MAX = 4_096;

const timevalType = ngStruct({ tv_sec: ngInt64, tv_usec: ngInt64 });
const timeval = (us: Micros): { readonly tv_sec: number; readonly tv_usec: number } => ({ tv_sec: Math.floor(us / US_PER_SEC), tv_usec: us % US_PER_SEC });

const statsType = ngStruct({
  outOctets: ngUint64, outFrames: ngUint64, queueOctets: ngUint32, queueFrames: ngUint32, maxPps: ngUint32,
  startTime: timevalType, endTime: timevalType, elapsedTime: timevalType, lastTime: timevalType,
});

/** What `clrstats` forgets: the rate, too. Times are 0 for never. */
class SourceStats {
  outOctets = 0;
  outFrames = 0;
  maxPps = 0;
  start: Micros = 0;
  end: Micros = 0;
  elapsed: Micros = 0;
  last: Micros = 0;
}

class SourceNode implements NgNodeOps {
  private readonly node: NgNode;
  private input: Hook | null = null;
  private output: Hook | null = null;
  private hasIface = false;
  private active = false;
  /** Packets still to be sent. */
  private packets = 0;
  private stats = new SourceStats();
  private readonly queue = new PacketQueue(QUEUE_MAX);
  private queueOctets = 0;
  /** The packet that came last. */
  private last: PacketBuffer | null = null;
  private readonly embed = new SourceEmbed();
  private readonly timer: Callout;
  private keepError: Errno = 0;
  private readonly keep = (m: PacketBuffer): void => this.enqueue(m);

  constructor(node: NgNode) {
    this.node = node;
    this.timer = new Callout(node.graph.kern, () => node.graph.enter(node, () => this.tick()));
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'input') {
      this.input = hook;
      return 0;
    }
    if (name !== 'output') return EINVAL;
    this.output = hook;
    this.hasIface = false;
    this.stats = new SourceStats();
    return 0;
  }

  connect(hook: Hook): Errno {
    const { node } = this;
    const peer = hook.peer?.node;
    if (hook !== this.output || peer === undefined) return 0;
    const msg = new NgMessage({ typecookie: NGM_ETHER_COOKIE, cmd: NGM_ETHER_GET_IFNAME });
    msg.raddr = node.id;
    node.graph.sendMsg(peer, msg);
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    if (hook !== this.input) return ngDrop(m, 0);
    this.keepError = 0;
    ngSegment(m, this.keep);
    return this.keepError;
  }

  private enqueue(m: PacketBuffer): void {
    if (!ngWireForm(m)) {
      m.free();
      this.keepError = EINVAL;
      return;
    }
    m.hops = 0;
    const { len } = m;
    if (!this.queue.enqueue(m)) {
      this.keepError = ENOBUFS;
      return;
    }
    this.queueOctets += len;
    this.last = m;
  }

  private tick(): void {
    const { engine } = this.node.graph.kern;
    if (!this.active) return;
    if (this.packets > 0 && this.output !== null) this.send(Math.min(this.due(engine.now), this.packets), this.output);
    if (this.packets === 0 || this.output === null) this.stop();
    else engine.calloutReset(this.timer, TICK_US);
  }

  /** Packets that may go now. */
  private due(now: Micros): number {
    const { stats } = this;
    const room = this.hasIface ? IFQ_MAX : this.queue.length;
    if (stats.maxPps === 0) return room;
    const allowed = Math.floor((stats.maxPps * (now - stats.last)) / US_PER_SEC);
    // What did not make a whole packet counts the next time.
    if (allowed > room) stats.last = now;
    else stats.last += (allowed * US_PER_SEC) / stats.maxPps;
    return Math.min(allowed, room);
  }

  private send(most: number, output: Hook): void {
    const { graph } = this.node;
    const { stats, queue } = this;
    for (let sent = 0; sent < most; sent++) {
      const first = queue.peek();
      const copy = first === null ? null : first.pool.copy(first);
      if (first === null || copy === null) return;
      queue.dequeue();
      queue.enqueue(first);
      this.embed.write(copy, graph.kern.engine.now, first === this.last);
      stats.outFrames++;
      stats.outOctets += copy.len;
      // The one that is refused is not one of those to be sent.
      if (graph.send(output, copy) !== 0) return;
      this.packets--;
    }
  }

  private start(packets: number): Errno {
    const { stats } = this;
    if (!this.hasIface && stats.maxPps === 0) return ENXIO;
    if (this.active) return EBUSY;
    const { engine } = this.node.graph.kern;
    this.active = true;
    this.packets = packets;
    stats.elapsed = 0;
    stats.end = 0;
    stats.start = engine.now;
    stats.last = engine.now;
    engine.calloutReset(this.timer, 0);
    return 0;
  }

  private stop(): void {
    const { stats } = this;
    const { engine } = this.node.graph.kern;
    engine.calloutStop(this.timer);
    this.active = false;
    stats.end = engine.now;
    stats.elapsed = stats.end - stats.start;
  }

  private clearData(): void {
    this.queue.purge();
    this.queueOctets = 0;
    this.last = null;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie === NGM_ETHER_COOKIE) return this.fromEther(msg);
    if (msg.typecookie !== NGM_SOURCE_COOKIE || msg.isResponse) return EINVAL;
    switch (msg.cmd) {
      case NGM_SOURCE_GET_STATS:
      case NGM_SOURCE_CLR_STATS:
      case NGM_SOURCE_GETCLR_STATS:
        return this.statsMsg(msg);
      case NGM_SOURCE_START: {
        const packets = ngDecode(ngUint64, msg.args);
        return packets === null ? EINVAL : this.start(packets);
      }
      case NGM_SOURCE_STOP:
        this.stop();
        return 0;
      case NGM_SOURCE_CLR_DATA:
        this.clearData();
        return 0;
      case NGM_SOURCE_SETIFACE:
        if (msg.args.length < 2) return EINVAL;
        this.findIface(ngBytesText(msg.args));
        return 0;
      case NGM_SOURCE_SETPPS: {
        const pps = ngDecode(ngUint32, msg.args);
        if (pps === null) return EINVAL;
        this.stats.maxPps = pps;
        return 0;
      }
      default:
        return this.embedMsg(msg);
    }
  }

  private embedMsg(msg: NgMessage): Errno {
    const { node, embed } = this;
    switch (msg.cmd) {
      case NGM_SOURCE_SET_TIMESTAMP: {
        const timestamp = ngDecode(embedType, msg.args);
        if (timestamp === null) return EINVAL;
        embed.timestamp = timestamp;
        return 0;
      }
      case NGM_SOURCE_GET_TIMESTAMP:
        return node.graph.respond(node, msg, ngEncode(embedType, embed.timestamp));
      case NGM_SOURCE_SET_COUNTER: {
        const counter = ngDecode(counterType, msg.args);
        return counter !== null && embed.setCounter(counter) ? 0 : EINVAL;
      }
      case NGM_SOURCE_GET_COUNTER: {
        const index = ngDecode(ngUint8, msg.args);
        const counter = index === null ? undefined : embed.counters[index];
        return counter === undefined ? EINVAL : node.graph.respond(node, msg, ngEncode(counterType, counter));
      }
      default:
        return EINVAL;
    }
  }

  private statsMsg(msg: NgMessage): Errno {
    const { node, stats } = this;
    let error = 0;
    if (msg.cmd !== NGM_SOURCE_CLR_STATS) {
      if (this.active && stats.end === 0) stats.elapsed = node.graph.kern.engine.now - stats.start;
      const { outOctets, outFrames, maxPps, start, end, elapsed, last } = stats;
      error = node.graph.respond(node, msg, ngEncode(statsType, {
        outOctets, outFrames, queueOctets: this.queueOctets, queueFrames: this.queue.length, maxPps,
        startTime: timeval(start), endTime: timeval(end), elapsedTime: timeval(elapsed), lastTime: timeval(Math.floor(last)),
      }));
    }
    if (msg.cmd !== NGM_SOURCE_GET_STATS) this.stats = new SourceStats();
    return error;
  }

  /** What is behind `output` says which interface it is; its frames keep the source they have. */
  private fromEther(msg: NgMessage): Errno {
    if (!msg.isResponse || msg.cmd !== NGM_ETHER_GET_IFNAME || msg.args.length < 2) return EINVAL;
    if (!this.findIface(ngBytesText(msg.args))) return 0;
    this.node.graph.sendMsgHook(this.output, new NgMessage({ typecookie: NGM_ETHER_COOKIE, cmd: NGM_ETHER_SET_AUTOSRC }, new Uint8Array(4)));
    return 0;
  }

  private findIface(name: string): boolean {
    if (this.node.graph.net.ifunit(name) === null) return false;
    this.hasIface = true;
    return true;
  }

  disconnect(hook: Hook): void {
    const { node } = this;
    if (hook === this.input) this.input = null;
    if (hook === this.output) this.output = null;
    if (node.hooks.length === 0 || this.output === null) node.graph.rmnodeSelf(node);
  }

  shutdown(): boolean {
    this.stop();
    this.clearData();
    return false;
  }

  queued(): number {
    return this.queue.length;
  }
}

export const sourceType: NgType = {
  name: 'source',
  cookie: NGM_SOURCE_COOKIE,
  cmds: [
    ngCmd(NGM_SOURCE_GET_STATS, 'getstats', null, statsType),
    ngCmd(NGM_SOURCE_CLR_STATS, 'clrstats'),
    ngCmd(NGM_SOURCE_GETCLR_STATS, 'getclrstats', null, statsType),
    ngCmd(NGM_SOURCE_START, 'start', ngUint64),
    ngCmd(NGM_SOURCE_STOP, 'stop'),
    ngCmd(NGM_SOURCE_CLR_DATA, 'clrdata'),
    ngCmd(NGM_SOURCE_SETIFACE, 'setiface', ngString),
    ngCmd(NGM_SOURCE_SETPPS, 'setpps', ngUint32),
    ngCmd(NGM_SOURCE_SET_TIMESTAMP, 'settimestamp', embedType),
    ngCmd(NGM_SOURCE_GET_TIMESTAMP, 'gettimestamp', null, embedType),
    ngCmd(NGM_SOURCE_SET_COUNTER, 'setcounter', counterType),
    ngCmd(NGM_SOURCE_GET_COUNTER, 'getcounter', ngUint8, counterType),
  ],
  construct: (node) => new SourceNode(node),
};
