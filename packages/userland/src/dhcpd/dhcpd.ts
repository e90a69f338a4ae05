/**
 * dhcpd.ts — dhcpd(8): a DHCP server for IPv4.
 * Read first: dhcpd(8), dhcpd.conf(5); dhcpd-conf.ts for the file, dhcp-server.ts for what it answers.
 *
 *     dhcpd [-dfqt] [-cf FILE] [-O STATEMENTS] [interface ...]        serve
 *     dhcpd -l [--json]                                                the leases of the server that runs here
 *     dhcpd -k                                                         end it
 *
 * The configuration is the file, or statements on the command line (`-O`, which is ours). Leases live as long as the process does. Answers to clients without an address go out by
 * bpf, the others through a socket, so relays are reached by any route. `-f` stays in the foreground, `-d` too and says what it does; `-t` checks the configuration.
 *
 * Not here: failover, DDNS, classes, conditionals, BOOTP, a lease file (`-lf` is accepted and has no effect).
 */
import { EAGAIN, PF_INET, SOCK_DGRAM, bpfDlt, bpfWrite, DLT_EN10MB, InIfaddr } from '@netloom/core';
import type { Ifnet, RecvInfo, Socket, Vnet } from '@netloom/core';
import {
  DHCP4_CLIENT_PORT, DHCP4_MESSAGE_MIN_MAX, DHCP4_SERVER_PORT, DHO_MESSAGE_SIZE, INADDR_BROADCAST, IP4_HDR_LEN, UDP_HDR_LEN, dhcp4Emit, dhcp4Parse, dho16Of, ip4Format, ip4InPrefix, macFormat,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { ConfError } from '../dhcp/conf-statements.js';
import { dhcpFrame } from '../dhcp/dhcp-frame.js';
import { err, errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText, takeLibxo } from '../libxo.js';
import type { Proc } from '../proc.js';
import { ServiceEnd, servicesIn, stopServices } from '../service-proc.js';
import { utf8Text } from '../utf8.js';
import { DhcpServer } from './dhcp-server.js';
import type { DhcpAnswer, DhcpVia } from './dhcp-server.js';
import { dhcpdConf } from './dhcpd-conf.js';
import type { DhcpdConf } from './dhcpd-conf.js';
import { leaseTable, leasesJson } from './lease-text.js';
import { PingCheck } from './ping-check.js';

const USAGE = `usage: dhcpd [-dfqt] [-cf config-file] [-O statements] [interface ...]
       dhcpd -l [--json]
       dhcpd -k
`;
const DATAGRAM_MAX = 65_535;
const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

export class DhcpdEnd extends ServiceEnd {
  readonly server: DhcpServer;

  constructor(p: Proc, server: DhcpServer) {
    super(p, 'dhcpd');
    this.server = server;
  }
}

/** The DHCP servers that run in `vnet`. */
export const dhcpServersOf = (vnet: Vnet): DhcpServer[] => servicesIn(vnet, DhcpdEnd).map((end) => end.server);

/** A running server: its socket, and the way from messages to answers. */
class Dhcpd {
  private readonly p: Proc;
  private readonly server: DhcpServer;
  private readonly so: Socket;
  private readonly interfaces: ReadonlySet<string>;
  private readonly pings: PingCheck;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);

  constructor(p: Proc, server: DhcpServer, interfaces: readonly string[]) {
    this.p = p;
    this.server = server;
    this.interfaces = new Set(interfaces);
    const { error, so } = p.vnet.sockets.socket(PF_INET, SOCK_DGRAM, 0, p.fib);
    if (so === null) err(p, 1, 'socket', error);
    this.so = openedBy(p, so);
    p.atExit(() => so.close());
    so.setsockopt('SO_BROADCAST', 1);
    const bound = so.bind(0, DHCP4_SERVER_PORT);
    if (bound !== 0) err(p, 1, `Can't bind to port ${DHCP4_SERVER_PORT}`, bound);
    so.onReadable = () => p.wake();
    this.pings = new PingCheck(p);
  }

  /** Serves what has come, and says until when it may sleep. Infinity: until something comes. Null: the socket has ended. */
  round(): number | null {
    const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
    for (;;) {
      const n = this.so.recv(this.buffer, info);
      if (n === -EAGAIN) break;
      if (this.so.closed) return null;
      if (n < 0) continue;
      const m = dhcp4Parse(this.buffer.subarray(0, n));
      if (m === null) this.server.stats.malformed++;
      else this.message(m, this.p.vnet.net.ifByIndex(info.ifIndex), info.dstAddr);
    }
    return this.pings.round((ok, lease, send) => {
      if (ok) send();
      else this.server.pinged(lease, this.p.now());
    });
  }

  private message(m: Dhcp4Message, ifp: Ifnet | null, dst: number): void {
    const { p, server } = this;
    const unicast = p.vnet.inNet.isLocal(dst);
    if (ifp === null || (!unicast && !this.interfaces.has(ifp.xname))) return;
    const via: DhcpVia = { ifname: ifp.xname, addrs: addressesOf(ifp), unicast };
    const answer = server.input(m, via, p.now());
    if (answer === null) return;
    const size = Math.max(dho16Of(m.options.get(DHO_MESSAGE_SIZE)) ?? 0, DHCP4_MESSAGE_MIN_MAX + IP4_HDR_LEN + UDP_HDR_LEN);
    const bytes = dhcp4Emit(answer.message, Math.min(size, ifp.mtu) - IP4_HDR_LEN - UDP_HDR_LEN);
    const send = (): void => this.send(answer, bytes, ifp, via);
    if (answer.ping === null || !this.pings.start(answer.ping, server.conf.top.number('ping-timeout'), send)) send();
  }

  private send({ to }: DhcpAnswer, payload: Uint8Array, ifp: Ifnet, via: DhcpVia): void {
    const { p, so } = this;
    if (to.kind === 'relay' || to.kind === 'client') {
      so.send(payload, to.addr, to.kind === 'relay' ? DHCP4_SERVER_PORT : DHCP4_CLIENT_PORT);
      return;
    }
    const raw = to.kind === 'link';
    const frame = dhcpFrame({
      dstMac: raw ? to.mac : BROADCAST_MAC, srcMac: ifp.lladdr, src: via.addrs[0] ?? 0, dst: raw ? to.addr : INADDR_BROADCAST, sport: DHCP4_SERVER_PORT, dport: DHCP4_CLIENT_PORT, payload,
    });
    p.kernel.call(p.now(), () => bpfWrite(ifp, frame));
  }
}

const addressesOf = (ifp: Ifnet): number[] => ifp.addrs.filter((ifa): ifa is InIfaddr => ifa instanceof InIfaddr).map((ifa) => ifa.addr);

async function readConf(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `Can't open ${path}: there are no files here`);
  return utf8Text(await p.host.readFile(path).catch((e: Error) => errx(p, 1, `Can't open ${path}: ${e.message}`)));
}

/** isc-dhcp's options of two letters: `-cf FILE` is `-c FILE`; files for leases and process numbers have no use here. */
function oneLetter(words: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '-lf' || word === '-pf') i++;
    else out.push(word === '-cf' ? '-c' : word);
  }
  return out;
}

/** The interfaces to listen on; leaves the tool when there is none. */
function chooseInterfaces(p: Proc, conf: DhcpdConf, names: readonly string[]): string[] {
  const served = (ifp: Ifnet): boolean => addressesOf(ifp).some((a) => conf.subnets.some((s) => ip4InPrefix(a, s.net, s.plen)));
  const chosen: string[] = [];
  for (const name of names) {
    const ifp = p.vnet.net.ifunit(name) ?? errx(p, 1, `${name}: no such interface`);
    if (bpfDlt(ifp) !== DLT_EN10MB) errx(p, 1, `${name}: not an Ethernet interface`);
    const [addr] = addressesOf(ifp);
    if (!served(ifp)) errx(p, 1, `No subnet declaration for ${name} (${addr === undefined ? 'no IPv4 addresses' : ip4Format(addr)}).`);
    chosen.push(name);
  }
  if (names.length === 0) chosen.push(...p.vnet.net.ifnets.filter((ifp) => bpfDlt(ifp) === DLT_EN10MB && served(ifp)).map((ifp) => ifp.xname));
  // Subnets behind relays only: there may be no interface at all.
  const near = conf.subnets.some((s) => p.vnet.net.ifnets.some((ifp) => addressesOf(ifp).some((a) => ip4InPrefix(a, s.net, s.plen))));
  if (chosen.length === 0 && (near || conf.subnets.length === 0)) errx(p, 1, 'Not configured to listen on any interfaces!');
  return chosen;
}

async function serve(p: Proc, options: readonly (readonly [string, string])[], names: readonly string[]): Promise<number> {
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const file = options.findLast(([l]) => l === 'c')?.[1];
  const inline = options.filter(([l]) => l === 'O').map(([, text]) => text).join('\n');
  if (file === undefined && inline === '') usage(p, 1, USAGE);
  const text = file === undefined ? inline : `${await readConf(p, file)}\n${inline}`;
  const conf = parse(p, file ?? '-O', text);
  const interfaces = has('t') && names.length === 0 ? [] : chooseInterfaces(p, conf, names);
  if (has('t')) return 0;
  if (servicesIn(p.vnet, DhcpdEnd).length > 0) errx(p, 1, 'There is already a DHCP server running in this vnet (dhcpd -k ends it)');
  const server = new DhcpServer(conf, (line) => {
    if (!has('q')) p.err(`${line}\n`);
  });
  const end = new DhcpdEnd(p, server);
  const daemon = new Dhcpd(p, server, interfaces);
  end.offer(p.vnet);
  if (!has('q')) for (const name of interfaces) p.err(`Listening on BPF/${name}/${macFormat(p.vnet.net.ifunit(name)?.lladdr ?? BROADCAST_MAC)}\n`);
  if (!has('d') && !has('f')) p.daemon();
  while (!end.stopped) {
    const until = daemon.round();
    if (until === null) break;
    await p.sleepUs(until === Infinity ? Infinity : Math.max(0, until - p.now()));
  }
  return 0;
}

function parse(p: Proc, source: string, text: string): DhcpdConf {
  try {
    return dhcpdConf(text);
  } catch (e) {
    if (e instanceof ConfError) return errx(p, 1, `${source} ${e.message}`);
    throw e;
  }
}

async function runDhcpd(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('c:dfklO:qt', oneLetter(xo.words));
  if (xo.error !== null) errx(p, 1, xo.error);
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  if (error !== null || ((has('l') || has('k')) && rest.length > 0)) usage(p, 1, USAGE);
  const running = servicesIn(p.vnet, DhcpdEnd);
  if (has('l')) {
    const [end] = running;
    if (end === undefined) return errx(p, 1, 'There is no DHCP server running in this vnet');
    p.out(xo.json === 'none' ? leaseTable(end.server, p.now()) : jsonText(leasesJson(end.server, p.now(), p.wallUs()), xo.json));
    return 0;
  }
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  if (!has('k')) return serve(p, options, rest);
  if (running.length === 0) errx(p, 1, 'There is no DHCP server running in this vnet');
  await stopServices(p, p.vnet, running);
  return 0;
}

export const dhcpd = toolMain(runDhcpd);
