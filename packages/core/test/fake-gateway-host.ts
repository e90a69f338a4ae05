/**
 * fake-gateway-host.ts — a host for tests of gateways, in virtual time: it does nothing by itself and remembers what it was asked.
 */
import type { Errno } from '../src/base/errno.js';
import type { PacketBuffer } from '../src/mbuf/packet-buffer.js';
import type { GatewayTcp } from '../src/gateway/gateway-tcp.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { RTF_STATIC } from '../src/net/route/nexthop.js';
import { ip4 } from '../src/sim/craft.js';
import type { SimNet } from '../src/sim/sim-net.js';
import type { StreamSocket } from '../src/socket/stream-socket.js';
import type { Vnet } from '../src/vnet/vnet.js';
import type { EchoFlowDoor, GatewayHost, HostEcho, HostEnd, HostTcp, HostUdp, TcpFlowDoor, UdpFlowDoor } from '../src/gateway/gateway-host.js';

/**
 * Opens a gateway on `face` of `v`, and a connection through it that the host says nothing about. Returns what holds it. With `look` that is called then, and
 * the gateway closed.
 */
export function unansweredFlow(net: SimNet, v: Vnet, face: Ifnet, look?: () => void): GatewayTcp {
  const host = new FakeHost(() => undefined);
  net.kernel.call(net.now, () => v.gateway.open(host, { ifp: face, addresses: [], loopback: true, outbound: true, defaultRoute: false }));
  const { opened } = v.gateway;
  if (opened === null) throw new Error('the gateway does not open');
  const { ifp, tcp } = opened;
  ifp.capenable = 0; // a SYN waits for nobody
  net.kernel.call(net.now, () => v.routes.add({ fib: 0, family: 'inet', dst: ip4('198.51.100.0'), plen: 24, ifp, flags: RTF_STATIC }));
  net.connect(v, '198.51.100.1', 80);
  net.run(10_000);
  if (tcp.packetsHeld !== 1) throw new Error('the connection is not held');
  look?.();
  if (look !== undefined) net.kernel.call(net.now, () => v.gateway.close());
  return tcp;
}

/** A connection asked for; it speaks for its other side with the socket that it was joined with. */
export class FakeTcp implements HostTcp {
  readonly flow: TcpFlowDoor;
  readonly to: HostEnd;
  so: StreamSocket | null = null;
  aborted = 0;

  constructor(flow: TcpFlowDoor, to: HostEnd) {
    this.flow = flow;
    this.to = to;
  }

  join(so: StreamSocket): void {
    this.so = so;
  }

  abort(): void {
    this.aborted++;
    this.so?.reset();
    this.so = null;
  }

  /** What the guest has sent and nobody has read. */
  text(): string {
    const bytes = new Uint8Array(65_536);
    const n = this.so?.recv(bytes) ?? 0;
    return String.fromCharCode(...bytes.subarray(0, Math.max(0, n)));
  }
}

export class FakeUdp implements HostUdp {
  readonly flow: UdpFlowDoor;
  readonly to: HostEnd;
  readonly sent: Uint8Array[] = [];
  /** Does it take what it is given? */
  takes = true;
  closed = false;

  constructor(flow: UdpFlowDoor, to: HostEnd) {
    this.flow = flow;
    this.to = to;
  }

  send(m: PacketBuffer): boolean {
    if (!this.takes) return false;
    this.sent.push(m.bytes().slice());
    m.free();
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

export class FakeEcho implements HostEcho {
  readonly flow: EchoFlowDoor;
  readonly to: HostEnd;
  readonly asked: { readonly seq: number; readonly data: Uint8Array }[] = [];
  closed = false;

  constructor(flow: EchoFlowDoor, to: HostEnd) {
    this.flow = flow;
    this.to = to;
  }

  send(seq: number, m: PacketBuffer): boolean {
    this.asked.push({ seq, data: m.bytes().slice() });
    m.free();
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

export class FakeHost implements GatewayHost {
  readonly tcp: FakeTcp[] = [];
  readonly udp: FakeUdp[] = [];
  readonly echo: FakeEcho[] = [];
  /** May it send echo requests? */
  pings = true;
  /** How many times it has been told that the gateway is closed. */
  ends = 0;
  /** Answers each connection asked for with it at once, unless it is null; 0: connected. */
  answer: Errno | null = 0;
  private readonly later: (fn: () => void) => void;

  /** @param later runs what it is given once the stack has done its work. */
  constructor(later: (fn: () => void) => void) {
    this.later = later;
  }

  connect(flow: TcpFlowDoor, to: HostEnd): HostTcp {
    const made = new FakeTcp(flow, to);
    const { answer } = this;
    this.tcp.push(made);
    if (answer !== null) this.later(() => (answer === 0 ? flow.connected() : flow.failed(answer)));
    return made;
  }

  open(flow: UdpFlowDoor, to: HostEnd): HostUdp {
    const made = new FakeUdp(flow, to);
    this.udp.push(made);
    return made;
  }

  ping(flow: EchoFlowDoor, to: HostEnd): HostEcho | null {
    if (!this.pings) return null;
    const made = new FakeEcho(flow, to);
    this.echo.push(made);
    return made;
  }

  closed(): void {
    this.ends++;
  }
}
