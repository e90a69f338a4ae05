/**
 * carp-hmac.ts — class CarpHmac: what makes an advertisement one of this vhid: HMAC-SHA1 with the password as the key.
 * Read first: RFC 2104; FreeBSD's netinet/ip_carp.c, carp_hmac_prepare.
 *
 * Theory of operation. What is authenticated is not the packet but who sends it: version, type and vhid in a byte each, the addresses of
 * the vhid (IPv4 ascending, then IPv6 ascending, each once), then the 64-bit counter of the advertisement. So hosts agree
 * only when they share the password and have the same addresses. All but the counter is hashed once, when key or addresses change;
 * an advertisement costs three blocks. An IPv6 address is hashed as it is on the wire, without its zone.
 *
 * Invariant: the bytes are FreeBSD's and OpenBSD's. Not here: a check that the counter goes up. Neither has one, so an
 * advertisement that was overheard can be sent again: carp(4) protects against mistakes and outsiders, not against who hears the link.
 */
import { SHA1_BLOCK, SHA1_LEN, Sha1 } from '../../base/sha1.js';
import { ip6Compare, ip6Equals, ip6Plain } from '../../wire/addr6.js';
import { CARP_ADVERTISEMENT, CARP_COUNTER, CARP_MD, CARP_VERSION } from '../../wire/carp.js';
import type { IfAddr } from '../ifaddr.js';
import { isIfAddr6 } from '../ifaddr.js';
import { isIfAddr4 } from '../route/ifa-lookup.js';

const IPAD = 0x36;
const OPAD = 0x5c;

export class CarpHmac {
  /** Both hashes as they are before the counter, and before the inner result. */
  private readonly inner = new Sha1();
  private readonly outer = new Sha1();
  private readonly work = new Sha1();
  private readonly md = new Uint8Array(SHA1_LEN);

  /** Key or addresses have changed. */
  prepare(vhid: number, key: Uint8Array, ifas: readonly IfAddr[]): void {
    const { inner, outer } = this;
    inner.init();
    outer.init();
    for (let i = 0; i < SHA1_BLOCK; i++) {
      inner.byte((key[i] ?? 0) ^ IPAD);
      outer.byte((key[i] ?? 0) ^ OPAD);
    }
    inner.byte(CARP_VERSION).byte(CARP_ADVERTISEMENT).byte(vhid);
    for (const addr of ipv4Of(ifas)) inner.word(addr);
    for (const addr of ipv6Of(ifas)) inner.update(addr);
  }

  /** Writes the HMAC of the header at `off`, whose counter is in place. */
  put(v: DataView, off: number): void {
    this.compute(v, off);
    for (let i = 0; i < SHA1_LEN; i++) v.setUint8(off + CARP_MD + i, this.md[i]!);
  }

  /** Is the HMAC of the header at `off` ours? Looks at every byte whatever the others say. */
  verify(v: DataView, off: number): boolean {
    this.compute(v, off);
    let differ = 0;
    for (let i = 0; i < SHA1_LEN; i++) differ |= v.getUint8(off + CARP_MD + i) ^ this.md[i]!;
    return differ === 0;
  }

  private compute(v: DataView, off: number): void {
    const { work, md } = this;
    work.copyFrom(this.inner).word(v.getInt32(off + CARP_COUNTER)).word(v.getInt32(off + CARP_COUNTER + 4));
    work.digest(md);
    work.copyFrom(this.outer).update(md).digest(md);
  }
}

/** 0.0.0.0 and 255.255.255.255 are nobody's. */
function ipv4Of(ifas: readonly IfAddr[]): number[] {
  const addrs = new Set<number>();
  for (const ifa of ifas) if (isIfAddr4(ifa) && ifa.addr !== 0 && ifa.addr !== 0xffff_ffff) addrs.add(ifa.addr);
  return [...addrs].sort((a, b) => a - b);
}

function ipv6Of(ifas: readonly IfAddr[]): Uint8Array[] {
  const plain = ifas.filter(isIfAddr6).map(({ addr }) => ip6Plain(addr)).sort((a, b) => ip6Compare(a, b));
  return plain.filter((addr, i) => i === 0 || !ip6Equals(plain[i - 1]!, addr));
}
