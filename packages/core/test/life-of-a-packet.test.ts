/**
 * life-of-a-packet.test.ts — the lists in ARCHITECTURE.md are the truth: an ICMP and an ICMPv6 echo, and what a program echoes over TCP,
 * are answered through exactly those files, in that order.
 *
 * The driver's `transmit` looks at its own call stack when the reply comes out: from the door the request came in by to the driver, every function of the
 * packet path is still on it, because the reply is made by plain calls.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { in6Aifaddr } from '../src/inet6/in6-control.js';
import { IN6_IFF_NODAD } from '../src/inet6/in6-ifaddr.js';
import { nd6Set } from '../src/inet6/nd6-control.js';
import { craftArp, craftEcho, craftEther, craftTcp } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { Wire } from '../src/sim/wire-script.js';
import { macParse } from '../src/wire/addr.js';
import { ip6Parse } from '../src/wire/addr6.js';
import { inCksum6 } from '../src/wire/checksum.js';
import { ETHERTYPE_IPV6 } from '../src/wire/ether.js';
import { ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN } from '../src/wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../src/wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../src/wire/ipproto.js';
import { TH_ACK, TH_PUSH, TH_SYN, tcpSeq } from '../src/wire/tcp.js';

const LINK = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };

const ip6 = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);

/** Files of the stack below core/src, innermost last; calls within one file are one step. */
function filesOf(stack: string): string[] {
  const paths = [...stack.matchAll(/core\/src\/([a-z0-9/-]+\.ts)/g)].map((m) => m[1] ?? '').reverse();
  return paths.filter((p, i) => p !== paths[i - 1]);
}

function documented(name: string): string[] {
  const text = readFileSync(new URL('../../../ARCHITECTURE.md', import.meta.url), 'utf8');
  const list = new RegExp(`<!-- life-of-a-packet: ${name} -->([\\s\\S]*?)<!-- end -->`).exec(text)?.[1] ?? '';
  return [...list.matchAll(/^.*?`([a-z0-9/-]+\.ts)`/gm)].map((m) => m[1] ?? '');
}

/** The files an answer has come through when it is sent to `wire`. */
function traced(wire: Wire, frame: Uint8Array): string[] {
  let stack = '';
  wire.transmit = (_ifp, m) => {
    Error.stackTraceLimit = 100;
    stack = new Error('here').stack ?? '';
    m.free();
    return 0;
  };
  wire.in(frame);
  return filesOf(stack).filter((f) => !f.startsWith('sim/') && !f.startsWith('vnet/'));
}

it('an ICMP echo goes through the files that ARCHITECTURE.md names', () => {
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: LINK.dst });
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  wire.in(craftArp(LINK, 1, LINK.src, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1')).take();
  expect(traced(wire, craftEcho(LINK, { src: '192.0.2.2', dst: '192.0.2.1' }, 1, 1))).toEqual(documented('icmp-echo'));
});

it('an ICMPv6 echo goes through the files that ARCHITECTURE.md names', () => {
  const [own, peer] = [ip6('2001:db8::1'), ip6('2001:db8::2')];
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: LINK.dst });
  net.kernel.call(net.now, () => {
    in6Aifaddr(vnet.in6Net, wire.ifp, { addr: own, plen: 64, flags: IN6_IFF_NODAD });
    nd6Set(vnet.nd6, peer, macParse(LINK.src) ?? new Uint8Array(6), { ifp: wire.ifp });
  });
  wire.take();
  const packet = new Uint8Array(IP6_HDR_LEN + ICMP6_HDR_LEN);
  const v = new DataView(packet.buffer);
  ip6Emit(v, 0, 0, 0, ICMP6_HDR_LEN, IPPROTO_ICMPV6, 64);
  packet.set(peer, IP6_SRC);
  packet.set(own, IP6_DST);
  v.setUint8(IP6_HDR_LEN, ICMP6_ECHO_REQUEST);
  v.setUint16(IP6_HDR_LEN + 2, inCksum6(v, IP6_HDR_LEN, ICMP6_HDR_LEN, IP6_SRC, IP6_DST, IPPROTO_ICMPV6));
  expect(traced(wire, craftEther(LINK, ETHERTYPE_IPV6, packet))).toEqual(documented('icmp6-echo'));
});

it('what a program echoes over TCP goes through the files that ARCHITECTURE.md names', () => {
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: LINK.dst });
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  wire.in(craftArp(LINK, 1, LINK.src, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1')).take();
  const listener = net.listen(vnet, 7);
  listener.onReadable = () => {
    const so = listener.accept();
    if (so === null) return;
    const bytes = new Uint8Array(100);
    so.onReadable = () => so.send(bytes.subarray(0, so.recv(bytes)));
  };
  const ends = [LINK, { src: '192.0.2.2', dst: '192.0.2.1' }] as const;
  const synAck = wire.in(craftTcp(...ends, { sport: 9, dport: 7, seq: 1, flags: TH_SYN })).take()[0]?.bytes ?? new Uint8Array(54);
  const ack = (tcpSeq(new DataView(synAck.buffer, synAck.byteOffset), 34) + 1) >>> 0;
  wire.in(craftTcp(...ends, { sport: 9, dport: 7, seq: 2, ack, flags: TH_ACK })).take();
  const data = craftTcp(...ends, { sport: 9, dport: 7, seq: 2, ack, flags: TH_ACK | TH_PUSH }, Uint8Array.of(1, 2, 3));
  expect(traced(wire, data)).toEqual(documented('tcp-echo'));
});
