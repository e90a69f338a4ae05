/**
 * igmp.ts — prints IGMP: `igmp v2 report 224.1.2.3`.
 * Read first: RFC 2236 §2, RFC 9776 §4.
 * Not here: DVMRP, PIM version 1 and multicast traceroute, which share the number; they print their type.
 */

import { inCksum } from '../checksum.js';
import * as igmp from '../igmp.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

/** Names of group record types; MLD uses the same. */
export const GROUP_RECORD_NAMES: ReadonlyMap<number, string> = new Map([
  [igmp.IGMP_MODE_IS_INCLUDE, 'is_in'],
  [igmp.IGMP_MODE_IS_EXCLUDE, 'is_ex'],
  [igmp.IGMP_CHANGE_TO_INCLUDE_MODE, 'to_in'],
  [igmp.IGMP_CHANGE_TO_EXCLUDE_MODE, 'to_ex'],
  [igmp.IGMP_ALLOW_NEW_SOURCES, 'allow'],
  [igmp.IGMP_BLOCK_OLD_SOURCES, 'block'],
]);

/** The maximum response time that queries have by default, in 1/10 s; it is not worth a word. */
const RESPONSE_DEFAULT = 100;

export function igmpPrint(p: Printer, at: number, length: number): void {
  p.proto = 'igmp';
  if (p.flags.quiet) {
    p.put('igmp');
    return;
  }
  const type = p.u8(at);
  switch (type) {
    case igmp.IGMP_HOST_MEMBERSHIP_QUERY:
      p.put('igmp query');
      if (length >= igmp.IGMP_V3_QUERY_MINLEN) query3Print(p, at, length);
      else queryPrint(p, at, length);
      break;
    case igmp.IGMP_V1_HOST_MEMBERSHIP_REPORT:
      p.put(`igmp v1 report ${p.ip4(at + igmp.IGMP_GROUP)}`);
      if (length !== igmp.IGMP_MINLEN) p.put(` [len ${length}]`);
      break;
    case igmp.IGMP_V2_HOST_MEMBERSHIP_REPORT:
      p.put(`igmp v2 report ${p.ip4(at + igmp.IGMP_GROUP)}`);
      break;
    case igmp.IGMP_V3_HOST_MEMBERSHIP_REPORT:
      p.put('igmp v3 report');
      report3Print(p, at, length);
      break;
    case igmp.IGMP_HOST_LEAVE_MESSAGE:
      p.put(`igmp leave ${p.ip4(at + igmp.IGMP_GROUP)}`);
      break;
    default:
      p.put(`igmp-${type}`);
  }
  if (p.flags.verbose > 0 && length >= 4 && p.has(at, length) && inCksum(p.view, at, length) !== 0) {
    p.put(` bad igmp cksum ${hex(p.u16(at + igmp.IGMP_CKSUM))}!`);
  }
}

/** Versions 1 and 2. */
function queryPrint(p: Printer, at: number, length: number): void {
  const code = p.u8(at + igmp.IGMP_CODE);
  p.put(code === 0 ? ' v1' : ' v2');
  if (code !== 0 && code !== RESPONSE_DEFAULT) p.put(` [max resp time ${code}]`);
  if (p.u32(at + igmp.IGMP_GROUP) !== 0) p.put(` [gaddr ${p.ip4(at + igmp.IGMP_GROUP)}]`);
  if (length !== igmp.IGMP_MINLEN) p.put(` [len ${length}]`);
}

function query3Print(p: Printer, at: number, length: number): void {
  p.put(' v3');
  if ((length & 3) !== 0) {
    p.put(` [invalid len ${length}]`);
    return;
  }
  const code = p.u8(at + igmp.IGMP_CODE);
  if (code !== RESPONSE_DEFAULT) {
    const tenths = igmp.igmpCodeValue(code);
    p.put(` [max resp time ${tenths < 600 ? `${(tenths * 0.1).toFixed(1)}s` : relativeTime(Math.floor(tenths / 10))}]`);
  }
  if (p.u32(at + igmp.IGMP_GROUP) === 0) return;
  p.put(` [gaddr ${p.ip4(at + igmp.IGMP_GROUP)}`);
  const nsrcs = p.u16(at + igmp.IGMP_V3_NUMSRC);
  if (nsrcs > 0) {
    if (length < igmp.IGMP_V3_QUERY_MINLEN + 4 * nsrcs) p.put(' [invalid number of sources]');
    else sourcesPrint(p, at + igmp.IGMP_V3_QUERY_MINLEN, nsrcs);
  }
  p.put(']');
}

/** How many sources, or with -vv which. */
function sourcesPrint(p: Printer, at: number, nsrcs: number): void {
  if (p.flags.verbose < 2) {
    p.put(`, ${nsrcs} source(s)`);
    return;
  }
  p.put(' {');
  for (let i = 0; i < nsrcs; i++) p.put(` ${p.ip4(at + 4 * i)}`);
  p.put(' }');
}

function report3Print(p: Printer, at: number, length: number): void {
  if (length < 16 || (length & 3) !== 0) {
    p.put(` [invalid len ${length}]`);
    return;
  }
  const ngroups = p.u16(at + igmp.IGMP_V3_NUMGRPS);
  p.put(`, ${ngroups} group record(s)`);
  if (p.flags.verbose === 0) return;
  let group = igmp.IGMP_V3_REPORT_MINLEN;
  for (let i = 0; i < ngroups; i++) {
    if (length < group + igmp.IGMP_GRPREC_HDRLEN) {
      p.put(' [invalid number of groups]');
      return;
    }
    p.put(` [gaddr ${p.ip4(at + group + 4)}`);
    const type = p.u8(at + group);
    p.put(` ${GROUP_RECORD_NAMES.get(type) ?? ` [v3-report-#${type}]`}`);
    const nsrcs = p.u16(at + group + 2);
    if (length < group + igmp.IGMP_GRPREC_HDRLEN + 4 * nsrcs) {
      p.put(` [invalid number of sources ${nsrcs}]`);
      return;
    }
    sourcesPrint(p, at + group + igmp.IGMP_GRPREC_HDRLEN, nsrcs);
    group += igmp.IGMP_GRPREC_HDRLEN + 4 * nsrcs;
    p.put(']');
  }
}

const UNITS: readonly (readonly [number, string])[] = [
  [31_536_000, 'y'],
  [604_800, 'w'],
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
];

/** Seconds in the form 5m1s. */
function relativeTime(secs: number): string {
  if (secs === 0) return '0s';
  let left = secs;
  let s = '';
  for (const [unit, name] of UNITS) {
    if (left < unit) continue;
    s += `${Math.floor(left / unit)}${name}`;
    left %= unit;
  }
  return s;
}
