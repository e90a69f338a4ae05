/**
 * inpcb.test.ts — who may bind and connect what, and who is found: tables as FreeBSD has them, and a property test against
 * lists that are searched from end to end.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { Prng } from '../base/prng.js';
import { In6PcbTable } from './in6-pcb-table.js';
import { InPcbTable, PortRange } from './inpcb.js';
import type { InPcb, PcbUser } from './inpcb.js';
import { PcbHash, PcbLink } from './pcb-hash.js';

const SEED = 20260130;
const USER: PcbUser = { pcbInput: () => true, pcbError: () => {} };
const [ANY, A, B, GROUP] = [0, 0xc000_0201, 0xc000_0202, 0xe000_0005];
const PEER = 0xc633_6401;

function table(range: Partial<PortRange> = {}, seed = 1): InPcbTable {
  return new InPcbTable(Object.assign(new PortRange(), range), new Prng(seed));
}

const make = (t: InPcbTable, options = ''): InPcb => {
  const inp = t.attach(USER, 0);
  inp.reuseAddr = options.includes('a');
  inp.reusePort = options.includes('p');
  inp.reusePortLb = options.includes('l');
  return inp;
};

describe('bind', () => {
  it.each([
    [0, A, 70, false, false, 0], [70, A, 70, false, false, EINVAL], [0, A, 70, true, false, EADDRNOTAVAIL], [0, A, 70, true, true, 0], [0, A, 65_535, false, false, 0],
    [0, A, 65_536, false, false, EINVAL], [0, A, -1, false, false, EINVAL], [0, A, 1.5, false, false, EINVAL], [0, ANY, 1, false, false, 0],
  ])('of one bound to %i: address %i port %i (foreign %s, bindany %s): %i', (before, laddr, lport, foreign, bindAny, error) => {
    const t = table();
    const inp = make(t);
    if (before !== 0) t.bind(inp, ANY, before, true);
    inp.bindAny = bindAny;
    expect(t.bind(inp, laddr, lport, !foreign)).toBe(error);
    expect([inp.laddr, inp.lport]).toEqual(error === 0 ? [laddr, lport] : [ANY, before]);
  });

  // What the first has (address, options, connected), what the second wants, and whether it gets it.
  it.each<[number, string, boolean, number, string, boolean]>([
    [ANY, '', false, ANY, '', false], [ANY, '', false, A, '', false], [A, '', false, ANY, '', false], [A, '', false, A, '', false], [A, '', false, B, '', true],
    [ANY, 'a', false, ANY, '', false], [ANY, 'p', false, ANY, '', false], [A, 'ap', false, A, '', false],
    [ANY, '', false, A, 'a', true], [A, '', false, ANY, 'a', true], [ANY, 'a', false, A, 'a', true], [A, 'a', false, A, 'a', false], [ANY, 'a', false, ANY, 'a', false], [A, '', false, A, 'a', false],
    [ANY, '', false, A, 'p', true], [A, '', false, A, 'p', false], [A, 'p', false, A, 'p', true], [ANY, 'p', false, ANY, 'p', true], [ANY, 'a', false, ANY, 'p', false],
    [ANY, 'p', false, ANY, 'a', false], [ANY, 'ap', false, ANY, 'p', true], [A, 'p', false, ANY, 'a', true],
    [A, 'l', false, A, 'l', true], [ANY, 'l', false, ANY, 'l', true], [A, 'l', false, A, 'p', false], [A, 'p', false, A, 'l', false], [A, 'l', false, A, '', false], [ANY, '', false, A, 'l', true],
    [GROUP, 'a', false, GROUP, 'a', true], [GROUP, 'p', false, GROUP, 'a', true], [GROUP, 'a', false, GROUP, 'p', true], [GROUP, '', false, GROUP, 'a', false], [GROUP, 'a', false, GROUP, '', false],
    [A, '', true, A, '', false], [A, '', true, ANY, '', false], [A, '', true, B, '', true], [A, '', true, A, 'a', true], [A, '', true, A, 'p', true],
  ])('first %i "%s" connected %s; then %i "%s": %s', (laddr1, options1, connected, laddr2, options2, ok) => {
    const t = table();
    const [first, second] = [make(t, options1), make(t, options2)];
    expect(t.bind(first, laddr1, 53, true)).toBe(0);
    if (connected) expect(t.connect(first, laddr1, PEER, 7)).toBe(0);
    expect(t.bind(second, laddr2, 53, true)).toBe(ok ? 0 : EADDRINUSE);
    t.detach(first);
    if (!ok) expect(t.bind(second, laddr2, 53, true)).toBe(0);
  });
});

describe('SO_REUSEPORT_LB', () => {
  const MEMBERS = 4;
  /** Who gets the packets of 4,000 ports of one peer. */
  const spread = (t: InPcbTable, group: InPcb[], laddr = A): number[] => {
    const got = group.map(() => 0);
    for (let fport = 1; fport <= 4_000; fport++) {
      const i = group.indexOf(t.lookup(PEER, fport, laddr, 53)!);
      got[i] = got[i]! + 1;
    }
    return got;
  };
  const group = (t: InPcbTable, laddr: number): InPcb[] => Array.from({ length: MEMBERS }, () => {
    const inp = make(t, 'l');
    expect(t.bind(inp, laddr, 53, true)).toBe(0);
    return inp;
  });

  it.each([[ANY], [A]])('shares what comes for %i evenly, one four-tuple always to one member', (laddr) => {
    const t = table();
    const all = group(t, laddr);
    for (const n of spread(t, all)) expect(Math.abs(n - 1_000)).toBeLessThan(150);
    expect(t.lookup(PEER, 7, A, 53)).toBe(t.lookup(PEER, 7, A, 53));
    expect(t.connect(all[0]!, A, PEER, 7)).toBe(0);
    expect(t.lookup(PEER, 7, A, 53)).toBe(all[0]);
    expect(spread(t, all)[0]).toBe(1);
    t.detach(all[1]!);
    expect(spread(t, all)[1]).toBe(0);
  });

  it('has a group for each address, and one exact address before any', () => {
    const t = table();
    const [any, exact] = [group(t, ANY), group(t, A)];
    expect(spread(t, exact).every((n) => n > 800)).toBe(true);
    expect(spread(t, any, B).every((n) => n > 800)).toBe(true);
  });

  it('over IPv6', () => {
    const t = new In6PcbTable(table(), 3);
    const all = Array.from({ length: MEMBERS }, () => {
      const inp = t.attach(USER, 0);
      inp.reusePortLb = true;
      expect(t.bind(inp, new Uint8Array(16), 53, true)).toBe(0);
      return inp;
    });
    const got = all.map(() => 0);
    for (let fport = 1; fport <= 4_000; fport++) {
      const i = all.indexOf(t.lookup(1, 2, 3, 4, fport, 5, 6, 7, 8, 53)!);
      got[i] = got[i]! + 1;
    }
    for (const n of got) expect(Math.abs(n - 1_000)).toBeLessThan(150);
  });
});

describe('anonymous ports', () => {
  it.each([[1], [0]])('are those of the range, each once, until there is none (randomized %i)', (randomized) => {
    const t = table({ first: 2_009, last: 2_000, randomized });
    const taken = make(t);
    t.bind(taken, A, 2_003, true);
    const got = Array.from({ length: 9 }, () => {
      const inp = make(t);
      expect(t.bind(inp, ANY, 0, true)).toBe(0);
      return inp.lport;
    });
    expect([...got].sort((a, b) => a - b)).toEqual([2_000, 2_001, 2_002, 2_004, 2_005, 2_006, 2_007, 2_008, 2_009]);
    const late = make(t);
    expect([t.bind(late, ANY, 0, true), late.lport, late.laddr]).toEqual([EADDRNOTAVAIL, 0, ANY]);
    t.detach(taken);
    expect([t.bind(late, ANY, 0, true), late.lport]).toEqual([0, 2_003]);
  });

  it('are never shared, also when everybody asks to share', () => {
    const t = table({ first: 2_000, last: 2_063 });
    const ports = new Set<number>();
    for (let i = 0; i < 64; i++) {
      const inp = make(t, 'ap');
      expect(t.bind(inp, ANY, 0, true)).toBe(0);
      ports.add(inp.lport);
    }
    expect([ports.size, t.bind(make(t, 'ap'), ANY, 0, true)]).toEqual([64, EADDRNOTAVAIL]);
  });

  it('are spread over the range, differ from seed to seed, and go up one by one when that is wanted', () => {
    const draw = (seed: number, randomized = 1): number[] => {
      const t = table({ randomized }, seed);
      return Array.from({ length: 2_000 }, () => {
        const inp = make(t);
        t.bind(inp, ANY, 0, true);
        const { lport } = inp;
        t.detach(inp);
        return lport;
      });
    };
    const ports = draw(1);
    const width = (65_536 - 10_000) / 8;
    const eighths = new Array<number>(8).fill(0);
    for (const p of ports) {
      expect(p).toBeGreaterThanOrEqual(10_000);
      eighths[Math.floor((p - 10_000) / width)]!++;
    }
    for (const n of eighths) expect(Math.abs(n - 250)).toBeLessThan(70);
    expect(ports.filter((p, i) => i > 0 && p === ports[i - 1]! + 1).length).toBeLessThan(5);
    expect(draw(2)).not.toEqual(ports);
    expect(draw(1)).toEqual(ports);
    const upward = draw(1, 0);
    expect(upward.every((p, i) => i === 0 || p === upward[i - 1]! + 1)).toBe(true);
  });

  it('of connections may be the same when the other end differs, and are never one that an unconnected pcb waits on', () => {
    const t = table({ first: 2_000, last: 2_001 });
    const connect = (peer: number): [number, number] => {
      const inp = make(t);
      return [t.connect(inp, A, peer, 80), inp.lport];
    };
    const first = [connect(PEER), connect(PEER)];
    expect(first.map(([e]) => e)).toEqual([0, 0]);
    expect(new Set(first.map(([, p]) => p))).toEqual(new Set([2_000, 2_001]));
    expect(connect(PEER)).toEqual([EADDRNOTAVAIL, 0]);
    expect([connect(PEER + 1)[0], connect(PEER + 1)[0], connect(PEER + 1)[0]]).toEqual([0, 0, EADDRNOTAVAIL]);
    const waiting = make(t, 'a');
    expect(t.bind(waiting, A, 2_000, true)).toBe(0);
    expect([connect(PEER + 2), connect(PEER + 2)]).toEqual([[0, 2_001], [EADDRNOTAVAIL, 0]]);
  });
});

describe('connect and disconnect', () => {
  it('refuses a four-tuple that is taken, and leaves everything as it was', () => {
    const t = table();
    const [x, y] = [make(t, 'p'), make(t, 'p')];
    t.bind(x, A, 53, true);
    t.bind(y, A, 53, true);
    expect(t.connect(x, A, PEER, 7)).toBe(0);
    expect(t.connect(y, A, PEER, 7)).toBe(EADDRINUSE);
    expect([y.connected, y.laddr, y.lport, y.faddr]).toEqual([false, A, 53, 0]);
    expect(t.connect(y, A, PEER, 8)).toBe(0);
    t.disconnect(x);
    expect([x.connected, x.laddr, x.lport, x.faddr, x.fport]).toEqual([false, ANY, 53, 0, 0]);
    expect([t.lookup(PEER, 7, B, 53), t.lookup(PEER, 8, A, 53)]).toEqual([x, y]);
    t.disconnect(x);
    t.detach(x);
    t.detach(x);
    expect([t.count, t.lookup(PEER, 7, A, 53), t.list()]).toEqual([1, null, [y]]);
  });
});

describe('lookup', () => {
  it('prefers the connection, then the address, then the wildcard', () => {
    const t = table();
    const [wild, exact, conn] = [make(t, 'a'), make(t, 'a'), make(t, 'a')];
    t.bind(wild, ANY, 53, true);
    t.bind(exact, A, 53, true);
    expect(t.bind(conn, B, 53, true)).toBe(0);
    t.connect(conn, A, PEER, 7);
    const found = (faddr: number, fport: number, laddr: number, lport = 53): InPcb | null => t.lookup(faddr, fport, laddr, lport);
    expect([found(PEER, 7, A), found(PEER, 8, A), found(PEER + 1, 7, A), found(PEER, 7, B), found(PEER, 7, A, 54)]).toEqual([conn, exact, exact, wild, null]);
    t.detach(wild);
    expect([found(PEER, 7, B), found(PEER, 7, A)]).toEqual([null, conn]);
  });

  it('finds the newest of equals with an address, the oldest of equals without', () => {
    const t = table();
    const at = (laddr: number): InPcb => {
      const inp = make(t, 'p');
      t.bind(inp, laddr, 53, true);
      return inp;
    };
    const [oldWild, oldA] = [at(ANY), at(A)];
    const [, newA] = [at(ANY), at(A)];
    expect([t.lookup(PEER, 7, B, 53), t.lookup(PEER, 7, A, 53)]).toEqual([oldWild, newA]);
    t.detach(newA);
    expect(t.lookup(PEER, 7, A, 53)).toBe(oldA);
  });

  it('looks at no connection when it looks for who waits on a port that many connections share', () => {
    const t = table();
    const server = make(t);
    t.bind(server, ANY, 53, true);
    let compared = 0;
    for (let i = 0; i < 2_000; i++) {
      const inp = make(t, 'a');
      t.bind(inp, A, 53, true);
      t.connect(inp, A, PEER + i, 7);
      Object.defineProperty(inp, 'lport', { get: () => (compared++, 53) });
    }
    compared = 0;
    for (let i = 0; i < 100; i++) expect(t.lookup(1 + i, 9, A, 53)).toBe(server);
    expect(compared).toBeLessThan(200);
  });

  it('does what a search through lists does, whatever is bound, connected, let go and closed', () => {
    const ports = fc.integer({ min: 1, max: 40 });
    const addr = fc.constantFrom(ANY, A, B);
    const peer = fc.constantFrom(PEER, PEER + 1, PEER + 2);
    const op = fc.oneof(
      fc.record({ op: fc.constant('attach' as const), options: fc.constantFrom('', 'a', 'p', 'ap') }),
      fc.record({ op: fc.constant('bind' as const), i: fc.nat(), laddr: addr, lport: ports }),
      fc.record({ op: fc.constant('connect' as const), i: fc.nat(), laddr: fc.constantFrom(A, B), faddr: peer, fport: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ op: fc.constant('disconnect' as const), i: fc.nat() }),
      fc.record({ op: fc.constant('detach' as const), i: fc.nat() }),
      fc.record({ op: fc.constant('lookup' as const), faddr: peer, fport: fc.integer({ min: 1, max: 3 }), laddr: fc.constantFrom(A, B, 1), lport: ports }),
    );
    fc.assert(fc.property(fc.array(op, { maxLength: 150 }), (ops) => {
      const t = table({ first: 1, last: 40 }, SEED);
      const pcbs: InPcb[] = [];
      let order: InPcb[] = []; // newest first, as binding and connecting put them
      const pick = (i: number): InPcb | undefined => (pcbs.length === 0 ? undefined : pcbs[i % pcbs.length]);
      const linked = (inp: InPcb): void => {
        order = [inp, ...order.filter((p) => p !== inp)];
      };
      const find = (faddr: number, fport: number, laddr: number, lport: number): InPcb | null => {
        const conn = order.find((p) => p.connected && p.faddr === faddr && p.fport === fport && p.laddr === laddr && p.lport === lport);
        const waiting = order.filter((p) => !p.connected && p.lport === lport);
        return conn ?? waiting.find((p) => p.laddr === laddr) ?? waiting.reverse().find((p) => p.laddr === ANY) ?? null;
      };
      for (const o of ops) {
        if (o.op === 'attach') pcbs.push(make(t, o.options));
        else if (o.op === 'lookup') expect(t.lookup(o.faddr, o.fport, o.laddr, o.lport)).toBe(find(o.faddr, o.fport, o.laddr, o.lport));
        else {
          const inp = pick(o.i);
          if (inp === undefined) continue;
          const was = { ...inp };
          let error = 0;
          if (o.op === 'bind') {
            error = t.bind(inp, o.laddr, o.lport, true);
            if (error === 0) linked(inp);
          } else if (o.op === 'connect') {
            if (inp.connected) continue;
            const taken = order.some((p) => p.connected && p.faddr === o.faddr && p.fport === o.fport && p.laddr === o.laddr && p.lport === was.lport);
            error = t.connect(inp, o.laddr, o.faddr, o.fport);
            if (was.lport !== 0) expect(error).toBe(taken ? EADDRINUSE : 0);
            if (error === 0) linked(inp);
          } else if (o.op === 'disconnect') {
            t.disconnect(inp);
            if (was.connected) linked(inp);
          } else {
            t.detach(inp);
            pcbs.splice(pcbs.indexOf(inp), 1);
            order = order.filter((p) => p !== inp);
          }
          if (error !== 0) expect([inp.laddr, inp.lport, inp.connected]).toEqual([was.laddr, was.lport, was.connected]);
        }
        for (const lport of [1, 20, 40]) {
          const chain: InPcb[] = [];
          for (let l = t.portChain(lport); l !== null; l = l.next) if (l.item.lport === lport) chain.push(l.item);
          expect(chain).toEqual(order.filter((p) => p.lport === lport));
        }
      }
      expect(t.count).toBe(pcbs.length);
    }), { seed: SEED, numRuns: 300 });
  });

  it('finds every one of many, while they come and while they go', () => {
    const t = table();
    const rng = new Prng(SEED);
    const all: InPcb[] = [];
    for (let i = 0; i < 20_000; i++) {
      const inp = make(t);
      expect(t.connect(inp, A, PEER + rng.below(50), 1 + rng.below(5))).toBe(0);
      all.push(inp);
    }
    const check = (): void => {
      for (const p of all) expect(t.lookup(p.faddr, p.fport, p.laddr, p.lport) === p).toBe(true);
    };
    check();
    for (const p of all.splice(0, 15_000)) t.detach(p);
    check();
    expect(t.count).toBe(5_000);
  });
});

describe('PcbHash', () => {
  it('keeps every chain in order, newest first, while it grows; a link is in it once', () => {
    const h = new PcbHash<number>();
    const links: PcbLink<number>[] = [];
    for (let i = 0; i < 1_000; i++) {
      const link = new PcbLink(i);
      links.push(link);
      h.insert(link, (i % 7) * -1_000_003);
      h.insert(link, 5);
    }
    expect(h.count).toBe(1_000);
    const chain = (hash: number): number[] => {
      const out: number[] = [];
      for (let l = h.first(hash); l !== null; l = l.next) if (l.hash === hash) out.push(l.item);
      return out;
    };
    for (let k = 0; k < 7; k++) expect(chain(k * -1_000_003 | 0)).toEqual(links.filter((l) => l.item % 7 === k).map((l) => l.item).reverse());
    for (const l of links.filter((x) => x.item % 2 === 0)) h.remove(l);
    for (const l of links.filter((x) => x.item % 2 === 0)) h.remove(l);
    expect(h.count).toBe(500);
    for (let k = 0; k < 7; k++) expect(chain(k * -1_000_003 | 0)).toEqual(links.filter((l) => l.item % 7 === k && l.item % 2 === 1).map((l) => l.item).reverse());
  });
});
