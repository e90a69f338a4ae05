/**
 * datapath-queues.test.ts — devices with several queues, each read by another worker: a TAP, and an interface that Linux has, joined by a bridge.
 * Read first: docs/linux.md. The workers are the built ones (dist/).
 */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import type { DatapathView } from '../../src/datapath/datapath-view.js';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { LinuxPython } from './linux-python.js';
import { ip, uniqueDevice, withNetns } from './netns.js';
import { adoptQuietly, withDaemon } from './test-daemon.js';

peer('root', 'tun', 'netns', 'ip', 'ping', 'python3')('a bridge of a TAP and an interface, two queues each, carries TCP both ways by two workers', { timeout: 60_000 }, async () => {
  const [tap, near, far] = [uniqueDevice(), uniqueDevice(), uniqueDevice()];
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  ip('link', 'set', 'dev', far, 'addrgenmode', 'none');
  ip('link', 'set', 'dev', far, 'up');
  try {
    await withNetns(2, (a, b) => withDaemon(async (d) => {
      await d.vnet('sw');
      const attach = async (device: string): Promise<string> => {
        const ifname = (await d.ok('sw', 'ifconfig', 'tap', 'create', 'up')).trim();
        await d.client.post('/v1/attachments', { vnet: 'sw', interface: ifname, device });
        return ifname;
      };
      const members = [await attach(`${tap},queues=2`), await attach(`packet:${far},queues=2`)];
      adoptQuietly(a, tap, '10.9.0.1/24');
      adoptQuietly(b, near, '10.9.0.2/24');
      await d.ok('sw', 'ifconfig', 'bridge', 'create');
      await d.ok('sw', 'ifconfig', 'bridge0', ...members.flatMap((m) => ['addm', m]), 'up');
      const ping = await linuxPing(a, '10.9.0.2', 5);
      expect(ping.received, ping.text).toBeGreaterThanOrEqual(5);
      const [left, right] = [new LinuxPython(a), new LinuxPython(b)];
      // Eight connections each way, so that both queues of both devices have some.
      await Promise.all([[left, right, '10.9.0.2'], [right, left, '10.9.0.1']].map(async ([from, to, address]) => {
        const [out, back] = [from as LinuxPython, to as LinuxPython];
        await back.run('l = server(7)');
        await out.run(`cs = [create_connection(('${address as string}', 7)) for _ in range(8)]`);
        await back.run('import concurrent.futures; pool = concurrent.futures.ThreadPoolExecutor(); got = [pool.submit(to_end, l.accept()[0]) for _ in range(8)]');
      }));
      for (const [from, to] of [[left, right], [right, left]] as const) {
        // Connections that were asked for one after the other may be accepted in another order.
        const sent = await from.run<unknown[][]>('[[send_noise(c, 1 << 20, i), c.shutdown(SHUT_WR)][0] for i, c in enumerate(cs)]');
        const got = await to.run<unknown[][]>('[g.result() for g in got]');
        expect(got.map(String).sort()).toEqual(sent.map(String).sort());
      }
      const { ports } = await d.client.get<DatapathView>('/v1/datapath');
      expect(ports.map(({ device, workers, txErrors }) => ({ device, workers: [...workers].sort(), txErrors }))).toEqual([
        { device: tap, workers: [0, 1], txErrors: 0 },
        { device: `packet:${far}`, workers: [0, 1], txErrors: 0 },
      ]);
      for (const py of [left, right]) py.kill();
    }, 2));
  } finally {
    spawnSync('ip', ['link', 'delete', far]);
  }
});
