/**
 * without-shared-memory.test.ts — a page that is not cross-origin isolated has no SharedArrayBuffer: the Kernel, its short paths and every tool work there, on one thread.
 *
 * The modules are loaded when it is gone already, so one that asks for it by name while it is loaded, or later, fails here.
 */
import { expect, test } from 'vitest';

const shared = globalThis.SharedArrayBuffer;
Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
const { ToolLab } = await import('./test-proc.js');

test('two routers, with short paths and without: a ping of either family goes through, and routes come, change and go', async () => {
  for (const datapath of [false, true]) {
    const lab = new ToolLab({ datapath });
    expect('SharedArrayBuffer' in globalThis).toBe(false);
    for (const name of ['a', 'r1', 'r2', 'b']) await lab.ok(`jail -c name=${name} vnet persist`);
    const link = async (unit: number, left: string, right: string, net: string): Promise<void> => {
      await lab.ok('ifconfig epair create');
      for (const [end, jail, host] of [['a', left, 1], ['b', right, 2]] as const) {
        await lab.ok(`ifconfig epair${unit}${end} vnet ${jail}`);
        await lab.ok(`ifconfig epair${unit}${end} inet 10.0.${net}.${host}/24 up`, { jail });
        await lab.ok(`ifconfig epair${unit}${end} inet6 2001:db8:${net}::${host}/64 no_dad`, { jail });
      }
    };
    await link(0, 'a', 'r1', '1');
    await link(1, 'r1', 'r2', '2');
    await link(2, 'r2', 'b', '3');
    for (const jail of ['r1', 'r2']) {
      await lab.ok('sysctl net.inet.ip.forwarding=1', { jail });
      await lab.ok('sysctl net.inet6.ip6.forwarding=1', { jail });
    }
    const routes: readonly (readonly [string, string])[] = [['a', '10.0.1.2'], ['r1', '10.0.2.2'], ['r2', '10.0.2.1'], ['b', '10.0.3.1']];
    const routes6: readonly (readonly [string, string])[] = [['a', '2001:db8:1::2'], ['r1', '2001:db8:2::2'], ['r2', '2001:db8:2::1'], ['b', '2001:db8:3::1']];
    for (const [jail, gateway] of routes) await lab.ok(`route add default ${gateway}`, { jail });
    for (const [jail, gateway] of routes6) await lab.ok(`route -6 add default ${gateway}`, { jail });
    expect(await lab.ok('ping -c 2 10.0.3.2', { jail: 'a' })).toContain('2 packets received');
    expect(await lab.ok('ping6 -c 2 2001:db8:3::2', { jail: 'a' })).toContain('2 packets received');
    await lab.ok('route add 10.0.3.0/24 10.0.2.9', { jail: 'r1' });
    expect((await lab.sh('ping -c 1 -t 2 10.0.3.2', { jail: 'a' })).exit).toBe(2);
    await lab.ok('route change 10.0.3.0/24 10.0.2.2', { jail: 'r1' });
    expect(await lab.ok('ping -c 1 10.0.3.2', { jail: 'a' })).toContain('1 packets received');
    await lab.ok('route delete 10.0.3.0/24', { jail: 'r1' });
    expect(await lab.ok('ping -c 1 10.0.3.2', { jail: 'a' })).toContain('1 packets received');
    for (const name of ['a', 'r1', 'r2', 'b']) await lab.ok(`jail -r ${name}`);
    expect(lab.kernel.engine.readers.waiting).toBe(0);
  }
});

test('it comes back for the tests that follow in this process', () => {
  globalThis.SharedArrayBuffer = shared;
  expect(typeof SharedArrayBuffer).toBe('function');
});
