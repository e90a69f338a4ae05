/**
 * tcp.bench.mjs — TCP between two vnets of this process, over an epair; over a link in virtual time; and against Linux over a TAP.
 *
 * Both ends are programs in one thread, so the peers are as well: C over Linux's loopback with both ends in one thread, and Node's `net`. Measured is
 * processor time (of all threads of the process, the collector's included, and of the kernel on its behalf), so that what else the machine does
 * counts for little: a second is one of one processor. The stack's clock is the machine's, but for `link`, whose second is a virtual one, and `tap`, which is by the clock.
 *   bulk         copied into the stack and out of it, as programs do, in super-segments of up to 64 KB; `-owned` hands buffers over and takes packets
 *   bulk-mss     the same with segmentation offload off: every segment is a packet of MTU 1500; `-lro` joins them on arrival
 *   connections  connect, a byte each way, the server closes first
 *   rr           a byte there and back
 *   memory       what the process has grown by at the end of 10 GB (100 GB with NETLOOM_BENCH_FULL=1), after one to warm up
 *   link         how much of 1 Gbit/s one connection fills when the round trip is 10 ms
 *   tap          a vnet and Linux in a namespace, with virtio headers; the peer is Linux and Linux over a veth
 */
import { createServer, connect as netConnect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { IFCAP_LRO, PF_INET, SOCK_STREAM } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { builtPeer, cPeer } from './c-peer.mjs';
import { withDaemon } from './daemon.mjs';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';

/** @typedef {import('@netloom/core').StreamSocket} StreamSocket */
/** @typedef {import('@netloom/core').Vnet} Vnet */

const CHUNK = 65_536;
const BULK_BYTES = 2e9;
const MSS_BYTES = 5e8;
const NODE_BYTES = 5e8;
const CONNECTIONS = 20_000;
const ROUNDS = 200_000;
const PORT = 5_001;
const GB = 1e9;
const MEMORY_BYTES = process.env.NETLOOM_BENCH_FULL === '1' ? 100 * GB : 10 * GB;
/** Turns without a byte before a run is given up. */
const STALL_MS = 20_000;

/** Processor time of this process, milliseconds. */
function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Two vnets on a cable, and the machine's clock. */
class Pair {
  /** @param {Record<string, number>} [sysctls] of both vnets */
  constructor(sysctls = {}) {
    this.net = new SimNet(1);
    this.kernel = this.net.kernel;
    this.kernel.engine.witness.watch = 0; // as on a host
    this.client = this.net.vnet('client');
    this.server = this.net.vnet('server');
    const [a, b] = this.net.epair(this.client, this.server);
    this.net.addr(this.client, a, '10.0.0.1/24');
    this.net.addr(this.server, b, '10.0.0.2/24');
    for (const vnet of [this.client, this.server]) {
      for (const [name, value] of Object.entries(sysctls)) must(vnet.kern.sysctl.set(name, value), name);
    }
    this.zero = this.net.now - performance.now() * 1_000;
    /** Bytes or whatever is counted; a run ends when it is enough. */
    this.count = 0;
  }

  /** Turns until `count` has reached `enough`. @param {number} enough */
  run(enough) {
    let [seen, since] = [-1, 0];
    while (this.count < enough) {
      const ms = performance.now();
      if (seen !== this.count) [seen, since] = [this.count, ms];
      else if (ms - since > STALL_MS) throw new Error(`stands still at ${this.count} of ${enough}`);
      this.kernel.tick(Math.floor(this.zero + ms * 1_000));
    }
  }

  /** @template T @param {() => T} fn */
  call(fn) {
    return this.kernel.call(Math.floor(this.zero + performance.now() * 1_000), fn);
  }

  /** A listening socket of the server that gives `accepted` each connection. @param {(so: StreamSocket) => void} accepted */
  listen(accepted) {
    const so = stream(this.server);
    must(so.bind(0, PORT), 'bind');
    must(so.listen(128), 'listen');
    so.onReadable = () => {
      for (let one = so.accept(); one !== null; one = so.accept()) accepted(one);
    };
  }

  /** A connection under way. */
  connect() {
    const so = stream(this.client);
    so.connect(ip4('10.0.0.2'), PORT);
    return so;
  }

  end() {
    this.kernel.shutdown();
  }
}

/** @param {number} error @param {string} what */
function must(error, what) {
  if (error !== 0) throw new Error(`${what}: error ${error}`);
}

/** @param {Vnet} vnet @returns {StreamSocket} */
function stream(vnet) {
  const { error, so } = vnet.sockets.socket(PF_INET, SOCK_STREAM);
  must(error, 'socket');
  return /** @type {StreamSocket} */ (so);
}

/**
 * Bytes from client to server as fast as they go.
 * @param {Pair} pair @param {boolean} owned
 */
function startBulk(pair, owned) {
  const into = new Uint8Array(CHUNK);
  pair.call(() => {
    pair.listen((so) => {
      so.onReadable = owned
        ? () => {
            for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
              pair.count += m.len;
              m.free();
            }
          }
        : () => {
            for (let n = so.recv(into); n > 0; n = so.recv(into)) pair.count += n;
          };
    });
    const so = pair.connect();
    const chunk = new Uint8Array(CHUNK).fill(0x5a);
    so.onWritable = owned
      ? () => {
          while (so.sendOwned(chunk) > 0);
        }
      : () => {
          while (so.send(chunk) > 0);
        };
  });
}

/** Gbit/s. @param {number} bytes @param {boolean} owned @param {Record<string, number>} [sysctls] @param {(pair: Pair) => void} [prepare] */
function bulk(bytes, owned, sysctls, prepare) {
  const pair = new Pair(sysctls);
  prepare?.(pair);
  startBulk(pair, owned);
  pair.run(bytes / 10); // warm
  const [ms, from] = [processorMs(), pair.count];
  pair.run(from + bytes);
  const gbits = ((pair.count - from) * 8) / (processorMs() - ms) / 1e6;
  pair.end();
  return gbits;
}

/** Connections a second. */
function connections() {
  const pair = new Pair({ 'net.inet.ip.portrange.randomized': 0 });
  const into = new Uint8Array(16);
  const byte = Uint8Array.of(1);
  const begin = () => {
    const so = pair.connect();
    so.onWritable = () => {
      so.onWritable = null;
      so.send(byte);
    };
    so.onReadable = () => {
      for (let n = so.recv(into); n >= 0; n = so.recv(into)) {
        if (n > 0) continue;
        so.close();
        pair.count++;
        begin();
        return;
      }
    };
  };
  pair.call(() => {
    pair.listen((so) => {
      so.onReadable = () => {
        if (so.recv(into) !== 1) return;
        so.send(byte);
        so.close();
      };
    });
    for (let i = 0; i < 16; i++) begin();
  });
  pair.run(2_000);
  const ms = processorMs();
  pair.run(2_000 + CONNECTIONS);
  const rate = (CONNECTIONS / (processorMs() - ms)) * 1_000;
  pair.end();
  return rate;
}

/** Microseconds for a byte there and back. */
function roundTrips() {
  const pair = new Pair();
  const into = new Uint8Array(16);
  const byte = Uint8Array.of(1);
  pair.call(() => {
    pair.listen((so) => {
      so.setsockopt('TCP_NODELAY', 1);
      so.onReadable = () => {
        if (so.recv(into) === 1) so.send(byte);
      };
    });
    const so = pair.connect();
    so.setsockopt('TCP_NODELAY', 1);
    so.onWritable = () => {
      so.onWritable = null;
      so.send(byte);
    };
    so.onReadable = () => {
      if (so.recv(into) !== 1) return;
      pair.count++;
      so.send(byte);
    };
  });
  pair.run(ROUNDS / 10);
  const ms = processorMs();
  const from = pair.count;
  pair.run(from + ROUNDS);
  const us = ((processorMs() - ms) * 1_000) / (pair.count - from);
  pair.end();
  return us;
}

/** Megabytes that the process is larger by after MEMORY_BYTES. */
function memory() {
  const pair = new Pair();
  startBulk(pair, false);
  pair.run(GB);
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  pair.run(GB + MEMORY_BYTES);
  globalThis.gc?.();
  const grown = (process.memoryUsage.rss() - before) / 1e6;
  pair.end();
  return grown;
}

/** Of a link of 1 Gbit/s with a round trip of 10 ms: the part that one connection's payload fills, from its third second on. */
function link() {
  const net = new SimNet(1);
  net.kernel.engine.witness.watch = 0;
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const [x, y] = net.link(a, b, { delayUs: 5_000, bitsPerSec: 1e9 });
  net.addr(a, x.ifp, '10.0.0.1/24');
  net.addr(b, y.ifp, '10.0.0.2/24');
  let got = 0;
  net.kernel.call(net.now, () => {
    const into = new Uint8Array(CHUNK);
    const l = stream(b);
    must(l.bind(0, PORT), 'bind');
    must(l.listen(1), 'listen');
    l.onReadable = () => {
      const so = l.accept();
      if (so === null) return;
      so.onReadable = () => {
        for (let n = so.recv(into); n > 0; n = so.recv(into)) got += n;
      };
    };
    const so = stream(a);
    so.connect(ip4('10.0.0.2'), PORT);
    const chunk = new Uint8Array(CHUNK);
    so.onWritable = () => {
      while (so.send(chunk) > 0);
    };
  });
  net.run(2_000_000);
  const from = got;
  net.run(2_000_000);
  net.kernel.shutdown();
  return ((got - from) * 8) / 2e9;
}

/** Node's own sockets over Linux's loopback: Gbit/s. */
const nodeBulk = () =>
  new Promise((resolve, reject) => {
    let [got, ms] = [0, 0];
    const server = createServer((so) => {
      so.on('data', (data) => {
        if (got === 0) ms = processorMs();
        got += data.length;
        if (got < NODE_BYTES) return;
        so.destroy();
        server.close();
        resolve((got * 8) / (processorMs() - ms) / 1e6);
      });
      so.on('error', reject);
    });
    server.listen(0, '127.0.0.1', () => {
      const chunk = Buffer.alloc(CHUNK);
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const so = netConnect(port, '127.0.0.1');
      const pump = () => {
        while (!so.destroyed && so.write(chunk));
      };
      so.on('connect', pump).on('drain', pump).on('error', () => {});
    });
  });

/** Node's own sockets: microseconds for a byte there and back. */
const nodeRoundTrips = () =>
  new Promise((resolve, reject) => {
    const rounds = ROUNDS / 10;
    const server = createServer({ noDelay: true }, (so) => so.on('data', (data) => so.write(data)).on('error', reject));
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const byte = Buffer.of(1);
      let [n, ms] = [0, 0];
      const so = netConnect({ port, host: '127.0.0.1', noDelay: true }, () => so.write(byte));
      so.on('data', () => {
        if (n++ === 0) ms = processorMs();
        if (n <= rounds) return void so.write(byte);
        so.destroy();
        server.close();
        resolve(((processorMs() - ms) * 1_000) / rounds);
      });
    });
  });

/** Node's own sockets: connections a second. */
const nodeConnections = () =>
  new Promise((resolve) => {
    const count = CONNECTIONS / 10;
    const server = createServer({ noDelay: true }, (so) => so.on('data', () => so.end('y')).on('error', () => {}));
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      let done = 0;
      const ms = processorMs();
      const begin = () => {
        const so = netConnect({ port, host: '127.0.0.1' }, () => so.write('x'));
        so.resume().on('close', () => {
          if (++done + 15 < count) return begin();
          if (done < count) return;
          server.close();
          resolve((count / (processorMs() - ms)) * 1_000);
        });
      };
      for (let i = 0; i < 16; i++) begin();
    });
  });

const TAP_SECONDS = 2;

/** Listens for `listening`. @param {import('node:child_process').ChildProcess} child */
const listening = (child) => new Promise((resolve, reject) => {
  child.stdout?.once('data', resolve);
  child.once('exit', () => reject(new Error('the server does not listen')));
});

/** Gbit/s between two namespaces over a veth pair. @param {'send' | 'recv'} direction */
const vethBulk = (direction) =>
  withNetns(2, async (a, b) => {
    const [near, far] = [uniqueDevice(), uniqueDevice()];
    ip('link', 'add', near, 'netns', a.name, 'type', 'veth', 'peer', 'name', far, 'netns', b.name);
    a.join(near, '10.9.0.1/24');
    b.join(far, '10.9.0.2/24');
    const program = builtPeer('tcp.c');
    const server = b.spawn(program, 'serve', '10.9.0.2', String(PORT));
    await listening(server);
    return Number(await a.run(program, direction, '10.9.0.2', String(PORT), String(TAP_SECONDS)));
  });

/** The same between a vnet, which connects, and a namespace. @param {'send' | 'recv'} direction */
const tapBulk = (direction) =>
  withNetns(1, (ns) => withDaemon(async ({ daemon, client, tool }) => {
    const device = uniqueDevice();
    await tool('jail', '-c', 'name=v', 'vnet', 'persist');
    await tool('jexec', 'v', 'ifconfig', 'tap0', 'create', 'inet', '10.9.0.1/24');
    await client.post('/v1/attachments', { vnet: 'v', interface: 'tap0', device });
    ip('link', 'set', 'dev', device, 'netns', ns.name);
    ns.join(device, '10.9.0.2/24');
    const server = ns.spawn(builtPeer('tcp.c'), 'serve', '10.9.0.2', String(PORT));
    await listening(server);
    let out = '';
    server.stdout.on('data', (text) => (out += text));
    return await throughTap(daemon, direction);
  }));

/**
 * One connection of the vnet to the server; Gbit/s.
 * @param {import('@netloom/node').Daemon} daemon @param {'send' | 'recv'} direction
 * @returns {Promise<number>}
 */
const throughTap = (daemon, direction) =>
  new Promise((resolve, reject) => {
    const { kernel, loop } = daemon;
    const into = new Uint8Array(CHUNK);
    const chunk = new Uint8Array(CHUNK);
    kernel.call(loop.enter(), () => {
      const vnet = kernel.prisons.find(kernel.prisons.prison0, 'v')?.vnet;
      if (vnet === undefined) throw new Error('no vnet');
      const so = stream(vnet);
      so.connect(ip4('10.9.0.2'), PORT);
      let [got, ms, ending] = [0, 0, false];
      let answer = '';
      so.onWritable = () => {
        if (ms === 0) {
          ms = performance.now();
          so.send(Uint8Array.of(direction === 'send' ? 85 : 68));
        }
        if (direction === 'recv' || ending) return;
        while (so.send(chunk) > 0);
      };
      so.onReadable = () => {
        for (let n = so.recv(into); n > 0; n = so.recv(into)) {
          got += n;
          if (direction === 'send') answer += String.fromCharCode(...into.subarray(0, n));
        }
        if (direction === 'send' && answer.endsWith('\n')) {
          so.close();
          resolve(Number(answer));
        }
      };
      setTimeout(() => {
        ending = true;
        if (direction === 'send') {
          kernel.call(loop.enter(), () => so.shutdown(1));
          setTimeout(() => reject(new Error('no answer')), 10_000).unref();
          return;
        }
        kernel.call(loop.enter(), () => so.close());
        resolve((got * 8) / (performance.now() - ms) / 1e6);
      }, TAP_SECONDS * 1_000);
    });
  });

/** Both ends gather the segments of a batch, which an epair does not by itself. @param {Pair} pair */
const withLro = (pair) => {
  for (const vnet of [pair.client, pair.server]) for (const ifp of vnet.net.ifnets) if (ifp.dname === 'epair') ifp.capenable |= IFCAP_LRO;
};

/** @param {string} name @param {...string} args */
const linux = (name, ...args) => cPeer(name, 'tcp.c', args);
const LOOPBACK = 'C, Linux loopback, one thread';
const NODE = 'Node net, Linux loopback';
const NO_TSO = { 'net.inet.tcp.tso': 0 };

/** @param {'send' | 'recv'} direction */
const tap = (direction) => ({
  name: `tcp/tap-${direction}`, unit: 'Gbit/s', lacking: () => lackingNetns('cc'), measure: () => tapBulk(direction),
  peer: { name: 'Linux to Linux, veth', measure: () => vethBulk(direction) },
});

export const benchmarks = [
  { name: 'tcp/bulk', unit: 'Gbit/s', measure: () => bulk(BULK_BYTES, false), peer: linux(LOOPBACK, 'bulk', '1000000000', String(CHUNK)) },
  { name: 'tcp/bulk-owned', unit: 'Gbit/s', measure: () => bulk(BULK_BYTES, true), peer: { name: NODE, measure: nodeBulk } },
  { name: 'tcp/bulk-mss', unit: 'Gbit/s', measure: () => bulk(MSS_BYTES, false, NO_TSO), peer: linux(LOOPBACK, 'bulk', '1000000000', String(CHUNK)) },
  { name: 'tcp/bulk-mss-lro', unit: 'Gbit/s', measure: () => bulk(MSS_BYTES, false, NO_TSO, withLro), peer: linux(LOOPBACK, 'bulk', '1000000000', String(CHUNK)) },
  { name: 'tcp/connections', unit: '1/s', measure: connections, peer: linux(LOOPBACK, 'conn', String(CONNECTIONS)) },
  { name: 'tcp/connections-node', unit: '1/s', measure: connections, peer: { name: NODE, measure: nodeConnections } },
  { name: 'tcp/rr', unit: 'us', measure: roundTrips, peer: linux(LOOPBACK, 'rr', String(ROUNDS)) },
  { name: 'tcp/rr-node', unit: 'us', measure: roundTrips, peer: { name: NODE, measure: nodeRoundTrips } },
  { name: 'tcp/memory', unit: 'MB', measure: memory },
  { name: 'tcp/link-1G-10ms', unit: 'of the rate', measure: link },
  tap('send'),
  tap('recv'),
];
