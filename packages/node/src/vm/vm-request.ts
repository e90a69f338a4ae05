/**
 * vm-request.ts — what `netloom vm run`, a lab file and a program ask for over HTTP, and the VmSpec it means.
 * Read first: vm-spec.ts; docs/vm.md.
 *
 * Cards are in bhyve's words (`tap0`, `netgraph,path=vmbridge:,peerhook=link0`, each with mac= and mtu= if wanted). Cards have the slots from 2 on,
 * then disks, as vmrun.sh gives them, so that a card's generated address is the one that bhyve's would have.
 */
import { EINVAL } from '@netloom/core';
import { memorySize } from './c-number.js';
import { nicOf, nicWords } from './net-backend.js';
import { isVmName, VM_DEFAULTS, VM_NAME_MAX, VmRefusal } from './vm-spec.js';
import { seabiosFirmware } from './qemu-program.js';
import type { Accelerator, NicModel, NicTransport, V86Firmware, VmDisk, VmDiskDevice, VmNic, VmSpec } from './vm-spec.js';

export interface VmDiskRequest {
  /** Absolute. */
  readonly path: string;
  readonly device?: VmDiskDevice;
  readonly format?: 'raw' | 'qcow2';
  readonly readonly?: boolean;
}

export interface VmRequest {
  readonly name: string;
  /** Default: the stack outside all jails. */
  readonly vnet?: string;
  /** `256M`, or a number of megabytes. */
  readonly memory?: string;
  readonly cpus?: number;
  readonly machine?: 'pc' | 'q35';
  readonly accel?: Accelerator;
  readonly disks?: readonly VmDiskRequest[];
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** `uefi` for the host's, or a file. */
  readonly firmware?: string;
  readonly nics?: readonly string[];
  readonly nicModel?: NicModel;
  /** Of cards that do not say. */
  readonly nicTransport?: NicTransport;
  /** Seconds that the guest gets to power down. */
  readonly stopSeconds?: number;
  readonly qemuArgs?: readonly string[];
  /** Run by v86, not by QEMU; `firmware` is its BIOS then. */
  readonly v86?: boolean;
  /** Its state can be taken while it runs. */
  readonly protectable?: boolean;
  /** Absolute: a file that whoever runs it locks. */
  readonly lock?: string;
}

const MEMORY = '256M';
const MEMORY_MIN = 1024 * 1024;
const CPUS_MAX = 255;
const FIRST_SLOT = 2;
const SLOTS = 31;

/** @throws VmRefusal */
export function vmSpecOf(request: VmRequest, uefi: string | null): VmSpec {
  const { name, kernel, initrd, append, cpus = 1, nics = [], disks = [], nicModel = 'virtio-net' } = request;
  if (!isVmName(name)) throw refuse(`"${name}" is not a name for a virtual machine: letters, digits, ".", "_" and "-", at most ${VM_NAME_MAX}, a letter or digit first`);
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > CPUS_MAX) throw refuse(`${cpus} is not a number of processors (1 to ${CPUS_MAX})`);
  if (kernel === undefined && (initrd !== undefined || append !== undefined)) throw refuse(`"${initrd === undefined ? 'append' : 'initrd'}" is for a kernel that is booted directly; name the kernel, too`);
  if (kernel === undefined && disks.length === 0 && !(request.v86 === true && request.firmware !== undefined)) throw refuse(`"${name}" has nothing to boot: give it a disk or a kernel`);
  if (nics.length + disks.length > SLOTS - FIRST_SLOT) throw refuse(`${nics.length + disks.length} cards and disks are more than there are slots (${SLOTS - FIRST_SLOT})`);
  return {
    ...VM_DEFAULTS, name,
    vnet: request.vnet ?? 'host',
    memoryBytes: memoryOf(request.memory ?? MEMORY),
    topology: { sockets: cpus, cores: 1, threads: 1 },
    machine: request.machine ?? VM_DEFAULTS.machine,
    accel: request.accel ?? VM_DEFAULTS.accel,
    nics: nics.map((text, i) => nicCalled(text, nicModel, FIRST_SLOT + i, name, request.nicTransport)),
    disks: disks.map((disk, i) => diskOf(disk, FIRST_SLOT + nics.length + i)),
    direct: kernel === undefined ? null : { kernel, initrd: initrd ?? null, append: append ?? '' },
    firmware: request.v86 === true ? null : firmwareOf(request.firmware, uefi),
    v86: request.v86 === true ? v86Of(request.firmware) : null,
    // v86 has no power button.
    stopMs: request.stopSeconds !== undefined ? request.stopSeconds * 1000 : request.v86 === true ? 0 : VM_DEFAULTS.stopMs,
    protectable: request.protectable ?? false, lock: request.lock ?? null,
    qemuArgs: request.qemuArgs ?? [],
  };
}

function refuse(line: string): VmRefusal {
  return new VmRefusal(EINVAL, line);
}

/** bhyve says nothing of some values that are wrong. */
function nicCalled(text: string, model: NicModel, slot: number, vmName: string, transport?: NicTransport): VmNic {
  try {
    return nicOf(nicWords(text), model, { slot, func: 0 }, vmName, transport);
  } catch (error) {
    if (!(error instanceof VmRefusal) || error.lines.length > 0) throw error;
    throw refuse(`"${text}" is not a network card: tapN, vmnetN, netgraph,path=...,peerhook=... or gateway, and mac=..., mtu=46 to 65535 if wanted`);
  }
}

function memoryOf(memory: string): number {
  const bytes = memorySize(memory);
  if (bytes === null || bytes < MEMORY_MIN) throw refuse(`"${memory}" is not a size of memory (256M, 2G)`);
  return bytes;
}

function diskOf(disk: VmDiskRequest, slot: number): VmDisk {
  const device = disk.device ?? 'virtio-blk';
  return { slot, func: 0, device, path: disk.path, format: disk.format ?? (disk.path.endsWith('.qcow2') ? 'qcow2' : 'raw'), readOnly: disk.readonly ?? device === 'ahci-cd', serial: null, bootIndex: null };
}

function v86Of(firmware: string | undefined): V86Firmware {
  if (firmware !== undefined) return { bios: firmware, vgaBios: null };
  const seabios = seabiosFirmware();
  if (seabios === null) throw refuse('v86 has no BIOS of its own, and SeaBIOS is not installed (on Debian: seabios); name one with --firmware');
  return seabios;
}

function firmwareOf(firmware: string | undefined, uefi: string | null): string | null {
  if (firmware !== 'uefi') return firmware ?? null;
  if (uefi === null) throw refuse('no UEFI firmware for QEMU is installed (on Debian: ovmf)');
  return uefi;
}
