/**
 * kernel-input.fuzz.mjs — any bytes as a frame on an interface of a busy little network: a router with an address, an echo
 * service, a bridge, vlans and a tunnel behind it. Nothing throws, every packet is given back.
 */
import { PF_INET, SOCK_DGRAM, bridgeAdd, ifCloneCreate, ifUp } from '@netloom/core';
import { SimNet, Wire } from '@netloom/core/sim';
import { frames } from './corpus.mjs';

/** Builds the network; `run` feeds one frame, moves time now and then, and lets everything settle. */
function makeTarget(name, bridged) {
  let state = null;
  const make = () => {
    const net = new SimNet(1);
    const vnet = net.vnet('target');
    const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
    vnet.kern.sysctl.set('net.inet.ip.forwarding', 1);
    net.kernel.call(0, () => {
      const [a] = net.epair(vnet, vnet);
      net.addr(vnet, a, '198.51.100.1/24');
      for (const vid of [7, 42]) {
        const vlan = ifCloneCreate(vnet.net, `${wire.ifp.xname}.${vid}`).ifp;
        if (vlan !== null) {
          net.addr(vnet, vlan, `10.${vid}.0.1/24`);
          ifUp(vlan);
        }
      }
      if (bridged) {
        const bridge = ifCloneCreate(vnet.net, 'bridge').ifp;
        bridgeAdd(bridge, wire.ifp.xname);
        bridgeAdd(bridge, a.xname);
        ifUp(bridge);
        net.addr(vnet, bridge, '192.0.2.1/24');
      } else net.addr(vnet, wire.ifp, '192.0.2.1/24');
    });
    const echo = vnet.sockets.socket(PF_INET, SOCK_DGRAM).so;
    echo.bind(0, 7);
    echo.onReadable = () => {
      for (let m = echo.recvPacket(); m !== null; m = echo.recvPacket()) m.free();
    };
    wire.transmit = (_ifp, m) => {
      m.free();
      return 0;
    };
    net.kernel.settle();
    return { net, wire };
  };
  let n = 0;
  return {
    name,
    corpus: frames,
    run(bytes) {
      state ??= make();
      const { net, wire } = state;
      const m = net.kernel.engine.pool.from(bytes);
      if (m === null) throw new Error('the pool is exhausted: packets are lost');
      net.kernel.input(wire.ifp, m, net.now);
      if (++n % 64 === 0) net.run(10_000);
      else net.kernel.settle();
    },
    balance() {
      state ??= make();
      const { net } = state;
      net.run(120_000_000);
      return { packets: net.kernel.engine.pool.inUse };
    },
  };
}

export const targets = [makeTarget('kernel-input/router', false), makeTarget('kernel-input/bridge', true)];
