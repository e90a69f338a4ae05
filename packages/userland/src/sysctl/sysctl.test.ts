/**
 * sysctl.test.ts — sysctl's options, assignments and complaints.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';
import { OSRELEASE } from '../kernel-identity.js';

async function golden(lab: ToolLab, session: string): Promise<void> {
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
}

describe('reading', () => {
  it('prints names and values as the options say', async () => {
    await golden(new ToolLab(), `
$ sysctl kern.ostype
kern.ostype: Netloom
$ sysctl -n kern.ostype kern.features.vimage
Netloom
1
$ sysctl -e kern.ostype
kern.ostype=Netloom
$ sysctl -t kern.ostype net.inet.ip.forwarding
kern.ostype: string
net.inet.ip.forwarding: integer
$ sysctl -d kern.ostype
kern.ostype: Operating system type
$ sysctl -td kern.ostype
kern.ostype: string: Operating system type
$ sysctl -ntd kern.ostype
string: Operating system type
$ sysctl -F kern.ostype hw.ncpu
kern.ostype: A
hw.ncpu: I
$ sysctl -N kern.features
kern.features.inet
kern.features.vimage
$ sysctl -x net.inet.ip.forwarding net.inet.ip.ttl
net.inet.ip.forwarding: 0000000000
net.inet.ip.ttl: 0x00000040
$ sysctl -h kern.ipc.maxsockets
kern.ipc.maxsockets: 65,536
$ sysctl -l hw.ncpu kern.ostype
hw.ncpu: 4: 1
kern.ostype: 8: Netloom
$ sysctl -q -i nosuch.name
$ sysctl -i nosuch
$ sysctl -q nosuch
[1]
$ sysctl nosuch kern.ostype other
kern.ostype: Netloom
! sysctl: unknown oid 'nosuch'
! sysctl: unknown oid 'other'
[2]
$ sysctl -W kern.hostname kern.ostype
kern.hostname: netloom
$ sysctl -T kern.hostname
$ sysctl -d kern.features
kern.features: 
kern.features.inet: Internet Protocol version 4
kern.features.vimage: VIMAGE kernel virtualization
`);
  });

  it('prints bytes with -b', async () => {
    const lab = new ToolLab();
    expect((await lab.sh('sysctl -b hw.ncpu kern.ostype')).stdout).toBe('\x01\0\0\0Netloom\0');
  });

  it('lists everything, group by group', async () => {
    const lab = new ToolLab();
    const names = (await lab.ok('sysctl -aN')).split('\n');
    expect(names.length).toBeGreaterThan(100);
    expect(new Set(names).size).toBe(names.length);
    expect([...new Set(names.map((n) => n.split('.')[0]))]).toEqual(['kern', 'net', 'debug', 'hw', 'security']);
    expect(await lab.ok('sysctl -AN')).toBe(await lab.ok('sysctl -aN'));
    expect((await lab.ok('sysctl -a')).split('\n').filter((l) => /^[a-z0-9_.%]+:/.test(l))).toHaveLength(names.length);
    expect(names).toContain('net.inet.ip.forwarding');
    expect(names).toContain('security.jail.param.children.max');
    for (const node of await Promise.all(names.slice(0, 30).map((name) => lab.ok(`sysctl -nd ${name}`)))) expect(node).not.toBe('');
  });

  it('is the release of the package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(OSRELEASE).toBe(manifest.version);
  });
});

describe('setting', () => {
  it('shows the old and the new value', async () => {
    await golden(new ToolLab(), `
$ sysctl net.inet.ip.forwarding=1
net.inet.ip.forwarding: 0 -> 1
$ sysctl -n net.inet.ip.forwarding:0x0
1 -> 0
$ sysctl -e net.inet.ip.ttl=0100
net.inet.ip.ttl=64 -> 64
$ sysctl "net.inet.ip.ttl = '32'"
net.inet.ip.ttl: 64 -> 32
$ sysctl net.fibs=3
net.fibs: 1 -> 3
$ setfib 2 true
$ sysctl kern.hostname="two words"
kern.hostname: netloom -> two words
`);
  });

  it.each([
    ['nosuch=1', '', "unknown oid 'nosuch'"],
    ['kern.ostype=x', '', "oid 'kern.ostype' is read only"],
    ['net.inet=1', '', "oid 'net.inet' isn't a leaf node"],
    ['net.inet.ip.ttl=', '', 'empty numeric value'],
    ['net.inet.ip.ttl=abc', '', "invalid integer 'abc'"],
    ['net.inet.ip.ttl=09', '', "invalid integer '09'"],
    ['net.inet.ip.ttl=1.5', '', "invalid integer '1.5'"],
    ['net.inet.ip.ttl=256', 'net.inet.ip.ttl: 64\n', 'net.inet.ip.ttl=256: Invalid argument'],
    ['net.inet.ip.ttl=-1', 'net.inet.ip.ttl: 64\n', 'net.inet.ip.ttl=-1: Invalid argument'],
    ['net.inet.ip.ttl=1,2', 'net.inet.ip.ttl: 64\n', 'net.inet.ip.ttl=1,2: Invalid argument'],
  ])('refuses: sysctl %s', async (words, stdout, complaint) => {
    const lab = new ToolLab();
    const before = await lab.ok('sysctl -a');
    expect(await lab.sh(`sysctl ${words}`)).toEqual({ stdout, stderr: `sysctl: ${complaint}\n`, exit: 1 });
    expect(await lab.ok('sysctl -a')).toBe(before);
  });

  it('reads a file', async () => {
    const lab = new ToolLab();
    lab.files.set('/sysctl.conf', '# comment\n\nnet.inet.ip.forwarding=1 # on\n  kern.hostname="a # b"\nnosuch=1\nnet.inet.ip.ttl\n');
    await golden(lab, `
$ sysctl -f /sysctl.conf
net.inet.ip.forwarding: 0 -> 1
kern.hostname: netloom -> a # b
net.inet.ip.ttl: 64
! sysctl: unknown oid 'nosuch' at line 5
[1]
$ sysctl -f /nosuch
! sysctl: /nosuch: No such file or directory
[66]
`);
  });

  it('is each jail\'s own', async () => {
    await golden(new ToolLab(), `
$ jail -c name=a persist vnet children.max=4
$ jail -c name=b persist
$ jail -c name=c persist allow.noset_hostname
$ jexec a sysctl net.inet.ip.forwarding=1 kern.hostname=a.example
net.inet.ip.forwarding: 0 -> 1
kern.hostname:  -> a.example
$ jls -j a host.hostname
a.example
$ sysctl -n net.inet.ip.forwarding security.jail.jailed security.jail.vnet security.jail.children.cur
0
0
1
3
$ jexec a sysctl -n security.jail.jailed security.jail.vnet security.jail.children.max
1
1
4
$ jexec b sysctl -n security.jail.jailed security.jail.vnet net.inet.ip.forwarding
1
0
0
$ jexec b sysctl net.inet.ip.forwarding=1
net.inet.ip.forwarding: 0
! sysctl: net.inet.ip.forwarding=1: Operation not permitted
[1]
$ jexec c sysctl kern.hostname=x
kern.hostname: 
! sysctl: kern.hostname=x: Operation not permitted
[1]
`);
  });

  it('shows its usage', async () => {
    const lab = new ToolLab();
    for (const words of ['', '-Nn kern.ostype', '-Z', '-T kern.ostype=x']) {
      const ran = await lab.sh(`sysctl ${words}`);
      expect(ran.exit, words).toBe(1);
      expect(ran.stderr, words).toContain('usage: sysctl [-bdeFhilNnoqTtWx]');
    }
  });
});
