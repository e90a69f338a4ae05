/**
 * plug-options.ts — the options of Linux's qdisc `plug`: what it is told by a change, and how much it may hold.
 * Read first: Linux include/uapi/linux/pkt_sched.h ("struct tc_plug_qopt"), net/sched/sch_plug.c; docs/netbuf.md.
 *
 * An action and a limit of bytes, a word each. At creation the limit alone is read.
 */
import { words } from './attributes.js';

export const TCQ_PLUG_BUFFER = 0;
export const TCQ_PLUG_RELEASE_ONE = 1;
export const TCQ_PLUG_RELEASE_INDEFINITE = 2;
export const TCQ_PLUG_LIMIT = 3;

export const PLUG_LIMIT_MAX = 0xffff_ffff;

export function plugOptions(action: number, limitBytes = 0): Uint8Array {
  return words(action, limitBytes);
}
