/**
 * tunnel.test.ts — gre, stf, disc and edsc as ifconfig's users see them, and what upstream's if_gre cases about IPv4 do.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

async function golden(text: string, lab = new ToolLab()): Promise<ToolLab> {
  const session = text.replace(/^\n/, '');
  expect(await lab.session(session)).toBe(session);
  return lab;
}

/** Jails `one` and `two` on a cable, 192.0.2.1 and 192.0.2.2. */
async function pair(): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const line of [
    'ifconfig epair create', 'jail -c name=one persist vnet vnet.interface=epair0a', 'jail -c name=two persist vnet vnet.interface=epair0b',
    'jexec one ifconfig epair0a 192.0.2.1/24 up', 'jexec two ifconfig epair0b 192.0.2.2/24 up',
  ]) await lab.ok(line);
  return lab;
}

/** A gre in both, with these words, and what its carrier's side counts. */
async function joinedByGre(words: string): Promise<ToolLab> {
  const lab = await pair();
  for (const line of [
    'ifconfig -j one gre create', 'ifconfig -j two gre create', 'ifconfig -j one gre0 inet tunnel 192.0.2.1 192.0.2.2', 'ifconfig -j two gre0 inet tunnel 192.0.2.2 192.0.2.1',
    'ifconfig -j one gre0 inet 198.51.100.1/24 198.51.100.2 up', 'ifconfig -j two gre0 inet 198.51.100.2/24 198.51.100.1 up',
  ]) await lab.ok(line);
  if (words !== '') for (const jail of ['one', 'two']) await lab.ok(`ifconfig -j ${jail} gre0 ${words}`);
  return lab;
}

describe('gre', () => {
  it('is shown in FreeBSD\'s form', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a 192.0.2.1/24 up
$ ifconfig gre create
gre0
$ ifconfig gre0
gre0: flags=8010<POINTOPOINT,MULTICAST> metric 0 mtu 1476
	options=80000<LINKSTATE>
	groups: gre
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig gre0 tunnel 192.0.2.1 192.0.2.2 grekey 0xa enable_csum
$ ifconfig gre0 inet 10.0.0.1/32 10.0.0.2
$ ifconfig gre0
gre0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu 1476
	options=80000<LINKSTATE>
	tunnel inet 192.0.2.1 --> 192.0.2.2
	inet 10.0.0.1 --> 10.0.0.2 netmask 0xffffffff
	groups: gre
	grekey: 0xa (10)
	options=1<ENABLE_CSUM>
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig gre0 enable_seq udpencap udpport 50000
$ ifconfig gre0
gre0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu 1476
	options=80000<LINKSTATE>
	tunnel inet 192.0.2.1 --> 192.0.2.2
	inet 10.0.0.1 --> 10.0.0.2 netmask 0xffffffff
	groups: gre
	grekey: 0xa (10)
	udpport: 50000
	options=7<ENABLE_CSUM,ENABLE_SEQ,UDPENCAP>
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig gre0 -enable_csum -enable_seq -udpencap grekey 0 deletetunnel
$ ifconfig gre0
gre0: flags=8011<UP,POINTOPOINT,MULTICAST> metric 0 mtu 1476
	options=80000<LINKSTATE>
	inet 10.0.0.1 --> 10.0.0.2 netmask 0xffffffff
	groups: gre
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  });

  it('warns where FreeBSD warns', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a 192.0.2.1/24 up
$ ifconfig gre create
gre0
$ ifconfig gre create
gre1
$ ifconfig gre0 tunnel 192.0.2.1 192.0.2.2
$ ifconfig gre1 tunnel 192.0.2.1 192.0.2.2
! ifconfig: SIOCSIFPHYADDR: Can't assign requested address
$ ifconfig gre1 udpencap tunnel 192.0.2.1 192.0.2.2
$ ifconfig gre1 -udpencap
! ifconfig: ioctl(GIFSOPTS): File exists
$ ifconfig gre0 udpport 1024
! ifconfig: ioctl (set udpport): Invalid argument
$ ifconfig gre0 inet6 tunnel 2001:db8::1 ff02::1
! ifconfig: SIOCSIFPHYADDR_IN6: Can't assign requested address
$ ifconfig gre0 inet tunnel 2001:db8::1 2001:db8::2
! ifconfig: SIOCSIFPHYADDR: Invalid argument
$ ifconfig gre0 tunnel 192.0.2.1 2001:db8::2
! ifconfig: source and destination address families do not match
[1]
$ ifconfig epair0a grekey 1 udpport 0 enable_csum
! ifconfig: ioctl (set grekey): Invalid argument
! ifconfig: ioctl (set udpport): Invalid argument
! ifconfig: ioctl(GREGOPTS): Invalid argument
$ ifconfig gre0 tunnelfib 9
! ifconfig: ioctl (SIOCSTUNFIB): Invalid argument
$ ifconfig gre0 mtu 575
! ifconfig: ioctl SIOCSIFMTU (set mtu): Invalid argument
[1]
`);
  });

  it('reads numbers as strtol does', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig gre create');
    for (const [text, key] of [['010', 8], ['0x1F', 31], ['12abc', 12], ['-1', 0xffffffff], ['4294967297', 1], ['9'.repeat(30), 0xffffffff], ['0x', 0], ['none', 0]] as const) {
      await lab.ok(`ifconfig gre0 grekey ${text}`);
      expect(JSON.parse(await lab.ok('ifconfig --json gre0')), text).toMatchObject([{ gre: { grekey: key } }]);
    }
  });

  it.each(['', 'grekey 10', 'enable_csum', 'enable_seq', 'udpencap', 'udpencap udpport 50000', 'grekey 10 enable_csum enable_seq udpencap'])('carries pings: %s', async (words) => {
    const lab = await joinedByGre(words);
    expect(await lab.ok('jexec one ping -c 1 198.51.100.2')).toContain('1 packets received');
    expect(await lab.ok('jexec two ping -c 2 198.51.100.1')).toContain('2 packets received');
    expect(await lab.ok('jexec one netstat -n -I gre0 -bd')).toMatch(/gre0 +1476 <Link#\d+> +gre0 +3 +0 +0 /);
  });

  it('takes options before there is a tunnel, in the words of its creation, and keeps them when it goes', async () => {
    await golden(`
$ jail -c name=j persist vnet
$ ifconfig -j j gre create enable_seq grekey 10 enable_csum udpencap udpport 55555 up
gre0
$ ifconfig -j j gre0 inet 169.254.0.1 169.254.0.2
$ ifconfig -j j gre0 tunnel 192.0.2.1 192.0.2.2
$ ifconfig -j j gre0 deletetunnel
$ ifconfig -j j gre0
gre0: flags=8011<UP,POINTOPOINT,MULTICAST> metric 0 mtu 1476
	options=80000<LINKSTATE>
	inet 169.254.0.1 --> 169.254.0.2 netmask 0xffff0000
	groups: gre
	grekey: 0xa (10)
	udpport: 55555
	options=7<ENABLE_CSUM,ENABLE_SEQ,UDPENCAP>
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig -j j gre create inet tunnel 192.0.2.1 192.0.2.3 up
gre1
`);
  });

  it('says so when UDP port 4754 is somebody else\'s, and is without a tunnel then', async () => {
    const lab = await joinedByGre('');
    const nc = lab.start('nc -u -l 192.0.2.1 4754', { jail: 'one' });
    await lab.advance(1_000);
    expect(await lab.sh('ifconfig -j one gre0 udpencap')).toEqual({ stdout: '', stderr: 'ifconfig: ioctl(GIFSOPTS): Address already in use\n', exit: 0 });
    expect(await lab.ok('ifconfig -j one gre0')).not.toContain('tunnel');
    nc.proc.signal('KILL');
    await lab.advance(1_000);
    await lab.ok('ifconfig -j one gre0 tunnel 192.0.2.1 192.0.2.2');
    await lab.ok('ifconfig -j two gre0 udpencap');
    expect(await lab.ok('jexec one ping -c 1 198.51.100.2')).toContain('1 packets received');
  });

  it('loses its tunnel when it moves', async () => {
    const lab = await joinedByGre('grekey 10');
    await lab.ok('ifconfig -j two gre0 destroy');
    await lab.ok('ifconfig gre create');
    await lab.ok('ifconfig gre0 tunnel 192.0.2.9 192.0.2.8 mtu 1400');
    await lab.ok('ifconfig gre0 vnet two');
    expect(JSON.parse(await lab.ok('ifconfig -j two --json gre0'))).toMatchObject([{ mtu: 1400, groups: ['gre'] }]);
    expect(await lab.ok('ifconfig -j two gre0')).not.toContain('tunnel');
  });
});

describe('stf', () => {
  it('is made once, by its names, and shows its domain', async () => {
    await golden(`
$ ifconfig stf create
stf0
$ ifconfig stf create
! ifconfig: interface stf already exists
[1]
$ ifconfig stf0 create
! ifconfig: interface stf0 already exists
[1]
$ ifconfig 6to4 create
! ifconfig: SIOCIFCREATE2 (6to4): Invalid argument
[1]
$ ifconfig stf1 create
! ifconfig: SIOCIFCREATE2 (stf1): Invalid argument
[1]
$ ifconfig stf0
stf0: flags=0 metric 0 mtu 1280
	options=0
	groups: stf
	v4net 0.0.0.0/32 -> tv4br 0.0.0.0
	nd6 options=109<PERFORMNUD,IFDISABLED,NO_DAD>
$ ifconfig stf0 stfv4net 192.0.2.1/24 stfv4br 192.0.2.99
$ ifconfig stf0
stf0: flags=0 metric 0 mtu 1280
	options=0
	groups: stf
	v4net 192.0.2.1/24 -> tv4br 192.0.2.99
	nd6 options=109<PERFORMNUD,IFDISABLED,NO_DAD>
$ ifconfig stf0 name sixrd
sixrd
$ ifconfig stf0 create
! ifconfig: interface stf0 already exists
[1]
$ ifconfig sixrd destroy
$ ifconfig stf0 create
$ ifconfig -l
lo0 stf0
`);
  });

  it.each([
    ['stf0 stfv4net 192.0.2.1', 'Wrong argument given', 2],
    ['stf0 stfv4net 192.0.2.1/33', '192.0.2.1/33: bad value (prefix length too large)', 1],
    ['stf0 stfv4net 192.0.2.1/-1', '192.0.2.1/-1: bad value (prefix length too small)', 1],
    ['stf0 stfv4net 192.0.2.1/x', '192.0.2.1/x: bad value (prefix length invalid)', 1],
    ['stf0 stfv4net 192.0.2.1/0', '192.0.2.1/0: bad value (prefix length (null))', 1],
    ['stf0 stfv4net 192.0.2.256/24', '192.0.2.256: bad value', 1],
    ['stf0 stfv4br what', 'what: bad value', 1],
    ['lo0 stfv4net 192.0.2.1/24', 'STF6RD_SV4NET 192.0.2.1: Invalid argument', 1],
    ['lo0 stfv4br 192.0.2.1', 'STF6RD_SBR192.0.2.1: Invalid argument', 1],
    ['stf0 inet 192.0.2.1/24', 'ioctl (SIOCAIFADDR): Address family not supported by protocol family', 1],
    ['stf0 mtu 1279', 'ioctl SIOCSIFMTU (set mtu): Invalid argument', 1],
    ['stf0 mtu 65516', 'ioctl SIOCSIFMTU (set mtu): Invalid argument', 1],
    ['stf0 deletetunnel', 'SIOCDIFPHYADDR: Invalid argument', 1],
  ])('refuses: ifconfig %s', async (words, complaint, exit) => {
    const lab = new ToolLab();
    await lab.ok('ifconfig stf create');
    const before = await lab.ok('ifconfig --json');
    expect(await lab.sh(`ifconfig ${words}`)).toEqual({ stdout: '', stderr: `ifconfig: ${complaint}\n`, exit });
    expect(await lab.ok('ifconfig --json')).toBe(before);
  });

  it('keeps its domain when it moves; one setting for all vnets is the host\'s', async () => {
    const lab = await golden(`
$ jail -c name=j persist vnet
$ ifconfig stf create
stf0
$ ifconfig stf0 stfv4net 192.0.2.1/24 stfv4br 192.0.2.99 vnet j
$ jexec j ifconfig stf0
stf0: flags=0 metric 0 mtu 1280
	options=0
	groups: stf
	v4net 192.0.2.1/24 -> tv4br 192.0.2.99
	nd6 options=109<PERFORMNUD,IFDISABLED,NO_DAD>
$ sysctl net.link.stf.permit_rfc1918=1
net.link.stf.permit_rfc1918: 0 -> 1
$ jexec j sysctl net.link.stf.permit_rfc1918
net.link.stf.permit_rfc1918: 1
`);
    expect((await lab.sh('jexec j sysctl net.link.stf.permit_rfc1918=0')).exit).toBe(1);
    expect(await lab.ok('sysctl -n net.link.stf.permit_rfc1918')).toBe('1');
  });
});

describe('disc and edsc', () => {
  it('take everything', async () => {
    await golden(`
$ ifconfig disc create 192.0.2.1/24
disc0
$ ifconfig disc0
disc0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 65532
	options=0
	inet 192.0.2.1 netmask 0xffffff00
	inet6 fe80::1%disc0 prefixlen 64 scopeid 0x2
	groups: disc
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ route add -net 198.51.100.0/24 -interface disc0
add net 198.51.100.0/24: gateway disc0
$ ping -q -c 2 -i 0.1 -t 1 198.51.100.9
PING 198.51.100.9 (198.51.100.9): 56 data bytes

--- 198.51.100.9 ping statistics ---
2 packets transmitted, 0 packets received, 100.0% packet loss
[2]
$ ifconfig edsc create 203.0.113.1/24
edsc0
$ ifconfig -m edsc0
edsc0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	capabilities=3bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,TSO4,TSO6>
	ether MAC
	inet 203.0.113.1 netmask 0xffffff00 broadcast 203.0.113.255
	groups: edsc
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  });

  it('count what they took', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig disc create 192.0.2.1/24');
    await lab.sh('ping -q -c 2 -i 0.1 -t 1 192.0.2.1');
    expect(await lab.ok('netstat -n -I disc0 -b')).toMatch(/disc0 +65532 <Link#\d+> +disc0 +0 +0 +0 +0 +2 +0 +168 /);
  });
});
