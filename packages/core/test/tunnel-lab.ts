/**
 * tunnel-lab.ts — a bench for tunnels: a vnet on a wire that the test holds, and two vnets on a cable with a tunnel between them.
 *
 * `OuterWire` is 192.0.2.1 at the end of a wire, whose other end, 192.0.2.2, is the test: bytes in, bytes out. `TunnelLab` is 192.0.2.1
 * and 192.0.2.2 on a cable, each with a tunnel that points at the other.
 */
import { inAifaddr } from '../src/inet/in-control.js';
import { ifCloneCreate, ifCloneDestroy } from '../src/net/if-clone.js';
import { ifUp } from '../src/net/if.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { tunnelSet } from '../src/net/tunnel-softc.js';
import { craftArp, craftIp, ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { Wire } from '../src/sim/wire-script.js';
import { PF_INET, SOCK_RAW } from '../src/socket/socket-type.js';
import { icmp4Emit } from '../src/wire/icmp4.js';
import type { Vnet } from '../src/vnet/vnet.js';

const OURS = '02:00:00:00:00:01';
const THEIRS = '02:00:00:00:00:02';
const LINK = { src: THEIRS, dst: OURS };

/** Bytes of hexadecimal text, blanks ignored. */
export function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Throws unless both are alike; the tests' own `expect` is not for files that are built. */
function mustBe(what: string, got: unknown, want: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** What is not as usual in an outer header. */
export interface Outer {
  readonly src?: string;
  readonly dst?: string;
  readonly tos?: number;
}

/** A vnet on a wire. */
export class OuterWire {
  readonly sim = new SimNet(1);
  readonly vnet = this.sim.vnet('one');
  readonly wire = new Wire(this.sim, this.vnet, { mac: OURS });
  /** Packets of another network protocol that reached the vnet, as hexadecimal text. */
  readonly ip6: string[] = [];

  constructor() {
    this.sim.addr(this.vnet, this.wire.ifp, '192.0.2.1/24');
    this.wire.in(craftArp({ src: THEIRS, dst: 'ff:ff:ff:ff:ff:ff' }, 1, THEIRS, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1')).take();
    this.vnet.net.registerEtherProto(0x86dd, (_ifp, m) => {
      this.ip6.push(hexOf(m.bytes()));
      m.free();
    });
  }

  call<T>(fn: () => T): T {
    return this.sim.kernel.call(this.sim.now, fn);
  }

  /** A tunnel to 192.0.2.2, up. */
  tunnel(kind: string): Ifnet {
    const ifp = this.sim.clone(this.vnet, kind);
    this.call(() => {
      mustBe('tunnelSet', tunnelSet(ifp, ip4('192.0.2.1'), ip4('192.0.2.2')), 0);
      ifUp(ifp);
    });
    return ifp;
  }

  /** A frame with an IPv4 packet for the vnet, from 192.0.2.2 unless said otherwise; `payload` in hexadecimal. */
  frame(proto: number, payload: string, outer: Outer = {}): Uint8Array {
    return craftIp(LINK, { src: '192.0.2.2', dst: '192.0.2.1', proto, ...outer }, unhex(payload));
  }

  /** It arrives. */
  in(proto: number, payload: string, outer: Outer = {}): void {
    this.wire.in(this.frame(proto, payload, outer));
  }

  /** What was sent since, without Ethernet headers. */
  out(): string[] {
    return this.wire.take().map((f) => hexOf(f.bytes.subarray(14)));
  }

  end(): void {
    const k = this.sim.kernel;
    this.wire.destroy();
    const prison = k.prisons.find(k.prisons.prison0, 'one');
    mustBe('jailRemove', prison === null ? -1 : k.jailRemove(prison), 0);
    this.sim.run(60_000_000);
    const { kern, udp } = this.vnet;
    mustBe('left behind', [k.engine.pool.inUse, k.engine.callouts.armed, kern.ifcnt, kern.sockcnt, kern.sysctl.count, udp.pcbs.count], [0, 0, 0, 0, 0, 0]);
  }
}

/** Two vnets on one cable with a tunnel of a kind each. */
export class TunnelLab {
  readonly sim = new SimNet(1);
  readonly one = this.sim.vnet('one');
  readonly two = this.sim.vnet('two');
  readonly a: Ifnet;
  readonly b: Ifnet;
  /** The tunnels. */
  readonly tun1: Ifnet;
  readonly tun2: Ifnet;
  private readonly kind: string;

  constructor(kind: string) {
    this.kind = kind;
    [this.a, this.b] = this.sim.epair(this.one, this.two);
    this.sim.addr(this.one, this.a, '192.0.2.1/24');
    this.sim.addr(this.two, this.b, '192.0.2.2/24');
    this.tun1 = this.tunnel(this.one, '192.0.2.1', '192.0.2.2');
    this.tun2 = this.tunnel(this.two, '192.0.2.2', '192.0.2.1');
  }

  call<T>(fn: () => T): T {
    return this.sim.kernel.call(this.sim.now, fn);
  }

  create(v: Vnet, name: string): Ifnet {
    const made = this.call(() => ifCloneCreate(v.net, name));
    if (made.ifp === null) throw new Error(`${name}: errno ${made.error}`);
    return made.ifp;
  }

  tunnel(v: Vnet, src: string, dst: string): Ifnet {
    const ifp = this.create(v, this.kind);
    this.call(() => {
      mustBe('tunnelSet', tunnelSet(ifp, ip4(src), ip4(dst)), 0);
      ifUp(ifp);
    });
    return ifp;
  }

  p2p(v: Vnet, ifp: Ifnet, own: string, other: string): void {
    mustBe('inAifaddr', this.call(() => inAifaddr(v.inNet, ifp, { addr: ip4(own), plen: 32, dstaddr: ip4(other) })), 0);
  }

  /** Inner addresses on both tunnels. */
  inner(): void {
    this.p2p(this.one, this.tun1, '10.0.0.1', '10.0.0.2');
    this.p2p(this.two, this.tun2, '10.0.0.2', '10.0.0.1');
  }

  /** Sends an echo request of `size` bytes of data; true when the answer came. */
  ping(v: Vnet, dst: string, size = 56): boolean {
    const so = v.sockets.socket(PF_INET, SOCK_RAW, 1).so!;
    const echo = new Uint8Array(8 + size);
    icmp4Emit(new DataView(echo.buffer), 0, echo.length, 8, 0, 0x10001);
    this.call(() => so.send(echo, ip4(dst)));
    this.sim.run(3_000_000);
    const got = so.rcv.count > 0;
    this.call(() => so.close());
    return got;
  }

  /** What can leak. */
  counts(): unknown {
    const k = this.sim.kernel;
    return { interfaces: k.shared.attached, packets: k.engine.pool.inUse, timers: k.engine.callouts.armed, devices: k.shared.devices.size };
  }

  end(): void {
    const k = this.sim.kernel;
    for (const name of ['one', 'two']) {
      const prison = k.prisons.find(k.prisons.prison0, name);
      if (prison !== null) mustBe('jailRemove', k.jailRemove(prison), 0);
    }
    for (const ifp of [...k.vnet0.net.ifnets]) if (ifp.cloner === 'epair' && ifp.net !== null) this.call(() => ifCloneDestroy(k.vnet0.net, ifp.xname));
    this.sim.run(5_000_000);
    mustBe('left behind', this.counts(), { interfaces: 1, packets: 0, timers: 0, devices: 0 });
  }
}
