/**
 * iperf-error.ts — iperf3's errors: their numbers, which servers send, and their words.
 * Read first: iperf_error.c of iperf 3.12.
 *
 * An error ends a test: `iperf3: error - TEXT`, with strerror(3) behind the text for those that come from a call.
 */
import { strerror } from '@netloom/core';
import type { Errno } from '@netloom/core';

interface ErrorRow {
  readonly number: number;
  readonly text: string;
  /** The reason a call gave stands behind the text. */
  readonly perr: boolean;
}

const row = (number: number, text: string, perr = false): ErrorRow => ({ number, text, perr });

export const IE = {
  INITTEST: row(101, 'test initialization failed', true),
  LISTEN: row(102, 'unable to start listener for connections', true),
  CONNECT: row(103, 'unable to connect to server', true),
  ACCEPT: row(104, 'unable to accept connection from client', true),
  SENDCOOKIE: row(105, 'unable to send cookie to server', true),
  RECVCOOKIE: row(106, 'unable to receive cookie at server', true),
  CTRLWRITE: row(107, 'unable to write to the control socket', true),
  CTRLREAD: row(108, 'unable to read from the control socket', true),
  CTRLCLOSE: row(109, 'control socket has closed unexpectedly'),
  MESSAGE: row(110, 'received an unknown control message'),
  SENDMESSAGE: row(111, 'unable to send control message', true),
  RECVMESSAGE: row(112, 'unable to receive control message', true),
  SENDPARAMS: row(113, 'unable to send parameters to server', true),
  RECVPARAMS: row(114, 'unable to receive parameters from client', true),
  SENDRESULTS: row(116, 'unable to send results', true),
  RECVRESULTS: row(117, 'unable to receive results', true),
  CLIENTTERM: row(119, 'the client has terminated'),
  SERVERTERM: row(120, 'the server has terminated'),
  ACCESSDENIED: row(121, 'the server is busy running a test. try again later'),
  SETNODELAY: row(122, 'unable to set TCP/SCTP NODELAY', true),
  SETMSS: row(123, 'unable to set TCP/SCTP MSS', true),
  SETBUF: row(124, 'unable to set socket buffer size', true),
  SETTOS: row(125, 'unable to set IP TOS', true),
  SETCOS: row(126, 'unable to set IPv6 traffic class', true),
  SETCONGESTION: row(134, 'unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host'),
  AUTHTEST: row(142, 'test authorization failed'),
  BINDDEV: row(143, 'Unable to bind-to-device (check perror, maybe permissions?)'),
  NOMSG: row(144, 'idle timeout for receiving data'),
  SETDONTFRAGMENT: row(145, 'unable to set IP Do-Not-Fragment flag'),
  CREATESTREAM: row(200, 'unable to create a new stream', true),
  STREAMLISTEN: row(202, 'unable to start stream listener', true),
  STREAMCONNECT: row(203, 'unable to connect stream', true),
  STREAMACCEPT: row(204, 'unable to accept stream connection', true),
  STREAMWRITE: row(205, 'unable to write to stream socket', true),
  STREAMREAD: row(206, 'unable to read from stream socket', true),
  STREAMCLOSE: row(207, 'stream socket has closed unexpectedly'),
  STREAMID: row(208, 'stream has an invalid id'),
} as const satisfies Readonly<Record<string, ErrorRow>>;

export type IperfErrorName = keyof typeof IE;

/** What `iperf3: error - ` is followed by. */
export class IperfError extends Error {
  override readonly name = 'IperfError';
  /** iperf3's number, and the errno, as a server tells a client. */
  readonly number: number;
  readonly errno: Errno;

  constructor(number: number, text: string, errno: Errno) {
    super(text);
    this.number = number;
    this.errno = errno;
  }
}

/** The error called `name`; `errno` is why, 0 when that is not known. `instead` stands in place of the reason's words. */
export function iperfError(name: IperfErrorName, errno: Errno = 0, instead?: string): IperfError {
  const { number, text, perr } = IE[name];
  const reason = instead ?? (errno === 0 ? '' : strerror(errno));
  return new IperfError(number, perr ? `${text}: ${reason}` : text, errno);
}

/** The error a server told of. Its errno is its own system's, so only what went wrong is told in our words. */
export function serverError(number: number, errno: number): IperfError {
  const known = Object.values<ErrorRow>(IE).find((r) => r.number === number);
  const text = known?.text ?? `int_errno=${number}`;
  return new IperfError(number, errno === 0 ? text : `${text} (the server's errno is ${errno})`, 0);
}
