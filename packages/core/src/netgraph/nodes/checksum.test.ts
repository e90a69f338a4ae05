/**
 * checksum.test.ts — ng_checksum: which checksums it computes, leaves for later, or leaves alone.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL } from '../../base/errno.js';
import { CSUM_IP, CSUM_L4 } from '../../mbuf/packet-buffer.js';
import { craftEcho, craftEther, craftTcp, craftUdp } from '../../sim/craft.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { NgBench } from '../../sim/ng-bench.js';
import type { NgProbe } from '../../sim/ng-probe.js';
import { cksumFold, cksumPseudo6, inCksum6 } from '../../wire/checksum.js';
import { TH_ACK } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
const IP = { src: '10.0.0.1', dst: '10.0.0.2' };
const TCP = { sport: 1, dport: 2, flags: TH_ACK };
const TEXT = Uint8Array.of(1, 2, 3, 4, 5);

/** CSUM_IP, CSUM_UDP, CSUM_TCP and those of IPv6. */
const ALL = 0x607;

const udp = craftUdp(LINK, IP, 7, 8, TEXT);
const tcp = craftTcp(LINK, IP, TCP, TEXT);
const raw = (frame: Uint8Array): Uint8Array => frame.slice(14);

/** The same with these bytes set to nonsense. */
function broken(frame: Uint8Array, ...places: readonly number[]): Uint8Array {
  const out = frame.slice();
  for (const at of places) out.set([0xba, 0xd0], at);
  return out;
}

function udp6(ext: Uint8Array = new Uint8Array(0)): Uint8Array {
  const packet = new Uint8Array(40 + ext.length + 13);
  const v = new DataView(packet.buffer);
  packet.set([0x60, 0, 0, 0, 0, ext.length + 13, ext.length === 0 ? 17 : 60, 64]);
  packet.fill(0x11, 8, 40);
  packet.set(ext, 40);
  const l4 = 40 + ext.length;
  packet.set([0, 7, 0, 8, 0, 13, 0, 0, ...TEXT], l4);
  v.setUint16(l4 + 6, inCksum6(v, l4, 13, 8, 24, 17));
  return craftEther(LINK, 0x86dd, packet);
}

interface Lab {
  readonly bench: NgBench;
  readonly probe: NgProbe;
  through(frame: Uint8Array): Uint8Array;
}

function checksum(dlt: number, config: string): Lab {
  const bench = new NgBench();
  bench.mkpeer('.', 'checksum', 'x', 'in');
  bench.name('x', 'c');
  const probe = bench.probe(['out', 'c', 'out']);
  bench.rmhook('.', 'x');
  probe.join('in', 'c', 'in');
  bench.ascii('c:', `setdlt ${dlt}`);
  if (config !== '') bench.ascii('c:', `setconfig { ${config} }`);
  const through = (frame: Uint8Array): Uint8Array => {
    probe.send('in', frame);
    const [got] = probe.take();
    expect(got).toMatchObject({ hook: 'out', csumFlags: 0 });
    return got!.bytes;
  };
  return { bench, probe, through };
}

describe.each([[1, (f: Uint8Array) => f, 14], [12, raw, 0]] as const)('with dlt %i', (dlt, form, l3) => {
  test('computes what it is told to', () => {
    const { through, bench } = checksum(dlt, `csum_flags=${ALL}`);
    const sumAt = l3 + 10;
    expect(through(broken(form(udp), sumAt, l3 + 26))).toEqual(form(udp));
    expect(through(broken(form(tcp), sumAt, l3 + 36))).toEqual(form(tcp));
    expect(through(broken(form(udp6()), l3 + 46))).toEqual(form(udp6()));
    const ext = Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0);
    expect(through(broken(form(udp6(ext)), l3 + 54))).toEqual(form(udp6(ext)));
    expect(through(broken(form(craftEcho(LINK, IP, 1, 1)), sumAt))).toEqual(form(craftEcho(LINK, IP, 1, 1)));
    expect(bench.ascii('c:', 'getclrstats')).toBe('{ Received=5 Processed=5 }');
  });

  test('leaves alone what it is not told of, what is no IP, and what is shorter than it says', () => {
    const { through, bench } = checksum(dlt, 'csum_flags=4');
    const bad = broken(form(udp), l3 + 10, l3 + 26);
    expect(through(bad)).toEqual(bad);
    const cut = broken(form(tcp), l3 + 36).subarray(0, l3 + 42);
    expect(through(cut)).toEqual(cut);
    const none = form(craftEther(LINK, 0x1234, new Uint8Array(60)));
    expect(through(none)).toEqual(none);
    expect(bench.ascii('c:', 'getstats')).toBe('{ Received=3 }');
  });

  test('does not sum what is behind the packet, and not fragments', () => {
    const { through } = checksum(dlt, `csum_flags=${ALL}`);
    const padded = (f: Uint8Array): Uint8Array => Uint8Array.of(...f, 9, 9, 9);
    expect(through(padded(broken(form(udp), l3 + 26)))).toEqual(padded(form(udp)));
    const fragment = form(craftUdp(LINK, { ...IP, off: 0x2000 }, 7, 8, TEXT));
    expect(through(broken(fragment, l3 + 10, l3 + 26))).toEqual(broken(fragment, l3 + 26));
  });
});

test('steps over tags in the bytes', () => {
  const { through } = checksum(1, `csum_flags=${ALL}`);
  const tags = (f: Uint8Array): Uint8Array => Uint8Array.of(...f.subarray(0, 12), 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x91, 0, 0, 7, ...f.subarray(12));
  expect(through(tags(broken(udp, 24, 40)))).toEqual(tags(udp));
  const torso = tags(udp).subarray(0, 20);
  expect(through(torso)).toEqual(torso);
});

test('leaves for later what may be offloaded, with the sum of the pseudo header in its place', () => {
  const { probe } = checksum(1, `csum_flags=${ALL} csum_offload=${ALL}`);
  probe.send('in', broken(udp6(), 60));
  probe.send('in', Uint8Array.of(...broken(udp, 40), 9, 9));
  const [six, padded] = probe.take();
  const v = new DataView(six!.bytes.buffer);
  expect(six).toMatchObject({ csumFlags: CSUM_L4, csumStart: 54, csumOffset: 6 });
  expect(v.getUint16(60)).toBe(cksumFold(cksumPseudo6(v, 22, 38, 17, 13)));
  expect(padded).toMatchObject({ csumFlags: 0, bytes: Uint8Array.of(...udp, 9, 9) });
});

test('does what was left for it, and cuts a super-segment for it', () => {
  const { probe, bench } = checksum(1, 'csum_flags=0');
  probe.send('in', broken(udp, 24), (m) => (m.csumFlags = CSUM_IP));
  const superSegment = () => craftSuperTcp(bench.kernel.engine.pool, LINK, IP, TCP, new Uint8Array(2_500).fill(7), 1_000);
  probe.sendPacket('in', superSegment());
  const got = probe.take();
  expect(got.map(({ bytes, csumFlags, gsoSize }) => [bytes.length, csumFlags, gsoSize])).toEqual([[udp.length, 0, 0], [1_054, 0, 0], [1_054, 0, 0], [554, 0, 0]]);
  expect(got[0]!.bytes).toEqual(udp);
  expect(got[3]!.bytes.subarray(34)).toEqual(craftTcp(LINK, IP, { ...TCP, seq: 2_001 }, new Uint8Array(500).fill(7)).subarray(34));
  expect(bench.ascii('c:', 'getstats')).toBe('{ Received=2 Processed=4 }');
  bench.ascii('c:', 'setconfig { csum_offload=4 }');
  probe.sendPacket('in', superSegment());
  expect(probe.take()).toMatchObject([{ gsoSize: 1_000, csumFlags: CSUM_L4 }]);
});

test('out goes to in as it is; without out, in goes back', () => {
  const { probe, bench } = checksum(1, `csum_flags=${ALL}`);
  const bad = broken(udp, 24, 40);
  probe.send('out', bad);
  expect(probe.take()).toMatchObject([{ hook: 'in', bytes: bad }]);
  bench.inside(() => bench.base.rmhook(probe.node.findHook('out')!));
  probe.send('in', bad);
  expect(probe.take()).toMatchObject([{ hook: 'in', bytes: udp }]);
  probe.join('out', 'c', 'out');
  bench.inside(() => bench.base.rmhook(probe.node.findHook('in')!));
  expect(probe.send('out', bad)).toBe(0);
  expect(bench.ascii('c:', 'getstats')).toBe('{ Received=3 Processed=1 Dropped=1 }');
});

test('its commands', () => {
  const { bench } = checksum(12, '');
  expect(bench.ascii('c:', 'getdlt')).toBe('12');
  expect(bench.asciiError('c:', 'setdlt 9')).toBe(EINVAL);
  expect(bench.ascii('c:', 'getconfig')).toBe('');
  bench.ascii('c:', 'setconfig { csum_flags=0xffff csum_offload=6 }');
  expect(bench.ascii('c:', 'getconfig')).toBe('{ csum_flags=1543 csum_offload=6 }');
  expect(bench.connect('.', 'c:', 'y', 'x')).toBe(EINVAL);
});
