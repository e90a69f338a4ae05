/**
 * pipe.ts — ng_pipe(4): a link of a given bandwidth and delay, that loses and repeats packets, between `upper` and `lower`.
 * Read first: ng_pipe(4); pipe-config.ts, pipe-queue.ts.
 *
 * Theory of operation. What comes in by a hook waits until the link is free, flow by flow; occupies it for as long as its bytes and the overhead take at the
 * bandwidth; is lost with the probability that one of its bits is (BER says one bit in how many); and is on its way for `delay`. A packet that
 * is to be repeated stays in its queue and a copy goes. A full queue drops from the longest flow. Without any of that configured packets pass at once.
 *
 * A super-segment is cut before it waits: each of its packets takes its own time and its own chance. The bytes of a tag count.
 * The fraction of a microsecond that a packet takes is carried to the next one, so that rates are exact in the long run; a timer is armed for the next packet
 * that is due.
 *
 * Invariants: `link.flows` and `link.line` together never hold more than `net.graph.pipe.maxframes`. The node is entered by one at a time.
 * Unlike the original: `duplicate` is the chance in per cent (there one more), and a node without hooks ends, as its manual says.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { Prng } from '../../base/prng.js';
import type { Micros } from '../../base/time.js';
import { Callout } from '../../kern/callout.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } from '../../wire/ether.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP4_VHL } from '../../wire/ip4.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { NG_FORCE_WRITER, ngCmd } from '../ng-node.js';
import { ngSegment, ngWireLen } from '../ng-offload.js';
import { ngDecode, ngEncode } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';
import { pipeApply, pipeConfigType, pipeHookDefaults, pipeNoStats, pipeRunType, pipeShown, pipeStatsType } from './pipe-config.js';
import type { PipeConfig, PipeHookConfig } from './pipe-config.js';
import { DelayLine, PipeFlows } from './pipe-queue.js';
import type { PipeFlow } from './pipe-queue.js';

const NGM_PIPE_COOKIE = 200_708_191;
const NGM_PIPE_GET_RUN = 4;
const NGM_PIPE_GET_CFG = 5;
const NGM_PIPE_SET_CFG = 6;

const US_BITS_PER_BYTE = 8_000_000;
/** Bits of a packet's length in bits: 2^20 bits are 128 KB. */
const LENGTH_BITS = 21;
const IP4_VHL_PLAIN = 0x45;

const STATS = new NgStatsCmds({ get: 1, clr: 2, getclr: 3 }, pipeStatsType);

/** The limits of a vnet's pipes. */
class PipeLimits {
  maxFrames = 16_384;

  static of(graph: NgGraph): PipeLimits {
    const limits = graph.state.get('pipe');
    return limits instanceof PipeLimits ? limits : new PipeLimits();
  }
}

const PIPE_SYSCTLS: SysctlGroup<PipeLimits> = {
  prefix: 'net.graph.pipe',
  oids: [sysctlInt('maxframes', 'maxFrames', 'packets', 1, 65_536, 'Packets that one direction of a pipe may hold, whatever its configuration allows')],
};

/** One direction: what comes in by a hook. */
class PipeLink {
  hook: Hook | null = null;
  config: PipeHookConfig = pipeHookDefaults();
  stats = pipeNoStats();
  /** Everything passes at once. */
  isPlain = true;
  readonly flows = new PipeFlows();
  readonly line = new DelayLine();
  /** When the link is free again. */
  freeAt: Micros = 0;
  /** Of a microsecond, in bits times millions. */
  private freeRest = 0;
  /** Chance that 2^i bits in a row are right. */
  private readonly clean = new Float64Array(LENGTH_BITS);

  reset(): void {
    this.config = pipeHookDefaults();
    this.stats = pipeNoStats();
    this.isPlain = true;
    this.freeAt = 0;
    this.freeRest = 0;
  }

  /** The configuration has changed. */
  configured(delay: number): void {
    const { bandwidth, BER, duplicate } = this.config;
    this.isPlain = bandwidth === 0 && delay === 0 && duplicate === 0 && BER === 0;
    let p = BER === 0 ? 1 : 1 - 1 / BER;
    for (let i = 0; i < LENGTH_BITS; i++, p *= p) this.clean[i] = p;
  }

  /** Nothing waits: the time in which the link was free is gone. */
  idleUntil(now: Micros): void {
    if (this.freeAt >= now) return;
    this.freeAt = now;
    this.freeRest = 0;
  }

  /** The link is taken for so many bytes. */
  occupy(bytes: number): void {
    const { bandwidth } = this.config;
    if (bandwidth === 0) return;
    const work = this.freeRest + bytes * US_BITS_PER_BYTE;
    const us = Math.floor(work / bandwidth);
    this.freeAt += us;
    this.freeRest = work - us * bandwidth;
  }

  /** Does a packet of so many bytes arrive? */
  survives(bytes: number, rng: Prng): boolean {
    let p = 1;
    for (let bits = bytes * 8, i = 0; bits > 0 && i < LENGTH_BITS; bits >>>= 1, i++) if ((bits & 1) !== 0) p *= this.clean[i]!;
    return rng.u32() / 0x1_0000_0000 < p;
  }

  purge(): void {
    this.flows.purge();
    this.line.purge();
  }

  get run(): { queues: number; queuedOctets: number; queuedFrames: number; delayedOctets: number; delayedFrames: number } {
    const { flows, line } = this;
    return { queues: flows.queues, queuedOctets: flows.octets, queuedFrames: flows.frames, delayedOctets: line.octets, delayedFrames: line.frames };
  }
}

class PipeNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly limits: PipeLimits;
  private readonly rng: Prng;
  private readonly upper = new PipeLink();
  private readonly lower = new PipeLink();
  private delay = 0;
  private overhead = 0;
  private headerOffset = 0;
  private readonly timer: Callout;
  /** Where the packet goes that is being cut. */
  private entering: PipeLink = this.upper;
  private readonly accept = (m: PacketBuffer): void => this.enqueue(this.entering, m);
  private readonly serveBoth = (): void => {
    this.serve(this.upper);
    this.serve(this.lower);
    this.arm();
  };

  constructor(node: NgNode) {
    const { kern } = node.graph;
    this.node = node;
    this.limits = PipeLimits.of(node.graph);
    this.rng = kern.engine.rng.split(`ng_pipe ${kern.id} ${node.id}`);
    this.timer = new Callout(kern, () => node.graph.enter(node, this.serveBoth));
    node.flags |= NG_FORCE_WRITER;
  }

  newhook(hook: Hook, name: string): Errno {
    const link = name === 'upper' ? this.upper : name === 'lower' ? this.lower : null;
    if (link === null) return EINVAL;
    link.reset();
    link.configured(this.delay);
    link.hook = hook;
    hook.data = link;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const link = hook.data;
    if (!(link instanceof PipeLink)) {
      m.free();
      return 0;
    }
    if (link.isPlain && link.flows.frames === 0 && link.line.frames === 0) return this.send(link, m);
    this.entering = link;
    ngSegment(m, this.accept);
    this.serve(link);
    this.arm();
    return 0;
  }

  private enqueue(link: PipeLink, m: PacketBuffer): void {
    const { flows, config } = link;
    const { now } = this.node.graph.kern.engine;
    if (flows.frames === 0) link.idleUntil(now);
    const hash = config.fifo !== 0 ? 0 : ipHash(m, this.headerOffset);
    const found = flows.find(hash);
    const flow = found ?? flows.begin(hash, config.drr);
    flows.push(flow, m);
    if (found === null) this.place(link, flow);
    if (flows.frames <= config.queuelen && flows.frames + link.line.frames <= this.limits.maxFrames) return;
    const longest = flows.longest();
    if (longest === null) return;
    const dropped = flows.take(longest, config.drophead === 0);
    link.stats.queueDropFrames++;
    link.stats.queueDropOctets += ngWireLen(dropped);
    dropped.free();
  }

  /** Puts a flow into the list, where it is its turn. */
  private place({ flows, config }: PipeLink, flow: PipeFlow): void {
    const m = flow.packets.first();
    if (config.wfq === 0 || config.bandwidth === 0 || m === null) {
      flows.append(flow);
      return;
    }
    const { now } = this.node.graph.kern.engine;
    flow.vtime = now + ((ngWireLen(m) + this.overhead) * flows.queues * US_BITS_PER_BYTE) / config.bandwidth;
    flows.sort(flow);
  }

  /** Sends what the link has time for, and delivers what has arrived. */
  private serve(link: PipeLink): void {
    const { flows, line } = link;
    const { now } = this.node.graph.kern.engine;
    for (let flow = flows.first; flow !== null && link.freeAt <= now; flow = flows.first) {
      if (this.hasTurn(link, flow)) this.onto(link, flow);
    }
    while (line.firstDue <= now) {
      const m = line.shift();
      if (m === null) break;
      this.send(link, m);
    }
  }

  /** DRR: does the flow's deficit reach for its first packet? If not, it is the next one's turn. */
  private hasTurn({ flows, config }: PipeLink, flow: PipeFlow): boolean {
    if (config.drr === 0) return true;
    const len = ngWireLen(flow.packets.first()!);
    if (flow.deficit >= len) {
      flow.deficit -= len;
      return true;
    }
    flow.deficit += config.drr;
    flows.unlink(flow);
    flows.append(flow);
    return false;
  }

  /** The flow's first packet, or a copy of it, goes onto the link. */
  private onto(link: PipeLink, flow: PipeFlow): void {
    const { flows, line, config, stats } = link;
    const first = flow.packets.first()!;
    const copy = config.duplicate > 0 && this.rng.below(100) < config.duplicate ? first.pool.copy(first) : null;
    const m = copy ?? flows.take(flow);
    const len = ngWireLen(m);
    link.occupy(len + this.overhead);
    if (config.wfq !== 0 && flow.packets.length > 0) {
      flows.unlink(flow);
      this.place(link, flow);
    }
    const lost = config.BER > 0 && !link.survives(len + this.overhead, this.rng);
    if (lost || (config.delaylen > 0 && line.frames >= config.delaylen) || line.frames >= this.limits.maxFrames) {
      stats.delayDropFrames++;
      stats.delayDropOctets += len;
      m.free();
      return;
    }
    line.push(m, link.freeAt + this.delay);
  }

  private send(link: PipeLink, m: PacketBuffer): Errno {
    const len = ngWireLen(m);
    const error = this.node.graph.send(this.across(link).hook, m);
    const { stats } = link;
    if (error !== 0) {
      stats.delayDropFrames++;
      stats.delayDropOctets += len;
    } else {
      stats.FwdFrames++;
      stats.FwdOctets += len;
    }
    return error;
  }

  private across(link: PipeLink): PipeLink {
    return link === this.upper ? this.lower : this.upper;
  }

  /** The timer is for the next packet that gets onto a link, or off it. */
  private arm(): void {
    const { engine } = this.node.graph.kern;
    const due = Math.min(nextOf(this.upper), nextOf(this.lower));
    if (due === Infinity) {
      engine.calloutStop(this.timer);
      return;
    }
    const deadline = Math.max(due, engine.now);
    if (!this.timer.pending || this.timer.deadline !== deadline) engine.calloutReset(this.timer, deadline - engine.now);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_PIPE_COOKIE) return EINVAL;
    const { node, upper, lower } = this;
    switch (msg.cmd) {
      case NGM_PIPE_GET_RUN:
        return node.graph.respond(node, msg, ngEncode(pipeRunType, { downstream: upper.run, upstream: lower.run }));
      case NGM_PIPE_GET_CFG:
        return node.graph.respond(node, msg, ngEncode(pipeConfigType, pipeShown(this.config)));
      case NGM_PIPE_SET_CFG: {
        const asked = ngDecode(pipeConfigType, msg.args);
        if (asked === null) return EINVAL;
        this.configure(asked);
        return 0;
      }
      default:
        if (!STATS.has(msg.cmd)) return EINVAL;
        return STATS.answer(node, msg, { downstream: upper.stats, upstream: lower.stats }, () => {
          for (const link of [upper, lower]) link.stats = pipeNoStats();
        });
    }
  }

  private get config(): PipeConfig {
    const { delay, overhead, headerOffset, upper, lower } = this;
    return { bandwidth: 0, delay, header_offset: headerOffset, overhead, downstream: upper.config, upstream: lower.config };
  }

  private configure(asked: PipeConfig): void {
    const { upper, lower, config } = this;
    const wasDown = this.isDown;
    pipeApply(config, asked);
    this.delay = config.delay;
    this.overhead = config.overhead;
    this.headerOffset = config.header_offset;
    upper.configured(this.delay);
    lower.configured(this.delay);
    if (this.isDown !== wasDown) this.tell(wasDown ? NGM_LINK_IS_UP : NGM_LINK_IS_DOWN);
    this.serveBoth();
  }

  /** A link that gets every bit wrong is none. */
  private get isDown(): boolean {
    return this.upper.config.BER === 1 || this.lower.config.BER === 1;
  }

  private tell(cmd: number): void {
    for (const { hook } of [this.lower, this.upper]) if (hook !== null) this.node.graph.sendMsgHook(hook, new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd }));
  }

  disconnect(hook: Hook): void {
    const link = hook.data;
    if (link instanceof PipeLink && link.hook === hook) {
      link.hook = null;
      link.purge();
    }
    this.arm();
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    this.upper.purge();
    this.lower.purge();
    this.node.graph.kern.engine.calloutStop(this.timer);
    return false;
  }

  queued(): number {
    const { upper, lower } = this;
    return upper.flows.frames + upper.line.frames + lower.flows.frames + lower.line.frames;
  }
}

function nextOf({ flows, line, freeAt }: PipeLink): Micros {
  return Math.min(line.firstDue, flows.frames > 0 ? freeAt : Infinity);
}

/** A flow is what goes from one IPv4 address to another; everything else is one. `offset` is that of the IP header, with the tag where there is one. */
function ipHash(m: PacketBuffer, offset: number): number {
  const outOfBand = (m.flags & M_VLANTAG) !== 0 && offset >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN;
  const at = m.off + offset - (outOfBand ? ETHER_VLAN_ENCAP_LEN : 0);
  if (at + IP4_HDR_LEN > m.off + m.len || m.view.getUint8(at + IP4_VHL) !== IP4_VHL_PLAIN) return 0;
  const src = m.view.getUint32(at + IP4_SRC, true);
  const dst = m.view.getUint32(at + IP4_DST, true);
  return (src ^ (src << 13) ^ (dst << 7) ^ (dst << 19)) ^ ((src >>> 19) ^ (dst >>> 25) ^ (dst >>> 13));
}

export const pipeType: NgType = {
  name: 'pipe',
  cookie: NGM_PIPE_COOKIE,
  cmds: [
    ...STATS.cmds,
    ngCmd(NGM_PIPE_GET_RUN, 'getrun', null, pipeRunType),
    ngCmd(NGM_PIPE_GET_CFG, 'getcfg', null, pipeConfigType),
    ngCmd(NGM_PIPE_SET_CFG, 'setcfg', pipeConfigType),
  ],
  construct: (node) => new PipeNode(node),
  attach: (graph) => {
    const limits = new PipeLimits();
    graph.state.set('pipe', limits);
    graph.kern.sysctl.attach(PIPE_SYSCTLS, limits);
  },
  detach: (graph) => graph.kern.sysctl.detach(PipeLimits.of(graph)),
};
