/**
 * delivery.mjs — `npm run delivery -- [--ops N] [--seed N] [--plant BUG]`: datapath workers forward while routes, neighbours and interfaces change at full rate.
 *
 * It ends with exit code 0 when no packet went to the wrong place, with 1 and the packets otherwise. The seed repeats the operations; what the workers see of them is the machine's.
 * `--plant reuse` uses again what was freed without waiting for the workers: then it must end with 1.
 *
 * What is done and how a wrong delivery is known: tools/torture/delivery.mjs.
 */
import { randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { commandLine } from './command-line.mjs';
import { setup } from './setup.mjs';
import { seconds } from './steps.mjs';

const OPERATIONS = 100_000;
const PLANTS = ['reuse'];
const USAGE = `usage: npm run delivery -- [--ops N] [--seed N] [--plant reuse]
  npm run delivery -- --ops 1000000 --seed 7`;

async function main() {
  const words = commandLine('delivery', USAGE, { ops: { type: 'string' }, seed: { type: 'string' }, plant: { type: 'string' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const [ops, seed] = [Number(values.ops ?? OPERATIONS), Number(values.seed ?? randomInt(2 ** 32 - 1))];
  if (positionals.length > 0 || ![ops, seed].every((n) => Number.isSafeInteger(n) && n >= 0) || !(values.plant === undefined || PLANTS.includes(values.plant))) {
    console.error(`delivery: "${[...positionals, ...Object.values(values)].join(' ')}" is no number of operations, seed or bug\n${USAGE}`);
    return 64;
  }
  if (!(await setup())) return 1;
  const { Delivery } = await import('../tools/torture/delivery.mjs');
  console.log(`seed ${seed}, ${ops} operations${values.plant === undefined ? '' : `, planted: ${values.plant}`}`);
  const start = performance.now();
  const delivery = new Delivery({ seed, plant: values.plant });
  await delivery.start();
  while (delivery.ops < ops && delivery.step());
  const reports = await delivery.end();
  const sum = (/** @type {(r: import('../tools/torture/delivery-worker.mjs').Report) => number} */ of) => reports.reduce((n, r) => n + of(r), 0);
  const wrong = reports.flatMap((r) => r.wrong);
  const share = (100 * sum((r) => r.sent)) / Math.max(1, sum((r) => r.frames));
  console.log(`  ${wrong.length === 0 ? 'ok    ' : 'FAILED'}  ${seconds(performance.now() - start)}  ${delivery.ops} operations, ${delivery.refused} refused; ${sum((r) => r.frames)} packets, ${share.toFixed(1)} % sent, ${sum((r) => r.dropped)} swallowed, ${sum((r) => r.proofs)} for destinations without a route; ${wrong.length} wrong deliveries`);
  for (const line of wrong) console.log(`  ${line}`);
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
