/**
 * iperf3.ts — `iperf3`: how much goes through, over TCP and UDP.
 * Read first: iperf3(1); iperf-test.ts for how a test goes, docs/iperf3.md.
 *
 * The protocol and the output are those of iperf 3.12, so that either end may be the real one.
 */
import { ToolExit, progname, toolMain, usage } from '../err.js';
import type { Proc } from '../proc.js';
import { ToolInterrupted, ToolWait } from '../tool-wait.js';
import { runClient } from './iperf-client.js';
import { IperfError, iperfError } from './iperf-error.js';
import { IPERF_USAGE, ParameterError, parseIperf } from './iperf-options.js';
import type { IperfOptions } from './iperf-options.js';
import type { IperfReporter } from './iperf-reporter.js';
import type { IperfRun } from './iperf-run.js';
import { IperfServer } from './iperf-server.js';
import { IPERF_VERSION } from './iperf-settings.js';
import { CLIENT_TERMINATE, SERVER_TERMINATE, TEST_RUNNING } from './iperf-test.js';
import { JsonReporter } from './report-json.js';
import { TextReporter } from './report-text.js';
import { systemInfo } from './system-info.js';

function parse(p: Proc): IperfOptions {
  try {
    return parseIperf(p);
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    const said = error.usage ? error.message : `parameter error - ${error.message}`;
    return usage(p, 1, `${progname(p)}: ${said}\n\n${IPERF_USAGE}`);
  }
}

function reporterFor(p: Proc, o: IperfOptions): IperfReporter {
  const reporter = o.json ? new JsonReporter(p) : new TextReporter(p, o.format, o.verbose);
  if (o.role === 'client') reporter.setTitle(o.settings.title);
  return reporter;
}

/** A signal ends the test: what there is is reported, and the other side is told. */
async function interrupted(run: IperfRun): Promise<void> {
  const { p, o, test, control } = run;
  run.wait.resume();
  const client = o.role === 'client';
  if (test !== null && test.streams.length > 0 && (client || test.state === TEST_RUNNING)) {
    if (!test.done) test.end(p.now());
    run.reporter.results(test);
  }
  if (control !== null) await control.sendState(client ? CLIENT_TERMINATE : SERVER_TERMINATE).catch(() => undefined);
  test?.closeStreams();
  run.reporter.error(`interrupt - ${iperfError(client ? 'CLIENTTERM' : 'SERVERTERM').message}`);
}

async function client(run: IperfRun): Promise<number> {
  let error: IperfError | null = null;
  try {
    await runClient(run);
  } catch (e) {
    if (!(e instanceof IperfError)) throw e;
    error = e;
    run.test?.closeStreams();
    run.control?.so.close();
    run.reporter.error(run.o.json ? e.message : `error - ${e.message}`);
  }
  run.reporter.finish(run.test, error === null);
  return error === null ? 0 : 1;
}

async function server(run: IperfRun): Promise<number> {
  try {
    return await new IperfServer(run, () => reporterFor(run.p, run.o)).serve();
  } catch (e) {
    if (!(e instanceof IperfError)) throw e;
    run.reporter.error(`error - ${e.message}`);
    run.reporter.finish(null, false);
    return 1;
  }
}

export const iperf3 = toolMain(async (p) => {
  const o = parse(p);
  if (o.show === 'help') {
    p.out(IPERF_USAGE);
    return 0;
  }
  if (o.show === 'version') {
    p.out(`iperf ${IPERF_VERSION}\n${systemInfo(p)}\n`);
    return 0;
  }
  const run: IperfRun = { p, o, wait: new ToolWait(p, ['INT', 'TERM', 'HUP']), reporter: reporterFor(p, o), test: null, control: null };
  try {
    return await (o.role === 'client' ? client(run) : server(run));
  } catch (e) {
    if (e instanceof ToolExit || !(e instanceof ToolInterrupted)) throw e;
    await interrupted(run);
    run.reporter.finish(run.test, false);
    return 1;
  }
});
