/**
 * if-request.ts — what ifconfig asks of an interface by name, with the checks every ioctl(2) makes first.
 * Read first: netintro(4); freebsd `sys/net/if.c` ifioctl.
 *
 * `request` looks the interface up anew for every word, because the word before may have renamed, moved or destroyed it: ENXIO when
 * it is gone, EPERM in a prison that does not own its network, EBUSY in a vnet that is being taken down.
 */
import { EINVAL, ENXIO } from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { mayChangeNetwork } from '../jail/jail-id.js';
import type { Invocation } from './invocation.js';

/** Changes interface `cx.ifname`. */
export function request(cx: Invocation, change: (ifp: Ifnet) => Errno): Errno {
  const ifp = cx.ifp;
  if (ifp === null) return ENXIO;
  const refused = mayChangeNetwork(cx);
  return refused !== 0 ? refused : change(ifp);
}

/** A number of a routing table: EINVAL when there is no such table. */
export function checkFib(cx: Invocation, fib: number): Errno {
  return Number.isInteger(fib) && fib >= 0 && fib < cx.vnet.routes.fibs ? 0 : EINVAL;
}
