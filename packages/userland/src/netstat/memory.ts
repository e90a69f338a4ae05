/**
 * memory.ts — `netstat -m`: the packets of the whole kernel.
 * Read first: netstat(1); packages/core/src/mbuf/packet-buffer.ts.
 *
 * A packet here is what FreeBSD makes of an mbuf and a cluster, in two sizes; so there are two lines of clusters and none of mbufs.
 */
import { LARGE_SLOT, SMALL_SLOT } from '@netloom/core';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import type { NetstatOptions } from './options.js';

const KILO = 1_024;

export function netstatMemory(p: Proc, o: NetstatOptions): number {
  const { pool } = p.kernel.engine;
  const inUse = Math.floor((pool.smallInUse * SMALL_SLOT + pool.largeInUse * LARGE_SLOT) / KILO);
  const max = Math.floor((pool.smallMax * SMALL_SLOT + pool.largeMax * LARGE_SLOT) / KILO);
  if (o.json !== 'none') {
    const all = {
      'cluster-current': pool.smallInUse, 'cluster-max': pool.smallMax, 'jumbo-count': pool.largeInUse, 'jumbo-max': pool.largeMax,
      'jumbo-page-size': LARGE_SLOT / KILO, 'bytes-in-use': inUse, 'bytes-total': max, 'packet-failures': pool.denied,
    };
    p.out(jsonText({ 'mbuf-statistics': all }, o.json));
    return 0;
  }
  p.out(`${pool.smallInUse}/${pool.smallMax} mbuf+clusters in use (current/max)\n`);
  p.out(`${pool.largeInUse}/${pool.largeMax} ${LARGE_SLOT / KILO}k jumbo clusters in use (current/max)\n`);
  p.out(`${inUse}K/${max}K bytes allocated to network (current/max)\n`);
  p.out(`${pool.denied} requests for mbuf+clusters denied\n`);
  return 0;
}
