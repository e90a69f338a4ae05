/**
 * pfctl.test.ts — the names that pfctl lists follow interfaces and groups, and everything else is refused by name.
 */
import { expect, it } from 'vitest';
import { golden } from '../test/golden.js';
import { ToolLab } from '../test/test-proc.js';

it('lists what there is in the vnet, and forgets what goes', async () => {
  await golden(`
$ jail -c name=j vnet persist
$ ifconfig epair create
epair0a
$ jexec j pfctl -sI
all
lo
lo0
$ ifconfig epair0b vnet j
$ jexec j pfctl -s Interfaces
all
epair
epair0b
lo
lo0
$ pfctl -sI -i epair
epair
epair0a
$ pfctl -q -v -i epair0a -s Int
epair0a
$ pfctl -sI -i nosuch
$ ifconfig epair0a destroy
$ jexec j pfctl -sI
all
lo
lo0
`);
});

it.each([
  ['-e', 'pfctl: -e: this kernel has no packet filter; only -s Interfaces is there\n'],
  ['-f -', 'pfctl: -f: this kernel has no packet filter; only -s Interfaces is there\n'],
  ['-sa', 'pfctl: -s all: this kernel has no packet filter; only -s Interfaces is there\n'],
  ['-si', 'pfctl: -s info: this kernel has no packet filter; only -s Interfaces is there\n'],
  ['-s what', "pfctl: Unknown show modifier 'what'\nusage: pfctl [-gnNqv] [-i interface] -s Interfaces\n"],
  ['-sI extra', 'pfctl: unknown command line argument: extra ...\nusage: pfctl [-gnNqv] [-i interface] -s Interfaces\n'],
  ['', 'usage: pfctl [-gnNqv] [-i interface] -s Interfaces\n'],
])('refuses: pfctl %s', async (words, stderr) => {
  expect(await new ToolLab().sh(`pfctl ${words}`)).toEqual({ stdout: '', stderr, exit: 1 });
});
