/**
 * frame-receiver.ts — FrameReceiver: hands the frames of a receive ring to a callback on this thread, batch by batch.
 * Read first: ring.ts, frame-batch.ts.
 *
 * Theory of operation. The producer's bell (`wake`) starts a turn; a turn hands over at most TURN_BATCHES batches, and then lets the event loop serve
 * others (setImmediate). When the ring is empty the receiver goes to sleep, and the next frame rings again.
 * Nothing is dropped here: a slow receiver fills the ring, and the producer knows what to do then.
 *
 * Invariants: the callback runs within `wake` or a turn of the event loop, never within `onFrames`; after `stop` not at all.
 */
import { FrameBatch } from './frame-batch.js';
import type { RingConsumer } from './ring.js';
import { BURST } from './tap-shared.js';

const TURN_BATCHES = 8;

export class FrameReceiver {
  /** Frames and bytes handed over, in how many batches; how often the bell was rung. */
  frames = 0;
  octets = 0;
  batches = 0;
  bells = 0;
  private readonly ring: RingConsumer;
  private readonly batch: FrameBatch;
  private readonly ringProducer: () => void;
  private readonly turn = (): void => {
    this.scheduled = false;
    this.deliver();
  };
  private callback: ((batch: FrameBatch) => void) | null = null;
  private scheduled = false;

  /** `ringProducer` is called when the producer waits for room and there is some. */
  constructor(ring: RingConsumer, vnetHdr: boolean, ringProducer: () => void) {
    this.ring = ring;
    this.batch = new FrameBatch(ring, vnetHdr);
    this.ringProducer = ringProducer;
  }

  /** Whoever is to get the frames; until then they wait in the ring. `callback` gets the same FrameBatch object each time. */
  onFrames(callback: (batch: FrameBatch) => void): void {
    this.callback = callback;
    this.schedule();
  }

  /** The producer's bell. */
  wake(): void {
    this.bells++;
    this.deliver();
  }

  /** Hands over what is in the ring, up to one turn's worth, and goes to sleep when it is empty. */
  deliver(): void {
    const { ring, batch } = this;
    for (let batches = 0; batches < TURN_BATCHES; batches++) {
      if (this.callback === null) return;
      if (!ring.acquire() && ring.sleepUntilRecord()) return;
      batch.begin(BURST);
      let done = false;
      try {
        this.callback(batch);
        done = true;
      } finally {
        this.finishBatch(done);
      }
    }
    this.schedule();
  }

  stop(): void {
    this.callback = null;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  private finishBatch(done: boolean): void {
    const batch = this.batch;
    while (batch.next());
    this.batches++;
    this.frames += batch.frames;
    this.octets += batch.octets;
    if (this.ring.release()) this.ringProducer();
    // A callback that throws ends this turn; what is still in the ring comes in another.
    if (!done) this.schedule();
  }
}
