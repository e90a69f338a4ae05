/**
 * 01-ping.mjs — two network stacks, a cable, and a ping, in virtual time.
 *
 * A SimNet owns a Kernel and the clock: nothing waits, an hour passes in no time, and the same seed gives the same history.
 */
import { SimNet, ip4 } from '@netloom/core/sim';
import { ICMP_ECHO, ICMP_ECHOREPLY, IPPROTO_ICMP, icmp4Emit, ip4Format, ip4Hl } from '@netloom/core/wire';

const net = new SimNet(1);
const [a, b] = [net.vnet('a'), net.vnet('b')];
const [endA, endB] = net.link(a, b, { delayUs: 5_000 });
net.addr(a, endA.ifp, '192.0.2.1/24');
net.addr(b, endB.ifp, '192.0.2.2/24');

const so = net.raw(a, IPPROTO_ICMP);
/** @type {number[]} */
const sentAt = [];
let received = 0;

so.onReadable = () => {
  for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
    const icmp = m.off + ip4Hl(m.view, m.off);
    if (m.view.getUint8(icmp) === ICMP_ECHOREPLY) {
      const seq = m.view.getUint16(icmp + 6);
      const from = ip4Format(m.view.getUint32(m.off + 12));
      console.log(`${m.len} bytes from ${from}: icmp_seq=${seq} time=${((net.now - (sentAt[seq] ?? 0)) / 1000).toFixed(3)} ms`);
      received++;
    }
    m.free();
  }
};

for (let seq = 0; seq < 3; seq++) {
  const echo = new Uint8Array(64);
  icmp4Emit(new DataView(echo.buffer), 0, echo.length, ICMP_ECHO, 0, (0x1234 << 16) | seq);
  sentAt[seq] = net.now;
  so.send(echo, ip4('192.0.2.2'));
  net.run(1_000_000);
}

console.log(`3 packets transmitted, ${received} received`);
process.exitCode = received === 3 ? 0 : 1;
