/**
 * commands.ts — the words and address families of ifconfig, by name.
 * Read first: ifconfig(8).
 *
 * Two tables: words about making a clone, met between `create` and the first other word, and all others. Families have a table of
 * their own, because a family's name counts only as the first word after the interface, or right after a clone was made.
 */
import { AF_INET_FAMILY } from './af-inet.js';
import { AF_INET6_FAMILY, INET6_COMMANDS } from './af-inet6.js';
import { LINK_FAMILIES } from './af-link.js';
import { BASIC_COMMANDS } from './basic-commands.js';
import { BRIDGE_COMMANDS } from './bridge.js';
import { CARP_COMMANDS } from './carp.js';
import { BRIDGE_SNOOP_COMMANDS } from './bridge-snoop.js';
import { CLONE_COMMANDS, CLONE_START } from './clone.js';
import { GRE_COMMANDS } from './gre.js';
import { GROUP_COMMANDS } from './group.js';
import type { AddressFamily, Command } from './invocation.js';
import { LAGG_CLONE_COMMANDS, LAGG_COMMANDS } from './lagg.js';
import { MEDIA_COMMANDS } from './media.js';
import { NOT_BUILT_COMMANDS } from './not-built.js';
import { ADDRESS_COMMANDS } from './address-words.js';
import { STF_COMMANDS } from './stf.js';
import { TUNNEL_COMMANDS } from './tunnel.js';
import { VLAN_CLONE_COMMANDS, VLAN_COMMANDS } from './vlan.js';
import { VNET_COMMANDS } from './vnet.js';
import { VXLAN_CLONE_COMMANDS, VXLAN_COMMANDS } from './vxlan.js';

function byName<T extends { readonly name: string }>(entries: readonly T[]): ReadonlyMap<string, T> {
  return new Map(entries.map((entry) => [entry.name, entry]));
}

const COMMANDS = byName<Command>([
  ...NOT_BUILT_COMMANDS, ...BASIC_COMMANDS, ...ADDRESS_COMMANDS, ...INET6_COMMANDS, ...CLONE_COMMANDS, ...MEDIA_COMMANDS, ...VLAN_COMMANDS, ...TUNNEL_COMMANDS, ...GROUP_COMMANDS,
  ...BRIDGE_COMMANDS, ...BRIDGE_SNOOP_COMMANDS, ...CARP_COMMANDS, ...LAGG_COMMANDS, ...VNET_COMMANDS, ...GRE_COMMANDS, ...STF_COMMANDS, ...VXLAN_COMMANDS,
]);
const CREATE_COMMANDS = byName<Command>([...CLONE_START, ...LAGG_CLONE_COMMANDS, ...VLAN_CLONE_COMMANDS, ...VXLAN_CLONE_COMMANDS]);
const FAMILIES = byName<AddressFamily>([AF_INET_FAMILY, AF_INET6_FAMILY, ...LINK_FAMILIES]);

/** @param creating before the clone is made. */
export function findCommand(name: string, creating: boolean): Command | undefined {
  return (creating ? CREATE_COMMANDS : COMMANDS).get(name);
}

export function findFamily(name: string): AddressFamily | undefined {
  return FAMILIES.get(name);
}
