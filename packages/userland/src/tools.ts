/**
 * tools.ts — the registry of the tools: name to summary and body.
 *
 * Read first: proc.ts (what a tool is given).
 *
 * One record, in the order `netloom tools list` prints. `netloom tools install DIR` writes a launcher per name, the daemon looks a name up here
 * when it is asked to run it, and `jexec` decides here whether its command is one of ours or a program of the host.
 *
 * Invariants: names are FreeBSD's, or those of its ports, but for `mcast`, which stands in for several of them, and for `ip` and `tc`, which are Linux's. An alias is an entry of its own with the same body (the body reads argv[0]).
 *
 * Deliberately not here: the tools themselves, one file each beside this one.
 */
import { arp } from './arp.js';
import { dhclient } from './dhclient/dhclient.js';
import { dhcp6d } from './dhcp6d/dhcp6d.js';
import { dhcpd } from './dhcpd/dhcpd.js';
import { dhcrelay } from './dhcrelay.js';
import { dnsd } from './dnsd/dnsd.js';
import { fetch } from './fetch/fetch.js';
import { host } from './host/host.js';
import { ifconfig } from './ifconfig/ifconfig.js';
import { ifmcstat } from './ifmcstat.js';
import { ip6addrctl } from './ip6addrctl.js';
import { iperf3 } from './iperf3/iperf3.js';
import { ip } from './ip/ip.js';
import { ipfw } from './ipfw/ipfw.js';
import { jail } from './jail/jail.js';
import { jexec } from './jexec.js';
import { jls } from './jls.js';
import { kldload, kldstat, kldunload } from './kld.js';
import { mcast } from './mcast.js';
import { nc } from './nc/nc.js';
import { ndp } from './ndp/ndp.js';
import { netstat } from './netstat/netstat.js';
import { ngctl } from './ngctl/ngctl.js';
import { nghook } from './ngctl/nghook.js';
import { pfctl } from './pfctl.js';
import { ping } from './ping/ping.js';
import type { Tool } from './proc.js';
import { resolvconf } from './resolvconf.js';
import { route } from './route/route.js';
import { rtadvctl } from './rtadvd/rtadvctl.js';
import { rtadvd } from './rtadvd/rtadvd.js';
import { rtsol } from './rtsol.js';
import { setfib } from './setfib.js';
import { setkey } from './setkey.js';
import { sockstat } from './sockstat.js';
import { sysctl } from './sysctl/sysctl.js';
import { tc } from './tc/tc.js';
import { tcpdrop } from './tcpdrop.js';
import { tcpdump } from './tcpdump/tcpdump.js';
import { traceroute } from './traceroute/traceroute.js';
import { traceroute6 } from './traceroute/traceroute6.js';

export const tools: Readonly<Record<string, Tool>> = Object.freeze({
  arp: { summary: 'show and change IPv4 neighbours', main: arp },
  dhclient: { summary: 'get an interface its IPv4 address by DHCP', main: dhclient },
  dhcp6d: { summary: 'give hosts of a link their IPv6 addresses (DHCPv6 server)', main: dhcp6d },
  dhcpd: { summary: 'give hosts of a link their IPv4 addresses (DHCP server)', main: dhcpd },
  dhcrelay: { summary: 'carry DHCP between links and servers elsewhere', main: dhcrelay },
  dnsd: { summary: 'answer for names of vnets and hosts, and forward other questions', main: dnsd },
  fetch: { summary: 'fetch files over HTTP', main: fetch },
  host: { summary: 'ask name servers', main: host },
  ifconfig: { summary: 'show and configure network interfaces', main: ifconfig },
  ip: { summary: 'show, make and change interfaces, as Linux\'s ip link does', main: ip },
  ip6addrctl: { summary: 'show and change the policy table of IPv6 address selection', main: ip6addrctl },
  ifmcstat: { summary: 'show multicast groups of interfaces', main: ifmcstat },
  iperf3: { summary: 'measure how much goes through, over TCP and UDP', main: iperf3 },
  ipfw: { summary: 'show and change the firewall and the address translation of a vnet', main: ipfw },
  jail: { summary: 'start, change and stop jails', main: jail },
  jexec: { summary: 'run a command in a jail', main: jexec },
  jls: { summary: 'list jails', main: jls },
  kldload: { summary: 'answer for kernel modules: everything is built in', main: kldload },
  kldstat: { summary: 'show what the kernel has built in', main: kldstat },
  kldunload: { summary: 'refuse to unload what is built in', main: kldunload },
  mcast: { summary: 'show and configure multicast queriers, routes and proxies', main: mcast },
  nc: { summary: 'carry standard input and output over TCP or UDP', main: nc },
  ndp: { summary: 'show and change IPv6 neighbours, and the flags of interfaces', main: ndp },
  netstat: { summary: 'show routes, interfaces, sockets and protocol statistics', main: netstat },
  ngctl: { summary: 'look at and change the netgraph of a vnet', main: ngctl },
  nghook: { summary: 'join a hook of the netgraph to standard input and output', main: nghook },
  pfctl: { summary: 'list interfaces and groups; there is no packet filter', main: pfctl },
  ping: { summary: 'ask a host whether it is there', main: ping },
  ping6: { summary: 'ask an IPv6 host whether it is there', main: ping },
  resolvconf: { summary: 'show and set the name servers of the vnet', main: resolvconf },
  route: { summary: 'show and change the routing tables', main: route },
  rtadvctl: { summary: 'show and end what rtadvd advertises', main: rtadvctl },
  rtadvd: { summary: 'advertise this vnet as an IPv6 router', main: rtadvd },
  rtsol: { summary: 'solicit IPv6 routers, and show the DNS they tell', main: rtsol },
  setfib: { summary: 'run a command with another routing table', main: setfib },
  setkey: { summary: 'show and change the keys of TCP MD5 signatures', main: setkey },
  sockstat: { summary: 'show open sockets and whose they are', main: sockstat },
  sysctl: { summary: 'show and set tunables', main: sysctl },
  tc: { summary: 'show and change disciplines and filters of interfaces: plug, ingress, u32', main: tc },
  tcpdrop: { summary: 'end TCP connections', main: tcpdrop },
  tcpdump: { summary: 'show, save and read packets', main: tcpdump },
  traceroute: { summary: 'show the routers on the way to an IPv4 host', main: traceroute },
  traceroute6: { summary: 'show the routers on the way to an IPv6 host', main: traceroute6 },
});

/** Names of all tools, in registry order. */
export const toolNames: readonly string[] = Object.freeze(Object.keys(tools));

/** The tool of this name (a path counts by its last component), or undefined. */
export function findTool(name: string): Tool | undefined {
  const base = name.slice(name.lastIndexOf('/') + 1);
  return Object.hasOwn(tools, base) ? tools[base] : undefined;
}
