/**
 * ng-generic.ts — the messages that every node understands: mkpeer, connect, listhooks …
 * Read first: netgraph(4) "Generic control messages"; `sys/netgraph/ng_message.h` for the structures.
 *
 * Invariant: a structure of the wrong length is refused (EINVAL) before anything is done.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOSYS } from '../base/errno.js';
import { NGM_HASREPLY, NGM_READONLY, NG_MESG_HDRSIZ, NgMessage } from './ng-message.js';
import type { Hook, NgCmd, NgNode, NgType } from './ng-node.js';
import { ngCmd } from './ng-node.js';
import { ngPath2Node } from './ng-path.js';
import {
  ngArray, ngByteArray, ngBytesText, ngCmdBuf, ngDecode, ngEncode, ngHint32, ngHookBuf, ngLengthField, ngNodeBuf, ngPathBuf, ngString, ngStruct, ngTextBytes, ngTypeBuf, ngUint8,
  ngUint16, ngUint32,
} from './ng-parse.js';
import type { NgParseType } from './ng-parse.js';

export const NGM_GENERIC_COOKIE = 1_137_070_366;
export const NGM_SHUTDOWN = 1;
export const NGM_MKPEER = 2;
export const NGM_CONNECT = 3;
export const NGM_NAME = 4;
export const NGM_RMHOOK = 5;
const RO_REPLY = NGM_READONLY | NGM_HASREPLY;
export const NGM_NODEINFO = 6 | RO_REPLY;
export const NGM_LISTHOOKS = 7 | RO_REPLY;
export const NGM_LISTNAMES = 8 | RO_REPLY;
export const NGM_LISTNODES = 9 | RO_REPLY;
export const NGM_LISTTYPES = 10 | RO_REPLY;
export const NGM_TEXT_STATUS = 11 | RO_REPLY;
export const NGM_BINARY2ASCII = 12 | RO_REPLY;
export const NGM_ASCII2BINARY = 13 | RO_REPLY;
export const NGM_TEXT_CONFIG = 14;

/** Messages that go along hooks and tell of links and queues. */
export const NGM_FLOW_COOKIE = 851_672_669;
export const NGM_LINK_IS_UP = 32;
export const NGM_LINK_IS_DOWN = 33;
export const NGM_HIGH_WATER_PASSED = 34;
export const NGM_LOW_WATER_PASSED = 35;

export const NG_TEXTRESPONSE = 1_024;

export const ngMkpeerType = ngStruct({ type: ngTypeBuf, ourhook: ngHookBuf, peerhook: ngHookBuf });
export const ngConnectType = ngStruct({ path: ngPathBuf, ourhook: ngHookBuf, peerhook: ngHookBuf });
export const ngNameType = ngStruct({ name: ngNodeBuf });
export const ngRmhookType = ngStruct({ hook: ngHookBuf });

export interface NgNodeinfo {
  readonly name: string;
  readonly type: string;
  readonly id: number;
  readonly hooks: number;
}
export interface NgLinkinfo {
  readonly ourhook: string;
  readonly peerhook: string;
  readonly nodeinfo: NgNodeinfo;
}
export interface NgHooklist {
  readonly nodeinfo: NgNodeinfo;
  readonly linkinfo: readonly NgLinkinfo[];
}

export const ngNodeinfoType = ngStruct<NgNodeinfo>({ name: ngNodeBuf, type: ngTypeBuf, id: ngHint32, hooks: ngUint32 });
const linkinfoType = ngStruct<NgLinkinfo>({ ourhook: ngHookBuf, peerhook: ngHookBuf, nodeinfo: ngNodeinfoType });
export const ngHooklistType = ngStruct<NgHooklist>({
  nodeinfo: ngNodeinfoType,
  linkinfo: ngArray(linkinfoType, (parent) => hookCount(parent.nodeinfo)),
});
export const ngNamelistType = ngStruct({ numnames: ngUint32, nodeinfo: ngArray(ngNodeinfoType, ngLengthField('numnames')) });
export const ngTypelistType = ngStruct({
  numtypes: ngUint32,
  typeinfo: ngArray(ngStruct({ typename: ngTypeBuf, numnodes: ngUint32 }), ngLengthField('numtypes')),
});

function hookCount(nodeinfo: unknown): number {
  return typeof nodeinfo === 'object' && nodeinfo !== null && 'hooks' in nodeinfo && typeof nodeinfo.hooks === 'number' ? nodeinfo.hooks : 0;
}

/** A message within a message: with its arguments in their ASCII form, or in their binary. */
function mesgType<T>(data: NgParseType<T>): NgParseType<object> {
  return ngStruct<object>({
    version: ngUint8, spare: ngUint8, spare2: ngUint16, arglen: ngUint32, cmd: ngUint32, flags: ngHint32, token: ngUint32, typecookie: ngUint32, cmdstr: ngCmdBuf, data,
  });
}
const mesgText = mesgType(ngString);
const mesgBytes = mesgType(ngByteArray(ngLengthField('arglen')));

export const NG_GENERIC_CMDS: readonly NgCmd[] = [
  ngCmd(NGM_SHUTDOWN, 'shutdown'),
  ngCmd(NGM_MKPEER, 'mkpeer', ngMkpeerType),
  ngCmd(NGM_CONNECT, 'connect', ngConnectType),
  ngCmd(NGM_NAME, 'name', ngNameType),
  ngCmd(NGM_RMHOOK, 'rmhook', ngRmhookType),
  ngCmd(NGM_NODEINFO, 'nodeinfo', null, ngNodeinfoType),
  ngCmd(NGM_LISTHOOKS, 'listhooks', null, ngHooklistType),
  ngCmd(NGM_LISTNAMES, 'listnames', null, ngNamelistType),
  ngCmd(NGM_LISTNODES, 'listnodes', null, ngNamelistType),
  ngCmd(NGM_LISTTYPES, 'listtypes', null, ngTypelistType),
  ngCmd(NGM_TEXT_CONFIG, 'textconfig', null, ngString),
  ngCmd(NGM_TEXT_STATUS, 'textstatus', null, ngString),
  ngCmd(NGM_BINARY2ASCII, 'binary2ascii', mesgBytes, mesgText),
  ngCmd(NGM_ASCII2BINARY, 'ascii2binary', mesgText, mesgBytes),
];

export function ngNodeinfo(node: NgNode): NgNodeinfo {
  return { name: node.name ?? '', type: node.type.name, id: node.id, hooks: node.hooks.length };
}

/** A generic message for `here`, which is entered. */
export function ngGenericMsg(here: NgNode, msg: NgMessage, lasthook: Hook | null): Errno {
  const { graph } = here;
  switch (msg.cmd) {
    case NGM_SHUTDOWN:
      graph.rmnode(here);
      return 0;
    case NGM_MKPEER: {
      const args = ngDecode(ngMkpeerType, msg.args);
      return args === null ? EINVAL : graph.mkpeer(here, args.ourhook, args.peerhook, args.type);
    }
    case NGM_CONNECT: {
      const args = ngDecode(ngConnectType, msg.args);
      if (args === null) return EINVAL;
      const found = ngPath2Node(graph, here, args.path);
      return found.node === null ? found.error : graph.connect(here, args.ourhook, found.node, args.peerhook);
    }
    case NGM_NAME: {
      const args = ngDecode(ngNameType, msg.args);
      return args === null ? EINVAL : graph.nameNode(here, args.name);
    }
    case NGM_RMHOOK: {
      const args = ngDecode(ngRmhookType, msg.args);
      if (args === null) return EINVAL;
      const hook = here.findHook(args.hook);
      if (hook !== null) graph.rmhook(hook);
      return 0;
    }
    case NGM_TEXT_CONFIG:
    case NGM_TEXT_STATUS:
      return here.ops.rcvmsg?.(msg, lasthook) ?? EINVAL;
    case NGM_BINARY2ASCII:
      return binary2ascii(here, msg);
    case NGM_ASCII2BINARY:
      return ascii2binary(here, msg);
    default:
      return listing(here, msg);
  }
}

function listing(here: NgNode, msg: NgMessage): Errno {
  const { graph } = here;
  const answer = <T>(type: NgParseType<T>, value: T): Errno => graph.respond(here, msg, ngEncode(type, value));
  switch (msg.cmd) {
    case NGM_NODEINFO:
      return answer(ngNodeinfoType, ngNodeinfo(here));
    case NGM_LISTHOOKS: {
      const linkinfo: NgLinkinfo[] = [];
      for (const { name, peer, isValid } of here.hooks) if (isValid && peer !== null) linkinfo.push({ ourhook: name, peerhook: peer.name, nodeinfo: ngNodeinfo(peer.node) });
      return answer(ngHooklistType, { nodeinfo: { ...ngNodeinfo(here), hooks: linkinfo.length }, linkinfo });
    }
    case NGM_LISTNAMES:
    case NGM_LISTNODES: {
      const nodes = msg.cmd === NGM_LISTNODES ? graph.nodes() : graph.namedNodes();
      return answer(ngNamelistType, { numnames: nodes.length, nodeinfo: nodes.map(ngNodeinfo) });
    }
    case NGM_LISTTYPES: {
      const typeinfo = graph.types.map((type) => ({ typename: type.name, numnodes: graph.nodeCount(type) }));
      return answer(ngTypelistType, { numtypes: typeinfo.length, typeinfo });
    }
    default:
      return EINVAL;
  }
}

/** The command of a type, or the generic one, that `is` it. */
function commandOf(type: NgType, is: (cmd: NgCmd, cookie: number) => boolean): { readonly cmd: NgCmd; readonly cookie: number } | null {
  for (const cmd of type.cmds) if (is(cmd, type.cookie)) return { cmd, cookie: type.cookie };
  for (const cmd of NG_GENERIC_CMDS) if (is(cmd, NGM_GENERIC_COOKIE)) return { cmd, cookie: NGM_GENERIC_COOKIE };
  return null;
}

function binary2ascii(here: NgNode, msg: NgMessage): Errno {
  const inner = NgMessage.decode(msg.args);
  if (inner === null) return EINVAL;
  const found = commandOf(here.type, (cmd, cookie) => cookie === inner.typecookie && cmd.cmd === inner.cmd);
  if (found === null) return ENOSYS;
  const codec = inner.isResponse ? found.cmd.reply : found.cmd.args;
  const text = codec === null ? { error: 0, value: '' } as const : codec.unparse(inner.args);
  if (text.value === null) return text.error;
  const { typecookie, cmd, flags, token } = inner;
  const ascii = new NgMessage({ typecookie, cmd, flags, token, cmdstr: found.cmd.name }, ngTextBytes(`${text.value}\0`));
  return here.graph.respond(here, msg, ascii.encode());
}

function ascii2binary(here: NgNode, msg: NgMessage): Errno {
  const inner = NgMessage.decode(msg.args);
  if (inner === null || msg.args.length <= NG_MESG_HDRSIZ || inner.args.at(-1) !== 0) return EINVAL;
  const found = commandOf(here.type, (cmd) => cmd.name === inner.cmdstr);
  if (found === null) return ENOSYS;
  const { args } = found.cmd;
  const bytes = args === null ? { error: 0, value: new Uint8Array(0) } as const : args.parse(ngBytesText(inner.args));
  if (bytes.value === null) return bytes.error;
  const binary = new NgMessage({ typecookie: found.cookie, cmd: found.cmd.cmd, flags: inner.flags, token: inner.token, cmdstr: found.cmd.name }, bytes.value);
  return here.graph.respond(here, msg, binary.encode());
}
