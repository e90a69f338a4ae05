/**
 * utf8.ts — bytes of a file or of standard input as text.
 *
 * Bytes that are not UTF-8 stand for themselves, one character each, so that a broken file is complained about where it is broken.
 */

/** Whole text only: a character must not be cut in two. */
export function utf8Text(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  if (!/[\u0080-\u00ff]/.test(binary)) return binary;
  try {
    return decodeURIComponent(binary.replace(/[%\u0080-\u00ff]/g, (c) => `%${c.charCodeAt(0).toString(16)}`));
  } catch {
    return binary;
  }
}
