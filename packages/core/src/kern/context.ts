/**
 * context.ts — which kind of code is running: a packet path, or something that may wait.
 * Read first: softint(9); ARCHITECTURE.md "The engine".
 *
 * CTX_SOFTINT is the packet path: frames, timers. It is synchronous and may never wait for readers of a route or an
 * interface. CTX_THREAD is a call from outside (a tool, a socket call, teardown): what must wait for readers runs there.
 * CTX_IDLE is outside the Kernel. The current context is explicit state of the Engine, set at the Kernel's doors.
 */

export const CTX_IDLE = 0;
export const CTX_SOFTINT = 1;
export const CTX_THREAD = 2;
export type Context = typeof CTX_IDLE | typeof CTX_SOFTINT | typeof CTX_THREAD;

export const CONTEXT_NAMES = ['idle', 'softint', 'thread'] as const;
