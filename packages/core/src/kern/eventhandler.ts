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

/** A function bound to the object it works for. */
class Handler<T extends object, A> implements Attached<A> {
  readonly object: T;
  readonly priority: number;
  private readonly fn: (object: T, arg: A) => void;

  constructor(object: T, fn: (object: T, arg: A) => void, priority: number) {
    this.object = object;
    this.fn = fn;
    this.priority = priority;
  }

  call(arg: A): void {
    this.fn(this.object, arg);
  }
}

/** What a list needs of a handler, whatever its object. */
interface Attached<A> {
  readonly object: object;
  readonly priority: number;
  call(arg: A): void;
}

const NONE: readonly never[] = [];

export class EventHandlerList<A> {
  private handlers: readonly Attached<A>[] = NONE;

  get count(): number {
    return this.handlers.length;
  }

  /** From now on `fn` is called with `object` and the event. */
  attach<T extends object>(object: T, fn: (object: T, arg: A) => void, priority: number = EVENTHANDLER_PRI_ANY): void {
    const handler = new Handler(object, fn, priority);
    const at = this.handlers.findIndex((h) => h.priority > priority);
    this.handlers = at < 0 ? this.handlers.concat(handler) : this.handlers.slice(0, at).concat(handler, this.handlers.slice(at));
  }

  /** Takes away every handler of `object`. */
  detach(object: object): void {
    this.handlers = this.handlers.filter((h) => h.object !== object);
  }

  /** Registers `fn`; the returned function takes it off again. */
  register(fn: (arg: A) => void, priority: number = EVENTHANDLER_PRI_ANY): () => void {
    const own = { fn };
    this.attach(own, (o, arg: A) => o.fn(arg), priority);
    return () => this.detach(own);
  }

  /** Calls every handler. A handler may register or unregister; the round under way is not affected. */
  invoke(arg: A): void {
    for (const h of this.handlers) h.call(arg);
  }
}
