/**
 * lagg.ts — the words of lagg(4): ports, protocol, hash, options.
 * Read first: ifconfig(8) "Link Aggregation and Link Failover Parameters".
 *
 * Every word is one request of the lagg (core's net/lagg/lagg-control.ts). A port that cannot join is complained about and the words go on, so that
 * one broken interface does not keep a lagg from coming up; one that is a port already is no error.
 */
import {
  EEXIST, LAGG_F_HASHL2, LAGG_F_HASHL3, LAGG_F_HASHL4, LAGG_OPT_LACP_FAST_TIMO, LAGG_OPT_LACP_RXTEST, LAGG_OPT_LACP_STRICT, LAGG_OPT_LACP_TXTEST, LAGG_OPT_USE_FLOWID,
  LAGG_OPT_USE_NUMA, LAGG_PROTO_BROADCAST, LAGG_PROTO_DEFAULT, LAGG_PROTO_FAILOVER, LAGG_PROTO_LACP, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_NONE, LAGG_PROTO_ROUNDROBIN, laggAddPort,
  laggDeletePort, laggSetFlowidShift, laggSetHash, laggSetOption, laggSetProtocol, laggSetStride,
} from '@netloom/core';
import type { LaggProtoNumber } from '@netloom/core';
import { request } from './if-request.js';
import { atoi, word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** Protocols by the word for them; the first word for a number is the one shown. */
export const LAGG_PROTOS: readonly (readonly [name: string, proto: LaggProtoNumber])[] = [
  ['failover', LAGG_PROTO_FAILOVER],
  ['lacp', LAGG_PROTO_LACP],
  ['loadbalance', LAGG_PROTO_LOADBALANCE],
  ['roundrobin', LAGG_PROTO_ROUNDROBIN],
  ['broadcast', LAGG_PROTO_BROADCAST],
  ['none', LAGG_PROTO_NONE],
  ['default', LAGG_PROTO_DEFAULT],
];

/** Layers of the hash by the word for them. */
export const LAGG_HASHES: readonly (readonly [name: string, flag: number])[] = [['l2', LAGG_F_HASHL2], ['l3', LAGG_F_HASHL3], ['l4', LAGG_F_HASHL4]];

const FLOWID_SHIFT_MAX = 31;

function addPort(cx: Invocation, name: string): void {
  const error = request(cx, (ifp) => laggAddPort(ifp, name));
  if (error === 0 || error === EEXIST) return;
  cx.warn(`${cx.ifname} ${name}: SIOCSLAGGPORT`, error);
  cx.exitCode = 1;
}

function deletePort(cx: Invocation, name: string): void {
  cx.check('SIOCSLAGGDELPORT', request(cx, (ifp) => laggDeletePort(ifp, name)));
}

function setProto(cx: Invocation, value: string): void {
  const entry = LAGG_PROTOS.find(([name]) => name === value);
  if (entry === undefined) return cx.errx(`Invalid aggregation protocol: ${value}`);
  cx.check('SIOCSLAGG', request(cx, (ifp) => laggSetProtocol(ifp, entry[1])));
}

function setHash(cx: Invocation, value: string): void {
  let flags = 0;
  for (const layer of value.split(',')) {
    const entry = LAGG_HASHES.find(([name]) => name === layer);
    if (entry === undefined) return cx.errx(`Invalid lagghash option: ${layer}`);
    flags |= entry[1];
  }
  cx.check('SIOCSLAGGHASH', request(cx, (ifp) => laggSetHash(ifp, flags)));
}

function setFlowidShift(cx: Invocation, value: string): void {
  const shift = atoi(value);
  if (shift < 0 || shift > FLOWID_SHIFT_MAX) cx.errx(`Invalid flowid_shift option: ${value}`);
  cx.check('SIOCSLAGGOPTS', request(cx, (ifp) => laggSetFlowidShift(ifp, shift)));
}

function setStride(cx: Invocation, value: string): void {
  const stride = atoi(value) >>> 0;
  if (stride === 0) cx.errx(`Invalid round-robin stride: ${value}`);
  cx.check('SIOCSLAGGOPTS', request(cx, (ifp) => laggSetStride(ifp, stride)));
}

/** `name` and `-name`. */
function optionWords(name: string, option: number): Command[] {
  const set = (on: boolean) => (cx: Invocation): void => cx.check('SIOCSLAGGOPTS', request(cx, (ifp) => laggSetOption(ifp, option, on)));
  return [word(name, set(true)), word(`-${name}`, set(false))];
}

/** A lagg is made of Ethernet interfaces; there are no others it could be made of. */
function setType(cx: Invocation, value: string): void {
  if (value !== 'ethernet') cx.errx(`invalid lagg type: ${value}`);
}

/** Words that count while a clone is being asked for. */
export const LAGG_CLONE_COMMANDS: readonly Command[] = [word1('laggtype', setType)];

export const LAGG_COMMANDS: readonly Command[] = [
  word1('laggport', addPort),
  word1('-laggport', deletePort),
  word1('laggproto', setProto),
  word1('lagghash', setHash),
  ...optionWords('use_flowid', LAGG_OPT_USE_FLOWID),
  ...optionWords('use_numa', LAGG_OPT_USE_NUMA),
  ...optionWords('lacp_strict', LAGG_OPT_LACP_STRICT),
  ...optionWords('lacp_txtest', LAGG_OPT_LACP_TXTEST),
  ...optionWords('lacp_rxtest', LAGG_OPT_LACP_RXTEST),
  ...optionWords('lacp_fast_timeout', LAGG_OPT_LACP_FAST_TIMO),
  word1('flowid_shift', setFlowidShift),
  word1('rr_limit', setStride),
];
