/**
 * vxlan-control.ts — the requests ifconfig makes of a vxlan (VXLAN_CMD_*), and the static entries of its table.
 * Read first: ifconfig(8) "VXLAN Parameters"; vxlan-end.ts; freebsd `sys/net/if_vxlan.c` (vxlan_ctrl_*).
 *
 * Every call answers EINVAL for an interface that is no vxlan and for a value out of its range, and EBUSY for what cannot be changed while it runs.
 *
 * A vxlan that is configured in another vnet than the one it is in does not show to whoever borrows it what it is connected to (`vxlanConfig`
 * is null), and lets nothing be changed there (EPERM): with another network identifier the borrower would read what is not his. Setting an
 * outer address or `vxlandev` there is allowed: it takes the tunnel away from where it was, to start from nothing in the vnet that asks.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from '../base/errno.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { IFF_RUNNING } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import { vxlanOf } from './vxlan.js';
import type { VxlanSoftc } from './vxlan.js';
import { vxlanCarrier } from './vxlan-end.js';
import { VXLAN_FE_STATIC } from './vxlan-ftable.js';
import type { FtableEntry } from './vxlan-ftable.js';
import { isFtableMax, isIfname, isLocal, isPort, isRemote, isTimeout, isTtl, isVni } from './vxlan-params.js';

/** Parameters of a vxlan, as `ifconfig -v vxlanN` shows them. Addresses are in host order, times in seconds. */
export interface VxlanConfig {
  /** 0x1000000 while not set. */
  readonly vni: number;
  readonly local: number;
  readonly localPort: number;
  /** A host's or a group's address, 0 while not set. */
  readonly remote: number;
  readonly remotePort: number;
  readonly portMin: number;
  readonly portMax: number;
  readonly mcastIfname: string;
  readonly learn: boolean;
  readonly ttl: number;
  readonly ftableCount: number;
  readonly ftableMax: number;
  readonly ftableTimeout: number;
}

/** VXLAN_CMD_GET_CONFIG; null for what is no vxlan, or one that is configured elsewhere. */
export function vxlanConfig(ifp: Ifnet): VxlanConfig | null {
  const sc = vxlanOf(ifp);
  if (sc === null || !isHere(sc)) return null;
  const { end } = sc;
  return {
    vni: end.vni, local: end.local, localPort: end.localPort, remote: end.remote, remotePort: end.remotePort, portMin: end.minPort, portMax: end.maxPort,
    mcastIfname: end.mcastIfname, learn: end.learn, ttl: end.ttl, ftableCount: end.ftable.count, ftableMax: end.ftable.max, ftableTimeout: end.timeoutS,
  };
}

/** VXLAN_CMD_SET_VNI */
export function vxlanSetVni(ifp: Ifnet, vni: number): Errno {
  return isVni(vni) ? change(ifp, (sc) => void (sc.end.vni = vni)) : EINVAL;
}

/** VXLAN_CMD_SET_LOCAL_ADDR */
export function vxlanSetLocal(ifp: Ifnet, addr: number): Errno {
  return isLocal(addr) ? place(ifp, (sc) => void (sc.end.local = addr)) : EINVAL;
}

/** VXLAN_CMD_SET_REMOTE_ADDR: a host or a group. */
export function vxlanSetRemote(ifp: Ifnet, addr: number): Errno {
  if (!isRemote(addr)) return EINVAL;
  return place(ifp, (sc) => {
    sc.end.remote = addr;
    sc.adaptMtu();
  });
}

/** VXLAN_CMD_SET_LOCAL_PORT */
export function vxlanSetLocalPort(ifp: Ifnet, port: number): Errno {
  return isPort(port) && port !== 0 ? change(ifp, (sc) => void (sc.end.localPort = port)) : EINVAL;
}

/** VXLAN_CMD_SET_REMOTE_PORT */
export function vxlanSetRemotePort(ifp: Ifnet, port: number): Errno {
  return isPort(port) && port !== 0 ? change(ifp, (sc) => void (sc.end.remotePort = port)) : EINVAL;
}

/** VXLAN_CMD_SET_PORT_RANGE: of source ports. */
export function vxlanSetPortRange(ifp: Ifnet, min: number, max: number): Errno {
  if (!isPort(min) || !isPort(max) || max < min) return EINVAL;
  return change(ifp, ({ end }) => {
    end.minPort = min;
    end.maxPort = max;
  });
}

/** VXLAN_CMD_SET_MULTICAST_IF; '' as the routes say. */
export function vxlanSetMulticastIf(ifp: Ifnet, name: string): Errno {
  return isIfname(name) ? place(ifp, (sc) => void (sc.end.mcastIfname = name)) : EINVAL;
}

/** VXLAN_CMD_SET_FTABLE_TIMEOUT, in seconds; also while it runs. */
export function vxlanSetTimeout(ifp: Ifnet, seconds: number): Errno {
  return isTimeout(seconds) ? onVxlan(ifp, ({ end }) => void (end.timeoutS = seconds)) : EINVAL;
}

/** VXLAN_CMD_SET_FTABLE_MAX; also while it runs. */
export function vxlanSetMaxaddr(ifp: Ifnet, max: number): Errno {
  return isFtableMax(max) ? onVxlan(ifp, ({ end }) => void (end.ftable.max = max)) : EINVAL;
}

/** VXLAN_CMD_SET_TTL; also while it runs. */
export function vxlanSetTtl(ifp: Ifnet, ttl: number): Errno {
  return isTtl(ttl) ? onVxlan(ifp, ({ end }) => void (end.ttl = ttl)) : EINVAL;
}

/** VXLAN_CMD_SET_LEARN; also while it runs. */
export function vxlanSetLearn(ifp: Ifnet, on: boolean): Errno {
  return onVxlan(ifp, ({ end }) => void (end.learn = on));
}

/** VXLAN_CMD_FLUSH: forgets learned addresses, or all. */
export function vxlanFlush(ifp: Ifnet, all: boolean): Errno {
  return onVxlan(ifp, ({ end }) => void end.ftable.flush(all));
}

/**
 * VXLAN_CMD_FTABLE_ENTRY_ADD: `mac` is behind host `addr`, whatever is learned; port 0 is the remote port. EEXIST: the address is known; ENOSPC: the
 * table is full; EAFNOSUPPORT: no remote is set.
 */
export function vxlanFtableAdd(ifp: Ifnet, mac: Uint8Array, addr: number, port = 0): Errno {
  const sc = vxlanOf(ifp);
  if (sc === null || !isRemote(addr) || addr === 0 || ip4IsMulticast(addr) || !isPort(port) || !isMac(mac)) return EINVAL;
  if (!isHere(sc)) return EPERM;
  const { end } = sc;
  if (end.remote === 0) return EAFNOSUPPORT;
  const [hi, lo] = macParts(mac);
  if (end.ftable.find(hi, lo) >= 0) return EEXIST;
  return end.ftable.insert(hi, lo, addr, port === 0 ? end.remotePort : port, VXLAN_FE_STATIC, Infinity) ? 0 : ENOSPC;
}

/** VXLAN_CMD_FTABLE_ENTRY_REM. ENOENT: the address is not known. */
export function vxlanFtableRemove(ifp: Ifnet, mac: Uint8Array): Errno {
  const sc = vxlanOf(ifp);
  if (sc === null || !isMac(mac)) return EINVAL;
  if (!isHere(sc)) return EPERM;
  const slot = sc.end.ftable.find(...macParts(mac));
  if (slot < 0) return ENOENT;
  sc.end.ftable.removeAt(slot);
  return 0;
}

/** Every entry of the table; null as `vxlanConfig`. */
export function vxlanFtable(ifp: Ifnet): FtableEntry[] | null {
  const sc = vxlanOf(ifp);
  return sc === null || !isHere(sc) ? null : sc.end.ftable.list();
}

/** Is it configured in the vnet it is in? */
function isHere(sc: VxlanSoftc): boolean {
  return !sc.end.isElsewhere;
}

function onVxlan(ifp: Ifnet, fn: (sc: VxlanSoftc) => void): Errno {
  const sc = vxlanOf(ifp);
  if (sc === null) return EINVAL;
  if (!isHere(sc)) return EPERM;
  fn(sc);
  return 0;
}

/** Changes what cannot be changed while it runs. */
function change(ifp: Ifnet, fn: (sc: VxlanSoftc) => void): Errno {
  const sc = vxlanOf(ifp);
  return sc !== null && isHere(sc) && isRunning(ifp) ? EBUSY : onVxlan(ifp, fn);
}

/** … and what belongs to the vnet where it is said. */
function place(ifp: Ifnet, fn: (sc: VxlanSoftc) => void): Errno {
  const sc = vxlanOf(ifp);
  const here = ifp.net === null ? null : vxlanCarrier(ifp.net);
  if (sc !== null && isRunning(ifp)) return EBUSY;
  if (sc !== null && here !== null) sc.end.claim(here);
  return onVxlan(ifp, fn);
}

const isRunning = (ifp: Ifnet): boolean => (ifp.flags & IFF_RUNNING) !== 0;

function isMac(mac: Uint8Array): boolean {
  return mac.length === 6 && ((mac[0] ?? 1) & 1) === 0;
}

function macParts(mac: Uint8Array): [number, number] {
  const v = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
  return [v.getUint16(0), v.getInt32(2)];
}
