/**
 * ifnet.ts — Ifnet `ifp`: a network interface, whatever it is made of.
 * Read first: ifnet(9), freebsd `sys/net/if_var.h`.
 *
 * Theory of operation. There is one class for all kinds, so that the packet path sees one object shape; what differs between
 * kinds is behind `driver` (an IfDriver). *Input* goes up: a driver calls `ifInput(ifp, m)`, which counts, taps and calls
 * `ifp.input`. *Output* goes down: the stack calls `ifTransmit(ifp, m)`, which counts, taps and calls `driver.transmit`.
 * Whoever sits between an interface and the protocols (bridge, vlan trunk) hangs itself on the hook fields declared here.
 *
 * An Ifnet is in exactly one vnet (`net`) from attach to detach: one that moves to another vnet is replaced there by a new instance
 * (if-vmove.ts). `homeNet` is where it goes back to when a jail ends. `index` is unique in the Kernel among the interfaces attached, and the
 * successor has it; `instance` tells the two apart. Whoever keeps an Ifnet must let go at its departure event.
 * Invariants: `drvRunning` is the driver's, IFF_UP the administrator's. `addrs` holds addresses of upper layers only.
 */
import type { Errno } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { macHi, macLo, macOf } from '../wire/addr.js';
import type { BpfIf } from './bpf.js';
import type { IfMedia } from './if-media.js';
import type { IfVmoveHandler } from './if-move.js';
import type { IfAddr } from './ifaddr.js';
import type { IfPercpuq } from './if-percpuq.js';
import type { Net } from './net.js';

export const IFNAMSIZ = 16;

/** Administrator's and driver's flags, FreeBSD's values. */
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_DEBUG = 0x4;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_OACTIVE = 0x400;
export const IFF_SIMPLEX = 0x800;
export const IFF_LINK0 = 0x1000;
export const IFF_LINK1 = 0x2000;
export const IFF_LINK2 = 0x4000;
export const IFF_MULTICAST = 0x8000;
export const IFF_PPROMISC = 0x20000;
export const IFF_MONITOR = 0x40000;
export const IFF_STATICARP = 0x80000;
export const IFF_STICKYARP = 0x100000;
export const IFF_DYING = 0x200000;
export const IFF_RENAMING = 0x400000;

/** Interface types (RFC 1573 / IANA ifType). */
export const IFT_ETHER = 6;
export const IFT_PPP = 23;
export const IFT_LOOP = 24;
export const IFT_L2VLAN = 135;
export const IFT_PROPVIRTUAL = 53;
export const IFT_TUNNEL = 131;
/** What an Ethernet interface is while it is a port of a lagg. */
export const IFT_IEEE8023ADLAG = 161;
export const IFT_BRIDGE = 209;
export const IFT_STF = 215;
export const IFT_GIF = 240;

export const LINK_STATE_UNKNOWN = 0;
export const LINK_STATE_DOWN = 1;
export const LINK_STATE_UP = 2;

/** Capabilities (`options=` of ifconfig), FreeBSD's values. */
export const IFCAP_RXCSUM = 0x1;
export const IFCAP_TXCSUM = 0x2;
export const IFCAP_VLAN_MTU = 0x8;
export const IFCAP_VLAN_HWTAGGING = 0x10;
export const IFCAP_JUMBO_MTU = 0x20;
export const IFCAP_VLAN_HWCSUM = 0x80;
export const IFCAP_TSO4 = 0x100;
export const IFCAP_TSO6 = 0x200;
export const IFCAP_LRO = 0x400;
export const IFCAP_VLAN_HWTSO = 0x40000;
export const IFCAP_LINKSTATE = 0x80000;
export const IFCAP_RXCSUM_IPV6 = 0x200000;
export const IFCAP_TXCSUM_IPV6 = 0x400000;
export const IFCAP_HWSTATS = 0x800000;

export const IF_MINMTU = 72;
export const IF_MAXMTU = 65_535;

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_LINK = 18;
export const AF_INET6 = 28;

/** What `transmit` returns when the driver has counted the packet itself, sent or dropped: the caller counts nothing and reports success. */
export const TRANSMIT_COUNTED = -1;

/** What a kind of interface does. One object may serve one interface (its softc) or all of a kind. */
export interface IfDriver {
  /** Sends `m` on the link and owns it. On error the packet has been freed; the caller counts `oerrors`. May be TRANSMIT_COUNTED. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno;
  /** IFF_UP, IFF_PROMISC or IFF_ALLMULTI changed. */
  flagsChanged?(ifp: Ifnet): void;
  /** Checks and applies a new MTU; the caller stores it when 0 is returned. Absent: 72..65535. */
  setMtu?(ifp: Ifnet, mtu: number): Errno;
  /** Checks and applies a new link address; the caller stores it when 0 is returned. */
  setLladdr?(ifp: Ifnet, mac: Uint8Array): Errno;
  /** May this address be set on it? Absent: yes. */
  checkAddr?(ifp: Ifnet, ifa: IfAddr): Errno;
  /** The first IPv4 address was set: the driver may come up. */
  addrAdded?(ifp: Ifnet): void;
  /** The administrator has changed `capenable`. */
  capsChanged?(ifp: Ifnet): void;
  /** A link-layer multicast group was joined or left. */
  multiChanged?(ifp: Ifnet): void;
  /** Counters to show instead of `ifp.data`; absent: those. */
  counters?(ifp: Ifnet): IfData;
  /** The interfaces it sends through; absent: none. Whoever gives an interface another one below it makes sure that the chain ends (`ifIsAbove`). */
  below?(ifp: Ifnet): readonly Ifnet[];
  /** Drops what is queued for output. */
  qflush?(ifp: Ifnet): void;
  /** Its media; absent or null: none. */
  media?(ifp: Ifnet): IfMedia | null;
  /** Chooses a medium. Absent: there is nothing to choose, EINVAL. */
  setMedia?(ifp: Ifnet, word: number): Errno;
  /** Checks and applies new enabled capabilities, a subset of `ifp.capabilities`; the caller stores them when 0 is returned. Absent: EINVAL. */
  setCaps?(ifp: Ifnet, caps: number): Errno;
  /** Lines of the driver's own for ifconfig, each ending in a newline (SIOCGIFSTATUS); absent: none. */
  statusText?(ifp: Ifnet): string;
  /** How an interface that no cloner made moves to another vnet: as a cloner's `vmove`. Absent: as the same object. */
  readonly reassign?: IfVmoveHandler;
  /** The interface moves as the same object and is in no vnet at this moment: forget what belongs to the old one. */
  vnetChanged?(ifp: Ifnet, to: Net): void;
  /** Where what it sends waits, and where what it has received; absent: such packets wait nowhere. */
  sndq?(ifp: Ifnet): PacketQueue;
  rcvq?(ifp: Ifnet): PacketQueue;
  /** Packets the driver holds at this moment, in whatever queues; for the audit. */
  queued?(): number;
  /** Its vnet is being taken down and the interface, which no cloner made, with it: give back what is queued and armed. */
  vnetGone?(ifp: Ifnet): void;
}

/** What a bridge (or another aggregate that takes whole frames) hangs on its members. */
export interface IfFrameHook {
  /** A frame came in on member `ifp`. Returns it (possibly for local processing) or null when consumed. */
  input(ifp: Ifnet, m: PacketBuffer): PacketBuffer | null;
  /** A frame is to go out through member `ifp`, from this host. True when consumed. */
  output(ifp: Ifnet, m: PacketBuffer): boolean;
}

/** What a lagg hangs on its ports. */
export interface IfLaggHook {
  /** What the port had before the lagg gave it its own. */
  readonly lladdr: Uint8Array;
  readonly capenable: number;
  /** A frame came in on the port. Returns the interface it goes on as, or null when consumed. Owns `m` in the latter case. */
  input(m: PacketBuffer): Ifnet | null;
  /** The port's capabilities in force were changed by the administrator. */
  capsChanged(): void;
}

/** What the vlans of a trunk hang on their parent. */
export interface IfTrunkHook {
  /** A tagged frame came in on the parent (`m.vtag`); true when consumed. */
  input(ifp: Ifnet, m: PacketBuffer): boolean;
}

/** What the netgraph node of an Ethernet interface hangs on it while it has a hook. */
export interface IfNetgraphHook {
  /** A frame arrived. True: it went into the graph. */
  input(m: PacketBuffer): boolean;
  /** The stack sends a frame. Null: the graph does not want it; else it went there, and what became of it. */
  output(m: PacketBuffer): Errno | null;
  /** A frame that no protocol wants, with its header. True: it went into the graph. */
  orphan(m: PacketBuffer): boolean;
}

/** What holds back, or orders, what an interface sends: its root discipline (tc/if-qdisc.ts). */
export interface IfOutputHook {
  /** Packets it holds. */
  readonly packets: number;
  /** A packet is to go out on the link. Owns `m`; hands it on by `ifTransmitNow` when it may go. */
  output(m: PacketBuffer): Errno;
  /** The interface went down. */
  reset(): void;
  /** An interface leaves the vnet: what came by it goes. */
  forget(ifp: Ifnet): void;
  /** The interface itself leaves. */
  destroy(): void;
}

/** What looks at packets before anybody else does: the filters of an ingress discipline (tc/tc-ingress.ts). */
export interface IfIngressHook {
  readonly packets: number;
  /** A packet came in. True: it went elsewhere, or was dropped; what comes back does so by `ifReinput`. */
  input(m: PacketBuffer): boolean;
  /** The interface went down. */
  reset(): void;
  forget(ifp: Ifnet): void;
  destroy(): void;
}

/** What CARP hangs on an interface with virtual hosts. */
export interface IfCarpHook {
  /** Is this the link address of a virtual host this host is the master of? */
  forUs(hi: number, lo: number): boolean;
}

/** Per-family data an upper layer keeps with the interface (if_afdata). */
export interface IfAfData {
  readonly af: number;
}

/** Interface counters (`netstat -i`, if_data). */
export class IfData {
  ipackets = 0;
  ierrors = 0;
  opackets = 0;
  oerrors = 0;
  collisions = 0;
  ibytes = 0;
  obytes = 0;
  imcasts = 0;
  omcasts = 0;
  iqdrops = 0;
  oqdrops = 0;
  noproto = 0;
}

/** A link-layer multicast membership, counted. */
export class IfMultiaddr {
  readonly hi: number;
  /** Signed. */
  readonly lo: number;
  refs = 1;

  constructor(mac: Uint8Array) {
    this.hi = macHi(mac);
    this.lo = macLo(mac) | 0;
  }

  is(mac: Uint8Array): boolean {
    return this.hi === macHi(mac) && this.lo === (macLo(mac) | 0);
  }

  /** A copy. */
  get mac(): Uint8Array {
    return macOf(this.hi, this.lo);
  }
}

const NO_LLADDR = new Uint8Array(0);

export class Ifnet {
  /** The vnet it is in now; null before attach and after detach. */
  net: Net | null = null;
  /** Where it belongs: set at first attach, kept across moves. */
  homeNet: Net | null = null;
  readonly driver: IfDriver;
  /** Unique small number in this Kernel, 0 while unattached. */
  index = 0;
  /** Number of this object in this Kernel, never given again; 0 before it is attached. */
  instance = 0;
  /** It is being destroyed or moved at this moment, or arriving from another vnet: nobody else may move it. */
  busy = false;
  /** Driver name and unit it was created with; `xname` is what it is called now. */
  readonly dname: string;
  readonly dunit: number;
  /** The name it was made with, in whatever vnet it is now. */
  birthName: string;
  xname: string;
  type: number;
  flags: number;
  mtu: number;
  metric = 0;
  fib = 0;
  /** FIB of the outer packets of a tunnel. */
  tunnelFib = 0;
  /** PCP put on frames without one (0..7), -1 for none. */
  pcp = -1;
  description: string | null = null;
  /** Link address; length 0 for interfaces without one. */
  lladdr: Uint8Array = NO_LLADDR;
  /** `lladdr` as the packet path compares it. */
  macHi = 0;
  macLo = 0;
  /** The link address it was created with (`hwaddr`). */
  hwaddr: Uint8Array = NO_LLADDR;
  linkState: number = LINK_STATE_UNKNOWN;
  capabilities = 0;
  capenable = 0;
  baudrate = 0;
  readonly data = new IfData();
  /** Addresses of upper layers, in order of addition. */
  addrs: IfAddr[] = [];
  groups: string[] = [];
  multiaddrs: IfMultiaddr[] = [];
  /** What the address families keep with it (if_afdata). */
  inet: IfAfData | null = null;
  inet6: IfAfData | null = null;
  /** Calls to `ifPromisc` that asked for promiscuous mode. */
  promiscCount = 0;
  allmultiCount = 0;
  /** Capture taps; null when nobody listens. */
  bpf: BpfIf | null = null;
  /** Frames that a program outside brought while the Kernel was busy; null until there is one. */
  percpuq: IfPercpuq | null = null;
  /** A bridge this interface is a member of. */
  bridge: IfFrameHook | null = null;
  /** The lagg whose port this is. */
  lagg: IfLaggHook | null = null;
  /** The vlans whose parent this is. */
  trunk: IfTrunkHook | null = null;
  /** The hooks of its netgraph node; null while there are none. */
  netgraph: IfNetgraphHook | null = null;
  /** What its output goes through, and its input; null: nothing. */
  qdisc: IfOutputHook | null = null;
  ingress: IfIngressHook | null = null;
  /** CARP's virtual hosts on it. */
  carp: IfCarpHook | null = null;
  /** What comes in on it is for this vnet whatever its destination (gw.ts). */
  takesAny = false;
  /** The function `ifInput` hands packets to: etherInput, loInput … */
  input: (ifp: Ifnet, m: PacketBuffer) => void = dropInput;
  /** Name of the cloner that made it, '' for others. */
  cloner = '';

  constructor(driver: IfDriver, dname: string, dunit: number, xname: string, type: number, flags: number, mtu: number) {
    this.driver = driver;
    this.dname = dname;
    this.dunit = dunit;
    this.birthName = xname;
    this.xname = xname;
    this.type = type;
    this.flags = flags;
    this.mtu = mtu;
  }

  afdata(af: number): IfAfData | null {
    return af === AF_INET ? this.inet : af === AF_INET6 ? this.inet6 : null;
  }

  setAfdata(af: number, data: IfAfData | null): void {
    if (af === AF_INET) this.inet = data;
    else if (af === AF_INET6) this.inet6 = data;
  }

  get isUp(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }

  /** Administratively up and the driver is running: frames may pass. */
  get isRunning(): boolean {
    return (this.flags & (IFF_UP | IFF_RUNNING)) === (IFF_UP | IFF_RUNNING);
  }

  /** Stores a link address with the forms the packet path uses. */
  storeLladdr(mac: Uint8Array): void {
    this.lladdr = mac.slice();
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
    this.macHi = (a << 8) | b;
    this.macLo = ((c << 24) | (d << 16) | (e << 8) | f) >>> 0;
  }
}

/** An interface nobody has given an input function yet drops and counts. */
function dropInput(ifp: Ifnet, m: PacketBuffer): void {
  ifp.data.noproto++;
  m.free();
}
