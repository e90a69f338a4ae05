/**
 * route-monitor.ts — `route monitor`: routing messages of this vnet as they come, until INT.
 * Read first: route(4), route(8); route-messages.ts.
 *
 * With -d: what is known of the interfaces, once, as messages.
 */
import { InIfaddr, RTM_IFINFO, RTM_NEWADDR, isIfAddr6 } from '@netloom/core';
import type { IfAddr, IfAddr6, RtListener, RtMessage, Sockaddr, Vnet } from '@netloom/core';
import { ip6MaskOf, ip6Plain, ip6ZoneOf } from '@netloom/core/wire';
import { errx, warnx } from '../err.js';
import type { Proc } from '../proc.js';
import { messageText, monitorText } from './route-messages.js';
import type { MessageStyle } from './route-messages.js';

/** @param fib only messages about this routing table, or about none. */
export async function routeMonitor(p: Proc, vnet: Vnet, fib: number, style: MessageStyle): Promise<number> {
  const listener = vnet.net.rtsock?.open() ?? errx(p, 1, 'the vnet is going down');
  listener.onReadable = () => p.wake();
  p.atExit(() => listener.close());
  for (let lost = 0; ; ) {
    print(p, listener, fib, style);
    if (listener.drops > lost) {
      lost = listener.drops;
      warnx(p, 'read: No buffer space available');
    }
    await p.flush();
    await p.sleepUs(Infinity);
  }
}

function print(p: Proc, listener: RtListener, fib: number, style: MessageStyle): void {
  for (let m = listener.read(); m !== null; m = listener.read()) {
    if (m.dst === null || m.fib === fib) p.out(monitorText(m, p.wallUs(), style));
  }
}

const NO_ADDRESSES = { errno: 0, fib: 0, dst: null, gateway: null, netmask: null, author: null, ifa: null, broadcast: null } as const;

export function printInterfaces(p: Proc, vnet: Vnet, style: MessageStyle): number {
  for (const ifp of vnet.net.ifnets) {
    const about = { ...NO_ADDRESSES, ifIndex: ifp.index, ifName: ifp.xname };
    const messages: RtMessage[] = [{ ...about, type: RTM_IFINFO, flags: ifp.flags }];
    for (const ia of ifp.addrs) {
      const told = addressesOf(ia);
      if (told !== null) messages.push({ ...about, type: RTM_NEWADDR, flags: 0, ...told });
    }
    for (const m of messages) p.out(messageText(m, style));
  }
  return 0;
}

/** What RTM_NEWADDR says of an address. */
function addressesOf(ia: IfAddr): Pick<RtMessage, 'ifa' | 'netmask' | 'broadcast'> | null {
  if (isIfAddr6(ia)) return addressesOf6(ia);
  if (!(ia instanceof InIfaddr)) return null;
  const inet = (addr: number | null): Sockaddr | null => (addr === null ? null : { family: 'inet', addr });
  return { ifa: inet(ia.addr), netmask: inet(ia.mask), broadcast: inet(ia.broadcast ?? ia.dstaddr) };
}

function addressesOf6(ia: IfAddr6): Pick<RtMessage, 'ifa' | 'netmask' | 'broadcast'> {
  const inet6 = (addr: Uint8Array): Sockaddr => ({ family: 'inet6', addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) });
  const far = ia.dstaddr ?? null;
  return { ifa: inet6(ia.addr), netmask: { family: 'inet6', addr: ip6MaskOf(ia.plen), scopeId: 0 }, broadcast: far === null ? null : inet6(far) };
}
