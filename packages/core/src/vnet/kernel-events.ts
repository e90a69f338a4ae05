/**
 * kernel-events.ts — what only the host is told: vnets come and go step by step, jails are made, renamed, removed, interfaces move.
 * Read first: kern/devctl.ts; docs/events.md, "Netloom's own".
 *
 * Theory of operation. These are calls of kernel.ts, and listeners of the tree of prisons and of the journal of moves. They name jails as seen from outside all of
 * them, which is why no vnet's own stream has them.
 * CREATE of a vnet comes before the events of the interfaces it is made with; whoever reads the stream outside a call of the Kernel
 * finds the vnet complete. After GONE nothing comes of a vnet but that its jail is GONE too.
 */
import { errnoName } from '../base/errno.js';
import { devctlAnnounce } from '../kern/devctl.js';
import type { DevctlData } from '../kern/devctl.js';
import type { Prison, PrisonEvent, PrisonTree } from '../kern/prison.js';
import type { VnetSysinit, VnetSysinitTable } from '../kern/vnet-sysinit.js';
import type { MoveJournal, MoveRecord } from '../net/move-journal.js';
import type { Vnet } from './vnet.js';

function tellVnet(vnet: Vnet, type: string, data: DevctlData): void {
  devctlAnnounce(vnet.kern, 'VNET', vnet.name, type, data);
}

export function tellVnetCreated(vnet: Vnet): void {
  tellVnet(vnet, 'CREATE', { id: String(vnet.kern.id) });
}

export function tellVnetGone(vnet: Vnet): void {
  tellVnet(vnet, 'GONE', { id: String(vnet.kern.id) });
}

export function tellVnetPanic(vnet: Vnet, message: string): void {
  tellVnet(vnet, 'PANIC', { message });
}

/** Tells of each step of a teardown, its beginning and its end. */
export class TeardownTeller {
  private readonly vnet: Vnet;
  private readonly table: VnetSysinitTable<Vnet>;
  private under: VnetSysinit<Vnet> | null = null;

  constructor(vnet: Vnet, table: VnetSysinitTable<Vnet>) {
    this.vnet = vnet;
    this.table = table;
  }

  /** `step` begins, and with that the one before it has ended. Null: there is no other. */
  step(step: VnetSysinit<Vnet> | null): void {
    if (this.under !== null) tellVnet(this.vnet, 'STEP_END', this.table.toldOf(this.under).end);
    this.under = step;
    if (step !== null) tellVnet(this.vnet, 'STEP_BEGIN', this.table.toldOf(step).begin);
  }
}

/** Tells of jails from now on, and lets a vnet's name follow its jail's. */
export function tellOfPrisons(tree: PrisonTree<Vnet>): void {
  tree.onEvent = (event, prison, was) => {
    const name = prison.nameFrom(tree.prison0);
    if (event === 'RENAME') {
      devctlAnnounce(prison.vnet.kern, 'JAIL', was, 'RENAME', { jid: String(prison.jid), name });
      for (const p of [prison, ...prison.descendants()]) if (p.ownsVnet) p.vnet.kern.name = p.nameFrom(tree.prison0);
      return;
    }
    devctlAnnounce(prison.vnet.kern, 'JAIL', name, event, jailData(event, prison));
  };
}

/** Tells of moves: each record of the journal is an event of the vnet the interface went to, or was to go to. */
export function tellOfMoves(journal: MoveJournal, vnets: readonly Vnet[], vnet0: Vnet): void {
  journal.onMove.register((r) => {
    const origin = vnets.find((v) => v.name === r.to) ?? vnet0;
    const data = { how: r.how, from: r.from, to: r.to, home: r.home, index: String(r.index) };
    const plain = r.error === 0 && r.by === 'instance' && r.newName === r.name;
    devctlAnnounce(origin.kern, 'MOVE', r.name, r.error === 0 ? 'COMMITTED' : 'FAILED', plain ? data : { ...data, ...unusual(r) });
  });
}

function unusual({ error, by, name, newName }: MoveRecord): Readonly<Record<string, string>> {
  return { ...(newName === name ? {} : { renamed: newName }), ...(by === 'instance' ? {} : { by }), ...(error === 0 ? {} : { error: errnoName(error) }) };
}

function jailData(event: PrisonEvent, prison: Prison<Vnet>): Readonly<Record<string, string>> {
  const jid = String(prison.jid);
  return event === 'CREATE' ? { jid, vnet: prison.ownsVnet ? 'new' : 'inherit' } : { jid };
}
