/**
 * rule.property.test.ts — what `ipfw list` prints is the rule that was added: read again it gives the same instructions, and the same words.
 *
 * Left out: addresses of one family in a rule of the other, and families as options (`ip from 10.0.0.1 to any ip6`), which take the place of the protocol when they are listed, as in FreeBSD.
 */
import { IPFW_RULE_JUSTOPTS, Prng } from '@netloom/core';
import type { IpfwInsn, IpfwRuleSpec } from '@netloom/core';
import { expect, test } from 'vitest';
import { LabProc, ToolLab } from '../../test/test-proc.js';
import { IpfwTool } from './ipfw-tool.js';
import { RuleParser } from './rule-parser.js';

const RULES = 600;

class Maker {
  private readonly rng: Prng;

  constructor(seed: number) {
    this.rng = new Prng(seed);
  }

  n(max: number): number {
    return this.rng.u32() % max;
  }

  chance(percent: number): boolean {
    return this.n(100) < percent;
  }

  of<T>(list: readonly T[]): T {
    return list[this.n(list.length)]!;
  }

  list(max: number, one: () => string): string {
    return Array.from({ length: 1 + this.n(max) }, one).join(',');
  }

  ip4(): string {
    return [0, 0, 0, 0].map(() => this.n(256)).join('.');
  }

  ip6(): string {
    return this.of(['2001:db8::1', 'fe80::1234', '::1', 'ff02::1', '2001:db8:1:2:3:4:5:6']);
  }

  range(max: number): string {
    const a = this.n(max);
    return this.chance(60) ? String(a) : `${a}-${a + 1 + this.n(max - a)}`;
  }

  /** An address of the family that the rule speaks. */
  address(six: boolean): string {
    if (six) return this.of(['any', 'me6', this.ip6(), `${this.ip6()}/${1 + this.n(128)}`, `${this.ip6()},${this.ip6()}/48`, `${this.ip6()}/ffff::ff`, 'table(nets)']);
    return this.of([
      'any', 'me', this.ip4(), `${this.ip4()}/${1 + this.n(32)}`, `${this.ip4()}:255.0.255.0`, this.list(4, () => `${this.ip4()}/${8 + this.n(25)}`), 'table(nets)', `table(nets,${this.n(99)})`,
      `10.0.0.0/24{${this.list(5, () => this.range(255))}}`,
    ]);
  }

  side(six: boolean): string {
    const not = this.chance(15) ? 'not ' : '';
    const one = this.address(six);
    if (one === 'any') return one;
    if (this.chance(15)) return `{ ${not}${one} or ${this.of([six ? 'me6' : 'me', six ? this.ip6() : this.ip4()])} }`;
    return `${not}${one}`;
  }

  action(): string {
    return this.of([
      'allow', 'deny', 'count', 'reject', 'reset', 'abort', 'reset6', 'abort6', 'unreach net-prohib', 'unreach 77', 'unreach needfrag 1300', 'unreach6 port', 'unreach6 99', 'skipto 500',
      'skipto tablearg', 'netgraph 7', 'ngtee 9', 'call 900', 'call tablearg', 'return', 'nat 3', 'nat global', 'nat tablearg', 'fwd 192.0.2.7', 'fwd 192.0.2.7,99', 'fwd tablearg',
      'fwd 2001:db8::9,53', 'setfib 0', 'setfib tablearg', 'setdscp ef', 'setdscp 33', 'setmark 0x1f', 'setmark tablearg', 'tcp-setmss 1400', 'reass',
    ]);
  }

  parameters(): string {
    return `${this.of(['', '', ' log', ' log logamount 7'])}${this.of(['', '', ' tag 5', ' untag tablearg'])}`;
  }

  option(six: boolean): string {
    const option = this.of([
      'in', 'out', 'layer2', 'established', 'setup', 'verrevpath', 'versrcreach', 'antispoof', `via ${this.of(['em0', 'epair*', 'table(ifs)', '10.1.2.3'])}`, 'recv lo0', 'xmit tun[0-9]',
      'frag', 'frag mf,!df', `icmptypes ${this.list(3, () => String(this.n(32)))}`, `icmp6types ${this.list(3, () => String(this.n(202)))}`, `iplen ${this.range(1500)}`, `ipttl ${this.range(255)}`,
      `ipid ${this.list(2, () => this.range(60000))}`, `tcpdatalen ${this.range(99)}`, `tcpwin ${this.range(99)}`, `tcpmss ${this.range(1460)}`, 'tcpflags syn,!rst', 'tcpoptions mss,!sack',
      'ipoptions ssrr,!ts', 'iptos lowdelay,!mincost', `dscp ${this.of(['af11', 'ef,cs3', '1,2,63'])}`, 'ipprecedence 5', 'ipver 4', `tcpseq ${this.n(99_999)}`, `tcpack ${this.n(99_999)}`,
      'fib 0', `tagged ${this.of(['4', '4,6-9', 'tablearg'])}`, 'mark 0x10', 'mark 0x10:0xf0', 'mark tablearg:0xf', 'flow table(flows)', 'lookup dst-port ports', 'lookup src-mac macs',
      'src-mac table(macs)', 'dst-mac table(macs,4)', 'MAC any 00:11:22:33:44:55/24', 'MAC 00:11:22:33:44:55&ff:00:ff:00:ff:00 any', 'mac-type 0x0800,0x86dd-0x86de', 'proto udp',
      ...(six ? [`src-ip6 ${this.ip6()}`, `dst-ip6 ${this.ip6()}/64`] : [`src-ip ${this.ip4()}`, `dst-ip ${this.ip4()}/9`]), `src-port ${this.range(9999)}`, `dst-port ${this.list(3, () => this.range(9999))}`,
    ]);
    return this.chance(15) ? `not ${option}` : six && this.chance(5) ? '{ in or not via em0 or frag }' : option;
  }

  state(): string {
    return this.of(['', '', '', ' keep-state', ' record-state :web', ' limit src-addr 5', ' set-limit src-addr dst-port tablearg :web', ' keep-state :a.b-c defer-action']);
  }

  rule(): string {
    const six = this.chance(30);
    const head = `add ${1 + this.n(65_000)}${this.of(['', '', ` set ${this.n(32)}`])}${this.of(['', '', ` prob 0.${1 + this.n(9)}`])}`;
    if (this.chance(5)) return `${head} check-state${this.of(['', ' :any', ' :web', ' // well'])}`;
    const options = Array.from({ length: this.n(4) }, () => ` ${this.option(six)}`).join('');
    const comment = this.chance(10) ? ' // a comment; really' : '';
    const proto = six ? 'ip6' : this.of(['ip', 'ip4', 'tcp', 'udp', 'icmp', 'not tcp', '{ tcp or udp }', '47', '99', 'ipencap']);
    const ports = (): string => (this.chance(20) ? ` ${this.chance(20) ? 'not ' : ''}${this.list(3, () => this.range(60_000))}` : '');
    const body = this.chance(10) ? ' in' : ` ${proto} from ${this.side(six)}${ports()} to ${this.side(six)}${ports()}`;
    return `${head} ${this.action()}${this.parameters()}${body}${options}${this.state()}${comment}`;
  }
}

/** What an instruction says, without what the filter keeps in it. */
const said = ({ op, not, or, arg1, d, name }: IpfwInsn | IpfwRuleSpec['insns'][number]): unknown => [op, not ?? false, or ?? false, arg1 ?? 0, [...(d ?? [])], name ?? ''];

const sorted = (insns: readonly unknown[]): string[] => insns.map((insn) => JSON.stringify(insn)).sort();

test.each([1, 2, 3])('seed %i', async (seed) => {
  const lab = new ToolLab();
  const make = new Maker(seed);
  const proc = lab.start('true').proc;
  expect(proc).toBeInstanceOf(LabProc);
  const t = new IpfwTool(proc);
  const parse = (words: string): IpfwRuleSpec => new RuleParser(t, words.split(/ +/).slice(1)).parse();
  for (let i = 0; i < RULES / 3; i++) {
    const text = make.rule();
    const first = await lab.sh(`ipfw -S ${text}`);
    expect(first, `seed ${seed}: ipfw ${text}`).toMatchObject({ exit: 0, stderr: '' });
    // `-S` says the set behind the number, where `add` wants it.
    const printed = first.stdout.trimEnd();
    const again = await lab.sh(`ipfw -n -S add ${printed}`);
    expect(again, `seed ${seed}: ${text}`).toEqual({ exit: 0, stderr: '', stdout: first.stdout });
    const [a, b] = [parse(text), parse(`add ${printed}`)];
    expect(sorted(b.insns.map(said)), `seed ${seed}: ${text}`).toEqual(sorted(a.insns.map(said)));
    expect([b.rulenum, b.set, b.flags & IPFW_RULE_JUSTOPTS], text).toEqual([a.rulenum, a.set, a.flags & IPFW_RULE_JUSTOPTS]);
  }
  expect((await lab.ok('ipfw list')).split('\n')).toHaveLength(RULES / 3 + 1);
});
