/**
 * bhyve-machine.ts — what bhyve's configuration variables amount to: a VmSpec.
 * Read first: bhyve_config(5); bhyve-options.ts.
 *
 * Checks come in bhyve's order: processors, memory, devices by slot. Devices are QEMU's of the same kind, at the same slot. What only bhyve
 * has (passthru, virtio-9p, ...) is refused in a line like bhyve's own for an unknown device. Switches about how bhyve traps (-H -P -w -x ...)
 * mean nothing to QEMU and are taken without a word, because every script gives them.
 *
 * The machine is QEMU's `pc`, whose bridges are in slots 0 and 1 as vmrun.sh has them; with the lpc in slot 31 it is `q35`, which has it there.
 */
import { EINVAL, strerror } from '@netloom/core';
import { errx, EX_USAGE, EXIT_ERROR, BhyveExit } from './bhyve-config.js';
import type { BhyveConfig, ConfigNode } from './bhyve-config.js';
import { atoi, memorySize, wholeNumber } from './c-number.js';
import { nicOf } from './net-backend.js';
import type { NicWords } from './net-backend.js';
import type { NicModel, VmDisk, VmDiskDevice, VmExtraDevice, VmGdb, VmNic, VmSlot, VmSpec, VmTopology } from './vm-spec.js';
import { isVmName, VM_DEFAULTS, VmRefusal } from './vm-spec.js';

const UINT16_MAX = 65_535;
/** QEMU's `pc` and `q35` have no more. */
const VCPUS_MAX = 255;
const COLS_MAX = 3840;
const ROWS_MAX = 2160;
const VNC_PORT = 5900;
/** Slot of the lpc on a q35. */
const Q35_LPC = 31;
const UARTS = ['com1', 'com2', 'com3', 'com4'] as const;

/** Where the machine is: what the command line does not say. */
export interface BhyvePlace {
  readonly vnet: string;
  /** Makes a path of the caller absolute. */
  readonly absolute: (path: string) => string;
  /** QEMU's UEFI firmware on this host, for bhyve's own file, which QEMU cannot run; null: none is installed. */
  readonly uefi: string | null;
}

/** @throws BhyveExit, VmRefusal for a card's words */
export function bhyveMachine(config: BhyveConfig, place: BhyvePlace): VmSpec {
  const name = config.get('name') ?? '';
  const topology = topologyOf(config);
  const memory = config.get('memory.size') ?? '';
  const memoryBytes = memorySize(memory);
  if (memoryBytes === null) return errx(EX_USAGE, `invalid memsize '${memory}'`);
  if (!isVmName(name)) throw new BhyveExit(EXIT_ERROR, `vm_create: ${strerror(EINVAL)}\n`);
  const vcpus = topology.sockets * topology.cores * topology.threads;
  if (vcpus > VCPUS_MAX) throw new BhyveExit(EXIT_ERROR, `${vcpus} vCPUs requested but only ${VCPUS_MAX} available\n`);
  if (config.findNode('tpm') !== null) throw new BhyveExit(EXIT_ERROR, 'Failed to init TPM device: a TPM of the host is not passed to QEMU; leave "-l tpm" out\n');
  const firmware = firmwareOf(config, place);
  const devices = new DeviceReader(config, place, name);
  devices.read();
  return {
    ...VM_DEFAULTS, name, vnet: place.vnet, memoryBytes, topology,
    machine: devices.lpcSlot === Q35_LPC ? 'q35' : 'pc',
    disks: devices.disks, nics: devices.nics, extras: devices.extras, firmware,
    serial: devices.lpcSlot === null ? [null, null, null, null] : serialOf(config),
    onReset: 'end',
    lingers: !config.flag('destroy_on_poweroff', false),
    uuid: config.get('uuid'), utc: !config.flag('rtc.use_localtime', true), msix: config.flag('virtio_msix', true),
    wiredMemory: config.flag('memory.wired', false), guestInCore: config.flag('memory.guest_in_core', false), gdb: gdbOf(config),
    qemuArgs: fwcfgArgs(config, place),
  };
}

function topologyOf(config: BhyveConfig): VmTopology {
  const number = (key: string): number | null => {
    const value = config.get(key);
    if (value === null) return null;
    return wholeNumber(value, 1, UINT16_MAX) ?? errx(EXIT_ERROR, `Invalid value for ${key}: '${value}'`);
  };
  const cpus = number('cpus');
  const cores = number('cores') ?? 1;
  const threads = number('threads') ?? 1;
  const sockets = number('sockets') ?? cpus ?? 1;
  const all = sockets * cores * threads;
  if (all > UINT16_MAX) errx(EXIT_ERROR, `Computed number of vCPUs too high: ${all}`);
  if (cpus !== null && cpus !== all) errx(EXIT_ERROR, `Topology (${sockets} sockets, ${cores} cores, ${threads} threads) does not match ${cpus} vCPUs`);
  return { sockets, cores, threads };
}

/** bhyve's firmware is for bhyve; whoever names it wants UEFI, and gets QEMU's. */
function firmwareOf(config: BhyveConfig, place: BhyvePlace): string | null {
  const rom = config.get('lpc.bootrom');
  if (rom === null) return null;
  if (!/BHYVE/.test(rom)) return place.absolute(rom);
  if (place.uefi === null) throw new BhyveExit(EXIT_ERROR, `Error opening bootrom "${rom}": it is bhyve's own, and no UEFI firmware for QEMU is installed (on Debian: ovmf)\n`);
  return place.uefi;
}

/** Who has which serial port: the console, which `stdio` and nmdm devices mean, or a terminal of the host. */
function serialOf(config: BhyveConfig): (string | null)[] {
  let console = false;
  return UARTS.map((com) => {
    const path = config.get(`lpc.${com}.path`);
    if (path === null) return null;
    if (path !== 'stdio' && !path.startsWith('/dev/nmdm')) return path;
    if (console) throw new BhyveExit(EXIT_ERROR, `Unable to initialize backend '${path}' for LPC device ${com}\n`);
    console = true;
    return 'console';
  });
}

function gdbOf(config: BhyveConfig): VmGdb | null {
  const port = config.get('gdb.port');
  if (port === null) return null;
  const number = wholeNumber(port, 1, UINT16_MAX) ?? errx(EXIT_ERROR, `Invalid GDB port "${port}"`);
  return { address: config.get('gdb.address') ?? 'localhost', port: number, wait: config.flag('gdb.wait', false) };
}

function fwcfgArgs(config: BhyveConfig, place: BhyvePlace): string[] {
  const items = config.findNode('fwcfg')?.values() ?? [];
  return [...items].flatMap((item) => {
    if (typeof item === 'string') return [];
    const [name, how, value] = ['name', 'how', 'value'].map((key) => String(item.get(key) ?? ''));
    return ['-fw_cfg', `name=${name ?? ''},${how ?? ''}=${(how === 'file' ? place.absolute(value ?? '') : (value ?? '')).replaceAll(',', ',,')}`];
  });
}

/** init_pci: what is in which slot. */
class DeviceReader {
  readonly disks: VmDisk[] = [];
  readonly nics: VmNic[] = [];
  readonly extras: VmExtraDevice[] = [];
  lpcSlot: number | null = null;
  private readonly config: BhyveConfig;
  private readonly place: BhyvePlace;
  private readonly vmName: string;

  constructor(config: BhyveConfig, place: BhyvePlace, vmName: string) {
    this.config = config;
    this.place = place;
    this.vmName = vmName;
  }

  read(): void {
    const buses = this.config.findNode('pci') ?? new Map<string, string>();
    for (const [bus, slots] of byNumber(buses)) {
      for (const [slot, funcs] of byNumber(slots)) for (const [func, node] of byNumber(funcs)) this.device(bus, { slot, func }, node);
    }
  }

  private device(bus: number, at: VmSlot, node: ConfigNode): void {
    const where = `pci slot ${bus}:${at.slot}:${at.func}`;
    const device = this.config.getIn(node, 'device');
    if (device === null) return failed(`${where}: missing "device" value`);
    if (bus !== 0) return failed(`${where}: there is only bus 0 here; give the device a slot of it`);
    switch (device) {
      case 'hostbridge':
      case 'amd_hostbridge':
        return;
      case 'lpc':
        this.lpcSlot = at.slot;
        return;
      case 'virtio-net':
      case 'e1000':
        return this.nic(device, at, node);
      case 'virtio-blk':
      case 'nvme':
        return this.disk(device, at, node);
      case 'ahci':
      case 'ahci-hd':
      case 'ahci-cd':
        return this.ahci(at, node);
      case 'virtio-rnd':
        this.extras.push({ ...at, device });
        return;
      case 'xhci':
        this.extras.push({ ...at, device, tablet: [...nodesBelow(node, 'slot')].some(([, usb]) => usb.get('device') === 'tablet') });
        return;
      case 'fbuf':
        this.fbuf(at, node);
        return;
      default:
        failed(`${where}: device "${device}" has no counterpart here; leave it out`);
    }
  }

  private nic(model: NicModel, at: VmSlot, node: ConfigNode): void {
    const words: NicWords = new Map([...node.keys()].flatMap((name) => {
      const value = this.config.getIn(node, name);
      return value === null || name === 'device' ? [] : [[name, value] as const];
    }));
    this.nics.push(nicOf(words, model, at, this.vmName));
  }

  private ahci(at: VmSlot, node: ConfigNode): void {
    for (const [, port] of nodesBelow(node, 'port')) this.disk(port.get('type') === 'cd' ? 'ahci-cd' : 'ahci-hd', at, port);
  }

  private disk(device: VmDiskDevice, at: VmSlot, node: ConfigNode): void {
    const { config } = this;
    const path = config.getIn(node, 'path');
    if (path === null) throw new VmRefusal(EINVAL, device === 'nvme' ? 'nvme: a disk in memory (ram=) has no counterpart here; give it a file' : 'Missing "path" for block device.');
    const sectors = config.getIn(node, 'sectorsize');
    if (sectors !== null) sectorSize(sectors);
    const serial = config.getIn(node, 'serial') ?? config.getIn(node, 'ser');
    const bootindex = config.getIn(node, 'bootindex');
    this.disks.push({
      ...at, device, path: this.place.absolute(path), format: 'raw', readOnly: device === 'ahci-cd' || config.flagIn(node, 'ro', false), serial,
      bootIndex: bootindex === null ? null : atoi(bootindex),
    });
  }

  private fbuf(at: VmSlot, node: ConfigNode): void {
    const { config } = this;
    const address = config.getIn(node, 'rfb') ?? config.getIn(node, 'tcp') ?? '';
    const [host, port] = rfbAddress(address);
    if (port < VNC_PORT) return failed(`fbuf: QEMU's VNC server has ports from ${VNC_PORT} on, not ${port}`);
    if (config.flagIn(node, 'wait', false)) return failed('fbuf: QEMU does not wait for a viewer; leave "wait" out');
    const size = (key: string, most: number, fallback: number): number => {
      const value = atoi(config.getIn(node, key) ?? '0');
      if (value > most) failed(`fbuf: ${key === 'w' ? 'width' : 'height'} ${value} too large`);
      return value === 0 ? fallback : value;
    };
    this.extras.push({ ...at, device: 'fbuf', host, port, width: size('w', COLS_MAX, 1024), height: size('h', ROWS_MAX, 768), password: config.getIn(node, 'password') });
  }
}

function failed(line: string): never {
  throw new VmRefusal(EINVAL, line);
}

function sectorSize(text: string): void {
  const [, logical, physical = logical] = /^\s*(\d+)(?:\/(\d+))?$/.exec(text) ?? [];
  if (logical === undefined) return failed(`Invalid sector size "${text}"`);
  const [size, whole] = [Number(logical), Number(physical)];
  const powerOf2 = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));
  if (!powerOf2(size) || !powerOf2(whole) || size < 512 || size > whole) failed(`Invalid sector size ${size}/${whole}`);
  if (size !== 512) failed(`sectors of ${size} bytes are not made here; leave "sectorsize" out`);
}

/** `host:port`, `[host]:port` or a port. */
function rfbAddress(text: string): readonly [string, number] {
  const six = /^\[([^\]]+)\](?::(.*))?$/s.exec(text);
  if (text.startsWith('[') && six === null) return failed(`fbuf: Invalid IPv6 address: "${text}"`);
  const [host = '', port] = six === null ? (text.includes(':') ? [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)] : ['', text]) : [six[1], six[2]];
  if (port === '' && text !== '') return failed(`fbuf: Missing port number: "${text}"`);
  const number = atoi(port ?? '');
  return [host === '' ? '127.0.0.1' : host, number === 0 ? VNC_PORT : number];
}

/** Nodes below one, whose names are numbers, in order. */
function byNumber(node: ConfigNode): [number, ConfigNode][] {
  return [...node].flatMap(([name, below]): [number, ConfigNode][] => (below instanceof Map && /^\d+$/.test(name) ? [[Number(name), below]] : [])).sort((a, b) => a[0] - b[0]);
}

function nodesBelow(node: ConfigNode, name: string): [number, ConfigNode][] {
  const below = node.get(name);
  return below instanceof Map ? byNumber(below) : [];
}
