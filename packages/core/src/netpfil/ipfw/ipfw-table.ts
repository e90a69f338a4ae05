/**
 * ipfw-table.ts — IpfwTable: a named set of addresses, interfaces, numbers, flows or link addresses, each with a value.
 * Read first: ipfw(8) "LOOKUP TABLES".
 *
 * Theory of operation. Entries are kept by their key as text, for the administrator, and in a form that a packet finds without making anything: addresses by
 * prefix length, in maps from word to word, longest first; the others in one map. A flow's key is hashed, and those with one hash compared.
 * How many entries a table may have is its `limit` (0: as many as there is memory); how many tables, the filter's `tables_max`.
 *
 * Not here: names and references (ipfw-tables.ts).
 */
import { IpfwPrefixes } from './ipfw-prefixes.js';
import type { IpfwTableValue } from './ipfw-table-value.js';

export const IPFW_TABLE_ADDR = 1;
export const IPFW_TABLE_INTERFACE = 2;
export const IPFW_TABLE_NUMBER = 3;
export const IPFW_TABLE_FLOW = 4;
export const IPFW_TABLE_MAC = 5;

/** Fields of a flow. */
export const IPFW_TFFLAG_SRCIP = 0x01;
export const IPFW_TFFLAG_DSTIP = 0x02;
export const IPFW_TFFLAG_SRCPORT = 0x04;
export const IPFW_TFFLAG_DSTPORT = 0x08;
export const IPFW_TFFLAG_PROTO = 0x10;
const FLOW_ALL = 0x1f;

/** A key: which fields count depends on the kind of table. */
export interface IpfwTableKey {
  /** 4 or 6, of an address or a flow with addresses; 0 otherwise. */
  readonly family: 0 | 4 | 6;
  /** Words of an address (one of IPv4), signed; of a link address, the first 32 bits and the last 16 shifted up. */
  readonly words: readonly number[];
  readonly plen: number;
  /** An interface. */
  readonly name: string;
  /** A number. */
  readonly number: number;
  /** A flow: words of the destination, protocol and ports. `words` is the source. */
  readonly dst: readonly number[];
  readonly proto: number;
  readonly sport: number;
  readonly dport: number;
}

/** A key with nothing in it, to be filled in by spreading. */
export const NO_KEY: IpfwTableKey = Object.freeze({ family: 0, words: Object.freeze([]), plen: 0, name: '', number: 0, dst: Object.freeze([]), proto: 0, sport: 0, dport: 0 });

export interface IpfwTableEntry {
  readonly key: IpfwTableKey;
  value: IpfwTableValue;
}

/** A flow as a packet has it. */
export interface IpfwFlow {
  readonly is6: boolean;
  readonly src: number;
  readonly dst: number;
  readonly s0: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly d0: number;
  readonly d1: number;
  readonly d2: number;
  readonly d3: number;
  readonly proto: number;
  readonly sport: number;
  readonly dport: number;
}

/** What became of one key of a request. */
export type TableResult = 'added' | 'deleted' | 'updated' | 'limit' | 'exists' | 'notfound' | 'error';

export interface IpfwTableInfo {
  readonly name: string;
  readonly type: number;
  /** IPFW_TFFLAG_* of a flow table. */
  readonly tflags: number;
  /** IPFW_VTYPE_* */
  readonly vmask: number;
  readonly algo: string;
}

export class IpfwTable {
  name: string;
  readonly type: number;
  readonly tflags: number;
  readonly vmask: number;
  readonly algo: string;
  /** Which one of all tables it is. */
  readonly kidx: number;
  limit: number;
  locked = false;
  /** Instructions that look into it. */
  refs = 0;
  private entries = new Map<string, IpfwTableEntry>();
  private addrs4 = new IpfwPrefixes(32);
  private addrs6 = new IpfwPrefixes(128);
  private macs = new IpfwPrefixes(48);
  private names = new Map<string, IpfwTableEntry>();
  private numbers = new Map<number, IpfwTableEntry>();
  private flows = new Map<number, IpfwTableEntry[]>();

  constructor(info: IpfwTableInfo, kidx: number, limit = 0) {
    this.name = info.name;
    this.type = info.type;
    this.tflags = info.type === IPFW_TABLE_FLOW && info.tflags === 0 ? FLOW_ALL : info.tflags;
    this.vmask = info.vmask;
    this.algo = info.algo;
    this.kidx = kidx;
    this.limit = limit;
  }

  get count(): number {
    return this.entries.size;
  }

  /** Sorted as ipfw lists them. */
  list(): IpfwTableEntry[] {
    const all = [...this.entries.values()];
    return this.type === IPFW_TABLE_INTERFACE || this.type === IPFW_TABLE_FLOW ? all : all.sort((a, b) => compareKeys(a.key, b.key));
  }

  /** The entry with exactly this key. */
  get(key: IpfwTableKey): IpfwTableEntry | null {
    return this.entries.get(this.keyText(key)) ?? null;
  }

  add(key: IpfwTableKey, value: IpfwTableValue, update: boolean): TableResult {
    const text = this.keyText(key);
    const there = this.entries.get(text);
    if (there !== undefined) {
      if (!update) return 'exists';
      there.value = value;
      return 'updated';
    }
    if (this.limit !== 0 && this.entries.size >= this.limit) return 'limit';
    const entry: IpfwTableEntry = { key, value };
    this.entries.set(text, entry);
    this.index(entry, true);
    return 'added';
  }

  remove(key: IpfwTableKey): TableResult {
    const text = this.keyText(key);
    const there = this.entries.get(text);
    if (there === undefined) return 'notfound';
    this.entries.delete(text);
    this.index(there, false);
    return 'deleted';
  }

  flush(): void {
    this.entries = new Map();
    this.addrs4 = new IpfwPrefixes(32);
    this.addrs6 = new IpfwPrefixes(128);
    this.macs = new IpfwPrefixes(48);
    this.names = new Map();
    this.numbers = new Map();
    this.flows = new Map();
  }

  /** Exchanges contents with another table of its kind. */
  swap(other: IpfwTable): void {
    [this.entries, other.entries] = [other.entries, this.entries];
    [this.addrs4, other.addrs4] = [other.addrs4, this.addrs4];
    [this.addrs6, other.addrs6] = [other.addrs6, this.addrs6];
    [this.macs, other.macs] = [other.macs, this.macs];
    [this.names, other.names] = [other.names, this.names];
    [this.numbers, other.numbers] = [other.numbers, this.numbers];
    [this.flows, other.flows] = [other.flows, this.flows];
  }

  /** Packet path, all of the following. Null: not in the table. */
  find4(addr: number): IpfwTableEntry | null {
    if (this.type === IPFW_TABLE_ADDR) return this.addrs4.find(addr, 0, 0, 0);
    return this.type === IPFW_TABLE_NUMBER ? this.findNumber(addr >>> 0) : null;
  }

  find6(w0: number, w1: number, w2: number, w3: number): IpfwTableEntry | null {
    return this.type === IPFW_TABLE_ADDR ? this.addrs6.find(w0, w1, w2, w3) : null;
  }

  findMac(hi32: number, lo16: number): IpfwTableEntry | null {
    return this.type === IPFW_TABLE_MAC ? this.macs.find(hi32, lo16 << 16, 0, 0) : null;
  }

  findName(name: string): IpfwTableEntry | null {
    return this.names.get(name) ?? null;
  }

  findNumber(n: number): IpfwTableEntry | null {
    if (this.type === IPFW_TABLE_ADDR) return this.addrs4.find(n | 0, 0, 0, 0);
    return this.numbers.get(n) ?? null;
  }

  findFlow(f: IpfwFlow): IpfwTableEntry | null {
    if (this.type !== IPFW_TABLE_FLOW) return null;
    const list = this.flows.get(this.hashOf(f));
    if (list === undefined) return null;
    for (let i = 0; i < list.length; i++) if (this.isFlow(list[i]!.key, f)) return list[i]!;
    return null;
  }

  private index(entry: IpfwTableEntry, add: boolean): void {
    const { key } = entry;
    const found = add ? entry : null;
    if (this.type === IPFW_TABLE_ADDR) (key.family === 4 ? this.addrs4 : this.addrs6).set(key.words, key.plen, found);
    else if (this.type === IPFW_TABLE_MAC) this.macs.set(key.words, key.plen, found);
    else if (this.type === IPFW_TABLE_FLOW) this.indexFlow(entry, add);
    else if (this.type === IPFW_TABLE_INTERFACE) {
      if (add) this.names.set(key.name, entry);
      else this.names.delete(key.name);
    } else if (add) this.numbers.set(key.number, entry);
    else this.numbers.delete(key.number);
  }

  private indexFlow(entry: IpfwTableEntry, add: boolean): void {
    const h = this.hashOf(flowOfKey(entry.key));
    const others = (this.flows.get(h) ?? []).filter((e) => e !== entry);
    if (add) others.push(entry);
    if (others.length === 0) this.flows.delete(h);
    else this.flows.set(h, others);
  }

  private has(flag: number): boolean {
    return (this.tflags & flag) !== 0;
  }

  private hashOf(f: IpfwFlow): number {
    let h = 0;
    if (this.has(IPFW_TFFLAG_SRCIP)) h ^= f.is6 ? f.s0 ^ f.s1 ^ f.s2 ^ f.s3 : f.src;
    if (this.has(IPFW_TFFLAG_DSTIP)) h = Math.imul(h, 31) ^ (f.is6 ? f.d0 ^ f.d1 ^ f.d2 ^ f.d3 : f.dst);
    if (this.has(IPFW_TFFLAG_SRCPORT)) h = Math.imul(h, 31) ^ f.sport;
    if (this.has(IPFW_TFFLAG_DSTPORT)) h = Math.imul(h, 31) ^ f.dport;
    if (this.has(IPFW_TFFLAG_PROTO)) h = Math.imul(h, 31) ^ f.proto;
    return h | 0;
  }

  private isFlow(key: IpfwTableKey, f: IpfwFlow): boolean {
    if (key.family !== 0 && (key.family === 6) !== f.is6) return false;
    if (this.has(IPFW_TFFLAG_SRCIP) && !(f.is6 ? sameWords(key.words, f.s0, f.s1, f.s2, f.s3) : key.words[0] === f.src)) return false;
    if (this.has(IPFW_TFFLAG_DSTIP) && !(f.is6 ? sameWords(key.dst, f.d0, f.d1, f.d2, f.d3) : key.dst[0] === f.dst)) return false;
    if (this.has(IPFW_TFFLAG_SRCPORT) && key.sport !== f.sport) return false;
    if (this.has(IPFW_TFFLAG_DSTPORT) && key.dport !== f.dport) return false;
    return !this.has(IPFW_TFFLAG_PROTO) || key.proto === f.proto;
  }

  private keyText(key: IpfwTableKey): string {
    switch (this.type) {
      case IPFW_TABLE_ADDR:
      case IPFW_TABLE_MAC:
        return `${key.family} ${masked(key.words, key.plen).join(' ')}/${key.plen}`;
      case IPFW_TABLE_INTERFACE:
        return key.name;
      case IPFW_TABLE_NUMBER:
        return String(key.number);
      default:
        return [key.family, this.has(IPFW_TFFLAG_SRCIP) ? key.words.join(' ') : '', this.has(IPFW_TFFLAG_PROTO) ? key.proto : '', this.has(IPFW_TFFLAG_SRCPORT) ? key.sport : '',
          this.has(IPFW_TFFLAG_DSTIP) ? key.dst.join(' ') : '', this.has(IPFW_TFFLAG_DSTPORT) ? key.dport : ''].join(',');
    }
  }
}

/** `words` with everything behind `plen` bits cleared. */
export function masked(words: readonly number[], plen: number): number[] {
  return words.map((w, i) => {
    const bits = Math.min(32, Math.max(0, plen - i * 32));
    return bits === 0 ? 0 : w & (bits === 32 ? -1 : ~(0xffff_ffff >>> bits));
  });
}

function sameWords(words: readonly number[], w0: number, w1: number, w2: number, w3: number): boolean {
  return words[0] === w0 && words[1] === w1 && words[2] === w2 && words[3] === w3;
}

function flowOfKey(key: IpfwTableKey): IpfwFlow {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = key.words;
  const [d0 = 0, d1 = 0, d2 = 0, d3 = 0] = key.dst;
  return { is6: key.family === 6, src: s0, dst: d0, s0, s1, s2, s3, d0, d1, d2, d3, proto: key.proto, sport: key.sport, dport: key.dport };
}

/** By family, then number, then the more specific first. */
function compareKeys(a: IpfwTableKey, b: IpfwTableKey): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.number !== b.number) return a.number - b.number;
  for (let i = 0; i < a.words.length; i++) {
    const d = ((a.words[i] ?? 0) >>> 0) - ((b.words[i] ?? 0) >>> 0);
    if (d !== 0) return d;
  }
  return b.plen - a.plen;
}
