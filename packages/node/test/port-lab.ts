/**
 * port-lab.ts — a daemon with a bridge and taps, for tests of guests' ports: `a` is plugged into tap0, `b` into tap1.
 *
 *     await withPortLab(async (lab) => {
 *       await lab.attach('tap0', `stream:unix:${lab.path('a')},server`);
 *       const a = await StreamPeer.connect({ path: lab.path('a') });
 *     });
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Attachment } from '../src/daemon/attachments.js';
import { startDaemon } from '../src/daemon/daemon.js';
import type { Daemon } from '../src/daemon/daemon.js';
import { execBuffered } from '../src/daemon/exec-buffer.js';
import { DaemonClient } from '../src/daemon/http-client.js';
import type { GuestPortStatus } from '../src/port/guest-link.js';

export class PortLab {
  readonly daemon: Daemon;
  /** Lines of the daemon's log, warnings and worse. */
  readonly log: readonly string[];
  private readonly folder: string;
  private readonly client: DaemonClient;

  constructor(folder: string, daemon: Daemon, log: readonly string[]) {
    this.folder = folder;
    this.daemon = daemon;
    this.log = log;
    this.client = new DaemonClient(daemon.socketPath);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async tool(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await execBuffered(this.daemon.service, { argv, cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
    expect(exitCode, stderr).toBe(0);
    return stdout;
  }

  attach(ifname: string, device: string, vnet = 'host'): Promise<unknown> {
    return this.client.post('/v1/attachments', { vnet, interface: ifname, device });
  }

  detach(ifname: string, vnet = 'host'): Promise<unknown> {
    return this.client.delete(`/v1/attachments/${vnet}/${ifname}`);
  }

  /** What attaching is refused with. */
  refusal(device: string, ifname = 'tap0'): Promise<string> {
    return this.attach(ifname, device).then(() => 'accepted', (error: Error) => error.message);
  }

  attachments(): Promise<Attachment[]> {
    return this.client.get<Attachment[]>('/v1/attachments');
  }

  async port(ifname: string): Promise<GuestPortStatus> {
    const port = (await this.attachments()).find((a) => a.interface === ifname)?.port;
    if (port === undefined) throw new Error(`${ifname} is bound to no guest`);
    return port;
  }

  async state(ifname: string): Promise<string> {
    return (await this.port(ifname)).state;
  }

  /** Packets that the interface dropped on the way out. */
  dropped(ifname: string): number {
    return this.daemon.kernel.vnets.map((v) => v.net.ifunit(ifname)).find((ifp) => ifp !== null)?.data.oqdrops ?? 0;
  }
}

/** Runs `body` with a fresh lab, and ends it. @throws Error when packets are left that nobody owns. */
export async function withPortLab(body: (lab: PortLab) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-port-'));
  const log: string[] = [];
  const daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'warn', logTo: { write: (line) => void log.push(line) }, seed: 1 });
  try {
    const lab = new PortLab(folder, daemon, log);
    await lab.tool('ifconfig', 'bridge0', 'create', 'up');
    for (const tap of ['tap0', 'tap1']) {
      await lab.tool('ifconfig', tap, 'create', 'up');
      await lab.tool('ifconfig', 'bridge0', 'addm', tap);
    }
    await body(lab);
  } finally {
    await daemon.close();
    rmSync(folder, { recursive: true });
  }
  const { inUse } = daemon.kernel.engine.pool;
  if (inUse !== 0) throw new Error(`${inUse} packets are left after the daemon's end`);
}
