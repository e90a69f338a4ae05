/**
 * lab-protect.test.ts — protected machines in lab files: what is wrong with the wish, the command, and what it asks of the daemon.
 */
import { expect, test } from 'vitest';
import { runProtectCommand } from '../protect/protect-lab-command.js';
import { ProtectRefusal } from '../protect/protect-request.js';
import type { ProtectRequest } from '../protect/protect-request.js';
import { PRIMARY_VIEW } from '../protect/test-views.js';
import { formatProblem, readLab } from './lab-file.js';
import { planLab } from './lab-plan.js';
import { withVmFiles } from './lab-vms.js';

const lab = (protect: string): string => `name: x\nvnets: {}\nvms:\n  web: {disks: d, protect: ${protect}}\n`;
const problems = (protect: string): string[] => readLab('l', lab(protect)).problems.map((p) => formatProblem('l', p));

/** The words of `netloom protect` in the plan of the lab, whose file is in /labs. */
function words(protect: string): readonly string[] {
  const read = readLab('l', lab(protect));
  expect(read.problems).toEqual([]);
  const [step] = planLab(withVmFiles(read.lab!, '/labs')).filter(({ argv }) => argv[1] === 'protect');
  return step!.argv.slice(2).filter((word) => typeof word === 'string');
}

async function asked(protect: string): Promise<ProtectRequest> {
  const requests: ProtectRequest[] = [];
  const door = { protect: (request: ProtectRequest) => Promise.resolve((requests.push(request), PRIMARY_VIEW)) };
  expect(await runProtectCommand(door, words(protect))).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  return requests[0]!;
}

test('a machine is protected when it has been run, with the options of the command; paths are taken from the file', async () => {
  expect(words('{backup: local}')).toEqual(['start', 'web', '--backup', 'local', '--no-wait']);
  expect(await asked('{backup: local}')).toEqual({ machine: 'web', backup: 'local' });
  expect(await asked('{backup: local, interval: on-demand}')).toEqual({ machine: 'web', backup: 'local', interval: 'on-demand' });
  expect(await asked('{backup: "192.0.2.7:7700", via: "198.51.100.7:7700", interval: 25, fence: lease:5000, key: web.key, timeout: 500}')).toEqual({
    machine: 'web', backup: '192.0.2.7:7700', via: '198.51.100.7:7700', interval: 25, fence: 'lease:5000', key: '/labs/web.key', timeoutMs: 500,
  });
  expect(await asked('{backup: unix:b.sock, fence: lock:web.lock}')).toEqual({ machine: 'web', backup: 'unix:/labs/b.sock', fence: 'lock:/labs/web.lock' });
  expect(await asked('{backup: unix:/run/b.sock}')).toMatchObject({ backup: 'unix:/run/b.sock' });
});

test('the machine is run before, so that it can be protected', () => {
  const steps = planLab(readLab('l', lab('{backup: local}')).lab!).map(({ argv }) => argv.join(' '));
  expect(steps.slice(-2)).toEqual(['netloom vm run web --disk d --protectable', 'netloom protect start web --backup local --no-wait']);
});

test('a refusal is the failure of the step', async () => {
  const door = { protect: () => Promise.reject(new ProtectRefusal(400, 'nobody listens')) };
  expect(await runProtectCommand(door, words('{backup: local}'))).toEqual({ exitCode: 1, stdout: '', stderr: 'nobody listens' });
  await expect(runProtectCommand({ protect: () => Promise.reject(new TypeError('broken')) }, words('{backup: local}'))).rejects.toThrow('broken');
});

test.each<[string, string, RegExp]>([
  ['no backup', '{interval: 50}', /^l:4:\d+: .*backup/],
  ['a key that is none', '{backup: local, period: 50}', /^l:4:\d+: unknown key "period" in the protection of a virtual machine/],
  ['a word for an interval', '{backup: local, interval: often}', /^l:4:\d+: .*a number of milliseconds, or on-demand/],
  ['an interval that is too short', '{backup: local, interval: 0}', /^l:4:\d+: 0 is no interval/],
  ['a place that is none', '{backup: elsewhere}', /^l:4:\d+: "elsewhere" /],
  ['a fence that is none', '{backup: local, fence: moat}', /^l:4:\d+: "moat" is no fence/],
  ['a daemon elsewhere without its key', '{backup: "h:1"}', /^l:4:\d+: a backup at h:1 needs the key/],
])('%s', (_, protect, line) => {
  const [first, ...others] = problems(protect);
  expect([first, others]).toEqual([expect.stringMatching(line), []]);
});
