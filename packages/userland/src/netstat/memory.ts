/**
 * memory.ts — `netstat -m`: the packets of the whole kernel.
 * Read first: netstat(1); packages/core/src/mbuf/packet-buffer.ts.
 *
 * A packet here is what FreeBSD makes of an mbuf and a cluster, in two sizes; so there are two lines of clusters and none of mbufs. Behind
 * FreeBSD's lines is what the sockets of this stack hold, and the work that software did on packets of all stacks.
 */
import { LARGE_SLOT, SMALL_SLOT } from '@netloom/core';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import type { NetstatOptions } from './options.js';

const KILO = 1_024;

const kilo = (bytes: number): number => Math.floor(bytes / KILO);

export function netstatMemory(p: Proc, o: NetstatOptions): number {
  const { pool } = p.kernel.engine;
  const inUse = kilo(pool.smallInUse * SMALL_SLOT + pool.largeInUse * LARGE_SLOT);
  const max = kilo(pool.bytesMax);
  const { sockmem } = p.vnet.kern;
  const { work } = pool;
  if (o.json !== 'none') {
    const all = {
      'cluster-current': pool.smallInUse, 'cluster-max': pool.smallMax, 'jumbo-count': pool.largeInUse, 'jumbo-max': pool.largeMax,
      'jumbo-page-size': LARGE_SLOT / KILO, 'bytes-in-use': inUse, 'bytes-total': max, 'packet-failures': pool.denied, 'jumbo-failures': pool.largeDenied,
      'socket-bytes': sockmem.bytes, 'socket-bytes-peak': sockmem.peak, 'socket-bytes-max': sockmem.total.vnetMax, 'socket-failures': sockmem.denied,
      segmented: work.segmented, 'segmented-packets': work.pieces, 'software-checksums': work.checksums, copies: work.copies,
    };
    p.out(jsonText({ 'mbuf-statistics': all }, o.json));
    return 0;
  }
  p.out(`${pool.smallInUse}/${pool.smallMax} mbuf+clusters in use (current/max)\n`);
  p.out(`${pool.largeInUse}/${pool.largeMax} ${LARGE_SLOT / KILO}k jumbo clusters in use (current/max)\n`);
  p.out(`${inUse}K/${max}K bytes allocated to network (current/max)\n`);
  p.out(`${pool.denied - pool.largeDenied} requests for mbuf+clusters denied\n`);
  p.out(`${pool.largeDenied} requests for jumbo clusters denied (${LARGE_SLOT / KILO}k)\n`);
  p.out(`${kilo(sockmem.bytes)}K/${kilo(sockmem.peak)}K/${kilo(sockmem.total.vnetMax)}K bytes held by sockets of this stack (current/peak/max)\n`);
  p.out(`${sockmem.denied} packets dropped because sockets of this stack held too much\n`);
  p.out(`${work.segmented} super-segments cut in software, into ${work.pieces} packets\n`);
  p.out(`${work.checksums} transport checksums computed in software\n`);
  p.out(`${work.copies} packets copied\n`);
  return 0;
}
