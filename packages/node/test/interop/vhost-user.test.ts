/**
 * vhost-user.test.ts — real guests of QEMU on vhost-user ports, joined by a bridge: they ping, iperf3 measures, they are killed and come back.
 */
import { expect } from 'vitest';
import { withPortLab } from '../port-lab.js';
import type { PortLab } from '../port-lab.js';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import type { Guest, GuestSpec } from './guest/guest.js';

const MEMORY_MB = 192;

/** A guest on the vhost-user port of `ifname`, with the address 10.0.0.`n`. */
function guestOn(lab: PortLab, ifname: string, n: number): GuestSpec {
  return {
    memoryMb: MEMORY_MB,
    machine: 'pc,memory-backend=mem',
    // QEMU 7.2 without KVM cannot do a vhost-user card's message-signalled interrupts.
    nics: [{ netdev: 'vhost-user,chardev=wire', device: 'virtio-net-pci,vectors=0' }],
    args: ['-object', `memory-backend-memfd,id=mem,size=${MEMORY_MB}M,share=on`, '-chardev', `socket,id=wire,path=${lab.path(ifname)},reconnect=1`],
    image: { programs: ['iperf3'], script: `ip addr add 10.0.0.${n}/24 dev eth0; ip link set eth0 up` },
  };
}

async function withPair(body: (lab: PortLab, specs: readonly [GuestSpec, GuestSpec]) => Promise<void>): Promise<void> {
  await withPortLab(async (lab) => {
    for (const ifname of ['tap0', 'tap1']) await lab.attach(ifname, `vhost-user:${lab.path(ifname)}`);
    await body(lab, [guestOn(lab, 'tap0', 1), guestOn(lab, 'tap1', 2)]);
  });
}

/** Megabits a second that arrive at `server`. */
async function iperf(server: Guest, client: Guest, address: string, ...options: readonly string[]): Promise<number> {
  const [, report] = await Promise.all([server.ok('iperf3 -s -1'), client.ok(`iperf3 -c ${address} -t 2 -J --connect-timeout 10000 ${options.join(' ')}`)]);
  return (JSON.parse(report) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second / 1e6;
}

peer('guest', 'iperf3')('two guests ping each other and carry iperf3 both ways', { timeout: 240_000 }, () => withPair((lab, specs) => withGuests(specs, async (a, b) => {
  expect(await b.ok('ping -c 5 10.0.0.1')).toMatch(/5 packets received, 0% packet loss/);
  expect(await iperf(a, b, '10.0.0.1')).toBeGreaterThan(1);
  expect(await iperf(a, b, '10.0.0.1', '-R')).toBeGreaterThan(1);
  const { state, fromGuest, toGuest, vhostUser } = await lab.port('tap0');
  expect(state).toBe('connected');
  expect(vhostUser).toMatchObject({ driver: true, broken: 0, refused: 0, tooLong: 0 });
  // Segments cross uncut: far fewer frames than the bytes would be at 1500 each.
  expect(fromGuest.bytes / fromGuest.frames).toBeGreaterThan(3_000);
  expect(toGuest.bytes / toGuest.frames).toBeGreaterThan(3_000);
})));
