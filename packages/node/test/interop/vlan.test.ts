/**
 * vlan.test.ts — 802.1Q and 802.1ad across a tap: tags leave as bytes of the frame, and come in as such.
 * Read first: IEEE 802.1Q clause 9; vlan(4); if_bridge(4). The far end is raw-door.ts, because the kernel may have no VLANs.
 */
import { craftArp, craftEcho } from '@netloom/core/sim';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { startTcpdump } from './linux-tcpdump.js';
import { Netns, withNetns } from './netns.js';
import { withRawDoor } from './raw-door.js';
import { withDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;
const FAR = '02:00:00:00:00:99';
const NOBODY = '00:00:00:00:00:00';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const QTAG = 0x8100;
const STAG = 0x88a8;
const ARP = 0x0806;
const IPV4 = 0x0800;

/** `frame` with a tag behind its addresses. */
function tagged(frame: Uint8Array, tci: number, proto = QTAG): Uint8Array {
  const out = new Uint8Array(frame.length + 4);
  out.set(frame.subarray(0, 12));
  new DataView(out.buffer).setUint32(12, ((proto << 16) | tci) >>> 0);
  out.set(frame.subarray(12), 16);
  return out;
}

const macOf = (frame: Uint8Array, off: number): string => [...frame.subarray(off, off + 6)].map((b) => b.toString(16).padStart(2, '0')).join(':');

describe('a VLAN on a tap', () => {
  peer(...NEEDS, 'tcpdump')('answers tagged frames with tagged frames, and only its own', () =>
    withNetns(1, (ns) => withDaemon(async (d) => {
      await d.vnet('v1');
      const { ifname, device } = await d.plug('v1', ns);
      await d.ok('v1', 'ifconfig', 'vlan20', 'create', 'vlan', '20', 'vlandev', ifname, 'inet', '10.20.0.1/24');
      await d.ok('v1', 'ifconfig', 'vlan20', 'vlanpcp', '5');
      await withRawDoor(ns, device, async (door) => {
        const seen = await startTcpdump(ns, device, '-e', '-xx', 'arp', 'or', 'icmp', 'or', 'vlan');
        const question = craftArp({ src: FAR, dst: BROADCAST }, 1, FAR, '10.20.0.2', NOBODY, '10.20.0.1');
        for (const wrong of [question, tagged(question, 21), tagged(question, 20, STAG)]) door.send(wrong);
        door.send(tagged(question, 20));
        const answer = await door.frame('an ARP answer', (v) => v.getUint16(12) === QTAG && v.getUint16(16) === ARP);
        // Priority 5, VLAN 20, in the bytes behind the addresses.
        expect(Buffer.from(answer.subarray(12, 18)).toString('hex')).toBe('8100a0140806');
        const ours = macOf(answer, 6);
        expect(macOf(answer, 18 + 8)).toBe(ours);

        const echo = craftEcho({ src: FAR, dst: ours }, { src: '10.20.0.2', dst: '10.20.0.1' }, 7, 1, 100);
        door.send(tagged(echo, 20));
        const reply = await door.frame('an echo reply', (v) => v.getUint16(12) === QTAG && v.getUint16(16) === IPV4);
        expect(reply.length).toBe(4 + echo.length);
        expect(Buffer.from(reply.subarray(12, 16)).toString('hex')).toBe('8100a014');
        // Payload, identifier and sequence number came back as they were sent.
        expect(Buffer.from(reply.subarray(4 + 14 + 20 + 4)).equals(Buffer.from(echo.subarray(14 + 20 + 4)))).toBe(true);
        await Netns.until('tcpdump has printed the reply', () => seen.heard.stdout.includes('ICMP echo reply'));
        const { stdout } = await seen.stop();
        expect(stdout).toMatch(new RegExp(`${ours} > ${FAR}, ethertype 802\\.1Q \\(0x8100\\), length 46: vlan 20, p 5, ethertype ARP .*Reply 10\\.20\\.0\\.1 is-at ${ours}`));
        expect(stdout).toMatch(/vlan 20, p 5, ethertype IPv4 .*10\.20\.0\.1 > 10\.20\.0\.2: ICMP echo reply, id 7, seq 1/);
        expect(stdout).toMatch(/0x0000: {2}[0-9a-f ]{24} [0-9a-f]{4} [0-9a-f]{4}\s+.*\n/);
      });
      // Nothing answered the frames that were not for VLAN 20.
      expect((await d.ok('v1', 'arp', '-an')).match(/10\.20\.0\.2/g)).toHaveLength(1);
    })));

  peer(...NEEDS)('speaks 802.1ad where it is told to, and 802.1Q inside it', () =>
    withNetns(1, (ns) => withDaemon(async (d) => {
      await d.vnet('v1');
      const { ifname, device } = await d.plug('v1', ns);
      await d.ok('v1', 'ifconfig', 'vlan100', 'create', 'vlan', '100', 'vlandev', ifname, 'vlanproto', '802.1ad', 'up');
      await d.ok('v1', 'ifconfig', 'vlan7', 'create', 'vlan', '7', 'vlandev', 'vlan100', 'inet', '10.7.0.1/24');
      await withRawDoor(ns, device, async (door) => {
        const question = craftArp({ src: FAR, dst: BROADCAST }, 1, FAR, '10.7.0.2', NOBODY, '10.7.0.1');
        door.send(tagged(tagged(question, 7), 100, STAG));
        const answer = await door.frame('an ARP answer', (v) => v.getUint16(12) === STAG && v.getUint16(20) === ARP);
        expect(Buffer.from(answer.subarray(12, 22)).toString('hex')).toBe('88a800648100000708' + '06');
      });
    })));
});

describe('a bridge of a tap and a VLAN on another tap', () => {
  peer(...NEEDS, 'ping', 'tcpdump')('is a switch with an access port and a trunk', () =>
    withNetns(2, (access, trunk) => withDaemon(async (d) => {
      await d.vnet('sw');
      const port = await d.plug('sw', access, { linux: '10.20.0.1/24' });
      const uplink = await d.plug('sw', trunk);
      // A VLAN carries four bytes less than its interface does; the members of a bridge have one MTU.
      await d.ok('sw', 'ifconfig', uplink.ifname, 'mtu', '1504');
      await d.ok('sw', 'ifconfig', 'vlan20', 'create', 'vlan', '20', 'vlandev', uplink.ifname, 'up');
      await d.ok('sw', 'ifconfig', 'bridge0', 'create', 'addm', port.ifname, 'addm', 'vlan20', 'up');
      await withRawDoor(trunk, uplink.device, async (door) => {
        const seen = await startTcpdump(trunk, uplink.device, '-e');
        const ping = access.run('ping', '-n', '-c', '2', '-i', '0.2', '-w', '8', '10.20.0.2');
        const question = await door.frame('an ARP request', (v) => v.getUint16(12) === QTAG && v.getUint16(16) === ARP);
        expect(Buffer.from(question.subarray(12, 18)).toString('hex')).toBe('810000140806');
        const linux = macOf(question, 6);
        door.send(tagged(craftArp({ src: FAR, dst: linux }, 2, FAR, '10.20.0.2', linux, '10.20.0.1'), 20));
        for (const seq of [1, 2]) {
          const request = await door.frame(`echo request ${seq}`, (v, f) => f.length > 46 && v.getUint16(12) === QTAG && v.getUint16(16) === IPV4 && v.getUint16(18 + 20 + 6) === seq);
          door.send(echoReply(request));
        }
        expect(await ping).toMatchObject({ status: 0, stderr: '' });
        expect((await ping).stdout).toContain('2 received');
        await Netns.until('tcpdump has printed both replies', () => seen.heard.stdout.toString().split('echo reply').length === 3);
        const { stdout } = await seen.stop();
        // Everything on the trunk is tagged; that nothing is on the access port, Linux has shown: it would not have known what to do with it.
        expect(stdout.split('\n').filter((line) => !line.includes('vlan 20, p 0,') && line !== '')).toEqual([]);
      });
      const table = await d.ok('sw', 'ifconfig', 'bridge0', 'addr');
      expect(table).toMatch(new RegExp(`${FAR} Vlan\\d+ vlan20 `));
      expect(table).toMatch(new RegExp(`Vlan\\d+ ${port.ifname} `));
    })));
});

/** The answer to a tagged echo request: addresses exchanged, type 0, checksum mended (RFC 1624). */
function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice();
  const [ip, icmp] = [18, 38];
  reply.set(request.subarray(6, 12), 0);
  reply.set(request.subarray(0, 6), 6);
  reply.set(request.subarray(ip + 16, ip + 20), ip + 12);
  reply.set(request.subarray(ip + 12, ip + 16), ip + 16);
  reply[icmp] = 0;
  const view = new DataView(reply.buffer);
  const sum = view.getUint16(icmp + 2) + 0x0800;
  view.setUint16(icmp + 2, (sum & 0xffff) + (sum >> 16));
  return reply;
}
