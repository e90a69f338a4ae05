/**
 * nat.test.ts — ng_nat: its commands, packets both ways, bare and in frames, redirections.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL, ENOENT, ENOMEM, ENOTTY, ENXIO, EOPNOTSUPP } from '../../base/errno.js';
import { NgBench } from '../../sim/ng-bench.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { craftArp, craftTcp, craftUdp } from '../../sim/craft.js';
import { ip4Format } from '../../wire/addr.js';
import { inCksum4 } from '../../wire/checksum.js';
import { TH_ACK, TH_SYN } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };

/** Hook `lan` of the socket at `out`, where the inside is, and `wan` at `in`. */
function nat(...commands: readonly string[]): NgBench {
  const bench = new NgBench();
  expect(bench.mkpeer('.', 'nat', 'lan', 'out')).toBe(0);
  expect(bench.name('lan', 'nat')).toBe(0);
  expect(bench.connect('.', 'nat:', 'wan', 'in')).toBe(0);
  for (const command of commands) bench.ascii('nat:', command);
  return bench;
}

const udp = (src: string, sport: number, dst: string, dport: number): Uint8Array => craftUdp(LINK, { src, dst }, sport, dport, new Uint8Array(10)).subarray(14);

/** `10.0.0.1:5 > 192.0.2.1:53` of a packet whose checksums are right; `l3`: where its IP header is. */
function ends(packet: Uint8Array | undefined, l3 = 0): string {
  if (packet === undefined) return 'nothing';
  const v = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const [src, dst, l4] = [v.getUint32(l3 + 12), v.getUint32(l3 + 16), l3 + 20];
  if (inCksum4(v, l4, v.getUint16(l3 + 2) - 20, src, dst, v.getUint8(l3 + 9)) !== 0) return 'a wrong checksum';
  return `${ip4Format(src)}:${v.getUint16(l4)} > ${ip4Format(dst)}:${v.getUint16(l4 + 2)}`;
}

function through(bench: NgBench, hook: 'lan' | 'wan', packet: Uint8Array, l3 = 0): string {
  const error = bench.send(hook, packet);
  return error !== 0 ? `errno ${error}` : ends(bench.frames(hook === 'lan' ? 'wan' : 'lan')[0], l3);
}

describe('commands', () => {
  test('link types', () => {
    const bench = nat();
    expect(bench.ascii('nat:', 'getdlt')).toBe('12');
    bench.ascii('nat:', 'setdlt 1');
    expect(bench.ascii('nat:', 'getdlt')).toBe('1');
    expect(bench.asciiError('nat:', 'setdlt 2')).toBe(EINVAL);
  });

  test('redirections have numbers, which are not used again, and are listed in order', () => {
    const bench = nat();
    expect(bench.ascii('nat:', 'listredirects')).toBe('{}');
    expect(bench.ascii('nat:', 'redirectport { local_addr=10.0.0.2 alias_addr=192.0.2.1 local_port=80 alias_port=8080 proto=6 description="web" }')).toBe('1');
    expect(bench.ascii('nat:', 'redirectaddr { local_addr=10.0.0.3 alias_addr=192.0.2.3 }')).toBe('2');
    expect(bench.ascii('nat:', 'redirectproto { local_addr=10.0.0.4 alias_addr=192.0.2.1 remote_addr=198.51.100.1 proto=47 description="gre" }')).toBe('3');
    bench.ascii('nat:', 'addserver { id=1 addr=10.0.0.8 port=81 }');
    bench.ascii('nat:', 'redirectdelete 2');
    expect(bench.ascii('nat:', 'redirectport { local_addr=10.0.0.5 local_port=53 alias_port=53 proto=17 }')).toBe('4');
    expect(bench.ascii('nat:', 'listredirects')).toBe('{ total_count=3 redirects=[ '
      + '{ id=1 local_addr=10.0.0.2 alias_addr=192.0.2.1 local_port=80 alias_port=8080 proto=6 lsnat=1 description="web" } '
      + '{ id=3 local_addr=10.0.0.4 alias_addr=192.0.2.1 remote_addr=198.51.100.1 proto=47 description="gre" } '
      + '{ id=4 local_addr=10.0.0.5 local_port=53 alias_port=53 proto=17 } ] }');
    bench.ascii('nat:', 'redirectaddr { local_addr=10.0.0.3 alias_addr=192.0.2.3 }');
    expect(bench.ascii('nat:', 'listredirects')).toContain('{ id=5 local_addr=10.0.0.3 alias_addr=192.0.2.3 proto=259 } ] }');
    expect(bench.ascii('nat:', 'libaliasinfo')).toBe('{ udpLinkCount=1 tcpLinkCount=1 protoLinkCount=1 }');
  });

  test.each([
    ['redirectdelete 1', ENOENT], ['redirectdynamic 1', ENOENT], ['addserver { id=1 addr=10.0.0.1 port=1 }', ENOENT],
    ['redirectport { local_addr=10.0.0.2 local_port=80 alias_port=80 proto=47 }', ENOMEM], ['proxyrule "type encode_ip_hdr"', EOPNOTSUPP], ['proxyrule "x"', EINVAL],
    ['redirectport { description="0123456789012345678901234567890123456789012345678901234567890123" }', 7],
  ])('%s', (command, error) => {
    expect(nat().asciiError('nat:', command)).toBe(error);
  });

  test('redirectdynamic needs a redirection that says for whom', () => {
    const bench = nat('redirectport { local_addr=10.0.0.2 local_port=80 alias_port=80 proto=6 }', 'redirectport { local_addr=10.0.0.2 local_port=80 alias_port=81 remote_addr=198.51.100.1 remote_port=9 proto=6 }');
    expect(bench.asciiError('nat:', 'redirectdynamic 1')).toBe(ENOTTY);
    expect(bench.asciiError('nat:', 'redirectdynamic 2')).toBe(0);
    expect(bench.asciiError('nat:', 'redirectdelete 2')).toBe(ENOENT);
  });

  test('binary arguments may be longer, and not shorter', () => {
    const bench = nat();
    const binary = (cmd: number, length: number, typecookie = 1_107_718_711): number => bench.inside(() => bench.socket.sendMsg('nat:', { typecookie, cmd }, new Uint8Array(length)));
    expect([[1, 3], [1, 4], [1, 9], [2, 7], [2, 8], [3, 3], [4, 83], [5, 71], [6, 79], [7, 3], [9, 11], [13, 2], [15, 0]].map(([cmd, length]) => binary(cmd!, length!)))
      .toEqual([EINVAL, 0, 0, EINVAL, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL]);
    expect([binary(1, 4, 1), bench.connect('.', 'nat:', 'x', 'middle')]).toEqual([EINVAL, EINVAL]);
  });
});

describe('packets', () => {
  test('need both hooks, and pass until there is an alias', () => {
    const bench = nat();
    expect(through(bench, 'lan', udp('10.0.0.2', 5_000, '198.51.100.1', 53))).toBe('10.0.0.2:5000 > 198.51.100.1:53');
    bench.rmhook('.', 'wan');
    expect(bench.send('lan', udp('10.0.0.2', 5_000, '198.51.100.1', 53))).toBe(ENXIO);
    expect(bench.base.byName('nat')).not.toBeNull();
    bench.rmhook('.', 'lan');
    expect([bench.base.byName('nat'), bench.kernel.engine.pool.inUse]).toEqual([null, 0]);
  });

  test('get the alias on their way out, and their own address back', () => {
    const bench = nat('setaliasaddr 192.0.2.1');
    expect(through(bench, 'lan', udp('10.0.0.2', 5_000, '198.51.100.1', 53))).toBe('192.0.2.1:5000 > 198.51.100.1:53');
    expect(through(bench, 'lan', udp('10.0.0.3', 5_000, '198.51.100.1', 53))).toMatch(/^192\.0\.2\.1:(?!5000)\d+ > 198\.51\.100\.1:53$/);
    expect(through(bench, 'wan', udp('198.51.100.1', 53, '192.0.2.1', 5_000))).toBe('198.51.100.1:53 > 10.0.0.2:5000');
    expect(bench.ascii('nat:', 'libaliasinfo')).toBe('{ udpLinkCount=2 }');
    bench.advance(62_000_000);
    bench.ascii('nat:', 'setmode { flags=2 mask=2 }');
    expect(through(bench, 'wan', udp('198.51.100.1', 53, '192.0.2.1', 5_000))).toBe(`errno ${EINVAL}`);
    expect(bench.ascii('nat:', 'libaliasinfo')).toBe('{}');
  });

  test('of hosts outside that nobody asked go to the target', () => {
    const bench = nat('setaliasaddr 192.0.2.1', 'settarget 10.0.0.9');
    expect(through(bench, 'wan', udp('198.51.100.1', 53, '192.0.2.1', 7))).toBe('198.51.100.1:53 > 10.0.0.9:7');
  });

  test('to a redirected port go to its servers in turn', () => {
    const bench = nat('setaliasaddr 192.0.2.1', 'redirectport { local_addr=10.0.0.2 local_port=80 alias_port=8080 proto=6 }', 'setmode { flags=2 mask=2 }');
    const syn = (sport: number): Uint8Array => craftTcp(LINK, { src: '198.51.100.1', dst: '192.0.2.1' }, { sport, dport: 8_080, flags: TH_SYN }).subarray(14);
    expect(through(bench, 'wan', syn(1))).toBe('198.51.100.1:1 > 10.0.0.2:80');
    bench.ascii('nat:', 'addserver { id=1 addr=10.0.0.7 port=81 }');
    bench.ascii('nat:', 'addserver { id=1 addr=10.0.0.8 port=82 }');
    expect([2, 3, 4, 1].map((sport) => through(bench, 'wan', syn(sport)))).toEqual([
      '198.51.100.1:2 > 10.0.0.7:81', '198.51.100.1:3 > 10.0.0.8:82', '198.51.100.1:4 > 10.0.0.7:81', '198.51.100.1:1 > 10.0.0.2:80',
    ]);
    bench.ascii('nat:', 'redirectdelete 1');
    expect(through(bench, 'wan', syn(5))).toBe(`errno ${EINVAL}`);
  });

  test('only private sources are translated in the modes for that; this node has numbers of its own for them', () => {
    const bench = nat('setaliasaddr 192.0.2.1', 'setmode { flags=256 mask=256 }');
    const sources = (): string[] => ['10.0.0.2', '100.64.0.2', '203.0.113.2'].map((src) => through(bench, 'lan', udp(src, 5, '198.51.100.1', 53)));
    expect(sources()).toEqual(['192.0.2.1:5 > 198.51.100.1:53', expect.stringMatching(/^192\.0\.2\.1:\d+ /), '203.0.113.2:5 > 198.51.100.1:53']);
    bench.ascii('nat:', 'setmode { flags=16 mask=272 }');
    expect(through(bench, 'lan', udp('100.64.0.3', 5, '198.51.100.1', 53))).toBe('100.64.0.3:5 > 198.51.100.1:53');
  });

  test('in frames are found behind their header; what is no IPv4 passes, padding is cut off', () => {
    const bench = nat('setaliasaddr 192.0.2.1', 'setdlt 1');
    const frame = new Uint8Array(60);
    frame.set(craftUdp(LINK, { src: '10.0.0.2', dst: '198.51.100.1' }, 5_000, 53, new Uint8Array(2)));
    expect(bench.send('lan', frame)).toBe(0);
    const [out] = bench.frames('wan');
    expect([ends(out, 14), out!.length, [...out!.subarray(0, 14)]]).toEqual(['192.0.2.1:5000 > 198.51.100.1:53', 44, [...frame.subarray(0, 14)]]);
    const arp = craftArp(LINK, 1, LINK.src, '10.0.0.2', LINK.dst, '10.0.0.1');
    expect(bench.send('lan', arp)).toBe(0);
    expect(bench.frames('wan')).toEqual([arp]);
    expect(bench.send('lan', new Uint8Array(13))).toBe(ENXIO);
    const torn = frame.subarray(0, 40);
    expect(bench.send('lan', torn)).toBe(0);
    expect(bench.frames('wan')).toEqual([torn]);
  });

  test('with work left for later are translated as they are', () => {
    const bench = nat('setaliasaddr 192.0.2.1', 'setdlt 1');
    bench.inside(() => bench.socket.sendData('lan', craftSuperTcp(
      bench.kernel.engine.pool, LINK, { src: '10.0.0.2', dst: '198.51.100.1' }, { sport: 5_000, dport: 80, flags: TH_ACK }, new Uint8Array(2_500).fill(1), 1_000,
    )));
    expect(bench.frames('wan').map((f) => [ends(f, 14), f.length])).toEqual([1_054, 1_054, 554].map((n) => ['192.0.2.1:5000 > 198.51.100.1:80', n]));
    expect(bench.ascii('nat:', 'libaliasinfo')).toBe('{ tcpLinkCount=1 }');
    bench.shutdown('nat:');
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });

  test('of more connections than net.graph.nat.maxlinks are dropped', () => {
    const bench = new NgBench();
    bench.kernel.vnet0.kern.sysctl.set('net.graph.nat.maxlinks', 2);
    bench.mkpeer('.', 'nat', 'lan', 'out');
    bench.connect('.', 'lan', 'wan', 'in');
    bench.ascii('lan', 'setaliasaddr 192.0.2.1');
    expect([1, 2, 3].map((port) => bench.send('lan', udp('10.0.0.2', port, '198.51.100.1', 53)))).toEqual([0, 0, EINVAL]);
    bench.counts();
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });
});
