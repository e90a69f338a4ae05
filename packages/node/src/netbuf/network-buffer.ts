/**
 * network-buffer.ts — class NetworkBuffer: a machine's output held by the kernel, as a checkpointer uses it.
 * Read first: docs/netbuf.md ("For a checkpointer"); netbufs.ts; core's ha/plug.ts for the hazards.
 *
 *     const output = await NetworkBuffer.install('vif1.0');
 *     // each epoch:  stop the machine; output.buffer(); take its state; let it go on; send the state; when it is acknowledged: output.release();
 *     await output.uninstall();
 *
 * Theory of operation. The kernel counts frames; between `buffer` and `release` it can remember one closed epoch. `buffer` twice forgets the first one's count for good (hazard A), and `buffer` behind `releaseAll` leaves uncounted what
 * has not left yet (hazard C): so the first is refused, and the second looks whether the queue is empty. An ifb that somebody else takes down and up keeps the counts of frames it has lost (hazard B): that cannot be seen from here, so
 * nobody else may have it. core's EpochPlug has none of these.
 *
 * Whoever installs again takes over: the plug that it puts there has another number, and the one before is refused from then on.
 *
 * Invariant: `closed` tells what the kernel's count of the last epoch is about.
 */
import { TCQ_PLUG_BUFFER, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from '../netlink/index.js';
import { NetbufError } from './netbuf-error.js';
import type { NetbufRecord } from './netbuf-record.js';
import { Netbufs } from './netbufs.js';
import type { HeldOutput, InstallOptions, NetbufsOptions, UninstallOptions } from './netbufs.js';

/** Softirqs send what was let go, mostly before the call returns. */
const EMPTY_LOOKS = 200;

export class NetworkBuffer {
  readonly record: NetbufRecord;
  private readonly netbufs: Netbufs;
  /** An epoch has been ended and not been released. */
  private closed = false;
  private passes = false;

  /** Of a buffer that is installed, and plugged. Nobody else controls it meanwhile. */
  constructor(netbufs: Netbufs, record: NetbufRecord) {
    this.netbufs = netbufs;
    this.record = record;
  }

  /**
   * As Netbufs.install. What the machine sends is held from then on. If a buffer was there, which epochs its plug counted is not known any more: a new plug takes its place, and what was held is lost, as on a wire.
   * @throws NetbufError, NetlinkError
   */
  static async install(vif: string, options: InstallOptions & NetbufsOptions = {}, netbufs: Netbufs = new Netbufs(options)): Promise<NetworkBuffer> {
    try {
      const { record, existed } = await netbufs.install(vif, options);
      if (existed) netbufs.renew(record);
      return new NetworkBuffer(netbufs, record);
    } catch (error) {
      netbufs.close();
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** What is held. @throws NetlinkError */
  get held(): HeldOutput {
    return this.netbufs.held(this.record);
  }

  /** Ends the epoch: what was sent so far waits for `release`, what comes belongs to the next. The machine stands still. @throws NetbufError, NetlinkError */
  buffer(): void {
    if (this.closed) throw new NetbufError(`an epoch of ${this.record.vif.name} is closed and has not been released: the kernel's plug remembers one`);
    if (this.passes) this.awaitEmpty();
    this.netbufs.tell(this.record, TCQ_PLUG_BUFFER);
    this.closed = true;
    this.passes = false;
  }

  /** The epoch that was ended may leave. @throws NetbufError, NetlinkError */
  release(): void {
    if (!this.closed) throw new NetbufError(`no epoch of ${this.record.vif.name} is closed`);
    this.netbufs.tell(this.record, TCQ_PLUG_RELEASE_ONE);
    this.closed = false;
  }

  /** All may leave, also what comes, until `buffer`: the backup is lost. @throws NetbufError, NetlinkError */
  releaseAll(): void {
    this.netbufs.tell(this.record, TCQ_PLUG_RELEASE_INDEFINITE);
    this.closed = false;
    this.passes = true;
  }

  /** As Netbufs.uninstall; ends with it. @throws NetbufError, NetlinkError */
  async uninstall(options: UninstallOptions = {}): Promise<HeldOutput | null> {
    try {
      return await this.netbufs.uninstall(this.record.ifb.name, options);
    } finally {
      this.netbufs.close();
    }
  }

  private awaitEmpty(): void {
    for (let looks = 0; this.held.packets > 0; looks++) {
      if (looks === EMPTY_LOOKS) throw new NetbufError(`${this.record.ifb.name} still holds frames that may leave; an epoch cannot begin before they have`);
    }
  }
}
