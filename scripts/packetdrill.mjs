/**
 * packetdrill.mjs — `npm run packetdrill -- FILE...`: packet scripts against our stack, in virtual time.
 * Read first: docs/packetdrill.md.
 *
 * A FILE is a script or a folder of them; none is our own suite. A script runs over IPv4 and IPv6 unless it says otherwise. Each ends as
 * passed, failed (the stack did something else than the script says) or unsupported (the script says something that the runner does not
 * know: the line, and what it is). The exit code is 1 when one failed; with `--strict`, and for our own suite, also when one is unsupported.
 *
 * Not here: the language and the runner (packages/core/src/sim/packetdrill).
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { setup } from './setup.mjs';
import { root } from './steps.mjs';

/** Where our own scripts are. */
export const SUITE = join(root, 'packages/core/test/pkt');

const USAGE = `usage: npm run packetdrill -- [OPTION...] [FILE...]
  FILE                 a script, or a folder of scripts (*.pkt); none: our own suite, ${relative(root, SUITE)}
  --ip_version=V       ipv4, ipv4-mapped-ipv6 or ipv6, for scripts that do not say; may be given more than once (default: ipv4 and ipv6)
  --define NAME=VALUE  replaces a word in the scripts
  --OPTION=VALUE       an option of packetdrill for all scripts; a script's own are over it: --tolerance_usecs=10000, --mtu=1280, --local_ip=192.0.2.1
  --any_syn_options    options of SYNs are not compared: for scripts written for another system
  --strict             as for our own suite: no tolerance unless the script gives one, echoed timestamps are compared, and a packet that
                       the script has not expected at its end is a failure; unsupported is a failure
  --verbose, -v        every packet and call with its time
  --json               one object: the counts, and each run
  --help               this

  npm run packetdrill                                        our own suite
  npm run packetdrill -- --any_syn_options ~/packetdrill/gtests/net/tcp       Google's scripts, for Linux
  npm run packetdrill -- -v --ip_version=ipv6 some.pkt       one, over IPv6, packet by packet`;

/** Options of packetdrill with a value that may be given for all scripts. */
const PASSED_ON = ['tolerance_usecs', 'tolerance_percent', 'mtu', 'local_ip', 'remote_ip', 'gateway_ip', 'netmask_ip', 'bind_port', 'connect_port', 'tcp_ts_tick_usecs', 'non_fatal', 'define'];
const PASSED_ON_FLAGS = ['strict_segments', 'tcp_ts_ecr_scaled', 'any_syn_options'];

/**
 * The scripts that a name stands for: itself, or those in a folder.
 * @param {string} path
 * @returns {string[]}
 */
export function scriptFiles(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pkt'))
    .map((name) => join(path, name))
    .sort();
}

/** @typedef {import('@netloom/core/sim').ScriptOutcome & { file: string }} FileOutcome */

/**
 * Runs files.
 * @param {readonly string[]} files
 * @param {import('@netloom/core/sim').RunOptions} options
 * @param {(outcome: FileOutcome) => void} report
 */
export async function runFiles(files, options, report) {
  const { runScript } = await import('@netloom/core/sim');
  for (const file of files) for (const outcome of runScript(readFileSync(file, 'utf8'), options)) report({ ...outcome, file });
}

function parse() {
  const text = /** @type {const} */ ({ type: 'string' });
  const flag = /** @type {const} */ ({ type: 'boolean' });
  return parseArgs({
    allowPositionals: true,
    options: {
      ip_version: { type: 'string', multiple: true },
      strict: flag,
      verbose: { type: 'boolean', short: 'v' },
      json: flag,
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(PASSED_ON.map((name) => [name, text])),
      ...Object.fromEntries(PASSED_ON_FLAGS.map((name) => [name, flag])),
    },
  });
}

/** @param {FileOutcome} outcome @param {boolean} verbose */
function print({ file, status, ipVersion, line, message, log }, verbose) {
  const name = relative(process.cwd(), file);
  const over = ipVersion === null ? '' : ` (${ipVersion})`;
  if (verbose) for (const entry of log) console.log(`    ${entry}`);
  console.log(`  ${status.padEnd(11)} ${name}${over}`);
  if (status !== 'passed') console.log(`    ${name}:${line}: ${message.replaceAll('\n', '\n    ')}`);
}

async function main() {
  let words;
  try {
    words = parse();
  } catch (error) {
    console.error(`packetdrill: ${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 64;
  }
  const { positionals } = words;
  const values = /** @type {Record<string, any>} */ (words.values);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const options = new Map();
  for (const name of [...PASSED_ON, ...PASSED_ON_FLAGS]) if (values[name] !== undefined) options.set(name, values[name] === true ? '' : values[name]);
  if (!(await setup(values.json ? process.stderr : process.stdout))) return 1;
  const { IP_VERSIONS } = await import('@netloom/core/sim');
  const unknown = (values.ip_version ?? []).find((/** @type {any} */ v) => !IP_VERSIONS.includes(v));
  if (unknown !== undefined) {
    console.error(`packetdrill: --ip_version=${unknown}: write ${IP_VERSIONS.join(', ')}`);
    return 64;
  }
  /** @type {string[]} */
  let files;
  try {
    files = (positionals.length === 0 ? [SUITE] : positionals).flatMap(scriptFiles);
  } catch (error) {
    console.error(`packetdrill: ${error instanceof Error ? error.message : error}`);
    return 66;
  }
  const strict = values.strict === true || positionals.length === 0;
  /** @type {FileOutcome[]} */
  const outcomes = [];
  await runFiles(files, { options, strict, ...(values.ip_version === undefined ? {} : { ipVersions: values.ip_version }) }, (outcome) => {
    outcomes.push(outcome);
    if (!values.json) print(outcome, values.verbose === true);
  });
  const count = (/** @type {string} */ wanted) => outcomes.filter(({ status }) => status === wanted).length;
  const [passed, failed, unsupported] = [count('passed'), count('failed'), count('unsupported')];
  if (values.json) console.log(JSON.stringify({ files: files.length, passed, failed, unsupported, runs: outcomes.map(({ log, ...o }) => (values.verbose ? { ...o, log } : o)) }, null, 2));
  else console.log(`${files.length} scripts: ${passed} passed, ${failed} failed, ${unsupported} unsupported`);
  return failed > 0 || (strict && unsupported > 0) ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
