/**
 * ping-end.ts — PingEnd: echo requests sent by the host without privilege.
 * Read first: icmp(7), "ICMP_PROTO sockets"; core/src/gateway/gateway-host.ts (HostEcho).
 *
 * Linux lets the groups in net.ipv4.ping_group_range open datagram sockets of ICMP: the kernel writes identifier and checksum, and brings only the answers to what was
 * sent from here. Node has no call for that; the socket is opened through the C library and then given to a `dgram` socket, which takes it for one of
 * UDP. Ports mean nothing to it. Connected, it is told of ICMP errors.
 */
import dgram from 'node:dgram';
import type { EchoFlowDoor, HostEcho, HostEnd, PacketBuffer } from '@netloom/core';
import { AF_INET, O_CLOEXEC, O_NONBLOCK, SOCK_DGRAM, loadLibc } from '../tap/libc.js';
import { hostErrno } from './host-errno.js';
import { sendPacket } from './udp-end.js';
import type { PacketsOut } from './udp-end.js';

const AF_INET6 = 10;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const ECHO_HDR = 8;
const ECHO_SEQ = 6;
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
/** A port must be named, and is not looked at. */
const ANY_PORT = 1;
/** Requests that wait for the socket to be connected. */
const WAITING_MAX = 16;

/** A socket for echo requests of that family; -1: this process may have none, or this system has none. */
function pingSocket(family: 4 | 6): number {
  try {
    return loadLibc().socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, family === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  } catch {
    return -1; // no Linux, or no way to its C library
  }
}

export class PingEnd implements HostEcho {
  private readonly sock: dgram.Socket;
  private readonly out: PacketsOut;
  private readonly family: 4 | 6;
  private waiting: { readonly seq: number; readonly m: PacketBuffer }[] | null = [];
  private closed = false;

  private constructor(out: PacketsOut, flow: EchoFlowDoor, to: HostEnd, fd: number) {
    this.out = out;
    this.family = to.family;
    this.sock = dgram.createSocket({ type: to.family === 6 ? 'udp6' : 'udp4', lookup: (address, _options, told) => told(null, address, to.family) });
    this.sock.on('message', (data) => {
      if (data.length >= ECHO_HDR && data[0] === TYPES[to.family].reply) flow.reply(data.readUInt16BE(ECHO_SEQ), data.subarray(ECHO_HDR));
    });
    this.sock.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.closed) flow.failed(hostErrno(error));
    });
    this.sock.once('connect', () => this.connected());
    this.sock.bind({ fd }, () => {
      if (!this.closed) this.sock.connect(ANY_PORT, to.address);
    });
  }

  /** Null: the host lets this process send no echo requests. */
  static open(out: PacketsOut, flow: EchoFlowDoor, to: HostEnd): PingEnd | null {
    const fd = pingSocket(to.family);
    return fd < 0 ? null : new PingEnd(out, flow, to, fd);
  }

  /** HostEcho */
  send(seq: number, m: PacketBuffer): boolean {
    if (this.closed) return false;
    if (this.waiting === null) {
      this.transmit(seq, m);
      return true;
    }
    if (this.waiting.length >= WAITING_MAX) return false;
    this.out.packetsOut++;
    this.waiting.push({ seq, m });
    return true;
  }

  /** HostEcho */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const { m } of this.waiting ?? []) {
      this.out.packetsOut--;
      m.free();
    }
    this.waiting = null;
    this.sock.close();
  }

  private connected(): void {
    const { waiting } = this;
    this.waiting = null;
    for (const { seq, m } of waiting ?? []) {
      this.out.packetsOut--;
      this.transmit(seq, m);
    }
  }

  /** The message's own header is where the guest's was. */
  private transmit(seq: number, m: PacketBuffer): void {
    m.prepend(ECHO_HDR);
    m.gsoSize = 0;
    m.view.setUint32(m.off, (TYPES[this.family].request << 24) >>> 0);
    m.view.setUint32(m.off + 4, seq);
    sendPacket(this.out, m, (piece, done) => this.sock.send(piece, done));
  }
}
