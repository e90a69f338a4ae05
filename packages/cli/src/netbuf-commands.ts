/**
 * netbuf-commands.ts — `netloom netbuf`: network buffers of this machine's kernel. No daemon is asked.
 * Read first: docs/netbuf.md.
 */
import { NetbufError, Netbufs, NetlinkError } from '@netloom/node/netbuf';
import type { NetbufView, PlugAction } from '@netloom/node/netbuf';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE, json, table } from './cli-io.js';

export interface StateOption {
  readonly state?: string;
}

export interface NetbufInstallOptions extends StateOption {
  readonly ifb?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

export interface NetbufUninstallOptions extends StateOption {
  readonly release?: boolean;
  readonly json?: boolean;
}

/** Runs `act` with the machine's buffers; what went wrong is a line, if it is not a defect of ours. */
async function withNetbufs<T>({ state }: StateOption, act: (netbufs: Netbufs) => T | Promise<T>): Promise<T> {
  if (process.platform !== 'linux') throw new CliError('network buffers are the Linux kernel\'s; this machine runs another one');
  let netbufs: Netbufs | null = null;
  try {
    netbufs = new Netbufs(state === undefined ? {} : { state });
    return await act(netbufs);
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(error.message, EXIT_USAGE);
    if (error instanceof NetbufError || error instanceof NetlinkError) throw new CliError(error.message);
    throw error;
  } finally {
    netbufs?.close();
  }
}

/** Each step is a line; with `--json` none. */
function progress(io: CliIo, asJson: boolean | undefined): (text: string) => void {
  return (text) => {
    if (asJson !== true) io.out(`${text}\n`);
  };
}

export async function netbufInstall(vif: string, options: NetbufInstallOptions, io: CliIo): Promise<void> {
  const { ifb, limit } = options;
  await withNetbufs(options, async (netbufs) => {
    const { record, existed } = await netbufs.install(vif, { ...(ifb === undefined ? {} : { ifb }), ...(limit === undefined ? {} : { limitBytes: Number(limit) }), progress: progress(io, options.json) });
    if (options.json === true) io.out(json({ vif: record.vif.name, ifb: record.ifb.name, limitBytes: record.limitBytes, existed }));
    else io.out(existed ? `what ${record.vif.name} sends is held by ${record.ifb.name} already\n` : `what ${record.vif.name} sends is held by ${record.ifb.name}\n`);
  });
}

export async function netbufUninstall(name: string, options: NetbufUninstallOptions, io: CliIo): Promise<void> {
  await withNetbufs(options, async (netbufs) => {
    const done = await netbufs.uninstall(name, { release: options.release === true, progress: progress(io, options.json) });
    if (options.json === true) io.out(json(done === null ? null : { vif: done.record.vif.name, ifb: done.record.ifb.name, dropped: { packets: done.packets, bytes: done.bytes } }));
    else if (done === null) io.out(`${name} has no network buffer\n`);
    else io.out(`what ${done.record.vif.name} sends is no longer held${done.packets === 0 ? '' : `; ${done.packets} packets (${done.bytes} bytes) that were held are dropped`}\n`);
  });
}

export async function netbufControl(name: string, action: PlugAction, options: StateOption, _io: CliIo): Promise<void> {
  await withNetbufs(options, (netbufs) => netbufs.control(name, action));
}

export async function netbufList(options: StateOption & { readonly json?: boolean }, io: CliIo): Promise<void> {
  const list = await withNetbufs(options, (netbufs) => netbufs.list());
  io.out(options.json === true ? json(list) : netbufTable(list));
}

function netbufTable(list: readonly NetbufView[]): string {
  return table(['VIF', 'IFB', 'HELD', 'BYTES', 'LIMIT', 'SENT', 'DROPPED', 'STATE'], list.map((view) => [
    view.vif, view.ifb, String(view.held.packets), String(view.held.bytes), String(view.limitBytes), String(view.sentPackets), String(view.droppedPackets), view.missing ?? 'ok',
  ]));
}
