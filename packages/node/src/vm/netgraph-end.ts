/**
 * netgraph-end.ts — bhyve's netgraph backend: a cable that ends at a hook of the netgraph of the machine's vnet.
 * Read first: core/src/netgraph/nodes/socket-port.ts; ng_socket(4); port/port-end.ts.
 *
 * The socket node goes when the machine goes, and with it the hook at its peer, as when bhyve's process ends. Somebody may shut the node down before: then
 * the card has no cable any more.
 */
import type { Errno, FrameSink, NgSocketPort, PacketBuffer } from '@netloom/core';
import { EIO, NgSocketPort as Port } from '@netloom/core';
import type { PortEnd } from '../port/port-end.js';
import type { BackendOpener } from './nic-backends.js';
import { VmRefusal } from './vm-spec.js';

/** Words of bhyve for the step that failed. */
const FAILED = { socket: "can't get Netgraph sockets", connect: "can't connect to node" } as const;

export const openNetgraph: BackendOpener<'netgraph'> = ({ path, hook, peerhook, socket }, _nic, { prison }) => {
  const base = prison.vnet.netgraph.open();
  if (base === null) throw new VmRefusal(EIO, FAILED.socket);
  const maxsockbuf = prison.vnet.kern.sysctl.find('kern.ipc.maxsockbuf')?.get();
  if (typeof maxsockbuf !== 'number') throw new VmRefusal(EIO, "can't get 'kern.ipc.maxsockbuf' value");
  const opened = Port.open(base, base.tun, { path, peerhook, hook, ...(socket === null ? {} : { socket }) }, maxsockbuf);
  if ('step' in opened) throw new VmRefusal(opened.error, FAILED[opened.step]);
  return { end: new NetgraphEnd(opened.port, `${path} ${peerhook}`) };
};

export class NetgraphEnd implements PortEnd {
  /** Address and hook that the cable leads to, as the command line has them. */
  readonly label: string;
  private readonly port: NgSocketPort;

  constructor(port: NgSocketPort, label: string) {
    this.port = port;
    this.label = label;
  }

  open(sink: FrameSink): Errno {
    return this.port.attach(sink);
  }

  close(): void {
    this.port.close();
  }

  input(m: PacketBuffer): void {
    this.port.input(m);
  }

  resume(): void {
    this.port.resume();
  }

  inputLost(): void {
    // The link counts what found no memory; a hook counts nothing.
  }
}
