/**
 * tool-proc-datapath.test.ts — what a tool changes is in force for short paths while it waits, and what they count it sees when it goes on.
 */
import { Kernel, bpfOpen, ifCloneCreate, ifUp, quietEnv, tapOf } from '@netloom/core';
import type { DatapathProcessor, Ifnet } from '@netloom/core';
import { FC_IPACKETS, FIF_CELL, FIF_FLAGS, FWD_CELL_SHIFT, FWD_IF_SHIFT, FWD_IF_TAPPED } from '@netloom/core/fwd';
import type { ToolMain } from '@netloom/userland';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { HostLoop } from '../loop.js';
import { ExecService } from './exec-service.js';
import type { ProcIo, ToolProc } from './tool-proc.js';

const NOBODY: ProcIo = {
  write: () => undefined, buffered: 0, drained: () => Promise.resolve(), read: () => Promise.resolve(null), spawn: null, killChild: () => undefined, tty: false, columns: 80,
};

/** A tap that is a datapath's port, with a processor beside it. The loop has no kernel, so there is no turn that would hide what a tool leaves undone. */
class Bench {
  readonly kernel = new Kernel({ ...quietEnv(1), datapath: 'shared' });
  readonly ifp: Ifnet;
  private readonly processor: DatapathProcessor;

  constructor() {
    const { kernel } = this;
    this.ifp = kernel.call(0, () => {
      const ifp = ifCloneCreate(kernel.vnet0.net, 'tap').ifp!;
      tapOf(ifp)!.attach({ offload: { csum: true, gso: false }, output: () => false });
      ifUp(ifp);
      kernel.datapath!.attachPort(0, ifp, false);
      return ifp;
    });
    this.processor = kernel.datapath!.start(() => undefined);
  }

  run(main: ToolMain): { readonly proc: ToolProc; readonly code: Promise<number> } {
    const service = new ExecService(this.kernel, new HostLoop(() => undefined), { tool: { summary: 'a tool', main } }, pino({ level: 'silent' }));
    let proc: ToolProc | null = null;
    const code = new Promise<number>((resolve) => (proc = service.start({ argv: ['tool'], cwd: '/', env: {}, ignored: [] } as never, NOBODY, resolve)));
    return { proc: proc!, code };
  }

  get tapped(): boolean {
    return (this.word(FIF_FLAGS) & FWD_IF_TAPPED) !== 0;
  }

  /** The processor forwards so many frames that came in there. */
  forward(frames: number): void {
    this.processor.memory.counters[(this.word(FIF_CELL) << FWD_CELL_SHIFT) + FC_IPACKETS]! += frames;
  }

  private word(n: number): number {
    const { ifAt, ifWords } = this.processor.memory;
    return ifWords[(ifAt[this.ifp.index]! << FWD_IF_SHIFT) + n]!;
  }
}

test('a capture that waits for packets is shown them from the first, and no longer when it has been killed', async () => {
  const bench = new Bench();
  const { proc, code } = bench.run(async (p) => {
    const { listener } = bpfOpen(p.vnet.net, bench.ifp.xname, {});
    p.atExit(() => listener!.close());
    await p.sleepUs(Infinity);
    return 0;
  });
  expect(bench.tapped).toBe(true);
  proc.kill();
  expect([await code, bench.tapped]).toEqual([137, false]);
});

test('a tool that has waited sees what was forwarded meanwhile', async () => {
  const bench = new Bench();
  const { proc, code } = bench.run(async (p) => {
    await p.sleepUs(Infinity);
    return bench.ifp.data.ipackets;
  });
  bench.forward(5);
  proc.wake();
  expect(await code).toBe(5);
});
