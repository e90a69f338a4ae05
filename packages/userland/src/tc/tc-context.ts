/**
 * tc-context.ts — what every command of a tc knows: the process, and how it is to show things; and how the kernel's answers are printed.
 * Read first: iproute2's `lib/libnetlink.c` (rtnl_talk).
 */
import { strerror, tcRefuse } from '@netloom/core';
import type { TcAnswer } from '@netloom/core';
import { mayChangeNetwork } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';

/** Exit code when the kernel refuses. */
export const EXIT_KERNEL = 2;

export interface TcContext {
  readonly p: Proc;
  readonly stats: boolean;
  readonly json: boolean;
  readonly pretty: boolean;
}

/** Asks the kernel for a change, unless this prison or the state of its vnet forbids it. Prints a refusal; answers with the exit code. */
export function talk(p: Proc, request: () => TcAnswer): number {
  const refused = mayChangeNetwork(p);
  const answer = refused !== 0 ? tcRefuse(refused) : request();
  if (answer.error === 0) return 0;
  p.err(answer.text === '' ? `RTNETLINK answers: ${strerror(answer.error)}\n` : `Error: ${answer.text}.\n`);
  return EXIT_KERNEL;
}

/** A listing as JSON. */
export function printJson({ p, pretty }: TcContext, list: readonly object[]): void {
  p.out(pretty ? `${JSON.stringify(list, null, 4)}\n` : `${JSON.stringify(list)}\n`);
}
