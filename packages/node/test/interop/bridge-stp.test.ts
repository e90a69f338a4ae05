/**
 * bridge-stp.test.ts — the kernel's bridge and one of a vnet, joined by two taps: the spanning tree cuts the loop, and traffic flows.
 * Read first: bridge(8) of iproute2, ip-link(8) "bridge"; ifconfig(8) "Bridge Interface Parameters".
 *
 * Linux speaks the old protocol only, so our rapid bridge has to notice that. It is the root, and its times are the shortest there are:
 * Linux's ports listen and learn for 4 s each.
 */
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';

const TIMEOUT_MS = 90_000;
/** Broadcasts that a healthy network carries in a test; a loop makes thousands a second. */
const FRAMES_MAX = 200;

peer('root', 'tun', 'netns', 'bridge-device', 'ip', 'ping')('a loop through Linux is cut, and Linux reaches us', { timeout: TIMEOUT_MS, retry: 1 }, () =>
  withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('v1');
    ns.ip('link', 'add', 'name', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '400', 'mcast_snooping', '0');
    const cables = [await d.plug('v1', ns), await d.plug('v1', ns)];
    const bridge = (await d.ok('v1', 'ifconfig', 'bridge', 'create')).trim();
    await d.ok('v1', 'ifconfig', bridge, 'priority', '0', 'fwddelay', '4', 'maxage', '6', ...cables.flatMap((c) => ['addm', c.ifname, 'stp', c.ifname]));
    await d.ok('v1', 'ifconfig', bridge, 'inet', '10.78.0.1/24', 'up');
    for (const c of cables) ns.ip('link', 'set', 'dev', c.device, 'master', 'br0');
    ns.ip('link', 'set', 'dev', 'br0', 'addrgenmode', 'none');
    ns.address('br0', '10.78.0.2/24');
    ns.up('br0');

    const states = (): string[] => cables.map((c) => {
      const [link] = JSON.parse(ns.ip('-json', '-details', 'link', 'show', 'dev', c.device)) as { linkinfo: { info_slave_data: { state: string } } }[];
      return link!.linkinfo.info_slave_data.state;
    });
    const settled = async (): Promise<boolean> => {
      const ours = await d.ok('v1', 'ifconfig', bridge);
      return (ours.match(/role designated state forwarding/g)?.length ?? 0) === cables.length && states().sort().join() === 'blocking,forwarding';
    };
    await Netns.until('the tree stands', settled, 45);
    expect(await d.ok('v1', 'ifconfig', bridge)).toMatch(/proto stp\n[^]*proto stp\n/);
    const before = cables.map((c) => ns.counter(c.device, 'rx_packets'));
    const ping = await ns.run('ping', '-c', '3', '-i', '0.2', '-W', '2', '10.78.0.1');
    expect(ping, ping.stdout).toMatchObject({ status: 0 });
    await d.ok('v1', 'ping', '-c', '3', '-i', '0.2', '10.78.0.2');
    for (const [i, c] of cables.entries()) expect(ns.counter(c.device, 'rx_packets') - before[i]!).toBeLessThan(FRAMES_MAX);
  })));
