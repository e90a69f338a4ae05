/**
 * fake-tools.ts — small tools that show what a launcher carries: arguments, bytes, signals, children, endings.
 */
import type { Proc, Tool } from '@netloom/userland';
import { HostError } from '@netloom/userland';

/** What happened to tools, for tests to wait on. */
export class Events {
  private readonly seen: string[] = [];
  private waiting: { want: string; resolve: () => void }[] = [];

  add(event: string): void {
    this.seen.push(event);
    this.waiting = this.waiting.filter(({ want, resolve }) => {
      if (want === event) resolve();
      return want !== event;
    });
  }

  /** Resolves when `event` has happened; forgets it. */
  async wait(event: string): Promise<void> {
    if (!this.seen.includes(event)) await new Promise<void>((resolve) => this.waiting.push({ want: event, resolve }));
    this.seen.splice(this.seen.indexOf(event), 1);
  }
}

export function fakeTools(events: Events): Record<string, Tool> {
  const tool = (main: (p: Proc) => Promise<number>): Tool => ({ summary: 'for tests', main });
  return {
    args: tool(async (p) => {
      p.out(JSON.stringify({ argv: p.argv, cwd: p.cwd, x: p.env.NETLOOM_X, lang: p.env.LANG, secret: p.env.SECRET, tty: p.isTty, columns: p.columns, jail: p.prison.name, fib: p.fib }));
      return 0;
    }),
    exit: tool(async (p) => Number(p.argv[1])),
    both: tool(async (p) => {
      p.out('to stdout\n');
      p.err('to stderr\n');
      return 3;
    }),
    bytes: tool(async (p) => {
      const block = Uint8Array.from({ length: 65_536 }, (_, i) => i & 255);
      for (let i = 0; i < Number(p.argv[1]); i++) {
        p.out(block);
        await p.flush();
      }
      return 0;
    }),
    copy: tool(async (p) => {
      for await (const block of p.stdin) {
        p.out(block);
        await p.flush();
      }
      p.out('[eof]');
      return 0;
    }),
    sleeper: tool(async (p) => {
      let done = false;
      p.atExit(() => events.add(`${p.argv[1]} ended`));
      p.onSignal((signal) => {
        if (signal === 'INFO') {
          p.out('info\n');
          return true;
        }
        if (signal !== 'INT') return false;
        p.out('summary\n');
        events.add(`${p.argv[1]} INT`);
        done = p.argv[2] !== 'stubborn';
        return true;
      });
      p.out('ready\n');
      while (!done) await p.sleepUs(Infinity);
      return 5;
    }),
    plain: tool(async (p) => {
      p.atExit(() => events.add('plain ended'));
      p.out('ready\n');
      await p.sleepUs(Infinity);
      return 0;
    }),
    ticks: tool(async (p) => {
      for (;;) {
        p.out('tick\n');
        await p.sleepUs(5_000);
      }
    }),
    yes: tool(async (p) => {
      p.atExit(() => events.add('yes ended'));
      for (;;) {
        p.out('y\n'.repeat(1000));
        await p.flush();
      }
    }),
    crash: tool(async () => {
      throw new Error('a defect');
    }),
    run: tool(async (p) => {
      try {
        return await p.run(p.argv.slice(1));
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        p.err(`run: ${p.argv[1]}: ${error.message}\n`);
        return 1;
      }
    }),
    killer: tool(async (p) => {
      void p.run(p.argv.slice(1)).catch(() => undefined);
      await p.sleepUs(300_000);
      return 9;
    }),
  };
}
