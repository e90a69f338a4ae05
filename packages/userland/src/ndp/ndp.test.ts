/**
 * ndp.test.ts — ndp as its users see it: columns, changes, refusals, flags of interfaces, prefixes.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import { sec2str } from './expire-text.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

async function golden(transcript: string): Promise<void> {
  const text = transcript.replace(/^\n/, '');
  expect(await lab.session(text, inA)).toBe(text);
}

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
  await lab.ok('ifconfig sim0 inet6 2001:db8::1/64 no_dad', inA);
  await lab.ok('ifconfig sim0 inet6 2001:db8::2/64 no_dad', inB);
});

describe('neighbours', () => {
  test('own, learned, unresolved; the columns', async () => {
    await lab.sh('ping -6 -c 1 2001:db8::2', inA);
    await lab.sh('ping -6 -c 1 -t 1 2001:db8::9', inA);
    const lines = (await lab.ok('ndp -an', inA)).split('\n');
    expect(lines[0]).toBe('Neighbor                             Linklayer Address  Netif Expire    S Flags');
    const shape = lines.slice(1).map((l) => l.replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC').replace(/ +/g, ' ').replace(/fe80::[0-9a-f:]+/, 'fe80::X').replace(/ \d+s /, ' Ns ')).map((l) => (l.startsWith('fe80') ? l.trim() : l));
    expect(shape).toEqual([
      '2001:db8::1 MAC sim0 permanent R ', '2001:db8::2 MAC sim0 Ns R ', expect.stringMatching(/^2001:db8::9 \(incomplete\) sim0 Ns [IF] {1,2}\d$/), 'fe80::X%sim0 MAC sim0 permanent R',
    ]);
  });

  test('-s, -d, -c, proxy', async () => {
    await golden(`
$ ndp -s 2001:db8::7 0:1:2:3:4:5
$ ndp -n 2001:db8::7
Neighbor                             Linklayer Address  Netif Expire    S Flags
2001:db8::7                          00:01:02:03:04:05   sim0 permanent R 
$ ndp -s 2001:db8::8 0:1:2:3:4:6 proxy
$ ndp -n 2001:db8::8
Neighbor                             Linklayer Address  Netif Expire    S Flags
2001:db8::8                          00:01:02:03:04:06   sim0 permanent R p
$ ndp -nd 2001:db8::7
2001:db8::7 (2001:db8::7) deleted
$ ndp -d 2001:db8::7
! ndp: delete 2001:db8::7: No such file or directory
[1]
$ ndp -c
2001:db8::8 (2001:db8::8) deleted
$ ndp 2001:db8::8
Neighbor                             Linklayer Address  Netif Expire    S Flags
! ndp: 2001:db8::8 (2001:db8::8) -- no entry
[1]
$ ndp -s 2001:db8::1 0:1:2:3:4:5
! ndp: set 2001:db8::1: Operation not permitted
[1]
$ ndp -s 2001:db8:9::1 0:1:2:3:4:5
! ndp: cannot intuit interface index and type for 2001:db8:9::1
[1]
$ ndp -d 2001:db8:9::1
! ndp: delete: cannot locate 2001:db8:9::1
[1]
$ ndp -s 2001:db8::3 0:1:2:3
! ndp: invalid Ethernet address '0:1:2:3'
[1]
$ ndp -s 2001:db8::3 0:1:2:3:4:5 pub
! ndp: pub: neither temp nor proxy
[1]
$ ndp -d nobody
! ndp: nobody: Name does not resolve
[1]
`);
  });

  test('temporary entries are learned ones; JSON is libxo’s', async () => {
    await lab.ok('ndp -s 2001:db8::7 0:1:2:3:4:5 temp', inA);
    const { ndp } = JSON.parse(await lab.ok('ndp -an --libxo json', inA)) as { ndp: { 'neighbor-cache': Record<string, unknown>[] } };
    expect(ndp['neighbor-cache'].find((e) => e.address === '2001:db8::7')).toMatchObject({ 'mac-address': '00:01:02:03:04:05', interface: 'sim0', 'neighbor-state': 'R', own: false });
    expect(ndp['neighbor-cache'].find((e) => e.address === '2001:db8::1')).toMatchObject({ permanent: true, own: true });
  });

  test('a file of entries', async () => {
    lab.files.set('/etc/ndp', '# neighbours\n2001:db8::7 0:1:2:3:4:5\n2001:db8::8\t0:1:2:3:4:6 proxy # a guest\n2001:db8::9\n');
    await golden(`
$ ndp -f /etc/ndp
! ndp: bad line: 2001:db8::9
[1]
`);
    expect(await lab.ok('ndp -an', inA)).toMatch(/::7 .*permanent R \n2001:db8::8 .*permanent R p\n/);
  });
});

describe('interfaces and lists', () => {
  test('-i shows and sets', async () => {
    await golden(`
$ ndp -i sim0
linkmtu=1500, maxmtu=1500, curhlim=64, basereachable=30s0ms, reachable=30s, retrans=1s0ms
Flags: nud auto_linklocal 
$ ndp -i sim0 -- -nud retrans=500 curhlim=32
linkmtu=1500, maxmtu=1500, curhlim=32, basereachable=30s0ms, reachable=30s, retrans=0s500ms
Flags: auto_linklocal 
$ ndp -i sim0 nud disabled
linkmtu=1500, maxmtu=1500, curhlim=32, basereachable=30s0ms, reachable=30s, retrans=0s500ms
Flags: disabled nud auto_linklocal 
$ ndp -i sim0 bogus
! ndp: bogus: not a flag; flags are disabled, nud, accept_rtadv, auto_linklocal, no_prefer_iface
[1]
$ ndp -i sim0 curhlim=256
! ndp: syntax error in curhlim's value: 256 is not a number from 0 to 255
[1]
$ ndp -i nosuch0
! ndp: ioctl(SIOCGIFINFO_IN6): Device not configured
[1]
`);
  });

  test('-p, -r, -I, -P, -R, -H', async () => {
    await golden(`
$ ndp -p
fe80::%lo0/64 if=lo0
flags=LO vltime=infinity, pltime=infinity, expire=Never, ref=1
  No advertising router
2001:db8::/64 if=sim0
flags=LO vltime=infinity, pltime=infinity, expire=Never, ref=1
  No advertising router
fe80::%sim0/64 if=sim0
flags=LO vltime=infinity, pltime=infinity, expire=Never, ref=1
  No advertising router
$ ndp -r
$ ndp -P
$ ndp -R
$ ndp -H
$ ndp -I
No default interface.
$ ndp -I sim0
ND default interface = sim0
$ ndp -I delete
No default interface.
$ ndp -I nosuch0
! ndp: invalid interface nosuch0
[1]
`);
  });

  test('seconds', () => {
    expect([5, 60, 3599, 86_399, 172_801].map(sec2str)).toEqual(['5s', '1m0s', '59m59s', '23h59m59s', '2d0h0m1s']);
  });
});
