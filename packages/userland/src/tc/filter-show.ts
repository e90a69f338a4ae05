/**
 * filter-show.ts — tc filter show: filters and what they do, as text and as JSON.
 * Read first: iproute2's `tc/tc_filter.c`, `f_u32.c`, `f_matchall.c`, `m_mirred.c`.
 *
 * A list is shown by a line of its own first, and u32's table by another. What was given as a condition is not repeated.
 */
import { TC_ACT_SHOT, TC_ACT_STOLEN, U32_TABLE, filterList } from '@netloom/core';
import type { TcAction, TcFilter, TcProto, U32Key } from '@netloom/core';
import type { FilterWanted } from './filter-commands.js';
import { statsJson, statsText } from './qdisc-commands.js';
import { EXIT_USAGE, EXIT_WRONG } from './tc-args.js';
import { printJson } from './tc-context.js';
import type { TcContext } from './tc-context.js';
import { classidText, protocolText, u32HandleText } from './tc-id.js';

const US_PER_SEC = 1_000_000;

export function showFilters(cx: TcContext, w: FilterWanted): number {
  const { p } = cx;
  if (w.dev === '') {
    p.err('Must specify netdevice "dev" or block index "block"\n');
    return EXIT_USAGE;
  }
  const ifp = p.vnet.net.ifunit(w.dev);
  if (ifp === null) {
    p.err(`Cannot find device "${w.dev}"\n`);
    return EXIT_WRONG;
  }
  const protos = filterList(ifp, w.parent).filter((f) => (w.prio === 0 || f.prio === w.prio) && (w.protocol === 0 || f.protocol === w.protocol));
  if (cx.json) printJson(cx, protos.flatMap((proto) => protoJson(cx, w, proto)));
  else for (const proto of protos) p.out(protoText(cx, w, proto));
  return 0;
}

function protoText(cx: TcContext, w: FilterWanted, proto: TcProto): string {
  const protocol = w.protocol !== 0 ? '' : `protocol ${protocolText(proto.protocol)} `;
  const head = `filter ${protocol}${w.prio !== 0 ? '' : `pref ${proto.prio} `}${proto.kind} chain 0 `;
  const table = proto.kind === 'u32' ? `${head}fh ${u32HandleText(U32_TABLE)} ht divisor 1 \n` : '';
  return `${head}\n${table}${proto.filters.map((filter) => `${head}${filterText(cx, filter)}\n`).join('')}`;
}

function filterText(cx: TcContext, filter: TcFilter): string {
  const { match, actions, classid, handle } = filter;
  const flow = classid === 0 ? '' : `flowid ${classidText(classid)} `;
  const acts = actions.map((action, i) => actionText(cx, action, i + 1)).join('');
  if (match === null) return `handle 0x${handle.toString(16)} ${flow}\n  not_in_hw${acts}`;
  const hits = cx.stats ? `(rule hit ${match.rcnt} success ${match.rhit})` : '';
  const terminal = classid === 0 && actions.length > 0 ? 'terminal flowid ' : '';
  const keys = match.keys.map((key, i) => `\n  match ${hex8(key.val)}/${hex8(key.mask)} at ${key.nexthdr ? 'nexthdr+' : ''}${key.off}${cx.stats ? ` (success ${match.kcnts[i]} ) ` : ''}`);
  return `fh ${u32HandleText(handle)} order ${handle % 0x1000} key ht 800 bkt 0 ${flow}${terminal}not_in_hw ${hits}${keys.join('')}${acts}`;
}

function hex8(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

function actionName(action: TcAction): string {
  return action.verdict === TC_ACT_SHOT ? 'drop' : action.verdict === TC_ACT_STOLEN ? 'stolen' : action.kind === 'mirred' ? 'pipe' : 'pass';
}

function actionText(cx: TcContext, action: TcAction, order: number): string {
  const how = actionName(action);
  const head = `\n\taction order ${order}: `;
  const numbers = `index ${action.index} ref 1 bind 1${cx.stats ? times(cx, action) : ''}\n`;
  const what = action.kind === 'gact'
    ? `gact action ${how}\n\t random type none pass val 0\n\t ${numbers}`
    : `mirred (Egress ${how === 'stolen' ? 'Redirect' : 'Mirror'} to device ${action.to?.xname ?? '*'}) ${how}\n\t${numbers}`;
  return `${head}${what}${cx.stats ? `\tAction statistics:\n${statsText(actionStats(action), '\t')}\n` : ''}`;
}

function actionStats({ bytes, packets, drops, overlimits }: TcAction): { sentBytes: number; sentPackets: number; dropPackets: number; overlimits: number; bytes: number; packets: number } {
  return { sentBytes: bytes, sentPackets: packets, dropPackets: drops, overlimits, bytes: 0, packets: 0 };
}

/** Whole seconds since it was made, and since a packet came last and first; what is 0 is left out. */
function times({ p }: TcContext, { installed, lastUse, firstUse }: TcAction): string {
  const since = (at: number): number => Math.floor((p.now() - at) / US_PER_SEC);
  const word = (name: string, sec: number): string => (sec > 0 ? ` ${name} ${sec} sec` : '');
  return word('installed', since(installed)) + word('used', since(lastUse < 0 ? installed : lastUse)) + word('firstused', firstUse < 0 ? 0 : since(firstUse));
}

function protoJson(cx: TcContext, w: FilterWanted, proto: TcProto): object[] {
  const head = {
    ...(w.protocol !== 0 ? {} : { protocol: protocolText(proto.protocol) }),
    ...(w.prio !== 0 ? {} : { pref: proto.prio }), kind: proto.kind, chain: 0,
  };
  const table = proto.kind === 'u32' ? [{ ...head, options: { fh: u32HandleText(U32_TABLE), ht_divisor: 1 } }] : [];
  return [head, ...table, ...proto.filters.map((filter) => ({ ...head, options: filterJson(cx, filter) }))];
}

function filterJson(cx: TcContext, { match, actions, classid, handle }: TcFilter): object {
  const flow = classid === 0 ? {} : { flowid: classidText(classid) };
  const acts = actions.length === 0 ? {} : { actions: actions.map((action, i) => actionJson(cx, action, i + 1)) };
  if (match === null) return { handle, ...flow, not_in_hw: true, ...acts };
  const hits = cx.stats ? { rule_hit: match.rcnt, success: match.rhit } : {};
  return { fh: u32HandleText(handle), order: handle % 0x1000, key_ht: '800', bkt: '0', ...flow, not_in_hw: true, ...hits, match: match.keys.map((key) => keyJson(key)), ...acts };
}

function keyJson({ val, mask, off, nexthdr }: U32Key): object {
  return { value: (val >>> 0).toString(16), mask: (mask >>> 0).toString(16), offmask: nexthdr ? 'nexthdr+' : '', off };
}

function actionJson(cx: TcContext, action: TcAction, order: number): object {
  const mirred = action.kind === 'mirred' ? { mirred_action: action.verdict === TC_ACT_STOLEN ? 'redirect' : 'mirror', direction: 'egress', to_dev: action.to?.xname ?? '*' } : {};
  return {
    order, kind: action.kind, ...mirred, control_action: { type: actionName(action) }, index: action.index, ref: 1, bind: 1,
    ...(cx.stats ? { stats: statsJson(actionStats(action)) } : {}),
  };
}
