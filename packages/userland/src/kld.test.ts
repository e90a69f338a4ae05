/**
 * kld.test.ts — kldstat, kldload, kldunload, and setfib: small tools that scripts call first.
 */
import { expect, it } from 'vitest';
import { ToolLab } from '../test/test-proc.js';

it.each<[line: string, stdout: string, stderr: string, exit: number]>([
  ['kldstat -q -m if_epair', '', '', 0],
  ['kldstat -q -m if_tuntap', '', '', 0],
  ['kldstat -q -m carp', '', '', 0],
  ['kldstat -m carp', 'Id  Refs Name\n  2    1 carp\n', '', 0],
  ['kldstat -m pf', '', "kldstat: can't find module pf: No such file or directory\n", 1],
  ['kldstat -q -n if_bridge.ko', '', '', 0],
  ['kldstat -n pf', '', "kldstat: can't find file pf: No such file or directory\n", 1],
  ['kldstat -n if_epair', 'Id Refs Address                Size Name\n 6    1                0x0        0 if_epair.ko\n', '', 0],
  ['kldstat -v -i 1', 'Id Refs Address                Size Name\n 1    1                0x0        0 kernel (kernel)\n\tContains modules:\n\t\t Id Name\n\t\t  1 ether\n', '', 0],
  ['kldstat -i x', '', 'usage: kldstat [-dhqv] [-i id] [-n filename]\n       kldstat [-dq] [-m modname]\n', 1],
  ['kldload if_bridge', '', "kldload: can't load if_bridge: module already loaded or in kernel\n", 1],
  ['kldload -q if_bridge', '', '', 1],
  ['kldload -n if_bridge if_vlan.ko', '', '', 0],
  ['kldload -nv /boot/kernel/if_gif.ko', '/boot/kernel/if_gif.ko is already loaded\n', '', 0],
  ['kldload -n netgraph ng_bridge ng_ether ng_socket', '', '', 0],
  ['kldload -n carp if_gre if_stf if_disc if_edsc', '', '', 0],
  ['kldload -n pf if_gif', '', "kldload: can't load pf: No such file or directory\n", 1],
  ['kldload', '', 'usage: kldload [-nqv] file ...\n', 1],
  ['jexec j kldload pf', '', "kldload: can't load pf: Operation not permitted\n", 1],
  ['kldunload if_bridge', '', "kldunload: can't unload file: Device busy\n", 1],
  ['kldunload carp', '', "kldunload: can't unload file: Device busy\n", 1],
  ['kldunload pf', '', "kldunload: can't find file pf\n", 1],
  ['kldunload', '', 'usage: kldunload [-fv] -i id ...\n       kldunload [-fv] [-n] name ...\n', 64],
  ['setfib 0 echo hi', 'hi\n', '', 0],
  ['setfib -1 printenv NETLOOM_FIB', '1\n', '', 0],
  ['setfib -F1 false', '', '', 1],
  ['setfib 2 true', '', 'setfib: 2: invalid FIB (max 1)\n', 1],
  ['setfib -F x true', '', 'setfib: x: invalid FIB (max 1)\n', 1],
  ['setfib 0 nosuch', '', 'setfib: nosuch: No such file or directory\n', 127],
  ['setfib 0', '', 'usage: setfib [-[F]]value command\n', 1],
  ['setfib', '', 'usage: setfib [-[F]]value command\n', 1],
])('%s', async (line, stdout, stderr, exit) => {
  const lab = new ToolLab();
  await lab.ok('sysctl net.fibs=2');
  await lab.ok('jail -c name=j persist vnet');
  expect(await lab.sh(line)).toEqual({ stdout, stderr, exit });
});
