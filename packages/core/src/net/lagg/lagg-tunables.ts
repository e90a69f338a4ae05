/**
 * lagg-tunables.ts — `net.link.lagg.*` and the counters of LACP, one set for a vnet.
 * Read first: lagg(4) "SYSCTL VARIABLES".
 */
import type { CounterGroup } from '../../kern/counters.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { Net } from '../net.js';

const SHIFT_MAX = 31;
const DEBUG_MAX = 7;

/** `net.link.lagg.*`. */
export class LaggTunables {
  failoverRxAll = 0;
  defaultUseFlowid = 0;
  defaultUseNuma = 1;
  defaultFlowidShift = 16;
  lacpDebug = 0;
  lacpDefaultStrictMode = 1;
}

export const LAGG_SYSCTLS: SysctlGroup<LaggTunables> = {
  prefix: 'net.link.lagg',
  oids: [
    sysctlInt('failover_rx_all', 'failoverRxAll', 'bool', 0, 1, 'With failover, take frames from every port'),
    sysctlInt('default_use_flowid', 'defaultUseFlowid', 'bool', 0, 1, 'New laggs choose a port by the flow id of a packet, where it has one'),
    sysctlInt('default_use_numa', 'defaultUseNuma', 'bool', 0, 1, 'New laggs prefer ports of the own memory domain; there is one domain here'),
    sysctlInt('default_flowid_shift', 'defaultFlowidShift', '', 0, SHIFT_MAX, 'Low bits of a flow id that new laggs ignore'),
    sysctlInt('lacp.debug', 'lacpDebug', '', 0, DEBUG_MAX, 'Log LACP: 1 events, 2 states of the mux machine, 4 suppressed PDUs'),
    sysctlInt('lacp.default_strict_mode', 'lacpDefaultStrictMode', 'bool', 0, 1, 'LACP of new laggs needs a partner that speaks it'),
  ],
};

/** What LACP has done in a vnet. */
export class LacpStat {
  pdusIn = 0;
  pdusOut = 0;
  pdusBad = 0;
  pdusLooped = 0;
  markersIn = 0;
  markersOut = 0;
  markersBad = 0;
  /** Marker responses received. */
  responsesIn = 0;
  /** Frames not sent because markers were on their way. */
  suppressed = 0;
}

export const LACP_COUNTERS: CounterGroup<LacpStat> = {
  name: 'lacp',
  rows: [
    { key: 'pdusIn', text: '{} PDU{s} received' },
    { key: 'pdusBad', text: '{} malformed PDU{s} dropped' },
    { key: 'pdusLooped', text: '{} own PDU{s} received back' },
    { key: 'pdusOut', text: '{} PDU{s} sent' },
    { key: 'markersIn', text: '{} marker{s} answered' },
    { key: 'markersOut', text: '{} marker{s} sent' },
    { key: 'responsesIn', text: '{} marker response{s} received' },
    { key: 'markersBad', text: '{} malformed or unasked marker{s} dropped' },
    { key: 'suppressed', text: '{} frame{s} dropped while waiting for marker responses' },
  ],
};

/** What lagg(4) keeps for a vnet. */
export class LaggVnet {
  readonly tun = new LaggTunables();
  private counted: LacpStat | null = null;

  /** Made with the first count. */
  get stats(): LacpStat {
    return (this.counted ??= new LacpStat());
  }
}

/** The vnet's, or defaults where there is none. */
export function laggVnet(net: Net): LaggVnet {
  const v = net.drivers.get('lagg');
  return v instanceof LaggVnet ? v : new LaggVnet();
}

/** The cloner comes to `net`, or goes. */
export function laggVnetAttach(net: Net): void {
  const v = new LaggVnet();
  net.drivers.set('lagg', v);
  net.kern.sysctl.attach(LAGG_SYSCTLS, v.tun);
  net.kern.counters.attach(LACP_COUNTERS, v);
}

export function laggVnetDetach(net: Net): void {
  const v = net.drivers.get('lagg');
  net.drivers.delete('lagg');
  if (!(v instanceof LaggVnet)) return;
  net.kern.sysctl.detach(v.tun);
  net.kern.counters.detach(v);
}
