/**
 * corpus.mjs — valid frames every fuzz target starts from.
 */
import { LacpInfo, MARKER_TLV_INFO, MARKER_TLV_RESPONSE, SLOW_PDU_LEN, lacpEmit, markerEmit } from '@netloom/core/wire';
import { BROADCAST, craftArp, craftEcho, craftEther, craftIp, craftUdp } from '@netloom/core/sim';

const link = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };
const ip = { src: '192.0.2.2', dst: '192.0.2.1' };
const far = { src: '192.0.2.2', dst: '198.51.100.9' };
/** An IPv6 packet without payload from 2002:c000:202::1 to 2002:c000:201::1. */
const sixToFour = new Uint8Array([
  0x60, 0, 0, 0, 0, 0, 59, 64, 0x20, 0x02, 0xc0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x02, 0xc0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
]);
const words = new TextEncoder().encode('the quick brown fox jumps over the lazy dog');

/** A tag in front of the ethertype. @param {Uint8Array} frame @param {number} vid */
function tagged(frame, vid) {
  const out = new Uint8Array(frame.length + 4);
  out.set(frame.subarray(0, 12));
  out.set([0x81, 0x00, vid >> 8, vid & 255], 12);
  out.set(frame.subarray(12), 16);
  return out;
}

const SLOW_GROUP = '01:80:c2:00:00:02';
const ETHERTYPE_SLOW = 0x8809;
/** A frame of a slow protocol. @param {(view: DataView) => void} emit */
function slow(emit) {
  const pdu = new Uint8Array(SLOW_PDU_LEN);
  emit(new DataView(pdu.buffer));
  return craftEther({ ...link, dst: SLOW_GROUP }, ETHERTYPE_SLOW, pdu);
}
const partner = Object.assign(new LacpInfo(), { sysPrio: 0x8000, sysHi: 0x0200, sysLo: 2, key: 9, portPrio: 1, port: 1, state: 0x3d });

/** What a partner of a lagg says. */
export const slowFrames = [
  slow((view) => lacpEmit(view, 0, partner, new LacpInfo(), 0)),
  slow((view) => lacpEmit(view, 0, Object.assign(new LacpInfo(), partner, { state: 0x07 }), partner, 0)),
  slow((view) => markerEmit(view, 0, MARKER_TLV_INFO, 1, 0x0200, 2, 7)),
  slow((view) => markerEmit(view, 0, MARKER_TLV_RESPONSE, 1, 0x0200, 1, 1)),
];

export const frames = [
  craftArp({ ...link, dst: BROADCAST }, 1, link.src, ip.src, '00:00:00:00:00:00', ip.dst),
  craftArp(link, 2, link.src, ip.src, link.dst, ip.dst),
  craftEcho(link, ip, 7, 1),
  craftEcho(link, { ...ip, options: Uint8Array.of(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0) }, 7, 2),
  craftEcho(link, far, 7, 3),
  craftEcho(link, { ...far, ttl: 1 }, 7, 4),
  craftUdp(link, ip, 1024, 7, words),
  craftUdp(link, ip, 1024, 9, words),
  craftUdp({ ...link, dst: BROADCAST }, { ...ip, dst: '192.0.2.255' }, 67, 68, words),
  craftUdp({ ...link, dst: '01:00:5e:00:00:01' }, { ...ip, dst: '224.0.0.1' }, 5353, 5353, words),
  craftIp(link, { ...ip, id: 77, off: 0x2000, proto: 17 }, new Uint8Array(64)),
  craftIp(link, { ...ip, id: 77, off: 8, proto: 17 }, new Uint8Array(64)),
  craftIp(link, { ...ip, proto: 97 }, new Uint8Array([0x30, 0x00, ...craftEcho(link, ip, 1, 1)])),
  craftIp(link, { ...ip, proto: 4 }, craftEcho(link, ip, 1, 1).subarray(14)),
  craftIp(link, { ...ip, proto: 47 }, new Uint8Array([0, 0, 8, 0, ...craftEcho(link, ip, 1, 1).subarray(14)])),
  craftIp(link, { ...ip, proto: 47 }, new Uint8Array([0x30, 0, 8, 0, 0, 0, 0, 10, 0, 0, 0, 1, ...craftEcho(link, { ...ip, dst: '203.0.113.9' }, 1, 1).subarray(14)])),
  craftIp(link, { ...ip, proto: 47 }, new Uint8Array([0x80, 0, 0x86, 0xdd, 0x99, 0xd6, 0, 0, ...sixToFour])),
  craftIp(link, { ...ip, proto: 47 }, new Uint8Array([0, 0, 0x88, 0x3e, 0, 1, 2, 3, ...craftEcho(link, ip, 1, 1).subarray(14)])),
  craftIp(link, { ...ip, proto: 41 }, sixToFour),
  craftIp(link, { ...ip, src: '192.0.2.3', proto: 41 }, sixToFour),
  craftUdp(link, ip, 0xc123, 4754, new Uint8Array([0, 0, 8, 0, ...craftEcho(link, ip, 1, 1).subarray(14)])),
  craftUdp(link, ip, 1024, 4789, new Uint8Array([8, 0, 0, 0, 0, 0, 42, 0, ...craftArp({ ...link, dst: BROADCAST }, 1, link.src, '10.43.0.2', '00:00:00:00:00:00', '10.43.0.1')])),
  craftUdp(link, ip, 1024, 4789, new Uint8Array([8, 0, 0, 0, 0, 0, 42, 0, ...tagged(craftEcho(link, { src: '10.43.0.2', dst: '10.43.0.1' }, 1, 1), 9)])),
  craftIp(link, { ...ip, proto: 6 }, Uint8Array.of(4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4)),
  craftIp(link, { ...ip, proto: 1 }, new Uint8Array([3, 3, 0xfc, 0xfc, 0, 0, 0, 0, ...craftUdp(link, { src: ip.dst, dst: ip.src }, 7, 1024, words).subarray(14, 50)])),
  craftEther(link, 0x86dd, new Uint8Array([0x60, 0, 0, 0, 0, 8, 58, 255, ...new Uint8Array(32), 128, 0, 0, 0, 0, 1, 0, 1])),
  craftEther({ ...link, dst: '01:80:c2:00:00:00' }, 38, new Uint8Array([0x42, 0x42, 3, 0, 0, 0, 0, ...new Uint8Array(31)])),
];
frames.push(...slowFrames);
for (const f of frames.slice(2, 7)) frames.push(tagged(f, 42), tagged(tagged(f, 42), 7));
