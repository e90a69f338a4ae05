/**
 * eventhandler.ts — lists of callbacks a lower layer declares and upper layers fill.
 * Read first: EVENTHANDLER(9).
 *
 * Handlers run in ascending priority, then in order of registration. One list belongs to one vnet, so a handler never sees
 * another vnet's event. `count` lets teardown prove that everybody unregistered.
 */

export const EVENTHANDLER_PRI_FIRST = 0;
export const EVENTHANDLER_PRI_ANY = 10_000;
export const EVENTHANDLER_PRI_LAST = 20_000;

export class EventHandlerList<A> {
  private handlers: { readonly fn: (arg: A) => void; readonly priority: number }[] = [];

  get count(): number {
    return this.handlers.length;
  }

  /** Registers `fn`; the returned function takes it off again. */
  register(fn: (arg: A) => void, priority: number = EVENTHANDLER_PRI_ANY): () => void {
    const entry = { fn, priority };
    const at = this.handlers.findIndex((h) => h.priority > priority);
    this.handlers = at < 0 ? this.handlers.concat(entry) : this.handlers.slice(0, at).concat(entry, this.handlers.slice(at));
    return () => {
      this.handlers = this.handlers.filter((h) => h !== entry);
    };
  }

  /** Calls every handler. A handler may register or unregister; the round under way is not affected. */
  invoke(arg: A): void {
    for (const h of this.handlers) h.fn(arg);
  }
}
