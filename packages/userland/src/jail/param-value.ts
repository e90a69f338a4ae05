/**
 * param-value.ts — a parameter's value as written, checked and brought into the form of param-table.ts (jailparam_import(3)).
 * Read first: jail(3).
 */
import { ip4Format, ip4Parse, ip6Format, ip6Parse } from '@netloom/core/wire';
import { findJailParam } from './param-table.js';
import type { JailAddrType, JailParam } from './param-table.js';

export type ImportedParam = { readonly param: JailParam; readonly value: string; readonly error: null } | { readonly error: string };

const JAILSYS = ['disable', 'new', 'inherit'];
const isInt = (text: string): boolean => /^[+-]?[0-9]+$/.test(text.trim());

function importBool(name: string, value: string | null, negated: boolean): ImportedParam | string {
  const text = (value ?? 'true').toLowerCase();
  const given = text === 'true' ? true : text === 'false' ? false : isInt(text) ? Number(text) !== 0 : null;
  if (given === null) return { error: `${name}: unknown boolean value "${value ?? ''}"` };
  return given !== negated ? 'true' : 'false';
}

function importJailsys(name: string, value: string | null, negated: boolean): ImportedParam | string {
  if (negated) return value === null ? 'inherit' : { error: `unknown parameter: ${name}` };
  const text = (value ?? '').toLowerCase();
  if (text === '') return 'new';
  if (JAILSYS.includes(text)) return text;
  return (isInt(text) ? JAILSYS[Number(text)] : undefined) ?? { error: `${name}: unknown jailsys value "${value ?? ''}"` };
}

function importAddrs(family: JailAddrType, name: string, value: string | null): ImportedParam | string {
  if (value === null || value === '' || value === '-') return '';
  const addrs: string[] = [];
  for (const text of value.split(',')) {
    const addr = canonical(family, text);
    if (addr === null) return { error: `${name}: not an IPv${family === 'ip4' ? 4 : 6} address: ${text}` };
    addrs.push(addr);
  }
  return addrs.join(',');
}

/** An address as it is shown; null when it is none of the family. */
function canonical(family: JailAddrType, text: string): string | null {
  if (family === 'ip4') {
    const addr = ip4Parse(text);
    return addr === null ? null : ip4Format(addr);
  }
  const addr = ip6Parse(text);
  return addr === null ? null : ip6Format(addr);
}

/** @param value null when only the name was written. */
export function importParam(name: string, value: string | null): ImportedParam {
  const found = findJailParam(name);
  if (found === null) return { error: `unknown parameter: ${name}` };
  const { param, negated } = found;
  const imported = importValue(param, name, value, negated);
  return typeof imported === 'string' ? { param, value: imported, error: null } : imported;
}

function importValue(param: JailParam, name: string, value: string | null, negated: boolean): ImportedParam | string {
  switch (param.type) {
    case 'bool':
      return importBool(name, value, negated);
    case 'jailsys':
      return importJailsys(name, value, negated);
    case 'ip4':
    case 'ip6':
      return importAddrs(param.type, name, value);
    case 'int':
      return isInt(value ?? '') ? String(Number(value)) : { error: `${name}: non-integer value "${value ?? ''}"` };
    case 'string':
      return value ?? '';
  }
}
