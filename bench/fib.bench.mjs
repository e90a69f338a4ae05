/**
 * fib.bench.mjs — longest match at the size of the Internet: how fast it answers, is built, changes, and what it occupies.
 * Read first: fib-tables.mjs (routes and destinations), fib-lab.mjs; docs/adr/0035-fib-at-internet-size.md.
 *
 *     fib/ipv4 …, fib/ipv6 …      look-ups of one thread, in batches of 256, against rte_lpm and rte_lpm6 of DPDK, one after the other
 *     fib/c …                     the same against the same tables in a plain loop in C, -O2
 *     fib/npm …                   against the package of npm that matches longest prefixes of tables which grow (addresses as it wants them, as text made before)
 *     fib/build, load, memory     the compiled table from a million routes in random order; the same through RouteTables.add; what it occupies
 *     fib/update                  a route taken out or put in, with the map of routes that a table has beside it, against rte_lpm with its own; each in CPU time
 *     fib/readers under updates   percent that a reader loses while another thread makes 100,000 updates a second; beside it, what it loses when they are made in a table of the other's own
 *
 * CPU time throughout, ours and the peer's of the same processor: what else the machine does costs caches, but nothing else. The peers have the same tables and destinations; their answers are compared once.
 */
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { Kernel, ifCloneCreate, quietEnv } from '@netloom/core';
import { Fib4 } from '@netloom/core/fwd';
import { ip4FormatPrefix } from '@netloom/core/wire';
import { builds, builtPeer } from './c-peer.mjs';
import { build, fibOf, fileOf, keyFiles, keysOf, lookups, rate, routeFile, table, wordsOf } from './fib-lab.mjs';
import { KEYS, KINDS } from './fib-tables.mjs';
import { readersLose } from './fib-readers.mjs';
import { Updates } from './fib-updates.mjs';
import { residentPeer } from './resident-peer.mjs';

/** @typedef {import('./fib-lab.mjs').Name} Name */
/** @typedef {import('./fib-lab.mjs').Kind} Kind */

const UPDATES = 200;
const LARGE = /** @type {const} */ (['ipv4 1M', 'ipv6 200k']);
const NAMES = /** @type {const} */ (['ipv4 10', 'ipv4 1k', 'ipv4 1M', 'ipv6 200k']);

/** Peers that run, by program and table. @type {Map<string, (question: string) => Promise<string>>} */
const running = new Map();

/** @param {string} key @param {() => [string, readonly string[]]} start program and arguments */
function resident(key, start) {
  let ask = running.get(key);
  if (ask === undefined) running.set(key, (ask = residentPeer(...start())));
  return ask;
}

/** @param {Name} name */
const dpdk = (name) => resident(`dpdk ${name}`, () => [builtPeer('fib-dpdk.c', 'libdpdk'), [wordsOf(name) === 1 ? '4' : '6', routeFile(name), ...keyFiles(name)]]);

/** @param {Name} name */
function sameInC(name) {
  return resident(`c ${name}`, () => {
    const fib = fibOf(name);
    const shape = fib instanceof Fib4 ? ['4', fib.stride] : ['6', fib.plainBits];
    const image = fileOf(`${name} compiled`, () => fib.t);
    return [builtPeer('fib.c'), [`${shape[0]}`, image, `${fib.rootBits}`, `${shape[1]}`, `${fib.t.BYTES_PER_ELEMENT}`, ...keyFiles(name)]];
  });
}

/** Peers whose answers have been compared. */
const compared = new Set();

/** Millions of look-ups a second. @param {(name: Name) => (question: string) => Promise<string>} peer @param {Name} name @param {Kind} kind */
async function asked(peer, name, kind) {
  const ask = peer(name);
  const which = KINDS.indexOf(kind);
  const what = `${peer.name} ${name} ${kind}`;
  if (!compared.has(what)) {
    const out = new Int32Array(KEYS);
    fibOf(name).lookupBatch(keysOf(name, kind), out, 0, KEYS);
    const sum = out.reduce((s, value, i) => s + value * (1 + (i % 1_000)), 0);
    if (Number(await ask(`h ${which}`)) !== sum) throw new Error(`${what}: other answers`);
    compared.add(what);
  }
  return Number(await ask(`${which}`));
}

const noDpdk = () => (builds('fib-dpdk.c', 'libdpdk') ? null : 'DPDK is not there (Debian: apt-get install libdpdk-dev)');
const noCompiler = () => (builds('fib.c') ? null : 'no C compiler (cc)');

/** Not `require`: the package has no types. */
const installed = createRequire(import.meta.url);

function noPackage() {
  try {
    installed.resolve('longest-prefix-match');
    return null;
  } catch {
    return 'longest-prefix-match is not there (npm ci)';
  }
}

/** The package from npm with the large table. @type {{ getMatch(prefix: string): unknown } | null} */
let fromNpm = null;

/** @param {Name} name @param {Kind} kind */
function npmLookups(name, kind) {
  if (fromNpm === null) {
    const Lpm = installed('longest-prefix-match');
    const t = table(name);
    const lpm = new Lpm();
    for (let r = 1; r < t.count; r++) lpm.addPrefix(ip4FormatPrefix((t.words[r] ?? 0) >>> 0, t.plens[r] ?? 0), t.values[r]);
    fromNpm = lpm;
  }
  const lpm = /** @type {{ getMatch(prefix: string): unknown }} */ (fromNpm);
  const texts = Array.from(keysOf(name, kind).subarray(0, 10_000), (addr) => ip4FormatPrefix(addr >>> 0, 32));
  return rate(texts.length, () => {
    for (const text of texts) lpm.getMatch(text);
  });
}

/** @param {() => void} work CPU time in ms */
function cpuMs(work) {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000;
}

/** Seconds of CPU time that adding the routes to a vnet takes, out of 16 interfaces. @param {Name} name */
function load(name) {
  const t = table(name);
  const kernel = new Kernel(quietEnv(1));
  const vnet = kernel.vnetAlloc('router');
  return kernel.call(0, () => {
    const links = Array.from({ length: 16 }, () => ifCloneCreate(vnet.net, 'epair').ifp ?? undefined);
    return cpuMs(() => {
      for (let r = 0; r < t.count; r++) {
        const error = vnet.routes.add({ fib: 0, family: 'inet', dst: (t.words[r] ?? 0) >>> 0, plen: t.plens[r] ?? 0, ifp: links[(t.values[r] ?? 0) & 15], flags: 0 });
        if (error !== 0) throw new Error(`route ${r}: error ${error}`);
      }
    }) / 1_000;
  });
}

/** @type {Updates | null} */
let updates = null;

/** us of CPU time for an update, the last routes of the table, as the peer does it. */
function update() {
  const fib = /** @type {Fib4} */ (fibOf('ipv4 1M'));
  const ours = (updates ??= new Updates(fib, table('ipv4 1M')));
  const { count } = ours.table;
  const some = UPDATES * 50;
  const perUs = rate(2 * some, () => {
    for (let r = count - some; r < count; r++) ours.remove(r);
    for (let r = count - some; r < count; r++) ours.insert(r);
    fib.reclaim();
  });
  return 1 / perUs;
}

const lookupRows = NAMES.flatMap((name) =>
  KINDS.map((kind) => ({
    name: `fib/${name} ${kind}`, unit: 'M/s', oneProcessor: true, measure: () => lookups(name, kind),
    peer: { name: wordsOf(name) === 1 ? 'rte_lpm' : 'rte_lpm6', lacking: noDpdk, measure: () => asked(dpdk, name, kind) },
  })),
);
const rowsInC = LARGE.flatMap((name) =>
  KINDS.map((kind) => ({
    name: `fib/c ${name} ${kind}`, unit: 'M/s', oneProcessor: true, measure: () => lookups(name, kind), peer: { name: 'same tables in C', lacking: noCompiler, measure: () => asked(sameInC, name, kind) },
  })),
);

export const benchmarks = [
  ...lookupRows,
  ...rowsInC,
  { name: 'fib/npm ipv4 1M in-prefix', unit: 'M/s', oneProcessor: true, measure: () => lookups('ipv4 1M', 'in-prefix'), peer: { name: 'longest-prefix-match', lacking: noPackage, measure: () => npmLookups('ipv4 1M', 'in-prefix') } },
  ...LARGE.map((name) => ({ name: `fib/build ${name}`, unit: 'ms', measure: () => cpuMs(() => build(name)) })),
  ...LARGE.map((name) => ({ name: `fib/memory ${name}`, unit: 'bytes', measure: () => fibOf(name).bytes })),
  { name: 'fib/load ipv4 1M', unit: 's', measure: () => load('ipv4 1M') },
  {
    name: 'fib/update ipv4 1M', unit: 'us', measure: update,
    peer: { name: 'rte_lpm', lacking: noDpdk, measure: async () => Number(await dpdk('ipv4 1M')(`u ${UPDATES}`)) },
  },
  {
    name: 'fib/readers under updates', unit: '%', measure: () => readersLose(true), peer: { name: 'updates of another table', measure: () => readersLose(false) },
    lacking: () => (cpus().length < 2 ? 'needs two processors' : process.platform !== 'linux' ? 'CPU time of a thread is read from /proc' : null),
  },
];
