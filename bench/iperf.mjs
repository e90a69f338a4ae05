/**
 * iperf.mjs — iperf3 between two namespaces: one run, its report.
 */

const SECONDS = '1';

/** @typedef {import('./netns.mjs').Netns} Netns */
/** @typedef {{ a: Netns, b: Netns, devices: [string, string] }} Ends two namespaces, and the device in each */

/**
 * One run of iperf3 from a to b; its report.
 * @param {Ends} ends @param {string} far the address of `b` @param {...string} args
 */
export async function iperf({ a, b }, far, ...args) {
  const server = b.spawn('iperf3', '-s', '-1', '--forceflush');
  const ended = new Promise((resolve) => server.once('close', resolve));
  await new Promise((resolve, reject) => {
    let heard = '';
    server.stdout.setEncoding('utf8').on('data', (text) => (heard += text).includes('listening') && resolve(null));
    void ended.then(() => reject(new Error('iperf3 does not listen')));
  });
  const report = JSON.parse(await a.run('timeout', '20', 'iperf3', '-c', far, '-t', SECONDS, '-J', ...args));
  await ended;
  return report.end;
}

/** Gigabits a second that arrived. @param {Ends} ends @param {string} far @param {...string} args */
export const tcp = async (ends, far, ...args) => (await iperf(ends, far, ...args)).sum_received.bits_per_second / 1e9;

/** The same with the ends doing what an interface could do for them. @param {Ends} ends @param {string} far @param {...string} args */
export async function tcpMtu(ends, far, ...args) {
  for (const [ns, device] of /** @type {const} */ ([[ends.a, ends.devices[0]], [ends.b, ends.devices[1]]])) {
    await ns.run('ethtool', '-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off');
  }
  return tcp(ends, far, ...args);
}
