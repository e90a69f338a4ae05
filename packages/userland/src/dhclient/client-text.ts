/**
 * client-text.ts — a client's lease, in the form of dhclient.leases(5), and for programs.
 * Read first: dhclient.leases(5).
 */
import { DHO_MESSAGE_TYPE, ip4Format, ip4PrefixLen } from '@netloom/core/wire';
import { leaseStampText } from '../calendar.js';
import { optionName, optionText } from '../dhcp/option-names.js';
import type { Proc } from '../proc.js';
import type { DhcpClient } from './dhcp-client.js';

const US_PER_SEC = 1_000_000;

function stamp(p: Proc, us: number): string {
  return us === Infinity ? 'never' : leaseStampText(p.wallUs() + us - p.now());
}

export function clientText({ io, lease, state }: DhcpClient, p: Proc): string {
  if (lease === null) return `# ${io.ifname}: no lease (${state})\n`;
  const options = [...lease.options].filter(([code]) => code !== DHO_MESSAGE_TYPE).map(([code, data]) => `  option ${optionName(code)} ${optionText(code, data)};\n`);
  return `lease {\n  interface "${io.ifname}";\n  fixed-address ${ip4Format(lease.addr)};\n${options.join('')}  renew ${stamp(p, lease.renewUs)};\n  rebind ${stamp(p, lease.rebindUs)};\n  expire ${stamp(p, lease.expireUs)};\n}\n`;
}

export function clientJson({ io, lease, state }: DhcpClient, p: Proc): object {
  const left = (us: number): number | null => (us === Infinity ? null : Math.max(0, Math.ceil((us - p.now()) / US_PER_SEC)));
  if (lease === null) return { interface: io.ifname, state, lease: null };
  const options = Object.fromEntries([...lease.options].filter(([code]) => code !== DHO_MESSAGE_TYPE).map(([code, data]) => [optionName(code), optionText(code, data)]));
  return { interface: io.ifname, state, lease: { address: ip4Format(lease.addr), prefixlen: ip4PrefixLen(lease.mask), server: ip4Format(lease.server), renew: left(lease.renewUs), rebind: left(lease.rebindUs), expire: left(lease.expireUs), options } };
}
