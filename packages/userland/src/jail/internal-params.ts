/**
 * internal-params.ts — parameters that jail(8) itself acts upon, and the check of all values of a jail.
 * Read first: jail(8) "Pseudo-Parameters".
 */
import { ip4Format, ip6Format, ip6Parse } from '@netloom/core/wire';
import { NO_SUCH_NAME, hostAddress } from '../host-address.js';
import type { CfJail } from './cf-jail.js';
import { sameOption } from './cf-jail.js';
import { importParam } from './param-value.js';
import type { JailParam } from './param-table.js';

const BOOLS = ['allow.dying', 'exec.clean', 'exec.system_jail_user', 'ip_hostname', 'mount.devfs', 'mount.fdescfs', 'mount.procfs'];
const INTS = ['exec.fib', 'exec.timeout', 'stop.timeout'];
const STRINGS = [
  'command', 'depend', 'exec.consolelog', 'exec.jail_user', 'exec.poststart', 'exec.poststop', 'exec.prepare', 'exec.prestart', 'exec.prestop', 'exec.release',
  'exec.created', 'exec.start', 'exec.stop', 'exec.system_user', 'interface', 'mount', 'mount.fstab', 'vnet.interface',
];
/** Lists, of addresses with what jail(8) needs to set them. */
export const ADDRESSES = ['ip4.addr', 'ip6.addr'];
const INTERNAL = [...BOOLS, ...INTS, ...STRINGS];

const isInt = (text: string): boolean => /^\s*[+-]?[0-9]+$/.test(text);

/** Checks booleans and numbers that jail(8) acts upon, and looks the hostname up if that is asked for. @param stops the jail is only stopped. */
export function checkInternal(j: CfJail, stops: boolean): boolean {
  let ok = true;
  for (const { name, isVariable } of j.params) {
    const value = isVariable ? null : j.string(name);
    if (value === null) continue;
    if (BOOLS.some((b) => sameOption(b, name)) && !/^(true|false)$/i.test(value) && !isInt(value) && value !== '') {
      j.warnx(`${name}: unknown boolean value "${value}"`);
      ok = false;
    }
    if (INTS.includes(name) && !isInt(value)) {
      j.warnx(`${name}: non-integer value "${value}"`);
      ok = false;
    }
  }
  if (!stops || j.string('interface') !== null) ok = addHostAddress(j) && ok;
  if (!ok) j.failed = true;
  return ok;
}

/** `ip_hostname`: the addresses that host.hostname stands for are the jail's. */
function addHostAddress(j: CfJail): boolean {
  const hostname = j.string('host.hostname');
  if (!j.bool('ip_hostname') || hostname === null) return true;
  const addr = hostAddress(hostname);
  const addr6 = ip6Parse(hostname === 'localhost' ? '::1' : hostname);
  if (addr6 !== null) j.addText('ip6.addr', ip6Format(addr6));
  if (addr !== null) j.addText('ip4.addr', ip4Format(addr));
  if (addr !== null || addr6 !== null) return true;
  j.warnx(`host.hostname ${hostname}: ${NO_SUCH_NAME}`);
  return false;
}

export interface KernelParam {
  readonly param: JailParam;
  readonly value: string;
  /** As written: `nopersist`. */
  readonly written: string;
  /** It was written without a value. */
  readonly isBare: boolean;
}

/** The parameters that go to the kernel; null when one of them is wrong. */
export function kernelParams(j: CfJail): KernelParam[] | null {
  const params: KernelParam[] = [];
  let ok = true;
  for (const { name } of j.params) {
    if (INTERNAL.some((internal) => sameOption(internal, name))) continue;
    const values = j.list(name);
    const imported = importParam(name, ADDRESSES.includes(name) && values.length > 0 ? values.map(bareAddress).join(',') : (values.at(-1) ?? null));
    if (imported.error !== null) {
      j.warnx(imported.error);
      ok = false;
      continue;
    }
    params.push({ param: imported.param, value: imported.value, written: name, isBare: values.length === 0 });
  }
  if (!ok) j.failed = true;
  return ok ? params : null;
}

/** `em0|10.0.0.1/24 vhid 1` → `10.0.0.1` */
function bareAddress(text: string): string {
  return text.replace(/^[^|]*\|/, '').replace(/[/ ][^]*$/, '');
}
