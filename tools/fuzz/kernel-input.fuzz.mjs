/**
 * kernel-input.fuzz.mjs — any bytes as a frame on an interface of a busy little network: a router with an address, an echo
 * service, a bridge with a spanning tree, vlans and tunnels of every kind behind it; or a port of a lagg that speaks LACP. Nothing throws, every packet is
 * given back.
 */
import {
  AF_INET6, GRE_ENABLE_SEQ, GRE_UDPENCAP, IFM_1000_T, IFM_ETHER, IFM_FDX, LAGG_PROTO_LACP, LINK_STATE_UP, bridgeAdd, bridgeSetFlags, greSetOptions, ifCloneCreate,
  ifLinkStateChange, ifUp, laggAddPort, laggSetProtocol, tunnelSet,
} from '@netloom/core';
import { SimNet, Wire } from '@netloom/core/sim';
import { frames, slowFrames } from './corpus.mjs';

const IFBIF_STP = 0x4;
const PEER = 0xc0000202;
/** 2002:c000:201::1 */
const SIX_TO_FOUR = Uint8Array.of(0x20, 0x02, 0xc0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/**
 * A gif, a gre, a gre in UDP and an stf, between 192.0.2.1 and 192.0.2.2.
 * @param {SimNet} net
 * @param {ReturnType<SimNet['vnet']>} vnet
 */
function addTunnels(net, vnet) {
  const stf = net.clone(vnet, 'stf');
  const greUdp = net.clone(vnet, 'gre');
  net.kernel.call(0, () => {
    greSetOptions(greUdp, GRE_UDPENCAP | GRE_ENABLE_SEQ);
    for (const ifp of [greUdp, net.clone(vnet, 'gre'), net.clone(vnet, 'gif')]) {
      tunnelSet(ifp, PEER - 1, PEER);
      ifUp(ifp);
    }
    const own = { af: AF_INET6, ifp: stf, addr: SIX_TO_FOUR, plen: 16, carp: null };
    stf.addrs = [own];
    ifUp(stf);
  });
  net.addr(vnet, net.clone(vnet, 'disc'), '203.0.113.1/24');
}

/** @param {boolean} bridged the interface is a member of a bridge that has the address */
function build(bridged) {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
  vnet.kern.sysctl.set('net.inet.ip.forwarding', 1);
  const [a] = net.epair(vnet, vnet);
  net.addr(vnet, a, '198.51.100.1/24');
  for (const vid of [7, 42]) net.addr(vnet, net.clone(vnet, `${wire.ifp.xname}.${vid}`), `10.${vid}.0.1/24`);
  if (bridged) {
    const bridge = net.clone(vnet, 'bridge');
    net.kernel.call(0, () => {
      bridgeAdd(bridge, wire.ifp.xname);
      bridgeAdd(bridge, a.xname);
      bridgeSetFlags(bridge, wire.ifp.xname, IFBIF_STP, 0);
    });
    net.addr(vnet, bridge, '192.0.2.1/24');
  } else net.addr(vnet, wire.ifp, '192.0.2.1/24');
  addTunnels(net, vnet);
  const vxlan = net.kernel.call(0, () => ifCloneCreate(vnet.net, 'vxlan', { vxlanid: 42, vxlanlocal: 0xc0000201, vxlanremote: 0xc0000202 })).ifp;
  if (vxlan === null) throw new Error('no vxlan to be had');
  net.addr(vnet, vxlan, '10.43.0.1/24');
  const sink = net.udp(vnet, 7);
  sink.onReadable = () => {
    for (let m = sink.recvPacket(); m !== null; m = sink.recvPacket()) m.free();
  };
  wire.transmit = (_ifp, m) => {
    m.free();
    return 0;
  };
  net.kernel.settle();
  return { net, wire };
}

/** The interface is the port of a lagg. */
function buildLagg() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
  const medium = IFM_ETHER | IFM_1000_T | IFM_FDX;
  Object.assign(wire, { media: () => ({ current: medium, effective: medium, active: true, supported: [medium] }) });
  const lagg = net.clone(vnet, 'lagg');
  net.kernel.call(0, () => {
    laggSetProtocol(lagg, LAGG_PROTO_LACP);
    laggAddPort(lagg, wire.ifp.xname);
    ifLinkStateChange(wire.ifp, LINK_STATE_UP);
    ifUp(lagg);
  });
  wire.transmit = (_ifp, m) => {
    m.free();
    return 0;
  };
  return { net, wire };
}

/** @param {string} name @param {Uint8Array[]} corpus @param {() => ReturnType<typeof build>} build what is made when the first frame comes */
function target(name, corpus, build) {
  /** @type {ReturnType<typeof build> | null} */
  let built = null;
  let n = 0;
  return {
    name,
    corpus,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      built ??= build();
      const { net, wire } = built;
      const m = net.kernel.engine.pool.from(bytes);
      if (m === null) throw new Error('the pool is exhausted: packets are lost');
      net.kernel.input(wire.ifp, m, net.now);
      if (++n % 64 === 0) net.run(10_000);
      else net.kernel.settle();
    },
    balance() {
      built ??= build();
      built.net.run(120_000_000);
      return { packets: built.net.kernel.engine.pool.inUse };
    },
  };
}

export const targets = [
  target('kernel-input/router', frames, () => build(false)),
  target('kernel-input/bridge', frames, () => build(true)),
  target('kernel-input/lagg', slowFrames, buildLagg),
];
