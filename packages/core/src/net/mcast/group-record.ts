/**
 * group-record.ts — group records of membership reports: what they are, and how many fit into a packet.
 * Read first: RFC 9776 §4.2.12 to §4.2.16, RFC 9777 §5.2.12 to §5.2.15.
 *
 * Both families have the same types and layout; a family's codec writes them (inet/igmp-output.ts, inet6/mld6-output.ts).
 *
 * @rfc 9776 4.2.16 yes
 * @rfc 9777 5.2.15 yes
 */
import type { McastAddr } from './source-filter.js';

export const MODE_IS_INCLUDE = 1;
export const MODE_IS_EXCLUDE = 2;
export const CHANGE_TO_INCLUDE_MODE = 3;
export const CHANGE_TO_EXCLUDE_MODE = 4;
export const ALLOW_NEW_SOURCES = 5;
export const BLOCK_OLD_SOURCES = 6;

export interface GroupRecord<A extends McastAddr> {
  readonly type: number;
  readonly group: A;
  readonly sources: readonly A[];
}

/**
 * Puts records into packets of at most `room` bytes of records each; `head` is the size of a record without sources, `addr` of an address.
 * A record with too many sources is cut into several, but for one that names who is excluded: there two records would mean something
 * else, and the list is cut short instead (more comes than was asked for).
 */
export function packRecords<A extends McastAddr>(records: readonly GroupRecord<A>[], room: number, head: number, addr: number): GroupRecord<A>[][] {
  const packets: GroupRecord<A>[][] = [];
  let packet: GroupRecord<A>[] = [];
  let left = room;
  const flush = (): void => {
    if (packet.length > 0) packets.push(packet);
    packet = [];
    left = room;
  };
  for (const r of records) {
    const most = Math.max(0, Math.floor((room - head) / addr));
    const excludes = r.type === MODE_IS_EXCLUDE || r.type === CHANGE_TO_EXCLUDE_MODE;
    let at = 0;
    do {
      const rest = r.sources.length - at;
      if (left < head + addr * Math.min(rest, most)) flush();
      const n = Math.min(rest, most);
      packet.push({ type: r.type, group: r.group, sources: at === 0 && n === rest ? r.sources : r.sources.slice(at, at + n) });
      left -= head + addr * n;
      at += n;
      if (excludes || most === 0) break;
    } while (at < r.sources.length);
  }
  flush();
  return packets;
}
