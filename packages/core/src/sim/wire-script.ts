/**
 * wire-script.ts — a packet script: frames in, lines out, times given. A test reads like a tcpdump.
 *
 *     const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
 *     wire.at(0).in(craftEcho(...)).out('ARP, Request who-has 192.0.2.9 tell 192.0.2.1, length 28');
 *     wire.at(1_000_000).nothing();
 *
 * Theory of operation. A Wire is an Ethernet interface whose link is the test. `in` hands a frame to the stack and runs what
 * is due now; what the stack sends is kept with its time until `out` takes it, in order, or `nothing` asserts that there is
 * none. Lines are those of the dissector.
 */
import type { Errno } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherIfattach, etherIfdetach, etherInsertTag } from '../net/ether.js';
import { ifLinkStateChange, ifUp } from '../net/if.js';
import { IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, LINK_STATE_UP } from '../net/ifnet.js';
import type { IfDriver } from '../net/ifnet.js';
import { finishChecksums, segment } from '../net/offload.js';
import type { Vnet } from '../vnet/vnet.js';
import { macParse } from '../wire/addr.js';
import { dissect } from '../wire/dissect.js';
import type { SimNet } from './sim-net.js';

export interface WireOptions {
  readonly mac: string;
  readonly name?: string;
  readonly mtu?: number;
}

/** A frame the stack sent. */
export interface WireFrame {
  readonly time: Micros;
  readonly bytes: Uint8Array;
}

export class Wire implements IfDriver {
  readonly ifp: Ifnet;
  private readonly net: SimNet;
  private readonly sent: WireFrame[] = [];

  constructor(net: SimNet, vnet: Vnet, options: WireOptions) {
    this.net = net;
    this.ifp = new Ifnet(this, 'wire', 0, options.name ?? 'wire0', IFT_ETHER, IFF_SIMPLEX | IFF_RUNNING, options.mtu ?? 1_500);
    const mac = macParse(options.mac);
    if (mac === null) throw new Error(`not a MAC address: ${options.mac}`);
    net.kernel.call(net.now, () => {
      etherIfattach(this.ifp, vnet.net, mac);
      ifLinkStateChange(this.ifp, LINK_STATE_UP);
      ifUp(this.ifp);
    });
  }

  /** IfDriver: the stack sends a frame. */
  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    etherInsertTag(m);
    if (m.gsoSize > 0) segment(m.pool, m, this.record);
    else this.record(m);
    return 0;
  }

  private readonly record = (m: PacketBuffer): void => {
    finishChecksums(m);
    this.sent.push({ time: this.net.now, bytes: m.bytes().slice() });
    m.free();
  };

  /** Moves virtual time to `us` since the net was made. */
  at(us: Micros): this {
    this.net.run(us - this.net.now);
    return this;
  }

  /** A frame arrives. */
  in(frame: Uint8Array): this {
    const m = this.net.kernel.engine.pool.from(frame);
    if (m === null) throw new Error(`no packet to be had (seed ${this.net.seed})`);
    this.net.kernel.input(this.ifp, m, this.net.now);
    this.net.kernel.settle();
    return this;
  }

  /** The next frame the stack sent reads `line` (or matches it). */
  out(line: string | RegExp): this {
    this.net.kernel.settle();
    const frame = this.sent.shift();
    const got = frame === undefined ? 'nothing' : dissect(frame.bytes);
    const ok = typeof line === 'string' ? got === line : line.test(got);
    if (!ok) throw new Error(`at ${this.net.now} us (seed ${this.net.seed})\n  expected ${String(line)}\n  got      ${got}`);
    return this;
  }

  /** The stack has sent nothing more. */
  nothing(): this {
    this.net.kernel.settle();
    const frame = this.sent.shift();
    if (frame !== undefined) throw new Error(`at ${this.net.now} us (seed ${this.net.seed}): unexpected ${dissect(frame.bytes)}`);
    return this;
  }

  /** Takes everything sent so far. */
  take(): WireFrame[] {
    this.net.kernel.settle();
    return this.sent.splice(0);
  }

  /** Takes the interface away. */
  destroy(): void {
    this.net.kernel.call(this.net.now, () => etherIfdetach(this.ifp));
  }
}
