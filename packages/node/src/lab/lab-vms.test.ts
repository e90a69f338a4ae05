/**
 * lab-vms.test.ts — virtual machines in lab files: what is wrong with them, the commands that run them, their picture.
 */
import { expect, test } from 'vitest';
import { formatProblem, readLab } from './lab-file.js';
import { planLab, planScript } from './lab-plan.js';
import { vmRequestOf, vmRunArgs, withVmFiles } from './lab-vms.js';
import { drawText } from './picture-text.js';
import { labTopology } from './topology.js';

const problems = (vms: string, more = ''): string[] => readLab('l', `name: x\nvnets: {r: {interfaces: {tap9: {host: h9}}}}\nvms: {${vms}}\n${more}`).problems.map((p) => formatProblem('l', p));

test.each<[string, string, string[]]>([
  ['nothing to boot', 'a: {nics: tap0}', ['l:3:10: "a" has nothing to boot (add "disks" or "kernel")']],
  ['a RAM disk without a kernel', 'a: {disks: d, initrd: i}', ['l:3:29: "initrd" is for a kernel that is booted directly (name the kernel, too)']],
  ['a vnet that is not there', 'a: {disks: d, vnet: q}', ['l:3:27: there is no vnet "q" (there are: r)']],
  ['a size', 'a: {disks: d, memory: 1X}', ['l:3:29: "1X" is not a size of memory (write it as in 256M or 2G)']],
  ['words of a disk', 'a: {disks: ["d,rw"]}', ['l:3:19: "rw" of the disk "d,rw" is neither "ro" nor "device=virtio-blk", "ahci-hd", "ahci-cd", "nvme" nor "format=raw", "qcow2" (write FILE[,ro][,device=ahci-hd][,format=qcow2])']],
  ['a card', 'a: {disks: d, nics: eth0}', ['l:3:27: "eth0" is not a network card (write tapN, vmnetN or netgraph,path=...,peerhook=..., and mac=..., mtu=46 to 65535 if wanted)']],
  ["a card in bhyve's words", 'a: {disks: d, nics: ["netgraph,path=x:"]}', ['l:3:28: peer hook must be provided (write tapN, vmnetN or netgraph,path=...,peerhook=..., and mac=..., mtu=46 to 65535 if wanted)']],
  ['two machines on a tap', 'a: {disks: d, nics: tap0}, b: {disks: d, nics: [tap1, tap0]}', ['l:3:61: machine "a" is plugged into "host:tap0" already (name another tap)']],
  ['the same tap of two vnets', 'a: {disks: d, nics: tap0}, b: {disks: d, vnet: r, nics: tap0}', []],
  ['a tap with a device', 'a: {disks: d, vnet: r, nics: tap9}', ['l:3:36: "r:tap9" is bound to the device "h9" (leave "host" out, or name another tap)']],
  ['an unknown key', 'a: {disks: d, cpu: 2}', ['l:3:21: unknown key "cpu" in a virtual machine (did you mean "cpus"?)']],
  ['a name', '"a b": {disks: d}', [`l:3:7: "a b" is not a name for a virtual machine: letters, digits, '.', '_' and '-', 63 at most (choose another name)`]],
  ['processors', 'a: {disks: d, cpus: 0}', ['l:3:27: 0 is not a number of processors, 1 to 255 (give "cpus" a number of processors, 1 to 255)']],
])('%s', (_, vms, lines) => {
  expect(problems(vms)).toEqual(lines);
});

const LAB = `
name: x
vnets:
  site: {}
  r: { parent: site, interfaces: { tap0: { inet: 10.0.0.1/24 }, e0: { inet: 10.1.0.1/24 } } }
bridges: { sw: { members: [tap5] } }
links: [[r:e0, sw]]
vms:
  alice: { vnet: r, kernel: k, initrd: ../i, append: console=ttyS0 quiet, memory: 512M, cpus: 2, nics: [tap0, "netgraph,path=br:,peerhook=link0"] }
  bob: { disks: ["/d.img,ro", e.qcow2], nics: ["tap5,mac=2:0:0:0:0:1", "lan,type=tap"], nicmodel: e1000, machine: q35, accel: tcg, firmware: uefi, protectable: true }
`;

test('a plan makes the taps, runs the machines last and stops them first', () => {
  const read = readLab('l', LAB);
  expect(read.problems).toEqual([]);
  const lab = withVmFiles(read.lab!, '/labs/one');
  const script = planScript(planLab(lab)).split('\n');
  expect(script.filter((line) => /tap|lan/.test(line))).toEqual([
    'jexec site.r ifconfig tap0 create', 'ifconfig tap5 create', 'if2=$(ifconfig tap create)', 'ifconfig "$if2" name lan', 'jexec site.r ifconfig tap0 up', 'jexec site.r ifconfig tap0 inet 10.0.0.1/24', 'ifconfig sw addm tap5',
    "netloom vm run alice --vnet site.r --memory 512M --cpus 2 --kernel /labs/one/k --initrd /labs/i --append 'console=ttyS0 quiet' --nic tap0 --nic netgraph,path=br:,peerhook=link0",
    'netloom vm run bob --firmware uefi --machine q35 --accel tcg --nic-model e1000 --disk /d.img,ro --disk /labs/one/e.qcow2 --nic tap5,mac=2:0:0:0:0:1 --nic lan,type=tap --protectable',
  ]);
  expect(planLab(lab).slice(-2).map((step) => step.undo?.argv)).toEqual([['netloom', 'vm', 'stop', 'alice'], ['netloom', 'vm', 'stop', 'bob']]);
  expect(vmRequestOf(vmRunArgs(lab, 'bob', lab.vms!['bob']!))).toEqual({
    name: 'bob', protectable: true, firmware: 'uefi', machine: 'q35', accel: 'tcg', nicModel: 'e1000', disks: [{ path: '/d.img', readonly: true }, { path: '/labs/one/e.qcow2' }], nics: ['tap5,mac=2:0:0:0:0:1', 'lan,type=tap'],
  });
  expect(vmRequestOf(vmRunArgs(lab, 'alice', lab.vms!['alice']!))).toMatchObject({ name: 'alice', vnet: 'site.r', memory: '512M', cpus: 2, append: 'console=ttyS0 quiet' });
});

test('machines are boxes; a cable leads from a tap, or from the bridge that it is a member of', () => {
  expect(drawText(labTopology(readLab('l', LAB).lab!))).toBe(`\
┌─ host ──────────────────────────────────────────────┐
│ sw    bridge                                        ╞═══════╗
│ lan   tap                                           ├───────║───┐
└─────────────────────────────────────────────────────┘       ║   │
┌─ site ──────────────────────────────────────────────┐       ║   │
│                                                     │       ║   │
└─────────────────────────────────────────────────────┘       ║   │
┌─ site.r ────────────────────────────────────────────┐       ║   │
│ e0                                      10.1.0.1/24 ├───────╢   │
│ tap0  tap                               10.0.0.1/24 ├───┐   ║   │
└─────────────────────────────────────────────────────┘   │   ║   │
┌─ alice · virtual machine ───────────────────────────┐   │   ║   │
│ net0                                                ├───┘   ║   │
│ net1  netgraph,path=br:,peerhook=link0              │       ║   │
└─────────────────────────────────────────────────────┘       ║   │
┌─ bob · virtual machine ─────────────────────────────┐       ║   │
│ net0                                                ├───────╜   │
│ net1                                                ├───────────┘
└─────────────────────────────────────────────────────┘
`);
});
