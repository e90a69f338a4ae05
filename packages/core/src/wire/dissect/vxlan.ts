/**
 * vxlan.ts — prints VXLAN: `VXLAN, flags [I] (0x08), vni 42`, and on the next line the frame inside.
 * Read first: RFC 7348 §5.
 *
 * Whatever the flags are, what follows is taken for a frame, as tcpdump does.
 */

import * as vxlan from '../vxlan.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

/** Prints the payload of a UDP datagram at `at`, `length` bytes on the wire. */
export function vxlanPrint(p: Printer, at: number, length: number): void {
  p.proto = 'vxlan';
  p.put('VXLAN');
  if (length < vxlan.VXLAN_HDR_LEN) {
    p.invalid();
    return;
  }
  const flags = p.u8(at);
  p.put(`, flags [${(flags & vxlan.VXLAN_FLAG_I) !== 0 ? 'I' : 'invalid'}] (0x${hex(flags, 2)}), `);
  p.put(`vni ${p.u24(at + vxlan.VXLAN_VNI)}\n`);
  const inner = at + vxlan.VXLAN_HDR_LEN;
  p.need(inner - 1, 1);
  p.layers.ether(p, inner, length - vxlan.VXLAN_HDR_LEN);
}
