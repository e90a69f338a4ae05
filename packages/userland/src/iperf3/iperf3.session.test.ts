/**
 * iperf3.session.test.ts — iperf3 against itself between two jails: what it measures, what it prints, how it ends.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import type { Ran, Running } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
const inB = { jail: 'b' };

beforeEach(async () => {
  lab = new ToolLab();
  await lab.ok('jail -c name=a persist vnet');
  await lab.ok('jail -c name=b persist vnet');
  joinJails(lab, 'a', 'b', 'sim0', { delayUs: 1_000, bitsPerSec: 10_000_000 });
  await lab.ok('ifconfig sim0 192.0.2.1/24', inA);
  await lab.ok('ifconfig sim0 192.0.2.2/24', inB);
  await lab.ok('ifconfig sim0 inet6 2001:db8::1/64 no_dad', inA);
  await lab.ok('ifconfig sim0 inet6 2001:db8::2/64 no_dad', inB);
  await lab.advance(3_000_000);
});

/** A server in b and a client in a, each to its end. */
async function measure(client: string, server = 'iperf3 -s -1'): Promise<{ client: Ran; server: Ran }> {
  const running = lab.start(server, inB);
  await lab.advance(10_000);
  const ran = await lab.sh(`iperf3 ${client}`, inA);
  await lab.advance(5_000_000);
  return { client: ran, server: await running.done };
}

describe('TCP', () => {
  test.each(['-t 2', '-t 2 -P 2', '-t 2 -R', '-t 2 --bidir', '-n 100K -i 0', '-t 3 -O 1', '-t 2 -b 1M -l 4K -V', '-t 1 --get-server-output -6 -c 2001:db8::2', '-u -t 2', '-u -t 2 -R', '-u -t 2 --bidir -b 500K', '-u -t 1 -P 2 -b 20M'])('%s', async (o) => {
    const { client, server } = await measure(o.includes('-c') ? o : `-c 192.0.2.2 ${o}`);
    console.log(client.stdout + client.stderr + server.stdout + server.stderr);
    expect(client.exit).toBe(0);
  });
});
