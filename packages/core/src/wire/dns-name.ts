/**
 * dns-name.ts — domain names: as bytes in a message, with compression, and as text.
 * Read first: RFC 1035 §3.1, §4.1.4, §5.1; RFC 4343 (letters of either case are the same).
 *
 * As text a name has no dot at its end; the root is `.`. A byte that a zone file could not hold as it is becomes `\X` or `\DDD`, so that every name has
 * one text, and every text one name. Case is kept, and does not count: `dnsNameKey` is what is compared.
 *
 * Invariants: a name that was read has at most 255 bytes on the wire and 63 in a label. A pointer leads to before where the labels that it
 * continues began, so that no message can send a reader round in a circle, and reading costs at most 255 steps.
 *
 * @rfc 1035 3.1 yes
 * @rfc 1035 4.1.4 yes
 * @rfc 4343 3 yes
 */

export const DNS_LABEL_MAX = 63;
/** Bytes of a name on the wire, with the root's. */
export const DNS_NAME_MAX = 255;
export const DNS_ROOT = '.';

const POINTER = 0xc0;
/** Names further behind than this cannot be pointed to. */
const POINTER_MAX = 0x3fff;
const BACKSLASH = 0x5c;
/** Characters that mean something in a zone file: " $ ( ) . ; @ \ */
const SPECIAL: ReadonlySet<number> = new Set([0x22, 0x24, 0x28, 0x29, 0x2e, 0x3b, 0x40, BACKSLASH]);

/** A name that was read, and where what is behind it begins. */
export interface DnsNameAt {
  readonly name: string;
  readonly next: number;
}

/** Reads the name at `off` of a message that is `bytes` up to `end`. Null: it is not well formed. */
export function dnsNameRead(bytes: Uint8Array, off: number, end: number): DnsNameAt | null {
  let text = '';
  let at = off;
  let next = -1;
  // Labels read on, from here: a pointer must lead to before them.
  let start = off;
  let length = 1;
  for (;;) {
    if (at >= end) return null;
    const n = bytes[at] ?? 0;
    if (n === 0) return { name: text === '' ? DNS_ROOT : text, next: next < 0 ? at + 1 : next };
    if ((n & POINTER) === POINTER) {
      if (at + 1 >= end) return null;
      const to = ((n & ~POINTER) << 8) | (bytes[at + 1] ?? 0);
      if (to >= start) return null;
      if (next < 0) next = at + 2;
      at = to;
      start = to;
      continue;
    }
    if (n > DNS_LABEL_MAX || at + 1 + n > end) return null;
    length += n + 1;
    if (length > DNS_NAME_MAX) return null;
    text += (text === '' ? '' : '.') + labelText(bytes, at + 1, n);
    at += n + 1;
  }
}

function labelText(bytes: Uint8Array, off: number, n: number): string {
  let text = '';
  for (let i = off; i < off + n; i++) {
    const c = bytes[i] ?? 0;
    if (SPECIAL.has(c)) text += `\\${String.fromCharCode(c)}`;
    else if (c > 0x20 && c < 0x7f) text += String.fromCharCode(c);
    else text += `\\${String(c).padStart(3, '0')}`;
  }
  return text;
}

/** The labels of a name in text, as bytes. Null: empty or too long ones, a bad escape, a character beyond ASCII. */
export function dnsNameLabels(text: string): Uint8Array[] | null {
  const labels: Uint8Array[] = [];
  if (text === DNS_ROOT) return labels;
  let label: number[] = [];
  let length = 1;
  const close = (): boolean => {
    length += label.length + 1;
    labels.push(Uint8Array.from(label));
    const fits = label.length > 0 && label.length <= DNS_LABEL_MAX && length <= DNS_NAME_MAX;
    label = [];
    return fits;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 0x7e) return null;
    if (c === 0x2e) {
      if (!close()) return null;
      if (i === text.length - 1) return labels;
      continue;
    }
    if (c !== BACKSLASH) {
      label.push(c);
      continue;
    }
    const digits = /^[0-9]{3}/.exec(text.slice(i + 1, i + 4))?.[0];
    const value = digits === undefined ? text.charCodeAt(i + 1) : Number(digits);
    if (!(value <= 0xff) || (digits === undefined && value > 0x7e)) return null;
    label.push(value);
    i += digits === undefined ? 1 : 3;
  }
  return close() ? labels : null;
}

/** The one text of a name that people write in many ways (with a dot at its end, with needless escapes). Null: it is none. */
export function dnsNameOf(text: string): string | null {
  const labels = dnsNameLabels(text);
  return labels === null ? null : dnsNameOfLabels(labels);
}

export function dnsNameOfLabels(labels: readonly Uint8Array[]): string {
  return labels.length === 0 ? DNS_ROOT : labels.map((l) => labelText(l, 0, l.length)).join('.');
}

/** What two names that are the same have in common. */
export function dnsNameKey(name: string): string {
  return name.toLowerCase();
}

/** Is `name` the name `zone` or below it? Both are keys. */
export function dnsNameIsIn(name: string, zone: string): boolean {
  if (zone === DNS_ROOT || name === zone) return true;
  if (!name.endsWith(`.${zone}`)) return false;
  let backslashes = 0;
  while (name[name.length - zone.length - 2 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 0;
}

/** The name one label up; null for the root. */
export function dnsNameParent(name: string): string | null {
  if (name === DNS_ROOT) return null;
  for (let i = 0; i < name.length; i++) {
    if (name[i] === '\\') i++;
    else if (name[i] === '.') return name.slice(i + 1);
  }
  return DNS_ROOT;
}

/** The name uncompressed, as in rdata that is compared, and in options of DHCPv6. Null: it is no name. */
export function dnsNameEncode(name: string): Uint8Array | null {
  const labels = dnsNameLabels(name);
  if (labels === null) return null;
  return Uint8Array.from([...labels.flatMap((l) => [l.length, ...l]), 0]);
}

/** Writes names one after the other into a message, each as short as pointers to earlier ones make it. */
export class DnsNameWriter {
  private readonly places = new Map<string, number>();

  /** Forgets names at `length` and behind it: the message was cut there. */
  cut(length: number): void {
    for (const [key, at] of this.places) if (at >= length) this.places.delete(key);
  }

  /** Appends `name` to `out`, which is the message from its first byte on. False: it is no name. */
  write(out: number[], name: string, compress = true): boolean {
    const labels = dnsNameLabels(name);
    if (labels === null) return false;
    for (let i = 0; i < labels.length; i++) {
      const key = dnsNameKey(dnsNameOfLabels(labels.slice(i)));
      const place = this.places.get(key);
      if (place !== undefined && compress) {
        out.push((POINTER << 8 | place) >>> 8, place & 0xff);
        return true;
      }
      if (place === undefined && out.length <= POINTER_MAX) this.places.set(key, out.length);
      const label = labels[i] ?? new Uint8Array(0);
      out.push(label.length, ...label);
    }
    out.push(0);
    return true;
  }
}
