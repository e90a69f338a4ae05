/**
 * assert.ts — invariants, checked in production too.
 *
 * A failed assertion is a bug in the stack, never a bad packet or a bad argument. It throws `InvariantError`, which the
 * Kernel catches at its doors: the vnet it happened in is stopped, the others go on.
 */

/** Thrown by a broken invariant; caught only at the Kernel's doors. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError` unless `condition` holds. `message` must be a constant: this may sit on the packet path. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the branch that cannot be reached. */
export function unreachable(message: string): never {
  throw new InvariantError(message);
}
