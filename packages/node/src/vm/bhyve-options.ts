/**
 * bhyve-options.ts — bhyve's command line: options in the order they stand, each setting configuration variables.
 * Read first: bhyve(8); bhyve-config.ts.
 *
 * An option that is wrong ends bhyve there, in its words. What the variables amount to is decided afterwards (bhyve-machine.ts).
 * Files of -k are read by the caller beforehand, because a tool of the daemon waits for no file in the middle.
 */
import { getopt } from '@netloom/userland';
import { BhyveConfig, BhyveExit, EXIT_ERROR, EX_USAGE, errx } from './bhyve-config.js';

const OPTIONS = 'aehuwxACDHIPSWYk:f:o:p:G:c:s:m:l:K:U:';
/** Highest numbers of buses, slots and functions, and one more. */
const MAXBUSES = 256;
const MAXSLOTS = 32;
const MAXFUNCS = 8;
/** What a set of processors has room for. */
const CPU_SETSIZE = 1024;
const FWCFG_NAME_MAX = 56;

/** bhyve's device models; what QEMU has no counterpart of is refused when the machine is made. */
export const PCI_DEVICES = [
  'ahci', 'ahci-cd', 'ahci-hd', 'amd_hostbridge', 'dummy', 'e1000', 'fbuf', 'hda', 'hostbridge', 'lpc', 'nvme', 'passthru', 'uart', 'virtio-9p', 'virtio-blk', 'virtio-console',
  'virtio-input', 'virtio-net', 'virtio-rnd', 'virtio-scsi', 'xhci',
] as const;

/** Devices that take the backend's words: netbe_legacy_config. */
const NICS: ReadonlySet<string> = new Set(['virtio-net', 'e1000']);
const UARTS = ['com1', 'com2', 'com3', 'com4'] as const;

const USAGE = `Usage: bhyve [-AaCDeHhPSuWwxY]
             [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]
             [-G port] [-k config_file] [-l lpc] [-m mem] [-o var=value]
             [-p vcpu:hostcpu] [-r file] [-s pci] [-U uuid] vmname
       -A: create ACPI tables
       -a: local apic is in xAPIC mode (deprecated)
       -C: include guest memory in core file
       -c: number of CPUs and/or topology specification
       -D: destroy on power-off
       -e: exit on unhandled I/O access
       -G: start a debug server
       -H: vmexit from the guest on HLT
       -h: help
       -k: key=value flat config file
       -K: PS2 keyboard layout
       -l: LPC device configuration
       -m: memory size
       -o: set config 'var' to 'value'
       -P: vmexit from the guest on pause
       -p: pin 'vcpu' to 'hostcpu'
       -S: guest memory cannot be swapped
       -s: <slot,driver,configinfo> PCI slot config
       -U: UUID
       -u: RTC keeps UTC time
       -W: force virtio to use single-vector MSI
       -w: ignore unimplemented MSRs
       -x: local APIC is in x2APIC mode
       -Y: disable MPtable generation
`;

/** Options that only set a switch. */
const SWITCHES: Readonly<Record<string, readonly [string, boolean]>> = {
  a: ['x86.x2apic', false], A: ['acpi_tables', true], D: ['destroy_on_poweroff', true], C: ['memory.guest_in_core', true], S: ['memory.wired', true], H: ['x86.vmexit_on_hlt', true],
  P: ['x86.vmexit_on_pause', true], e: ['x86.strictio', true], u: ['rtc.use_localtime', false], w: ['x86.strictmsr', false], W: ['virtio_msix', false], x: ['x86.x2apic', true],
  Y: ['x86.mptable', false],
};

/** What a file of -k holds; or the words of why it cannot be read. */
export type ConfigFiles = ReadonlyMap<string, { readonly text: string } | { readonly error: string }>;

/** Names of the files that -k asks for. */
export function configFilesOf(args: readonly string[]): string[] {
  return getopt(OPTIONS, args).options.flatMap(([letter, value]) => (letter === 'k' ? [value] : []));
}

/** What bhyve answers without a machine: on standard output, with exit code 0 or 1. */
export interface BhyveAnswer {
  readonly code: number;
  readonly text: string;
}

/** The variables that a command line sets, or an answer. @throws BhyveExit */
export function parseBhyve(args: readonly string[], files: ConfigFiles): BhyveConfig | BhyveAnswer {
  const config = new BhyveConfig();
  for (const [path, value] of [['acpi_tables', 'false'], ['acpi_tables_in_memory', 'true'], ['memory.size', '256M'], ['x86.strictmsr', 'true'], ['lpc.fwcfg', 'bhyve']] as const) config.set(path, value);
  const { options, rest, error } = getopt(OPTIONS, args);
  for (const [letter, value] of options) {
    const answer = parseOption(config, letter, value, files);
    if (answer !== null) return answer;
  }
  if (error !== null) throw new BhyveExit(1, `bhyve: ${error}\n${USAGE}`);
  if (rest.length > 1) throw new BhyveExit(1, USAGE);
  if (rest[0] !== undefined) config.set('name', rest[0]);
  if (config.get('name') === null) throw new BhyveExit(1, USAGE);
  if (config.flag('config.dump', false)) return { code: 1, text: config.dump() };
  return config;
}

function parseOption(config: BhyveConfig, letter: string, value: string, files: ConfigFiles): BhyveAnswer | null {
  const sets = SWITCHES[letter];
  if (sets !== undefined) config.set(sets[0], String(sets[1]));
  else if (letter === 'c') parseTopology(config, value);
  else if (letter === 'p') parsePin(config, value);
  else if (letter === 'f') parseFwcfg(config, value);
  else if (letter === 'G') parseGdb(config, value);
  else if (letter === 'k') parseFile(config, value, files);
  else if (letter === 'K') config.set('keyboard.layout', value);
  else if (letter === 'm') config.set('memory.size', value);
  else if (letter === 'U') config.set('uuid', value);
  else if (letter === 'o') {
    if (!config.setOption(value)) errx(EX_USAGE, `invalid configuration option '${value}'`);
  } else if (letter === 'l') {
    if ('help'.startsWith(value)) return { code: 0, text: ['bootrom', ...UARTS, 'tpm', 'pc-testdev', ''].join('\n') };
    if (!parseLpc(config, value)) errx(EX_USAGE, `invalid lpc device configuration '${value}'`);
  } else if (letter === 's') {
    if ('help'.startsWith(value)) return { code: 0, text: PCI_DEVICES.map((name) => `${name}\n`).join('') };
    parseSlot(config, value);
  } else if (letter === 'h') {
    throw new BhyveExit(0, USAGE);
  }
  return null;
}

function parseTopology(config: BhyveConfig, text: string): void {
  if (text === '') return ['sockets', 'cores', 'threads', 'cpus'].forEach((name) => config.set(name, '1'));
  for (const word of text.split(',')) {
    const named = /^(cpus|sockets|cores|threads)=(.*)$/s.exec(word);
    if (named === null && word.includes('=')) errx(EX_USAGE, `invalid cpu topology '${text}'`);
    config.set(named?.[1] ?? 'cpus', named?.[2] ?? word);
  }
}

function parsePin(config: BhyveConfig, text: string): void {
  const refuse = (line: string): never => {
    throw new BhyveExit(EX_USAGE, `${line}\nbhyve: invalid vcpu pinning configuration '${text}'\n`);
  };
  const match = /^\s*([+-]?\d+):\s*([+-]?\d+)/.exec(text);
  if (match === null) return refuse(`invalid format: ${text}`);
  const [vcpu, pcpu] = [Number(match[1]), Number(match[2])];
  if (vcpu < 0) refuse(`invalid vcpu '${vcpu}'`);
  if (pcpu < 0 || pcpu >= CPU_SETSIZE) refuse(`hostcpu '${pcpu}' outside valid range from 0 to ${CPU_SETSIZE - 1}`);
  const key = `vcpu.${vcpu}.cpuset`;
  const before = config.get(key);
  config.set(key, before === null ? String(pcpu) : `${before},${pcpu}`);
}

/** `[name=]NAME,string=TEXT` or `[name=]NAME,file=PATH`, which QEMU takes in the same words. */
function parseFwcfg(config: BhyveConfig, text: string): void {
  const [, name = '', how, value = ''] = /^(?:name=)?([^,]*),(string|file)=(.*)$/s.exec(text) ?? [];
  if (how === undefined) throw new BhyveExit(EX_USAGE, `Invalid fw_cfg option "${text}"\nbhyve: invalid fwcfg item '${text}'\n`);
  if (name.length >= FWCFG_NAME_MAX) throw new BhyveExit(EX_USAGE, `bhyve: fw_cfg name too long: "${text}"\nbhyve: invalid fwcfg item '${text}'\n`);
  const node = config.createNode(`fwcfg.${config.findNode('fwcfg')?.size ?? 0}`);
  for (const [key, is] of [['name', name], ['how', how], ['value', value]] as const) node.set(key, is);
}

function parseGdb(config: BhyveConfig, text: string): void {
  const wait = text.startsWith('w');
  if (wait) config.set('gdb.wait', 'true');
  const opt = wait ? text.slice(1) : text;
  const colon = opt.lastIndexOf(':');
  if (colon >= 0) config.set('gdb.address', opt.slice(0, colon));
  config.set('gdb.port', opt.slice(colon + 1));
}

function parseFile(config: BhyveConfig, path: string, files: ConfigFiles): void {
  const file = files.get(path);
  if (file === undefined || 'error' in file) return errx(EXIT_ERROR, `Failed to open configuration file ${path}: ${file?.error ?? 'No such file or directory'}`);
  config.setFile(path, file.text);
}

/** lpc_device_parse; false: no such device. */
function parseLpc(config: BhyveConfig, text: string): boolean {
  const comma = text.indexOf(',');
  const device = (comma < 0 ? text : text.slice(0, comma)).toLowerCase();
  const rest = comma < 0 ? null : text.slice(comma + 1);
  if (device === 'bootrom') {
    if (rest === null) return errx(EXIT_ERROR, `invalid bootrom option "${text}"`);
    const [rom = '', ...words] = rest.split(',');
    config.set('lpc.bootrom', rom);
    if (words[0] !== undefined && !words[0].includes('=')) config.set('lpc.bootvars', words.shift() ?? '');
    if (words.length > 0) config.setWords(config.createNode('lpc'), words.join(','));
    return true;
  }
  if (device === 'tpm') {
    const [type, path, ...words] = rest?.split(',') ?? [];
    if (type === undefined) return errx(EXIT_ERROR, `invalid tpm type "${text}"`);
    if (path === undefined) return errx(EXIT_ERROR, `invalid tpm path "${text}"`);
    const node = config.createNode('tpm');
    config.setWords(node, [`type=${type}`, `path=${path}`, ...words].join(','));
    if (!node.has('version')) node.set('version', '2.0');
    return true;
  }
  const uart = UARTS.find((name) => name === device);
  if (uart !== undefined) {
    if (rest !== null) config.set(`lpc.${uart}.path`, rest);
    return true;
  }
  if (device !== 'pc-testdev') return false;
  config.set('lpc.pc-testdev', 'true');
  return true;
}

/** pci_parse_slot: `[bus:]slot[:func],emulation[,config]`. */
function parseSlot(config: BhyveConfig, text: string): void {
  const refuse = (line: string): never => {
    throw new BhyveExit(EXIT_ERROR, `${line}\n`);
  };
  const [place = '', emulation, ...words] = text.split(',');
  if (emulation === undefined) return refuse(`Invalid PCI slot info field "${text}"`);
  const at = slotNumbers(place);
  if (at === null) return refuse(`Invalid PCI slot info field "${text}"`);
  const [bus, slot, func] = at;
  const device = PCI_DEVICES.find((name) => name === emulation);
  if (device === undefined) return refuse(`pci slot ${bus}:${slot}:${func}: unknown device "${emulation}"`);
  const path = `pci.${bus}.${slot}.${func}`;
  if (config.findNode(path) !== null) return refuse(`pci slot ${bus}:${slot}:${func} already occupied!`);
  const node = config.createNode(path);
  node.set('device', device === 'amd_hostbridge' ? 'hostbridge' : device);
  const rest = words.length === 0 ? null : words.join(',');
  if (device === 'amd_hostbridge' || rest === null) return;
  setDevice(config, path, device, rest);
}

function setDevice(config: BhyveConfig, path: string, device: (typeof PCI_DEVICES)[number], rest: string): void {
  if (NICS.has(device)) return setFirst(config, path, 'backend', rest);
  if (device === 'virtio-blk' || (device === 'nvme' && !rest.startsWith('ram='))) return setFirst(config, path, 'path', rest);
  if (device === 'ahci-hd' || device === 'ahci-cd') return setPort(config, path, 0, device === 'ahci-hd' ? 'hd' : 'cd', rest);
  if (device === 'ahci') return setPorts(config, path, rest);
  if (device === 'xhci') return rest.split(',').forEach((word, i) => config.createNode(`${path}.slot.${i + 1}`).set('device', word.split('=')[0] ?? ''));
  if (device === 'passthru') return setFirst(config, path, 'bsf', rest);
  config.setWords(config.createNode(path), rest);
}

/** The text in front of the first comma is a variable of its own, the rest are words. */
function setFirst(config: BhyveConfig, path: string, name: string, text: string): void {
  const node = config.createNode(path);
  const comma = text.indexOf(',');
  config.setIn(node, name, comma < 0 ? text : text.slice(0, comma));
  if (comma >= 0) config.setWords(node, text.slice(comma + 1));
}

function setPort(config: BhyveConfig, path: string, port: number, type: string, text: string): void {
  const at = `${path}.port.${port}`;
  config.createNode(at).set('type', type);
  setFirst(config, at, 'path', text);
}

/** `hd:PATH[,words],cd:PATH...` */
function setPorts(config: BhyveConfig, path: string, text: string): void {
  text.split(/,(?=hd:|cd:)/).forEach((part, port) => {
    if (part === '') return;
    const type = part.slice(0, 2);
    if (!/^(hd|cd):/.test(part)) throw new BhyveExit(EXIT_ERROR, `Missing or invalid type for port ${port}: "${part}"\n`);
    setPort(config, path, port, type, part.slice(3));
  });
}

/** sscanf(3) of three, two or one number; null: out of range, or none. */
function slotNumbers(text: string): readonly [number, number, number] | null {
  const numbers = /^\s*([+-]?\d+)(?::\s*([+-]?\d+)(?::\s*([+-]?\d+))?)?/.exec(text)?.slice(1).flatMap((n) => (n === undefined ? [] : [Number(n)])) ?? [];
  const [bus, slot, func] = numbers.length === 3 ? numbers : [0, numbers[0] ?? -1, numbers[1] ?? 0];
  const inRange = (n: number, max: number): boolean => n >= 0 && n < max;
  return inRange(bus ?? -1, MAXBUSES) && inRange(slot ?? -1, MAXSLOTS) && inRange(func ?? -1, MAXFUNCS) ? [bus ?? 0, slot ?? 0, func ?? 0] : null;
}
