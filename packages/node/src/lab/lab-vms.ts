/**
 * lab-vms.ts — the virtual machines of a lab: what a schema cannot say of them, the commands that run them, and how they look in its picture.
 * Read first: lab-model.ts; docs/vm.md. A card's words are read by vm/net-backend.ts, as they are when the machine is run.
 *
 * The tap of a card is an interface of the machine's vnet: the lab makes it, configures it like any other, and it is joined to the machine. A machine is
 * run when all else stands, and stopped before anything else is undone.
 */
import { isAbsolute, resolve } from 'node:path';
import { memorySize } from '../vm/c-number.js';
import { diskOf } from '../vm/disk-words.js';
import { nicOf, nicWords } from '../vm/net-backend.js';
import type { VmRequest } from '../vm/vm-request.js';
import { VmRefusal } from '../vm/vm-spec.js';
import type { NicBackend } from '../vm/vm-spec.js';
import type { Lab, LabPath, LabVm } from './lab-model.js';
import { HOST_VNET, jailPath, many } from './lab-model.js';
import { checkProtect, withProtectFiles } from './lab-protect.js';
import type { TopologyVm } from './topology.js';

type Report = (path: LabPath, message: string, remedy: string) => void;

/** The machines of a lab by name. */
export function labVms(lab: Lab): [string, LabVm][] {
  return Object.entries(lab.vms ?? {});
}

/** Where each card's cable ends in the lab: the tap of its vnet, or null for what is no interface. Words that are wrong count as none. */
export function vmTaps(lab: Lab): { readonly vm: string; readonly vnet: string; readonly tap: string | null; readonly path: LabPath }[] {
  return labVms(lab).flatMap(([name, vm]) => many(vm.nics).map((text, i) => {
    const backend = backendOf(text, vm, name, i);
    return { vm: name, vnet: vm.vnet ?? HOST_VNET, tap: backend?.kind === 'tap' || backend?.kind === 'vmnet' ? backend.device : null, path: ['vms', name, 'nics', i] };
  }));
}

function backendOf(text: string, vm: LabVm, name: string, i: number): NicBackend | null {
  try {
    return nicOf(nicWords(text), vm.nicmodel ?? 'virtio-net', { slot: i, func: 0 }, name).backend;
  } catch (error) {
    if (error instanceof VmRefusal) return null;
    throw error;
  }
}

/** `made`: interfaces by "vnet:name", with what makes them; taps of machines are added. */
export function checkVms(lab: Lab, made: Map<string, string>, report: Report): void {
  for (const [name, vm] of labVms(lab)) {
    const path = ['vms', name];
    if (vm.vnet !== undefined && vm.vnet !== HOST_VNET && lab.vnets[vm.vnet] === undefined) report([...path, 'vnet'], `there is no vnet "${vm.vnet}"`, `there are: ${Object.keys(lab.vnets).join(', ')}`);
    if (vm.kernel === undefined && vm.disks === undefined) report(path, `"${name}" has nothing to boot`, 'add "disks" or "kernel"');
    for (const key of ['initrd', 'append'] as const) if (vm.kernel === undefined && vm[key] !== undefined) report([...path, key], `"${key}" is for a kernel that is booted directly`, 'name the kernel, too');
    if (vm.memory !== undefined && memorySize(vm.memory) === null) report([...path, 'memory'], `"${vm.memory}" is not a size of memory`, 'write it as in 256M or 2G');
    many(vm.disks).forEach((text, i) => {
      const disk = diskOf(text, (at) => at);
      if (typeof disk === 'string') report([...path, 'disks', i], disk, 'write FILE[,ro][,device=ahci-hd][,format=qcow2]');
    });
    if (vm.protect !== undefined) checkProtect(name, vm.protect, [...path, 'protect'], report);
    many(vm.nics).forEach((text, i) => checkNic(text, vm, name, [...path, 'nics', i], i, report));
  }
  const plugged = new Map<string, string>();
  for (const { vm, vnet, tap, path } of vmTaps(lab)) {
    if (tap === null) continue;
    const key = `${vnet}:${tap}`;
    const bound = lab.vnets[vnet]?.interfaces?.[tap]?.host;
    if (bound !== undefined) {
      report(path, `"${key}" is bound to the device "${bound}"`, 'leave "host" out, or name another tap');
      continue;
    }
    if (plugged.has(key)) report(path, `machine "${plugged.get(key)}" is plugged into "${key}" already`, 'name another tap');
    else if (made.has(key)) report(path, `"${key}" is ${made.get(key) === 'link' ? 'the end of a link' : 'a bridge'}`, 'name a tap');
    plugged.set(key, vm);
  }
  for (const key of plugged.keys()) if (!made.has(key)) made.set(key, 'vm');
}

function checkNic(text: string, vm: LabVm, name: string, path: LabPath, i: number, report: Report): void {
  try {
    nicOf(nicWords(text), vm.nicmodel ?? 'virtio-net', { slot: i, func: 0 }, name);
  } catch (error) {
    if (!(error instanceof VmRefusal)) throw error;
    report(path, error.lines[0] ?? `"${text}" is not a network card`, 'write tapN, vmnetN or netgraph,path=...,peerhook=..., and mac=..., mtu=46 to 65535 if wanted');
  }
}

/** The taps that the lab makes for machines. */
export function tapsToMake(lab: Lab): { readonly vnet: string; readonly tap: string; readonly path: LabPath }[] {
  return vmTaps(lab).flatMap(({ vnet, tap, path }) => (tap === null ? [] : [{ vnet, tap, path }]));
}

/** `netloom vm run`'s words for a machine. */
export function vmRunArgs(lab: Lab, name: string, vm: LabVm): string[] {
  const word = (option: string, value: string | number | undefined): string[] => (value === undefined ? [] : [`--${option}`, String(value)]);
  const outside = vm.vnet === undefined ? undefined : jailPath(lab, vm.vnet) || HOST_VNET;
  return [
    name, ...word('vnet', outside), ...word('memory', vm.memory), ...word('cpus', vm.cpus), ...word('kernel', vm.kernel), ...word('initrd', vm.initrd), ...word('append', vm.append),
    ...word('firmware', vm.firmware), ...word('machine', vm.machine), ...word('accel', vm.accel), ...word('nic-model', vm.nicmodel), ...many(vm.disks).flatMap((disk) => word('disk', disk)), ...many(vm.nics).flatMap((nic) => word('nic', nic)),
    ...(vm.protectable === true || vm.protect !== undefined ? ['--protectable'] : []),
  ];
}

/** The request that those words are. Their paths are absolute. */
export function vmRequestOf(args: readonly string[]): VmRequest {
  const [name = '', ...words] = args;
  const values = (option: string): string[] => words.flatMap((word, i) => (i % 2 === 1 && words[i - 1] === `--${option}` ? [word] : []));
  const one = <K extends string>(option: string, key: K): Record<K, string> | Record<string, never> => {
    const [value] = values(option);
    return value === undefined ? {} : ({ [key]: value } as Record<K, string>);
  };
  const [cpus] = values('cpus');
  const [machine] = values('machine');
  const [accel] = values('accel');
  const [model] = values('nic-model');
  return {
    name, ...(words.some((word, i) => i % 2 === 0 && word === '--protectable') ? { protectable: true } : {}), ...one('vnet', 'vnet'), ...one('memory', 'memory'), ...one('kernel', 'kernel'), ...one('initrd', 'initrd'), ...one('append', 'append'), ...one('firmware', 'firmware'),
    ...(cpus === undefined ? {} : { cpus: Number(cpus) }), ...(machine === 'pc' || machine === 'q35' ? { machine } : {}), ...(accel === 'auto' || accel === 'kvm' || accel === 'tcg' ? { accel } : {}),
    ...(model === 'virtio-net' || model === 'e1000' ? { nicModel: model } : {}), nics: values('nic'), disks: values('disk').flatMap((text) => {
      const disk = diskOf(text, (path) => path);
      return typeof disk === 'string' ? [] : [disk];
    }),
  };
}

/** The lab with the paths of its machines taken from the folder that its file is in. */
export function withVmFiles(lab: Lab, folder: string): Lab {
  if (lab.vms === undefined) return lab;
  const at = (path: string): string => (isAbsolute(path) ? path : resolve(folder, path));
  const file = <K extends 'kernel' | 'initrd' | 'firmware'>(vm: LabVm, key: K): Pick<LabVm, K> | Record<string, never> => {
    const path = vm[key];
    return path === undefined || path === 'uefi' ? {} : ({ [key]: at(path) } as Pick<LabVm, K>);
  };
  const vms = Object.fromEntries(labVms(lab).map(([name, vm]) => {
    const disks = vm.disks === undefined ? {} : { disks: many(vm.disks).map((disk) => disk.replace(/^[^,]*/, at)) };
    return [name, { ...vm, ...file(vm, 'kernel'), ...file(vm, 'initrd'), ...file(vm, 'firmware'), ...disks, ...(vm.protect === undefined ? {} : { protect: withProtectFiles(vm.protect, at) }) }];
  }));
  return { ...lab, vms };
}

/** Machines as the picture of a lab file has them. */
export function topologyVms(lab: Lab): TopologyVm[] {
  const taps = vmTaps(lab);
  const outside = (vnet: string): string => jailPath(lab, vnet) || HOST_VNET;
  return labVms(lab).map(([name, vm]) => ({
    name, vnet: outside(vm.vnet ?? HOST_VNET), state: 'planned',
    nics: taps.filter((tap) => tap.vm === name).map(({ tap, vnet }, i) => ({ name: `net${i}`, mac: null, at: tap === null ? (many(vm.nics)[i] ?? '') : null, peer: tap === null ? null : { vnet: outside(vnet), name: tap } })),
  }));
}
