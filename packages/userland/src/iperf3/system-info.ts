/**
 * system-info.ts — the system a test runs on, as uname(1) -a would have it.
 */
import { OSRELEASE, OSTYPE } from '../kernel-identity.js';
import type { Proc } from '../proc.js';

export function systemInfo(p: Proc): string {
  return [OSTYPE, p.prison.hostname, OSRELEASE].filter((word) => word !== '').join(' ');
}
