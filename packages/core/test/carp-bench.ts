/**
 * carp-bench.ts — a bench for CARP: one vnet, a wire that leads to the test, advertisements of another host made by hand.
 *
 * What the vnet sends reads as lines: `3.00 carp 192.0.2.2 > 224.0.0.18 vhid 1 1+0/256 from 00:00:5e:00:01:01`,
 * `3.00 arp 192.0.2.1 is at 00:00:5e:00:01:01 from 02:00:00:00:00:02`. Times are seconds, cut to hundredths: a backup's random wait is shorter.
 * The HMAC is computed by the book from the whole message; carp-hmac.test.ts compares it with another implementation's.
 */
import { Sha1 } from '../src/base/sha1.js';
import { inAifaddr } from '../src/inet/in-control.js';
import { craftIp, ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { Wire } from '../src/sim/wire-script.js';
import { ip4Format, macFormat, macFormatPair } from '../src/wire/addr.js';
import { arpOp, arpShaHi, arpShaLo, arpSpa, arpTpa } from '../src/wire/arp.js';
import { CARP_ADVBASE, CARP_ADVSKEW, CARP_CKSUM, CARP_HDR_LEN, CARP_MD, CARP_VHID, carpCksum, carpEmit, carpPutCksum } from '../src/wire/carp.js';
import { IPPROTO_IGMP } from '../src/wire/ipproto.js';
import { carpList } from '../src/net/carp/carp.js';
import type { CarpInfo, CarpRequest } from '../src/net/carp/carp.js';
import { CARP_STATES } from '../src/net/carp/carp-var.js';

export const VMAC = '00:00:5e:00:01:01';
export const MAC = '02:00:00:00:00:02';
const SECOND = 1_000_000;

export const bytes = (text: string): Uint8Array => Uint8Array.from([...text].map((c) => c.charCodeAt(0)));

/** What another host advertises. */
export interface Ad {
  readonly vhid?: number;
  readonly advbase?: number;
  readonly advskew?: number;
  readonly key?: string;
  readonly addrs?: readonly string[];
  readonly counter?: bigint;
  readonly ttl?: number;
  readonly src?: string;
  readonly dst?: string;
  readonly version?: number;
  /** Bytes cut off, or added, at the end. */
  readonly cut?: number;
  readonly breakSum?: boolean;
  readonly breakMd?: boolean;
}

/** What the HMAC of an advertisement is of. */
export function messageOf(vhid: number, addrs: readonly string[], counter: bigint): Uint8Array {
  const message = new Uint8Array(3 + 4 * addrs.length + 8);
  const v = new DataView(message.buffer);
  message.set([2, 1, vhid]);
  [...addrs].map(ip4).sort((a, b) => a - b).forEach((addr, i) => v.setUint32(3 + 4 * i, addr));
  v.setBigUint64(3 + 4 * addrs.length, counter);
  return message;
}

/** HMAC-SHA1, by the book. */
export function hmacSha1(key: Uint8Array, message: Uint8Array): Uint8Array {
  const pad = (x: number): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => (key[i] ?? 0) ^ x);
  const md = new Uint8Array(20);
  new Sha1().update(pad(0x36)).update(message).digest(md);
  new Sha1().update(pad(0x5c)).update(md).digest(md);
  return md;
}

/** A frame with an advertisement. */
export function adFrame(ad: Ad = {}): Uint8Array {
  const { vhid = 1, advbase = 1, advskew = 0, key = 's3cret', addrs = ['192.0.2.1'], counter = 7n, ttl = 255, src = '192.0.2.3', dst = '224.0.0.18', cut = 0 } = ad;
  const body = new Uint8Array(CARP_HDR_LEN);
  const v = new DataView(body.buffer);
  carpEmit(v, 0, vhid, advbase, advskew);
  if (ad.version !== undefined) v.setUint8(0, (ad.version << 4) | 1);
  v.setBigUint64(8, counter);
  body.set(hmacSha1(bytes(key), messageOf(vhid, addrs, counter)), CARP_MD);
  if (ad.breakMd === true) body[CARP_MD + 19] = body[CARP_MD + 19]! ^ 1;
  carpPutCksum(v, 0);
  if (ad.breakSum === true) v.setUint16(CARP_CKSUM, v.getUint16(CARP_CKSUM) ^ 1);
  const payload = cut > 0 ? body.subarray(0, CARP_HDR_LEN - cut) : Uint8Array.from([...body, ...new Uint8Array(-cut)]);
  return craftIp({ src: dst === '224.0.0.18' ? VMAC : '02:00:00:00:00:03', dst: dst === '224.0.0.18' ? '01:00:5e:00:00:12' : MAC }, { src, dst, ttl, proto: 112, tos: 0xe0 }, payload);
}

/** One frame as text; null for what is neither ARP nor IPv4, and for reports of groups. Throws for an advertisement whose checksum is wrong. */
function lineOf(time: number, frame: Uint8Array): string | null {
  const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const from = `from ${macFormat(frame.subarray(6, 12))}`;
  const at = (Math.floor(time / 10_000) / 100).toFixed(2);
  const type = v.getUint16(12);
  if (type === 0x0806) {
    const sha = macFormatPair(arpShaHi(v, 14), arpShaLo(v, 14));
    const spa = ip4Format(arpSpa(v, 14));
    const tpa = ip4Format(arpTpa(v, 14));
    return `${at} arp ${spa} is at ${sha}${arpOp(v, 14) === 1 && spa !== tpa ? ` wants ${tpa}` : ''} ${from}`;
  }
  if (type !== 0x0800 || frame[23] === IPPROTO_IGMP) return null;
  const head = `${ip4Format(v.getUint32(26))} > ${ip4Format(v.getUint32(30))}`;
  if (frame[23] !== 112) return `${at} ip ${head} proto ${frame[23]} ${from}`;
  if (carpCksum(v, 34) !== 0) throw new Error('the checksum of an advertisement is wrong');
  return `${at} carp ${head} vhid ${v.getUint8(34 + CARP_VHID)} ${v.getUint8(34 + CARP_ADVBASE)}+${v.getUint8(34 + CARP_ADVSKEW)}/256 ${from}`;
}

export class CarpBench {
  readonly net = new SimNet(1);
  readonly v = this.net.vnet('r');
  readonly wire = new Wire(this.net, this.v, { mac: MAC });
  readonly ifp = this.wire.ifp;

  constructor() {
    this.net.addr(this.v, this.ifp, '192.0.2.2/24');
    this.net.run(10);
    this.wire.take();
  }

  set(req: Partial<CarpRequest> & { pass?: string } = {}): number {
    const { pass, ...rest } = req;
    return this.net.kernel.call(this.net.now, () => this.v.carp.set(this.ifp, { vhid: 1, ...rest, ...(pass === undefined ? {} : { key: bytes(pass) }) }));
  }

  /** SIOCSVH and an address with the vhid. */
  vhid(req: Partial<CarpRequest> & { pass?: string } = {}, addr = '192.0.2.1'): void {
    const error = this.set({ pass: 's3cret', ...req }) || this.addr(addr, req.vhid ?? 1);
    if (error !== 0) throw new Error(`errno ${error}`);
  }

  addr(addr: string, vhid: number): number {
    return this.net.kernel.call(this.net.now, () => inAifaddr(this.v.inNet, this.ifp, { addr: ip4(addr), plen: 24, vhid }));
  }

  /** Time passes, until `s` seconds since the net was made. */
  at(s: number): this {
    this.net.run(Math.round(s * SECOND) - this.net.now);
    return this;
  }

  hear(ad: Ad = {}): this {
    this.wire.in(adFrame(ad));
    return this;
  }

  /** What was sent since the last call. */
  lines(): string[] {
    return this.wire.take().filter((f) => !isIgmp(f.bytes)).map((f) => lineOf(f.time, f.bytes)).filter((l) => l !== null);
  }

  info(vhid = 1): CarpInfo | undefined {
    return carpList(this.ifp).find((vh) => vh.vhid === vhid);
  }

  state(vhid = 1): string {
    const info = this.info(vhid);
    return info === undefined ? 'none' : CARP_STATES[info.state];
  }

  /** Log lines about CARP since the last call, without "carp: ". */
  log(): string[] {
    return this.net.log.splice(0).filter((l) => l.message.startsWith('carp: ')).map((l) => l.message.slice(6));
  }
}

/** The host tells routers of CARP's group; that is not CARP's doing. */
function isIgmp(frame: Uint8Array): boolean {
  return frame[12] === 8 && frame[13] === 0 && frame[23] === 2;
}
