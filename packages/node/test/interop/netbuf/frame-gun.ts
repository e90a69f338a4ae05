/**
 * frame-gun.ts — frames of Ethernet put on an interface, and those counted that an interface's stack gets, by packet sockets.
 * Read first: packet(7).
 *
 * A socket for one protocol gets a frame where IP would: behind the filters at the interface's ingress, so a frame that is redirected is not seen until it has come back.
 */
import { loadNetlinkLibc, SOCK_RAW } from '../../../src/netlink/netlink-libc.js';

/** For local experiments (IEEE 802). */
export const ETHERTYPE = 0x88b5;
const AF_PACKET = 17;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_LL_SIZE = 20;

/** struct sockaddr_ll: the family, the protocol, the interface. */
function addressOf(index: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol, false);
  view.setInt32(4, index, true);
  return bytes;
}

export class FrameGun {
  private readonly libc = loadNetlinkLibc();
  private readonly fd: number;

  constructor(protocol = 0) {
    this.fd = this.libc.socket(AF_PACKET, SOCK_RAW, ((protocol & 0xff) << 8) | (protocol >> 8));
    if (this.fd < 0) throw new Error(`no packet socket: ${this.libc.strerror(this.libc.errno())}`);
  }

  /** One that counts what the interface's stack gets of `protocol`. */
  static at(index: number, protocol = ETHERTYPE): FrameGun {
    const gun = new FrameGun(protocol);
    if (gun.libc.bind(gun.fd, addressOf(index, protocol), SOCKADDR_LL_SIZE) < 0) throw new Error(`no packet socket at interface ${index}`);
    return gun;
  }

  send(index: number, frames: number, length: number, ethertype = ETHERTYPE): void {
    const frame = new Uint8Array(length);
    frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, ethertype >> 8, ethertype & 0xff]);
    for (let i = 0; i < frames; i++) {
      if (this.libc.sendto(this.fd, this.libc.address(frame), length, 0, addressOf(index, ethertype), SOCKADDR_LL_SIZE) < 0) throw new Error(`not sent: ${this.libc.strerror(this.libc.errno())}`);
    }
  }

  /** Frames that came since the last call. */
  count(): number {
    const buffer = new Uint8Array(2_048);
    let n = 0;
    while (this.libc.recv(this.fd, buffer, buffer.length, MSG_DONTWAIT) >= 0) n++;
    return n;
  }

  close(): void {
    this.libc.close(this.fd);
  }
}
