/**
 * macfilter.ts — ng_macfilter(4): sorts frames by who sent them.
 * Read first: macfilter-table.ts.
 *
 * Theory of operation. A frame that comes in by `ether` goes out by the hook that the table has for its source, or by `default`. What comes in by
 * any other hook goes out by `ether`. Hooks have small numbers, 0 is `default`; an address that is directed to `default`, or to a hook that is not
 * there, is taken out of the table. A hook takes the addresses that are directed to it along when it goes.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { macHi, macLo, macOf } from '../../wire/addr.js';
import { ETHER_HDR_LEN, etherDhostHi, etherDhostLo, etherShostHi, etherShostLo } from '../../wire/ether.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngWireLen } from '../ng-offload.js';
import { ngArray, ngDecode, ngEnaddr, ngEncode, ngHookBuf, ngLengthField, ngStruct, ngUint16, ngUint32, ngUint64 } from '../ng-parse.js';
import { MacfilterTable } from './macfilter-table.js';

const NGM_MACFILTER_COOKIE = 1_042_445_461;
const NGM_MACFILTER_RESET = 1;
const NGM_MACFILTER_DIRECT = 2;
const NGM_MACFILTER_DIRECT_HOOKID = 3;
const NGM_MACFILTER_GET_MACS = 4;
const NGM_MACFILTER_GETCLR_MACS = 5;
const NGM_MACFILTER_CLR_MACS = 6;
const NGM_MACFILTER_GET_HOOKS = 7;

const DEFAULT_ID = 0;

const directType = ngStruct({ ether: ngEnaddr, hookname: ngHookBuf });
const directIdType = ngStruct({ ether: ngEnaddr, hookid: ngUint16 });
const macType = ngStruct({ ether: ngEnaddr, hookid: ngUint16, packets_in: ngUint64, bytes_in: ngUint64, packets_out: ngUint64, bytes_out: ngUint64 });
const macsType = ngStruct({ n: ngUint32, macs: ngArray(macType, ngLengthField('n')) });
const hookType = ngStruct({ hookname: ngHookBuf, hookid: ngUint16, maccnt: ngUint32 });
const hooksType = ngStruct({ n: ngUint32, hooks: ngArray(hookType, ngLengthField('n')) });

class MacfilterNode implements NgNodeOps {
  private readonly node: NgNode;
  private ether: Hook | null = null;
  /** The other hooks by number. */
  private readonly upper: (Hook | null)[] = [];
  private readonly table = new MacfilterTable();

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'ether') {
      this.ether = hook;
      return 0;
    }
    let id = DEFAULT_ID;
    if (name !== 'default') {
      for (id = DEFAULT_ID + 1; id < this.upper.length; id++) if (this.upper[id] === null) break;
    }
    while (this.upper.length <= id) this.upper.push(null);
    this.upper[id] = hook;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const to = hook === this.ether ? this.upperOf(m) : this.ether;
    if (to === null) return ngDrop(m, 0);
    if (to === this.ether) this.countOut(m);
    return this.node.graph.send(to, m);
  }

  /** The hook for a frame from below. */
  private upperOf(m: PacketBuffer): Hook | null {
    const { upper } = this;
    const mac = m.len < ETHER_HDR_LEN ? null : this.table.find(etherShostHi(m.view, m.off), etherShostLo(m.view, m.off));
    if (mac === null) return upper[DEFAULT_ID] ?? null;
    mac.packetsIn++;
    mac.bytesIn += ngWireLen(m) - ETHER_HDR_LEN;
    return upper[mac.hookid] ?? null;
  }

  private countOut(m: PacketBuffer): void {
    const mac = m.len < ETHER_HDR_LEN ? null : this.table.find(etherDhostHi(m.view, m.off), etherDhostLo(m.view, m.off));
    if (mac === null) return;
    mac.packetsOut++;
    mac.bytesOut += ngWireLen(m) - ETHER_HDR_LEN;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_MACFILTER_COOKIE) return EINVAL;
    const { node, table } = this;
    switch (msg.cmd) {
      case NGM_MACFILTER_RESET:
        table.macs = [];
        return 0;
      case NGM_MACFILTER_DIRECT: {
        const args = ngDecode(directType, msg.args);
        if (args === null) return EINVAL;
        const id = this.upper.findIndex((hook) => hook !== null && hook.name === args.hookname);
        table.direct(macHi(args.ether), macLo(args.ether), Math.max(id, DEFAULT_ID));
        return 0;
      }
      case NGM_MACFILTER_DIRECT_HOOKID: {
        const args = ngDecode(directIdType, msg.args);
        if (args === null || (this.upper[args.hookid] ?? null) === null) return EINVAL;
        table.direct(macHi(args.ether), macLo(args.ether), args.hookid);
        return 0;
      }
      case NGM_MACFILTER_GET_MACS:
      case NGM_MACFILTER_GETCLR_MACS: {
        const error = node.graph.respond(node, msg, this.macs());
        if (msg.cmd === NGM_MACFILTER_GETCLR_MACS) for (const mac of table.macs) mac.clear();
        return error;
      }
      case NGM_MACFILTER_CLR_MACS:
        for (const mac of table.macs) mac.clear();
        return 0;
      case NGM_MACFILTER_GET_HOOKS:
        return node.graph.respond(node, msg, this.hooks());
      default:
        return EINVAL;
    }
  }

  private macs(): Uint8Array {
    const macs = this.table.macs.map(({ hi, lo, hookid, packetsIn, bytesIn, packetsOut, bytesOut }) => (
      { ether: macOf(hi, lo), hookid, packets_in: packetsIn, bytes_in: bytesIn, packets_out: packetsOut, bytes_out: bytesOut }));
    return ngEncode(macsType, { n: macs.length, macs });
  }

  private hooks(): Uint8Array {
    const hooks: { readonly hookname: string; readonly hookid: number; readonly maccnt: number }[] = [];
    this.upper.forEach((hook, hookid) => {
      if (hook !== null) hooks.push({ hookname: hook.name, hookid, maccnt: this.table.countOf(hookid) });
    });
    return ngEncode(hooksType, { n: hooks.length, hooks });
  }

  disconnect(hook: Hook): void {
    const { upper } = this;
    const id = upper.indexOf(hook);
    if (hook === this.ether) this.ether = null;
    else if (id >= 0) {
      upper[id] = null;
      this.table.forget(id);
      while (upper.length > 0 && upper.at(-1) === null) upper.pop();
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const macfilterType: NgType = {
  name: 'macfilter',
  cookie: NGM_MACFILTER_COOKIE,
  cmds: [
    ngCmd(NGM_MACFILTER_RESET, 'reset'),
    ngCmd(NGM_MACFILTER_DIRECT, 'direct', directType),
    ngCmd(NGM_MACFILTER_DIRECT_HOOKID, 'directi', directIdType),
    ngCmd(NGM_MACFILTER_GET_MACS, 'getmacs', null, macsType),
    ngCmd(NGM_MACFILTER_GETCLR_MACS, 'getclrmacs', null, macsType),
    ngCmd(NGM_MACFILTER_CLR_MACS, 'clrmacs'),
    ngCmd(NGM_MACFILTER_GET_HOOKS, 'gethooks', null, hooksType),
  ],
  construct: (node) => new MacfilterNode(node),
};
