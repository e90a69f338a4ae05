/**
 * netgraph.fuzz.mjs — any bytes as a sequence of operations on a netgraph: nodes of every type made, joined, named and shut down, commands in both forms
 * with true and with wrong arguments, frames. Nothing throws, and when all nodes are shut down nothing waits and every packet is given back.
 *
 * A second target feeds any text to the parsers of all types' arguments: what is taken is written and taken again, and is the same; but for a byte in hexadecimal with a digit
 * behind it, which is read as one number, as the original does.
 */
import {
  NGM_CONNECT, NGM_GENERIC_COOKIE, NGM_MKPEER, NGM_NAME, NGM_RMHOOK, NGM_SHUTDOWN, NgSocket, ngBytesText, ngConnectType, ngEncode, ngMkpeerType, ngNameType, ngRmhookType,
} from '@netloom/core';
import { SimNet } from '@netloom/core/sim';

/** A vnet's: netgraph's own, and those of layers above it. */
const NG_TYPES = new SimNet(1).vnet('types').netgraph.types;
const HOOKS = [
  'link0', 'link1', 'link', 'uplink1', 'ether', 'lower', 'upper', 'orphans', 'left', 'right', 'left2right', 'right2left', 'downstream', 'nomatch', 'in', 'out', 'mixed', 'one', 'many0', 'many1', 'original', 'ordered',
  'default', 'input', 'output', 'inet', 'inet6', 'iface0', 'out0', 'export', 'export9', 'inet/dgram/udp', 'inet/stream/tcp', '7', 'a', 'b', '',
];
const PATHS = ['.', '.:', 'a', 'b', 'n0:', 'n1:', 'n2:', 'n0:link0', 'n1:left.right', 'a.link1', '[1]:', '[3]:', '[ffffffff]:', 'nobody:', ':', 'a..b', ''];
const NAMES = ['n0', 'n1', 'n2', '[1]', 'a.b', 'x'.repeat(40)];
/** A command's name, with arguments that many commands take. */
const ARGUMENTS = [
  '', '0', '1', '-1', '{}', '{ hook="a" vlan=7 }', '{ hook="a" vid=7 pcp=1 }', '{ bandwidth=1000000 delay=100 }', '{ thisHook="a" ifMatch="b" bpf_prog_len=1 bpf_prog=[ { code=6 k=8192 } ] }', '"a"',
  '{ xmitAlg=2 failAlg=1 enabledLinks=[ 1 1 ] }', '02:00:00:00:00:01', '{ loopTimeout=1 maxStaleness=3 }', '192.0.2.1', 'inet/0.0.0.0:7', '{ rot=1 min=1 max=4 }', '{ bytes=100 packets=3 }', '{ count=1 csum_flags=0 ops=[ { offset=1 length=1 mode=1 value=7 } ] }',
];
const COMMANDS = NG_TYPES.flatMap((type) => type.cmds.map((cmd) => cmd.name));

function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  net.epair(vnet, vnet);
  const graph = net.kernel.call(0, () => vnet.netgraph.open());
  if (graph === null) throw new Error('no graph');
  return { net, vnet, graph };
}

/** @type {ReturnType<typeof build> | null} */
let built = null;

/** Takes numbers off an input, zeros behind its end. */
class Bytes {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    return this.bytes[this.at++] ?? 0;
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  of(list) {
    const item = list[(this.byte() * 256 + this.byte()) % list.length];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }

  /** @param {number} n */
  some(n) {
    const bytes = this.bytes.subarray(this.at, this.at + n);
    this.at += n;
    return bytes;
  }
}

/**
 * @param {NgSocket} ng
 * @param {ReturnType<typeof build>} b
 * @param {Bytes} input
 */
function step(ng, { net }, input) {
  const path = input.of(PATHS);
  /** @type {(cmd: number, args?: Uint8Array) => void} */
  const generic = (cmd, args) => void ng.sendMsg(path, { typecookie: NGM_GENERIC_COOKIE, cmd }, args);
  switch (input.byte() % 10) {
    case 0:
    case 1:
      return generic(NGM_MKPEER, ngEncode(ngMkpeerType, { type: input.of(NG_TYPES).name, ourhook: input.of(HOOKS), peerhook: input.of(HOOKS) }));
    case 2:
      return generic(NGM_CONNECT, ngEncode(ngConnectType, { path: input.of(PATHS), ourhook: input.of(HOOKS), peerhook: input.of(HOOKS) }));
    case 3:
      return generic(NGM_NAME, ngEncode(ngNameType, { name: input.of(NAMES) }));
    case 4:
      return generic(NGM_RMHOOK, ngEncode(ngRmhookType, { hook: input.of(HOOKS) }));
    case 5:
      return input.byte() % 4 === 0 ? generic(NGM_SHUTDOWN) : generic(input.byte() % 20, input.some(input.byte()));
    case 6: {
      const type = input.of(NG_TYPES);
      return void ng.sendMsg(path, { typecookie: type.cookie, cmd: input.byte() % 16 }, input.some(input.byte() % 64));
    }
    case 7: {
      const error = ng.sendAscii(path, `${input.of(COMMANDS)} ${input.byte() % 4 === 0 ? ngBytesText(input.some(40)) : input.of(ARGUMENTS)}`);
      const answer = error === 0 ? ng.recvMsg() : null;
      if (answer !== null) ng.toAscii(answer);
      return undefined;
    }
    default: {
      const m = net.kernel.engine.pool.from(Uint8Array.from([...input.some(14), ...input.some(input.byte())]));
      if (m === null) throw new Error('the pool is exhausted: packets are lost');
      ng.sendData(input.of(HOOKS), m);
      return undefined;
    }
  }
}

/** @param {Uint8Array} bytes */
function run(bytes) {
  built ??= build();
  const { net, vnet, graph } = built;
  const input = new Bytes(bytes);
  const ng = net.kernel.call(net.now, () => NgSocket.open(graph, graph.tun));
  if (typeof ng === 'number') throw new Error(`no socket: errno ${ng}`);
  while (input.at < bytes.length) {
    net.kernel.call(net.now, () => step(ng, /** @type {ReturnType<typeof build>} */ (built), input));
    if (input.byte() % 4 === 0) net.run(1_000);
  }
  net.kernel.call(net.now, () => {
    for (const node of graph.nodes()) if (node.type.name !== 'ether') graph.rmnode(node);
    ng.close();
  });
  net.run(1_000);
  const left = graph.nodes().filter((node) => node.type.name !== 'ether');
  if (left.length > 0) throw new Error(`left: ${left.map((node) => node.type.name).join(' ')}`);
  if (graph.tun.dataQueued !== 0 || graph.tun.itemsQueued !== 0) throw new Error(`${graph.tun.dataQueued} packets and ${graph.tun.itemsQueued} items wait for nobody`);
  const extra = vnet.net.ifnets.filter((ifp) => /^ng/.test(ifp.xname));
  if (extra.length > 0) throw new Error(`interfaces left: ${extra.map((ifp) => ifp.xname).join(' ')}`);
}

const corpus = [
  [0, 0, 0, 0, 1, 0, 0, 0, 0], [0, 2, 0, 0, 6, 0, 8, 0, 8], [0, 3, 7, 0, 1, 0, 3], [0, 4, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 60],
].map((seed) => Uint8Array.from({ length: 400 }, (_, i) => (seed[i % seed.length] ?? 0) + i * 7));

const texts = ARGUMENTS.map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));
const codecs = NG_TYPES.flatMap((type) => type.cmds.flatMap((cmd) => [cmd.args, cmd.reply].filter((codec) => codec !== null)));

export const targets = [
  {
    name: 'netgraph',
    corpus,
    run,
    balance() {
      built ??= build();
      built.net.run(120_000_000);
      return { packets: built.net.kernel.engine.pool.inUse, nodes: built.graph.nodes().filter((node) => node.type.name !== 'ether').length, sockets: built.vnet.kern.sockcnt };
    },
  },
  {
    name: 'netgraph-text',
    corpus: texts,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      const text = ngBytesText(bytes);
      for (const codec of codecs) {
        const parsed = codec.parse(text);
        if (parsed.value === null) continue;
        const shown = codec.unparse(parsed.value);
        if (shown.value === null || /\\x[0-9a-f]{3}/i.test(shown.value)) continue;
        const again = codec.parse(shown.value);
        if (again.value === null || again.value.join() !== parsed.value.join()) throw new Error(`"${text}" became "${shown.value}", which is another`);
      }
      for (const codec of codecs) codec.unparse(bytes);
    },
  },
];
