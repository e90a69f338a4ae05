/**
 * tcp-state.ts — the states of a connection, in FreeBSD's order, which comparisons use.
 * Read first: RFC 9293 §3.3.2; freebsd `sys/netinet/tcp_fsm.h`.
 */

export const TCPS_CLOSED = 0;
export const TCPS_LISTEN = 1;
export const TCPS_SYN_SENT = 2;
export const TCPS_SYN_RECEIVED = 3;
export const TCPS_ESTABLISHED = 4;
export const TCPS_CLOSE_WAIT = 5;
export const TCPS_FIN_WAIT_1 = 6;
export const TCPS_CLOSING = 7;
export const TCPS_LAST_ACK = 8;
export const TCPS_FIN_WAIT_2 = 9;
export const TCPS_TIME_WAIT = 10;
export const TCP_NSTATES = 11;

/** As netstat(1) writes them. */
export const TCP_STATE_NAMES = [
  'CLOSED', 'LISTEN', 'SYN_SENT', 'SYN_RCVD', 'ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT_1', 'CLOSING', 'LAST_ACK', 'FIN_WAIT_2', 'TIME_WAIT',
] as const;

/** Has the peer's SYN been received? */
export const tcpHaveRcvdSyn = (state: number): boolean => state >= TCPS_SYN_RECEIVED;
/** Has the peer said that it has no more to send? */
export const tcpHaveRcvdFin = (state: number): boolean => state === TCPS_CLOSE_WAIT || state === TCPS_CLOSING || state === TCPS_LAST_ACK || state === TCPS_TIME_WAIT;
/** May data be sent, or wait to be, in this state? */
export const tcpMaySend = (state: number): boolean => state === TCPS_ESTABLISHED || state === TCPS_CLOSE_WAIT;
