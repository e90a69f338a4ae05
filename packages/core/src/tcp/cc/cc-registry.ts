/**
 * cc-registry.ts — the congestion control algorithms by name, and what may be tuned.
 * Read first: mod_cc(4); TCP_CONGESTION in tcp(4).
 */
import type { Errno } from '../../base/errno.js';
import { EACCES, ESRCH } from '../../base/errno.js';
import { sysctlInt, sysctlRead } from '../../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../../kern/sysctl.js';
import type { CcAlgorithm, CcVars } from './cc.js';
import { ccCubic } from './cc-cubic.js';
import { ccDctcp } from './cc-dctcp.js';
import { ccNewreno } from './cc-newreno.js';

/** Longest name, with its end (TCP_CA_NAME_MAX). */
export const CC_NAME_MAX = 16;

export const CC_ALGORITHMS: readonly CcAlgorithm[] = [ccNewreno, ccCubic, ccDctcp];

/** The algorithm called `name`; null when there is none. */
export function ccFind(name: string): CcAlgorithm | null {
  for (const algorithm of CC_ALGORITHMS) if (algorithm.name === name) return algorithm;
  return null;
}

/** The algorithm of a new connection. */
export function ccDefault(vars: CcVars): CcAlgorithm {
  return ccFind(vars.algorithm) ?? ccCubic;
}

function setAlgorithm(vars: CcVars, name: string | number): Errno {
  if (typeof name !== 'string' || ccFind(name) === null) return ESRCH;
  vars.algorithm = name;
  return 0;
}

/** As `sysctl net.inet.tcp.cc.available` shows it: a table behind an empty line. */
function available(vars: CcVars): string {
  const row = (name: string, mark: string, count: string): string => `${name.padEnd(16)}${mark} ${count}\n`;
  return `\n${row('CCmod', 'D', 'PCB count')}${CC_ALGORITHMS.map(({ name }) => row(name, name === vars.algorithm ? '*' : ' ', String(vars.inUse(name)))).join('')}`;
}

/** newreno.beta_ecn means nothing without abe, so it cannot be set then. */
const betaEcn: SysctlOid<CcVars> = {
  ...sysctlInt<CcVars, 'newrenoBetaEcn'>('beta_ecn', 'newrenoBetaEcn', 'percent', 1, 100, 'New Reno beta ecn, specified as number between 1 and 100'),
  set: (vars, value) => {
    if (vars.abe === 0) return EACCES;
    vars.newrenoBetaEcn = Number(value);
    return 0;
  },
};

/** To be attached with the CcVars of a vnet. */
export const CC_SYSCTLS: readonly SysctlGroup<CcVars>[] = [
  {
    prefix: 'net.inet.tcp',
    oids: [
      sysctlInt('rfc3465', 'rfc3465', 'bool', 0, 1, 'Enable RFC 3465 (Appropriate Byte Counting)'),
      sysctlInt('abc_l_var', 'abcLVar', 'segments', 1, 65_535, 'Cap the max cwnd increment during slow-start to this number of segments'),
      sysctlInt('initcwnd_segments', 'initcwndSegments', 'segments', 1, 1_000, 'Slow-start flight size (initial congestion window) in number of segments'),
    ],
  },
  {
    prefix: 'net.inet.tcp.cc',
    oids: [
      {
        leaf: 'algorithm', type: 'string', help: 'Default congestion control algorithm', unit: '', min: 1, max: CC_NAME_MAX - 1,
        get: (v) => v.algorithm, set: setAlgorithm,
      },
      sysctlRead('available', 'string', '', 'List available congestion control algorithms', available),
      sysctlInt('abe', 'abe', 'bool', 0, 1, 'Enable RFC 8511 (TCP Alternative Backoff with ECN)'),
    ],
  },
  {
    prefix: 'net.inet.tcp.cc.newreno',
    oids: [sysctlInt('beta', 'newrenoBeta', 'percent', 1, 100, 'New Reno beta, specified as number between 1 and 100'), betaEcn],
  },
  {
    prefix: 'net.inet.tcp.cc.dctcp',
    oids: [
      sysctlInt('alpha', 'dctcpAlpha', '1024ths', 0, 1_024, 'dctcp alpha parameter at start of session'),
      sysctlInt('shift_g', 'dctcpShiftG', '', 0, 10, 'dctcp shift parameter'),
      sysctlInt('slowstart', 'dctcpSlowstart', 'bool', 0, 1, 'half CWND reduction after the first slow start'),
    ],
  },
  {
    prefix: 'net.inet.tcp.cc.hystartplusplus',
    oids: [
      sysctlInt('enable', 'hystart', 'bool', 0, 1, 'Use HyStart++ in the slow start of new connections'),
      sysctlInt('minrtt_thresh', 'hystartMinRttThreshUs', 'us', 0, 1_000_000, 'HyStart++ minimum RTT thresh used in clamp'),
      sysctlInt('maxrtt_thresh', 'hystartMaxRttThreshUs', 'us', 0, 1_000_000, 'HyStart++ maximum RTT thresh used in clamp'),
      sysctlInt('n_rttsamples', 'hystartRttSamples', '', 1, 1_000, 'The number of RTT samples that must be seen to consider HyStart++'),
      sysctlInt('css_growth_div', 'hystartCssGrowthDiv', '', 1, 100, 'The divisor to the growth when in HyStart++ CSS'),
      sysctlInt('css_rounds', 'hystartCssRounds', '', 1, 100, 'The number of rounds HyStart++ lasts in CSS before falling to CA'),
    ],
  },
];
