/**
 * docs-tables.mjs — the pages about a vnet's names: docs/sysctl.md, docs/limits.md, docs/counters.md.
 * Read first: packages/core/src/kern/sysctl.ts, packages/core/src/kern/counters.ts.
 *
 * Names, units, ranges, defaults, texts of help and of `netstat -s` are asked of a new vnet, so a page cannot say what the program does not.
 * Kept by hand here is what no table of the program knows: which tunables have no effect yet, and what happens at a limit. Both lists are checked:
 * a name in them that the program does not have ends the generation.
 *
 * Not here: who writes the pages and when (docs.mjs).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** @typedef {import('@netloom/core').SysctlNode} SysctlNode */

const CORE = 'packages/core/src/';

/** Tunables that are kept and shown and have no effect yet: by name, and why. */
const WITHOUT_EFFECT = {
  'net.inet.ip.portrange.reservedhigh': 'there are no users',
  'net.link.bridge.allow_llz_overlap': 'members keep their link-local addresses',
  'net.link.bridge.ipfw': 'bridges ask no ipfw',
  'net.link.bridge.ipfw_arp': 'bridges ask no ipfw',
  'net.link.bridge.pfil_bridge': 'bridges run no packet filters',
  'net.link.bridge.pfil_local_phys': 'bridges run no packet filters',
  'net.link.bridge.pfil_member': 'bridges run no packet filters',
  'net.link.bridge.pfil_onlyip': 'bridges run no packet filters',
  'net.link.ether.inet.useloopback': 'it is always so',
  'net.link.tap.devfs_cloning': 'there is no /dev',
  'net.link.tap.user_open': 'there are no users',
  'net.link.tun.devfs_cloning': 'there is no /dev',
};

/** Tunables that bound something, and what happens at the bound. */
const AT_THE_BOUND = {
  'hw.bus.devctl_queue': 'the oldest event is dropped; a reader that had not read it is told how many it has lost',
  'kern.ipc.maxsockets': '`socket` answers ENFILE',
  'kern.ipc.maxsockbuf': 'a larger `SO_RCVBUF` or `SO_SNDBUF` answers ENOBUFS',
  'net.gateway.echo_max': 'the request is dropped: gateway `echolimit`',
  'net.gateway.tcp_max': 'the SYN is dropped: gateway `tcplimit`',
  'net.gateway.tcp_pending_max': 'the SYN is dropped: gateway `tcplimit`',
  'net.gateway.udp_max': 'the flow that has been quiet for the longest, a second at least, gives way; if there is none, the datagram is dropped: gateway `udplimit`',
  'net.graph.device.maxqueue': 'the node that sent is answered ENOBUFS',
  'net.graph.hopsmax': 'the packet is dropped: `net.graph.hopdrops`',
  'net.graph.iface.max_nesting': 'the packet is dropped; who sent is answered EIO',
  'net.graph.maxalloc': 'the message is refused with ENOMEM: `net.graph.itemdrops`',
  'net.graph.maxdata': 'the packet is dropped, ENOMEM to who sent: `net.graph.datadrops`',
  'net.graph.maxdgram': 'EMSGSIZE',
  'net.graph.nat.maxlinks': 'the packet is dropped, EINVAL to who sent',
  'net.graph.netflow.maxflows': 'the flow is not counted: `Failed allocations` of the node',
  'net.graph.pipe.maxframes': 'the packet is dropped: `queueDropFrames`, `delayDropFrames`',
  'net.graph.recvspace': 'the node that sent is answered ENOBUFS',
  'net.inet.arp.maxqueuelen': 'another name of `net.link.ether.inet.maxhold`',
  'net.inet.icmp.icmplim': 'the answer is not sent; icmp `limited`',
  'net.inet.ip.fw.dyn_max': 'the packet is dropped: `net.inet.ip.fw.dyn_refused`',
  'net.inet.ip.fw.dyn_parent_max': 'the packet is dropped: `net.inet.ip.fw.dyn_refused`',
  'net.inet.ip.fw.nat_links_max': 'the packet is not translated, and dropped: `net.inet.ip.fw.nat_refused`',
  'net.inet.ip.fw.tables_max': '`ipfw table create` answers ENOSPC',
  'net.inet.ip.intr_queue_maxlen': 'the packet is dropped: `net.inet.ip.intr_queue_drops`',
  'net.inet.ip.maxfragbucketsize': 'the bucket\'s oldest datagram is given up: ip `fragdropped`',
  'net.inet.ip.maxfragpackets': 'the oldest datagram is given up: ip `fragdropped`',
  'net.inet.ip.maxfrags': 'the fragment is dropped: ip `fragdropped`',
  'net.inet.ip.maxfragsperpacket': 'the datagram is given up: ip `fragdropped`',
  'net.inet.raw.maxdgram': '`send` answers EMSGSIZE',
  'net.inet.raw.recvspace': 'the packet is dropped: the socket\'s `drops`',
  'net.inet.udp.maxdgram': '`send` answers EMSGSIZE',
  'net.inet.udp.recvspace': 'the datagram is dropped: udp `fullsock`',
  'net.link.ether.inet.max_log_per_second': 'the line is not logged',
  'net.link.ether.inet.maxentries': 'the oldest unresolved or stale neighbour gives way; if there is none, arp `tablefull`',
  'net.link.ether.inet.maxheld': 'the neighbour\'s oldest packet, or the new one, is dropped: arp `dropped`',
  'net.link.ether.inet.maxhold': 'the oldest packet is dropped: arp `dropped`',
  'security.jail.stop_limit_s': 'the jail is gone; its holders are killed once more and named in the log',
  'net.link.gif.max_nesting': 'the packet is dropped: the interface\'s `oerrors`',
  'net.link.gre.max_nesting': 'the packet is dropped: the interface\'s `oerrors`',
};

/**
 * Bounds that are constants of the program.
 * @type {readonly { file: string, name: string, unit: string, what: string, full: string }[]}
 */
const FIXED = [
  { file: 'fwd/fwd-if.ts', name: 'FWD_PORTS', unit: 'ports', what: 'of short paths', full: 'its frames take the complete path' },
  { file: 'fwd/fwd-counters.ts', name: 'FWD_CELLS', unit: '', what: 'interfaces and routing tables of all vnets that short paths know, and one', full: 'frames take the complete path: `noRoom` of `/v1/datapath`, `netloom top`' },
  { file: 'fwd/fwd-if.ts', name: 'FWD_IF_RECORDS', unit: 'records', what: 'of those interfaces, old ones that wait for readers included', full: 'the same, until readers have passed' },
  { file: 'fwd/fwd-if.ts', name: 'FWD_ADJ_MAX', unit: 'neighbours', what: 'that short paths know, of all vnets', full: 'packets to others take the complete path: `noRoom` of `/v1/datapath`' },
  { file: 'net/epair.ts', name: 'EPAIR_QUEUE_MAX', unit: 'packets', what: 'waiting at an end of an epair', full: 'dropped: the sending end\'s `oqdrops`' },
  { file: 'net/ifb.ts', name: 'IFB_QUEUE_MAX', unit: 'packets', what: 'waiting to go back from an ifb to where they came in', full: 'dropped: the ifb\'s `oqdrops`' },
  { file: 'net/tc/tc-filter.ts', name: 'TC_FILTERS_MAX', unit: 'filters', what: 'of `tc` on an interface', full: '`tc filter add` answers ENOSPC' },
  { file: 'net/tc/tc-filter.ts', name: 'TC_ACTIONS_MAX', unit: 'actions', what: 'of a filter of `tc`', full: '`tc filter add` answers `Only 32 actions supported per filter`' },
  { file: 'net/tc/u32.ts', name: 'U32_KEYS_MAX', unit: 'keys', what: 'of a u32 filter', full: '`tc` says `Illegal "match"`' },
  { file: 'ha/epoch-plug.ts', name: 'EPOCH_BYTES_MAX', unit: 'bytes', what: 'held by an epoch plug, unless it is told otherwise', full: 'the newest frame is dropped: its `dropPackets`, and the interface\'s `oqdrops`' },
  { file: 'ha/epoch-plug.ts', name: 'EPOCH_PACKETS_MAX', unit: 'packets', what: 'held by an epoch plug, unless it is told otherwise', full: 'the same' },
  { file: 'net/lo.ts', name: 'LO_QUEUE_MAX', unit: 'packets', what: 'waiting in a loopback interface', full: 'dropped: `oqdrops`' },
  { file: 'net/gw.ts', name: 'GW_QUEUE_MAX', unit: 'packets', what: 'waiting in a gateway\'s interface', full: 'dropped: `oqdrops`' },
  { file: 'net/tunnel-input.ts', name: 'TUNNEL_QUEUE_MAX', unit: 'packets', what: 'waiting behind a gif, gre, stf or vxlan', full: 'dropped: `iqdrops`; of a vxlan, udp `fullsock` too' },
  { file: 'net/vxlan-ftable.ts', name: 'VXLAN_FTABLE_MAX', unit: 'addresses', what: 'a vxlan knows, until `ifconfig vxlanmaxaddr` says otherwise', full: 'not learned: `net.link.vxlan.N.stats.ftable_nospace`; the frame goes on' },
  { file: 'transport/udp-vxlan.ts', name: 'VXLAN_GROUPS_MAX', unit: 'groups', what: 'the vxlans of one UDP port are in', full: 'the next one does not start' },
  { file: 'net/host-port.ts', name: 'HOST_QUEUE_MAX', unit: 'packets', what: 'waiting for the program that has a tap or tun open', full: 'dropped: `oqdrops`' },
  { file: 'net/ether.ts', name: 'HOPS_MAX', unit: 'links', what: 'virtual links a frame crosses between two routers', full: 'dropped: `oerrors`' },
  { file: 'net/bridge-forward.ts', name: 'BRIDGE_RTABLE_MAX', unit: 'addresses', what: 'a bridge learns, until `ifconfig maxaddr` says otherwise', full: 'not learned; the frame goes on' },
  { file: 'net/lagg/lagg-var.ts', name: 'LAGG_MAX_PORTS', unit: 'ports', what: 'of a lagg', full: 'ENOSPC' },
  { file: 'net/bpf.ts', name: 'BPF_BUFFER_BYTES', unit: 'bytes', what: 'a capture may have waiting, unless it asks for another size', full: 'not captured: the listener\'s `dropped`' },
  { file: 'net/bpf-filter.ts', name: 'BPF_MAXINSNS', unit: 'instructions', what: 'of a capture filter', full: 'EINVAL' },
  { file: 'net/rtsock.ts', name: 'RTSOCK_QUEUE_MAX', unit: 'messages', what: 'waiting for a reader of routing messages', full: 'the message is dropped: the listener\'s `drops`' },
  { file: 'kern/devctl.ts', name: 'DEVCTL_STREAM_MAX', unit: 'events', what: 'of all vnets, kept for `netloom events`', full: 'the oldest is dropped; a reader that had not read it is told how many it has lost' },
  { file: 'net/move-journal.ts', name: 'MOVE_RECORDS_MAX', unit: 'moves', what: 'remembered for `netloom moves`', full: 'the oldest is forgotten' },
  { file: 'net/route/route-tables.ts', name: 'RT_MAXFIBS', unit: 'tables', what: 'routing tables of a vnet', full: '`net.fibs` stays at it' },
  { file: 'net/route/rtentry.ts', name: 'RIB_MAX_MPATH_WIDTH', unit: 'paths', what: 'of a multipath route', full: 'E2BIG' },
  { file: 'net/if-clone.ts', name: 'IF_MAXUNIT', unit: 'units', what: 'of one kind of interface in a vnet', full: 'ENOSPC' },
  { file: 'netpfil/ipfw/ipfw-chain.ts', name: 'RULES_MAX', unit: 'rules', what: 'of the ipfw of a vnet', full: '`ipfw add` answers ENOSPC' },
  { file: 'netpfil/ipfw/ipfw-tables.ts', name: 'ENTRIES_MAX', unit: 'entries', what: 'of all tables of the ipfw of a vnet', full: '`ipfw table add` answers EFBIG' },
  { file: 'netpfil/ipfw/ipfw-nat.ts', name: 'NATS_MAX', unit: 'instances', what: 'of `ipfw nat` in a vnet', full: 'ENOSPC' },
  { file: 'mbuf/packet-tag.ts', name: 'TAGS_MAX', unit: 'tags', what: 'that filters have put on packets, of all vnets together', full: 'the tag is not put on; a rule that needs it drops the packet' },
  { file: 'kern/engine.ts', name: 'TURN_BUDGET', unit: 'packets and timers', what: 'a turn serves before the host has its chance', full: 'the next turn goes on' },
  { file: 'kern/netisr.ts', name: 'NETISR_BATCH', unit: 'packets', what: 'one queue is served before the next one', full: 'it goes to the back' },
  { file: 'kern/audit.ts', name: 'LEAKS_MAX', unit: 'leaks', what: 'of vnets that are gone, kept for `netloom audit`', full: 'counted only: `leaksFound`' },
  { file: 'kern/witness.ts', name: 'WITNESS_FINDINGS_MAX', unit: 'findings', what: 'of the Witness kept', full: 'counted only: `debug.witness.count`' },
  { file: 'kern/engine.ts', name: 'DEFER_MAX', unit: 'pieces of work', what: 'waiting for thread context', full: 'refused: `deferDrops` of the engine' },
];

/** @param {string} source @param {string} title */
const opening = (source, title) => `<!-- Generated by \`npm run docs\` from ${source}. -->\n\n# ${title}\n`;

/** @param {string} text */
const code = (text) => `\`${text}\``;

/**
 * A table in Markdown.
 * @param {readonly string[]} head @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** A vnet as it is when it is new. */
async function newVnet() {
  const { Kernel, quietEnv } = await import('@netloom/core');
  const kernel = new Kernel(quietEnv(1));
  const { vnet0 } = kernel;
  // A vnet has no graph until somebody asks for one.
  kernel.call(0, () => vnet0.netgraph.open());
  return vnet0;
}

/** @param {SysctlNode} n */
const range = (n) => (n.type === 'string' ? 'text' : n.unit === 'bool' && n.min === 0 && n.max === 1 ? '0, 1' : `${n.min} to ${n.max}`);
/** @param {SysctlNode} n */
const unit = (n) => (n.unit === 'bool' ? '' : n.unit);
/** @param {SysctlNode} n */
const initial = (n) => (n.get() === '' ? '' : String(n.get()));

/**
 * Ends the generation when a list kept by hand names what is not there.
 * @param {Readonly<Record<string, string>>} list @param {readonly SysctlNode[]} nodes @param {string} where
 */
function checkNames(list, nodes, where) {
  const gone = Object.keys(list).filter((name) => !nodes.some((n) => n.name === name));
  if (gone.length > 0) throw new Error(`scripts/docs-tables.mjs, ${where}: a vnet has no ${gone.join(', ')}`);
}

/** What a tunable is called in a heading: all but the last part of its name. @param {SysctlNode} n */
const prefix = (n) => n.name.slice(0, n.name.lastIndexOf('.'));

export async function sysctlPage() {
  const nodes = (await newVnet()).kern.sysctl.list('');
  checkNames(WITHOUT_EFFECT, nodes, 'WITHOUT_EFFECT');
  /** @type {Readonly<Record<string, string>>} */
  const reasons = WITHOUT_EFFECT;
  const help = (/** @type {SysctlNode} */ n) => (reasons[n.name] === undefined ? n.help : `${n.help}. *No effect: ${reasons[n.name]}.*`);
  const sections = [...new Set(nodes.map(prefix))].map((name) => {
    const rows = nodes.filter((n) => prefix(n) === name);
    const set = rows.filter((n) => n.writable).map((n) => [code(n.name), initial(n), range(n), unit(n), help(n)]);
    const read = rows.filter((n) => !n.writable).map((n) => [code(n.name), '', 'read only', unit(n), help(n)]);
    return `## ${name}\n\n${table(['Name', 'Default', 'Range', 'Unit', 'What it is'], [...set, ...read])}\n`;
  });
  return `${opening('the sysctl tree of a new vnet', 'sysctl')}
Every vnet has its own copy of these, with these defaults. \`sysctl NAME\` reads one, \`sysctl NAME=VALUE\` sets it, \`sysctl -d NAME\` says what it is;
a value outside the range is refused. In a program: \`vnet.kern.sysctl.set('net.inet.ip.forwarding', 1)\`. Names that bound something are again in
[limits.md](limits.md), with what happens at the bound. \`net.graph\` is there when netgraph has been used in the vnet.

Not in these tables: names of the kernel and of the jail that asks (\`sysctl kern hw security\`), such as \`kern.hostname\` and \`security.jail.jailed\`.

${sections.join('\n')}`;
}

/**
 * The value of a constant, read from its source.
 * @param {string} file @param {string} name
 */
function constantOf(file, name) {
  const match = new RegExp(`^(?:export )?const ${name} = ([0-9a-fx_* ]+);$`, 'm').exec(readFileSync(join(root, CORE, file), 'utf8'));
  if (match === null) throw new Error(`scripts/docs-tables.mjs, FIXED: ${CORE}${file} has no constant ${name}`);
  return (match[1] ?? '').split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '').trim()), 1);
}

export async function limitsPage() {
  const vnet = await newVnet();
  const nodes = vnet.kern.sysctl.list('');
  checkNames(AT_THE_BOUND, nodes, 'AT_THE_BOUND');
  const tunable = Object.entries(AT_THE_BOUND).map(([name, full]) => {
    const n = /** @type {SysctlNode} */ (nodes.find((node) => node.name === name));
    return [code(name), initial(n), range(n), unit(n), n.help, full];
  });
  const { smallMax, largeMax } = vnet.kern.engine.pool;
  const pool = [
    [code('kern.ipc.nmbclusters'), String(smallMax), 'packets', 'of up to 1920 bytes and headroom, of all vnets together', 'none is handed out: `denied` of the pool, `netstat -m`'],
    [code('kern.ipc.nmbjumbo65'), String(largeMax), 'packets', 'of up to 64 KB, of all vnets together', 'the same'],
    [code('kern.ipc.sockmem_max'), String(vnet.kern.sockmem.total.vnetMax), 'bytes', 'of packets the sockets of one vnet hold; of all vnets together three quarters of either size', 'what arrives is dropped: `kern.ipc.sockmem_denied`'],
  ];
  const fixed = FIXED.map(({ file, name, unit: of, what, full }) => [`[\`${name}\`](../${CORE}${file})`, String(constantOf(file, name)), of, what, full]);
  return `${opening('the sysctl tree of a new vnet and constants of the sources', 'Limits')}
Every queue and table has a bound, and what does not fit is dropped or refused and counted. Counters are explained in [counters.md](counters.md).

## Tunable, for each vnet; security.jail by the host for all

${table(['Name', 'Default', 'Range', 'Unit', 'What it is', 'At the bound'], tunable)}

A process has its own bounds in the daemon: [exec-protocol.md](exec-protocol.md).

## Fixed, or set in the first vnet for all

${table(['Name', 'Value', 'Unit', 'What it bounds', 'At the bound'], [...pool, ...fixed])}
`;
}

/** Fields of every interface's \`data\`, and what is counted there. */
const INTERFACE_COUNTERS = {
  ipackets: 'packets received',
  ierrors: 'received and malformed',
  opackets: 'packets sent',
  oerrors: 'not sent: the link refused them',
  collisions: 'always 0',
  ibytes: 'bytes received',
  obytes: 'bytes sent',
  imcasts: 'received to a broadcast or multicast address',
  omcasts: 'sent to one',
  iqdrops: 'received and dropped for want of room',
  oqdrops: 'to be sent and dropped for want of room',
  noproto: 'received for a protocol, or a VLAN, that nobody here speaks',
};

export async function countersPage() {
  const [vnet, { IfData }] = [await newVnet(), await import('@netloom/core')];
  const fields = Object.keys(new IfData());
  const unexplained = fields.filter((field) => !(field in INTERFACE_COUNTERS));
  if (unexplained.length > 0) throw new Error(`scripts/docs-tables.mjs, INTERFACE_COUNTERS: say what ${unexplained.join(', ')} counts`);
  const sections = vnet.kern.counters.list().map((group) => `## ${group.name}\n\n${table(['Key', 'In netstat -s'], counterRows(group.lines()))}\n`);
  return `${opening('the counter groups of a new vnet', 'Counters')}
\`netstat -s\` prints these for the vnet it runs in, \`netstat -s -p GROUP\` one group, \`netstat -ss\` what is not zero; \`netstat -sz\` sets
to zero as well. \`netstat -s --json\` has the same numbers under the names that FreeBSD's \`--libxo json\` has for them. In a program they are fields of plain objects, under
the keys in these tables, such as \`vnet.ip.stats.forward\`.

${sections.join('\n')}
## Interfaces

In \`netstat -i\` and \`ifconfig --json\`; in a program \`ifp.data\`.

${table(['Key', 'Counts'], fields.map((field) => [code(field), /** @type {Record<string, string>} */ (INTERFACE_COUNTERS)[field] ?? '']))}
`;
}

/**
 * Rows of a group. A histogram is one row: its keys differ in their number only.
 * @param {readonly { readonly key: string, readonly text: string, readonly depth: number }[]} lines
 */
function counterRows(lines) {
  /** @type {string[][]} */
  const rows = [];
  for (const { key, text, depth } of lines) {
    if (depth > 1) continue;
    const name = key.replace(/hist$/, '');
    const bins = lines.filter((line) => line.depth > 1 && line.key.startsWith(name) && /^[0-9]+$/.test(line.key.slice(name.length)));
    if (bins.length === 0) rows.push([code(key), text.replace(/^0 /, '').replace(/^ \(0 /, '(')]);
    else rows.push([`${code(bins[0]?.key ?? '')} … ${code(bins.at(-1)?.key ?? '')}`, `${text} one row for each message type; ${code(key)} is their sum`]);
  }
  return rows;
}
