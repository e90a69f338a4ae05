/**
 * delivery-ids.mjs — who is who in the delivery torture: every address says which destination it is for.
 * Read first: delivery.mjs.
 *
 *     destination k     20.0.0.0 + k * 4096, a /20; fd02:K::/32        its gateways over way w     10.w.0.0 + k + 256; fd00:w::K
 *     link address of such a gateway     02 variant way family k k     of the interface of way w     02 ee variant 00 00 w
 *
 * A way is how a packet may leave: 1 to 3 are ports 1 to 3, way 4 is a vlan on port 3.
 */

/** Destinations. */
export const IDS = 512;
export const WAYS = 4;
/** The way that is a vlan, its port, and the ids it may have. */
export const VLAN_WAY = 4;
export const VLAN_PORT = 3;
export const VLAN_IDS = [5, 6];
/** The host of a destination that is now and then hidden by a blackhole of its own. */
export const HIDDEN_HOST = 7;
export const FAMILIES = 2;

/** @param {number} way */
export const portOfWay = (way) => (way === VLAN_WAY ? VLAN_PORT : way);
/** @param {number} k */
export const destination4 = (k) => (0x14000000 + (k << 12)) >>> 0;
/** @param {number} way @param {number} k */
export const gateway4 = (way, k) => (0x0a000100 + (way << 16) + k) >>> 0;

/** @param {number} w0 @param {number} w3 */
function address6(w0, w3) {
  const out = new Uint8Array(16);
  const v = new DataView(out.buffer);
  v.setUint32(0, w0);
  v.setUint32(12, w3);
  return out;
}

/** @param {number} k @param {number} [host] */
export const destination6 = (k, host = 0) => address6(0xfd020000 + k, host);
/** @param {number} way @param {number} k */
export const gateway6 = (way, k) => address6(0xfd000000 + way, k + 256);
/** @param {number} way */
export const own6 = (way) => address6(0xfd000000 + way, 1);
/** @param {number} way @param {number} family @param {number} k @param {number} variant */
export const gatewayMac = (way, family, k, variant) => new Uint8Array([2, variant, way, family, k >> 8, k & 255]);
/** @param {number} way @param {number} variant */
export const ownMac = (way, variant) => new Uint8Array([2, 0xee, variant, 0, 0, way]);

/**
 * Words that control and workers share. What must not be delivered has a word of its own, odd from the moment when no worker can deliver it any more until just before one may
 * again: a worker that finds it odd and the same before and after a frame has proof.
 */
export const STOP = 0;
/** By family and destination: it has no route; its hidden host is behind a blackhole. */
export const DEAD = 16;
export const HIDDEN = DEAD + FAMILIES * IDS;
/** By way: it is closed. */
export const SHUT = HIDDEN + FAMILIES * IDS;
export const WORDS = SHUT + WAYS + 1;
