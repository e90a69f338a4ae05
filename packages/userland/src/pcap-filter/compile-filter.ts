/**
 * compile-filter.ts — filter expressions to BPF programs: the compiler's front door.
 * Read first: pcap-filter(7); then lexer, parser, generate, flow-graph, emit, in the order a text goes through them.
 *
 * The language and the answers to what is wrong with an expression are those of tcpdump 4.99 with libpcap 1.10. A program accepts what
 * libpcap's would; it need not be the same instructions.
 * Deliberately not here: name service (hosts and networks are numbers), `protochain`, `llc`, `geneve`, and what needs data outside the frame
 * (`inbound`, `ifindex`). Each is refused with a message.
 */
import { BpfProgram } from '@netloom/core';
import { FilterContext } from './context.js';
import { emit } from './emit.js';
import { FilterError } from './filter-error.js';
import { ACCEPT, flowGraph, REJECT } from './flow-graph.js';
import { generate } from './generate.js';
import { tokenize } from './lexer.js';
import { parse } from './parser.js';

/** Characters of a message: as many as libpcap has room for. */
const ERROR_MAX = 255;

/** Bytes of a packet an accepting program asks for when nothing else is said: tcpdump's default. */
export const SNAPLEN_DEFAULT = 262_144;

export interface FilterOptions {
  /** DLT_EN10MB, DLT_RAW or DLT_NULL, or the same as capture files number them. */
  readonly linktype: number;
  /** What an accepting program returns. */
  readonly snaplen?: number;
  /** Netmask of the interface's IPv4 network for `ip broadcast`; 0xffffffff: not known. Without it 0, as for tcpdump -d. */
  readonly netmask?: number;
}

/** `error` is what tcpdump prints after its name. */
export type FilterResult = { readonly ok: true; readonly program: BpfProgram } | { readonly ok: false; readonly error: string };

/** Compiles `text`; the empty expression accepts every packet. Never throws. */
export function compileFilter(text: string, { linktype, snaplen = SNAPLEN_DEFAULT, netmask = 0 }: FilterOptions): FilterResult {
  try {
    if (snaplen === 0) throw new FilterError('snaplen of 0 rejects all packets');
    const context = new FilterContext(linktype, netmask);
    const filter = parse(tokenize(text));
    const root = filter === null ? ACCEPT : flowGraph(generate(context, filter));
    if (root === REJECT) throw new FilterError('expression rejects all packets');
    return { ok: true, program: new BpfProgram(emit(root, snaplen)) };
  } catch (error) {
    if (error instanceof FilterError) return { ok: false, error: error.message.slice(0, ERROR_MAX) };
    throw error;
  }
}
