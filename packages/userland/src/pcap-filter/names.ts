/**
 * names.ts — the names an expression may use for numbers: services, IP protocols, link-layer protocols.
 * Read first: services(5), protocols(5); pcap-filter(7), `ether proto`.
 *
 * The commonest entries of FreeBSD's files. There is no name service here: a host or network name is always unknown.
 */
import {
  ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_LOOPBACK, ETHERTYPE_REVARP, LLC_8021D_LSAP, LLC_IPX_LSAP, LLC_ISO_LSAP, LLC_NETBEUI_LSAP,
} from '@netloom/core/wire';

/** Which transports a service name is registered for. */
export interface Service {
  readonly port: number;
  readonly tcp: boolean;
  readonly udp: boolean;
}

const service = (port: number, tcp: boolean, udp: boolean): Service => ({ port, tcp, udp });

/** `name port`, registered for TCP and UDP. */
const BOTH = `
  tcpmux 1, echo 7, discard 9, sink 9, systat 11, daytime 13, qotd 17, chargen 19, ftp-data 20, ftp 21, ssh 22, telnet 23, smtp 25, mail 25,
  time 37, domain 53, bootps 67, bootpc 68, tftp 69, gopher 70, finger 79, http 80, www 80, kerberos 88, kerberos-sec 88, hostname 101,
  pop3 110, sunrpc 111, rpcbind 111, auth 113, ident 113, nntp 119, ntp 123, netbios-ns 137, netbios-dgm 138, netbios-ssn 139, imap 143,
  snmp 161, snmptrap 162, bgp 179, irc 194, ldap 389, https 443, microsoft-ds 445, smtps 465, isakmp 500, printer 515, ntalk 518, ripng 521, timed 525,
  dhcpv6-client 546, dhcpv6-server 547, rtsp 554, submission 587, ldaps 636, domain-s 853, rsync 873, ftps 990, imaps 993, pop3s 995, socks 1080,
  openvpn 1194, l2tp 1701, nfsd 2049, nfs 2049, mysql 3306, bfd-control 3784, iscsi-target 3260,
  sip 5060, postgresql 5432, mdns 5353, x11 6000`;
const TCP_ONLY = 'exec 512, login 513, shell 514, pptp 1723, rdp 3389';
const UDP_ONLY = 'biff 512, who 513, syslog 514, router 520, route 520, routed 520, radius 1812, vxlan 4789';

function rows(text: string): (readonly [name: string, value: number])[] {
  return text.split(',').map((row) => {
    const [name = '', value = ''] = row.trim().split(' ');
    return [name, Number(value)] as const;
  });
}

const SERVICES: ReadonlyMap<string, Service> = new Map([
  ...rows(BOTH).map(([name, port]) => [name, service(port, true, true)] as const),
  ...rows(TCP_ONLY).map(([name, port]) => [name, service(port, true, false)] as const),
  ...rows(UDP_ONLY).map(([name, port]) => [name, service(port, false, true)] as const),
]);

/** A service by name, or by decimal number for both transports. Null when there is no such service. */
export function serviceByName(name: string): Service | null {
  if (/^[0-9]{1,5}$/.test(name)) return service(Number(name), true, true);
  return SERVICES.get(name) ?? null;
}

const IP_PROTOCOLS: ReadonlyMap<string, number> = new Map(
  rows(`
    ip 0, icmp 1, igmp 2, ggp 3, ipencap 4, tcp 6, egp 8, igp 9, pup 12, udp 17, hmp 20, xns-idp 22, rdp 27, iso-tp4 29, dccp 33, ddp 37,
    idpr-cmtp 38, ipv6 41, ipv6-route 43, ipv6-frag 44, idrp 45, rsvp 46, gre 47, esp 50, ah 51, skip 57, ipv6-icmp 58, icmp6 58,
    ipv6-nonxt 59, ipv6-opts 60, vmtp 81, eigrp 88, ospf 89, ipip 94, etherip 97, encap 98, pim 103, ipcomp 108, carp 112, vrrp 112,
    l2tp 115, isis 124, sctp 132, fc 133, mobility-header 135, udplite 136, mpls-in-ip 137, manet 138, hip 139, shim6 140, wesp 141, rohc 142,
    pfsync 240`),
);

/** The number of an IP protocol, protocols(5). */
export const ipProtocolByName = (name: string): number | null => IP_PROTOCOLS.get(name) ?? null;

/** Ethernet types that only a filter asks for. */
export const ETHERTYPE_NS = 0x0600;
export const ETHERTYPE_DECNET = 0x6003;
export const ETHERTYPE_ATALK = 0x809b;
export const ETHERTYPE_AARP = 0x80f3;
export const ETHERTYPE_IPX = 0x8137;

/** What `ether proto NAME` knows, Ethernet types and up to 1500 LLC service access points; also the protocols that are nothing but a link-layer type. */
const LINK_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['ip', ETHERTYPE_IP],
  ['ip6', ETHERTYPE_IPV6],
  ['arp', ETHERTYPE_ARP],
  ['rarp', ETHERTYPE_REVARP],
  ['atalk', ETHERTYPE_ATALK],
  ['aarp', ETHERTYPE_AARP],
  ['decnet', ETHERTYPE_DECNET],
  ['lat', 0x6004],
  ['sca', 0x6007],
  ['mopdl', 0x6001],
  ['moprc', 0x6002],
  ['loopback', ETHERTYPE_LOOPBACK],
  ['iso', LLC_ISO_LSAP],
  ['stp', LLC_8021D_LSAP],
  ['ipx', LLC_IPX_LSAP],
  ['netbeui', LLC_NETBEUI_LSAP],
]);

export const linkProtocolByName = (name: string): number | null => LINK_PROTOCOLS.get(name) ?? null;

const OSI_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['clnp', 0x81],
  ['esis', 0x82],
  ['isis', 0x83],
]);

/** Network-layer protocol identifiers of OSI. */
export const osiProtocolByName = (name: string): number | null => OSI_PROTOCOLS.get(name) ?? null;
