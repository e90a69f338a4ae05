/**
 * tc-rfc.test.ts — the sequence by which Xen's Remus holds a machine's output, run as it is written there, and its undoing in both orders.
 * Read first: docs/plug.md ("Xen's sequence").
 *
 * The machine is the jail `vm`; `vif1.0` is the host's end of its cable.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const vm = { jail: 'vm' };

const SEQUENCE = [
  'ip link set ifb0 up',
  'tc qdisc add dev vif1.0 ingress',
  'tc filter add dev vif1.0 parent ffff: proto ip pref 10 u32 match u32 0 0 action mirred egress redirect dev ifb0',
  'tc qdisc add dev ifb0 root plug limit 4mb',
];

beforeEach(async () => {
  lab = new ToolLab();
  for (const line of [
    'jail -c name=vm persist vnet', 'ifconfig epair create', 'ifconfig epair0b vnet vm', 'ifconfig epair0a name vif1.0', 'ifconfig vif1.0 192.0.2.1/24', 'ifconfig vif1.0 inet6 2001:db8::1/64 no_dad',
    'ip link add ifb0 type ifb',
  ]) await lab.ok(line);
  await lab.ok('ifconfig epair0b 192.0.2.2/24', vm);
  await lab.ok('ifconfig epair0b inet6 2001:db8::2/64 no_dad', vm);
  await lab.ok('ping -c 1 192.0.2.1', vm);
});

/** Does the machine get an answer within a second? */
async function answered(what = 'ping -c 1 -t 1 192.0.2.1'): Promise<boolean> {
  return (await lab.sh(what, vm)).exit === 0;
}

async function run(lines: readonly string[]): Promise<void> {
  for (const line of lines) expect(await lab.sh(line), line).toEqual({ exit: 0, stdout: '', stderr: '' });
}

/** Packets held, as tc says it. */
async function held(): Promise<number> {
  return Number(/ (\d+)p requeues/.exec(await lab.ok('tc -s qdisc show dev ifb0'))?.[1]);
}

describe('the sequence', () => {
  it('holds what the machine sends, and lets it go epoch by epoch', async () => {
    await run(SEQUENCE);
    expect([await answered(), await held()]).toEqual([false, 1]);
    await run(['tc qdisc change dev ifb0 root plug block']);
    expect([await answered(), await held()]).toEqual([false, 2]);
    const capture = lab.start('tcpdump -n -t -c 1 -i vif1.0 icmp and dst 192.0.2.2');
    await lab.advance(1_000);
    await run(['tc qdisc change dev ifb0 root plug release']);
    await lab.advance(1_000);
    expect((await capture.done).stdout).toContain('ICMP echo reply');
    expect(await held()).toBe(1);
    await run(['tc qdisc change dev ifb0 root plug release_indefinite']);
    expect([await answered(), await held()]).toEqual([true, 0]);
  });

  it('is shown as on Linux', async () => {
    await run(SEQUENCE);
    await answered();
    expect(await lab.session(`
$ tc qdisc show dev vif1.0
$ tc qdisc show dev ifb0
$ tc -s qdisc show dev ifb0
$ tc filter show dev vif1.0 parent ffff:
$ ip link show dev ifb0
`)).toBe(`$ tc qdisc show dev vif1.0
qdisc noqueue 0: root refcnt 2 
qdisc ingress ffff: parent ffff:fff1 ---------------- 
$ tc qdisc show dev ifb0
qdisc plug 8001: root refcnt 2 
$ tc -s qdisc show dev ifb0
qdisc plug 8001: root refcnt 2 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 98b 1p requeues 0
$ tc filter show dev vif1.0 parent ffff:
filter protocol ip pref 10 u32 chain 0 
filter protocol ip pref 10 u32 chain 0 fh 800: ht divisor 1 
filter protocol ip pref 10 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw 
  match 00000000/00000000 at 0
	action order 1: mirred (Egress Redirect to device ifb0) stolen
	index 1 ref 1 bind 1

$ ip link show dev ifb0
5: ifb0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc plug state UNKNOWN mode DEFAULT group default qlen 32
    link/ether MAC brd ff:ff:ff:ff:ff:ff
`);
  });

  it('lets ARP and IPv6 past, because its filter is `proto ip`; `protocol all` holds them', async () => {
    await run(SEQUENCE);
    expect([await answered('ping -6 -c 1 -t 1 2001:db8::1'), await answered()]).toEqual([true, false]);
    await lab.ok('arp -d 192.0.2.2');
    await lab.sh('ping -c 1 -t 1 192.0.2.2');
    expect(await lab.ok('arp -n 192.0.2.2')).toContain(' at 02:');
    await run(['tc filter del dev vif1.0 parent ffff: pref 10', 'tc filter add dev vif1.0 parent ffff: protocol all prio 10 matchall action mirred egress redirect dev ifb0']);
    await lab.ok('arp -d 192.0.2.2');
    await lab.sh('ping -c 1 -t 1 192.0.2.2');
    expect(await lab.ok('arp -an')).toContain('(192.0.2.2) at (incomplete)');
    expect(await answered('ping -6 -c 1 -t 1 2001:db8::1')).toBe(false);
  });
});

describe('its undoing', () => {
  beforeEach(async () => {
    await run(SEQUENCE);
    await run(['tc qdisc change dev ifb0 root plug block']);
  });

  it('in Xen\'s order: from the first step to the last the machine is cut off', async () => {
    await answered();
    await run(['ip link set ifb0 down']);
    expect([await answered(), await held()]).toEqual([false, 0]);
    await run(['tc qdisc del dev ifb0 root']);
    expect(await answered()).toBe(false);
    expect(await lab.ok('tc -s filter show dev vif1.0 parent ffff:')).toContain('(dropped 0, overlimits 2 requeues 0)');
    expect(await lab.ok('tc -s qdisc show dev vif1.0 ingress')).toContain('(dropped 2, overlimits 0 requeues 0)');
    await run(['tc qdisc del dev vif1.0 ingress']);
    expect(await answered()).toBe(true);
  });

  it('in ours: everything passes, then nothing is led to the ifb, then the ifb goes; the machine is never cut off', async () => {
    const steps = ['tc qdisc change dev ifb0 root plug release_indefinite', 'tc qdisc del dev vif1.0 ingress', 'tc qdisc del dev ifb0 root', 'ip link set ifb0 down', 'ip link del ifb0'];
    for (const step of steps) {
      await run([step]);
      expect(await answered(), step).toBe(true);
    }
    expect(lab.kernel.audit().unaccounted.packets).toBe(0);
  });

  it('when the interface, or the ifb, is gone already', async () => {
    await answered();
    await lab.ok('ip link del ifb0');
    expect(await lab.ok('tc filter show dev vif1.0 parent ffff:')).toContain('Redirect to device *');
    expect(await answered()).toBe(false);
    await run(['tc qdisc del dev vif1.0 ingress']);
    expect(await answered()).toBe(true);
    await run(['ip link add ifb0 type ifb', ...SEQUENCE]);
    await answered();
    await lab.ok('ifconfig vif1.0 destroy');
    expect(await held()).toBe(0);
    await run(['ip link set ifb0 down', 'tc qdisc del dev ifb0 root']);
    expect((await lab.sh('tc qdisc del dev vif1.0 ingress')).stderr).toBe('Cannot find device "vif1.0"\n');
    expect(lab.kernel.audit().unaccounted.packets).toBe(0);
  });
});
