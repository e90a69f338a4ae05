/**
 * printable.ts — text that came from somebody else, safe on a terminal.
 *
 * Control characters become `?`, but for the line's end and the tab: what a peer says must not move the cursor of whoever reads it.
 */
export function printable(text: string): string {
  return text.replace(/[^\n\t\u0020-\u007e\u00a0-\uffff]/g, '?');
}
