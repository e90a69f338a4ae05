/**
 * tcp-run.ts — the end of input: the program is told what came, and what is then to be said is sent.
 * Read first: tcpcb.ts ("Work on a segment"); tcp-input.ts.
 */
import { tcpOutput } from './tcp-output.js';
import { TCPS_CLOSED } from './tcp-state.js';
import { TF_ACKNOW, TF_OUTPUT, TN_CONNECTED, TN_READ, TN_WRITE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** The end of input: the program is told, and what is to be said is sent. */
export function tcpRun(tp: TcpCb): void {
  tcpNotify(tp);
  tp.inInput = false;
  if ((tp.flags & (TF_ACKNOW | TF_OUTPUT)) !== 0 && tp.state !== TCPS_CLOSED) tcpOutput(tp);
}

/** Tells the program what the segment brought, when the machine is done with it: the program may do anything to the connection. */
function tcpNotify(tp: TcpCb): void {
  const { notify } = tp;
  if (notify === 0) return;
  tp.notify = 0;
  if ((notify & TN_CONNECTED) !== 0) tp.user?.tcpConnected();
  if ((notify & TN_READ) !== 0) tp.user?.tcpReadable();
  if ((notify & TN_WRITE) !== 0) tp.user?.tcpWritable();
}
