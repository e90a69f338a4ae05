/**
 * ng-sysctl.ts — `net.graph.*`: the limits of a vnet's netgraph, and what ran into them.
 * Read first: netgraph(4) "sysctl variables", ng_socket(4).
 */
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { NG_ABI_VERSION, NG_VERSION } from './ng-message.js';

export class NgTunables {
  maxAlloc = 4_096;
  maxData = 4_096;
  maxDgramBytes = 20_480;
  recvSpaceBytes = 20_480;
  hopsMax = 64;
  dataQueued = 0;
  itemsQueued = 0;
  dataDrops = 0;
  itemDrops = 0;
  hopDrops = 0;
}

export const NG_SYSCTLS: SysctlGroup<NgTunables> = {
  prefix: 'net.graph',
  oids: [
    sysctlRead('abi_version', 'int', '', 'Version of what node types and the graph agree on', () => NG_ABI_VERSION),
    sysctlRead('msg_version', 'int', '', 'Version of messages', () => NG_VERSION),
    sysctlInt('maxalloc', 'maxAlloc', 'items', 1, 1_000_000, 'Messages and other items that may wait for nodes'),
    sysctlInt('maxdata', 'maxData', 'packets', 1, 1_000_000, 'Packets that may wait for nodes'),
    sysctlInt('maxdgram', 'maxDgramBytes', 'bytes', 1, 16_777_216, 'Longest message or packet a socket may send'),
    sysctlInt('recvspace', 'recvSpaceBytes', 'bytes', 1, 16_777_216, 'What a socket keeps for its reader'),
    sysctlInt('hopsmax', 'hopsMax', 'nodes', 1, 250, 'Nodes and virtual links a packet may cross before it is taken for one that goes in circles'),
    sysctlRead('dataqueued', 'int', 'packets', 'Packets that wait for nodes', (t) => t.dataQueued),
    sysctlRead('itemsqueued', 'int', 'items', 'Messages and other items that wait for nodes', (t) => t.itemsQueued),
    sysctlRead('datadrops', 'int', 'packets', 'Packets dropped because maxdata were waiting', (t) => t.dataDrops),
    sysctlRead('itemdrops', 'int', 'items', 'Messages refused because maxalloc items were waiting', (t) => t.itemDrops),
    sysctlRead('hopdrops', 'int', 'packets', 'Packets dropped because they had crossed hopsmax nodes', (t) => t.hopDrops),
  ],
};
