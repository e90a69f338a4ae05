/**
 * tcp-pmtud-linux.test.ts — a narrow link in the middle of the path: both ends believe in 1,500 bytes until a router says otherwise, ours or Linux's.
 * Read first: RFC 1191, RFC 8201; tcp-neighbour.ts.
 *
 *     v1 ──1500── r1 ──1300── r2 ──1500── Linux        our routers say it to both ends
 *     v1 ──1500── Linux a ──1300── Linux b             Linux says it to the vnet
 *
 * Compared: bytes by SHA-256, and the segment size both end up with.
 */
import { createHash } from 'node:crypto';
import { listen } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import type { LinuxTcpInfo } from './linux-python.js';
import { LinuxPython } from './linux-python.js';
import { uniqueDevice, withNetns } from './netns.js';
import { FAMILIES, LIMIT, LINUX, ROUTED_VNET, TCP_PEERS, VNET, accepted, connectWith, finish, vnetOf, withRoutedNeighbour, write } from './tcp-neighbour.js';
import type { Family } from './tcp-neighbour.js';
import { withDaemon } from './test-daemon.js';

const NARROW = 1_300;
const BYTES = 500_000;
/** Payload of a segment of so many bytes, timestamps in it. */
const mssOf = (mtu: number, family: Family): number => mtu - (family === 4 ? 40 : 60) - 12;

const data = Buffer.alloc(BYTES, 'weft and warp, ');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a path narrower than its ends', () => {
  for (const family of FAMILIES) {
    peer(...TCP_PEERS)(`our routers tell both ends, IPv${family}`, LIMIT, () => withRoutedNeighbour({}, NARROW, async ({ py, vnet }) => {
      const listener = listen(vnet, { address: family === 6 ? '::' : '0.0.0.0', port: 5001 });
      await py.run(`s = create_connection(('${ROUTED_VNET[family]}', 5001))`);
      const stream = await accepted(listener);
      expect([stream.socket.info().sndMss, (await py.run<LinuxTcpInfo>('info(s)')).snd_mss]).toEqual([mssOf(1500, family), mssOf(1500, family)]);
      // The vnet sends.
      const heard = py.run<string>(`hashlib.sha256(exactly(s, ${BYTES})).hexdigest()`);
      await write(stream, data);
      expect(await heard).toBe(sha256(data));
      expect(stream.socket.info().sndMss).toBe(mssOf(NARROW, family));
      const { stats } = vnet.tcp;
      expect([stats.mturesent, stats.rexmttimeo]).toEqual([1, 0]);
      // Linux sends.
      const sent = py.run<[number, string]>(`send_noise(s, ${BYTES})`);
      const hash = createHash('sha256');
      let got = 0;
      const reader = stream.readable.getReader();
      while (got < BYTES) {
        const { value } = await reader.read();
        hash.update(value!);
        got += value!.length;
      }
      reader.releaseLock();
      expect((await sent)[1]).toBe(hash.digest('hex'));
      const { pmtu, snd_mss } = await py.run<LinuxTcpInfo>('info(s)');
      expect({ pmtu, snd_mss }).toEqual({ pmtu: NARROW, snd_mss: mssOf(NARROW, family) });
      listener.close();
      stream.abort();
    }));

    peer(...TCP_PEERS)(`Linux as the router tells the vnet, IPv${family}`, LIMIT, () =>
      withNetns(2, (a, b) =>
        withDaemon(async (d) => {
          await d.vnet('v1');
          const cable = await d.plug('v1', a, { vnet: `${VNET[4]}/24`, linux: `${LINUX[4]}/24` });
          await d.ok('v1', 'ifconfig', cable.ifname, 'inet6', `${VNET[6]}/64`, 'no_dad');
          await d.ok('v1', 'route', 'add', 'default', LINUX[4]);
          await d.ok('v1', 'route', 'add', '-inet6', 'default', LINUX[6]);
          // A router asks for neighbours with its link-local address.
          for (const address of [`${LINUX[6]}/64`, 'fe80::1/64']) a.ip('-6', 'addr', 'add', address, 'dev', cable.device, 'nodad');
          const [left, right] = [uniqueDevice(), uniqueDevice()];
          a.ip('link', 'add', 'name', left, 'type', 'veth', 'peer', 'name', right, 'netns', b.name);
          a.ip('link', 'set', 'dev', left, 'mtu', String(NARROW));
          for (const [ns, dev, host] of [[a, left, 1], [b, right, 2]] as const) {
            ns.ip('link', 'set', 'dev', dev, 'addrgenmode', 'none');
            ns.address(dev, `10.80.0.${host}/24`);
            for (const prefix of ['fd80', 'fe80']) ns.ip('-6', 'addr', 'add', `${prefix}::${host}/64`, 'dev', dev, 'nodad');
            ns.up(dev);
          }
          b.ip('route', 'add', 'default', 'via', '10.80.0.1');
          b.ip('-6', 'route', 'add', 'default', 'via', 'fd80::1');
          const router = new LinuxPython(a);
          for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) await router.run(`sysctl('${name}', 1)`);
          const py = new LinuxPython(b);
          await py.run(`l = server(5001, AF_INET${family === 6 ? '6' : ''})`);
          const vnet = vnetOf(d, 'v1');
          const far = family === 4 ? '10.80.0.2' : 'fd80::2';
          // A veth that has just come up may lose what comes first, and that shall not be the SYN.
          await d.ok('v1', 'ping', '-o', '-c', '8', far);
          const stream = await connectWith(vnet, {}, far, 5001);
          await py.run('s, _ = l.accept()');
          expect(stream.socket.info().sndMss).toBe(mssOf(1500, family));
          const heard = py.run('to_end(s)');
          await write(stream, data);
          await finish(stream);
          expect(await heard).toEqual([BYTES, sha256(data)]);
          expect(stream.socket.info().sndMss).toBe(mssOf(NARROW, family));
          const { stats } = vnet.tcp;
          expect([stats.mturesent, stats.rexmttimeo]).toEqual([1, 0]);
          stream.abort();
        }),
      ));
  }
});
