/**
 * free-ifb.ts — which ifb a new network buffer gets: one that nobody uses.
 * Read first: Linux drivers/net/ifb.c; docs/netbuf.md ("The pool").
 *
 * Free is an ifb that is down, has no qdisc but what the kernel puts there of itself, and is in no record. One that is up may be somebody's already whose qdisc is the default one; a record may be of a buffer whose
 * qdisc has been removed by hand and whose redirect is still there.
 */
import type { Link, Qdisc } from '../netlink/index.js';
import { TC_H_ROOT } from '../netlink/index.js';
import { NetbufError } from './netbuf-error.js';
import type { NetbufRecord } from './netbuf-record.js';

/** Why nobody may have that ifb now; null when it is free. */
export function whyTaken(ifb: Link, qdiscs: readonly Qdisc[], records: readonly NetbufRecord[]): string | null {
  const record = records.find((other) => other.ifb.index === ifb.index);
  if (record !== undefined) return `holds what ${record.vif.name} sends`;
  const root = qdiscs.find((qdisc) => qdisc.ifindex === ifb.index && qdisc.parent === TC_H_ROOT && qdisc.handle !== 0);
  if (root !== undefined) return `has the qdisc ${root.kind}`;
  return ifb.isUp ? 'is up' : null;
}

/** The first free ifb, or the one that is `wanted`. @throws NetbufError */
export function chooseIfb(links: readonly Link[], qdiscs: readonly Qdisc[], records: readonly NetbufRecord[], wanted: string | null = null): Link {
  const pool = links.filter(({ kind, name }) => kind === 'ifb' && (wanted === null || name === wanted));
  const other = links.find(({ name }) => name === wanted);
  if (wanted !== null && pool.length === 0) {
    throw new NetbufError(other === undefined ? `there is no interface ${wanted}. Make it: sudo ip link add ${wanted} type ifb` : `${wanted} is no ifb${other.kind === null ? '' : `, but a ${other.kind}`}`);
  }
  const reasons: string[] = [];
  for (const ifb of pool) {
    const reason = whyTaken(ifb, qdiscs, records);
    if (reason === null) return ifb;
    reasons.push(`${ifb.name} ${reason}`);
  }
  if (wanted !== null) throw new NetbufError(`${reasons.join('')}: another buffer cannot have it`);
  const cure = pool.length === 0 ? 'Load the module with as many as there are interfaces to buffer: sudo modprobe ifb numifbs=8' : `Make another one: sudo ip link add ${nextName(links)} type ifb`;
  throw new NetbufError(`no ifb is free${reasons.length === 0 ? ': there is none' : ` (${reasons.join(', ')})`}. ${cure}`);
}

function nextName(links: readonly Link[]): string {
  let n = 0;
  while (links.some(({ name }) => name === `ifb${n}`)) n++;
  return `ifb${n}`;
}
