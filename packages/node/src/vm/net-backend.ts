/**
 * net-backend.ts — a network card's words: which backend, link address, MTU.
 * Read first: bhyve(8), "Network device backends"; bhyve_config(5).
 *
 * The text in front of the first comma is the variable `backend`; behind it are `key=value` pairs in any order, and what nobody knows is kept and
 * ignored; `transport=` is ours. The backend is the one whose name is a prefix of `type`, or of `backend` without it. `gateway` is ours; bhyve's slirp means the same.
 * Checks come in bhyve's order: link address, MTU, backend. Opening is for later (nic-backends.ts).
 */
import { createHash } from 'node:crypto';
import { EINVAL, EOPNOTSUPP, ERANGE } from '@netloom/core';
import { strtol0 } from './c-number.js';
import type { NicBackend, NicModel, NicTransport, VmNic, VmSlot } from './vm-spec.js';
import { VmRefusal } from './vm-spec.js';

/** A card's variables by name. */
export type NicWords = ReadonlyMap<string, string>;

const PREFIXES = ['tap', 'vmnet', 'netmap', 'vale', 'netgraph', 'slirp', 'gateway'] as const;
/** Sizes with their NUL: ng_message.h. */
const NG_PATHSIZ = 512;
const NG_HOOKSIZ = 32;
const MTU_MIN = 46;
const MTU_MAX = 65_535;
const ULONG_MAX = 2 ** 64 - 1;
/** Bytes of the text that a link address is made of, with its NUL. */
const NSTR = 80;

/** netbe_legacy_config */
export function nicWords(text: string): NicWords {
  const words = new Map<string, string>();
  const comma = text.indexOf(',');
  words.set('backend', comma < 0 ? text : text.slice(0, comma));
  if (comma < 0) return words;
  for (const word of text.slice(comma + 1).split(',')) {
    const at = word.indexOf('=');
    words.set(at < 0 ? word : word.slice(0, at), at < 0 ? 'true' : word.slice(at + 1));
  }
  return words;
}

/** The card that its words describe. @throws VmRefusal with bhyve's lines and errno. */
export function nicOf(words: NicWords, model: NicModel, at: VmSlot, vmName: string, transport: NicTransport = 'stream'): VmNic {
  const mac = words.get('mac');
  const mtu = words.get('mtu');
  return {
    slot: at.slot, func: at.func, model,
    mac: mac === undefined ? generatedMac(at.slot, at.func, vmName) : parseMac(mac),
    mtu: model === 'virtio-net' && mtu !== undefined ? parseMtu(mtu) : null,
    backend: backendOf(words, model),
    transport: transportOf(words.get('transport') ?? transport, model),
  };
}

function transportOf(text: string, model: NicModel): NicTransport {
  if (text !== 'stream' && text !== 'vhost-user') throw new VmRefusal(EINVAL, `transport=${text}: there are "stream" and "vhost-user"`);
  if (text === 'vhost-user' && model !== 'virtio-net') throw new VmRefusal(EINVAL, `transport=vhost-user is for virtio-net, not for ${model}`);
  return text;
}

/** net_genmac: the vendor's three bytes, then three of a digest of where the card is and whose. */
export function generatedMac(slot: number, func: number, vmName: string): string {
  const text = Buffer.from(`${slot}-${func}-${vmName}`).subarray(0, NSTR - 1);
  return formatMac([0x00, 0xa0, 0x98, ...createHash('md5').update(text).digest().subarray(0, 3)]);
}

/** ether_aton(3), and no group's address and not all zeros. */
function parseMac(text: string): string {
  const match = /^\s*([0-9a-f]+):([0-9a-f]+):([0-9a-f]+):([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)/i.exec(text);
  const bytes = match === null ? [] : match.slice(1).map((hex) => parseInt(hex, 16) & 0xff);
  if (match === null || ((bytes[0] ?? 0) & 1) !== 0 || bytes.every((byte) => byte === 0)) throw new VmRefusal(EINVAL, `Invalid MAC ${text}`);
  return formatMac(bytes);
}

function formatMac(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** net_parsemtu and the range of virtio-net. bhyve says nothing but the errno. */
function parseMtu(text: string): number {
  const { value, end } = strtol0(text);
  if (text.startsWith('-') || end !== text.length) throw new VmRefusal(EINVAL);
  if (value >= ULONG_MAX) throw new VmRefusal(ERANGE);
  if (value < MTU_MIN || value > MTU_MAX) throw new VmRefusal(EINVAL);
  return value;
}

function backendOf(words: NicWords, model: NicModel): NicBackend | null {
  const backend = words.get('backend');
  if (backend === undefined) {
    if (model === 'virtio-net') return null;
    throw new VmRefusal(EINVAL);
  }
  const type = words.get('type') ?? backend;
  const kind = PREFIXES.find((prefix) => type.startsWith(prefix));
  switch (kind) {
    case undefined:
      throw new VmRefusal(EINVAL);
    case 'tap':
    case 'vmnet':
      return { kind, device: backend };
    case 'netmap':
    case 'vale':
      throw new VmRefusal(EOPNOTSUPP, `Unable to nm_open(): interface '${backend}', errno (Operation not supported)`);
    case 'netgraph':
      return netgraphOf(words);
    case 'slirp':
    case 'gateway':
      return { kind: 'gateway', hostfwd: words.get('hostfwd') ?? '', restrict: kind === 'slirp' ? !words.has('open') : words.has('restrict') };
  }
}

function netgraphOf(words: NicWords): NicBackend {
  const path = words.get('path');
  const peerhook = words.get('peerhook');
  if (path === undefined) throw new VmRefusal(EINVAL, 'path must be provided');
  if (peerhook === undefined) throw new VmRefusal(EINVAL, 'peer hook must be provided');
  return {
    kind: 'netgraph', path: path.slice(0, NG_PATHSIZ - 1), hook: (words.get('hook') ?? 'vmlink').slice(0, NG_HOOKSIZ - 1), peerhook: peerhook.slice(0, NG_HOOKSIZ - 1),
    socket: words.get('socket') ?? null,
  };
}
