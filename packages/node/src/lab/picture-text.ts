/**
 * picture-text.ts — a topology as a picture in box-drawing characters.
 *
 * Read first: picture-layout.ts. Cables are single lines, bridges double ones; where a line passes behind a rail, the rail is drawn.
 */
import type { PictureBox, PictureLayout, PictureRail, PictureRow } from './picture-layout.js';
import { layoutPicture } from './picture-layout.js';
import type { Topology } from './topology.js';

/** Columns between two rails. */
const CHANNEL_WIDTH = 4;

/** The corners and joints of a rail: at its top, at its bottom, between; and the rail itself. */
const CABLE = { top: '┐', bottom: '┘', joint: '┤', rail: '│' };
const BRIDGE = { top: '╖', bottom: '╜', joint: '╢', rail: '║' };
/** Where the bridge's own double line meets its rail. */
const BRIDGE_OWN = { top: '╗', bottom: '╝', joint: '╣' };

export function drawText(topology: Topology): string {
  const layout = layoutPicture(topology);
  if (layout.boxes.length === 0) return 'There is nothing to see: no vnets, and only lo0 outside them.\n';
  const inside = new Columns(layout.boxes);
  const lines: string[] = [];
  for (const box of layout.boxes) {
    const above = box.firstRow - 0.5;
    lines.push(`┌─ ${box.title} ${'─'.repeat(Math.max(0, inside.width - box.title.length - 2))}─┐${rails(layout, above, null)}`);
    box.rows.forEach((row, i) => {
      const at = box.firstRow + i;
      const rail = layout.rails.find((r) => r.rows.includes(at)) ?? null;
      lines.push(`│ ${inside.text(row)} ${edge(rail, at)}${rails(layout, at, rail)}`);
    });
    const below = box.firstRow + box.rows.length - 0.5;
    lines.push(`└${'─'.repeat(inside.width + 2)}┘${rails(layout, below, null)}`);
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Widths of the columns inside the boxes, the same for all of them. */
class Columns {
  readonly width: number;
  private readonly name: number;
  private readonly kind: number;
  private readonly address: number;

  constructor(boxes: readonly PictureBox[]) {
    const rows = boxes.flatMap((box) => box.rows);
    this.name = Math.max(0, ...rows.map((row) => nameText(row).length));
    this.kind = Math.max(0, ...rows.map((row) => row.kind.length));
    this.address = Math.max(0, ...rows.map((row) => row.address.length));
    const columns = this.name + (this.kind === 0 ? 0 : this.kind + 2) + (this.address === 0 ? 0 : this.address + 2);
    this.width = Math.max(columns, ...boxes.map((box) => box.title.length + 2));
  }

  text(row: PictureRow): string {
    const kind = this.kind === 0 ? '' : `  ${row.kind.padEnd(this.kind)}`;
    return `${nameText(row).padEnd(this.name)}${kind}${this.address === 0 ? '' : `  ${row.address}`}`.padEnd(this.width);
  }
}

function nameText(row: PictureRow): string {
  return row.depth > 0 && !row.continued ? `${'  '.repeat(row.depth - 1)}└ ${row.name}` : row.name;
}

function edge(rail: PictureRail | null, row: number): string {
  if (rail === null) return '│';
  return rail.bridgeRow === row ? '╞' : '├';
}

/** The part of a line to the right of the boxes. `row` is a half number between rows; `own` is the rail that this row is joined to. */
function rails(layout: PictureLayout, row: number, own: PictureRail | null): string {
  let text = '';
  for (let channel = 0; channel < layout.channels; channel++) {
    const here = layout.rails.find((r) => r.channel === channel && r.rows[0]! <= row && row <= r.rows.at(-1)!);
    const reaching = own !== null && own.channel >= channel;
    const line = !reaching ? ' ' : own.bridgeRow === row ? '═' : '─';
    text += line.repeat(CHANNEL_WIDTH - 1);
    if (here === undefined) text += line;
    else if (here === own) text += joint(here, row);
    else text += here.kind === 'bridge' ? BRIDGE.rail : CABLE.rail;
  }
  return text;
}

function joint(rail: PictureRail, row: number): string {
  const set = rail.kind === 'cable' ? CABLE : rail.bridgeRow === row ? BRIDGE_OWN : BRIDGE;
  if (row === rail.rows[0]) return set.top;
  return row === rail.rows.at(-1) ? set.bottom : set.joint;
}
