/**
 * multicast.test.ts — Linux joins groups that our querier sees; a Linux bridge that snoops sees the reports of our host, and its queries are answered.
 * Read first: ip-address(8) "autojoin"; bridge(8) "mdb".
 */
import { PF_INET, PF_INET6, SOCK_DGRAM, in6Aifaddr } from '@netloom/core';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';

interface Shown {
  readonly multicast: Readonly<Record<'inet' | 'inet6', { readonly queriers: readonly { readonly groups: readonly { readonly group: string; readonly version: number; readonly reporter: string }[] }[] }>>;
}

peer('root', 'tun', 'netns', 'ip')('groups that Linux joins and leaves are seen by our querier', { timeout: 90_000 }, () =>
  withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('v1');
    const cable = await d.plug('v1', ns, { vnet: '10.79.0.1/24', linux: '10.79.0.2/24' });
    await d.ok('v1', 'mcast', '-4', 'querier', cable.ifname);
    ns.ip('addr', 'add', '239.7.7.7/32', 'dev', cable.device, 'autojoin');
    const groups = async (): Promise<string[]> => {
      const shown = JSON.parse(await d.ok('v1', 'mcast', 'show', '--json')) as Shown;
      return shown.multicast.inet.queriers.flatMap((q) => q.groups.map((g) => `${g.group} v${g.version} ${g.reporter}`));
    };
    await Netns.until('the group is known', async () => (await groups()).includes('239.7.7.7 v3 10.79.0.2'));
    ns.ip('addr', 'del', '239.7.7.7/32', 'dev', cable.device);
    await Netns.until('the group is forgotten', async () => !(await groups()).some((g) => g.startsWith('239.7.7.7')), 15);
  })));

peer('root', 'tun', 'netns', 'ip', 'bridge-device', 'bridge')('a Linux bridge that snoops sees what our host listens to', { timeout: 90_000 }, () =>
  withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('v1');
    const cable = await d.plug('v1', ns, { vnet: '10.79.1.1/24', linux: '10.79.1.2/24' });
    ns.ip('link', 'add', 'name', 'br0', 'type', 'bridge', 'mcast_snooping', '1', 'mcast_querier', '1', 'mcast_igmp_version', '3', 'mcast_mld_version', '2');
    // It skips an MLD query while its link-local address is tentative, and would repeat it in 31 s only.
    ns.ip('link', 'set', 'dev', 'br0', 'type', 'bridge', 'mcast_startup_query_interval', '100', 'mcast_startup_query_count', '10');
    ns.ip('link', 'set', 'dev', cable.device, 'master', 'br0');
    ns.up('br0');
    const { kernel, loop } = d.daemon;
    const { vnet } = kernel.prisons.find(kernel.prisons.prison0, 'v1')!;
    const ifp = vnet.net.ifunit(cable.ifname)!;
    expect(kernel.call(loop.enter(), () => in6Aifaddr(vnet.in6Net, ifp, { addr: ip6Parse('2001:db8:79::1')!, plen: 64 }))).toBe(0);
    const [four, six] = kernel.call(loop.enter(), () => {
      const sockets = [vnet.sockets.socket(PF_INET, SOCK_DGRAM).so!, vnet.sockets.socket(PF_INET6, SOCK_DGRAM).so!] as const;
      expect(sockets[0].joinGroup(ip4Parse('239.8.8.8')!, ifp)).toBe(0);
      expect(sockets[1].joinGroup6(ip6Parse('ff05::8:8')!, ifp)).toBe(0);
      return sockets;
    });
    const mdb = async (): Promise<string> => (await ns.run('bridge', 'mdb', 'show', 'dev', 'br0')).stdout;
    await Netns.until('IGMP is seen', async () => (await mdb()).includes(`port ${cable.device} grp 239.8.8.8`));
    await Netns.until('MLD is seen', async () => (await mdb()).includes(`port ${cable.device} grp ff05::8:8`));
    await Netns.until('its queries have come', () => vnet.igmp.stats.rcvV3Queries > 0 && vnet.mld.stats.rcvV2Queries > 0, 30);
    kernel.call(loop.enter(), () => [four.close(), six.close()]);
    await Netns.until('leaves are seen', async () => !/grp (239\.8\.8\.8|ff05::8:8)/.test(await mdb()), 15);
  })));
