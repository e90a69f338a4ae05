/**
 * eventhandler.ts — lists of callbacks a lower layer declares and upper layers fill.
 * Read first: EVENTHANDLER(9).
 *
 * Handlers run in ascending priority, then in order of registration. One list belongs to one vnet, so a handler never sees
 * another vnet's event. `count` lets teardown prove that everybody unregistered.
 *
 * A part that every vnet has attaches a function that is there once, with itself as the object it is called with, and is detached by that
 * object: dozens of handlers in each of thousands of vnets would otherwise be as many closures, twice. What comes and goes (a bridge, a
 * program's watcher) registers a closure and keeps what takes it off again.
 */

export const EVENTHANDLER_PRI_FIRST = 0;
export const EVENTHANDLER_PRI_ANY = 10_000;
export const EVENTHANDLER_PRI_LAST = 20_000;

type Handler<A> = (object: object, arg: A) => void;

/** Words of a handler in the list: its object, its function, its priority. */
const WORDS = 3;

const NONE: readonly never[] = [];

export class EventHandlerList<A> {
  /** Replaced as a whole by every change, so that a round under way goes on with what it began with. */
  private handlers: readonly (object | number)[] = NONE;

  get count(): number {
    return this.handlers.length / WORDS;
  }

  /** From now on `fn` is called with `object` and the event. */
  attach<T extends object>(object: T, fn: (object: T, arg: A) => void, priority: number = EVENTHANDLER_PRI_ANY): void {
    const { handlers } = this;
    let at = handlers.length;
    while (at > 0 && (handlers[at - 1] as number) > priority) at -= WORDS;
    this.handlers = handlers.toSpliced(at, 0, object, fn, priority);
  }

  /** Takes away every handler of `object`. */
  detach(object: object): void {
    const { handlers } = this;
    this.handlers = handlers.filter((_, i) => handlers[i - (i % WORDS)] !== object);
  }

  /** Registers `fn`; the returned function takes it off again. */
  register(fn: (arg: A) => void, priority: number = EVENTHANDLER_PRI_ANY): () => void {
    const own = { fn };
    this.attach(own, (o, arg: A) => o.fn(arg), priority);
    return () => this.detach(own);
  }

  /** Calls every handler. A handler may register or unregister; the round under way is not affected. */
  invoke(arg: A): void {
    const { handlers } = this;
    for (let i = 0; i < handlers.length; i += WORDS) (handlers[i + 1] as Handler<A>)(handlers[i] as object, arg);
  }
}
