/**
 * test-cc.ts — a connection as congestion control sees it, for tests: all its numbers may be set.
 */
import type { CcConn } from './cc.js';
import { CcVars, SSTHRESH_INFINITE } from './cc.js';

export class TestConn implements CcConn {
  cwnd = 10_000;
  ssthresh = SSTHRESH_INFINITE;
  maxseg = 1000;
  cwndMax = 1 << 30;
  sndUna = 0;
  sndNxt = 0;
  pipe = 10_000;
  cwndLimited = true;
  ackedBurst = 0;
  inRtoRecovery = false;
  srttUs = 100_000;
  nowUs = 0;
  readonly ccVars = new CcVars();
}
