/**
 * tap-responder.ts — the smallest host there is: answers ARP for its address and ICMP echo, on a TapPort. For tests of the driver that
 * must not depend on the stack.
 * Read first: RFC 826, RFC 792.
 */
import type { FrameBatch } from '../../src/tap/frame-batch.js';
import type { TapPort } from '../../src/tap/tap-port.js';

const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IP = 0x0800;

export interface Responder {
  arpReplies: number;
  echoReplies: number;
}

/** Makes `port` answer for `address` (host order). The counts are those of frames that the port took. */
export function respond(port: TapPort, address: number): Responder {
  const counts: Responder = { arpReplies: 0, echoReplies: 0 };
  const mac = Uint8Array.of(0x02, 0, 0, 0, 0, 0x2a);
  const reply = new Uint8Array(65_600);
  const view = new DataView(reply.buffer);
  port.onFrames((batch) => {
    while (batch.next()) {
      reply.set(batch.bytes.subarray(batch.off, batch.off + batch.len));
      reply.copyWithin(0, 6, 12);
      reply.set(mac, 6);
      if (isArpFor(batch, address)) {
        view.setUint16(20, 2);
        reply.copyWithin(32, 22, 32);
        reply.set(mac, 22);
        view.setUint32(28, address);
        if (port.send(reply, 0, batch.len)) counts.arpReplies++;
      } else if (isEchoFor(batch, address)) {
        view.setUint32(30, view.getUint32(26));
        view.setUint32(26, address);
        view.setUint8(34, 0);
        // RFC 1624: one 16-bit word of the message fell by 0x0800.
        const sum = view.getUint16(36) + 0x0800;
        view.setUint16(36, (sum & 0xffff) + (sum >> 16));
        if (port.send(reply, 0, batch.len)) counts.echoReplies++;
      }
    }
    port.flush();
  });
  return counts;
}

function isArpFor(batch: FrameBatch, address: number): boolean {
  const { view, off, len } = batch;
  return len >= 42 && view.getUint16(off + 12) === ETHERTYPE_ARP && view.getUint16(off + 20) === 1 && view.getUint32(off + 38) === address;
}

/** An echo request without IP options. */
function isEchoFor(batch: FrameBatch, address: number): boolean {
  const { view, off, len } = batch;
  return (
    len >= 42 && view.getUint16(off + 12) === ETHERTYPE_IP && view.getUint8(off + 14) === 0x45 && view.getUint8(off + 23) === 1 &&
    view.getUint8(off + 34) === 8 && view.getUint32(off + 30) === address
  );
}
