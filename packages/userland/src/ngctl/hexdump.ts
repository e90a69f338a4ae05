/**
 * hexdump.ts — bytes as ngctl and nghook show them: sixteen a line, with their place, in hexadecimal and as characters.
 */

const PER_LINE = 16;

export function hexdump(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += PER_LINE) {
    const line = [...bytes.subarray(at, at + PER_LINE)];
    const hex = line.map((b) => `${b.toString(16).padStart(2, '0')} `).join('').padEnd(PER_LINE * 3);
    const chars = line.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join('').padEnd(PER_LINE);
    text += `${at.toString(16).padStart(4, '0')}:  ${hex} ${chars}\n`;
  }
  return text;
}
