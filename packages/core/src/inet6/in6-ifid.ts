/**
 * in6-ifid.ts — interface identifiers: the low 64 bits of addresses that are configured by themselves.
 * Read first: RFC 4291 appendix A (EUI-64), RFC 7217 §5 (stable), RFC 8981 §3.3 (temporary).
 *
 * Three kinds. From the MAC address: that of the link-local address. Stable (`stableaddr`): a digest of prefix, interface, what tells duplicates
 * apart and a secret, so that it is always the same on one link and tells nothing on another. Temporary: random, for a day.
 * The secret is drawn from the Kernel's seed; with the same seed a lab has the same addresses.
 *
 * @rfc 7217 5 yes
 * @rfc 8981 3.3.1 yes
 * @rfc 8981 3.3.2 no "random identifiers are as good, and need no secret that changes"
 */
import { sha256 } from '../base/sha256.js';
import type { Ifnet } from '../net/ifnet.js';
import { IN6_IFF_DUPLICATED } from './in6-ifaddr.js';
import { ND6_IFF_STABLEADDR } from './in6-ifinfo.js';
import type { In6Net } from './in6-net.js';

const IFID_LEN = 8;

/** The identifier for an address on `ifp` inside `prefix`, whose first 64 bits count; null: there is none, so no address either. */
export function in6Ifid(in6Net: In6Net, ifp: Ifnet, prefix: Uint8Array): Uint8Array | null {
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return null;
  if ((ii.ndFlags & ND6_IFF_STABLEADDR) !== 0) return in6StableIfid(in6Net, ifp, prefix, duplicates(in6Net, ifp));
  const ll = in6Net.linkLocalOf(ifp, 0);
  return ll === null ? null : ll.addr.slice(IFID_LEN);
}

/** RFC 7217: F(Prefix, Net_Iface, Network_ID (none), DAD_Counter, secret_key). */
export function in6StableIfid(in6Net: In6Net, ifp: Ifnet, prefix: Uint8Array, dadCounter: number): Uint8Array {
  const { kern } = in6Net.net;
  const secret = kern.engine.rng.split(`stableaddr/${kern.name}`);
  const input: number[] = [...prefix.subarray(0, IFID_LEN), ...ifp.lladdr, ...[...ifp.xname].map((c) => c.charCodeAt(0) & 255), dadCounter & 255];
  for (let i = 0; i < 4; i++) pushWord(input, secret.u32());
  let digest = sha256(Uint8Array.from(input));
  while (isReserved(digest)) digest = sha256(digest);
  return digest.slice(0, IFID_LEN);
}

/** RFC 8981 §3.3.1: random, and none of the reserved ones. */
export function in6TempIfid(in6Net: In6Net): Uint8Array {
  const { rng } = in6Net;
  for (;;) {
    const out: number[] = [];
    pushWord(out, rng.u32());
    pushWord(out, rng.u32());
    const ifid = Uint8Array.from(out);
    if (!isReserved(ifid)) return ifid;
  }
}

function pushWord(out: number[], w: number): void {
  out.push(w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255);
}

/** Subnet-router anycast, and the reserved anycast identifiers of RFC 5453. */
function isReserved(ifid: Uint8Array): boolean {
  const zero = ifid.subarray(0, IFID_LEN).every((b) => b === 0);
  return zero || (ifid[0] === 0xfd && ifid.subarray(1, 7).every((b) => b === 0xff) && ifid[7]! >= 0x80);
}

/** Addresses of `ifp` that turned out to be somebody else's: the next identifier is another one. */
function duplicates(in6Net: In6Net, ifp: Ifnet): number {
  return in6Net.addrsOf(ifp).filter((ia) => (ia.flags & IN6_IFF_DUPLICATED) !== 0).length;
}
