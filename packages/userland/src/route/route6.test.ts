/**
 * route6.test.ts — IPv6 routes as users of route and netstat see them: what is said, changed and shown, exit codes, texts.
 */
import { in6Aifaddr } from '@netloom/core';
import { ip6Parse } from '@netloom/core/wire';
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };

/** Runs the commands of a transcript in jail a and expects what it says. */
async function golden(transcript: string): Promise<void> {
  const text = transcript.replace(/^\n/, '');
  expect(await lab.session(text, inA)).toBe(text);
}

/** Gives an interface of a jail an address. */
function address(xname: string, addr: string, plen: number, jail = 'a'): void {
  const { in6Net, net } = vnetOf(lab, jail);
  const ifp = net.ifunit(xname);
  const bytes = ip6Parse(addr);
  if (in6Net === null || ifp === null || bytes === null) throw new Error(`${xname} ${addr}`);
  expect(lab.kernel.call(lab.kernel.now, () => in6Aifaddr(in6Net, ifp, { addr: bytes, plen }))).toBe(0);
}

/** Jail a with sim0 (index 4) and sim1 (index 6): 2001:db8:1::1/64 and 2001:db8:2::1/64, fe80::1 on both. */
beforeEach(async () => {
  lab = new ToolLab();
  await lab.ok('jail -c name=a persist vnet');
  await lab.ok('jail -c name=b persist vnet');
  for (const [i, name] of ['sim0', 'sim1'].entries()) {
    joinJails(lab, 'a', 'b', name);
    await lab.ok(`ifconfig ${name} up`, inA);
    address(name, 'fe80::1', 64);
    address(name, `2001:db8:${i + 1}::1`, 64);
  }
  await lab.advance(5_000_000);
});

const CONNECTED = `Routing tables

Internet6:
Destination                       Gateway                       Flags     Netif Expire
::1                               link#2                        UHS         lo0
2001:db8:1::/64                   link#4                        U          sim0
2001:db8:1::1                     link#4                        UHS         lo0
2001:db8:2::/64                   link#6                        U          sim1
2001:db8:2::1                     link#6                        UHS         lo0
fe80::%lo0/64                     link#2                        U           lo0
fe80::1%lo0                       link#2                        UHS         lo0
fe80::%sim0/64                    link#4                        U          sim0
fe80::1%lo0                       link#4                        UHS         lo0
fe80::%sim1/64                    link#6                        U          sim1
fe80::1%lo0                       link#6                        UHS         lo0
`;

describe('add, change, delete', () => {
  test('what a destination and a gateway are', async () => {
    await golden(`
$ netstat -rn -f inet6
${CONNECTED}$ route -6 add default fe80::99%sim1
add net default: gateway fe80::99%sim1
$ route add -inet6 2001:db8:8::/48 2001:db8:1::2
add net 2001:db8:8::/48: gateway 2001:db8:1::2
$ route add -6 -host 2001:db8:9::5 fe80::2%sim0
add host 2001:db8:9::5: gateway fe80::2%sim0
$ route add -6 -net 2001:db8:a::/126 fe80::2%sim0
add net 2001:db8:a::/126: gateway fe80::2%sim0
$ route -6 add 2001:db8:b:: -prefixlen 52 2001:db8:1::2
add net 2001:db8:b::: gateway 2001:db8:1::2
$ route -6 add -net 2001:db8:c:: 2001:db8:1::2 -netmask ffff:ffff:ffff::
add net 2001:db8:c::: gateway 2001:db8:1::2
$ route -6 add 2001:db8:d::7 2001:db8:1::2
add host 2001:db8:d::7: gateway 2001:db8:1::2
$ route -6 add -host 2001:db8:e::/64 2001:db8:1::2
add host 2001:db8:e::/64: gateway 2001:db8:1::2
$ route -6 add 2001:db8:f::/48 -iface sim1
add net 2001:db8:f::/48: gateway sim1
$ route -6 add 2001:db8:10::/48 ::1 -reject
add net 2001:db8:10::/48: gateway ::1
$ route -6 add 2001:db8:11::/48 ::1 -blackhole
add net 2001:db8:11::/48: gateway ::1
$ route -6 add ff02:: -prefixlen 16 ::1 -reject
add net ff02::: gateway ::1
$ route -6 add 2001:db8:12::/48 2001:db8:2::1
add net 2001:db8:12::/48: gateway 2001:db8:2::1
$ route -6 add 2001:db8:13::/48 2001:db8:1::2 -proto1 -nostatic -mtu 1300 -expire +100
add net 2001:db8:13::/48: gateway 2001:db8:1::2
$ netstat -rn6
Routing tables

Internet6:
Destination                       Gateway                       Flags     Netif Expire
default                           fe80::99%sim1                 UGS        sim1
::1                               link#2                        UHS         lo0
2001:db8:1::/64                   link#4                        U          sim0
2001:db8:1::1                     link#4                        UHS         lo0
2001:db8:2::/64                   link#6                        U          sim1
2001:db8:2::1                     link#6                        UHS         lo0
2001:db8:8::/48                   2001:db8:1::2                 UGS        sim0
2001:db8:9::5                     fe80::2%sim0                  UGHS       sim0
2001:db8:a::/126                  fe80::2%sim0                  UGS        sim0
2001:db8:b::/52                   2001:db8:1::2                 UGS        sim0
2001:db8:c::/48                   2001:db8:1::2                 UGS        sim0
2001:db8:d::7                     2001:db8:1::2                 UGHS       sim0
2001:db8:e::                      2001:db8:1::2                 UGHS       sim0
2001:db8:f::/48                   link#6                        US         sim1
2001:db8:10::/48                  ::1                           URS         lo0
2001:db8:11::/48                  ::1                           USB         lo0
2001:db8:12::/48                  2001:db8:2::1                 US         sim1
2001:db8:13::/48                  2001:db8:1::2                 UG1        sim0    100
fe80::%lo0/64                     link#2                        U           lo0
fe80::1%lo0                       link#2                        UHS         lo0
fe80::%sim0/64                    link#4                        U          sim0
fe80::1%lo0                       link#4                        UHS         lo0
fe80::%sim1/64                    link#6                        U          sim1
fe80::1%lo0                       link#6                        UHS         lo0
ff02::/16                         ::1                           URS         lo0
$ route -6 change 2001:db8:8::/48 fe80::5%sim1
change net 2001:db8:8::/48: gateway fe80::5%sim1
$ route -n6 get 2001:db8:8::77
   route to: 2001:db8:8::77
destination: 2001:db8:8::
       mask: ffff:ffff:ffff::
    gateway: fe80::5%sim1
        fib: 0
  interface: sim1
      flags: <UP,GATEWAY,DONE,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1500         1         0 
$ route -6 delete 2001:db8:8::/48
delete net 2001:db8:8::/48
$ route -6 delete default
delete net default
$ route -6 del -host 2001:db8:9::5 fe80::2%sim0
del host 2001:db8:9::5: gateway fe80::2%sim0
`);
  });

  test('refusals say why', async () => {
    await golden(`
$ route -6 add 2001:db8:8::/48 2001:db8:1::2
add net 2001:db8:8::/48: gateway 2001:db8:1::2
$ route -6 add 2001:db8:8::/48 2001:db8:1::2
add net 2001:db8:8::/48: gateway 2001:db8:1::2 fib 0: route already in table
[1]
$ route -6 add 2001:db8:9::/48 2001:db8:99::1
add net 2001:db8:9::/48: gateway 2001:db8:99::1 fib 0: Network is unreachable
[1]
$ route -6 add default fe80::99
add net default: gateway fe80::99 fib 0: Network is unreachable
[1]
$ route -6 delete 2001:db8:7::/48
delete net 2001:db8:7::/48 fib 0: not in table
[1]
$ route -6 delete 2001:db8:1::/64
delete net 2001:db8:1::/64 fib 0: gateway uses the same route
[1]
$ route -6 add 2001:db8:9::/48
add net 2001:db8:9::/48 fib 0: Invalid argument
[1]
$ route -6 get 2001:db8:77::1
! route: route has not been found
[1]
`);
  });

  const USAGE = 'route: usage: route [-j jail] [-46dnqtv] command [[modifiers] args]\n';

  test.each([
    ['add 2001:db8::1 2001:db8:1::2', 68, 'route: bad address: 2001:db8::1\n'],
    ['-6 add 2001:db8::zz 2001:db8:1::2', 71, 'route: 2001:db8::zz: Name does not resolve\n'],
    ['-6 add default fe80::1%nosuch0', 71, 'route: fe80::1%nosuch0: Name does not resolve\n'],
    ['-6 add 2001:db8::/129 2001:db8:1::2', 64, 'route: 129: invalid prefixlen\n'],
    ['-6 add 2001:db8:: 2001:db8:1::2 -prefixlen 129', 64, 'route: 129: invalid prefixlen\n'],
    ['-6 add 10.0.0.1 2001:db8:1::2', 71, 'route: 10.0.0.1: Name does not resolve\n'],
    ['-6 add default -iface nosuch0', 65, "route: interface 'nosuch0' does not exist\n"],
    ['add 10.0.0.0/8 -6 fe80::1%sim0', 64, 'route: fe80::1%sim0: destination and gateway family need to be the same\n'],
    ['-6 add 2001:db8:: 2001:db8:1::2 -4 -netmask 255.0.0.0', 64, `route: destination and netmask family need to be the same\n${USAGE}`],
  ])('route %s: exit %d', async (words, exit, stderr) => {
    expect(await lab.sh(`route ${words}`, inA)).toEqual({ exit, stdout: '', stderr });
  });

  test('get: names unless -n, zones, exact prefixes', async () => {
    await lab.ok('route -6 add default fe80::99%sim1', inA);
    const get = async (words: string): Promise<string[]> => (await lab.ok(`route ${words}`, inA)).split('\n').slice(0, 4).map((l) => l.trim());
    expect(await get('-6 get ::1')).toEqual(['route to: localhost', 'destination: localhost', 'fib: 0', 'interface: lo0']);
    expect(await get('-6 get 2001:db8:77::1')).toEqual(['route to: 2001:db8:77::1', 'destination: default', 'mask: default', 'gateway: fe80::99%sim1']);
    expect(await get('-6n get default')).toEqual(['route to: ::', 'destination: ::', 'mask: ::', 'gateway: fe80::99%sim1']);
    expect(await get('-6 get fe80::77%sim1')).toEqual(['route to: fe80::77%sim1', 'destination: fe80::%sim1', 'mask: ffff:ffff:ffff:ffff::', 'fib: 0']);
    expect(await get('show -inet6 2001:db8:1::/64')).toEqual(['route to: 2001:db8:1::', 'destination: 2001:db8:1::', 'mask: ffff:ffff:ffff:ffff::', 'fib: 0']);
    expect(await lab.sh('route -6 get 2001:db8:1::/63', inA)).toEqual({ exit: 1, stdout: '', stderr: 'route: route has not been found\n' });
  });
});

describe('flush and monitor', () => {
  test('flush takes what has a gateway, of one family or of both', async () => {
    await lab.ok('ifconfig sim0 192.0.2.1/24', inA);
    const routes = async (): Promise<void> => {
      await lab.sh('route -q add 10.1.0.0/16 192.0.2.2', inA);
      await lab.sh('route -q -6 add default fe80::99%sim1', inA);
      await lab.sh('route -q -6 add 2001:db8:8::5 fe80::99%sim1', inA);
    };
    await routes();
    await golden(`
$ route -6 flush
::                   fe80::99%sim1        -fib 0   done
2001:db8:8::5        fe80::99%sim1        -fib 0   done
$ netstat -rn6
${CONNECTED}`);
    await routes();
    await golden(`
$ route flush -inet
10.1                 192.0.2.2            -fib 0   done
$ route flush
::                   fe80::99%sim1        -fib 0   done
2001:db8:8::5        fe80::99%sim1        -fib 0   done
`);
  });

  test('monitor shows both families', async () => {
    const monitor = lab.start('route -n monitor', inA);
    await lab.advance(1);
    await lab.ok('route -6 add 2001:db8:8::/48 fe80::2%sim0', inA);
    await lab.ok('route -6 add fe80::5%sim1 fe80::2%sim1', inA);
    address('sim1', '2001:db8:3::1', 48);
    await lab.advance(1);
    expect(monitor.stdout.replace(/(\nRTM_NEWMADDR|\ngot).*(?=\n)/g, '').replace(/2(\.[0-9a-f]{1,2}){5}/g, 'MAC')).toContain(`
RTM_ADD: Add Route: len 248, pid: 0, seq 0, errno 0, flags:<UP,GATEWAY,DONE,STATIC>
locks:  inits: 
sockaddrs: <DST,GATEWAY,NETMASK>
 2001:db8:8:: fe80::2%sim0 ffff:ffff:ffff::

RTM_ADD: Add Route: len 216, pid: 0, seq 0, errno 0, flags:<UP,GATEWAY,HOST,DONE,STATIC>
locks:  inits: 
sockaddrs: <DST,GATEWAY>
 fe80::5%sim1 fe80::2%sim1
`);
    expect(monitor.stdout).toContain('RTM_NEWADDR: address being added to iface: len 140, metric 0, flags:\nsockaddrs: <NETMASK,IFP,IFA>\n ffff:ffff:ffff:: sim1:');
    expect(monitor.stdout).toContain('sockaddrs: <DST,GATEWAY,NETMASK>\n 2001:db8:3:: link#6 ffff:ffff:ffff::\n');
    monitor.proc.signal('INT');
    await monitor.done;
  });
});

describe('netstat', () => {
  test('both families in order; names; -W; another table', async () => {
    await lab.ok('sysctl net.fibs=2', inA);
    await lab.ok('ifconfig sim0 192.0.2.1/24', inA);
    const both = await lab.ok('netstat -rn', inA);
    expect(both.indexOf('\nInternet:\n')).toBeGreaterThan(0);
    expect(both.indexOf('\nInternet6:\n')).toBeGreaterThan(both.indexOf('\nInternet:\n'));
    await lab.ok('route -6 add 2001:db8:1111:2222:3333:4444:5555::/112 -iface sim0 -fib 1', inA);
    await lab.ok('route -6 add 2001:db8:1111:2222:3333:4444::/96 -iface sim0 -fib 1', inA);
    await golden(`
$ netstat -r6 -F 1
Routing tables (fib: 1)

Internet6:
Destination        Gateway            Flags     Netif Expire
2001:db8:1111:2222 link#4             US         sim0
2001:db8:1111:2222 link#4             US         sim0
$ setfib 1 netstat -rn6
Routing tables (fib: 1)

Internet6:
Destination                       Gateway                       Flags     Netif Expire
2001:db8:1111:2222:3333:4444::/96 link#4                        US         sim0
2001:db8:1111:2222:3333:4444:5555:0/112 link#4                  US         sim0
`);
    const wide = (await lab.ok('netstat -rnW6', inA)).split('\n');
    expect(wide[3]).toBe('Destination                       Gateway                       Flags   Nhop#    Mtu    Netif Expire');
    expect(wide[4]).toMatch(/^::1 {31}link#2 {24}UHS +[0-9]+ +16384 {6}lo0$/);
    expect((await lab.ok('netstat -r6', inA)).split('\n')[4]).toBe('localhost          link#2             UHS         lo0');
  });

  test('JSON and next hops', async () => {
    interface Output {
      statistics: { 'route-information': { 'route-table': { 'rt-family': { 'address-family': string; 'rt-entry': Record<string, unknown>[] }[] } } };
    }
    await lab.ok('route -6 add default fe80::99%sim1 -mtu 1400', inA);
    const [family, ...more] = (JSON.parse(await lab.ok('netstat -rn --libxo json -f inet6', inA)) as Output).statistics['route-information']['route-table']['rt-family'];
    expect([family?.['address-family'], more]).toEqual(['Internet6', []]);
    const nhop = family?.['rt-entry'][0]?.['nhop'];
    expect(family?.['rt-entry'][0]).toEqual({
      destination: 'default', gateway: 'fe80::99%sim1', flags: 'UGS', flags_pretty: ['up', 'gateway', 'static'], weight: 1, 'nhop-kidx': nhop, nhop, mtu: 1400, 'interface-name': 'sim1',
    });
    const rows = (await lab.ok('netstat -onW6', inA)).split('\n');
    expect(rows.find((r) => r.startsWith(`${String(nhop)} `))?.split(/ +/)).toEqual([String(nhop), 'v6/gw', 'fe80::1%sim1', 'fe80::99%sim1', 'GS', '0', '1400', 'sim1', '1']);
  });
});

/** FreeBSD's netinet6/lpm6.sh: which link a flood of pings takes, by the packets each has sent. */
describe('longest match', () => {
  const sent = async (xname: string): Promise<number> => Number((await lab.ok(`netstat -Wf link -I ${xname}`, inA)).split('\n')[1]?.split(/ +/)[7]);

  test.each([
    ['host routes', ['-host 2001:db8::2:0', '-host 2001:db8::2:1'], ['2001:db8::2:0', '2001:db8::2:1']],
    ['/126 and /127', ['-net 2001:db8::2:0/127', '-net 2001:db8::2:0/126'], ['2001:db8::2:0', '2001:db8::2:2']],
  ])('%s', async (_what, [overFirst = '', overSecond = ''], [viaFirst = '', viaSecond = '']) => {
    for (const name of ['sim0', 'sim1']) {
      await lab.ok(`ifconfig ${name} up`, { jail: 'b' });
      address(name, 'fe80::2', 64, 'b');
      address(name, `2001:db8:${Number(name.slice(3)) + 1}::2`, 64, 'b');
    }
    for (const host of [viaFirst, viaSecond]) address('lo0', host, 128, 'b');
    await lab.advance(5_000_000);
    await lab.ok(`route add -6 ${overFirst} fe80::2%sim0`, inA);
    await lab.ok(`route add -6 ${overSecond} fe80::2%sim1`, inA);
    for (const [host, over, other] of [[viaFirst, 'sim0', 'sim1'], [viaSecond, 'sim1', 'sim0']] as const) {
      const before = [await sent(over), await sent(other)];
      expect(await lab.ok(`ping -6 -f -nc20 ${host}`, inA)).toContain('20 packets transmitted, 20 packets received');
      const after = [await sent(over), await sent(other)];
      expect(after[0]! - before[0]!).toBeGreaterThanOrEqual(20);
      expect(after[1]! - before[1]!).toBeLessThan(5);
    }
  });
});
