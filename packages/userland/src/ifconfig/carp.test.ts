/**
 * carp.test.ts — ifconfig's words about CARP, what it shows, and what it complains about.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

/** A jail `j` with one end of an epair, up, with 192.0.2.2/24. */
async function lab(): Promise<ToolLab> {
  const made = new ToolLab();
  for (const line of ['ifconfig epair create', 'ifconfig epair0a up', 'jail -c name=j persist vnet vnet.interface=epair0b', 'jexec j ifconfig epair0b 192.0.2.2/24 up']) await made.ok(line);
  return made;
}

const shown = async (l: ToolLab, options = ''): Promise<string[]> => (await l.ok(`jexec j ifconfig ${options} epair0b`.replace('  ', ' '))).split('\n').filter((line) => /vhid|peer|inet /.test(line));

describe('ifconfig vhid', () => {
  it('makes a vhid and an address with it, in one line, whatever the order of the other words', async () => {
    const l = await lab();
    await l.ok('jexec j ifconfig epair0b vhid 1 advskew 100 pass s3cret advbase 2 alias 192.0.2.1/24');
    expect(await shown(l)).toEqual([
      '\tinet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255',
      '\tinet 192.0.2.1 netmask 0xffffff00 broadcast 192.0.2.255 vhid 1',
      '\tcarp: BACKUP vhid 1 advbase 2 advskew 100',
      '\t      peer 224.0.0.18 peer6 ff02::12',
    ]);
    expect((await shown(l, '-k'))[2]).toBe('\tcarp: BACKUP vhid 1 advbase 2 advskew 100 key "s3cret"');
    expect(await l.ok('jexec j ifconfig epair0b')).toMatch(/^epair0b: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> /);
    await l.ok('jexec j ifconfig epair0b vhid 1 state master');
    expect((await shown(l))[2]).toBe('\tcarp: MASTER vhid 1 advbase 2 advskew 100');
    await l.ok('jexec j ifconfig epair0b vhid 1 state backup advskew 7');
    expect((await shown(l))[2]).toBe('\tcarp: BACKUP vhid 1 advbase 2 advskew 7');
    await l.ok('jexec j ifconfig epair0b 192.0.2.1 delete');
    expect(await shown(l)).toEqual(['\tinet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255']);
  });

  it('advertises to peers when asked to, and to the groups again', async () => {
    const l = await lab();
    await l.ok('jexec j ifconfig epair0b add vhid 9 peer 192.0.2.3 peer6 2001:db8::3 192.0.2.9/24');
    expect((await shown(l)).slice(2)).toEqual(['\tcarp: BACKUP vhid 9 advbase 1 advskew 0', '\t      peer 192.0.2.3 peer6 2001:db8::3']);
    await l.ok('jexec j ifconfig epair0b vhid 9 advskew 1');
    expect((await shown(l)).slice(2)).toEqual(['\tcarp: BACKUP vhid 9 advbase 1 advskew 1', '\t      peer 192.0.2.3 peer6 2001:db8::3']);
    await l.ok('jexec j ifconfig epair0b vhid 9 mcast mcast6');
    expect((await shown(l)).at(-1)).toBe('\t      peer 224.0.0.18 peer6 ff02::12');
  });

  it('is in --json, without the password', async () => {
    const l = await lab();
    await l.ok('jexec j ifconfig epair0b vhid 1 pass s3cret alias 192.0.2.1/24');
    const text = await l.ok('jexec j ifconfig --json epair0b');
    expect(JSON.parse(text)).toMatchObject([{
      addresses: [{ address: '192.0.2.2' }, { address: '192.0.2.1', vhid: 1 }],
      carp: [{ vhid: 1, state: 'BACKUP', advbase: 1, advskew: 0, peer: '224.0.0.18', peer6: 'ff02::12' }],
    }]);
    expect(text).not.toContain('s3cret');
  });

  it.each([
    ['epair0b vhid 0', 'vhid must be greater than 0 and less than 255'],
    ['epair0b vhid 256', 'vhid must be greater than 0 and less than 255'],
    ['epair0b vhid', "'vhid' requires argument"],
    ['epair0b ether vhid 1', "ether doesn't support carp(4)"],
    ['epair0b advskew 1', 'advskew requires vhid'],
    ['epair0b advbase 1', 'advbase requires vhid'],
    ['epair0b pass x', 'passwd requires vhid'],
    ['epair0b state master', 'state requires vhid'],
    ['epair0b vhid 1 state init2', 'unknown state'],
    ['epair0b vhid 1 advskew 255', 'SIOCSVH: Invalid argument'],
    ['epair0b vhid 1 advbase 256', 'SIOCSVH: Invalid argument'],
    ['epair0b vhid 1 advskew ten', 'ten: bad value'],
    ['epair0b vhid 1 advbase 1s', '1s: bad value'],
    ['epair0b vhid 1 peer what', 'what: bad value'],
    ['epair0b vhid 1 peer6 what', 'Invalid IPv6 address what'],
    ['lo0 vhid 1 alias 127.0.0.2/8', 'ioctl (SIOCAIFADDR): Protocol not available'],
  ])('refuses: ifconfig %s', async (words, complaint) => {
    const l = await lab();
    const before = await l.ok('jexec j ifconfig --json');
    expect(await l.sh(`jexec j ifconfig ${words}`)).toEqual({ stdout: '', stderr: `ifconfig: ${complaint}\n`, exit: 1 });
    expect(await l.ok('jexec j ifconfig --json')).toBe(before);
  });

  it('counts and is tuned where FreeBSD says', async () => {
    const l = await lab();
    expect(await l.ok('jexec j netstat -s -p carp')).toBe(`carp:
	0 packets received (IPv4)
	0 packets received (IPv6)
		0 packets discarded for wrong TTL
		0 packets shorter than header
		0 discarded for bad checksums
		0 discarded packets with a bad version
		0 discarded because packet too short
		0 discarded for bad authentication
		0 discarded for bad vhid
		0 discarded because of a bad address list
	0 packets sent (IPv4)
	0 packets sent (IPv6)
		0 send failed due to mbuf memory error
	0 packets that came back, or came to an interface without vhids
	0 slower masters preempted`);
    expect(await l.ok('jexec j sysctl net.inet.carp')).toBe(`net.inet.carp.allow: 1
net.inet.carp.demotion: 0
net.inet.carp.dscp: 56
net.inet.carp.ifdown_demotion_factor: 240
net.inet.carp.log: 1
net.inet.carp.preempt: 0
net.inet.carp.senderr_demotion_factor: 240`);
    expect(await l.ok('jexec j sysctl net.inet.carp.demotion=5')).toBe('net.inet.carp.demotion: 0 -> 5');
    expect(await l.ok('jexec j sysctl net.inet.carp.demotion=-7')).toBe('net.inet.carp.demotion: 5 -> -2');
    expect((await l.sh('jexec j sysctl net.inet.carp.dscp=64')).exit).toBe(1);
  });
});
