/**
 * dhcp6d.ts — dhcp6d: a DHCP server for IPv6, used as dhcpd is.
 * Read first: RFC 8415; dhcp6d-conf.ts for the configuration, dhcp6-server.ts for what it answers.
 *
 *     dhcp6d [-dfqt] [-c FILE] [-O STATEMENTS] [interface ...]        serve
 *     dhcp6d -l [--json]                                               the leases of the server that runs here
 *     dhcp6d -k                                                        end it
 *
 * One socket at port 547 is in the group of all servers on each interface. Its identity is the link address of the first interface it serves. Leases live as long as the process does.
 *
 * Not here: prefixes (IA_PD), temporary addresses (IA_TA), relays, Reconfigure, DDNS, a lease file.
 */
import { EAGAIN, In6Ifaddr, PF_INET6, SOCK_DGRAM } from '@netloom/core';
import type { Ifnet, RecvInfo, Socket } from '@netloom/core';
import { DHCP6_CLIENT_PORT, DHCP6_SERVER_PORT, IN6ADDR_DHCP6_ALL, MAC_LEN, dhcp6Emit, dhcp6Parse, duidLl, duidText, ip6InPrefix, ip6IsLinkLocal, ip6IsMulticast, ip6Plain } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { ConfError } from '../dhcp/conf-statements.js';
import { err, errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText, takeLibxo } from '../libxo.js';
import type { Proc } from '../proc.js';
import { ServiceEnd, servicesIn, stopServices } from '../service-proc.js';
import { utf8Text } from '../utf8.js';
import { Dhcp6Server } from './dhcp6-server.js';
import { dhcp6dConf } from './dhcp6d-conf.js';
import type { Dhcp6dConf } from './dhcp6d-conf.js';
import { lease6Text, leases6Json } from './lease6-text.js';

const USAGE = `usage: dhcp6d [-dfqt] [-c config-file] [-O statements] [interface ...]
       dhcp6d -l [--json]
       dhcp6d -k
`;
const DATAGRAM_MAX = 65_535;

export class Dhcp6dEnd extends ServiceEnd {
  readonly server: Dhcp6Server;

  constructor(p: Proc, server: Dhcp6Server) {
    super(p, 'dhcp6d');
    this.server = server;
  }
}

/** A running server: its socket, and the way from messages to answers. */
class Dhcp6d {
  private readonly p: Proc;
  private readonly server: Dhcp6Server;
  private readonly so: Socket;
  private readonly interfaces: ReadonlySet<Ifnet>;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);

  constructor(p: Proc, server: Dhcp6Server, interfaces: readonly Ifnet[]) {
    this.p = p;
    this.server = server;
    this.interfaces = new Set(interfaces);
    const { error, so } = p.vnet.sockets.socket(PF_INET6, SOCK_DGRAM, 0, p.fib);
    if (so === null) err(p, 1, 'socket', error);
    this.so = openedBy(p, so);
    p.atExit(() => so.close());
    so.setsockopt('IPV6_V6ONLY', 1);
    const bound = so.bind(0, DHCP6_SERVER_PORT);
    if (bound !== 0) err(p, 1, `Can't bind to port ${DHCP6_SERVER_PORT}`, bound);
    for (const ifp of interfaces) {
      const joined = so.joinGroup6(IN6ADDR_DHCP6_ALL, ifp);
      if (joined !== 0) err(p, 1, `${ifp.xname}: Can't join the group of all servers`, joined);
    }
    so.onReadable = () => p.wake();
  }

  /** Serves what has come; false: the socket has ended. */
  round(): boolean {
    const { p, server, so } = this;
    const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
    for (;;) {
      const n = so.recv(this.buffer, info);
      if (n === -EAGAIN) return true;
      if (so.closed) return false;
      const ifp = p.vnet.net.ifByIndex(info.ifIndex);
      const from = info.in6;
      if (n < 0 || from === undefined || ifp === null || !this.interfaces.has(ifp)) continue;
      const m = dhcp6Parse(this.buffer.subarray(0, n));
      if (m === null) {
        server.stats.malformed++;
        continue;
      }
      const answer = server.input(m, { ifname: ifp.xname, addrs: addressesOf(ifp), unicast: !ip6IsMulticast(from.dstAddr) }, p.now());
      if (answer !== null) so.send(dhcp6Emit(answer), { addr: from.addr.slice(), scopeId: from.scopeId }, DHCP6_CLIENT_PORT);
    }
  }
}

/** The addresses of an interface that tell its subnet. */
const addressesOf = (ifp: Ifnet): Uint8Array[] => ifp.addrs.filter((ifa): ifa is In6Ifaddr => ifa instanceof In6Ifaddr).map((ifa) => ip6Plain(ifa.addr)).filter((a) => !ip6IsLinkLocal(a));

async function readConf(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `Can't open ${path}: there are no files here`);
  return utf8Text(await p.host.readFile(path).catch((e: Error) => errx(p, 1, `Can't open ${path}: ${e.message}`)));
}

/** The interfaces to listen on; leaves the tool when there is none. */
function chooseInterfaces(p: Proc, conf: Dhcp6dConf, names: readonly string[]): Ifnet[] {
  const served = (ifp: Ifnet): boolean => addressesOf(ifp).some((a) => conf.subnets.some((s) => ip6InPrefix(a, s.net, s.plen)));
  const chosen = names.map((name) => {
    const ifp = p.vnet.net.ifunit(name) ?? errx(p, 1, `${name}: no such interface`);
    if (ifp.lladdr.length !== MAC_LEN) errx(p, 1, `${name}: not an Ethernet interface`);
    if (!served(ifp)) errx(p, 1, `No subnet6 declaration for ${name} (an IPv6 address of the interface tells which it is)`);
    return ifp;
  });
  if (names.length === 0) chosen.push(...p.vnet.net.ifnets.filter((ifp) => ifp.lladdr.length === MAC_LEN && served(ifp)));
  if (chosen.length === 0) errx(p, 1, 'Not configured to listen on any interfaces!');
  return [...new Set(chosen)];
}

async function serve(p: Proc, options: readonly (readonly [string, string])[], names: readonly string[]): Promise<number> {
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const file = options.findLast(([l]) => l === 'c')?.[1];
  const inline = options.filter(([l]) => l === 'O').map(([, text]) => text).join('\n');
  if (file === undefined && inline === '') usage(p, 1, USAGE);
  const conf = parse(p, file ?? '-O', file === undefined ? inline : `${await readConf(p, file)}\n${inline}`);
  if (has('t') && names.length === 0) return 0;
  const interfaces = chooseInterfaces(p, conf, names);
  if (has('t')) return 0;
  if (servicesIn(p.vnet, Dhcp6dEnd).length > 0) errx(p, 1, 'There is already a DHCPv6 server running in this vnet (dhcp6d -k ends it)');
  const duid = duidLl(interfaces[0]?.lladdr ?? new Uint8Array(MAC_LEN));
  const say = (line: string): void => {
    if (!has('q')) p.err(`${line}\n`);
  };
  const server = new Dhcp6Server(conf, duid, say);
  const end = new Dhcp6dEnd(p, server);
  const daemon = new Dhcp6d(p, server, interfaces);
  end.offer(p.vnet);
  for (const ifp of interfaces) say(`Listening on ${ifp.xname} as ${duidText(duid)}`);
  if (!has('d') && !has('f')) p.daemon();
  while (!end.stopped && daemon.round()) await p.sleepUs(Infinity);
  return 0;
}

function parse(p: Proc, source: string, text: string): Dhcp6dConf {
  try {
    return dhcp6dConf(text);
  } catch (e) {
    if (e instanceof ConfError) return errx(p, 1, `${source} ${e.message}`);
    throw e;
  }
}

async function runDhcp6d(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('c:dfklO:qt', xo.words);
  if (xo.error !== null) errx(p, 1, xo.error);
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  if (error !== null || ((has('l') || has('k')) && rest.length > 0)) usage(p, 1, USAGE);
  const running = servicesIn(p.vnet, Dhcp6dEnd);
  if (has('l')) {
    const [end] = running;
    if (end === undefined) return errx(p, 1, 'There is no DHCPv6 server running in this vnet');
    p.out(xo.json === 'none' ? lease6Text(end.server, p.now()) : jsonText(leases6Json(end.server, p.now(), p.wallUs()), xo.json));
    return 0;
  }
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  if (!has('k')) return serve(p, options, rest);
  if (running.length === 0) errx(p, 1, 'There is no DHCPv6 server running in this vnet');
  await stopServices(p, p.vnet, running);
  return 0;
}

export const dhcp6d = toolMain(runDhcp6d);
