/**
 * lab.test.ts — lab files: every problem with its place, plans as scripts, all or nothing when run.
 */
import { expect, test } from 'vitest';
import { formatProblem, readLab } from './lab-file.js';
import { planLab, planScript } from './lab-plan.js';
import { runPlan, runUndo } from './lab-run.js';
import type { LabCommands } from './lab-run.js';

const problems = (text: string): string[] => readLab('lab.yaml', text).problems.map((p) => formatProblem('lab.yaml', p));

test.each<[string, string, string[]]>([
  ['YAML that does not parse', 'name: x\nvnets: [a\n', ['lab.yaml:3:1: Flow sequence in block collection must be sufficiently indented and end with a ] (correct the YAML)']],
  ['a key twice', 'name: x\nname: y\nvnets: {}\n', ['lab.yaml:2:1: Map keys must be unique (correct the YAML)']],
  ['an alias without anchor', 'name: *a\nvnets: {}\n', ['lab.yaml:1:7: there is no anchor "&a" before this alias (correct the YAML)']],
  ['an alias inside its own anchor', 'name: x\nvnets: &v {a: *v}\n', ['lab.yaml:2:15: alias "*v" stands for a part of the file that it is in (correct the YAML)']],
  ['aliases that multiply', `name: x\na: &a [x, x, x, x, x, x, x, x, x, x]\n${['b', 'c', 'd'].map((k, i) => `${k}: &${k} [${Array(10).fill(`*${'abc'[i]}`).join(', ')}]\n`).join('')}vnets: {}\n`, ['lab.yaml:1:1: Excessive alias count indicates a resource exhaustion attack (write the parts out)']],
  ['nothing at all', '', ['lab.yaml:1:1: nothing is not a map of keys and values (give the lab a map of keys and values)']],
  ['no vnets', 'name: x\n', ['lab.yaml:1:1: the lab has no "vnets" (add "vnets:")']],
  ['an unknown key with a near one', 'name: x\nvnets:\n  a:\n    forwardng: true\n', ['lab.yaml:4:5: unknown key "forwardng" in a vnet (did you mean "forwarding"?)']],
  ['an unknown key', 'name: x\nvnets: {}\ncolour: red\n', ['lab.yaml:3:1: unknown key "colour" in the lab (known: name, description, vnets, bridges, links, vms)']],
  ['a wrong type', 'name: x\nvnets: {a: {forwarding: maybe}}\n', ['lab.yaml:2:25: "maybe" is not true or false (give "forwarding" true or false)']],
  ['an address without prefix', 'name: x\nvnets: {a: {interfaces: {lo0: {inet: 10.0.0.1}}}}\n', ['lab.yaml:2:38: "10.0.0.1" is not an IPv4 address with its prefix length, such as 10.0.0.1/24, or a list of them (give "inet" an IPv4 address with its prefix length, such as 10.0.0.1/24, or a list of them)']],
  ['an octet too large', 'name: x\nvnets: {a: {interfaces: {lo0: {inet: [10.0.0.1/8, 10.0.0.256/8]}}}}\n', ['lab.yaml:2:51: "10.0.0.256/8" is not an IPv4 address with its prefix length, such as 10.0.0.1/24 (give "inet" an IPv4 address with its prefix length, such as 10.0.0.1/24)']],
  ['a VLAN tag out of range', 'name: x\nvnets: {a: {interfaces: {v: {vlan: 4095, vlandev: lo0}}}}\n', ['lab.yaml:2:36: 4095 is not a VLAN tag from 1 to 4094 (give "vlan" a VLAN tag from 1 to 4094)']],
  ['a name too long', 'name: x\nvnets: {a: {interfaces: {sixteencharacter: {}}}}\n', ['lab.yaml:2:26: "sixteencharacter" is not an interface name: a letter, then letters, digits, \'_\', \'.\' and \'-\', 15 at most (choose another name)']],
  ['a name far too long', `name: ${'x'.repeat(5000)}\nvnets: {}\n`, [`lab.yaml:1:7: "${'x'.repeat(80)}..." (5000 characters) is not a lab name: letters, digits, '_', '.' and '-', 63 at most (give "name" a lab name: letters, digits, '_', '.' and '-', 63 at most)`]],
  ['a link with one end', 'name: x\nvnets: {a: {}}\nlinks: [[a:e0]]\n', ['lab.yaml:3:9: a list of 1 is not two endpoints: [r1:eth0, r2:eth0] (give "links" two endpoints: [r1:eth0, r2:eth0])']],
  ['a link to a vnet that is not there', 'name: x\nvnets: {alpha: {}}\nlinks:\n  - [alpha:e0, alpa:e0]\n', ['lab.yaml:4:16: there is no vnet "alpa" (did you mean "alpha"?)']],
  ['a link to a vnet without interface', 'name: x\nvnets: {a: {}}\nlinks: [[a:e0, a]]\n', ['lab.yaml:3:16: there is no bridge "a" (it is a vnet: say which interface, as in "a:eth0")']],
  ['one end in two links', 'name: x\nvnets: {a: {}, b: {}}\nlinks:\n  - [a:e0, b:e0]\n  - {endpoints: [a:e0, b:e1]}\n', ['lab.yaml:5:18: "a:e0" is the end of two links (give each end its own name)']],
  ['an interface nobody makes', 'name: x\nvnets:\n  a:\n    interfaces:\n      eth0: {inet: 10.0.0.1/8}\n', ['lab.yaml:5:13: nothing makes interface "eth0" of vnet "a" (add a link with the endpoint "a:eth0", or "vlan" and "vlandev", or "laggport", or "vxlan", or "host")']],
  ['an interface without settings nobody makes', 'name: x\nvnets:\n  a:\n    interfaces:\n      eth0:\n', ['lab.yaml:5:7: nothing makes interface "eth0" of vnet "a" (add a link with the endpoint "a:eth0", or "vlan" and "vlandev", or "laggport", or "vxlan", or "host")']],
  ['vhids that cannot be', 'name: x\nvnets:\n  a:\n    interfaces:\n      lo0: {carp: [{vhid: 1, inet: 10.0.0.1/8}]}\n      e: {carp: [{vhid: 1, inet: 10.0.0.1/8}, {vhid: 2}, {vhid: 1, inet6: "::2/64"}, {vhid: 256, inet: 10.0.0.3/8}]}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:6:93: 256 is not a virtual host\'s number from 1 to 255 (give "vhid" a virtual host\'s number from 1 to 255)']],
  ['vhids that make no sense', 'name: x\nvnets:\n  a:\n    interfaces:\n      lo0: {carp: [{vhid: 1, inet: 10.0.0.1/8}]}\n      e: {carp: [{vhid: 1, inet: 10.0.0.1/8}, {vhid: 2}, {vhid: 1, inet6: "::2/64"}]}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:5:20: "lo0" is a loopback: there is nobody to share an address with (give the vhid to another interface)', 'lab.yaml:6:47: vhid 2 has no address to share (add "inet" or "inet6")', 'lab.yaml:6:65: "e" has vhid 1 twice (give all its addresses in one entry, or another number)']],
  ['a lagg of what it cannot be made of', 'name: x\nvnets:\n  a:\n    interfaces:\n      p: {host: t0, inet: 10.0.0.1/8}\n      l: {laggport: [p, q, lo1], laggproto: lacp}\n      v: {vlan: 1, vlandev: m}\n      m: {laggport: v}\n      n: {laggport: l}\n', ['lab.yaml:6:21: "p" is a port and sends nothing by itself (give its addresses to "l")', 'lab.yaml:6:21: vnet "a" has no interface "q" (there are: p, l, v, m, n)', 'lab.yaml:6:21: "lo1" cannot be a port of a lagg (a port is the end of a link, a VLAN or a tap)', 'lab.yaml:7:29: VLAN "v" carries itself over "m" (break the circle of "vlandev")', 'lab.yaml:8:21: lagg "m" carries itself over "v" (break the circle)', 'lab.yaml:9:21: "l" is a lagg itself (name its ports)']],
  ['VLANs in a circle', 'name: x\nvnets: {a: {interfaces: {v: {vlan: 1, vlandev: w}, w: {vlan: 2, vlandev: v}}}}\n', ['lab.yaml:2:48: VLAN "v" carries itself over "w" (break the circle of "vlandev")', 'lab.yaml:2:74: VLAN "w" carries itself over "v" (break the circle of "vlandev")']],
  ['vxlans without, and with two other ends', 'name: x\nvnets: {a: {interfaces: {v: {vxlan: 1}, w: {vxlan: 2, vxlanremote: 10.0.0.1, vxlangroup: 239.0.0.1}}}}\n', ['lab.yaml:2:37: vxlan "v" has no other end (give either "vxlanremote" or "vxlangroup")', 'lab.yaml:2:52: vxlan "w" has two other ends (give either "vxlanremote" or "vxlangroup")']],
  ['a vxlan that is a tap too', 'name: x\nvnets: {a: {interfaces: {v: {vxlan: 1, host: tap0}}}}\n', ['lab.yaml:2:29: "a:v" is both a vxlan and a tap (keep "vxlan" or "host")']],
  ['words of a vxlan that is none', 'name: x\nvnets: {a: {interfaces: {v: {vlan: 1, vlandev: lo0, vxlanlocal: 10.0.0.1}}}}\n', ['lab.yaml:2:65: "a:v" has "vxlanlocal" and no "vxlan" (give the network identifier, 0 to 16777215)']],
  ['a network identifier out of range', 'name: x\nvnets: {a: {interfaces: {v: {vxlan: 16777216}}}}\n', ['lab.yaml:2:37: 16777216 is not a network identifier from 0 to 16777215 (give "vxlan" a network identifier from 0 to 16777215)']],
  ['a group on an interface that is not there', 'name: x\nvnets: {a: {interfaces: {v: {vxlan: 1, vxlangroup: 10.0.0.1, vxlandev: e9}, u: {vxlan: 1, vxlanremote: 239.0.0.1, vxlandev: lo0}}}}\n', [
    'lab.yaml:2:52: 10.0.0.1 is no multicast group (give an address from 224.0.0.0 to 239.255.255.255)',
    'lab.yaml:2:72: vnet "a" has no interface "e9" (there are: v, u)',
    'lab.yaml:2:104: 239.0.0.1 is a multicast group (say "vxlangroup")',
    'lab.yaml:2:125: vxlan "u" has "vxlandev" and no group (leave it out: the routes say where its packets go)',
  ]],
  ['parents in a circle', 'name: x\nvnets: {a: {parent: b}, b: {parent: a}}\n', ['lab.yaml:2:21: vnet "a" is its own ancestor (break the circle of "parent")', 'lab.yaml:2:37: vnet "b" is its own ancestor (break the circle of "parent")']],
  ['a route that leads nowhere', 'name: x\nvnets: {a: {routes: [{to: default}]}}\n', ['lab.yaml:2:22: the route to default leads nowhere (add "via", "interface" or "type")']],
  ['a route by a gateway of the other family', 'name: x\nvnets: {a: {routes: [{to: "2001:db8::/32", via: 10.0.0.1}, {to: 10.0.0.0/8, via: "fe80::1%e0"}]}}\n', ['lab.yaml:2:49: 10.0.0.1 is no gateway for the route to 2001:db8::/32 (give an IPv6 address)', 'lab.yaml:2:82: fe80::1%e0 is no gateway for the route to 10.0.0.0/8 (give an IPv4 address)']],
  ['a destination that is none', 'name: x\nvnets: {a: {routes: [{to: "2001:db8::/129", type: reject}, {to: default, via: "fe80::1%"}]}}\n', ['lab.yaml:2:27: "2001:db8::/129" is not a destination: default, an address, or a network such as 10.0.0.0/8 or 2001:db8::/32 (give "to" a destination: default, an address, or a network such as 10.0.0.0/8 or 2001:db8::/32)', 'lab.yaml:2:79: "fe80::1%" is not the address of a gateway, such as 10.0.0.1 or fe80::1%eth0 (give "via" the address of a gateway, such as 10.0.0.1 or fe80::1%eth0)']],
  ['a private port that is no port', 'name: x\nvnets: {a: {}}\nbridges: {br0: {private: [a:e1]}}\nlinks: [[a:e0, br0]]\n', ['lab.yaml:3:27: "a:e1" is not linked to bridge "br0" (name the other end of one of its links, or one of its "members")']],
  ['a bridge linked to itself', 'name: x\nvnets: {}\nbridges: {br0: {}}\nlinks: [[br0, br0]]\n', ['lab.yaml:4:9: both ends are on bridge "br0": frames would go round for ever (join two bridges, or a bridge and a vnet)']],
  ['guests and files that are not understood', 'name: x\nvnets:\n  a:\n    interfaces:\n      p: {host: "stream:/run/vm0"}\n      q: {host: "stream:unix:vm0,server"}\n      r: {host: "file:/a,speed=0"}\n      s: {host: "pipe:/a"}\n      t: {host: "stream:unix:/run/vm0,server"}\n', ['lab.yaml:5:17: "stream:/run/vm0" does not say whether it is "unix" or "tcp" (write stream:unix:/PATH[,server] or stream:tcp:HOST:PORT[,server])', 'lab.yaml:6:17: "vm0" is not an absolute path, and the daemon is not in your folder (write the whole path)', 'lab.yaml:7:17: "speed=0" in "file:/a,speed=0" is not understood (write file:IN.pcapng[,record=OUT.pcapng][,speed=N], N a number above 0 or "max")', expect.stringMatching(/^lab.yaml:8:17: "pipe:\/a" is not a port of a guest \(write stream:/) as string]],
  ['forwarding on the host', 'name: x\nvnets: {host: {forwarding: true}}\n', ['lab.yaml:2:28: a lab does not change "forwarding" of the host, which it shares with others (use a vnet of its own)']],
])('%s', (_, text, expected) => {
  expect(problems(text)).toEqual(expected);
});

const LAB = `
name: demo
vnets:
  site: {description: outer, hostname: site.example}
  a:
    interfaces:
      eth0: {inet: [10.0.1.2/24, 10.0.1.3/24], description: "it's a"}
    routes: [{to: default, via: 10.0.1.1}, {to: 10.9.0.0/16, type: blackhole}]
  r:
    parent: site
    forwarding: true
    interfaces:
      lan20: {vlan: 20, vlandev: lan, inet: 10.0.20.1/24}
      lan: {inet: 10.0.1.1/24, mtu: 9000, rtadv: 'rltime#1800:raflags="h"'}
      vx0.7: {vlan: 7, vlandev: vx0}
      vx0: {vxlan: 42, vxlanlocal: 10.0.1.1, vxlanremote: 10.0.1.2, inet: 10.42.0.1/24}
      tap0: {host: tap7, up: false}
    sysctl: {net.inet.ip.ttl: 32, net.inet.ip.redirect: false}
bridges:
  lan0: {private: ["a:eth0"], timeout: 60}
links:
  - [a:eth0, lan0]
  - {endpoints: [lan0, r:lan], mtu: 9000}
  - [a:p2p, r:p2p]
`;

test('a plan is a script of the tools, in the order things need each other', () => {
  const { lab, problems: found } = readLab('lab.yaml', LAB);
  expect(found).toEqual([]);
  expect(planScript(planLab(lab!)).split('\n')).toEqual([
    'jail -c name=site persist vnet host.hostname=site.example children.max=1',
    'jail -c name=a persist vnet',
    'jail -c name=site.r persist vnet',
    'if1=$(ifconfig bridge create)',
    'ifconfig "$if1" name lan0',
    'link1=$(ifconfig epair create)',
    'ifconfig "${link1%a}b" vnet a',
    'jexec a ifconfig "${link1%a}b" name eth0',
    'ifconfig "$link1" description \'to a:eth0\' up',
    'ifconfig lan0 addm "$link1" private "$link1"',
    'link2=$(ifconfig epair create)',
    'ifconfig "${link2%a}b" vnet site.r',
    'jexec site.r ifconfig "${link2%a}b" name lan',
    'ifconfig "$link2" mtu 9000 description \'to r:lan\' up',
    'ifconfig lan0 addm "$link2"',
    'jexec site.r ifconfig lan mtu 9000',
    'link3=$(ifconfig epair create)',
    'ifconfig "$link3" vnet a',
    'jexec a ifconfig "$link3" name p2p',
    'ifconfig "${link3%a}b" vnet site.r',
    'jexec site.r ifconfig "${link3%a}b" name p2p',
    'jexec a ifconfig p2p up',
    'jexec site.r ifconfig p2p up',
    'jexec site ifconfig lo0 inet 127.0.0.1/8',
    'jexec a ifconfig lo0 inet 127.0.0.1/8',
    "jexec a ifconfig eth0 description 'it'\\''s a' up",
    'jexec a ifconfig eth0 inet 10.0.1.2/24',
    'jexec a ifconfig eth0 inet 10.0.1.3/24 alias',
    'jexec site.r ifconfig lo0 inet 127.0.0.1/8',
    'jexec site.r ifconfig lan mtu 9000 up',
    'jexec site.r ifconfig lan inet 10.0.1.1/24',
    'jexec site.r ifconfig tap0 create',
    'jexec site.r ifconfig tap0 down',
    'if2=$(jexec site.r ifconfig vlan create vlan 20 vlandev lan)',
    'jexec site.r ifconfig "$if2" name lan20',
    'jexec site.r ifconfig lan20 up',
    'jexec site.r ifconfig lan20 inet 10.0.20.1/24',
    'if3=$(jexec site.r ifconfig vxlan create vxlanid 42 vxlanlocal 10.0.1.1 vxlanremote 10.0.1.2)',
    'jexec site.r ifconfig "$if3" name vx0',
    'jexec site.r ifconfig vx0 up',
    'jexec site.r ifconfig vx0 inet 10.42.0.1/24',
    'if4=$(jexec site.r ifconfig vlan create vlan 7 vlandev vx0)',
    'jexec site.r ifconfig "$if4" name vx0.7',
    'jexec site.r ifconfig vx0.7 up',
    'ifconfig lan0 timeout 60 up',
    'jexec site.r sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1',
    'jexec site.r sysctl net.inet.ip.ttl=32 net.inet.ip.redirect=0',
    'jexec site.r rtadvd -O \'rltime#1800:raflags="h"\' lan',
    'jexec a route add default 10.0.1.1',
    'jexec a route add -net 10.9.0.0/16 127.0.0.1 -blackhole',
    'netloom attach site.r:tap0 tap7',
    '',
  ]);
});

test('plans vhids behind the addresses of their interface, each address with its vhid', () => {
  const text = 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.2/24, carp: [{vhid: 1, inet: [10.0.0.1/24, 10.0.0.3/32], inet6: "2001:db8::1/64", advskew: 100, pass: "a b"}, {vhid: 9, inet: 10.0.0.9/24, peer: 10.0.0.7}]}}}}\nlinks: [[a:e, sw]]\nbridges: {sw: {carp: [{vhid: 2, inet: 10.0.0.5/24}]}}\n';
  const script = planScript(planLab(readLab('lab.yaml', text).lab!)).split('\n').filter((line) => /vhid|10.0.0.2/.test(line));
  expect(script).toEqual([
    'jexec a ifconfig e inet 10.0.0.2/24',
    "jexec a ifconfig e inet vhid 1 advskew 100 pass 'a b' 10.0.0.1/24 alias",
    'jexec a ifconfig e inet vhid 1 10.0.0.3/32 alias',
    'jexec a ifconfig e inet6 vhid 1 2001:db8::1/64 alias',
    'jexec a ifconfig e inet vhid 9 peer 10.0.0.7 10.0.0.9/24 alias',
    'ifconfig sw inet vhid 2 10.0.0.5/24 alias',
  ]);
});

test('plans a lagg behind its ports and before its VLANs', () => {
  const text = 'name: x\nvnets: {a: {interfaces: {v: {vlan: 5, vlandev: lag0}, lag0: {laggport: [t0, t1], laggproto: lacp, lagghash: "l3,l4", mtu: 1400}, t0: {host: x0}, t1: {host: x1}}}}\n';
  const script = planScript(planLab(readLab('lab.yaml', text).lab!)).split('\n');
  const at = (line: string): number => script.indexOf(line);
  expect(at('if3=$(jexec a ifconfig lagg create laggproto lacp lagghash l3,l4 laggport t0 laggport t1)'), script.join('\n')).toBeGreaterThan(at('jexec a ifconfig t1 up'));
  expect(script).toContain('jexec a ifconfig lag0 mtu 1400 up');
  expect(script.findIndex((line) => line.includes('vlan create'))).toBeGreaterThan(at('jexec a ifconfig lag0 mtu 1400 up'));
});

/** Tools that only remember what exists, so that "nothing is left" can be counted. */
function fakeTools(failAt: string): { run: LabCommands; ran: string[]; exists: Set<string> } {
  const exists = new Set<string>();
  const ran: string[] = [];
  let units = 0;
  const run: LabCommands = (argv) => {
    const line = argv.join(' ');
    ran.push(line);
    if (line === failAt) return Promise.resolve({ exitCode: 1, stdout: '', stderr: `${argv[0]}: no\nmore\n` });
    let stdout = '';
    if (line.startsWith('jail -c')) exists.add(argv[2]!.slice('name='.length));
    if (line.startsWith('jail -r')) exists.delete(argv[2]!);
    if (line.endsWith('epair create')) exists.add((stdout = `epair${units++}a`));
    if (line.endsWith('bridge create')) exists.add((stdout = `bridge${units++}`));
    const name = /^ifconfig (\S+) name (\S+)$/.exec(line);
    if (name !== null && exists.delete(name[1]!)) exists.add(name[2]!);
    const moved = /^ifconfig (\S+) vnet (\S+)$/.exec(line);
    if (moved !== null && exists.delete(moved[1]!)) exists.add(`${moved[2]!}:${moved[1]!}`);
    const inner = /^jexec (\S+) ifconfig (\S+) name (\S+)$/.exec(line);
    if (inner !== null && exists.delete(`${inner[1]!}:${inner[2]!}`)) exists.add(`${inner[1]!}:${inner[3]!}`);
    const gone = /^(?:jexec (\S+) )?ifconfig (\S+) destroy$/.exec(line);
    if (gone !== null && !exists.delete(gone[1] === undefined ? gone[2]! : `${gone[1]}:${gone[2]!}`)) return Promise.resolve({ exitCode: 1, stdout: '', stderr: `ifconfig: interface ${gone[2]!} does not exist\n` });
    return Promise.resolve({ exitCode: 0, stdout: `${stdout}\n`, stderr: '' });
  };
  return { run, ran, exists };
}

test('what up made, down removes', async () => {
  const steps = planLab(readLab('lab.yaml', LAB).lab!);
  const tools = fakeTools('');
  const outcome = await runPlan(steps, tools.run);
  expect(outcome.ok).toBe(true);
  expect([...tools.exists].sort()).toEqual(['a', 'a:p2p', 'epair1a', 'epair2a', 'lan0', 'site', 'site.r']);
  expect(await runUndo(outcome.ok ? outcome.undo : [], tools.run)).toEqual([]);
  expect([...tools.exists]).toEqual([]);
});

test('whichever step fails, nothing is left and the failure names the command and its place', async () => {
  const steps = planLab(readLab('lab.yaml', LAB).lab!);
  const { ran } = await (async () => {
    const all = fakeTools('');
    await runPlan(steps, all.run);
    return all;
  })();
  for (const [i, failAt] of ran.entries()) {
    const tools = fakeTools(failAt);
    const outcome = await runPlan(steps, tools.run);
    const firstTime = ran.indexOf(failAt);
    // The daemon's own commands say what to do, in lines that follow the first.
    const message = failAt.startsWith('netloom ') ? 'netloom: no\nmore' : `${failAt.split(' ')[0]}: no`;
    expect(outcome, failAt).toMatchObject({ ok: false, command: failAt, message, left: [], path: steps[Math.min(i, firstTime)]!.path });
    expect([...tools.exists], failAt).toEqual([]);
  }
});

test('IPv6 routes in the words of route(8)', () => {
  const routes = ['{to: default, via: "fe80::1%lo0"}', '{to: "::/0", interface: lo0}', '{to: "2001:db8::/32", via: "2001:db8:1::1", mtu: 1400, fib: 1}', '{to: "2001:db8::5/128", type: reject}', '{to: "2001:db8::6", type: blackhole}'];
  const { lab, problems: found } = readLab('lab.yaml', `name: x\nvnets: {a: {routes: [${routes.join(', ')}]}}\n`);
  expect(found).toEqual([]);
  expect(planScript(planLab(lab!)).split('\n').filter((line) => line.includes('route'))).toEqual([
    'jexec a route add -6 default fe80::1%lo0',
    'jexec a route add -6 -net ::/0 -iface lo0',
    'jexec a route add -6 -net 2001:db8::/32 2001:db8:1::1 -mtu 1400 -fib 1',
    'jexec a route add -6 -host 2001:db8::5 ::1 -reject',
    'jexec a route add -6 -host 2001:db8::6 ::1 -blackhole',
  ]);
});
