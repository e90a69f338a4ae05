/**
 * qemu-command.ts — a VmSpec as QEMU's command line.
 * Read first: qemu(1); vm-spec.ts.
 *
 * Nothing of QEMU's defaults: what is not in the spec is not in the machine. It starts stopped, because its cables are joined first. The monitor and
 * the console are descriptors that its parent has the other ends of, so nothing is left in the file system when it is gone.
 *
 * Not here: which files and descriptors (vm-process.ts), whether KVM works (kvm-probe.ts).
 */
import type { VmDisk, VmExtraDevice, VmNic, VmSlot, VmSpec } from './vm-spec.js';

/** What is decided when it starts. */
export interface QemuPlaces {
  readonly accel: 'kvm' | 'tcg';
  /** Descriptors of the monitor and of the console. */
  readonly monitorFd: number;
  readonly consoleFd: number;
  /** The cable of each card; null: none. */
  readonly cables: readonly (QemuCable | null)[];
  /** A file that the machine's memory is; absent: memory of QEMU's own. */
  readonly ramPath?: string | null;
  /** NBD servers that the disks are read and written by; absent: QEMU opens their files. */
  readonly diskExports?: readonly { readonly socketPath: string; readonly exportName: string }[] | null;
  /** It does not start: it waits for a state to be brought. */
  readonly waits?: boolean;
}

/** What QEMU is told of a cable. */
export interface QemuCable {
  /** `-netdev` without its id. */
  readonly netdev: string;
  /** The socket that its `-netdev` is spoken over, where that is a device of its own. */
  readonly chardev: string | null;
}

/** Slots that the machine has devices of its own in. */
const OWN_SLOTS: Readonly<Record<VmSpec['machine'], ReadonlySet<number>>> = { pc: new Set([0, 1]), q35: new Set([0, 31]) };
/** bhyve's rings have as many. */
const RX_QUEUE = 1024;
const VNC_PORT = 5900;

export function qemuArgs(spec: VmSpec, places: QemuPlaces): string[] {
  const command = new CommandLine(spec, places);
  command.machine();
  command.lines();
  command.boot();
  command.disks();
  spec.nics.forEach((nic, i) => command.nic(nic, i));
  for (const extra of spec.extras) command.extra(extra);
  return [...command.words, ...spec.qemuArgs];
}

/** A value inside a list of options: a comma is written twice. */
function value(text: string): string {
  return text.replaceAll(',', ',,');
}

class CommandLine {
  readonly words: string[] = [];
  private readonly spec: VmSpec;
  private readonly places: QemuPlaces;
  private readonly manyFuncs: ReadonlySet<number>;

  constructor(spec: VmSpec, places: QemuPlaces) {
    this.spec = spec;
    this.places = places;
    const all: readonly VmSlot[] = [...spec.disks, ...spec.nics, ...spec.extras];
    this.manyFuncs = new Set(all.filter(({ func }) => func > 0).map(({ slot }) => slot));
  }

  machine(): void {
    const { spec, places } = this;
    const { sockets, cores, threads } = spec.topology;
    this.add('-name', value(spec.name));
    // Without graphics the BIOS, and what it starts, speak on the serial line.
    const memory = this.memory();
    this.add('-machine', `${spec.machine},graphics=off,dump-guest-core=${onOff(spec.guestInCore)}${memory === null ? '' : ',memory-backend=memory'}`);
    if (memory !== null) this.add('-object', memory);
    this.add('-accel', places.accel, '-cpu', places.accel === 'kvm' ? 'host' : 'max');
    this.add('-m', `${spec.memoryBytes}B`, '-smp', `cpus=${sockets * cores * threads},sockets=${sockets},cores=${cores},threads=${threads}`);
    this.add('-nodefaults', '-no-user-config', '-display', 'none', '-S', '-rtc', `base=${spec.utc ? 'utc' : 'localtime'}`);
    if (spec.onReset === 'end') this.add('-no-reboot');
    if (spec.wiredMemory) this.add('-overcommit', 'mem-lock=on');
    if (spec.uuid !== null) this.add('-uuid', spec.uuid);
    if (spec.gdb !== null) this.add('-gdb', `tcp:${spec.gdb.address}:${spec.gdb.port}`);
    if (places.waits === true) this.add('-incoming', 'defer');
  }

  /** Memory that others have, too: who looks at a protected machine, or reads a card's frames from it. null: nobody does. */
  private memory(): string | null {
    const { spec, places } = this;
    const rest = `id=memory,size=${spec.memoryBytes}B,share=on`;
    if (typeof places.ramPath === 'string') return `memory-backend-file,${rest},mem-path=${value(places.ramPath)}`;
    return spec.nics.some((nic) => nic.transport === 'vhost-user') ? `memory-backend-memfd,${rest}` : null;
  }

  /** Monitor and serial lines. */
  lines(): void {
    const { spec, places } = this;
    this.add('-chardev', `socket,id=monitor,fd=${places.monitorFd}`, '-mon', 'chardev=monitor,mode=control');
    this.add('-chardev', `socket,id=console,fd=${places.consoleFd}`);
    const last = spec.serial.findLastIndex((line) => line !== null);
    spec.serial.slice(0, last + 1).forEach((line, i) => {
      if (line === null) return this.add('-serial', 'none');
      if (line === 'console') return this.add('-serial', 'chardev:console');
      this.add('-chardev', `serial,id=com${i + 1},path=${value(line)}`, '-serial', `chardev:com${i + 1}`);
    });
  }

  boot(): void {
    const { direct, firmware } = this.spec;
    if (firmware !== null) this.add('-bios', firmware);
    if (direct === null) return;
    this.add('-kernel', direct.kernel);
    if (direct.initrd !== null) this.add('-initrd', direct.initrd);
    if (direct.append !== '') this.add('-append', direct.append);
  }

  disks(): void {
    const ports = new Map<string, number>();
    const order = bootOrder(this.spec.disks);
    this.spec.disks.forEach((disk, i) => {
      const server = this.places.diskExports?.[i];
      const file = server === undefined ? `file=${value(disk.path)}` : `file.driver=nbd,file.server.type=unix,file.server.path=${value(server.socketPath)},file.export=${server.exportName}`;
      this.add('-drive', `if=none,id=disk${i},format=${disk.format},readonly=${onOff(disk.readOnly)},discard=unmap,${file}`);
      // A kernel that is booted directly has the first place, and nobody is to come behind it.
      const boot = this.spec.direct !== null ? '' : `,bootindex=${order.indexOf(disk)}`;
      const serial = disk.serial === null ? '' : `,serial=${value(disk.serial)}`;
      if (disk.device === 'virtio-blk') return this.device('virtio-blk-pci', disk, `,drive=disk${i}${boot}${serial}${this.vectors()}`);
      if (disk.device === 'nvme') return this.device('nvme', disk, `,drive=disk${i}${boot},serial=${value(disk.serial ?? `NVME-${disk.slot}-${disk.func}`)}`);
      const bus = `ahci${disk.slot}-${disk.func}`;
      const port = ports.get(bus) ?? 0;
      if (port === 0) this.device('ich9-ahci', disk, `,id=${bus}`);
      ports.set(bus, port + 1);
      this.add('-device', `${disk.device === 'ahci-cd' ? 'ide-cd' : 'ide-hd'},bus=${bus}.${port},drive=disk${i}${boot}${serial}`);
    });
  }

  nic(nic: VmNic, i: number): void {
    const plug = this.places.cables[i] ?? null;
    const cable = plug === null ? '' : `,netdev=net${i}`;
    if (plug !== null) {
      const [kind = '', ...rest] = plug.netdev.split(',');
      if (plug.chardev !== null) this.add('-chardev', `socket,id=wire${i},${plug.chardev}`);
      this.add('-netdev', [kind, `id=net${i}`, ...(plug.chardev === null ? [] : [`chardev=wire${i}`]), ...rest].join(','));
    }
    // Cards have no ROM to boot from: it is a package of its own that may be missing.
    const rest = `${cable},mac=${nic.mac},romfile=`;
    if (nic.model === 'e1000') return this.device('e1000', nic, rest);
    // QEMU's own RARP is enough after a take-over; a guest that is told to announce its addresses does that instead of answering.
    const quiet = this.spec.protectable ? ',guest_announce=off' : '';
    this.device('virtio-net-pci', nic, `${rest},rx_queue_size=${RX_QUEUE}${quiet}${nic.mtu === null ? '' : `,host_mtu=${nic.mtu}`}${this.vectors(nic.transport === 'vhost-user' && this.places.accel === 'tcg')}`);
  }

  extra(extra: VmExtraDevice): void {
    if (extra.device === 'virtio-rnd') return this.device('virtio-rng-pci', extra, this.vectors());
    if (extra.device === 'xhci') {
      this.device('qemu-xhci', extra, '');
      if (extra.tablet) this.add('-device', 'usb-tablet');
      return;
    }
    this.device('VGA', extra, `,xres=${extra.width},yres=${extra.height}`);
    const host = extra.host.includes(':') ? `[${extra.host}]` : extra.host;
    this.add('-vnc', `${host}:${extra.port - VNC_PORT}${extra.password === null ? '' : ',password=on'}`);
  }

  private device(model: string, at: VmSlot, options: string): void {
    const place = OWN_SLOTS[this.spec.machine].has(at.slot) ? '' : `,addr=0x${at.slot.toString(16)}.0x${at.func.toString(16)}`;
    const many = at.func === 0 && this.manyFuncs.has(at.slot) ? ',multifunction=on' : '';
    this.add('-device', `${model}${place}${many}${options}`);
  }

  /** QEMU 7 without KVM cannot do a vhost-user card's message-signalled interrupts. */
  private vectors(none = false): string {
    return this.spec.msix && !none ? '' : ',vectors=0';
  }

  private add(...words: string[]): void {
    this.words.push(...words);
  }
}

function onOff(flag: boolean): 'on' | 'off' {
  return flag ? 'on' : 'off';
}

/** Disks in the order in which they are booted. */
function bootOrder(disks: readonly VmDisk[]): VmDisk[] {
  const index = (disk: VmDisk): number => disk.bootIndex ?? Infinity;
  return [...disks].sort((a, b) => (index(a) === index(b) ? 0 : index(a) - index(b)));
}
