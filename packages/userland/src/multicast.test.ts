/**
 * multicast.test.ts — transcripts of the tools of multicast: ifmcstat, mcast, netstat -g and -s, the words of snooping bridges.
 */
import { in6Aifaddr } from '@netloom/core';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../test/test-proc.js';

const S = 1_000_000;

/** Router r on two cables, hosts h0 and h1 at their other ends; `eth0` of a host, `e0` and `e1` of the router. */
async function lab(): Promise<ToolLab> {
  const l = new ToolLab();
  await l.sh('jail -c name=r persist vnet');
  for (const i of [0, 1]) {
    await l.sh(`jail -c name=h${i} persist vnet`);
    await l.sh('ifconfig epair create');
    await l.sh(`ifconfig epair${i}a vnet r`);
    await l.sh(`ifconfig epair${i}b vnet h${i}`);
    await l.sh(`ifconfig epair${i}a name e${i}`, { jail: 'r' });
    await l.sh(`ifconfig epair${i}b name eth0`, { jail: `h${i}` });
    await l.sh(`ifconfig e${i} inet 10.0.${i}.1/24`, { jail: 'r' });
    await l.sh(`ifconfig eth0 inet 10.0.${i}.2/24`, { jail: `h${i}` });
  }
  return l;
}

function vnet(l: ToolLab, jail: string): NonNullable<ReturnType<typeof l.kernel.prisons.find>>['vnet'] {
  const prison = l.kernel.prisons.find(l.kernel.prisons.prison0, jail);
  if (prison === null) throw new Error(`no jail ${jail}`);
  return prison.vnet;
}

function join(l: ToolLab, jail: string, group: string, source?: string): void {
  const v = vnet(l, jail);
  l.kernel.call(l.kernel.now, () => {
    const { so } = v.sockets.socket(2, 2);
    so?.joinGroup(ip4Parse(group) ?? 0, v.net.ifunit('eth0'), source === undefined ? null : ip4Parse(source));
  });
  for (let i = 0; i < 20; i++) l.kernel.tick(l.kernel.now + S);
}

describe('ifmcstat', () => {
  it('shows groups, how routers are told, and with -v sources and link-layer groups', async () => {
    const l = await lab();
    join(l, 'h0', '239.1.1.1');
    join(l, 'h0', '232.1.1.1', '10.0.1.2');
    const mac = (await l.sh('ifconfig eth0 ether', { jail: 'h0' })).stdout.match(/ether (\S+)/)?.[1];
    expect(await l.sh('ifmcstat -i eth0 -f inet', { jail: 'h0' })).toEqual({
      stdout: 'eth0:\n\tinet 10.0.0.2\n\tigmpv3 rv 2 qi 125 qri 10 uri 3\n\t\tgroup 224.0.0.1 mode exclude\n\t\t\tmcast-macaddr 01:00:5e:00:00:01\n'
        + '\t\tgroup 239.1.1.1 mode exclude\n\t\t\tmcast-macaddr 01:00:5e:01:01:01\n\t\tgroup 232.1.1.1 mode include\n\t\t\tmcast-macaddr 01:00:5e:01:01:01\n',
      stderr: '', exit: 0,
    });
    const verbose = (await l.sh('ifmcstat -i eth0 -v', { jail: 'h0' })).stdout;
    expect(verbose).toContain('group 232.1.1.1 mode include srcs 10.0.1.2\n');
    expect(verbose).toContain(`\tlink ${mac ?? ''}\n\t\tgroup 01:00:5e:00:00:01 refcnt 1\n\t\tgroup 01:00:5e:01:01:01 refcnt 2\n`);
    expect((await l.sh('ifmcstat -f inet -vv -i eth0', { jail: 'h0' })).stdout).toContain(' uri 3 v1timer 0 v2timer 0 v3timer 0\n');
    expect(JSON.parse((await l.sh('ifmcstat -i eth0 -f inet --json', { jail: 'h0' })).stdout)).toMatchObject({ ifmcstat: { interfaces: [{ name: 'eth0', families: [{ protocol: 'igmpv3' }] }] } });
  });

  it('IPv6: the link-local address and the groups that come with addresses', async () => {
    const l = await lab();
    const v = vnet(l, 'h0');
    v.in6Net.tun.dadCount = 0;
    const [eth0, addr] = [v.net.ifunit('eth0'), ip6Parse('2001:db8::2')];
    if (eth0 !== null && addr !== null) l.kernel.call(l.kernel.now, () => in6Aifaddr(v.in6Net, eth0, { addr, plen: 64 }));
    for (let i = 0; i < 20; i++) l.kernel.tick(l.kernel.now + S);
    const out = (await l.sh('ifmcstat -f inet6 -i eth0', { jail: 'h0' })).stdout;
    expect(out).toMatch(/^eth0:\n\tinet6 fe80::\S+%eth0 scopeid 0x[0-9a-f]+\n\tmldv2 flags=2<USEALLOW> rv 2 qi 125 qri 10 uri 3\n/);
    expect(out).toMatch(/\t\tgroup ff02::1:ff00:2%eth0 scopeid 0x[0-9a-f]+ mode exclude\n\t\t\tmcast-macaddr 33:33:ff:00:00:02\n/);
  });

  it('complaints', async () => {
    const l = await lab();
    expect(await l.sh('ifmcstat -i nowhere')).toEqual({ stdout: '', stderr: 'nowhere: unknown interface\n', exit: 68 });
    expect(await l.sh('ifmcstat -f ipx')).toEqual({ stdout: '', stderr: 'ipx: unknown address family\n', exit: 64 });
    expect((await l.sh('ifmcstat -f link -v')).exit).toBe(64);
    expect(await l.sh('ifmcstat -K')).toEqual({ stdout: '', stderr: 'ifmcstat: -K: there is no kernel memory to read here\n', exit: 1 });
  });
});

describe('mcast', () => {
  it('a querier hears who listens', async () => {
    const l = await lab();
    expect(await l.sh('mcast -4 querier e0', { jail: 'r' })).toEqual({ stdout: '', stderr: '', exit: 0 });
    join(l, 'h0', '239.1.1.1');
    const shown = (await l.sh('mcast -4 show', { jail: 'r' })).stdout;
    expect(shown).toMatch(/^e0: IGMPv3 querier self\n\tgroup 239\.1\.1\.1 mode exclude expires 2\d\d reporter 10\.0\.0\.2\n$/);
    expect(JSON.parse((await l.sh('mcast show --json', { jail: 'r' })).stdout)).toMatchObject({
      multicast: { inet: { queriers: [{ interface: 'e0', querier: 'self', version: 3, groups: [{ group: '239.1.1.1', mode: 'exclude', version: 3 }] }], routes: [] }, inet6: { queriers: [] } },
    });
    expect((await l.sh('netstat -s -p igmp', { jail: 'h0' })).stdout).toContain('\t1 V3 membership query received\n');
    await l.sh('mcast -4 querier e0 off', { jail: 'r' });
    expect((await l.sh('mcast show', { jail: 'r' })).stdout).toBe('');
  });

  it('routes, the tables and the counters of netstat', async () => {
    const l = await lab();
    expect(await l.sh('netstat -g', { jail: 'r' })).toMatchObject({
      stdout: '\nIPv4 Virtual Interface Table is empty\n\nIPv4 Multicast Forwarding Table is empty\n\n\nIPv6 Multicast Interface Table is empty\n\nIPv6 Multicast Forwarding Table is empty\n\n', exit: 0,
    });
    expect(await l.sh('mcast route add 239.1.1.1 in e0 out e1:4', { jail: 'r' })).toEqual({ stdout: '', stderr: '', exit: 0 });
    expect(await l.sh('mcast route add ff05::1:3 in e0 out e1', { jail: 'r' })).toEqual({ stdout: '', stderr: '', exit: 0 });
    const h = vnet(l, 'h0');
    l.kernel.call(l.kernel.now, () => {
      const { so } = h.sockets.socket(2, 2);
      so?.setsockopt('IP_MULTICAST_TTL', 9);
      so?.setMulticastIf(h.net.ifunit('eth0'));
      so?.send(new Uint8Array(3), ip4Parse('239.1.1.1') ?? 0, 5000);
    });
    l.kernel.tick(l.kernel.now + S);
    expect((await l.sh('netstat -g -f inet', { jail: 'r' })).stdout).toBe(
      '\nIPv4 Virtual Interface Table\n Vif   Thresh   Local-Address   Remote-Address    Pkts-In   Pkts-Out\n'
        + '  0         1   10.0.0.1                                1          0\n  1         1   10.0.1.1                                0          1\n'
        + '\nIPv4 Multicast Forwarding Table\n Origin          Group             Packets In-Vif  Out-Vifs:Ttls\n 10.0.0.2        239.1.1.1               1    0    1:4\n\n',
    );
    expect((await l.sh('netstat -gs -f inet', { jail: 'r' })).stdout).toMatch(/^IPv4 multicast forwarding:\n\t1 multicast forwarding cache lookup\n\t1 multicast forwarding cache miss\n/);
    expect((await l.sh('mcast show', { jail: 'r' })).stdout).toBe('route 239.1.1.1 in e0 out e1:4\nroute ff05::1:3 in e0 out e1\n');
    expect(JSON.parse((await l.sh('netstat -g --json', { jail: 'r' })).stdout)).toMatchObject({ statistics: { inet: { 'multicast-forwarding-entry': [{ 'group-address': '239.1.1.1', 'sent-packets': 1 }] } } });
    expect(await l.sh('mcast route delete 239.1.1.1', { jail: 'r' })).toEqual({ stdout: '', stderr: '', exit: 0 });
    expect(await l.sh('mcast route delete 239.1.1.1', { jail: 'r' })).toEqual({ stdout: '', stderr: 'mcast: route delete 239.1.1.1: there is none such\n', exit: 1 });
  });

  it('a proxy', async () => {
    const l = await lab();
    expect(await l.sh('mcast proxy e0 e1', { jail: 'r' })).toEqual({ stdout: '', stderr: '', exit: 0 });
    join(l, 'h1', '239.1.1.1');
    expect((await l.sh('mcast -4 show', { jail: 'r' })).stdout).toContain('IGMP proxy e0 for e1: 239.1.1.1\n');
    expect((await l.sh('mcast proxy e0 e0', { jail: 'r' })).stderr).toBe('mcast: proxy e0: each interface may be named once\n');
    expect((await l.sh('mcast proxy off', { jail: 'r' })).exit).toBe(0);
    expect((await l.sh('mcast -4 show', { jail: 'r' })).stdout).not.toContain('proxy');
  });

  it('complaints', async () => {
    const l = await lab();
    const err = async (line: string): Promise<string> => (await l.sh(line, { jail: 'r' })).stderr;
    expect(await err('mcast querier nowhere')).toBe('mcast: interface nowhere does not exist\n');
    expect(await err('mcast querier lo0')).toBe('mcast: querier lo0: lo0 has no multicast\n');
    expect(await err('mcast querier e0 version 3')).toBe('mcast: version 3: MLD has versions 1 to 2; say -4 for IGMP alone\n');
    expect(await err('mcast querier e0 interval 5')).toBe('mcast: response 10: must not be greater than the interval, 5\n');
    expect(await err('mcast querier e0 robustness 9')).toBe('mcast: robustness 9: a number from 1 to 7 is needed\n');
    expect(await err('mcast route add 224.0.0.5 in e0 out e1')).toBe('mcast: route add 224.0.0.5: a group beyond the link is needed, and outputs other than e0\n');
    expect((await l.sh('mcast', { jail: 'r' })).exit).toBe(64);
  });
});

describe('ifconfig of a bridge that snoops', () => {
  it('mcsnoop and what belongs to it', async () => {
    const l = new ToolLab();
    await l.sh('ifconfig bridge0 create');
    await l.sh('ifconfig epair0 create');
    await l.sh('ifconfig bridge0 addm epair0a up');
    expect((await l.sh('ifconfig bridge0')).stdout).not.toContain('mcsnoop');
    expect(await l.sh('ifconfig bridge0 mcgroups')).toEqual({ stdout: '', stderr: 'ifconfig: mcgroups: bridge0 does not snoop; ifconfig bridge0 mcsnoop turns it on\n', exit: 1 });
    expect(await l.sh('ifconfig bridge0 mcsnoop mcfastleave mcflood mcmaxgroups 77 mcrouter epair0a')).toEqual({ stdout: '', stderr: '', exit: 0 });
    expect((await l.sh('ifconfig bridge0')).stdout).toContain('\tmcsnoop groups 0 mcmaxgroups 77 fastleave flood routers epair0a\n');
    expect((await l.sh('ifconfig bridge0 mcgroups')).stdout).toBe('router epair0a 0\n');
    expect(JSON.parse((await l.sh('ifconfig --json bridge0')).stdout)).toMatchObject([{ bridge: { mcsnoop: { fastleave: true, flood: true, mcmaxgroups: 77, routers: [{ name: 'epair0a' }] } } }]);
    expect((await l.sh('ifconfig bridge0 -mcfastleave -mcflood -mcrouter epair0a')).exit).toBe(0);
    expect((await l.sh('ifconfig bridge0 mcrouter nowhere')).stderr).toBe('ifconfig: mcrouter nowhere: No such file or directory\n');
    expect((await l.sh('ifconfig bridge0 -mcsnoop')).exit).toBe(0);
    expect((await l.sh('ifconfig bridge0')).stdout).not.toContain('mcsnoop');
    expect((await l.sh('ifconfig epair0b mcsnoop')).stderr).toBe('ifconfig: mcsnoop: Invalid argument\n');
  });
});
