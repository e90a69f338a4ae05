/**
 * tap.bench.mjs — Linux to Linux through a router: two namespaces, and between them a vnet's router on two taps, or, as the peer, a third
 * namespace that forwards between two veth pairs. iperf3 and ping measure both alike.
 *
 *     namespace ── tap ── vnet r1 (this process, and a thread per tap) ── tap ── namespace
 *     namespace ── veth ── namespace r (the kernel) ── veth ── namespace
 *
 * `tcp` lets segments of up to 64 KB cross uncut, as both do by default; in `tcp-mtu` the ends cut them before, so that every 1514-byte frame is a
 * packet to forward; `udp` counts datagrams of 64 bytes that arrive while the sender sends what it can. `route6` is the same over IPv6. On a machine with
 * few processors the ends take their part of them, in both cases.
 */
import { withDaemon } from './daemon.mjs';
import { iperf, tcp, tcpMtu } from './iperf.mjs';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';
import { throughKernelRouter } from './switches.mjs';

/** @typedef {import('./netns.mjs').Netns} Netns */
/** @typedef {import('./iperf.mjs').Ends} Ends */
/** @typedef {'10.2.0.2' | 'fd00:2::2'} Far the address of `b` */

/**
 * Two namespaces and a vnet's router.
 * @param {(ends: Ends) => Promise<number>} body
 */
const throughVnet = (body) =>
  withNetns(2, (a, b) => withDaemon(async ({ client, tool }) => {
    await tool('jail', '-c', 'name=r1', 'vnet', 'persist');
    await tool('jexec', 'r1', 'sysctl', 'net.inet.ip.forwarding=1', 'net.inet6.ip6.forwarding=1', 'net.inet6.ip6.dad_count=0');
    /** @type {string[]} */
    const devices = [];
    for (const [i, ns] of [a, b].entries()) {
      const device = uniqueDevice();
      await tool('jexec', 'r1', 'ifconfig', `tap${i}`, 'create', 'inet', `10.${i + 1}.0.1/24`);
      await tool('jexec', 'r1', 'ifconfig', `tap${i}`, 'inet6', `fd00:${i + 1}::1/64`);
      await client.post('/v1/attachments', { vnet: 'r1', interface: `tap${i}`, device });
      ip('link', 'set', 'dev', device, 'netns', ns.name);
      ns.join(device, `10.${i + 1}.0.2/24`, `10.${i + 1}.0.1`);
      ns.join6(device, `fd00:${i + 1}::2/64`, `fd00:${i + 1}::1`);
      devices.push(device);
    }
    return await body({ a, b, devices: /** @type {[string, string]} */ (devices) });
  }));

/** Thousands of datagrams a second that arrived. @param {Ends} ends @param {Far} far */
async function udp(ends, far) {
  const { sum } = await iperf(ends, far, '-u', '-b', '0', '-l', '64');
  return (sum.packets - sum.lost_packets) / sum.seconds / 1e3;
}

/** Microseconds to there and back, the mean of 2000 one after the other. @param {Ends} ends @param {Far} far */
async function rtt({ a }, far) {
  await a.run('ping', '-q', '-n', '-c', '1', '-w', '8', far);
  const text = await a.run('ping', '-q', '-n', '-f', '-c', '2000', far);
  return Number(/ = [\d.]+\/([\d.]+)\//.exec(text)?.[1]) * 1e3;
}

const NAME = 'Linux router, veth';

/**
 * A row over IPv4, and one over IPv6.
 * @param {string} name @param {string} unit @param {(ends: Ends, far: Far) => Promise<number>} run @param {...string} programs
 */
const against = (name, unit, run, ...programs) =>
  /** @type {const} */ ([['route', '10.2.0.2'], ['route6', 'fd00:2::2']]).map(([route, far]) => {
    /** @param {Ends} ends */
    const body = (ends) => run(ends, far);
    const peer = { name: NAME, measure: () => throughKernelRouter(body) };
    return { name: `tap/${route}-${name}`, unit, lacking: () => lackingNetns(...programs), measure: () => throughVnet(body), peer };
  });

export const benchmarks = [
  against('tcp', 'Gbit/s', tcp, 'iperf3', 'timeout'),
  against('tcp-mtu', 'Gbit/s', tcpMtu, 'iperf3', 'timeout', 'ethtool'),
  against('udp', 'kpps', udp, 'iperf3', 'timeout'),
  against('rtt', 'us', rtt, 'ping'),
].flat();
