/**
 * ping-end.ts — PingEnd: echo requests sent by the host without privilege.
 * Read first: icmp(7), "ICMP_PROTO sockets"; core/src/gateway/gateway-host.ts (HostEcho).
 *
 * Linux lets the groups in net.ipv4.ping_group_range open datagram sockets of ICMP: the kernel writes identifier and checksum, and brings only the answers to what was
 * sent from here. Node has no call for that; the socket is opened through the C library and then given to a `dgram` socket, which takes it for one of
 * UDP. Ports mean nothing to it. Connected, it is told of ICMP errors.
 */
import type { EchoFlowDoor, HostEcho, HostEnd, PacketBuffer } from '@netloom/core';
import { AF_INET, O_CLOEXEC, O_NONBLOCK, SOCK_DGRAM, loadLibc } from '../tap/libc.js';
import type { PacketsOut } from './datagrams-out.js';
import { UdpEnd } from './udp-end.js';

const AF_INET6 = 10;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const ECHO_HDR = 8;
const ECHO_SEQ = 6;
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
/** A port must be named, and is not looked at. */
const ANY_PORT = 1;

/** A socket for echo requests of that family; -1: this process may have none, or this system has none. */
function pingSocket(family: 4 | 6): number {
  try {
    return loadLibc().socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, family === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  } catch {
    return -1; // no Linux, or no way to its C library
  }
}

export class PingEnd implements HostEcho {
  private readonly end: UdpEnd;
  private readonly request: number;

  private constructor(out: PacketsOut, flow: EchoFlowDoor, to: HostEnd, fd: number) {
    const { request, reply } = TYPES[to.family];
    const input = (data: Uint8Array): void => {
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      if (data.length >= ECHO_HDR && data[0] === reply) flow.reply(view.getUint16(ECHO_SEQ), data.subarray(ECHO_HDR));
    };
    this.request = request;
    this.end = new UdpEnd(out, { input, failed: (error) => flow.failed(error) }, { ...to, port: ANY_PORT }, fd);
  }

  /** Null: the host lets this process send no echo requests. */
  static open(out: PacketsOut, flow: EchoFlowDoor, to: HostEnd): PingEnd | null {
    const fd = pingSocket(to.family);
    return fd < 0 ? null : new PingEnd(out, flow, to, fd);
  }

  /** HostEcho: the message's own header is where the guest's was. */
  send(seq: number, m: PacketBuffer): boolean {
    m.prepend(ECHO_HDR);
    m.gsoSize = 0;
    m.view.setUint32(m.off, (this.request << 24) >>> 0);
    m.view.setUint32(m.off + 4, seq);
    return this.end.send(m);
  }

  /** HostEcho */
  close(): void {
    this.end.close();
  }
}
