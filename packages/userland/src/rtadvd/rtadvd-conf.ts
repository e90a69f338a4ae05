/**
 * rtadvd-conf.ts — rtadvd.conf(5): what a router says of itself on each interface.
 * Read first: rtadvd.conf(5), termcap(5) for the syntax.
 *
 *     em0:\
 *         :addr="2001:db8:1::":prefixlen#64:rltime#1800:raflags="h":\
 *         :rdnss="2001:db8::53":dnssl="example.org":
 *
 * Entries are lines that may end in a backslash; `NAME|NAME:` and then capabilities between colons: `cap#number`, `cap=text` (in quotes when it
 * has colons), `cap`. `tc=NAME` goes on with another entry; one called `default` is for interfaces without an entry of their own. A number may be decimal,
 * octal (0…) or hexadecimal (0x…).
 *
 * Not here: `hapref`, `hatime`, `clockskew`, `vltimedecr`, `pltimedecr`, which are refused by name; old names of route capabilities.
 */
import { RTADV_DEFAULTS, RTADV_PLTIME, RTADV_VLTIME } from '@netloom/core';
import type { RtadvConf, RtadvPrefix, RtadvRoute } from '@netloom/core';
import { ip6Parse } from '@netloom/core/wire';

const TC_DEPTH = 32;
const ENTRIES_MAX = 100;
const U32_MAX = 0xffff_ffff;
const U16_MAX = 0xffff;
const MMTU = 1_280;
const PREF_LOW = 0x18;
const NAMES = [
  'rltime', 'maxinterval', 'mininterval', 'chlim', 'raflags', 'rtime', 'retrans', 'mtu', 'nolladdr', 'noifprefix', 'addr', 'prefixlen', 'pinfoflags', 'vltime', 'pltime', 'rtprefix',
  'rtplen', 'rtflags', 'rtltime', 'rdnss', 'rdnssltime', 'dnssl', 'dnsslltime', 'addrs', 'tc',
];

/** What is wrong with a file or a setting, without the tool's name. */
export class RtadvdConfError extends Error {}

/** Capabilities of one interface: numbers, texts, and true for flags. */
export type Caps = ReadonlyMap<string, string | number | true>;

/** Splits at colons outside quotes. */
function fields(text: string): string[] {
  return (text.match(/(?:"[^"]*"|[^:])+/g) ?? []).map((f) => f.trim()).filter((f) => f !== '');
}

function parseCap(field: string): [string, string | number | true] {
  const m = /^([A-Za-z0-9_@]+)(?:#(.*)|=(.*))?$/s.exec(field);
  if (m === null) throw new RtadvdConfError(`${field}: not a capability (name#number, name=text or name)`);
  const [, name = '', number, text] = m;
  if (!NAMES.includes(name.replace(/[0-9]+$/, ''))) throw new RtadvdConfError(`${name}: unknown capability`);
  if (number === undefined) return [name, text === undefined ? true : text.replace(/^"(.*)"$/s, '$1')];
  const value = /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(number) ? parseInt(number, number.startsWith('0x') ? 16 : number.startsWith('0') ? 8 : 10) : NaN;
  if (Number.isNaN(value)) throw new RtadvdConfError(`${name}: ${number}: not a number`);
  return [name, value];
}

/** Capabilities written as in an entry, without its name. The first of a name counts. */
export function parseCaps(text: string): Map<string, string | number | true> {
  const caps = new Map<string, string | number | true>();
  for (const field of fields(text)) {
    const [name, value] = parseCap(field);
    if (!caps.has(name)) caps.set(name, value);
  }
  return caps;
}

/** The entry of `ifname` in a file, or that of `default`; empty when it has neither. */
export function confEntry(file: string, ifname: string): Caps {
  const entries = new Map<string, string>();
  const text = file.replace(/^[ \t]*#.*$/gm, '').replace(/\\\n[ \t]*/g, '');
  for (const line of text.split('\n').filter((l) => l.trim() !== '')) {
    const colon = line.indexOf(':');
    if (colon < 0) throw new RtadvdConfError(`${line.trim()}: no colon behind the name of the entry`);
    for (const name of line.slice(0, colon).split('|')) if (!entries.has(name.trim())) entries.set(name.trim(), line.slice(colon + 1));
  }
  const out = new Map<string, string | number | true>();
  let next = entries.get(ifname) ?? entries.get('default');
  for (let depth = 0; next !== undefined; depth++) {
    if (depth > TC_DEPTH) throw new RtadvdConfError(`${ifname}: tc= goes round in a circle`);
    const caps = parseCaps(next);
    for (const [name, value] of caps) if (!out.has(name)) out.set(name, value);
    const tc = caps.get('tc');
    if (tc !== undefined && !entries.has(String(tc))) throw new RtadvdConfError(`tc=${String(tc)}: there is no such entry`);
    next = tc === undefined ? undefined : entries.get(String(tc));
  }
  return out;
}

function number(caps: Caps, name: string, fallback: number, min: number, max: number): number {
  const value = caps.get(name) ?? fallback;
  if (typeof value !== 'number') throw new RtadvdConfError(`${name}: a number is wanted (${name}#N)`);
  if (value < min || value > max) throw new RtadvdConfError(`${name} (${value}) must be between ${min} and ${max}`);
  return value;
}

function text(caps: Caps, name: string): string | null {
  const value = caps.get(name);
  if (value === undefined) return null;
  if (typeof value !== 'string') throw new RtadvdConfError(`${name}: a text is wanted (${name}="...")`);
  return value;
}

function address(name: string, value: string): Uint8Array {
  const addr = ip6Parse(value);
  if (addr === null) throw new RtadvdConfError(`${name}: ${value}: not an IPv6 address`);
  return addr;
}

/** Letters to bits: `raflags="mo"`. A number is taken as it is. */
function flags(caps: Caps, name: string, letters: Readonly<Record<string, number>>, fallback: number): number {
  const value = caps.get(name);
  if (value === undefined) return fallback;
  if (typeof value === 'number') return value & 0xff;
  let bits = 0;
  for (const letter of text(caps, name) ?? '') {
    const bit = letters[letter];
    if (bit === undefined) throw new RtadvdConfError(`${name}: '${letter}' is none of ${Object.keys(letters).join(', ')}`);
    bits |= bit;
  }
  return bits;
}

/** `addr`, `addr0`, `addr1` … in this order: the suffixes that are given. */
function suffixes(caps: Caps, name: string): string[] {
  const all = ['', ...Array.from({ length: ENTRIES_MAX }, (_, i) => String(i))];
  return all.filter((s) => caps.has(name + s));
}

function prefixes(caps: Caps): RtadvPrefix[] {
  return suffixes(caps, 'addr').map((s) => {
    const vltime = number(caps, `vltime${s}`, RTADV_VLTIME, 0, U32_MAX);
    const pltime = number(caps, `pltime${s}`, Math.min(RTADV_PLTIME, vltime), 0, U32_MAX);
    if (pltime > vltime) throw new RtadvdConfError(`pltime${s} (${pltime}) must not be more than vltime${s} (${vltime})`);
    return {
      addr: address(`addr${s}`, text(caps, `addr${s}`) ?? ''), plen: number(caps, `prefixlen${s}`, 64, 0, 128), flags: flags(caps, `pinfoflags${s}`, { l: 0x80, a: 0x40 }, 0xc0), vltime, pltime,
    };
  });
}

function routes(caps: Caps): RtadvRoute[] {
  return suffixes(caps, 'rtprefix').map((s) => ({
    addr: address(`rtprefix${s}`, text(caps, `rtprefix${s}`) ?? ''), plen: number(caps, `rtplen${s}`, 64, 0, 128), flags: flags(caps, `rtflags${s}`, { h: 0x08, l: PREF_LOW }, 0),
    ltime: number(caps, `rtltime${s}`, RTADV_DEFAULTS.rltime, 0, U32_MAX),
  }));
}

/** The settings of an interface of this MTU. */
export function rtadvConf(caps: Caps, ifMtu: number): RtadvConf {
  const maxinterval = number(caps, 'maxinterval', RTADV_DEFAULTS.maxinterval, 4, 1_800);
  const mininterval = number(caps, 'mininterval', Math.max(3, Math.floor(maxinterval / 3)), 3, Math.max(3, Math.floor((maxinterval * 3) / 4)));
  const rltime = number(caps, 'rltime', maxinterval * 3, 0, 9_000);
  if (rltime !== 0 && rltime < maxinterval) throw new RtadvdConfError(`rltime (${rltime}) must be 0 or between ${maxinterval} and 9000`);
  const dnsLtime = Math.floor((maxinterval * 3) / 2);
  return {
    rltime, mininterval, maxinterval,
    chlim: number(caps, 'chlim', RTADV_DEFAULTS.chlim, 0, 255),
    raflags: flags(caps, 'raflags', { m: 0x80, o: 0x40, h: 0x08, l: PREF_LOW }, 0),
    rtime: number(caps, 'rtime', 0, 0, 3_600_000),
    retrans: number(caps, 'retrans', 0, 0, U32_MAX),
    mtu: caps.get('mtu') === 'auto' ? ifMtu : caps.has('mtu') ? number(caps, 'mtu', 0, MMTU, Math.min(ifMtu, U16_MAX)) : 0,
    nolladdr: caps.has('nolladdr'),
    noifprefix: caps.has('noifprefix'),
    prefixes: prefixes(caps),
    routes: routes(caps),
    rdnss: suffixes(caps, 'rdnss').map((s) => ({
      addrs: (text(caps, `rdnss${s}`) ?? '').split(',').map((a) => address(`rdnss${s}`, a.trim())), ltime: number(caps, `rdnssltime${s}`, dnsLtime, 0, U32_MAX),
    })),
    dnssl: suffixes(caps, 'dnssl').map((s) => ({
      domains: (text(caps, `dnssl${s}`) ?? '').split(',').map((d) => domain(`dnssl${s}`, d.trim())), ltime: number(caps, `dnsslltime${s}`, dnsLtime, 0, U32_MAX),
    })),
  };
}

function domain(name: string, value: string): string {
  const bare = value.replace(/\.$/, '');
  if (bare.length > 253 || !bare.split('.').every((label) => /^[A-Za-z0-9_-]{1,63}$/.test(label))) throw new RtadvdConfError(`${name}: ${value}: not a domain name`);
  return bare;
}
