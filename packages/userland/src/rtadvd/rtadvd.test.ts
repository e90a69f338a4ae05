/**
 * rtadvd.test.ts — rtadvd, rtadvctl and rtsol as their users see them: two jails on one link, a router and a host.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';
import { RtadvdConfError, confEntry, parseCaps, rtadvConf } from './rtadvd-conf.js';

/** A router `r` (r0, 2001:db8:1::1/64) and a host `h` (h0, without addresses). */
async function link(): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const jail of ['r', 'h']) await lab.ok(`jail -c name=${jail} vnet persist`);
  await lab.ok('ifconfig epair create');
  for (const [jail, name, n] of [['r', 'epair0a', 1], ['h', 'epair0b', 2]] as const) {
    await lab.ok(`ifconfig ${name} ether 06:00:00:00:00:0${n}`);
    await lab.ok(`ifconfig ${name} vnet ${jail}`);
    await lab.ok(`ifconfig ${name} name ${jail}0`, { jail });
    await lab.ok('sysctl net.inet6.ip6.dad_count=0', { jail });
  }
  await lab.ok('ifconfig r0 inet6 2001:db8:1::1/64 up', { jail: 'r' });
  await lab.ok('sysctl net.inet6.ip6.forwarding=1', { jail: 'r' });
  return lab;
}

describe('a router and a host', () => {
  it('the host configures itself, and forgets the router that ends', async () => {
    const lab = await link();
    await lab.ok(['rtadvd', '-O', 'rltime#1800:raflags=h:mtu#1400:rdnss="2001:db8::53":dnssl="lab.example"', 'r0'], { jail: 'r' });
    expect(await lab.sh('rtsol -d h0', { jail: 'h' })).toMatchObject({ exit: 1, stderr: 'rtsol: h0 does not accept router advertisements (ifconfig h0 inet6 accept_rtadv, or -F)\n' });
    await lab.ok('ifconfig h0 inet6 accept_rtadv -ifdisabled up', { jail: 'h' });
    expect(await lab.sh('rtsol -d h0', { jail: 'h' })).toEqual({ exit: 0, stdout: '', stderr: 'rtsol: h0: answered\n' });
    expect(await lab.ok('ifconfig h0 inet6', { jail: 'h' })).toMatch(/\tinet6 2001:db8:1:0:400:ff:fe00:2 prefixlen 64 autoconf pltime 604800 vltime 2592000$/m);
    expect(await lab.ok('rtsol -l', { jail: 'h' })).toBe('# fe80::400:ff:fe00:1%h0\nnameserver 2001:db8::53\nsearch lab.example');
    const h = lab.kernel.prisons.find(lab.kernel.prisons.prison0, 'h');
    expect(h?.vnet.nd6.routers.map((r) => [r.preference, r.installed])).toEqual([[1, true]]);
    await lab.ok('rtadvctl shutdown', { jail: 'r' });
    expect(h?.vnet.nd6.routers).toEqual([]);
    expect(await lab.ok('rtsol -l', { jail: 'h' })).toBe('');
  });

  it('rtadvctl shows what is told', async () => {
    const lab = await link();
    lab.files.set('/rtadvd.conf', '# two interfaces\ndefault:\\\n  :chlim#32:maxinterval#60:tc=dns:\ndns:rdnss="2001:db8::53":\nr0:\\\n\t:addr="2001:db8:7::":vltime#3600:pltime#600:\\\n\t:rtprefix="2001:db8:8::":rtplen#48:rtflags="l":tc=default:\n');
    await lab.ok('rtadvd -c /rtadvd.conf r0', { jail: 'r' });
    const shown = await lab.ok('rtadvctl -v show', { jail: 'r' });
    expect(shown.replace(/send: .*/g, 'send: DATE')).toBe(`r0: flags=<UP,CONFIGURED,PERSIST> status=<RA_SEND> mtu 1500
\tDefaultLifetime: 3m
\tMinAdvInterval/MaxAdvInterval: 20s/1m
\tAdvLinkMTU: <none>, Flags: <none>, Preference: medium
\tReachableTime: 0s, RetransTimer: 0s, CurHopLimit: 32
\tAdvIfPrefixes: yes
\tNext RA send: DATE
\tLast RA send: DATE
\tRoute Info:
\t  2001:db8:8::/48 (pref: low, ltime: 30m)
\tPrefixes (1):
\t  2001:db8:7::/64 (CONFIG, vltime=1h, pltime=10m, flags=LA)
\tRDNSS entries:
\t  2001:db8::53 (ltime=1m30s)`);
    expect(JSON.parse(await lab.ok('rtadvctl --libxo json show', { jail: 'r' }))).toMatchObject({ rtadvd: { interfaces: [{ name: 'r0', rltime: 180, chlim: 32, prefixes: [{ prefix: '2001:db8:7::/64' }] }] } });
    lab.files.set('/rtadvd.conf', 'r0:rltime#0:\n');
    await lab.ok('rtadvctl reload', { jail: 'r' });
    expect(await lab.ok('rtadvctl show r0', { jail: 'r' })).toContain('DefaultLifetime: 0s');
  });

  it.each([
    ['h', 'rtadvd -O rltime#1800 h0', 'rtadvd: h0: IPv6 is disabled there (ifconfig h0 inet6 -ifdisabled)'],
    ['r', 'rtadvd', 'usage: rtadvd [-dDfRs] [-c configfile] [-O capabilities] [-C ctlsock] [-M ifname] [-p pidfile] interface ...'],
    ['r', 'rtadvd em9', 'rtadvd: em9: no such interface'],
    ['r', 'rtadvd lo0', 'rtadvd: lo0: not an Ethernet interface with IPv6'],
    ['r', 'rtadvd -c /nosuch r0', 'rtadvd: /nosuch: No such file or directory'],
    ['r', 'rtadvctl shutdown', 'shutdown failed: rtadvd is not running.'],
    ['r', 'rtadvctl show em9', 'show failed: invalid interface em9.'],
    ['r', 'rtadvctl enable r0', 'usage: rtadvctl [-v] subcommand [interface ...]'],
    ['h', 'rtsol em9', 'rtsol: em9: no such interface'],
    ['r', 'rtsol lo0', 'rtsol: lo0: no IPv6 link to ask on'],
  ])('in jail %s: %s', async (jail, line, complaint) => {
    const lab = await link();
    expect(await lab.sh(line, { jail })).toEqual({ stdout: '', stderr: `${complaint}\n`, exit: 1 });
  });

  it('a vnet that does not forward is no router, and rtsol -F makes a router a host', async () => {
    const lab = await link();
    await lab.ok('sysctl net.inet6.ip6.forwarding=0', { jail: 'r' });
    expect((await lab.sh('rtadvd r0', { jail: 'r' })).stderr).toBe('rtadvd: IPv6 forwarding is disabled: only a router advertises (sysctl net.inet6.ip6.forwarding=1)\n');
    await lab.ok('sysctl net.inet6.ip6.forwarding=1', { jail: 'r' });
    await lab.ok('rtsol -F r0', { jail: 'r' });
    expect(await lab.ok('sysctl -n net.inet6.ip6.forwarding', { jail: 'r' })).toBe('0');
  });
});

describe('rtadvd.conf', () => {
  it.each([
    ['rltime#5', 'rltime (5) must be 0 or between 600 and 9000'],
    ['rltime=5', 'rltime: a number is wanted (rltime#N)'],
    ['chlim#256', 'chlim (256) must be between 0 and 255'],
    ['mtu#1279', 'mtu (1279) must be between 1280 and 1500'],
    ['addr="2001:db8::1:g"', 'addr: 2001:db8::1:g: not an IPv6 address'],
    ['addr#5', 'addr: a text is wanted (addr="...")'],
    ['addr="2001:db8::":vltime#5:pltime#6', 'pltime (6) must not be more than vltime (5)'],
    ['raflags="x"', "raflags: 'x' is none of m, o, h, l"],
    ['hapref#1', 'hapref: unknown capability'],
    ['rltime#x', 'rltime: x: not a number'],
    ['dnssl="a..b"', 'dnssl: a..b: not a domain name'],
    ['!', '!: not a capability (name#number, name=text or name)'],
  ])('refuses %s', (text, complaint) => {
    expect(() => rtadvConf(parseCaps(text), 1500)).toThrow(new RtadvdConfError(complaint));
  });

  it.each([['r0:tc=r0:', 'r0: tc= goes round in a circle'], ['r0:tc=no:', 'tc=no: there is no such entry'], ['rubbish', 'rubbish: no colon behind the name of the entry']])('refuses the file %s', (file, complaint) => {
    expect(() => confEntry(file, 'r0')).toThrow(new RtadvdConfError(complaint));
  });

  it('knows numbered capabilities, hexadecimal, and the MTU of the interface', () => {
    const conf = rtadvConf(parseCaps('addr="2001:db8:1::":addr0="2001:db8:2::":prefixlen0#0x38:pinfoflags0="a":mtu=auto:raflags="mo":noifprefix:nolladdr'), 9000);
    expect(conf).toMatchObject({ mtu: 9000, raflags: 0xc0, noifprefix: true, nolladdr: true, prefixes: [{ plen: 64, flags: 0xc0 }, { plen: 56, flags: 0x40 }] });
  });
});
