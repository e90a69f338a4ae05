/**
 * dhcrelay.ts — dhcrelay(8): carries DHCP between links without a server and servers elsewhere.
 * Read first: dhcrelay(8); RFC 2131 §4.1, RFC 1542 §4, RFC 3046 (the relay agent's option).
 *
 *     dhcrelay [-adfq] [-A length] [-c hops] -i interface ... server ...
 *     dhcrelay -k
 *
 * What clients of the interfaces send goes to every server, with the address of the interface (giaddr), which tells the server where the client is and the answer where to go. With `-a` the
 * interface's name goes along (option 82, circuit id), and is taken out of the answer. Messages that have been relayed are carried on as they are, up to `-c` hops (10). Clients may not
 * send option 82 themselves.
 *
 * A vnet is a server or a relay, because both listen on port 67. Not here: `-m`, `-U`, DHCP for IPv6 (`-6`).
 *
 * @rfc 1542 4.1 yes
 * @rfc 3046 2.1 yes
 * @rfc 3046 2.1.1 yes
 */
import { DLT_EN10MB, EAGAIN, InIfaddr, PF_INET, SOCK_DGRAM, bpfDlt, bpfWrite } from '@netloom/core';
import type { Ifnet, RecvInfo, Socket } from '@netloom/core';
import {
  BOOTREPLY, BOOTREQUEST, DHCP4_CLIENT_PORT, DHCP4_FLAG_BROADCAST, DHCP4_HTYPE_ETHER, DHCP4_SERVER_PORT, DHO_RELAY_AGENT, INADDR_BROADCAST, MAC_LEN, RAI_CIRCUIT_ID, dhcp4Emit, dhcp4Parse,
  dhoSubOptions, dhoSubOptionsOf, ip4Format, ip4Parse, utf8Encode,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { openedBy } from './descriptors.js';
import { dhcpFrame } from './dhcp/dhcp-frame.js';
import { err, errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import { ownsNetwork } from './jail/jail-id.js';
import type { Proc } from './proc.js';
import { ServiceEnd, servicesIn, stopServices } from './service-proc.js';
import { utf8Text } from './utf8.js';

const USAGE = `usage: dhcrelay [-adfq] [-A length] [-c hops] -i interface ... server ...
       dhcrelay -k
`;
const HOPS_DEFAULT = 10;
const HOPS_MAX = 255;
const LENGTH_DEFAULT = 1_472;
const LENGTH_MIN = 576;
const DATAGRAM_MAX = 65_535;
const SERVERS_MAX = 16;
const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

export class DhcrelayEnd extends ServiceEnd {
  constructor(p: Proc) {
    super(p, 'dhcrelay');
  }
}

interface RelayOptions {
  readonly interfaces: ReadonlySet<string>;
  readonly servers: readonly number[];
  readonly agent: boolean;
  readonly hopsMax: number;
  readonly lengthMax: number;
  readonly log: (text: string) => void;
}

class Relay {
  private readonly p: Proc;
  private readonly o: RelayOptions;
  private readonly so: Socket;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);

  constructor(p: Proc, options: RelayOptions) {
    const { error, so } = p.vnet.sockets.socket(PF_INET, SOCK_DGRAM, 0, p.fib);
    if (so === null) err(p, 1, 'socket', error);
    p.atExit(() => so.close());
    so.setsockopt('SO_BROADCAST', 1);
    const bound = so.bind(0, DHCP4_SERVER_PORT);
    if (bound !== 0) err(p, 1, `Can't bind to port ${DHCP4_SERVER_PORT}`, bound);
    so.onReadable = () => p.wake();
    this.p = p;
    this.o = options;
    this.so = openedBy(p, so);
  }

  /** Carries what has come; false: the socket has ended. */
  round(): boolean {
    const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
    for (;;) {
      const n = this.so.recv(this.buffer, info);
      if (n === -EAGAIN) return true;
      if (this.so.closed) return false;
      const m = n < 0 ? null : dhcp4Parse(this.buffer.subarray(0, n));
      const ifp = this.p.vnet.net.ifByIndex(info.ifIndex);
      if (m === null || ifp === null) continue;
      if (m.op === BOOTREQUEST && this.o.interfaces.has(ifp.xname)) this.toServers(m, ifp);
      else if (m.op === BOOTREPLY) this.toClient(m);
    }
  }

  private toServers(m: Dhcp4Message, ifp: Ifnet): void {
    const { o } = this;
    const own = addressOf(ifp);
    if (own === null || m.hops >= o.hopsMax) return o.log(`a request on ${ifp.xname} was dropped: ${own === null ? 'the interface has no address' : `${m.hops} hops`}`);
    // Who has our address there is a client that lies, or a loop.
    if (m.giaddr !== 0 && this.interfaceOf(m.giaddr) !== null) return o.log(`a request on ${ifp.xname} was dropped: it has our own address as its relay`);
    if (m.giaddr === 0 && m.options.has(DHO_RELAY_AGENT)) return o.log(`a request on ${ifp.xname} was dropped: a client sends option 82`);
    const options = new Map(m.options);
    if (m.giaddr === 0 && o.agent) options.set(DHO_RELAY_AGENT, dhoSubOptions([[RAI_CIRCUIT_ID, utf8Encode(ifp.xname)]]));
    const relayed: Dhcp4Message = { ...m, hops: m.hops + 1, giaddr: m.giaddr === 0 ? own : m.giaddr, options };
    const bytes = dhcp4Emit(relayed, o.lengthMax);
    for (const server of o.servers) this.so.send(bytes, server, DHCP4_SERVER_PORT);
    o.log(`Forwarded BOOTREQUEST for ${hex(m.chaddr)} to ${o.servers.map((s) => ip4Format(s)).join(', ')}`);
  }

  private toClient(m: Dhcp4Message): void {
    const { p, o } = this;
    const agent = m.options.get(DHO_RELAY_AGENT);
    const circuit = agent === undefined ? undefined : dhoSubOptionsOf(agent)?.get(RAI_CIRCUIT_ID);
    const named = o.agent && circuit !== undefined && o.interfaces.has(utf8Text(circuit)) ? p.vnet.net.ifunit(utf8Text(circuit)) : null;
    const ifp = named ?? this.interfaceOf(m.giaddr);
    const own = ifp === null ? null : addressOf(ifp);
    if (ifp === null || own === null || this.interfaceOf(m.giaddr) === null) return;
    const options = new Map(m.options);
    if (o.agent) options.delete(DHO_RELAY_AGENT);
    const payload = dhcp4Emit({ ...m, options }, o.lengthMax);
    o.log(`Forwarded BOOTREPLY for ${hex(m.chaddr)} to ${ip4Format(m.yiaddr || m.ciaddr)} on ${ifp.xname}`);
    if (m.ciaddr !== 0 && m.yiaddr === 0) return void this.so.send(payload, m.ciaddr, DHCP4_CLIENT_PORT);
    const unicast = (m.flags & DHCP4_FLAG_BROADCAST) === 0 && m.htype === DHCP4_HTYPE_ETHER && m.chaddr.length === MAC_LEN && (m.chaddr[0] ?? 1) % 2 === 0;
    const frame = dhcpFrame({
      dstMac: unicast ? m.chaddr : BROADCAST_MAC, srcMac: ifp.lladdr, src: own, dst: unicast ? m.yiaddr : INADDR_BROADCAST, sport: DHCP4_SERVER_PORT, dport: DHCP4_CLIENT_PORT, payload,
    });
    p.kernel.call(p.now(), () => bpfWrite(ifp, frame));
  }

  /** The interface served that has this address. */
  private interfaceOf(addr: number): Ifnet | null {
    const ifp = this.p.vnet.inNet.addrOf(addr)?.ifp ?? null;
    return ifp !== null && this.o.interfaces.has(ifp.xname) ? ifp : null;
  }
}

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':');

function addressOf(ifp: Ifnet): number | null {
  return ifp.addrs.find((ifa): ifa is InIfaddr => ifa instanceof InIfaddr)?.addr ?? null;
}

function number(p: Proc, options: readonly (readonly [string, string])[], letter: string, fallback: number, min: number, max: number): number {
  const text = options.findLast(([l]) => l === letter)?.[1];
  if (text === undefined) return fallback;
  const n = /^[0-9]{1,6}$/.test(text) ? Number(text) : -1;
  return n < min || n > max ? errx(p, 1, `-${letter} ${text}: a number from ${min} to ${max} is wanted`) : n;
}

async function runDhcrelay(p: Proc): Promise<number> {
  const { options, rest, error } = getopt('46aA:c:dfi:kq', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const interfaces = options.filter(([l]) => l === 'i').map(([, name]) => name);
  if (error !== null || has('k') !== (rest.length === 0)) usage(p, 1, USAGE);
  if (has('6')) errx(p, 1, '-6: DHCP for IPv6 is not relayed');
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  const running = servicesIn(p.vnet, DhcrelayEnd);
  if (has('k')) {
    if (running.length === 0) errx(p, 1, 'There is no DHCP relay running in this vnet');
    await stopServices(p, p.vnet, running);
    return 0;
  }
  if (interfaces.length === 0) usage(p, 1, USAGE);
  if (running.length > 0) errx(p, 1, 'There is already a DHCP relay running in this vnet (dhcrelay -k ends it)');
  for (const name of interfaces) {
    const ifp = p.vnet.net.ifunit(name) ?? errx(p, 1, `${name}: no such interface`);
    if (bpfDlt(ifp) !== DLT_EN10MB) errx(p, 1, `${name}: not an Ethernet interface`);
    if (addressOf(ifp) === null) errx(p, 1, `${name}: no IPv4 address, which servers would answer to`);
  }
  if (rest.length > SERVERS_MAX) errx(p, 1, `more than ${SERVERS_MAX} servers`);
  const servers = rest.map((text) => ip4Parse(text) ?? errx(p, 1, `${text}: not the address of a server`));
  const relay = new Relay(p, {
    interfaces: new Set(interfaces), servers, agent: has('a'), hopsMax: number(p, options, 'c', HOPS_DEFAULT, 1, HOPS_MAX), lengthMax: number(p, options, 'A', LENGTH_DEFAULT, LENGTH_MIN, DATAGRAM_MAX - 28),
    log: (line) => {
      if (!has('q')) p.err(`${line}\n`);
    },
  });
  const end = new DhcrelayEnd(p);
  end.offer(p.vnet);
  if (!has('d') && !has('f')) p.daemon();
  while (!end.stopped && relay.round()) await p.sleepUs(Infinity);
  return 0;
}

export const dhcrelay = toolMain(runDhcrelay);
