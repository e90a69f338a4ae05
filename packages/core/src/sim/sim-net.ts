/**
 * sim-net.ts — a whole network in virtual time: N vnets, links with faults, one seed.
 *
 * Theory of operation. A SimNet owns a Kernel and the clock. `step` jumps to the next deadline and runs a turn there; nothing
 * happens between deadlines, so an hour of keepalives costs microseconds. The same seed and the same calls give the same
 * history, byte for byte.
 *
 * The Witness is on, and what it finds is thrown where it is found: every test of a network is one of the order of waits.
 *
 * Bounded: `run` stops after STEPS_MAX turns with an error that names the seed, so that a livelock is a failure and not a hang.
 */
import { EINPROGRESS, strerror } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';
import { quietEnv } from '../env/env.js';
import type { LogLevel } from '../env/env.js';
import { inAifaddr } from '../inet/in-control.js';
import { ifUp } from '../net/if.js';
import { ifCloneCreate } from '../net/if-clone.js';
import { ifVmove } from '../net/if-vmove.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import type { Socket } from '../socket/socket.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { PF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../socket/socket-type.js';
import { Kernel } from '../vnet/kernel.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4ParsePrefix } from '../wire/addr.js';
import { ip4 } from './craft.js';
import { SimLinkEnd, simLinkDefaults } from './sim-link.js';
import type { SimLinkOptions } from './sim-link.js';

/** Turns one `run` may take. */
const STEPS_MAX = 10_000_000;

export interface SimLogLine {
  readonly time: Micros;
  readonly level: LogLevel;
  readonly vnet: string;
  readonly message: string;
}

export class SimNet {
  readonly seed: number;
  readonly kernel: Kernel;
  readonly log: SimLogLine[] = [];
  private units = 0;

  /** @param seed printed by whoever makes the net, so that a failure can be replayed. */
  constructor(seed: number) {
    this.seed = seed;
    const log = (level: LogLevel, vnet: string, message: string): void => {
      this.log.push({ time: this.kernel.now, level, vnet, message });
    };
    this.kernel = new Kernel({ ...quietEnv(seed, `sim${seed}`), log });
    const { witness } = this.kernel.engine;
    witness.watch = 1;
    witness.onFinding = ({ text }) => {
      throw new Error(`witness: ${text} (seed ${seed})`);
    };
  }

  get now(): Micros {
    return this.kernel.now;
  }

  /** A new vnet, its lo0 up. */
  vnet(name: string): Vnet {
    const made = this.kernel.jailCreate(this.kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true });
    if (made.prison === null) throw new Error(`vnet ${name}: ${made.message} (seed ${this.seed})`);
    return made.prison.vnet;
  }

  /** A link with faults between two vnets; both interfaces are up. */
  link(a: Vnet, b: Vnet, options: SimLinkOptions = {}): readonly [SimLinkEnd, SimLinkEnd] {
    const o = simLinkDefaults(options);
    const unit = this.units++;
    const make = (v: Vnet, side: string): SimLinkEnd => new SimLinkEnd(v.net, `sim${unit}${side}`, unit * 2 + (side === 'a' ? 0 : 1), o, this.kernel.engine.rng.split(`sim${unit}${side}`));
    return this.kernel.call(this.now, () => {
      const ends = [make(a, 'a'), make(b, 'b')] as const;
      ends[0].peer = ends[1];
      ends[1].peer = ends[0];
      for (const e of ends) ifUp(e.ifp);
      return ends;
    });
  }

  /** An epair with one end in each vnet; both ends are up. */
  epair(a: Vnet, b: Vnet): readonly [Ifnet, Ifnet] {
    return this.kernel.call(this.now, () => {
      const host = this.kernel.vnet0.net;
      const endA = ifCloneCreate(host, 'epair').ifp;
      const endB = endA === null ? null : host.ifunit(`${endA.xname.slice(0, -1)}b`);
      if (endA === null || endB === null) throw new Error(`no epair to be had (seed ${this.seed})`);
      const ends = [this.at(endA, a), this.at(endB, b)] as const;
      for (const ifp of ends) ifUp(ifp);
      return ends;
    });
  }

  /** Moves `ifp` to `vnet` and returns it as it is there. */
  move(ifp: Ifnet, vnet: Vnet): Ifnet {
    return this.kernel.call(this.now, () => this.at(ifp, vnet));
  }

  private at(ifp: Ifnet, vnet: Vnet): Ifnet {
    if (ifp.net === vnet.net) return ifp;
    const result = ifVmove(ifp, vnet.net);
    if (result.ifp === null) throw new Error(`${ifp.xname} to ${vnet.name}: ${strerror(result.error)} (seed ${this.seed})`);
    return result.ifp;
  }

  /** Gives `ifp` an address: `addr(ifp, '192.0.2.1/24')`. */
  addr(vnet: Vnet, ifp: Ifnet, prefix: string): void {
    const p = ip4ParsePrefix(prefix);
    if (p === null) throw new Error(`not an address: ${prefix}`);
    const error = this.kernel.call(this.now, () => inAifaddr(vnet.inNet, ifp, { addr: p.addr, plen: p.len }));
    if (error !== 0) throw new Error(`${prefix} on ${ifp.xname}: errno ${error}`);
  }

  /** A cloned interface: `clone(vnet, 'bridge')`. */
  clone(vnet: Vnet, name: string): Ifnet {
    const { error, ifp } = this.kernel.call(this.now, () => ifCloneCreate(vnet.net, name));
    if (ifp === null) throw new Error(`${name}: ${strerror(error)} (seed ${this.seed})`);
    return ifp;
  }

  /** Brings an interface up. */
  up(ifp: Ifnet): void {
    this.kernel.call(this.now, () => ifUp(ifp));
  }

  /** A route: `route(vnet, 'default', '192.0.2.1')`. */
  route(vnet: Vnet, prefix: string, gateway: string): void {
    const p = ip4ParsePrefix(prefix === 'default' ? '0.0.0.0/0' : prefix);
    if (p === null) throw new Error(`not a prefix: ${prefix}`);
    const flags = RTF_GATEWAY | RTF_STATIC;
    const error = this.kernel.call(this.now, () => vnet.routes.add({ fib: 0, family: 'inet', dst: p.addr, plen: p.len, gateway: ip4(gateway), flags }));
    if (error !== 0) throw new Error(`route ${prefix} via ${gateway}: ${strerror(error)} (seed ${this.seed})`);
  }

  /** A UDP socket, bound to `port` when it is not 0. */
  udp(vnet: Vnet, port = 0): Socket {
    const so = this.open(vnet, SOCK_DGRAM, 0);
    const error = port === 0 ? 0 : so.bind(0, port);
    if (error !== 0) throw new Error(`bind ${port}: ${strerror(error)} (seed ${this.seed})`);
    return so;
  }

  /** A raw IP socket for protocol `proto`. */
  raw(vnet: Vnet, proto: number): Socket {
    return this.open(vnet, SOCK_RAW, proto);
  }

  /** A TCP socket that listens on `port`. */
  listen(vnet: Vnet, port: number, backlog = 128): StreamSocket {
    const so = this.stream(vnet);
    const error = so.bind(0, port) || so.listen(backlog);
    if (error !== 0) throw new Error(`listen ${port}: ${strerror(error)} (seed ${this.seed})`);
    return so;
  }

  /** A TCP socket whose connection to `addr` is under way. */
  connect(vnet: Vnet, addr: string, port: number): StreamSocket {
    const so = this.stream(vnet);
    const error = this.kernel.call(this.now, () => so.connect(ip4(addr), port));
    if (error !== EINPROGRESS) throw new Error(`connect ${addr}:${port}: ${strerror(error)} (seed ${this.seed})`);
    return so;
  }

  /** A TCP socket. */
  stream(vnet: Vnet): StreamSocket {
    const { error, so } = vnet.sockets.socket(PF_INET, SOCK_STREAM);
    if (so === null) throw new Error(`socket: ${strerror(error)} (seed ${this.seed})`);
    return so;
  }

  private open(vnet: Vnet, type: number, proto: number): Socket {
    const { error, so } = vnet.sockets.socket(PF_INET, type, proto);
    if (so === null) throw new Error(`socket: ${strerror(error)} (seed ${this.seed})`);
    return so;
  }

  /** One turn at the next deadline; false when there is none. */
  step(): boolean {
    const at = this.kernel.nextDeadline();
    if (at === NEVER) return false;
    this.kernel.tick(at);
    return true;
  }

  /** Runs for `us` of virtual time. */
  run(us: Micros): void {
    const until = this.now + us;
    for (let steps = 0; this.kernel.nextDeadline() <= until; steps++) {
      if (steps >= STEPS_MAX) throw new Error(`no end after ${STEPS_MAX} turns (seed ${this.seed})`);
      this.step();
    }
    this.kernel.tick(until);
  }

  /** Runs until nothing is pending or `us` have passed; true when idle. */
  runUntilIdle(us: Micros): boolean {
    const until = this.now + us;
    while (this.kernel.nextDeadline() <= until) if (!this.step()) break;
    return this.kernel.nextDeadline() === NEVER;
  }
}
