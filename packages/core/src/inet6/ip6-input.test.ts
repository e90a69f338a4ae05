/**
 * ip6-input.test.ts — IPv6 input: header checks, extension header chains, and the errors they are answered with.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { IPPROTO_DSTOPTS, IPPROTO_ESP, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_ROUTING, IPPROTO_UDP } from '../wire/ipproto.js';
import type { Ip6Stats } from './ip6-var.js';
import { Ip6Bench, addr6, icmp6Packet, ip6Bytes, ip6Frame, macN } from './test-ip6.js';
import type { Ip6Spec, Wire6 } from './test-ip6.js';

const A = '2001:db8::a';
const B = '2001:db8::b';

let b: Ip6Bench;
let w: Wire6;
let got: { readonly off: number; readonly nxt: number }[];

beforeEach(() => {
  b = new Ip6Bench(3);
  w = b.wire(`${B}/64`);
  w.neighbour(A, macN(0xa));
  got = [];
  b.ip6.register(IPPROTO_UDP, {
    input: (_ifp, m, off) => {
      got.push({ off, nxt: m.view.getUint8(m.off + 6) });
      m.free();
    },
  });
  w.take();
  for (const key of Object.keys(b.ip6.stats)) Object.assign(b.ip6.stats, { [key]: 0 });
});

const join = (...parts: (Uint8Array | number[])[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));
const UDP = [0, 7, 0, 7, 0, 8, 0, 0];
/** An options header that is followed by `nxt`, padded to a multiple of 8. */
const opts = (nxt: number, ...bytes: number[]): number[] => {
  const len = Math.ceil((bytes.length + 2) / 8) * 8;
  const pad = len - bytes.length - 2;
  const padding = pad === 0 ? [] : pad === 1 ? [0] : [1, pad - 2, ...new Array<number>(pad - 2).fill(0)];
  return [nxt, len / 8 - 1, ...bytes, ...padding];
};
const inject = (proto: number, payload: Uint8Array, more: Partial<Ip6Spec> = {}): void => {
  const spec = { src: A, dst: B, proto, payload, ...more };
  w.inject(ip6Frame(spec.dst.startsWith('ff') ? null : macN(1), macN(0xa), spec));
};
/** `type/code@pointer` of each error that was sent. */
const errors = (): string[] => w.lines().map((l) => l.replace(/^icmp6 .* type (\d+) code (\d+) arg (\d+).*$/, '$1/$2@$3'));
const expectCounts = (want: Partial<Ip6Stats>): void => {
  const is = snapshot(b.ip6.stats);
  expect(Object.fromEntries(Object.entries(is).filter(([k, v]) => v !== 0 && !/^(nxt|rule|sources)|^(total|localout|delivered)$/.test(k)))).toEqual(want);
};

describe('headers that are refused', () => {
  it.each<[string, (p: Uint8Array) => Uint8Array, Partial<Ip6Stats>]>([
    ['too short', (p) => p.subarray(0, 30), { toosmall: 1 }],
    ['another version', (p) => Uint8Array.from(p, (x, i) => (i === 0 ? 0x40 : x)), { badvers: 1 }],
    ['more payload than there is', (p) => Uint8Array.from(p, (x, i) => (i === 5 ? 99 : x)), { tooshort: 1 }],
  ])('%s', (_name, change, want) => {
    const m = b.packet(change(ip6Bytes({ src: A, dst: B, payload: join(UDP) })));
    b.ip6.input(w.ifp, m);
    expect(errors()).toEqual([]);
    expectCounts(want);
    expect(b.in6Net.ifinfo(w.ifp)!.stats.ip6.discard).toBe(1);
  });

  it.each([
    ['ff02::1', B], ['::1', B], ['::ffff:1.2.3.4', B], [A, '::'], [A, '::1'], [A, '::ffff:1.2.3.4'], [A, 'ff00::1'], [A, 'ff01::1'], ['fe80:1::2', B], [A, 'ff02:1::1'],
  ])('from %s to %s: beyond its scope', (src, dst) => {
    inject(IPPROTO_UDP, join(UDP), { src, dst });
    expect(errors()).toEqual([]);
    expectCounts({ badscope: 1 });
  });

  it('a source of ours from outside; a group we are not in; somebody else', () => {
    inject(IPPROTO_UDP, join(UDP), { src: B });
    inject(IPPROTO_UDP, join(UDP), { dst: 'ff02::77' });
    inject(IPPROTO_UDP, join(UDP), { dst: '2001:db8::c' });
    expectCounts({ badscope: 1, notmember: 1, cantforward: 1 });
  });

  it('link padding is cut off', () => {
    b.ip6.register(IPPROTO_UDP, null);
    let len = 0;
    b.ip6.register(IPPROTO_UDP, {
      input: (_ifp, m) => {
        len = m.len;
        m.free();
      },
    });
    b.ip6.input(w.ifp, b.packet(join(ip6Bytes({ src: A, dst: B, payload: join(UDP) }), [9, 9, 9])));
    expect(len).toBe(48);
  });
});

describe('extension headers', () => {
  it.each<[string, number, number[][], number]>([
    ['none', IPPROTO_UDP, [], 40],
    ['hop-by-hop', IPPROTO_HOPOPTS, [opts(IPPROTO_UDP)], 48],
    ['router alert', IPPROTO_HOPOPTS, [opts(IPPROTO_UDP, 5, 2, 0, 0)], 48],
    ['destination options', IPPROTO_DSTOPTS, [opts(IPPROTO_UDP, 0, 0, 0)], 48],
    ['options to be skipped', IPPROTO_DSTOPTS, [opts(IPPROTO_UDP, 0x1e, 3, 1, 2, 3)], 48],
    ['a routing header that has done its work', IPPROTO_ROUTING, [[IPPROTO_UDP, 2, 0, 0, 0, 0, 0, 0, ...addr6(A)]], 64],
    ['an unknown routing header that has done its work', IPPROTO_ROUTING, [[IPPROTO_UDP, 0, 200, 0, 0, 0, 0, 0]], 48],
    ['all, in the order of RFC 8200', IPPROTO_HOPOPTS, [opts(IPPROTO_DSTOPTS), opts(IPPROTO_ROUTING), [IPPROTO_FRAGMENT, 0, 4, 0, 0, 0, 0, 0], [IPPROTO_DSTOPTS, 0, 0, 0, 0, 0, 0, 9], opts(IPPROTO_UDP)], 72],
  ])('%s', (_name, proto, headers, off) => {
    inject(proto, join(...headers, UDP));
    expect(errors()).toEqual([]);
    expect(got.map((g) => g.off)).toEqual([off]);
  });

  it.each<[string, number, number[][], string, number]>([
    ['unknown option 01: silence', IPPROTO_DSTOPTS, [opts(IPPROTO_UDP, 0x5e, 0)], '', 1],
    ['unknown option 10: an error that points at it', IPPROTO_DSTOPTS, [opts(IPPROTO_UDP, 0, 0x9e, 0)], '4/2@43', 1],
    ['unknown option 11: the same', IPPROTO_HOPOPTS, [opts(IPPROTO_UDP, 0xde, 0)], '4/2@42', 1],
    ['home address option', IPPROTO_DSTOPTS, [opts(IPPROTO_UDP, 0xc9, 16, ...addr6(A))], '4/2@42', 1],
    ['jumbo option', IPPROTO_HOPOPTS, [opts(IPPROTO_UDP, 0xc2, 4, 0, 1, 0, 0)], '4/0@42', 1],
    ['router alert of a wrong length', IPPROTO_HOPOPTS, [opts(IPPROTO_UDP, 5, 1, 0)], '4/0@43', 1],
    ['option beyond its header', IPPROTO_DSTOPTS, [[IPPROTO_UDP, 0, 0x1e, 9, 0, 0, 0, 0]], '4/0@43', 1],
    ['routing header type 0 with segments left', IPPROTO_ROUTING, [[IPPROTO_UDP, 2, 0, 1, 0, 0, 0, 0, ...addr6(A)]], '4/0@42', 1],
    ['unknown routing header with segments left', IPPROTO_ROUTING, [[IPPROTO_UDP, 0, 200, 1, 0, 0, 0, 0]], '4/0@42', 1],
    ['hop-by-hop options that are not first', IPPROTO_DSTOPTS, [opts(IPPROTO_HOPOPTS), opts(IPPROTO_UDP)], '4/1@40', 0],
    ['a protocol nobody has', 200, [], '4/1@6', 0],
    ['ESP, which nobody has', IPPROTO_DSTOPTS, [opts(IPPROTO_ESP)], '4/1@40', 0],
    ['the end', IPPROTO_NONE, [], '', 0],
  ])('%s', (_name, proto, headers, answer, badoptions) => {
    inject(proto, join(...headers, UDP));
    expect(errors()).toEqual(answer === '' ? [] : [answer]);
    expect(got).toEqual([]);
    expectCounts(badoptions === 0 ? {} : { badoptions });
  });

  it('to a group: only an unknown option that insists is answered, from a unicast address', () => {
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_UDP, 0xde, 0), UDP), { dst: 'ff02::1' });
    inject(200, join(UDP), { dst: 'ff02::1' });
    expect(errors()).toEqual([]);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_UDP, 0x9e, 0), UDP), { dst: 'ff02::1' });
    expect(w.lines()).toEqual([`icmp6 ${B} > ${A} type 4 code 2 arg 42 hlim 64 > ${macN(0xa)}`]);
  });

  it('limits: headers, options, padding, length', () => {
    b.sysctl('net.inet6.ip6.hdrnestlimit', 3);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_DSTOPTS), opts(IPPROTO_UDP), UDP));
    expect(got).toHaveLength(1);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_DSTOPTS), opts(IPPROTO_DSTOPTS), opts(IPPROTO_UDP), UDP));
    const nine = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap(() => [0x1e, 0]);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_UDP, ...nine), UDP));
    b.sysctl('net.inet6.ip6.dst_maxopts', 9);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_UDP, ...nine), UDP));
    expect(got).toHaveLength(2);
    b.sysctl('net.inet6.ip6.opts_maxpad', 7);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_UDP, 1, 6, 0, 0, 0, 0, 0, 0), UDP));
    b.sysctl('net.inet6.ip6.exthdr_maxlen', 8);
    inject(IPPROTO_ROUTING, join([IPPROTO_UDP, 2, 0, 0, 0, 0, 0, 0, ...addr6(A)], UDP));
    expect(got).toHaveLength(2);
    expect(errors()).toEqual([]);
    expectCounts({ toomanyhdr: 1, badoptions: 3 });
  });

  it('cut off within a header', () => {
    inject(IPPROTO_DSTOPTS, join([IPPROTO_UDP, 5, 1, 4, 0, 0, 0, 0]));
    inject(IPPROTO_HOPOPTS, join([IPPROTO_UDP, 0]));
    inject(IPPROTO_ROUTING, join([IPPROTO_UDP]));
    inject(IPPROTO_FRAGMENT, join([IPPROTO_UDP, 0, 0, 1]));
    expect(errors()).toEqual([]);
    expectCounts({ tooshort: 4 });
  });
});

describe('ICMPv6', () => {
  const counts = (): Record<string, number> => Object.fromEntries(Object.entries(snapshot(b.icmp6.stats)).filter(([, v]) => v !== 0));
  beforeEach(() => {
    for (const key of Object.keys(b.icmp6.stats)) Object.assign(b.icmp6.stats, { [key]: 0 });
  });

  it('echo is answered, behind extension headers too, by whom it was sent to', () => {
    expect(w.ask(`echo ${A} > ${B} seq 7`)).toEqual([`reply ${B} > ${A} seq 7 > ${macN(0xa)}`]);
    expect(counts()).toEqual({ inhist: 1, in128: 1, outhist: 1, out129: 1, reflect: 1 });
    const echo = icmp6Packet(A, B, 128, 0, 0x1234_0009, new Uint8Array(8), 64);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_ICMPV6), echo.subarray(40)));
    expect(w.lines()).toEqual([`reply ${B} > ${A} seq 9 > ${macN(0xa)}`]);
    expect(w.ask(`echo ${A} > ff02::1 seq 8`)).toEqual([`reply ${B} > ${A} seq 8 > ${macN(0xa)}`]);
  });

  it('bad checksum, short, bad code: counted', () => {
    const echo = icmp6Packet(A, B, 128, 0, 1, new Uint8Array(8), 64);
    echo[50]! ^= 1;
    inject(IPPROTO_ICMPV6, echo.subarray(40));
    inject(IPPROTO_ICMPV6, echo.subarray(40, 44));
    inject(IPPROTO_ICMPV6, icmp6Packet(A, B, 128, 3, 1, new Uint8Array(8), 64).subarray(40));
    inject(IPPROTO_ICMPV6, icmp6Packet(A, B, 1, 9, 0, new Uint8Array(48), 64).subarray(40));
    expect(w.lines()).toEqual([]);
    expect(counts()).toEqual({ checksum: 1, tooshort: 1, badcode: 2, inhist: 2, in128: 1, in1: 1 });
  });

  it('no error about an error, a redirect, a group, or nobody', () => {
    const unreach = icmp6Packet(A, B, 1, 4, 0, new Uint8Array(48), 64).subarray(40);
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_ICMPV6, 0x9e, 0), unreach));
    inject(IPPROTO_DSTOPTS, join(opts(IPPROTO_ICMPV6, 0x9e, 0), icmp6Packet(A, B, 137, 0, 0, new Uint8Array(40)).subarray(40)));
    inject(200, join(UDP), { src: '::' });
    expect(w.lines()).toEqual([]);
    expect(counts()).toEqual({ error: 3, canterror: 2, outerrhist: 3, oparamprobOption: 2, oparamprobNextheader: 1 });
  });

  it('errors are 1280 bytes at the most, quote what came, and go out a hundred a second', () => {
    inject(200, new Uint8Array(1_400).fill(7));
    const f = w.take()[0]!;
    expect(f).toHaveLength(14 + 1_280);
    expect(f.subarray(14 + 48, 14 + 88)).toEqual(ip6Bytes({ src: A, dst: B, proto: 200, payload: new Uint8Array(1_400) }).subarray(0, 40));
    for (let i = 0; i < 120; i++) inject(200, join(UDP));
    expect(w.take()).toHaveLength(99);
    expect(counts()).toMatchObject({ error: 121, toofreq: 21, outhist: 100, out4: 100 });
    b.turn(1_000_000);
    inject(200, join(UDP));
    expect(w.take()).toHaveLength(1);
    b.sysctl('net.inet6.icmp6.errppslimit', 0);
    b.turn(1_000_000);
    inject(200, join(UDP));
    expect(w.take()).toHaveLength(0);
  });

  it('what a protocol is told of an error about its packet', () => {
    const told: unknown[] = [];
    b.ip6.register(IPPROTO_UDP, null);
    b.ip6.register(IPPROTO_UDP, {
      input: (_ifp, m) => {
        m.free();
      },
      ctlinput: (_ifp, error, _m, _at, off, mtu) => told.push([error, off, mtu]),
    });
    const quote = (more: Partial<Ip6Spec> = {}): Uint8Array => ip6Bytes({ src: B, dst: A, payload: join(UDP), ...more });
    const report = (type: number, code: number, arg: number, data: Uint8Array): void => inject(IPPROTO_ICMPV6, icmp6Packet(A, B, type, code, arg, data, 64).subarray(40));
    report(1, 4, 0, quote());
    report(1, 0, 0, quote({ proto: IPPROTO_DSTOPTS, payload: join(opts(IPPROTO_UDP), UDP) }));
    report(3, 0, 0, quote());
    report(4, 1, 40, quote());
    report(2, 0, 1_300, quote({ payload: new Uint8Array(1_400) }));
    report(1, 4, 0, quote().subarray(0, 44));
    report(1, 4, 0, quote({ src: '::' }));
    report(1, 4, 0, quote().subarray(0, 30));
    expect(told).toEqual([[61, 40, 0], [65, 48, 0], [65, 40, 0], [61, 40, 0], [40, 40, 1_300]]);
    expect(counts()).toMatchObject({ tooshort: 1, pmtuchg: 1 });
  });
});
