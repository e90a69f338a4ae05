/**
 * syntax.ts — the tree of a filter expression: what the parser makes and the generator reads.
 * Read first: pcap-filter(7).
 *
 * The tree keeps the order of the text, because meaning depends on it: `vlan`, `mpls` and `pppoes` move the offsets of everything
 * that is written after them, whatever the operators and parentheses say.
 * Not here: values and tests over a packet (`value.ts`, `condition.ts`), which the generator makes of it.
 */

/** Protocols that may stand alone, before a qualifier, or before `[`. */
export type ProtocolName =
  | 'link' | 'ip' | 'arp' | 'rarp' | 'ip6'
  | 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmp6' | 'igmp' | 'igrp' | 'pim' | 'vrrp' | 'carp' | 'ah' | 'esp'
  | 'atalk' | 'aarp' | 'decnet' | 'lat' | 'sca' | 'moprc' | 'mopdl'
  | 'iso' | 'clnp' | 'esis' | 'isis' | 'l1' | 'l2' | 'iih' | 'lsp' | 'snp' | 'csnp' | 'psnp'
  | 'stp' | 'ipx' | 'netbeui' | 'radio';

/** `either`: source or destination, also when nothing was written. The last six name fields of an 802.11 header. */
export type Direction = 'either' | 'both' | 'src' | 'dst' | WlanAddress;
export type WlanAddress = 'addr1' | 'addr2' | 'addr3' | 'addr4' | 'ra' | 'ta';

/** What kind of thing an identifier is. `any`: not said, as in `src 10.0.0.1`. */
export type AddressKind = 'any' | 'host' | 'net' | 'port' | 'portrange' | 'gateway' | 'proto' | 'protochain';

/** The words before an identifier; `host a or b` gives b those of a. */
export interface Qualifiers {
  readonly protocol: ProtocolName | null;
  readonly direction: Direction;
  readonly kind: AddressKind;
}

/** The identifier itself. IPv4 text may have one to four parts (`10.1`); numbers are unsigned 32-bit. */
export type Identifier =
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'ip4'; readonly text: string }
  | { readonly kind: 'ip4-length'; readonly text: string; readonly length: number }
  | { readonly kind: 'ip4-mask'; readonly text: string; readonly mask: string }
  | { readonly kind: 'ip6'; readonly text: string; readonly length: number }
  | { readonly kind: 'mac'; readonly text: string }
  | { readonly kind: 'arcnet' };

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';
export type Relation = '=' | '!=' | '>' | '>=' | '<' | '<=';

/** An arithmetic expression over the packet. */
export type Arithmetic =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  | { readonly kind: 'load'; readonly protocol: ProtocolName; readonly index: Arithmetic; readonly size: number }
  | { readonly kind: 'negate'; readonly operand: Arithmetic }
  | { readonly kind: 'binary'; readonly operator: ArithmeticOperator; readonly left: Arithmetic; readonly right: Arithmetic };

/** Operators of `byte INDEX OP VALUE`. */
export type ByteOperator = '=' | '<' | '>' | '&' | '|';

/** A filter expression. `chain` is left-associative: `and` and `or` bind equally. */
export type Filter =
  | { readonly kind: 'chain'; readonly first: Filter; readonly rest: readonly ChainLink[] }
  | { readonly kind: 'not'; readonly operand: Filter }
  | { readonly kind: 'match'; readonly qualifiers: Qualifiers | null; readonly id: Identifier }
  | { readonly kind: 'protocol'; readonly protocol: ProtocolName }
  | { readonly kind: 'broadcast' | 'multicast'; readonly protocol: ProtocolName | null }
  | { readonly kind: 'relation'; readonly relation: Relation; readonly left: Arithmetic; readonly right: Arithmetic }
  | { readonly kind: 'less' | 'greater'; readonly length: number }
  | { readonly kind: 'byte'; readonly index: number; readonly operator: ByteOperator; readonly value: number }
  | { readonly kind: 'vlan' | 'mpls' | 'pppoes'; readonly number: number | null }
  | { readonly kind: 'pppoed' }
  | { readonly kind: 'metadata'; readonly what: 'inbound/outbound' | 'ifindex' };

export interface ChainLink {
  readonly operator: 'and' | 'or';
  readonly operand: Filter;
}
