/**
 * ng-types.ts — the kinds of nodes there are, in the order in which they are listed.
 */
import type { NgType } from './ng-node.js';
import { bpfType } from './nodes/bpf.js';
import { bridgeType } from './nodes/bridge.js';
import { carType } from './nodes/car.js';
import { checksumType } from './nodes/checksum.js';
import { deviceType } from './nodes/device.js';
import { echoType } from './nodes/echo.js';
import { eifaceType } from './nodes/eiface.js';
import { etfType } from './nodes/etf.js';
import { etherType } from './nodes/ether.js';
import { etherEchoType } from './nodes/ether-echo.js';
import { holeType } from './nodes/hole.js';
import { hubType } from './nodes/hub.js';
import { ifaceType } from './nodes/iface.js';
import { ipfwType } from './nodes/ipfw.js';
import { ksocketType } from './nodes/ksocket.js';
import { macfilterType } from './nodes/macfilter.js';
import { natType } from './nodes/nat.js';
import { netflowType } from './nodes/netflow.js';
import { one2manyType } from './nodes/one2many.js';
import { patchType } from './nodes/patch.js';
import { pipeType } from './nodes/pipe.js';
import { sampleType } from './nodes/sample.js';
import { socketType } from './nodes/socket.js';
import { sourceType } from './nodes/source.js';
import { splitType } from './nodes/split.js';
import { tagType } from './nodes/tag.js';
import { tcpmssType } from './nodes/tcpmss.js';
import { teeType } from './nodes/tee.js';
import { vlanType } from './nodes/vlan.js';
import { vlanRotateType } from './nodes/vlan-rotate.js';

export const NG_TYPES: readonly NgType[] = Object.freeze([
  bpfType,
  bridgeType,
  carType,
  checksumType,
  deviceType,
  echoType,
  eifaceType,
  etfType,
  etherType,
  etherEchoType,
  holeType,
  hubType,
  ifaceType,
  ipfwType,
  ksocketType,
  macfilterType,
  natType,
  netflowType,
  one2manyType,
  patchType,
  pipeType,
  sampleType,
  socketType,
  sourceType,
  splitType,
  tagType,
  tcpmssType,
  teeType,
  vlanType,
  vlanRotateType,
]);
