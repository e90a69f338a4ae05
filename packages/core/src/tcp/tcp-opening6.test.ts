/**
 * tcp-opening6.test.ts — how connections over IPv6 begin: kept, by cookie, signed, fast, link-local, and over a path that takes less.
 */
import { describe, expect, it } from 'vitest';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET6, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Ip6Name } from '../transport/in6-pcb.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6Parse } from '../wire/addr6.js';

const KEY = Uint8Array.of(1, 2, 3);
const at = (text: string, scopeId = 0): Ip6Name => ({ addr: ip6Parse(text)!, scopeId });

class Bench {
  readonly net = new SimNet(5);
  readonly a = this.net.vnet('a');
  readonly b = this.net.vnet('b');
  readonly ends = this.net.link(this.a, this.b, { delayUs: 2_000 });

  constructor() {
    for (const [v, end, text] of [[this.a, this.ends[0], '2001:db8::1'], [this.b, this.ends[1], '2001:db8::2']] as const) {
      const addr = ip6Parse(text)!;
      this.net.kernel.call(this.net.now, () => in6Aifaddr(v.in6Net, end.ifp, { addr, plen: 64 }));
    }
    // Duplicate address detection.
    this.net.run(5_000_000);
  }

  socket(v: Vnet, ...options: string[]): StreamSocket {
    const { so } = v.sockets.socket(PF_INET6, SOCK_STREAM);
    if (so === null) throw new Error('no socket');
    for (const o of options) expect(so.setsockopt(o, 1)).toBe(0);
    return so;
  }

  listen(...options: string[]): StreamSocket {
    const so = this.socket(this.b, ...options);
    this.net.kernel.call(this.net.now, () => so.bind(0, 80) || so.listen(10));
    return so;
  }

  connect(so: StreamSocket, to: Ip6Name): void {
    this.net.kernel.call(this.net.now, () => so.connect(to, 80));
    this.net.run(50_000);
  }

  sysctl(v: Vnet, name: string, value: number): void {
    expect(v.kern.sysctl.find(name)?.set(value)).toBe(0);
  }
}

describe('over IPv6', () => {
  it.each([[0], [1]])('a connection is made, by cookie only: %i', (only) => {
    const y = new Bench();
    y.sysctl(y.b, 'net.inet.tcp.syncookies_only', only);
    const listener = y.listen();
    const so = y.socket(y.a);
    y.connect(so, at('2001:db8::2'));
    const c = listener.accept();
    expect([so.isConnected, c?.isConnected, c?.tp.maxseg, y.b.tcp.stats.sc_added, y.b.tcp.stats.sc_recvcookie]).toEqual([true, true, 1_428, 1 - only, only]);
    expect(c?.tp.srttUs).toBeGreaterThanOrEqual(4_000);
    expect([...(c?.peer6()?.addr ?? [])]).toEqual([...at('2001:db8::1').addr]);
  });

  it('link-local ends have their zone', () => {
    const y = new Bench();
    const listener = y.listen();
    const ll = y.b.in6Net.addrs.find((ia) => ia.ifp === y.ends[1].ifp && ia.addr[0] === 0xfe);
    const so = y.socket(y.a);
    y.connect(so, { addr: ll!.addr.map((x, i) => (i === 2 || i === 3 ? 0 : x)), scopeId: y.ends[0].ifp.index });
    const c = listener.accept();
    expect([so.isConnected, c?.peer6()?.scopeId]).toEqual([true, y.ends[1].ifp.index]);
  });

  it('signed', () => {
    const y = new Bench();
    const listener = y.listen('TCP_MD5SIG');
    expect(listener.setMd5Key(at('2001:db8::1'), KEY)).toBe(0);
    const so = y.socket(y.a, 'TCP_MD5SIG');
    expect(so.setMd5Key(at('2001:db8::2'), KEY)).toBe(0);
    y.connect(so, at('2001:db8::2'));
    const c = listener.accept();
    y.net.kernel.call(y.net.now, () => so.send(new Uint8Array(10_000)));
    y.net.run(100_000);
    expect([c?.readable, y.b.tcp.stats.sig_rcvbadsig, y.a.tcp.stats.sig_rcvbadsig]).toEqual([10_000, 0, 0]);
    expect(listener.setMd5Key(at('2001:db8::1'), KEY.slice(1))).toBe(0);
    const other = y.socket(y.a, 'TCP_MD5SIG');
    y.connect(other, at('2001:db8::2'));
    expect([other.isConnected, y.b.tcp.stats.sig_rcvbadsig]).toEqual([false, 1]);
  });

  it('with data in the SYN', () => {
    const y = new Bench();
    y.sysctl(y.b, 'net.inet.tcp.fastopen.server_enable', 1);
    const listener = y.listen('TCP_FASTOPEN');
    for (const early of [false, true]) {
      const so = y.socket(y.a, 'TCP_FASTOPEN');
      y.net.kernel.call(y.net.now, () => so.sendTo(new Uint8Array(100), at('2001:db8::2'), 80));
      // The SYN has arrived; nothing else can have.
      y.net.run(3_000);
      expect(listener.accept()?.readable ?? 0).toBe(early ? 100 : 0);
      y.net.run(50_000);
      listener.accept();
    }
    expect(y.a.kern.sysctl.find('net.inet.tcp.fastopen.ccache_list')?.get()).toMatch(/2001:db8::1 +2001:db8::2 +80 +1440 +No [0-9a-f]{16}/);
  });
});
