/**
 * file-replay.test.ts — what the real tcpdump recorded of Linux pinging one vnet is replayed into another: it answers, and the
 * recording of its answers is a file that everybody reads.
 */
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { readings, run } from './capture-readers.js';
import { linuxPing } from './linux-ping.js';
import { isEchoReply, startTcpdump } from './linux-tcpdump.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping', 'tcpdump', 'tshark', 'capinfos'] as const;
/** Bytes of payload of the last ping. */
const LAST_PAYLOAD = 300;

peer(...NEEDS)('a replay of Linux’s pings is answered as Linux was', () => withNetns(1, (ns) => withDaemon(async (d) => {
  await d.vnet('v1');
  const { device, ifname } = await d.plug('v1', ns, { vnet: '10.77.0.2/24', linux: '10.77.0.1/24' });
  const seen = await startTcpdump(ns, device, '-w', d.path('in.pcap'));
  const sent = (await linuxPing(ns, '10.77.0.2', 3)).sent + (await linuxPing(ns, '10.77.0.2', 1, '-s', '3000')).sent;
  const last = (await linuxPing(ns, '10.77.0.2', 1, '-s', String(LAST_PAYLOAD))).sent;
  await seen.wrote(d.path('in.pcap'), (frame) => isEchoReply(frame, LAST_PAYLOAD));
  await seen.stop();

  // The same interface, address for address, in a vnet that Linux does not know.
  const ether = /ether ([0-9a-f:]{17})/.exec(await d.ok('v1', 'ifconfig', ifname))![1]!;
  await d.vnet('v2');
  await d.ok('v2', 'ifconfig', 'tap7', 'create', 'ether', ether);
  await d.ok('v2', 'ifconfig', 'tap7', 'inet', '10.77.0.2/24');
  const bound = await d.netloom('attach', 'v2:tap7', 'file:in.pcap,speed=max,record=out.pcapng').ended;
  expect(bound).toEqual({ status: 0, stdout: `v2:tap7 is bound to file:${d.path('in.pcap')},record=${d.path('out.pcapng')},speed=max\n`, stderr: '' });
  const files = async (): Promise<{ ended: boolean } | undefined> => {
    const { attachments } = JSON.parse((await d.netloom('ps', '--json').ended).stdout) as { attachments: { interface: string; files?: { ended: boolean } }[] };
    return attachments.find((attachment) => attachment.interface === 'tap7')?.files;
  };
  await Netns.until('the replay is at its end', async () => (await files())?.ended === true);
  expect(await d.netloom('detach', 'v2:tap7').ended).toMatchObject({ status: 0, stdout: 'v2:tap7 is bound no more\n' });

  const { lines, complaints, malformed } = await readings(d.path('out.pcapng'));
  expect({ complaints, malformed }).toEqual({ complaints: [], malformed: [] });
  // Everything that v1 had sent to Linux: the same answers, to the byte, but for identifications and its own requests.
  const replies = (text: string): string[] => text.split('\n').filter((line) => line.includes('ICMP echo reply'));
  const original = replies((await run('tcpdump', '-n', '-t', '-r', d.path('in.pcap'))).stdout);
  expect(original).toHaveLength(sent + last);
  expect(replies(lines.join('\n'))).toEqual(original);
  expect(lines.filter((line) => line.startsWith(`ARP, Reply 10.77.0.2 is-at ${ether}`))).not.toEqual([]);
})));
