/**
 * arp.test.ts — arp as its users see it: lines, changes, refusals, files.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails, twoJails } from '../test/test-links.js';
import { ToolLab } from '../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };

async function golden(transcript: string): Promise<void> {
  const text = transcript.replace(/^\n/, '');
  expect(await lab.session(text, inA)).toBe(text);
}

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
});

describe('what it shows', () => {
  test('own, learned, incomplete, expiring', async () => {
    await lab.ok('ping -c 1 192.0.2.2', inA);
    await lab.sh('ping -c 1 -t 1 192.0.2.9', inA);
    await golden(`
$ arp -a
? (192.0.2.1) at MAC on sim0 permanent [ethernet]
? (192.0.2.2) at MAC on sim0 expires in 1199 seconds [ethernet]
? (192.0.2.9) at (incomplete) on sim0 expired [ethernet]
$ arp -n 192.0.2.2
? (192.0.2.2) at MAC on sim0 expires in 1199 seconds [ethernet]
$ arp 192.0.2.77
192.0.2.77 (192.0.2.77) -- no entry
[1]
$ arp -i sim0 192.0.2.77
192.0.2.77 (192.0.2.77) -- no entry on sim0
[1]
$ arp -i lo0 -a
$ arp -i nosuch0 -a
! arp: interface nosuch0 does not exist
[1]
$ arp nobody
! arp: nobody: Unknown host
[1]
`);
  });

  test('kinds of interfaces', async () => {
    await lab.ok('ifconfig bridge0 create inet 203.0.113.1/24 up', inA);
    await lab.ok('ifconfig vlan5 create vlandev sim0 vlan 5 inet 198.51.100.1/24', inA);
    expect(await lab.ok('arp -a', inA)).toMatch(/on bridge0 permanent \[bridge\]\n(.*\n)?.*on vlan5 permanent \[vlan\]/);
  });

  test('JSON is libxo’s', async () => {
    await lab.ok('arp -s 192.0.2.7 0:1:2:3:4:5 pub', inA);
    await lab.sh('ping -c 1 -t 1 192.0.2.9', inA);
    const { arp } = JSON.parse(await lab.ok('arp -a --libxo json', inA)) as { arp: { 'arp-cache': Record<string, unknown>[] } };
    const find = (ip: string): Record<string, unknown> | undefined => arp['arp-cache'].find((e) => e['ip-address'] === ip);
    expect(find('192.0.2.7')).toEqual({
      hostname: '?', 'ip-address': '192.0.2.7', 'mac-address': '00:01:02:03:04:05', interface: 'sim0', permanent: true, published: true, type: 'ethernet',
      state: 'reachable', own: false,
    });
    expect(find('192.0.2.9')).toMatchObject({ incomplete: true, expired: true });
    expect(find('192.0.2.1')).toMatchObject({ own: true });
  });
});

describe('what it changes', () => {
  test('-s, -S, -d, temp, pub', async () => {
    await golden(`
$ arp -s 192.0.2.7 90:10:00:01:02:03
$ arp -n 192.0.2.7
? (192.0.2.7) at 90:10:00:01:02:03 on sim0 permanent [ethernet]
$ arp -S 192.0.2.7 90:10:0:1:2:4 temp
192.0.2.7 (192.0.2.7) deleted
$ arp -n 192.0.2.7
? (192.0.2.7) at 90:10:00:01:02:04 on sim0 expires in 1200 seconds [ethernet]
$ arp -s 192.0.2.8 90:10:00:01:02:05 pub
$ arp 192.0.2.8
? (192.0.2.8) at 90:10:00:01:02:05 on sim0 permanent published [ethernet]
$ arp -s 192.0.2.9 auto pub only
using interface sim0 for proxy with address MAC
$ arp 192.0.2.9
? (192.0.2.9) at MAC on sim0 permanent published [ethernet]
$ arp -d 192.0.2.7
192.0.2.7 (192.0.2.7) deleted
$ arp -d 192.0.2.7
! arp: delete 192.0.2.7: No such file or directory
[1]
$ arp -d 10.1.2.3
! arp: delete: cannot locate 10.1.2.3
[1]
$ arp -d 192.0.2.1
! arp: delete 192.0.2.1: Operation not permitted
[1]
$ arp -da
192.0.2.8 (192.0.2.8) deleted
192.0.2.9 (192.0.2.9) deleted
$ arp -a
? (192.0.2.1) at MAC on sim0 permanent [ethernet]
`);
  });

  test('a temporary entry expires; a published one answers', async () => {
    await lab.ok('arp -s 192.0.2.7 90:10:00:01:02:03 temp', inA);
    await lab.advance(1_000_000_000);
    expect(await lab.ok('arp 192.0.2.7', inA)).toContain('expires in 200 seconds');
    await lab.advance(300_000_000);
    expect((await lab.sh('arp 192.0.2.7', inA)).stdout).toMatch(/no entry|incomplete/);
    await lab.ok('arp -s 192.0.2.8 auto pub', inA);
    await lab.sh('ping -c 1 -t 1 192.0.2.8', { jail: 'b' });
    const own = /at (\S+) on/.exec(await lab.ok('arp 192.0.2.1', inA))?.[1];
    expect(await lab.ok('arp 192.0.2.8', { jail: 'b' })).toContain(`at ${own ?? ''} on sim0`);
  });

  test('a static entry is what packets go to', async () => {
    await lab.ok('arp -s 192.0.2.2 90:10:00:01:02:03', inA);
    expect(await lab.sh('ping -c 1 -t 1 192.0.2.2', inA)).toMatchObject({ exit: 2 });
    await lab.ok('arp -d 192.0.2.2', inA);
    expect(await lab.sh('ping -c 1 -t 1 192.0.2.2', inA)).toMatchObject({ exit: 0 });
  });

  test('-d -i -a is about one interface', async () => {
    joinJails(lab, 'a', 'b', 'sim1', { delayUs: 100 });
    await lab.ok('ifconfig sim1 198.51.100.1/24', inA);
    await lab.ok('arp -s 192.0.2.7 90:10:00:01:02:03', inA);
    await lab.ok('arp -s 198.51.100.7 90:10:00:01:02:03', inA);
    expect(await lab.ok('arp -d -i sim1 -a', inA)).toBe('198.51.100.7 (198.51.100.7) deleted');
    expect(await lab.ok('arp 192.0.2.7', inA)).toContain('permanent');
  });

  test('-f reads a file', async () => {
    lab.files.set('/etc/arp', '# static neighbours\n192.0.2.7 90:10:00:01:02:03\n\n  192.0.2.8\t90:10:00:01:02:04 temp # a guest\n192.0.2.9\n10.1.2.3 90:10:00:01:02:05\n192.0.2.6 bogus\n');
    await golden(`
$ arp -f /etc/arp
! arp: bad line: 192.0.2.9
! arp: cannot intuit interface index and type for 10.1.2.3
! arp: invalid Ethernet address 'bogus'
[1]
$ arp -a
? (192.0.2.1) at MAC on sim0 permanent [ethernet]
? (192.0.2.7) at 90:10:00:01:02:03 on sim0 permanent [ethernet]
? (192.0.2.8) at 90:10:00:01:02:04 on sim0 expires in 1200 seconds [ethernet]
$ arp -f /etc/nosuch
! arp: cannot open /etc/nosuch: No such file or directory
[1]
`);
  });
});

describe('refusals', () => {
  test.each([
    ['-s 192.0.2.7 1:2:3:4:5', "invalid Ethernet address '1:2:3:4:5'"],
    ['-s 192.0.2.7 auto', "invalid Ethernet address 'auto'"],
    ['-s 10.9.9.9 auto pub', 'no interface found for 10.9.9.9'],
    ['-s 10.9.9.9 90:10:00:01:02:03', 'cannot intuit interface index and type for 10.9.9.9'],
    ['-s 192.0.2.1 90:10:00:01:02:03', 'set 192.0.2.1: Operation not permitted'],
    ['-s 192.0.2.7 91:10:00:01:02:03', 'set 192.0.2.7: Invalid argument'],
    ['-s 192.0.2.7 90:10:00:01:02:03 reject', 'reject: neighbours of that kind are not built in; use route add -reject'],
    ['-i sim0 -s 192.0.2.7 90:10:00:01:02:03', '-i not applicable to this operation'],
    ['-i sim0 -d 192.0.2.7', '-i not applicable to this operation'],
    ['-d nobody', 'nobody: Unknown host'],
  ])('arp %s', async (words, message) => {
    expect(await lab.sh(`arp ${words}`, inA)).toEqual({ exit: 1, stdout: '', stderr: `arp: ${message}\n` });
  });

  test('usage', async () => {
    const wrong = ['', '-a 192.0.2.1', '-d', '-d 192.0.2.1 192.0.2.2', '-s 192.0.2.1', '-s -d 192.0.2.1', '-x', '-i', '192.0.2.1 192.0.2.2', '-s 192.0.2.7 90:10:00:01:02:03 forever'];
    for (const words of wrong) {
      const ran = await lab.sh(`arp ${words}`, inA);
      expect([words, ran.exit, ran.stdout]).toEqual([words, 1, '']);
      expect(ran.stderr).toContain('usage: arp [-n] [-i interface] hostname\n');
    }
  });

  test('a jail without a network of its own changes nothing', async () => {
    await lab.ok('jail -c name=n persist');
    await lab.ok('ifconfig bridge0 create inet 203.0.113.1/24 up');
    expect(await lab.sh('jexec n arp -s 203.0.113.7 90:10:00:01:02:03')).toMatchObject({ exit: 1, stderr: 'arp: set 203.0.113.7: Operation not permitted\n' });
  });
});
