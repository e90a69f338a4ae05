/**
 * tc-action.ts — what a filter does with a packet that it matches: `mirred egress redirect|mirror dev IF`, and `drop` and `pass`.
 * Read first: tc-mirred(8), tc-actions(8); Linux's `net/sched/act_mirred.c`.
 *
 * A redirected packet goes out by another interface of the vnet as if it had been sent there, with its link header and through that interface's discipline; `m.rcvif` still says where it came in, and an ifb
 * gives it back there. When the other interface is down, or gone, the packet is dropped and the action's overlimits are counted: whatever leads into it is a black hole meanwhile, on Linux too.
 *
 * Invariant: `to` is an interface of the filter's vnet, or null.
 */
import type { Micros } from '../../base/time.js';
import { M_REDIRECTED } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { HOPS_MAX } from '../ether.js';
import { ifTransmit } from '../if-transmit.js';
import type { Ifnet } from '../ifnet.js';

/** What becomes of the packet: values of Linux. */
export const TC_ACT_UNSPEC = -1;
export const TC_ACT_OK = 0;
export const TC_ACT_SHOT = 2;
export const TC_ACT_PIPE = 3;
export const TC_ACT_STOLEN = 4;

export type TcActionSpec =
  | { readonly kind: 'mirred'; readonly redirect: boolean; readonly to: Ifnet }
  | { readonly kind: 'gact'; readonly verdict: typeof TC_ACT_OK | typeof TC_ACT_SHOT };

export class TcAction {
  readonly kind: 'mirred' | 'gact';
  /** Its number in the vnet. */
  readonly index: number;
  /** What it answers when it does what it is there for. */
  readonly verdict: number;
  /** mirred: where to; null when that interface is gone. */
  to: Ifnet | null;
  packets = 0;
  bytes = 0;
  drops = 0;
  overlimits = 0;
  readonly installed: Micros;
  /** When a packet came first, and last; -1 never. */
  firstUse: Micros = -1;
  lastUse: Micros = -1;

  constructor(spec: TcActionSpec, index: number, now: Micros) {
    this.kind = spec.kind;
    this.index = index;
    this.installed = now;
    this.to = spec.kind === 'mirred' ? spec.to : null;
    this.verdict = spec.kind === 'gact' ? spec.verdict : spec.redirect ? TC_ACT_STOLEN : TC_ACT_PIPE;
  }

  /** Does it. Owns `m` when it answers TC_ACT_STOLEN. `len`: the packet's, without link header. */
  run(m: PacketBuffer, len: number, now: Micros): number {
    this.packets++;
    this.bytes += len;
    this.lastUse = now;
    if (this.firstUse < 0) this.firstUse = now;
    if (this.kind === 'mirred') return this.mirred(m);
    if (this.verdict === TC_ACT_SHOT) this.drops++;
    return this.verdict;
  }

  private mirred(m: PacketBuffer): number {
    const { to, verdict } = this;
    const redirect = verdict === TC_ACT_STOLEN;
    const out = to === null || !to.isRunning || m.hops >= HOPS_MAX ? null : redirect ? m : m.pool.copy(m);
    if (to === null || out === null) {
      this.overlimits++;
      return redirect ? TC_ACT_SHOT : verdict;
    }
    out.hops++;
    if (redirect) out.flags |= M_REDIRECTED;
    if (ifTransmit(to, out) !== 0) this.overlimits++;
    return verdict;
  }
}
