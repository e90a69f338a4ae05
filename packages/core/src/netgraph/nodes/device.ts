/**
 * device.ts — ng_device(4): a hook whose other side is a program of the host: the device `ngdN`.
 * Read first: ng_device(4); net/host-port.ts, whose FrameSink opens it.
 *
 * Theory of operation. What comes in by the hook waits in a queue to be read, whether somebody has the device open or not; a queue that is full refuses, and the
 * node that sent learns it. While a sink has it open the netisr hands over what waits, each packet made what it is on a wire, as far as the sink
 * cannot do that itself. What is written goes out of the hook, by way of the netisr. The device goes with the hook, and with the node.
 *
 * Units are the whole kernel's, as devices are. The node is called like its device if nobody else is.
 * Invariant: `xname` is taken while `net` is not null; afterwards both queues are empty.
 */
import type { Errno } from '../../base/errno.js';
import { EBUSY, EINVAL, EISCONN, ENFILE, ENOBUFS, ENXIO } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { NetisrSource } from '../../kern/netisr.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import { etherInsertTag } from '../../net/ether.js';
import type { FrameSink } from '../../net/host-port.js';
import type { Net, NetShared } from '../../net/net.js';
import { IP_MAXPACKET } from '../../wire/ip4.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngFinish, ngSegment } from '../ng-offload.js';
import { ngEncode, ngString } from '../ng-parse.js';

const NGM_DEVICE_COOKIE = 1_091_129_178;
const NGM_DEVICE_GET_DEVNAME = 0;
const NGM_DEVICE_ETHERALIGN = 1;

const UNIT_MAX = 999;
/** Packets written that may wait for the hook. */
const WRITE_MAX = 4_096;

/** The limits of a vnet's devices. */
class DeviceLimits {
  maxQueue = 1_024;

  static of(graph: NgGraph): DeviceLimits {
    const limits = graph.state.get('device');
    return limits instanceof DeviceLimits ? limits : new DeviceLimits();
  }
}

const DEVICE_SYSCTLS: SysctlGroup<DeviceLimits> = {
  prefix: 'net.graph.device',
  oids: [sysctlInt('maxqueue', 'maxQueue', 'packets', 1, 65_536, 'Packets that wait to be read from a device ngdN; for devices made from now on')],
};

/** The units of a kernel's devices that are taken. */
class DeviceUnits {
  private readonly taken = new Map<number, NgDevice>();

  static of(shared: NetShared): DeviceUnits {
    const there = shared.drivers.get('ngd');
    if (there instanceof DeviceUnits) return there;
    const made = new DeviceUnits();
    shared.drivers.set('ngd', made);
    return made;
  }

  free(): number {
    for (let unit = 0; unit <= UNIT_MAX; unit++) if (!this.taken.has(unit)) return unit;
    return -1;
  }

  take(unit: number, device: NgDevice): void {
    this.taken.set(unit, device);
  }

  release(unit: number): void {
    this.taken.delete(unit);
  }

  named(xname: string): NgDevice | null {
    const [, unit] = /^ngd(0|[1-9]\d*)$/.exec(xname) ?? [];
    return unit === undefined ? null : this.taken.get(Number(unit)) ?? null;
  }
}

/** `ngdN`, as programs of the host see it. */
export class NgDevice implements NetisrSource {
  readonly xname: string;
  /** The vnet its graph is in; null: the device is gone. */
  net: Net | null;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  hook: Hook | null = null;
  private readonly graph: NgGraph;
  private readonly unit: number;
  private sink: FrameSink | null = null;
  private readonly readq: PacketQueue;
  private readonly writeq = new PacketQueue(WRITE_MAX);
  private readonly hand = (piece: PacketBuffer): void => this.handOver(piece);

  constructor(graph: NgGraph, unit: number) {
    this.graph = graph;
    this.netisrOwner = graph.kern;
    this.net = graph.net;
    this.unit = unit;
    this.xname = `ngd${unit}`;
    this.readq = new PacketQueue(DeviceLimits.of(graph).maxQueue);
    DeviceUnits.of(graph.net.shared).take(unit, this);
  }

  get isOpen(): boolean {
    return this.sink !== null;
  }

  /** Packets that wait, to be read and to go out of the hook. */
  get queued(): number {
    return this.readq.length + this.writeq.length;
  }

  /** Packets that found no room: of the graph, and of the program. */
  get readDrops(): number {
    return this.readq.drops;
  }

  get writeDrops(): number {
    return this.writeq.drops;
  }

  /** Opens the device, or with null closes it: what waits to be read stays. EBUSY: somebody else has it open; ENXIO: it is gone. */
  attach(sink: FrameSink | null): Errno {
    if (sink === null) {
      this.sink = null;
      return 0;
    }
    if (this.net === null) return ENXIO;
    if (this.sink !== null) return EBUSY;
    this.sink = sink;
    this.resume();
    return 0;
  }

  /** A packet that was written. Owns `m`; one that is empty, too long or finds no room is dropped. */
  input(m: PacketBuffer): void {
    if (this.net === null || m.len === 0 || m.len > IP_MAXPACKET) m.free();
    else if (this.writeq.enqueue(m)) this.schedule();
  }

  /** The sink has room again. */
  resume(): void {
    if (this.readq.length > 0 && this.sink !== null) this.schedule();
  }

  /** A packet to be read. Owns `m`. */
  take(m: PacketBuffer): Errno {
    if (!this.readq.enqueue(m)) return ENOBUFS;
    this.resume();
    return 0;
  }

  /** The device goes, and whoever has it open is told. */
  destroy(): void {
    if (this.net === null) return;
    const { sink } = this;
    DeviceUnits.of(this.net.shared).release(this.unit);
    this.net = null;
    this.hook = null;
    this.sink = null;
    this.readq.purge();
    this.writeq.purge();
    sink?.gone?.();
  }

  private schedule(): void {
    if (!this.netisrQueued) this.graph.kern.engine.schedule(this);
  }

  netisrRun(max: number): number {
    let written = 0;
    for (let m = this.writeq.dequeue(); m !== null; m = this.writeq.dequeue()) {
      this.graph.send(this.hook, m);
      if (++written === max) break;
    }
    return Math.max(written, this.toSink(max));
  }

  private toSink(max: number): number {
    let n = 0;
    for (; n < max && this.sink !== null && this.sink.isFull !== true; n++) {
      const m = this.readq.dequeue();
      if (m === null) break;
      if (!etherInsertTag(m)) m.free();
      else if (m.gsoSize > 0 && !this.sink.offload.gso) ngSegment(m, this.hand);
      else this.handOver(m);
    }
    if (n > 0) this.sink?.flush?.();
    return n;
  }

  private handOver(m: PacketBuffer): void {
    const { sink } = this;
    if (sink === null || (m.gsoSize === 0 && !sink.offload.csum && !ngFinish(m))) {
      m.free();
      return;
    }
    if (sink.output(m)) return;
    this.readq.drops++;
    m.free();
  }
}

class DeviceNode implements NgNodeOps {
  private readonly node: NgNode;
  private readonly device: NgDevice;

  constructor(node: NgNode, device: NgDevice) {
    this.node = node;
    this.device = device;
  }

  newhook(hook: Hook): Errno {
    if (this.device.hook !== null) return EISCONN;
    this.device.hook = hook;
    return 0;
  }

  rcvdata(_hook: Hook, m: PacketBuffer): Errno {
    return this.device.take(m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_DEVICE_COOKIE) return EINVAL;
    // Nothing here minds how packets are aligned.
    if (msg.cmd === NGM_DEVICE_ETHERALIGN) return 0;
    if (msg.cmd !== NGM_DEVICE_GET_DEVNAME) return EINVAL;
    return this.node.graph.respond(this.node, msg, ngEncode(ngString, this.device.xname));
  }

  disconnect(): void {
    this.device.destroy();
    this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    this.device.destroy();
    return false;
  }

  queued(): number {
    return this.device.queued;
  }
}

function construct(node: NgNode): NgNodeOps | Errno {
  const { graph } = node;
  const unit = DeviceUnits.of(graph.net.shared).free();
  if (unit < 0) return ENFILE;
  const device = new NgDevice(graph, unit);
  graph.nameNode(node, device.xname);
  return new DeviceNode(node, device);
}

/** The device called `xname`, of whatever graph; null: there is none. */
export function ngDeviceOf(shared: NetShared, xname: string): NgDevice | null {
  return DeviceUnits.of(shared).named(xname);
}

export const deviceType: NgType = {
  name: 'device',
  cookie: NGM_DEVICE_COOKIE,
  cmds: [
    ngCmd(NGM_DEVICE_GET_DEVNAME, 'getdevname', null, ngString),
    ngCmd(NGM_DEVICE_ETHERALIGN, 'etheralign'),
  ],
  construct,
  attach: (graph) => {
    const limits = new DeviceLimits();
    graph.state.set('device', limits);
    graph.kern.sysctl.attach(DEVICE_SYSCTLS, limits);
  },
  detach: (graph) => graph.kern.sysctl.detach(DeviceLimits.of(graph)),
};
