/**
 * echo-client.ts — whoever asks the guest of echo-rom.ts from the stack that its card is plugged into, and judges that what it answers never goes back.
 * Read first: echo-rom.ts; docs/plug.md ("Epochs").
 *
 * The guest counts frames and ticks in every answer. Whoever has seen an answer must never see an older number, whatever happens to the guest in between: that would be an answer of a
 * state that was lost, and was heard all the same. Frames may go missing, as on any cable, so it is asked until it answers.
 */
import { BPF_D_IN, bpfOpen, bpfWrite } from '@netloom/core';
import type { BpfListener, Ifnet } from '@netloom/core';
import { Netns } from '../netns.js';
import type { TestDaemon } from '../test-daemon.js';
import { ECHO_MAC, echoRequest, readEcho } from './echo-rom.js';
import type { Echo } from './echo-rom.js';

export class EchoClient {
  /** How often it has heard an answer. */
  answers = 0;
  last: Echo = { to: '', from: '', frames: 0, ticks: 0 };
  private readonly d: TestDaemon;
  private readonly ifp: Ifnet;
  private readonly listener: BpfListener;

  /** @param ifname of the card's tap, outside all jails. */
  constructor(d: TestDaemon, ifname: string) {
    const { net } = d.daemon.kernel.vnet0;
    const ifp = net.ifunit(ifname);
    const { listener } = bpfOpen(net, ifname, { direction: BPF_D_IN, promisc: true });
    if (ifp === null || listener === null) throw new Error(`there is no ${ifname}`);
    this.d = d;
    this.ifp = ifp;
    this.listener = listener;
  }

  /** Asks until it answers, and lets its guest write to `pages` pages at each tick. */
  async ask(pages = 0): Promise<Echo> {
    const before = this.answers;
    await Netns.until('the guest answers', () => {
      this.send(pages);
      this.hear();
      return this.answers > before;
    }, 30);
    return this.last;
  }

  close(): void {
    this.listener.close();
  }

  private send(pages: number): void {
    const { kernel, loop } = this.d.daemon;
    kernel.call(loop.enter(), () => bpfWrite(this.ifp, echoRequest(pages)));
  }

  private hear(): void {
    for (let record = this.listener.read(); record !== null; record = this.listener.read()) {
      const echo = readEcho(record.bytes);
      if (echo.from !== ECHO_MAC) continue;
      if (echo.frames <= this.last.frames || echo.ticks < this.last.ticks) throw new Error(`the guest said ${JSON.stringify(this.last)} and then ${JSON.stringify(echo)}`);
      this.last = echo;
      this.answers++;
    }
  }
}
