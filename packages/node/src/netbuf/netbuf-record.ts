/**
 * netbuf-record.ts — which network buffers were installed: a file for each, in a folder of this boot and this network namespace.
 * Read first: docs/netbuf.md ("What is kept"); network_namespaces(7).
 *
 * Theory of operation. A record is written before the kernel is told anything, and removed when all of it is undone, so that whatever dies in between leaves a record of what there may be.
 * It names interfaces by their numbers, which Linux does not give out again within a namespace: an interface that has been made anew under an old name is another one. Numbers mean something in one namespace only, so each has a
 * folder; and until the machine starts again, so a record of another boot is forgotten.
 *
 * Invariant: one record for an ifb, because the file is named after its number. Whoever writes or removes one holds the pool's lock (pool-lock.ts).
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LinkRef } from '../netlink/index.js';
import { NetbufError } from './netbuf-error.js';
import { errorLine } from '../error-line.js';

export interface NetbufRecord {
  readonly format: 1;
  readonly boot: string;
  /** The machine's interface, at whose ingress its output appears. */
  readonly vif: LinkRef;
  /** The one that holds it. */
  readonly ifb: LinkRef;
  readonly limitBytes: number;
  /** What is at the interface's ingress: the one we made, or one that was there. */
  readonly ingress: 'ingress' | 'clsact';
  readonly madeIngress: boolean;
}

/** Where records are unless somebody says otherwise: gone with the boot, and root's. */
export const NETBUF_STATE = '/run/netloom/netbuf';
const FILE = /^\d+\.json$/;

export class NetbufRecords {
  readonly folder: string;
  readonly boot: string;

  /** Nothing is made before the first `write` or `prepare`. */
  constructor(state: string = NETBUF_STATE, namespace = currentNamespace(), boot = currentBoot()) {
    this.folder = join(state, namespace);
    this.boot = boot;
  }

  /** Makes the folder. @throws NetbufError when that is not allowed. */
  prepare(): void {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new NetbufError(`cannot keep records in ${this.folder} (${(error as NodeJS.ErrnoException).code ?? String(error)}). Run it as root, or name another folder with --state`, { cause: error });
    }
  }

  /** In the order of the ifbs' numbers. */
  list(): NetbufRecord[] {
    return this.files().map((name) => read(join(this.folder, name))).filter((record) => record !== null).filter((record) => record.boot === this.boot).sort((a, b) => a.ifb.index - b.ifb.index);
  }

  /** In one piece, or not at all. */
  write(record: NetbufRecord): void {
    const path = this.path(record);
    writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  remove(record: NetbufRecord): void {
    rmSync(this.path(record), { force: true });
  }

  private files(): string[] {
    try {
      return readdirSync(this.folder).filter((name) => FILE.test(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new NetbufError(`cannot read the records in ${this.folder} (${(error as NodeJS.ErrnoException).code ?? String(error)}). Run it as root`, { cause: error });
    }
  }

  private path({ ifb }: NetbufRecord): string {
    return join(this.folder, `${ifb.index}.json`);
  }
}

function read(path: string): NetbufRecord | null {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as NetbufRecord;
    return record.format === 1 ? record : null;
  } catch (error) {
    // Uninstalled a moment ago.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new NetbufError(`${path} is no record of a network buffer (${errorLine(error)}); remove it when "tc qdisc show" shows nothing of ours`, { cause: error });
  }
}

/** A folder's name for the network namespace of this thread: net-4026531840. */
function currentNamespace(): string {
  return readlinkSync('/proc/thread-self/ns/net').replace(/^net:\[(\d+)\]$/, 'net-$1');
}

function currentBoot(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
