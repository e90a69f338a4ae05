/**
 * wqinput.test.ts — deferred input: 256 packets wait, the newest are dropped, the order is kept; nothing stays behind.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { CTX_SOFTINT, CTX_THREAD } from '../kern/context.js';
import { ifDetach } from '../net/if-detach.js';
import { ifInput } from '../net/if-transmit.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP_SOURCEQUENCH } from '../wire/icmp4.js';
import { IPPROTO_ICMP } from '../wire/ipproto.js';
import { IpBench, NOTHING_LEFT, icmpBytes, ipFrame, macN } from './test-ip.js';
import type { Wire } from './test-ip.js';
import { WQINPUT_MAXLEN, WqInput, wqInputSpec } from './wqinput.js';

let bench: IpBench | null = null;
afterEach(() => {
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

interface Seen {
  readonly first: number;
  readonly ifp: string;
  readonly off: number;
  readonly proto: number;
  readonly context: number;
}

function setup(): { b: IpBench; w: Wire; q: WqInput<Seen[]>; seen: Seen[]; put: (first: number, ifp?: Ifnet) => void; read: (leaf: string) => unknown } {
  const b = new IpBench();
  bench = b;
  const w = b.wire('192.0.2.1/24');
  const seen: Seen[] = [];
  const spec = wqInputSpec<Seen[]>('test', (list, ifp, m, off, proto) => {
    list.push({ first: m.view.getUint16(m.off), ifp: ifp.xname, off, proto, context: b.engine.context });
    m.free();
  });
  const q = new WqInput(b.net.kern, spec, seen);
  const destroy = b.destroy.bind(b);
  b.destroy = () => {
    q.destroy();
    destroy();
  };
  const put = (first: number, ifp = w.ifp): void => {
    const previous = b.engine.enter(CTX_SOFTINT);
    q.input(ifp, b.packet(Uint8Array.of(first >> 8, first & 255)), 40, 58);
    b.engine.leave(previous);
  };
  return { b, w, q, seen, put, read: (leaf) => b.net.kern.sysctl.find(`net.wqinput.test.inputq.${leaf}`)?.get() };
}

describe('deferred input', () => {
  it('hands each packet to its handler in thread context, in the order of arrival', () => {
    const { b, q, seen, put } = setup();
    for (const n of [3, 1, 2]) put(n);
    expect([q.len, seen.length]).toEqual([3, 0]);
    b.turn();
    expect(seen.map((s) => s.first)).toEqual([3, 1, 2]);
    expect(seen[0]).toEqual({ first: 3, ifp: 'em0', off: 40, proto: 58, context: CTX_THREAD });
    expect([q.len, q.processed, q.drops]).toEqual([0, 3, 0]);
    put(4);
    b.turn();
    expect([seen.map((s) => s.first), b.engine.deferredCount]).toEqual([[3, 1, 2, 4], 0]);
  });

  it('257 in one turn: 256 are processed in order, the newest is dropped and counted', () => {
    const { b, q, seen, put, read } = setup();
    for (let n = 0; n <= WQINPUT_MAXLEN; n++) put(n);
    expect([read('len'), read('maxlen'), read('drops')]).toEqual([256, 256, 1]);
    b.turn();
    expect(seen.map((s) => s.first)).toEqual(Array.from({ length: 256 }, (_, n) => n));
    expect([q.len, q.processed, q.drops]).toEqual([0, 256, 1]);
    expect(b.net.kern.sysctl.find('net.wqinput.test.inputq.drops')).toMatchObject({ help: 'Total packets dropped due to full input queue', writable: false });
  });

  it('what arrives while the list is being emptied is done as well, without a second turn', () => {
    const { b, q, seen, put } = setup();
    const spec = wqInputSpec<null>('again', (_owner, ifp, m) => {
      m.free();
      if (q.processed < 3) put(100 + q.processed);
      if (more.processed < 2) more.input(ifp, b.packet(Uint8Array.of(1)), 0, 0);
    });
    const more = new WqInput(b.net.kern, spec, null);
    more.input(b.wires[0]!.ifp, b.packet(Uint8Array.of(1)), 0, 0);
    b.turn();
    expect([more.processed, seen.map((s) => s.first)]).toEqual([2, [100, 100]]);
    more.destroy();
  });

  it('a packet whose interface is gone is freed and counted', () => {
    const { b, q, seen, put, read } = setup();
    const w2 = b.wire('10.0.0.1/8');
    put(1, w2.ifp);
    put(2);
    ifDetach(w2.ifp);
    b.turn();
    expect([seen.map((s) => s.first), q.gone, read('gone')]).toEqual([[2], 1, 1]);
  });

  it('when the work cannot be queued the packet is dropped, and the next one tries again', () => {
    const { b, q, seen, put } = setup();
    const { defer } = b.engine;
    b.engine.defer = () => false;
    put(1);
    b.engine.defer = defer;
    put(2);
    b.turn();
    expect([seen.map((s) => s.first), q.drops]).toEqual([[2], 1]);
  });

  it('destroyed with packets waiting, it frees them and nothing is called', () => {
    const { b, q, seen, put } = setup();
    put(1);
    q.destroy();
    b.turn();
    expect([seen, q.len]).toEqual([[], 0]);
  });
});

describe('ICMP', () => {
  it('257 messages in one turn: 256 reach raw sockets, in order', () => {
    const { b, w } = setup();
    const seen: number[] = [];
    b.ip.registerRaw({
      deliver: (m) => {
        seen.push(m.view.getUint16(m.off + 28));
        m.free();
        return true;
      },
    });
    const previous = b.engine.enter(CTX_SOFTINT);
    for (let n = 0; n < 257; n++) {
      const payload = icmpBytes(ICMP_SOURCEQUENCH, 0, 0, Uint8Array.of(n >> 8, n & 255));
      ifInput(w.ifp, b.packet(ipFrame(macN(1), macN(2), { src: '192.0.2.2', dst: '192.0.2.1', proto: IPPROTO_ICMP, payload })));
    }
    b.engine.leave(previous);
    b.turn();
    expect(seen).toEqual(Array.from({ length: 256 }, (_, n) => n));
    expect(b.net.kern.sysctl.find('net.wqinput.icmp.inputq.drops')?.get()).toBe(1);
    expect(b.icmp.stats.in4).toBe(256);
  });
});
