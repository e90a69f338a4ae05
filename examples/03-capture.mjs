/**
 * 03-capture.mjs — listen on an interface, print what a tcpdump would, keep a pcapng for Wireshark.
 *
 * A capture is a listener on an interface with a bounded buffer. It sees frames as they look on a wire.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bpfOpen } from '@netloom/core';
import { dgram } from '@netloom/core/promises';
import { SimNet } from '@netloom/core/sim';
import { LINKTYPE_ETHERNET, dissect, pcapngInterface, pcapngPacket, pcapngSection } from '@netloom/core/wire';

const net = new SimNet(3);
const [a, b] = [net.vnet('a'), net.vnet('b')];
const [endA, endB] = net.epair(a, b);

const { listener } = bpfOpen(b.net, endB.xname, {});
if (listener === null) throw new Error('no such interface');
net.addr(a, endA, '203.0.113.1/24');
net.addr(b, endB, '203.0.113.2/24');

dgram(a).send('to a closed port', 9, '203.0.113.2');
net.run(1_000_000);

const blocks = [pcapngSection({ application: 'netloom example' }), pcapngInterface({ linktype: LINKTYPE_ETHERNET, name: endB.xname })];
let lines = 0;
for (let r = listener.read(); r !== null; r = listener.read()) {
  console.log(`${(r.time / 1e6).toFixed(6)} ${dissect(r.bytes)}`);
  blocks.push(pcapngPacket({ interfaceId: 0, timeUs: r.time, bytes: r.bytes, wireLen: r.wireLen }));
  lines++;
}
listener.close();

const path = join(tmpdir(), 'netloom-03-capture.pcapng');
writeFileSync(path, Buffer.concat(blocks));
console.log(`${lines} packets, written to ${path}`);
process.exitCode = lines >= 4 ? 0 : 1;
