/**
 * vnet-door.ts — the way between the sockets of a vnet and JavaScript that expects Node's sockets.
 * Read first: packages/core/src/kern/engine.ts (`outside`), ../loop.ts.
 *
 * Theory of operation. Into the stack: `call` stamps the time and runs in thread context. Out of it: a socket's callbacks come in the middle of
 * the stack's work, where no listener of an event may run. They only put their owner on a list here, which one `setImmediate`
 * serves: a burst of packets is one event, and the host's input and timers get their turn between two rounds.
 * An owner is on the list at most once. What a listener throws ends the process as it would with Node's sockets; the others on
 * the list are served all the same.
 *
 * A socket that is open and not `unref`ed keeps the process alive, as Node's do; the stack alone would not.
 */
import type { Vnet } from '@netloom/core';

/** Whose socket has something to tell. */
export interface Attendant {
  /** Looks at the socket, outside the stack. */
  attend(): void;
}

/** Longest interval a host timer can have, milliseconds. */
const LONG_MS = 2 ** 31 - 1;

export class VnetDoor {
  readonly vnet: Vnet;
  private waiting = new Set<Attendant>();
  private armed = false;
  private readonly holders = new Set<object>();
  private timer: NodeJS.Timeout | null = null;

  constructor(vnet: Vnet) {
    this.vnet = vnet;
  }

  /** Runs `fn`, which calls sockets. */
  call<T>(fn: () => T): T {
    return this.vnet.kern.engine.outside(fn);
  }

  /** `who` is to be attended soon. From anywhere. */
  later(who: Attendant): void {
    this.waiting.add(who);
    this.arm();
  }

  /** Is the process to go on for `who`'s sake? */
  keep(who: object, wanted: boolean): void {
    if (wanted) this.holders.add(who);
    else this.holders.delete(who);
    if (this.holders.size > 0) this.timer ??= setInterval(() => undefined, LONG_MS);
    else if (this.timer !== null) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  private arm(): void {
    if (this.armed) return;
    this.armed = true;
    setImmediate(this.serve);
  }

  private readonly serve = (): void => {
    const served = this.waiting;
    this.waiting = new Set();
    this.armed = false;
    try {
      for (const who of served) {
        served.delete(who);
        who.attend();
      }
    } finally {
      // Somebody threw: whoever is left comes next.
      for (const who of served) this.later(who);
    }
  };
}
