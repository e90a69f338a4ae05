/**
 * ingress-plug.test.ts — epochs at an interface: what it receives, and what it sends; on a whole vnet, with ARP and IPv6.
 */
import { describe, expect, it } from 'vitest';
import { IFF_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ifSetFlags } from '../net/if.js';
import { ifQdiscAttach } from '../net/tc/if-qdisc.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import type { Vnet } from '../vnet/vnet.js';
import { EpochPlug } from './epoch-plug.js';
import { ingressPlugAttach, ingressPlugDetach } from './ingress-plug.js';

/** A machine `vm` whose cable ends at `port` of `host`. */
class Lab {
  readonly net = new SimNet(11);
  readonly host: Vnet = this.net.vnet('host');
  readonly vm: Vnet = this.net.vnet('vm');
  readonly port: Ifnet;
  readonly eth: Ifnet;

  constructor() {
    [this.port, this.eth] = this.net.epair(this.host, this.vm);
    this.net.addr(this.host, this.port, '192.0.2.1/24');
    this.net.addr(this.vm, this.eth, '192.0.2.2/24');
    this.net.run(3_000_000);
    this.ping(); // knows the other's address by now
  }

  inside<T>(fn: () => T): T {
    return this.net.kernel.call(this.net.now, fn);
  }

  plug(limits = {}): EpochPlug {
    return this.inside(() => ingressPlugAttach(this.port, (sink) => new EpochPlug(this.host.kern, sink, limits)))!;
  }

  /** The machine sends a datagram, for which nobody is there. */
  ping(): void {
    const so = this.net.udp(this.vm);
    this.inside(() => {
      so.send(Uint8Array.of(1), ip4('192.0.2.1'), 9);
      so.close();
    });
    this.net.run(1_000);
  }

  /** Frames that have come back. */
  get answers(): number {
    return this.eth.data.ipackets;
  }
}

describe('at a port', () => {
  it('what the machine sends waits for its epoch, ARP too, and goes on as if it came now', () => {
    const lab = new Lab();
    const plug = lab.plug();
    const before = lab.answers;
    lab.ping();
    expect([lab.answers > before, plug.packets]).toEqual([true, 0]);
    const epoch = lab.inside(() => plug.closeEpoch());
    const held = lab.answers;
    lab.ping();
    lab.inside(() => lab.vm.arp.flushAll());
    lab.ping();
    expect([epoch, lab.answers, plug.packets]).toEqual([0, held, 2]);
    lab.inside(() => plug.release(plug.closeEpoch()));
    lab.net.run(1_000);
    // What waited for the answer to ARP's question is sent now, and of the open epoch.
    expect([lab.answers > held, plug.packets]).toEqual([true, 1]);
    expect(lab.inside(() => ingressPlugAttach(lab.port, () => plug))).toBeNull();
  });

  it('down, detached, full: what is lost is counted, and nothing is left', () => {
    const lab = new Lab();
    const plug = lab.plug({ packetsMax: 2 });
    lab.inside(() => plug.closeEpoch());
    for (let n = 0; n < 3; n++) lab.ping();
    expect([plug.packets, plug.stats.dropPackets, lab.port.data.iqdrops, lab.net.kernel.audit().unaccounted.packets]).toEqual([2, 1, 1, 0]);
    lab.inside(() => ifSetFlags(lab.port, lab.port.flags & ~IFF_UP));
    expect([plug.packets, plug.stats.purgedPackets]).toEqual([0, 2]);
    lab.inside(() => ifSetFlags(lab.port, lab.port.flags | IFF_UP));
    lab.ping();
    lab.inside(() => ingressPlugDetach(lab.port));
    expect([lab.port.ingress, plug.packets, lab.net.kernel.audit().unaccounted.packets]).toEqual([null, 0, 0]);
    const before = lab.answers;
    lab.ping();
    expect(lab.answers).toBeGreaterThan(before);
  });

  it('goes with its vnet', () => {
    const lab = new Lab();
    const plug = lab.plug();
    lab.inside(() => plug.closeEpoch());
    lab.ping();
    expect(plug.packets).toBe(1);
    const prison = lab.net.kernel.prisons.prison0.children.find((p) => p.name === 'host')!;
    lab.inside(() => lab.net.kernel.jailRemove(prison));
    lab.net.run(1_000_000);
    expect([lab.net.kernel.audit().leaks, lab.net.kernel.audit().unaccounted.packets, plug.packets]).toEqual([[], 0, 0]);
  });
});

it('on what an interface sends', () => {
  const lab = new Lab();
  const plug = lab.inside(() => ifQdiscAttach(lab.eth, 'epoch', (send) => new EpochPlug(lab.vm.kern, send)))!;
  lab.inside(() => plug.closeEpoch());
  const before = lab.port.data.ipackets;
  lab.ping();
  expect([plug.packets, lab.port.data.ipackets]).toEqual([1, before]);
  lab.inside(() => plug.abandon());
  lab.net.run(1_000);
  expect([plug.packets, lab.port.data.ipackets]).toEqual([0, before + 1]);
});
