/**
 * lab-tap.test.ts — a lab file with a `host:` tap, by the netloom command: up, pinged from the namespace, down, and nothing is left.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, uniqueDevice, withNetns } from './netns.js';
import { withNetloom } from './netloom-command.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;

/** A router on the device, and a host behind it. */
const labFile = (device: string): string => `
name: office
vnets:
  router:
    forwarding: true
    interfaces:
      tap0: { host: ${device}, inet: 10.1.0.1/24 }
      lan: { inet: 10.2.0.1/24 }
  desk:
    interfaces: { eth0: { inet: 10.2.0.2/24 } }
    routes: [{ to: default, via: 10.2.0.1 }]
links:
  - [router:lan, desk:eth0]
`;

const interfaces = (ns: Netns): string[] => (JSON.parse(ns.ip('-json', 'link', 'show')) as { ifname: string }[]).map(({ ifname }) => ifname);

peer(...NEEDS)('a lab with a tap goes up, is pinged from Linux, and goes down without a trace', () => withNetns(2, (home, away) => withNetloom(home, {}, async (netloom, folder) => {
  const device = uniqueDevice();
  const before = interfaces(home);
  writeFileSync(join(folder, 'office.yaml'), labFile(device));
  expect(await netloom('up', 'office.yaml')).toMatchObject({ status: 0, stdout: 'lab "office" is up: router, desk\n' });
  expect(interfaces(home)).toEqual([...before, device]);
  const shown = JSON.parse((await netloom('ps', '--json')).stdout) as { attachments: object[] };
  expect(shown.attachments).toEqual([{ vnet: 'router', interface: 'tap0', device }]);

  // The device works where the daemon runs, and in another namespace that it is moved to.
  home.address(device, '10.1.0.2/24');
  expect((await linuxPing(home, '10.1.0.1', 1)).received).toBe(1);
  home.ip('link', 'set', 'dev', device, 'netns', away.name);
  away.ip('link', 'set', 'dev', device, 'addrgenmode', 'none');
  away.address(device, '10.1.0.2/24');
  away.up(device);
  away.ip('route', 'add', 'default', 'via', '10.1.0.1');
  const through = await linuxPing(away, '10.2.0.2', 3, '-s', '2000');
  expect(through.text).toContain('ttl=63');
  expect(through.received, through.text).toBe(3);
  expect((await netloom('exec', 'desk', 'ping', '-c', '1', '-t', '5', '10.1.0.2')).status).toBe(0);

  expect(await netloom('down')).toEqual({ status: 0, stdout: 'lab "office" is down\n', stderr: '' });
  expect([interfaces(home), interfaces(away)]).toEqual([before, ['lo']]);
  const left = JSON.parse((await netloom('ps', '--json')).stdout) as { labs: object[]; vnets: { name: string; interfaces: { name: string }[] }[]; attachments: object[] };
  expect({ ...left, vnets: left.vnets.map(({ name, interfaces: ifs }) => [name, ...ifs.map((i) => i.name)]) }).toEqual({ labs: [], vnets: [['host', 'lo0']], attachments: [], vms: [] });

  // Nothing of the first time is in the way of a second.
  expect(await netloom('up', 'office.yaml')).toMatchObject({ status: 0, stderr: '' });
  expect(interfaces(home)).toEqual([...before, device]);
  expect((await netloom('stop')).status).toBe(0);
  expect(interfaces(home)).toEqual(before);
  expect(readdirSync(folder).sort()).toEqual(['n.log', 'office.yaml']);
})));

peer(...NEEDS)('a device that cannot be had is told with its place in the file, and what was made is gone again', () => withNetns(1, (ns) => withNetloom(ns, {}, async (netloom, folder) => {
  const device = uniqueDevice();
  ns.ip('link', 'add', 'name', device, 'type', 'bridge');
  const before = interfaces(ns);
  writeFileSync(join(folder, 'office.yaml'), labFile(device));
  const { status, stdout, stderr } = await netloom('up', 'office.yaml');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr.split('\n').slice(-2)).toEqual([
    `netloom: office.yaml:7:21: cannot open TAP '${device}': an interface of that name exists and is not a TAP, or has several queues (EINVAL) (from: netloom attach router:tap0 ${device}); everything made before is gone again`, '',
  ]);
  expect(interfaces(ns)).toEqual(before);
  expect(JSON.parse((await netloom('ps', '--json')).stdout)).toMatchObject({ labs: [], vnets: [{ name: 'host' }], attachments: [], vms: [] });
})));

peer(...NEEDS)('a device that goes away leaves the lab standing, and the lab goes down all the same', () => withNetns(1, (ns) => withNetloom(ns, {}, async (netloom, folder) => {
  const device = uniqueDevice();
  writeFileSync(join(folder, 'office.yaml'), labFile(device));
  await netloom('up', 'office.yaml');
  ns.ip('link', 'delete', 'dev', device);
  await Netns.until('the tap has lost its carrier', async () => (await netloom('exec', 'router', 'ifconfig', 'tap0')).stdout.includes('status: no carrier'));
  expect(await netloom('attach', 'router:tap0', device)).toMatchObject({ status: 0, stderr: '' });
  ns.address(device, '10.1.0.2/24');
  await netloom('exec', 'router', 'ifconfig', 'tap0', 'inet', '10.1.0.1/24');
  expect((await linuxPing(ns, '10.1.0.1', 1)).received).toBe(1);
  expect(await netloom('down')).toEqual({ status: 0, stdout: 'lab "office" is down\n', stderr: '' });
})));
