/**
 * tap-link.ts — joins a tap of a vnet to a TAP device of the host: frames both ways, with their offloads.
 *
 * Read first: tap/tap-port.ts (the device), core/src/net/tap.ts (the interface).
 *
 * Theory of operation. A batch of frames from the device is one batch of the host loop: copied into packets, all with one stamp, then a turn.
 * Frames to the device are copied into its ring and shown to it when the stack says `flush`. Both sides speak virtio-net headers, so
 * a checksum that is still to be computed and a segment of 64 KB cross uncut; the IPv4 header's own checksum, of which those
 * headers know nothing, is finished here.
 *
 * Invariant: `close` runs once, whichever side goes first; afterwards nothing reaches the kernel.
 */
import type { FrameSink, Ifnet, Kernel, PacketBuffer } from '@netloom/core';
import { CSUM_IP, CSUM_L4, CSUM_L4_VALID, tapOf } from '@netloom/core';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN, etherIsTagType, ip4Hl, ip4PutSum } from '@netloom/core/wire';
import type { HostLoop } from '../loop.js';
import type { FrameBatch } from '../tap/frame-batch.js';
import type { TapPort } from '../tap/tap-port.js';
import { VNET_F_DATA_VALID, VNET_F_NEEDS_CSUM } from '../tap/vnet-hdr.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';

/** The header of one frame to the device; one object, filled anew for each. */
class OutputHeader implements VnetHdr {
  flags = 0;
  gsoType = 0;
  hdrLen = 0;
  gsoSize = 0;
  csumStart = 0;
  csumOffset = 0;

  fill(m: PacketBuffer): void {
    const pending = (m.csumFlags & CSUM_L4) !== 0;
    this.flags = pending ? VNET_F_NEEDS_CSUM : 0;
    this.csumStart = pending ? m.csumStart - m.off : 0;
    this.csumOffset = pending ? m.csumOffset : 0;
    this.gsoType = m.gsoSize > 0 ? m.gsoType : 0;
    this.gsoSize = m.gsoSize;
    this.hdrLen = 0;
  }
}

export class TapLink implements FrameSink {
  /** The daemon's. */
  readonly pid = process.pid;
  readonly offload: { readonly csum: boolean; readonly gso: boolean };
  ifp: Ifnet;
  readonly port: TapPort;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly header = new OutputHeader();
  private readonly onClose: (link: TapLink, reason: Error | null) => void;
  private closing: Promise<void> | null = null;

  /** The tap has been opened with this link as its sink when `attach` has answered 0. `onClose` is told once, with why if the device failed. */
  constructor(kernel: Kernel, loop: HostLoop, ifp: Ifnet, port: TapPort, onClose: (link: TapLink, reason: Error | null) => void) {
    this.offload = { csum: port.vnetHdr, gso: port.vnetHdr };
    this.kernel = kernel;
    this.loop = loop;
    this.ifp = ifp;
    this.port = port;
    this.onClose = onClose;
    port.onFrames((batch) => this.loop.batch((now) => this.input(batch, now)));
    port.onGone((error) => void this.close(error));
  }

  /** The device's name. */
  get device(): string {
    return this.port.name;
  }

  /** Lets go of the device; the tap's own end is closed if it still has one. */
  close(reason: Error | null = null): Promise<void> {
    if (this.closing === null) {
      this.closing = this.port.close();
      if (this.ifp.net !== null) this.kernel.call(this.loop.enter(), () => tapOf(this.ifp)?.attach(null));
      this.onClose(this, reason);
    }
    return this.closing;
  }

  /** Lets go of the device alone, for a tap that could not be opened. */
  discard(): Promise<void> {
    this.closing ??= this.port.close();
    return this.closing;
  }

  output(m: PacketBuffer): boolean {
    if (this.closing !== null) return false;
    if ((m.csumFlags & CSUM_IP) !== 0) finishIpHeader(m);
    this.header.fill(m);
    if (!this.port.send(m.buf, m.off, m.len, this.port.vnetHdr ? this.header : null)) return false;
    m.free();
    return true;
  }

  flush(): void {
    this.port.flush();
  }

  moved(ifp: Ifnet): void {
    this.ifp = ifp;
  }

  gone(): void {
    void this.close();
  }

  private input(batch: FrameBatch, now: number): void {
    const { kernel, ifp } = this;
    while (batch.next()) {
      if (ifp.net === null) continue;
      const m = kernel.engine.pool.from(batch.bytes, batch.off, batch.len);
      if (m === null) {
        ifp.data.iqdrops++;
        continue;
      }
      takeOffload(m, batch);
      kernel.input(ifp, m, now);
    }
  }
}

/** Offload fields of a received frame. A frame that came uncut has its checksum pending, as one made here would. */
function takeOffload(m: PacketBuffer, hdr: VnetHdr): void {
  if ((hdr.flags & VNET_F_NEEDS_CSUM) !== 0 && hdr.csumStart + hdr.csumOffset + 2 <= m.len) {
    m.csumFlags = CSUM_L4;
    m.csumStart = m.off + hdr.csumStart;
    m.csumOffset = hdr.csumOffset;
    m.gsoType = hdr.gsoType;
    m.gsoSize = hdr.gsoType === 0 ? 0 : hdr.gsoSize;
  } else if ((hdr.flags & VNET_F_DATA_VALID) !== 0) {
    m.csumFlags = CSUM_L4_VALID;
  }
}

function finishIpHeader(m: PacketBuffer): void {
  let at = m.off + ETHER_HDR_LEN;
  const end = m.off + m.len;
  while (at + ETHER_VLAN_ENCAP_LEN <= end && etherIsTagType(m.view.getUint16(at - 2))) at += ETHER_VLAN_ENCAP_LEN;
  if (at + 20 > end || m.view.getUint8(at) >> 4 !== 4 || at + ip4Hl(m.view, at) > end) return;
  ip4PutSum(m.view, at, ip4Hl(m.view, at));
}
