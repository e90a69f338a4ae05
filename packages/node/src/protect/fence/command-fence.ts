/**
 * command-fence.ts — CommandFence: a program makes sure that the other side is dead: it switches the power of a host off, or asks who can.
 * Read first: fence.ts.
 *
 * Both sides may run theirs; who shoots first lives. The program is told what for in its environment (NETLOOM_FENCE_SIDE, _MACHINE, _PEER, _REASON), has no
 * input, and is run without a shell. Exit status 0 within LIMIT_MS is a yes, everything else a no with what it said last. What it started goes
 * with it: it leads a process group, which is killed when the time is over or the answer is of no use any more.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { errnoText } from '../../daemon/errno-text.js';
import { reasonText } from '../wire/record-payloads.js';
import type { Fence, Fenced, Side, Verdict } from './fence.js';

export const LIMIT_MS = 30_000;
/** After the end of a program its last words get this long. */
const WORDS_MS = 100;
const OUTPUT_MAX = 2_048;

export class CommandFence implements Fence {
  private readonly fenced: Fenced;
  private readonly argv: readonly string[];
  private readonly limitMs: number;

  constructor(fenced: Fenced, argv: readonly string[], limitMs = LIMIT_MS) {
    this.fenced = fenced;
    this.argv = argv;
    this.limitMs = limitMs;
  }

  goOnAlone(side: Side, why: string, givenUp?: AbortSignal): Promise<Verdict> {
    const { machine, peer, timers } = this.fenced;
    const [program = '', ...args] = this.argv;
    const env = { ...process.env, NETLOOM_FENCE_SIDE: side, NETLOOM_FENCE_MACHINE: machine, NETLOOM_FENCE_PEER: peer, NETLOOM_FENCE_REASON: reasonText(why) };
    if (givenUp?.aborted === true) return Promise.resolve({ ok: false, reason: 'it was given up' });
    const child = spawn(program, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const output = lastOutput(child);
    return new Promise((resolve) => {
      const answer = (reason: string | null): void => {
        alarm.cancel();
        givenUp?.removeEventListener('abort', abandoned);
        resolve(reason === null ? { ok: true } : { ok: false, reason: `the fence's program ${program} ${reason}${output()}` });
      };
      const cut = (reason: string): void => {
        killGroup(child);
        answer(reason);
      };
      const abandoned = (): void => cut('was given up');
      let alarm = timers.after(this.limitMs, () => cut(`has not ended within ${this.limitMs} ms`));
      givenUp?.addEventListener('abort', abandoned, { once: true });
      child.once('error', (error: NodeJS.ErrnoException) => answer(`cannot be started (${errnoText(error.code ?? 'EIO')})`));
      child.once('exit', (code, signal) => {
        if (code === 0) return answer(null);
        const no = (): void => cut(`says no: it ended ${signal === null ? `with status ${code}` : `by ${signal}`}`);
        // What it said may still be in its pipes, and what it left behind may hold them open.
        child.once('close', no);
        alarm.cancel();
        alarm = timers.after(WORDS_MS, no);
      });
    });
  }
}

/** The last that a program said, as the end of a sentence. */
function lastOutput(child: ChildProcess): () => string {
  let said = '';
  for (const pipe of [child.stdout, child.stderr]) {
    pipe?.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString('utf8')).slice(-OUTPUT_MAX);
    });
  }
  return () => (said.trim() === '' ? '' : `: ${reasonText(said)}`);
}

function killGroup(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has gone meanwhile.
  }
}
