/**
 * test-lagg.ts — a bench for laggs: one vnet with cables, the near ends for the lagg's ports, the far ends to see what comes out.
 */
import { ifUp } from '../if.js';
import type { Ifnet } from '../ifnet.js';
import { BROADCAST, TestLab, hexOf, mac, testFrame } from '../test-net.js';
import type { Net } from '../net.js';
import { bridgeCloner } from '../bridge.js';
import { epairCloner } from '../epair.js';
import { tapCloner } from '../tap.js';
import { vlanCloner } from '../vlan.js';
import { laggAddPort, laggInfo, laggSetProtocol } from './lagg-control.js';
import type { LaggInfo } from './lagg-control.js';
import { laggCloner } from './lagg.js';
import type { LaggProtoNumber } from './lagg-var.js';

export const US_PER_S = 1_000_000;
export const STRANGER = mac('02:00:00:00:00:99');
const CLONERS = [epairCloner, tapCloner, vlanCloner, bridgeCloner, laggCloner];

export class LaggBench {
  readonly lab: TestLab;
  readonly net: Net;
  readonly lagg: Ifnet;
  /** Cables: near ends `a`, far ends `b`, all up. */
  readonly a: Ifnet[] = [];
  readonly b: Ifnet[] = [];

  /** @param cables how many; all near ends are ports. */
  constructor(proto: LaggProtoNumber, cables: number, seed = 1) {
    this.lab = new TestLab(seed);
    this.net = this.lab.net('v', CLONERS);
    this.lagg = this.lab.create(this.net, 'lagg');
    laggSetProtocol(this.lagg, proto);
    for (let i = 0; i < cables; i++) this.cable();
    for (const ifp of this.a) laggAddPort(this.lagg, ifp.xname);
    ifUp(this.lagg);
  }

  /** Another cable, no port yet. */
  cable(): Ifnet {
    const [a, b] = this.lab.epair(this.net);
    this.a.push(a);
    this.b.push(b);
    return a;
  }

  /** Another vnet of the same kernel. */
  otherNet(): Net {
    return this.lab.net('w', CLONERS);
  }

  /** Broadcasts `text` from the lagg; the cables (by place) on whose far ends it arrived. */
  says(text: string, from: Ifnet = this.lagg): number[] {
    this.lab.send(from, testFrame(BROADCAST, from.lladdr, text));
    return this.heard(text);
  }

  /** Cables on whose far ends `text` has arrived since the last call. */
  heard(text: string): number[] {
    const arrived = this.lab.arrived(this.net);
    return this.b.flatMap((ifp, i) => arrived.filter((line) => line === `${ifp.xname}:${hexOf(text)}`).map(() => i));
  }

  /** Broadcasts `text` from the far end of cable `i`; the interfaces that took it in. */
  hears(i: number, text: string, frame = testFrame(BROADCAST, STRANGER, text)): string[] {
    const b = this.b[i];
    if (b === undefined) throw new Error(`no cable ${i}`);
    this.lab.send(b, frame);
    return this.lab.arrived(this.net).map((line) => line.replace(`:${hexOf(text)}`, ''));
  }

  info(lagg = this.lagg): LaggInfo {
    const info = laggInfo(lagg);
    if (info === null) throw new Error(`${lagg.xname} is no lagg`);
    return info;
  }

  /** Lets seconds pass. */
  seconds(n: number): void {
    const until = this.lab.engine.now + n * US_PER_S;
    while (this.lab.engine.nextDeadline() <= until) this.lab.engine.runTurn(this.lab.engine.nextDeadline());
    this.lab.engine.runTurn(until);
  }

  destroy(): void {
    this.lab.destroy();
  }
}
