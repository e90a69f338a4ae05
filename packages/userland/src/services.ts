/**
 * services.ts — well-known ports by name, as services(5) lists them.
 *
 * Those an operator of a test network meets. Names are the same for UDP and TCP where both exist.
 */

const SERVICES: ReadonlyMap<string, number> = new Map([
  ['tcpmux', 1], ['echo', 7], ['discard', 9], ['daytime', 13], ['chargen', 19], ['ftp-data', 20], ['ftp', 21], ['ssh', 22], ['telnet', 23], ['smtp', 25],
  ['time', 37], ['domain', 53], ['bootps', 67], ['bootpc', 68], ['tftp', 69], ['http', 80], ['kerberos', 88], ['pop3', 110], ['sunrpc', 111], ['ntp', 123],
  ['netbios-ns', 137], ['netbios-dgm', 138], ['imap', 143], ['snmp', 161], ['snmptrap', 162], ['bgp', 179], ['ldap', 389], ['https', 443], ['isakmp', 500],
  ['syslog', 514], ['router', 520], ['ripng', 521], ['dhcpv6-client', 546], ['dhcpv6-server', 547], ['domain-s', 853], ['nfsd', 2049], ['mdns', 5353],
]);

/** The port called `name`, or null. */
export function servicePort(name: string): number | null {
  return SERVICES.get(name) ?? null;
}

/** The name of a port, or null. */
export function serviceName(port: number): string | null {
  for (const [name, number] of SERVICES) if (number === port) return name;
  return null;
}
