/**
 * bridge-link.ts — one hook of a bridge node: `linkN`, which learns, or `uplinkN`, which does not.
 * Read first: ng_bridge(4).
 */
import { ngStruct, ngUint64 } from '../ng-parse.js';
import type { Hook } from '../ng-node.js';

export class BridgeStats {
  recvOctets = 0;
  recvPackets = 0;
  recvMulticast = 0;
  recvBroadcast = 0;
  recvUnknown = 0;
  recvRunts = 0;
  recvInvalid = 0;
  xmitOctets = 0;
  xmitPackets = 0;
  xmitMulticasts = 0;
  xmitBroadcasts = 0;
  loopDrops = 0;
  loopDetects = 0;
  memoryFailures = 0;
}

export const bridgeStatsType = ngStruct<BridgeStats>({
  recvOctets: ngUint64, recvPackets: ngUint64, recvMulticast: ngUint64, recvBroadcast: ngUint64, recvUnknown: ngUint64, recvRunts: ngUint64, recvInvalid: ngUint64,
  xmitOctets: ngUint64, xmitPackets: ngUint64, xmitMulticasts: ngUint64, xmitBroadcasts: ngUint64, loopDrops: ngUint64, loopDetects: ngUint64, memoryFailures: ngUint64,
});

export class BridgeLink {
  readonly hook: Hook;
  readonly isUplink: boolean;
  /** Does it learn, and does it get frames for hosts that nobody knows? */
  readonly learns: boolean;
  readonly sendUnknown: boolean;
  /** Seconds for which it is muted, because a loop was seen. */
  muted = 0;
  stats = new BridgeStats();

  constructor(hook: Hook, isUplink: boolean, sendUnknown: boolean) {
    this.hook = hook;
    this.isUplink = isUplink;
    this.learns = !isUplink;
    this.sendUnknown = isUplink || sendUnknown;
  }
}

/** What kind of link a hook's name asks for, and its number, -1 for whichever is free; null: it is not a link's name. */
export function bridgeLinkName(name: string): { readonly isUplink: boolean; readonly number: number } | null {
  const parts = /^(link|uplink)(0|[1-9][0-9]{0,9})?$/.exec(name);
  if (parts === null || name === 'uplink0') return null;
  return { isUplink: parts[1] === 'uplink', number: parts[2] === undefined ? -1 : Number(parts[2]) };
}
