/**
 * ksocket.test.ts — ng_ksocket: its calls in their ASCII form, datagrams and streams, answers that come later, and a tunnel between two vnets.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  EADDRNOTAVAIL, EAFNOSUPPORT, EALREADY, ECONNREFUSED, EINPROGRESS, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN, ENXIO, EPROTONOSUPPORT,
} from '../../base/errno.js';
import { in6Aifaddr } from '../../inet6/in6-control.js';
import { CSUM_L4 } from '../../mbuf/packet-buffer.js';
import { PF_INET6, SOCK_DGRAM } from '../../socket/socket-type.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';
import type { Vnet } from '../../vnet/vnet.js';
import { ip4Parse } from '../../wire/addr.js';
import { ip6Parse } from '../../wire/addr6.js';
import { inCksum4 } from '../../wire/checksum.js';
import { TH_ACK } from '../../wire/tcp.js';

const LOOPBACK = 0x7f000001;
const text = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const textOf = (b: Uint8Array): string => String.fromCharCode(...b);

let net: SimNet;
let vnet: Vnet;
let bench: NgBench;

beforeEach(() => {
  net = new SimNet(7);
  vnet = net.vnet('a');
  const { loif } = vnet.net;
  net.addr(vnet, loif!, '127.0.0.1/8');
  net.kernel.call(net.now, () => in6Aifaddr(vnet.in6Net, loif!, { addr: ip6Parse('::1')!, plen: 128 }));
  bench = new NgBench(7, { kernel: net.kernel, vnet });
});

/** Nothing is left of the vnet. */
afterEach(() => {
  net.kernel.call(net.now, () => net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'a')!));
  net.run(200_000_000);
  expect([net.kernel.engine.pool.inUse, net.kernel.engine.pool.tags.inUse]).toEqual([0, 0]);
});

/** A ksocket called `ks` at the socket's hook `ks`. */
function ksocket(kind = 'inet/dgram/udp', name = 'ks'): void {
  expect(bench.mkpeer('.', 'ksocket', name, kind)).toBe(0);
  expect(bench.name(name, name)).toBe(0);
}

/** Messages that have come meanwhile: token, command, and ASCII form. */
function later(): (readonly [number, string])[] {
  net.run(1_000_000);
  const all: (readonly [number, string])[] = [];
  for (let got = bench.socket.recvMsg(); got !== null; got = bench.socket.recvMsg()) {
    const ascii = bench.inside(() => bench.socket.toAscii(got!));
    all.push([got.msg.token, `${ascii?.cmdstr} ${textOf(ascii!.args.subarray(0, -1))}`]);
  }
  return all;
}

describe('hooks', () => {
  test.each([
    ['inet/dgram', EINVAL], ['inet', EINVAL], ['', EINVAL], ['foo/dgram/udp', EINVAL], ['inet/foo/udp', EINVAL], ['inet/dgram/foo', EINVAL], ['inet/dgram/udp/', EINVAL],
    ['local/stream/0', EAFNOSUPPORT], ['inet/dgram/tcp', EPROTONOSUPPORT],
  ])('%s is refused', (kind, error) => {
    expect(bench.mkpeer('.', 'ksocket', 'ks', kind)).toBe(error);
    expect([bench.base.nodeTotal, vnet.sockets.count]).toEqual([1, 0]);
  });

  test.each(['inet/dgram/udp', '2/2/17', 'inet/stream/tcp', 'inet/raw/icmp', '2/3/255', 'inet6/dgram/17', 'inet6/stream/tcp', '28/3/58', 'inet/dgram/'])('%s opens a socket', (kind) => {
    ksocket(kind);
    expect(vnet.sockets.count).toBe(1);
    expect(bench.connect('.', 'ks:', 'other', 'inet/stream/6')).toBe(EISCONN);
    bench.rmhook('.', 'ks');
    expect([bench.base.byName('ks'), vnet.sockets.count]).toEqual([null, 0]);
  });
});

describe('calls', () => {
  test('bind and getname, connect and getpeername', () => {
    ksocket();
    expect(bench.ascii('ks:', 'getname')).toBe('inet/0.0.0.0');
    expect(bench.asciiError('ks:', 'getpeername')).toBe(ENOTCONN);
    expect(bench.ascii('ks:', 'bind inet/127.0.0.1:5000')).toBe('');
    expect(bench.ascii('ks:', 'getname')).toBe('inet/127.0.0.1:5000');
    expect(bench.ascii('ks:', 'connect { len=16 family=2 data=[ 0x13 0x89 127 0 0 1 ] }')).toBe('');
    expect(bench.ascii('ks:', 'getpeername')).toBe('inet/127.0.0.1:5001');
  });

  test('addresses of IPv6', () => {
    ksocket('inet6/dgram/udp');
    expect(bench.ascii('ks:', 'bind inet6/[::1]:5000')).toBe('');
    expect(bench.ascii('ks:', 'getname')).toBe('{ len=28 family=28 data=[ 0x13 0x88 21=0x1 ] }');
    expect(bench.ascii('ks:', 'connect { len=28 family=28 data=[ 0x13 0x89 21=0x1 ] }')).toBe('');
    expect(bench.ascii('ks:', 'getpeername')).toBe('{ len=28 family=28 data=[ 0x13 0x89 21=0x1 ] }');
  });

  test.each([
    ['bind inet/127.0.0.256:1', EINVAL], ['bind inet/127.0.0:1', EINVAL], ['bind inet/127.0.0.1:', EINVAL], ['bind inet/127.0.0.1:65536', EINVAL], ['bind 127.0.0.1', EINVAL],
    ['bind foo/1', EINVAL], ['bind local/"/tmp/x"', EAFNOSUPPORT], ['bind inet6/::1', EAFNOSUPPORT], ['bind inet6/::g', EINVAL], ['bind { len=4 family=2 data=[ 0 0 ] }', EINVAL],
    ['bind', EINVAL], ['bind inet/192.0.2.1:1', EADDRNOTAVAIL], ['listen 5', EINVAL], ['accept', EINVAL], ['getopt { level=0xffff name=0x7777 }', ENOPROTOOPT],
    ['setopt { level=0xffff name=0x7777 value=[ 1 ] }', ENOPROTOOPT], ['setopt { level=0 name=3 value=[ 0 1 ] }', EINVAL], ['setopt { level=0 name=3 }', EINVAL],
  ])('%s', (command, error) => {
    ksocket();
    expect(bench.asciiError('ks:', command)).toBe(error);
  });

  test('options by number', () => {
    ksocket();
    expect(bench.ascii('ks:', 'setopt { level=0xffff name=0x1002 value=[ 0 0 1 ] }')).toBe('');
    expect(bench.ascii('ks:', 'getopt { level=0xffff name=0x1002 }')).toBe('{ level=65535 name=4098 value=[ 2=0x1 ] }');
    expect(bench.ascii('ks:', 'getopt { level=0xffff name=0x1008 }')).toBe('{ level=65535 name=4104 value=[ 0x2 ] }');
    expect(bench.ascii('ks:', 'setopt { level=0 name=4 value="\\x07" }')).toBe('');
    expect(bench.ascii('ks:', 'getopt { level=0 name=4 }')).toBe('{ name=4 value=[ 0x7 ] }');
  });

  test('options that are no numbers', () => {
    ksocket();
    expect(bench.ascii('ks:', 'setopt { name=12 value=[ 224 0 0 9 127 0 0 1 ] }')).toBe('');
    expect(bench.ascii('ks:', 'setopt { name=9 value=[ 127 0 0 1 ] }')).toBe('');
    expect(bench.asciiError('ks:', 'setopt { name=12 value=[ 224 0 0 9 192 0 2 1 ] }')).toBe(EADDRNOTAVAIL);
    expect(bench.ascii('ks:', 'setopt { name=13 value=[ 224 0 0 9 127 0 0 1 ] }')).toBe('');
    ksocket('inet/stream/tcp', 'st');
    expect(bench.ascii('st:', 'setopt { level=6 name=64 value="newreno" }')).toBe('');
    expect(bench.ascii('st:', 'getopt { level=6 name=64 }')).toBe(`{ level=6 name=64 value=[ ${[...'newreno'].map((c) => `0x${c.charCodeAt(0).toString(16)}`).join(' ')} ] }`);
    expect(bench.ascii('st:', 'setopt { level=0xffff name=0x80 value=[ 1 4=7 ] }')).toBe('');
    expect(bench.ascii('st:', 'getopt { level=0xffff name=0x80 }')).toBe('{ level=65535 name=128 value=[ 0x80 4=0x7 ] }');
    ksocket('inet6/dgram/17', 'six');
    expect(bench.ascii('six:', `setopt { level=41 name=12 value=[ 0xff 0x02 15=9 ${vnet.net.loif!.index} ] }`)).toBe('');
    expect(bench.asciiError('six:', 'setopt { level=41 name=9 value=[ 99 ] }')).toBe(EADDRNOTAVAIL);
  });

  test('of a node without a socket', () => {
    const node = bench.inside(() => bench.base.makeNode(bench.base.typeOf('ksocket')!, bench.base.typeOf('ksocket')!.construct!));
    expect(typeof node).toBe('object');
    const path = typeof node === 'number' ? '' : `[${node.id.toString(16)}]:`;
    for (const command of ['bind inet/127.0.0.1', 'connect inet/127.0.0.1', 'listen 1', 'accept', 'getname', 'getpeername', 'getopt { name=1 }']) expect(bench.asciiError(path, command)).toBe(ENXIO);
    expect(bench.inside(() => bench.socket.sendMsg(path, { typecookie: 942_710_669, cmd: 9 }))).toBe(EINVAL);
  });
});

describe('datagrams', () => {
  test('udp_connect: what comes in by the hook goes to the end it is connected to', () => {
    const us = net.udp(vnet, 5000);
    ksocket();
    bench.ascii('ks:', 'connect inet/127.0.0.1:5000');
    expect(bench.send('ks', text('Hello, peer!'))).toBe(0);
    bench.settle();
    const into = new Uint8Array(100);
    expect(textOf(into.subarray(0, us.recv(into)))).toBe('Hello, peer!');
  });

  test('udp_bind: what is sent to its address goes out of the hook', () => {
    ksocket();
    bench.ascii('ks:', 'bind inet/127.0.0.1');
    const port = Number(bench.ascii('ks:', 'getname').split(':')[1]);
    const us = net.udp(vnet);
    expect([us.connect(LOOPBACK, port), us.send(text('Hello, peer!'))]).toEqual([0, 0]);
    expect(bench.frames('ks').map(textOf)).toEqual(['Hello, peer!']);
  });

  test.each(['inet', 'inet6'])('%s: an answer finds its way by the tag of the question', (family) => {
    ksocket(`${family}/dgram/udp`);
    bench.ascii('ks:', family === 'inet' ? 'bind inet/127.0.0.1:7' : 'bind inet6/[::1]:7');
    bench.rmhook('.', 'ks');
    expect(bench.mkpeer('.', 'echo', 'tmp', 'tmp')).toBe(0);
    expect(bench.name('tmp', 'echo')).toBe(0);
    expect(bench.mkpeer('echo:', 'ksocket', 'x', `${family}/dgram/udp`)).toBe(0);
    bench.name('echo:x', 'ks');
    bench.ascii('ks:', family === 'inet' ? 'bind inet/127.0.0.1:7' : 'bind inet6/[::1]:7');
    const us = family === 'inet' ? net.udp(vnet) : vnet.sockets.socket(PF_INET6, SOCK_DGRAM).so!;
    expect(us.send(text('hello'), family === 'inet' ? LOOPBACK : { addr: ip6Parse('::1')!, scopeId: 0 }, 7)).toBe(0);
    bench.settle();
    const into = new Uint8Array(100);
    expect(textOf(into.subarray(0, us.recv(into)))).toBe('hello');
  });

  test('a run of datagrams is so many packets', () => {
    ksocket();
    bench.ascii('ks:', 'bind inet/127.0.0.1:5000');
    const us = net.udp(vnet);
    const m = us.allocPacket(250)!;
    m.bytes().set(Uint8Array.from({ length: 250 }, (_, i) => i));
    m.gsoSize = 100;
    expect(us.sendPacket(m, LOOPBACK, 5000)).toBe(0);
    expect(bench.frames('ks').map((f) => [f.length, f[0]])).toEqual([[100, 0], [100, 100], [50, 200]]);
  });

  test('what is sent is bytes as on a wire', () => {
    const us = net.udp(vnet, 5000);
    ksocket();
    bench.ascii('ks:', 'connect inet/127.0.0.1:5000');
    const link = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
    bench.inside(() => {
      const m = craftSuperTcp(net.kernel.engine.pool, link, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(250).fill(5), 100);
      expect(m.csumFlags).toBe(CSUM_L4);
      m.flags |= 4;
      m.vproto = 0x8100;
      m.vtag = 42;
      bench.socket.sendData('ks', m);
    });
    bench.settle();
    const into = new Uint8Array(200);
    const got = [0, 1, 2].map(() => {
      const n = us.recv(into);
      const v = new DataView(into.buffer);
      return [n, v.getUint16(12), v.getUint16(14), inCksum4(v, 38, n - 38, ip4Parse('10.0.0.1')!, ip4Parse('10.0.0.2')!, 6)];
    });
    expect(got).toEqual([[158, 0x8100, 42, 0], [158, 0x8100, 42, 0], [108, 0x8100, 42, 0]]);
    expect(us.recv(into)).toBeLessThan(0);
  });

  test('raw sockets see IP packets', () => {
    ksocket('inet/raw/99');
    bench.ascii('ks:', 'connect inet/127.0.0.1');
    bench.send('ks', text('body'));
    const [packet] = bench.frames('ks');
    expect([packet!.length, packet![9], textOf(packet!.subarray(20))]).toEqual([24, 99, 'body']);
  });

  test('an error that came by itself does not cost the next datagram', () => {
    ksocket();
    bench.ascii('ks:', 'connect inet/127.0.0.1:5000');
    bench.send('ks', text('lost'));
    bench.settle();
    const us = net.udp(vnet, 5000);
    bench.send('ks', text('kept'));
    bench.settle();
    const into = new Uint8Array(100);
    expect(textOf(into.subarray(0, us.recv(into)))).toBe('kept');
  });
});

describe('streams', () => {
  test('connect is answered when it is made, with its token', () => {
    net.listen(vnet, 80);
    ksocket('inet/stream/tcp');
    expect(bench.asciiError('ks:', 'connect inet/127.0.0.1:80')).toBe(EINPROGRESS);
    const token = bench.socket.lastToken;
    expect(bench.asciiError('ks:', 'connect inet/127.0.0.1:80')).toBe(EALREADY);
    expect(later()).toEqual([[token, 'connect 0']]);
    expect(bench.ascii('ks:', 'getpeername')).toBe('inet/127.0.0.1:80');
  });

  test('connect is answered when it is refused', () => {
    ksocket('inet/stream/tcp');
    expect(bench.asciiError('ks:', 'connect inet/127.0.0.1:80')).toBe(EINPROGRESS);
    expect(later()).toEqual([[bench.socket.lastToken - 1, `connect ${ECONNREFUSED}`]]);
    expect(bench.asciiError('ks:', 'getpeername')).toBe(ENOTCONN);
  });

  test.each(['before', 'after'])('accept that is asked %s the connection comes', (when) => {
    ksocket('inet/stream/tcp');
    bench.ascii('ks:', 'bind inet/127.0.0.1:80');
    bench.ascii('ks:', 'listen -1');
    let token = 0;
    const ask = (): void => {
      expect(bench.asciiError('ks:', 'accept')).toBe(0);
      token = bench.socket.lastToken;
    };
    if (when === 'before') {
      ask();
      expect(bench.asciiError('ks:', 'accept')).toBe(EALREADY);
      expect(later()).toEqual([]);
    }
    const us = net.connect(vnet, '127.0.0.1', 80);
    if (when === 'after') {
      net.run(1_000_000);
      ask();
    }
    const { port } = us.name();
    const id = bench.base.nodes().reduce((most, node) => Math.max(most, node.id), 0) + (when === 'before' ? 1 : 0);
    expect(later()).toEqual([[token, `accept { nodeid=0x${id.toString(16)} addr={ len=16 family=2 data=[ 0x${(port >> 8).toString(16)} 0x${(port & 255).toString(16)} 0x7f 5=0x1 ] } }`]]);
    us.send(text('early'));
    net.run(1_000_000);
    expect(bench.connect('.', `[${id.toString(16)}]:`, 'conn', 'anything')).toBe(0);
    expect(bench.frames('conn').map(textOf)).toEqual(['early']);
    bench.send('conn', text('answer'));
    net.run(1_000_000);
    const into = new Uint8Array(100);
    expect(textOf(into.subarray(0, us.recv(into)))).toBe('answer');
    us.close();
    net.run(1_000_000);
    expect(bench.frames('conn').map(textOf)).toEqual(['']);
    bench.shutdown('ks:');
    expect(bench.base.byId(id)).not.toBeNull();
  });

  test('a connection nobody has hooked goes with its listener', () => {
    ksocket('inet/stream/tcp');
    bench.ascii('ks:', 'bind inet/127.0.0.1:80');
    bench.ascii('ks:', 'listen 5');
    bench.asciiError('ks:', 'accept');
    const us = net.connect(vnet, '127.0.0.1', 80);
    expect(later().length).toBe(1);
    expect([bench.base.nodeCount(bench.base.typeOf('ksocket')!), vnet.sockets.count]).toEqual([2, 3]);
    bench.shutdown('ks:');
    bench.settle();
    expect(bench.base.nodeCount(bench.base.typeOf('ksocket')!)).toBe(0);
    net.run(1_000_000);
    expect(us.eof).toBe(true);
  });

  test('data before there is a connection is refused', () => {
    ksocket('inet/stream/tcp');
    bench.send('ks', text('x'));
    bench.settle();
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });
});

test('carries frames from vnet to vnet over UDP', () => {
  const other = net.vnet('b');
  const [a, b] = net.epair(vnet, other);
  net.addr(vnet, a, '192.0.2.1/24');
  net.addr(other, b, '192.0.2.2/24');
  const far = new NgBench(7, { kernel: net.kernel, vnet: other });
  for (const [end, ours, theirs, prefix] of [[bench, '192.0.2.1', '192.0.2.2', '10.0.0.1/24'], [far, '192.0.2.2', '192.0.2.1', '10.0.0.2/24']] as const) {
    expect(end.mkpeer('.', 'bridge', 'x', 'link0')).toBe(0);
    end.name('x', 'br');
    expect(end.mkpeer('br:', 'eiface', 'link1', 'ether')).toBe(0);
    expect(end.mkpeer('br:', 'ksocket', 'link2', 'inet/dgram/udp')).toBe(0);
    end.ascii('br:link2', `bind inet/${ours}:4242`);
    end.ascii('br:link2', `connect inet/${theirs}:4242`);
    net.addr(end.vnet, end.vnet.net.ifunit('ngeth0')!, prefix);
  }
  // Twice the path's MTU, so the tunnel's packets are fragments.
  const to = net.udp(other, 9);
  const from = net.udp(vnet);
  expect(from.send(new Uint8Array(2_800).fill(3), ip4Parse('10.0.0.2')!, 9)).toBe(0);
  net.run(1_000_000);
  const into = new Uint8Array(3_000);
  expect(to.recv(into)).toBe(2_800);
  bench.send('x', testFrame('broadcast', 1));
  net.run(1_000_000);
  expect(far.counts('x')[0]).toBeGreaterThan(0);
  net.kernel.call(net.now, () => net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'b')!));
  net.run(1_000_000);
});
