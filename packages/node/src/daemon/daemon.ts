/**
 * daemon.ts — the daemon: a Kernel behind a Unix socket.
 *
 * Read first: http-routes.ts (what can be asked), exec-stream.ts (how tools run), loop.ts (time).
 *
 * Theory of operation. `startDaemon` claims the socket, boots a Kernel on the host loop and serves HTTP. An upgraded connection becomes one tool
 * call. `close` is the only way down: no new calls, processes ended, every jail and vnet torn down, devices let go, socket removed; it
 * resolves when nothing is left and may be called again.
 * A crash of a tool, or of a turn of the kernel, is logged and answered; it does not end the daemon.
 *
 * Invariants: the socket exists exactly while the daemon serves. Nothing here reads the clock.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Kernel, VNET0_NAME } from '@netloom/core';
import type { LogLevel } from '@netloom/core';
import { tools } from '@netloom/userland';
import type { Tool } from '@netloom/userland';
import fastifySwagger from '@fastify/swagger';
import fastify from 'fastify';
import type { FastifyBaseLogger, FastifyError, FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { DestinationStream, Level, Logger } from 'pino';
import { addGatewayRoutes } from '../gateway/gateway-routes.js';
import { Gateways } from '../gateway/gateways.js';
import { runGatewayCommand } from '../gateway/gateway-command.js';
import { HOST_VNET, LOOPBACK } from '../lab/lab-model.js';
import type { CommandResult } from '../lab/lab-run.js';
import { HostLoop } from '../loop.js';
import { runProtectCommand } from '../protect/protect-lab-command.js';
import { protectMetrics } from '../protect/protect-metrics.js';
import { addProtectRoutes } from '../protect/protect-routes.js';
import { diskFolder, Protections } from '../protect/protections.js';
import { BackupDoor } from '../protect/wire/backup-door.js';
import { consoleUpgrade } from '../vm/console-upgrade.js';
import { daemonVms, vmTools } from '../vm/daemon-vms.js';
import { runVmCommand } from '../vm/vm-lab-commands.js';
import { addVmRoutes, listVms } from '../vm/vm-routes.js';
import type { Vms } from '../vm/vms.js';
import { Attachments } from './attachments.js';
import { captureTool } from './capture-tool.js';
import { DaemonDatapath } from './daemon-datapath.js';
import type { FrameIoWish } from '../datapath/io/choose-io.js';
import { datapathMetrics } from './datapath-metrics.js';
import { addDatapathRoutes } from './datapath-routes.js';
import { DevdSocket } from './devd-socket.js';
import { addEventRoutes } from './event-routes.js';
import { execBuffered } from './exec-buffer.js';
import { EXEC_UPGRADE } from './exec-protocol.js';
import { ExecService } from './exec-service.js';
import { serveExecStream } from './exec-stream.js';
import { addRoutes } from './http-routes.js';
import { kernelTopology } from './kernel-topology.js';
import { Labs } from './labs.js';
import { TeardownTraces } from './teardown-traces.js';
import { serveUpgrades } from './upgrades.js';
import type { UpgradeProtocol } from './upgrades.js';
import { addMetricsRoute } from './metrics-route.js';
import { addMoveRoutes } from './move-records.js';
import { claimSocket, withPrivateUmask } from './socket-claim.js';
import { version } from './version.js';

/** Largest request: a lab. */
const BODY_MAX = 8 * 1024 * 1024;
/** After the processes have ended, clients get this long to take their exit codes. */
const LINGER_MS = 200;

const LOG_LEVELS: Readonly<Record<LogLevel, Level>> = { debug: 'debug', info: 'info', notice: 'info', warning: 'warn', err: 'error' };

export interface DaemonOptions {
  readonly socketPath: string;
  /** Least level that is logged. Default warn. */
  readonly logLevel?: string;
  /** Where the log goes; default standard error. */
  readonly logTo?: DestinationStream;
  /** Seed of the kernel's random choices; default from the host. */
  readonly seed?: number;
  /** What clients may run; default userland's registry. */
  readonly tools?: Readonly<Record<string, Tool>>;
  /** Datapath workers; default none: the control thread forwards. */
  readonly workers?: number;
  /** How they read and write. Default `auto`: by io_uring where the kernel has it. */
  readonly frameIo?: FrameIoWish;
  /** HOST:PORT where other daemons bring machines that this one keeps; default: by its socket only. */
  readonly backupListen?: string;
  /** The file of the key that they must have. */
  readonly backupKey?: string;
}

export interface Daemon {
  readonly socketPath: string;
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly labs: Labs;
  readonly datapath: DaemonDatapath;
  readonly service: ExecService;
  readonly vms: Vms;
  readonly protections: Protections;
  readonly log: Logger;
  /** Where other daemons bring machines. */
  readonly backupDoor: BackupDoor;
  /** Serves devd's clients at a Unix socket of their own, until the daemon ends. Rejects with SocketClaimError when it cannot be had. */
  serveDevd(path: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a daemon. Rejects with SocketClaimError when a socket cannot be had. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  await claimSocket(options.socketPath);
  const log = pino({ level: options.logLevel ?? 'warn', base: null }, options.logTo ?? pino.destination({ fd: 2, sync: true }));
  const loop = new HostLoop((error) => log.error({ err: error }, 'a turn of the kernel failed'));
  const workers = options.workers ?? 0;
  let ending = false;
  const kernel = new Kernel({
    seed: options.seed ?? randomInt(2 ** 32),
    hostId: hostId(options.socketPath),
    bootWallUs: loop.bootWallUs,
    // What becomes of interfaces when everything goes is nobody's concern; what breaks is.
    log: (level, vnet, message) => log[ending && level !== 'err' ? 'info' : LOG_LEVELS[level]](vnet === '' ? {} : { vnet: vnet === VNET0_NAME ? HOST_VNET : vnet }, message),
    wake: () => loop.wake(),
    datapath: workers > 0 ? 'shared' : 'inline',
  });
  loop.attach(kernel);
  const gateways = new Gateways(kernel, loop);
  const vms = daemonVms(kernel, loop, log, options.socketPath, gateways, (vnet, argv) => runTool(service, vnet, argv));
  const service = new ExecService(kernel, loop, { ...(options.tools ?? tools), 'netloom-capture': captureTool, ...vmTools(vms) }, log);
  const traces = new TeardownTraces(kernel, loop);
  const datapath = new DaemonDatapath(kernel, loop, log, workers, options.frameIo);
  const attachments = new Attachments(kernel, loop, log, datapath);
  await configureLoopback(service);
  const protections = new Protections({ kernel, loop, log, vms, socketPath: options.socketPath, diskFolder: diskFolder(options.socketPath) });
  const labs = new Labs((argv) => runForLab(service, { attachments, vms, gateways, protections }, argv));
  const httpLog: FastifyBaseLogger = log;
  const app: FastifyInstance = fastify({ loggerInstance: httpLog, bodyLimit: BODY_MAX, forceCloseConnections: true });
  await app.register(fastifySwagger, { openapi: { openapi: '3.1.0', info: { title: 'Netloom daemon', version, description: 'Vnets, tools and labs of one daemon, over its Unix socket.' } } });
  setErrors(app);
  addEventRoutes(app, kernel, loop);
  addMoveRoutes(app, kernel, loop);
  addVmRoutes(app, vms);
  addGatewayRoutes(app, gateways);
  addDatapathRoutes(app, () => datapath.view);
  addProtectRoutes(app, protections);
  addMetricsRoute(app, [() => datapathMetrics(datapath.view), () => protectMetrics(protections.list())]);
  addRoutes(app, { service, labs, attachments, traces, version, topology: () => kernelTopology(kernel, attachments, listVms(vms)) });
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger());
  const backupDoor = new BackupDoor();
  backupDoor.onBackupConnection = (kind, stream, from) => protections.connected(kind, stream, from);
  backupDoor.onRefused = (from, why) => log.warn({ from, why }, 'a daemon that brings a machine has not the key');
  const streams = serveUpgrades(app, [execUpgrade(service), consoleUpgrade(vms), backupDoor.upgrade]);
  await app.ready();
  await withPrivateUmask(() => app.listen({ path: options.socketPath }));
  let devd: DevdSocket | null = null;
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    service.table.killAll();
    await new Promise((resolve) => setTimeout(resolve, streams.size > 0 ? LINGER_MS : 0));
    for (const stream of streams) stream.destroy();
    await protections.close();
    await app.close();
    await backupDoor.close();
    await devd?.close();
    await vms.close();
    await attachments.close();
    await datapath.close();
    gateways.close();
    ending = true;
    kernel.shutdown();
    loop.close();
  };
  const serveDevd = async (path: string): Promise<void> => {
    await devd?.close();
    devd = null;
    devd = await DevdSocket.listen(path, kernel, log);
  };
  try {
    if (options.backupListen !== undefined) await backupDoor.listen(options.backupListen, options.backupKey);
  } catch (error) {
    await close();
    throw error;
  }
  return { socketPath: options.socketPath, kernel, loop, labs, datapath, service, vms, protections, log, backupDoor, serveDevd, close: () => (closing ??= close()) };
}

/** What rc(8) does at boot: the host's own loopback answers. Vnets of jails begin without addresses. */
async function configureLoopback(service: ExecService): Promise<void> {
  if (service.findTool('ifconfig') === undefined) return;
  await execBuffered(service, { argv: ['ifconfig', 'lo0', 'inet', LOOPBACK], cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
}

/** Distinguishes this kernel's generated link addresses from those of other hosts and other daemons. */
function hostId(socketPath: string): string {
  let machine = hostname();
  try {
    machine = readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    // Not every system has one.
  }
  return `${machine}:${socketPath}`;
}

function setErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) request.log.error({ err: error }, 'a request failed');
    return reply.code(status).send({ error: { message: status >= 500 ? `internal error: ${error.message} (the daemon's log has more)` : error.message } });
  });
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ error: { message: `there is no ${request.method} ${request.url} (/v1/openapi.json tells what there is)` } }));
}

/** Streams of tools. */
function execUpgrade(service: ExecService): UpgradeProtocol {
  return {
    name: EXEC_UPGRADE,
    where: 'POST /v1/exec',
    serve: ({ method, url }) => (method === 'POST' && url === '/v1/exec' ? (socket, head) => serveExecStream(service, socket, head) : null),
  };
}

/** Runs a tool in a vnet to its end. */
function runTool(service: ExecService, vnet: string, argv: readonly string[]): Promise<CommandResult> {
  return execBuffered(service, { argv, cwd: '/', env: vnet === HOST_VNET ? {} : { NETLOOM_JAIL: vnet }, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
}

/** What a lab has beyond its stacks. */
interface LabHost {
  readonly attachments: Attachments;
  readonly vms: Vms;
  readonly gateways: Gateways;
  readonly protections: Protections;
}

/** Runs a command of a lab: a tool, or one of netloom's (`attach`, `vm`, `protect`, `gateway`), which only a daemon can do. */
async function runForLab(service: ExecService, { attachments, vms, gateways, protections }: LabHost, argv: readonly string[]): Promise<CommandResult> {
  if (argv[0] !== 'netloom') return runTool(service, HOST_VNET, argv);
  if (argv[1] === 'vm') return runVmCommand(vms, argv.slice(2));
  if (argv[1] === 'protect') return runProtectCommand(protections, argv.slice(2));
  if (argv[1] === 'gateway') return runGatewayCommand(gateways, argv.slice(2));
  const [vnet = '', ifname = ''] = (argv[2] ?? '').split(':');
  const error = await attachments.attach(vnet, ifname, argv[3] ?? '');
  return { exitCode: error === null ? 0 : 1, stdout: '', stderr: error ?? '' };
}
