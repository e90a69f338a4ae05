/**
 * vxlan-params.ts — the ranges of a vxlan's parameters, and the parameters given with its creation.
 * Read first: ifconfig(8) "VXLAN Parameters"; vxlan-end.ts.
 *
 * A creation takes what it can: a value out of its range leaves the default, as in FreeBSD, whose ifconfig refuses such values before.
 */
import { ip4IsMulticast } from '../wire/addr.js';
import { VXLAN_VNI_MAX } from '../wire/vxlan.js';
import type { CloneParams } from './if-clone.js';
import { IFNAMSIZ } from './ifnet.js';
import type { VxlanEnd } from './vxlan-end.js';
import { VXLAN_FTABLE_MAX } from './vxlan-ftable.js';

const PORT_MAX = 65_535;
const TTL_MAX = 255;
/** A day. */
const TIMEOUT_MAX_S = 86_400;
const ADDR_MAX = 0xffff_ffff;

function inRange(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

export const isVni = (v: unknown): v is number => inRange(v, 0, VXLAN_VNI_MAX - 1);
/** A host's address; 0 is any. */
export const isLocal = (v: unknown): v is number => inRange(v, 0, ADDR_MAX) && !ip4IsMulticast(v);
/** A host's address or a group. */
export const isRemote = (v: unknown): v is number => inRange(v, 0, ADDR_MAX);
export const isPort = (v: unknown): v is number => inRange(v, 0, PORT_MAX);
export const isTtl = (v: unknown): v is number => inRange(v, 0, TTL_MAX);
export const isTimeout = (v: unknown): v is number => inRange(v, 0, TIMEOUT_MAX_S);
export const isFtableMax = (v: unknown): v is number => inRange(v, 0, VXLAN_FTABLE_MAX);
export const isIfname = (v: unknown): v is string => typeof v === 'string' && v.length < IFNAMSIZ;

/**
 * Takes over what `ifconfig vxlan create` was told, under ifconfig's words: `vxlanid`, `vxlanlocal`, `vxlanremote` (or a group; host order),
 * `vxlanlocalport`, `vxlanremoteport`, `vxlanportmin` with `vxlanportmax`, `vxlandev`, `vxlantimeout`, `vxlanmaxaddr`, `vxlanttl`, `vxlanlearn` (0, 1).
 */
export function vxlanParams(end: VxlanEnd, params: CloneParams): void {
  const { vxlanid, vxlanlocal, vxlanremote, vxlanlocalport, vxlanremoteport, vxlanportmin, vxlanportmax } = params;
  const { vxlandev, vxlantimeout, vxlanmaxaddr, vxlanttl, vxlanlearn } = params;
  if (isVni(vxlanid)) end.vni = vxlanid;
  if (isLocal(vxlanlocal)) end.local = vxlanlocal;
  if (isRemote(vxlanremote)) end.remote = vxlanremote;
  if (isPort(vxlanlocalport)) end.localPort = vxlanlocalport;
  if (isPort(vxlanremoteport)) end.remotePort = vxlanremoteport;
  if (isPort(vxlanportmin) && isPort(vxlanportmax) && vxlanportmin <= vxlanportmax) {
    end.minPort = vxlanportmin;
    end.maxPort = vxlanportmax;
  }
  if (isIfname(vxlandev)) end.mcastIfname = vxlandev;
  if (isTimeout(vxlantimeout)) end.timeoutS = vxlantimeout;
  if (isFtableMax(vxlanmaxaddr)) end.ftable.max = vxlanmaxaddr;
  if (isTtl(vxlanttl)) end.ttl = vxlanttl;
  if (vxlanlearn === 0) end.learn = false;
}
