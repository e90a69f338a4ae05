/**
 * tc-id.ts — handles, class ids and protocols as tc(8) writes them.
 */
import { ETH_P_ALL, TC_H_ROOT, TC_H_UNSPEC, tcMajor, tcMinor } from '@netloom/core';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '@netloom/core/wire';
import { parseU32 } from './tc-args.js';

const MAJOR = 0x1_0000;
const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['all', ETH_P_ALL], ['ip', ETHERTYPE_IP], ['arp', ETHERTYPE_ARP], ['ipv6', ETHERTYPE_IPV6], ['802.1Q', ETHERTYPE_VLAN], ['802.1ad', ETHERTYPE_QINQ], ['ipv4', ETHERTYPE_IP],
];

/** `8001:` or `8001`; null: none. */
export function parseQdiscHandle(text: string): number | null {
  if (text === 'none') return TC_H_UNSPEC;
  const hex = /^(?:0x)?([0-9a-f]+):?/i.exec(text);
  if (hex === null || !/^(?:0x)?[0-9a-f]+(:.*)?$/i.test(text)) return null;
  const major = Number.parseInt(hex[1]!, 16);
  return major < MAJOR ? major * MAJOR : null;
}

/** `root`, `none`, `8001:`, `8001:2`, `:2`. */
export function parseClassid(text: string): number | null {
  if (text === 'root') return TC_H_ROOT;
  if (text === 'none') return TC_H_UNSPEC;
  const parts = /^([0-9a-f]*):([0-9a-f]*)$/i.exec(text);
  if (parts === null) return parseU32(text, 16);
  const major = Number.parseInt(parts[1] === '' ? '0' : parts[1]!, 16);
  const minor = Number.parseInt(parts[2] === '' ? '0' : parts[2]!, 16);
  return major < MAJOR && minor < MAJOR ? major * MAJOR + minor : null;
}

export function classidText(id: number): string {
  if (id === TC_H_ROOT) return 'root';
  if (id === TC_H_UNSPEC) return 'none';
  const major = tcMajor(id) / MAJOR;
  const minor = tcMinor(id);
  return `${major === 0 ? '' : major.toString(16)}:${minor === 0 && major !== 0 ? '' : minor.toString(16)}`;
}

export function qdiscHandleText(handle: number): string {
  return `${(tcMajor(handle) / MAJOR).toString(16)}:`;
}

export function parseProtocol(text: string): number | null {
  const found = PROTOCOLS.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found[1];
  const value = parseU32(text);
  return value !== null && value < MAJOR ? value : null;
}

export function protocolText(protocol: number): string {
  return PROTOCOLS.find(([, value]) => value === protocol)?.[0] ?? `[${protocol}]`;
}

const U32_NODE = 0x1_000;
const U32_HASH = 0x10_0000;

/** `800::801`, `0x80000801`; null: none. */
export function parseU32Handle(text: string): number | null {
  if (!text.includes(':')) return text.startsWith('0x') ? parseU32(text, 16) : null;
  const parts = /^([0-9a-f]*):([0-9a-f]*)(?::([0-9a-f]*))?$/i.exec(text);
  if (parts === null) return null;
  const [table, hash, node] = parts.slice(1).map((part) => Number.parseInt(part === undefined || part === '' ? '0' : part, 16));
  return table! < U32_NODE && hash! < 0x100 && node! < U32_NODE ? table! * U32_HASH + hash! * U32_NODE + node! : null;
}

export function u32HandleText(handle: number): string {
  const node = handle % U32_NODE;
  const table = Math.floor(handle / U32_HASH);
  const hash = Math.floor(handle / U32_NODE) % 0x100;
  return `${table.toString(16)}:${hash === 0 ? '' : hash.toString(16)}${node === 0 ? '' : `:${node.toString(16)}`}`;
}
