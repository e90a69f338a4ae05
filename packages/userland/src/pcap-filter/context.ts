/**
 * context.ts — what the generator knows while it walks an expression: the link type and where each header starts.
 * Read first: pcap-filter(7), `vlan`, `mpls`, `pppoes`.
 *
 * Theory of operation. A frame is seen as link header, type field, payload, network header. For plain Ethernet these are at 0, 12, 14 and 14.
 * An encapsulation primitive moves them for everything that is written after it: `vlan` by one tag, `mpls` by one label,
 * `pppoes` to the PPP header inside. Offsets are constants: no supported link header has a variable length.
 */
import { BPF_JEQ } from '@netloom/core';
import { LINKTYPE_ETHERNET, LINKTYPE_NULL, LINKTYPE_RAW, LINKTYPE_RAW_BSD } from '@netloom/core/wire';
import type { Condition } from './condition.js';
import { TestTable } from './condition.js';
import { FilterError } from './filter-error.js';
import type { LoadSize, Value } from './value.js';
import { ValueTable } from './value.js';

/** `null`: an address family in the first four bytes, as on BSD loopback. `ppp` only occurs inside PPPoE. */
export type LinkKind = 'ethernet' | 'raw' | 'null' | 'ppp';

const LINKS: ReadonlyMap<number, LinkKind> = new Map<number, LinkKind>([
  [LINKTYPE_ETHERNET, 'ethernet'],
  [LINKTYPE_RAW_BSD, 'raw'],
  [LINKTYPE_RAW, 'raw'],
  [LINKTYPE_NULL, 'null'],
]);
const DESCRIPTIONS: Readonly<Record<LinkKind, string>> = { ethernet: 'Ethernet', raw: 'Raw IP', null: 'BSD loopback', ppp: 'PPP' };

export class FilterContext {
  readonly values = new ValueTable();
  readonly tests = new TestTable(this.values);
  /** Of the interface's IPv4 network, for `ip broadcast`. */
  readonly netmask: number;
  link: LinkKind;
  /** Offsets from the start of the packet. */
  linkHeader = 0;
  linkType: number;
  payload: number;
  /** Of the network header from the payload: labels of an MPLS stack, and past the LLC header for OSI. */
  network = 0;
  networkLlc: number;
  /** MPLS labels seen so far. */
  labels = 0;

  /** `dlt`: a DLT_* number, or that of a capture file. Throws FilterError for a link type without a generator. */
  constructor(dlt: number, netmask: number) {
    const link = LINKS.get(dlt);
    if (link === undefined) throw new FilterError(`unknown data link type ${dlt}`);
    this.link = link;
    this.netmask = netmask >>> 0;
    this.linkType = link === 'ethernet' ? 12 : 0;
    this.payload = link === 'ethernet' ? 14 : link === 'null' ? 4 : 0;
    this.networkLlc = link === 'ethernet' ? 3 : 0;
  }

  /** The link type in words, for messages. */
  get description(): string {
    return DESCRIPTIONS[this.link];
  }

  /** Offset in the network header to offset in the packet. */
  inNetwork(offset: number): number {
    return this.payload + this.network + offset;
  }

  load(size: LoadSize, at: number): Value {
    return this.values.load(size, null, at);
  }

  /** (the `size` bytes at `at`) & mask = k */
  equals(size: LoadSize, at: number, k: number, mask = 0xffffffff): Condition {
    return this.tests.field(BPF_JEQ, this.load(size, at), k, mask);
  }

  /** (the `size` bytes at `at`) OP k */
  compares(op: number, size: LoadSize, at: number, k: number): Condition {
    return this.tests.field(op, this.load(size, at), k);
  }
}
