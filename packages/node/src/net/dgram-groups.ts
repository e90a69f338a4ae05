/**
 * dgram-groups.ts — which groups a UDP socket hears, and by which interface it sends to them, in Node's words.
 * Read first: Node's socket.addMembership; packages/core/src/transport/pcb-multicast.ts.
 */
import { EAFNOSUPPORT, EINVAL, ENXIO } from '@netloom/core';
import type { Errno, Ifnet, Socket } from '@netloom/core';
import { NetError, sockAddrParse } from '@netloom/core/promises';
import type { VnetDoor } from './vnet-door.js';

export class DgramGroups {
  private readonly door: VnetDoor;
  private readonly so: Socket;

  constructor(door: VnetDoor, so: Socket) {
    this.door = door;
    this.so = so;
  }

  /** Joins or leaves `group`, as sent by `source` or (null) by anybody, on an interface or the one the route names. */
  change(join: boolean, group: string, source: string | null, ifname: string | undefined): Errno {
    return caught(() => {
      const { so } = this;
      const ifp = ifname === undefined ? null : this.ifp(ifname);
      const to = sockAddrParse(this.door.vnet, so.domain, group);
      const from = source === null ? null : sockAddrParse(this.door.vnet, so.domain, source);
      if (typeof to === 'number') {
        if (from !== null && typeof from !== 'number') return EINVAL;
        return join ? so.joinGroup(to, ifp, from) : so.leaveGroup(to, ifp, from);
      }
      if (typeof from === 'number') return EAFNOSUPPORT;
      return join ? so.joinGroup6(to.addr, ifp, from?.addr ?? null) : so.leaveGroup6(to.addr, ifp, from?.addr ?? null);
    });
  }

  setInterface(name: string): Errno {
    return caught(() => this.so.setMulticastIf(/^(0\.0\.0\.0|::)$/.test(name) ? null : this.ifp(name)));
  }

  /** By name, as `::%name`, or by an address of it. */
  private ifp(name: string): Ifnet {
    const { net, inNet } = this.door.vnet;
    const zone = name.includes('%') ? name.slice(name.indexOf('%') + 1) : name;
    const named = net.ifunit(zone);
    if (named !== null) return named;
    const addr = sockAddrParse(this.door.vnet, this.so.domain, name);
    const found = typeof addr === 'number' ? inNet.addrOf(addr) : this.door.vnet.in6Net.addrOfBytes(addr.addr);
    if (found === null) throw new NetError(ENXIO, `interface '${name}'`);
    return found.ifp;
  }
}

function caught(fn: () => Errno): Errno {
  try {
    return fn();
  } catch (failed) {
    if (failed instanceof NetError) return failed.errno;
    throw failed;
  }
}
