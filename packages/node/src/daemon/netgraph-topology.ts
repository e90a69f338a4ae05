/**
 * netgraph-topology.ts — the netgraph of a vnet as a topology: nodes for boxes, hooks for rows, so that the same pictures are drawn of it.
 *
 * Read first: lab/topology.ts; core/src/netgraph/ng-node.ts. Nodes of interfaces that nobody is joined to are left out.
 */
import type { NgBase, NgNode } from '@netloom/core';
import type { Topology, TopologyInterface, TopologyVnet } from '../lab/topology.js';

/** What a node is called in a picture: `br0 · bridge [1f]:`. */
function titleOf({ name, type, id }: NgNode): string {
  return `${name === null ? '' : `${name} · `}${type.name} [${id.toString(16)}]:`;
}

export function netgraphTopology(base: NgBase | null): Topology {
  const nodes = base === null ? [] : base.nodes().filter((node) => node.hooks.length > 0 || node.type.name !== 'ether');
  return { vnets: nodes.sort((a, b) => a.id - b.id).map(boxOf), vms: [] };
}

function boxOf(node: NgNode): TopologyVnet {
  const hooks = [...node.hooks].reverse().map(({ name, peer }): TopologyInterface => ({
    name, kind: 'hook', up: peer !== null, mtu: 0, ether: null, description: null, inet: [],
    peer: peer === null ? null : { vnet: titleOf(peer.node), name: peer.name }, members: [], vlan: null, device: null,
  }));
  return { name: titleOf(node), jid: 0, hostname: '', forwarding: false, interfaces: hooks };
}
