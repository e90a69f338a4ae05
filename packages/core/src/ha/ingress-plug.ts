/**
 * ingress-plug.ts — a plug on what an interface receives: at a virtual machine's port, that is what the machine sends.
 * Read first: output-plug.ts; docs/plug.md ("Where it sits").
 *
 * What Linux does with a filter, an ifb and a plug on the ifb, without the three. A frame is counted and tapped when it arrives, is held, and goes on as if nothing had been. `tc qdisc add dev IF ingress` finds the place taken
 * meanwhile. An interface that moves to another vnet arrives without, and what was held is gone: whoever put the plug here hears of the departure and puts one on the new instance.
 *
 * Invariant: `ifp.ingress` is this object, or this object is destroyed.
 */
import type { Errno } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ifReinput } from '../net/if-transmit.js';
import type { IfIngressHook, Ifnet } from '../net/ifnet.js';
import type { OutputPlug, PlugSink } from './output-plug.js';

class IngressPlug implements IfIngressHook {
  private readonly ifp: Ifnet;
  private readonly plug: OutputPlug;

  constructor(ifp: Ifnet, plug: OutputPlug) {
    this.ifp = ifp;
    this.plug = plug;
  }

  get packets(): number {
    return this.plug.packets;
  }

  input(m: PacketBuffer): boolean {
    const { ifp, plug } = this;
    const drops = plug.stats.dropPackets;
    plug.output(m);
    if (plug.stats.dropPackets !== drops) ifp.data.iqdrops++;
    return true;
  }

  reset(): void {
    this.plug.reset();
  }

  /** What is held came by this interface, and by no other. */
  forget(): void {}

  destroy(): void {
    this.plug.destroy();
  }
}

/** Puts a plug on what `ifp` receives; null when somebody looks at that already. `make` is given the function that frames go on by. */
export function ingressPlugAttach<P extends OutputPlug>(ifp: Ifnet, make: (sink: PlugSink) => P): P | null {
  if (ifp.ingress !== null) return null;
  const plug = make((m): Errno => {
    ifReinput(ifp, m);
    return 0;
  });
  ifp.ingress = new IngressPlug(ifp, plug);
  return plug;
}

/** Takes the plug away; what it holds is freed. Another's hook stays. */
export function ingressPlugDetach(ifp: Ifnet): void {
  if (!(ifp.ingress instanceof IngressPlug)) return;
  ifp.ingress.destroy();
  ifp.ingress = null;
}
