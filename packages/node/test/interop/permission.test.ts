/**
 * permission.test.ts — the netloom command as the user nobody: without permission for a TAP it says which two commands give it, and
 * those two commands do.
 *
 * The test's mount namespace has a /dev/net/tun of its own, so that this machine's rights do not matter and are not touched.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { NOBODY, withNetloom } from './netloom-command.js';
import type { NetloomCommand } from './netloom-command.js';
import { uniqueDevice, withNetns } from './netns.js';
import type { Netns } from './netns.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping', 'setpriv', 'unshare'] as const;

/**
 * Words that run a command line as nobody, with a /dev/net/tun of mode `mode`. Nobody may read every file, because
 * this checkout may be where only its owner can; that helps with no device.
 */
function asNobody(mode: '600' | '666'): string[] {
  const tun = `mount -t tmpfs none /dev/net && mknod -m ${mode} /dev/net/tun c 10 200 && exec "$@"`;
  const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search', '--'];
  return ['unshare', '--mount', 'sh', '-c', tun, 'sh', ...drop];
}

const labFile = (device: string): string => `name: office
vnets:
  r1:
    interfaces:
      tap0: { host: ${device}, inet: 10.1.0.1/24 }
`;

function scene(mode: '600' | '666', body: (netloom: NetloomCommand, ns: Netns, device: string) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withNetloom(ns, { before: asNobody(mode), owner: NOBODY }, async (netloom, folder) => {
        const device = uniqueDevice();
        writeFileSync(join(folder, 'office.yaml'), labFile(device));
        await body(netloom, ns, device);
      }),
    );
}

/** The advice for `device`, as it is printed. */
const advice = (device: string): string => `Create it once for your user, then no root is needed:
  sudo ip tuntap add dev ${device} mode tap user $USER
  sudo ip link set ${device} up
You must also be able to read and write /dev/net/tun (sudo chmod 0666 /dev/net/tun where it is closed).
`;

describe('nobody', () => {
  peer(...NEEDS)('is told what to do when /dev/net/tun is closed', scene('600', async (netloom, ns, device) => {
    const up = await netloom('up', 'office.yaml');
    expect(up).toMatchObject({ status: 1, stdout: '' });
    expect(up.stderr.slice(up.stderr.indexOf('\n') + 1)).toBe(
      `netloom: office.yaml:5:21: cannot open TAP '${device}': you may not open /dev/net/tun (EACCES). ${advice(device)}(from: netloom attach r1:tap0 ${device}); everything made before is gone again\n`,
    );
    await netloom('exec', 'host', 'ifconfig', 'tap0', 'create');
    expect(await netloom('attach', 'host:tap0', device)).toEqual({
      status: 1, stdout: '', stderr: `netloom: cannot open TAP '${device}': you may not open /dev/net/tun (EACCES). ${advice(device)}`,
    });
    expect(ns.ip('-oneline', 'link', 'show')).not.toContain(device);
  }));

  peer(...NEEDS)('does what it was told, and has its TAP', scene('666', async (netloom, ns, device) => {
    const refused = await netloom('up', 'office.yaml');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`cannot open TAP '${device}': it is not yours, or does not exist and you may not create it (EPERM). ${advice(device)}`);

    const commands = refused.stderr.split('\n').filter((line) => line.startsWith('  sudo '));
    expect(commands).toHaveLength(2);
    const done = await ns.run('sh', '-c', `sudo() { "$@"; }; USER=${NOBODY}\n${commands.join('\n')}`);
    expect(done).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await netloom('up', 'office.yaml')).toEqual({ status: 0, stdout: 'lab "office" is up: r1\n', stderr: '' });
    ns.address(device, '10.1.0.2/24');
    expect((await linuxPing(ns, '10.1.0.1', 1)).received).toBe(1);
    expect(await netloom('down')).toMatchObject({ status: 0, stderr: '' });
    // It was made for good: the next daemon needs no root either.
    expect(ns.ip('-oneline', 'link', 'show')).toContain(device);
    expect((await netloom('up', 'office.yaml')).status).toBe(0);
  }));
});
