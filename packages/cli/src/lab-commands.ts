/**
 * lab-commands.ts — `netloom up`, `down`, `ps`, `graph`: labs, and what is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { DaemonClient, DaemonError, drawSvg, drawText } from '@netloom/node/client';
import type { Attachment, DyingJail, LabState, Topology, VmView } from '@netloom/node/client';
import type { Lab, LabFile, LabPath } from '@netloom/node/lab';
import { isRunning, startBackgroundDaemon } from './background-daemon.js';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_FAILURE, EXIT_LAB, json, table } from './cli-io.js';
import { isSeenFrom, jailAround, refuseInside, topologySeenFrom } from './inside-jail.js';
import { portTable } from './port-table.js';
import { vmTable } from './vm-table.js';

/** Reads a lab file; its problems are printed and end the command. */
async function loadLab(file: string, io: CliIo): Promise<LabFile & { lab: Lab }> {
  const { formatProblem, readLab, withVmFiles } = await import('@netloom/node/lab');
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(`cannot read the lab file "${file}" (${code === 'ENOENT' ? 'there is no such file' : code}); give the path of a YAML file`);
  }
  const read = readLab(file, text);
  const { lab } = read;
  if (lab !== null) return { ...read, lab: withVmFiles(lab, file === '-' ? process.cwd() : dirname(resolve(file))) };
  for (const problem of read.problems) io.err(`${formatProblem(file, problem)}\n`);
  throw new CliError(`"${file}" has ${read.problems.length} problem${read.problems.length === 1 ? '' : 's'}; nothing was done`, EXIT_LAB);
}

export interface UpOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function up(file: string, options: UpOptions, socket: string, io: CliIo): Promise<void> {
  const { lab, locate } = await loadLab(file, io);
  if (options.dryRun === true) {
    const { planLab, planScript } = await import('@netloom/node/lab');
    return io.out(planScript(planLab(lab)));
  }
  if (!(await isRunning(socket))) {
    const { pid, log } = await startBackgroundDaemon(socket);
    io.err(`netloom: started a daemon in the background (process ${pid}, socket ${socket}, log ${log}); "netloom stop" ends it\n`);
  }
  try {
    const state = await new DaemonClient(socket).post<LabState>('/v1/labs', { lab, file });
    io.out(options.json === true ? json(state) : `lab "${state.name}" is up: ${state.vnets.join(', ')}\n`);
  } catch (error) {
    if (!(error instanceof DaemonError) || !Array.isArray(error.details.path)) throw error;
    const { line, column } = locate(error.details.path as LabPath);
    for (const left of (error.details.left ?? []) as string[]) io.err(`netloom: could not be undone: ${left}\n`);
    const gap = error.message.includes('\n') ? '\n' : ' ';
    throw new CliError(`${file}:${line}:${column}: ${error.message}${gap}(from: ${String(error.details.command)}); everything made before is gone again`);
  }
}

export interface DownOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Takes labs down: the one named (by its name or its file), all, or the only one. */
export async function down(name: string | undefined, options: DownOptions, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const labs = labsSeenFrom(jailAround(io), await client.get<LabState[]>('/v1/labs'));
  const chosen = chooseLabs(name, options.all === true, labs);
  const results: { name: string; left: string[] }[] = [];
  for (const lab of chosen) {
    const result = await client.delete<{ name: string; left: string[] }>(`/v1/labs/${encodeURIComponent(lab)}`);
    results.push(result);
    for (const left of result.left) io.err(`netloom: was gone already, or stays: ${left}\n`);
    if (options.json !== true) io.out(`lab "${lab}" is down\n`);
  }
  if (options.json === true) io.out(json(results));
}

function chooseLabs(name: string | undefined, all: boolean, labs: readonly LabState[]): string[] {
  const names = labs.map((lab) => lab.name);
  const have = names.length === 0 ? 'none is up' : `up: ${names.join(', ')}`;
  if (all) return names;
  if (name === undefined) {
    if (names.length === 1) return names;
    throw new CliError(`which lab? ${have}; name one, or --all`, EXIT_FAILURE);
  }
  const byFile = labs.filter((lab) => lab.file === name || basename(lab.file) === name).map((lab) => lab.name);
  if (names.includes(name)) return [name];
  if (byFile.length > 0) return byFile;
  throw new CliError(`no lab is called "${name}" (${have})`);
}

export interface PsOptions {
  readonly json?: boolean;
  readonly procs?: boolean;
  readonly dying?: boolean;
}

interface ProcRow {
  readonly pid: number;
  readonly kind: string;
  readonly vnet: string;
  readonly argv: readonly string[];
  readonly ageUs: number;
}

export async function ps(options: PsOptions, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const jail = jailAround(io);
  if (options.procs === true) {
    const procs = (await client.get<ProcRow[]>('/v1/procs')).filter((p) => isSeenFrom(jail, p.vnet));
    return io.out(options.json === true ? json(procs) : table(['PID', 'KIND', 'VNET', 'AGE', 'COMMAND'], procs.map((p) => [String(p.pid), p.kind, p.vnet, seconds(p.ageUs), p.argv.join(' ')])));
  }
  if (options.dying === true) {
    const jails = (await client.get<DyingJail[]>('/v1/dying')).filter((j) => isSeenFrom(jail, j.name));
    if (options.json === true) return io.out(json(jails));
    return io.out(table(['JAIL', 'JID', 'DYING', 'LEFT', 'HELD BY'], jails.map((j) => [j.name, String(j.jid), seconds(j.dyingUs), seconds(j.leftUs), j.holders.join(', ')])));
  }
  const [allLabs, topology, bound, machines] = await Promise.all([client.get<LabState[]>('/v1/labs'), client.get<Topology>('/v1/topology'), client.get<Attachment[]>('/v1/attachments'), client.get<VmView[]>('/v1/vms')]);
  const { vnets } = topologySeenFrom(jail, topology);
  const labs = labsSeenFrom(jail, allLabs);
  const attachments = bound.filter((a) => isSeenFrom(jail, a.vnet));
  const vms = machines.filter((vm) => isSeenFrom(jail, vm.vnet));
  if (options.json === true) return io.out(json({ labs, vnets, attachments, vms }));
  const labOf = (vnet: string): string => labs.find((lab) => lab.vnets.includes(vnet))?.name ?? '-';
  const rows = vnets.flatMap((vnet) =>
    vnet.interfaces.map((ifc) => [labOf(vnet.name), vnet.name, String(vnet.jid), ifc.name, ifc.up ? 'up' : 'down', ifc.inet.join(', ') || '-', ifc.description ?? '']));
  io.out(table(['LAB', 'VNET', 'JID', 'INTERFACE', 'STATE', 'ADDRESS', 'DESCRIPTION'], rows));
  if (vms.length > 0) io.out(`\n${vmTable(vms)}`);
  if (attachments.some((a) => a.port !== undefined)) io.out(`\n${portTable(attachments)}`);
}

/** Inside a jail: the labs that it or a jail below it is part of, with those of their vnets. */
export function labsSeenFrom(jail: string, labs: readonly LabState[]): readonly LabState[] {
  if (jail === '') return labs;
  return labs.map((lab) => ({ ...lab, vnets: lab.vnets.filter((vnet) => isSeenFrom(jail, vnet)) })).filter((lab) => lab.vnets.length > 0);
}

function seconds(us: number): string {
  return `${(us / 1e6).toFixed(1)}s`;
}

export interface GraphOptions {
  readonly svg?: boolean;
  readonly json?: boolean;
  readonly text?: boolean;
  readonly output?: string;
  /** Of a vnet's netgraph; true: of the host's. */
  readonly netgraph?: string | boolean;
}

async function topologyOf(file: string, io: CliIo): Promise<Topology> {
  const { labTopology } = await import('@netloom/node/lab');
  return labTopology((await loadLab(file, io)).lab);
}

/** The netgraph of a vnet. */
async function netgraphOf(vnet: string, socket: string, io: CliIo): Promise<Topology> {
  const jail = jailAround(io);
  if (jail !== '' && !isSeenFrom(jail, vnet)) throw new CliError(`no vnet is called "${vnet}" ("netloom ps" lists them)`);
  const topology = await new DaemonClient(socket).get<Topology>(`/v1/netgraph?vnet=${encodeURIComponent(vnet)}`);
  if (topology.vnets.length > 0) return topology;
  throw new CliError(`vnet "${vnet}" has no netgraph yet ("netloom exec ${vnet} ngctl list" makes it and shows its nodes)`);
}

/** A picture of what runs, or of what a lab file will be. */
export async function graph(file: string | undefined, options: GraphOptions, socket: string, io: CliIo): Promise<void> {
  const { netgraph } = options;
  if (netgraph !== undefined && file !== undefined) throw new CliError('--netgraph draws what runs, and takes the name of a vnet; leave the lab file out');
  if (netgraph === undefined && file === undefined) refuseInside(io, 'the picture of what runs');
  const topology = netgraph !== undefined ? await netgraphOf(typeof netgraph === 'string' ? netgraph : jailAround(io) || 'host', socket, io)
    : file === undefined ? await new DaemonClient(socket).get<Topology>('/v1/topology') : await topologyOf(file, io);
  const picture = options.json === true ? json(topology) : options.svg === true ? drawSvg(topology) : drawText(topology);
  if (options.output === undefined) return io.out(picture);
  try {
    writeFileSync(options.output, picture);
  } catch (error) {
    throw new CliError(`cannot write "${options.output}" (${(error as NodeJS.ErrnoException).code}); choose another file`);
  }
}
