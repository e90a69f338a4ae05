/**
 * netbuf-kernel.test.ts — network buffers on a kernel of Debian's in a guest, with ifb, sch_plug and act_mirred: our installer runs there, and the kernel's plug gives the rows that core's gives.
 * Read first: netbuf-guest.ts, which runs in the guest; guest/guest-node.ts; test/netbuf/plug-rows.ts.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { peer } from '../../peers.js';
import { PLUG_ROWS } from '../../netbuf/plug-rows.js';
import { guestKernel, moduleFiles } from '../guest/guest-kernel.js';
import { NODE_MEMORY_MB, nodeProgram, runProgram } from '../guest/guest-node.js';
import { withGuests } from '../guest/guest.js';
import type { Guest, GuestSpec } from '../guest/guest.js';

const PROGRAM = 'interop/netbuf/netbuf-guest.ts';
const MODULES = ['veth', 'ifb', 'sch_ingress', 'cls_u32'];
/** Loaded by the test, in this order. */
const LATER = ['sch_plug', 'act_mirred', 'cls_matchall'];
const PREPARE = `for all in all default; do echo 1 >/proc/sys/net/ipv6/conf/$all/disable_ipv6; done
for n in 1 2; do /bin/ip link add vif$n.0 type veth peer name peer$n; /bin/ip link set vif$n.0 up; /bin/ip link set peer$n up; done`;

function spec(): GuestSpec {
  const kernel = guestKernel(...MODULES, ...LATER);
  if (kernel === null) throw new Error(`no kernel package with ${[...MODULES, ...LATER].join(', ')}; linux-image-cloud-amd64 has them`);
  const late = LATER.map((name) => [`/late/${name}.ko`, readFileSync(moduleFiles(kernel, [name]).at(-1)!)] as const);
  return { memoryMb: NODE_MEMORY_MB, args: ['-cpu', 'max'], image: { modules: MODULES, programs: ['node', 'ip'], files: { ...nodeProgram(PROGRAM), ...Object.fromEntries(late) }, script: PREPARE } };
}

async function told(guest: Guest, what: string): Promise<Record<string, unknown>> {
  return JSON.parse(await guest.ok(runProgram(PROGRAM, what), 120)) as Record<string, unknown>;
}

/** Lines of progress that an installation has. */
const STEPS = 5;
const EMPTY = ['ifb0 down', 'ifb1 down'];

peer('guest', 'ip')('Debian\'s kernel: modules that are missing, the rows, a buffer\'s life, the pool', { timeout: 400_000 }, () => withGuests([spec()], async (guest) => {
  expect(await told(guest, 'missing')).toEqual({
    message: 'cannot add the qdisc plug to ifb0: Specified qdisc kind is unknown (ENOENT). Load the module: sudo modprobe sch_plug',
    steps: ['ifb0 is free, and taken for vif1.0', 'ifb0 is up', 'ifb0 is down'],
    state: EMPTY,
  });
  await guest.ok('insmod /late/sch_plug.ko');
  expect(await told(guest, 'missing')).toMatchObject({ message: expect.stringMatching(/Load the module: sudo modprobe act_mirred$/), state: EMPTY });
  await guest.ok('insmod /late/act_mirred.ko');

  const { rows, state } = await told(guest, 'rows');
  expect(rows).toEqual(Object.fromEntries(PLUG_ROWS.map(({ name, script }) => [name, script.map(([, seen]) => seen)])));
  expect(state).toEqual(EMPTY);

  for (const classifier of ['u32', 'matchall']) {
    if (classifier === 'matchall') await guest.ok('insmod /late/cls_matchall.ko');
    const built = ['ifb0 up', 'ifb1 down', 'ingress at vif1.0', 'plug at ifb0', `${classifier} to ifb0`, 'record of vif1.0 at ifb0'];
    const life = await told(guest, 'life');
    expect(life).toMatchObject({ before: EMPTY, installed: expect.arrayContaining(built), sentAndGot: [6, 5, 1], afterRelease: [10, 10], uninstalled: EMPTY, protocolsHeld: 4, releasedByNew: [1, 2] });
    expect(life).toMatchObject({ renewed: [0, expect.arrayContaining(built)], held: 0, twice: expect.stringContaining('is closed and has not been released'), replaced: 'somebody else holds what vif1.0 sends by now: another plug is at ifb0', dropped: { packets: 2, bytes: 2_000, got: 3 }, end: EMPTY });
  }

  // Killed after each step: the record is there from the first one on.
  const left: unknown[] = [];
  for (let step = 1; step <= STEPS + 1; step++) {
    const { output } = await guest.run(runProgram(PROGRAM, 'die', String(step)), 120);
    left.push(JSON.parse(output.split('\n')[0]!));
  }
  const built = ['plug at ifb0', 'ingress at vif1.0', 'matchall to ifb0'];
  expect(left).toEqual([
    { found: EMPTY, removed: false, left: EMPTY },
    ...[0, 0, 1, 2, 3].map((n, i) => ({ found: expect.arrayContaining([...built.slice(0, n), i === 0 ? 'ifb0 down' : 'ifb0 up', 'record of vif1.0 at ifb0']), removed: true, left: EMPTY })),
  ]);
  await guest.run(runProgram(PROGRAM, 'die', '1'), 120);

  expect(await told(guest, 'pool')).toEqual({
    taken: [['vif1.0', 'ifb0'], ['vif2.0', 'ifb1']],
    full: 'no ifb is free (ifb0 holds what vif1.0 sends, ifb1 holds what vif2.0 sends). Make another one: sudo ip link add ifb2 type ifb',
    gone: [['vif1.0', null], ['vif2.0', 'vif2.0 has gone']],
    end: EMPTY,
  });
}));
