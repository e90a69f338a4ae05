/**
 * vnet.ts — a Vnet: one complete network stack. The composition root and the file to read first.
 * Read first: vnet(9); ARCHITECTURE.md "Life of a packet".
 *
 * Theory of operation. This is the only file that sees every layer. A Vnet is built by running VNET_SYSINITS in ascending
 * (subsystem, order) and taken down by running VNET_SYSUNINITS in descending (subsystem, order); each entry makes, or
 * destroys, one part and hands it the parts below that it uses. Nothing else wires layers together, and no layer reaches
 * a part it was not given. Between construction and teardown every part stands; a Vnet is handed out only then. After teardown
 * the fields still name the parts, which are dead: they refuse what is asked of them.
 *
 * The numbers are FreeBSD's. One deviation: there ARP (SECOND) and raw IP (THIRD) are built before the routing tables and IP
 * (FOURTH), because their constructors only fill tables; here a part is given what it needs when it is made, so within
 * PROTO_DOMAIN parts are built bottom-up. Destruction has FreeBSD's order.
 * Entries of FreeBSD's that would do nothing here are not in the tables: there are no helper hooks (hhook) to end last of all, and
 * Ethernet has no queue of its own to give up at PROTO_IF; `netloom sysinit` prints what there is.
 */
import type { Engine } from '../kern/engine.js';
import { DEVCTL_SYSCTL } from '../kern/devctl.js';
import { VnetKern } from '../kern/vnet-kern.js';
import {
  SI_ORDER_ANY, SI_ORDER_FIRST, SI_ORDER_FOURTH, SI_ORDER_MIDDLE, SI_ORDER_SECOND, SI_ORDER_THIRD, SI_SUB_INIT_IF, SI_SUB_NETGRAPH, SI_SUB_PROTO_DOMAIN, SI_SUB_PROTO_DOMAININIT,
  SI_SUB_PROTO_FIREWALL, SI_SUB_PROTO_IF, SI_SUB_PROTO_IFATTACHDOMAIN, SI_SUB_PROTO_MC, SI_SUB_PROTO_PFIL, SI_SUB_PSEUDO, SI_SUB_VNET_DONE, VnetSysinitTable,
} from '../kern/vnet-sysinit.js';
import type { VnetSysinit } from '../kern/vnet-sysinit.js';
import { bridgeCloner } from '../net/bridge.js';
import { Carp } from '../net/carp/carp.js';
import { discCloner } from '../net/disc.js';
import { edscCloner } from '../net/edsc.js';
import { epairCloner } from '../net/epair.js';
import { gifCloner } from '../net/gif.js';
import { greCloner } from '../net/gre.js';
import { gwCloner } from '../net/gw.js';
import { ifbCloner } from '../net/ifb.js';
import { ifSysctlAttach, ifSysctlDetach } from '../net/if-sysctl.js';
import { ifUp } from '../net/if.js';
import { ifDetach } from '../net/if-detach.js';
import { ifCloneCreate, ifcAttach, ifcDetach } from '../net/if-clone.js';
import type { IfClonerSpec } from '../net/if-clone.js';
import { IfDevctl } from '../net/if-devctl.js';
import { vnetIfReturn } from '../net/if-vmove.js';
import { laggCloner } from '../net/lagg/lagg.js';
import { loCloner } from '../net/lo.js';
import { Net } from '../net/net.js';
import type { NetShared } from '../net/net.js';
import { RouteTables } from '../net/route/route-tables.js';
import { Rtsock } from '../net/rtsock.js';
import { stfCloner } from '../net/stf.js';
import { tapCloner, vmnetCloner } from '../net/tap.js';
import { tunCloner } from '../net/tun.js';
import { vlanCloner } from '../net/vlan.js';
import { vxlanCloner } from '../net/vxlan.js';
import { Arp } from '../inet/arp.js';
import { InCarp } from '../inet/carp4.js';
import { Icmp } from '../inet/icmp.js';
import { Igmp } from '../inet/igmp.js';
import { InGif } from '../inet/in-gif.js';
import { InGre } from '../inet/in-gre.js';
import { InNet } from '../inet/in-net.js';
import { InMroute } from '../inet/ip-mroute.js';
import { InStf } from '../inet/in-stf.js';
import { Ip } from '../inet/ip.js';
import { Icmp6 } from '../inet6/icmp6.js';
import { In6Carp } from '../inet6/carp6.js';
import { In6Net } from '../inet6/in6-net.js';
import { In6Stf } from '../inet6/in6-stf.js';
import { In6Gif, In6Gre } from '../inet6/in6-tunnel.js';
import { Ip6 } from '../inet6/ip6.js';
import { Nd6 } from '../inet6/nd6.js';
import { ndDnsRecords } from '../inet6/nd6-dns.js';
import { NdRtr } from '../inet6/nd6-rtr.js';
import { In6Mroute } from '../inet6/ip6-mroute.js';
import { Mld } from '../inet6/mld6.js';
import { RawIp } from '../transport/raw-ip.js';
import { RawIp6 } from '../transport/raw-ip6.js';
import { udpTunnelDoor } from '../transport/udp-tunnel.js';
import { Udp } from '../transport/udp.js';
import { Udp6 } from '../transport/udp6.js';
import { UdpVxlan } from '../transport/udp-vxlan.js';
import { Tcp } from '../tcp/tcp.js';
import { Resolver } from '../socket/resolver.js';
import { SocketLayer } from '../socket/socket-layer.js';
import { Ipfw } from '../netpfil/ipfw/ipfw.js';
import { Netgraph } from '../netgraph/netgraph.js';
import type { NgType } from '../netgraph/ng-node.js';
import { NG_TYPES } from '../netgraph/ng-types.js';
import { plugType } from '../ha/ng-plug.js';
import { plugQdisc } from '../ha/plug-qdisc.js';
import { Gateway } from '../gateway/gateway.js';

export class Vnet {
  readonly kern: VnetKern;
  readonly net: Net;
  routes!: RouteTables;
  mld!: Mld;
  igmp!: Igmp;
  mroute!: InMroute;
  mroute6!: In6Mroute;
  inNet!: InNet;
  ip!: Ip;
  arp!: Arp;
  icmp!: Icmp;
  in6Net!: In6Net;
  ip6!: Ip6;
  icmp6!: Icmp6;
  nd6!: Nd6;
  rtr!: NdRtr;
  carp!: Carp;
  inCarp!: InCarp;
  in6Carp!: In6Carp;
  gif!: InGif;
  gif6!: In6Gif;
  stf!: InStf;
  stf6!: In6Stf;
  gre!: InGre;
  gre6!: In6Gre;
  raw!: RawIp;
  udp!: Udp;
  tcp!: Tcp;
  raw6!: RawIp6;
  udp6!: Udp6;
  vxlan!: UdpVxlan;
  sockets!: SocketLayer;
  ipfw!: Ipfw;
  resolver!: Resolver;
  netgraph!: Netgraph;
  gateway!: Gateway;
  ifDevctl!: IfDevctl;
  /** Why the vnet was stopped, when an invariant of it broke. */
  panic: string | null = null;

  constructor(engine: Engine, shared: NetShared, id: number, name: string) {
    this.kern = new VnetKern(engine, id, name);
    this.net = new Net(this.kern, shared);
  }

  get name(): string {
    return this.kern.name;
  }
}

function cloners(...specs: IfClonerSpec[]): (v: Vnet) => void {
  return (v) => {
    for (const spec of specs) ifcAttach(v.net, spec);
  };
}

function uncloners(...specs: IfClonerSpec[]): (v: Vnet) => void {
  return (v) => {
    for (const spec of specs) {
      const cloner = v.net.cloners.find((c) => c.name === spec.name);
      if (cloner !== undefined) ifcDetach(cloner);
    }
  };
}

/** Kinds of netgraph nodes: netgraph's, and those of layers to its right, in the order in which they are listed. */
const VNET_NG_TYPES: readonly NgType[] = [...NG_TYPES, plugType].sort((a, b) => (a.name.replace('_', '') < b.name.replace('_', '') ? -1 : 1));

/** Where FreeBSD's module ipfw has what it makes for a vnet. */
const SI_ORDER_IPFW = SI_ORDER_ANY - 253;

const s = (name: string, subsystem: number, order: number, run: (v: Vnet) => void): VnetSysinit<Vnet> => ({ name, subsystem, order, run });

/** Constructors. Same place: in this order. */
const VNET_SYSINITS: readonly VnetSysinit<Vnet>[] = [
  s('vnet_devctl_init', SI_SUB_INIT_IF, SI_ORDER_FIRST, (v) => {
    v.ifDevctl = new IfDevctl(v.net);
    v.kern.sysctl.attach(DEVCTL_SYSCTL, v.kern.devctl);
  }),
  s('vnet_if_init', SI_SUB_INIT_IF, SI_ORDER_SECOND, (v) => {
    ifSysctlAttach(v.net);
  }),
  s('vnet_netgraph_init', SI_SUB_NETGRAPH, SI_ORDER_FIRST, (v) => {
    v.netgraph = new Netgraph(v.net, VNET_NG_TYPES);
  }),
  s('vnet_gif_init', SI_SUB_PSEUDO, SI_ORDER_ANY, cloners(gifCloner)),
  s('vnet_stf_init', SI_SUB_PSEUDO, SI_ORDER_ANY, cloners(stfCloner)),
  s('vnet_epair_init', SI_SUB_PSEUDO, SI_ORDER_ANY, cloners(epairCloner)),
  s('vnet_disc_init', SI_SUB_PSEUDO, SI_ORDER_ANY, cloners(discCloner)),
  s('vnet_gw_init', SI_SUB_PSEUDO, SI_ORDER_ANY, cloners(gwCloner)),
  s('vnet_loif_init', SI_SUB_PSEUDO, SI_ORDER_ANY, (v) => {
    ifcAttach(v.net, loCloner);
    v.net.loif = ifCloneCreate(v.net, 'lo0').ifp;
  }),
  s('vnet_tun_init', SI_SUB_PROTO_IF, SI_ORDER_ANY, cloners(tunCloner, tapCloner, vmnetCloner)),
  s('socket_vnet_init', SI_SUB_PROTO_DOMAININIT, SI_ORDER_ANY, (v) => {
    v.sockets = new SocketLayer(v.kern);
    v.netgraph.sockets = v.sockets;
    v.sockets.fibs = () => v.routes.fibs;
    v.sockets.ttl = () => v.ip.tun.ttl;
    v.sockets.hops = () => v.ip6.tun.hlim;
    v.resolver = new Resolver(v.sockets, (name) => v.net.ifunit(name)?.index ?? 0);
    v.resolver.conf.routers = () => ndDnsRecords(v.rtr);
  }),
  s('vnet_mld_init', SI_SUB_PROTO_MC, SI_ORDER_ANY, (v) => {
    v.mld = new Mld(v.net);
  }),
  s('vnet_igmp_init', SI_SUB_PROTO_MC, SI_ORDER_ANY, (v) => {
    v.igmp = new Igmp(v.net);
  }),
  s('vnet_mroute_init', SI_SUB_PROTO_MC, SI_ORDER_ANY, (v) => {
    v.mroute = new InMroute(v.igmp);
    v.mroute6 = new In6Mroute(v.mld);
  }),
  s('vnet_rts_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.net.rtsock = new Rtsock(v.net);
  }),
  s('vnet_rtables_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.routes = new RouteTables(v.net);
    v.net.routes = v.routes;
  }),
  s('ip_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.inNet = new InNet(v.net, v.routes);
    v.ip = new Ip(v.inNet, v.routes);
    v.igmp.attach(v.ip);
    v.mroute.attach(v.ip);
  }),
  s('ip6_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.in6Net = new In6Net(v.net, v.routes);
    v.ip6 = new Ip6(v.in6Net, v.routes);
    v.icmp6 = new Icmp6(v.ip6);
    v.nd6 = new Nd6(v.ip6, v.icmp6);
    v.rtr = new NdRtr(v.nd6);
    v.mld.attach(v.ip6, v.icmp6);
    v.mroute6.attach(v.ip6);
  }),
  s('vnet_arp_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.arp = new Arp(v.ip);
  }),
  s('icmp_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.icmp = new Icmp(v.ip);
  }),
  s('rip_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.raw = new RawIp(v.ip);
    v.sockets.raw = v.raw;
  }),
  s('rip6_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.raw6 = new RawIp6(v.ip6, v.raw.tun);
    v.sockets.raw6 = v.raw6;
  }),
  s('udp_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.udp = new Udp(v.ip, v.icmp);
    v.sockets.udp = v.udp;
    v.udp6 = new Udp6(v.ip6, v.udp);
    v.sockets.udp6 = v.udp6;
  }),
  s('tcp_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.tcp = new Tcp(v.ip, v.ip6, v.udp.range);
    v.sockets.tcp = v.tcp;
  }),
  s('ipcarp_sysinit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.carp = new Carp(v.net);
    v.inCarp = new InCarp(v.ip, v.carp);
    v.in6Carp = new In6Carp(v.ip6, v.carp);
  }),
  s('gateway_vnet_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    const { kern, ip, ip6, icmp, tcp, udp, udp6, sockets } = v;
    v.gateway = new Gateway({ kern, ip, ip6, icmp, tcp, udp, udp6, sockets });
  }),
  s('icmp_bandlimit_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.icmp.limits.attach();
  }),
  s('ipid_sysinit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.ip.id.attach(v.kern.sysctl);
  }),
  s('in_gif_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.gif = new InGif(v.ip);
    v.gif6 = new In6Gif(v.ip6);
  }),
  s('in_stf_init', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.stf = new InStf(v.ip);
    v.stf6 = new In6Stf(v.ip6);
  }),
  s('vnet_ipfw_init', SI_SUB_PROTO_FIREWALL, SI_ORDER_IPFW, (v) => {
    v.ipfw = new Ipfw(v.ip, v.ip6);
    v.netgraph.ipfw = v.ipfw;
  }),
  s('if_attachdomain', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_SECOND, (v) => {
    for (const ifp of v.net.ifnets) for (const d of v.net.domains) ifp.setAfdata(d.af, ifp.afdata(d.af) ?? d.ifattach(ifp));
    if (v.net.loif !== null) ifUp(v.net.loif);
  }),
  s('vnet_edsc_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, cloners(edscCloner)),
  s('vnet_ifb_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, (v) => {
    v.net.shared.qdiscKinds.set(plugQdisc.kind, plugQdisc);
    ifcAttach(v.net, ifbCloner);
  }),
  s('vnet_bridge_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, cloners(bridgeCloner)),
  s('vnet_lagg_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, cloners(laggCloner)),
  s('vnet_gre_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, (v) => {
    cloners(greCloner)(v);
    v.gre = new InGre(v.ip, udpTunnelDoor(v.udp));
    v.gre6 = new In6Gre(v.ip6);
  }),
  s('vnet_vlan_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, cloners(vlanCloner)),
  s('vnet_vxlan_init', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, (v) => {
    ifcAttach(v.net, vxlanCloner);
    v.vxlan = new UdpVxlan(v.ip, v.udp);
  }),
];

/** Destructors. Same place: in the reverse of this order. */
const VNET_SYSUNINITS: readonly VnetSysinit<Vnet>[] = [
  s('vnet_if_return', SI_SUB_VNET_DONE, SI_ORDER_ANY, (v) => {
    v.gateway.stop();
    v.sockets.closeAll();
    v.kern.control.close();
    vnetIfReturn(v.net);
  }),
  s('vnet_vxlan_uninit', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, (v) => {
    uncloners(vxlanCloner)(v);
    v.vxlan.destroy();
  }),
  s('vnet_gre_uninit', SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY, (v) => {
    uncloners(greCloner)(v);
    v.gre6.destroy();
    v.gre.destroy();
  }),
  s('vnet_ipfw_uninit', SI_SUB_PROTO_FIREWALL, SI_ORDER_IPFW, (v) => {
    v.ipfw.destroy();
  }),
  s('ipcarp_sysuninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.carp.destroy();
    v.inCarp.destroy();
    v.in6Carp.destroy();
  }),
  s('gateway_vnet_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.gateway.destroy();
  }),
  s('in_stf_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.stf6.destroy();
    v.stf.destroy();
  }),
  s('in_gif_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, (v) => {
    v.gif6.destroy();
    v.gif.destroy();
  }),
  s('rip6_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.sockets.raw6 = null;
    v.raw6.destroy();
  }),
  s('rip_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.sockets.raw = null;
    v.raw.destroy();
  }),
  s('tcp_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.sockets.tcp = null;
    v.tcp.destroy();
  }),
  s('udp_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH, (v) => {
    v.sockets.udp6 = null;
    v.udp6.destroy();
    v.sockets.udp = null;
    v.udp.destroy();
  }),
  s('ipid_sysuninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.ip.id.detach(v.kern.sysctl);
  }),
  s('icmp_bandlimit_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.icmp.limits.detach();
  }),
  s('icmp_vnet_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.icmp.destroy();
  }),
  s('ip_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    for (const ifp of v.net.ifnets) v.inNet.purgeAddrs(ifp);
    v.mroute.detach();
    v.igmp.detach();
    v.ip.destroy();
  }),
  s('vnet_arp_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.arp.destroy();
  }),
  s('ip6_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    for (const ifp of v.net.ifnets) v.in6Net.ifdetachDestroy(ifp);
    v.mroute6.detach();
    v.mld.detach();
    v.rtr.destroy();
    v.nd6.destroy();
    v.icmp6.destroy();
    v.ip6.destroy();
  }),
  s('vnet_rts_uninit', SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD, (v) => {
    v.net.rtsock?.destroy();
    v.net.rtsock = null;
  }),
  s('rtables_destroy', SI_SUB_PROTO_DOMAIN, SI_ORDER_FIRST, (v) => {
    v.routes.destroy();
    v.net.routes = null;
  }),
  s('vnet_mroute_uninit', SI_SUB_PROTO_MC, SI_ORDER_MIDDLE, (v) => {
    v.mroute6.destroy();
    v.mroute.destroy();
  }),
  s('vnet_igmp_uninit', SI_SUB_PROTO_MC, SI_ORDER_ANY, (v) => {
    v.igmp.destroy();
  }),
  s('vnet_mld_uninit', SI_SUB_PROTO_MC, SI_ORDER_ANY, (v) => {
    v.mld.destroy();
  }),
  s('socket_vnet_uninit', SI_SUB_PROTO_DOMAININIT, SI_ORDER_ANY, (v) => {
    v.sockets.destroy();
  }),
  s('vnet_tun_uninit', SI_SUB_PROTO_IF, SI_ORDER_ANY, uncloners(tunCloner, tapCloner, vmnetCloner)),
  s('vnet_ether_pfil_destroy', SI_SUB_PROTO_PFIL, SI_ORDER_ANY, (v) => {
    v.net.linkPfil.close();
  }),
  s('vnet_gif_uninit', SI_SUB_PSEUDO, SI_ORDER_ANY, uncloners(gifCloner)),
  s('vnet_stf_uninit', SI_SUB_PSEUDO, SI_ORDER_ANY, uncloners(stfCloner)),
  s('vnet_bridge_uninit', SI_SUB_PSEUDO, SI_ORDER_ANY, uncloners(bridgeCloner)),
  s('vnet_netgraph_uninit', SI_SUB_NETGRAPH, SI_ORDER_FIRST, (v) => {
    v.netgraph.destroy();
  }),
  s('vnet_ifb_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(ifbCloner)),
  s('vnet_edsc_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(edscCloner)),
  s('vnet_epair_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(epairCloner)),
  s('vnet_lagg_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(laggCloner)),
  s('vnet_disc_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(discCloner)),
  s('vnet_gw_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(gwCloner)),
  s('vnet_vlan_uninit', SI_SUB_INIT_IF, SI_ORDER_ANY, uncloners(vlanCloner)),
  s('vnet_loif_uninit', SI_SUB_INIT_IF, SI_ORDER_SECOND, (v) => {
    v.net.loif = null;
    uncloners(loCloner)(v);
  }),
  s('vnet_devctl_uninit', SI_SUB_INIT_IF, SI_ORDER_FIRST, (v) => {
    v.kern.sysctl.detach(v.kern.devctl);
    v.ifDevctl.destroy();
    v.kern.devctl.end();
  }),
  s('vnet_if_uninit', SI_SUB_INIT_IF, SI_ORDER_FIRST, (v) => {
    for (const ifp of [...v.net.ifnets]) {
      ifp.driver.vnetGone?.(ifp);
      ifDetach(ifp);
    }
    ifSysctlDetach(v.net);
    v.inNet.destroy();
    v.in6Net.destroy();
  }),
];

/** The table every Kernel runs its vnets through. */
export function vnetSysinitTable(): VnetSysinitTable<Vnet> {
  return new VnetSysinitTable<Vnet>(VNET_SYSINITS, VNET_SYSUNINITS);
}
