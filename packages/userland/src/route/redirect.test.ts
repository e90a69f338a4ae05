/**
 * redirect.test.ts — an ICMP redirect as its users see it: what FreeBSD's netinet/redirect.sh checks with a program of its own, and NetBSD's t_flags.
 */
import { expect, test } from 'vitest';
import { craftIp, ip4 } from '@netloom/core/sim';
import { icmp4PutSum, ip4Emit, macFormat } from '@netloom/core/wire';
import { twoJails } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

const ROUTER_MAC = '00:00:5e:00:53:42';

/** A redirect for `dst` to `gateway`, from `router` to 192.0.2.1. */
function redirect(router: string, dst: string, gateway: string, to: string): Uint8Array {
  const body = new Uint8Array(36);
  const v = new DataView(body.buffer);
  v.setUint16(0, 0x0501); // redirect for the host
  v.setUint32(4, ip4(gateway));
  ip4Emit(v, 8, 20, 0, 28, 1, 0, 64, 17, ip4('192.0.2.1'), ip4(dst));
  icmp4PutSum(v, 0, body.length);
  return craftIp({ src: ROUTER_MAC, dst: to }, { src: router, dst: '192.0.2.1', ttl: 255 }, body);
}

test('valid_redirect: a host route by the new router, told to route monitor, gone after redirtimeout', async () => {
  const lab = new ToolLab();
  const [ifp] = await twoJails(lab);
  const mac = macFormat(ifp.lladdr);
  const inA = { jail: 'a' };
  const bring = (frame: Uint8Array): void => {
    const m = lab.kernel.engine.pool.from(frame);
    if (m !== null) lab.kernel.input(ifp, m, lab.kernel.now);
    lab.kernel.settle();
  };
  await lab.ok(`arp -s 192.0.2.3 ${ROUTER_MAC}`, inA);
  await lab.ok('route add -net 198.51.100.0/24 192.0.2.3', inA);
  await lab.ok('sysctl net.inet.icmp.redirtimeout=5', inA);
  const monitor = lab.start('route -n monitor', inA);
  bring(redirect('192.0.2.3', '198.51.100.42', '192.0.2.4', mac));
  bring(redirect('192.0.2.9', '198.51.100.43', '192.0.2.4', mac));
  expect(await lab.session('$ route -n get 198.51.100.42\n$ netstat -rn4\n$ netstat -rs', inA)).toBe(`\
$ route -n get 198.51.100.42
   route to: 198.51.100.42
destination: 198.51.100.42
    gateway: 192.0.2.4
        fib: 0
  interface: sim0
      flags: <UP,GATEWAY,HOST,DYNAMIC,DONE>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1500         1         6 
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
198.51.100.0/24    192.0.2.3          UGS        sim0
198.51.100.42      192.0.2.4          UGHD       sim0      6
$ netstat -rs
routing:
	1 bad routing redirect
	1 dynamically created route
	0 new gateways due to redirects
	0 destinations found unreachable
`);
  expect(monitor.stdout).toContain('RTM_REDIRECT: Told to use different route:');
  expect(monitor.stdout).toContain('sockaddrs: <DST,GATEWAY,AUTHOR>\n 198.51.100.42 192.0.2.4 192.0.2.3\n');
  expect(monitor.stdout).toContain('errno 22');
  await lab.ok('route add -host 198.51.100.77 192.0.2.3', inA);
  bring(redirect('192.0.2.3', '198.51.100.77', '192.0.2.4', mac));
  expect(await lab.ok('netstat -rn4', inA)).toContain('198.51.100.77      192.0.2.4          UGHMS      sim0\n'.trimEnd());
  await lab.advance(7_000_000);
  const after = await lab.ok('netstat -rn4', inA);
  expect([after.includes('198.51.100.42'), after.includes('198.51.100.77')]).toEqual([false, true]);
});
