/**
 * tcp-syn-data.test.ts — Fast Open: a server that believes cookies, a client that has one, and what can go wrong between them.
 */
import { describe, expect, it } from 'vitest';
import { SimNet } from '../sim/sim-net.js';
import { ip4 } from '../sim/craft.js';
import { PF_INET, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { PEER, TestPeer, line } from '../sim/tcp-peer.js';
import type { Said } from '../sim/tcp-peer.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (so: StreamSocket | null | undefined): string => {
  const into = new Uint8Array(2_000);
  const n = so?.recv(into) ?? -1;
  return n < 0 ? `errno ${-n}` : String.fromCharCode(...into.subarray(0, n));
};

const SYN: Said = { flags: 'S', seq: 1_000, sport: 4_000, dport: 80, options: 'mss=1400 ws=3 sack ts=77 tfo' };

describe('a server', () => {
  const server = (): { p: TestPeer; so: StreamSocket } => {
    const p = new TestPeer();
    p.sysctl('net.inet.tcp.fastopen.server_enable', 1);
    return { p, so: p.listen(80, 10, 'TCP_FASTOPEN') };
  };
  /** A cookie it gave. */
  const cookie = (p: TestPeer): string => {
    p.send({ ...SYN, sport: 3_999 });
    const s = p.one();
    p.send({ flags: 'R', seq: 1_001, sport: 3_999, dport: 80 });
    return s.cookie ?? 'none';
  };

  it('gives a cookie with the SYN|ACK, once, to who asks', () => {
    const { p } = server();
    p.send(SYN);
    const s = p.one();
    expect(line(s)).toBe('S. <mss 1460,wscale 6,sackOK,TS,tfo cookie> length 0');
    expect(s.cookie).toMatch(/^[0-9a-f]{16}$/);
    p.pass(1_100);
    expect(p.lines()).toEqual(['S. <mss 1460,wscale 6,sackOK,TS> length 0']);
    p.send({ ...SYN, sport: 4_001, options: 'mss=1400 tfo=0102030405060708' });
    expect(p.one().cookie).toBe(s.cookie);
    p.send({ ...SYN, sport: 4_002, options: 'mss=1400' });
    expect(p.one().cookie).toBe(null);
  });

  it('with a cookie it believes has data and answers it before the handshake is done', () => {
    const { p, so } = server();
    const tfo = cookie(p);
    p.send({ ...SYN, options: `mss=1400 ws=3 sack ts=77 tfo=${tfo}`, data: 'hello' });
    const s = p.one();
    expect([line(s), s.ack]).toEqual(['S. <mss 1460,wscale 6,sackOK,TS> length 0', 1_006]);
    const c = so.accept();
    expect([text(c), c?.isConnected, so.tp.tfoPending, p.vnet.tcp.syncache.count]).toEqual(['hello', false, 1, 0]);
    p.call(() => c?.send(bytes('world')));
    const answer = p.one();
    expect([line(answer), answer.data, answer.seq]).toEqual(['P. <TS> length 5', 'world', s.seq + 1]);
    p.send({ flags: '.', seq: 1_006, ack: s.seq + 6, sport: 4_000, dport: 80, options: 'ts=78' });
    expect([c?.isConnected, so.tp.tfoPending, so.accept(), c?.tp.snd.bytes]).toEqual([true, 0, null, 0]);
    expect([p.stats.sc_completed, p.stats.connects, p.stats.accepts]).toEqual([1, 1, 1]);
  });

  it('says SYN|ACK again when it is not acknowledged, and everything behind it', () => {
    const { p, so } = server();
    p.send({ ...SYN, options: `mss=1400 tfo=${cookie(p)}`, data: 'hello' });
    p.heard();
    const c = so.accept();
    p.call(() => c?.send(bytes('world')));
    p.heard();
    p.pass(1_100);
    expect(p.lines()[0]).toBe('S. <mss 1460> length 0');
    p.pass(200_000);
    expect([c?.getsockopt('SO_ERROR'), so.tp.tfoPending, p.vnet.tcp.pcbs.count]).toEqual([60, 0, 1]);
  });

  it('does not believe another cookie, and takes no data then', () => {
    const { p, so } = server();
    p.send({ ...SYN, options: 'mss=1400 tfo=0102030405060708', data: 'hello' });
    const s = p.one();
    expect([s.ack, so.accept()]).toEqual([1_001, null]);
    p.send({ flags: 'P.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 80, data: 'hello' });
    expect(text(so.accept())).toBe('hello');
  });

  it('gives nothing when it is off, in the vnet or on the socket', () => {
    const p = new TestPeer();
    p.listen(80, 10, 'TCP_FASTOPEN');
    p.listen(81);
    p.send(SYN);
    p.sysctl('net.inet.tcp.fastopen.server_enable', 1);
    p.send({ ...SYN, dport: 81 });
    expect(p.heard().map((s) => s.cookie)).toEqual([null, null]);
  });

  it('lets such connections have half of the queue', () => {
    const { p, so } = server();
    const options = `mss=1400 tfo=${cookie(p)}`;
    for (let i = 0; i < 9; i++) p.send({ ...SYN, sport: 5_000 + i, options, data: 'x' });
    p.heard();
    expect([so.tp.tfoPending, p.vnet.tcp.syncache.count]).toEqual([6, 3]);
  });
});

describe('a client', () => {
  /** A client whose peer the test is. */
  const client = (data = 'hello'): { p: TestPeer; so: StreamSocket } => {
    const p = new TestPeer();
    const so = p.socket();
    so.setsockopt('TCP_FASTOPEN', 1);
    expect(p.call(() => so.sendTo(bytes(data), ip4(PEER), 80))).toBe(data.length);
    return { p, so };
  };
  const answer = (p: TestPeer, syn: { seq: number; sport: number }, more: Partial<Said>): TestPeer =>
    p.send({ flags: 'S.', seq: 9_000, ack: syn.seq + 1, sport: 80, dport: syn.sport, options: 'mss=1400', ...more });

  it('asks for a cookie, sends its data after the handshake, and has it with the next SYN', () => {
    const { p, so } = client();
    const syn = p.one();
    expect(line(syn)).toBe('S <mss 1460,wscale 6,sackOK,TS,tfo request> length 0');
    answer(p, syn, { options: 'mss=1400 tfo=0102030405060708' });
    expect(p.heard().map((s) => s.data).join('')).toBe('hello');
    expect(so.isConnected).toBe(true);
    const next = p.socket();
    next.setsockopt('TCP_FASTOPEN', 1);
    p.call(() => next.sendTo(bytes('again'), ip4(PEER), 80));
    const second = p.one();
    expect([line(second), second.cookie, second.data]).toEqual(['S <mss 1460,wscale 6,sackOK,TS,tfo cookie> length 5', '0102030405060708', 'again']);
    answer(p, second, { ack: second.seq + 6 });
    expect([next.isConnected, next.tp.snd.bytes, p.lines()]).toEqual([true, 0, ['. length 0']]);
    expect(p.vnet.kern.sysctl.find('net.inet.tcp.fastopen.ccache_list')?.get()).toContain('192.0.2.1            192.0.2.2               80  1400       No 0102030405060708');
  });

  /** The same with a cookie. */
  const warm = (data: string): { p: TestPeer; so: StreamSocket } => {
    const { p } = client();
    const first = p.one();
    answer(p, first, { options: 'mss=1400 tfo=0102030405060708' });
    p.heard();
    p.send({ flags: '.', seq: 9_001, ack: first.seq + 6, sport: 80, dport: first.sport });
    const so = p.socket();
    so.setsockopt('TCP_FASTOPEN', 1);
    p.call(() => so.sendTo(bytes(data), ip4(PEER), 80));
    return { p, so };
  };

  it('sends at once again what the SYN|ACK does not acknowledge', () => {
    const { p, so } = warm('hello');
    const syn = p.one();
    answer(p, syn, {});
    const again = p.heard();
    expect([again.map((s) => s.data).join(''), again[0]?.seq, so.isConnected, p.stats.rexmttimeo]).toEqual(['hello', syn.seq + 1, true, 0]);
  });

  it('puts no more into the SYN than the server can take in one segment', () => {
    const { p } = warm('x'.repeat(3_000));
    const syn = p.one();
    expect(syn.data.length).toBe(1_360);
    answer(p, syn, { ack: syn.seq + 1_361 });
    expect(p.heard().map((s) => s.data).join('')).toBe('x'.repeat(1_640));
  });

  it('whose SYN is lost says it again plainly, and leaves the path alone for a while', () => {
    const { p, so } = warm('hello');
    const syn = p.one();
    p.pass(1_100);
    const plain = p.one();
    expect([line(plain), plain.seq]).toEqual(['S <mss 1460,wscale 6,sackOK,TS> length 0', syn.seq]);
    answer(p, plain, {});
    expect([p.heard().map((s) => s.data).join(''), so.isConnected]).toEqual(['hello', true]);
    const next = p.socket();
    next.setsockopt('TCP_FASTOPEN', 1);
    p.call(() => next.sendTo(bytes('x'), ip4(PEER), 80));
    expect(line(p.one())).toBe('S <mss 1460,wscale 6,sackOK,TS> length 0');
  });
});

describe('client and server', () => {
  it.each([[0], [0.2]])('exchange a request and an answer, at loss %f, a hundred times', (loss) => {
    const net = new SimNet(7);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [ea, eb] = net.link(a, b, { delayUs: 5_000, loss });
    net.addr(a, ea.ifp, '10.0.0.1/24');
    net.addr(b, eb.ifp, '10.0.0.2/24');
    b.kern.sysctl.find('net.inet.tcp.fastopen.server_enable')?.set(1);
    b.kern.sysctl.find('net.inet.tcp.fastopen.autokey')?.set(0);
    a.kern.sysctl.find('net.inet.tcp.fastopen.path_disable_time')?.set(0);
    const open = (v: typeof a): StreamSocket => v.sockets.socket(PF_INET, SOCK_STREAM).so!;
    const listener = open(b);
    listener.setsockopt('TCP_FASTOPEN', 1);
    net.kernel.call(net.now, () => listener.bind(0, 80) || listener.listen(128));
    listener.onReadable = () => {
      for (let so = listener.accept(); so !== null; so = listener.accept()) {
        const c = so;
        const serve = (): void => {
          const into = new Uint8Array(100);
          const n = c.recv(into);
          if (n > 0) c.send(into.subarray(0, n));
          if (n >= 0) c.shutdown(1);
          if (n === 0) c.close();
        };
        c.onReadable = serve;
        serve();
      }
    };
    let early = 0;
    for (let i = 0; i < 100; i++) {
      const so = open(a);
      so.setsockopt('TCP_FASTOPEN', 1);
      const asked = net.now;
      net.kernel.call(net.now, () => so.sendTo(bytes(`ask ${i}`), ip4('10.0.0.2'), 80));
      for (let ms = 0; ms < 300_000 && so.readable === 0; ms += 1) net.run(1_000);
      if (net.now - asked <= 11_000) early++;
      expect(text(so)).toBe(`ask ${i}`);
      so.close();
      net.run(5_000_000);
    }
    // One round trip from the second connection on; two without.
    if (loss === 0) expect(early).toBe(99);
    net.run(200_000_000);
    expect([a.tcp.pcbs.count, b.tcp.pcbs.count, listener.tp.tfoPending]).toEqual([0, 1, 0]);
  });
});
