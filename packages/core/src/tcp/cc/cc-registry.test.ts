/**
 * cc-registry.test.ts — algorithms by name, and what sysctl says of them.
 */
import { expect, it } from 'vitest';
import { EACCES, EINVAL, ESRCH } from '../../base/errno.js';
import { SysctlTree } from '../../kern/sysctl.js';
import { CC_SYSCTLS, ccDefault, ccFind } from './cc-registry.js';
import { CcVars } from './cc.js';

function tree(): { vars: CcVars; sysctl: SysctlTree } {
  const vars = new CcVars();
  const sysctl = new SysctlTree();
  for (const group of CC_SYSCTLS) sysctl.attach(group, vars);
  return { vars, sysctl };
}

it('finds algorithms by name', () => {
  expect([ccFind('newreno')?.name, ccFind('cubic')?.name, ccFind('dctcp')?.name, ccFind('vegas')]).toEqual(['newreno', 'cubic', 'dctcp', null]);
});

it('shows and changes the default', () => {
  const { vars, sysctl } = tree();
  vars.inUse = (name) => (name === 'cubic' ? 3 : 0);
  expect(ccDefault(vars).name).toBe('cubic');
  expect(sysctl.set('net.inet.tcp.cc.algorithm', 'vegas')).toBe(ESRCH);
  expect(sysctl.set('net.inet.tcp.cc.algorithm', 'dctcp')).toBe(0);
  expect(ccDefault(vars).name).toBe('dctcp');
  expect(sysctl.find('net.inet.tcp.cc.available')?.get()).toBe(`
CCmod           D PCB count
newreno           0
cubic             3
dctcp           * 0
`);
});

it('lets beta_ecn be set only where it has a meaning', () => {
  const { vars, sysctl } = tree();
  expect(sysctl.set('net.inet.tcp.cc.newreno.beta_ecn', 85)).toBe(EACCES);
  vars.abe = 1;
  expect(sysctl.set('net.inet.tcp.cc.newreno.beta_ecn', 85)).toBe(0);
  expect(sysctl.set('net.inet.tcp.cc.newreno.beta_ecn', 101)).toBe(EINVAL);
  expect(vars.newrenoBetaEcn).toBe(85);
});
