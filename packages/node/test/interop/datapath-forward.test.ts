/**
 * datapath-forward.test.ts — workers of the pool forward between datagram pairs, by tables made by hand: a bridge of two ports. Needs Linux, no root.
 * The workers are the built ones (dist/).
 */
import {
  FWD_FDB, FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_MEMBER, FWD_IF_OUT, FWD_PUNT_FLOOD, FWD_PUNT_NOIF, fdbKey, FwdAdjacencies, fwdCounters, FwdIfs, FwdMap, fwdMapMessage, fwdMemory,
  GracePeriods, quiescenceWords,
} from '@netloom/core/fwd';
import type { FwdMessage } from '@netloom/core/fwd';
import { afterEach, describe, expect, test } from 'vitest';
import { DatapathPool } from '../../src/datapath/datapath-pool.js';
import type { PoolTables } from '../../src/datapath/datapath-pool.js';
import type { DatapathPort } from '../../src/datapath/datapath-port.js';
import { PC_FWD_FRAMES, PC_PUNTS, PC_RX_FRAMES, PC_TX_FULL } from '../../src/datapath/datapath-shared.js';
import type { WorkerTables } from '../../src/datapath/frame-verdict.js';
import { TapPort } from '../../src/tap/tap-port.js';
import { openFramePair } from './frame-pair.js';

const MEMBER = FWD_IF_IN | FWD_IF_OUT | FWD_IF_MEMBER | FWD_IF_LEARN | FWD_IF_BRFWD;
const BRIDGE = 9;
const HOST_HI = 0x0200;

/** Tables of a bridge whose members are ports 0 and 1, interfaces 1 and 2; hosts 1 and 2 are behind them. */
class BridgeTables implements PoolTables {
  readonly ifs = new FwdIfs();
  readonly fdb = new FwdMap(3, 3);
  private readonly maps = [new FwdMap(3, 1), new FwdMap(5, 2), this.fdb, new FwdMap(3, 4)];
  private readonly posts = new Map<WorkerTables, (message: FwdMessage) => void>();

  constructor() {
    this.ifs.publish(BRIDGE, [FWD_IF_IN | FWD_IF_OUT | FWD_IF_BRIDGE, BRIDGE, -1, HOST_HI, 99, 0, 0, 0, 0, BRIDGE]);
    for (const port of [0, 1]) {
      this.member(port + 1, port);
      this.fdb.set(port + 1, port + 1, fdbKey(HOST_HI, 0), BRIDGE);
    }
    this.fdb.onReplace = () => {
      for (const post of this.posts.values()) post(fwdMapMessage(FWD_FDB, this.fdb));
    };
  }

  member(index: number, port: number): void {
    this.ifs.publish(index, [MEMBER, index, port, HOST_HI, 100 + index, 0, 0, 0, BRIDGE, index]);
    this.ifs.ofPort[port] = index;
  }

  start(post: (message: FwdMessage) => void): WorkerTables {
    const memory = fwdMemory(this.ifs, new FwdAdjacencies(), new Int32Array(new SharedArrayBuffer(4)), fwdCounters());
    const tables = { memory, messages: this.maps.map((map, i) => fwdMapMessage(i, map)) };
    this.posts.set(tables, post);
    return tables;
  }

  stop(tables: WorkerTables): void {
    this.posts.delete(tables);
  }
}

const frame = new Uint8Array(60);
const view = new DataView(frame.buffer);

function send(port: TapPort, from: number, to: number, n: number): boolean {
  view.setUint16(0, HOST_HI);
  view.setUint32(2, to);
  view.setUint16(6, HOST_HI);
  view.setUint32(8, from);
  view.setUint16(12, 0x88b5);
  view.setUint32(14, n);
  return port.send(frame, 0, 60);
}

const open: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function makeRig(workers: number) {
  const tables = new BridgeTables();
  const periods = new GracePeriods(quiescenceWords(workers));
  let passed: () => void = () => undefined;
  const readers = { periods, add: () => periods.claim(), remove: (slot: number) => periods.release(slot), bury: (slot: number) => periods.bury(slot) };
  const pool = new DatapathPool({ workers, readers, tables, passed: () => passed() });
  open.push(pool);
  const ports: DatapathPort[] = [];
  const peers: TapPort[] = [];
  for (let i = 0; i < 2; i++) {
    const [near, far] = openFramePair();
    ports.push(pool.open({ ...near, fds: [near.fd] }));
    peers.push(new TapPort(far));
    open.push(peers[i]!);
  }
  return { tables, periods, pool, ports, peers, onPassed: (f: () => void) => (passed = f) };
}

/** Resolves with the numbers of the next `count` frames. */
function numbers(port: { onFrames: TapPort['onFrames'] }, count: number): Promise<number[]> {
  return new Promise((resolve) => {
    const seen: number[] = [];
    port.onFrames((batch) => {
      while (batch.next()) seen.push(batch.view.getUint32(batch.off + 14));
      if (seen.length >= count) resolve(seen);
    });
  });
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function stream(peer: TapPort, from: number, to: number, count: number): Promise<void> {
  return new Promise((resolve) => {
    let n = 0;
    const more = (): void => {
      for (let burst = 0; burst < 32 && n < count && send(peer, from, to, n); burst++) n++;
      peer.flush();
      if (n < count) setImmediate(more);
      else resolve();
    };
    more();
  });
}

describe.runIf(process.platform === 'linux')('workers with tables', () => {
  test.each([1, 2])('forward in both directions at once; the control thread sees nothing (%i workers)', async (workers) => {
    const { ports, peers } = makeRig(workers);
    const count = 2_000;
    let punted = 0;
    for (const port of ports) port.onFrames((batch) => { while (batch.next()) punted++; });
    // The pairs' queues are short, and a frame that finds one full is lost, as it is before a real device: one frame at a time in each direction.
    const chase = async (from: number, to: number): Promise<void> => {
      const seen: number[] = [];
      await new Promise<void>((resolve) => {
        peers[to]!.onFrames((batch) => {
          while (batch.next()) seen.push(batch.view.getUint32(batch.off + 14));
          if (seen.length === count) resolve();
          else send(peers[from]!, from + 1, to + 1, seen.length);
          peers[from]!.flush();
        });
        send(peers[from]!, from + 1, to + 1, 0);
        peers[from]!.flush();
      });
      expect(seen).toEqual(upTo(count));
    };
    await Promise.all([chase(0, 1), chase(1, 0)]);
    expect(punted).toBe(0);
    // A worker counts what it has done.
    for (const port of ports) await expect.poll(() => [port.count(PC_RX_FRAMES), port.count(PC_FWD_FRAMES)]).toEqual([count, count]);
  });

  test('frames to whom the tables do not know are punted, as they came, with the reason; known later, they are forwarded', async () => {
    const { tables, ports, peers } = makeRig(2);
    const punted = numbers(ports[0]!, 3);
    for (const n of [0, 1, 2]) send(peers[0]!, 1, 77, n);
    peers[0]!.flush();
    expect(await punted).toEqual([0, 1, 2]);
    await expect.poll(() => ports[0]!.count(PC_PUNTS - FWD_PUNT_FLOOD)).toBe(3);
    // So many that the map is replaced, more than once: workers are told.
    for (let host = 1_000; host < 3_000; host++) tables.fdb.set(2, host, fdbKey(HOST_HI, 0), BRIDGE);
    tables.fdb.set(2, 77, fdbKey(HOST_HI, 0), BRIDGE);
    const arrived = numbers(peers[1]!, 1);
    send(peers[0]!, 1, 77, 5);
    peers[0]!.flush();
    expect(await arrived).toEqual([5]);
  });

  test('an interface that is taken away is not used once a grace period has passed, also while traffic flows', async () => {
    const { tables, periods, ports, peers, onPassed } = makeRig(2);
    const flowing = numbers(peers[1]!, 1);
    const streaming = stream(peers[0]!, 1, 2, 20_000);
    await flowing;
    Atomics.store(tables.ifs.ofPort, 0, 0);
    const period = periods.begin();
    periods.wait(true);
    await new Promise<void>((resolve) => {
      onPassed(() => periods.passed(period) && resolve());
      if (periods.passed(period)) resolve();
    });
    periods.wait(false);
    const then = ports[1]!.count(PC_FWD_FRAMES);
    await streaming;
    await expect.poll(() => ports[0]!.count(PC_RX_FRAMES)).toBe(20_000);
    expect(ports[1]!.count(PC_FWD_FRAMES)).toBe(then);
    await expect.poll(() => ports[0]!.count(PC_PUNTS - FWD_PUNT_NOIF)).toBe(20_000 - then - ports[1]!.count(PC_TX_FULL));
  });

  test('a worker that is started in the place of a dead one has the tables as they are by then', async () => {
    const { tables, pool, peers, ports } = makeRig(1);
    for (let host = 1_000; host < 3_000; host++) tables.fdb.set(2, host, fdbKey(HOST_HI, 0), BRIDGE);
    await pool.seats[0]!.command({ op: 'fault', how: 'throw' });
    const arrived = numbers(peers[1]!, 1);
    send(peers[0]!, 1, 2_500, 1);
    peers[0]!.flush();
    expect(await arrived).toEqual([1]);
    await expect.poll(() => ports[1]!.count(PC_FWD_FRAMES)).toBe(1);
    expect(pool.deaths).toBe(1);
  });
});
