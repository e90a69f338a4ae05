/**
 * queues.test.ts — where packets wait for input: protocol queues with their barrier, frames brought while the Kernel is at work, and the names of both.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOENT } from '../base/errno.js';
import { CTX_SOFTINT, CTX_THREAD } from '../kern/context.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { SimNet } from '../sim/sim-net.js';
import { Wire } from '../sim/wire-script.js';
import { craftEcho, ip4 } from '../sim/craft.js';
import { bpfOpen } from './bpf.js';
import { epairCloner } from './epair.js';
import { ifCloneDestroy } from './if-clone.js';
import { ifDetach } from './if-detach.js';
import { ifPercpuqEnqueue } from './if-percpuq.js';
import { ifRename } from './if.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { PKTQ_MAXLEN, PktQueue } from './pktqueue.js';
import { TestLab } from './test-net.js';

const ME = '02:00:00:00:00:01';
const PEER = '02:00:00:00:00:02';

function setup(): { lab: TestLab; net: Net; a: Ifnet; b: Ifnet; q: PktQueue; seen: string[]; put: (ifp: Ifnet, n: number) => boolean } {
  const lab = new TestLab();
  const net = lab.net('v', [epairCloner]);
  const [a, b] = lab.epair(net);
  const seen: string[] = [];
  const q = new PktQueue(net, (ifp, m) => {
    seen.push(`${m.view.getUint16(m.off)} by ${ifp.xname}`);
    m.free();
  });
  const put = (ifp: Ifnet, n: number): boolean => q.put(ifp, lab.packet(Uint8Array.of(n >> 8, n & 255)));
  return { lab, net, a, b, q, seen, put };
}

describe('a protocol queue', () => {
  it('calls the input in softint, in order, and drops the newest when 256 wait', () => {
    const { lab, a, q, seen, put } = setup();
    for (let n = 0; n < PKTQ_MAXLEN; n++) expect(put(a, n)).toBe(true);
    expect(put(a, 999)).toBe(false);
    lab.turn();
    expect(seen).toEqual(Array.from({ length: 256 }, (_, n) => `${n} by epair0a`));
    expect([q.queue.length, q.queue.drops, lab.engine.pool.inUse]).toEqual([0, 1, 0]);
  });

  it('a barrier is passed at once when nothing waits, and behind what waits now', () => {
    const { lab, a, q, seen, put } = setup();
    const at: string[] = [];
    const passed = (name: string) => (): void => void at.push(`${name} after ${seen.length} in ${lab.engine.context === CTX_THREAD ? 'thread' : 'softint'}`);
    expect(q.barrier(passed('none'))).toBe(true);
    for (let n = 0; n < 70; n++) put(a, n);
    expect(q.barrier(passed('first'))).toBe(false);
    put(a, 70);
    expect(q.barrier(passed('second'))).toBe(false);
    lab.engine.runTurn(lab.engine.now);
    expect(at).toEqual(['none after 0 in thread', 'first after 71 in thread', 'second after 71 in thread']);
    const previous = lab.engine.enter(CTX_SOFTINT);
    expect(() => q.barrier(passed('x'))).toThrow('must not wait');
    lab.engine.leave(previous);
  });

  it('an interface that leaves takes what came by it along, before its number is given to the next', () => {
    const { lab, net, a, b, q, seen, put } = setup();
    for (const [n, ifp] of [a, b, a, b].entries()) put(ifp, n);
    const told: string[] = [];
    q.barrier(() => void told.push('passed'));
    const { index } = a;
    ifDetach(a);
    expect([q.queue.length, a.data.iqdrops, b.data.iqdrops]).toEqual([2, 2, 0]);
    expect(lab.create(net, 'epair').index).toBe(index);
    lab.turn();
    expect([seen, told]).toEqual([['1 by epair0b', '3 by epair0b'], ['passed']]);
  });

  it('destroyed, it frees what waits and lets who waited go on', () => {
    const { lab, net, a, q, seen, put } = setup();
    put(a, 1);
    let passed = false;
    q.barrier(() => {
      passed = true;
    });
    q.destroy();
    lab.turn();
    expect([seen, passed, net.pktqs, lab.engine.pool.inUse]).toEqual([[], true, [], 0]);
  });
});

class Echoes {
  readonly net = new SimNet(5);
  readonly v = this.net.vnet('v');
  readonly wire = new Wire(this.net, this.v, { mac: ME });
  readonly request = craftEcho({ src: PEER, dst: ME }, { src: '192.0.2.2', dst: '192.0.2.1' }, 7, 1);

  constructor() {
    this.net.addr(this.v, this.wire.ifp, '192.0.2.1/24');
    this.net.kernel.call(this.net.now, () => this.v.arp.set(ip4('192.0.2.2'), Uint8Array.of(2, 0, 0, 0, 0, 2), { ifp: this.wire.ifp }));
    this.net.run(1_000);
    this.wire.take();
  }

  packet(): PacketBuffer {
    const m = this.net.kernel.engine.pool.from(this.request);
    if (m === null) throw new Error('no packet');
    return m;
  }

  bring(): void {
    this.net.kernel.input(this.wire.ifp, this.packet(), this.net.now);
  }

  read(name: string): unknown {
    return this.v.kern.sysctl.find(`net.interfaces.wire0.${name}`)?.get();
  }
}

describe('a frame from outside', () => {
  it('goes up at once while the Kernel is idle', () => {
    const e = new Echoes();
    e.bring();
    expect([e.wire.ifp.percpuq, e.v.icmp.stats.in8, e.wire.ifp.data.ipackets]).toEqual([null, 1, 1]);
  });

  it('brought by somebody the Kernel called waits, and is counted and tapped in softint', () => {
    const e = new Echoes();
    const { kernel } = e.net;
    const contexts: number[] = [];
    const { listener } = bpfOpen(e.v.net, 'wire0', {});
    const input = e.wire.ifp.input;
    e.wire.ifp.input = (ifp, m) => {
      contexts.push(kernel.engine.context);
      input(ifp, m);
    };
    let depth = 0;
    const transmit = e.wire.transmit.bind(e.wire);
    e.wire.transmit = (ifp, m) => {
      // A link that answers what it was just handed.
      depth++;
      const was = e.v.icmp.stats.in8;
      if (was < 3) e.bring();
      expect(e.v.icmp.stats.in8).toBe(was);
      depth--;
      return transmit(ifp, m);
    };
    e.bring();
    expect([depth, e.v.icmp.stats.in8, e.wire.ifp.percpuq?.queue.length]).toEqual([0, 1, 1]);
    kernel.settle();
    expect([e.v.icmp.stats.in8, e.wire.ifp.data.ipackets, contexts]).toEqual([3, 3, [CTX_SOFTINT, CTX_SOFTINT, CTX_SOFTINT]]);
    expect(e.wire.take()).toHaveLength(3);
    let captured = 0;
    while (listener?.read()) captured++;
    expect(captured).toBe(6);
  });

  it('257 brought within a call: 256 go up, the newest is dropped and counted', () => {
    const e = new Echoes();
    e.v.kern.sysctl.set('net.inet.icmp.icmplim', 0);
    e.net.kernel.call(e.net.now, () => {
      for (let n = 0; n < 257; n++) e.bring();
    });
    expect([e.v.icmp.stats.in8, e.read('rcvq.drops'), e.wire.ifp.data.iqdrops]).toEqual([0, 1, 1]);
    expect(e.net.kernel.audit().unaccounted.packets).toBe(0);
    e.net.kernel.settle();
    expect([e.v.icmp.stats.in8, e.wire.ifp.data.ipackets, e.net.kernel.engine.pool.inUse]).toEqual([256, 256, 0]);
  });

  it('that waits when its interface goes is freed; for an interface in no vnet it is freed at once', () => {
    const e = new Echoes();
    e.net.kernel.call(e.net.now, () => {
      e.bring();
      ifDetach(e.wire.ifp);
      ifPercpuqEnqueue(e.wire.ifp, e.packet());
    });
    expect([e.wire.ifp.percpuq, e.net.kernel.engine.pool.inUse]).toEqual([null, 0]);
    e.net.kernel.settle();
    expect(e.v.icmp.stats.in8).toBe(0);
  });
});

describe('the names of the queues', () => {
  it('come and go with the interface, and follow its name', () => {
    const net = new SimNet(6);
    const v = net.vnet('v');
    const names = (): string[] => v.kern.sysctl.list('net.interfaces').map((n) => `${n.name}=${n.get()}`);
    const lo = ['drops=0'].map((t) => `net.interfaces.lo0.rcvq.${t}`).concat(['drops=0', 'len=0', 'maxlen=4096'].map((t) => `net.interfaces.lo0.sndq.${t}`));
    expect(names()).toEqual(lo);
    const tap = net.clone(v, 'tap');
    const of = (name: string): string[] => [`${name}.rcvq.drops=0`, `${name}.sndq.drops=0`, `${name}.sndq.len=0`, `${name}.sndq.maxlen=1024`].map((t) => `net.interfaces.${t}`);
    expect(names()).toEqual([...lo, ...of('tap0')]);
    expect(net.kernel.call(net.now, () => ifRename(tap, 'up.link'))).toBe(0);
    expect(names()).toEqual([...lo, ...of('up.link')]);
    const { sysctl } = v.kern;
    expect([sysctl.set('net.interfaces.up.link.sndq.maxlen', 3), sysctl.set('net.interfaces.up.link.sndq.maxlen', 0), sysctl.set('net.interfaces.up.link.sndq.len', 1)]).toEqual([0, EINVAL, 1]);
    expect(sysctl.find('net.interfaces.up.link.sndq.maxlen')?.get()).toBe(3);
    net.kernel.call(net.now, () => ifCloneDestroy(v.net, 'up.link'));
    expect([names(), sysctl.set('net.interfaces.up.link.sndq.maxlen', 3)]).toEqual([lo, ENOENT]);
  });

  it('IP\'s queue has NetBSD\'s names and FreeBSD\'s', () => {
    const { kern } = new SimNet(6).vnet('v');
    expect(kern.sysctl.set('net.inet.ip.ifq.maxlen', 9)).toBe(0);
    expect(['net.inet.ip.ifq.len', 'net.inet.ip.ifq.maxlen', 'net.inet.ip.ifq.drops', 'net.inet.ip.intr_queue_maxlen'].map((n) => kern.sysctl.find(n)?.get())).toEqual([0, 9, 0, 9]);
  });
});
