/**
 * worker-commands.ts — WorkerCommands: what a datapath worker is told by the control thread, and does.
 * Read first: datapath-shared.ts, worker-loop.ts.
 *
 * Theory of operation. `take` empties the mailbox at a quiescent point and obeys at once what concerns tables; what concerns descriptors waits until FrameIo is not in the middle of a turn (`obey`). Commands are answered in
 * the order they came in.
 * A queue that cannot be opened is said to be, and the worker goes on with the others.
 * A queue that is closed is let go completely before the answer: nothing is under way on its descriptor, what was in its transmit ring has been written, as far as the kernel took it.
 */
import type { FwdView } from '@netloom/core/fwd';
import type { Libc } from '../tap/libc.js';
import { RingConsumer, RingProducer } from '../tap/ring.js';
import { FRAME_MAX, PORT_COUNTERS, TX_BURST } from './datapath-shared.js';
import type { CommandMessage, Fault, QueueOpen, RingPlace, WorkerCommand, WorkerMessage } from './datapath-shared.js';
import { WorkerQueue } from './worker-queue.js';
import type { TransmitRing } from './worker-queue.js';
import type { WorkerLoop } from './worker-loop.js';
import { errorLine } from '../error-line.js';

export class WorkerCommands {
  /** Set before the loop runs. */
  loop!: WorkerLoop;
  private readonly libc: Libc;
  private readonly index: number;
  private readonly view: FwdView | null;
  private readonly receive: () => CommandMessage | null;
  private readonly tell: (message: WorkerMessage) => void;
  private waiting: CommandMessage[] = [];

  /** `receive` answers the next message of the mailbox. */
  constructor(libc: Libc, index: number, view: FwdView | null, receive: () => CommandMessage | null, tell: (message: WorkerMessage) => void) {
    this.libc = libc;
    this.index = index;
    this.view = view;
    this.receive = receive;
    this.tell = tell;
  }

  take(): void {
    for (let message = this.receive(); message !== null; message = this.receive()) {
      if (message.command.op === 'table') this.view?.apply(message.command.message);
      else this.waiting.push(message);
    }
  }

  obey(): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const { seq, command } of waiting) {
      this.obeyOne(command);
      this.tell({ done: seq });
    }
  }

  private obeyOne(command: WorkerCommand): void {
    if (command.op === 'open') this.tryOpen(command);
    else if (command.op === 'close') this.close(command.queue);
    else if (command.op === 'fault') fail(command);
  }

  private tryOpen(q: QueueOpen): void {
    this.close(q.queue);
    try {
      this.open(q);
    } catch (error) {
      this.tell({ unopened: q.queue, why: errorLine(error) });
    }
  }

  private open(q: QueueOpen): void {
    const { loop } = this;
    const counters = new Float64Array(q.counters, this.index * PORT_COUNTERS * 8, PORT_COUNTERS);
    const rx = q.input === null ? null : new RingProducer(new Int32Array(q.input.ctl), this.bytesOf(q.input));
    const queue = new WorkerQueue(q.queue, q.port, q.vnetHdr, counters, rx, q.output === null ? null : this.transmitRing(q.output));
    loop.io.open(q.queue, q.fd, rx !== null, FRAME_MAX);
    loop.queues[q.queue] = queue;
    // A queue of its own is the better way out: no other worker writes there.
    if (rx !== null || loop.outputs[q.port] === undefined) loop.outputs[q.port] = queue;
    loop.transmitters = loop.queues.filter((other): other is WorkerQueue => other !== undefined && other.tx !== null);
  }

  private close(number: number): void {
    const { loop } = this;
    const queue = loop.queues[number];
    if (queue === undefined) return;
    while (queue.tx !== null && loop.writeBurst(queue, queue.tx) === TX_BURST);
    loop.io.close(number);
    loop.queues[number] = undefined;
    loop.transmitters = loop.transmitters.filter((other) => other !== queue);
    if (loop.outputs[queue.port] === queue) {
      const others = loop.queues.filter((other): other is WorkerQueue => other?.port === queue.port);
      loop.outputs[queue.port] = others.find((other) => other.rx !== null) ?? others[0];
    }
  }

  private transmitRing(place: RingPlace): TransmitRing {
    const bytes = this.bytesOf(place);
    return { ring: new RingConsumer(new Int32Array(place.ctl), bytes), mem: { bytes, view: new DataView(bytes.buffer), address: place.address } };
  }

  private bytesOf({ address, size }: RingPlace): Uint8Array {
    return new Uint8Array(this.libc.viewMemory(address, size));
  }
}

function fail({ how }: Fault): void {
  if (how === 'throw') throw new Error('this worker was told to fail');
  if (how === 'exit') process.exit(1);
  for (;;);
}
