/**
 * datapath-worker.ts — entry of a datapath worker's thread: joins what it was given to a WorkerLoop and runs it.
 * Started by worker-seat.ts. Ends when told to stop, or when it finds that it has been given up for dead.
 */
import { performance } from 'node:perf_hooks';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { QuiescentReader } from '@netloom/core/fwd';
import { loadLibc } from '../tap/libc.js';
import { DATAPATH_LAYOUT } from './datapath-shared.js';
import type { CommandMessage, DatapathWorkerData, WorkerMessage } from './datapath-shared.js';
import { PUNT_ALL, TableVerdict } from './frame-verdict.js';
import { inlineMore } from './inline-more.js';
import { chooseFrameIo } from './io/choose-io.js';
import { WorkerCommands } from './worker-commands.js';
import { WorkerLoop } from './worker-loop.js';

function main(data: DatapathWorkerData): void {
  if (data.layout !== DATAPATH_LAYOUT) throw new Error(`a datapath worker of layout ${DATAPATH_LAYOUT} was started by a pool of layout ${data.layout}: build again`);
  inlineMore();
  const { port, eventFd } = data;
  const libc = loadLibc('datapath workers');
  const bell = new BigUint64Array([1n]);
  const bellAddress = libc.address(bell);
  const tell = (message: WorkerMessage): void => port.postMessage(message);
  const receive = (): CommandMessage | null => (receiveMessageOnPort(port)?.message as CommandMessage | undefined) ?? null;
  const tables = data.tables === null ? null : new TableVerdict(data.tables);
  const commands = new WorkerCommands(libc, data.index, tables?.view ?? null, receive, tell);
  const loop: WorkerLoop = new WorkerLoop({
    control: new Int32Array(data.control), counters: new Float64Array(data.counters), reader: new QuiescentReader(data.quiescence, data.reader, () => loop.adopt()), verdict: tables ?? PUNT_ALL, tell,
    wakeSelf: () => libc.write(eventFd, bellAddress, 8),
    takeCommands: () => commands.take(),
    obeyCommands: () => commands.obey(),
    clockMs: () => performance.timeOrigin + performance.now(),
  });
  commands.loop = loop;
  const { io, kind, why } = chooseFrameIo(libc, loop, eventFd, data.io);
  loop.io = io;
  tell({ ready: kind, why, ownFd: io.ownFd });
  if (loop.run()) loop.io.destroy();
  port.close();
}

main(workerData as DatapathWorkerData);
