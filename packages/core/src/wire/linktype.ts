/**
 * linktype.ts — what the first bytes of a captured packet are: the numbers of pcap and pcapng files.
 * Read first: draft-ietf-opsawg-pcaplinktype; the values equal bpf(4)'s DLT_* but for raw IP.
 */

/** 4 bytes of address family in the byte order of the machine that captured, then the packet: BSD's lo and gif. */
export const LINKTYPE_NULL = 0;
export const LINKTYPE_ETHERNET = 1;
/** bpf(4)'s DLT_RAW on FreeBSD and Linux; files say LINKTYPE_RAW. */
export const LINKTYPE_RAW_BSD = 12;
/** IPv4 or IPv6 without anything before it. */
export const LINKTYPE_RAW = 101;
/** As LINKTYPE_NULL with the family in network byte order: OpenBSD's lo. */
export const LINKTYPE_LOOP = 108;
