/**
 * in6-stf.ts — IPv6 as what an stf carries: where a packet that came out of it would go.
 * Read first: net/stf.ts, inet/in-stf.ts (who carries it); RFC 3056 §5.
 *
 * Not here: the way out, which is ip6-output.ts: a packet whose route has a gateway is handed over with it.
 *
 * @rfc 3056 5 yes
 */
import { stfVnet } from '../net/stf.js';
import type { StfRoute6 } from '../net/stf.js';
import { ip6Word } from '../wire/addr6.js';
import type { Ip6 } from './ip6.js';

export class In6Stf {
  private readonly ip6: Ip6;

  constructor(ip6: Ip6) {
    this.ip6 = ip6;
    const vnet = stfVnet(ip6.net);
    if (vnet !== null) vnet.lookup6 = (fib, bytes, off) => this.lookup(fib, bytes, off);
  }

  destroy(): void {
    const vnet = stfVnet(this.ip6.net);
    if (vnet !== null) vnet.lookup6 = null;
  }

  private lookup(fib: number, bytes: Uint8Array, off: number): StfRoute6 | null {
    const nh = this.ip6.routes.lookup6(fib, ip6Word(bytes, 0, off), ip6Word(bytes, 1, off), ip6Word(bytes, 2, off), ip6Word(bytes, 3, off), 0);
    return nh === null ? null : { ifp: nh.ifp, gateway: nh.gw6 };
  }
}
