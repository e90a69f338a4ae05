/**
 * netbuf-linux.test.ts — rtnetlink and network buffers on this machine's kernel, in a namespace of the test: what it has, it has to do; what it lacks, it has to be told to load.
 * Read first: netbuf-kernel.test.ts for a kernel that has everything.
 *
 * A socket belongs to the namespace in which it was made: this thread enters the test's to make one, and leaves it at once.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadKoffi } from '../../../src/native/koffi.js';
import {
  addLink, addQdisc, addRedirect, deleteFilters, deleteLink, deleteQdisc, getLink, INGRESS_HANDLE, listFilters, listLinks, listQdiscs, NetbufError, NetbufRecords, Netbufs, NetlinkError, NetlinkSocket, setLink,
  TC_H_INGRESS, TC_H_ROOT,
} from '../../../src/netbuf/index.js';
import { peer } from '../../peers.js';
import { Netns, withNetns } from '../netns.js';
import { FrameGun } from './frame-gun.js';

const FRAME = 200;
const INGRESS = { kind: 'ingress', parent: TC_H_INGRESS, handle: INGRESS_HANDLE };
const PLACE = { parent: INGRESS_HANDLE, preference: 10 };

/** What `make` makes in another namespace; it must not wait. */
function inside<T>(ns: Netns, make: () => T): T {
  const setns = loadKoffi('namespaces').load(null).func('setns', 'int', ['int', 'int']) as (fd: number, type: number) => number;
  const home = openSync('/proc/thread-self/ns/net', 'r');
  const there = openSync(`/run/netns/${ns.name}`, 'r');
  try {
    if (setns(there, 0) < 0) throw new Error(`cannot enter ${ns.name}`);
    return make();
  } finally {
    setns(home, 0);
    closeSync(home);
    closeSync(there);
  }
}

async function withSocket(body: (socket: NetlinkSocket, ns: Netns) => Promise<void>): Promise<void> {
  await withNetns(1, async (ns) => {
    // So that nothing but the test's frames is on the cable.
    await ns.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
    ns.ip('link', 'add', 'vif1.0', 'type', 'veth', 'peer', 'name', 'peer1');
    ns.up('vif1.0');
    ns.up('peer1');
    const socket = inside(ns, () => new NetlinkSocket());
    try {
      await body(socket, ns);
    } finally {
      socket.close();
    }
  });
}

function code(act: () => unknown): string {
  try {
    act();
    return 'done';
  } catch (error) {
    return error instanceof NetlinkError ? error.code : String(error);
  }
}

peer('root', 'netns', 'ip', 'ifb-device')('interfaces: listed, made, changed, removed', () => withSocket(async (socket, ns) => {
  expect(listLinks(socket).map(({ name, kind }) => [name, kind])).toEqual(expect.arrayContaining([['lo', null], ['peer1', 'veth'], ['vif1.0', 'veth']]));
  const ifb = addLink(socket, 'ifb7', 'ifb');
  expect(ifb).toMatchObject({ name: 'ifb7', kind: 'ifb', isUp: false, mtu: 1_500, txqlen: 32 });
  setLink(socket, ifb, { up: true, txqlen: 77 });
  expect(getLink(socket, 'ifb7')).toMatchObject({ isUp: true, txqlen: 77 });
  expect(ns.ip('link', 'show', 'dev', 'ifb7')).toMatch(/UP.* qlen 77/);
  setLink(socket, ifb, { up: false });
  expect(getLink(socket, ifb.index)).toMatchObject({ name: 'ifb7', isUp: false, txqlen: 77 });
  expect(code(() => addLink(socket, 'ifb7', 'ifb'))).toBe('EEXIST');
  deleteLink(socket, ifb);
  expect([getLink(socket, 'ifb7'), getLink(socket, ifb.index), getLink(socket, 'a name that is too long'), code(() => setLink(socket, ifb, { up: true }))]).toEqual([null, null, null, 'ENODEV']);
}));

peer('root', 'netns', 'ip', 'ifb-device')('ingress, and a filter that leads all protocols over an ifb', () => withSocket(async (socket, ns) => {
  const vif = getLink(socket, 'vif1.0')!;
  const ifb = addLink(socket, 'ifb0', 'ifb');
  const [gun, stack] = inside(ns, () => [new FrameGun(), FrameGun.at(vif.index)] as const);
  const peerIndex = getLink(socket, 'peer1')!.index;
  let got = 0;
  const comes = async (what: string, n: number): Promise<void> => {
    gun.send(peerIndex, 1, FRAME);
    await Netns.until(what, () => (got += stack.count()) >= n);
  };
  await comes('a frame without a filter', 1);
  setLink(socket, ifb, { up: true });
  addQdisc(socket, vif, INGRESS);
  expect(code(() => addQdisc(socket, vif, INGRESS))).toBe('EEXIST');
  addRedirect(socket, vif, PLACE, ifb, 'u32');
  expect(listFilters(socket, vif, INGRESS_HANDLE)).toContainEqual(expect.objectContaining({ kind: 'u32', preference: 10, redirectIndex: ifb.index }));
  await comes('a frame by the ifb', 2);
  expect(listQdiscs(socket, ifb).find(({ parent }) => parent === TC_H_ROOT)?.packets).toBe(1);
  deleteFilters(socket, vif, PLACE);
  expect([listFilters(socket, vif, INGRESS_HANDLE), code(() => deleteFilters(socket, vif, PLACE))]).toEqual([[], 'ENOENT']);
  await comes('a frame past the ifb', 3);
  deleteQdisc(socket, vif, INGRESS);
  expect([listQdiscs(socket, vif).some(({ kind }) => kind === 'ingress'), code(() => deleteQdisc(socket, vif, INGRESS))]).toEqual([false, 'EINVAL']);
  expect(got).toBe(3);
  gun.close();
  stack.close();
}));

peer('root', 'netns', 'ip', 'ifb-device')('a buffer is installed whole, or not at all; then everything is as before', () => withSocket(async (socket) => {
  const state = mkdtempSync(join(tmpdir(), 'netloom-netbuf-'));
  try {
    const netbufs = new Netbufs({ records: new NetbufRecords(state, 'net-test') }, socket);
    const seen = (): unknown => [listLinks(socket), listQdiscs(socket).filter(({ handle }) => handle !== 0), netbufs.list()];
    await expect(netbufs.install('vif1.0')).rejects.toThrow('no ifb is free: there is none');
    addLink(socket, 'ifb0', 'ifb');
    const before = seen();
    try {
      await netbufs.install('vif1.0');
      expect(netbufs.list()).toMatchObject([{ vif: 'vif1.0', ifb: 'ifb0', missing: null }]);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      expect(error.message).toMatch(/Load the modules?: sudo modprobe/);
      expect(seen()).toEqual(before);
    }
    await netbufs.uninstall('vif1.0');
    expect(seen()).toEqual(before);
    expect(() => netbufs.control('vif1.0', 'buffer')).toThrow(NetbufError);
  } finally {
    rmSync(state, { recursive: true });
  }
}));
