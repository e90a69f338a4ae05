/**
 * test-atomics.ts — looks over the shoulder of code that uses Atomics: for tests of what others may see between two accesses, and of their order.
 */
export type AtomicAccess = 'add' | 'compareExchange' | 'exchange' | 'load' | 'store';

/** Runs `body`; `look` is told the index of each access, before it is made or behind it. */
export function watchingAtomics(accesses: readonly AtomicAccess[], look: (access: AtomicAccess, at: number) => void, body: () => void, when: 'before' | 'behind' = 'before'): void {
  const real = accesses.map((access) => ({ access, real: Atomics[access] as (...args: never[]) => unknown }));
  for (const { access, real: make } of real) {
    const watched = (...args: unknown[]): unknown => {
      const at = Number(args[1]);
      if (when === 'before') look(access, at);
      const was: unknown = Reflect.apply(make, Atomics, args);
      if (when === 'behind') look(access, at);
      return was;
    };
    Reflect.set(Atomics, access, watched);
  }
  try {
    body();
  } finally {
    for (const { access, real: make } of real) Reflect.set(Atomics, access, make);
  }
}
