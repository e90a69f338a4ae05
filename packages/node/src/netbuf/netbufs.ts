/**
 * netbufs.ts — class Netbufs: network buffers of this machine's kernel: installed, controlled, listed, removed.
 * Read first: docs/netbuf.md; netbuf-steps.ts, netbuf-record.ts.
 *
 * Theory of operation. Whoever installs or removes holds the pool's lock from the choice of the ifb to the last step. The record is written before the first step, with the interfaces' numbers, and removed after the last one is undone. When a step fails, those
 * that were done are undone; when that fails too, the record stays, and `uninstall` goes on with it. To install what is installed changes nothing but the limit; what is damaged is undone and
 * installed again.
 *
 * Who says when frames go: a checkpointer by network-buffer.ts, an operator by `control`, which tells the kernel and remembers nothing.
 *
 * Invariant: an ifb is only ever touched on behalf of the record that names it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EINVAL, ENOENT } from '../tap/libc.js';
import {
  changeQdisc, EEXIST, getLink, isErrno, listFilters, listLinks, listQdiscs, NetlinkSocket, PLUG_LIMIT_MAX, plugOptions, replaceQdisc, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE,
} from '../netlink/index.js';
import type { Link, Qdisc } from '../netlink/index.js';
import { chooseIfb } from './free-ifb.js';
import { NetbufError } from './netbuf-error.js';
import { NetbufRecords } from './netbuf-record.js';
import type { NetbufRecord } from './netbuf-record.js';
import { build, filterPlace, ingressOf, isOurPlug, PLUG_HANDLES, plugSpec, undo, whatIsMissing } from './netbuf-steps.js';
import type { Progress, Step } from './netbuf-steps.js';
import { lockPool } from './pool-lock.js';
import type { PoolLock } from './pool-lock.js';
import { errorLine } from '../error-line.js';

/** The RFC's 4 MiB: the kernel's own limit, 32 packets at an ifb, holds no epoch. */
export const NETBUF_LIMIT_BYTES = 4 * 1024 * 1024;

const ACTIONS = { 'buffer': TCQ_PLUG_BUFFER, 'release': TCQ_PLUG_RELEASE_ONE, 'release-all': TCQ_PLUG_RELEASE_INDEFINITE } as const;
export type PlugAction = keyof typeof ACTIONS;

export interface InstallOptions {
  /** This one, and no other. */
  readonly ifb?: string;
  readonly limitBytes?: number;
  readonly progress?: Progress;
}

export interface UninstallOptions {
  /** Lets go what is held before the redirect is taken away, in order; else it is dropped. */
  readonly release?: boolean;
  readonly progress?: Progress;
}

/** What a buffer holds. */
export interface HeldOutput {
  readonly packets: number;
  readonly bytes: number;
}

export interface NetbufView {
  readonly vif: string;
  readonly ifb: string;
  readonly limitBytes: number;
  readonly held: HeldOutput;
  /** What was let go, and what did not fit. */
  readonly sentPackets: number;
  readonly droppedPackets: number;
  /** What of it is not there; null when all is well. */
  readonly missing: string | null;
}

export interface NetbufsOptions {
  /** The folder of records. */
  readonly state?: string;
  /** Tests have their own. */
  readonly records?: NetbufRecords;
  readonly lock?: PoolLock;
}

const DRAIN_MS = 5;
const DRAINS = 200;
const quiet: Progress = () => undefined;

export class Netbufs {
  readonly socket: NetlinkSocket;
  private readonly records: NetbufRecords;
  private readonly lock: PoolLock;
  /** Numbers of plugs that were told something, by the ifb's. */
  private readonly handles = new Map<number, number>();

  /** @throws NetlinkError, Error when this machine has no rtnetlink. */
  constructor(options: NetbufsOptions = {}, socket: NetlinkSocket = new NetlinkSocket()) {
    this.socket = socket;
    this.records = options.records ?? new NetbufRecords(options.state);
    this.lock = options.lock ?? lockPool;
  }

  close(): void {
    this.socket.close();
  }

  /** Leads what `vif` receives through a plug. Answers the record, and whether it was there already. @throws NetbufError, NetlinkError */
  install(vif: string, { ifb, limitBytes, progress = quiet }: InstallOptions = {}): Promise<{ readonly record: NetbufRecord; readonly existed: boolean }> {
    const limit = limitBytes ?? NETBUF_LIMIT_BYTES;
    if (!Number.isInteger(limit) || limit < 1 || limit > PLUG_LIMIT_MAX) throw new RangeError(`a limit is 1 to ${PLUG_LIMIT_MAX} bytes, not ${limit}`);
    return this.exclusive(() => {
      const link = getLink(this.socket, vif);
      if (link === null) throw new NetbufError(`there is no interface ${vif}; "ip link" lists what there is`);
      const before = this.records.list().find((record) => record.vif.index === link.index);
      if (before !== undefined) {
        if (ifb !== undefined && ifb !== before.ifb.name) throw new NetbufError(`what ${vif} sends is held by ${before.ifb.name}; uninstall that first to have it held by ${ifb}`);
        const missing = whatIsMissing(this.socket, before);
        if (missing === null) return { record: this.limited(before, limitBytes), existed: true };
        progress(`${missing}: what is left is removed`);
        this.dismantle(before, progress);
      }
      const record = this.plan(link, ifb ?? null, limit);
      this.records.write(record);
      progress(`${record.ifb.name} is free, and taken for ${vif}`);
      this.buildOrUndo(record, progress);
      return { record, existed: false };
    });
  }

  /** Undoes `install`, by the name of either interface; what was held and is lost, or null when nothing is installed. @throws NetbufError, NetlinkError */
  uninstall(name: string, { release = false, progress = quiet }: UninstallOptions = {}): Promise<(HeldOutput & { readonly record: NetbufRecord }) | null> {
    return this.exclusive(async () => {
      const record = this.find(name);
      if (record === null) {
        this.refuseForeign(name);
        return null;
      }
      let drained = false;
      if (release && this.plug(record) !== null) {
        this.tell(record, TCQ_PLUG_RELEASE_INDEFINITE);
        drained = await this.drain(record);
      }
      const held = drained ? { packets: 0, bytes: 0 } : this.held(record);
      this.dismantle(record, progress);
      return { ...held, record };
    });
  }

  /** Tells a plug what to do, by the name of either interface. @throws NetbufError, NetlinkError */
  control(name: string, action: PlugAction): NetbufRecord {
    const record = this.require(name);
    this.tell(record, ACTIONS[action]);
    return record;
  }

  /** All buffers of this network namespace. @throws NetbufError, NetlinkError */
  list(): NetbufView[] {
    return this.records.list().map((record) => {
      const plug = this.plug(record);
      return {
        vif: record.vif.name, ifb: record.ifb.name, limitBytes: record.limitBytes, held: { packets: plug?.queuedPackets ?? 0, bytes: plug?.queuedBytes ?? 0 },
        sentPackets: plug?.packets ?? 0, droppedPackets: plug?.drops ?? 0, missing: whatIsMissing(this.socket, record),
      };
    });
  }

  /** The record of an interface, by either name. @throws NetbufError when there is none. */
  require(name: string): NetbufRecord {
    const record = this.find(name);
    if (record !== null) return record;
    this.refuseForeign(name);
    throw new NetbufError(`${name} has no network buffer; install one: netloom netbuf install ${name}`);
  }

  /** What a plug holds. @throws NetlinkError */
  held(record: NetbufRecord): HeldOutput {
    const plug = this.plug(record);
    return { packets: plug?.queuedPackets ?? 0, bytes: plug?.queuedBytes ?? 0 };
  }

  /** One command to the plug; it costs two system calls. @throws NetbufError when it is no longer there, or has been replaced; NetlinkError */
  tell(record: NetbufRecord, action: number, limitBytes = 0): void {
    const { ifb, vif } = record;
    const handle = this.handles.get(ifb.index) ?? this.plug(record)?.handle;
    try {
      if (handle !== undefined) {
        changeQdisc(this.socket, ifb, { ...plugSpec(handle), options: plugOptions(action, limitBytes) });
        this.handles.set(ifb.index, handle);
        return;
      }
    } catch (error) {
      if (!isErrno(error, ENOENT, EINVAL, EEXIST)) throw error;
      // Whoever has been replaced stays so.
      if (this.plug(record) !== null) throw new NetbufError(`somebody else holds what ${vif.name} sends by now: another plug is at ${ifb.name}`, { cause: error });
      this.handles.delete(ifb.index);
    }
    throw new NetbufError(`${ifb.name} no longer has the plug that holds what ${vif.name} sends; put it back: netloom netbuf install ${vif.name}`);
  }

  /** A new plug in the place of the one that is there: what that holds is lost, its counts are forgotten, and nothing gets past. @throws NetbufError, NetlinkError */
  renew(record: NetbufRecord): void {
    const old = this.plug(record);
    if (old === null) throw new NetbufError(`${record.ifb.name} has no plug of ours`);
    const [first, second] = PLUG_HANDLES;
    const handle = old.handle === first ? second : first;
    replaceQdisc(this.socket, record.ifb, { ...plugSpec(handle), options: plugOptions(TCQ_PLUG_BUFFER, record.limitBytes) });
    this.handles.set(record.ifb.index, handle);
  }

  private async exclusive<T>(act: () => T | Promise<T>): Promise<T> {
    this.records.prepare();
    const unlock = await this.lock(this.records.folder);
    try {
      return await act();
    } finally {
      unlock();
    }
  }

  /** What the record of a new buffer says. */
  private plan(vif: Link, wanted: string | null, limitBytes: number): NetbufRecord {
    const { socket } = this;
    const ifb = chooseIfb(listLinks(socket), listQdiscs(socket), this.records.list(), wanted);
    const ingress = ingressOf(listQdiscs(socket, vif));
    if (ifb.index === vif.index) throw new NetbufError(`${vif.name} cannot hold what it sends itself`);
    const record: NetbufRecord = {
      format: 1, boot: this.records.boot, vif: { index: vif.index, name: vif.name }, ifb: { index: ifb.index, name: ifb.name }, limitBytes, ingress: ingress ?? 'ingress', madeIngress: ingress === null,
    };
    if (ingress !== null && listFilters(socket, vif, filterPlace(record).parent).length > 0) {
      throw new NetbufError(`${vif.name} has filters at its ingress, which would see frames before they are held; remove them: sudo tc qdisc del dev ${vif.name} ${ingress}`);
    }
    return record;
  }

  private buildOrUndo(record: NetbufRecord, progress: Progress): void {
    const done = new Set<Step>();
    try {
      build(this.socket, record, done, progress);
    } catch (error) {
      try {
        undo(this.socket, record, progress, done);
      } catch (second) {
        throw new NetbufError(`${errorLine(error)}\nand not all of it is undone: ${errorLine(second)}. Try again: netloom netbuf uninstall ${record.vif.name}`, { cause: error });
      }
      this.records.remove(record);
      throw error;
    }
  }

  private dismantle(record: NetbufRecord, progress: Progress): void {
    this.handles.delete(record.ifb.index);
    undo(this.socket, record, progress);
    this.records.remove(record);
  }

  private limited(record: NetbufRecord, limitBytes: number | undefined): NetbufRecord {
    if (limitBytes === undefined || limitBytes === record.limitBytes) return record;
    this.tell(record, TCQ_PLUG_LIMIT, limitBytes);
    const changed = { ...record, limitBytes };
    this.records.write(changed);
    return changed;
  }

  /** By the name of either interface, the one it had or the one it has. */
  private find(name: string): NetbufRecord | null {
    const records = this.records.list();
    const index = getLink(this.socket, name)?.index;
    return records.find(({ vif, ifb }) => vif.index === index || ifb.index === index) ?? records.find(({ vif, ifb }) => vif.name === name || ifb.name === name) ?? null;
  }

  /** An ifb that is plugged and in no record is somebody else's. */
  private refuseForeign(name: string): void {
    const link = getLink(this.socket, name);
    if (link === null || !listQdiscs(this.socket, link).some(({ kind }) => kind === 'plug')) return;
    throw new NetbufError(`the plug of ${name} is not ours: no record in ${this.records.folder} names it; whoever put it there removes it (by hand: sudo tc qdisc del dev ${name} root)`);
  }

  private plug({ ifb }: NetbufRecord): Qdisc | null {
    return listQdiscs(this.socket, ifb).find(isOurPlug) ?? null;
  }

  /** Waits until nothing is held; false when something still is after a second. */
  private async drain(record: NetbufRecord): Promise<boolean> {
    for (let i = 0; i < DRAINS; i++) {
      if (this.held(record).packets === 0) return true;
      await delay(DRAIN_MS);
    }
    return false;
  }
}
