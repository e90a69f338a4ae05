/**
 * tcp-lro.test.ts — which segments wait for the end of their batch, and what makes them go.
 */
import { describe, expect, it } from 'vitest';
import { M_FRAGMENTED } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { Ifnet, IFT_ETHER } from '../net/ifnet.js';
import { TestLab } from '../net/test-net.js';
import { inCksum4, inCksum6 } from '../wire/checksum.js';
import { ip4Emit } from '../wire/ip4.js';
import { IP6_DST, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_SUM, TH_ACK, TH_CWR, TH_ECE, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TH_URG, tcpEmit, tcpSeq } from '../wire/tcp.js';
import { LRO_ENTRIES, TcpLro } from './tcp-lro.js';

const HL = 32;
const DATA = 100;

interface Segment {
  readonly v6?: boolean;
  readonly port?: number;
  readonly seq: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly len?: number;
  readonly ts?: number | null;
  readonly tos?: number;
  readonly ttl?: number;
  readonly addr?: number;
  /** What to spoil before or after the checksum is computed. */
  readonly options?: number;
  readonly spoil?: (m: PacketBuffer) => void;
}

class Bench {
  readonly lab = new TestLab();
  readonly net = this.lab.net('v', []);
  readonly ifp = new Ifnet({ transmit: () => 0 }, 'x', 0, 'x0', IFT_ETHER, 0, 1_500);
  /** Runs, as the sequence numbers of their segments; what was not held, in brackets. */
  readonly out: string[] = [];
  readonly lro: TcpLro;

  constructor() {
    this.ifp.net = this.net;
    this.lro = new TcpLro(this.net.kern, {
      lroInput: (_ifp, head, off) => {
        const seqs: number[] = [];
        for (let m: PacketBuffer | null = head; m !== null;) {
          const { next }: { next: PacketBuffer | null } = m;
          seqs.push(tcpSeq(m.view, m.off + off));
          m.free();
          m = next;
        }
        this.out.push(seqs.join(' '));
      },
    });
  }

  in(...segments: Segment[]): this {
    for (const s of segments) {
      const m = this.segment(s);
      if (this.lro.input(this.ifp, m, s.v6 === true ? 40 : 20)) continue;
      this.out.push(`[${s.seq}]`);
      m.free();
    }
    return this;
  }

  /** The batch ends; what came up. */
  end(): string[] {
    this.lab.turn();
    expect([this.lro.held, this.lab.engine.pool.inUse]).toEqual([0, 0]);
    return this.out.splice(0);
  }

  private segment(s: Segment): PacketBuffer {
    const off = s.v6 === true ? 40 : 20;
    const hl = s.ts === null ? 20 : HL;
    const len = s.len ?? DATA;
    const m = this.lab.engine.pool.alloc(off + hl + len)!;
    const v = m.view;
    const th = m.off + off;
    m.bytes().fill(0);
    tcpEmit(v, th, 80, s.port ?? 1_000, s.seq, s.ack ?? 5, hl, s.flags ?? TH_ACK, 1_000, 0);
    if (s.ts !== null) {
      v.setUint32(th + 20, s.options ?? 0x0101080a);
      v.setUint32(th + 24, s.ts ?? 7);
    }
    if (s.v6 === true) {
      ip6Emit(v, m.off, s.tos ?? 0, 0, hl + len, IPPROTO_TCP, s.ttl ?? 64);
      v.setUint32(m.off + IP6_SRC, s.addr ?? 1);
      v.setUint16(th + TCP_SUM, inCksum6(v, th, hl + len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP));
    } else {
      ip4Emit(v, m.off, 20, s.tos ?? 0, m.len, 0, 0, s.ttl ?? 64, IPPROTO_TCP, s.addr ?? 1, 2);
      v.setUint16(th + TCP_SUM, inCksum4(v, th, hl + len, s.addr ?? 1, 2, IPPROTO_TCP));
    }
    s.spoil?.(m);
    return m;
  }
}

const THREE: readonly Segment[] = [{ seq: 0 }, { seq: DATA }, { seq: 2 * DATA }];

describe.each([['IPv4', false], ['IPv6', true]])('segments over %s', (_name, v6) => {
  it('of one batch go up together', () => {
    const b = new Bench();
    expect(b.in(...THREE.map((s) => ({ ...s, v6 }))).out).toEqual([]);
    expect([b.end(), b.lro.queued, b.lro.flushed]).toEqual([['0 100 200'], 3, 1]);
  });

  it.each<[string, Partial<Segment>]>([
    ['a gap', { seq: 150 }], ['a repetition', { seq: 0 }], ['another traffic class', { tos: 3 }], ['another TTL', { ttl: 63 }], ['an acknowledgement that goes back', { ack: 4 }],
    ['a timestamp that goes back', { ts: 6 }], ['no timestamp', { ts: null }],
  ])('begin anew with %s', (_what, other) => {
    const b = new Bench();
    expect(b.in({ seq: 0, v6 }, { seq: DATA, v6, ...other }, { seq: (other.seq ?? DATA) + DATA, ts: 7, v6 }).out[0]).toBe('0');
    expect(b.end()).toHaveLength(other.tos !== undefined || other.ttl !== undefined || other.ts === null ? 3 : 2);
  });

  it.each<[string, Partial<Segment>]>([
    ...[TH_SYN, TH_FIN, TH_RST, TH_URG, TH_ECE, TH_CWR].map((f): [string, Partial<Segment>] => [`flag ${f}`, { flags: TH_ACK | f }]),
    ['no ACK', { flags: 0 }], ['no data', { len: 0 }], ['another option', { options: 0x01010101 }], ['a wrong checksum', { spoil: (m) => m.view.setUint8(m.off + m.len - 1, 1) }],
    ['a fragment', { spoil: (m) => void (m.flags |= M_FRAGMENTED) }], ['a super-segment', { spoil: (m) => void (m.gsoSize = 10) }],
  ])('with %s do not wait, but come after those before them', (_what, other) => {
    const b = new Bench().in({ seq: 0, v6 }, { seq: DATA, v6 }, { seq: 2 * DATA, v6, ...other });
    expect([b.out, b.end()]).toEqual([[], ['0 100', '[200]']]);
  });

  it('end with PSH', () => {
    const b = new Bench().in({ seq: 0, v6 }, { seq: DATA, flags: TH_ACK | TH_PUSH, v6 });
    expect(b.out).toEqual(['0 100']);
    expect(b.in({ seq: 200, flags: TH_ACK | TH_PUSH, v6 }).end()).toEqual(['0 100', '[200]']);
  });

  it('of several connections are told apart', () => {
    const b = new Bench().in({ seq: 0, v6 }, { seq: 7, port: 2, v6 }, { seq: DATA, v6 }, { seq: 9, addr: 3, v6 }, { seq: 7 + DATA, port: 2, v6 });
    expect(b.end()).toEqual(['0 100', '7 107', '9']);
  });

  it('cross the end of the sequence space', () => {
    const b = new Bench().in({ seq: 2 ** 32 - DATA, ack: 2 ** 32 - 1, ts: 2 ** 32 - 1, v6 }, { seq: 0, ack: 3, ts: 2, v6 });
    expect(b.end()).toEqual([`${2 ** 32 - DATA} 0`]);
  });

  it('fill a run to 65535 bytes', () => {
    const b = new Bench().in(...Array.from({ length: 50 }, (_, i) => ({ seq: i * 1_400, len: 1_400, v6 })));
    expect([...b.out, ...b.end()].map((run) => run.split(' ').length).slice(0, 1)).toEqual([46]);
  });
});

it('more connections than there are runs are taken as they come', () => {
  const b = new Bench().in(...Array.from({ length: LRO_ENTRIES + 2 }, (_, i) => ({ seq: i, port: i + 1 })));
  expect(b.out).toEqual([`[${LRO_ENTRIES}]`, `[${LRO_ENTRIES + 1}]`]);
  expect(b.end()).toHaveLength(LRO_ENTRIES + 2);
});

it('what waits when its interface leaves, or its vnet ends, is freed', () => {
  const b = new Bench().in(...THREE);
  b.ifp.net = null;
  expect(b.end()).toEqual([]);
  b.ifp.net = b.net;
  b.in(...THREE).lro.destroy();
  expect(b.end()).toEqual([]);
});
