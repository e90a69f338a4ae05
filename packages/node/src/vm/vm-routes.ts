/**
 * vm-routes.ts — virtual machines over HTTP: /v1/vms.
 * Read first: vm-request.ts, vms.ts.
 *
 * Not here: the console's stream (daemon/upgrades.ts).
 */
import type { FastifyInstance } from 'fastify';
import { EEXIST, strerror } from '@netloom/core';
import type { GuestPortStatus } from '../port/guest-link.js';
import type { RunsBy, VmEnd } from './vm-process.js';
import { uefiFirmware } from './qemu-program.js';
import { vmSpecOf } from './vm-request.js';
import type { VmRequest } from './vm-request.js';
import { VmRefusal } from './vm-spec.js';
import type { NicBackend, NicTransport, VmDisk } from './vm-spec.js';
import type { Vm, VmState } from './vm.js';
import type { Vms } from './vms.js';

/** A card, as /v1/vms lists it. */
export interface VmNicView {
  readonly model: string;
  readonly mac: string;
  readonly mtu: number | null;
  readonly backend: NicBackend['kind'] | null;
  /** Where its cable ends: `r1:tap0`. */
  readonly at: string | null;
  readonly transport: NicTransport;
  /** What has passed. */
  readonly cable: GuestPortStatus | null;
}

export interface VmView {
  readonly name: string;
  readonly vnet: string;
  readonly state: VmState;
  /** QEMU's process; 0 when there is none. */
  readonly pid: number;
  readonly accel: RunsBy | null;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ageUs: number;
  readonly nics: readonly VmNicView[];
  readonly disks: readonly Pick<VmDisk, 'device' | 'path' | 'readOnly'>[];
  readonly protectable: boolean;
  /** How it ended. */
  readonly end: VmEnd | null;
  /** Folder of its logs. */
  readonly logs: string;
}

const STRING = { type: 'string' } as const;
const INTEGER = { type: 'integer' } as const;
const STRINGS = { type: 'array', items: STRING } as const;
const ANY_OBJECT = { type: 'object', additionalProperties: true } as const;
const ERROR = { type: 'object', properties: { error: ANY_OBJECT } } as const;
const FAILURES = { 400: ERROR, 404: ERROR, 409: ERROR, 500: ERROR } as const;

const ABSOLUTE = { ...STRING, pattern: '^/' } as const;
const DISK = { type: 'object', required: ['path'], additionalProperties: false, properties: { path: ABSOLUTE, device: { enum: ['virtio-blk', 'ahci-hd', 'ahci-cd', 'nvme'] }, format: { enum: ['raw', 'qcow2'] }, readonly: { type: 'boolean' } } } as const;
const BODY = {
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: {
    name: STRING, vnet: STRING, memory: STRING, cpus: INTEGER, machine: { enum: ['pc', 'q35'] }, accel: { enum: ['auto', 'kvm', 'tcg'] },
    disks: { type: 'array', items: DISK }, kernel: ABSOLUTE, initrd: ABSOLUTE, append: STRING, firmware: { ...STRING, pattern: '^(uefi$|/)' },
    nics: { ...STRINGS, description: "bhyve's words: tap0; netgraph,path=vmbridge:,peerhook=link0; with mac= and mtu=" }, nicModel: { enum: ['virtio-net', 'e1000'] }, nicTransport: { enum: ['stream', 'vhost-user'] },
    stopSeconds: { ...INTEGER, minimum: 0, maximum: 3600 }, qemuArgs: STRINGS, v86: { type: 'boolean' },
    protectable: { type: 'boolean' }, lock: ABSOLUTE,
  },
} as const;

export function addVmRoutes(app: FastifyInstance, vms: Vms): void {
  const missing = (name: string): { error: { message: string } } => ({ error: { message: `no virtual machine is called "${name}" ("netloom vm ls" lists them)` } });
  app.get('/v1/vms', { schema: { summary: 'Virtual machines', response: { 200: { type: 'array', items: ANY_OBJECT } } } }, () => listVms(vms));
  app.post<{ Body: VmRequest }>('/v1/vms', { schema: { summary: 'Run a virtual machine', body: BODY, response: { 201: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    try {
      const vm = await vms.run(vmSpecOf(request.body, uefiFirmware()));
      return await reply.code(201).send(viewOf(vms, vm));
    } catch (error) {
      if (!(error instanceof VmRefusal)) throw error;
      return reply.code(error.errno === EEXIST ? 409 : 400).send({ error: { message: refusalText(request.body.name, error) } });
    }
  });
  const querystring = { type: 'object', properties: { seconds: { ...INTEGER, minimum: 0, maximum: 3600, description: 'How long the guest may take to power down; 0: its power is taken at once' } } };
  app.delete<{ Params: { name: string }; Querystring: { seconds?: number } }>('/v1/vms/:name', { schema: { summary: 'Stop a virtual machine', querystring, response: { 200: ANY_OBJECT, ...FAILURES } } }, async (request, reply) => {
    const vm = vms.find(request.params.name);
    if (vm === null) return reply.code(404).send(missing(request.params.name));
    const { seconds } = request.query;
    const end = await vm.stop(seconds === undefined ? vm.spec.stopMs : seconds * 1000);
    await vms.destroy(vm.name);
    return { name: vm.name, ...end };
  });
}

export function listVms(vms: Vms): VmView[] {
  return vms.list().map((vm) => viewOf(vms, vm));
}

/** One line: the machine's name, and bhyve's words of what is wrong. */
export function refusalText(name: string, refusal: VmRefusal): string {
  const text = refusal.lines.join('; ');
  return `${name}: ${text === '' ? strerror(refusal.errno) : text}`;
}

function viewOf(vms: Vms, vm: Vm): VmView {
  const { sockets, cores, threads } = vm.spec.topology;
  const running = vm.state === 'ended' ? null : vm.process;
  return {
    name: vm.name, vnet: vms.vnetOf(vm), state: vm.state, pid: running?.pid ?? 0, accel: vm.process?.accel ?? null, cpus: sockets * cores * threads, memoryBytes: vm.spec.memoryBytes,
    ageUs: vms.nowUs - vm.startedUs,
    nics: vm.nics.map(({ nic, label, status }) => ({ model: vm.spec.v86 === null ? nic.model : 'ne2k', mac: vm.process?.madeUpMac ?? nic.mac, mtu: nic.mtu, backend: nic.backend?.kind ?? null, at: label(), transport: nic.transport, cable: status() })),
    disks: vm.spec.disks.map(({ device, path, readOnly }) => ({ device, path, readOnly })),
    protectable: vm.spec.protectable, end: vm.end, logs: vm.folder,
  };
}
