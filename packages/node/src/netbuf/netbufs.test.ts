/**
 * netbufs.test.ts — network buffers against a kernel in memory: the order of the steps, each of them failing, what is left behind by those that died, and other people's interfaces.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeKernel } from '../../test/netlink/fake-kernel.js';
import { NetlinkSocket } from '../netlink/index.js';
import { NetbufRecords } from './netbuf-record.js';
import { Netbufs } from './netbufs.js';
import type { InstallOptions } from './netbufs.js';
import { NetworkBuffer } from './network-buffer.js';
import type { PoolLock } from './pool-lock.js';

const EPERM = 1;
const EBUSY = 16;
const ENOENT = 2;
const EEXIST = 17;

let state: string;
let kernel: FakeKernel;
let netbufs: Netbufs;

/** A lock as flock's, within this process. */
function lockOf(): PoolLock {
  let turn: Promise<void> = Promise.resolve();
  return async () => {
    const before = turn;
    let unlock = (): void => undefined;
    turn = new Promise((resolve) => (unlock = resolve));
    await before;
    return unlock;
  };
}

const lock = lockOf();
const open = (boot = 'boot-1', namespace = 'net-1'): Netbufs => new Netbufs({ records: new NetbufRecords(state, namespace, boot), lock }, new NetlinkSocket(kernel));
const records = (): string[] => (readdirSync(state, { recursive: true }) as string[]).filter((name) => name.endsWith('.json'));
const install = (vif = 'vif1.0', options: InstallOptions = {}): Promise<unknown> => netbufs.install(vif, options);

/** What the kernel was told since the last call. */
function told(): string[] {
  return kernel.log.splice(0);
}

const EMPTY = ['vif1.0 up', 'vif2.0 up', 'ifb0 down', 'ifb1 down'];
const BUILT = ['vif1.0 up', 'vif2.0 up', 'ifb0 up', 'ifb1 down', 'plug at ifb0', 'ingress at vif1.0', 'matchall from vif1.0 to ifb0'];
const BUILD = ['ifb0 up', 'ifb0 + plug', 'vif1.0 + ingress', 'vif1.0 + matchall to ifb0'];
const UNDO = ['vif1.0 - filter', 'vif1.0 - ingress', 'ifb0 down', 'ifb0 - plug'];

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'netloom-netbuf-'));
  kernel = new FakeKernel();
  kernel.addLink('vif1.0', 'vif', true);
  kernel.addLink('vif2.0', 'vif', true);
  kernel.addLink('ifb0', 'ifb');
  kernel.addLink('ifb1', 'ifb');
  netbufs = open();
});
afterEach(() => {
  rmSync(state, { recursive: true });
  expect(kernel.holes).toEqual([]);
});

describe('install and uninstall', () => {
  test('the plug is there before anything is led to it, and goes when nothing is', async () => {
    const steps: string[] = [];
    await install('vif1.0', { progress: (text) => steps.push(text) });
    expect([told(), kernel.state, records().length, kernel.root('ifb0')?.limit]).toEqual([BUILD, BUILT, 1, 4 << 20]);
    expect(steps).toEqual([
      'ifb0 is free, and taken for vif1.0', 'ifb0 is up', 'ifb0 is plugged, and holds up to 4194304 bytes', 'vif1.0 has an ingress qdisc', 'all that vif1.0 receives goes to ifb0 (matchall, mirred)',
    ]);
    kernel.root('ifb0')!.packets = 3;
    expect(await netbufs.uninstall('vif1.0')).toMatchObject({ packets: 3, bytes: 300 });
    expect([told(), kernel.state.filter((line) => !line.startsWith('fq_codel')), records()]).toEqual([UNDO, EMPTY, []]);
  });

  test('by the name of the ifb, and twice', async () => {
    await install();
    expect(await netbufs.uninstall('ifb0')).not.toBeNull();
    told();
    expect([await netbufs.uninstall('ifb0'), await netbufs.uninstall('vif1.0'), await netbufs.uninstall('nosuch'), told()]).toEqual([null, null, null, []]);
  });

  test('what is installed is not installed again; a new limit is told to the plug', async () => {
    await install();
    told();
    expect(await netbufs.install('vif1.0')).toMatchObject({ existed: true, record: { ifb: { name: 'ifb0' } } });
    expect(await netbufs.install('vif1.0', { limitBytes: 9_000, ifb: 'ifb0' })).toMatchObject({ existed: true, record: { limitBytes: 9_000 } });
    expect(told()).toEqual(['ifb0 plug 3 9000']);
    expect(netbufs.list()).toMatchObject([{ vif: 'vif1.0', ifb: 'ifb0', limitBytes: 9_000, missing: null }]);
    await expect(install('vif1.0', { ifb: 'ifb1' })).rejects.toThrow('what vif1.0 sends is held by ifb0; uninstall that first to have it held by ifb1');
  });

  test('two at once take two ifbs, in the order in which they come', async () => {
    await Promise.all([open().install('vif1.0'), open().install('vif2.0')]);
    expect(netbufs.list().map(({ vif, ifb }) => [vif, ifb])).toEqual([['vif1.0', 'ifb0'], ['vif2.0', 'ifb1']]);
  });

  test('with --release what is held leaves first, through the same way', async () => {
    await install();
    kernel.root('ifb0')!.packets = 5;
    told();
    expect(await netbufs.uninstall('vif1.0', { release: true })).toMatchObject({ packets: 0 });
    expect(told()).toEqual(['ifb0 plug 2', ...UNDO]);
  });

  test('u32 where there is no matchall', async () => {
    kernel.modules.delete('matchall');
    await install();
    expect(told()).toEqual([...BUILD.slice(0, 3), 'vif1.0 + matchall to ifb0: no', 'vif1.0 + u32 to ifb0']);
  });
});

describe('each step fails', () => {
  const steps = BUILD.map((step, i) => [step, i] as const);

  test.each(steps)('%s: what was done is undone in order, and nothing else', async (step, i) => {
    kernel.refuse(step, EBUSY, 'Not now.');
    await expect(install()).rejects.toThrow(/: Not now \(EBUSY\)$/);
    const undone = [['ifb0 down'], ['ifb0 down', 'ifb0 - plug'], ['vif1.0 - ingress', 'ifb0 down', 'ifb0 - plug']];
    expect([told(), kernel.state.filter((line) => !line.startsWith('fq_codel')), records()]).toEqual([[...BUILD.slice(0, i), `${step}: no`, ...(i === 0 ? [] : undone[i - 1]!)], EMPTY, []]);
    kernel.allow();
    await install();
    expect(kernel.state.filter((line) => !line.startsWith('fq_codel'))).toEqual(BUILT);
  });

  test.each(UNDO)('%s fails when undone: it stops there, keeps the record, and goes on when asked again', async (step) => {
    await install();
    kernel.refuse(step, EPERM);
    told();
    await expect(netbufs.uninstall('vif1.0')).rejects.toThrow('EPERM');
    expect([told(), records().length]).toEqual([[...UNDO.slice(0, UNDO.indexOf(step)), `${step}: no`], 1]);
    kernel.allow();
    await netbufs.uninstall('vif1.0');
    expect([told(), kernel.state, records()]).toEqual([UNDO.slice(UNDO.indexOf(step)), EMPTY, []]);
  });

  test('a step fails, and the undoing too: both are told, and uninstall goes on', async () => {
    kernel.refuse('vif1.0 + ingress', EBUSY);
    kernel.refuse('ifb0 down', EPERM);
    await expect(install()).rejects.toThrow(/^cannot add the qdisc ingress to vif1\.0: .*EBUSY\)\nand not all of it is undone: cannot bring down ifb0: .*Try again: netloom netbuf uninstall vif1\.0$/s);
    expect([records().length, netbufs.list()[0]?.missing]).toEqual([1, 'vif1.0 is not redirected']);
    kernel.allow();
    await netbufs.uninstall('vif1.0');
    expect([kernel.state, records()]).toEqual([EMPTY, []]);
  });

  test.each<[string, string, string]>([
    ['plug', 'ifb0 + plug', 'cannot add the qdisc plug to ifb0: Specified qdisc kind is unknown (ENOENT). Load the module: sudo modprobe sch_plug'],
    ['ingress', 'vif1.0 + ingress', 'cannot add the qdisc ingress to vif1.0: Specified qdisc kind is unknown (ENOENT). Load the module: sudo modprobe sch_ingress'],
  ])('no module for %s', async (kind, _, message) => {
    kernel.modules.delete(kind);
    await expect(install()).rejects.toThrow(message);
    expect(records()).toEqual([]);
  });

  test('no classifier, no action; also as old kernels say it', async () => {
    kernel.modules.delete('matchall');
    kernel.modules.delete('u32');
    await expect(install()).rejects.toThrow('TC classifier not found (ENOENT). Load the module: sudo modprobe cls_u32');
    kernel.refuse('vif1.0 + matchall to ifb0', ENOENT, 'Failed to load TC action module');
    await expect(install()).rejects.toThrow('cannot redirect to ifb0 (matchall, mirred) what comes in by vif1.0: Failed to load TC action module (ENOENT). Load the module: sudo modprobe act_mirred');
    for (const kind of ['matchall', 'u32']) kernel.refuse(`vif1.0 + ${kind} to ifb0`, ENOENT);
    await expect(install()).rejects.toThrow('Load the modules: sudo modprobe -a cls_u32 act_mirred');
    kernel.allow();
    kernel.refuse('ifb0 + plug', ENOENT);
    await expect(install()).rejects.toThrow('Load the module: sudo modprobe sch_plug');
    expect([kernel.state, records()]).toEqual([EMPTY, []]);
  });
});

describe('the pool', () => {
  test('taken is what has a qdisc, is up, or is in a record', async () => {
    kernel.addQdisc('ifb0', 'htb');
    kernel.link('ifb1').up = true;
    await expect(install()).rejects.toThrow('no ifb is free (ifb0 has the qdisc htb, ifb1 is up). Make another one: sudo ip link add ifb2 type ifb');
    kernel.link('ifb1').up = false;
    await install();
    await expect(install('vif2.0')).rejects.toThrow('no ifb is free (ifb0 has the qdisc htb, ifb1 holds what vif1.0 sends). Make another one: sudo ip link add ifb2 type ifb');
    await expect(install('vif2.0', { ifb: 'ifb1' })).rejects.toThrow('ifb1 holds what vif1.0 sends: another buffer cannot have it');
  });

  test('a qdisc that the kernel has put there is none', async () => {
    kernel.addQdisc('ifb0', 'pfifo_fast', 0xffff_ffff, 0);
    await install();
    expect(netbufs.list()).toMatchObject([{ ifb: 'ifb0', missing: null }]);
  });

  test('an ifb whose plug was removed by hand is not given to another', async () => {
    await install();
    kernel.qdiscs = kernel.qdiscs.filter(({ kind }) => kind !== 'plug');
    kernel.filters = [];
    kernel.link('ifb0').up = false;
    expect(await netbufs.install('vif2.0')).toMatchObject({ record: { ifb: { name: 'ifb1' } } });
  });

  test.each<[string, InstallOptions, string]>([
    ['an ifb that is none', { ifb: 'vif2.0' }, 'vif2.0 is no ifb, but a vif'],
    ['an ifb that is not there', { ifb: 'ifb9' }, 'there is no interface ifb9. Make it: sudo ip link add ifb9 type ifb'],
    ['no limit', { limitBytes: 0 }, 'a limit is 1 to 4294967295 bytes, not 0'],
  ])('%s', async (_, options, message) => {
    await expect(async () => install('vif1.0', options)).rejects.toThrow(message);
  });

  test('no ifb at all, no interface', async () => {
    kernel.removeLink('ifb0');
    kernel.removeLink('ifb1');
    await expect(install()).rejects.toThrow('no ifb is free: there is none. Load the module with as many as there are interfaces to buffer: sudo modprobe ifb numifbs=8');
    await expect(install('nosuch')).rejects.toThrow('there is no interface nosuch; "ip link" lists what there is');
    expect(told()).toEqual([]);
  });
});

describe('what others have', () => {
  test.each(['ingress', 'clsact'])('an %s that was there stays', async (kind) => {
    kernel.addQdisc('vif1.0', kind, 0xffff_fff1, 0xffff_0000);
    await install();
    expect([told(), kernel.filters.map(({ parent }) => parent)]).toEqual([[BUILD[0], BUILD[1], BUILD[3]], [kind === 'clsact' ? 0xffff_fff2 : 0xffff_0000]]);
    await netbufs.uninstall('vif1.0');
    expect([told(), kernel.state]).toEqual([[UNDO[0], UNDO[2], UNDO[3]], [...EMPTY, `${kind} at vif1.0`]]);
  });

  test('filters at the ingress would see frames first', async () => {
    const { ifindex } = kernel.addQdisc('vif1.0', 'ingress', 0xffff_fff1, 0xffff_0000);
    kernel.filters.push({ ifindex, parent: 0xffff_0000, preference: 1, kind: 'u32', to: 0 });
    await expect(install()).rejects.toThrow('vif1.0 has filters at its ingress, which would see frames before they are held; remove them: sudo tc qdisc del dev vif1.0 ingress');
    expect(told()).toEqual([]);
  });

  test('a filter that somebody added at our ingress keeps it', async () => {
    await install();
    kernel.filters.push({ ifindex: kernel.link('vif1.0').index, parent: 0xffff_0000, preference: 20, kind: 'u32', to: 0 });
    told();
    await netbufs.uninstall('vif1.0');
    expect(told()).toEqual([UNDO[0], UNDO[2], UNDO[3]]);
  });

  test('an ingress that somebody adds at the same moment is not removed', async () => {
    kernel.before('vif1.0 + ingress', () => void kernel.addQdisc('vif1.0', 'ingress', 0xffff_fff1, 0xffff_0000));
    await expect(install()).rejects.toMatchObject({ errno: EEXIST });
    expect(kernel.state).toEqual([...EMPTY, 'ingress at vif1.0']);
  });

  test('an ifb that has got somebody\'s qdisc is theirs', async () => {
    await install();
    kernel.root('ifb0')!.kind = 'htb';
    kernel.root('ifb0')!.handle = 0x1_0000;
    told();
    await netbufs.uninstall('ifb0');
    expect([told(), records()]).toEqual([UNDO.slice(0, 2), []]);
    kernel.filters = [];
  });

  test('a plug that is in no record is not ours', async () => {
    kernel.addQdisc('ifb1', 'plug');
    await expect(netbufs.uninstall('ifb1')).rejects.toThrow(/^the plug of ifb1 is not ours: no record in .*net-1 names it/);
    expect(() => netbufs.control('ifb1', 'release')).toThrow('the plug of ifb1 is not ours');
    expect(() => netbufs.control('vif2.0', 'release')).toThrow('vif2.0 has no network buffer; install one: netloom netbuf install vif2.0');
    expect(told()).toEqual([]);
  });
});

describe('interfaces that go', () => {
  test('the machine\'s: the ifb is free again', async () => {
    await install();
    kernel.removeLink('vif1.0');
    expect(netbufs.list()).toMatchObject([{ missing: 'vif1.0 has gone' }]);
    told();
    expect(await netbufs.uninstall('vif1.0')).not.toBeNull();
    expect([told(), kernel.state, records()]).toEqual([UNDO.slice(2), ['vif2.0 up', 'ifb0 down', 'ifb1 down'], []]);
  });

  test('another of the same name has nothing of ours', async () => {
    await install();
    kernel.removeLink('vif1.0');
    kernel.addLink('vif1.0', 'vif', true);
    kernel.addQdisc('vif1.0', 'ingress', 0xffff_fff1, 0xffff_0000);
    told();
    expect(await netbufs.install('vif1.0')).toMatchObject({ existed: false, record: { ifb: { name: 'ifb1' }, madeIngress: false } });
    await netbufs.uninstall('ifb0');
    expect(kernel.state).toContain('matchall from vif1.0 to ifb1');
  });

  test('the ifb: the redirect that swallows everything is removed', async () => {
    await install();
    kernel.removeLink('ifb0');
    told();
    expect(netbufs.list()).toMatchObject([{ missing: 'ifb0 has gone' }]);
    await netbufs.uninstall('ifb0');
    expect([told(), kernel.filters, records()]).toEqual([UNDO.slice(0, 2), [], []]);
  });

  test.each(UNDO)('before %s', async (step) => {
    await install();
    kernel.before(step, () => kernel.removeLink(step.startsWith('vif') ? 'vif1.0' : 'ifb0'));
    await netbufs.uninstall('vif1.0');
    expect(records()).toEqual([]);
  });

  test('one that was given another name is found by both', async () => {
    await install();
    kernel.link('vif1.0').name = 'web';
    expect(await netbufs.uninstall('web')).not.toBeNull();
    expect(kernel.filters).toEqual([]);
  });
});

describe('those that died', () => {
  test.each(BUILD)('before %s: uninstall and install both go on from there', async (step) => {
    const die = (): never => {
      throw new Error('killed');
    };
    for (const go of ['uninstall', 'install'] as const) {
      kernel.before(step, die);
      await expect(install()).rejects.toThrow();
      // What undoing after an exception did, a kill does not.
      const record = { format: 1, boot: 'boot-1', vif: { index: 1, name: 'vif1.0' }, ifb: { index: 3, name: 'ifb0' }, limitBytes: 1_000, ingress: 'ingress', madeIngress: true };
      writeFileSync(join(state, 'net-1/3.json'), JSON.stringify(record));
      if (BUILD.indexOf(step) > 0) kernel.link('ifb0').up = true;
      if (BUILD.indexOf(step) > 1) kernel.addQdisc('ifb0', 'plug', 0xffff_ffff, 0x4e4c_0000);
      if (BUILD.indexOf(step) > 2) kernel.addQdisc('vif1.0', 'ingress', 0xffff_fff1, 0xffff_0000);
      if (go === 'install') await open().install('vif1.0');
      await open().uninstall('vif1.0');
      expect([kernel.state, records()]).toEqual([EMPTY, []]);
    }
  });

  test('records of another boot, or of another namespace, are not of this machine', async () => {
    await install();
    expect([open('boot-2').list(), open('boot-1', 'net-2').list()]).toEqual([[], []]);
    expect(netbufs.list()).toHaveLength(1);
  });

  test('a record names interfaces by their numbers too, nobody else reads it, and one that is damaged is said to be', async () => {
    await install();
    const file = join(state, 'net-1/3.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ vif: { name: 'vif1.0', index: 1 }, ifb: { name: 'ifb0', index: 3 }, madeIngress: true });
    expect([statSync(file).mode & 0o777, statSync(join(state, 'net-1')).mode & 0o777]).toEqual([0o600, 0o700]);
    writeFileSync(file, '{');
    expect(() => netbufs.list()).toThrow(`${file} is no record of a network buffer`);
  });
});

describe('commands', () => {
  test('are the plug\'s', async () => {
    await install();
    told();
    for (const action of ['buffer', 'release', 'release-all'] as const) netbufs.control('vif1.0', action);
    netbufs.control('ifb0', 'buffer');
    expect(told()).toEqual(['ifb0 plug 0', 'ifb0 plug 1', 'ifb0 plug 2', 'ifb0 plug 0']);
  });

  test('a plug that is no longer there', async () => {
    await install();
    netbufs.control('vif1.0', 'buffer');
    kernel.qdiscs = kernel.qdiscs.filter(({ kind }) => kind !== 'plug');
    for (let i = 0; i < 2; i++) expect(() => netbufs.control('vif1.0', 'release')).toThrow('ifb0 no longer has the plug that holds what vif1.0 sends; put it back: netloom netbuf install vif1.0');
    kernel.filters = [];
  });
});

describe('a checkpointer\'s buffer', () => {
  test('ends epochs and releases them, one closed at a time', async () => {
    const output = await NetworkBuffer.install('vif1.0', {}, netbufs);
    told();
    expect(() => output.release()).toThrow('no epoch of vif1.0 is closed');
    output.buffer();
    expect(output.isClosed).toBe(true);
    expect(() => output.buffer()).toThrow('an epoch of vif1.0 is closed and has not been released: the kernel\'s plug remembers one');
    output.release();
    output.buffer();
    output.releaseAll();
    output.buffer();
    expect(told()).toEqual(['ifb0 plug 0', 'ifb0 plug 1', 'ifb0 plug 0', 'ifb0 plug 2', 'ifb0 plug 0']);
    await output.uninstall();
    expect(told()).toEqual([...UNDO, 'closed']);
  });

  test('begins no epoch before what may leave has left', async () => {
    const output = await NetworkBuffer.install('vif1.0', {}, netbufs);
    output.releaseAll();
    kernel.root('ifb0')!.packets = 1;
    expect(() => output.buffer()).toThrow('ifb0 still holds frames that may leave; an epoch cannot begin before they have');
    kernel.root('ifb0')!.packets = 0;
    output.buffer();
  });

  test('puts a new plug in the place of one whose counts nobody knows', async () => {
    await install('vif1.0', { limitBytes: 5_000 });
    told();
    const output = await NetworkBuffer.install('vif1.0', {}, open());
    output.buffer();
    expect([told(), kernel.root('ifb0')]).toMatchObject([['ifb0 = plug', 'ifb0 plug 0'], { handle: 0x4e4d_0000, limit: 5_000 }]);
    const again = await NetworkBuffer.install('vif1.0', {}, open());
    for (let i = 0; i < 2; i++) expect(() => output.release()).toThrow('somebody else holds what vif1.0 sends by now: another plug is at ifb0');
    expect(output.isClosed).toBe(true);
    told();
    again.buffer();
    expect([told(), kernel.root('ifb0')]).toMatchObject([['ifb0 plug 0'], { handle: 0x4e4c_0000 }]);
    await again.uninstall();
    expect(kernel.state).toEqual(EMPTY);
  });

  test('is closed when it cannot be had', async () => {
    kernel.modules.delete('plug');
    await expect(NetworkBuffer.install('vif1.0', {}, netbufs)).rejects.toThrow('sch_plug');
    expect(told().at(-1)).toBe('closed');
  });
});
