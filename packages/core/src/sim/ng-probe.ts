/**
 * ng-probe.ts — NgProbe: a node of a test, which sends packets in any state and keeps what it gets as it got it.
 *
 * A socket shows bytes as on a wire; a probe shows what a packet carries beside them.
 */
import type { Errno } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { NgBase } from '../netgraph/ng-base.js';
import type { NgMessage } from '../netgraph/ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../netgraph/ng-node.js';

/** What a packet was when it came. */
export interface NgProbed {
  readonly hook: string;
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly vtag: number;
  readonly vproto: number;
  readonly csumFlags: number;
  /** From the packet's first byte; 0 for none. */
  readonly csumStart: number;
  readonly csumOffset: number;
  readonly gsoSize: number;
  /** Cookie and id of each tag. */
  readonly tags: readonly (readonly [number, number])[];
}

const probeType: NgType = { name: 'probe', cookie: 1, cmds: [], construct: null };

export class NgProbe implements NgNodeOps {
  readonly got: NgProbed[] = [];
  readonly messages: NgMessage[] = [];
  /** What it answers to data. */
  error: Errno = 0;
  /** Called with each packet before it is kept. */
  onData: ((m: PacketBuffer) => void) | null = null;
  readonly node: NgNode;
  private readonly base: NgBase;
  private readonly inside: <T>(fn: () => T) => T;

  /** @param inside enters the kernel. */
  constructor(base: NgBase, inside: <T>(fn: () => T) => T) {
    this.base = base;
    this.inside = inside;
    const node = inside(() => base.makeNode(probeType, () => this));
    if (typeof node === 'number') throw new Error(`probe: errno ${node}`);
    this.node = node;
  }

  /** Joins its hook `ours` to that of a node. */
  join(ours: string, peer: string, theirs: string): Errno {
    return this.inside(() => {
      const node = this.base.byName(peer);
      return node === null ? -1 : this.base.connect(this.node, ours, node, theirs);
    });
  }

  /** Sends `bytes` out of its hook; `prepare` says what else the packet carries. */
  send(hook: string, bytes: Uint8Array, prepare?: (m: PacketBuffer) => void): Errno {
    const m = this.base.kern.engine.pool.from(bytes);
    if (m === null) return -1;
    prepare?.(m);
    return this.sendPacket(hook, m);
  }

  sendPacket(hook: string, m: PacketBuffer): Errno {
    return this.inside(() => this.base.send(this.node.findHook(hook), m));
  }

  sendMsg(hook: string, msg: NgMessage): Errno {
    msg.raddr = this.node.id;
    return this.inside(() => this.base.sendMsgHook(this.node.findHook(hook), msg));
  }

  /** What it has got, and forgets it. */
  take(): NgProbed[] {
    return this.got.splice(0);
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    this.onData?.(m);
    const { flags, vtag, vproto, csumFlags, csumOffset, gsoSize } = m;
    const tags: (readonly [number, number])[] = [];
    for (let tag = m.tags; tag !== null; tag = tag.next) tags.push([tag.cookie, tag.id]);
    this.got.push({ hook: hook.name, bytes: m.bytes().slice(), flags, vtag, vproto, csumFlags, csumStart: m.csumStart === 0 ? 0 : m.csumStart - m.off, csumOffset, gsoSize, tags });
    m.free();
    return this.error;
  }

  rcvmsg(msg: NgMessage): Errno {
    this.messages.push(msg);
    return 0;
  }

  disconnect(): void {
    // It stays.
  }
}
