/**
 * route-monitor.ts — `route monitor`: routing messages of this vnet as they come, until INT.
 * Read first: route(4), route(8); route-messages.ts.
 *
 * With -d: what is known of the interfaces, once, as messages.
 */
import { InIfaddr, RTM_IFINFO, RTM_NEWADDR } from '@netloom/core';
import type { RtListener, RtMessage, Vnet } from '@netloom/core';
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
      if (!(ia instanceof InIfaddr)) continue;
      const inet = (addr: number | null): RtMessage['ifa'] => (addr === null ? null : { family: 'inet', addr });
      messages.push({ ...about, type: RTM_NEWADDR, flags: 0, ifa: inet(ia.addr), netmask: inet(ia.mask), broadcast: inet(ia.broadcast ?? ia.dstaddr) });
    }
    for (const m of messages) p.out(messageText(m, style));
  }
  return 0;
}
