/**
 * fake-kernel.ts — class FakeKernel: the part of Linux's rtnetlink that network buffers need, in memory, and failing where a test wants it to.
 * Read first: src/netlink/netlink-transport.ts.
 *
 * Theory of operation. It reads requests by their layout, not with the code under test, keeps interfaces, qdiscs and filters, and answers as Linux does: with what is asked for, an acknowledgement, or an errno with words. Each change is a line in
 * `log`: "ifb0 up", "ifb0 + plug", "vif1.0 + u32 to ifb0", "ifb0 plug 1". `refuse` has a change fail; `before` runs something in front of it. After each change it looks whether somebody's output would be lost or get past: `holes` are the moments at
 * which a filter led to an interface that was down, or not plugged.
 */
import type { NetlinkTransport } from '../../src/netlink/netlink-transport.js';
import { Attributes, nestedAttribute, textAttribute, u32Attribute, words } from '../../src/netlink/attributes.js';
import { encodeMessage } from '../../src/netlink/message.js';

const EPERM = 1;
const ENOENT = 2;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const ROOT = 0xffff_ffff;
const INGRESS = 0xffff_fff1;

interface FakeLink {
  index: number;
  name: string;
  kind: string;
  up: boolean;
}

interface FakeQdisc {
  ifindex: number;
  kind: string;
  handle: number;
  parent: number;
  packets: number;
  limit: number;
}

interface FakeFilter {
  ifindex: number;
  parent: number;
  preference: number;
  kind: string;
  to: number;
}

class Refusal extends Error {
  readonly errno: number;

  constructor(errno: number, message = '') {
    super(message);
    this.errno = errno;
  }
}

export class FakeKernel implements NetlinkTransport {
  readonly log: string[] = [];
  readonly holes: string[] = [];
  links: FakeLink[] = [];
  qdiscs: FakeQdisc[] = [];
  filters: FakeFilter[] = [];
  /** Kinds of qdiscs, classifiers and actions that are loaded. */
  readonly modules = new Set(['ingress', 'clsact', 'plug', 'htb', 'matchall', 'u32']);
  private readonly refusals = new Map<string, { errno: number; said: string }>();
  private readonly hooks = new Map<string, () => void>();
  private readonly answers: Uint8Array[] = [];
  private nextIndex = 1;

  addLink(name: string, kind: string, up = false): FakeLink {
    const link = { index: this.nextIndex++, name, kind, up };
    this.links.push(link);
    return link;
  }

  /** The interface goes, and what is at it; filters that lead to it lead nowhere. */
  removeLink(name: string): void {
    const { index } = this.link(name);
    this.links = this.links.filter((link) => link.index !== index);
    this.qdiscs = this.qdiscs.filter(({ ifindex }) => ifindex !== index);
    this.filters = this.filters.filter(({ ifindex }) => ifindex !== index);
    for (const filter of this.filters) if (filter.to === index) filter.to = 0;
  }

  addQdisc(name: string, kind: string, parent = ROOT, handle = 0x8001_0000): FakeQdisc {
    const qdisc = { ifindex: this.link(name).index, kind, handle, parent, packets: 0, limit: 0 };
    this.qdiscs.push(qdisc);
    return qdisc;
  }

  link(name: string): FakeLink {
    const link = this.links.find((one) => one.name === name);
    if (link === undefined) throw new Error(`the test has no interface ${name}`);
    return link;
  }

  root(name: string): FakeQdisc | undefined {
    return this.qdiscs.find(({ ifindex, parent }) => ifindex === this.link(name).index && parent === ROOT);
  }

  refuse(change: string, errno: number, said = ''): void {
    this.refusals.set(change, { errno, said });
  }

  allow(): void {
    this.refusals.clear();
  }

  before(change: string, hook: () => void): void {
    this.hooks.set(change, hook);
  }

  /** What there is, but for the kernel's own qdiscs. */
  get state(): string[] {
    const name = (index: number): string => this.links.find((link) => link.index === index)?.name ?? 'nothing';
    return [
      ...this.links.map((link) => `${link.name} ${link.up ? 'up' : 'down'}`),
      ...this.qdiscs.filter(({ handle }) => handle !== 0).map(({ ifindex, kind }) => `${kind} at ${name(ifindex)}`),
      ...this.filters.map((filter) => `${filter.kind} from ${name(filter.ifindex)} to ${name(filter.to)}`),
    ];
  }

  send(message: Uint8Array): number {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const type = view.getUint16(4, true);
    const flags = view.getUint16(6, true);
    const sequence = view.getUint32(8, true);
    const body = message.subarray(16, view.getUint32(0, true));
    const bytes = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
    try {
      const answers = this.serve(type, flags, body).map((answer) => encodeMessage(type - 2, 2, sequence, answer));
      const end = (flags & 0x300) === 0x300 && type % 4 === 2 ? encodeMessage(3, 2, sequence, words(0)) : encodeMessage(2, 0, sequence, words(0), message.subarray(0, 16));
      this.answers.push(bytes(...answers, end));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const said = error.message === '' ? [] : [textAttribute(1, error.message)];
      this.answers.push(encodeMessage(2, said.length === 0 ? 0x100 : 0x300, sequence, words(-error.errno), message.subarray(0, 16), ...said));
    }
    return 0;
  }

  receive(): Uint8Array | number {
    return this.answers.shift() ?? 11;
  }

  close(): void {
    this.log.push('closed');
  }

  private serve(type: number, flags: number, body: Uint8Array): Uint8Array[] {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const index = view.getInt32(4, true);
    if (type < 20) return this.serveLink(type, (flags & 0x300) !== 0, view, new Attributes(body.subarray(16)));
    const dump = type === 38 || type === 46;
    const attributes = new Attributes(body.subarray(20));
    if (!dump && !this.links.some((link) => link.index === index)) throw new Refusal(ENODEV);
    if (type < 40) return this.serveQdisc(type, flags, view, attributes);
    return this.serveFilter(type, view, attributes);
  }

  private serveLink(type: number, dump: boolean, view: DataView, attributes: Attributes): Uint8Array[] {
    const name = attributes.text(3);
    const found = dump ? this.links : this.links.filter((link) => (name === null ? link.index === view.getInt32(4, true) : link.name === name));
    if (type === 18 && !dump && found.length === 0) throw new Refusal(ENODEV);
    if (type === 18) {
      return found.map((link) => Buffer.concat([words(0, link.index, link.up ? 1 : 0, 0), textAttribute(3, link.name), u32Attribute(4, 1_500), nestedAttribute(18, textAttribute(1, link.kind))]));
    }
    const [link] = found;
    if (link === undefined) throw new Refusal(ENODEV);
    const up = (view.getUint32(8, true) & 1) !== 0;
    this.change(`${link.name} ${up ? 'up' : 'down'}`, () => {
      link.up = up;
      if (up && this.root(link.name) === undefined) this.addQdisc(link.name, 'fq_codel', ROOT, 0);
    });
    return [];
  }

  private serveQdisc(type: number, flags: number, view: DataView, attributes: Attributes): Uint8Array[] {
    const index = view.getInt32(4, true);
    const handle = view.getUint32(8, true);
    const parent = view.getUint32(12, true);
    if (type === 38) {
      return this.qdiscs.map((qdisc) => Buffer.concat([
        words(0, qdisc.ifindex, qdisc.handle, qdisc.parent, 0), textAttribute(1, qdisc.kind), nestedAttribute(7, nestedAttribute(3, words(qdisc.packets, qdisc.packets * 100, 0, 0, 0))),
      ]));
    }
    const { name } = this.links.find((link) => link.index === index)!;
    const other = (): FakeQdisc | undefined => this.qdiscs.find((qdisc) => qdisc.ifindex === index && qdisc.parent === parent && qdisc.handle !== 0);
    const kind = attributes.text(1)!;
    if (type === 37) {
      this.change(`${name} - ${kind}`, () => {
        const there = other();
        if (there === undefined) throw new Refusal(ENOENT, 'Cannot find specified qdisc on specified device');
        if (there.handle !== handle) throw new Refusal(EINVAL, 'Invalid handle');
        this.qdiscs = this.qdiscs.filter((qdisc) => qdisc !== there);
        if (kind === 'ingress') this.filters = this.filters.filter((filter) => filter.ifindex !== index);
      });
      return [];
    }
    const options = attributes.bytes(2);
    const [action, limit] = options === null ? [0, 0] : new Uint32Array(options.slice().buffer);
    if ((flags & 0x400) === 0) {
      this.change(`${name} plug ${action}${action === 3 ? ` ${limit}` : ''}`, () => {
        const there = other();
        if (there !== undefined && there.handle !== handle) throw new Refusal(EEXIST, 'NLM_F_REPLACE needed to override');
        if (there === undefined) throw new Refusal(ENOENT, 'Qdisc not found. To create specify NLM_F_CREATE flag');
        if (action === 3) there.limit = limit!;
        if (action === 2) there.packets = 0;
      });
      return [];
    }
    const replaces = (flags & 0x100) !== 0;
    this.change(`${name} ${replaces ? '=' : '+'} ${kind}`, () => {
      if (!this.modules.has(kind)) throw new Refusal(ENOENT, 'Specified qdisc kind is unknown.');
      if (other() !== undefined && !replaces) throw new Refusal(EEXIST, 'Exclusivity flag on, cannot modify');
      this.qdiscs = this.qdiscs.filter((qdisc) => qdisc.ifindex !== index || qdisc.parent !== parent);
      this.qdiscs.push({ ifindex: index, kind, handle, parent, packets: 0, limit: limit! });
    });
    return [];
  }

  private serveFilter(type: number, view: DataView, attributes: Attributes): Uint8Array[] {
    const index = view.getInt32(4, true);
    const parent = view.getUint32(12, true);
    const preference = view.getUint32(16, true) >>> 16;
    const mine = (filter: FakeFilter): boolean => filter.ifindex === index && filter.parent === parent;
    if (type === 46) return this.filters.filter(mine).map(filterBody);
    const { name } = this.links.find((link) => link.index === index)!;
    if (type === 45) {
      this.change(`${name} - filter`, () => {
        if (!this.filters.some((filter) => mine(filter) && filter.preference === preference)) throw new Refusal(ENOENT, 'Cannot find specified filter chain');
        this.filters = this.filters.filter((filter) => !mine(filter) || filter.preference !== preference);
      });
      return [];
    }
    const kind = attributes.text(1)!;
    const mirred = attributes.nested(2).nested(kind === 'matchall' ? 2 : 7).nested(1).nested(2).bytes(2)!;
    const to = new DataView(mirred.buffer, mirred.byteOffset).getUint32(24, true);
    if ((view.getUint32(16, true) & 0xffff) !== 0x0300) throw new Refusal(EPERM, 'Not all protocols');
    const target = this.links.find((link) => link.index === to);
    this.change(`${name} + ${kind} to ${target?.name ?? 'nothing'}`, () => {
      if (!this.modules.has(kind)) throw new Refusal(ENOENT, 'TC classifier not found');
      if (!this.qdiscs.some((qdisc) => qdisc.ifindex === index && qdisc.parent === INGRESS)) throw new Refusal(EINVAL, 'Parent Qdisc doesn\'t exists');
      if (target === undefined) throw new Refusal(ENODEV);
      this.filters.push({ ifindex: index, parent, preference, kind, to });
    });
    return [];
  }

  private change(what: string, act: () => void): void {
    const hook = this.hooks.get(what);
    this.hooks.delete(what);
    hook?.();
    const refusal = this.refusals.get(what);
    if (refusal !== undefined) {
      this.log.push(`${what}: no`);
      throw new Refusal(refusal.errno, refusal.said);
    }
    try {
      act();
      this.log.push(what);
    } catch (error) {
      this.log.push(`${what}: no`);
      throw error;
    }
    for (const filter of this.filters) {
      const target = this.links.find((link) => link.index === filter.to);
      if (target?.up === false) this.holes.push(`${target.name} is down after ${what}`);
      else if (target !== undefined && this.root(target.name)?.kind !== 'plug') this.holes.push(`${target.name} is not plugged after ${what}`);
    }
  }
}

function filterBody({ ifindex, parent, preference, kind, to }: FakeFilter): Uint8Array {
  const action = nestedAttribute(1, textAttribute(1, 'mirred'), nestedAttribute(2, nestedAttribute(2, words(1, 0, 4, 1, 1, 1, to))));
  return Buffer.concat([words(0, ifindex, 1, parent, ((preference << 16) | 0x0300) >>> 0), textAttribute(1, kind), nestedAttribute(2, nestedAttribute(kind === 'matchall' ? 2 : 7, action))]);
}
