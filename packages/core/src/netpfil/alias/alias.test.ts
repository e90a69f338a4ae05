/**
 * alias.test.ts — who appears as whom: modes, redirections, errors, fragments, times, bounds.
 */
import { describe, expect, it } from 'vitest';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ip4Cksum, ip4Emit, ip4Hl } from '../../wire/ip4.js';
import { inCksum4 } from '../../wire/checksum.js';
import { ICMP_ECHOREPLY, ICMP_TIMXCEED, ICMP_UNREACH } from '../../wire/icmp4.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TH_ACK, TH_FIN, TH_RST, TH_SYN, tcpAck, tcpSeq } from '../../wire/tcp.js';
import { udpSum } from '../../wire/udp.js';
import {
  ICMP_EXPIRE_TIME, PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_LOG, PKT_ALIAS_PROXY_ONLY, PKT_ALIAS_RESET_ON_ADDR_CHANGE, PKT_ALIAS_REVERSE, PKT_ALIAS_SAME_PORTS,
  PKT_ALIAS_UNREGISTERED_CGN, PKT_ALIAS_UNREGISTERED_ONLY, PKT_ALIAS_USE_SOCKETS, TCP_EXPIRE_CONNECTED, TCP_EXPIRE_DEAD, TCP_EXPIRE_INITIAL, TCP_EXPIRE_SINGLEDEAD, UDP_EXPIRE_TIME,
  aliasDrops,
} from './alias-var.js';
import { AliasBench, quad, show } from './test-alias.js';

const SAME = PKT_ALIAS_SAME_PORTS;
const NOBODY = { icmpLinkCount: 0, udpLinkCount: 0, tcpLinkCount: 0, sctpLinkCount: 0, pptpLinkCount: 0, protoLinkCount: 0, fragmentIdLinkCount: 0, fragmentPtrLinkCount: 0, sockCount: 0 };
const ANY = { alias: 0, remote: 0, remotePort: 0 };

const portOf = (line: string): number => Number(/:(\d+) >/.exec(line)?.[1]);

describe('a conversation', () => {
  it.each([
    ['udp 10.0.0.2:1000 > 192.0.2.1:53', 'udp 198.51.100.1:1000 > 192.0.2.1:53', 'udp 192.0.2.1:53 > 198.51.100.1:1000', 'udp 192.0.2.1:53 > 10.0.0.2:1000'],
    ['tcp 10.0.0.2:1000 > 192.0.2.1:80', 'tcp 198.51.100.1:1000 > 192.0.2.1:80', 'tcp 192.0.2.1:80 > 198.51.100.1:1000', 'tcp 192.0.2.1:80 > 10.0.0.2:1000'],
    ['47 10.0.0.2 > 192.0.2.1', '47 198.51.100.1 > 192.0.2.1', '47 192.0.2.1 > 198.51.100.1', '47 192.0.2.1 > 10.0.0.2'],
  ])('of %s', (inside, outside, answer, back) => {
    const b = new AliasBench();
    expect(b.out(inside)).toBe(outside);
    expect(b.in(answer)).toBe(back);
    expect(b.out(inside)).toBe(outside);
    expect(b.la.count).toBe(1);
  });

  it('of echo and its reply, by identifier', () => {
    const b = new AliasBench();
    expect(b.out('icmp 10.0.0.2:77 > 192.0.2.1')).toBe('icmp 198.51.100.1:77 > 192.0.2.1');
    expect(b.in('icmp 192.0.2.1:77 > 198.51.100.1', { type: ICMP_ECHOREPLY })).toBe('icmp 192.0.2.1:77 > 10.0.0.2');
    expect(b.la.counts).toEqual({ ...NOBODY, icmpLinkCount: 1 });
  });

  it('of two hosts from the same port: the second gets another one', () => {
    const b = new AliasBench();
    b.out('udp 10.0.0.2:1000 > 192.0.2.1:53');
    const second = b.out('udp 10.0.0.3:1000 > 192.0.2.1:53');
    const port = portOf(second);
    expect(port).toBeGreaterThanOrEqual(0x8000);
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000')).toBe('udp 192.0.2.1:53 > 10.0.0.2:1000');
    expect(b.in(`udp 192.0.2.1:53 > 198.51.100.1:${port}`)).toBe('udp 192.0.2.1:53 > 10.0.0.3:1000');
    // Towards somebody else the port is free.
    expect(b.out('udp 10.0.0.3:1000 > 192.0.2.9:53')).toBe('udp 198.51.100.1:1000 > 192.0.2.9:53');
  });

  it('without SAME_PORTS begins at a port of the range', () => {
    const b = new AliasBench();
    b.la.setMode(0, SAME);
    b.la.setPortRange(2000, 2001);
    const ports = new Set(Array.from({ length: 20 }, (_, i) => portOf(b.out(`udp 10.0.0.2:${500 + i} > 192.0.2.${i}:53`))));
    expect([...ports].sort()).toEqual([2000, 2001]);
    expect(portOf(b.out('udp 10.0.0.3:1 > 192.0.2.0:53'))).not.toBe(portOf(b.out('udp 10.0.0.2:500 > 192.0.2.0:53')));
    // Both are taken towards this one: nothing is left.
    expect(b.out('udp 10.0.0.4:1 > 192.0.2.0:53')).toBe('-1 udp 10.0.0.4:1 > 192.0.2.0:53');
    b.la.setPortRange(0, 0);
    expect(portOf(b.out('udp 10.0.0.5:1 > 192.0.2.0:53'))).toBeGreaterThanOrEqual(0x8000);
  });

  it('of the gateway itself', () => {
    const b = new AliasBench();
    expect(b.out('udp 198.51.100.1:1000 > 192.0.2.1:53')).toBe('udp 198.51.100.1:1000 > 192.0.2.1:53');
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000')).toBe('udp 192.0.2.1:53 > 198.51.100.1:1000');
  });

  it('before there is an address leaves packets alone', () => {
    const b = new AliasBench(null);
    expect(b.out('udp 10.0.0.2:1000 > 192.0.2.1:53')).toBe('udp 10.0.0.2:1000 > 192.0.2.1:53');
  });

  it('without a UDP checksum stays without one', () => {
    const b = new AliasBench();
    const m = b.packet('udp 10.0.0.2:1000 > 192.0.2.1:53', { noSum: true });
    expect(b.la.aliasOut(m)).toBe(1);
    expect(udpSum(m.view, m.off + 20)).toBe(0);
    m.free();
  });

  it('of a packet that lies about its length is none', () => {
    const b = new AliasBench();
    for (const cut of [0, 19, 27]) {
      const m = b.packet('udp 10.0.0.2:1000 > 192.0.2.1:53');
      m.len = cut;
      expect(b.la.aliasOut(m)).toBe(2);
      expect(b.la.aliasIn(m)).toBe(2);
      m.free();
    }
    const m = b.packet('tcp 10.0.0.2:1000 > 192.0.2.1:80');
    ip4Emit(m.view, m.off, 20, 0, 39, 1, 0, 64, IPPROTO_TCP, quad('10.0.0.2'), quad('192.0.2.1'));
    expect([b.la.aliasOut(m), b.la.aliasIn(m)]).toEqual([2, 2]);
    m.free();
    expect(b.la.count).toBe(0);
  });

  it('with port 0 makes no link and takes over none', () => {
    const b = new AliasBench();
    b.out('tcp 10.0.0.2:1000 > 192.0.2.1:80');
    expect(b.in('tcp 192.0.2.1:0 > 198.51.100.1:1000')).toBe('2 tcp 192.0.2.1:0 > 198.51.100.1:1000');
    expect(b.in('tcp 192.0.2.1:80 > 198.51.100.1:1000')).toBe('tcp 192.0.2.1:80 > 10.0.0.2:1000');
  });
});

describe('modes', () => {
  it('are those of libalias at first, and set in part', () => {
    const { la } = new AliasBench();
    expect(la.mode).toBe(SAME | PKT_ALIAS_USE_SOCKETS | PKT_ALIAS_RESET_ON_ADDR_CHANGE);
    expect(la.setMode(PKT_ALIAS_LOG | PKT_ALIAS_REVERSE, PKT_ALIAS_LOG | SAME)).toBe(PKT_ALIAS_LOG | PKT_ALIAS_USE_SOCKETS | PKT_ALIAS_RESET_ON_ADDR_CHANGE);
  });

  it('without DENY_INCOMING what comes in is for the alias itself, or the target', () => {
    const b = new AliasBench();
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:999 > 198.51.100.1:80');
    b.la.setTarget(quad('10.0.0.9'));
    expect(b.in('tcp 192.0.2.1:998 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:998 > 10.0.0.9:80');
    expect(b.out('tcp 10.0.0.9:80 > 192.0.2.1:998')).toBe('tcp 198.51.100.1:80 > 192.0.2.1:998');
    b.la.setTarget(0xffff_ffff);
    expect(b.in('tcp 192.0.2.1:997 > 203.0.113.5:80')).toBe('tcp 192.0.2.1:997 > 198.51.100.1:80');
    expect(b.in('icmp 192.0.2.1:1 > 203.0.113.5')).toBe('icmp 192.0.2.1:1 > 198.51.100.1');
    expect(b.in('50 192.0.2.1 > 203.0.113.5')).toBe('50 192.0.2.1 > 198.51.100.1');
  });

  it('DENY_INCOMING ignores strangers, and says that they are to be dropped', () => {
    const b = new AliasBench();
    b.la.setMode(PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_DENY_INCOMING);
    for (const line of ['tcp 192.0.2.1:999 > 198.51.100.1:80', 'udp 192.0.2.1:999 > 198.51.100.1:80', 'icmp 192.0.2.1:1 > 198.51.100.1', '50 192.0.2.1 > 198.51.100.1']) {
      expect(b.in(line)).toBe(`2 ${line}`);
      expect(b.in(line, { off: 0x2000 })).toBe(`2 ${line}`);
    }
    expect(b.la.count).toBe(0);
    expect([aliasDrops(2, true, b.la.mode), aliasDrops(2, false, b.la.mode), aliasDrops(2, true, 0), aliasDrops(-1, false, 0), aliasDrops(3, true, 0), aliasDrops(3, false, 0), aliasDrops(4, true, b.la.mode)])
      .toEqual([true, false, false, true, true, false, false]);
    b.out('udp 10.0.0.2:1000 > 192.0.2.1:53');
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000')).toBe('udp 192.0.2.1:53 > 10.0.0.2:1000');
  });

  it.each([
    [PKT_ALIAS_UNREGISTERED_ONLY, ['10.255.0.1', '172.16.0.1', '172.31.255.1', '192.168.3.4'], ['172.15.0.1', '172.32.0.1', '11.0.0.1', '192.169.0.1', '100.64.0.1']],
    [PKT_ALIAS_UNREGISTERED_CGN, ['10.0.0.1', '172.16.0.1', '192.168.3.4', '100.64.0.1', '100.127.255.254'], ['100.63.0.1', '100.128.0.1', '8.8.8.8']],
  ])('%i aliases only addresses that are nobody’s', (mode, aliased, left) => {
    const b = new AliasBench();
    b.la.setMode(mode, mode);
    for (const a of aliased) expect(b.out(`udp ${a}:1 > 192.0.2.1:53`)).toContain('udp 198.51.100.1:');
    for (const a of left) expect(b.out(`udp ${a}:5 > 192.0.2.1:99`)).toBe(`udp ${a}:5 > 192.0.2.1:99`);
    expect(b.la.address).toBe(quad('198.51.100.1'));
  });

  it('REVERSE exchanges the sides', () => {
    const b = new AliasBench();
    b.la.setMode(PKT_ALIAS_REVERSE, PKT_ALIAS_REVERSE);
    expect(b.in('udp 10.0.0.2:1000 > 192.0.2.1:53')).toBe('udp 198.51.100.1:1000 > 192.0.2.1:53');
    expect(b.out('udp 192.0.2.1:53 > 198.51.100.1:1000')).toBe('udp 192.0.2.1:53 > 10.0.0.2:1000');
  });

  it('PROXY_ONLY aliases nothing', () => {
    const b = new AliasBench();
    b.la.setMode(PKT_ALIAS_PROXY_ONLY, PKT_ALIAS_PROXY_ONLY);
    for (const line of ['udp 10.0.0.2:1 > 192.0.2.1:53', 'tcp 10.0.0.2:1 > 192.0.2.1:53', 'icmp 10.0.0.2:1 > 192.0.2.1', '47 10.0.0.2 > 192.0.2.1']) expect(b.out(line)).toBe(line);
    expect(b.in('icmp 192.0.2.1:1 > 198.51.100.1')).toBe('icmp 192.0.2.1:1 > 198.51.100.1');
    expect(b.la.count).toBe(0);
  });

  it('RESET_ON_ADDR_CHANGE forgets conversations but no redirections', () => {
    for (const reset of [true, false]) {
      const b = new AliasBench();
      b.la.setMode(reset ? PKT_ALIAS_RESET_ON_ADDR_CHANGE : 0, PKT_ALIAS_RESET_ON_ADDR_CHANGE);
      b.la.redirectAddr(quad('10.0.0.9'), quad('198.51.100.9'));
      b.out('udp 10.0.0.2:1000 > 192.0.2.1:53');
      b.la.setAddress(quad('198.51.100.1'));
      expect(b.la.count).toBe(2);
      b.la.setAddress(quad('198.51.100.2'));
      expect(b.la.count).toBe(reset ? 1 : 2);
      expect(b.out('udp 10.0.0.2:1000 > 192.0.2.1:53')).toBe(`udp 198.51.100.${reset ? 2 : 1}:1000 > 192.0.2.1:53`);
    }
  });

  it('LOG is a line of counts', () => {
    const b = new AliasBench();
    b.out('udp 10.0.0.2:1000 > 192.0.2.1:53');
    b.out('icmp 10.0.0.2:1000 > 192.0.2.1');
    expect(b.la.statsLine()).toBe('icmp=1, udp=1, tcp=0, sctp=0, pptp=0, proto=0, frag_id=0 frag_ptr=0 / tot=2');
  });
});

describe('redirections', () => {
  const web = { proto: IPPROTO_TCP, local: quad('10.0.0.2'), localPort: 8080, aliasPort: 80, ...ANY };

  it('of a port, for whoever comes', () => {
    const b = new AliasBench();
    expect(b.la.redirectPort(web)).not.toBeNull();
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:999 > 10.0.0.2:8080');
    expect(b.in('tcp 192.0.2.7:5 > 198.51.100.1:80')).toBe('tcp 192.0.2.7:5 > 10.0.0.2:8080');
    expect(b.out('tcp 10.0.0.2:8080 > 192.0.2.1:999')).toBe('tcp 198.51.100.1:80 > 192.0.2.1:999');
    expect(b.in('udp 192.0.2.1:999 > 198.51.100.1:80')).toBe('udp 192.0.2.1:999 > 198.51.100.1:80');
    // The server's own connections come from its alias too.
    expect(b.out('tcp 10.0.0.2:8080 > 192.0.2.33:1')).toBe('tcp 198.51.100.1:80 > 192.0.2.33:1');
  });

  it('of a port, only for one host, and only for one of its ports', () => {
    const b = new AliasBench();
    b.la.redirectPort({ ...web, remote: quad('192.0.2.1') });
    b.la.redirectPort({ ...web, local: quad('10.0.0.3'), remote: quad('192.0.2.2'), remotePort: 7 });
    b.la.redirectPort({ ...web, local: quad('10.0.0.4'), remotePort: 8 });
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:999 > 10.0.0.2:8080');
    expect(b.in('tcp 192.0.2.2:7 > 198.51.100.1:80')).toBe('tcp 192.0.2.2:7 > 10.0.0.3:8080');
    expect(b.in('tcp 192.0.2.2:9 > 198.51.100.1:80')).toBe('tcp 192.0.2.2:9 > 198.51.100.1:80');
    expect(b.in('tcp 192.0.2.5:8 > 198.51.100.1:80')).toBe('tcp 192.0.2.5:8 > 10.0.0.4:8080');
  });

  it('of a port at another address than the default one', () => {
    const b = new AliasBench();
    b.la.redirectPort({ ...web, alias: quad('198.51.100.7') });
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:999 > 198.51.100.1:80');
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.7:80')).toBe('tcp 192.0.2.1:999 > 10.0.0.2:8080');
  });

  it('of a port follow the default address', () => {
    const b = new AliasBench(null);
    b.la.redirectPort(web);
    b.la.setAddress(quad('198.51.100.5'));
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.5:80')).toBe('tcp 192.0.2.1:999 > 10.0.0.2:8080');
  });

  it('are only of TCP and UDP', () => {
    const b = new AliasBench();
    expect(b.la.redirectPort({ ...web, proto: 47 })).toBeNull();
    expect(b.la.redirectPort({ ...web, proto: IPPROTO_UDP })).not.toBeNull();
  });

  it('of an address go both ways', () => {
    const b = new AliasBench();
    b.la.redirectAddr(quad('10.0.0.2'), quad('198.51.100.7'));
    expect(b.out('udp 10.0.0.2:1 > 192.0.2.1:53')).toBe('udp 198.51.100.7:1 > 192.0.2.1:53');
    expect(b.out('udp 10.0.0.3:1 > 192.0.2.1:53')).toBe('udp 198.51.100.1:1 > 192.0.2.1:53');
    expect(b.in('tcp 192.0.2.4:9 > 198.51.100.7:22')).toBe('tcp 192.0.2.4:9 > 10.0.0.2:22');
    expect(b.in('icmp 192.0.2.4:9 > 198.51.100.7')).toBe('icmp 192.0.2.4:9 > 10.0.0.2');
    expect(b.out('udp 10.0.0.2:1 > 192.0.2.1:53', { off: 3 })).toBe('frag 198.51.100.7 > 192.0.2.1');
  });

  it('of a protocol', () => {
    const b = new AliasBench();
    b.la.redirectProto(quad('10.0.0.2'), 0, 0, 47);
    b.la.redirectProto(quad('10.0.0.3'), quad('192.0.2.9'), 0, 50);
    expect(b.in('47 192.0.2.1 > 198.51.100.1')).toBe('47 192.0.2.1 > 10.0.0.2');
    expect(b.out('47 10.0.0.2 > 192.0.2.1')).toBe('47 198.51.100.1 > 192.0.2.1');
    expect(b.in('50 192.0.2.9 > 198.51.100.1')).toBe('50 192.0.2.9 > 10.0.0.3');
    expect(b.in('50 192.0.2.8 > 198.51.100.1')).toBe('50 192.0.2.8 > 198.51.100.1');
  });

  it('may be shared by servers, in turn', () => {
    const b = new AliasBench();
    const port = b.la.redirectPort({ ...web, localPort: 80 });
    const whole = b.la.redirectAddr(quad('10.0.0.2'), quad('198.51.100.7'));
    if (port === null || whole === null) throw new Error('no redirection');
    b.la.addServer(port, quad('10.0.0.11'), 81);
    b.la.addServer(port, quad('10.0.0.12'), 82);
    expect([1, 2, 3].map((n) => b.in(`tcp 192.0.2.1:${n} > 198.51.100.1:80`)))
      .toEqual(['tcp 192.0.2.1:1 > 10.0.0.11:81', 'tcp 192.0.2.1:2 > 10.0.0.12:82', 'tcp 192.0.2.1:3 > 10.0.0.11:81']);
    expect(b.out('tcp 10.0.0.12:82 > 192.0.2.1:2')).toBe('tcp 198.51.100.1:80 > 192.0.2.1:2');
    b.la.addServer(whole, quad('10.0.0.21'), 0);
    b.la.addServer(whole, quad('10.0.0.22'), 0);
    expect([1, 2, 3].map((n) => b.in(`udp 192.0.2.1:${n} > 198.51.100.7:9`)))
      .toEqual(['udp 192.0.2.1:1 > 10.0.0.21:9', 'udp 192.0.2.1:2 > 10.0.0.22:9', 'udp 192.0.2.1:3 > 10.0.0.21:9']);
    // The host of the redirection itself is an ordinary one now.
    expect(b.out('udp 10.0.0.2:1 > 192.0.2.1:53')).toBe('udp 198.51.100.1:1 > 192.0.2.1:53');
    b.la.redirectDelete(port);
    b.la.redirectDelete(whole);
    expect(b.in('tcp 192.0.2.1:9 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:9 > 198.51.100.1:80');
  });

  it('may serve one connection only, if they say which', () => {
    const b = new AliasBench();
    const any = b.la.redirectPort(web);
    const one = b.la.redirectPort({ ...web, aliasPort: 81, remote: quad('192.0.2.1'), remotePort: 5 });
    if (any === null || one === null) throw new Error('no redirection');
    expect([b.la.redirectDynamic(any), b.la.redirectDynamic(one)]).toEqual([false, true]);
    expect(b.in('tcp 192.0.2.1:5 > 198.51.100.1:81')).toBe('tcp 192.0.2.1:5 > 10.0.0.2:8080');
    b.pass(TCP_EXPIRE_INITIAL + 1);
    expect(b.in('tcp 192.0.2.1:5 > 198.51.100.1:81')).toBe('tcp 192.0.2.1:5 > 198.51.100.1:81');
    expect(b.in('tcp 192.0.2.1:5 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:5 > 10.0.0.2:8080');
  });

  it('leave their connections behind when they go', () => {
    const b = new AliasBench();
    const r = b.la.redirectPort(web);
    if (r === null) throw new Error('no redirection');
    b.in('tcp 192.0.2.1:999 > 198.51.100.1:80');
    b.la.redirectDelete(r);
    b.la.redirectDelete(r);
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:999 > 10.0.0.2:8080');
    expect(b.in('tcp 192.0.2.1:998 > 198.51.100.1:80')).toBe('tcp 192.0.2.1:998 > 198.51.100.1:80');
  });
});

/** Bytes of `m` as they are, for a quotation. */
const bytesOf = (m: PacketBuffer, n = m.len): Uint8Array => {
  const b = m.bytes().slice(0, n);
  m.free();
  return b;
};

describe('errors', () => {
  const cases = [
    ['udp 10.0.0.2:1000 > 192.0.2.1:53', 'udp'], ['tcp 10.0.0.2:1000 > 192.0.2.1:53', 'tcp'], ['icmp 10.0.0.2:1000 > 192.0.2.1', 'icmp'],
  ] as const;

  it.each(cases)('from outside about %s find the sender, and quote what it sent', (line) => {
    const b = new AliasBench();
    b.out('udp 10.0.0.9:1000 > 192.0.2.1:53');
    b.out('tcp 10.0.0.9:1000 > 192.0.2.1:53');
    b.out('icmp 10.0.0.9:1000 > 192.0.2.1');
    const sent = b.packet(line, { data: new Uint8Array(12).fill(5) });
    const original = sent.bytes().slice();
    expect(b.la.aliasOut(sent)).toBe(1);
    const error = b.packet('icmp 203.0.113.1:0 > 198.51.100.1', { type: ICMP_TIMXCEED, data: bytesOf(sent) });
    expect(b.la.aliasIn(error)).toBe(1);
    expect(show(error)).toBe('icmp-11 203.0.113.1 > 10.0.0.2');
    const quoted = error.bytes().slice(28);
    // TCP's checksum is beyond the 8 bytes that every quotation has; nobody looks at it.
    if (line.startsWith('tcp')) quoted.set(original.subarray(36, 38), 36);
    expect(quoted).toEqual(original);
    error.free();
  });

  it.each([
    ['udp 192.0.2.1:999 > 198.51.100.1:80'], ['tcp 192.0.2.1:999 > 198.51.100.1:80'], ['icmp 192.0.2.1:999 > 198.51.100.1'],
  ])('from inside about %s go to who sent it, and quote the alias', (line) => {
    const b = new AliasBench();
    b.la.setTarget(quad('10.0.0.2'));
    const came = b.packet(line);
    const original = came.bytes().slice(0, 28);
    expect(b.la.aliasIn(came)).toBe(1);
    const quote = bytesOf(came, 28);
    for (const [from, as] of [['10.0.0.2', '198.51.100.1'], ['10.0.0.254', '10.0.0.254']]) {
      const error = b.packet(`icmp ${from}:0 > 192.0.2.1`, { type: ICMP_UNREACH, code: 3, data: quote });
      expect(b.la.aliasOut(error)).toBe(1);
      expect(show(error)).toBe(`icmp-3 ${as} > 192.0.2.1`);
      expect(error.bytes().slice(28)).toEqual(original);
      error.free();
    }
  });

  it('with a pending checksum leave that to who finishes it', () => {
    const b = new AliasBench();
    const sent = b.packet('udp 10.0.0.2:1000 > 192.0.2.1:53');
    b.la.aliasOut(sent);
    const error = b.packet('icmp 203.0.113.1:0 > 198.51.100.1', { type: ICMP_UNREACH, pending: true, data: bytesOf(sent) });
    expect(b.la.aliasIn(error)).toBe(1);
    expect(error.view.getUint16(error.off + 22)).toBe(0);
    expect(show(error)).toBe('icmp-3 203.0.113.1 > 10.0.0.2');
    error.free();
  });

  it('about nobody’s packets, and what is no quotation, are ignored', () => {
    const b = new AliasBench();
    const strange = bytesOf(b.packet('udp 198.51.100.1:1 > 192.0.2.1:2'));
    const line = 'icmp 203.0.113.1:0 > 198.51.100.1';
    const quoteOf = (change: (v: DataView) => void): Uint8Array => {
      const m = b.packet('udp 10.0.0.2:1000 > 192.0.2.1:53');
      b.la.aliasOut(m);
      change(new DataView(m.buf.buffer, m.buf.byteOffset + m.off, m.len));
      return bytesOf(m);
    };
    const bad = [strange, strange.subarray(0, 27), quoteOf((v) => v.setUint8(0, 0x44)), quoteOf((v) => v.setUint8(0, 0x65)), quoteOf((v) => v.setUint16(6, 9)), new Uint8Array(3), quoteOf((v) => v.setUint8(9, 50))];
    for (const data of bad) {
      expect(b.in(line, { type: ICMP_UNREACH, data })).toBe('2 icmp-3 203.0.113.1 > 198.51.100.1');
      expect(b.out(line, { type: ICMP_UNREACH, data })).toBe('2 icmp-3 203.0.113.1 > 198.51.100.1');
    }
    expect(b.in(line, { type: 5 })).toMatch(/^2 /);
    expect(b.out(line, { type: 17 })).toMatch(/^2 /);
    expect(b.out(line, { code: 1 })).toMatch(/^2 /);
  });
});

describe('fragments', () => {
  it('that come in follow the one with the header', () => {
    const b = new AliasBench();
    b.out('udp 10.0.0.2:1000 > 192.0.2.1:53');
    const first = { off: 0x2000, id: 9, data: new Uint8Array(16) };
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000', { off: 2, id: 9 })).toBe('3 frag 192.0.2.1 > 198.51.100.1');
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000', first)).toBe('4 udp 192.0.2.1:53 > 10.0.0.2:1000');
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000', { off: 3, id: 9 })).toBe('frag 192.0.2.1 > 10.0.0.2');
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000', { off: 3, id: 8 })).toBe('3 frag 192.0.2.1 > 198.51.100.1');
    expect(b.la.counts).toEqual({ ...NOBODY, udpLinkCount: 1, fragmentIdLinkCount: 1 });
    b.pass(11);
    expect(b.in('udp 192.0.2.1:53 > 198.51.100.1:1000', { off: 3, id: 9 })).toBe('3 frag 192.0.2.1 > 198.51.100.1');
  });

  it('that go out all have the alias, and make one datagram with a right checksum', () => {
    const b = new AliasBench();
    const whole = b.packet('udp 10.0.0.2:1000 > 192.0.2.1:53', { data: new Uint8Array(40).map((_, i) => i) });
    const bytes = bytesOf(whole);
    const parts = [bytes.slice(0, 20 + 24), new Uint8Array([...bytes.slice(0, 20), ...bytes.slice(44)])].map((part, i) => {
      const m = b.pool.from(part);
      if (m === null) throw new Error('packet pool is empty');
      ip4Emit(m.view, m.off, 20, 0, m.len, 5, i === 0 ? 0x2000 : 3, 64, IPPROTO_UDP, quad('10.0.0.2'), quad('192.0.2.1'));
      expect(b.la.aliasOut(m)).toBe(1);
      expect(ip4Cksum(m.view, m.off, ip4Hl(m.view, m.off))).toBe(0);
      return bytesOf(m);
    });
    const again = new Uint8Array([...parts[0]!.slice(20), ...parts[1]!.slice(20)]);
    expect(parts.map((p) => [...p.slice(12, 16)])).toEqual([[198, 51, 100, 1], [198, 51, 100, 1]]);
    expect(inCksum4(new DataView(again.buffer), 0, again.length, quad('198.51.100.1'), quad('192.0.2.1'), IPPROTO_UDP)).toBe(0);
  });
});

describe('links', () => {
  /** Does the link of `line` still exist after so many seconds? */
  const lives = (b: AliasBench, line: string, seconds: number): boolean => {
    b.pass(seconds);
    return !b.in(line).startsWith('2 ');
  };
  const denying = (): AliasBench => {
    const b = new AliasBench();
    b.la.setMode(PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_DENY_INCOMING);
    return b;
  };

  it.each([
    ['udp 10.0.0.2:1 > 192.0.2.1:2', 'udp 192.0.2.1:2 > 198.51.100.1:1', UDP_EXPIRE_TIME],
    ['icmp 10.0.0.2:1 > 192.0.2.1', 'icmp 192.0.2.1:1 > 198.51.100.1', ICMP_EXPIRE_TIME],
    ['47 10.0.0.2 > 192.0.2.1', '47 192.0.2.1 > 198.51.100.1', 60],
    ['tcp 10.0.0.2:1 > 192.0.2.1:2', 'tcp 192.0.2.1:2 > 198.51.100.1:1', TCP_EXPIRE_INITIAL],
  ])('of %s live as long as somebody uses them, and then some', (out, answer, seconds) => {
    const b = denying();
    b.out(out);
    expect(lives(b, answer, seconds)).toBe(true);
    expect(lives(b, answer, seconds)).toBe(true);
    expect(lives(b, answer, seconds + 1)).toBe(false);
    expect(b.la.count).toBe(0);
  });

  it('of TCP live by what both ends have said', () => {
    const out = 'tcp 10.0.0.2:1 > 192.0.2.1:2';
    const answer = 'tcp 192.0.2.1:2 > 198.51.100.1:1';
    const after = (...steps: readonly (readonly ['in' | 'out', number])[]): AliasBench => {
      const b = denying();
      for (const [way, flags] of steps) {
        if (way === 'out') b.out(out, { flags });
        else b.in(answer, { flags });
      }
      return b;
    };
    const open = [['out', TH_SYN], ['in', TH_SYN | TH_ACK]] as const;
    const expires = (b: AliasBench, seconds: number): void => {
      expect(lives(b, answer, seconds)).toBe(true);
      expect(lives(b, answer, seconds + 1)).toBe(false);
    };
    expires(after(open[0]), TCP_EXPIRE_INITIAL);
    expires(after(...open), TCP_EXPIRE_CONNECTED);
    expires(after(...open, ['out', TH_FIN | TH_ACK]), TCP_EXPIRE_SINGLEDEAD);
    expires(after(...open, ['out', TH_FIN | TH_ACK], ['in', TH_FIN | TH_ACK]), TCP_EXPIRE_DEAD);
    expires(after(open[0], ['in', TH_RST | TH_ACK]), TCP_EXPIRE_SINGLEDEAD);
    expires(after(...open, ['in', TH_RST], ['out', TH_RST]), TCP_EXPIRE_DEAD);
  });

  it('whose time is up are swept away by the traffic of others', () => {
    const b = new AliasBench();
    for (let i = 0; i < 200; i++) b.out(`udp 10.0.0.2:${i + 1} > 192.0.2.1:53`);
    expect(b.la.count).toBe(200);
    b.pass(UDP_EXPIRE_TIME + 1);
    for (let i = 0; i < 110; i++) b.out('udp 10.0.0.3:1 > 192.0.2.1:53');
    expect(b.la.count).toBe(1);
  });

  it('are at most so many; room is made of what has expired', () => {
    const b = new AliasBench();
    b.la.linksMax = 3;
    for (let i = 1; i <= 3; i++) expect(b.out(`udp 10.0.0.2:${i} > 192.0.2.1:53`)).not.toMatch(/^2/);
    expect(b.out('udp 10.0.0.2:4 > 192.0.2.1:53')).toBe('-1 udp 10.0.0.2:4 > 192.0.2.1:53');
    expect([b.la.count, b.la.refused]).toEqual([3, 1]);
    for (const line of ['icmp 10.0.0.2:4 > 192.0.2.1', '47 10.0.0.2 > 192.0.2.1']) expect(b.out(line)).toBe(`-1 ${line}`);
    for (const line of ['tcp 192.0.2.1:4 > 198.51.100.1:5', 'icmp 192.0.2.1:4 > 198.51.100.1', '47 192.0.2.1 > 198.51.100.1']) expect(b.in(line)).toBe(`-1 ${line}`);
    expect(b.in('udp 192.0.2.5:1 > 198.51.100.1:9', { off: 0x2000 })).toMatch(/^-1 /);
    b.pass(UDP_EXPIRE_TIME + 1);
    expect(b.out('udp 10.0.0.2:4 > 192.0.2.1:53')).toBe('udp 198.51.100.1:4 > 192.0.2.1:53');
    b.la.destroy();
    expect([b.la.count, b.la.counts]).toEqual([0, NOBODY]);
  });
});

describe('FTP', () => {
  const text = (s: string): Uint8Array => new TextEncoder().encode(s);
  const dataOf = (m: PacketBuffer): string => new TextDecoder().decode(m.bytes().slice(40));

  it('of a client inside: the port it names is opened, for its server only', () => {
    const b = new AliasBench('198.51.100.100');
    b.la.setMode(PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_DENY_INCOMING);
    const ctl = 'tcp 10.0.0.2:1000 > 192.0.2.1:21';
    for (const [said, becomes] of [
      ['PORT 10,0,0,2,4,1\r\n', 'PORT 198,51,100,100,4,1\r\n'], ['EPRT |1|10.0.0.2|1026|\r\n', 'EPRT |1|198.51.100.100|1026|\r\n'], ['port 10,0,0,2,4,3\r\n', 'PORT 198,51,100,100,4,3\r\n'],
    ] as const) {
      for (const pending of [false, true]) {
        const m = b.packet(ctl, { data: text(said), pending });
        expect(b.la.aliasOut(m)).toBe(1);
        expect([show(m), dataOf(m)]).toEqual(['tcp 198.51.100.100:1000 > 192.0.2.1:21', becomes]);
        m.free();
      }
    }
    expect(b.in('tcp 192.0.2.1:20 > 198.51.100.100:1025')).toBe('tcp 192.0.2.1:20 > 10.0.0.2:1025');
    expect(b.in('tcp 192.0.2.1:20 > 198.51.100.100:1026')).toBe('tcp 192.0.2.1:20 > 10.0.0.2:1026');
    expect(b.in('tcp 192.0.2.2:20 > 198.51.100.100:1025')).toMatch(/^2 /);
    expect(b.out('tcp 10.0.0.2:1025 > 192.0.2.1:20')).toBe('tcp 198.51.100.100:1025 > 192.0.2.1:20');
  });

  it('moves the numbers of what is sent later', () => {
    const b = new AliasBench('198.51.100.100');
    const ctl = 'tcp 10.0.0.2:1000 > 192.0.2.1:21';
    const said = 'PORT 10,0,0,2,4,1\r\n';
    const grown = 'PORT 198,51,100,100,4,1\r\n'.length - said.length;
    const out = (seq: number, data = ''): number => {
      const m = b.packet(ctl, { seq, data: text(data) });
      expect(b.la.aliasOut(m)).toBe(1);
      show(m);
      const n = tcpSeq(m.view, m.off + 20);
      m.free();
      return n;
    };
    const back = (ack: number): number => {
      const m = b.packet('tcp 192.0.2.1:21 > 198.51.100.100:1000', { ack });
      expect(b.la.aliasIn(m)).toBe(1);
      show(m);
      const n = tcpAck(m.view, m.off + 20);
      m.free();
      return n;
    };
    const start = 0xffff_fff0;
    const wrap = (n: number): number => n % 0x1_0000_0000;
    expect(out(start, said)).toBe(start);
    const next = wrap(start + said.length);
    expect(out(next, 'LIST\r\n')).toBe(next + grown);
    expect(out(start, said)).toBe(start); // sent again
    expect([back(start), back(wrap(next + grown)), back(next + grown + 6)]).toEqual([start, next, next + 6]);
    expect(out(next + 6, said)).toBe(next + 6 + grown);
    expect(out(next + 6 + said.length, 'NOOP\r\n')).toBe(next + 6 + said.length + 2 * grown);
    expect(back(next + 6 + said.length + 2 * grown)).toBe(next + 6 + said.length);
  });

  it('of a server inside: where it waits is told by its alias', () => {
    const b = new AliasBench();
    b.la.redirectPort({ proto: IPPROTO_TCP, local: quad('10.0.0.3'), localPort: 21, aliasPort: 21, ...ANY });
    expect(b.in('tcp 192.0.2.1:999 > 198.51.100.1:21')).toBe('tcp 192.0.2.1:999 > 10.0.0.3:21');
    for (const [said, becomes, port] of [
      ['227 Entering Passive Mode (10,0,0,3,4,1).\r\n', '227 Entering Passive Mode (198,51,100,1,4,1).\r\n', 1025], ['227 ok 10,0,0,3,4,2\r\n', '227 Entering Passive Mode (198,51,100,1,4,2\r\n', 1026],
      ['229 Entering Extended Passive Mode (|||1027|)\r\n', '229 Entering Extended Passive Mode (|||1027|)\r\n', 1027],
    ] as const) {
      const m = b.packet('tcp 10.0.0.3:21 > 192.0.2.1:999', { data: text(said) });
      expect(b.la.aliasOut(m)).toBe(1);
      expect([show(m), dataOf(m)]).toEqual(['tcp 198.51.100.1:21 > 192.0.2.1:999', becomes]);
      m.free();
      expect(b.in(`tcp 192.0.2.1:50 > 198.51.100.1:${port}`)).toBe(`tcp 192.0.2.1:50 > 10.0.0.3:${port}`);
    }
  });

  it('believes nobody who names somebody else, or something that is no end', () => {
    const b = new AliasBench();
    for (const said of ['PORT 10,0,0,9,4,1\r\n', 'PORT 10,0,0,2,400,1\r\n', 'PORT 10,0,0,2,0,0\r\n', 'PORT 10,0,0,2,4', 'EPRT |2|::1|1026|\r\n', 'LIST\r\n', `PORT 10,0,0,2,4,1\r\n${'x'.repeat(200)}`]) {
      const m = b.packet('tcp 10.0.0.2:1000 > 192.0.2.1:21', { data: text(said) });
      b.la.aliasOut(m);
      expect([show(m), dataOf(m)]).toEqual(['tcp 198.51.100.1:1000 > 192.0.2.1:21', said]);
      m.free();
    }
    expect(b.la.count).toBe(1);
  });

  it('of two clients with one port opens two', () => {
    const b = new AliasBench();
    const opened = ['10.0.0.2', '10.0.0.3'].map((host) => {
      const m = b.packet(`tcp ${host}:1000 > 192.0.2.1:21`, { data: text(`PORT ${host.replaceAll('.', ',')},4,1\r\n`) });
      b.la.aliasOut(m);
      const [hi = 0, lo = 0] = dataOf(m).trim().split(',').slice(4).map(Number);
      m.free();
      return hi * 256 + lo;
    });
    expect(opened[0]).toBe(1025);
    expect(opened[1]).not.toBe(1025);
    expect(opened.map((port) => b.in(`tcp 192.0.2.1:20 > 198.51.100.1:${port}`))).toEqual(['tcp 192.0.2.1:20 > 10.0.0.2:1025', 'tcp 192.0.2.1:20 > 10.0.0.3:1025']);
  });
});
