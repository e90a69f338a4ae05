/**
 * rtsock.ts — routing messages: what changed in this vnet, told to whoever listens.
 * Read first: route(4).
 *
 * Theory of operation. A listener has a bounded queue of messages (plain values, in the order things happened). Producers
 * do nothing while nobody listens, and everything is dropped while the vnet has no loopback interface, as in FreeBSD.
 * A listener sees its own vnet and nothing else; an interface that moves departs in one vnet and arrives in the other.
 * Not here: the byte layout of `struct rt_msghdr`; `route monitor` prints from these values.
 */
import { LazySet } from '../base/lazy-map.js';
import type { AuditRow } from '../kern/audit.js';
import type { IfAddr } from './ifaddr.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import type { Sockaddr } from './sockaddr.js';

export const RTM_ADD = 0x1;
export const RTM_DELETE = 0x2;
export const RTM_CHANGE = 0x3;
export const RTM_GET = 0x4;
export const RTM_REDIRECT = 0x6;
export const RTM_MISS = 0x7;
export const RTM_NEWADDR = 0xc;
export const RTM_DELADDR = 0xd;
export const RTM_IFINFO = 0xe;
export const RTM_NEWMADDR = 0xf;
export const RTM_DELMADDR = 0x10;
export const RTM_IFANNOUNCE = 0x11;

export const IFAN_ARRIVAL = 0;
export const IFAN_DEPARTURE = 1;

export interface RtMessage {
  readonly type: number;
  /** Interface it is about; 0 when none. */
  readonly ifIndex: number;
  readonly ifName: string;
  /** RTF_* for route messages, IFF_* for RTM_IFINFO, IFAN_* for RTM_IFANNOUNCE. */
  readonly flags: number;
  readonly fib: number;
  readonly errno: number;
  readonly dst: Sockaddr | null;
  readonly gateway: Sockaddr | null;
  readonly netmask: Sockaddr | null;
  /** Who redirected. */
  readonly author: Sockaddr | null;
  readonly ifa: Sockaddr | null;
  readonly broadcast: Sockaddr | null;
}

/** Messages a listener may have waiting; the newest are dropped and counted beyond that. */
export const RTSOCK_QUEUE_MAX = 1_024;

export class RtListener {
  readonly queue: RtMessage[] = [];
  drops = 0;
  /** The vnet is gone: nothing more will come. */
  ended = false;
  /** Called when the queue becomes non-empty, and at the end. May be called on the packet path. */
  onReadable: (() => void) | null = null;
  private readonly owner: Rtsock;

  constructor(owner: Rtsock) {
    this.owner = owner;
  }

  /** Takes the oldest message, or null. */
  read(): RtMessage | null {
    return this.queue.shift() ?? null;
  }

  close(): void {
    this.owner.listeners.delete(this);
  }
}

const RTSOCK_AUDIT: readonly AuditRow<Rtsock>[] = [{ name: 'routing message listeners', count: (r) => r.listeners.size }];

export class Rtsock {
  readonly listeners = new LazySet<RtListener>();
  private readonly net: Net;

  constructor(net: Net) {
    this.net = net;
    net.kern.audit.attach(RTSOCK_AUDIT, this);
  }

  /** Opens a listener. */
  open(): RtListener {
    const l = new RtListener(this);
    this.listeners.add(l);
    return l;
  }

  /** Ends every listener and tells it: the vnet goes. */
  destroy(): void {
    const all = [...this.listeners];
    this.listeners.clear();
    for (const l of all) {
      l.ended = true;
      l.onReadable?.();
    }
  }

  get listening(): boolean {
    return this.listeners.size > 0 && this.net.loif !== null;
  }

  /** Queues a message to every listener. Fields left out are 0, '' or null. */
  post(message: Partial<RtMessage> & { readonly type: number }): void {
    if (!this.listening) return;
    const full: RtMessage = {
      ifIndex: 0, ifName: '', flags: 0, fib: 0, errno: 0, dst: null, gateway: null, netmask: null, author: null, ifa: null, broadcast: null, ...message,
    };
    for (const l of this.listeners) {
      if (l.queue.length >= RTSOCK_QUEUE_MAX) {
        l.drops++;
        continue;
      }
      l.queue.push(full);
      if (l.queue.length === 1) l.onReadable?.();
    }
  }

  ifannounce(ifp: Ifnet, arrival: boolean): void {
    if (this.listening) this.post({ type: RTM_IFANNOUNCE, ifIndex: ifp.index, ifName: ifp.xname, flags: arrival ? IFAN_ARRIVAL : IFAN_DEPARTURE });
  }

  ifinfo(ifp: Ifnet): void {
    if (this.listening) this.post({ type: RTM_IFINFO, ifIndex: ifp.index, ifName: ifp.xname, flags: ifp.flags });
  }

  /** RTM_NEWADDR or RTM_DELADDR. */
  addr(ifa: IfAddr, added: boolean, address: Sockaddr, netmask: Sockaddr | null, broadcast: Sockaddr | null): void {
    if (!this.listening) return;
    const type = added ? RTM_NEWADDR : RTM_DELADDR;
    this.post({ type, ifIndex: ifa.ifp.index, ifName: ifa.ifp.xname, ifa: address, netmask, broadcast });
  }

  /** RTM_NEWMADDR or RTM_DELMADDR for a link-layer group. */
  newmaddr(ifp: Ifnet, mac: Uint8Array, added: boolean): void {
    if (!this.listening) return;
    const ifa: Sockaddr = { family: 'link', index: ifp.index, name: ifp.xname, lladdr: mac.slice() };
    this.post({ type: added ? RTM_NEWMADDR : RTM_DELMADDR, ifIndex: ifp.index, ifName: ifp.xname, ifa });
  }
}
