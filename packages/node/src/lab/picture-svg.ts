/**
 * picture-svg.ts — a topology as an SVG picture: the layout of picture-layout.ts with real lines.
 *
 * One self-contained document, without scripts and outside references, in light and dark colours by `prefers-color-scheme`.
 * A line that passes behind a rail is drawn under it with a gap around the rail, so that a crossing does not look like a joint.
 */
import type { PictureBox, PictureLayout, PictureRail, PictureRow } from './picture-layout.js';
import { layoutPicture } from './picture-layout.js';
import type { Topology } from './topology.js';

const CHAR = 8;
const ROW = 24;
const HEAD = 32;
const GAP = 20;
const MARGIN = 24;
const PAD = 14;
const CHANNEL = 34;

const STYLE = `
    svg { background: var(--paper); --paper: #ffffff; --ink: #1c2530; --weak: #6b7785; --box: #f5f7fa; --edge: #c4cdd6; --cable: #4a6fa5; --bridge: #b3541e }
    @media (prefers-color-scheme: dark) { svg { --paper: #12161c; --ink: #e4e9ef; --weak: #8d99a6; --box: #1b222b; --edge: #3a4553; --cable: #7ba3dc; --bridge: #e58a52 } }
    text { font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); white-space: pre }
    .title { font-weight: 600 } .weak, .down { fill: var(--weak) }
    .box { fill: var(--box); stroke: var(--edge); stroke-width: 1.2 } .rule { stroke: var(--edge) }
    .cable, .bridge { fill: none; stroke-width: 2; stroke-linecap: round } .cable { stroke: var(--cable) } .bridge { stroke: var(--bridge); stroke-width: 4 }
    .gap { fill: none; stroke: var(--paper); stroke-width: 10 } .dot { stroke: none; fill: var(--cable) } .dot.b { fill: var(--bridge) }`;

export function drawSvg(topology: Topology, name = 'Netloom'): string {
  const layout = layoutPicture(topology);
  const columns = columnWidths(layout.boxes);
  const width = columns.total * CHAR + 2 * PAD;
  const tops = boxTops(layout.boxes);
  const rowY = (row: number): number => {
    const at = layout.boxes.findLastIndex((box) => box.firstRow <= row);
    return (tops[at] ?? MARGIN) + HEAD + (row - (layout.boxes[at]?.firstRow ?? 0)) * ROW + ROW / 2;
  };
  const right = MARGIN + width;
  const last = layout.boxes.at(-1);
  const height = (last === undefined ? MARGIN : tops.at(-1)! + boxHeight(last)) + MARGIN;
  const total = right + layout.channels * CHANNEL + MARGIN;
  const parts = [
    ...drawRails(layout, right, rowY),
    ...layout.boxes.map((box, i) => drawBox(box, tops[i] ?? 0, width, columns)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${total}" height="${height}" viewBox="0 0 ${total} ${height}" role="img" aria-label="${escapeXml(name)}">
  <title>${escapeXml(name)}</title>
  <style>${STYLE}
  </style>
${parts.map((part) => `  ${part}\n`).join('')}</svg>
`;
}

interface ColumnWidths {
  readonly name: number;
  readonly kind: number;
  readonly total: number;
}

/** Characters of the columns, the same for all boxes. */
function columnWidths(boxes: readonly PictureBox[]): ColumnWidths {
  const rows = boxes.flatMap((box) => box.rows);
  const name = Math.max(8, ...rows.map((row) => row.name.length + 2 * row.depth)) + 2;
  const kind = Math.max(0, ...rows.map((row) => row.kind.length + 2));
  const address = Math.max(0, ...rows.map((row) => row.address.length));
  return { name, kind, total: Math.max(name + kind + address, ...boxes.map((box) => box.title.length)) };
}

function boxHeight(box: PictureBox): number {
  return HEAD + box.rows.length * ROW + PAD / 2;
}

function boxTops(boxes: readonly PictureBox[]): number[] {
  let y = MARGIN;
  return boxes.map((box) => {
    const top = y;
    y += boxHeight(box) + GAP;
    return top;
  });
}

function drawBox(box: PictureBox, top: number, width: number, columns: ColumnWidths): string {
  const x = MARGIN + PAD;
  const rows = box.rows.map((row, i) => drawRow(row, x, top + HEAD + i * ROW + ROW / 2 + 4, columns));
  return `<g><rect class="box" x="${MARGIN}" y="${top}" width="${width}" height="${boxHeight(box)}" rx="6"/><text class="title" x="${x}" y="${top + 21}">${escapeXml(box.title)}</text>${rows.join('')}</g>`;
}

function drawRow(row: PictureRow, x: number, y: number, columns: ColumnWidths): string {
  const text = (at: number, content: string, kind: string): string => (content === '' ? '' : `<text class="${kind}" x="${at}" y="${y}">${escapeXml(content)}</text>`);
  const state = row.up ? 'name' : 'down';
  return text(x + row.depth * 2 * CHAR, row.name, state) + text(x + columns.name * CHAR, row.kind, 'weak') + text(x + (columns.name + columns.kind) * CHAR, row.address, state);
}

/** Branches first, then each rail over a gap, so that what only passes lies behind. */
function drawRails(layout: PictureLayout, right: number, rowY: (row: number) => number): string[] {
  const x = (rail: PictureRail): number => right + CHANNEL * (rail.channel + 0.75);
  const branches = layout.rails.flatMap((rail) => rail.rows.map((row) => `<path class="${row === rail.bridgeRow ? 'bridge' : 'cable'}" d="M${right} ${rowY(row)}H${x(rail)}"/>`));
  const posts = layout.rails.flatMap((rail) => {
    const line = `d="M${x(rail)} ${rowY(rail.rows[0]!)}V${rowY(rail.rows.at(-1)!)}"`;
    const gap = `<path class="gap" d="M${x(rail)} ${rowY(rail.rows[0]!) + 6}V${rowY(rail.rows.at(-1)!) - 6}"/>`;
    const own = rail.rows.map((row) => `<path class="${row === rail.bridgeRow ? 'bridge' : 'cable'}" d="M${x(rail) - 8} ${rowY(row)}H${x(rail)}"/>`);
    const dots = rail.rows.map((row) => `<circle class="dot${rail.kind === 'bridge' ? ' b' : ''}" cx="${x(rail)}" cy="${rowY(row)}" r="${rail.kind === 'bridge' ? 4 : 3}"/>`);
    return [gap, ...own, `<path class="${rail.kind === 'bridge' ? 'bridge' : 'cable'}" ${line}/>`, ...dots];
  });
  return [...branches, ...posts];
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
