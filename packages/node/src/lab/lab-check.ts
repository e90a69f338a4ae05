/**
 * lab-check.ts — what a schema cannot say of a lab: names refer to something, nothing is made twice, nothing goes in a circle.
 *
 * Read first: lab-model.ts.
 *
 * Every finding carries the path of the value at fault; lab-file.ts turns it into line and column.
 * Not here: what only the running stack knows (an interface name that is taken, an address in use).
 */
import { checkDhcp } from './lab-dhcp.js';
import { checkDhcp6 } from './lab-dhcp6.js';
import { isFileDevice, parseFileDevice, relativePath } from '../daemon/file-device.js';
import { isPacketDevice } from '../port/host-device.js';
import { parseGuestDevice, relativeGuestPath } from '../port/guest-device.js';
import { checkGateway, gatewayOf } from './lab-gateway.js';
import type { Endpoint, Lab, LabInterface, LabPath, LabVnet } from './lab-model.js';
import { carriers, HOST_VNET, isRoute6, labLinks, many } from './lab-model.js';
import { checkVms } from './lab-vms.js';
import { nearest } from './nearest.js';

export interface LabFinding {
  readonly path: LabPath;
  readonly message: string;
  readonly remedy: string;
}

/** Interfaces by "vnet:name", with what makes them. */
type Made = Map<string, string>;

const MAKERS: Readonly<Record<string, string>> = { link: 'the end of a link', bridge: 'a bridge', vm: 'the tap of a virtual machine' };

export function checkLab(lab: Lab): LabFinding[] {
  const findings: LabFinding[] = [];
  const report = (path: LabPath, message: string, remedy: string): void => void findings.push({ path, message, remedy });
  checkParents(lab, report);
  const made = checkLinks(lab, report);
  checkBridges(lab, made, report);
  checkVms(lab, made, report);
  for (const [name, vnet] of Object.entries(lab.vnets)) {
    if (vnet !== null) checkVnet(lab, name, vnet, made, report);
  }
  checkMembers(lab, made, report);
  checkDhcp(lab, report);
  checkDhcp6(lab, report);
  return findings;
}

type Report = (path: LabPath, message: string, remedy: string) => void;

function suggest(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  if (near !== null) return `did you mean "${near}"?`;
  return known.length === 0 ? 'there are none' : `there are: ${known.join(', ')}`;
}

function checkParents(lab: Lab, report: Report): void {
  const names = Object.keys(lab.vnets);
  for (const [name, vnet] of Object.entries(lab.vnets)) {
    if (vnet?.parent === undefined) continue;
    const path = ['vnets', name, 'parent'];
    if (name === HOST_VNET) report(path, '"host" is outside all jails and has no parent', 'leave "parent" out');
    else if (vnet.parent !== HOST_VNET && lab.vnets[vnet.parent] === undefined) report(path, `there is no vnet "${vnet.parent}"`, suggest(vnet.parent, names));
    else if (inCircle(lab, name)) report(path, `vnet "${name}" is its own ancestor`, 'break the circle of "parent"');
  }
}

function inCircle(lab: Lab, start: string): boolean {
  let at = lab.vnets[start]?.parent;
  for (let steps = 0; at !== undefined && steps <= Object.keys(lab.vnets).length; steps++) {
    if (at === start) return true;
    at = lab.vnets[at]?.parent;
  }
  return false;
}

function checkLinks(lab: Lab, report: Report): Made {
  const made: Made = new Map();
  const raw = lab.links ?? [];
  for (const [i, link] of labLinks(lab).entries()) {
    link.ends.forEach((end, side) => {
      const path = ['links', i, ...('endpoints' in raw[i]! ? ['endpoints', side] : [side])];
      checkEnd(lab, end, path, made, report);
    });
    const [a, b] = link.ends;
    if (a.bridge !== null && a.bridge === b.bridge) report(link.path, `both ends are on bridge "${a.bridge}": frames would go round for ever`, 'join two bridges, or a bridge and a vnet');
  }
  return made;
}

function checkEnd(lab: Lab, end: Endpoint, path: LabPath, made: Made, report: Report): void {
  if (end.bridge !== null) {
    if (lab.bridges?.[end.bridge] === undefined) {
      const vnet = lab.vnets[end.bridge] !== undefined;
      report(path, `there is no bridge "${end.bridge}"`, vnet ? `it is a vnet: say which interface, as in "${end.bridge}:eth0"` : suggest(end.bridge, Object.keys(lab.bridges ?? {})));
    }
    return;
  }
  if (end.vnet !== HOST_VNET && lab.vnets[end.vnet] === undefined) return report(path, `there is no vnet "${end.vnet}"`, suggest(end.vnet, Object.keys(lab.vnets)));
  const key = `${end.vnet}:${end.ifname}`;
  if (end.ifname.startsWith('lo') && /^lo\d+$/.test(end.ifname)) return report(path, `"${key}" is a loopback and cannot be the end of a link`, 'give the end another name');
  if (made.has(key)) return report(path, `"${key}" is the end of two links`, 'give each end its own name');
  made.set(key, 'link');
}

function checkBridges(lab: Lab, made: Made, report: Report): void {
  for (const [name, bridge] of Object.entries(lab.bridges ?? {})) {
    const vnet = bridge?.vnet ?? HOST_VNET;
    if (vnet !== HOST_VNET && lab.vnets[vnet] === undefined) report(['bridges', name, 'vnet'], `there is no vnet "${vnet}"`, suggest(vnet, Object.keys(lab.vnets)));
    else if (made.has(`${vnet}:${name}`)) report(['bridges', name], `"${vnet}:${name}" is the end of a link already`, 'give the bridge another name');
    else made.set(`${vnet}:${name}`, 'bridge');
    checkCarp(['bridges', name], name, bridge?.carp, report);
  }
}

function checkVnet(lab: Lab, name: string, vnet: LabVnet, made: Made, report: Report): void {
  if (name === HOST_VNET) {
    for (const key of ['forwarding', 'multicast', 'gateway', 'sysctl', 'hostname', 'dns', 'resolver'] as const) {
      if (vnet[key] !== undefined) report(['vnets', name, key], `a lab does not change "${key}" of the host, which it shares with others`, 'use a vnet of its own');
    }
  }
  checkMulticast(lab, name, vnet, made, report);
  const gateway = gatewayOf(vnet.gateway);
  if (gateway !== null) checkGateway(['vnets', name, 'gateway'], name, gateway, (ifname) => isKnown(lab, name, ifname, made), report);
  for (const [ifname, ifc] of Object.entries(vnet.interfaces ?? {})) {
    checkInterface(lab, name, ifname, ifc ?? {}, made, report);
    checkCarp(['vnets', name, 'interfaces', ifname], ifname, ifc?.carp, report);
  }
  vnet.routes?.forEach((route, i) => {
    const ways = [route.via, route.interface, route.type].filter((way) => way !== undefined).length;
    const path = ['vnets', name, 'routes', i];
    if (ways === 0) report(path, `the route to ${route.to} leads nowhere`, 'add "via", "interface" or "type"');
    else if (ways > 1) report(path, `the route to ${route.to} has more than one of "via", "interface" and "type"`, 'keep one');
    if (route.via !== undefined && route.via.includes(':') !== isRoute6(route)) report([...path, 'via'], `${route.via} is no gateway for the route to ${route.to}`, `give an IPv${isRoute6(route) ? 6 : 4} address`);
    if (route.interface !== undefined && !isKnown(lab, name, route.interface, made)) report([...path, 'interface'], `vnet "${name}" has no interface "${route.interface}"`, suggest(route.interface, interfacesOf(lab, name, made)));
  });
}

/** Interfaces that multicast routing names, and that a route does not lead back. */
function checkMulticast(lab: Lab, name: string, vnet: LabVnet, made: Made, report: Report): void {
  const path = ['vnets', name, 'multicast'];
  const { querier = [], proxy, routes = [] } = vnet.multicast ?? {};
  const known = (at: LabPath, ifname: string): void => {
    if (!isKnown(lab, name, ifname, made)) report(at, `vnet "${name}" has no interface "${ifname}"`, suggest(ifname, interfacesOf(lab, name, made)));
  };
  querier.forEach((ifname, i) => known([...path, 'querier', i], ifname));
  if (proxy !== undefined) {
    known([...path, 'proxy', 'upstream'], proxy.upstream);
    proxy.downstream.forEach((ifname, i) => {
      const at = [...path, 'proxy', 'downstream', i];
      if (ifname === proxy.upstream || proxy.downstream.indexOf(ifname) < i) report(at, `the proxy names "${ifname}" twice`, 'name each interface once');
      else known(at, ifname);
    });
  }
  routes.forEach((route, i) => {
    known([...path, 'routes', i, 'in'], route.in);
    route.out.forEach((out, k) => {
      const at = [...path, 'routes', i, 'out', k];
      const ifname = out.split(':')[0] ?? '';
      if (ifname === route.in) report(at, `packets to ${route.group} would go back to "${ifname}"`, 'name another interface');
      else known(at, ifname);
    });
  });
}

function checkCarp(path: LabPath, ifname: string, carp: LabInterface['carp'], report: Report): void {
  carp?.forEach(({ vhid, inet, inet6 }, i) => {
    if (/^lo\d+$/.test(ifname)) report([...path, 'carp', i], `"${ifname}" is a loopback: there is nobody to share an address with`, 'give the vhid to another interface');
    else if (inet === undefined && inet6 === undefined) report([...path, 'carp', i], `vhid ${vhid} has no address to share`, 'add "inet" or "inet6"');
    else if (carp.findIndex((other) => other.vhid === vhid) < i) report([...path, 'carp', i, 'vhid'], `"${ifname}" has vhid ${vhid} twice`, 'give all its addresses in one entry, or another number');
  });
}

function checkInterface(lab: Lab, vnet: string, ifname: string, ifc: LabInterface, made: Made, report: Report): void {
  const path = ['vnets', vnet, 'interfaces', ifname];
  const key = `${vnet}:${ifname}`;
  const isVlan = ifc.vlan !== undefined || ifc.vlandev !== undefined;
  const isVxlan = ifc.vxlan !== undefined;
  const isLagg = ifc.laggport !== undefined;
  const isMade = isVlan || isVxlan || isLagg || ifc.host !== undefined;
  const maker = made.get(key);
  if (isVlan && ifc.host !== undefined) return report(path, `"${key}" is both a VLAN and a tap`, 'keep "vlan" or "host"');
  if (isVxlan && (isVlan || ifc.host !== undefined)) return report(path, `"${key}" is both a vxlan and a ${isVlan ? 'VLAN' : 'tap'}`, `keep "vxlan" or "${isVlan ? 'vlan' : 'host'}"`);
  if (isLagg && (isVlan || isVxlan || ifc.host !== undefined)) {
    const [other, word] = isVlan ? ['VLAN', 'vlan'] : isVxlan ? ['vxlan', 'vxlan'] : ['tap', 'host'];
    return report(path, `"${key}" is both a lagg and a ${other}`, `keep "laggport" or "${word}"`);
  }
  if (maker !== undefined && isMade) return report(path, `"${key}" is made twice: it is ${MAKERS[maker] ?? maker} already`, 'give it another name');
  if (maker === 'bridge') return report(path, `"${key}" is a bridge`, 'configure it under "bridges"');
  if (isVlan) checkVlan(lab, vnet, ifname, ifc, made, report);
  else if (ifc.vlanproto !== undefined || ifc.vlanpcp !== undefined) report(path, `"${key}" is not a VLAN`, 'add "vlan" and "vlandev"');
  if (isLagg) checkLagg(lab, vnet, ifname, ifc, made, report);
  else if (ifc.laggproto !== undefined || ifc.lagghash !== undefined) report(path, `"${key}" is not a lagg`, 'add "laggport"');
  checkVxlan(lab, vnet, ifname, ifc, made, report);
  checkHost([...path, 'host'], ifc.host, report);
  if (isMade || maker === 'link' || maker === 'vm') return;
  if (/^lo\d+$/.test(ifname)) {
    if (vnet === HOST_VNET && ifname === 'lo0') report(path, 'a lab does not change lo0 of the host, which it shares with others', 'use lo1, or a vnet of its own');
    return;
  }
  report(path, `nothing makes interface "${ifname}" of vnet "${vnet}"`, `add a link with the endpoint "${key}", or "vlan" and "vlandev", or "laggport", or "vxlan", or "host"`);
}

/** Words that name a guest or files say what they should; a daemon that is elsewhere finds their paths. */
function checkHost(path: LabPath, host: string | undefined, report: Report): void {
  if (host === undefined || !host.includes(':') || isPacketDevice(host)) return;
  const device = isFileDevice(host) ? parseFileDevice(host) : parseGuestDevice(host);
  if (typeof device === 'string') {
    const [message = '', remedy = 'choose other words'] = device.split('; ');
    return report(path, message, remedy);
  }
  const relative = 'kind' in device ? relativeGuestPath(device) : relativePath(device);
  if (relative !== null) report(path, `"${relative}" is not an absolute path, and the daemon is not in your folder`, 'write the whole path');
}

/** Does `ifname` of `vnet` carry itself, over VLANs and laggs, beginning with `over`? */
function carriesItself(lab: Lab, vnet: string, ifname: string, over: string): boolean {
  const seen = new Set([over]);
  for (const at of seen) for (const carrier of carriers(lab.vnets[vnet]?.interfaces?.[at])) seen.add(carrier);
  return seen.has(ifname);
}

function checkLagg(lab: Lab, vnet: string, ifname: string, ifc: LabInterface, made: Made, report: Report): void {
  const path = ['vnets', vnet, 'interfaces', ifname, 'laggport'];
  const interfaces = lab.vnets[vnet]?.interfaces ?? {};
  for (const port of many(ifc.laggport)) {
    const other = Object.keys(interfaces).find((name) => name !== ifname && many(interfaces[name]?.laggport).includes(port));
    if (!isKnown(lab, vnet, port, made)) report(path, `vnet "${vnet}" has no interface "${port}"`, suggest(port, interfacesOf(lab, vnet, made)));
    else if (made.get(`${vnet}:${port}`) === 'bridge' || /^lo\d+$/.test(port)) report(path, `"${port}" cannot be a port of a lagg`, 'a port is the end of a link, a VLAN or a tap');
    else if (other !== undefined) report(path, `"${port}" is a port of "${other}", too`, 'keep it in one lagg');
    else if (interfaces[port]?.laggport !== undefined) report(path, `"${port}" is a lagg itself`, 'name its ports');
    else if (carriesItself(lab, vnet, ifname, port)) report(path, `lagg "${ifname}" carries itself over "${port}"`, 'break the circle');
    else if (interfaces[port]?.inet !== undefined || interfaces[port]?.inet6 !== undefined) report(path, `"${port}" is a port and sends nothing by itself`, `give its addresses to "${ifname}"`);
  }
}

function checkVxlan(lab: Lab, vnet: string, ifname: string, ifc: LabInterface, made: Made, report: Report): void {
  const path = ['vnets', vnet, 'interfaces', ifname];
  const { vxlan, vxlanlocal, vxlanremote, vxlangroup, vxlandev } = ifc;
  const words = Object.entries({ vxlanlocal, vxlanremote, vxlangroup, vxlandev }).filter(([, value]) => value !== undefined);
  const [first] = words;
  if (vxlan === undefined) {
    if (first !== undefined) report([...path, first[0]], `"${vnet}:${ifname}" has "${first[0]}" and no "vxlan"`, 'give the network identifier, 0 to 16777215');
    return;
  }
  if ((vxlanremote === undefined) === (vxlangroup === undefined)) report([...path, 'vxlan'], `vxlan "${ifname}" has ${vxlangroup === undefined ? 'no other end' : 'two other ends'}`, 'give either "vxlanremote" or "vxlangroup"');
  if (vxlangroup !== undefined && !isGroup(vxlangroup)) report([...path, 'vxlangroup'], `${vxlangroup} is no multicast group`, 'give an address from 224.0.0.0 to 239.255.255.255');
  if (vxlanremote !== undefined && isGroup(vxlanremote)) report([...path, 'vxlanremote'], `${vxlanremote} is a multicast group`, 'say "vxlangroup"');
  if (vxlandev === undefined) return;
  if (vxlangroup === undefined) report([...path, 'vxlandev'], `vxlan "${ifname}" has "vxlandev" and no group`, 'leave it out: the routes say where its packets go');
  else if (!isKnown(lab, vnet, vxlandev, made)) report([...path, 'vxlandev'], `vnet "${vnet}" has no interface "${vxlandev}"`, suggest(vxlandev, interfacesOf(lab, vnet, made)));
}

/** 224.0.0.0/4 */
function isGroup(address: string): boolean {
  const first = Number(address.split('.')[0]);
  return first >= 224 && first <= 239;
}

function checkVlan(lab: Lab, vnet: string, ifname: string, ifc: LabInterface, made: Made, report: Report): void {
  const path = ['vnets', vnet, 'interfaces', ifname];
  if (ifc.vlandev === undefined) return report([...path, 'vlan'], `VLAN "${ifname}" has no "vlandev"`, 'name the interface that carries it');
  if (ifc.vlan === undefined) return report([...path, 'vlandev'], `"${ifname}" has "vlandev" and no "vlan"`, 'give the tag, 1 to 4094');
  if (ifc.vlandev === ifname) return report([...path, 'vlandev'], `VLAN "${ifname}" carries itself`, 'name another interface');
  if (!isKnown(lab, vnet, ifc.vlandev, made)) return report([...path, 'vlandev'], `vnet "${vnet}" has no interface "${ifc.vlandev}"`, suggest(ifc.vlandev, interfacesOf(lab, vnet, made)));
  if (carriesItself(lab, vnet, ifname, ifc.vlandev)) report([...path, 'vlandev'], `VLAN "${ifname}" carries itself over "${ifc.vlandev}"`, 'break the circle of "vlandev"');
}

function checkMembers(lab: Lab, made: Made, report: Report): void {
  const memberOf = new Map<string, string>();
  for (const [name, bridge] of Object.entries(lab.bridges ?? {})) {
    const vnet = bridge?.vnet ?? HOST_VNET;
    bridge?.members?.forEach((member, i) => {
      const path = ['bridges', name, 'members', i];
      const key = `${vnet}:${member}`;
      if (!isKnown(lab, vnet, member, made)) report(path, `vnet "${vnet}" has no interface "${member}"`, suggest(member, interfacesOf(lab, vnet, made)));
      else if (made.get(key) === 'bridge') report(path, `"${member}" is a bridge and cannot be a member of one`, 'join bridges with a link');
      else if (memberOf.has(key)) report(path, `"${key}" is a member of bridge "${memberOf.get(key)}" already`, 'keep it in one bridge');
      memberOf.set(key, name);
    });
    bridge?.private?.forEach((port, i) => {
      const linked = labLinks(lab).some(({ ends: [a, b] }) => (a.bridge === name && endText(b) === port) || (b.bridge === name && endText(a) === port));
      if (!linked && !(bridge.members ?? []).includes(port)) report(['bridges', name, 'private', i], `"${port}" is not linked to bridge "${name}"`, 'name the other end of one of its links, or one of its "members"');
    });
  }
}

function endText(end: Endpoint): string {
  return end.bridge ?? `${end.vnet}:${end.ifname}`;
}

function isKnown(lab: Lab, vnet: string, ifname: string, made: Made): boolean {
  return made.has(`${vnet}:${ifname}`) || /^lo\d+$/.test(ifname) || lab.vnets[vnet]?.interfaces?.[ifname] !== undefined;
}

function interfacesOf(lab: Lab, vnet: string, made: Made): string[] {
  const linked = [...made.keys()].filter((key) => key.startsWith(`${vnet}:`)).map((key) => key.slice(vnet.length + 1));
  return [...new Set([...linked, ...Object.keys(lab.vnets[vnet]?.interfaces ?? {})])];
}
