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
});
