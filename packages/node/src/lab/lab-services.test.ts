/**
 * lab-services.test.ts — services in lab files: what is wrong with them, the commands they become, and labs with them, up and down again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ExecResult } from '../daemon/exec-buffer.js';
import type { Daemon } from '../daemon/daemon.js';
import { startDaemon } from '../daemon/daemon.js';
import { DaemonClient } from '../daemon/http-client.js';
import { formatProblem, readLab } from './lab-file.js';
import { planLab, planScript } from './lab-plan.js';

const problems = (text: string): string[] => readLab('lab.yaml', text).problems.map((p) => formatProblem('lab.yaml', p));

/** The commands of a lab's services. */
function commands(text: string): string[] {
  const { lab, problems: found } = readLab('lab.yaml', text);
  expect(found).toEqual([]);
  return planScript(planLab(lab!).filter((s) => s.argv.some((a) => typeof a === 'string' && /^(dhc|dns|resolvconf)/.test(a)))).split(/\n(?=jexec|dhc|dns|resolvconf|$)/);
}

describe('DHCP', () => {
  test.each<[string, string, string[]]>([
    ['a word that is none', 'name: x\nvnets: {a: {interfaces: {lo1: {dhcp: clent}}}}\n', ['lab.yaml:2:38: "clent" is not client, server: {...} or relay: ADDRESS (give "dhcp" client, server: {...} or relay: ADDRESS)']],
    ['two at a time', 'name: x\nvnets: {a: {interfaces: {lo1: {dhcp: {client: {}, relay: 10.0.0.1}}}}}\n', ['lab.yaml:2:38: a map is not client, server: {...} or relay: ADDRESS (give "dhcp" client, server: {...} or relay: ADDRESS)']],
    ['on a loopback', 'name: x\nvnets: {a: {interfaces: {lo1: {dhcp: client}}}}\n', ['lab.yaml:2:38: "lo1" is a loopback: there is nobody to talk DHCP with (give it to another interface)']],
    ['a server without an address', 'name: x\nvnets: {a: {interfaces: {e: {dhcp: {server: }}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:36: "e" has no address of its own to serve from (add "inet")']],
    ['a range outside the network', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {server: {range: 10.0.1.1-10.0.1.9}}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:55: range 10.0.1.1 10.0.1.9 is not in subnet 10.0.0.0/24 (see docs/dhcp.md)']],
    ['an octet too large', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {server: {range: 10.0.0.300}}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:72: "10.0.0.300" is not FIRST-LAST, such as 10.0.0.100-10.0.0.200, or a list of such (give "range" FIRST-LAST, such as 10.0.0.100-10.0.0.200, or a list of such)']],
    ['an option nobody knows', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {server: {options: {frob: "1"}}}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:55: option frob: unknown (option-NUMBER with bytes is any option) (see docs/dhcp.md)']],
    ['one network twice', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {server: {}}}, f: {inet: 10.0.0.2/24, dhcp: {server: {}}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:99: subnet 10.0.0.0/24 and 10.0.0.0/24 have addresses in common (see docs/dhcp.md)']],
    ['a server and a relay', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {server: {}}}, f: {inet: 10.0.1.2/24, dhcp: {relay: 10.0.0.9}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:99: vnet "a" is both a server and a relay of DHCP: both listen on port 67 (use a vnet of its own for one of them)']],
    ['relays to different servers', 'name: x\nvnets: {a: {interfaces: {e: {inet: 10.0.0.1/24, dhcp: {relay: 10.0.0.9}}, f: {inet: 10.0.1.2/24, dhcp: {relay: 10.0.0.8}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:104: vnet "a" relays to other servers on "e" (give all its relays the same servers)']],
  ])('refused: %s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test('all servers of a vnet are one; clients are waited for last, and give their leases back', () => {
    const text = `
name: x
vnets:
  gw:
    interfaces:
      a: { inet: 10.0.0.1/30, dhcp: { server: } }
      b:
        inet: 10.1.0.2/24
        dhcp:
          server:
            range: [10.1.0.10-10.1.0.20, 10.1.0.30]
            router: false
            dns: [10.1.0.2, 192.0.2.53]
            domain: lab.example
            search: [lab.example, example]
            mtu: 1400
            lease: 600
            routes: [{ to: 10.9.0.0/16, via: 10.1.0.3 }]
            hosts: { web: { ether: "02:00:00:00:00:07", inet: 10.1.0.7, options: { ntp-servers: 10.1.0.2 } }, any: { ether: "02:00:00:00:00:08" } }
            options: { ntp-servers: 10.1.0.9 }
      tap0: { host: tap0, dhcp: client }
  pc: { interfaces: { e: { dhcp: { client: { conf: "timeout 5;" } } } } }
  r: { interfaces: { u: { inet: 10.0.0.2/30 }, d: { inet: 10.3.0.1/24, dhcp: { relay: [10.0.0.1] } } } }
bridges: { br: { inet: 10.2.0.9/31, dhcp: { server: } } }
links: [[gw:a, r:u], [gw:b, pc:e], [r:d, br]]
`;
    expect(commands(text)).toEqual([
      `jexec gw dhcpd -O 'authoritative;
subnet 10.0.0.0 netmask 255.255.255.252 {
  range 10.0.0.2 10.0.0.2;
  option routers 10.0.0.1;
}
subnet 10.1.0.0 netmask 255.255.255.0 {
  range 10.1.0.10 10.1.0.20;
  range 10.1.0.30;
  option domain-name-servers 10.1.0.2, 192.0.2.53;
  option domain-name "lab.example";
  option domain-search "lab.example", "example";
  option interface-mtu 1400;
  option classless-static-routes 10.9.0.0/16 10.1.0.3;
  default-lease-time 600;
  max-lease-time 600;
  option ntp-servers 10.1.0.9;
  host web { hardware ethernet 02:00:00:00:00:07; fixed-address 10.1.0.7; option host-name "web"; option ntp-servers 10.1.0.2; }
  host any { hardware ethernet 02:00:00:00:00:08; option host-name "any"; }
}
' a b`,
      `dhcpd -O 'authoritative;
subnet 10.2.0.8 netmask 255.255.255.254 {
  range 10.2.0.8 10.2.0.8;
  option routers 10.2.0.9;
}
' br`,
      'jexec r dhcrelay -a -i d 10.0.0.1',
      'jexec gw dhclient -b tap0',
      "jexec pc dhclient -b -O 'timeout 5;' e",
      'jexec gw dhclient -w 10 tap0',
      'jexec pc dhclient -w 10 e',
      '',
    ]);
    const undo = planLab(readLab('lab.yaml', text).lab!).flatMap((s) => (s.undo === undefined ? [] : [s.undo.argv.join(' ')]));
    expect(undo.filter((line) => line.includes('dhc'))).toEqual(['dhcpd -k', 'jexec gw dhclient -r tap0', 'jexec pc dhclient -r e']);
  });
});

describe('DHCPv6 and names', () => {
  test.each<[string, string, string[]]>([
    ['on a loopback', 'name: x\nvnets: {a: {interfaces: {lo1: {dhcp6: }}}}\n', ['lab.yaml:2:32: "lo1" is a loopback: there is nobody to talk DHCPv6 with (give it to another interface)']],
    ['without an address', 'name: x\nvnets: {a: {interfaces: {e: {inet6: "fe80::1/64", dhcp6: {}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:58: "e" has no IPv6 address of its own to serve from (add "inet6")']],
    ['a range outside the network', 'name: x\nvnets: {a: {interfaces: {e: {inet6: "2001:db8::1/64", dhcp6: {range: "2001:db8:1::/64"}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:62: range6 2001:db8:1::/64 is not in subnet6 2001:db8::/64 (see docs/dhcp.md)']],
    ['no range', 'name: x\nvnets: {a: {interfaces: {e: {inet6: "2001:db8::1/64", dhcp6: {range: x}}}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:70: "x" is not FIRST-LAST or PREFIX/LENGTH, such as 2001:db8::100-2001:db8::1ff, or a list of them (give "range" FIRST-LAST or PREFIX/LENGTH, such as 2001:db8::100-2001:db8::1ff, or a list of them)']],
    ['one network twice', 'name: x\nvnets: {a: {interfaces: {e: {inet6: "2001:db8::1/64", dhcp6: }, f: {inet6: "2001:db8::2/64", dhcp6: }}}}\nlinks: [[a:e, a:f]]\n', ['lab.yaml:2:94: subnet6 2001:db8::/64 and 2001:db8::/64 have addresses in common (see docs/dhcp.md)']],
    ['a name server of the host', 'name: x\nvnets: {host: {dns: true}}\n', ['lab.yaml:2:21: a lab does not change "dns" of the host, which it shares with others (use a vnet of its own)']],
    ['a resolver that is none', 'name: x\nvnets: {a: {resolver: ns1}}\n', ['lab.yaml:2:23: "ns1" is not the address of a name server, a list of them, or servers and search (give "resolver" the address of a name server, a list of them, or servers and search)']],
  ])('refused: %s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test('the commands', () => {
    const text = `
name: x
vnets:
  gw:
    dns: { domain: lab.test, upstream: [host, "192.0.2.53:5353"], records: "www.example.test IN A 10.0.0.7", allow: 10.0.0.0/8 }
    interfaces:
      a: { inet: 10.0.0.1/30, inet6: "2001:db8:1::1/64", dhcp: { server: }, dhcp6: { range: "2001:db8:1::100-2001:db8:1::1ff" } }
      b: { inet6: ["fe80::9/64", "2001:db8:2::1/64"], dhcp6: { dns: "2001:db8::53", search: [a.test, b.test], lease: 600, preferred: 300, rapid_commit: true, hosts: { web: { duid: "0:3:0:1:2:0:0:0:0:7", inet6: "2001:db8:2::7" } } } }
  pc: { parent: gw, resolver: 10.0.0.1, interfaces: { e: { } } }
  r: { dns: true, resolver: { servers: [10.0.0.1, "2001:db8:1::1"], search: lab.test }, interfaces: { u: { } } }
bridges: { br: { inet6: "2001:db8:3::1/64", dhcp6: } }
links: [[gw:a, r:u], [gw:b, pc:e]]
`;
    expect(commands(text)).toEqual([
      `dnsd -j gw -O 'domain lab.test
name gw gw
name pc gw.pc
name r r
upstream host
upstream 192.0.2.53:5353
record www.example.test IN A 10.0.0.7
allow 10.0.0.0/8
'`,
      "dnsd -j r -O 'name gw gw\nname pc gw.pc\nname r r\n'",
      `jexec gw dhcpd -O 'authoritative;
subnet 10.0.0.0 netmask 255.255.255.252 {
  range 10.0.0.2 10.0.0.2;
  option routers 10.0.0.1;
  option domain-name-servers 10.0.0.1;
  option domain-name "lab.test";
}
' a`,
      `jexec gw dhcp6d -O 'subnet6 2001:db8:1::/64 {
  range6 2001:db8:1::100 2001:db8:1::1ff;
  option dhcp6.name-servers 2001:db8:1::1;
  option dhcp6.domain-search "lab.test";
}
subnet6 2001:db8:2::/64 {
  option dhcp6.name-servers 2001:db8::53;
  option dhcp6.domain-search "a.test", "b.test";
  default-lease-time 600;
  preferred-lifetime 300;
  option dhcp6.rapid-commit;
  host web { host-identifier option dhcp6.client-id 0:3:0:1:2:0:0:0:0:7; fixed-address6 2001:db8:2::7; }
}
' a b`,
      "dhcp6d -O 'subnet6 2001:db8:3::/64 {\n}\n' br",
      "jexec gw.pc resolvconf -O 'nameserver 10.0.0.1\n' -a lab",
      "jexec r resolvconf -O 'nameserver 10.0.0.1\nnameserver 2001:db8:1::1\nsearch lab.test\n' -a lab",
      '',
    ]);
    const undo = planLab(readLab('lab.yaml', text).lab!).flatMap((s) => (s.undo === undefined ? [] : [s.undo.argv.join(' ')]));
    expect(undo.filter((line) => /dhc|dns/.test(line))).toEqual(['dnsd -j gw -k', 'dnsd -j r -k', 'dhcp6d -k']);
  });
});

describe('labs', () => {
  let daemon: Daemon | null = null;
  let folder = '';

  async function up(text: string): Promise<{ run: (vnet: string, ...argv: string[]) => Promise<ExecResult>; client: DaemonClient }> {
    folder = mkdtempSync(join(tmpdir(), 'netloom-s-'));
    const path = join(folder, 'n.sock');
    daemon = await startDaemon({ socketPath: path, logLevel: 'silent', seed: 1 });
    const client = new DaemonClient(path);
    await client.post('/v1/labs', { lab: readLab('lab.yaml', text).lab, file: 'lab.yaml' });
    return { client, run: (vnet, ...argv) => client.post<ExecResult>('/v1/exec', { argv, vnet }) };
  }

  afterEach(async () => {
    await daemon?.close();
    daemon = null;
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  test('a client of the lab’s own server has its address when the lab is up, and nothing is left when it is down', async () => {
    const { run, client } = await up('name: x\nvnets:\n  gw: {interfaces: {lan: {inet: 10.0.0.1/24, dhcp: {server: {range: 10.0.0.50-10.0.0.60}}}}}\n  pc: {interfaces: {eth0: {dhcp: client}}}\nlinks: [[gw:lan, pc:eth0]]\n');
    expect((await run('pc', 'ifconfig', 'eth0', 'inet')).stdout).toContain('inet 10.0.0.50 ');
    expect((await run('pc', 'netstat', '-rnf', 'inet')).stdout).toMatch(/^default +10\.0\.0\.1 /m);
    expect(await client.get('/v1/procs')).toMatchObject([{ vnet: 'gw', argv: ['dhcpd', '-O', expect.any(String) as string, 'lan'] }, { vnet: 'pc', argv: ['dhclient', '-b', 'eth0'] }]);
    expect(await client.delete('/v1/labs/x')).toMatchObject({ left: [] });
    expect(await client.get('/v1/procs')).toEqual([]);
    expect(await client.get('/v1/audit')).toMatchObject({ leaks: [] });
  });

  test('vnets have names, hosts are told of them, and nothing is left when the lab is down', async () => {
    const { run, client } = await up(`
name: x
vnets:
  gw: {dns: {domain: lab.test}, interfaces: {lan: {inet: 10.0.0.1/24, inet6: "2001:db8:1::1/64", dhcp: {server: {range: 10.0.0.50-10.0.0.60}}, dhcp6: {range: "2001:db8:1::/64"}}}}
  pc: {interfaces: {eth0: {dhcp: client}}}
  ws: {resolver: {servers: 10.0.0.1, search: lab.test}, interfaces: {eth0: {inet: 10.0.0.9/24}}}
bridges: {sw: {}}
links: [[gw:lan, sw], [pc:eth0, sw], [ws:eth0, sw]]
`);
    expect((await run('pc', 'host', '-t', 'a', 'gw')).stdout).toBe('gw.lab.test has address 10.0.0.1\n');
    expect((await run('ws', 'host', '-t', 'a', 'pc')).stdout).toBe('pc.lab.test has address 10.0.0.50\n');
    expect((await run('gw', 'dhcp6d', '-l')).stdout).toContain('Client (DUID)');
    expect(await client.delete('/v1/labs/x')).toMatchObject({ left: [] });
    expect(await client.get('/v1/procs')).toEqual([]);
    expect(await client.get('/v1/audit')).toMatchObject({ leaks: [] });
  });
});
