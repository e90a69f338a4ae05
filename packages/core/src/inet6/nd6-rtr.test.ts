/**
 * nd6-rtr.test.ts — router discovery and autoconfiguration through packets: routers, preferences, prefixes, lifetimes, what is detached.
 * The cases named after FreeBSD's tests/sys/netinet6/ndp.sh check the same behaviour.
 */
import { describe, expect, it } from 'vitest';
import { in6Difaddr } from './in6-control.js';
import { ND6_IFF_ACCEPT_RTADV, ND6_IFF_IFDISABLED, ND6_IFF_NO_RADR, ND6_IFF_STABLEADDR } from './in6-ifinfo.js';
import { nd6Delete } from './nd6-control.js';
import { nd6SetFlags } from './nd6-flags.js';
import { addr6, icmp6Packet, ip6Frame, llN, macN } from './test-ip6.js';
import { NOTHING_LEFT, RtrBench, raFrame } from './test-rtr.js';

const R = llN(0x99);
const R2 = llN(0x98);
const P = '2001:db8:1::/64';
const SELF = '2001:db8:1::ff:fe00:1';
const RA = `ra ${R} > ff02::1 life 1800 sll ${macN(0x99)}`;
const RA2 = `ra ${R2} > ff02::1 life 1800 sll ${macN(0x98)}`;

describe('an advertisement', () => {
  it('gives an address, its route, a default route (slaac_default_route), and leaves nothing', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 86400 14400`]);
    expect(b.gateways()).toEqual([`default ${R}%em0`]);
    expect(b.onlink(P)).toBe('em0');
    expect(b.rtr.stats).toMatchObject({ rareceived: 1, badra: 0, ignored: 0 });
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it.each([
    ['not accepted', `${RA} prefix ${P} LA 1 1`, { ignored: 1, badra: 0 }, false],
    ['hop limit', `${RA} hlim 254 prefix ${P} LA 1 1`, { badhlim: 1, badra: 1 }, true],
    ['not link-local', `ra 2001:db8:1::9 > ff02::1 life 1800 prefix ${P} LA 1 1`, { badsource: 1, badra: 1 }, true],
    ['link address of a group', `ra ${R} > ff02::1 life 1800 sll 03:00:00:00:00:01 prefix ${P} LA 1 1`, { badlladdr: 1, badra: 1 }, true],
    ['link-local prefix', `ra ${R} > ff02::1 prefix fe80::/64 LA 1 1`, { badprefix: 1, badra: 0 }, true],
    ['MTU too small', `ra ${R} > ff02::1 mtu 1279`, { badmtu: 1, badra: 0 }, true],
    ['MTU too large', `ra ${R} > ff02::1 mtu 1501`, { badmtu: 1, badra: 0 }, true],
    ['preferred longer than valid', `ra ${R} > ff02::1 prefix ${P} A 10 20`, { badra: 0 }, true],
    ['nothing valid', `ra ${R} > ff02::1 prefix ${P} LA 0 0`, { badra: 0 }, true],
    ['another length than 64 (prefix_len_mismatch)', `ra ${R} > ff02::1 prefix 2001:db8:1::/63 A 1 1`, { badra: 0 }, true],
  ])('refused or without address: %s', (_name, line, stats, accept) => {
    const b = new RtrBench();
    const w = b.host(accept);
    b.ra(w, line);
    expect(b.addrs(w)).toEqual([]);
    expect(b.rtr.stats).toMatchObject({ rareceived: 1, ...stats });
    expect(b.gateways()).toEqual([]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('in fragments is not read, whoever listens (RFC 6980)', () => {
    const b = new RtrBench();
    const w = b.host();
    const frame = raFrame(`${RA} prefix ${P} LA 86400 14400`);
    const packet = frame.subarray(14);
    const atomic = Uint8Array.from([...packet.subarray(0, 40), 58, 0, 0, 0, 0, 0, 0, 9, ...packet.subarray(40)]);
    atomic[6] = 44;
    new DataView(atomic.buffer).setUint16(4, atomic.length - 40);
    w.inject(ip6Frame(null, macN(0x99), atomic));
    expect([b.addrs(w), b.rtr.routers, b.nd6.stats.fragmented, b.rtr.stats.rareceived]).toEqual([[], [], 1, 1]);
    b.destroy();
  });

  it('with a code, cut short or with an option of no length is refused, by ICMPv6 or here', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} code 1 prefix ${P} LA 1 1`);
    for (const data of [new Uint8Array(4), Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])]) w.inject(ip6Frame(null, macN(0x99), icmp6Packet(R, 'ff02::1', 134, 0, 1800, data)));
    const { badcode, badlen, tooshort } = b.icmp6.stats;
    expect([b.rtr.stats.badform + badcode + badlen + tooshort, b.rtr.routers, b.addrs(w)]).toEqual([3, [], []]);
    b.destroy();
  });

  it('sets hop limit (never lower), reachable and retransmission times, MTU', () => {
    const b = new RtrBench();
    const w = b.host();
    const ii = b.in6Net.ifinfo(w.ifp);
    b.ra(w, `${RA} hop 128 mtu 1400 reach 15000 retrans 500`);
    expect(ii).toMatchObject({ chlim: 128, linkMtu: 1400, basereachable: 15000, retrans: 500 });
    b.ra(w, `${RA} hop 1 reach 3600001`);
    expect(ii).toMatchObject({ chlim: 128, linkMtu: 1400, basereachable: 15000, retrans: 500 });
    expect(b.log).toEqual([`err: RA with a lower CurHopLimit sent from ${R} on em0 (current = 128, received = 1). Ignored.`]);
    b.destroy();
  });

  it('on a router, or with no_radr, makes addresses and no default route; rfc6204w3 makes one', () => {
    const b = new RtrBench();
    const w = b.host();
    b.sysctl('net.inet6.ip6.forwarding', 1);
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    expect([b.addrs(w).length, b.gateways()]).toEqual([1, []]);
    b.sysctl('net.inet6.ip6.rfc6204w3', 1);
    b.ra(w, RA);
    expect(b.gateways()).toEqual([`default ${R}%em0`]);
    nd6SetFlags(b.in6Net, w.ifp, (b.in6Net.ifinfo(w.ifp)?.ndFlags ?? 0) | ND6_IFF_NO_RADR);
    b.ra(w, RA);
    expect(b.gateways()).toEqual([]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('the default router', () => {
  it('is the one of the highest preference; of equals the first; it goes with its lifetime', () => {
    const b = new RtrBench();
    const w = b.host();
    const now = (): string[] => b.gateways();
    b.ra(w, `${RA} pref low`);
    expect(now()).toEqual([`default ${R}%em0`]);
    b.ra(w, RA2);
    expect(now()).toEqual([`default ${R2}%em0`]);
    b.ra(w, RA);
    expect(now()).toEqual([`default ${R2}%em0`]);
    b.ra(w, `${RA} pref high`);
    expect(now()).toEqual([`default ${R}%em0`]);
    expect(b.nd6.routers.map((r) => [r.preference, r.lifetimeS])).toEqual([[1, 1800], [0, 1800]]);
    b.ra(w, `ra ${R} > ff02::1 life 0`);
    expect(now()).toEqual([`default ${R2}%em0`]);
    b.wait(1800);
    expect([now(), b.nd6.routers.length]).toEqual([[], 0]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('is left when it does not answer, or says that it is no router', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    b.ra(w, RA2);
    expect(b.gateways()).toEqual([`default ${R}%em0`]);
    b.send({ src: SELF, dst: '2001:db8:ffff::1' });
    b.wait(20);
    expect(b.gateways()).toEqual([`default ${R2}%em0`]);
    w.inject(`na ${R2} > ${llN(1)} ${R2} is at ${macN(0x98)} SO`);
    expect(b.nd6.routers.map((r) => r.ifp.xname)).toEqual(['em0']);
    expect(b.gateways()).toEqual([`default ${R}%em0`]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('leaves a default route set by hand alone', () => {
    const b = new RtrBench();
    const w = b.host();
    const route = { family: 'inet6' as const, fib: 0, dst: new Uint8Array(16), plen: 0, gateway: addr6('2001:db8:1::77'), flags: 2 };
    b.addr(w.ifp, '2001:db8:1::5/64');
    expect(b.routes.add(route)).toBe(0);
    b.ra(w, RA);
    b.ra(w, `ra ${R} > ff02::1 life 0`);
    expect(b.gateways()).toEqual(['default 2001:db8:1::77%em0']);
    b.destroy();
  });
});

describe('lifetimes', () => {
  it('two hours at least are left to an address that has them (twohour_rule)', () => {
    const b = new RtrBench();
    const w = b.host();
    const say = (v: string): void => b.ra(w, `${RA} prefix ${P} LA ${v}`);
    say('86400 14400');
    say('100 50');
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 7200 50`]);
    b.wait(100);
    say('10 10');
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 7100 10`]);
    say('7150 7150');
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 7150 7150`]);
    say('inf inf');
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf inf inf`]);
    say('0 0');
    expect(b.addrs(w)).toEqual([`${SELF}/64 deprecated autoconf 7200 0`]);
    b.wait(7200);
    expect([b.addrs(w), b.onlink(P), b.in6Net.prefixes.filter((p) => p.raDerived)]).toEqual([[], null, []]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('that are short are neither longer nor shorter for many advertisements', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} LA 3600 3600`);
    for (let i = 0; i < 100; i++) {
      b.turn(900_000);
      b.ra(w, `${RA} prefix ${P} LA 0 0`);
    }
    expect(b.addrs(w)).toEqual([`${SELF}/64 deprecated autoconf 3510 0`]);
    b.destroy();
  });

  it('of nothing take a prefix off the link at once', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} L 600 600`);
    b.ra(w, `${RA} prefix ${P} L 0 0`);
    expect([b.onlink(P), b.in6Net.prefixes.filter((p) => p.raDerived)]).toEqual([null, []]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('end an address in two steps, and its prefix with it (prefix_lifetime)', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} LA 20 10`);
    b.wait(9);
    expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 11 1`]);
    b.wait(1);
    expect(b.addrs(w)).toEqual([`${SELF}/64 deprecated autoconf 10 0`]);
    b.wait(10);
    expect([b.addrs(w), b.onlink(P)]).toEqual([[], null]);
    expect(b.in6Net.prefixes.filter((p) => p.raDerived)).toEqual([]);
    b.destroy();
  });

  it('begin again with every advertisement (prefix_lifetime_extend)', () => {
    const b = new RtrBench();
    const w = b.host();
    for (let i = 0; i < 5; i++) {
      b.ra(w, `${RA} prefix ${P} LA 20 10`);
      expect(b.addrs(w)).toEqual([`${SELF}/64 autoconf 20 10`]);
      b.wait(12);
      expect(b.addrs(w)).toEqual([`${SELF}/64 deprecated autoconf 8 -2`]);
    }
    b.destroy();
  });

  it('of an address set by hand count, too; nothing runs when nothing ends', () => {
    const b = new RtrBench();
    const w = b.wire('2001:db8::1/64');
    expect(b.net.kern.calloutsArmed).toBe(0);
    b.addr(w.ifp, '2001:db8::2/64', { vltime: 20, pltime: 10 });
    b.wait(10);
    expect(b.addrs(w)).toEqual(['2001:db8::1/64 inf inf', '2001:db8::2/64 deprecated 10 0']);
    b.wait(10);
    expect(b.addrs(w)).toEqual(['2001:db8::1/64 inf inf']);
    expect(b.onlink('2001:db8::/64')).toBe('em0');
    expect(b.net.kern.calloutsArmed).toBe(0);
    b.destroy();
  });

  it('a prefix off-link (no L) gives an address and no route', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} A 20 10`);
    expect([b.addrs(w), b.onlink(P)]).toEqual([[`${SELF}/64 autoconf 20 10`], null]);
    b.ra(w, `${RA} prefix 2001:db8:2::/64 L 20 10`);
    expect([b.addrs(w).length, b.onlink('2001:db8:2::/64')]).toEqual([1, 'em0']);
    b.wait(21);
    expect([b.addrs(w), b.in6Net.prefixes.filter((p) => p.raDerived)]).toEqual([[], []]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('prefixes of routers that are gone', () => {
  it('are detached while another has one, and verified again when it is back (switch_onlink_prefix)', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    b.ra(w, `${RA2} prefix 2001:db8:2::/64 LA 86400 14400`);
    const states = (): string[] => b.addrs(w).map((a) => a.replace(/ \d+ \d+$/, ''));
    expect(states()).toEqual([`${SELF}/64 autoconf`, '2001:db8:2::ff:fe00:1/64 autoconf']);
    nd6Delete(b.nd6, addr6(R));
    b.ra(w, RA2);
    expect(states()).toEqual([`${SELF}/64 detached autoconf`, '2001:db8:2::ff:fe00:1/64 autoconf']);
    expect([b.onlink(P), b.onlink('2001:db8:2::/64')]).toEqual([null, 'em0']);
    b.ra(w, RA);
    expect(states()).toEqual([`${SELF}/64 autoconf`, '2001:db8:2::ff:fe00:1/64 autoconf']);
    expect(b.onlink(P)).toBe('em0');
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('move to the interface that has them, when the first loses its', () => {
    const b = new RtrBench();
    const w = b.host();
    const w2 = b.host();
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    b.ra(w2, `${RA2} prefix ${P} LA 86400 14400`);
    expect(b.onlink(P)).toBe('em0');
    expect(in6Difaddr(b.in6Net, w.ifp, addr6(SELF))).toBe(0);
    expect(b.onlink(P)).toBe('em1');
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('identifiers', () => {
  it('are stable on one link and different on another with stableaddr', () => {
    const b = new RtrBench();
    const w = b.host();
    nd6SetFlags(b.in6Net, w.ifp, (b.in6Net.ifinfo(w.ifp)?.ndFlags ?? 0) | ND6_IFF_STABLEADDR);
    b.ra(w, `${RA} prefix ${P} LA 86400 14400 prefix 2001:db8:2::/64 LA 86400 14400`);
    const [a = '', c = ''] = b.addrs(w);
    expect(a).toMatch(/^2001:db8:1:/);
    expect(a.split('/')[0]?.split(':').slice(-4)).not.toEqual(c.split('/')[0]?.split(':').slice(-4));
    expect(a).not.toContain('ff:fe');
    const again = new RtrBench();
    const w2 = again.host();
    nd6SetFlags(again.in6Net, w2.ifp, (again.in6Net.ifinfo(w2.ifp)?.ndFlags ?? 0) | ND6_IFF_STABLEADDR);
    again.ra(w2, `${RA} prefix ${P} LA 86400 14400`);
    expect(again.addrs(w2)[0]).toBe(a);
    b.destroy();
    again.destroy();
  });

  it('are temporary with use_tempaddr: bounded, and followed by another one in time', () => {
    const b = new RtrBench();
    const w = b.host();
    b.sysctl('net.inet6.ip6.use_tempaddr', 1);
    b.sysctl('net.inet6.ip6.temppltime', 100);
    b.sysctl('net.inet6.ip6.tempvltime', 200);
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    const temps = (): string[] => b.addrs(w).filter((a) => a.includes('temporary'));
    expect(temps().length).toBe(1);
    const short = b.rtr.desyncS;
    expect(temps()[0]).toMatch(new RegExp(`/64 autoconf temporary 200 ${100 - short}$`));
    b.wait(100 - short - 5);
    expect(temps().length).toBe(2);
    b.wait(5);
    expect(temps()[0]).toMatch(/deprecated autoconf temporary/);
    b.ra(w, `${RA} prefix ${P} LA 86400 14400`);
    expect(temps()[0]).toMatch(new RegExp(`deprecated autoconf temporary ${200 - (100 - short)} `));
    b.wait(200);
    expect(temps().length).toBeGreaterThanOrEqual(2);
    expect(temps().length).toBeLessThanOrEqual(3);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('solicitations', () => {
  it('are sent until a router answers, with longer and longer pauses', () => {
    const b = new RtrBench();
    const w = b.host();
    const at: number[] = [];
    for (let i = 0; i < 200; i++) {
      b.turn(100_000);
      for (const line of w.lines()) {
        expect(line).toBe(`icmp6 ${llN(1)} > ff02::2 type 133 code 0`);
        at.push(i / 10);
      }
    }
    expect(at.length).toBe(3);
    expect(at[0]).toBeLessThan(1);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(3.9);
    expect((at[2] ?? 0) - (at[1] ?? 0)).toBeGreaterThanOrEqual(7);
    b.wait(100_000);
    const n = w.lines().length;
    expect(n).toBeGreaterThan(30);
    expect(n).toBeLessThan(42);
    b.ra(w, RA);
    b.wait(1000);
    expect(w.lines()).toEqual([]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('are not sent where advertisements are not accepted, by a host that forwards, or where IPv6 is off', () => {
    const b = new RtrBench();
    const w = b.host(false);
    b.wait(60);
    expect(w.lines()).toEqual([]);
    nd6SetFlags(b.in6Net, w.ifp, (b.in6Net.ifinfo(w.ifp)?.ndFlags ?? 0) | ND6_IFF_ACCEPT_RTADV);
    b.wait(2);
    expect(w.lines().length).toBe(1);
    nd6SetFlags(b.in6Net, w.ifp, (b.in6Net.ifinfo(w.ifp)?.ndFlags ?? 0) | ND6_IFF_IFDISABLED);
    b.wait(60);
    expect(w.lines()).toEqual([]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('what routers say besides', () => {
  it('routes of route information options come and go, the better router first', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} route 2001:db8:9::/48 low 600`);
    b.ra(w, `${RA2} pref low route 2001:db8:9::/48 high 300 route 2001:db8:a::/64 medium 100`);
    expect(b.gateways()).toEqual([`default ${R}%em0`, `2001:db8:9::/48 ${R2}%em0`, `2001:db8:a::/64 ${R2}%em0`]);
    b.wait(301);
    expect(b.gateways()).toEqual([`default ${R}%em0`, `2001:db8:9::/48 ${R}%em0`]);
    b.ra(w, `${RA} route 2001:db8:9::/48 low 0`);
    expect(b.gateways()).toEqual([`default ${R}%em0`]);
    b.ra(w, `${RA2} route ::/0 high 900`);
    expect(b.gateways()).toEqual([`default ${R2}%em0`]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('DNS servers and domains are kept for their lifetime', () => {
    const b = new RtrBench();
    const w = b.host();
    b.ra(w, `${RA} dns 2001:db8::53 600 dns fe80::53 inf search lab.example.org 60`);
    const dns = (): string[] => b.rtr.dns.map((d) => `${d.kind} ${d.value}`);
    expect(dns()).toEqual(['rdnss 2001:db8::53', 'rdnss fe80::53%em0', 'dnssl lab.example.org']);
    b.wait(60);
    expect(dns()).toEqual(['rdnss 2001:db8::53', 'rdnss fe80::53%em0']);
    b.ra(w, `${RA} dns fe80::53 0`);
    b.wait(600);
    expect(dns()).toEqual([]);
    b.destroy();
  });

  it('is bounded', () => {
    const b = new RtrBench();
    const w = b.host();
    for (const name of ['maxifprefixes', 'maxifdefrouters', 'maxifrtinfo', 'maxifdns']) b.sysctl(`net.inet6.ip6.${name}`, 1);
    for (let i = 1; i < 4; i++) b.ra(w, `ra fe80::${i} > ff02::1 life 1800 prefix 2001:db8:${i}::/64 LA 100 100 route 2001:db8:f${i}::/64 low 100 dns 2001:db8::${i} 100`);
    expect([b.rtr.routers.length, b.addrs(w).length, b.rtr.rtinfo.length, b.rtr.dns.length, b.rtr.stats.full]).toEqual([1, 1, 1, 1, 8]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});
