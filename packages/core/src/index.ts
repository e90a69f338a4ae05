/**
 * index.ts — the public face of @netloom/core: what a program that embeds the stack, or a tool, may import.
 *
 * The Kernel and its vnets first; then, layer by layer from the top down, the calls the tools are made of. Codecs are in
 * `@netloom/core/wire`, promises in `@netloom/core/promises`, the simulator in `@netloom/core/sim`.
 */
export { Kernel, VNET0_NAME } from './vnet/kernel.js';
export type { DyingPrison, JailCreate, Prison } from './vnet/kernel.js';
export type { AuditBalance, AuditReport, VnetAuditReport } from './vnet/kernel-audit.js';
export { vmoveLoan, vmoveReclaim } from './vnet/vmove.js';
export { Vnet } from './vnet/vnet.js';

export { BACKUP_START, backupStep } from './ha/backup-state.js';
export type { BackupAct, BackupEvent, BackupPhase, BackupState, BackupStep } from './ha/backup-state.js';
export { EPOCH_BYTES_MAX, EPOCH_PACKETS_MAX, EpochPlug } from './ha/epoch-plug.js';
export type { EpochPlugLimits } from './ha/epoch-plug.js';
export type { HeldEpoch } from './ha/held-frames.js';
export { NGM_PLUG_COOKIE, ngPlugOf } from './ha/ng-plug.js';
export { ingressPlugAttach, ingressPlugDetach } from './ha/ingress-plug.js';
export { OutputPlug } from './ha/output-plug.js';
export type { PlugSink } from './ha/output-plug.js';
export { PlugStats } from './ha/plug-stats.js';
export * from './ha/plug.js';
export { PRIMARY_START, primaryStep } from './ha/primary-state.js';
export type { PrimaryAct, PrimaryEvent, PrimaryPhase, PrimaryState, PrimaryStep } from './ha/primary-state.js';

export type { Chunk, ChunkPool } from './mbuf/chunk-pool.js';
export { GATEWAY_HOST_NAME, Gateway } from './gateway/gateway.js';
export type { GatewayAddress, GatewayConfig, GatewayOpened, GatewayStep } from './gateway/gateway.js';
export type { EchoFlowDoor, GatewayHost, HostEcho, HostEnd, HostTcp, HostUdp, TcpFlowDoor, UdpFlowDoor } from './gateway/gateway-host.js';
export type { GatewayProto, ReverseRule } from './gateway/gateway-policy.js';
export { TcpFlow } from './gateway/tcp-flow.js';
export { UdpFlow } from './gateway/udp-flow.js';
export { EchoFlow } from './gateway/gateway-echo.js';

export { Socket } from './socket/socket.js';
export type { SockName } from './socket/socket-base.js';
export type { RecvInfo } from './socket/socket.js';
export type { SendControl } from './socket/socket-control.js';
export { RecvInfo6 } from './socket/socket-in6.js';
export type { SockAddr, SockName6 } from './socket/socket-in6.js';
export { in6Recover } from './transport/in6-pcb.js';
export type { Ip6Name } from './transport/in6-pcb.js';
export type { In6Pcb } from './transport/in6-pcb.js';
export type { InPcb } from './transport/inpcb.js';
export type { SocketHolder } from './socket/socket-holder.js';
export { SocketLayer } from './socket/socket-layer.js';
export type { AnySocket } from './socket/socket-layer.js';
export { StreamSocket } from './socket/stream-socket.js';
export type { TcpInfo } from './tcp/tcp-info.js';
export * from './tcp/tcp-state.js';
export { Tcp } from './tcp/tcp.js';
export { tcpDrop } from './tcp/tcp-close.js';
export { SSTHRESH_INFINITE } from './tcp/cc/cc.js';
export { ccDefault } from './tcp/cc/cc-registry.js';
export { TF_ECN, TcpCb } from './tcp/tcpcb.js';
export * from './socket/socket-type.js';
export { DnsExchange } from './socket/dns-exchange.js';
export type { DnsExchangeDone, DnsExchangeOptions } from './socket/dns-exchange.js';
export * from './socket/resolv-conf.js';
export { Resolver } from './socket/resolver.js';
export * from './socket/stub-resolver.js';

export * from './netgraph/index.js';
export { AliasInstance } from './netpfil/alias/alias.js';
export type { AliasClock, AliasCounts, AliasLink, AliasPortRedirect, AliasServer } from './netpfil/alias/alias.js';
export * from './netpfil/alias/alias-var.js';
export * from './netpfil/ipfw/index.js';

export { UDP_PAYLOAD_MAX } from './transport/udp.js';

export * from './inet/in-control.js';
export { InIfaddr } from './inet/in-ifaddr.js';
export { InNet } from './inet/in-net.js';
export { Ip } from './inet/ip.js';
export { Arp } from './inet/arp.js';
export type { ArpEntry, ArpSetOptions } from './inet/arp.js';
export { Icmp } from './inet/icmp.js';
export { Igmp } from './inet/igmp.js';
export { InMroute } from './inet/ip-mroute.js';

export * from './inet6/in6-control.js';
export * from './inet6/in6-ifaddr.js';
export * from './inet6/in6-ifinfo.js';
export { In6Net } from './inet6/in6-net.js';
export { Nd6 } from './inet6/nd6.js';
export type { NdRouterHooks, NdRouterView } from './inet6/nd6.js';
export * from './inet6/nd6-control.js';
export * from './inet6/nd6-flags.js';
export { NdRouter } from './inet6/nd6-router.js';
export { NdRtr } from './inet6/nd6-rtr.js';
export { Rtadvd } from './inet6/nd6-rtadv.js';
export type { RtadvIf } from './inet6/nd6-rtadv.js';
export * from './inet6/nd6-ra-output.js';
export { nd6RsOutput } from './inet6/nd6-rtsol.js';
export type { NdDns } from './inet6/nd6-dns.js';
export type { NdRtinfo } from './inet6/nd6-rtinfo.js';
export { NdPrefix } from './inet6/nd6-prefix.js';
export { Ip6 } from './inet6/ip6.js';
export type { In6Addrpolicy } from './inet6/in6-addrpolicy.js';
export { ICMP6_IFIN_ROWS, ICMP6_IFOUT_ROWS, IN6_IFSTAT_ROWS } from './inet6/ip6-ifstat.js';
export { Icmp6 } from './inet6/icmp6.js';
export { Mld } from './inet6/mld6.js';
export { In6Mroute } from './inet6/ip6-mroute.js';

export * from './net/bpf.js';
export { bpfWrite } from './net/bpf-write.js';
export * from './net/bpf-filter.js';
export * from './net/bridge-control.js';
export * from './net/bridge-params.js';
export * from './net/bridge-snoop-control.js';
export type { Datapath, DatapathProcessor } from './net/datapath/datapath.js';
export {
  IFBIF_BSTP_ADMCOST, IFBIF_BSTP_ADMEDGE, IFBIF_BSTP_AUTOEDGE, IFBIF_BSTP_AUTOPTP, IFBIF_BSTP_EDGE, IFBIF_BSTP_PTP, IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE,
  IFBIF_SPAN, IFBIF_STICKY, IFBIF_STP,
} from './net/bridge-forward.js';
export { IFBAF_DYNAMIC, IFBAF_STATIC, IFBAF_STICKY, IFBAF_TYPEMASK } from './net/bridge-rtable.js';
export { Carp, carpList, carpSupported } from './net/carp/carp.js';
export type { CarpInfo, CarpRequest } from './net/carp/carp.js';
export { CARP_BACKUP, CARP_INIT, CARP_KEY_LEN, CARP_MASTER, CARP_MAXADVBASE, CARP_MAXADVSKEW, CARP_MAXVHID, CARP_STATES, CarpStats } from './net/carp/carp-var.js';
export type { CarpState } from './net/carp/carp-var.js';
export { IN6ADDR_CARP_GROUP } from './wire/addr6.js';
export { epairPeer } from './net/epair.js';
export { IFB_QUEUE_MAX, ifTxqueuelen } from './net/ifb.js';
export { IfQdisc, ifQdiscAttach, ifQdiscDetach } from './net/tc/if-qdisc.js';
export type { Qdisc, QdiscKind, QdiscOptions, QdiscStats } from './net/tc/if-qdisc.js';
export * from './net/tc/tc-action.js';
export { TC_OK, tcRefuse } from './net/tc/tc-answer.js';
export type { TcAnswer } from './net/tc/tc-answer.js';
export * from './net/tc/tc-filter.js';
export * from './net/tc/tc-handle.js';
export { ETH_P_ALL, TcIngress } from './net/tc/tc-ingress.js';
export type { TcFilter, TcFilterKind, TcProto } from './net/tc/tc-ingress.js';
export * from './net/tc/tc-qdisc.js';
export { U32Match, U32_KEYS_MAX } from './net/tc/u32.js';
export type { U32Key } from './net/tc/u32.js';
export { gwOf } from './net/gw.js';
export {
  GRE_ENABLE_CSUM, GRE_ENABLE_SEQ, GRE_UDPENCAP, greParams, greSetKey, greSetOptions, greSetUdpport,
} from './net/gre.js';
export type { GreParams } from './net/gre.js';
export * from './net/if.js';
export * from './net/if-clone.js';
export * from './net/if-detach.js';
export * from './net/if-move.js';
export * from './net/if-vmove.js';
export * from './net/if-media.js';
export { IfVparams } from './net/if-vparams.js';
export * from './net/ifnet.js';
export * from './net/lagg/lagg-control.js';
export { LAGG_F_HASHL2, LAGG_F_HASHL3, LAGG_F_HASHL4 } from './net/lagg/flow-hash.js';
export * from './net/lagg/lagg-var.js';
export { GROUPS, ORIGINAL, SOURCES } from './net/mcast/host.js';
export type { McastHost, McastVersion } from './net/mcast/host.js';
export { QUERIER_DEFAULTS } from './net/mcast/querier.js';
export type { McastQuerier, QuerierOptions, RouterGroup } from './net/mcast/querier.js';
export { MRT_COUNTERS, McastRouter } from './net/mcast/router.js';
export type { McastRoute } from './net/mcast/router.js';
export type { MfcEntry, Vif } from './net/mcast/mfc.js';
export * from './net/mcast/source-filter.js';
export * from './net/move-journal.js';
export * from './net/net.js';
export * from './net/pfil.js';
export * from './net/route/nexthop.js';
export * from './net/route/route-stats.js';
export * from './net/route/route-tables.js';
export { Rtentry, Rtentry4, Rtentry6 } from './net/route/rtentry.js';
export type { RtPath } from './net/route/rtentry.js';
export * from './net/rtsock.js';
export * from './net/sockaddr.js';
export { stfParams, stfSetNet, stfSetRelay } from './net/stf.js';
export type { StfParams } from './net/stf.js';
export * from './net/tap.js';
export * from './net/tun.js';
export { tunnelDelete, tunnelPair, tunnelPair6, tunnelSet, tunnelSet6 } from './net/tunnel-softc.js';
export type { TunnelPair } from './net/tunnel-softc.js';
export * from './net/vlan.js';
export { VXLAN_FE_DYNAMIC, VXLAN_FE_STATIC, VXLAN_FTABLE_MAX } from './net/vxlan-ftable.js';
export type { FtableEntry } from './net/vxlan-ftable.js';
export * from './net/vxlan-control.js';
export { ifInput, ifReinput, ifTransmit, ifTransmitNow } from './net/if-transmit.js';
export { etherIfattach, etherIfdetach, etherInsertTag, etherOutputFrame } from './net/ether.js';
export { isIfAddr6 } from './net/ifaddr.js';
export type { IfAddr, IfAddr6 } from './net/ifaddr.js';

export type { Attached, PrisonCreate, PrisonHold, PrisonResult } from './kern/prison.js';
export { PrisonTree } from './kern/prison.js';
export { Callout } from './kern/callout.js';
export type { ControlEnd } from './kern/control-ends.js';
export { ControlEnds } from './kern/control-ends.js';
export type { AuditCount, AuditLeak, AuditRow } from './kern/audit.js';
export { Engine } from './kern/engine.js';
export { Limbo } from './kern/limbo.js';
export { SharedPsrefClass } from './kern/psref-shared.js';
export { Readers, READERS_MAX } from './kern/readers.js';
export * from './kern/counters.js';
export { devctlAnnounce, devctlDataText, devctlLine, DevctlQueue, DevctlReader } from './kern/devctl.js';
export type { DevctlData, DevctlEvent, DevctlItem } from './kern/devctl.js';
export * from './kern/sysctl.js';
export { orderName, subsystemName } from './kern/vnet-sysinit.js';
export type { VnetSysinit, VnetSysinitObserver } from './kern/vnet-sysinit.js';
export { VnetKern } from './kern/vnet-kern.js';
export type { NetisrSource } from './kern/netisr.js';

export * from './env/env.js';
export * from './mbuf/packet-buffer.js';
export * from './mbuf/packet-tag.js';
export { PacketQueue } from './mbuf/packet-queue.js';

export * from './base/errno.js';
export * from './base/time.js';
export { InvariantError } from './base/assert.js';
export { Prng, fnv1a } from './base/prng.js';
