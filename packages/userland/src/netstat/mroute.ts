/**
 * mroute.ts — `netstat -g`: interfaces and flows of multicast forwarding, and with -s its counters.
 * Read first: netstat(1) -g; core's net/mcast/router.ts.
 *
 * The tables are those of FreeBSD's ip_mroute and ip6_mroute modules, which are always there. Thresholds are of the outputs of routes; an interface has none of its own, so
 * the column shows 1.
 */
import { MRT_COUNTERS, counterText } from '@netloom/core';
import type { Ifnet, McastRouter, MfcEntry, Vnet } from '@netloom/core';
import { ip4Format, ip6Format } from '@netloom/core/wire';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { left, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

const ADDR4 = 15;
/** Columns of IPv6 addresses without -W, as FreeBSD's WID_ORG and WID_GRP. */
const ORG6 = 18;
const GRP6 = 16;

export function netstatMulticast(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const four = o.family === 'any' || o.family === 'inet';
  const six = o.family === 'any' || (o.family as string) === 'inet6';
  const tables = { ...(four ? { inet: vnet.mroute.router } : {}), ...(six ? { inet6: vnet.mroute6.router } : {}) };
  if (o.json !== 'none') {
    p.out(jsonText({ statistics: Object.fromEntries(Object.entries(tables).map(([af, r]) => [af, o.statistics > 0 ? { ...r.stats } : tableJson(r)])) }, o.json));
    return 0;
  }
  if (four) p.out(o.statistics > 0 ? stats(vnet.mroute.router, 'IPv4', o.statistics) : vifs4(vnet) + flows4(vnet.mroute.router));
  if (six) p.out(o.statistics > 0 ? stats(vnet.mroute6.router, 'IPv6', o.statistics) : mifs6(vnet) + flows6(vnet.mroute6.router, o.wide));
  return 0;
}

type Router = McastRouter<number> | McastRouter<bigint>;

function stats(r: Router, name: string, level: number): string {
  const rows = MRT_COUNTERS.rows.filter((row) => level <= 1 || r.stats[row.key] !== 0);
  return `${name} multicast forwarding:\n${rows.map((row) => `\t${counterText(row.text, r.stats[row.key])}\n`).join('')}`;
}

const localAddress = (vnet: Vnet, ifp: Ifnet): string => ip4Format(vnet.inNet.firstAddr(ifp)?.addr ?? 0);

function vifs4(vnet: Vnet): string {
  const { vifs } = vnet.mroute.router;
  if (vifs.length === 0) return '\nIPv4 Virtual Interface Table is empty\n';
  const rows = vifs.map((v) => ` ${rightWide(v.index, 2)}    ${rightWide(1, 6)}   ${left(localAddress(vnet, v.ifp), ADDR4)} ${' '.repeat(ADDR4)} ${rightWide(v.pktIn, 9)}  ${rightWide(v.pktOut, 9)}\n`);
  return `\nIPv4 Virtual Interface Table\n Vif   Thresh   Local-Address   Remote-Address    Pkts-In   Pkts-Out\n${rows.join('')}`;
}

function flows4(r: Router): string {
  const entries = r.entries();
  if (entries.length === 0) return '\nIPv4 Multicast Forwarding Table is empty\n\n';
  const rows = entries.map((e) => {
    const outs = e.outs.map((out) => ` ${out.vif.index}:${out.threshold}`).join('');
    return ` ${left(ip4Format(e.s3 >>> 0), ADDR4)} ${left(ip4Format(e.g3 >>> 0), ADDR4)} ${rightWide(e.packets, 9)}  ${rightWide(e.parent.index, 3)}   ${outs}\n`;
  });
  return `\nIPv4 Multicast Forwarding Table\n Origin          Group             Packets In-Vif  Out-Vifs:Ttls\n${rows.join('')}\n`;
}

function mifs6(vnet: Vnet): string {
  const { vifs } = vnet.mroute6.router;
  if (vifs.length === 0) return '\nIPv6 Multicast Interface Table is empty\n';
  const rows = vifs.map((v) => `  ${rightWide(v.index, 2)}   ${rightWide(0, 4)}   ${right(v.ifp.xname, 16).padStart(5).trimStart().padStart(5)} ${rightWide(v.pktIn, 9)}  ${rightWide(v.pktOut, 9)}\n`);
  return `\nIPv6 Multicast Interface Table\n Mif   Rate   PhyIF   Pkts-In   Pkts-Out\n${rows.join('')}`;
}

function flows6(r: Router, wide: boolean): string {
  const entries = r.entries();
  if (entries.length === 0) return '\nIPv6 Multicast Forwarding Table is empty\n\n';
  const cell = (text: string, width: number): string => (wide ? text.padEnd(39) : left(text, width));
  const rows = entries.map((e) => {
    const outs = e.outs.map((out) => ` ${out.vif.index}`).join('');
    return ` ${cell(address6(e.s0, e.s1, e.s2, e.s3), ORG6)} ${cell(address6(e.g0, e.g1, e.g2, e.g3), GRP6)} ${rightWide(e.packets, 9)}   ${rightWide(0, 3)}  ${rightWide(e.parent.index, 3)}   ${outs}\n`;
  });
  return `\nIPv6 Multicast Forwarding Cache\n ${cell('Origin', ORG6)} ${cell('Group', GRP6)}   Packets Waits In-Mif  Out-Mifs\n${rows.join('')}\n`;
}

function address6(w0: number, w1: number, w2: number, w3: number): string {
  const bytes = new Uint8Array(16);
  const v = new DataView(bytes.buffer);
  [w0, w1, w2, w3].forEach((w, i) => v.setInt32(4 * i, w));
  return ip6Format(bytes);
}

function flowJson(e: MfcEntry): object {
  const is4 = (e.g0 | e.g1 | e.g2) === 0;
  return {
    'origin-address': is4 ? ip4Format(e.s3 >>> 0) : address6(e.s0, e.s1, e.s2, e.s3), 'group-address': is4 ? ip4Format(e.g3 >>> 0) : address6(e.g0, e.g1, e.g2, e.g3),
    'sent-packets': e.packets, bytes: e.bytes, 'wrong-interface': e.wrongIf, parent: e.parent.index, 'vif-ttl': e.outs.map((o) => ({ vif: o.vif.index, ttl: o.threshold })),
  };
}

function tableJson(r: Router): object {
  return {
    vif: r.vifs.map((v) => ({ vif: v.index, interface: v.ifp.xname, 'received-packets': v.pktIn, 'sent-packets': v.pktOut })),
    'multicast-forwarding-entry': r.entries().map((e) => flowJson(e)),
  };
}
