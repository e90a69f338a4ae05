/**
 * inline-more.ts — lets V8 compile the short path of a frame as one piece.
 * Read first: fwd/forward-frame.ts in core; bench/forward.bench.mjs, which measures it so.
 *
 * V8 puts called functions into their caller until those are 920 bytes of bytecode together. The short path has some 2,500, in functions that each do one thing; left as calls they
 * cost a sixth to a quarter of its time. The option is read whenever something is compiled, so it holds for all threads from here on, and may be set late.
 */
import { setFlagsFromString } from 'node:v8';

const INLINED_BYTES_MAX = 3_000;

/** For whatever this process compiles from now on. */
export function inlineMore(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTES_MAX}`);
}
