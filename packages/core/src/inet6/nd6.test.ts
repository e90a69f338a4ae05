/**
 * nd6.test.ts — neighbour discovery through packets: resolution, what waits, every cell of the NS and NA tables, unreachability, proxies.
 */
import { describe, expect, it } from 'vitest';
import { EHOSTDOWN } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import { ifSetLladdr } from '../net/if.js';
import { ND6_IFF_PERFORMNUD } from './in6-ifinfo.js';
import { nd6Delete, nd6FlushAll, nd6Set } from './nd6-control.js';
import type { Icmp6Stats } from './icmp6-var.js';
import type { Nd6Stats } from './nd6-var.js';
import { Ip6Bench, NOTHING_LEFT6, addr6, frame6, icmp6Packet, icmp6Sum, ip6Frame, llN, mac, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';
import { IN6_IFF_ANYCAST } from './in6-ifaddr.js';

const A = '2001:db8::1';
const B = '2001:db8::2';
const SOLICITED_A = 'ff02::1:ff00:1';
const SOLICITED_B = 'ff02::1:ff00:2';

function withWire(run: (b: Ip6Bench, w: Wire6) => void, seed = 1): void {
  const b = new Ip6Bench(seed);
  run(b, b.wire(`${A}/64`));
  b.destroy();
  expect(b.leftovers()).toEqual(NOTHING_LEFT6);
}

/** Counters of ND, and those of ICMPv6 that ND's messages come to. */
type Counted = Partial<Nd6Stats & Pick<Icmp6Stats, 'badns' | 'badna' | 'badredirect' | 'invlhlim' | 'badcode' | 'badlen'>>;

function counters(b: Ip6Bench): Required<Counted> {
  const { badns, badna, badredirect, invlhlim, badcode, badlen } = b.icmp6.stats;
  return { ...b.nd6.stats, badns, badna, badredirect, invlhlim, badcode, badlen };
}

/** Those that are not zero. */
function counted(b: Ip6Bench): Counted {
  return Object.fromEntries(Object.entries(counters(b)).filter(([, n]) => n !== 0));
}

/** B is known as `macN(2)` in the state given. */
function known(b: Ip6Bench, w: Wire6, state: string): void {
  w.inject(`ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`);
  if (state === 'stale') {
    b.turn(5 * US_PER_SEC);
    nd6Delete(b.nd6, addr6(B));
    w.inject(`ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`);
    const t = b.nd6.tableOf(w.ifp)!;
    const lle = t.entries().find((e) => (e.flags & 4) === 0)!;
    t.confirm(lle, lle.macHi, lle.macLo, true);
    t.doubt(lle);
  } else if (state === 'reachable') {
    w.inject(`na ${B} > ${A} ${B} is at ${macN(2)} SO`);
  } else if (state === 'probe') {
    b.turn(5.5 * US_PER_SEC);
  }
  w.take();
  expect(w.neighbours()).toEqual([`${B} ${macN(2)} ${state}`]);
}

describe('resolution', () => {
  it('asks, holds, sends what waited when the answer comes, and leaves nothing', () => {
    withWire((b, w) => {
      expect([b.send({ src: A, dst: B }), b.send({ src: A, dst: B })]).toEqual([0, 0]);
      expect(w.lines()).toEqual([`ns ${A} > ${SOLICITED_B} who has ${B} sll ${macN(1)}`]);
      expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} SO`)).toEqual(Array(2).fill(`ip6 ${A} > ${B} proto 17 len 48 hlim 64 > ${macN(2)}`));
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
      expect(w.ask(`echo ${B} > ${A} seq 7`)).toEqual([`reply ${A} > ${B} seq 7 > ${macN(2)}`]);
      expect(counted(b)).toEqual({ nssent: 1, nareceived: 1 });
    });
  });

  it('asks from the source of the packet that waits, else from an address of the scope', () => {
    withWire((b, w) => {
      b.addr(w.ifp, '2001:db8:1::1/64');
      b.send({ src: '2001:db8:1::1', dst: B });
      b.send({ src: '2001:db8:5::5', dst: '2001:db8:1::9' });
      expect(w.lines()).toEqual([
        `ns 2001:db8:1::1 > ${SOLICITED_B} who has ${B} sll ${macN(1)}`, `ns 2001:db8:1::1 > ff02::1:ff00:9 who has 2001:db8:1::9 sll ${macN(1)}`,
      ]);
    });
  });

  it('gives up after three questions, tells the sender, and asks once a second from then on', () => {
    withWire((b, w) => {
      b.send({ src: A, dst: B });
      b.turn(5 * US_PER_SEC);
      expect(w.lines()).toEqual(Array(3).fill(`ns ${A} > ${SOLICITED_B} who has ${B} sll ${macN(1)}`));
      expect(w.neighbours()).toEqual([`${B} - failed`]);
      expect(b.send({ src: A, dst: B })).toBe(EHOSTDOWN);
      expect(b.send({ src: A, dst: B })).toBe(EHOSTDOWN);
      expect(w.lines().length).toBe(1);
      expect(b.icmp6.stats.error).toBe(3);
      expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} SO`)).toEqual([]);
      expect(b.send({ src: A, dst: B })).toBe(0);
      b.turn(0);
      expect(counted(b)).toEqual({ nssent: 4, nareceived: 1, dropped: 3 });
    });
  });

  it('holds so many packets per neighbour, the youngest, and so many in all', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_maxqueuelen', 3);
      for (let i = 0; i < 5; i++) b.send({ src: A, dst: B, hlim: 60 + i });
      w.take();
      expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} S`)).toEqual([62, 63, 64].map((h) => `ip6 ${A} > ${B} proto 17 len 48 hlim ${h} > ${macN(2)}`));
      b.sysctl('net.inet6.icmp6.nd6_maxheld', 1);
      b.send({ src: A, dst: '2001:db8::3' });
      b.send({ src: A, dst: '2001:db8::4' });
      expect(b.nd6.params.held).toBe(1);
      expect(b.nd6.stats.dropped).toBe(3);
    });
  });

  it('a scan of a network costs nd6_maxentries entries, and not one that is in use', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_maxentries', 8);
      known(b, w, 'reachable');
      for (let i = 0; i < 100; i++) b.send({ src: A, dst: `2001:db8::1:${i.toString(16)}` });
      expect(w.neighbours().length).toBe(8);
      expect(w.neighbours()[0]).toBe(`${B} ${macN(2)} reachable`);
      expect(b.nd6.params.held).toBe(7);
    });
  });

  it('knows neighbours of two links with one link-local address apart', () => {
    const b = new Ip6Bench();
    const w = b.wire(`${A}/64`);
    const x = b.wire('2001:db8:1::1/64');
    w.inject(`ns fe80::9 > ${llN(1)} who has ${llN(1)} sll ${macN(7)}`);
    x.inject(`ns fe80::9 > ${llN(2)} who has ${llN(2)} sll ${macN(8)}`);
    expect([w.neighbours(), x.neighbours()]).toEqual([[`fe80::9 ${macN(7)} delay`], [`fe80::9 ${macN(8)} delay`]]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT6);
  });
});

describe('solicitations', () => {
  it('are answered, and make an entry of the asker', () => {
    withWire((b, w) => {
      expect(w.ask(`ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`)).toEqual([`na ${A} > ${B} ${A} is at ${macN(1)} SO > ${macN(2)}`]);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} delay`]);
      expect(w.ask(`ns ${llN(2)} > ${llN(1)} who has ${llN(1)} sll ${macN(2)}`)).toEqual([`na ${llN(1)} > ${llN(2)} ${llN(1)} S > ${macN(2)}`]);
      expect(counted(b)).toEqual({ nsreceived: 2, nasent: 2 });
    });
  });

  it('without a link address are answered after the asker has been asked', () => {
    withWire((_b, w) => {
      expect(w.ask(`ns ${B} > ${SOLICITED_A} who has ${A}`)).toEqual([`ns ${A} > ${SOLICITED_B} who has ${B} sll ${macN(1)}`]);
      expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} SO`)).toEqual([`na ${A} > ${B} ${A} is at ${macN(1)} SO > ${macN(2)}`]);
    });
  });

  it('from :: are answered to all nodes, without the solicited flag', () => {
    withWire((b, w) => {
      expect(w.ask(`ns :: > ${SOLICITED_A} who has ${A}`)).toEqual([`na ${A} > ff02::1 ${A} is at ${macN(1)} O`]);
      b.sysctl('net.inet6.ip6.forwarding', 1);
      expect(w.ask(`ns :: > ${SOLICITED_A} who has ${A}`)).toEqual([`na ${A} > ff02::1 ${A} is at ${macN(1)} RO`]);
      expect(w.neighbours()).toEqual([]);
    });
  });

  it('of anycast addresses are answered later, without override, from another address', () => {
    withWire((b, w) => {
      b.addr(w.ifp, '2001:db8::a/64', { flags: IN6_IFF_ANYCAST });
      expect(w.ask(`ns ${B} > ff02::1:ff00:a who has 2001:db8::a sll ${macN(2)}`)).toEqual([]);
      b.turn(US_PER_SEC);
      expect(w.lines()).toEqual([`na ${A} > ${B} 2001:db8::a is at ${macN(1)} S > ${macN(2)}`]);
    });
  });

  const other = 'from 02:00:00:00:00:42';
  it.each<[string, string, Counted]>([
    ['from beyond a router', `ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)} hlim 254`, { invlhlim: 1 }],
    ['with a code', `ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)} code 1`, { badcode: 1, nsreceived: 0, badns: 0 }],
    ['about a group', `ns ${B} > ${SOLICITED_A} who has ff02::1 sll ${macN(2)}`, { badtarget: 1 }],
    ['from :: to a node', `ns :: > ${A} who has ${A}`, { baddst: 1 }],
    ['from :: with a link address', `ns :: > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, { badopt: 1 }],
    ['from elsewhere', `ns 2001:db8:9::2 > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, { noneighbor: 1 }],
    ['with a group as link address', `ns ${B} > ${SOLICITED_A} who has ${A} sll 33:33:00:00:00:01 ${other}`, { badlladdr: 1 }],
  ])('%s are refused and counted', (_name, line, why) => {
    withWire((b, w) => {
      expect(w.ask(line)).toEqual([]);
      expect(w.neighbours()).toEqual([]);
      const { nsreceived, badns } = counters(b);
      expect({ ...counted(b), nsreceived, badns }).toEqual({ nsreceived: 1, badns: 1, ...why });
    });
  });

  it('from elsewhere are answered when nd6_onlink_ns_rfc4861 says so', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_onlink_ns_rfc4861', 1);
      w.ask(`ns 2001:db8:9::2 > ${SOLICITED_A} who has ${A} sll ${macN(2)}`);
      expect(w.neighbours()).toEqual([`2001:db8:9::2 ${macN(2)} delay`]);
    });
  });

  it('that are cut short, or whose options do not fit, are refused whatever their end looks like', () => {
    withWire((b, w) => {
      const good = frame6(`ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, macN(1)).subarray(14);
      for (let n = 48; n < good.length; n++) {
        const p = good.slice(0, n);
        new DataView(p.buffer).setUint16(4, n - 40);
        icmp6Sum(p);
        w.inject(ip6Frame(null, macN(2), p));
      }
      const zero = good.slice();
      zero[65] = 0;
      icmp6Sum(zero);
      w.inject(ip6Frame(null, macN(2), zero));
      const { nsreceived, badns, badlen, badopt } = counters(b);
      // At 64 bytes the fixed part is whole and there is no option: that is a question.
      expect({ nsreceived, badns, badlen, badopt }).toEqual({ nsreceived: 9, badns: 8, badlen: 16, badopt: 8 });
    });
  });

  it('about others are none of our business; one from our own address is a duplicate', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_debug', 1);
      expect(w.ask(`ns ${B} > ${SOLICITED_A} who has 2001:db8::ff00:1 sll ${macN(2)}`, `ns ${A} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`)).toEqual([]);
      expect(counted(b)).toEqual({ nsreceived: 2, notours: 1, dupips: 1 });
      expect(b.log).toEqual([`info: nd6_ns_input: duplicate IP6 address ${A}`]);
    });
  });
});

describe('advertisements', () => {
  it('about unresolved neighbours: the solicited flag decides the state, no link address changes nothing', () => {
    for (const [flags, state] of [['S', 'reachable'], ['SO', 'reachable'], ['O', 'stale'], ['', 'stale']] as const) {
      withWire((b, w) => {
        b.send({ src: A, dst: B });
        w.inject(`na ${B} > ${A} ${B} ${flags}`);
        expect(w.neighbours()).toEqual([`${B} - incomplete`]);
        w.inject(`na ${B} > ${A} ${B} is at ${macN(2)} ${flags}`);
        // What waited was sent through a stale entry by nobody's use of it.
        expect(w.neighbours()).toEqual([`${B} ${macN(2)} ${state}`]);
      });
    }
  });

  it('of neighbours that nobody asked about make no entry', () => {
    withWire((_b, w) => {
      w.inject(`na ${B} > ff02::1 ${B} is at ${macN(2)} O`);
      expect(w.neighbours()).toEqual([]);
    });
  });

  // override, solicited, link address: none, same, other → link address and state from each of reachable, stale, delay, probe
  const cells: [string, 'none' | 'same' | 'other', 2 | 3, string][] = [
    ['', 'none', 2, '='], ['', 'same', 2, '='], ['', 'other', 2, 'doubt'],
    ['S', 'none', 2, 'reachable'], ['S', 'same', 2, 'reachable'], ['S', 'other', 2, 'doubt'],
    ['O', 'none', 2, '='], ['O', 'same', 2, '='], ['O', 'other', 3, 'stale'],
    ['SO', 'none', 2, 'reachable'], ['SO', 'same', 2, 'reachable'], ['SO', 'other', 3, 'reachable'],
  ];
  it.each(cells.flatMap(([flags, lladdr, n, to]) => ['reachable', 'stale', 'delay', 'probe'].map((from) => ({ flags, lladdr, n, to, from }))))(
    'flags "$flags", link address $lladdr, $from → $n $to',
    ({ flags, lladdr, n, to, from }) => {
      withWire((b, w) => {
        known(b, w, from);
        const at = lladdr === 'none' ? '' : ` is at ${macN(lladdr === 'same' ? 2 : 3)}`;
        w.inject(`na ${B} > ${A} ${B}${at} ${flags}`);
        const state = to === '=' ? from : to === 'doubt' ? (from === 'reachable' ? 'stale' : from) : to;
        expect(w.neighbours()).toEqual([`${B} ${macN(n)} ${state}`]);
        expect(b.nd6.stats.moved).toBe(n === 3 ? 1 : 0);
      });
    },
  );

  it('say who is a router, except when they are not believed', () => {
    withWire((b, w) => {
      const told: string[] = [];
      b.nd6.rtr = { routerChanged: (lle) => void told.push(`router ${lle.router}`), duplicated: () => {}, purge: () => {} };
      known(b, w, 'reachable');
      w.inject(`na ${B} > ${A} ${B} R`);
      w.inject(`na ${B} > ${A} ${B} is at ${macN(3)}`);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale router`]);
      w.inject(`na ${B} > ${A} ${B}`);
      w.inject(`na ${B} > ${A} ${B}`);
      expect(told).toEqual(['router true', 'router false']);
      b.nd6.rtr = null;
    });
  });

  it('never change a static entry', () => {
    withWire((b, w) => {
      w.neighbour(B, macN(5));
      w.inject(`na ${B} > ${A} ${B} is at ${macN(2)} SO`);
      w.inject(`ns ${B} > ${SOLICITED_A} who has ${A} sll ${macN(2)}`);
      expect(w.neighbours()).toEqual([`${B} ${macN(5)} permanent`]);
      expect(counted(b)).toEqual({ nareceived: 1, nsreceived: 1, nasent: 1, overperm: 1 });
    });
  });

  it.each<[string, string, Counted]>([
    ['from beyond a router', `na ${B} > ${A} ${B} is at ${macN(3)} SO hlim 64`, { invlhlim: 1 }],
    ['with a code', `na ${B} > ${A} ${B} is at ${macN(3)} SO code 2`, { badcode: 1, nareceived: 0, badna: 0 }],
    ['about a group', `na ${B} > ${A} ff02::1 is at ${macN(3)} SO`, { badtarget: 1 }],
    ['solicited, to a group', `na ${B} > ff02::1 ${B} is at ${macN(3)} SO`, { baddst: 1 }],
    ['with the broadcast address', `na ${B} > ${A} ${B} is at ff:ff:ff:ff:ff:ff SO from ${macN(2)}`, { badlladdr: 1 }],
  ])('%s are refused and counted', (_name, line, why) => {
    withWire((b, w) => {
      known(b, w, 'reachable');
      const before = counters(b);
      w.inject(line);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
      const now = counters(b);
      const { nareceived, badna } = { nareceived: now.nareceived - before.nareceived, badna: now.badna - before.badna };
      const after = { nareceived, badna, ...Object.fromEntries(Object.entries(now).map(([k, n]) => [k, n - before[k as keyof Counted]]).filter(([, n]) => n !== 0)) };
      expect(after).toEqual({ nareceived: 1, badna: 1, ...why });
    });
  });

  it('about an own address are told, and change nothing', () => {
    withWire((b, w) => {
      w.inject(`na ${A} > ff02::1 ${A} is at ${macN(2)} O`);
      expect(b.log).toEqual([`err: nd6_na_input: duplicate IP6 address ${A} on em0`]);
      expect(b.send({ src: A, dst: A })).toBe(0);
    });
  });

  it('with nd6_rfc9131 make entries on a router, of neighbours only', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_rfc9131', 1);
      w.inject(`na ${B} > ff02::2 ${B} is at ${macN(2)}`);
      expect(w.neighbours()).toEqual([]);
      b.sysctl('net.inet6.ip6.forwarding', 1);
      w.inject(`na ${B} > ff02::1 ${B}`);
      w.inject(`na ${B} > ff02::1 2001:db8:9::2 is at ${macN(2)}`);
      expect(w.neighbours()).toEqual([]);
      w.inject(`na ${B} > ff02::1 ${B} is at ${macN(2)}`);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
    });
  });
});

describe('unreachability', () => {
  it('a neighbour in use is asked itself, five seconds after it became doubtful, and forgotten when it does not answer', () => {
    withWire((b, w) => {
      known(b, w, 'stale');
      b.send({ src: A, dst: B });
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} delay`]);
      w.take();
      b.turn(4.9 * US_PER_SEC);
      expect(w.lines()).toEqual([]);
      b.turn(0.2 * US_PER_SEC);
      expect(w.lines()).toEqual([`ns ${A} > ${B} who has ${B} sll ${macN(1)} > ${macN(2)}`]);
      b.turn(3 * US_PER_SEC);
      expect(w.lines().length).toBe(2);
      expect(w.neighbours()).toEqual([]);
      expect(b.nd6.stats.timeouts).toBe(1);
    });
  });

  it('an answer, or a hint from above, makes it reachable for 15 to 45 seconds', () => {
    withWire((b, w) => {
      known(b, w, 'delay');
      b.turn(6 * US_PER_SEC);
      w.inject(`na ${B} > ${A} ${B} S`);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
      b.turn(14 * US_PER_SEC);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
      b.turn(32 * US_PER_SEC);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
      const hint = (): void => b.nd6.reachabilityHint(w.ifp, 0x20010db8, 0, 0, 2);
      hint();
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
      b.sysctl('net.inet6.icmp6.nd6_maxnudhint', 1);
      hint();
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
      b.turn(60 * US_PER_SEC);
      hint();
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
    });
  });

  it('is off on an interface without the nud flag', () => {
    withWire((b, w) => {
      b.in6Net.ifinfo(w.ifp)!.ndFlags &= ~ND6_IFF_PERFORMNUD;
      known(b, w, 'delay');
      b.turn(60 * US_PER_SEC);
      expect(w.lines()).toEqual([]);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
    });
  });

  it('an entry nobody uses is forgotten after nd6_gctimer', () => {
    withWire((b, w) => {
      b.sysctl('net.inet6.icmp6.nd6_gctimer', 100);
      known(b, w, 'reachable');
      b.turn(99 * US_PER_SEC);
      expect(w.neighbours()).toEqual([`${B} ${macN(2)} stale`]);
      b.turn(2 * US_PER_SEC);
      expect(w.neighbours()).toEqual([]);
    });
  });
});

describe('entries set by hand', () => {
  it('a proxy answers for another, without override, and is a member of its group while it is there', () => {
    withWire((b, w) => {
      const member = (): boolean => b.in6Net.isMember(w.ifp, (0xff02_0000 | w.ifp.index) | 0, 0, 1, 0xff00_0009 | 0);
      expect(nd6Set(b.nd6, addr6('2001:db8::9'), mac(macN(5)), { proxy: true })).toBe(0);
      expect(member()).toBe(true);
      expect(w.ask(`ns ${B} > ff02::1:ff00:9 who has 2001:db8::9 sll ${macN(2)}`)).toEqual([`na ${llN(1)} > ${B} 2001:db8::9 is at ${macN(5)} S > ${macN(2)}`].map((l) => l.replace(llN(1), A)));
      expect(nd6Delete(b.nd6, addr6('2001:db8::9'))).toBe(0);
      expect(member()).toBe(false);
      nd6Set(b.nd6, addr6('2001:db8::9'), mac(macN(5)), { proxy: true });
      nd6Set(b.nd6, addr6('2001:db8::9'), mac(macN(5)));
      expect(member()).toBe(false);
      nd6Set(b.nd6, addr6('2001:db8::9'), mac(macN(5)), { proxy: true });
      expect(nd6FlushAll(b.nd6)).toBe(2);
      expect(member()).toBe(false);
      nd6Set(b.nd6, addr6('2001:db8::9'), mac(macN(5)), { proxy: true });
    });
  });

  it('are refused for own addresses, bad link addresses and nowhere', () => {
    withWire((b) => {
      expect([nd6Set(b.nd6, addr6(A), mac(macN(5))), nd6Set(b.nd6, addr6(B), mac('01:00:00:00:00:01')), nd6Set(b.nd6, addr6('2001:db8:9::1'), mac(macN(5)))]).toEqual([1, 22, 3]);
      expect([nd6Delete(b.nd6, addr6(A)), nd6Delete(b.nd6, addr6(B))]).toEqual([1, 2]);
    });
  });
});

describe('own addresses', () => {
  it('have permanent entries that follow the link address, and are advertised when it changes', () => {
    withWire((b, w) => {
      expect(b.nd6.tableOf(w.ifp)!.entries().map((e) => [e.isStatic, e.macLo])).toEqual([[true, 1], [true, 1]]);
      ifSetLladdr(w.ifp, mac(macN(0x77)));
      const round = [`na ${A} > ff02::1 ${A} is at ${macN(0x77)} O`, `na ${llN(1)} > ff02::1 ${llN(1)} is at ${macN(0x77)} O`];
      expect(w.lines()).toEqual(round);
      b.turn(1.5 * US_PER_SEC);
      b.delAddr(w.ifp, A);
      b.turn(10 * US_PER_SEC);
      expect(w.lines()).toEqual([...round, round[1]]);
      expect(b.nd6.tableOf(w.ifp)!.entries().map((e) => e.macLo)).toEqual([0x77]);
    });
  });

  it('an echo between two nodes over a link, from nothing', () => {
    const b = new Ip6Bench(1);
    const x = b.wire(`${A}/64`);
    const c = new Ip6Bench(2);
    const y = c.wire('2001:db8::2/64');
    const { ifp } = y;
    ifSetLladdr(ifp, mac(macN(9)));
    const lines: string[] = [];
    b.packet(new Uint8Array(1)).free();
    b.ip6.output(b.packet(icmp6Packet(A, B, 128, 0, 0x1234_0001, new Uint8Array(8), 64)));
    y.take();
    for (let i = 0; i < 8; i++) {
      for (const f of x.sent.slice()) y.inject(f);
      lines.push(...x.lines());
      for (const f of y.sent.slice()) x.inject(f);
      lines.push(...y.lines());
    }
    expect(lines).toEqual([
      `ns ${A} > ${SOLICITED_B} who has ${B} sll ${macN(1)}`, `na ${B} > ${A} ${B} is at ${macN(9)} SO > ${macN(1)}`,
      `echo ${A} > ${B} seq 1 > ${macN(9)}`, `reply ${B} > ${A} seq 1 > ${macN(1)}`,
    ]);
    for (const bench of [b, c]) {
      bench.destroy();
      expect(bench.leftovers()).toEqual(NOTHING_LEFT6);
    }
  });
});
