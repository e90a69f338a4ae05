/**
 * tag.ts — ng_tag(4): looks for tags of packets, takes them off, and puts them on.
 * Read first: mbuf/packet-tag.ts.
 *
 * Theory of operation. Each hook is told which tag to look for in what comes in there (`sethookin`), and where packets with it and without it go; and
 * which tag is put on what goes out there (`sethookout`). A tag is found when cookie and id are its, and its data begins with that given. Zero for both
 * finds nothing, and puts nothing on. The hooks named have to be there when they are named: nobody looks for them later.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { PacketTag } from '../../mbuf/packet-tag.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import {
  ngByteArray, ngBytesText, ngDecodeHead, ngEncode, ngHookBuf, ngLengthField, ngStruct, ngUint16, ngUint32, ngUint8,
} from '../ng-parse.js';

const NGM_TAG_COOKIE = 1_149_771_193;
const NGM_TAG_SET_HOOKIN = 1;
const NGM_TAG_GET_HOOKIN = 2;
const NGM_TAG_SET_HOOKOUT = 3;
const NGM_TAG_GET_HOOKOUT = 4;

interface TagLook {
  readonly tag_cookie: number;
  readonly tag_id: number;
  readonly tag_len: number;
  readonly tag_data: Uint8Array;
}
interface TagHookin extends TagLook {
  readonly thisHook: string;
  readonly ifMatch: string;
  readonly ifNotMatch: string;
  readonly strip: number;
}
interface TagHookout extends TagLook {
  readonly thisHook: string;
}

const tagData = ngByteArray(ngLengthField('tag_len'));
const hookinType = ngStruct<TagHookin>({
  thisHook: ngHookBuf, ifMatch: ngHookBuf, ifNotMatch: ngHookBuf, strip: ngUint8, tag_cookie: ngUint32, tag_id: ngUint16, tag_len: ngUint16, tag_data: tagData,
});
const hookoutType = ngStruct<TagHookout>({ thisHook: ngHookBuf, tag_cookie: ngUint32, tag_id: ngUint16, tag_len: ngUint16, tag_data: tagData });

const NO_TAG: TagLook = { tag_cookie: 0, tag_id: 0, tag_len: 0, tag_data: new Uint8Array(0) };

class TagHook {
  readonly hook: Hook;
  input: TagHookin;
  output: TagHookout;
  match: TagHook | null = null;
  nonmatch: TagHook | null = null;

  constructor(hook: Hook) {
    this.hook = hook;
    this.input = { thisHook: hook.name, ifMatch: '', ifNotMatch: '', strip: 0, ...NO_TAG };
    this.output = { thisHook: hook.name, ...NO_TAG };
  }
}

class TagNode implements NgNodeOps {
  private readonly node: NgNode;

  constructor(node: NgNode) {
    this.node = node;
  }

  newhook(hook: Hook): Errno {
    hook.data = new TagHook(hook);
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const from = hook.data;
    if (!(from instanceof TagHook)) return ngDrop(m, 0);
    const found = isTag(from.input) ? findTag(m, from.input) : null;
    if (found !== null && from.input.strip !== 0) m.deleteTag(found);
    const to = found === null ? from.nonmatch : from.match;
    if (to === null) return ngDrop(m, 0);
    if (isTag(to.output)) putTag(m, to.output);
    return this.node.graph.send(to.hook, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_TAG_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_TAG_SET_HOOKIN: {
        const input = ngDecodeHead(hookinType, msg.args);
        return input === null ? EINVAL : this.setHookin(input);
      }
      case NGM_TAG_SET_HOOKOUT: {
        const output = ngDecodeHead(hookoutType, msg.args);
        if (output === null) return EINVAL;
        const of = this.tagHook(output.thisHook);
        if (of === null) return ENOENT;
        of.output = output;
        return 0;
      }
      case NGM_TAG_GET_HOOKIN:
      case NGM_TAG_GET_HOOKOUT: {
        if (msg.args.length === 0) return EINVAL;
        const of = this.tagHook(ngBytesText(msg.args));
        if (of === null) return ENOENT;
        const { node } = this;
        return node.graph.respond(node, msg, msg.cmd === NGM_TAG_GET_HOOKIN ? ngEncode(hookinType, of.input) : ngEncode(hookoutType, of.output));
      }
      default:
        return EINVAL;
    }
  }

  private setHookin(input: TagHookin): Errno {
    const of = this.tagHook(input.thisHook);
    if (of === null) return ENOENT;
    of.input = input;
    of.match = this.tagHook(input.ifMatch);
    of.nonmatch = this.tagHook(input.ifNotMatch);
    return 0;
  }

  private tagHook(name: string): TagHook | null {
    const data = this.node.findHook(name)?.data;
    return data instanceof TagHook ? data : null;
  }

  disconnect(hook: Hook): void {
    for (const { data } of this.node.hooks) {
      if (!(data instanceof TagHook)) continue;
      if (data.match?.hook === hook) data.match = null;
      if (data.nonmatch?.hook === hook) data.nonmatch = null;
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

function isTag(look: TagLook): boolean {
  return look.tag_cookie !== 0 || look.tag_id !== 0;
}

function findTag(m: PacketBuffer, look: TagLook): PacketTag | null {
  for (let tag = m.tags; tag !== null; tag = tag.next) {
    if (tag.cookie === look.tag_cookie && tag.id === look.tag_id && tag.len >= look.tag_len && beginsWith(tag.data, look.tag_data)) return tag;
  }
  return null;
}

function beginsWith(data: Uint8Array, head: Uint8Array): boolean {
  for (let i = 0; i < head.length; i++) if (data[i] !== head[i]) return false;
  return true;
}

/** The packet goes without when there is no tag to be had. */
function putTag(m: PacketBuffer, look: TagLook): void {
  const tag = m.addTag(look.tag_cookie, look.tag_id, look.tag_len);
  if (tag !== null) tag.data.set(look.tag_data);
}

export const tagType: NgType = {
  name: 'tag',
  cookie: NGM_TAG_COOKIE,
  cmds: [
    ngCmd(NGM_TAG_SET_HOOKIN, 'sethookin', hookinType),
    ngCmd(NGM_TAG_GET_HOOKIN, 'gethookin', ngHookBuf, hookinType),
    ngCmd(NGM_TAG_SET_HOOKOUT, 'sethookout', hookoutType),
    ngCmd(NGM_TAG_GET_HOOKOUT, 'gethookout', ngHookBuf, hookoutType),
  ],
  construct: (node) => new TagNode(node),
};
