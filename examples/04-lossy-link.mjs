/**
 * 04-lossy-link.mjs — the same thousand datagrams over links of different quality; same seed, same result, every time.
 */
import { SimNet, ip4 } from '@netloom/core/sim';

const COUNT = 1_000;

/** Sends COUNT numbered datagrams and reports what arrived. @param {import('@netloom/core/sim').SimLinkOptions} options */
function trial(options) {
  const net = new SimNet(4);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const [endA, endB] = net.link(a, b, options);
  net.addr(a, endA.ifp, '192.0.2.1/24');
  net.addr(b, endB.ifp, '192.0.2.2/24');
  const tx = net.udp(a);
  const rx = net.udp(b, 5000);
  rx.setsockopt('SO_RCVBUF', 1_000_000);
  net.run(5_000_000);

  const payload = new Uint8Array(64);
  for (let i = 0; i < COUNT; i++) {
    new DataView(payload.buffer).setUint32(0, i);
    tx.send(payload, ip4('192.0.2.2'), 5000);
    net.run(100);
  }
  net.run(1_000_000);

  let [received, late, highest] = [0, 0, -1];
  for (let m = rx.recvPacket(); m !== null; m = rx.recvPacket()) {
    const i = m.view.getUint32(m.off);
    if (i < highest) late++;
    highest = Math.max(highest, i);
    received++;
    m.free();
  }
  return { received, late, 'bad checksum': b.udp.stats.badsum + b.ip.stats.badsum };
}

const links = {
  clean: {},
  '2 ms': { delayUs: 2_000 },
  'loses 10 %': { loss: 0.1 },
  'doubles 5 %': { duplicate: 0.05 },
  'reorders 20 %': { delayUs: 500, reorder: 0.2 },
  'corrupts 3 %': { corrupt: 0.03 },
};
const table = Object.fromEntries(Object.entries(links).map(([name, options]) => [name, trial(options)]));
console.table(table);
process.exitCode = table['clean']?.received === COUNT && (table['loses 10 %']?.received ?? COUNT) < COUNT ? 0 : 1;
