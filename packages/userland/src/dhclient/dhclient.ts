/**
 * dhclient.ts — dhclient(8): gets an interface its IPv4 address by DHCP, and keeps it.
 * Read first: dhclient(8), dhclient.conf(5); dhcp-client.ts for the states.
 *
 *     dhclient [-bdqu] [-c conffile] [-l leasefile] [-p pidfile] [-O statements] interface
 *     dhclient -r interface        give the lease back, take the address away, end the client that runs there
 *     dhclient -x interface        end it and leave the interface as it is
 *     dhclient -w seconds interface   wait until it has a lease, or its first try is over, or so long
 *     dhclient -S [--json] [interface]   the leases
 *
 * Without -b it goes to the background when it has a lease, or when nobody gave it one; then it goes on trying. -d stays in the foreground. -r, -x, -w, -S and -O are ours (-r and -x as
 * isc-dhcp's). There are no lease files: -l and -p are accepted and have no effect, and so has -u.
 *
 * Theory of operation. Before there is an address nothing comes through sockets, so everything is received by bpf, and what is for everybody is sent by it. A socket on port 68 sends renewals to
 * the server, and its being there keeps the stack from answering the server's messages with "port unreachable".
 * The client ends when its interface leaves, and takes the resolver's record along; addresses and routes have gone with the interface then.
 */
import {
  BPF_D_IN, DLT_EN10MB, IFF_UP, LINK_STATE_DOWN, PF_INET, SOCK_DGRAM, bpfDlt, bpfOpen, bpfWrite, ifSetFlags, strerror,
} from '@netloom/core';
import type { BpfListener, Ifnet, Socket } from '@netloom/core';
import { DHCP4_CLIENT_PORT, DHCP4_SERVER_PORT, INADDR_BROADCAST, dhcp4Emit, dhcp4Parse, dhoTextOf, DHO_HOST_NAME } from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { ConfError } from '../dhcp/conf-statements.js';
import { dhcpFrame, dhcpFrameOf } from '../dhcp/dhcp-frame.js';
import { err, errx, toolMain, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText, takeLibxo } from '../libxo.js';
import { compileFilter } from '../pcap-filter/index.js';
import type { Proc } from '../proc.js';
import { ServiceEnd, servicesIn, stopServices } from '../service-proc.js';
import { utf8Text } from '../utf8.js';
import { ArpProbe } from './arp-probe.js';
import { LeaseSettings } from './dhclient-apply.js';
import { dhclientConf } from './dhclient-conf.js';
import type { DhclientConf } from './dhclient-conf.js';
import { DhcpClient } from './dhcp-client.js';
import type { ClientLease, DhcpClientIo } from './dhcp-client.js';
import { clientJson, clientText } from './client-text.js';

const USAGE = `usage: dhclient [-bdqu] [-c conffile] [-l leasefile] [-p pidfile] [-O statements] interface
       dhclient -r | -x interface
       dhclient -w seconds interface
       dhclient -S [--json] [interface]
`;
const BUFFER_BYTES = 256 * 1024;
const BROADCAST_MAC = new Uint8Array(6).fill(0xff);
const US_PER_SEC = 1_000_000;
const POLL_US = 20_000;
const U32 = 0x1_0000_0000;
/** Names that stand for "none has been given". */
const NO_HOSTNAMES = ['', 'localhost', 'netloom'];

export class DhclientEnd extends ServiceEnd {
  readonly ifname: string;
  readonly client: DhcpClient;
  /** Told with `stop`: the lease is to be given back. */
  release = false;

  constructor(p: Proc, client: DhcpClient) {
    super(p, 'dhclient');
    this.ifname = client.io.ifname;
    this.client = client;
  }
}

/** The interface as the states see it. */
class Dhclient implements DhcpClientIo {
  readonly ifname: string;
  readonly mac: Uint8Array;
  readonly hostname: string;
  private readonly p: Proc;
  private readonly ifp: Ifnet;
  private readonly listener: BpfListener;
  private readonly so: Socket;
  private readonly settings: LeaseSettings;
  private readonly quiet: boolean;
  private readonly rng: { below(n: number): number };
  private arp: ArpProbe | null = null;
  private linkUp = true;

  constructor(p: Proc, ifp: Ifnet, quiet: boolean) {
    const filter = compileFilter('arp or (udp dst port 68)', { linktype: DLT_EN10MB });
    const { error, listener } = bpfOpen(p.vnet.net, ifp.xname, { program: filter.ok ? filter.program : null, direction: BPF_D_IN, bufferBytes: BUFFER_BYTES });
    if (listener === null) err(p, 1, `Can't attach interface ${ifp.xname} to bpf`, error);
    p.atExit(() => listener.close());
    listener.onReadable = () => p.wake();
    const opened = p.vnet.sockets.socket(PF_INET, SOCK_DGRAM, 0, ifp.fib);
    if (opened.so === null) err(p, 1, 'socket', opened.error);
    const { so } = opened;
    p.atExit(() => so.close());
    so.setsockopt('SO_REUSEPORT', 1);
    const bound = so.bind(0, DHCP4_CLIENT_PORT);
    if (bound !== 0) err(p, 1, `Can't bind to port ${DHCP4_CLIENT_PORT}`, bound);
    this.p = p;
    this.ifp = ifp;
    this.ifname = ifp.xname;
    this.mac = ifp.lladdr.slice();
    this.hostname = NO_HOSTNAMES.includes(p.prison.hostname) ? '' : p.prison.hostname;
    this.listener = listener;
    this.so = openedBy(p, so);
    this.quiet = quiet;
    this.settings = new LeaseSettings(p.vnet, ifp);
    this.rng = p.kernel.engine.rng.split(`dhclient/${p.vnet.name}/${ifp.xname}/${ifp.instance}/${p.pid}`);
  }

  /** Gives the client what has come, and says until when it may sleep; null: the interface has gone. */
  round(client: DhcpClient): number | null {
    const { p, listener, ifp } = this;
    for (let r = listener.read(); r !== null; r = listener.read()) this.frame(client, r.bytes);
    if (listener.detached || ifp.net !== p.vnet.net) return null;
    for (let m = this.so.recvPacket(); m !== null; m = this.so.recvPacket()) m.free();
    const up = ifp.isUp && ifp.linkState !== LINK_STATE_DOWN;
    if (up && !this.linkUp) client.linkUp(p.now());
    this.linkUp = up;
    if (this.arp?.tick(p.now()) === true) this.verdict(client, false);
    client.tick(p.now());
    return Math.min(client.deadlineUs, this.arp?.nextUs ?? Infinity);
  }

  private frame(client: DhcpClient, bytes: Uint8Array): void {
    if (this.arp?.conflicts(bytes) === true) return this.verdict(client, true);
    const f = dhcpFrameOf(bytes, DHCP4_CLIENT_PORT);
    const m = f === null ? null : dhcp4Parse(f.payload);
    if (m !== null) client.input(m, this.p.now());
  }

  private verdict(client: DhcpClient, conflict: boolean): void {
    this.arp = null;
    client.probed(conflict, this.p.now());
  }

  send(m: Dhcp4Message, server: number | null): void {
    const payload = dhcp4Emit(m);
    if (server !== null && this.so.send(payload, server, DHCP4_SERVER_PORT) === 0) return;
    this.raw(dhcpFrame({ dstMac: BROADCAST_MAC, srcMac: this.mac, src: m.ciaddr, dst: INADDR_BROADCAST, sport: DHCP4_CLIENT_PORT, dport: DHCP4_SERVER_PORT, payload }));
  }

  private raw(frame: Uint8Array): void {
    this.p.kernel.call(this.p.now(), () => bpfWrite(this.ifp, frame));
  }

  probe(addr: number): void {
    this.arp = new ArpProbe(addr, this.mac, this.p.now(), (frame) => this.raw(frame));
  }

  bind(lease: ClientLease): string | null {
    const { p } = this;
    const name = dhoTextOf(lease.options.get(DHO_HOST_NAME));
    if (name !== null && NO_HOSTNAMES.includes(p.prison.hostname) && p.prison.ownsVnet && p.prison !== p.kernel.prisons.prison0) p.prison.hostname = name;
    return p.kernel.call(p.now(), () => this.settings.apply(lease));
  }

  unbind(): void {
    this.p.kernel.call(this.p.now(), () => this.settings.undo());
  }

  /** The interface has gone: its address and routes with it, and what the resolver had from it goes now. */
  interfaceGone(): void {
    this.settings.forgetResolver();
  }

  log(text: string): void {
    if (!this.quiet) this.p.err(`${text}\n`);
  }

  random(n: number): number {
    return n >= U32 ? this.rng.below(U32) : this.rng.below(Math.max(1, n));
  }
}

async function readConf(p: Proc, path: string): Promise<string> {
  if (p.host === null) return errx(p, 1, `${path}: there are no files here`);
  return utf8Text(await p.host.readFile(path).catch((e: Error) => errx(p, 1, `${path}: ${e.message}`)));
}

async function confFor(p: Proc, options: readonly (readonly [string, string])[], ifname: string): Promise<DhclientConf> {
  const file = options.findLast(([l]) => l === 'c')?.[1];
  const inline = options.filter(([l]) => l === 'O').map(([, text]) => text).join('\n');
  const text = file === undefined ? inline : `${await readConf(p, file)}\n${inline}`;
  try {
    return dhclientConf(text, ifname);
  } catch (e) {
    if (e instanceof ConfError) return errx(p, 1, `${file ?? '-O'} ${e.message}`);
    throw e;
  }
}

async function serve(p: Proc, options: readonly (readonly [string, string])[], ifp: Ifnet): Promise<number> {
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const conf = await confFor(p, options, ifp.xname);
  if (bpfDlt(ifp) !== DLT_EN10MB) errx(p, 1, `${ifp.xname}: not an Ethernet interface`);
  if (clientsOn(p, ifp.xname).length > 0) errx(p, 1, `dhclient already running on ${ifp.xname}.`);
  const io = new Dhclient(p, ifp, has('q'));
  const client = new DhcpClient(io, conf);
  const end = new DhclientEnd(p, client);
  end.offer(p.vnet);
  p.kernel.call(p.now(), () => ifSetFlags(ifp, ifp.flags | IFF_UP));
  client.start(p.now());
  if (has('b')) p.daemon();
  while (!end.stopped) {
    const until = io.round(client);
    if (until === null) {
      p.err(`Interface ${io.ifname} no longer appears valid.\n`);
      io.interfaceGone();
      return 1;
    }
    if (client.settled && !has('d')) p.daemon();
    await p.sleepUs(until === Infinity ? Infinity : Math.max(0, until - p.now()));
  }
  if (end.release) client.release(p.now());
  else client.stop();
  return 0;
}

const clientsOn = (p: Proc, ifname: string): DhclientEnd[] => servicesIn(p.vnet, DhclientEnd).filter((end) => end.ifname === ifname);

async function wait(p: Proc, seconds: string, ifname: string): Promise<number> {
  if (!/^[0-9]{1,5}$/.test(seconds)) errx(p, 1, `-w ${seconds}: a number of seconds is wanted`);
  const [end] = clientsOn(p, ifname);
  if (end === undefined) return errx(p, 1, `no dhclient runs on ${ifname}`);
  const until = p.now() + Number(seconds) * US_PER_SEC;
  while (!end.client.settled && !end.stopped && p.now() < until) await p.sleepUs(POLL_US);
  if (end.client.lease === null) warnx(p, `${ifname}: no lease yet; it goes on trying`);
  return 0;
}

async function runDhclient(p: Proc): Promise<number> {
  const xo = takeLibxo(p.argv.slice(1));
  const { options, rest, error } = getopt('bc:dl:O:p:qrSuw:x', xo.words);
  if (xo.error !== null) errx(p, 1, xo.error);
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  if (error !== null || rest.length > 1 || (rest.length === 0 && !has('S'))) usage(p, 1, USAGE);
  const [ifname = ''] = rest;
  if (has('S')) {
    const ends = servicesIn(p.vnet, DhclientEnd).filter((end) => ifname === '' || end.ifname === ifname);
    p.out(xo.json === 'none' ? ends.map((end) => clientText(end.client, p)).join('') : jsonText({ dhclient: { interfaces: ends.map((end) => clientJson(end.client, p)) } }, xo.json));
    return 0;
  }
  const seconds = options.findLast(([l]) => l === 'w')?.[1];
  if (seconds !== undefined) return wait(p, seconds, ifname);
  if (!ownsNetwork(p.prison)) errx(p, 1, strerror(1));
  if (!has('r') && !has('x')) return serve(p, options, p.vnet.net.ifunit(ifname) ?? errx(p, 1, `${ifname}: no such interface`));
  const ends = clientsOn(p, ifname);
  if (ends.length === 0) errx(p, 1, `no dhclient runs on ${ifname}`);
  for (const end of ends) end.release = has('r');
  await stopServices(p, p.vnet, ends);
  return 0;
}

export const dhclient = toolMain(runDhclient);
