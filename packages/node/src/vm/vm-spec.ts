/**
 * vm-spec.ts — what a virtual machine is: everything that is decided before it starts.
 *
 * Two front ends make a VmSpec: `netloom vm run` and lab files (vm-request.ts), and bhyve's command line (bhyve-machine.ts). One back end
 * runs it (qemu-command.ts, vm-process.ts), so that both kinds are the same machine.
 *
 * Slots are PCI slots of bus 0, as bhyve numbers them; a card's link address is made of its slot, function and the machine's name
 * (net-backend.ts), so the same command line always makes the same addresses.
 */
import type { Errno } from '@netloom/core';

/** Characters of a machine's name. */
export const VM_NAME_MAX = 63;

/** A name is safe in a path, a process title and a URL. */
export function isVmName(name: string): boolean {
  return name.length <= VM_NAME_MAX && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);
}

export interface VmTopology {
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

export interface VmSlot {
  readonly slot: number;
  readonly func: number;
}

export type VmDiskDevice = 'virtio-blk' | 'ahci-hd' | 'ahci-cd' | 'nvme';

export interface VmDisk extends VmSlot {
  readonly device: VmDiskDevice;
  /** Absolute. */
  readonly path: string;
  /** Said, never guessed: a guest could write another format's header into a raw disk. */
  readonly format: 'raw' | 'qcow2';
  readonly readOnly: boolean;
  readonly serial: string | null;
  /** Lower ones are booted first; null: in the order of the slots, behind those that say. */
  readonly bootIndex: number | null;
}

export type NicModel = 'virtio-net' | 'e1000';

/** How frames cross between QEMU and us: as a stream, or read from the guest's own memory. */
export type NicTransport = 'stream' | 'vhost-user';

/** Where a card's cable leads. */
export type NicBackend =
  | { readonly kind: 'tap' | 'vmnet'; readonly device: string }
  | { readonly kind: 'netgraph'; readonly path: string; readonly hook: string; readonly peerhook: string; readonly socket: string | null }
  | { readonly kind: 'gateway'; readonly hostfwd: string; readonly restrict: boolean };

export interface VmNic extends VmSlot {
  readonly model: NicModel;
  /** `00:a0:98:...` */
  readonly mac: string;
  /** The size the guest is told; null: nothing is said. */
  readonly mtu: number | null;
  readonly transport: NicTransport;
  /** null: a card without a cable. */
  readonly backend: NicBackend | null;
}

/** Devices that need no more than to be there. */
export type VmExtraDevice = VmSlot & (
  | { readonly device: 'virtio-rnd' }
  | { readonly device: 'xhci'; readonly tablet: boolean }
  | { readonly device: 'fbuf'; readonly host: string; readonly port: number; readonly width: number; readonly height: number; readonly password: string | null });

/** A machine of v86 in QEMU's place: what its BIOS and its screen's are. */
export interface V86Firmware {
  readonly bios: string;
  readonly vgaBios: string | null;
}

export type Accelerator = 'auto' | 'kvm' | 'tcg';

export interface VmGdb {
  readonly address: string;
  readonly port: number;
  readonly wait: boolean;
}

export interface VmSpec {
  readonly name: string;
  /** The vnet in which its backends are looked up, by its jail's name from outside all jails; 'host' for the stack outside. */
  readonly vnet: string;
  readonly memoryBytes: number;
  readonly topology: VmTopology;
  readonly machine: 'pc' | 'q35';
  readonly accel: Accelerator;
  readonly disks: readonly VmDisk[];
  readonly nics: readonly VmNic[];
  readonly extras: readonly VmExtraDevice[];
  /** A kernel started without firmware and disk. */
  readonly direct: { readonly kernel: string; readonly initrd: string | null; readonly append: string } | null;
  /** An image of UEFI's firmware; null: the BIOS that comes with QEMU. */
  readonly firmware: string | null;
  /** Host terminals of com1 to com4; 'console' is the console that the daemon keeps. */
  readonly serial: readonly (string | null)[];
  /** What the guest's own restart does. */
  readonly onReset: 'restart' | 'end';
  /** Does its name stay taken when it has ended, until somebody destroys it, as /dev/vmm/NAME does? */
  readonly lingers: boolean;
  /** How long the guest may take to power down when it is asked to. */
  readonly stopMs: number;
  readonly uuid: string | null;
  readonly utc: boolean;
  readonly msix: boolean;
  readonly wiredMemory: boolean;
  readonly guestInCore: boolean;
  readonly gdb: VmGdb | null;
  /** It is run by v86, not by QEMU. */
  readonly v86: V86Firmware | null;
  /** Can its state be taken while it runs, so that another may go on in its place? */
  readonly protectable: boolean;
  /** A file that is locked by whoever runs it, absolute; null: beside the machine's folder. */
  readonly lock: string | null;
  /** Words for QEMU as they are. */
  readonly qemuArgs: readonly string[];
}

/** Time for a guest to power down before it is ended. */
export const STOP_MS = 10_000;

/** What is the same for every machine unless somebody says otherwise. */
export const VM_DEFAULTS = {
  machine: 'pc', accel: 'auto', disks: [], nics: [], extras: [], direct: null, firmware: null, serial: ['console', null, null, null], onReset: 'restart', lingers: false,
  stopMs: STOP_MS, uuid: null, utc: true, msix: true, wiredMemory: false, guestInCore: false, gdb: null, v86: null, protectable: false, lock: null, qemuArgs: [],
} as const satisfies Partial<VmSpec>;

/** A machine that cannot be: lines that say why, each for itself, and the errno that bhyve would end with. */
export class VmRefusal extends Error {
  override readonly name = 'VmRefusal';
  readonly lines: readonly string[];
  readonly errno: Errno;

  constructor(errno: Errno, ...lines: string[]) {
    super(lines.join('; '));
    this.lines = lines;
    this.errno = errno;
  }
}
