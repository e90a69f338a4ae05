/**
 * guest.test.ts — the guests that other tests are made with: booted, asked, joined by QEMU's own socket, gone afterwards.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { peer } from '../../peers.js';
import { Guest, withGuests } from './guest.js';
import { guestImage } from './guest-image.js';

peer('guest', 'iperf3')('guests answer commands, see each other, and are gone', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-it-'));
  const at = `addr.type=unix,addr.path=${join(folder, 'wire')}`;
  const image = { modules: ['8021q'], programs: ['iperf3'], files: { '/etc/motd': 'woven\n' } };
  try {
    const first = await Guest.boot({ nics: [{ netdev: `stream,server=on,${at}` }], image: { ...image, script: 'echo the script ran\n' } });
    const pid = first.child.pid!;
    await withGuests([{ nics: [{ netdev: `stream,${at}` }], image }], async (second) => {
      expect(await first.run('echo out; echo err >&2; exit 3')).toEqual({ exitCode: 3, output: 'out\nerr\n' });
      await expect(first.ok('false')).rejects.toThrow('exit 1');
      expect(await first.ok('cat /etc/motd')).toBe('woven\n');
      expect((await first.says(/the script ran/, 1))[0]).toBe('the script ran');
      first.type('echo typed$((1+1))');
      await first.says(/typed2/, 20);
      await first.ok('ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up');
      await second.ok('ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; ip link add link eth0 name eth0.7 type vlan id 7');
      await second.ok('ping -c 3 10.0.0.1');
      const [served, asked] = await Promise.all([first.ok('iperf3 -s -1'), second.ok('iperf3 -c 10.0.0.1 -n 1M --connect-timeout 10000')]);
      expect(served).toMatch(/receiver/);
      expect(asked).toMatch(/iperf Done/);

      const cut = expect(first.run('sleep 60')).rejects.toThrow('the guest has ended');
      await first.end();
      await cut;
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    });
    expect(guestImage(image)).toEqual(guestImage(image));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

peer('guest')('a guest that does not boot says what QEMU said', async () => {
  await expect(Guest.boot({ args: ['-no-such-option'] })).rejects.toThrow('no-such-option');
});
