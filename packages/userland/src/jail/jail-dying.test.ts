/**
 * jail-dying.test.ts — jails that were removed and are held, as jail, jls, jexec and ifconfig see them.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

async function golden(lab: ToolLab, session: string): Promise<void> {
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
}

describe('dying jails', () => {
  /** A jail in which something does not end. */
  async function held(): Promise<{ readonly lab: ToolLab; readonly letGo: () => void }> {
    const lab = new ToolLab();
    await lab.ok('jail -c name=a jid=5 persist vnet children.max=3');
    await lab.ok('jail -c name=a.b persist');
    const letGo = lab.kernel.prisons.find(lab.kernel.prisons.prison0, 'a.b')!.hold('process 7 (stuck)');
    return { lab, letGo };
  }

  it('are seen by jls -d only, keep their number, and give their name away', async () => {
    const { lab, letGo } = await held();
    await golden(lab, `
$ jail -r a
$ jls -n jid name
$ jls -dn jid name dying
jid=1 name=a.b dying
jid=5 name=a dying
$ jls -d -v
   JID  Hostname                      Path
        Name                          State
        CPUSetID
        IP Address(es)
     1                                /
        a.b                           DYING
        1
     5                                /
        a                             DYING
        1
$ jls -j a jid
! jls: jail "a" is dying
[1]
$ jls -j 5 jid
! jls: jail 5 is dying
[1]
$ jls -d -j a jid dying
5 true
$ jls -ds jid dying persist
jid=1 nopersist
jid=5 nopersist
$ jexec a true
! jexec: jail "a" is dying
[1]
$ ifconfig lo1 create
$ ifconfig lo1 vnet a
! ifconfig: jail "a" is dying
[1]
$ jail -c name=a.c persist
! jail: jail "a" is dying
[1]
$ jail -c name=c jid=5 persist
! jail: jail 5 already exists
[1]
$ jail -m jid=5 host.hostname=x
! jail: "5" not found
[1]
$ jail -d -m jid=5 host.hostname=x
$ jail -d -m jid=5 persist
! jail: jail 5 is dying
[1]
$ jail -r 5
$ jail -r a 1
a.b: removed
a: removed
$ jail -c name=a persist
$ jls -d -n jid name host.hostname
jid=1 name=a.b host.hostname=""
jid=2 name=a host.hostname=""
jid=5 name=a host.hostname=x
$ jls -j a jid
2
`);
    letGo();
    expect(await lab.ok('jls -dn jid')).toBe('jid=2');
  });

  it('are waited for by who wants their number, and go at their limit', async () => {
    const { lab } = await held();
    await lab.ok('jail -r a');
    await lab.ok('sysctl security.jail.stop_limit_s=20');
    expect(await lab.sh('jail -c name=n jid=5 persist')).toMatchObject({ stderr: 'jail: jail 5 already exists\n', exit: 1 });
    expect(await lab.ok('jail -d -c name=n jid=5 persist')).toBe('');
    expect(await lab.ok('jls -dn jid name')).toBe('jid=5 name=n');
    expect(Math.round(lab.kernel.now / 1e6)).toBe(20);
    expect(lab.log.at(0)).toBe(': jail 1 (a.b) is dying, held by process 7 (stuck)');
    expect(lab.log).toContain(': jail 1 (a.b) no longer waits for process 7 (stuck), after 20.000 s');
  });
});
