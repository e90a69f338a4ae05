/**
 * layers.mjs — the layers of the core, left to right: this array is the architecture.
 *
 * A folder of packages/core/src imports itself and the folders to its left, types included. The dependency rules
 * (tools/dependency-rules.mjs), the repository checks (tools/tidy.ts) and the documentation (docs/layers.md) are made from it;
 * nothing else repeats it. `what` is one line for a reader who has never seen the folder; `absent` is the invariant worth
 * checking in a review: what this folder does not do.
 *
 * Not here: which package may import which package; that is what each package.json declares.
 */

/** @typedef {{ name: string, what: string, absent: string }} Layer */

/** @type {readonly Layer[]} */
export const LAYERS = Object.freeze([
  { name: 'base', what: 'errno, assertions, sequence arithmetic, time as a number, the seeded generator', absent: 'reads no clock and knows no protocol' },
  { name: 'wire', what: 'bytes on a link: addresses, checksums, header accessors, strict parsers, the dissector, pcapng', absent: 'keeps no state and never throws on any bytes' },
  { name: 'fwd', what: 'the published forwarding snapshot and the pure forward(): what a datapath worker loads', absent: 'allocates nothing, decides nothing it cannot read in the snapshot' },
  { name: 'mbuf', what: 'PacketBuffer: one contiguous slot with headroom, its pools and their accounting', absent: 'shares no slot: every packet has exactly one owner' },
  { name: 'env', what: 'what the host must give a kernel', absent: 'implements nothing: the host does' },
  { name: 'kern', what: 'sysinit order, prisons, event handlers, callouts, sysctl, counters, contexts and the wait-order checker', absent: 'knows no interface and no packet format' },
  { name: 'net', what: 'Ifnet, cloners, Ethernet, lo, epair, vlan, bridge, tap, bpf, pfil, the routing table, routing messages', absent: 'never calls up by name: upcalls go through tables filled from the right' },
  { name: 'inet', what: 'IPv4, ICMP, ARP', absent: 'knows no transport protocol but through the protocol switch' },
  { name: 'inet6', what: 'IPv6, ICMPv6, neighbour discovery', absent: 'imports IPv4 only for what both share' },
  { name: 'transport', what: 'protocol control blocks, UDP, raw IP', absent: 'never walks a list to find the receiver of a packet' },
  { name: 'tcp', what: 'TCP', absent: 'sets no timer of its own: callouts only' },
  { name: 'socket', what: 'the BSD verbs as plain calls that return an Errno; socket buffers', absent: 'waits for nothing: readiness is a notification' },
  { name: 'netpfil', what: 'packet aliasing, and the packet filter ipfw', absent: 'decides about packets and forwards none' },
  { name: 'gateway', what: 'the way out through the host: flows to addresses that are not ours, what is allowed, when they end', absent: 'opens no socket of the host: whoever embeds the stack does' },
  { name: 'netgraph', what: 'nodes, hooks, control and data messages', absent: 'never recurses from node to node' },
  { name: 'ha', what: 'output commit: frames held until a checkpoint is safe', absent: 'touches no packet on its way, only when it leaves' },
  { name: 'vnet', what: 'the composition root: builds a stack from all layers; read vnet/vnet.ts first', absent: 'holds no protocol logic' },
  { name: 'promises', what: 'the façade: Promises and Errors with a code; the only folder where async is legal', absent: 'decides nothing: it waits and translates' },
  { name: 'sim', what: 'seeded networks in virtual time, packet scripts: the test kit', absent: 'is imported by no other folder' },
]);

/** The names alone, left to right. */
export const LAYER_NAMES = Object.freeze(LAYERS.map((layer) => layer.name));
