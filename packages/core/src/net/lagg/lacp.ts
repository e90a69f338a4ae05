/**
 * lacp.ts — laggproto lacp: the ports agree with the other side which of them form one link.
 * Read first: IEEE 802.3-2008 §43 (or 802.1AX-2014 §6); lacp-var.ts for what is where; freebsd `sys/net/ieee8023ad_lacp.c`.
 *
 * Theory of operation. While the lagg is up, one timer ticks every second for all ports: it runs their timers down, then selection, mux and
 * transmit machine of each. A PDU that comes in runs the receive machine at once. Everything else follows from these two.
 * A port takes part while its link is up and full duplex. A new link address of the lagg makes it another system: every port begins anew.
 *
 * Frames go out on the port of their flow in the active aggregator; frames that come in count on a port that collects for it.
 * Deviation from FreeBSD: `lacp_fast_timeout` also holds for ports that join later.
 * Invariants: without ports there are no aggregators; a port that waits is counted in its aggregator's `pending`, and no other.
 */
import type { Errno } from '../../base/errno.js';
import { ENETDOWN, ENOBUFS } from '../../base/errno.js';
import { Callout } from '../../kern/callout.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_SLOW, ETHER_HDR_LEN, ETHER_TYPE } from '../../wire/ether.js';
import {
  LACP_STATE_ACTIVITY, LACP_STATE_AGGREGATION, LACP_STATE_EXPIRED, LACP_STATE_TIMEOUT, SLOW_DST_HI, SLOW_DST_LO, SLOW_SUBTYPE_LACP, SLOW_SUBTYPE_MARKER,
} from '../../wire/lacp.js';
import { ifAddMulti, ifDelMulti } from '../if.js';
import { IFF_RUNNING } from '../ifnet.js';
import { lacpDisableCollecting, lacpDisableDistributing } from './lacp-distribute.js';
import { lacpMarkerInput } from './lacp-marker.js';
import { lacpMedia } from './lacp-media.js';
import { lacpMux, lacpSetMux, lacpStopWaiting } from './lacp-mux.js';
import { lacpSchedule, lacpTransmit } from './lacp-periodic.js';
import { LacpHeard, lacpExpire, lacpPduInput, lacpReceiveTimer, lacpRecordDefault } from './lacp-receive.js';
import { lacpKey, lacpSelect, lacpUnselect } from './lacp-select.js';
import { LACP_DEBUG_EVENTS, LACP_MUX_DETACHED, LACP_PORT_PRIO, LACP_SYSTEM_PRIO, LacpPort, lacpDebug } from './lacp-var.js';
import type { LacpAggregator, LacpShared } from './lacp-var.js';
import { LAGG_PROTO_LACP, laggSend } from './lagg-var.js';
import type { LaggPort, LaggProtocol, LaggShared } from './lagg-var.js';
import { laggFlow } from './port-choice.js';

const US_PER_S = 1_000_000;
/** How long markers are waited for. */
const TRANSIT_US = 3 * US_PER_S;
const SLOW_GROUP = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x02);

export class Lacp implements LaggProtocol, LacpShared {
  readonly number = LAGG_PROTO_LACP;
  readonly lagg: LaggShared;
  ports: readonly LacpPort[] = [];
  aggregators: readonly LacpAggregator[] = [];
  active: LacpAggregator | null = null;
  portmap: readonly LacpPort[] = [];
  suppressDistributing = false;
  strict: boolean;
  fastTimeout = false;
  rxTest = false;
  txTest = false;
  private readonly heard = new LacpHeard();
  private ticker: Callout;
  private transit: Callout;

  constructor(lagg: LaggShared) {
    this.lagg = lagg;
    this.strict = lagg.tun.lacpDefaultStrictMode !== 0;
    this.ticker = this.newTicker();
    this.transit = this.newTransit();
    for (const port of lagg.ports) this.addPort(port);
    if ((lagg.ifp.flags & IFF_RUNNING) !== 0) this.init();
  }

  /** ENOBUFS: waiting for markers; ENETDOWN: no port distributes. */
  start(m: PacketBuffer): Errno {
    const { portmap } = this;
    if (this.suppressDistributing) {
      this.lagg.stat.suppressed++;
      m.free();
      return ENOBUFS;
    }
    if (portmap.length > 0) return laggSend(this.lagg, portmap[laggFlow(this.lagg, m) % portmap.length]!.port, m);
    m.free();
    return ENETDOWN;
  }

  input(port: LaggPort, m: PacketBuffer): boolean {
    const lp = port.psc;
    if ((m.flags & M_VLANTAG) === 0 && m.view.getUint16(m.off + ETHER_TYPE) === ETHERTYPE_SLOW && lp instanceof LacpPort && this.slowInput(lp, m)) return false;
    if (lp !== null && lp.passes) return true;
    m.free();
    return false;
  }

  portFlags(port: LaggPort): number {
    return port.psc === null ? 0 : port.psc.flags;
  }

  addPort(port: LaggPort): Errno {
    ifAddMulti(port.ifp, SLOW_GROUP);
    const lp = new LacpPort(port, this);
    const { actor } = lp;
    const { ifp } = this.lagg;
    actor.sysPrio = LACP_SYSTEM_PRIO;
    actor.sysHi = ifp.macHi;
    actor.sysLo = ifp.macLo;
    actor.portPrio = LACP_PORT_PRIO;
    actor.port = port.ifp.index & 0xffff;
    actor.state = LACP_STATE_ACTIVITY | (this.fastTimeout ? LACP_STATE_TIMEOUT : 0);
    port.psc = lp;
    this.ports = [lp, ...this.ports];
    lacpExpire(lp);
    this.portLinkState(port);
    return 0;
  }

  removePort(port: LaggPort): void {
    const lp = port.psc;
    if (!(lp instanceof LacpPort)) return;
    lp.currentWhile = 0;
    lp.periodicTimer = 0;
    lacpStopWaiting(lp);
    lacpDisableCollecting(lp);
    lacpDisableDistributing(lp);
    lacpUnselect(lp);
    this.ports = this.ports.filter((p) => p !== lp);
    port.psc = null;
    if (!port.detaching) ifDelMulti(port.ifp, SLOW_GROUP);
  }

  portLinkState(port: LaggPort): void {
    const lp = port.psc;
    const media = lacpMedia(port.ifp);
    if (!(lp instanceof LacpPort) || media === null) return;
    const { actor } = lp;
    const { state, key } = actor;
    lp.media = media;
    if (media.usable) actor.state |= LACP_STATE_AGGREGATION;
    else disable(lp);
    actor.key = lacpKey(lp);
    if (state === actor.state && key === actor.key) return;
    lacpDebug(this, lp, LACP_DEBUG_EVENTS, () => '-> UNSELECTED');
    lp.selected = false;
  }

  init(): void {
    this.lagg.engine.calloutReset(this.ticker, US_PER_S);
  }

  stop(): void {
    this.lagg.engine.calloutStop(this.transit);
    this.lagg.engine.calloutStop(this.ticker);
    this.suppressDistributing = false;
  }

  lladdr(): void {
    for (const port of this.lagg.ports) this.removePort(port);
    for (const port of this.lagg.ports) this.addPort(port);
  }

  detach(): void {
    for (const port of this.lagg.ports) this.removePort(port);
    this.stop();
    this.lagg.active = 0;
  }

  /** The lagg is in another vnet now: its timers are charged to that one. */
  moved(): void {
    this.stop();
    this.ticker = this.newTicker();
    this.transit = this.newTransit();
  }

  armTransit(): void {
    this.lagg.engine.calloutReset(this.transit, TRANSIT_US);
  }

  setFastTimeout(on: boolean): void {
    this.fastTimeout = on;
    for (const lp of this.ports) lp.actor.state = on ? lp.actor.state | LACP_STATE_TIMEOUT : lp.actor.state & ~LACP_STATE_TIMEOUT;
  }

  /** A frame of a slow protocol: true when it was one of ours, and is gone. */
  private slowInput(lp: LacpPort, m: PacketBuffer): boolean {
    if (m.len <= ETHER_HDR_LEN) {
      m.free();
      return true;
    }
    const subtype = m.view.getUint8(m.off + ETHER_HDR_LEN);
    if (subtype !== SLOW_SUBTYPE_LACP && subtype !== SLOW_SUBTYPE_MARKER) return false;
    if (m.view.getUint16(m.off) !== SLOW_DST_HI || m.view.getUint32(m.off + 2) !== SLOW_DST_LO) {
      if (subtype === SLOW_SUBTYPE_LACP) this.lagg.stat.pdusBad++;
      else this.lagg.stat.markersBad++;
      lp.port.ifp.data.ierrors++;
      m.free();
    } else if (subtype === SLOW_SUBTYPE_LACP) {
      lacpPduInput(lp, m, this.heard);
    } else {
      lacpMarkerInput(lp, m);
    }
    return true;
  }

  private tick(): void {
    for (const lp of this.ports) {
      if ((lp.actor.state & LACP_STATE_AGGREGATION) === 0) continue;
      this.runTimers(lp);
      lacpSelect(lp);
      lacpMux(lp);
      lacpTransmit(lp);
      lacpSchedule(lp);
    }
    this.init();
  }

  private runTimers(lp: LacpPort): void {
    const isSilent = this.lagg.engine.now - lp.heardAt >= US_PER_S;
    if (lp.currentWhile > 0 && isSilent && --lp.currentWhile === 0) lacpReceiveTimer(lp);
    if (lp.periodicTimer > 0 && --lp.periodicTimer === 0) lp.ntt = true;
    if (lp.waitWhile === 1) lacpStopWaiting(lp);
    else if (lp.waitWhile > 0) lp.waitWhile--;
  }

  private newTicker(): Callout {
    return new Callout(this.lagg.kern, () => this.tick());
  }

  private newTransit(): Callout {
    return new Callout(this.lagg.kern, () => {
      this.suppressDistributing = false;
    });
  }
}

/** The link cannot be aggregated now. */
function disable(lp: LacpPort): void {
  lacpSetMux(lp, LACP_MUX_DETACHED);
  lp.actor.state &= ~LACP_STATE_AGGREGATION;
  lp.selected = false;
  lacpRecordDefault(lp);
  lp.partner.state &= ~LACP_STATE_AGGREGATION;
  lp.actor.state &= ~LACP_STATE_EXPIRED;
}
