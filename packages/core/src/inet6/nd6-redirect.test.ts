/**
 * nd6-redirect.test.ts — redirects through packets: every check of a host, what it does then, and when a router sends one.
 */
import { describe, expect, it } from 'vitest';
import { US_PER_SEC } from '../base/time.js';
import { ip6Format, ip6Plain, ip6Word } from '../wire/addr6.js';
import { Ip6Bench, NOTHING_LEFT6, addr6, icmp6Packet, ip6Frame, llN, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';

const A = '2001:db8::1';
const FAR = '2001:db8:9::1';
const GW = 'fe80::99';
const BETTER = 'fe80::77';

/** A host whose default router is GW. */
function withHost(run: (b: Ip6Bench, w: Wire6) => void): void {
  const b = new Ip6Bench();
  const w = b.wire(`${A}/64`);
  b.route('::/0', GW, w.ifp);
  w.neighbour(GW, macN(0x99));
  run(b, w);
  b.destroy();
  expect(b.leftovers()).toEqual(NOTHING_LEFT6);
}

/** Where a packet to `text` goes: `via fe80::… flags`. */
function way(b: Ip6Bench, text: string): string {
  const a = addr6(text);
  const nh = b.routes.lookup6(0, ip6Word(a, 0), ip6Word(a, 1), ip6Word(a, 2), ip6Word(a, 3), 0);
  if (nh === null) return 'nowhere';
  return nh.gw6 === null || (nh.flags & 2) === 0 ? 'link' : `via ${ip6Format(ip6Plain(nh.gw6))}`;
}

describe('a host', () => {
  it('takes the better router for redirtimeout seconds, and its link address', () => {
    withHost((b, w) => {
      b.sysctl('net.inet6.icmp6.redirtimeout', 10);
      w.inject(`redirect ${GW} > ${A} ${FAR} via ${BETTER} tll ${macN(0x77)}`);
      b.turn();
      expect([way(b, FAR), way(b, '2001:db8:9::2')]).toEqual([`via ${BETTER}`, `via ${GW}`]);
      expect(w.neighbours()).toEqual([`${BETTER} ${macN(0x77)} stale router`, `${GW} ${macN(0x99)} permanent`]);
      w.take();
      b.send({ src: A, dst: FAR });
      expect(w.lines()).toEqual([`ip6 ${A} > ${FAR} proto 17 len 48 hlim 64 > ${macN(0x77)}`]);
      b.turn(11 * US_PER_SEC);
      expect(way(b, FAR)).toBe(`via ${GW}`);
    });
  });

  it('takes it that a destination is on the link', () => {
    withHost((b, w) => {
      w.inject(`redirect ${GW} > ${A} ${FAR} via ${FAR} tll ${macN(9)}`);
      b.turn();
      expect(way(b, FAR)).toBe('link');
      w.take();
      b.send({ src: A, dst: FAR });
      expect(w.lines()).toEqual([`ip6 ${A} > ${FAR} proto 17 len 48 hlim 64 > ${macN(9)}`]);
    });
  });

  it.each<[string, string, number]>([
    ['from a global address', `redirect 2001:db8::99 > ${A} ${FAR} via ${BETTER}`, 1],
    ['from beyond a router', `redirect ${GW} > ${A} ${FAR} via ${BETTER} hlim 254`, 1],
    ['with a code', `redirect ${GW} > ${A} ${FAR} via ${BETTER} code 1`, 0],
    ['from who is not the gateway', `redirect fe80::98 > ${A} ${FAR} via ${BETTER}`, 1],
    ['about a group', `redirect ${GW} > ${A} ff02::5 via ${BETTER}`, 1],
    ['about a neighbour', `redirect ${GW} > ${A} 2001:db8::5 via ${BETTER}`, 1],
    ['to a global router', `redirect ${GW} > ${A} ${FAR} via 2001:db8::77`, 1],
    ['to ourselves', `redirect ${GW} > ${A} ${FAR} via ${llN(1)}`, 1],
    ['with a group as link address', `redirect ${GW} > ${A} ${FAR} via ${BETTER} tll 33:33:00:00:00:01`, 1],
  ])('refuses one %s', (_what, line, bad) => {
    withHost((b, w) => {
      w.inject(line);
      b.turn();
      expect([way(b, FAR), w.neighbours().length, b.icmp6.stats.badredirect]).toEqual([`via ${GW}`, 1, bad]);
    });
  });

  it.each([['net.inet6.icmp6.rediraccept', 0], ['net.inet6.ip6.forwarding', 1]])('with %s=%d takes none', (name, value) => {
    withHost((b, w) => {
      b.sysctl(name, value);
      w.inject(`redirect ${GW} > ${A} ${FAR} via ${BETTER} tll ${macN(0x77)}`);
      b.turn();
      expect([way(b, FAR), w.neighbours().length, b.icmp6.stats.badredirect]).toEqual([`via ${GW}`, 1, 0]);
    });
  });
});

describe('a router', () => {
  const HOST = '2001:db8::50';

  function withRouter(run: (b: Ip6Bench, w: Wire6) => void): void {
    withHost((b, w) => {
      b.sysctl('net.inet6.ip6.forwarding', 1);
      w.neighbour(HOST, macN(0x50));
      run(b, w);
    });
  }

  const through = (src: string, dst: string, len = 8): Uint8Array => ip6Frame(macN(1), macN(0x50), icmp6Packet(src, dst, 128, 0, 1, new Uint8Array(len), 64));

  it('passes the packet on and tells its sender of the other router, or that the destination is a neighbour', () => {
    withRouter((b, w) => {
      w.inject(through(HOST, FAR));
      expect(w.lines()).toEqual([`redirect ${llN(1)} > ${HOST} ${FAR} via ${GW} tll ${macN(0x99)} > ${macN(0x50)}`, `echo ${HOST} > ${FAR} seq 1 hlim 63 > ${macN(0x99)}`]);
      w.neighbour('2001:db8::51', macN(0x51));
      w.inject(through(HOST, '2001:db8::51'));
      expect(w.lines()[0]).toBe(`redirect ${llN(1)} > ${HOST} 2001:db8::51 via 2001:db8::51 tll ${macN(0x51)} > ${macN(0x50)}`);
      expect([b.ip6.stats.redirectsent, b.icmp6.stats.oredirect]).toEqual([2, 2]);
    });
  });

  it('names the link address of a link-local destination, too', () => {
    withRouter((b, w) => {
      w.neighbour('fe80::50', macN(0x50));
      w.neighbour('fe80::51', macN(0x51));
      w.inject(ip6Frame(macN(1), macN(0x50), icmp6Packet('fe80::50', 'fe80::51', 128, 0, 1, new Uint8Array(8), 64)));
      expect(w.lines()[0]).toBe(`redirect ${llN(1)} > fe80::50 fe80::51 via fe80::51 tll ${macN(0x51)} > ${macN(0x50)}`);
      expect(b.ip6.stats.redirectsent).toBe(1);
    });
  });

  it('quotes no more than fits in 1280 bytes', () => {
    withRouter((_b, w) => {
      w.inject(through(HOST, FAR, 1400));
      expect(w.take().map((f) => f.length - 14)).toEqual([1280, 1448]);
    });
  });

  it('sends none when told not to, to strangers, or too many', () => {
    withRouter((b, w) => {
      b.sysctl('net.inet6.ip6.redirect', 0);
      w.inject(through(HOST, FAR));
      expect(w.lines().length).toBe(1);
      b.sysctl('net.inet6.ip6.redirect', 1);
      w.inject(through('2001:db8:7::1', FAR));
      expect(w.lines().length).toBe(1);
      b.sysctl('net.inet6.icmp6.errppslimit', 2);
      for (let i = 0; i < 5; i++) w.inject(through(HOST, FAR));
      expect(w.lines().filter((l) => l.startsWith('redirect')).length).toBe(2);
    });
  });
});
