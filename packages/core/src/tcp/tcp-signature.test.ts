/**
 * tcp-signature.test.ts — TCP_MD5SIG on a connection: what is signed, what is believed.
 */
import { describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { TcpEnds } from './tcp-ends.js';
import { TcpMd5 } from './tcp-md5.js';
import { HOST, PEER, TestPeer, line } from '../sim/tcp-peer.js';
import type { Said } from '../sim/tcp-peer.js';

const KEY = Uint8Array.from('secret', (c) => c.charCodeAt(0));

/** The peer's idea of the keys. */
function peerKeys(sport: number): NonNullable<Said['md5']> {
  const stats = { sig_rcvgoodsig: 0, sig_rcvbadsig: 0, sig_err_buildsig: 0, sig_err_sigopt: 0, sig_err_nosigopt: 0 };
  const keys = new TcpMd5(new VnetKern(new Engine(quietEnv(1)), 1, 'peer'), { stats });
  const inc = new TcpEnds().set4(ip4(HOST), 179, ip4(PEER), sport);
  keys.setKey(inc, KEY);
  return { keys, inc };
}

const SYN: Said = { flags: 'S', seq: 1_000, sport: 4_000, dport: 179, options: 'mss=1460 ws=3 sack ts=77' };
const counts = (p: TestPeer): number[] => {
  const { sig_rcvgoodsig, sig_rcvbadsig, sig_err_buildsig, sig_err_sigopt, sig_err_nosigopt } = p.stats;
  return [sig_rcvgoodsig, sig_rcvbadsig, sig_err_buildsig, sig_err_sigopt, sig_err_nosigopt];
};

function bgp(): { p: TestPeer; so: StreamSocket; md5: NonNullable<Said['md5']> } {
  const p = new TestPeer();
  const so = p.listen(179, 10, 'TCP_MD5SIG', 'TCP_NODELAY');
  expect(so.setMd5Key(ip4(PEER), KEY)).toBe(0);
  return { p, so, md5: peerKeys(4_000) };
}

describe('a listener with TCP_MD5SIG', () => {
  it('signs what it sends, and has room for it in its segments', () => {
    const { p, so, md5 } = bgp();
    p.send({ ...SYN, md5 });
    const s = p.one();
    expect(line(s)).toBe('S. <mss 1460,wscale 6,sackOK,TS,md5> length 0');
    const check = (h: typeof s): boolean => {
      const v = new DataView(h.packet.buffer, h.packet.byteOffset, h.packet.length);
      const at = h.packet.findIndex((b, i) => i >= 40 && b === 19 && h.packet[i + 1] === 18);
      return md5.keys.verify(v, 20, v.getUint16(2) - 20, at + 2, md5.inc);
    };
    expect(check(s)).toBe(true);
    p.send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 179, options: 'ts=78', md5 });
    const c = so.accept();
    expect([c?.isConnected, c?.tp.maxseg, c?.getsockopt('TCP_MD5SIG')]).toEqual([true, 1_460 - 32, 1]);
    p.call(() => c?.send(new Uint8Array(3_000).fill(0x78)));
    const data = p.heard();
    expect([data.map((h) => h.data.length), data.every(check)]).toEqual([[1_428, 1_428, 144], true]);
    p.call(() => c?.reset());
    const rst = p.one();
    expect([line(rst), check(rst)]).toEqual(['R. <md5> length 0', true]);
    expect(counts(p)).toEqual([2, 0, 0, 0, 0]);
  });

  it('believes nobody else', () => {
    const { p, so, md5 } = bgp();
    p.send(SYN);
    expect([p.heard(), counts(p)]).toEqual([[], [0, 0, 0, 0, 1]]);
    p.send({ ...SYN, md5, badDigest: true });
    expect([p.heard(), counts(p)]).toEqual([[], [0, 1, 0, 0, 1]]);
    p.send({ ...SYN, md5 });
    const s = p.one();
    const ack: Said = { flags: '.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 179, options: 'ts=78' };
    p.send(ack).send({ ...ack, md5, badDigest: true });
    expect([p.heard(), so.accept(), p.vnet.tcp.syncache.count, counts(p)]).toEqual([[], null, 1, [1, 2, 0, 0, 2]]);
    p.send({ ...ack, md5 });
    const c = so.accept();
    p.send({ ...ack, flags: 'P.', data: 'forged' }).send({ ...ack, flags: 'R' }).send({ ...ack, flags: 'P.', data: 'forged', md5, badDigest: true });
    expect([p.heard(), c?.readable, c?.isConnected, counts(p)]).toEqual([[], 0, true, [2, 3, 0, 0, 4]]);
    p.send({ ...ack, flags: 'P.', data: 'hello', md5 });
    expect(c?.readable).toBe(5);
  });

  it('talks to a peer without a key as ever', () => {
    const { p, so } = bgp();
    p.send({ ...SYN, src: '198.51.100.7' });
    const s = p.one();
    expect(line(s)).toBe('S. <mss 1460,wscale 6,sackOK,TS> length 0');
    p.send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 179, options: 'ts=78', src: '198.51.100.7' });
    expect([so.accept()?.isConnected, counts(p)]).toEqual([true, [0, 0, 0, 0, 0]]);
  });

  it('gets through a flood with a cookie, signed', () => {
    const { p, so, md5 } = bgp();
    p.sysctl('net.inet.tcp.syncookies_only', 1);
    p.send({ ...SYN, md5 });
    const s = p.one();
    expect([s.signed, p.vnet.tcp.syncache.count]).toEqual([true, 0]);
    p.send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 179, options: 'ts=78', md5 });
    expect(so.accept()?.getsockopt('TCP_MD5SIG')).toBe(1);
  });
});

describe('others', () => {
  it('do not take signed segments, and answer them with signed resets when they can', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    const md5 = peerKeys(4_000);
    p.send({ ...SYN, dport: 80, md5 });
    expect([p.heard(), counts(p)]).toEqual([[], [0, 0, 0, 1, 0]]);
    p.send({ ...SYN, dport: 9, md5 });
    expect(line(p.one())).toBe('R. length 0');
    so.setMd5Key(ip4(PEER), KEY);
    p.send({ ...SYN, dport: 9, md5 });
    expect(line(p.one())).toBe('R. <md5> length 0');
  });

  it('between two vnets, over a link with loss and GRO: all bytes arrive, signed', () => {
    const net = new SimNet(3);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [ea, eb] = net.link(a, b, { delayUs: 1_000, loss: 0.02 });
    net.addr(a, ea.ifp, '10.0.0.1/24');
    net.addr(b, eb.ifp, '10.0.0.2/24');
    const open = (v: typeof a, peer: string): StreamSocket => {
      const so = v.sockets.socket(PF_INET, SOCK_STREAM).so!;
      expect([so.setsockopt('TCP_MD5SIG', 1), so.setMd5Key(ip4(peer), KEY)]).toEqual([0, 0]);
      return so;
    };
    const listener = open(b, '10.0.0.1');
    net.kernel.call(net.now, () => listener.bind(0, 179) || listener.listen(5));
    const so = open(a, '10.0.0.2');
    net.kernel.call(net.now, () => so.connect(ip4('10.0.0.2'), 179));
    net.run(3_000_000);
    const c = listener.accept();
    const TOTAL = 500_000;
    let sent = 0;
    let got = 0;
    let wrong = 0;
    const block = new Uint8Array(10_000);
    for (let i = 0; i < 20_000 && got < TOTAL; i++) {
      for (let n = 1; n > 0 && sent < TOTAL; ) {
        for (let j = 0; j < block.length; j++) block[j] = (sent + j) % 251;
        n = net.kernel.call(net.now, () => so.send(block.subarray(0, Math.min(block.length, TOTAL - sent))));
        if (n > 0) sent += n;
      }
      net.run(5_000);
      const into = new Uint8Array(65_536);
      for (let n = c!.recv(into); n > 0; n = c!.recv(into)) {
        for (let j = 0; j < n; j++) if (into[j] !== (got + j) % 251) wrong++;
        got += n;
      }
    }
    expect([got, wrong, b.tcp.stats.sig_rcvbadsig, a.tcp.stats.sig_rcvbadsig]).toEqual([TOTAL, 0, 0, 0]);
    expect(b.tcp.stats.sig_rcvgoodsig).toBeGreaterThan(TOTAL / 1_500);
  });
});
