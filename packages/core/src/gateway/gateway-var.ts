/**
 * gateway-var.ts — what can be set of a gateway (`net.gateway.*`), and what it counts (`netstat -s -p gateway`).
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

export class GatewayTunables {
  tcpMax = 4_096;
  tcpPendingMax = 256;
  tcpConnectS = 75;
  /** RFC 5382 §5: not before 2 hours and 4 minutes. */
  tcpIdleS = 7_440;
  udpMax = 1_024;
  /** RFC 4787 §4.3: not before 2 minutes. */
  udpIdleS = 120;
  /** A question and its answer. */
  udpDnsIdleS = 10;
  echoMax = 64;
  echoWaitS = 10;
}

const FLOWS_MAX = 65_536;
const PENDING_MAX = 4_096;
const SECONDS_MAX = 604_800;

export const GATEWAY_SYSCTLS: SysctlGroup<GatewayTunables> = {
  prefix: 'net.gateway',
  oids: [
    sysctlInt('tcp_max', 'tcpMax', 'connections', 1, FLOWS_MAX, 'TCP connections through the gateway at a time'),
    sysctlInt('tcp_pending_max', 'tcpPendingMax', 'connections', 1, PENDING_MAX, 'TCP connections whose other side has not answered yet'),
    sysctlInt('tcp_connect_s', 'tcpConnectS', 's', 1, SECONDS_MAX, 'How long the other side has to answer a TCP connection'),
    sysctlInt('tcp_idle_s', 'tcpIdleS', 's', 0, SECONDS_MAX, 'A TCP connection on which nothing has moved for so long is reset; 0: never'),
    sysctlInt('udp_max', 'udpMax', 'flows', 1, FLOWS_MAX, 'UDP flows through the gateway at a time'),
    sysctlInt('udp_idle_s', 'udpIdleS', 's', 1, SECONDS_MAX, 'A UDP flow on which nothing has moved for so long is forgotten'),
    sysctlInt('udp_dns_idle_s', 'udpDnsIdleS', 's', 1, SECONDS_MAX, 'The same for flows to port 53'),
    sysctlInt('echo_max', 'echoMax', 'flows', 1, FLOWS_MAX, 'Senders of echo requests through the gateway at a time'),
    sysctlInt('echo_wait_s', 'echoWaitS', 's', 1, SECONDS_MAX, 'How long answers to echo requests are waited for'),
  ],
};

export class GatewayStats {
  tcpflows = 0;
  tcprefused = 0;
  tcpunreach = 0;
  tcplimit = 0;
  tcptimeout = 0;
  tcpidle = 0;
  tcpin = 0;
  udpflows = 0;
  udplimit = 0;
  udpidle = 0;
  udprefused = 0;
  udpdropped = 0;
  udpin = 0;
  echoes = 0;
  echolimit = 0;
  echodenied = 0;
  echoreplies = 0;
  prohibited = 0;
}

export const GATEWAY_COUNTERS: CounterGroup<GatewayStats> = {
  name: 'gateway',
  rows: [
    { key: 'tcpflows', text: '{} TCP connection{s} carried out' },
    { key: 'tcpin', text: '{} TCP connection{s} forwarded in' },
    { key: 'tcprefused', text: '{} TCP connection{s} refused by the other side' },
    { key: 'tcpunreach', text: '{} TCP connection{s} to where the host has no way' },
    { key: 'tcptimeout', text: '{} TCP connection{s} not answered in time' },
    { key: 'tcplimit', text: '{} TCP connection{s} beyond the limit' },
    { key: 'tcpidle', text: '{} idle TCP connection{s} reset' },
    { key: 'udpflows', text: '{} UDP flow{s} carried out' },
    { key: 'udpin', text: '{} UDP flow{s} forwarded in' },
    { key: 'udpidle', text: '{} idle UDP flow{s} forgotten' },
    { key: 'udprefused', text: '{} UDP flow{s} refused by the other side or its way' },
    { key: 'udplimit', text: '{} UDP flow{s} beyond the limit' },
    { key: 'udpdropped', text: '{} datagram{s} the host or the guest did not take' },
    { key: 'echoes', text: '{} echo request{s} carried out' },
    { key: 'echoreplies', text: '{} echo repl{ies} brought back' },
    { key: 'echodenied', text: '{} echo request{s} the host lets nobody send' },
    { key: 'echolimit', text: '{} echo request{s} beyond the limit' },
    { key: 'prohibited', text: '{} flow{s} not allowed' },
  ],
};
