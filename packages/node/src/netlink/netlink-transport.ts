/**
 * netlink-transport.ts — datagrams to the kernel and back: a socket of AF_NETLINK for rtnetlink, through koffi.
 * Read first: netlink-libc.ts; netlink(7).
 *
 * Theory of operation. rtnetlink does its work within `sendto`: what it answers is in the socket when that returns, so `receive` does not wait, except for the next part of a dump, which it
 * makes itself. So the socket blocks, with a limit for the case that a kernel does not answer, and a request costs two system calls and no turn of the event loop. `NetlinkTransport` is an interface
 * so that a test can be the kernel.
 *
 * Invariant: a datagram that `receive` answers is overwritten by the next one.
 */
import { EINTR, EMSGSIZE, SOCK_CLOEXEC } from '../tap/libc.js';
import { netlinkError } from './netlink-error.js';
import {
  AF_NETLINK, loadNetlinkLibc, MSG_TRUNC, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_ROUTE, SO_RCVBUF, SO_RCVTIMEO, SOCK_RAW, SOCKADDR_NL_SIZE, SOL_NETLINK, SOL_SOCKET,
} from './netlink-libc.js';
import type { NetlinkLibc } from './netlink-libc.js';

export interface NetlinkTransport {
  /** 0, or the errno. */
  send(message: Uint8Array): number;
  /** A datagram, or the errno: ENOBUFS when some were lost, EAGAIN when none comes, EMSGSIZE when one was too long. */
  receive(): Uint8Array | number;
  close(): void;
}

/** The kernel's datagrams have at most 32 KiB. */
const DATAGRAM_MAX = 64 * 1024;
const RECEIVE_BUFFER = 1024 * 1024;
const ANSWER_SECONDS = 5;

export class KernelTransport implements NetlinkTransport {
  private readonly libc: NetlinkLibc;
  private readonly fd: number;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);
  private readonly kernel = new Uint8Array(SOCKADDR_NL_SIZE);
  private open = true;

  /** @throws NetlinkError when there is no such socket to be had; Error when this is not Linux. */
  constructor(libc: NetlinkLibc = loadNetlinkLibc()) {
    this.libc = libc;
    const asked = { doing: 'talk to', device: 'the kernel by rtnetlink' };
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (this.fd < 0) throw netlinkError(asked, libc.errno(), '');
    this.kernel[0] = AF_NETLINK;
    // Kernels before 4.12 know neither, and answer with a number alone.
    libc.setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, new Uint32Array([1]), 4);
    libc.setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, new Uint32Array([1]), 4);
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, new Uint32Array([RECEIVE_BUFFER]), 4);
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([BigInt(ANSWER_SECONDS), 0n]), 16);
    if (libc.bind(this.fd, this.kernel, SOCKADDR_NL_SIZE) < 0) {
      const errno = libc.errno();
      libc.close(this.fd);
      throw netlinkError(asked, errno, '');
    }
  }

  send(message: Uint8Array): number {
    const { libc } = this;
    while (libc.sendto(this.fd, libc.address(message), message.length, 0, this.kernel, SOCKADDR_NL_SIZE) < 0) {
      const errno = libc.errno();
      if (errno !== EINTR) return errno;
    }
    return 0;
  }

  receive(): Uint8Array | number {
    for (;;) {
      const length = this.libc.recv(this.fd, this.buffer, DATAGRAM_MAX, MSG_TRUNC);
      if (length > DATAGRAM_MAX) return EMSGSIZE;
      if (length >= 0) return this.buffer.subarray(0, length);
      const errno = this.libc.errno();
      if (errno !== EINTR) return errno;
    }
  }

  close(): void {
    if (this.open) this.libc.close(this.fd);
    this.open = false;
  }
}
