/**
 * netbuf-guest.ts — the program in the guest of netbuf-kernel.test.ts: network buffers on a kernel with everything, told from within; it prints JSON.
 *
 *     node netbuf-guest.js missing | rows | life | pool | die STEP
 *
 * The guest has two cables, vif1.0 to peer1 and vif2.0 to peer2, and two ifbs.
 */
import { writeSync } from 'node:fs';
import { deleteLink, getLink, listFilters, listLinks, listQdiscs, NetbufRecords, Netbufs, NetlinkSocket, NetworkBuffer, setLink, TCQ_PLUG_LIMIT } from '../../../src/netbuf/index.js';
import type { NetbufRecord } from '../../../src/netbuf/index.js';
import { FRAME, PLUG_ROWS } from '../../netbuf/plug-rows.js';
import type { PlugAct, PlugRow, Seen } from '../../netbuf/plug-rows.js';
import { ETHERTYPE, FrameGun } from './frame-gun.js';

const socket = new NetlinkSocket();
const LOOKS = 1_000;
const ETHERTYPES = [0x0800, 0x0806, 0x86dd, ETHERTYPE];

const link = (name: string): { index: number; name: string } => getLink(socket, name)!;
const tick = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 2));

/** Looks until what is seen is what is expected, or for two seconds; what is seen then. */
async function until<T>(expected: T, look: () => T): Promise<T> {
  let seen = look();
  for (let i = 0; i < LOOKS && JSON.stringify(seen) !== JSON.stringify(expected); i++) {
    await tick();
    seen = look();
  }
  return seen;
}

/** All that the kernel has of qdiscs and filters, but for its own. */
function state(): string[] {
  const qdiscs = listQdiscs(socket).filter(({ handle }) => handle !== 0);
  const name = (index: number): string => getLink(socket, index)?.name ?? '?';
  return [
    ...listLinks(socket).filter(({ kind }) => kind === 'ifb').map(({ name: ifb, isUp }) => `${ifb} ${isUp ? 'up' : 'down'}`),
    ...qdiscs.map(({ ifindex, kind }) => `${kind} at ${name(ifindex)}`),
    ...qdiscs.filter(({ kind }) => kind === 'ingress').flatMap(({ ifindex, handle }) => listFilters(socket, link(name(ifindex)), handle).flatMap(({ kind, redirectIndex }) => (redirectIndex === null ? [] : [`${kind} to ${name(redirectIndex)}`]))),
    ...new NetbufRecords().list().map(({ vif, ifb }) => `record of ${vif.name} at ${ifb.name}`),
  ];
}

async function failing(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'no failure';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Modules are not there: what is said, and what is left. */
async function missing(): Promise<unknown> {
  const netbufs = new Netbufs();
  const steps: string[] = [];
  const message = await failing(() => netbufs.install('vif1.0', { progress: (text) => steps.push(text) }));
  return { message, steps, state: state() };
}

/** One row, on a buffer of its own. */
async function play(row: PlugRow, gun: FrameGun): Promise<Seen[]> {
  const netbufs = new Netbufs();
  const { record } = await netbufs.install('vif1.0', { limitBytes: row.limitBytes });
  const peer = link('peer1').index;
  const plug = (): { packets: number; queuedPackets: number; drops: number } => listQdiscs(socket, record.ifb).find(({ kind }) => kind === 'plug')!;
  let { packets, drops } = plug();
  const seen: Seen[] = [];
  for (const [act, expected] of row.script) {
    told(netbufs, record, act, gun, peer);
    const now = await until(expected, (): Seen => [plug().packets - packets, plug().queuedPackets, plug().drops - drops]);
    ({ packets, drops } = plug());
    seen.push(now);
  }
  await netbufs.uninstall('vif1.0');
  netbufs.close();
  return seen;
}

function told(netbufs: Netbufs, record: NetbufRecord, act: PlugAct, gun: FrameGun, peer: number): void {
  if (act === 'down') {
    setLink(socket, record.ifb, { up: false });
    setLink(socket, record.ifb, { up: true });
  } else if (typeof act === 'string') netbufs.control('vif1.0', act);
  else if ('limit' in act) netbufs.tell(record, TCQ_PLUG_LIMIT, act.limit);
  else gun.send(peer, act.send, FRAME);
}

async function rows(): Promise<unknown> {
  const gun = new FrameGun();
  const answers: Record<string, Seen[]> = {};
  for (const row of PLUG_ROWS) answers[row.name] = await play(row, gun);
  return { rows: answers, state: state() };
}

/** A buffer's life under traffic: a frame after each step, all protocols held, one that is put in another's place, one whose machine goes. */
async function life(): Promise<unknown> {
  const gun = new FrameGun();
  const stack = FrameGun.at(link('vif1.0').index);
  const peer = link('peer1').index;
  let sent = 0;
  const fire = (): void => {
    gun.send(peer, 1, FRAME);
    sent++;
  };
  const got = { n: 0 };
  const counted = (): number => (got.n += stack.count());
  const netbufs = new Netbufs();
  const answers: Record<string, unknown> = { before: state() };

  fire();
  await netbufs.install('vif1.0', { progress: fire });
  answers['installed'] = state();
  // After the last step's progress one is held; all before it came through.
  answers['sentAndGot'] = [sent, await until(sent - 1, counted), await until(1, () => netbufs.list()[0]!.held.packets)];
  await netbufs.uninstall('vif1.0', { release: true, progress: fire });
  answers['afterRelease'] = [sent, await until(sent, counted)];
  answers['uninstalled'] = state();

  const output = await NetworkBuffer.install('vif1.0');
  for (const ethertype of ETHERTYPES) gun.send(peer, 1, FRAME, ethertype);
  answers['protocolsHeld'] = (await until({ packets: 4, bytes: 4 * FRAME }, () => output.held)).packets;
  output.buffer();
  const again = await NetworkBuffer.install('vif1.0');
  answers['renewed'] = [again.held.packets, state()];
  gun.send(peer, 2, FRAME);
  await until(2, () => again.held.packets);
  again.buffer();
  gun.send(peer, 1, FRAME);
  await until(3, () => again.held.packets);
  again.release();
  answers['releasedByNew'] = [await until(1, () => again.held.packets), await until(sent + 2, counted) - sent];
  again.releaseAll();
  again.buffer();
  answers['held'] = again.held.packets;
  answers['twice'] = await failing(async () => again.buffer());
  answers['replaced'] = await failing(async () => output.release());
  gun.send(peer, 2, FRAME);
  await until(2, () => again.held.packets);
  const { packets, bytes } = (await again.uninstall())!;
  fire();
  answers['dropped'] = { packets, bytes, got: await until(sent + 3, counted) - sent };
  answers['end'] = state();
  return answers;
}

/** Two at once; one too many; an interface that goes under a buffer. */
async function pool(): Promise<unknown> {
  const [a, b] = [new Netbufs(), new Netbufs()];
  const both = await Promise.all([a.install('vif1.0'), b.install('vif2.0')]);
  const answers: Record<string, unknown> = { taken: both.map(({ record }) => [record.vif.name, record.ifb.name]), full: await failing(() => a.install('peer1')) };
  deleteLink(socket, link('vif2.0'));
  answers['gone'] = a.list().map(({ vif, missing: what }) => [vif, what]);
  await a.uninstall('vif2.0');
  await a.uninstall('ifb0');
  answers['end'] = state();
  return answers;
}

/** Cleans up behind who died before, says what is left then, and dies itself after a step of an installation. */
async function die(): Promise<unknown> {
  const netbufs = new Netbufs();
  const found = state();
  const removed = await netbufs.uninstall('vif1.0');
  writeSync(1, `${JSON.stringify({ found, removed: removed !== null, left: state() })}\n`);
  let steps = Number(process.argv[3]);
  await netbufs.install('vif1.0', { progress: () => (--steps === 0 ? void process.kill(process.pid, 'SIGKILL') : undefined) });
  return 'alive';
}

const what: Readonly<Record<string, () => Promise<unknown>>> = { missing, rows, life, pool, die };
process.stdout.write(`${JSON.stringify(await what[process.argv[2]!]!())}\n`);
