/**
 * tcp-var.ts — what TCP counts and what an administrator may set.
 * Read first: tcp(4); freebsd `sys/netinet/tcp_var.h`, `usr.bin/netstat/inet.c`.
 *
 * Counters are plain fields of one object, in the order and the words of `netstat -s -p tcp`. A row whose text begins with " (" continues the
 * line before it. Times of sysctls are FreeBSD's milliseconds; the stack computes in microseconds.
 * Some are there for the words' sake and stay 0: there is no header prediction (`predack`, `preddat`), a full syncache pauses and drops no single entry
 * (`sc_cacheoverflow`), nothing is sent as ECT(1), and TIME_WAIT never answers with RST (`tw_resets`).
 * Not here: what FreeBSD counts of things that are not there (TCP over UDP, AccECN).
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

/** `struct tcpstat`, without its prefix. */
export class TcpStats {
  sndtotal = 0;
  sndpack = 0;
  sndbyte = 0;
  sndrexmitpack = 0;
  sndrexmitbyte = 0;
  sndrexmitbad = 0;
  mturesent = 0;
  sndacks = 0;
  delack = 0;
  sndurg = 0;
  sndprobe = 0;
  sndwinup = 0;
  sndctrl = 0;
  rcvtotal = 0;
  rcvackpack = 0;
  rcvackbyte = 0;
  rcvdupack = 0;
  rcvacktoomuch = 0;
  rcvpack = 0;
  rcvbyte = 0;
  rcvduppack = 0;
  rcvdupbyte = 0;
  pawsdrop = 0;
  rcvpartduppack = 0;
  rcvpartdupbyte = 0;
  rcvoopack = 0;
  rcvoobyte = 0;
  rcvpackafterwin = 0;
  rcvbyteafterwin = 0;
  rcvwinprobe = 0;
  rcvwinupd = 0;
  dsack_count = 0;
  dsack_bytes = 0;
  dsack_tlp_bytes = 0;
  rcvmemdrop = 0;
  rcvafterclose = 0;
  rcvbadsum = 0;
  rcvbadoff = 0;
  rcvshort = 0;
  rcvreassfull = 0;
  connattempt = 0;
  accepts = 0;
  badsyn = 0;
  listendrop = 0;
  badrst = 0;
  connects = 0;
  usedrtt = 0;
  usedrttvar = 0;
  usedssthresh = 0;
  closed = 0;
  drops = 0;
  cachedrtt = 0;
  cachedrttvar = 0;
  cachedssthresh = 0;
  conndrops = 0;
  rttupdated = 0;
  segstimed = 0;
  rexmttimeo = 0;
  timeoutdrop = 0;
  persisttimeo = 0;
  persistdrop = 0;
  finwait2_drops = 0;
  keeptimeo = 0;
  keepprobe = 0;
  keepdrops = 0;
  progdrops = 0;
  predack = 0;
  preddat = 0;
  sc_added = 0;
  sc_retransmitted = 0;
  sc_dupsyn = 0;
  sc_dropped = 0;
  sc_completed = 0;
  sc_bucketoverflow = 0;
  sc_cacheoverflow = 0;
  sc_reset = 0;
  sc_stale = 0;
  sc_aborted = 0;
  sc_badack = 0;
  sc_unreach = 0;
  sc_zonefail = 0;
  sc_sendcookie = 0;
  sc_recvcookie = 0;
  hc_added = 0;
  hc_bucketoverflow = 0;
  sack_recovery_episode = 0;
  sack_rexmits = 0;
  sack_rexmit_bytes = 0;
  sack_rcv_blocks = 0;
  sack_send_blocks = 0;
  sack_lostrexmt = 0;
  sack_sboverflow = 0;
  tlpprobes = 0;
  ecn_rcvce = 0;
  ecn_rcvect0 = 0;
  ecn_rcvect1 = 0;
  ecn_sndect0 = 0;
  ecn_sndect1 = 0;
  ecn_shs = 0;
  ecn_rcwnd = 0;
  sig_rcvgoodsig = 0;
  sig_rcvbadsig = 0;
  sig_err_buildsig = 0;
  sig_err_sigopt = 0;
  sig_err_nosigopt = 0;
  pmtud_blackhole_activated = 0;
  pmtud_blackhole_activated_min_mss = 0;
  pmtud_blackhole_failed = 0;
  tw_responds = 0;
  tw_recycles = 0;
  tw_resets = 0;
}

export const TCP_COUNTERS: CounterGroup<TcpStats> = {
  name: 'tcp',
  rows: [
    { key: 'sndtotal', text: '{} packet{s} sent' },
    { key: 'sndpack', text: '{} data packet{s}', depth: 2 },
    { key: 'sndbyte', text: ' ({} byte{s})' },
    { key: 'sndrexmitpack', text: '{} data packet{s}', depth: 2 },
    { key: 'sndrexmitbyte', text: ' ({} byte{s}) retransmitted' },
    { key: 'sndrexmitbad', text: '{} data packet{s} unnecessarily retransmitted', depth: 2 },
    { key: 'mturesent', text: '{} resend{s} initiated by MTU discovery', depth: 2 },
    { key: 'sndacks', text: '{} ack-only packet{s}', depth: 2 },
    { key: 'delack', text: ' ({} delayed)' },
    { key: 'sndurg', text: '{} URG only packet{s}', depth: 2 },
    { key: 'sndprobe', text: '{} window probe packet{s}', depth: 2 },
    { key: 'sndwinup', text: '{} window update packet{s}', depth: 2 },
    { key: 'sndctrl', text: '{} control packet{s}', depth: 2 },
    { key: 'rcvtotal', text: '{} packet{s} received' },
    { key: 'rcvackpack', text: '{} ack{s}', depth: 2 },
    { key: 'rcvackbyte', text: ' (for {} byte{s})' },
    { key: 'rcvdupack', text: '{} duplicate ack{s}', depth: 2 },
    { key: 'rcvacktoomuch', text: '{} ack{s} for unsent data', depth: 2 },
    { key: 'rcvpack', text: '{} packet{s}', depth: 2 },
    { key: 'rcvbyte', text: ' ({} byte{s}) received in-sequence' },
    { key: 'rcvduppack', text: '{} completely duplicate packet{s}', depth: 2 },
    { key: 'rcvdupbyte', text: ' ({} byte{s})' },
    { key: 'pawsdrop', text: '{} old duplicate packet{s}', depth: 2 },
    { key: 'rcvpartduppack', text: '{} packet{s} with some dup. data', depth: 2 },
    { key: 'rcvpartdupbyte', text: ' ({} byte{s} duped)' },
    { key: 'rcvoopack', text: '{} out-of-order packet{s}', depth: 2 },
    { key: 'rcvoobyte', text: ' ({} byte{s})' },
    { key: 'rcvpackafterwin', text: '{} packet{s}', depth: 2 },
    { key: 'rcvbyteafterwin', text: ' ({} byte{s}) of data after window' },
    { key: 'rcvwinprobe', text: '{} window probe{s}', depth: 2 },
    { key: 'rcvwinupd', text: '{} window update packet{s}', depth: 2 },
    { key: 'dsack_count', text: '{} packet{s} received with dsack', depth: 2 },
    { key: 'dsack_bytes', text: '{} dsack byte{s} received (no TLP involved)', depth: 2 },
    { key: 'dsack_tlp_bytes', text: '{} dsack byte{s} received (TLP responsible)', depth: 2 },
    { key: 'rcvmemdrop', text: '{} discarded due to memory problems', depth: 2 },
    { key: 'rcvafterclose', text: '{} packet{s} received after close', depth: 2 },
    { key: 'rcvbadsum', text: '{} discarded for bad checksum{s}', depth: 2 },
    { key: 'rcvbadoff', text: '{} discarded for bad header offset field{s}', depth: 2 },
    { key: 'rcvshort', text: '{} discarded because packet too short', depth: 2 },
    { key: 'rcvreassfull', text: '{} discarded due to full reassembly queue', depth: 2 },
    { key: 'connattempt', text: '{} connection request{s}' },
    { key: 'accepts', text: '{} connection accept{s}' },
    { key: 'badsyn', text: '{} bad connection attempt{s}' },
    { key: 'listendrop', text: '{} listen queue overflow{s}' },
    { key: 'badrst', text: '{} ignored RSTs in the window{s}' },
    { key: 'connects', text: '{} connection{s} established (including accepts)' },
    { key: 'usedrtt', text: '{} time{s} used RTT from hostcache', depth: 2 },
    { key: 'usedrttvar', text: '{} time{s} used RTT variance from hostcache', depth: 2 },
    { key: 'usedssthresh', text: '{} time{s} used slow-start threshold from hostcache', depth: 2 },
    { key: 'closed', text: '{} connection{s} closed' },
    { key: 'drops', text: ' (including {} drop{s})' },
    { key: 'cachedrtt', text: '{} connection{s} updated cached RTT on close', depth: 2 },
    { key: 'cachedrttvar', text: '{} connection{s} updated cached RTT variance on close', depth: 2 },
    { key: 'cachedssthresh', text: '{} connection{s} updated cached ssthresh on close', depth: 2 },
    { key: 'conndrops', text: '{} embryonic connection{s} dropped' },
    { key: 'rttupdated', text: '{} segment{s} updated rtt' },
    { key: 'segstimed', text: ' (of {} attempt{s})' },
    { key: 'rexmttimeo', text: '{} retransmit timeout{s}' },
    { key: 'timeoutdrop', text: '{} connection{s} dropped by rexmit timeout', depth: 2 },
    { key: 'persisttimeo', text: '{} persist timeout{s}' },
    { key: 'persistdrop', text: '{} connection{s} dropped by persist timeout', depth: 2 },
    { key: 'finwait2_drops', text: '{} Connection{s} (fin_wait_2) dropped because of timeout' },
    { key: 'keeptimeo', text: '{} keepalive timeout{s}' },
    { key: 'keepprobe', text: '{} keepalive probe{s} sent', depth: 2 },
    { key: 'keepdrops', text: '{} connection{s} dropped by keepalive', depth: 2 },
    { key: 'progdrops', text: '{} connection{s} dropped due to exceeding progress time' },
    { key: 'predack', text: '{} correct ACK header prediction{s}' },
    { key: 'preddat', text: '{} correct data packet header prediction{s}' },
    { key: 'sc_added', text: '{} syncache entr{ies} added' },
    { key: 'sc_retransmitted', text: '{} retransmitted', depth: 2 },
    { key: 'sc_dupsyn', text: '{} dupsyn', depth: 2 },
    { key: 'sc_dropped', text: '{} dropped', depth: 2 },
    { key: 'sc_completed', text: '{} completed', depth: 2 },
    { key: 'sc_bucketoverflow', text: '{} bucket overflow', depth: 2 },
    { key: 'sc_cacheoverflow', text: '{} cache overflow', depth: 2 },
    { key: 'sc_reset', text: '{} reset', depth: 2 },
    { key: 'sc_stale', text: '{} stale', depth: 2 },
    { key: 'sc_aborted', text: '{} aborted', depth: 2 },
    { key: 'sc_badack', text: '{} badack', depth: 2 },
    { key: 'sc_unreach', text: '{} unreach', depth: 2 },
    { key: 'sc_zonefail', text: '{} zone failure{s}', depth: 2 },
    { key: 'sc_sendcookie', text: '{} cookie{s} sent' },
    { key: 'sc_recvcookie', text: '{} cookie{s} received' },
    { key: 'hc_added', text: '{} hostcache entr{ies} added' },
    { key: 'hc_bucketoverflow', text: '{} bucket overflow', depth: 2 },
    { key: 'sack_recovery_episode', text: '{} SACK recovery episode{s}' },
    { key: 'sack_rexmits', text: '{} segment rexmit{s} in SACK recovery episodes' },
    { key: 'sack_rexmit_bytes', text: '{} byte rexmit{s} in SACK recovery episodes' },
    { key: 'sack_rcv_blocks', text: '{} SACK option{s} (SACK blocks) received' },
    { key: 'sack_send_blocks', text: '{} SACK option{s} (SACK blocks) sent' },
    { key: 'sack_lostrexmt', text: '{} SACK retransmission{s} lost' },
    { key: 'sack_sboverflow', text: '{} SACK scoreboard overflow' },
    { key: 'tlpprobes', text: '{} tail loss probe{s} sent' },
    { key: 'ecn_rcvce', text: '{} packet{s} received with ECN CE bit set' },
    { key: 'ecn_rcvect0', text: '{} packet{s} received with ECN ECT(0) bit set' },
    { key: 'ecn_rcvect1', text: '{} packet{s} received with ECN ECT(1) bit set' },
    { key: 'ecn_sndect0', text: '{} packet{s} sent with ECN ECT(0) bit set' },
    { key: 'ecn_sndect1', text: '{} packet{s} sent with ECN ECT(1) bit set' },
    { key: 'ecn_shs', text: '{} successful ECN handshake{s}' },
    { key: 'ecn_rcwnd', text: '{} time{s} ECN reduced the congestion window' },
    { key: 'sig_rcvgoodsig', text: '{} packet{s} with matching signature received' },
    { key: 'sig_rcvbadsig', text: '{} packet{s} with bad signature received' },
    { key: 'sig_err_buildsig', text: '{} time{s} failed to make signature due to no SA' },
    { key: 'sig_err_sigopt', text: '{} time{s} unexpected signature received' },
    { key: 'sig_err_nosigopt', text: '{} time{s} no signature provided by segment' },
    { key: 'pmtud_blackhole_activated', text: '{} Path MTU discovery black hole detection activation{s}' },
    { key: 'pmtud_blackhole_activated_min_mss', text: '{} Path MTU discovery black hole detection min MSS activation{s}' },
    { key: 'pmtud_blackhole_failed', text: '{} Path MTU discovery black hole detection failure{s}' },
    { key: 'tw_responds', text: '{} time{s} connection in TIME-WAIT responded with ACK' },
    { key: 'tw_recycles', text: '{} time{s} connection in TIME-WAIT was actively recycled' },
    { key: 'tw_resets', text: '{} time{s} connection in TIME-WAIT responded with RST' },
  ],
};

/** Bytes a socket buffer may grow to; as `kern.ipc.maxsockbuf`. */
const SPACE_MAX = 1 << 30;

export class TcpTunables {
  mssdflt = 536;
  v6mssdflt = 1220;
  minmss = 216;
  /** Window scaling and timestamps (RFC 7323). */
  rfc1323 = 1;
  sack = 1;
  sendspace = 32_768;
  recvspace = 65_536;
  sendbufAuto = 1;
  sendbufMax = 2_097_152;
  recvbufAuto = 1;
  recvbufMax = 2_097_152;
  /** Longest super-segment of this stack, bytes of payload; below two segments: none are built. */
  tsoMax = 65_000;
  tso = 1;
  delayedAck = 1;
  delacktimeMs = 40;
  rexmitInitialMs = 1_000;
  rexmitMinMs = 50;
  mslMs = 30_000;
  persminMs = 5_000;
  persmaxMs = 60_000;
  keepinitMs = 75_000;
  keepidleMs = 7_200_000;
  keepintvlMs = 75_000;
  keepcnt = 8;
  alwaysKeepalive = 1;
  finwait2TimeoutMs = 60_000;
  fastFinwait2Recycle = 0;
  rexmitRetries = 12;
  /** RFC 5961: challenge ACKs of a connection in so many milliseconds. */
  ackWarCnt = 5;
  ackWarTimewindowMs = 1_000;
  dropSynfin = 0;
  tolerateMissingTs = 0;
  blackhole = 0;
  nolocaltimewait = 0;
  maxtcptw = 16_384;
  utoMinS = 100;
  utoMaxS = 7_200;
  reassMaxqueuelen = 100;
  /** RACK and its tail loss probe (RFC 8985); without RACK, RFC 6675. */
  rack = 1;
  tlp = 1;
  sackMaxholes = 128;
  /** ECN: 0 never, 1 always, 2 when a peer asks. */
  ecn = 2;
  ecnMaxretries = 1;
  pathMtuDiscovery = 1;
  /** 0 off, 1 on, 2 for IPv4, 3 for IPv6. */
  pmtudBlackholeDetection = 0;
  pmtudBlackholeMss = 1_200;
  v6pmtudBlackholeMss = 1_220;
  icmpMayRst = 1;
  /** Say in the log why a segment of a handshake was refused. */
  logDebug = 0;
}

export const TCP_SYSCTLS: SysctlGroup<TcpTunables> = {
  prefix: 'net.inet.tcp',
  oids: [
    sysctlInt('mssdflt', 'mssdflt', 'bytes', 64, 65_495, 'Default TCP Maximum Segment Size'),
    sysctlInt('v6mssdflt', 'v6mssdflt', 'bytes', 64, 65_475, 'Default TCP Maximum Segment Size for IPv6'),
    sysctlInt('minmss', 'minmss', 'bytes', 0, 65_495, 'Minimum TCP Maximum Segment Size'),
    sysctlInt('rfc1323', 'rfc1323', 'bool', 0, 1, 'Enable rfc1323 (high performance TCP) extensions'),
    sysctlInt('sendspace', 'sendspace', 'bytes', 2_048, SPACE_MAX, 'Initial send socket buffer size'),
    sysctlInt('recvspace', 'recvspace', 'bytes', 2_048, SPACE_MAX, 'Initial receive socket buffer size'),
    sysctlInt('sendbuf_auto', 'sendbufAuto', 'bool', 0, 1, 'Enable automatic send buffer sizing'),
    sysctlInt('sendbuf_max', 'sendbufMax', 'bytes', 2_048, SPACE_MAX, 'Max size of automatic send buffer'),
    sysctlInt('recvbuf_auto', 'recvbufAuto', 'bool', 0, 1, 'Enable automatic receive buffer sizing'),
    sysctlInt('recvbuf_max', 'recvbufMax', 'bytes', 2_048, SPACE_MAX, 'Max size of automatic receive buffer'),
    sysctlInt('tso', 'tso', 'bool', 0, 1, 'Enable TCP Segmentation Offload'),
    sysctlInt('tso_max', 'tsoMax', 'bytes', 1_024, 65_000, 'Payload of the longest super-segment'),
    sysctlInt('delayed_ack', 'delayedAck', 'bool', 0, 1, 'Delay ACK to try and piggyback it onto a data packet'),
    sysctlInt('delacktime', 'delacktimeMs', 'ms', 1, 1_000, 'Time before a delayed ACK is sent'),
    sysctlInt('rexmit_initial', 'rexmitInitialMs', 'ms', 1, 64_000, 'Initial Retransmission Timeout'),
    sysctlInt('rexmit_min', 'rexmitMinMs', 'ms', 1, 64_000, 'Minimum Retransmission Timeout above the smoothed round-trip time'),
    sysctlInt('rexmit_retries', 'rexmitRetries', 'retries', 0, 12, 'Maximum number of consecutive timer based retransmissions'),
    sysctlInt('msl', 'mslMs', 'ms', 1, 120_000, 'Maximum segment lifetime'),
    sysctlInt('persmin', 'persminMs', 'ms', 1, 60_000, 'minimum persistence interval'),
    sysctlInt('persmax', 'persmaxMs', 'ms', 1, 600_000, 'maximum persistence interval'),
    sysctlInt('keepinit', 'keepinitMs', 'ms', 1, 86_400_000, 'time to establish connection'),
    sysctlInt('keepidle', 'keepidleMs', 'ms', 1, 864_000_000, 'time before keepalive probes begin'),
    sysctlInt('keepintvl', 'keepintvlMs', 'ms', 1, 86_400_000, 'time between keepalive probes'),
    sysctlInt('keepcnt', 'keepcnt', 'probes', 1, 255, 'Number of keepalive probes to send'),
    sysctlInt('always_keepalive', 'alwaysKeepalive', 'bool', 0, 1, 'Assume SO_KEEPALIVE on all TCP connections'),
    sysctlInt('finwait2_timeout', 'finwait2TimeoutMs', 'ms', 1, 86_400_000, 'FIN-WAIT2 timeout'),
    sysctlInt('fast_finwait2_recycle', 'fastFinwait2Recycle', 'bool', 0, 1, 'Recycle closed FIN_WAIT_2 connections faster'),
    sysctlInt('ack_war_cnt', 'ackWarCnt', 'acks', 0, 1_000_000, 'Maximum number of challenge ACKs sent during the time interval (ack_war_timewindow)'),
    sysctlInt('ack_war_timewindow', 'ackWarTimewindowMs', 'ms', 1, 3_600_000, 'Time interval over which challenge ACKs of a connection are counted'),
    sysctlInt('drop_synfin', 'dropSynfin', 'bool', 0, 1, 'Drop TCP packets with SYN+FIN set'),
    sysctlInt('tolerate_missing_ts', 'tolerateMissingTs', 'bool', 0, 1, 'Tolerate missing TCP timestamps'),
    sysctlInt('blackhole', 'blackhole', '', 0, 3, 'Do not send RST on segments to closed ports: 1 SYNs, 2 any segment'),
    sysctlInt('nolocaltimewait', 'nolocaltimewait', 'bool', 0, 1, 'Do not create TCP TIME_WAIT state for local connections'),
    sysctlInt('path_mtu_discovery', 'pathMtuDiscovery', 'bool', 0, 1, 'Enable Path MTU Discovery'),
    sysctlInt('pmtud_blackhole_detection', 'pmtudBlackholeDetection', '', 0, 3, 'Path MTU Discovery Black Hole Detection: 1 on, 2 for IPv4, 3 for IPv6'),
    sysctlInt('pmtud_blackhole_mss', 'pmtudBlackholeMss', 'bytes', 64, 65_495, 'Path MTU Discovery Black Hole Detection lowered MSS'),
    sysctlInt('v6pmtud_blackhole_mss', 'v6pmtudBlackholeMss', 'bytes', 64, 65_475, 'Path MTU Discovery IPv6 Black Hole Detection lowered MSS'),
    sysctlInt('icmp_may_rst', 'icmpMayRst', 'bool', 0, 1, 'Certain ICMP unreachable messages may abort connections in SYN_SENT'),
    sysctlInt('log_debug', 'logDebug', 'bool', 0, 1, 'Log errors caused by incoming TCP segments'),
    sysctlInt('uto_min', 'utoMinS', 's', 1, 1_966_020, 'Shortest user timeout taken over from a peer (RFC 5482)'),
    sysctlInt('uto_max', 'utoMaxS', 's', 1, 1_966_020, 'Longest user timeout taken over from a peer (RFC 5482)'),
    sysctlInt('maxtcptw', 'maxtcptw', 'connections', 0, 10_000_000, 'Maximum number of connections in the TIME_WAIT state'),
  ],
};

export const TCP_SACK_SYSCTLS: SysctlGroup<TcpTunables> = {
  prefix: 'net.inet.tcp.sack',
  oids: [
    sysctlInt('enable', 'sack', 'bool', 0, 1, 'Enable/Disable TCP SACK support'),
    sysctlInt('maxholes', 'sackMaxholes', 'holes', 1, 65_535, 'Maximum number of TCP SACK holes allowed per connection'),
  ],
};

export const TCP_RACK_SYSCTLS: SysctlGroup<TcpTunables> = {
  prefix: 'net.inet.tcp.rack',
  oids: [
    sysctlInt('enable', 'rack', 'bool', 0, 1, 'Detect loss by time (RFC 8985); 0: by what is selectively acknowledged (RFC 6675)'),
    sysctlInt('tlp', 'tlp', 'bool', 0, 1, 'Send tail loss probes (RFC 8985)'),
  ],
};

export const TCP_ECN_SYSCTLS: SysctlGroup<TcpTunables> = {
  prefix: 'net.inet.tcp.ecn',
  oids: [
    sysctlInt('enable', 'ecn', '', 0, 2, 'TCP ECN support: 0 off, 1 asked for and accepted, 2 accepted'),
    sysctlInt('maxretries', 'ecnMaxretries', 'retries', 0, 12, 'Max retries before giving up on ECN'),
  ],
};

export const TCP_REASS_SYSCTLS: SysctlGroup<TcpTunables> = {
  prefix: 'net.inet.tcp.reass',
  oids: [sysctlInt('maxqueuelen', 'reassMaxqueuelen', 'segments', 0, 100_000, 'Maximum number of TCP Segments per Reassembly Queue')],
};
