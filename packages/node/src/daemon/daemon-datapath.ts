/**
 * daemon-datapath.ts — the daemon's datapath: the pool of workers, if it was asked for, and the stack's interfaces that its ports belong to.
 * Read first: datapath/datapath-pool.ts; net/datapath/datapath.ts in core.
 *
 * Theory of operation. The workers are started with the first port, so a daemon without taps has none and needs no native library. A port is joined to an interface when its tap is opened: from
 * then on the workers forward what they can decide by the published tables. Before a port is closed, the tables let it go, and a grace period has passed: no worker is about to send to it.
 * What workers report (one died, one was replaced) goes to the log, and to the host's events.
 */
import { devctlAnnounce } from '@netloom/core';
import type { Ifnet, Kernel } from '@netloom/core';
import type { Logger } from 'pino';
import type { InlinePath } from '../datapath/inline-path.js';
import type { DatapathPool, PoolEvent } from '../datapath/datapath-pool.js';
import type { DatapathPort, PortBinding } from '../datapath/datapath-port.js';
import type { FrameIoWish } from '../datapath/io/choose-io.js';
import { datapathView } from '../datapath/datapath-view.js';
import type { DatapathView } from '../datapath/datapath-view.js';
import type { HostLoop } from '../loop.js';
import type { FramePort } from '../port/frame-port.js';
import { openHostPort, openHostQueues } from '../port/open-host-port.js';
import { vnetNameOf } from './kernel-topology.js';

export class DaemonDatapath {
  /** How many workers there are to be. */
  readonly workers: number;
  /** Null until the first port. */
  pool: DatapathPool | null = null;
  private readonly frameIo: FrameIoWish;
  private inline: InlinePath | null = null;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly log: Logger;

  constructor(kernel: Kernel, loop: HostLoop, log: Logger, workers: number, frameIo: FrameIoWish = 'auto') {
    this.kernel = kernel;
    this.loop = loop;
    this.log = log;
    this.workers = workers;
    this.frameIo = frameIo;
  }

  /** Opens a device of the host: a port of the pool, or without workers one for this thread. Rejects as `openHostQueues`. */
  async open(device: string): Promise<FramePort> {
    if (this.workers === 0) return this.shortPath(await openHostPort(device));
    const { DatapathPool } = await import('../datapath/datapath-pool.js');
    const pool = (this.pool ??= this.start(DatapathPool));
    await pool.started;
    const port = pool.open(await openHostQueues(device));
    port.binding = new InterfaceBinding(this.kernel, this.loop, port);
    return port;
  }

  /** Without workers this thread does what they would do. */
  private async shortPath(port: FramePort): Promise<FramePort> {
    const { datapath } = this.kernel;
    if (datapath === null) return port;
    const { InlinePath } = await import('../datapath/inline-path.js');
    this.inline ??= new InlinePath(this.kernel, this.loop, datapath);
    return this.inline.wrap(port);
  }

  get view(): DatapathView {
    const placeOf = ({ binding }: DatapathPort): { vnet: string; interface: string } | null => {
      const ifp = binding instanceof InterfaceBinding ? binding.ifp : null;
      return ifp === null ? null : { vnet: vnetNameOf(this.kernel, ifp), interface: ifp.xname };
    };
    return datapathView(this.pool, this.kernel.datapath, this.workers, placeOf);
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }

  private start(Pool: typeof DatapathPool): DatapathPool {
    const { kernel, loop } = this;
    return new Pool({
      workers: this.workers,
      io: this.frameIo,
      readers: kernel.engine.readers,
      ...(kernel.datapath === null ? {} : { tables: kernel.datapath }),
      passed: () => {
        if (kernel.engine.readers.waiting === 0) return;
        loop.enter();
        kernel.engine.readersPassed();
      },
      report: (event) => this.report(event),
    });
  }

  private report({ kind, worker, text }: PoolEvent): void {
    this.log[kind === 'abandoned' ? 'error' : 'warn']({ worker }, kind === 'died' ? `a datapath worker failed: ${text}` : `datapath worker: ${text}`);
    this.loop.enter();
    devctlAnnounce(this.kernel.vnet0.kern, 'DATAPATH', `worker${worker}`, kind.toUpperCase(), kind === 'restarted' ? {} : { message: text });
  }
}

/** A port of the pool, and the interface that its frames are of. */
class InterfaceBinding implements PortBinding {
  /** Wherever it is now; null before it is joined and after it was let go. */
  ifp: Ifnet | null = null;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly port: DatapathPort;

  constructor(kernel: Kernel, loop: HostLoop, port: DatapathPort) {
    this.kernel = kernel;
    this.loop = loop;
    this.port = port;
  }

  joined(ifp: Ifnet): void {
    const { kernel, port } = this;
    const was = this.ifp;
    this.ifp = ifp;
    // A moved interface keeps its index, and with it its port.
    if (was === null) kernel.call(this.loop.enter(), () => kernel.datapath?.attachPort(port.number, ifp, port.vnetHdr));
  }

  letGo(): Promise<void> {
    const { kernel, port, ifp } = this;
    const { datapath } = kernel;
    this.ifp = null;
    if (ifp === null || datapath === null) return Promise.resolve();
    return new Promise((resolve) => void kernel.call(this.loop.enter(), () => datapath.detachPort(port.number, resolve)));
  }
}
