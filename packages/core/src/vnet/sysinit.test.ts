/**
 * sysinit.test.ts — the order in which a stack is built and taken down is FreeBSD's, and what a vnet is meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import {
  SI_ORDER_ANY, SI_ORDER_FIRST, SI_ORDER_FOURTH, SI_ORDER_MIDDLE, SI_ORDER_SECOND, SI_ORDER_THIRD, SI_SUB_INIT_IF, SI_SUB_PROTO_DOMAIN, SI_SUB_PROTO_DOMAININIT,
  SI_SUB_PROTO_FIREWALL, SI_SUB_PROTO_IF,
  SI_SUB_PROTO_IFATTACHDOMAIN, SI_SUB_PROTO_MC, SI_SUB_PROTO_PFIL, SI_SUB_PSEUDO, SI_SUB_VNET_DONE, orderName, subsystemName,
} from '../kern/vnet-sysinit.js';
import type { VnetSysinit } from '../kern/vnet-sysinit.js';
import { PFIL_PASS } from '../net/pfil.js';
import type { PfilHook } from '../net/pfil.js';
import { Kernel } from './kernel.js';
import type { Vnet } from './vnet.js';
import { vnetSysinitTable } from './vnet.js';

type Place = readonly [number, number];

/** Where FreeBSD 14 has its constructors of these names. ARP, raw IP: see the header of vnet.ts. */
const BUILT: Readonly<Record<string, Place>> = {
  vnet_if_init: [SI_SUB_INIT_IF, SI_ORDER_SECOND],
  vnet_gif_init: [SI_SUB_PSEUDO, SI_ORDER_ANY],
  vnet_epair_init: [SI_SUB_PSEUDO, SI_ORDER_ANY],
  vnet_loif_init: [SI_SUB_PSEUDO, SI_ORDER_ANY],
  vnet_tun_init: [SI_SUB_PROTO_IF, SI_ORDER_ANY],
  socket_vnet_init: [SI_SUB_PROTO_DOMAININIT, SI_ORDER_ANY],
  vnet_mld_init: [SI_SUB_PROTO_MC, SI_ORDER_ANY],
  vnet_igmp_init: [SI_SUB_PROTO_MC, SI_ORDER_ANY],
  vnet_mroute_init: [SI_SUB_PROTO_MC, SI_ORDER_ANY],
  ip6_vnet_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  ipcarp_sysinit: [SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY],
  vnet_rts_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  vnet_rtables_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  udp_vnet_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  ip_vnet_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  icmp_bandlimit_init: [SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY],
  ipid_sysinit: [SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY],
  vnet_ipfw_init: [SI_SUB_PROTO_FIREWALL, SI_ORDER_ANY - 253],
  vnet_bridge_init: [SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY],
  vnet_vlan_init: [SI_SUB_PROTO_IFATTACHDOMAIN, SI_ORDER_ANY],
};

/** … and its destructors. */
const TAKEN_DOWN: Readonly<Record<string, Place>> = {
  vnet_if_return: [SI_SUB_VNET_DONE, SI_ORDER_ANY],
  vnet_ipfw_uninit: [SI_SUB_PROTO_FIREWALL, SI_ORDER_ANY - 253],
  rip_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  udp_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FOURTH],
  vnet_rts_uninit: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  vnet_arp_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  ip6_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  ip_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  vnet_mld_uninit: [SI_SUB_PROTO_MC, SI_ORDER_ANY],
  vnet_igmp_uninit: [SI_SUB_PROTO_MC, SI_ORDER_ANY],
  vnet_mroute_uninit: [SI_SUB_PROTO_MC, SI_ORDER_MIDDLE],
  icmp_bandlimit_uninit: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  ipid_sysuninit: [SI_SUB_PROTO_DOMAIN, SI_ORDER_THIRD],
  rtables_destroy: [SI_SUB_PROTO_DOMAIN, SI_ORDER_FIRST],
  socket_vnet_uninit: [SI_SUB_PROTO_DOMAININIT, SI_ORDER_ANY],
  vnet_tun_uninit: [SI_SUB_PROTO_IF, SI_ORDER_ANY],
  vnet_ether_pfil_destroy: [SI_SUB_PROTO_PFIL, SI_ORDER_ANY],
  vnet_gif_uninit: [SI_SUB_PSEUDO, SI_ORDER_ANY],
  vnet_bridge_uninit: [SI_SUB_PSEUDO, SI_ORDER_ANY],
  vnet_epair_uninit: [SI_SUB_INIT_IF, SI_ORDER_ANY],
  vnet_vlan_uninit: [SI_SUB_INIT_IF, SI_ORDER_ANY],
  vnet_loif_uninit: [SI_SUB_INIT_IF, SI_ORDER_SECOND],
};

/** The phases of a teardown, first to last. */
const PHASES: readonly (readonly string[])[] = [
  ['vnet_if_return'],
  ['vnet_ipfw_uninit'],
  ['in_gif_uninit'],
  ['udp_destroy', 'rip_destroy'],
  ['vnet_rts_uninit'],
  ['ip6_destroy'],
  ['vnet_arp_destroy'],
  ['ip_destroy'],
  ['icmp_bandlimit_uninit', 'ipid_sysuninit'],
  ['rtables_destroy'],
  ['vnet_mld_uninit'],
  ['vnet_igmp_uninit'],
  ['vnet_mroute_uninit'],
  ['socket_vnet_uninit'],
  ['vnet_tun_uninit'],
  ['vnet_ether_pfil_destroy'],
  ['vnet_gif_uninit', 'vnet_bridge_uninit'],
  ['vnet_epair_uninit', 'vnet_vlan_uninit'],
  ['vnet_loif_uninit'],
  ['vnet_if_uninit', 'vnet_devctl_uninit'],
];

const table = vnetSysinitTable();
const at = (list: readonly VnetSysinit<Vnet>[], name: string): Place | null => {
  const found = list.find((s) => s.name === name);
  return found === undefined ? null : [found.subsystem, found.order];
};

describe('the tables', () => {
  it.each(Object.entries(BUILT))('%s is built where FreeBSD builds it', (name, place) => {
    expect(at(table.constructors, name)).toEqual(place);
  });

  it.each(Object.entries(TAKEN_DOWN))('%s is taken down where FreeBSD does it', (name, place) => {
    expect(at(table.destructors, name)).toEqual(place);
  });

  it('run constructors ascending and destructors descending by (subsystem, order)', () => {
    const ascending = (list: readonly VnetSysinit<Vnet>[]): boolean =>
      list.every((s, i) => i === 0 || list[i - 1]!.subsystem < s.subsystem || (list[i - 1]!.subsystem === s.subsystem && list[i - 1]!.order <= s.order));
    expect(ascending(table.constructors)).toBe(true);
    expect(ascending([...table.destructors].reverse())).toBe(true);
  });

  it('take a stack down in phases', () => {
    const names = table.destructors.map((s) => s.name);
    const places = PHASES.map((phase) => phase.map((name) => names.indexOf(name)));
    expect(places.flat()).not.toContain(-1);
    for (const [i, phase] of places.entries()) if (i > 0) expect(Math.min(...phase), PHASES[i]?.join()).toBeGreaterThan(Math.max(...(places[i - 1] ?? [])));
    expect(table.destructors.filter((s) => s.subsystem > SI_SUB_INIT_IF || s.order > SI_ORDER_FIRST).at(-1)?.name).toBe('vnet_loif_uninit');
  });

  it('have names for their numbers', () => {
    expect([subsystemName(SI_SUB_PROTO_PFIL), subsystemName(0x1234), orderName(SI_ORDER_FOURTH), orderName(SI_ORDER_ANY - 126), orderName(7)])
      .toEqual(['SI_SUB_PROTO_PFIL', '0x1234', 'SI_ORDER_FOURTH', 'SI_ORDER_ANY-126', '0x7']);
  });
});

interface Seen {
  readonly name: string;
  readonly when: string;
  readonly subsystem: number;
  readonly state: number;
  readonly listed: boolean;
  readonly shuttingDown: boolean;
}

/** Every step of a vnet's life, as an observer sees it. */
function life(): { built: Seen[]; takenDown: Seen[]; vnet: Vnet; kernel: Kernel } {
  const kernel = new Kernel(quietEnv(1));
  const built: Seen[] = [];
  const takenDown: Seen[] = [];
  const watch = (into: Seen[]) => (v: Vnet, s: VnetSysinit<Vnet>, when: 'before' | 'after') => {
    into.push({ name: s.name, when, subsystem: s.subsystem, state: v.kern.state, listed: kernel.vnets.includes(v), shuttingDown: v.kern.isShuttingDown });
  };
  kernel.onBuild = watch(built);
  kernel.onTeardown = watch(takenDown);
  const vnet = kernel.vnetAlloc('x');
  expect([vnet.kern.state, kernel.vnets.includes(vnet)]).toEqual([SI_SUB_VNET_DONE, true]);
  kernel.vnetDestroy(vnet);
  return { built, takenDown, vnet, kernel };
}

describe('while a vnet is built or taken down', () => {
  const { built, takenDown } = life();

  it('each step is told before and after, in the order of the tables', () => {
    const names = (list: readonly Seen[], when: string): string[] => list.filter((s) => s.when === when).map((s) => s.name);
    for (const when of ['before', 'after']) {
      expect(names(built, when)).toEqual(table.constructors.map((s) => s.name));
      expect(names(takenDown, when)).toEqual(table.destructors.map((s) => s.name));
    }
    expect(built.map((s) => s.when).slice(0, 4)).toEqual(['before', 'after', 'before', 'after']);
  });

  it('its state is the subsystem being run', () => {
    for (const s of [...built, ...takenDown]) expect(s.state, s.name).toBe(s.subsystem);
  });

  it('it is not in the list of vnets', () => {
    for (const s of [...built, ...takenDown]) expect(s.listed, s.name).toBe(false);
  });

  it('it is shutting down from the second destructor on', () => {
    for (const s of built) expect(s.shuttingDown, s.name).toBe(false);
    for (const s of takenDown) expect(s.shuttingDown, s.name).toBe(s.name !== 'vnet_if_return');
  });

  it('a step that throws is told of after, too, and the rest is done', () => {
    const kernel = new Kernel(quietEnv(1));
    const vnet = kernel.vnetAlloc('x');
    const after: string[] = [];
    vnet.arp.destroy = () => {
      throw new Error('broken');
    };
    kernel.onTeardown = (_v, s, when) => void (when === 'after' && after.push(s.name));
    expect(() => kernel.vnetDestroy(vnet)).toThrow('broken');
    expect(after).toEqual(table.destructors.map((s) => s.name));
  });
});

describe('the link-layer filters', () => {
  it('see nothing any more when interfaces are destroyed, and nobody can link one', () => {
    const kernel = new Kernel(quietEnv(1));
    const vnet = kernel.vnetAlloc('x');
    const hook: PfilHook = { name: 'test', check: () => PFIL_PASS };
    expect(vnet.net.linkPfil.link(hook)).toBe(0);
    kernel.onTeardown = (v, s, when) => {
      if (s.name === 'vnet_tun_uninit' && when === 'after') expect(v.net.linkPfil.hooked).toBe(true);
      if (s.name === 'vnet_ether_pfil_destroy' && when === 'after') expect(v.net.linkPfil.hooked).toBe(false);
    };
    kernel.vnetDestroy(vnet);
    expect(vnet.net.linkPfil.unlink(hook)).toBe(0);
    expect(vnet.net.linkPfil.link(hook)).toBe(6);
  });
});
