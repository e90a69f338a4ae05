/**
 * plug-rows.test.ts — core's plug in its compatible mode gives the rows that the kernel's gives (test/interop/netbuf/netbuf-kernel.test.ts).
 */
import { expect, test } from 'vitest';
import { Kernel, Plug, quietEnv, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from '@netloom/core';
import { FRAME, PLUG_ROWS } from './plug-rows.js';
import type { PlugAct, PlugRow, Seen } from './plug-rows.js';

const COMMANDS = { 'buffer': TCQ_PLUG_BUFFER, 'release': TCQ_PLUG_RELEASE_ONE, 'release-all': TCQ_PLUG_RELEASE_INDEFINITE };

/** Does what a row says; what was seen after each act. */
function play({ limitBytes, script }: PlugRow): Seen[] {
  const kernel = new Kernel(quietEnv(1));
  const { engine } = kernel;
  const plug = new Plug(kernel.vnet0.kern, (m) => {
    m.free();
    return 0;
  }, limitBytes);
  const act = (what: PlugAct): void => {
    if (what === 'down') plug.reset();
    else if (typeof what === 'string') plug.change(COMMANDS[what], 0);
    else if ('limit' in what) plug.change(TCQ_PLUG_LIMIT, what.limit);
    else for (let i = 0; i < what.send; i++) plug.output(engine.pool.alloc(FRAME)!);
    while (engine.nextDeadline() <= engine.now) engine.runTurn(engine.now);
  };
  let left = 0;
  let refused = 0;
  return script.map(([what]) => {
    act(what);
    const seen: Seen = [plug.stats.sentPackets - left, plug.packets, plug.stats.dropPackets - refused];
    left = plug.stats.sentPackets;
    refused = plug.stats.dropPackets;
    return seen;
  });
}

test.each(PLUG_ROWS.map((row) => [row.name, row] as const))('%s', (_, row) => {
  expect(play(row)).toEqual(row.script.map(([, seen]) => seen));
});
