/**
 * route-memory.test.ts — the sysctls that say what compiled tables occupy, and that it goes back when routes go.
 */
import { expect, it } from 'vitest';
import { InetBench } from '../../inet/test-inet.js';

it('counts what is compiled, and no more than that', () => {
  const b = new InetBench();
  const read = (leaf: string): unknown => b.net.kern.sysctl.find(`net.route.${leaf}`)?.get();
  b.addr(b.lo0, '127.0.0.1/8');
  const em0 = b.ether();
  b.addr(em0, '192.0.2.1/24');
  const idle = Number(read('memory'));
  expect(idle).toBe(b.routes.store.table.bytes);
  expect(String(read('tables')).split('\n')).toEqual(['family  fib   routes  root     nodes       bytes', 'inet      0        3     0         0           0']);

  for (let i = 0; i < 300; i++) expect(b.route('add', `10.${i >> 8}.${i & 255}.0/24`, '192.0.2.9')).toBe(0);
  const { table } = b.routes.rib('inet', 0)!;
  expect(table).toMatchObject({ rootBits: 16 });
  expect(read('memory')).toBe(table!.bytes + b.routes.store.table.bytes);
  const [, text = ''] = String(read('tables')).split('\n');
  expect(text.split(/ +/)).toEqual(['inet', '0', '303', '16', String(table!.nodes), String(table!.bytes)]);

  for (let i = 0; i < 300; i++) expect(b.route('delete', `10.${i >> 8}.${i & 255}.0/24`, null)).toBe(0);
  expect(Number(read('memory'))).toBeLessThan(idle + 4_096);
  b.destroy();
});
