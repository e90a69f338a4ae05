/**
 * jail-order.test.ts — several jails at a time, and the commands of one: when each runs, where its output goes, what goes on after a failure.
 */
import { describe, expect, it } from 'vitest';
import type { LabProc } from '../../test/test-proc.js';
import { ToolLab } from '../../test/test-proc.js';

async function golden(lab: ToolLab, session: string): Promise<void> {
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
}

describe('the commands of jails', () => {
  it('works on jails side by side, as many at a time as -p says', async () => {
    const lab = new ToolLab();
    lab.files.set('/jc', 'persist; exec.prestart = "echo pre $name"; exec.start = "sleep 1", "echo start $name"; exec.stop = "sleep 1"; a { } b { depend = d; } c { } d { }');
    const timed = async (line: string): Promise<[number, string]> => {
      const before = lab.kernel.now;
      const out = await lab.ok(line);
      return [Math.round((lab.kernel.now - before) / 1e6), out.replaceAll('\n', ', ')];
    };
    expect(await timed('jail -f /jc -c')).toEqual([2, 'pre a, pre c, pre d, a: created, c: created, d: created, start a, start c, start d, pre b, b: created, start b']);
    expect(await timed('jail -f /jc -r *')).toEqual([2, 'c: removed, b: removed, a: removed, d: removed']);
    expect(await timed('jail -f /jc -p 1 -c')).toEqual([4, 'pre a, a: created, start a, pre c, c: created, start c, pre d, d: created, start d, pre b, b: created, start b']);
    expect((await timed('jail -f /jc -p 2 -r *'))[0]).toBe(2);
    lab.files.set('/jc', 'persist; a { } b { }');
    expect(await timed('jail -f /jc -c')).toEqual([0, 'a: created, b: created']);
    expect(await timed('jail -f /jc -rc')).toEqual([0, 'b: removed, a: removed, b: created, a: created']);
  });

  it('waits for the processes of several jails at a time, whatever -p says, and kills them then', async () => {
    const stubborn = async (p: LabProc): Promise<number> => {
      p.onSignal(() => true);
      for (;;) await p.sleepUs(1_000_000);
    };
    const lab = new ToolLab({ programs: { stubborn } });
    lab.files.set('/jc', 'persist; stop.timeout = 3; a { } b { } c { }');
    await lab.ok('jail -f /jc -qc');
    const running = ['a', 'b', 'c'].map((name) => lab.start(`jexec ${name} stubborn`));
    const before = lab.kernel.now;
    expect(await lab.ok('jail -f /jc -p 1 -r *')).toBe('c: removed\nb: removed\na: removed');
    expect(Math.round((lab.kernel.now - before) / 1e6)).toBe(3);
    for (const { done } of running) expect((await done).exit).toBe(137);
  });

  it('goes on behind the removal when a command fails there, and stops before it otherwise', async () => {
    const lab = new ToolLab();
    lab.files.set('/jc', 'persist; a { exec.poststop = "false"; exec.release = "echo release"; } b { exec.prestop = "false"; exec.stop = "echo stop"; }');
    await lab.ok('jail -f /jc -qc');
    await golden(lab, `
$ jail -f /jc -r a
a: removed
release
! jail: a: false: failed
[1]
$ jail -f /jc -r b
! jail: b: false: failed
[1]
$ jls name
b
`);
  });

  it('writes what runs in the jail to the console log', async () => {
    const lab = new ToolLab();
    lab.files.set('/var/log/old', 'x');
    lab.files.set('/jc', 'persist; exec.consolelog = "/var/log/$name"; a { exec.prestart = "echo outside"; exec.start = "echo inside", "ifconfig nosuch"; } old { exec.start = "echo more"; } r { exec.consolelog = log; exec.start = "true"; } n { exec.consolelog = /none/log; exec.start = "true"; }');
    await golden(lab, `
$ jail -f /jc -qc a
outside
! jail: a: ifconfig nosuch: failed
[1]
$ jail -f /jc -qc old
$ jail -f /jc -qc r
! jail: r: exec.consolelog: log: not an absolute pathname
[1]
$ jail -f /jc -qc n
! jail: n: open /none/log: No such file or directory
[1]
`);
    expect(lab.files.get('/var/log/a')).toBe('inside\nifconfig: interface nosuch does not exist\n');
    expect(lab.files.get('/var/log/old')).toBe('xmore\n');
  });
});
