/**
 * ip6addrctl.test.ts — ip6addrctl, and of what netstat says about IPv6.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../test/test-proc.js';

const DEFAULT = `Prefix                          Prec Label      Use
::1/128                           50     0        0
::/0                              40     1        0
::ffff:0.0.0.0/96                 35     4        0
2002::/16                         30     2        0
2001::/32                          5     5        0
fc00::/7                           3    13        0
::/96                              1     3        0
fec0::/10                          1    11        0
3ffe::/16                          1    12        0`;

describe('ip6addrctl', () => {
  it('shows, adds, deletes, flushes', async () => {
    const lab = new ToolLab();
    expect(await lab.ok('ip6addrctl')).toBe(DEFAULT);
    await lab.ok('ip6addrctl delete 2002::/16');
    await lab.ok('ip6addrctl add 2001:db8::/32 60 7');
    expect((await lab.ok('ip6addrctl show')).split('\n').slice(8, 10)).toEqual(['3ffe::/16                          1    12        0', '2001:db8::/32                     60     7        0']);
    await lab.ok('ip6addrctl flush');
    expect(await lab.ok('ip6addrctl')).toBe('no source-address-selection policy is installed');
  });

  it('refuses in its own words', async () => {
    const lab = new ToolLab();
    expect(await lab.sh('ip6addrctl delete 2003::/16')).toMatchObject({ exit: 1, stderr: 'ip6addrctl: ioctl(SIOCDADDRCTL_POLICY): No such process\n' });
    expect(await lab.sh('ip6addrctl add ::1/128 1 1')).toMatchObject({ exit: 1, stderr: 'ip6addrctl: ioctl(SIOCAADDRCTL_POLICY): File exists\n' });
    expect(await lab.sh('ip6addrctl add what 1 1')).toMatchObject({ exit: 1, stderr: 'ip6addrctl: bad prefix: what\n' });
    expect((await lab.sh('ip6addrctl what')).exit).toBe(1);
  });
});

describe('netstat -s about IPv6', () => {
  it('prints packets, errors and their histograms', async () => {
    const lab = new ToolLab();
    await lab.ok('ping6 -c 1 ::1');
    const ip6 = await lab.ok('netstat -s -p ip6');
    expect(ip6).toContain('ip6:\n\t2 total packets received\n');
    expect(ip6).toContain('\tInput histogram:\n\t\tICMP6: 2\n\t0 packets whose headers are not contiguous\n');
    expect(ip6).toContain('\tSource addresses selection rule applied:\n');
    const icmp6 = await lab.ok('netstat -s -p icmp6');
    expect(icmp6).toContain('\tInput histogram:\n\t\techo: 1\n\t\techo reply: 1\n');
    expect(icmp6).toContain('\t1 message response generated\n');
    const xo = JSON.parse(await lab.ok('netstat --libxo json -s -p icmp6')) as { statistics: { icmp6: Record<string, unknown> } };
    expect(xo.statistics.icmp6).toMatchObject({ 'bad-header': 0, 'no-route': 0, reflect: 1, 'input-histogram': [{ name: 'echo', count: 1 }, { name: 'echo reply', count: 1 }] });
  });

  it('and of an interface', async () => {
    const lab = new ToolLab();
    await lab.ok('ping6 -c 1 ::1');
    const text = await lab.ok('netstat -s -s -I lo0 -f inet6');
    expect(text).toBe('ip6 on lo0:\n\t2 total input datagrams\n\t2 datagrams delivered to an upper layer protocol\n\t2 datagrams sent from an upper layer protocol\n'
      + 'icmp6 on lo0:\n\t2 total input messages\n\t1 input echo request\n\t1 input echo reply\n\t1 total output message\n\t1 output echo reply');
    expect(await lab.ok('netstat -s -I lo0 -p icmp6')).toContain('icmp6 on lo0:\n\t2 total input messages\n\t0 total input error messages\n');
  });
});
