/**
 * tap-worker.ts — entry of a TAP's worker thread: joins the shared memory it was given to a TapPump and runs it.
 * Started by tap-port.ts. Ends when told to stop, or when the device has gone, which it reports.
 */
import { workerData } from 'node:worker_threads';
import { loadLibc } from './libc.js';
import { RING_CTL_WORDS, RingConsumer, RingProducer } from './ring.js';
import { TapPump } from './tap-pump.js';
import { MSG_FRAMES, MSG_GONE, RX_CTL, TAP_LAYOUT, TX_CTL } from './tap-shared.js';
import type { TapWorkerData } from './tap-shared.js';

function main(data: TapWorkerData): void {
  if (data.layout !== TAP_LAYOUT) throw new Error(`tap-worker of layout ${TAP_LAYOUT} was started by a port of layout ${data.layout}: build again`);
  const libc = loadLibc();
  const control = new Int32Array(data.control);
  const pump = new TapPump({
    libc,
    fd: data.fd,
    eventFd: data.eventFd,
    rx: new RingProducer(control.subarray(RX_CTL, RX_CTL + RING_CTL_WORDS), new Uint8Array(libc.viewMemory(data.rxAddress, data.rxSize))),
    tx: new RingConsumer(control.subarray(TX_CTL, TX_CTL + RING_CTL_WORDS), new Uint8Array(libc.viewMemory(data.txAddress, data.txSize))),
    control,
    counters: new Float64Array(data.counters),
    bell: () => data.port.postMessage(MSG_FRAMES),
  });
  pump.run();
  if (pump.gone !== 0) data.port.postMessage(MSG_GONE + pump.gone);
  data.port.close();
}

main(workerData as TapWorkerData);
