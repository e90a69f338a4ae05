/**
 * script-config.ts — the settings of a run: packetdrill's `--name=value` options, those of a file over those of the command line.
 * Read first: docs/packetdrill.md, "Options".
 */
import type { IpBytes } from './peer-address.js';
import { ipBytesParse } from './peer-address.js';
import { ScriptError } from './script.js';
import type { ScriptOption } from './script.js';

export type IpVersion = 'ipv4' | 'ipv4-mapped-ipv6' | 'ipv6';

export const IP_VERSIONS: readonly IpVersion[] = ['ipv4', 'ipv4-mapped-ipv6', 'ipv6'];

export interface ScriptConfig {
  readonly ipVersion: IpVersion;
  /** Packets on the wire are IPv6. */
  readonly ipv6: boolean;
  readonly local: IpBytes;
  readonly remote: IpBytes;
  /** The test's end of the link, through which everything is reached. */
  readonly gateway: IpBytes;
  readonly prefixLen: number;
  readonly bindPort: number;
  readonly connectPort: number;
  readonly mtu: number;
  readonly toleranceUs: number;
  readonly tolerancePercent: number;
  readonly tsTickUs: number;
  readonly tsEcrScaled: boolean;
  /** One packet of the script is one packet of the stack. */
  readonly strictSegments: boolean;
  /** What options a SYN carries, and in which order, is each system's own affair: not compared. */
  readonly anySynOptions: boolean;
  readonly nonFatalPacket: boolean;
  readonly nonFatalCall: boolean;
  /** No tolerance unless the script gives one, echoes of timestamps are compared, and packets that nobody expected fail the script. */
  readonly strict: boolean;
}

/** What a file's options may say, as texts. */
export type OptionTexts = ReadonlyMap<string, string>;

/** Options of packetdrill that mean something only to a real kernel or to another machine, and one that is read elsewhere. */
const IGNORED = new Set(['define', 'code_command', 'code_format', 'code_sockopt', 'debug', 'verbose', 'dry_run', 'is_anyip', 'send_omit_free', 'speed', 'init_scripts']);
const KNOWN = new Set([
  'ip_version', 'local_ip', 'remote_ip', 'gateway_ip', 'netmask_ip', 'bind_port', 'connect_port', 'mtu', 'mss', 'tolerance_usecs', 'tolerance_percent', 'tcp_ts_tick_usecs',
  'tcp_ts_ecr_scaled', 'strict_segments', 'non_fatal', 'any_syn_options',
]);

const DEFAULT_TOLERANCE_US = 4_000;
const DEFAULT_TOLERANCE_PERCENT = 12.5;
const STRICT_TOLERANCE_US = 100;
const DEFAULT_PORT = 8_080;
const MTU4 = 1_500;
/** So that a script for both families sees the same segments over both, as packetdrill's own runner has it. */
const MTU6 = 1_520;

/** The options of a file as texts; a ScriptError for an unknown one. */
export function optionTexts(options: readonly ScriptOption[]): OptionTexts {
  const texts = new Map<string, string>();
  for (const { line, name, value } of options) {
    if (!KNOWN.has(name) && !IGNORED.has(name)) throw new ScriptError(line, `option --${name} is not supported`);
    texts.set(name, value);
  }
  return texts;
}

/** The families that a script is run over: what the file says, else `wanted`. */
export function ipVersionsOf(texts: OptionTexts, wanted: readonly IpVersion[]): readonly IpVersion[] {
  const text = texts.get('ip_version');
  if (text === undefined) return familiesOfAddresses(texts, wanted);
  const version = IP_VERSIONS.find((v) => v === text);
  if (version === undefined) throw new ScriptError(1, `--ip_version=${text}: write ${IP_VERSIONS.join(', ')}`);
  return [version];
}

/** A script that gives addresses of one family is of that family. */
function familiesOfAddresses(texts: OptionTexts, wanted: readonly IpVersion[]): readonly IpVersion[] {
  const text = texts.get('local_ip') ?? texts.get('remote_ip') ?? texts.get('gateway_ip');
  if (text === undefined) return wanted;
  return wanted.filter((v) => (v === 'ipv6') === text.includes(':'));
}

function number(texts: OptionTexts, name: string, fallback: number, min: number, max: number): number {
  const text = texts.get(name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text === '' || Number.isNaN(value) || value < min || value > max) throw new ScriptError(1, `--${name}=${text}: a number from ${min} to ${max} is wanted`);
  return value;
}

function address(texts: OptionTexts, name: string, fallback: string, ipv6: boolean): IpBytes {
  const text = (texts.get(name) ?? fallback).replace(/\/\d+$/, '');
  const bytes = ipBytesParse(text);
  if (bytes === null || (bytes.length === 16) !== ipv6) throw new ScriptError(1, `--${name}=${text} is no ${ipv6 ? 'IPv6' : 'IPv4'} address`);
  return bytes;
}

/** An address beside `local`. Which one it is does not matter to a script: `gateway_ip` is taken and not used. */
function neighbour(local: IpBytes): IpBytes {
  const bytes = local.slice();
  bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 0x80;
  return bytes;
}

export function makeConfig(ipVersion: IpVersion, texts: OptionTexts, strict: boolean): ScriptConfig {
  const ipv6 = ipVersion === 'ipv6';
  const local = address(texts, 'local_ip', ipv6 ? 'fd3d:fa7b:d17d::1' : '192.168.0.2', ipv6);
  const nonFatal = (texts.get('non_fatal') ?? '').split(',');
  return {
    ipVersion,
    ipv6,
    local,
    remote: address(texts, 'remote_ip', ipv6 ? '2001:db8::1' : '192.0.2.1', ipv6),
    gateway: neighbour(local),
    prefixLen: ipv6 ? 48 : 16,
    bindPort: number(texts, 'bind_port', DEFAULT_PORT, 1, 65_535),
    connectPort: number(texts, 'connect_port', DEFAULT_PORT, 1, 65_535),
    mtu: number(texts, 'mtu', ipv6 && !texts.has('ip_version') ? MTU6 : MTU4, 72, 65_535),
    toleranceUs: number(texts, 'tolerance_usecs', strict ? STRICT_TOLERANCE_US : DEFAULT_TOLERANCE_US, 0, 1e12),
    tolerancePercent: number(texts, 'tolerance_percent', strict ? 0 : DEFAULT_TOLERANCE_PERCENT, 0, 100),
    tsTickUs: number(texts, 'tcp_ts_tick_usecs', 0, 0, 1_000_000),
    tsEcrScaled: texts.has('tcp_ts_ecr_scaled'),
    anySynOptions: texts.has('any_syn_options'),
    strictSegments: texts.has('strict_segments'),
    nonFatalPacket: nonFatal.includes('packet'),
    nonFatalCall: nonFatal.includes('syscall'),
    strict,
  };
}
