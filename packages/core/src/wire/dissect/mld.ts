/**
 * mld.ts — prints multicast listener discovery, versions 1 and 2.
 * Read first: RFC 2710 §3, RFC 9777 §5.
 */

import * as icmp6 from '../icmp6.js';
import { igmpCodeValue } from '../igmp.js';
import { GROUP_RECORD_NAMES } from './igmp.js';
import type { Printer } from './printer.js';

const ADDR = 16;

export function mldPrint(p: Printer, at: number): void {
  if (!p.has(at, icmp6.MLD_MINLEN)) return;
  p.put(`max resp delay: ${p.u16(at + icmp6.MLD_MAXDELAY)} addr: ${p.ip6(at + icmp6.MLD_ADDR)}`);
}

export function mldv2QueryPrint(p: Printer, at: number, length: number): void {
  const verbose = p.flags.verbose;
  const code = p.u16(at + icmp6.MLD_MAXDELAY);
  if (verbose > 0) p.put(` [max resp delay=${icmp6.mldCodeValue(code)}]`);
  p.put(` [gaddr ${p.ip6(at + icmp6.MLD_ADDR)}`);
  if (verbose > 0) {
    const misc = p.u8(at + icmp6.MLDV2_MISC);
    if ((misc & 0x08) !== 0) p.put(' sflag');
    if ((misc & 0x07) !== 0) p.put(` robustness=${misc & 0x07}`);
    p.put(` qqi=${igmpCodeValue(p.u8(at + icmp6.MLDV2_QQI))}`);
  }
  const nsrcs = p.u16(at + icmp6.MLDV2_NUMSRC);
  if (nsrcs > 0) {
    if (length < icmp6.MLDV2_QUERY_MINLEN + nsrcs * ADDR) p.put(' [invalid number of sources]');
    else sourcesPrint(p, at + icmp6.MLDV2_QUERY_MINLEN, nsrcs);
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
  for (let i = 0; i < nsrcs; i++) p.put(` ${p.ip6(at + i * ADDR)}`);
  p.put(' }');
}

export function mldv2ReportPrint(p: Printer, at: number, length: number): void {
  if (length < icmp6.MLDV2_REPORT_MINLEN) {
    p.put(` [invalid len ${length}]`);
    return;
  }
  const ngroups = p.u16(at + icmp6.MLDV2_NUMGRPS);
  p.put(`, ${ngroups} group record(s)`);
  if (p.flags.verbose === 0) return;
  let group = icmp6.MLDV2_REPORT_MINLEN;
  for (let i = 0; i < ngroups; i++) {
    if (length < group + icmp6.MLDV2_GRPREC_HDRLEN) {
      p.put(' [invalid number of groups]');
      return;
    }
    p.put(` [gaddr ${p.ip6(at + group + 4)}`);
    const type = p.u8(at + group);
    p.put(` ${GROUP_RECORD_NAMES.get(type) ?? ` [v2-report-#${type}]`}`);
    const nsrcs = p.u16(at + group + 2);
    if (length < group + icmp6.MLDV2_GRPREC_HDRLEN + nsrcs * ADDR) {
      p.put(` [invalid number of sources ${nsrcs}]`);
      return;
    }
    sourcesPrint(p, at + group + icmp6.MLDV2_GRPREC_HDRLEN, nsrcs);
    group += icmp6.MLDV2_GRPREC_HDRLEN + nsrcs * ADDR;
    p.put(']');
  }
}
