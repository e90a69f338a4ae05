/**
 * test-net.ts — a bench for drivers: an Engine in virtual time, bare vnets (no protocols), frames, and what arrived.
 *
 * A TestLab has Nets with the cloners a test asks for and nothing above Ethernet. Each Net records the payloads of ethertype
 * TEST_ETHERTYPE that reach its protocols, with the interface and the metadata they came with. `leftovers` is what must be
 * all zeroes when a test has taken its interfaces down.
 * Not here: protocols (the tests of inet build on whole vnets).
 */
import { quietEnv } from '../env/env.js';
import { CTX_THREAD } from '../kern/context.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { ifCloneCreate, ifcAttach, ifcDetach } from './if-clone.js';
import type { CloneParams, IfClonerSpec } from './if-clone.js';
import { ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { ifVmove } from './if-vmove.js';
import type { Ifnet } from './ifnet.js';
import { Net, NetShared } from './net.js';

/** IEEE's ethertype for local experiments. */
export const TEST_ETHERTYPE = 0x88b5;
export const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);

/** A payload that reached a Net's protocols. */
export interface Arrival {
  readonly ifname: string;
  readonly payload: Uint8Array;
  readonly flags: number;
  readonly fib: number;
  readonly pcp: number;
  readonly hops: number;
  readonly rcvif: number;
}

export class TestLab {
  readonly engine: Engine;
  readonly shared = new NetShared('test-host');
  readonly nets: Net[] = [];
  readonly arrivals = new Map<Net, Arrival[]>();
  /** What the vnets logged, `vnet: text`. */
  readonly log: string[] = [];

  constructor(seed = 1, pool = new PacketPool()) {
    this.engine = new Engine({ ...quietEnv(seed), log: (_level, vnet, text) => void this.log.push(`${vnet}: ${text}`) }, pool);
    this.engine.enter(CTX_THREAD);
  }

  /** A vnet with these cloners and nothing else. */
  net(name: string, cloners: readonly IfClonerSpec[]): Net {
    const net = new Net(new VnetKern(this.engine, this.nets.length + 1, name), this.shared);
    const arrivals: Arrival[] = [];
    net.registerEtherProto(TEST_ETHERTYPE, (ifp, m) => {
      arrivals.push({ ifname: ifp.xname, payload: m.bytes().slice(), flags: m.flags, fib: m.fib, pcp: m.pcp, hops: m.hops, rcvif: m.rcvif });
      m.free();
    });
    this.nets.push(net);
    this.arrivals.set(net, arrivals);
    for (const spec of cloners) ifcAttach(net, spec);
    return net;
  }

  /** What arrived in `net` since the last call: `ifname:hex of the payload`. */
  arrived(net: Net): string[] {
    return (this.arrivals.get(net)?.splice(0) ?? []).map((a) => `${a.ifname}:${hex(a.payload)}`);
  }

  /** `ifconfig NAME create up`; throws the error number. */
  create(net: Net, name: string, params: CloneParams | null = null): Ifnet {
    const made = ifCloneCreate(net, name, params);
    if (made.ifp === null) throw new Error(`create ${name}: errno ${made.error}`);
    return made.ifp;
  }

  /** An epair with both ends in `net` and up. */
  epair(net: Net): [Ifnet, Ifnet] {
    const a = this.create(net, 'epair');
    const b = net.ifunit(a.xname.replace(/a$/, 'b'));
    if (b === null) throw new Error('epair without its other end');
    ifUp(a);
    ifUp(b);
    return [a, b];
  }

  /** Moves `ifp` to `net` and returns it as it is there; throws the error number. */
  move(ifp: Ifnet, net: Net): Ifnet {
    const result = ifVmove(ifp, net);
    if (result.ifp === null) throw new Error(`move ${ifp.xname}: errno ${result.error}`);
    return result.ifp;
  }

  /** Lets virtual time pass and serves everything that becomes due. */
  turn(us = 0): void {
    this.engine.runTurn(this.engine.now + us);
    while (this.engine.nextDeadline() <= this.engine.now) this.engine.runTurn(this.engine.now);
  }

  /** A packet from `bytes`. */
  packet(bytes: Uint8Array): PacketBuffer {
    const m = this.engine.pool.from(bytes);
    if (m === null) throw new Error('packet pool is empty');
    return m;
  }

  /** Sends a frame out of `ifp` as its driver would be asked to, and serves what follows. */
  send(ifp: Ifnet, frame: Uint8Array): number {
    const error = ifTransmit(ifp, this.packet(frame));
    this.turn();
    return error;
  }

  /** Destroys every interface by taking the cloners away, as a vnet's end does. */
  destroy(): void {
    for (const net of this.nets) for (const c of [...net.cloners]) ifcDetach(c);
    this.turn();
  }

  /** Everything that must be zero when nothing is left. */
  leftovers(): { readonly packets: number; readonly callouts: number; readonly interfaces: number; readonly indexes: number; readonly handlers: number; readonly drivers: number } {
    const sum = (f: (net: Net) => number): number => this.nets.reduce((n, net) => n + f(net), 0);
    return {
      packets: this.engine.pool.inUse,
      callouts: sum((n) => n.kern.calloutsArmed),
      interfaces: sum((n) => n.kern.ifcnt),
      indexes: this.shared.attached,
      handlers: sum((n) => n.departureEvent.count + n.linkEvent.count + n.lladdrEvent.count + n.mtuEvent.count + n.arrivalEvent.count + n.upDownEvent.count),
      drivers: sum((n) => n.drivers.size),
    };
  }
}

export const NOTHING_LEFT = { packets: 0, callouts: 0, interfaces: 0, indexes: 0, handlers: 0, drivers: 0 };

/** An Ethernet frame with `text` as payload, padded to `len` bytes. */
export function testFrame(dst: Uint8Array, src: Uint8Array, text: string | Uint8Array, len = 0, ethertype = TEST_ETHERTYPE): Uint8Array {
  const payload = typeof text === 'string' ? Uint8Array.from(text, (c) => c.charCodeAt(0)) : text;
  const f = new Uint8Array(Math.max(len, ETHER_HDR_LEN + payload.length));
  f.set(dst);
  f.set(src, 6);
  f[12] = ethertype >> 8;
  f[13] = ethertype & 255;
  f.set(payload, ETHER_HDR_LEN);
  return f;
}

/** The same frame with an 802.1Q tag in its bytes. */
export function tagged(frame: Uint8Array, tci: number, proto = 0x8100): Uint8Array {
  const f = new Uint8Array(frame.length + 4);
  f.set(frame.subarray(0, 12));
  f.set([proto >> 8, proto & 255, tci >> 8, tci & 255], 12);
  f.set(frame.subarray(12), 16);
  return f;
}

/** Payload text as `TestLab.arrived` shows it. */
export function hexOf(text: string): string {
  return hex(Uint8Array.from(text, (c) => c.charCodeAt(0)));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** `aa:bb:cc:dd:ee:ff` as bytes. */
export function mac(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (x) => Number.parseInt(x, 16));
}
