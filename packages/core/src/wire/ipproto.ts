/**
 * ipproto.ts — the numbers in IPv4's protocol and IPv6's next header field.
 * Read first: IANA "Assigned Internet Protocol Numbers"; names as in FreeBSD's netinet/in.h.
 */

export const IPPROTO_IP = 0;
export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_IPV4 = 4;
export const IPPROTO_TCP = 6;
export const IPPROTO_EGP = 8;
export const IPPROTO_PIGP = 9;
export const IPPROTO_UDP = 17;
export const IPPROTO_DCCP = 33;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_RSVP = 46;
export const IPPROTO_GRE = 47;
export const IPPROTO_ESP = 50;
export const IPPROTO_AH = 51;
export const IPPROTO_MOBILE = 55;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
export const IPPROTO_EIGRP = 88;
export const IPPROTO_OSPF = 89;
export const IPPROTO_ETHERIP = 97;
export const IPPROTO_PIM = 103;
export const IPPROTO_IPCOMP = 108;
export const IPPROTO_CARP = 112;
export const IPPROTO_PGM = 113;
export const IPPROTO_SCTP = 132;
export const IPPROTO_MOBILITY = 135;
export const IPPROTO_UDPLITE = 136;
export const IPPROTO_ETHERNET = 143;
export const IPPROTO_PFSYNC = 240;
export const IPPROTO_RAW = 255;
export const IPPROTO_MAX = 256;
