/**
 * lagg-control.ts — the requests ifconfig makes of a lagg, by port name.
 * Read first: lagg(4), ifconfig(8) "Link Aggregation".
 *
 * Every call answers EINVAL for an interface that is no lagg. Ports are looked up, and shown, by name in the vnet the lagg is in:
 * those that stayed behind when it moved belong to the lender, and while there are any, every change is refused with EPERM.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT, EPERM } from '../../base/errno.js';
import { LacpInfo } from '../../wire/lacp.js';
import type { Ifnet } from '../ifnet.js';
import { LAGG_F_HASHMASK } from './flow-hash.js';
import { Lacp } from './lacp.js';
import { LacpPort } from './lacp-var.js';
import { laggOf } from './lagg.js';
import type { Lagg } from './lagg.js';
import {
  LAGG_OPT_LACP_FAST_TIMO, LAGG_OPT_LACP_RXTEST, LAGG_OPT_LACP_STRICT, LAGG_OPT_LACP_TXTEST, LAGG_OPT_USE_FLOWID, LAGG_OPT_USE_NUMA, LAGG_PROTO_NONE,
} from './lagg-var.js';
import type { LaggProtoNumber } from './lagg-var.js';
import { RoundRobin } from './roundrobin.js';

const FLOWID_SHIFT_MAX = 31;
const U32_MAX = 0xffff_ffff;

/** Both ends of a port, or of the active aggregator, as LACP has them. */
export interface LacpPeers {
  readonly actor: LacpInfo;
  readonly partner: LacpInfo;
}

/** A port, as `ifconfig laggN` shows it. */
export interface LaggPortInfo {
  readonly name: string;
  /** LAGG_PORT_* */
  readonly flags: number;
  /** Null unless the protocol is LACP. */
  readonly lacp: LacpPeers | null;
}

/** A lagg, as `ifconfig laggN` shows it. */
export interface LaggInfo {
  /** LAGG_PROTO_* */
  readonly proto: LaggProtoNumber;
  /** LAGG_F_HASH* */
  readonly hash: number;
  /** LAGG_OPT_* */
  readonly opts: number;
  readonly flowidShift: number;
  /** Frames in a turn of roundrobin. */
  readonly stride: number;
  readonly active: number;
  readonly flapping: number;
  /** The active aggregator; null unless the protocol is LACP. */
  readonly lacp: LacpPeers | null;
  /** Those in the lagg's own vnet. */
  readonly ports: readonly LaggPortInfo[];
}

/** laggport. EINVAL no such interface; else as `Lagg.addPort`. */
export function laggAddPort(ifp: Ifnet, name: string): Errno {
  return onInterface(ifp, name, (lagg, other) => lagg.addPort(other));
}

/** -laggport. EINVAL no such interface; ENOENT not a port. */
export function laggDeletePort(ifp: Ifnet, name: string): Errno {
  return onInterface(ifp, name, (lagg, other) => {
    const port = lagg.ports.find((p) => p.ifp === other);
    if (port === undefined) return ENOENT;
    lagg.removePort(port);
    return 0;
  });
}

/** laggproto. */
export function laggSetProtocol(ifp: Ifnet, proto: LaggProtoNumber): Errno {
  return onLagg(ifp, (lagg) => {
    lagg.setProtocol(proto);
    return 0;
  });
}

/** lagghash: LAGG_F_HASH*. EINVAL for none. */
export function laggSetHash(ifp: Ifnet, flags: number): Errno {
  return onLagg(ifp, (lagg) => {
    if ((flags & LAGG_F_HASHMASK) === 0) return EINVAL;
    lagg.hashFlags = flags & LAGG_F_HASHMASK;
    return 0;
  });
}

/** use_flowid, lacp_strict … and their negations: one of LAGG_OPT_*. EINVAL: an option of LACP, and the protocol is another. */
export function laggSetOption(ifp: Ifnet, option: number, on: boolean): Errno {
  return onLagg(ifp, (lagg) => {
    if (option === LAGG_OPT_USE_FLOWID || option === LAGG_OPT_USE_NUMA) {
      lagg.opts = on ? lagg.opts | option : lagg.opts & ~option;
      return 0;
    }
    return lagg.protocol instanceof Lacp ? setLacpOption(lagg.protocol, option, on) : EINVAL;
  });
}

function setLacpOption(protocol: Lacp, option: number, on: boolean): Errno {
  switch (option) {
    case LAGG_OPT_LACP_STRICT:
      protocol.strict = on;
      return 0;
    case LAGG_OPT_LACP_FAST_TIMO:
      protocol.setFastTimeout(on);
      return 0;
    case LAGG_OPT_LACP_TXTEST:
      protocol.txTest = on;
      return 0;
    case LAGG_OPT_LACP_RXTEST:
      protocol.rxTest = on;
      return 0;
    default:
      return EINVAL;
  }
}

/** flowid_shift. EINVAL outside 0..31. */
export function laggSetFlowidShift(ifp: Ifnet, shift: number): Errno {
  return onLagg(ifp, (lagg) => {
    if (!Number.isInteger(shift) || shift < 0 || shift > FLOWID_SHIFT_MAX) return EINVAL;
    lagg.flowidShift = shift;
    return 0;
  });
}

/** rr_limit. EINVAL for 0, and unless the protocol is roundrobin. */
export function laggSetStride(ifp: Ifnet, frames: number): Errno {
  return onLagg(ifp, ({ protocol }) => {
    if (!(protocol instanceof RoundRobin) || !Number.isInteger(frames) || frames < 1 || frames > U32_MAX) return EINVAL;
    protocol.stride = frames;
    return 0;
  });
}

/** Everything about a lagg; null when `ifp` is none. */
export function laggInfo(ifp: Ifnet): LaggInfo | null {
  const lagg = laggOf(ifp);
  if (lagg === null) return null;
  const { protocol } = lagg;
  const lacp = protocol instanceof Lacp ? protocol : null;
  return {
    proto: protocol?.number ?? LAGG_PROTO_NONE,
    hash: lagg.hashFlags,
    opts: lagg.opts | (lacp === null ? 0 : lacpOptions(lacp)),
    flowidShift: lagg.flowidShift,
    stride: protocol instanceof RoundRobin ? protocol.stride : 1,
    active: lacp === null ? lagg.ports.filter((p) => p.isActive).length : lagg.active,
    flapping: lagg.flapping,
    lacp: lacp === null ? null : (lacp.active ?? { actor: new LacpInfo(), partner: new LacpInfo() }),
    ports: lagg.ports.filter((port) => port.ifp.net === ifp.net).map((port) => ({
      name: port.ifp.xname,
      flags: protocol?.portFlags(port) ?? 0,
      lacp: port.psc instanceof LacpPort ? port.psc : null,
    })),
  };
}

function lacpOptions(lacp: Lacp): number {
  return (lacp.strict ? LAGG_OPT_LACP_STRICT : 0) | (lacp.fastTimeout ? LAGG_OPT_LACP_FAST_TIMO : 0) | (lacp.rxTest ? LAGG_OPT_LACP_RXTEST : 0)
    | (lacp.txTest ? LAGG_OPT_LACP_TXTEST : 0);
}

/** Changes a lagg that is where its ports are. */
function onLagg(ifp: Ifnet, fn: (lagg: Lagg) => Errno): Errno {
  const lagg = laggOf(ifp);
  if (lagg === null) return EINVAL;
  return lagg.isElsewhere ? EPERM : fn(lagg);
}

function onInterface(ifp: Ifnet, name: string, fn: (lagg: Lagg, other: Ifnet) => Errno): Errno {
  return onLagg(ifp, (lagg) => {
    const other = ifp.net?.ifunit(name) ?? null;
    return other === null ? EINVAL : fn(lagg, other);
  });
}
