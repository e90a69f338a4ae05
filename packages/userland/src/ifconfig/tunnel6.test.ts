/**
 * tunnel6.test.ts — tunnels with IPv6 inside, outside, or both, and what upstream's if_stf cases do.
 */
import { describe, expect, it } from 'vitest';
import { in6Aifaddr, in6Difaddr } from '@netloom/core';
import type { Vnet } from '@netloom/core';
import { ip6Format, ip6Parse, ip6Plain } from '@netloom/core/wire';
import { ToolLab } from '../../test/test-proc.js';

const OUTER = { inet: ['192.0.2.1', '192.0.2.2'], inet6: ['2001:db8:1::1', '2001:db8:1::2'] } as const;

function vnetOf(lab: ToolLab, jail: string): Vnet {
  const { prisons } = lab.kernel;
  return prisons.find(prisons.prison0, jail)!.vnet;
}

/** `ifconfig IFP inet6 ADDR/PLEN alias` */
function alias(lab: ToolLab, jail: string, ifp: string, addr: string, plen: number, dstaddr?: string): void {
  const v = vnetOf(lab, jail);
  const more = dstaddr === undefined ? {} : { dstaddr: ip6Parse(dstaddr)! };
  expect(lab.kernel.call(lab.kernel.engine.now, () => in6Aifaddr(v.in6Net, v.net.ifunit(ifp)!, { addr: ip6Parse(addr)!, plen, ...more }))).toBe(0);
}

/** Jails `one` and `two` on a cable, with addresses of both families, joined by a tunnel in one of them that has addresses of both. */
async function joined(kind: 'gif' | 'gre', outer: 'inet' | 'inet6', words = ''): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const line of ['ifconfig epair create', 'jail -c name=one persist vnet vnet.interface=epair0a', 'jail -c name=two persist vnet vnet.interface=epair0b']) await lab.ok(line);
  for (const [i, jail] of ['one', 'two'].entries()) {
    const [src, dst] = i === 0 ? OUTER[outer] : [...OUTER[outer]].reverse();
    const far = 2 - i;
    await lab.ok(`jexec ${jail} sysctl net.inet6.ip6.dad_count=0`);
    await lab.ok(`jexec ${jail} ifconfig epair0${'ab'[i]} inet ${OUTER.inet[i]}/24 up`);
    alias(lab, jail, `epair0${'ab'[i]}`, OUTER.inet6[i]!, 64);
    for (const line of [`${kind} create`, `${kind}0 ${outer} tunnel ${src} ${dst}`, `${kind}0 inet 198.51.100.${i + 1}/32 198.51.100.${far}`, `${kind}0 ${words} up`]) {
      await lab.ok(`jexec ${jail} ifconfig ${line}`);
    }
    alias(lab, jail, `${kind}0`, `2001:db8:9::${i + 1}`, 128, `2001:db8:9::${far}`);
  }
  return lab;
}

describe.each<['gif' | 'gre', 'inet' | 'inet6', string]>([['gif', 'inet', ''], ['gif', 'inet6', ''], ['gre', 'inet6', ''], ['gre', 'inet6', 'enable_csum enable_seq grekey 7'], ['gre', 'inet', '']])('%s in %s %s', (kind, outer, words) => {
  it('carries both families, small and large', async () => {
    const lab = await joined(kind, outer, words);
    await lab.ok('jexec one ping -c 1 198.51.100.2');
    await lab.ok('jexec one ping -6 -c 1 2001:db8:9::2');
    await lab.ok('jexec one ping -c 1 -s 4000 198.51.100.2');
    await lab.ok('jexec one ping -6 -c 1 -s 4000 2001:db8:9::2');
    expect(await lab.ok(`jexec two ifconfig ${kind}0`)).toContain(`\ttunnel ${outer} ${OUTER[outer][1]} --> ${OUTER[outer][0]}\n`);
  });
});

describe('a tunnel in IPv6', () => {
  it('runs while its source is there, has its pair alone, and ends', async () => {
    const lab = await joined('gif', 'inet6');
    await lab.ok('jexec one ifconfig gif1 create');
    expect((await lab.sh('jexec one ifconfig gif1 inet6 tunnel 2001:db8:1::1 2001:db8:1::2')).stderr).toBe("ifconfig: SIOCSIFPHYADDR_IN6: Can't assign requested address\n");
    expect((await lab.sh('jexec one ifconfig gif1 inet6 tunnel :: 2001:db8:1::2')).stderr).toBe("ifconfig: SIOCSIFPHYADDR_IN6: Can't assign requested address\n");
    const { in6Net, net } = vnetOf(lab, 'one');
    expect(lab.kernel.call(lab.kernel.engine.now, () => in6Difaddr(in6Net, net.ifunit('epair0a')!, ip6Parse('2001:db8:1::1')!))).toBe(0);
    expect(await lab.ok('jexec one ifconfig gif0')).not.toContain('RUNNING');
    alias(lab, 'one', 'epair0a', '2001:db8:1::1', 64);
    expect(await lab.ok('jexec one ifconfig gif0')).toContain('RUNNING');
    await lab.ok('jexec one ping -6 -c 1 2001:db8:9::2');
    await lab.ok('jexec one ifconfig gif0 -tunnel');
    expect(await lab.ok('jexec one ifconfig gif0')).not.toContain('tunnel');
    expect((await lab.sh('jexec one ping -6 -c 1 -t 1 2001:db8:9::2')).exit).not.toBe(0);
    await lab.ok('jexec one ifconfig gif1 inet6 tunnel 2001:db8:1::1 2001:db8:1::2');
  });

  it('between link-local addresses', async () => {
    const lab = await joined('gif', 'inet6');
    const ll = (jail: string, ifp: string): string => {
      const { in6Net, net } = vnetOf(lab, jail);
      return ip6Format(ip6Plain(in6Net.linkLocalOf(net.ifunit(ifp)!, 0)!.addr));
    };
    const [a, b] = [ll('one', 'epair0a'), ll('two', 'epair0b')];
    await lab.ok(`jexec one ifconfig gif0 inet6 tunnel ${a}%epair0a ${b}%epair0a`);
    await lab.ok(`jexec two ifconfig gif0 inet6 tunnel ${b}%epair0b ${a}%epair0b`);
    expect(await lab.ok('jexec one ifconfig gif0')).toContain(`\ttunnel inet6 ${a}%epair0a --> ${b}%epair0a\n`);
    await lab.ok('jexec one ping -6 -c 1 2001:db8:9::2');
  });

  it('UDP carries GRE in IPv4 only', async () => {
    const lab = await joined('gre', 'inet6');
    expect((await lab.sh('jexec one ifconfig gre0 udpencap')).stderr).toContain('Address family not supported by protocol family');
  });
});

describe('stf', () => {
  it('reaches a 6to4 relay, and through it the rest', async () => {
    const lab = new ToolLab();
    for (const line of [
      'ifconfig epair create', 'jail -c name=relay persist vnet vnet.interface=epair0a', 'jail -c name=client persist vnet vnet.interface=epair0b',
      'jexec relay ifconfig epair0a 192.0.2.1/24 up', 'jexec relay ifconfig gif create', 'jexec relay ifconfig gif0 tunnel 192.0.2.1 192.0.2.2',
      'jexec client ifconfig epair0b 192.0.2.2/24 up', 'jexec client ifconfig stf create',
    ]) await lab.ok(line);
    for (const jail of ['relay', 'client']) await lab.ok(`jexec ${jail} sysctl net.inet6.ip6.dad_count=0`);
    alias(lab, 'relay', 'lo0', '2001:db8::1', 64);
    alias(lab, 'relay', 'gif0', '2002:c000:0201::1', 64);
    await lab.ok('jexec relay route -6 add default -interface gif0');
    alias(lab, 'client', 'stf0', '2002:c000:0202::1', 32);
    await lab.ok('jexec client route -6 add default 2002:c000:0201::1');
    await lab.ok('jexec client ping6 -c 1 2002:c000:0201::1');
    await lab.ok('jexec client ping6 -c 1 2001:db8::1');
  });
});
