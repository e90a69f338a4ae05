/**
 * vlan.ts — `vlan T`, `vlandev P`, `vlanproto X`, `vlanpcp N`, `-vlandev`, before and after a vlan is made.
 * Read first: ifconfig(8) "vlan", vlan(4).
 *
 * Theory of operation. The binding is set when tag and parent are known: at `vlan`, the parent being the one given or the one the vlan has now;
 * at `vlandev`, when the tag was given before. A name `em0.5` says both. On an interface that is no vlan, or one whose binding the caller may
 * not see, the words collect and come to nothing, which is an error when only one of the two was given.
 */
import { EINVAL, EPERM, vlanConfig, vlanInfo, vlanSetPcp, vlanUnconfig } from '@netloom/core';
import type { CloneParams, Ifnet } from '@netloom/core';
import { ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '@netloom/core/wire';
import { request } from './if-request.js';
import { NOTAG, parseUnsigned, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const PCP_MAX = 7;
const U16_MAX = 0xffff;
/** Largest tag a name may have. */
const NAME_TAG_MAX = 0xffe;

/** Sets what was collected, once it is complete. */
function setVlan(cx: Invocation): void {
  const { tag, parent, proto } = cx.vlan;
  if (tag === NOTAG || parent === '') return;
  cx.check('SIOCSETVLAN', request(cx, (ifp) => vlanConfig(ifp, parent, tag, proto)));
}

/** Fills in what the words did not say from what the vlan has now; false when there is nothing to see. */
function complete(cx: Invocation): boolean {
  const { ifp, vlan } = cx;
  const info = ifp === null ? null : vlanInfo(ifp);
  if (info === null) return false;
  if (info.parent === null) return true;
  if (vlan.tag === NOTAG) vlan.tag = info.tag;
  if (vlan.parent === '') vlan.parent = info.parent;
  if (vlan.proto === 0) vlan.proto = info.proto;
  return true;
}

function setTag(cx: Invocation, value: string): void {
  const tag = parseUnsigned(value);
  if (tag === null) return cx.errx('invalid value for vlan');
  if (tag < 0 || tag > U16_MAX) cx.errx('value for vlan out of range');
  cx.vlan.tag = tag;
  if (complete(cx)) setVlan(cx);
}

function setDevice(cx: Invocation, parent: string): void {
  cx.vlan.parent = parent;
  if (cx.ifp !== null && vlanInfo(cx.ifp) !== null) setVlan(cx);
}

function setProto(cx: Invocation, value: string): void {
  const text = value.toLowerCase();
  const proto = text.startsWith('802.1q') ? ETHERTYPE_VLAN : text.startsWith('802.1ad') || text.startsWith('qinq') ? ETHERTYPE_QINQ : 0;
  if (proto === 0) cx.errx('invalid value for vlanproto');
  cx.vlan.proto = proto;
  if (complete(cx)) setVlan(cx);
}

function setPcp(cx: Invocation, value: string): void {
  const pcp = parseUnsigned(value);
  if (pcp === null) return cx.errx('invalid value for vlanpcp');
  if (pcp < 0 || pcp > PCP_MAX) cx.errx('value for vlanpcp out of range');
  cx.check('SIOCSVLANPCP', request(cx, (ifp) => vlanSetPcp(ifp, pcp)));
}

function unsetDevice(cx: Invocation): void {
  const { ifp } = cx;
  if (ifp !== null && vlanInfo(ifp) === null) cx.err('SIOCGETVLAN', ifp.cloner === 'vlan' ? EPERM : EINVAL);
  cx.check('SIOCSETVLAN', request(cx, vlanUnconfig));
  Object.assign(cx.vlan, { tag: NOTAG, parent: '', proto: 0 });
}

/** Words that count while a clone is being asked for. */
export const VLAN_CLONE_COMMANDS: readonly Command[] = [word1('vlan', setTag), word1('vlandev', setDevice), word1('vlanproto', setProto)];

export const VLAN_COMMANDS: readonly Command[] = [
  ...VLAN_CLONE_COMMANDS,
  word1('vlanpcp', setPcp),
  { name: '-vlandev', words: 'optional', run: unsetDevice },
];

/** Tag and parent out of `parent.tag`. */
function takeName(cx: Invocation, name: string): void {
  const dot = name.lastIndexOf('.');
  if (dot < 0) return;
  const digits = name.slice(dot + 1);
  const tag = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : NOTAG;
  if (tag > NAME_TAG_MAX) cx.errx('invalid vlan tag');
  const parent = name.slice(0, dot);
  const isOther = (cx.vlan.tag !== NOTAG && cx.vlan.tag !== tag) || (cx.vlan.parent !== '' && cx.vlan.parent !== parent);
  if (isOther) cx.errx('ambiguous vlan specification');
  Object.assign(cx.vlan, { tag, parent });
}

/** Parameters for making vlan `name`, null for none. */
export function vlanCloneParams(cx: Invocation, name: string): CloneParams | null {
  takeName(cx, name);
  const { tag, parent, proto } = cx.vlan;
  if (tag === NOTAG && parent === '') return null;
  if (tag === NOTAG) cx.errx('must specify a tag for vlan create');
  if (parent === '') cx.errx('must specify a parent device for vlan create');
  return { vlan: tag, vlandev: parent, vlanproto: proto };
}

/** For the end of the line: one without the other is a mistake. */
export function vlanBothGiven(cx: Invocation): void {
  if ((cx.vlan.tag !== NOTAG) !== (cx.vlan.parent !== '')) cx.errx('both vlan and vlandev must be specified');
}

export interface ShownVlan {
  readonly tag: number;
  /** `802.1q`, `802.1ad`, or the ethertype. */
  readonly proto: string;
  readonly pcp: number;
  /** `<none>` while it is not configured. */
  readonly parent: string;
}

/** What a vlan is bound to, in ifconfig's words; null for what is no vlan, or a borrowed one. */
export function shownVlan(ifp: Ifnet): ShownVlan | null {
  const info = vlanInfo(ifp);
  if (info === null) return null;
  const proto = info.proto === ETHERTYPE_VLAN ? '802.1q' : info.proto === ETHERTYPE_QINQ ? '802.1ad' : `0x${info.proto.toString(16).padStart(4, '0')}`;
  return { tag: info.tag, proto, pcp: info.pcp, parent: info.parent ?? '<none>' };
}

export function vlanStatus(cx: Invocation, ifp: Ifnet): void {
  const vlan = shownVlan(ifp);
  if (vlan !== null) cx.out(`\tvlan: ${vlan.tag} vlanproto: ${vlan.proto} vlanpcp: ${vlan.pcp} parent interface: ${vlan.parent}\n`);
}
