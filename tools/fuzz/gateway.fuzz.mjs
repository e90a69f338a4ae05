/**
 * gateway.fuzz.mjs — a guest that keeps no rule behind a gateway, and a host that answers as it likes: any bytes as TCP, UDP and ICMP of both families to
 * addresses outside and to the gateway's own. Nothing throws, the limits hold, and when the gateway has closed every packet is given back and no flow is left.
 */
import { IN6_IFF_NODAD, in6Aifaddr } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { IP4_HDR_LEN, IP6_DST, IP6_HDR_LEN, IP6_SRC, ip4Emit, ip4Parse, ip6Emit, ip6Parse } from '@netloom/core/wire';

/** @typedef {import('@netloom/core').GatewayHost} GatewayHost */

const PROTOCOLS = [6, 17, 1, 132];
const PROTOCOLS6 = [6, 17, 58, 44];
const [GUEST, OWN, OUTSIDE] = ['10.0.2.15', '10.0.2.2', '198.51.100.7'].map((text) => ip4Parse(text) ?? 0);
const [GUEST6, OWN6, OUTSIDE6] = ['fd00::15', 'fd00::2', '2001:db8::7'].map((text) => ip6Parse(text) ?? new Uint8Array(16));
/** Vouched for: a checksum that is wrong is another target's business. */
const SUMS_VALID = 0x04 | 0x08;
const FLOWS_MAX = 16;
const ERRNOS = [61, 54, 51, 65, 60, 13];

/** What the host does when it is asked; `say` is a byte of the input. */
class Host {
  say = 0;
  /** @type {(() => void)[]} */
  later = [];

  /** @type {GatewayHost['connect']} */
  connect(flow) {
    const { say } = this;
    if ((say & 3) !== 0) this.later.push(() => ((say & 3) === 1 ? flow.connected() : flow.failed(ERRNOS[say % ERRNOS.length] ?? 61)));
    /** @type {import('@netloom/core').StreamSocket | null} */
    let joined = null;
    return {
      join: (so) => {
        joined = so;
        so.onReadable = () => {
          for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) m.free();
          if ((say & 4) !== 0) so.send(new Uint8Array(100));
          if ((say & 8) !== 0 || so.closed) this.later.push(() => (so.close(), flow.ended()));
        };
      },
      abort: () => void joined?.reset(),
    };
  }

  /** @type {GatewayHost['open']} */
  open(flow) {
    const { say } = this;
    if ((say & 1) !== 0) this.later.push(() => flow.input(new Uint8Array(say * 40)));
    if ((say & 2) !== 0) this.later.push(() => flow.failed(ERRNOS[say % ERRNOS.length] ?? 61));
    return { send: (m) => (say & 16) === 0 && (m.free(), true), close: () => undefined };
  }

  /** @type {GatewayHost['ping']} */
  ping(flow) {
    const { say } = this;
    if ((say & 1) !== 0) return null;
    this.later.push(() => flow.reply(say, new Uint8Array(say)));
    return { send: (_seq, m) => (m.free(), true), close: () => undefined };
  }

  closed() {}
}

function build() {
  const net = new SimNet(1);
  const [vnet, far] = [net.vnet('target'), net.vnet('far')];
  const [ifp, other] = net.epair(vnet, far);
  net.addr(vnet, ifp, '10.0.2.2/24');
  net.addr(far, other, '10.0.2.15/24');
  net.kernel.call(net.now, () => in6Aifaddr(vnet.in6Net, ifp, { addr: OWN6 ?? new Uint8Array(16), plen: 64, flags: IN6_IFF_NODAD }));
  const host = new Host();
  Object.assign(vnet.gateway.tun, { tcpMax: FLOWS_MAX, tcpPendingMax: FLOWS_MAX / 2, udpMax: FLOWS_MAX, echoMax: FLOWS_MAX });
  open(net, vnet, ifp, host);
  return { net, vnet, ifp, host };
}

/** @param {SimNet} net @param {import('@netloom/core').Vnet} vnet @param {import('@netloom/core').Ifnet} ifp @param {Host} host */
function open(net, vnet, ifp, host) {
  const opened = net.kernel.call(net.now, () => vnet.gateway.open(host, { ifp, addresses: [], loopback: true, outbound: true, defaultRoute: true }));
  if (opened.error !== 0) throw new Error(`the gateway does not open: ${opened.error}`);
}

/** @type {ReturnType<typeof build> | null} */
let world = null;
const theWorld = () => (world ??= build());
let n = 0;

/** First byte: what the host does; second: family, protocol, where to; behind them the packet's payload. @param {Uint8Array} bytes */
function input(bytes) {
  const { net, vnet, ifp, host } = theWorld();
  if (bytes.length < 2) return;
  const [say = 0, how = 0] = bytes;
  const isV6 = (how & 1) !== 0;
  const payload = bytes.subarray(2);
  const header = isV6 ? IP6_HDR_LEN : IP4_HDR_LEN;
  const m = net.kernel.engine.pool.alloc(header + payload.length, 64);
  if (m === null) throw new Error('the pool is exhausted: packets are lost');
  const proto = (isV6 ? PROTOCOLS6 : PROTOCOLS)[(how >> 1) & 3] ?? 6;
  if (isV6) {
    ip6Emit(m.view, m.off, 0, 0, payload.length, proto, 64);
    m.buf.set(GUEST6 ?? [], m.off + IP6_SRC);
    m.buf.set(((how & 8) !== 0 ? OWN6 : OUTSIDE6) ?? [], m.off + IP6_DST);
  } else ip4Emit(m.view, m.off, IP4_HDR_LEN, 0, m.len, 0, 0, 64, proto, GUEST ?? 0, ((how & 8) !== 0 ? OWN : OUTSIDE) ?? 0);
  m.buf.set(payload, m.off + header);
  m.csumFlags = SUMS_VALID;
  host.say = say;
  net.kernel.call(net.now, () => (isV6 ? vnet.ip6.input(ifp, m) : vnet.ip.input(ifp, m)));
  net.kernel.settle();
  for (const fn of host.later.splice(0)) fn();
  net.kernel.settle();
  if (vnet.gateway.flowCount > 3 * FLOWS_MAX) throw new Error(`${vnet.gateway.flowCount} flows where ${3 * FLOWS_MAX} are the limit`);
  if (++n % 64 === 0) net.run((say & 128) !== 0 ? 5_000_000 : 10_000);
  if (n % 4_096 === 0) reopen();
}

function reopen() {
  const { net, vnet, ifp, host } = theWorld();
  net.kernel.call(net.now, () => vnet.gateway.close());
  host.later.length = 0;
  if (vnet.gateway.flowCount !== 0) throw new Error(`${vnet.gateway.flowCount} flows are left`);
  open(net, vnet, ifp, host);
}

/** @param {number} say @param {number} how @param {number[]} payload */
const seed = (say, how, payload) => Uint8Array.of(say, how, ...payload);
/** A segment from port 1000 to 80. @param {number} flags @param {number} seq @param {number} ack */
const tcp = (flags, seq, ack) => [3, 232, 0, 80, 0, 0, 0, seq, 0, 0, 0, ack, 0x50, flags, 255, 255, 0, 0, 0, 0];

export const targets = [
  {
    name: 'gateway',
    corpus: [0, 1, 8, 9].flatMap((how) => [
      seed(1, how, tcp(0x02, 1, 0)), seed(5, how, tcp(0x10, 2, 1)), seed(2, how, tcp(0x02, 1, 0)), seed(9, how, [...tcp(0x18, 2, 1), 1, 2, 3]), seed(0, how, tcp(0x04, 2, 0)), seed(0, how, tcp(0x11, 2, 1)),
      seed(1, how | 2, [3, 232, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]), seed(2, how | 2, [3, 233, 0, 9, 0, 9, 0, 0, 1]), seed(16, how | 2, [3, 232, 0, 53, 0, 8, 0, 1]),
      seed(2, how | 4, [(how & 1) === 0 ? 8 : 128, 0, 0, 0, 0, 7, 0, 1, 1, 2]), seed(1, how | 4, [(how & 1) === 0 ? 8 : 128, 0, 0, 0, 0, 8, 0, 1]), seed(0, how | 6, [1, 2, 3, 4]),
    ]),
    run: input,
    balance() {
      reopen();
      const { net } = theWorld();
      net.run(120_000_000);
      return { packets: net.kernel.engine.pool.inUse };
    },
  },
];
