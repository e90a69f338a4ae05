/**
 * bpf.ts — ng_bpf(4): sends what comes in by a hook to one of two others, as a filter program of that hook decides.
 * Read first: ng_bpf(4); net/bpf-filter.ts, the machine.
 *
 * Theory of operation. Each hook has a program and the names of two hooks. A program that keeps some of a frame is a match: the frame, cut to what was kept,
 * goes to `ifMatch`; otherwise it goes whole to `ifNotMatch`. A name without a hook drops, and is looked up again when a hook of that name comes. A new
 * hook has a program that keeps nothing.
 * A program sees what a wire would show: a tag that is out of band is in the bytes meanwhile, a super-segment is judged frame by frame, and checksums that
 * are pending are finished before a frame is cut short. A program that answers without looking spares all that.
 *
 * Invariant: `match` and `nomatch` of a hook are hooks of this node, or null.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENOENT } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { BPF_K, BPF_RET, BpfProgram, bpfFilter, bpfValidate } from '../../net/bpf-filter.js';
import { etherInsertTag, etherStripTag } from '../../net/ether.js';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } from '../../wire/ether.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngFinish, ngSegment, ngWireLen } from '../ng-offload.js';
import {
  NG_HOOKSIZ, ngArray, ngBytesText, ngDecode, ngEncode, ngHint16, ngHookBuf, ngInt32, ngLengthField, ngStruct, ngUint32, ngUint64, ngUint8,
} from '../ng-parse.js';
import type { NgValue } from '../ng-parse.js';
import { NgStatsCmds } from '../ng-stats.js';

const NGM_BPF_COOKIE = 944_100_792;
const NGM_BPF_SET_PROGRAM = 1;
const NGM_BPF_GET_PROGRAM = 2;

const insnType = ngStruct({ code: ngHint16, jt: ngUint8, jf: ngUint8, k: ngUint32 });
const hookprogType = ngStruct({
  thisHook: ngHookBuf, ifMatch: ngHookBuf, ifNotMatch: ngHookBuf, bpf_prog_len: ngInt32, bpf_prog: ngArray(insnType, ngLengthField('bpf_prog_len')),
});
type Hookprog = NgValue<typeof hookprogType>;

interface BpfStats {
  recvFrames: number;
  recvOctets: number;
  recvMatchFrames: number;
  recvMatchOctets: number;
  xmitFrames: number;
  xmitOctets: number;
}

const statsType = ngStruct<BpfStats>({
  recvFrames: ngUint64, recvOctets: ngUint64, recvMatchFrames: ngUint64, recvMatchOctets: ngUint64, xmitFrames: ngUint64, xmitOctets: ngUint64,
});
const STATS = new NgStatsCmds({ get: 3, clr: 4, getclr: 5 }, statsType, ngHookBuf);

const noStats = (): BpfStats => ({ recvFrames: 0, recvOctets: 0, recvMatchFrames: 0, recvMatchOctets: 0, xmitFrames: 0, xmitOctets: 0 });

/** What a program answers when it has to look. */
const LOOKS = -1;

class BpfHook {
  prog: Hookprog;
  program: BpfProgram;
  /** What the program answers whatever it sees, or LOOKS. */
  answer: number;
  match: BpfHook | null = null;
  nomatch: BpfHook | null = null;
  stats = noStats();
  readonly hook: Hook;

  constructor(hook: Hook) {
    this.hook = hook;
    this.prog = { thisHook: hook.name, ifMatch: '', ifNotMatch: '', bpf_prog_len: 1, bpf_prog: [{ code: BPF_RET | BPF_K, jt: 0, jf: 0, k: 0 }] };
    this.program = programOf(this.prog);
    this.answer = answerOf(this.program);
  }
}

function programOf({ bpf_prog: insns }: Hookprog): BpfProgram {
  return new BpfProgram(insns.map(({ code, jt, jf, k }) => [code, jt, jf, k]));
}

function answerOf(program: BpfProgram): number {
  const [code = 0, , , k = 0] = program.insn(0) ?? [];
  return code === (BPF_RET | BPF_K) ? k : LOOKS;
}

class BpfNode implements NgNodeOps {
  private readonly node: NgNode;
  /** Of the super-segment that is being cut. */
  private cutting: BpfHook | null = null;
  private cutError: Errno = 0;
  private readonly cut = (m: PacketBuffer): void => {
    if (this.cutting === null) m.free();
    else this.cutError = this.judge(this.cutting, m);
  };

  constructor(node: NgNode) {
    this.node = node;
  }

  private bpfHook(name: string): BpfHook | null {
    const data = this.node.findHook(name)?.data;
    return data instanceof BpfHook ? data : null;
  }

  private get all(): BpfHook[] {
    return this.node.hooks.flatMap(({ data }) => (data instanceof BpfHook ? [data] : []));
  }

  newhook(hook: Hook): Errno {
    const made = new BpfHook(hook);
    hook.data = made;
    for (const other of this.all) {
      if (other.prog.ifMatch === hook.name) other.match = made;
      if (other.prog.ifNotMatch === hook.name) other.nomatch = made;
    }
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const from = hook.data;
    if (!(from instanceof BpfHook)) {
      m.free();
      return 0;
    }
    const { answer } = from;
    const len = ngWireLen(m);
    if (answer === 0 || answer >= len) return this.deliver(from, m, len, answer > 0 && len > 0);
    if (m.gsoSize === 0) return this.judge(from, m);
    const outer = this.cutting;
    this.cutting = from;
    this.cutError = 0;
    ngSegment(m, this.cut);
    this.cutting = outer;
    return this.cutError;
  }

  /** Runs the program over a frame as it is on a wire. */
  private judge(from: BpfHook, m: PacketBuffer): Errno {
    const tagged = (m.flags & M_VLANTAG) !== 0;
    if (!etherInsertTag(m)) {
      m.free();
      return 0;
    }
    const { len } = m;
    const keep = len === 0 ? 0 : bpfFilter(from.program, m.view, m.off, len, len);
    if (keep > 0 && keep < len) {
      if (!ngFinish(m)) {
        m.free();
        return 0;
      }
      m.trim(keep);
    }
    if (tagged && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) etherStripTag(m, m.vproto);
    return this.deliver(from, m, len, keep > 0);
  }

  /** @param received length before the frame was cut short. */
  private deliver(from: BpfHook, m: PacketBuffer, received: number, matched: boolean): Errno {
    const { stats } = from;
    stats.recvFrames++;
    stats.recvOctets += received;
    if (matched) {
      stats.recvMatchFrames++;
      stats.recvMatchOctets += received;
    }
    const dest = matched ? from.match : from.nomatch;
    if (dest === null) {
      m.free();
      return 0;
    }
    dest.stats.xmitFrames++;
    dest.stats.xmitOctets += ngWireLen(m);
    return this.node.graph.send(dest.hook, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_BPF_COOKIE) return EINVAL;
    if (msg.cmd !== NGM_BPF_SET_PROGRAM) return msg.cmd === NGM_BPF_GET_PROGRAM || STATS.has(msg.cmd) ? this.ofHook(msg) : EINVAL;
    const prog = ngDecode(hookprogType, msg.args);
    return prog === null ? EINVAL : this.setProgram(prog);
  }

  private setProgram(prog: Hookprog): Errno {
    const bpf = this.bpfHook(prog.thisHook);
    if (bpf === null) return ENOENT;
    const program = programOf(prog);
    if (program.length === 0 || !bpfValidate(program)) return EINVAL;
    bpf.prog = prog;
    bpf.program = program;
    bpf.answer = answerOf(program);
    bpf.match = this.bpfHook(prog.ifMatch);
    bpf.nomatch = this.bpfHook(prog.ifNotMatch);
    return 0;
  }

  /** Commands whose argument is the name of a hook. */
  private ofHook(msg: NgMessage): Errno {
    const { node } = this;
    if (msg.args.length === 0) return EINVAL;
    const bpf = this.bpfHook(ngBytesText(msg.args.subarray(0, Math.min(msg.args.length, NG_HOOKSIZ) - 1)));
    if (bpf === null) return ENOENT;
    if (msg.cmd === NGM_BPF_GET_PROGRAM) return node.graph.respond(node, msg, ngEncode(hookprogType, bpf.prog));
    return STATS.answer(node, msg, bpf.stats, () => (bpf.stats = noStats()));
  }

  disconnect(hook: Hook): void {
    for (const other of this.all) {
      if (other.match?.hook === hook) other.match = null;
      if (other.nomatch?.hook === hook) other.nomatch = null;
    }
    if (this.node.hooks.length === 0) this.node.graph.rmnodeSelf(this.node);
  }
}

export const bpfType: NgType = {
  name: 'bpf',
  cookie: NGM_BPF_COOKIE,
  cmds: [
    ngCmd(NGM_BPF_SET_PROGRAM, 'setprogram', hookprogType),
    ngCmd(NGM_BPF_GET_PROGRAM, 'getprogram', ngHookBuf, hookprogType),
    ...STATS.cmds,
  ],
  construct: (node) => new BpfNode(node),
};
