/**
 * format.test.ts — `-f` and IFCONFIG_FORMAT: how addresses are written.
 */
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';

describe('-f', () => {
  it.each([
    ['inet:cidr', 'inet 192.0.2.1/26 broadcast 192.0.2.63'],
    ['inet:dotted', 'inet 192.0.2.1 netmask 255.255.255.192 broadcast 192.0.2.63'],
    ['inet:hex', 'inet 192.0.2.1 netmask 0xffffffc0 broadcast 192.0.2.63'],
    ['inet:default', 'inet 192.0.2.1 netmask 0xffffffc0 broadcast 192.0.2.63'],
    ['inet:nosuch', 'inet 192.0.2.1 netmask 0xffffffc0 broadcast 192.0.2.63'],
    ['ether:colon', 'ether 06:00:0a:0b:0c:0d'],
    ['ether:dash', 'ether 06-00-0a-0b-0c-0d'],
    ['ether:dotted', 'ether 0600.0a0b.0c0d'],
    ['ether:default', 'ether 06:00:0a:0b:0c:0d'],
    ['addr:numeric,inet6:cidr,nosuch:x,inet:cidr', 'inet 192.0.2.1/26 broadcast 192.0.2.63'],
    ['inet:dotted,inet:cidr', 'inet 192.0.2.1/26 broadcast 192.0.2.63'],
  ])('%s', async (format, line) => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    await lab.ok('ifconfig epair0a ether 06:00:0a:0b:0c:0d');
    await lab.ok('ifconfig epair0a 192.0.2.1/26');
    const given = await lab.ok(`ifconfig -f ${format} epair0a`);
    expect(given).toContain(`\t${line}\n`);
    expect(await lab.ok('ifconfig epair0a', { env: { IFCONFIG_FORMAT: format } })).toBe(given);
    expect(await lab.ok(`ifconfig -f ${format} epair0a`, { env: { IFCONFIG_FORMAT: 'inet:dotted,ether:dash' } })).toContain(`\t${line.startsWith('ether') ? line : 'inet'}`);
  });

  it('knows one host by name', async () => {
    await golden(`
$ ifconfig lo0 127.0.0.1/8
$ ifconfig lo0 192.0.2.1/32 alias
$ ifconfig -f addr:host,inet:cidr lo0 inet
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet localhost/8
	inet 192.0.2.1/32
$ ifconfig -f addr:fqdn -f inet:dotted lo0 inet
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet localhost netmask 255.0.0.0
	inet 192.0.2.1 netmask 255.255.255.255
$ ifconfig -f addr:numeric lo0 inet
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet 127.0.0.1 netmask 0xff000000
	inet 192.0.2.1 netmask 0xffffffff
`);
  });

  it('skips what is no format, and says so', async () => {
    await golden(`
$ ifconfig -f inet:cidr,,ether:,inet -l
lo0
! ifconfig: Skipping invalid format specification: 
! 
! ifconfig: Skipping invalid format specification: ether:
! 
! ifconfig: Skipping invalid format specification: inet
! 
`);
  });
});
