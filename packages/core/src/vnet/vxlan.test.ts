/**
 * vxlan.test.ts — vxlan through whole stacks: hosts on one switch, tunnels between them, and what is inside.
 *
 *     host 1 ─ 192.0.2.1 ┐
 *     host 2 ─ 192.0.2.2 ┼ bridge of vnet "sw"        inside: 10.0.0.N on each vxlan
 *     host N ─ 192.0.2.N ┘
 */
import { describe, expect, it } from 'vitest';
import { EADDRINUSE, EAFNOSUPPORT, EBUSY, EEXIST, EINVAL, EIO, ENETDOWN, ENODEV, ENOENT, ENOSPC, EPERM } from '../base/errno.js';
import { snapshot } from '../kern/counters.js';
import { CSUM_L4, GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import { bridgeAdd } from '../net/bridge-control.js';
import { ifCloneCreate, ifCloneDestroy, ifCloneDestroyIfp } from '../net/if-clone.js';
import type { CloneParams } from '../net/if-clone.js';
import { ifDown, ifSetMtu, ifUp } from '../net/if.js';
import { ifVmove } from '../net/if-vmove.js';
import { ifTransmit } from '../net/if-transmit.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_STATIC } from '../net/route/nexthop.js';
import {
  vxlanConfig, vxlanFlush, vxlanFtable, vxlanFtableAdd, vxlanFtableRemove, vxlanSetLearn, vxlanSetLocal, vxlanSetLocalPort, vxlanSetMaxaddr, vxlanSetMulticastIf,
  vxlanSetPortRange, vxlanSetRemote, vxlanSetRemotePort, vxlanSetTimeout, vxlanSetTtl, vxlanSetVni,
} from '../net/vxlan-control.js';
import { VXLAN_FE_STATIC } from '../net/vxlan-ftable.js';
import { vxlanOf } from '../net/vxlan.js';
import { craftUdp } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET, SOCK_DGRAM, SOCK_RAW } from '../socket/socket-type.js';
import { ip4Format, ip4Parse, macFormatPair } from '../wire/addr.js';
import { dissect } from '../wire/dissect.js';
import { icmp4Emit } from '../wire/icmp4.js';
import { ip4Emit } from '../wire/ip4.js';
import { udpEmit } from '../wire/udp.js';
import type { Vnet } from './vnet.js';

const addr = (text: string): number => ip4Parse(text) ?? 0;
const S = 1_000_000;
const GROUP = '239.0.0.42';

interface Host {
  readonly v: Vnet;
  /** Its side of the cable to the switch. */
  readonly cable: Ifnet;
  readonly outer: string;
}

class Switched {
  readonly sim = new SimNet(1);
  readonly sw = this.sim.vnet('sw');
  readonly hosts: Host[] = [];
  /** What crossed the switch, in tcpdump's words. */
  heard: string[] = [];
  /** Links the last of them had crossed. */
  hops = 0;
  private readonly br = this.sim.clone(this.sw, 'bridge');

  constructor(hosts: number) {
    this.sim.up(this.br);
    for (let n = 1; n <= hosts; n++) this.host(n);
  }

  host(n: number): void {
    const v = this.sim.vnet(`h${n}`);
    const [port, cable] = this.sim.epair(this.sw, v);
    this.call(() => expect(bridgeAdd(this.br, port.xname)).toBe(0));
    this.sim.addr(v, cable, `192.0.2.${n}/24`);
    this.hosts.push({ v, cable, outer: `192.0.2.${n}` });
    const { input } = port;
    port.input = (ifp, m) => {
      this.heard.push(dissect(m.bytes()));
      this.hops = m.hops;
      input(ifp, m);
    };
  }

  call<T>(fn: () => T): T {
    return this.sim.kernel.call(this.sim.now, fn);
  }

  at(n: number): Host {
    return this.hosts[n - 1]!;
  }

  /** A vxlan on host `n`; with `inner` it has that address and is up. */
  vxlan(n: number, remote: string, inner: string | null = `10.0.0.${n}/24`, more: CloneParams = {}): Ifnet {
    const { v, outer } = this.at(n);
    const made = this.call(() => ifCloneCreate(v.net, 'vxlan', { vxlanid: 42, vxlanlocal: addr(outer), vxlanremote: addr(remote), ...more }));
    if (made.ifp === null) throw new Error(`vxlan: errno ${made.error}`);
    if (inner !== null) this.sim.addr(v, made.ifp, inner);
    return made.ifp;
  }

  ping(v: Vnet, dst: string, size = 56): boolean {
    const so = v.sockets.socket(PF_INET, SOCK_RAW, 1).so!;
    const echo = new Uint8Array(8 + size);
    icmp4Emit(new DataView(echo.buffer), 0, echo.length, 8, 0, 0x10001);
    this.call(() => so.send(echo, addr(dst)));
    this.sim.run(3 * S);
    const got = so.rcv.count > 0;
    this.call(() => so.close());
    return got;
  }

  /** A datagram for the tunnel port of host 1, as host 2 would send it. */
  inject(payload: Uint8Array, dport = 4789): void {
    const { v, cable } = this.at(1);
    const frame = craftUdp({ src: '02:00:00:00:00:99', dst: macFormatPair(cable.macHi, cable.macLo) }, { src: '192.0.2.2', dst: '192.0.2.1' }, 1234, dport, payload);
    const m = this.sim.kernel.engine.pool.from(frame)!;
    this.sim.kernel.input(cable, m, this.sim.now);
    this.sim.run(1000);
    expect(v.udp.stats.badsum).toBe(0);
  }

  counts(): unknown {
    const k = this.sim.kernel;
    return { interfaces: k.shared.attached, packets: k.engine.pool.inUse, timers: k.engine.callouts.armed };
  }

  remove(name: string): void {
    const { prisons } = this.sim.kernel;
    const prison = prisons.find(prisons.prison0, name);
    if (prison !== null) expect(this.sim.kernel.jailRemove(prison)).toBe(0);
  }

  /** Takes everything down; nothing is left. */
  end(): void {
    const k = this.sim.kernel;
    for (const { v } of this.hosts) this.remove(v.name);
    this.remove('sw');
    for (const ifp of [...k.vnet0.net.ifnets]) if (ifp.cloner !== 'lo' && ifp.net !== null) this.call(() => ifCloneDestroy(k.vnet0.net, ifp.xname));
    this.sim.run(5 * S);
    expect(this.counts()).toEqual({ interfaces: 1, packets: 0, timers: 0 });
    for (const { v } of this.hosts) {
      expect({ sysctls: v.kern.sysctl.count, counters: v.kern.counters.list().length, handlers: v.net.departureEvent.count }).toEqual({ sysctls: 0, counters: 0, handlers: 0 });
    }
  }
}

/** `MAC ADDRESS:PORT TYPE` of every entry, sorted. */
function table(ifp: Ifnet): string[] {
  return (vxlanFtable(ifp) ?? []).map((e) => `${macFormatPair(e.hi, e.lo)} ${ip4Format(e.addr)}:${e.port} ${e.type}`).sort();
}

const macOf = (ifp: Ifnet): string => macFormatPair(ifp.macHi, ifp.macLo);

describe('vxlan', () => {
  it('carries Ethernet between two hosts, which learn from each other', () => {
    const t = new Switched(2);
    const [a, b] = [t.vxlan(1, '192.0.2.2'), t.vxlan(2, '192.0.2.1')];
    expect([a.mtu, a.isRunning, a.linkState, a.capenable]).toEqual([1_450, true, LINK_STATE_UP, 0x80020]);
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    // The tunnel and the cable.
    expect(t.hops).toBe(2);
    expect(t.heard.filter((l) => l.includes('VXLAN')).map((l) => l.replace(/\.\d{5} >/, '.PORT >').replace('\n', ' | ')).sort()).toEqual([
      'IP 192.0.2.1.PORT > 192.0.2.2.4789: VXLAN, flags [I] (0x08), vni 42 | ARP, Request who-has 10.0.0.1 tell 10.0.0.1, length 28',
      'IP 192.0.2.1.PORT > 192.0.2.2.4789: VXLAN, flags [I] (0x08), vni 42 | ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
      'IP 192.0.2.1.PORT > 192.0.2.2.4789: VXLAN, flags [I] (0x08), vni 42 | IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64',
      `IP 192.0.2.2.PORT > 192.0.2.1.4789: VXLAN, flags [I] (0x08), vni 42 | ARP, Reply 10.0.0.2 is-at ${macOf(b)}, length 28`,
      'IP 192.0.2.2.PORT > 192.0.2.1.4789: VXLAN, flags [I] (0x08), vni 42 | ARP, Request who-has 10.0.0.2 tell 10.0.0.2, length 28',
      'IP 192.0.2.2.PORT > 192.0.2.1.4789: VXLAN, flags [I] (0x08), vni 42 | IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 1, seq 1, length 64',
    ]);
    expect([table(a), table(b)]).toEqual([[`${macOf(b)} 192.0.2.2:4789 1`], [`${macOf(a)} 192.0.2.1:4789 1`]]);
    for (const size of [1_400, 1_422, 8_000]) expect(t.ping(t.at(2).v, '10.0.0.1', size)).toBe(true);
    expect([a.data.oerrors, a.data.ierrors, a.data.iqdrops]).toEqual([0, 0, 0]);
    expect(t.at(2).v.udp.stats.badsum).toBe(0);
    expect(snapshot(t.at(1).v.vxlan.stats)).toMatchObject({ badlen: 0, badflags: 0, badreserved: 0, novni: 0 });
    t.end();
  });

  it('fragments outer packets that are too long for the path, and leaves from the port range', () => {
    const t = new Switched(2);
    const [a, b] = [t.vxlan(1, '192.0.2.2', '10.0.0.1/24', { vxlanportmin: 7000, vxlanportmax: 7000, vxlanttl: 9 }), t.vxlan(2, '192.0.2.1')];
    t.call(() => [a, b].forEach((i) => expect(ifSetMtu(i, 9_000)).toBe(0)));
    expect(t.ping(t.at(1).v, '10.0.0.2', 8_900)).toBe(true);
    expect([t.at(2).v.ip.stats.reassembled, t.at(1).v.ip.stats.fragmented]).toEqual([1, 1]);
    expect(t.heard.some((l) => l.includes('192.0.2.1.7000 > 192.0.2.2.4789'))).toBe(true);
    expect([45, 65_438].map((mtu) => t.call(() => ifSetMtu(a, mtu)))).toEqual([EINVAL, EINVAL]);
    t.end();
  });

  it('carries a network of many through a group, and unicasts what it has learned', () => {
    const t = new Switched(4);
    const ifps = [1, 2, 3].map((n) => t.vxlan(n, GROUP, `10.0.0.${n}/24`, { vxlandev: t.at(n).cable.xname }));
    for (const ifp of ifps) expect([ifp.isRunning, ifp.mtu]).toEqual([true, 1_450]);
    expect(t.at(1).v.inNet.isMember(t.at(1).cable, addr(GROUP))).toBe(true);
    expect([t.ping(t.at(1).v, '10.0.0.2'), t.ping(t.at(1).v, '10.0.0.3'), t.ping(t.at(2).v, '10.0.0.3')]).toEqual([true, true, true]);
    expect(table(ifps[0]!)).toEqual([`${macOf(ifps[1]!)} 192.0.2.2:4789 1`, `${macOf(ifps[2]!)} 192.0.2.3:4789 1`].sort());
    expect(t.heard.filter((l) => l.includes('echo') && !l.includes(` ${GROUP}.`))).toHaveLength(6);
    expect(t.heard.filter((l) => l.includes('who-has 10.0.0.2 tell 10.0.0.1') && l.includes(` > ${GROUP}.4789`))).toHaveLength(1);
    // Host 4 joined nothing; host 1 does not hear itself.
    expect([t.at(4).v.ip.stats.delivered, t.at(1).v.vxlan.stats.ipackets]).toEqual([0, ifps[0]!.data.ipackets]);
    t.call(() => ifDown(ifps[0]!));
    expect(t.at(1).v.inNet.isMember(t.at(1).cable, addr(GROUP))).toBe(false);
    t.end();
  });

  it('joins a group once for all tunnels on a port, and ends with the interface it was told to use', () => {
    const t = new Switched(1);
    const { v, cable } = t.at(1);
    const dev = { vxlandev: cable.xname };
    const [a, b] = [t.vxlan(1, GROUP, null, { ...dev, vxlanid: 1 }), t.vxlan(1, GROUP, null, { ...dev, vxlanid: 2 })];
    const c = t.vxlan(1, '239.0.0.43', null, { vxlanid: 3 });
    t.call(() => [a, b, c].forEach((i) => ifUp(i)));
    expect([v.vxlan.listeners.length, a.isRunning, b.isRunning, c.isRunning]).toEqual([1, true, true, true]);
    t.call(() => ifDown(a));
    expect(v.inNet.isMember(cable, addr(GROUP))).toBe(true);
    t.call(() => ifUp(a));
    t.sim.move(cable, t.sw);
    expect([a.isUp, b.isUp, a.linkState, c.isRunning]).toEqual([false, false, LINK_STATE_DOWN, true]);
    t.call(() => ifUp(a));
    expect(a.isRunning).toBe(false);
    t.end();
  });

  it('tells tunnels on one port apart by their identifier', () => {
    const t = new Switched(2);
    const { v } = t.at(1);
    t.vxlan(1, '192.0.2.2', '10.1.0.1/24', { vxlanid: 1 });
    t.vxlan(1, '192.0.2.2', '10.2.0.1/24', { vxlanid: 2 });
    t.vxlan(2, '192.0.2.1', '10.1.0.2/24', { vxlanid: 1 });
    const two = t.vxlan(2, '192.0.2.1', '10.2.0.2/24', { vxlanid: 3 });
    expect([t.ping(v, '10.1.0.2'), t.ping(v, '10.2.0.2')]).toEqual([true, false]);
    expect([v.vxlan.listeners.length, t.at(2).v.vxlan.stats.novni > 0, two.data.ipackets]).toEqual([1, true, 0]);
    t.call(() => {
      ifDown(two);
      expect(vxlanSetVni(two, 2)).toBe(0);
      ifUp(two);
    });
    expect(t.ping(v, '10.2.0.2')).toBe(true);
    // The same identifier on the same port is somebody's already, and a port is a socket's or the tunnels'.
    const clash = t.vxlan(1, '192.0.2.2', null, { vxlanid: 1 });
    const so = v.sockets.socket(PF_INET, SOCK_DGRAM).so!;
    t.call(() => {
      ifUp(clash);
      expect([clash.isUp, clash.isRunning, so.bind(addr('192.0.2.1'), 4_789), so.bind(0, 4_790)]).toEqual([true, false, EADDRINUSE, 0]);
      ifDown(clash);
      expect(vxlanSetLocalPort(clash, 4_790)).toBe(0);
      ifUp(clash);
      expect(clash.isRunning).toBe(false);
      so.close();
      ifDown(clash);
      ifUp(clash);
      expect([clash.isRunning, v.vxlan.listeners.length]).toEqual([true, 2]);
    });
    t.end();
  });

  it('forgets silent addresses, keeps configured ones, and learns no more than it may', () => {
    const t = new Switched(3);
    const a = t.vxlan(1, '192.0.2.2');
    t.vxlan(2, '192.0.2.1');
    const mac = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, last);
    t.call(() => {
      expect([vxlanSetTimeout(a, 400), vxlanFtableAdd(a, mac(9), addr('192.0.2.3')), vxlanFtableAdd(a, mac(9), addr('192.0.2.3'))]).toEqual([0, 0, EEXIST]);
      expect([vxlanFtableAdd(a, mac(8), addr(GROUP)), vxlanFtableAdd(a, Uint8Array.of(3, 0, 0, 0, 0, 1), 1), vxlanFtableRemove(a, mac(8))]).toEqual([EINVAL, EINVAL, ENOENT]);
    });
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    expect(table(a)).toHaveLength(2);
    t.sim.run(310 * S);
    expect(table(a)).toHaveLength(2);
    t.sim.run(310 * S);
    expect(table(a)).toEqual(['02:00:00:00:00:09 192.0.2.3:4789 2']);
    t.call(() => expect(vxlanSetMaxaddr(a, 1)).toBe(0));
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    expect([table(a).length, t.at(1).v.kern.sysctl.find('net.link.vxlan.0.stats.ftable_nospace')!.get()]).toEqual([1, 1]);
    t.call(() => {
      expect([vxlanFtableAdd(a, mac(7), addr('192.0.2.3')), vxlanFlush(a, false), table(a).length, vxlanFtableRemove(a, mac(9)), table(a).length]).toEqual([ENOSPC, 0, 1, 0, 0]);
      expect([vxlanSetMaxaddr(a, 2), vxlanSetLearn(a, false), vxlanFtableAdd(a, mac(7), addr('192.0.2.3'), 99)]).toEqual([0, 0, 0]);
    });
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    expect(table(a)).toEqual(['02:00:00:00:00:07 192.0.2.3:99 2']);
    t.call(() => vxlanFlush(a, true));
    expect(table(a)).toEqual([]);
    t.end();
  });

  it('follows an address that moves to another host', () => {
    const t = new Switched(3);
    const a = t.vxlan(1, '192.0.2.2');
    const [b, c] = [t.vxlan(2, '192.0.2.1'), t.vxlan(3, '192.0.2.1', null)];
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    const frame = Uint8Array.of(...new Uint8Array(6).fill(0xff), ...b.lladdr, 0x88, 0xb5, ...new Uint8Array(46));
    t.call(() => {
      ifUp(c);
      expect(ifTransmit(c, t.sim.kernel.engine.pool.from(frame)!)).toBe(0);
    });
    t.sim.run(S);
    expect(table(a)).toEqual([`${macOf(b)} 192.0.2.3:4789 1`]);
    t.end();
  });

  it('drops and counts what is no VXLAN of ours', () => {
    const t = new Switched(2);
    const a = t.vxlan(1, '192.0.2.2');
    const frame = [...a.lladdr, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, 1, 2, 3];
    const before = { ...t.at(1).v.vxlan.stats };
    for (const [header, body] of [
      [[], []], [[8, 0, 0, 0, 0, 0, 42], []], [[8, 0, 0, 0, 0, 0, 42, 0], frame.slice(0, 13)],
      [[0, 0, 0, 0, 0, 0, 42, 0], frame], [[0x0c, 0, 0, 0, 0, 0, 42, 0], frame], [[8, 0, 0, 1, 0, 0, 42, 0], frame],
      [[8, 0, 0, 0, 0, 0, 42, 1], frame], [[8, 0, 0, 0, 0, 0, 43, 0], frame], [[8, 0, 0, 0, 0, 0, 42, 0], frame],
    ] as const) t.inject(Uint8Array.from([...header, ...body]));
    const { ipackets, badlen, badflags, badreserved, novni } = t.at(1).v.vxlan.stats;
    expect([ipackets - before.ipackets, badlen, badflags, badreserved, novni]).toEqual([9, 3, 3, 1, 1]);
    expect([a.data.ipackets, a.data.noproto, table(a)]).toEqual([1, 1, ['02:00:00:00:00:09 192.0.2.2:4789 1']]);
    t.inject(Uint8Array.from([8, 0, 0, 0, 0, 0, 42, 0, ...a.lladdr, 3, 0, 0, 0, 0, 9, 0x88, 0xb5]));
    expect([a.data.ipackets, table(a).length]).toEqual([2, 1]);
    t.call(() => {
      vxlanOf(a)!.vxlanInput(t.sim.kernel.engine.pool.from(Uint8Array.from(frame))!, addr('192.0.2.2'));
      expect(vxlanOf(a)!.queued()).toBe(1);
      ifDown(a);
      ifUp(a);
      expect(vxlanOf(a)!.queued()).toBe(0);
      ifDown(a);
    });
    t.inject(Uint8Array.from([8, 0, 0, 0, 0, 0, 42, 0, ...frame]));
    expect([a.data.ipackets, t.at(1).v.udp.stats.noport]).toEqual([2, 1]);
    t.end();
  });

  it('notices that it would carry itself, and circles through others', () => {
    const t = new Switched(2);
    const a = t.vxlan(1, '192.0.2.2');
    const b = t.vxlan(2, '192.0.2.1');
    const loops = (n: number): unknown => t.at(n).v.kern.sysctl.find('net.link.vxlan.0.stats.loops')?.get();
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    // The far end of the tunnel is a neighbour inside it.
    t.call(() => {
      const { arp, routes } = t.at(1).v;
      expect(arp.set(addr('192.0.2.2'), b.lladdr, { ifp: a })).toBe(0);
      expect(routes.add({ fib: 0, family: 'inet', dst: addr('192.0.2.2'), plen: 32, ifp: a, flags: RTF_STATIC })).toBe(0);
    });
    const m = t.sim.kernel.engine.pool.alloc(60)!;
    m.bytes().fill(0xff);
    expect(t.call(() => ifTransmit(a, m))).toBe(EIO);
    expect([loops(1), a.data.oerrors]).toEqual([1, 2]);
    // Bridges at both ends close a circle: the cable beside the tunnel.
    const [x, y] = t.sim.epair(t.at(1).v, t.at(2).v);
    for (const [n, tun, side] of [[1, a, x], [2, b, y]] as const) {
      const br = t.sim.clone(t.at(n).v, 'bridge');
      t.call(() => expect([bridgeAdd(br, tun.xname), bridgeAdd(br, side.xname)]).toEqual([0, 0]));
      t.sim.up(br);
    }
    t.call(() => expect(t.at(1).v.routes.delete({ fib: 0, family: 'inet', dst: addr('192.0.2.2'), plen: 32, flags: RTF_STATIC })).toBe(0));
    const n = t.sim.kernel.engine.pool.alloc(60)!;
    n.bytes().fill(0xff).set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
    t.call(() => ifTransmit(x, n));
    t.sim.run(S);
    expect(Number(loops(1)) + Number(loops(2)) + x.data.oerrors + y.data.oerrors).toBeGreaterThan(1);
    expect(t.sim.kernel.engine.pool.inUse).toBe(0);
    t.end();
  });

  it('is a bridge member, and carries vlans', () => {
    const t = new Switched(2);
    const [a, b] = [t.vxlan(1, '192.0.2.2'), t.vxlan(2, '192.0.2.1', null)];
    const inside = t.sim.vnet('inside');
    const [port, desk] = t.sim.epair(t.at(2).v, inside);
    const br = t.sim.clone(t.at(2).v, 'bridge');
    t.call(() => expect([bridgeAdd(br, b.xname), bridgeAdd(br, port.xname)]).toEqual([0, 0]));
    for (const ifp of [br, b]) t.sim.up(ifp);
    t.sim.addr(inside, desk, '10.0.0.9/24');
    expect([br.mtu, port.mtu]).toEqual([1_450, 1_450]);
    t.call(() => expect(ifSetMtu(desk, 1_450)).toBe(0));
    expect(t.ping(t.at(1).v, '10.0.0.9')).toBe(true);
    expect(t.ping(inside, '10.0.0.1', 5_000)).toBe(true);
    t.sim.addr(t.at(1).v, t.sim.clone(t.at(1).v, `${a.xname}.7`), '10.7.0.1/24');
    t.sim.addr(inside, t.sim.clone(inside, `${desk.xname}.7`), '10.7.0.9/24');
    expect(t.ping(inside, '10.7.0.1', 3_000)).toBe(true);
    expect(t.ping(t.at(1).v, '10.7.0.9')).toBe(true);
    t.remove('inside');
    t.end();
  });

  it('carries super-segments cut, with finished checksums, and takes super-segments of tunnels apart', () => {
    const t = new Switched(2);
    const [a, b] = [t.vxlan(1, '192.0.2.2'), t.vxlan(2, '192.0.2.1')];
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    const rx = t.at(2).v.sockets.socket(PF_INET, SOCK_DGRAM).so!;
    t.call(() => rx.bind(0, 9));
    const m = t.sim.kernel.engine.pool.alloc(14 + 20 + 8 + 2_500)!;
    m.bytes().set([...b.lladdr, ...a.lladdr, 8, 0]);
    ip4Emit(m.view, m.off + 14, 20, 0, m.len - 14, 1, 0, 64, 17, addr('10.0.0.1'), addr('10.0.0.2'));
    udpEmit(m.view, m.off + 34, 1_000, 9, m.len - 34, 0);
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 34, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 1_000 });
    const seen = b.data.ipackets;
    expect(t.call(() => ifTransmit(a, m))).toBe(0);
    t.sim.run(S);
    expect([rx.rcv.count, b.data.ipackets - seen, t.at(2).v.udp.stats.badsum]).toEqual([3, 3, 0]);
    // A program that plays tunnel: two outer datagrams in one packet.
    const inner = Uint8Array.of(8, 0, 0, 0, 0, 0, 42, 0, ...b.lladdr, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, ...new Uint8Array(38));
    const so = t.at(1).v.sockets.socket(PF_INET, SOCK_DGRAM).so!;
    const known: number[] = [];
    const { input } = b;
    b.input = (ifp, n) => {
      known.push(n.csumFlags, n.gsoSize);
      input(ifp, n);
    };
    const two = t.sim.kernel.engine.pool.from(Uint8Array.of(...inner, ...inner))!;
    two.gsoSize = inner.length;
    t.call(() => {
      expect(so.sendPacket(two, addr('192.0.2.2'), 4_789)).toBe(0);
    });
    t.sim.run(1000);
    expect(b.data.ipackets - seen).toBe(5);
    // What is pending in the frame itself stays so.
    const pending = t.sim.kernel.engine.pool.from(inner.subarray(8))!;
    Object.assign(pending, { csumFlags: CSUM_L4, csumStart: pending.off + 14, csumOffset: 6 });
    t.call(() => vxlanOf(b)!.vxlanInput(pending, addr('192.0.2.1')));
    t.sim.run(1000);
    expect(known).toEqual([0, 0, 0, 0, CSUM_L4, 0]);
    t.call(() => [so, rx].forEach((s) => s.close()));
    t.end();
  });

  it('carries a vxlan in a vxlan in a vxlan, with and without headroom', () => {
    const t = new Switched(2);
    for (const [vni, net] of [[1, 0], [2, 1], [3, 2]] as const) {
      for (const n of [1, 2]) {
        const outer = net === 0 ? '192.0.2' : `10.0.${net}`;
        t.vxlan(n, `${outer}.${3 - n}`, `10.0.${net + 1}.${n}/24`, { vxlanid: vni, vxlanlocal: addr(`${outer}.${n}`) });
      }
    }
    for (const size of [56, 4_000]) expect(t.ping(t.at(1).v, '10.0.3.2', size)).toBe(true);
    t.end();
  });
});

describe('configuration of a vxlan', () => {
  it('is refused while it runs, and where it is wrong', () => {
    const t = new Switched(1);
    const a = t.vxlan(1, '192.0.2.2');
    const { cable, v } = t.at(1);
    t.call(() => {
      const busy = [vxlanSetVni(a, 1), vxlanSetLocal(a, 1), vxlanSetRemote(a, 1), vxlanSetLocalPort(a, 1), vxlanSetRemotePort(a, 1), vxlanSetPortRange(a, 1, 2), vxlanSetMulticastIf(a, 'x')];
      expect(busy).toEqual(busy.map(() => EBUSY));
      expect([vxlanSetTtl(a, 3), vxlanSetTimeout(a, 86_400), vxlanSetMaxaddr(a, 2_000), vxlanSetLearn(a, true)]).toEqual([0, 0, 0, 0]);
      ifDown(a);
      const wrong = [
        vxlanSetVni(a, 0x100_0000), vxlanSetVni(a, -1), vxlanSetLocal(a, addr(GROUP)), vxlanSetLocalPort(a, 0), vxlanSetRemotePort(a, 65_536), vxlanSetPortRange(a, 3, 2), vxlanSetTtl(a, 256),
        vxlanSetTimeout(a, 86_401), vxlanSetMaxaddr(a, 2_001), vxlanSetVni(cable, 1), vxlanFlush(cable, true), vxlanSetLocal(cable, 1), vxlanFtableAdd(cable, new Uint8Array(6), 1),
      ];
      expect(wrong).toEqual(wrong.map(() => EINVAL));
      expect(vxlanConfig(cable)).toBeNull();
      expect(vxlanConfig(a)).toEqual({
        vni: 42, local: addr('192.0.2.1'), localPort: 4_789, remote: addr('192.0.2.2'), remotePort: 4_789, portMin: 10_000, portMax: 65_535, mcastIfname: '',
        learn: true, ttl: 3, ftableCount: 0, ftableMax: 2_000, ftableTimeout: 86_400,
      });
      expect([vxlanSetRemote(a, 0), vxlanFtableAdd(a, new Uint8Array(6), 1), a.mtu, vxlanSetRemote(a, addr('192.0.2.2')), a.mtu]).toEqual([0, EAFNOSUPPORT, 1_470, 0, 1_450]);
      const m = t.sim.kernel.engine.pool.alloc(60)!;
      expect(ifTransmit(a, m)).toBe(ENETDOWN);
    });
    expect(v.kern.sysctl.set('net.link.vxlan.legacy_port', 1)).toBe(0);
    expect(vxlanConfig(t.vxlan(1, '192.0.2.2', null))).toMatchObject({ localPort: 8_472, remotePort: 8_472 });
    t.end();
  });

  it('says by which routing table outer packets go, and whether programs may share the port', () => {
    const t = new Switched(2);
    t.call(() => expect(t.at(1).v.routes.setFibs(2)).toBe(0));
    expect(t.at(1).v.kern.sysctl.set('net.link.vxlan.reuse_port', 1)).toBe(0);
    const a = t.vxlan(1, '192.0.2.2');
    t.vxlan(2, '192.0.2.1');
    a.tunnelFib = 1;
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(false);
    a.tunnelFib = 0;
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    const errors = [1, 2].map((n) => {
      const so = t.at(n).v.sockets.socket(PF_INET, SOCK_DGRAM).so!;
      return t.call(() => {
        expect(so.setsockopt('SO_REUSEPORT', 1)).toBe(0);
        const error = so.bind(addr(t.at(n).outer), 4_789);
        so.close();
        return error;
      });
    });
    expect(errors).toEqual([0, EADDRINUSE]);
    t.end();
  });

  it('that is not complete, or cannot be, keeps it from running', () => {
    const t = new Switched(1);
    const tries: readonly CloneParams[] = [
      { vxlanid: -1 }, { vxlanremote: 0 }, { vxlandev: 'x' }, { vxlanlocalport: 0 }, { vxlanremoteport: 0 }, { vxlanlocal: addr('192.0.2.77') },
      { vxlanremote: addr(GROUP), vxlandev: 'nowhere0' },
    ];
    for (const more of tries) {
      const ifp = t.vxlan(1, '192.0.2.2', null, more);
      t.sim.up(ifp);
      expect([ifp.isUp, ifp.isRunning, vxlanOf(ifp)!.end.binding === null], JSON.stringify(more)).toEqual([true, false, true]);
    }
    expect(t.at(1).v.udp.pcbs.count).toBe(0);
    t.end();
  });
});

describe('a vxlan that moves', () => {
  it('stays connected to where it was configured, which the borrower neither sees nor changes', () => {
    const t = new Switched(2);
    const desk = t.sim.vnet('desk');
    const made = t.vxlan(1, '192.0.2.2', '10.0.0.1/24', { vxlanttl: 7 });
    t.vxlan(2, '192.0.2.1');
    t.call(() => expect([vxlanFtableAdd(made, Uint8Array.of(2, 0, 0, 0, 0, 9), addr('192.0.2.2')), ifSetMtu(made, 1_400)]).toEqual([0, 0]));
    expect(t.ping(t.at(1).v, '10.0.0.2')).toBe(true);
    expect(vxlanFtable(made)).toHaveLength(2);
    const a = t.sim.move(made, desk);
    expect([vxlanOf(a)!.end.ftable.list().map((e) => e.type), t.at(1).v.vxlan.listeners]).toEqual([[VXLAN_FE_STATIC], []]);
    t.sim.addr(desk, a, '10.0.0.5/24');
    expect([t.ping(desk, '10.0.0.2'), t.ping(t.at(2).v, '10.0.0.5')]).toEqual([true, true]);
    expect([t.at(1).v.vxlan.listeners.length, desk.vxlan.listeners.length, a.mtu]).toEqual([1, 0, 1_400]);
    expect([vxlanConfig(a), vxlanFtable(a), desk.kern.sysctl.find('net.link.vxlan.0.ftable.dump')?.get()]).toEqual([null, null, '']);
    expect([desk.kern.sysctl.find('net.link.vxlan.0.ftable.count')?.get(), t.at(1).v.kern.sysctl.find('net.link.vxlan.0.ftable.count')]).toEqual([2, null]);
    t.call(() => {
      ifDown(a);
      expect([vxlanSetVni(a, 7), vxlanSetTtl(a, 7), vxlanFlush(a, true), vxlanFtableAdd(a, new Uint8Array(6), 1)]).toEqual([EPERM, EPERM, EPERM, EPERM]);
    });
    const back = t.sim.move(a, t.at(1).v);
    expect(vxlanConfig(back)).toMatchObject({ vni: 42, local: addr('192.0.2.1'), remote: addr('192.0.2.2'), ttl: 7 });
    // The MTU was chosen by hand: it does not follow the remote.
    t.call(() => expect([vxlanSetRemote(back, 0), back.mtu, vxlanSetRemote(back, addr('192.0.2.2'))]).toEqual([0, 1_400, 0]));
    t.sim.up(back);
    expect(back.isRunning).toBe(true);
    t.remove('desk');
    t.end();
  });

  it('ends with the vnet that made it', () => {
    const t = new Switched(2);
    const desk = t.sim.vnet('desk');
    t.vxlan(2, '192.0.2.1');
    const a = t.sim.move(t.vxlan(1, '192.0.2.2', null), desk);
    t.sim.addr(desk, a, '10.0.0.5/24');
    expect(t.ping(desk, '10.0.0.2')).toBe(true);
    t.remove('h1');
    expect([a.net, desk.net.ifunit('vxlan0'), desk.kern.sysctl.find('net.link.vxlan.0.ftable.count')]).toEqual([null, null, null]);
    t.hosts.shift();
    t.remove('desk');
    t.end();
  });

  it('stops when the vnet that carries it ends, and can be configured anew', () => {
    const t = new Switched(2);
    const host = t.sim.kernel.vnet0;
    const there = t.sim.move(t.sim.clone(host, 'vxlan'), t.at(1).v);
    t.call(() => {
      expect(vxlanSetVni(there, 42)).toBe(EPERM);
      expect([vxlanSetLocal(there, addr('192.0.2.1')), vxlanSetRemote(there, addr('192.0.2.2')), vxlanSetVni(there, 42)]).toEqual([0, 0, 0]);
    });
    const a = t.sim.move(there, host);
    t.vxlan(2, '192.0.2.1');
    t.sim.addr(host, a, '10.0.0.5/24');
    expect(t.ping(host, '10.0.0.2')).toBe(true);
    t.remove('h1');
    t.hosts.shift();
    expect([a.net === host.net, a.isUp, a.isRunning, a.linkState, vxlanOf(a)!.end.carrier]).toEqual([true, false, false, LINK_STATE_DOWN, null]);
    t.call(() => {
      ifUp(a);
      expect([a.isRunning, vxlanSetLocal(a, 0), vxlanConfig(a)!.remote]).toEqual([false, 0, 0]);
      expect(ifCloneDestroy(host.net, a.xname)).toBe(0);
    });
    t.end();
  });

  it('is gone, with its tunnel, when somebody destroys it on the way', () => {
    const t = new Switched(2);
    const desk = t.sim.vnet('desk');
    const a = t.vxlan(1, '192.0.2.2');
    const off = desk.net.arrivalEvent.register(() => void ifCloneDestroyIfp(a, 0));
    expect(t.call(() => ifVmove(a, desk.net)).error).toBe(ENODEV);
    off();
    expect([a.net, t.at(1).v.net.ifunit('vxlan0'), desk.kern.ifcnt, t.at(1).v.vxlan.listeners, t.at(1).v.udp.pcbs.count]).toEqual([null, null, 1, [], 0]);
    t.remove('desk');
    t.end();
  });
});
