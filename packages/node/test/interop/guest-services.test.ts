/**
 * guest-services.test.ts — a real guest that knows nothing: it gets an address by DHCP and another from a router's advertisement, resolves a name, and fetches a file from
 * the host through a gateway.
 * Read first: guest/guest.ts; docs/dhcp.md, docs/dns.md, docs/gateway.md, docs/ipv6.md.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

/** What udhcpc runs when it has heard something: $1 says what, the rest is in the environment. */
const HEARD = `#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo "nameserver $dns" >/etc/resolv.conf
echo "search $domain" >>/etc/resolv.conf
`;

const SCRIPT = 'ip link set eth0 up; chmod +x /etc/heard; udhcpc -n -q -i eth0 -s /etc/heard -x hostname:alice';

/** A vnet with a tap that a guest may be plugged into, and everything a guest needs. */
async function serve(d: TestDaemon): Promise<void> {
  await d.vnet('r1');
  const tap = (await d.ok('r1', 'ifconfig', 'tap', 'create', 'inet', '10.0.2.2/24')).trim();
  await d.ok('r1', 'ifconfig', tap, 'inet6', 'fd00:2::2/64', 'up');
  await d.client.post('/v1/attachments', { vnet: 'r1', interface: tap, device: `stream:unix:${d.path('a')},server` });
  await d.client.post('/v1/gateways', { vnet: 'r1', interface: tap, forward: [] });
  await d.ok('r1', 'rtadvd', tap);
  await d.ok('r1', 'dhcpd', '-O', `authoritative; option domain-name-servers 10.0.2.2; option domain-name "netloom.internal";
    subnet 10.0.2.0 netmask 255.255.255.0 { range 10.0.2.100 10.0.2.120; option routers 10.0.2.2; }`, tap);
  await d.ok('r1', 'dnsd');
}

peer('guest')('a guest configures itself, resolves names, and fetches a file through the gateway', { timeout: 300_000 }, () => withDaemon(async (d) => {
  const data = randomBytes(2_000_000);
  const server = http.createServer((_request, response) => response.end(data)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await serve(d);
    const image = { script: SCRIPT, files: { '/etc/heard': HEARD } };
    await withGuests([{ nics: [{ netdev: `stream,addr.type=unix,addr.path=${d.path('a')}` }], image }], async (guest) => {
      expect(await guest.ok('ip -4 addr show eth0')).toMatch(/inet 10\.0\.2\.1\d\d\/24/);
      expect(await d.ok('r1', 'dhcpd', '-l')).toMatch(/^10\.0\.2\.1\d\d +52:54:00:[0-9a-f:]+ +active .* alice$/m);
      await guest.ok('until ip -6 addr show eth0 | grep -q "inet6 fd00:2:.*scope global"; do usleep 100000; done');
      expect(await guest.ok('ping -6 -c 1 fd00:2::2')).toContain('1 packets received');
      expect(await guest.ok('nslookup host.netloom.internal')).toContain('Address: 10.0.2.2');
      expect(await guest.ok('nslookup alice.netloom.internal')).toMatch(/Address: 10\.0\.2\.1\d\d/);
      const port = (server.address() as AddressInfo).port;
      const fetched = await guest.ok(`host=$(nslookup host.netloom.internal | sed -n 's/^Address: \\(10.*\\)/\\1/p'); wget -q -O - http://$host:${port}/file | sha256sum`);
      expect(fetched.split(' ')[0]).toBe(createHash('sha256').update(data).digest('hex'));
    });
  } finally {
    server.close();
  }
}));
