/**
 * dhclient.test.ts — dhcpd and dhclient as their users see them: two jails on a link, in virtual time.
 */
import { describe, expect, it } from 'vitest';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

const SECOND = 1_000_000;
const CONF = `default-lease-time 600; authoritative;
subnet 192.0.2.0 netmask 255.255.255.0 {
  range 192.0.2.100 192.0.2.102;
  option routers 192.0.2.1;
  option domain-name-servers 192.0.2.1, 198.51.100.53;
  option domain-search "lab.example";
  option interface-mtu 1400;
}`;
const inS = { jail: 's' };
const inC = { jail: 'c' };

/** A server's jail `s` (sim0, 192.0.2.1/24) and a client's `c` (sim0). */
async function link(options: Parameters<typeof joinJails>[4] = {}): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const jail of ['s', 'c']) await lab.ok(`jail -c name=${jail} persist vnet`);
  joinJails(lab, 's', 'c', 'sim0', { delayUs: 500, ...options });
  await lab.ok('ifconfig sim0 192.0.2.1/24', inS);
  return lab;
}

const serve = (lab: ToolLab, conf = CONF, more: readonly string[] = []): Promise<string> => lab.ok(['dhcpd', '-O', conf, ...more, 'sim0'], inS);

describe('a client and a server', () => {
  it('an address, a route, an MTU and name servers, kept as long as the client runs', async () => {
    const lab = await link();
    await serve(lab);
    const ran = await lab.sh('dhclient sim0', inC);
    expect(ran).toEqual({
      exit: 0, stdout: '',
      stderr: `DHCPDISCOVER on sim0 to 255.255.255.255 port 67 interval 3
DHCPOFFER from 192.0.2.1
DHCPREQUEST on sim0 to 255.255.255.255 port 67
DHCPACK from 192.0.2.1
bound to 192.0.2.100 -- renewal in 300 seconds.
`,
    });
    expect(await lab.ok('ifconfig sim0', inC)).toMatch(/ mtu 1400\n(.*\n)*\tinet 192\.0\.2\.100 netmask 0xffffff00 broadcast 192\.0\.2\.255/);
    expect(await lab.ok('netstat -rnf inet', inC)).toMatch(/^default +192\.0\.2\.1 +UGS +sim0$/m);
    expect(vnetOf(lab, 'c').resolver.conf.list()).toEqual([{ key: 'sim0:dhcp4', nameservers: ['192.0.2.1', '198.51.100.53'], search: ['lab.example'] }]);
    expect(await lab.ok('dhcpd -l', inS)).toMatch(/^Address +Hardware Address +State +Expires +Name\n192\.0\.2\.100 +\S+ +active +(10m0s|9m59s) +-$/);
    await lab.advance(3_000 * SECOND);
    expect(await lab.ok('dhclient -S', inC)).toContain('fixed-address 192.0.2.100;');
    expect(lab.log.filter((line) => line.startsWith('DHCPREQUEST on sim0 to 192.0.2.1')).length).toBe(10);
    await lab.ok('dhclient -r sim0', inC);
    expect(await lab.ok('ifconfig sim0 inet', inC)).not.toContain('inet ');
    expect(vnetOf(lab, 'c').resolver.conf.list()).toEqual([]);
    expect(await lab.ok('netstat -rnf inet', inC)).not.toContain('default');
    expect(vnetOf(lab, 'c').net.ifunit('sim0')?.mtu).toBe(1_500);
    expect(await lab.ok('dhcpd -l', inS)).toMatch(/released +-/);
    await lab.ok('dhcpd -k', inS);
    expect(lab.procs.size).toBe(0);
    expect([vnetOf(lab, 'c'), vnetOf(lab, 's')].map((v) => [v.kern.sockcnt, v.kern.control.count, v.net.captures])).toEqual([[0, 0, 0], [0, 0, 0]]);
  });

  it('loss is survived', async () => {
    for (const loss of [0.3, 0.5]) {
      const lab = await link({ loss });
      await serve(lab);
      await lab.ok(['dhclient', '-b', '-O', 'initial-interval 1; retry 1;', 'sim0'], inC);
      await lab.advance(300 * SECOND);
      expect(await lab.ok('ifconfig sim0 inet', inC)).toContain('inet 192.0.2.10');
    }
  });

  it('an address that somebody has is declined, and another taken', async () => {
    const lab = await link();
    await lab.ok('ifconfig sim0 inet 192.0.2.100/32 alias', inS);
    await serve(lab);
    await lab.ok('dhclient sim0', inC);
    expect(await lab.ok('ifconfig sim0 inet', inC)).toContain('inet 192.0.2.101');
    expect(await lab.ok('dhcpd -l', inS)).toMatch(/^192\.0\.2\.100 .* abandoned /m);
    expect(lab.log.filter((l) => l.startsWith('DHCPDECLINE of 192.0.2.100')).length).toBe(1);
  });

  it('the server tries addresses itself, when it is told to', async () => {
    const lab = await link();
    await lab.ok('ifconfig sim0 inet 192.0.2.100/32 alias', inS);
    await serve(lab, `ping-check true; ${CONF}`);
    const ran = await lab.sh('dhclient sim0', inC);
    expect(ran.stderr).not.toContain('DHCPDECLINE');
    expect(await lab.ok('ifconfig sim0 inet', inC)).toContain('inet 192.0.2.101');
    expect(lab.log).toContain('Abandoning IP address 192.0.2.100: pinged before offer');
  });

  it('nobody answers: it goes to the background and on trying, and gets a lease when there is a server', async () => {
    const lab = await link();
    const ran = await lab.sh(['dhclient', '-O', 'timeout 5; retry 10;', 'sim0'], inC);
    expect([ran.exit, ran.stderr.split('\n').at(-2)]).toEqual([0, 'No DHCPOFFERS received.']);
    expect(await lab.sh('dhclient -w 1 sim0', inC)).toEqual({ exit: 0, stdout: '', stderr: 'dhclient: sim0: no lease yet; it goes on trying\n' });
    await serve(lab);
    await lab.advance(20 * SECOND);
    expect(JSON.parse(await lab.ok('dhclient -S --json', inC))).toMatchObject({ dhclient: { interfaces: [{ interface: 'sim0', state: 'bound', lease: { address: '192.0.2.100', prefixlen: 24, server: '192.0.2.1', options: { routers: '192.0.2.1' } } }] } });
    expect(await lab.sh('dhclient -w 1 sim0', inC)).toEqual({ exit: 0, stdout: '', stderr: '' });
  });

  it('the network changes its numbers: refused, and another address', async () => {
    const lab = await link();
    await serve(lab, CONF.replace('600', '60'));
    await lab.ok('dhclient sim0', inC);
    await lab.ok('dhcpd -k', inS);
    await lab.ok('ifconfig sim0 inet 198.51.100.1/24', inS);
    await serve(lab, 'authoritative; default-lease-time 60; subnet 198.51.100.0 netmask 255.255.255.0 { range 198.51.100.9; }');
    await lab.advance(60 * SECOND);
    expect(await lab.ok('ifconfig sim0 inet', inC)).toMatch(/inet 198\.51\.100\.9 /);
    expect(await lab.ok('ifconfig sim0 inet', inC)).not.toContain('192.0.2.');
    expect(lab.log.some((l) => l === 'DHCPNAK from 198.51.100.1: wrong network')).toBe(true);
  });

  it('without a server the lease ends, and the address goes', async () => {
    const lab = await link();
    await serve(lab, CONF.replace('600', '60'));
    await lab.ok('dhclient sim0', inC);
    await lab.ok('dhcpd -k', inS);
    await lab.advance(61 * SECOND);
    expect(await lab.ok('ifconfig sim0 inet', inC)).not.toContain('inet ');
  });

  it('classless routes count, and routers then do not; a router outside the network is reached over the link', async () => {
    const lab = await link();
    await serve(lab, CONF.replace('option routers 192.0.2.1;', 'option routers 192.0.2.7; option classless-static-routes 10.0.0.0/8 192.0.2.9, 0.0.0.0/0 203.0.113.1, 10.9.0.0/16 0.0.0.0;'));
    await lab.ok('dhclient sim0', inC);
    const routes = await lab.ok('netstat -rnf inet', inC);
    for (const line of [/^10\.0\.0\.0\/8 +192\.0\.2\.9 +UGS/m, /^default +203\.0\.113\.1 +UGS/m, /^203\.0\.113\.1 +link#\d+ +UHS/m, /^10\.9\.0\.0\/16 +link#\d+ +US/m]) expect(routes).toMatch(line);
    expect(routes).not.toContain('192.0.2.7');
    await lab.ok('dhclient -x sim0', inC);
    expect(await lab.ok('netstat -rnf inet', inC)).toBe(routes);
  });

  it('a host’s name is told to the server, and a name to a host that has none', async () => {
    const lab = await link();
    await lab.ok('jail -m name=c host.hostname=desk', {});
    await serve(lab, CONF.replace('}', 'option host-name "other"; }'));
    await lab.ok('dhclient sim0', inC);
    expect(JSON.parse(await lab.ok('dhcpd -l --json', inS))).toMatchObject({ dhcpd: { leases: [{ address: '192.0.2.100', hostname: 'desk', state: 'active' }] } });
    expect(await lab.ok('jls -j c host.hostname')).toBe('desk');
    await lab.ok('dhclient -r sim0', inC);
    await lab.ok(['jail', '-m', 'name=c', 'host.hostname=']);
    await lab.ok('dhclient sim0', inC);
    expect(await lab.ok('jls -j c host.hostname')).toBe('other');
  });

  it('its interface goes, or its jail: nothing is left', async () => {
    const lab = await link();
    await serve(lab);
    await lab.ok('ifconfig epair create');
    for (const [name, jail] of [['epair0a', 's'], ['epair0b', 'c']] as const) await lab.ok(`ifconfig ${name} vnet ${jail}`);
    await lab.ok('ifconfig epair0a 198.51.100.1/24', inS);
    await lab.ok('dhcpd -k', inS);
    await lab.ok(['dhcpd', '-O', `${CONF} subnet 198.51.100.0 netmask 255.255.255.0 { range 198.51.100.9; option domain-name-servers 198.51.100.1; }`], inS);
    await lab.ok('dhclient epair0b', inC);
    await lab.ok('dhclient sim0', inC);
    expect(vnetOf(lab, 'c').resolver.conf.list().length).toBe(2);
    await lab.ok('ifconfig epair0a destroy', inS);
    await lab.advance(SECOND);
    expect([lab.log.at(-1), vnetOf(lab, 'c').resolver.conf.list().map((r) => r.key)]).toEqual(['Interface epair0b no longer appears valid.', ['sim0:dhcp4']]);
    const before = lab.procs.size;
    await lab.ok('jail -r c');
    await lab.ok('jail -r s');
    expect([before, lab.procs.size, lab.kernel.vnets.length]).toEqual([2, 0, 1]);
  });
});

describe('words', () => {
  it.each([
    ['c', 'dhclient', 1, 'usage: dhclient [-bdqu] [-c conffile]'],
    ['c', 'dhclient em9', 1, 'dhclient: em9: no such interface\n'],
    ['c', 'dhclient lo0', 1, 'dhclient: lo0: not an Ethernet interface\n'],
    ['c', 'dhclient -r sim0', 1, 'dhclient: no dhclient runs on sim0\n'],
    ['c', 'dhclient -w x sim0', 1, 'dhclient: -w x: a number of seconds is wanted\n'],
    ['c', 'dhclient -c /none sim0', 1, 'dhclient: /none: No such file or directory\n'],
    ['c', 'dhclient -O frob; sim0', 1, 'dhclient: -O line 1: frob: unknown statement\n'],
    ['c', 'dhclient -z sim0', 1, 'dhclient: illegal option -- z\nusage: '],
    ['s', 'dhcpd', 1, 'usage: dhcpd [-dfqt]'],
    ['s', 'dhcpd -l', 1, 'dhcpd: There is no DHCP server running in this vnet\n'],
    ['s', 'dhcpd -k', 1, 'dhcpd: There is no DHCP server running in this vnet\n'],
    ['s', 'dhcpd -cf /none', 1, "dhcpd: Can't open /none: No such file or directory\n"],
    ['s', 'dhcpd -O authoritative;', 1, 'dhcpd: Not configured to listen on any interfaces!\n'],
    ['s', 'dhcpd -O authoritative; sim0', 1, 'dhcpd: No subnet declaration for sim0 (192.0.2.1).\n'],
    ['s', 'dhcpd -O authoritative; lo0', 1, 'dhcpd: lo0: not an Ethernet interface\n'],
    ['s', 'dhcpd -O authoritative; em9', 1, 'dhcpd: em9: no such interface\n'],
    ['s', 'dhcpd -t -O frob;', 1, 'dhcpd: -O line 1: frob: unknown statement\n'],
  ])('in jail %s: %s', async (jail, line, exit, complaint) => {
    const lab = await link();
    const ran = await lab.sh(line, { jail });
    expect([ran.exit, ran.stdout, ran.stderr.slice(0, complaint.length)]).toEqual([exit, '', complaint]);
    expect(lab.procs.size).toBe(0);
  });

  it('twice is once too often; a file is checked', async () => {
    const lab = await link();
    lab.files.set('/dhcpd.conf', CONF);
    expect(await lab.sh('dhcpd -t -cf /dhcpd.conf', inS)).toEqual({ exit: 0, stdout: '', stderr: '' });
    await lab.ok('dhcpd -cf /dhcpd.conf -lf /x sim0', inS);
    expect((await lab.sh('dhcpd -cf /dhcpd.conf', inS)).stderr).toBe('dhcpd: There is already a DHCP server running in this vnet (dhcpd -k ends it)\n');
    await lab.ok('dhclient sim0', inC);
    expect((await lab.sh('dhclient sim0', inC)).stderr).toBe('dhclient: dhclient already running on sim0.\n');
  });
});

describe('a relay', () => {
  /** Clients in `c` on sim1 of the router `r`, the server `s` on its sim2. */
  async function routed(): Promise<ToolLab> {
    const lab = new ToolLab();
    for (const jail of ['s', 'r', 'c']) await lab.ok(`jail -c name=${jail} persist vnet`);
    joinJails(lab, 'r', 'c', 'sim1', { delayUs: 500 });
    joinJails(lab, 's', 'r', 'sim2', { delayUs: 500 });
    await lab.ok('ifconfig sim1 10.1.0.1/24', { jail: 'r' });
    await lab.ok('ifconfig sim2 10.2.0.1/24', { jail: 'r' });
    await lab.ok('sysctl net.inet.ip.forwarding=1', { jail: 'r' });
    await lab.ok('ifconfig sim2 10.2.0.2/24', inS);
    await lab.ok('route add default 10.2.0.1', inS);
    return lab;
  }
  const REMOTE = 'default-lease-time 60; subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.50; option routers 10.1.0.1; }';

  it.each([['', null], ['-a ', '01:04:73:69:6d:31']])('dhcrelay %scarries leases, renewals and releases between them', async (options, agent) => {
    const lab = await routed();
    await lab.ok(['dhcpd', '-O', REMOTE], inS);
    await lab.ok(`dhcrelay ${options}-i sim1 10.2.0.2`, { jail: 'r' });
    await lab.ok('dhclient sim1', inC);
    expect(await lab.ok('ifconfig sim1 inet', inC)).toContain('inet 10.1.0.50 ');
    expect(JSON.parse(await lab.ok('dhcpd -l --json', inS))).toMatchObject({ dhcpd: { leases: [{ address: '10.1.0.50', network: '10.1.0.0/24', 'agent-information': agent }] } });
    await lab.advance(300 * SECOND);
    expect(await lab.ok('ifconfig sim1 inet', inC)).toContain('inet 10.1.0.50 ');
    expect(lab.log.filter((l) => l === 'DHCPREQUEST on sim1 to 10.2.0.2 port 67').length).toBe(10);
    await lab.ok('dhclient -r sim1', inC);
    await lab.advance(SECOND);
    expect(await lab.ok('dhcpd -l', inS)).toContain(' released ');
    await lab.ok('dhcrelay -k', { jail: 'r' });
    await lab.ok('dhcpd -k', inS);
    expect([lab.procs.size, vnetOf(lab, 'r').kern.sockcnt]).toEqual([0, 0]);
  });

  it('drops what has gone round, and clients that play relay', async () => {
    const lab = await routed();
    await lab.ok(['dhcpd', '-O', REMOTE], inS);
    await lab.ok('dhcrelay -c 1 -i sim1 10.2.0.2', { jail: 'r' });
    await lab.ok(['dhclient', '-b', '-O', 'send option-82 1:1:5;', 'sim1'], inC);
    await lab.advance(SECOND);
    expect(lab.log.at(-1)).toBe('a request on sim1 was dropped: a client sends option 82');
  });

  it.each([
    ['dhcrelay 10.2.0.2', 'usage: dhcrelay [-adfq]'],
    ['dhcrelay -i sim1', 'usage: dhcrelay [-adfq]'],
    ['dhcrelay -i em9 10.2.0.2', 'dhcrelay: em9: no such interface\n'],
    ['dhcrelay -i lo0 10.2.0.2', 'dhcrelay: lo0: not an Ethernet interface\n'],
    ['dhcrelay -i sim1 x', 'dhcrelay: x: not the address of a server\n'],
    ['dhcrelay -c 0 -i sim1 10.2.0.2', 'dhcrelay: -c 0: a number from 1 to 255 is wanted\n'],
    ['dhcrelay -6 -i sim1 10.2.0.2', 'dhcrelay: -6: DHCP for IPv6 is not relayed\n'],
    ['dhcrelay -k', 'dhcrelay: There is no DHCP relay running in this vnet\n'],
  ])('%s', async (line, complaint) => {
    const lab = await routed();
    const ran = await lab.sh(line, { jail: 'r' });
    expect([ran.exit, ran.stderr.slice(0, complaint.length)]).toEqual([1, complaint]);
  });
});
