/**
 * Packet scripts of IGMP's host side: joins, leaves, queries of all versions, on an Ethernet whose other end is the test.
 */
import { describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import { SimNet, Wire, craftIp, ip4 } from '../sim/index.js';
import type { Socket } from '../socket/socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { inCksum } from '../wire/checksum.js';
import { dissect } from '../wire/dissect.js';
import { IgmpStats } from './igmp-var.js';

const MAC = '02:00:00:00:00:01';
const S = 1_000_000;
const ALERT = Uint8Array.of(148, 4, 0, 0);
const NOTHING = snapshot(new IgmpStats());

/** An IGMP message in a frame, TTL 1 and with router alert unless told otherwise. */
function igmp(src: string, dst: string, bytes: readonly number[], more: { ttl?: number; alert?: boolean } = {}): Uint8Array {
  const body = Uint8Array.from(bytes);
  const v = new DataView(body.buffer);
  v.setUint16(2, 0);
  v.setUint16(2, inCksum(v, 0, body.length));
  const g = ip4(dst);
  const to = `01:00:5e:${[(g >>> 16) & 127, (g >>> 8) & 255, g & 255].map((x) => x.toString(16).padStart(2, '0')).join(':')}`;
  return craftIp({ src: '02:00:00:00:00:99', dst: to }, { src, dst, proto: 2, ttl: more.ttl ?? 1, ...(more.alert === false ? {} : { options: ALERT }) }, body);
}

const quad = (text: string): number[] => text.split('.').map(Number);

/** A version 3 query: tenths of a second, group, sources, QRV and QQI. */
const query3 = (tenths: number, group = '0.0.0.0', sources: readonly string[] = [], qrv = 2, qqi = 125): Uint8Array =>
  igmp('10.0.0.254', group === '0.0.0.0' ? '224.0.0.1' : group, [0x11, tenths, 0, 0, ...quad(group), qrv, qqi, 0, sources.length, ...sources.flatMap(quad)]);

const query2 = (tenths: number, group = '0.0.0.0'): Uint8Array => igmp('10.0.0.254', group === '0.0.0.0' ? '224.0.0.1' : group, [0x11, tenths, 0, 0, ...quad(group)]);
const report2 = (group: string, type = 0x16): Uint8Array => igmp('10.0.0.7', group, [type, 0, 0, 0, ...quad(group)]);

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly wire: Wire;
  readonly stats: IgmpStats;
  socket(): Socket;
  /** Times (ms) and lines of what was sent, without addresses. */
  sent(): string[];
}

function bench(seed = 1): Bench {
  const net = new SimNet(seed);
  const v = net.vnet('h');
  const wire = new Wire(net, v, { mac: MAC });
  net.addr(v, wire.ifp, '10.0.0.1/24');
  wire.take();
  return {
    net, v, wire, stats: v.igmp.stats,
    socket: () => net.udp(v, 5000),
    sent: () => wire.take().map((f) => `${Math.floor(f.time / 1000)} ${dissect(f.bytes, { verbose: 2 }).replace(/^.*?> /s, '').replace(/\s+/g, ' ')}`),
  };
}

/** Only the words, for those who do not care when. */
const lines = (sent: readonly string[]): string[] => sent.map((l) => l.replace(/^\d+ /, ''));

describe('IGMPv3 host', () => {
  it('a join is reported at once and once more within three seconds, a leave likewise', () => {
    const { net, wire, socket, sent, v } = bench();
    const so = socket();
    expect(so.joinGroup(ip4('239.1.2.3'), wire.ifp)).toBe(0);
    wire.out('IP 10.0.0.1 > 224.0.0.22: igmp v3 report, 1 group record(s)').nothing();
    net.run(4 * S);
    expect(sent()).toEqual([expect.stringMatching(/^\d+ 224.0.0.22: igmp v3 report, 1 group record\(s\) \[gaddr 239.1.2.3 to_ex \{ \}\]$/)]);
    net.run(60 * S);
    expect(sent()).toEqual([]);
    expect(so.leaveGroup(ip4('239.1.2.3'))).toBe(0);
    net.run(4 * S);
    expect(lines(sent())).toEqual(Array(2).fill('224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.1.2.3 to_in { }]'));
    expect(v.igmp.hostOf(wire.ifp)?.groups.size).toBe(0);
    expect(snapshot(v.igmp.stats)).toEqual({ ...NOTHING, sndReports: 4 });
  });
});
