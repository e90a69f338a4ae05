/**
 * picture.test.ts — pictures of topologies, compared whole.
 */
import { expect, test } from 'vitest';
import { readLab } from './lab-file.js';
import { drawSvg } from './picture-svg.js';
import { drawText } from './picture-text.js';
import { labTopology } from './topology.js';

const draw = (yaml: string): string => `\n${drawText(labTopology(readLab('lab.yaml', yaml).lab!))}`;

test('a bridge, a router, a VLAN', () => {
  expect(draw(`
name: t
vnets:
  alpha: {interfaces: {eth0: {inet: 10.0.1.10/24}}}
  router:
    forwarding: true
    interfaces:
      lan: {inet: 10.0.1.1/24}
      wan: {inet: [10.0.2.1/24, 10.0.3.1/24]}
      wan.20: {vlan: 20, vlandev: wan, inet: 10.0.20.1/24}
      tap0: {host: tap7, up: false}
  beta: {interfaces: {eth0: {inet: 10.0.2.10/24}}}
bridges: {lan0: {}}
links: [[alpha:eth0, lan0], [router:lan, lan0], [router:wan, beta:eth0]]
`)).toBe(`
┌─ host ───────────────────────────────┐
│ lan0      bridge                     ╞═══╗
└──────────────────────────────────────┘   ║
┌─ alpha ──────────────────────────────┐   ║
│ eth0                    10.0.1.10/24 ├───╢
└──────────────────────────────────────┘   ║
┌─ router · forwarding ────────────────┐   ║
│ lan                     10.0.1.1/24  ├───╜
│ wan                     10.0.2.1/24  ├───┐
│                         10.0.3.1/24  │   │
│ └ wan.20  vlan 20       10.0.20.1/24 │   │
│ tap0      ⇄ tap7, down               │   │
└──────────────────────────────────────┘   │
┌─ beta ───────────────────────────────┐   │
│ eth0                    10.0.2.10/24 ├───┘
└──────────────────────────────────────┘
`);
});

test('bridges joined, nested vnets, a member with its own row, crossing cables', () => {
  expect(draw(`
name: t
vnets:
  site: {}
  a: {parent: site}
  b:
    interfaces: {tap0: {host: t0}, v7: {vlan: 7, vlandev: up}}
  c: {interfaces: {lo0: {inet: 192.0.2.1/32}}}
bridges: {br0: {}, br1: {vnet: b, members: [tap0, v7], inet: 10.0.0.1/24}}
links: [[br0, br1], [a:x, c:x], [a:y, c:y], [b:up, c:up], [br0, c:z]]
`)).toBe(`
┌─ host ─────────────────────────┐
│ br0       bridge               ╞═══════════════════╗
│ └ link1a                       ├───────┐           ║
└────────────────────────────────┘       │           ║
┌─ site ─────────────────────────┐       │           ║
│                                │       │           ║
└────────────────────────────────┘       │           ║
┌─ site.a ───────────────────────┐       │           ║
│ x                              ├───────│───┐       ║
│ y                              ├───────│───│───┐   ║
└────────────────────────────────┘       │   │   │   ║
┌─ b ────────────────────────────┐       │   │   │   ║
│ br1       bridge  10.0.0.1/24  ╞═══╗   │   │   │   ║
│ └ link1b                       ├───║───┘   │   │   ║
│ up                             ├───║───┐   │   │   ║
│ └ v7      vlan 7               ├───╢   │   │   │   ║
│ tap0      ⇄ t0                 ├───╜   │   │   │   ║
└────────────────────────────────┘       │   │   │   ║
┌─ c ────────────────────────────┐       │   │   │   ║
│ lo0       lo      192.0.2.1/32 │       │   │   │   ║
│ x                              ├───────│───┘   │   ║
│ y                              ├───────│───────┘   ║
│ up                             ├───────┘           ║
│ z                              ├───────────────────╜
└────────────────────────────────┘
`);
});

test('nothing', () => {
  expect(drawText({ vnets: [], vms: [] })).toBe('There is nothing to see: no vnets, and only lo0 outside them.\n');
});

test('the SVG has every name once per row, is well-formed and refers to nothing outside', () => {
  const lab = readLab('lab.yaml', 'name: t\nvnets: {a: {}, b: {}}\nbridges: {br0: {}}\nlinks: [[a:e0, br0], [b:e1, br0], [a:p, b:q]]\n').lab!;
  const svg = drawSvg(labTopology(lab), 'a <b> & "c"');
  for (const name of ['host', 'a', 'b', 'br0', 'e0', 'e1', 'p', 'q']) expect(svg.split(`>${name}</text>`).length - 1, name).toBe(1);
  expect(svg.match(/class="bridge" d="M[\d.]+ \d+V\d+"/g)).toHaveLength(1);
  expect(svg.match(/class="cable" d="M[\d.]+ \d+V\d+"/g)).toHaveLength(1);
  expect(svg).toContain('<title>a &lt;b&gt; &amp; &quot;c&quot;</title>');
  expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href|<script/);
  const open: string[] = [];
  for (const [, closing, tag, selfClosed] of svg.matchAll(/<(\/?)([a-z]+)(?:[^>"]|"[^"]*")*?(\/?)>/g)) {
    if (closing === '/') expect(open.pop()).toBe(tag);
    else if (selfClosed === '') open.push(tag!);
  }
  expect(open).toEqual([]);
});
