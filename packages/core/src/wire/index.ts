/**
 * wire/index.ts — the codec library: addresses, checksums, headers, the dissector, capture files.
 *
 * Everything works on a DataView (or Uint8Array) and an offset. A header is not an object: each protocol's file gives the
 * offsets of its fields, getters `xxxField(view, off)`, a strict `xxxCheck(view, off, len)` that answers 0 or a documented
 * reason, and `xxxEmit`. Getters may be called once the check has answered 0.
 */

export * from './addr.js';
export * from './addr6.js';
export * from './arp.js';
export * from './carp.js';
export * from './checksum.js';
export * from './dhcp4-options.js';
export * from './dhcp4.js';
export * from './dhcp6.js';
export * from './dissect.js';
export * from './dns-name.js';
export * from './dns-rdata.js';
export * from './dns-types.js';
export * from './dns.js';
export * from './ether.js';
export * from './etherip.js';
export * from './gre.js';
export * from './icmp4.js';
export * from './icmp6.js';
export * from './igmp.js';
export * from './ip4.js';
export * from './ip6.js';
export * from './ip6-over-ip4.js';
export * from './ipproto.js';
export * from './lacp.js';
export * from './linktype.js';
export * from './llc.js';
export * from './pcapng.js';
export * from './stp.js';
export * from './tcp-options.js';
export * from './tcp.js';
export * from './udp.js';
export { utf8Encode } from './utf8.js';
export * from './virtio-net.js';
export * from './vxlan.js';
