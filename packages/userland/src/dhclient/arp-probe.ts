/**
 * arp-probe.ts — asks a link whether somebody has an address, as a host that has none yet.
 * Read first: RFC 5227 §2.1.1; RFC 2131 §4.4.1.
 *
 * Three probes, a fifth of a second apart; who answers, or probes the same address, has it. That is shorter than RFC 5227's seven seconds, because the server has looked as well.
 */
import { ARPOP_REQUEST, ARP_LEN, ETHERTYPE_ARP, ETHER_HDR_LEN, ETHER_TYPE, arpCheck, arpEmit, arpShaHi, arpShaLo, arpSpa, arpTpa, macHi, macLo } from '@netloom/core/wire';

const PROBES = 3;
const INTERVAL_US = 200_000;
const MAC_LEN = 6;

export class ArpProbe {
  readonly addr: number;
  nextUs: number;
  private readonly mac: Uint8Array;
  private readonly send: (frame: Uint8Array) => void;
  private sent = 0;

  constructor(addr: number, mac: Uint8Array, now: number, send: (frame: Uint8Array) => void) {
    this.addr = addr;
    this.mac = mac;
    this.nextUs = now;
    this.send = send;
  }

  /** Sends what is due. True: nobody has objected, and it is over. */
  tick(now: number): boolean {
    if (now < this.nextUs) return false;
    if (this.sent >= PROBES) return true;
    this.sent++;
    this.nextUs = now + INTERVAL_US;
    this.send(this.frame());
    return false;
  }

  /** Does this frame say that somebody else has the address, or wants it? */
  conflicts(frame: Uint8Array): boolean {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    if (frame.length < ETHER_HDR_LEN + ARP_LEN || view.getUint16(ETHER_TYPE) !== ETHERTYPE_ARP || arpCheck(view, ETHER_HDR_LEN, frame.length - ETHER_HDR_LEN) !== 0) return false;
    if (arpShaHi(view, ETHER_HDR_LEN) === macHi(this.mac) && arpShaLo(view, ETHER_HDR_LEN) === macLo(this.mac)) return false;
    const from = arpSpa(view, ETHER_HDR_LEN);
    return from === this.addr || (from === 0 && arpTpa(view, ETHER_HDR_LEN) === this.addr);
  }

  private frame(): Uint8Array {
    const frame = new Uint8Array(ETHER_HDR_LEN + ARP_LEN).fill(0xff, 0, MAC_LEN);
    const view = new DataView(frame.buffer);
    frame.set(this.mac, MAC_LEN);
    view.setUint16(ETHER_TYPE, ETHERTYPE_ARP);
    arpEmit(view, ETHER_HDR_LEN, ARPOP_REQUEST, macHi(this.mac), macLo(this.mac), 0, 0, 0, this.addr);
    return frame;
  }
}
