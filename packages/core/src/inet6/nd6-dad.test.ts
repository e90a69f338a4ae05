/**
 * nd6-dad.test.ts — duplicate address detection through packets: what is sent, what is not, who wins, what comes back by a loop.
 */
import { describe, expect, it } from 'vitest';
import { US_PER_SEC } from '../base/time.js';
import { ifDown, ifLinkStateChange, ifUp } from '../net/if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../net/ifnet.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DUPLICATED, IN6_IFF_NODAD, IN6_IFF_TENTATIVE } from './in6-ifaddr.js';
import { ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD } from './in6-ifinfo.js';
import { nd6SetFlags } from './nd6-flags.js';
import { Ip6Bench, NOTHING_LEFT6, llN, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';

const A = '2001:db8::1';
const SOLICITED_A = 'ff02::1:ff00:1';
const LL = llN(1);

function withDad(run: (b: Ip6Bench, w: Wire6) => void): void {
  const b = new Ip6Bench(1, true);
  const w = b.wire();
  run(b, w);
  b.destroy();
  expect(b.leftovers()).toEqual(NOTHING_LEFT6);
}

/** The probes among the lines, without their nonces. */
const probes = (w: Wire6): string[] => w.lines().map((l) => l.replace(/ nonce [0-9a-f]+/, ' nonce N'));

/** State of each address: tentative, duplicated or valid. */
function states(b: Ip6Bench, w: Wire6): string[] {
  return b.in6Net.addrsOf(w.ifp).map((ia) => ((ia.flags & IN6_IFF_TENTATIVE) !== 0 ? 'tentative' : (ia.flags & IN6_IFF_DUPLICATED) !== 0 ? 'duplicated' : 'valid'));
}

/** The interface is up and its link-local address verified. */
function ready(b: Ip6Bench, w: Wire6): void {
  b.addr(w.ifp, `${LL}/64`);
  b.turn(3 * US_PER_SEC);
  expect(states(b, w)).toEqual(['valid']);
  w.take();
}

describe('duplicate address detection', () => {
  it('probes a new address once from ::, with a nonce, and uses it a second later', () => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn();
      expect(probes(w)).toEqual([`ns :: > ${SOLICITED_A} who has ${A} nonce N`]);
      b.turn(0.99 * US_PER_SEC);
      expect(states(b, w)).toEqual(['valid', 'tentative']);
      b.turn(0.02 * US_PER_SEC);
      expect(states(b, w)).toEqual(['valid', 'valid']);
      expect(probes(w)).toEqual([]);
      expect(b.log).toEqual([]);
    });
  });

  it('probes dad_count times, retrans apart; without dad_enhanced there is no nonce', () => {
    withDad((b, w) => {
      ready(b, w);
      b.sysctl('net.inet6.ip6.dad_count', 3);
      b.sysctl('net.inet6.ip6.dad_enhanced', 0);
      b.in6Net.ifinfo(w.ifp)!.retrans = 500;
      b.addr(w.ifp, `${A}/64`);
      b.turn(1.4 * US_PER_SEC);
      expect(probes(w)).toEqual(Array(3).fill(`ns :: > ${SOLICITED_A} who has ${A}`));
      expect(states(b, w)[1]).toBe('tentative');
      b.turn(0.2 * US_PER_SEC);
      expect(states(b, w)[1]).toBe('valid');
    });
  });

  it('addresses that come up with their interface begin within a second, at random', () => {
    const first = (seed: number): number => {
      const b = new Ip6Bench(seed, true);
      const w = b.wire();
      b.addr(w.ifp, `${A}/64`);
      let us = 0;
      while (w.sent.length === 0 && us < US_PER_SEC) {
        b.turn(1000);
        us += 1000;
      }
      b.destroy();
      return us;
    };
    const at = [1, 2, 3, 4].map(first);
    expect(at.every((us) => us <= US_PER_SEC)).toBe(true);
    expect(new Set(at).size).toBeGreaterThan(1);
  });

  it('a tentative address takes nothing, sends nothing, and is not told about', () => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn();
      w.take();
      expect(w.ask(`ns 2001:db8::2 > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, `echo 2001:db8::2 > ${A} seq 1`)).toEqual([]);
      expect(w.neighbours()).toEqual([]);
    });
  });

  // What is heard while A is tentative, and what becomes of A.
  it.each<[string, string, string]>([
    ["another's probe", `ns :: > ${SOLICITED_A} who has ${A}`, 'duplicated'],
    ["another's probe with its nonce", `ns :: > ${SOLICITED_A} who has ${A} nonce 001122334455`, 'duplicated'],
    ["another's advertisement", `na ${A} > ff02::1 ${A} is at ${macN(2)} O`, 'duplicated'],
    ["another's advertisement without link address", `na ${A} > ff02::1 ${A}`, 'duplicated'],
    ['a question of somebody', `ns 2001:db8::2 > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, 'valid'],
    ['a probe for another address of the group', `ns :: > ${SOLICITED_A} who has 2001:db8:1::1`, 'valid'],
    ['a forged probe from beyond a router', `ns :: > ${SOLICITED_A} who has ${A} hlim 64`, 'valid'],
    ['a forged advertisement from beyond a router', `na ${A} > ff02::1 ${A} is at ${macN(2)} O hlim 254`, 'valid'],
    ['a probe to the node itself', `ns :: > ${A} who has ${A}`, 'valid'],
    ['a probe with link address', `ns :: > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, 'valid'],
  ])('%s: %s', (_what, line, state) => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn(0.5 * US_PER_SEC);
      w.inject(line);
      b.turn(US_PER_SEC);
      expect(states(b, w)).toEqual(['valid', state]);
    });
  });

  it('a duplicate is told of, never used, and stays one', () => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn(0.5 * US_PER_SEC);
      w.inject(`na ${A} > ff02::1 ${A} is at ${macN(2)} O`);
      w.inject(`ns :: > ${SOLICITED_A} who has ${A}`);
      b.turn(US_PER_SEC);
      w.take();
      expect(b.log).toEqual([
        `err: em0: DAD detected duplicate IPv6 address ${A}: NS in/out/loopback=1/1/0, NA in=1`, `err: em0: DAD complete for ${A} - duplicate found`,
        'err: em0: manual intervention required',
      ]);
      expect(w.ask(`ns 2001:db8::2 > ${SOLICITED_A} who has ${A} sll ${macN(2)}`, `ns :: > ${SOLICITED_A} who has ${A}`, `echo 2001:db8::2 > ${A} seq 1`)).toEqual([]);
      ifDown(w.ifp);
      ifUp(w.ifp);
      b.turn(5 * US_PER_SEC);
      expect(states(b, w)).toEqual(['valid', 'duplicated']);
      b.delAddr(w.ifp, A);
      b.addr(w.ifp, `${A}/64`);
      b.turn(2 * US_PER_SEC);
      expect(states(b, w)).toEqual(['valid', 'valid']);
    });
  });

  it("a duplicate of the link-local address made from the interface's MAC switches IPv6 off there", () => {
    withDad((b, w) => {
      b.addr(w.ifp, `${A}/64`);
      b.turn(1.01 * US_PER_SEC);
      w.inject(`na ${LL} > ff02::1 ${LL} is at ${macN(2)} O`);
      b.turn(2 * US_PER_SEC);
      const ii = b.in6Net.ifinfo(w.ifp)!;
      expect(ii.ndFlags & ND6_IFF_IFDISABLED).toBe(ND6_IFF_IFDISABLED);
      expect(b.log).toContain('err: em0: possible hardware address duplication detected, disable IPv6');
      expect(w.ask(`echo 2001:db8::2 > ${A} seq 1`)).toEqual([]);
      expect(nd6SetFlags(b.in6Net, w.ifp, ii.ndFlags & ~ND6_IFF_IFDISABLED)).toBe(0);
      expect(ii.isDisabled).toBe(true);
      expect(b.log.at(-1)).toBe('err: Cannot enable an interface with a link-local address marked duplicate.');
      b.delAddr(w.ifp, LL);
      nd6SetFlags(b.in6Net, w.ifp, ii.ndFlags & ~ND6_IFF_IFDISABLED);
      expect(ii.isDisabled).toBe(false);
    });
  });

  it('own probes that come back by a loop are told apart, and probing goes on until it is quiet', () => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn();
      w.inject(w.take()[0]!);
      b.turn(1.01 * US_PER_SEC);
      expect(states(b, w)[1]).toBe('tentative');
      expect(probes(w).length).toBe(1);
      b.turn(3 * US_PER_SEC);
      expect(probes(w).length).toBe(1);
      expect(states(b, w)[1]).toBe('valid');
      expect(b.log).toEqual([
        `err: em0: a looped back NS message is detected during DAD for ${A}.  Another DAD probes are being sent.`,
        `err: em0: DAD completed while a looped back NS message is detected during DAD for ${A}.`,
      ]);
    });
  });

  it('without dad_enhanced a loop makes every address a duplicate', () => {
    withDad((b, w) => {
      b.sysctl('net.inet6.ip6.dad_enhanced', 0);
      ready(b, w);
      b.addr(w.ifp, `${A}/64`);
      b.turn();
      w.inject(w.take()[0]!);
      b.turn(1.01 * US_PER_SEC);
      expect(states(b, w)[1]).toBe('duplicated');
    });
  });

  it('is left out for anycast addresses, with no_dad, by request, and on loopback', () => {
    withDad((b, w) => {
      ready(b, w);
      b.addr(w.ifp, '2001:db8::a/64', { flags: IN6_IFF_ANYCAST });
      b.addr(w.ifp, '2001:db8::b/64', { flags: IN6_IFF_NODAD });
      nd6SetFlags(b.in6Net, w.ifp, b.in6Net.ifinfo(w.ifp)!.ndFlags | ND6_IFF_NO_DAD);
      b.addr(w.ifp, '2001:db8::c/64');
      b.addr(b.lo0, '2001:db8:1::1/128');
      expect(states(b, w)).toEqual(['valid', 'valid', 'valid', 'valid']);
      expect(w.lines()).toEqual([]);
    });
  });

  it('waits for an interface that is down, and begins when it, or its link, comes up', () => {
    withDad((b, w) => {
      ready(b, w);
      ifDown(w.ifp);
      const restart = (): void => {
        b.turn(2.1 * US_PER_SEC);
      };
      b.addr(w.ifp, `${A}/64`);
      restart();
      expect(states(b, w)[1]).toBe('valid');
      // The link goes away in the middle: the probe is lost on it.
      b.addr(w.ifp, '2001:db8::2/64');
      b.nd6.dad.stop(b.in6Net.addrsOf(w.ifp)[2]!);
      ifLinkStateChange(w.ifp, LINK_STATE_DOWN);
      b.turn(5 * US_PER_SEC);
      expect(states(b, w)[2]).toBe('tentative');
      ifLinkStateChange(w.ifp, LINK_STATE_UP);
      restart();
      expect(states(b, w)[2]).toBe('valid');
    });
  });

  it('IPv6 switched off makes addresses tentative; on again they are verified anew', () => {
    withDad((b, w) => {
      ready(b, w);
      const flags = b.in6Net.ifinfo(w.ifp)!.ndFlags;
      nd6SetFlags(b.in6Net, w.ifp, flags | ND6_IFF_IFDISABLED);
      expect(states(b, w)).toEqual(['tentative']);
      nd6SetFlags(b.in6Net, w.ifp, flags);
      b.turn(2.1 * US_PER_SEC);
      expect(states(b, w)).toEqual(['valid']);
      expect(probes(w)).toEqual([`ns :: > ff02::1:ff00:1 who has ${LL} nonce N`]);
    });
  });

  it('an address or interface that goes takes its verification with it', () => {
    withDad((b, w) => {
      b.addr(w.ifp, `${A}/64`);
      expect(b.nd6.dad.running).toBe(2);
      b.delAddr(w.ifp, A);
      expect(b.nd6.dad.running).toBe(1);
      b.addr(w.ifp, `${A}/64`);
    });
  });

  it('with nd6_rfc9131 a new address is advertised to all routers', () => {
    withDad((b, w) => {
      ready(b, w);
      b.sysctl('net.inet6.icmp6.nd6_rfc9131', 1);
      b.addr(w.ifp, `${A}/64`);
      b.turn(1.1 * US_PER_SEC);
      expect(w.lines().slice(1)).toEqual([`na ${A} > ff02::2 ${A} is at ${macN(1)}`]);
      b.turn(10 * US_PER_SEC);
      expect(w.lines().length).toBe(2);
    });
  });

  it('of two nodes that probe at once both lose; else the one that probed first while it probes, the later one afterwards', () => {
    for (const gap of [0, 0.5, 1.5]) {
      const benches = [new Ip6Bench(1, true), new Ip6Bench(2, true)];
      const wires = benches.map((b) => b.wire());
      wires.forEach((w, i) => {
        const b = benches[i]!;
        b.addr(w.ifp, `fe80::${i + 1}/64`, { flags: IN6_IFF_NODAD });
        b.turn(2 * US_PER_SEC);
        w.take();
      });
      const exchange = (us: number): void => {
        for (let t = 0; t < us; t += 50_000) {
          for (const b of benches) b.turn(50_000);
          for (const [from, to] of [[0, 1], [1, 0]] as const) for (const f of wires[from]!.take()) wires[to]!.inject(f);
        }
      };
      benches[0]!.addr(wires[0]!.ifp, `${A}/64`);
      exchange(gap * US_PER_SEC);
      benches[1]!.addr(wires[1]!.ifp, `${A}/64`);
      exchange(3 * US_PER_SEC);
      const verdict = benches.map((b, i) => states(b, wires[i]!)[1]);
      expect([gap, ...verdict]).toEqual([gap, gap === 1.5 ? 'valid' : 'duplicated', gap === 0.5 ? 'valid' : 'duplicated']);
      for (const b of benches) b.destroy();
    }
  });
});
